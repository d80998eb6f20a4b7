"""A recurrent network of numbers beside a loop, on every stream of so many steps: sets of states walked together.

A pair is a box of network states and one state of the loop; at every step each pair meets every input. Pairs with the
same box and the same loop state are one. Where there would still be too many, boxes of one loop state that lie close
together are joined to their hull, closer or farther apart as room demands: one box for each loop state in the end. So
``100**10`` streams are some hundred boxes a step, and nothing is left out.

    lattice   weights, inputs and states are multiples of powers of two, and every sum stays below 2**24 of its unit,
              so that ideal arithmetic and every execution give one number: boxes are points, no rounding is bounded.
              Where no new pair appears, the loop equals the network at every length
    boxes     a box is a zonotope with a symbol for each number of the state, through the transition and back to its
              hull (``bounds.zonotope``); it holds ideal arithmetic and every execution with unit roundoff ``u``

A label is the whole number that the output is nearest to; where a box leaves it open, or the label is another than the
loop's, a stream that leads there is replayed on the network: it breaks the loop, or the answer is "not shown".
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsl.grammars.streams import Loop, OutgrownError
from tasks.bounds import ball
from tasks.bounds.ball import Ball, Reals
from tasks.bounds.workers import blocks, each
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Activation, Affine
from tasks.proofs.box_graphs import Beside, Graph, after_token, every_length, groups, hulls_of, outputs
from tasks.proofs.enumeration import Semantics

Ints = NDArray[np.int64]
Method = Literal["lattice", "boxes", "affine", "listed"]

ROOMS = (20_000, 400_000, 4_000_000)  # pairs times inputs of a step, before boxes are joined: little is tried first
MOST_LISTED = 24_000_000  # of the last step, which need not be kept
ROWS, PART, MERGED = 8192, 2**15, 32  # pairs computed together; numbers of states in a part; parts that become one
EXACT = 2.0**24  # units that float32 holds exactly
FINEST, COARSEST = 2.0**-10, 2.0**20  # sides of cells in which boxes are joined
MOST_STEPS = 400  # until no new pair appears
CLOSING = 0.3  # of the time that is left, at most, for boxes that no input leaves
ARITHMETICS: tuple[tuple[Semantics, float], ...] = (("float32", ball.FLOAT32), ("float64", ball.FLOAT64))


@dataclass(frozen=True)
class Equal:
    """The loop equals the rounded network on every stream of 1 to ``length`` steps (None: of every length).

    ``margin``: the least distance of an output to the nearest point halfway between whole numbers; ``pairs``: the most
    pairs of one step; ``semantics``: the coarsest arithmetic that is meant; ``method``: how, ``listed`` where streams
    were gone through one by one.
    """

    length: int | None
    margin: float
    pairs: int
    semantics: Semantics
    method: Method
    seconds: float


@dataclass(frozen=True)
class Broken:
    """Numbers (steps, inputs) after which the network says ``got`` and the loop ``expected``, both in real arithmetic.

    ``shorter``: what is proved of shorter streams; None for nothing.
    """

    stream: Ints
    got: int
    expected: int
    shorter: Equal | None

    @property
    def equal_up_to(self) -> int:
        """Steps up to which the two are equal."""
        return reached(self.shorter)


@dataclass(frozen=True)
class Open:
    """Not shown, and why; ``shorter``: what is proved of shorter streams; None for nothing."""

    reason: str
    shorter: Equal | None = None

    @property
    def equal_up_to(self) -> int:
        """Steps up to which the two are equal."""
        return reached(self.shorter)


def reached(proved: Equal | None) -> int:
    """Up to how many steps something bounded is proved."""
    return 0 if proved is None else proved.length or 0


Outcome = Equal | Broken | Open


def compared(
    network: Recurrent,
    numbers: Ints,
    loop: Loop,
    length: int,
    *,
    column: int = 0,
    seconds: float = 60.0,
    semantics: Semantics | None = None,
) -> Outcome:
    """The loop against output ``column`` on every stream of up to ``length`` steps of ``numbers`` (inputs, each).

    Whichever of the two ways applies: the lattice, then boxes for executions in float32 and, where their rounding is
    too much and ``semantics`` is not that, in float64.
    """
    deadline = time.perf_counter() + seconds
    lattice = Lattice.of(network)
    outcome = Open("the weights lie on no lattice")
    if lattice is not None:
        found = Walk(network, numbers, loop, column, lattice, deadline).run(length)
        if not isinstance(found, Open):
            return found
        outcome = found
    arithmetics = ARITHMETICS[: 1 if semantics == "float32" else 2]
    for room, (name, u) in product(ROOMS, arithmetics):
        other = Walk(network, numbers, loop, column, Boxes(network, u, name), deadline, room).run(length)
        if isinstance(other, Equal):
            return _followed_on(other, Beside(network, numbers, loop, column, u, deadline), semantics)
        if not isinstance(other, Open):
            return other
        outcome = other if other.equal_up_to > outcome.equal_up_to else outcome
    return outcome


def _followed_on(proved: Equal, beside: Beside, semantics: Semantics | None) -> Equal:
    """What is proved at every length, where boxes that no input leaves are found; else ``proved``."""
    begun = time.perf_counter()
    end = begun + CLOSING * max(0.0, beside.deadline - begun)
    found = invariant(replace(beside, deadline=end), semantics)
    if found is None:
        return proved
    graph, name = found
    spent = proved.seconds + time.perf_counter() - begun
    return Equal(None, min(proved.margin, graph.margin), proved.pairs, name, proved.method, spent)


def invariant(beside: Beside, semantics: Semantics | None) -> tuple[Graph, Semantics] | None:
    """Boxes that no input leaves, and the coarsest arithmetic, not below ``semantics``, in which they were found."""
    for is_thorough, (name, u) in product((False, True), ARITHMETICS[: 1 if semantics == "float32" else 2]):
        graph = next(every_length(replace(beside, u=u), is_thorough=is_thorough), None)
        if graph is not None:
            return graph, name
    return None


class LatticeError(Exception):
    """Sums that may leave what float32 holds exactly."""


@dataclass(frozen=True)
class Lattice:
    """Points: states that every execution holds exactly, so that ideal arithmetic gives the same number."""

    network: Recurrent
    name: Method = "lattice"
    semantics: Semantics = "float32"
    is_exact: bool = True

    @classmethod
    def of(cls, network: Recurrent) -> Lattice | None:
        """The lattice of a network of affine maps and ReLUs with whole multiples of 2**-8 throughout."""
        arrays = [network.tokens, network.start]
        for step in (*network.transition, *network.output):
            match step:
                case Affine(weight, bias):
                    arrays += [weight, *([] if bias is None else [bias])]
                case Activation("relu"):
                    pass
                case _:
                    return None
        return cls(network) if all((a * 256 == np.round(a * 256)).all() for a in arrays) else None

    def step(self, states: Ball, ids: Ints) -> Ball:
        """The states after one more token each."""
        x = np.concatenate([states.center, self.network.tokens[ids]], axis=1)
        return self._run(self.network.transition, x)

    def read(self, states: Ball) -> Ball:
        """The outputs."""
        return self._run(self.network.output, states.center)

    def _run(self, steps: tuple[object, ...], x: Reals) -> Ball:
        for step in steps:
            if isinstance(step, Affine):
                unit = _unit(x) * _unit(step.weight)
                size = np.abs(x).max(axis=0, initial=0.0) @ np.abs(step.weight).T
                bias = np.zeros(len(step.weight)) if step.bias is None else step.bias
                unit = min(unit, _unit(bias))
                if not (size + np.abs(bias) < EXACT * unit).all():
                    raise LatticeError("numbers outgrow what float32 holds exactly")
                x = x @ step.weight.T + bias
            else:
                x = np.maximum(x, 0.0)
        return Ball(x, np.zeros_like(x))


def _unit(x: Reals) -> float:
    """The greatest power of two, at most 1, of which all numbers are multiples."""
    unit = 1.0
    while unit > 2.0**-60 and (np.round(x / unit) * unit != x).any():
        unit /= 2
    return unit


@dataclass(frozen=True)
class Boxes:
    """Boxes: zonotopes for the length of one step."""

    network: Recurrent
    u: float
    semantics: Semantics
    name: Method = "boxes"
    is_exact: bool = False

    def step(self, states: Ball, ids: Ints) -> Ball:
        """The states after one more token each."""
        return after_token(self.network, self.u, states, ids)

    def read(self, states: Ball) -> Ball:
        """The outputs."""
        return outputs(self.network, self.u, states)


@dataclass(frozen=True)
class Pairs:
    """Boxes (pairs, width) and states of the loop (pairs, states); ``parent``, ``token``: a stream that leads there."""

    states: Ball
    memory: Ints
    parent: Ints
    token: Ints

    def __len__(self) -> int:
        return len(self.memory)

    def rows(self, chosen: Ints) -> Pairs:
        """Some of them."""
        return Pairs(self.states[chosen], self.memory[chosen], self.parent[chosen], self.token[chosen])

    def between(self, start: int, stop: int) -> Pairs:
        """Those with these numbers."""
        part = slice(start, stop)
        return Pairs(self.states[part], self.memory[part], self.parent[part], self.token[part])


@dataclass(frozen=True)
class Apart:
    """A pair, by the one that it comes from and the token, whose output may lie ``distance`` from the loop's answer."""

    parent: int
    token: int
    distance: float


