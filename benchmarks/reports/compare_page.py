"""Two runs of one benchmark beside each other: what was lost, what changed its answer, what got slower; then the rest.

A run is found again by suite, problem, tool and seed. Where the one or the other was not measured nothing is said of it
but that. Times are compared only where machine and limits are the same in both, and on runs that both solved; a run
counts as slower by ``RATIO`` and ``LEAST`` seconds together, because short runs differ by more than that from one time
to the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import standing
from benchmarks.harness.row import UNMEASURED, BenchmarkError, Row, read
from benchmarks.reports import plots
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Figure, Grid, Heading, Paragraph, save
from benchmarks.reports.plots import Drawing
from benchmarks.reports.scores import KNOWN, VIRTUAL_BEST, Score, attempts, scores
from benchmarks.reports.scores import standing as scoring_standing

TITLE = "Two runs compared"
NAME = "compare"
RATIO, LEAST = 1.5, 0.1
NEAR = 1.1  # times: nearer tools are not told apart
SHOWN = 200
BAD = ("wrong", "error")
RANKED = ("loop", "replay", "growth", "smtlib")  # suites of tools that are asked the same
Identity = tuple[str, str, str, int]  # suite, problem, tool, seed


@dataclass(frozen=True)
class Pair:
    """One run as it was before and as it is after."""

    before: Row
    after: Row

    @property
    def is_measured(self) -> bool:
        """Whether both were."""
        return self.before.status not in UNMEASURED and self.after.status not in UNMEASURED

    @property
    def is_changed(self) -> bool:
        """Whether the two answers contradict each other."""
        one, other = _verdict(self.before), _verdict(self.after)
        return bool(one and other) and one != other

    @property
    def is_lost(self) -> bool:
        """Solved before, and not after; or not wrong before, and wrong after."""
        is_unsolved = self.before.status == "solved" and self.after.status != "solved"
        is_bad = self.before.status not in BAD and self.after.status in BAD
        return self.is_measured and (is_unsolved or is_bad)

    @property
    def is_gained(self) -> bool:
        """The other way round."""
        return Pair(self.after, self.before).is_lost

    @property
    def is_slower(self) -> bool:
        """Whether both solved it, and it takes more by ``RATIO`` and ``LEAST``."""
        one, other = self.before.seconds, self.after.seconds
        if self.before.status != "solved" or self.after.status != "solved" or one is None or other is None:
            return False
        return other > RATIO * one and other - one > LEAST

    @property
    def is_quicker(self) -> bool:
        """The other way round."""
        return Pair(self.after, self.before).is_slower


def write(before: Path, after: Path, folder: Path) -> tuple[str, bool]:
    """Write compare.md, compare.html and tables to ``folder``; the text, and whether nothing got worse."""
    old, new = load(before), load(after)
    blocks, drawings, is_worse = report(old, new, (str(before), str(after)))
    return save(folder, NAME, TITLE, blocks, drawings), not is_worse


def load(where: Path) -> tuple[Row, ...]:
    """The rows of a folder, or of one file, as their plans choose them; raises BenchmarkError where there are none."""
    files = sorted(where.glob("*.jsonl")) if where.is_dir() else [where]
    rows = [row for file in files for row in standing.chosen(read(file), standing.load(file))]
    if not rows:
        raise BenchmarkError(f"{where}: expected a folder with rows of a benchmark (*.jsonl), or such a file; got none")
    return tuple(rows)


def report(
    before: Sequence[Row], after: Sequence[Row], names: tuple[str, str], draw: bool | None = None
) -> tuple[list[Block], dict[str, Drawing], bool]:
    """The blocks, the drawings, and whether anything got worse in what is compared."""
    draw = plots.is_installed() if draw is None else draw
    old, new = _by_identity(before), _by_identity(after)
    pairs = [Pair(old[key], new[key]) for key in old if key in new]
    if not pairs:
        raise BenchmarkError("the two have no run in common: expected the same suites, problems and tools in both")
    why = differences(pairs)
    timed = [pair for pair in pairs if pair.is_measured] if not why else []
    changed = [pair for pair in pairs if pair.is_changed]
    lost = [pair for pair in pairs if pair.is_lost]
    slower = [pair for pair in timed if pair.is_slower]
    blocks: list[Block] = [
        Heading(TITLE, 1),
        Paragraph(f"Before: {names[0]}, {_where(before)}. After: {names[1]}, {_where(after)}."),
        *_scope(old, new, pairs),
        *(Paragraph(f"Times are not compared: {sentence}.", is_bad=True) for sentence in why),
        *_listed("Answers that contradict each other", changed),
        *_listed("Lost: solved before and not after, or newly wrong", lost),
        *(_listed(f"Slower by {RATIO:g} times and {LEAST:g} s, both solved", slower) if not why else ()),
        *_listed("Gained", [pair for pair in pairs if pair.is_gained], is_bad=False),
    ]
    if not why:
        quicker = [pair for pair in timed if pair.is_quicker]
        blocks += _listed(f"Quicker by {RATIO:g} times and {LEAST:g} s, both solved", quicker, is_bad=False)
    blocks += [Heading("By suite and tool"), _summary(pairs, is_timed=not why), *_orders(pairs)]
    drawings: dict[str, Drawing] = {}
    for suite in sorted({pair.before.suite for pair in timed}) if draw else ():
        name = f"{NAME}-{suite}"
        drawings[name] = plots.scatter(name, _points(timed, suite), "before", "after")
        blocks.append(Figure(name, f"Suite {suite}: before across, after up; twice the limit without an answer."))
    return blocks, drawings, bool(changed or lost or slower)


def differences(pairs: Sequence[Pair]) -> list[str]:
    """What keeps times from being compared."""
    found = []
    for what, name in (("machine", "machines"), ("limits", "limits")):
        before, after = ([getattr(row, what) for row in side] for side in zip(*map(_sides, pairs), strict=True))
        if before != after:
            listed = " and ".join("; ".join(sorted(set(side))) for side in (before, after))
            found.append(f"the {name} differ ({listed})")
    return found


def _sides(pair: Pair) -> tuple[Row, Row]:
    return pair.before, pair.after


def _by_identity(rows: Iterable[Row]) -> dict[Identity, Row]:
    return {(row.suite, row.problem, row.backend, row.seed): row for row in rows}


def _verdict(row: Row) -> str:
    """An answer that can be contradicted: sat, unsat, proved, no program."""
    said = row.verdict if row.status == "solved" else ""
    return said if said and set(said.split(", ")) <= KNOWN else ""


def _where(rows: Sequence[Row]) -> str:
    commits = ", ".join(sorted({f"commit {row.commit}" for row in rows}))
    return f"{commits}, {min(row.starttime for row in rows)} to {max(row.starttime for row in rows)}"


def _scope(old: dict[Identity, Row], new: dict[Identity, Row], pairs: Sequence[Pair]) -> Iterable[Block]:
    alone = len(old) - len(pairs), len(new) - len(pairs)
    text = f"{len(pairs):,} runs are in both; {alone[0]:,} in the first alone, {alone[1]:,} in the second alone."
    yield Paragraph(text, is_bad=alone != (0, 0))
    if out := [pair for pair in pairs if not pair.is_measured]:
        yield Paragraph(f"{len(out):,} of them were not measured in both, and are not compared.", is_bad=True)
    changed = {
        f"{name} {pair.before.versions[name]} and {version}"
        for pair in pairs
        for name, version in pair.after.versions.items()
        if pair.before.versions.get(name, version) != version
    }
    if changed:
        yield Paragraph(f"Other versions: {'; '.join(sorted(changed))}.")


def _listed(title: str, pairs: Sequence[Pair], *, is_bad: bool = True) -> Iterable[Block]:
    yield Heading(title)
    yield Paragraph(f"{len(pairs):,}.", is_bad=is_bad and bool(pairs))
    if pairs:
        order = sorted(pairs, key=lambda pair: (-_ratio(pair), standing.task_of(pair.before), pair.before.backend))
        yield Grid(["run", "tool", "before", "after", "ratio"], [_line(pair) for pair in order[:SHOWN]])
        if len(pairs) > SHOWN:
            yield Paragraph(f"The first {SHOWN} of them.")


def _line(pair: Pair) -> list[str]:
    ratio = f"{_ratio(pair):.2f}" if _ratio(pair) else ""
    run = f"{pair.before.suite}: {standing.task_of(pair.before)}"
    return [run, pair.before.backend, _told(pair.before), _told(pair.after), ratio]


def _told(row: Row) -> str:
    if row.status == "solved":
        return f"{row.verdict} {shown_seconds(row.seconds)} s".strip()
    return f"{row.status}: {row.reason}" if row.status in BAD and row.reason else row.status


def _ratio(pair: Pair) -> float:
    """After by before, where both solved it; else 0."""
    if pair.before.status == pair.after.status == "solved" and pair.before.seconds and pair.after.seconds:
        return pair.after.seconds / pair.before.seconds
    return 0.0


def _summary(pairs: Sequence[Pair], *, is_timed: bool) -> Grid:
    body = []
    for suite, tool in sorted({(pair.before.suite, pair.before.backend) for pair in pairs}):
        own = [p for p in pairs if (p.before.suite, p.before.backend) == (suite, tool) and p.is_measured]
        ratios = [ratio for pair in own if (ratio := _ratio(pair))]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios and is_timed else None
        counts = [
            len(own),
            sum(pair.before.status == "solved" for pair in own),
            sum(pair.after.status == "solved" for pair in own),
            sum(pair.is_lost for pair in own),
            sum(pair.is_gained for pair in own),
        ]
        shown = "–" if mean is None else f"{mean:.2f}"
        body.append([suite, tool, *(f"{count:,}" for count in counts), shown])
    head = ["suite", "tool", "measured in both", "solved before", "after", "lost", "gained", "mean ratio of seconds"]
    return Grid(head, body)


def _orders(pairs: Sequence[Pair]) -> Iterable[Block]:
    """In which order the tools stand, before and after, on the runs that were measured in both."""
    body = []
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.before.suite in RANKED and pair.is_measured:
            groups.setdefault(_asked(pair.before), []).append(pair)
    for group in sorted(groups):
        sides = [ranking(rows) for rows in zip(*map(_sides, groups[group]), strict=True)]
        if sides and all(len(side) > 1 for side in sides):
            shown = [", ".join(f"{score.backend} {shown_seconds(score.par2)}" for score in side) for side in sides]
            body.append([group, *shown, _same_order(*sides)])
    if body:
        yield Heading("Order of the tools")
        yield Paragraph(
            "Fewest errors, then most solved, then least PAR-2, in CPU seconds, which stands beside each. Tools with "
            f"as many errors and as many solved whose PAR-2 lie within {NEAR - 1:.0%} of each other in both are not "
            "told apart: as much differs from one time to the next."
        )
        yield Grid(["questions", "before", "after", "the same order"], body)


def _same_order(before: Sequence[Score], after: Sequence[Score]) -> str:
    """Whether the tools stand in one order, and which that changed their places lie too near to each other to tell."""
    old, new = ({score.backend: (n, score) for n, score in enumerate(side)} for side in (before, after))
    near, names = dict[str, None](), list(old)
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            if (new[one][0] < new[other][0]) == (old[one][0] < old[other][0]):
                continue
            if not all(_are_near(side[one][1], side[other][1]) for side in (old, new)):
                return "no"
            near |= {one: None, other: None}
    return f"yes, but for {', '.join(near)}, too near to tell" if near else "yes"


def _are_near(one: Score, other: Score) -> bool:
    """Whether nothing but a small difference of time tells two tools apart."""
    low, high = sorted((one.par2, other.par2))
    return (one.errors, one.solved) == (other.errors, other.solved) and high <= NEAR * low


def _asked(row: Row) -> str:
    """The questions that a run is of, as far as tools are ranked on them: of files those of one logic."""
    if row.suite == "smtlib":
        return f"{row.suite}, {row.options.get('logic', '')}"
    return f"{row.suite}, {row.problem.rpartition(', ')[2]}" if row.suite == "replay" else row.suite


def ranking(rows: Sequence[Row]) -> list[Score]:
    """The tools of one suite, best first; none where a run is missing, and nobody may be ranked."""
    found = attempts(rows)
    lines = [score for score in scores(found) if score.backend != VIRTUAL_BEST]
    return lines if scoring_standing(found).may_rank else []


def _points(pairs: Sequence[Pair], suite: str) -> list[plots.Named]:
    own = [pair for pair in pairs if pair.before.suite == suite]
    return [
        plots.Named(
            _penalised(pair.before), _penalised(pair.after), f"{standing.task_of(pair.before)}, {pair.before.backend}"
        )
        for pair in own
    ]


def _penalised(row: Row) -> float:
    return row.seconds if row.status == "solved" and row.seconds is not None else 2 * row.timelimit
