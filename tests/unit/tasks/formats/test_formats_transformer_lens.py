"""TransformerLens's names: the function of the architecture on random weights, by the loader and by the checker."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from flint import ctx
from json_junk import read_junk
from safetensors.numpy import save, save_file

from tasks import from_transformer_lens, save_folder
from tasks.checker import computations as checked
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.files import UnreadableError
from tasks.checker.formats import read
from tasks.commands.main import main
from tasks.formats import Question, load
from tasks.networks.interpreter import logits
from tasks.networks.readout import Argmax
from tasks.networks.sparse_transformer import NetworkError

CONFIG = {
    "n_layers": 2, "d_model": 6, "n_ctx": 5, "d_head": 4, "n_heads": 2, "d_mlp": 7, "d_vocab": 3, "act_fn": "relu",
    "eps": 1e-5, "normalization_type": "LN", "attention_dir": "causal", "positional_embedding_type": "standard",
    "attn_only": False, "use_attn_scale": True, "seed": 3, "device": "cpu", "dtype": "torch.float32",
}  # fmt: skip
GPT2 = {
    "model_type": "gpt2", "n_layer": 2, "n_embd": 6, "n_positions": 5, "n_head": 2, "n_inner": 7, "vocab_size": 3,
    "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
}  # fmt: skip
CASE = {
    "name": "toy",
    "architecture": {
        "kind": "causal transformer, pre-norm LayerNorm, relu MLP, learned positions", "n_layer": 2, "n_head": 2,
        "head_size": 4, "d_model": 6, "mlp_width": 7, "n_positions": 5, "vocab_size": 3, "causal": True,
        "constants": {"layer_norm_eps": 1e-5, "attention_scale": 0.5},
    },
    "tokens": {"a": 0, "b": 1, "=": 2},
    "input": {"sequence": "<x> then symbols"},
    "read_out": {"kind": "argmax_last"},
}  # fmt: skip
IDS = np.array([[0, 1, 2, 1, 0], [2, 2, 0, 1, 1], [1, 0, 0, 2, 2]])
ACTS = {
    "relu": lambda u: np.maximum(u, 0),
    "gelu": lambda u: u / 2 * (1 + np.vectorize(math.erf)(u / math.sqrt(2))),
    "gelu_new": lambda u: u / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3))),
}


def sizes(config):
    heads, head = config.get("n_heads", 2), config["d_head"]
    outputs = config.get("d_vocab_out", config["d_vocab"])
    return config["d_model"], heads, head, config["d_mlp"], config["d_vocab"], outputs


def tensors(config, *, without=(), turned=False):
    """Random tensors under TransformerLens's names."""
    rng, (d, heads, head, inner, vocabulary, outputs) = np.random.default_rng(0), sizes(config)
    shapes = {"embed.W_E": (vocabulary, d), "pos_embed.W_pos": (config["n_ctx"], d)}
    shapes |= {"unembed.W_U": (d, outputs), "unembed.b_U": (outputs,)}
    norms = ["ln_final"]
    for at in (f"blocks.{n}." for n in range(config["n_layers"])):
        norms += [f"{at}ln1"] if config.get("attn_only") else [f"{at}ln1", f"{at}ln2"]
        shapes |= {f"{at}attn.W_{part}": (heads, d, head) for part in "QKV"}
        shapes |= {f"{at}attn.b_{part}": (heads, head) for part in "QKV"}
        shapes |= {f"{at}attn.W_O": (heads, head, d), f"{at}attn.b_O": (d,)}
        if not config.get("attn_only"):
            shapes |= {f"{at}mlp.W_in": (d, inner), f"{at}mlp.b_in": (inner,)}
            shapes |= {f"{at}mlp.W_out": (inner, d), f"{at}mlp.b_out": (d,)}
    kind = config["normalization_type"]
    parts = {"LN": "wb", "RMS": "w"}.get(kind, "")
    shapes |= {f"{norm}.{part}": (d,) for norm in norms for part in parts}
    drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    drawn = {name: tensor for name, tensor in drawn.items() if not any(part in name for part in without)}
    if turned:
        for name in drawn:
            if name.startswith("blocks") and ".W_" in name and name[-1] in "QKV":
                drawn[name] = np.ascontiguousarray(drawn[name].transpose(0, 2, 1))
            elif name.endswith("W_O"):
                drawn[name] = np.ascontiguousarray(drawn[name].reshape(-1, d).T)
            elif name.endswith(("W_in", "W_out", "W_E")):
                drawn[name] = np.ascontiguousarray(drawn[name].T)
    return drawn


