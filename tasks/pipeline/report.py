"""What the command line says of circuits and distillations: text for people, JSON values for machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cegis import Differs, Exhausted, Found, Stopped
from cegis.claim import inputs_text, under
from tasks.networks.circuit import Circuit
from tasks.networks.conditions import circuit_conditions
from tasks.networks.quoting import named, shown
from tasks.pipeline.distill import Distillation, Link, dependence

SHOWN_EXCEPTIONS = 10


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


def distillation_text(result: Distillation, saved: Path | None) -> str:
    """The function, the claim in one sentence, the chain link by link with its cost, where the certificate lies."""
    lines = ["", result.source.rstrip()] if result.source else []
    lines += ["", verdict(result)]
    lines += [f"  on {' '.join(e.inputs)!r}: circuit {e.expected!r}, program {e.got!r}" for e in _exceptions(result)]
    lines += ["", "The chain:"]
    lines += [f"  {link.name:<11} {link.seconds:>7.2f} s  {link.text}" for link in result.chain]
    lines += [f"  note        {note}" for note in _notes(result)]
    lines += [f"  assumption  {result.labelling.assumption}", cost_sentence(result)]
    lines += [
        "",
        f"Certificate: {saved} (check it with: distill check {saved})" if saved else "No certificate written.",
    ]
    return "\n".join(lines)


def distillation_json(result: Distillation, saved: Path | None) -> dict[str, Any]:
    """The same as JSON values."""
    used = result.outcome.statistics
    outcome = result.outcome
    return {
        "circuit": result.circuit.name,
        "length": result.domain.max_length,
        "sequences": result.domain.size(),
        "conditions": circuit_conditions(result.circuit, result.domain),
        "outcome": type(outcome).__name__.lower(),
        "proved": result.is_proved,
        "sentence": verdict(result),
        "program": result.source or None,
        "size": result.program.size if result.program else None,
        "claims": [claim.as_json() for claim in result.claims],
        "exceptions": [
            {"inputs": e.inputs, "circuit": e.expected, "program": e.got}
            for e in (outcome.exceptions if isinstance(outcome, Differs) else ())
        ],
        "undecided": [*result.labelling.undecided],
        "surrogate_exceptions": [*result.fitted.wrong] if result.fitted else None,
        "chain": [_link_json(link) for link in result.chain],
        "notes": list(_notes(result)),
        "assumption": result.labelling.assumption,
        "statistics": vars(used),
        "certificate": str(saved) if saved else None,
    }


def verdict(result: Distillation) -> str:
    """The outcome in one sentence."""
    name, domain, undecided = named(result.circuit.name), result.domain, len(result.labelling.undecided)
    without = f" with a label ({undecided:,} have none: a tie, or a margin below the error bound)" if undecided else ""
    where = inputs_text(domain, domain.size() - undecided, which=without)
    match result.outcome:
        case Found() if result.is_proved:
            return f"PROVED: this function {result.claims[-1].sentence}."
        case Differs(exceptions=exceptions, reason=reason, horizon=horizon):
            certain = min([horizon, *(len(sequence) - 1 for sequence in result.labelling.undecided)])
            equal = f"; up to length {certain} the two are equal" if certain >= domain.min_length else ""
            return (
                f"DIFFERS: no program found that equals circuit {name} everywhere ({reason}); this one differs on "
                f"exactly {len(exceptions):,} of {where}, {under(**dependence(result))}{equal}."
            )
        case Exhausted(examples=examples):
            return f"NOT FOUND: no program of the grammar agrees with {len(examples)} examples of circuit {name}."
        case Stopped(reason=reason):
            return f"NOT PROVED: {reason}."
    return "NOT PROVED: the circuit itself was not covered."


def cost_sentence(result: Distillation) -> str:
    """What enumeration cost beside what the solver cost."""
    solver = [claim for claim in result.claims if str(claim.rung) == "surrogate"]
    enumeration = next((link.seconds for link in result.chain if link.name == "circuit run"), 0.0)
    text = f"  cost        enumeration of the circuit {enumeration:.2f} s"
    if solver:
        return f"{text}, solver proof over its surrogate {solver[0].seconds:.2f} s"
    return f"{text}, no solver proof"


def _kept(circuit: Circuit) -> dict[str, list[int]]:
    return {site: [int(n) for n in mask.nonzero()[0]] for site, mask in circuit.kept.items()}


def _notes(result: Distillation) -> tuple[str, ...]:
    return result.outcome.notes if isinstance(result.outcome, Found) else ()


def _exceptions(result: Distillation) -> tuple[Any, ...]:
    return result.outcome.exceptions[:SHOWN_EXCEPTIONS] if isinstance(result.outcome, Differs) else ()


def _link_json(link: Link) -> dict[str, Any]:
    return {"name": link.name, "text": link.text, "seconds": link.seconds}