@dataclass
class Walk:
    """Step after step, all pairs."""

    network: Recurrent
    numbers: Ints  # (inputs, numbers of an input), in the order of the network's tokens
    loop: Loop
    column: int
    arithmetic: Lattice | Boxes
    deadline: float
    room: int = ROOMS[-1]  # pairs times inputs of a step, before boxes are joined

    @property
    def last(self) -> int:
        """The same of the last step, which need not be kept."""
        return MOST_LISTED if self.room == ROOMS[-1] else self.room

    @cached_property
    def beside(self) -> Beside:
        """The two side by side."""
        u = 0.0 if isinstance(self.arithmetic, Lattice) else self.arithmetic.u
        return Beside(self.network, self.numbers, self.loop, self.column, u, self.deadline)

    def run(self, length: int) -> Outcome:
        """What is so of streams of up to ``length`` steps."""
        begun = time.perf_counter()
        none = np.zeros(1, np.int64)
        pairs = Pairs(Ball.exact(self.network.initial(1)), self.loop.start(1), none, none)
        levels, seen, margin, most, cell = [pairs], set[bytes](), np.inf, 1, 0.0
        if self.arithmetic.is_exact:
            pairs, _ = _new(pairs, seen)
        steps = 0
        try:
            while steps < length or (self.arithmetic.is_exact and steps < MOST_STEPS):
                work = len(pairs) * len(self.numbers)
                if steps >= length and work > self.room:
                    break  # no hope of an end
                if work > (self.last if steps == length - 1 else self.room):
                    if self.arithmetic.is_exact:
                        return self._open(
                            f"{len(pairs):,} pairs of states after {steps} steps", steps, margin, most, begun
                        )
                    levels[-1], cell = self._joined(pairs, cell)
                    pairs = levels[-1]
                after, found, least = self._after(pairs, levels, keep=steps + 1 < length or self.arithmetic.is_exact)
                if found is not None:
                    return replace(found, shorter=self._shorter(steps, margin, most, begun))
                margin, steps = min(margin, least), steps + 1
                pairs, most = _merged(after), max(most, len(pairs))
                if self.arithmetic.is_exact:
                    pairs, is_any = _new(pairs, seen)
                    if not is_any:
                        return self._equal(None, margin, most, begun)
                levels.append(pairs)
        except (LatticeError, OutgrownError) as error:
            return self._ended(str(error), steps, length, margin, most, begun)
        except TimeoutError:
            return self._ended("the time ended", steps, length, margin, most, begun)
        return self._equal(length, margin, most, begun)

    def _equal(self, length: int | None, margin: float, most: int, begun: float) -> Equal:
        seconds = time.perf_counter() - begun
        return Equal(length, float(margin), most, self.arithmetic.semantics, self.arithmetic.name, seconds)

    def _shorter(self, steps: int, margin: float, most: int, begun: float) -> Equal | None:
        return self._equal(steps, margin, most, begun) if steps else None

    def _open(self, reason: str, steps: int, margin: float, most: int, begun: float) -> Open:
        return Open(reason, self._shorter(steps, margin, most, begun))

    def _ended(self, reason: str, steps: int, length: int, margin: float, most: int, begun: float) -> Outcome:
        """What is so where it ended after so many steps, for ``reason``."""
        if steps >= length:
            return self._equal(length, margin, most, begun)
        return self._open(reason, steps, margin, most, begun)

    def _after(self, pairs: Pairs, levels: list[Pairs], keep: bool) -> tuple[Pairs, Broken | Open | None, float]:
        """The pairs after one more step, what is wrong with one, and the least margin."""
        tokens, parts, least = len(self.numbers), list[Pairs](), np.inf
        cut = (
            (start, stop, pairs.between(start // tokens, -(-stop // tokens)), keep)
            for start, stop in ((rows.start, rows.stop) for rows in blocks(len(pairs) * tokens, self.part))
        )
        for found in each(Walk.images, self, cut, self.check_time):
            if isinstance(found, Apart):
                return pairs, self._replayed(levels, found), 0.0
            after, margin = found
            least = min(least, margin)
            if keep:
                parts.append(after)
                if len(parts) >= MERGED:
                    parts = [_merged(_put_together(parts))]
        return (_put_together(parts) if parts else pairs), None, least

    def images(self, start: int, stop: int, above: Pairs, keep: bool) -> tuple[Pairs, float] | Apart:
        """Of the pairs after one more step those numbered ``start`` to ``stop``, each once, and the least margin there.

        ``above``: the pairs that they come from. Without ``keep`` none are given out.
        """
        tokens, parts, least = len(self.numbers), [above.between(0, 0)], np.inf
        for rows in blocks(stop - start, ROWS):
            places = np.arange(start + rows.start, start + rows.stop)
            parent, token = places // tokens, places % tokens
            row = parent - start // tokens
            states = self.arithmetic.step(above.states[row], token)
            memory = self.loop.step(above.memory[row], self.numbers[token])
            read, said = self.arithmetic.read(states), self.loop.read(memory)
            apart = np.abs(read.center[:, self.column] - said) + read.radius[:, self.column]
            wrong = ~(apart * (1.0 + 2.0**-40) < 0.5)
            if wrong.any():
                worst = int(np.flatnonzero(wrong)[np.argmax(np.nan_to_num(apart[wrong], nan=np.inf))])
                return Apart(int(parent[worst]), int(token[worst]), float(apart[worst]))
            least = min(least, 0.5 - float(apart.max()))
            memory[:, ~self.beside.read_later] = 0
            states.center[:, ~self.beside.kept] = 0.0
            states.radius[:, ~self.beside.kept] = 0.0
            if keep:
                parts.append(Pairs(states, memory, parent, token))
        return _merged(_put_together(parts)), least

    @property
    def part(self) -> int:
        """How many pairs after a step are computed by themselves: as many as are worth the way to a worker."""
        return max(ROWS, PART // self.network.width)

    def check_time(self) -> None:
        """Raise TimeoutError when the time is up."""
        if time.perf_counter() > self.deadline:
            raise TimeoutError

    def _replayed(self, levels: list[Pairs], found: Apart) -> Broken | Open:
        """A stream that leads to a pair: whether the network breaks the loop there."""
        parent, tokens = found.parent, [found.token]
        for pairs in reversed(levels[1:]):
            tokens.append(int(pairs.token[parent]))
            parent = int(pairs.parent[parent])
        ids = np.array(tokens[::-1])
        stream = self.numbers[ids]
        exact = Lattice.of(self.network)
        answers = self.loop.run(stream[None])[0]
        states = Ball.exact(self.network.initial(1))
        bounds: Lattice | Boxes = exact if exact is not None else Boxes(self.network, ball.FLOAT64, "float64")
        for at, one in enumerate(ids):
            states = bounds.step(states, np.array([one]))
            read = bounds.read(states)
            center, radius = float(read.center[0, self.column]), float(read.radius[0, self.column])
            label = int(np.round(center))
            if abs(center - label) + radius < 0.5 and label != answers[at]:
                return Broken(stream[: at + 1], label, int(answers[at]), None)
        return Open(f"an output is only known to {found.distance:.3g} of the loop's answer")

    def _joined(self, pairs: Pairs, cell: float) -> tuple[Pairs, float]:
        """Fewer pairs: hulls of boxes of one loop state in one cell."""
        room = max(1, self.room // len(self.numbers))
        cell = max(cell, FINEST)
        while len(pairs) > room and cell <= COARSEST:
            key = np.concatenate([np.floor(pairs.states.center / cell).astype(np.int64), pairs.memory], axis=1)
            pairs = _hulls(pairs, key)
            cell *= 4
        if len(pairs) > room:
            raise TimeoutError
        return pairs, cell


def _put_together(parts: list[Pairs]) -> Pairs:
    return Pairs(
        Ball.join([part.states for part in parts]),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("memory", "parent", "token")),
    )


def _merged(pairs: Pairs) -> Pairs:
    """Those with one center and one loop state are one, as wide as the widest."""
    key = np.concatenate([(pairs.states.center + 0.0).view(np.int64), pairs.memory], axis=1)
    _, first, index = groups(key)
    radius = np.zeros((len(first), pairs.states.radius.shape[1]))
    np.maximum.at(radius, index, pairs.states.radius)
    chosen = pairs.rows(first)
    return Pairs(Ball(chosen.states.center, radius), chosen.memory, chosen.parent, chosen.token)


def _hulls(pairs: Pairs, key: Ints) -> Pairs:
    _, first, index = groups(key)
    chosen = pairs.rows(first)
    return Pairs(hulls_of(pairs.states, index, len(first)), chosen.memory, chosen.parent, chosen.token)


def _new(pairs: Pairs, seen: set[bytes]) -> tuple[Pairs, bool]:
    """Those that were in no earlier step."""
    key = np.concatenate([(pairs.states.center + 0.0).view(np.int64), pairs.memory], axis=1)
    fresh = []
    for row, code in enumerate(np.ascontiguousarray(key)):
        code_bytes = code.tobytes()
        if code_bytes not in seen:
            seen.add(code_bytes)
            fresh.append(row)
    return pairs.rows(np.array(fresh, np.int64)), bool(fresh)
