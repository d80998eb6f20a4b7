"""Programs on streams of numbers: a loop that keeps a few whole numbers, and the answer that it has after every step.

    state = start;  for numbers in stream: state = update(state, numbers);  answer = output(state)

A ``Loop`` is that, with updates and output as integer terms, all states assigned at once. It is the shape of a
recurrent network, so a proof can walk both side by side, and it prints as a function of four lines for one answer:
that of the last step. What the search builds is a ``Series``, a stream made of streams: an input, a function of
streams at each step, the stream one step earlier, a running sum, maximum or minimum, a running sum that is held
between bounds or begins again, what was last where a flag held, digits of a running division.
``loop_of`` finds the states that it needs.

>>> carried = Division(Pointwise(PLUS, (Input(0), Input(1))), 1, 2, keeps="part", gives="rest")
>>> print(loop_of(carried, 2).source("add", ("0,0", "0,1", "1,0", "1,1")))
def add(tokens: list[str]) -> int:
    total = 0
    for token in tokens:
        total = total // 2 + (int(token[0]) + int(token[2]))
    return total % 2
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dsl.grammars.motifs import PLUS, at_least, times
from dsl.grammars.positions import GREATEST, LEAST, divided, modulo
from dsl.meaning import Combination, Multiple
from dsl.operators import BOOL, INT, GrammarError, Operator, Term
from dsl.references import maker
from dsl.scalars import Columns, variable
from dsl.text import Printer, replace
from dsl.theories.theory import find, literal

Ints = NDArray[np.int64]
Digit = Literal["rest", "part"]
INPUTS = ("x", "y", "z", "u", "v", "w")  # what terms call the numbers of a step
EITHER = find("ite", (BOOL, INT, INT))
DIGITS = re.compile(r"\d(,\d)*")
MOST = 2**52  # of a loop's numbers, so that no sum or product of them leaves 64 bits unseen


class OutgrownError(GrammarError):
    """Numbers of a loop that are too large to be computed exactly here."""


INDICATOR = Operator(
    "indicator",
    (BOOL,),
    INT,
    numpy=lambda s, a: np.asarray(a).astype(np.int64),
    smt=lambda s, a: s.manager.Ite(a, s.manager.Int(1), s.manager.Int(0)),
    python="int(_0)",
    noun="flag",
)


@maker
def one_of(values: tuple[int, ...]) -> Operator:
    """Whether a number is one of ``values``."""
    return Operator(
        f"one of {values}",
        (INT,),
        BOOL,
        numpy=lambda s, a: np.isin(a, values),
        smt=lambda s, a: s.manager.Or([s.manager.Equals(a, s.manager.Int(value)) for value in values]),
        python=f"_0 in {values}",
        noun="member",
    )


# --- streams made of streams ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Input:
    """One of the numbers that come in at a step."""

    index: int


@dataclass(frozen=True)
class Pointwise:
    """A function of streams at each step."""

    operator: Operator
    arguments: tuple[Series, ...] = ()


@dataclass(frozen=True)
class Earlier:
    """The stream one step before; 0 at the first step."""

    of: Series


@dataclass(frozen=True)
class Running:
    """The sum (``PLUS``), maximum (``GREATEST``) or minimum (``LEAST``) of ``start`` and a stream so far."""

    of: Series
    operator: Operator
    start: int = 0


@dataclass(frozen=True)
class Held:
    """A running sum that is set back to ``low`` and ``high`` where a step leads beyond (None: no such bound)."""

    of: Series
    low: int | None
    high: int | None


@dataclass(frozen=True)
class Since:
    """The sum of a stream since the last step at which the flag ``keeps`` was 0; 0 at such a step."""

    of: Series
    keeps: Series


@dataclass(frozen=True)
class Latest:
    """The number of a stream at the last step at which ``flag`` was 1; 0 before there was one."""

    of: Series
    flag: Series


@dataclass(frozen=True)
class Division:
    """``s = factor * kept + x`` at each step, from 0 on; ``s % divisor`` or ``s // divisor`` is kept, and is given."""

    of: Series
    factor: int
    divisor: int
    keeps: Digit
    gives: Digit


