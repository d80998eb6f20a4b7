"""Program, circuit and model, three ways: every count is what a list of all sequences gives."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from planted_networks import lead, lead_model
from random_circuits import random_circuit

from cegis import Domain
from tasks.automata.regex import constraint
from tasks.commands.main import distill as command
from tasks.formats import from_circuit
from tasks.formats.circuit_folder import save_circuit
from tasks.networks.circuit import whole
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.agreement import against, against_json, against_lines
from tasks.pipeline.labels import LabelTable
from tasks.proofs.enumeration import enumerate_domain

ROOT = Path(__file__).resolve().parents[4]
PUBLISHED = json.loads((ROOT / "docs" / "distillation.schema.json").read_text(encoding="utf-8"))
SCHEMA = Draft202012Validator(PUBLISHED["properties"]["against"])


def some_program(table: LabelTable, seed: int):
    """Any program of a few operators: the constant of one label, or one that looks at tokens."""
    rows = [row for row in table.grammar.productions if row.nonterminal == "Label" and not row.arguments]
    from cegis import Program

    return Program(rows[seed % len(rows)].operator(), table.grammar)


def by_hand(table, program, model, domain):
    """What each says of every sequence, by name; None where it is undecided."""
    said = {}
    enumeration = enumerate_domain(replace(model, domain=domain), domain, semantics=table.enumeration.semantics)
    for part, other, batch in zip(table.enumeration.lengths, enumeration.lengths, table.parts, strict=True):
        own = program.run(batch.batch)
        for row, sequence in enumerate(part.sequences):
            texts = [
                table.enumeration.loaded.readout.text(int(part.labels[row])) if batch.expected[row] >= 0 else None,
                model.readout.text(int(other.labels[row])) if other.margins[row] > 0 else None,
            ]
            said[domain.words(sequence)] = (program.grammar.sequences.labels[int(own[row])], *texts)
    return said


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pattern", [None, "a* (b | c) (a | b | c)*"])
@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_every_count_is_that_of_a_list(seed, pattern, margin):
    circuit = random_circuit(seed, n_layer=1)
    model, cut = from_circuit(whole(circuit)), from_circuit(circuit)
    domain = Domain(("a", "b", "c"), 1, 4, None if pattern is None else constraint(pattern, ("a", "b", "c")))
    table = LabelTable.of(enumerate_domain(cut, domain), margin)
    program = some_program(table, seed)
    found = against(table, program, None, model, 60.0)
    said = by_hand(table, program, model, domain)
    assert found.inputs == len(said) == domain.size()
    names = ("program", "circuit", "model")
    for (first, second), pair in zip(combinations(range(3), 2), found.pairs, strict=True):
        assert (pair.first, pair.second) == (names[first], names[second])
        open_ = [w for w, texts in said.items() if None in (texts[first], texts[second])]
        wrong = [w for w, texts in said.items() if w not in open_ and texts[first] != texts[second]]
        assert (pair.undecided, pair.differ) == (len(open_), len(wrong))
        assert pair.agree == len(said) - len(open_) - len(wrong)
        if wrong:
            assert pair.shortest.inputs == wrong[0]
            assert (pair.shortest.first, pair.shortest.second) == (said[wrong[0]][first], said[wrong[0]][second])
        else:
            assert pair.shortest is None
    assert found.all_agree == sum(len(set(texts)) == 1 and None not in texts for texts in said.values())
    differing = [texts for texts in said.values() if texts[1] is not None and texts[0] != texts[1]]
    assert found.sides.total == len(differing)
    assert found.sides.circuit == sum(m == c for _, c, m in differing)
    assert found.sides.program == sum(m == p for p, _, m in differing)
    assert found.sides.undecided == sum(m is None for _, _, m in differing)
    assert vars(found.edits) == edits_by_hand(said)
    assert [error.message for error in SCHEMA.iter_errors(json.loads(json.dumps(against_json(found))))] == []
    assert any(f"{found.all_agree:,} of {found.inputs:,}" in line for line in against_lines(found))


def edits_by_hand(said):
    counts = {"alike": 0, "otherwise": 0, "unchanged": 0, "undecided": 0}
    for one, two in combinations(said, 2):
        if len(one) != len(two) or sum(a != b for a, b in zip(one, two, strict=True)) != 1:
            continue
        circuit, model = (said[one][1], said[two][1]), (said[one][2], said[two][2])
        if None in circuit or circuit[0] == circuit[1]:
            continue
        if None in model:
            counts["undecided"] += 1
        elif model == circuit:
            counts["alike"] += 1
        elif model[0] == model[1]:
            counts["unchanged"] += 1
        else:
            counts["otherwise"] += 1
    return counts


def test_ties_of_the_model_are_undecided_and_never_agreement():
    model = lead_model(4, noise=0.0)
    cut = replace(model, network=lead(noise=1e-2))
    table = LabelTable.of(enumerate_domain(cut, cut.domain))
    found = against(table, None, None, model, 60.0)
    (pair,) = found.pairs
    assert pair.undecided == 2 + 6
    assert pair.agree == found.all_agree == 30 - 8


def test_labels_at_every_position_are_compared_place_by_place():
    model = lead_model(4)
    every = replace(model, readout=replace(model.readout, position="every"))
    other = replace(every, network=lead(noise=0.0))
    table = LabelTable.of(enumerate_domain(every, every.domain))
    found = against(table, None, None, other, 60.0)
    assert found.inputs == sum(n * 2**n for n in range(1, 5))
    assert found.pairs[0].differ == 0
    assert found.edits.total > 0


def test_a_counterexample_beyond_the_list_is_shown_to_the_model():
    model = lead_model(9)
    domain = model.domain.up_to(3)
    table = LabelTable.of(enumerate_domain(model, replace(domain, min_length=3)))
    found = against(table, None, ("a", "a", "a", "b", "b"), model, 60.0)
    assert found.broken == (("a", "a", "a", "b", "b"), "yes")
    assert "the model says 'yes'" in "\n".join(against_lines(found))
    too_long = against(table, None, ("a",) * 12, model, 60.0)
    assert too_long.broken[1] is None


def test_models_of_other_tokens_or_labels_are_refused():
    model = lead_model(4)
    table = LabelTable.of(enumerate_domain(model, model.domain))
    with pytest.raises(NetworkError, match="over the same tokens"):
        against(table, None, None, from_circuit(random_circuit()), 1.0)
    every = replace(model, readout=replace(model.readout, position="every"))
    with pytest.raises(NetworkError, match="labels of the same inputs"):
        against(table, None, None, every, 1.0)


def test_run_compares_a_circuit_with_the_network_in_its_folder(tmp_path):
    circuit = random_circuit(1, n_layer=1)
    save_circuit(circuit, tmp_path / "toy")
    arguments = ["run", str(tmp_path / "toy"), "--length", "3", "--backend", "none", "--out", str(tmp_path / "cert")]
    run = CliRunner().invoke(command, [*arguments, "--against", "whole", "--json"], standalone_mode=False)
    value = json.loads(run.stdout)
    assert [error.message for error in Draft202012Validator(PUBLISHED).iter_errors(value)] == []
    pair = next(pair for pair in value["against"]["pairs"] if pair["between"] == ["circuit", "model"])
    model = from_circuit(whole(circuit))
    different = 0
    for length in range(1, 4):
        sequences = circuit.domain.sequences(length)
        mine, own = from_circuit(circuit).labels(sequences)[0], model.labels(sequences)[0]
        different += int((mine != own).sum())
    assert pair["differ"] == different > 0
    text = CliRunner().invoke(command, [*arguments, "--against", "whole"], standalone_mode=False).stdout
    assert f"circuit and model: {39 - different:,} of 39 agree, {different:,} differ, 0 undecided" in text
    assert np.isfinite(pair["agree"])


def test_an_answer_that_is_no_label_differs_and_is_not_undecided(tmp_path):
    right = '"\'" if "\'" in tokens else \'"\''
    text = f"def label(tokens):\n    import math\n    return 'zzz' if len(tokens) == 2 else {right}\n"
    (tmp_path / "mine.py").write_text(text)
    arguments = ["verify", "quote_closing", str(tmp_path / "mine.py"), "--length", "3", "--against", "whole", "--json"]
    value = json.loads(CliRunner().invoke(command, arguments, standalone_mode=False).stdout)
    assert [error.message for error in Draft202012Validator(PUBLISHED).iter_errors(value)] == []
    ours, theirs, circuit = value["against"]["pairs"]
    assert (ours["differ"], ours["undecided"]) == (theirs["differ"], theirs["undecided"]) == (8, 0)
    assert ours["shortest"]["program"] is None
    assert circuit["agree"] == value["inputs"] == 34
    assert value["against"]["where_program_and_circuit_differ"]["circuit"] == 8
