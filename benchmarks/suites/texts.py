"""How much there is to read in a printed program: its lines of code, its words and signs; docstring left out."""

from __future__ import annotations

import ast
import io
import tokenize

SKIPPED = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER)


def body(text: str) -> str:
    """A printed function without its docstring, which holds the claim."""
    (function,) = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return text
    assert first.end_lineno is not None
    rows = text.splitlines(keepends=True)
    return "".join((*rows[: first.lineno - 1], *rows[first.end_lineno :]))


def lines(text: str) -> int:
    """How many lines of a program without docstring are code, its ``def`` left out."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.splitlines()) - 1


def reading(text: str) -> int:
    """How many words and signs it has."""
    return sum(token.type not in SKIPPED for token in tokenize.generate_tokens(io.StringIO(text).readline))


def has_table(text: str) -> bool:
    """Whether something is looked up in a dictionary that is written out."""
    return any(isinstance(node, ast.Dict) and len(node.keys) > 2 for node in ast.walk(ast.parse(text)))
