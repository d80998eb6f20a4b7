"""The suite "rate": how fast terms are enumerated, ours beside cvc5's fast enumerator, by size of terms.

One grammar each over bit-vectors and over integers, and eight samples that no small term meets, so that both sides must
build all terms of a size before the next. The size is the number of operators applied (leaves count nothing), which is
how cvc5 counts; ours gets costs that say the same: 1 for a leaf and 4 - n for an operator of n arguments make a term of
k operators cost 1 + 3k. Both keep one term per behaviour on the samples, and both count what they built:

- candidates: operators applied to kept terms (cvc5: ``SygusEnumerator::enumTermsRewrite``);
- distinct: behaviours among them (cvc5: ``enumTerms``).

Seconds are CPU seconds of enumerating all sizes up to k, without starting and reading. cvc5 gets a fresh solver for
each k, which it leaves at k + 1 by ``sygus-abort-size``; ours goes on from k, its time added up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness.task import MEMORY_MB, Task
from benchmarks.sygus_suite.language import INT, Rules, SygusProblem, declare, function, problem, samples
from cegis.sygus import write_problem
from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar
from dsl.operators import Sort, bitvector

SUITE = "rate"
OURS, FAST = "ours", "cvc5 fast"
OPTIONS = {"sygus-enum": "fast"}
SAMPLES, LARGEST = 8, 20


def bits_of_32() -> SygusProblem:
    """Bit-vectors: two words, 0 and 1, five operators and shifts."""
    sort = bitvector(32)
    x, y = declare(x=sort, y=sort)
    binary = [(name, "Word", "Word") for name in ("bvand", "bvor", "bvxor", "bvadd", "bvshl", "bvlshr")]
    return _unreachable("BV", sort, (x, y), {"Word": (sort, [x, y, 0, 1, ("bvnot", "Word"), *binary])}, 2**32)


def integers() -> SygusProblem:
    """Integers: two numbers, 0 and 1, sums, differences, absolute values; conditionals cvc5 would not enumerate."""
    x, y = declare(x=INT, y=INT)
    rows = [x, y, 0, 1, ("abs", "Number"), ("+", "Number", "Number"), ("-", "Number", "Number")]
    return _unreachable("LIA", INT, (x, y), {"Number": (INT, rows)}, 1000)


PROBLEMS: Mapping[str, Callable[[], SygusProblem]] = {"bit-vectors": bits_of_32, "integers": integers}


def plan(seconds: float, memory_mb: int) -> tuple[Task, ...]:
    """Each grammar for both, where cvc5 is installed."""
    return tuple(
        Task(SUITE, name, backend, 0, seconds, {"samples": SAMPLES}, {}, memory_mb)
        for name in PROBLEMS
        for backend in (OURS, *([FAST] if find_spec("cvc5") else ()))
    )


def work(task: Task, report: Callable[..., None]) -> None:
    """Exhaust size after size, and report each: (size, CPU seconds so far, candidates, distinct)."""
    asked = PROBLEMS[task.problem]()
    exhaust = _ours(asked, task.memory_mb or MEMORY_MB) if task.backend == OURS else _cvc5(asked)
    report(solver=task.backend, answers=[])
    for size in range(LARGEST):
        found = exhaust(size)
        if found is None:
            break
        report(answers=[[f"size {size}", *found]])
    report(status="solved", reason="")


def counted(grammar: Grammar) -> Grammar:
    """The grammar with costs that count operators: a term of k operators costs 1 + 3k."""
    rows = (replace(row, cost=4 - len(row.arguments) if row.arguments else 1) for row in grammar.productions)
    return replace(grammar, productions=tuple(rows))


def _ours(asked: SygusProblem, memory_mb: int) -> Callable[[int], tuple[float, int, int] | None]:
    (found,) = asked.spec.functions
    grammar = asked.grammars[found.name]
    examples = asked.examples(found)
    assert grammar is not None
    assert examples is not None
    bank = Bank(counted(grammar), remember=False, max_memory_mb=memory_mb / 2)
    bank.observe(found.signature.batch([inputs for inputs, _ in examples]))
    spent = 0.0

    def exhaust(size: int) -> tuple[float, int, int] | None:
        nonlocal spent
        start = time.process_time()
        finished = bank.grow(1 + 3 * size)
        spent += time.process_time() - start
        return (spent, bank.candidates, bank.rows) if finished else None

    return exhaust


def _cvc5(asked: SygusProblem) -> Callable[[int], tuple[float, int, int] | None]:
    from benchmarks.peers.solve_native import synthesize

    def exhaust(size: int) -> tuple[float, int, int] | None:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "rate.sl"
            file.write_text(write_problem(asked), encoding="utf-8")
            said = synthesize(str(file), {**OPTIONS, "sygus-abort-size": str(size)})
        if "Maximum term size" not in said.get("reason", ""):
            return None
        counters = said["counters"]
        return said["seconds"], counters["enumTermsRewrite"], counters["enumTerms"]

    return exhaust


def _unreachable(logic: str, sort: Sort, parameters: Sequence[Any], rules: Rules, bound: int) -> SygusProblem:
    """Samples whose results have nothing to do with their inputs, and are out of reach of small terms."""
    draw = random.Random(1)
    f = function("f", sort, *parameters)
    low = 0 if sort.width else 10**6
    rows = [((draw.randrange(bound), draw.randrange(bound)), low + draw.randrange(bound)) for _ in range(SAMPLES)]
    return problem(logic, [f], [], samples(f, *rows), {"f": rules})
