"""Networks that answer a list token by token: the program, a simple list that fails, and what is refused."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from cegis import DomainError
from cegis.lists import Lists
from dsl.operators import GrammarError
from tasks import distill, load, save_folder
from tasks.commands.main import main
from tasks.formats.lists import read_lists
from tasks.networks.model import Question, authored
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Affine, Attention, Transformer
from tasks.pipeline.distill import follow
from tasks.pipeline.lists import distill_lists
from tasks.proofs.list_search import ListTeacher, drawn

SORT = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[5] / "shared" / "cases")) / "arena/sort10"
PUBLISHED = Path(__file__).resolve().parents[4] / "docs" / "distillation.schema.json"
TOKENS = ("0", "1", "2", "3", "4", "SEP")
LISTS = Lists(TOKENS[:-1], 4, 4, after=("SEP",))
SAID = "items=4,answers=4,alphabet=0..4,after=SEP"


def backwards(blind=None):
    """A network that says the items from the last to the first; of a ``blind`` token it says 0."""
    length, count = 8, len(TOKENS)
    tokens, positions = np.zeros((count, count + length)), np.zeros((length, count + length))
    tokens[:, :count], positions[:, count:] = np.eye(count), np.eye(length)
    query, key = np.zeros((length, count + length)), np.zeros((length, count + length))
    for answer in range(4):
        query[3 - answer, count + 4 + answer] = 60.0
    key[:, count:] = np.eye(length)
    value = np.zeros((count, count + length))
    value[:, :count] = np.eye(count)
    read = np.eye(count)
    if blind is not None:
        read[:, blind] = read[:, 0]
    attention = Attention((Affine(query),), (Affine(key),), (Affine(value),), 1, 1.0)
    network = Transformer(tokens, positions, (attention, Affine(read)), length, "float32")
    return authored("backwards", "steps", network, TOKENS, Question(alphabet=TOKENS, lengths=(1, length)))


def place(tmp_path, network, **said):
    save_folder(network, tmp_path / "net")
    if said:
        (tmp_path / "net" / "case.json").write_text(json.dumps(said))
    return tmp_path / "net"


def test_what_is_done_to_a_list_is_found_and_not_called_proved():
    found = distill_lists(backwards(), LISTS, seconds=20)
    assert found.source("f").splitlines()[-1].strip() == "return tokens[-1 - i]"
    assert not found.is_proved
    assert found.broken is None
    assert found.verdict().startswith("NOT DECIDED: of ")
    assert "625 are too many to list" in found.verdict()
    assert "stated here" in found.conditions


def test_the_way_in_for_every_network_takes_lists_as_well():
    network = replace(backwards(blind=3), lists=LISTS)
    found = distill(network, program="def f(tokens, i): return tokens[-1 - i]", seconds=20)
    assert found.asked == LISTS
    assert found.broken is not None
    assert found.broken.inputs == ("0", "0", "0", "3")
    with pytest.raises(DomainError, match="are all alike"):
        follow(network, LISTS, "def f(tokens, i): return tokens[-1 - i]", length=1)


def test_a_simple_list_that_fails_is_shown_with_what_both_say():
    found = distill_lists(backwards(blind=3), LISTS, program="def f(tokens, i): return tokens[-1 - i]", seconds=20)
    assert found.failing is not None
    assert found.failing.items == ("0", "0", "0", "3")
    assert (found.failing.right, found.failing.given) == (("3", "0", "0", "0"), ("0", "0", "0", "0"))
    assert found.failing.index == 0
    assert "NOT EQUAL: for the list '0 0 0 3'" in found.verdict()
    wrong, count = found.sampled
    assert 0 < wrong < count
    assert abs(wrong / count - (1 - 0.8**4)) < 0.05


def test_margins_by_right_tokens_are_below_zero_where_greedy_answers_differ():
    network, random = backwards(blind=3), np.random.default_rng(0)
    found = distill_lists(network, LISTS, program="def f(tokens, i): return tokens[-1 - i]", seconds=5)
    rows = drawn(LISTS, random, 100)
    assert ((ListTeacher(network, LISTS, found.program).worst(rows) < 0) == (rows == 3).any(axis=1)).all()


def test_different_items_stay_different():
    random, lists = np.random.default_rng(0), replace(LISTS, is_distinct=True)
    for span in (None, 4, 5):
        assert all(len({*row}) == 4 for row in drawn(lists, random, 50, span).tolist())
    found = distill_lists(backwards(blind=3), lists, program="def f(tokens, i): return tokens[-1 - i]", seconds=20)
    assert found.failing is not None
    assert found.failing.items == ("0", "1", "2", "3")


def test_the_command_reads_fields_and_prints_json_by_the_schema(tmp_path, capsys):
    folder = place(tmp_path, backwards(blind=3))
    (tmp_path / "own.py").write_text("def f(tokens, i):\n    return tokens[-1 - i]\n")
    asked = ["verify", str(folder), str(tmp_path / "own.py"), "--lists", SAID, "--time-limit", "20", "-q", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert ended.value.code == 1
    value = json.loads(capsys.readouterr().out)
    Draft202012Validator(json.loads(PUBLISHED.read_text())).validate(value)
    assert (value["kind"], value["outcome"], value["proved"]) == ("lists", "differs", False)
    assert value["figures"]["failing"]["items"] == ["0", "0", "0", "3"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("items=4,answers=5,alphabet=0..4", "an answer of as many at most"),
        ("items=4,alphabet=0..4", "expected answers"),
        ("items=four,answers=1,alphabet=0..4", "a whole number of items"),
        ("items=4,answers=4,alphabet=0..9,after=SEP", "no token is called '5'"),
        ("items=4,answers=4,alphabet=0..4,order=lsb", "each once, of alphabet"),
        ("items=9,answers=4,alphabet=0..4,distinct=no", "there is room for 8"),
    ],
)
def test_what_makes_no_list_is_refused_in_a_sentence(tmp_path, capsys, said, message):
    folder = place(tmp_path, backwards())
    with pytest.raises(SystemExit) as ended:
        main(["run", str(folder), "--lists", said, "-q"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") <= 2


def test_a_folder_may_describe_its_lists_as_fields_or_in_words(tmp_path):
    fields = {"alphabet": ["0", "1", "2", "3", "4"], "items": 4, "answers": 4, "after": ["SEP"], "is_distinct": True}
    words = {
        "input": {"sequence": "four numbers, SEP (id 5), then the answers so far",
                  "domain": "four DIFFERENT numbers of 0..4 in any order"},
        "read_out": {"kind": "greedy_tokens", "rule": "append 4 tokens one at a time, each the argmax"},
    }  # fmt: skip
    for case in ({"input": {"lists": fields}}, words):
        (tmp_path / "case.json").write_text(json.dumps(case))
        assert read_lists(tmp_path, TOKENS) == replace(LISTS, is_distinct=True)
    for other in ({}, words | {"read_out": {"kind": "argmax_last"}}, words | {"input": {"sequence": "some numbers"}}):
        (tmp_path / "case.json").write_text(json.dumps(other))
        assert read_lists(tmp_path, TOKENS) is None
    for broken in ({"items": 4}, fields | {"size": 1}, fields | {"items": 0}, fields | {"after": ["?"]}):
        (tmp_path / "case.json").write_text(json.dumps({"input": {"lists": broken}}))
        with pytest.raises(NetworkError):
            read_lists(tmp_path, TOKENS)


def test_other_programs_and_lists_without_a_description_are_refused():
    with pytest.raises(NetworkError, match="describes no lists"):
        distill_lists(backwards())
    with pytest.raises(GrammarError, match="--lists none"):
        distill_lists(backwards(), LISTS, program="def f(tokens, i): return tokens[i // 3]")
    with pytest.raises(DomainError, match="there is room for 8"):
        distill_lists(backwards(), replace(LISTS, items=6))


@pytest.mark.slow
@pytest.mark.skipif(not SORT.is_dir(), reason=f"no {SORT} (set DISTILL_CASES)")
def test_a_published_network_that_sorts_is_found_to_fail():
    network = load(SORT)
    assert network.lists == Lists(tuple(map(str, range(51))), 10, 10, after=("SEP",), is_distinct=True)
    found = distill_lists(network, program="def f(tokens, i): return sorted(tokens, key=int)[i]", seconds=10)
    assert found.failing is not None
    assert found.failing.index is not None
    assert sorted(found.failing.items, key=int) == list(found.failing.right) != list(found.failing.given)
