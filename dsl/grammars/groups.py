"""The product of two elements of a finite group, each named by a token: what the names stand for, and one rule.

    permutations   texts of digits, of which p then q has the digit q[p[i]] at place i
    residues       tuples of numbers, added place by place, each modulo its own number
    turns          r**x s**y as (x, y), where s r s**-1 = r**k: x + k**y * x' and y + y', as in dihedral groups
    matrices       rows of numbers modulo a prime

An operator has one of these rules and what every token stands for, which is as much to read as there are tokens, where
a table has as many entries as there are pairs. Where the number of a token says what it stands for, nothing is listed.
Every finite group has permutations (Cayley); which presentation a program has is found in ``tasks.pipeline.groups``.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dsl.grammar import Production
from dsl.operators import LABEL, TOKEN, GrammarError, Operator
from dsl.references import maker
from dsl.sequences import NO_LABEL

Element = Any  # a text, a number, a tuple of numbers, or a tuple of such tuples
RULES = ("permutations", "residues", "turns", "matrices")
WIDTH, MOST_DEGREE = 96, 10
NAME = "product"  # of the function that is printed


@dataclass(frozen=True)
class Naming:
    """What tokens stand for: ``elements``, in the order of ``tokens``; their product by ``rule``, modulo ``moduli``.

    ``factor`` is the k of turns. ``is_later_first``: the right one of two is applied first.
    """

    rule: str
    tokens: tuple[str, ...]
    elements: tuple[Element, ...]
    moduli: tuple[int, ...] = ()
    factor: int = 1
    is_later_first: bool = False

    def __post_init__(self) -> None:
        fits = len(self.tokens) == len(self.elements) == len({*self.tokens}) == len({*self.elements}) > 0
        if self.rule not in RULES or not fits or not all(map(self._is_element, self.elements)):
            raise GrammarError(f"expected names of different elements, each of the {self.rule}, got {self.elements!r}")
        if self.rule == "turns" and pow(self.factor, self.moduli[1], self.moduli[0]) != 1:
            raise GrammarError(f"a turn by {self.factor} modulo {self.moduli[0]} has not the order {self.moduli[1]}")

    def _is_element(self, element: Element) -> bool:
        shape, moduli = self.elements[0], self.moduli
        match self.rule:
            case "permutations":
                is_text = isinstance(element, str) and len(element) == len(shape) <= MOST_DEGREE
                return is_text and sorted(element) == list("0123456789"[: len(element)])
            case "residues" if len(moduli) == 1:
                return type(element) is int and 0 <= element < moduli[0]
            case "residues" | "turns":
                return len(moduli) > 1 and (self.rule == "residues" or len(moduli) == 2) and _is_row(element, moduli)
        is_square = isinstance(element, tuple) and len(element) == len(shape) and len(moduli) == 1
        return is_square and all(_is_row(row, moduli * len(element)) for row in element)

    def of(self, one: Element, other: Element) -> Element:
        """The product of two elements."""
        if self.is_later_first:
            one, other = other, one
        match self.rule:
            case "permutations":
                return "".join(other[int(digit)] for digit in one)
            case "residues" if len(self.moduli) == 1:
                return (one + other) % self.moduli[0]
            case "residues":
                return tuple((x + y) % m for x, y, m in zip(one, other, self.moduli, strict=True))
            case "turns":
                (x, s), (y, t), (n, m) = one, other, self.moduli
                return (x + y * pow(self.factor, s, n)) % n, (s + t) % m
        columns, m = tuple(zip(*other, strict=True)), self.moduli[0]
        return tuple(tuple(sum(x * y for x, y in zip(row, c, strict=True)) % m for c in columns) for row in one)

    @cached_property
    def is_counted(self) -> bool:
        """Whether the tokens are 0, 1, 2, ... in order."""
        return self.tokens == tuple(map(str, range(len(self.tokens))))

    @cached_property
    def is_digits(self) -> bool:
        """Whether the number of a token has two residues as its digits, the first one lowest."""
        if not self.is_counted or self.rule not in ("residues", "turns") or len(self.moduli) != 2:
            return False
        low, high = self.moduli
        return self.elements == tuple((n % low, n // low) for n in range(low * high))

    @cached_property
    def helper(self) -> str:
        """The function that programs call; nothing where tokens are the permutations themselves."""
        if self.tokens == self.elements:
            return ""
        if self.is_digits:
            low = self.moduli[0]
            lines = [f"x, s, y, t = int(a) % {low}, int(a) // {low}, int(b) % {low}, int(b) // {low}"]
            first, second = self._parts()
            lines += [f"return str({first} + {low} * ({second}))"]
        else:
            one, other = {"permutations": ("p", "q"), "matrices": ("p", "q")}.get(self.rule, ("(x, s)", "(y, t)"))
            if len(self.moduli) != 2 and self.rule == "residues":
                one, other = ("x", "y") if len(self.moduli) == 1 else ("p", "q")
            where = "int({0})" if self.is_counted else "{0}"
            lines = [*self._listed(), f"{one}, {other} = names[{where.format('a')}], names[{where.format('b')}]"]
            result = self._result()
            back = f"str(names.index({result}))"
            if not self.is_counted:
                lines += [f"found = {result}"]
                back = "next((name for name in names if names[name] == found), '')"
            lines += [f"return {back}"]
        return f"def {NAME}(a: str, b: str) -> str:\n" + textwrap.indent("\n".join(lines), "    ")

    def _listed(self) -> list[str]:
        pairs = zip(self.tokens, self.elements, strict=True)
        entries = map(repr, self.elements) if self.is_counted else (f"{t!r}: {e!r}" for t, e in pairs)
        opened, closed = "[]" if self.is_counted else "{}"
        text = ", ".join(entry.replace(" ", "\0") for entry in entries)
        rows = textwrap.wrap(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
        return [f"names = {opened}", *(f"    {row}".replace("\0", " ") for row in rows), closed]

    def _parts(self) -> tuple[str, str]:
        """Both residues of a product."""
        n, m = self.moduli
        first, second = f"(x + y) % {n}", f"(s + t) % {m}"
        if self.rule == "turns":
            powers = [pow(self.factor, k, n) for k in range(m)]
            x, y, s = ("y", "x", "t") if self.is_later_first else ("x", "y", "s")
            other = f"{x} + {y} * {powers!r}[{s}]"
            first = f"({x} - {y} if {s} else {x} + {y}) % {n}" if powers == [1, n - 1] else f"({other}) % {n}"
        return first, second

    def _result(self) -> str:
        one, other = ("q", "p") if self.is_later_first else ("p", "q")
        match self.rule:
            case "permutations":
                return f"''.join({other}[int(i)] for i in {one})"
            case "matrices":
                return _grid(one, other, len(self.elements[0]), self.moduli[0])
            case "residues" if len(self.moduli) == 1:
                return f"(x + y) % {self.moduli[0]}"
            case "residues" if len(self.moduli) > 2:
                parts = [f"(p[{n}] + q[{n}]) % {m}" for n, m in enumerate(self.moduli)]
                return f"({', '.join(parts)})"
        return f"({', '.join(self._parts())})"


def _grid(one: str, other: str, size: int, modulus: int) -> str:
    """The product of two matrices, entry by entry."""

    def entry(row: int, column: int) -> str:
        return f"({' + '.join(f'{one}[{row}][{k}] * {other}[{k}][{column}]' for k in range(size))}) % {modulus}"

    rows = [f"({', '.join(entry(row, column) for column in range(size))})" for row in range(size)]
    return f"({', '.join(rows)})"


def _is_row(row: object, moduli: tuple[int, ...]) -> bool:
    if not isinstance(row, tuple) or len(row) != len(moduli):
        return False
    return all(type(x) is int and 0 <= x < m for x, m in zip(row, moduli, strict=True))


@maker
def group_product(alphabet: Sequence[str], labels: Sequence[str], naming: Naming) -> Operator:
    """The label that names the product of what two tokens stand for; none where one of them, or it, has no name."""
    known = dict(zip(naming.tokens, naming.elements, strict=True))
    named = {element: token for token, element in known.items()}
    index = {label: n for n, label in enumerate(labels)}
    said = np.full((len(alphabet) + 1, len(alphabet) + 1), NO_LABEL, np.int64)  # the last row: no token
    for n, one in enumerate(alphabet):
        for m, other in enumerate(alphabet):
            if one in known and other in known:
                said[n, m] = index.get(named.get(naming.of(known[one], known[other]), ""), NO_LABEL)

    def encode(s: Any, one: Sequence[Any], other: Sequence[Any]) -> Any:
        m, result = s.manager, s.manager.Int(NO_LABEL)
        for label in range(len(labels)):
            pairs = [m.And(one[a], other[b]) for a, b in zip(*np.nonzero(said[:-1, :-1] == label), strict=True)]
            result = m.Ite(m.Or(pairs), m.Int(label), result)
        return result

    left, right = ("_1", "_0") if naming.is_later_first else ("_0", "_1")
    text = f"{NAME}(_0, _1)" if naming.helper else f"''.join({right}[int(i)] for i in {left})"
    shown = f"{naming.rule} {naming.elements!r} {naming.moduli} {naming.factor} {naming.is_later_first}"
    return Operator(
        f"product of {shown} as {naming.tokens!r}",
        (TOKEN, TOKEN),
        LABEL,
        numpy=lambda s, a, b: said[a, b],
        smt=encode,
        python=text,
        helper=naming.helper,
        meaning=naming,
    )


@dataclass(frozen=True)
class Products:
    """The rows of this file that a program's text may have: ``Grammar.written`` of an alphabet and its labels."""

    alphabet: tuple[str, ...]
    labels: tuple[str, ...]

    def rows(self, nodes: Iterable[ast.AST]) -> Iterator[Production]:
        """Those whose function, or whose composition, stands in a text."""
        for node in nodes:
            match node:
                case ast.FunctionDef(name="product"):
                    yield from self._read(node)
                case ast.Call(func=ast.Attribute(value=ast.Constant(""), attr="join")):
                    yield from self._own()

    def find(self, operator: Operator) -> Production | None:
        """The production of an operator that is one of these; None for another one."""
        naming = operator.meaning
        if not isinstance(naming, Naming) or not set(naming.tokens) <= set(self.alphabet):
            return None
        return self._row(naming)

    def _row(self, naming: Naming) -> Production:
        return Production("Label", group_product(self.alphabet, self.labels, naming), ("Token", "Token"), 10)

    def _own(self) -> Iterator[Production]:
        """Tokens that are permutations of digits themselves, all of them."""
        degree = len(self.alphabet[0])
        if degree <= MOST_DEGREE and all(sorted(t) == list("0123456789"[:degree]) for t in self.alphabet):
            for flag in (False, True):
                yield self._row(Naming("permutations", self.alphabet, self.alphabet, is_later_first=flag))

    def _read(self, node: ast.FunctionDef) -> Iterator[Production]:
        """Every naming with the numbers of a function that prints as it does."""
        wanted = ast.dump(node)
        for naming in self._namings(node):
            if ast.dump(ast.parse(naming.helper).body[0]) == wanted:
                yield self._row(naming)
                return

    def _namings(self, node: ast.FunctionDef) -> Iterator[Naming]:
        count = tuple(token for n, token in enumerate(self.alphabet) if token == str(n))
        moduli = _moduli(node)
        match node.body:
            case [ast.Assign([ast.Name("names")], listed), *_]:
                try:
                    names = ast.literal_eval(listed)
                except (ValueError, TypeError):
                    return
                tokens = tuple(names) if isinstance(names, dict) else count[: len(names)]
                elements = tuple(names.values()) if isinstance(names, dict) else tuple(names)
                if not tokens or len(tokens) != len(elements) or not set(tokens) <= set(self.alphabet):
                    return
            case _ if len(moduli) >= 2:
                tokens = count[: moduli[0] * moduli[1]]
                elements = tuple((n % moduli[0], n // moduli[0]) for n in range(len(tokens)))
                if len(tokens) != moduli[0] * moduli[1]:
                    return
            case _:
                return
        for rule in RULES:
            for flag in (False, True):
                yield from _with_numbers(rule, tokens, elements, moduli, flag)


def _moduli(node: ast.FunctionDef) -> list[int]:
    """The numbers that remainders are taken by in the last line, or in the one before it."""
    for line in reversed(node.body[-2:]):
        found = [
            inner.right.value
            for inner in ast.walk(line)
            if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mod) and isinstance(inner.right, ast.Constant)
        ]
        if found:
            return [n for n in found if type(n) is int and n > 0]
    return []


def _with_numbers(
    rule: str, tokens: tuple[str, ...], elements: tuple[Element, ...], moduli: list[int], flag: bool
) -> Iterator[Naming]:
    size = len(elements[0]) if isinstance(elements[0], tuple) else 1
    count = {"permutations": 0, "residues": size, "turns": 2, "matrices": 1}[rule]
    if len(moduli) < count or (rule == "residues" and flag):
        return
    for factor in range(2, moduli[0]) if rule == "turns" else (1,):
        with suppress(GrammarError, TypeError):
            yield Naming(rule, tokens, elements, tuple(moduli[:count]), factor, flag)
