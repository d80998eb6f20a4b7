"""Laws of small problems: what is refuted has no values, for z3 as well; values that are found hold."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples
from quick_terms import applied, as_z3, condition, variables

from cegis.quick.certificates import check
from cegis.quick.nodes import BOOL, INT, BeyondError, literal
from cegis.quick.refutation import Prover, holds

KNOWN = variables("x", "y", "z")
FLAGS = variables("p", "q", sort=BOOL)
laws = settings(max_examples=examples(200), deadline=None, derandomize=True)


def asked(case: Any) -> str:
    solver = z3.Solver()
    for term, truth in case:
        solver.add(as_z3(term) if truth else z3.Not(as_z3(term)))
    return str(solver.check())


def drawn_case(seed: int) -> list[Any]:
    choose = Random(seed)
    return [
        (condition(choose, KNOWN + FLAGS * (seed % 2), 3), choose.random() < 0.8) for _ in range(choose.randint(1, 5))
    ]


@given(seed=st.integers(0, 2**32))
@laws
def test_what_is_refuted_has_no_values_and_values_that_are_found_hold(seed):
    case = drawn_case(seed)
    try:
        found = Prover().refuted(case)
    except BeyondError:
        return
    if isinstance(found, tuple):
        assert asked(case) == "unsat"
        assert check(case, found)
    else:
        assert holds(case, dict(found))
        assert asked(case) == "sat"


@pytest.mark.parametrize("seed", range(3))
def test_most_cases_are_decided_both_ways(seed):
    ends = {"refuted": 0, "values": 0, "unknown": 0}
    for number in range(60):
        try:
            found = Prover().refuted(drawn_case(1_000 * seed + number))
            ends["refuted" if isinstance(found, tuple) else "values"] += 1
        except BeyondError:
            ends["unknown"] += 1
    assert ends["refuted"] >= 3
    assert ends["values"] >= 20
    assert ends["unknown"] <= 5


def changed(refutation: Any, choose: Random) -> Any:
    """The same with one number, or one part, of it another."""
    if refutation[0] == "split":
        kind, place, parts = refutation
        if not parts:
            return (kind, place, (("closed", ()),))
        number = choose.randrange(len(parts))
        if choose.random() < 0.3:
            return (kind, place, parts[:number] + parts[number + 1 :])
        return (kind, place, (*parts[:number], changed(parts[number], choose), *parts[number + 1 :]))
    steps = list(refutation[1])
    if not steps or choose.random() < 0.2:
        return ("closed", tuple(steps[:-1]))
    number = choose.randrange(len(steps))
    terms, divisor = steps[number]
    if choose.random() < 0.3 or not terms:
        steps[number] = (terms, divisor + choose.choice((-1, 1, 2)))
    else:
        place = choose.randrange(len(terms))
        line, factor = terms[place]
        new = (line, choose.choice((-factor, 0, factor + 1))) if choose.random() < 0.6 else (max(0, line - 1), factor)
        steps[number] = ((*terms[:place], new, *terms[place + 1 :]), divisor)
    return ("closed", tuple(steps))


@given(seed=st.integers(0, 2**32))
@laws
def test_a_changed_refutation_of_a_case_that_holds_is_never_believed(seed):
    """The refutation of a case, changed, for a case with values: one condition left out, or turned around."""
    choose = Random(seed)
    case = drawn_case(seed)
    try:
        refutation = Prover().refuted(case)
    except BeyondError:
        return
    if not isinstance(refutation, tuple):
        return
    weaker = [pair for place, pair in enumerate(case) if place != choose.randrange(len(case))]
    for other in (weaker, [(term, not truth) for term, truth in case]):
        for attempt in (refutation, changed(refutation, choose), changed(refutation, choose)):
            try:
                is_believed = check(other, attempt)
            except (IndexError, KeyError, BeyondError):
                continue
            assert not is_believed or asked(other) == "unsat"


@given(seed=st.integers(0, 2**32))
@laws
def test_a_condition_that_fails_at_one_far_point_is_never_proved(seed):
    """Beside conditions that hold there: the case has these values, and they are found, or nothing is known."""
    choose = Random(seed)
    far = {one: choose.randint(-(10**9), 10**9) for one in KNOWN}
    case = [(applied("<=", one, literal(value, INT)), True) for one, value in far.items()]
    case += [(applied(">", one, literal(value - 1, INT)), True) for one, value in far.items()]
    for _ in range(3):
        term = condition(choose, KNOWN, 2)
        case.append((term, holds([(term, True)], dict(far))))
    choose.shuffle(case)
    try:
        found = Prover().refuted(case)
    except BeyondError:
        return
    assert found == far
    assert not check(case, ("closed", ()))


def test_a_truth_value_is_a_condition():
    always, never = literal(True, BOOL), literal(False, BOOL)
    refutation = Prover().refuted([(never, True)])
    assert isinstance(refutation, tuple)
    assert check([(never, True)], refutation)
    assert check([(always, False)], refutation)
    assert not check([(always, True), (applied("<=", KNOWN[0], KNOWN[1]), True)], ("closed", ()))
