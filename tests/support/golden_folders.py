"""Small folders for the golden commands, one or two of every format that is read, and some that are refused.

Everything is written from numbers in this file alone: by hand where a network should have a short program, else drawn
from a fixed seed. Nothing of the project is imported, so that the folders stay while its modules move.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

Tensors = dict[str, NDArray[Any]]
Shapes = dict[str, tuple[int, ...]]


def write(name: str, parent: Path) -> Path:
    """The folder ``name`` of ``FOLDERS``, in ``parent``."""
    folder = parent / name
    folder.mkdir()
    FOLDERS[name](folder)
    return folder


def _files(folder: Path, texts: Mapping[str, object], tensors: Tensors | None = None, dtype: type = np.float32) -> None:
    for name, content in texts.items():
        (folder / name).write_text(json.dumps(content))
    if tensors is not None:
        stored = {name: np.ascontiguousarray(array.astype(dtype)) for name, array in tensors.items()}
        save_file(stored, folder / ("weights.safetensors" if "circuit.json" in texts else "model.safetensors"))


def _drawn(seed: int, shapes: Shapes) -> Tensors:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


# --- circuits -------------------------------------------------------------------------------------------------------

SPARSE = {
    "vocab_size": 4, "n_layer": 1, "n_head": 1, "d_head": 2, "d_model": 4, "d_mlp": 3, "block_size": 8, "norm": "rms",
    "norm_eps": 1e-5, "activation": "gelu", "top_k_fraction": 0.5, "sink": True, "positions": False, "bigram": False,
    "top_k_sites": ["attn_in", "attn_q", "attn_k", "attn_v", "attn_out", "mlp_in", "mlp_neuron", "mlp_out"],
}  # fmt: skip


def _sparse_shapes(c: Mapping[str, Any]) -> Shapes:
    width, d, inner = c["n_head"] * c["d_head"], c["d_model"], c["d_mlp"]
    shapes: Shapes = {"transformer.wte.weight": (c["vocab_size"], d), "transformer.ln_f.weight": (d,)}
    if c["positions"]:
        shapes["transformer.wpe.weight"] = (c["block_size"], d)
    for n in range(c["n_layer"]):
        at = f"transformer.h.{n}."
        maps = {"attn.c_attn": (3 * width, d), "attn.c_proj": (d, width)}
        maps |= {"mlp.c_fc": (inner, d), "mlp.c_proj": (d, inner)}
        for name, shape in maps.items():
            shapes |= {f"{at}{name}.weight": shape, f"{at}{name}.bias": shape[:1]}
        shapes |= {f"{at}ln_1.weight": (d,), f"{at}ln_2.weight": (d,), f"{at}attn.attn_imp.sink_logit": (c["n_head"],)}
    return shapes | {"lm_head.weight": (c["vocab_size"], d), "final_logits_bias": (c["vocab_size"],)}


def _site_widths(c: Mapping[str, Any]) -> dict[str, int]:
    width, d = c["n_head"] * c["d_head"], c["d_model"]
    sizes = {"attn.act_in": d, "attn.q": width, "attn.k": width, "attn.v": width, "attn.resid_delta": d}
    sizes |= {"mlp.act_in": d, "mlp.post_act": c["d_mlp"], "mlp.resid_delta": d}
    return {f"{n}.{site}": size for n in range(c["n_layer"]) for site, size in sizes.items()} | {"final_resid": d}


def _circuit(seed: int, **changes: object) -> Callable[[Path], None]:
    """A circuit of random weights: three labels, no node pruned but the odd ones of two sites."""

    def make(folder: Path) -> None:
        config = SPARSE | changes
        sites = _site_widths(config)
        tensors = _drawn(seed, _sparse_shapes(config) | {f"mean:{site}": (size,) for site, size in sites.items()})
        kept = {site: [*range(0, size, 2 if "act_in" in site else 1)] for site, size in sites.items()}
        said = {
            "name": "drawn", "summary": "random weights", "config": config, "vocabulary": ["a", "b", "c", "<s>"],
            "prefix": ["<s>"], "labels": ["a", "b", "c"], "kept": kept, "card": {},
            "domain": {"alphabet": ["a", "b"], "min_length": 1, "max_length": 5, "constraint": None},
        }  # fmt: skip
        _files(folder, {"circuit.json": said}, tensors)

    return make


def _circuit_sparsity(is_pruned: bool) -> Callable[[Path], None]:
    """A model, and a circuit of it beside it, as circuit_sparsity stores them."""

    def make(folder: Path) -> None:
        config = SPARSE | {"positions": True, "block_size": 4, "vocab_size": 3}
        sites = _site_widths(config)
        names = ("vocab_size", "n_layer", "n_head", "d_head", "d_model", "d_mlp", "block_size", "sink")
        said = {name: config[name] for name in names} | {"rms_norm": True, "activation_type": "gelu", "bias": True}
        _files(folder, {"beeg_config.json": said | {"tied_unembed": False}})
        _torch(folder / "final_model.pt", _drawn(3, _sparse_shapes(config)))
        if is_pruned:
            nodes = {site: torch.arange(0, size, 2) for site, size in sites.items()}
            torch.save({"circuit_data": nodes, "importances": {}}, folder / "viz_data.pt")
            _torch(folder / "mean_baseline_pretrain.pt", _drawn(4, {site: (size,) for site, size in sites.items()}))

    return make


def _torch(path: Path, tensors: Tensors) -> None:
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, path)


# --- Dyck transformers and GPT-2 ------------------------------------------------------------------------------------


def _dyck(length: int, bias: float) -> Callable[[Path], None]:
    """A pooled transformer whose answer is whether there are more ``(`` than ``)``, by more than ``bias``."""

    def make(folder: Path) -> None:
        config = {"n": length, "d": 2, "heads": 1, "ff": 1, "layers": 1, "causal": True, "pool": "sum"}
        tensors = {"pos": np.zeros((length, 2)), "tok.weight": np.array([[1.0, 0.0], [-1.0, 0.0]])}
        tensors |= {f"blocks.0.W{part}.weight": np.zeros((2, 2)) for part in "qkvo"}
        tensors |= {"blocks.0.mlp1.weight": np.zeros((1, 2)), "blocks.0.mlp1.bias": np.zeros(1)}
        tensors |= {"blocks.0.mlp2.weight": np.zeros((2, 1)), "blocks.0.mlp2.bias": np.zeros(2)}
        tensors |= {"h1.weight": np.array([[1.0, 0.0], [0.0, 0.0]]), "h1.bias": np.zeros(2)}
        tensors |= {"h2.weight": np.array([[0.0, 0.0], [1.0, 0.0]]), "h2.bias": np.array([bias, 0.0])}
        _files(folder, {"config.json": config}, tensors)

    return make


def _gpt2_config(**changes: object) -> dict[str, Any]:
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 3, "n_positions": 60}
    config |= {"n_embd": 4, "n_layer": 1, "n_head": 1, "n_inner": 2, "activation_function": "gelu_new"}
    return config | {"layer_norm_epsilon": 1e-5, "dtype": "float32", "tie_word_embeddings": False, **changes}


def _gpt2_lead(layers: int = 1) -> tuple[dict[str, Any], Tensors]:
    """The answer is a where there are more a than b, else b; positions matter little."""
    rng, width = np.random.default_rng(0), 4
    value, back = np.zeros((width, 3 * width)), np.zeros((width, width))
    value[0, 2 * width], value[2, 2 * width] = 1.0, -0.3  # a for, b against, and a little the start
    back[0, 2], back[0, 3] = 4.0, -4.0
    places = rng.normal(scale=1e-4, size=(60, width))
    tensors = {"transformer.wte.weight": np.array([[1.0, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1]])}
    tensors["transformer.wpe.weight"] = places
    for n in range(layers):
        maps = {"attn.c_attn": value, "attn.c_proj": back if n == 0 else 0.01 * back}
        maps |= {"mlp.c_fc": np.zeros((width, 2)), "mlp.c_proj": np.zeros((2, width))}
        for name, array in maps.items():
            tensors |= {f"transformer.h.{n}.{name}.weight": array}
            tensors |= {f"transformer.h.{n}.{name}.bias": np.zeros(array.shape[1])}
        for norm in ("ln_1", "ln_2"):
            tensors |= {f"transformer.h.{n}.{norm}.weight": np.ones(width)}
            tensors |= {f"transformer.h.{n}.{norm}.bias": np.zeros(width)}
    tensors |= {"transformer.ln_f.weight": np.ones(width), "transformer.ln_f.bias": np.zeros(width)}
    tensors |= {"lm_head.weight": np.array([[0, 0, 1.0, -1], [0, 0, -1, 1], [0, 0, 0, 0]])}
    return _gpt2_config(n_layer=layers), tensors


LEAD_CASE = {
    "name": "lead", "tokens": {"a": 0, "b": 1, "<bos>": 2}, "input": {"sequence": "<bos> then the symbols"},
    "read_out": {"kind": "argmax_last"}, "language": {"alphabet": ["a", "b"]},
}  # fmt: skip


def _gpt2(layers: int = 1, parts: bool = False, dtype: type = np.float32) -> Callable[[Path], None]:
    """``parts``: in two files with an index."""

    def make(folder: Path) -> None:
        config, tensors = _gpt2_lead(layers)
        said = {"config.json": config | {"dtype": np.dtype(dtype).name}, "case.json": LEAD_CASE}
        _files(folder, said, None if parts else tensors, dtype)
        if parts:
            stored = {name: np.ascontiguousarray(array.astype(dtype)) for name, array in tensors.items()}
            files = {name: f"model-0000{1 + n % 2}-of-00002.safetensors" for n, name in enumerate(stored)}
            for file in sorted({*files.values()}):
                save_file({name: stored[name] for name in stored if files[name] == file}, folder / file)
            index = {"metadata": {}, "weight_map": files}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return make


def _gpt2_language(folder: Path) -> None:
    """A set of next tokens after prefixes of the language "no a after a b", of random weights."""
    d, inner, vocabulary = 4, 3, 4
    shapes: Shapes = {"wte.weight": (vocabulary, d), "wpe.weight": (8, d)}
    maps = {"attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d), "mlp.c_fc": (d, inner), "mlp.c_proj": (inner, d)}
    for name, shape in maps.items():
        shapes |= {f"h.0.{name}.weight": shape, f"h.0.{name}.bias": shape[1:]}
    shapes |= {f"h.0.{norm}.{part}": (d,) for norm in ("ln_1", "ln_2") for part in ("weight", "bias")}
    shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,), "lm_head.weight": (vocabulary, d)}
    case = {
        "name": "words", "tokens": {"a": 0, "b": 1, "<bos>": 2, "<eos>": 3},
        "language": {"words": "no a after a b", "alphabet": ["a", "b"], "start": "q", "states": ["p", "q"],
                     "transitions": {"q": {"a": "q", "b": "p"}, "p": {"b": "p"}}},
        "input": {"sequence": "<bos> then the symbols"}, "read_out": {"kind": "next_token_set"},
    }  # fmt: skip
    config = _gpt2_config(vocab_size=vocabulary, n_positions=8, n_inner=inner)
    _files(folder, {"config.json": config, "case.json": case}, _drawn(5, shapes))


# --- tracr, sparsemax, TransformerLens ------------------------------------------------------------------------------


def _tracr(kind: str) -> Callable[[Path], None]:
    """Random weights; columns 1 and 4 of the residual stream are read at every place."""

    def make(folder: Path) -> None:
        d, size, inner = 6, 2, 3
        shapes: Shapes = {"token_embed/embeddings": (4, d), "pos_embed/embeddings": (5, d)}
        maps = {f"attn/{part}": (d, size) for part in ("query", "key", "value")}
        maps |= {"attn/linear": (size, d), "mlp/linear_1": (d, inner), "mlp/linear_2": (inner, d)}
        for name, shape in maps.items():
            shapes |= {f"transformer/layer_0/{name}/w": shape, f"transformer/layer_0/{name}/b": shape[1:]}
        tensors = {name: 0.3 * array for name, array in _drawn(0, shapes).items()}
        tensors["token_embed/embeddings"][:, 1] += [0, 0, 2, -2]
        reading = {"kind": "categorical", "columns": [1, 4], "values": ["x", "y"]}
        case = {
            "name": "compiled",
            "architecture": {"num_layers": 1, "num_heads": 1, "key_size": size, "d_model": d, "mlp_hidden": inner,
                             "causal": False, "layer_norm": False, "activation": "relu"},
            "input": {"vocabulary": ["a", "b"], "encoding": {"BOS": 0, "compiler_pad": 1, "a": 2, "b": 3},
                      "max_length": 4},
            "read_out": reading if kind == "categorical" else {"kind": "numerical", "columns": [1]},
        }  # fmt: skip
        _files(folder, {"case.json": case}, tensors)

    return make


def _sparsemax(folder: Path) -> None:
    """The SMT-friendly layout: random weights, one task with two answers, and a circuit of a few edges for it."""
    d, heads, inner, vocabulary, length = 4, 2, 3, 5, 5
    same = {"vocab_size": vocabulary, "d_model": d, "n_layers": 1, "n_heads": heads, "norm_variant": "none"}
    same |= {"attn_variant": "sparsemax", "activation_variant": "leaky_relu"}
    config = same | {"max_seq_len": length, "d_mlp": inner, "bos_token_id": 1, "leaky_relu_negative_slope": 0.25}
    shapes: Shapes = {"wte": (vocabulary, d), "wpe": (length, d), "lm_head": (vocabulary, d)}
    shapes |= {f"attn_0_W_{part}": (d, d) for part in "qkvo"} | {f"attn_0_b_{part}": (d,) for part in "qkvo"}
    shapes |= {"mlp_0_W_up": (inner, d), "mlp_0_b_up": (inner,), "mlp_0_W_down": (d, inner), "mlp_0_b_down": (d,)}
    shapes |= {"lm_head_bias": (vocabulary,)}
    numbers = {name: array.astype(float).tolist() for name, array in _drawn(1, shapes).items()}
    edges = [("emb", "attn_0_h_1"), ("attn_0_h_1", "mlp_0"), ("emb", "logits"), ("mlp_0", "logits")]
    texts = {
        "config.json": config | {"use_bias": True},
        "smt_weights.json": same | {"d_ff": inner, "head_dim": d // heads} | numbers,
        "vocab.json": {"token_names": {"0": "<PAD>", "1": "<BOS>", "2": "<T>", "3": "x", "4": "y"},
                       "task_names": {"2": "copy"}, "task_to_candidates": {"2": [3, 4]}},
        "circuit_copy.json": {"granularity": "head", "ablation": "zero",
                              "edges": [{"source": source, "target": target} for source, target in edges]},
    }  # fmt: skip
    _files(folder, texts)


def _lens(is_configured: bool, direction: str = "causal") -> Callable[[Path], None]:
    """TransformerLens's names of random weights; without ``config.json`` all sizes stand in ``case.json``."""

    def make(folder: Path) -> None:
        d, heads, head, inner, vocabulary, longest = 4, 1, 4, 3, 3, 6
        shapes: Shapes = {"embed.W_E": (vocabulary, d), "pos_embed.W_pos": (longest, d)}
        shapes |= {f"blocks.0.attn.W_{part}": (heads, d, head) for part in "QKV"}
        shapes |= {f"blocks.0.attn.b_{part}": (heads, head) for part in "QKV"}
        shapes |= {"blocks.0.attn.W_O": (heads, head, d), "blocks.0.attn.b_O": (d,)}
        shapes |= {"blocks.0.mlp.W_in": (d, inner), "blocks.0.mlp.b_in": (inner,)}
        shapes |= {"blocks.0.mlp.W_out": (inner, d), "blocks.0.mlp.b_out": (d,)}
        shapes |= {f"{norm}.{part}": (d,) for norm in ("blocks.0.ln1", "blocks.0.ln2", "ln_final") for part in "wb"}
        shapes |= {"unembed.W_U": (d, vocabulary), "unembed.b_U": (vocabulary,)}
        config = {
            "n_layers": 1, "d_model": d, "n_ctx": longest, "d_head": head, "n_heads": heads, "d_mlp": inner,
            "d_vocab": vocabulary, "act_fn": "relu", "eps": 1e-5, "normalization_type": "LN",
            "attention_dir": direction, "positional_embedding_type": "standard", "attn_only": False,
            "use_attn_scale": True, "dtype": "torch.float32",
        }  # fmt: skip
        architecture = {
            "kind": "causal transformer, pre-norm LayerNorm, relu MLP, learned positions", "n_layer": 1, "n_head": 1,
            "head_size": head, "d_model": d, "mlp_width": inner, "n_positions": longest, "vocab_size": vocabulary,
            "causal": True, "constants": {"layer_norm_eps": 1e-5, "attention_scale": 0.5},
        }  # fmt: skip
        case: dict[str, Any] = {"name": "lens", "tokens": {"a": 0, "b": 1, "=": 2}}
        case |= {"read_out": {"kind": "argmax_last"}, "input": {"sequence": "= then the symbols"}}
        case |= {"language": {"alphabet": ["a", "b"]}} | ({} if is_configured else {"architecture": architecture})
        texts = {"case.json": case} | ({"config.json": config} if is_configured else {})
        _files(folder, texts, _drawn(2, shapes))

    return make


