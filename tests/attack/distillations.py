"""Whole distillations of random networks against a list of every sequence: nothing that is said of them may be false.

A domain of few sequences is asked about, of which often only a part is listed, so that the rest is proved by whatever
method the network has the structure for. Labels are those of the formula, in real arithmetic and in torch; the program
is run as the Python that is printed. Then a function that answers like it, but for one input, is verified.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from folders import Made, make
from formulas import read
from trial import Outcome, random_of
from truth import Word, function_of, known_labels, logits_of

from cegis import Differs, DomainError, Found, Rung
from tasks.certificates.independent import _question
from tasks.formats import Loaded, Question, load
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline import labels
from tasks.pipeline.distill import distill, verify
from tasks.pipeline.report import distillation_json
from tasks.pipeline.sequences import Distillation
from tasks.proofs.enumeration import shortened

MOST, SECONDS, TOLD = 90, 1.0, 5  # sequences; of a distillation; sentences
MOODS = ("plain", "plain", "whole", "ties", "cancelling", "dead ends", "any")  # others leave hardly any label
Input = tuple[Word, int | None]  # a sequence, and a place where each has a label


def attack(seed: int, index: int) -> Outcome:
    """One network."""
    rng = random_of("distillations", seed, index)
    made = make(rng, mood=str(rng.choice(MOODS)))
    with tempfile.TemporaryDirectory() as scratch:
        folder = made.write(Path(scratch) / "made")
        try:
            model = load(folder, Question(**made.question))
            domain = shortened(model.domain, MOST)
            if domain.size() > 3 * MOST:
                return Outcome(0, 0)
            few = int(rng.choice([MOST * 3, MOST // 3, MOST // 9]))
            asked: dict[str, Any] = {"margin": [None, 0.0, 0.1][rng.integers(3)], "seconds": SECONDS}
            asked |= {"semantics": [None, None, "real", "float64"][rng.integers(4)], "seed": index}
            with patch.multiple(labels, MOST_SEQUENCES=few, FEW_SEQUENCES=few):
                result = distill(model, domain, **asked)
                own = planted(result, rng)
                verified = verify(model, own, domain, **asked)
        except (NetworkError, DomainError):
            return Outcome(0, 0)
    wrong = [*falsehoods(made, model, result), *(f"verified: {text}" for text in falsehoods(made, model, verified))]
    decided = sum(domain.size() for domain in {claim.domain.up_to(domain.lengths[-1]) for claim in result.claims})
    return Outcome(domain.size(), decided, (*wrong[:TOLD],), files=made.files if wrong else {})


def planted(result: Distillation, rng: np.random.Generator) -> str:
    """The text of a function that answers like the program of ``result`` (or always the same), but for one input."""
    table = result.labels
    names, values = (("tokens", "i"), "tokens, i") if table.is_placed else (("tokens",), "tokens")
    text = f"def right({values}):\n    return {table.names[0]!r}\n"
    if result.program is not None:
        text = result.program.source("right")
    part = table.parts[rng.choice([n for n, part in enumerate(table.parts) if part.batch.examples])]
    inputs = table.inputs(part, int(rng.integers(part.batch.examples)))
    where = [list(inputs[0]), inputs[1]] if table.is_placed else [list(inputs)]
    test = " and ".join(f"{name} == {value!r}" for name, value in zip(names, where, strict=True))
    label = str(rng.choice([*table.names, "no label of it"]))
    return f"{text}\n\ndef wrong({values}):\n    if {test}:\n        return {label!r}\n    return right({values})\n"


def falsehoods(made: Made, model: Loaded, result: Distillation) -> Iterator[str]:
    """What is false of what is said."""
    semantics = result.labels.enumeration.semantics
    true = dict(_labels(made, model, result, semantics))
    text = distillation_json(result)["program"]
    if text is None and result.program is not None:  # not shown, since it is mostly wrong
        text = result.program.source("f")
    function = function_of(text or "def f(*inputs):\n    return None\n")
    answers = {(word, place): function([*word]) if place is None else function([*word], place) for word, place in true}
    listed = {key: name for key, name in _listed(result) if name is not None and key in true}
    for key, name in listed.items():
        if true[key] != {name}:
            yield f"the label of {key} is {sorted(map(str, true[key]))}, listed as {name!r}"
    if result.extension is None and isinstance(result.outcome, Found | Differs):
        exceptions = {key for key, name in listed.items() if answers[key] != name}
        if {_key(e.inputs) for e in result.exceptions} & true.keys() != exceptions:
            yield f"{len(exceptions)} exceptions, {len(result.exceptions)} are listed"
    for claim in result.claims:
        if claim.rung.is_proof and claim.rung != Rung.SURROGATE:
            is_whole = claim.rung != Rung.ENUMERATED or not result.labels.undecided
            for (word, place), names in true.items():
                is_claimed = claim.domain.contains(word) and (is_whole or (word, place) in listed)
                if is_claimed and names != {answers[word, place]}:
                    yield f"claimed at {word} {place}: {sorted(map(str, names))}, program {answers[word, place]!r}"
    if result.is_proved and any(names != {answers[key]} for key, names in true.items()):
        yield "proved, and not equal"
    broken = None if result.broken is None else _key(result.broken.inputs)
    if broken in true and true[broken] == {answers[broken]}:
        yield f"not broken at {broken}"


def _labels(made: Made, model: Loaded, result: Distillation, semantics: str) -> Iterator[tuple[Input, set[str | None]]]:
    """All labels that executions and real arithmetic give to each input; None where one has none."""
    formula = read(made.format, made.files, made.question.get("task"), made.question.get("circuit", False))
    stated = _question("network", model, result.asked, semantics)
    for word, rows in logits_of(formula, stated, [*result.asked]):
        for place in range(len(word)) if model.readout.position == "every" else (None,):
            at = -1 if place is None else len(model.prefix) + place
            names = known_labels(stated["readout"], [row[at] for row in rows])
            if semantics != "real" or names != {None}:  # alone, real arithmetic in balls cannot tell ties in AbsTopK
                yield (word, place), names


def _listed(result: Distillation) -> Iterator[tuple[Input, str | None]]:
    """The labels of what was listed, None where one is open."""
    table = result.labels
    for part in table.parts:
        for row in range(part.batch.examples):
            label = int(part.expected[row])
            yield _key(table.inputs(part, row)), table.names[label] if label >= 0 else None


def _key(inputs: Any) -> Input:
    match inputs:
        case (tuple() as word, int() as place):
            return word, place
    return tuple(inputs), None
