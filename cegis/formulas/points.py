"""Where candidates are judged: valuations of a specification, and the points at which they call the functions.

The constraints are sorted into *templates*: those with the same calls are one template, and ground constraints that
differ in their literals alone (programming by example) are one template over variables that stand for the literals.
A *test* is a template at a valuation. It touches a *point* (argument values of a function) for each of its calls; a
candidate enters a test only through its values at those points, so values per point are all a search must keep.

A specification is *pointwise* when no test touches two points: then "right at a point" has a meaning, and programs
right at some points can be joined by a decision tree. Where the only constraint is an equation ``f(args) = term`` the
value wanted at a point is known as well (``target``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis.domain import DomainError
from cegis.formulas.formula import Call, FormulaSpec, Function, conjuncts, subterms
from dsl.operators import BOOL, Operator, Sort, Term
from dsl.scalars import Columns, ScalarSignature, Value, variable
from dsl.theories.theory import literal

MOST_FIXED = 2**23  # values of steps that a template keeps


@dataclass(frozen=True, slots=True)
class Step:
    """One subterm of constraints: an operator on the values of earlier steps; it ``varies`` with a call's value.

    ``over``: the steps whose values nobody needs after this one. ``is_whole``: it is a constraint itself.
    """

    operator: Operator
    arguments: tuple[int, ...]
    varies: bool
    is_whole: bool
    over: tuple[int, ...]

    def value(self, inputs: Columns, values: Sequence[Any]) -> Any:
        """The numpy value, from those of earlier steps."""
        return self.operator.numpy(inputs, *(values[argument] for argument in self.arguments))


def _steps(constraints: Sequence[Term], calls: Container[Operator]) -> tuple[Step, ...]:
    """The distinct subterms of the constraints, arguments first."""
    numbers: dict[tuple[Operator, tuple[int, ...]], int] = {}

    def number(operator: Operator, arguments: list[int]) -> int:
        return numbers.setdefault((operator, tuple(arguments)), len(numbers))

    wholes = {int(constraint.fold(number)) for constraint in constraints}
    last = {place: place for place in range(len(numbers))}
    varies: list[bool] = []
    for place, (operator, arguments) in enumerate(numbers):
        varies.append(operator in calls or any(varies[argument] for argument in arguments))
        last |= dict.fromkeys(arguments, place)
    over: list[list[int]] = [[] for _ in numbers]
    for place, end in last.items():
        over[end].append(place)
    return tuple(
        Step(operator, arguments, varies[place], place in wholes, tuple(over[place]))
        for place, (operator, arguments) in enumerate(numbers)
    )


@dataclass
class Template:
    """``constraints`` over ``signature``'s variables and one more variable for each call; its tests so far.

    ``points[i]``: (tests,), which point of its function the i-th call touches in each test.
    """

    signature: ScalarSignature
    calls: tuple[Call, ...]
    constraints: tuple[Term, ...]
    rows: list[tuple[Value, ...]] = field(default_factory=list)
    points: list[list[int]] = field(default_factory=list)
    _columns: Columns | None = field(default=None, init=False, repr=False)
    _steps: tuple[Step, ...] | None = field(default=None, init=False, repr=False)
    _fixed: tuple[int, list[Any]] = field(default=(0, []), init=False, repr=False)

    @property
    def steps(self) -> tuple[Step, ...]:
        """How the constraints are evaluated, each of their subterms once."""
        if self._steps is None:
            self._steps = _steps(self.constraints, frozenset(call.variable.operator for call in self.calls))
        return self._steps

    def fixed(self) -> list[Any]:
        """For each step its value at the tests, for search, where no call matters; None elsewhere, and of too many."""
        inputs = self.columns
        if len(self.steps) * inputs.examples > MOST_FIXED:
            return [None] * len(self.steps)
        if self._fixed[0] != inputs.examples:
            values: list[Any] = []
            for step in self.steps:
                values.append(None if step.varies else step.value(inputs, values))
            self._fixed = inputs.examples, values
        return list(self._fixed[1])

    def empty(self) -> Template:
        """The same without tests."""
        return Template(self.signature, self.calls, self.constraints, [], [[] for _ in self.calls])

    @property
    def columns(self) -> Columns:
        """The variables at the tests, for search."""
        if self._columns is None or self._columns.examples != len(self.rows):
            self._columns = self.signature.batch(self.rows)
        return self._columns

    def target(self) -> Term | None:
        """The value that the only call must have, where the template is an equation."""
        if len(self.calls) == len(self.constraints) == 1 and self.constraints[0].operator.name == "=":
            call = self.calls[0].variable
            for one, other in (self.constraints[0].arguments, self.constraints[0].arguments[::-1]):
                if one == call and call not in subterms(other):
                    return other
        if len(self.calls) == len(self.constraints) == 1 and self.calls[0].variable.sort == BOOL:
            return _boolean_target(self.constraints[0], self.calls[0].variable)
        return None


def _boolean_target(constraint: Term, call: Term) -> Term | None:
    """The value of a Boolean call that stands alone, or alone under ``not``."""
    if constraint == call:
        return literal(True, BOOL)()
    if constraint.operator.name == "not" and constraint.arguments == (call,):
        return literal(False, BOOL)()
    return None


# templates without tests, and for each ground constraint the place of its template and its literals
Shapes = tuple[tuple[Template, ...], tuple[tuple[int, tuple[Value, ...]], ...]]


class Points:
    """The tests of ``spec`` and the points they touch; grows by ``add``.

    Values there may wrap around as int64, unless ``exact``.
    """

    def __init__(self, spec: FormulaSpec, *, exact: bool = False) -> None:
        self.spec, self.exact = spec, exact
        self.templates: list[Template] = []
        self.arguments: dict[Function, list[tuple[Value, ...]]] = {function: [] for function in spec.functions}
        self._number: dict[Function, dict[tuple[Value, ...], int]] = {function: {} for function in spec.functions}
        self._ground: list[tuple[Template, tuple[Value, ...]]] = []
        self._read()

    @property
    def is_layered(self) -> bool:
        """Whether no call stands inside another: then values at points are all that matters."""
        names = {call.name for template in self.templates for call in template.calls}
        return not any(
            inner.operator.name in names
            for template in self.templates
            for call in template.calls
            for argument in call.arguments
            for inner in subterms(argument)
        )

    @property
    def is_pointwise(self) -> bool:
        """Whether no test touches two points."""
        return self.is_layered and all(len(template.calls) <= 1 for template in self.templates)

    def add_ground(self) -> None:
        """Take all tests without variables."""
        for template, row in self._ground:
            self._add(template, [row])

    @property
    def tests(self) -> int:
        """How many tests there are."""
        return sum(len(template.rows) for template in self.templates)

    def take(self, other: Points, numbers: Iterable[int]) -> None:
        """Take tests of ``other``, the points of the same specification, by their numbers there."""
        rows = [(place, row) for place, template in enumerate(other.templates) for row in template.rows]
        for number in numbers:
            place, row = rows[number]
            if row not in self.templates[place].rows:
                self._add(self.templates[place], [row])

    def add(self, valuations: Sequence[tuple[Value, ...]]) -> None:
        """Take the tests of more valuations of the specification's variables, if its assumptions allow them."""
        allowed = self._allowed(valuations)
        for template in self.templates:
            names = [name for name, _ in self.spec.variables]
            if all(name in names for name, _ in template.signature.parameters) and not self._is_ground(template):
                places = [names.index(name) for name, _ in template.signature.parameters]
                known = set(template.rows)
                rows = [tuple(valuation[place] for place in places) for valuation in allowed]
                self._add(template, [row for row in dict.fromkeys(rows) if row not in known])

    def _allowed(self, valuations: Sequence[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
        """Those at which every assumption holds, on exact numbers."""
        if not self.spec.assumptions:
            return list(valuations)
        columns = self.spec.signature.batch(valuations, exact=True)
        holds = np.ones(len(valuations), bool)
        for assumption in self.spec.assumptions:
            holds &= np.broadcast_to(np.asarray(assumption.evaluate(columns), bool), holds.shape)
        return [valuation for valuation, is_allowed in zip(valuations, holds, strict=True) if is_allowed]

    def columns(self, function: Function, start: int = 0) -> Columns:
        """The arguments at the points of ``function`` from number ``start`` on, for search."""
        return function.signature.batch(self.arguments[function][start:], exact=self.exact)

    def targets(self, function: Function) -> NDArray[Any] | None:
        """The value wanted at each point: (points,); None where the specification leaves a choice.

        Raises DomainError where two tests want different values at one point, by exact numbers.
        """
        wanted: dict[int, Any] = {}
        for template in self.templates:
            target = template.target()
            if target is None:
                return None
            for point, value in zip(template.points[0], _listed(target, template.columns), strict=True):
                if wanted.setdefault(point, value) != value:
                    self._check_targets(function)
                    return None  # they differ as machine words alone
        if len(wanted) != len(self.arguments[function]):
            return None
        sort = function.signature.result
        array = np.empty(len(wanted), sort.dtype)
        array[:] = [wanted[point] for point in range(len(wanted))]
        return array

    def _check_targets(self, function: Function) -> None:
        wanted: dict[int, Any] = {}
        for template in self.templates:
            target, exact = template.target(), template.signature.batch(template.rows, exact=True)
            for point, value in zip(template.points[0], _listed(target, exact) if target else (), strict=True):
                if wanted.setdefault(point, value) != value:
                    given = ", ".join(map(str, self.arguments[function][point]))
                    raise DomainError(
                        f"no function satisfies this: {function.name}({given}) must be {wanted[point]!r} and {value!r}"
                    )

    def judge(self, values: Mapping[Function, NDArray[Any]]) -> NDArray[np.bool_]:
        """Which tests hold: (rows, tests), for ``values[function]``: (rows, points) of candidates."""
        parts = [self._judged(template, values) for template in self.templates if template.rows]
        return np.concatenate(parts, axis=1) if parts else np.ones((len(next(iter(values.values()))), 0), bool)

    def right(self, function: Function, values: NDArray[Any]) -> NDArray[np.bool_]:
        """For a pointwise specification, at which points candidates are right: (rows, points)."""
        result = np.ones((len(values), len(self.arguments[function])), bool)
        for template in self.templates:
            if template.rows:
                judged = self._judged(template, {function: values})
                if not template.calls:  # it holds or not, whatever the function is
                    result &= judged.all(axis=1, keepdims=True)
                    continue
                where = np.array(template.points[0])
                if len(set(template.points[0])) == len(where):
                    result[:, where] &= judged
                else:
                    for place, point in enumerate(template.points[0]):
                        result[:, point] &= judged[:, place]
        return result

    def _judged(self, template: Template, values: Mapping[Function, NDArray[Any]]) -> NDArray[np.bool_]:
        known = template.signature.batch(template.rows, exact=True) if self.exact else template.columns
        columns = dict(known.arrays)
        rows = len(next(iter(values.values())))
        for call, points in zip(template.calls, template.points, strict=True):
            columns[call.name] = values[call.function][:, points]
        inputs = Columns(columns, len(template.rows), self.exact)
        shape = (rows, len(template.rows))
        holds = np.ones(shape, bool)
        found = [None] * len(template.steps) if self.exact else template.fixed()
        for place, step in enumerate(template.steps):
            if found[place] is None:
                found[place] = step.value(inputs, found)
            if step.is_whole:
                holds &= np.broadcast_to(np.asarray(found[place], bool), shape)
            for over in step.over:
                found[over] = None
        return holds

    def _is_ground(self, template: Template) -> bool:
        return any(template is other for other, _ in self._ground)

    def _add(self, template: Template, rows: Sequence[tuple[Value, ...]]) -> None:
        """New tests of a template; calls inside calls have no point until their values are known."""
        if not rows or not self.is_layered:
            return
        columns = template.signature.batch(rows, exact=True)
        template.rows.extend(rows)
        for place, call in enumerate(template.calls):
            arrays = [np.broadcast_to(np.asarray(a.evaluate(columns), object), (len(rows),)) for a in call.arguments]
            for row in range(len(rows)):
                point = tuple(array[row] for array in arrays)
                template.points[place].append(self._point(call.function, point))

    def _point(self, function: Function, arguments: tuple[Value, ...]) -> int:
        number = self._number[function]
        if arguments not in number:
            number[arguments] = len(number)
            self.arguments[function].append(arguments)
        return number[arguments]

    def _read(self) -> None:
        """Templates of the constraints, without tests."""
        shapes, ground = _shapes(self.spec)
        self.templates = [shape.empty() for shape in shapes]
        self._ground = [(self.templates[place], row) for place, row in ground]


_SHAPES: deque[tuple[FormulaSpec, Shapes]] = deque(maxlen=4)


def _shapes(spec: FormulaSpec) -> Shapes:
    """``_sorted(spec)``, worked out once for this very object: equal ones may define a name differently."""
    for known, shapes in tuple(_SHAPES):
        if known is spec:
            return shapes
    shapes = _sorted(spec)
    _SHAPES.append((spec, shapes))
    return shapes


def _sorted(spec: FormulaSpec) -> Shapes:
    """The constraints sorted into templates; for each ground one the place of its template, and its literals."""
    flat = spec.flat
    by_name = {call.variable: call for call in flat.calls}
    known: dict[object, Template] = {}
    ground: list[tuple[Template, tuple[Value, ...]]] = []
    for constraint in conjuncts(flat.constraints):
        calls = _used_calls(constraint, by_name)
        used = [inner for part in (constraint, *_arguments(calls)) for inner in subterms(part)]
        has_variables = any(inner.operator.is_variable and inner not in by_name for inner in used)
        if has_variables or not calls or len({call.name for call in calls}) != len(calls):
            key: object = tuple(call.name for call in calls)
            if key not in known:
                signature = ScalarSignature(spec.variables, BOOL)
                known[key] = Template(signature, calls, (), [], [[] for _ in calls])
            known[key].constraints += (constraint,)
            continue
        template, row = _abstracted(constraint, calls, spec.mark)
        key = (template.constraints, tuple((call.function, call.arguments) for call in template.calls))
        ground.append((known.setdefault(key, template), row))
    places = {id(template): place for place, template in enumerate(known.values())}
    return tuple(known.values()), tuple((places[id(template)], row) for template, row in ground)


def _used_calls(term: Term, by_name: Mapping[Term, Call]) -> tuple[Call, ...]:
    """The calls that a flat term depends on, inner calls first."""
    found: dict[Call, None] = {}
    for inner in subterms(term):
        if inner in by_name:
            for argument in by_name[inner].arguments:
                found |= dict.fromkeys(_used_calls(argument, by_name))
            found[by_name[inner]] = None
    return tuple(found)


def _arguments(calls: Sequence[Call]) -> tuple[Term, ...]:
    return tuple(argument for call in calls for argument in call.arguments)


def _listed(term: Term, columns: Columns) -> list[Any]:
    """The value of ``term`` at each example."""
    values: list[Any] = np.broadcast_to(np.asarray(term.evaluate(columns)), (columns.examples,)).tolist()
    return values


def _abstracted(constraint: Term, calls: tuple[Call, ...], mark: str) -> tuple[Template, tuple[Value, ...]]:
    """A ground constraint as a template over its literals, in order of occurrence, and their values."""
    parameters: list[tuple[str, Sort]] = []
    row: list[Value] = []

    def opened(term: Term, names: Mapping[Term, Term]) -> Term:
        if term in names:
            return names[term]
        if term.operator.is_literal:
            assert term.operator.value is not None
            parameters.append((f"{mark}{len(row)}{mark}", term.sort))
            row.append(term.operator.value)
            return variable(*parameters[-1])()
        return Term(term.operator, tuple(opened(argument, names) for argument in term.arguments))

    names: dict[Term, Term] = {}
    new: list[Call] = []
    for place, call in enumerate(calls):
        arguments = tuple(opened(argument, names) for argument in call.arguments)
        new.append(Call(f"{call.function.name}{mark}{place}", call.function, arguments))
        names[call.variable] = new[-1].variable
    body = opened(constraint, names)
    signature = ScalarSignature(tuple(parameters), BOOL)
    return Template(signature, tuple(new), (body,), [], [[] for _ in new]), tuple(row)
