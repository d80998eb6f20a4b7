"""The suite "networks": growth of cost with length on shipped circuits, and a table over other people's networks.

The first part is ``lengths``. The second takes every folder with a ``case.json`` below a folder of cases, each in a
fresh process that does what ``distill run FOLDER`` does: bounds on every sequence up to a length of the family's own,
a program, exceptions. A folder that no loader accepts is a row, too. Limits are CPU seconds of the whole process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.harness import standing
from benchmarks.harness.row import BenchmarkError, Place, Row, digest
from benchmarks.harness.schedule import run_all
from benchmarks.harness.task import Task
from benchmarks.suites import lengths
from tasks.networks.readout import UNDECIDED

if TYPE_CHECKING:
    from cegis import Domain
    from cegis.certificate import Certificate
    from tasks.formats import Loaded
    from tasks.pipeline.sequences import Distillation

SUITE = "networks"
MARK, RECORDED = "case.json", "wrong_any_id.json"
LONGEST: Mapping[str, tuple[int | None, ...]] = {  # of a family's sequences; elsewhere the own domain, as far as listed
    "gpt2": (12, 50),
    "dyck": (10,),
}
CHECKABLE = 100_000_000  # parameters times inputs of a certificate that is made and checked, about a minute
SECONDS = 400.0  # CPU, of one network
SEARCH = 150.0  # wall clock, that one is distilled in: what distill run allows
CHECKING = 600  # seconds of wall clock that the checker has
OURS = "ours"
PROVED, LABELLED, EXCEPTIONS, AGREES, NONE = "proved", "proved where labelled", "exceptions", "agrees", "no program"
HORIZON = "horizon"  # proved up to some length, and not for all that was asked


def run(
    circuits: Sequence[Path],
    solvers: Sequence[str],
    cases: Path | None,
    rows_file: Path,
    place: Place,
    pool: Executor,
    *,
    seconds: float,
    memory_mb: int,
    seed: int = 0,
    on_row: Callable[[Row, bool], None] = lambda row, is_new: None,
) -> None:
    """Make every run of both parts whose row is not in ``rows_file`` yet; stand-ins are kept beside that file."""

    def made(tasks: Sequence[Task]) -> tuple[Row, ...]:
        return run_all(tasks, rows_file, place, pool, seed=seed, on_row=on_row)

    planned = () if cases is None else plan(cases, SECONDS, memory_mb)
    cache = rows_file.parent / "surrogates"
    standing.record(rows_file, planned, place)  # before the first run, so that an interrupted suite shows them missing
    standing.record_unfinished(rows_file, lengths.SUITE, True)
    lengths.climb(lengths.lines(circuits, solvers, seconds, memory_mb, cache), cache, made)
    standing.record_unfinished(rows_file, lengths.SUITE, False)
    made(planned)


def plan(cases: Path, seconds: float, memory_mb: int) -> tuple[Task, ...]:
    """One task for each folder with a network, and for each question of one that has several."""
    found = sorted(path.parent for path in cases.rglob(MARK))
    if not found:
        raise BenchmarkError(f"{cases}: expected folders with a {MARK} below it, found none")
    tasks = []
    for folder in found:
        name = folder.relative_to(cases).as_posix()
        content = digest(b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()))
        reaches = LONGEST.get(name.partition("/")[0], (None,))
        for asked, longest in product(questions(folder), reaches):
            farther = f"to {longest}" if longest != reaches[0] else ""
            problem = ", ".join(filter(None, (name, asked, farther)))
            options = {"content": content, "question": asked, "longest": longest}
            tasks.append(Task(SUITE, problem, OURS, 0, seconds, options, {"folder": str(folder)}, memory_mb))
    return tuple(tasks)


def questions(folder: Path) -> tuple[str, ...]:
    """The names of the folder's tasks, or one empty name."""
    asked = read_case(folder).get("input")
    names = asked.get("tasks") if isinstance(asked, dict) else None
    return tuple(names) if isinstance(names, dict) and names else ("",)


def read_case(folder: Path) -> Mapping[str, Any]:
    """What the folder's ``case.json`` holds; raises BenchmarkError."""
    try:
        case = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{folder / MARK}: expected a JSON object, cannot read it: {error}") from error
    if not isinstance(case, dict):
        raise BenchmarkError(f"{folder / MARK}: expected a JSON object, got {type(case).__name__}")
    return case


