"""Networks that add or compare two numbers, most pairs right and few wrong: what is proved, against every pair.

Some are right, some have noise in every weight, and in some that add a spike of three ReLUs is planted at one value of
a sum, so that the few pairs with that sum are wrong, often a single one. Of those that compare, some do not look at one
digit, and some are asked for a program that differs where both numbers are equal, or nearly so. Of others that are
right one thing is changed: a parameter by 6 %, one digit of what is expected, the order of the digits of a prompt or
an answer; weights of attention depend on the digits or do not. Prover, search and checker are asked; the network's own
formula, written once more here, says which pairs fail.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from adding_networks import SUM, adding, as_float32
from choosing_networks import CHOICES, choosing
from flint import ctx
from numpy.typing import NDArray
from trial import Outcome, random_of

from tasks.automata.digits import DigitMachine, NumberProgram
from tasks.certificates.pairs import fields_of
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import read
from tasks.checker.pairs import everywhere
from tasks.formats import Loaded, save_folder
from tasks.networks.transformer import Affine
from tasks.pipeline.numbers import distill_numbers, follow_numbers
from tasks.proofs.digit_groups import Steps
from tasks.proofs.enumeration import ROUNDOFF
from tasks.proofs.group_cover import cover

NEARLY = {
    "max(a, b)": ("b if a < b + 1 else a", "a if a + 1 >= b else b", "min(a, b)", "max(b, a)"),
    "min(a, b)": ("a if a < b + 2 else b", "b if b < a + 2 else a", "max(a, b)", "min(b, a)"),
    "a < b": ("a <= b", "a + 1 < b", "a > b"),
    "a <= b": ("a < b", "a <= b + 1", "b <= a"),
    "a > b": ("a >= b", "a > b + 1", "a < b"),
    "a >= b": ("a > b", "a + 1 >= b", "b >= a"),
}  # programs that are right on most pairs, or on few, or say the same
LARGER = 1.06  # times a parameter, where one is changed
SECONDS, NEAR = 10.0, 1e-5  # for one proof; of a margin, relative and absolute, what float64 may lose here and there


def attack(seed: int, index: int) -> Outcome:
    """One network, and everything that is said of it."""
    random = random_of("pairs", seed, index)
    make = changed if random.random() < 0.4 else made
    (network, program), semantics = make(random), str(random.choice(["real", "float32"]))
    least = margins(network, program)
    wrong: list[str] = []
    decided = 0
    operands = network.operands
    assert operands is not None
    found = cover(network, operands, program, semantics, seconds=SECONDS)  # type: ignore[arg-type]
    if found.is_whole:
        decided += 1
        worst = float(min(least.values()))
        if found.margin > worst + NEAR * (1 + abs(worst)):
            wrong.append(f"proved in {semantics} with margin {found.margin}, and the least of all is {worst}")
    said = distill_numbers(network, program=program, seconds=SECONDS)
    if said.failing is not None:
        decided += 1
        if least[said.failing.pair] > NEAR:
            wrong.append(f"{said.failing.pair} is said to fail, with a margin of {least[said.failing.pair]}")
    elif said.is_proved and min(least.values()) < -NEAR:
        wrong.append(f"proved by {said.claims[0].semantics}, and {min(least, key=lambda p: least[p])} fails")
    if said.failures is not None:
        fewest, most = (sum(value < end for value in least.values()) for end in (-NEAR, NEAR))
        if said.failures.least > most or said.failures.most < fewest:
            wrong.append(f"{said.failures.words} From {fewest} to {most} do")
    far = follow_numbers(network, program=program, seconds=SECONDS)
    if far.horizon is not None:
        decided += 1
        below = operands.base**far.horizon
        false = [pair for pair, least_of in least.items() if max(pair) < below and least_of < -NEAR]
        wrong += [f"proved of numbers of {far.horizon} digits, and {min(false)} fails"] if false else []
    margin = checked(network, program, semantics)
    if margin is not None:
        decided += 1
        worst = float(min(least.values()))
        if margin > worst + NEAR * (1 + abs(worst)):
            wrong.append(f"the checker finds a margin of {margin} in {semantics}, and the least of all is {worst}")
    return Outcome(4, decided, tuple(wrong))


def made(random: np.random.Generator) -> tuple[Loaded, NumberProgram]:
    """A network for numbers of one to three digits, and what it is compared with."""
    kind = random.choice(["right", "noise", "planted", "planted"])
    order, seed = str(random.choice(["lsb", "msb"])), int(random.integers(2**30))
    by_token, noise = float(random.choice([0.0, 1e-3])), float(random.choice([1e-3, 1e-2])) if kind == "noise" else 0.0
    digits, base = int(random.integers(1, 4)), int(random.integers(2, 5))
    if random.random() < 0.5:
        network = adding(digits, base, order=order, noise=noise, by_token=by_token, seed=seed)
        return planted(network, random) if kind == "planted" else network, SUM
    what = str(random.choice(CHOICES))
    asked, blind = what, None
    if kind == "planted" and random.random() < 0.5:
        asked = str(random.choice(NEARLY[what]))
    elif kind == "planted":
        blind = int(random.integers(digits))
    network = choosing(what, digits, base, order=order, noise=noise, by_token=by_token, blind=blind, seed=seed)
    return network, NumberProgram.of(asked)


def changed(random: np.random.Generator) -> tuple[Loaded, NumberProgram]:
    """A network that is right, with one thing changed in it or in what is asked of it."""
    digits, base, seed = int(random.integers(1, 4)), int(random.integers(2, 5)), int(random.integers(2**30))
    by_token, order = float(random.choice([0.0, 1e-3])), str(random.choice(["lsb", "msb"]))
    what = str(random.choice(["a + b", *CHOICES]))
    if what == "a + b":
        network = adding(digits, base, order=order, by_token=by_token, seed=seed)
    else:
        network = choosing(what, digits, base, order=order, by_token=by_token, seed=seed)
    operands: Any = network.operands
    match random.choice(["parameter", "digit", "order"]):
        case "parameter":
            return scaled(network, random), NumberProgram.of(what)
        case "digit" if what == "a + b":
            unit = operands.base ** int(random.integers(operands.shown_digits))
            return network, NumberProgram(1, 1, unit, operands.base**operands.shown_digits)
        case "digit":
            return network, NumberProgram.of(str(random.choice(NEARLY[what])))
    name = str(random.choice(["order", "answer_order"]))
    now = operands.order if name == "order" else operands.answer_order or "lsb"
    turned = replace(operands, **{name: "msb" if now == "lsb" else "lsb"})
    return replace(network, operands=turned), NumberProgram.of(what)


def scaled(network: Loaded, random: np.random.Generator) -> Loaded:
    """``network`` with one parameter behind attention, which is not 0, made larger by 6 %."""
    attention, *others = network.network.steps  # type: ignore[union-attr]
    at = int(random.choice([n for n, step in enumerate(others) if isinstance(step, Affine)]))
    step: Any = others[at]
    weight, bias = step.weight.copy(), None if step.bias is None else step.bias.copy()
    part = weight if bias is None or not bias.any() or random.random() < 0.5 else bias
    part[tuple(random.choice(np.argwhere(part)))] *= LARGER
    others[at] = Affine(as_float32(weight), None if bias is None else as_float32(bias))
    return replace(network, network=replace(network.network, steps=(attention, *others)))


def planted(network: Loaded, random: np.random.Generator) -> Loaded:
    """``network`` with a spike at one value of what attention gives."""
    operands: Any = network.operands
    fine = operands.base**operands.digits
    at = int(random.choice([0, 2 * (fine - 1), int(random.integers(2 * fine - 1))])) / fine  # a sum, at some digit
    steep = 2.0 * fine
    attention, up, relu, down, read_ = network.network.steps  # type: ignore[union-attr]
    weight = np.concatenate([up.weight, np.full((3, 1), steep)])
    bias = np.concatenate([up.bias, [1 - steep * at, -steep * at, -1 - steep * at]])
    size = float(random.choice([-1.5, 1.5]))
    out = np.concatenate([down.weight, [[size, -2 * size, size]]], axis=1)
    steps = (attention, Affine(as_float32(weight), as_float32(bias)), relu, Affine(as_float32(out)), read_)
    return replace(network, network=replace(network.network, steps=steps))


def margins(network: Loaded, program: NumberProgram) -> dict[tuple[int, int], float]:
    """The least margin of the right digits of every pair, by the formula of these networks alone."""
    operands: Any = network.operands
    attention, *others = network.network.steps  # type: ignore[union-attr]
    tokens, places = network.network.tokens, network.network.positions  # type: ignore[union-attr]
    heads = attention.heads
    query, key, value = (np.split(part[0].weight, heads) for part in (attention.query, attention.key, attention.value))
    right = eval(f"lambda a, b: {program.expression}")
    found = {}
    for a, b in itertools.product(range(operands.largest + 1), repeat=2):
        total = int(right(a, b))
        digits = [total // operands.base**power % operands.base for power in operands.answer_powers]
        words = [*operands.prompt(a, b), *map(str, digits[:-1])]
        ids = [network.vocabulary.index(word) for word in words]
        x = tokens[ids] + places[: len(ids)]
        worst = np.inf
        for n, digit in enumerate(digits):
            row = len(operands.cells) - 1 + n
            given: list[float] = []
            for q, k, v in zip(query, key, value, strict=True):
                scores = (x[: row + 1] @ k.T) @ (q @ x[row])
                weights = np.exp(scores - scores.max())
                given += [*(weights @ (x[: row + 1] @ v.T) / weights.sum())]
            y = np.array(given)
            for step in others:
                y = _mapped(step, y) if isinstance(step, Affine) else np.maximum(y, 0.0)
            worst = min(worst, float(y[digit] - np.delete(y, digit).max()))
        found[a, b] = worst
    return found


def _mapped(layer: Affine, x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(layer.weight @ x + (0.0 if layer.bias is None else layer.bias))


def checked(network: Loaded, program: NumberProgram, semantics: str) -> float | None:
    """The margin that the checker finds over all pairs, None where it finds none."""
    operands: Any = network.operands
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "network"
        save_folder(network, folder)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
    steps = Steps(network, operands, DigitMachine(program, operands), ROUNDOFF[semantics])  # type: ignore[index]
    directions = np.rint(2**16 * steps.directions).astype(int).tolist()
    readout: Any = network.readout
    try:
        with ctx.workprec(80):
            _, margin = everywhere(
                read("steps", files, semantics), fields_of(operands), program.source(), [*readout.columns],
                [*readout.names], directions, semantics, time.monotonic() + SECONDS,
            )  # fmt: skip
    except (Rejected, UnreadableError):
        return None
    return float(margin)
