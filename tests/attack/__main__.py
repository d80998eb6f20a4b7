"""``python tests/attack``: the standing attack on prover and checker. Exit code 1 where anything is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

import click
import torch
from campaign import PARTS, Campaign, run_case, table
from mutants import run_mutants
from rich.console import Console


@click.command()
@click.option("--networks", default=300, show_default=True, help="Networks against exact values and torch.")
@click.option("--planted", default=20, show_default=True, help="Counterexamples planted beyond what is short.")
@click.option("--certificates", default=160, show_default=True, help="Changes of certificates that hold.")
@click.option("--programs", default=300, show_default=True, help="Programs in all their readings.")
@click.option("--kills", default=60, show_default=True, help="Writers that are killed or meet.")
@click.option("--distillations", default=40, show_default=True, help="Whole distillations against a list.")
@click.option("--recurrent", default=60, show_default=True, help="Recurrent networks at every length.")
@click.option("--pairs", default=40, show_default=True, help="Networks that add or compare, against every pair.")
@click.option("--streams", default=80, show_default=True, help="Networks of numbers against loops, on all streams.")
@click.option("--problems", default=300, show_default=True, help="Small SyGuS problems, asked of z3.")
@click.option("--seed", default=0, show_default=True, help="Of all random numbers.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--keep", type=click.Path(path_type=Path), default=Path("out/attack"), show_default=True,
              help="Where what is wrong is kept, a folder each.")  # fmt: skip
@click.option("--part", type=click.Choice(PARTS), help="Run one case of this part, with --case.")
@click.option("--case", type=int, help="The number of that case.")
@click.option("--first", is_flag=True, help="Stop at the first thing that is wrong.")
@click.option("--known", multiple=True, help="A case, such as networks-0-78, that is not the first thing.")
@click.option("--mutants", is_flag=True, help="Try whether deliberate faults are caught, and nothing else.")
@click.option("--only", multiple=True, help="Of the mutants, only those whose name holds this.")
def main(
    networks: int,
    planted: int,
    certificates: int,
    programs: int,
    kills: int,
    distillations: int,
    recurrent: int,
    pairs: int,
    streams: int,
    problems: int,
    seed: int,
    jobs: int,
    keep: Path,
    part: str | None,
    case: int | None,
    first: bool,
    known: tuple[str, ...],
    mutants: bool,
    only: tuple[str, ...],
) -> None:
    """Attack prover and checker with random cases, each given by its part, the seed, and a number."""
    torch.set_num_threads(1)
    console = Console(soft_wrap=True, highlight=False)
    if mutants:
        sys.exit(run_mutants(console, only, jobs))
    if (part is None) != (case is None):
        raise click.UsageError("--part and --case belong together, as in --part networks --case 78")
    if part is not None and case is not None:
        _, outcome = run_case((part, seed, case))
        console.print(f"{outcome.tried:,} tried, {outcome.decided:,} decided, {len(outcome.wrong)} wrong")
        for sentence in outcome.wrong:
            console.print(f"  {sentence}", markup=False)
        sys.exit(bool(outcome.wrong))
    asked = (networks, planted, certificates, programs, kills, distillations, recurrent, pairs, streams, problems)
    sizes = dict(zip(PARTS, asked, strict=True))
    counts = Campaign(seed, keep, jobs, frozenset(known), first).run(sizes, console)
    console.print(table(counts))
    for name, count in counts.items():
        for index, sentences in sorted(count.wrong.items())[:5]:
            console.print(f"{name}-{seed}-{index}: {sentences[0][:300]}", markup=False)
    is_wrong = any(count.wrong for count in counts.values())
    if is_wrong:
        console.print(f"kept in {keep}; each has a README.md with the command that repeats it")
    sys.exit(is_wrong)


if __name__ == "__main__":
    main(prog_name="python tests/attack")
