"""The ``motifs`` grammar: what small sequence circuits have been seen to compute.

Counters (free, clipped, modular), toggles, set/reset latches, stages of a pattern, first and last occurrence,
neighbours, the query token, thresholds on counts and on averages (``5 * count > length`` is what averaging attention
computes), Boolean structure, conditionals and labels. Nonterminals: Symbol (a test on one token), Mask (a test that
may look at the query token), Number, Flag, Label. Rows whose text is undefined on the empty sequence are left out when
it is in the domain. A row costs about what its text costs a reader: one line 1 to 3, a loop 3 or 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from dsl.grammar import Grammar, Numbered, Production
from dsl.grammars import comparisons, folds
from dsl.meaning import (
    Absent,
    AtLeast,
    Combination,
    Constant,
    Count,
    LastMeets,
    Length,
    Multiple,
    Present,
    Remainder,
    SameAsLast,
    TokenTest,
)
from dsl.operators import BOOL, INT, LABEL, MASK, Operator, Term
from dsl.references import maker
from dsl.sequences import NO_LABEL, Label, SequenceSignature

MULTIPLIERS = range(2, 13)
MODULI = (2, 3)
CAPS = (1, 2, 3, 4)
MAX_CONSTANT = 16
MOST_WRITTEN = 10**6  # a factor or constant in a program's text


def motifs(alphabet: Sequence[str], labels: Sequence[Label], *, min_length: int = 1) -> Grammar:
    """The motif grammar over ``alphabet`` with programs that return one of ``labels``: texts, integers or Booleans.

    ``min_length`` is the shortest sequence of the domain; with 0 the rows that read the query token are left out.
    Raises GrammarError for tokens or labels that are missing or repeated, or labels of several kinds.

    >>> motifs(("a", "b"), ("yes", "no")).sequences.labels
    ('yes', 'no')
    """
    signature = SequenceSignature(tuple(alphabet), tuple(labels))
    several = len(alphabet) > 2
    tests = [
        *[(is_token(a, t), 1) for a, t in enumerate(alphabet)],
        *[(is_not_token(a, t), 2) for a, t in enumerate(alphabet) if several],
        *[(is_either(a, s, b, t), 2) for (a, s), (b, t) in combinations(enumerate(alphabet), 2) if several],
    ]
    rows = [
        *[Production(nonterminal, test, cost=cost) for nonterminal in ("Symbol", "Mask") for test, cost in tests],
        Production("Mask", SAME_AS_QUERY),
        *[Production("Number", count_of(a, t), cost=2) for a, t in enumerate(alphabet)],
        *[Production("Flag", has(a, t), cost=2) for a, t in enumerate(alphabet)],
        *[Production("Flag", lacks(a, t), cost=2) for a, t in enumerate(alphabet)],
        Production("Number", COUNT, ("Mask",)),
        Production("Number", LENGTH),
        Production("Number", FIRST, ("Symbol",), cost=2),
        Production("Number", LAST, ("Symbol",), cost=2),
        Production("Number", COUNT_PAIRS, ("Mask", "Mask"), cost=3),
        *[Production("Number", clipped(cap), ("Symbol", "Symbol"), cost=4) for cap in (None, *CAPS)],
        Production("Number", BALANCE, ("Symbol", "Symbol"), cost=4),
        Production("Number", STAGE, ("Symbol", "Symbol"), cost=4),
        *[Production("Number", modular(m), ("Symbol",), cost=2) for m in MODULI],
        *[Production("Number", constant(value), cost=1 + value // 5) for value in range(MAX_CONSTANT + 1)],
        *[Production("Number", times(factor), ("Number",), cost=1 + factor // 4) for factor in MULTIPLIERS],
        Production("Number", PLUS, ("Number", "Number")),
        Production("Number", MINUS, ("Number", "Number")),
        Production("Flag", ENDS_WITH, ("Symbol",)),
        Production("Flag", BEGINS_WITH, ("Symbol",)),
        Production("Flag", ANY_PAIR, ("Mask", "Mask"), cost=2),
        Production("Flag", TOGGLE, ("Symbol",), cost=3),
        Production("Flag", LATCH, ("Symbol", "Symbol"), cost=4),
        Production("Flag", GREATER, ("Number", "Number")),
        *[
            Production("Flag", at_least(value), ("Number",), cost=1 + value // 5)
            for value in range(1, MAX_CONSTANT + 1)
        ],
        Production("Flag", EQUAL, ("Number", "Number")),
        Production("Flag", NOT, ("Flag",)),
        Production("Flag", AND, ("Flag", "Flag")),
        Production("Flag", OR, ("Flag", "Flag")),
        *[Production("Label", label(i, text)) for i, text in enumerate(signature.labels)],
        Production("Label", CHOOSE, ("Flag", "Label", "Label")),
    ]
    rows += _whole_labels(signature.labels)
    if min_length == 0:
        rows = [row for row in rows if not row.operator.needs_token]
    large = (
        Numbered("Number", times, ("Number",), max(MULTIPLIERS) + 1, MOST_WRITTEN, cost=5),
        Numbered("Number", constant, (), MAX_CONSTANT + 1, MOST_WRITTEN, cost=5),
    )
    return Grammar(signature, "Label", tuple(rows), written=(*large, *comparisons.families(signature.alphabet)))


def _whole_labels(labels: tuple[Label, ...]) -> list[Production]:
    """Rows in which a number or a flag is the label itself."""
    texts = [label for label in labels if isinstance(label, str)]
    if texts:
        are_numbers = all(text.isdecimal() and text == str(int(text)) for text in texts)
        return [Production("Label", digits(tuple(map(int, texts))), ("Number",))] if are_numbers else []
    if isinstance(labels[0], bool):
        return [Production("Label", truth(labels), ("Flag",))] if len(labels) == 2 else []
    return [Production("Label", number(tuple(map(int, labels))), ("Number",))]


# --- tests on one token -----------------------------------------------------------------------------------------


@maker
def is_token(index: int, text: str) -> Operator:
    """The test "this token is ``text``", which has this ``index`` in the alphabet."""
    return Operator(
        f"is {text!r}",
        (),
        MASK,
        numpy=lambda s: s.tokens == index,
        smt=lambda s: tuple(row[index] for row in s.at),
        python=f"token == {text!r}",
        meaning=TokenTest(frozenset({index})),
    )


@maker
def is_not_token(index: int, text: str) -> Operator:
    """The test "this token is another than ``text``"."""
    return Operator(
        f"is not {text!r}",
        (),
        MASK,
        numpy=lambda s: (s.tokens != index) & s.valid,
        smt=lambda s: tuple(s.manager.Not(row[index]) for row in s.at),
        python=f"token != {text!r}",
        meaning=TokenTest(frozenset({index}), is_complement=True),
    )


@maker
def is_either(first: int, one: str, second: int, other: str) -> Operator:
    """The test "this token is one of these two"."""
    return Operator(
        f"is {one!r} or {other!r}",
        (),
        MASK,
        numpy=lambda s: (s.tokens == first) | (s.tokens == second),
        smt=lambda s: tuple(s.manager.Or(row[first], row[second]) for row in s.at),
        python=f"token in ({one!r}, {other!r})",
        meaning=TokenTest(frozenset({first, second})),
    )


SAME_AS_QUERY = Operator(
    "is the query",
    (),
    MASK,
    numpy=lambda s: (s.tokens == s.last[:, None]) & s.valid,
    smt=lambda s: tuple(
        s.manager.Or([s.manager.And(here, query) for here, query in zip(row, s.at[-1], strict=True)]) for row in s.at
    ),
    python="token == tokens[-1]",
    needs_token=True,
    meaning=SameAsLast(),
)


# --- numbers ----------------------------------------------------------------------------------------------------


def _indicators(s: Any, mask: Sequence[Any]) -> Any:
    """The number of true formulas."""
    one, zero = s.manager.Int(1), s.manager.Int(0)
    return s.manager.Plus([s.manager.Ite(here, one, zero) for here in mask]) if mask else zero


@maker
def count_of(index: int, text: str) -> Operator:
    """How often the token occurs."""
    return Operator(
        f"count {text!r}",
        (),
        INT,
        numpy=lambda s: (s.tokens == index).sum(-1),
        smt=lambda s: _indicators(s, [row[index] for row in s.at]),
        python=f"tokens.count({text!r})",
        noun="count",
        meaning=Count(index),
    )


COUNT = Operator(
    "count",
    (MASK,),
    INT,
    numpy=lambda s, m: m.sum(-1),
    smt=_indicators,
    python="sum(_0(token) for token in tokens)",
    noun="count",
    meaning=Count(),
)

LENGTH = Operator(
    "length",
    (),
    INT,
    numpy=lambda s: s.lengths,
    smt=lambda s: s.manager.Int(s.length),
    python="len(tokens)",
    meaning=Length(),
)


def _first(s: Any, mask: Sequence[Any]) -> Any:
    result = s.manager.Int(s.length)
    for position in reversed(range(s.length)):
        result = s.manager.Ite(mask[position], s.manager.Int(position), result)
    return result


def _last(s: Any, mask: Sequence[Any]) -> Any:
    result = s.manager.Int(-1)
    for position in range(s.length):
        result = s.manager.Ite(mask[position], s.manager.Int(position), result)
    return result


FIRST = Operator(
    "first",
    (MASK,),
    INT,
    numpy=lambda s, m: _first_true(m, s.lengths),
    smt=_first,
    python="next((place for place, token in enumerate(tokens) if _0(token)), len(tokens))",
    noun="first",
    meaning=folds.FIRST,
)

LAST = Operator(
    "last",
    (MASK,),
    INT,
    numpy=lambda s, m: m.shape[-1] - 1 - _first_true(m[..., ::-1], np.int64(m.shape[-1])),
    smt=_last,
    python="max((place for place, token in enumerate(tokens) if _0(token)), default=-1)",
    noun="last",
    meaning=folds.LAST,
)


def _first_true(mask: Any, absent: Any) -> Any:
    if not mask.shape[-1]:
        return np.broadcast_to(absent, mask.shape[:-1])
    return np.where(mask.any(-1), mask.argmax(-1), absent)


COUNT_PAIRS = Operator(
    "count pairs",
    (MASK, MASK),
    INT,
    numpy=lambda s, a, b: (a[..., :-1] & b[..., 1:]).sum(-1),
    smt=lambda s, a, b: _indicators(s, [s.manager.And(x, y) for x, y in zip(a, b[1:], strict=False)]),
    python="sum(_0(before) and _1(token) for before, token in zip(tokens, tokens[1:]))",
    noun="pairs",
    meaning=folds.COUNT_PAIRS,
)


@maker
def clipped(cap: int | None) -> Operator:
    """Up by one on the first test, else down by one on the second, kept between 0 and ``cap`` (None: no cap)."""

    def run(s: Any, up: Any, down: Any) -> Any:
        state = np.zeros(np.broadcast_shapes(up.shape, down.shape)[:-1], np.int64)
        for position in range(up.shape[-1]):
            step = np.where(up[..., position], 1, np.where(down[..., position], -1, 0))
            state = np.clip(state + step, 0, cap)
        return state

    def encode(s: Any, up: Any, down: Any) -> Any:
        m, state = s.manager, s.manager.Int(0)
        for rise, fall in zip(up, down, strict=True):
            above = m.Plus(state, m.Int(1))
            if cap is not None:
                above = m.Ite(m.LT(state, m.Int(cap)), above, state)
            below = m.Ite(m.GT(state, m.Int(0)), m.Minus(state, m.Int(1)), state)
            state = m.Ite(rise, above, m.Ite(fall, below, state))
        return state

    above = "state + 1" if cap is None else f"min(state + 1, {cap})"
    return Operator(
        "depth" if cap is None else f"depth capped at {cap}",
        (MASK, MASK),
        INT,
        numpy=run,
        smt=encode,
        python=(
            "state = 0\nfor token in tokens:\n"
            f"    if _0(token):\n        state = {above}\n"
            "    elif _1(token):\n        state = max(state - 1, 0)"
        ),
        noun="depth",
        meaning=folds.clipped(cap),
    )


def _balanced(s: Any, up: Any, down: Any) -> Any:
    state = np.zeros(np.broadcast_shapes(up.shape, down.shape)[:-1], np.int64)
    for position in range(up.shape[-1]):
        state = np.where(state < 0, state, state + up[..., position].astype(np.int64) - down[..., position])
    return state


def _balanced_smt(s: Any, up: Sequence[Any], down: Sequence[Any]) -> Any:
    m, state = s.manager, s.manager.Int(0)
    one, zero = m.Int(1), m.Int(0)
    for rise, fall in zip(up, down, strict=True):
        after = m.Minus(m.Plus(state, m.Ite(rise, one, zero)), m.Ite(fall, one, zero))
        state = m.Ite(m.LT(state, zero), state, after)
    return state


BALANCE = Operator(
    "balance",
    (MASK, MASK),
    INT,
    numpy=_balanced,
    smt=_balanced_smt,
    python=("state = 0\nfor token in tokens:\n    if state >= 0:\n        state = state + (_0(token)) - (_1(token))"),
    noun="balance",
    meaning=folds.BALANCE,
)  # once it is below zero it stays there: balance == 0 says "well nested"


@maker
def modular(modulus: int) -> Operator:
    """The count modulo ``modulus``; in the solver a cyclic state, since PySMT has no modulo."""

    def encode(s: Any, mask: Sequence[Any]) -> Any:
        m, state = s.manager, s.manager.Int(0)
        for here in mask:
            wraps = m.Equals(state, m.Int(modulus - 1))
            state = m.Ite(here, m.Ite(wraps, m.Int(0), m.Plus(state, m.Int(1))), state)
        return state

    return Operator(
        f"count modulo {modulus}",
        (MASK,),
        INT,
        numpy=lambda s, m: m.sum(-1) % modulus,
        smt=encode,
        python=f"sum(_0(token) for token in tokens) % {modulus}",
        noun="phase",
        meaning=Remainder(modulus),
    )


def _stage(s: Any, first: Any, second: Any) -> Any:
    seen = np.logical_or.accumulate(first, axis=-1)
    return seen.any(-1).astype(np.int64) + (seen[..., :-1] & second[..., 1:]).any(-1)


def _stage_smt(s: Any, first: Sequence[Any], second: Sequence[Any]) -> Any:
    m, seen, done = s.manager, s.manager.FALSE(), s.manager.FALSE()
    for one, two in zip(first, second, strict=True):
        done = m.Or(done, m.And(seen, two))
        seen = m.Or(seen, one)
    return m.Ite(done, m.Int(2), m.Ite(seen, m.Int(1), m.Int(0)))


STAGE = Operator(
    "stage",
    (MASK, MASK),
    INT,
    numpy=_stage,
    smt=_stage_smt,
    python=(
        "state = 0\nfor token in tokens:\n"
        "    if state == 0 and _0(token):\n        state = 1\n"
        "    elif state == 1 and _1(token):\n        state = 2"
    ),
    noun="stage",
    meaning=folds.STAGE,
)


@maker
def constant(value: int) -> Operator:
    """The number ``value``."""
    return Operator(
        str(value),
        (),
        INT,
        numpy=lambda s: np.full(len(s.tokens), value, np.int64),
        smt=lambda s: s.manager.Int(value),
        python=str(value),
        meaning=Constant(value),
    )


@maker
def times(factor: int) -> Operator:
    """``factor`` times a number."""
    return Operator(
        f"{factor} times",
        (INT,),
        INT,
        numpy=lambda s, a: factor * a,
        smt=lambda s, a: s.manager.Times(s.manager.Int(factor), a),
        python=f"{factor} * _0",
        noun="total",
        meaning=Multiple(factor),
    )


def multiplied(term: Term) -> Term:
    """The same program with one factor wherever one product is inside another."""
    arguments = tuple(map(multiplied, term.arguments))
    outer = _factor(term.operator)
    inner = _factor(arguments[0].operator) if outer else None
    if outer and inner and outer * inner <= MOST_WRITTEN:
        return times(outer * inner)(*arguments[0].arguments)
    return Term(term.operator, arguments)


def _factor(operator: Operator) -> int | None:
    """The n of ``times(n)``; None for another operator."""
    return operator.meaning.factor if isinstance(operator.meaning, Multiple) else None


def _binary(
    name: str, result: Any, numpy: Callable[..., Any], smt: Callable[..., Any], python: str, meaning: Combination
) -> Operator:
    return Operator(
        name,
        (INT, INT),
        result,
        numpy=lambda s, a, b: numpy(a, b),
        smt=lambda s, a, b: smt(s.manager, a, b),
        python=python,
        commutative=meaning in (Combination.SUM, Combination.EQUAL),
        noun="total",
        meaning=meaning,
    )


PLUS = _binary("plus", INT, np.add, lambda m, a, b: m.Plus(a, b), "_0 + _1", Combination.SUM)
MINUS = _binary("minus", INT, np.subtract, lambda m, a, b: m.Minus(a, b), "_0 - _1", Combination.DIFFERENCE)
GREATER = _binary("greater", BOOL, np.greater, lambda m, a, b: m.GT(a, b), "_0 > _1", Combination.GREATER)
EQUAL = _binary("equal", BOOL, np.equal, lambda m, a, b: m.Equals(a, b), "_0 == _1", Combination.EQUAL)


# --- flags ------------------------------------------------------------------------------------------------------


@maker
def at_least(value: int) -> Operator:
    """Whether a number is ``value`` or more."""
    return Operator(
        f"at least {value}",
        (INT,),
        BOOL,
        numpy=lambda s, a: a >= value,
        smt=lambda s, a: s.manager.GE(a, s.manager.Int(value)),
        python=f"_0 >= {value}",
        noun="enough",
        meaning=AtLeast(value),
    )


@maker
def has(index: int, text: str) -> Operator:
    """Whether the token occurs."""
    return Operator(
        f"has {text!r}",
        (),
        BOOL,
        numpy=lambda s: (s.tokens == index).any(-1),
        smt=lambda s: s.manager.Or([row[index] for row in s.at]),
        python=f"{text!r} in tokens",
        noun="seen",
        meaning=Present(index),
    )


@maker
def lacks(index: int, text: str) -> Operator:
    """Whether the token does not occur."""
    return Operator(
        f"lacks {text!r}",
        (),
        BOOL,
        numpy=lambda s: ~(s.tokens == index).any(-1),
        smt=lambda s: s.manager.Not(s.manager.Or([row[index] for row in s.at])),
        python=f"{text!r} not in tokens",
        noun="unseen",
        meaning=Absent(index),
    )


def _at_end(mask: Any, lengths: Any) -> Any:
    last = np.broadcast_to(np.maximum(lengths - 1, 0), mask.shape[:-1])
    return np.take_along_axis(mask, last[..., None], -1)[..., 0]


ENDS_WITH = Operator(
    "ends with",
    (MASK,),
    BOOL,
    numpy=lambda s, m: _at_end(m, s.lengths),
    smt=lambda s, m: m[-1],
    python="_0(tokens[-1])",
    noun="ends",
    needs_token=True,
    meaning=LastMeets(),
)

BEGINS_WITH = Operator(
    "begins with",
    (MASK,),
    BOOL,
    numpy=lambda s, m: m[..., :1].any(-1),
    smt=lambda s, m: m[0],
    python="_0(tokens[0])",
    noun="begins",
    needs_token=True,
    meaning=folds.BEGINS_WITH,
)

ANY_PAIR = Operator(
    "any pair",
    (MASK, MASK),
    BOOL,
    numpy=lambda s, a, b: (a[..., :-1] & b[..., 1:]).any(-1),
    smt=lambda s, a, b: s.manager.Or([s.manager.And(x, y) for x, y in zip(a, b[1:], strict=False)]),
    python="any(_0(before) and _1(token) for before, token in zip(tokens, tokens[1:]))",
    noun="found",
    meaning=folds.ANY_PAIR,
)


def _toggle(s: Any, mask: Sequence[Any]) -> Any:
    state = s.manager.FALSE()
    for here in mask:
        state = s.manager.Xor(state, here)
    return state


TOGGLE = Operator(
    "toggle",
    (MASK,),
    BOOL,
    numpy=lambda s, m: m.sum(-1) % 2 == 1,
    smt=_toggle,
    python="state = False\nfor token in tokens:\n    if _0(token):\n        state = not state",
    noun="inside",
    meaning=Remainder(2),
)


def _latch(s: Any, sets: Any, resets: Any) -> Any:
    state = np.zeros(np.broadcast_shapes(sets.shape, resets.shape)[:-1], bool)
    for position in range(sets.shape[-1]):
        state = sets[..., position] | (state & ~resets[..., position])
    return state


def _latch_smt(s: Any, sets: Sequence[Any], resets: Sequence[Any]) -> Any:
    m, state = s.manager, s.manager.FALSE()
    for on, off in zip(sets, resets, strict=True):
        state = m.Or(on, m.And(state, m.Not(off)))
    return state


LATCH = Operator(
    "latch",
    (MASK, MASK),
    BOOL,
    numpy=_latch,
    smt=_latch_smt,
    python=(
        "state = False\nfor token in tokens:\n"
        "    if _0(token):\n        state = True\n    elif _1(token):\n        state = False"
    ),
    noun="flag",
    meaning=folds.LATCH,
)


NOT = Operator(
    "not",
    (BOOL,),
    BOOL,
    numpy=lambda s, a: ~a,
    smt=lambda s, a: s.manager.Not(a),
    python="not _0",
    noun="flag",
    meaning=Combination.NOT,
)
AND = Operator(
    "and",
    (BOOL, BOOL),
    BOOL,
    numpy=lambda s, a, b: a & b,
    smt=lambda s, a, b: s.manager.And(a, b),
    python="_0 and _1",
    commutative=True,
    noun="flag",
    meaning=Combination.AND,
)
OR = Operator(
    "or",
    (BOOL, BOOL),
    BOOL,
    numpy=lambda s, a, b: a | b,
    smt=lambda s, a, b: s.manager.Or(a, b),
    python="_0 or _1",
    commutative=True,
    noun="flag",
    meaning=Combination.OR,
)


# --- labels -----------------------------------------------------------------------------------------------------


@maker
def label(index: int, value: Label) -> Operator:
    """The label with this ``index`` in the signature, printed as ``value``."""
    return Operator(
        f"label {value!r}",
        (),
        LABEL,
        numpy=lambda s: np.full(len(s.tokens), index, np.int64),
        smt=lambda s: s.manager.Int(index),
        python=repr(value),
    )


CHOOSE = Operator(
    "choose",
    (BOOL, LABEL, LABEL),
    LABEL,
    numpy=lambda s, c, a, b: np.where(c, a, b),
    smt=lambda s, c, a, b: s.manager.Ite(c, a, b),
    python="_1 if _0 else _2",
    meaning=Combination.CHOICE,
)


@maker
def digits(values: tuple[int, ...]) -> Operator:
    """The label whose text is a number; a number that no label names gives no label."""
    return _of_number("digits", values, "str(_0)")


@maker
def number(values: tuple[int, ...]) -> Operator:
    """The label that is a number itself; a number that is no label gives none."""
    return _of_number("number", values, "_0")


@maker
def truth(labels: tuple[Label, ...]) -> Operator:
    """The label that is a flag itself."""
    true, false = labels.index(True), labels.index(False)
    return Operator(
        "truth",
        (BOOL,),
        LABEL,
        numpy=lambda s, flag: np.where(flag, true, false),
        smt=lambda s, flag: s.manager.Ite(flag, s.manager.Int(true), s.manager.Int(false)),
        python="_0",
    )


def _of_number(name: str, values: tuple[int, ...], python: str) -> Operator:
    def run(s: Any, number: Any) -> Any:
        result = np.full(number.shape, NO_LABEL, np.int64)
        for index, value in enumerate(values):
            result[number == value] = index
        return result

    def encode(s: Any, number: Any) -> Any:
        result = s.manager.Int(NO_LABEL)
        for index, value in enumerate(values):
            result = s.manager.Ite(s.manager.Equals(number, s.manager.Int(value)), s.manager.Int(index), result)
        return result

    return Operator(name, (INT,), LABEL, numpy=run, smt=encode, python=python)
