"""Weights of counts are fitted to labels, in whole numbers, and are right on every class they were fitted to."""

import pytest
from counted_circuits import program, shipped, up_to, verifier
from quick import sliced

from cegis import Program, Valid, motifs
from dsl.grammars.motifs import CHOOSE, GREATER, count_of, label
from tasks.pipeline.linear_thresholds import _multiple, threshold_program

ALPHABET, LABELS = ("a", "b"), ("no", "yes")


@pytest.mark.parametrize(
    ("name", "length"), sliced([("bracket_dilution", 24), ("bracket_dilution", 46), ("quote_closing", 40)], 2)
)
def test_an_averaging_circuit_is_a_comparison_of_weighted_counts(name: str, length: int) -> None:
    circuit = shipped(name)
    counting = verifier(circuit, up_to(circuit, length), semantics="float64")
    found = threshold_program(counting, motifs(circuit.domain.alphabet, circuit.labels))
    assert found is not None
    assert isinstance(counting.check(found), Valid)
    assert found == program(circuit, found.source().partition("\n")[2])


def test_there_is_none_where_no_line_divides_the_classes_or_labels_are_not_two() -> None:
    for name, length in (("bracket_depth", 22), ("bracket_depth_deep", 8)):
        circuit = shipped(name)
        counting = verifier(circuit, up_to(circuit, length), semantics="float64")
        assert threshold_program(counting, motifs(circuit.domain.alphabet, circuit.labels)) is None


def test_one_label_alone_needs_no_weights() -> None:
    circuit = shipped("bracket_dilution")
    counting = verifier(circuit, up_to(circuit, 1))
    seen = {counting.label((token,)) for token in circuit.domain.alphabet}
    found = threshold_program(counting, motifs(circuit.domain.alphabet, circuit.labels))
    assert (found is None) == (len(seen) == 1)


@pytest.mark.parametrize("factor", [1, 2, 11, 12, 13, 17, 24, 60, 97, 143, 144, 505, 976, 1727, 123_457])
def test_every_multiple_can_be_said_in_the_grammar(factor: int) -> None:
    grammar = motifs(ALPHABET, LABELS)
    many = _multiple(factor, count_of(0, "a")())

    def exceeds(limit: int) -> Program:
        right = _multiple(limit, count_of(1, "b")())
        return Program(CHOOSE(GREATER(many, right), label(1, "yes")(), label(0, "no")()), grammar)

    assert exceeds(factor)(("a", "b")) == "no"
    assert exceeds(factor + 1)(("a", "b")) == "no"
    assert exceeds(factor)(("a", "b", "a")) == "yes"
    assert factor == 1 or exceeds(factor - 1)(("a", "b")) == "yes"
    assert Program.parse(exceeds(factor).source(), grammar) == exceeds(factor)
