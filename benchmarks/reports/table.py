"""The scoreboard as Markdown, made from rows alone: errors first, then times, ratios, sizes, and where a peer wins.

A cell shows the best configuration of a competitor: right before wrong, then quickest. Ratios are a peer's seconds
divided by ours, so above 1 we are quicker; a peer that ran into the limit gives a lower bound. Who is compared on what,
and whether at all, is decided in ``standing``: times are of the circuits that everybody ran, and ratios and wins are
told only where no run is missing. Nothing is typed in by
hand: the sentences on who wins come from the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.harness.measure import WALL
from benchmarks.harness.row import UNMEASURED, BenchmarkError, Row
from benchmarks.harness.standing import Plan, Run, Standing, judge
from benchmarks.reports.document import Paragraph
from benchmarks.reports.summary import scope, summary
from benchmarks.suites.competitors import COMPETITORS, SYGUS_CONFIGURATIONS

OURS = "ours"
SEARCH_ONLY = "no solver"
PEERS = tuple(name for name in COMPETITORS if name != OURS)
FAR = float("inf")
SUITE = "peers"


def markdown(rows: Sequence[Row], plan: Plan | None = None) -> str:
    """The whole report; raises BenchmarkError when there are no rows."""
    if not rows:
        raise BenchmarkError("there are no rows to make a table from; run the benchmark first")
    on = standing(rows, plan)
    shared = [row for row in rows if _task(row.problem, row.seed) in on.common and row.backend in on.tools]
    parts = [
        "# Scoreboard",
        *_text(summary({SUITE: on})),
        _errors(rows),
        *(_compared(shared, on) if shared else ["There is no circuit that everybody ran."]),
        "## Every run",
        _grid(
            ["circuit", "competitor", "configuration", "status", "CPU s", "wall", "CPU", "MB", "size", "wrong", "of"],
            map(_run, rows),
        ),
        _conditions(rows),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def standing(rows: Sequence[Row], plan: Plan | None = None) -> Standing:
    """Who was run on what; a competitor in one configuration is a tool."""
    runs = [
        Run(
            _task(row.problem, row.seed), row.backend, UNMEASURED.get(row.status, ""), row.status == "error",
            f"{row.timelimit:g} s", row.machine, f"source {row.source}",
        )
        for row in rows
    ]  # fmt: skip
    if plan is None or not plan.cells(SUITE):
        return judge(runs)
    planned = [(_task(circuit, seed), name) for _, circuit, name, seed in plan.cells(SUITE)]
    return judge(runs, planned, plan.absent.get(SUITE))


def _task(circuit: str, seed: int) -> str:
    return f"{circuit}, seed {seed}" if seed else circuit


def _text(blocks: Iterable[object]) -> list[str]:
    return [f"**{b.text}**" if b.is_bad else b.text for b in blocks if isinstance(b, Paragraph)]


def _compared(rows: Sequence[Row], on: Standing) -> list[str]:
    """Times and sizes side by side; ratios and wins where tools may be ranked."""
    peers = _peers(rows)
    parts = [
        *_text(scope(on, "circuits")),
        "## Seconds to an answer\n\nCPU, from the loaded circuit to an answer that is right on every sequence. "
        "Ours with z3 or cvc5 also fits a surrogate and refutes every length with the solver; `no solver` compares "
        "with the circuit's labels only, as the peers do. Peers: the best of their configurations. "
        "cvc5 on our examples is charged for one call only: neither for labels, nor for finding the examples, nor for "
        "checking.",
        _grid(["circuit", "sequences", *_our_configurations(rows), *peers], _times(rows)),
    ]
    if on.may_rank:
        parts += [
            "## Ratios\n\nA peer's seconds divided by ours; above 1 we are quicker.",
            _grid(["circuit", *(f"{peer} / {ours}" for peer in peers for ours in _headline(rows))], _ratios(rows)),
        ]
    parts += [
        "## Sizes\n\nThe best of each one's configurations. Operators count alike for our programs and cvc5's; a state "
        "of L* has one transition per token.",
        _grid(["circuit", "ours", *peers], _sizes(rows)),
    ]
    return [*parts, "## Where a peer wins", _wins(rows)] if on.may_rank else parts


def _peers(rows: Sequence[Row]) -> tuple[str, ...]:
    """The peers that took part."""
    return tuple(peer for peer in PEERS if any(_competitor(row) == peer for row in rows))


def best(rows: Iterable[Row], circuit: str, competitor: str, configuration: str | None = None) -> Row | None:
    """The best run of a competitor on a circuit, in one configuration or in any; None when it was not run."""
    found = [
        row
        for row in rows
        if (row.problem, _competitor(row)) == (circuit, competitor) and configuration in (None, _configuration(row))
    ]
    return min(found, key=_rank, default=None)


def _rank(row: Row) -> tuple[bool, bool, float, float]:
    wrong = FAR if row.wrong is None else row.wrong
    return (not row.is_right, row.status != "solved", wrong, FAR if row.seconds is None else row.seconds)


def _competitor(row: Row) -> str:
    return str(row.options["competitor"])


def _configuration(row: Row) -> str:
    return str(row.options["configuration"])


def _circuits(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.problem for row in rows))


def _our_configurations(rows: Sequence[Row]) -> list[str]:
    return [
        f"{OURS}, {name}" for name in dict.fromkeys(_configuration(row) for row in rows if _competitor(row) == OURS)
    ]


def _headline(rows: Sequence[Row]) -> list[str]:
    """The two of our times that peers are divided by: the first solver's, and without one."""
    return [name for name in _our_configurations(rows) if name.endswith((" z3", SEARCH_ONLY))]


