"""What a formula is worth under a model, by exact Python arithmetic that shares nothing with the solvers.

A formula is flattened once into a ``Tape`` and evaluated step by step (about 0.3 us a step). Integer division is
SMT-LIB's (the remainder is never negative). Division by zero has no fixed value in SMT-LIB: it evaluates to ``None``,
which spreads except where the rest of the formula already decides. pySMT's own simplifier is not used for arithmetic:
it divides integers through floating point. It does fold bit-vector operators, one node at a time. Strings are SMT-LIB
2.6's: total functions on sequences of code points, with -1 or the empty string where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import pysmt.operators as op
from pysmt.environment import Environment

from backends.answer import Value
from backends.fragment import BITVECTORS, Formula, postorder

PART = 4000  # digits; Python converts no more than 4300 at once
Step = tuple[Callable[..., Value | None], tuple[int, ...]]


@dataclass(frozen=True)
class Tape:
    """``symbols[name]`` is the slot of a free symbol; ``constants`` and ``steps`` fill the other slots in order."""

    symbols: Mapping[str, int]
    constants: tuple[tuple[int, Value], ...]
    steps: tuple[tuple[int, Step], ...]
    size: int

    def __call__(self, model: Mapping[str, Value]) -> Value | None:
        """The formula's value; None where it depends on a division by zero. Raises KeyError for a missing symbol.

        >>> environment = Environment()
        >>> manager = environment.formula_manager
        >>> flatten(environment, manager.Div(manager.Int(-7), manager.Int(2)))({})
        -4
        """
        slots: list[Value | None] = [None] * self.size
        for name, slot in self.symbols.items():
            slots[slot] = model[name]
        for slot, value in self.constants:
            slots[slot] = value
        for slot, (function, arguments) in self.steps:
            slots[slot] = function(*[slots[index] for index in arguments])
        return slots[-1]


def flatten(environment: Environment, formula: Formula) -> Tape:
    """The tape of a formula that belongs to the fragment."""
    slots: dict[Formula, int] = {}
    symbols: dict[str, int] = {}
    constants: list[tuple[int, Value]] = []
    steps: list[tuple[int, Step]] = []
    for slot, node in enumerate(postorder(formula)):
        slots[node] = slot
        kind = node.node_type()
        if kind == op.SYMBOL:
            symbols[node.symbol_name()] = slot
        elif not node.args():
            constants.append((slot, constant(node)))
        else:
            function = _bitvector(environment, node) if kind in BITVECTORS else OPERATIONS[kind]
            if kind == op.DIV:
                function = _divide_int if environment.stc.get_type(node).is_int_type() else _divide_real
            steps.append((slot, (function, tuple(slots[child] for child in node.args()))))
    return Tape(symbols, tuple(constants), tuple(steps), len(slots))


def constant(node: Formula) -> Value:
    """The Python value of a constant node (whatever number type pySMT was built with)."""
    value = node.constant_value()
    if node.is_bool_constant():
        return bool(value)
    if node.is_real_constant():
        return Fraction(int(value.numerator), int(value.denominator))
    return str(value) if node.is_string_constant() else int(value)


def _and(*values: bool | None) -> bool | None:
    return False if False in values else None if None in values else True


def _or(*values: bool | None) -> bool | None:
    return True if True in values else None if None in values else False


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _ite(condition: bool | None, then: Value | None, other: Value | None) -> Value | None:
    return None if condition is None else then if condition else other


def _strict(function: Callable[..., Value]) -> Callable[..., Value | None]:
    """``function``, undefined as soon as one argument is."""
    return lambda *values: None if None in values else function(*values)


def _divide_int(left: int | None, right: int | None) -> int | None:
    if left is None or not right:
        return None
    return left // right if right > 0 else -(left // -right)


def _divide_real(left: Fraction | None, right: Fraction | None) -> Fraction | None:
    return None if left is None or not right else left / right


def _bitvector(environment: Environment, node: Formula) -> Callable[..., Value | None]:
    """One bit-vector operator, folded by pySMT on constant arguments (always bit-vectors)."""
    manager = environment.formula_manager
    widths = [environment.stc.get_type(child).width for child in node.args()]
    payload: Any = node._content.payload

    def fold(*values: int) -> Value:
        arguments = tuple(manager.BV(value, width) for value, width in zip(values, widths, strict=True))
        return constant(environment.simplifier.simplify(manager.create_node(node.node_type(), arguments, payload)))

    return _strict(fold)


def _slice(text: str, start: int, length: int) -> str:
    return text[start : start + length] if start >= 0 and length > 0 else ""


def _number(text: str) -> int:
    """The number that ASCII digits write, by parts that Python's own conversion takes; -1 for any other text."""
    if not (text.isascii() and text.isdigit()):
        return -1
    return int(text) if len(text) <= PART else _number(text[:-PART]) * 10**PART + int(text[-PART:])


def _decimal(number: int) -> str:
    """The digits of a number that is not negative, otherwise nothing."""
    if number < 0:
        return ""
    high, low = divmod(number, 10**PART)
    return _decimal(high) + str(low).zfill(PART) if high else str(low)


OPERATIONS: dict[int, Callable[..., Value | None]] = {
    op.AND: _and,
    op.OR: _or,
    op.NOT: _not,
    op.IMPLIES: lambda left, right: _or(_not(left), right),
    op.IFF: _strict(lambda left, right: left == right),
    op.ITE: _ite,
    op.EQUALS: _strict(lambda left, right: left == right),
    op.LE: _strict(lambda left, right: left <= right),
    op.LT: _strict(lambda left, right: left < right),
    op.PLUS: _strict(lambda *values: sum(values)),
    op.MINUS: _strict(lambda left, right: left - right),
    op.TIMES: _strict(lambda *values: prod(values)),
    op.DIV: _divide_int,
    op.TOREAL: _strict(lambda value: Fraction(value)),
    op.BV_TONATURAL: _strict(lambda value: value),
    op.STR_LENGTH: _strict(len),
    op.STR_CONCAT: _strict(lambda *parts: "".join(parts)),
    op.STR_CONTAINS: _strict(lambda text, part: part in text),
    op.STR_PREFIXOF: _strict(lambda part, text: text.startswith(part)),
    op.STR_SUFFIXOF: _strict(lambda part, text: text.endswith(part)),
    op.STR_INDEXOF: _strict(lambda text, part, start: text.find(part, start) if start >= 0 else -1),
    op.STR_REPLACE: _strict(lambda text, old, new: text.replace(old, new, 1)),
    op.STR_SUBSTR: _strict(_slice),
    op.STR_CHARAT: _strict(lambda text, place: _slice(text, place, 1)),
    op.STR_TO_INT: _strict(_number),
    op.INT_TO_STR: _strict(_decimal),
}
