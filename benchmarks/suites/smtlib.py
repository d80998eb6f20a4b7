"""The suite "smtlib": whole solvers on SMT-LIB files of any logic (``distill bench --suite replay --smtlib DIR``).

A run is one solver's own program and reader on one file, in a fresh process; nothing of ours stands between them. The
limit is CPU seconds of the process and all that it starts, measured by BenchExec's runexec where control groups can be
made (``harness.runexec``) and by our own runner elsewhere; ``seconds`` leaves out what Python needs to start where a
solver has no program of its own (``peers.smtlib_native``).

A file is solved when each of its questions got sat or unsat and none contradicts the ``:status`` that the file gives
it; one that does makes the run "wrong". A file that a tool does not take (another logic, an objection before its first
answer) is "unsupported": no part of what the tool is compared on. An objection between answers is an error, because a
program that goes on after it may have skipped an assertion.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import runexec
from benchmarks.harness.execution import ENDED, STALLED, Ended, measured
from benchmarks.harness.measure import WALL, Process, run_process
from benchmarks.harness.row import BenchmarkError, Place, Row, digest
from benchmarks.harness.task import Task
from benchmarks.inputs.smtlib_files import files
from benchmarks.inputs.smtlib_tools import FILE, tools

SUITE = "smtlib"
SAID = ("sat", "unsat", "unknown")
START_UP = "; start-up "
WORDS = 200  # characters of an objection that are kept
OWN = (
    "harness/measure.py", "harness/runexec.py", "inputs/smtlib_files.py", "peers/smtlib_native.py", "suites/smtlib.py",
)  # fmt: skip


def plan(
    folder: Path,
    names: Sequence[str],
    seconds: float,
    memory_mb: int,
    more: Path | None = None,
    *,
    runner: str = runexec.OURS,
) -> tuple[Task, ...]:
    """Every file below ``folder`` for every tool that is installed; raises BenchmarkError where none is."""
    chosen = [tool for tool in tools(names, more) if not tool.missing()]
    if not chosen:
        raise BenchmarkError("; ".join(f"{tool}: {why}" for tool, why in absent(names, more).items()))
    source = _source()
    found = files(folder)
    group = folder.resolve().name
    releases = {tool.name: tool.release() for tool in chosen}
    return tuple(
        Task(
            SUITE,
            f"{group}/{file.name}",
            tool.name,
            0,
            seconds,
            {
                "content": file.content,
                "logic": file.logic,
                "expected": list(file.expected),
                "command": [Path(word).name if number == 0 else word for number, word in enumerate(tool.on(file))],
                "reads": tool.reads(file.logic),
                "version": releases[tool.name],
                "runner": runner,
                "source": source,
            },
            {"file": str(file.path.resolve()), "program": tool.on(file)[0]},
            memory_mb,
        )
        for file in found
        for tool in chosen
    )


def absent(names: Sequence[str], more: Path | None = None) -> dict[str, str]:
    """The tools that were asked for and are not here, and why."""
    return {tool.name: why for tool in tools(names, more) if (why := tool.missing())}


def execute(task: Task, place: Place) -> Row:
    """Run one tool on one file; whatever happens is a row."""
    return measured(task, place, _run)


def command(task: Task) -> list[str]:
    """What is run, as a shell would get it."""
    words = [task.files["program"], *task.options["command"][1:]]
    return [task.files["file"] if word == FILE else word for word in words]


def _run(task: Task) -> Ended:
    solver = f"{task.backend} {task.options['version']}"
    nothing = Process("", "", 0, False, "", 0.0, 0.0, 0.0)
    if not task.options["reads"]:
        return Ended(nothing, "unsupported", "", f"does not take the logic {task.options['logic']}", {"solver": solver})
    if digest(Path(task.files["file"]).read_bytes()) != task.options["content"]:
        raise BenchmarkError(f"{task.files['file']}: changed while the benchmark runs; start it again")
    try:
        process = _process(task)
    except BenchmarkError as error:
        return Ended(nothing, "error", "failed", str(error), {"solver": solver})
    answers, objection, start_up = said(process.output)
    status, ended_by, reason = _judged(task, process, answers, objection)
    kept = answers if objection[0] < 0 else answers[: objection[0]]
    return Ended(process, status, ended_by, reason, {"solver": solver, **_told(task, process, status, kept, start_up)})


def _process(task: Task) -> Process:
    """The tool's process on the file, under the limits of the task."""
    wall = WALL * task.seconds
    if task.options["runner"] == runexec.RUNEXEC:
        return runexec.run(command(task), wall, cpu_seconds=task.seconds, memory_mb=task.memory_mb)
    return run_process(command(task), wall, cpu_seconds=task.seconds, memory_mb=task.memory_mb, tree=True)


