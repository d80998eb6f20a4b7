"""The search for several functions one after the other: values that allow the rest, a program for them, then the rest.

    allowed(x) = { v : some values of the other calls satisfy the specification at x with f(x) = v }

A solver lists the allowed values at sampled valuations; a function that takes one of them everywhere is searched like
any function given by examples. With its program put in, the specification has one function less. A counterexample at
which the program takes no allowed value makes it be searched again; any other is the rest's to learn from.

Every function must be called just once (``is_stepwise``). Choosing the program of the first function without the rest
may be a dead end; then nothing is found, and nothing wrong is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import reduce

import numpy as np
from pysmt.environment import Environment

from backends import Backend, Limits, Sat, Session, Unsat, decide
from cegis.formulas.formula import Flat, FormulaSpec, Function, rebuilt, subterms, with_programs
from cegis.formulas.refutation import logic_of
from cegis.formulas.sampling import sample
from cegis.formulas.solution import Solution
from cegis.loop import Budget, Search
from cegis.searchers.search import PointSearch
from dsl.enumerator import Exhausted, Stopped
from dsl.grammar import Grammar
from dsl.operators import BOOL, Term
from dsl.program import Program
from dsl.scalars import ScalarSignature, Value
from dsl.theories.theory import find, literal

SAMPLES = 60  # valuations at which allowed values are listed
MOST_VALUES = 4  # allowed values at a valuation; with more, all are taken to be allowed there
QUERY_SECONDS = 2.0
Stop = Callable[[], bool]


def is_stepwise(spec: FormulaSpec) -> bool:
    """Whether every function is called just once, with arguments that call nothing."""
    calls = spec.flat.calls
    names = {call.variable for call in calls}
    inside = {inner for call in calls for argument in call.arguments for inner in subterms(argument)}
    once = sorted(call.function.name for call in calls) == sorted(function.name for function in spec.functions)
    return once and not names & inside


class StepwiseSearch:
    """Searches the functions of ``spec`` in turn, the one that depends on the fewest others first."""

    def __init__(
        self,
        spec: FormulaSpec,
        grammars: Mapping[Function, Grammar],
        *,
        backend: Backend,
        budget: Budget,
        seed: int = 0,
    ) -> None:
        self._spec, self._grammars, self._backend = spec, grammars, backend
        self._budget, self._seed = budget, seed
        self._function = min(spec.functions, key=lambda function: _entangled(spec, function))
        self._allowed: dict[tuple[Value, ...], frozenset[Value]] = {}  # by arguments
        self._program: Program | None = None
        self._rest: Search | None = None
        self._spent = 0

    @property
    def candidates(self) -> int:
        """How many programs were tried so far."""
        return self._spent + (0 if self._rest is None else self._rest.candidates)

    @property
    def memory_mb(self) -> float:
        """What the values that are kept take, in MB."""
        return 0.0 if self._rest is None else self._rest.memory_mb

    @property
    def level(self) -> int:
        """Up to which cost everything was built."""
        return 0 if self._rest is None else self._rest.level

    def propose(self, stop: Stop) -> Solution | Exhausted | Stopped:
        """Programs for all functions that are right at what was seen so far."""
        if self._rest is None:
            if not self._allowed:
                self._list(sample(self._spec, SAMPLES, seed=self._seed), stop)
            first = self._first(stop)
            if not isinstance(first, Solution):
                return first if isinstance(first, Stopped) else Stopped(f"found no program for {self._function.name}")
            self._program = first.programs[self._function]
            self._rest = self._search_rest(self._program)
        found = self._rest.propose(stop)
        if not isinstance(found, Solution):
            return found if isinstance(found, Stopped) else Stopped(f"{self._function.name} may be a dead end")
        assert self._program is not None
        return Solution.merged(self._spec, {self._function: self._program, **found.programs}, found.searcher)

    def observe(self, inputs: tuple[Value, ...], expected: object) -> None:
        """Take a valuation of the variables at which a candidate failed."""
        self._list([inputs], lambda: False)
        arguments = self._arguments(inputs)
        value = None if self._program is None else self._program(*arguments)
        if self._rest is not None and (arguments not in self._allowed or value in self._allowed[arguments]):
            self._rest.observe(inputs, expected)
        else:
            self._spent, self._rest = self.candidates, None

    def _first(self, stop: Stop) -> Solution | Exhausted | Stopped:
        """A program for the first function that takes allowed values."""
        spec = FormulaSpec((self._function,), (), tuple(self._examples()))
        search = PointSearch(spec, self._grammars[self._function], budget=self._budget, seed=self._seed)
        found = search.propose(stop)
        self._spent += search.candidates
        return found

    def _search_rest(self, program: Program) -> Search:
        bodies = {self._function.operator: (self._function.signature, program.term)}
        others = tuple(function for function in self._spec.functions if function != self._function)
        spec = replace(self._spec, functions=others, constraints=with_programs(self._spec.constraints, bodies))
        if len(others) == 1:
            return PointSearch(spec, self._grammars[others[0]], budget=self._budget, seed=self._seed)
        grammars = {function: self._grammars[function] for function in others}
        return StepwiseSearch(spec, grammars, backend=self._backend, budget=self._budget, seed=self._seed)

    # --- allowed values -----------------------------------------------------------------------------------------

    def _examples(self) -> Iterator[Term]:
        """At each point, that the function takes one of the allowed values."""
        signature = self._function.signature
        for arguments, values in self._allowed.items():
            terms = (literal(value, sort)() for value, (_, sort) in zip(arguments, signature.parameters, strict=True))
            call = self._function.operator(*terms)
            equal, either = find("=", (signature.result, signature.result)), find("or", (BOOL, BOOL))
            one_of = [equal(call, literal(value, signature.result)()) for value in sorted(values, key=str)]
            yield reduce(lambda left, right: either(left, right), one_of)

    def _list(self, valuations: list[tuple[Value, ...]], stop: Stop) -> None:
        """List the allowed values at valuations, where they are few."""
        environment = Environment()
        with self._backend.open(environment, logic_of(self._spec), seed=self._seed) as session:
            for valuation in valuations:
                if stop():
                    return
                arguments = self._arguments(valuation)
                found = self._values(session, valuation)
                if found:
                    self._allowed[arguments] = self._allowed.get(arguments, found) & found or found

    def _values(self, session: Session, valuation: tuple[Value, ...]) -> frozenset[Value]:
        """The allowed values at a valuation; none where they are many, or the solver does not know."""
        flat = self._spec.flat
        call = next(call for call in flat.calls if call.function == self._function)
        manager = session.environment.formula_manager
        signature = ScalarSignature(tuple((c.name, c.function.signature.result) for c in flat.calls), BOOL)
        symbols = signature.symbols(manager)
        query = manager.And([term.encode(symbols) for term in _at(self._spec, flat, valuation)])
        found: list[Value] = []
        while True:
            match decide(session, f"allowed/{len(found)}", query, Limits(seconds=QUERY_SECONDS)):
                case Sat(model=model) if len(found) < MOST_VALUES and call.name in model:
                    value = model[call.name]
                    found.append(value)
                    taken = literal(value, call.function.signature.result)().encode(symbols)
                    query = manager.And(query, manager.Not(manager.EqualsOrIff(symbols[call.name], taken)))
                case Unsat():
                    return frozenset(found)
                case _:
                    return frozenset()

    def _arguments(self, valuation: tuple[Value, ...]) -> tuple[Value, ...]:
        """The point at which the first function is called at a valuation."""
        call = next(call for call in self._spec.flat.calls if call.function == self._function)
        columns = self._spec.signature.batch([valuation], exact=True)
        return tuple(np.broadcast_to(np.asarray(a.evaluate(columns)), (1,)).tolist()[0] for a in call.arguments)


def _entangled(spec: FormulaSpec, function: Function) -> int:
    """How many constraints speak of this function and of others."""
    called = (spec.called(constraint) for constraint in spec.constraints)
    return sum(function in functions and len(functions) > 1 for functions in called)


def _at(spec: FormulaSpec, flat: Flat, valuation: tuple[Value, ...]) -> list[Term]:
    """The flat constraints with values for the variables."""
    values = {v: literal(x, v.sort)() for v, x in zip(spec.signature.variables, valuation, strict=True)}
    return [rebuilt(constraint, values) for constraint in flat.constraints]
