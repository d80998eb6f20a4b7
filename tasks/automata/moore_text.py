"""Moore machines in Python: what their states are called, and each step said as shortly as it can be.

Two states are a flag (``odd``, ``inside``, ``seen``). States that have a label each, and no arithmetic between them,
are called by their labels. Other states are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

Column = tuple[int, ...]  # the next state of every state

SAME = "state"  # the step that changes nothing
OPENING = frozenset("([{<")


@dataclass(frozen=True)
class Wording:
    """A machine's text: the loop that builds ``state``, the name it is printed under, and its label as Python of _0."""

    walk: str
    noun: str
    label: str


def worded(columns: Sequence[Column], named: Sequence[str | int | bool], alphabet: Sequence[str]) -> Wording:
    """The text of a machine that begins in state 0; ``columns[token][state]``, and ``named[state]`` is the label."""
    if len(named) == 2:
        return _flag(columns, named, alphabet)
    plain = all(type(label) is str for label in named) and len(set(named)) == len(named) > 2
    if plain and all(is_plain(column) for column in columns):
        texts = [repr(label) for label in named]
        return Wording(_loop(texts[0], [_named(column, texts) for column in columns], alphabet), "state", "_0")
    return Wording(_loop("0", [step_text(column) for column in columns], alphabet), "state", _label(named))


def step_text(column: Column) -> str:
    """One step as an expression of ``state``."""
    known = simple(len(column)).get(column)
    if known is None and is_plain(column):
        return _named(column, [str(state) for state in range(len(column))])
    return f"{column!r}[state]" if known is None else known


@cache
def simple(states: int) -> dict[Column, str]:
    """Steps that are arithmetic, the simplest first."""
    every, last = range(states), states - 1
    known = [
        (tuple(every), SAME),
        *[((n,) * states, str(n)) for n in every],
        *([((1, 0), "1 - state")] if states == 2 else []),
        (tuple(min(n + 1, last) for n in every), f"min(state + 1, {last})"),
        (tuple(max(n - 1, 0) for n in every), "max(state - 1, 0)"),
        (tuple((n + 1) % states for n in every), f"(state + 1) % {states}"),
        (tuple((n - 1) % states for n in every), f"(state - 1) % {states}"),
    ]
    steps: dict[Column, str] = {}
    for column, text in known:
        steps.setdefault(column, text)
    return steps


# --- flags ------------------------------------------------------------------------------------------------------


def _flag(columns: Sequence[Column], named: Sequence[str | int | bool], alphabet: Sequence[str]) -> Wording:
    """Two states as a flag: False before any token."""
    words: dict[Column, str] = {(0, 1): SAME, (0, 0): "False", (1, 1): "True", (1, 0): f"not {SAME}"}
    return Wording(_loop("False", [words[column] for column in columns], alphabet), _flag_name(columns, alphabet),
                   _flag_label(*named))  # fmt: skip


def _flag_name(columns: Sequence[Column], alphabet: Sequence[str]) -> str:
    """What the flag says, as far as the steps tell."""
    raised, lowered, turned = (
        [token for token, column in zip(alphabet, columns, strict=True) if column == step]
        for step in ((1, 1), (0, 0), (1, 0))
    )
    if turned and not raised and not lowered:
        return "odd" if any(token.isalnum() for token in turned) else "inside"
    if lowered and OPENING.issuperset(raised) and raised:
        return "inside"
    return "seen" if raised and not lowered and not turned else "flag"


def _flag_label(off: str | int | bool, on: str | int | bool) -> str:
    """The label of a flag as Python of _0."""
    for plain in ("_0", "not _0"):
        said = (plain == "not _0", plain == "_0")
        if (off, on) == said and type(off) is type(on) is bool:
            return plain
        if (off, on) == tuple(map(str, said)):
            return f"str({plain})"
    return f"{on!r} if _0 else {off!r}"


# --- loops ------------------------------------------------------------------------------------------------------


def _loop(start: str, steps: Sequence[str], alphabet: Sequence[str]) -> str:
    """The loop over the tokens; tokens with the same step stand together, the most of them under ``else``."""
    groups: dict[str, list[str]] = {}
    for token, step in zip(alphabet, steps, strict=True):
        groups.setdefault(step, []).append(token)
    rests = SAME in groups
    lines, moves = [f"state = {start}", "for token in tokens:"], {s: g for s, g in groups.items() if s != SAME}
    if not moves:
        return "\n".join([*lines, "    state = state"])
    most = max(moves, key=lambda step: len(moves[step]))
    if not rests and len(moves) == 1:
        return "\n".join([*lines, f"    state = {most}"])
    has_else = not rests and len(moves[most]) > 1
    for n, (step, group) in enumerate((s, g) for s, g in moves.items() if not (has_else and s == most)):
        test = f"token == {group[0]!r}" if len(group) == 1 else f"token in {{{', '.join(map(repr, group))}}}"
        lines += [f"    {'elif' if n else 'if'} {test}:", f"        state = {step}"]
    if has_else:
        lines += ["    else:", f"        state = {most}"]
    return "\n".join(lines)


def is_plain(column: Column) -> bool:
    """Whether a step can be said of states that are no numbers."""
    same = sum(to == state for state, to in enumerate(column))
    return same >= len(column) - 1 or len(set(column)) == 1 or _exception(column) is not None


def _exception(column: Column) -> int | None:
    """The one state whose next state is another than that of all others."""
    for state in range(len(column)):
        if len({*column[:state], *column[state + 1 :]}) == 1:
            return state
    return None


def _named(column: Column, texts: Sequence[str]) -> str:
    moved = [state for state, to in enumerate(column) if to != state]
    if not moved:
        return SAME
    if len(set(column)) == 1:
        return texts[column[0]]
    if len(moved) == 1:
        return f"{texts[column[moved[0]]]} if state == {texts[moved[0]]} else state"
    state = _exception(column)
    assert state is not None
    return f"{texts[column[state]]} if state == {texts[state]} else {texts[column[state - 1]]}"


def _label(named: Sequence[str | int | bool]) -> str:
    """The label of a numbered state as Python of _0."""
    states = range(len(named))
    if list(named) == [str(state) for state in states]:
        return "str(_0)"
    if list(named) == list(states) and all(type(label) is int for label in named):
        return "_0"
    if len(set(named)) == 2:
        changes = [state for state in states[1:] if named[state] != named[state - 1]]
        alone = [state for state in states if list(named).count(named[state]) == 1]
        if alone:
            other = named[alone[0] - 1]
            return f"{named[alone[0]]!r} if _0 == {alone[0]} else {other!r}"
        if len(changes) == 1:
            return f"{named[-1]!r} if _0 >= {changes[0]} else {named[0]!r}"
    return f"{tuple(named)!r}[_0]"
