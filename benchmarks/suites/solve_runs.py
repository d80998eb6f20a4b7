"""The suite "sygus": SyGuS problems for this project and for cvc5, and what every answer is worth.

A run is a fresh process under a limit on CPU seconds, its children's counted; wall clock may take ``WALL`` times as
many, and a run that it ends with CPU time left is "killed", not measured; ``seconds`` of a row are CPU seconds of
the whole process, start-up included. An answer counts as solved only after a check that no tool takes part in with its
own reader: z3 and cvc5 get the file's own text with the answer put in (``solve_problem``), and the answer is matched
against the file's grammar (``solve_answer``). A solver that refutes an answer makes it "wrong", as does an answer
outside the grammar; an answer that neither solver can confirm is "unchecked", and never solved.

cvc5 gets every file as it is, with ``incremental=false``, in three configurations; of the own suite also each problem
with its grammar left out, which is what an answer looks like when nothing keeps it small.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from compileall import compile_dir
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness.execution import ENDED, STALLED, Ended, measured
from benchmarks.harness.measure import WALL, Process, run_process
from benchmarks.harness.row import ANSWERED, BenchmarkError, Place, Row, digest
from benchmarks.harness.task import Task
from benchmarks.inputs.solve_answer import WrongAnswerError, bodies, outside
from benchmarks.inputs.solve_problem import Problem, problems

SUITE = "sygus"
ROOT = Path(__file__).parents[2]
OWN = ROOT / "benchmarks" / "sygus_suite" / "files"
PACKAGES = ("backends", "benchmarks", "cegis", "dsl", "tasks")
OURS, NO_GRAMMAR = "ours", "cvc5 no grammar"
CVC5: Mapping[str, Mapping[str, str]] = {
    "cvc5 default": {},
    "cvc5 unif-pi": {"sygus-unif-pi": "cond-enum-igain"},
    "cvc5 fast": {"sygus-enum": "fast"},
}
START = (
    "from benchmarks.harness.parent import end_with_parent; end_with_parent(); "
    "from tasks.commands.start import script; script()"
)
SOLVE = (sys.executable, "-c", START, "solve")  # distill solve, of this very source whatever is installed
NATIVE = (sys.executable, "-m", "benchmarks.peers.solve_native")
CHECKERS = ("z3", "cvc5")
CHECK_SECONDS, CHECK_MB = 30.0, 4096
DEEP = 20_000  # nested terms in an answer; beyond that it stays unchecked


@dataclass(frozen=True)
class Said:
    """What a tool's process came to: ``answer`` in SyGuS-IF where the status is "solved"."""

    status: str
    reason: str = ""
    answer: str = ""
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Judgement:
    """``checks``: (checker, "valid" | "wrong" | "unknown: why", seconds) each; ``size``: of all bodies together."""

    status: str
    reason: str
    checks: tuple[tuple[str, str, float], ...]
    size: int


def plan(folder: Path, seconds: float, memory_mb: int, backends: Sequence[str] = ()) -> tuple[Task, ...]:
    """Every problem of ``folder`` for every tool (or the named ones); without its grammar only in the own suite."""
    _compile()
    tasks = []
    out = absent()
    group = "own" if folder == OWN else folder.resolve().name
    for problem, path in problems(folder):
        runs: dict[str, dict[str, Any]] = {OURS: {}}
        runs |= {name: {"options": options, "source": _native_source()} for name, options in CVC5.items()}
        if folder == OWN and any(asked.grammar is not None for asked in problem.functions):
            runs[NO_GRAMMAR] = {"options": {}, "no_grammar": True, "source": _native_source()}
        track = problem.name.partition("/")[0] if folder == OWN else problem.track
        shared = {"text": digest(problem.text), "track": track}
        tasks += [
            Task(
                SUITE, f"{group}/{problem.name}", backend, 0, seconds, shared | options, {"file": str(path)}, memory_mb
            )
            for backend, options in runs.items()
            if backend not in out and (not backends or backend in backends)
        ]
    if not tasks:
        known = [tool for tool in (OURS, *CVC5, NO_GRAMMAR) if tool not in out]
        raise BenchmarkError(f"expected tools among {', '.join(known)}, got {', '.join(backends)}")
    return tuple(tasks)


def _compile() -> None:
    """Write the bytecode of our packages, as pip does for what it installs: a run is not to compile them again."""
    for package in PACKAGES:
        compile_dir(ROOT / package, quiet=2)


def absent() -> dict[str, str]:
    """The tools that cannot be run here, and why."""
    return {} if find_spec("cvc5") else {tool: "not installed: cvc5" for tool in (*CVC5, NO_GRAMMAR)}


