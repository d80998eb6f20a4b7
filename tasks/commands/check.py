"""``distill check CERTIFICATE``: in a process of its own, under limits.

Exit codes: 0 it holds, 1 it does not, or a step is open, 2 it cannot be read, or not be checked within the limits.
Nothing of the certificate is read here. ``answer`` runs in that other process: by the independent checker where no
solver is needed (``tasks.checker``), else step by step (``tasks.certificates.recheck``).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tasks.checker.limits import LEAST_MB, MEMORY_MB, MOST_MB, guarded, limit_memory, too_little_memory
from tasks.commands.exits import BAD_INPUT, NOT_PROVED, PROVED, is_ours

if TYPE_CHECKING:
    from tasks.certificates.recheck import Checked

SOLVER_MB = 8192  # of address space, where torch and a solver are loaded
GRACE = 0.5  # seconds, for a step that ends by itself to say so


@click.command()
@click.argument("certificate", type=click.Path(path_type=Path))
@click.option("--backend", help="Solver for the queries.  [default: one that did not make the proof]")
@click.option("--time-limit", "seconds", default=150.0, show_default=True, help="Seconds for the whole check.")
@click.option(
    "--memory",
    "memory_mb",
    type=click.IntRange(LEAST_MB, MOST_MB),
    help=f"MB of address space of a process.  [default: {MEMORY_MB}; {SOLVER_MB} where a solver is needed]",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def check(certificate: Path, backend: str | None, seconds: float, memory_mb: int | None, as_json: bool) -> int:
    """Check a CERTIFICATE folder, independently of how it was made.

    It runs in a process of its own, which is ended at the limits, with exit code 2.
    """
    from tasks.commands.question import check_seconds
    from tasks.networks.quoting import shown

    check_seconds(seconds)
    arguments = {
        "certificate": str(certificate),
        "backend": backend,
        "deadline": time.monotonic() + seconds,
        "memory_mb": memory_mb,
        "as_json": as_json,
    }
    entry, most = "tasks.commands.check:answer", memory_mb or SOLVER_MB
    try:
        ended = guarded(entry, arguments, seconds=seconds, memory_mb=most, grace=GRACE)
    except KeyboardInterrupt:
        raise click.Abort from None
    if ended.said:
        click.echo(f"distill: {shown(ended.said.rstrip())}", err=True)
    return ended.code


def answer(certificate: str, backend: str | None, deadline: float, memory_mb: int | None, as_json: bool) -> int:
    """Print what is found of ``certificate`` until ``deadline`` (on the clock of this machine); the exit code."""
    import sys

    from tasks.networks.quoting import shown

    try:
        return _answer(Path(certificate), backend, deadline, memory_mb, as_json)
    except click.ClickException as error:
        print(shown(error.format_message()), file=sys.stderr)
    except (ValueError, RuntimeError, OSError) as error:
        if not is_ours(error):
            raise
        print(shown(error), file=sys.stderr)
    return BAD_INPUT


def _answer(certificate: Path, backend: str | None, deadline: float, memory_mb: int | None, as_json: bool) -> int:
    from backends import get
    from cegis.certificate import Certificate
    from tasks.networks.quoting import json_text, shown

    if "kind" in Certificate.load(certificate).statement:
        limit_memory(memory_mb or MEMORY_MB)
        try:
            return _alone(certificate, as_json)
        except MemoryError:
            raise click.ClickException(too_little_memory(memory_mb or MEMORY_MB)) from None
    from tasks.certificates.recheck import check as steps_of
    from tasks.certificates.recheck import other_backend

    solver = get(backend) if backend else other_backend(certificate)
    solver.version()

    def tell(step: Checked) -> None:
        if not as_json:
            print(shown(_text(step)), flush=True)

    steps = steps_of(certificate, solver, seconds=max(0.0, deadline - time.monotonic()), on_step=tell)
    holds = all(step.holds for step in steps)
    if as_json:
        print(json_text({"holds": holds, "steps": [vars(step) for step in steps]}))
    elif holds:
        print("The certificate holds.")
    elif any(step.holds is False for step in steps):
        print("The certificate does NOT hold.")
    else:
        print("The certificate holds as far as it was checked; one step is open.")
    return PROVED if holds else NOT_PROVED


def _text(step: Checked) -> str:
    """One line per step."""
    word = {True: "ok", False: "FAILED", None: "open"}[step.holds]
    return f"{step.name:<10} {word:<7} {step.seconds:>7.2f} s  {step.text}"


def _alone(certificate: Path, as_json: bool) -> int:
    """Check a certificate that needs no solver, with the independent checker."""
    from tasks.checker.evidence import check
    from tasks.checker.files import Rejected, UnreadableError
    from tasks.networks.quoting import json_text, shown

    try:
        found = check(certificate)
        holds, told = True, [shown(found["claim"]), shown(found["assumption"])]
    except Rejected as error:
        holds, told = False, [shown(error)]
    except UnreadableError as error:
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from None
        raise click.ClickException(str(error)) from error
    if as_json:
        text = " ".join(filter(None, told))
        print(json_text({"holds": holds, "steps": [{"name": "checker", "holds": holds, "text": text}]}))
    elif holds:
        print("\n".join(filter(None, ["The certificate holds.", *told])))
    else:
        print(f"The certificate does NOT hold: {told[0]}")
    return PROVED if holds else NOT_PROVED