def folder(path, *, config=CONFIG, case=None, weights=None):
    path.mkdir(exist_ok=True)
    if config is not None:
        (path / "config.json").write_text(json.dumps(config))
    if case is not None:
        (path / "case.json").write_text(json.dumps(case))
    save_file(tensors(CONFIG) if weights is None else weights, path / "model.safetensors")
    return path


def reference(config, weights, ids):
    """The forward pass in the words of the library's documentation, head by head."""
    w = {name: tensor.astype(float) for name, tensor in weights.items()}
    kind, eps, (_, heads, head, *_) = config["normalization_type"], config.get("eps", 1e-5), sizes(config)

    def norm(x, name):
        if kind is None:
            return x
        y = x - x.mean(-1, keepdims=True) if kind.startswith("LN") else x
        y = y / np.sqrt((y**2).mean(-1, keepdims=True) + eps)
        return y * w.get(f"{name}.w", 1.0) + w.get(f"{name}.b", 0.0)

    x = w["embed.W_E"][ids] + w["pos_embed.W_pos"][: ids.shape[1]]
    for n in range(config["n_layers"]):
        at, added = f"blocks.{n}.attn.", 0.0
        u = norm(x, f"blocks.{n}.ln1")
        for h in range(heads):
            q, k, v = (
                u @ w[f"{at}W_{part}"][h] + (w[f"{at}b_{part}"][h] if f"{at}b_{part}" in w else 0.0) for part in "QKV"
            )
            scores = np.einsum("nid,njd->nij", q, k)
            scores = scores / math.sqrt(head) if config.get("use_attn_scale", True) else scores
            scores = scores / (n + 1) if config.get("scale_attn_by_inverse_layer_idx") else scores
            if config["attention_dir"] == "causal":
                scores = np.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -np.inf)
            p = np.exp(scores - scores.max(-1, keepdims=True))
            added = added + (p / p.sum(-1, keepdims=True)) @ v @ w[f"{at}W_O"][h]
        x = x + added + w.get(f"{at}b_O", 0.0)
        if not config.get("attn_only"):
            u, at = norm(x, f"blocks.{n}.ln2"), f"blocks.{n}.mlp."
            hidden = ACTS[config["act_fn"]](u @ w[f"{at}W_in"] + w.get(f"{at}b_in", 0.0))
            x = x + hidden @ w[f"{at}W_out"] + w.get(f"{at}b_out", 0.0)
    return norm(x, "ln_final") @ w["unembed.W_U"] + w.get("unembed.b_U", 0.0)


def of_checker(path, ids):
    """The checker's logits from the same files, by its own reader."""
    files = {file.name: file.read_bytes() for file in path.iterdir()}
    with ctx.workprec(80):
        found = read("transformer_lens", files, "real")
        rows = checked.logits(found.network, Arithmetic(ROUNDOFF["real"]), [tuple(map(int, row)) for row in ids])
        return found, np.array([[[float(v.mid()) for v in row] for row in prompt] for prompt in rows])


def agree(path, expected):
    loaded = load(path)
    assert loaded.format == "transformer_lens"
    assert np.allclose(logits(loaded.network, IDS), expected, rtol=0, atol=1e-11)
    found, numbers = of_checker(path, IDS)
    assert np.allclose(numbers, expected, rtol=0, atol=1e-9)
    assert (found.tokens, found.name or path.name) == (loaded.vocabulary, loaded.name)
    return loaded


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"attention_dir": "bidirectional", "act_fn": "gelu"},
        {"normalization_type": "LNPre", "act_fn": "gelu_new"},
        {"normalization_type": None},
        {"normalization_type": "RMS"},
        {"normalization_type": "RMSPre", "d_vocab_out": 2},
        {"attn_only": True, "act_fn": None},
        {"attn_only": True, "normalization_type": None, "n_layers": 1},
        {"d_vocab_out": 4, "eps": 0.5},
        {"n_heads": 1, "d_head": 6, "d_mlp": 1},
    ],
)
def test_the_function_is_that_of_the_architecture(tmp_path, change):
    config = {**CONFIG, **change}
    weights = tensors(config)
    loaded = agree(folder(tmp_path / "net", config=config, weights=weights), reference(config, weights, IDS))
    outputs = config.get("d_vocab_out", 3)
    assert loaded.readout == Argmax(tuple(f"#{n}" for n in range(outputs)), tuple(range(outputs)))
    assert (loaded.domain.min_length, loaded.domain.max_length) == (1, 5)


