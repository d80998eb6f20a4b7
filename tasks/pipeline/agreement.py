"""Do they say the same? Program, circuit and whole network, input by input, on all that is listed.

A circuit is faithful where its label is that of the network it was cut from. Whether a program found for the circuit
explains the network itself is asked here, and answered by counting, never from a sample: every input of the domain is
labelled by each of them, under rigorous bounds, and what one of them has no label for is counted apart. Two questions
go further. Where program and circuit differ, whose side is the network on? And of the edits that change one token and
with it the circuit's label, how many change the network's label in the same way?
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis import Domain, Program
from cegis.claim import inputs_text
from cegis.domain import Tokens
from tasks.formats import Loaded
from tasks.networks.readout import UNDECIDED, label_name
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.labels import Inputs, LabelTable, batch_of
from tasks.proofs.enumeration import MEANING, Enumeration, Semantics, answers_of, enumerate_within, in_float64

NOTHING = -1  # undecided
OTHER = -2  # a program's answer that is no label: other than everything
MOST_KEYS = 2**62  # numbers that tell sequences of one length apart
PROGRAM, CIRCUIT, MODEL = "program", "circuit", "model"


@dataclass(frozen=True)
class Voice:
    """What one of them says: ``labels`` per length, (sequences,) or (sequences, length), indices of ``Names``."""

    name: str
    labels: tuple[NDArray[np.int64], ...]


@dataclass
class Names:
    """Labels as text, numbered as they come."""

    index: dict[str, int] = field(default_factory=dict)

    def of(self, text: str) -> int:
        """The number of ``text``."""
        return self.index.setdefault(text, len(self.index))

    def text(self, number: int) -> str | None:
        """The text of a number; None for no label."""
        return None if number < 0 else list(self.index)[number]


@dataclass(frozen=True)
class Disagreement:
    """An input, and what two say of it."""

    inputs: Inputs
    first: str | None
    second: str | None


@dataclass(frozen=True)
class Pair:
    """Of ``inputs`` many, the ``first`` and the ``second`` agree or differ; or at least one has no label.

    ``shortest``: the first input, shortest first, on which they differ.
    """

    first: str
    second: str
    agree: int
    differ: int
    undecided: int
    shortest: Disagreement | None

    @property
    def inputs(self) -> int:
        """How many were compared."""
        return self.agree + self.differ + self.undecided

    @property
    def is_equal(self) -> bool:
        """Whether they agree on every input."""
        return self.agree == self.inputs

    @property
    def text(self) -> str:
        """The counts in words, with the shortest disagreement."""
        counts = f"{self.agree:,} of {self.inputs:,} agree, {self.differ:,} differ, {self.undecided:,} undecided"
        at = self.shortest
        if at is None:
            return counts
        return (
            f"{counts}; shortest: on {inputs_shown(at.inputs)} {self.first} {at.first!r}, {self.second} {at.second!r}"
        )

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        at = self.shortest
        shortest = None if at is None else {"inputs": at.inputs, self.first: at.first, self.second: at.second}
        return {
            "between": [self.first, self.second],
            "agree": self.agree,
            "differ": self.differ,
            "undecided": self.undecided,
            "shortest": shortest,
        }


@dataclass(frozen=True)
class Sides:
    """Of the inputs on which program and circuit differ: with whom the model agrees; ``undecided``: it has no label."""

    circuit: int
    program: int
    neither: int
    undecided: int

    @property
    def total(self) -> int:
        """On how many program and circuit differ."""
        return self.circuit + self.program + self.neither + self.undecided


@dataclass(frozen=True)
class Edits:
    """Pairs of sequences that differ in one token and in the circuit's label.

    ``alike``: the model gives both the circuit's labels; ``otherwise``: it gives them two others, not both the
    circuit's; ``unchanged``: one and the same; ``undecided``: it has no label for one of them.
    """

    alike: int
    otherwise: int
    unchanged: int
    undecided: int

    @property
    def total(self) -> int:
        """How many such pairs there are."""
        return self.alike + self.otherwise + self.unchanged + self.undecided


@dataclass(frozen=True)
class Against:
    """Program, circuit and the network ``model`` on every input of ``domain``; ``pairs``: one of each two.

    ``broken``: the counterexample to the program beyond what was listed, and the model's label there.
    """

    model: Loaded
    domain: Domain
    what: str
    semantics: Semantics
    is_bounded: bool
    pairs: tuple[Pair, ...]
    all_agree: int
    sides: Sides | None
    edits: Edits | None
    broken: tuple[Inputs, str | None] | None

    @property
    def inputs(self) -> int:
        """How many were compared."""
        return self.pairs[0].inputs

    @property
    def meaning(self) -> str:
        """The arithmetic in which all labels hold."""
        return MEANING[self.semantics] if self.is_bounded else "arithmetic as this machine executed it"


def network_voice(name: str, found: Enumeration, names: Names, least: float = 0.0) -> Voice:
    """What a network says, where its guaranteed margin is at least ``least``."""
    readout, parts = found.loaded.readout, []
    for part in found.lengths:
        given = np.unique(part.labels)
        numbers = np.array([NOTHING if n == UNDECIDED else names.of(label_name(readout, int(n))) for n in given])
        labels = numbers.astype(np.int64)[np.searchsorted(given, part.labels)]
        parts.append(np.where(part.margins >= least, labels, NOTHING))
    return Voice(name, tuple(parts))


def program_voice(name: str, program: Program, table: LabelTable, names: Names) -> Voice:
    """What a program says of the inputs of ``table``: it is never undecided."""
    given = np.array([*(names.of(str(label)) for label in program.grammar.sequences.labels), OTHER])
    parts = []
    for part in table.enumeration.lengths:
        batch = batch_of(part.sequences, table.is_placed)
        said = program.run(batch) if batch.examples else np.zeros(0, np.int64)
        parts.append(given[np.where(said < 0, -1, said)].reshape(part.labels.shape))
    return Voice(name, tuple(parts))


def paired(first: Voice, second: Voice, listed: tuple[Tokens, ...], domain: Domain, names: Names) -> Pair:
    """How two of them compare on sequences ``listed`` by length, as far as both go."""
    agree = differ = undecided = 0
    shortest = None
    for a, b, sequences in zip(first.labels, second.labels, listed, strict=False):
        is_open = (a == NOTHING) | (b == NOTHING)
        wrong = ~is_open & (a != b)
        agree, differ, undecided = (
            agree + int((~is_open & ~wrong).sum()),
            differ + int(wrong.sum()),
            undecided + int(is_open.sum()),
        )
        if shortest is None and wrong.any():
            at = tuple(int(n) for n in np.argwhere(wrong)[0])
            words = domain.words(sequences[at[0]])
            inputs: Inputs = (words, at[1]) if len(at) == 2 else words
            shortest = Disagreement(inputs, names.text(int(a[at])), names.text(int(b[at])))
    return Pair(first.name, second.name, agree, differ, undecided, shortest)


def against(
    table: LabelTable,
    program: Program | None,
    broken: Inputs | None,
    model: Loaded,
    seconds: float,
) -> Against:
    """``model`` beside the circuit whose labels ``table`` holds and the ``program`` found for it.

    On all that was listed, or up to the longest length that ``seconds`` allow. Raises NetworkError for a model over
    another alphabet, or with another kind of label.
    """
    found = table.enumeration
    if set(model.domain.alphabet) != set(table.domain.alphabet):
        raise NetworkError(
            f"{model.name}: expected a network over the same tokens, {' '.join(table.domain.alphabet)!r}, got "
            f"{' '.join(model.domain.alphabet)!r}; name them (alphabet)"
        )
    if model.readout.position != found.loaded.readout.position:
        raise NetworkError(f"{model.name}: expected labels of the same inputs, {table.what}")
    model = replace(model, domain=table.domain)
    semantics = _weaker(found.semantics, model)
    deadline = time.perf_counter() + seconds
    other = enumerate_within(model, table.domain, seconds, semantics=semantics)
    if other.undecided and semantics == "float32":  # labels in float32 are labels in float64 too
        other, semantics = in_float64(other, deadline=deadline), "float64"
    lengths = len(other.lengths)
    assert all(np.array_equal(a.sequences, b.sequences) for a, b in zip(found.lengths, other.lengths, strict=False))
    names, listed = Names(), tuple(part.sequences for part in found.lengths[:lengths])
    voices = [network_voice(CIRCUIT, found, names, table.margin), network_voice(MODEL, other, names)]
    if program is not None:
        voices.insert(0, program_voice(PROGRAM, program, table, names))
    voices = [Voice(voice.name, voice.labels[:lengths]) for voice in voices]
    by_name = {voice.name: voice for voice in voices}
    stacked = [np.stack([voice.labels[n] for voice in voices]) for n in range(lengths)]
    return Against(
        model=model,
        domain=other.domain,
        what=table.what,
        semantics=semantics,
        is_bounded=found.is_bounded and other.is_bounded,
        pairs=tuple(paired(*two, listed, table.domain, names) for two in combinations(voices, 2)),
        all_agree=sum(int(((part == part[0]) & (part != NOTHING)).all(axis=0).sum()) for part in stacked),
        sides=None if program is None else _sides(by_name, lengths),
        edits=_edits(by_name, listed, len(table.domain.alphabet)),
        broken=None if broken is None else (broken, _label_at(model, broken, semantics)),
    )


def _weaker(semantics: Semantics, model: Loaded) -> Semantics:
    """The arithmetic in which both can be bounded."""
    is_float64 = getattr(model.network, "dtype", "float64") == "float64"
    return "float64" if semantics == "float32" and is_float64 else semantics


def _sides(voices: Mapping[str, Voice], lengths: int) -> Sides:
    circuit = program = neither = undecided = 0
    for n in range(lengths):
        p, c, m = (voices[name].labels[n] for name in (PROGRAM, CIRCUIT, MODEL))
        at = (p != c) & (c != NOTHING) & (p != NOTHING)
        circuit += int((at & (m == c)).sum())
        program += int((at & (m == p)).sum())
        undecided += int((at & (m == NOTHING)).sum())
        neither += int((at & (m != c) & (m != p) & (m != NOTHING)).sum())
    return Sides(circuit, program, neither, undecided)


def _edits(voices: Mapping[str, Voice], listed: tuple[Tokens, ...], tokens: int) -> Edits | None:
    """Every change of one token for a later one; None where sequences are too long to be numbered."""
    if listed and tokens ** max(part.shape[1] for part in listed) > MOST_KEYS:
        return None
    counts = np.zeros(4, np.int64)
    for n, sequences in enumerate(listed):
        circuit, model = _whole(voices[CIRCUIT].labels[n], voices[MODEL].labels[n])
        powers = tokens ** np.arange(sequences.shape[1] - 1, -1, -1, dtype=np.int64)
        keys = sequences @ powers  # sorted, as the sequences are
        for place, power in enumerate(powers):
            for step in range(1, tokens):
                rows = np.flatnonzero(sequences[:, place] + step < tokens)
                wanted = keys[rows] + step * power
                found = np.searchsorted(keys, wanted)
                is_there = found < len(keys)
                is_there[is_there] = keys[found[is_there]] == wanted[is_there]
                here, there = rows[is_there], found[is_there]
                flips = (circuit[here] != circuit[there]) & (circuit[here] >= 0) & (circuit[there] >= 0)
                here, there = here[flips], there[flips]
                is_open = (model[here] < 0) | (model[there] < 0)
                alike = ~is_open & (model[here] == circuit[here]) & (model[there] == circuit[there])
                same = ~is_open & (model[here] == model[there])
                counts += [alike.sum(), (~is_open & ~alike & ~same).sum(), same.sum(), is_open.sum()]
    return Edits(*(int(count) for count in counts))


def _whole(circuit: NDArray[np.int64], model: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One number a sequence: its label, or of labels at every place the number of them all; -1 where one is open."""
    if circuit.ndim == 1:
        return circuit, model
    both = np.concatenate([circuit, model])
    _, number = np.unique(both, axis=0, return_inverse=True)
    numbers = np.where((both == NOTHING).any(axis=1), NOTHING, number.reshape(len(both)))
    return numbers[: len(circuit)], numbers[len(circuit) :]


