"""GPT-2 folders: the function of the published architecture, and nothing that is not understood."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from json_junk import read_junk
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from torch.nn import functional

from tasks.checker.formats import ALLOWED, OTHERS
from tasks.formats import Question, load
from tasks.formats.gpt2 import INERT, KNOWN
from tasks.networks.interpreter import logits
from tasks.networks.readout import Argmax, TokenSet
from tasks.networks.sparse_transformer import NetworkError

D, HEADS, LAYERS, INNER, VOCABULARY, LONGEST = 8, 2, 2, 12, 5, 10
CONFIG = {
    "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": VOCABULARY, "n_positions": LONGEST,
    "n_embd": D, "n_layer": LAYERS, "n_head": HEADS, "n_inner": INNER, "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5, "dtype": "float32", "use_cache": True,
}  # fmt: skip
CASE = {
    "name": "toy",
    "tokens": {"a": 0, "b": 1, "<bos>": 2, "<eos>": 3, "<sep>": 4},
    "language": {
        "words": "no a after a b", "alphabet": ["a", "b"], "start": "q", "states": ["p", "q"],
        "transitions": {"q": {"a": "q", "b": "p"}, "p": {"b": "p"}},
    },
    "input": {"sequence": "<bos> then the symbols"},
    "read_out": {"kind": "next_token_set"},
}  # fmt: skip


def tensors(tied=True, dtype=np.float32):
    rng, shapes = np.random.default_rng(0), {"wte.weight": (VOCABULARY, D), "wpe.weight": (LONGEST, D)}
    for n in range(LAYERS):
        maps = {"attn.c_attn": (D, 3 * D), "attn.c_proj": (D, D), "mlp.c_fc": (D, INNER), "mlp.c_proj": (INNER, D)}
        for name, shape in maps.items():
            shapes |= {f"h.{n}.{name}.weight": shape, f"h.{n}.{name}.bias": shape[1:]}
        shapes |= {f"h.{n}.{ln}.{part}": (D,) for ln in ("ln_1", "ln_2") for part in ("weight", "bias")}
    shapes |= {"ln_f.weight": (D,), "ln_f.bias": (D,)}
    shapes |= {} if tied else {"lm_head.weight": (VOCABULARY, D)}
    return {
        f"transformer.{n}" * (n != "lm_head.weight") or n: rng.normal(size=s).astype(dtype) for n, s in shapes.items()
    }


def folder(path, config=None, weights=None, case=None, vocab=None):
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(CONFIG if config is None else config))
    save_file(tensors() if weights is None else weights, path / "model.safetensors")
    if case is not None:
        (path / "case.json").write_text(json.dumps(case))
    if vocab is not None:
        (path / "vocab.json").write_text(json.dumps(vocab))
    return path


def reference(weights, ids, act, scale=None):
    """The forward pass in torch, from the published formula."""
    w = {name.removeprefix("transformer."): torch.tensor(t, dtype=torch.float64) for name, t in weights.items()}

    def ln(name, x):
        return functional.layer_norm(x, (D,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)

    def conv(name, x):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["wte.weight"][torch.tensor(ids)] + w["wpe.weight"][: ids.shape[1]]
    for n in range(LAYERS):
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2)
                   for part in conv(f"h.{n}.attn.c_attn", ln(f"h.{n}.ln_1", x)).split(D, dim=-1))  # fmt: skip
        factor = None if scale is None else scale(n)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=factor)
        x = x + conv(f"h.{n}.attn.c_proj", y.transpose(1, 2).flatten(2))
        x = x + conv(f"h.{n}.mlp.c_proj", act(conv(f"h.{n}.mlp.c_fc", ln(f"h.{n}.ln_2", x))))
    return (ln("ln_f", x) @ w.get("lm_head.weight", w["wte.weight"]).T).numpy()


IDS = np.random.default_rng(1).integers(0, VOCABULARY, (6, 9))
ACTS = {
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"), "gelu": functional.gelu, "relu": functional.relu,
}  # fmt: skip


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("act", ACTS)
def test_the_function_is_that_of_the_architecture(tmp_path, act, tied):
    weights = tensors(tied)
    loaded = load(folder(tmp_path / "net", {**CONFIG, "activation_function": act}, weights))
    assert np.allclose(logits(loaded.network, IDS), reference(weights, IDS, ACTS[act]), rtol=0, atol=1e-11)
    assert (loaded.format, loaded.network.dtype, loaded.is_black_box) == ("gpt2", "float32", False)


def test_scale_options_scale(tmp_path):
    config = {**CONFIG, "scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True}
    got = logits(load(folder(tmp_path, config)).network, IDS)
    expected = reference(tensors(), IDS, ACTS["gelu_new"], lambda n: 1 / (n + 1))
    assert np.allclose(got, expected, rtol=0, atol=1e-11)


def test_float64_weights_are_kept_exactly(tmp_path):
    weights = tensors(dtype=np.float64)
    loaded = load(folder(tmp_path, {**CONFIG, "dtype": "float64"}, weights))
    assert loaded.network.dtype == "float64"
    assert (loaded.network.tokens == weights["transformer.wte.weight"]).all()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("is_said", [True, False])
def test_weights_in_half_precision_are_the_float32_numbers_that_they_are(tmp_path, name, is_said):
    halves = {key: torch.tensor(tensor).to(getattr(torch, name)) for key, tensor in tensors().items()}
    path = folder(tmp_path, {**CONFIG, "dtype": name if is_said else "float32"})
    save_torch(halves, path / "model.safetensors")
    loaded, exact = load(path), {key: tensor.float().numpy() for key, tensor in halves.items()}
    assert (loaded.network.tokens == exact["transformer.wte.weight"]).all()
    assert np.allclose(logits(loaded.network, IDS), reference(exact, IDS, ACTS["gelu_new"]), rtol=0, atol=1e-11)
    assert loaded.network.dtype == "float32"
    assert any(f"executions in {name}" in note for note in loaded.notes) == is_said


def parts(path, weights=None, files=("a.safetensors", "b.safetensors"), **change):
    """A folder with the weights in two files and an index of them, of which ``change`` alters entries."""
    weights = weights or tensors()
    (folder(path) / "model.safetensors").unlink()
    owner = {name: files[n % 2] for n, name in enumerate(sorted(weights))}
    for file in set(files):
        save_file({name: weights[name] for name in weights if owner[name] == file}, path / Path(file).name)
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {**owner, **change}}))
    return path


def test_weights_in_parts_are_those_of_the_whole(tmp_path):
    loaded = load(parts(tmp_path))
    assert (loaded.format, loaded.network.dtype) == ("gpt2", "float32")
    assert np.allclose(logits(loaded.network, IDS), reference(tensors(), IDS, ACTS["gelu_new"]), rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"transformer.wte.weight": "a.safetensors", "transformer.wpe.weight": "a.safetensors"},
            r"b.safetensors: holds a tensor that the index does not place there: 'transformer.w[tp]e.weight'",
        ),
        ({"more": "a.safetensors"}, "'more' is not in a.safetensors, which should hold it"),
        ({"files": ("a.safetensors", "../b.safetensors")}, "files beside it"),
        ({"more": "c.safetensors"}, "c.safetensors: cannot be read"),
        ({"more": "config.json"}, "files beside it"),
    ],
)
def test_an_index_that_is_not_what_the_files_hold_is_refused(tmp_path, options, message):
    with pytest.raises(NetworkError, match=message):
        load(parts(tmp_path, **options))


def test_where_no_tokens_are_named_all_are_taken_and_it_is_said(tmp_path):
    said = "nothing says which tokens a sequence may hold: all are taken (alphabet)"
    assert load(folder(tmp_path)).notes == (said,)
    assert load(folder(tmp_path), Question(alphabet=("#0", "#1"))).notes == ()


def test_answers_that_are_none_are_no_default(tmp_path):
    with pytest.raises(NetworkError, match="expected 1 output or more"):
        load(folder(tmp_path), Question(answers=()))


def test_without_a_description_tokens_are_numbers_and_the_read_out_an_argmax(tmp_path):
    loaded = load(folder(tmp_path))
    assert loaded.vocabulary == ("#0", "#1", "#2", "#3", "#4")
    assert loaded.readout == Argmax(loaded.vocabulary, (0, 1, 2, 3, 4))
    assert (loaded.domain.min_length, loaded.domain.max_length) == (1, LONGEST)


def test_names_come_from_vocab_json(tmp_path):
    assert load(folder(tmp_path, vocab={"x": 1, "y": 0})).vocabulary == ("y", "x", "#2", "#3", "#4")


def test_a_description_gives_names_domain_and_read_out(tmp_path):
    loaded = load(folder(tmp_path, case=CASE))
    assert (loaded.name, loaded.prefix, loaded.suffix) == ("toy", ("<bos>",), ())
    assert isinstance(loaded.readout, TokenSet)
    assert (loaded.domain.min_length, loaded.domain.max_length) == (0, LONGEST - 1)
    assert [loaded.domain.words(row) for row in loaded.domain.sequences(2)] == [("a", "a"), ("a", "b"), ("b", "b")]
    labels, margins = loaded.labels(loaded.domain.sequences(2))
    got = logits(loaded.network, np.array([[2, 0, 0], [2, 0, 1], [2, 1, 1]]))[:, -1]
    assert [set(loaded.readout.members(int(label))) for label in labels] == [
        {loaded.vocabulary[n] for n in range(VOCABULARY) if row[n] > 0} for row in got
    ]
    assert np.allclose(margins, np.abs(got).min(axis=1))


def test_a_token_after_the_symbols_becomes_the_suffix(tmp_path):
    case = {**CASE, "input": {"sequence": "<bos> b1 ... bn <sep>"}, "read_out": {"kind": "argmax_last"}}
    loaded = load(folder(tmp_path, case=case))
    assert (loaded.prefix, loaded.suffix, loaded.domain.min_length) == (("<bos>",), ("<sep>",), 1)
    assert loaded.prompts(np.array([[0, 1]])).tolist() == [[2, 0, 1, 4]]


def test_an_unknown_read_out_is_refused_unless_the_question_names_one(tmp_path):
    path = folder(tmp_path, case={**CASE, "read_out": {"kind": "beam"}})
    with pytest.raises(NetworkError, match="unknown read-out 'beam'"):
        load(path)
    assert isinstance(load(path, Question(readout="set")).readout, TokenSet)


def test_the_class_with_sigmoids_reads_sets(tmp_path):
    loaded = load(folder(tmp_path, {**CONFIG, "architectures": ["GPT2BCELMHeadModel"]}))
    assert isinstance(loaded.readout, TokenSet)


def test_a_question_overrides_the_description(tmp_path):
    question = Question(alphabet=("b",), lengths=(1, 3), readout="argmax", answers=("a", "b"), prefix=())
    loaded = load(folder(tmp_path, case=CASE), question)
    assert loaded.domain.alphabet == ("b",)
    assert loaded.domain.constraint is None
    assert loaded.readout == Argmax(("a", "b"), (0, 1))
    assert (loaded.prefix, loaded.domain.max_length) == ((), 3)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question(alphabet=("z",)), "not in the vocabulary"),
        (Question(alphabet=()), "an alphabet of 1 token or more"),
        (Question(answers=("z", "#0")), "no output is called 'z'"),
        (Question(readout="vote"), "unknown read-out"),
        (Question(readout="round"), "reads one output"),
        (Question(lengths=(1, 11)), "are no prompts"),
        (Question(task="x"), "no circuits or tasks"),
        (Question(circuit=True), "no circuits or tasks"),
    ],
)
def test_questions_that_do_not_fit_are_refused(tmp_path, question, message):
    with pytest.raises(NetworkError, match=message):
        load(folder(tmp_path), question)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation_function": "silu"}, "activation_function"),
        ({"n_head": 3}, "split"),
        ({"vocab_size": 6}, "shape"),
        ({"n_layer": 3}, "missing"),
        ({"n_layer": 1}, "unexpected"),
        ({"n_layer": 10**9}, "n_layer"),
        ({"rotary": True}, "'rotary'"),
        ({"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"dtype": "bfloat16"}, "bfloat16"),
        ({"tie_word_embeddings": False}, "lm_head"),
        ({"scale_attn_weights": "no"}, "true or false"),
    ],
)
def test_configurations_that_are_not_understood_are_refused(tmp_path, change, message):
    with pytest.raises(NetworkError, match=message):
        load(folder(tmp_path, {**CONFIG, **change}))


def test_tensors_that_are_not_understood_are_refused(tmp_path):
    weights = tensors()
    name = "transformer.h.0.mlp.c_fc.bias"
    for n, (wrong, message) in enumerate((
        ({**weights, name: weights[name].astype(np.float16)}, "float16"),
        ({**weights, name: weights[name] * np.float32(np.nan)}, "NaN"),
        ({**weights, name: weights[name][1:]}, "shape"),
        ({**weights, "extra": weights[name]}, "unexpected"),
        ({**weights, "h.0.mlp.c_fc.bias": weights[name]}, "twice"),
        ({k: v for k, v in weights.items() if k != name}, "missing"),
    )):  # fmt: skip
        with pytest.raises(NetworkError, match=message):
            load(folder(tmp_path / str(n), weights=wrong))
    whole = folder(tmp_path / "whole") / "model.safetensors"
    whole.write_bytes(whole.read_bytes()[:-5])
    with pytest.raises(NetworkError, match="not a complete safetensors"):
        load(whole.parent)


def test_stored_causal_masks_are_ignored(tmp_path):
    buffer = {"transformer.h.0.attn.bias": np.tri(LONGEST, dtype=np.float32)[None, None]}
    loaded = load(folder(tmp_path, weights={**tensors(), **buffer}))
    assert np.allclose(logits(loaded.network, IDS), reference(tensors(), IDS, ACTS["gelu_new"]), rtol=0, atol=1e-11)


def test_junk_anywhere_in_the_descriptions_is_read_or_refused_in_a_sentence(tmp_path):
    read_junk(folder(tmp_path, case=CASE), {"config.json": CONFIG, "case.json": CASE}, load)


def test_the_checker_knows_every_entry_of_a_configuration_that_is_read_here():
    assert not [name for name in (*INERT, *KNOWN) if not OTHERS.fullmatch(name) and name not in ALLOWED]


# --- networks without position embeddings ---------------------------------------------------------------------------


def without_positions():
    return {name: table for name, table in tensors().items() if not name.endswith("wpe.weight")}


def test_positions_that_are_said_to_be_none_add_nothing(tmp_path):
    weights = without_positions()
    loaded = load(folder(tmp_path / "n", {**CONFIG, "position_embedding_type": "none"}, weights))
    assert loaded.network.positions is None
    assert "positions are not embedded, as config.json says" in loaded.notes
    ids = np.array([[0, 1, 4, 1, 3], [2, 2, 0, 3, 1]])
    zeros = {**weights, "transformer.wpe.weight": np.zeros((LONGEST, D), np.float32)}
    expected = logits(load(folder(tmp_path / "zeros", None, zeros)).network, ids)
    assert np.array_equal(logits(loaded.network, ids), expected)


def test_positions_that_are_lost_do_not_silently_make_another_network(tmp_path):
    for config in (CONFIG, {**CONFIG, "position_embedding_type": "absolute"}):
        with pytest.raises(NetworkError, match=r"expected the position embeddings wpe\.weight .* got none; if the net"):
            load(folder(tmp_path / "n", config, without_positions()))
    with pytest.raises(NetworkError, match="says that positions are not embedded"):
        load(folder(tmp_path / "n", {**CONFIG, "position_embedding_type": "none"}, tensors()))
    for other in ("relative_key", None, [], 0):
        with pytest.raises(NetworkError, match="position_embedding_type should be one of absolute, none"):
            load(folder(tmp_path / "n", {**CONFIG, "position_embedding_type": other}, without_positions()))
