"""Laws of the search from the goal down, against going through everything on small strings."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dsl.deduction.concatenation import cheapest_chain
from dsl.deduction.replacements import replaced
from dsl.deduction.rows import Rows
from dsl.deduction.string_goals import StringGoals
from dsl.deduction.substrings import reach, substrings, substrings_between
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, STRING
from dsl.scalars import Columns, ScalarSignature, column, variable
from dsl.theories.theory import find, literal

CONCAT = Production("S", find("str.++", (STRING, STRING)), ("S", "S"))
REPLACE = Production("S", find("str.replace", (STRING, STRING, STRING)), ("S", "S", "S"))
SUBSTR = Production("S", find("str.substr", (STRING, INT, INT)), ("S", "I", "I"))
MINUS = Production("I", find("-", (INT, INT)), ("I", "I"))

EXAMPLES = 2
text = st.text("ab", max_size=4)
texts = st.lists(text, min_size=EXAMPLES, max_size=EXAMPLES)
several = st.lists(texts, min_size=1, max_size=4, unique_by=tuple)
numbers = st.lists(st.lists(st.integers(-2, 6), min_size=EXAMPLES, max_size=EXAMPLES), min_size=1, max_size=5)


def rows(sort, values, costs=None) -> Rows:
    terms = [variable(f"r{place}", sort)() for place in range(len(values))]
    array = np.array([column(sort, value) for value in values])
    return Rows(array, np.array(costs or [1] * len(values), np.int64), terms.__getitem__)


def values_of(found: Rows, *arguments: Rows) -> list[list[str]]:
    """The values of the rows' terms, run on the arguments: what the rows say must be what their terms do."""
    names = {}
    for rows_ in arguments:
        names |= {f"{rows_.term(row)}": rows_.values[row] for row in range(len(rows_))}
    inputs = Columns(names, EXAMPLES)
    return [found.term(row).evaluate(inputs).tolist() for row in range(len(found))]


@given(texts, several, st.data())
def test_a_chain_is_as_cheap_as_any(goal, pieces, data):
    costs = [data.draw(st.integers(1, 3)) for _ in pieces]
    wanted, some = column(STRING, goal), rows(STRING, pieces, costs)
    prices = [
        sum(costs[place] for place in way) + (length - 1) * CONCAT.cost
        for length in range(1, 6)
        for way in product(range(len(pieces)), repeat=length)
        if all("".join(pieces[place][i] for place in way) == goal[i] for i in range(EXAMPLES))
    ]
    found = cheapest_chain("S", wanted, {"S": some}, (CONCAT,))
    if prices:
        assert found is not None
        assert found[0] <= min(prices)
    if found is not None:
        inputs = Columns({f"r{place}": column(STRING, piece) for place, piece in enumerate(pieces)}, EXAMPLES)
        assert found[1].evaluate(inputs).tolist() == goal


@given(texts, texts)
def test_reach_is_how_much_the_goal_contains(source, goal):
    table = reach(column(STRING, source), column(STRING, goal))
    for text_, wanted, row in zip(source, goal, table, strict=True):
        for begin in range(len(text_) + 1):
            assert row[begin] == max(n for n in range(len(text_) - begin + 1) if text_[begin : begin + n] in wanted)


@given(texts, numbers, numbers, texts)
def test_substrings_are_all_that_the_goal_contains(source, starts, lengths, goal):
    one, first, last = rows(STRING, [source]), rows(INT, starts), rows(INT, lengths)
    first, last = (
        Rows(some.values, some.costs, lambda row, name=name: variable(f"{name}{row}", INT)())
        for some, name in ((first, "start"), (last, "length"))
    )
    wanted = column(STRING, goal)
    cut = SUBSTR.operator.numpy
    expected = {
        tuple(value)
        for i in range(len(starts))
        for n in range(len(lengths))
        if any(value := cut(Columns({}, EXAMPLES), one.values[0], first.values[i], last.values[n]).tolist())
        and all(part in whole for part, whole in zip(value, goal, strict=True))
    }
    found = substrings(SUBSTR, one, first, last, wanted, 1000)
    assert set(map(tuple, found.values.tolist())) == expected
    assert values_of(found, one, first, last) == found.values.tolist()


