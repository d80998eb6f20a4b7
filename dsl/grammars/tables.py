"""Rows read off data: membership in a set of tokens, and tables of labels by token, by number, or by both.

A grammar does not list them, there are too many: a program may use them (``Grammar.written``), and whoever knows what
an answer depends on makes the one that is right. What a table does not list has its default, or no label.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsl.grammar import Production
from dsl.operators import BOOL, INT, LABEL, TOKEN, Operator, Sort
from dsl.references import maker
from dsl.sequences import NO_LABEL

Key = str | int | tuple[str, int]


@maker
def one_of(alphabet: Sequence[str], chosen: Iterable[str], *, is_none: bool = False) -> Operator:
    """Whether a token is one of those ``chosen``, of ``alphabet``, or none; printed in the order of the alphabet."""
    texts = set(chosen)
    kept = [token for token in alphabet if token in texts]
    flags = np.array([*((token in texts) != is_none for token in alphabet), is_none])
    return Operator(
        f"is {'none' if is_none else 'one'} of {kept!r}",
        (TOKEN,),
        BOOL,
        numpy=lambda s, a: flags[a],
        smt=lambda s, a: _among(s, a, [token in texts for token in alphabet], is_none),
        python=f"_0 {'not in' if is_none else 'in'} {{{', '.join(map(repr, kept))}}}",
        noun="found",
    )


def _among(s: Any, token: Sequence[Any], chosen: list[bool], is_none: bool) -> Any:
    found = s.manager.Or([here for here, flag in zip(token, chosen, strict=True) if flag])
    return s.manager.Not(found) if is_none else found


@maker
def between(least: int | None, most: int | None) -> Operator:
    """Whether a number is in an interval, with both ends."""
    text = f"_0 <= {most}" if least is None else f"_0 >= {least}" if most is None else f"{least} <= _0 <= {most}"

    def run(s: Any, a: Any) -> Any:
        above = np.ones(np.shape(a), bool) if least is None else a >= least
        return above if most is None else above & (a <= most)

    def encode(s: Any, a: Any) -> Any:
        m = s.manager
        parts = [m.GE(a, m.Int(least))] if least is not None else []
        return m.And([*parts, *([m.LE(a, m.Int(most))] if most is not None else [])])

    return Operator(f"is {text}", (INT,), BOOL, numpy=run, smt=encode, python=text, noun="inside")


@dataclass(frozen=True)
class Table:
    """What a table says: ``entries`` of keys and labels, and what it says of all others (None: no label).

    ``keeps``: of all others, which are tokens, it says the token itself.
    """

    entries: tuple[tuple[Key, str], ...]
    default: str | None = None
    keeps: bool = False

    @property
    def sorts(self) -> tuple[Sort, ...]:
        """The sorts of a key's parts."""
        key = self.entries[0][0]
        return (TOKEN, INT) if isinstance(key, tuple) else (TOKEN,) if isinstance(key, str) else (INT,)


@maker
def table(alphabet: Sequence[str], labels: Sequence[str], said: Table) -> Operator:
    """The label that a table has for a token of ``alphabet``, a number, or a token and a number."""
    names = {label: n for n, label in enumerate(labels)}
    default = NO_LABEL if said.default is None else names[said.default]
    tokens = {token: n for n, token in enumerate(alphabet)}
    entries = [(_indexed(key, tokens), names[label]) for key, label in said.entries]
    if said.keeps:
        known = {key for key, _ in said.entries}
        entries += [((n,), names[token]) for token, n in tokens.items() if token in names and token not in known]

    def run(s: Any, *keys: Any) -> Any:
        result = np.full(np.broadcast_shapes(*map(np.shape, keys)), default, np.int64)
        for wanted, label in entries:
            hit = np.ones((), bool)
            for key, value in zip(keys, wanted, strict=True):
                hit = hit & (np.asarray(key) == value)
            result[np.broadcast_to(hit, result.shape)] = label
        return result

    def encode(s: Any, *keys: Any) -> Any:
        m, result = s.manager, s.manager.Int(default)
        for wanted, label in entries:
            parts = []
            for sort, key, value in zip(said.sorts, keys, wanted, strict=True):
                parts.append(key[value] if sort == TOKEN else m.Equals(key, m.Int(value)))
            result = m.Ite(m.And(parts), m.Int(label), result)
        return result

    shown = "{" + ", ".join(f"{key!r}: {label!r}" for key, label in said.entries) + "}"
    holes = ", ".join(f"_{n}" for n in range(len(said.sorts)))
    key = f"({holes})" if len(said.sorts) > 1 else holes
    text = f"{shown}[{holes}]" if said.default is None else f"{shown}.get({key}, {said.default!r})"
    text = f"{shown}.get(_0, _0)" if said.keeps else text
    return Operator(f"table {text}", said.sorts, LABEL, numpy=run, smt=encode, python=text, meaning=said)


