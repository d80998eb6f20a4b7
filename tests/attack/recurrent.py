"""Proofs for every length of recurrent networks that are right on everything short, and break late or never.

    drift     a number moves a little with every token, or leaks towards a fixed point, and passes the threshold late
    cells     random cells (tanh, GRU, LSTM); the program is what they say along one circle, one late entry changed
    latch     a tanh that remembers, with a gain at which it may forget
    sums      affine networks of numbers, off by a little

Whatever is claimed, and whatever the checker accepts, is held against a long run in arithmetic of 300 bits by formulas
written here; evidence that was made for a network nearby, where the claim is true, is handed to the checker as well.
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from state_networks import ANSWERS, always, asked, drift, latch, machine, numbers_asked, random_cells, running_sum
from trial import Outcome, random_of

from cegis import Claim, Program
from cegis.certificate import Certificate
from tasks.certificates.independent import _question, attest_all_lengths
from tasks.checker.evidence import GIVEN, NETWORK, PROGRAM, STATES, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.formats import Loaded, load, save_folder
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Activation, Affine, Blend, Columns, Concat, Product, Step
from tasks.proofs.recurrent_lengths import recurrent_lengths

Random = np.random.Generator
LETTERS = ("0", "1", "-")
BITS, LONG, SECONDS = 3000, 900, 4.0  # of the run that all is held to; tokens of it; for one proof
KINDS = ("drift", "cells", "cells", "latch", "sums", "sums")


def attack(seed: int, index: int) -> Outcome:
    """One network and one program."""
    rng = random_of("recurrent", seed, index)
    kind = KINDS[index % len(KINDS)]
    if kind == "sums":
        return _sums(rng)
    case = {"drift": _drift, "cells": _cells, "latch": _latch}[kind](rng)
    return _tried(case)


@dataclass(frozen=True)
class Case:
    """A network, a program, words (ids) to run, and networks nearby for which the program may be right."""

    model: Loaded
    program: Program
    words: tuple[tuple[int, ...], ...]
    nearby: tuple[Recurrent, ...]


def _drift(rng: Random) -> Case:
    """Words 11*; the threshold is passed late, or never."""
    rate, late = 2.0 ** -int(rng.integers(4, 9)), float(rng.choice([0.0, 0.25, 0.5]))
    start = -1.0
    if rng.random() < 0.5:
        network = drift(rate, start)
        near = (drift(0.0, start),)
    else:
        network = replace(drift(0.0, start), transition=(_leak(rate, late),))
        near = (replace(drift(0.0, start), transition=(_leak(rate, -0.25),)),)
    return Case(asked(network, "11*"), always("reject"), ((1,) * LONG,), near)


def _leak(rate: float, target: float) -> Affine:
    return Affine(np.array([[1.0 - rate, 0.0, 0.0]]), np.array([rate * target]))


def _cells(rng: Random) -> Case:
    """Random cells along one circle; a program that says what they say, or one label otherwise."""
    kind, size = str(rng.choice(["tanh", "gru", "reset", "lstm"])), int(rng.integers(1, 5))
    network = random_cells(rng, kind, size, int(rng.integers(1, 3)), float(rng.choice([0.3, 0.8, 1.5])))
    pattern, turn = [("11*", (1,)), ("(01)(01)*", (0, 1)), ("0*", (0,))][int(rng.integers(3))]
    word = turn * (LONG // len(turn))
    labels = [_label(row) for row in _run(network, word)]
    program = always(ANSWERS[labels[len(turn) - 1] or 0])
    if rng.random() < 0.4:  # a machine that counts up to some length, and says otherwise from there on
        late = int(rng.integers(20, 60))
        column = (*range(1, late + 1), late)
        outputs = [labels[len(turn) - 1] or 0] * (late + 1)
        outputs[late] = 1 - outputs[late] if rng.random() < 0.7 else outputs[late]
        program = machine((column, column), tuple(outputs))
    nearby = (random_cells(rng, kind, size, 1, 0.3),)
    return Case(asked(network, pattern), program, (word,), nearby if nearby[0].width == network.width else ())


def _latch(rng: Random) -> Case:
    """Every word: the last letter other than -; it may be forgotten after many -."""
    gain = float(rng.choice([0.5, 0.875, 1.0, 1.0625, 1.25, 2.0, 4.0]))
    outputs = (1, 0) if rng.random() < 0.8 else (0, 1)
    program = machine(((0, 0), (1, 1), (0, 1)), outputs, LETTERS)
    words = [(1, *[2] * LONG), (0, *[2] * LONG), tuple(rng.integers(0, 3, LONG).tolist())]
    network = latch(gain)
    if rng.random() < 0.5:  # a bias that pulls what is kept over the threshold, slowly
        pull = float(rng.choice([2.0**-6, -(2.0**-4), 2.0**-2]))
        network = replace(network, transition=(Affine(np.array([[gain, 1.0]]), np.array([pull])), Activation("tanh")))
    return Case(asked(network, None, LETTERS), program, tuple(words), (latch(4.0), latch(2.0)))


def _tried(case: Case) -> Outcome:
    """The prover's claim, its certificate, and the evidence of networks nearby."""
    truths = [_first_wrong(case, word) for word in case.words]
    broken = next((found for found in truths if found is not None), None)
    wrong, decided = list[str](), 0
    claim = recurrent_lengths(case.model, case.program, seconds=SECONDS)
    if isinstance(claim, Claim):
        decided += 1
        if broken is not None:
            wrong.append(f"claimed although {broken}: {claim.sentence}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = save_folder(case.model, Path(scratch) / "n")
        stored = {NETWORK + path.name: path.read_bytes() for path in folder.iterdir()}
        made = attest_all_lengths(load(folder), folder, case.program, SECONDS)
        given = [made] if isinstance(made, Certificate) else []
        for n, network in enumerate(case.nearby):
            other = save_folder(replace(case.model, network=network), Path(scratch) / f"near{n}")
            near = attest_all_lengths(load(other), other, case.program, SECONDS)
            given += [near] if isinstance(near, Certificate) else []
        for one in given:
            decided += 1
            if broken is not None and _is_accepted(one, stored):
                wrong.append(f"accepted although {broken}: {one.statement['claim']}")
    return Outcome(1 + len(case.nearby), decided, tuple(wrong), files=stored if wrong else {})


def _is_accepted(made: Certificate, stored: dict[str, bytes]) -> bool:
    asked_of = {name: copy.deepcopy(made.statement[name]) for name in (*GIVEN, STATES) if name in made.statement}
    try:
        establish(asked_of, {PROGRAM: made.files[PROGRAM], **stored}, SECONDS)
    except (Rejected, UnreadableError):
        return False
    return True


def _first_wrong(case: Case, word: tuple[int, ...]) -> str | None:
    """The first prefix of the domain on which network and program differ for certain."""
    assert isinstance(case.model.network, Recurrent)
    limit, place = case.model.domain.constraint, 0
    names = case.model.domain.alphabet
    state: dict[int, Any] = {}
    for n, (token, row) in enumerate(zip(word, _run(case.model.network, word), strict=True), 1):
        place = 0 if limit is None else limit.transitions[place][token]
        label = _label(row)
        if label is None or (limit is not None and not limit.accepting[place]):
            continue
        if n in (1, 2, 3) or n % 7 == 0 or n == len(word) or state.get(0) != label:
            said = case.program(tuple(names[t] for t in word[:n]))
            if said != ANSWERS[label]:
                return f"a word of {n} tokens is {ANSWERS[label]!r} and not {said!r}"
        state[0] = label
    return None


def _sums(rng: Random) -> Outcome:
    """An affine network that is off by a little, and programs that may be what it says up to some length, or not."""
    off, leak = 2.0 ** -int(rng.integers(4, 12)), float(rng.choice([1.0, 1.0, 0.0, 0.5]))
    network = running_sum(1.0 + off * float(rng.choice([0.0, 1.0, -1.0])), leak)
    body = {1.0: "total + int(token)", 0.0: "int(token)", 0.5: "total + int(token)"}[leak]
    if rng.random() < 0.2:
        body = str(rng.choice(["total - int(token)", "2 * total + int(token)", "total + int(token) + 1"]))
    text = f"def program(tokens):\n    total = 0\n    for token in tokens:\n        total = {body}\n    return total\n"
    longest = None if rng.random() < 0.4 else int(rng.integers(1, 200))
    scope: dict[str, Any] = {}
    exec(text, scope)
    with tempfile.TemporaryDirectory() as scratch:
        folder = save_folder(numbers_asked(network), Path(scratch) / "n")
        stored = {NETWORK + path.name: path.read_bytes() for path in folder.iterdir()}
        model = load(folder)
    given = _question("affine", model, replace(model.domain, max_length=longest), "real")
    try:
        found = establish(given, {PROGRAM: text.encode(), **stored}, SECONDS)
    except (Rejected, UnreadableError):
        return Outcome(1, 0)
    words = [(3,) * (longest or LONG), (0,) * (longest or LONG), tuple(rng.integers(0, 4, longest or LONG).tolist())]
    for word in words:
        for n, row in enumerate(_run(network, word), 1):
            said = scope["program"]([str(t) for t in word[:n]]) if n % 5 == 0 or n < 4 or n == len(word) else None
            if said is not None and not abs(row[0] - said) < arb(1) / 2:
                return Outcome(1, 1, (f"accepted although {n} tokens give {row[0]} and not {said}: {found['claim']}",))
    return Outcome(1, 1)


# --- the formulas once more, in many digits -------------------------------------------------------------------------


def _label(row: list[arb]) -> int | None:
    if row[0] > row[1]:
        return 0
    return 1 if row[1] > row[0] else None


def _run(network: Recurrent, word: tuple[int, ...]) -> list[list[arb]]:
    """The logits after each token of a word."""
    before, ctx.prec = ctx.prec, BITS
    try:
        state, found = [arb(float(v)) for v in network.start], []
        for token in word:
            state = _through(network.transition, [*state, *(arb(float(v)) for v in network.tokens[token])])
            found.append(_through(network.output, state))
    finally:
        ctx.prec = before
    return found


def _through(steps: tuple[Step, ...], x: list[arb]) -> list[arb]:
    for step in steps:
        x = _step(step, x)
    return x


def _step(step: Step, x: list[arb]) -> list[arb]:
    match step:
        case Affine(weight, bias):
            y = (arb_mat(weight.tolist()) * arb_mat([[v] for v in x])).entries()
            return y if bias is None else [v + arb(float(b)) for v, b in zip(y, bias, strict=True)]
        case Activation("tanh"):
            return [v.tanh() for v in x]
        case Activation("sigmoid"):
            return [1 / (1 + (-v).exp()) for v in x]
        case Columns(start, stop):
            return x[start:stop]
        case Concat(parts):
            return [v for part in parts for v in _through(part, x)]
        case Product(left, right):
            return [a * b for a, b in zip(_through(left, x), _through(right, x), strict=True)]
        case Blend(gate, one, other):
            g = _step(Activation("sigmoid"), _through(gate, x))
            sides = zip(g, _through(one, x), _through(other, x), strict=True)
            return [s * a + (1 - s) * b for s, a, b in sides]
    raise AssertionError(step)
