"""A solver that finds no exception to anything is found out, in a search and where a program is given."""

from __future__ import annotations

import pytest

from backends import Unsat, get
from backends.session import decide
from tasks.formats.circuit_folder import load_circuit, shipped_path
from tasks.pipeline.distill import distill

pytestmark = pytest.mark.needs("z3")
RIGHT = 'def f(tokens):\n    return "\'" if "\'" in tokens else \'"\'\n'


@pytest.fixture
def asked(monkeypatch):
    """What a solver is asked that says unsat to every question but those about its assumptions."""
    names = []

    def lying(session, name, *rest):
        answer = decide(session, name, *rest)
        if name.endswith("/assumptions"):
            return answer
        names.append(name)
        return Unsat(answer.solver, answer.version, answer.seconds, ())

    monkeypatch.setattr("cegis.symbolic.decide", lying)
    return names


@pytest.mark.parametrize("program", [None, RIGHT], ids=["found", "given"])
def test_a_solver_that_proves_everything_is_not_believed(asked, program):
    network = load_circuit(shipped_path("quote_closing"))
    found = distill(network, network.domain.up_to(5), program=program, backend=get("z3"))
    assert asked
    assert found.is_proved  # by the list of all sequences
    assert not any("z3" in claim.sentence for claim in found.claims)
    assert any("not believed any more" in note for note in found.outcome.notes)
