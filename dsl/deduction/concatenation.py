"""The cheapest chain of strings whose concatenation is a goal.

A state is how far the chain has come in every example, q = (q_1, ..., q_m). A piece v leads from q to q + |v| where
v_i stands in the goal t_i at q_i for every i (Gulwani, POPL 2011, section 4.3, on all examples at once); the search
goes through states in order of cost. The chain is built by productions like ``S -> str.++(S, S)``: a state also holds
the nonterminal that must derive the rest, so grammars with other shapes of concatenation are respected.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.deduction.rows import Indices, Rows
from dsl.grammar import Production
from dsl.operators import Term

MAX_STATES = 300  # expanded before the search gives up
IMPOSSIBLE = 10**9  # more than any cost


State = tuple[tuple[int, ...], str]  # characters of each goal already written; the nonterminal of what is missing


@dataclass(frozen=True)
class Step:
    """The way into a state: from ``before``, by a piece; ``join`` is None for the last piece."""

    cost: int
    before: State | None = None
    join: Production | None = None
    piece: int = -1


class Pieces:
    """Strings and where they stand in the goal. ``goal``: (examples,) of str; ``widths``: (pieces, examples)."""

    def __init__(self, rows: Rows, goal: NDArray[Any]) -> None:
        self.rows = rows
        self.widths = np.array([[len(value) for value in row] for row in rows.values], np.int64)
        self.widths = self.widths.reshape(rows.values.shape)
        self._ids, self._stands = [], []
        for example, wanted in enumerate(goal):
            number = {text: place for place, text in enumerate(dict.fromkeys(rows.values[:, example]))}
            self._ids.append(np.array([number[text] for text in rows.values[:, example]], np.int64))
            stands = [[wanted.startswith(text, place) for text in number] for place in range(len(wanted) + 1)]
            self._stands.append(np.array(stands, bool))

    def at(self, places: tuple[int, ...]) -> Indices:
        """The pieces that stand in every goal at its place."""
        found = np.arange(len(self.rows))
        for place, ids, stands in zip(places, self._ids, self._stands, strict=True):
            found = found[stands[place][ids[found]]]
        return found

    def standing(self, example: int, place: int) -> Indices:
        """The pieces that stand in one goal at a place and are not empty there."""
        return np.flatnonzero(self._stands[example][place][self._ids[example]] & (self.widths[:, example] > 0))


def cheapest_chain(
    nonterminal: str,
    goal: NDArray[Any],
    pieces: Mapping[str, Rows],
    joins: Sequence[Production],
    stop: Callable[[], bool] = lambda: False,
) -> tuple[int, Term] | None:
    """The cost and term of the cheapest chain from ``nonterminal`` that gives ``goal``: (examples,) of str.

    ``pieces``: rows by nonterminal; ``joins``: the grammar's productions of concatenation. None when there is none,
    or when ``stop()`` or the limit on states ends the search.
    """
    placed = {name: Pieces(rows, goal) for name, rows in pieces.items()}
    missing = _missing(placed, joins, goal)
    end = np.array([len(text) for text in goal], np.int64)
    finish: State = (tuple(end.tolist()), "")
    start: State = ((0,) * len(goal), nonterminal)
    steps, done = {start: Step(0)}, set[State]()
    order = count()  # of arrival, which decides between equal costs
    queue: list[tuple[float, int, State]] = [(0, next(order), start)]

    def offer(state: State, step: Step, still: float) -> None:
        known = steps.get(state)
        if (known is None or step.cost < known.cost) and still < math.inf:
            steps[state] = step
            heapq.heappush(queue, (step.cost + still, next(order), state))

    while queue and len(done) < MAX_STATES and not stop():
        _, _, state = heapq.heappop(queue)
        if state == finish:
            return steps[state].cost, _chain(steps, finish, pieces)
        if state in done:
            continue
        done.add(state)
        here, cost = np.array(state[0], np.int64), steps[state].cost
        last = placed[state[1]]
        fitting = last.at(state[0])
        fitting = fitting[(here + last.widths[fitting] == end).all(axis=1)]
        if len(fitting):
            piece = int(fitting[np.argmin(last.rows.costs[fitting])])
            offer(finish, Step(cost + int(last.rows.costs[piece]), state, None, piece), 0)
        for join in joins:
            if join.nonterminal != state[1]:
                continue
            first, rest = placed[join.arguments[0]], join.arguments[1]
            fitting = first.at(state[0])
            after = here + first.widths[fitting]
            still = missing[rest][np.arange(len(goal)), after].max(axis=1)
            moves = (after != here).any(axis=1) & (after != end).any(axis=1) & (still < math.inf)
            costs = cost + join.cost + first.rows.costs[fitting]
            for move in np.flatnonzero(moves):
                places = tuple(after[move].tolist())
                offer((places, rest), Step(int(costs[move]), state, join, int(fitting[move])), float(still[move]))
    return None


def _missing(placed: Mapping[str, Pieces], joins: Sequence[Production], goal: NDArray[Any]) -> dict[str, Any]:
    """What the rest of each goal costs at least, were it the only example: (examples, longest goal + 1) of float."""
    table = {name: np.full((len(goal), max(map(len, goal)) + 1), math.inf) for name in placed}
    for example, wanted in enumerate(goal):
        for name in placed:
            table[name][example, len(wanted)] = 0  # the other examples may still need a piece that is empty here
        for place in range(len(wanted) - 1, -1, -1):
            for name, last in placed.items():
                standing = last.standing(example, place)
                whole = standing[last.widths[standing, example] == len(wanted) - place]
                least = last.rows.costs[whole].min(initial=IMPOSSIBLE)
                for join in joins:
                    if join.nonterminal == name:
                        first = placed[join.arguments[0]]
                        standing = first.standing(example, place)
                        rest = table[join.arguments[1]][example, place + first.widths[standing, example]]
                        least = min(least, (join.cost + first.rows.costs[standing] + rest).min(initial=IMPOSSIBLE))
                table[name][example, place] = least if least < IMPOSSIBLE else math.inf
    return table


def _chain(steps: Mapping[State, Step], finish: State, pieces: Mapping[str, Rows]) -> Term:
    """The term of the way that led to the end."""
    step = steps[finish]
    assert step.before is not None
    term = pieces[step.before[1]].term(step.piece)
    while (step := steps[step.before]).before is not None:
        assert step.join is not None
        term = step.join.operator(pieces[step.join.arguments[0]].term(step.piece), term)
    return term
