"""Sequences drawn from a domain too large to list, for training a stand-in and for looking at it.

Each sequence has weights of its own for the tokens (uniform on the simplex), and each token is drawn by them among
those that the constraint still lets be completed. So unbalanced sequences, where labels change, are not rare, as they
would be if all sequences were equally likely; every sequence can be drawn. A sample proves nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.row import BenchmarkError
from cegis.domain import DEAD, Domain, Tokens


def sample(domain: Domain, length: int, draws: int, *, seed: int = 0) -> Tokens:
    """Different sequences of ``length``, (at most ``draws``, length), sorted; raises BenchmarkError for none."""
    if not domain.count(length):
        raise BenchmarkError(f"expected a length that has sequences to draw from, got {length}; ask for another")
    chance = np.random.default_rng(seed)
    table, can_end = _automaton(domain, length)
    weights = chance.dirichlet(np.ones(len(domain.alphabet)), draws)
    states, drawn = np.zeros(draws, np.int64), np.zeros((draws, length), np.int8)
    for position in range(length):
        targets = table[states]
        open_ = (targets != DEAD) & can_end[length - position - 1][targets]
        reached = np.where(open_, np.maximum(weights, 1e-9), 0.0).cumsum(axis=1)
        height = chance.random(draws) * reached[:, -1]
        drawn[:, position] = (reached <= height[:, None]).sum(axis=1)
        states = targets[np.arange(draws), drawn[:, position]]
    found: Tokens = np.unique(drawn, axis=0)
    return found


def _automaton(domain: Domain, length: int) -> tuple[NDArray[np.int64], list[NDArray[np.bool_]]]:
    """Next states, and by the number of tokens left whether a state can still end well."""
    if domain.constraint is None:
        return np.zeros((1, len(domain.alphabet)), np.int64), [np.ones(1, bool)] * (length + 1)
    table = np.array(domain.constraint.transitions, np.int64)
    can_end = [np.array(domain.constraint.accepting)]
    for _ in range(length):
        can_end.append((can_end[-1][table] & (table != DEAD)).any(axis=1))
    return table, can_end
