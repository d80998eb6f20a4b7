"""Networks with weights of every magnitude beside zeros, in each format that is read, and executions of them by torch.

``write(seed, folder)`` is deterministic: any number of networks for attacks on "as executed". ``untrue(folder)`` lists
what prover and checker say of one that no execution bears out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save
from torch import Tensor
from torch.nn import functional

from cegis.domain import Domain
from tasks.certificates.independent import _question, stored_files
from tasks.checker.evidence import PROGRAM, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES
from tasks.formats import Loaded, Question, load
from tasks.formats.circuit_folder import load_circuit, save_circuit
from tasks.networks.circuit import Circuit
from tasks.networks.interpreter import visible
from tasks.networks.readout import UNDECIDED
from tasks.networks.sparse_transformer import Config, Network
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Lookup,
    Mask,
    Norm,
    Pool,
    Residual,
    Step,
    Transformer,
)
from tasks.proofs.circuit_labels import label_domain
from tasks.proofs.count_bounds import Tally, obstacle
from tasks.proofs.enumeration import ROUNDOFF, Semantics, enumerate_domain

SIZES = [1e-45, 1e-38, 1e-30, 1e-19, 2.0**-64, 1e-6, 30.0, 1e4, 2.0**20, 1e9, 2.0**39, 1e15, 2.0**62, 1e19, 1e25, 3e38]
Tensors = dict[str, np.ndarray]


def write(seed: int, folder: Path) -> Path:
    """A network of the format ``FORMATS[seed % 6]`` in ``folder``, which is made."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    FORMATS[seed % len(FORMATS)](rng, folder, lambda tensors: extreme(rng, tensors))
    return folder


def read(folder: Path) -> Loaded:
    """The network that ``write`` made, on a domain of a few dozen sequences."""
    task = "copy" if (folder / "smt_weights.json").is_file() else None
    return load(folder, Question(task=task, circuit=(folder / "circuit_copy.json").is_file()))


def extreme(rng: np.random.Generator, tensors: Tensors) -> Tensors:
    """Some of the ``tensors``, or rows, columns or entries of them, of another magnitude; some zero."""
    changed = {name: array.copy() for name, array in tensors.items()}
    for _ in range(rng.integers(0, 5)):
        array = changed[str(rng.choice(sorted(changed)))]
        with np.errstate(over="ignore"):
            array[_part(rng, array)] *= np.float32(rng.choice(SIZES))
    for _ in range(rng.integers(0, 4)):
        array = changed[str(rng.choice(sorted(changed)))]
        array[_part(rng, array)] = 0
    most = np.finfo(np.float32).max
    return {name: np.nan_to_num(array, posinf=most, neginf=-most) for name, array in changed.items()}


def _part(rng: np.random.Generator, array: np.ndarray) -> tuple[slice | int, ...]:
    """All of an array, or what one or more of its indices have in common."""
    return tuple(slice(None) if rng.random() < 0.7 else int(rng.integers(size)) for size in array.shape)


# --- formats ------------------------------------------------------------------------------------------------------

Change = Callable[[Tensors], Tensors]


def _numbers(rng: np.random.Generator, shapes: dict[str, tuple[int, ...]]) -> Tensors:
    return {name: rng.normal(scale=0.7, size=shape).astype(np.float32) for name, shape in shapes.items()}


def circuit(rng: np.random.Generator, folder: Path, change: Change) -> None:
    """A circuit of this project; about half of its sites keep nothing."""
    letters, layers = 3, int(rng.integers(1, 3))
    config = Config(
        vocab_size=6, n_layer=layers, n_head=2, d_head=2, d_model=4, d_mlp=5, block_size=8,
        norm=str(rng.choice(["rms", "layer"])), norm_eps=float(rng.choice([1e-5, 2.0**-23, 1e-10])),
        activation=str(rng.choice(["gelu", "relu"])), top_k_fraction=[None, 0.5][rng.integers(2)],
        sink=bool(rng.integers(2)), positions=bool(rng.integers(2)), bigram=bool(rng.integers(2)),
    )  # fmt: skip
    widths = config.site_widths()
    means = {f"mean:{site}": (width,) for site, width in widths.items()}
    tensors = change(_numbers(rng, config.tensor_shapes() | means))
    shares = {site: rng.choice([0.0, 0.6, 1.0]) for site in widths}
    kept = {site: rng.random(width) < shares[site] for site, width in widths.items()}
    inner = {name: array for name, array in tensors.items() if name not in means}
    save_circuit(
        Circuit(
            "extreme", "of extreme weights", Network(config, inner), ("<s>", "a", "b", "c", "yes", "no"), ("<s>",),
            ("yes", "no"), Domain(("a", "b", "c")[:letters], 1, 3), kept,
            {site: tensors[f"mean:{site}"] for site in widths},
        ),
        folder,
    )  # fmt: skip


