"""Bounds over all sequences of a node hold every one of them, as executed in any order; and are not much wider."""

from itertools import product as words_of
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from cegis import Domain, Program, motifs
from tasks.automata.trellis import NONE, Trellis
from tasks.automata.trellis_construction import trellis
from tasks.bounds.ball import FLOAT32, FLOAT64
from tasks.bounds.zonotope import Form, compressed
from tasks.formats import Loaded
from tasks.networks.interpreter import run
from tasks.networks.readout import Argmax
from tasks.networks.transformer import Activation, Affine, Attention, Lookup, Norm, Pool, Residual, Transformer
from tasks.proofs import fractional_path
from tasks.proofs.attention_bounds import Averages, obstacle, parts_around
from tasks.proofs.fractional_path import Paths, largest_ratio
from tasks.proofs.path_cover import _piece

F = np.float32
LETTERS, VOCABULARY = ("a", "b", "c"), ("a", "b", "c", "<", ">")
WIDTH, LONGEST = 4, 4
GRAMMAR = motifs(LETTERS, ("yes", "no"), min_length=0)
laws = settings(max_examples=examples(40), deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


# --- random networks, all weights float32 numbers ---------------------------------------------------------------


def numbers(rng, *shape):
    return rng.normal(scale=rng.choice([0.3, 1.0]), size=shape).astype(F).astype(float)


def affine(rng, out, width):
    return Affine(numbers(rng, out, width), numbers(rng, out) if rng.random() < 0.7 else None)


def norm(rng):
    return [
        (),
        (Norm("layer", numbers(rng, WIDTH), numbers(rng, WIDTH), 1e-3),),
        (Norm("rms", numbers(rng, WIDTH), None, 1e-3),),
    ][rng.integers(3)]


def mlp(rng):
    if rng.random() < 0.3:
        return ()
    kind = str(rng.choice(["gelu_tanh", "relu", "gelu", "leaky_relu"]))
    return (Residual((*norm(rng), affine(rng, 6, WIDTH), Activation(kind, 0.1), affine(rng, WIDTH, 6))),)


def positions(rng, room):
    if rng.random() < 0.25:
        return None
    table = numbers(rng, room, WIDTH)
    table[rng.integers(room)] = table[rng.integers(room)]  # positions that no network can tell apart
    return table


def network(rng):
    """A loaded network, its steps before the last one's attention, and that attention."""
    heads = int(rng.choice([1, 2]))
    parts = [(affine(rng, WIDTH, WIDTH),) for _ in range(3)]
    sink = numbers(rng, heads) if rng.random() < 0.4 else None
    attention = Attention(*parts, heads, float(rng.choice([0.5, 1.0, 2.0])), "softmax", bool(rng.random() < 0.7), sink)
    before = (*mlp(rng), *((Lookup(numbers(rng, len(VOCABULARY), WIDTH)),) if rng.random() < 0.3 else ()))
    inner, after = norm(rng), (*mlp(rng), *norm(rng), affine(rng, 3, WIDTH))
    if rng.random() < 0.8:
        steps = (*before, Residual((*inner, attention, affine(rng, WIDTH, WIDTH))), *after)
    else:
        steps = (*before, *inner, attention, *after)
    steps += (Pool("last"),) if rng.random() < 0.2 else ()
    prefix, suffix = [((), ()), (("<",), ()), (("<", ">"), ()), ((), (">",)), (("<",), (">", "a"))][rng.integers(5)]
    room = LONGEST + len(prefix) + len(suffix)
    model = Transformer(numbers(rng, len(VOCABULARY), WIDTH), positions(rng, room), steps, room)
    around = len(prefix) + len(suffix)
    domain, readout = Domain(LETTERS, 0 if around else 1, LONGEST), Argmax(("yes", "no"), (0, 2))
    return Loaded("random", "test", model, VOCABULARY, prefix, suffix, domain, readout), (*before, *inner), attention


# --- executions ---------------------------------------------------------------------------------------------------


def added(rng, terms):
    """The sum over the last axis, one after the other in a random order."""
    return terms[..., rng.permutation(terms.shape[-1])].cumsum(axis=-1)[..., -1]


def execute(rng, steps, x, ids):
    """``x`` (prompts, T, width) after ``steps``, in the arithmetic of its type, every sum in a random order."""
    kind = x.dtype.type
    for step in steps:
        match step:
            case Affine(weight, bias):
                x = added(rng, x[..., None, :] * weight.astype(kind))
                x = x if bias is None else x + bias.astype(kind)
            case Norm():
                if step.kind == "layer":
                    x = x - (added(rng, x) / kind(x.shape[-1]))[..., None]
                scale = np.sqrt(added(rng, x * x) / kind(x.shape[-1]) + kind(step.eps))[..., None]
                x = x / scale * step.gain.astype(kind)
                x = x if step.bias is None else x + step.bias.astype(kind)
            case Activation():
                x = run((step,), x.astype(float), ids).astype(kind)  # rounded once: a better kernel than any
            case Attention():
                x = attend(rng, step, x, ids)
            case Residual(inside):
                x = x + execute(rng, inside, x, ids)
            case Lookup(table):
                x = x + table.astype(kind)[ids]
            case Pool():
                x = x[:, -1:]
        assert x.dtype == kind
    return x


def attend(rng, step, x, ids):
    kind = x.dtype.type
    q, k, v = (execute(rng, part, x, ids) for part in (step.query, step.key, step.value))
    q, k, v = (part.reshape(*part.shape[:2], step.heads, -1).swapaxes(1, 2) for part in (q, k, v))
    scores = added(rng, q[..., :, None, :] * k[..., None, :, :]) * kind(step.scale)
    seen = np.tri(x.shape[1], dtype=bool) if step.causal else np.ones((x.shape[1],) * 2, bool)
    scores = np.where(seen, scores, kind(-np.inf))
    top = scores.max(axis=-1, keepdims=True)
    sink = None if step.sink is None else step.sink.astype(kind)[:, None, None]
    top = top if sink is None else np.maximum(top, sink)
    raised = np.exp(scores - top)
    total = added(rng, raised)[..., None] + (kind(0) if sink is None else np.exp(sink - top))
    y = added(rng, ((raised / total)[..., None, :] * v.swapaxes(-1, -2)[..., None, :, :]))
    return y.swapaxes(1, 2).reshape(*x.shape[:2], -1)


def executed(rng, loaded, before, attention, words, kind):
    """What attention gives at the last row, and the logits there, of sequences of one length."""
    ids = loaded.prompts(words)
    x = loaded.network.tokens.astype(kind)[ids]
    if loaded.network.positions is not None:
        x = x + loaded.network.positions.astype(kind)[: ids.shape[1]]
    given = execute(rng, (*before, attention), x, ids)[:, -1]
    return given.astype(float), execute(rng, loaded.network.steps, x, ids)[:, -1].astype(float)


# --- the laws -----------------------------------------------------------------------------------------------------


def graph_of(derive, loaded, seed):
    random = Random(seed)
    program = Program(derive(GRAMMAR, "Label", random.randint(1, 12), random.choice), GRAMMAR)
    return trellis(loaded.domain, program)


def words_by_node(graph, length):
    """Every sequence of ``length``, (count, length), by the node it leads to."""
    found = {}
    for word in words_of(range(len(LETTERS)), repeat=length):
        path = path_of(graph, word)
        if NONE not in path:
            found.setdefault(path[-1], []).append(word)
    return {node: np.array(words, np.int8).reshape(len(words), length) for node, words in found.items()}


def path_of(graph, word):
    path = [0]
    for n, token in enumerate(word):
        path.append(NONE if path[-1] == NONE else int(graph.levels[n].after[path[-1], token]))
    return path


def holds(form: Form, row: int, values: np.ndarray) -> np.ndarray:
    """Whether each of ``values`` (count, width) lies in a row's bounds."""
    return (np.abs(values - form.ball.center[row]) <= form.ball.radius[row]).all(axis=1)


def lengths_of(loaded):
    return range(loaded.domain.min_length, LONGEST + 1)


@pytest.mark.slow
@laws
@given(seed=seeds, kind=st.sampled_from([(FLOAT32, F), (FLOAT32, np.float64), (FLOAT64, np.float64)]))
def test_every_sequence_lies_in_the_bounds_of_its_node_however_it_is_executed(derive, seed, kind):
    rng, (u, dtype) = np.random.default_rng(seed), kind
    loaded, before, attention = network(rng)
    assert obstacle(loaded) is None
    averages, graph = Averages(loaded, u, LONGEST), graph_of(derive, loaded, seed)
    for length in lengths_of(loaded):
        words = words_by_node(graph, length)
        for token in np.unique(graph.levels[length].token):
            nodes = np.flatnonzero(graph.levels[length].token == token)
            axes = averages.axes(graph, length, nodes, rng)
            given = averages.given(graph, length, nodes, axes)
            short = compressed(given, int(rng.integers(1, 5)))
            logits = averages.logits(short, length, int(token))
            for row, node in enumerate(nodes):
                attended, expected = executed(rng, loaded, before, attention, words[node], dtype)
                assert holds(given, row, attended).all()
                assert holds(short, row, attended).all()
                assert holds(logits, row, expected).all()
            whole = Form(short.center[:1], short.shape[:1], short.rest[:1])
            half = np.zeros((2, short.shape.shape[2])) + 1.0
            half[:, 0] = 0.5
            middle = (half < 1) * np.array([[0.5], [-0.5]])
            pieces = averages.logits(_piece(whole, middle, half), length, int(token))
            _, expected = executed(rng, loaded, before, attention, words[nodes[0]], dtype)
            assert (holds(pieces, 0, expected) | holds(pieces, 1, expected)).all()


@laws
@given(seed=seeds)
def test_parts_of_a_nodes_sequences_are_bounded_by_themselves_and_one_is_nearly_a_point(derive, seed):
    rng = np.random.default_rng(seed)
    loaded, before, attention = network(rng)
    averages, graph = Averages(loaded, FLOAT64, LONGEST), graph_of(derive, loaded, seed)
    graph = graph.only(LONGEST, int(rng.integers(len(graph.levels[LONGEST].token))))
    token = int(graph.levels[LONGEST].token[0])
    for _ in range(4):
        nodes = np.arange(len(graph.levels[LONGEST].token))
        axes = averages.axes(graph, LONGEST, nodes, rng)
        given = averages.given(graph, LONGEST, nodes, axes)
        logits = averages.logits(given, LONGEST, token)
        for row, words in words_by_node(graph, LONGEST).items():
            attended, expected = executed(rng, loaded, before, attention, words, np.float64)
            assert len(attended) == graph.sizes[LONGEST][row]
            assert holds(given, row, attended).all()
            assert holds(logits, row, expected).all()
            if len(words) == 1 and graph.nodes == LONGEST + 1:
                assert given.ball.radius[row].max() < 1e-8
                assert logits.ball.radius[row].max() < 1e-6
        part = int(rng.integers(len(nodes)))
        graph = graph.only(LONGEST, part)
        if graph.nodes > LONGEST + 1:
            graph = graph.divided(averages.pull(graph, LONGEST, 0, axes[part]), 3, 16)


@laws
@given(seed=seeds)
def test_the_largest_quotient_is_that_of_the_worst_sequence(derive, seed):
    rng = np.random.default_rng(seed)
    loaded, before, attention = network(rng)
    averages, graph = Averages(loaded, FLOAT64, LONGEST), graph_of(derive, loaded, seed)
    d = WIDTH // attention.heads
    for node, words in words_by_node(graph, LONGEST).items():
        keys = averages._keys(graph, LONGEST, int(graph.levels[LONGEST].token[node]))
        directions = rng.normal(size=(3, d))
        attended, _ = executed(rng, loaded, before, attention, words, np.float64)
        for h in range(attention.heads):
            exact = (attended.reshape(len(words), attention.heads, d)[:, h] @ directions.T).max(axis=0)
            found = largest_ratio(directions, keys.head(h), Paths(graph, LONGEST, np.full(3, node)))
            rounding = np.abs(directions) @ keys.error[h]
            assert (exact <= found + rounding).all()
            if keys.weight[h].min() > 1e-3:  # no key towers over the others
                assert (found <= exact + rounding + 1e-6).all()


def test_random_networks_are_bounded_well_enough_to_be_of_use(derive):
    finite = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        loaded, _, _ = network(rng)
        averages, graph = Averages(loaded, FLOAT32, LONGEST), graph_of(derive, loaded, seed)
        node = np.array([0])
        given = averages.given(graph, LONGEST, node, averages.axes(graph, LONGEST, node, rng))
        logits = averages.logits(given, LONGEST, int(graph.levels[LONGEST].token[0]))
        finite.append(bool(logits.ball.radius.max() < 100.0))
    assert sum(finite) >= 20


def wide(scale: float) -> tuple[Averages, Trellis]:
    """One head that scores b higher than a by ``scale``, over random values."""
    tokens = np.array([[1.0, 0.0], [0.0, 1.0]])
    score, one = Affine(np.array([[0.0, scale]])), Affine(np.zeros((1, 2)), np.ones(1))
    attention = Attention((one,), (score,), (Affine(np.array([[1.0, -1.0]])),), 1, 1.0)
    model = Transformer(tokens, None, (attention, Affine(np.array([[1.0], [-1.0]]))), 6)
    loaded = Loaded("wide", "test", model, ("a", "b"), (), (), Domain(("a", "b"), 1, 6), Argmax(("x", "y"), (0, 1)))
    grammar = motifs(("a", "b"), ("x", "y"))
    one_label = next(row.operator for row in grammar.productions if row.operator.name == "label 'x'")
    return Averages(loaded, FLOAT64, 6), trellis(loaded.domain, Program(one_label(), grammar))


@pytest.mark.parametrize(("scale", "is_known"), [(0.0, True), (20.0, True), (499.0, True), (501.0, False)])
def test_a_key_that_towers_over_all_others_and_may_be_absent_leaves_nothing_known(scale, is_known):
    averages, graph = wide(scale)
    found = averages.given(graph, 6, np.array([0]), np.ones((1, 1, 1, 1)))
    assert bool(np.isfinite(found.ball.radius).all()) == is_known
    low, high = found.ball.center - found.ball.radius, found.ball.center + found.ball.radius
    assert low <= -1.0 if graph.levels[6].token[0] else high >= 1.0


def test_a_bound_that_did_not_converge_is_that_of_all_values(monkeypatch):
    averages, graph = wide(1.0)
    nodes, axes = np.array([1]), np.ones((1, 1, 1, 1))
    known = averages.given(graph, 6, nodes, axes).ball
    assert known.center + known.radius < 0.8  # six tokens, of which the last is b
    monkeypatch.setattr(fractional_path, "MOST_STEPS", 1)
    nothing = averages.given(graph, 6, nodes, axes).ball
    assert nothing.center - nothing.radius <= -1.0
    assert nothing.center + nothing.radius >= 1.0


def test_a_pool_of_the_last_row_may_be_left_out_behind_attention_alone():
    """Behind attention the last row is read anyway; before it, the others would be gone."""
    one = (Affine(np.ones((1, 2))),)
    attention, head = Attention(one, one, one, 1, 1.0), Affine(np.array([[1.0], [-1.0]]))
    behind = parts_around((attention, Pool("last"), head))
    assert behind is not None
    assert behind.after == (head,)
    assert parts_around((Pool("last"), attention, head)) is None
    assert parts_around((Residual((Pool("last"), attention)), head)) is None
