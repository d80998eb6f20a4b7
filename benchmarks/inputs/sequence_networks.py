"""Networks of functions of a sequence and a place, compiled by hand: neighbours, mirrors, counts, order; their truth.

Each ``Sketch`` says a function twice: as plain Python, and as operations of ``compiled``. The alphabet is drawn from a
seed: names (letters, words, signs) or whole numbers, some below zero. Where the plain function gives None, the network
has no label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from benchmarks.inputs.compiled import BOS, Compiler, Condition, Variable
from benchmarks.inputs.functions import Function, Tokens
from benchmarks.inputs.one_token import EMOJIS, WORDS

LONGEST, FEWEST, MOST = 5, 3, 4  # tokens of a sequence, of an alphabet
Random = np.random.Generator
Truth = Callable[[Tokens, int], object]
Build = Callable[["Parts"], Variable | int]


class Parts(Compiler):
    """A compiler with what several sketches need."""

    def before(self, distance: int = 1) -> Variable:
        """The token so many places before, or ``BOS``."""
        nearer = Condition(self.places, self.places, lambda here, there: _int(there) == _int(here) - distance)
        return self.fetch(f"before_{distance}", (nearer,), self.tokens)

    def length(self) -> Variable:
        """How many tokens there are."""
        return self.count("length", (Condition(self.places, self.places, lambda here, there: True),))

    def moved(self, name: str, target: Callable[[int, int], int]) -> Variable:
        """The token at the place ``target(i, length)``, or ``BOS`` where that is none."""
        place = self.lookup(f"{name}_place", (self.places, self.length()), lambda i, n: target(i, n) if i < n else None)
        same = Condition(place, self.places, lambda here, there: here == there)
        return self.fetch(name, (same,), self.tokens)

    def like(self, test: Callable[[str, str], bool]) -> Condition:
        """Where ``test(token here, token there)``."""
        return Condition(self.tokens, self.tokens, lambda here, there: test(str(here), str(there)))

    def place(self, test: Callable[[int, int], bool]) -> Condition:
        """Where ``test(place here, place there)``."""
        return Condition(self.places, self.places, lambda here, there: test(_int(here), _int(there)))

    def flagged(self, flag: Variable) -> Condition:
        """Where ``flag`` is "yes"."""
        return Condition(self.places, flag, lambda here, there: there == "yes")


@dataclass(frozen=True)
class Sketch:
    """A function and how it is compiled; both get the alphabet first."""

    name: str
    is_numeric: bool
    truth: Callable[[tuple[str, ...]], Truth]
    build: Build

    def alphabet(self, random: Random) -> tuple[str, ...]:
        """A few tokens of its kind."""
        count = int(random.integers(FEWEST, MOST + 1))
        if self.is_numeric:
            low, high = (0, 6) if random.random() < 0.5 else (-12, 25)
            return tuple(map(str, sorted((low + random.permutation(high - low)[:count]).tolist())))
        letters = tuple(chr(ord("a") + n) for n in range(26))
        source = (letters, WORDS, EMOJIS)[int(random.integers(3))]
        return tuple(source[n] for n in sorted(random.permutation(len(source))[:count]))

    def drawn(self, seed: int) -> Drawn:
        """It, over an alphabet."""
        random = np.random.default_rng([seed, SKETCHES.index(self)])
        return Drawn(self, f"{self.name.replace(' ', '_')}_{seed}", self.alphabet(random))


@dataclass(frozen=True)
class Drawn:
    """A sketch over an alphabet."""

    sketch: Sketch
    name: str
    alphabet: tuple[str, ...]

    @property
    def function(self) -> Function:
        """Its truth."""
        return Function(self.name, self.alphabet, LONGEST, self.sketch.truth(self.alphabet), is_placed=True)

    def save(self, folder: Path) -> Path:
        """The network, in a folder of its own name below ``folder``."""
        parts = Parts(self.alphabet, LONGEST)
        return parts.save(folder / self.name, self.name, self.sketch.name, self.sketch.build(parts))


def drawn(seed: int = 0) -> tuple[Drawn, ...]:
    """Every sketch over an alphabet of its own."""
    return tuple(sketch.drawn(seed) for sketch in SKETCHES)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _names(name: str, truth: Truth, build: Build) -> Sketch:
    return Sketch(name, False, lambda alphabet: truth, build)


def _numbers(name: str, truth: Truth, build: Build) -> Sketch:
    return Sketch(name, True, lambda alphabet: truth, build)


# --- how they are compiled, where it takes more than a line -----------------------------------------------------


def _trend(before: object, here: object) -> str | None:
    if BOS in (before, here):
        return None
    return "up" if int(str(here)) > int(str(before)) else "down" if int(str(here)) < int(str(before)) else "level"


def _counted(parts: Parts, *where: Condition) -> Variable:
    return parts.count("count", where)


def _first_of_kind(parts: Parts) -> Variable:
    earlier = _counted(parts, parts.like(str.__eq__), parts.place(lambda i, j: j < i))
    return parts.lookup("is_first", (earlier,), lambda n: _yes(n == 0))


def _distinct(parts: Parts) -> Variable:
    return parts.count("kinds", (parts.flagged(_first_of_kind(parts)),))


def _has_repeats(parts: Parts) -> Variable:
    more = parts.lookup("is_repeated", (_counted(parts, parts.like(str.__eq__)),), lambda n: _yes(n > 1))
    return parts.lookup("answer", (parts.count("repeated", (parts.flagged(more),)),), lambda n: n > 0)


def _sorted(parts: Parts) -> Variable:
    less = parts.count("less", (parts.like(lambda here, there: int(there) < int(here)),))
    alike = parts.count("alike", (parts.like(str.__eq__), parts.place(lambda i, j: j < i)))
    rank = parts.lookup("rank", (less, alike), lambda n, m: n + m if n + m < LONGEST else None)
    return parts.fetch("sorted", (Condition(parts.places, rank, lambda i, there: i == there),), parts.tokens)


def _largest(parts: Parts, *where: Condition) -> Variable:
    order = sorted((int(token), token) for token in parts.alphabet)
    rank = {token: n for n, (_, token) in enumerate(order)}
    best = Condition(parts.tokens, parts.tokens, lambda here, there: rank[str(there)], is_preference=True)
    anywhere = where or (parts.place(lambda i, j: True),)
    return parts.fetch("largest", (*anywhere, best), parts.tokens)


def _induced(parts: Parts) -> Variable:
    before = parts.before()
    same = Condition(parts.tokens, before, lambda here, there: here == there)
    latest = Condition(parts.places, parts.places, lambda i, j: _int(j), is_preference=True)
    return parts.fetch("after", (same, parts.place(lambda i, j: j <= i), latest), parts.tokens)


def _after_earlier(tokens: Tokens, i: int) -> str | None:
    found = [j for j in range(1, i + 1) if tokens[j - 1] == tokens[i]]
    return tokens[found[-1]] if found else None


def _palindrome(parts: Parts) -> Variable:
    mirror = parts.moved("mirror", lambda i, n: n - 1 - i)
    apart = parts.lookup(
        "is_apart", (parts.tokens, mirror), lambda one, other: _yes(BOS not in (one, other) and one != other)
    )
    return parts.lookup("answer", (parts.count("apart", (parts.flagged(apart),)),), lambda n: n == 0)


def _never_below(parts: Parts) -> Variable:
    so_far = parts.place(_so_far)
    ups, downs = (parts.count(name, (so_far, _of_token(parts, n))) for n, name in enumerate(("ups", "downs")))
    dips = parts.lookup("dips", (ups, downs), lambda n, m: _yes(n < m))
    return parts.lookup("answer", (parts.count("below", (so_far, parts.flagged(dips))),), lambda n: n == 0)


def _of_token(parts: Parts, order: int = 0) -> Condition:
    token = parts.alphabet[order]
    return Condition(parts.places, parts.tokens, lambda i, there: there == token)


def _from_first(parts: Parts) -> Variable:
    first = parts.fetch("first", (parts.place(lambda i, j: j == 0),), parts.tokens)
    return parts.lookup(
        "less", (parts.tokens, first), lambda here, there: None if BOS in (here, there) else int(here) - int(there)
    )


def _swap(i: int, n: int) -> int:
    return i - 1 if i % 2 else min(i + 1, n - 1)


def _so_far(i: int, j: int) -> bool:
    return j <= i


SKETCHES = (
    _numbers("one more at odd places", lambda t, i: int(t[i]) + i % 2,
             lambda p: p.lookup("answer", (p.tokens, p.places), lambda t, i: None if t == BOS else int(t) + i % 2)),
    _names("gaps at even places", lambda t, i: t[i] if i % 2 else "-",
           lambda p: p.lookup("answer", (p.tokens, p.places), lambda t, i: None if t == BOS else t if i % 2 else "-")),
    _names("token and place", lambda t, i: (t[i], i),
           lambda p: p.lookup("answer", (p.tokens, p.places), lambda t, i: None if t == BOS else (t, i))),
    _numbers("times the place", lambda t, i: int(t[i]) * i,
             lambda p: p.lookup("answer", (p.tokens, p.places), lambda t, i: None if t == BOS else int(t) * i)),
    _names("begin middle end", lambda t, i: "begin" if i == 0 else "end" if i == len(t) - 1 else "middle",
           lambda p: p.lookup("answer", (p.places, p.length()),
                              lambda i, n: "begin" if i == 0 else "end" if i == n - 1 else "middle")),
    _names("one to the right", lambda t, i: t[i - 1] if i else "-",
           lambda p: p.lookup("answer", (p.before(),), lambda t: "-" if t == BOS else t)),
    _names("one to the left", lambda t, i: t[i + 1] if i + 1 < len(t) else None,
           lambda p: p.fetch("next", (p.place(lambda i, j: j == i + 1),), p.tokens)),
    _names("two before", lambda t, i: t[i - 2] if i > 1 else "none",
           lambda p: p.lookup("answer", (p.before(2),), lambda t: "none" if t == BOS else t)),
    _numbers("step", lambda t, i: int(t[i]) - int(t[i - 1]) if i else 0,
             lambda p: p.lookup("answer", (p.tokens, p.before()),
                                lambda t, b: None if t == BOS else 0 if b == BOS else int(t) - int(b))),
    _names("as before", lambda t, i: i > 0 and t[i] == t[i - 1],
           lambda p: p.lookup("answer", (p.tokens, p.before()), lambda t, b: None if t == BOS else t == b)),
    _numbers("direction", lambda t, i: _trend(t[i - 1], t[i]) if i else None,
             lambda p: p.lookup("answer", (p.before(), p.tokens), _trend)),
    _names("backwards", lambda t, i: t[-1 - i], lambda p: p.moved("answer", lambda i, n: n - 1 - i)),
    _names("swapped in pairs", lambda t, i: t[_swap(i, len(t))], lambda p: p.moved("answer", _swap)),
    _names("mirrored half", lambda t, i: t[min(i, len(t) - 1 - i)],
           lambda p: p.moved("answer", lambda i, n: min(i, n - 1 - i))),
    _names("turned by one", lambda t, i: t[i - 1], lambda p: p.moved("answer", lambda i, n: (i - 1) % n)),
    _names("the last", lambda t, i: t[-1], lambda p: p.moved("answer", lambda i, n: n - 1)),
    _names("the first", lambda t, i: t[0], lambda p: p.moved("answer", lambda i, n: 0)),
    _names("as its mirror", lambda t, i: t[i] == t[-1 - i],
           lambda p: p.lookup("answer", (p.tokens, p.moved("mirror", lambda i, n: n - 1 - i)),
                              lambda t, m: None if t == BOS else t == m)),
    _names("how often", lambda t, i: t.count(t[i]), lambda p: _counted(p, p.like(str.__eq__))),
    _names("how often so far", lambda t, i: t[: i + 1].count(t[i]),
           lambda p: _counted(p, p.like(str.__eq__), p.place(_so_far))),
    _names("new", lambda t, i: "yes" if t[i] not in t[:i] else "no", _first_of_kind),
    _names("repeats hidden", lambda t, i: t[i] if t[i] not in t[:i] else "_",
           lambda p: p.lookup("answer", (p.tokens, _first_of_kind(p)),
                              lambda t, new: None if t == BOS else t if new == "yes" else "_")),
    _names("kinds", lambda t, i: len(set(t)), _distinct),
    _names("any twice", lambda t, i: len(set(t)) < len(t), _has_repeats),
    _names("all the same", lambda t, i: len(set(t)) == 1,
           lambda p: p.lookup("answer", (_counted(p, p.like(str.__ne__)),), lambda n: n == 0)),
    _names("seldom or often", lambda t, i: ("seldom", "twice", "often")[min(t.count(t[i]), 3) - 1],
           lambda p: p.lookup("answer", (_counted(p, p.like(str.__eq__)),),
                              lambda n: None if n == 0 else ("seldom", "twice", "often")[min(n, 3) - 1])),
    Sketch("number of one token", False, lambda a: lambda t, i: t.count(a[0]), lambda p: _counted(p, _of_token(p))),
    Sketch("parity so far", False, lambda a: lambda t, i: "odd" if t[: i + 1].count(a[0]) % 2 else "even",
           lambda p: p.lookup("answer", (_counted(p, _of_token(p), p.place(_so_far)),),
                              lambda n: "odd" if n % 2 else "even")),
    Sketch("share so far", False, lambda a: lambda t, i: t[: i + 1].count(a[0]) / (i + 1),
           lambda p: p.share("answer", (p.place(_so_far),), p.tokens, lambda t: t == p.alphabet[0])),
    Sketch("share of all", False, lambda a: lambda t, i: t.count(a[0]) / len(t),
           lambda p: p.share("answer", (p.place(lambda i, j: True),), p.tokens, lambda t: t == p.alphabet[0])),
    Sketch("lead", False, lambda a: lambda t, i: t.count(a[0]) - t.count(a[1]),
           lambda p: p.lookup("answer", (p.count("one", (_of_token(p, 0),)), p.count("other", (_of_token(p, 1),))),
                              lambda n, m: n - m if n + m <= LONGEST else None)),
    Sketch("never below", False,
           lambda a: lambda t, i: min(accumulate((x == a[0]) - (x == a[1]) for x in t[: i + 1])) >= 0, _never_below),
    _names("palindromic", lambda t, i: list(t) == list(t)[::-1], _palindrome),
    _names("after the one before", _after_earlier, _induced),
    _numbers("how many smaller", lambda t, i: sum(int(x) < int(t[i]) for x in t),
             lambda p: _counted(p, p.like(lambda here, there: int(there) < int(here)))),
    _numbers("in order", lambda t, i: sorted(t, key=int)[i], _sorted),
    _numbers("the largest", lambda t, i: max(t, key=int), _largest),
    _numbers("the largest so far", lambda t, i: max(t[: i + 1], key=int), lambda p: _largest(p, p.place(_so_far))),
    _numbers("is the largest", lambda t, i: int(t[i]) == max(map(int, t)),
             lambda p: p.lookup("answer", (_counted(p, p.like(lambda here, there: int(there) > int(here))),),
                                lambda n: n == 0)),
    _numbers("times the length", lambda t, i: int(t[i]) * len(t),
             lambda p: p.lookup("answer", (p.tokens, p.length()), lambda t, n: None if t == BOS else int(t) * n)),
    _numbers("from the first", lambda t, i: int(t[i]) - int(t[0]), _from_first),
)  # fmt: skip
