"""The command line: ``distill list``, ``show``, ``run``, ``check``, and what other packages contribute.

Exit codes: 0 proved (or checked), 1 finished but not proved, 2 bad input (one line on standard error). Results go to
standard output, progress to standard error: a live bar on a terminal, plain lines elsewhere, nothing with ``--json``.
Commands are contributed through the entry point group ``distill.commands`` (``bench`` is one).
"""

from __future__ import annotations

import errno
import json
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.check import check

if TYPE_CHECKING:
    from cegis import Domain, Program
    from cegis.certificate import Certificate
    from tasks.formats import Loaded, Question
    from tasks.networks.circuit import Circuit
    from tasks.pipeline.explain import Explanation

GROUP = "distill.commands"
PROVED, NOT_PROVED, BAD_INPUT = 0, 1, 2
USUAL_LENGTH = 10
UNWRITTEN = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)  # when writing to standard output fails
CHECK_SECONDS = 120.0  # for the check of a certificate about every length, which takes a second or two
MOST_SECONDS = 10_000_000  # some 116 days; backends count in milliseconds and refuse much more


class Contributed(click.Group):
    """A group that also lists commands other packages contribute; a command is loaded when it is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *_contributed()})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        own = super().get_command(context, name)
        if own is not None or name not in _contributed():
            return own
        command = _contributed()[name].load()
        if not isinstance(command, click.Command):
            raise click.ClickException(f"the contributed command {name!r} is not a click command")
        return command


def _contributed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


@click.group(cls=Contributed, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="symbolic-circuit-distillation")
def distill() -> None:
    """Small neural circuits in, short readable Python functions out, with a proof of where the two are equal."""


distill.add_command(check)


@distill.command("list")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_circuits(as_json: bool) -> None:
    """List the shipped circuits."""
    from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path

    circuits = [load_circuit(shipped_path(name)) for name in shipped_names()]
    if as_json:
        click.echo(json.dumps([{"name": c.name, "summary": c.summary} for c in circuits], ensure_ascii=False, indent=2))
        return
    width = max(len(circuit.name) for circuit in circuits)
    for circuit in circuits:
        click.echo(f"{circuit.name:<{width}}  {circuit.summary}")


@distill.command()
@click.argument("circuit")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def show(circuit: str, as_json: bool) -> None:
    """Show CIRCUIT (a shipped name or a folder): network, kept nodes, domain."""
    from tasks.networks.quoting import json_text, shown_lines
    from tasks.pipeline.report import circuit_json, circuit_text

    loaded, _ = _load(circuit)
    click.echo(json_text(circuit_json(loaded)) if as_json else shown_lines(circuit_text(loaded)))


@distill.command()
@click.argument("circuit")
@click.option(
    "--backend",
    default="z3",
    show_default=True,
    help="The solver: z3, cvc5, bitwuzla, a race such as z3+cvc5, or a registered one.",
)
@click.option(
    "--length",
    help="Longest sequences, or a range such as 1-8.  [default: 10; for other networks what can be listed]",
)
@click.option("--time-limit", "seconds", default=150.0, show_default=True, help="Seconds for the whole run.")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of search and solver."
)
@click.option("--alphabet", help="Tokens a sequence may hold, separated by spaces.  [default: the folder's own]")
@click.option("--prefix", help="Tokens before every sequence, such as <bos>.  [default: the folder's own]")
@click.option("--suffix", help="Tokens behind every sequence.  [default: the folder's own]")
@click.option("--constraint", help="Regular expression over tokens that every sequence matches.")
@click.option("--readout", type=click.Choice(["argmax", "set", "round"]), help="How logits become a label.")
@click.option("--answers", help="Outputs that are read, separated by spaces.")
@click.option("--task", help="One of the tasks of a folder that has several.")
@click.option("--semantics", type=click.Choice(["real", "float32", "float64"]), help="Arithmetic of the claim.")
@click.option("--margin", type=float, help="Least margin of a label, beyond the error bound.  [default: 0.0001]")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Certificate folder.  [default: NAME.cert for circuits; for other networks none is written]",
)
def run(
    circuit: str,
    backend: str,
    length: str | None,
    seconds: float,
    seed: int,
    as_json: bool,
    out: Path | None,
    **asked: Any,
) -> int:
    """Distill CIRCUIT to a Python function, and prove it.

    CIRCUIT is a shipped name, a circuit's folder, or a folder with a network in a known format. A circuit's sequences
    are listed where that can be done; for longer ones the program is distilled at a short length and followed from
    there, by the method that fits the circuit. Networks that are no circuits, and circuits with one of the options
    --alphabet to --task or --margin, are bounded on every sequence, or on whole sets of them where there are too many
    to list, without a solver; their certificate is written where --out names a folder.
    """
    check_seconds(seconds)
    if any(value is not None for name, value in asked.items() if name != "semantics") or is_foreign(circuit):
        return explain_folder(circuit, length, seconds, seed, as_json, out, **asked)
    return _distill(circuit, backend, length, seconds, seed, as_json, out, asked["semantics"])


def _distill(
    circuit: str,
    backend: str,
    length: str | None,
    seconds: float,
    seed: int,
    as_json: bool,
    out: Path | None,
    semantics: str | None,
) -> int:
    """The way of circuits: enumeration, surrogate, solver, certificate; beyond what can be listed, ``prolong``."""
    from backends import get
    from cegis.certificate import check_writable
    from tasks.bounds import ball
    from tasks.certificates.solver_evidence import certify
    from tasks.commands.progress import observed
    from tasks.networks.quoting import json_text, shown_lines
    from tasks.pipeline.distill import distill, function_name, is_listed
    from tasks.pipeline.extend_circuit import prolong
    from tasks.pipeline.report import distillation_json, distillation_text
    from tasks.pipeline.report_lengths import prolonged_json, prolonged_text
    from tasks.proofs.select import choose

    loaded, folder = _load(circuit)
    solver = get(backend)
    solver.version()  # a missing solver is bad input, found before any work
    shortest, longest = _lengths(length or str(USUAL_LENGTH))
    if shortest is not None:
        raise click.ClickException(f"expected the longest length for a circuit, got the range {length!r}")
    choose(loaded, longest)  # a length that there is no method for is bad input, too
    target = out or Path(f"{function_name(loaded)}.cert")
    check_writable(target)
    given: dict[str, Any] = {"length": longest, "seconds": seconds, "seed": seed}
    given["unit_roundoff"] = ball.FLOAT32 if semantics in (None, "float32") else ball.FLOAT64
    listed = is_listed(loaded, longest)
    with observed(quiet=as_json) as observers:
        events: dict[str, Any] = dict(observers)
        result: Any
        if listed:
            events.pop("on_reach", None)
            short = result = distill(loaded, solver, **given, **events)
        else:
            result = prolong(loaded, solver, **given, **events)
            short = result.short
    saved = None
    try:
        tail = () if listed or isinstance(result.tail, str) else (result.circuit, folder, result.program)
        if tail and write_all_lengths(*tail, longest, semantics or "float32", target, quiet=as_json):
            saved = target
        else:
            certificate = certify(short, folder) if result.program == short.program else None
            saved = None if certificate is None else certificate.save(target)
    finally:  # a certificate that cannot be written must not cost the result
        as_value: Any
        as_text: Any
        as_value, as_text = (distillation_json, distillation_text) if listed else (prolonged_json, prolonged_text)
        if as_json:
            click.echo(json_text(as_value(result, saved)))
        else:
            click.echo(shown_lines(as_text(result, saved)))
    return PROVED if result.is_proved else NOT_PROVED


def explain_folder(
    circuit: str,
    length: str | None,
    seconds: float,
    seed: int,
    as_json: bool,
    out: Path | None,
    *,
    alphabet: str | None,
    prefix: str | None,
    suffix: str | None,
    constraint: str | None,
    readout: str | None,
    answers: str | None,
    task: str | None,
    semantics: Any,
    margin: float | None,
) -> int:
    """The way of any network: bounds on every sequence."""
    import time

    from cegis.certificate import check_writable
    from tasks.commands.progress import observed
    from tasks.formats import Question
    from tasks.formats.circuit_folder import circuit_folder
    from tasks.networks.quoting import json_text, shown_lines
    from tasks.pipeline.explain import USUAL_MARGIN, explain
    from tasks.pipeline.report_network import explanation_json, explanation_text

    if margin is not None and not 0 <= margin < 1e9:
        raise click.ClickException(f"expected a margin of 0 or more, got {margin:g}")
    if out is not None:
        check_writable(out)
    question = Question(
        alphabet=_tokens(alphabet),
        prefix=_tokens(prefix),
        suffix=_tokens(suffix),
        readout=readout,
        answers=_tokens(answers),
        task=task,
    )
    started = time.perf_counter()
    loaded, domain = _asked(circuit, question, length, constraint)
    with observed(quiet=as_json) as observers:
        names = {"on_link": "on_step", "on_round": "on_round", "on_progress": "on_progress"}
        events = {names[name]: observer for name, observer in observers.items() if name in names}
        least_margin = USUAL_MARGIN if margin is None else margin
        limit = seconds if out is None else seconds / 2  # what is left is for the check of the certificate
        result = explain(loaded, domain, semantics=semantics, margin=least_margin, seconds=limit, seed=seed, **events)
    if as_json:
        click.echo(json_text(explanation_json(result)))
    else:
        click.echo(shown_lines(explanation_text(result)))
    if out is not None:
        _certify(result, circuit_folder(circuit), out, max(0.0, started + seconds - time.perf_counter()), as_json)
    return PROVED if result.is_proved else NOT_PROVED


def _certify(result: Explanation, folder: Path, out: Path, seconds: float, quiet: bool) -> None:
    """Check a certificate of ``result`` about the network in ``folder`` within ``seconds``, and save it in ``out``."""
    from tasks.certificates.write import attest
    from tasks.commands.progress import observed

    said = "the certificate is checked before it is written"
    click.echo(f"distill: {said}, in {seconds:.0f} s at most; an interrupt leaves it out", err=True)
    with observed(quiet=quiet) as observers:
        events = {name: observers[name] for name in ("on_progress",) if name in observers}
        certificate = attest(result, folder, seconds=seconds, **events)
    write_certificate(certificate, out)


def _asked(
    circuit: str, question: Question, length: str | None, constraint: str | None
) -> tuple[Loaded, Domain | None]:
    """The network and the sequences that are asked about: of the lengths named, or None for what can be listed."""
    from cegis import Domain
    from tasks.automata.regex import constraint as automaton
    from tasks.formats import load
    from tasks.formats.circuit_folder import circuit_folder
    from tasks.proofs.select import room
    from tasks.proofs.verifier import lengthened

    shortest, longest = (None, None) if length is None else _lengths(length)
    loaded = load(circuit_folder(circuit), question)
    own = loaded.domain
    least, limit = own.min_length if shortest is None else shortest, own.max_length or 0
    if longest is not None and longest > limit and room(loaded, longest) >= longest:  # no position ends it
        loaded, limit = lengthened(loaded, Domain(own.alphabet, own.min_length, longest, own.constraint)), longest
    if longest is not None and not (own.min_length if shortest is None else 0) <= longest <= limit:
        raise click.ClickException(f"expected lengths from {own.min_length} to {limit}, got {length}")
    limited = own.constraint if constraint is None else automaton(constraint, own.alphabet)
    loaded = replace(loaded, domain=Domain(own.alphabet, least, limit, limited))
    return loaded, None if longest is None else loaded.domain.up_to(longest)


def write_certificate(certificate: Certificate | str, out: Path, *, quiet: bool = False) -> None:
    """Write ``certificate`` to ``out`` and say so, unless ``quiet``, or say on standard error why there is none."""
    from tasks.networks.quoting import shown

    if isinstance(certificate, str):
        click.echo(shown(f"distill: no certificate is written: {certificate}"), err=True)
        return
    saved = certificate.save(out)
    if not quiet:
        said = f"certificate {saved}: {certificate.statement['claim']}  Check it with: distill check {saved}"
        click.echo(f"  {shown(said)}", err=True)


def write_all_lengths(
    circuit: Circuit, folder: Path, program: Program, longest: int, semantics: str, out: Path, *, quiet: bool = False
) -> bool:
    """Write a certificate about every length to ``out``, and beside it one as executed up to ``longest``.

    Returns False, and says why, where there is none about every length.
    """
    from tasks.certificates.write import attest_all_lengths, attest_counts

    every = attest_all_lengths(circuit, folder, program, seconds=CHECK_SECONDS)
    write_certificate(every, out, quiet=quiet)
    if isinstance(every, str):
        return False
    beside = out.with_name(f"{out.stem}-to-{longest}{out.suffix}")
    domain = replace(circuit.domain, max_length=longest)
    write_certificate(attest_counts(circuit, folder, program, domain, semantics), beside, quiet=quiet)
    return True


def _tokens(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(text.split())


def _lengths(text: str) -> tuple[int | None, int]:
    """``8`` as (None, 8), ``1-8`` as (1, 8)."""
    first, dash, second = text.partition("-")
    if not all(part.strip().isdecimal() and len(part) < 10 for part in ((first, second) if dash else (first,))):
        raise click.ClickException(f"expected a length such as 10, or a range such as 1-8, got {text!r}")
    if not dash:
        return None, int(first)
    if int(first) > int(second):
        raise click.ClickException(f"expected a range that rises, such as 1-8, got {text!r}")
    return int(first), int(second)


def check_seconds(seconds: float) -> None:
    if not 0 < seconds < MOST_SECONDS:
        raise click.ClickException(
            f"expected a time limit of more than 0 seconds and less than {MOST_SECONDS:,}, got {seconds:g}"
        )


def _load(circuit: str) -> tuple[Circuit, Path]:
    """A shipped circuit by name, or any circuit by folder."""
    from tasks.formats.circuit_folder import circuit_folder, load_circuit

    folder = circuit_folder(circuit)
    return load_circuit(folder), folder


def is_foreign(circuit: str) -> bool:
    """Whether CIRCUIT is a folder with a network that is no circuit of ours."""
    from tasks.formats.circuit_folder import JSON_FILE, WEIGHTS_FILE, circuit_folder

    folder = circuit_folder(circuit)
    own = (JSON_FILE, WEIGHTS_FILE)
    return folder.is_dir() and any(folder.iterdir()) and not any((folder / name).exists() for name in own)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit with its code."""
    try:
        code = distill.main(args=arguments, prog_name="distill", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("distill: interrupted", err=True)
        code = NOT_PROVED
    except click.ClickException as error:
        click.echo(_line(error.format_message()), err=True)
        code = BAD_INPUT
    except (ValueError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno in UNWRITTEN and error.filename is None:
            sys.stdout = None  # or Python would try once more
            error = RuntimeError(f"cannot write the result: {error.strerror}")
        elif not is_ours(error):
            raise
        click.echo(_line(error), err=True)
        code = BAD_INPUT
    sys.exit(code if isinstance(code, int) else PROVED)


def _line(error: object) -> str:
    from tasks.networks.quoting import shown

    return f"distill: {shown(' '.join(str(error).split()))}"


def is_ours(error: Exception) -> bool:
    """Whether the error is one our rooms raise on purpose: its message is meant for the user."""
    from backends import BackendError
    from cegis import DomainError, GrammarError
    from cegis.certificate import CertificateError
    from tasks.networks.sparse_transformer import NetworkError

    return isinstance(error, (BackendError, DomainError, GrammarError, CertificateError, NetworkError))


if __name__ == "__main__":
    main()
