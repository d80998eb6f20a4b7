"""``distill horizon NETWORK``: how long one program stays equal to a network, and what breaks it at the next length.

Exit codes: 0 the program holds as far as was asked, 1 it breaks or was not decided, 2 bad input.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.manners import Manners, json_option, quiet_option, verbose_option
from tasks.commands.question import asks, exceptions_option, grammar_option, out_option

if TYPE_CHECKING:
    from tasks.formats import Loaded

USUAL_LENGTH = 10  # short enough to list, long enough to tell programs apart


@click.command()
@click.argument("network")
@click.option(
    "--program",
    "source",
    help="A program to follow, as distill verify takes it, of the kind that is printed: it is read, not run.  "
    "[default: the simplest that equals the network up to --length]",
)
@click.option(
    "--length",
    type=int,
    help=f"Up to where the program is synthesized.  [default: {USUAL_LENGTH}, and within what is looked at]",
)
@click.option("--longest", default=64, show_default=True, help="How far to look.")
@click.option("--time-limit", "seconds", default=120.0, show_default=True, help="Seconds for the whole run.")
@grammar_option
@asks
@click.option(
    "--semantics",
    type=click.Choice(["real", "float32", "float64"]),
    help="The coarsest arithmetic that the claim must hold in.  [default: the strongest that loses no label]",
)
@click.option("--margin", type=float, help="Least margin of a label, beyond the error bound.")
@exceptions_option
@verbose_option
@quiet_option
@json_option
@out_option
def horizon(
    network: str,
    source: str | None,
    length: int | None,
    longest: int,
    seconds: float,
    grammar: str | None,
    semantics: Any,
    margin: float | None,
    exceptions: Path | None,
    verbose: bool,
    quiet: bool,
    as_json: bool,
    out: Path | None,
    **question: Any,
) -> int:
    """Find the largest length up to which one program equals NETWORK (a shipped name or a folder).

    Where attention ignores the order of tokens, sequences are compared by their counts, where one layer attends, by
    states of the program; elsewhere they are listed, as far as that goes.
    """
    from cegis.certificate import check_writable
    from tasks.certificates.write import share_of_checking
    from tasks.commands.progress import observed
    from tasks.commands.question import ask, check_margin, check_seconds
    from tasks.commands.result import finish
    from tasks.commands.streams import numbers_in, run_numbers
    from tasks.commands.user_objects import language, program_named
    from tasks.formats.writing import check_file
    from tasks.pipeline.distill import follow

    check_seconds(seconds)
    check_margin(margin)
    if longest < 1 or (length is not None and not 1 <= length <= longest):
        got = f"{longest}" if length is None else f"{length} and {longest}"
        raise click.ClickException(f"expected 1 <= --length <= --longest, got {got}")
    if out is not None:
        check_writable(out)
    if exceptions is not None:
        check_file(exceptions)
    manners, started = Manners(verbose, quiet, as_json), time.perf_counter()
    is_plain = not any((source, length, grammar, semantics, margin, exceptions, *question.values()))
    numbers = numbers_in(network, None) if is_plain else None
    if numbers is not None:
        return run_numbers(*numbers, out=out, seconds=seconds, manners=manners, longest=longest)
    asked = ask(network, **question)
    model, domain = asked.between(None, reach(asked.model, longest), f"--longest {longest}")
    own = None if grammar is None else language(grammar)
    program = None if source is None else program_named(source, is_run=False)
    share = 0.0 if out is None else share_of_checking(model)
    with observed(manners) as observer:
        result = follow(
            model,
            domain,
            program,
            length=min(length or USUAL_LENGTH, longest),
            semantics=semantics,
            margin=margin,
            seconds=seconds * (1 - share),
            grammar=own,
            observer=observer,
        )
    return finish(result, asked.folder, out, started + seconds, manners, exceptions)


def reach(model: Loaded, longest: int) -> int:
    """As far as the network has room; refuses a search that ends before the shortest sequence."""
    from tasks.proofs.select import room

    shortest = model.domain.min_length
    if longest < shortest:
        raise click.ClickException(
            f"{model.name}: its shortest sequence has {shortest} tokens; expected --longest of at least that, "
            f"got {longest}"
        )
    return min(longest, room(model, longest))
