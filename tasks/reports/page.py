"""One HTML page about a result that needs nothing beside it: no network, no other file.

The template is ``templates/page.html``. Every text goes through Jinja2's escaping and ``shown``, whoever wrote it, and
a content security policy allows the page's own script alone, so nothing of a stranger's can run. What is claimed is
worded in ``tasks.pipeline.report``.
"""

from __future__ import annotations

import base64
import hashlib
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cegis import Rung
from cegis.claim import counted
from cegis.streams import stream_text
from tasks.formats.writing import write_file
from tasks.networks.conditions import readout_text, row_text
from tasks.networks.model import BlackBox, Loaded
from tasks.networks.quoting import shown, shown_lines
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Transformer
from tasks.pipeline.dependence import listed
from tasks.pipeline.distill import Distilled
from tasks.pipeline.report import depends_text
from tasks.reports.automaton import automaton_of, automaton_svg
from tasks.reports.browser import examples, executable, word
from tasks.reports.drawing import graph_svg
from tasks.reports.graph import Graph, graph
from tasks.reports.needs import check_installed
from tasks.reports.plots import STATES, margins_svg, sequences_svg
from tasks.reports.subject import Subject, of_distillation, sequence_of
from tasks.reports.words import in_words

TEMPLATES = Path(__file__).parent / "templates"
DISTRIBUTION = "symbolic-circuit-distillation"
PACKAGES = ("numpy", "python-flint", "z3-solver", "cvc5")
MOST_ROWS = 2000  # of a table
MOST_PLACES = 16  # of the first sequence that is shown
RUNGS = {
    Rung.ALL_LENGTHS: "the network itself equals the program on every sequence, however long",
    Rung.BOUNDED: "the network itself equals the program on every sequence up to a length, without visiting each",
    Rung.SURROGATE: "an exact stand-in equals the network on a list, and a solver proved that the program equals it",
    Rung.ENUMERATED: "every sequence was looked at, with a bound on rounding below every margin",
    Rung.TESTED: "agrees where it was run; nothing is proved",
}
OTHERS = {
    "streams": (("sequence", "stream"),),
    "pairs": ((" up to a length", ""), ("sequence", "pair")),
}  # what kinds of inputs are called in RUNGS


@dataclass(frozen=True)
class RungRow:
    """A rung of the ladder, and what is established on it."""

    name: str
    meaning: str
    is_proof: bool
    claims: tuple[Mapping[str, Any], ...]
    reason: str
    is_passed: bool  # a stronger statement is established


def write_page(result: Distilled, target: Path, folder: Path | None = None) -> Path:
    """The page of a result as the file ``target``; ``folder``: where the network's files lie, for their hashes."""
    check_installed()
    write_file(target, [page(of_distillation(result, folder)).encode()])
    return target


def page(subject: Subject) -> str:
    """The page as text; raises NetworkError where a result that was read holds other values than are printed."""
    from jinja2 import TemplateError

    try:
        return _page(subject)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, TemplateError) as error:
        if not subject.origin:
            raise
        raise NetworkError(
            f"{shown(subject.name, 60)}: expected the values that distill run --json prints, some are others "
            f"({type(error).__name__}: {shown(error, 200)}); write it again"
        ) from error


def _page(subject: Subject) -> str:
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text: str = _template().render(
        script=Markup(script),
        digest=digest,
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8") + _highlighting()),
        subject=subject,
        values=subject.values,
        **_parts(subject),
    )
    return text


