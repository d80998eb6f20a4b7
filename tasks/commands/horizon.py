"""``distill horizon NETWORK``: how long one program stays equal to a network, and what breaks it at the next length.

Exit codes: 0 the program holds as far as was asked, 1 it breaks or was not decided, 2 bad input.
"""

from __future__ import annotations

from typing import Any

import click

from tasks.commands.distilling import USUAL_LENGTH, Horizon, distilled
from tasks.commands.question import distills, out_option


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
    help=f"Up to where the program is synthesized.  [default: {USUAL_LENGTH}, and within what is looked at; of a "
    "network of numbers what it was made for]",
)
@click.option("--longest", default=64, show_default=True, help="How far to look: tokens, steps or digits.")
@distills
@out_option
def horizon(network: str, source: str | None, length: int | None, longest: int, **options: Any) -> int:
    """Find the largest length up to which one program equals NETWORK (a shipped name or a folder).

    Where attention ignores the order of tokens, sequences are compared by their counts, where one layer attends, by
    states of the program; elsewhere they are listed, as far as that goes. Of a recurrent network of numbers lengths are
    steps of its streams; of a network whose prompts show two numbers, digits of these.
    """
    from tasks.commands.user_objects import program_named

    followed = Horizon(length, longest)
    program = None if source is None else program_named(source, is_run=False)
    return distilled(network, program=program, horizon=followed, **options)
