"""Several searchers at once: our own search in this thread, others in threads of their own; the best answer wins.

Another searcher (cvc5's SyGuS, a Horn-clause engine, a user's) is anything with a ``name``, a ``delay`` and a
``search(problem, stop)`` that yields solutions. It is never trusted: what it yields goes to the verifier like any
candidate, as terms alone: their operators get the readings of our own rows. An answer from outside is proposed as soon
as it comes; once it is proved the race goes on for a share of time, for smaller solutions alone (``beat``): our own
search looks for the smallest. Once it has nothing more to say, those that were still to start do so at once. Some of
ours look for evidence that there is no solution (``Refuted``).

However a searcher ends, the race goes on without it and says what became of it (``searched``). Our own search ends too
when this process has used nearly all of the CPU time that a batch system gives it; the others have processes of their
own, and the rest is for proving what they find.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from backends.search import STOPPED, Infeasible, NoAnswer, NotApplicable
from cegis.domain import DomainError
from cegis.formulas.evaluation import holds
from cegis.formulas.formula import FormulaSpec, Function, subterms
from cegis.formulas.sampling import sample
from cegis.formulas.solution import Solution
from cegis.loop import Avoids, Search
from cegis.outcome import End, Searched
from cegis.searchers.exhaustion import hopeless, is_exhausted
from dsl.enumerator import Exhausted, Stopped
from dsl.grammar import Grammar
from dsl.grammars.defaults import with_rows
from dsl.operators import GrammarError, Term
from dsl.program import Program
from dsl.showing import brief
from dsl.theories.theory import literal

if TYPE_CHECKING:
    from cegis.claim import Statement

Stop = Callable[[], bool]
POLL_SECONDS = 0.02
PROOF_SECONDS = 1.0  # what is left for proving an outside answer
FEW, MANY = 5, 20  # operators of a proved solution for a second, at most and at least, to find a smaller one
BUSY = 4  # of so many seconds of the clock one counts as spent, at least
END_SECONDS = 5.0  # what a searcher has to end once it is told to
AHEAD = 16  # answers of other searchers that wait to be looked at
SAMPLES = 100  # valuations at which a grammar must fail before it is called exhausted
NOT_CERTAIN = "our own search has no more candidates, but that no other program is right is not certain"
NO_SMALLER = "a solution is proved, and no smaller one came in time"
OWN = "own"  # the name of our search
CPU_SECONDS = 1.0  # that are left for proofs where the CPU time of this process is limited
SHORT = "nearly all CPU time that this process is allowed was used"
TOO_LARGE = "our own search counts in words of 64 bits, and at some inputs the specification needs larger numbers"


@dataclass(frozen=True)
class Problem:
    """What a searcher is asked: ``grammars[function]`` is None where any term of the logic will do.

    ``homes[function]`` is a grammar that derives every admissible term: what its programs are said to come from.

    >>> free = FormulaSpec((f,), (("x", INT),), ())
    >>> Problem(free, {f: None}, {f: default_grammar(f.signature)}).program(f, x)
    Program(return x)
    """

    spec: FormulaSpec
    grammars: Mapping[Function, Grammar | None]
    homes: Mapping[Function, Grammar]

    __repr__ = brief

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
    return with_rows(home, (inner.operator for inner in subterms(term)))


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
    """Yields solutions, best first or only one; asked in a thread, ends when ``stop()`` is true.

    >>> for name, searcher in SEARCHERS.items():
    ...     print(name, searcher.delay)
    cvc5 0.5
    horn 0.5
    induction 0.25
    """

    @property
    def name(self) -> str:
        """Who is said to have had the answer."""
        ...

    @property
    def delay(self) -> float:
        """Seconds that our own search has for itself before this one starts, of CPU time or four times by the clock."""
        ...

    def search(self, problem: Problem, stop: Stop) -> Iterator[Solution]:
        """Solutions as they are found; each is checked by the caller. Ends soon after ``stop()`` holds."""
        ...


@dataclass(frozen=True)
class Refuted:
    """What a searcher of ours returns at the end of its generator: nothing satisfies the specification, and why."""

    evidence: Statement


@dataclass
class Lane:
    """One other searcher, the thread it runs in, and what became of it."""

    searcher: Searcher
    thread: threading.Thread | None = None
    started: float = 0.0  # by time.monotonic; 0: not yet
    ended: float = 0.0
    answers: int = 0
    outside: int = 0  # of the answers, how many the grammar does not derive
    end: End | None = None
    reason: str = ""

    def searched(self, winner: str) -> Searched:
        """What became of it by now, where ``winner`` had the solution."""
        name, end, reason = self.searcher.name, self.end, self.reason
        if not self.started:
            end = End.NOT_STARTED
        elif winner == name and self.answers:
            end, reason = End.FOUND, ""
        elif self.answers > self.outside and end is not End.DIED:
            end, reason = End.ANSWERED, ""
        elif self.outside and end is not End.DIED:
            end, reason = End.NO_ANSWER, "its answer is not of the grammar"
        elif end is None:
            end = End.NOTHING
        until = self.ended or time.monotonic()
        return Searched(name, end, reason, round(until - self.started, 3) if self.started else 0.0)


@dataclass
class Racing:
    """``own`` beside ``others``, each on ``problem``.

    After a proved solution it goes on for as many seconds as that took to come, shorter where it is a small and
    longer where it is a large one, within ``patience``, and not beyond ``end`` (by ``time.monotonic``) less the time
    for a proof. Delays and patience count what our own search had (``_spent``). Searchers that are good for a first
    solution alone, or for evidence that there is none, end with a proved one (``is_until_proved``).
    """

    own: Search
    others: tuple[Searcher, ...]
    problem: Problem
    patience: tuple[float, float] = (0.3, 3.0)
    end: float = math.inf
    _answers: queue.Queue[Solution] = field(default_factory=lambda: queue.Queue(AHEAD), init=False)
    _ready: list[Solution] = field(default_factory=list, init=False)
    _seen: list[tuple[Any, ...]] = field(default_factory=list, init=False)
    _lanes: list[Lane] = field(default_factory=list, init=False)
    _starter: threading.Thread | None = field(default=None, init=False)  # begins each lane when it is its turn
    _own_end: tuple[End, str] | None = field(default=None, init=False)  # of our own search, while it has one
    _hurry: threading.Event = field(default_factory=threading.Event, init=False)  # nobody is to wait any more
    _closed: threading.Event = field(default_factory=threading.Event, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)
    _cpu_began: float = field(default_factory=time.process_time, init=False)
    _best: int | None = field(default=None, init=False)  # the size of a proved solution
    _cost: float = field(default=math.inf, init=False)  # what that costs, where it is one program
    _until: float = field(default=math.inf, init=False)  # when the search for a smaller one ends
    evidence: Statement | None = field(default=None, init=False)  # that there is no solution

    def __post_init__(self) -> None:
        self._cpu_end = cpu_end()
        self._sampled = sample(self.problem.spec, SAMPLES, seed=0)
        self._look_for_failure(self._sampled)

    @property
    def candidates(self) -> int:
        """How many programs were tried so far."""
        return self.own.candidates

    @property
    def memory_mb(self) -> float:
        """What the values that are kept take, in MB."""
        return self.own.memory_mb

    @property
    def level(self) -> int:
        """Up to which cost everything was built."""
        return self.own.level

    def avoid(self, solution: Solution) -> bool:
        """Whether our own search goes on without what made ``solution`` too hard to decide."""
        return isinstance(self.own, Avoids) and self.own.avoid(solution)

    def is_smallest(self, solution: Solution) -> bool:
        """Whether our own search has built every program that costs less, so that nothing smaller can be right."""
        programs = tuple(solution.programs.values())
        return len(programs) == 1 and self.level >= programs[0].cost - 1

    def beat(self, solution: Solution) -> None:
        """From now on only what is smaller than ``solution``, which is proved, is worth proposing, and not for long."""
        (least, most), spent = self.patience, self._spent()
        self._best = solution.size
        if len(solution.programs) == 1:
            (program,) = solution.programs.values()
            self._cost = program.cost
        seconds = max(min(spent, solution.size / FEW), solution.size / MANY)
        self._until = spent + min(max(least, seconds), most)
        self._ready = [other for other in self._ready if other.size < self._best]

    def observe(self, inputs: Any, expected: Any) -> None:
        """Take a valuation at which a candidate failed: nothing that fails there is proposed again."""
        self._seen.append(tuple(inputs))
        self._look_for_failure([tuple(inputs)])
        self._ready = [solution for solution in self._ready if self._holds(solution)]
        self.own.observe(inputs, expected)

    def propose(self, stop: Stop) -> Any:
        """The own search's candidate, or the smallest outside answer that is there.

        Where the own search has been through all of given grammars, nobody is waited for; where a searcher fails, the
        race goes on.
        """
        self.start()
        if self.evidence is not None:
            return Exhausted()

        def is_over() -> bool:
            return stop() or self.is_due() or self.evidence is not None or self._is_short()

        proposal = self._own_proposal(is_over)
        if self._is_short() and isinstance(proposal, Stopped):
            proposal, self._own_end = Stopped(SHORT), (End.NO_ANSWER, SHORT)
        if isinstance(proposal, Solution):
            if self._best is not None and proposal.size >= self._best:
                return Stopped(NO_SMALLER)
            if self._holds(proposal):
                return proposal
            proposal = Stopped(TOO_LARGE)
        if isinstance(proposal, Exhausted) and not self._is_exhausted(stop):
            proposal = Stopped(NOT_CERTAIN)
        is_certain = isinstance(proposal, Exhausted) and None not in self.problem.grammars.values()
        self._note_own(proposal, is_over())
        while not is_certain and not self.is_due() and not stop() and self._is_running():
            if self.evidence is not None or self._best is not None:
                break  # nothing to wait for
            time.sleep(POLL_SECONDS)
        self._collect()
        if self.evidence is not None:
            return Exhausted()
        if self._ready:
            self._ready.sort(key=lambda solution: solution.size)
            return self._ready.pop(0)
        return proposal

    def _look_for_failure(self, valuations: Sequence[tuple[Any, ...]]) -> None:
        """Evidence that there is no solution, where a constraint fails that calls no function."""
        failed = hopeless(self.problem.spec, valuations)
        if failed is not None and self.evidence is None:
            from cegis.searchers.contradiction import at_once

            self.evidence = at_once(self.problem.spec, *failed)

    def searched(self, winner: str, *, own_won: bool) -> tuple[Searched, ...]:
        """What became of every searcher, ours first; ``winner`` had the solution, or ``own_won``."""
        end, reason = self._own_end or (End.NOTHING, "")
        own = Searched(OWN, End.FOUND if own_won else end, "" if own_won else reason)
        own = replace(own, seconds=round(time.monotonic() - self._began, 3))
        return (own, *(lane.searched("" if own_won else winner) for lane in self._lanes))

    def _own_proposal(self, stop: Stop) -> Any:
        """What our own search proposes; one that fails proposes nothing any more."""
        if self._own_end is not None and self._own_end[0] is End.DIED:
            return Stopped(f"our own search failed: {self._own_end[1]}")
        if self._is_short():
            return Stopped(SHORT)
        try:
            return self.own.propose(stop)
        except GrammarError:
            raise  # an operator that cannot be used: bad input
        except DomainError as error:  # what is asked contradicts itself, as far as our own search is concerned
            self._own_end = (End.NOT_APPLICABLE, str(error))
            return Stopped(str(error))
        except Exception as error:
            self._own_end = (End.DIED, _one_line(error))
            return Stopped(f"our own search failed: {_one_line(error)}")

    def _note_own(self, proposal: Any, was_stopped: bool) -> None:
        """Remember how our own search stands, and let the others begin where it has nothing to say."""
        if isinstance(proposal, Exhausted):
            self._own_end = (End.INFEASIBLE, "no program of the grammar is right")
        elif isinstance(proposal, Stopped) and getattr(self.own, "is_absent", False):
            self._own_end = (End.NOT_APPLICABLE, proposal.reason)
        elif isinstance(proposal, Stopped):
            self._own_end = self._own_end or ((End.NOTHING, "") if was_stopped else (End.NO_ANSWER, proposal.reason))
        if self._own_end is not None and self._own_end[0] is not End.NOTHING:
            self._hurry.set()

    def _is_short(self) -> bool:
        """Whether the limit of CPU time is near; where a solution is proved, for all processes together.

        Whoever counts them as one would end them all, and what is proved would be lost.
        """
        used = time.process_time()
        if self._best is not None:
            now = time.monotonic()
            used += sum((lane.ended or now) - lane.started for lane in self._lanes if lane.started)
        return used > self._cpu_end

    def _is_running(self) -> bool:
        threads = (self._starter, *(lane.thread for lane in self._lanes))
        return any(thread is not None and thread.is_alive() for thread in threads)

    def close(self) -> None:
        """End the other searchers; one that does not end in time is left behind."""
        self._closed.set()
        end = time.monotonic() + END_SECONDS
        if self._starter is not None:
            self._starter.join(END_SECONDS)  # it only waits, and begins nobody any more
        for lane in self._lanes:
            if lane.thread is not None:
                lane.thread.join(max(0.0, end - time.monotonic()))
                if lane.thread.is_alive():
                    lane.reason = "it did not end when it was told to"

    def __enter__(self) -> Racing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_due(self) -> bool:
        """Whether an outside answer is there, or nothing smaller than a proved one can or will come any more.

        It cannot where our own search has built everything that costs less.
        """
        self._collect()
        is_over = self._spent() > self._until or time.monotonic() > self.end - PROOF_SECONDS or self._is_short()
        return bool(self._ready) or (self._best is not None and is_over) or self.own.level >= self._cost - 1

    def _spent(self) -> float:
        """Seconds that our own search had by now: CPU time of this process, or part of the clock where it waits.

        So a busy machine changes nothing in who has how much before others begin, or to find something smaller.
        """
        return max(time.process_time() - self._cpu_began, (time.monotonic() - self._began) / BUSY)

    def _collect(self) -> None:
        for _ in range(self._answers.qsize()):
            answer = self._answers.get()
            if self._holds(answer) and (self._best is None or answer.size < self._best):
                self._ready.append(answer)

    def _holds(self, solution: Solution) -> bool:
        """Whether a candidate is right at the valuations seen, by exact numbers."""
        return not self._seen or holds(self.problem.spec, solution, self._seen)

    def _is_exhausted(self, stop: Stop) -> bool:
        """Whether the only grammar has no right program, by exact numbers."""
        spec = self.problem.spec
        seen = [*self._seen, *self._sampled]
        return all(is_exhausted(spec, grammar, seen, stop) for grammar in self.problem.homes.values())

    def start(self) -> None:
        """Let the others begin, each after its delay; starting twice is harmless."""
        if not self._lanes:
            self._lanes = [Lane(searcher) for searcher in self.others]
            if self._lanes:
                self._starter = threading.Thread(target=self._start_in_turn, name="starter", daemon=True)
                self._starter.start()

    def _start_in_turn(self) -> None:
        """Begin each lane in a thread of its own when its time has come."""
        for lane in sorted(self._lanes, key=lambda lane: lane.searcher.delay):
            if not self._awaits(lane.searcher.delay):
                return
            lane.started = time.monotonic()
            lane.thread = threading.Thread(target=self._run, args=(lane,), name=lane.searcher.name, daemon=True)
            lane.thread.start()

    def _run(self, lane: Lane) -> None:
        """One searcher from its start to its end, whatever that is."""
        try:
            self._take(lane, self._searching(lane))
        except BaseException as error:  # a thread that ends by SystemExit would do so without a word
            lane.end, lane.reason = End.DIED, _one_line(error)
        finally:
            lane.ended = time.monotonic()

    def _awaits(self, seconds: float) -> bool:
        """Wait until it is a searcher's turn; False where the race is over before that."""
        while not self._closed.is_set():
            if self._spent() >= seconds or self._hurry.wait(POLL_SECONDS):
                return not self._closed.is_set()
        return False

    def _searching(self, lane: Lane) -> object:
        """Queue all answers of a searcher; what its generator returned at the end."""
        is_until_proved = getattr(lane.searcher, "is_until_proved", False)

        def stop() -> bool:
            return self._closed.is_set() or (is_until_proved and self._best is not None)

        answers = iter(lane.searcher.search(self.problem, stop))
        while True:
            try:
                answer = next(answers)
            except StopIteration as ended:
                return ended.value
            solution = self.problem.solution(answer)
            lane.answers += 1
            if solution is None:
                lane.outside += 1
            else:
                self._put(solution)
            if self._closed.is_set():
                return None

    def _take(self, lane: Lane, said: object) -> None:
        """What a searcher said at its end."""
        match said:
            case Refuted(evidence):
                lane.end, lane.reason = End.INFEASIBLE, ""
                self.evidence = evidence
            case NotApplicable(reason):
                lane.end, lane.reason = End.NOT_APPLICABLE, reason
            case NoAnswer(reason) if reason != STOPPED:
                lane.end, lane.reason = End.NO_ANSWER, reason
            case Infeasible():
                lane.end, lane.reason = End.INFEASIBLE, "on its word alone"
                self._hurry.set()  # those that look for evidence begin
            case _ if not self._closed.is_set() and self._best is None:
                lane.end = End.NO_ANSWER

    def _put(self, solution: Solution) -> None:
        """Queue an answer as soon as there is room."""
        while not self._closed.is_set():
            with suppress(queue.Full):
                return self._answers.put(solution, timeout=POLL_SECONDS)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def cpu_end() -> float:
    """The CPU time of this process (by time.process_time) at which our own search ends."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return math.inf
    limit = resource.getrlimit(resource.RLIMIT_CPU)[0]
    return math.inf if limit == resource.RLIM_INFINITY else max(limit / 2, limit - CPU_SECONDS)