Series = Input | Pointwise | Earlier | Running | Held | Since | Latest | Division


def values(series: Series, x: Ints) -> Ints:
    """The stream (streams, T) for numbers x (streams, T, inputs)."""
    match series:
        case Input(index):
            return x[:, :, index]
        case Pointwise(operator, arguments):
            if operator.is_literal:
                return np.full(x.shape[:2], operator.value, np.int64)
            return np.asarray(operator.numpy(None, *(values(part, x) for part in arguments)))
        case Earlier(of):
            return earlier(values(of, x))
        case Running(of, operator, start):
            return running(operator, start, values(of, x))
        case Held(of, low, high):
            return held(low, high, values(of, x))
        case Since(of, keeps):
            return since(values(of, x), values(keeps, x))
        case Latest(of, flag):
            return latest(values(of, x), values(flag, x))
        case Division():
            return divisions(series, values(series.of, x))


def earlier(x: Ints) -> Ints:
    """Streams (..., T) one step later."""
    return np.concatenate([np.zeros_like(x[..., :1]), x[..., :-1]], axis=-1)


def running(operator: Operator, start: int, x: Ints) -> Ints:
    """What ``Running`` makes of streams (..., T)."""
    ways = {PLUS: np.add, GREATEST: np.maximum, LEAST: np.minimum}
    way = ways[operator]
    return np.asarray(way(start, way.accumulate(x.astype(np.int64), axis=-1)))


def held(low: int | None, high: int | None, x: Ints) -> Ints:
    """What ``Held`` makes of streams (..., T)."""
    level, found = np.zeros_like(x[..., 0], np.int64), []
    for at in range(x.shape[-1]):
        level = np.clip(level + x[..., at], low, high)
        found.append(level)
    return np.stack(found, axis=-1)


def since(x: Ints, keeps: Ints) -> Ints:
    """What ``Since`` makes of streams (..., T) and flags (..., T)."""
    total, found = np.zeros((), np.int64), []
    for at in range(x.shape[-1]):
        total = np.where(keeps[..., at], total + x[..., at], 0)
        found.append(total)
    return np.stack(found, axis=-1)


def latest(x: Ints, flag: Ints) -> Ints:
    """What ``Latest`` makes of streams (..., T) and flags (..., T)."""
    last, found = np.zeros((), np.int64), []
    for at in range(x.shape[-1]):
        last = np.where(flag[..., at], x[..., at], last)
        found.append(last)
    return np.stack(found, axis=-1)


def divisions(series: Division, x: Ints) -> Ints:
    """What ``Division`` makes of streams (..., T)."""
    kept, given = np.zeros_like(x[..., 0]), []
    for at in range(x.shape[-1]):
        part, rest = np.divmod(series.factor * kept + x[..., at], series.divisor)
        kept = rest if series.keeps == "rest" else part
        given.append(rest if series.gives == "rest" else part)
    return np.stack(given, axis=-1)


