"""The search for one function of a formula: candidates right at the points seen so far, simplest first.

Five sources share one bank of enumerated terms (``dsl.enumeration.bank``), grown level by level:

- a term of the bank that passes every test;
- for a pointwise specification, a decision tree over terms right at some points and flags of the bank, joined by what
  the specification itself says of values and conditions (``cegis.formulas.harvest``);
- for known targets, one more operator than the bank has: its inverse asks for the missing argument
  (``dsl.deduction.inverses``);
- for known numbers and grammars that take any literal, literals solved for (``dsl.deduction.constants``,
  ``dsl.deduction.parts``);
- for known strings, chains and substrings from the goal down (``dsl.deduction.string_goals``).

Where a grammar of words has no conditional, and none of these had anything soon, words are joined by masks
(``dsl.deduction.masks``); what they say is larger than need be, so it is proposed under a name of its own and beaten.

For a pointwise specification a bank that is full, or stalled, without a candidate is begun again in the order of costs
learned from the terms right at some points (``dsl.enumeration.learning``), twice; each bank has the budget's candidates
and memory for itself. What is found is priced by the user's grammar all the same, and that nothing is found so proves
nothing: one that had only stalled goes on in the user's order.

A candidate waits until the bank has reached its cost, so that cheaper ones come first, but no longer than ``PATIENCE``
candidates. Before it is proposed it must pass a larger pool of tests; those it fails are learnt. What is proposed is
right at points, no more: the verifier decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cegis.formulas.formula import FormulaSpec, Function, subterms
from cegis.formulas.points import Points
from cegis.formulas.sampling import nearby, sample
from cegis.formulas.solution import Solution
from cegis.loop import Budget
from cegis.sygus.productions import restricted
from dsl.enumeration.bank import Bank
from dsl.enumerator import Exhausted, Stopped
from dsl.grammar import Grammar
from dsl.operators import STRING, GrammarError, Term
from dsl.program import Program
from dsl.scalars import Value
from dsl.theories.theory import find

if TYPE_CHECKING:
    from cegis.formulas.harvest import Harvest
    from dsl.deduction.trees import Tree
    from dsl.enumeration.values import Values

PATIENCE = 200_000  # candidates built before a candidate that is not known to be the cheapest is proposed, at most
LEAST_PATIENCE, OBJECT_PATIENCE = 100_000, 30_000  # at least; where there are strings or reals, which take longer
WAITING = 20  # as many times those there were when it was found
POOL = 1_000  # sampled valuations, at least, that a candidate must pass before the verifier is asked
FOR_EACH = 200  # as many for each variable: with more of them the telling valuations are rarer
FIRST = 12  # tests the search begins with
NEARBY = 24  # variations of a counterexample that join the pool
TRUSTING = 5  # refuted candidates after which harvested values are joined as the specification says, at any length
LEARNT = 4  # tests learnt from one failure in the pool
FEW = 4  # words that are first joined by masks, at most, and twice as many where that fails: they cost more than what
# says the same without
TRIALS = 12  # times that masks are tried
MASKS = "masks"  # who proposes what they join
RENEWED = 1.6  # by which factor the bank grows between two attempts to join its terms
CHUNK = 4_000_000  # values judged at once
FAR = 1_000  # times as many candidates as were built are not looked out for: it takes long to count what is ahead
RELEARNT = 2  # times that a bank is begun again with learned costs
STALLED = 4_000_000  # candidates built, and none to propose, after which a bank is begun again
PARTIAL = 48  # terms to learn them from
HARD = frozenset({"*", "div", "mod", "bvmul", "bvudiv", "bvurem", "bvsdiv", "bvsrem", "bvsmod"})  # for solvers
Stop = Callable[[], bool]


@dataclass(frozen=True)
class Choice:
    """A candidate and its cost."""

    cost: int
    term: Term


class PointSearch:
    """Searches ``grammar`` for the only function of ``spec``, whose calls must not be nested.

    ``valuations`` are tests that every candidate must pass, beside sampled ones.
    """

    def __init__(
        self,
        spec: FormulaSpec,
        grammar: Grammar,
        *,
        budget: Budget,
        seed: int = 0,
        valuations: Sequence[tuple[Value, ...]] = (),
    ) -> None:
        (self._function,) = spec.functions
        self._spec, self._home, self._grammar, self._budget = spec, grammar, grammar, budget
        self._pool, self.points = Points(spec), Points(spec)
        self._pool.add_ground()
        self._pool.add(sample(spec, max(POOL, FOR_EACH * len(spec.variables)), seed=seed))
        for place, valuation in enumerate(valuations):
            self._pool.add([valuation, *nearby(spec, valuation, NEARBY, seed=place)])
        self._seed, self._avoided = seed, frozenset[str]()
        self._refuted = self._earlier = self._reached = 0
        self._turn = 0 if self._pool.is_pointwise else RELEARNT + 1  # the first and the last in the user's order
        self._was_full = False
        self._bank, self._level = self._new_bank(grammar), 0
        self._asked, self._joined = -1, list[Choice]()
        self._trials, self._leaves = TRIALS, FEW  # of joining words by masks
        self._looked = 0.0  # candidates built at the last
        self._patience = PATIENCE
        self._said: tuple[tuple[int, bool], tuple[Term, ...]] = ((-1, False), ())
        self._learn(np.linspace(0, self._pool.tests - 1, min(FIRST, self._pool.tests)).astype(int).tolist())

    def _new_bank(self, grammar: Grammar) -> Bank:
        return Bank(grammar, seed=self._seed, max_memory_mb=self._budget.memory_mb)

    def _start_afresh(self, grammar: Grammar) -> None:
        """Leave the bank for one over ``grammar``, at the same points."""
        self._earlier += self._bank.candidates
        self._bank, self._level = self._new_bank(grammar), 0
        self._widen(0)

    @property
    def candidates(self) -> int:
        """How many programs were tried so far."""
        return self._earlier + self._bank.candidates

    @property
    def memory_mb(self) -> float:
        """What the values that are kept take, in MB."""
        return self._bank.memory_mb

    @property
    def level(self) -> int:
        """Up to which cost everything was built."""
        return self._reached

    def observe(self, inputs: tuple[Value, ...], expected: object) -> None:
        """Take a valuation of the variables at which a candidate failed."""
        self._refuted += 1
        self._looked = self.candidates / RENEWED
        known = len(self.points.arguments[self._function])
        for points in (self._pool, self.points):
            points.add([inputs])
        self._widen(known)
        self._pool.add(nearby(self._spec, inputs, NEARBY, seed=self._pool.tests))

    def avoid(self, solution: Solution) -> bool:
        """Start again without the multiplications and divisions of a solution that could not be decided.

        False where it has none, or where nothing is left without them.
        """
        names = hard_operators(solution)
        kept = {p.operator.name for p in self._grammar.productions if p.arguments} - names
        try:
            grammar = restricted(self._grammar, kept) if names else self._grammar
        except GrammarError:
            return False
        if not names:
            return False
        self._avoided, self._grammar = self._avoided | names, grammar
        self._start_afresh(grammar)
        return True

    def propose(self, stop: Stop) -> Solution | Exhausted | Stopped:
        """The simplest candidate known that passes every test."""
        while True:
            before = self._bank.candidates
            if self._grow(stop) and not self._is_learned:
                self._reached = max(self._level, self._reached)
            if stop():
                return Stopped("time limit")
            choice = self._cheapest(stop)
            is_full = self._is_full()
            if choice is not None and choice.cost > self._level and (is_full or self._is_impatient()):
                choice = self._cheapest(stop, is_last=True)
            if choice is not None and (choice.cost <= self._level or is_full or self._is_impatient()):
                failed = self._failed(choice.term)
                if not failed:
                    return Solution({self._function: Program(choice.term, self._home)}, "enumeration")
                if not stop():
                    self._learn(failed)
                continue
            if not stop() and self._is_time_for_masks(is_full):
                early = self._masked(stop)
                if early is not None:
                    return early
                continue
            if stop():
                return Stopped("time limit")
            is_over = is_full or (self._is_learned and self._bank.is_saturated)
            if (is_over or self._is_stalled()) and self._begins_again():
                continue
            if is_over:
                return Stopped(self._limit())
            if choice is None and self._bank.candidates == before and self._bank.is_saturated:
                return Stopped(f"nothing without {', '.join(sorted(self._avoided))}") if self._avoided else Exhausted()
            self._level += 1

    def _grow(self, stop: Stop) -> bool:
        """Whether the bank reached the level, before something was to be done."""
        return self._bank.grow(
            self._level,
            lambda: (
                stop()
                or self._is_stalled()
                or self._bank.candidates > self._budget.candidates
                or self._is_time_for_masks()
                or (bool(self._joined) and self._is_impatient())
            ),
        )

    # --- tests --------------------------------------------------------------------------------------------------

    def _learn(self, numbers: Sequence[int]) -> None:
        """Take tests of the pool into the bank."""
        known = len(self.points.arguments[self._function])
        self.points.take(self._pool, numbers)
        self._widen(known)

    def _widen(self, known: int) -> None:
        """Let the bank observe the points from number ``known`` on."""
        fresh = self.points.columns(self._function, known)
        if fresh.examples:
            self._bank.observe(fresh)
        self._asked, self._joined = -1, []

    def _failed(self, term: Term) -> list[int]:
        """Tests of the pool that a candidate fails, a few of them."""
        wrong = np.flatnonzero(~self._pool.judge({self._function: _at(term, self._pool, self._function)})[0])
        return [int(number) for number in wrong[:: max(1, len(wrong) // LEARNT)][:LEARNT]]

    # --- sources ------------------------------------------------------------------------------------------------

    def _cheapest(self, stop: Stop, *, is_last: bool = False) -> Choice | None:
        """The cheapest candidate known that is right at all points seen so far.

        Once there is one, rows are joined again when it is the ``is_last`` look, and not on the way there.
        """
        found = list(self._rows())
        if found and found[0].cost <= self._level:
            return found[0]
        is_due = is_last or not self._joined
        if is_due and self._bank.candidates > RENEWED * self._asked:  # dearer sources, when there is enough new to join
            self._asked = self._bank.candidates
            self._joined = list(self._harvested(stop))
            trees = () if self._joined else (self._trees,)
            sources = (self._fitted, *trees, self._goals, self._inverses) if self._asked else ()
            self._joined += [choice for source in sources if not stop() for choice in source(stop)]
            if stop():
                self._asked = -1
            if self._joined and not is_last:
                are_objects = any(sort.dtype == "object" for sort in self._grammar.sorts.values())
                least = OBJECT_PATIENCE if are_objects else LEAST_PATIENCE
                self._patience = max(least, min(PATIENCE, WAITING * self._bank.candidates))
        return min([*found, *self._joined], key=lambda choice: choice.cost, default=None)

    def _rows(self) -> Iterator[Choice]:
        """Terms of the bank itself."""
        start, store = self._grammar.start, self._bank.stores[self._grammar.start]
        target = self.points.targets(self._function)
        if target is None:
            rows = np.flatnonzero(self._passing()).tolist()
        else:
            row = self._bank.find(start, target)
            rows = [] if row is None else [row]
        if rows:
            best = min(rows, key=lambda row: int(store.origin[row, 0]))
            yield from self._priced([self._bank.term(start, best)])

    @cached_property
    def _mined(self) -> Harvest | None:
        """What the specification itself says of its values, where it has a single call."""
        if len(self._spec.flat.calls) != 1:
            return None
        from cegis.formulas.harvest import harvest

        return harvest(self._spec)

    def _harvested(self, stop: Stop) -> Iterator[Choice]:
        """What the specification itself says, joined on the whole pool; worked out again once that has grown."""
        known = (self._pool.tests, self._refuted > TRUSTING)
        if self._said[0] == known:
            yield from self._priced(self._said[1])
            return
        said = tuple(self._joined_as_said(stop))
        if not stop():  # what was ended on the way is worked out again
            self._said = known, said
        yield from self._priced(said)

    def _joined_as_said(self, stop: Stop) -> Iterator[Term]:
        """What the specification says of its values and conditions, as a chain, and as a decision tree."""
        if self._mined is None or not self._mined.terms:
            return
        from cegis.searchers.chain import chain
        from dsl.deduction.trees import Stuck, grow_tree
        from dsl.enumeration.values import Values

        columns = self._pool.columns(self._function)
        values = Values(columns)
        right = self._pool.right(self._function, _stacked(self._mined.terms, values, columns.examples))
        is_whole = self._refuted > TRUSTING
        term = chain(self._mined, right, columns, whole=is_whole)
        if term is None:
            return
        yield term
        if is_whole:
            return
        flags = _stacked(self._mined.predicates, values, columns.examples).astype(bool)
        tree = grow_tree(right, _sizes(self._mined.terms), flags, _sizes(self._mined.predicates), stop=stop)
        if not isinstance(tree, Stuck):
            yield self._built(tree)

    def _built(self, tree: Tree) -> Term:
        """A tree over harvested terms and predicates as a term."""
        from dsl.deduction.trees import Leaf, Split

        assert self._mined is not None
        match tree:
            case Leaf(row):
                return self._mined.terms[row]
            case Split(flag, then, otherwise):
                arguments = (self._mined.predicates[flag], self._built(then), self._built(otherwise))
                return find("ite", tuple(argument.sort for argument in arguments))(*arguments)
        raise AssertionError("a tree without guards has none")

    def _trees(self, stop: Stop) -> Iterator[Choice]:
        """Terms right at some points, joined by the grammar's conditionals."""
        if not self.points.is_pointwise:
            return
        from dsl.deduction.conditionals import conditionals, join
        from dsl.deduction.trees import Stuck

        if not conditionals(self._grammar, self._grammar.start):
            return
        term = join(self._bank, self._grammar.start, self._right(), stop=stop)
        yield from self._priced([] if isinstance(term, Stuck) else [term])

    def _is_time_for_masks(self, is_full: bool = False) -> bool:
        is_late = is_full or self.candidates > PATIENCE
        return is_late and self._trials > 0 and self.candidates > RENEWED * self._looked

    def _masked(self, stop: Stop) -> Solution | None:
        """A few words right at some points, joined by masks where the grammar has no conditional.

        That is larger than what says the same without, where something does: one that is proved is to be beaten.
        """
        from dsl.deduction.conditionals import conditionals, join
        from dsl.deduction.masks import masked
        from dsl.deduction.trees import MOST_LEAVES

        self._looked, start = self.candidates, self._grammar.start
        ways = () if conditionals(self._grammar, start) else masked(self._grammar, start)
        if not ways or not self.points.is_pointwise:
            self._trials = 0
            return None
        joined = join(self._bank, start, self._right(), by=ways, most_leaves=self._leaves, stop=stop)
        if not isinstance(joined, Term):
            self._leaves = min(2 * self._leaves, MOST_LEAVES)
        for choice in self._priced([joined] if isinstance(joined, Term) else []):
            self._trials -= 1
            failed = self._failed(choice.term)
            if not failed:
                self._looked = math.inf  # unless it is refuted
                return Solution({self._function: Program(choice.term, self._home)}, MASKS)
            self._learn(failed)
            self._looked = self.candidates / RENEWED  # as soon as anything is built: what was held may be lost
        return None

    def _right(self) -> NDArray[np.bool_]:
        """For a pointwise specification, at which points rows of the start are right: (rows, points)."""
        values = self._bank.stores[self._grammar.start].values
        target = self.points.targets(self._function)
        if target is not None:
            return np.asarray(values == target, bool)
        step = max(1, CHUNK // max(1, self.points.tests))
        parts = [self.points.right(self._function, values[at : at + step]) for at in range(0, len(values), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.points.tests), bool)

    def _goals(self, stop: Stop) -> Iterator[Choice]:
        """From the goal down, where the wanted values are known and strings are about."""
        target = self.points.targets(self._function)
        if target is None or STRING not in self._grammar.sorts.values():
            return
        from dsl.deduction.rows import Rows
        from dsl.deduction.string_goals import StringGoals

        rows = {
            name: Rows(store.values, store.origin[:, 0], partial(self._bank.term, name))
            for name, store in self._bank.stores.items()
        }
        term = StringGoals(self._grammar, self.points.columns(self._function), rows).solve(
            self._grammar.start, target, stop
        )
        yield from self._priced([] if term is None else [term])

    def _inverses(self, stop: Stop) -> Iterator[Choice]:
        """Where the wanted words are known: what is missing between a row and them, looked up."""
        target = self.points.targets(self._function)
        if target is None or target.dtype == object or self._level < 3:
            return
        from dsl.deduction.inverses import goal_match

        term = goal_match(self._bank, self._grammar.start, target, most=self._bank.candidates, stop=stop)
        yield from self._priced([] if term is None else [term])

    def _fitted(self, stop: Stop) -> Iterator[Choice]:
        """Where the wanted numbers are known and any literal may stand: literals solved for."""
        target = self.points.targets(self._function)
        if target is None:
            return
        from dsl.deduction.conditionals import conditionals
        from dsl.deduction.constants import fitted
        from dsl.deduction.parts import add_parts

        term = fitted(self._bank, self._grammar.start, target, stop=stop)
        if term is None and not self._joined and conditionals(self._grammar, self._grammar.start):
            add_parts(self._bank, self._grammar.start, target)
        yield from self._priced([] if term is None else [term])

    def _passing(self) -> NDArray[np.bool_]:
        """Which rows of the start pass every test: (rows,)."""
        values = self._bank.stores[self._grammar.start].values
        step = max(1, CHUNK // max(1, self.points.tests))
        parts = [
            self.points.judge({self._function: values[start : start + step]}).all(axis=1)
            for start in range(0, len(values), step)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, bool)

    def _priced(self, terms: Sequence[Term]) -> Iterator[Choice]:
        for term in terms:
            cost = self._grammar.cost(term)
            if cost is not None:
                yield Choice(cost, term)

    # --- learned costs ------------------------------------------------------------------------------------------

    @property
    def _is_learned(self) -> bool:
        return self._bank.grammar is not self._grammar

    def _is_stalled(self) -> bool:
        return self._turn <= RELEARNT and self._bank.candidates > STALLED

    def _begins_again(self) -> bool:
        """Begin the bank again in another order; False where there is none left to try."""
        if not self._is_learned:
            self._was_full = self._is_full()
            if self._level >= self._budget.cost:
                return False
        from dsl.enumeration.learning import learned

        while self._turn <= RELEARNT:
            self._turn += 1
            is_last = self._turn > RELEARNT
            if is_last and self._was_full:
                return False
            grammar = self._grammar if is_last else learned(self._grammar, self._partial())
            if grammar != self._bank.grammar:
                self._start_afresh(grammar)
                return True
        return False

    def _partial(self) -> list[tuple[Term, float]]:
        """The cheapest term for each set of points that one is right at, larger sets first, and the share of them."""
        right, cost = self._right(), self._bank.stores[self._grammar.start].origin[:, 0]
        count = right.sum(axis=1)
        rows = np.flatnonzero(count)
        rows = rows[np.lexsort((cost[rows], -count[rows]))]
        best: dict[bytes, int] = {}
        for row in rows.tolist():
            if best.setdefault(right[row].tobytes(), row) == row and len(best) == PARTIAL:
                break
        return [(self._bank.term(self._grammar.start, row), float(right[row].mean())) for row in best.values()]

    # --- limits -------------------------------------------------------------------------------------------------

    def _is_impatient(self) -> bool:
        return self._is_learned or self._bank.candidates > self._patience

    def _is_full(self) -> bool:
        if self._level >= self._budget.cost or self._bank.is_out_of_memory:
            return True
        built, most = self._bank.candidates, self._budget.candidates
        if self._is_learned or built < most // FAR:  # half a level of learned costs is fine
            return built > most
        return built + self._bank.pending(self._level + 1) > most

    def _limit(self) -> str:
        if self._bank.is_out_of_memory:
            return f"memory limit of {self._budget.memory_mb:,} MiB"
        if self._level >= self._budget.cost:
            return f"search limit of cost {self._budget.cost}"
        return f"search limit of {self._budget.candidates:,} candidates"


def hard_operators(solution: Solution) -> frozenset[str]:
    """The operators of a solution that make it hard to decide: what is multiplied or divided."""
    terms = (program.term for program in solution.programs.values())
    return HARD & {inner.operator.name for term in terms for inner in subterms(term)}


def _at(term: Term, points: Points, function: Function) -> NDArray[Any]:
    """The values of one term at all points: (1, points)."""
    columns = points.columns(function)
    return np.broadcast_to(np.asarray(term.evaluate(columns)), (1, columns.examples))


def _stacked(terms: Sequence[Term], values: Values, points: int) -> NDArray[Any]:
    """The values of several terms: (terms, points)."""
    rows = [np.broadcast_to(np.asarray(values(term)), (points,)) for term in terms]
    return np.stack(rows) if rows else np.zeros((0, points), bool)


def _sizes(terms: Sequence[Term]) -> NDArray[np.int64]:
    return np.array([term.size for term in terms], np.int64)
