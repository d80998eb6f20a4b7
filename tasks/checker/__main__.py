"""``distill-check FOLDER``: exit code 0 the claim holds, 1 it does not, 2 no certificate that can be read or checked.

``python -m tasks.checker FOLDER`` is the same, where no folder ``tasks`` and no file such as ``json.py`` or
``flint.py`` lies in the current folder: ``-m`` looks there first, and would run them instead. The script
``distill-check`` does not look there. (Both obey PYTHONPATH, as every program in Python does: leave it unset.)

The check itself runs in a process of its own, under limits (``limits``); nothing of the folder is read in this one.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from tasks.checker.limits import LEAST_MB, MEMORY_MB, MOST_MB, MOST_SECONDS, SECONDS, guarded
from tasks.checker.text import shown

COLLECTED_AFTER = 100_000  # objects: rows of balls stay, and hold no circles; to look through them all takes long


def main(arguments: list[str] | None = None) -> int:
    """Check the folder that the command line names, within its limits."""
    asked = _parser().parse_args(arguments)
    if not (0 < asked.time_limit < MOST_SECONDS and LEAST_MB <= asked.memory <= MOST_MB):
        print(f"checker: expected more than 0 seconds, and from {LEAST_MB} MB of memory", file=sys.stderr)
        return 2
    folder, limits = {"folder": asked.folder}, {"seconds": asked.time_limit, "memory_mb": asked.memory}
    try:
        ended = guarded("tasks.checker.__main__:answer", folder, **limits)
    except KeyboardInterrupt:
        print("checker: interrupted; nothing was found", file=sys.stderr)
        return 2
    except OSError as error:
        sys.stdout = None  # or Python would try to write once more
        print(f"checker: cannot write the result: {error.strerror}", file=sys.stderr)
        return 2
    if ended.said:
        print(f"checker: {shown(ended.said.rstrip())}", file=sys.stderr)
    return ended.code


def answer(folder: str) -> int:
    """Print what is found of the certificate in ``folder``; the exit code. Runs in the process under limits."""
    gc.set_threshold(COLLECTED_AFTER)
    from tasks.checker.evidence import check
    from tasks.checker.files import Rejected, UnreadableError

    try:
        found = check(Path(folder))
        print(f"HOLDS: {shown(found['claim'])}", shown(found["assumption"]), sep="\n")
    except Rejected as error:
        print(f"DOES NOT HOLD: {shown(error)}")
        return 1
    except UnreadableError as error:
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from None
        print(shown(error), file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="distill-check", description="Check a certificate that needs no solver.")
    parser.add_argument("folder", metavar="FOLDER", help="the certificate")
    text = f"for the whole check, which is ended there with exit code 2 (default: {SECONDS:g})"
    parser.add_argument("--time-limit", type=float, default=SECONDS, metavar="SECONDS", help=text)
    text = f"address space of the process that checks (default: {MEMORY_MB})"
    parser.add_argument("--memory", type=int, default=MEMORY_MB, metavar="MB", help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
