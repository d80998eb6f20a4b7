"""Labels of whole circuits: contained in their bounds, merged soundly, never given where they are not certain."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from quick import sliced
from random_circuits import CONFIGS, naive_logits, random_circuit, with_kept, with_tensors

from cegis.domain import Constraint, Domain
from tasks.bounds.ball import FLOAT32, FLOAT64, Ball, RoundoffError
from tasks.bounds.interpreter import _grouped, enclose
from tasks.formats import from_circuit
from tasks.networks.circuit import UNDECIDED, Circuit
from tasks.networks.readout import UNDECIDED as NO_LABEL
from tasks.networks.readout import Argmax
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs import enumeration
from tasks.proofs.circuit_labels import label_domain, label_sequences
from tasks.proofs.enumeration import read_bounds


def bounds(circuit: Circuit, sequences: np.ndarray, u: float, *, merge: bool = True) -> Ball:
    """Label logits of every sequence: of all together, or of each by itself."""
    network, ids, parts = from_circuit(circuit).network, prompts(circuit, sequences), []
    for some in [ids] if merge else ids[:, None]:
        stream = enclose(network, [some], u)
        parts.append(stream.x[stream.places[0][:, -1]])
    found, columns = Ball.join(parts), list(circuit.label_ids)
    return Ball(found.center[:, columns], found.radius[:, columns])


def prompts(circuit: Circuit, sequences: np.ndarray) -> np.ndarray:
    return circuit.prompt_ids(sequences)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_execution_lies_within_the_bounds(name):
    circuit = random_circuit(**CONFIGS[name])
    for length in (1, 3):
        sequences = circuit.domain.sequences(length)
        for u, dtypes in ((FLOAT32, (np.float32, np.float64)), (FLOAT64, (np.float64,))):
            logits = bounds(circuit, sequences, u)
            assert np.isfinite(logits.radius).all()
            for dtype in dtypes:
                naive = np.array([naive_logits(circuit, ids, dtype) for ids in prompts(circuit, sequences)])
                assert (np.abs(naive.astype(float) - logits.center) <= logits.radius).all()
                # the centers are float64 executions themselves, so any slip in the formula shows here
                np.testing.assert_allclose(naive, logits.center, atol=3e-5 if dtype is np.float32 else 1e-12)


@pytest.mark.parametrize("name", sliced(CONFIGS, 4))
def test_merged_and_unmerged_bounds_overlap_and_agree(name):
    circuit = random_circuit(seed=1, **CONFIGS[name])
    sequences = circuit.domain.sequences(4)
    merged, single = (bounds(circuit, sequences, FLOAT64, merge=flag) for flag in (True, False))
    np.testing.assert_allclose(merged.center, single.center, atol=1e-12)
    np.testing.assert_allclose(merged.radius, single.radius, rtol=1e-3)
    assert (np.abs(merged.center - single.center) <= merged.radius + single.radius).all()


def test_bounds_of_random_networks_are_useful():
    for seed in range(3):
        for name in ("rms, gelu", "sink", "positions"):
            circuit = random_circuit(seed, share=0.4, **CONFIGS[name])
            found = label_domain(circuit, circuit.domain)
            assert found.radius < 1e-3
            assert label_domain(circuit, circuit.domain, unit_roundoff=FLOAT64).radius < 1e-11


def test_without_positions_one_layer_sees_last_token_and_multiset():
    circuit = random_circuit(n_layer=1)
    found = label_domain(circuit, circuit.domain)
    words = [word for word in circuit.domain]
    assert found.classes == len({(word[-1], tuple(sorted(word))) for word in words})
    assert found.classes < found.size == len(words)


def test_with_positions_or_two_layers_order_matters():
    for options in ({"n_layer": 1, "positions": True}, {"n_layer": 2}):
        circuit = random_circuit(**options)
        same_multiset = np.array([[0, 1, 2], [1, 0, 2]], np.int8)
        first, second = bounds(circuit, same_multiset, FLOAT64).center
        assert np.abs(first - second).max() > 1e-6


def test_attention_that_adds_a_constant_splits_no_class():
    circuit = with_kept(random_circuit(), {"0.attn.resid_delta": False, "1.attn.resid_delta": False})
    found = label_domain(circuit, circuit.domain)
    assert found.classes == 3
    sequences = circuit.domain.sequences(3)
    naive = np.array([naive_logits(circuit, ids, np.float64) for ids in prompts(circuit, sequences)])
    np.testing.assert_allclose(bounds(circuit, sequences, FLOAT64).center, naive, atol=1e-12)


def test_paths_too_long_for_one_integer_are_told_apart():
    """With 2**16 classes a key of 64 bits would forget the first of six columns, were keys not renamed on the way."""
    paths = np.array([[1, 5, 5, 5, 5, 7], [2, 5, 5, 5, 5, 7], [5, 5, 1, 5, 5, 7], [1, 5, 5, 5, 5, 8]])
    own, _, index = _grouped(paths[:, -1], paths[:, :-1], 2**16)
    assert index[0] == index[2]
    assert len(set(index.tolist())) == len(own) == 3
    assert [own[i] for i in index] == [7, 7, 7, 8]


def test_labels_are_those_of_the_network_where_the_margin_allows():
    circuit = random_circuit(seed=2)
    for length in (1, 2, 3):
        found = label_sequences(circuit, circuit.domain.sequences(length))
        for ids, label, margin in zip(prompts(circuit, found.sequences), found.labels, found.margins, strict=True):
            logits = np.sort(naive_logits(circuit, ids, np.float64))
            assert label == naive_logits(circuit, ids, np.float64).argmax()
            assert 0 < margin <= logits[-1] - logits[-2]


def test_equal_logits_are_undecided():
    circuit = random_circuit()
    head, bias = circuit.network.tensors["lm_head.weight"].copy(), circuit.network.tensors["final_logits_bias"].copy()
    head[5], bias[5] = head[4], bias[4]  # "no" computes exactly what "yes" does
    head[6], bias[6] = head[4], bias[4] - 5
    tied = with_tensors(circuit, lm_head__weight=head, final_logits_bias=bias)
    for u in (FLOAT32, FLOAT64):
        found = label_domain(tied, tied.domain, unit_roundoff=u)
        assert found.counts() == {UNDECIDED: found.size}
        assert found.margin <= 0
        assert len(found.undecided) == found.size
    bias[5] += 0.1
    assert label_domain(with_tensors(tied, final_logits_bias=bias), tied.domain).counts() == {1: found.size}


def test_a_tie_in_the_top_k_decides_nothing():
    """The MLP reads one of two residual channels; which one says the label. Equal channels leave it open."""
    options = {"d_model": 2, "d_mlp": 2, "n_layer": 1, "activation": "relu", "top_k_fraction": 0.5}
    circuit = random_circuit(prefix=(), **options, top_k_sites=("mlp_in",))
    sites = circuit.network.config.site_widths()
    circuit = with_kept(circuit, {site: "attn" not in site for site in sites})
    shapes = circuit.network.config.tensor_shapes()
    silent = {name: np.zeros(shape) for name, shape in shapes.items() if "ln_" not in name}
    gains = {name: np.ones(shape) for name, shape in shapes.items() if "ln_" in name}
    means = {site: np.zeros(width, np.float32) for site, width in sites.items()}
    head = np.zeros(shapes["lm_head.weight"])
    head[4], head[5], head[6] = (1, 0), (0, 1), (-1, -1)  # yes, no, maybe
    layer = {"transformer.h.0.mlp.c_fc.weight": np.eye(2), "transformer.h.0.mlp.c_proj.weight": np.eye(2)}

    def labelled(embedding: tuple[float, float]) -> list[int]:
        wte = np.tile(embedding, (shapes["transformer.wte.weight"][0], 1))
        tensors = {**silent, **gains, **layer, "lm_head.weight": head, "transformer.wte.weight": wte}
        made = replace(with_tensors(circuit, **tensors), means=means)
        return label_sequences(made, np.zeros((1, 1), np.int8)).labels.tolist()

    assert labelled((1.0, 1.0)) == [UNDECIDED]
    assert labelled((1.0, 1.0 + 2.0**-23)) == [UNDECIDED]  # rounding may turn it round
    assert labelled((1.0, 0.999)) == [0]
    assert labelled((0.999, 1.0)) == [1]


def test_nudging_one_weight_across_the_margin_flips_the_label():
    circuit = random_circuit(seed=2)
    sequences = np.array([[0, 1, 2]], np.int8)
    before = label_sequences(circuit, sequences, unit_roundoff=FLOAT64)
    logits = bounds(circuit, sequences, FLOAT64).center[0]
    second = int(np.argsort(logits)[-2])
    for nudge, expected in ((before.margins[0] - 1e-3, before.labels[0]), (before.margins[0] + 1e-3, second)):
        bias = circuit.network.tensors["final_logits_bias"].copy()
        bias[circuit.label_ids[second]] += nudge
        assert label_sequences(with_tensors(circuit, final_logits_bias=bias), sequences).labels.tolist() == [expected]


@pytest.mark.parametrize("size", [1e20, 3e38])
@pytest.mark.parametrize("name", ["transformer.wte.weight", "transformer.h.0.attn.c_attn.weight", "lm_head.weight"])
def test_what_may_overflow_is_undecided(name, size):
    circuit = random_circuit(share=1.0)
    huge = with_tensors(circuit, **{name: np.full_like(circuit.network.tensors[name], size)})
    for u in (FLOAT32, FLOAT64):
        found = label_domain(huge, circuit.domain, unit_roundoff=u)
        assert found.counts() == {UNDECIDED: found.size}
        assert found.margin == -np.inf
        assert not any(np.isnan(part.margins).any() for part in found.lengths)


def test_read_out_needs_a_strict_gap():
    center = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    radius = np.array([[0.2, 0.2], [0.5, 0.5], [np.inf, 0.0], [0.0, 0.0]])
    labels, margins = read_bounds(Argmax(("yes", "no"), (0, 1)), Ball(center, radius))
    assert labels.tolist() == [0, NO_LABEL, NO_LABEL, NO_LABEL]
    assert 0.59 < margins[0] <= 0.6
    assert (margins[1:] <= 0).all()


def alternating() -> Constraint:
    """Never the same letter twice in a row, not ending in c."""
    return Constraint.explore("alternating", "abc", "", lambda s, t: None if s == t else t, lambda s: s in ("a", "b"))


def test_a_domain_is_labelled_in_its_own_order_whole():
    circuit = random_circuit(seed=2)
    domain = Domain(("a", "b", "c"), 2, 5, alternating())
    progress = []
    found = label_domain(circuit, domain, on_progress=lambda done, total: progress.append((done, total)))
    assert found.size == domain.size() == progress[-1][0] == progress[-1][1]
    for length, part in zip(domain.lengths, found.lengths, strict=True):
        assert (part.sequences == domain.sequences(length)).all()
        alone = label_sequences(circuit, part.sequences)
        assert (alone.labels == part.labels).all()
        np.testing.assert_allclose(alone.margins, part.margins, atol=1e-12)
    assert found.closest == min(
        zip((m for part in found.lengths for m in part.margins), domain, strict=True), key=lambda pair: pair[0]
    )[1]  # fmt: skip
    assert found.margin == min(part.margins.min() for part in found.lengths)
    assert sum(found.counts().values()) == found.size


def test_blocks_change_nothing(monkeypatch):
    circuit = random_circuit(seed=2)
    domain = Domain(("a", "b", "c"), 0, 4)
    whole = label_domain(circuit, domain)
    monkeypatch.setattr(enumeration, "BLOCK", 7)
    progress = []
    blocks = label_domain(circuit, domain, on_progress=lambda done, _: progress.append(done))
    assert len(progress) > 30
    assert progress == sorted(progress)
    assert progress[-1] == whole.size
    for one, other in zip(whole.lengths, blocks.lengths, strict=True):
        assert (one.labels == other.labels).all()
        np.testing.assert_allclose(one.margins, other.margins, atol=1e-12)


def test_chunks_change_nothing(monkeypatch):
    circuit = random_circuit(seed=2)
    whole = label_domain(circuit, circuit.domain)
    monkeypatch.setattr("tasks.bounds.interpreter.CHUNK_VALUES", 100)
    for one, other in zip(whole.lengths, label_domain(circuit, circuit.domain).lengths, strict=True):
        assert (one.labels == other.labels).all()
        np.testing.assert_allclose(one.margins, other.margins, atol=1e-12)


def test_the_empty_sequence_is_read_at_the_prefix():
    circuit = random_circuit()
    empty = np.zeros((1, 0), np.int8)
    naive = naive_logits(circuit, prompts(circuit, empty)[0], np.float64)
    np.testing.assert_allclose(bounds(circuit, empty, FLOAT64).center[0], naive, atol=1e-12)
    with pytest.raises(NetworkError, match="expected prompts of 1 to 12 tokens, got 0"):
        label_sequences(random_circuit(prefix=()), empty)


def test_no_sequences_have_no_labels():
    found = label_sequences(random_circuit(), np.zeros((0, 3), np.int8))
    assert found.labels.shape == found.margins.shape == (0,)


def test_bad_input_is_one_clear_sentence():
    circuit = random_circuit()
    with pytest.raises(NetworkError, match=r"expected a domain over a, b, c, got one over b, a"):
        label_domain(circuit, Domain(("b", "a"), 1, 3))
    with pytest.raises(NetworkError, match="expected prompts of 1 to 12 tokens, got 13"):
        label_domain(circuit, Domain(("a", "b", "c"), 12, 12, alternating()))
    with pytest.raises(NetworkError, match="holds no sequence"):
        label_domain(circuit, Domain(("a", "b", "c"), 1, 2, Constraint("none", ((0, 0, 0),), (False,))))
    with pytest.raises(NetworkError, match="expected alphabet indices from 0 to 2"):
        label_sequences(circuit, np.array([[0, 3]], np.int8))
    with pytest.raises(NetworkError, match=r"expected a \(count, length\) array of alphabet indices"):
        label_sequences(circuit, np.array([0.5, 1.0]))
    with pytest.raises(RoundoffError, match="half precision"):
        label_domain(circuit, circuit.domain, unit_roundoff=2.0**-11)


def test_labelling_needs_no_torch():
    code = "import sys, tasks.proofs.circuit_labels; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
