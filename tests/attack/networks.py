"""Random and adversarial networks: every bound must hold the real value and what torch computes, every label be theirs.

For each network, and each arithmetic that the tool speaks of:

    bounds on the logits   balls, forms, the checker's      must hold real arithmetic (600 bits) and torch's executions
    labels that are given  by listing, of circuits too      must be those of both
    NaN or infinity        anywhere that is read            must not meet a finite bound, nor a label
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arithmetics import BITS, Exact, Executed, Style, as_floats
from flint import arb, ctx
from folders import Made, make
from formulas import Formula, read
from numpy.typing import NDArray
from trial import Outcome, random_of

from tasks.bounds import (
    interpreter,
    recurrent,
    recurrent_ellipsoid,
    recurrent_lipschitz,
    recurrent_zonotope,
    zonotope_interpreter,
)
from tasks.bounds.interpreter import Stream
from tasks.bounds.recurrent_ellipsoid import Narrowing
from tasks.checker.arithmetic import ROUNDOFF as CHECKED
from tasks.checker.arithmetic import Arithmetic
from tasks.checker.computations import logits
from tasks.checker.files import UnreadableError
from tasks.checker.formats import FILES
from tasks.checker.formats import read as read_again
from tasks.checker.narrow import narrowed
from tasks.checker.recurrent import Recurrent as Read
from tasks.checker.recurrent import States
from tasks.checker.rough import rough
from tasks.formats import Loaded, Question, load
from tasks.formats.circuit_folder import load_circuit
from tasks.networks.readout import UNDECIDED, Argmax, Rounded, TokenSet
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Transformer
from tasks.proofs.circuit_labels import label_sequences
from tasks.proofs.enumeration import ROUNDOFF, answers_of

Ids = NDArray[np.int64]
MOST, EXACT, CHECKER = 40, 5, 4  # sequences run; and of those, computed exactly, and bounded by the checker


def _narrowed(network: Recurrent, batches: list[Ids], u: float) -> Stream:
    """Three balls after ellipsoids that go on from one token, then two from there, then one, then none."""
    begun = recurrent.beginnings(network, batches, recurrent_ellipsoid.Ellipsoids(network, u, 1), 1)
    way: Narrowing | None = Narrowing(3, begun)
    while way is not None:
        found = way(network, batches, u)
        way = way.narrowed([np.arange(len(ids)) for ids in batches])
    return found


TRANSFORMER = (("balls", interpreter.enclose), ("forms", zonotope_interpreter.enclose))
RECURRENT = (
    ("balls", recurrent.enclose),
    ("balls, then Lipschitz constants", partial(recurrent_lipschitz.enclose, ahead=2)),
    ("Lipschitz constants", partial(recurrent_lipschitz.enclose, ahead=64)),
    ("zonotopes", recurrent_zonotope.enclose),
    ("zonotopes, then balls", partial(recurrent_zonotope.enclose, ahead=2)),
    ("ellipsoids", recurrent_ellipsoid.enclose),
    ("ellipsoids, then balls", partial(recurrent_ellipsoid.enclose, ahead=2)),
    ("ellipsoids, then fewer balls", _narrowed),
)
GRAINS = (None, 6, 12, 32)  # on which the checker makes balls coarse
TOLD = 4  # of what is wrong, sentences per case


@dataclass
class _Tally:
    """What was compared so far."""

    tried: int = 0
    decided: int = 0
    wrong: list[str] = field(default_factory=list)

    def see(self, tried: int, decided: int, wrong: list[str]) -> None:
        self.tried, self.decided, self.wrong = self.tried + tried, self.decided + decided, self.wrong + wrong


@dataclass(frozen=True)
class _Batch:
    """Sequences of one length, their prompts, and the logits of several executions, (B, T or 1, outputs), by name."""

    sequences: NDArray[np.int8]
    ids: Ids
    runs: dict[str, NDArray[np.float64]]


def attack(seed: int, index: int) -> Outcome:
    """One network."""
    rng = random_of("networks", seed, index)
    made = make(rng)
    with tempfile.TemporaryDirectory() as scratch:
        return attacked(made, made.write(Path(scratch) / "made"), rng)


def attacked(made: Made, folder: Path, rng: np.random.Generator, device: str = "cpu") -> Outcome:
    """The network in ``folder`` against what its formula gives."""
    found = _Tally()
    try:
        loaded = load(folder, Question(**made.question))
    except NetworkError:
        return Outcome(0, 0)
    assert isinstance(loaded.network, Transformer | Recurrent)
    formula = read(made.format, made.files, made.question.get("task"), made.question.get("circuit", False))
    dtypes = ["float64", "float32"] if formula.dtype == "float32" else ["float64"]
    if loaded.network.dtype != formula.dtype:
        found.wrong.append(f"stored in {formula.dtype}, loaded as {loaded.network.dtype}")
    batches = [*_batches(loaded, formula, dtypes, rng, device)]
    exact = _exact(formula, batches, rng)
    for dtype in dtypes:
        _bounds(found, loaded, batches, exact, dtype)
        _labels(found, loaded, formula, batches, exact, dtype)
        if made.format in FILES:
            grain = GRAINS[int(rng.integers(len(GRAINS)))]
            _checker(found, made, loaded, batches, exact, dtype, grain)
        if made.format == "circuit" and not made.question:
            _circuit(found, folder, batches, exact, dtype)
    told = {sentence.partition(":")[0]: sentence for sentence in reversed(found.wrong)}  # the first of each kind
    return Outcome(found.tried, found.decided, (*reversed(told.values()),)[:TOLD], files=made.files if told else {})


def _batches(
    loaded: Loaded, formula: Formula, dtypes: list[str], rng: np.random.Generator, device: str
) -> Iterator[_Batch]:
    """Sequences of every length, at most MOST together, run in torch: a batch at once, and some prompts alone."""
    number = {token: n for n, token in enumerate(formula.tokens)}
    before, letters, after = (
        [number[token] for token in part] for part in (loaded.prefix, loaded.domain.alphabet, loaded.suffix)
    )
    left = MOST
    styles = {"torch": Style(), "torch, other kernels": Style.drawn(rng)}
    lengths = [n for n in loaded.domain.lengths if n <= 3 or n == loaded.domain.max_length]
    for length in lengths:
        if loaded.domain.count(length) > left:
            sequences = np.unique(loaded.domain.sample(length, left, rng), axis=0)
        else:
            sequences = loaded.domain.sequences(length)
        left = max(4, left - len(sequences))
        if not len(sequences):
            continue
        ids = np.array([[*before, *(letters[n] for n in row), *after] for row in sequences], np.int64)
        runs = {}
        for dtype in dtypes:
            for name, style in styles.items():
                how = f"{dtype}/{name} ({style.attention}, {style.variance}, {style.mask})"
                runs[how] = _run(formula, dtype, style, ids, device)
            few = rng.choice(len(ids), min(3, len(ids)), replace=False)
            alone = np.full_like(runs[f"{dtype}/torch (plain, torch, choice)"], np.nan)
            for n in few:
                alone[n] = _run(formula, dtype, styles["torch, other kernels"], ids[n : n + 1], device)[0]
            runs[f"{dtype}/alone"] = np.where(np.isin(np.arange(len(ids)), few)[:, None, None], alone, _NOT_RUN)
        yield _Batch(sequences, ids, runs)


_NOT_RUN = float(np.float64(1.2345e-300))  # marks what was not executed; no execution gives it


def _run(formula: Formula, dtype: str, style: Style, ids: Ids, device: str) -> NDArray[np.float64]:
    with torch.no_grad():
        return as_floats(formula.run(Executed(dtype, style, device), ids))


def _exact(formula: Formula, batches: list[_Batch], rng: np.random.Generator) -> list[tuple[int, int, list[list[arb]]]]:
    """(batch, row, logits by place) of some prompts, longer ones rather."""
    every = [(b, n) for b, batch in enumerate(batches) for n in range(len(batch.ids))]
    odds = np.array([float(batches[b].ids.shape[1]) ** 3 for b, _ in every])
    few = EXACT if odds.max() < 10**3 else 2
    chosen = rng.choice(len(every), min(few, len(every)), replace=False, p=odds / odds.sum())
    with ctx.workprec(BITS):
        arithmetic = Exact()
        return [(*every[n], formula.run(arithmetic, batches[every[n][0]].ids[every[n][1]])) for n in chosen]


def _wanted(loaded: Loaded, width: int) -> slice:
    """The rows that are read."""
    return slice(-1, None) if loaded.readout.position == "last" else slice(len(loaded.prefix), width)


def _bounds(found: _Tally, loaded: Loaded, batches: list[_Batch], exact: Any, dtype: str) -> None:
    """The prover's bounds on logits."""
    network = loaded.network
    assert isinstance(network, Transformer | Recurrent)
    ways = RECURRENT if isinstance(network, Recurrent) else TRANSFORMER
    first = isinstance(network, Recurrent)  # whose first row is before any token, and no formula's
    prompts, u = [batch.ids for batch in batches], ROUNDOFF[dtype]  # type: ignore[index]
    for name, method in ways:
        stream = method(network, prompts, u)
        places = [place[:, first:] for place in stream.places]
        for place, batch in zip(places, batches, strict=True):
            here = _wanted(loaded, place.shape[1])
            center, radius = stream.x.center[place][:, here], stream.x.radius[place][:, here]
            for run, values in batch.runs.items():
                if run.startswith(dtype):
                    _held(found, f"{dtype} {name} against {run}", center, radius, values[:, here])
        for b, n, rows in exact:
            for at, row in zip(places[b][n], rows, strict=True):
                _contained(found, f"{dtype} {name}", stream.x.center[at], stream.x.radius[at], row)


