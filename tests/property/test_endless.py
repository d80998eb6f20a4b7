"""Sequences of every length: halves lose no whole number, and boxes without an upper end hold what lies far out."""

from __future__ import annotations

import flint
import numpy as np
import pytest
from counted_circuits import COUNTED, shipped
from exact_attention import exact_attention
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from cegis import Program, motifs
from dsl.grammars.motifs import label
from tasks.automata.program_intervals import Boxes
from tasks.bounds.ball import FLOAT64, Reals
from tasks.formats import model_of
from tasks.formats.circuit_folder import load_circuit, shipped_path
from tasks.networks.circuit import UNDECIDED, Circuit
from tasks.proofs import all_lengths
from tasks.proofs.count_bounds import Tally

CIRCUITS = [shipped(name) for name in COUNTED]
FAR = 10**9
INFINITE = float("inf")
starts = st.one_of(
    st.integers(0, 100), st.integers(2**50 - 100, 2**50), st.integers(0, 2**50), st.sampled_from([2**49, 2**50])
)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    """One box of three sides as a search may meet it: lower ends up to 2^50, upper ends at most twice that and one."""
    low = [draw(starts) for _ in range(3)]
    side = st.one_of(st.just(0), st.integers(1, 100), st.integers(0, 2**50))
    high = [INFINITE if draw(st.booleans()) else float(n + draw(side)) for n in low]
    low[0], high[0] = (low[0], high[0]) if high != [*map(float, low)] else (low[0], INFINITE)  # something to cut
    return low, high


@settings(max_examples=examples(300), deadline=None)
@given(boxes())
def test_halves_hold_every_whole_number_of_a_box_once(box: tuple[list[int], list[float]]) -> None:
    low, high = box
    halves = all_lengths._halves(Boxes(np.array([low], float), np.array([high])))
    rows = zip(halves.low.tolist(), halves.high.tolist(), strict=True)
    ends = [[(int(a), b if b == INFINITE else int(b)) for a, b in zip(*row, strict=True)] for row in rows]
    cut = [n for n in range(3) if ends[0][n] != ends[1][n]]
    assert len(cut) == 1
    for n in range(3):
        whole = (low[n], high[n] if high[n] == INFINITE else int(high[n]))
        if n not in cut:
            assert ends[0][n] == ends[1][n] == whole
        else:
            (first, middle), (after, last) = ends[0][n], ends[1][n]
            assert (first, last) == whole
            assert first <= middle < after <= last
            assert after == middle + 1  # of whole numbers, as Python counts them


def test_an_undecided_tail_ends_quietly_before_whole_numbers_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Margins that vanish as one token grows are never decided: the search ends at counts that float64 holds."""
    circuit = load_circuit(shipped_path("quote_closing"))

    def vanishing(self: Tally, low: Reals, high: Reals, last: int) -> tuple[Reals, Reals]:
        lost = np.isinf(high[:, 2]) & (high[:, 3] == 0)
        return np.where(lost, UNDECIDED, 0), np.ones(len(low))

    monkeypatch.setattr(all_lengths.Tally, "ideal", vanishing)
    constant = Program(label(0, circuit.labels[0])(), motifs(circuit.domain.alphabet, circuit.labels))
    said = all_lengths._Tail(model_of(circuit), constant, circuit.domain.up_to(4), None)
    with pytest.raises(all_lengths._OpenError, match=r"not decided: .*e\+15 or more times"):
        said.prove()
    assert said.boxes < 1000


@st.composite
def far(draw: st.DrawFn) -> tuple[Circuit, list[int], list[float], list[int], int]:
    """A circuit, a box of counts with at least one side without end, counts in it up to 10^9, and the last token."""
    circuit = draw(st.sampled_from(CIRCUITS))
    letters = len(circuit.domain.alphabet)
    last = draw(st.integers(0, letters - 1))
    low = [draw(st.integers(0, 30)) for _ in range(letters)]
    low[last] += 1
    ends = [draw(st.sampled_from(["point", "wide", "endless"])) for _ in range(letters)]
    ends[draw(st.integers(0, letters - 1))] = "endless"
    room = {"point": 0, "wide": 40, "endless": FAR}
    size = st.one_of(st.integers(0, 40), st.integers(0, FAR))
    more = [min(room[end], draw(size)) for end in ends]
    point = [n + m for n, m in zip(low, more, strict=True)]
    tops = {"point": 0.0, "wide": 40.0, "endless": INFINITE}
    return circuit, low, [n + tops[end] for n, end in zip(low, ends, strict=True)], point, last


@settings(max_examples=examples(80), deadline=None)
@given(far())
def test_endless_boxes_hold_attention_at_counts_up_to_a_thousand_million(
    given_: tuple[Circuit, list[int], list[float], list[int], int],
) -> None:
    circuit, low, high, point, last = given_
    with flint.ctx.workprec(200):
        tally = Tally(circuit, FLOAT64)
        delta, _ = tally._delta(np.array([low], float), np.array([high]), last, tally.letters)
        exact = exact_attention(circuit, tally, point, last)
        for center, radius, value in zip(delta.center[0], delta.radius[0], exact, strict=True):
            assert abs(value - flint.arb(center)) <= flint.arb(radius)


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda circuit: circuit.name)
def test_far_out_the_bounds_of_an_endless_box_come_near_its_corners(circuit: Circuit) -> None:
    """Prefix and sink fade: with one token without end, and no other, attention gives that token's value."""
    tally = Tally(circuit, FLOAT64)
    for letter in range(tally.letters):
        only = np.arange(tally.letters) == letter
        delta, _ = tally._delta(
            np.array([FAR * only], float), np.array([np.where(only, np.inf, 0)]), letter, tally.letters
        )
        assert delta.radius.max() < 1e-4
