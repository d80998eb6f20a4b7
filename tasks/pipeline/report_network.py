"""What the command line says of an explanation: text for people, JSON values for machines."""

from __future__ import annotations

from typing import Any

from cegis import Claim, Counterexample, Differs, Exhausted, Found, Stopped
from cegis.claim import equality, inputs_text, least_margin, under
from tasks.networks.conditions import conditions
from tasks.pipeline.distill import identifier
from tasks.pipeline.explain import Explanation
from tasks.pipeline.extend import Farther
from tasks.proofs.verifier import Cost

SHOWN_EXCEPTIONS = 20


def explanation_text(result: Explanation) -> str:
    """The function, the claim in one sentence, exceptions and a shorter rule, and the steps with their cost."""
    lines = ["", program_text(result).rstrip()] if result.program else []
    lines += ["", verdict(result), *_listed(result.exceptions)]
    far = result.farther
    if far is not None and far.where is None:
        lines += [] if far.is_proved else _claimed(far)
        lines += [f"PROVED (rung {far.tail.rung}): it {far.tail.sentence}."] if isinstance(far.tail, Claim) else []
    if result.rule is not None:
        if result.program != result.rule.program:
            lines += ["", rule_sentence(result), "", _source(result, "rule").rstrip()]
            lines += ["", *_listed(result.rule.exceptions)] if result.rule.exceptions else []
        else:
            lines += ["", "This function is also the shortest rule found."]
        if result.rule.where is not None:
            lines += ["", region_sentence(result), "", _source(result, "region").rstrip()]
    if far is not None and far.where is not None:
        lines += ["", *_limited(result, far)]
    lines += ["", "The steps:"]
    lines += [f"  {s.name:<11} {s.seconds:>7.2f} s  (CPU {s.cpu_seconds:.2f} s)  {s.text}" for s in result.steps]
    lines += [f"  note        {note}" for note in result.notes]
    assumption = result.subject.enumeration.assumption
    lines += [f"  assumption  {assumption}"] if assumption else []
    return "\n".join([*lines, *(growth_lines(far.found.costs) if far is not None else [])])


def growth_lines(costs: tuple[Cost, ...]) -> list[str]:
    """What lengths cost: at powers of two, and the last."""
    shown = [cost for cost in costs if cost.length in (4, 8, 16, 32, 64, 128, costs[-1].length)]
    head = f"  {'length':>6} {'states':>7} {'boxes':>9} {'CPU s':>8}"
    rows = [f"  {c.length:>6} {c.nodes:>7,} {c.boxes:>9,} {c.cpu_seconds:>8.2f}" for c in shown]
    return ["Cost up to each length:", head, *rows] if rows else []


def _claimed(far: Farther) -> list[str]:
    word = {True: "PROVED (rung {})", False: "AGREES (rung {}, not proved)"}
    return [f"{word[claim.rung.is_proof].format(claim.rung)}: it {claim.sentence}." for claim in far.found.claims]


def _limited(result: Explanation, far: Farther) -> list[str]:
    """What is known of the rule beyond what was listed, where its region allows it."""
    assert result.rule is not None
    assert result.rule.where is not None
    listed, beyond = result.subject.size - result.rule.where.inside, f"Beyond length {result.domain.max_length}"
    if sum(claim.sequences for claim in far.found.claims) <= listed and far.found.counterexample is None:
        ended = f" ({far.found.stopped})" if far.found.stopped else ""
        return [f"{beyond} the region has no sequence of which it is proved that the rule is right{ended}."]
    return [f"{beyond} the rule {far.sentence}.", *_claimed(far)]


def explanation_json(result: Explanation) -> dict[str, Any]:
    """The same as JSON values, with every exception."""
    subject, enumeration = result.subject, result.subject.enumeration
    rule, far = result.rule, result.farther
    return {
        "network": result.loaded.name,
        "format": result.loaded.format,
        "alphabet": result.domain.alphabet,
        "asked": [result.asked.min_length, result.asked.max_length],
        "lengths": [result.domain.min_length, result.domain.max_length],
        "constraint": result.domain.constraint.text if result.domain.constraint else None,
        "sequences": result.domain.size(),
        "inputs": subject.size,
        "without_label": subject.undecided,
        "labels": subject.names,
        "outcome": type(result.outcome).__name__.lower(),
        "proved": result.is_proved,
        "rung": rung(result),
        "semantics": enumeration.meaning,
        "conditions": conditions(result.loaded, result.domain),
        "margin": subject.least_margin,
        "error_bound": enumeration.radius,
        "sentence": verdict(result),
        "program": program_text(result) or None,
        "size": result.program.size if result.program else None,
        "exceptions": _as_json(result.exceptions),
        "rule": None
        if rule is None
        else {
            "program": _source(result, "rule"),
            "size": rule.program.size,
            "exceptions": _as_json(rule.exceptions),
            "horizon": rule.horizon,
            "region": None if rule.where is None else _source(result, "region"),
            "inside": None if rule.where is None else rule.where.inside,
        },
        "farther": None if far is None else _farther_json(far),
        "ended": result.ended,
        "steps": [vars(step) for step in result.steps],
        "notes": list(result.notes),
        "assumption": enumeration.assumption,
        "statistics": vars(result.outcome.statistics),
    }


def _farther_json(far: Farther) -> dict[str, Any]:
    broken = far.found.counterexample
    return {
        "lengths": [far.domain.min_length, far.domain.max_length],
        "sequences": far.domain.size(),
        "horizon": far.found.equal_up_to,
        "proved": far.is_proved,
        "limited_to_region": far.where is not None,
        "broken": None if broken is None else _as_json((broken,))[0],
        "stopped": str(far.found.stopped or ""),
        "claims": [claim.sentence for claim in far.found.claims],
        "all_lengths": far.tail.sentence if isinstance(far.tail, Claim) else far.tail or None,
        "growth": [vars(cost) for cost in far.found.costs],
    }


