"""pySMT's solver interface over Bitwuzla's Python package: the methods that ``Engine`` calls, and no others.

Formulas become terms bottom up, each distinct node once per solver, without recursion. Both sides follow SMT-LIB
(division by zero is all ones), so the table below only names which operator is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

import bitwuzla
import pysmt.operators as op
from bitwuzla import Kind
from pysmt.environment import Environment
from pysmt.exceptions import ConvertExpressionError, SolverReturnedUnknownResultError
from pysmt.logics import Logic
from pysmt.solvers.options import SolverOptions
from pysmt.solvers.solver import Solver

from backends.fragment import Formula, postorder

KINDS: dict[int, Kind] = {
    op.AND: Kind.AND,
    op.OR: Kind.OR,
    op.NOT: Kind.NOT,
    op.IMPLIES: Kind.IMPLIES,
    op.IFF: Kind.IFF,
    op.ITE: Kind.ITE,
    op.EQUALS: Kind.EQUAL,
    op.BV_NOT: Kind.BV_NOT,
    op.BV_NEG: Kind.BV_NEG,
    op.BV_AND: Kind.BV_AND,
    op.BV_OR: Kind.BV_OR,
    op.BV_XOR: Kind.BV_XOR,
    op.BV_ADD: Kind.BV_ADD,
    op.BV_SUB: Kind.BV_SUB,
    op.BV_MUL: Kind.BV_MUL,
    op.BV_UDIV: Kind.BV_UDIV,
    op.BV_UREM: Kind.BV_UREM,
    op.BV_SDIV: Kind.BV_SDIV,
    op.BV_SREM: Kind.BV_SREM,
    op.BV_LSHL: Kind.BV_SHL,
    op.BV_LSHR: Kind.BV_SHR,
    op.BV_ASHR: Kind.BV_ASHR,
    op.BV_ULT: Kind.BV_ULT,
    op.BV_ULE: Kind.BV_ULE,
    op.BV_SLT: Kind.BV_SLT,
    op.BV_SLE: Kind.BV_SLE,
    op.BV_COMP: Kind.BV_COMP,
    op.BV_CONCAT: Kind.BV_CONCAT,
    op.BV_EXTRACT: Kind.BV_EXTRACT,
    op.BV_ROL: Kind.BV_ROLI,
    op.BV_ROR: Kind.BV_RORI,
    op.BV_ZEXT: Kind.BV_ZERO_EXTEND,
    op.BV_SEXT: Kind.BV_SIGN_EXTEND,
}


class BitwuzlaOptions(SolverOptions):  # type: ignore[misc]
    """pySMT's options as Bitwuzla's; ``solver_options`` are Bitwuzla's own, by long name."""

    def __call__(self, options: Any) -> None:
        """Set them on ``options``, before a solver is made."""
        options.set(bitwuzla.Option.PRODUCE_MODELS, self.generate_models)
        if self.random_seed is not None:
            options.set(bitwuzla.Option.SEED, self.random_seed)
        for name, value in self.solver_options.items():
            options.set(name, value)


class BitwuzlaSolver(Solver):  # type: ignore[misc]
    """Push, assert, solve, value, pop; ``set_seconds`` bounds each ``solve``."""

    OptionsClass = BitwuzlaOptions

    def __init__(self, environment: Environment, logic: Logic, **options: Any) -> None:
        super().__init__(environment, logic, **options)
        settings = bitwuzla.Options()
        self.options(settings)
        self._terms = bitwuzla.TermManager()
        self._solver = bitwuzla.Bitwuzla(self._terms, settings)
        self._converted: dict[Formula, Any] = {}
        self._seconds: float | None = None

    def set_seconds(self, seconds: float | None) -> None:
        """The time limit of each later ``solve``; None means none."""
        self._seconds = seconds

    def push(self, levels: int = 1) -> None:
        """Open ``levels`` scopes of assertions."""
        self._solver.push(levels)

    def pop(self, levels: int = 1) -> None:
        """Drop the last ``levels`` scopes and what was asserted in them."""
        self._solver.pop(levels)

    def add_assertion(self, formula: Formula, named: str | None = None) -> None:
        """Assert ``formula``; pySMT's names are not used here."""
        self._solver.assert_formula(self._term(formula))

    def solve(self, assumptions: Sequence[Formula] = ()) -> bool:
        """Raises SolverReturnedUnknownResultError for *unknown*, as pySMT's solvers do."""
        terms = [self._term(assumption) for assumption in assumptions]
        deadline = None if self._seconds is None else monotonic() + self._seconds
        self._solver.configure_terminator(lambda: deadline is not None and monotonic() >= deadline)
        result = self._solver.check_sat(*terms)
        if result == bitwuzla.Result.SAT:
            return True
        if result == bitwuzla.Result.UNSAT:
            return False
        raise SolverReturnedUnknownResultError

    def get_value(self, formula: Formula) -> Formula:
        """The value of ``formula`` in the last model, as a constant of pySMT."""
        value, manager = self._solver.get_value(self._term(formula)), self.environment.formula_manager
        if self.environment.stc.get_type(formula).is_bool_type():
            return manager.Bool(value.value())
        return manager.BV(int(value.value(10)), formula.bv_width())

    def unsat_assumptions(self) -> list[str]:
        """The names of the assumptions that the last *unsat* used."""
        return [str(term.symbol()) for term in self._solver.get_unsat_assumptions()]

    def _exit(self) -> None:
        del self._solver

    def _term(self, formula: Formula) -> Any:
        """``formula`` as a term; raises ConvertExpressionError for an operator that Bitwuzla does not have."""
        terms = self._converted
        if formula not in terms:
            for node in postorder(formula):
                if node not in terms:
                    terms[node] = self._made(node, [terms[child] for child in node.args()])
        return terms[formula]

    def _made(self, node: Formula, arguments: list[Any]) -> Any:
        make, kind = self._terms, node.node_type()
        match kind:
            case op.SYMBOL:
                return make.mk_const(self._sort(node), node.symbol_name())
            case op.BOOL_CONSTANT:
                return make.mk_true() if node.is_true() else make.mk_false()
            case op.BV_CONSTANT:
                return make.mk_bv_value(self._sort(node), node.constant_value())
        if kind not in KINDS:
            raise ConvertExpressionError(message=f"bitwuzla has no {op.op_to_str(kind)}")
        return make.mk_term(KINDS[kind], arguments, _indices(node))

    def _sort(self, leaf: Formula) -> Any:
        sort = leaf.symbol_type() if leaf.is_symbol() else self.environment.stc.get_type(leaf)
        if sort.is_bool_type():
            return self._terms.mk_bool_sort()
        if sort.is_bv_type():
            return self._terms.mk_bv_sort(sort.width)
        raise ConvertExpressionError(message=f"bitwuzla has no sort {sort}")


def _indices(node: Formula) -> list[int]:
    """The integers inside an operator, as SMT-LIB writes them: ``(_ extract high low)``, ``(_ rotate_left n)``."""
    match node.node_type():
        case op.BV_EXTRACT:
            return [node.bv_extract_end(), node.bv_extract_start()]
        case op.BV_ROL | op.BV_ROR:
            return [node.bv_rotation_step()]
        case op.BV_ZEXT | op.BV_SEXT:
            return [node.bv_extend_step()]
    return []
