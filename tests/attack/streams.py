"""Proofs about networks of numbers and loops: what is said of all streams, against all short ones and some long ones.

    affine    the loop's own recurrence in another basis, exactly or with a little added to its weights
    lattice   numbers that are clipped to 0 ... cap by ReLUs, in weights on a lattice
    boxes     the same with a little added to every weight
    grown     numbers that outgrow what float32 holds exactly
    tail      affine, next to nothing comes in: the start decays, and with it what is read comes to a half, or nearly
    late      one more number that drifts, and goes wrong after a dozen steps or more, or never
    narrow    the same on a lattice, and gone with any number but the least: one stream alone goes wrong
    forgetful a network that does what the loop would do if it forgot one of its states

The loop is the one that the network was made from, that one changed in one place, or another one. It is run from its
text by Python; the network by its formula, written once more here: in rational numbers, and in float32 and float64 with
its sums in several orders.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save
from trial import Outcome, random_of

from cegis.certificate import Certificate
from dsl.grammars.stream_reading import loop_from_text
from tasks.certificates.streams import attest_stream
from tasks.checker.evidence import NETWORK, PROGRAM, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.formats.number_streams import number_streams
from tasks.networks.number_streams import NumberStreams, combinations
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Activation, Affine, Step
from tasks.pipeline.own_programs import own_program
from tasks.pipeline.streams import compared_loop, distill_streams
from tasks.proofs.stream_states import Broken, Equal

Random = np.random.Generator
Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
KINDS = (
    "affine", "lattice", "boxes", "late", "tail", "affine", "grown", "late", "narrow", "forgetful",
)  # fmt: skip
SECONDS, LONG, MOST = 1.5, 60, 600  # for one proof; steps of long streams; streams of which every one is run
HALF = Fraction(1, 2)
NAMES, INPUTS = ("a", "b", "c"), ("int(token)", ("int(token.split(',')[0])", "int(token.split(',')[1])"))


def attack(seed: int, index: int) -> Outcome:
    """One network and one loop, and everything that is said of the two."""
    rng = random_of("streams", seed, index)
    case = made(rng, KINDS[index % len(KINDS)])
    known = Known(case)
    semantics: Any = rng.choice(np.array([None, None, "real", "float32"]))
    is_grown = KINDS[index % len(KINDS)] == "grown"
    longest = int(rng.choice([6, known.length, 9, 12] if is_grown else [1, 1, 1, 2, 3, 4, known.length, 12, 30]))
    loop = loop_from_text(case.text, case.of.inputs, case.of.alphabet)
    outcome = compared_loop(case.of, loop, longest, semantics, seconds=SECONDS)
    wrong = [f"{outcome}: {false}" for false in known.falsehoods(outcome)]
    if semantics == "float32" and isinstance(outcome, Equal) and outcome.semantics != "float32":
        wrong.append(f"asked for executions in float32, and told of {outcome.semantics}")
    decided = int(
        isinstance(outcome, Broken) or (outcome if isinstance(outcome, Equal) else outcome.shorter) is not None
    )
    if rng.random() < 0.3 and not case.of.network.start.any():
        asked, confirmed, false = certified(case, known, longest, semantics)
        return Outcome(1 + asked, decided + confirmed, (*wrong, *false))
    return Outcome(1, decided, tuple(wrong))


# --- a network and a loop ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recurrence:
    """``m' = back m + into x + constant``, clipped to 0 ... ``cap`` (None: not), from ``start``; ``read m + shift``."""

    back: Ints
    into: Ints
    constant: Ints
    start: Ints
    read: Ints
    shift: int
    cap: int | None

    @property
    def parts(self) -> tuple[str, str, str]:
        """Python of a loop: its first values, its next ones, and its answer."""
        names = NAMES[: len(self.start)]
        inputs = INPUTS[1] if self.into.shape[1] == 2 else INPUTS[:1]
        updates = [
            _sum([*row, *into], [*names, *inputs], c)
            for row, into, c in zip(self.back, self.into, self.constant, strict=True)
        ]
        updates = updates if self.cap is None else [f"min(max({update}, 0), {self.cap})" for update in updates]
        return ", ".join(map(str, self.start)), ", ".join(updates), _sum(self.read, names, self.shift)

    @property
    def text(self) -> str:
        """All of it."""
        first, after, answer = self.parts
        names = ", ".join(NAMES[: len(self.start)])
        return (
            f"def program(tokens):\n    {names} = {first}\n    for token in tokens:\n        {names} = {after}\n"
            f"    return {answer}\n"
        )


