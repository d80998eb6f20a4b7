"""The enumerator: the simplest program of a grammar that agrees with every example, again and again.

Programs come in order of cost from three sources over one bank: a term that is right on all examples, a decision tree
over the bank's flags, and a threshold whose constants are solved for. A tree or threshold waits until the bank has
been grown to its cost, so cheaper programs come first; once the bank has reached its size limit, the cheapest known
one is proposed. When no deeper level can bring a new behaviour, the answer is ``Exhausted``: no program of this
grammar agrees with the examples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsl.composition import Composition
from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar, Production
from dsl.operators import INT, Term
from dsl.program import WORD, Program

NEAREST = 8  # programs that are named where none agrees with all examples
DEEPER, FEWEST = 4, 6  # levels beyond a full bank, of terms that are not kept; examples that make it worth it


@dataclass(frozen=True)
class Exhausted:
    """No program of the grammar agrees with the examples."""


@dataclass(frozen=True)
class Stopped:
    """Nothing found before a limit; ``reason`` says which."""

    reason: str


class Enumerator:
    """Searches ``grammar``. The bank stops growing deeper beyond about ``max_candidates`` (its size limit).

    Later examples split what is held and may bring it to twice that. It stops at ``max_memory_mb`` in any case.
    """

    def __init__(
        self,
        grammar: Grammar,
        *,
        max_candidates: int = 2_000_000,
        max_cost: int | None = None,
        max_memory_mb: float = 2048.0,
        seed: int = 0,
        with_thresholds: bool = True,
    ) -> None:
        self.grammar = grammar
        self.bank = Bank(grammar, seed=seed, max_memory_mb=max_memory_mb)
        self.level = 0
        self._max_candidates, self._max_cost = max_candidates, max_cost
        self._target = np.zeros(0, np.int64)
        self._choose = _find_choose(grammar)
        self._with_thresholds, self._thresholds = with_thresholds, dict[tuple[int, int], Any]()
        self._deepened = 0  # with how many examples deeper terms were looked for
        self._last = [p for p in grammar.productions if p.nonterminal == grammar.start and len(p.arguments) == 1]

    @property
    def candidates(self) -> int:
        """How many candidates were built so far."""
        return self.bank.candidates

    @property
    def memory_mb(self) -> float:
        """Memory of what is remembered, in MiB."""
        return self.bank.memory_mb

    def observe(self, tokens: Sequence[str], label: object) -> None:
        """Take one more example."""
        signature = self.grammar.sequences
        index = signature.label_index(label)
        self.bank.observe(signature.batch([tokens]))
        self._target = np.append(self._target, index)

    def propose(self, stop: Callable[[], bool] = lambda: False) -> Program | Exhausted | Stopped:
        """The simplest program that agrees with all examples; ``stop()`` is asked now and then."""
        grown = self.bank.grow(self.level, lambda: stop() or self._is_overfull())
        if not grown and not self._is_overfull() and not self.bank.is_out_of_memory:
            return Stopped("time limit")
        self._solve_thresholds()
        while True:
            found = self._known()
            if found is not None and found[0] <= self.level:
                return Program(found[1], self.grammar)
            if self._is_full():
                known = None if found is None else found[1]
                best = self._deeper(stop) if found is None or found[0] > self.level + DEEPER else None
                if best is not None or known is not None:
                    return Program(best or known, self.grammar)  # type: ignore[arg-type]
            if found is None and self.bank.is_saturated:
                return Exhausted()
            if self.bank.is_out_of_memory:
                return Stopped(f"memory limit of {self.bank.max_memory_mb:,g} MiB")
            if self._is_full():
                deep = self._max_cost is not None and self.level >= self._max_cost
                limit = f"cost {self._max_cost}" if deep else f"{self._max_candidates:,} candidates"
                return Stopped(f"search limit of {limit}")
            self.level += 1
            if not self.bank.grow(self.level, stop) and not self.bank.is_out_of_memory:
                return Stopped("time limit")

    def nearest(self) -> list[Program]:
        """A few programs that agree with the most of the examples, the cheapest of equal ones first."""
        terms = self.bank.agreeing(self.grammar.start, self._target, NEAREST)
        return [Program(term, self.grammar) for term in terms if term.magnitude < WORD]

    def _is_full(self) -> bool:
        if self.bank.is_out_of_memory or (self._max_cost is not None and self.level >= self._max_cost):
            return True
        return self.bank.candidates + self.bank.pending(self.level + 1) > self._max_candidates

    def _is_overfull(self) -> bool:
        return self.bank.candidates > 2 * self._max_candidates

    def _known(self) -> tuple[int, Term] | None:
        """The cheapest known program that agrees with the examples, with its cost."""
        found = []
        row = self.bank.find(self.grammar.start, self._target)
        if row is not None:
            found.append(self.bank.term(self.grammar.start, row))
        found += self._tuples()
        tree = self._tree()
        if tree is not None:
            found.append(tree)
        limit = math.inf if self._max_cost is None else self._max_cost
        held = [term for term in found if term.magnitude < WORD]  # else what runs would not be what is printed
        priced = [(cost, term) for term in held if (cost := self.grammar.cost(term)) is not None and cost <= limit]
        return min(priced, key=lambda pair: pair[0], default=None)

    def _deeper(self, stop: Callable[[], bool]) -> Term | None:
        """A right term of the start over one value, a few levels deeper than the bank, which does not grow.

        It is looked for when the examples have become half as many more, and no longer than the bank grew. Each
        production of the start has its share of that: what texts can say is soon said, what numbers can is not.
        """
        if self.bank.batch.examples < max(FEWEST, 1.5 * self._deepened):
            return None
        self._deepened = self.bank.batch.examples
        share = self.bank.seconds / max(1, len(self._last))
        found = [term for production in self._last if (term := self._deeper_by(production, share, stop)) is not None]
        return min(found, key=lambda term: self.grammar.cost(term) or math.inf, default=None)

    def _deeper_by(self, production: Production, seconds: float, stop: Callable[[], bool]) -> Term | None:
        """The same by one production: over what the bank holds, and over what can be made of it in one more step."""
        deadline = time.perf_counter() + seconds
        makers = frozenset(p for p in self.grammar.productions if p.nonterminal == production.arguments[0])

        from dsl.enumeration.streaming import match

        def is_late() -> bool:
            return stop() or time.perf_counter() > deadline

        def wanted(values: Any, start: int, end: int) -> Any:
            return np.equal(values, self._target[start:end])

        def right(values: Any, start: int, end: int) -> Any:
            said = production.operator.numpy(self.bank.batch.part(start, end), values)
            return np.broadcast_to(said == self._target[start:end], values.shape)

        for level in range(self.level + 1, self.level + 1 + DEEPER):
            found = match(self.bank, (production,), level, wanted, stop=is_late)
            if found is None:
                below = match(self.bank, makers, level - production.cost, right, stop=is_late)
                found = None if below is None else production.operator(below)
            if found is not None and found.magnitude < WORD:
                return found
        return None

    def _tuples(self) -> Iterator[Term]:
        """Labels that are tuples, of terms that are each right on its part of all."""
        from dsl.meaning import TupleOf

        for production in self.grammar.productions:
            meaning = production.operator.meaning
            if not isinstance(meaning, TupleOf) or not len(self._target):
                continue
            wanted = [meaning.values[label] for label in self._target]
            parts = []
            for place, name in enumerate(production.arguments):
                dtype = self.grammar.sorts[name].dtype
                values = np.array([None if value is None else value[place] for value in wanted], object)
                row = self.bank.find(name, values.astype(dtype)) if None not in wanted else None
                if row is not None:
                    parts.append(self.bank.term(name, row))
            if len(parts) == len(production.arguments):
                yield production.operator(*parts)

    def _tree(self) -> Term | None:
        if self._choose is None:
            return None
        from dsl.deduction.conditionals import join

        labels = self.bank.stores[self.grammar.start].values
        tries = 1 if len(np.unique(self._target)) <= 2 else 4  # of many labels, terms may be right on several
        joined = join(self.bank, self.grammar.start, labels == self._target, kinds=self._target, tries=tries)
        return joined if isinstance(joined, Term) else None

    def _solve_thresholds(self) -> None:
        """Put solved thresholds for each wanted value among the flags."""
        if self._choose is None or not self._with_thresholds:
            return
        from dsl.deduction.thresholds import solve_thresholds
        from dsl.meaning import Constant

        basis = [
            p.operator()
            for p in self.grammar.productions
            if not p.arguments
            and p.operator.result == INT
            and not isinstance(p.operator.meaning, Constant | Composition)
        ]
        values = np.array([term.evaluate(self.bank.batch) for term in basis], np.int64)
        values = values.reshape(len(basis), len(self._target))
        kinds = np.unique(self._target)
        for kind in kinds[1:] if len(kinds) == 2 else kinds:
            found = solve_thresholds(
                self.grammar, basis, values, self._target == kind, seconds=1.0, known=self._thresholds, kind=int(kind)
            )
            for term in found:
                flag = self._choose.arguments[0]
                cost = self.grammar.cost(term, flag)
                if cost is not None:
                    self.bank.add(flag, term, cost)


def _find_choose(grammar: Grammar) -> Production | None:
    """The production ``start -> choose(flag, start, start)``, if the grammar has one."""
    for production in grammar.productions:
        is_of_start = production.nonterminal == grammar.start and production.operator.is_choice
        if is_of_start and production.arguments[1:] == (grammar.start, grammar.start):
            return production
    return None
