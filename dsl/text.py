"""Terms as Python syntax, and Python syntax back as terms: one template per operator, read in both directions.

Printing fills an operator's template with the syntax of its arguments; reading matches the same template against
syntax and reads what stands in its holes. So what is printed can be read back as the very term that was proved.
Templates are abstract syntax, never strings glued together, so precedence and quoting take care of themselves.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from dsl.operators import GrammarError, Operator, Sort, Term
from dsl.theories.theory import literal

Node = TypeVar("Node", bound=ast.AST)

BOUND = "token"  # the variable of a position-wise term
STATE = "state"  # the variable a loop template builds
MOST_NAMED = 1  # tokens in a variable's name
SIGNS = {"(": "open", ")": "close", "[": "open", "]": "close", "{": "open", "}": "close", "'": "single", '"': "double"}


@cache
def template(operator: Operator, text: str) -> tuple[ast.stmt, ...]:
    """The syntax of an operator's Python text (``text`` is part of the key: rows are equal by name alone).

    Numbers that the text writes in hexadecimal have the kind "x".
    """
    module = ast.parse(text)
    if "0x" in text:
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and (ast.get_source_segment(text, node) or "").startswith("0x"):
                node.kind = "x"
    return tuple(paired(module).body)


def rebuilt(node: Node, inside: Callable[[Any], Any]) -> Node:
    """A copy of a node, with what ``inside`` makes of each node right below it."""
    result: Node = type(node).__new__(type(node))
    for name, value in vars(node).items():
        if isinstance(value, ast.AST):
            value = inside(value)
        elif isinstance(value, list):
            value = [inside(one) if isinstance(one, ast.AST) else one for one in value]
        setattr(result, name, value)
    return result


def copied(node: Node) -> Node:
    """A copy that shares nothing with ``node``."""
    result: Node = rebuilt(node, copied)
    return result


def paired(node: Node) -> Node:
    """A copy with ``a and b and c`` as ``(a and b) and c``: a conjunction has two sides, as its row has."""
    result: Any = rebuilt(node, paired)
    if isinstance(result, ast.BoolOp):
        operator, (result, *others) = result.op, result.values
        for right in others:
            result = ast.BoolOp(operator, [result, right])
    return result  # type: ignore[no-any-return]  # an expression where one was


def spaced(node: Node) -> Node:
    """A copy that ``ast.unparse`` prints as people write it, not as tersely as Python can read it.

    Numbers of kind "x" are hexadecimal, arithmetic under a bitwise operator has parentheses; a conjunction to the left
    of another one has none (``paired`` reads it back), nor has a ``not`` to the right of one.
    """
    result: Any = rebuilt(node, spaced)
    match result:
        case ast.Constant(kind="x", value=int(value)):
            return ast.Name(f"0x{value:X}", ast.Load())  # type: ignore[return-value]
        case ast.BoolOp(op=operator, values=[left, right]):
            if isinstance(left, ast.BoolOp) and type(left.op) is type(operator):
                left = ast.Name(ast.unparse(left), ast.Load())
            if isinstance(right, ast.UnaryOp) and isinstance(right.op, ast.Not):
                right = ast.Name(ast.unparse(right), ast.Load())
            result.values = [left, right]
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr() | ast.BitXor() | ast.LShift() | ast.RShift()):
            result.left, result.right = _closed(result.left, result.op), _closed(result.right, result.op)
    return result  # type: ignore[no-any-return]


def _closed(side: ast.expr, above: ast.operator) -> ast.expr:
    if isinstance(side, ast.BinOp) and type(side.op) is not type(above):
        return ast.Name(f"({ast.unparse(side)})", ast.Load())
    return side


def is_loop(operator: Operator) -> bool:
    """Whether the operator's text is statements that build ``state`` (else one expression)."""
    return not isinstance(template(operator, operator.python)[0], ast.Expr)


def expression(operator: Operator) -> ast.expr:
    """The expression template of an operator that is not a loop."""
    statement = template(operator, operator.python)[0]
    assert isinstance(statement, ast.Expr)
    return statement.value


