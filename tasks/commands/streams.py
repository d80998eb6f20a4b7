"""``distill run`` on a network of numbers: a loop that keeps whole numbers, and how far it equals the network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.exits import NOT_PROVED, PROVED
from tasks.commands.manners import Manners

if TYPE_CHECKING:
    from tasks.networks.number_streams import NumberStreams
    from tasks.pipeline.streams import StreamResult

CHECKING = 0.2  # of the time, for the check of a certificate


def numbers_in(network: str, length: str | None) -> tuple[NumberStreams, Path] | None:
    """The network of numbers in the folder that is named, for streams of ``length`` steps; None where it is none."""
    from dataclasses import replace

    from tasks.formats.circuit_folder import circuit_folder
    from tasks.formats.recurrent_case import number_streams
    from tasks.networks.sparse_transformer import NetworkError

    if length is not None and not length.isdecimal():
        return None
    try:
        folder = circuit_folder(network)
        found = number_streams(folder)
    except (NetworkError, OSError):
        return None  # whatever it is, it is read, or refused, as any other network
    if length is not None and int(length) < 1:
        raise click.ClickException(f"{found.name}: expected streams of 1 step or more, got a length of {length}")
    return (found if length is None else replace(found, length=int(length))), folder


def run_numbers(
    of: NumberStreams,
    folder: Path,
    *,
    out: Path | None,
    seconds: float,
    manners: Manners,
    seed: int = 0,
    longest: int | None = None,
) -> int:
    """Find the loop, say what is proved of it, and write the certificate; the exit code.

    ``longest``: how far it should hold; by default as far as the network was made for.
    """
    from tasks.certificates.streams import attest_stream
    from tasks.networks.quoting import json_text, shown, shown_lines
    from tasks.pipeline.streams import distil_stream

    started, share = time.perf_counter(), 0.0 if out is None else CHECKING
    result = distil_stream(of, seconds=seconds * (1 - share), seed=seed)
    if longest is not None:
        result = _followed(result, longest, max(1.0, seconds * (1 - share) - (time.perf_counter() - started)))
    path, reason = None, "none was asked for"
    if out is not None:
        made = attest_stream(result, folder, seconds=max(1.0, seconds - (time.perf_counter() - started)))
        path, reason = (None, made) if isinstance(made, str) else (made.save(out), "")
    if manners.as_json:
        click.echo(json_text(_as_json(result, path, reason)))
    else:
        text = result.sentence
        lines = [result.source(), ""] if result.loop is not None else []
        click.echo(shown_lines("\n".join([*lines, f"{text[:1].upper()}{text[1:]}."])))
        if path is not None:
            click.echo()
            click.echo(shown(f"Certificate: {path} (check it with: distill check {path})"))
        elif out is not None:
            click.echo(shown(f"distill: no certificate is written: {reason}"), err=True)
    return PROVED if result.is_proved else NOT_PROVED


def _followed(result: StreamResult, longest: int, seconds: float) -> StreamResult:
    """The same loop, held to streams of up to ``longest`` steps."""
    from dataclasses import replace

    from tasks.pipeline.streams import compared_loop

    of = replace(result.of, length=longest)
    if result.loop is None:
        return replace(result, of=of)
    return replace(result, of=of, outcome=compared_loop(of, result.loop, seconds=seconds))


def _as_json(result: StreamResult, path: Path | None, reason: str) -> dict[str, Any]:
    from tasks.proofs.stream_states import Broken, Equal

    match result.outcome:
        case Equal(length):
            lengths: list[int | None] | None = [1, length]
            broken = None
        case Broken(stream, got, expected, done):
            lengths = [1, done] if done else None
            broken = {"numbers": stream.tolist(), "network": got, "program": expected}
        case _:
            lengths, broken = None, None
    return {
        "network": result.of.name,
        "program": result.source() or None,
        "is_proved": result.is_proved,
        "sentence": result.sentence,
        "proved_lengths": lengths,
        "counterexample": broken,
        "certificate": None if path is None else str(path),
        "not_certified": reason or None,
        "seconds": result.seconds,
    }