def tables_of(labels: Mapping[Key, str]) -> tuple[Table, ...]:
    """Tables with these labels: one that lists all, one whose default is the most frequent, one that keeps the rest."""
    counts = Counter(labels.values())
    default = max(counts, key=lambda label: counts[label])
    found = [Table(tuple(labels.items()))]
    if len(counts) > 1:
        found.append(Table(tuple((key, label) for key, label in labels.items() if label != default), default))
    others = tuple((key, label) for key, label in labels.items() if key != label)
    if 0 < len(others) < len(labels) and all(isinstance(key, str) for key in labels):
        found.append(Table(others, keeps=True))
    return tuple(found)


def _indexed(key: Key, tokens: Mapping[str, int]) -> tuple[int, ...]:
    match key:
        case (str(token), int(number)):
            return tokens[token], number
        case str(token):
            return (tokens[token],)
        case int(number):
            return (number,)
    raise AssertionError(f"no key: {key!r}")


@dataclass(frozen=True)
class Tables:
    """The rows of this file that a program's text may have: ``Grammar.written`` of an alphabet and its labels."""

    alphabet: tuple[str, ...]
    labels: tuple[str, ...]

    def rows(self, nodes: Iterable[ast.AST]) -> Iterator[Production]:
        """Those that stand in a text."""
        for node in nodes:
            match node:
                case ast.Set(elts=elements):
                    texts = [e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)]
                    if len(texts) == len(elements) and set(texts) <= set(self.alphabet):
                        for is_none in (False, True):
                            row = one_of(self.alphabet, texts, is_none=is_none)
                            yield Production("Flag", row, ("Token",), len(texts))
                case ast.Compare():
                    yield from self._intervals(node)
                case ast.Subscript(value=ast.Dict() as shown):
                    yield from self._read(shown, None)
                case ast.Call(func=ast.Attribute(value=ast.Dict() as shown, attr="get"), args=[key, default]):
                    if isinstance(default, ast.Constant) and default.value in self.labels:
                        yield from self._read(shown, default.value)
                    elif ast.dump(key) == ast.dump(default):
                        yield from self._read(shown, None, keeps=True)

    def find(self, operator: Operator) -> Production | None:
        """The production of an operator that is one of these; None for another one."""
        try:
            nodes = list(ast.walk(ast.parse(operator.python)))
        except SyntaxError:
            return None
        return next((row for row in self.rows(nodes) if row.operator == operator), None)

    def _intervals(self, node: ast.Compare) -> Iterator[Production]:
        match node:
            case ast.Compare(ops=[ast.LtE(), ast.LtE()], comparators=[_, last]):
                least, most = _number(node.left), _number(last)
                if least is not None and most is not None:
                    yield Production("Flag", between(least, most), ("Number",), 3)
            case ast.Compare(ops=[ast.LtE()], comparators=[last]) if (most := _number(last)) is not None:
                yield Production("Flag", between(None, most), ("Number",), 2)
            case ast.Compare(ops=[ast.GtE()], comparators=[last]) if (least := _number(last)) is not None:
                yield Production("Flag", between(least, None), ("Number",), 2)

    def _read(self, shown: ast.Dict, default: str | None, keeps: bool = False) -> Iterator[Production]:
        try:
            entries: dict[Any, Any] = ast.literal_eval(shown)
        except (ValueError, TypeError):
            return
        keys = [*entries]
        if not keys or len(keys) != len(shown.keys) or not all(self._is_key(key, type(keys[0])) for key in keys):
            return
        if all(label in self.labels for label in entries.values()):
            said = Table(tuple(entries.items()), default, keeps)
            if keeps and said.sorts != (TOKEN,):
                return
            arguments = tuple("Token" if sort == TOKEN else "Number" for sort in said.sorts)
            yield Production("Label", table(self.alphabet, self.labels, said), arguments, 2 + len(entries))

    def _is_key(self, key: object, kind: type) -> bool:
        if type(key) is not kind:
            return False
        match key:
            case (str(token), int()):
                return token in self.alphabet
            case str():
                return key in self.alphabet
        return kind is int


def _number(node: ast.AST) -> int | None:
    match node:
        case ast.Constant(value=value) if type(value) is int:
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)) if type(value) is int:
            return -value
    return None
