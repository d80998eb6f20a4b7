"""The network's label of every vector of token counts, asked for length by length and kept.

While count vectors are few each is bounded by itself; once they are many, and a canvas of all of them fits memory,
whole boxes of counts are (``count_bounds``). Which of the two gave a label makes no difference to what it means: no
execution of any sequence of that class, in the arithmetics of ``unit_roundoff``, has another one. UNDECIDED says
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.formats import Loaded
from tasks.networks.circuit import Circuit
from tasks.networks.readout import UNDECIDED, Labels
from tasks.proofs.count_bounds import UNKNOWN, Ints, Tally

MOST_POINTS = 50_000  # count vectors that are bounded one by one
MOST_PAINTED = 100_000_000  # count vectors of all canvases, two bytes each


class Census:
    """Labels of count vectors of a network without ``count_bounds.obstacle``, of up to ``longest`` tokens.

    ``margin``: a lower bound of every margin behind a label given so far. ``seen``: the labels given so far.
    """

    def __init__(self, network: Circuit | Loaded, longest: int, unit_roundoff: float, least: float = 0.0) -> None:
        self._tally, self._longest = Tally(network, unit_roundoff, least), longest
        self._points: dict[tuple[int, int], tuple[Ints, Labels]] = {}
        self._canvases: dict[int, NDArray[np.int16]] = {}
        letters = self._tally.letters
        self._powers = (longest + 1) ** np.arange(letters)
        self._fits = letters * (longest + 1) ** letters <= MOST_PAINTED
        self._count = 0
        self.margin, self.seen = np.inf, set[int]()

    @property
    def boxes(self) -> int:
        """How many boxes of counts were bounded (0 while single vectors did)."""
        return self._tally.boxes

    def labels(self, codes: Ints, last: int, length: int, check_time: Callable[[], None]) -> Labels:
        """Labels of count vectors of ``length`` that end in ``last``: (rows,) different codes, as in ``parikh``.

        ``check_time`` is called now and then and may raise.
        """
        self.prepare([(length, codes)], last, check_time)
        if last not in self._canvases:
            return self._points[length, last][1]
        numbers = self._canvases[last][codes]
        return np.where(numbers == UNKNOWN, UNDECIDED, np.array([*self._tally.seen, UNDECIDED])[numbers])

    def prepare(self, asked: Sequence[tuple[int, Ints]], last: int, check_time: Callable[[], None]) -> None:
        """Find what ``labels`` will be asked for: count vectors of several lengths cost little more than those of one.

        ``asked``: pairs of a length and the codes of its count vectors that end in ``last``.
        """
        missing = [part for part in asked if not self._knows(*part, last)]
        many = sum(len(codes) for _, codes in missing)
        if last in self._canvases or not many:
            return
        if self._fits and self._count + many > MOST_POINTS:
            canvas, margin = self._tally.paint(last, self._longest, check_time)
            self._canvases[last] = canvas.ravel(order="F")
            self._keep(np.array(self._tally.seen, np.int64), margin)
            return
        check_time()
        every = np.concatenate([codes for _, codes in missing])
        labels, margins = self._tally.points(every[:, None] // self._powers % (self._longest + 1), last)
        ends = np.cumsum([len(codes) for _, codes in missing])
        for (length, codes), found in zip(missing, np.split(labels, ends[:-1]), strict=True):
            self._points[length, last] = codes, found
        self._keep(labels, float(margins[labels != UNDECIDED].min(initial=np.inf)))
        self._count += many

    def _knows(self, length: int, codes: Ints, last: int) -> bool:
        known = self._points.get((length, last))
        return known is not None and np.array_equal(known[0], codes)

    def _keep(self, labels: Labels, margin: float) -> None:
        self.margin = min(self.margin, margin)
        self.seen |= {int(label) for label in np.unique(labels) if label != UNDECIDED}