def rung(result: Explanation) -> str:
    """The rung of what is said of the program, and of every exception."""
    if result.farther is not None and result.farther.where is None and result.farther.found.claims:
        return str(result.farther.found.claims[0].rung)
    return "enumerated" if result.subject.enumeration.is_bounded else "tested"


def verdict(result: Explanation) -> str:
    """The outcome in one sentence."""
    far = result.farther
    if far is not None and far.where is None:
        if far.is_proved:
            return f"PROVED (rung {rung(result)}): this function {far.found.claims[0].sentence}."
        return f"NOT PROVED up to length {far.domain.max_length}: this function {far.sentence}."
    network, subject = f"the network {result.loaded.name}", result.subject
    none = f"; {subject.undecided:,} have no label (a tie, or a margin below the bound)" if subject.undecided else ""
    none += f"; nothing is known of longer sequences: {result.ended}" if result.ended else ""
    match result.outcome:
        case Found() if result.subject.enumeration.is_bounded:
            word = "PROVED" if not subject.undecided else "PROVED WHERE IT HAS A LABEL"
            if result.ended:
                word = f"NOT PROVED up to length {result.asked.max_length}, but {word}"
            return f"{word} (rung {rung(result)}): this function equals {_equality(result)}{none}."
        case Found():
            return f"AGREES (rung {rung(result)}, not proved): this function equals {_equality(result)}{none}."
        case Differs(exceptions=exceptions, reason=reason):
            found = f"DIFFERS: no program found that equals {network} everywhere ({reason}); this one"
            if reason.startswith("time limit"):
                found = f"NOT DECIDED IN TIME: no program found yet that equals {network} everywhere; the best so far"
            return (
                f"{found} differs on exactly {len(exceptions):,} of {_where(result)} (rung {rung(result)}), "
                f"{under(**_dependence(result))}{none}."
            )
        case Exhausted(examples=examples):
            return f"NOT FOUND: no program of the grammar agrees with {len(examples)} examples of {network}."
        case Stopped(reason=reason):
            return f"NOT PROVED: {reason}."


def rule_sentence(result: Explanation) -> str:
    """What is known of the short rule."""
    assert result.rule is not None
    count, horizon = len(result.rule.exceptions), result.rule.horizon
    equal = f"; up to length {horizon} the two are equal" if (horizon or -1) >= result.domain.min_length else ""
    return (
        f"A short rule equals the network {result.loaded.name} "
        f"but for exactly {count:,} of {_where(result)}, read and computed as above "
        f"(rung {rung(result)}){equal}:"
    )


def region_sentence(result: Explanation) -> str:
    """What is known of the region."""
    assert result.rule is not None
    assert result.rule.where is not None
    inside = result.rule.where.inside
    return f"The rule is right wherever this function says so: all but {inside:,} of {_where(result)}:"


def program_text(result: Explanation) -> str:
    """The function, with what is known of it as its docstring; empty when there is none."""
    if result.program is None:
        return ""
    known = f"Not known to equal the network {result.loaded.name}."
    far = result.farther
    if far is not None and far.where is None and far.found.claims:
        known = far.found.claims[0].docstring
    elif result.is_exact:
        how = "proved" if result.subject.enumeration.is_bounded else "compared one by one"
        known = f"Equals {_equality(result)}: {how}."
    elif isinstance(result.outcome, Differs):
        known = f"Equals {_equality(result, len(result.exceptions))}."
    return result.program.source(identifier(result.loaded.name), known)


def _source(result: Explanation, name: str) -> str:
    rule = result.rule
    assert rule is not None
    if name == "rule":
        return rule.program.source(f"{identifier(result.loaded.name)}_rule")
    assert rule.where is not None
    return rule.where.program.source(f"{identifier(result.loaded.name)}_rule_is")


def _equality(result: Explanation, exceptions: int = 0) -> str:
    """That the network is equalled, on what and under which conditions."""
    subject, name = result.subject, f"the network {result.loaded.name}"
    told: dict[str, Any] = _dependence(result) | {"what": subject.what, "which": _which(result)}
    return equality(name, result.domain, subject.size, exceptions=exceptions, **told)


def _where(result: Explanation) -> str:
    return inputs_text(result.domain, result.subject.size, result.subject.what, _which(result))


def _which(result: Explanation) -> str:
    return " that have a label" if result.subject.undecided else ""


def _dependence(result: Explanation) -> dict[str, str]:
    """What everything that is said of labels depends on."""
    enumeration = result.subject.enumeration
    return {
        "semantics": enumeration.meaning,
        "conditions": conditions(result.loaded, result.domain),
        "method": least_margin(result.subject.least_margin, enumeration.is_bounded),
    }


def _listed(exceptions: tuple[Counterexample, ...]) -> list[str]:
    lines = [f"  on {_input(e)}: network {e.expected!r}, program {e.got!r}" for e in exceptions[:SHOWN_EXCEPTIONS]]
    more = len(exceptions) - SHOWN_EXCEPTIONS
    return [*lines, f"  and {more:,} more (all of them with --json)"] if more > 0 else lines


def _input(exception: Counterexample) -> str:
    match exception.inputs:
        case (tuple() as tokens, int() as place):
            return f"{' '.join(tokens)!r} at {place}"
    return repr(" ".join(exception.inputs))


def _as_json(exceptions: tuple[Counterexample, ...]) -> list[dict[str, Any]]:
    return [{"inputs": e.inputs, "network": e.expected, "program": e.got} for e in exceptions]