# --- refused --------------------------------------------------------------------------------------------------------


def _notes(folder: Path) -> None:
    (folder / "notes.txt").write_text("no network here\n")


def _pickle(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(_gpt2_config()))
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04N.")


def _recurrent(folder: Path) -> None:
    _files(folder, {"config.json": {"model_type": "lstm", "hidden_size": 2}}, {"weight_ih_l0": np.zeros((8, 2))})


def _broken(folder: Path) -> None:
    _gpt2()(folder)
    (folder / "config.json").write_text("{")


def _not_a_number(folder: Path) -> None:
    config, tensors = _gpt2_lead()
    tensors["lm_head.weight"][0, 0] = np.nan
    _files(folder, {"config.json": config, "case.json": LEAD_CASE}, tensors)


def _cut(folder: Path) -> None:
    _gpt2()(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])


def _numbers(state: tuple[float, float]) -> Callable[[Path], None]:
    """``h' = state . [h, x]`` read as it is, for the numbers 0 to 9."""

    def folder(path: Path) -> None:
        tensors = {"hmlp.mlp.0.weight": np.array([state]), "hmlp.mlp.0.bias": np.zeros(1)}
        tensors |= {"ymlp.mlp.0.weight": np.ones((1, 1)), "ymlp.mlp.0.bias": np.zeros(1)}
        case = {"name": path.name, "input": {"domain": "integers 0..9", "T": 10}, "read_out": {"kind": "round"}}
        _files(path, {"case.json": case}, tensors)

    return folder


