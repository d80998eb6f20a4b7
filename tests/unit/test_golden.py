"""Printed text, byte for byte: programs, and the SMT-LIB of one query. ``pytest --refresh-golden`` writes it anew."""

from __future__ import annotations

import pytest
from pysmt.environment import Environment
from pysmt.logics import QF_LIA

from backends import smtlib_script
from cegis import Constraint, Domain, Program, ProgramReference, motifs
from cegis.symbolic import refutation
from dsl.grammars.motifs import (
    AND,
    ANY_PAIR,
    BEGINS_WITH,
    CHOOSE,
    COUNT,
    COUNT_PAIRS,
    ENDS_WITH,
    EQUAL,
    FIRST,
    GREATER,
    LAST,
    LATCH,
    LENGTH,
    MINUS,
    NOT,
    OR,
    PLUS,
    SAME_AS_QUERY,
    STAGE,
    TOGGLE,
    at_least,
    clipped,
    constant,
    count_of,
    digits,
    has,
    is_either,
    is_not_token,
    is_token,
    label,
    lacks,
    modular,
    times,
)

BRACKETS = motifs(["(", ")", "x"], ["flat", "deep"])
DIGITS = motifs(["'", '"', "a"], ["0", "1", "2"])
OPEN, CLOSE, OTHER = is_token(0, "("), is_token(1, ")"), is_token(2, "x")
FLAT, DEEP = label(0, "flat")(), label(1, "deep")()
DEPTH = clipped(3)(OPEN(), CLOSE())
PROGRAMS = {
    "constant": Program(FLAT, BRACKETS),
    "ends": Program(CHOOSE(ENDS_WITH(is_either(0, "(", 2, "x")()), FLAT, DEEP), BRACKETS),
    "average": Program(CHOOSE(GREATER(times(5)(count_of(0, "(")()), times(2)(LENGTH())), DEEP, FLAT), BRACKETS),
    "depth": Program(CHOOSE(AND(at_least(2)(DEPTH), NOT(EQUAL(DEPTH, constant(3)()))), DEEP, FLAT), BRACKETS),
    "chain": Program(
        CHOOSE(
            TOGGLE(is_not_token(2, "x")()),
            FLAT,
            CHOOSE(OR(has(0, "(")(), lacks(1, ")")()), DEEP, CHOOSE(ANY_PAIR(OPEN(), SAME_AS_QUERY()), FLAT, DEEP)),
        ),
        BRACKETS,
    ),
    "loops": Program(
        CHOOSE(
            AND(LATCH(OPEN(), CLOSE()), BEGINS_WITH(OTHER())),
            CHOOSE(GREATER(clipped(None)(OPEN(), CLOSE()), DEPTH), FLAT, DEEP),
            CHOOSE(at_least(2)(STAGE(OPEN(), CLOSE())), DEEP, FLAT),
        ),
        BRACKETS,
    ),
    "places": Program(
        CHOOSE(
            GREATER(MINUS(LAST(OPEN()), PLUS(FIRST(CLOSE()), constant(1)())), MINUS(LENGTH(), COUNT(SAME_AS_QUERY()))),
            DEEP,
            FLAT,
        ),
        BRACKETS,
    ),
    "digits": Program(digits((0, 1, 2))(PLUS(modular(3)(is_token(0, "'")()), COUNT_PAIRS(
        is_token(1, '"')(), is_token(2, "a")()))), DIGITS),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_printed_programs_stay_as_they_are(name, golden):
    program = PROGRAMS[name]
    text = program.source(name, f"The program {name!r}, printed so that a reader sees what it does without running it.")
    golden(f"programs/{name}.txt", text)
    assert Program.parse(text, program.grammar) == program


def test_the_text_of_one_query_stays_as_it_is(golden):
    even = Constraint("even number of brackets", ((1, 1, 0), (0, 0, 1)), (True, False))
    domain, environment = Domain(("(", ")", "x"), 1, 3, even), Environment()
    symbols = BRACKETS.signature.symbols(environment.formula_manager, 3)
    formula = refutation(domain, symbols, ProgramReference(PROGRAMS["average"]), PROGRAMS["depth"])
    golden("queries/depth-is-average-length-3.smt2", smtlib_script([formula], QF_LIA, "depth/length=3/query=1", "sat"))
