"""``distill run NETWORK``: a program of the network, and a proof of where the two are equal.

Exit codes: 0 proved as far as was asked, 1 finished but not proved, 2 bad input.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from tasks.commands.question import against_option, asks, exceptions_option, grammar_option

USUAL_LENGTH = 10  # of a circuit's sequences
COMPARING = 0.2  # of the time, for the network that program and circuit are compared with: at most so much of it


@click.command()
@click.argument("network")
@click.option(
    "--backend",
    help="A solver to prove the program with as well: z3, cvc5, bitwuzla, a race such as z3+cvc5, or a registered one; "
    "none for none.  [default: z3 for circuits, none for other networks]",
)
@click.option(
    "--length",
    help="Longest sequences, or a range such as 1-8.  [default: 10; for other networks what can be listed]",
)
@click.option("--time-limit", "seconds", default=150.0, show_default=True, help="Seconds for the whole run.")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of search and solver."
)
@grammar_option
@asks
@click.option("--semantics", type=click.Choice(["real", "float32", "float64"]), help="Arithmetic of the claim.")
@click.option(
    "--margin",
    type=float,
    help="Least margin of a label, beyond the error bound.  [default: 0 for circuits, 0.0001 for other networks]",
)
@exceptions_option
@against_option
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Certificate folder.  [default: NAME.cert for circuits; for other networks none is written]",
)
def run(
    network: str,
    backend: str | None,
    length: str | None,
    seconds: float,
    seed: int,
    grammar: str | None,
    semantics: Any,
    margin: float | None,
    exceptions: Path | None,
    against: str | None,
    as_json: bool,
    out: Path | None,
    **question: Any,
) -> int:
    """Distill NETWORK to a Python function, and prove it.

    NETWORK is a shipped name, a circuit's folder, or a folder with a network in a known format. Its sequences are
    listed where that can be done; for longer ones the program is searched at short lengths and followed from there, by
    the method that fits the network.
    """
    from backends import get
    from cegis.certificate import check_writable
    from tasks.certificates.write import share_of_checking
    from tasks.commands.progress import observed
    from tasks.commands.question import ask, check_margin, check_seconds, other
    from tasks.commands.result import check_file, finish
    from tasks.commands.user_objects import language
    from tasks.networks.quoting import NAME
    from tasks.pipeline.distill import distill
    from tasks.pipeline.report import compared, identifier

    check_seconds(seconds)
    check_margin(margin)
    if out is not None:
        check_writable(out)
    if exceptions is not None:
        check_file(exceptions)
    started = time.perf_counter()
    asked = ask(network, **question)
    if asked.model.format == "circuit":
        backend = backend or "z3"
        length = length or str(min(USUAL_LENGTH, asked.model.domain.max_length or USUAL_LENGTH))
        out = out or Path(f"{identifier(asked.model.name[:NAME])}.cert")
        check_writable(out)
    solver = None if backend in (None, "none") else get(backend)
    if solver is not None:
        solver.version()  # a missing solver is bad input, found before any work
    own = None if grammar is None else language(grammar)
    model, domain = asked.up_to(length)
    share = 0.0 if out is None else share_of_checking(model)
    beside = None if against is None else other(asked, against, **question)
    comparing = 0.0 if beside is None else COMPARING * seconds
    with observed(quiet=as_json) as observer:
        result = distill(
            model,
            domain,
            backend=solver,
            semantics=semantics,
            margin=margin,
            seconds=(seconds - comparing) * (1 - share),
            seed=seed,
            grammar=own,
            observer=observer,
        )
    found = None if beside is None else compared(result, beside, comparing)
    return finish(result, asked.folder, out, started + seconds, as_json, exceptions, found)
