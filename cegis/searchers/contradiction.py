"""Values of the variables at which no functions whatever satisfy the specification: then it has no solution.

    constraints(x_1, v) and ... and constraints(x_n, v)      unsatisfiable over the values v of the calls

The calls are read as variables, one for each different point (calls inside calls are told to agree where their
arguments do). Tried are the constraints without variables, sampled valuations, where several calls meet all of few
small values, and those where what the constraints themselves say, and values that were right elsewhere, all fail. What
is left of the constraints is as little as needed.
Where it comes down to an equation and a constraint that it breaks, or to few values, exact evaluation decides; else two
solvers have to say so, or the sentence says on whose word alone it rests. That nothing is found says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from time import monotonic
from typing import Any

import numpy as np
from pysmt.environment import Environment

from backends import Backend, BackendError, Limits, Sat, Session, Unsat, decide
from backends.search import STOPPED, NoAnswer, Stop, interruptible, never
from cegis.formulas.evaluation import default_of
from cegis.formulas.formula import FormulaSpec, Function, conjuncts, rebuilt, subterms
from cegis.formulas.harvest import harvest, single_call
from cegis.formulas.refutation import logic_of
from cegis.formulas.sampling import sample
from cegis.invariants.unrolling import fact_text, valuation_text
from dsl.operators import BOOL, INT, GrammarError, Sort, Term
from dsl.program import term_text
from dsl.scalars import ScalarSignature, Value, json_value, variable
from dsl.theories.theory import literal

SAMPLES = 24
SMALL, MOST_SMALL = range(-1, 5), 64  # values of each variable that are all tried, where there are no more valuations
ROUNDS = 12  # of looking for a valuation where everything tried fails
QUERY_SECONDS = 2.0
MOST_VALUES = 1 << 16  # of all calls together, that are gone through
MOST_SHRUNK = 40  # questions about fewer constraints
MOST_HARVESTED = 16
SHOWN = 4


@dataclass(frozen=True)
class Instance:
    """``constraint`` of the specification at ``valuation``; ``term`` over literals and the variables for calls."""

    constraint: Term
    valuation: tuple[Value, ...]
    term: Term


@dataclass(frozen=True)
class Contradiction:
    """Instances of constraints that no values of the calls satisfy together.

    ``solvers`` say so; none where exact evaluation does. ``doubt``: why there is one solver alone.
    """

    spec: FormulaSpec
    instances: tuple[Instance, ...]
    calls: tuple[str, ...]
    solvers: tuple[str, ...]
    doubt: str = ""

    @property
    def sentence(self) -> str:
        """The evidence in one sentence."""
        texts = []
        for instance in self.instances:
            at = valuation_text(self.spec, instance.valuation, instance.constraint)
            used = {inner.operator.name for inner in subterms(instance.constraint) if inner.operator.is_variable}
            texts.append(term_text(instance.constraint) + (f" at {at}" if used else ""))
        shown = texts if len(texts) <= SHOWN else [*texts[:SHOWN], f"{len(texts) - SHOWN:,} more"]
        what = f"no value of {' and '.join(self.calls[:SHOWN])}" if self.calls else "nothing"
        return f"nothing satisfies the specification: {what} satisfies {' and '.join(shown)}; {self.witness}"

    @property
    def witness(self) -> str:
        """On whose word that is."""
        if not self.solvers:
            return "checked by exact evaluation"
        if len(self.solvers) == 1:
            return f"on the word of {self.solvers[0]} alone ({self.doubt})"
        return f"{' and '.join(self.solvers)} find none"

    def as_json(self) -> dict[str, Any]:
        """The evidence as JSON values."""
        names = [name for name, _ in self.spec.variables]
        return {
            "kind": "contradiction",
            "checked": self.witness,
            "constraints": [
                {
                    "constraint": term_text(i.constraint),
                    "values": dict(zip(names, map(json_value, i.valuation), strict=True)),
                }
                for i in self.instances
            ],
            "calls": list(self.calls),
        }


def contradiction(
    spec: FormulaSpec,
    *,
    seconds: float,
    backends: Sequence[Backend],
    seed: int = 0,
    stop: Stop = never,
    hard: bool = False,
) -> Contradiction | NoAnswer:
    """Why nothing satisfies ``spec``; the first of ``backends`` looks, the others confirm.

    ``hard`` asks the solvers in processes of their own, which is needed in a thread beside others that use them.
    """
    first, *others = backends
    with (
        first.open(Environment(), logic_of(spec), seed=seed, hard=hard) as opened,
        interruptible(opened, stop) as session,
    ):
        looking = _Looking(spec, session, monotonic() + seconds, stop, seed)
        try:
            found = looking.run()
        except _OverError as reason:
            return NoAnswer(str(reason))
        if found is None:
            return NoAnswer(f"no contradiction at the {len(looking.valuations):,} valuations looked at")
        grounded = _Grounded(spec, session.environment.formula_manager)
        instances = [grounded.instance(instance.constraint, instance.valuation) for instance in found]
        calls = tuple(map(fact_text, grounded.facts))
        if grounded.is_refuted(instances):
            return Contradiction(spec, tuple(found), calls, ())
        said = f"{first.name} {first.version()}"
    for other in others:
        try:
            with other.open(Environment(), logic_of(spec), seed=seed, hard=hard) as session:
                again = _Grounded(spec, session.environment.formula_manager)
                terms = [again.instance(instance.constraint, instance.valuation) for instance in found]
                answer = decide(session, "contradiction", again.formula(terms), Limits(5 * QUERY_SECONDS))
        except BackendError as error:
            doubt = str(error)
            continue
        if isinstance(answer, Unsat):
            return Contradiction(spec, tuple(found), calls, (said, f"{answer.solver} {answer.version}"))
        if isinstance(answer, Sat):  # its model was evaluated exactly
            return NoAnswer(f"{said} says that the constraints contradict each other, {other.name} has values for them")
        doubt = f"{other.name}: {answer.reason}"
    return Contradiction(spec, tuple(found), calls, (said,), doubt if others else "there was nobody else to ask")


def at_once(spec: FormulaSpec, constraint: Term, valuation: tuple[Value, ...]) -> Contradiction:
    """The evidence that a constraint is which calls no function and fails at ``valuation``."""
    literals: dict[Term, Term] = {
        v: literal(value, v.sort)() for v, value in zip(spec.signature.variables, valuation, strict=True)
    }
    return Contradiction(spec, (Instance(constraint, valuation, rebuilt(constraint, literals)),), (), ())


class _OverError(Exception):
    """Nothing was found, and why not more was tried."""


@dataclass
class _Looking:
    """The search for valuations."""

    spec: FormulaSpec
    session: Session
    deadline: float
    stop: Stop
    seed: int
    valuations: list[tuple[Value, ...]] = field(default_factory=list)

    def run(self) -> list[Instance] | None:
        """Instances that contradict each other."""
        if not self.spec.variables:
            self.valuations = self._allowed([()])
            return self._contradicting(self._instances(self.valuations)) if self.valuations else None
        drawn = sample(self.spec, SAMPLES, seed=self.seed)
        self.valuations = self._allowed(list(dict.fromkeys([*drawn, *_small(self.spec)])))
        if self.valuations and (found := self._contradicting(self._instances(self.valuations))):
            return found
        tried = list(self._candidates())
        for number in range(ROUNDS):
            valuation = self._failing(tried, number)
            if valuation is None:
                return None
            self.valuations.append(valuation)
            grounded = _Grounded(self.spec, self._manager)
            instances = [grounded.instance(one, valuation) for one in self._constraints()]
            answer = self._ask(f"values/{number}", grounded.formula(instances))
            if isinstance(answer, Unsat):
                return self._contradicting(instances)
            if not isinstance(answer, Sat):
                return None
            tried.append(self._values(grounded, valuation, answer.model))
        return self._contradicting(self._instances(self.valuations))  # that no one valuation shows

    @property
    def _manager(self) -> Any:
        return self.session.environment.formula_manager

    def _constraints(self) -> tuple[Term, ...]:
        return conjuncts(self.spec.constraints)

    def _ask(self, name: str, formula: Any) -> Any:
        if self.stop():
            raise _OverError(STOPPED)
        left = self.deadline - monotonic()
        if left <= 0:
            raise _OverError("out of time")
        answer = decide(self.session, f"contradiction/{name}", formula, Limits(min(left, QUERY_SECONDS)))
        if self.stop():
            raise _OverError(STOPPED)
        return answer

    def _allowed(self, valuations: Sequence[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
        columns = self.spec.signature.batch(valuations, exact=True)
        holds = np.ones(len(valuations), bool)
        for assumption in self.spec.assumptions:
            holds &= np.broadcast_to(np.asarray(assumption.evaluate(columns), bool), holds.shape)
        return [valuation for valuation, is_allowed in zip(valuations, holds, strict=True) if is_allowed]

    def _instances(self, valuations: Sequence[tuple[Value, ...]]) -> list[Instance]:
        """Every constraint at every valuation; those without variables once."""
        grounded, found = _Grounded(self.spec, self._manager), dict[Term, Instance]()
        for valuation in valuations:
            for one in self._constraints():
                instance = grounded.instance(one, valuation)
                found.setdefault(instance.term, instance)
        return list(found.values())

    def _contradicting(self, instances: list[Instance]) -> list[Instance] | None:
        """A few of the instances that cannot hold together; None where all can, as far as is known."""
        if not isinstance(self._ask("all", self._formula(instances)), Unsat):
            return None
        size, asked = max(1, len(instances) // 2), 0
        while asked < MOST_SHRUNK:
            place = 0
            while place < len(instances) and asked < MOST_SHRUNK:
                fewer = instances[:place] + instances[place + size :]
                asked += 1
                if fewer and isinstance(self._ask("fewer", self._formula(fewer)), Unsat):
                    instances = fewer
                else:
                    place += size
            if size == 1:
                break
            size = max(1, size // 2)
        return instances

    def _formula(self, instances: Sequence[Instance]) -> Any:
        grounded = _Grounded(self.spec, self._manager)
        return grounded.formula([grounded.instance(i.constraint, i.valuation) for i in instances])

    def _candidates(self) -> Iterator[dict[Term, Term]]:
        """What calls may be, over the variables of the specification."""
        flat = self.spec.flat
        yield {call.variable: literal(default_of(call.variable.sort), call.variable.sort)() for call in flat.calls}
        mined, call = harvest(self.spec), single_call(self.spec)
        if mined is None or call is None:
            return
        back = dict(zip(call.function.signature.variables, call.arguments, strict=True))
        for term in mined.terms[:MOST_HARVESTED]:
            if call.variable not in subterms(term):
                yield {call.variable: rebuilt(term, back)}

    def _failing(self, tried: Sequence[dict[Term, Term]], number: int) -> tuple[Value, ...] | None:
        """A valuation at which every candidate breaks a constraint; None where there is none."""
        m = self._manager
        symbols = self.spec.signature.symbols(m)
        try:
            parts = [assumption.encode(symbols) for assumption in self.spec.assumptions]
            for values in tried:
                closed = [self._closed(constraint, values) for constraint in self.spec.flat.constraints]
                parts.append(m.Not(m.And([constraint.encode(symbols) for constraint in closed])))
        except GrammarError as error:  # no solver can be told of some operator
            raise _OverError(str(error)) from None
        answer = self._ask(f"failing/{number}", m.And(parts))
        if not isinstance(answer, Sat):
            return None
        return tuple(answer.model.get(n, default_of(sort)) for n, sort in self.spec.variables)

    def _closed(self, constraint: Term, values: dict[Term, Term]) -> Term:
        return rebuilt(constraint, values)

    def _values(self, grounded: _Grounded, valuation: tuple[Value, ...], model: Any) -> dict[Term, Term]:
        """The calls' values in a model, as literals."""
        found = {}
        for call in self.spec.flat.calls:
            stand_in = grounded.variable_of(call.name, valuation)
            value = None if stand_in is None else model.get(stand_in.operator.name)
            sort = call.variable.sort
            found[call.variable] = literal(default_of(sort) if value is None else value, sort)()
        return found


