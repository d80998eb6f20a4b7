"""Decoders of Hugging Face: the formulas in torch, the bounds around them, the checker's own reading, and refusals."""

import flint
import numpy as np
import pytest
import torch
from quick import sliced
from safetensors.numpy import save_file

from tasks.bounds import ball, interpreter, zonotope_interpreter
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.computations import logits as checked_logits
from tasks.checker.files import UnreadableError
from tasks.checker.formats import FILES, read
from tasks.formats import load
from tasks.networks.interpreter import logits
from tasks.networks.rotary import Stream, tables, turned
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Affine
from tests.support.decoder_networks import CONFIGS, LLAMA, NEOX, VOCABULARY, Reference, tensors_of, write

KINDS = sorted(CONFIGS)


def prompts(length=7, count=5):
    return np.random.default_rng(3).integers(0, VOCABULARY, (count, length))


def stored(folder, kind="decoder"):
    must, may = FILES[kind]
    return {name: (folder / name).read_bytes() for name in (*must, *may) if (folder / name).is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_computes_what_its_authors_program_computes(kind, tmp_path):
    config = CONFIGS[kind]
    network, ids = load(write(tmp_path / "net", config)).network, prompts()
    expected = Reference(config, tensors_of(config), torch.float64, torch.float64).logits(ids)
    assert np.abs(logits(network, ids) - expected).max() < 1e-11 * np.abs(expected).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bounds", sliced([interpreter, zonotope_interpreter], 2), ids=["balls", "forms"])
def test_bounds_hold_executions_that_compute_angles_in_float32(kind, bounds, tmp_path):
    config, ids = CONFIGS[kind], prompts()
    network = load(write(tmp_path / "net", config)).network
    widest = 0.0
    for u, dtype, angles in (
        (ball.FLOAT32, torch.float32, torch.float32),
        (ball.FLOAT64, torch.float64, torch.float32),
        (ball.REAL, torch.float64, torch.float64),
    ):
        executed = Reference(config, tensors_of(config), dtype, angles).logits(ids)
        stream = bounds.enclose(network, [ids], u)
        rows = stream.x[stream.places[0]]
        slack = 1e-10 if u == ball.REAL else 0.0  # the reference is rounded, and nothing else there
        assert (np.abs(rows.center - executed) <= rows.radius + slack).all(), (kind, u)
        widest = max(widest, float(rows.radius[np.isfinite(rows.radius)].max()))
        if u == ball.REAL:
            assert np.isfinite(rows.radius).all()
            assert rows.radius.max() < 1e-6
    assert widest > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_checker_reads_the_same_network_from_the_same_files(kind, tmp_path):
    folder, ids = write(tmp_path / "net", CONFIGS[kind]), prompts(6, 2)
    mine = logits(load(folder).network, ids)
    executed = Reference(CONFIGS[kind], tensors_of(CONFIGS[kind]), torch.float32, torch.float32).logits(ids)
    with flint.ctx.workprec(100):
        for semantics, values, slack in (("real", mine, 1e-9), ("float32", executed, 0.0)):
            found = read("decoder", stored(folder), semantics)
            rows = checked_logits(found.network, Arithmetic(ROUNDOFF[semantics]), [tuple(map(int, p)) for p in ids])
            for row, value in zip(np.array(rows, object).reshape(-1), values.reshape(-1), strict=True):
                assert not row.is_finite() or abs(float(row.mid()) - value) <= float(row.rad()) + slack, semantics
            assert found.network.is_computed
    assert found.tokens == load(folder).vocabulary


def test_pairs_side_by_side_are_turned_like_pairs_in_halves():
    stream, order = Stream(4, 2), [0, 2, 1, 3]
    rng = np.random.default_rng(0)
    x, (angles, _) = rng.normal(size=(1, 6, 4)), tables(6, 2, 7.0)
    rows, ids = np.concatenate([x, angles[None]], axis=2), np.zeros((1, 6), int)
    from tasks.networks.interpreter import run

    halves = run(turned(stream.own(), stream, 1, 4, "halves"), rows, ids)
    mixed = np.concatenate([x[..., order], angles[None]], axis=2)
    pairs = run(turned(stream.own(), stream, 1, 4, "pairs"), mixed, ids)
    assert np.allclose(pairs, halves[..., order])
    first = x[0, :, 0] * np.cos(np.arange(6)) - x[0, :, 2] * np.sin(np.arange(6))
    assert np.allclose(halves[0, :, 0], first)
    assert np.allclose(np.linalg.norm(halves, axis=2), np.linalg.norm(x, axis=2))


@pytest.mark.parametrize("base", [1.0, 3.0, 1e4, 1e6])
@pytest.mark.parametrize("pairs", [1, 3, 32])
def test_tables_of_angles_hold_what_float32_computes_in_several_ways(base, pairs):
    """By a power, by an exponential and by powers of two; and the real value far inside."""
    values, error = tables(2048, pairs, base)
    f, n = np.float32, np.arange(2048)[:, None]
    share = np.arange(pairs, dtype=f) / f(pairs)
    ways = [f(1) / np.power(f(base), share), np.power(f(base), -share), np.exp(-share * np.log(f(base))),
            np.exp2(-share * np.log2(f(base)))]  # fmt: skip
    torched = (1.0 / base ** (torch.arange(0, 2 * pairs, 2).float() / (2 * pairs))).numpy()
    for frequency in (*ways, torched):
        angle = (n.astype(f) * frequency.astype(f)).astype(f)
        found = np.concatenate([np.cos(angle), np.sin(angle)], axis=1).astype(float)
        assert (np.abs(found - values) <= error).all()
    with flint.ctx.workprec(200):
        for place in (1, 77, 2047):
            for pair in range(pairs):
                angle = place * (-flint.arb(pair) / pairs * flint.arb(base).log()).exp()
                for exact, column in ((angle.cos(), pair), (angle.sin(), pairs + pair)):
                    assert abs(float(exact) - values[place, column]) <= 2.0**-24 * error[place, column]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "only plain rotary positions are understood"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "only plain rotary positions are understood"),
        ({"num_local_experts": 8}, "a mixture of experts is not understood"),
        ({"hidden_act": "mish"}, "hidden_act should be one of silu"),
        ({"num_key_value_heads": 3}, "cannot share 3 heads"),
        ({"layer_types": ["full_attention", "linear_attention"]}, "only layers of full attention"),
        ({"attention_window": 3}, "unknown entry 'attention_window'"),
        ({"pretraining_tp": 2}, "only pretraining_tp = 1"),
        ({"quantization_config": {"bits": 4}}, "only quantization_config = None"),
        ({"partial_rotary_factor": 0.75}, "no pairs that a rotation could turn"),
        ({"tie_word_embeddings": True}, "the output should be the embedding"),
        ({"head_dim": 6}, "should have shape"),
        ({"torch_dtype": "bfloat16"}, "expected a network executed in float32"),
        ({"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}, "this tool wants a circuit"),
    ],
)
def test_what_changes_the_function_is_refused_by_name_and_by_the_checker(change, said, tmp_path):
    folder = write(tmp_path / "net", {**LLAMA, **change}, tensors_of(LLAMA))
    with pytest.raises(NetworkError, match=said):
        load(folder)
    with pytest.raises((UnreadableError, TypeError, KeyError)):
        read("decoder", stored(folder), "float32")


