"""A printed program in English, statement by statement; what has no words here stays Python.

Read from the program's syntax alone: nothing is run, and nothing is claimed. What is known of the program is worded in
``tasks.pipeline.report``.
"""

from __future__ import annotations

import ast
from copy import deepcopy
from dataclasses import dataclass

MOST_LINES = 60
COMPARED = {
    ast.Eq: "is", ast.NotEq: "is not", ast.Lt: "is less than", ast.LtE: "is at most",
    ast.Gt: "is greater than", ast.GtE: "is at least",
}  # fmt: skip
JOINED = {ast.Add: "plus", ast.Sub: "minus", ast.Mult: "times"}
PAIRS = {
    "before": "the first", "token": "the second", "any": "for some two neighbouring tokens,",
    "all": "for every two neighbouring tokens,", "sum": "the number of neighbouring pairs of tokens where",
}  # fmt: skip
WAYS = {
    "(before, token) in zip(tokens, tokens[1:])": PAIRS,
    "token in tokens": {"any": "for some token,", "all": "for every token,", "sum": "the number of tokens where"},
}  # over what a row of the grammars goes
ORDINALS = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class Line:
    """One sentence, ``depth`` deep in a list of lists."""

    depth: int
    text: str


def in_words(source: str) -> tuple[Line, ...]:
    """The last function of ``source``; nothing where it is no Python or too long to be read."""
    try:
        functions = [part for part in ast.parse(source).body if isinstance(part, ast.FunctionDef)]
        if not functions:
            return ()
        body = functions[-1].body
        lines = _statements(body[1:] if ast.get_docstring(functions[-1]) is not None else body, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(lines) if len(lines) <= MOST_LINES else ()


def _statements(body: list[ast.stmt], depth: int) -> list[Line]:
    lines: list[Line] = []
    for n, statement in enumerate(body):
        returned = any(isinstance(part, ast.Return) for before in body[:n] for part in ast.walk(before))
        lines += _statement(statement, depth, is_first=not returned)
    return lines


def _statement(statement: ast.stmt, depth: int, is_first: bool) -> list[Line]:
    match statement:
        case ast.Return(ast.IfExp(test, then, other)):
            start = "The" if is_first else "Otherwise the"
            return [Line(depth, f"{start} answer is {_said(then)} if {_said(test)}, and {_said(other)} if not.")]
        case ast.Return(value) if value is not None:
            return [Line(depth, f"{'The' if is_first else 'Otherwise the'} answer is {_said(value)}.")]
        case ast.Assign([ast.Name(name)], value):
            return [Line(depth, f"{name} is {_said(value)}.")]
        case ast.If(test, [ast.Return(value)], []) if value is not None:
            return [Line(depth, f"If {_said(test)}, the answer is {_said(value)}.")]
        case ast.If(test, [ast.Assign([ast.Name(name)], value)], rest):
            return [Line(depth, f"If {_said(test)}, {name} becomes {_said(value)}."), *_otherwise(rest, depth)]
        case ast.If(test, body, rest):
            return [Line(depth, f"If {_said(test)}:"), *_statements(body, depth + 1), *_otherwise(rest, depth)]
        case ast.For(ast.Name("token"), ast.Name("tokens"), body, []):
            return [Line(depth, "For every token, from the first to the last:"), *_statements(body, depth + 1)]
    return [Line(depth + n, line.strip()) for n, line in enumerate(ast.unparse(statement).splitlines())]


def _otherwise(rest: list[ast.stmt], depth: int) -> list[Line]:
    """What stands behind ``else``."""
    if not rest:
        return []
    lines = _statements(rest, depth)
    first = lines[0].text
    text = f"Otherwise, {first[0].lower()}{first[1:]}" if not first.startswith("Otherwise") else first
    return [Line(depth, text), *lines[1:]]


def _said(node: ast.expr) -> str:
    """A value or a condition in words."""
    match node:
        case ast.Constant(value):
            return repr(value)
        case ast.Name(name):
            return {"token": "the token", "tokens": "the sequence"}.get(name, name)
        case ast.Call(ast.Name("len"), [ast.Name("tokens")]):
            return "the length"
        case ast.Call(ast.Attribute(ast.Name("tokens"), "count"), [part]):
            return f"the number of {_said(part)}"
        case ast.Subscript(ast.Name("tokens"), ast.UnaryOp(ast.USub(), ast.Constant(1))):
            return "the last token"
        case ast.Subscript(ast.Name("tokens"), ast.Constant(int(place))) if 0 <= place < len(ORDINALS):
            return f"the {ORDINALS[place]} token"
        case ast.BinOp(left, operator, right) if type(operator) in JOINED:
            return f"{_part(left)} {JOINED[type(operator)]} {_part(right)}"
        case ast.BinOp(left, ast.Mod(), right):
            return f"what is left of {_part(left)} divided by {_part(right)}"
        case ast.BinOp(left, ast.FloorDiv(), right):
            return f"{_part(left)} divided by {_part(right)}, rounded down"
        case ast.Compare(ast.BinOp(left, ast.Mod(), ast.Constant(2)), [ast.Eq()], [ast.Constant(0 | 1 as rest)]):
            return f"{_said(left)} is {'odd' if rest else 'even'}"
        case ast.Compare(left, [ast.In()], [ast.Name("tokens")]):
            return f"{_said(left)} occurs"
        case ast.Compare(left, [ast.NotIn()], [ast.Name("tokens")]):
            return f"{_said(left)} does not occur"
        case ast.Compare(left, [ast.In()], [ast.Tuple(parts) | ast.Set(parts) | ast.List(parts)]):
            return f"{_said(left)} is one of {', '.join(map(_said, parts))}"
        case ast.Compare(left, [operator], [right]) if type(operator) in COMPARED:
            return f"{_said(left)} {COMPARED[type(operator)]} {_said(right)}"
        case ast.BoolOp(operator, parts):
            word = " and " if isinstance(operator, ast.And) else " or "
            return word.join(f"({_said(p)})" if isinstance(p, ast.BoolOp) else _said(p) for p in parts)
        case ast.UnaryOp(ast.Not(), part):
            return f"not ({_said(part)})" if isinstance(part, ast.BoolOp) else f"not {_said(part)}"
        case ast.Call(
            ast.Name("any" | "all" | "sum" as how), [ast.GeneratorExp(part, [ast.comprehension(to, way, [])])]
        ):
            names = WAYS.get(f"{ast.unparse(to)} in {ast.unparse(way)}")
            if names is not None:
                return f"{names[how]} {_said(_Renamed(names).visit(deepcopy(part)))}"
        case ast.Call(ast.Name("max" | "next" as how), [ast.GeneratorExp(ast.Name("place"), [one]), *_]) if (
            len(one.ifs) == 1
        ):
            which = {"max": "last", "next": "first"}[how]
            none = "-1" if how == "max" else "the length"
            return f"the {which} place (counted from 0; {none} for none) where {_said(one.ifs[0])}"
        case ast.IfExp(test, then, other):
            return f"{_said(then)} if {_said(test)}, and {_said(other)} if not"
    return ast.unparse(node)


class _Renamed(ast.NodeTransformer):
    """Writes other names."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """The name in words."""
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def _part(node: ast.expr) -> str:
    """A value inside another."""
    return f"({_said(node)})" if isinstance(node, ast.BinOp | ast.IfExp) else _said(node)
