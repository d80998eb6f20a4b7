"""Executions in float32 over a thousand tokens, summed one after the other, lie in every bound made for them."""

from __future__ import annotations

import numpy as np
import pytest
from average_networks import average
from flint import arb, ctx
from test_checker_endless import FADES, asked, fading
from test_executor import with_tensors

from cegis import Program, motifs
from dsl.motifs import label
from tasks import ball
from tasks.averages import Averages
from tasks.ball import FLOAT32
from tasks.checker import sets
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.files import Rejected
from tasks.checker.formats import read
from tasks.checker.sets import Attended
from tasks.circuit import Circuit
from tasks.tally import Tally
from tasks.walks import trellis

F = np.float32
LONG, SHORT = 1000, 16
QKV = "transformer.h.0.attn.c_attn.weight"


def mean(value: float, keys: int) -> float:
    """The average of so many equal values in float32: every share rounded, then added one by one."""
    share = np.exp(F(0)) / np.cumsum(np.full(keys, F(1)), dtype=F)[-1]
    return float(np.cumsum(np.full(keys, F(share * F(value))), dtype=F)[-1])


def worst(values: np.ndarray) -> float:
    """Of ``values`` the one whose average drifts most."""
    return max(values.tolist(), key=lambda value: abs(mean(value, LONG + 1) - value))


VALUE = float(F(worst(np.linspace(1.0, 2.0, 400).astype(F))))
OFF = abs(mean(VALUE, LONG + 1) - VALUE)


def steady() -> Circuit:
    """A circuit in which attention averages ``VALUE``, whatever the tokens."""
    circuit = fading(3.5)
    qkv = np.array(circuit.network.tensors[QKV])
    qkv[:] = 0
    bias = np.zeros(len(qkv), F)
    bias[8] = VALUE
    return with_tensors(circuit, **{QKV.replace(".", "__"): qkv, "transformer__h__0__attn__c_attn__bias": bias})


def test_counts_hold_an_execution_over_a_thousand_tokens() -> None:
    tally, counts = Tally(steady(), FLOAT32), np.array([[LONG, 0.0, 0.0]])
    error = tally._attention(0, LONG)[3][2]
    assert tally._attention(0, SHORT)[3][2] < OFF <= error  # a bound for a few keys would not do
    for low, high in ((counts, counts), (counts - 1, counts)):
        delta, _ = tally._delta(low, high, 0, LONG)
        assert abs(delta.center[0, 2] - mean(VALUE, LONG + 1)) <= delta.radius[0, 2]
        assert delta.radius[0, 2] >= error


def test_averages_along_a_path_hold_an_execution_over_a_thousand_tokens(monkeypatch) -> None:
    loaded, counted = average((VALUE, VALUE, VALUE), LONG), []
    constant = Program(label(0, "yes")(), motifs(("a", "b"), ("yes", "no"), min_length=0))
    averages, graph = Averages(loaded, FLOAT32, LONG), trellis(loaded.domain, constant)
    error_of = ball.average_error
    monkeypatch.setattr(ball, "average_error", lambda *given: (counted.append(given[2]), error_of(*given))[1])
    assert float(averages._keys(graph, LONG, 0).error[0, 0]) >= OFF > 1e-5
    averages._keys(graph, SHORT, 0)
    assert counted == [LONG + 1, SHORT + 1]  # every place is its own key, and the start token
    given = averages.given(graph, LONG, np.array([0]), np.ones((1, 1, 1, 1)))
    assert abs(given.ball.center[0, 0] - mean(VALUE, LONG + 1)) <= given.ball.radius[0, 0]


def attended(circuit: Circuit, folder) -> Attended:
    question, files = asked(circuit, folder, FADES.format("True"))
    stored = {name.removeprefix("network/"): content for name, content in files.items() if "/" in name}
    network = read("circuit", stored, "float32")
    ids = [network.tokens.index(token) for token in (*question["alphabet"], *question["prefix"])]
    return Attended(network.network, Arithmetic(ROUNDOFF["float32"]), [(token, 0) for token in ids])


def test_the_checkers_counts_hold_an_execution_over_a_thousand_tokens(tmp_path) -> None:
    with ctx.workprec(80):
        rows = attended(steady(), tmp_path / "c")
        for name, bound in (("counts", sets.counts(rows, 3, LONG)), ("few", sets.counts(rows, 3, SHORT))):
            off = float(bound(0, 0).off[2])
            assert (off >= OFF) is (name == "counts")


def test_what_scores_may_err_is_in_the_checkers_bound(tmp_path) -> None:
    """Queries that are known up to a thousandth: both ends give averages within the bound around the middle."""
    with ctx.workprec(80):
        circuit = fading(3.5)
        qkv = np.array(circuit.network.tensors[QKV])
        qkv[4:6] = np.random.default_rng(0).normal(size=(2, 4))
        rows = attended(with_tensors(circuit, **{QKV.replace(".", "__"): qkv}), tmp_path / "c")
        middle = [0.5, -1.0, 0.0, 0.0]
        for size, least in ((0.0, 0.0), (1e-2, 1e-4)):
            rows.query[0][0] = [arb(q, size) for q in middle]
            (weights,), off = rows.weights(0, [0, 1, 2, 3], 4)
            values = [float(value[0][0]) for value in rows.value]
            at = np.dot(np.array(weights[:4], float), values) / float(sum(weights))
            furthest = 0.0
            for sign in np.array(np.meshgrid([-1, 1], [-1, 1])).reshape(2, -1).T:
                query = np.array(middle) + size * np.append(sign, [0, 0])
                score = [float(rows.heads.scale) * np.dot(query, [float(x) for x in key[0]]) for key in rows.key]
                raised = np.exp(np.array(score) - max(score))
                furthest = max(furthest, abs(float(raised @ values / raised.sum()) - at))
            assert least <= furthest <= float(off[2]) + 1e-12


@pytest.mark.parametrize("seed", range(20))
def test_both_halves_of_a_checkers_box_are_looked_at(tmp_path, seed) -> None:
    """Every point of a box lies in one of its halves."""
    rng = np.random.default_rng(seed)
    with ctx.workprec(80):
        bound = sets.counts(attended(fading(3.5), tmp_path / "c"), 3, 9)(0, 0)
        box = [arb(x, r) for x, r in rng.normal(size=(4, 2)) ** 2]
        halves = [*bound._halves(box)]
        for _ in range(20):
            point = [x.mid() + x.rad() * float(t) for x, t in zip(box, rng.uniform(-0.99, 0.99, 4), strict=True)]
            assert any(all(x.contains(p) for x, p in zip(half, point, strict=True)) for half in halves)


def test_a_claim_that_is_false_in_one_half_of_a_box_alone_is_refused(tmp_path) -> None:
    """All sequences with one a more than b's are one box: the label turns in its upper half, where no middle lies."""
    with ctx.workprec(80):
        bound = sets.counts(attended(fading(3.5), tmp_path / "c"), 3, 9)(0, 0)
        for sign in (-1, 1):
            box = [arb(0), arb(0), arb(sign * 0.5, 0.5), arb(0)]
            turned = sets.Bound(bound.rows, 0, bound.off, bound.map, lambda nodes, box=box: box, {})

            def reading(row, sign=sign):
                """Another label beyond 0.99 of the way out."""
                x = sign * row[4]
                return ("yes", arb(1)) if x < 0.6 else ("no", arb(1)) if x > 0.6 else ("", arb(0))

            with pytest.raises(Rejected):
                turned.decide([sets.Node((0,), 0, 1)], "yes", reading, np.inf)
