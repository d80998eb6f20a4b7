"""``distill sweep``: commands over many networks, each in a fresh process, resumable, here or on a cluster.

    run      distill run NETWORK               a program, and how far it is proved
    verify   distill verify NETWORK PROGRAM    the same of a program that is there: given, or found by run
    attack   distill attack NETWORK PROGRAM    an input on which that program is wrong, if one is found

A run is such a command with ``--json --time-limit T`` and what the user adds; its whole result is kept in the row, so
that the page and the files beside it come from the rows alone. The time limit is wall clock of the command's own, as
for its user; the process is ended at ``programs.HARD`` times as many CPU seconds. A network that the command refuses is
"unsupported", with its sentence. Nothing is checked here: what is claimed is what the command claims; but an attack
that contradicts a claim is told on top of the page.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness.execution import Ended, measured
from benchmarks.harness.measure import WALL, Process, run_process
from benchmarks.harness.row import BenchmarkError, Place, Row
from benchmarks.harness.task import Task
from benchmarks.suites import programs, texts
from benchmarks.suites.networks import MARK, questions
from tasks.formats import detect
from tasks.formats.circuit_folder import shipped_names, shipped_path

SUITE, OURS, DISTILL = "sweep", "distill run", "distill "
ASKS = ("run", "verify", "attack")  # in this order: the later ones take the programs that the first one finds
BROKEN, NOT_BROKEN, DIFFERS, OPEN = "broken", "not broken", "differs", "not decided"
FOUND = (*programs.EXACT, BROKEN)  # verdicts that end a question
NO_NETWORK = "no network in a known format and no case.json in it"
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

    Below a folder every folder counts that looks like a network in a known format, or has a ``case.json``. A folder
    that is given and is no network itself stands for those below it.
    """
    found: dict[str, tuple[str, str]] = {}  # resolved path to name and what the command takes
    for one in given:
        path = shipped_path(one) if one in shipped_names() else Path(one)
        if not path.exists():
            raise BenchmarkError(f"{one}: expected a network's folder or a shipped name ({', '.join(shipped_names())})")
        if inner := _below(path) if is_folder_of_networks(path) else ():
            found |= {where: name for where, name in inner if where not in found}
            continue
        found.setdefault(str(path.resolve()), (one.rstrip("/"), one if one in shipped_names() else str(path.resolve())))
    if cases is not None:
        if not cases.is_dir():
            raise BenchmarkError(f"{cases}: expected a folder of networks, got none")
        found |= {where: name for where, name in _below(cases) if where not in found}
    if not found:
        below = "" if cases is None else f", found none below {cases}"
        raise BenchmarkError(f"expected networks: folders, shipped names or --cases-dir DIR{below}")
    names = [name for name, _ in found.values()]
    return tuple(
        Network(name if names.count(name) == 1 else path, where, content(Path(path)), question)
        for path, (name, where) in found.items()
        for question in _questions(Path(path))
    )


def is_folder_of_networks(path: Path) -> bool:
    """Whether a folder is no network itself, but holds some."""
    if not path.is_dir() or (path / MARK).is_file() or path.name in shipped_names():
        return False
    return any(folder != path for folder in _folders(path)) and not detect.is_network(path)


def skipped(given: Sequence[str], cases: Path | None) -> dict[str, str]:
    """The folders beside networks that hold none, the highest of each branch, and what is said of them."""
    roots = [Path(one) for one in given if one not in shipped_names() and is_folder_of_networks(Path(one))]
    left: dict[str, str] = {}
    for root in [*roots, *([cases] if cases is not None else [])]:
        inside = _folders(root)
        above = {root} | {parent for folder in inside for parent in folder.parents if root in parent.parents}
        for folder in sorted(above):
            for child in sorted(folder.iterdir()):
                if child.is_dir() and not child.name.startswith(".") and child not in above and child not in inside:
                    left[child.relative_to(root).as_posix()] = NO_NETWORK
    return left


def _folders(root: Path) -> set[Path]:
    """The folders below ``root`` that count as networks."""
    return {folder for folder, _ in detect.inside(root)} | {path.parent for path in root.rglob(MARK)}


def _below(root: Path) -> list[tuple[str, tuple[str, str]]]:
    """Those below a folder: the resolved path of each, its name on the page, and what the command takes."""
    paths = [(str(path.resolve()), path.relative_to(root).as_posix()) for path in sorted(_folders(root))]
    return [(where, (name, where)) for where, name in paths]


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
    ask: str = "run",
    given: Mapping[str, str] | None = None,
) -> tuple[Task, ...]:
    """One task a question; ``seconds`` is what the command is given, ``options`` are its others.

    ``ask``: one of ``ASKS``; all but ``run`` need a program, and are planned for the networks that have one: ``given``
    is its text by the name on the page.
    """
    tasks = []
    for network in found:
        name = name_of(network)
        if ask != "run" and name not in (given or {}):
            continue
        files = {"network": network.where}
        if certificates is not None:
            files["certificate"] = str(certificates.resolve() / ("" if ask == "run" else ask) / file_name(name))
        asked = {
            "content": network.content,
            "question": network.question,
            "limit": seconds,
            "options": list(options),
            "certificates": certificates is not None,
        }
        if ask != "run":
            asked["program"] = (given or {})[name]
        tasks.append(Task(SUITE, name, DISTILL + ask, seed, programs.HARD * seconds, asked, files, memory_mb))
    return tuple(tasks)


