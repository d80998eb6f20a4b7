"""What a program must equal: the labels an enumeration proved, as a verifier and as a grammar to search.

A read-out at the last position asks for a function of the sequence (``motifs``, and fixed places where every sequence
is long enough to have them); one at every position for a function of a sequence and a place in it (``places``). Inputs
without a label are neither right nor wrong: a program is compared wherever there is one, and the claim says how many
there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis import Claim, Counterexample, Domain, DomainError, GrammarError, Program, Rung, Valid
from cegis.claim import counted, least_margin
from dsl.abstraction.learned import Learned
from dsl.grammar import Grammar
from dsl.grammars.positions import PlacedBatch, fixed_places, places
from dsl.sequences import Label, SequenceBatch
from dsl.showing import brief
from tasks.formats import BlackBox, Loaded
from tasks.networks.conditions import conditions
from tasks.networks.readout import UNDECIDED, Argmax, label_name
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.functions import is_run, qualified
from tasks.pipeline.languages import Language, check_text, grammar_in
from tasks.proofs.enumeration import FIRST, Enumeration, Semantics, enumerate_within, in_float64, shortened
from tasks.proofs.select import Way

Inputs = tuple[Any, ...]  # a sequence of token names, or such a sequence and a place in it
FIXED_PLACES = 8  # of a sequence that always has so many tokens
MOST_SEQUENCES = 2_400_000  # that are listed to search programs on: all words of 20 of two letters, of 13 of three
USUAL_SEQUENCES = 200_000  # of the domain that is taken where the caller names none
FEW_SEQUENCES = 20_000  # of those that a program is searched on, to be followed to longer ones
USUAL_MARGIN = 1e-4  # what a compiled network leaves where it was given no answer is smaller
TIMED = 2_000  # words of a recurrent network that tell how long all of them take
SLOWER = 2.0  # times as long: float32 is left out where listing has not the time for it
RESERVED = 0.5  # of the time for listing words, for float64, at most
SHORTEST = 2.0  # times the share of listing, for the shortest sequences: without them there is nothing
MOST_PRINTED = 50_000  # inputs on which the text of a program in a language of one's own is run
FEW_NAMES = 8  # of outputs: programs may give each of them, whether it occurs or not
SLACK = 1e-5  # of a margin; a certificate's may be off by a tenth of it (``certificates.recheck``)


@dataclass(frozen=True)
class Part:
    """Inputs of one length and the index of the label of each, -1 where there is none."""

    batch: SequenceBatch
    expected: NDArray[np.int64]

    __repr__ = brief


@dataclass(frozen=True)
class LabelTable:
    """``names`` are the labels that occur, in the order of ``expected``; ``parts`` one per length, shortest first."""

    enumeration: Enumeration
    names: tuple[str, ...]
    parts: tuple[Part, ...]
    margin: float
    own_grammar: Grammar | None = None
    motifs: Learned | None = None  # added to the grammars that ship

    __repr__ = brief

    @classmethod
    def of(cls, enumeration: Enumeration, margin: float = 0.0, grammar: Language | None = None) -> LabelTable:
        """The labels with a guaranteed margin of at least ``margin``, for programs of ``grammar`` (default: ours).

        Raises NetworkError when there are none, DomainError for a grammar over other tokens or without a label that
        occurs.
        """
        kept = [
            np.where((part.labels == UNDECIDED) | (part.margins < margin), UNDECIDED, part.labels).ravel()
            for part in enumeration.lengths
        ]
        found = np.unique(np.concatenate(kept))
        found = found[found != UNDECIDED]
        if not len(found):
            raise NetworkError(
                f"{enumeration.loaded.name}: no sequence has a label (ties, or margins below the error bound of "
                f"{enumeration.radius:.2g} or below {margin:g}); ask for real semantics, or for a smaller margin"
            )
        readout = enumeration.loaded.readout
        if isinstance(readout, Argmax) and len(readout.names) <= FEW_NAMES:  # a longer sequence may have any of them
            found = np.arange(len(readout.names))
        names = tuple(label_name(readout, int(label)) for label in found)
        parts = []
        for answers, labels in zip(enumeration.lengths, kept, strict=True):
            index = np.where(labels == UNDECIDED, -1, np.searchsorted(found, labels))
            parts.append(Part(batch_of(answers.sequences, answers.labels.ndim == 2), index))
        own, learned = None, grammar if isinstance(grammar, Learned) else None
        if grammar is not None and not isinstance(grammar, Learned):
            loaded = enumeration.loaded
            own = grammar_in(grammar, enumeration.domain, names, loaded.readout.position == "every", loaded.name)
        return cls(enumeration, names, tuple(parts), margin, own, learned)

    @property
    def domain(self) -> Domain:
        """What was listed."""
        return self.enumeration.domain

    @property
    def is_placed(self) -> bool:
        """Whether an input is a sequence and a place in it."""
        return self.enumeration.loaded.readout.position == "every"

    @property
    def size(self) -> int:
        """How many inputs have a label."""
        return sum(int((part.expected >= 0).sum()) for part in self.parts)

    @property
    def undecided(self) -> int:
        """How many inputs have none."""
        return sum(int((part.expected < 0).sum()) for part in self.parts)

    def counts(self) -> dict[str, int]:
        """How often each label occurs that does."""
        every = np.concatenate([part.expected for part in self.parts])
        found, times = np.unique(every[every >= 0], return_counts=True)
        return {self.names[label]: int(count) for label, count in zip(found, times, strict=True)}

    @property
    def margins(self) -> NDArray[np.float64]:
        """The guaranteed margin of every input that has a label, shortest first: none of rounding is left in it."""
        pairs = zip(self.enumeration.lengths, self.parts, strict=True)
        return np.concatenate([answers.margins.ravel()[part.expected.ravel() >= 0] for answers, part in pairs])

    @cached_property
    def least_margin(self) -> float:
        """The least of the margins."""
        return float(self.margins.min(initial=np.inf))

    @property
    def conditions(self) -> str:
        """Tokens, prompt and read-out in words."""
        return conditions(self.enumeration.loaded, self.domain)

    @property
    def what(self) -> str:
        """What an input is."""
        return "pairs of a sequence and a place" if self.is_placed else "sequences"

    @cached_property
    def grammar(self) -> Grammar:
        """The programs that are searched."""
        return self.own_grammar or self._learned(grammar_of(self.domain, self.names, self.is_placed))

    @cached_property
    def followed(self) -> Grammar:
        """The part of ``grammar`` whose programs can be followed beyond what is listed, where they can be at all."""
        if self.own_grammar is not None:
            return self.own_grammar
        if self.is_placed:
            return self._learned(places(self.domain.alphabet, self.names, with_letters=False))
        return self._learned(_grammar_of_sequences(self.domain, self.names))

    @property
    def grammars(self) -> tuple[tuple[str, Grammar], ...]:
        """What is searched, in words, one after the other; each is a part of ``grammar``."""
        if self.own_grammar is not None:
            return (("your grammar", self.own_grammar),)
        if self.is_placed:
            short = places(self.domain.alphabet, self.names, with_loops=False, with_letters=False)
            return ("what is near a place", self._learned(short)), ("all of a sequence and a place", self.followed)
        tokens = _grammar_of_sequences(self.domain, self.names, with_tokens=True)
        return ("what can be followed", self.followed), ("all of a sequence", self._learned(tokens))

    def _learned(self, grammar: Grammar) -> Grammar:
        """``grammar`` with the learned motifs, if there are any."""
        return grammar if self.motifs is None else self.motifs.added(grammar)

    @property
    def is_float32(self) -> bool:
        """Whether the labels hold in float32 as executed."""
        return self.enumeration.semantics == "float32"

    @property
    def in_float64(self) -> LabelTable:
        """The same labels, said to hold in real arithmetic and float64 as executed alone."""
        return replace(self, enumeration=replace(self.enumeration, semantics="float64"))

    def renamed(self, names: tuple[str, ...], expected: tuple[NDArray[np.int64], ...]) -> LabelTable:
        """The same inputs with other labels."""
        parts = tuple(Part(part.batch, labels) for part, labels in zip(self.parts, expected, strict=True))
        return replace(self, names=names, parts=parts, own_grammar=None)

    def inputs(self, part: Part, row: int) -> Inputs:
        """One input by its names."""
        return next(self._inputs(part, np.array([row])))

    def check_text(self, program: Program) -> None:
        """Raise GrammarError where the printed text of ``program`` is not what runs: its operators are the user's own.

        Of many inputs some are looked at, evenly of each length.
        """
        step = max(1, sum(part.batch.examples for part in self.parts) // MOST_PRINTED)
        for part in self.parts:
            rows = (self.inputs(part, row) for row in range(0, part.batch.examples, step))
            check_text(program, ((row if self.is_placed else (row,)) for row in rows))

    def first(self) -> tuple[Inputs, str]:
        """The first input that has a label, and that label."""
        for part in self.parts:
            for row in np.flatnonzero(part.expected >= 0)[:1]:
                return self.inputs(part, int(row)), self.names[part.expected[row]]
        raise AssertionError("a label table has at least one label")

    def up_to(self, length: int) -> LabelTable:
        """The part of it up to a length; raises NetworkError where that has no label."""
        kept = [n for n, longest in enumerate(self.domain.lengths) if longest <= length]
        answers, parts = tuple(self.enumeration.lengths[n] for n in kept), tuple(self.parts[n] for n in kept)
        if not any((part.expected >= 0).any() for part in parts):
            raise NetworkError(f"{self.enumeration.loaded.name}: no sequence up to length {length} has a label")
        part = replace(self.enumeration, domain=self.domain.up_to(length), lengths=answers)
        return replace(self, enumeration=part, parts=parts)

    # --- as a verifier ------------------------------------------------------------------------------------------

    def check(self, program: Program) -> Valid | Counterexample:
        """Valid where every label is that of the program; else the first, shortest input where it is not.

        Raises GrammarError where the text of a program in a language of the user's own is not what runs.
        """
        start = time.perf_counter()
        for exception in self._exceptions(program):
            return exception
        if self.own_grammar is not None and not is_run(program):
            self.check_text(program)
        return Valid((qualified(self._claim(time.perf_counter() - start), program),))

    def exceptions(self, program: Program) -> tuple[Counterexample, ...]:
        """Every input with a label that is not the program's, shortest first."""
        return tuple(self._exceptions(program))

    def count_exceptions(self, program: Program, most: float = inf) -> int:
        """How many there are; where they are more than ``most``, a number above that, which is sooner known."""
        count = 0
        for part in reversed(self.parts):  # most of them are long
            count += len(self._wrong(program, part))
            if count > most:
                break
        return count

    def closest(self, programs: Sequence[Program]) -> Program:
        """The program with the fewest exceptions, the first of several; counted from the last, which is likely that."""
        best, fewest = programs[-1], inf
        for program in reversed(programs):
            count = self.count_exceptions(program, fewest)
            if count <= fewest:
                best, fewest = program, count
        return best

    def _exceptions(self, program: Program) -> Iterator[Counterexample]:
        given, with_tokens, is_running = program.grammar.sequences.labels, None, is_run(program)
        for part in self.parts:
            wrong = self._wrong(program, part)
            got = program.run(part.batch)[wrong] if len(wrong) else wrong
            named = (self._inputs(part, wrong[some]) for some in (slice(1), slice(1, None)))  # often one is asked for
            for inputs, expected, label in zip(
                chain.from_iterable(named), part.expected[wrong].tolist(), got.tolist(), strict=True
            ):
                answer = given[label] if label >= 0 else None
                if is_running and answer is None:  # it may say what is no label
                    answer = program(*inputs) if self.is_placed else program(inputs)
                elif answer is None and self.own_grammar is None:
                    with_tokens = with_tokens or self._with_tokens(program)
                    answer = with_tokens(*inputs) if self.is_placed else with_tokens(inputs)
                yield Counterexample(inputs, self.names[expected], answer)

    def _inputs(self, part: Part, rows: NDArray[np.int64]) -> Iterator[Inputs]:
        """Inputs by their names: all at once, since there may be very many."""
        alphabet, batch = np.array(self.domain.alphabet, object), part.batch
        words = map(tuple, alphabet[batch.tokens[rows]].tolist())
        return zip(words, batch.place[rows].tolist(), strict=True) if isinstance(batch, PlacedBatch) else words

    def _with_tokens(self, program: Program) -> Program:
        """The same program, read where tokens that are no labels count as labels: what it gives can be told."""
        labels = dict.fromkeys((*program.grammar.sequences.labels, *self.domain.alphabet))
        try:
            return Program.parse(program.source(), grammar_of(self.domain, tuple(map(str, labels)), self.is_placed))
        except GrammarError:
            return program

    def _wrong(self, program: Program, part: Part) -> NDArray[np.int64]:
        """Rows with a label that is not the program's, by name: the program may have names of its own."""
        if not part.batch.examples:
            return np.zeros(0, np.int64)
        given = program.grammar.sequences
        if given.alphabet != self.domain.alphabet:
            raise DomainError(f"expected a program over {self.domain.alphabet}, got one over {given.alphabet}")
        expected = part.expected
        if given.labels != self.names:
            index = {name: n for n, name in enumerate(given.labels)}
            expected = np.array([*(index.get(name, UNDECIDED) for name in self.names), UNDECIDED])[expected]
        return np.flatnonzero((program.run(part.batch) != expected) & (part.expected >= 0))

    def _claim(self, seconds: float) -> Claim:
        enumeration = self.enumeration
        where = f" wherever it has a label ({self.undecided:,} inputs have none)" if self.undecided else ""
        return Claim(
            Rung.ENUMERATED if enumeration.is_bounded else Rung.TESTED,
            f"{enumeration.loaded.reference}{where}",
            enumeration.meaning,
            enumeration.domain,
            network_method(self.least_margin, enumeration.is_bounded),
            self.size,
            seconds,
            enumeration.assumption,
            self.conditions,
            self.what,
        )