def gpt2(rng: np.random.Generator, folder: Path, change: Change) -> None:
    d, layers, inner = 4, int(rng.integers(1, 3)), 5
    config = {
        "model_type": "gpt2", "vocab_size": 3, "n_positions": 3, "n_embd": d, "n_layer": layers, "n_head": 2,
        "n_inner": inner, "activation_function": str(rng.choice(["relu", "gelu", "gelu_new"])),
        "layer_norm_epsilon": float(rng.choice([1e-5, 1e-12])),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (3, d), "wpe.weight": (3, d)}
    for n in range(layers):
        for name, out, into in (("attn.c_attn", 3 * d, d), ("attn.c_proj", d, d)):
            shapes |= {f"h.{n}.{name}.weight": (into, out), f"h.{n}.{name}.bias": (out,)}
        for name, out, into in (("mlp.c_fc", inner, d), ("mlp.c_proj", d, inner)):
            shapes |= {f"h.{n}.{name}.weight": (into, out), f"h.{n}.{name}.bias": (out,)}
        shapes |= {f"h.{n}.ln_{m}.{end}": (d,) for m in (1, 2) for end in ("weight", "bias")}
    shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}
    _write(folder, {"config.json": config}, change(_numbers(rng, shapes)))


def dyck(rng: np.random.Generator, folder: Path, change: Change) -> None:
    n, d, inner, layers = 3, 4, 5, 2
    config = {"n": n, "d": d, "heads": 2, "ff": inner, "layers": layers, "causal": bool(rng.integers(2)),
              "pool": str(rng.choice(["sum", "mean", "last"]))}  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"pos": (n, d), "tok.weight": (2, d)}
    for b in range(layers):
        shapes |= {f"blocks.{b}.W{part}.weight": (d, d) for part in "qkvo"}
        shapes |= {f"blocks.{b}.mlp1.weight": (inner, d), f"blocks.{b}.mlp1.bias": (inner,)}
        shapes |= {f"blocks.{b}.mlp2.weight": (d, inner), f"blocks.{b}.mlp2.bias": (d,)}
    shapes |= {"h1.weight": (d, d), "h1.bias": (d,), "h2.weight": (2, d), "h2.bias": (2,)}
    _write(folder, {"config.json": config}, change(_numbers(rng, shapes)))


def tracr(rng: np.random.Generator, folder: Path, change: Change) -> None:
    d, heads, inner, layers, encoding = 4, 2, 5, 2, {"a": 0, "b": 1, "BOS": 2}
    case = {
        "architecture": {"num_layers": layers, "num_heads": 1, "key_size": heads, "d_model": d, "mlp_hidden": inner,
                         "layer_norm": False, "activation": "relu", "causal": bool(rng.integers(2))},
        "input": {"encoding": encoding, "vocabulary": ["a", "b"], "max_length": 3},
        "read_out": {"kind": "categorical", "columns": [0, 1], "values": ["no", "yes"]},
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"token_embed/embeddings": (3, d), "pos_embed/embeddings": (4, d)}
    for n in range(layers):
        maps = {f"attn/{part}": (d, heads) for part in ("query", "key", "value")}
        maps |= {"attn/linear": (heads, d), "mlp/linear_1": (d, inner), "mlp/linear_2": (inner, d)}
        for name, size in maps.items():
            shapes |= {f"transformer/layer_{n}/{name}/w": size, f"transformer/layer_{n}/{name}/b": size[1:]}
    _write(folder, {"case.json": case}, change(_numbers(rng, shapes)))