def work(task: Task, report: Callable[..., None]) -> None:
    """Distill one network in this process."""
    from tasks.formats import Question, load
    from tasks.networks.sparse_transformer import NetworkError
    from tasks.pipeline.distill import distill

    folder, asked = Path(task.files["folder"]), task.options["question"]
    parameters = read_case(folder).get("architecture", {}).get("params")
    report(solver=OURS, detail={"parameters": parameters})
    try:
        loaded = load(folder, Question(task=asked or None))
    except NetworkError as error:
        report(status="unsupported", reason=str(error).partition(": ")[2].partition(": transformers and")[0])
        return
    start = time.process_time()
    found = distill(loaded, _domain(loaded, task.options["longest"]), seconds=SEARCH, seed=task.seed)
    seconds = time.process_time() - start
    program = found.program
    if program is not None:
        report(program=program.source(loaded.name), size=program.size)
    figures = {"parameters": parameters, **detail(found), "recorded": _recorded(found, folder, asked), "check": None}
    report(
        status="solved",
        reason="",
        verdict=verdict(found),
        seconds=seconds,
        phases={step.name: step.cpu_seconds for step in found.steps},
        candidates=found.outcome.statistics.candidates,
        detail=figures,
    )
    if found.extension is None and (parameters or 0) * found.labels.size <= CHECKABLE:
        report(detail={**figures, "check": _checked(found, folder)})


def verdict(found: Distillation) -> str:
    """What was established, in the words of the table."""
    if found.extension is not None:
        return PROVED if found.is_proved else HORIZON
    if found.is_exact:
        return PROVED if found.is_proved else LABELLED if found.labels.enumeration.is_bounded else AGREES
    return EXCEPTIONS if found.exceptions else NONE


def detail(found: Distillation) -> dict[str, Any]:
    """The figures of a distillation, as JSON values."""
    table, rule, far = found.labels, found.rule, found.extension
    domain = found.domain if far is None else far.domain
    return {
        "format": found.model.format,
        "lengths": [domain.min_length, domain.max_length],
        "sequences": float(domain.size()),
        "horizon": None if far is None else far.found.equal_up_to,
        "breaks": None if far is None or far.found.counterexample is None else len(far.found.counterexample.inputs),
        "sentence": None if far is None else far.sentence,
        "inputs": table.size,
        "undecided": table.undecided,
        "labels": len(table.names),
        "exceptions": len(found.exceptions),
        "rule": None if rule is None else [rule.program.size, len(rule.exceptions)],
        "margin": max(table.margin, table.enumeration.margin),
        "semantics": table.enumeration.semantics,
        "bounded": table.enumeration.is_bounded,
    }


def _checked(found: Distillation, folder: Path) -> float | str:
    """CPU seconds in which the independent checker confirms the certificate, or why there is none."""
    from tasks.certificates.independent import attest

    certificate = attest(found, folder)
    return certificate if isinstance(certificate, str) else seconds_of_checking(certificate)


def seconds_of_checking(certificate: Certificate) -> float:
    """CPU seconds in which the independent checker confirms it; raises BenchmarkError where it does not."""
    with TemporaryDirectory() as scratch:
        folder = str(certificate.save(Path(scratch) / "certificate"))
        command = [sys.executable, "-m", "tasks.checker", folder, "--time-limit", str(CHECKING)]
        before = os.times()
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        after = os.times()
    if said.returncode:
        raise BenchmarkError(f"the checker refuses its own certificate: {(said.stdout + said.stderr).strip()}")
    return after.children_user + after.children_system - before.children_user - before.children_system


def _domain(loaded: Loaded, longest: int | None) -> Domain:
    from tasks.pipeline.labels import usual_domain

    whole = loaded.domain
    if longest is None or whole.max_length is None:
        return usual_domain(loaded)
    return whole.up_to(max(whole.min_length, min(longest, whole.max_length)))


def _recorded(found: Distillation, folder: Path, asked: str) -> dict[str, Any] | None:
    """Whether the network's answer is not the right one on exactly the inputs that the folder lists, if it lists any.

    The right answer to a sequence, by ``case.json``, is that of the same place in "answers" as its opener in "openers".
    """
    path = folder / RECORDED
    if not path.is_file() or not asked:
        return None
    listed = {tuple(row) for row in json.loads(path.read_text(encoding="utf-8"))["wrong"].get(asked, ())}
    said, loaded, wrong = read_case(folder)["input"], found.model, set()
    task, words = said["tasks"][asked], [word.strip() for word in said["sequence"].strip("[]").split(",")]
    right = dict(zip(task["openers"], task["answers"], strict=True))
    for part in found.labels.enumeration.lengths:
        for ids, label in zip(loaded.prompts(part.sequences).tolist(), part.labels.tolist(), strict=True):
            if label == UNDECIDED or loaded.readout.text(label) != loaded.vocabulary[right[ids[words.index("opener")]]]:
                wrong.add(tuple(ids))
    return {"listed": len(listed), "found": len(wrong), "same": wrong == listed}
