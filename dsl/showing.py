"""How objects show themselves: one short line at the prompt, a little HTML in a notebook.

A representation is never long, however large the object: arrays are told by their shape, the rest is cut. HTML is
escaped, whoever wrote the words; it has its own light ground, so that it can be read in dark notebooks too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

MOST, MOST_OF_FIELD = 200, 60  # characters of a representation, and of one of its parts
PANEL = "background:#ffffff;color:#1f2328;padding:.4em .8em;border:1px solid #d0d7de;border-radius:6px"
CODE = "background:#f6f8fa;color:#1f2328;padding:.6em .8em;border-radius:6px;overflow-x:auto;margin:.3em 0"


def cut(text: str, most: int = MOST) -> str:
    """``text`` on one line of at most ``most`` characters.

    >>> cut("one two three", 8)
    'one two…'
    """
    words = " ".join(text[: 8 * most].split())
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def brief(self: Any) -> str:
    """The ``__repr__`` of a dataclass that may hold much: fields that differ from their defaults, each cut short."""
    parts = []
    for field in fields(self):
        value = getattr(self, field.name, MISSING)
        if field.repr and (field.default is MISSING or value is not field.default):
            parts.append(f"{field.name}={_part(value)}")
    return cut(f"{type(self).__name__}({', '.join(parts)})")


def _part(value: Any) -> str:
    """A field in a few words."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"array{shape}"
    if isinstance(value, Mapping) and len(value) > 4:
        return f"{{{len(value)} entries}}"
    if isinstance(value, tuple | list | frozenset) and len(value) > 12:
        return f"{len(value)} entries"
    return cut(repr(value), MOST_OF_FIELD)


def _escaped(text: str) -> str:
    from html import escape  # its table of characters takes long to make

    return escape(text)


def code_html(source: str) -> str:
    """Python as HTML, its syntax colored where Pygments is there."""
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer
    except ImportError:
        inner = _escaped(source)
    else:
        inner = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True, noclasses=True, nobackground=True))
    return f'<pre style="{CODE}"><code>{inner.rstrip()}</code></pre>'


def words_html(text: str) -> str:
    """A paragraph."""
    return f'<p style="margin:.3em 0">{_escaped(text)}</p>'


def table_html(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; every cell is escaped."""
    top = "".join(f'<th style="text-align:left">{_escaped(cell)}</th>' for cell in head)
    body = "".join(
        f"<tr>{''.join(f'<td style=text-align:left>{_escaped(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def panel_html(*parts: str) -> str:
    """HTML parts below each other."""
    return f'<div style="{PANEL}">{"".join(parts)}</div>'
