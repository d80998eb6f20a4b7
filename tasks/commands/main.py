"""The command line: its subcommands by name, each imported when it is called, and what other packages contribute.

Exit codes: 0 proved (or checked), 1 finished but not proved, 2 bad input (one line on standard error). Results go to
standard output, progress to standard error: a live bar on a terminal, plain lines elsewhere, nothing with ``--json``.
Commands are contributed through the entry point group ``distill.commands`` (``bench`` is one).
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.exits import BAD_INPUT, NOT_PROVED, PROVED, is_ours
from tasks.commands.memory import keep_freed_memory

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OWN = {
    "accept": "accept:accept",
    "attack": "attack:attack",
    "check": "check:check",
    "dsl": "dsl:dsl",
    "explain": "explain:explain",
    "export": "export:export",
    "horizon": "horizon:horizon",
    "learn": "learn:learn",
    "list": "show:list_circuits",
    "prune": "prune:prune",
    "report": "report:report",
    "run": "run:run",
    "show": "show:show",
    "solve": "solve:solve",
    "verify": "verify:verify",
}
GROUP = "distill.commands"
PACKAGE = "symbolic-circuit-distillation"
COLLECTED_AFTER = 100_000  # objects; the imports of a command make some that stay, and are looked through at every 700
UNWRITTEN = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)  # when writing to standard output fails


class Contributed(click.Group):
    """A group of our own commands and those that other packages contribute; one is imported when it is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of all, in alphabetical order."""
        return sorted({*super().list_commands(context), *OWN, *_contributed()})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of this name, our own first; raises ClickException for a contribution that is none."""
        added = super().get_command(context, name)
        if added is not None:
            return added
        if name in OWN:
            module, _, attribute = OWN[name].partition(":")
            command = getattr(import_module(f"tasks.commands.{module}"), attribute)
        elif name in (others := _contributed()):
            command = others[name].load()
        else:
            return None
        if not isinstance(command, click.Command):
            raise click.ClickException(f"the contributed command {name!r} is not a click command")
        return command


def _contributed() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


@click.group(cls=Contributed, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=PACKAGE)
def distill() -> None:
    """Small neural circuits in, short readable Python functions out, with a proof of where the two are equal.

    Exit codes: 0 proved (or done), 1 finished but not proved, 2 bad input. Results go to standard output, progress
    and errors to standard error; files are written where --out says (bench: in out/bench).
    Completion: eval "$(_DISTILL_COMPLETE=bash_source distill)" (or zsh_source, fish_source).
    """


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


def script() -> None:
    """``main`` of a process of its own, which ends once everything is written: solvers take long to take down.

    Where a thread has to be waited for, or a stream cannot be written, Python ends the process as usual.
    """
    gc.set_threshold(COLLECTED_AFTER, 10, 10)
    keep_freed_memory()
    try:
        main()
    except SystemExit as ended:
        if all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
            atexit._run_exitfuncs()
            with suppress(OSError):
                for stream in filter(None, (sys.stdout, sys.stderr)):
                    stream.flush()
                os._exit(ended.code if isinstance(ended.code, int) else NOT_PROVED)
        raise


def _line(error: object) -> str:
    from tasks.networks.quoting import shown

    return f"distill: {shown(' '.join(str(error).split()))}"


if __name__ == "__main__":
    script()
