"""A run that no condition allows: Horn clauses unrolled until a solver finds a contradiction, and then replayed.

    p(s_0) must hold, p(s_0) forces p(s_1), ..., p(s_k) forces false

For a loop's invariant this is bounded model checking (Biere, Cimatti, Clarke, Zhu, TACAS 1999): a run from a first
state to a bad one. For clauses with several premises it is a tree of them. The solver is only asked for the values;
that they are such a run is seen by exact evaluation of the specification's own constraints (``Run.is_real``), whatever
the clauses were: at each step every value of all other calls makes some constraint false unless the call concluded
there is true. So a solver's word is nowhere in it. That no run is found says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from time import monotonic
from typing import Any

import numpy as np
from pysmt.environment import Environment

from backends import Backend, Limits, Sat, Session, Unknown, decide
from backends.search import STOPPED, NoAnswer, NotApplicable, Stop, interruptible, never
from cegis.formulas.evaluation import default_of
from cegis.formulas.formula import FormulaSpec, Function, subterms
from cegis.formulas.refutation import logic_of
from cegis.invariants.clauses import Clause, clauses
from dsl.operators import Operator, Term
from dsl.program import symbol_text, term_text
from dsl.scalars import Columns, Symbols, Value, json_value, pysmt_type
from dsl.theories.theory import literal

LONGEST = 2_048  # steps of a run
MOST_NODES = 4_000  # calls in one question: trees of premises grow fast
MOST_FREE = 8  # calls without a value in one replayed step
QUERY_SECONDS = 3.0
SHOWN = 12  # steps in a sentence
Fact = tuple[Function, tuple[Value, ...]]


@dataclass(frozen=True)
class Step:
    """At ``valuation`` of the specification's variables, ``premises`` force ``concluded``, or (None) contradict."""

    valuation: tuple[Value, ...]
    premises: tuple[Fact, ...]
    concluded: Fact | None