@cache
def _template() -> Any:
    """The template, read once."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")


def _plain(value: Any) -> Any:
    """A text as it may be shown, whoever wrote it."""
    return shown_lines(value) if type(value) is str else value


def _parts(subject: Subject) -> dict[str, Any]:
    """What the template is filled with."""
    values, model = subject.values, subject.model
    drawn = None if model is None or subject.kind == "streams" else graph(model)
    constraint = None if model is None else model.domain.constraint
    automaton = automaton_of(subject.program, tuple(map(str, values["alphabet"])), constraint)
    return {
        "tone": _tone(subject),
        "program": Markup(highlighted(subject.program)) if subject.program else None,
        "words": in_words(subject.program),
        "rungs": _rungs(values),
        "drawn": drawn,
        "drawing": None if drawn is None else graph_svg(drawn, shown(subject.name, 60)),
        "nodes": [] if drawn is None else _node_rows(drawn),
        "edges": [] if drawn is None else drawn.edges[:MOST_ROWS],
        "facts": _facts(values, model),
        **_execution(subject),
        "margins": margins_svg(subject.rows),
        "sequences": sequences_svg(subject.rows),
        "rows": [(row, counted(row.sequences), STATES[row.state][0]) for row in subject.rows],
        "broken": _broken(subject),
        "exceptions": [_exception(one) for one in values["exceptions"]],
        "automaton": None if automaton is None else automaton_svg(automaton, shown(subject.name, 60)),
        "rule": Markup(highlighted(values["rule"]["program"])) if values.get("rule") else None,
        "region": Markup(highlighted(values["rule"]["region"])) if (values.get("rule") or {}).get("region") else None,
        "labelled": Markup(highlighted(values["labelled_iff"])) if values.get("labelled_iff") else None,
        "depends": _depends(values),
        "versions": versions(),
        "version": version(),
        "program_hash": hashlib.sha256(subject.program.encode()).hexdigest() if subject.program else None,
    }


def _depends(values: Mapping[str, Any]) -> str:
    """What decides every label."""
    found = [known for known in values.get("depends_on") or [] if isinstance(known, list)]
    words = [listed(list(map(str, features))) for features in found]
    return depends_text(words) if words else ""


def _tone(subject: Subject) -> str:
    """How the banner looks: what is proved here, what is only repeated, and what is neither."""
    if not subject.is_checked:
        return "repeated"
    if subject.values["proved"]:
        return "proved"
    return "differs" if subject.values["outcome"] == "differs" else "open"


def highlighted(source: str) -> str:
    """A program as HTML with its syntax marked."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    marked = highlight(shown_lines(source), PythonLexer(), HtmlFormatter(nowrap=True, classprefix="py-"))
    return str(marked).rstrip("\n")


def _highlighting() -> str:
    from pygments.formatters import HtmlFormatter

    return str(HtmlFormatter(style="default", classprefix="py-").get_style_defs(".code"))


def _rungs(values: Mapping[str, Any]) -> list[RungRow]:
    """The ladder, the strongest rung first."""
    extension, reasons = values.get("extension") or {}, values["not_applied"]
    all_lengths = extension.get("all_lengths") or ""
    why = {Rung.ALL_LENGTHS: str(all_lengths), Rung.SURROGATE: str(reasons.get("solver", ""))}
    why[Rung.BOUNDED] = str(reasons.get("longer lengths", "") or extension.get("stopped") or "")
    rows: list[RungRow] = []
    kind = str(values.get("kind", "sequences"))
    for rung, words in RUNGS.items():
        meaning = words
        for name, other in OTHERS.get(kind, ()):
            meaning = meaning.replace(name, other)
        if kind == "pairs" and rung is Rung.ALL_LENGTHS:
            continue  # every prompt has one length
        claims = tuple(claim for claim in values["claims"] if claim["rung"] == str(rung))
        is_passed = any(row.claims for row in rows)
        reason = "" if claims or is_passed else why.get(rung, "")
        if not values["claims"] and values["outcome"] == "differs" and values.get("rung") == str(rung):
            reason = str(values["sentence"])
        rows.append(RungRow(str(rung), meaning, rung.is_proof, claims, reason, is_passed))
    return rows


def _facts(values: Mapping[str, Any], model: Loaded | None) -> list[tuple[str, str]]:
    """The network in a few words."""
    if "asked_in_words" in values:
        return _facts_together(values, model)
    shortest, longest = values["asked"]
    lengths = f"{shortest} or more" if longest is None else f"{shortest} to {longest}"
    facts = [
        ("format", values["format"]),
        ("tokens", " ".join(map(str, values["alphabet"]))),
        ("lengths", lengths),
        ("sequences", values["constraint"] or "every sequence"),
    ]
    if model is not None:
        around = " ".join([*model.prefix, "SEQUENCE", *model.suffix])
        facts[2:2] = [("prompt", around), ("read-out", readout_text(model.readout, row_text(model.network)))]
        if not isinstance(model.network, BlackBox):
            sizes = [array.size for array in model.network.arrays()]
            facts.append(("weights", f"{sum(sizes):,}"))
        else:
            facts.append(("network", "a black box: it was run, and nothing of it is bounded"))
    counts = values["label_counts"]
    labels = [f"{label!r} {count:,}" for label, count in counts.items()] or [repr(label) for label in values["labels"]]
    facts.append(("labels", ", ".join(labels[:12])))
    return [(name, text) for name, text in facts if text]


