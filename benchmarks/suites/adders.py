"""The suite "adders": networks whose prompts show two numbers, proved on all pairs or with a pair that fails.

Asked is every folder below the cases whose ``case.json`` describes operands. What the network calculates is found and
proved by ``tasks.pipeline.numbers``. Apart from that, and not charged, the program is compared with the network on
pairs that no search has chosen: ``RANDOM`` random ones and all pairs of round and extreme numbers, in float64, each
digit after right ones; all pairs where there are few. A proof beside a pair that differs there is an error.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness.row import BenchmarkError, digest
from benchmarks.harness.task import Task
from benchmarks.suites.networks import MARK, OURS, read_case, seconds_of_checking

if TYPE_CHECKING:
    from cegis.operands import Operands, Pair
    from tasks.automata.digits import NumberProgram
    from tasks.formats import Loaded
    from tasks.pipeline.numbers import NumberDistillation
    from tasks.proofs.operand_search import Teacher

SUITE = "adders"
RANDOM = 5_000  # pairs
SLOWEST = 4.0  # times the CPU seconds, what wall clock may take on a machine that others use as well
PROOF, CERTIFICATE = 0.25, 0.3  # of the limit; checking takes about as long as making the certificate


def plan(cases: Path | None, seconds: float, memory_mb: int, seed: int, only: Sequence[str] = ()) -> tuple[Task, ...]:
    """One task for each folder that describes operands."""
    if cases is None:
        raise BenchmarkError("expected networks that calculate: name a folder of them as --cases-dir")
    tasks = []
    for folder in sorted(path.parent for path in cases.rglob(MARK)):
        name = folder.relative_to(cases).as_posix()
        if not _describes(folder) or (only and not any(part in name for part in only)):
            continue
        content = digest(b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()))
        tasks.append(Task(SUITE, name, OURS, seed, seconds, {"content": content}, {"folder": str(folder)}, memory_mb))
    if not tasks:
        raise BenchmarkError(f"{cases}: expected folders whose {MARK} describes two numbers in a prompt, found none")
    return tuple(tasks)


def _describes(folder: Path) -> bool:
    """Whether a folder means to describe operands; what it says of them is read in the run."""
    said = read_case(folder)
    given, reading = said.get("input"), said.get("read_out")
    has_fields = isinstance(given, dict) and "operands" in given
    return has_fields or (isinstance(reading, dict) and reading.get("kind") == "greedy_digits")


def work(task: Task, report: Callable[..., None]) -> None:
    """One network, in this process."""
    from cegis import DomainError
    from tasks.formats import load
    from tasks.networks.sparse_transformer import NetworkError
    from tasks.pipeline.numbers import distill_numbers

    folder = Path(task.files["folder"])
    detail = _said(folder)
    report(solver=OURS, detail=detail)
    try:
        start, began = time.process_time(), time.monotonic()
        found = distill_numbers(load(folder), seconds=PROOF * task.seconds, seed=task.seed)
        seconds, waited = time.process_time() - start, time.monotonic() - began
    except (NetworkError, DomainError) as error:
        report(status="unsupported", reason=str(error))
        return
    detail |= _figures(found)
    told: dict[str, Any] = {}
    if found.program is not None:
        counts = measured(found.model, found.operands, found.program, task.seed)
        wrong, tried = (sum(column) for column in zip(*counts.values(), strict=True))
        if found.is_proved and wrong:
            raise BenchmarkError(f"proved on all pairs, and {wrong:,} of {tried:,} are answered differently")
        detail["measured"] = {family: list(count) for family, count in counts.items()}
        told = {"program": found.source(), "wrong": 0 if found.is_proved else None}
        told["checked"] = tried if found.is_proved else 0
    is_decided = found.is_proved or found.failing is not None
    told |= {"status": "solved" if is_decided else "unsolved", "reason": "" if is_decided else detail["verdict"]}
    phases = {step.name: step.cpu_seconds for step in found.steps}
    report(**told, seconds=seconds, phases=phases, detail=detail)
    if found.is_proved:
        slow = min(max(waited / max(seconds, 1e-9), 1.0), SLOWEST)  # the checker's limit is one of wall clock
        report(detail=detail | _checked(found, folder, slow * CERTIFICATE * task.seconds))


def _said(folder: Path) -> dict[str, Any]:
    """What the folder says of its network: how many parameters, and how accurate its authors say it is."""
    said = read_case(folder)
    parts = [said.get(name) for name in ("architecture", "measured")]
    built, seen = (part if isinstance(part, dict) else {} for part in parts)
    parameters, claimed = built.get("params"), seen.get("claimed_by_authors")
    return {
        "parameters": parameters if isinstance(parameters, int) else None,
        "claimed": claimed if isinstance(claimed, str) else "",
    }


def _figures(found: NumberDistillation) -> dict[str, Any]:
    failing = found.failing
    figures: dict[str, Any] = {
        "pairs": str(found.operands.size()),
        "expression": "" if found.program is None else found.program.expression,
        "proved": found.is_proved, "verdict": found.verdict(),
    }  # fmt: skip
    if found.is_proved:
        assert found.cover is not None
        figures |= {"arithmetic": found.claims[0].semantics, "margin": found.cover.margin, "boxes": found.cover.boxes}
    elif failing is not None:
        figures |= {"pair": list(map(str, failing.pair)), "right": str(failing.right), "arithmetic": failing.semantics}
        figures["given"] = None if failing.value is None else str(failing.value)
        counted = found.failures
        figures["failures"] = "" if counted is None else counted.words
        figures["fail"] = None if counted is None else [str(counted.least), str(counted.most)]
    return figures


def measured(model: Loaded, operands: Operands, program: NumberProgram, seed: int) -> dict[str, tuple[int, int]]:
    """Of each family of pairs, how many the network answers differently, run in float64, and of how many."""
    from tasks.proofs.operand_search import Teacher

    teacher = Teacher(model, operands, program)
    return {family: (_wrong(teacher, pairs), len(pairs)) for family, pairs in _families(operands, seed).items()}


def _wrong(teacher: Teacher, pairs: Sequence[Pair]) -> int:
    """How many of ``pairs`` get another answer by greedy decoding."""
    worst = teacher.worst(list(pairs))
    wrong = int((worst < 0).sum())
    for pair, margin in zip(pairs, worst.tolist(), strict=True):
        if not (margin > 0 or margin < 0):  # a tie, or no number: what greedy decoding gives decides
            wrong += teacher.operands.value(teacher.given(pair)) != teacher.program(*pair)
    return wrong


def _families(operands: Operands, seed: int) -> dict[str, list[Pair]]:
    """Random pairs, and all of round and extreme numbers; every pair where there are few."""
    from tasks.proofs.operand_search import EVERY, simple_numbers

    count = operands.largest + 1
    if operands.size() <= EVERY:
        return {"all": [(a, b) for a in range(count) for b in range(count)]}
    source, numbers = random.Random(seed), simple_numbers(operands)
    return {
        "random": [(source.randrange(count), source.randrange(count)) for _ in range(RANDOM)],
        "round": [(a, b) for a in numbers for b in numbers],
    }


def _checked(found: NumberDistillation, folder: Path, seconds: float) -> dict[str, Any]:
    """CPU seconds in which the independent checker confirms the certificate, in which arithmetic; or why none."""
    from tasks.certificates.pairs import attest_pairs
    from tasks.proofs.enumeration import MEANING

    certificate = attest_pairs(found, folder, seconds=seconds)
    if isinstance(certificate, str):
        return {"check": certificate}
    statement = certificate.statement
    return {"check": seconds_of_checking(certificate), "certified": MEANING[statement["semantics"]]}
