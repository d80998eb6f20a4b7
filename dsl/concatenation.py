"""The cheapest chain of strings whose concatenation is a goal.

A state is how far the chain has come in every example, q = (q_1, ..., q_m). A piece v leads from q to q + |v| where
v_i stands in the goal t_i at q_i for every i (Gulwani, POPL 2011, section 4.3, on all examples at once); the search
goes through states in order of cost. The chain is built by productions like ``S -> str.++(S, S)``: a state also holds
the nonterminal that must derive the rest, so grammars with other shapes of concatenation are respected.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammar import Production
from dsl.operators import Term
from dsl.rows import Indices, Rows

MAX_STATES = 3000  # expanded before the search gives up


@dataclass(frozen=True)
class State:
    """``places``: characters of each goal already written; ``rest``: the nonterminal of what is missing."""

    places: tuple[int, ...]
    rest: str


@dataclass(frozen=True)
class Step:
    """The way into a state: from ``before``, by a piece; ``join`` is None for the last piece."""

    cost: int
    before: State | None = None
    join: Production | None = None
    piece: int = -1


class Pieces:
    """Strings and where they stand in the goal. ``goal``: (examples,) of str."""

    def __init__(self, rows: Rows, goal: NDArray[Any]) -> None:
        self.rows = rows
        self.widths = np.array([[len(value) for value in row] for row in rows.values], np.int64)
        self.widths = self.widths.reshape(rows.values.shape)
        self._ids, self._stands = [], []
        for example, wanted in enumerate(goal):
            texts = dict.fromkeys(rows.values[:, example])
            number = {text: place for place, text in enumerate(texts)}
            self._ids.append(np.array([number[text] for text in rows.values[:, example]], np.int64))
            stands = [[wanted.startswith(text, place) for text in texts] for place in range(len(wanted) + 1)]
            self._stands.append(np.array(stands, bool))

    def at(self, places: tuple[int, ...]) -> Indices:
        """The pieces that stand in every goal at its place."""
        found = np.arange(len(self.rows))
        for place, ids, stands in zip(places, self._ids, self._stands, strict=True):
            found = found[stands[place][ids[found]]]
        return found


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
    least = {name: int(rows.costs.min()) if len(rows) else 0 for name, rows in pieces.items()}
    end = np.array([len(text) for text in goal], np.int64)
    final = tuple(int(size) for size in end)
    start, goal_state = State((0,) * len(goal), nonterminal), State(final, "")
    steps = {start: Step(0)}
    queue: list[tuple[int, int, State]] = [(0, -1, start)]
    done: set[State] = set()
    order = count()  # of arrival, which decides between equal costs

    def offer(state: State, step: Step, still: int) -> None:
        known = steps.get(state)
        if known is None or step.cost < known.cost:
            steps[state] = step
            heapq.heappush(queue, (step.cost + still, next(order), state))

    while queue and len(done) < MAX_STATES and not stop():
        _, _, state = heapq.heappop(queue)
        if state == goal_state:
            return steps[state].cost, _chain(steps, goal_state, pieces)
        if state in done:
            continue
        done.add(state)
        cost = steps[state].cost
        here = np.array(state.places, np.int64)
        if state.rest in placed:
            last = placed[state.rest]
            fitting = last.at(state.places)
            fitting = fitting[(here + last.widths[fitting] == end).all(axis=1)]
            if len(fitting):
                piece = int(fitting[np.argmin(last.rows.costs[fitting])])
                offer(goal_state, Step(cost + int(last.rows.costs[piece]), state, None, piece), 0)
        for join in joins:
            if join.nonterminal != state.rest or join.arguments[0] not in placed:
                continue
            first, rest = placed[join.arguments[0]], join.arguments[1]
            fitting = first.at(state.places)
            after = here + first.widths[fitting]
            moves = (after != here).any(axis=1) & (after != end).any(axis=1)
            costs = cost + join.cost + first.rows.costs[fitting[moves]]
            for piece, places, price in zip(
                fitting[moves].tolist(), after[moves].tolist(), costs.tolist(), strict=True
            ):
                offer(State(tuple(places), rest), Step(price, state, join, piece), least.get(rest, 0))
    return None


def _chain(steps: Mapping[State, Step], state: State, pieces: Mapping[str, Rows]) -> Term:
    """The term of the way that led to the end."""
    step = steps[state]
    assert step.before is not None
    term = pieces[step.before.rest].term(step.piece)
    while (step := steps[step.before]).before is not None:
        assert step.join is not None
        term = step.join.operator(pieces[step.join.arguments[0]].term(step.piece), term)
    return term