def _sum(factors: Any, names: Any, constant: int) -> str:
    """``2 * a - b + 1``."""
    terms = [(int(f), n) for f, n in zip(factors, names, strict=True) if f]
    terms += [(int(constant), "")] if constant else []
    terms.sort(key=lambda term: term[0] < 0)
    text = ""
    for factor, name in terms:
        size = f"{abs(factor)} * {name}" if name and abs(factor) > 1 else name or str(abs(factor))
        text += (" - " if text else "0 - ") + size if factor < 0 else (" + " if text else "") + size
    return text or "0"


@dataclass(frozen=True)
class Case:
    """A network of numbers and the text of a loop; ``streams``: some that the network may be wrong on."""

    of: NumberStreams
    loop: Recurrence
    streams: tuple[Ints, ...]

    @property
    def text(self) -> str:
        """The loop as Python."""
        return self.loop.text


def made(rng: Random, kind: str) -> Case:
    """A case of one of ``KINDS``."""
    inputs = int(rng.choice([1, 1, 2]))
    low = int(rng.integers(-1, 1)) if inputs == 1 else 0
    numbers = combinations(low, low + (int(rng.integers(1, 3)) if inputs == 1 else 1), inputs)
    is_affine = kind in ("affine", "tail") or (kind == "late" and rng.random() < 0.5)
    right = _NOTHING if kind == "tail" else _recurrence(rng, inputs, "affine" if is_affine else kind)
    right = replace(right, into=np.zeros((1, inputs), np.int64)) if kind == "tail" else right
    done = _forgetting(rng, right) if kind == "forgetful" else right
    transition, output = (_straight if is_affine else _clipped)(rng, done)
    start = (0.0 + right.start) @ transition[-1]
    layers, read = transition[:-1], output
    if kind == "tail":
        layers, read, start = _decaying(rng, inputs)
    if kind in ("late", "narrow"):
        layers, read, start = _drifting(rng, layers, read, start, low, is_affine, is_narrow=kind == "narrow")
    if kind == "boxes" or (kind in ("affine", "late") and rng.random() < 0.4):
        size, is_single = 2.0 ** -int(rng.integers(4, 14)), rng.random() < 0.3
        layers = [(_moved(rng, w, size, is_single), _moved(rng, b, size, is_single)) for w, b in layers]
    elif kind == "lattice" and rng.random() < 0.6:
        layers = [(_nudged(rng, w), b) for w, b in layers]
    dtype: Any = "float32"
    steps: list[Step] = []
    for n, (weight, bias) in enumerate(layers):
        steps += [Activation("relu")] if n else []
        steps.append(Affine(_float32(weight), _float32(bias)))
    last = Affine(_float32(read[0]), _float32(read[1]))
    network = Recurrent(0.0 + numbers, _float32(start), tuple(steps), (last,), dtype=dtype)
    is_right = kind in ("late", "tail", "narrow", "forgetful")
    kinds = ["right"] * 4 + ["changed"] if is_right else ["right", "right", "changed", "changed", "other"]
    which = rng.choice(kinds)
    loop = right if which == "right" else _changed(rng, right)
    if which == "other":
        loop = _recurrence(rng, inputs, "affine" if is_affine else kind)
    of = NumberStreams("made", network, numbers, 8, "the attack")
    ends = [np.tile(numbers[n], (LONG, 1)) for n in (0, -1)]
    turns = [np.concatenate([a[:1], b[1:]]) for a, b in ((ends[0], ends[1]), (ends[1], ends[0]))]
    mixed = [np.where(np.arange(LONG)[:, None] % 2 == n, ends[0], ends[1]) for n in (0, 1)]
    some = [numbers[rng.integers(0, len(numbers), LONG)] for _ in range(3)]
    return Case(of, loop, (*ends, *turns, *mixed, *some))