# --- printing ---------------------------------------------------------------------------------------------------


def fill(node: Node, arguments: Mapping[str, ast.expr], renamed: Mapping[str, ast.expr]) -> Node:
    """A copy of a template with its holes filled and its variables replaced."""
    filled: Any = None
    match node:
        case ast.Call(func=ast.Name(id=name), args=[placed, *_]) if name in arguments:
            filled = replace(arguments[name], {BOUND: placed})
        case ast.Name(id=name) if name in arguments:
            filled = arguments[name]
        case ast.Name(id=name, ctx=context) if name in renamed:
            filled = copied(renamed[name])
            if isinstance(filled, ast.Name):
                filled.ctx = context
        case _:
            filled = rebuilt(node, lambda inner: fill(inner, arguments, renamed))
    return filled  # type: ignore[no-any-return]  # an expression where one was


def replace(node: ast.expr, renamed: Mapping[str, ast.expr]) -> ast.expr:
    """``node`` with variables replaced by expressions."""
    return fill(node, {}, renamed)


@dataclass
class Printer:
    """Prints terms one after the other; ``statements`` collects the loops and shared values they need.

    ``taken`` are names that these cannot have; values of a ``crowded`` noun are told apart by the tokens they speak of.
    """

    shared: frozenset[Term]
    statements: list[ast.stmt] = field(default_factory=list)
    names: dict[Term, str] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    crowded: frozenset[str] = frozenset()

    def print(self, term: Term) -> ast.expr:
        """The expression for ``term``; anything it needs before it goes to ``statements``."""
        if term in self.names:
            return ast.Name(self.names[term], ast.Load())
        arguments = {f"_{index}": self.print(argument) for index, argument in enumerate(term.arguments)}
        if is_loop(term.operator):
            name = ast.Name(self._name(term, arguments.values()), ast.Store())
            for statement in template(term.operator, term.operator.python):
                self.statements.append(fill(statement, arguments, {STATE: name}))
            return ast.Name(name.id, ast.Load())
        filled = fill(expression(term.operator), arguments, {})
        if term not in self.shared:
            return filled
        name = ast.Name(self._name(term, [filled]), ast.Store())
        self.statements.append(ast.Assign([name], filled, lineno=0))
        return ast.Name(name.id, ast.Load())

    def _name(self, term: Term, parts: Iterable[ast.expr]) -> str:
        noun, taken = term.operator.noun, {*self.taken, *self.names.values()}
        if noun in self.crowded:
            noun = "_".join([noun, *_spoken_of(parts)])
        names = (noun if number == 1 else f"{noun}_{number}" for number in range(1, len(taken) + 2))
        self.names[term] = next(name for name in names if name not in taken)
        return self.names[term]


def _spoken_of(parts: Iterable[ast.expr]) -> list[str]:
    """Names for the texts that stand in an expression; none where one has no name, or they are many."""
    nodes = [node for part in parts for node in ast.walk(part)]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    names = [SIGNS.get(text, text) for text in dict.fromkeys(texts)]
    are_short = all(re.fullmatch("[A-Za-z0-9_]{1,12}", name) for name in names)
    return names if are_short and len(names) <= MOST_NAMED else []


