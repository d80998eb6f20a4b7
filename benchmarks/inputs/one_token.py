"""Functions of one token, made from a seed: a table, a set, arithmetic, text; each with what a person would write.

A function is the text of a Python expression in ``token``; what the expression gives is the truth, and it is the
shortest we know of. ``is_table``: nothing shorter than a table is known, since the labels were drawn at random. Every
one becomes a network of one MLP (``compiled``), which answers at every place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness.row import BenchmarkError
from benchmarks.inputs.compiled import Compiler
from benchmarks.inputs.functions import Function

LONGEST = 5  # tokens of a sequence that the network takes
FEWEST, MOST = 5, 40  # tokens of an alphabet
TRIES = 200
WORDS = (
    "sun", "moon", "star", "rain", "snow", "wind", "cloud", "river", "lake", "sea", "hill", "stone", "sand", "tree",
    "leaf", "root", "oak", "pine", "fox", "owl", "bear", "wolf", "deer", "bee", "ant", "level", "noon", "civic",
    "radar", "kayak", "bread", "milk", "salt", "plum", "pear", "apple", "grape", "lemon", "olive", "table", "chair",
    "lamp", "door", "window", "roof", "wall", "red", "green", "blue", "black", "white", "amber", "seven", "nine",
    "forty",
)  # fmt: skip
EMOJIS = tuple("😀😢😡😊🌞🌧🌈🍎🍋🍇🍞🐶🐱🐻🦊🐝🌲🌵🚗🚲✈⛵🏠🏰🎲🎸📘📕💡🔑")
COLOURS, MOODS = ("red", "green", "blue", "grey"), ("good", "bad", "neutral")
Random = np.random.Generator


@dataclass(frozen=True)
class OneToken:
    """``expression`` of ``token`` over ``alphabet``; ``kind`` is the family that it was drawn from."""

    name: str
    kind: str
    alphabet: tuple[str, ...]
    expression: str

    @property
    def is_table(self) -> bool:
        """Whether nothing shorter than a table is known."""
        return self.kind == "table"

    def value(self, token: str) -> object:
        """What the expression gives; raises what it raises."""
        return eval(self.expression, {"token": token})  # our own text

    @property
    def function(self) -> Function:
        """The same as a function of a sequence and a place."""
        return Function(self.name, self.alphabet, LONGEST, lambda tokens, i: self.value(tokens[i]), is_placed=True)

    def save(self, folder: Path) -> Path:
        """The network that computes it, in a folder of its own name below ``folder``."""
        compiler = Compiler(self.alphabet, LONGEST)
        answer = compiler.lookup("answer", (compiler.tokens,), self.value)
        return compiler.save(folder / self.name, self.name, self.expression, answer)


def drawn(seed: int = 0, count: int = 100) -> tuple[OneToken, ...]:
    """``count`` functions, the families in turn, no two with the same expression and alphabet."""
    random = np.random.default_rng(seed)
    found: list[OneToken] = []
    seen: set[tuple[str, tuple[str, ...]]] = set()
    families = tuple(FAMILIES)
    for _ in range(TRIES * count):
        if len(found) == count:
            return tuple(found)
        kind = families[len(found) % len(families)]
        alphabet, expression = FAMILIES[kind](random)
        made = OneToken(f"{kind.replace(' ', '_')}_{seed}_{len(found)}", kind, alphabet, expression)
        labels = {str(made.value(token)) for token in alphabet}
        if (
            len(labels) > 1
            and "" not in labels
            and (expression, alphabet) not in seen
            and FEWEST <= len(alphabet) <= MOST
        ):
            seen.add((expression, alphabet))
            found.append(made)
    raise BenchmarkError(f"expected {count} different functions from seed {seed}, found {len(found)}")


# --- alphabets --------------------------------------------------------------------------------------------------


def _some(random: Random, tokens: tuple[str, ...], most: int = MOST) -> tuple[str, ...]:
    """At least ``FEWEST`` of the tokens, in their order."""
    count = int(random.integers(FEWEST, min(most, len(tokens)) + 1))
    return tuple(tokens[n] for n in sorted(random.permutation(len(tokens))[:count]))


def _letters(random: Random) -> tuple[str, ...]:
    return _some(random, tuple(chr(ord("a") + n) for n in range(26)))


def _words(random: Random) -> tuple[str, ...]:
    return _some(random, WORDS, 30)


def _emojis(random: Random) -> tuple[str, ...]:
    return _some(random, EMOJIS, 20)


def _names(random: Random) -> tuple[str, ...]:
    return (_letters, _words, _emojis)[int(random.integers(3))](random)


def _numbers(random: Random) -> tuple[str, ...]:
    """From 0 or from a negative number on, or drawn from a wide range."""
    kind = int(random.integers(4))
    if kind == 0:
        return tuple(map(str, range(int(random.integers(FEWEST, 16)))))
    if kind == 1:
        reach = int(random.integers(3, 13))
        return tuple(map(str, range(-reach, reach + 1)))
    low = 0 if kind == 2 else -150
    return tuple(
        map(str, np.sort(random.permutation(np.arange(low, 250))[: int(random.integers(FEWEST, 31))]).tolist())
    )


def _naturals(random: Random) -> tuple[str, ...]:
    return tuple(token for token in _numbers(random) if not token.startswith("-"))


# --- families ---------------------------------------------------------------------------------------------------

Drawn = tuple[tuple[str, ...], str]


def _pick(random: Random, texts: tuple[str, ...]) -> str:
    return texts[int(random.integers(len(texts)))]


def _table(random: Random) -> Drawn:
    alphabet = (_names if random.random() < 0.7 else _numbers)(random)
    labels = COLOURS[: int(random.integers(2, 5))] if random.random() < 0.6 else ("0", "1", "2", "5", "7")
    return alphabet, "{" + ", ".join(f"{token!r}: {_pick(random, labels)!r}" for token in alphabet) + "}[token]"


def _members(random: Random) -> tuple[tuple[str, ...], str]:
    """An alphabet, and at most about half of it as a set is written."""
    alphabet = (_names if random.random() < 0.7 else _numbers)(random)
    size = int(random.integers(2, max(3, len(alphabet) // 2 + 1)))
    chosen = (alphabet[n] for n in sorted(random.permutation(len(alphabet))[:size]))
    return alphabet, f"{{{', '.join(map(repr, chosen))}}}"


def _set(random: Random) -> Drawn:
    alphabet, members = _members(random)
    return alphabet, f"token in {members}"


def _two_sets(random: Random) -> Drawn:
    alphabet, members = _members(random)
    yes, no = _pick(random, ("good", "in", "1", "A")), _pick(random, ("bad", "out", "0", "B"))
    return alphabet, f"{yes!r} if token in {members} else {no!r}"


def _three_sets(random: Random) -> Drawn:
    alphabet = _names(random)
    order = [alphabet[n] for n in random.permutation(len(alphabet))]
    first, second = sorted(order[:2]), sorted(order[2:4])
    one, two = (", ".join(map(repr, part)) for part in (first, second))
    return alphabet, f"{MOODS[0]!r} if token in {{{one}}} else {MOODS[1]!r} if token in {{{two}}} else {MOODS[2]!r}"


def _arithmetic(random: Random) -> Drawn:
    a, b = int(random.integers(2, 6)), int(random.integers(1, 10))
    texts = (f"int(token) + {b}", f"int(token) - {b}", f"{a} * int(token)", f"{a} * int(token) + {b}",
             f"{b} - int(token)", "int(token) ** 2", "-int(token)", f"int(token) * (int(token) + {b})")  # fmt: skip
    return _numbers(random), _pick(random, texts)


def _division(random: Random) -> Drawn:
    k, m = int(random.integers(2, 12)), int(random.integers(2, 6))
    texts = (f"int(token) // {k}", f"int(token) % {k}", f"int(token) // {k} % {m}", f"int(token) % {k} == 0",
             f"int(token) % 10 // {m}", f"int(token) ** 2 % {k}", f"{k} * (int(token) // {k})")  # fmt: skip
    return _numbers(random), _pick(random, texts)


def _bounds(random: Random) -> Drawn:
    alphabet = _numbers(random)
    values = sorted(map(int, alphabet))
    low, high = values[len(values) // 4], values[-1 - len(values) // 4]
    texts = (f"max({low}, min(int(token), {high}))", f"abs(int(token) - {low})", "abs(int(token))",
             f"max(int(token), {low})", f"min(int(token), {high})", f"int(token) > {high}",
             f"{low} <= int(token) <= {high}", 
             f"'low' if int(token) < {low} else 'high' if int(token) > {high} else 'ok'",
             "'minus' if int(token) < 0 else 'plus' if int(token) > 0 else 'zero'")  # fmt: skip
    return alphabet, _pick(random, texts)


def _digits(random: Random) -> Drawn:
    texts = ("len(token)", "int(token[-1])", "int(token[0])", "sum(int(digit) for digit in token)", "int(token[::-1])",
             "round(int(token), -1)", "token[0] == token[-1]", "'0' in token", "max(token)")  # fmt: skip
    return _naturals(random), _pick(random, texts)


def _slices(random: Random) -> Drawn:
    k = int(random.integers(1, 4))
    texts = (f"token[:{k}]", f"token[-{k}:]", f"token[{k}:]", "token[0]", "token[-1]", "token[::-1]", "token[:-1]",
             "token[0] + token[-1]", "token[::2]")  # fmt: skip
    return _words(random), _pick(random, texts)


def _texts(random: Random) -> Drawn:
    letter, k = _pick(random, tuple("aeosn")), int(random.integers(2, 4))
    texts = ("token.upper()", "token.capitalize()", "len(token)", f"token * {k}", f"token + {letter!r}", "'x' + token",
             "token + '-' + token", f"{letter!r} in token", f"token.startswith({letter!r})", f"len(token) > {k + 1}",
             f"token.endswith({letter!r})", "token == token[::-1]", f"token.count({letter!r})", f"len(token) % {k}",
             f"'long' if len(token) > {k + 1} else 'short'", f"token.replace({letter!r}, '')")  # fmt: skip
    return _words(random), _pick(random, texts)


def _letters_of(random: Random) -> Drawn:
    k = int(random.integers(1, 4))
    texts = ("token in 'aeiou'", "'vowel' if token in 'aeiou' else 'consonant'", f"chr(ord(token) + {k})",
             "token.upper()", f"token * {k + 1}", "ord(token) - ord('a')", 
             f"token < {chr(ord('f') + k)!r}")  # fmt: skip
    return _letters(random), _pick(random, texts)


def _tuples(random: Random) -> Drawn:
    k = int(random.integers(2, 5))
    if random.random() < 0.5:
        texts = ("(token, len(token))", "(token[0], token[-1])", "(len(token), token[0])", "(token, 'a' in token)")
        return _words(random), _pick(random, texts)
    numbers = (
        f"(int(token) // {k}, int(token) % {k})",
        f"(int(token), int(token) > {k})",
        f"(token, int(token) + {k})",
    )
    return _numbers(random), _pick(random, numbers)


FAMILIES: dict[str, Callable[[Random], Drawn]] = {
    "table": _table,
    "set": _set,
    "arithmetic": _arithmetic,
    "words": _texts,
    "division": _division,
    "two sets": _two_sets,
    "bounds": _bounds,
    "slices": _slices,
    "digits": _digits,
    "letters": _letters_of,
    "three sets": _three_sets,
    "tuples": _tuples,
}
