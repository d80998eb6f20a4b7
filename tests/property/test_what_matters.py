"""What is said to matter in a network is what a run of every sequence says; what may move, moved, changes no label."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from average_networks import SIGNS, lead
from quick import sliced
from random_circuits import CONFIGS, random_circuit
from small_networks import DYCK, GPT2, dyck_tensors, gpt2_tensors, write_network

from cegis import Domain
from tasks.bounds.perturbation import enclose_loosely
from tasks.formats import Loaded, load
from tasks.formats.sparse import from_circuit
from tasks.networks.altered import altered, float16
from tasks.networks.interpreter import logits
from tasks.networks.parts import edges, located, means_of, nodes, without
from tasks.networks.readout import UNDECIDED, Argmax
from tasks.networks.transformer import Activation, Affine, Attention, Product, Residual, Transformer, walk
from tasks.proofs.effects import Effect, effect, holds_loosely, kept_labels
from tasks.proofs.enumeration import enumerate_domain
from tasks.proofs.invariance import invariances

ERROR = 1e-9  # of a run in float64, far below the margins that are met


def words_of(model):
    """Every sequence of the domain with its label by running the network in float64; None for a tie."""
    found = {}
    for length in model.domain.lengths:
        rows = model.domain.sequences(length)
        for row, label in zip(rows, model.labels(rows, ERROR)[0], strict=True):
            found[model.domain.words(row)] = label
    return found


def brute(model, other):
    """Sequences of both labels that differ, and those that have one before alone."""
    before, after = words_of(model), words_of(other)
    known = [word for word in before if before[word] != UNDECIDED]
    changed = [word for word in known if after[word] not in (UNDECIDED, before[word])]
    return changed, [word for word in known if after[word] == UNDECIDED]


def agrees(found: Effect, changed, undecided):
    assert found.changed <= len(changed) <= found.changed + found.undecided
    assert found.undecided >= len(undecided)
    assert found.undecided <= len(undecided) + 3  # bounds are tight: a run decides hardly anything more
    if found.first is not None:
        words, place = found.first.inputs
        assert place is None
        assert (words in changed, len(words)) == (True, min(map(len, changed)))


@pytest.mark.parametrize("name", sliced(CONFIGS, 3))
def test_without_a_node_as_many_labels_change_as_when_the_circuit_keeps_it_no_more(name):
    circuit = random_circuit(3, 0.3, **CONFIGS[name])
    circuit = replace(circuit, domain=circuit.domain.up_to(3))
    model = from_circuit(circuit)
    known = enumerate_domain(model, model.domain)
    parts = nodes(model.network)
    assert len(parts) == circuit.nodes
    for part in parts[:: max(1, len(parts) // 6)]:
        site, _, number = part.name.rpartition(":")
        kept = circuit.kept[site].copy()
        kept[int(number)] = False
        other = from_circuit(replace(circuit, kept={**circuit.kept, site: kept}))
        agrees(effect(known, 0.0, without(model.network, part)), *brute(model, other))


def test_without_an_edge_as_many_labels_change_as_when_its_weight_is_zero():
    circuit = random_circuit(5, 0.4)
    circuit = replace(circuit, domain=circuit.domain.up_to(3))
    model = from_circuit(circuit)
    known, parts = enumerate_domain(model, model.domain), edges(model.network, model.readout)
    seen = 0
    for part in parts:
        source, _, target = part.name.partition(" -> ")
        if source.startswith("0.mlp.act_in") and target.startswith("0.mlp.post_act"):
            row, column = int(target.rpartition(":")[2]), int(source.rpartition(":")[2])
            assert circuit.kept["0.mlp.post_act"][row]
            assert circuit.kept["0.mlp.act_in"][column]
            name = "transformer.h.0.mlp.c_fc.weight"
            weight = circuit.network.tensors[name].copy()
            weight[row, column] = 0
            network = replace(circuit.network, tensors={**circuit.network.tensors, name: weight})
            agrees(
                effect(known, 0.0, without(model.network, part)),
                *brute(model, from_circuit(replace(circuit, network=network))),
            )
            seen += 1
    assert seen == circuit.kept["0.mlp.post_act"].sum() * circuit.kept["0.mlp.act_in"].sum() > 3


def changed_folder(tmp_path, name, tensors):
    return load(write_network(tmp_path / name, DYCK, tensors))


def test_without_a_head_or_a_unit_a_network_is_that_without_its_weights(tmp_path):
    tensors = dyck_tensors(4)
    model = changed_folder(tmp_path, "whole", tensors)
    known, parts = enumerate_domain(model, model.domain), {part.name: part for part in nodes(model.network)}
    assert [part.kind for part in parts.values()].count("head") == DYCK["heads"] * DYCK["layers"]
    assert [part.kind for part in parts.values()].count("dimension") == DYCK["d"]
    size = DYCK["d"] // DYCK["heads"]
    for layer, head in product(range(DYCK["layers"]), range(DYCK["heads"])):
        back = tensors[f"blocks.{layer}.Wo.weight"].copy()
        back[:, head * size : (head + 1) * size] = 0
        other = changed_folder(tmp_path, f"h{layer}{head}", {**tensors, f"blocks.{layer}.Wo.weight": back})
        agrees(effect(known, 0.0, without(model.network, parts[f"attention {layer}:{head}"])), *brute(model, other))
    for layer, unit in product(range(DYCK["layers"]), range(DYCK["ff"])):
        back = tensors[f"blocks.{layer}.mlp2.weight"].copy()
        back[:, unit] = 0
        other = changed_folder(tmp_path, f"u{layer}{unit}", {**tensors, f"blocks.{layer}.mlp2.weight": back})
        agrees(effect(known, 0.0, without(model.network, parts[f"activation {layer}:{unit}"])), *brute(model, other))


def test_means_are_those_of_the_rows_of_all_prompts(tmp_path):
    model = load(write_network(tmp_path / "gpt2", GPT2, gpt2_tensors(1)))
    prompts = [model.prompts(model.domain.sequences(length)) for length in (1, 2)]
    found = means_of(model.network, prompts)
    rows = np.concatenate(
        [(model.network.tokens[ids] + model.network.positions[: ids.shape[1]]).reshape(-1, 4) for ids in prompts]
    )
    assert np.allclose(found[-1,], rows.mean(axis=0), atol=1e-6)
    assert {len(means) for means in found.values()} == {4, 16}
    assert all((means == means.astype(np.float32)).all() for means in found.values())


def test_of_the_rows_of_prompts_the_mean_of_a_constant_part_changes_nothing():
    loaded = lead(5)
    known = enumerate_domain(loaded, loaded.domain)
    means = means_of(loaded.network, [loaded.prompts(part.sequences) for part in known.lengths])
    part = next(part for part in nodes(loaded.network) if part.name == "embedding:1")  # always one, and never read
    assert effect(known, 0.0, without(loaded.network, part, means[part.path][[1]])).is_none
    other = next(part for part in nodes(loaded.network) if part.kind == "head")
    assert not effect(known, 0.0, without(loaded.network, other)).is_none


# --- sequences that are changed -------------------------------------------------------------------------------------


def counted(model, change):
    """Changed labels by brute force: pairs of a sequence and one that ``change`` makes of it, inside the domain."""
    labels = words_of(model)
    pairs = [(word, other) for word in labels for other in change(word) if other in labels]
    known = [(a, b) for a, b in pairs if UNDECIDED not in (labels[a], labels[b])]
    return len(pairs), sum(labels[a] != labels[b] for a, b in known), len(pairs) - len(known)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_invariant_is_what_no_sequence_contradicts(seed):
    circuit = random_circuit(seed, 0.5, positions=bool(seed % 2))
    model = from_circuit(circuit)
    known = enumerate_domain(model, model.domain)

    def one_left_out(token):
        return lambda word: [word[:n] + word[n + 1 :] for n, other in enumerate(word) if other == token]

    def exchanged(a, b):
        names = {a: b, b: a}
        return lambda word: [tuple(names.get(t, t) for t in word)] if {a, b} & {*word} else []

    def ordered(fixed):
        def change(word):
            cut = max(len(word) - fixed, 0)
            first = (*sorted(word[:cut]), *word[cut:])
            return [first] if first != word and len(word) > fixed else []

        return change

    for found in invariances(known, 0.0):
        match found.kind:
            case "without":
                change = one_left_out(*found.tokens)
            case "exchange":
                change = exchanged(*found.tokens)
            case "read as":
                a, b = found.tokens
                change = lambda word, a=a, b=b: [tuple(b if t == a else t for t in word)] if a in word else []  # noqa: E731
            case "order":
                change = ordered(0)
            case "order but last":
                change = ordered(1)
        expected = counted(model, change)
        assert (found.effect.compared, found.effect.changed, found.effect.undecided) == expected, found.words
        if found.effect.first is not None:
            labels, first = words_of(model), found.effect.first
            assert first.other[0] in change(first.inputs[0])
            assert labels[first.inputs[0]] != labels[first.other[0]]


def test_a_changed_sequence_outside_the_domain_is_not_compared():
    from tasks.automata.regex import constraint

    loaded = lead(4)
    loaded = replace(loaded, domain=replace(loaded.domain, constraint=constraint("a* b*", ("a", "b"))))
    found = {one.words: one for one in invariances(enumerate_domain(loaded, loaded.domain), 0.0)}
    one = found["'a' and 'b' exchanged"]
    assert one.outside > 0
    assert one.effect.compared + one.outside == loaded.domain.size() - 1
    assert not found["other order"].effect.compared
    assert found["other order"].effect.words == "nothing to compare"
    assert not found["other order"].effect.is_none


def test_places_are_compared_where_each_has_a_label():
    loaded = lead(4, readout=Argmax(("yes", "no"), (0, 1), "every"))
    loaded = replace(loaded, domain=replace(loaded.domain, min_length=1))
    known = enumerate_domain(loaded, loaded.domain)
    found = {one.words: one for one in invariances(known, 0.0)}
    assert set(found) == {"'a' and 'b' exchanged", "'a' read as 'b'", "'b' read as 'a'"}
    assert found["'a' read as 'b'"].effect.first.inputs == (("a",), 0)


# --- weights that are changed ---------------------------------------------------------------------------------------


def moved(network: Transformer, spread: float, rng) -> Transformer:
    """Every weight times a factor of its own from 1 - spread to 1 + spread, mostly at an end; sinks as they are."""

    def other(values):
        factors = 1 + spread * np.where(rng.random(values.shape) < 0.7, rng.choice([-1, 1], values.shape), 0)
        return values * factors

    def visited(step):
        named = {}
        for name, value in vars(step).items():
            is_weight = name != "sink" and not name.endswith("error")
            if isinstance(value, np.ndarray) and value.dtype == np.float64 and is_weight:
                named[name] = other(value)
            elif isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
                named[name] = tuple(map(visited, value))
        return replace(step, **named)

    return visited(replace(network, dtype="float64"))


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_off_by_less_than_the_spread_give_logits_within_the_bounds(name):
    rng = np.random.default_rng(1)
    model = from_circuit(random_circuit(7, 0.6, **CONFIGS[name]))
    prompts = [model.prompts(model.domain.sequences(length)) for length in (1, 3)]
    for spread in (1e-3, 1e-6):
        bounds = enclose_loosely(model.network, prompts, spread)
        for _ in range(8):
            other = moved(model.network, spread, rng)
            for ids, place in zip(prompts, bounds.places, strict=True):
                off = np.abs(logits(other, ids)[:, -1] - bounds.x.center[place[:, -1]])
                assert (off <= bounds.x.radius[place[:, -1]] * (1 + 1e-9) + 1e-12).all()


def test_bounds_on_other_weights_are_no_wider_than_need_be():
    """One map of positive weights: the worst factors move it by the spread of its size, and so do the bounds."""
    loaded = lead(2)
    prompts = [loaded.prompts(loaded.domain.sequences(2))]
    network = replace(loaded.network, steps=(Affine(np.array([[1.0, 2.0]])),), tokens=np.abs(loaded.network.tokens))
    bounds = enclose_loosely(network, prompts, 2.0**-10)
    size = bounds.x.center.max()
    assert bounds.x.radius.max() == pytest.approx(size * (2 * 2.0**-10 + 2.0**-20), rel=1e-6)


def test_a_spread_that_holds_flips_no_label_and_a_large_one_is_not_proved(tmp_path):
    rng = np.random.default_rng(2)
    model = load(write_network(tmp_path / "gpt2", GPT2, gpt2_tensors(3)))
    model = replace(model, domain=model.domain.up_to(3))
    known = enumerate_domain(model, model.domain)
    spread = next(2.0**-n for n in range(1, 40) if holds_loosely(known, 1e-4, 2.0**-n))
    labels = kept_labels(known, 1e-4)
    for _ in range(20):
        other = replace(model, network=moved(model.network, spread, rng))
        for part, old in zip(known.lengths, labels, strict=True):
            new = other.labels(part.sequences)[0]
            assert (new == old)[old != UNDECIDED].all()
    assert not holds_loosely(known, 1e-4, 0.5)


def test_every_path_leads_to_the_step_it_was_made_from(tmp_path):
    model = from_circuit(random_circuit(0))
    assert [step for _, step in located(model.network.steps)] == list(walk(model.network.steps))
    assert any(isinstance(step, Attention) for _, step in located(model.network.steps))


def gated(with_errors=False):
    """A network with a product of two ways, and tables that may be known up to an error."""
    rng = np.random.default_rng(5)
    weights = [
        rng.normal(size=shape).astype(np.float32).astype(float) for shape in ((3, 4), (6, 4), (6, 4), (4, 6), (2, 4))
    ]
    tokens, left, right, back, out = weights
    product = Product((Affine(left), Activation("silu")), (Affine(right),))
    steps = (Residual((product, Affine(back))), Affine(out))
    error = np.full(tokens.shape, 1e-9) if with_errors else None
    network = Transformer(tokens, None, steps, 5, token_error=error)
    return Loaded("gated", "test", network, ("a", "b", "<"), ("<",), (), Domain(("a", "b"), 1, 3), SIGNS)


def test_the_ways_of_a_product_have_units_and_edges_and_may_be_off():
    rng, model = np.random.default_rng(3), gated(with_errors=True)
    names = {part.name for part in nodes(model.network)}
    assert {"activation 0:0", "activation 0:5", "embedding:3"} <= names
    wires = edges(model.network, model.readout)
    assert len(wires) == 3 * 24 + 8
    assert any(part.name.startswith("product ") for part in wires)
    known = enumerate_domain(model, model.domain)
    for part in (*nodes(model.network)[::3], *wires[::9]):
        other = without(model.network, part)
        agrees(effect(known, 0.0, other), *brute(model, replace(model, network=other)))
    prompts = [model.prompts(model.domain.sequences(2))]
    bounds = enclose_loosely(model.network, prompts, 1e-3)
    for _ in range(8):
        off = np.abs(
            logits(moved(model.network, 1e-3, rng), prompts[0])[:, -1] - bounds.x.center[bounds.places[0][:, -1]]
        )
        assert (off <= bounds.x.radius[bounds.places[0][:, -1]]).all()


def test_a_table_of_a_formula_stays_where_weights_are_rounded():
    found = altered(gated(with_errors=True).network, float16)
    assert (found.tokens == gated().network.tokens).all()
    assert not (altered(gated().network, float16).tokens == gated().network.tokens).all()
