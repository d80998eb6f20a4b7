"""What is said of what matters in a network: tables for people, JSON values for machines.

The values follow ``docs/explanation.schema.json``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cegis.claim import inputs_text, least_margin, under
from tasks.networks.quoting import shown
from tasks.pipeline.explain import Ablated, Altered, Explanation, Tolerance
from tasks.pipeline.labels import SLACK
from tasks.proofs.effects import Change, Effect, Inputs

SCHEMA = "explanation/1"  # of the JSON values
SHOWN = 40  # rows of a table
KINDS = {"node": "nodes", "head": "heads", "unit": "units", "dimension": "dimensions", "edge": "edges"}


@dataclass(frozen=True)
class Table:
    """Rows of texts under ``heads``."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: str = ""


def tables(result: Explanation) -> tuple[Table, ...]:
    """Parts, invariance, robustness: what changes most first."""
    found: list[Table] = []
    heads: tuple[str, ...] = ("part", "labels that change", "the shortest")
    for title, ablated in (("Nodes", result.nodes), ("Edges", result.edges)):
        if ablated:
            ordered = sorted(ablated, key=_weight)
            rows: tuple[tuple[str, ...], ...] = tuple(
                (shown(one.part.name), *_cells(one.effect)) for one in ordered[:SHOWN]
            )
            many = len(ablated) - SHOWN
            more = f"{many:,} more (all of them with --json)" if many > 0 else ""
            what = "a weight becomes zero" if title == "Edges" else f"a part becomes {result.ablation}"
            found.append(Table(f"{title}, left out one at a time: {what}", heads, rows, more))
    looked = [one for one in result.invariances if one.effect.compared]
    rows = tuple((shown(one.words), f"{one.effect.compared:,}", *_cells(one.effect)) for one in looked)
    if rows:
        heads = ("change", "within the domain", "labels that change", "the shortest")
        found.append(Table("Sequences that are changed, where that leaves them in the domain", heads, rows))
    rows = tuple((f"{one.kind}: {one.words}", *_cells(one.effect)) for one in result.robustness)
    if rows:
        found.append(Table("Weights that are changed", ("change", "labels that change", "the shortest"), rows))
    return tuple(found)


def sentences(result: Explanation) -> list[str]:
    """What is established, in sentences: parts, what they may be together, all weights at once, what is left open."""
    lines = [verdict(result)]
    nodes = [one.part.name for one in result.nodes if one.effect is not None and one.effect.is_none]
    if nodes:
        lines.append(f"Without effect, each alone: {shown(', '.join(nodes))}.")
    if result.together is not None:
        what = "changes no label" if result.together.is_none else f"changes {result.together.words} labels"
        lines.append(f"Leaving out all {len(nodes)} of them at once {what}.")
    invariant = [one.words for one in result.invariances if one.effect.is_none and not one.outside]
    if invariant:
        lines.append(f"No label ever changes by: {shown('; '.join(invariant))}.")
    lines.append(tolerance_text(result.tolerance))
    if result.ended:
        lines.append(f"Cut short: {result.ended}; what was not looked at is marked so.")
    lines += [f"Not looked at: {name}, since {reason}." for name, reason in result.not_applied.items()]
    lines += [f"Note: {note}" for note in result.notes]
    assumption = result.labels.enumeration.assumption
    return [*lines, *([f"Assumption: {assumption}"] if assumption else [])]


def verdict(result: Explanation) -> str:
    """Counts of parts in one sentence, with all that they depend on."""
    table = result.labels
    which = " that have a label" if table.undecided else ""
    where = inputs_text(table.domain, table.size, table.what, which)
    parts = [f"{len(ablated):,} {_names(ablated)}" for ablated in (result.nodes, result.edges) if ablated]
    effects = [one.effect for one in (*result.nodes, *result.edges)]
    none = sum(one is not None and one.is_none for one in effects)
    changing = sum(one is not None and one.changed > 0 for one in effects)
    unsettled = sum(one is not None and not one.changed and not one.is_none for one in effects)
    late = sum(one is None for one in effects)
    said = f"{changing:,} change a label, {none:,} change none (proved)"
    said += f", {unsettled:,} may change some (labels are left open)" if unsettled else ""
    said += f", {late:,} were not looked at" if late else ""
    margin = least_margin(table.least_margin * (1 - SLACK), table.enumeration.is_bounded)
    conditions = under(table.enumeration.meaning, table.conditions, margin)
    what = " and ".join(parts) or "no parts"
    names = list(table.counts())
    said += f"; but every input has the same label, {names[0]!r}" if len(names) == 1 else ""
    return f"Of {what} of {result.model.reference}, each left out alone, on all {where}: {said}, {conditions}."


