"""Claims about solved constants: each shape is found at once, is right at the points, and stays in its grammar."""

from __future__ import annotations

import random

import numpy as np
import pytest
from quick import sliced
from specs import call, function, integers, of

from backends import get
from cegis import Budget, Found
from cegis.formulas.formula import FormulaSpec
from cegis.searchers.solving import solve
from dsl.deduction.constants import FEWER, fitted
from dsl.deduction.parts import add_parts
from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar, Production
from dsl.grammars.defaults import default_grammar
from dsl.operators import INT, Sort, bitvector
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find, literal

WORD = bitvector(32)
MASK = 2**32 - 1
SECONDS = 10.0  # a loaded machine's; each takes a fraction of one


def sampled(count: int, *sorts: Sort, seed: int = 0) -> list[tuple[int, ...]]:
    rng = random.Random(seed)
    return [tuple(rng.getrandbits(32) if s.width else rng.randint(-2000, 2000) for s in sorts) for _ in range(count)]


def solved(rule, sort, names, rows):
    """The program found for examples of ``rule``, of any term of the logic."""
    f = function("f", *((name, sort) for name in names), result=sort)
    examples = [
        of("=", call(f, *(literal(value, sort)() for value in row)), literal(rule(*row), sort)()) for row in rows
    ]
    outcome = solve(FormulaSpec((f,), (), tuple(examples)), backend=get("z3"), budget=Budget(seconds=SECONDS))
    assert isinstance(outcome, Found), outcome
    return outcome.program.programs[f].term, f.signature


def follows(rule, sort, names, *, more=(), count=16):
    """Whether what is found for some examples is the rule at others as well; the term."""
    term, signature = solved(rule, sort, names, [*sampled(count, *[sort] * len(names)), *more])
    others = sampled(200, *[sort] * len(names), seed=1)
    assert term.evaluate(signature.batch(others)).tolist() == [rule(*row) for row in others], str(term)
    return term


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (lambda x: x + 4711, "x"),
        (lambda x: 37 * x - 911, "x"),
        (lambda x: 90210 - 13 * x, "x"),
        (lambda x, y: 3 * x - 5 * y + 17, "xy"),
        (lambda x, y, z: 100 * z - 7 * x - 12345 * y, "xyz"),
        (lambda x, y: 7 * max(x, y) + 100, "xy"),
    ],
)
def test_sums_with_large_constants_are_found(rule, names):
    assert follows(rule, INT, names).size <= 13


@pytest.mark.parametrize(
    "rule",
    [
        lambda x: x ^ 0x5A5A5A5A,
        lambda x: (x + 0x12345678) & MASK,
        lambda x: (0x12345678 - x) & MASK,
        lambda x: x & 0x0F0FF0F1,
        lambda x: x | 0x0F0FF0F1,
        lambda x: (x << 13) & MASK,
        lambda x: x >> 19,
        lambda x: (x * 0x12345) & MASK,
        lambda x: x % 1000003,
        lambda x: x // 641,
    ],
)
def test_a_word_beside_a_constant_is_found(rule):
    assert follows(rule, WORD, "x", count=24).size == 3


def test_shifts_are_not_written_as_products():
    assert follows(lambda x: (x << 13) & MASK, WORD, "x").operator.name == "bvshl"
    assert follows(lambda x: x >> 13, WORD, "x").operator.name == "bvlshr"


@pytest.mark.parametrize(
    ("rule", "sort"),
    sliced(
        [
            (lambda x, y: x + 731 if x <= y else y - 900, INT),
            (lambda x, y: 731 if x <= y else -900, INT),
            (lambda x, y: 3 * x + 2 * y - 731 if x <= y else 7 * y - 900, INT),
            (lambda x, y: x ^ 0x1234567 if x < y else (y + 0x7654321) & MASK, WORD),
        ],
        2,
    ),
)
def test_constants_are_found_on_either_side_of_a_flag(rule, sort):
    assert "ite" in str(follows(rule, sort, "xy", count=24))


