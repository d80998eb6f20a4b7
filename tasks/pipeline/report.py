"""What is said of a result of any kind: one text for people, JSON values for machines.

The values follow ``docs/distillation.schema.json``.
"""

from __future__ import annotations

import builtins
import keyword
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cegis import Claim, Counterexample, Differs, Exhausted, Found, Stopped
from cegis.claim import equality, inputs_text, least_margin, under
from tasks.formats import Loaded
from tasks.networks.quoting import NAME, json_text
from tasks.pipeline.agreement import Against, against
from tasks.pipeline.distill import Distilled
from tasks.pipeline.extend import Extension
from tasks.pipeline.functions import TRUST, how_run, is_run
from tasks.pipeline.labels import SLACK
from tasks.pipeline.result import Together
from tasks.pipeline.search import GIVEN, Tried
from tasks.pipeline.sequences import Distillation
from tasks.pipeline.surrogate import described as described_surrogate
from tasks.proofs.verifier import Cost

SCHEMA = "distillation/1"  # of the JSON values
SHOWN_EXCEPTIONS = 20
SHOWN_LABELS = 8
SHOWN_SETS = 2  # of what decides every label
WRONG = 3  # a program that is wrong on more than one of so many inputs is none to show
MOST_EXCEPTIONS = 100  # in the JSON values
INDENT = " " * 14  # of a wrapped line in a list


def distillation_text(
    result: Distilled, *, is_full: bool = True, width: int | None = None, is_written: bool = False
) -> str:
    """The function, the verdict in one sentence, exceptions, a shorter rule and notes.

    ``is_full`` adds the whole chain: every claim, what decides the labels, the steps with their cost, the assumptions;
    without it the verdict leaves to the docstring what that says. Sentences are wrapped at words to ``width`` columns.
    ``is_written``: all exceptions are in a file, so that nobody needs to be told how to get them.
    """
    text = program_text(result).rstrip()
    lines = ["", text] if text else []
    lines += ["", verdict(result, is_full=is_full)]
    lines += _of_lists(result, bool(text), is_full, is_written) if isinstance(result, Distillation) else []
    lines += _chain(result) if is_full else [f"Note: {note}" for note in notes(result)]
    return "\n".join(lines if width is None else [wrapped(line, width) for line in lines])


def _of_lists(result: Distillation, is_shown: bool, is_full: bool, is_written: bool) -> list[str]:
    """What the labels that were listed say beside the verdict."""
    lines = _listed(result.exceptions if is_shown else (), is_written)
    lines += [*_claimed(result), *depends_lines(result)] if is_full else _stronger(result)
    lines += [] if is_shown else known_lines(result)
    return [*lines, *_rule_lines(result, is_written), *_labelled_lines(result)]


def _chain(result: Distilled) -> list[str]:
    """The steps and what they cost, what was not done, and what everything rests on."""
    lines = ["", "The steps:"]
    lines += [f"  {s.name:<11} {s.seconds:>7.2f} s  (CPU {s.cpu_seconds:.2f} s)  {s.text}" for s in result.steps]
    searched = result.tried if isinstance(result, Distillation) else ()
    lines += [f"  searched    {_tried_text(tried)}" for tried in searched]
    lines += [f"  note        {note}" for note in notes(result)]
    lines += [f"  not applied {name}: {reason}" for name, reason in result.not_applied.items()]
    lines += [f"  assumption  {assumption}" for assumption in assumptions(result)]
    if isinstance(result, Distillation) and result.extension is not None:
        method = result.extension.method
        lines += [f"Method: {method.sentence}.", *growth_lines(result.extension.found.costs)]
    return lines


def wrapped(line: str, width: int) -> str:
    """A sentence wrapped at words; a program, which has lines of its own, as it is."""
    if "\n" in line or len(line) <= width:
        return line
    return textwrap.fill(
        line,
        width,
        subsequent_indent=INDENT if line.startswith(" ") else "",
        break_long_words=False,
        break_on_hyphens=False,
    )


def compared(result: Distillation, model: Loaded, seconds: float) -> Against:
    """The program that is shown, and the network it was found for, beside another network; see ``against``."""
    program = result.program if is_explanation(result) else None
    is_beyond = result.extension is not None and program is not None and result.broken is not None
    broken = result.broken.inputs if is_beyond and result.broken is not None else None
    return against(result.labels, program, broken, model, seconds)


