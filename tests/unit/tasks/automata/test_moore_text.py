"""Machines in Python: states are called what they are, and the text runs as the machine does and reads back as it."""

import random
from itertools import product

import numpy as np
import pytest
from quick import examples

from dsl.program import Program
from dsl.sequences import SequenceSignature
from tasks.automata.moore import Machine
from tasks.automata.moore_text import simple
from tasks.checker.programs import function_of, machine_of

EVEN = ((1, 0), (0, 1))  # the first token of two turns the state


def text(columns, outputs, labels, alphabet="ab"):
    return Machine(columns, outputs).program(SequenceSignature(tuple(alphabet), tuple(labels))).source("f")


def body(*arguments, **named):
    return [line.strip() for line in text(*arguments, **named).splitlines()[1:]]


def test_two_states_that_a_token_turns_are_odd_and_even():
    assert body(EVEN, (0, 1), ("even", "odd")) == [
        "odd = False", "for token in tokens:", "if token == 'a':", "odd = not odd",
        "return 'odd' if odd else 'even'",
    ]  # fmt: skip


def test_between_brackets_or_quotes_is_inside():
    assert "inside = True" in body(((1, 1), (0, 0)), (0, 1), ("out", "in"), alphabet="()")
    assert "inside = not inside" in body(EVEN, (0, 1), ("out", "in"), alphabet="'x")
    assert "seen = True" in body(((1, 1), (0, 1)), (0, 1), ("no", "yes"))
    assert "flag = True" in body(((1, 1), (0, 0)), (0, 1), ("no", "yes"))


def test_a_flag_is_the_label_where_the_labels_say_true_and_false():
    assert body(EVEN, (0, 1), (False, True))[-1] == "return odd"
    assert body(EVEN, (1, 0), (False, True))[-1] == "return not odd"
    assert body(EVEN, (1, 0), ("False", "True"))[-1] == "return str(not odd)"


def test_states_with_a_label_each_and_no_arithmetic_are_called_by_their_labels():
    columns = ((1, 1, 1), (0, 2, 2), (0, 1, 2))  # b after a is for good
    assert body(columns, (0, 1, 2), ("none", "one", "both"), alphabet="abc") == [
        "state = 'none'", "for token in tokens:", "if token == 'a':", "state = 'one'",
        "elif token == 'b':", "state = 'both' if state == 'one' else state", "return state",
    ]  # fmt: skip


def test_tokens_with_the_same_step_stand_together():
    counted = tuple([(1, 2, 2)] * 3 + [(0, 0, 0)])
    assert body(counted, (0, 0, 1), ("no", "yes"), alphabet="abcd") == [
        "state = 0", "for token in tokens:", "if token == 'd':", "state = 0", "else:",
        "state = min(state + 1, 2)", "return 'yes' if state == 2 else 'no'",
    ]  # fmt: skip
    assert "if token in {'a', 'b', 'c'}:" in body((*counted[:3], (0, 1, 2)), (0, 0, 1), ("no", "yes"), alphabet="abcd")


def test_numbers_are_labels_where_they_are_the_labels():
    turned = ((1, 2, 0), (0, 1, 2))
    assert body(turned, (0, 1, 2), ("0", "1", "2"))[-1] == "return str(state)"
    assert body(turned, (0, 1, 2), (0, 1, 2))[-1] == "return state"
    assert body(turned, (0, 2, 1), (0, 1, 2))[-1] == "return (0, 2, 1)[state]"
    assert body(((1, 2, 3, 3), (0, 0, 1, 2)), (0, 0, 1, 1), ("no", "yes"))[-1] == "return 'yes' if state >= 2 else 'no'"


LABELS = {
    "texts": ("p", "q", "r", "s"),
    "digits": ("0", "1", "2", "3"),
    "numbers": (0, 1, 2, 3),
    "words": ("True", "False"),
    "flags": (False, True),
}


@pytest.mark.parametrize("kind", LABELS)
def test_the_text_runs_as_the_machine_reads_back_and_the_checker_follows_it(kind):
    rng, labels = random.Random(kind), LABELS[kind]
    for _ in range(examples(60)):
        states, alphabet = rng.randint(1, 5), ("(", "b", "'c", '"')[: rng.randint(1, 4)]
        choices = [*simple(states), tuple(rng.randrange(states) for _ in range(states))]
        columns = tuple(rng.choice(choices) for _ in alphabet)
        outputs = tuple(rng.randrange(len(labels)) for _ in range(states))
        if rng.random() < 0.5 and states <= len(labels):
            outputs = tuple(rng.sample(range(len(labels)), states))
        program = Machine(columns, outputs).program(SequenceSignature(alphabet, labels))
        source = program.source("f")
        assert Program.parse(source, program.grammar) == program, source
        checked = source.replace("-> bool", "-> str")  # a network's labels are texts or numbers
        function = function_of(checked, ["tokens"])
        followed = machine_of(checked, [])
        words = [word for n in range(1, 5) for word in product(range(len(alphabet)), repeat=n)]
        for word in rng.sample(words, min(25, len(words))):
            tokens = [alphabet[n] for n in word]
            wanted = labels[outputs[Machine(columns, outputs).run(np.array([word], np.int8))[0]]]
            said = function(tokens)
            assert (said, type(said)) == (wanted, type(wanted)), (source, tokens)
            state = followed.start
            for token in tokens:
                state = followed.step(state, token, tokens[-1])
            assert followed.answer(state, tokens[-1]) == wanted, (source, tokens)