@pytest.mark.parametrize(
    "change", [{"use_attn_scale": False}, {"scale_attn_by_inverse_layer_idx": True}, {"attn_scale": 3.0}]
)
def test_other_scales_of_attention_are_read_and_not_certified(tmp_path, change):
    config = {**CONFIG, **change}
    path = folder(tmp_path / "net", config=config)
    expected = reference({**config, "d_head": 4}, tensors(CONFIG), IDS)
    if "attn_scale" not in change:
        assert np.allclose(logits(load(path).network, IDS), expected, rtol=0, atol=1e-11)
    else:
        assert load(path).network.steps[0].steps[1].scale == pytest.approx(1 / 3)
    with pytest.raises(UnreadableError, match=r"config\.json: not understood"):
        of_checker(path, IDS)


def test_lengths_and_heads_that_are_left_to_the_library_have_its_defaults(tmp_path):
    config = {
        name: value for name, value in CONFIG.items() if name not in ("n_heads", "eps", "use_attn_scale", "device")
    }
    config |= {"d_head": 3, "d_mlp": None}
    filled = {**config, "n_heads": 2, "d_mlp": 24}
    weights = tensors(filled)
    agree(folder(tmp_path / "net", config=config, weights=weights), reference(filled, weights, IDS))


def test_biases_that_are_not_stored_are_zero_and_it_is_said(tmp_path):
    weights = tensors(CONFIG, without=(".b_",))
    loaded = agree(folder(tmp_path / "net", weights=weights), reference(CONFIG, weights, IDS))
    assert any(note.startswith("biases that are not stored are zero: unembed.b_U, blocks.0") for note in loaded.notes)


def test_buffers_and_copies_of_the_embedding_are_not_used(tmp_path):
    weights = tensors(CONFIG)
    expected = reference(CONFIG, weights, IDS)
    more = {"x_embed": weights["embed.W_E"].copy()}
    for n in range(2):
        more |= {f"blocks.{n}.attn.mask": np.tril(np.ones((5, 5), bool))}
        more |= {f"blocks.{n}.attn.IGNORE": np.array(-np.inf, np.float32)}
    loaded = agree(folder(tmp_path / "net", weights={**weights, **more}), expected)
    assert "x_embed is a copy of embed.W_E, and not used" in loaded.notes
    more["x_embed"][0, 0] += 1
    with pytest.raises(NetworkError, match="unexpected: x_embed"):
        load(folder(tmp_path / "net", weights={**weights, **more}))
    with pytest.raises(UnreadableError, match="unknown tensor 'x_embed'"):
        of_checker(tmp_path / "net", IDS)


