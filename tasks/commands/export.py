"""``distill export CIRCUIT``: what a circuit says of sampled sequences, with the motif grammar, as a SyGuS-IF file.

Any SyGuS tool can then be asked for a program that is right on the samples (which proves nothing beyond them). The
file's comments say what its inputs and labels stand for.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cegis.sygus.samples import Example, Samples
    from tasks.networks.circuit import Circuit


@click.command()
@click.argument("circuit")
@click.option("--length", default=6, show_default=True, help="Longest sequences to sample from.")
@click.option("--samples", default=50, show_default=True, type=click.IntRange(1), help="How many sequences.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the sample.")
@click.option("--out", type=click.Path(path_type=Path), help="The file.  [default: NAME.sl]")
def export(circuit: str, length: int, samples: int, seed: int, out: Path | None) -> None:
    """Write CIRCUIT (a shipped name or a folder) as a SyGuS-IF problem: labelled samples and the motif grammar."""
    from cegis import motifs
    from cegis.sygus.samples import sampled
    from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path
    from tasks.networks.quoting import NAME
    from tasks.pipeline.report import identifier

    loaded = load_circuit(shipped_path(circuit) if circuit in shipped_names() else Path(circuit))
    examples = labelled(loaded, length, samples, seed)
    grammar = motifs(loaded.domain.alphabet, loaded.labels, min_length=loaded.domain.min_length)
    found = sampled(grammar, examples)
    target = out or Path(f"{identifier(loaded.name[:NAME])}.sl")
    try:
        target.write_text(text(loaded, found, examples), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {target}: {error.strerror}") from error
    click.echo(f"{target}: {len(examples)} examples, {len(found.features)} inputs")


def labelled(circuit: Circuit, length: int, samples: int, seed: int) -> tuple[Example, ...]:
    """Sequences of the domain up to ``length`` with their labels, drawn without repetition, shortest first."""
    from tasks.networks.circuit import UNDECIDED
    from tasks.networks.sparse_transformer import NetworkError
    from tasks.proofs.circuit_labels import label_domain
    from tasks.proofs.select import listed_domain

    labelling = label_domain(circuit, listed_domain(circuit, length))
    every = [(part, row) for part in labelling.lengths for row, label in enumerate(part.labels) if label != UNDECIDED]
    if not every:
        raise NetworkError(f"{circuit.name}: no sequence up to length {length} has a certain label")
    chosen = sorted(random.Random(seed).sample(range(len(every)), min(samples, len(every))))
    drawn = (every[index] for index in chosen)
    return tuple((labelling.domain.words(part.sequences[row]), circuit.labels[part.labels[row]]) for part, row in drawn)


def text(circuit: Circuit, found: Samples, examples: tuple[Example, ...]) -> str:
    """The file: what things stand for, then the problem."""
    from cegis.sygus import write_problem

    about = [
        f"What the circuit {circuit.name} says of {len(examples)} sequences; the function gives the number of a label.",
        "Labels: " + ", ".join(f"{number} = {label!r}" for number, label in enumerate(circuit.labels)),
        *(f"{name} = {feature.term}" for name, feature in found.features.items()),
        *(f"example {number}: {' '.join(words)!r}" for number, (words, _) in enumerate(examples)),
    ]
    comments = (f"; {' '.join(line.split())}" for line in about)
    return "\n".join([*comments, write_problem(found.problem)])
