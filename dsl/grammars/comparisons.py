"""Comparisons that say in one what others say with a ``not``: ``<``, ``<=``, ``>=``, ``!=``, ``not in``.

A search does without them, since ``not (a > b)`` says the same at the same cost; a reader does not. So a program may
use them (``Comparisons`` is one of ``Grammar.written``), and ``dsl.deduction.tidying`` puts them where they read well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dsl.grammar import Production
from dsl.grammars import selections
from dsl.meaning import Combination
from dsl.operators import BOOL, INT, Operator
from dsl.references import maker

LESS = Operator(
    "less",
    (INT, INT),
    BOOL,
    numpy=lambda s, a, b: np.less(a, b),
    smt=lambda s, a, b: s.manager.LT(a, b),
    python="_0 < _1",
    noun="less",
    meaning=Combination.LESS,
)
AT_MOST = Operator(
    "at most",
    (INT, INT),
    BOOL,
    numpy=lambda s, a, b: np.less_equal(a, b),
    smt=lambda s, a, b: s.manager.LE(a, b),
    python="_0 <= _1",
    noun="few",
    meaning=Combination.AT_MOST,
)
NO_LESS = Operator(
    "no less",
    (INT, INT),
    BOOL,
    numpy=lambda s, a, b: np.greater_equal(a, b),
    smt=lambda s, a, b: s.manager.GE(a, b),
    python="_0 >= _1",
    noun="enough",
    meaning=Combination.NO_LESS,
)
UNEQUAL = Operator(
    "unequal",
    (INT, INT),
    BOOL,
    numpy=lambda s, a, b: np.not_equal(a, b),
    smt=lambda s, a, b: s.manager.Not(s.manager.Equals(a, b)),
    python="_0 != _1",
    commutative=True,
    noun="differs",
    meaning=Combination.UNEQUAL,
)


def _negated(name: str, row: Operator, python: str) -> Operator:
    """What ``row`` does not say."""
    return Operator(
        name,
        row.arguments,
        BOOL,
        numpy=lambda s, *parts: ~np.asarray(row.numpy(s, *parts), bool),
        smt=lambda s, *parts: s.manager.Not(row.smt(s, *parts)),
        python=python,
        commutative=row.commutative,
        noun="unseen" if "in" in python else "differs",
    )


ANOTHER = _negated("another token", selections.SAME, "_0 != _1")
UNLIKE = _negated("other tokens", selections.ALIKE, "_0 != _1")
LACKS = _negated("does not contain", selections.CONTAINS, "_1 not in _0")


@maker
def is_not_text(index: int, text: str) -> Operator:
    """Whether a token is not ``text``, which has this ``index`` in the alphabet."""
    return _negated(f"is not the token {text!r}", selections.is_text(index, text), f"_0 != {text!r}")


def productions(alphabet: Sequence[str]) -> list[Production]:
    """The rows of this file for programs over ``alphabet``."""
    return [row for family in families(alphabet) for row in family.productions]


def families(alphabet: Sequence[str]) -> tuple[Comparisons, ...]:
    """The same for ``Grammar.written``: one family for each nonterminal that a token may be of."""
    return tuple(Comparisons(tuple(alphabet), name) for name in ("Token", "Found", "Given"))


@dataclass(frozen=True)
class Comparisons:
    """The rows of this file that a program's text may have, where tokens are of a nonterminal."""

    alphabet: tuple[str, ...]
    token: str

    def rows(self, nodes: Iterable[ast.AST]) -> Iterator[Production]:
        """All of them, where a text compares at all."""
        return iter(self.productions if any(isinstance(node, ast.Compare) for node in nodes) else ())

    def find(self, operator: Operator) -> Production | None:
        """That of an operator that is one of these; None for another one."""
        return next((row for row in self.productions if row.operator == operator), None)

    @cached_property
    def productions(self) -> tuple[Production, ...]:
        """The rows as productions."""
        numbers, named = ("Number", "Number"), [] if selections.NONE in self.alphabet else [*enumerate(self.alphabet)]
        return (
            *[Production("Flag", is_not_text(*pair), (self.token,), 2) for pair in named if self.token != "Given"],
            *[
                Production("Flag", row, numbers, 2)
                for row in (LESS, AT_MOST, NO_LESS, UNEQUAL)
                if self.token == "Token"
            ],
            *[Production("Flag", ANOTHER, ("Token", "Token"), 2) for _ in range(self.token == "Token")],
            *[Production("Flag", UNLIKE, ("Some", "Some"), 3) for _ in range(self.token == "Token")],
            *[Production("Flag", LACKS, ("Part", self.token), 3) for _ in range(self.token != "Found")],
        )