def _recurrence(rng: Random, inputs: int, kind: str) -> Recurrence:
    size = int(rng.integers(1, 4))
    back = rng.integers(-1, 2, (size, size))
    shape = rng.choice(["registers", "sums", "any"])
    if shape == "registers" or kind == "grown":
        back = np.diag(np.ones(size - 1, np.int64), -1)  # the first is new, the others what was before
    elif shape == "sums":
        back = np.tril(back, -1) + np.diag(rng.integers(-1, 2, size))
    if kind == "grown":
        back[0, 0] = rng.integers(3, 30)
    return Recurrence(
        back,
        rng.integers(-1, 3, (size, inputs)),
        rng.integers(-1, 2, size) * (rng.random() < 0.5),
        rng.integers(0, 2, size) * (rng.random() < 0.3),
        rng.integers(-1, 3, size),
        int(rng.integers(-1, 2)),
        int(rng.integers(1, 5)) if kind in ("lattice", "boxes", "late", "narrow", "forgetful") else None,
    )


_NOTHING = Recurrence(*(np.zeros(shape, np.int64) for shape in ((1, 1), (1, 1), 1, 1, 1)), 0, None)


def _changed(rng: Random, right: Recurrence) -> Recurrence:
    """One number in it is another."""
    name = str(rng.choice(["back", "back", "back", "into", "constant", "start", "read", "shift", "cap"]))
    value = getattr(right, name)
    if name == "shift" or value is None:
        return replace(right, shift=right.shift + int(rng.choice([-1, 1])))
    if name == "cap":
        return replace(right, cap=right.cap + 1)  # type: ignore[operator]
    other = value.copy()
    other.flat[rng.integers(other.size)] += rng.choice([-1, 1])
    return replace(right, **{name: other})


def _forgetting(rng: Random, right: Recurrence) -> Recurrence:
    """One of its states is read by nothing but the answer."""
    back = right.back.copy()
    back[:, rng.integers(len(back))] = 0
    return replace(right, back=back)


Layer = tuple[Reals, Reals]


def _straight(rng: Random, right: Recurrence) -> tuple[list[Any], Layer]:
    """The recurrence in another basis, h = P m: its layer, P transposed, and what is read."""
    size = len(right.start)
    p = np.eye(size)
    for _ in range(int(rng.integers(0, 3)) if size > 1 else 0):
        i, j = rng.permutation(size)[:2]
        p[i] += rng.choice([-1, 1]) * p[j]
    undo = np.round(np.linalg.inv(p))
    layer = np.hstack([p @ right.back @ undo, p @ right.into]), p @ right.constant
    return [layer, p.T], (right.read[None] @ undo, np.array([0.0 + right.shift]))


def _clipped(rng: Random, right: Recurrence) -> tuple[list[Any], Layer]:
    """ReLU(z) - ReLU(z - cap), or ReLU(z) - ReLU(-z) where nothing is clipped; numbers in units of their own."""
    size, units = len(right.start), 2.0 ** rng.integers(-2, 2, len(right.start))
    row = np.hstack([right.back / units, 0.0 + right.into])
    sign = -1.0 if right.cap is None else 1.0
    inner = np.vstack([row, sign * row]), np.concatenate([right.constant, sign * right.constant - (right.cap or 0)])
    outer = np.hstack([np.diag(units), -np.diag(units)]), np.zeros(size)
    return [inner, outer, np.diag(units)], (right.read[None] / units, np.array([0.0 + right.shift]))


