"""The search for several functions that a formula speaks of together: tuples of terms, smallest total cost first.

Each function has a bank of its own. A tuple is judged by its values at the points alone, so rows that already fail the
tests of their own function are left out, and the rest are combined level by level, thousands at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from cegis.formulas.formula import FormulaSpec, Function
from cegis.formulas.points import Points
from cegis.formulas.sampling import sample
from cegis.formulas.solution import Solution
from cegis.loop import Budget
from dsl.enumeration.bank import Bank
from dsl.enumeration.index_ranges import splits
from dsl.enumerator import Exhausted, Stopped
from dsl.grammar import Grammar
from dsl.program import Program
from dsl.scalars import Value

POOL = 200  # sampled valuations that a candidate must pass
FIRST = 8
CHUNK = 2_000_000  # values judged at once
Stop = Callable[[], bool]


class JointSearch:
    """Searches ``grammars`` for all functions of ``spec`` at once; calls must not be nested."""

    def __init__(
        self, spec: FormulaSpec, grammars: Mapping[Function, Grammar], *, budget: Budget, seed: int = 0
    ) -> None:
        self._spec, self._grammars, self._budget = spec, grammars, budget
        self._pool, self._points = Points(spec), Points(spec)
        self._pool.add_ground()
        self._pool.add(sample(spec, POOL, seed=seed))
        share = budget.memory_mb / len(grammars)
        self._banks = {f: Bank(grammar, seed=seed, max_memory_mb=share) for f, grammar in grammars.items()}
        self._total, self._combined = len(grammars), 0
        self._learn(np.linspace(0, self._pool.tests - 1, min(FIRST, self._pool.tests)).astype(int).tolist())

    @property
    def candidates(self) -> int:
        """How many programs were tried so far."""
        return self._combined + sum(bank.candidates for bank in self._banks.values())

    @property
    def memory_mb(self) -> float:
        """What the values that are kept take, in MB."""
        return sum(bank.memory_mb for bank in self._banks.values())

    @property
    def level(self) -> int:
        """Up to which cost everything was built."""
        return self._total - 1

    def observe(self, inputs: tuple[Value, ...], expected: object) -> None:
        """Take a valuation of the variables at which a candidate failed."""
        known = self._known()
        for points in (self._pool, self._points):
            points.add([inputs])
        self._widen(known)

    def propose(self, stop: Stop) -> Solution | Exhausted | Stopped:
        """The cheapest tuple that passes every test."""
        while True:
            for bank in self._banks.values():
                if not bank.grow(self._total - len(self._banks) + 1, stop):
                    return Stopped("memory limit" if bank.is_out_of_memory else "time limit")
            for rows in self._tuples(stop):
                failed = self._failed(rows)
                if not failed:
                    return self._solution(rows)
                self._learn(failed)
                break
            else:
                if stop():
                    return Stopped("time limit")
                if self.candidates > self._budget.candidates or self._total >= self._budget.cost:
                    return Stopped(f"search limit of {self._budget.candidates:,} candidates")
                self._total += 1

    def _known(self) -> dict[Function, int]:
        return {function: len(points) for function, points in self._points.arguments.items()}

    def _learn(self, numbers: list[int]) -> None:
        """Take tests of the pool into the banks."""
        known = self._known()
        self._points.take(self._pool, numbers)
        self._widen(known)

    def _widen(self, known: Mapping[Function, int]) -> None:
        for function, bank in self._banks.items():
            fresh = self._points.columns(function, known[function])
            if fresh.examples:
                bank.observe(fresh)

    def _tuples(self, stop: Stop) -> Iterator[dict[Function, int]]:
        """Rows of each function that pass all tests together, at costs that sum up to the current total."""
        functions = list(self._banks)
        for costs in splits(self._total, len(functions)):
            levels = [
                self._banks[f].level_rows(self._grammars[f].start, c) for f, c in zip(functions, costs, strict=True)
            ]
            shape = tuple(map(len, levels))
            step = max(1, CHUNK // max(1, self._points.tests))
            for start in range(0, math.prod(shape), step):
                if stop():
                    return
                places = np.unravel_index(np.arange(start, min(start + step, math.prod(shape))), shape)
                rows = {f: level[place] for f, level, place in zip(functions, levels, places, strict=True)}
                self._combined += len(places[0])
                values = {f: self._values(f, chosen) for f, chosen in rows.items()}
                for hit in np.flatnonzero(self._points.judge(values).all(axis=1)):
                    yield {function: int(chosen[hit]) for function, chosen in rows.items()}

    def _values(self, function: Function, rows: NDArray[np.int32]) -> NDArray[np.generic]:
        store = self._banks[function].stores[self._grammars[function].start]
        words = store.words[rows]
        return words if store.pool is None else store.pool.objects(words)

    def _solution(self, rows: Mapping[Function, int]) -> Solution:
        terms = {f: self._banks[f].term(self._grammars[f].start, row) for f, row in rows.items()}
        return Solution({f: Program(term, self._grammars[f]) for f, term in terms.items()}, "enumeration")

    def _failed(self, rows: Mapping[Function, int]) -> list[int]:
        """Tests of the pool that a tuple fails, a few of them."""
        values = {}
        for function, program in self._solution(rows).programs.items():
            columns = self._pool.columns(function)
            values[function] = np.broadcast_to(np.asarray(program.term.evaluate(columns)), (1, columns.examples))
        wrong = np.flatnonzero(~self._pool.judge(values)[0])
        return [int(number) for number in wrong[:2]]
