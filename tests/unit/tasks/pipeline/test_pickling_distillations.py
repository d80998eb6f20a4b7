"""What a distillation returns goes through a process pool: searched there, read here."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from backends import get
from cegis import Domain, Found, Spec, motifs, read_sygus, synthesize
from tasks.formats import Question, load
from tasks.formats.circuit_folder import circuit_folder
from tasks.pipeline.distill import distill
from tasks.pipeline.report import distillation_json

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def of_circuit(name, length, backend=None):
    model = load(circuit_folder(name), Question())
    return distill(model, model.domain.up_to(length), backend=backend and get(backend), seconds=20)


def is_whole(there, here):
    assert there.program == here.program
    assert there.program.source() == here.program.source()
    assert [claim.sentence for claim in there.claims] == [claim.sentence for claim in here.claims]
    assert distillation_json(there)["sentence"] == distillation_json(here)["sentence"]


@pytest.mark.slow
def test_a_distillation_is_made_in_another_process():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(of_circuit, "quote_closing", 5).result()
    is_whole(there, of_circuit("quote_closing", 5))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "length", "backend"), [
    ("bracket_depth_deep", 20, None),  # beyond listing
    ("bracket_dilution", 8, None),  # an automaton, or a short rule with exceptions
    pytest.param("bracket_depth", 5, "z3", marks=pytest.mark.needs("z3")),  # with a surrogate
])  # fmt: skip
def test_distillations_of_every_kind_come_back(name, length, backend):
    here = of_circuit(name, length, backend)
    is_whole(pickle.loads(pickle.dumps(here)), here)


def test_an_outcome_comes_back():
    spec = Spec(Domain(("a", "b"), 1, 4), lambda tokens: tokens[-1])
    outcome = synthesize(spec, motifs(("a", "b"), ("a", "b")))
    assert isinstance(outcome, Found)
    assert pickle.loads(pickle.dumps(outcome)) == outcome


@pytest.mark.needs("z3")
def test_a_formula_and_its_solution_come_back():
    problem = read_sygus(EXAMPLES / "distance.sl")
    outcome = synthesize(problem.spec, verifier="z3")
    assert isinstance(outcome, Found)
    there = pickle.loads(pickle.dumps(outcome))
    assert there == outcome
    assert there.program.source() == outcome.program.source()
    assert pickle.loads(pickle.dumps(problem.spec)) == problem.spec
