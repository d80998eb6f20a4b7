"""What the command line says of lengths: how far a program holds, what breaks it, and how the cost grew with length."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from cegis import Claim
from cegis.certificate import MANIFEST, Certificate
from tasks.networks.quoting import named
from tasks.pipeline.extend_circuit import Prolonged
from tasks.pipeline.horizon import Horizon, Reached

MOST_WIDE = 10**9  # a number that fits its column


def horizon_text(source: str, found: Horizon, claims: tuple[Claim, ...]) -> str:
    """The function, how far it holds, what that proves, by which method, and the growth of cost."""
    lines = [source.rstrip(), "", f"The program {found.sentence}.", *_proved(claims)]
    lines += [f"Method: {found.method.sentence}.", *assumption_lines(claims), *growth_lines(found)]
    return "\n".join(lines)


def horizon_json(name: str, source: str, found: Horizon, claims: tuple[Claim, ...]) -> dict[str, Any]:
    """The same as JSON values."""
    broken = found.broken and {
        "sequence": found.broken.inputs, "circuit": found.broken.expected, "program": found.broken.got
    }  # fmt: skip
    return {
        "circuit": name,
        "program": source,
        "horizon": found.length,
        "broken": broken,
        "stopped": found.stopped,
        "method": found.method.way.value,
        "reason": found.method.reason,
        "claims": [claim.sentence for claim in claims],
        "assumptions": assumptions(claims),
        "growth": [_row_json(row) for row in found.reached],
    }


def prolonged_text(result: Prolonged, saved: Path | None) -> str:
    """The function, the verdict, the claims, the method and why it was taken, the steps and the growth of cost."""
    lines = ["", result.source.rstrip()] if result.source else []
    lines += ["", verdict(result), *_proved(result.claims)]
    lines += ["", f"Method: {result.method.sentence}.", "The steps:"]
    lines += [f"  {step.name:<11} {step.seconds:>7.2f} s  {step.text}" for step in result.steps]
    lines += assumption_lines(result.claims)
    lines += growth_lines(result.horizon) if result.horizon else []
    if result.short.program != result.program and result.first is not None:
        lines += ["", f"Another program {result.first.sentence}:", "", result.short.source.rstrip()]
    return "\n".join([*lines, "", _certificate(result, saved)])


def prolonged_json(result: Prolonged, saved: Path | None) -> dict[str, Any]:
    """The same as JSON values."""
    found = result.horizon
    empty: dict[str, Any] = {"horizon": None, "broken": None, "stopped": verdict(result), "growth": []}
    return {
        **(empty if found is None else horizon_json(result.circuit.name, result.source, found, result.claims)),
        "circuit": result.circuit.name,
        "program": result.source or None,
        "size": result.program.size if result.program else None,
        "length": result.asked,
        "proved": result.is_proved,
        "sentence": verdict(result),
        "method": result.method.way.value,
        "reason": result.method.reason,
        "claims": [claim.as_json() for claim in result.claims],
        "all_lengths": result.tail if isinstance(result.tail, str) else "proved",
        "steps": [vars(step) for step in result.steps],
        "certificate": str(saved) if saved else None,
    }


def verdict(result: Prolonged) -> str:
    """The outcome in one sentence: how far the program holds of the length that was asked for."""
    if result.horizon is None:
        name, longest = named(result.circuit.name), result.short.domain.max_length
        return f"NOT FOUND: no program equals circuit {name} up to length {longest}."
    if result.is_proved:
        return f"PROVED up to length {result.asked}, as asked."
    return f"NOT PROVED up to length {result.asked}: this function {result.horizon.sentence}."


def assumptions(claims: tuple[Claim, ...]) -> list[str]:
    """What the claims take as given, each text once."""
    return [*dict.fromkeys(claim.detail for claim in claims if claim.detail)]


def assumption_lines(claims: tuple[Claim, ...]) -> list[str]:
    """The same, for a reader."""
    return [f"  assumption  {text}" for text in assumptions(claims)]


def growth_lines(found: Horizon) -> list[str]:
    """A table of what each reach cost: lengths, classes of sequences, boxes, least margin, CPU seconds."""
    if not found.reached:
        return []
    head = f"  {'length':>6} {'sequences':>12} {'classes':>12} {'boxes':>9} {'margin':>9} {'CPU s':>8}"
    return ["Cost by length, each from scratch:", head, *map(_row_text, found.reached)]


def _row_text(row: Reached) -> str:
    sequences = f"{row.sequences:,}" if row.sequences < MOST_WIDE else f"{Decimal(row.sequences):.1e}"
    margin = f"{row.margin:.3g}" if np.isfinite(row.margin) else "-"
    return f"  {row.length:>6} {sequences:>12} {row.classes:>12,} {row.boxes:>9,} {margin:>9} {row.cpu_seconds:>8.2f}"


def _row_json(row: Reached) -> dict[str, Any]:
    return {
        "length": row.length,
        "rung": None if row.rung is None else str(row.rung),
        "sequences": row.sequences,
        "classes": row.classes,
        "boxes": row.boxes,
        "margin": row.margin if np.isfinite(row.margin) else None,
        "cpu_seconds": row.cpu_seconds,
        "sentence": row.sentence,
    }


def _proved(claims: tuple[Claim, ...]) -> list[str]:
    return [f"PROVED (rung {claim.rung}): it {claim.sentence}." for claim in claims]


def _certificate(result: Prolonged, saved: Path | None) -> str:
    if saved is None:
        return "No certificate written."
    longest = result.short.domain.max_length
    scope = "every length" if _is_endless(saved) else f"lengths up to {longest} alone"
    return f"Certificate: {saved} (for {scope}; check it with: distill check {saved})"


def _is_endless(saved: Path) -> bool:
    """Whether the certificate is about every length, not about the short distillation."""
    return (saved / MANIFEST).is_file() and Certificate.load(saved).statement.get("kind") == "all_lengths"