@pytest.mark.slow
def test_limits_between_constants_are_found():
    limits = [(1234,), (1235,), (-300,), (-299,)]
    follows(lambda x: x + 5 if x <= 1234 else 2 * x - 777, INT, "x", more=limits)
    term, signature = solved(
        lambda x: x ^ 0x1234567 if x < 2**30 else 0x1717, WORD, "x", [*sampled(12, WORD), (2**30,), (2**30 - 1,)]
    )
    assert term.evaluate(signature.batch([(2**30,), (2**30 - 1,)])).tolist() == [0x1717, (2**30 - 1) ^ 0x1234567]


def grammar(sort: Sort, rows, constants=("S", "C")) -> Grammar:
    """``S``: x, a literal and ``rows`` (name, arguments); ``C``: a literal."""
    leaves = [
        Production("S", variable("x", sort)),
        Production("S", literal(0, sort)),
        Production("C", literal(0, sort)),
    ]
    built = [Production("S", find(name, (sort,) * len(names)), tuple(names)) for name, names in rows]
    return Grammar(ScalarSignature((("x", sort),), sort), "S", (*leaves, *built), frozenset(constants))


def grown(made: Grammar, values, level: int = 5) -> Bank:
    bank = Bank(made)
    bank.observe(made.scalars.batch([(value,) for value in values]))
    assert bank.grow(level)
    return bank


@pytest.mark.parametrize("text", ["bvxor", "bvadd", "+"])
def test_what_is_asked_in_other_words_is_proved_for_all_values(text):
    """The specification's own term is not in the grammar."""
    sort = INT if text == "+" else WORD
    x, c = variable("x", sort)(), literal(4711, sort)()
    f = function("f", ("x", sort), result=sort)
    wanted = {
        "bvxor": lambda: of("bvor", of("bvand", x, of("bvnot", c)), of("bvand", of("bvnot", x), c)),
        "bvadd": lambda: of("bvneg", of("bvsub", of("bvneg", x), c)),
        "+": lambda: of("-", of("-", of("-", x), c)),
    }[text]()
    spec = FormulaSpec((f,), (("x", sort),), (of("=", call(f, x), wanted),))
    outcome = solve(spec, grammar(sort, [(text, "SS")]), backend=get("z3"), budget=Budget(seconds=SECONDS))
    assert isinstance(outcome, Found)
    assert outcome.program.programs[f].term in (of(text, x, c), of(text, c, x))


@pytest.mark.parametrize(
    ("rows", "written"),
    [
        ([("+", "SS"), ("-", "SS"), ("*", "CS")], "-(*(37, x), 911)"),
        ([("+", "SS"), ("-", "SS"), ("*", "SC")], "-(*(x, 37), 911)"),
        ([("+", "SC"), ("*", "CS")], "+(*(37, x), (- 911))"),
    ],
)
def test_sums_are_written_as_the_grammar_has_them(rows, written):
    made, values = grammar(INT, rows), [-3, 0, 8, 21]
    assert str(fitted(grown(made, values), "S", 37 * np.array(values) - 911)) == written


def test_without_a_product_a_small_factor_is_a_sum():
    values = [-3, 0, 8, 21]
    bank = grown(grammar(INT, [("+", "SS")]), values, level=1)
    assert str(fitted(bank, "S", 3 * np.array(values) + 911)) == "+(+(+(x, x), x), 911)"
    assert fitted(bank, "S", 37 * np.array(values) + 911) is None


def test_a_grammar_without_any_constant_gets_none():
    rows, values = [("+", "SS"), ("-", "SS"), ("*", "CS")], [-3, 0, 8, 21]
    target = 37 * np.array(values) - 911
    assert fitted(grown(grammar(INT, rows), values), "S", target) is not None
    closed = grown(grammar(INT, rows, constants=()), values)
    before = len(closed.stores["S"])
    assert fitted(closed, "S", target) is None
    add_parts(closed, "S", np.array([4711, 4711, 5, 6]))
    assert len(closed.stores["S"]) == before


def test_only_places_of_any_constant_take_one():
    values = [-3, 0, 8, 21]
    bank = grown(grammar(INT, [("+", "SS"), ("*", "CS")], constants=("C",)), values)
    assert str(fitted(bank, "S", 37 * np.array(values))) == "*(37, x)"
    assert fitted(bank, "S", np.array(values) + 911) is None