def distillation_json(result: Distilled, certificate: str | None = None) -> dict[str, Any]:
    """The same as JSON values; ``certificate``: the folder of the one that was written.

    Of exceptions the first ``MOST_EXCEPTIONS``; all of them are ``exception_lines``.
    """
    if isinstance(result, Together):
        return _together_json(result, certificate)
    table, enumeration = result.labels, result.labels.enumeration
    rule, extension = result.rule, result.extension
    return {
        "schema": SCHEMA,
        "network": result.model.name,
        "format": result.model.format,
        "alphabet": list(result.domain.alphabet),
        "constraint": result.domain.constraint.text if result.domain.constraint else None,
        "asked": _lengths(result.asked.min_length, result.asked.max_length),
        "lengths": _lengths(result.domain.min_length, result.domain.max_length),
        "sequences": result.domain.size(),
        "inputs": table.size,
        "without_label": table.undecided,
        "labels": list(table.counts()),
        "label_counts": table.counts(),
        "semantics": enumeration.meaning,
        "conditions": table.conditions,
        "margin": table.least_margin,
        "error_bound": enumeration.radius,
        "outcome": type(result.outcome).__name__.lower(),
        "proved": result.is_proved,
        "rung": rung(result),
        "sentence": verdict(result),
        "program": program_text(result) or None,
        "size": result.program.size
        if result.program and is_explanation(result) and not is_run(result.program)
        else None,
        "claims": [claim.as_json() for claim in result.claims],
        "exceptions": _as_json(result.exceptions if is_explanation(result) else ()),
        "exception_count": len(result.exceptions),
        "horizon": result.horizon if is_explanation(result) else None,
        "broken": None if result.broken is None or not is_explanation(result) else _as_json((result.broken,))[0],
        "rule": None
        if rule is None
        else {
            "program": rule.program.source(f"{function_name(result)}_rule"),
            "size": rule.program.size,
            "exceptions": _as_json(rule.exceptions),
            "exception_count": len(rule.exceptions),
            "horizon": rule.horizon,
            "region": None if rule.where is None else rule.where.program.source(f"{function_name(result)}_rule_is"),
            "inside": None if rule.where is None else rule.where.inside,
        },
        "labelled_iff": _labelled_text(result) or None,
        "depends_on": [[feature.words for feature in known.features] for known in result.dependence],
        "tried": [vars(tried) | {"candidates_per_second": tried.per_second} for tried in result.tried],
        "surrogate": None
        if result.surrogate is None
        else {
            "exact": not result.surrogate.wrong,
            "text": described_surrogate(result.surrogate),
            "exceptions": [list(sequence) for sequence in result.surrogate.wrong[:MOST_EXCEPTIONS]],
            "exception_count": len(result.surrogate.wrong),
            "queries": result.queries,
        },
        "extension": None if extension is None else _extension_json(extension),
        "not_applied": result.not_applied,
        "notes": notes(result),
        "assumptions": assumptions(result),
        "steps": [vars(step) for step in result.steps],
        "statistics": vars(result.outcome.statistics),
        "certificate": certificate,
    }


