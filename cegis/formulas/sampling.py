"""First valuations of a specification's variables: small, special and random values, by seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache, partial
from itertools import islice
from random import Random

from cegis.formulas.formula import FormulaSpec, inlined, subterms
from dsl.operators import BOOL, INT, REAL, STRING, Sort
from dsl.scalars import Value


def sample(spec: FormulaSpec, count: int, *, seed: int) -> list[tuple[Value, ...]]:
    """``count`` different valuations, or fewer where there are not so many; the simplest first.

    Drawn once for each specification and seed: who asks for more gets those that others got, and some.
    """
    return _drawn(spec, seed).first(count)


@lru_cache(maxsize=4)
def _drawn(spec: FormulaSpec, seed: int) -> _Draws:
    return _Draws(spec, Random(int(seed)), _literals(spec))


@dataclass
class _Draws:
    """Different valuations in the order of their draws, and the number of the draw that gave each."""

    spec: FormulaSpec
    random: Random  # numpy's is slower for single draws
    literals: dict[Sort, list[Value]]
    attempts: int = 0
    rows: dict[tuple[Value, ...], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sorts = [sort for _, sort in self.spec.variables]
        self._drawers = [_drawer(sort, self.literals.get(sort, [])) for sort in sorts]
        self._numbers = [place for place, sort in enumerate(sorts) if sort in (INT, REAL)]

    def first(self, count: int) -> list[tuple[Value, ...]]:
        """The first ``count`` of them among twice as many draws."""
        most = 2 * count if self.spec.variables else 1
        while self.attempts < most and len(self.rows) < count:
            self._draw()
        return [row for row, attempt in islice(self.rows.items(), count) if attempt < 2 * count]

    def _draw(self) -> None:
        attempt, random = self.attempts, self.random
        spread = (attempt % 4, 2, 6, 40)[attempt % 4]  # ties and small values are as telling as large ones
        row = [drawer(spread, random) for drawer in self._drawers]
        if attempt % 2:
            _order(row, self._numbers, random)
        self.rows.setdefault(tuple(row), attempt)
        self.attempts += 1


def _order(row: list[Value], places: list[int], random: Random) -> None:
    """Sort some of the numbers, up or down: conditions such as x < y < z rarely hold by chance."""
    left_out = {random.choice(places) for _ in range(random.randrange(3))} if places else set()
    kept = [place for place in places if place not in left_out]
    ordered = sorted((_number(row[place]) for place in kept), reverse=random.random() < 0.3)
    for place, value in zip(kept, ordered, strict=True):
        row[place] = value


def _number(value: Value) -> int | Fraction:
    return value if isinstance(value, Fraction) else int(value)


def nearby(spec: FormulaSpec, valuation: tuple[Value, ...], count: int, *, seed: int) -> list[tuple[Value, ...]]:
    """``count`` variations of a valuation, each changed a little in one variable or two: where one fails, others do."""
    random = Random(f"{seed} {len(valuation)}")
    rows: dict[tuple[Value, ...], None] = {}
    for attempt in range(count if valuation else 0):
        changed = list(valuation)
        for place in random.choices(range(len(valuation)), k=1 + attempt % 2):
            changed[place] = _changed(spec.variables[place][1], changed[place], valuation, random)
        rows[tuple(changed)] = None
    return list(rows)


def _changed(sort: Sort, value: Value, valuation: tuple[Value, ...], random: Random) -> Value:
    if sort == BOOL:
        return not value
    if sort == INT:
        others = [int(other) for other in valuation if type(other) is int]
        base = int(value) if random.random() < 0.5 else random.choice(others)
        return base + random.randrange(-2, 3)
    if sort == REAL:
        others_too = [other for other in valuation if isinstance(other, Fraction)]
        chosen = Fraction(value) if random.random() < 0.5 else random.choice(others_too)
        return chosen + Fraction(random.randrange(-4, 5), 2)
    if sort.width:
        return int(value) ^ (1 << random.randrange(sort.width))
    return _text([str(value)], random)


def _literals(spec: FormulaSpec) -> dict[Sort, list[Value]]:
    found: dict[Sort, dict[Value, None]] = {}
    for term in (*spec.constraints, *spec.assumptions):
        for inner in subterms(inlined(term)):
            if inner.operator.is_literal:
                assert inner.operator.value is not None
                found.setdefault(inner.sort, {})[inner.operator.value] = None
    return {sort: list(values) for sort, values in found.items()}


Drawer = Callable[[int, Random], Value]  # from how far values spread and what is random


def _drawer(sort: Sort, own: Sequence[Value]) -> Drawer:
    """Draws values of ``sort``, among them those near its literals."""
    if sort == BOOL:
        return lambda spread, random: random.random() < 0.5
    if sort == INT:
        return partial(_integer, [int(value) for value in own])
    if sort == REAL:
        return partial(_fraction, [Fraction(value) for value in own])
    if sort == STRING:
        texts = [str(value) for value in own]
        return lambda spread, random: _text(texts, random)
    words = [int(value) for value in own]
    return lambda spread, random: _bits(sort.width, words, random)


def _integer(own: Sequence[int], spread: int, random: Random) -> int:
    base = own[int(random.random() * len(own))] if own and random.random() < 0.4 else 0
    return base + int(random.random() * (2 * spread + 1)) - spread  # randrange takes five times as long


def _fraction(own: Sequence[Fraction], spread: int, random: Random) -> Fraction:
    first = own[int(random.random() * len(own))] if own and random.random() < 0.4 else Fraction(0)
    return first + Fraction(random.randrange(-2 * spread, 2 * spread + 1), random.choice((1, 1, 2, 3)))


def _bits(width: int, own: Sequence[int], random: Random) -> int:
    limit = 1 << width
    kind = random.randrange(5)
    if kind == 0:
        return random.randrange(4) % limit
    if kind == 1:
        return -random.randrange(1, 4) % limit
    if kind == 2:
        return 1 << random.randrange(width)
    if kind == 3 and own:
        return (random.choice(own) + random.randrange(-1, 2)) % limit
    return random.getrandbits(width)


def _text(own: Sequence[str], random: Random) -> str:
    pieces = ["", "a", "b", "0", "7", " ", *own]
    return "".join(random.choices(pieces, k=random.randrange(4)))
