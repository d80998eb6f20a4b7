"""Claims about solver programs: any of them can join, none can hang, crash or talk us into a verdict."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from distilling import distilled
from pysmt.environment import Environment
from pysmt.logics import QF_BV, QF_LIA, QF_LRA
from pysmt.typing import BOOL, INT, REAL, BVType
from quick import sliced

import backends
from backends import BackendError, Limits, Sat, Unknown, Unsat, decide
from backends.conformance import check
from backends.sexpression import read, value
from backends.smtlib_process import SmtlibProcess
from cegis import Found
from tasks.formats.circuit_folder import load_circuit, shipped_path

FAKE = Path(__file__).parents[2] / "support/fake_solver.py"
README = Path(backends.__file__).with_name("README.md")
ALL = ("QF_LIA", "QF_LRA", "QF_BV", "QF_UF", "QF_LIRA")
Z3_LIMIT, CVC5_LIMIT = "(set-option :timeout {milliseconds})", "(set-option :tlimit-per {milliseconds})"
PROGRAMS = [
    SmtlibProcess(
        name="z3-program", command=("z3", "-in", "-smt2"), logics=(*ALL, "QF_NIA"), seconds=Z3_LIMIT, cores=True
    ),
    SmtlibProcess(
        name="cvc5-program",
        command=("cvc5", "--incremental", "--lang=smt2"),
        logics=(*ALL, "QF_NIA"),
        seconds=CVC5_LIMIT,
        cores=True,
    ),
    SmtlibProcess(name="cvc4-program", command=("cvc4", "--incremental", "--lang=smt2"), logics=ALL, cores=True),
]
EVERY_PROGRAM = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


def on_path(program: SmtlibProcess) -> SmtlibProcess:
    if not program.is_installed():
        pytest.skip(f"there is no program {program.command[0]} on PATH; apt-get install {program.command[0]}")
    return program


def fake(mode: str = "", **fields: Any) -> SmtlibProcess:
    return SmtlibProcess(name="fake", command=(sys.executable, "-SE", str(FAKE), mode), logics=("QF_LIA",), **fields)


@pytest.fixture
def m() -> Any:
    return Environment().formula_manager


def ask(m: Any, program: SmtlibProcess, limits: Limits | None = None, number: int = 666) -> backends.Answer:
    """Whether v0 < 666, which the fakes call trouble; then the session must still work."""
    with program.open(m.env, QF_LIA, limits=limits or Limits(5)) as session:
        try:
            return decide(session, "trouble", m.LT(m.Symbol("x", INT), m.Int(number)))
        finally:
            answer = decide(session, "after", m.And(m.Symbol("p"), m.FALSE()), Limits(5))
            assert isinstance(answer, Unsat)


@pytest.mark.slow
@pytest.mark.parametrize("program", sliced(PROGRAMS, 3), ids=lambda program: program.name)
def test_a_program_conforms(program: SmtlibProcess) -> None:
    assert check(on_path(program)) == ()


def test_a_program_proves_a_shipped_circuit() -> None:
    program = on_path(PROGRAMS[0])
    result = distilled(load_circuit(shipped_path("quote_closing")), program, length=4, seconds=60)
    assert isinstance(result.outcome, Found)
    assert result.is_proved
    assert any("by z3-program" in claim.method for claim in result.claims)


@EVERY_PROGRAM
def test_deep_formulas_are_read(m: Any, program: SmtlibProcess) -> None:
    term, keep = m.Symbol("x", INT), m.Symbol("keep", BOOL)
    for _ in range(1_000):
        term = m.Ite(keep, m.Plus(term, m.Int(1)), m.Int(0))
    with on_path(program).open(m.env, QF_LIA, limits=Limits(20)) as session:
        answer = decide(session, "deep", m.And(keep, m.Equals(term, m.Int(0))))
    assert isinstance(answer, Sat)
    assert answer.model["x"] == -1_000


@pytest.mark.parametrize("memory_mb", [20, 200])
def test_little_memory_is_unknown_or_one_sentence(m: Any, memory_mb: int) -> None:
    x, y = m.Symbol("x", BVType(512)), m.Symbol("y", BVType(512))
    again = m.BVAdd(m.BVMul(m.BVUDiv(x, y), y), m.BVURem(x, y))
    program = replace(on_path(PROGRAMS[0]), seconds=None)
    with program.open(m.env, QF_BV) as session:
        start = time.monotonic()
        answer = decide(session, "wide division", m.Not(m.Equals(again, x)), Limits(20, memory_mb))
        assert isinstance(answer, Unknown)
        assert f"memory limit {memory_mb} MB" in answer.reason
        assert time.monotonic() - start < 20
        assert isinstance(decide(session, "after", m.Equals(x, y)), Sat)


def test_a_fake_that_behaves_is_understood(m: Any) -> None:
    with fake().open(m.env, QF_LIA) as session:
        answer = decide(session, "seven", m.And(m.Equals(m.Symbol("x", INT), m.Int(7)), m.Symbol("a b")))
    assert isinstance(answer, Sat)
    assert (answer.model, answer.solver, answer.version) == ({"x": 7, "a b": True}, "fake", "0.1-fake")


@pytest.mark.parametrize("mode", ["hang", "spin-with-child"])
@pytest.mark.parametrize("soft", sliced([None, "(set-option :timeout {milliseconds})"], 2))
def test_a_program_that_ignores_its_limit_is_killed_in_time(m: Any, mode: str, soft: str | None) -> None:
    start = time.monotonic()
    answer = ask(m, fake(mode, seconds=soft), Limits(0.3))
    assert isinstance(answer, Unknown)
    assert answer.reason.startswith("killed at the time limit of 0.3 s")
    assert answer.seconds < 0.3 + 1
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("die", r"ended by SIGABRT; it said 'segmentation imminent'"),
        ("leave", r"^the solver process ended with status 3$"),
        ("memory", r"^ran out of memory$"),
        ("unknown", r"tired"),
    ],
)
def test_a_crash_or_a_shrug_is_unknown_in_the_words_of_the_solver(m: Any, mode: str, words: str) -> None:
    answer = ask(m, fake(mode))
    assert isinstance(answer, Unknown)
    assert re.search(words, answer.reason)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("garbage", "I am not"),
        ("nothing", "expected sat, unsat or unknown, got ''"),
        ("twice", "unsat unsat"),
        ("capital", "UNSAT"),
        ("timeout", "timeout"),
        ("error", "no idea what you mean"),
        ("fatal", "this is the end"),
        ("unsupported", "unsupported"),
        ("no values", "no model"),
        ("other values", "w9"),
        ("few values", "expected the value of every symbol"),
        ("float values", r"7\.5"),
        ("symbolic values", r"\(\+ v1 1\)"),
        ("lie", "a model that does not satisfy it"),
    ],
)
def test_nonsense_is_an_error_in_the_words_of_the_solver(m: Any, mode: str, words: str) -> None:
    with pytest.raises(BackendError, match=words):
        ask(m, fake(mode), number=-100 if mode == "lie" else 666)


def test_a_verdict_that_comes_after_the_reply_is_no_answer(m: Any) -> None:
    """The fake echoes the end of the reply, and only then says unsat."""
    with pytest.raises(BackendError, match="expected sat, unsat or unknown, got ''"):
        ask(m, fake("late"))
    answer = ask(m, fake("late at once"), Limits(0.3))
    assert isinstance(answer, Unknown)
    assert answer.reason.startswith("killed at the time limit of 0.3 s")


def test_a_flood_of_words_ends_at_the_limit(m: Any) -> None:
    answer = ask(m, fake("flood"), Limits(0.5))
    assert isinstance(answer, Unknown)
    assert "time limit of 0.5 s" in answer.reason
    assert answer.seconds < 10  # without a limit it never ends; how soon depends on who else runs


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (fake("stillborn"), "fake did not start: .*no license found"),
        (fake(options=(("unheard-of", "1"),)), "fake: expected no word on .*got 'unsupported'"),
        (fake(seed="(set-option :unheard-of {seed})"), "fake: expected no word on .*got 'unsupported'"),
        (replace(fake(), command=("no-such-program",)), "there is no program 'no-such-program'; install it"),
        (replace(fake(), command=("/bin",)), "(no program|could not be started)"),
    ],
    ids=["stillborn", "option", "seed", "missing", "folder"],
)
def test_a_program_that_cannot_start_is_one_sentence(m: Any, program: SmtlibProcess, sentence: str) -> None:
    with pytest.raises(BackendError, match=sentence) as caught:
        program.open(m.env, QF_LIA)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_program_is_one_sentence(m: Any, tmp_path: Path) -> None:
    path = tmp_path / "solver"
    path.write_bytes(b"\0 not a program")
    path.chmod(0o755)
    with pytest.raises(BackendError, match=r"fake could not be started: .*solver"):
        replace(fake(), command=(str(path),)).open(m.env, QF_LIA)


def test_the_background_survives_a_kill(m: Any) -> None:
    x = m.Symbol("x", INT)
    with on_path(PROGRAMS[0]).open(m.env, QF_LIA) as session:
        session.add(m.GT(x, m.Int(3)))
        session._engine._program._child.kill()  # type: ignore[attr-defined]
        assert isinstance(decide(session, "killed", m.TRUE()), Unknown)
        session.add(m.LT(x, m.Int(6)))
        assert isinstance(decide(session, "above", m.GT(x, m.Int(5))), Unsat)
        assert isinstance(decide(session, "below", m.LT(x, m.Int(4))), Unsat)
        assert isinstance(decide(session, "between", m.GT(x, m.Int(4))), Sat)


def test_closing_a_session_leaves_no_process(m: Any) -> None:
    session = fake().open(m.env, QF_LIA)
    pid = session._engine._program._child.pid  # type: ignore[attr-defined]
    session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("text", "sort", "expected"),
    [
        ("true", BOOL, True),
        ("false", BOOL, False),
        ("12", INT, 12),
        ("(- 12)", INT, -12),
        ("-12", INT, -12),
        ("7", REAL, Fraction(7)),
        ("0.25", REAL, Fraction(1, 4)),
        ("(/ 1 3)", REAL, Fraction(1, 3)),
        ("(- (/ 1.0 3.0))", REAL, Fraction(-1, 3)),
        ("(/ (- 1) 3)", REAL, Fraction(-1, 3)),
        ("1/3", REAL, Fraction(1, 3)),
        ("#b0101", BVType(4), 5),
        ("#xfF", BVType(8), 255),
        ("(_ bv9 4)", BVType(4), 9),
    ],
)
def test_values_are_read_as_printed(text: str, sort: Any, expected: Any) -> None:
    (expression,) = read(text)
    assert value(expression, sort) == expected
    assert type(value(expression, sort)) is type(expected)


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("1", BOOL),
        ("True", BOOL),
        ("1.5", INT),
        ("true", INT),
        ("x", INT),
        ("(/ 1 0)", REAL),
        ("1/0", REAL),
        ("nan", REAL),
        ("1e3", REAL),
        ("(root-obj (+ (^ x 2) (- 2)) 1)", REAL),
        ("#b010", BVType(4)),
        ("#x5", BVType(5)),
        ("(_ bv16 4)", BVType(4)),
        ("(_ bv1 5)", BVType(4)),
        ("5", BVType(4)),
        ('"5"', INT),
    ],
)
def test_what_is_no_value_is_never_guessed(text: str, sort: Any) -> None:
    (expression,) = read(text)
    with pytest.raises(ValueError, match="expected"):
        value(expression, sort)


@pytest.mark.parametrize("text", ["(sat", "sat)", '"open', "|open"])
def test_broken_expressions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"bracket|token"):
        read(text)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_comment_ends_with_its_line(end: str) -> None:
    assert read(f"(a ; b (c{end} d)") == [["a", "d"]]


def test_fractions_come_back_from_real_programs(m: Any) -> None:
    r = m.Symbol("r", REAL)
    for program in PROGRAMS:
        if program.is_installed():
            with program.open(m.env, QF_LRA) as session:
                answer = decide(session, "third", m.Equals(m.Times(m.Real(-3), r), m.Real(Fraction(1, 7))))
            assert isinstance(answer, Sat)
            assert answer.model["r"] == Fraction(-1, 21)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
@pytest.mark.needs("z3")
def test_the_readme_is_enough_to_add_a_solver(tmp_path: Path) -> None:
    """Its first file, command and program, as they are printed; the package z3-solver brings the program z3."""
    (tmp_path / "distill-solvers.toml").write_text(blocks("toml")[0], encoding="utf-8")
    (tmp_path / "use.py").write_text(blocks("python")[0], encoding="utf-8")
    room = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{room}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("DISTILL_SOLVERS", None)
    if shutil.which("z3", path=environment["PATH"]) is None:
        pytest.skip("there is no program z3 on PATH")

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert re.search(r"^my-z3 .*: 0 failures in \d+ cases$", run("sh", "-c", blocks("sh")[0]).strip())
    assert run(sys.executable, "use.py") == "4\n"
