"""The SMT-friendly transformers of ``verifiable-transformers``: ``config.json``, ``smt_weights.json``, ``vocab.json``.

    x = wte[ids] + wpe[0..T-1]
    per layer: x += Attention(x) W_o^T + b_o            (causal sparsemax, or softmax)
               x += act(x W_up^T + b_up) W_down^T + b_down
    logits = x lm_head^T + lm_head_bias

Only networks without norm are understood. A prompt is the BOS token, the token of a task, and a sequence; the read-out
is the larger of the task's candidate tokens. ``case.json``, if present, says which tokens a task's opener may be.

``circuit_<task>.json`` prunes the network to edges: a node (``emb``, ``attn_l_h_h``, ``mlp_l``, ``logits``) reads the
sum of the outputs of its kept sources, and heads pass through W_o (and b_o) at whoever reads them. As steps: every
node writes to columns of its own in a wide stream, and reads by one affine map that adds up its sources. Nodes that
nobody reads are left out; an execution may compute them and multiply by zero, so a network in which anything may
overflow has no circuits.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cegis.domain import DEAD, Constraint
from tasks.bounds.ball import FLOAT32, FLOAT64
from tasks.bounds.magnitudes import is_finite
from tasks.formats.reading import affine, count, one_of, pick, read_numbers, read_object, require, stored_dtype
from tasks.formats.untrusted import line_of, list_of, object_of, whole_of
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.sparse_transformer import NetworkError, check_tensors
from tasks.networks.transformer import Activation, Affine, Attention, Reals, Residual, Step, Transformer

FILES = ("config.json", "smt_weights.json", "vocab.json")
CONFIG = {
    "vocab_size": ...,
    "max_seq_len": ...,
    "d_model": ...,
    "n_layers": ...,
    "n_heads": ...,
    "d_mlp": ...,
    "norm_variant": ...,
    "attn_variant": ...,
    "activation_variant": ...,
    "bos_token_id": ...,
    "leaky_relu_negative_slope": 0.01,
    "use_bias": True,
}
CONFIG_INERT = frozenset((
    "pad_token_id", "eos_token_id", "tie_embeddings", "norm_l1_low_per_dim", "norm_l1_high_per_dim", "dropout",
    "attn_pdrop", "resid_pdrop", "embd_pdrop", "initializer_range"
))  # fmt: skip
SAME = ("d_model", "n_layers", "n_heads", "vocab_size", "norm_variant", "attn_variant", "activation_variant")
UNUSED = ("half_low", "half_high", "program_heads")  # of norms that are not there, and of rewritten heads


def load(folder: Path, question: Question) -> Loaded:
    """One task of the network in ``folder``; raises NetworkError for anything that is not understood."""
    what = str(folder / FILES[0])
    config = pick(what, read_object(folder / FILES[0]), CONFIG, CONFIG_INERT)
    require(what, config, norm_variant="none", use_bias=True)
    one_of(f"{what}: attn_variant", config["attn_variant"], ("sparsemax", "softmax"))
    one_of(f"{what}: activation_variant", config["activation_variant"], ("leaky_relu", "relu", "gelu"))
    sizes = {
        name: count(what, config, name) for name in ("vocab_size", "max_seq_len", "d_model", "n_layers", "n_heads")
    }
    if sizes["d_model"] % sizes["n_heads"]:
        raise NetworkError(f"{what}: d_model cannot be split into n_heads = {sizes['n_heads']} equal heads")
    weights = _weights(folder, config)
    names, tasks = _vocabulary(folder, sizes["vocab_size"])
    if question.task not in tasks:
        known, got = ", ".join(tasks), question.task or "none"
        raise NetworkError(f"{folder}: say which task to read (--task, or task): one of {known}; got {got}")
    token, candidates = tasks[question.task]
    bos = whole_of(f"{what}: bos_token_id", config["bos_token_id"])
    if not 0 <= bos < len(names):
        raise NetworkError(f"{what}: bos_token_id should lie below {len(names)}, got {bos}")
    network = Transformer(
        weights["wte"], weights["wpe"], _steps(config, weights), sizes["max_seq_len"], stored_dtype(weights)
    )
    if question.circuit:
        if not is_finite(network, FLOAT32 if network.dtype == "float32" else FLOAT64):
            raise NetworkError(
                f"{folder}: expected weights with which no {network.dtype} overflows, since zero times infinity is NaN "
                "where a circuit prunes; ask for the whole network"
            )
        network = replace(network, steps=_pruned(folder, question.task, config, weights))
    length = sizes["max_seq_len"] - 2
    own = Question(
        alphabet=names, prefix=(names[bos], names[token]), suffix=(), lengths=(length, length),
        answers=tuple(names[n] for n in candidates),
    )  # fmt: skip
    constraint = _openers(folder, question.task, length, len(names))
    name = f"{folder.name}_{question.task}" + "_circuit" * question.circuit
    loaded = assemble(name, "sparsemax", network, names, question, own=own, constraint=constraint)
    more = ["case.json"] * (folder / "case.json").is_file() + [f"circuit_{question.task}.json"] * question.circuit
    return replace(loaded, files=tuple((file, folder / file) for file in (*FILES, *more)))


def _weights(folder: Path, config: dict[str, Any]) -> dict[str, Reals]:
    what, stored = str(folder / FILES[1]), read_object(folder / FILES[1])
    require(what, stored, **{name: config[name] for name in SAME}, d_ff=config["d_mlp"])
    require(what, stored, head_dim=config["d_model"] // config["n_heads"])
    if stored.get("program_heads"):
        raise NetworkError(f"{what}: program_heads replace attention by rules, which is not understood")
    d, inner, vocab = config["d_model"], config["d_mlp"], config["vocab_size"]
    shapes = {"wte": (vocab, d), "wpe": (config["max_seq_len"], d), "lm_head": (vocab, d), "lm_head_bias": (vocab,)}
    for layer in range(count(str(folder / FILES[0]), config, "n_layers", most=len(stored))):
        for part in "qkvo":
            shapes[f"attn_{layer}_W_{part}"], shapes[f"attn_{layer}_b_{part}"] = (d, d), (d,)
        shapes[f"mlp_{layer}_W_up"], shapes[f"mlp_{layer}_b_up"] = (inner, d), (inner,)
        shapes[f"mlp_{layer}_W_down"], shapes[f"mlp_{layer}_b_down"] = (d, inner), (d,)
    arrays = {
        name: read_numbers(f"{what}: {name}", value)
        for name, value in stored.items()
        if name not in (*SAME, *UNUSED, "d_ff", "head_dim") and not name.endswith(("_norm_gamma", "_norm_beta"))
    }
    check_tensors(what, shapes, arrays, "float64")
    return arrays


def _vocabulary(folder: Path, size: int) -> tuple[tuple[str, ...], dict[str, tuple[int, tuple[int, ...]]]]:
    """Token names (``#4`` for those without), and per task its token and its candidate answers."""
    said, what = read_object(folder / FILES[2]), str(folder / FILES[2])
    named = object_of(f"{what}: token_names", said.get("token_names"), None)
    names = tuple(line_of(f"{what}: a token", named.get(str(n), f"#{n}")) for n in range(size))
    candidates = object_of(f"{what}: task_to_candidates", said.get("task_to_candidates"), None)
    tasks = {}
    for key, name in object_of(f"{what}: task_names", said.get("task_names"), tuple(candidates)).items():
        answers = tuple(whole_of(f"{what}: a candidate", n) for n in list_of(f"{what}: candidates", candidates[key]))
        if not key.isdecimal() or not all(0 <= n < size for n in (int(key), *answers)):
            raise NetworkError(f"{what}: task {name!r} should name tokens from 0 to {size - 1}")
        tasks[line_of(f"{what}: a task", name)] = (int(key), answers)
    return names, tasks


def _openers(folder: Path, task: str, length: int, letters: int) -> Constraint | None:
    """The place of the opener, and the tokens it may be, where ``case.json`` says so."""
    if not (folder / "case.json").is_file():
        return None
    said = object_of("case.json: input", read_object(folder / "case.json").get("input", {}), None)
    places = [word.strip(" []") for word in str(said.get("sequence", "")).split(",")][2:]
    tasks = object_of("case.json: tasks", said.get("tasks", {}), None)
    allowed = object_of(f"case.json: task {task}", tasks.get(task, {}), None).get("openers")
    if "opener" not in places or len(places) != length or allowed is None:
        return None
    openers = {whole_of("case.json: an opener", n) for n in list_of("case.json: openers", allowed)}
    rows = [
        tuple(DEAD if place == "opener" and n not in openers else state + 1 for n in range(letters))
        for state, place in enumerate(places)
    ]
    end = (DEAD,) * letters
    return Constraint(
        f"an opener of {task} at place {places.index('opener') + 1}", (*rows, end), (False,) * length + (True,)
    )


def _attention(config: dict[str, Any], weights: dict[str, Reals], layer: int, heads: slice, count: int) -> Attention:
    """``count`` heads, given by their columns, on a stream of width d_model."""
    query, key, value = (
        (Affine(weights[f"attn_{layer}_W_{part}"][heads], weights[f"attn_{layer}_b_{part}"][heads]),) for part in "qkv"
    )
    scale = 1 / math.sqrt(config["d_model"] // config["n_heads"])
    return Attention(query, key, value, count, scale, config["attn_variant"])


def _mlp(config: dict[str, Any], weights: dict[str, Reals], layer: int) -> tuple[Step, ...]:
    slope = config["leaky_relu_negative_slope"] if config["activation_variant"] == "leaky_relu" else 0.0
    up, down = (affine(weights, f"mlp_{layer}_W_{part}", f"mlp_{layer}_b_{part}") for part in ("up", "down"))
    return up, Activation(config["activation_variant"], slope), down


def _steps(config: dict[str, Any], weights: dict[str, Reals]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for layer in range(config["n_layers"]):
        attention = _attention(config, weights, layer, slice(None), config["n_heads"])
        steps.append(Residual((attention, affine(weights, f"attn_{layer}_W_o", f"attn_{layer}_b_o"))))
        steps.append(Residual(_mlp(config, weights, layer)))
    return (*steps, affine(weights, "lm_head", "lm_head_bias"))


def _pruned(folder: Path, task: str, config: dict[str, Any], weights: dict[str, Reals]) -> tuple[Step, ...]:
    """The steps of the circuit: a wide stream, with columns for each node that is read and each b_o."""
    kept = _edges(folder / f"circuit_{task}.json", config)
    d, head = config["d_model"], config["d_model"] // config["n_heads"]
    read = {source for sources in kept.values() for source in sources}
    sizes = {"emb": d, **{node: head if "_h_" in node else d for node in _nodes(config)[1:] if node in read}}
    layers = sorted({int(node.split("_")[1]) for node in sizes if "_h_" in node})
    sizes |= {f"b_o {layer}": d for layer in layers}
    ends = np.cumsum(list(sizes.values()))
    at = {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}
    width = int(ends[-1])

    def reader(node: str) -> Affine:
        weight = np.zeros((d, width))
        for source in kept[node]:
            if "_h_" not in source:
                weight[:, at[source]] = np.eye(d)
                continue
            layer, h = int(source.split("_")[1]), int(source.split("_")[3])
            weight[:, at[source]] = weights[f"attn_{layer}_W_o"][:, head * h : head * h + head]
            weight[:, at[f"b_o {layer}"]] = np.eye(d)
        return Affine(weight)

    def writer(node: str) -> Affine:
        weight = np.zeros((width, sizes[node]))
        weight[at[node]] = np.eye(sizes[node])
        return Affine(weight)

    constant = np.zeros(width)
    for layer in layers:
        constant[at[f"b_o {layer}"]] = weights[f"attn_{layer}_b_o"]
    steps: list[Step] = [Affine(np.eye(width, d), constant)]
    for node in list(sizes)[1 : len(sizes) - len(layers)]:
        if node not in kept:
            raise NetworkError(f"{folder}: the circuit reads {node}, which reads nothing itself")
        layer = int(node.split("_")[1])
        if node.startswith("mlp"):
            inside = _mlp(config, weights, layer)
        else:
            h = int(node.split("_")[3])
            inside = (_attention(config, weights, layer, slice(head * h, head * h + head), 1),)
        steps.append(Residual((reader(node), *inside, writer(node))))
    return (*steps, reader("logits"), affine(weights, "lm_head", "lm_head_bias"))


def _nodes(config: dict[str, Any]) -> list[str]:
    """All nodes but the logits, in the order of execution."""
    nodes = ["emb"]
    for layer in range(config["n_layers"]):
        nodes += [*(f"attn_{layer}_h_{h}" for h in range(config["n_heads"])), f"mlp_{layer}"]
    return nodes


def _edges(path: Path, config: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Per node that reads anything its kept sources; every edge goes forward."""
    said = read_object(path)
    require(str(path), said, granularity="head", ablation="zero")
    order = [*_nodes(config), "logits"]
    kept: dict[str, list[str]] = {}
    for edge in list_of(f"{path}: edges", said.get("edges")):
        parts = object_of(f"{path}: an edge", edge, ("source", "target"))
        source, target = parts["source"], parts["target"]
        same = str(source).rpartition("_h_")[0] == str(target).rpartition("_h_")[0] != ""
        if source not in order or target not in order or order.index(source) >= order.index(target) or same:
            raise NetworkError(f"{path}: {json.dumps(edge)} is no edge from an earlier node to a later one")
        kept.setdefault(target, []).append(source)
    if "logits" not in kept or any(len(set(sources)) != len(sources) for sources in kept.values()):
        raise NetworkError(f"{path}: expected different edges, and at least one into the logits")
    return {target: tuple(sources) for target, sources in kept.items()}
