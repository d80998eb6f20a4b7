"""The productions of a search and the rules as written have the same small terms, whatever the grammar."""

from __future__ import annotations

from functools import cache
from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from quick import examples

from cegis.sygus import SygusError, as_problem, read_text
from dsl.operators import INT, Term
from dsl.theories.theory import literal

NAMES = {"Int": ("S", "T", "U"), "Bool": ("B", "C")}
SHAPES = {
    "Int": ("x", "7", "{Int}", "{Int}", "(+ {Int} {Int})", "(+ {Int} {Int})", "(- (- {Int}))", "(ite {Bool} {Int} x)",
            "(+ {Int} (- 7) x)", "(Constant Int)", "(twice {Int})", "0", "1"),
    "Bool": ("p", "{Bool}", "(not {Bool})", "(< {Int} {Int})", "(not (not {Bool}))", "(Variable Bool)"),
}  # fmt: skip
LEAVES = {"(Constant Int)": [literal(value, INT)() for value in (0, 1, 1234)]}
LARGEST = 4  # operators of a term


@st.composite
def grammars(draw):
    """A problem whose grammar has some rules for each nonterminal, of few kinds, so that many look alike."""

    palette = {sort: draw(st.lists(st.sampled_from(shapes), min_size=2, max_size=3)) for sort, shapes in SHAPES.items()}

    def rule(sort):
        text = draw(st.sampled_from(palette[sort]))
        while "{" in text:
            inner = text[text.index("{") + 1 : text.index("}")]
            text = text.replace("{" + inner + "}", draw(st.sampled_from(NAMES[inner])), 1)
        return text

    rows = [
        f"({name} {sort} ({' '.join(rule(sort) for _ in range(draw(st.integers(1, 3))))}))"
        for sort, names in NAMES.items()
        for name in names
    ]
    return f"(define-fun twice ((a Int)) Int (+ a a))(synth-fun f ((x Int) (p Bool)) Int ({' '.join(rows)}))"


def read(text):
    """The problem, unless its grammar goes in circles."""
    try:
        return read_text(text)
    except SygusError as error:
        refusal = error.message
    assume("derives no term" not in refusal)
    raise AssertionError(refusal)


def language(written):
    """Every term of at most LARGEST operators that the rules derive from the start."""

    @cache
    def derived(name: str, size: int, passed: frozenset[str]) -> frozenset[Term]:
        if name in passed:
            return frozenset()
        return frozenset(term for rule in written.rules[name] for term in filled(rule, size, passed | {name}))

    def filled(rule: Term, size: int, passed: frozenset[str]) -> list[Term]:
        if rule.operator.name in written.rules and not rule.arguments:
            return list(derived(rule.operator.name, size, passed))
        leaves = LEAVES.get(rule.operator.name, [rule])
        if rule.operator.name == "(Variable Bool)":
            leaves = [term for term in written.signature.variables if term.sort == rule.sort]
        if not rule.arguments:
            return leaves if size == 1 else []
        shares = (split for split in product(range(1, size), repeat=len(rule.arguments)) if sum(split) == size - 1)
        return [
            rule.operator(*arguments)
            for split in shares
            for arguments in product(*(filled(a, n, frozenset()) for a, n in zip(rule.arguments, split, strict=True)))
        ]

    return {term for size in range(1, LARGEST + 1) for term in derived(written.start, size, frozenset())}


@settings(max_examples=examples(80))
@given(grammars())
def test_both_derive_the_same_terms(text):
    problem = read(text)
    written, grammar = problem.written["f"], problem.grammars["f"]
    again = as_problem(problem.spec, problem.grammars).written["f"]
    terms = language(written)
    assert terms == language(again)
    for term in sorted(terms, key=str)[:20]:
        assert written.derives(term)
        assert grammar.cost(term) == term.size


@settings(max_examples=examples(80))
@given(grammars())
def test_no_two_nonterminals_of_a_search_have_the_same_productions(text):
    grammar = read(text).grammars["f"]
    bodies = [
        (
            name in grammar.constants,
            frozenset((row.operator, row.arguments) for row in grammar.productions if row.nonterminal == name),
        )
        for name in grammar.sorts
    ]
    assert len(set(bodies)) == len(bodies)


def test_a_grammar_that_goes_in_circles_is_the_only_one_refused():
    circle = "(synth-fun f () Int ((S Int (T)) (T Int (S (+ S T)))))"
    try:
        read_text(circle)
    except SygusError as error:
        refusal = error.message
    assert refusal == "the grammar derives no term from S: every rule leads back to itself"