def _drifting(
    rng: Random, layers: list[Layer], read: Layer, start: Reals, low: int, is_affine: bool, *, is_narrow: bool
) -> tuple[list[Layer], Layer, Reals]:
    """One more number, that is added to what is read: it comes to a half after a dozen steps or more, or never."""
    is_even = is_narrow or rng.random() < 0.5
    rate = int(rng.integers(3, 11)) / 256 if is_even else float(rng.uniform(0.011, 0.04))
    ways = ["steps", "numbers", "leak", "decay"] + ([] if is_affine else ["reset", "reset"])
    ways = ["reset"] if is_narrow else ways
    keep, into, constant, first, shift = 1.0, 0.0, rate, 0.0, 0.0
    match str(rng.choice(ways)):
        case "numbers":
            into, constant = rate, -rate * low
        case "reset":
            into, constant = -1.0, rate + low
        case "leak":
            keep = 1.0 - 2.0 ** -int(rng.integers(3, 6))
            constant = (1.0 - keep) * float(rng.choice([0.375, 0.4375, 0.5625, 0.625]))
        case "decay":
            keep = 1.0 - 2.0 ** -int(rng.integers(3, 6))
            constant, first = 0.0, float(rng.choice([0.375, 0.5625, 0.625]))
            shift = -first
    size = len(start)
    (weight, bias), *more = layers
    row = np.zeros(weight.shape[1] + 1)
    row[size], row[size + 1] = keep, into
    weight = np.vstack([np.insert(weight, size, 0.0, axis=1), row])
    grown = [(weight, np.append(bias, constant))]
    for outer, b in more:
        wide = np.zeros((size + 1, outer.shape[1] + 1))
        wide[:size, :-1], wide[size, -1] = outer, 1.0
        grown.append((wide, np.append(b, 0.0)))
    sign = float(rng.choice([-1.0, 1.0]))
    return grown, (np.append(read[0], [[sign]], axis=1), read[1] + sign * shift), np.append(start, first)


def _decaying(rng: Random, inputs: int) -> tuple[list[Layer], Layer, Reals]:
    """A state that turns, and decays a little in each turn; what is read is next to 0 after the first step."""
    size = int(rng.integers(1, 4))
    back = np.diag(rng.choice([-1.0, 1.0, 1.0], size)) @ np.roll(np.eye(size), 1, axis=1)
    back *= rng.choice([0.25, 0.5, 0.75, 0.875, 0.9375], (size, 1))
    back[0] *= float(rng.choice([0.5, 1.0, 2.0])) if size > 1 else 1.0
    into = 2.0 ** -int(rng.integers(3, 12)) * rng.integers(-1, 2, (size, inputs))
    constant = 2.0 ** -int(rng.integers(2, 12)) * rng.choice([-1.0, 0.0, 0.0, 1.0], size)
    read, start = rng.choice([-1.0, 1.0, 0.5, 0.0, 0.0], size), rng.choice([-0.625, -0.375, 0.5, 0.75, 1.0], size)
    if rng.random() < 0.5:  # it comes from 0, to a little less or more than a half
        start, into = 0.0 * start, into / 2**6
        limit = abs(float(read @ np.linalg.solve(np.eye(size) - back, constant)))
        constant *= float(rng.choice([0.46875, 0.5625, 0.6875])) / limit if limit > 0.0 else 1.0
    shift = -float(read @ (back @ start)) * float(rng.choice([1.0, 1.0, 0.75, 0.0]))
    return [(np.hstack([back, into]), constant)], (read[None], np.array([shift])), start


def _moved(rng: Random, values: Reals, size: float, is_single: bool) -> Reals:
    """A little added, to one or to all of them."""
    more = size * rng.normal(size=values.shape)
    if is_single:
        more *= np.arange(values.size).reshape(values.shape) == rng.integers(values.size)
    return values + more


def _nudged(rng: Random, values: Reals) -> Reals:
    """One of them is an eighth more or less."""
    at = np.arange(values.size).reshape(values.shape) == rng.integers(values.size)
    return values + at * float(rng.choice([-0.125, 0.125]))


def _float32(values: Any) -> Reals:
    return np.asarray(values, np.float32).astype(np.float64)


# --- what is so -------------------------------------------------------------------------------------------------------


