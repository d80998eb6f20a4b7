"""A language of one's own, as the documentation shows it: it runs as printed, and a wrong row in it is caught."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cegis import GrammarError, read_sygus, synthesize
from cegis.operators.agreement import check_operators
from dsl.grammar import Grammar
from tasks.commands.main import main

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
EXAMPLE = EXAMPLES / "own_dsl.py"
RULER = "# " + "-" * 112 + "\n"


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs ``distill`` in the folder of the documentation: exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(EXAMPLES)
        monkeypatch.setattr(sys, "path", [*sys.path])
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    yield run
    sys.modules.pop("own_dsl", None)


def grammar() -> Grammar:
    found: Grammar = runpy.run_path(str(EXAMPLE))["GRAMMAR"]
    return found


def broken(**change: object) -> Grammar:
    """The example's grammar with a mistake in its own operator."""
    own = grammar()
    rows = (
        replace(p, operator=replace(p.operator, **change)) if p.operator.name == "monus" else p for p in own.productions
    )
    return replace(own, productions=tuple(rows))


def test_the_language_takes_fewer_than_thirty_lines():
    language = EXAMPLE.read_text(encoding="utf-8").split(RULER)
    assert len(language) == 3
    assert language[1].count("\n") < 30


@pytest.mark.needs("z3", "cvc5")
def test_the_example_runs_as_printed(capsys):
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    out = capsys.readouterr().out
    assert out == "def distance(x: int, y: int) -> int:\n    return max(x - y, 0) + max(y - x, 0)\n\n"


@pytest.mark.needs("z3", "cvc5")
def test_the_commands_of_the_example_work(command):
    code, out, _ = command("dsl", "check", "own_dsl:GRAMMAR")
    assert code == 0
    assert "agree   monus(Int, Int): numpy, exact numpy, Python, formula, z3, cvc5 on 81 inputs\n" in out
    assert out.endswith("All readings agree, in z3 and cvc5 too.\n")
    code, out, _ = command("solve", "distance.sl", "--grammar", "own_dsl:GRAMMAR", "--searcher", "own", "--quiet")
    assert code == 0
    assert "return max(x - y, 0) + max(y - x, 0)" in out


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (
            {"python": "abs(_0 - _1)"},
            "monus of (-4, -3): numpy says 0, exact numpy says 0, Python says 1, formula says 0",
        ),
        ({"numpy": lambda s, x, y: x - y}, "monus of (-4, -3): numpy says -1, exact numpy says -1, Python says 0"),
        ({"smt": lambda s, x, y: s.manager.Minus(x, y)}, "Python says 0, formula says -1"),
    ],
)
def test_a_wrong_row_is_caught_with_the_input_that_shows_it(change, shown):
    (found,) = check_operators(broken(**change), ("z3",))
    assert shown in str(found)
    with pytest.raises(GrammarError, match="the readings of an operator differ") as refused:
        synthesize(read_sygus(EXAMPLES / "distance.sl").spec, broken(**change))
    assert shown in str(refused.value)


def test_the_command_shows_the_input_and_says_what_it_means(command, monkeypatch):
    monkeypatch.setattr("tasks.commands.user_objects.load", lambda name: broken(python="abs(_0 - _1)"))
    code, out, _ = command("dsl", "check", "own_dsl:GRAMMAR", "--backend", "z3")
    assert code == 1
    assert "DIFFER  monus(Int, Int): monus of (-4, -3): numpy says 0," in out
    assert "1 operator(s) mean different things in different readings" in out


@pytest.mark.needs("bitwuzla")
def test_a_solver_without_the_sort_is_named(command):
    code, out, _ = command("dsl", "check", "own_dsl:GRAMMAR", "--backend", "bitwuzla")
    assert code == 1
    assert (
        "OPEN    monus(Int, Int): numpy, exact numpy, Python, formula on 81 inputs; bitwuzla is not set up for" in out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["own_dsl:MONUS"], "expected a Grammar at own_dsl:MONUS, got Operator"),
        (["own_dsl:NONE"], "'own_dsl' has no 'NONE'"),
        (["nowhere:G"], "no module 'nowhere'"),
        (["own_dsl:GRAMMAR", "--backend", "nobody"], "unknown backend 'nobody'"),
    ],
)
def test_bad_input_is_one_line(command, arguments, message):
    code, out, err = command("dsl", "check", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
