"""``attack``: a program that is wrong is refuted by an input that is replayed; finding none claims nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tasks.commands.attack import attack as command
from tasks.formats import load
from tasks.formats.circuit_folder import circuit_folder
from tasks.pipeline.attack import attack
from tasks.pipeline.own_programs import own_program
from tasks.proofs import genetic_search

RIGHT = 'def f(tokens):\n    return "\'" if "\'" in tokens else \'"\'\n'
LATE = 'def f(tokens):\n    return "\'" if "\'" in tokens or len(tokens) > 14 else \'"\'\n'


def test_a_program_that_is_wrong_at_a_length_that_nobody_lists_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(genetic_search, "SWEEPS", 2)
    model = load(circuit_folder("quote_closing"))
    found = attack(model, model.domain.up_to(16), own_program(LATE, is_run=False), seconds=60)
    assert found.broken is not None
    assert len(found.broken.sequence) >= 15
    assert "'" not in found.broken.sequence
    assert (found.broken.expected, found.broken.got) == ('"', "'")
    assert found.listed_to < 15
    assert found.sentence.startswith("BROKEN: on ")


def test_one_that_is_right_is_not_broken_and_nothing_is_claimed() -> None:
    model = load(circuit_folder("quote_closing"))
    found = attack(model, model.domain.up_to(5), own_program(RIGHT, is_run=False), seconds=60)
    assert found.broken is None
    assert (found.listed, found.listed_to) == (model.domain.up_to(5).size(), 5)
    assert found.sentence.startswith("NOT BROKEN, which proves nothing: right on the ")
    assert found.as_json()["verdict"] == "not broken"


@pytest.mark.parametrize(("text", "code"), [(RIGHT, 0), (RIGHT.replace("in tokens", "not in tokens"), 1)])
def test_the_exit_code_says_whether_an_input_was_found(text: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    asked = ["quote_closing", str(tmp_path / "mine.py"), "--longest", "4", "--json"]
    result = CliRunner().invoke(command, asked, standalone_mode=False)
    assert result.return_value == code
    told = json.loads(result.output)
    assert (told["counterexample"] is None) == (code == 0)
