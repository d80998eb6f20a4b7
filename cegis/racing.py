"""Several searchers at once: our own search in this thread, others in threads of their own; the best answer wins.

Another searcher (cvc5's SyGuS, a Horn-clause engine, a user's) is anything with a ``name``, a ``delay`` and a
``search(problem, stop)`` that yields solutions. It is never trusted: what it yields goes to the verifier like any
candidate, as terms alone: their operators get the readings of our own rows. An answer from outside waits until our own
search, which looks for the smallest, has had its share of time.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from cegis.domain import DomainError
from cegis.exhaustion import is_exhausted, is_hopeless
from cegis.formula import FormulaSpec, Function, subterms
from cegis.loop import Avoids, Search
from cegis.refutation import holds
from cegis.sampling import sample
from cegis.solution import Solution
from dsl.defaults import FACTOR, nonterminal
from dsl.enumeration import Exhausted, Stopped
from dsl.grammar import Grammar, Production
from dsl.operators import GrammarError, Term
from dsl.program import Program
from dsl.theory import find, literal

Stop = Callable[[], bool]
POLL_SECONDS = 0.02
PROOF_SECONDS = 1.0  # what is left for proving an outside answer
END_SECONDS = 5.0  # what a searcher has to end once it is told to
AHEAD = 16  # answers of other searchers that wait to be looked at
SAMPLES = 100  # valuations at which a grammar must fail before it is called exhausted
NOT_CERTAIN = "our own search has no more candidates, but that no other program is right is not certain"
TOO_LARGE = "our own search counts in words of 64 bits, and at some inputs the specification needs larger numbers"


@dataclass(frozen=True)
class Problem:
    """What a searcher is asked: ``grammars[function]`` is None where any term of the logic will do.

    ``homes[function]`` is a grammar that derives every admissible term: what its programs are said to come from.
    """

    spec: FormulaSpec
    grammars: Mapping[Function, Grammar | None]
    homes: Mapping[Function, Grammar]

    def program(self, function: Function, term: Term) -> Program | None:
        """``term`` as a program of the function's grammar; None where that does not derive it."""
        try:
            home = self.homes[function]
            if self.grammars[function] is None:
                home = _admitting(home, term)
            return None if home.cost(term) is None else Program(_own_rows(home, term), home)
        except GrammarError:
            return None

    def solution(self, answer: object) -> Solution | None:
        """What another searcher answered, as programs of the grammars; None where these do not derive it."""
        if not isinstance(answer, Solution) or set(answer.programs) != set(self.spec.functions):
            raise TypeError(f"expected a Solution for {', '.join(f.name for f in self.spec.functions)}, got {answer!r}")
        programs = {
            function: self.program(function, answer.programs[function].term) for function in self.spec.functions
        }
        found = {function: program for function, program in programs.items() if program is not None}
        return Solution(found, answer.searcher) if len(found) == len(programs) else None


def _admitting(home: Grammar, term: Term) -> Grammar:
    """``home``, which stands for a logic, with the rows of ``term`` that it leaves out (as mod; linear if it is)."""
    known = {production.operator for production in home.productions}
    rows = []
    for row in dict.fromkeys(inner.operator for inner in subterms(term) if inner.arguments):
        names = [nonterminal(sort) for sort in row.arguments]
        if row.name in ("div", "mod") and FACTOR in home.sorts:
            names[1] = FACTOR
        if row not in known and {nonterminal(row.result), *names} <= home.sorts.keys():
            rows.append(Production(nonterminal(row.result), find(row.name, row.arguments), tuple(names)))
    return replace(home, productions=(*home.productions, *rows))


def _own_rows(home: Grammar, term: Term) -> Term:
    """``term``, which ``home`` derives, with the readings that the rows have there."""
    rows = {production.operator: production.operator for production in home.productions}
    own: dict[Term, Term] = {}
    for inner in subterms(term):
        row = rows.get(inner.operator)
        if row is None:
            assert inner.operator.value is not None  # one of the literals that the grammar derives without listing it
            row = literal(inner.operator.value, inner.sort)
        own[inner] = row(*(own[argument] for argument in inner.arguments))
    return own[term]


class Searcher(Protocol):
    """Yields solutions, best first or only one; asked in a thread, ends when ``stop()`` is true."""

    @property
    def name(self) -> str:
        """Who is said to have had the answer."""
        ...

    @property
    def delay(self) -> float:
        """Seconds that our own search has for itself before this one starts."""
        ...

    def search(self, problem: Problem, stop: Stop) -> Iterator[Solution]: ...


