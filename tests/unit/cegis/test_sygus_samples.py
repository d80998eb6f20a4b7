"""Labelled sequences and the motif grammar as SyGuS-IF: the same programs, over features instead of tokens."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from backends.cvc5_sygus import Answered, cvc5_answer
from cegis import motifs
from cegis.sygus import read_answer, read_text, write_problem
from cegis.sygus.samples import FUNCTION, sampled
from dsl.operators import LABEL, GrammarError
from dsl.program import term_text

GRAMMAR = motifs(("a", "b"), ("0", "1", "2", "3"))
EXAMPLES = tuple(
    (words, str(words.count("a"))) for length in (1, 2, 3) for words in product("ab", repeat=length)
)  # the label counts the a


@pytest.fixture(scope="module")
def samples():
    return sampled(GRAMMAR, EXAMPLES)


def test_every_example_is_a_constraint_over_feature_values(samples):
    found = samples.problem.examples(samples.problem.function(FUNCTION))
    batch = GRAMMAR.sequences.batch([words for words, _ in EXAMPLES])
    values = [feature.term.evaluate(batch) for feature in samples.features.values()]
    assert [inputs for inputs, _ in found] == list(
        zip(*(np.asarray(column).tolist() for column in values), strict=True)
    )
    assert [output for _, output in found] == [int(label) for _, label in EXAMPLES]


def test_features_of_one_kind_differ_on_the_examples(samples):
    batch = GRAMMAR.sequences.batch([words for words, _ in EXAMPLES])
    values = [(f.nonterminal, tuple(f.term.evaluate(batch).tolist())) for f in samples.features.values()]
    assert len(set(values)) == len(values) > 20


def test_an_operator_that_uses_its_argument_twice_is_a_defined_function(samples):
    (digits,) = samples.problem.definitions
    rules = samples.problem.written[FUNCTION].rules["Label"]
    assert f"({digits.name} Number)" in map(term_text, rules)
    assert term_text(digits.definition).count("p0") == 4


def test_what_is_exported_reads_back(samples):
    again = read_text(write_problem(samples.problem))
    assert (again.spec, again.grammars) == (samples.problem.spec, samples.problem.grammars)


@pytest.mark.needs("cvc5")
def test_cvc5_solves_what_is_exported(samples):
    answer = cvc5_answer(write_problem(samples.problem), seconds=30.0)
    assert isinstance(answer, Answered), answer
    term = read_answer("\n".join(answer.functions), samples.problem)[FUNCTION]
    assert samples.problem.written[FUNCTION].derives(term)


def test_no_examples_and_other_grammars_are_refused(samples):
    with pytest.raises(GrammarError, match="expected at least one labelled sequence"):
        sampled(GRAMMAR, ())
    with pytest.raises(GrammarError, match="got one of scalar programs"):
        sampled(samples.problem.grammars[FUNCTION], EXAMPLES)
    assert GRAMMAR.sorts["Label"] == LABEL