def _together_json(result: Together, certificate: str | None) -> dict[str, Any]:
    """The values of a result whose inputs were taken together: no label is counted, and no exception listed."""
    asked, claim, broken = result.asked, result.claims[0] if result.claims else None, result.broken
    ended = (
        "exhausted" if result.program is None else "found" if result.is_proved else "differs" if broken else "stopped"
    )
    is_part = claim is not None and not (result.is_proved and claim.domain.max_length == asked.max_length)
    return {
        "schema": SCHEMA,
        "kind": result.what,
        "network": result.model.name,
        "format": result.model.format,
        "asked_in_words": result.inputs_text,
        "alphabet": list(asked.alphabet),
        "constraint": None,
        "asked": _lengths(asked.min_length, asked.max_length),
        "lengths": _lengths(asked.min_length, asked.max_length),
        "sequences": None if asked.max_length is None else asked.size(),
        "inputs": 0 if claim is None else claim.sequences,
        "without_label": 0,
        "labels": [],
        "label_counts": {},
        "semantics": "" if claim is None else claim.semantics,
        "conditions": result.conditions,
        "margin": result.margin,
        "error_bound": None,
        "outcome": ended,
        "proved": result.is_proved,
        "rung": "" if claim is None else str(claim.rung),
        "sentence": verdict(result),
        "program": program_text(result) or None,
        "size": None if result.program is None else result.program.size,
        "claims": [claim.as_json() for claim in result.claims],
        "exceptions": [],
        "exception_count": 0,
        "horizon": result.horizon,
        "broken": None if broken is None else _one_as_json(broken),
        "rule": None,
        "labelled_iff": None,
        "depends_on": [],
        "tried": [],
        "surrogate": None,
        "extension": None
        if claim is None or not is_part
        else {
            "lengths": _lengths(claim.domain.min_length, claim.domain.max_length),
            "sequences": None if claim.domain.max_length is None else claim.sequences,
            "horizon": result.horizon,
            "proved": result.is_proved,
            "limited_to_region": False,
            "broken": None if broken is None else _one_as_json(broken),
            "stopped": result.reason,
            "method": claim.method,
            "reason": "",
            "all_lengths": claim.sentence if claim.domain.max_length is None else None,
            "growth": [],
        },
        "not_applied": result.not_applied,
        "notes": notes(result),
        "assumptions": assumptions(result),
        "steps": [vars(step) for step in result.steps],
        "statistics": {},
        "certificate": certificate,
        "figures": result.figures,
    }


def _extension_json(extension: Extension) -> dict[str, Any]:
    found, broken = extension.found, extension.found.counterexample
    return {
        "lengths": _lengths(extension.domain.min_length, extension.domain.max_length),
        "sequences": extension.domain.size(),
        "horizon": found.equal_up_to,
        "proved": extension.is_proved,
        "limited_to_region": extension.where is not None,
        "broken": None if broken is None else _as_json((broken,))[0],
        "stopped": str(found.stopped or ""),
        "method": extension.method.way.value,
        "reason": extension.method.reason,
        "all_lengths": extension.tail.sentence if isinstance(extension.tail, Claim) else extension.tail or None,
        "growth": [vars(cost) for cost in found.costs],
    }


def exception_lines(result: Distilled) -> Iterator[str]:
    """Every exception of the program and of the rule as a line of JSON, those of the program first.

    Where inputs were not listed, the one that is known.
    """
    if isinstance(result, Together):
        yield from (
            [] if result.broken is None else [json_text({"of": "program"} | _one_as_json(result.broken), indent=None)]
        )
        return
    of_rule = () if result.rule is None or result.rule.program == result.program else result.rule.exceptions
    for which, exceptions in (("program", result.exceptions), ("rule", of_rule)):
        for exception in exceptions:
            yield json_text({"of": which} | _one_as_json(exception), indent=None)


def is_explanation(result: Distillation) -> bool:
    """Whether the program is worth reading: one that was found and is wrong on more than a third explains nothing."""
    is_given = result.outcome.statistics.candidates == 0
    return is_given or WRONG * len(result.exceptions) <= result.labels.size


def depends_lines(result: Distillation) -> list[str]:
    """What decides every label that was listed."""
    words = [known.words for known in result.dependence]
    return [depends_text(words)] if words else []


def depends_text(words: list[str]) -> str:
    """That the labels are decided by any of these, the least first."""
    others = "".join(f"; or by this: {known}" for known in words[1:SHOWN_SETS])
    return f"Every label that was listed is decided by this alone: {words[0]}{others}."


def _tried_text(tried: Tried) -> str:
    """A grammar that was searched, in one line."""
    count = f"{tried.productions} rows, {tried.candidates:,} candidates ({tried.per_second:,.0f} a second)"
    return f"{tried.words}: {count}; {tried.ended}"


def known_lines(result: Distillation) -> list[str]:
    """What is known of the network where no program explains it."""
    counts = sorted(result.labels.counts().items(), key=lambda item: -item[1])
    shown = ", ".join(f"{label!r} {count:,}" for label, count in counts[:SHOWN_LABELS])
    more = f" and {len(counts) - SHOWN_LABELS:,} more" if len(counts) > SHOWN_LABELS else ""
    return [f"Its labels, the most frequent first: {shown}{more}."]


