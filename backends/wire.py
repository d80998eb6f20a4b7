"""Formulas as JSON rows, for the pipe to a worker process.

A formula is a postorder list of distinct nodes; a row is ``[node type, argument rows, payload]``. Rows are numbered
through all formulas of one pipe and none is sent twice, as one question has most of its rows in common with the last.
Rebuilding calls pySMT's own constructors with the same type, arguments and payload, so nothing is printed, parsed,
quoted or rewritten on the way: pySMT's SMT-LIB reader knows no ``div`` and reads a symbol named ``true`` as the
constant.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pysmt.operators as op
from pysmt.environment import Environment

from backends.answer import Value
from backends.evaluation import constant
from backends.fragment import Formula, postorder

Row = list[Any]


class Encoder:
    """This end: formulas of one environment as messages."""

    def __init__(self) -> None:
        self._row: dict[int, int] = {}  # of each node that the other end has

    def encode(self, formula: Formula) -> dict[str, Any]:
        """The rows of a formula in the fragment that are new, and which row is the formula itself."""
        rows: list[Row] = []
        for node in postorder(formula, self._row):
            rows.append([node.node_type(), [self._row[child.node_id()] for child in node.args()], _payload(node)])
            self._row[node.node_id()] = len(self._row)
        return {"rows": rows, "formula": self._row[formula.node_id()]}


class Decoder:
    """The other end: the messages of an ``Encoder``, in their order, as formulas built in ``environment``."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._nodes: list[Formula] = []

    def decode(self, message: dict[str, Any]) -> Formula:
        """The formula of a message."""
        nodes = self._nodes
        for kind, arguments, payload in message["rows"]:
            nodes.append(_node(self._environment, kind, tuple([nodes[index] for index in arguments]), payload))
        return nodes[message["formula"]]


def write_value(value: Value) -> bool | int | str | list[int]:
    """A model value as JSON: a Real as ``"1/3"``, a string as its code points (JSON would join surrogates)."""
    match value:
        case Fraction():
            return str(value)
        case str():
            return [ord(character) for character in value]
    return value


def read_value(value: object) -> Value:
    """The inverse of ``write_value``; raises ValueError for anything else."""
    match value:
        case bool() | int():
            return value
        case str():
            return Fraction(value)
        case list():
            return "".join(map(chr, value))
    raise ValueError(f"expected a Boolean, a number, a fraction or code points, got {value!r}")


def _payload(node: Formula) -> Any:
    kind = node.node_type()
    if kind == op.SYMBOL:
        sort = node.symbol_type()
        return [node.symbol_name(), sort.width if sort.is_bv_type() else str(sort)]
    if kind == op.BV_CONSTANT:
        return [constant(node), node.bv_width()]
    if not node.args():
        return write_value(constant(node))
    return node._content.payload  # None, or the integers of a bit-vector operator


def _node(environment: Environment, kind: int, arguments: tuple[Formula, ...], payload: Any) -> Formula:
    manager, types = environment.formula_manager, environment.type_manager
    match kind, payload:
        case op.SYMBOL, [str(name), int(width)]:
            return manager.Symbol(name, types.BVType(width))
        case op.SYMBOL, [str(name), sort]:
            plain = {"Bool": types.BOOL, "Int": types.INT, "Real": types.REAL, "String": types.STRING}
            return manager.Symbol(name, plain[sort]())
        case op.BV_CONSTANT, [value, width]:
            return manager.BV(value, width)
        case op.BOOL_CONSTANT, value:
            return manager.Bool(value)
        case op.INT_CONSTANT, value:
            return manager.Int(value)
        case op.REAL_CONSTANT, value:
            return manager.Real(Fraction(value))
        case op.STR_CONSTANT, value:
            return manager.String(read_value(value))
    payload = tuple(payload) if isinstance(payload, list) else payload
    return manager.create_node(node_type=kind, args=arguments, payload=payload)