def execute(task: Task, place: Place, solve: Sequence[str] = SOLVE) -> Row:
    """Run one tool on one problem, check what it answered; whatever happens is a row."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(max(usual, DEEP))
    try:
        return measured(task, place, lambda task: _run(task, _version(task.backend, place), solve))
    finally:
        sys.setrecursionlimit(usual)


def _run(task: Task, version: str, solve: Sequence[str]) -> Ended:
    file = Path(task.files["file"])
    problem = Problem(task.problem, file.read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        if task.options.get("no_grammar"):
            problem = problem.without_grammar()
            file = Path(folder) / "problem.sl"
            file.write_text(problem.text, encoding="utf-8")
        process = run_process(
            _command(task, file, solve),
            WALL * task.seconds,
            cpu_seconds=task.seconds,
            memory_mb=task.memory_mb,
            tree=True,
        )
        said = _said(task.backend, process, task.seconds)
        judged = Judgement(said.status, said.reason, (), 0)
        if said.status == "solved":
            judged = judge(problem, said.answer, Path(folder))
    told = {
        "solver": version,
        "seconds": process.cputime if judged.status == "solved" else None,
        "program": said.answer,
        "size": judged.size,
        "answers": [list(check) for check in judged.checks],
        "detail": dict(said.detail or {}),
    }
    ended_by = process.reason or ("killed" if said.status == "killed" else "")
    return Ended(process, judged.status, ended_by, judged.reason, told)


def judge(problem: Problem, answer: str, folder: Path) -> Judgement:
    """What an answer is worth, found out in fresh processes; ``folder`` takes the script for them."""
    try:
        found = bodies(problem, answer)
        size = sum(body.size for body in found)
        faults = [fault for body in found if (fault := outside(problem, body))]
        script = folder / "check.smt2"
        script.write_text(problem.question({body.asked.name: body.term for body in found}), encoding="utf-8")
    except WrongAnswerError as error:
        return Judgement("wrong", f"no answer to what was asked: {error}", (), 0)
    except (BenchmarkError, RecursionError) as error:
        return Judgement("unchecked", f"not checked: {error}", (), 0)
    checks = tuple(_checked(name, script) for name in CHECKERS)
    verdicts = {verdict for _, verdict, _ in checks}
    if "wrong" in verdicts:
        who = ", ".join(name for name, verdict, _ in checks if verdict == "wrong")
        return Judgement("wrong", f"refuted by {who}", checks, size)
    if faults:
        return Judgement("wrong", f"outside the grammar: {faults[0]}", checks, size)
    if "valid" not in verdicts:
        return Judgement("unchecked", "; ".join(f"{name}: {verdict}" for name, verdict, _ in checks), checks, size)
    return Judgement("solved", "", checks, size)


def _checked(name: str, script: Path) -> tuple[str, str, float]:
    process = run_process(
        [*NATIVE, name, str(script)], WALL * CHECK_SECONDS, cpu_seconds=CHECK_SECONDS, memory_mb=CHECK_MB
    )
    said = _json(process.output)
    meant = {"unsat": "valid", "sat": "wrong"}.get(str(said.get("status", "")))
    if process.code != 0 or process.killed or meant is None:
        reason = process.reason or said.get("reason") or f"ended with code {process.code}"
        return name, f"unknown: {reason}", process.cputime
    return name, meant, process.cputime


def _command(task: Task, file: Path, solve: Sequence[str]) -> list[str]:
    if task.backend == OURS:  # its own clock counts wall time; it must not end a run that has CPU time left
        return [*solve, str(file), "--json", "--time-limit", f"{WALL * task.seconds:g}"]
    return [*NATIVE, "synthesize", str(file), *(f"{name}={value}" for name, value in task.options["options"].items())]


def _said(backend: str, process: Process, limit: float) -> Said:
    """What the process told, in one form; nothing but a clean end in time is an answer."""
    if process.reason in ENDED:
        return Said(ENDED[process.reason], f"ended at the limit of {process.reason}")
    if process.is_killed:
        return Said("killed", f"a signal from outside ended it (code {process.code})")
    told = _json(process.output)
    status, reason = str(told.get("status", "")), str(told.get("reason", ""))
    if status not in ANSWERED and process.is_stalled(limit, WALL * limit):
        return Said("killed", STALLED)
    if process.cputime > limit:
        return Said("timeout", f"ended after {process.cputime:.3g} CPU seconds")
    if process.code not in (0, 1) or process.killed or not status:
        last = (process.errors.strip().splitlines() or ["no message"])[-1]
        return Said("error", f"ended with code {process.code}: {last[:300]}")
    if backend != OURS:
        return Said(status, reason, str(told.get("answer", "")), {"counters": told.get("counters", {})})
    functions = told.get("functions") or []
    kept = {name: told.get(name) for name in ("searcher", "claims", "statistics")}
    detail = {**kept, "python": [function.get("python", "") for function in functions]}
    if status == "solved":
        return Said(status, reason, "\n".join(str(function.get("sygus", "")) for function in functions), detail)
    return Said("infeasible" if status == "infeasible" else "unsolved", reason, detail=detail)


def _json(output: str) -> dict[str, Any]:
    """The object a process printed; empty when it is none."""
    try:
        found = json.loads(output)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _version(backend: str, place: Place) -> str:
    package = "symbolic-circuit-distillation" if backend == OURS else "cvc5"
    return f"{backend} {place.versions.get(package, '')}".strip()


def _native_source() -> str:
    """What a run of cvc5 depends on in our source: its own process and the check of answers, not the engine."""
    own = (
        "peers/solve_native.py", "inputs/solve_problem.py", "inputs/solve_answer.py", "suites/solve_runs.py",
        "harness/measure.py", "harness/parent.py",
    )  # fmt: skip
    return digest("".join((Path(__file__).parents[1] / name).read_text(encoding="utf-8") for name in own))
