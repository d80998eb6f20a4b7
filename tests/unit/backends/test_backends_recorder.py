"""Claims about recorded queries: self-contained, deterministic, whole or absent, and never with a changed meaning."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pysmt.environment import Environment
from pysmt.logics import QF_LIA, QF_LIRA, QF_LRA
from pysmt.typing import BOOL, INT, REAL

from backends import Z3, BackendError, Limits, Recorder, decide, smtlib_script

EXPECTED = """\
; quotes/length 2
(set-logic QF_LIA)
(set-info :status unsat)
(declare-fun tok_0_0 () Bool)
(declare-fun tok_1_0 () Bool)
(declare-fun x () Int)
(assert (let ((.def_0 (or tok_1_0 tok_0_0))) .def_0))
(assert (let ((.def_0 (< x 0))) (let ((.def_1 (div x (- 2)))) (let ((.def_2 (= .def_1 (- 7)))) (let ((.def_3 (and .def_2 .def_0))) .def_3)))))
(check-sat)
"""  # noqa: E501


def recorded(folder: Path) -> list[str]:
    """Ask two questions of one session; the names of the files they leave."""
    environment = Environment()
    m = environment.formula_manager
    x = m.Symbol("x", INT)
    with Z3.open(environment, QF_LIA, recorder=Recorder(folder), limits=Limits(20)) as session:
        session.add(m.Or(m.Symbol("tok_1_0", BOOL), m.Symbol("tok_0_0", BOOL)))
        decide(session, "quotes/assumptions")
        decide(
            session, "quotes/length 2", m.And(m.Equals(m.Div(x, m.Int(-2)), m.Int(-7)), m.LT(x, m.Int(0)))
        )  # x div -2 = -7 needs x = 14 or 15
    return sorted(path.name for path in folder.iterdir())


def test_each_query_is_one_complete_file(tmp_path: Path) -> None:
    assert recorded(tmp_path / "queries") == ["0001-quotes-assumptions.smt2", "0002-quotes-length-2.smt2"]
    assert (tmp_path / "queries" / "0002-quotes-length-2.smt2").read_text() == EXPECTED
    assert "(set-info :status sat)" in (tmp_path / "queries" / "0001-quotes-assumptions.smt2").read_text()


def test_the_text_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "from pysmt.environment import Environment; from pysmt.logics import QF_LIA; from pysmt.typing import BOOL\n"
        "from backends import smtlib_script; m = Environment().formula_manager\n"
        "rows = [[m.Symbol(f'tok_{i}_{j}', BOOL) for j in range(4)] for i in range(4)]\n"
        "print(smtlib_script([m.ExactlyOne(row) for row in rows], QF_LIA, 'seeds', 'sat'))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(texts) == 1


def test_two_runs_do_not_mix(tmp_path: Path) -> None:
    recorded(tmp_path)
    with pytest.raises(BackendError, match="expected a folder without recorded queries"):
        Recorder(tmp_path)


def test_a_record_that_cannot_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        recorded(tmp_path)
    assert not list(tmp_path.glob("*.smt2"))


def test_a_timeout_is_recorded_as_unknown(tmp_path: Path) -> None:
    environment = Environment()
    m = environment.formula_manager
    holes = [[m.Symbol(f"p_{i}_{j}", BOOL) for j in range(12)] for i in range(13)]
    with Z3.open(environment, QF_LIA, recorder=Recorder(tmp_path), limits=Limits(0.1)) as session:
        session.add(m.And([m.Or(row) for row in holes]))
        session.add(m.And([m.AtMostOne(column) for column in zip(*holes, strict=True)]))
        decide(session, "pigeons")
    assert "(set-info :status unknown)" in (tmp_path / "0001-pigeons.smt2").read_text()


@pytest.mark.parametrize("name", ["true", "and", "div", "a|b", "a\\b", "bvadd", ".def_0", "@x", "a\nb"])
def test_a_symbol_that_would_change_its_meaning_is_refused(name: str) -> None:
    m = Environment().formula_manager
    with pytest.raises(BackendError, match="has no safe name in SMT-LIB; rename it"):
        smtlib_script([m.Symbol(name, BOOL)], QF_LIA, "names", "sat")


def test_a_reserved_word_and_a_space_are_quoted() -> None:
    m = Environment().formula_manager
    text = smtlib_script([m.Symbol("let", BOOL), m.Symbol("a b", BOOL), m.Symbol("1st", BOOL)], QF_LIA, "names", "sat")
    assert "(declare-fun |let| () Bool)" in text
    assert "(declare-fun |a b| () Bool)" in text
    assert "(assert |1st|)" in text


def test_rationals_are_written_as_reals() -> None:
    m = Environment().formula_manager
    r = m.Symbol("r", REAL)
    text = smtlib_script([m.Equals(r, m.Real(Fraction(-1, 3))), m.LT(r, m.Real(2))], QF_LRA, "reals", "unsat")
    assert "(- (/ 1.0 3.0))" in text
    assert " 2.0" in text


def test_both_divisions_keep_their_names() -> None:
    m = Environment().formula_manager
    x, r = m.Symbol("x", INT), m.Symbol("r", REAL)
    text = smtlib_script([m.LT(m.Div(x, m.Int(3)), x), m.LT(m.Div(r, r), r)], QF_LIRA, "divisions", "sat")
    assert "(div x 3)" in text
    assert "(/ r r)" in text


def test_a_status_is_one_of_three_words() -> None:
    with pytest.raises(BackendError, match="expected a status among sat, unsat, unknown, got 'valid'"):
        smtlib_script([], QF_LIA, "status", "valid")
