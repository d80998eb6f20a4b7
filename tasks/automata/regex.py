"""Regular expressions over tokens, as constraints on sequences.

Written as usual, over token names instead of characters:

    a b | c*      tokens in a row (spaces do not matter), alternatives, any number of times
    ( ) + ? .     groups, at least once, at most once, any token
    [a b] [^a]    one of these, any but these
    a{3} a{2,5}   so many times
    \\( \\*         a token whose name looks like an operator

Where several tokens could be read the longest is. The automaton's states are sets of partial derivatives (Antimirov
1996), of which there are at most one more than tokens in the expression, so there is nothing to normalise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from cegis.domain import Constraint, DomainError

MAX_TIMES = 100
MAX_STATES = 2_000


@dataclass(frozen=True)
class Nothing:
    """The empty sequence."""


@dataclass(frozen=True)
class OneOf:
    """One token of these."""

    tokens: frozenset[str]


@dataclass(frozen=True)
class Then:
    """One after the other."""

    first: Expression
    second: Expression


@dataclass(frozen=True)
class Either:
    """One or the other."""

    one: Expression
    other: Expression


@dataclass(frozen=True)
class Many:
    """Any number of times."""

    inner: Expression


Expression = Nothing | OneOf | Then | Either | Many


def constraint(text: str, alphabet: tuple[str, ...]) -> Constraint:
    """The sequences over ``alphabet`` that match ``text``; raises DomainError for what is no expression over it."""

    def step(states: object, token: str) -> frozenset[Expression] | None:
        after = frozenset(n for state in cast("frozenset[Expression]", states) for n in derivatives(state, token))
        return after or None

    def accepts(states: object) -> bool:
        return any(map(matches_nothing, cast("frozenset[Expression]", states)))

    try:
        start = frozenset({_Parser(text, alphabet).whole()})
        return Constraint.explore(text, alphabet, start, step, accepts, max_states=MAX_STATES)
    except RecursionError:
        raise DomainError("a constraint should be shorter: this one is nested too deeply") from None


def matches_nothing(expression: Expression) -> bool:
    """Whether the empty sequence matches."""
    match expression:
        case Nothing() | Many():
            return True
        case OneOf():
            return False
        case Then(one, other):
            return matches_nothing(one) and matches_nothing(other)
        case Either(one, other):
            return matches_nothing(one) or matches_nothing(other)


def derivatives(expression: Expression, token: str) -> frozenset[Expression]:
    """What may follow ``token`` in a match, as a set of alternatives."""
    match expression:
        case Nothing():
            return frozenset()
        case OneOf(tokens):
            return frozenset({Nothing()}) if token in tokens else frozenset()
        case Either(one, other):
            return derivatives(one, token) | derivatives(other, token)
        case Many(inner):
            return frozenset(_then(rest, expression) for rest in derivatives(inner, token))
        case Then(first, second):
            found = frozenset(_then(rest, second) for rest in derivatives(first, token))
            return found | derivatives(second, token) if matches_nothing(first) else found


def _then(first: Expression, second: Expression) -> Expression:
    return second if first == Nothing() else first if second == Nothing() else Then(first, second)


class _Parser:
    """Reads one expression, from left to right."""

    def __init__(self, text: str, alphabet: tuple[str, ...]) -> None:
        self.text, self.at = text, 0
        self.alphabet = alphabet
        self.longest_first = sorted(alphabet, key=len, reverse=True)

    def whole(self) -> Expression:
        result = self.alternatives()
        if self.peek():
            raise self.error("the end, or a token")
        return result

    def alternatives(self) -> Expression:
        result = self.row()
        while self.take("|"):
            result = Either(result, self.row())
        return result

    def row(self) -> Expression:
        result: Expression = Nothing()
        while self.peek() not in ("", "|", ")"):
            result = _then(result, self.repeated())
        return result

    def repeated(self) -> Expression:
        result = self.single()
        while True:
            if self.take("*"):
                result = Many(result)
            elif self.take("+"):
                result = Then(result, Many(result))
            elif self.take("?"):
                result = Either(Nothing(), result)
            elif self.peek() == "{":
                result = self.times(result)
            else:
                return result

    def times(self, inner: Expression) -> Expression:
        found = re.compile(r"\{\s*(\d{1,4})\s*(?:(,)\s*(\d{0,4})\s*)?\}").match(self.text, self.at)
        if found is None:
            raise self.error("a number of times such as {3}, {2,5} or {2,}")
        least, is_range, most = int(found[1]), found[2], found[3]
        highest = least if not is_range else int(most) if most else least
        if not least <= highest <= MAX_TIMES:
            raise self.error(f"numbers of times that rise, up to {MAX_TIMES}")
        self.at = found.end()
        result: Expression = Many(inner) if is_range and not most else Nothing()
        for _ in range(highest - least):
            result = Either(Nothing(), _then(inner, result))
        for _ in range(least):
            result = _then(inner, result)
        return result

    def single(self) -> Expression:
        if self.take("("):
            inner = self.alternatives()
            if not self.take(")"):
                raise self.error("a closing parenthesis")
            return inner
        if self.take("."):
            return OneOf(frozenset(self.alphabet))
        if self.take("["):
            is_other, tokens = self.take("^"), set()
            while not self.take("]"):
                tokens.add(self.token())
            return OneOf(frozenset(self.alphabet) - tokens if is_other else frozenset(tokens))
        return OneOf(frozenset({self.token()}))

    def token(self) -> str:
        operator = self.peek()
        is_escaped = self.take("\\")
        if operator and operator in "()|*+?.[]{}^" and not is_escaped:
            raise self.error(f"a token (write \\{operator} for the token {operator!r})")
        for token in self.longest_first:
            if self.text.startswith(token, self.at):
                self.at += len(token)
                return token
        raise self.error("one of the tokens " + ", ".join(self.alphabet[:12]))

    def peek(self) -> str:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, operator: str) -> bool:
        is_here = self.peek() == operator
        self.at += is_here
        return is_here

    def error(self, expected: str) -> DomainError:
        got = repr(self.text[self.at : self.at + 20]) if self.text[self.at :] else "the end"
        return DomainError(f"constraint {self.text!r}: expected {expected} at place {self.at}, got {got}")
