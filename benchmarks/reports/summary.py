"""What stands on top of every page and above a table in no order: how many runs of how many, who is missing and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from benchmarks.harness.standing import Standing
from benchmarks.reports.document import Block, Paragraph

LISTED = 20  # missing runs that are named


def summary(found: Mapping[str, Standing], *, ranks: bool = True) -> Iterable[Block]:
    """What stands on top of a page: how many runs of how many, who is not there, and where nobody is ranked.

    Without ``ranks`` there is one tool, and no word about an order.
    """
    planned, made = sum(s.planned for s in found.values()), sum(s.made for s in found.values())
    is_complete = all(standing.is_complete for standing in found.values())
    text = f"{made:,} of {planned:,} runs."
    part = " This is a part: nobody is ranked on it." if ranks else " This is a part."
    yield Paragraph(text if is_complete else f"{text}{part}", is_bad=not is_complete)
    for name, standing in found.items():
        if standing.absent:
            listed = "; ".join(f"{tool} ({why})" for tool, why in standing.absent.items())
            yield Paragraph(f"Did not run, and is in no figure ({name}): {listed}.", is_bad=True)
        if standing.missing:
            yield Paragraph(f"Missing ({name}): {_listed(standing)}.", is_bad=True)
        if standing.is_unfinished:
            yield Paragraph(f"Interrupted before its end ({name}): longer questions were not asked.", is_bad=True)
        for sentence in standing.mixed:
            said = "Not comparable, nobody is ranked" if ranks else "Of different conditions"
            yield Paragraph(f"{said} ({name}): {sentence}.", is_bad=True)


def scope(standing: Standing, unit: str = "tasks") -> Iterable[Block]:
    """Above a table whose tools stand in no order: what its figures are over."""
    if not standing.may_rank:
        yield Paragraph(
            f"Nobody is ranked: tools by name, {standing.made:,} of {standing.planned:,} runs. Every figure is over "
            f"the {len(standing.common):,} {unit} that each of these tools ran."
        )


def _listed(standing: Standing) -> str:
    counts = Counter((tool, why) for tool, _, why in standing.missing)
    parts = [f"{tool}: {count:,} {why}" for (tool, why), count in counts.items()]
    shown = [f"{tool} on {task}" for tool, task, _ in standing.missing[:LISTED]]
    more = f" and {len(standing.missing) - LISTED:,} more" if len(standing.missing) > LISTED else ""
    return f"{'; '.join(parts)}; namely {', '.join(shown)}{more}"
