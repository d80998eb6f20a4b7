"""Prove "program = circuit" up to lengths that nobody can enumerate, where attention ignores the order of tokens.

Without positions, and with one layer that attends, the logits depend on the token counts and the last token alone
(``count_bounds``). Sequences fall into polynomially many classes of equal counts, last token and program states
(``parikh``), and the claim is checked class by class, shortest length first:

    every class of every length up to N has one label of the network, by a bound that holds in every arithmetic named,
    and the program gives that label in every state the class can reach.

Labels are made once per circuit and domain (``census``). A class where the two differ becomes a sequence, which is
run through program and network itself before it is called a counterexample. A network without positions is the same
formula at every length, so lengths beyond the ``block_size`` in its file are meant, too; a claim that reaches that far
says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cegis import Claim, Domain, Rung
from cegis.claim import least_margin
from dsl.meaning import Ints
from dsl.sequences import Label
from tasks.automata.parikh import Classes, Level, unique
from tasks.automata.program_states import Folded, UncountableError
from tasks.formats import Loaded, model_of
from tasks.networks.circuit import Circuit
from tasks.networks.readout import label_name
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.census import Census
from tasks.proofs.count_bounds import obstacle
from tasks.proofs.enumeration import ROUNDOFF, Semantics, usual_semantics
from tasks.proofs.verifier import NOTHING, Cause, Comparison, Extent, Listed, StopReason

WHY = "attention ignores the order of tokens"
TOGETHER = 2_000  # classes of one or more lengths whose labels are found at once

NO_CODES = np.zeros(0, np.int64)

Levels = list[tuple[Classes, Level]]


def counting_verifier(
    network: Circuit | Loaded,
    domain: Domain,
    *,
    semantics: Semantics | None = None,
    seconds: float | None = None,
    on_length: Callable[[int, int], None] = lambda length, longest: None,
) -> CountingVerifier | str:
    """The verifier by counting for ``network`` on a bounded ``domain``, or the reason why there is none.

    Raises NetworkError for another alphabet than the network's, DomainError for a domain without sequences.
    """
    model = model_of(network)
    against = obstacle(model, ROUNDOFF[semantics or usual_semantics(model)])
    return against or CountingVerifier(model, domain, semantics, seconds, on_length)


@dataclass
class CountingVerifier(Listed):
    """Compares programs with a network on every sequence of ``domain``; see ``counting_verifier``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.semantics is not None
        if hindered := obstacle(self.model, ROUNDOFF[self.semantics]):
            raise NetworkError(f"{self.model.name}: its sequences cannot be counted ({hindered}); list them instead")
        self._census = Census(self.model, self.domain.lengths[-1], ROUNDOFF[self.semantics], self.least)

    @property
    def method(self) -> str:
        """How the two are compared, and why that is enough."""
        return f"{WHY}: {len(self.domain.alphabet)} token counts and the last token decide the logits"

    def claims(self, found: Extent) -> tuple[Claim, ...]:
        """What is proved by ``found``: nothing, or equality up to the length ``found.equal_up_to``."""
        if found.equal_up_to < self.domain.min_length or not self.domain.up_to(found.equal_up_to).size():
            return ()
        domain, census = self.domain.up_to(found.equal_up_to), self._census
        boxes = f", {census.boxes:,} boxes of counts" if census.boxes else ""
        method = f"{self.method}; {found.classes:,} classes{boxes}, {least_margin(census.margin)}"
        seen = {label_name(self.model.readout, label) for label in census.seen}
        return (
            Claim(
                Rung.BOUNDED,
                self.model.reference,
                self.meaning,
                domain,
                method,
                domain.size(),
                found.seconds,
                self.detail(found.equal_up_to, seen),
                self.conditions(domain),
            ),
        )

    def compare(self, comparison: Comparison) -> None:
        """Compare every class, shortest first, until something ends it."""
        try:
            _Counted(self, comparison).run()
        except UncountableError as error:
            comparison.stopped = StopReason(Cause.TOO_MANY_STATES, str(error))

    def labels(self, codes: Ints, plane: int, last: int, length: int, names: tuple[Label, ...]) -> Ints:
        """Labels (classes,) of sorted class codes, as indices into ``names``; see ``places``."""
        vectors, asked = codes % plane, _vectors(codes, plane)
        labels = self.places(names, self._census.labels(asked, last, length, self.check_time))
        self.boxes, self.margin = self._census.boxes, self._census.margin
        return labels[np.searchsorted(asked, vectors)]

    def prepare(self, block: Sequence[Levels]) -> None:
        """Find the labels of several lengths at once."""
        for last in range(len(self.domain.alphabet)):
            ends = [(classes, level, level.ends.get(last, NO_CODES)) for levels in block for classes, level in levels]
            asked = [(level.length, _vectors(codes, classes.plane)) for classes, level, codes in ends if len(codes)]
            self._census.prepare(asked, last, self.check_time)


