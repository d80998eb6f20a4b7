"""``distill horizon CIRCUIT``: how long a program stays equal to a circuit, and what breaks it at the next length.

Exit codes: 0 the program holds as far as was asked, 1 it breaks or was not decided, 2 bad input.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cegis import Program
    from tasks.circuit import Circuit
    from tasks.horizon import Horizon

HOLDS, BREAKS = 0, 1


@click.command()
@click.argument("circuit")
@click.option(
    "--program",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A printed program to follow.  [default: the simplest that equals the circuit up to --length]",
)
@click.option("--length", default=10, show_default=True, help="Up to where the program is synthesized.")
@click.option("--longest", default=64, show_default=True, help="How far to look.")
@click.option("--time-limit", "seconds", default=120.0, show_default=True, help="Seconds for the whole run.")
@click.option(
    "--semantics",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="The coarsest arithmetic that the claim must hold in, beside real numbers.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def horizon(
    circuit: str, source: Path | None, length: int, longest: int, seconds: float, semantics: str, as_json: bool
) -> int:
    """Find the largest length up to which a program equals CIRCUIT (a shipped name or a circuit's folder).

    For circuits whose attention ignores the order of tokens: sequences are compared by their counts.
    """
    import time

    from tasks import ball
    from tasks.files import circuit_folder, load_circuit
    from tasks.horizon import horizon as horizon_of
    from tasks.main import MOST_SECONDS
    from tasks.tail import all_lengths

    if not 0 < seconds < MOST_SECONDS or not 1 <= length <= longest:
        raise click.ClickException(
            f"expected a positive time limit and 1 <= --length <= --longest, got {seconds:g} s, {length} and {longest}"
        )
    loaded = load_circuit(circuit_folder(circuit))
    started = time.perf_counter()
    roundoff = {"float32": ball.FLOAT32, "float64": ball.FLOAT64}[semantics]
    program = _synthesized(loaded, length, seconds, roundoff) if source is None else _read(loaded, source)
    left = max(0.1, seconds - (time.perf_counter() - started))
    found = horizon_of(loaded, program, longest=longest, seconds=left, unit_roundoff=roundoff)
    if isinstance(found, str):
        raise click.ClickException(f"{loaded.name}: counting does not apply: {found}")
    claims = [claim.sentence for claim in found.claims]
    left = seconds - (time.perf_counter() - started)
    if found.broken is None and left > 0:
        tail = all_lengths(loaded, program, seconds=left)
        claims += [] if isinstance(tail, str) else [tail.sentence]
    click.echo(_json(loaded, program, found, claims) if as_json else _text(loaded, program, found, claims))
    return HOLDS if found.broken is None and found.length >= longest else BREAKS


def _synthesized(circuit: Circuit, length: int, seconds: float, roundoff: float) -> Program:
    """The simplest program that equals the circuit up to ``length``."""
    from cegis import Budget, Found, Spec, motifs, synthesize
    from tasks.counting import counting_verifier

    domain = circuit.domain.up_to(length)
    verifier = counting_verifier(circuit, domain, unit_roundoff=roundoff, seconds=seconds)
    if isinstance(verifier, str):
        raise click.ClickException(f"{circuit.name}: counting does not apply: {verifier}")
    grammar = motifs(domain.alphabet, circuit.labels, min_length=domain.min_length)
    outcome = synthesize(Spec(domain, verifier.label), grammar, verifier=verifier, budget=Budget(seconds=seconds))
    if not isinstance(outcome, Found):
        reason = getattr(outcome, "reason", "no program of the grammar agrees with the circuit")
        raise click.ClickException(
            f"{circuit.name}: no program equals it up to length {length} ({reason}); try a smaller --length, or give "
            "one with --program"
        )
    return outcome.program


def _read(circuit: Circuit, source: Path) -> Program:
    from cegis import Program, motifs

    grammar = motifs(circuit.domain.alphabet, circuit.labels, min_length=circuit.domain.min_length)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{source}: expected a Python function in UTF-8, cannot read it: {error}") from None
    return Program.parse(text, grammar)


def _text(circuit: Circuit, program: Program, found: Horizon, claims: list[str]) -> str:
    lines = [program.source(circuit.name), f"The program {found.sentence}."]
    return "\n".join([*lines, *(f"PROVED: it {claim}." for claim in claims)])


def _json(circuit: Circuit, program: Program, found: Horizon, claims: list[str]) -> str:
    broken = found.broken and {
        "sequence": found.broken.inputs, "circuit": found.broken.expected, "program": found.broken.got
    }  # fmt: skip
    result = {
        "circuit": circuit.name,
        "program": program.source(circuit.name),
        "horizon": found.length,
        "broken": broken,
        "stopped": found.stopped,
        "claims": claims,
    }
    return json.dumps(result, ensure_ascii=False, indent=2)
