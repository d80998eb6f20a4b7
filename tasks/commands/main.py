"""The command line: ``distill list``, ``show``, ``run``, ``check``, and what other packages contribute.

Exit codes: 0 proved (or checked), 1 finished but not proved, 2 bad input (one line on standard error). Results go to
standard output, progress to standard error: a live bar on a terminal, plain lines elsewhere, nothing with ``--json``.
Commands are contributed through the entry point group ``distill.commands`` (``bench`` is one).
"""

from __future__ import annotations

import errno
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from tasks.commands.accept import accept
from tasks.commands.check import check
from tasks.commands.exits import BAD_INPUT, NOT_PROVED, PROVED, is_ours
from tasks.commands.run import run
from tasks.commands.show import list_circuits, show

GROUP = "distill.commands"
PACKAGE = "symbolic-circuit-distillation"
UNWRITTEN = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)  # when writing to standard output fails


class Contributed(click.Group):
    """A group that also lists commands other packages contribute; a command is loaded when it is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of all, in alphabetical order."""
        return sorted({*super().list_commands(context), *_contributed()})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of this name, our own first; raises ClickException for a contribution that is none."""
        own = super().get_command(context, name)
        if own is not None or name not in _contributed():
            return own
        command = _contributed()[name].load()
        if not isinstance(command, click.Command):
            raise click.ClickException(f"the contributed command {name!r} is not a click command")
        return command


def _contributed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


@click.group(cls=Contributed, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=PACKAGE)
def distill() -> None:
    """Small neural circuits in, short readable Python functions out, with a proof of where the two are equal.

    Exit codes: 0 proved (or done), 1 finished but not proved, 2 bad input. Results go to standard output, progress
    and errors to standard error; files are written where --out says (bench: in out/bench).
    Completion: eval "$(_DISTILL_COMPLETE=bash_source distill)" (or zsh_source, fish_source).
    """


distill.add_command(accept)
distill.add_command(check)
distill.add_command(list_circuits)
distill.add_command(run)
distill.add_command(show)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit with its code."""
    try:
        code = distill.main(args=arguments, prog_name="distill", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("distill: interrupted", err=True)
        code = NOT_PROVED
    except click.exceptions.NoArgsIsHelpError as error:  # nothing was asked: the help, as click prints it
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        click.echo(_line(error.format_message()), err=True)
        code = BAD_INPUT
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        click.echo(_line(f'this needs torch: pip install "{PACKAGE}[torch]"'), err=True)
        code = BAD_INPUT
    except (ValueError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno in UNWRITTEN and error.filename is None:
            sys.stdout = None  # or Python would try once more
            error = RuntimeError(f"cannot write the result: {error.strerror}")
        elif not is_ours(error):
            raise
        click.echo(_line(error), err=True)
        code = BAD_INPUT
    sys.exit(code if isinstance(code, int) else PROVED)


def _line(error: object) -> str:
    from tasks.networks.quoting import shown

    return f"distill: {shown(' '.join(str(error).split()))}"


if __name__ == "__main__":
    main()
