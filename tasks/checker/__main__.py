"""``python -m tasks.checker FOLDER``: exit code 0 the claim holds, 1 it does not, 2 no certificate that can be read."""

from __future__ import annotations

import sys
from pathlib import Path

from tasks.checker.evidence import check
from tasks.checker.files import Rejected, UnreadableError


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m tasks.checker FOLDER", file=sys.stderr)
        return 2
    try:
        found = check(Path(arguments[0]))
        print(f"HOLDS: {found['claim']}", found["assumption"], sep="\n")
    except Rejected as error:
        print(f"DOES NOT HOLD: {error}")
        return 1
    except UnreadableError as error:
        print(f"checker: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("checker: interrupted; nothing was found", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
