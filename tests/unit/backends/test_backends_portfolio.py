"""Claims about several solvers at once: the first verdict wins, losers come back, contradictions are errors."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from distilling import distilled
from pysmt.environment import Environment
from pysmt.logics import QF_LIA
from pysmt.typing import INT

from backends import (
    BITWUZLA,
    CVC5,
    Z3,
    Backend,
    BackendError,
    Limits,
    Portfolio,
    Sat,
    Session,
    Unknown,
    Unsat,
    decide,
    get,
)
from backends.conformance import CASES, check
from backends.smtlib_process import SmtlibProcess
from cegis import Found
from tasks.formats.circuit_folder import load_circuit, shipped_path

FAKE = Path(__file__).parents[2] / "support/fake_solver.py"


def fake(name: str, mode: str = "") -> Backend:
    """Says x = 7, or unsat to what holds ``false``; does what the mode says when 666 is in the query."""
    return SmtlibProcess(name=name, command=(sys.executable, "-SE", str(FAKE), mode), logics=("QF_LIA",))


@pytest.fixture
def m() -> Any:
    return Environment().formula_manager


def trouble(m: Any) -> Any:
    return m.LT(m.Symbol("x", INT), m.Int(666))


@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
@pytest.mark.parametrize(
    "name", ["describes itself", "the model is whole", "the background stays", "vacuity shows", "a timeout is unknown"]
)
def test_a_portfolio_conforms(name: str) -> None:
    next(case for case in CASES if str(case) == name).run(Portfolio(Z3, CVC5))


@pytest.mark.slow
@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
def test_a_portfolio_conforms_in_every_case() -> None:
    assert check(Portfolio(Z3, CVC5)) == ()


@pytest.mark.needs("z3")
@pytest.mark.needs("bitwuzla")
def test_a_portfolio_proves_a_shipped_circuit() -> None:
    result = distilled(load_circuit(shipped_path("quote_closing")), get("z3+bitwuzla"), length=4, seconds=60)
    assert isinstance(result.outcome, Found)
    assert result.is_proved
    (method,) = (claim.method for claim in result.claims if "surrogate" in claim.method)
    assert method.endswith(", for each length the first of z3+bitwuzla to answer")
    assert "by z3 5." in method or "by bitwuzla 0." in method


def test_the_first_verdict_wins_and_names_its_solver(m: Any) -> None:
    with Portfolio(fake("sleeper", "hang"), fake("runner")).open(m.env, QF_LIA) as session:
        start = time.monotonic()
        for number in range(3):
            answer = decide(session, f"race {number}", trouble(m))
            assert isinstance(answer, Sat)
            assert answer.solver == "runner"
        assert time.monotonic() - start < 5


def test_a_loser_is_killed_and_comes_back_with_the_background(m: Any) -> None:
    x = m.Symbol("x", INT)
    with Portfolio(fake("sleeper", "hang"), fake("dead", "leave"), fake("runner")).open(m.env, QF_LIA) as session:
        session.add(m.GT(x, m.Int(3)))
        sleeper = session._engine._lanes[0]._engine  # type: ignore[attr-defined]
        before = sleeper._program._child.pid
        assert isinstance(decide(session, "race", trouble(m)), Sat)
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        session.add(m.LT(x, m.Int(9)))
        answer = decide(session, "again", m.And(m.Symbol("p"), m.FALSE()))
        assert isinstance(answer, Unsat)
        deadline = time.monotonic() + 5
        while sleeper._program is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [line for line in sleeper._script if "assert" in line] == [
            "(assert (let ((.def_0 (< 3 v0))) .def_0))",
            "(assert (let ((.def_0 (< v0 9))) .def_0))",
        ]
        assert sleeper._told == len(sleeper._script)


def test_two_verdicts_that_differ_are_an_error(m: Any) -> None:
    def ask_until_both_are_quick(session: Session) -> None:
        for number in range(20):  # a loaded machine may lose one of them now and then
            decide(session, f"contradiction {number}", trouble(m))

    said = r"(one|other) 0.1-fake answered (un)?sat and (one|other) 0.1-fake answered (un)?sat to the same question"
    with Portfolio(fake("one"), fake("other", "contrary")).open(m.env, QF_LIA) as session:
        with pytest.raises(BackendError, match=said):
            ask_until_both_are_quick(session)
        assert isinstance(decide(session, "after", m.FALSE()), Unsat)


def test_unknown_needs_all_of_them(m: Any) -> None:
    with Portfolio(fake("one", "unknown"), fake("other", "leave")).open(m.env, QF_LIA) as session:
        answer = decide(session, "nobody knows", trouble(m))
        assert isinstance(answer, Unknown)
        assert answer.solver == "one+other"
        assert answer.reason == "one: (:reason-unknown tired); other: the solver process ended with status 3"
        assert isinstance(decide(session, "after", m.FALSE()), Unsat)
    with Portfolio(fake("one", "unknown"), fake("other", "slow")).open(m.env, QF_LIA) as session:
        answer = decide(session, "one knows", trouble(m))
    assert isinstance(answer, Sat)
    assert answer.solver == "other"


def test_an_error_of_one_member_does_not_stop_the_other(m: Any) -> None:
    with Portfolio(fake("one", "garbage"), fake("other", "slow")).open(m.env, QF_LIA) as session:
        answer = decide(session, "half broken", trouble(m))
        assert isinstance(answer, Sat)
    with Portfolio(fake("one", "garbage"), fake("other", "unknown")).open(m.env, QF_LIA) as session:
        with pytest.raises(BackendError, match=r"one: .*I am not"):
            decide(session, "broken and unknown", trouble(m))
        assert isinstance(decide(session, "after", m.FALSE()), Unsat)


def test_a_time_limit_holds_for_all(m: Any) -> None:
    with Portfolio(fake("one", "hang"), fake("other", "hang")).open(m.env, QF_LIA, limits=Limits(0.3)) as session:
        answer = decide(session, "nobody moves", trouble(m))
    assert isinstance(answer, Unknown)
    assert answer.reason.count("killed at the time limit of 0.3 s") == 2
    assert answer.seconds < 0.3 + 1


def test_closing_leaves_no_process(m: Any) -> None:
    session = Portfolio(fake("one"), fake("other")).open(m.env, QF_LIA)
    pids = [lane._engine._program._child.pid for lane in session._engine._lanes]  # type: ignore[attr-defined]
    session.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_interruption_ends_every_query(m: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import backends.portfolio

    def interrupted(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        time.sleep(0.3)
        raise KeyboardInterrupt

    with Portfolio(fake("one", "hang"), fake("other", "hang")).open(m.env, QF_LIA) as session:
        monkeypatch.setattr(backends.portfolio, "wait", interrupted)
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            decide(session, "interrupted", trouble(m))
        assert isinstance(decide(session, "after", m.FALSE()), Unsat)
        assert time.monotonic() - start < 5


def test_a_member_that_cannot_start_is_named_and_the_others_end(m: Any) -> None:
    with pytest.raises(BackendError, match=r"broken did not start: .*no license found"):
        Portfolio(fake("one"), fake("broken", "stillborn")).open(m.env, QF_LIA)


@pytest.mark.parametrize(
    ("name", "members"), [("z3+cvc5", (Z3, CVC5)), ("cvc5+z3", (CVC5, Z3)), ("z3+bitwuzla", (Z3, BITWUZLA))]
)
def test_a_portfolio_has_a_name_on_the_command_line(name: str, members: tuple[Backend, ...]) -> None:
    portfolio = get(name)
    assert portfolio == Portfolio(*members)
    assert portfolio.name == name
    assert portfolio.version() == "+".join(member.version() for member in members)
    assert set(portfolio.logics) == set(members[0].logics) & set(members[1].logics)


@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
def test_portfolio_means_all_that_decide_integers() -> None:
    assert get("portfolio") == Portfolio(Z3, CVC5)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("z3+z3", "two or more different solvers, got z3\\+z3"),
        ("z3+", "unknown backend ''"),
        ("+", "unknown backend ''"),
        ("z3+z4", "unknown backend 'z4'"),
    ],
)
def test_a_portfolio_that_cannot_be_meant_is_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises(BackendError, match=sentence):
        get(name)


def test_a_portfolio_needs_members_and_a_common_logic() -> None:
    with pytest.raises(BackendError, match="two or more different solvers, got z3"):
        Portfolio(Z3)
    with pytest.raises(BackendError, match="two or more different solvers"):
        Portfolio(Portfolio(Z3, CVC5), BITWUZLA)
    with pytest.raises(BackendError, match="a logic in common: bitwuzla decides QF_BV, QF_UF; integers decides QF_LIA"):
        Portfolio(BITWUZLA, fake("integers"))
