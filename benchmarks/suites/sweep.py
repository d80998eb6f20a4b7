"""``distill sweep``: ``distill run`` over many networks, each in a fresh process, resumable, here or on a cluster.

A run is ``distill run NETWORK --json --time-limit T`` and what the user adds; its whole result is kept in the row, so
that the page and the files beside it come from the rows alone. The time limit is wall clock of the command's own, as
for its user; the process is ended at ``programs.HARD`` times as many CPU seconds. A network that the command refuses is
"unsupported", with its sentence. Nothing is checked here: what is claimed is what the command claims.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.execution import Ended, measured
from benchmarks.harness.measure import WALL, run_process
from benchmarks.harness.row import BenchmarkError, Place, Row
from benchmarks.harness.task import Task
from benchmarks.suites import programs, texts
from benchmarks.suites.networks import MARK, questions
from tasks.formats import detect
from tasks.formats.circuit_folder import shipped_names, shipped_path

SUITE, OURS = "sweep", "distill run"
REFUSED = 2  # exit code
STEP = 1 << 20  # bytes read at once


@dataclass(frozen=True)
class Network:
    """``name`` on the page; ``where``: what the command takes; ``question``: one of a folder's several, or ""."""

    name: str
    where: str
    content: str
    question: str = ""


def networks(given: Sequence[str], cases: Path | None) -> tuple[Network, ...]:
    """The networks given, and those below ``cases``, each once; raises BenchmarkError where there is none, or no such.

    Below a folder every folder counts that looks like a network in a known format, or has a ``case.json``.
    """
    found: dict[str, tuple[str, str]] = {}  # resolved path to name and what the command takes
    for one in given:
        path = shipped_path(one) if one in shipped_names() else Path(one)
        if not path.exists():
            raise BenchmarkError(f"{one}: expected a network's folder or a shipped name ({', '.join(shipped_names())})")
        found.setdefault(str(path.resolve()), (one.rstrip("/"), one if one in shipped_names() else str(path.resolve())))
    if cases is not None:
        if not cases.is_dir():
            raise BenchmarkError(f"{cases}: expected a folder of networks, got none")
        marked = {path.parent for path in cases.rglob(MARK)}
        for path in sorted({folder for folder, _ in detect.inside(cases)} | marked):
            where = str(path.resolve())
            found.setdefault(where, (path.relative_to(cases).as_posix(), where))
    if not found:
        below = "" if cases is None else f", found none below {cases}"
        raise BenchmarkError(f"expected networks: folders, shipped names or --cases-dir DIR{below}")
    names = [name for name, _ in found.values()]
    return tuple(
        Network(name if names.count(name) == 1 else path, where, content(Path(path)), question)
        for path, (name, where) in found.items()
        for question in _questions(Path(path))
    )


def content(where: Path) -> str:
    """The digest of a file, or of a folder's files with their names, read piece by piece."""
    found = hashlib.sha256()
    for path in [where] if where.is_file() else sorted(path for path in where.iterdir() if path.is_file()):
        found.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while piece := file.read(STEP):
                found.update(piece)
    return found.hexdigest()[:16]


def plan(
    found: Sequence[Network],
    seconds: float,
    memory_mb: int,
    *,
    seed: int = 0,
    options: Sequence[str] = (),
    certificates: Path | None = None,
) -> tuple[Task, ...]:
    """One task a question; ``seconds`` is what the command is given, ``options`` are its others."""
    tasks = []
    for network in found:
        name = ", ".join(filter(None, (network.name, network.question)))
        files = {"network": network.where}
        if certificates is not None:
            files["certificate"] = str(certificates.resolve() / file_name(name))
        asked = {
            "content": network.content,
            "question": network.question,
            "limit": seconds,
            "options": list(options),
            "certificates": certificates is not None,
        }
        tasks.append(Task(SUITE, name, OURS, seed, programs.HARD * seconds, asked, files, memory_mb))
    return tuple(tasks)


def execute(task: Task, place: Place, run: Sequence[str] = programs.RUN) -> Row:
    """Run the command on one network; whatever happens is a row."""
    return measured(task, place, lambda task: _run(task, run))


def file_name(name: str) -> str:
    """A network's name as a path below a folder."""
    parts = [re.sub(r"[^\w.+-]+", "-", part) for part in name.split("/")]
    return "/".join(part for part in parts if part.strip("."))


def _run(task: Task, run: Sequence[str]) -> Ended:
    asked = [task.files["network"], *task.options["options"], "--seed", str(task.seed)]
    asked += ["--time-limit", f"{task.options['limit']:g}", "--json"]
    if task.options["question"]:
        asked += ["--task", task.options["question"]]
    if "certificate" in task.files:
        folder = Path(task.files["certificate"])
        shutil.rmtree(folder, ignore_errors=True)  # of a run that did not come to its end
        folder.parent.mkdir(parents=True, exist_ok=True)
        asked += ["--out", str(folder)]
    process = run_process(
        [*run, *asked], WALL * task.seconds, cpu_seconds=task.seconds, memory_mb=task.memory_mb, tree=True
    )
    if process.code == REFUSED and not process.reason:
        words = " ".join(process.errors.strip().splitlines()[-1:]) or "no message"
        return Ended(process, "unsupported", "", words.removeprefix("distill: "), {"solver": OURS})
    status, ended_by, reason, said = programs.printed(process, task.seconds)
    if status:
        return Ended(process, status, ended_by, reason, {"solver": OURS})
    told = _told(said, process.cputime)
    return Ended(process, "solved" if told["verdict"] in programs.EXACT else "unsolved", "", "", told)


def _told(said: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The columns of the row."""
    text = texts.body(said["program"]) if said.get("program") else ""
    return {
        "solver": OURS,
        "seconds": seconds,
        "verdict": programs.verdict(said),
        "program": text,
        "size": int(said.get("size") or 0),
        "sizes": {"lines": texts.lines(text), "reading": texts.reading(text)} if text else {},
        "candidates": int((said.get("statistics") or {}).get("candidates", 0)),
        "phases": {step["name"]: step["cpu_seconds"] for step in said.get("steps", ())},
        "checked": int(said.get("inputs") or 0),
        "wrong": None if not text or ("kind" in said and said.get("broken")) else int(said.get("exception_count") or 0),
        "detail": {"result": dict(said)},
    }


def _questions(folder: Path) -> tuple[str, ...]:
    """The names of a folder's questions; one empty name where it has one, or a file that cannot be read."""
    try:
        return questions(folder) if (folder / MARK).is_file() else ("",)
    except BenchmarkError:
        return ("",)
