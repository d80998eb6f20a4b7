"""What a row of logits says: a label, and a margin that is positive only where the label is certain."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

from flint import arb

from tasks.checker.arithmetic import ZERO, Row
from tasks.checker.files import expect
from tasks.checker.formats import Read

Reader = Callable[[Row], tuple[str, arb]]


def reader_of(r: dict[str, Any], network: Read, least: float = 0.0) -> Reader:
    """The read-out as a function of logits; up to ``least`` a margin is none."""
    expect(type(least) is float and least >= 0, f"the least margin {least!r}")
    expect(r.keys() == {"kind", "columns", "names", "position", "denominator"}, "the read-out has unknown entries")
    kind, columns, names, finest = r["kind"], r["columns"], r["names"], r["denominator"]
    expect(r["position"] in ("last", "every") and all(type(n) is int and n >= 0 for n in columns), "the read-out")
    known = [network.outputs[n] for n in columns] if kind != "round" else []
    named = names == known or (columns, names) == network.reading
    divides = type(finest) is int and 1 <= finest <= (20 if kind == "round" else 1)
    expect(divides and named and len({*columns}) == len(columns), "the read-out names outputs that the folder does not")
    expect(kind in ("argmax", "set", "round"), "unknown read-out")
    expect(len(columns) == 1 if kind == "round" else len(columns) > (kind == "argmax"), "too few outputs")
    grid = sorted({Fraction(n, d) for d in range(1, finest + 1) for n in range(d + 1)})

    def reading(row: Row) -> tuple[str, arb]:
        x = [row[n] for n in columns]
        if not all(v.is_finite() for v in x):
            return "", ZERO  # NaN compares false, and a minimum would pass over it
        label, sure = read(x)
        return label, sure if sure > least else ZERO

    def read(x: Row) -> tuple[str, arb]:
        if kind == "round":
            return _round(x[0], grid)
        if kind == "set":
            return f"{{{', '.join(n for v, n in zip(x, names, strict=True) if v > 0)}}}", min(abs(v).lower() for v in x)
        best = max(range(len(x)), key=lambda n: x[n].mid())
        return names[best], min((x[best] - v).lower() for n, v in enumerate(x) if n != best)

    return reading


def _round(x: arb, grid: list[Fraction]) -> tuple[str, arb]:
    """The nearest fraction whose denominator is at most that of the grid."""
    whole = int(x.mid().floor().unique_fmpz())
    halves = [whole + (a + b) / 2 for a, b in pairwise(grid)]
    far = [x - arb(half.numerator) / half.denominator for half in halves]
    value = whole + grid[sum(d.mid() > 0 for d in far)]
    return str(value) if len(grid) == 2 else str(value.numerator / value.denominator), min(abs(d).lower() for d in far)
