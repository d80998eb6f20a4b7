"""Functions that equations of the specification define."""

from __future__ import annotations

import pytest

from cegis import FormulaBudget, Found, read_sygus_text, solve
from cegis.searchers.elimination import reduced

HEAD = (
    "(set-logic LIA)(synth-fun f ((x Int) (y Int)) Int{})(synth-fun g ((x Int) (y Int)) Int)(synth-fun h ((x Int)) Int)"
)
VARIABLES = "(declare-var x Int)(declare-var y Int)"
LARGER = "(constraint (>= (g x y) x))(constraint (>= (g x y) y))(constraint (or (= (g x y) x) (= (g x y) y)))"
CHAIN = "(constraint (= (f x y) (+ (g x y) (g y (h x)))))(constraint (= (- x (g x 3)) (h x)))"


def problem(constraints: str, grammar: str = ""):
    return read_sygus_text(f"{HEAD.format(grammar)}{VARIABLES}{constraints}(check-synth)")


def test_equations_are_taken_out_each_after_those_that_call_it():
    system = reduced(problem(CHAIN + LARGER).spec)
    assert [function.name for function, _ in system.defined] == ["f", "h"]
    assert [function.name for function in system.rest.functions] == ["g"]
    assert len(system.rest.constraints) == 3


@pytest.mark.parametrize(
    "constraint",
    [
        "(= (f x x) (+ x 1))",  # says nothing where the arguments differ
        "(= (f x y) (+ (f y x) 1))",  # speaks of itself
        "(= (h x) y)",  # depends on more than the arguments
        "(= (f x 3) x)",
        "(or (= (h x) x) (= x y))",
        "(=> (> x 0) (= (h x) x))",
    ],
)
def test_what_does_not_say_all_of_a_function_defines_none(constraint):
    assert reduced(problem(f"(constraint {constraint})").spec) is None


def test_the_functions_are_found_and_proved_together():
    asked = problem(CHAIN + LARGER)
    found = solve(asked.spec, asked.grammars, budget=FormulaBudget(seconds=60))
    assert isinstance(found, Found)
    assert found.program.searcher == "equation, enumeration"
    assert "all 5 constraints" in found.claims[0].sentence
    _, g, h = asked.spec.functions
    assert found.program.programs[h](5) == 0
    assert found.program.programs[g](2, 7) == 7


def test_a_grammar_that_does_not_derive_the_definition_is_searched():
    grammar = "((I Int)) ((I Int (x y 0 (- I I))))"
    asked = problem("(constraint (= (f x y) (+ x (h y))))(constraint (= (h x) 0))", grammar)
    found = solve(asked.spec, asked.grammars, budget=FormulaBudget(seconds=60))
    assert isinstance(found, Found)
    assert "+" not in str(found.program.programs[asked.spec.functions[0]].term)
