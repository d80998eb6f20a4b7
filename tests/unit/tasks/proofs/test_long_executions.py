"""Executions in float32, each sum one term after the other, lie in the bounds of tally, averages and checker."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb, arb_mat, ctx
from quick import sliced

from cegis import Domain, Program, motifs
from dsl.grammars.motifs import label
from tasks.automata.trellis_construction import trellis
from tasks.bounds.ball import FLOAT32
from tasks.checker import arithmetic, network, sets
from tasks.checker.programs import machine_of
from tasks.formats import Loaded
from tasks.networks.readout import Argmax
from tasks.networks.transformer import Affine, Attention, Residual, Transformer
from tasks.proofs.attention_bounds import Averages
from tasks.proofs.count_bounds import Tally

F = np.float32
LETTERS, LABELS = ("a", "b"), ("x", "y")
LENGTH = 1000
CONSTANT = "def program(tokens):\n    return 'x'\n"
READ = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0]])  # of rows (value, what attention adds, two of a key)


def maps(size):
    """Keys and values of ``size`` entries, and what becomes of the average: a row's second entry."""
    value = np.zeros((size, 4))
    value[0, 0] = 1.0
    return np.tile(np.eye(4)[2:], (size // 2, 1)), value, value[:, [1, 0, 2, 3]].T


def tokens_of(values, keys):
    return np.array([[v, 0.0, *key] for v, key in zip(values, keys, strict=True)])


def executed(values, query, keys, word):
    """What the one head gives in float32, each sum one term after the other."""
    values, query, keys = values.astype(F), query.astype(F), keys.astype(F)
    scores = (np.tile(keys, len(query) // 2) * query).cumsum(axis=1, dtype=F)[:, -1][word]
    raised = np.exp(scores - scores.max())
    return float(np.cumsum(raised / np.cumsum(raised, dtype=F)[-1] * values[word], dtype=F)[-1])


def loaded_of(values, query, keys, longest):
    key, value, back = map(Affine, maps(len(query)))
    attention = Attention((Affine(np.zeros((len(query), 4)), query),), (key,), (value,), 1, 1.0)
    steps = (Residual((attention, back)), Affine(READ))
    model = Transformer(tokens_of(values, keys), None, steps, longest)
    return Loaded("mean", "test", model, LETTERS, (), (), Domain(LETTERS, 1, longest), Argmax(LABELS, (0, 1)))


def by_tally(values, query, keys, word):
    counts = np.array([[word.count(0), word.count(1)]], float)
    logits, _ = Tally(loaded_of(values, query, keys, len(word)), FLOAT32)._logits(counts, counts, word[-1], len(word))
    return float(logits.center[0, 0]), float(logits.radius[0, 0])


def by_averages(values, query, keys, word):
    loaded = loaded_of(values, query, keys, len(word))
    averages = Averages(loaded, FLOAT32, len(word))
    graph = trellis(loaded.domain, Program(label(0, "x")(), motifs(LETTERS, LABELS)))
    nodes = np.flatnonzero(graph.levels[len(word)].token == word[-1])
    logits = averages.logits(averages.given(graph, len(word), nodes, np.eye(2)[None, None]), len(word), word[-1]).ball
    return float(logits.center[0, 0]), float(logits.radius[0, 0])


def attended(values, query, keys, cells):
    """The same network as the checker has it, whose ways to bound it are ``counts`` and ``paths``."""
    table = lambda rows: [[arb(float(x)) for x in row] for row in rows]  # noqa: E731
    affine = lambda w: arithmetic.Affine(table(w), [arb(0)] * len(w))  # noqa: E731
    key, value, back = map(affine, maps(len(query)))
    same = arithmetic.Affine(table(np.zeros((len(query), 4))), [arb(float(x)) for x in query])
    branch = network.Branch((), network.Heads(((same,), (key,), (value,)), 1, arb(1), [None]), (back,))
    model = network.Network(table(tokens_of(values, keys)), None, (branch,), (affine(READ),), LENGTH)
    return sets.Attended(model, arithmetic.Arithmetic(FLOAT32), cells)


def first_logit(rows, bound, node):
    ((first, _),) = rows.logits(bound.last, (arb_mat([bound.box([node])]) * bound.map).tolist(), bound.off)
    return float(first.mid()), float(first.rad())


def by_counts(values, query, keys, word):
    with ctx.workprec(80):
        rows = attended(values, query, keys, [(0, 0), (1, 0)])
        bound = sets.counts(rows, 2, len(word))(0, word[-1])
        return first_logit(rows, bound, sets.Node((0, word.count(0), word.count(1)), 0, 1))


def by_paths(values, query, keys, word):
    with ctx.workprec(80):
        rows = attended(values, query, keys, [(t, n) for n in range(len(word)) for t in (0, 1)])
        levels = [*sets.graph(machine_of(CONSTANT, []), [*LETTERS], [[0, 0]], len(word), "a")]
        bound = sets.paths(rows, [[], [0, 1], []], [[[1, 0], [0, 1]]], levels)(len(word), word[-1])
        return first_logit(rows, bound, sets.Node((0,), 0, 1))


WAYS = {"tally": by_tally, "averages": by_averages, "counts": by_counts, "paths": by_paths}


@pytest.mark.parametrize("way", WAYS)
def test_the_rounding_of_a_thousand_keys_is_in_the_bounds(way):
    """All keys weigh the same and have the same value, so that all additions round to the same side."""
    same, nothing = np.full(2, F(0.9997786)), np.zeros(2)
    word = [0, 1] * (LENGTH // 2)
    value = executed(same, nothing, np.zeros((2, 2)), word)
    assert abs(value / float(same[0]) - 1) > 200 * FLOAT32  # more than a few keys could cause
    center, radius = WAYS[way](same, nothing, np.zeros((2, 2)), word)
    assert abs(value - center) <= radius < 1e-3


@pytest.mark.parametrize("way", WAYS)
def test_the_rounding_of_scores_that_cancel_is_in_the_bounds(way):
    """Scores are small sums of large products, whose rounding moves weights more than that of all the rest."""
    rng, values, off = np.random.default_rng(0), np.array([1.0, -1.0]), []
    for word in 4 * [[0, 1], [1, 0]]:
        query = rng.uniform(1000, 1001, 2).astype(F).astype(float)
        keys = np.array([[10.0], [-10.0]]) * rng.uniform(1, 1.001, (2, 1)) * [query[1] / query[0], -1.0]
        keys = keys.astype(F).astype(float)
        a, b = (sum(arb(float(q)) * float(k) for q, k in zip(query, key, strict=True)) for key in keys)
        value, exact = executed(values, query, keys, word), float(((a - b) / 2).tanh().mid())
        off.append(abs(value - exact))
        center, radius = WAYS[way](values, query, keys, word)
        assert abs(value - center) <= radius < 1
        assert abs(exact - center) <= radius
    assert max(off) > 1000 * FLOAT32


@pytest.mark.parametrize("way", sliced(["tally", "counts"], 2))
def test_the_rounding_of_a_score_of_many_terms_is_in_the_bounds(way):
    """Queries and keys are known well, and their products are of one sign: what rounds is the sum of 512 of them."""
    rng, values, off = np.random.default_rng(0), np.array([1.0, -1.0]), []
    for _ in range(12):
        keys = np.repeat(rng.uniform(30, 30.5, (2, 1)).astype(F).astype(float) / 512, 2, axis=1)
        value, exact = executed(values, np.ones(512), keys, [0, 1]), float(np.tanh(256 * (keys[0, 0] - keys[1, 0])))
        off.append(abs(value - exact))
        center, radius = WAYS[way](values, np.ones(512), keys, [0, 1])
        assert abs(value - center) <= radius < 0.1
    assert max(off) > 1000 * FLOAT32