def growth_lines(costs: tuple[Cost, ...]) -> list[str]:
    """What lengths cost: at powers of two, and the last."""
    shown_at = [cost for cost in costs if cost.length in (4, 8, 16, 32, 64, 128, 256, costs[-1].length)]
    head = f"  {'length':>6} {'states':>9} {'boxes':>9} {'CPU s':>8}"
    rows = [f"  {c.length:>6} {c.nodes:>9,} {c.boxes:>9,} {c.cpu_seconds:>8.2f}" for c in shown_at]
    return ["Cost up to each length:", head, *rows] if rows else []


def rung(result: Distillation) -> str:
    """How strong what is said of the program is."""
    extension = result.extension
    if extension is not None and extension.where is None and extension.found.claims:
        return str(extension.found.claims[0].rung)
    return "enumerated" if result.labels.enumeration.is_bounded else "tested"


def verdict(result: Distilled, *, is_full: bool = True) -> str:
    """The outcome in one sentence; without ``is_full`` less what the docstring of a program that is shown says."""
    if isinstance(result, Together):
        return result.verdict(is_full=is_full)
    extension = result.extension
    is_brief = not is_full and bool(program_text(result))
    if extension is not None and extension.where is None:
        if extension.is_proved:
            claim = extension.found.claims[0]
            said = replace(claim, conditions="", method="") if is_brief else claim
            return f"PROVED (rung {rung(result)}): this function {said.sentence}."
        return f"NOT PROVED up to length {extension.domain.max_length}: this function {extension.sentence}."
    network, table, dependence = result.model.reference, result.labels, _dependence(result)
    if is_brief:
        dependence |= {"conditions": "", "method": ""}
    none = f"; {table.undecided:,} have no label (a tie, or a margin below the bound)" if table.undecided else ""
    none += f"; nothing is known of longer sequences: {result.ended}" if result.ended else ""
    match result.outcome:
        case Found() if table.enumeration.is_bounded:
            word = "PROVED WHERE IT HAS A LABEL" if table.undecided else "PROVED"
            if result.asked != result.domain:
                word = f"NOT PROVED up to length {result.asked.max_length}, but {word}"
            return f"{word} (rung {rung(result)}): this function equals {_equality(result, dependence)}{none}."
        case Found():
            return (
                f"AGREES (rung {rung(result)}, not proved): this function equals {_equality(result, dependence)}{none}."
            )
        case Differs(exceptions=exceptions, reason=reason, is_late=is_late, horizon=horizon):
            found = f"DIFFERS: no program found that equals {network} everywhere ({reason}); this one"
            if reason == GIVEN:
                found = f"DIFFERS: this function is not {network}; it"
            if is_late:
                found = f"NOT DECIDED IN TIME: no program found yet that equals {network} everywhere; the best so far"
            equal = _equal_up_to(result, horizon)
            if not is_explanation(result):
                return (
                    f"NOT EXPLAINED: no program found that equals {network} everywhere ({reason}); the best one is not "
                    f"shown, since it is wrong on {len(exceptions):,} of {_where(result)}, more than a third{none}."
                )
            return (
                f"{found} differs on exactly {len(exceptions):,} of {_where(result)} (rung {rung(result)}), "
                f"{under(**dependence)}{equal}{none}."
            )
        case Exhausted(examples=examples):
            return f"NOT FOUND: no program of the grammar agrees with {len(examples)} examples of {network}."
        case Stopped(reason=reason):
            return f"NOT PROVED: {reason}."


def stated(source: str, holds: bool | None = None) -> str:
    """Of what was read from ``source``: that it is repeated, or what its check said; ``holds`` None for no check."""
    words = {
        None: f"This repeats what {source} states; nothing of it was proved or checked again here.",
        True: f"The certificate {source} was checked when this was written: it holds.",
        False: f"The certificate {source} was checked when this was written: it does NOT hold, so nothing that it "
        "states is to be believed.",
    }
    return words[holds]


def _equal_up_to(result: Distillation, horizon: int | None) -> str:
    """That there is no exception up to length ``horizon``, where that says something and all labels are known."""
    if horizon is None or horizon < result.domain.min_length or result.labels.is_placed or result.labels.undecided:
        return ""
    return f"; up to length {horizon} the two are equal"


