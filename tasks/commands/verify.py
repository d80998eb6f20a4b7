"""``distill verify NETWORK PROGRAM``: is my program equal to this network, on which sequences, and where not?

Exit codes: 0 proved equal on all that was asked, 1 not equal or not proved, 2 bad input.
"""

from __future__ import annotations

from typing import Any

import click

from tasks.commands.question import distills, network_argument, out_option


@click.command()
@network_argument
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
@distills
@out_option
def verify(
    network: str,
    program: str,
    no_run: bool,
    **options: Any,
) -> int:
    """Compare PROGRAM with NETWORK (a shipped name or a folder), and prove it or say where they differ.

    PROGRAM is FILE.py with one function, FILE.py:FUNCTION, or package.module:NAME. The function takes a list of tokens,
    and a place in it where the network has a label at every place, and returns a label.

    A function of the kind that distill prints, or that a --grammar of your own prints, is only read, and every method
    of proof can follow it. ANY OTHER FUNCTION IS RUN, AND RUNNING A FILE OR IMPORTING A MODULE RUNS ITS CODE: it is
    called twice on every sequence that is listed, and the claim says so. --no-run refuses that.

    Of a network whose prompts show two numbers (--operands), PROGRAM is a function of these, such as def f(a, b):
    return a + b; it is read, never run, and compared on all pairs. Of a recurrent network of numbers it is a loop over
    the numbers so far, as distill prints it, which is compared on all streams; any other function of them is run on
    every stream that is listed.

    Exit codes: 0 proved equal on all that was asked, 1 not equal or not proved, 2 bad input.
    """
    from tasks.commands.distilling import distilled
    from tasks.commands.user_objects import program_named

    return distilled(network, program=program_named(program, is_run=not no_run), **options)
