"""What masks choose, as early as can be, is right at all words and of the grammar, and never called infeasible."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from cegis import Budget, Found
from cegis.searchers import search
from cegis.searchers.solving import solve
from cegis.sygus import read_text

pytestmark = pytest.mark.needs("z3")
TESTS = {"(= {} {})": lambda x, y: x == y, "(bvult {} {})": lambda x, y: x < y}
TEXT = """
    (synth-fun f ((x (_ BitVec 3)) (y (_ BitVec 3)) (z (_ BitVec 3))) (_ BitVec 3)
        ((W (_ BitVec 3)) (T Bool) (One (_ BitVec 3)) (Zero (_ BitVec 3)))
        ((W (_ BitVec 3) (x y z (bvand W W) (bvxor W W) (bvneg W) (bvnot W) (ite T One Zero)))
         (T Bool ((= W W) (bvult W W))) (One (_ BitVec 3) (#b001)) (Zero (_ BitVec 3) (#b000))))
    (declare-var x (_ BitVec 3)) (declare-var y (_ BitVec 3)) (declare-var z (_ BitVec 3))
    (constraint (= (f x y z) (ite {} {} (ite {} {} {}))))
    (check-synth)
"""
WORDS = st.sampled_from("xyz")


@settings(max_examples=examples(30))
@given(
    st.lists(st.sampled_from([*TESTS]), min_size=2, max_size=2),
    st.lists(WORDS, min_size=7, max_size=7),
    st.sampled_from([1, 4]),
)
def test_what_masks_choose_is_right_at_all_words(tests, names, leaves):
    a, b, c, d, one, two, three = names
    text = TEXT.format(tests[0].format(a, b), one, tests[1].format(c, d), two, three)
    problem = read_text(text)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(search, "PATIENCE", 0)
        changed.setattr(search, "FEW", leaves)
        found = solve(problem.spec, problem.grammars, budget=Budget(seconds=20))
    assert isinstance(found, Found), found
    ((function, program),) = found.program.programs.items()
    assert problem.grammars[function.name].cost(program.term) is not None
    scope: dict[str, object] = {}
    exec(program.source("f"), scope)
    for values in product(range(8), repeat=3):
        at = dict(zip("xyz", values, strict=True))
        first, second = TESTS[tests[0]](at[a], at[b]), TESTS[tests[1]](at[c], at[d])
        assert scope["f"](*values) == (at[one] if first else at[two] if second else at[three])
