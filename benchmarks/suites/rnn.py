"""The suite "rnn": recurrent networks to programs and proofs, beside AALpy's L* on the same networks.

    authors' weights    every folder with a case.json under the cases: networks of numbers (MIPS), acceptors (Weiss)
    our retraining      the 62 tasks of the MIPS paper, as ``python -m tasks.training.streams`` trained them

Networks of numbers become loops (``tasks.pipeline.streams``), proved over every stream of the length of their task or
of every length; the printed text is then run on ``HELD`` random streams beside the network in its own precision.
Where no loop is found and all streams can be listed, and for acceptors, the pipeline of all networks is asked: of these
every word is listed to length ``WORDS``, or as far as programs are searched on, and every word on which the program
found differs from the network is written to a file. A row of its own says how far the labels are bounded in float32 as
executed. A task without a trained network is a row, too. ``seconds`` are CPU seconds of the work, start-up left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness.row import BenchmarkError, digest
from benchmarks.harness.task import Task
from benchmarks.suites.networks import MARK, OURS, seconds_of_checking

if TYPE_CHECKING:
    from cegis import Domain
    from tasks.formats import Loaded
    from tasks.pipeline.sequences import Distillation

SUITE, LSTAR, FLOAT32 = "rnn", "AALpy L*", "ours, float32"
AUTHORS, RETRAINED = ORIGINS = ("authors' weights", "our retraining")
HELD = 2000  # random streams on which the printed text is run
WORDS = 20  # tokens of the longest words of acceptors that are listed, over so many letters that they can be
MANY_SYMBOLS = 4  # of an acceptor: of more those that are no letters are listed, with one letter
LONGER = 2.5  # times the limit, for an acceptor
MOST_TOKENS = 16  # of a network that L* is asked of
NO_NETWORK = "training ended without a network that is right on every stream looked at"


def plan(
    cases: Path | None,
    trained: Path | None,
    seconds: float,
    memory_mb: int,
    seed: int,
    only: Sequence[str] = (),
    out: Path | None = None,
) -> tuple[Task, ...]:
    """Every network with this project, and those of few tokens with L*; files of exceptions go below ``out``."""
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
        is_acceptor = where is not None and not _is_of_numbers(where)
        if is_acceptor and out is not None:
            files["exceptions"] = str((out / "exceptions" / f"{name.replace('/', '-')}.jsonl").resolve())
        peers = [OURS, *([FLOAT32] if is_acceptor else [])]
        peers += [LSTAR] if where is not None and tokens <= MOST_TOKENS and _is_small(where) else []
        limit = LONGER * seconds if is_acceptor else seconds
        tasks += [Task(SUITE, name, peer, seed, limit, options, files, memory_mb) for peer in peers]
    return tuple(tasks)


def _is_small(folder: Path) -> bool:
    """Whether a network reads few different tokens."""
    from tasks.formats.number_streams import number_streams

    return not _is_of_numbers(folder) or len(number_streams(folder).numbers) <= MOST_TOKENS


def _is_of_numbers(folder: Path) -> bool:
    """Whether a network reads numbers, not symbols."""
    from tasks.formats.number_streams import number_streams
    from tasks.networks.sparse_transformer import NetworkError

    try:
        number_streams(folder)
    except NetworkError:
        return False
    return True


def work(task: Task, report: Callable[..., None]) -> None:
    """One network, in this process."""
    origin = task.options["origin"]
    report(solver=task.backend, detail={"origin": origin})
    if "folder" not in task.files:
        report(status="unsolved", reason=NO_NETWORK)
        return
    folder, start = Path(task.files["folder"]), time.process_time()
    found = {LSTAR: learned, FLOAT32: as_executed}.get(task.backend, distilled)(task, folder)
    detail = {"origin": origin, **found.pop("detail", {})}
    report(**found, detail=detail, seconds=time.process_time() - start)


def distilled(task: Task, folder: Path) -> dict[str, Any]:
    """What this project finds."""
    from tasks.formats.number_streams import number_streams

    if not _is_of_numbers(folder):
        return _of_words(task, folder)
    of = number_streams(folder)
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


def acceptor(folder: Path) -> Loaded:
    """A network of symbols; where these are many, on its signs and the first of its letters alone."""
    from tasks.formats import Question, load

    model = load(folder, Question())
    alphabet = model.domain.alphabet
    signs = [symbol for symbol in alphabet if not symbol.isalnum()]
    letter = next((symbol for symbol in alphabet if symbol.isalnum()), None)
    if len(alphabet) <= MANY_SYMBOLS or not signs or letter is None or len(signs) >= MANY_SYMBOLS:
        return model
    return load(folder, Question(alphabet=(*signs, letter)))


def words_of(model: Loaded) -> Domain:
    """The words of an acceptor that are listed: to ``WORDS`` tokens, or as long as programs are searched on."""
    from tasks.pipeline.labels import MOST_SEQUENCES
    from tasks.proofs.enumeration import shortened

    most = model.domain.max_length
    return shortened(model.domain.up_to(WORDS if most is None else min(WORDS, most)), MOST_SEQUENCES)


def _loop(task: Task, folder: Path, column: int) -> dict[str, Any]:
    from tasks.formats.number_streams import number_streams
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


def _of_words(task: Task, folder: Path, longest: int | None = None) -> dict[str, Any]:
    """What the pipeline of all networks finds on every sequence of up to so many tokens, or of an acceptor's words."""
    from benchmarks.suites import networks
    from tasks.formats import Question, load
    from tasks.networks.readout import Rounded
    from tasks.pipeline.distill import distill

    model = acceptor(folder) if longest is None else load(folder, Question())
    if longest is not None and isinstance(model.readout, Rounded):
        model = load(folder, Question(lengths=(1, longest), readout=Rounded(0)))
    domain = words_of(model) if longest is None else model.domain.up_to(longest)
    if longest is None:  # in float64 alone: float32 has a run of its own
        found = distill(model, domain, semantics="float64", seconds=0.8 * task.seconds, seed=task.seed)
    else:
        found = distill(model, domain, seconds=0.5 * task.seconds, seed=task.seed)
    figures, program = networks.detail(found), found.program
    is_listed = found.domain.lengths == domain.lengths and not found.labels.undecided
    is_known = found.is_proved or (bool(found.exceptions) and is_listed)
    broken = found.broken
    detail = {
        "claim": claim_of_words(found), "length": found.domain.lengths[-1], "asked": domain.lengths[-1],
        "horizon": found.horizon, "every": False, "method": "enumeration", "exceptions": len(found.exceptions),
        "broken": None if broken is None else " ".join(map(str, broken.inputs)), "state": None,
        "domain": figures["inputs"], "undecided": figures["undecided"], "semantics": figures["semantics"],
    }  # fmt: skip
    if broken is not None:
        detail["breaks"] = len(broken.inputs)
    if found.exceptions and "exceptions" in task.files:
        detail["file"] = _written(found, Path(task.files["exceptions"]))
    return {
        "program": "" if program is None else program.source("program"),
        "size": 0 if program is None else program.size,
        "detail": detail,
        "status": "solved" if is_known else "unsolved",
        "reason": "" if is_known else _why_not(found, domain),
    }