@dataclass
class Racing:
    """``own`` beside ``others``, each on ``problem``.

    An outside answer waits twice as many seconds as it took to come, within ``patience``, and not beyond ``end`` (by
    ``time.monotonic``) less the time for a proof.
    """

    own: Search
    others: tuple[Searcher, ...]
    problem: Problem
    patience: tuple[float, float] = (1.0, 4.0)
    end: float = math.inf
    _answers: queue.Queue[Solution] = field(default_factory=lambda: queue.Queue(AHEAD), init=False)
    _ready: list[Solution] = field(default_factory=list, init=False)
    _seen: list[tuple[Any, ...]] = field(default_factory=list, init=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False)
    _closed: threading.Event = field(default_factory=threading.Event, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)
    _arrived: float = field(default=0.0, init=False)
    _is_hopeless: bool = field(default=False, init=False)  # a constraint fails that calls no function
    errors: list[Exception] = field(default_factory=list, init=False)  # of other searchers

    def __post_init__(self) -> None:
        self._sampled = sample(self.problem.spec, SAMPLES, seed=0)
        self._is_hopeless = is_hopeless(self.problem.spec, self._sampled)

    @property
    def candidates(self) -> int:
        return self.own.candidates

    @property
    def memory_mb(self) -> float:
        return self.own.memory_mb

    @property
    def level(self) -> int:
        return self.own.level

    def avoid(self, solution: Solution) -> bool:
        """Whether our own search goes on without what made ``solution`` too hard to decide."""
        return isinstance(self.own, Avoids) and self.own.avoid(solution)

    def observe(self, inputs: Any, expected: Any) -> None:
        """Take a valuation at which a candidate failed: nothing that fails there is proposed again."""
        self._seen.append(tuple(inputs))
        self._is_hopeless |= is_hopeless(self.problem.spec, [tuple(inputs)])
        self._ready = [solution for solution in self._ready if self._holds(solution)]
        self.own.observe(inputs, expected)

    def propose(self, stop: Stop) -> Any:
        """The own search's candidate, or the smallest outside answer once it has waited long enough.

        Where the own search has been through all of given grammars, nobody is waited for; where another searcher fails,
        the race goes on (``errors``).
        """
        self._start()
        if self._is_hopeless:
            return Exhausted()
        proposal = self.own.propose(lambda: stop() or self._is_due())
        if isinstance(proposal, Solution):
            if self._holds(proposal):
                return proposal
            proposal = Stopped(TOO_LARGE)
        if isinstance(proposal, Exhausted) and not self._is_exhausted(stop):
            proposal = Stopped(NOT_CERTAIN)
        is_over = isinstance(proposal, Exhausted) and None not in self.problem.grammars.values()
        while not is_over and not self._is_due() and not stop() and any(thread.is_alive() for thread in self._threads):
            if isinstance(proposal, (Exhausted, Stopped)) and self._ready:
                break  # nothing to wait for
            time.sleep(POLL_SECONDS)
            self._collect()
        self._collect()
        if self._ready:
            self._ready.sort(key=lambda solution: solution.size)
            self._arrived = time.monotonic()
            return self._ready.pop(0)
        return proposal

    def close(self) -> None:
        """End the other searchers; one that does not end in time is left behind."""
        self._closed.set()
        end = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def __enter__(self) -> Racing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_due(self) -> bool:
        self._collect()
        least, most = self.patience
        due = self._arrived + min(max(least, 2 * (self._arrived - self._began)), most)
        return bool(self._ready) and time.monotonic() > min(due, self.end - PROOF_SECONDS)

    def _collect(self) -> None:
        for _ in range(self._answers.qsize()):
            answer = self._answers.get()
            if self._holds(answer):
                self._arrived = self._arrived if self._ready else time.monotonic()
                self._ready.append(answer)

    def _holds(self, solution: Solution) -> bool:
        """Whether a candidate is right at the valuations seen, by exact numbers."""
        return not self._seen or holds(self.problem.spec, solution, self._seen)

    def _is_exhausted(self, stop: Stop) -> bool:
        """Whether the only grammar has no right program, by exact numbers."""
        spec = self.problem.spec
        seen = [*self._seen, *self._sampled]
        return all(is_exhausted(spec, grammar, seen, stop) for grammar in self.problem.homes.values())

    def _start(self) -> None:
        if not self._threads:
            for searcher in self.others:
                thread = threading.Thread(target=self._run, args=(searcher,), name=searcher.name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self, searcher: Searcher) -> None:
        try:
            if self._closed.wait(searcher.delay):
                return
            for answer in searcher.search(self.problem, self._closed.is_set):
                solution = self.problem.solution(answer)
                if solution is not None:
                    self._put(solution)
                if self._closed.is_set():
                    return
        except Exception as error:  # told by who asked
            self.errors.append(DomainError(f"the searcher {searcher.name} failed: {type(error).__name__}: {error}"))

    def _put(self, solution: Solution) -> None:
        """Queue an answer as soon as there is room."""
        while not self._closed.is_set():
            with suppress(queue.Full):
                return self._answers.put(solution, timeout=POLL_SECONDS)
