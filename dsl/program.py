"""Programs: a term of a grammar that runs, encodes, prints as a Python function, and reads back.

The printed function is plain Python with no import of ours. A chain of conditionals prints as early returns; a value
that is used twice gets a name. ``Program.parse`` reads exactly this shape and nothing else, and runs none of it: what
it accepts prints as the same syntax again, so a text and its program cannot mean different things.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammar import Grammar
from dsl.operators import BOOL, LABEL, GrammarError, Operator, Term
from dsl.sequences import SequenceBatch, SymbolicSequence
from dsl.text import Printer, Reader, is_loop

INDENT = "    "
LONGEST_RETURN = 84  # columns; a longer conditional prints as two returns


@dataclass(frozen=True)
class Program:
    """A term and the grammar it comes from."""

    term: Term
    grammar: Grammar

    def run(self, batch: SequenceBatch) -> NDArray[np.int64]:
        """Label indices for a batch: (sequences,); -2 where the program names no label.

        Raises GrammarError for an empty sequence where the program reads a token of every sequence.
        """
        self._check_lengths(bool(batch.lengths.all()))
        return np.broadcast_to(np.asarray(self.term.evaluate(batch), np.int64), (len(batch.tokens),))

    def __call__(self, tokens: Sequence[str]) -> str | None:
        """The label of one sequence, or None where the program names no label."""
        index = int(self.run(self.grammar.signature.batch([tokens]))[0])
        return self.grammar.signature.labels[index] if index >= 0 else None

    def encode(self, symbols: SymbolicSequence) -> Any:
        """The PySMT integer term for the label index on a symbolic sequence; raises GrammarError like ``run``."""
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
        """The program as a Python function ``name(tokens: list[str]) -> str``.

        ``docstring`` is wrapped to about 100 columns; with the empty string the function has none. Raises GrammarError
        for a name that is no identifier or hides a built-in function.
        """
        if not name.isidentifier() or keyword.iskeyword(name) or hasattr(builtins, name):
            raise GrammarError(f"expected an identifier that is no keyword and no built-in function, got {name!r}")
        printer = Printer(frozenset(_shared(self.term)))
        body = _returns(self.term, printer)
        lines = [f"def {name}(tokens: list[str]) -> str:"]
        if docstring:
            quoted = f'"""{_quoted(docstring)}"""'
            lines += textwrap.wrap(quoted, 100, initial_indent=INDENT, subsequent_indent=INDENT, break_long_words=False)
        text = "\n".join(_text(statement) for statement in body)
        return "\n".join(lines) + "\n" + textwrap.indent(text, INDENT) + "\n"

    @classmethod
    def parse(cls, source: str, grammar: Grammar) -> Program:
        """The program that ``source`` prints; raises GrammarError when it is not one of ``grammar``."""
        operators = tuple(dict.fromkeys(production.operator for production in grammar.productions))
        try:
            function = _read_function(source)
            body = function.body[1:] if ast.get_docstring(function) is not None else function.body
            program = cls(_read_body(body, Reader(operators), {}), grammar)
            printed = _read_function(program.source(function.name))
        except RecursionError:
            raise GrammarError("the text is nested too deeply to be read") from None
        if not _is_printed(function, body, printed):
            expected = " ".join(ast.unparse(printed).split())
            raise GrammarError(f"not in the shape that is printed: expected {expected}")
        _ = program.cost
        return program

    def _check_lengths(self, are_positive: bool) -> None:
        if self.term.needs_token and not are_positive:
            raise GrammarError(
                f"{self.term} reads a token, so it has no value on the empty sequence; leave that out of the domain, "
                "or take motifs(..., min_length=0)"
            )


def _quoted(text: str) -> str:
    """``text`` for a place between triple quotes."""
    safe = "".join(c if c.isprintable() else " " for c in text)
    safe = safe.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return safe[:-1] + '\\"' if safe.endswith('"') else safe


def _read_function(source: str) -> ast.FunctionDef:
    """The syntax of one function of ``tokens``; raises GrammarError for anything else."""
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        raise GrammarError(f"not Python: line {error.lineno}: {error.msg}") from error
    except (ValueError, MemoryError) as error:
        raise GrammarError(f"not Python: {error}") from error
    match module.body:
        case [ast.FunctionDef(args=ast.arguments(args=[ast.arg(arg="tokens")])) as function]:
            return function
    raise GrammarError("expected one function of one argument named tokens")


def _is_printed(function: ast.FunctionDef, body: list[ast.stmt], printed: ast.FunctionDef) -> bool:
    """Whether a function is ``printed`` to the letter; a docstring may be added, annotations left out."""
    bare = ast.arguments(posonlyargs=[], args=[ast.arg("tokens")], kwonlyargs=[], kw_defaults=[], defaults=[])
    return (
        not function.decorator_list
        and ast.dump(function.args) in (ast.dump(bare), ast.dump(printed.args))
        and (function.returns is None or ast.dump(function.returns) == ast.dump(printed.returns or ast.Constant(0)))
        and [ast.dump(statement) for statement in body] == [ast.dump(statement) for statement in printed.body]
    )


def _shared(term: Term) -> Iterator[Term]:
    """Subterms that stand in the text more than once and have a noun to be named by."""
    counts: Counter[Term] = Counter()

    def count(inner: Term) -> None:
        counts[inner] += 1
        if counts[inner] == 1:
            for argument in inner.arguments:
                count(argument)

    count(term)
    return (inner for inner, times in counts.items() if times > 1 and inner.operator.noun != "value")


def _returns(term: Term, printer: Printer) -> list[ast.stmt]:
    """The statements that return ``term``: early returns down the chain of conditionals."""
    conditions: list[ast.stmt] = []
    while _is_choice(term.operator) and _is_choice(term.arguments[2].operator):
        condition, label, term = term.arguments
        conditions.append(ast.If(printer.print(condition), [ast.Return(printer.print(label))], []))
    final: list[ast.stmt] = [ast.Return(printer.print(term))]
    if _is_choice(term.operator) and len(_text(final[0])) > LONGEST_RETURN:
        test, then, otherwise = (printer.print(argument) for argument in term.arguments)
        final = [ast.If(test, [ast.Return(then)], []), ast.Return(otherwise)]
    return [*printer.statements, *conditions, *final]


def _text(statement: ast.stmt) -> str:
    """``ast.unparse``, without its second pair of parentheses around a lone generator argument."""
    text = ast.unparse(ast.fix_missing_locations(statement))
    for node in ast.walk(statement):
        match node:
            case ast.Call(func=function, args=[ast.GeneratorExp() as generator], keywords=[]):
                name, inner = ast.unparse(function), ast.unparse(generator)
                short = text.replace(f"{name}({inner})", f"{name}{inner}")
                if ast.dump(ast.parse(short)) == ast.dump(ast.parse(text)):  # else it stands inside a token, too
                    text = short
    return text


def _is_choice(operator: Operator) -> bool:
    return operator.name == "choose" and operator.arguments == (BOOL, LABEL, LABEL)


def _read_body(body: list[ast.stmt], reader: Reader, names: dict[str, Term]) -> Term:
    if not body:
        raise GrammarError("the function ends without a return")
    for name, term, consumed in reader.read_loop(body, names):
        return _read_body(body[consumed:], reader, {**names, name: term})
    match body[0]:
        case ast.Return(value=ast.expr() as value):
            return reader.read(value, LABEL, names)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return _read_body(body[1:], reader, {**names, name: _read_any(value, reader, names)})
        case ast.If(test=test, body=[ast.Return(value=ast.expr() as value)], orelse=[]):
            choose = next((operator for operator in reader.operators if _is_choice(operator)), None)
            if choose is None:
                raise GrammarError(f"this grammar has no conditional: if {ast.unparse(test)}")
            rest = _read_body(body[1:], reader, names)
            return choose(reader.read(test, BOOL, names), reader.read(value, LABEL, names), rest)
        case statement:
            raise GrammarError(f"not in this grammar: {ast.unparse(statement).splitlines()[0]}")


def _read_any(value: ast.expr, reader: Reader, names: dict[str, Term]) -> Term:
    for sort in dict.fromkeys(operator.result for operator in reader.operators if not is_loop(operator)):
        try:
            return reader.read(value, sort, names)
        except GrammarError:
            continue
    raise GrammarError(f"not in this grammar: {ast.unparse(value)}")
