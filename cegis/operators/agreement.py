"""Whether the readings of every operator of a grammar agree, shown by trying them on small inputs.

An operator says one thing several times: on machine words and on exact numbers (numpy), as printed Python, and as a
formula (evaluated by our own exact arithmetic, and by each solver). Programs are found by the first, printed by the
third and proved by the last, so an operator whose readings differ makes proofs about another function than the one that
is printed. The numpy reading is tried in all shapes that a search hands over (``Readings.shaped``), so that it does not
break there. This is a test on the inputs of ``readings``, not a proof; an operator that breaks all the same is named
(``guarded``). Where a formula has no one value (integer division by zero, which SMT-LIB leaves open) it is not
compared; such inputs are counted as ``left_open``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from pysmt.environment import Environment
from pysmt.logics import QF_BV, QF_LRA, QF_NIA, QF_SLIA, QF_UF, Logic

from backends import Backend, BackendError, Limits, Sat, Session, Unsat, decide, get
from backends.evaluation import flatten
from cegis.operators.readings import Encoded, Point, Readings
from dsl.grammar import Grammar
from dsl.operators import BOOL, MASK, REAL, STRING, GrammarError, Operator, Sort
from dsl.scalars import ScalarSignature
from dsl.theories.theory import is_own

LIMITS = Limits(seconds=30.0)  # for each question to a solver
AT_ONCE = 100  # points in one question


@dataclass(frozen=True)
class Raised:
    """Instead of a value: what a reading raised."""

    error: str

    def __repr__(self) -> str:
        return f"(raised {self.error})"


@dataclass(frozen=True)
class Open:
    """Instead of a value: SMT-LIB leaves it open."""


OPEN = Open()
Table = dict[str, list[Any]]  # values of each reading, by point


@dataclass(frozen=True)
class Disagreement:
    """An input on which the readings of ``operator`` differ, and what each of them says there."""

    operator: Operator
    point: Point
    readings: tuple[tuple[str, object], ...]

    def __str__(self) -> str:
        shown = [str(sorted(value)) if isinstance(value, frozenset) else repr(value) for value in self.point.arguments]
        applied = f"{self.operator.name} of ({', '.join(shown)})" if shown else self.operator.name
        reads_inputs = not shown or MASK in (self.operator.result, *self.operator.arguments)
        inputs = f" on {', '.join(map(repr, self.point.inputs))}" if reads_inputs and self.point.inputs else ""
        return f"{applied}{inputs}: {', '.join(f'{name} says {value!r}' for name, value in self.readings)}"


@dataclass(frozen=True)
class Checked:
    """What was tried with one operator.

    ``left_open``: points where its formula has no one value. ``unasked``: readings that could not be had, with reasons.
    """

    operator: Operator
    points: int
    left_open: int
    readings: tuple[str, ...]
    unasked: tuple[str, ...]
    disagreement: Disagreement | None


def check_operators(grammar: Grammar, backends: Sequence[str | Backend] = ("z3", "cvc5")) -> tuple[Disagreement, ...]:
    """One disagreement for each operator whose readings differ.

    Raises GrammarError where a reading could not be had, for example from a solver that lacks a sort.

    >>> check_operators(Grammar(f.signature, "I", (Production("I", x.operator),)), ["z3"])
    ()
    """
    found = []
    for checked in examine(grammar, backends):
        if checked.disagreement is not None:
            found.append(checked.disagreement)
        elif checked.unasked:
            raise GrammarError(f"{checked.operator.name} could not be checked: {'; '.join(checked.unasked)}")
    return tuple(found)


def check_own(grammar: Grammar) -> None:
    """Raise GrammarError where an operator of the user's own means different things in its readings.

    Rows of the theories and defined functions are taken as they are. No solver is asked: the formula is evaluated.
    """
    with ExitStack() as stack:
        examiner = Examiner((), stack)
        for operator in dict.fromkeys(production.operator for production in grammar.productions):
            if is_own(operator):
                found = examiner.examine(Readings(operator, grammar.signature)).disagreement
                if found is not None:
                    raise GrammarError(f"the readings of an operator differ, so nothing proved with it holds: {found}")


def guarded(grammar: Grammar) -> Grammar:
    """``grammar`` with own operators that raise GrammarError, naming themselves, instead of anything else."""
    rows = (replace(p, operator=_guarded(p.operator)) if is_own(p.operator) else p for p in grammar.productions)
    return replace(grammar, productions=tuple(rows))


def _guarded(operator: Operator) -> Operator:
    def guard(reading: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(inputs: Any, *arguments: Any) -> Any:
            try:
                value = function(inputs, *arguments)
                return value if reading == "SMT" else _of_sort(operator.result, value, inputs, arguments)
            except (GrammarError, BackendError, MemoryError):
                raise
            except Exception as error:
                shapes = ", ".join(str(np.shape(argument)) for argument in arguments)
                given = f" on arguments of the shapes {shapes}" if reading == "numpy" and arguments else ""
                raise GrammarError(
                    f"the {reading} reading of the operator {operator.name} failed{given}: "
                    f"{_raised(error).error}; see what it has to take with: distill dsl check"
                ) from error

        return call

    return replace(operator, numpy=guard("numpy", operator.numpy), smt=guard("SMT", operator.smt))


def _of_sort(sort: Sort, value: Any, inputs: Any, arguments: Sequence[Any]) -> Any:
    """``value``, if it has the shape and the kind of numbers that a search takes; raises ValueError otherwise."""
    got = np.asarray(value)
    shape = np.broadcast_shapes((inputs.examples,), *map(np.shape, arguments))
    if np.broadcast_shapes(got.shape, shape) != shape:
        raise ValueError(f"it gave values of the shape {got.shape}, where {shape} was expected")
    kinds = "b" if sort == BOOL else "OU" if sort.dtype == "object" and not sort.width else "iu"
    if got.dtype.kind not in (*kinds, "O"):
        raise ValueError(f"it gave values of the type {got.dtype}, where {sort.dtype} was expected")
    if got.dtype == object and sort.dtype != "object" and not inputs.exact:
        return got.astype(sort.dtype)
    return value


def examine(grammar: Grammar, backends: Sequence[str | Backend] = ("z3", "cvc5")) -> Iterator[Checked]:
    """Every operator of the grammar that is no parameter, one after the other."""
    solvers = [get(backend) if isinstance(backend, str) else backend for backend in backends]
    with ExitStack() as stack:
        examiner = Examiner(solvers, stack)
        for operator in dict.fromkeys(production.operator for production in grammar.productions):
            if not operator.is_variable:
                yield examiner.examine(Readings(operator, grammar.signature))


@dataclass
class Examiner:
    """Tries one operator after the other, with one session for each solver and logic."""

    solvers: Sequence[Backend]
    stack: ExitStack
    environment: Environment = field(default_factory=Environment)
    sessions: dict[tuple[str, Logic], Session] = field(default_factory=dict)

    def examine(self, case: Readings) -> Checked:
        """All readings; solvers are asked when the others agree, about the values that these gave."""
        table, unasked = _own_readings(case), []
        parts: list[Encoded] = []
        try:
            parts = list(case.encoded(self.environment.formula_manager))
            table["formula"] = self._evaluated(case, parts)
        except GrammarError as error:
            unasked.append(str(error))
        except Exception as error:
            table["formula"] = [_raised(error)] * len(case.points)
        left_open = table.get("formula", []).count(OPEN)
        wrong = _first_difference(case, table) or _shape_difference(case)
        names = list(table)
        for solver in self.solvers if parts and wrong is None else ():
            try:
                said = self._ask(case, parts, table["formula"], solver)
            except BackendError as error:
                unasked.append(str(error) if solver.name in str(error) else f"{solver.name}: {error}")
                continue
            names.append(solver.name)
            if said and wrong is None:
                (place,) = said
                wrong = _disagreement(case, {**table, solver.name: said}, place)
        return Checked(case.operator, len(case.points), left_open, tuple(names), tuple(unasked), wrong)

    def _evaluated(self, case: Readings, parts: Sequence[Encoded]) -> list[Any]:
        """The value of the formula at every point, by exact arithmetic that solvers have no part in."""
        found: list[Any] = [OPEN] * len(case.points)
        for part in parts:
            tapes = [flatten(self.environment, formula) for formula in part.formulas]
            for place, model in zip(part.places, part.models, strict=True):
                values = [tape({**dict.fromkeys(tape.symbols, 0), **model}) for tape in tapes]
                found[place] = OPEN if None in values else case.decoded(values)
        return found

    def _ask(self, case: Readings, parts: Sequence[Encoded], values: Sequence[Any], solver: Backend) -> dict[int, Any]:
        """The first point where the solver's value is another than ``values`` (with its value), if there is one."""
        manager = self.environment.formula_manager
        session = self._session(solver, _logic(case))
        for part in parts:
            models = {place: model for place, model in zip(part.places, part.models, strict=True)}
            places = [place for place in part.places if values[place] is not OPEN]
            for start in range(0, len(places), AT_ONCE):
                left, wrong = places[start : start + AT_ONCE], None
                while left and (place := self._differs(case, part, models, values, left, session)) is not None:
                    wrong, left = place, left[: left.index(place)]
                if wrong is not None:
                    return {wrong: self._said(case, part, models[wrong], session, manager)}
        return {}

    def _differs(
        self,
        case: Readings,
        part: Encoded,
        models: Mapping[int, Mapping[str, Any]],
        values: Sequence[Any],
        places: Sequence[int],
        session: Session,
    ) -> int | None:
        """One of ``places`` where the formula differs from ``values``, None if there is none."""
        manager = self.environment.formula_manager
        question = manager.Or(
            [
                manager.And(part.at(models[place], manager), manager.Not(case.equals(part, values[place], manager)))
                for place in places
            ]
        )
        match decide(session, f"{case.operator.name}/differs", question, LIMITS):
            case Unsat():
                return None
            case Sat(model=model):
                return next(p for p in places if all(model.get(n, v) == v for n, v in models[p].items()))
            case other:
                raise BackendError(f"{session.backend.name} does not know: {other.reason}")

    def _said(self, case: Readings, part: Encoded, model: Mapping[str, Any], session: Session, manager: Any) -> Any:
        """The solver's own value at a point."""
        types = [self.environment.stc.get_type(formula) for formula in part.formulas]
        names = [f"value {place} of type {kind}" for place, kind in enumerate(types)]
        symbols = [manager.Symbol(name, kind) for name, kind in zip(names, types, strict=True)]
        equal = [manager.EqualsOrIff(s, formula) for s, formula in zip(symbols, part.formulas, strict=True)]
        match decide(session, f"{case.operator.name}/value", manager.And(part.at(model, manager), *equal), LIMITS):
            case Sat(model=found):
                return case.decoded([found[name] for name in names])
        return "another value"

    def _session(self, solver: Backend, logic: Logic) -> Session:
        key = solver.name, logic
        if key not in self.sessions:
            self.sessions[key] = self.stack.enter_context(solver.open(self.environment, logic))
        return self.sessions[key]


