"""The suite "learned": what motifs that were learned from some problems do for others, with and without, by candidates.

Half of the functions of ``inputs.functions`` and of ``inputs.random_functions`` are the corpus: what the plain search
finds for them within the limit of candidates is what ``dsl.abstraction`` learns from. The other half, and the shipped
circuits, are held back, and are searched four times each, from their labels alone:

    plain, motifs, costs, motifs and costs        the grammar that ships, with the motifs, with the prices of use, both

A search is one enumeration of the whole grammar, without what the pipeline does around it (dependence, parts of the
grammar, automata). The limit is a number of candidates, which no machine changes (and ten seconds, which hardly any
search needs). An exact program with more than ``MOST_READ`` words and signs is a list of cases, and counts as none; the
others are compared with the labels once more as they are written out. ``seconds`` are CPU seconds of the search.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.harness.row import BenchmarkError, digest
from benchmarks.harness.task import Task
from benchmarks.inputs import functions
from benchmarks.inputs.functions import Function, table
from benchmarks.inputs.random_functions import random_functions
from cegis import Budget, Found, Outcome, Program
from cegis.loop import Loop
from dsl.abstraction.compression import learn
from dsl.abstraction.files import read_motifs, write_motifs
from dsl.abstraction.learned import Learned
from dsl.enumerator import Enumerator
from tasks.pipeline.labels import LabelTable, labelled
from tasks.pipeline.reading import reading

SUITE = "learned"
PLAIN, MOTIFS, COSTS, BOTH = VARIANTS = ("plain", "motifs", "costs", "motifs and costs")
CANDIDATES, SECONDS, BEGUN = 100_000, 10.0, 96  # of a search: its limits, and examples that it begins with
MOST_READ = 120  # words and signs of a program that counts as an answer
RANDOM = 80  # functions, half of them held back
LENGTH, LABELLING = 6, 20.0  # of a circuit's sequences; seconds of listing them
GROUPS = ("plain functions", "random functions", "circuits")


@cache
def split(seed: int) -> tuple[tuple[Function, ...], tuple[Function, ...]]:
    """The functions of the corpus, and those that are held back."""
    known = [*functions.chosen(), *random_functions(RANDOM, seed)]
    random.Random(seed).shuffle(known)
    half = len(known) // 2
    return tuple(known[:half]), tuple(known[half:])


def learned_from(seed: int, candidates: int, on_solved: Callable[[str, bool], None]) -> Learned:
    """What the corpus teaches; ``on_solved(name, whether)`` hears of each of its functions."""
    programs: list[Program] = []
    corpus = split(seed)[0]
    for function in corpus:
        labels = table(function)
        outcome, _ = search(labels, None, PLAIN, candidates)
        is_solved = isinstance(outcome, Found) and reading(outcome.program) <= MOST_READ
        on_solved(function.name, is_solved)
        if isinstance(outcome, Found) and is_solved:
            programs.append(outcome.program)
    return learn(programs, about=f"{len(programs)} of {len(corpus)} functions of the corpus, seed {seed}")


def search(
    labels: LabelTable, learned: Learned | None, variant: str, candidates: int
) -> tuple[Outcome[Program], float]:
    """One enumeration of the grammar for ``labels``, and its CPU seconds."""
    grammar = labels.grammar
    if variant != PLAIN:
        assert learned is not None
        grammar = {MOTIFS: learned.without_costs(), COSTS: learned.without_motifs(), BOTH: learned}[variant].added(
            grammar
        )
    start = time.process_time()
    budget = Budget(seconds=SECONDS, candidates=candidates)
    loop = Loop(Enumerator(grammar, max_candidates=candidates), labels, budget, lambda event: None)
    outcome = loop.run(examples(labels))
    return outcome, time.process_time() - start


def examples(labels: LabelTable) -> list[tuple[Any, str]]:
    """Some inputs with their labels to begin with, evenly from all, so that few counterexamples are needed."""
    every = [(part, row) for part in labels.parts for row in range(part.batch.examples) if part.expected[row] >= 0]
    chosen = every[:: max(1, len(every) // BEGUN)]
    return [(labels.inputs(part, row), labels.names[part.expected[row]]) for part, row in chosen]


def motifs_file(folder: Path, seed: int) -> Path:
    """Where the motifs of a seed's corpus are kept."""
    return folder / f"motifs-{seed}.json"


def plan(
    circuits: Sequence[Path],
    folder: Path,
    seconds: float,
    memory_mb: int,
    seed: int,
    only: Sequence[str] = (),
    on_solved: Callable[[str, bool], None] = lambda name, is_solved: None,
) -> tuple[Task, ...]:
    """Every problem that is held back, in four variants; the motifs are learned first, into ``folder``."""
    path = motifs_file(folder, seed)
    if not path.exists():
        write_motifs(learned_from(seed, CANDIDATES, on_solved), path)
    options = {"candidates": CANDIDATES, "motifs": digest(path.read_bytes())}
    files = {"motifs": str(path)}
    names = [function.name for function in split(seed)[1]]
    asked = [(name, files) for name in names] + [(path.name, {**files, "circuit": str(path)}) for path in circuits]
    asked = [one for one in asked if not only or any(part in one[0] for part in only)]
    if not asked:
        raise BenchmarkError(f"no problem is called {', '.join(only)}")
    return tuple(
        Task(SUITE, name, variant, seed, seconds, options, where, memory_mb)
        for name, where in asked
        for variant in VARIANTS
    )


def work(task: Task, report: Callable[..., None]) -> None:
    """Search one problem in one variant, in this process."""
    labels, group = problem(task)
    learned = read_motifs(Path(task.files["motifs"]))
    report(solver=task.backend, detail={"group": group, "inputs": labels.size}, checked=labels.size)
    outcome, seconds = search(labels, learned, task.backend, int(task.options["candidates"]))
    used = outcome.statistics
    figures: dict[str, Any] = {"seconds": seconds, "candidates": used.candidates, "phases": {"search": seconds}}
    if isinstance(outcome, Found):
        program = outcome.program
        wrong = labels.count_exceptions(Program(program.term, replace(labels, motifs=None).grammar))
        sizes = {"operators": program.size, "reading": reading(program)}
        report(program=program.source("f"), size=program.size, sizes=sizes, wrong=wrong, **figures)
        is_short = sizes["reading"] <= MOST_READ
        reason = "wrong on its own labels" if wrong else "" if is_short else "exact, with too much to read"
        report(status="error" if wrong else "solved" if is_short else "unsolved", reason=reason)
    else:
        report(status="unsolved", reason=str(getattr(outcome, "reason", "the grammar is exhausted")), **figures)


def problem(task: Task) -> tuple[LabelTable, str]:
    """The labels that a task is about, and which group it belongs to."""
    if "circuit" in task.files:
        from tasks.formats import Question, load

        model = load(Path(task.files["circuit"]), Question())
        domain = model.domain.up_to(max(LENGTH, model.domain.min_length))
        return labelled(model, domain, "real", None, LABELLING)[0], GROUPS[2]
    known = {function.name: function for function in split(task.seed)[1]}
    function = known[task.problem]
    is_random = function.name.startswith(f"{task.seed}.")
    return table(function), GROUPS[1 if is_random else 0]
