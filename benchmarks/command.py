"""``distill bench`` and ``python -m benchmarks``: run the scoreboard and print its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchmarks.row import Row

ROWS, TABLE = "rows.jsonl", "table.md"


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/bench"), show_default=True, help="Folder.")
@click.option("--seconds", default=20.0, show_default=True, help="Limit for each answer.")
@click.option("--seed", default=0, show_default=True, help="Seed of every search and solver that takes one.")
@click.option("--circuits", default="", help="Shipped circuits, separated by commas.  [default: all]")
def bench(out: Path, seconds: float, seed: int, circuits: str) -> None:
    """Compare this project with cvc5's SyGuS and AALpy's L* on the shipped circuits.

    Writes rows.jsonl and table.md to the folder; runs that are there already are not repeated.
    """
    from benchmarks.place import here
    from benchmarks.runner import plan, run_suite
    from benchmarks.table import markdown
    from tasks.files import shipped_names, shipped_path

    chosen = tuple(name.strip() for name in circuits.split(",") if name.strip()) or shipped_names()
    try:
        jobs = plan({name: shipped_path(name) for name in chosen}, seconds=seconds, seed=seed)
        out.mkdir(parents=True, exist_ok=True)
        rows = run_suite(jobs, out / ROWS, here(), on_row=_print_row)
        table = markdown(rows)
        (out / TABLE).write_text(table, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(table)


def _print_row(row: Row, is_new: bool) -> None:
    """One line of progress on standard error."""
    seconds = "" if row.seconds is None else f" {row.seconds:.2f} s"
    known = "" if is_new else " (from an earlier run)"
    click.echo(f"{row.circuit}: {row.competitor}, {row.configuration}: {row.status}{seconds}{known}", err=True)