def grammar_of(domain: Domain, names: tuple[str, ...], is_placed: bool = False) -> Grammar:
    """The grammar that ships for labels called ``names`` on ``domain``."""
    if is_placed:
        return places(domain.alphabet, names)
    return _grammar_of_sequences(domain, names, with_tokens=True, with_letters=True)


@lru_cache(8)
def _grammar_of_sequences(domain: Domain, names: tuple[Label, ...], **more: bool) -> Grammar:
    least = domain.min_length
    return fixed_places(domain.alphabet, names, least, min(least, FIXED_PLACES), **more)


def network_method(margin: float, is_bounded: bool = True) -> str:
    """How the network was compared; its margin is what any machine finds, which may sum in another order."""
    how = "bounded" if is_bounded else "run"
    return f"network {how} on every sequence, {least_margin(margin * (1 - SLACK), is_bounded)}"


def length_of(inputs: Inputs) -> int:
    """How long the sequence of an input is."""
    match inputs:
        case (tuple() as tokens, int()):
            return len(tokens)
    return len(inputs)


def batch_of(sequences: NDArray[np.int8], is_placed: bool) -> SequenceBatch:
    """The inputs that sequences (count, length) are: each, or each with every place in it."""
    count, length = sequences.shape
    if not is_placed:
        return SequenceBatch(sequences)
    return PlacedBatch(np.repeat(sequences, length, axis=0), np.tile(np.arange(length), count))


