"""One operator at many points, read in every way we have: numpy, printed Python, and its formula.

A point gives the inputs of a program (parameter values, or a sequence) and a value for each argument of the operator;
a mask argument is a set of tokens. The points are all small ones: -4..4, bit-vectors up to 4 bits (wider ones at their
corners), a few strings, sequences up to length 3; where that is more than ``MOST_POINTS``, evenly many of them.
The numpy reading is tried in every shape that a search uses as well (``shaped``).
Values leave this file as Python's own: bool, int, str, a label or None, a tuple of bools. Comparing is ``agreement``'s.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration.blocks import spread
from dsl.function import called
from dsl.operators import BOOL, INT, LABEL, MASK, REAL, STRING, Operator, Sort, Term
from dsl.scalars import Columns, ScalarSignature, Symbols, column, pysmt_type
from dsl.sequences import SequenceSignature, SymbolicSequence
from dsl.text import Printer

MOST_POINTS = 600
LONGEST = 3  # sequence
FEW = 8  # points in a shape
VARIED = 3  # values of each argument in a block
STRINGS = ("", "a", "ab", "b0", "12", "0", "-1", "aba")
FRACTIONS = tuple(Fraction(above, below) for above, below in ((-3, 1), (-1, 2), (0, 1), (1, 3), (1, 1), (5, 2)))


@dataclass(frozen=True)
class Point:
    """``inputs``: a value per parameter, or one sequence; ``arguments``: a value per argument of the operator."""

    inputs: tuple[Any, ...]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Encoded:
    """``formulas`` (one, or one per position) over ``symbols``; at the point ``places[i]`` these have ``models[i]``."""

    places: tuple[int, ...]
    formulas: tuple[Any, ...]
    models: tuple[Mapping[str, Any], ...]
    symbols: Mapping[str, Any]

    def at(self, model: Mapping[str, Any], manager: Any) -> Any:
        """The formula that the symbols have the values of ``model``."""
        return manager.And([_is(manager, self.symbols[name], value) for name, value in model.items()])


@dataclass(frozen=True)
class Shaped:
    """``read()`` gives the numpy values at ``points``, all in one call whose arguments have the shapes of ``name``."""

    name: str
    points: tuple[Point, ...]
    read: Callable[[], list[Any]]


@dataclass(frozen=True)
class Readings:
    """The readings of ``operator`` in programs of ``signature``."""

    operator: Operator
    signature: ScalarSignature | SequenceSignature

    @property
    def reads_parameters(self) -> bool:
        """Whether values of parameters are among the inputs: a row with arguments looks at these alone."""
        is_closed = self.operator.arguments or self.operator.is_literal
        return isinstance(self.signature, ScalarSignature) and not is_closed

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Where the operator is read."""
        pairs = product(self._inputs(), product(*map(self._domain, self.operator.arguments)))
        points = [Point(inputs, arguments) for inputs, arguments in pairs]
        return tuple(points[:: -(-len(points) // MOST_POINTS)])

    def numpy(self, points: Sequence[Point], *, exact: bool = False) -> list[Any]:
        """Values of all points at once, on machine words or (for scalars) on exact numbers."""
        batch = self._batch(points, exact)
        values = self._called(batch, list(self._arrays(points, batch, exact)))
        shape = values.shape if self.operator.result == MASK else (len(points),)
        return self._listed(np.broadcast_to(values, shape), batch)

    def shaped(self, *, exact: bool = False) -> Iterator[Shaped]:
        """The numpy reading in the other shapes that a search uses; ``numpy`` has read several examples in one row.

        With arguments: one example, no example (scalars), as many rows of examples, blocks in which each argument
        varies along an axis of its own while the others have length 1 there, and the same on one example. Arrays are
        read-only, as those of literals are. A reading without arguments gives one value for each example.
        """
        few = self.points[:: -(-len(self.points) // FEW)]
        ones = [(point,) for point in (few[0], few[-1])] if few else []
        for one in ones:
            yield Shaped("one example", one, partial(self._flat, one, exact))
        if isinstance(self.signature, ScalarSignature):
            yield Shaped("no example", (), partial(self._flat, (), exact))
        if not self.operator.arguments:
            return
        for points in (few, *ones):
            examples = f"{len(points)} example{'' if len(points) == 1 else 's'}"
            varied = self._varied(points)
            rows = tuple(self._with(points, [arguments] * len(self.operator.arguments)) for arguments in varied)
            count = len(self.operator.arguments)
            yield Shaped(
                f"{len(varied)} rows of {examples}",
                tuple(point for row in rows for point in row),
                partial(self._block, points, exact, False),
            )
            if count > 1:
                blocks = product(varied, repeat=count)
                yield Shaped(
                    f"a block, {len(varied)} values of each argument, of {examples}",
                    tuple(point for chosen in blocks for point in self._with(points, chosen)),
                    partial(self._block, points, exact, True),
                )

    def _flat(self, points: Sequence[Point], exact: bool) -> list[Any]:
        """The numpy values of points in one row, by read-only arrays."""
        batch = self._batch(points, exact)
        values = self._called(batch, [_frozen(array) for array in self._arrays(points, batch, exact)])
        shape = (len(points), batch.width) if self.operator.result == MASK else (len(points),)
        return self._listed(np.broadcast_to(values, shape), batch)

    def _varied(self, points: Sequence[Point]) -> list[list[tuple[Any, ...]]]:
        """For each point the arguments of others, some of them different from its own."""
        every = self.points
        step = max(1, len(every) // VARIED)
        places = [every.index(point) for point in points]
        return [[every[(place + turn * step) % len(every)].arguments for place in places] for turn in range(VARIED)]

    def _with(self, points: Sequence[Point], chosen: Sequence[Sequence[tuple[Any, ...]]]) -> list[Point]:
        """The points with their i-th argument from ``chosen[i]``."""
        arguments = [tuple(chosen[i][place][i] for i in range(len(chosen))) for place in range(len(points))]
        return [Point(point.inputs, some) for point, some in zip(points, arguments, strict=True)]

    def _block(self, points: Sequence[Point], exact: bool, is_spread: bool) -> list[Any]:
        """The numpy values of rows of points, or where ``is_spread`` of all combinations of their arguments."""
        batch, varied, count = self._batch(points, exact), self._varied(points), len(self.operator.arguments)
        rows = [self._with(points, [arguments] * count) for arguments in varied]
        every = [list(self._arrays(row, batch, exact)) for row in rows]
        stacks = [np.stack([arrays[place] for arrays in every]) for place in range(count)]
        given = [_frozen(array) for array in (spread(stacks) if is_spread else stacks)]
        values = self._called(batch, given)
        leading = (VARIED,) * (count if is_spread else 1)
        tail = (len(points), batch.width) if self.operator.result == MASK else (len(points),)
        if not is_spread and values.shape != (*leading, *tail):
            raise ValueError(f"expected the shape {(*leading, *tail)}, got {values.shape}")
        whole = np.broadcast_to(values, (*leading, *tail)).reshape(-1, *tail)
        return [value for row in whole for value in self._listed(row, batch)]

    def _batch(self, points: Sequence[Point], exact: bool) -> Any:
        if isinstance(self.signature, SequenceSignature):
            return self.signature.batch([sequence for point in points for sequence in point.inputs])
        if self.reads_parameters:
            return self.signature.batch([point.inputs for point in points], exact=exact)
        return Columns({}, len(points), exact)

    def _called(self, batch: Any, arrays: Sequence[Any]) -> NDArray[Any]:
        """What the operator gives, as values of its sort."""
        values = np.asarray(self.operator.numpy(batch, *arrays))
        return values if values.dtype == object else values.astype(self.operator.result.dtype)

    def _listed(self, values: NDArray[Any], batch: Any) -> list[Any]:
        """One row of values as Python's own."""
        if self.operator.result == MASK:
            return [tuple(row[:size].tolist()) for row, size in zip(values, batch.lengths, strict=True)]
        return [self._plain(value) for value in values.tolist()]

    def python(self, points: Sequence[Point]) -> list[Any]:
        """The values that the printed text gives when it is run."""
        function = self._compiled()
        found = []
        for point in points:
            inputs = map(list, point.inputs) if isinstance(self.signature, SequenceSignature) else point.inputs
            value = function(*inputs, *point.arguments)
            is_label = self.operator.result == LABEL and value in self._labels
            found.append(value if is_label or self.operator.result != LABEL else None)
        return found

    def _compiled(self) -> Callable[..., Any]:
        """The printed text as a function of inputs and arguments."""
        names = [f"argument_{place}" for place in range(len(self.operator.arguments))]
        leaves = (_leaf(name, sort) for name, sort in zip(names, self.operator.arguments, strict=True))
        term = Term(self.operator, tuple(leaves))
        printer = Printer(frozenset())
        result = ast.unparse(printer.print(term))
        if self.operator.result == MASK:
            result = f"tuple({result} for token in tokens)"
        body = [ast.unparse(ast.fix_missing_locations(statement)) for statement in printer.statements]
        lines = [line for text in [*body, f"return {result}"] for line in text.splitlines()]
        inputs = self.signature.names if isinstance(self.signature, SequenceSignature) or self.reads_parameters else ()
        scope: dict[str, Any] = {}
        exec(
            "\n\n".join(
                [*called(term).values(), "\n    ".join([f"def read({', '.join([*inputs, *names])}):", *lines])]
            ),
            scope,
        )
        function: Callable[..., Any] = scope["read"]
        return function

    def encoded(self, manager: Any) -> Iterator[Encoded]:
        """The formula over symbols: one for all points of scalars, one for each length of sequences."""
        if isinstance(self.signature, ScalarSignature):
            inputs = self.signature.symbols(manager) if self.reads_parameters else Symbols(manager, {})
            yield self._encoded(manager, tuple(range(len(self.points))), inputs)
            return
        for length in range(LONGEST + 1):
            here = tuple(i for i, point in enumerate(self.points) if len(point.inputs[0]) == length)
            if here:
                yield self._encoded(manager, here, self.signature.symbols(manager, length))

    def equals(self, encoded: Encoded, value: Any, manager: Any) -> Any:
        """The formula that the encoded operator has this value."""
        if self.operator.result == MASK:
            return manager.And([_is(manager, *pair) for pair in zip(encoded.formulas, value, strict=True)])
        (formula,) = encoded.formulas
        if self.operator.result != LABEL:
            return _is(manager, formula, value)
        if value is not None:
            return _is(manager, formula, self._labels.index(value))
        return manager.Not(manager.Or([_is(manager, formula, index) for index in range(len(self._labels))]))

    def decoded(self, values: Sequence[Any]) -> Any:
        """Values of the formulas as one value of the operator."""
        return tuple(values) if self.operator.result == MASK else self._plain(values[0])

    # --- points -------------------------------------------------------------------------------------------------

    @property
    def _labels(self) -> tuple[str | int, ...]:
        return self.signature.labels if isinstance(self.signature, SequenceSignature) else ()

    def _inputs(self) -> list[tuple[Any, ...]]:
        if isinstance(self.signature, ScalarSignature):
            sorts = [sort for _, sort in self.signature.parameters] if self.reads_parameters else []
            return list(product(*map(self._domain, sorts)))
        shortest = 1 if self.operator.needs_token else 0
        tokens = self.signature.alphabet[:3]
        return [(word,) for length in range(shortest, LONGEST + 1) for word in product(tokens, repeat=length)]

    def _domain(self, sort: Sort) -> tuple[Any, ...]:
        if sort.width:
            return _words(sort.width)
        if sort == MASK and isinstance(self.signature, SequenceSignature):
            tokens = self.signature.alphabet[:2]
            return tuple(frozenset(some) for size in range(3) for some in combinations(tokens, size))
        numbers = {INT: tuple(range(-4, 5)), REAL: FRACTIONS}
        return {BOOL: (False, True), **numbers, STRING: STRINGS, LABEL: self._labels}[sort]

    def _arrays(self, points: Sequence[Point], batch: Any, exact: bool) -> Iterator[Any]:
        """The arguments at all points, as numpy rows take them."""
        for place, sort in enumerate(self.operator.arguments):
            values = [point.arguments[place] for point in points]
            if sort == MASK and isinstance(self.signature, SequenceSignature):
                sets = [[self.signature.alphabet.index(token) for token in tokens] for tokens in values]
                yield np.array([np.isin(row, some) for row, some in zip(batch.tokens, sets, strict=True)])
            elif sort == LABEL:
                yield np.array([self._labels.index(label) for label in values])
            else:
                yield column(sort, values, exact=exact)

    def _plain(self, value: Any) -> Any:
        if self.operator.result != LABEL:
            return value
        return self._labels[value] if 0 <= value < len(self._labels) else None

    # --- formulas -----------------------------------------------------------------------------------------------

    def _encoded(self, manager: Any, places: tuple[int, ...], inputs: Symbols | SymbolicSequence) -> Encoded:
        points = [self.points[place] for place in places]
        models: list[dict[str, Any]] = [self._input_model(point) for point in points]
        symbols = dict(_named(inputs))
        arguments = []
        for place, sort in enumerate(self.operator.arguments):
            name = f"argument_{place}_{self.operator.arguments[place].name}"
            if isinstance(inputs, SymbolicSequence) and isinstance(self.signature, SequenceSignature) and sort == MASK:
                members = [manager.Symbol(f"{name}_{token}") for token in range(len(self.signature.alphabet))]
                arguments.append(_members(inputs, members))
                symbols |= {member.symbol_name(): member for member in members}
                for model, point in zip(models, points, strict=True):
                    tokens = zip(members, self.signature.alphabet, strict=True)
                    model |= {member.symbol_name(): token in point.arguments[place] for member, token in tokens}
                continue
            symbols[name] = manager.Symbol(name, pysmt_type(manager, INT if sort == LABEL else sort))
            arguments.append(symbols[name])
            for model, point in zip(models, points, strict=True):
                value = point.arguments[place]
                model[name] = self._labels.index(value) if sort == LABEL else value
        result = self.operator.smt(inputs, *arguments)
        formulas = tuple(result) if self.operator.result == MASK else (result,)
        return Encoded(places, formulas, tuple(models), symbols)

    def _input_model(self, point: Point) -> dict[str, Any]:
        if isinstance(self.signature, ScalarSignature):
            return dict(zip((name for name, _ in self.signature.parameters), point.inputs, strict=False))
        (sequence,) = point.inputs
        tokens = list(enumerate(self.signature.alphabet))
        return {f"tok_{i}_{t}": word == token for t, token in tokens for i, word in enumerate(sequence)}


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _is(manager: Any, formula: Any, value: Any) -> Any:
    """The formula that ``formula`` has a value."""
    if isinstance(value, bool):
        return formula if value else manager.Not(formula)
    if isinstance(value, str):
        return manager.Equals(formula, manager.String(value))
    kind = manager.env.stc.get_type(formula)
    if kind.is_real_type():
        return manager.Equals(formula, manager.Real(value))
    return manager.Equals(formula, manager.BV(value, kind.width) if kind.is_bv_type() else manager.Int(value))


def _words(width: int) -> tuple[int, ...]:
    if width <= 4:
        return tuple(range(2**width))
    half = 2 ** (width - 1)
    return tuple(sorted({0, 1, 2, 3, width - 1, width, 2**width // 3, half - 1, half, half + 1, 2**width - 1}))


def _leaf(name: str, sort: Sort) -> Term:
    """A term that prints as the value of an argument."""
    text = f"token in {name}" if sort == MASK else name
    return Operator(name, (), sort, lambda _: None, lambda _: None, python=text)()


def _members(inputs: SymbolicSequence, members: Sequence[Any]) -> tuple[Any, ...]:
    """At each position: its token is in the set that the Booleans ``members`` describe."""
    both = inputs.manager.And
    return tuple(inputs.manager.Or([both(*pair) for pair in zip(row, members, strict=True)]) for row in inputs.at)


def _named(inputs: Symbols | SymbolicSequence) -> Iterator[tuple[str, Any]]:
    if isinstance(inputs, Symbols):
        yield from inputs.formulas.items()
    else:
        yield from ((symbol.symbol_name(), symbol) for row in inputs.at for symbol in row)