def _why_not(found: Distillation, domain: Domain) -> str:
    """Why it is not known how a program does on all of ``domain``."""
    from benchmarks.suites import networks

    if found.domain.lengths == domain.lengths:
        undecided = found.labels.undecided
        return networks.verdict(found) + (f"; {undecided:,} words have no label" if undecided else "")
    reach, longest = found.domain.lengths[-1], domain.lengths[-1]
    return f"words are listed to length {reach} of {longest}, where the time for that ended: {networks.verdict(found)}"


def claim_of_words(found: Distillation) -> str:
    """What is known of the program that was found, to the length that was listed, and in which arithmetic."""
    if found.claims or found.program is None or not found.exceptions:
        return " ".join(claim.words for claim in found.claims)
    labels, first = found.labels, found.exceptions[0]
    reach = f"of length {found.domain.lengths[0]} to {found.domain.lengths[-1]}"
    without = f" that have a label ({labels.undecided:,} have none)" if labels.undecided else ""
    short = "the two differ at the shortest length"
    if found.horizon is not None and found.horizon >= found.domain.lengths[0]:
        short = f"the two are equal up to length {found.horizon}"
    return (
        f"the program that this run found differs from the network on exactly {len(found.exceptions):,} of all "
        f"{labels.size:,} sequences {reach}{without}, in {labels.enumeration.meaning}; {labels.conditions}; "
        f"{short}{', wherever there is one' if labels.undecided else ''}; the first exception is "
        f"{' '.join(map(str, first.inputs))!r}, network {first.expected!r}, program {first.got!r}"
    )