def usual_domain(model: Loaded) -> Domain:
    """The network's own domain, up to the largest length that has at most ``USUAL_SEQUENCES`` sequences."""
    return shortened(model.domain, USUAL_SEQUENCES)


def usual_margin(model: Loaded) -> float:
    """None for a network whose answers are trained, ``USUAL_MARGIN`` for one that may be compiled."""
    return 0.0 if model.format == "circuit" else USUAL_MARGIN


def listed_part(model: Loaded, asked: Domain, way: Way | str) -> Domain:
    """The part of ``asked`` that is listed: all of it, or of one that is too large a small part to begin with.

    ``way``: how longer sequences can be compared, or why they cannot. Raises DomainError where too many are shortest.
    """
    if asked.size() <= MOST_SEQUENCES:
        return asked
    part = shortened(asked, FEW_SEQUENCES if isinstance(way, Way) else MOST_SEQUENCES)
    if part.size() > MOST_SEQUENCES:
        raise DomainError(
            f"{model.name}: {counted(part.size())} sequences of length {part.max_length}, the shortest asked for, are "
            f"too many to list (limit {MOST_SEQUENCES:,}), and programs are searched on what is listed; begin with a "
            "shorter length"
        )
    return part


def labelled(
    model: Loaded,
    domain: Domain,
    semantics: Semantics | None,
    margin: float | None,
    seconds: float,
    grammar: Language | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[LabelTable, tuple[str, ...]]:
    """The labels of ``domain`` as far as ``seconds`` allow, and what to say of them.

    With ``semantics`` None in the strongest arithmetic that loses none: float32 where the network is one of float32 and
    rounding is bounded well enough in time; else what float32 leaves without a label is bounded in float64 as well.
    """
    least = usual_margin(model) if margin is None else margin
    network = model.network
    is_free = semantics is None and not isinstance(network, BlackBox) and network.dtype == "float32"
    if is_free and isinstance(network, Recurrent):
        found, notes = _of_both(model, domain, least, seconds, on_progress)
    else:
        found, notes = _of_one(model, domain, "float32" if is_free else semantics, is_free, least, seconds, on_progress)
    return LabelTable.of(found, least, grammar), model.notes + notes


Progress = Callable[[int, int], None]


def _of_one(
    model: Loaded,
    domain: Domain,
    semantics: Semantics | None,
    is_free: bool,
    least: float,
    seconds: float,
    on_progress: Progress,
) -> tuple[Enumeration, tuple[str, ...]]:
    """All in one arithmetic: in ``semantics``; where it ``is_free``, in float64 if float32 loses labels or time."""
    deadline, notes = time.perf_counter() + seconds, tuple[str, ...]()
    short = shortened(domain, FIRST)
    first = enumerate_within(model, short, SHORTEST * seconds, semantics=semantics, on_progress=on_progress)
    if is_free:
        weaker = in_float64(first, least, deadline)
        lost = _labels(weaker, least) - _labels(first, least)
        if lost:
            size, first = _labels(weaker, least), weaker
            notes = (f"in float32 as executed, rounding is not bounded well enough for {lost:,} of the first {size:,}",)
        elif first.seconds * domain.size() > (deadline - time.perf_counter()) * first.domain.size():
            other = enumerate_within(model, first.domain, seconds, semantics="float64")  # tighter bounds take longer
            if other.seconds * SLOWER < first.seconds:
                first = other
                notes = ("float32 execution was not bounded in time; ask for it with --semantics float32",)
    left = deadline - time.perf_counter()
    found = enumerate_within(model, domain, left, semantics=first.semantics, first=first, on_progress=on_progress)
    if found.semantics == "float32" and is_free:
        weaker = in_float64(found, least, deadline)
        kept, size = _labels(found, least), _labels(weaker, least)
        if size > kept:
            found = weaker
            notes += (f"in float32 as executed, rounding is bounded well enough for {kept:,} of the {size:,} labels",)
    return found, notes


def _of_both(
    model: Loaded, domain: Domain, least: float, seconds: float, on_progress: Progress
) -> tuple[Enumeration, tuple[str, ...]]:
    """Words of a recurrent network in float32, whose labels hold in float64 too; in float64 where that gives more.

    Float32 takes longer, the more so the longer words are, so it leaves the time that float64 is expected to take.
    """
    deadline, short = time.perf_counter() + seconds, shortened(domain, TIMED)
    first = enumerate_within(model, short, SHORTEST * seconds, semantics="float64")
    needed = SLOWER * first.seconds * domain.size() / max(first.domain.size(), 1)
    strong = enumerate_within(model, short, SHORTEST * seconds, semantics="float32", on_progress=on_progress)
    left = deadline - time.perf_counter()
    strong = enumerate_within(
        model, domain, left - min(needed, RESERVED * left), semantics="float32", first=strong, on_progress=on_progress
    )
    if strong.domain.lengths == domain.lengths and _labels(strong, least) == strong.size:
        return strong, ()
    left = deadline - time.perf_counter()
    wide = enumerate_within(model, domain, left, semantics="float64", first=first, on_progress=on_progress)
    kept, size, longest = _labels(strong, least), _labels(wide, least), _decided_up_to(strong, least)
    if size <= kept:
        return strong, ()
    whole = "" if longest is None else f", among them all up to length {longest}"
    return wide, (
        f"in float32 as executed, rounding was bounded well enough in time for {kept:,} of the {size:,} labels{whole}. "
        "Give more time, or ask for it alone with --semantics float32",
    )


def _labels(enumeration: Enumeration, margin: float) -> int:
    """How many labels have a guaranteed margin of at least ``margin``."""
    return sum(int(((part.labels != UNDECIDED) & (part.margins >= margin)).sum()) for part in enumeration.lengths)


def _decided_up_to(found: Enumeration, least: float) -> int | None:
    """The longest length up to which every sequence has a label with that margin; None where there is none."""
    if not isinstance(found.loaded.network, Recurrent):
        return None
    reached = None
    for length, part in zip(found.domain.lengths, found.lengths, strict=True):
        if ((part.labels == UNDECIDED) | (part.margins < least)).any():
            return reached
        reached = length
    return reached


def described(table: LabelTable) -> str:
    """The table in one line."""
    enumeration = table.enumeration
    what = "sequences and places" if table.is_placed else "sequences"
    counts = table.counts()
    shares = ", ".join(f"{name!r} {count:,}" for name, count in list(counts.items())[:FEW_NAMES])
    more = f" and {len(counts) - FEW_NAMES} labels more" if len(counts) > FEW_NAMES else ""
    least = f"{least_margin(table.least_margin, enumeration.is_bounded)}, error bound {enumeration.radius:.1e}"
    without = f"; {table.undecided:,} without a label (a tie, or a smaller margin)" if table.undecided else ""
    only = f"; only one label occurs, {next(iter(counts))!r}" if len(counts) == 1 else ""
    rows = f"{enumeration.classes:,} distinct computations"
    rate = ""
    if isinstance(enumeration.loaded.network, Recurrent) and enumeration.seconds > 0:
        words = sum(len(part.sequences) for part in enumeration.lengths)
        rate = f"; {float(f'{words / enumeration.seconds:.2g}'):,.0f} sequences a second"
    return f"{table.size:,} {what} with a label, {rows}; {shares}{more}; {least}{without}{only}{rate}"
