"""Claims about hard limits: a slow, hungry, killed or crashing worker gives Unknown, and the next query works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from pysmt.environment import Environment
from pysmt.logics import QF_BV, QF_LIA
from pysmt.solvers.z3 import Z3Solver
from pysmt.typing import BOOL, INT, BVType
from quick import sliced

from backends import CVC5, Z3, Backend, BackendError, Limits, Sat, Session, Unknown, Unsat, decide
from backends.conformance import check
from backends.wire import read_value

SOLVERS = [pytest.param(backend, id=backend.name, marks=pytest.mark.needs(backend.name)) for backend in (Z3, CVC5)]
ONE_QUICK = [
    pytest.param(Z3, id="z3", marks=pytest.mark.needs("z3")),
    pytest.param(CVC5, id="cvc5", marks=[pytest.mark.needs("cvc5"), pytest.mark.slow]),
]


class Trouble(Z3Solver):
    """Z3, except that a symbol with a telling name in the query makes it misbehave inside the worker."""

    def add_assertion(self, formula: Any, named: Any = None) -> None:
        self.words = {s.symbol_name() for s in self.environment.fvo.get_free_variables(formula)}
        super().add_assertion(formula, named)

    def solve(self, assumptions: Any = None) -> Any:
        match sorted(self.words & {"sleep", "spin", "abort", "leave", "eat", "lie", "chatter"}):
            case ["sleep"]:
                time.sleep(60)
            case ["spin"]:
                while True:
                    pass
            case ["abort"]:
                os.abort()
            case ["leave"]:
                os._exit(3)
            case ["eat"]:
                hoard = []
                while True:
                    hoard.append(bytearray(8 << 20))
            case ["chatter"]:
                os.write(1, b"{}\n")
        return super().solve(assumptions)

    def get_value(self, item: Any) -> Any:
        value = super().get_value(item)
        return self.environment.formula_manager.Not(value).simplify() if "lie" in self.words else value


TROUBLE = replace(Z3, name="trouble", solver=f"{__name__}:Trouble", home=f"{__name__}:TROUBLE", values=CVC5.values)


def trouble(limits: Limits) -> tuple[Session, Any]:
    """An open worker session whose background is: ``kept``."""
    environment = Environment()
    session = TROUBLE.open(environment, QF_LIA, limits=limits, hard=True)
    session.add(environment.formula_manager.Symbol("kept", BOOL))
    return session, environment.formula_manager


def assert_alive(session: Session, manager: Any) -> None:
    """The next query works, on the old background."""
    answer = decide(session, "alive", manager.Symbol("fine", BOOL), Limits(20))
    assert isinstance(answer, Sat)
    assert answer.model == {"fine": True, "kept": True}
    assert isinstance(decide(session, "background", manager.Not(manager.Symbol("kept", BOOL)), Limits(20)), Unsat)


@pytest.mark.slow  # bitwuzla does so in the quick suite
@pytest.mark.parametrize("backend", SOLVERS)
def test_a_solver_conforms_in_a_worker(backend: Backend) -> None:
    assert check(backend, hard=True) == ()


@pytest.mark.parametrize("word", sliced(["sleep", "spin"], 2))
def test_a_solver_that_ignores_its_limit_is_killed_in_time(word: str) -> None:
    session, manager = trouble(Limits(seconds=0.3))
    with session:
        start = time.monotonic()
        answer = decide(session, word, manager.Symbol(word, BOOL))
        assert time.monotonic() - start < 0.3 + 1
        assert isinstance(answer, Unknown)
        assert answer.reason == "killed at the time limit of 0.3 s"
        assert_alive(session, manager)


@pytest.mark.parametrize(
    ("word", "reason"),
    sliced(
        [
            ("abort", "the solver process was ended by SIGABRT (memory limit 700 MB)"),
            ("leave", "the solver process ended with status 3 (memory limit 700 MB)"),
            ("eat", "ran out of memory (memory limit 700 MB)"),
        ],
        3,
    ),
)
def test_a_crash_is_unknown_and_names_what_happened(word: str, reason: str) -> None:
    session, manager = trouble(Limits(seconds=20, memory_mb=700))
    with session:
        answer = decide(session, word, manager.Symbol(word, BOOL))
        assert isinstance(answer, Unknown)
        assert answer.reason == reason
        assert_alive(session, manager)


def test_a_worker_killed_from_outside_recovers() -> None:
    session, manager = trouble(Limits(seconds=20))
    with session:
        assert_alive(session, manager)
        os.kill(session._engine._child.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        answer = decide(session, "killed", manager.TRUE())
        assert isinstance(answer, Unknown)
        assert "SIGKILL" in answer.reason
        assert_alive(session, manager)


def test_a_worker_killed_while_idle_keeps_formulas_added_later() -> None:
    session, manager = trouble(Limits(seconds=20))
    with session:
        os.kill(session._engine._child.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        session.add(manager.Symbol("later", BOOL))
        assert isinstance(decide(session, "later", manager.Not(manager.Symbol("later", BOOL))), Unsat)
        assert isinstance(decide(session, "kept", manager.Not(manager.Symbol("kept", BOOL))), Unsat)


def test_a_worker_that_lies_is_caught() -> None:
    session, manager = trouble(Limits(seconds=20))
    with session:
        with pytest.raises(BackendError, match="a model that does not satisfy it"):
            decide(session, "lie", manager.Symbol("lie", BOOL))
        assert_alive(session, manager)


def test_output_of_the_solver_is_no_answer() -> None:
    session, manager = trouble(Limits(seconds=20))
    with session:
        answer = decide(session, "chatter", manager.And(manager.Symbol("chatter", BOOL), manager.FALSE()))
        assert isinstance(answer, Unsat)


@pytest.mark.parametrize(
    "reply",
    sliced(
        [
            {},
            {"seconds": 1},
            {"unsat": False, "seconds": 1},
            {"unsat": 1.5, "seconds": 1},
            {"sat": [], "seconds": 1},
            {"sat": {"x": None}, "seconds": 1},
            {"sat": {"x": "1/0"}, "seconds": 1},
            {"sat": {"x": 0.5}, "seconds": 1},
            {"unsat": True},
            {"unsat": True, "seconds": "soon"},
        ],
        3,
    ),
    ids=str,
)
def test_a_reply_that_is_no_answer_is_an_error(reply: dict[str, Any]) -> None:
    session, _ = trouble(Limits(seconds=20))
    with session, pytest.raises(BackendError, match="sent a reply that is no answer"):
        session._engine._read(reply)  # type: ignore[attr-defined]


def test_a_value_from_the_wire_is_never_a_float() -> None:
    with pytest.raises(ValueError, match="expected a Boolean, a number, a fraction or code points"):
        read_value(0.5)


def test_a_worker_that_cannot_find_its_backend_says_so() -> None:
    lost = replace(Z3, home="no_such_module:Z3")
    with pytest.raises(BackendError, match="no backend could be loaded from 'no_such_module:Z3'"):
        lost.open(Environment(), QF_LIA, hard=True)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ONE_QUICK)
def test_wide_division_ends_at_its_limit(backend: Backend) -> None:
    """Both solvers overrun their own limits here: the reason workers exist."""
    environment = Environment()
    m = environment.formula_manager
    x, y = m.Symbol("x", BVType(512)), m.Symbol("y", BVType(512))
    again = m.BVAdd(m.BVMul(m.BVUDiv(x, y), y), m.BVURem(x, y))
    with backend.open(environment, QF_BV, hard=True) as session:
        start = time.monotonic()
        answer = decide(session, "wide division", m.Not(m.Equals(again, x)), Limits(0.5))
        assert time.monotonic() - start < 0.5 + 1
        assert isinstance(answer, Unknown)
        hungry = decide(session, "wide division, little memory", m.Not(m.Equals(again, x)), Limits(20, 300))
        assert isinstance(hungry, Unknown)
        assert "memory limit 300 MB" in hungry.reason


def test_closing_a_session_leaves_no_process() -> None:
    session, _ = trouble(Limits(seconds=20))
    pid = session._engine._child.pid  # type: ignore[attr-defined]
    session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.slow
def test_a_worker_ends_with_its_parent() -> None:
    code = (
        "import os, backends; from pysmt.environment import Environment; from pysmt.logics import QF_LIA\n"
        "s = backends.Z3.open(Environment(), QF_LIA, hard=True)\n"
        "print(s._engine._child.pid, flush=True); os._exit(0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    pid, deadline = int(run.stdout), time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"the worker {pid} outlived its parent")


def test_big_numbers_and_fractions_cross_the_wire() -> None:
    environment = Environment()
    m = environment.formula_manager
    x = m.Symbol("x", INT)
    with Z3.open(environment, QF_LIA, hard=True) as session:
        answer = decide(session, "big", m.Equals(x, m.Int(-(10**100))))
    assert isinstance(answer, Sat)
    assert answer.model["x"] == -(10**100)