WRITTEN = {  # by TransformerLens 3.9.0, of a HookedTransformer made of CONFIG's sizes
    "d_model": 6, "d_head": 4, "n_layers": 2, "n_ctx": 5, "n_heads": 2, "d_mlp": 7, "d_vocab": 3, "device": "cpu",
    "use_attn_result": False, "use_split_qkv_input": False, "default_prepend_bos": True,
    "positional_embedding_type": "standard", "n_key_value_heads": None, "attn_only": False, "gated_mlp": False,
    "uses_rms_norm": False, "eps": 1e-05, "layer_norm_folding": False, "act_fn": "relu", "normalization_type": "LN",
    "num_experts": None, "experts_per_token": None, "final_rms": False, "model_name": "custom", "use_attn_scale": True,
    "attn_scale": 2.0, "use_hook_mlp_in": False, "use_attn_in": False, "use_qk_norm": False, "clip_qkv": None,
    "use_logn_attn": False, "train_seq_length": None, "use_dynamic_ntk_rope": False, "use_local_attn": False,
    "ungroup_grouped_query_attention": False, "original_architecture": None, "from_checkpoint": False,
    "checkpoint_index": None, "checkpoint_label_type": None, "checkpoint_value": None, "tokenizer_name": None,
    "window_size": None, "attn_types": None, "init_mode": "gpt2", "n_devices": 1, "attention_dir": "causal",
    "seed": None, "initializer_range": 0.3265986323710904, "init_weights": True,
    "scale_attn_by_inverse_layer_idx": False, "d_vocab_out": 3, "parallel_attn_mlp": False, "rotary_dim": None,
    "n_params": 552, "use_hook_tokens": False, "tokenizer_prepends_bos": None, "post_embedding_ln": False,
    "rotary_base": 10000, "rotary_base_local": None, "rotary_scaling_factor": 1.0, "trust_remote_code": False,
    "rotary_adjacent_pairs": False, "load_in_4bit": False, "quantization_method": None,
    "relative_attention_max_distance": None, "relative_attention_num_buckets": None, "decoder_start_token_id": None,
    "tie_word_embeddings": False, "use_normalization_before_and_after": False, "attn_scores_soft_cap": -1.0,
    "output_logits_soft_cap": -1.0, "use_NTK_by_parts_rope": False, "NTK_by_parts_low_freq_factor": 1.0,
    "NTK_by_parts_high_freq_factor": 4.0, "NTK_by_parts_factor": 8.0, "NTK_original_ctx_len": 8192,
    "use_yarn_rope": False, "yarn_factor": 1.0, "yarn_attention_factor": 1.0, "yarn_beta_fast": 32.0,
    "yarn_beta_slow": 1.0, "yarn_original_max_position_embeddings": 4096, "yarn_truncate": True,
    "yarn_global_attn_only": False, "rmsnorm_uses_offset": False, "use_attention_sinks": False,
    "norm_topk_prob": False,
}  # fmt: skip


def test_what_the_third_version_of_the_library_writes_is_read_and_certifiable(tmp_path):
    weights = tensors(CONFIG)
    more = {f"blocks.{n}.attn.mask": np.zeros((0, 0), bool) for n in range(2)}
    more |= {f"blocks.{n}.attn.IGNORE": np.array(-np.inf, np.float32) for n in range(2)}
    agree(folder(tmp_path / "net", config=WRITTEN, weights={**weights, **more}), reference(CONFIG, weights, IDS))
    loaded = from_transformer_lens(WRITTEN, {**weights, **more})
    assert np.array_equal(logits(loaded.network, IDS), logits(load(tmp_path / "net").network, IDS))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"clip_qkv": 8.0}, "only clip_qkv = None"),
        ({"use_logn_attn": True}, "only use_logn_attn = False"),
        ({"use_attention_sinks": True}, "only use_attention_sinks = False"),
        ({"new_trick": 1, "another": None}, "unknown entries 'another', 'new_trick'"),
    ],
)
def test_what_else_that_version_knows_is_refused_and_all_unknown_entries_named(tmp_path, change, said):
    path = folder(tmp_path / "net", config={**WRITTEN, **change})
    with pytest.raises(NetworkError, match=said):
        load(path)
    with pytest.raises(UnreadableError):
        of_checker(path, IDS)


def test_a_finite_score_of_unseen_rows_is_said_and_another_mask_refused(tmp_path):
    weights = {**tensors(CONFIG), "blocks.0.attn.IGNORE": np.array(-1e5, np.float32)}
    loaded = agree(folder(tmp_path / "net", weights=weights), reference(CONFIG, weights, IDS))
    assert "rows that are not seen have no weight here, in the library the score -100000" in loaded.notes
    both = {**CONFIG, "attention_dir": "bidirectional"}
    assert not any("not seen" in note for note in load(folder(tmp_path / "both", config=both, weights=weights)).notes)
    for mask in (np.triu(np.tril(np.ones((5, 5))), -1), np.ones((5, 5)), np.ones((4, 4))):
        weights["blocks.1.attn.mask"] = mask.astype(np.float32)
        with pytest.raises(NetworkError, match=r"blocks\.1\.attn\.mask should hide the later rows and no others"):
            load(folder(tmp_path / "net", weights=weights))


@pytest.mark.parametrize("kind", ["LN", None])
def test_the_maps_of_the_first_such_networks_are_stored_as_out_and_in(tmp_path, kind):
    config = {**CONFIG, "normalization_type": kind}
    path = folder(tmp_path / "net", config=config, weights=tensors(config, turned=True))
    agree(path, reference(config, tensors(config), IDS))


