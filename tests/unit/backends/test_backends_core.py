"""Claims about unsatisfiable cores: names come back from every solver, survive restarts, and are never made up."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pysmt.environment import Environment
from pysmt.logics import QF_BV, QF_LIA, Logic
from pysmt.typing import INT, BVType

from backends import BITWUZLA, CVC5, Z3, Backend, BackendError, Portfolio, Sat, Session, Unsat, decide
from backends.smtlib_process import SmtlibProcess

FAKE = Path(__file__).parents[2] / "support/fake_solver.py"
Z3_PROGRAM = SmtlibProcess(name="z3-program", command=("z3", "-in", "-smt2"), cores=True)
PYTHON = [pytest.param(b, id=b.name, marks=pytest.mark.needs(b.name)) for b in (Z3, CVC5, BITWUZLA)]
EVERY_BACKEND = pytest.mark.parametrize("backend", [*PYTHON, Z3_PROGRAM, Portfolio(Z3, CVC5)], ids=lambda b: b.name)


def opened(backend: Backend, hard: bool = False) -> Session:
    """A session that says x < 2 without a name, and three things with one."""
    if not backend.is_installed():
        pytest.skip(f"{backend.name} is not installed")
    logic: Logic = QF_LIA if "QF_LIA" in backend.logics else QF_BV
    session = backend.open(Environment(), logic, hard=hard)
    session.add(less(session, "x", 2))
    session.add(less(session, "z", "y"), name="z before y")
    session.add(less(session, "y", "x"), name="y before x")
    session.add(less(session, 0, "other"), name="something else")
    return session


def less(session: Session, left: str | int, right: str | int) -> Any:
    manager, bits = session.environment.formula_manager, session.logic == QF_BV

    def term(leaf: str | int) -> Any:
        if isinstance(leaf, str):
            return manager.Symbol(leaf, BVType(8) if bits else INT)
        return manager.SBV(leaf, 8) if bits else manager.Int(leaf)

    return (manager.BVSLT if bits else manager.LT)(term(left), term(right))


@EVERY_BACKEND
def test_the_core_names_what_was_needed(backend: Backend) -> None:
    with opened(backend) as session:
        for number in range(2):
            answer = decide(session, f"z is positive {number}", less(session, 0, "z"))
            assert isinstance(answer, Unsat)
            assert answer.core == ("z before y", "y before x")
        assert isinstance(decide(session, "y is not"), Sat)
        answer = decide(session, "y is large", less(session, 0, "y"))
        assert isinstance(answer, Unsat)
        assert answer.core == ("y before x",)
        session.add(less(session, "y", -3), name="y is negative")
        answer = decide(session, "y is and is not negative", less(session, -3, "y"))
        assert isinstance(answer, Unsat)
        assert answer.core == ("y is negative",)


@EVERY_BACKEND
def test_the_core_is_empty_where_the_query_contradicts_itself(backend: Backend) -> None:
    with opened(backend) as session:
        answer = decide(session, "false", session.environment.formula_manager.FALSE())
    assert isinstance(answer, Unsat)
    assert answer.core == ()


@pytest.mark.parametrize("backend", PYTHON)
def test_a_worker_knows_cores_and_keeps_them_when_it_is_killed(backend: Backend) -> None:
    with opened(backend, hard=True) as session:
        os.kill(session._engine._child.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        decide(session, "killed")
        answer = decide(session, "z is positive", less(session, 0, "z"))
    assert isinstance(answer, Unsat)
    assert answer.core == ("z before y", "y before x")


@pytest.mark.parametrize("backend", PYTHON)
def test_a_replaced_solver_keeps_the_names(backend: Any) -> None:
    with opened(replace(backend, queries_per_solver=1)) as session:
        for number in range(3):
            answer = decide(session, f"z is positive {number}", less(session, 0, "z"))
            assert isinstance(answer, Unsat)
            assert answer.core == ("z before y", "y before x")


@pytest.mark.needs("z3")
def test_a_solver_that_cannot_tell_gives_no_core() -> None:
    for backend in (replace(Z3, core=None), replace(Z3_PROGRAM, cores=False)):
        with opened(backend) as session:
            answer = decide(session, "z is positive", less(session, 0, "z"))
        assert isinstance(answer, Unsat)
        assert answer.core == ()


@pytest.mark.needs("z3")
def test_names_that_nobody_gave_are_an_error() -> None:
    with opened(Z3) as session:
        session._named.discard("y before x")
        with pytest.raises(BackendError, match="with a core that nobody named"):
            decide(session, "z is positive", less(session, 0, "z"))


@pytest.mark.parametrize("core", ["made-up core", "no core", "nested core"])
def test_a_program_that_makes_up_a_core_is_quoted(core: str) -> None:
    program = SmtlibProcess(
        name="fake", command=(sys.executable, "-SE", str(FAKE), core), logics=("QF_LIA",), cores=True
    )
    with program.open(Environment(), QF_LIA) as session:
        session.add(less(session, "x", 2), name="small")
        with pytest.raises(BackendError, match="fake: expected a list of assumptions, got "):
            decide(session, "false", session.environment.formula_manager.FALSE())


@pytest.mark.needs("z3")
@pytest.mark.parametrize("name", ["", "  ", "two\nlines", 3])
def test_a_named_assertion_has_a_name_on_one_line(name: Any) -> None:
    with opened(Z3) as session, pytest.raises(BackendError, match="every named assertion needs a name on one line"):
        session.add(less(session, "x", 2), name=name)


@pytest.mark.needs("z3")
def test_no_two_assertions_share_a_name() -> None:
    with opened(Z3) as session, pytest.raises(BackendError, match="got 'y before x' twice"):
        session.add(less(session, "x", 2), name="y before x")


@pytest.mark.needs("z3")
def test_the_names_of_guards_are_ours() -> None:
    """Or a query could switch off a named assertion."""
    with opened(Z3) as session:
        manager = session.environment.formula_manager
        with pytest.raises(BackendError, match="symbols whose name begins with 'core-guard-' are ours"):
            decide(session, "switch", manager.Not(manager.Symbol("core-guard-0")))


@pytest.mark.needs("z3")
def test_models_do_not_show_guards() -> None:
    with opened(Z3) as session:
        answer = decide(session, "all")
    assert isinstance(answer, Sat)
    assert set(answer.model) == {"x", "y", "z", "other"}
