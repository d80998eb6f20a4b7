"""What is printed as SMT-LIB means, to z3's own parser, what our readings say: no formula of ours lies in between."""

from __future__ import annotations

import pytest
import z3
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from quick import examples
from scalar_programs import drawn, inputs_of

from dsl.theories.theory import smt_text

UNFIXED = ("div", "mod")  # by zero they have any value


@pytest.mark.needs("z3")
@given(data=st.data())
@settings(max_examples=examples(120))
def test_z3_reads_the_printed_answer_as_the_same_function(data, derive):
    program = drawn(data, derive)
    signature = program.grammar.scalars
    row = data.draw(inputs_of(program.grammar))
    assume(not any(f"({name} " in program.sygus("f") for name in UNFIXED))
    arguments = " ".join(smt_text(value, sort) for value, (_, sort) in zip(row, signature.parameters, strict=True))
    value = smt_text(program(*row), signature.result)
    script = [*program.definitions(), program.sygus("f!"), f"(assert (distinct (f! {arguments}) {value}))"]
    solver = z3.Solver()
    solver.set("timeout", 5_000)
    solver.from_string("\n".join(script))
    assert solver.check() != z3.sat, script
