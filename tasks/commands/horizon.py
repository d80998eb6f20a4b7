"""``distill horizon CIRCUIT``: how long a program stays equal to a circuit, and what breaks it at the next length.

Exit codes: 0 the program holds as far as was asked, 1 it breaks or was not decided, 2 bad input.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cegis import Claim, Domain, Program
    from tasks.networks.circuit import Circuit

HOLDS, BREAKS = 0, 1
USUAL_LENGTH = 10  # short enough to list, long enough to tell programs apart


@click.command()
@click.argument("circuit")
@click.option(
    "--program",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A printed program to follow.  [default: the simplest that equals the circuit up to --length]",
)
@click.option(
    "--length",
    type=int,
    help=f"Up to where the program is synthesized.  [default: {USUAL_LENGTH}, and within what is looked at]",
)
@click.option("--longest", default=64, show_default=True, help="How far to look.")
@click.option("--time-limit", "seconds", default=120.0, show_default=True, help="Seconds for the whole run.")
@click.option(
    "--semantics",
    type=click.Choice(["real", "float32", "float64"]),
    default="float32",
    show_default=True,
    help="The coarsest arithmetic that the claim must hold in, beside real numbers.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for a certificate of what counting proves.")
def horizon(
    circuit: str,
    source: Path | None,
    length: int | None,
    longest: int,
    seconds: float,
    semantics: str,
    as_json: bool,
    out: Path | None,
) -> int:
    """Find the largest length up to which a program equals CIRCUIT (a shipped name or a folder).

    Where attention ignores the order of tokens, sequences are compared by their counts; elsewhere they are listed, as
    far as that goes. A network that is no circuit is distilled as ``distill run`` does it, up to --longest.
    """
    import time

    from cegis.certificate import check_writable
    from tasks.certificates.write import attest_counts
    from tasks.commands.main import MOST_SECONDS, is_foreign, write_all_lengths, write_certificate
    from tasks.commands.progress import observed
    from tasks.formats.circuit_folder import circuit_folder, load_circuit
    from tasks.networks.quoting import json_text, shown_lines
    from tasks.pipeline.horizon import horizon as horizon_of
    from tasks.pipeline.report_lengths import horizon_json, horizon_text
    from tasks.proofs.all_lengths import all_lengths
    from tasks.proofs.select import choose

    if not 0 < seconds < MOST_SECONDS:
        raise click.ClickException(f"expected a positive time limit below {MOST_SECONDS:,} seconds, got {seconds:g}")
    if longest < 1 or (length is not None and not 1 <= length <= longest):
        got = f"{longest}" if length is None else f"{length} and {longest}"
        raise click.ClickException(f"expected 1 <= --length <= --longest, got {got}")
    if out is not None:
        check_writable(out)
    if is_foreign(circuit):
        return _foreign(circuit, source, longest, seconds, as_json, out)
    loaded = load_circuit(circuit_folder(circuit))
    _check_longest(loaded.name, loaded.domain, longest)
    length = max(loaded.domain.min_length, min(USUAL_LENGTH, longest)) if length is None else length
    choose(loaded, longest)  # a length that there is no method for is bad input, found before any work
    started = time.perf_counter()
    kind: Any = semantics
    with observed(quiet=as_json) as observers:
        told = {name: observers[name] for name in ("on_reach", "on_round") if name in observers}
        program = _synthesized(loaded, length, seconds, kind, told) if source is None else _read(loaded, source)
        left = max(0.1, seconds - (time.perf_counter() - started))
        reach = {"on_length": told["on_reach"]} if told else {}
        found = horizon_of(loaded, program, longest=longest, seconds=left, semantics=kind, **reach)
        claims, left = found.claims, seconds - (time.perf_counter() - started)
        tail: Claim | str = "it was not tried"
        if found.length >= longest and left > 0:
            tail = all_lengths(loaded, program, seconds=left)
            claims += () if isinstance(tail, str) else (tail,)
    if as_json:
        result = horizon_json(loaded.name, program.source(loaded.name), found, claims)
        click.echo(json_text(result))
    else:
        click.echo(shown_lines(horizon_text(program.source(loaded.name), found, claims)))
    folder = circuit_folder(circuit)
    if out is not None and (
        isinstance(tail, str) or not write_all_lengths(loaded, folder, program, longest, semantics, out)
    ):
        equal = f"{loaded.name}: the program equals the circuit at no length"
        domain = loaded.domain.up_to(found.length) if found.length >= loaded.domain.min_length else None
        write_certificate(equal if domain is None else attest_counts(loaded, folder, program, domain, semantics), out)
    return HOLDS if found.broken is None and found.length >= longest else BREAKS


def _foreign(folder: str, source: Path | None, longest: int, seconds: float, as_json: bool, out: Path | None) -> int:
    """The way of networks that are no circuits."""
    from tasks.commands.main import explain_folder
    from tasks.formats import load
    from tasks.formats.circuit_folder import circuit_folder

    if source is not None:
        raise click.ClickException(f"{folder}: a printed program is followed on circuits alone; leave out --program")
    context = click.get_current_context()
    is_named = context.get_parameter_source("semantics") == click.core.ParameterSource.COMMANDLINE
    asked: dict[str, Any] = dict.fromkeys(("alphabet", "prefix", "suffix", "constraint", "readout", "answers", "task"))
    asked |= {"margin": None, "semantics": context.params["semantics"] if is_named else None}
    loaded = load(circuit_folder(folder))
    _check_longest(loaded.name, loaded.domain, longest)
    limit = loaded.domain.max_length or longest
    return explain_folder(folder, str(min(longest, limit)), seconds, 0, as_json, out, **asked)


def _check_longest(name: str, domain: Domain, longest: int) -> None:
    """Refuse a search that ends before the shortest sequence."""
    if longest < domain.min_length:
        raise click.ClickException(
            f"{name}: its shortest sequence has {domain.min_length} tokens; expected --longest of at least that, got "
            f"{longest}"
        )


def _synthesized(circuit: Circuit, length: int, seconds: float, semantics: Any, told: dict[str, Any]) -> Program:
    """The simplest program that equals the circuit up to ``length``."""
    from cegis import Budget, Found, Spec, motifs, synthesize
    from tasks.pipeline.horizon import FEW
    from tasks.proofs.select import choose, verifier

    reach = {"on_length": told["on_reach"]} if told else {}
    events = {"on_event": told["on_round"]} if told else {}
    method = choose(circuit, length, most=FEW, semantics=semantics)
    by = verifier(circuit, method, method.longest, semantics=semantics, seconds=seconds, **reach)
    grammar = motifs(by.domain.alphabet, circuit.labels, min_length=by.domain.min_length)
    spec = Spec(by.domain, lambda sequence: (by.label(sequence) or ("",))[0])
    outcome = synthesize(spec, grammar, verifier=by, budget=Budget(seconds=seconds), **events)
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