# --- reading ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """Reads syntax as terms over a fixed set of operators, and over every literal of the sorts ``constants``.

    Of rows that print alike the first is read whose term is one that ``accepts`` holds of.
    """

    operators: tuple[Operator, ...]
    constants: frozenset[Sort] = frozenset()
    accepts: Callable[[Term], bool] = field(default=lambda term: True, compare=False)
    known: dict[tuple[int, Sort], tuple[ast.expr, Term | None]] = field(default_factory=dict, compare=False)

    def read(self, node: ast.expr, sort: Sort, names: Mapping[str, Term]) -> Term:
        """The term of ``sort`` that ``node`` prints; raises GrammarError when no operator matches."""
        if isinstance(node, ast.Name) and node.id in names and names[node.id].sort == sort:
            return names[node.id]
        key = id(node), sort
        if key not in self.known:  # an equation is tried with every sort, so its sides would be read again and again
            self.known[key] = node, self._find(node, sort, names)
        term = self.known[key][1]
        if term is None:
            raise GrammarError(f"not in this grammar, as {sort.name}: {ast.unparse(node)}")
        return term

    def _find(self, node: ast.expr, sort: Sort, names: Mapping[str, Term]) -> Term | None:
        for operator in self.operators:
            if operator.result == sort and not is_loop(operator):
                term = self._match(operator, (expression(operator),), (node,), names)
                if term is not None and self.accepts(term):
                    return term
        if sort in self.constants:
            with suppress(ValueError, GrammarError):  # no literal, or not of this sort
                return literal(ast.literal_eval(node), sort)()
        return None

    def read_loop(self, body: list[ast.stmt], names: Mapping[str, Term]) -> Iterator[tuple[str, Term, int]]:
        """Loop operators that ``body`` starts with: the variable built, the term, and the statements consumed."""
        for operator in self.operators:
            if is_loop(operator):
                statements = template(operator, operator.python)
                first = body[0]
                if len(body) >= len(statements) and isinstance(first, ast.Assign):
                    target = first.targets[0]
                    if isinstance(target, ast.Name):
                        renamed = {STATE: ast.Name(target.id, ast.Load())}
                        expected = tuple(fill(statement, {}, renamed) for statement in statements)
                        term = self._match(operator, expected, tuple(body[: len(statements)]), names)
                        if term is not None and self.accepts(term):
                            yield target.id, term, len(statements)

    def _match(
        self,
        operator: Operator,
        expected: tuple[ast.AST, ...],
        nodes: tuple[ast.AST, ...],
        names: Mapping[str, Term],
    ) -> Term | None:
        holes: dict[str, ast.expr] = {}
        if not all(match(pattern, node, holes) for pattern, node in zip(expected, nodes, strict=True)):
            return None
        try:
            arguments = [self.read(holes[f"_{index}"], sort, names) for index, sort in enumerate(operator.arguments)]
        except GrammarError:
            return None
        return Term(operator, tuple(arguments))


def match(pattern: object, node: object, holes: dict[str, ast.expr]) -> bool:
    """Whether ``node`` is ``pattern`` with its holes filled; what fills them is put into ``holes``."""
    if isinstance(pattern, ast.Call) and isinstance(pattern.func, ast.Name) and _is_hole(pattern.func.id):
        return isinstance(node, ast.expr) and _bind(holes, pattern.func.id, _unbind(node, pattern.args[0]))
    if isinstance(pattern, ast.Name) and _is_hole(pattern.id):
        return isinstance(node, ast.expr) and _bind(holes, pattern.id, node)
    if isinstance(pattern, ast.AST):
        return type(pattern) is type(node) and all(
            match(getattr(pattern, name, None), getattr(node, name, None), holes)
            for name in pattern._fields
            if name not in ("ctx", "type_comment", "kind")
        )
    if isinstance(pattern, list):
        return (
            isinstance(node, list)
            and len(pattern) == len(node)
            and all(match(one, other, holes) for one, other in zip(pattern, node, strict=True))
        )
    return type(pattern) is type(node) and pattern == node


def _is_hole(name: str) -> bool:
    return name.startswith("_") and name[1:].isdigit()


def _bind(holes: dict[str, ast.expr], hole: str, node: ast.expr) -> bool:
    first = holes.setdefault(hole, node)
    return first is node or ast.dump(first) == ast.dump(node)


def _unbind(node: ast.expr, placed: ast.expr) -> ast.expr:
    """``node`` with every occurrence of ``placed`` turned back into the bound variable."""
    wanted = ast.dump(placed)

    def unbound(inner: ast.AST) -> ast.AST:
        if type(inner) is type(placed) and ast.dump(inner) == wanted:
            return ast.Name(BOUND, ast.Load())
        return rebuilt(inner, unbound)

    result = unbound(node)
    assert isinstance(result, ast.expr)
    return result
