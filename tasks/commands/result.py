"""A result as ``run`` and ``horizon`` end it: printed, certified, and turned into an exit code."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.exits import NOT_PROVED, PROVED
from tasks.formats.writing import write_file

if TYPE_CHECKING:
    from cegis.certificate import Certificate
    from tasks.certificates.write import Written
    from tasks.commands.manners import Manners
    from tasks.pipeline.agreement import Against
    from tasks.pipeline.beside import Beside
    from tasks.pipeline.distill import Distilled


def finish(
    result: Distilled,
    folder: Path,
    out: Path | None,
    deadline: float,
    manners: Manners,
    exceptions: Path | None = None,
    against: Against | Beside | None = None,
) -> int:
    """Print ``result``, write its certificates to ``out`` until ``deadline`` (by ``perf_counter``); the exit code.

    Of text the program and its verdict come first, and the chain behind them only where ``manners`` ask for it. A
    certificate that cannot be written does not cost the result. Every exception is written to ``exceptions``;
    ``against``: program and circuit beside another network.
    """
    from tasks.networks.quoting import json_text, shown, shown_lines
    from tasks.pipeline.agreement import Against, against_json, against_lines
    from tasks.pipeline.beside import beside_json, beside_lines
    from tasks.pipeline.report import distillation_json, distillation_text, exception_lines
    from tasks.pipeline.result import Together

    as_json, is_proved = manners.as_json, result.is_proved
    if not as_json:
        click.echo(
            shown_lines(
                distillation_text(
                    result, is_full=manners.verbose, width=manners.width, is_written=exceptions is not None
                )
            )
        )
        if against is not None:
            lines = against_lines(against) if isinstance(against, Against) else beside_lines(against)
            click.echo(shown_lines("\n".join(lines)))
    if exceptions is not None:
        count = write_file(exceptions, (f"{line}\n".encode() for line in exception_lines(result)))
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
        is_proved = False
    finally:
        if as_json:
            value: dict[str, Any] = distillation_json(result, str(saved[0][0]) if saved else None)
            value |= {"certificates": [str(path) for path, _ in saved], "not_certified": reasons}
            if against is not None:
                value |= {"against": against_json(against) if isinstance(against, Against) else beside_json(against)}
            value |= {"exceptions_file": None if exceptions is None else str(exceptions)}
            click.echo(json_text(value))
        else:
            said = [
                f"Certificate: {path} ({_scope(certificate)}; check it with: distill check {path})"
                for path, certificate in saved
            ]
            said += [f"No certificate: {reason}." for reason in reasons if out is not None]
            has_some = bool(result.claims) if isinstance(result, Together) else result.program is not None
            said += manners.more(is_certifiable=out is None and has_some)
            click.echo("\n".join(["", *map(shown, said)]))
    return PROVED if is_proved else NOT_PROVED


def _written(result: Distilled, folder: Path, seconds: float, manners: Manners) -> tuple[Written, ...]:
    """The certificates; those without a solver's queries are confirmed by the checker first."""
    from tasks.certificates.write import certificates
    from tasks.commands.progress import observed

    if not manners.is_silent:
        said = f"a certificate is being written, in {seconds:.0f} s at most; an interrupt leaves it out"
        click.echo(f"distill: {said}", err=True)
    with observed(manners) as observer:
        return certificates(result, folder, seconds=seconds, on_progress=observer.on_progress)


def _scope(certificate: Certificate) -> str:
    """Which inputs a certificate is about."""
    if "operands" in certificate.statement:
        return "for all pairs"
    longest = certificate.statement["lengths"][1]
    return "for every length" if longest is None else f"for lengths up to {longest}"
