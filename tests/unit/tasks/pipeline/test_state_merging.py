"""Automata learned from labels: small, exact where they claim to be, readable, and read back as they were printed."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from pysmt.environment import Environment
from quick import sliced

from cegis import Constraint, Domain, Found
from dsl.grammars.positions import PlacedSignature, PlacedSymbols
from dsl.operators import GrammarError
from dsl.program import Program
from dsl.sequences import SequenceSignature
from tasks.automata.moore import Machine, filled, readable
from tasks.automata.moore_reading import read_machine
from tasks.formats import Question, from_callable, load
from tasks.networks.readout import UNDECIDED, Argmax
from tasks.pipeline.labels import LabelTable
from tasks.pipeline.own_programs import OwnProgram
from tasks.pipeline.search import has_near_machine, searched
from tasks.pipeline.state_merging import learned, merged_program
from tasks.proofs.enumeration import Answers, Enumeration
from tests.support.recurrent_networks import write_dynet


def subject(function, names, domain=None):
    """The labels ``function`` gives to sequences over a and b; None is no label."""
    domain = domain or Domain(("a", "b"), 0, 7)
    box = from_callable(
        lambda ids: np.zeros((len(ids), len(names))),
        vocabulary=("a", "b", "<s>"), outputs=names, longest=12,
        question=Question(alphabet=("a", "b"), prefix=("<s>",), readout="argmax"),
    )  # fmt: skip
    parts = []
    for length in domain.lengths:
        rows = domain.sequences(length)
        said = [function("".join(domain.words(row))) for row in rows]
        labels = np.array([UNDECIDED if label is None else names.index(label) for label in said], np.int64)
        parts.append(Answers(rows, labels, np.where(labels == UNDECIDED, -1.0, 1.0)))
    return LabelTable.of(Enumeration(box, domain, "float64", tuple(parts), 0, 0.0, 0.0))


LANGUAGES = {
    "length modulo 5": (lambda w: str(len(w) % 5), tuple("01234"), 5),
    "depth to 3": (lambda w: str(depth(w)), tuple("0123"), 4),
    "ends alike": (lambda w: "yes" if w[:1] == w[-1:] else "no", ("yes", "no"), 5),
    "last is a": (lambda w: "yes" if w.endswith("a") else "no", ("yes", "no"), 2),
    "always": (lambda w: "yes", ("yes", "no"), 1),
}


def depth(word):
    level = 0
    for token in word:
        level = min(level + 1, 3) if token == "a" else max(level - 1, 0)
    return level


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_finite_state_behaviour_is_learned_exactly_and_its_text_reads_back(name):
    function, names, states = LANGUAGES[name]
    asked = subject(function, names)
    found = merged_program(asked)
    assert found is not None
    assert learned(asked).states == states
    text = found.source("automaton")
    assert Program.parse(text, found.grammar) == found
    scope: dict = {}
    exec(text, scope)
    for word in asked.enumeration.domain:
        assert scope["automaton"](list(word)) == function("".join(word)) == found(word)


def test_counters_are_written_as_arithmetic():
    text = merged_program(subject(*LANGUAGES["depth to 3"][:2])).source("f")
    assert "min(state + 1, 3)" in text
    assert "max(state - 1, 0)" in text
    assert "(state + 1) % 5" in merged_program(
        subject(*LANGUAGES["length modulo 5"][:2])
    ).source("f")  # fmt: skip


def test_what_needs_more_states_than_are_few_is_left_as_it_was():
    def mirrored(word):
        return "yes" if word == word[::-1] else "no"

    assert merged_program(subject(mirrored, ("yes", "no"), Domain(("a", "b"), 0, 9))) is None


def test_sequences_without_a_label_or_outside_the_domain_do_not_matter():
    found = merged_program(subject(lambda w: None if "bb" in w else str(len(w) % 2), ("0", "1")))
    assert found is not None
    assert learned(subject(lambda w: None if "bb" in w else str(len(w) % 2), ("0", "1"))).states == 2


def test_a_start_that_is_not_asked_about_has_the_label_of_what_is_merged_into_it():
    def nested(word):
        level = 0
        for token in word:
            level += 1 if token == "a" else -1
            if not 0 <= level <= 2:
                return "no"
        return "no" if level else "yes"

    asked = subject(nested, ("no", "yes"), Domain(("a", "b"), 1, 9))
    found = learned(asked)
    assert found is not None
    assert found.states == 4, "depths 0 to 2, and what cannot be closed"
    assert merged_program(asked) is not None, (
        "the label of depth 0 is that of 'ab', since no empty word is in the table"
    )


def test_long_sequences_are_no_hindrance_where_there_are_few_of_them():
    falling = Constraint("a* b*", ((0, 1), (-1, 1)), (True, True))
    asked = subject(lambda w: str(len(w) % 3) if "b" in w else "a", ("0", "1", "2", "a"),
                    Domain(("a", "b"), 0, 40, falling))  # fmt: skip
    found = merged_program(asked)
    assert found is not None  # which is to say: right on all 861 sequences, 2**40 words or not
    assert learned(asked).states == 6


def test_free_entries_are_filled_so_that_the_step_is_short():
    assert filled((1, -1, 2)) == (1, 2, 2)
    assert filled((-1, -1)) == (0, 1)
    assert filled((2, 0, 1, -1)) == (2, 0, 1, 0)
    assert readable([[1], [0]], [0, 1]) == Machine(((1, 0),), (0, 1))


def test_the_formula_is_the_machine():
    environment = Environment()
    manager = environment.formula_manager
    asked = subject(*LANGUAGES["depth to 3"][:2])
    program = merged_program(asked)
    signature = program.grammar.sequences
    for word in (("a", "a", "b"), ("b",), ("a", "b", "a", "a", "a", "a", "b")):
        symbols = signature.symbols(manager, len(word))
        stands = {s: manager.Bool(t == here) for row, here in zip(symbols.at, word, strict=True)
                  for s, t in zip(row, "ab", strict=True)}  # fmt: skip
        formula = environment.substituter.substitute(program.encode(symbols), stands)
        assert signature.answer(environment.simplifier.simplify(formula).constant_value()) == program(word)


MACHINES = {
    "toggled by a quote": (Machine(((1, 0), (0, 1), (0, 1)), (0, 1)), "inside = not inside"),
    "toggled by a letter": (Machine(((0, 1), (1, 0), (0, 1)), (1, 0)), "odd = not odd"),
    "set once": (Machine(((0, 1), (1, 1), (0, 1)), (0, 1)), "seen = True"),
    "set and reset": (Machine(((0, 0), (1, 1), (1, 0)), (0, 1)), "flag = False"),
    "never moved": (Machine(((0, 1), (0, 1), (0, 1)), (0, 1)), "state"),
    "one state apart": (Machine(((0, 2, 2), (1, 1, 1), (0, 0, 1)), (0, 1, 0)), "2 if state == 1 else state"),
    "four states": (Machine(((2, 1, 0, 0), (1, 1, 1, 1), (3, 1, 0, 0)), (0, 0, 1, 0)), "if state == 2 else"),
    "one to another": (Machine(((0, 0, 3, 0), (1, 2, 3, 3), (0, 1, 2, 3)), (0, 1, 1, 0)), "3 if state == 2 else 0"),
}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("labels", [("x", "y"), (False, True), (True, False)])
def test_text_formula_and_arrays_of_a_machine_agree(name, labels):
    machine, said = MACHINES[name]
    signature = SequenceSignature(('"', "a", "b"), labels)
    program = machine.program(signature)
    text, scope = program.source(), {}
    assert said in text or name == "never moved"
    exec(text, scope)
    words = [word for n in range(5) for word in product(signature.alphabet, repeat=n)]
    environment = Environment()
    states = machine.run(signature.batch(words).tokens)
    for word, state, label in zip(words, states, program.run(signature.batch(words)), strict=True):
        assert scope["program"](list(word)) == labels[label] == labels[machine.outputs[state]]
        if len(word) == 3:
            symbols = signature.symbols(environment.formula_manager, 3)
            stands = {
                symbol: environment.formula_manager.Bool(token == here)
                for row, here in zip(symbols.at, word, strict=True)
                for symbol, token in zip(row, signature.alphabet, strict=True)
            }
            formula = environment.substituter.substitute(program.encode(symbols), stands)
            assert environment.simplifier.simplify(formula).constant_value() == label
    assert Program.parse(text, program.grammar) == program


@pytest.mark.parametrize("name", MACHINES)
def test_text_formula_and_arrays_of_a_machine_agree_at_every_place(name):
    machine, labels = MACHINES[name][0], ("x", "y")
    signature = PlacedSignature(('"', "a", "b"), labels)
    program = machine.program(signature)
    text, scope = program.source(), {}
    exec(text, scope)
    asked = [(word, i) for n in range(1, 4) for word in product(signature.alphabet, repeat=n) for i in range(n)]
    environment = Environment()
    whole = machine.run(SequenceSignature(signature.alphabet, labels).batch([w[: i + 1] for w, i in asked]).tokens)
    for (word, i), state, label in zip(asked, whole, program.run(signature.batch(asked)), strict=True):
        assert scope["program"](list(word), i) == labels[label] == labels[machine.outputs[state]]
        symbols = signature.symbols(environment.formula_manager, len(word))
        placed = PlacedSymbols(symbols.manager, symbols.at, i)
        stands = {
            symbol: environment.formula_manager.Bool(token == here)
            for row, here in zip(symbols.at, word, strict=True)
            for symbol, token in zip(row, signature.alphabet, strict=True)
        }
        formula = environment.substituter.substitute(program.encode(placed), stands)
        assert environment.simplifier.simplify(formula).constant_value() == label
    assert Program.parse(text, program.grammar) == program
    assert (
        read_machine(text, signature).run(signature.batch(asked)).tolist()
        == program.run(signature.batch(asked)).tolist()
    )
    with pytest.raises(GrammarError):
        read_machine(text.replace("tokens[:i + 1]", "tokens[:i]"), signature)
    with pytest.raises(GrammarError):
        read_machine(text.replace("tokens[:i + 1]", "tokens"), signature)


@pytest.mark.slow
@pytest.mark.parametrize("least", sliced([3, 1], 2))
def test_labels_of_every_place_are_those_of_an_automaton_on_what_stands_before(least, tmp_path):
    """Where words are asked for from a length on, labels of shorter prefixes are those in longer words."""
    folder = write_dynet(tmp_path, "gru")
    every = Argmax(("yes", "no"), (0, 1), "every")
    recurrent = replace(load(folder, Question()), readout=every)
    domain, parts = Domain(("a", "b"), least, 6), []
    for length in domain.lengths:
        rows = domain.sequences(length)
        labels = ((rows == 0).cumsum(axis=1) % 3 != 0).astype(np.int64)
        parts.append(Answers(rows, labels, np.ones(labels.shape)))
    table = LabelTable.of(Enumeration(recurrent, domain, "float64", tuple(parts), 0, 0.0, 0.0))
    found = searched(table, seconds=5.0)
    assert isinstance(found.outcome, Found)
    assert "(state + 1) % 3" in merged_program(table).source()
    assert learned(table).states == 3
    own = OwnProgram("mine", merged_program(table).source("mine")).on(table)
    assert own.term == merged_program(table).term, "the text of an automaton at every place is read, not run"


def test_of_several_programs_the_first_with_the_fewest_exceptions_is_closest():
    asked = subject(lambda w: "yes" if w.count("a") % 2 else "no", ("no", "yes"))
    signature = asked.grammar.sequences
    never, always, odd_b = (
        Machine(columns, outputs).program(signature)
        for columns, outputs in (
            (((0,), (0,)), (0,)),
            (((0,), (0,)), (1,)),
            (((0, 1), (1, 0)), (0, 1)),
        )
    )
    near = subject(lambda w: "yes" if w.count("a") % 2 and w != "abbbbbb" else "no", ("no", "yes"))
    right = merged_program(asked)
    counts = [len(asked.exceptions(program)) for program in (never, always, odd_b, right)]
    assert (
        counts == [asked.count_exceptions(program) for program in (never, always, odd_b, right)] == [127, 128, 170, 0]
    )
    assert asked.closest([always, never, odd_b]) is never
    assert asked.closest([never, right, always]) is right
    twins = [Machine(((0, 1), (1, 0)), (0, 1)).program(signature) for _ in range(2)]
    assert asked.closest(twins) is twins[0]
    assert near.closest([right, never]) is right
    assert near.exceptions(right)[0].inputs == tuple("abbbbbb")
    assert asked.count_exceptions(always, 3) > 3, "it ends as soon as they are more"
    assert asked.count_exceptions(always, 128) == 128


@pytest.mark.parametrize(("wrong", "is_near"), [((), True), (("abababab",), True), (("abababab", "bbbbbbbb"), False)])
def test_a_machine_is_near_where_it_is_wrong_on_one_word_in_a_thousand_of_a_recurrent_network(wrong, is_near, tmp_path):
    """Of 1,023 words those in ``wrong`` have the other label than that of their number of a."""

    def even(word):
        return "yes" if (word.count("a") % 2 == 0) != (word in wrong) else "no"

    table = subject(even, ("yes", "no"), Domain(("a", "b"), 0, 9))
    assert not has_near_machine(table)  # nothing is known of a black box
    recurrent = replace(table.enumeration, loaded=load(write_dynet(tmp_path, "gru"), Question()))
    assert has_near_machine(replace(table, enumeration=recurrent)) == is_near
