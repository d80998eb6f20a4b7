"""Which formulas may be asked: quantifier-free, over Bool, Int, Real, bit-vectors and strings, inside the logic.

Everything in the fragment can be re-evaluated under a model (``evaluation``), sent to a worker (``wire``) and recorded
(``smtlib``), so nothing is asked whose answer could not be checked. Powers are left out (write a product) because
solvers disagree on them; the remainder is ``x - k * div(x, k)``, as pySMT has no ``mod``. Strings are what pySMT has of
them: no order, no ``str.replace_all``, no regular expressions. A character is a code point up to U+2FFFF.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import pysmt.operators as op
from pysmt.logics import Logic

from backends.answer import BackendError

CONSTANTS = frozenset({op.BOOL_CONSTANT, op.INT_CONSTANT, op.REAL_CONSTANT, op.BV_CONSTANT, op.STR_CONSTANT})
CORE = frozenset(
    {op.AND, op.OR, op.NOT, op.IMPLIES, op.IFF, op.ITE, op.EQUALS, op.LE, op.LT}
    | {op.PLUS, op.MINUS, op.TIMES, op.DIV, op.TOREAL, op.BV_TONATURAL}
)
GUARD = "core-guard-"  # begins the names of our own symbols, so no question may use it
BITVECTORS = frozenset(op.BV_OPERATORS | op.BV_RELATIONS)
STRINGS = frozenset(op.STR_OPERATORS | op.STR_RELATIONS)
FRAGMENT = CONSTANTS | CORE | BITVECTORS | STRINGS
LAST_CHARACTER = "\U0002ffff"  # of SMT-LIB's alphabet

Formula = Any  # pysmt.fnode.FNode, which carries no types


def postorder(formula: Formula, known: Container[int] = ()) -> list[Formula]:
    """Every distinct node of ``formula``, arguments before their parents, without recursion.

    Nodes whose numbers are ``known`` are left out, and what is below them alone.
    """
    order: list[Formula] = []
    seen: set[int] = set()  # nodes by number: to hash one is a call of Python's
    stack: list[Formula | None] = [formula]  # None is above a node whose arguments are done
    while stack:
        node = stack.pop()
        if node is None:
            order.append(stack.pop())
        elif (number := node.node_id()) not in seen and number not in known:
            seen.add(number)
            stack += (node, None, *reversed(node.args()))
    return order


def check_fragment(formula: Formula, logic: Logic, known: dict[int, bool]) -> None:
    """Raise BackendError unless every node of ``formula`` belongs to the fragment and to ``logic``.

    ``known`` remembers the nodes that do, by number, and whether their value varies; they are not looked at again.
    """
    for node in postorder(formula, known):
        kind = node.node_type()
        if kind == op.SYMBOL:
            _check_symbol(node, logic)
            known[node.node_id()] = True
            continue
        if kind not in FRAGMENT:
            raise BackendError(
                "expected a quantifier-free formula over Bool, Int, Real, bit-vectors and strings, "
                f"got {op.op_to_str(kind)}; rewrite that operator before asking"
            )
        if kind in STRINGS or kind == op.STR_CONSTANT:
            _check_string(node, logic)
        changing = [child for child in node.args() if known[child.node_id()]]
        if logic.theory.linear and (
            (kind == op.TIMES and len(changing) > 1) or (kind == op.DIV and known[node.arg(1).node_id()])
        ):
            raise BackendError(
                f"a product or quotient of two variable terms is outside {logic.name}; multiply by constants or open "
                "the session with a non-linear logic such as QF_NIA"
            )
        known[node.node_id()] = bool(changing)


def _check_string(node: Formula, logic: Logic) -> None:
    if not logic.theory.strings:
        raise BackendError(f"strings are outside the logic {logic.name}; open the session with QF_SLIA")
    if node.is_string_constant() and any(character > LAST_CHARACTER for character in node.constant_value()):
        raise BackendError(f"expected characters up to U+2FFFF, as SMT-LIB has them, got {node.constant_value()!r}")


def _check_symbol(symbol: Formula, logic: Logic) -> None:
    if symbol.symbol_name().startswith(GUARD):
        raise BackendError(f"symbols whose name begins with {GUARD!r} are ours; rename {symbol.symbol_name()!r}")
    kind = symbol.symbol_type()
    theory = logic.theory
    fits = (
        kind.is_bool_type()
        or (kind.is_int_type() and theory.integer_arithmetic)
        or (kind.is_real_type() and theory.real_arithmetic)
        or (kind.is_bv_type() and theory.bit_vectors)
        or (kind.is_string_type() and theory.strings)
    )
    if not fits:
        raise BackendError(f"symbol {symbol.symbol_name()!r} of type {kind} is outside the logic {logic.name}")
