"""A distillation as ``run`` and ``horizon`` end it: printed, certified, and turned into an exit code."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.exits import NOT_PROVED, PROVED

if TYPE_CHECKING:
    from cegis.certificate import Certificate
    from tasks.certificates.write import Written
    from tasks.commands.manners import Manners
    from tasks.pipeline.agreement import Against
    from tasks.pipeline.distill import Distillation


def finish(
    result: Distillation,
    folder: Path,
    out: Path | None,
    deadline: float,
    manners: Manners,
    exceptions: Path | None = None,
    against: Against | None = None,
) -> int:
    """Print ``result``, write its certificates to ``out`` until ``deadline`` (by ``perf_counter``); the exit code.

    Of text the program and its verdict come first, and the chain behind them only where ``manners`` ask for it. A
    certificate that cannot be written does not cost the result. Every exception is written to ``exceptions``;
    ``against``: program and circuit beside another network.
    """
    from tasks.networks.quoting import json_text, shown, shown_lines
    from tasks.pipeline.agreement import against_json, against_lines
    from tasks.pipeline.report import distillation_json, distillation_text, exception_lines

    as_json = manners.as_json
    if not as_json:
        click.echo(
            shown_lines(
                distillation_text(
                    result, is_full=manners.verbose, width=manners.width, is_written=exceptions is not None
                )
            )
        )
        if against is not None:
            click.echo(shown_lines("\n".join(against_lines(against))))
    if exceptions is not None:
        count = _write_lines(exceptions, exception_lines(result))
        if not as_json:
            click.echo(f"\n{shown(f'Exceptions: {count:,} in {exceptions}')}")
    saved: list[tuple[Path, Certificate]] = []
    reasons: list[str] = ["none was asked for"] if out is None else []
    try:
        if out is not None:
            for written in _written(result, folder, max(0.0, deadline - time.perf_counter()), manners):
                target = out.with_name(f"{out.stem}{written.suffix}{out.suffix}")
                if isinstance(written.certificate, str):
                    reasons.append(written.certificate)
                else:
                    saved.append((written.certificate.save(target), written.certificate))
    except KeyboardInterrupt:
        reasons.append("interrupted")
    finally:
        if as_json:
            value: dict[str, Any] = distillation_json(result, str(saved[0][0]) if saved else None)
            value |= {"certificates": [str(path) for path, _ in saved], "not_certified": reasons}
            value |= {} if against is None else {"against": against_json(against)}
            value |= {"exceptions_file": None if exceptions is None else str(exceptions)}
            click.echo(json_text(value))
        else:
            said = [
                f"Certificate: {path} ({_scope(certificate)}; check it with: distill check {path})"
                for path, certificate in saved
            ]
            said += [f"No certificate: {reason}." for reason in reasons if out is not None]
            more = [] if manners.verbose else ["-v shows how, and what it rests on"]
            more += [] if out is not None else ["--out FOLDER writes a certificate"]
            said += [f"More: {'; '.join(more)}."] if more else []
            click.echo("\n".join(["", *map(shown, said)]))
    return PROVED if result.is_proved else NOT_PROVED


def check_file(target: Path) -> None:
    """Raise a ClickException unless a file may be written to ``target``."""
    folder = Path(os.path.realpath(target)).parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise click.ClickException(f"cannot write {target}: expected a folder in which files may be written: {folder}")


def _write_lines(target: Path, lines: Iterable[str]) -> int:
    """Put a file of these lines in the place of ``target``, whole or not at all; how many there are."""
    target, count = Path(os.path.realpath(target)), 0
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False) as scratch:
            try:
                for line in lines:
                    scratch.write(f"{line}\n")
                    count += 1
                scratch.flush()
                os.fsync(scratch.fileno())
                os.chmod(scratch.name, 0o666 & ~_umask())
                os.replace(scratch.name, target)
            except BaseException:
                os.unlink(scratch.name)
                raise
    except OSError as error:
        raise click.ClickException(f"cannot write {target}: {error.strerror or error}") from None
    return count


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _written(result: Distillation, folder: Path, seconds: float, manners: Manners) -> tuple[Written, ...]:
    """The certificates; those without a solver's queries are confirmed by the checker first."""
    from tasks.certificates.write import certificates
    from tasks.commands.progress import observed

    if not manners.is_silent:
        said = f"a certificate is being written, in {seconds:.0f} s at most; an interrupt leaves it out"
        click.echo(f"distill: {said}", err=True)
    with observed(manners) as observer:
        return certificates(result, folder, seconds=seconds, on_progress=observer.on_progress)


def _scope(certificate: Certificate) -> str:
    """Which lengths a certificate is about."""
    longest = certificate.statement["lengths"][1]
    return "for every length" if longest is None else f"for lengths up to {longest}"