def _label_at(model: Loaded, inputs: Inputs, semantics: Semantics) -> str | None:
    """The model's label of one input, in any arithmetic; None where it has none, or takes no sequence so long."""
    is_placed = len(inputs) == 2 and isinstance(inputs[0], tuple)
    words, place = inputs if is_placed else (inputs, None)
    if len(words) + len(model.prefix) + len(model.suffix) > model.network.longest:
        return None
    row = np.array([[model.domain.alphabet.index(word) for word in words]], np.int8).reshape(1, len(words))
    labels, _ = answers_of(model, row, semantics)
    label = int(labels[0] if place is None else labels[0, place])
    return None if label == UNDECIDED else label_name(model.readout, label)


# --- in words ---------------------------------------------------------------------------------------------------


def inputs_shown(inputs: Inputs) -> str:
    """An input for a reader."""
    match inputs:
        case (tuple() as words, int() as place):
            return f"{' '.join(words)!r} at {place}"
    return repr(" ".join(inputs))


def against_lines(found: Against) -> list[str]:
    """What was found, for people."""
    rung = "enumerated" if found.is_bounded else "tested"
    where = inputs_text(found.domain, found.inputs, found.what)
    lines = ["", f"Against {found.model.reference}, on all {where}, in {found.meaning} (rung {rung}):"]
    lines += [f"  {pair.first} and {pair.second}: {pair.text}" for pair in found.pairs]
    lines += [f"  all of them agree on {found.all_agree:,} of {found.inputs:,}"]
    sides, edits = found.sides, found.edits
    if sides is not None and sides.total:
        lines += [
            f"  where program and circuit differ ({sides.total:,}), the model sides with the circuit on "
            f"{sides.circuit:,}, with the program on {sides.program:,}, with neither on {sides.neither:,}; "
            f"{sides.undecided:,} undecided"
        ]
    if edits is not None and edits.total:
        lines += [
            f"  of {edits.total:,} edits of one token that change the circuit's label, {edits.alike:,} change the "
            f"model's alike, {edits.otherwise:,} otherwise, {edits.unchanged:,} not at all; "
            f"{edits.undecided:,} undecided"
        ]
    if found.broken is not None:
        inputs, label = found.broken
        said = "has no label there" if label is None else f"says {label!r}"
        lines += [f"  on what breaks the program, {inputs_shown(inputs)}, the model {said}"]
    return lines


def against_json(found: Against) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "network": found.model.name,
        "format": found.model.format,
        "lengths": [found.domain.min_length, found.domain.max_length],
        "inputs": found.inputs,
        "semantics": found.meaning,
        "rung": "enumerated" if found.is_bounded else "tested",
        "pairs": [pair.as_json() for pair in found.pairs],
        "all_agree": found.all_agree,
        "where_program_and_circuit_differ": None if found.sides is None else vars(found.sides),
        "edits": None if found.edits is None else vars(found.edits),
        "broken": None if found.broken is None else {"inputs": found.broken[0], "model": found.broken[1]},
    }
