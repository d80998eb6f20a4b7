"""Claims about ``decide``: what an answer is, which lies are caught, which questions are refused."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from pysmt.environment import Environment
from pysmt.exceptions import SolverReturnedUnknownResultError
from pysmt.logics import BV, QF_BV, QF_LIA, QF_LRA, QF_NIA, Logic
from pysmt.typing import BOOL, INT, REAL, BVType, FunctionType

import backends
from backends import CVC5, Z3, Backend, BackendError, Limits, Sat, Session, Unknown, Unsat, decide, registry
from backends.conformance import CASES, Case, ConformanceError, check

SOLVERS = [pytest.param(backend, id=backend.name, marks=pytest.mark.needs(backend.name)) for backend in (Z3, CVC5)]


class Scripted:
    """Looks like a pySMT solver to the engine and says what its class attributes tell it to."""

    result: Any = True
    value: Any = None  # of every symbol, built by the manager
    started = 0

    def __init__(self, environment: Environment, logic: Logic, **options: Any) -> None:
        type(self).started += 1
        self.manager = environment.formula_manager
        self.depth = 0

    def push(self) -> None:
        self.depth += 1

    def pop(self) -> None:
        self.depth -= 1

    def add_assertion(self, formula: Any) -> None:
        pass

    def solve(self) -> Any:
        if isinstance(self.result, type) and issubclass(self.result, BaseException):
            raise self.result
        return self.result

    def get_value(self, symbol: Any) -> Any:
        return type(self).value(self.manager)

    def exit(self) -> None: ...


def scripted(**attributes: Any) -> Backend:
    """A backend around a fresh ``Scripted`` class with these attributes."""
    module = sys.modules[__name__]
    module.Double = type("Double", (Scripted,), {"started": 0, **attributes})  # type: ignore[attr-defined]
    quiet = {
        "set_seconds": lambda solver, seconds: None,
        "why_unknown": lambda solver: "gave up",
        "values": CVC5.values,
    }
    return replace(Z3, name="double", solver=f"{__name__}:Double", **quiet)


@pytest.fixture
def world() -> SimpleNamespace:
    environment = Environment()
    manager = environment.formula_manager
    x, y = manager.Symbol("x", INT), manager.Symbol("y", INT)
    return SimpleNamespace(environment=environment, m=manager, x=x, y=y, positive=manager.GT(x, manager.Int(0)))


def opened(backend: Backend, world: SimpleNamespace, logic: Logic = QF_LIA, **options: Any) -> Session:
    return backend.open(world.environment, logic, **options)


@pytest.mark.parametrize("backend", SOLVERS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_shipped_solver_conforms(backend: Backend, case: Case) -> None:
    case.run(backend)


@pytest.mark.parametrize(
    "result", [None, 1, "sat", "unsat", 0], ids=["nothing", "one", "text sat", "text unsat", "zero"]
)
def test_a_result_that_is_not_exactly_a_boolean_is_no_answer(world: SimpleNamespace, result: Any) -> None:
    with (
        opened(scripted(result=result), world) as session,
        pytest.raises(BackendError, match=r"expected solve\(\) to return True or False"),
    ):
        decide(session, "vague", world.positive)


def test_a_solver_without_an_exit_is_left_to_itself(world: SimpleNamespace) -> None:
    def nothing(self: Any) -> None:
        raise NotImplementedError

    with opened(scripted(result=False, exit=nothing), world) as session:
        assert isinstance(decide(session, "plain", world.positive), Unsat)


def test_unknown_never_becomes_proof(world: SimpleNamespace) -> None:
    with opened(scripted(result=SolverReturnedUnknownResultError), world) as session:
        answer = decide(session, "unknown", world.positive)
    assert isinstance(answer, Unknown)
    assert answer.reason == "gave up"


def test_running_out_of_memory_is_unknown(world: SimpleNamespace) -> None:
    with opened(scripted(result=MemoryError), world) as session:
        answer = decide(session, "memory", world.positive)
    assert isinstance(answer, Unknown)
    assert "memory" in answer.reason


@pytest.mark.parametrize("error", [ValueError, AssertionError, RuntimeError])
def test_an_exception_of_the_solver_is_a_backend_error(world: SimpleNamespace, error: type[Exception]) -> None:
    with (
        opened(scripted(result=error), world) as session,
        pytest.raises(BackendError, match=f"double failed on a query: {error.__name__}"),
    ):
        decide(session, "crash", world.positive)


def test_a_solver_is_replaced_after_anything_but_a_clean_answer(world: SimpleNamespace) -> None:
    backend = scripted(result=False)
    double = sys.modules[__name__].Double
    with opened(backend, world) as session:
        decide(session, "clean", world.positive)
        decide(session, "clean again", world.positive)
        assert double.started == 1
        double.result = SolverReturnedUnknownResultError
        decide(session, "unknown", world.positive)
        double.result = False
        decide(session, "after unknown", world.positive)
        assert double.started == 2


def test_a_solver_is_replaced_after_its_share_of_queries(world: SimpleNamespace) -> None:
    backend = replace(scripted(result=False), queries_per_solver=10)
    with opened(backend, world) as session:
        for number in range(30):
            decide(session, f"{number}", world.positive)
    assert sys.modules[__name__].Double.started == 3


def test_a_model_that_does_not_satisfy_the_query_is_caught(world: SimpleNamespace) -> None:
    with (
        opened(scripted(value=lambda m: m.Int(-1)), world) as session,
        pytest.raises(BackendError, match="a model that does not satisfy it"),
    ):
        decide(session, "lie", world.positive)


def test_a_model_that_breaks_only_the_background_is_caught(world: SimpleNamespace) -> None:
    with opened(scripted(value=lambda m: m.Int(3)), world) as session:
        session.add(world.m.LT(world.x, world.m.Int(3)))
        with pytest.raises(BackendError, match="a model that does not satisfy it"):
            decide(session, "lie", world.positive)


@pytest.mark.parametrize(
    "value",
    [lambda m: m.Bool(True), lambda m: m.Real(Fraction(1)), lambda m: m.BV(1, 8)],
    ids=["Bool", "Real", "another kind of number"],
)
def test_a_model_value_of_another_sort_is_caught(world: SimpleNamespace, value: Any) -> None:
    flag = world.m.Symbol("r", REAL) if value(world.m).is_bv_constant() else world.x
    logic = QF_LRA if flag is not world.x else QF_LIA
    zero = world.m.Real(0) if flag is not world.x else world.m.Int(0)
    with (
        opened(scripted(value=value), world, logic) as session,
        pytest.raises(BackendError, match="answered sat to 'lie', but gave"),
    ):
        decide(session, "lie", world.m.GT(flag, zero))


def test_a_solver_that_cannot_name_a_value_is_caught(world: SimpleNamespace) -> None:
    with opened(scripted(value=lambda m: m.Symbol("x", INT)), world) as session, pytest.raises(BackendError):
        decide(session, "symbolic", world.positive)


def test_a_true_model_that_hangs_on_division_by_zero_is_unknown(world: SimpleNamespace) -> None:
    m, x, y = world.m, world.x, world.y
    with opened(Z3, world, QF_NIA) as session:
        open_value = decide(session, "x/0 = 5", m.And(m.Equals(y, m.Int(0)), m.Equals(m.Div(x, y), m.Int(5))))
        guarded = m.Or(m.Equals(y, m.Int(0)), m.Equals(m.Div(x, y), m.Int(5)))
        closed = decide(session, "guarded", m.And(guarded, m.Equals(y, m.Int(0))))
    assert isinstance(open_value, Unknown)
    assert "division by zero" in open_value.reason
    assert isinstance(closed, Sat)


@pytest.mark.parametrize("backend", SOLVERS)
def test_a_time_limit_gives_unknown_in_time(world: SimpleNamespace, backend: Backend) -> None:
    n = 12
    holes = [[world.m.Symbol(f"p_{i}_{j}", BOOL) for j in range(n)] for i in range(n + 1)]
    with opened(backend, world, limits=Limits(0.2)) as session:
        for row in holes:
            session.add(world.m.Or(row))
        for column in zip(*holes, strict=True):
            session.add(world.m.AtMostOne(column))
        answer = decide(session, "pigeons")
        assert isinstance(answer, Unknown)
        assert answer.seconds < 5
        assert "time limit of 0.2 s" in answer.reason
        assert isinstance(decide(session, "three pigeons at most", world.m.FALSE(), Limits(20)), Unsat)


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", None, 3])
def test_every_query_has_a_name(world: SimpleNamespace, name: Any) -> None:
    with opened(scripted(), world) as session, pytest.raises(BackendError, match="every query needs a name"):
        decide(session, name, world.positive)


def test_an_answer_has_no_truth_value() -> None:
    for answer in (Sat("s", "1", 0.0, {}), Unsat("s", "1", 0.0), Unknown("s", "1", 0.0, "because")):
        with pytest.raises(BackendError, match="match it against Sat, Unsat and Unknown"):
            bool(answer)


def test_an_answer_cannot_be_changed(world: SimpleNamespace) -> None:
    with opened(Z3, world) as session:
        answer = decide(session, "sat", world.positive)
    assert isinstance(answer, Sat)
    with pytest.raises(FrozenInstanceError):
        answer.model = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        answer.model["x"] = 0  # type: ignore[index]


@pytest.mark.parametrize(
    "limits", [{"seconds": 0}, {"seconds": -1}, {"seconds": float("nan")}, {"memory_mb": 0}, {"memory_mb": -5}]
)
def test_a_limit_is_positive(limits: dict[str, Any]) -> None:
    with pytest.raises(BackendError, match="expected a"):
        Limits(**limits)


def test_a_memory_limit_is_refused_where_it_cannot_be_kept(world: SimpleNamespace) -> None:
    with pytest.raises(BackendError, match="hard=True"):
        opened(Z3, world, limits=Limits(memory_mb=100))
    with opened(Z3, world) as session, pytest.raises(BackendError, match="hard=True"):
        decide(session, "limited", world.positive, Limits(memory_mb=100))


def test_a_logic_is_an_object_that_the_backend_lists(world: SimpleNamespace) -> None:
    with pytest.raises(BackendError, match=r"expected a logic object such as pysmt.logics.QF_LIA, got 'QF_LIA'"):
        opened(Z3, world, "QF_LIA")  # type: ignore[arg-type]
    with pytest.raises(BackendError, match="z3 is not set up for BV; it decides QF_BV"):
        opened(Z3, world, BV)


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5, True, None])
def test_a_seed_is_a_small_number(world: SimpleNamespace, seed: Any) -> None:
    with pytest.raises(BackendError, match="expected a seed"):
        opened(Z3, world, seed=seed)


def test_a_closed_session_answers_nothing(world: SimpleNamespace) -> None:
    session = opened(Z3, world)
    session.close()
    session.close()
    with pytest.raises(BackendError, match="this session is closed"):
        decide(session, "late", world.positive)
    with pytest.raises(BackendError, match="this session is closed"):
        session.add(world.positive)


def outside(world: SimpleNamespace, what: str) -> Any:
    m, x, y = world.m, world.x, world.y
    function = m.Symbol("f", FunctionType(INT, [INT]))
    match what:
        case "another environment":
            return Environment().formula_manager.TRUE()
        case "not a formula":
            return True
        case "a number":
            return m.Plus(x, y)
        case "a quantifier":
            return m.ForAll([x], m.GT(x, y))
        case "a function":
            return m.GT(m.Function(function, [x]), y)
        case "a product":
            return m.GT(m.Times(x, y), x)
        case "a quotient":
            return m.GT(m.Div(x, y), x)
        case "a real":
            return m.GT(m.Symbol("r", REAL), m.Real(0))
        case "a bit-vector":
            return m.Equals(m.Symbol("b", BVType(8)), m.BV(1, 8))
        case "a real power":
            return m.GT(m.Pow(m.Symbol("s", REAL), m.Real(2)), m.Real(0))
    raise AssertionError(what)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("another environment", "another pySMT environment"),
        ("not a formula", "expected a pySMT formula, got bool"),
        ("a number", "expected a Boolean formula, got a term of type Int"),
        ("a quantifier", "expected a quantifier-free formula"),
        ("a function", "expected a quantifier-free formula"),
        ("a product", "outside QF_LIA"),
        ("a quotient", "outside QF_LIA"),
        ("a real", "symbol 'r' of type Real is outside the logic QF_LIA"),
        ("a bit-vector", "symbol 'b' of type BV{8} is outside the logic QF_LIA"),
        ("a real power", "symbol 's' of type Real is outside"),
    ],
)
def test_a_question_outside_the_fragment_is_refused(world: SimpleNamespace, what: str, sentence: str) -> None:
    formula = outside(world, what)
    with opened(scripted(), world) as session:
        with pytest.raises(BackendError, match=re.escape(sentence)):
            decide(session, "outside", formula)
        with pytest.raises(BackendError, match=re.escape(sentence)):
            session.add(formula)


def test_constant_factors_may_be_terms(world: SimpleNamespace) -> None:
    m = world.m
    with opened(Z3, world) as session:
        six = m.Times(m.Plus(m.Int(1), m.Int(1)), m.Int(3))
        answer = decide(session, "constants", m.Equals(m.Times(six, world.x), m.Int(12)))
    assert isinstance(answer, Sat)
    assert answer.model == {"x": 2}


def test_a_refused_assertion_does_not_join_the_background(world: SimpleNamespace) -> None:
    with opened(Z3, world, QF_BV) as session:
        with pytest.raises(BackendError):
            session.add(world.positive)
        answer = decide(session, "nothing asserted")
    assert isinstance(answer, Sat)
    assert answer.model == {}


@pytest.mark.slow
def test_deep_formulas_need_no_recursion(world: SimpleNamespace) -> None:
    term, keep = world.x, world.m.Symbol("keep", BOOL)
    for _ in range(3_000):
        term = world.m.Ite(keep, world.m.Plus(term, world.m.Int(1)), world.m.Int(0))
    query = world.m.And(keep, world.m.Equals(term, world.m.Int(0)))
    for hard in (False, True):
        with opened(Z3, world, limits=Limits(20), hard=hard) as session:
            answer = decide(session, "deep", query)
        assert isinstance(answer, Sat)
        assert answer.model == {"keep": True, "x": -3_000}


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BackendError, match=r"unknown backend 'z4'; known: z3, cvc5"):
        backends.get("z4")
    assert backends.get("z3") is Z3
    assert backends.get("cvc5") is CVC5


def test_a_missing_solver_names_the_pip_package(world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvc5", None)
    monkeypatch.delitem(sys.modules, "pysmt.solvers.cvcfive", raising=False)
    with pytest.raises(BackendError, match=r"^the solver cvc5 is not installed; run: pip install cvc5$"):
        opened(CVC5, world)
    absent = replace(Z3, name="absent", package="absent-solver", module="absent_solver")
    assert not absent.is_installed()
    with pytest.raises(BackendError, match="pip install absent-solver"):
        opened(absent, world)
    with pytest.raises(BackendError, match="pip install absent-solver"):
        absent.version()


def test_only_installed_solvers_are_available(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = replace(Z3, name="absent", package="absent-solver", module="absent_solver")
    monkeypatch.setattr(sys.modules[__name__], "ABSENT", absent, raising=False)
    monkeypatch.setitem(registry.SHIPPED, "absent", f"{__name__}:ABSENT")
    assert "absent" in backends.names()
    assert absent not in backends.available()


def test_another_package_can_contribute_a_backend_but_not_take_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [SimpleNamespace(name=name, value=f"{__name__}:MINE") for name in ("mine", "z3")]
    mine = replace(Z3, name="mine", home=f"{__name__}:MINE")
    monkeypatch.setattr(sys.modules[__name__], "MINE", mine, raising=False)
    contributed = {"distill.backends": points}
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: contributed.get(group, []))
    assert backends.names() == (*registry.SHIPPED, "mine")
    assert backends.get("mine") is mine
    assert backends.get("z3") is Z3


@pytest.mark.parametrize("home", ["no_such_module:X", "backends.z3:NO_SUCH", "backends.z3", "math:pi", ""])
def test_a_broken_import_path_is_one_sentence(home: str) -> None:
    with pytest.raises(BackendError, match=r"(no backend could be loaded from|expected a Backend at)"):
        registry.load(home)


@pytest.mark.slow
def test_a_backend_that_lies_does_not_conform() -> None:
    failures = check(scripted(value=lambda m: m.Int(0)))
    assert {"satisfiable", "unsatisfiable", "big integers", "describes itself"} <= {f.case for f in failures}
    easy = next(case for case in CASES if case.name == "satisfiable")
    for result in (SolverReturnedUnknownResultError, False):
        with pytest.raises(ConformanceError):
            easy.run(scripted(result=result), hard=False)


def test_importing_the_room_imports_no_solver_adapter() -> None:
    code = (
        "import sys, backends; backends.available(); backends.get('cvc5').version(); "
        "sys.exit(bool({'cvc5', 'pysmt.solvers.cvcfive', 'pysmt.solvers.z3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_command_line_reports_and_exits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from backends import conformance

    assert conformance.main([]) == 2
    assert conformance.main(["--help"]) == 0
    assert conformance.main(["z4"]) == 2
    assert "known: z3, cvc5" in capsys.readouterr().err
    monkeypatch.setattr(conformance, "check", lambda backend, hard=False: ())
    assert conformance.main(["z3"]) == 0
    monkeypatch.setattr(conformance, "check", lambda backend, hard=False: (conformance.Failure("c", "r"),))
    assert conformance.main(["z3"]) == 1
    assert "FAILED c: r" in capsys.readouterr().out


def test_a_power_is_refused(world: SimpleNamespace) -> None:
    r = world.m.Symbol("r", REAL)
    with opened(scripted(), world, QF_LRA) as session, pytest.raises(BackendError, match="got POW; rewrite"):
        decide(session, "power", world.m.GT(world.m.Pow(r, world.m.Real(2)), r))


def test_a_product_of_sums_is_refused_however_often_it_is_asked(world: SimpleNamespace) -> None:
    m = world.m
    one = m.Int(1)
    product = m.Equals(m.Times(m.Plus(world.x, one), m.Plus(world.y, one)), m.Int(6))
    with opened(scripted(result=False), world) as session:
        for _ in range(2):
            with pytest.raises(BackendError, match="a product or quotient of two variable terms"):
                decide(session, "product", product)
