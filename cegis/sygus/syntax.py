"""SyGuS-IF text as s-expressions with positions, and the one error of this package.

The syntax is that of SyGuS-IF 2.1 (Padhi, Polgreen, Raghothaman, Reynolds, Udupa, 2021, section 2.2) and so of SMT-LIB
2.6 (section 3.1); also taken, as files in the wild have them: -5 as a number. ``TOKEN`` is the whole lexical grammar
(brackets are the rest of it, and counted). What the expressions mean is not decided here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from dsl.operators import GrammarError

DEEPEST = 400  # brackets in brackets; what reads them recurses
LONGEST_SHOWN = 60  # characters of an expression in a message
SIGN = r"A-Za-z~!@$%^&*_+=<>.?/-"  # what a symbol may begin with
TOKEN = re.compile(
    r"""(?P<SPACE>(?:\s|;[^\n\r]*)+)|(?P<OPEN>\()|(?P<CLOSE>\))
    |(?P<NUMERAL>-?[0-9]+(?![^\s()";|]))|(?P<DECIMAL>-?[0-9]+\.[0-9]+(?![^\s()";|]))
    |(?P<HEXADECIMAL>\#x[0-9a-fA-F]+(?![^\s()";|]))|(?P<BINARY>\#b[01]+(?![^\s()";|]))
    |(?P<TEXT>"(?:[^"]|"")*")|(?P<KEYWORD>:[0-9SIGN]+)|(?P<SYMBOL>[SIGN][0-9SIGN]*|\|[^|\\]*\|)""".replace(
        "SIGN", SIGN
    ),
    re.VERBOSE,
)
UNCLOSED = {'"': "a string that is never closed", "|": "a quoted symbol that is never closed"}


class SygusError(GrammarError):
    """A text that is no SyGuS problem we can read; the message says where (lines and columns count from 1).

    >>> read_sygus_text("(set-logic LIA")
    Traceback (most recent call last):
        ...
    cegis.sygus.syntax.SygusError: input:1:1: an opening bracket without a closing one
    """

    def __init__(self, message: str, line: int, column: int, file: str = "") -> None:
        super().__init__(f"{file}:{line}:{column}: {message}" if file else f"{line}:{column}: {message}")
        self.message, self.line, self.column = message, line, column

    def within(self, file: str) -> SygusError:
        """The same error, with the file's name before the position."""
        return SygusError(self.message, self.line, self.column, file)


class Token(str):
    """A token as written; ``type`` is its kind, a group of ``TOKEN``; the place of its first character."""

    __slots__ = ("column", "line", "type")

    type: str
    line: int
    column: int

    def __new__(cls, text: str, kind: str, line: int = 1, column: int = 1) -> Token:
        """A str with these attributes."""
        token = super().__new__(cls, text)
        token.type, token.line, token.column = kind, line, column
        return token


@dataclass(frozen=True, slots=True)
class Group:
    """``( items )``, with the position of its opening bracket; ``depth`` counts the brackets in brackets."""

    items: tuple[Expression, ...]
    line: int
    column: int
    depth: int

    def __str__(self) -> str:
        return f"({' '.join(map(str, self.items))})"


Expression = Token | Group


def expressions(text: str) -> tuple[Expression, ...]:
    """The top-level expressions of ``text``; raises SygusError where it is no list of them."""
    opened: list[tuple[Token, list[Expression]]] = []
    items: list[Expression] = []
    for token in _tokens(text):
        if token.type == "OPEN":
            opened.append((token, items))
            items = []
        elif token.type == "CLOSE":
            if not opened:
                raise fault(token, "a closing bracket without an opening one")
            depth = 1 + max((item.depth for item in items if isinstance(item, Group)), default=0)
            bracket, outer = opened.pop()
            outer.append(Group(tuple(items), bracket.line, bracket.column, depth))
            items = outer
        else:
            items.append(token)
    if opened:
        raise fault(opened[-1][0], "an opening bracket without a closing one")
    for item in items:
        if isinstance(item, Group) and item.depth > DEEPEST:
            raise fault(item, f"brackets nested more than {DEEPEST} deep")
    return tuple(items)


def _tokens(text: str) -> Iterable[Token]:
    """The tokens of ``text``, without spaces and comments."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        line = bisect_right(starts, at)
        column = at - starts[line - 1] + 1
        if match is None or match.lastgroup is None:
            reason = f"expected an SMT-LIB token, got {text[at:].split()[0][:20]!r}"
            raise SygusError(UNCLOSED.get(text[at], reason), line, column)
        if match.lastgroup != "SPACE":
            yield Token(match.group(), match.lastgroup, line, column)
        at = match.end()


def fault(where: Expression, message: str) -> SygusError:
    """The error that ``message`` is, at the place of an expression."""
    return SygusError(message, where.line, where.column)


def shown(expression: Expression) -> str:
    """The expression for a message: quoted, and cut where it is long."""
    text = str(expression)
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "...")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the known names like ``name``; empty when there is none."""
    from difflib import get_close_matches

    close = get_close_matches(name, sorted(set(known)), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""
