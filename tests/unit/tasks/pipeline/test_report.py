"""The JSON of a result follows the published schema, whatever the result is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from counted_circuits import shipped
from jsonschema import Draft202012Validator
from small_networks import lead_network

from backends import get
from cegis import Differs, Statistics
from tasks.commands.main import main
from tasks.formats import Question, from_callable, from_circuit, load
from tasks.formats.writing import write_file
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.distill import distill, follow
from tasks.pipeline.report import (
    MOST_EXCEPTIONS,
    SCHEMA,
    distillation_json,
    distillation_text,
    exception_lines,
)
from tasks.pipeline.sequences import Distillation
from tasks.proofs.select import up_to
from tasks.proofs.verifier import lengthened

ROOT = Path(__file__).resolve().parents[4]
PUBLISHED = json.loads((ROOT / "docs" / "distillation.schema.json").read_text(encoding="utf-8"))
CIRCUIT = "quote_closing"
VALIDATOR = Draft202012Validator(PUBLISHED)
WRITTEN = {"certificates": [], "not_certified": [], "exceptions_file": None}  # what a command adds


def proved(tmp_path: Path) -> Distillation:
    circuit = from_circuit(shipped("quote_closing"))
    return distill(circuit, circuit.domain.up_to(4), backend=get("z3"), seconds=30)


def broken(tmp_path: Path) -> Distillation:
    circuit = from_circuit(shipped("quote_closing"))
    domain = up_to(circuit, 40)
    return follow(lengthened(circuit, domain), domain, length=5)


def differing(tmp_path: Path) -> Distillation:
    result = proved(tmp_path)
    wrong = result.labels.grammar.productions
    constant = next(row for row in wrong if row.nonterminal == "Label" and not row.arguments)
    program = type(result.program)(constant.operator(), result.labels.grammar)
    exceptions = result.labels.exceptions(program)
    assert exceptions
    used = Statistics(1, 1, 1, 0.0, 0.0, 0.0)
    return Distillation(**{**vars(result), "outcome": Differs(program, exceptions, "a test says so", used)})


def everywhere(tmp_path: Path) -> Distillation:
    model = load(lead_network(tmp_path / "lead", wiggle=None), Question(lengths=(1, 3)))
    domain = up_to(model, 30)
    return distill(lengthened(model, domain), domain, seconds=20)


def black_box(tmp_path: Path) -> Distillation:
    def network(ids: np.ndarray) -> np.ndarray:
        return np.eye(2)[ids[:, -1]]

    box = from_callable(
        network, vocabulary=("a", "b"), outputs=("a", "b"), longest=4, question=Question(lengths=(1, 4))
    )
    return distill(box, seconds=5)


@pytest.mark.parametrize("make", [proved, broken, differing, everywhere, black_box])
def test_every_result_follows_the_published_schema(make, tmp_path):
    value = json.loads(json.dumps(distillation_json(make(tmp_path)) | WRITTEN))
    assert [error.message for error in VALIDATOR.iter_errors(value)] == []
    assert value["schema"] == SCHEMA == PUBLISHED["$id"]


def test_the_schema_is_strict():
    Draft202012Validator.check_schema(PUBLISHED)
    assert list(VALIDATOR.iter_errors({"schema": SCHEMA}))
    assert PUBLISHED["additionalProperties"] is False


@pytest.mark.parametrize(
    "arguments", [("run", "quote_closing", "--length", "3"), ("horizon", "quote_closing", "--longest", "4")]
)
def test_what_the_commands_print_follows_it(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    assert ended.value.code == 0
    value = json.loads(capsys.readouterr().out)
    assert [error.message for error in VALIDATOR.iter_errors(value)] == []
    assert value["proved"] is True


def wrong_everywhere(tmp_path: Path) -> Distillation:
    result = differing(tmp_path)
    assert isinstance(result.outcome, Differs)
    table = result.labels
    never = next(name for name in result.labels.names if name != max(table.counts(), key=lambda n: table.counts()[n]))
    rows = [row.operator() for row in table.grammar.productions if row.operator.name == f"label {never!r}"]
    program = type(result.outcome.program)(rows[0], table.grammar)
    outcome = replace(result.outcome, program=program, exceptions=table.exceptions(program))
    return replace(result, outcome=outcome)


def test_a_program_that_is_mostly_wrong_is_not_shown_as_an_explanation(tmp_path):
    result = wrong_everywhere(tmp_path)
    assert 3 * len(result.exceptions) > result.labels.size
    text, value = distillation_text(result), distillation_json(result)
    assert "def " not in text
    assert text.strip().startswith("NOT EXPLAINED")
    assert "Its labels, the most frequent first" in text
    assert (value["program"], value["size"], value["exceptions"], value["broken"]) == (None, None, [], None)
    assert value["horizon"] is None
    assert value["exception_count"] == len(result.exceptions)
    assert [error.message for error in VALIDATOR.iter_errors(value | WRITTEN)] == []
    used = replace(result.outcome.statistics, candidates=0)
    given = replace(result, outcome=replace(result.outcome, statistics=used))
    assert "def " in distillation_text(given)  # a program that the user gave is what they ask about


def test_exceptions_are_capped_and_a_file_has_all_of_them(tmp_path):
    result = differing(tmp_path)
    assert isinstance(result.outcome, Differs)
    many = result.exceptions * 60
    result = replace(result, outcome=replace(result.outcome, exceptions=many), labels=result.labels)
    value = json.loads(json.dumps(distillation_json(given_by_hand(result))))
    assert (len(value["exceptions"]), value["exception_count"]) == (MOST_EXCEPTIONS, len(many))
    lines = [json.loads(line) for line in exception_lines(result)]
    assert len(lines) == len(many) > MOST_EXCEPTIONS
    assert lines[0] == {"of": "program", **value["exceptions"][0]}
    assert f"and {len(many) - 20:,} more (all of them with --exceptions FILE)" in distillation_text(
        given_by_hand(result)
    )


def test_who_has_the_file_is_not_told_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text("def f(tokens):\n    return tokens[0]\n")
    with pytest.raises(SystemExit) as ended:
        main(["verify", "bracket_depth", "program.py", "--length", "4", "--exceptions", "all.jsonl", "-q"])
    said = capsys.readouterr().out
    lines = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert ended.value.code == 1
    assert f"\n  and {len(lines) - 20} more\n" in said
    assert f"\n\nExceptions: {len(lines)} in all.jsonl\n" in said
    assert "\\n" not in said
    assert "  on 'x [': network ']', program 'x'\n" in said  # a token that is no label is what it returns
    assert {line["program"] for line in lines} == {"[", "]", "x"}


def given_by_hand(result: Distillation) -> Distillation:
    used = replace(result.outcome.statistics, candidates=0)
    return replace(result, outcome=replace(result.outcome, statistics=used))


def test_the_file_of_exceptions_is_written_whole_or_not_at_all(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("all.jsonl").write_text("before")
    constant = "def f(tokens):\n    return {!r}\n".format("closed")
    Path("program.py").write_text(constant)
    with pytest.raises(SystemExit) as ended:
        main(["horizon", CIRCUIT, "--longest", "4", "--program", "program.py", "--exceptions", "missing/all.jsonl"])
    assert ended.value.code == 2
    assert "expected a folder in which files may be written" in capsys.readouterr().err
    assert Path("all.jsonl").read_text() == "before"
    with pytest.raises(NetworkError, match="cannot write"):
        write_file(Path("all.jsonl"), failing())
    assert Path("all.jsonl").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.jsonl", "program.py"]


def failing():
    yield b"{}"
    raise OSError("no")
