"""SyGuS-IF text as s-expressions with positions, and the one error of this package.

The syntax is that of SyGuS-IF 2.1 (Padhi, Polgreen, Raghothaman, Reynolds, Udupa, 2021, section 2.2) and so of SMT-LIB
2.6 (section 3.1): ``sexpression.lark`` is the whole grammar. What the expressions mean is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput

from dsl.operators import GrammarError

DEEPEST = 400  # brackets in brackets; what reads them recurses
LONGEST_SHOWN = 60  # characters of an expression in a message


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


@dataclass(frozen=True, slots=True)
class Group:
    """``( items )``, with the position of its opening bracket; ``depth`` counts the brackets in brackets."""

    items: tuple[Expression, ...]
    line: int
    column: int
    depth: int

    def __str__(self) -> str:
        return f"({' '.join(map(str, self.items))})"


Expression = Token | Group  # a token is a str; its ``type`` is a terminal of the grammar


def expressions(text: str) -> tuple[Expression, ...]:
    """The top-level expressions of ``text``; raises SygusError where it is no list of them."""
    try:
        found: tuple[Expression, ...] = _parser().parse(text)  # type: ignore[assignment]
    except UnexpectedCharacters as error:
        raise _unread(text, error) from None
    except UnexpectedInput:
        raise _unbalanced(text) from None
    for expression in found:
        if isinstance(expression, Group) and expression.depth > DEEPEST:
            raise fault(expression, f"brackets nested more than {DEEPEST} deep")
    return found


def fault(where: Expression, message: str) -> SygusError:
    """The error that ``message`` is, at the place of an expression."""
    return SygusError(message, where.line or 1, where.column or 1)


def shown(expression: Expression) -> str:
    """The expression for a message: quoted, and cut where it is long."""
    text = str(expression)
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "...")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the known names like ``name``; empty when there is none."""
    close = get_close_matches(name, sorted(set(known)), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


class _Builder(Transformer[Token, object]):
    def group(self, children: list[Expression]) -> Group:
        opening = children[0]
        depth = 1 + max((child.depth for child in children if isinstance(child, Group)), default=0)
        return Group(tuple(children[1:-1]), opening.line or 1, opening.column or 1, depth)

    def start(self, children: list[Expression]) -> tuple[Expression, ...]:
        return tuple(children)


@cache
def _parser() -> Lark:
    grammar = files("cegis.sygus").joinpath("sexpression.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", transformer=_Builder())


def _unread(text: str, error: UnexpectedCharacters) -> SygusError:
    character = text[error.pos_in_stream] if error.pos_in_stream is not None else ""
    opened = {'"': "a string that is never closed", "|": "a quoted symbol that is never closed"}
    reason = opened.get(
        character, f"expected an SMT-LIB token, got {text[error.pos_in_stream or 0 :].split()[0][:20]!r}"
    )
    return SygusError(reason, error.line, error.column)


def _unbalanced(text: str) -> SygusError:
    """Where a text of good tokens has a bracket too many or too few."""
    opened: list[Token] = []
    for token in _parser().lex(text):
        if token.type == "OPEN":
            opened.append(token)
        elif token.type == "CLOSE":
            if not opened:
                return fault(token, "a closing bracket without an opening one")
            opened.pop()
    return fault(opened[-1], "an opening bracket without a closing one")
