"""Replacements that lead from a row to a goal: forward by a beam, backward by what must have been filled in.

``str.replace(s, a, b)`` changes the first a in s into b. Forward, replacements of replacements are kept where they
bring s nearer to the goal: two strings are as near as their common prefix and suffix are long, and removing or
changing characters from left to right lengthens these. Backward, s and a determine b wherever a occurs in s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.deduction.rows import Rows, applied, keys, product, union
from dsl.grammar import Production

BEAM = 6  # rows kept in a round
ROUNDS = 8  # replacements of replacements


def edited(
    replace: Production, sources: Rows, marks: Rows, fills: Rows, goal: NDArray[Any], stop: Callable[[], bool]
) -> Rows:
    """What replacing ``marks`` by ``fills`` in ``sources``, again and again, brings nearer to the goal."""
    beam, found = sources.take(np.arange(min(len(sources), BEAM))), [sources.take(np.arange(0))]
    seen = set(keys(sources.values).tolist())
    best = -np.inf
    for _ in range(ROUNDS):
        if not len(beam) or stop():
            break
        more = product(replace, (beam, marks, fills), BEAM * 200).cheapest()
        more = more.take(np.array([key not in seen for key in keys(more.values).tolist()], bool))
        seen.update(keys(more.values).tolist())
        score = nearness(more.values, goal)
        order = np.argsort(-score, kind="stable")[:BEAM]
        found.append(more)
        beam = more.take(order)
        if not len(order) or score[order[0]] <= best:
            break
        best = score[order[0]]
    return union(*found)


def nearness(values: NDArray[Any], goal: NDArray[Any]) -> NDArray[np.int64]:
    """At most 0, which means equal: minus what common prefixes and suffixes leave over, in characters. (rows,)"""
    return np.array([sum(map(_near, row, goal)) for row in values.tolist()], np.int64)


def _near(text: str, wanted: str) -> int:
    shorter = min(len(text), len(wanted))
    prefix = next((place for place in range(shorter) if text[place] != wanted[place]), shorter)
    rest = shorter - prefix
    suffix = next((place for place in range(rest) if text[-1 - place] != wanted[-1 - place]), rest)
    return 2 * (prefix + suffix) - len(text) - len(wanted)


def replaced(replace: Production, sources: Rows, marks: Rows, fills: Rows, goal: NDArray[Any]) -> Rows:
    """Every ``replace(source, mark, fill)`` that equals the goal."""
    known = {tuple(row): number for number, row in reversed(list(enumerate(fills.values.tolist())))}
    index = []
    for first, source in enumerate(sources.values.tolist()):
        for second, mark in enumerate(marks.values.tolist()):
            wanted = [_filled(*each) for each in zip(source, mark, goal, strict=True)]
            if None in wanted or all(fill is ANY for fill in wanted):
                continue
            third = known.get(tuple(wanted)) if ANY not in wanted else _like(wanted, known)
            if third is not None:
                index.append((first, second, third))
    return applied(replace, (sources, marks, fills), np.array(index, np.int64).reshape(-1, 3))


ANY = object()  # nothing was replaced, so anything may be filled in


def _filled(source: str, mark: str, goal: str) -> Any:
    """What must be put for the first ``mark``; ANY where there is none; None where nothing gives the goal."""
    place = source.find(mark)
    if place < 0:
        return ANY if source == goal else None
    after = source[place + len(mark) :]
    fits = goal.startswith(source[:place]) and goal.endswith(after) and place + len(after) <= len(goal)
    return goal[place : len(goal) - len(after)] if fits else None


def _like(wanted: list[Any], known: dict[tuple[str, ...], int]) -> int | None:
    """A known row equal to ``wanted`` wherever that is not ANY; the cheapest stands last in ``known``."""
    for row in reversed(known):
        if all(fill is ANY or fill == value for fill, value in zip(wanted, row, strict=True)):
            return known[row]
    return None
