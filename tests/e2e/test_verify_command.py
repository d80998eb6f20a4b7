"""``distill verify``: what is said of one's own program, its exit codes, and its certificates."""

import json
from pathlib import Path

import pytest
from checking import checked_here

from tasks.commands.main import main

DEPTH = """import math

def mine(ts):
    \"\"\"My own.\"\"\"
    depth = 0
    for t in ts:
        if t == "[":
            depth += 1
        elif t == "]":
            depth = depth - 1
    return "]]" if depth {} else "]"
"""
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "distillation.schema.json").read_text(encoding="utf-8"))


def run(capsys, *arguments):
    """Exit code and what was printed."""
    with pytest.raises(SystemExit) as ended, checked_here():
        main(list(map(str, arguments)))
    return ended.value.code, capsys.readouterr()


def written(tmp_path, text, name="own.py"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_a_function_of_one_s_own_is_proved_and_certified_by_a_checker_that_reads_it(capsys, tmp_path):
    own = written(tmp_path, DEPTH.format(">= 2"))
    code, printed = run(
        capsys, "verify", "bracket_depth", own, "--length", "5", "--out", tmp_path / "own.cert", "--json"
    )
    result = json.loads(printed.out)
    assert (code, printed.err, result["proved"], result["size"]) == (0, "", True, None)
    assert set(result) == set(SCHEMA["required"])
    assert result["certificates"] == [str(tmp_path / "own.cert")]
    code, printed = run(capsys, "check", tmp_path / "own.cert")
    assert code == 0
    assert "equals the circuit network bracket_depth on all 363 sequences" in printed.out


def test_a_wrong_function_is_told_with_every_exception(capsys, tmp_path):
    own, lines = written(tmp_path, DEPTH.format(">= 2 and len(ts) < 5")), tmp_path / "wrong.jsonl"
    code, printed = run(capsys, "verify", "bracket_depth", f"{own}:mine", "--length", "5", "--exceptions", lines)
    assert code == 1
    exceptions = [json.loads(line) for line in lines.read_text().splitlines()]
    assert f"differs on exactly {len(exceptions)} of 363 sequences" in printed.out
    assert "up to length 4 the two are equal" in printed.out
    assert all((e["network"], e["program"], len(e["inputs"])) == ("]]", "]", 5) for e in exceptions)


def test_what_would_have_to_be_run_is_refused_on_demand(capsys, tmp_path):
    own = written(tmp_path, DEPTH.format(">= 2"))
    code, printed = run(capsys, "verify", "bracket_depth", own, "--length", "3", "--no-run")
    assert (code, printed.out) == (2, "")
    assert "distill: own.py: expected a program of the kind that is printed" in printed.err
    code, printed = run(capsys, "verify", "bracket_depth", "math:pi", "--no-run")
    assert (code, "importing a module runs its code" in printed.err) == (2, True)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("none.py", "cannot read it"),
        ("math:pi", "expected a program, its text, its file or a function, got float"),
        ("no.such.module:f", "no module 'no'"),
    ],
)
def test_what_is_no_program_is_bad_input(capsys, tmp_path, monkeypatch, program, message):
    monkeypatch.chdir(tmp_path)
    code, printed = run(capsys, "verify", "bracket_depth", program)
    assert (code, printed.out, message in printed.err) == (2, "", True)


def test_a_printed_program_is_followed_beyond_the_list_as_horizon_does(capsys, tmp_path):
    text = "def f(tokens):\n    return ']]' if tokens.count('[') - tokens.count(']') >= 2 else ']'\n"
    own = written(tmp_path, text)
    code, printed = run(capsys, "verify", "bracket_depth", own, "--length", "20", "--json")
    result = json.loads(printed.out)
    _, printed = run(capsys, "horizon", "bracket_depth", "--program", own, "--longest", "20", "--json")
    other = json.loads(printed.out)
    assert (code, result["horizon"], result["broken"]) == (1, other["horizon"], other["broken"])
    assert result["sentence"] == other["sentence"]
