"""The same question in another theory: integer terms over Booleans as rationals or as bit-vectors.

A formula whose integers all come from constants (no integer symbol) takes finitely many values, so it means the same
read as QF_LRA, constant by constant, and as QF_BV in a width that no subterm can overflow. The width is found by
interval arithmetic over the formula, bottom up:

    [a, b] + [c, d] = [a + c, b + d]      k * [a, b]      ite(c, [a, b], [c, d]) = [min(a, c), max(b, d)]

so the translations are equivalent for every assignment of the Booleans, and models carry over unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pysmt.operators as op
from pysmt.environment import Environment
from pysmt.logics import QF_BV, QF_LIA, QF_LRA, Logic

from backends.answer import BackendError
from backends.fragment import Formula, postorder

PREFERENCE: tuple[Logic, ...] = (QF_LIA, QF_LRA, QF_BV)


def fitting_logic(logics: Sequence[str]) -> Logic:
    """The first of QF_LIA, QF_LRA and QF_BV among a backend's logics; raises BackendError when there is none."""
    for logic in PREFERENCE:
        if logic.name in logics:
            return logic
    raise BackendError(f"expected a backend for QF_LIA, QF_LRA or QF_BV, got one for {', '.join(logics) or 'nothing'}")


def translate(environment: Environment, formula: Formula, logic: Logic) -> Formula:
    """``formula`` (QF_LIA without integer symbols) in ``logic``: QF_LIA, QF_LRA or QF_BV.

    Raises BackendError for an integer symbol, whose values have no bound, and for operators outside linear arithmetic.
    """
    if logic == QF_LIA:
        return formula
    manager, nodes = environment.formula_manager, postorder(formula)
    if logic == QF_LRA:
        return _rebuilt(nodes, manager, lambda value: manager.Real(value), _rational(manager))
    if logic == QF_BV:
        width = _width(nodes)
        return _rebuilt(nodes, manager, lambda value: manager.SBV(value, width), _bit_vector(manager))
    raise BackendError(f"expected QF_LIA, QF_LRA or QF_BV as the logic to translate to, got {logic.name}")


Builder = Callable[[int, list[Formula]], Formula]


def _rebuilt(nodes: list[Formula], manager: Any, constant: Callable[[int], Formula], relation: Builder) -> Formula:
    """The last node, rebuilt bottom up: Boolean structure as it is, integers by ``constant`` and ``relation``."""
    boolean: dict[int, Callable[[list[Formula]], Formula]] = {
        op.AND: manager.And,
        op.OR: manager.Or,
        op.NOT: lambda a: manager.Not(*a),
        op.IMPLIES: lambda a: manager.Implies(*a),
        op.IFF: lambda a: manager.Iff(*a),
        op.ITE: lambda a: manager.Ite(*a),
        op.EQUALS: lambda a: manager.Equals(*a),
    }
    done: dict[Formula, Formula] = {}
    for node in nodes:
        kind, arguments = node.node_type(), [done[child] for child in node.args()]
        if kind == op.INT_CONSTANT:
            done[node] = constant(node.constant_value())
        elif kind == op.BOOL_CONSTANT or (kind == op.SYMBOL and node.symbol_type().is_bool_type()):
            done[node] = node
        elif kind in boolean:
            done[node] = boolean[kind](arguments)
        else:
            done[node] = relation(kind, arguments)
    return done[nodes[-1]]


def _rational(manager: Any) -> Builder:
    table = {
        op.PLUS: manager.Plus,
        op.MINUS: manager.Minus,
        op.TIMES: manager.Times,
        op.LE: manager.LE,
        op.LT: manager.LT,
    }
    return lambda kind, arguments: _known(table, kind)(*arguments)


def _bit_vector(manager: Any) -> Builder:
    def left(fold: Callable[[Formula, Formula], Formula]) -> Callable[..., Formula]:
        def build(first: Formula, *rest: Formula) -> Formula:
            for other in rest:
                first = fold(first, other)
            return first

        return build

    table = {
        op.PLUS: left(manager.BVAdd),
        op.MINUS: manager.BVSub,
        op.TIMES: left(manager.BVMul),
        op.LE: manager.BVSLE,
        op.LT: manager.BVSLT,
    }
    return lambda kind, arguments: _known(table, kind)(*arguments)


def _known(table: dict[int, Callable[..., Formula]], kind: int) -> Callable[..., Formula]:
    if kind not in table:
        raise BackendError(
            f"cannot translate {op.op_to_str(kind)}: expected linear arithmetic over Boolean symbols and constants"
        )
    return table[kind]


def _width(nodes: list[Formula]) -> int:
    """Bits of a two's complement number that holds every value any subterm can take."""
    ranges: dict[Formula, tuple[int, int]] = {}
    for node in nodes:
        kind, below = node.node_type(), [ranges[child] for child in node.args() if child in ranges]
        if kind == op.INT_CONSTANT:
            ranges[node] = (node.constant_value(), node.constant_value())
        elif kind == op.PLUS:
            # with zero as a bound of every part, this covers the partial sums of the chain of additions too
            ranges[node] = (sum(min(low, 0) for low, _ in below), sum(max(high, 0) for _, high in below))
        elif kind == op.MINUS:
            (a, b), (c, d) = below
            ranges[node] = (a - d, b - c)
        elif kind == op.TIMES:
            ranges[node] = _product(below)
        elif kind == op.ITE and below:
            ranges[node] = (min(low for low, _ in below), max(high for _, high in below))
    largest = max((max(-low - 1, high) for low, high in ranges.values()), default=0)
    return max(largest, 0).bit_length() + 1


def _product(factors: list[tuple[int, int]]) -> tuple[int, int]:
    """Bounds of a product and of all its prefixes."""
    low = high = 1
    least, most = 1, 1
    for a, b in factors:
        corners = [low * a, low * b, high * a, high * b]
        low, high = min(corners), max(corners)
        least, most = min(least, low), max(most, high)
    return least, most