def program_text(result: Distilled) -> str:
    """The function, with what is known of it as its docstring; empty when there is none to show."""
    if isinstance(result, Together):
        return result.source(function_name(result), result.docstring)
    if result.program is None or not is_explanation(result):
        return ""
    return result.program.source(function_name(result), docstring(result))


def docstring(result: Distillation) -> str:
    """One sentence on what is known of the program."""
    extension = result.extension
    if extension is not None and extension.where is None and extension.found.claims:
        return extension.found.claims[0].docstring
    if result.is_exact:
        how = "proved" if result.labels.enumeration.is_bounded else "compared one by one"
        return f"Equals {_equality(result, _dependence(result))}: {how}."
    if isinstance(result.outcome, Differs):
        return f"Equals {_equality(result, _dependence(result), len(result.exceptions))}."
    return f"Not known to equal {result.model.reference}."


def function_name(result: Distilled) -> str:
    """What the printed function is called."""
    return identifier(result.model.name[:NAME], "network" if isinstance(result, Together) else "circuit")


def identifier(text: str, kind: str = "circuit") -> str:
    """A name as a Python identifier that hides nothing of Python's: of one that does, behind its ``kind``."""
    name = "".join(c if c.isalnum() and c.isascii() else "_" for c in text)
    is_free = name[:1].isalpha() and not keyword.iskeyword(name) and not hasattr(builtins, name)
    return name if is_free else f"{kind}_{name}"


def notes(result: Distilled) -> list[str]:
    """What else a reader should know."""
    if isinstance(result, Together):
        return [*result.notes]
    own = result.outcome.notes if isinstance(result.outcome, Found) else ()
    extension = () if result.extension is None or not result.extension.note else (result.extension.note,)
    return [*result.notes, *own, *extension]


def assumptions(result: Distilled) -> list[str]:
    """What everything that is said takes as given, each text once."""
    if isinstance(result, Together):
        return [claim.detail for claim in result.claims if claim.detail]
    of_claims = [claim.detail for claim in result.claims if claim.detail]
    if is_run(result.program):
        of_claims = [TRUST, *(detail.removesuffix(TRUST).strip() for detail in of_claims)]
    return [*dict.fromkeys(filter(None, (result.labels.enumeration.assumption, *of_claims)))]


def _claimed(result: Distillation) -> list[str]:
    """The claims that the verdict does not make."""
    return [claim.words for claim in _others(result)]


def _stronger(result: Distillation) -> list[str]:
    """Those that reach every length, in short: how the network is read says the docstring."""
    return [replace(c, conditions="", method="").words for c in _others(result) if c.domain.max_length is None]


def _others(result: Distillation) -> tuple[Claim, ...]:
    extension = result.extension
    if extension is None:
        return tuple(claim for claim in result.claims if str(claim.rung) != rung(result))
    return result.claims[1:] if extension.is_proved else result.claims


def _rule_lines(result: Distillation, is_written: bool) -> list[str]:
    """The short rule, its exceptions, its region, and how far it holds there."""
    rule, extension = result.rule, result.extension
    if rule is None:
        return []
    if result.program == rule.program:
        lines = ["", "This function is also the shortest rule found."]
    else:
        lines = ["", rule_sentence(result), "", rule.program.source(f"{function_name(result)}_rule").rstrip()]
        lines += ["", *_listed(rule.exceptions, is_written)] if rule.exceptions else []
    if rule.where is not None:
        lines += [
            "",
            region_sentence(result),
            "",
            rule.where.program.source(f"{function_name(result)}_rule_is").rstrip(),
        ]
    if extension is not None and extension.where is not None:
        lines += ["", *_limited(result, extension)]
    return lines


def _labelled_text(result: Distillation) -> str:
    """The function that says which inputs have a label; empty where there is none."""
    program = result.labelled_iff
    return "" if program is None else program.source(f"{function_name(result)}_has")


def _labelled_lines(result: Distillation) -> list[str]:
    """The function that says which inputs have a label, below what is known of it."""
    if result.labelled_iff is None:
        return []
    return ["", labelled_sentence(result), "", _labelled_text(result).rstrip()]