@pytest.mark.parametrize("tied", [True, False])
def test_a_gpt2_under_these_names_has_the_function_of_a_gpt2(tmp_path, tied):
    config = {**CONFIG, "d_head": 3, "act_fn": "gelu_new"}
    weights = tensors(config, without=("unembed",) if tied else ("b_U",))
    whole = {**weights, "unembed.W_U": weights["embed.W_E"].T} if tied else weights
    agree(folder(tmp_path / "net", config=GPT2, weights=weights), reference(config, whole, IDS))


def test_a_gpt2_of_whose_layers_only_the_names_are_changed_is_one(tmp_path):
    config = {**CONFIG, "d_head": 3, "act_fn": "gelu_new"}
    weights = tensors(config, without=("unembed",))
    expected = reference(config, {**weights, "unembed.W_U": weights["embed.W_E"].T}, IDS)
    joined = {name: tensor for name, tensor in weights.items() if ".attn." not in name}
    for n in range(2):
        at = f"blocks.{n}.attn."
        maps = [weights[f"{at}W_{part}"].transpose(1, 0, 2).reshape(6, 6) for part in "QKV"]
        joined[f"{at}c_attn.weight"] = np.concatenate(maps, axis=1)
        joined[f"{at}c_attn.bias"] = np.concatenate([weights[f"{at}b_{part}"].ravel() for part in "QKV"])
        joined |= {f"{at}c_proj.weight": weights[f"{at}W_O"].reshape(6, 6), f"{at}c_proj.bias": weights[f"{at}b_O"]}
    joined["blocks.0.attn.bias"] = np.tril(np.ones((1, 1, 5, 5), bool))  # a mask that old versions stored
    for change in ({}, {"unembed.W_U": np.ascontiguousarray(joined["embed.W_E"].T)}):
        path = folder(tmp_path / "net", config=GPT2, weights={**joined, **change})
        loaded = load(path)
        assert loaded.format == "gpt2"
        assert np.allclose(logits(loaded.network, IDS), expected, rtol=0, atol=1e-11)
        files = {file.name: file.read_bytes() for file in path.iterdir()}
        with ctx.workprec(80):
            found = read("gpt2", files, "real").network
            rows = checked.logits(found, Arithmetic(ROUNDOFF["real"]), [tuple(map(int, row)) for row in IDS])
        assert np.allclose([[[float(v.mid()) for v in row] for row in p] for p in rows], expected, rtol=0, atol=1e-9)


def test_a_case_alone_describes_the_network_its_tokens_and_its_read_out(tmp_path):
    weights = tensors(CONFIG)
    loaded = agree(folder(tmp_path / "net", config=None, case=CASE, weights=weights), reference(CONFIG, weights, IDS))
    assert (loaded.name, loaded.vocabulary, loaded.readout.names) == ("toy", ("a", "b", "="), ("a", "b", "="))
    numbers = {**CASE, "tokens": {"0..1": "the number itself", "=": 2}, "input": {"sequence": "0 , b = 1 ="}}
    loaded = load(folder(tmp_path / "numbers", config=None, case=numbers, weights=weights))
    assert (loaded.vocabulary, loaded.prefix, loaded.suffix) == (("0", "1", "="), (), ("=",))
    assert of_checker(tmp_path / "numbers", IDS)[0].tokens == loaded.vocabulary


