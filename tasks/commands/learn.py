"""``distill learn CORPUS``: motifs that solved programs share, as a file for ``--grammar``.

Exit codes: 0 motifs were learned and written, 1 the corpus has none, 2 bad input.
"""

from __future__ import annotations

from pathlib import Path

import click

from tasks.commands.exits import NOT_PROVED, PROVED

SHOWN = 20  # motifs, and things left out


@click.command()
@click.argument("corpus", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("motifs.json"),
    show_default=True,
    help="File of the motifs, for --grammar.",
)
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=12, show_default=True, help="Motifs looked for, at most."
)
@click.option(
    "--costs/--no-costs",
    default=False,
    show_default=True,
    help="Whether the file prices productions by their use; measured, that loses more than it finds.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the searches.")
def learn(corpus: tuple[str, ...], out: Path, rounds: int, costs: bool, seed: int) -> int:
    """Learn motifs from solved programs: what they share becomes an operator for later searches.

    CORPUS is a folder, with certificates, files that "distill run --json" printed, or a corpus.json that lists printed
    programs with their alphabet and labels; or the word "shipped", for the shipped circuits. Nothing in it is run.
    """
    from dsl.abstraction.compression import learn as learned_from
    from dsl.abstraction.files import MOTIFS, write_motifs
    from tasks.networks.quoting import shown
    from tasks.pipeline.corpus import corpus as read

    if out.suffix != MOTIFS:
        raise click.ClickException(f"expected --out to name a file that ends with {MOTIFS}, got {out}")
    found = read(corpus, seed=seed)
    about = f"{len(found.programs)} programs over {found.alphabets} alphabets"
    for where, reason in found.left_out[:SHOWN]:
        click.echo(f"distill: left out {shown(where)}: {shown(' '.join(reason.split()))}", err=True)
    if len(found.left_out) > SHOWN:
        click.echo(f"distill: and {len(found.left_out) - SHOWN} more left out", err=True)
    learned = learned_from(found.programs, rounds=rounds, about=about)
    learned = learned if costs else learned.without_costs()
    write_motifs(learned, out)
    click.echo(f"Learned from {about}; {len(found.left_out)} left out:")
    for motif in learned.motifs[:SHOWN]:
        takes = ", ".join(["token"] * motif.tokens + list(motif.takes)) or "nothing"
        click.echo(shown(f"  {motif.name:<9} {motif.uses:>4} uses  {motif.nonterminal} of {takes}: {motif.example}"))
    if not learned.motifs:
        click.echo("  no motif: the programs share nothing of two operators or more")
    click.echo(shown(f"Motifs: {out} (search with them: distill run NETWORK --grammar {out})"))
    return PROVED if learned.motifs else NOT_PROVED