def _facts_together(values: Mapping[str, Any], model: Loaded | None) -> list[tuple[str, str]]:
    """The same where inputs were not listed."""
    facts = [
        ("format", values["format"]),
        ("inputs", values["asked_in_words"]),
        ("read", str(values.get("conditions") or "").removeprefix("read-out: ")),
    ]
    if model is not None and not isinstance(model.network, BlackBox):
        facts.append(("weights", f"{sum(array.size for array in model.network.arrays()):,}"))
    return [(name, text) for name, text in facts if text]


def _execution(subject: Subject) -> dict[str, Any]:
    """The network for the page's own script, or a few sequences where the page cannot execute it."""
    model = subject.model
    if model is None or subject.kind != "sequences":
        return {"network": None, "examples": None, "tokens": [], "first": "", "known": {}, "why_not": ""}
    found = executable(model)
    known = {" ".join(map(word, map(str, sequence_of(e["inputs"])))): repr(e["program"])
             for e in subject.values["exceptions"] if sequence_of(e["inputs"]) is e["inputs"]}  # fmt: skip
    tokens = [word(token) for token in model.domain.alphabet]
    if isinstance(found, str):
        few = examples(model) if isinstance(model.network, Transformer) else []
        names = getattr(model.readout, "names", ("the number",))
        shown_names = list(map(shown, names))
        return {"network": None, "why_not": found, "tokens": tokens, "first": "", "known": {},
                "examples": {"sequences": few, "names": shown_names} if few else None}  # fmt: skip
    lengths = [claim["lengths"] for claim in subject.values["claims"]]
    longest = max((most for _, most in lengths if most is not None), default=None)
    found["claimed"] = (
        None if not lengths else [lengths[0][0], None if any(most is None for _, most in lengths) else longest]
    )
    return {"network": found, "examples": None, "tokens": tokens, "first": _first(subject, model, found["lengths"][1]),
            "known": known, "why_not": ""}  # fmt: skip


def _first(subject: Subject, model: Loaded, longest: int) -> str:
    """A sequence to begin with: an exception that fits, or one of middle length with many different tokens."""
    for exception in subject.values["exceptions"]:
        sequence = sequence_of(exception["inputs"])
        if len(sequence) <= min(longest, MOST_PLACES):
            return " ".join(map(word, map(str, sequence)))
    domain = model.domain
    for length in sorted(domain.lengths, key=lambda n: abs(n - 7)):
        if length <= longest and 0 < domain.count(length) <= 200_000:
            listed = domain.sequences(length)
            row = max(listed[:: max(1, len(listed) // 500)], key=lambda tokens: len(set(tokens.tolist())))
            return " ".join(map(word, domain.words(row)))
    return ""


def _exception(one: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table of exceptions."""
    sequence = sequence_of(one["inputs"])
    place = "" if sequence is one["inputs"] else str(one["inputs"][1])
    return {"length": len(sequence), "sequence": " ".join(map(str, sequence)), "place": place,
            "network": one.get("network"), "program": one.get("program")}  # fmt: skip


def _broken(subject: Subject) -> str:
    """The input that breaks the program, as it is shown; empty where none is known."""
    broken = subject.values.get("broken")
    if not broken:
        return ""
    tokens = list(map(str, sequence_of(broken["inputs"])))
    return stream_text(tokens) if subject.kind == "streams" else " ".join(tokens)


def _node_rows(drawn: Graph) -> list[tuple[Any, int, int]]:
    """Nodes with how many edges lead to and from each."""
    into, out = Counter(edge.target for edge in drawn.edges), Counter(edge.source for edge in drawn.edges)
    return [(node, into[node.name], out[node.name]) for node in drawn.nodes[:MOST_ROWS]]


def version() -> str:
    """Of this package."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """What a run rests on, of this machine."""
    found = {DISTRIBUTION: version(), "Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
