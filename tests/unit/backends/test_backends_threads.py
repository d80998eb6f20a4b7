"""Sessions in several threads at once, and what a session leaves behind."""

from __future__ import annotations

import gc
import random
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from pysmt.environment import Environment
from pysmt.logics import QF_BV
from pysmt.typing import BVType

from backends.answer import Answer, Sat, Unsat
from backends.backend import Backend
from backends.bitwuzla import BITWUZLA
from backends.cvc5 import CVC5
from backends.session import Session, decide
from backends.z3 import Z3

SOLVERS = [pytest.param(one, id=one.name, marks=pytest.mark.needs(one.name)) for one in (Z3, CVC5, BITWUZLA)]
QUERIES = 12


def asked(session: Session, seed: int, queries: int = 3) -> list[Answer]:
    """Answers to random questions about three words of eight bits."""
    manager, drawn = session.environment.formula_manager, random.Random(seed)
    a, b, c = (manager.Symbol(f"word{n}", BVType(8)) for n in range(3))
    product = manager.BVMul(manager.BVAdd(a, b), c)
    wanted = [manager.BV(drawn.getrandbits(8) | 1, 8) for _ in range(queries)]
    return [
        decide(session, "a product", manager.And(manager.Equals(product, one), manager.BVULT(a, c))) for one in wanted
    ]


def fresh(backend: Backend) -> Session:
    return backend.open(Environment(), QF_BV)


def shown(answer: Answer) -> object:
    return dict(answer.model) if isinstance(answer, Sat) else type(answer)


@pytest.mark.parametrize("backend", SOLVERS)
def test_threads_may_each_have_a_session(backend):
    def many(seed: int) -> list[object]:
        found = []
        for n in range(QUERIES // 3):
            with fresh(backend) as session:
                found += map(shown, asked(session, seed + n))
        return found

    with ThreadPoolExecutor(3) as threads:
        beside = [*threads.map(many, range(3))]
    assert beside == [many(seed) for seed in range(3)]
    assert any(isinstance(one, dict) for one in beside[0])


@pytest.mark.needs("z3")
def test_what_another_thread_collects_is_not_in_use():
    """A solver that is thrown away, open, is collected wherever the next collection is: in any thread."""
    with fresh(Z3) as session, ThreadPoolExecutor(1) as other:
        before = [*map(shown, asked(session, 0))]
        left = [fresh(Z3) for _ in range(3)]
        for one in left:
            asked(one, 1)
        collecting = other.submit(lambda: [gc.collect() for _ in range(5)])
        left.clear()
        after = [[*map(shown, asked(session, 0))] for _ in range(5)]
        collecting.result()
        assert all([type(one) for one in found] == [type(one) for one in before] for found in after)


@pytest.mark.needs("z3")
def test_a_closed_session_leaves_no_context_behind():
    gc.disable()
    try:
        with fresh(Z3) as session:
            assert isinstance(asked(session, 2)[0], Sat | Unsat)
            context = weakref.ref(session._engine._solver.z3.ctx)
        assert context() is None
    finally:
        gc.enable()


@pytest.mark.needs("z3")
def test_an_answer_does_not_depend_on_what_others_asked():
    with fresh(Z3) as session:
        alone = [*map(shown, asked(session, 3))]
    with fresh(Z3) as other:
        asked(other, 4, QUERIES)
        with fresh(Z3) as session:
            assert [*map(shown, asked(session, 3))] == alone