def said(output: str) -> tuple[list[str], tuple[int, str], float]:
    """The answers; the first objection with the number of answers before it (-1 for none); CPU seconds of a start."""
    answers: list[str] = []
    objection, start_up = (-1, ""), 0.0
    for line in map(str.strip, output.splitlines()):
        if (word := line.partition(" (")[0]) in SAID:  # cvc5 adds why: unknown (INCOMPLETE)
            answers.append(word)
        elif line.startswith("(error") and objection[0] < 0:
            objection = len(answers), line[:WORDS]
        elif line.startswith(START_UP):
            start_up = float(line.removeprefix(START_UP))
    return answers, objection, start_up


def _judged(task: Task, process: Process, answers: Sequence[str], objection: tuple[int, str]) -> tuple[str, str, str]:
    """Status, the limit that struck, and why."""
    expected, (place, words) = task.options["expected"], objection
    if place >= len(expected):  # a model asked for after unsat is refused, for one
        place, words = -1, ""
    against = _against(expected, answers if place < 0 else answers[:place])
    if against:
        number, says, known = against[0]
        return "wrong", "", f"question {number} is {known} by the file's own status, and it said {says}"
    if process.reason in ENDED or (words and "memory" in words):
        ended = process.reason if process.reason in ENDED else "memory"
        return ENDED[ended], ended, f"ended at the limit of {ended}"
    if process.is_killed:
        return "killed", "killed", f"a signal from outside ended it (code {process.code})"
    is_answered = place < 0 and len(answers) == len(expected) and "unknown" not in answers
    if not is_answered and process.is_stalled(task.seconds, WALL * task.seconds):
        return "killed", "walltime", STALLED
    if process.cputime > task.seconds:
        return "timeout", "cputime", f"ended after {process.cputime:.3g} CPU seconds"
    if place == 0:
        return "unsupported", "", words
    if place > 0:
        return "error", "failed", f"after {place} answers: {words}"
    if process.code < 0 or len(answers) != len(expected):
        last = ((process.errors or process.output).strip().splitlines() or ["no message"])[-1][:WORDS]
        return (
            "error",
            "failed",
            f"ended with code {process.code} and {len(answers)} of {len(expected)} answers: {last}",
        )
    if "unknown" in answers:
        return "unsolved", "", f"{answers.count('unknown')} of {len(answers)} answers are unknown"
    return "solved", "", ""


def _against(expected: Sequence[str], answers: Sequence[str]) -> list[tuple[int, str, str]]:
    """(number, answer, status) of every answer that contradicts the file."""
    pairs = enumerate(zip(answers, expected, strict=False), 1)
    return [(number, says, known) for number, (says, known) in pairs if known and says != known and says != "unknown"]


def _told(task: Task, process: Process, status: str, answers: Sequence[str], start_up: float) -> dict[str, Any]:
    """The columns of the row; times of single questions are not known where a file has several."""
    expected = task.options["expected"]
    seconds = max(process.cputime - start_up, 0.0)
    each = round(seconds, 6) if len(expected) == 1 else None
    names = [task.problem] if len(expected) == 1 else [f"{task.problem} {n}" for n in range(1, len(expected) + 1)]
    known = sum(map(bool, expected))
    return {
        "seconds": seconds if status == "solved" else None,
        "verdict": ", ".join(dict.fromkeys(answers)) if status == "solved" else "",
        "queries": len(answers),
        "answers": [[name, says, each, was] for name, says, was in zip(names, answers, expected, strict=False)],
        "phases": {"start-up": start_up},
        "checked": known if answers else 0,
        "wrong": len(_against(expected, answers)) if answers and known else None,
    }


def _source() -> str:
    """What a run depends on in our source: how it is measured and read, nothing of the engine."""
    return digest("".join((Path(__file__).parents[1] / name).read_text(encoding="utf-8") for name in OWN))
