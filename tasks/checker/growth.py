"""What a followed program may hold: numbers and texts stay small, so that no step of it costs much time or memory.

Every operation whose result can be larger than what it is given is replaced by one that looks first: ``a + b``,
``a - b``, ``a * b`` and ``a % b``, and the functions that gather what they are given, or write a text in other letters.
How long a program runs is bounded by no rule here, but by the clock (``limits``).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from tasks.checker.files import UnreadableError, confirm, expect

MOST_TEXT, MOST_DEPTH = 1 << 20, 200  # characters of a program, and its nesting
MOST_CONSTANT = 10_000  # characters
MOST_BITS, MOST_ITEMS = 4096, 1 << 20  # of a number; of a text or a list
GATHERED = ("dict", "list", "set", "sorted")
WRITTEN = ("upper", "lower", "capitalize", "title", "swapcase")  # in other letters, which may be more
MOST_DIGITS = 20  # that a number is rounded to
OPERATIONS = {ast.Add: "_add", ast.Sub: "_sub", ast.Mult: "_mul", ast.Mod: "_mod"}


def expect_small(tree: ast.AST) -> None:
    """Nothing in ``tree`` is nested deeply, and no constant is large; raises UnreadableError."""
    level: list[ast.AST] = [tree]
    for _ in range(MOST_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        for node in level:
            if isinstance(node, ast.Constant):
                expect(_is_small(node.value), "program.py: a constant is too large")
        if not level:
            return
    raise UnreadableError(f"program.py: expected at most {MOST_DEPTH} levels of nesting")


def _is_small(value: object) -> bool:
    if isinstance(value, int):
        return value.bit_length() <= MOST_BITS
    return not isinstance(value, str | bytes) or len(value) <= MOST_CONSTANT


class Bounded(ast.NodeTransformer):
    """Writes operations that look first in place of those that do not."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """The operation as a call that looks at the size of the result first, where that may be large."""
        self.generic_visit(node)
        name = OPERATIONS.get(type(node.op))
        return node if name is None else ast.Call(ast.Name(name, ast.Load()), [node.left, node.right], [])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The call with a look at how much it gathers first."""
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Name(name), [first, *rest]) if name in GATHERED:
                few: ast.expr = ast.Call(ast.Name("_few", ast.Load()), [first], [])
                return ast.Call(node.func, [few, *rest], node.keywords)
            case ast.Call(ast.Attribute(ast.Name("dict"), "fromkeys"), [first, *rest]):
                return ast.Call(node.func, [ast.Call(ast.Name("_few", ast.Load()), [first], []), *rest], node.keywords)
            case ast.Call(ast.Attribute(between, "join"), [parts], []):
                return ast.Call(ast.Name("_join", ast.Load()), [between, parts], [])
            case ast.Call(ast.Attribute(_, name)) if name in WRITTEN:
                return ast.Call(ast.Name("_few", ast.Load()), [node], [])
            case ast.Call(ast.Name("str" | "sum" | "round" as name)):
                return ast.Call(ast.Name(f"_{name}", ast.Load()), node.args, node.keywords)
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        """The list of a generator, with a look at how much it gathers."""
        self.generic_visit(node)
        return ast.Call(ast.Name("_few", ast.Load()), [ast.GeneratorExp(node.elt, node.generators)], [])


def _sized(value: Any) -> Any:
    """``value``, unless it is too large to go on with."""
    if isinstance(value, int):
        confirm(value.bit_length() <= MOST_BITS, f"the program makes a number of more than {MOST_BITS:,} bits")
    return value


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, str | list | tuple) and isinstance(b, str | list | tuple):
        _few_items(len(a) + len(b))
    return _sized(a + b)


def _sub(a: Any, b: Any) -> Any:
    return _sized(a - b)


def _mul(a: Any, b: Any) -> Any:
    for text, count in ((a, b), (b, a)):
        if isinstance(text, str | list | tuple) and isinstance(count, int):
            _few_items(len(text) * count)
    return _sized(a * b)


def _mod(a: Any, b: Any) -> Any:
    confirm(not isinstance(a, str), "the program formats a text with %")
    return a % b


def _str(value: Any) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    is_plain = all(isinstance(part, int | float | str) for part in parts)
    confirm(is_plain, "the program writes something else than a number, a text or a tuple of these as text")
    _few_items(sum(len(part) for part in parts if isinstance(part, str)))
    return str(value)


def _sum(items: Iterable[Any], start: Any = 0) -> Any:
    confirm(isinstance(start, int), "the program adds up something else than numbers")
    return _sized(sum(items, start))


def _round(value: Any, *digits: Any) -> Any:
    known = all(isinstance(n, int) and abs(n) <= MOST_DIGITS for n in digits)
    confirm(known, f"the program rounds to more than {MOST_DIGITS} digits")
    return round(value, *digits)


def _join(between: Any, parts: Iterable[Any]) -> str:
    texts = [*_few(parts)]
    confirm(type(between) is str and all(type(text) is str for text in texts), "the program joins no texts")
    _few_items(sum(map(len, texts)) + len(between) * len(texts))
    return str(between.join(texts))


def _few(items: Iterable[Any]) -> Iterable[Any]:
    if isinstance(items, str | list | tuple | dict):
        _few_items(len(items))
        return items
    gathered = [*islice(items, MOST_ITEMS + 1)]
    _few_items(len(gathered))
    return gathered


def _few_items(count: int) -> None:
    confirm(count <= MOST_ITEMS, f"the program makes a text or a list of more than {MOST_ITEMS:,} entries")


SCOPE: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (_add, _sub, _mul, _mod, _str, _sum, _round, _join, _few)
}