FOLDERS: dict[str, Callable[[Path], None]] = {
    "circuit_drawn": _circuit(0),
    "numbers_sum": _numbers((1.0, 1.0 + 2.0**-10)),
    "numbers_last": _numbers((2.0**-6, 1.0)),
    "circuit_positions": _circuit(1, positions=True),
    "sparsity_model": _circuit_sparsity(False),
    "sparsity_circuit": _circuit_sparsity(True),
    "dyck_lead": _dyck(6, 0.5),
    "dyck_ties": _dyck(5, 1.0),
    "gpt2_lead": _gpt2(),
    "gpt2_parts": _gpt2(parts=True),
    "gpt2_double": _gpt2(dtype=np.float64),
    "gpt2_half": _gpt2(dtype=np.float16),
    "gpt2_layers": _gpt2(layers=2),
    "gpt2_language": _gpt2_language,
    "tracr_words": _tracr("categorical"),
    "tracr_numbers": _tracr("numerical"),
    "sparsemax_copy": _sparsemax,
    "lens_config": _lens(True),
    "lens_both_ways": _lens(True, "bidirectional"),
    "lens_case": _lens(False),
    "refused_notes": _notes,
    "refused_pickle": _pickle,
    "refused_recurrent": _recurrent,
    "refused_broken": _broken,
    "refused_not_a_number": _not_a_number,
    "refused_cut": _cut,
    "refused_empty": lambda folder: None,
}
