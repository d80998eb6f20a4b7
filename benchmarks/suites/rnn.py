"""The suite "rnn": recurrent networks to programs and proofs, beside AALpy's L* on the same networks.

    authors' weights    every folder with a case.json under the cases: networks of numbers (MIPS), acceptors (Weiss)
    our retraining      the 62 tasks of the MIPS paper, as ``python -m tasks.training.streams`` trained them

Networks of numbers become loops (``tasks.pipeline.streams``), proved over every stream of the length of their task or
of every length; the printed text is then run on ``HELD`` random streams beside the network in its own precision.
Where no loop is found and all streams can be listed, and for acceptors, the pipeline of all networks is asked. A task
without a trained network is a row, too. ``seconds`` are CPU seconds of the work, start-up left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.row import BenchmarkError, digest
from benchmarks.harness.task import Task
from benchmarks.suites.networks import MARK, OURS, seconds_of_checking

SUITE, LSTAR = "rnn", "AALpy L*"
AUTHORS, RETRAINED = ORIGINS = ("authors' weights", "our retraining")
HELD = 2000  # random streams on which the printed text is run
ACCEPTING = {"bp": 8}  # longest words of acceptors that are listed, by the beginning of a name; else WORDS
WORDS = 12
MOST_TOKENS = 16  # of a network that L* is asked of
NO_NETWORK = "training ended without a network that is right on every stream looked at"


def plan(
    cases: Path | None, trained: Path | None, seconds: float, memory_mb: int, seed: int, only: Sequence[str] = ()
) -> tuple[Task, ...]:
    """Every network with this project, and those of few tokens with L*."""
    from tasks.training.stream_tasks import TASKS

    asked: list[tuple[str, str, Path | None, int]] = []
    if cases is not None:
        folders = sorted(path.parent for path in cases.rglob(MARK))
        asked += [(folder.relative_to(cases).as_posix(), AUTHORS, folder, 2) for folder in folders]
    if trained is not None:
        for task in TASKS:
            folder = trained / task.name
            asked.append((task.name, RETRAINED, folder if (folder / MARK).exists() else None, task.steps))
    asked = [one for one in asked if not only or any(part in one[0] for part in only)]
    if not asked:
        raise BenchmarkError("expected networks: name --cases-dir, or --trained after python -m tasks.training.streams")
    tasks = []
    for name, origin, where, tokens in asked:
        content = (
            "" if where is None else digest(b"".join(p.read_bytes() for p in sorted(where.iterdir()) if p.is_file()))
        )
        options = {"content": content, "origin": origin}
        files = {} if where is None else {"folder": str(where)}
        peers = [OURS] + ([LSTAR] if where is not None and tokens <= MOST_TOKENS and _is_small(where) else [])
        tasks += [Task(SUITE, name, peer, seed, seconds, options, files, memory_mb) for peer in peers]
    return tuple(tasks)


def _is_small(folder: Path) -> bool:
    """Whether a network reads few different tokens."""
    from tasks.formats.recurrent_case import number_streams
    from tasks.networks.sparse_transformer import NetworkError

    try:
        return len(number_streams(folder).numbers) <= MOST_TOKENS
    except NetworkError:
        return True  # of symbols


def work(task: Task, report: Callable[..., None]) -> None:
    """One network, in this process."""
    origin = task.options["origin"]
    report(solver=task.backend, detail={"origin": origin})
    if "folder" not in task.files:
        report(status="unsolved", reason=NO_NETWORK)
        return
    folder, start = Path(task.files["folder"]), time.process_time()
    found = learned(task, folder) if task.backend == LSTAR else distilled(task, folder)
    detail = {"origin": origin, **found.pop("detail", {})}
    report(**found, detail=detail, seconds=time.process_time() - start)


def distilled(task: Task, folder: Path) -> dict[str, Any]:
    """What this project finds."""
    from tasks.formats.recurrent_case import number_streams
    from tasks.networks.sparse_transformer import NetworkError

    try:
        of = number_streams(folder)
    except NetworkError:
        return _of_words(task, folder, _longest(task.problem))
    columns = range(of.network.outputs)
    rows = [_loop(task, folder, column) for column in columns]  # where several numbers go out, a program for each
    found = rows[0]
    if len(rows) > 1:
        found = {**found, "program": "\n\n".join(row["program"] for row in rows)}
        found["status"] = "solved" if all(row["status"] == "solved" for row in rows) else "unsolved"
        found["reason"] = next((row["reason"] for row in rows if row["status"] != "solved"), "")
    if found["status"] == "unsolved" and not found["program"] and len(of.numbers) ** of.length <= 2**20:
        listed = _of_words(task, folder, of.length)
        if listed["status"] == "solved":
            return listed
    return found


def _longest(problem: str) -> int:
    last = problem.rpartition("/")[2]
    return next((length for name, length in ACCEPTING.items() if last.startswith(name)), WORDS)


def _loop(task: Task, folder: Path, column: int) -> dict[str, Any]:
    from tasks.formats.recurrent_case import number_streams
    from tasks.pipeline.streams import distill_streams
    from tasks.proofs.stream_states import Broken

    of = number_streams(folder, column=column)
    found = distill_streams(of, seconds=0.8 * task.seconds, seed=task.seed)
    detail: dict[str, Any] = {
        "claim": found.verdict().rstrip("."), "length": of.length, "state": of.network.width,
        "domain": f"{len(of.numbers)}^{of.length}", "horizon": 0,
    }  # fmt: skip
    proved, broken = found.proved, found.outcome if isinstance(found.outcome, Broken) else None
    if proved is not None:
        detail |= {"method": proved.method, "margin": proved.margin, "pairs": proved.pairs, "horizon": proved.length}
    if broken is not None:
        detail |= {"breaks": len(broken.stream), "method": proved.method if proved else ""}
    elif found.is_proved:
        detail["every"] = found.horizon is None
    result: dict[str, Any] = {"program": found.source("program"), "detail": detail, "candidates": found.rounds}
    if found.program is not None:
        wrong, checked = held(of, found.source("program"), task.seed)
        result |= {"size": found.program.size, "wrong": wrong, "checked": checked}
        result["sizes"] = {"lines": len(found.source("program").splitlines()) - 1}
    if found.is_proved:
        detail["check"] = _checked(found, folder)
    reason = "" if found.is_proved else found.reason or found.verdict()
    return {**result, "status": "solved" if found.is_proved else "unsolved", "reason": reason}


def _checked(found: Any, folder: Path) -> float | str:
    """CPU seconds in which the independent checker confirms the certificate, or why there is none."""
    from tasks.certificates.streams import attest_stream

    certificate = attest_stream(found, folder)
    return certificate if isinstance(certificate, str) else seconds_of_checking(certificate)


def held(of: Any, text: str, seed: int) -> tuple[int, int]:
    """How many answers of the printed text differ from the network's, in its own precision, and of how many streams."""
    scope: dict[str, Any] = {}
    exec(compile(text, "<program>", "exec"), scope)  # our own text
    x = of.sample(HELD, np.random.default_rng(seed + 1))
    answers, wrong = of.answers(x), 0
    names = [[",".join(map(str, numbers)) for numbers in stream] for stream in x.tolist()]
    for stream, row in zip(names, answers.tolist(), strict=True):
        wrong += int(scope["program"](stream) != row[-1])
    return wrong, len(x)


