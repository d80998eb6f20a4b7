"""``distill explain``: tables and JSON of what matters, and its exit codes."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from small_networks import DYCK, dyck_tensors, write_network

from tasks.commands.main import main
from tasks.formats import Question, save_folder
from tasks.networks.model import assemble
from tasks.networks.transformer import Affine, Transformer

SCHEMA = Path(__file__).parents[2] / "docs" / "explanation.schema.json"


def run(capsys, *arguments):
    """Exit code and what was printed."""
    with pytest.raises(SystemExit) as ended:
        main(["explain", *map(str, arguments)])
    return ended.value.code, capsys.readouterr()


def test_a_shipped_circuit_is_explained_in_tables_and_one_verdict(capsys):
    code, printed = run(capsys, "quote_closing", "--length", "4")
    assert code == 0
    assert "Nodes, left out one at a time: a part becomes its mean, as the circuit's file has it" in printed.out
    assert "0.attn.resid_delta:11" in printed.out
    assert "Of 9 nodes and 16 edges of circuit quote_closing, each left out alone, on all 98" in printed.out
    assert "nodes: 9 of 9 left out" in printed.err


def test_any_network_has_heads_and_units_and_dimensions_as_json(capsys, tmp_path):
    folder = write_network(tmp_path / "toy", DYCK, dyck_tensors(2))
    code, printed = run(capsys, folder, "--json", "--ablation", "zero", "--no-edges")
    value = json.loads(printed.out)
    jsonschema.validate(value, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert printed.err == ""
    assert code == (0 if value["whole"] else 1)
    assert {one["kind"] for one in value["nodes"]} == {"head", "unit", "dimension"}
    assert value["edges"] == []
    assert all(one["effect"] is not None for one in value["nodes"])


def test_edges_that_are_too_many_to_be_looked_at_are_something_left_open(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.networks.parts.MOST_EDGES", 3)
    table = np.array([[1.0, -1.0], [-1.0, 1.0]])
    network = Transformer(table, None, (Affine(table),), 2, "float32")
    save_folder(assemble("ab", "test", network, ("a", "b"), Question(lengths=(1, 2))), tmp_path / "ab")
    code, printed = run(capsys, tmp_path / "ab")
    assert code == 1, printed.out
    assert "at most 3 are edges" in printed.out
    code, printed = run(capsys, tmp_path / "ab", "--no-edges")
    assert code == 0, printed.out


def test_what_is_no_network_is_bad_input(capsys, tmp_path):
    for arguments in ((tmp_path,), ("quote_closing", "--time-limit", "0"), ("quote_closing", "--length", "99999")):
        code, printed = run(capsys, *arguments)
        assert (code, printed.out) == (2, "")
        assert printed.err.startswith("distill: ")
