"""z3 and cvc5 through their own Python interfaces, as a careful program without this project would use them.

Formulas are walked bottom up, each distinct node once per solver. The operators are those of the loop's queries
(Booleans, integer sums, products with constants, comparisons, if-then-else); others are refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pysmt.operators as op

from backends.fragment import Formula, postorder
from benchmarks.harness.row import BenchmarkError


class Native(ABC):
    """``ask(formula)`` answers "sat" or "unsat" with every symbol's value read."""

    queries_per_solver: int

    def __init__(self, seed: int) -> None:
        self._seed, self._asked = seed, 0
        self._terms: dict[Formula, Any] = {}
        self._start()

    def ask(self, formula: Formula) -> str:
        """Push, assert, check, values, pop."""
        if self._asked >= self.queries_per_solver:
            self._asked = 0
            self._terms.clear()
            self._start()
        self._asked += 1
        nodes = postorder(formula)
        for node in nodes:
            if node not in self._terms:
                self._terms[node] = self._made(node, [self._terms[child] for child in node.args()])
        symbols = [self._terms[node] for node in nodes if node.is_symbol()]
        return self._decided(self._terms[formula], symbols)

    @abstractmethod
    def _start(self) -> None: ...
    @abstractmethod
    def _made(self, node: Formula, arguments: list[Any]) -> Any: ...
    @abstractmethod
    def _decided(self, term: Any, symbols: list[Any]) -> str: ...


class NativeZ3(Native):
    """z3py."""

    queries_per_solver = 1000

    def _start(self) -> None:
        import z3

        self._z3, self._solver = z3, z3.SolverFor("QF_LIA")
        self._solver.set("random_seed", self._seed)

    def _made(self, node: Formula, arguments: list[Any]) -> Any:
        z3 = self._z3
        match node.node_type():
            case op.SYMBOL:
                return (z3.Bool if node.symbol_type().is_bool_type() else z3.Int)(node.symbol_name())
            case op.BOOL_CONSTANT:
                return z3.BoolVal(node.constant_value())
            case op.INT_CONSTANT:
                return z3.IntVal(node.constant_value())
            case op.AND:
                return z3.And(arguments)
            case op.OR:
                return z3.Or(arguments)
            case op.NOT:
                return z3.Not(*arguments)
            case op.IMPLIES:
                return z3.Implies(*arguments)
            case op.IFF | op.EQUALS:
                return arguments[0] == arguments[1]
            case op.ITE:
                return z3.If(*arguments)
            case op.LE:
                return arguments[0] <= arguments[1]
            case op.LT:
                return arguments[0] < arguments[1]
            case op.PLUS:
                return z3.Sum(arguments)
            case op.MINUS:
                return arguments[0] - arguments[1]
            case op.TIMES:
                return z3.Product(arguments)
        raise _refused(node)

    def _decided(self, term: Any, symbols: list[Any]) -> str:
        self._solver.push()
        self._solver.add(term)
        said = str(self._solver.check())
        if said == "sat":
            model = self._solver.model()
            for symbol in symbols:
                self._z3.is_true(model.eval(symbol, model_completion=True))
        self._solver.pop()
        return said


class NativeCvc5(Native):
    """cvc5's base Python interface."""

    queries_per_solver = 100

    def _start(self) -> None:
        import cvc5

        self._manager = cvc5.TermManager()
        self._solver, self._kind = cvc5.Solver(self._manager), cvc5.Kind
        options = {"produce-models": "true", "incremental": "true", "ite-simp": "true", "simp-ite-compress": "true"}
        for name, value in {**options, "seed": str(self._seed)}.items():
            self._solver.setOption(name, value)
        self._solver.setLogic("QF_LIA")

    def _made(self, node: Formula, arguments: list[Any]) -> Any:
        manager, kinds = self._manager, self._kind
        match node.node_type():
            case op.SYMBOL:
                boolean = node.symbol_type().is_bool_type()
                sort = manager.getBooleanSort() if boolean else manager.getIntegerSort()
                return manager.mkConst(sort, node.symbol_name())
            case op.BOOL_CONSTANT:
                return manager.mkBoolean(node.constant_value())
            case op.INT_CONSTANT:
                return manager.mkInteger(int(node.constant_value()))
        names = {
            op.AND: kinds.AND, op.OR: kinds.OR, op.NOT: kinds.NOT, op.IMPLIES: kinds.IMPLIES, op.IFF: kinds.EQUAL,
            op.EQUALS: kinds.EQUAL, op.ITE: kinds.ITE, op.LE: kinds.LEQ, op.LT: kinds.LT, op.PLUS: kinds.ADD,
            op.MINUS: kinds.SUB, op.TIMES: kinds.MULT,
        }  # fmt: skip
        if node.node_type() not in names:
            raise _refused(node)
        return manager.mkTerm(names[node.node_type()], *arguments)

    def _decided(self, term: Any, symbols: list[Any]) -> str:
        self._solver.push()
        self._solver.assertFormula(term)
        result = self._solver.checkSat()
        if result.isSat():
            for symbol in symbols:
                self._solver.getValue(symbol).getBooleanValue()
        self._solver.pop()
        return "sat" if result.isSat() else "unsat" if result.isUnsat() else "unknown"


SOLVERS: dict[str, type[Native]] = {"z3": NativeZ3, "cvc5": NativeCvc5}


def _refused(node: Formula) -> BenchmarkError:
    return BenchmarkError(f"the native side has no {op.op_to_str(node.node_type())}; leave this query out")
