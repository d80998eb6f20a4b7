"""``distill run NETWORK``: a program of the network, and a proof of where the two are equal.

Exit codes: 0 proved as far as was asked, 1 finished but not proved, 2 bad input.
"""

from __future__ import annotations

from typing import Any

import click

from tasks.commands.question import distills, network_argument, out_option


@click.command()
@network_argument
@click.option(
    "--backend",
    help="A solver to prove the program with as well: z3, cvc5, bitwuzla, a race such as z3+cvc5, or a registered one; "
    "none for none.  [default: z3 for circuits, none for other networks]",
)
@click.option(
    "--length",
    help="Longest sequences, or a range such as 1-8.  [default: 10; for other networks what can be listed]",
)
@distills
@out_option
def run(
    network: str,
    **options: Any,
) -> int:
    """Distill NETWORK to a Python function, and prove it.

    NETWORK is a shipped name, a circuit's folder, or a folder with a network in a known format. Its sequences are
    listed where that can be done; for longer ones the program is searched at short lengths and followed from there, by
    the method that fits the network.

    Of a recurrent network of numbers the program is a loop over them, followed as far as it holds; of a network whose
    prompts show two numbers (--operands), a function of these, compared on all pairs; of one that answers a list token
    by token (--lists), a function of the list and a place in the answer, and a list for which it is wrong.
    """
    from tasks.commands.distilling import distilled

    return distilled(network, **options)
