"""What ``run`` and ``verify`` do of a network whose prompts show two numbers: distill, print, certify."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.exits import NOT_PROVED, PROVED

if TYPE_CHECKING:
    from cegis.operands import Operands
    from tasks.automata.digits import NumberProgram
    from tasks.commands.manners import Manners
    from tasks.commands.question import Asked

MOST_TEXT = 100_000  # bytes of a program's file
CHECKED = 0.5  # of the time, for the check of a certificate


def answer_numbers(
    asked: Asked,
    operands: Operands,
    program: str | None,
    semantics: Any,
    seconds: float,
    seed: int,
    out: Path | None,
    manners: Manners,
) -> int:
    """Print what is known of the network on all pairs, and write a certificate to ``out``; the exit code."""
    from tasks.certificates.pairs import attest_pairs
    from tasks.commands.progress import observed
    from tasks.networks.quoting import json_text, shown, shown_lines
    from tasks.pipeline.numbers import distill_numbers, numbers_json, numbers_text

    deadline = time.monotonic() + seconds
    given = None if program is None else _program(program)
    share = CHECKED if out is not None else 0.0
    with observed(manners) as observer:
        result = distill_numbers(
            asked.model, operands, program=given, semantics=semantics, seconds=(1 - share) * seconds, seed=seed,
            observer=observer,
        )  # fmt: skip
    if not manners.as_json:
        click.echo(shown_lines(numbers_text(result, is_full=manners.verbose, width=manners.width)))
    saved, reason = None, "none was asked for"
    if out is not None:
        made = attest_pairs(result, asked.folder, seconds=max(1.0, deadline - time.monotonic()))
        saved, reason = (None, made) if isinstance(made, str) else (made.save(out), "")
    if manners.as_json:
        click.echo(json_text(numbers_json(result, None if saved is None else str(saved)) | {"not_certified": reason}))
    elif saved is None:
        said = [f"No certificate: {reason}."] if out is not None else []
        said += manners.more(out)
        click.echo(shown_lines("\n".join(["", *said])))
    else:
        click.echo(f"\n{shown(f'Certificate: {saved} (for all pairs; check it with: distill check {saved})')}")
    return PROVED if result.is_proved else NOT_PROVED


def _program(name: str) -> NumberProgram:
    """The program at ``FILE.py`` or ``FILE.py:FUNCTION``, read and never run; raises ClickException for none."""
    from dsl.operators import GrammarError
    from tasks.automata.digits import NumberProgram

    path, _, function = name.rpartition(":") if name.rpartition(":")[0].endswith(".py") else (name, "", "")
    try:
        return NumberProgram.parse(_text(Path(path)), function)
    except GrammarError as error:
        raise click.ClickException(f"{path}: {error} (--operands none asks about sequences of tokens)") from None


def _text(file: Path) -> str:
    """The program in a file; raises ClickException where there is none to be read."""
    try:
        content = file.read_bytes()
        if len(content) > MOST_TEXT:
            raise click.ClickException(f"{file}: expected at most {MOST_TEXT:,} bytes of Python, got {len(content):,}")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(
            f"{file}: expected the file of a function of two numbers, such as def f(a, b): return a + b ({error})"
        ) from None
