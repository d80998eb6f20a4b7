"""Boxes of states of a network of numbers beside a loop, and the box to which each input leads from each.

A box belongs to a state of the loop: after the streams that lead there the loop is in that state, and the network in
the box. Where one label holds after every input, and the answer of the loop is that label, the two are equal

    as far as the boxes go          boxes of ``levels`` are those of one step each, and the last ones lead nowhere
    at every length                 every input leads into a box that is there: the set is an invariant

Invariants are looked for in two ways. ``hulls``: one box for each state of the loop and so many last inputs, by
Kleene's iteration (Cousot and Cousot 1977), widened a little in each round. ``snapped``: an image is made larger until
its sides are multiples of a ``cell``; a network that forgets comes back to boxes that it was in.

A number of the state that the transition does not read may be anything; and of the loop's what its updates do not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import inf

import numpy as np
from numpy.typing import NDArray

from dsl.grammars.streams import Loop, OutgrownError, variables
from tasks.bounds import zonotope
from tasks.bounds.ball import Ball, Reals
from tasks.bounds.zonotope import Form
from tasks.bounds.zonotope_interpreter import form_step
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Affine, Step

Ints = NDArray[np.int64]
ROWS = 8192  # of images that are made together
MOST_BOXES, MOST_IMAGES, ROUNDS = 100_000, 400_000, 60  # of a graph; of a round of hulls, and rounds
WIDER, MORE = 1.0 + 1e-4, 1e-9  # of hulls, a round
ROOM = 1.0 + 2.0**-20  # of what a box must hold
FREE = 2.0**30  # half the side of a box in a number that is not read
CELLS = tuple(2.0**-n for n in range(3, 13))  # sides that images are snapped to
LONGEST_HISTORY = 4
JOINED = (16.0, 4.0, 1.0, 0.25, 2.0**-4, 2.0**-6, 2.0**-7, 2.0**-8, 2.0**-10, 2.0**-14, 0.0)  # sides of what is one box


class LostError(Exception):
    """No boxes of this kind are found: a label is open, there are too many, or the time ended."""


@dataclass(frozen=True, eq=False)
class Graph:
    """Token ``a`` leads from box ``n`` of ``boxes`` into box ``after[n, a]``; -1 where streams end. Box 0 is the first.

    ``margin``: the least distance of an output to the middle between two whole numbers.
    """

    boxes: Ball
    after: Ints
    margin: float


@dataclass(frozen=True, eq=False)
class Beside:
    """A network and a loop side by side, in executions with unit roundoff ``u`` (0: ideal arithmetic).

    ``numbers``: (tokens, inputs), in the order of the network's tokens; ``deadline``: of ``time.perf_counter``;
    ``spare``: room about every box, in roundings, for bounds that are a little wider than those here.
    """

    network: Recurrent
    numbers: Ints
    loop: Loop
    column: int
    u: float
    deadline: float
    spare: float = 8.0

    @cached_property
    def read_later(self) -> NDArray[np.bool_]:
        """Which numbers of the loop's state its updates read; others are answers, or parts of one, and forgotten."""
        read = {name for update in self.loop.updates for name in variables(update)}
        return np.array([name in read for name in self.loop.names], bool)

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """Which numbers of the network's state its transition reads."""
        first, width = self.network.transition[0], self.network.width
        if not isinstance(first, Affine):
            return np.ones(width, bool)
        return np.asarray(first.weight[:, :width].any(axis=0))

    def start(self) -> tuple[Ball, Ints]:
        """The box before any input, and the state of the loop."""
        return self.room(Ball.exact(self.network.initial(1))), self.loop.start(1)

    def room(self, found: Ball) -> Ball:
        """Boxes with room about them; what is not read may be anything."""
        radius = found.radius * ROOM + self.spare * max(self.u, 2.0**-44) * (1.0 + np.abs(found.center))
        return Ball(np.where(self.kept, found.center, 0.0), np.where(self.kept, radius, FREE))

    def images(self, boxes: Ball, memory: Ints) -> Iterator[tuple[Ints, Ints, Ball, Ints, float]]:
        """Parents, tokens, boxes after them, states of the loop there and the least margin, part by part.

        Raises LostError where an answer is open or another, and when the time is up.
        """
        tokens = len(self.numbers)
        for start in range(0, len(memory) * tokens, ROWS):
            if time.perf_counter() > self.deadline:
                raise LostError("the time ended")
            places = np.arange(start, min(start + ROWS, len(memory) * tokens))
            parent, token = places // tokens, places % tokens
            states = after_token(self.network, self.u, boxes[parent], token)
            after = self.loop.step(memory[parent], self.numbers[token])
            read, said = outputs(self.network, self.u, states), self.loop.read(after)
            apart = np.abs(read.center[:, self.column] - said) + read.radius[:, self.column]
            if not (apart * (1.0 + 2.0**-40) < 0.5).all():
                raise LostError("an output is open")
            after[:, ~self.read_later] = 0
            yield parent, token, states, after, 0.5 - float(apart.max())


