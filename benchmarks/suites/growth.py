"""The suite "growth": how a solver's time grows with sequence length and with the network's width.

The question is always "does the surrogate differ from the circuit's program on a sequence of this length?", asked once
in a fresh session. The program is the one our own search finds against the surrogate's labels, without any solver; it
is part of the options, so that every backend is asked the same. "length" goes beyond what the surrogate was fitted on,
where the answer may be sat. "width" adds pairs of hidden ReLU units that cancel (``reference.widened``), at one length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pysmt.environment import Environment

from backends import Limits, Unknown, decide, get
from backends.recorder import status
from backends.translation import fitting_logic, translate
from benchmarks.harness.measure import WALL, cpu_seconds
from benchmarks.harness.row import BenchmarkError
from benchmarks.harness.task import Task
from benchmarks.inputs import reference
from cegis import Budget, Found, Program, Spec, synthesize
from cegis.symbolic import refutation

LENGTHS = (2, 4, 8, 12, 16, 24, 32)
PAIRS = (0, 1, 2, 4, 8, 16)
WIDTH_LENGTH = 10
LEARNED_LENGTH = 6


def plan(
    circuits: Sequence[Path], backends: Sequence[str], seeds: int, seconds: float, memory_mb: int, cache: Path
) -> tuple[Task, ...]:
    """Every circuit, step and backend; one seed is enough, as nothing is searched."""
    tasks = []
    for folder in circuits:
        prepared = reference.prepare(folder, cache)
        files = {"circuit": str(folder), "surrogate": str(prepared)}
        shared = {"surrogate": reference.surrogate_digest(prepared), "program": _program(files)}
        shortest = reference.load(files, length=LEARNED_LENGTH).domain.min_length
        steps = [("length", length, 0) for length in LENGTHS if length >= shortest]
        steps += [("width", WIDTH_LENGTH, pairs) for pairs in PAIRS]
        for kind, length, pairs in steps:
            step = f"length {length}" if kind == "length" else f"{2 * pairs} idle units"
            options = {"kind": kind, "length": length, "pairs": pairs, **shared}
            tasks += [
                Task("growth", f"{folder.name}, {step}", backend, 0, seconds, options, files, memory_mb)
                for backend in backends
            ]
    return tuple(tasks)


def work(task: Task, report: Callable[..., None]) -> None:
    """Ask one question in this process."""
    backend, environment = get(task.backend), Environment()
    length, pairs = int(task.options["length"]), int(task.options["pairs"])
    asked = reference.load(task.files, length=length, pairs=pairs)
    asked = replace(asked, domain=replace(asked.domain, min_length=min(asked.domain.min_length, length)))
    program = Program.parse(task.options["program"], asked.grammar)
    report(
        solver=f"{backend.name} {backend.version()}",
        program=task.options["program"],
        size=program.size,
        detail={"relus": asked.surrogate.relus},
    )
    logic, start = fitting_logic(backend.logics), cpu_seconds()
    symbols = asked.signature.symbols(environment.formula_manager, length)
    formula = translate(environment, refutation(asked.domain, symbols, asked, program), logic)
    with backend.open(environment, logic, seed=task.seed) as session:
        name = f"{asked.name}/length={length}/pairs={pairs}"
        answer = decide(session, name, formula, Limits(seconds=WALL * task.seconds))
    seconds = cpu_seconds() - start
    phases = {"encode": max(seconds - answer.seconds, 0.0), "solve": answer.seconds}
    if isinstance(answer, Unknown):
        report(status="unsolved", reason=answer.reason, phases=phases)
        return
    said = status(answer)
    report(status="solved", reason="", verdict=said, seconds=seconds, phases=phases, queries=1)


def _program(files: dict[str, str]) -> str:
    """The program that equals the surrogate up to ``LEARNED_LENGTH``, as printed."""
    asked = reference.load(files, length=LEARNED_LENGTH)
    outcome = synthesize(Spec(asked.domain, asked), asked.grammar, budget=Budget(seconds=60.0))
    if not isinstance(outcome, Found):
        raise BenchmarkError(f"{asked.name}: no program was found to grow with; leave it out with --circuits")
    return outcome.program.source()
