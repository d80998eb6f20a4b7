"""Sets of states as a certificate states them: numbers that the checker reads, and nothing that it believes.

orbits   per circle word and turn, the number of turns before the set, the precision to follow them with, and the set:
         center, axes in units of 2**-24, how many axes each direction has (a pair of complex ones is two real ones),
         and the radius of the disc in each
boxes    per box its center, half its sides, and the number of the box to which each letter leads
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis import Program
from tasks.automata.endless import automaton
from tasks.bounds.ball import Ball
from tasks.formats import Loaded
from tasks.proofs.closed_boxes import closed
from tasks.proofs.orbits import GRID, Caught, caught

SPARE_BITS = 64  # of precision


def orbit_sets(model: Loaded, program: Program) -> list[dict[str, Any]]:
    """The sets that catch the orbits of the domain; raises as ``caught`` does."""
    return [_orbit(model, one) for one in caught(model, program).caught]


def boxes(model: Loaded, program: Program, semantics: Any) -> list[dict[str, Any]]:
    """The boxes that no token leaves, in these semantics or weaker ones; raises as ``closed`` does."""
    found = closed(model, automaton(model.domain, program), program.grammar.sequences.labels, semantics)
    return stated_boxes(np.array(found.states.rows), found.boxes)


def stated_boxes(after: NDArray[np.int64], boxes: Ball) -> list[dict[str, Any]]:
    """Boxes, and where letters lead from each: ``after`` (boxes, letters)."""
    return [
        {"next": row.tolist(), "center": center.tolist(), "radii": radii.tolist()}
        for row, center, radii in zip(after, boxes.center, boxes.radius, strict=True)
    ]


def _orbit(model: Loaded, one: Caught) -> dict[str, Any]:
    columns, sizes, radii = list[Any](), list[int](), list[float]()
    axes, waiting = one.frame.axes, list(range(len(one.radii)))
    while waiting:
        first = waiting.pop(0)
        axis, radius = axes[:, first], float(one.radii[first])
        if not axis.imag.any():
            columns, sizes, radii = [*columns, axis.real], [*sizes, 1], [*radii, radius]
            continue
        pair = next(n for n in waiting if np.array_equal(axes[:, n], axis.conj()))
        waiting.remove(pair)
        radius = 2.0 * max(radius, float(one.radii[pair]))  # of y with y a + conj(y a) = Re(y) 2 Re(a) - Im(y) 2 Im(a)
        columns, sizes, radii = [*columns, axis.real, axis.imag], [*sizes, 2], [*radii, radius]
    letters, circle = model.domain.alphabet, one.circle
    return {
        "word": [letters[token] for token in circle.word],
        "turn": [letters[token] for token in circle.turn],
        "turns": (one.entry - len(circle.word)) // len(circle.turn),
        "bits": one.bits + SPARE_BITS,
        "center": one.frame.center.tolist(),
        "axes": np.rint(np.array(columns).T * GRID).astype(np.int64).tolist(),
        "sizes": sizes,
        "radii": radii,
    }
