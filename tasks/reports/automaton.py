"""The automaton that a printed program is, where it is one, and its drawing.

The program's text is followed as the certificate checker follows it (``tasks.checker.programs``), which runs nothing
that could do more than compute. States that no later tokens tell apart are merged (Moore, 1956).
"""

from __future__ import annotations

import ast
import time
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cegis import Constraint
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.programs import function_of, machine_of
from tasks.networks.quoting import shown
from tasks.reports.svg import FAINT, INK, drawing, element, number, text, width_of

MOST_VISITED, MOST_STATES = 400, 12
SECONDS = 2.0
HALF, ARC = 22.0, 34.0  # of a state's height; that arcs rise for each state they pass
PARAMETERS = ["tokens"]


@dataclass(frozen=True)
class Automaton:
    """``steps[state][token]``: the next state, None where no sequence of the domain goes on; it starts in state 0."""

    alphabet: tuple[str, ...]
    steps: tuple[tuple[int | None, ...], ...]
    answers: tuple[str, ...]

    @property
    def moves(self) -> dict[tuple[int, int], tuple[str, ...]]:
        """The tokens that lead from a state to another."""
        found: dict[tuple[int, int], tuple[str, ...]] = {}
        for state, row in enumerate(self.steps):
            for token, following in zip(self.alphabet, row, strict=True):
                if following is not None:
                    found[state, following] = (*found.get((state, following), ()), token)
        return found


def automaton_of(source: str, alphabet: tuple[str, ...], constraint: Constraint | None = None) -> Automaton | None:
    """The smallest automaton of the program that ``source`` prints, if need be on what ``constraint`` lets begin alone.

    None where the program has too many states, or cannot be followed token by token; or is the same everywhere.
    """
    try:
        plain = _without_docstring(source)
        if "range(" in plain:
            return None
        function_of(plain, PARAMETERS)
        machine = machine_of(plain, [])
        if machine.asks_last:
            return None
        try:
            return _smallest(_visited(machine, alphabet, None), alphabet)
        except Rejected:  # too many states, of which the domain may have few
            return None if constraint is None else _smallest(_visited(machine, alphabet, constraint), alphabet)
    except (Rejected, UnreadableError, SyntaxError, RecursionError, MemoryError):
        return None


def _without_docstring(source: str) -> str:
    """The program's text without what it says of itself."""
    tree = ast.parse(source)
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and ast.get_docstring(function) is not None:
            function.body = function.body[1:]
    return ast.unparse(tree)


def _visited(machine: Any, alphabet: tuple[str, ...], constraint: Constraint | None) -> tuple[list[Any], list[str]]:
    """Every state that is reached: its row of next states, and its answer; raises Rejected for too many."""
    start = (machine.start, 0)
    numbers, queue, rows = {start: 0}, [start], []
    deadline = time.monotonic() + SECONDS
    for state, place in queue:
        if len(numbers) > MOST_VISITED or time.monotonic() > deadline:
            raise Rejected("too many states")
        row: list[int | None] = []
        for index, token in enumerate(alphabet):
            onward = place if constraint is None else constraint.transitions[place][index]
            if onward < 0:
                row.append(None)
                continue
            following = (machine.step(state, token, ""), onward)
            if following not in numbers:
                numbers[following] = len(numbers)
                queue.append(following)
            row.append(numbers[following])
        rows.append(row)
    return rows, [_answer(machine, state) for state, _ in queue]


def _answer(machine: Any, state: Any) -> str:
    """What the program answers in a state; a dash where it has no answer before any token."""
    try:
        return str(machine.answer(state, ""))
    except Rejected:
        return "–"


def _smallest(visited: tuple[list[Any], list[str]], alphabet: tuple[str, ...]) -> Automaton | None:
    """States that no tokens tell apart as one; None where that leaves one state, or too many to draw."""
    rows, answers = visited
    classes: list[Any] = list(answers)
    while True:
        signs = [
            (classes[n], *(None if following is None else classes[following] for following in row))
            for n, row in enumerate(rows)
        ]
        order = {sign: n for n, sign in enumerate(dict.fromkeys(signs))}
        finer = [order[sign] for sign in signs]
        if len(order) == len(set(classes)):
            break
        classes = finer
    count = len(order)
    if not 2 <= count <= MOST_STATES:
        return None
    first = [finer.index(n) for n in range(count)]
    steps = tuple(tuple(None if f is None else finer[f] for f in rows[n]) for n in first)
    return Automaton(alphabet, steps, tuple(answers[n] for n in first))