def _held(found: _Tally, what: str, center: Any, radius: Any, values: NDArray[np.float64]) -> None:
    """Bounds and executed values, entry by entry."""
    ran, finite = values != _NOT_RUN, np.isfinite(radius)
    with np.errstate(all="ignore"):
        off = np.abs(values.astype(np.longdouble) - center.astype(np.longdouble))
    bad = ran & finite & ~(off <= radius.astype(np.longdouble))
    told = [
        f"{what}: {values[at]!r} is not within {radius[at]!r} of {center[at]!r}"
        for at in map(tuple, np.argwhere(bad)[:1])
    ]
    found.see(int(ran.sum()), int((ran & finite).sum()), told)


def _contained(found: _Tally, what: str, center: Any, radius: Any, row: list[arb]) -> None:
    """Bounds and real values."""
    told, known = [], 0
    with ctx.workprec(BITS):
        for c, r, value in zip(center, radius, row, strict=True):
            if np.isfinite(r) and value.is_finite():
                known += 1
                if abs(value - arb(float(c))) > arb(float(r)):
                    told.append(f"{what} against real arithmetic: {value.str(12)} is not within {r!r} of {c!r}")
    found.see(len(row), known, told[:1])


def _labels(found: _Tally, loaded: Loaded, formula: Formula, batches: list[_Batch], exact: Any, dtype: str) -> None:
    """The labels that listing gives."""
    readout, columns = loaded.readout, [*loaded.readout.columns]
    if loaded.format != "tracr" and isinstance(readout, Argmax | TokenSet):
        wrong = [formula.outputs[n] for n in columns] != [*readout.names]
        found.see(1, 1, [f"columns {columns} are not those of {readout.names}"] * wrong)
    for b, batch in enumerate(batches):
        try:
            labels, _ = answers_of(loaded, batch.sequences, dtype)  # type: ignore[arg-type]
        except NetworkError as error:
            if "cannot round" in str(error):
                continue
            raise
        labels = labels.reshape(len(batch.ids), -1)
        here = _wanted(loaded, batch.runs[f"{dtype}/alone"].shape[1])
        for run, values in batch.runs.items():
            if run.startswith(dtype):
                _same(found, f"{dtype} labels against {run}", readout, labels, values[:, here][..., columns])
        for n, rows in ((n, rows) for of, n, rows in exact if of == b):
            for label, row in zip(labels[n], rows[here], strict=True):
                said = _text_of_balls(readout, [row[column] for column in columns])
                known = bool(label != UNDECIDED and said is not None)
                what = f"{dtype} labels: {readout.text(int(label))!r} is {said!r} in real arithmetic"
                found.see(1, int(known), [what] * (known and said != readout.text(int(label))))


