"""Networks of other people, explained: what is proved of them; skipped where the folder of cases is absent."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from average_networks import average
from quick import sliced

from cegis import Counterexample, Found
from dsl.program import Program
from tasks.formats import Question, load
from tasks.pipeline.approximate import Rule
from tasks.pipeline.distill import distill
from tasks.pipeline.labels import LabelTable, usual_domain
from tasks.pipeline.reading import reading
from tasks.pipeline.report import distillation_text
from tasks.proofs.enumeration import enumerate_domain

CASES = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[5] / "shared" / "cases"))
BALANCED = """
def truth(tokens):
    depth = 0
    for token in tokens:
        if token == '(':
            depth = depth + 1
        elif token == ')':
            depth = max(depth - 1, 0)
    if depth >= 1:
        return 'not valid'
    return 'valid' if tokens.count('(') == tokens.count(')') else 'not valid'
"""


def case(name, **question):
    """The network of a case, or a skip with the reason."""
    if not (CASES / name / "case.json").is_file():
        pytest.skip(f"no case {name} in {CASES} (set DISTILL_CASES)")
    return load(CASES / name, Question(**question))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "closer"), sliced([("quote_close", ("'", "'", '"')), ("bracket_type", ("[", "]", "}"))], 2)
)
def test_every_wrong_answer_of_the_sparsemax_network_is_found(task, closer):
    loaded = case("sparsemax/small_norm_free", task=task)
    opener, one, other = closer
    subject = LabelTable.of(enumerate_domain(loaded, loaded.domain, semantics="real"))
    truth = Program.parse(f"def truth(tokens):\n    return {one!r} if tokens[1] == {opener!r} else {other!r}\n",
                          subject.grammar)  # fmt: skip
    ids = loaded.vocabulary.index
    found = [[*map(ids, loaded.prefix), *map(ids, e.inputs)] for e in subject.exceptions(truth)]
    recorded = json.loads((CASES / "sparsemax/small_norm_free/wrong_any_id.json").read_text())["wrong"][task]
    assert sorted(found) == sorted(recorded)
    assert subject.undecided == 0


def test_the_dyck_network_is_the_balanced_strings_in_float32_as_executed():
    loaded = case("dyck/dyck10")
    subject = LabelTable.of(enumerate_domain(loaded, loaded.domain, semantics="float32"))
    assert (subject.size, subject.undecided) == (1024, 0)
    assert subject.exceptions(Program.parse(BALANCED, subject.grammar)) == ()


@pytest.mark.parametrize("name", sliced(["hist", "frac_prevs_x", "sort", "pair_balance", "length"], 2))
def test_compiled_programs_are_recovered_in_float32_as_executed(name):
    found = distill(case(f"tracr/{name}"), seconds=30)
    assert found.is_proved
    assert found.labels.enumeration.semantics == "float32"
    assert reading(found.program) <= 60  # one line that a person would have written


@pytest.mark.parametrize("name", sliced(["bce_tomita2", "bce_aastar", "bce_tomita1", "bce_ababstar"], 4))
def test_languages_with_one_word_per_length_are_proved_to_length_fifty(name):
    loaded = case(f"gpt2/{name}")
    found = distill(loaded, loaded.domain.up_to(50), seconds=30)
    assert found.is_proved
    assert found.labels.size == 51


@pytest.mark.slow
@pytest.mark.parametrize("family", ["tracr", "interpbench"])
def test_every_compiled_program_is_recovered(family):
    folders = sorted((CASES / family).glob("*/case.json"))
    if not folders:
        pytest.skip(f"no cases of {family} in {CASES} (set DISTILL_CASES)")
    for folder in folders:
        loaded = load(folder.parent)
        domain = usual_domain(loaded).up_to(min(usual_domain(loaded).max_length, 4))
        assert isinstance(distill(loaded, domain, seconds=60).outcome, Found), folder


def test_a_rule_is_not_said_to_equal_the_network_where_shorter_sequences_have_no_label():
    for start, is_said in ((0.5, True), (0.0, False)):  # without the start token, an empty sequence is a tie
        loaded = average((1.0, -20.0, start), 5)
        found = distill(loaded, loaded.domain, seconds=20)
        assert bool(found.labels.undecided) != is_said
        other = Program.parse("def f(tokens):\n    return 'no'\n", found.labels.grammar)
        rule = Rule(other, (Counterexample(("a",) * 4, "yes", "no"),), None)
        assert ("up to length 3 the two are equal" in distillation_text(replace(found, rule=rule))) == is_said
