"""A distillation as ``run`` and ``horizon`` end it: printed, certified, and turned into an exit code."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.exits import NOT_PROVED, PROVED

if TYPE_CHECKING:
    from cegis.certificate import Certificate
    from tasks.certificates.write import Written
    from tasks.pipeline.distill import Distillation


def finish(result: Distillation, folder: Path, out: Path | None, deadline: float, as_json: bool) -> int:
    """Print ``result``, write its certificates to ``out`` until ``deadline`` (by ``perf_counter``); the exit code.

    A certificate that cannot be written does not cost the result.
    """
    from tasks.networks.quoting import json_text, shown, shown_lines
    from tasks.pipeline.report import distillation_json, distillation_text

    if not as_json:
        click.echo(shown_lines(distillation_text(result)))
    saved: list[tuple[Path, Certificate]] = []
    reasons: list[str] = ["none was asked for"] if out is None else []
    try:
        if out is not None:
            for written in _written(result, folder, max(0.0, deadline - time.perf_counter()), as_json):
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
            click.echo(json_text(value))
        else:
            said = [
                f"Certificate: {path} ({_scope(certificate)}; check it with: distill check {path})"
                for path, certificate in saved
            ]
            click.echo("\n".join(["", *map(shown, said), *(f"No certificate: {shown(reason)}." for reason in reasons)]))
    if reasons and out is not None and not as_json:
        click.echo(shown(f"distill: no certificate is written: {'; '.join(reasons)}"), err=True)
    return PROVED if result.is_proved else NOT_PROVED


def _written(result: Distillation, folder: Path, seconds: float, quiet: bool) -> tuple[Written, ...]:
    """The certificates; those without a solver's queries are confirmed by the checker first."""
    from tasks.certificates.write import certificates
    from tasks.commands.progress import observed

    if not quiet:
        said = f"a certificate is being written, in {seconds:.0f} s at most; an interrupt leaves it out"
        click.echo(f"distill: {said}", err=True)
    with observed(quiet=quiet) as observer:
        return certificates(result, folder, seconds=seconds, on_progress=observer.on_progress)


def _scope(certificate: Certificate) -> str:
    """Which lengths a certificate is about."""
    longest = certificate.statement["lengths"][1]
    return "for every length" if longest is None else f"for lengths up to {longest}"