def test_a_read_out_at_every_position_is_read_so(tmp_path):
    case = {**CASE, "read_out": {"kind": "categorical", "position": "every position"}, "input": {"sequence": "= then"}}
    loaded = load(folder(tmp_path / "net", config=None, case=case))
    assert loaded.readout == Argmax(("a", "b", "="), (0, 1, 2), "every")
    assert (loaded.prefix, loaded.domain.min_length, loaded.domain.max_length) == (("=",), 1, 4)
    case = {**CASE, "read_out": {"kind": "beam_search"}}
    with pytest.raises(NetworkError, match="unknown read-out 'beam_search'"):
        load(folder(tmp_path / "net", config=None, case=case))
    assert load(tmp_path / "net", Question(readout="argmax")).readout.position == "last"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"positional_embedding_type": "rotary"},
            "only positional_embedding_type = 'standard' or 'none' is understood, got 'rotary'",
        ),
        ({"positional_embedding_type": "shortformer"}, "got 'shortformer'"),
        ({"act_fn": "solu_ln"}, "act_fn should be one of relu, gelu, gelu_new"),
        ({"act_fn": "silu"}, "act_fn should be one of"),
        ({"act_fn": "gelu_fast"}, "act_fn should be one of"),
        ({"normalization_type": "softmax"}, "normalization_type should be one of LN, LNPre"),
        ({"attention_dir": "sideways"}, "attention_dir should be one of causal, bidirectional"),
        ({"parallel_attn_mlp": True}, "only parallel_attn_mlp = False"),
        ({"gated_mlp": True}, "only gated_mlp = False"),
        ({"use_local_attn": True}, "only use_local_attn = False"),
        ({"n_key_value_heads": 1}, "only n_key_value_heads = None"),
        ({"attn_scores_soft_cap": 30.0}, "only attn_scores_soft_cap = -1"),
        ({"final_rms": True}, "only final_rms = False"),
        ({"num_experts": 4}, "only num_experts = None"),
        ({"new_trick": 1}, "unknown entry 'new_trick'"),
        ({"attn_scale": 0}, "attn_scale should be a positive number"),
        ({"eps": 0.0}, "eps between 0 and 1"),
        ({"n_layers": 3}, "missing: blocks.2"),
        ({"n_layers": 10**6}, "1000000 layers"),
        ({"n_heads": 3}, "should have shape"),
        ({"normalization_type": "LNPre"}, "unexpected: blocks.0.ln1.b"),
        ({"normalization_type": "RMS"}, "unexpected: blocks.0.ln1.b"),
        ({"attn_only": True}, "unexpected: blocks.0.ln2.b"),
        ({"dtype": "bfloat16"}, "expected a network executed in float32, as stored, got 'bfloat16'"),
    ],
)
def test_what_the_network_type_cannot_say_is_refused_by_name(tmp_path, change, said):
    path = folder(tmp_path / "net", config={**CONFIG, **change})
    with pytest.raises(NetworkError) as error:
        load(path)
    assert said in str(error.value)
    with pytest.raises((UnreadableError, KeyError, TypeError)):
        of_checker(path, IDS)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("blocks.0.attn.W_K", "missing: blocks.0.attn.W_K"),
        ("unembed.W_U", "missing: unembed.W_U"),
        ("blocks.1.ln2.b", "missing: blocks.1.ln2.b"),
        ("embed.W_E", "missing: embed.W_E"),
    ],
)
def test_a_tensor_that_is_missing_or_unknown_is_named(tmp_path, name, said):
    weights = tensors(CONFIG)
    with pytest.raises(NetworkError, match=said):
        load(folder(tmp_path / "net", weights={n: t for n, t in weights.items() if n != name}))
    with pytest.raises(UnreadableError):
        of_checker(tmp_path / "net", IDS)
    weights["blocks.0.attn._W_K"] = weights["blocks.0.attn.W_K"]
    with pytest.raises(NetworkError, match=r"unexpected: blocks\.0\.attn\._W_K"):
        load(folder(tmp_path / "net", weights=weights))


def test_junk_in_the_descriptions_is_refused_or_read_but_never_stumbled_over(tmp_path):
    path = folder(tmp_path / "net")
    read_junk(path, {"config.json": CONFIG}, load)
    path = folder(tmp_path / "gpt2", config=GPT2, weights=tensors({**CONFIG, "d_head": 3}, without=("b_U",)))
    read_junk(path, {"config.json": GPT2}, load)
    path = folder(tmp_path / "case", config=None, case=CASE)
    read_junk(path, {"case.json": CASE}, load)