def _own_readings(case: Readings) -> Table:
    """The readings that need no formula. One that raises at some point is read point by point."""
    ways: dict[str, Callable[[Sequence[Point]], list[Any]]] = {"numpy": case.numpy}
    if isinstance(case.signature, ScalarSignature):
        ways["exact numpy"] = partial(case.numpy, exact=True)
    ways["Python"] = case.python
    return {name: _tried(way, case.points) for name, way in ways.items()}


def _tried(way: Callable[[Sequence[Point]], list[Any]], points: Sequence[Point]) -> list[Any]:
    try:
        return way(points)
    except Exception as error:
        if len(points) == 1:
            return [_raised(error)]
        return [value for point in points for value in _tried(way, [point])]


def _raised(error: Exception) -> Raised:
    return Raised(" ".join(f"{type(error).__name__}: {error}".split()))


def _first_difference(case: Readings, table: Table) -> Disagreement | None:
    for place in range(len(case.points)):
        values = [column[place] for column in table.values() if column[place] is not OPEN]
        kinds = {type(value) for value in values}
        if len(kinds) > 1 or Raised in kinds or any(value != values[0] for value in values):
            return _disagreement(case, table, place)
    return None


def _shape_difference(case: Readings) -> Disagreement | None:
    """A shape in which the numpy reading says something else than point by point."""
    for exact in (False, True) if isinstance(case.signature, ScalarSignature) else (False,):
        flat = "exact numpy" if exact else "numpy"
        for shaped in case.shaped(exact=exact):
            expected = case.numpy(shaped.points, exact=exact) if shaped.points else []
            got: list[Any]
            try:
                got = shaped.read()
            except Exception as error:
                got = [_raised(error)] * max(1, len(expected))
            for place, value in enumerate(got):
                point = shaped.points[place] if shaped.points else case.points[0]
                known = expected[place] if expected else "nothing"
                if type(value) is not type(known) or value != known:
                    readings = ((flat, known), (f"{flat} in another shape, {shaped.name},", value))
                    return Disagreement(case.operator, point, readings)
    return None


def _disagreement(case: Readings, table: Mapping[str, Any], place: int) -> Disagreement:
    readings = tuple((name, column[place]) for name, column in table.items() if column[place] is not OPEN)
    return Disagreement(case.operator, case.points[place], readings)


def _logic(case: Readings) -> Logic:
    """The smallest logic with the sorts that the operator and its inputs have."""
    sorts = [case.operator.result, *case.operator.arguments]
    if isinstance(case.signature, ScalarSignature) and case.reads_parameters:
        sorts += [sort for _, sort in case.signature.parameters]
    if any(sort.width for sort in sorts):
        return QF_BV
    if STRING in sorts:
        return QF_SLIA
    if REAL in sorts:
        return QF_LRA
    return QF_NIA if any(sort.dtype == "int64" for sort in sorts) else QF_UF
