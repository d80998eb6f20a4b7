"""Prove "program = network" on every sequence up to lengths nobody can list, where one layer attends.

The sequences of a length are gathered by the states of the program (``trellis_construction``), and each gathering is a
box:

    all sequences of a node  ->  what attention may give there   (``attention_bounds``: exact along each axis)
                             ->  the logits, as affine forms     (``zonotope``)
                             ->  one label, or undecided

An undecided box is cut: first what attention gives, along the axis that moves the logits most; where that is not
enough the sequences, by how far they pull attention along its widest axis (``Trellis.divided``). A box of few
sequences is run one by one, so this ends; the time limit may end it sooner, and then nothing is claimed of that length.
Lengths are proved shortest first. Random sequences of every node are run through the network before it is bounded, so a
wrong program is refuted early, and every counterexample is one sequence whose label was bounded by itself.

What the ``workers`` in use compute: the nodes of every length that end in one token, so many at once as memory allows;
then boxes that are to be cut, ``TAKEN`` of those that wait at a time. Neither depends on how many workers there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis import Claim, Counterexample, DomainError, Program, Rung
from cegis.claim import least_margin
from dsl.sequences import Label
from tasks.automata.program_states import UncountableError
from tasks.automata.trellis import NONE, Ints, Trellis, product
from tasks.automata.trellis_construction import trellis
from tasks.bounds.ball import Reals
from tasks.bounds.interpreter import chunks
from tasks.bounds.workers import each
from tasks.bounds.zonotope import SLACK, Form, compressed
from tasks.networks.readout import UNDECIDED, Labels
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.attention_bounds import Averages, obstacle
from tasks.proofs.enumeration import ROUNDOFF, LateError, answers_of, read_bounds
from tasks.proofs.verifier import OTHER, Cause, Cost, Extent, StopReason, Verifier, Words, unlabelled

WHY = "one layer attends, so the states of the program gather all sequences"
TRIED = 8  # random sequences per node
SYMBOLS = 16  # axes of what attention gives that are followed, per row
MOST_PIECES = 64  # of what attention gives, per box
TOGETHER = 500  # sequences of a box that are run rather than divided
TAKEN = 32  # boxes that are cut at a time
PARTS, STEPS = 8, 64  # of the sequences of a node, by a sum that is followed in so many steps
METHOD = (
    "one layer attends, so what it gives is an average along a path: over all sequences of each state of the program "
    "it is bounded by dynamic programming"
)


CHUNK_VALUES = 8_000_000  # numbers per temporary array


class _StoppedError(Exception):
    """Why a length is not proved."""


class _BrokenError(Exception):
    """A sequence where program and network differ."""

    def __init__(self, broken: Counterexample) -> None:
        super().__init__()
        self.broken = broken


@dataclass(frozen=True, eq=False)
class _Box:
    """Sequences of one last node that bounds on all of them leave undecided; ``axes`` of what attention gives there."""

    graph: Trellis
    axes: Reals


@dataclass(frozen=True)
class _Found:
    """Of some sets of sequences: how many were bounded, the least margin behind a label, and what is left to do.

    Or a sequence where program and network differ, or why one has no label.
    """

    boxes: int
    margin: float
    left: tuple[_Box, ...] | Counterexample | StopReason


@dataclass
class CoveringVerifier(Verifier):
    """Compares programs with ``model`` on every sequence of ``domain``, many at once; see ``Verifier``.

    Raises NetworkError where there is an ``attention_bounds.obstacle``. ``boxes``: how many sets of sequences the last
    comparison bounded; ``margin``: the least margin behind a label there.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.semantics is not None
        if hindered := obstacle(self.model, ROUNDOFF[self.semantics]):
            raise NetworkError(f"{self.model.name}: its sequences cannot be gathered ({hindered}); list them instead")
        self._averages = Averages(self.model, ROUNDOFF[self.semantics], self.domain.lengths[-1])

    def __getstate__(self) -> dict[str, Any]:
        """What workers are given: the time is looked at by whoever waits for them."""
        return {**vars(self), "on_length": _unheard, "seconds": None, "boxes": 0, "margin": np.inf, "_started": 0.0}

    def examine(
        self, program: Program, where: Program | None = None, inside: str = "", known: int | None = None
    ) -> Extent:
        """How far ``program`` equals the network, shortest length first; see ``Verifier``."""
        self._started, self.boxes, self.margin = time.perf_counter(), 0, np.inf
        equal, broken, stopped, costs = self.domain.min_length - 1, None, None, []
        graph, began = None, time.process_time()
        try:
            graph = trellis(self.domain, program)
            if where is not None:
                other = trellis(self.domain, where)
                graph = product(graph, other, other.names.index(inside))
            cut = {n: self._cut(graph, n) for n in self.domain.lengths if known is None or n > known}
            parts = ((length, nodes) for length, of_length in cut.items() for nodes in of_length)
            bounded = each(_bounded, (self, graph), parts, self.check_time)
            for length in self.domain.lengths:
                for _ in cut.get(length, ()):
                    self._finish(self._noted(next(bounded)))
                equal = length
                costs.append(Cost(length, len(graph.levels[length].token), self.boxes, time.process_time() - began))
                self.on_length(length, self.domain.lengths[-1])
        except _BrokenError as error:
            broken = error.broken
        except _StoppedError as error:
            stopped = StopReason(Cause.NO_LABEL, str(error))
        except (UncountableError, DomainError) as error:
            stopped = StopReason(Cause.TOO_MANY_STATES, f"the states of the program cannot be followed: {error}")
        except LateError:
            text = f"stopped by the time limit of {self.seconds:.3g} s at length {equal + 1}"
            stopped = StopReason(Cause.TIME, text)
        except KeyboardInterrupt:
            stopped = StopReason(Cause.INTERRUPT, f"interrupted at length {equal + 1}")
        claims = () if graph is None else self._claims(graph, equal, inside, known)
        return Extent(equal, broken, stopped, claims, tuple(costs), seconds=time.perf_counter() - self._started)

    def _claims(self, graph: Trellis, equal: int, inside: str, known: int | None) -> tuple[Claim, ...]:
        """Equality up to the length ``equal``, unless no sequence up to there has a label to be compared with."""
        lengths = range(self.domain.min_length, equal + 1)
        count = sum(graph.labelled(n) for n in lengths)
        if not count:
            return ()
        seen = {int(label) for n in lengths for label in graph.levels[n].label if label != NONE}
        detail = self.detail(equal, {str(graph.names[label]) for label in seen})
        rung, method = Rung.BOUNDED, METHOD
        if np.isfinite(self.margin):
            method += f"; {self.boxes:,} boxes, {least_margin(self.margin)} there"
        if known is not None:
            rung = Rung.BOUNDED if equal > known else Rung.ENUMERATED
            listed = f"every sequence up to length {min(equal, known)} was bounded by itself"
            listed += f", {least_margin(self.listed_margin)} there" if self.listed_margin else ""
            method = f"{listed}; beyond, {method}" if equal > known else listed
        network = self.model.reference
        if inside:
            network += f", of the sequences that the region calls {inside!r},"
        seconds, domain = time.perf_counter() - self._started, self.domain.up_to(equal)
        told = self.conditions(domain)
        return (Claim(rung, network, self.meaning, domain, method, count, seconds, detail, told),)

    # --- one length ---------------------------------------------------------------------------------------------

    def _cut(self, graph: Trellis, length: int) -> list[Ints]:
        """The nodes of a length whose sequences have labels: those that end in one token, so many at once."""
        level = graph.levels[length]
        asked = np.flatnonzero(level.label != NONE)
        work = self._averages.work(graph, length)
        alike = [asked[level.token[asked] == token] for token in np.unique(level.token[asked])]
        return [every[some] for every in alike for some in chunks(len(every), work, CHUNK_VALUES)]

    def _finish(self, boxes: Sequence[_Box]) -> None:
        """Prove what bounds have left undecided, the last boxes first; raises where that does not succeed."""
        waiting = [*boxes]
        while waiting:
            taken = waiting[-TAKEN:]
            del waiting[-TAKEN:]
            for found in each(_narrowed, self, ((box,) for box in taken), self.check_time):
                waiting += self._noted(found)

    def _noted(self, found: _Found) -> tuple[_Box, ...]:
        """What is left to do; raises where nothing can be."""
        self.boxes, self.margin = self.boxes + found.boxes, min(self.margin, found.margin)
        match found.left:
            case Counterexample() as broken:
                raise _BrokenError(broken)
            case StopReason(text=text):
                raise _StoppedError(text)
            case boxes:
                return boxes

    def found(self, search: Callable[[CoveringVerifier], list[_Box]]) -> _Found:
        """What a search of its own comes to."""
        own = copy(self)
        own.boxes, own.margin = 0, np.inf
        left: tuple[_Box, ...] | Counterexample | StopReason
        try:
            left = tuple(search(own))
        except _BrokenError as error:
            left = error.broken
        except _StoppedError as error:
            left = StopReason(Cause.NO_LABEL, str(error))
        return _Found(own.boxes, own.margin, left)

    def bound(self, graph: Trellis, length: int, nodes: Ints) -> list[_Box]:
        """Prove some nodes that end in one token, and what is left of them."""
        self._try(graph, length, nodes)
        return self._open(graph, nodes, length)

    def narrow(self, box: _Box) -> list[_Box]:
        """Prove the parts of a box, and what is left of them."""
        length = box.graph.longest
        parts = self._divided(box.graph, box.axes)
        return self._open(parts, np.arange(len(parts.levels[length].token)), length)

    def _open(self, graph: Trellis, nodes: Ints, length: int) -> list[_Box]:
        """The nodes among ``nodes`` that bounds leave undecided, but those of few sequences, which are run."""
        axes = self._averages.axes(graph, length, nodes, np.random.default_rng(0))
        given = compressed(self._averages.given(graph, length, nodes, axes), SYMBOLS)
        is_right, _, _ = self._read(graph, length, nodes, given)
        boxes = [
            _Box(graph.only(length, int(nodes[n])), axes[n])
            for n in np.flatnonzero(~is_right)
            if not self._is_right(graph, length, int(nodes[n]), _rows(given, np.array([n])))
        ]
        few = [box.graph.sizes[length][0] <= TOGETHER for box in boxes]
        for box, is_few in zip(boxes, few, strict=True):
            if is_few:
                self._run(box.graph)
        return [box for box, is_few in zip(boxes, few, strict=True) if not is_few]

    def _divided(self, graph: Trellis, axes: Reals) -> Trellis:
        """The sequences of a trellis with one last node in parts."""
        length = graph.longest
        parts = graph.divided(self._averages.pull(graph, length, 0, axes), PARTS, STEPS)
        if len(parts.levels[length].token) == 1:  # all pull alike: part them at the first level where they differ
            first = next(n for n, level in enumerate(graph.levels) if len(level.token) > 1)
            ranks = [np.arange(len(level.token)) * float(n == first) for n, level in enumerate(graph.levels)]
            parts = graph.divided(ranks, PARTS, STEPS)
        return parts

    def _run(self, graph: Trellis) -> None:
        """Prove the few sequences of a trellis with one last node, each by bounds on it alone."""
        self.check_time()
        assert self.semantics is not None
        sequences, label = graph.sequences, graph.levels[graph.longest].label[0]
        labels, margins = answers_of(self.model, sequences, self.semantics)
        is_right = (labels != UNDECIDED) & (margins >= self.least) & (self._named(graph, labels) == label)
        self.margin = min(self.margin, float(margins[is_right].min(initial=np.inf)))
        for row in np.flatnonzero(~is_right):
            self._replay(self.domain.words(sequences[row]), graph.names[label])

    def _is_right(self, graph: Trellis, length: int, node: int, given: Form) -> bool:
        """Whether the program's label is that of all that attention may give, looked at in pieces."""
        symbols, pieces = given.shape.shape[2], 0
        middle, half = np.zeros((1, symbols)), np.ones((1, symbols))
        while len(middle):
            piece = _piece(given, middle, half)
            is_right, is_wrong, logits = self._read(graph, length, np.full(len(middle), node), piece)
            pieces += len(middle)
            left = ~is_right
            if is_wrong.any() or pieces + 2 * left.sum() > MOST_PIECES:
                return False
            moved = np.abs(logits.shape[left][:, list(self.model.readout.columns)]).max(axis=1)
            moved = np.where(moved.any(axis=1, keepdims=True), moved, np.abs(piece.shape[left]).sum(axis=1))
            here = np.arange(len(moved)), moved.argmax(axis=1)
            middle, half = middle[left], half[left].copy()
            half[here] /= 2
            up, down = middle.copy(), middle.copy()
            up[here] += half[here]
            down[here] -= half[here]
            middle, half = np.concatenate([up, down]), np.concatenate([half, half])
        return True

    def _try(self, graph: Trellis, length: int, nodes: Ints) -> None:
        """Run random sequences of every node through the network."""
        tokens = graph.tokens(graph.paths(length, nodes, TRIED if length else 1, np.random.default_rng(length)))
        self.check_time()
        found, _ = self.model.labels(tokens.reshape(len(nodes) * tokens.shape[1], length))
        said, labels = self._named(graph, found).reshape(tokens.shape[:2]), graph.levels[length].label[nodes]
        for n, k in np.argwhere(said != labels[:, None]):
            self._replay(self.domain.words(tokens[n, k]), graph.names[labels[n]])

    def _replay(self, sequence: Words, got: Label | None) -> None:
        """Compare one sequence by itself."""
        known = self.label(sequence)
        if known is None:
            raise _StoppedError(f"{' '.join(sequence)!r} {unlabelled(self.semantics)}")
        expected, margin = known
        if expected != got:
            raise _BrokenError(Counterexample(sequence, expected, got))
        self.margin = min(self.margin, margin)

    def _named(self, graph: Trellis, labels: Labels) -> Ints:
        """Labels of the read-out as those of the trellis: what is none of them, or no label, is no index of one."""
        names = tuple(name for name in graph.names if name is not None)
        assert graph.names[: len(names)] == names
        return np.where(labels == UNDECIDED, OTHER, self.places(names, labels))

    def _read(
        self, graph: Trellis, length: int, nodes: Ints, given: Form
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Form]:
        """Whether each box has its node's label throughout, whether it has another one throughout; and the logits."""
        self.check_time()
        level = graph.levels[length]
        logits = self._averages.logits(given, length, int(level.token[nodes[0]]))
        labels, margins = read_bounds(self.model.readout, logits.ball)
        self.boxes += len(labels)
        is_decided = (labels != UNDECIDED) & (margins >= self.least)
        is_right = is_decided & (self._named(graph, labels) == level.label[nodes])
        self.margin = min(self.margin, float(margins[is_right].min(initial=np.inf)))
        return is_right, is_decided & ~is_right, logits


def _bounded(of: tuple[CoveringVerifier, Trellis], length: int, nodes: Ints) -> _Found:
    """What is found of some nodes that end in one token."""
    verifier, graph = of
    return verifier.found(lambda own: own.bound(graph, length, nodes))


def _narrowed(verifier: CoveringVerifier, box: _Box) -> _Found:
    """What is found of the parts of a box."""
    return verifier.found(lambda own: own.narrow(box))


def _unheard(length: int, longest: int) -> None:
    """Nobody is told of lengths."""


def _rows(form: Form, rows: Ints) -> Form:
    return Form(form.center[rows], form.shape[rows], form.rest[rows])


def _piece(form: Form, middle: Reals, half: Reals) -> Form:
    """The parts of a form of one row where its symbols lie within ``half`` of ``middle``, both (parts, symbols)."""
    center, shape = form.center[0] + middle @ form.shape[0].T, form.shape[0] * half[:, None]
    lost = SLACK * (np.abs(form.center[0]) + np.abs(form.shape[0]).sum(axis=1))
    return Form(center, shape, np.broadcast_to(form.rest[0] + lost, center.shape))