def tolerance_text(tolerance: Tolerance) -> str:
    """How far all weights may move, in one sentence."""
    if tolerance.spread is None:
        return f"How far all weights may move at once is not known: {tolerance.reason}."
    note = f" ({tolerance.reason})" if tolerance.reason else ""
    return (
        f"No label changes, in real arithmetic, while every weight is off by a factor of its own within "
        f"1 ± {tolerance.spread:.3g}{note}: proved; of larger ones nothing is said."
    )


def explanation_json(result: Explanation) -> dict[str, Any]:
    """Everything as JSON values."""
    table, domain = result.labels, result.labels.domain
    return {
        "schema": SCHEMA,
        "network": result.model.name,
        "format": result.model.format,
        "alphabet": list(domain.alphabet),
        "constraint": domain.constraint.text if domain.constraint else None,
        "lengths": [domain.min_length, domain.max_length],
        "sequences": domain.size(),
        "inputs": table.size,
        "without_label": table.undecided,
        "label_counts": table.counts(),
        "semantics": table.enumeration.meaning,
        "conditions": table.conditions,
        "margin": table.least_margin,
        "sentence": verdict(result),
        "ablation": result.ablation,
        "nodes": [_ablated_json(one) for one in result.nodes],
        "edges": [_ablated_json(one) for one in result.edges],
        "redundant": [part.name for part in result.redundant],
        "together": _effect_json(result.together),
        "invariances": [
            {"kind": one.kind, "words": one.words, "tokens": list(one.tokens), "outside": one.outside}
            | {"effect": _effect_json(one.effect)}
            for one in result.invariances
        ],
        "robustness": [_altered_json(one) for one in result.robustness],
        "tolerance": {"spread": result.tolerance.spread, "reason": result.tolerance.reason},
        "whole": result.is_whole,
        "ended": result.ended,
        "not_applied": result.not_applied,
        "notes": list(result.notes),
        "assumptions": [table.enumeration.assumption] if table.enumeration.assumption else [],
        "steps": [vars(step) for step in result.steps],
    }


def _ablated_json(one: Ablated) -> dict[str, Any]:
    return {"kind": one.part.kind, "name": one.part.name, "effect": _effect_json(one.effect)}


def _altered_json(one: Altered) -> dict[str, Any]:
    reason = one.effect if isinstance(one.effect, str) else ""
    known = None if isinstance(one.effect, str) else one.effect
    return {"kind": one.kind, "words": one.words, "effect": _effect_json(known), "reason": reason}


def _effect_json(effect: Effect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    return {
        "compared": effect.compared,
        "changed": effect.changed,
        "undecided": effect.undecided,
        "none": effect.is_none,
        "first": None if effect.first is None else _change_json(effect.first),
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "inputs": _inputs_json(change.inputs),
        "before": change.before,
        "after": change.after,
        "other": None if change.other is None else _inputs_json(change.other),
    }


def _inputs_json(inputs: Inputs) -> list[Any]:
    words, place = inputs
    return list(words) if place is None else [list(words), place]


def _weight(one: Ablated) -> tuple[int, int]:
    """Those that change most first, then those with open labels, without effect, not looked at."""
    if one.effect is None:
        return 1, 0
    return 0, -(2 * one.effect.changed + one.effect.undecided)


def _cells(effect: Effect | str | None) -> tuple[str, str]:
    if effect is None:
        return "not looked at", ""
    if isinstance(effect, str):
        return "no such network", shown(effect)
    if effect.first is None:
        return effect.words, ""
    first = effect.first
    at = f"{_words(first.inputs)}: {first.before!r} becomes {first.after!r}"
    return effect.words, shown(at if first.other is None else f"{at}, as {_words(first.other)}")


def _words(inputs: Inputs) -> str:
    words, place = inputs
    text = repr(" ".join(words))
    return text if place is None else f"{text} at {place}"


def _names(ablated: Iterable[Ablated]) -> str:
    return ", ".join(dict.fromkeys(KINDS[one.part.kind] for one in ablated))
