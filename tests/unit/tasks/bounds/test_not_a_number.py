""" "As executed" means no NaN: what may overflow is decided or refused, though a zero or a mask throws it away."""

from __future__ import annotations

import extreme_networks as extreme
import numpy as np
import pytest
from quick import sliced
from random_circuits import random_circuit, with_kept, with_tensors

from tasks.bounds import ball, interpreter, operations
from tasks.bounds.ball import FLOAT32, FLOAT64, REAL, Ball
from tasks.bounds.magnitudes import is_finite
from tasks.checker import arithmetic
from tasks.formats import from_circuit, load
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Affine, Attention, Residual, Transformer
from tasks.proofs import attention_bounds
from tasks.proofs.circuit_labels import label_domain
from tasks.proofs.count_bounds import obstacle
from tasks.proofs.enumeration import enumerate_domain

HUGE = (("wte", None), ("wpe", None), ("attn.c_attn", (0, 4)), ("attn.c_attn", (4, 8)), ("attn.c_attn", (8, 12)),
        ("attn.c_proj", None), ("mlp.c_fc", None), ("mlp.c_proj", None), ("ln_1", None), ("ln_2", None))  # fmt: skip
ZERO = ("attn.c_attn", "attn.c_proj", "mlp.c_proj", "ln_f", "mlp.c_fc")


def written(folder, change):
    """A small GPT-2 with its tensors changed."""
    folder.mkdir()
    extreme.gpt2(np.random.default_rng(3), folder, change)
    return folder


def scaled(tensors, where, columns, size):
    """The tensors of which the name holds ``where``, some columns of them of this ``size``."""
    found = {}
    for name, array in tensors.items():
        array = array.copy()
        if where in name and name.endswith("weight"):
            array[..., slice(*columns) if columns else slice(None)] *= np.float32(size)
        found[name] = array
    return found


@pytest.mark.parametrize(
    ("huge", "columns", "size", "zero"),
    sliced(((*huge, size, zero) for huge in HUGE for size in (1e18, 3e37) for zero in ZERO), 26),
)
def test_no_label_is_given_where_an_execution_meets_nan(tmp_path, huge, columns, size, zero):
    def change(tensors):
        made = scaled(tensors, huge, columns, size)
        return {
            n: np.zeros_like(a) if zero in n and n.endswith("weight") and huge not in n else a for n, a in made.items()
        }

    _, _, wrong = extreme.untrue(written(tmp_path / "network", change))
    assert not wrong


def test_an_mlp_that_overflows_before_a_zero_map_is_labelled_in_float64_alone(tmp_path):
    def change(tensors):
        loud = scaled(scaled(tensors, "mlp.c_fc", None, 1e38), "ln_2", None, 100.0)
        return scaled(loud, "mlp.c_proj", None, 0.0)

    folder = written(tmp_path / "network", change)
    loaded, (_, lost, _) = load(folder), extreme.untrue(folder)
    assert lost
    found = {kind: enumerate_domain(loaded, loaded.domain, semantics=kind) for kind in ("float32", "float64", "real")}
    assert found["float32"].undecided == found["float32"].size
    assert not found["float64"].undecided
    assert not found["real"].undecided


def test_a_zero_map_behind_ordinary_numbers_costs_nothing():
    """Its steps are left out, so that attention splits no class."""
    square = np.eye(2)
    one = (Affine(square),)
    attention = Residual((Attention(one, one, one, 1, 1.0), Affine(np.zeros((2, 2)))))
    network = Transformer(square, None, (attention,), 8)
    assert is_finite(network, FLOAT32)
    assert len(interpreter.enclose(network, [np.array([[0, 1, 0, 0]])], FLOAT32).x) == 2
    huge = (Affine(square * 2.0**80),)
    hidden = Residual((Attention(huge, huge, one, 1, 1.0), Affine(np.zeros((2, 2)))))
    watched = Transformer(square, None, (hidden,), 8)
    stream = interpreter.enclose(watched, [np.array([[0, 1, 0, 0]])], FLOAT32)
    assert not np.isfinite(stream.x.radius[stream.places[0]]).any()
    assert np.isfinite(interpreter.enclose(watched, [np.array([[0, 1, 0, 0]])], REAL).x.radius).all()


