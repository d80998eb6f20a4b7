"""What a network is, in words: ``distill show``. Text for people, JSON values for machines."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.networks.circuit import Circuit
from tasks.networks.conditions import readout_text, row_text
from tasks.networks.model import BlackBox, Loaded
from tasks.networks.number_streams import NumberStreams
from tasks.networks.quoting import shown
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Attention, Step, Transformer, walk


def circuit_text(circuit: Circuit) -> str:
    """Network, kept nodes, domain."""
    config, domain = circuit.network.config, circuit.domain
    parts = [
        f"{config.n_layer} layers, d_model {config.d_model}, {config.n_head} heads of {config.d_head}, "
        f"d_mlp {config.d_mlp}",
        {"rms": "RMSNorm", "layer": "LayerNorm"}[config.norm] + f" (eps {config.norm_eps:.3g})",
        config.activation.upper() if config.activation == "gelu" else "ReLU",
        f"AbsTopK {config.top_k_fraction:g}" if config.top_k_fraction else "no AbsTopK",
        "attention sink" if config.sink else "no sink",
        "learned positions" if config.positions else "no positions",
        "bigram table" if config.bigram else "no bigram table",
    ]
    weights = sum(int(tensor.size) for tensor in circuit.network.tensors.values())
    nonzero = sum(int((tensor != 0).sum()) for tensor in circuit.network.tensors.values())
    lines = [
        f"{shown(circuit.name)}: {shown(circuit.summary)}",
        f"network   {'; '.join(parts)}",
        f"weights   {weights:,}, of which {nonzero:,} are not zero",
        f"prompt    {shown(' '.join([*circuit.prefix, 'SEQUENCE']))}",
        f"read-out  argmax over {', '.join(map(repr, circuit.labels))} at the last position",
        f"domain    {shown(' '.join(domain.alphabet))}; length {domain.min_length} to {domain.max_length}; "
        f"{domain.constraint.text if domain.constraint else 'every sequence'}",
        f"circuit   {circuit.nodes} nodes kept of {sum(len(mask) for mask in circuit.kept.values())}, "
        "the others replaced by their means:",
    ]
    lines += [f"  {site}: {' '.join(map(str, nodes))}" for site, nodes in _kept(circuit).items() if nodes]
    lines += [f"card      {shown(key)}: {shown(value)}" for key, value in circuit.card.items()]
    return "\n".join(lines)


def circuit_json(circuit: Circuit) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "name": circuit.name,
        "summary": circuit.summary,
        "config": {name: value for name, value in vars(circuit.network.config).items()},
        "prefix": circuit.prefix,
        "labels": circuit.labels,
        "alphabet": circuit.domain.alphabet,
        "lengths": [circuit.domain.min_length, circuit.domain.max_length],
        "constraint": circuit.domain.constraint.text if circuit.domain.constraint else None,
        "nodes": circuit.nodes,
        "kept": _kept(circuit),
        "card": dict(circuit.card),
    }


def model_text(model: Loaded) -> str:
    """Any network: format, steps, weights, prompt, read-out, domain."""
    domain, network = model.domain, model.network
    lines = [f"{shown(model.name)}: a network in the format {model.format}"]
    if isinstance(network, Transformer):
        sizes = [int(array.size) for array in network.arrays()]
        nonzero = sum(int(np.count_nonzero(array)) for array in network.arrays())
        order = "no positions" if network.positions is None else f"{len(network.positions)} positions"
        lines += [
            f"network   {', '.join(_steps(network.steps))}; {order}; {network.dtype}",
            f"weights   {sum(sizes):,}, of which {nonzero:,} are not zero",
        ]
    elif isinstance(network, Recurrent):
        lines += _recurrent(network)
    else:
        lines.append("network   a black box: it is run, and nothing of it is bounded")
    lines += [
        f"tokens    {len(model.vocabulary):,} in its vocabulary",
        f"prompt    {shown(' '.join([*model.prefix, 'SEQUENCE', *model.suffix]))}",
        f"read-out  {shown(readout_text(model.readout, row_text(model.network)))}",
        f"domain    {shown(' '.join(domain.alphabet))}; length {domain.min_length} to {domain.max_length}; "
        f"{domain.constraint.text if domain.constraint else 'every sequence'}",
    ]
    if model.operands is not None:
        lines += [
            f"asked     all pairs of {model.operands.words}; --operands none asks about sequences",
            f"shown     prompt: {shown(model.operands.shown)}; answer: {model.operands.answer_words}",
        ]
    if model.lists is not None:
        lines += [
            f"asked     lists of {model.lists.words}; --lists none asks about sequences",
            f"shown     prompt: {shown(model.lists.shown)}; answer: {model.lists.answers} tokens",
        ]
    return "\n".join([*lines, *(f"note      {shown(note)}" for note in model.notes)])


def streams_text(of: NumberStreams) -> str:
    """A recurrent network of numbers: format, steps, what comes in, what is read."""
    network = of.network
    return "\n".join([
        f"{shown(of.name)}: a network in the format {of.format}",
        *_recurrent(network),
        f"step      {of.asked.each:,} different ones: {of.up_to(1).words.removeprefix('1 step, ').removeprefix('of ')}",
        f"{of.conditions.replace('read-out: ', 'read-out  ')}",
        f"asked     streams of {of.asked.words}, which it was made for; weights: {of.origin}",
    ])  # fmt: skip


def streams_json(of: NumberStreams) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "name": of.name,
        "format": of.format,
        "steps": _all_steps(of.network),
        "weights": sum(int(array.size) for array in of.network.arrays()),
        "dtype": of.network.dtype,
        "readout": of.conditions.removeprefix("read-out: "),
        "numbers": [of.low, of.high],
        "inputs": of.inputs,
        "lengths": [1, of.length],
        "origin": of.origin,
    }


def _recurrent(network: Recurrent) -> list[str]:
    arrays = list(network.arrays())
    return [
        f"network   recurrent, a state of {network.width}: {', '.join(_steps(network.transition))}; read by "
        f"{', '.join(_steps(network.output))}; {network.dtype}",
        f"numbers   {sum(int(a.size) for a in arrays):,} as its steps hold them, of which "
        f"{sum(int(np.count_nonzero(a)) for a in arrays):,} are not zero",
    ]


def model_json(model: Loaded) -> dict[str, Any]:
    """The same as JSON values."""
    network = None if isinstance(model.network, BlackBox) else model.network
    return {
        "name": model.name,
        "format": model.format,
        "steps": _all_steps(network) if network else None,
        "weights": sum(int(array.size) for array in network.arrays()) if network else None,
        "dtype": network.dtype if network else None,
        "positions": isinstance(network, Transformer) and network.positions is not None,
        "vocabulary": len(model.vocabulary),
        "prefix": model.prefix,
        "suffix": model.suffix,
        "readout": readout_text(model.readout, row_text(model.network)),
        "alphabet": model.domain.alphabet,
        "lengths": [model.domain.min_length, model.domain.max_length],
        "constraint": model.domain.constraint.text if model.domain.constraint else None,
        "notes": list(model.notes),
    }


def _all_steps(network: Transformer | Recurrent) -> list[str]:
    return _steps(network.steps if isinstance(network, Transformer) else network.transition + network.output)


def _steps(steps: tuple[Step, ...]) -> list[str]:
    """What steps there are, with how often each kind occurs."""
    names = [
        f"{s.weighting} attention of {s.heads} heads" if isinstance(s, Attention) else type(s).__name__.lower()
        for s in walk(steps)
    ]
    return [f"{names.count(name)} {name}" for name in dict.fromkeys(names) if name != "residual"]


def _kept(circuit: Circuit) -> dict[str, list[int]]:
    return {site: [int(n) for n in mask.nonzero()[0]] for site, mask in circuit.kept.items()}