def sparsemax(rng: np.random.Generator, folder: Path, change: Change) -> None:
    d, heads, layers, inner, vocabulary, length = 4, 2, 2, 3, 5, 4
    config = {
        "vocab_size": vocabulary, "max_seq_len": length, "d_model": d, "n_layers": layers, "n_heads": heads,
        "d_mlp": inner, "norm_variant": "none", "attn_variant": str(rng.choice(["sparsemax", "softmax"])),
        "activation_variant": str(rng.choice(["leaky_relu", "relu", "gelu"])), "bos_token_id": 1,
        "leaky_relu_negative_slope": 0.25, "use_bias": True,
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"wte": (vocabulary, d), "wpe": (length, d)}
    for n in range(layers):
        shapes |= {f"attn_{n}_W_{part}": (d, d) for part in "qkvo"} | {f"attn_{n}_b_{part}": (d,) for part in "qkvo"}
        shapes |= {f"mlp_{n}_W_up": (inner, d), f"mlp_{n}_b_up": (inner,)}
        shapes |= {f"mlp_{n}_W_down": (d, inner), f"mlp_{n}_b_down": (d,)}
    shapes |= {"lm_head": (vocabulary, d), "lm_head_bias": (vocabulary,)}
    same = ("d_model", "n_layers", "n_heads", "vocab_size", "norm_variant", "attn_variant", "activation_variant")
    stored = {name: array.astype(float).tolist() for name, array in change(_numbers(rng, shapes)).items()}
    texts = {
        "config.json": config,
        "smt_weights.json": {name: config[name] for name in same} | {"d_ff": inner, "head_dim": d // heads} | stored,
        "vocab.json": {
            "token_names": {"0": "<PAD>", "1": "<BOS>", "2": "<T>", "3": "x", "4": "y"},
            "task_names": {"2": "copy"},
            "task_to_candidates": {"2": [3, 4]},
        },
    }
    if rng.random() < 0.3:
        edges = [("emb", "attn_0_h_1"), ("attn_0_h_1", "mlp_1"), ("emb", "logits"), ("mlp_1", "logits")]
        texts["circuit_copy.json"] = {
            "granularity": "head", "ablation": "zero",
            "edges": [{"source": source, "target": target} for source, target in edges],
        }  # fmt: skip
    _write(folder, texts, {})


def circuit_sparsity(rng: np.random.Generator, folder: Path, change: Change) -> None:
    config = Config(vocab_size=3, n_layer=2, n_head=2, d_head=2, d_model=4, d_mlp=5, block_size=3, sink=True,
                    positions=True)  # fmt: skip
    beeg = {"vocab_size": 3, "n_layer": 2, "n_head": 2, "d_head": 2, "d_model": 4, "d_mlp": 5, "block_size": 3,
            "rms_norm": True, "activation_type": "gelu", "tied_unembed": False, "sink": True, "bias": True}  # fmt: skip
    _write(folder, {"beeg_config.json": beeg}, {})
    tensors = change(_numbers(rng, config.tensor_shapes()))
    torch.save({name: torch.tensor(array) for name, array in tensors.items()}, folder / "final_model.pt")


FORMATS = (circuit, gpt2, dyck, tracr, sparsemax, circuit_sparsity)


def _write(folder: Path, texts: dict[str, object], tensors: Tensors) -> None:
    for name, content in texts.items():
        (folder / name).write_text(json.dumps(content))
    if tensors:
        stored = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        (folder / "model.safetensors").write_bytes(save(stored))


# --- what is said, and what is so ----------------------------------------------------------------------------------

Said = tuple[str, tuple[int, ...], int | None, int]  # by whom, of which sequence, at which place, which label
KINDS: dict[Semantics, torch.dtype] = {"float32": torch.float32, "float64": torch.float64}


def untrue(folder: Path) -> tuple[int, int, list[str]]:
    """How many labels are given, how many sequences meet NaN or infinity, and which labels no execution bears out."""
    loaded = read(folder)
    given, lost, wrong = 0, 0, []
    for semantics, dtype in KINDS.items():
        runs: dict[tuple[int, ...], list[np.ndarray]] = {}
        for length in loaded.domain.lengths:
            every = loaded.domain.sequences(length)
            batches = [*executions(loaded.network, loaded.prompts(every), dtype)] if len(every) else []
            runs |= {tuple(map(int, row)): [batch[n] for batch in batches] for n, row in enumerate(every)}
        lost += sum(not all(np.isfinite(run).all() for run in found) for found in runs.values())
        for who, row, place, label in said(folder, loaded, semantics):
            given += 1
            if not all(_bears_out(loaded, run, who, place, label) for run in runs[row]):
                wrong.append(f"{folder.name}, {semantics}: {label} by {who}, of {row} at {place}")
    return given, lost, wrong


def _bears_out(loaded: Loaded, logits: np.ndarray, who: str, place: int | None, label: int) -> bool:
    read = logits[-1 if place is None else len(loaded.prefix) + place]
    seen = read if who == "counts" else logits  # where sequences are not listed, other rows are their own sequences'
    return bool(np.isfinite(seen).all() and loaded.readout.read(read[None])[0][0] == label)


def said(folder: Path, loaded: Loaded, semantics: Semantics) -> Iterator[Said]:
    """Every label that the prover and the checker give, each way they know."""
    for part in enumerate_domain(loaded, loaded.domain, semantics=semantics).lengths:
        for row, labels in zip(part.sequences, part.labels, strict=True):
            for place, label in enumerate(np.atleast_1d(labels)):
                if label != UNDECIDED:
                    yield "list", tuple(map(int, row)), None if labels.ndim == 0 else place, int(label)
    if loaded.format == "circuit":
        yield from _said_of_circuit(load_circuit(folder), ROUNDOFF[semantics])
    if loaded.format in FILES:
        yield from _said_by_checker(folder, loaded, semantics)


def _said_of_circuit(circuit: Circuit, u: float) -> Iterator[Said]:
    tally = Tally(circuit, u) if obstacle(circuit, u) is None else None
    for part in label_domain(circuit, circuit.domain, unit_roundoff=u).lengths:
        for row, label in zip(part.sequences, part.labels, strict=True):
            given = [("circuit", int(label))]
            if tally is not None:
                counts = np.bincount(row, minlength=len(circuit.domain.alphabet))[None]
                given.append(("counts", int(tally.points(counts, int(row[-1]))[0][0])))
            yield from ((who, tuple(map(int, row)), None, label) for who, label in given if label >= 0)


def _said_by_checker(folder: Path, loaded: Loaded, semantics: Semantics) -> Iterator[Said]:
    """To a program that is wrong everywhere, so that all labels are exceptions."""
    files = {f"network/{name}": content for name, content in stored_files(loaded, folder).items()}
    text = f"def program(tokens{', i' * (loaded.readout.position == 'every')}):\n    return 'none'\n"
    try:
        found = establish(_question("network", loaded, loaded.domain, semantics), {**files, PROGRAM: text.encode()})
    except (Rejected, UnreadableError):
        return
    for words, place, label, _ in found["exceptions"]:
        yield "checker", loaded.domain.indices(tuple(words)), place, loaded.readout.names.index(label)


# --- executions ---------------------------------------------------------------------------------------------------


def executions(network: Transformer, ids: np.ndarray, dtype: torch.dtype) -> Iterator[np.ndarray]:
    """Logits (prompts, T, outputs) of the prompts ``ids`` (prompts, T), by two sorts of kernels, three batch sizes."""
    for fused in (True, False):
        run = _Run(network, dtype, fused)
        yield run.logits(ids)
        yield np.concatenate([run.logits(ids[n : n + 1]) for n in range(len(ids))])
    yield np.concatenate([run.logits(ids[n : n + 3]) for n in range(0, len(ids), 3)])


class _Run:
    """All steps as they stand, nothing left out; ``fused``: by torch's own kernels, else by the formulas."""

    def __init__(self, network: Transformer, dtype: torch.dtype, fused: bool) -> None:
        self.network, self.dtype, self.fused = network, dtype, fused

    def to(self, array: np.ndarray | None) -> Tensor | None:
        return None if array is None else torch.tensor(array, dtype=self.dtype)

    def logits(self, ids: np.ndarray) -> np.ndarray:
        x = self.to(self.network.tokens)[torch.tensor(ids)]
        if self.network.positions is not None:
            x = x + self.to(self.network.positions)[: ids.shape[1]]
        return self.steps(self.network.steps, x, ids).double().numpy()

    def steps(self, steps: tuple[Step, ...], x: Tensor, ids: np.ndarray) -> Tensor:
        for step in steps:
            x = self.step(step, x, ids)
        return x

    def step(self, step: Step, x: Tensor, ids: np.ndarray) -> Tensor:
        match step:
            case Affine(weight, bias):
                return functional.linear(x, self.to(weight), self.to(bias))
            case Norm():
                return self.norm(step, x)
            case Activation("gelu"):
                return functional.gelu(x)
            case Activation("gelu_tanh"):
                return functional.gelu(x, approximate="tanh")
            case Activation(_, slope):
                return functional.leaky_relu(x, slope)
            case AbsTopK(count):
                return x * torch.zeros_like(x).scatter(-1, x.abs().topk(count, dim=-1).indices, 1.0)
            case Mask(_, kept, means):
                mask = self.to(kept)
                return x * mask + (1 - mask) * self.to(means)
            case Lookup(table):
                return x + self.to(table)[torch.tensor(ids)]
            case Residual(inner):
                return x + self.steps(inner, x, ids)
            case Pool("last"):
                return x[:, -1:]
            case Pool(kind):
                return x.sum(dim=1, keepdim=True) if kind == "sum" else x.mean(dim=1, keepdim=True)
        assert isinstance(step, Attention)
        return self.attention(step, x, ids)

    def norm(self, step: Norm, x: Tensor) -> Tensor:
        gain, bias = self.to(step.gain), self.to(step.bias)
        if self.fused and step.kind == "layer":
            return functional.layer_norm(x, (len(gain),), gain, bias, step.eps)
        if self.fused:
            return functional.rms_norm(x, (len(gain),), gain, step.eps) + (0 if bias is None else bias)
        square = x.square().mean(dim=-1, keepdim=True)
        if step.kind == "layer":
            mean = x.mean(dim=-1, keepdim=True)
            x, square = x - mean, square - mean.square()
        return x * torch.rsqrt(square + step.eps) * gain + (0 if bias is None else bias)

    def attention(self, step: Attention, x: Tensor, ids: np.ndarray) -> Tensor:
        q, k, v = (
            self.steps(part, x, ids).unflatten(-1, (step.heads, -1)).transpose(1, 2)
            for part in (step.query, step.key, step.value)
        )
        seen = torch.tensor(visible(step, ids))[:, None]
        if self.fused and step.weighting == "softmax" and step.sink is None:
            y = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=step.scale)
            return y.transpose(1, 2).flatten(-2)
        scores = (q @ k.transpose(-1, -2) * step.scale).masked_fill(~seen, -torch.inf)
        if step.weighting == "sparsemax":
            return (_sparsemax(scores) @ v).transpose(1, 2).flatten(-2)
        if step.sink is not None:
            sink = self.to(step.sink)[:, None, None].expand(*scores.shape[:3], 1)
            scores = torch.cat([scores, sink], dim=-1)
        return (scores.softmax(dim=-1)[..., : ids.shape[1]] @ v).transpose(1, 2).flatten(-2)


def _sparsemax(scores: Tensor) -> Tensor:
    falling = scores.sort(dim=-1, descending=True).values
    sums = falling.cumsum(dim=-1)
    support = (1 + torch.arange(1, scores.shape[-1] + 1) * falling > sums).sum(dim=-1, keepdim=True)
    tau = (sums.gather(-1, (support - 1).clamp(min=0)) - 1) / support
    return (scores - tau).clamp(min=0)
