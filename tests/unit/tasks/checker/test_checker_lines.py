"""First-order forms of the checker hold every point of their symbols, and what executions in float32 may get."""

from types import SimpleNamespace

import numpy as np
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from tasks.checker.arithmetic import Affine
from tasks.checker.lines import Line, Lines
from tasks.checker.pairs import Pairs, _Apart

numbers = st.floats(-3, 3)
symbols = st.lists(st.floats(-1, 1), min_size=2, max_size=2)


@given(numbers, st.floats(0, 1), st.floats(-1, 1), st.lists(numbers, min_size=2, max_size=2), symbols)
def test_a_square_holds_that_of_every_point(middle, radius, inside, factors, at):
    line = Line(arb(middle, radius), [arb(g) for g in factors])
    moved = sum((g * arb(e) for g, e in zip(line.square.g, at, strict=True)), arb(0))
    point = (
        arb(middle) + arb(radius) * arb(inside) + sum((arb(g) * e for g, e in zip(factors, at, strict=True)), arb(0))
    )
    assert (line.square.ball + moved).overlaps(point * point)
    assert float(line.square.ball.rad()) <= float((line * line).ball.rad()) * (1 + 1e-6) + 1e-9  # radii are rounded up


def test_differences_of_logits_hold_those_that_float32_computes():
    random = np.random.default_rng(5)
    weight = random.normal(size=(4, 6)).astype(np.float32)
    weight[1] = weight[0] + np.float32(2**-20)  # rows whose difference is all but nothing
    bias = random.normal(size=4).astype(np.float32)
    layer = Affine([[arb(float(w)) for w in row] for row in weight], [arb(float(b)) for b in bias])
    rows = (100 * random.normal(size=(50, 6))).astype(np.float32)
    pairs = SimpleNamespace(read=[0, 1, 2, 3], _apart_maps={}, _twice=Pairs._twice)
    lines = Lines(2.0**-24, 1)
    given_rows = [[arb(float(v)) for v in row] for row in rows]
    found = Pairs._lead(pairs, layer, 0, lines, given_rows)
    computed = np.zeros((50, 4), np.float32) + bias
    for k in range(6):
        computed = (computed + rows[:, k : k + 1] * weight[:, k]).astype(np.float32)
    for leads, row in zip(found, computed.astype(float), strict=True):
        for lead, other in zip(leads, row[1:], strict=True):
            assert lead.ball.contains(arb(row[0]) - arb(other))
    too_large = Pairs._lead(pairs, layer, 0, lines, [[arb(2.0**39)] * 6])
    assert not any(lead.is_finite() for lead in too_large[0])


@given(
    st.lists(st.tuples(numbers, st.floats(0, 0.1), numbers, numbers), min_size=1, max_size=3),
    st.tuples(numbers, numbers),
    symbols,
    st.floats(0, 0.5),
)
def test_what_a_box_in_a_hull_leaves_is_no_more_than_at_any_of_its_points(lines, middle, at, half):
    hull = [1.5, 0.25]
    apart = _Apart.of([Line(arb(m, r), [arb(f), arb(g)]) for m, r, f, g in lines], [0, 1], [*middle], hull)
    inside = [e * (1 - half) for e in at]
    low = [m + h * (e - half) for m, h, e in zip(middle, hull, inside, strict=True)]
    high = [m + h * (e + half) for m, h, e in zip(middle, hull, inside, strict=True)]
    least = apart.least(low, high)
    for ends in ((-half, -half), (-half, half), (half, -half), (half, half), (0.0, 0.0)):
        values = [
            m - r + sum(g * (e + x) for g, e, x in zip((f, s), inside, ends, strict=True)) for m, r, f, s in lines
        ]
        assert least <= min(values) + 1e-12
