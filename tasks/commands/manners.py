"""How a command speaks: what it prints unasked, what only with ``-v``, and what ``-q`` keeps back."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import click

verbose_option = click.option(
    "-v", "--verbose", is_flag=True, help="Also every claim, the steps with their cost, and what the result rests on."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress on standard error; errors alone.")
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@dataclass(frozen=True)
class Manners:
    """What ``-v``, ``-q`` and ``--json`` say.

    >>> Manners(quiet=True).is_silent, Manners(as_json=True).is_silent, Manners(verbose=True).is_silent
    (True, True, False)
    """

    verbose: bool = False
    quiet: bool = False
    as_json: bool = False

    @property
    def is_silent(self) -> bool:
        """Whether nothing is told of the work that goes on."""
        return self.quiet or self.as_json

    @property
    def width(self) -> int | None:
        """Columns of the terminal that reads the result; None for a file or a pipe, where a sentence is a line."""
        if not sys.stdout.isatty():
            return None
        import shutil  # with what it needs for archives

        return shutil.get_terminal_size().columns

    def more(self, *, is_certifiable: bool) -> list[str]:
        """What else could be had, as a line; among it a certificate, where one can be and was not asked for."""
        ways = [] if self.verbose else ["-v shows how, and what it rests on"]
        ways += ["--out FOLDER writes a certificate"] if is_certifiable else []
        return [f"More: {'; '.join(ways)}."] if ways else []
