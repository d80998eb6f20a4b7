"""Claims about comparing on every sequence: complete lists, no proof with gaps, no proof of a different question."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from cegis import (
    Claim,
    Constraint,
    Counterexample,
    Differs,
    Domain,
    DomainError,
    Exhaustive,
    GrammarError,
    Program,
    Rung,
    Statistics,
    Table,
    Unknown,
    Valid,
    motifs,
    tabulate,
)

GRAMMAR = motifs(["a", "b"], ["x", "y"])
DOMAIN = Domain(("a", "b"), 1, 4)
PAIRED = Constraint("even length", ((1, 1), (0, 0)), (True, False))


def ends_with_a(tokens: tuple[str, ...]) -> str:
    return "x" if tokens[-1] == "a" else "y"


TABLE = tabulate(ends_with_a, DOMAIN, GRAMMAR.signature)
ENDS = Program.parse("def f(tokens):\n    return 'x' if tokens[-1] == 'a' else 'y'\n", GRAMMAR)
BEGINS = Program.parse("def f(tokens):\n    return 'x' if tokens[0] == 'a' else 'y'\n", GRAMMAR)


def test_valid_claims_the_whole_domain():
    verdict = Exhaustive(TABLE).check(ENDS)
    assert isinstance(verdict, Valid)
    (claim,) = verdict.claims
    assert isinstance(claim, Claim)
    assert (claim.rung, claim.domain, claim.sequences, claim.reference) == (Rung.ENUMERATED, DOMAIN, 30, "ends_with_a")


def test_verdict_and_exceptions_are_those_of_a_loop_over_the_domain(derive):
    rng = random.Random(5)
    for domain in (DOMAIN, Domain(("a", "b"), 1, 5, PAIRED)):
        verifier = Exhaustive(tabulate(ends_with_a, domain, GRAMMAR.signature))
        for _ in range(30):
            program = Program(derive(GRAMMAR, "Label", rng.randint(1, 8), rng.choice), GRAMMAR)
            wrong = [Counterexample(w, ends_with_a(w), program(w)) for w in domain if program(w) != ends_with_a(w)]
            assert list(verifier.exceptions(program)) == wrong
            assert verifier.count_exceptions(program) == len(wrong)
            verdict = verifier.check(program)
            assert verdict == wrong[0] if wrong else isinstance(verdict, Valid)


def with_labels(length: int, change: dict[int, int]) -> Table:
    labels = {n: TABLE.labels[n].copy() for n in DOMAIN.lengths}
    for place, label in change.items():
        labels[length][place] = label
    return replace(TABLE, labels=labels)


def test_a_sequence_without_a_label_makes_a_proof_impossible():
    table = with_labels(3, {2: -1, 5: -1})
    verdict = Exhaustive(table).check(ENDS)
    assert isinstance(verdict, Unknown)
    assert verdict.reason.startswith("2 sequences have no label")
    assert verdict.claims == ()
    assert isinstance(Exhaustive(table).check(BEGINS), Counterexample)
    nothing = replace(TABLE, labels={n: np.full(DOMAIN.count(n), -1, np.int8) for n in DOMAIN.lengths})
    assert isinstance(Exhaustive(nothing).check(BEGINS), Unknown)


def test_a_program_that_names_no_label_is_wrong_there():
    grammar = motifs(["a", "b"], ["1", "2"])
    program = Program.parse("def f(tokens):\n    return str(len(tokens))\n", grammar)
    verdict = Exhaustive(tabulate(lambda tokens: str(min(len(tokens), 2)), DOMAIN, grammar.signature)).check(program)
    assert verdict == Counterexample(("a", "a", "a"), "2", None)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({1: [0, 1]}, "expected 4 labels for length 2"),
        ({1: [0, 1], 2: [0, 1, 0]}, "expected 4 labels for length 2"),
        ({1: [0, 1], 2: [[0, 1, 0, 1]]}, "expected 4 labels for length 2"),
        ({1: [0, 1], 2: [0, 1, 0, -2]}, "at least -1"),
        ({1: [0, 1], 2: [0.0, 1.0, 0.0, 1.0]}, "whole numbers"),
        ({1: [0, 1], 2: [0, 1, 0, 1], 3: [0] * 8}, "expected labels for the lengths"),
    ],
)
def test_a_table_that_does_not_fit_its_domain_is_refused(labels, message):
    with pytest.raises(DomainError, match=message):
        Table(DOMAIN.up_to(2), {length: np.array(values) for length, values in labels.items()})


def test_a_table_over_nothing_is_refused():
    with pytest.raises(DomainError, match="proves nothing"):
        tabulate(ends_with_a, Domain(("a", "b"), 1, 1, PAIRED), GRAMMAR.signature)
    with pytest.raises(DomainError, match="longest length"):
        tabulate(ends_with_a, Domain(("a", "b"), 1, None), GRAMMAR.signature)


def test_a_foreign_label_is_refused_when_tabulating():
    with pytest.raises(GrammarError, match="unknown label"):
        tabulate(lambda tokens: "z", DOMAIN, GRAMMAR.signature)


def test_programs_of_another_alphabet_or_label_order_are_refused():
    for grammar in (
        motifs(["a", "b"], ["y", "x"]),
        motifs(["b", "a"], ["x", "y"]),
        motifs(["a", "b"], ["x", "y", "z"]),
    ):
        with pytest.raises(DomainError, match="expected a program from"):
            Exhaustive(TABLE).check(Program(ENDS.term, grammar))


def test_a_table_tells_the_label_of_one_sequence():
    for word in DOMAIN:
        assert GRAMMAR.signature.labels[TABLE.label(DOMAIN.indices(word))] == ends_with_a(word)
    with pytest.raises(DomainError, match="length 5"):
        TABLE.label((0,) * 5)
    paired = tabulate(ends_with_a, Domain(("a", "b"), 1, 4, PAIRED), GRAMMAR.signature)
    with pytest.raises(DomainError, match="not in the domain"):
        paired.label((0, 0, 0))


def test_the_horizon_ends_just_below_the_first_exception():
    exceptions = (Counterexample(("a",) * 4, "x", "y"), Counterexample(("a",) * 6, "x", None))
    assert Differs(ENDS, exceptions, "", Statistics(0, 0, 0, 0.0, 0.0, 0.0)).horizon == 3
