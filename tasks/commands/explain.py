"""``distill explain NETWORK``: what matters in it, proved on every sequence of a domain.

Exit codes: 0 everything was looked at and every count is exact, 1 something is left open, 2 bad input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tasks.commands.manners import Manners, quiet_option
from tasks.commands.question import asks

if TYPE_CHECKING:
    from tasks.pipeline.explain import Explanation

WIDTH = 120  # columns where standard output is no terminal


@click.command()
@click.argument("network")
@click.option(
    "--length",
    help="Longest sequences, or a range such as 1-8.  [default: 10 for circuits, else what can be listed; less where "
    "the time does not suffice for all parts]",
)
@click.option(
    "--ablation",
    type=click.Choice(["mean", "zero"]),
    default="mean",
    show_default=True,
    help="What takes the place of a part: its mean (in a circuit that of its file, else over the prompts of the "
    "domain), or zero.",
)
@click.option("--edges/--no-edges", default=True, show_default=True, help="Whether edges are left out as well.")
@click.option("--time-limit", "seconds", default=120.0, show_default=True, help="Seconds for the whole run.")
@asks
@click.option("--semantics", type=click.Choice(["real", "float32", "float64"]), help="Arithmetic of the labels.")
@click.option(
    "--margin",
    type=float,
    help="Least margin of a label, beyond the error bound.  [default: 0 for circuits, 0.0001 for other networks]",
)
@quiet_option
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output, with every part.")
def explain(
    network: str,
    length: str | None,
    ablation: Any,
    edges: bool,
    seconds: float,
    semantics: Any,
    margin: float | None,
    quiet: bool,
    as_json: bool,
    **question: Any,
) -> int:
    """Say what matters in NETWORK (a shipped name or a folder), counted on every sequence and proved.

    Each part is left out, alone: the kept nodes of a circuit and the weights between them; elsewhere attention heads,
    entries behind an activation, entries of the embedding, and weights where they are few. Sequences are changed (two
    tokens exchanged, one left out, another order), and weights (rounded, quantised, pruned, all of them moved at once).
    For each it is said on how many sequences the label changes, with the shortest, or that it changes on none.

    Exit codes: 0 everything was looked at and every count is exact, 1 something is left open, 2 bad input.
    """
    from cegis.claim import counted
    from tasks.commands.exits import NOT_PROVED, PROVED
    from tasks.commands.progress import observed
    from tasks.commands.question import ask, check_margin, check_seconds, streams_asked
    from tasks.networks.quoting import json_text
    from tasks.pipeline import explain as pipeline
    from tasks.pipeline.explain_report import explanation_json

    check_seconds(seconds)
    check_margin(margin)
    is_plain = length is None and not any(question.values())
    if is_plain and streams_asked(network, None) is not None:
        raise click.ClickException(
            f"{network}: parts are taken away from transformers, and this network is recurrent; distill run says what "
            "it does"
        )
    asked = ask(network, **question)
    if is_plain and asked.model.operands is not None:
        raise click.ClickException(
            f"{asked.model.name}: parts are taken away on sequences that are listed, and its prompts show "
            f"{counted(asked.model.operands.size())} pairs of numbers; distill run says what it does, and --length or "
            "--constraint ask about sequences of its tokens"
        )
    model, domain = asked.up_to(length)
    with observed(Manners(quiet=quiet, as_json=as_json)) as observer:
        result = pipeline.explain(
            model,
            domain,
            ablation=ablation,
            with_edges=edges,
            semantics=semantics,
            margin=margin,
            seconds=seconds,
            observer=observer,
        )
    if as_json:
        click.echo(json_text(explanation_json(result)))
    else:
        _print(result)
    return PROVED if result.is_whole else NOT_PROVED


def _print(result: Explanation) -> None:
    """Tables, then sentences."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tasks.networks.quoting import shown
    from tasks.pipeline.explain_report import sentences, tables

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    for found in tables(result):
        table = Table(*found.heads, box=SIMPLE_HEAD)
        for row in found.rows:
            table.add_row(*map(Text, row))
        console.print(Text(f"{found.title}:"))
        console.print(table)
        if found.more:
            console.print(Text(f"  {found.more}\n"))
    for sentence in sentences(result):
        console.print(Text(shown(sentence, 100_000)))