def after_token(network: Recurrent, u: float, states: Ball, ids: Ints) -> Ball:
    """Boxes after one more token each: zonotopes for the length of one step."""
    x = Ball.exact(network.tokens[ids])
    none = np.zeros((*x.center.shape, states.center.shape[1]))
    both = zonotope.concat([Form.of(states), Form(x.center, none, x.radius)])
    return _through(network.transition, u, both)


def outputs(network: Recurrent, u: float, states: Ball) -> Ball:
    """What is read of boxes."""
    return _through(network.output, u, Form.of(states))


def _through(steps: tuple[Step, ...], u: float, form: Form) -> Ball:
    none = np.zeros(len(form.center), np.int64)
    for step in steps:
        form = form_step(step, u)(form, none)
    return form.ball


def every_length(beside: Beside, *, is_thorough: bool = True) -> Iterator[Graph]:
    """Boxes that no input leaves, as they are found; what takes longer last, and only where it is to be thorough."""
    ways = [*(partial(hulls, beside, told) for told in range(3)), *(partial(snapped, beside, cell) for cell in CELLS)]
    later = [partial(hulls, beside, told) for told in range(3, 1 + LONGEST_HISTORY)] if is_thorough else []
    return _found([*ways, *later], beside.deadline)


def up_to(beside: Beside, length: int) -> Iterator[Graph]:
    """Boxes of each step up to ``length`` as they are found, few first."""
    ways = [partial(levels, beside, length, inf, told) for told in range(3)]
    return _found([*ways, *(partial(levels, beside, length, cell) for cell in JOINED)], beside.deadline)


def _found(ways: Sequence[Callable[[], Graph]], deadline: float) -> Iterator[Graph]:
    for way in ways:
        if time.perf_counter() > deadline:
            return
        try:
            with np.errstate(all="ignore"):  # what is not finite is in no box
                graph = way()
        except (LostError, OutgrownError):
            continue
        yield graph


def levels(beside: Beside, length: int, cell: float, told: int = 0) -> Graph:
    """Boxes of each step: one for each state of the loop, ``told`` last inputs, and cell that a center lies in.

    ``cell`` may be infinite, or 0 where boxes are joined that have one center. Raises LostError.
    """
    boxes, memory = beside.start()
    recent, all_boxes, after, margin, first = np.full((1, told), -1), [boxes], list[Ints](), inf, 0
    for step in range(1, length + 1):
        leads, parts = np.full((len(memory), len(beside.numbers)), -1), list[tuple[Ball, Ints, Ints, Ints, Ints]]()
        for parent, token, states, next_memory, least in beside.images(boxes, memory):
            margin = min(margin, least)
            if step < length:
                latest = np.concatenate([recent[parent], token[:, None]], axis=1)[:, 1:]
                parts.append((states, next_memory, latest, parent, token))
        after.append(leads)
        if step == length:
            break
        states, next_memory, latest, parent, token = _put_together(parts)
        place = _places(states.center, cell)
        key = np.concatenate([next_memory, latest, np.where(beside.kept, place, 0)], axis=1)
        _, chosen, index = groups(key)
        first += len(memory)
        leads[parent, token] = first + index
        if first + len(chosen) > MOST_BOXES:
            raise LostError("there are too many boxes")
        boxes = beside.room(hulls_of(states, index, len(chosen)))
        memory, recent = next_memory[chosen], latest[chosen]
        all_boxes.append(boxes)
    return Graph(_stacked(all_boxes), np.concatenate(after), margin)


def hulls(beside: Beside, told: int) -> Graph:
    """One box for each state of the loop and ``told`` last inputs that no input leaves; raises LostError."""
    boxes, memory = beside.start()
    key = np.concatenate([memory, np.full((1, told), -1)], axis=1)
    index = {key[0].tobytes(): 0}
    for _ in range(ROUNDS):
        if len(key) * len(beside.numbers) > MOST_IMAGES:
            break
        after, margin, is_inside = np.full((len(key), len(beside.numbers)), -1), inf, True
        low, high = boxes.center - boxes.radius, boxes.center + boxes.radius
        new, own = list[Ints](), len(beside.loop.states)
        for parent, token, states, next_memory, least in beside.images(boxes, key[:, :own]):
            margin = min(margin, least)
            latest = np.concatenate([key[parent, own:], token[:, None]], axis=1)[:, 1:]
            rows = np.concatenate([next_memory, latest], axis=1)
            firsts, _, which = groups(rows)
            for row in firsts:
                if row.tobytes() not in index:
                    index[row.tobytes()] = len(index)
                    new.append(row)
            target = np.array([index[row.tobytes()] for row in firsts])[which]
            after[parent, token] = target
            more = len(index) - len(low)
            if more:
                low = np.concatenate([low, np.full((more, low.shape[1]), inf)])
                high = np.concatenate([high, np.full((more, low.shape[1]), -inf)])
            given = beside.room(states)
            np.minimum.at(low, target, given.center - given.radius)
            np.maximum.at(high, target, given.center + given.radius)
            if is_inside and not new:
                is_inside = holds(boxes, target, given)
        if is_inside and not new:
            return Graph(boxes, after, margin)
        key = np.concatenate([key, np.array(new, np.int64).reshape(len(new), key.shape[1])])
        hull = _between(low, high)
        boxes = Ball(hull.center, hull.radius * WIDER + MORE)
    raise LostError("hulls still grow")