def automaton_svg(found: Automaton, name: str) -> Markup:
    """The states in a row, with arcs between them: forward above, backward below."""
    moves = found.moves
    count = len(found.steps)
    answers = [shown(answer, 20) for answer in found.answers]
    labels = {pair: ", ".join(shown(token, 12) for token in tokens) for pair, tokens in moves.items()}
    wide = max(56.0, *(width_of(answer) + 22 for answer in answers))
    space = wide + max(54.0, *(width_of(labels[a, b]) + 34 for a, b in moves if b == a + 1), 0.0)
    above = max([_top(b - a) for a, b in moves if b > a + 1] + [HALF + 54])
    below = max([_top(a - b) for a, b in moves if a > b], default=HALF)
    middle, left = above * 0.8 + 26, wide / 2 + 50
    width, height = left + space * (count - 1) + wide / 2 + 16, middle + below * 0.8 + 30
    x = [left + space * n for n in range(count)]
    tip = element(
        "marker", element("path", d="M0 0L8 4L0 8Z", fill=FAINT), id="tip", viewBox="0 0 8 8", refX="7", refY="4",
        markerWidth="7", markerHeight="7", orient="auto-start-reverse",
    )  # fmt: skip
    start = f"M{number(x[0] - wide / 2 - 36)} {number(middle)}H{number(x[0] - wide / 2 - 2)}"
    parts = [element("defs", tip), _arrow(start)]
    for (a, b), label in labels.items():
        parts += _move(x[a], x[b], b - a, middle, wide / 2, label)
    for state, answer in enumerate(answers):
        box = element(
            "rect", x=x[state] - wide / 2, y=middle - HALF, width=wide, height=2 * HALF, rx=HALF, fill="#ddf4ff",
            stroke=INK, stroke_width="1",
        )  # fmt: skip
        told = f"state {state}: the answer is {answer}"
        inner = text(x[state], middle - 9, str(state), size=10, fill=FAINT), text(x[state], middle + 7, answer, size=13)
        parts.append(element("g", element("title", told), box, *inner, role="img", aria_label=told))
    words = "; ".join(f"from {a} to {b} by {label}" for (a, b), label in labels.items())
    return drawing(width, height, f"automaton of {name}: {count} states", words, *parts, class_="automaton")


def _top(far: int) -> float:
    """How far from the middle the control points of an arc stand."""
    return HALF + 26 + ARC * far


def _move(a: float, b: float, far: int, y: float, half: float, label: str) -> list[Markup]:
    """An arrow with its tokens."""
    if far == 0:
        way = f"M{number(a - 9)} {number(y - HALF)}C{number(a - 28)} {number(y - HALF - 44)} {number(a + 28)} "
        return [
            _arrow(f"{way}{number(y - HALF - 44)} {number(a + 9)} {number(y - HALF - 1)}"),
            text(a, y - HALF - 43, label),
        ]
    if far == 1:
        return [_arrow(f"M{number(a + half)} {number(y)}H{number(b - half - 2)}"), text((a + b) / 2, y - 10, label)]
    side = -1.0 if far > 0 else 1.0
    base, top = y + side * HALF, y + side * _top(abs(far))
    lean = 12.0 if far > 0 else -12.0
    way = f"M{number(a + lean)} {number(base)}C{number(a + lean)} {number(top)} {number(b - lean)} {number(top)} "
    way += f"{number(b - lean)} {number(base + side * 1)}"
    return [_arrow(way), text((a + b) / 2, base + 0.75 * (top - base) + side * 11, label)]


def _arrow(way: str) -> Markup:
    return element("path", d=way, fill="none", stroke=FAINT, stroke_width="1.4", marker_end="url(#tip)")
