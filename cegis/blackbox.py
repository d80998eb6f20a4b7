"""A black box as the reference: any Python function of a sequence, asked again before anything is claimed of it.

    the first answers          the table that programs are compared with
    at every counterexample    asked ``repeats`` more times
    before a claim             every sequence of the domain asked ``repeats`` more times, each time in another order;
                               where a share of the time allows less, the counterexamples, then as many as it allows

Two answers to one input, and an exception, are a ``BlackBoxError`` that names the input. A claim says how often the
function was asked: asking cannot show that a function will never answer otherwise, so that is part of the sentence.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cegis.claim import Claim
from cegis.domain import Domain, DomainError
from cegis.exhaustive import Exhaustive, Table
from cegis.verdict import Counterexample, Valid, Verdict
from dsl.operators import GrammarError
from dsl.program import Program
from dsl.sequences import Label, SequenceSignature
from dsl.showing import cut

REPEATS = 2  # more times each sequence is asked for, unless the caller says otherwise
SHARE = 0.25  # of a budget's seconds for asking again before a claim
BETWEEN = 64  # calls between two looks at the clock
ONCE = "compared one by one, every sequence asked once"
LONGEST_NAME = 80

Function = Callable[[tuple[str, ...]], Any]


class BlackBoxError(DomainError):
    """A function that raises, or that gives two answers to one input: nothing can be claimed of it.

    >>> synthesize(Spec(domain, lambda tokens: 1 / 0), grammar)
    Traceback (most recent call last):
        ...
    cegis.blackbox.BlackBoxError: a lambda raises ZeroDivisionError at 'a': division by zero; ...
    """


def name_of(function: object) -> str:
    """What people call ``function``: its own name, that of what a partial application calls, or that of its class.

    >>> name_of(len), name_of(functools.partial(max, 1)), name_of(lambda tokens: "x")
    ('len', 'max (partial)', 'a lambda')
    """
    if isinstance(function, functools.partial):
        return f"{name_of(function.func)} (partial)"
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    if not isinstance(name, str):
        name = f"an object of class {type(function).__qualname__}"
    name = name.rpartition("<locals>.")[2]
    name = "a lambda" if name == "<lambda>" else name
    printable = "".join(letter if letter.isprintable() else " " for letter in name)
    return printable[:LONGEST_NAME] or "a function without a name"


def ask(function: Function, sequence: tuple[str, ...]) -> Any:
    """The answer of ``function`` at ``sequence``; raises BlackBoxError, with the cause, where it raises."""
    try:
        return function(sequence)
    except (Exception, SystemExit) as error:
        raise BlackBoxError(
            f"{name_of(function)} raises {type(error).__name__} at {_text(sequence)}: {error_line(error)}; a "
            "reference must answer every sequence of the domain"
        ) from error


def label_at(function: Function, sequence: tuple[str, ...], signature: SequenceSignature) -> int:
    """The index of the label at ``sequence``; raises BlackBoxError, and GrammarError for a foreign label."""
    answer = ask(function, sequence)
    try:
        return signature.label_index(answer)
    except GrammarError as error:
        raise GrammarError(f"{name_of(function)} at {_text(sequence)}: {error}") from error


def tabulate(function: Function, domain: Domain, signature: SequenceSignature) -> Table:
    """The table of a black-box function, asked once for every sequence of ``domain``.

    Raises BlackBoxError where it raises, and GrammarError for a foreign label; both name the sequence.

    >>> tabulate(lambda tokens: "yes" if "a" in tokens else "no", domain, grammar.sequences).undecided
    0
    """
    if not isinstance(signature, SequenceSignature):
        raise DomainError(
            f"expected the signature of programs, such as motifs(alphabet, labels).sequences, got "
            f"{cut(repr(signature), 80)}"
        )
    labels = {
        length: np.array(
            [label_at(function, domain.words(row), signature) for row in domain.sequences(length)], np.int8
        )
        for length in domain.lengths
    }
    return Table(domain, labels, name_of(function), method=ONCE, names=signature.labels)


@dataclass
class Asked:
    """The verifier of a black box: compares with the first answers, and asks again before a claim.

    ``seconds`` bound the asking before one claim; None asks for the whole domain ``repeats`` times, whatever it takes.
    """

    function: Function
    signature: SequenceSignature
    table: Table
    repeats: int = REPEATS
    seconds: float | None = None
    seed: int = 0
    _verifier: Exhaustive = field(init=False, repr=False)
    _told: list[tuple[tuple[str, ...], int]] = field(default_factory=list, init=False, repr=False)  # counterexamples

    def __post_init__(self) -> None:
        if not isinstance(self.repeats, int) or self.repeats < 0:
            raise DomainError(f"expected to ask 0 or more times again (repeats), got {self.repeats!r}")
        self._verifier = Exhaustive(self.table)

    def check(self, program: Program) -> Verdict:
        """What the table says; a counterexample and a claim only after the function was asked again."""
        verdict = self._verifier.check(program)
        match verdict:
            case Counterexample(expected=expected):
                self._told.append((verdict.sequence, self.signature.label_index(expected)))
                self._again(self._told[-1:])
            case Valid(claims, notes):
                method = self.ask_again()
                return Valid(tuple(replace(c, method=method) for c in claims if isinstance(c, Claim)), notes)
        return verdict

    @property
    def undecided(self) -> int:
        """None: a black box labels every sequence, or raises."""
        return self._verifier.undecided

    def exceptions(self, program: Program) -> tuple[Counterexample, ...]:
        """Every sequence on which program and table differ, shortest first."""
        return self._verifier.exceptions(program)

    def closest(self, programs: Sequence[Program]) -> Program:
        """The program with the fewest exceptions, the first of several."""
        return self._verifier.closest(programs)

    def label(self, sequence: tuple[str, ...]) -> Label:
        """The first answer at a sequence of the domain."""
        return self.signature.labels[self.table.label(self.table.domain.indices(sequence))]

    def ask_again(self) -> str:
        """How often the function was asked, as a claim says it; raises BlackBoxError at a second answer."""
        deadline = None if self.seconds is None else time.perf_counter() + self.seconds
        self._again(self._told)
        random, size = np.random.default_rng(self.seed), self.table.domain.size()
        passes, more = 0, 0
        while passes < self.repeats:
            more = self._pass(random, deadline)
            if more < size:
                break
            passes, more = passes + 1, 0
        times = f"{passes + 1} times" if passes else "once"
        and_more = f" and {more:,} of them once more" if more else ""
        return f"compared one by one, every sequence asked {times}{and_more}{', with one answer' * (passes + more > 0)}"

    def _pass(self, random: np.random.Generator, deadline: float | None) -> int:
        """How many sequences were asked again, in an order drawn at random, before the deadline."""
        domain = self.table.domain
        rows = {length: domain.sequences(length) for length in domain.lengths}
        ends = np.cumsum([len(part) for part in rows.values()])
        lengths = list(rows)
        for done, place in enumerate(random.permutation(int(ends[-1]))):
            if deadline is not None and done % BETWEEN == 0 and time.perf_counter() > deadline:
                return done
            part = int(np.searchsorted(ends, place, side="right"))
            row = int(place) - (int(ends[part - 1]) if part else 0)
            self._compare(domain.words(rows[lengths[part]][row]), int(self.table.labels[lengths[part]][row]))
        return int(ends[-1])

    def _again(self, told: list[tuple[tuple[str, ...], int]]) -> None:
        for sequence, expected in told * self.repeats:
            self._compare(sequence, expected)

    def _compare(self, sequence: tuple[str, ...], expected: int) -> None:
        got = label_at(self.function, sequence, self.signature)
        if got != expected:
            labels = self.signature.labels
            raise BlackBoxError(
                f"{name_of(self.function)} gives two answers for the same input: {labels[expected]!r} and "
                f"{labels[got]!r} at {_text(sequence)}; nothing can be claimed of a function that changes its mind"
            )


def _text(sequence: tuple[str, ...]) -> str:
    return repr(" ".join(sequence)) if sequence else "the empty sequence"


def error_line(error: BaseException) -> str:
    """The message of a foreign error on one line."""
    try:
        text = str(error)
    except Exception:
        text = "(it has no text)"
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text[:1000]).split())
    return text[:200] or "without a message"
