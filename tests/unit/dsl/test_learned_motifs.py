"""Motifs learned from solved programs: found, named by use, taken to other alphabets, and priced by use."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from dsl.abstraction.compression import learn
from dsl.abstraction.families import Families
from dsl.abstraction.files import read_motifs, write_motifs
from dsl.abstraction.learned import Learned, Motif, instance
from dsl.composition import Composition
from dsl.enumerator import Enumerator
from dsl.grammars.motifs import (
    AND,
    CHOOSE,
    COUNT,
    ENDS_WITH,
    EQUAL,
    GREATER,
    LENGTH,
    MINUS,
    at_least,
    count_of,
    digits,
    is_token,
    label,
    motifs,
)  # fmt: skip
from dsl.grammars.positions import places
from dsl.operators import GrammarError
from dsl.program import Program

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "motifs.schema.json"
LEAD = Motif("lead", "Number", 2, (), ("minus", ("count _", "$0"), ("count _", "$1")), 3, "...")
AT_END = Motif("at end", "Flag", 0, ("Symbol", "Flag"), ("and", ("ends with", "$0"), "$1"), 2, "...")


def by_lead(alphabet, labels, least):
    """A program that says whether one token is ahead of another."""
    grammar = motifs(alphabet, labels)
    lead = MINUS(count_of(0, alphabet[0])(), count_of(1, alphabet[1])())
    chosen = CHOOSE(at_least(least)(lead), label(1, labels[1])(), label(0, labels[0])())
    return Program(chosen, grammar)


CORPUS = [
    by_lead(("(", ")"), ("flat", "deep"), 2),
    by_lead(("a", "b", "c"), ("no", "yes"), 3),
    by_lead(("x", "y"), ("F", "T"), 1),
]


@pytest.fixture(scope="module")
def learned():
    pytest.importorskip("stitch_core", reason="stitch-core is an extra")
    return learn(CORPUS)


def test_what_programs_share_becomes_a_motif_of_tokens(learned):
    assert [(m.name, m.nonterminal, m.tokens, m.takes, m.body, m.uses) for m in learned.motifs] == [
        ("motif 1", "Number", 2, (), ("minus", ("count _", "$0"), ("count _", "$1")), 3)
    ]
    assert learned.motifs[0].example == "tokens.count('(') - tokens.count(')')"


def test_uses_are_counted_in_the_corpus_as_it_is_written_then(learned):
    assert learned.uses["Number"] == {"motif 1 _ _": 3}
    assert learned.uses["Flag"] == {"at least 1": 1, "at least 2": 1, "at least 3": 1}
    assert learned.uses["Label"] == {"choose": 3, "label _": 6}


def test_a_token_that_is_only_tested_for_becomes_any_test():
    pytest.importorskip("stitch_core", reason="stitch-core is an extra")
    programs = []
    for alphabet, labels in ((("a", "b"), ("x", "y")), (("u", "v", "w"), ("no", "yes"))):
        flag = AND(GREATER(COUNT(is_token(0, alphabet[0])()), LENGTH()), ENDS_WITH(is_token(1, alphabet[1])()))
        programs.append(Program(CHOOSE(flag, label(1, labels[1])(), label(0, labels[0])()), motifs(alphabet, labels)))
    found = learn(programs).motifs
    assert any(motif.tokens == 0 and "Symbol" in motif.takes for motif in found), found


def test_a_motif_goes_to_another_alphabet_as_operators_that_are_written_out():
    grammar = Learned((LEAD, AT_END)).added(motifs(("p", "q", "r"), ("0", "1")))
    own = [row for row in grammar.productions if isinstance(row.operator.meaning, Composition)]
    assert sum(row.nonterminal == "Number" for row in own) == 6  # two different tokens of three
    (ends,) = [row for row in own if row.nonterminal == "Flag"]
    assert (ends.arguments, ends.operator.python) == (("Symbol", "Flag"), "_0(tokens[-1]) and _1")
    lead = next(row.operator for row in own if row.operator.name == "lead 'q' 'p'")
    program = Program(digits((0, 1))(lead()), grammar)
    assert (
        program.source()
        == "def program(tokens: list[str]) -> str:\n    return str(tokens.count('q') - tokens.count('p'))\n"
    )
    assert Program.parse(program.source(), motifs(("p", "q", "r"), ("0", "1"))).term == program.term


def test_a_motif_that_a_grammar_cannot_express_is_left_out():
    strange = replace(LEAD, name="strange", body=("minus", ("no such row _", "$0"), ("count _", "$1")))
    ill_sorted = replace(AT_END, name="ill", body=("and", ("ends with", "$1"), "$0"))
    grammar = motifs(("a", "b"), ("0", "1"))
    assert Learned((strange, ill_sorted)).added(grammar) == grammar
    without_last = motifs(("a", "b"), ("0", "1"), min_length=0)
    assert Learned((AT_END,)).added(without_last) == without_last
    many = motifs(tuple("abcdefghijklmnop"), ("0", "1"))
    assert Learned((LEAD,)).added(many) == many  # 240 choices of two tokens
    with pytest.raises(GrammarError, match="a Flag stands where a"):
        instance(ill_sorted, (), Families(grammar))


def test_it_is_added_to_places_as_well():
    grammar = places(("a", "b"), ("0", "1", "2"))
    assert len(Learned((LEAD,)).added(grammar).productions) == len(grammar.productions) + 2


def test_costs_follow_use_and_stay_where_nothing_was_seen():
    grammar = motifs(("a", "b"), ("x", "y"))
    cost = {
        row.operator.name: row.cost
        for row in Learned((), {"Flag": {"equal": 90, "greater": 10}}).added(grammar).productions
    }
    before = {row.operator.name: row.cost for row in grammar.productions}
    assert cost["equal"] == 1
    assert cost["toggle"] > before["toggle"]
    assert cost["equal"] < cost["greater"] + 1 <= cost["latch"]
    assert {name: cost[name] for name in ("count", "length", "plus")} == {
        name: before[name] for name in ("count", "length", "plus")
    }
    assert Learned((), {"Flag": {}}).added(grammar) == grammar


def test_a_search_finds_the_same_with_fewer_candidates(learned):
    alphabet, labels = ("+", "-", "."), ("low", "high")
    spent = {}
    for name, grammar in (("plain", motifs(alphabet, labels)), ("learned", learned.added(motifs(alphabet, labels)))):
        search = Enumerator(grammar)
        for words in ("+", "++", "+++", "+++-", "++++-", "++.-", "-+++", "...", "++++--", "++-++-+"):
            search.observe(tuple(words), labels[words.count("+") - words.count("-") >= 3])
        program = search.propose()
        assert isinstance(program, Program)
        spent[name] = search.candidates, program.source()
    assert spent["learned"][1] == spent["plain"][1]
    assert spent["learned"][0] < spent["plain"][0]


def test_too_small_a_corpus_is_said():
    with pytest.raises(GrammarError, match="expected at least 2 solved programs to learn from, got 1"):
        learn(CORPUS[:1])


# --- the file ---------------------------------------------------------------------------------------------------


def test_the_file_holds_what_was_learned(tmp_path):
    whole = Learned((LEAD, AT_END), {"Number": {"lead _ _": 3}}, "by hand")
    write_motifs(whole, tmp_path / "m.json")
    assert read_motifs(tmp_path / "m.json") == whole
    value = json.loads((tmp_path / "m.json").read_text())
    jsonschema.validate(value, json.loads(SCHEMA.read_text()))
    for change in ({"schema": "motifs/2"}, {"more": 1}, {"motifs": [{**value["motifs"][0], "body": "$0"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value | change, json.loads(SCHEMA.read_text()))


def changed(**change):
    def change_in(value):
        value["motifs"][0] |= change

    return change_in


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda v: v.update(schema="motifs/2"), "schema: expected 'motifs/1'"),
    (lambda v: v.update(more=1), "the file: expected the keys"),
    (lambda v: v.pop("uses"), "the file: expected the keys"),
    (lambda v: v["motifs"].append(v["motifs"][0]), "motifs: expected different names"),
    (lambda v: v.update(uses={"Number": {"plus": -1}}), "uses of Number, plus: expected a whole number"),
    (changed(name="a 'b'"), "name: expected a printable text without quotes"),
    (changed(body="$0"), "body: expected a list that begins"),
    (changed(body=["minus", ["count _", "$0"], ["count _", "$7"]]), r"body: expected each of the parameters \[0, 1\]"),
    (changed(body=["minus", ["count _", "$0"], "$1"]), "the first 2 parameters, and no other, in the place of tokens"),
    (changed(body=["minus", ["count _"], ["count _", "$1"]]), "1 tokens behind 'count _'"),
    (changed(body=["minus", ["count _", ["minus"]], ["count _", "$1"]]), "parameters as the tokens"),
    (changed(body=["f", "__import__('os')"]), r"expected \$0, \$1, ... or a list"),
    (changed(tokens=True), "tokens: expected a whole number"),
    (changed(takes="Flag"), "takes: expected a list of texts"),
    (changed(tokens=50), "of at most 8 parameters in all"),
])  # fmt: skip
def test_what_is_no_file_of_motifs_is_one_sentence(tmp_path, change, sentence):
    path = tmp_path / "m.json"
    write_motifs(Learned((LEAD,), {}, ""), path)
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    with pytest.raises(GrammarError, match=sentence):
        read_motifs(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1, "a": 2}', "[" * 100_000, '"motifs/1"', "\x00"])
def test_junk_is_one_sentence(tmp_path, text):
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(GrammarError, match=str(path)):
        read_motifs(path)
    with pytest.raises(GrammarError, match="cannot read"):
        read_motifs(tmp_path / "none.json")


def test_a_body_that_is_too_deep_is_refused(tmp_path):
    path = tmp_path / "m.json"
    body = ["count _", "$0"]
    for _ in range(60):
        body = ["not", body]
    write_motifs(Learned((LEAD,), {}, ""), path)
    value = json.loads(path.read_text())
    value["motifs"][0] |= {"body": body, "tokens": 1}
    path.write_text(json.dumps(value))
    with pytest.raises(GrammarError, match="at most 40 lists in one another"):
        read_motifs(path)


def test_equal_is_no_motif_alone():
    pytest.importorskip("stitch_core", reason="stitch-core is an extra")
    programs = []
    for alphabet in (("a", "b"), ("u", "v")):
        flag = EQUAL(count_of(0, alphabet[0])(), LENGTH())
        programs.append(Program(CHOOSE(flag, label(1, "y")(), label(0, "x")()), motifs(alphabet, ("x", "y"))))
    for motif in learn(programs).motifs:
        assert sum(1 for part in str(motif.body).split("(") if part) >= 2