def _vectors(codes: Ints, plane: int) -> Ints:
    """The different count vectors of sorted class codes."""
    return codes if codes[-1] < plane else unique(codes % plane)


class _Counted:
    """One comparison by classes."""

    def __init__(self, verifier: CountingVerifier, comparison: Comparison) -> None:
        self._verifier, self._found = verifier, comparison
        self._names = comparison.program.grammar.sequences.labels

    def run(self) -> None:
        """Compare every class, shortest first, until something ends it."""
        if self._verifier.domain.min_length == 0:
            self._compare_empty()
            if self._found.is_over:
                return
            self._found.finish(0)
        for block in _blocks(self._levels()):
            self._verifier.prepare(block)
            for levels in block:
                for classes, level in levels:
                    for token, codes in level.ends.items():
                        self._verifier.check_time()
                        if len(codes) and not self._found.is_over:
                            self._compare(classes, codes, token, level.length)
                if self._found.is_over:
                    return
                self._found.finish(levels[0][1].length, self._found.classes)

    def _levels(self) -> Iterator[Levels]:
        """Every length once, with its classes; where folds ask for the last token, one set of classes for each."""
        folded, domain = Folded(self._found.program), self._verifier.domain
        lasts = range(len(domain.alphabet)) if folded.asks_last else [None]
        every = [Classes(domain, folded, last) for last in lasts]
        for levels in zip(*(classes.levels() for classes in every), strict=True):
            yield list(zip(every, levels, strict=True))

    def _compare(self, classes: Classes, codes: Ints, token: int, length: int) -> None:
        labels = self._verifier.labels(codes, classes.plane, token, length, self._names)
        answers = classes.answers(codes, token, length)
        self._found.classes += len(codes)
        undecided = codes[labels == NOTHING]
        if len(undecided):
            first = self._found.undecided or classes.word(int(undecided[0]), token, length)
            self._found.leave_undecided(first, len(undecided))
        for code in codes[(labels != NOTHING) & (answers != labels)]:
            self._found.replay(classes.word(int(code), token, length))
            if self._found.is_over:
                return

    def _compare_empty(self) -> None:
        """The empty sequence, if it belongs to the domain: its last token is that of the prefix."""
        if not self._verifier.domain.contains(()):
            return
        if not self._verifier.model.prefix:  # no prompt, so no label
            self._found.leave_undecided(())
            return
        alphabet = self._verifier.domain.alphabet
        (label,) = self._verifier.labels(np.zeros(1, np.int64), 1, len(alphabet), 0, self._names)
        self._found.classes += 1
        if label == NOTHING:
            self._found.leave_undecided(())
        elif label < 0 or self._found.program(()) != self._names[label]:
            self._found.replay(())


def _blocks(every: Iterable[Levels]) -> Iterator[list[Levels]]:
    """Lengths that follow each other, until their classes are TOGETHER or more."""
    block, many = list[Levels](), 0
    for levels in every:
        block.append(levels)
        many += sum(len(codes) for _, level in levels for codes in level.ends.values())
        if many >= TOGETHER:
            yield block
            block, many = [], 0
    if block:
        yield block