def _same(found: _Tally, what: str, readout: Any, labels: Any, values: NDArray[np.float64]) -> None:
    told, known = [], 0
    for at in map(tuple, np.argwhere((labels != UNDECIDED) & (values != _NOT_RUN).all(axis=-1))):
        known += 1
        said, text = _text_of_floats(readout, values[at]), readout.text(int(labels[at]))
        if said != text:
            told.append(f"{what}: the label {text!r} is {said!r} there, logits {values[at].tolist()}")
    found.see(labels.size, known, told[:1])


def _text_of_floats(readout: Any, x: NDArray[np.float64]) -> str:
    """What an execution's logits say; no label where one is no number."""
    if not np.isfinite(x).all():
        return "no number"
    return _text(readout, [Fraction(float(v)) for v in x]) or "a tie"


def _text_of_balls(readout: Any, x: list[arb]) -> str | None:
    """What real logits say, where every number in the balls says it."""
    if not all(v.is_finite() and float(v.rad()) < 1e300 for v in x):
        return None
    ends = [[_fraction(end) for end in (v.lower(), v.upper())] for v in x]
    if isinstance(readout, Argmax):
        best = max(range(len(x)), key=lambda n: ends[n][0])
        clear = all(ends[best][0] > high for n, (_, high) in enumerate(ends) if n != best)
        return readout.names[best] if clear else None
    texts = {_text(readout, [pair[side] for pair in ends]) for side in (0, 1)}
    return texts.pop() if len(texts) == 1 else None