def test_broken_weights_under_these_names_are_the_files_own_error(tmp_path):
    path = folder(tmp_path / "net", config=None, case=CASE)
    (path / "model.safetensors").write_bytes(save(tensors(CONFIG)) + b"\0")
    with pytest.raises(NetworkError, match="bytes after the last tensor"):
        load(path)
    path = folder(tmp_path / "empty")
    (path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    with pytest.raises(NetworkError, match="the weights file has no tensors"):
        load(path)
    path = folder(tmp_path / "unmarked", config=None, case=CASE)
    for content, said in (((2).to_bytes(8, "little") + b"{}", "has no tensors"), (b"", "the file is empty")):
        (path / "model.safetensors").write_bytes(content)
        with pytest.raises(NetworkError, match=f"{said}.*no known network format"):
            load(path)


def test_a_run_ends_in_a_certificate_that_checks(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = folder(tmp_path / "first", config=None, case=without("input"), weights=looks_back())
    codes = []
    for arguments in (["run", str(path), "--length", "4", "--out", "c", "--suffix", "="], ["check", "c"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        codes.append(ended.value.code)
    printed = capsys.readouterr()
    assert codes == [0, 0], printed
    assert "the program equals the transformer_lens network first on all 30 sequences" in printed.out


def without(*entries):
    """A description that leaves these entries, and so the choice, to the user."""
    return {name: value for name, value in {**CASE, "name": "first"}.items() if name not in entries}


def looks_back():
    """A network of which the answer is ``a`` where there is an ``a``, by the second head of its first layer."""
    weights = {name: np.zeros_like(tensor) for name, tensor in tensors(CONFIG).items()}
    for name in weights:
        if name.endswith(".w"):
            weights[name] += 1
    weights["embed.W_E"][:, :3] = np.eye(3) * 2 - 1
    weights["blocks.0.attn.W_K"][1, 0, 0], weights["blocks.0.attn.b_Q"][1, 0] = 12.0, 4.0
    weights["blocks.0.attn.W_V"][1, 0, 0], weights["blocks.0.attn.W_O"][1, 0, 3] = 4.0, 4.0
    weights["unembed.W_U"][3, 0], weights["unembed.W_U"][3, 1] = 4.0, -4.0
    weights["unembed.b_U"][2] = -50.0
    return weights


def test_positions_that_are_said_to_be_none_add_nothing_and_lost_ones_are_refused(tmp_path):
    weights = {name: table for name, table in tensors(CONFIG).items() if name != "pos_embed.W_pos"}
    none = {**CONFIG, "positional_embedding_type": "none"}
    loaded = load(folder(tmp_path / "n", config=none, weights=weights))
    assert loaded.network.positions is None
    zeros = {**weights, "pos_embed.W_pos": np.zeros_like(tensors(CONFIG)["pos_embed.W_pos"])}
    ids = np.array([[0, 1, 1]])
    expected = logits(load(folder(tmp_path / "zeros", weights=zeros)).network, ids)
    assert np.array_equal(logits(loaded.network, ids), expected)
    for config, stored in ((CONFIG, weights), (none, zeros)):
        with pytest.raises(NetworkError, match="positions"):
            load(folder(tmp_path / "n", config=config, weights=stored))


@dataclass
class HookedConfig:
    """What a HookedTransformer has as ``cfg``, some of it."""

    n_layers: int = 2
    d_model: int = 6
    n_ctx: int = 5
    d_head: int = 4
    n_heads: int = 2
    d_mlp: int = 7
    d_vocab: int = 3
    act_fn: str = "relu"
    normalization_type: str = "LN"
    dtype: object = torch.float32


@pytest.mark.parametrize("config", [CONFIG, HookedConfig()])
def test_a_state_dict_is_the_network_of_its_folder(config, tmp_path):
    stored = tensors(CONFIG)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_file(stored, tmp_path / "model.safetensors")
    loaded = from_transformer_lens(
        config, {name: torch.from_numpy(tensor) for name, tensor in stored.items()},
        vocabulary=("a", "b", "="), suffix=("=",), answers=("a", "b"),
    )  # fmt: skip
    assert np.array_equal(logits(loaded.network, IDS), logits(load(tmp_path).network, IDS))
    assert loaded.domain.alphabet == ("a", "b")
    assert loaded.declared.readout == Argmax(("a", "b"), (0, 1))
    again = load(save_folder(loaded, tmp_path / "steps"))
    assert np.array_equal(logits(again.network, IDS), logits(loaded.network, IDS))


def test_a_state_dict_in_half_precision_is_widened_and_a_strange_one_refused():
    stored = {name: torch.from_numpy(tensor).bfloat16() for name, tensor in tensors(CONFIG).items()}
    loaded = from_transformer_lens(CONFIG | {"dtype": torch.bfloat16}, stored)
    assert np.array_equal(loaded.network.tokens, stored["embed.W_E"].double().numpy())
    assert "nothing is said of executions in bfloat16" in " ".join(loaded.notes)
    with pytest.raises(NetworkError, match="unknown entry 'jump'"):
        from_transformer_lens(CONFIG | {"jump": 1}, stored)
    with pytest.raises(NetworkError, match=r"blocks\.0\.attn\.W_Q"):
        from_transformer_lens(CONFIG, {name: t for name, t in stored.items() if name != "blocks.0.attn.W_Q"})