def _ours(rows: Sequence[Row], circuit: str, heading: str) -> Row | None:
    return best(rows, circuit, OURS, heading.removeprefix(f"{OURS}, "))


def _times(rows: Sequence[Row]) -> Iterable[list[str]]:
    for circuit in _circuits(rows):
        checked = max(row.checked for row in rows if row.problem == circuit)
        ours = [_ours(rows, circuit, heading) for heading in _our_configurations(rows)]
        yield [circuit, f"{checked:,}", *map(_time, (*ours, *(best(rows, circuit, peer) for peer in _peers(rows))))]


def _time(row: Row | None) -> str:
    """One cell: the time, and everything that keeps it from being a clean win."""
    if row is None:
        return "not run"
    wrong = f"wrong on {row.wrong:,}" if row.wrong else ""
    if row.status != "solved" or row.seconds is None:
        limit = f" ({row.timelimit:g})" if row.status == "timeout" else ""
        return ", ".join(filter(None, (row.status + limit, wrong)))
    proof = row.detail.get("proof")
    weaker = "by enumeration only" if proof == ["enumerated"] and _configuration(row) != SEARCH_ONLY else ""
    return ", ".join(filter(None, (_seconds(row.seconds), wrong, weaker)))


def _ratios(rows: Sequence[Row]) -> Iterable[list[str]]:
    for circuit in _circuits(rows):
        ours = [_ours(rows, circuit, heading) for heading in _headline(rows)]
        yield [circuit, *(_ratio(best(rows, circuit, peer), our) for peer in _peers(rows) for our in ours)]


def _ratio(peer: Row | None, ours: Row | None) -> str:
    """``peer`` divided by ``ours``; a dash where one of them has no right answer to divide."""
    if peer is None or ours is None or not ours.is_right or not ours.seconds:
        return "–"
    if peer.status == "timeout":
        return f"> {peer.timelimit / ours.seconds:.3g}"
    return f"{peer.seconds / ours.seconds:.3g}" if peer.is_right and peer.seconds is not None else "–"


def _sizes(rows: Sequence[Row]) -> Iterable[list[str]]:
    for circuit in _circuits(rows):
        yield [circuit, *(_size(best(rows, circuit, name)) for name in (OURS, *_peers(rows)))]