@given(texts, numbers, texts)
def test_substrings_between_places_are_what_their_terms_give(source, places, goal):
    one, some = rows(STRING, [source]), rows(INT, places)
    some = Rows(some.values, some.costs, lambda row: variable(f"place{row}", INT)())
    found = substrings_between(SUBSTR, MINUS, one, some, some, column(STRING, goal), 1000)
    assert values_of(found, one, some) == found.values.tolist()
    assert all(part in whole for row in found.values.tolist() for part, whole in zip(row, goal, strict=True))


@given(several, texts)
def test_a_replacement_that_gives_the_goal_is_found(pieces, goal):
    some, wanted = rows(STRING, pieces), column(STRING, goal)
    expected = any(
        all(s.replace(a, b, 1) == t for s, a, b, t in zip(*way, goal, strict=True))
        and any(a in s for s, a in zip(way[0], way[1], strict=True))
        for way in product(pieces, repeat=3)
    )
    found = replaced(REPLACE, some, some, some, wanted)
    assert (len(found) > 0) == expected
    assert all(value == goal for value in values_of(found, some))


def small_grammar(names, constants) -> Grammar:
    sorts = {"S": STRING, "I": INT, "B": BOOL}
    of = {sort: name for name, sort in sorts.items()}
    leaves = [Production("S", variable("text", STRING)), *(Production("S", literal(c, STRING)) for c in constants)]
    leaves += [Production("I", literal(n, INT)) for n in (0, 1)] + [Production("B", literal(True, BOOL))]
    all_operators = (
        *(("str.++", "SS"), ("str.substr", "SII"), ("str.at", "SI"), ("str.replace", "SSS"), ("str.from_int", "I")),
        *(("ite", "BSS"), ("+", "II"), ("-", "II"), ("str.len", "S"), ("str.indexof", "SSI"), ("str.to_int", "S")),
        *(("=", "II"), ("str.contains", "SS"), ("str.prefixof", "SS"), ("ite", "BII"), ("ite", "BBB")),
    )
    for name, arguments in all_operators:
        if name in names:
            operator = find(name, tuple(sorts[letter] for letter in arguments))
            leaves.append(Production(of[operator.result], operator, tuple(arguments)))
    return Grammar(ScalarSignature((("text", STRING),), STRING), "S", tuple(leaves))


OPERATORS = ("str.++", "str.substr", "str.at", "str.replace", "str.from_int", "ite", "+", "-", "str.len", "str.indexof")
TESTS = ("str.to_int", "=", "str.contains", "str.prefixof")


@given(
    st.sets(st.sampled_from(OPERATORS + TESTS)),
    st.sets(st.text("a-1", max_size=2), max_size=3),
    st.lists(st.tuples(st.text("a-1", max_size=5), st.text("a-1", max_size=4)), min_size=1, max_size=4),
    st.sampled_from(("S", "I", "B")),
)
def test_what_is_found_is_right_and_in_the_grammar(names, constants, pairs, nonterminal):
    grammar = small_grammar(names, sorted(constants))
    inputs = grammar.scalars.batch([(given_,) for given_, _ in pairs])
    goals = {"S": str, "I": len, "B": lambda value: "a" in value}
    goal = column(grammar.sorts[nonterminal], [goals[nonterminal](wanted) for _, wanted in pairs])
    bank = {}
    for name, sort in grammar.sorts.items():
        terms = [p.operator() for p in grammar.productions if p.nonterminal == name and not p.arguments]
        values = np.array([np.asarray(term.evaluate(inputs)) for term in terms])
        bank[name] = Rows(values.astype(sort.dtype), np.ones(len(terms), np.int64), terms.__getitem__)
    term = StringGoals(grammar, inputs, bank).solve(nonterminal, goal)
    if term is not None:
        assert (term.evaluate(inputs) == goal).all()
        assert grammar.cost(term, nonterminal) is not None