@dataclass(frozen=True)
class Run:
    """Calls that every solution makes true, each forced by earlier ones, up to a contradiction."""

    spec: FormulaSpec
    steps: tuple[Step, ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The calls that must be true, in the order in which they are forced."""
        return tuple(step.concluded for step in self.steps if step.concluded is not None)

    @property
    def violated(self) -> Term:
        """A constraint that fails after the last step; all together where none does so alone."""
        last = self.steps[-1]
        failing = (one for one in self.spec.constraints if _forces(self.spec, last, (one,)))
        return next(failing, self.spec.constraints[-1])

    @property
    def sentence(self) -> str:
        """The evidence in one sentence."""
        calls = [fact_text(fact) for fact in self.facts]
        if len(calls) > SHOWN:
            calls = [*calls[: SHOWN // 2], f"... {len(calls) - SHOWN:,} more ...", *calls[-SHOWN // 2 :]]
        must = f"{', '.join(calls)} must hold, each by those before it, and then" if calls else "here"
        return (
            f"nothing satisfies the specification: {must} the constraint {term_text(self.violated)} fails"
            f"{self._where}; replayed by exact evaluation"
        )

    @property
    def _where(self) -> str:
        shown = valuation_text(self.spec, self.steps[-1].valuation, self.violated)
        return f" at {shown}" if shown else ""

    def is_real(self) -> bool:
        """Whether every step is forced, by exact evaluation of the constraints."""
        known: set[Fact] = set()
        for step in self.steps:
            if not known.issuperset(step.premises) or not _forces(self.spec, step, self.spec.constraints):
                return False
            if step.concluded is not None:
                known.add(step.concluded)
        return bool(self.steps) and self.steps[-1].concluded is None

    def as_json(self) -> dict[str, Any]:
        """The run as JSON values: each call that must be true, and the values of the variables that force it."""
        names = [name for name, _ in self.spec.variables]
        return {
            "kind": "run",
            "checked": "by exact evaluation",
            "steps": [
                {
                    "forced": None if step.concluded is None else fact_text(step.concluded),
                    "values": dict(zip(names, map(json_value, step.valuation), strict=True)),
                }
                for step in self.steps
            ],
            "violated": term_text(self.violated),
        }


def fact_text(fact: Fact) -> str:
    """A call with values for its arguments, as SMT-LIB text."""
    function, values = fact
    sorts = [sort for _, sort in function.signature.parameters]
    texts = [literal(value, sort).name for value, sort in zip(values, sorts, strict=True)]
    return f"({' '.join([symbol_text(function.name), *texts])})" if texts else symbol_text(function.name)


def valuation_text(spec: FormulaSpec, valuation: Sequence[Value], *terms: Term) -> str:
    """The values of the variables that ``terms`` speak of: ``x = 1, y = 2``."""
    used = {inner for term in terms for inner in _leaves(term)}
    pairs = zip(spec.variables, valuation, strict=True)
    return ", ".join(f"{n} = {literal(v, s).name}" for (n, s), v in pairs if not used or n in used)


def _leaves(term: Term) -> Iterator[str]:
    return (inner.operator.name for inner in subterms(term) if inner.operator.is_variable)


def _forces(spec: FormulaSpec, step: Step, constraints: Sequence[Term]) -> bool:
    """Whether the assumptions hold and some of ``constraints`` fails whatever the calls without a value are.

    The premises are true and the call concluded is false.
    """
    exact = spec.signature.batch([step.valuation], exact=True)
    if not all(np.all(assumption.evaluate(exact)) for assumption in spec.assumptions):
        return False
    by_term = dict(zip(spec.constraints, spec.flat.constraints, strict=True))
    facts: dict[str, Fact] = {}
    for call in spec.flat.calls:
        values = tuple(np.broadcast_to(np.asarray(a.evaluate(exact), object), (1,))[0] for a in call.arguments)
        facts[call.name] = (call.function, tuple(map(_plain, values)))
    given = {**dict.fromkeys(step.premises, True)}
    if step.concluded is not None:
        given[step.concluded] = False
    free = [fact for fact in dict.fromkeys(facts.values()) if fact not in given]
    if len(free) > MOST_FREE:
        return False
    for choice in product((False, True), repeat=len(free)):
        truth = {**given, **dict(zip(free, choice, strict=True))}
        columns = {name: np.array([truth[fact]]) for name, fact in facts.items()}
        inputs = Columns({**exact.arrays, **columns}, 1, True)
        if all(np.all(by_term[constraint].evaluate(inputs)) for constraint in constraints):
            return False
    return True


def _plain(value: Any) -> Value:
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[no-any-return]


def unrolled(
    spec: FormulaSpec,
    *,
    seconds: float,
    backend: Backend,
    seed: int = 0,
    stop: Stop = never,
    hard: bool = False,
) -> Run | NoAnswer:
    """A run that shows that nothing satisfies ``spec``, replayed; NoAnswer where none is found.

    ``hard`` asks the solver in a process of its own, which is needed in a thread beside others that use it.
    """
    found = clauses(spec)
    if found is None:
        return NotApplicable("the specification is not made of Horn clauses")
    goals = [clause for clause in found if clause.conclusion is None]
    if not goals:
        return NotApplicable("no clause is without a conclusion, so conditions that are always true satisfy all")
    with (
        backend.open(Environment(), logic_of(spec), seed=seed, hard=hard) as opened,
        interruptible(opened, stop) as session,
    ):
        asked, depth = _Asking(spec, found, session, monotonic() + seconds, stop), 1
        while not isinstance(said := asked.run(depth), Run) and said is None and depth < LONGEST:
            depth *= 2
        if not isinstance(said, Run):
            return said or NoAnswer(f"no run of up to {depth} steps")
        longest = depth // 2  # that has no run
        while depth - longest > 1:
            shorter = asked.run((longest + depth) // 2)
            if isinstance(shorter, NoAnswer):
                break
            longest, depth = ((longest + depth) // 2, depth) if shorter is None else (longest, (longest + depth) // 2)
            said = shorter or said
    return said


@dataclass(frozen=True)
class _Asking:
    """A solver that is asked for runs."""

    spec: FormulaSpec
    clauses: tuple[Clause, ...]
    session: Session
    deadline: float
    stop: Stop

    def run(self, depth: int) -> Run | NoAnswer | None:
        """A run with at most ``depth`` calls on each path; None where there is none."""
        left = self.deadline - monotonic()
        if self.stop():
            return NoAnswer(STOPPED)
        if left <= 0:
            return NoAnswer("out of time")
        unrolling = _Unrolling(self.spec, self.clauses, self.session.environment.formula_manager)
        formula = unrolling.formula(depth)
        if formula is None:
            return NoAnswer(f"no run of up to {depth // 2} steps, and longer ones are too large to ask for")
        match decide(self.session, f"run/{depth}", formula, Limits(min(left, QUERY_SECONDS))):
            case Sat(model=model):
                run = Run(self.spec, tuple(unrolling.steps(model)))
                return run if run.is_real() else NoAnswer("a run that does not stand the replay")
            case Unknown(reason=reason):
                return NoAnswer(STOPPED if self.stop() else f"no run of up to {depth // 2} steps, and then {reason}")
        return None


@dataclass(frozen=True)
class _Node:
    """A call that has to be derived in at most ``depth`` steps; ``path`` tells premises of one clause apart."""

    function: Operator
    depth: int
    path: tuple[int, ...]


@dataclass
class _Unrolling:
    """One question: the calls and clause instances it is about.

    Instances that are not chosen say nothing; a node has one parent that is chosen, as other paths are other nodes.
    """

    spec: FormulaSpec
    clauses: tuple[Clause, ...]
    manager: Any
    numbers: dict[_Node, int] = field(default_factory=dict)
    arguments: dict[_Node, tuple[Any, ...]] = field(default_factory=dict)
    choices: dict[_Node | None, list[tuple[Any, Clause, Symbols, tuple[_Node, ...]]]] = field(default_factory=dict)
    instances: int = 0

    def formula(self, depth: int) -> Any | None:
        """That a goal is reached with ``depth`` steps before it; None where that is too much to ask."""
        m = self.manager
        parts: list[Any] = []
        waiting: list[_Node | None] = [None]
        while waiting:
            node = waiting.pop()
            if len(self.arguments) > MOST_NODES:
                return None
            chosen = self.choices[node] = []
            for clause in self.clauses:
                if (clause.conclusion and clause.conclusion.operator) != (node and node.function):
                    continue
                left = depth if node is None else node.depth - 1
                if clause.premises and left < 1:
                    continue
                parts.append(self._instance(node, clause, left, waiting))
            is_active = m.TRUE() if node is None else self._active(node)
            parts.append(m.Implies(is_active, m.Or([selector for selector, *_ in chosen])))
        return m.And(parts)

    def _instance(self, node: _Node | None, clause: Clause, depth: int, waiting: list[_Node | None]) -> Any:
        """That the clause, where it is chosen for the node, concludes it."""
        m, mark, number = self.manager, self.spec.mark, self.instances
        self.instances += 1
        values = {name: m.Symbol(f"{name}{mark}{number}", pysmt_type(m, sort)) for name, sort in self.spec.variables}
        symbols, selector = Symbols(m, values), m.Symbol(f"{mark}chosen{mark}{number}")
        body = [fact.encode(symbols) for fact in clause.facts]
        if node is not None and clause.conclusion is not None:
            encoded = [argument.encode(symbols) for argument in clause.conclusion.arguments]
            body += [m.EqualsOrIff(*pair) for pair in zip(self.arguments[node], encoded, strict=True)]
        premises = []
        for place, premise in enumerate(clause.premises):
            before = () if node is None else node.path
            path = (*before, place) if len(clause.premises) > 1 else before
            below = _Node(premise.operator, depth, path)
            if below not in self.arguments:
                self.numbers[below] = len(self.numbers)
                self.arguments[below] = self._symbols(below)
                waiting.append(below)
            premises.append(below)
            encoded = [argument.encode(symbols) for argument in premise.arguments]
            body += [m.EqualsOrIff(*pair) for pair in zip(self.arguments[below], encoded, strict=True)]
            body.append(self._active(below))
        self.choices[node].append((selector, clause, symbols, tuple(premises)))
        return m.Implies(selector, m.And(body))

    def _symbols(self, node: _Node) -> tuple[Any, ...]:
        number, mark = self.numbers[node], self.spec.mark
        return tuple(
            self.manager.Symbol(f"{mark}{number}{mark}{place}", pysmt_type(self.manager, sort))
            for place, sort in enumerate(node.function.arguments)
        )

    def _active(self, node: _Node) -> Any:
        number = self.numbers[node]
        return self.manager.Symbol(f"{self.spec.mark}active{self.spec.mark}{number}")

    def steps(self, model: Mapping[str, Any]) -> Iterator[Step]:
        """The steps that a model chose, premises before what they force."""
        done: set[Fact] = set()
        stack: list[tuple[_Node | None, bool]] = [(None, False)]
        while stack:
            node, is_ready = stack.pop()
            _, clause, symbols, premises = next(c for c in self.choices[node] if model.get(c[0].symbol_name()))
            if not is_ready:
                stack += [(node, True), *((premise, False) for premise in reversed(premises))]
                continue
            row = [model.get(symbols[name].symbol_name(), default_of(sort)) for name, sort in self.spec.variables]
            columns = self.spec.signature.batch([row], exact=True)
            concluded = None if clause.conclusion is None else self._fact(clause.conclusion, columns)
            if concluded not in done:
                yield Step(tuple(row), tuple(self._fact(p, columns) for p in clause.premises), concluded)
            if concluded is not None:
                done.add(concluded)

    def _fact(self, call: Term, columns: Columns) -> Fact:
        function = next(function for function in self.spec.functions if function.operator == call.operator)
        values = (np.broadcast_to(np.asarray(a.evaluate(columns), object), (1,))[0] for a in call.arguments)
        return function, tuple(map(_plain, values))
