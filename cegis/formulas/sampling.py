"""First valuations of a specification's variables: small, special and random values, by seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cegis.formulas.formula import FormulaSpec, inlined, subterms
from dsl.operators import BOOL, INT, STRING, Sort
from dsl.scalars import Value


def sample(spec: FormulaSpec, count: int, *, seed: int) -> list[tuple[Value, ...]]:
    """``count`` different valuations, or fewer where there are not so many; the simplest first."""
    random = np.random.default_rng(seed)
    literals = _literals(spec)
    rows: dict[tuple[Value, ...], None] = {}
    for attempt in range(2 * count):
        spread = (attempt % 4, 2, 6, 40)[attempt % 4]  # ties and small values are as telling as large ones
        row = [_value(sort, literals, spread, random) for _, sort in spec.variables]
        if attempt % 2:
            _order(row, [place for place, (_, sort) in enumerate(spec.variables) if sort == INT], random)
        rows[tuple(row)] = None
        if len(rows) == count:
            break
    return list(rows)


def _order(row: list[Value], places: list[int], random: np.random.Generator) -> None:
    """Sort some of the numbers, up or down: conditions such as x < y < z rarely hold by chance."""
    left_out = {int(random.choice(places)) for _ in range(random.integers(3))} if places else set()
    kept = [place for place in places if place not in left_out]
    ordered = sorted((int(row[place]) for place in kept), reverse=bool(random.random() < 0.3))
    for place, value in zip(kept, ordered, strict=True):
        row[place] = value


def nearby(spec: FormulaSpec, valuation: tuple[Value, ...], count: int, *, seed: int) -> list[tuple[Value, ...]]:
    """``count`` variations of a valuation, each changed a little in one variable or two: where one fails, others do."""
    random = np.random.default_rng([seed, len(valuation)])
    rows: dict[tuple[Value, ...], None] = {}
    for attempt in range(count if valuation else 0):
        changed = list(valuation)
        for place in random.integers(len(valuation), size=1 + attempt % 2):
            changed[place] = _changed(spec.variables[place][1], changed[place], valuation, random)
        rows[tuple(changed)] = None
    return list(rows)


def _changed(sort: Sort, value: Value, valuation: tuple[Value, ...], random: np.random.Generator) -> Value:
    if sort == BOOL:
        return not value
    if sort == INT:
        others = [int(other) for other in valuation if type(other) is int]
        base = int(value) if random.random() < 0.5 else others[int(random.integers(len(others)))]
        return base + int(random.integers(-2, 3))
    if sort.width:
        return int(value) ^ (1 << int(random.integers(sort.width)))
    return _text([str(value)], random)


def _literals(spec: FormulaSpec) -> dict[Sort, list[Value]]:
    found: dict[Sort, dict[Value, None]] = {}
    for term in (*spec.constraints, *spec.assumptions):
        for inner in subterms(inlined(term)):
            if inner.operator.is_literal:
                assert inner.operator.value is not None
                found.setdefault(inner.sort, {})[inner.operator.value] = None
    return {sort: list(values) for sort, values in found.items()}


def _value(sort: Sort, literals: dict[Sort, list[Value]], spread: int, random: np.random.Generator) -> Value:
    own = literals.get(sort, [])
    if sort == BOOL:
        return bool(random.integers(2))
    if sort == INT:
        base = int(own[random.integers(len(own))]) if own and random.random() < 0.4 else 0
        return base + int(random.integers(-spread, spread + 1))
    if sort == STRING:
        return _text([str(value) for value in own], random)
    return _bits(sort.width, [int(value) for value in own], random)


def _bits(width: int, own: Sequence[int], random: np.random.Generator) -> int:
    limit = 1 << width
    kind = random.integers(5)
    if kind == 0:
        return int(random.integers(0, 4)) % limit
    if kind == 1:
        return (-int(random.integers(1, 4))) % limit
    if kind == 2:
        return 1 << int(random.integers(width))
    if kind == 3 and own:
        return (own[int(random.integers(len(own)))] + int(random.integers(-1, 2))) % limit
    return int.from_bytes(random.bytes(-(-width // 8)), "little") % limit


def _text(own: Sequence[str], random: np.random.Generator) -> str:
    pieces = ["", "a", "b", "0", "7", " ", *own]
    return "".join(pieces[random.integers(len(pieces))] for _ in range(random.integers(4)))