def _fraction(x: arb) -> Fraction:
    mantissa, exponent = x.mid().man_exp()
    least = max(int(exponent), -(10**5))  # a gate far out gives numbers with exponents that no memory holds
    return Fraction(int(mantissa)) * Fraction(2) ** least


def _text(readout: Any, x: list[Fraction]) -> str | None:
    """The label of exact numbers, by definition; None for a tie."""
    match readout:
        case Argmax(names):
            return names[x.index(max(x))] if x.count(max(x)) == 1 else None
        case TokenSet(names):
            return None if 0 in x else "{" + ", ".join(n for v, n in zip(x, names, strict=True) if v > 0) + "}"
        case Rounded(_, finest):
            near = {Fraction(round(x[0] * d), d) for d in range(1, finest + 1)}
            best = min(abs(x[0] - one) for one in near)
            closest = [one for one in near if abs(x[0] - one) == best]
            return str(closest[0]) if len(closest) == 1 else None
    raise AssertionError(readout)


def _checker(
    found: _Tally, made: Made, loaded: Loaded, batches: list[_Batch], exact: Any, dtype: str, grain: int | None
) -> None:
    """The checker's bounds, on few prompts, in the arithmetic and in real numbers: coarse or not, and rough."""
    few = [(b, n, rows) for b, n, rows in exact][:CHECKER]
    for semantics in (dtype, "real") if dtype == "float64" else (dtype,):
        try:
            with ctx.workprec(80):
                network = read_again(made.format, dict(made.files), semantics, loaded.prefix).network
                prompts = [tuple(int(t) for t in batches[b].ids[n]) for b, n, _ in few]
                arithmetic = Arithmetic(CHECKED[semantics])
                if isinstance(network, Read):
                    bounds = States(network, arithmetic, lambda row: row, every=True).at(prompts)
                    points = None
                else:
                    bounds = logits(network, arithmetic, prompts, grain)
                    points = rough(*narrowed(network, arithmetic))
                roughly = [] if points is None else points.at(prompts, slice(None))
        except UnreadableError:
            return
        kinds = [(f"the checker's {semantics} bounds", bounds)]
        kinds += [(f"the checker's rough {semantics} bounds", roughly)] if roughly else []
        for what, each in kinds:
            for (b, n, rows), own in zip(few, each, strict=True):
                for bound, row in zip(own, rows, strict=True):
                    _inside(found, f"{what} against real arithmetic", bound, row)
                here = _wanted(loaded, len(own))
                for run, values in batches[b].runs.items():
                    if semantics != "real" and run.startswith(dtype):
                        for bound, row in zip(own[here], values[n, here], strict=True):
                            if (row != _NOT_RUN).all():
                                _inside(found, f"{what} against {run}", bound, row)


def _inside(found: _Tally, what: str, bound: list[arb], row: Any) -> None:
    told, known = [], 0
    with ctx.workprec(BITS):
        for ball, value in zip(bound, row, strict=True):
            if not ball.is_finite() or (isinstance(value, arb) and not value.is_finite()):
                continue
            known += 1
            off = abs((value if isinstance(value, arb) else arb(float(value))) - ball.mid())
            if not off.is_finite() or off > ball.rad():
                told.append(f"{what}: {value} is not in {ball.str(12)}")
    found.see(len(row), known, told[:1])


def _circuit(found: _Tally, folder: Path, batches: list[_Batch], exact: Any, dtype: str) -> None:
    """The labels of a circuit by their own names."""
    circuit = load_circuit(folder)
    readout = Argmax(circuit.labels, circuit.label_ids)
    for b, batch in enumerate(batches):
        given = label_sequences(circuit, batch.sequences, unit_roundoff=ROUNDOFF[dtype])  # type: ignore[index]
        labels = np.where(given.labels < 0, UNDECIDED, given.labels.astype(np.int64))[:, None]
        for run, values in batch.runs.items():
            if run.startswith(dtype):
                chosen = values[:, -1:][..., [*circuit.label_ids]]
                _same(found, f"{dtype} circuit labels against {run}", readout, labels, chosen)
        for n, rows in ((n, rows) for of, n, rows in exact if of == b):
            said = _text_of_balls(readout, [rows[-1][column] for column in circuit.label_ids])
            known = bool(labels[n, 0] != UNDECIDED and said is not None)
            text = readout.text(int(labels[n, 0]))
            found.see(1, int(known), [f"{dtype} circuit labels: {text!r} is {said!r}"] * (known and said != text))