def test_no_numbers_no_term():
    """Halves are not whole, and squares no sum."""
    values = [-3, 0, 8, 21]
    bank = grown(grammar(INT, [("+", "SS"), ("*", "CS")]), values)
    assert fitted(bank, "S", np.array(values) ** 2) is None
    even = grown(grammar(INT, [("+", "SS"), ("*", "CS")]), [-3, 1, 9, 21], level=1)
    assert fitted(even, "S", (np.array([-3, 1, 9, 21]) + 1) // 2) is None


@pytest.mark.parametrize("name", ["bvand", "bvor", "bvxor", "bvadd", "bvsub", "bvmul", "bvshl", "bvlshr", "bvurem"])
def test_what_is_fitted_has_the_values_wanted(name):
    made, rng = grammar(WORD, [("bvnot", "S"), (name, "SC")]), random.Random(7)
    bank = grown(made, [row[0] for row in sampled(9, WORD)], level=2)
    for _ in range(20):
        constant = rng.randrange(1, 32) if "sh" in name else rng.getrandbits(32)
        term = find(name, (WORD, WORD))(find("bvnot", (WORD,))(variable("x", WORD)()), literal(constant, WORD)())
        target = term.evaluate(bank.batch)
        found = fitted(bank, "S", target)
        assert found is not None
        assert np.broadcast_to(found.evaluate(bank.batch), target.shape).tolist() == target.tolist()
        assert made.cost(found) <= made.cost(term)


def test_division_by_a_solved_constant_is_never_by_zero():
    """The rest by zero is the row itself: nothing is gained, and for mod only this library says so."""
    bank = grown(grammar(WORD, [("bvnot", "S"), ("bvurem", "SC")], constants=("C",)), [5, 7, 12], level=2)
    assert fitted(bank, "S", np.array([5, 7, 12], np.uint64) ^ np.uint64(MASK)) is None
    bank = grown(grammar(INT, [("mod", "SC")], constants=("C",)), [500, 1177, 1012], level=1)
    assert str(fitted(bank, "S", np.array([500, 1177, 1012]) % 97)) == "mod(x, 97)"


def test_the_smallest_number_is_no_trouble():
    """-2**63 over -1 is outside of machine words."""
    least = -(2**63)
    bank = grown(grammar(INT, [("+", "SS"), ("-", "SS"), ("*", "CS"), ("div", "SC"), ("mod", "SC")]), [-1, least, 5])
    for target in ([least, 3, 5], [least, least, least], [-1, least, least]):
        found = fitted(bank, "S", np.array(target))
        assert found is None or np.broadcast_to(found.evaluate(bank.batch), (3,)).tolist() == target
        add_parts(bank, "S", np.array(target))


def test_parts_are_added_once():
    f = function("f", ("x", INT), result=INT)
    bank = Bank(default_grammar(f.signature))
    bank.observe(f.signature.batch([(value,) for value in range(-6, 6)]))
    bank.grow(1)
    target = np.array([4711] * 4 + [8128] * 8)
    assert bank.find("Bool", target == 4711) is None
    add_parts(bank, "Int", target)
    for value in (4711, 8128):
        assert bank.find("Int", np.full(12, value)) is not None
    assert str(bank.term("Bool", bank.find("Bool", target == 4711))) == "<=(x, (- 3))"
    add_parts(bank, "Int", target)
    candidates = bank.candidates
    add_parts(bank, "Int", target)
    assert bank.candidates == candidates


def test_many_rows_are_looked_at():
    """A row behind many cheaper ones still gets its constant."""
    (x,) = integers("x")
    bank = Bank(grammar(INT, [("+", "SS"), ("*", "SS"), ("-", "S")]), seed=1)
    bank.observe(bank.grammar.scalars.batch([(3,), (17,), (-8,), (29,), (5,)]))
    for level in range(1, 12):
        bank.grow(level)
        if len(bank.stores["S"]) > FEWER:
            break
    cube = x
    for _ in range(4):
        cube = of("*", cube, x)
    target = cube.evaluate(bank.batch) + 31337
    found = fitted(bank, "S", target)
    assert found is not None
    assert found.evaluate(bank.batch).tolist() == target.tolist()
