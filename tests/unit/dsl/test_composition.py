"""Composed operators: the readings of the body, and programs that show the body alone."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from dsl.composition import composed, parameter, written_out
from dsl.enumerator import Enumerator
from dsl.grammar import Production
from dsl.grammars.motifs import COUNT, GREATER, MINUS, TOGGLE, at_least, count_of, digits, is_token, motifs, times
from dsl.operators import BOOL, INT, MASK, GrammarError
from dsl.program import Program

A, B = is_token(0, "a"), is_token(1, "b")
X, Y = parameter(0, MASK), parameter(1, MASK)
LEAD = composed("lead", (MASK, MASK), MINUS(COUNT(X()), COUNT(Y())))
GRAMMAR = motifs(("a", "b"), ("0", "1", "2", "3"))
WITH = replace(GRAMMAR, productions=(*GRAMMAR.productions, Production("Number", LEAD, ("Symbol", "Symbol"))))


def test_its_text_is_that_of_the_body():
    assert LEAD.python == "sum((_0(token) for token in tokens)) - sum((_1(token) for token in tokens))"


def test_its_value_is_that_of_the_body_in_blocks_too():
    batch = GRAMMAR.sequences.batch([("a", "a", "b"), ("b",), ("a",)])
    assert LEAD(A(), B()).evaluate(batch).tolist() == [1, -1, 1]
    masks = np.stack([A().evaluate(batch), B().evaluate(batch)])
    found = LEAD.numpy(batch, masks[:, None], masks[None])
    assert found.tolist() == [[[0, 0, 0], [1, -1, 1]], [[-1, 1, -1], [0, 0, 0]]]


def test_a_program_writes_it_out():
    program = Program(digits((0, 1, 2, 3))(LEAD(A(), B())), WITH)
    assert program.term == digits((0, 1, 2, 3))(MINUS(COUNT(A()), COUNT(B())))
    assert Program.parse(program.source(), GRAMMAR).term == program.term
    assert Program.parse(program.source(), WITH).term == program.term


def test_bodies_inside_bodies_are_written_out():
    ahead = composed("ahead", (MASK, MASK), at_least(2)(LEAD(X(), Y())))
    assert written_out(ahead(B(), A())) == at_least(2)(MINUS(COUNT(B()), COUNT(A())))


def test_what_is_used_twice_is_put_in_twice():
    twice = composed("twice", (INT,), GREATER(times(2)(parameter(0, INT)()), parameter(0, INT)()))
    assert twice.python == "2 * _0 > _0"
    assert written_out(twice(count_of(0, "a")())) == GREATER(times(2)(count_of(0, "a")()), count_of(0, "a")())


def test_a_body_with_a_loop_is_composed_as_well():
    odd = composed("odd", (MASK,), TOGGLE(X()))
    assert odd.result == BOOL
    program = Program(next(p.operator for p in GRAMMAR.productions if p.operator.name == "choose")(
        odd(A()), constant_label(0), constant_label(1)), GRAMMAR)  # fmt: skip
    assert "for token in tokens:" in program.source()


def constant_label(index):
    return next(p.operator for p in GRAMMAR.productions if p.operator.name == f"label '{index}'")()


def test_a_body_reads_all_of_its_arguments():
    with pytest.raises(GrammarError, match="expected a body that reads each of its 2 arguments"):
        composed("half", (MASK, MASK), COUNT(X()))
    with pytest.raises(GrammarError, match="expected a body that reads each of its 1 arguments"):
        composed("more", (MASK,), MINUS(COUNT(X()), COUNT(Y())))


def test_it_pickles():
    assert pickle.loads(pickle.dumps(LEAD)) == LEAD
    assert pickle.loads(pickle.dumps(WITH)) == WITH


def test_a_search_applies_it_at_once_and_answers_without_it():
    found = {}
    for name, grammar in (("with", WITH), ("without", GRAMMAR)):
        search = Enumerator(grammar)
        for words in ("a", "aab", "aaab", "abb", "aaa", "baa"):
            search.observe(tuple(words), str(max(words.count("a") - words.count("b"), 0)))
            program = search.propose()
        found[name] = program, search.level
    assert str(found["with"][0].term).count("lead") == 0
    assert found["with"][1] <= found["without"][1]
