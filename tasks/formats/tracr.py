"""Transformers that tracr compiled from RASP: ``model.safetensors`` (haiku's names) and ``case.json``.

    x = token_embed[ids] + pos_embed[0..n];   per layer: x += Attention(x) W + b;   x += relu(x W1 + b1) W2 + b2

with weights stored as (in, out), no norms, and the residual stream itself as output. ``case.json`` tells what the
tensors cannot: heads, ``causal``, the encoding of tokens (a beginning-of-sequence token ``BOS`` goes first) and the
residual columns to read: one per value (``categorical``, the largest wins) or a single one (``numerical``, read as the
nearest fraction whose denominator is at most the longest length, since RASP numbers are averages over positions).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tasks.formats.case import FILE as CASE
from tasks.formats.case import vocabulary_of
from tasks.formats.reading import Dtype, affine, count, flags, read_object, read_tensors, require, widen
from tasks.formats.untrusted import line_of, list_of, object_of, texts_of, whole_of
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.readout import Argmax, Readout, Rounded
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Attention, Reals, Residual, Step, Transformer

FILES = ("case.json", "model.safetensors")
BOS = "BOS"
KINDS = ("categorical", "numerical")
SIZES = ("num_layers", "num_heads", "key_size", "d_model", "mlp_hidden")


def load(folder: Path, question: Question) -> Loaded:
    """The compiled network in ``folder``; raises NetworkError for anything that is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{folder}: a compiled network has no circuits or tasks to choose")
    said, what = read_object(folder / CASE), str(folder / CASE)
    parts = {name: object_of(f"{what}: {name}", said.get(name), None) for name in ("architecture", "input", "read_out")}
    shape = parts["architecture"]
    require(what, shape, layer_norm=False, activation="relu")
    flags(f"{what}: architecture", shape, "causal")
    sizes = {name: count(what, shape, name) for name in SIZES}
    encoding = object_of(f"{what}: encoding", parts["input"].get("encoding"), None)
    vocabulary, longest = vocabulary_of(what, encoding), count(what, parts["input"], "max_length")
    if BOS not in vocabulary:
        raise NetworkError(f"{what}: expected a token {BOS!r}, which begins every compiled prompt")
    weights, dtype = _weights(folder, sizes, len(vocabulary))
    network = _network(sizes, shape["causal"], weights, dtype)
    is_unknown = question.readout is not None and parts["read_out"].get("kind") not in KINDS
    own = Question(
        alphabet=tuple(map(str, list_of(f"{what}: vocabulary", parts["input"].get("vocabulary")))),
        prefix=(BOS,),
        suffix=(),
        lengths=(1, longest),
        readout=None if is_unknown else _readout(what, parts["read_out"], longest),
    )
    labels = texts_of(f"{what}: residual_labels", shape.get("residual_labels", []))
    outputs = labels if len(labels) == sizes["d_model"] else tuple(f"#{n}" for n in range(sizes["d_model"]))
    name = line_of(f"{what}: name", said.get("name", folder.name))
    return assemble(name, "tracr", network, vocabulary, question, own=own, outputs=outputs)


def _weights(folder: Path, sizes: dict[str, int], vocabulary: int) -> tuple[dict[str, Reals], Dtype]:
    tensors = read_tensors(folder / FILES[1])
    d, heads, inner = sizes["d_model"], sizes["num_heads"] * sizes["key_size"], sizes["mlp_hidden"]
    positions = tensors.get("pos_embed/embeddings")
    rows = 1 if positions is None or positions.ndim != 2 else max(1, len(positions))
    shapes: dict[str, tuple[int, ...]] = {"token_embed/embeddings": (vocabulary, d), "pos_embed/embeddings": (rows, d)}
    for layer in range(count(str(folder / CASE), sizes, "num_layers", most=len(tensors))):
        maps = {f"attn/{part}": (d, heads) for part in ("query", "key", "value")}
        maps |= {"attn/linear": (heads, d), "mlp/linear_1": (d, inner), "mlp/linear_2": (inner, d)}
        for name, size in maps.items():
            shapes[f"transformer/layer_{layer}/{name}/w"] = size
            shapes[f"transformer/layer_{layer}/{name}/b"] = size[1:]
    return widen(str(folder / FILES[1]), shapes, tensors)


def _network(sizes: dict[str, int], causal: bool, weights: dict[str, Reals], dtype: Dtype) -> Transformer:
    steps: list[Step] = []
    for layer in range(sizes["num_layers"]):
        maps = {
            name: affine(weights, f"{at}/w", f"{at}/b", transposed=True)
            for name in ("attn/query", "attn/key", "attn/value", "attn/linear", "mlp/linear_1", "mlp/linear_2")
            for at in (f"transformer/layer_{layer}/{name}",)
        }
        query, key, value = ((maps[f"attn/{part}"],) for part in ("query", "key", "value"))
        scale = 1 / math.sqrt(sizes["key_size"])
        attention = Attention(query, key, value, sizes["num_heads"], scale, causal=causal)
        steps.append(Residual((attention, maps["attn/linear"])))
        steps.append(Residual((maps["mlp/linear_1"], Activation("relu"), maps["mlp/linear_2"])))
    positions = weights["pos_embed/embeddings"]
    return Transformer(weights["token_embed/embeddings"], positions, tuple(steps), len(positions), dtype)


def _readout(what: str, said: dict[str, Any], longest: int) -> Readout:
    columns = tuple(
        whole_of(f"{what}: a column", column) for column in list_of(f"{what}: columns", said.get("columns"))
    )
    if said.get("kind") == "categorical":
        return Argmax(texts_of(f"{what}: values", said.get("values")), columns, position="every")
    if said.get("kind") == "numerical" and len(columns) == 1:
        return Rounded(columns[0], denominator=longest, position="every")
    raise NetworkError(
        f"{what}: read_out should be categorical, or numerical with one column, got {said.get('kind')!r}"
    )
