"""Examples in docstrings as code: each run of lines from ``>>>`` to a blank line becomes a fenced block.

Markdown reads ``>>>`` as a quotation in a quotation. An extension of Griffe, which reads docstrings for mkdocstrings.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n(?! *$).*)*", re.MULTILINE)


def fenced(text: str) -> str:
    """A docstring with its examples in fences."""

    def block(match: re.Match[str]) -> str:
        indent = match[1]
        lines = [line.removeprefix(indent) for line in match[0].splitlines()]
        return "\n".join(("```pycon", *("" if line == "<BLANKLINE>" else line for line in lines), "```"))

    return EXAMPLE.sub(block, text)


class Doctests(griffe.Extension):
    """Applies ``fenced`` to the docstring of every object that is read."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
