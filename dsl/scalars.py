"""The inputs of scalar programs: named parameters of the sorts Bool, Int, Real, bit-vector and String.

A batch of examples is a ``Columns``: one numpy array per parameter, all of one length. Search keeps machine words
(``int64``, ``uint64``), which wrap around; ``exact`` columns hold Python's own unbounded numbers, and the same numpy
readings evaluate them without rounding, which is how a solver's model is replayed.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.operators import BOOL, INT, REAL, RESERVED, STRING, GrammarError, Operator, Sort, Term
from dsl.references import maker
from dsl.showing import cut

Value = bool | int | str | Fraction
LAST_CODE = 0x2FFFF  # of SMT-LIB's characters
HELPERS = (
    "bvsdiv", "bvsmod", "bvsrem", "bvudiv", "bvurem", "char_at", "concat", "div", "extract", "from_code", "from_int",
    "implies", "indexof", "is_digit", "mod", "ratio", "replace_all", "rotate_left", "rotate_right", "signed", "substr",
    "to_code", "to_int",
)  # functions that texts of the theories' rows call  # fmt: skip
HOLE = re.compile(r"_\d+")  # what an operator's text calls its arguments


@dataclass(frozen=True)
class Columns(Mapping[str, NDArray[Any]]):
    """``arrays[name]``: (examples,), the values of one parameter; ``exact`` says that they are Python's own numbers."""

    arrays: Mapping[str, NDArray[Any]]
    examples: int
    exact: bool = False

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    @property
    def width(self) -> int:
        """Positions of an example: a scalar has none."""
        return 0

    @property
    def has_empty(self) -> bool:
        """Whether some example is an empty sequence: none is a sequence."""
        return False

    def widened(self, width: int) -> Columns:
        """The same examples: there are no positions to pad."""
        return self

    def part(self, start: int, stop: int) -> Columns:
        """The examples from ``start`` to before ``stop``."""
        return Columns({name: array[start:stop] for name, array in self.arrays.items()}, stop - start, self.exact)

    def joined(self, other: Columns) -> Columns:
        """The examples of both."""
        arrays = {name: np.concatenate([array, other[name]]) for name, array in self.arrays.items()}
        return Columns(arrays, self.examples + other.examples, self.exact)


@dataclass(frozen=True)
class Symbols(Mapping[str, Any]):
    """One PySMT symbol per parameter, all of one formula ``manager``."""

    manager: Any
    formulas: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.formulas[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.formulas)

    def __len__(self) -> int:
        return len(self.formulas)


@dataclass(frozen=True)
class ScalarSignature:
    """What a scalar program reads and returns: ``parameters`` in, a value of sort ``result`` out.

    >>> ScalarSignature((("x", INT), ("y", INT)), BOOL).header("f")
    'def f(x: int, y: int) -> bool:'
    """

    parameters: tuple[tuple[str, Sort], ...]
    result: Sort

    def __post_init__(self) -> None:
        pairs = isinstance(self.parameters, tuple) and all(
            isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Sort) for pair in self.parameters
        )
        if not pairs or not isinstance(self.result, Sort):
            raise GrammarError(
                "expected parameters as a tuple of names and sorts and then the sort of the result, such as "
                f"ScalarSignature((('x', INT),), INT), got {cut(repr(self), 80)}"
            )
        names = [name for name, _ in self.parameters]
        if len(set(names)) != len(names):
            raise GrammarError(f"expected parameters with different names, got {', '.join(names)}")

    @property
    def variables(self) -> tuple[Term, ...]:
        """The parameters as terms."""
        return tuple(variable(name, sort)() for name, sort in self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """What a program's text calls the parameters."""
        return tuple(identifier(name) for name, _ in self.parameters)

    def function_name(self, name: str) -> str:
        """What a program's text calls a function with this SyGuS name."""
        return identifier(name)

    def header(self, name: str) -> str:
        """The first line of a program's text; ``name`` is an identifier."""
        typed = [
            f"{called}: {_python_type(sort)}" for called, (_, sort) in zip(self.names, self.parameters, strict=True)
        ]
        return f"def {name}({', '.join(typed)}) -> {_python_type(self.result)}:"

    def example(self, *values: Any) -> Columns:
        """One input as exact columns; raises GrammarError for values that are not of the parameters' sorts."""
        sorts = [sort for _, sort in self.parameters]
        if len(values) != len(sorts) or not all(map(belongs, values, sorts)):
            expected = ", ".join(f"{name}: {sort.name}" for name, sort in self.parameters)
            raise GrammarError(f"expected one value for each of ({expected}), got {values!r}")
        return self.batch([values], exact=True)

    def answer(self, value: Any) -> Value:
        """A value of a run as Python's own."""
        plain: Value = value.item() if isinstance(value, np.generic) else value
        return plain

    def batch(self, rows: Sequence[Sequence[Value]], *, exact: bool = False) -> Columns:
        """Columns of the given rows of parameter values; ``exact`` keeps Python's numbers."""
        arrays = {}
        for place, (name, sort) in enumerate(self.parameters):
            arrays[name] = column(sort, [row[place] for row in rows], exact=exact)
        return Columns(arrays, len(rows), exact)

    def symbols(self, manager: Any) -> Symbols:
        """A PySMT symbol for each parameter, named like it."""
        formulas = {name: manager.Symbol(name, pysmt_type(manager, sort)) for name, sort in self.parameters}
        return Symbols(manager, formulas)


def belongs(value: object, sort: Sort) -> bool:
    """Whether a Python value is one of ``sort``; a string has no character beyond SMT-LIB's last."""
    if sort == BOOL:
        return isinstance(value, bool)
    if sort == STRING:
        return isinstance(value, str) and all(ord(character) <= LAST_CODE for character in value)
    if sort == REAL:
        return isinstance(value, int | Fraction) and not isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool) and (sort == INT or 0 <= value < 2**sort.width)