def region_sentence(result: Distillation) -> str:
    """Where the short rule is right."""
    assert result.rule is not None
    assert result.rule.where is not None
    inside = f"all but {result.rule.where.inside:,} of {_where(result)}"
    return f"The rule is right wherever this function says so: {inside}:"


def labelled_sentence(result: Distillation) -> str:
    """Which inputs have a label, and what it is to have none."""
    table = result.labels
    every = table.size + table.undecided
    bound = f"{table.enumeration.radius:.2g}"
    none = f"a tie, or a margin no larger than its error bound (at most {bound})"
    if table.margin:
        none = f"a margin that is below {table.margin:g} after its error bound (at most {bound}), ties included"
    rung_of_labels = "enumerated" if table.enumeration.is_bounded else "tested"
    return (
        f"An input has a label iff this function says so, on all {inputs_text(result.domain, every, table.what)} "
        f"(rung {rung_of_labels}); {table.undecided:,} have none, which is {none}:"
    )


def rule_sentence(result: Distillation) -> str:
    """What is known of the short rule."""
    assert result.rule is not None
    count, horizon = len(result.rule.exceptions), result.rule.horizon
    equal = _equal_up_to(result, horizon)
    return (
        f"A short rule equals {result.model.reference} but for exactly {count:,} of {_where(result)}, "
        f"read and computed as above (rung {rung(result)}){equal}:"
    )


def _limited(result: Distillation, extension: Extension) -> list[str]:
    """What is known of the rule beyond what was listed, where its region allows it."""
    assert result.rule is not None
    assert result.rule.where is not None
    listed, beyond = result.labels.size - result.rule.where.inside, f"Beyond length {result.domain.max_length}"
    found = extension.found
    if sum(claim.sequences for claim in found.claims) <= listed and found.counterexample is None:
        ended = f" ({found.stopped})" if found.stopped else ""
        return [f"{beyond} the region has no sequence of which it is proved that the rule is right{ended}."]
    return [f"{beyond} the rule {extension.sentence}.", *(claim.words for claim in found.claims)]


def _equality(result: Distillation, dependence: dict[str, str], exceptions: int = 0) -> str:
    """That the network is equalled, on what and under which conditions."""
    told: dict[str, Any] = dependence | {"what": result.labels.what, "which": _which(result)}
    return equality(result.model.reference, result.domain, result.labels.size, exceptions=exceptions, **told)


def _where(result: Distillation) -> str:
    return inputs_text(result.domain, result.labels.size, result.labels.what, _which(result))


def _which(result: Distillation) -> str:
    return " that have a label" if result.labels.undecided else ""


def _dependence(result: Distillation) -> dict[str, str]:
    """What everything that is said of labels depends on."""
    table, enumeration = result.labels, result.labels.enumeration
    margin, how = least_margin(table.least_margin * (1 - SLACK), enumeration.is_bounded), how_run(result.program)
    return {
        "semantics": enumeration.meaning,
        "conditions": table.conditions,
        "method": f"{margin}; {how}" if how else margin,
    }


def _lengths(shortest: int, longest: int | None) -> list[int | None]:
    return [shortest, longest]


def _listed(exceptions: tuple[Counterexample, ...], is_written: bool = False) -> list[str]:
    lines = [f"  on {_input(e)}: network {e.expected!r}, program {_given(e)}" for e in exceptions[:SHOWN_EXCEPTIONS]]
    more, how = len(exceptions) - SHOWN_EXCEPTIONS, "" if is_written else " (all of them with --exceptions FILE)"
    return [*lines, f"  and {more:,} more{how}"] if more > 0 else lines


def _given(exception: Counterexample) -> str:
    return "no label" if exception.got is None else repr(exception.got)


def _input(exception: Counterexample) -> str:
    match exception.inputs:
        case (tuple(), int() as place):
            return f"{' '.join(exception.sequence)!r} at {place}"
    return repr(" ".join(exception.sequence))


def _as_json(exceptions: tuple[Counterexample, ...]) -> list[dict[str, Any]]:
    return [_one_as_json(exception) for exception in exceptions[:MOST_EXCEPTIONS]]


def _one_as_json(exception: Counterexample) -> dict[str, Any]:
    return {"inputs": exception.inputs, "network": exception.expected, "program": exception.got}