def test_a_later_row_that_overflows_spoils_the_earlier_ones():
    """In a product of matrices its weight is zero, and zero times NaN is NaN."""
    overflowing = Affine(np.array([[1.0, 0.0], [0.0, 2.0**60]]))
    network = Transformer(np.eye(2), None, (overflowing,), 3)
    stream = interpreter.enclose(network, [np.array([[0, 0, 1], [0, 0, 0]])], FLOAT32)
    known = np.isfinite(stream.x.radius[stream.places[0]]).all(axis=2)
    assert known.tolist() == [[False] * 3, [True] * 3]


def test_nothing_shrinks_hides_or_drops_what_may_be_nan():
    lost = Ball(np.array([[1.0, 0.0, 3.0]]), np.array([[0.0, np.inf, 0.0]]))
    clear = Ball(np.zeros((1, 3)), np.zeros((1, 3)))
    assert not np.isfinite(ball.abs_top_k(lost, 1).radius).any()
    mask = np.array([True, False, True])
    assert ball.select(mask, lost, clear, FLOAT32).is_lost.all()
    assert not ball.select(mask, lost, clear, REAL).is_lost.any()
    rows = Ball(np.zeros((1, 2, 3)), np.stack([lost.radius, clear.radius], axis=1))
    assert operations.pool(rows, "last", FLOAT32).is_lost.all()
    assert not operations.pool(rows, "last", REAL).is_lost.any()
    assert ball.affine(lost, ball.Affine.of(np.zeros((2, 3)), np.zeros(2)), FLOAT32).is_lost.all()


def test_a_map_that_adds_halves_meets_what_is_lost_as_other_maps_do():
    lost = Ball(np.zeros((1, 4)), np.array([[np.inf, 0.0, 0.0, 0.0]]))
    halves = ball.Affine.of(np.tile(np.eye(2), (1, 2)), np.zeros(2))
    assert halves.blocks == 2
    assert not np.isfinite(ball.affine(lost, halves, FLOAT32).radius).any()  # zero times infinity


def test_keys_that_no_row_sees_must_be_finite_too():
    tokens, one = np.array([[1.0, 0.0], [0.0, 1.0]]), (Affine(np.eye(2)),)
    values = (Affine(np.array([[1.0, 0.0], [0.0, 2.0**70]])),)
    attention = Residual((Attention(one, one, values, 1, 1.0, sink=np.zeros(1), hidden=(1,)),))
    stream = interpreter.enclose(Transformer(tokens, None, (attention,), 3), [np.array([[0, 1], [0, 0]])], FLOAT32)
    assert np.isfinite(stream.x.radius[stream.places[0]]).all(axis=2).tolist() == [[False] * 2, [True] * 2]


@pytest.mark.parametrize("hidden", [(), (1,)])
@pytest.mark.parametrize("part", ["query", "key", "value"])
def test_the_last_row_alone_is_unknown_where_a_row_before_it_may_be_nan(hidden, part):
    """Weights of hidden keys are zero, and zero times NaN is NaN in the last row as well."""
    tokens, one = np.array([[1.0, 0.0], [0.0, 1.0]]), (Affine(np.eye(2)),)
    parts = dict.fromkeys(("query", "key", "value"), one) | {part: (Affine(np.array([[1.0, 0.0], [0.0, 2.0**70]])),)}
    attention = Residual((Attention(**parts, heads=1, scale=1.0, sink=np.zeros(1), hidden=hidden),))
    network, prompts = Transformer(tokens, None, (attention,), 3), np.array([[0, 1, 0], [0, 0, 0]])
    stream = interpreter.enclose(network, [prompts], FLOAT32, at_end=True)
    assert np.isfinite(stream.x.radius[stream.places[0][:, -1]]).all(axis=1).tolist() == [False, True]


def test_a_sparsemax_whose_scores_swallow_the_one_is_undecided():
    """1 + z > z is false as executed, so there is no support, and a division by zero."""
    big = (Affine(np.eye(2) * 2.0**14),)
    attention = Attention(big, big, (Affine(np.eye(2)),), 1, 1.0, "sparsemax")
    network = Transformer(np.eye(2), None, (attention,), 3)
    assert not np.isfinite(interpreter.enclose(network, [np.array([[0, 1]])], FLOAT32).x.radius).any()
    assert not is_finite(network, FLOAT32)
    assert is_finite(network, FLOAT64)