def json_value(value: Value) -> bool | int | str:
    """A value as JSON has it: a fraction as text, ``"7/3"``, since a number there may be rounded."""
    return str(value) if isinstance(value, Fraction) else value


def _python_type(sort: Sort) -> str:
    return {BOOL: "bool", REAL: "'Fraction'", STRING: "str"}.get(sort, "int")  # programs import nothing


def column(sort: Sort, values: Sequence[Value], *, exact: bool = False) -> NDArray[Any]:
    """Values of one sort as an array: (values,). Numbers outside int64 wrap around unless ``exact``."""
    if exact or sort.dtype == "object":
        array = np.empty(len(values), object)
        array[:] = [Fraction(value) for value in values] if sort == REAL else values
        return array.astype(bool) if sort == BOOL else array
    if sort == INT:
        values = [(int(value) + 2**63) % 2**64 - 2**63 for value in values]
    return np.array(values, sort.dtype)


@lru_cache(maxsize=2**14, typed=True)
@maker
def variable(name: str, sort: Sort) -> Operator:
    """The operator that reads the parameter ``name``.

    >>> from dsl.operators import INT
    >>> variable("x", INT)
    Operator('x', () -> Int)
    """
    if not isinstance(name, str) or not isinstance(sort, Sort):
        raise GrammarError(f"expected a name and a sort, such as variable('x', INT), got {name!r} and {sort!r}")
    text = identifier(name)
    return Operator(name, (), sort, lambda inputs: inputs[name], lambda symbols: symbols[name], text, is_variable=True)


def identifier(name: str) -> str:
    """A Python identifier for any SMT-LIB name, different for different names.

    A name that Python, every program or a row uses gets an underscore; a foreign character becomes its code.

    >>> identifier("x"), identifier("inv-f"), identifier("x!"), identifier("len"), identifier("len_")
    ('x', 'inv_u2d_f', 'x_u21_', 'len_', 'len__')
    """
    text = re.sub(r"[^A-Za-z0-9_]|^[0-9]|_(?=u[0-9a-f]+_)", lambda found: f"_u{ord(found[0]):x}_", name)
    stem = text.rstrip("_")
    is_used = keyword.iskeyword(stem) or hasattr(builtins, stem) or stem in (*RESERVED, *HELPERS)
    return f"{text}_" if is_used or HOLE.fullmatch(stem) or not stem else text


def pysmt_type(manager: Any, sort: Sort) -> Any:
    """The PySMT type of a scalar sort, in the environment of a formula manager."""
    types = manager.env.type_manager
    if sort.width:
        return types.BVType(sort.width)
    return {BOOL: types.BOOL, INT: types.INT, REAL: types.REAL, STRING: types.STRING}[sort]()
