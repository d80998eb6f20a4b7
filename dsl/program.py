"""Programs: a term of a grammar that runs, encodes, prints as a Python function, and reads back.

The printed function is plain Python with no import of ours, below the functions it calls. A chain of conditionals
prints as early returns; a value that is used twice gets a name. ``Program.parse`` reads exactly this shape and nothing
else, and runs none of it: what it accepts prints as the same syntax again, so a text and its program cannot mean
different things. Where two terms print alike (``-5`` is a literal and an application of ``-``), the grammar's first
operator is read.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.composition import Composition, written_out
from dsl.function import called, function_text, operators, read_body
from dsl.grammar import Grammar
from dsl.operators import MOST_SHOWN, GrammarError, Operator, Term
from dsl.scalars import Columns, ScalarSignature, Symbols, Value
from dsl.sequences import SequenceBatch, SymbolicSequence
from dsl.showing import code_html, cut, panel_html
from dsl.text import Reader, paired

WORD = 2**63  # numbers of sequence programs are held in 64 bits
LET = "(let "  # what the name of a row begins with that is a text with holes _0, _1, ... for its arguments
HOLE = re.compile(r"(?<=[\s(])_([0-9]+)(?=[\s)])")
SIMPLE_SYMBOL = re.compile(r"[A-Za-z~!@$%^&*_+=<>.?/-][A-Za-z0-9~!@$%^&*_+=<>.?/-]*|\|[^|]*\|")


@dataclass(frozen=True)
class Program:
    """A term and the grammar it comes from; what is composed of other operators is written out (``dsl.composition``).

    Raises GrammarError when a function that the text calls has the name of a parameter.

    >>> text = "def f(tokens):\\n    return 'yes' if tokens.count('a') >= 2 else 'no'"
    >>> program = Program.parse(text, grammar)
    >>> program(["a", "b", "a"]), program.size
    ('yes', 5)
    """

    term: Term
    grammar: Grammar

    def __post_init__(self) -> None:
        if not isinstance(self.term, Term) or not isinstance(self.grammar, Grammar):
            raise GrammarError(
                f"expected a term and its grammar, got {cut(repr(self.term), 60)} and {cut(repr(self.grammar), 60)}; "
                "Program.parse(text, grammar) reads a printed function"
            )
        object.__setattr__(self, "term", written_out(self.term))
        for name in self.grammar.signature.names:
            if name in called(self.term):
                raise GrammarError(f"the text calls a function {name!r}, so no parameter can have that name; rename it")

    def __repr__(self) -> str:
        """What it does, on one line.

        >>> from dsl.grammars.motifs import motifs
        >>> text = "def f(tokens):\\n    return 'x' if 'a' in tokens else 'y'"
        >>> Program.parse(text, motifs(("a", "b"), ("x", "y")))
        Program(return 'x' if 'a' in tokens else 'y')
        """
        if self.size > MOST_SHOWN:
            return f"Program({self.size} operators)"
        text = function_text(self.term, self.grammar.signature, "program")
        return f"Program({cut(text.split(chr(10), 1)[1])})"

    def _repr_html_(self) -> str:
        """The printed function, for notebooks."""
        return panel_html(code_html(self.source()))

    def run(self, batch: SequenceBatch | Columns) -> NDArray[Any]:
        """The values on a batch: (examples,); label indices of a sequence program, -2 where it names no label.

        Raises GrammarError for an empty sequence where the program reads a token of every sequence.
        """
        if self.term.needs_token and isinstance(batch, SequenceBatch):
            self._check_lengths(bool(batch.lengths.all()))
        values = np.asarray(self.term.evaluate(batch))
        if values.dtype != object:
            values = values.astype(self.term.sort.dtype, copy=False)
        return np.broadcast_to(values, (batch.examples,))

    def __call__(self, *values: Sequence[str] | Value) -> Any:
        """The exact value on one input: a label (None where the program names none), or a bool, int, str or Fraction.

        A sequence program takes one sequence of tokens, a scalar program a value per parameter. Raises GrammarError
        for anything else.
        """
        signature = self.grammar.signature
        return signature.answer(self.run(signature.example(*values))[0])

    def encode(self, symbols: SymbolicSequence | Symbols) -> Any:
        """The PySMT term for the value (the label's index) on symbolic inputs; raises GrammarError like ``run``."""
        if isinstance(symbols, SymbolicSequence):
            self._check_lengths(symbols.length > 0)
        return self.term.encode(symbols)

    @property
    def size(self) -> int:
        """How many operators the program applies."""
        return self.term.size

    @property
    def cost(self) -> int:
        """The least cost of the program in its grammar; raises GrammarError when it is not derivable."""
        cost = self.grammar.cost(self.term)
        if cost is None:
            raise GrammarError(f"not a program of this grammar: {self.term}")
        return cost

    def source(self, name: str = "program", docstring: str = "") -> str:
        """The program as a Python function, below the functions it calls.

        ``docstring`` is wrapped to about 100 columns; with the empty string the function has none. A scalar program
        may have any SyGuS name, which is printed as an identifier; that of a sequence program is printed as it is,
        and GrammarError raised where it is no identifier or hides a built-in function.
        """
        return self._source(self.grammar.signature.function_name(name), docstring)

    def _source(self, name: str, docstring: str = "") -> str:
        if not name.isidentifier() or keyword.iskeyword(name) or hasattr(builtins, name):
            raise GrammarError(f"expected an identifier that is no keyword and no built-in function, got {name!r}")
        functions = called(self.term)
        if name in functions:
            raise GrammarError(f"the text calls another function {name!r}; give the program another name")
        return "\n\n".join([*functions.values(), function_text(self.term, self.grammar.signature, name, docstring)])

    def sygus(self, name: str) -> str:
        """The program as SyGuS-IF text, ``(define-fun name ((x Int)) Int body)``; GrammarError for a sequence program.

        Defined functions that the body calls are ``definitions``.
        """
        signature = self.grammar.signature
        if not isinstance(signature, ScalarSignature):
            raise GrammarError("a sequence program has no SyGuS-IF text: its values are no values of SMT-LIB")
        return define_fun(name, signature, self.term)

    def definitions(self) -> tuple[str, ...]:
        """SyGuS-IF text of the defined functions that the program calls, each after those it calls itself."""
        found: dict[str, None] = {}

        def collect(term: Term) -> None:
            for operator in operators(term):
                if operator.definition is not None:
                    collect(operator.definition)
                    signature = ScalarSignature(operator.parameters, operator.result)
                    found[define_fun(operator.name, signature, operator.definition)] = None

        collect(self.term)
        return tuple(found)

    @classmethod
    def parse(cls, source: str, grammar: Grammar) -> Program:
        """The program that ``source`` prints; raises GrammarError when it is not one of ``grammar``.

        So it does for a sequence program whose numbers may leave 64 bits: what runs would not be what is printed.
        """
        if not isinstance(source, str):
            raise GrammarError(f"expected the text of a function, got {cut(repr(source), 80)}")
        try:
            functions = _read_functions(source, grammar.signature.names)
            own = (p.operator for p in grammar.productions if not isinstance(p.operator.meaning, Composition))
            rows = (*own, *_written(grammar, functions))
            constants = frozenset(grammar.sorts[name] for name in grammar.constants)
            costs: dict[Term, dict[str, int]] = {}
            is_scalar = isinstance(grammar.signature, ScalarSignature)
            accepts = (lambda term: True) if is_scalar else (lambda term: bool(grammar.costs(term, costs)))
            reader = Reader(tuple(dict.fromkeys(rows)), constants, accepts)
            function = functions[-1]
            body = function.body[1:] if ast.get_docstring(function) is not None else function.body
            program = cls(read_body(body, reader, grammar.sorts[grammar.start], {}), grammar)
            printed = _read_functions(program._source(function.name), grammar.signature.names)
        except RecursionError:
            raise GrammarError("the text is nested too deeply to be read") from None
        if not isinstance(grammar.signature, ScalarSignature) and program.term.magnitude >= WORD:
            raise GrammarError("its numbers may leave 64 bits on long sequences; write it with smaller factors")
        if not _is_printed(function, body, printed[-1]):
            expected = " ".join(ast.unparse(printed[-1]).split())
            raise GrammarError(f"not in the shape that is printed: expected {expected}")
        if list(map(ast.dump, functions[:-1])) != list(map(ast.dump, printed[:-1])):
            expected = ", ".join(helper.name for helper in printed[:-1]) or "no other function"
            raise GrammarError(f"expected above the program exactly as they are printed: {expected}")
        _ = program.cost
        return program

    def _check_lengths(self, are_positive: bool) -> None:
        if self.term.needs_token and not are_positive:
            raise GrammarError(
                f"{self.term} reads a token, so it has no value on the empty sequence; leave that out of the domain, "
                "or take motifs(..., min_length=0)"
            )


def define_fun(name: str, signature: ScalarSignature, body: Term) -> str:
    """``(define-fun name ((x Int)) Int body)``."""
    parameters = " ".join(f"({symbol_text(parameter)} {sort.name})" for parameter, sort in signature.parameters)
    return f"(define-fun {symbol_text(name)} ({parameters}) {signature.result.name} {term_text(body)})"


def term_text(term: Term) -> str:
    """A scalar term as SMT-LIB writes it."""
    operator = term.operator
    if operator.name.startswith(LET) and term.arguments:
        texts = [term_text(argument) for argument in term.arguments]
        return HOLE.sub(lambda found: texts[int(found[1])], operator.name)
    is_indexed = operator.name.startswith("(") and not operator.is_variable
    name = operator.name if operator.is_literal or is_indexed else symbol_text(operator.name)
    return f"({' '.join([name, *map(term_text, term.arguments)])})" if term.arguments else name


def symbol_text(name: str) -> str:
    """An SMT-LIB symbol, between bars where it needs them."""
    return name if SIMPLE_SYMBOL.fullmatch(name) else f"|{name}|"


def _read_functions(source: str, names: tuple[str, ...]) -> list[ast.FunctionDef]:
    """The syntax of one function of ``names`` and of those above it; raises GrammarError for anything else."""
    try:
        module = paired(ast.parse(source))
    except SyntaxError as error:
        raise GrammarError(f"not Python: line {error.lineno}: {error.msg}") from error
    except (ValueError, MemoryError) as error:
        raise GrammarError(f"not Python: {error}") from error
    functions = [statement for statement in module.body if isinstance(statement, ast.FunctionDef)]
    if len(functions) != len(module.body) or not functions or _names(functions[-1]) != names:
        raise GrammarError(f"expected functions alone, the last one a function of {', '.join(names) or 'no argument'}")
    return functions


def _written(grammar: Grammar, functions: list[ast.FunctionDef]) -> Iterator[Operator]:
    """Operators of ``grammar.written`` that may stand in the text."""
    nodes = [node for function in functions for node in ast.walk(function)]
    return (production.operator for family in grammar.written for production in family.rows(nodes))


def _names(function: ast.FunctionDef) -> tuple[str, ...]:
    return tuple(argument.arg for argument in function.args.args)


def _is_printed(function: ast.FunctionDef, body: list[ast.stmt], printed: ast.FunctionDef) -> bool:
    """Whether a function is ``printed`` to the letter; a docstring may be added, annotations left out.

    Its own variables may have other names, each its own and none of them a built-in function's.
    """
    arguments = [ast.arg(name) for name in _names(printed)]
    bare = ast.arguments(posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[])
    return (
        not function.decorator_list
        and ast.dump(function.args) in (ast.dump(bare), ast.dump(printed.args))
        and (function.returns is None or ast.dump(function.returns) == ast.dump(printed.returns or ast.Constant(0)))
        and _numbered(body) == _numbered(printed.body)
    )


def _numbered(body: list[ast.stmt]) -> list[str]:
    """The syntax of a function's body with its own variables numbered as they come, in all places at once."""
    whole = ast.parse(ast.unparse(ast.Module(body, [])))
    names = [node for node in ast.walk(whole) if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load) and not hasattr(builtins, node.id)}
    numbers: dict[str, int] = {}
    for node in names:
        if node.id in own:
            node.id = f"own {numbers.setdefault(node.id, len(numbers))}"  # no name that a text can have
    return [ast.dump(statement) for statement in paired(whole).body]