class Known:
    """The distances to a half that some streams reach: all of up to ``length`` steps, and the case's long ones."""

    def __init__(self, case: Case) -> None:
        self.of, self.parts = case.of, case.loop.parts
        self.each = len(case.of.numbers)
        self.length = int(np.log(MOST) / np.log(self.each))
        first, after, answer = self.parts
        names = ", ".join(NAMES[: len(case.loop.start)])
        self._first = eval(f"({first},)")
        self._after = eval(f"lambda state, token: (lambda {names}: ({after},))(*state)")
        self._answer = eval(f"lambda state: (lambda {names}: {answer})(*state)")
        self.steps = {
            part: [(_rows(s.weight), _row(s.bias)) if isinstance(s, Affine) else None for s in steps]
            for part, steps in (("transition", case.of.network.transition), ("output", case.of.network.output))
        }
        listed = [np.array(one) for one in product(case.of.numbers.tolist(), repeat=self.length)]
        self.streams = (np.array(listed), np.array(case.streams))
        self.margins: dict[int, Fraction] = {}
        self.said = tuple(self._run_loop(x) for x in self.streams)
        self._walk()
        for stream, said in zip(case.streams, self.said[1], strict=True):
            for t, (y, answer_) in enumerate(zip(self.outputs(stream), said, strict=True), 1):
                self._meet(t, y, int(answer_))

    def falsehoods(self, outcome: Any) -> list[str]:
        """What is not so of an outcome."""
        if isinstance(outcome, Equal):
            return self.of_equal(outcome.length, outcome.margin, outcome.semantics)
        found = [] if outcome.shorter is None else self.falsehoods(outcome.shorter)
        if isinstance(outcome, Broken):
            y, said = self.outputs(outcome.stream)[-1], int(self._run_loop(outcome.stream[None])[0, -1])
            at = "after the stream that breaks it"
            found += [] if abs(y - outcome.got) < HALF else [f"{at} the network gives {float(y)}"]
            found += [] if said == outcome.expected != outcome.got else [f"{at} the loop says {said}"]
            if len(outcome.stream) <= outcome.equal_up_to:
                found.append("the stream that breaks it is one of those that do not")
        return found

    def of_equal(self, length: int | None, margin: float, semantics: str) -> list[str]:
        """The same, of a margin on all streams up to a length."""
        found = [] if margin > 0 else [f"a margin of {margin}"]
        for t, least in sorted(self.margins.items()):
            if (length is None or t <= length) and least < Fraction(margin):
                found.append(f"a stream of {t} steps comes as near as {float(least)!r}")
                break
        dtypes = {"float32": ("float32", "float64"), "float64": ("float64",)}.get(semantics, ())
        for dtype, order in product(dtypes, ("first", "last", "pairs")):
            for x, said in zip(self.streams, self.said, strict=True):
                stop = x.shape[1] if length is None else min(length, x.shape[1])
                apart = self._executed(x[:, :stop], dtype, order) - said[:, :stop]
                row, t = np.unravel_index(np.argmax(np.abs(apart)), apart.shape)
                near = HALF - abs(Fraction(float(apart[row, t])))
                if near < Fraction(margin):
                    found.append(f"run in {dtype}, {order}, a stream of {t + 1} steps comes as near as {float(near)!r}")
        return found

    def outputs(self, stream: Ints) -> list[Fraction]:
        """What the network gives after each step, in rational numbers."""
        state, found = [Fraction(float(v)) for v in self.of.network.start], []
        for numbers in stream.tolist():
            state = self._through("transition", [*state, *map(Fraction, numbers)])
            found.append(self._through("output", state)[0])
        return found

    def _walk(self) -> None:
        """All short streams, as a tree."""
        level = [([Fraction(float(v)) for v in self.of.network.start], self._first)]
        numbers = [([*map(Fraction, row)], ",".join(map(str, row))) for row in self.of.numbers.tolist()]
        for t in range(1, self.length + 1):
            after: dict[Any, Any] = {}  # those that are the same are one
            for (state, own), (row, token) in product(level, numbers):
                both = self._through("transition", [*state, *row]), self._after(own, token)
                after[(*both[0], *both[1])] = both
            level = list(after.values())
            for state, own in level:
                self._meet(t, self._through("output", state)[0], self._answer(own))

    def _meet(self, t: int, y: Fraction, said: int) -> None:
        near = HALF - abs(y - said)
        self.margins[t] = min(near, self.margins.get(t, near))

    def _through(self, part: str, x: list[Fraction]) -> list[Fraction]:
        for step in self.steps[part]:
            if step is None:
                x = [max(v, Fraction(0)) for v in x]
            else:
                pairs = zip(*step, strict=True)
                x = [sum((w * v for w, v in zip(row, x, strict=True) if w), bias) for row, bias in pairs]
        return x

    def _run_loop(self, x: Ints) -> Ints:
        found = []
        for stream in x.tolist():
            state, said = self._first, []
            for numbers in stream:
                state = self._after(state, ",".join(map(str, numbers)))
                said.append(self._answer(state))
            found.append(said)
        return np.array(found, object if any(abs(v) > 2**52 for row in found for v in row) else np.int64)

    def _executed(self, x: Ints, dtype: str, order: str) -> Any:
        """What a program in this arithmetic gives (streams, T), its sums in this order."""
        network = self.of.network
        states, found = np.tile(network.start.astype(dtype), (len(x), 1)), []
        for t in range(x.shape[1]):
            states = _run(network.transition, np.hstack([states, x[:, t].astype(dtype)]), order)
            found.append(_run(network.output, states, order)[:, 0].astype(np.float64))
        return np.stack(found, axis=1)


