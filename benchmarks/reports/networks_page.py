"""The report of the suite "networks", made from rows alone: the findings, growth with length, and other's networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import standing
from benchmarks.harness.row import UNMEASURED, BenchmarkError, Row
from benchmarks.harness.standing import Plan
from benchmarks.inputs.published import published
from benchmarks.inputs.stand_ins import DENSE, MOST_LISTED
from benchmarks.reports import length_scores as scores
from benchmarks.reports import plots
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Figure, Grid, Heading, Paragraph, save
from benchmarks.reports.length_scores import Compared, Subject
from benchmarks.reports.page import conditions
from benchmarks.reports.plots import Drawing
from benchmarks.reports.result_xml import written
from benchmarks.reports.summary import summary
from benchmarks.suites import lengths, networks

TITLE = "Networks: cost by length, and networks of other people"
LENGTHS_ABOUT = (
    "Does the program equal the circuit at length N? CPU seconds of the question alone. No solver can be asked about "
    "the circuit itself: softmax and GELU need exp and erf, which SMT-LIB's theories do not have. Solvers are asked "
    "about a stand-in: tied is this project's own (few ReLUs, one set of weights for all positions), dense is trained "
    "for each length on one-hot tokens and rounded to the coarsest grid that keeps it right on every sequence, or on "
    f"a sample where there are more than {MOST_LISTED:,}. A solver's equal is about the stand-in, on every sequence of "
    "the length; that the stand-in is the circuit is left to an enumeration, which is not in the solvers' time. The "
    "column check and solver is the chain of both, as its user runs it: the quicker enumeration here (the stand-in's "
    "own run is not charged) and the quickest solver on dense. Where counting says equal too, a dense stand-in that "
    "was checked on a sample is the circuit after all. Plain enumeration runs the circuit in float32, every prefix "
    "once, without error bounds: it proves nothing. Bounded enumeration proves, with equal prefixes merged; counting "
    "proves all lengths up to N together; both in real arithmetic and as executed. Each method is followed until it "
    "fails the limit or the program breaks."
)
NETWORKS_ABOUT = (
    "Each network in a fresh process, on every sequence of the lengths named, as distill run does. Proved: one program "
    "equals the network on all inputs. Exceptions: the best program found, and how many inputs it is wrong on, all "
    "listed. CPU seconds from the files read to the answer; those of the independent checker on the certificate, where "
    "one was made, apart."
)
HEAD = [
    "network", "parameters", "lengths", "inputs", "outcome", "size", "short rule", "margin", "semantics", "CPU s",
    "check, CPU s",
]  # fmt: skip


def write(rows_file: Path, folder: Path) -> str:
    """Write networks.md, networks.html and the drawings to ``folder``; the Markdown text. Raises BenchmarkError."""
    rows, plan = written(rows_file, folder)
    return save(folder, "networks", TITLE, *report(rows, plan=plan))


def report(
    rows: Sequence[Row], draw: bool | None = None, plan: Plan | None = None
) -> tuple[list[Block], dict[str, Drawing]]:
    """The blocks of the report and its drawings; none are made where matplotlib is missing."""
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run: distill bench --suite networks")
    draw = plots.is_installed() if draw is None else draw
    by_length = [row for row in rows if row.suite == lengths.SUITE]
    others = [row for row in rows if row.suite == networks.SUITE]
    drawings: dict[str, Drawing] = {}
    stands = {
        suite: standing.of_rows(own, plan, suite, is_grid=False)
        for suite, own in ((lengths.SUITE, by_length), (networks.SUITE, others))
        if own or (plan is not None and plan.cells(suite))
    }
    blocks: list[Block] = [Heading(TITLE, 1), *summary(stands), *_errors(rows), *_findings(others)]
    if by_length:
        blocks += [Heading("Cost by length"), Paragraph(LENGTHS_ABOUT)]
        alike = not stands[lengths.SUITE].mixed
        for subject in scores.subjects(by_length):
            blocks += _subject(subject, scores.of(by_length, subject), drawings, draw, alike=alike)
    blocks += [Heading("Networks of other people"), *_networks(others)]
    return [*blocks, *conditions(rows)], drawings


def _errors(rows: Sequence[Row]) -> Iterable[Block]:
    broken = [row for row in rows if row.status == "error"]
    yield Paragraph(f"Errors: {len(broken)}.", is_bad=bool(broken))
    if broken:
        yield Grid(["run", "method", "what happened"], [[row.problem, row.backend, row.reason] for row in broken])


def _findings(rows: Sequence[Row]) -> Iterable[Block]:
    """What the table comes to, family by family."""
    families = {"tracr and interpbench": ("tracr", "interpbench"), "gpt2": ("gpt2",), "dyck": ("dyck",)}
    for words, names in families.items():
        family = [row for row in rows if row.problem.partition("/")[0] in names]
        for longest in sorted({row.options.get("longest") or 0 for row in family}):
            own = [r for r in family if (r.options.get("longest") or 0) == longest and r.status not in UNMEASURED]
            if not own:
                continue
            reach = f" up to length {longest}" if longest else ""
            proved = [row for row in own if row.verdict == networks.PROVED]
            labelled = sum(row.verdict == networks.LABELLED for row in own)
            also = f", {labelled} more where they have a label" if labelled else ""
            charged = [row.cputime if row.seconds is None else row.seconds for row in own]
            cut = sum(row.seconds is None for row in own)
            ends = f", with all that the {cut} used that came to no end" if cut else ""
            yield Paragraph(
                f"{words}{reach}: an exact program with proof for {len(proved)} of {len(own)} networks{also}; "
                f"{shown_seconds(sum(charged))} CPU seconds in all, {shown_seconds(max(charged))} at most{ends}."
            )
    listed = [(row, found) for row in rows if (found := row.detail.get("recorded"))]
    if listed:
        same = sum(found["same"] for _, found in listed)
        counts = ", ".join(f"{row.problem}: {found['found']:,} of {found['listed']:,}" for row, found in listed)
        yield Paragraph(
            f"Wrong answers of networks whose folder lists them: exactly the listed ones for {same} of {len(listed)} "
            f"({counts} found).",
            is_bad=same < len(listed),
        )


def _subject(
    subject: Subject, rows: Sequence[Row], drawings: dict[str, Drawing], draw: bool, *, alike: bool = True
) -> Iterable[Block]:
    """One circuit and program: what was asked, the table, the drawing, and its sentences where the rows are alike."""
    circuit, name = subject
    yield Heading(f"{circuit}, {name} program", 3)
    yield Paragraph(f"The program: {' '.join(rows[0].program.split())}")
    names = {scores.method(row) for row in rows}
    cells = {(scores.method(row), row.options["length"]): _cell(row) for row in rows}
    chains = {chain.length: chain.seconds for chain in scores.chains(rows)}
    if chains:
        names.add(scores.CHAIN)
        cells |= {(scores.CHAIN, length): shown_seconds(seconds) for length, seconds in chains.items()}
    columns = sorted(names, key=lambda text: (text in scores.OTHERS, text))
    sizes = sorted({row.options["length"] for row in rows})
    yield Grid(["N", *columns], [[str(n), *(cells.get((text, n), "") for text in columns)] for n in sizes])
    found = scores.times(rows) | ({scores.CHAIN: list(chains.items())} if chains else {})
    if draw and found:
        file = f"lengths-{circuit}-{name}"
        drawings[file] = plots.growth(file, found, "sequence length", "CPU seconds")
        yield Figure(file, f"{circuit}, {name} program: CPU seconds by sequence length, where the answer is equal.")
    for sentence in sentences(rows) if alike else ():
        yield Paragraph(sentence)


def _cell(row: Row) -> str:
    if scores.is_equal(row):
        return shown_seconds(row.seconds)
    return row.verdict if row.status == "solved" else row.status


def sentences(rows: Sequence[Row]) -> Iterable[str]:
    """What the rows of one subject say: solvers beside counting, enumeration, growth, and where the program breaks."""
    for stand_in in scores.STAND_INS:
        found = scores.compared(rows, stand_in)
        if found is not None:
            yield _compared(found)
    yield from _chain(rows)
    ours = scores.times(rows).get(lengths.COUNTING)
    if ours:
        length, seconds = ours[-1]
        yield f"Counting takes {shown_seconds(seconds)} s for all lengths up to {length}, on the circuit itself."
    quicker = "; ".join(f"{name} at {', '.join(map(str, at))}" for name, at in scores.quicker(rows).items())
    if quicker:
        yield f"Quicker than counting: {quicker}."
    broken, told = scores.horizon(rows), scores.misled(rows)
    if broken is not None:
        words = broken.detail["broken"]
        yield (
            f"The program is proved up to {broken.detail['horizon']} and breaks at {len(words)}: counting finds "
            f"{' '.join(words)!r} in {shown_seconds(broken.seconds)} s."
        )
    if told is not None:
        yield (
            f"A solver proves it equal to the {told.options['stand_in']} stand-in at length {told.options['length']} "
            "all the same: there the stand-in is not the circuit."
        )
    grown = [(name, rate) for name, points in scores.times(rows).items() if (rate := scores.growth(name, points))]
    if grown:
        yield f"Growth of CPU time, fitted: {'; '.join(f'{name}: {rate}' for name, rate in sorted(grown))}."


def _compared(found: Compared) -> str:
    text = (
        f"On the {found.stand_in} stand-in, {found.length} is the largest length that a solver proves in "
        f"{found.limit:g} s ({found.solver}, {shown_seconds(found.seconds)} s)"
    )
    if found.ours is not None and found.ratio is not None:
        text += f"; counting takes {shown_seconds(found.ours)} s there: ratio {_ratio(found.ratio)}"
    if found.at_least is not None:
        text += f"; at {found.failed} no solver finishes, and the ratio is above {_ratio(found.at_least)}"
    elif found.failed is not None:
        text += f"; at {found.failed} no solver finishes ({', '.join(found.ends)})"
    if found.refuted is not None:
        text += f"; at {found.refuted} they find the stand-in to differ, which the circuit does not"
    elif found.unmeasured is not None:
        text += f"; at {found.unmeasured} not every solver was measured"
    elif found.failed is None:
        text += "; no longer length was asked"
    return f"{text}."


def _chain(rows: Sequence[Row]) -> Iterable[str]:
    """What the dense stand-ins were checked on, and what the check adds to the solver's time."""
    if checked := scores.checked(rows):
        parts = [f"{n:,} of {of:,.0f} sequences at {length}" for length, n, of in checked if n < of]
        listed = max((length for length, n, of in checked if n == of), default=None)
        text = [] if listed is None else [f"on every sequence up to length {listed}"]
        text += [f"on a sample, {', '.join(parts)}"] if parts else []
        yield f"The dense stand-ins were checked against the circuit {', and '.join(text)}."
    chains, found = scores.chains(rows), scores.compared(rows, DENSE)
    if chains:
        last = chains[-1]
        chain = (
            f"The chain, every sequence checked and then the solver, takes {shown_seconds(last.seconds)} s at "
            f"{last.length} ({shown_seconds(last.check)} s for the check)"
        )
        if last.ours is not None and last.ratio is not None:
            chain += f"; counting takes {shown_seconds(last.ours)} s there: ratio {_ratio(last.ratio)}"
        if found is not None and found.length > last.length:
            chain += f"; at {found.length} no enumeration ends the check: the solver's answer is about the stand-in"
        yield f"{chain}."


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _networks(rows: Sequence[Row]) -> Iterable[Block]:
    if not rows:
        yield Paragraph("Left out: no folder of cases was given (--cases-dir).")
        return
    yield Paragraph(NETWORKS_ABOUT)
    known = [row for row in rows if row.status != "unsupported"]
    yield Grid(HEAD, [_line(row) for row in known])
    refused = [row for row in rows if row.status == "unsupported"]
    if refused:
        names = ", ".join(f"{row.problem} ({row.reason})" for row in refused)
        yield Paragraph(f"Refused by every loader: {names}.")
    figures = {figure.prefix: figure for row in rows if (figure := published(row.problem)) is not None}
    if figures:
        yield Paragraph("What others published about these networks:")
        body = [[figure.prefix.rstrip("/"), figure.what, figure.source] for figure in figures.values()]
        yield Grid(["family", "published", "source"], body)