def test_prompts_end_where_a_window_would_begin_to_move(tmp_path):
    loaded = load(write(tmp_path / "net", CONFIGS["mistral"]))
    assert loaded.network.longest == loaded.domain.max_length == 7
    assert any("window of 7" in note for note in loaded.notes)
    assert read("decoder", stored(tmp_path / "net"), "float32").network.longest == 7


def test_stored_frequencies_must_be_those_of_the_configuration(tmp_path):
    name = "gpt_neox.layers.0.attention.rotary_emb.inv_freq"
    good = np.array([1.0], np.float32)
    for values, fits in ((good, True), (good * np.float32(1.5), False)):
        folder = write(tmp_path / str(fits), NEOX, {**tensors_of(NEOX), name: values})
        if fits:
            load(folder)
            read("decoder", stored(folder), "float32")
            continue
        with pytest.raises(NetworkError, match="should hold 1 frequencies"):
            load(folder)
        with pytest.raises(UnreadableError, match="other frequencies"):
            read("decoder", stored(folder), "float32")


def test_a_decoder_in_parts_is_the_one_in_one_file(tmp_path):
    whole = load(write(tmp_path / "whole", LLAMA))
    tensors = tensors_of(LLAMA)
    names = sorted(tensors)
    folder = write(tmp_path / "parts", LLAMA)
    (folder / "model.safetensors").unlink()
    owner = {name: f"model-0000{1 + n % 2}-of-00002.safetensors" for n, name in enumerate(names)}
    for file in set(owner.values()):
        save_file({name: tensors[name] for name in names if owner[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(f'{{"weight_map": {owner}}}'.replace("'", '"'))
    ids = prompts()
    assert (logits(load(folder).network, ids) == logits(whole.network, ids)).all()


def test_names_come_from_the_tokenizer_and_else_from_the_vocabulary(tmp_path):
    vocabulary = {"Ġthe": 0, "a": 1, "b": 2}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": None,
        "post_processor": None, "decoder": None,
        "added_tokens": [{"id": 3, "content": "<end>", "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True}],
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "a"},
    }  # fmt: skip
    both = write(tmp_path / "both", LLAMA, tokenizer=tokenizer, vocab={"x": 0})
    plain = write(tmp_path / "plain", LLAMA, vocab=vocabulary)
    assert load(both).vocabulary == ("Ġthe", "a", "b", "<end>", "#4")
    assert load(plain).vocabulary == ("Ġthe", "a", "b", "#3", "#4")
    for folder in (both, plain):
        assert read("decoder", stored(folder), "float32").tokens == load(folder).vocabulary
    (both / "tokenizer.json").write_text("{}")
    with pytest.raises(NetworkError, match="not a tokenizer of Hugging Face"):
        load(both)


def test_a_tokenizer_of_more_tokens_than_the_network_has_is_refused(tmp_path):
    folder = write(tmp_path / "net", LLAMA, vocab={"a": 0, "b": 99})
    with pytest.raises(NetworkError, match="expected different ids from 0 to 4"):
        load(folder)


def test_a_map_onto_spare_columns_leaves_the_others_alone():
    stream = Stream(2, 1, 4)
    wide = stream.onto(Affine(np.eye(2)), stream.spare[1])
    assert wide.weight.shape == (8, 2)
    assert wide.weight[6:].tolist() == np.eye(2).tolist()
    row = np.arange(8.0)
    assert (stream.summed().weight @ row).tolist() == [0 + 4 + 6, 1 + 5 + 7, 2, 3, 0, 0, 0, 0]
