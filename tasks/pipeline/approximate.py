"""Short rules that hold almost everywhere, and regions that hold everything they get wrong.

Where no small program equals a network, two small ones say more than a long one: a rule, and a region outside of which
the rule is exact. Both are looked for on a seeded sample, among all terms of the grammar up to some cost, and then
compared with every label, so what is said of them is as sure as the labels are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from math import inf

import numpy as np
from numpy.typing import NDArray

from cegis import Counterexample, Differs, Found
from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar
from dsl.grammars.motifs import AND, CHOOSE, label
from dsl.operators import Term
from dsl.program import WORD, Program
from dsl.sequences import SequenceBatch
from dsl.showing import brief
from tasks.pipeline.labels import LabelTable, Part, length_of
from tasks.pipeline.search import TIDYING, Searched, may_be_machine, searched
from tasks.pipeline.state_merging import shorter_programs
from tasks.pipeline.tidy import tidied_program

SAMPLE = 400  # inputs
MOST_CANDIDATES = 600_000
DEEPEST = 9  # the cost up to which terms are built
TRIED = 40  # terms compared with every label
CONJUNCTS = 3
WORTH = 0.9  # a flag that leaves out less than a tenth is not worth reading
GROWING = 0.5  # of the time, for building terms; what is left is for comparing them with every label
RARE = 0.01  # share of inputs: beside an exact expression a rule is wrong on no more
USEFUL = 0.1  # share of inputs: a rule that is wrong on more says nothing
NAMES = ("right", "may differ")
HAVING = ("labelled", "not labelled")


@dataclass(frozen=True)
class Region:
    """``program`` says ``may differ`` of ``inside`` inputs, all exceptions among them, and ``right`` of the others."""

    program: Program
    inside: int

    __repr__ = brief


@dataclass(frozen=True)
class Rule:
    """A short program that is wrong on ``exceptions`` alone, all of them inside ``where`` (if a region was found)."""

    program: Program
    exceptions: tuple[Counterexample, ...]
    where: Region | None

    __repr__ = brief

    @property
    def horizon(self) -> int | None:
        """The largest length below that of every exception; None where there is none."""
        return min((length_of(e.inputs) - 1 for e in self.exceptions), default=None)


def approximated(table: LabelTable, best: Searched, *, seconds: float, seed: int = 0) -> Rule | None:
    """A rule of few exceptions for what it costs a reader, with all of them and a region that holds them.

    Beside an exact expression only one half as long, which is wrong on one input in a hundred.
    """
    deadline = time.perf_counter() + seconds / 2
    found = rule(table, seconds=seconds / 2, seed=seed)
    is_expression = bool(best.exact) and not best.is_automaton
    near = [best.outcome.program] if isinstance(best.outcome, Differs) else []
    machines = shorter_programs(table, deadline) if may_be_machine(table) and not is_expression else []
    useful = (other for other in chain(near, machines) if _is_useful(other, table))
    program = _lightest(chain([] if found is None else [found], useful), table, deadline)
    if program is None:
        return None
    program = tidied_program(table, program, seconds=TIDYING * seconds, seed=seed)
    exceptions = table.exceptions(program)
    if isinstance(best.outcome, Found) and not best.is_automaton:
        is_short = program.size <= best.outcome.program.size // 2
        if not is_short or len(exceptions) > RARE * table.size:
            return None
    return Rule(program, exceptions, region(table, program, seconds=seconds / 2, seed=seed))


def having_a_label(table: LabelTable, *, seconds: float, seed: int = 0) -> Program | None:
    """A program that says of every listed input whether it has a label; None where none was found that is exact.

    It says nothing of longer ones.
    """
    among = table.renamed(HAVING, tuple(np.where(part.expected >= 0, 0, 1) for part in table.parts))
    found = searched(among, seconds=seconds, seed=seed)
    exact = [program for program in found.exact if not among.count_exceptions(program)]
    return exact[0] if exact else None


def rule(table: LabelTable, *, seconds: float, seed: int = 0) -> Program | None:
    """The best of short programs with few exceptions; None where those are more than a tenth of all inputs."""
    rng, deadline = np.random.default_rng(seed), time.perf_counter() + seconds
    every = tuple(part.expected >= 0 for part in table.parts)
    batch, expected = _sample(table, every, SAMPLE, rng)
    short, said = _shortest(table, every, SAMPLE // 2)
    batch, expected = short.joined(batch), np.concatenate([said, expected])
    bank = _grown(table.followed, batch, GROWING * seconds, seed)
    start = table.grammar.start
    errors = (bank.stores[start].values != expected).sum(axis=1)
    terms = [bank.term(start, int(row)) for row in np.argsort(errors, kind="stable")[:TRIED]]
    terms = [term for term in terms if term.magnitude < WORD]
    programs = [Program(term, table.grammar) for term in (*terms, *_halves(bank, expected, len(table.names)))]
    best = _lightest(programs, table, deadline)
    return best if best is not None and _is_useful(best, table) else None


def _lightest(programs: Iterable[Program], table: LabelTable, deadline: float) -> Program | None:
    """The program with the least weight of those that are weighed until the deadline: the first one always is."""
    weighed = list[tuple[float, Program]]()
    for program in programs:
        weighed.append((_weight(program, table), program))
        if time.perf_counter() > deadline:
            break
    return min(weighed, key=lambda pair: pair[0], default=(inf, None))[1]


def _is_useful(program: Program, table: LabelTable) -> bool:
    """Whether it is wrong on few enough inputs to say something."""
    most = USEFUL * table.size
    return table.count_exceptions(program, most) <= most


def _weight(program: Program, table: LabelTable) -> float:
    """What is preferred: two more to the cost of a program should halve its exceptions.

    Every length counts alike: of 2,097,151 words a network that learnt 1* accepts 20, and a program that rejects all
    would have the fewest exceptions, if it were not wrong on one of two words of one token.
    """
    shares = [_wrong(program, part).sum() / labels for part in table.parts if (labels := (part.expected >= 0).sum())]
    return float((1 + table.size * np.mean(shares)) * 2.0 ** (program.cost / 2))


def _halves(bank: Bank, expected: NDArray[np.int64], labels: int) -> list[Term]:
    """Conditionals between two labels, by the flags that part the sample best."""
    flags, is_label = bank.stores["Flag"].values, np.eye(labels, dtype=np.float32)[expected]
    inside = flags.astype(np.float32) @ is_label  # (flags, labels): how often each label occurs where the flag is true
    outside = is_label.sum(axis=0) - inside
    right = inside.max(axis=1) + outside.max(axis=1)
    names = bank.grammar.sequences.labels
    answers = [label(n, name)() for n, name in enumerate(names)]
    return [
        CHOOSE(bank.term("Flag", int(row)), answers[int(inside[row].argmax())], answers[int(outside[row].argmax())])
        for row in np.argsort(-right, kind="stable")[:TRIED]
    ]


def region(table: LabelTable, program: Program, *, seconds: float, seed: int = 0) -> Region | None:
    """The smallest region found that holds every exception of ``program``; None where there is none to hold."""
    rng, deadline = np.random.default_rng(seed), time.perf_counter() + seconds
    wrong = tuple(_wrong(program, part) for part in table.parts)
    right = tuple((part.expected >= 0) & ~is_wrong for part, is_wrong in zip(table.parts, wrong, strict=True))
    if not any(is_wrong.any() for is_wrong in wrong):
        return None
    among = table.renamed(
        NAMES,
        tuple(
            np.where(is_right, 0, np.where(is_wrong, 1, -1)) for is_right, is_wrong in zip(right, wrong, strict=True)
        ),
    )
    batch, _ = _sample(among, wrong, SAMPLE, rng)
    others, _ = _sample(among, right, SAMPLE, rng)
    bank = _grown(among.followed, batch.joined(others), GROWING * seconds, seed)
    values = bank.stores["Flag"].values
    exceptional = [part.batch.rows(np.flatnonzero(w)) for part, w in zip(among.parts, wrong, strict=True) if w.any()]
    rows = np.flatnonzero(values[:, : batch.examples].all(axis=1))
    flags = _narrowing(bank, rows, values[rows, batch.examples :], lambda flag: _holds(flag, exceptional), deadline)
    return _region(among, flags) if flags else None


def _narrowing(
    bank: Bank, rows: NDArray[np.int64], covers: NDArray[np.bool_], holds: Callable[[Term], bool], deadline: float
) -> list[Term]:
    """A few flags that hold of every exception, each of which leaves out as many sampled others as possible.

    At the ``deadline`` those that were found.
    """
    chosen: list[Term] = []
    inside = np.ones(covers.shape[1], bool)
    for _ in range(CONJUNCTS):
        if not inside.any():
            break
        covered = (covers & inside).sum(axis=1)
        for n in np.argsort(covered, kind="stable")[:TRIED]:
            if covered[n] > WORTH * inside.sum() or time.perf_counter() > deadline:
                return chosen
            flag = bank.term("Flag", int(rows[n]))
            if flag.magnitude < WORD and holds(flag):
                chosen.append(flag)
                inside &= covers[n]
                break
    return chosen


def _holds(flag: Term, exceptional: list[SequenceBatch]) -> bool:
    """Whether the flag is true of every exception."""
    return all(_values(flag, batch).all() for batch in exceptional)


def _region(among: LabelTable, flags: list[Term]) -> Region:
    """The inputs of which every flag is true."""
    grammar = among.grammar
    condition = reduce(lambda one, other: AND(one, other), flags)
    certain, unsure = (label(n, name)() for n, name in enumerate(NAMES))
    program = Program(CHOOSE(condition, unsure, certain), grammar)
    inside = sum(int((_values(condition, part.batch) & (part.expected >= 0)).sum()) for part in among.parts)
    return Region(program, inside)


def _grown(grammar: Grammar, batch: SequenceBatch, seconds: float, seed: int) -> Bank:
    """All terms up to some cost, by their values on ``batch``."""
    bank = Bank(grammar, seed=seed, remember=False)
    bank.observe(batch)
    stop = _late(seconds, bank)
    for level in range(1, DEEPEST + 1):
        if stop() or bank.candidates + bank.pending(level) > MOST_CANDIDATES or not bank.grow(level, stop):
            break
    return bank


def _late(seconds: float, bank: Bank) -> Callable[[], bool]:
    deadline = time.perf_counter() + seconds
    return lambda: time.perf_counter() > deadline or bank.candidates > 2 * MOST_CANDIDATES


def _sample(
    table: LabelTable, chosen: tuple[NDArray[np.bool_], ...], count: int, rng: np.random.Generator
) -> tuple[SequenceBatch, NDArray[np.int64]]:
    """At most ``count`` of the chosen inputs, with what is expected of them."""
    sizes = [int(mask.sum()) for mask in chosen]
    picked = np.sort(rng.permutation(sum(sizes))[:count])
    batch, expected, start = table.grammar.sequences.batch(()), [np.zeros(0, np.int64)], 0
    for part, mask, size in zip(table.parts, chosen, sizes, strict=True):
        rows = np.flatnonzero(mask)[picked[(picked >= start) & (picked < start + size)] - start]
        if len(rows):
            batch = batch.joined(part.batch.rows(rows))
            expected.append(part.expected[rows])
        start += size
    return batch, np.concatenate(expected)


def _shortest(
    table: LabelTable, chosen: tuple[NDArray[np.bool_], ...], count: int
) -> tuple[SequenceBatch, NDArray[np.int64]]:
    """All chosen inputs of the shortest lengths, as long as they are no more than ``count``, and what is expected."""
    batch, expected = table.grammar.sequences.batch(()), [np.zeros(0, np.int64)]
    for part, mask in sorted(zip(table.parts, chosen, strict=True), key=lambda pair: pair[0].batch.width):
        rows = np.flatnonzero(mask)
        if batch.examples + len(rows) > count:
            break
        if len(rows):
            batch = batch.joined(part.batch.rows(rows))
            expected.append(part.expected[rows])
    return batch, np.concatenate(expected)


def _wrong(program: Program, part: Part) -> NDArray[np.bool_]:
    if not part.batch.examples:
        return np.zeros(0, bool)
    return np.asarray((program.run(part.batch) != part.expected) & (part.expected >= 0))


def _values(flag: Term, batch: SequenceBatch) -> NDArray[np.bool_]:
    if not batch.examples:
        return np.zeros(0, bool)
    return np.broadcast_to(np.asarray(flag.evaluate(batch), bool), (batch.examples,))