# --- loops ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loop:
    """``states``: names and first values; ``updates``: their next values, terms over states and the first ``inputs``
    of ``INPUTS``; ``output``: a term over states.

    ``step``, ``read`` and ``run`` raise OutgrownError where a number on the way is too large to be followed.
    """

    inputs: int
    states: tuple[tuple[str, int], ...]
    updates: tuple[Term, ...]
    output: Term

    def __post_init__(self) -> None:
        if len(self.updates) != len(self.states) or not 1 <= self.inputs <= len(INPUTS):
            raise GrammarError(f"expected an update for each of {len(self.states)} states, got {len(self.updates)}")

    @property
    def names(self) -> tuple[str, ...]:
        """What the states are called."""
        return tuple(name for name, _ in self.states)

    def start(self, count: int) -> Ints:
        """The states before any step: (count, states)."""
        return np.tile(np.array([first for _, first in self.states], np.int64), (count, 1))

    def step(self, states: Ints, numbers: Ints) -> Ints:
        """States (count, states) after one more step, with its numbers (count, inputs)."""
        known = dict(zip(self.names, states.T, strict=True)) | dict(zip(INPUTS, numbers.T, strict=False))
        return self._values(self.updates, known, len(states))

    def read(self, states: Ints) -> Ints:
        """The answers (count,) at states (count, states)."""
        return self._values((self.output,), dict(zip(self.names, states.T, strict=True)), len(states))[:, 0]

    def run(self, x: Ints) -> Ints:
        """The answers (streams, T) for numbers x (streams, T, inputs)."""
        states, answers = self.start(len(x)), []
        for at in range(x.shape[1]):
            states = self.step(states, x[:, at])
            answers.append(self.read(states))
        return np.stack(answers, axis=1)

    @staticmethod
    def _values(terms: tuple[Term, ...], known: dict[str, Ints], count: int) -> Ints:
        """The terms' values; raises OutgrownError where a number on the way is ``MOST`` or more."""
        columns = Columns(known, count)

        def applied(operator: Operator, arguments: list[Any]) -> Any:
            bound, factors = 1, arguments if operator.meaning == Combination.PRODUCT else ()
            if isinstance(operator.meaning, Multiple):
                bound, factors = abs(operator.meaning.factor), arguments
            for factor in factors:
                bound *= _largest(factor)
            value = operator.numpy(columns, *arguments) if bound < MOST else None
            if value is None or _largest(value) >= MOST:
                raise OutgrownError(f"numbers of the loop reach {MOST:,}, which is more than is followed")
            return value

        found = [np.broadcast_to(np.asarray(term.fold(applied), np.int64), (count,)) for term in terms]
        return np.stack(found, axis=1) if found else np.zeros((count, 0), np.int64)

    @cached_property
    def size(self) -> int:
        """How many operators the terms apply."""
        return sum(term.size for term in (*self.updates, self.output))

    def source(self, name: str, alphabet: Sequence[str]) -> str:
        """A Python function of the tokens so far, texts of ``alphabet``: ``7``, or ``3,5`` for two numbers."""
        printer = Printer(frozenset())
        updates = [printer.print(term) for term in self.updates]
        incoming = {INPUTS[n]: self._incoming(n, alphabet) for n in range(self.inputs)}
        lines = list[str]()
        if self.states:
            assigned = _statements(dict(zip(self.names, updates, strict=True)))
            used = [node.id for node in ast.walk(ast.parse("\n".join(assigned))) if isinstance(node, ast.Name)]
            several = [given for given in incoming if used.count(given) > 1]
            if several:
                lines.append(f"        {', '.join(several)} = {', '.join(incoming[given] for given in several)}")
            for given in incoming.keys() - several:  # a call, which needs no parentheses anywhere
                assigned = [re.sub(rf"\b{given}\b", incoming[given], statement) for statement in assigned]
            lines = [
                f"    {', '.join(self.names)} = {', '.join(str(first) for _, first in self.states)}",
                "    for token in tokens:",
                *lines,
                *(f"        {statement}" for statement in assigned),
            ]
        answer = ast.unparse(printer.print(self.output))
        if self.names == ("last",) and updates and isinstance(updates[0], ast.Name) and updates[0].id in incoming:
            last = {"last": ast.parse(incoming[updates[0].id].replace("token", "tokens[-1]"), mode="eval").body}
            lines, answer = [], ast.unparse(replace(printer.print(self.output), last))
        return "\n".join([f"def {name}(tokens: list[str]) -> int:", *lines, f"    return {answer}"])

    def _incoming(self, index: int, alphabet: Sequence[str]) -> str:
        """How the text reads a number of the step."""
        if self.inputs == 1:
            return "int(token)"
        are_digits = all(DIGITS.fullmatch(token) for token in alphabet)
        return f"int(token[{2 * index}])" if are_digits else f"int(token.split(',')[{index}])"


