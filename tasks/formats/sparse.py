"""Weight-sparse transformers and circuits of them as steps of ``tasks.networks.transformer``.

The same formula line by line: AbsTopK first, then the mask. This is also the loader for circuit folders of this
project (``circuit.json``, ``weights.safetensors``), and the way back from steps to a circuit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.formats.circuit_folder import load_circuit
from tasks.networks.circuit import Circuit
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.quoting import named
from tasks.networks.readout import Argmax
from tasks.networks.sparse_transformer import FINAL_SITE, Array, Config, Network, NetworkError
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Lookup,
    Mask,
    Norm,
    Reals,
    Residual,
    Step,
    Transformer,
    walk,
)

Kept = Mapping[str, NDArray[np.bool_]]


def load(folder: Path, question: Question) -> Loaded:
    """The circuit in ``folder``, asked what it was made for unless ``question`` says otherwise."""
    circuit = load_circuit(folder)
    if question.task not in (None, circuit.name):
        raise NetworkError(f"{folder}: this circuit's one task is {circuit.name!r}, not {question.task!r}")
    return from_circuit(circuit, question)


def from_circuit(circuit: Circuit, question: Question | None = None) -> Loaded:
    """A circuit as the common type, with its own domain and read-out."""
    domain, question = circuit.domain, question or Question()
    assert domain.max_length is not None
    own = Question(
        alphabet=domain.alphabet,
        prefix=circuit.prefix,
        suffix=(),
        lengths=(domain.min_length, domain.max_length),
        readout="argmax",
        answers=circuit.labels,
    )
    network = sparse_transformer(circuit.network, circuit.kept, circuit.means)
    return assemble(
        named(circuit.name), "circuit", network, circuit.vocabulary, question, own=own, constraint=domain.constraint
    )


def model_of(network: Circuit | Loaded) -> Loaded:
    """``network`` as the common type; NetworkError for what is none, such as a torch module or a name."""
    if isinstance(network, Circuit):
        return from_circuit(network)
    if not isinstance(network, Loaded):
        raise NetworkError(
            f"expected a network, got {type(network).__name__}; make one with from_torch(module, ...), or load(folder)"
        )
    return network


def sparse_transformer(
    network: Network, kept: Kept | None = None, means: Mapping[str, Array] | None = None
) -> Transformer:
    """``network``, or its circuit where ``kept`` and ``means`` are given for some of its sites."""
    config = network.config
    build = _Builder(
        config, {name: t.astype(np.float64) for name, t in network.tensors.items()}, kept or {}, means or {}
    )
    steps = [step for layer in range(config.n_layer) for step in build.block(layer)]
    weights = build.weights
    steps += [*build.site(FINAL_SITE), build.norm("transformer.ln_f")]
    steps += [Affine(weights["lm_head.weight"], weights["final_logits_bias"])]
    if config.bigram:
        steps.append(Lookup(weights["bigram_table"]))
    positions = weights["transformer.wpe.weight"] if config.positions else None
    return Transformer(weights["transformer.wte.weight"], positions, tuple(steps), config.block_size)


def as_circuit(cut: Loaded, source: Circuit, *, name: str, summary: str, card: Mapping[str, object]) -> Circuit:
    """``cut``, the circuit ``source`` with fewer nodes and edges, as a circuit: the inverse of ``from_circuit``.

    Raises NetworkError where it is read in another way than circuits are.
    """
    network, readout = cut.network, cut.readout
    names = tuple(cut.vocabulary[column] for column in readout.columns) if isinstance(readout, Argmax) else ()
    if cut.suffix or readout.position != "last" or not names or names != getattr(readout, "names", ()):
        raise NetworkError(
            f"{cut.name}: a circuit's folder holds an argmax over tokens at the last position, with nothing behind the "
            "sequence"
        )
    assert isinstance(network, Transformer)
    config, masks = source.network.config, {step.site: step for step in walk(network.steps) if isinstance(step, Mask)}
    maps = iter([step for step in walk(network.steps) if isinstance(step, Affine)])
    tensors = dict(source.network.tensors)
    for layer in range(config.n_layer):
        at = f"transformer.h.{layer}."
        q, k, v = next(maps), next(maps), next(maps)
        tensors[f"{at}attn.c_attn.weight"] = np.concatenate([q.weight, k.weight, v.weight]).astype(np.float32)
        biases = [np.zeros(len(part.weight)) if part.bias is None else part.bias for part in (q, k, v)]
        tensors[f"{at}attn.c_attn.bias"] = np.concatenate(biases).astype(np.float32)
        for part in ("attn.c_proj", "mlp.c_fc", "mlp.c_proj"):
            step = next(maps)
            assert step.bias is not None
            tensors[f"{at}{part}.weight"] = step.weight.astype(np.float32)
            tensors[f"{at}{part}.bias"] = step.bias.astype(np.float32)
    return Circuit(
        name=name,
        summary=summary,
        network=Network(config, tensors),
        vocabulary=cut.vocabulary,
        prefix=cut.prefix,
        labels=names,
        domain=cut.domain,
        kept={site: mask.kept for site, mask in masks.items()},
        means={site: mask.means.astype(np.float32) for site, mask in masks.items()},
        card=card,
    )


class _Builder:
    """Names of tensors and sites, resolved into steps."""

    def __init__(self, config: Config, weights: dict[str, Reals], kept: Kept, means: Mapping[str, Array]) -> None:
        self.config, self.weights, self.kept, self.means = config, weights, kept, means

    def block(self, layer: int) -> tuple[Step, Step]:
        """The two residual branches of a layer."""
        at = f"transformer.h.{layer}."
        width = self.config.n_head * self.config.d_head
        weight, bias = self.weights[f"{at}attn.c_attn.weight"], self.weights[f"{at}attn.c_attn.bias"]
        query, key, value = (
            (Affine(weight[rows], bias[rows]), *self.node(f"{layer}.attn.{part}", f"attn_{part}", width))
            for part, rows in zip("qkv", (slice(n * width, (n + 1) * width) for n in range(3)), strict=True)
        )
        sink = self.weights[f"{at}attn.attn_imp.sink_logit"] if self.config.sink else None
        attention = (
            self.norm(f"{at}ln_1"),
            *self.node(f"{layer}.attn.act_in", "attn_in", self.config.d_model),
            Attention(query, key, value, self.config.n_head, self.config.score_scale, sink=sink),
            self.affine(f"{at}attn.c_proj"),
            *self.node(f"{layer}.attn.resid_delta", "attn_out", self.config.d_model),
        )
        mlp = (
            self.norm(f"{at}ln_2"),
            *self.node(f"{layer}.mlp.act_in", "mlp_in", self.config.d_model),
            self.affine(f"{at}mlp.c_fc"),
            Activation(self.config.activation),
            *self.node(f"{layer}.mlp.post_act", "mlp_neuron", self.config.d_mlp),
            self.affine(f"{at}mlp.c_proj"),
            *self.node(f"{layer}.mlp.resid_delta", "mlp_out", self.config.d_model),
        )
        return Residual(attention), Residual(mlp)

    def affine(self, name: str) -> Affine:
        return Affine(self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, name: str) -> Norm:
        bias = self.weights[f"{name}.bias"] if self.config.norm == "layer" else None
        return Norm(self.config.norm, self.weights[f"{name}.weight"], bias, self.config.norm_eps)

    def node(self, site: str, top_k_site: str, width: int) -> tuple[Step, ...]:
        """AbsTopK, then the mask, where they act."""
        count = self.config.top_k(top_k_site, width)
        return (*(() if count is None else (AbsTopK(count),)), *self.site(site))

    def site(self, site: str) -> tuple[Step, ...]:
        if site not in self.kept:
            return ()
        return (Mask(site, self.kept[site].copy(), self.means[site].astype(np.float64)),)
