"""``distill verify NETWORK PROGRAM``: is my program equal to this network, on which sequences, and where not?

Exit codes: 0 proved equal on all that was asked, 1 not equal or not proved, 2 bad input.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from tasks.commands.question import against_option, asks, exceptions_option, grammar_option


@click.command()
@click.argument("network")
@click.argument("program")
@click.option(
    "--no-run",
    is_flag=True,
    help="Refuse a program that would have to be run: read it, or nothing.",
)
@click.option(
    "--backend",
    help="A solver to prove a program that is read with as well: z3, cvc5, bitwuzla, a race such as z3+cvc5.  "
    "[default: none]",
)
@click.option(
    "--length",
    help="Longest sequences, or a range such as 1-8; beyond what can be listed, a program that is read is followed by "
    "the method that fits the network.  [default: 10 for circuits; for other networks what can be listed]",
)
@click.option("--time-limit", "seconds", default=150.0, show_default=True, help="Seconds for the whole run.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the solver.")
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
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output, as that of distill run.")
@click.option("--out", type=click.Path(path_type=Path), help="Certificate folder.  [default: none is written]")
def verify(
    network: str,
    program: str,
    no_run: bool,
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
    """Compare PROGRAM with NETWORK (a shipped name or a folder), and prove it or say where they differ.

    PROGRAM is FILE.py with one function, FILE.py:FUNCTION, or package.module:NAME. The function takes a list of tokens,
    and a place in it where the network has a label at every place, and returns a label.

    A function of the kind that distill prints, or that a --grammar of your own prints, is only read, and every method
    of proof can follow it. ANY OTHER FUNCTION IS RUN, AND RUNNING A FILE OR IMPORTING A MODULE RUNS ITS CODE: it is
    called twice on every sequence that is listed, and the claim says so. --no-run refuses that.

    Exit codes: 0 proved equal on all that was asked, 1 not equal or not proved, 2 bad input.
    """
    from backends import get
    from cegis.certificate import check_writable
    from tasks.certificates.write import share_of_checking
    from tasks.commands.progress import observed
    from tasks.commands.question import ask, check_margin, check_seconds, other
    from tasks.commands.result import check_file, finish
    from tasks.commands.run import COMPARING, USUAL_LENGTH
    from tasks.commands.user_objects import language, program_named
    from tasks.pipeline import distill
    from tasks.pipeline.report import compared

    check_seconds(seconds)
    check_margin(margin)
    if out is not None:
        check_writable(out)
    if exceptions is not None:
        check_file(exceptions)
    started = time.perf_counter()
    asked = ask(network, **question)
    if asked.model.format == "circuit":
        length = length or str(min(USUAL_LENGTH, asked.model.domain.max_length or USUAL_LENGTH))
    solver = None if backend in (None, "none") else get(backend)
    if solver is not None:
        solver.version()  # a missing solver is bad input, found before any work
    own = None if grammar is None else language(grammar)
    model, domain = asked.up_to(length)
    share = 0.0 if out is None else share_of_checking(model)
    beside = None if against is None else other(asked, against, **question)
    comparing = 0.0 if beside is None else COMPARING * seconds
    given = program_named(program, is_run=not no_run)
    with observed(quiet=as_json) as observer:
        result = distill.verify(
            model,
            given,
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