def _written(found: Distillation, target: Path) -> str:
    """The name of the file with every exception of the program, below the folder of the rows."""
    from tasks.formats.writing import write_file
    from tasks.pipeline.report import exception_lines

    target.parent.mkdir(parents=True, exist_ok=True)
    write_file(target, (f"{line}\n".encode() for line in exception_lines(replace(found, rule=None))))
    return f"{target.parent.name}/{target.name}"


def as_executed(task: Task, folder: Path) -> dict[str, Any]:
    """To which length every label is bounded in float32 as executed, in nearly all of the time."""
    from tasks.formats import BlackBox
    from tasks.networks.conditions import conditions
    from tasks.networks.readout import UNDECIDED
    from tasks.proofs.enumeration import enumerate_within

    model = acceptor(folder)
    if isinstance(model.network, BlackBox) or model.network.dtype != "float32":
        return {"status": "unsupported", "reason": "its weights are no float32 numbers"}
    domain = words_of(model)
    found = enumerate_within(model, domain, 0.95 * task.seconds, semantics="float32")
    whole, listed = None, found.domain.lengths
    for length, part in zip(listed, found.lengths, strict=True):
        if (part.labels == UNDECIDED).any():
            break
        whole = length
    claim = f"{found.size - found.undecided:,} of the {found.size:,} labels of length {listed[0]} to {listed[-1]} hold "
    claim += f"in {found.meaning}; {found.undecided:,} undecided; {conditions(model, found.domain)}"
    detail = {
        "claim": claim, "length": listed[-1], "asked": domain.lengths[-1], "whole": whole, "domain": found.size,
        "undecided": found.undecided, "method": "enumeration", "semantics": found.semantics,
    }  # fmt: skip
    if whole is None:
        return {"status": "unsolved", "reason": "the shortest words are not decided", "detail": detail}
    return {"status": "solved", "reason": "", "detail": detail}


def learned(task: Task, folder: Path) -> dict[str, Any]:
    """What AALpy's L* learns, and whether its machine is right on every word it is compared on."""
    from benchmarks.peers import lstar_recurrent
    from tasks.formats.number_streams import number_streams

    if _is_of_numbers(folder):
        of: Any = number_streams(folder)
        longest = of.length
    else:
        of = acceptor(folder)
        longest = words_of(of).lengths[-1]
    found = lstar_recurrent.learn(of, longest, seconds=0.5 * task.seconds, seed=task.seed)
    detail: Mapping[str, Any] = {
        "claim": found.words, "length": longest, "method": "L*", "states": found.states, "questions": found.questions,
    }  # fmt: skip
    status = "solved" if found.is_exact else "unsolved"
    return {
        "detail": detail, "size": found.states, "status": status, "reason": "" if found.is_exact else found.words,
        "wrong": found.wrong, "checked": found.checked,
    }  # fmt: skip
