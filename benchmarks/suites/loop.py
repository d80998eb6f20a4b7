"""The suite "loop": the whole distillation loop, one solver at a time, each steered by its own counterexamples.

A run is circuit, longest length, backend and seed. The surrogate is fitted beforehand. The program found is run beside
the surrogate on every length that is small enough; one wrong label makes the run an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backends import Answer, get
from backends.recorder import status
from benchmarks.harness.measure import WALL, cpu_seconds
from benchmarks.harness.task import Task
from benchmarks.inputs import reference
from cegis import Budget, Exhausted, Found, Outcome, Program, Round, Spec, Symbolic, synthesize

LENGTHS = (4, 7, 10)


@dataclass
class Tally:
    """Takes a recorder's place in a session: counts and times instead of writing."""

    answers: list[tuple[str, str, float]] = field(default_factory=list)
    seconds: float = 0.0  # of the solver, conversion included
    queries: int = 0

    def write(self, name: str, formulas: Sequence[Any], logic: Any, answer: Answer) -> None:
        """Note one query."""
        self.answers.append((name, status(answer), round(answer.seconds, 6)))
        self.seconds += answer.seconds
        self.queries += 1

    def take(self) -> list[tuple[str, str, float]]:
        """The answers since this was last called."""
        taken, self.answers = self.answers, []
        return taken


def plan(
    circuits: Sequence[Path], backends: Sequence[str], seeds: int, seconds: float, memory_mb: int, cache: Path
) -> tuple[Task, ...]:
    """Every circuit at every length, backend and seed."""
    tasks = []
    for folder in circuits:
        prepared = reference.prepare(folder, cache)
        files = {"circuit": str(folder), "surrogate": str(prepared)}
        for length in LENGTHS:
            options = {"length": length, "surrogate": reference.surrogate_digest(prepared)}
            tasks += [
                Task("loop", f"{folder.name}, length {length}", backend, seed, seconds, options, files, memory_mb)
                for backend in backends
                for seed in range(seeds)
            ]
    return tuple(tasks)


def work(task: Task, report: Callable[..., None]) -> None:
    """Run the loop in this process."""
    backend, tally = get(task.backend), Tally()
    asked = reference.load(task.files, length=int(task.options["length"]))
    rounds: list[tuple[int, float]] = []

    def on_round(event: Round[Program]) -> None:
        rounds.append((event.program.size, event.check_seconds))
        report(answers=tally.take(), queries=tally.queries)  # what a run that is killed has to show

    start = cpu_seconds()
    with Symbolic(asked.domain, asked.signature, asked, backend, seed=task.seed, recorder=tally) as verifier:  # type: ignore[arg-type]
        outcome = synthesize(
            Spec(asked.domain, asked),
            asked.grammar,
            verifier=verifier,
            budget=Budget(seconds=WALL * task.seconds),
            seed=task.seed,
            on_event=on_round,
        )
    seconds = cpu_seconds() - start
    used = outcome.statistics
    checks = [after - before for (_, after), (_, before) in zip(rounds, [(0, 0.0), *rounds], strict=False)]
    report(
        solver=f"{backend.name} {backend.version()}",
        seconds=seconds,
        phases={
            "search": used.search_seconds,
            "encode": max(used.check_seconds - tally.seconds, 0.0),
            "solve": tally.seconds,
        },
        queries=tally.queries,
        candidates=used.candidates,
        answers=tally.take(),
        detail={"checks": [[size, check] for (size, _), check in zip(rounds, checks, strict=True)]},
    )
    _report_outcome(outcome, asked, report)


def _report_outcome(
    outcome: Outcome[Program], asked: reference.SurrogateReference, report: Callable[..., None]
) -> None:
    program: Program | None = getattr(outcome, "program", None)
    if program is not None:
        report(program=program.source(), size=program.size)
    if not isinstance(outcome, Found):
        reason = getattr(outcome, "reason", "the grammar is exhausted")
        memory = {"terminationreason": "memory"} if "memory" in reason else {}
        status = "out of memory" if memory else "timeout" if "time limit" in reason else "unsolved"
        none = {"verdict": "no program"} if isinstance(outcome, Exhausted) else {}
        report(status=status, reason=reason, **memory, **none)
        return
    wrong, checked = asked.wrong(outcome.program)
    if wrong or not checked:
        report(status="error", reason=f"the program proved equal is wrong on {wrong:,} of {checked:,} sequences")
    else:
        report(status="solved", reason="", verdict="proved")