def _size(row: Row | None) -> str:
    if row is None or not row.sizes:
        return "–"
    return _counts(row) if row.is_right else f"({_counts(row)}: not right)"


def _counts(row: Row) -> str:
    return ", ".join(f"{count:,} {unit[:-1] if count == 1 else unit}" for unit, count in row.sizes.items())


def _seconds(seconds: float | None) -> str:
    """Two decimals, or two figures below a second; a dash for no time."""
    if seconds is None:
        return "–"
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.2g}"


def _wins(rows: Sequence[Row]) -> str:
    """One sentence per circuit and peer that is quicker than us, or smaller in the same unit."""
    found = [line for circuit in _circuits(rows) for peer in _peers(rows) for line in _win(rows, circuit, peer)]
    return "\n".join(found) or "Nowhere in these rows: no peer is quicker or smaller with a right answer."


def _win(rows: Sequence[Row], circuit: str, peer: str) -> Iterable[str]:
    theirs = best(rows, circuit, peer)
    if theirs is None or not theirs.is_right or theirs.seconds is None:
        return
    who = f"- **{circuit}**: {peer} ({_configuration(theirs)})"
    ours = {heading: _ours(rows, circuit, heading) for heading in _headline(rows)}
    slower = [heading for heading, row in ours.items() if row is None or _rank(theirs) < _rank(row)]
    if slower:
        times = ", ".join(f"{heading}: {_time(ours[heading])}" for heading in slower)
        yield f"{who} is right in {_seconds(theirs.seconds)} s; {times}."
    mine = best(rows, circuit, OURS)
    if mine is not None and mine.is_right and theirs.sizes.get("operators", FAR) < mine.sizes.get("operators", 0):
        yield f"{who} needs {theirs.sizes['operators']} operators, ours {mine.sizes['operators']}."


def _errors(rows: Sequence[Row]) -> str:
    broken = [row for row in rows if row.status == "error"]
    if not broken:
        return ""
    lines = [f"- {row.problem}: {row.backend}: {row.reason}" for row in broken]
    return f"## Errors: {len(broken)} of {len(rows)} runs\n\n" + "\n".join(lines)


def _run(row: Row) -> list[str]:
    return [
        row.problem,
        _competitor(row),
        _configuration(row),
        row.status,
        _seconds(row.seconds),
        f"{row.walltime:.1f}",
        f"{row.cputime:.1f}",
        f"{row.memory / 1e6:.0f}",
        _counts(row) or "–",
        "–" if row.wrong is None else f"{row.wrong:,}",
        f"{row.checked:,}",
    ]


def _conditions(rows: Sequence[Row]) -> str:
    """Limits, seeds, versions, machine and commit of the rows, each value once."""
    versions = {f"{name} {version}": None for row in rows for name, version in row.versions.items()}
    machines = dict.fromkeys(f"{row.machine}; commit {row.commit}; source {row.source}" for row in rows)
    limits = dict.fromkeys(f"limit {row.timelimit:g} s, seed {row.seed}" for row in rows)
    loads = [row.load for row in rows]
    options = "; ".join(f"{name}: {', '.join(f'{k}={v}' for k, v in o.items())}" for name, o in _sygus_options())
    return (
        f"## Conditions\n\nCPU, {'; '.join(limits)}; wall clock of the process is watched at {WALL:g} times what it "
        "may use, and a run that it ends is made again, and never counted. One process per run, one after the other, "
        f"{min(row.starttime for row in rows)} to {max(row.starttime for row in rows)}; load average at the start "
        f"{min(loads):.1f} to {max(loads):.1f}. cvc5 SyGuS ran with incremental=false in every configuration "
        f"({options}). {'; '.join(machines)}. {', '.join(versions)}."
    )


def _sygus_options() -> list[tuple[str, Mapping[str, str]]]:
    return [(name, options) for name, options in SYGUS_CONFIGURATIONS.items() if options]


def _grid(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table, padded so that it also reads as plain text."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (head, *body)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]])
