"""Words of strangers in sentences of ours: names and texts out of folders, quoted, escaped and cut."""

from __future__ import annotations

import json
import re

# Characters of a name in a sentence, of a line that quotes a folder, and of one with a program of ours:
NAME, LINE, RESULT = 60, 2000, 100_000
# Letters without a trace:
BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"


def shown(text: object, most: int = LINE) -> str:
    """``text`` on one line of at most ``most`` characters, as it may be printed whoever wrote it.

    What is not printable (line ends, control codes, marks of direction or without width, lone surrogates) is escaped.
    """
    line = str(text)
    if len(line) <= most and _is_plain(line):
        return line
    whole = "".join(c if _is_plain(c) else ascii(c)[1:-1] for c in line[:most])
    return whole if len(line) <= most and len(whole) <= most else f"{whole[: most - 1]}…"


def named(name: str) -> str:
    """A name inside a sentence: at most ``NAME`` characters, in quotes unless it is one plain word."""
    text = shown(name, NAME)
    return text if not text or _PLAIN.fullmatch(text) else f"'{text}'"


def shown_lines(text: str) -> str:
    """A text of ours that quotes a folder, line by line."""
    return "\n".join(shown(line, RESULT) for line in text.split("\n"))


def json_text(value: object, indent: int | None = 2) -> str:
    """``value`` as JSON in which nothing stands that is not printable; on one line where ``indent`` is None."""
    lines = json.dumps(value, ensure_ascii=False, indent=indent).split("\n")
    return "\n".join(line if _is_plain(line) else "".join(map(_in_json, line)) for line in lines)


def _in_json(letter: str) -> str:
    if _is_plain(letter):
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else json.dumps(letter)[1:-1]


def _is_plain(text: str) -> bool:
    return text.isprintable() and not _BLANK.search(text)


_BLANK, _PLAIN = re.compile(f"[{BLANK}]"), re.compile(r"[\w.+/:#-]+")
