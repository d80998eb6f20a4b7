"""Several functions found one after the other."""

from specs import call, function, integers, of

from backends import get
from cegis import Budget, Found
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.refutation import Refutation
from cegis.searchers.solving import solve
from cegis.searchers.stepwise import StepwiseSearch, is_stepwise
from cegis.verdict import Valid
from dsl.grammars.defaults import default_grammar
from dsl.operators import BOOL, INT
from dsl.theories.theory import literal

x, y = integers("x", "y")
zero, one, ten = (literal(value, INT)() for value in (0, 1, 10))
quotient = function("quotient", ("a", INT), result=INT)
rest = function("rest", ("a", INT), result=INT)


def divided_by_ten():
    """quotient and rest of numbers from 0 below 20: neither constraint alone says what they are."""
    q, r = call(quotient, x), call(rest, x)
    inside = of("and", of("<=", zero, x), of("<", x, of("+", ten, ten)))
    parts = (of("<=", zero, r), of("<", r, ten), of("=", x, of("+", of("*", ten, q), r)))
    return FormulaSpec((quotient, rest), (("x", INT),), tuple(of("=>", inside, part) for part in parts))


def test_functions_that_only_make_sense_together_are_found():
    spec = divided_by_ten()
    outcome = solve(spec, {}, backend=get("z3"), budget=Budget(seconds=60, cost=60, candidates=50_000_000))
    assert isinstance(outcome, Found)
    with Refutation(spec, get("cvc5")) as second:
        assert isinstance(second.check(outcome.program), Valid)
    found = {f.name: program for f, program in outcome.program.programs.items()}
    assert [(found["quotient"](n), found["rest"](n)) for n in (0, 9, 10, 19)] == [(0, 0), (0, 9), (1, 0), (1, 9)]


def test_values_are_allowed_where_the_other_function_can_follow():
    spec = divided_by_ten()
    grammars = {f: default_grammar(f.signature) for f in spec.functions}
    search = StepwiseSearch(spec, grammars, backend=get("z3"), budget=Budget())
    search._list([(7,), (13,), (50,)], lambda: False)
    wanted = {(7,): 0, (13,): 1} if search._function == quotient else {(7,): 7, (13,): 3}
    assert search._allowed == {arguments: frozenset({value}) for arguments, value in wanted.items()}  # 50: anything


def test_one_call_of_each_is_asked_for():
    f, g = function("f", ("a", INT), result=INT), function("g", ("a", INT), result=BOOL)
    once = FormulaSpec((f, g), (("x", INT),), (of("=", call(g, x), of("<=", call(f, x), zero)),))
    twice = FormulaSpec((f, g), (("x", INT),), (of("=", call(g, x), of("<=", call(f, x), call(f, one))),))
    nested = FormulaSpec((f, g), (("x", INT),), (of("=", call(g, call(f, x)), of("<=", x, zero)),))
    assert is_stepwise(once)
    assert not is_stepwise(twice)
    assert not is_stepwise(nested)