def name_of(network: Network) -> str:
    """The name of a network and its question on the page."""
    return ", ".join(filter(None, (network.name, network.question)))


def programs_in(folder: Path, found: Sequence[Network]) -> dict[str, str]:
    """The programs that a folder has for these networks, as ``NAME.py``; raises BenchmarkError where it has none."""
    texts_of = {}
    for network in found:
        name = name_of(network)
        path = folder / f"{file_name(name)}.py"
        if path.is_file():
            texts_of[name] = path.read_text(encoding="utf-8")
    if not texts_of:
        raise BenchmarkError(
            f"{folder}: expected programs as NAME.py, NAME as on the page, such as {file_name(name_of(found[0]))}.py; "
            f"found none for these {len(found)} networks"
        )
    return texts_of


def programs_of(rows: Sequence[Row]) -> dict[str, str]:
    """The programs that runs found, as they printed them."""
    told = {row.problem: row.detail.get("result", {}).get("program") for row in rows if row.backend == OURS}
    return {name: text for name, text in told.items() if isinstance(text, str) and text.strip()}


def execute(task: Task, place: Place, run: Sequence[str] = programs.DISTILL) -> Row:
    """Run the command on one network; whatever happens is a row."""
    return measured(task, place, lambda task: _run(task, run))


def file_name(name: str) -> str:
    """A network's name as a path below a folder."""
    parts = [re.sub(r"[^\w.+-]+", "-", part) for part in name.split("/")]
    return "/".join(part for part in parts if part.strip("."))


def _run(task: Task, run: Sequence[str]) -> Ended:
    ask = task.backend.removeprefix(DISTILL)
    asked = [*task.options["options"], "--seed", str(task.seed)]
    asked += ["--time-limit", f"{task.options['limit']:g}", "--json"]
    if task.options["question"]:
        asked += ["--task", task.options["question"]]
    if "certificate" in task.files and ask != "attack":
        folder = Path(task.files["certificate"])
        shutil.rmtree(folder, ignore_errors=True)  # of a run that did not come to its end
        folder.parent.mkdir(parents=True, exist_ok=True)
        asked += ["--out", str(folder)]
    with TemporaryDirectory() as scratch:
        about = [task.files["network"]]
        if "program" in task.options:
            about.append(str(Path(scratch) / "program.py"))
            Path(about[-1]).write_text(task.options["program"], encoding="utf-8")
        process = run_process(
            [*run, ask, *about, *asked], WALL * task.seconds, cpu_seconds=task.seconds, memory_mb=task.memory_mb,
            tree=True,
        )  # fmt: skip
    if process.code == REFUSED and not process.reason:
        words = " ".join(process.errors.strip().splitlines()[-1:]) or "no message"
        words = words.replace(f"{scratch}/", "")
        return Ended(process, "unsupported", "", words.removeprefix("distill: "), {"solver": task.backend})
    status, ended_by, reason, said = programs.printed(process, task.seconds)
    if status:
        return Ended(process, status, ended_by, reason, {"solver": task.backend})
    told = {**_told(said, process), "solver": task.backend}
    return Ended(process, "solved" if told["verdict"] in FOUND else "unsolved", "", "", told)


def _told(said: Mapping[str, Any], process: Process) -> dict[str, Any]:
    """The columns of the row."""
    text = texts.body(said["program"]) if said.get("program") else ""
    return {
        "seconds": process.cputime,
        "verdict": verdict(said, process.code),
        "program": text,
        "size": int(said.get("size") or 0),
        "sizes": {"lines": texts.lines(text), "reading": texts.reading(text)} if text else {},
        "candidates": int((said.get("statistics") or {}).get("candidates", 0)),
        "phases": {step["name"]: step["cpu_seconds"] for step in said.get("steps", ()) if "cpu_seconds" in step},
        "checked": int(said.get("inputs") or 0),
        "wrong": None
        if not text or "exception_count" not in said or ("kind" in said and said.get("broken"))
        else int(said["exception_count"] or 0),
        "detail": {"result": dict(said)},
    }


def verdict(said: Mapping[str, Any], code: int) -> str:
    """What the command found, in a word or two; ``code``: 0 where it proved what was asked.

    Of networks over sequences it tells how a program and a network compare; of streams and of pairs of numbers
    whether they are proved equal, differ somewhere, or neither is known.
    """
    if str(said.get("schema", "")).startswith("attack/"):
        return BROKEN if code else NOT_BROKEN
    if "kind" not in said or said.get("proved") or said.get("extension") or not said.get("program"):
        return programs.verdict(said)
    return DIFFERS if said.get("broken") else OPEN


def _questions(folder: Path) -> tuple[str, ...]:
    """The names of a folder's questions; one empty name where it has one, or a file that cannot be read."""
    try:
        return questions(folder) if (folder / MARK).is_file() else ("",)
    except BenchmarkError:
        return ("",)
