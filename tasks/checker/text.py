"""Text of a stranger's folder, as it may be printed: it writes no line of ours, moves no cursor and hides nothing.

What is not printable is escaped: line ends, control codes (C0, C1, ANSI sequences), marks that change the direction of
text or have no width, lone surrogates, and letters that leave no trace. What is longer than a stated length is cut.
"""

from __future__ import annotations

import re

LINE, NAME = 2000, 60  # characters of a line that is printed, and of a name in it
BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
PLAIN = re.compile(r"[\w.+/:#-]+")


def shown(text: object, most: int = LINE) -> str:
    """``text`` as one line of at most ``most`` characters."""
    line = str(text)
    if len(line) <= most and line.isprintable() and not BLANK.search(line):
        return line
    whole = "".join(c if c.isprintable() and not BLANK.match(c) else ascii(c)[1:-1] for c in line[:most])
    return whole if len(line) <= most and len(whole) <= most else f"{whole[: most - 1]}…"


def named(name: object) -> str:
    """A name inside a sentence: in quotes, unless it is one plain word."""
    text = shown(name, NAME)
    return text if PLAIN.fullmatch(text) or not text else f"'{text}'"