def _small(spec: FormulaSpec) -> list[tuple[Value, ...]]:
    """All valuations of small values, where several calls are compared: one after the other they may leave no room."""
    if len(spec.flat.calls) < 2:
        return []
    values: list[list[Value]] = []
    for _, sort in spec.variables:
        if sort == BOOL:
            values.append([False, True])
        elif sort == INT:
            values.append(list(SMALL))
        elif sort.width:
            values.append(list(range(min(len(SMALL), 2**sort.width))))
        else:
            return []
    return list(product(*values)) if prod(map(len, values)) <= MOST_SMALL else []


@dataclass
class _Grounded:
    """The calls of a specification at valuations as variables: one for each different point."""

    spec: FormulaSpec
    manager: Any
    facts: dict[tuple[Function, tuple[Value, ...]], Term] = field(default_factory=dict)  # points with known arguments
    inner: list[tuple[Function, tuple[Term, ...], Term]] = field(default_factory=list)  # and others
    known: dict[tuple[str, tuple[Value, ...]], Term] = field(default_factory=dict)

    def instance(self, constraint: Term, valuation: tuple[Value, ...]) -> Instance:
        """A conjunct of the specification's constraints at a valuation."""
        literals: dict[Term, Term] = {
            v: literal(value, v.sort)() for v, value in zip(self.spec.signature.variables, valuation, strict=True)
        }
        return Instance(constraint, valuation, self._opened(rebuilt(constraint, literals), valuation))

    def variable_of(self, call: str, valuation: tuple[Value, ...]) -> Term | None:
        """What stands for a call at a valuation."""
        return self.known.get((call, valuation))

    def _opened(self, term: Term, valuation: tuple[Value, ...]) -> Term:
        """``term`` with variables for calls."""
        by_operator = {function.operator: function for function in self.spec.functions}
        flat = [call for call in self.spec.flat.calls]
        values: dict[Term, Term] = {}
        for part in subterms(term):
            arguments = tuple(values[argument] for argument in part.arguments)
            function = by_operator.get(part.operator)
            if function is None:
                values[part] = part if arguments == part.arguments else Term(part.operator, arguments)
            else:
                values[part] = self._call(function, arguments)
        self._remember(flat, valuation)
        return values[term]

    def _call(self, function: Function, arguments: tuple[Term, ...]) -> Term:
        mark = self.spec.mark
        sort = function.signature.result
        exact = ScalarSignature((), BOOL).batch([()], exact=True)
        if any(inner.operator.is_variable for argument in arguments for inner in subterms(argument)):
            for other, known, stand_in in self.inner:
                if (other, known) == (function, arguments):
                    return stand_in
            stand_in = variable(f"{function.name}{mark}{mark}{len(self.inner)}", sort)()
            self.inner.append((function, arguments, stand_in))
            return stand_in
        point = tuple(_plain(argument.evaluate(exact)) for argument in arguments)
        if (function, point) not in self.facts:
            self.facts[function, point] = variable(f"{function.name}{mark}{len(self.facts)}", sort)()
        return self.facts[function, point]

    def _remember(self, calls: Sequence[Any], valuation: tuple[Value, ...]) -> None:
        """Which variable stands for each call whose arguments call nothing."""
        columns = self.spec.signature.batch([valuation], exact=True)
        names = {call.name for call in calls}
        for call in calls:
            if any(inner.operator.name in names for a in call.arguments for inner in subterms(a)):
                continue
            point = tuple(_plain(argument.evaluate(columns)) for argument in call.arguments)
            if (call.function, point) in self.facts:
                self.known[call.name, valuation] = self.facts[call.function, point]

    def formula(self, instances: Sequence[Instance]) -> Any:
        """That the instances hold together, and that calls agree where their arguments do."""
        m = self.manager
        stand_ins = [*self.facts.values(), *(stand_in for *_, stand_in in self.inner)]
        signature = ScalarSignature(tuple((s.operator.name, s.sort) for s in stand_ins), BOOL)
        symbols = signature.symbols(m)
        try:
            parts = [instance.term.encode(symbols) for instance in instances]
            points = [
                (f, tuple(literal(v, s)() for v, (_, s) in zip(p, f.signature.parameters, strict=True)), term)
                for (f, p), term in self.facts.items()
            ]
            for place, (function, arguments, stand_in) in enumerate(self.inner):
                for other, others, known in (*points, *self.inner[:place]):
                    if other == function:
                        pairs = zip(arguments, others, strict=True)
                        same = [m.EqualsOrIff(a.encode(symbols), b.encode(symbols)) for a, b in pairs]
                        equal = m.EqualsOrIff(stand_in.encode(symbols), known.encode(symbols))
                        parts.append(m.Implies(m.And(same), equal))
        except GrammarError as error:
            raise _OverError(str(error)) from None
        return m.And(parts)

    def is_refuted(self, instances: Sequence[Instance]) -> bool:
        """Whether exact evaluation alone shows that no values satisfy the instances."""
        if self.inner:
            return False
        values: dict[str, list[Value]] = {}
        for instance in instances:
            for stand_in, value in _equations(instance.term):
                values.setdefault(stand_in.operator.name, []).append(value)
        stand_ins = {term.operator.name: term.sort for term in self.facts.values()}
        choices = [[values[name][0]] if name in values else _all(sort) for name, sort in stand_ins.items()]
        if any(choice is None for choice in choices):  # what is not pinned down may be left out if it is not needed
            kept = [name for name, choice in zip(stand_ins, choices, strict=True) if choice is not None]
            terms = [i.term for i in instances if {s.operator.name for s in _variables(i.term)} <= set(kept)]
            choices = [choice for choice in choices if choice is not None]
        else:
            kept, terms = list(stand_ins), [instance.term for instance in instances]
        if not terms or prod(map(len, choices)) > MOST_VALUES:  # type: ignore[arg-type]
            return False
        signature = ScalarSignature(tuple((name, stand_ins[name]) for name in kept), BOOL)
        rows = list(product(*choices))  # type: ignore[arg-type]
        columns = signature.batch(rows, exact=True)
        holds = np.ones(len(rows), bool)
        for term in terms:
            holds &= np.broadcast_to(np.asarray(term.evaluate(columns), bool), holds.shape)
        return not holds.any()


def _equations(term: Term) -> Iterator[tuple[Term, Value]]:
    """What the term says outright: that a variable has a value."""
    if term.operator.name == "and":
        for part in term.arguments:
            yield from _equations(part)
    elif term.operator.is_variable:
        yield term, True
    elif term.operator.name == "not" and term.arguments[0].operator.is_variable:
        yield term.arguments[0], False
    elif term.operator.name == "=":
        exact = ScalarSignature((), BOOL).batch([()], exact=True)
        for one, other in (term.arguments, term.arguments[::-1]):
            if one.operator.is_variable and not _variables(other):
                yield one, _plain(other.evaluate(exact))


def _variables(term: Term) -> set[Term]:
    return {inner for inner in subterms(term) if inner.operator.is_variable}


def _all(sort: Sort) -> list[Value] | None:
    """Every value of a small sort."""
    if sort == BOOL:
        return [False, True]
    return list(range(1 << sort.width)) if 0 < sort.width <= 16 else None


def _plain(value: Any) -> Value:
    array = np.broadcast_to(np.asarray(value, object), (1,))
    return array[0].item() if isinstance(array[0], np.generic) else array[0]  # type: ignore[no-any-return]