def _of_words(task: Task, folder: Path, longest: int) -> dict[str, Any]:
    """What the pipeline of all networks finds on every sequence of up to so many tokens."""
    from benchmarks.suites import networks
    from tasks.formats import Question, load
    from tasks.networks.readout import Rounded
    from tasks.pipeline.distill import distill

    model = load(folder, Question())
    if isinstance(model.readout, Rounded):
        model = load(folder, Question(lengths=(1, longest), readout=Rounded(0)))
    domain = model.domain.up_to(longest)
    found = distill(model, domain, seconds=0.5 * task.seconds, seed=task.seed)
    figures = networks.detail(found)
    program = found.program
    name = "program"
    exceptions = len(found.exceptions)
    is_known = found.is_proved or bool(found.exceptions)
    claims = " ".join(claim.words for claim in found.claims)
    detail = {
        "claim": claims or f"equal up to length {found.horizon}, {exceptions} exceptions to length {longest}",
        "length": longest, "horizon": found.horizon, "every": False, "method": "enumeration",
        "exceptions": exceptions, "state": None, "domain": figures["inputs"], "semantics": figures["semantics"],
    }  # fmt: skip
    return {
        "program": "" if program is None else program.source(name),
        "size": 0 if program is None else program.size,
        "detail": detail,
        "status": "solved" if is_known else "unsolved",
        "reason": "" if is_known else networks.verdict(found),
    }


def learned(task: Task, folder: Path) -> dict[str, Any]:
    """What AALpy's L* learns, and whether its machine is right on every word it is compared on."""
    from benchmarks.peers import lstar_recurrent
    from tasks.formats import Question, load
    from tasks.formats.recurrent_case import number_streams
    from tasks.networks.sparse_transformer import NetworkError

    try:
        of: Any = number_streams(folder)
        longest = of.length
    except NetworkError:
        of, longest = load(folder, Question()), _longest(task.problem)
    found = lstar_recurrent.learn(of, longest, seconds=0.5 * task.seconds, seed=task.seed)
    detail: Mapping[str, Any] = {
        "claim": found.words, "length": longest, "method": "L*", "states": found.states, "questions": found.questions,
    }  # fmt: skip
    status = "solved" if found.is_exact else "unsolved"
    return {
        "detail": detail, "size": found.states, "status": status, "reason": "" if found.is_exact else found.words,
        "wrong": found.wrong, "checked": found.checked,
    }  # fmt: skip
