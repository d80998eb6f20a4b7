"""A language of one's own for networks, as the documentation shows it: searched, proved, certified, and refused."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path

import pytest

from tasks.checker.evidence import check
from tasks.commands.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "a-language-of-your-own.md").read_text(encoding="utf-8")
LANGUAGE, FOUND = re.findall(r"```(?:python|text)\n(.*?)```", PAGE, re.DOTALL)
WRONG = """
from cegis import Domain, motifs
GRAMMAR = motifs(("a", "b"), ("x", "y"))
NUMBER = 5
def fails(alphabet, labels):
    return 1 / 0
def nothing(alphabet, labels):
    return None
"""


@pytest.fixture
def distill(tmp_path, monkeypatch, capsys):
    """Runs ``distill`` in a folder with the module of the documentation: exit code, output and errors."""
    (tmp_path / "surplus.py").write_text(LANGUAGE, encoding="utf-8")
    (tmp_path / "wrong_language.py").write_text(WRONG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    yield run
    for name in ("surplus", "wrong_language"):
        sys.modules.pop(name, None)


def test_the_language_takes_thirty_lines():
    assert len([line for line in LANGUAGE.splitlines() if line.strip()]) <= 30


def test_the_example_is_found_proved_and_certified(distill, tmp_path):
    code, out, _ = distill("run", "bracket_depth_deep", "--length", "6", "--grammar", "surplus:language",
                           "--backend", "none", "--out", "own.cert")  # fmt: skip
    assert code == 0
    assert "".join(line for line in FOUND.splitlines()[1:]) in out
    assert "PROVED" in out
    found = check(tmp_path / "own.cert")  # by the printed text alone
    assert not found["exceptions"]
    assert "sum(_0(token) for token in tokens) - sum(_1(token) for token in tokens)" in found["language"]
    assert (
        f"; it was searched in a language of {len(found['language'])} operators that its maker chose" in found["claim"]
    )


def test_an_operator_whose_text_says_something_else_proves_nothing(distill, tmp_path):
    text = (tmp_path / "surplus.py").read_text()
    (tmp_path / "surplus.py").write_text(
        text.replace("sum(_0(token) for token in tokens) - ", "sum(_0(token) for token in tokens) + ")
    )
    code, out, err = distill("run", "bracket_depth_deep", "--length", "4", "--grammar", "surplus:language",
                             "--backend", "none")  # fmt: skip
    assert code == 2
    assert "PROVED" not in out
    assert "the readings of an operator differ: on" in err
    assert "surplus" in err


def test_horizon_follows_a_program_of_the_language(distill, tmp_path):
    (tmp_path / "program.py").write_text(FOUND)
    code, out, _ = distill("horizon", "bracket_depth_deep", "--longest", "8", "--grammar", "surplus:language",
                           "--program", "program.py")  # fmt: skip
    assert code == 0, out
    code, _, err = distill("horizon", "bracket_depth_deep", "--longest", "8", "--program", "program.py")
    assert code in (0, 2), err  # the grammar that ships may say the same


def test_an_operator_of_the_example_pickles(distill, monkeypatch, tmp_path):
    from tasks.commands.user_objects import language

    made = language("surplus:language")(("[", "]"), ("0", "1"), min_length=1)
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize(("name", "sentence"), [
    ("no_such_module:X", "no module 'no_such_module'"),
    ("surplus:nothing", "'surplus' has no 'nothing'; it has"),
    ("surplus", "expected package.module:NAME, got 'surplus'"),
    ("wrong_language:NUMBER", "expected a Grammar, or a function that makes one, at wrong_language:NUMBER, got int"),
    ("wrong_language:Domain", "expected a Grammar, or a function that makes one"),
    ("wrong_language:GRAMMAR", "expected a grammar from .* to .*, in this order, got one from"),
    ("wrong_language:fails", r"fails\(alphabet, labels\) failed with ZeroDivisionError: division by zero"),
    ("wrong_language:nothing", r"expected nothing\(alphabet, labels\) to return a Grammar, got NoneType"),
])  # fmt: skip
@pytest.mark.parametrize("command", ["run", "horizon"])
def test_what_is_no_language_is_one_sentence(distill, command, name, sentence):
    code, _, err = distill(command, "quote_closing", "--length", "4", "--grammar", name)
    assert code == 2
    assert re.search(sentence, err), err
    assert err.strip().count("\n") <= 1
