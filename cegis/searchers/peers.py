"""Other searchers: cvc5's SyGuS engine, and for Horn clauses Spacer and our own induction; all answers are verified.

A generator that ends without an answer returns why (``NoAnswer``, ``NotApplicable``, ``Infeasible``). ``REFUTERS`` look
for evidence that there is no solution, and always run beside our own search. What a searcher works with is imported
when its turn comes: most problems are solved before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from backends.search import Answered, Infeasible, NoAnswer, NotApplicable
from cegis.domain import DomainError
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.solution import Solution
from cegis.searchers.portfolio import Problem, Refuted, Searcher
from dsl.operators import BOOL, GrammarError, Term

Answers = Generator[Solution, None, NoAnswer | Infeasible | Refuted | None]
Stop = Callable[[], bool]
LONG = 3_600.0  # seconds; the race ends a searcher long before
NOT_HORN = NotApplicable("the specification is not made of Horn clauses")


@dataclass(frozen=True)
class Cvc5Sygus:
    """cvc5's SyGuS engine (incremental=false) with ``options``, in a process of its own."""

    name: str = "cvc5"
    delay: float = 0.5
    options: Mapping[str, str] = field(default_factory=dict)
    memory_mb: int | None = None
    is_until_proved: bool = True  # its answers are seldom the smallest

    def search(self, problem: Problem, stop: Stop) -> Answers:
        """cvc5's answer, if it gives one that can be read."""
        from backends.cvc5_sygus import cvc5_answer
        from cegis.sygus.answers import read_answer
        from cegis.sygus.syntax import SygusError
        from cegis.sygus.writer import as_problem, write_problem

        grammars = {f.name: grammar for f, grammar in problem.grammars.items() if grammar is not None}
        asked = as_problem(problem.spec, grammars)
        answer = cvc5_answer(
            write_problem(asked), options=self.options, seconds=LONG, memory_mb=self.memory_mb, stop=stop
        )
        if isinstance(answer, Answered):
            try:
                terms = read_answer("\n".join(answer.functions), asked)
            except SygusError as error:  # an operator we have no row for
                return NoAnswer(f"its answer has no reading here: {error}")
            return (yield from _solutions(problem, terms, self.name))
        return answer


@dataclass(frozen=True)
class Horn:
    """Spacer, z3's engine for Horn clauses, on specifications that are made of them."""

    name: str = "horn"
    delay: float = 0.5
    memory_mb: int | None = None
    is_until_proved: bool = True

    def search(self, problem: Problem, stop: Stop) -> Answers:
        """Spacer's conditions, if it finds some that can be read."""
        if not _asks_for_conditions(problem):
            return NOT_HORN
        from cegis.invariants.horn import Conditions, spacer

        answer = spacer(problem.spec, seconds=LONG, memory_mb=self.memory_mb, stop=stop)
        if isinstance(answer, Conditions):
            names = (function.name for function in problem.spec.functions)
            return (yield from _solutions(problem, dict(zip(names, answer.bodies, strict=True)), self.name))
        return answer


@dataclass(frozen=True)
class Induction:
    """Inductive conditions of simple shapes, on specifications that are made of Horn clauses."""

    name: str = "induction"
    delay: float = 0.25
    memory_mb: int | None = None

    def search(self, problem: Problem, stop: Stop) -> Answers:
        """The conditions, if there are some; the solver is in a process of its own, as z3 is not made for threads."""
        if not _asks_for_conditions(problem):
            return NOT_HORN
        from cegis.invariants.horn import Conditions
        from cegis.invariants.induction import induction

        answer = induction(problem.spec, seconds=LONG, stop=stop, hard=True)
        if isinstance(answer, Conditions):
            names = (function.name for function in problem.spec.functions)
            return (yield from _solutions(problem, dict(zip(names, answer.bodies, strict=True)), self.name))
        return answer


@dataclass(frozen=True)
class Unrolling:
    """A run that no conditions allow, on specifications that are made of Horn clauses."""

    name: str = "unrolling"
    delay: float = 1.5
    is_until_proved: bool = True

    def search(self, problem: Problem, stop: Stop) -> Answers:
        """No solution, but maybe evidence that there is none."""
        yield from ()
        if not _asks_for_conditions(problem):
            return NOT_HORN
        from cegis.invariants.unrolling import unrolled
        from cegis.searchers.witnesses import solvers_of

        try:
            first, *_ = solvers_of(problem.spec)
            run = unrolled(problem.spec, seconds=LONG, backend=first, stop=stop, hard=True)
        except GrammarError as error:  # no solver can be told of some operator
            return NotApplicable(str(error))
        return run if isinstance(run, NoAnswer) else Refuted(run)


@dataclass(frozen=True)
class Contradictions:
    """Values of the variables at which nothing satisfies the specification."""

    name: str = "contradiction"
    delay: float = 2.5
    is_until_proved: bool = True

    def search(self, problem: Problem, stop: Stop) -> Answers:
        """No solution, but maybe evidence that there is none."""
        yield from ()
        if _agree(problem.spec):
            return NotApplicable("the examples do not contradict each other")
        from cegis.searchers.contradiction import contradiction
        from cegis.searchers.witnesses import solvers_of

        solvers = solvers_of(problem.spec)
        found = contradiction(problem.spec, seconds=LONG, backends=solvers, stop=stop, hard=True)
        return found if isinstance(found, NoAnswer) else Refuted(found)


def _asks_for_conditions(problem: Problem) -> bool:
    """Whether all functions are conditions, as in Horn clauses; seen without looking any further."""
    return all(function.signature.result == BOOL for function in problem.spec.functions)


def _agree(spec: FormulaSpec) -> bool:
    """Whether all constraints are examples such as ``f(1, 2) = 3``, and no two want different values of one call."""
    calls, wanted = {function.operator for function in spec.functions}, dict[Term, Term]()
    for constraint in spec.constraints:
        sides = (constraint.arguments, constraint.arguments[::-1]) if constraint.operator.name == "=" else ()
        pair = next(((call, value) for call, value in sides if call.operator in calls), None)
        if pair is None or not all(part.operator.is_literal for part in (*pair[0].arguments, pair[1])):
            return False
        if wanted.setdefault(*pair) != pair[1]:
            return False
    return True


REFUTERS: tuple[Searcher, ...] = (Contradictions(), Unrolling())


def _solutions(problem: Problem, terms: Mapping[str, Term], name: str) -> Generator[Solution, None, NoAnswer | None]:
    """The solution of these bodies, if every function's grammar derives its own."""
    programs = {function: problem.program(function, terms[function.name]) for function in problem.spec.functions}
    found = {function: program for function, program in programs.items() if program is not None}
    if len(found) < len(programs):
        return NoAnswer("its answer is not of the grammar")
    yield Solution(found, name)
    return None


SEARCHERS: Mapping[str, Callable[..., Searcher]] = MappingProxyType(
    {"cvc5": Cvc5Sygus, "horn": Horn, "induction": Induction}
)


def searcher_of(name: str, *, memory_mb: int | None = None) -> Searcher:
    """A searcher by its short name; raises DomainError listing the known ones."""
    if name not in SEARCHERS:
        raise DomainError(f"unknown searcher {name!r}; known: {', '.join(SEARCHERS)}, or an object of your own")
    return SEARCHERS[name](memory_mb=memory_mb)
