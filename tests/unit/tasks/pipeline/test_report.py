"""The JSON of a result follows the published schema, whatever the result is."""

from __future__ import annotations

import json
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
from tasks.pipeline.distill import Distillation, distill, follow
from tasks.pipeline.report import SCHEMA, distillation_json
from tasks.proofs.select import up_to
from tasks.proofs.verifier import lengthened

ROOT = Path(__file__).resolve().parents[4]
PUBLISHED = json.loads((ROOT / "docs" / "distillation.schema.json").read_text(encoding="utf-8"))
CIRCUIT = "quote_closing"
VALIDATOR = Draft202012Validator(PUBLISHED)


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
    value = json.loads(json.dumps(distillation_json(make(tmp_path)) | {"certificates": [], "not_certified": []}))
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
