"""Words of a recurrent network that come near to breaking a program, by a beam over the tree of prefixes.

A word of n tokens is one state, and its continuations by one token are one step of the network, so that a beam of words
grows a token at a time: of all continuations those are kept on which the network is nearest to another answer than the
program's, some of each kind first. Kinds are told apart by the program's answer and by the signs of the state, so that
words which are still far from breaking, but are in another region, stay in the beam. It proves nothing: what it gives
is tried like any other word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cegis.domain import Tokens
from tasks.bounds.ball import Reals
from tasks.networks.model import Loaded
from tasks.networks.recurrent import Recurrent

WIDTH, OF_A_KIND = 512, 4  # words that are kept of a length, and of one kind before any other is left out
Margins = Callable[[Tokens, Reals], Reals]  # words (count, n) and their logits to margins of the program's answer


def beams(loaded: Loaded, longest: int, margins: Margins) -> Iterator[tuple[Tokens, Reals]]:
    """For each length from 1 on words of that length with their margins, the least first; (count, length), (count,).

    ``loaded`` holds a recurrent network that is read at the last position of every sequence over its alphabet.
    """
    network = loaded.network
    assert isinstance(network, Recurrent)
    ids = loaded.prompts(np.arange(len(loaded.domain.alphabet))[:, None])
    letters, suffix = ids[:, len(loaded.prefix)], ids[0, len(loaded.prefix) + 1 :]
    states, words = network.initial(1), np.zeros((1, 0), np.int8)
    for token in ids[0, : len(loaded.prefix)]:
        states = network.step(states, np.array([token]))
    for _ in range(longest):
        parent, letter = (part.ravel() for part in np.indices((len(words), len(letters))))
        words = np.concatenate([words[parent], letter[:, None].astype(np.int8)], axis=1)
        states = network.step(states[parent], letters[letter])
        ends = states
        for token in suffix:
            ends = network.step(ends, np.full(len(ends), token))
        found = margins(words, network.read(ends))
        kept = _kept(found, states)
        words, states = words[kept], states[kept]
        yield words, found[kept]


def _kept(margins: Reals, states: Reals) -> NDArray[np.int64]:
    """Rows in the order of their margins: the first of each kind, and then whatever is next."""
    order = np.argsort(margins, kind="stable")
    signs = (states[order] > 0) @ np.random.default_rng(0).integers(0, 2**40, states.shape[1])
    _, kind, count = np.unique(signs, return_inverse=True, return_counts=True)
    by_kind = np.argsort(kind, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[by_kind] = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    best = np.argsort(rank // OF_A_KIND, kind="stable")[:WIDTH]
    return np.asarray(order[np.sort(best)], np.int64)