def _statements(updates: dict[str, ast.expr]) -> list[str]:
    """Updates that are made at once as assignments: what is part of another comes first, where no other needs it as it
    was, and the other says its name.
    """
    left, lines = {name: ast.unparse(update) for name, update in updates.items()}, list[str]()
    new = "_" * (1 + max(map(len, updates)))  # behind a name: as it is after its assignment; no name is as long
    while first := next((name for name in left if _goes_first(name, left, new)), None):
        value = left.pop(first)
        lines.append(f"{first} = {value}")
        left = {name: _exchanged(text, value, first + new) for name, text in left.items()}
    lines.append(f"{', '.join(left)} = {', '.join(left.values())}")
    return [re.sub(rf"\b(\w+?){new}\b", r"\1", line) for line in lines]


def _goes_first(name: str, texts: dict[str, str], new: str) -> bool:
    """Whether its new value is part of another one, and its old value of none."""
    value = texts[name]
    others = [text for other, text in texts.items() if other != name]
    exchanged = [_exchanged(text, value, name + new) for text in others]
    is_part = not value.isidentifier() and not value.isdecimal() and exchanged != others
    return is_part and not any(re.search(rf"\b{name}\b", text) for text in exchanged)


def _exchanged(text: str, part: str, name: str) -> str:
    """An expression with a ``name`` wherever ``part`` stands in it."""

    class Exchanging(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            is_it = isinstance(node, ast.expr) and ast.unparse(node) == part
            return ast.Name(name, ast.Load()) if is_it else self.generic_visit(node)

    return ast.unparse(Exchanging().visit(ast.parse(text, mode="eval")))


def _largest(values: Any) -> int:
    """The largest size of whole numbers; of flags, and of none, 1."""
    numbers = np.asarray(values)
    return 1 if numbers.dtype == bool or not numbers.size else max(int(numbers.max()), -int(numbers.min()))


def loop_of(series: Series, inputs: int) -> Loop:
    """The loop whose answers are this stream, with the states that it needs."""
    made = _Maker(inputs)
    output = made.after(series)
    if output.sort == BOOL:
        output = INDICATOR(output)
    kept = _needed(output, made.updates)
    return Loop(
        inputs,
        tuple((name, made.firsts[name]) for name in made.updates if name in kept),
        tuple(update for name, update in made.updates.items() if name in kept),
        output,
    )


def number(value: int) -> Pointwise:
    """The same number at every step."""
    return Pointwise(literal(value, INT))


def _needed(output: Term, updates: dict[str, Term]) -> set[str]:
    """The states that the output depends on."""
    found: set[str] = set()
    waiting = [output]
    while waiting:
        for name in variables(waiting.pop()):
            if name in updates and name not in found:
                found.add(name)
                waiting.append(updates[name])
    return found


def variables(term: Term) -> set[str]:
    """The names that a term reads."""
    found: set[str] = set()

    def read(operator: Operator, arguments: list[None]) -> None:
        if operator.is_variable:
            found.add(operator.name)

    term.fold(read)
    return found


@dataclass
class _Maker:
    """Finds states. ``now``: the value at this step, over old states and inputs; ``after``: over the new states."""

    inputs: int
    firsts: dict[str, int] = field(default_factory=dict)
    updates: dict[str, Term] = field(default_factory=dict)
    held: dict[tuple[str, Series], Term] = field(default_factory=dict)

    def now(self, series: Series) -> Term:
        match series:
            case Input(index):
                return variable(INPUTS[index], INT)()
            case Pointwise(operator, arguments):
                return _applied(operator, [self.now(part) for part in arguments])
            case Earlier(of):
                before = self.after(of)
                return before if self._first(before) == 0 else self._held("before", of, 0)
            case Running(of, operator, _):
                return operator(self.after(series), _number(self.now(of)))
            case Held(of, low, high):
                level = PLUS(self.after(series), _number(self.now(of)))
                level = level if low is None else GREATEST(level, literal(low, INT)())
                return level if high is None else LEAST(level, literal(high, INT)())
            case Since(of, keeps):
                more = PLUS(self.after(series), _number(self.now(of)))
                return EITHER(_flag(self.now(keeps)), more, literal(0, INT)())
            case Latest(of, flag):
                return EITHER(_flag(self.now(flag)), _number(self.now(of)), self.after(series))
            case Division():
                return _digit(self._sum(series), series.divisor, series.gives)

    def after(self, series: Series) -> Term:
        match series:
            case Input(index):
                return self._held("last" if self.inputs == 1 else f"last_{INPUTS[index]}", series, 0)
            case Pointwise(operator, arguments):
                return _applied(operator, [self.after(part) for part in arguments])
            case Earlier():
                return self._held("before", series, 0)
            case Running(_, operator, start):
                name = {PLUS: "total", GREATEST: "highest", LEAST: "lowest"}[operator]
                return self._held(name, series, start)
            case Held():
                return self._held("level", series, 0)
            case Since():
                return self._held("run", series, 0)
            case Latest():
                return self._held("latest", series, 0)
            case Division():
                held = self._division(series)
                return held if _is_plain(series) else _digit(held, series.divisor, series.gives)

    def _division(self, series: Division) -> Term:
        """The state: what is kept where that is what is given, else the number that is divided."""
        key = ("division", series)
        if key not in self.held:
            self.held[key] = self._named("total" if series.factor == 1 else "rest", 0)
            whole = self._sum(series)
            name = self.held[key].operator.name
            self.updates[name] = _digit(whole, series.divisor, series.keeps) if _is_plain(series) else whole
        return self.held[key]

    def _sum(self, series: Division) -> Term:
        held = self._division(series)
        kept = held if _is_plain(series) else _digit(held, series.divisor, series.keeps)
        more = _number(self.now(series.of))
        return PLUS(kept if series.factor == 1 else times(series.factor)(kept), more)

    def _held(self, name: str, series: Series, first: int) -> Term:
        """A state that holds a stream's value."""
        key = ("held", series)
        if key not in self.held:
            self.held[key] = self._named(name, first)
            self.updates[self.held[key].operator.name] = _number(self.now(series))
        return self.held[key]

    def _named(self, name: str, first: int) -> Term:
        names = (name if n == 1 else f"{name}_{n}" for n in range(1, len(self.firsts) + 2))
        found = next(other for other in names if other not in self.firsts)
        self.firsts[found] = first
        self.updates[found] = literal(0, INT)()  # in the order in which they were wanted
        return variable(found, INT)()

    def _first(self, term: Term) -> int:
        """The value of a term over states before any step."""
        columns = Columns({name: np.array([first]) for name, first in self.firsts.items()}, 1)
        return int(np.asarray(term.evaluate(columns)).reshape(-1)[0])


def _is_plain(series: Division) -> bool:
    return series.keeps == series.gives


def _applied(operator: Operator, arguments: list[Term]) -> Term:
    """An operator on terms, with flags as numbers where it takes numbers."""
    sorts = operator.arguments
    return operator(*(_number(part) if sort == INT else part for sort, part in zip(sorts, arguments, strict=True)))


def _flag(term: Term) -> Term:
    return term if term.sort == BOOL else at_least(1)(term)


def _number(term: Term) -> Term:
    return INDICATOR(term) if term.sort == BOOL else term


def _digit(term: Term, divisor: int, digit: Digit) -> Term:
    return (modulo if digit == "rest" else divided)(divisor)(term)