@pytest.mark.parametrize("site", ["attn.resid_delta", "mlp.resid_delta"])
@pytest.mark.parametrize("name", ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"])
def test_an_ablated_layer_of_a_circuit_must_be_finite(name, site):
    circuit = with_kept(random_circuit(3, share=1.0), {f"1.{site}": False})
    key = f"transformer.h.1.{name}.weight"
    loud = with_tensors(circuit, **{key: np.full_like(circuit.network.tensors[key], 3e38)})
    assert is_finite(from_circuit(circuit).network, FLOAT32)
    assert label_domain(circuit, circuit.domain).counts().get(-1, 0) < label_domain(circuit, circuit.domain).size
    found = label_domain(loud, loud.domain)
    assert found.counts() == {-1: found.size}


def test_logits_that_nobody_reads_must_be_finite():
    circuit = random_circuit(3, share=1.0)
    head = circuit.network.tensors["lm_head.weight"].copy()
    head[0] = 3e38
    assert 0 not in circuit.label_ids
    found = label_domain(with_tensors(circuit, lm_head__weight=head), circuit.domain)
    assert found.counts() == {-1: found.size}


def test_what_an_ablated_layer_needs_of_unseen_rows_is_not_guessed():
    """Behind the layer that attends, rows before the last are not bounded: a variance there may come out negative."""
    layered = {"norm": "layer", "norm_eps": 1e-5}
    behind = with_kept(random_circuit(3, **layered), {"1.attn.resid_delta": False})
    before = with_kept(random_circuit(3, **layered), {"0.attn.resid_delta": False})
    assert obstacle(before, FLOAT32) is obstacle(behind, FLOAT64) is None
    assert "2 layers attend" in str(obstacle(behind, FLOAT32))
    assert attention_bounds.obstacle(from_circuit(before), FLOAT32) is None
    assert "2 layers attend" in str(attention_bounds.obstacle(from_circuit(behind), FLOAT32))


def test_a_pruned_network_that_may_overflow_has_no_circuit(tmp_path):
    seeds = [n for n in range(4, 400, 6) if _is_pruned(tmp_path / str(n), n)]
    refused = [n for n in seeds[:12] if _refusal(tmp_path / str(n))]
    assert 0 < len(refused) < len(seeds[:12])
    assert "zero times infinity is NaN" in _refusal(tmp_path / str(refused[0]))


def _refusal(folder):
    """What the loader says against a network, if anything."""
    try:
        extreme.read(folder)
    except NetworkError as error:
        return str(error)
    return ""


def _is_pruned(folder, seed):
    return (extreme.write(seed, folder) / "circuit_copy.json").is_file()


# --- the checker ------------------------------------------------------------------------------------------------


def confirmed(folder, semantics) -> int:
    """How many labels the checker gives."""
    loaded = load(folder)
    return sum(1 for _ in extreme._said_by_checker(folder, loaded, semantics))


@pytest.mark.parametrize("zero", ["attn.c_proj", "mlp.c_proj"])
def test_the_checker_drops_nothing_that_overflows(tmp_path, zero):
    """Weights below the 2**40 that it takes: two maps in a row are enough."""
    size = 2.0**36

    def change(tensors):
        for name in ("ln_1", "ln_2", "attn.c_attn", "mlp.c_fc"):
            tensors = scaled(tensors, name, None, size)
        return scaled(tensors, zero, None, 0.0)

    def ordinary(tensors):
        return scaled(tensors, zero, None, 0.0)

    assert confirmed(written(tmp_path / "ordinary", ordinary), "float32")
    assert not confirmed(written(tmp_path / "network", change), "float32")


def test_prover_and_checker_print_one_assumption():
    assert ball.KERNEL_ASSUMPTION == arithmetic.ASSUMPTION
    assert "overflow" not in arithmetic.ASSUMPTION


# --- any network ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [*range(3), 370, 1164, *sliced(range(3, 24), 21)])
def test_no_execution_of_an_extreme_network_contradicts_a_label(tmp_path, seed):
    folder = extreme.write(seed, tmp_path / "network")
    assert _refusal(folder) or not extreme.untrue(folder)[2]