def _rows(weight: Reals) -> list[list[Fraction]]:
    return [_row(row) for row in weight]


def _row(values: Any) -> list[Fraction]:
    return [Fraction(float(v)) for v in values]


def _run(steps: tuple[Step, ...], x: Any, order: str) -> Any:
    for step in steps:
        if isinstance(step, Affine):
            assert step.bias is not None
            parts = [x[:, n, None] * row.astype(x.dtype) for n, row in enumerate(step.weight.T)]
            bias = np.tile(step.bias.astype(x.dtype), (len(x), 1))
            parts = [bias, *parts] if order == "first" else [*parts[::-1], bias]
            while len(parts) > 1:
                if order == "pairs":
                    odd = parts[len(parts) // 2 * 2 :]
                    parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=False)] + odd
                else:
                    parts = [parts[0] + parts[1], *parts[2:]]
            x = parts[0]
        else:
            x = np.maximum(x, 0)
    return x


# --- certificates -----------------------------------------------------------------------------------------------------


def certified(case: Case, known: Known, longest: int, semantics: Any) -> tuple[int, int, list[str]]:
    """What the checker is asked, what it confirms, and what of that is not so."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = _written(Path(scratch) / "made", case)
        of = number_streams(folder)
        loop = own_program(case.text)
        result = distill_streams(of, of.up_to(longest), program=loop, semantics=semantics, seconds=SECONDS)
        is_long = case.loop.cap is None and (result.proved is None or result.proved.length is None)  # many states
        found = "not asked" if is_long else attest_stream(result, folder, seconds=SECONDS)
        files = {NETWORK + path.name: path.read_bytes() for path in folder.iterdir()}
    statements = [found.statement] if isinstance(found, Certificate) else []
    reads = {"kind": "round", "position": "every", "columns": [0], "names": [], "denominator": 1}
    asked = {
        "kind": "affine", "format": of.format, "alphabet": list(of.alphabet), "automaton": None, "prefix": [],
        "suffix": [], "readout": reads, "semantics": "real", "directions": None, "least_margin": 0.0,
    }  # fmt: skip
    for most in (None, longest):
        try:
            question = asked | {"lengths": [1, most]}
            statements.append(establish(question, {PROGRAM: case.text.encode(), **files}, SECONDS))
        except (Rejected, UnreadableError):
            pass
    wrong = []
    for said in statements:
        false = known.of_equal(said["lengths"][1], said["margin"], said["semantics"])
        wrong += [f"{said['claim']}: {sentence}" for sentence in false]
    return 3, len(statements), wrong


def _written(folder: Path, case: Case) -> Path:
    """The network as a folder."""
    folder.mkdir()
    tensors = {}
    for name, steps in (("hmlp", case.of.network.transition), ("ymlp", case.of.network.output)):
        for n, step in enumerate(steps):
            if isinstance(step, Affine):
                assert step.bias is not None
                tensors[f"{name}.mlp.{n}.weight"] = step.weight.astype(np.float32)
                tensors[f"{name}.mlp.{n}.bias"] = step.bias.astype(np.float32)
    domain = f"integers {case.of.low}..{case.of.high}"
    said = {"name": "made", "input": {"domain": domain, "T": 8}, "read_out": {"kind": "round"}}
    (folder / "case.json").write_text(json.dumps(said))
    (folder / "config.json").write_text(json.dumps({"activation": "ReLU"}))
    (folder / "model.safetensors").write_bytes(save(tensors))
    return folder