def snapped(beside: Beside, cell: float) -> Graph:
    """Boxes with sides that are multiples of ``cell``, as many as are met, which no input leaves; raises LostError."""
    boxes, memory = beside.start()
    front = _corners(boxes, cell, memory, beside.kept)
    index, after, margin, all_boxes = {front[0].tobytes(): 0}, list[Ints](), inf, list[Ball]()
    width = beside.network.width
    while len(front):
        ends = cell * front[:, : 2 * width].astype(np.float64)
        boxes = _between(ends[:, :width], ends[:, width:])
        boxes = Ball(boxes.center, np.where(beside.kept, boxes.radius, FREE))
        leads, new = np.zeros((len(front), len(beside.numbers)), np.int64), list[Ints]()
        for parent, token, states, next_memory, least in beside.images(boxes, front[:, 2 * width :]):
            margin = min(margin, least)
            firsts, _, which = groups(_corners(beside.room(states), cell, next_memory, beside.kept))
            for row in firsts:
                if row.tobytes() not in index:
                    index[row.tobytes()] = len(index)
                    new.append(row)
            leads[parent, token] = np.array([index[row.tobytes()] for row in firsts])[which]
            if len(index) > MOST_BOXES or len(index) * len(beside.numbers) > MOST_IMAGES:
                raise LostError("there are too many boxes")
        all_boxes.append(boxes)
        after.append(leads)
        front = np.array(new, np.int64).reshape(len(new), front.shape[1])
    return Graph(_stacked(all_boxes), np.concatenate(after), margin)


def holds(boxes: Ball, target: Ints, images: Ball) -> bool:
    """Whether every image lies in the box that is its target."""
    apart = np.abs(images.center - boxes.center[target]) + images.radius
    return bool((apart * (1.0 + 2.0**-40) + 2.0**-1000 <= boxes.radius[target]).all())


def hulls_of(states: Ball, index: Ints, count: int) -> Ball:
    """The least boxes that hold the states of each index."""
    low = np.full((count, states.center.shape[1]), inf)
    high = -low
    np.minimum.at(low, index, states.center - states.radius)
    np.maximum.at(high, index, states.center + states.radius)
    return _between(low, high)


def groups(key: Ints) -> tuple[Ints, Ints, Ints]:
    """Different rows, the first of each, and which of them each row is."""
    if not key.shape[1]:  # a loop without states: all rows are one
        return key[:1], np.zeros(min(1, len(key)), np.int64), np.zeros(len(key), np.int64)
    raw = np.ascontiguousarray(key).view(np.dtype((np.void, key.shape[1] * 8))).ravel()
    _, first, index = np.unique(raw, return_index=True, return_inverse=True)
    return key[first], first.astype(np.int64), index.astype(np.int64)


def _between(low: Reals, high: Reals) -> Ball:
    """Boxes from ``low`` to ``high``, and what the differences round."""
    center = (low + high) / 2
    radius = np.maximum(high - center, center - low) * (1.0 + 2.0**-40) + 2.0**-1000
    return Ball(center, radius + 2.0**-50 * np.abs(center))


def _places(center: Reals, cell: float) -> Ints:
    """In which cell centers lie."""
    if cell == inf:
        return np.zeros_like(center, np.int64)
    return (center + 0.0).view(np.int64) if cell == 0 else np.floor(center / cell).astype(np.int64)


def _corners(boxes: Ball, cell: float, memory: Ints, kept: NDArray[np.bool_]) -> Ints:
    """The ends of boxes in cells, rounded outwards, and the state of the loop."""
    low, high = np.floor((boxes.center - boxes.radius) / cell), np.ceil((boxes.center + boxes.radius) / cell)
    if not (np.maximum(np.abs(low), np.abs(high))[:, kept] < 2.0**40).all():
        raise LostError("boxes grow without end")
    ends = [np.where(kept, end, 0.0).astype(np.int64) for end in (low, high)]
    return np.concatenate([*ends, memory], axis=1)


def _put_together(parts: list[tuple[Ball, Ints, Ints, Ints, Ints]]) -> tuple[Ball, Ints, Ints, Ints, Ints]:
    states, *others = zip(*parts, strict=True)
    memory, recent, parent, token = (np.concatenate(part) for part in others)
    return _stacked([*states]), memory, recent, parent, token


def _stacked(boxes: list[Ball]) -> Ball:
    return Ball(np.concatenate([b.center for b in boxes]), np.concatenate([b.radius for b in boxes]))
