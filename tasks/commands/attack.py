"""``distill attack NETWORK PROGRAM``: is there an input on which my program is wrong? Finding none proves nothing.

Exit codes: 0 none was found, 1 the program is wrong on the input that is printed, 2 bad input.
"""

from __future__ import annotations

from typing import Any

import click

from tasks.commands.manners import json_option
from tasks.commands.question import asks

LONGEST = 64
NOT_LISTED = (
    "sequences of tokens are attacked, and {}; distill verify compares a program on all of them, and names one on "
    "which it is wrong"
)


@click.command()
@click.argument("network")
@click.argument("program")
@click.option("--longest", default=LONGEST, show_default=True, help="Longest sequences, within what the network takes.")
@click.option("--time-limit", "seconds", default=30.0, show_default=True, help="Seconds for the whole run.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the search.")
@asks
@click.option("--semantics", type=click.Choice(["real", "float32", "float64"]), help="Arithmetic of the labels.")
@json_option
def attack(
    network: str, program: str, longest: int, seconds: float, seed: int, semantics: Any, as_json: bool, **question: Any
) -> int:
    """Look for an input on which PROGRAM is not what NETWORK (a shipped name or a folder) says.

    PROGRAM is FILE.py or FILE.py:FUNCTION, of the kind that distill prints; it is read, never run. The shortest
    sequences are listed; longer ones are bred towards the least margin of the program's answer. What is found is
    replayed on network and program. Finding none proves nothing.

    Exit codes: 0 none was found, 1 the program is wrong on the input that is printed, 2 bad input.
    """
    from tasks.commands.distilling import reach
    from tasks.commands.exits import NOT_PROVED, PROVED
    from tasks.commands.question import ask, check_seconds, streams_asked
    from tasks.commands.user_objects import program_named
    from tasks.networks.quoting import json_text, shown
    from tasks.pipeline import attack as pipeline

    check_seconds(seconds)
    if longest < 1:
        raise click.ClickException(f"expected --longest of 1 or more, got {longest}")
    is_plain = not any(question.values())
    if is_plain and streams_asked(network, None) is not None:
        raise click.ClickException(f"{network}: {NOT_LISTED.format('its inputs are streams of numbers')}")
    asked = ask(network, **question)
    if is_plain and asked.model.operands is not None:
        raise click.ClickException(f"{asked.model.name}: {NOT_LISTED.format('its prompts show two numbers')}")
    pipeline.check_attackable(asked.model)
    model, domain = asked.between(None, reach(asked.model, longest), f"--longest {longest}")
    own = program_named(program, is_run=False)
    found = pipeline.attack(model, domain, own, semantics=semantics, seconds=seconds, seed=seed)
    click.echo(json_text(found.as_json()) if as_json else shown(f"{found.sentence}."))
    return NOT_PROVED if found.broken is not None else PROVED