def _line(row: Row) -> list[str]:
    told = row.detail
    parameters = "–" if told.get("parameters") is None else f"{told['parameters']:,}"
    if row.status != "solved":
        return [row.problem, parameters, *["–"] * 2, row.status, *["–"] * 4, shown_seconds(row.cputime), "–"]
    outcome, rule, check = row.verdict, told["rule"], told["check"]
    if row.verdict == networks.EXCEPTIONS:
        outcome = f"exceptions {told['exceptions']:,}"
    elif row.verdict == networks.HORIZON:
        breaks = f", breaks at {told['breaks']}" if told["breaks"] is not None else ""
        outcome = f"holds up to {told['horizon']}{breaks}"
    elif told["undecided"]:
        outcome += f" ({told['undecided']:,} without)"
    first, last = told["lengths"]
    margin = "–" if told["horizon"] is not None else f"{told['margin']:.3g}"
    return [
        row.problem, parameters, f"{first}" if first == last else f"{first}–{last}", _inputs(told), outcome,
        str(row.size), "–" if rule is None else f"size {rule[0]}, {rule[1]:,} exceptions", margin,
        told["semantics"] if told["bounded"] else "as run", shown_seconds(row.seconds),
        shown_seconds(check) if isinstance(check, float) else "–",
    ]  # fmt: skip


def _inputs(told: Mapping[str, Any]) -> str:
    """How many inputs a claim is about: those that were listed, or the sequences that were not."""
    if told["horizon"] is None:
        return f"{told['inputs']:,}"
    return f"{told['sequences']:,.0f}" if told["sequences"] < 1e7 else f"{told['sequences']:.1e}"
