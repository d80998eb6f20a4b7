"""Long lines of Python over several: a table at its entries, a conjunction at its ``and``.

Each line is a statement, or the head of one. What cannot be broken, as a long text, stays as it is.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

LONGEST = 100  # columns
INDENT = "    "
Group = tuple[tuple[str, ...], tuple[int, int], str]  # entries, columns of the two brackets, what parts the entries
OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")


def wrapped(text: str) -> str:
    """``text``, whose lines are statements, with lines over ``LONGEST`` columns broken where they can be."""
    lines = text.split("\n")
    if all(len(line) <= LONGEST for line in lines):
        return text
    after = "\n".join("\n".join(_broken(line)) if len(line) > LONGEST else line for line in lines)
    return after if _same(after, text) else text


def _same(one: str, other: str) -> bool:
    """Whether two bodies of a function are the same but for their layout."""
    try:
        return ast.dump(ast.parse(f"if True:\n{one}")) == ast.dump(ast.parse(f"if True:\n{other}"))
    except SyntaxError:
        return False


def _broken(line: str) -> list[str]:
    """``line`` over several, at the brackets that hold most of it."""
    margin = line[: len(line) - len(line.lstrip())]
    nothing: Group = (), (0, 0), ""
    entries, (start, end), joint = max(_groups(line), key=lambda group: group[1][1] - group[1][0], default=nothing)
    if not entries or end - start < len(line) // 3:
        return _at_words(line, margin)
    inner, filled = margin + INDENT, [""]
    for entry in entries:
        if filled[-1] and len(inner) + len(filled[-1]) + len(entry) + 2 > LONGEST:
            filled.append("")
        filled[-1] += f"{' ' * bool(filled[-1])}{entry}{joint}"
    if line[start] == "(":
        filled[-1] = filled[-1].removesuffix(",")
    parts = [line[: start + 1], *[inner + part for part in filled], margin + line[end:]]
    return [piece for part in parts for piece in (_broken(part) if _can_shrink(part, line) else [part])]


def _can_shrink(part: str, line: str) -> bool:
    return LONGEST < len(part) < len(line) and _is_whole(part)


def _is_whole(part: str) -> bool:
    """Whether every bracket that a piece opens is closed in it."""
    signs = [sign for sign, _, _ in _signs(part)]
    return sum(sign in OPENING for sign in signs) == sum(sign in CLOSING for sign in signs)


def _groups(line: str) -> Iterator[Group]:
    """What brackets hold in several entries, or in the clauses of a comprehension."""
    opened: list[_Bracket] = []
    for sign, start, _ in _signs(line):
        if sign in OPENING:
            opened.append(_Bracket(start))
        elif sign in CLOSING:
            bracket = opened.pop()
            cuts = [bracket.column + 1, *(bracket.clauses or bracket.commas), start]
            skipped = 0 if bracket.clauses else 1
            entries = tuple(line[a:b].strip() for a, b in zip(_after(cuts, skipped), cuts[1:], strict=False))
            if len(entries) > 1 and entries[-1]:
                yield entries, (bracket.column, start), "" if bracket.clauses else ","
        elif opened:
            opened[-1].take(sign, start)


def _after(cuts: list[int], skipped: int) -> list[int]:
    """Where entries begin: behind what parts them."""
    return [cuts[0], *(cut + skipped for cut in cuts[1:-1])]


@dataclass
class _Bracket:
    """A bracket in ``column``: where commas part what it holds, and where clauses of a comprehension begin."""

    column: int
    commas: list[int] = field(default_factory=list)
    clauses: list[int] = field(default_factory=list)
    in_target: bool = False

    def take(self, sign: str, column: int) -> None:
        """One sign of what it holds."""
        if sign == "for" or (sign == "if" and self.clauses):
            self.clauses.append(column)
        elif sign == "," and not self.in_target:
            self.commas.append(column)
        self.in_target = sign == "for" or (self.in_target and sign != "in")


def _at_words(line: str, margin: str) -> list[str]:
    """``line`` with what it returns or tests in parentheses, and broken before ``and``, ``or``, ``if`` and ``else``."""
    signs = list(_signs(line))
    if signs[0][0] not in ("return", "if", "elif"):
        return [line]
    end = len(line) - line.endswith(":")
    depth, cuts = 0, [signs[0][2]]
    outer = [sign for sign, _, _ in _top(signs)]
    words = ("if", "else") if "else" in outer else ("or",) if "or" in outer else ("and",)
    for sign, start, _ in signs[1:]:
        depth += (sign in OPENING) - (sign in CLOSING)
        if depth == 0 and sign in words:
            cuts.append(start)
    if len(cuts) == 1:
        return [line]
    pieces = [line[a:b].strip() for a, b in zip(cuts, [*cuts[1:], end], strict=True)]
    return [f"{line[: cuts[0]]} (", *[margin + INDENT + piece for piece in pieces], margin + ")" + line[end:]]


def _top(signs: Sequence[tuple[str, int, int]]) -> Iterator[tuple[str, int, int]]:
    """Those in no brackets, but the first."""
    depth = 0
    for sign in signs[1:]:
        depth += (sign[0] in OPENING) - (sign[0] in CLOSING)
        if depth == 0:
            yield sign


def _signs(line: str) -> Iterator[tuple[str, int, int]]:
    """The words and signs of a line, with the columns where they begin and end; no part of a text is one."""
    margin = len(line) - len(line.lstrip())
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
            if token.type in (tokenize.NAME, tokenize.OP):
                yield token.string, token.start[1] + margin, token.end[1] + margin
    except (tokenize.TokenError, SyntaxError):  # a piece of a statement
        return
