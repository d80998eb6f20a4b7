"""Pairs of numbers for which a network gives another answer than a program: looked for, never proved absent.

Greedy decoding gives a wrong number exactly where a digit is wrong after right ones, so one pass over prompt and right
answer together shows all digits of a pair at once (teacher forcing). Tried are, in turn, round and extreme numbers,
chains of carries, numbers that are nearly equal, pairs that a proof left open, random pairs in which carries go far or
most digits are equal, and what comes of changing a few digits of the pairs of least margin. What is found is made as
simple as it stays wrong: fewer digits but 0, then less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cegis.operands import Operands, Pair
from tasks.automata.digits import NumberProgram
from tasks.bounds.ball import Reals
from tasks.formats import Loaded
from tasks.networks.interpreter import logits
from tasks.networks.model import BlackBox, Network
from tasks.networks.readout import Argmax
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Transformer

EVERY = 20_000  # pairs: so few are all tried
BATCH, RANDOM, KEPT, ROUNDS = 2_000, 6_000, 64, 40
Digits = NDArray[np.int64]


@dataclass(frozen=True)
class Teacher:
    """A network, the program that it should equal, and their digits on many pairs at once."""

    loaded: Loaded
    operands: Operands
    program: NumberProgram

    def ids(self, pairs: list[Pair]) -> tuple[NDArray[np.int64], Digits]:
        """Prompts with all right digits but the last behind them, and the columns of the right digits."""
        vocabulary, operands = self.loaded.vocabulary, self.operands
        readout = self.loaded.readout
        assert isinstance(readout, Argmax)
        answers = [operands.answer(self.program(a, b)) for a, b in pairs]
        number = {token: n for n, token in enumerate(vocabulary)}
        prompts = [
            [number[t] for t in (*operands.prompt(a, b), *answer[:-1])]
            for (a, b), answer in zip(pairs, answers, strict=True)
        ]
        columns = [[readout.columns[readout.names.index(t)] for t in answer] for answer in answers]
        return np.array(prompts, np.int64), np.array(columns, np.int64)

    def margins(self, pairs: list[Pair]) -> Reals:
        """How far the right digit is above all others, in float64, (pairs, digits of the answer)."""
        readout = self.loaded.readout
        assert isinstance(readout, Argmax)
        found = []
        for start in range(0, len(pairs), BATCH):
            ids, right = self.ids(pairs[start : start + BATCH])
            rows = prefix_logits(self.loaded.network, ids, len(self.operands.cells))
            own = np.take_along_axis(rows, right[..., None], axis=-1)[..., 0]
            np.put_along_axis(rows, right[..., None], -np.inf, axis=-1)
            found.append(own - rows[..., list(readout.columns)].max(axis=-1))
        return np.concatenate(found)

    def worst(self, pairs: list[Pair]) -> Reals:
        """The least of ``margins`` of each pair."""
        return np.asarray(self.margins(pairs).min(axis=1))

    def given(self, pair: Pair) -> tuple[str, ...]:
        """What greedy decoding gives in float64: the largest logit, the first of equal ones, after its own tokens."""
        readout = self.loaded.readout
        assert isinstance(readout, Argmax)
        ids = [self.loaded.vocabulary.index(token) for token in self.operands.prompt(*pair)]
        answer: list[str] = []
        for _ in range(self.operands.shown_digits):
            rows = prefix_logits(self.loaded.network, np.array([ids], np.int64), len(ids))
            answer.append(readout.names[int(rows[0, -1, list(readout.columns)].argmax())])
            ids.append(self.loaded.vocabulary.index(answer[-1]))
        return tuple(answer)


def prefix_logits(network: Network, ids: NDArray[np.int64], shortest: int) -> Reals:
    """The logits of each prefix of the prompts from ``shortest`` tokens on, (prompts, prefixes, outputs)."""
    match network:
        case Transformer():
            return logits(network, ids)[:, shortest - 1 :]
        case Recurrent():
            return network.logits(ids)[:, shortest:]
        case BlackBox():
            lengths = range(shortest, ids.shape[1] + 1)
            return np.concatenate([network.logits(ids[:, :length]) for length in lengths], axis=1)


def search(
    teacher: Teacher, *, seconds: float, seed: int = 0, more: Iterable[Pair] = (),
    is_wrong: Callable[[Pair], bool] | None = None,
) -> tuple[Pair | None, int, float]:  # fmt: skip
    """A pair that ``is_wrong`` (by default: of negative margin), made simple, or None; how many were tried, and the
    least margin of all.
    """
    deadline, random = time.monotonic() + seconds, np.random.default_rng(seed)
    asked = is_wrong or (lambda pair: bool(teacher.worst([pair])[0] < 0))
    tried, least, best = 0, np.inf, list[tuple[float, Pair]]()
    is_small = teacher.operands.size() <= EVERY
    for pairs in _every(teacher.operands) if is_small else _families(teacher.operands, random, list(more)):
        worst = teacher.worst(pairs)
        tried, least = tried + len(pairs), min(least, float(worst.min()))
        wrong = sorted((pairs[n] for n in np.flatnonzero(worst < 0)), key=simplicity)
        for pair in wrong[:8]:
            if asked(pair):
                return _simplest(teacher, pair, asked, deadline), tried, least
        best = sorted([*best, *zip(worst.tolist(), pairs, strict=True)])[:KEPT]
        if time.monotonic() > deadline:
            return None, tried, least
    for _ in range(0 if is_small else ROUNDS):
        if time.monotonic() > deadline:
            break
        pairs = [_changed(pair, teacher.operands, random) for _, pair in best for _ in range(16)]
        worst = teacher.worst(pairs)
        tried, least = tried + len(pairs), min(least, float(worst.min()))
        for n in np.flatnonzero(worst < 0)[:8]:
            if asked(pairs[n]):
                return _simplest(teacher, pairs[n], asked, deadline), tried, least
        best = sorted({*best, *zip(worst.tolist(), pairs, strict=True)})[:KEPT]
    return None, tried, least


def wrong_pairs(teacher: Teacher, *, seed: int = 0, most: int = 64, deadline: float = np.inf) -> list[Pair]:
    """Some pairs of negative margin among random ones, and round and extreme ones; not all there are.

    None is tried after the ``deadline`` (by ``time.perf_counter``).
    """
    random, found = np.random.default_rng(seed), list[Pair]()
    numbers = simple_numbers(teacher.operands)
    families = [_random(teacher.operands, random, RANDOM, share) for share in (0.0, 0.5, 0.9)]
    for pairs in (*families, _near(teacher.operands, random), [(a, b) for a in numbers for b in numbers]):
        if len(found) >= most or time.perf_counter() > deadline:
            break
        worst = teacher.worst(pairs)
        found += [pairs[n] for n in np.flatnonzero(worst < 0)][: most - len(found)]
    return found


def simplicity(pair: Pair) -> tuple[int, int, Pair]:
    """Fewer digits that are not 0 come first, then smaller numbers."""
    digits = "".join(map(str, pair))
    return len(digits) - digits.count("0"), sum(pair), pair


def simple_numbers(operands: Operands) -> list[int]:
    """Round and extreme numbers of the domain."""
    base, top = operands.base, operands.largest
    few = {1, 2, base // 2, base - 1}
    numbers = {0, top, top - 1}
    for power in range(operands.digits):
        unit = base**power
        numbers |= {d * unit for d in few} | {unit - 1, (unit * base - 1) // (base - 1) * (base // 2), top - unit}
        numbers |= {(unit * base - 1) // (base - 1) * d for d in (1, base - 1)}
    return sorted(n for n in numbers if 0 <= n <= top)


def _every(operands: Operands) -> Iterator[list[Pair]]:
    numbers = range(operands.largest + 1)
    yield from _parts(sorted(product(numbers, numbers), key=simplicity))


def _families(operands: Operands, random: np.random.Generator, more: list[Pair]) -> Iterator[list[Pair]]:
    numbers = simple_numbers(operands)
    yield from _parts([(a, b) for a in numbers for b in numbers])
    base, digits = operands.base, operands.digits
    chains = []
    for start in range(digits):
        for a, b in {(base // 2, base - base // 2), (base - 1, base - 1), (1, base - 1), (base - 1, 1)}:
            for fill in range(base):
                for end in range(start + 1, digits + 1):
                    middle = sum(base**k for k in range(start + 1, end))
                    pair = a * base**start + fill * middle, b * base**start + (base - 1 - fill) * middle
                    if operands.contains(pair):
                        chains.append(pair)
    yield from _parts(chains if len(chains) < 40_000 else chains[:: len(chains) // 40_000])
    yield from _parts(_near(operands, random))
    yield from _parts([pair for pair in more if operands.contains(pair)])
    for share in (0.0, 0.5, 0.9):
        yield from _parts(_random(operands, random, RANDOM, share))


def _parts(pairs: list[Pair]) -> Iterator[list[Pair]]:
    for start in range(0, len(pairs), 4 * BATCH):
        yield pairs[start : start + 4 * BATCH]


def _random(operands: Operands, random: np.random.Generator, count: int, share: float) -> list[Pair]:
    """Pairs of random digits; a ``share`` of places add up to one less than the base, as where a carry goes on."""
    base, shape = operands.base, (count, operands.digits)
    a, b = random.integers(0, base, shape), random.integers(0, base, shape)
    b = np.where(random.random(shape) < share, base - 1 - a, b)
    numbers = [[sum(int(d) * base**k for k, d in enumerate(row)) for row in part] for part in (a, b)]
    return [pair for pair in zip(*numbers, strict=True) if operands.contains(pair)] or [(0, 0)]


def _near(operands: Operands, random: np.random.Generator) -> list[Pair]:
    """Equal numbers, such as differ by a unit of some digit, borrowing or not, and such as differ in few digits."""
    units = [operands.base**power for power in range(operands.digits)]
    numbers = [*simple_numbers(operands), *(a for a, _ in _random(operands, random, 64, 0.0))]
    pairs = [(a, a + sign * unit) for a in numbers for unit in units for sign in (0, 1, -1)]
    for _ in range(RANDOM // 4):
        a = numbers[int(random.integers(len(numbers)))]
        pairs.append((a, _changed((a, a), operands, random)[1]))
    return [pair for pair in dict.fromkeys(pairs) if operands.contains(pair)]


def _changed(pair: Pair, operands: Operands, random: np.random.Generator) -> Pair:
    """One to three digits of either number changed."""
    numbers = list(pair)
    for _ in range(int(random.integers(1, 4))):
        which, unit = int(random.integers(2)), operands.base ** int(random.integers(operands.digits))
        digit = numbers[which] // unit % operands.base
        numbers[which] += (int(random.integers(operands.base)) - digit) * unit
    changed = numbers[0], numbers[1]
    return changed if operands.contains(changed) else pair


def _simplest(teacher: Teacher, pair: Pair, is_wrong: Callable[[Pair], bool], deadline: float) -> Pair:
    """A simpler pair that is wrong as well, changed digit by digit until nothing is simpler."""
    while time.monotonic() < deadline + 2.0:
        nearby = sorted(
            (p for p in _smaller(pair, teacher.operands) if simplicity(p) < simplicity(pair)), key=simplicity
        )
        if not nearby:
            return pair
        worst = teacher.worst(nearby)
        simpler = next((nearby[n] for n in np.flatnonzero(worst < 0) if is_wrong(nearby[n])), None)
        if simpler is None:
            return pair
        pair = simpler
    return pair


def _smaller(pair: Pair, operands: Operands) -> set[Pair]:
    """Pairs with one digit of each number lowered, or both numbers shifted down, or in the other order."""
    base = operands.base
    found = {(pair[1], pair[0]), (pair[0] // base, pair[1] // base)}
    lower = [[number, *_lowered(number, base, operands.digits)] for number in pair]
    found |= {(a, b) for a in lower[0] for b in lower[1]}
    return found - {pair}


def _lowered(number: int, base: int, digits: int) -> list[int]:
    units = [base**k for k in range(digits)]
    return [number - (number // unit % base - d) * unit for unit in units for d in range(number // unit % base)]
