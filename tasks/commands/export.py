"""``distill export NETWORK``: what a network says of sampled sequences, with its grammar, as a SyGuS-IF file.

Any SyGuS tool can then be asked for a program that is right on the samples (which proves nothing beyond them). The
file's comments say what its inputs and labels stand for.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.question import asks

if TYPE_CHECKING:
    from cegis.sygus.samples import Example, Samples
    from tasks.pipeline.labels import LabelTable

USUAL_LENGTH = 6


@click.command()
@click.argument("network")
@click.option("--length", type=int, help=f"Longest sequences to sample from.  [default: {USUAL_LENGTH}, if any]")
@click.option("--samples", default=50, show_default=True, type=click.IntRange(1), help="How many sequences.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the sample.")
@asks
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file, such as NAME.sl."
)
def export(network: str, length: int | None, samples: int, seed: int, out: Path, **question: Any) -> None:
    """Write NETWORK (a shipped name or a folder) as a SyGuS-IF problem: labelled samples and their grammar."""
    from cegis.sygus.samples import sampled
    from tasks.commands.question import ask
    from tasks.formats.writing import check_file, write_file
    from tasks.pipeline.labels import LabelTable
    from tasks.proofs.enumeration import enumerate_domain
    from tasks.proofs.select import listed_domain

    check_file(out)
    asked = ask(network, **question)
    length = min(USUAL_LENGTH, asked.model.domain.max_length or USUAL_LENGTH) if length is None else length
    model, _ = asked.between(None, length, f"--length {length}")
    if model.readout.position == "every":
        raise click.ClickException(
            f"{model.name}: expected one label for each sequence, got one for every place, which no such file asks"
        )
    table = LabelTable.of(enumerate_domain(model, listed_domain(model, length)))
    examples = labelled(table, samples, seed)
    found = sampled(table.followed, examples)
    write_file(out, [text(table, found, examples).encode()])
    click.echo(f"{out}: {len(examples)} examples, {len(found.features)} inputs")


def labelled(table: LabelTable, samples: int, seed: int) -> tuple[Example, ...]:
    """Some sequences of ``table`` that have a label, with it, drawn without repetition, shortest first."""
    every = [(part, row) for part in table.parts for row, label in enumerate(part.expected) if label >= 0]
    chosen = sorted(random.Random(seed).sample(range(len(every)), min(samples, len(every))))
    drawn = (every[index] for index in chosen)
    return tuple((table.inputs(part, row), table.names[part.expected[row]]) for part, row in drawn)


def text(table: LabelTable, found: Samples, examples: tuple[Example, ...]) -> str:
    """The file: what things stand for, then the problem."""
    from cegis.sygus import write_problem

    about = [
        f"What {table.enumeration.loaded.reference} says of {len(examples)} sequences; the function gives the "
        "number of a label.",
        "Labels: " + ", ".join(f"{number} = {label!r}" for number, label in enumerate(table.names)),
        *(f"{name} = {feature.term}" for name, feature in found.features.items()),
        *(f"example {number}: {' '.join(words)!r}" for number, (words, _) in enumerate(examples)),
    ]
    comments = (f"; {' '.join(line.split())}" for line in about)
    return "\n".join([*comments, write_problem(found.problem)])
