"""All solutions of a specification for one function, simplest first.

    for cost = 1, 2, ...:  every term of the bank that costs so much and passes all tests, if the verifier proves it

Where the specification leaves no choice (any two solutions take the same value wherever it calls the function), the
solutions are different terms: every term of the row that is right (``dsl.enumeration.solutions``). Where it leaves one,
they are different behaviours, each by its cheapest term: rows of the bank, told apart at sampled valuations and at
counterexamples. Which of the two it is, the verifier is asked once the first solution is known. Nothing is listed that
is not proved; what the verifier cannot decide is counted and left out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backends.answer import BackendError
from cegis.claim import Statement
from cegis.domain import DomainError
from cegis.formulas.evaluation import Proof
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.points import Points
from cegis.formulas.sampling import sample
from cegis.formulas.solution import Solution
from cegis.loop import Budget, FormulaBudget
from cegis.outcome import Statistics
from cegis.searchers.solving import Grammars, by_name, homes
from cegis.searchers.witnesses import LEAST_SECONDS, Witnesses, default_backend, witnesses_of
from cegis.verdict import Counterexample, Unknown, Valid, Verdict
from dsl.enumeration.bank import Bank
from dsl.enumeration.solutions import Forest
from dsl.grammar import Grammar
from dsl.operators import Term
from dsl.program import Program
from dsl.scalars import Value
from dsl.theories.theory import find

if TYPE_CHECKING:
    from backends import Backend
    from cegis.formulas.refutation import Refutation

SAMPLE = 200  # valuations at which behaviours are told apart
CHUNK = 4_000_000  # values judged at once


def enumerate_solutions(
    spec: FormulaSpec,
    grammars: Grammars = None,
    *,
    backend: Backend | None = None,
    witnesses: Sequence[Backend] | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Solutions:
    """The solutions of ``spec``, each proved by ``backend`` and confirmed by one of ``witnesses``, in order of cost.

    Lazily; arguments as in ``solve``.

    Seconds of the budget count from when the first is asked for, the caller's own between two included.
    Raises DomainError for several functions and for calls inside calls, GrammarError for a grammar that does not fit.

    >>> print(next(iter(enumerate_solutions(above))))
    (define-fun f ((x Int)) Int (+ x 1))
    """
    if len(spec.functions) != 1:
        names = ", ".join(function.name for function in spec.functions)
        raise DomainError(f"solutions are listed for one function, got {names}; ask for one solution")
    if not Points(spec).is_layered:
        raise DomainError("solutions are not listed where a call stands inside another; ask for one solution")
    (grammar,) = homes(spec, by_name(spec, grammars)).values()
    asked = witnesses_of(spec, backend)
    solvers = asked if witnesses is None else (*asked[:1], *witnesses)
    return Solutions(spec, grammar, solvers, budget or FormulaBudget(), seed)


class Solutions:
    """An iterator over solutions; ``ended`` says why there are no more, once there are none.

    ``claims``: what was proved of each, where one rests on one solver's word alone that; ``undecided``: how many
    candidates were neither proved nor refuted; ``notes``: what solvers did wrong.
    """

    def __init__(
        self, spec: FormulaSpec, grammar: Grammar, solvers: Sequence[Backend], budget: Budget, seed: int
    ) -> None:
        (self._function,) = spec.functions
        self._spec, self._grammar, self._solvers, self._budget, self._seed = spec, grammar, solvers, budget, seed
        self._bank = Bank(grammar, seed=seed, max_memory_mb=budget.memory_mb)
        self._points = Points(spec)
        self._tried: dict[Term, bool] = {}  # which terms were proved
        self._is_free = True  # whether the specification leaves a choice, as far as is known
        self._level = self._listed = 0  # the cost looked at, and up to which all terms of right rows were tried
        self._check_seconds, self._found = 0.0, self._search()
        self.claims: tuple[Statement, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.undecided, self.ended, self._began = 0, "", time.perf_counter()

    def __iter__(self) -> Iterator[Solution]:
        return self

    def __next__(self) -> Solution:
        return next(self._found)

    @property
    def statistics(self) -> Statistics:
        """What was used so far."""
        seconds = time.perf_counter() - self._began - self._check_seconds
        examples = self._points.tests
        tried, bank = len(self._tried), self._bank
        return Statistics(tried, examples, bank.candidates, seconds, self._check_seconds, bank.memory_mb, self._level)

    def _search(self) -> Iterator[Solution]:
        self._began = time.perf_counter()
        self._points.add_ground()
        self._points.add(sample(self._spec, SAMPLE, seed=self._seed))
        self._observe(0)
        with Witnesses(self._spec, tuple(self._solvers), seed=self._seed) as verifier:
            while not self._is_over():
                self._level += 1
                yield from self._of_level(verifier)

    def _of_level(self, verifier: Witnesses) -> Iterator[Solution]:
        """The solutions of the current cost; what the verifier refutes splits rows, which are gone through again."""
        term: Term | None = None
        while self._bank.grow(self._level, self._is_late):
            for term in self._terms():
                if self._is_late():
                    return
                solution, is_settled = Solution({self._function: Program(term, self._grammar)}, "enumeration"), True
                verdict = self._check(verifier, solution)
                self._tried[term] = isinstance(verdict, Valid)
                match verdict:
                    case Valid(claims, notes):
                        self.claims, self.notes = _weaker(self.claims, claims), notes
                        is_settled = self._is_settled(solution)
                        yield solution
                    case Counterexample():
                        is_settled = not self._learn(verdict.values)
                    case Unknown():
                        self.undecided += 1
                if not is_settled:
                    break
            else:
                self._listed = self._level
                return

    def _terms(self) -> Iterator[Term]:
        """Terms up to the current cost, not tried before, that pass all tests: those to be proved."""
        start, right = self._grammar.start, self._right_rows()
        if not self._is_free:
            forest = Forest(self._bank)
            for cost in range(self._listed + 1, self._level + 1):
                for row in right:
                    yield from (term for term in forest.terms(start, row, cost) if term not in self._tried)
            return
        proved = [term for term, is_proved in self._tried.items() if is_proved]
        taken = {self._bank.find(start, self._values(term)) for term in proved}
        cheapest = (self._bank.term(start, row) for row in right if row not in taken)
        yield from (term for term in cheapest if term not in self._tried)

    def _right_rows(self) -> list[int]:
        """The rows that pass every test, cheapest first."""
        store = self._bank.stores[self._grammar.start]
        values = store.values
        step = max(1, CHUNK // max(1, self._points.tests))
        parts = [
            self._points.judge({self._function: values[at : at + step]}).all(axis=1)
            for at in range(0, len(values), step)
        ]
        rows = np.flatnonzero(np.concatenate([np.zeros(0, bool), *parts]))
        chosen: list[int] = rows[np.argsort(store.origin[rows, 0], kind="stable")].tolist()
        return chosen

    def _values(self, term: Term) -> NDArray[Any]:
        batch = self._bank.batch
        return np.broadcast_to(np.asarray(term.evaluate(batch)), (batch.examples,))

    # --- the verifier -------------------------------------------------------------------------------------------

    def _check(self, verifier: Refutation | Witnesses, solution: Solution) -> Verdict:
        began = time.perf_counter()
        if self._end is not None:
            verifier.seconds = max(LEAST_SECONDS, self._end - began)
        try:
            return verifier.check(solution)
        finally:
            self._check_seconds += time.perf_counter() - began

    def _is_settled(self, solution: Solution) -> bool:
        """Asks at the first solution whether the specification leaves a choice; False where that changes the list.

        It leaves none if no other values of the calls satisfy it: calls read as variables must equal the program's.
        """
        if not self._is_free or list(self._tried.values()).count(True) > 1 or not self._spec.flat.calls:
            return True
        flat = self._spec.flat
        same = [find("=", 2 * (call.variable.sort,))(call.function.operator(*call.arguments), call.variable)
                for call in flat.calls]  # fmt: skip
        asked = replace(
            self._spec,
            variables=(*self._spec.variables, *((call.name, call.variable.sort) for call in flat.calls)),
            constraints=tuple(same),
            assumptions=(*self._spec.assumptions, *flat.constraints),
        )
        from cegis.formulas.refutation import Refutation

        first = self._solvers[0] if self._solvers else default_backend(asked)
        with Refutation(asked, first, seed=self._seed) as verifier:
            try:
                self._is_free = not isinstance(self._check(verifier, solution), Valid)
            except BackendError:  # then it is not known to leave none
                self._is_free = True
        return self._is_free

    def _learn(self, inputs: tuple[Value, ...]) -> bool:
        """Take a valuation at which a term fails; False where that tells nothing new."""
        known, tests = len(self._points.arguments[self._function]), self._points.tests
        self._points.add([inputs])
        self._observe(known)
        return self._points.tests > tests

    def _observe(self, known: int) -> None:
        """Let the bank see the points from number ``known`` on."""
        fresh = self._points.columns(self._function, known)
        if fresh.examples:
            self._bank.observe(fresh)

    # --- limits -------------------------------------------------------------------------------------------------

    @property
    def _end(self) -> float | None:
        return None if self._budget.seconds is None else self._began + self._budget.seconds

    def _is_late(self) -> bool:
        return self._end is not None and time.perf_counter() > self._end

    def _is_over(self) -> bool:
        """Whether nothing more is looked for; says why in ``ended``."""
        budget, bank, level = self._budget, self._bank, self._level
        proposed = ", with the literals it proposes" if self._grammar.constants else ""
        if self._is_late():
            self.ended = "time limit"
        elif bank.is_out_of_memory:
            self.ended = f"memory limit of {budget.memory_mb:,} MiB"
        elif level >= longest(self._grammar):
            self.ended = f"the grammar has no more terms{proposed}"
        elif self._is_free and level and bank.is_saturated:
            self.ended = f"the grammar has nothing that behaves differently at the {bank.batch.examples:,} points seen"
            self.ended += proposed
        elif level >= budget.cost:
            self.ended = f"search limit of cost {budget.cost}"
        elif bank.candidates + bank.pending(level + 1) > budget.candidates:
            self.ended = f"search limit of {budget.candidates:,} candidates"
        return bool(self.ended)


def _weaker(known: tuple[Statement, ...], claims: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Of what was proved of some solutions, what holds for all of them."""
    doubted = any(isinstance(claim, Proof) and not claim.is_confirmed for claim in known)
    return known if doubted else claims


def longest(grammar: Grammar) -> float:
    """The largest cost of a term; infinite where a nonterminal stands below itself."""
    known: dict[str, float] = {}

    def most(name: str) -> float:
        if name not in known:
            known[name] = math.inf  # as long as it is not known: below itself
            rows = [p for p in grammar.productions if p.nonterminal == name]
            known[name] = max((p.cost + sum(map(most, p.arguments)) for p in rows), default=-math.inf)
        return known[name]

    return most(grammar.start)
