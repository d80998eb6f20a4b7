"""Functions over short sequences that people hand-compile or train into networks, as plain Python: a suite of breadth.

Two kinds: ``f(tokens)``, one label for a sequence, and ``f(tokens, i)``, one for each place. Labels are what ``str``
makes of a value ("True", "0.5", "('a', 1)"); None is no label: the function says nothing there. No network is needed:
``table`` lists a function on its domain as if a network had been enumerated. The functions are in the project's own
words; their kinds are those of RASP programs (Weiss, Goldberg and Yahav 2021) and of circuits found in trained models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

import numpy as np

from benchmarks.harness.row import BenchmarkError
from cegis import Domain
from tasks.formats.blackbox import from_callable
from tasks.networks.model import Loaded, Question
from tasks.networks.readout import UNDECIDED, Argmax
from tasks.networks.transformer import Transformer
from tasks.pipeline.labels import LabelTable
from tasks.proofs.enumeration import Answers, Enumeration

BEYOND = 4  # lengths past the listed ones on which a function can be asked, where it has one label a sequence
Tokens = Sequence[str]


@dataclass(frozen=True)
class Function:
    """``labels(tokens, i)`` for every place, or ``labels(tokens)``; on sequences of 1 to ``longest`` tokens."""

    name: str
    alphabet: tuple[str, ...]
    longest: int
    value: Callable[..., object]
    is_placed: bool

    def labels(self, tokens: Tokens) -> tuple[str | None, ...]:
        """The label at every place, or the only one; None where there is none."""
        places = range(len(tokens)) if self.is_placed else (None,)
        values = [self.value(tokens) if i is None else self.value(tokens, i) for i in places]
        return tuple(None if value is None else str(value) for value in values)

    @property
    def domain(self) -> Domain:
        """What it is listed on."""
        return Domain(self.alphabet, 1, self.longest)


def table(function: Function) -> LabelTable:
    """Every label of ``function`` on its domain, as an enumeration of a network would give them."""
    domain = function.domain
    sequences = [domain.sequences(length) for length in domain.lengths]
    said = [[function.labels(domain.words(row)) for row in rows] for rows in sequences]
    names = tuple(sorted({label for rows in said for row in rows for label in row if label is not None}))
    index: dict[str | None, int] = {name: n for n, name in enumerate(names)} | {None: UNDECIDED}
    answers = []
    for rows, labels in zip(sequences, said, strict=True):
        found = np.array([[index[label] for label in row] for row in labels], np.int64)
        found = found if function.is_placed else found[:, 0]
        answers.append(Answers(rows, found, np.where(found == UNDECIDED, 0.0, 1.0)))
    count = sum(part.labels.size for part in answers)
    loaded = _placed(function, names) if function.is_placed else _whole(function, names)
    return LabelTable.of(Enumeration(loaded, domain, "real", tuple(answers), count, 0.0, 0.0))


def _whole(function: Function, names: tuple[str, ...]) -> Loaded:
    """A black box that answers longer sequences as well; where it has no label, or another one, none stands out."""

    def logits(ids: np.ndarray) -> np.ndarray:
        said = [function.labels([function.alphabet[n] for n in row])[0] for row in ids]
        return np.array([[float(name == label) for name in names] for label in said])

    question = Question(lengths=(1, function.longest + BEYOND), readout=Argmax(names, tuple(range(len(names)))))
    longest = function.longest + BEYOND
    return from_callable(
        logits, vocabulary=function.alphabet, longest=longest, outputs=names, question=question, name=function.name
    )


def _placed(function: Function, names: tuple[str, ...]) -> Loaded:
    """A network without weights that stands for the function: it has rows, and takes nothing longer."""
    empty = Transformer(np.zeros((len(function.alphabet), len(names))), None, (), function.longest, "float64")
    readout = Argmax(names, tuple(range(len(names))), position="every")
    return Loaded(function.name, "function", empty, function.alphabet, (), (), function.domain, readout)


def chosen(only: Sequence[str] = ()) -> tuple[Function, ...]:
    """The functions whose names hold one of these texts, or all; raises BenchmarkError for a text that none holds."""
    for text in only:
        if not any(text in function.name for function in FUNCTIONS):
            raise BenchmarkError(f"no function's name holds {text!r}; there are {len(FUNCTIONS)}, such as "
                                 f"{', '.join(function.name for function in FUNCTIONS[:3])}")  # fmt: skip
    return tuple(f for f in FUNCTIONS if not only or any(text in f.name for text in only))


# --- what several of them say -----------------------------------------------------------------------------------


def _ints(tokens: Tokens) -> list[int]:
    return [int(token) for token in tokens]


def _depths(tokens: Tokens) -> list[int]:
    return list(accumulate(1 if token == "(" else -1 for token in tokens))


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, n))


def _trend(before: int, here: int) -> str:
    return "up" if here > before else "down" if here < before else "level"


def _frequent(tokens: Tokens) -> str:
    return Counter(tokens).most_common(1)[0][0]


def _alternates(tokens: Tokens) -> bool:
    return all(one != other for one, other in pairwise(tokens))


def _runs(tokens: Tokens) -> list[int]:
    return [len(list(run)) for _, run in groupby(tokens)]


def _after_earlier(tokens: Tokens) -> str | None:
    """The token after the last earlier occurrence of the last one."""
    places = [n for n, token in enumerate(tokens[:-1]) if token == tokens[-1]]
    return tokens[places[-1] + 1] if places else None


def _after_first(tokens: Tokens, token: str) -> str | None:
    place = tokens.index(token) if token in tokens else len(tokens)
    return tokens[place + 1] if place + 1 < len(tokens) else None


AB, ABC, ABCD = ("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")
XYZ, BRACKETS, TEXT = ("x", "y", "z"), ("(", ")"), ("(", ")", "n")
DIGITS, TEN, SIGNED = ("0", "1", "2", "3"), tuple(map(str, range(11))), ("-2", "-1", "0", "1", "2")
WIDE = ("-12", "-7", "-1", "0", "3", "8", "15", "40")
LARGE = ("4", "9", "17", "30", "58", "100", "126", "205")
LETTERS = ("a", "d", "e", "i", "k", "o", "s", "u")
WORDS = ("oak", "level", "river", "noon", "pine", "a", "stone")
FOODS = ("apple", "leek", "pear", "stone", "beet", "plum")


def _placed_function(name: str, alphabet: tuple[str, ...], longest: int, value: Callable[..., object]) -> Function:
    return Function(name, alphabet, longest, value, is_placed=True)


def _whole_function(name: str, alphabet: tuple[str, ...], longest: int, value: Callable[..., object]) -> Function:
    return Function(name, alphabet, longest, value, is_placed=False)


P, W = _placed_function, _whole_function

ONE_TOKEN = (
    P("same token", ABCD, 3, lambda t, i: t[i]),
    P("twice the number", DIGITS, 4, lambda t, i: 2 * int(t[i])),
    P("square", SIGNED, 3, lambda t, i: int(t[i]) ** 2),
    P("negated", WIDE, 2, lambda t, i: -int(t[i])),
    P("absolute value", WIDE, 3, lambda t, i: abs(int(t[i]))),
    P("remainder by 3", TEN, 3, lambda t, i: int(t[i]) % 3),
    P("tens", LARGE, 3, lambda t, i: int(t[i]) // 10),
    P("last digit", LARGE, 3, lambda t, i: int(t[i]) % 10),
    P("digit sum", LARGE, 2, lambda t, i: sum(map(int, t[i]))),
    P("sign in words", WIDE, 3, lambda t, i: "minus" if int(t[i]) < 0 else "plus" if int(t[i]) > 0 else "zero"),
    P("clip 2 to 6", TEN, 3, lambda t, i: min(max(int(t[i]), 2), 6)),
    P("clip -5 to 5", WIDE, 3, lambda t, i: min(max(int(t[i]), -5), 5)),
    P("more than 10", LARGE, 3, lambda t, i: int(t[i]) > 10),
    P("from 3 to 7", TEN, 3, lambda t, i: 3 <= int(t[i]) <= 7),
    P("prime", TEN, 3, lambda t, i: _is_prime(int(t[i]))),
    P("square number", TEN, 3, lambda t, i: t[i] in ("0", "1", "4", "9")),
    P("fibonacci", TEN, 3, lambda t, i: t[i] in ("0", "1", "2", "3", "5", "8")),
    P("multiple of 3", TEN, 3, lambda t, i: int(t[i]) % 3 == 0),
    P("divides 12", TEN, 3, lambda t, i: t[i] in ("1", "2", "3", "4", "6")),
    P("even or odd", TEN, 3, lambda t, i: "odd" if int(t[i]) % 2 else "even"),
    P("bits set", TEN, 3, lambda t, i: int(t[i]).bit_count()),
    P("half of the even", TEN, 3, lambda t, i: None if int(t[i]) % 2 else int(t[i]) // 2),
    P("by 2 and by 3", TEN, 3, lambda t, i: ("both", "none", "two", "three", "two", "none")[int(t[i]) % 6]),
    P("vowel", LETTERS, 3, lambda t, i: t[i] in "aeiou"),
    P("vowel or consonant", LETTERS, 3, lambda t, i: "vowel" if t[i] in "aeiou" else "consonant"),
    P("next letter", ABCD, 3, lambda t, i: chr(ord(t[i]) + 1)),
    P("upper case", ABCD, 3, lambda t, i: t[i].upper()),
    P("letters in word", WORDS, 3, lambda t, i: len(t[i])),
    P("initial", WORDS, 3, lambda t, i: t[i][0]),
    P("last letters", WORDS, 3, lambda t, i: t[i][-2:]),
    P("word backwards", WORDS, 3, lambda t, i: t[i][::-1]),
    P("word is a palindrome", WORDS, 3, lambda t, i: t[i] == t[i][::-1]),
    P("word ends in e", WORDS, 3, lambda t, i: t[i].endswith("e")),
    P("word has an o", WORDS, 3, lambda t, i: "o" in t[i]),
    P("said twice", ABC, 3, lambda t, i: t[i] * 2),
    P("kind of food", FOODS, 3, lambda t, i: {"leek": "root", "beet": "root", "stone": "none"}.get(t[i], "fruit")),
    P("token and vowel", LETTERS, 2, lambda t, i: (t[i], t[i] in "aeiou")),
    P("quotient and remainder", TEN, 2, lambda t, i: divmod(int(t[i]), 4)),
)  # fmt: skip

BY_PLACE = (
    P("place", ABC, 5, lambda t, i: i),
    P("one more at odd places", DIGITS, 5, lambda t, i: int(t[i]) + i % 2),
    P("doubled at even places", DIGITS, 4, lambda t, i: int(t[i]) * (2 - i % 2)),
    P("number plus place", DIGITS, 4, lambda t, i: int(t[i]) + i),
    P("number times place", DIGITS, 4, lambda t, i: int(t[i]) * i),
    P("gaps at odd places", ABC, 5, lambda t, i: "-" if i % 2 else t[i]),
    P("capitals at even places", ABC, 5, lambda t, i: t[i] if i % 2 else t[i].upper()),
    P("first inner last", AB, 6, lambda t, i: "first" if i == 0 else "last" if i == len(t) - 1 else "inner"),
    P("token and place", ABC, 4, lambda t, i: (t[i], i)),
    P("places to the end", AB, 6, lambda t, i: len(t) - 1 - i),
    P("last one hidden", ABC, 4, lambda t, i: "_" if i == len(t) - 1 else t[i]),
    P("first kept, rest 0", DIGITS, 4, lambda t, i: int(t[i]) if i == 0 else 0),
    P("first half", ABC, 5, lambda t, i: i < len(t) // 2),
    P("place by 3", AB, 7, lambda t, i: i % 3),
    P("equal to place", DIGITS, 4, lambda t, i: int(t[i]) == i),
)

NEIGHBOURS = (
    P("shifted right", ABC, 5, lambda t, i: t[i - 1] if i else "-"),
    P("shifted left", ABC, 5, lambda t, i: t[i + 1] if i + 1 < len(t) else None),
    P("shifted by two", ABC, 5, lambda t, i: t[i - 2] if i > 1 else None),
    P("rotated", ABC, 5, lambda t, i: t[i - 1]),
    P("reversed", ABC, 5, lambda t, i: t[-1 - i]),
    P("pairs swapped", ABC, 5, lambda t, i: t[i - 1] if i % 2 else t[min(i + 1, len(t) - 1)]),
    P("half mirrored", ABC, 5, lambda t, i: t[min(i, len(t) - 1 - i)]),
    P("equals its mirror", ABC, 5, lambda t, i: t[i] == t[-1 - i]),
    P("as the one before", ABC, 5, lambda t, i: i > 0 and t[i] == t[i - 1]),
    P("as the next", ABC, 5, lambda t, i: i + 1 < len(t) and t[i] == t[i + 1]),
    P("step from the one before", DIGITS, 4, lambda t, i: int(t[i]) - int(t[i - 1]) if i else 0),
    P("trend", SIGNED, 4, lambda t, i: _trend(int(t[i - 1]), int(t[i])) if i else None),
    P("sum with the one before", DIGITS, 4, lambda t, i: int(t[i]) + (int(t[i - 1]) if i else 0)),
    P("larger of two", DIGITS, 4, lambda t, i: max(_ints(t[max(i - 1, 0) : i + 1]))),
    P("peak", DIGITS, 5, lambda t, i: 0 < i < len(t) - 1 and t[i - 1] < t[i] > t[i + 1]),
    P("ends 'ab'", ABC, 5, lambda t, i: i > 0 and (t[i - 1], t[i]) == ("a", "b")),
    P("ends 'abc'", ABC, 5, lambda t, i: None if i < 2 else tuple(t[i - 2 : i + 1]) == ("a", "b", "c")),
    P("last everywhere", ABC, 5, lambda t, i: t[-1]),
    P("first everywhere", ABC, 5, lambda t, i: t[0]),
    P("second everywhere", ABC, 5, lambda t, i: t[1] if len(t) > 1 else None),
    P("every second token", ABC, 5, lambda t, i: t[2 * i] if 2 * i < len(t) else None),
    P("pair with the one before", ABC, 4, lambda t, i: (t[i - 1], t[i]) if i else None),
)

COUNTS = (
    P("how often here", ABC, 5, lambda t, i: t.count(t[i])),
    P("how often before", ABC, 5, lambda t, i: t[:i].count(t[i])),
    P("number of a", ABC, 5, lambda t, i: t.count("a")),
    P("number of b after", ABC, 5, lambda t, i: t[i + 1 :].count("b")),
    P("share of x so far", XYZ, 5, lambda t, i: t[: i + 1].count("x") / (i + 1)),
    P("share of x", XYZ, 5, lambda t, i: t.count("x") / len(t)),
    P("lead of ( so far", TEXT, 5, lambda t, i: t[: i + 1].count("(") - t[: i + 1].count(")")),
    P("share of ( less that of )", TEXT, 5, lambda t, i: (t[: i + 1].count("(") - t[: i + 1].count(")")) / (i + 1)),
    P("never below zero so far", BRACKETS, 7, lambda t, i: min(_depths(t[: i + 1])) >= 0),
    P("sum so far", DIGITS, 4, lambda t, i: sum(_ints(t[: i + 1]))),
    P("sum of all", DIGITS, 4, lambda t, i: sum(_ints(t))),
    P("largest so far", SIGNED, 4, lambda t, i: max(_ints(t[: i + 1]))),
    P("smallest so far", SIGNED, 4, lambda t, i: min(_ints(t[: i + 1]))),
    P("parity of ones so far", ("0", "1"), 7, lambda t, i: t[: i + 1].count("1") % 2),
    P("first of its kind", ABC, 5, lambda t, i: t[i] not in t[:i]),
    P("last of its kind", ABC, 5, lambda t, i: t[i] not in t[i + 1 :]),
    P("alone", ABC, 5, lambda t, i: t.count(t[i]) == 1),
    P("repeats become 0", DIGITS, 4, lambda t, i: 0 if t[i] in t[:i] else int(t[i])),
    P("kinds so far", ABCD, 4, lambda t, i: len(set(t[: i + 1]))),
    P("without repeats", ABC, 5, lambda t, i: list(dict.fromkeys(t))[i] if i < len(set(t)) else None),
    P("place of the first like it", ABC, 5, lambda t, i: t.index(t[i])),
    P("a seen before", ABC, 5, lambda t, i: "a" in t[:i]),
    P("once, twice, often", ABC, 5, lambda t, i: {1: "once", 2: "twice"}.get(t.count(t[i]), "often")),
    P("most frequent everywhere", ABC, 5, lambda t, i: _frequent(t)),
    P("has repeats", ABCD, 4, lambda t, i: len(set(t)) < len(t)),
    P("all equal", ABC, 5, lambda t, i: len(set(t)) == 1),
    P("alternating so far", ABC, 5, lambda t, i: _alternates(t[: i + 1])),
)

ORDER = (
    P("smaller ones", DIGITS, 4, lambda t, i: sum(int(other) < int(t[i]) for other in t)),
    P("larger ones", SIGNED, 4, lambda t, i: sum(int(other) > int(t[i]) for other in t)),
    P("sorted", SIGNED, 4, lambda t, i: sorted(t, key=int)[i]),
    P("sorted letters", ABCD, 4, lambda t, i: sorted(t)[i]),
    P("sorted downwards", DIGITS, 4, lambda t, i: sorted(t, key=int, reverse=True)[i]),
    P("in order so far", DIGITS, 4, lambda t, i: list(t[: i + 1]) == sorted(t[: i + 1])),
    P("is the largest", SIGNED, 4, lambda t, i: int(t[i]) == max(_ints(t))),
    P("largest everywhere", SIGNED, 4, lambda t, i: max(_ints(t))),
    P("times the length", DIGITS, 4, lambda t, i: int(t[i]) * len(t)),
    P("less the first", DIGITS, 4, lambda t, i: int(t[i]) - int(t[0])),
    P("plus the last", DIGITS, 4, lambda t, i: int(t[i]) + int(t[-1])),
    P("below the largest by", DIGITS, 4, lambda t, i: max(_ints(t)) - int(t[i])),
    P("above the mean", DIGITS, 4, lambda t, i: int(t[i]) * len(t) > sum(_ints(t))),
)

WHOLE = (
    W("first", ABCD, 5, lambda t: t[0]),
    W("last", ABCD, 5, lambda t: t[-1]),
    W("second from the end", ABC, 5, lambda t: t[-2] if len(t) > 1 else None),
    W("largest number", DIGITS, 5, lambda t: max(_ints(t))),
    W("smallest letter", ABCD, 5, min),
    W("middle of the sorted", DIGITS, 5, lambda t: sorted(t)[len(t) // 2]),
    W("most frequent", ABC, 6, _frequent),
    W("after the earlier one", ABCD, 5, _after_earlier),
    W("after the first a", ABC, 6, lambda t: _after_first(t, "a")),
    W("number of tokens", AB, 7, len),
    W("number of kinds", ABCD, 5, lambda t: len(set(t))),
    W("odd number of a", ABC, 6, lambda t: t.count("a") % 2 == 1),
    W("length by 3", AB, 7, lambda t: len(t) % 3),
    W("more a than b", ABC, 6, lambda t: t.count("a") > t.count("b")),
    W("holds 'ab'", ABC, 6, lambda t: "ab" in "".join(t)),
    W("ends as it begins", ABC, 6, lambda t: t[0] == t[-1]),
    W("palindrome", ABC, 6, lambda t: list(t) == list(t)[::-1]),
    W("in order", DIGITS, 5, lambda t: list(t) == sorted(t)),
    W("alternating", AB, 8, _alternates),
    W("different tokens", ABCD, 5, lambda t: len(set(t)) == len(t)),
    W("closed brackets", BRACKETS, 9, lambda t: min(_depths(t)) >= 0 and _depths(t)[-1] == 0),
    W("deepest bracket", BRACKETS, 7, lambda t: max(0, *_depths(t))),
    W("longest run", AB, 7, lambda t: max(_runs(t))),
    W("number of changes", AB, 7, lambda t: len(_runs(t)) - 1),
    W("sum by 5", DIGITS, 5, lambda t: sum(_ints(t)) % 5),
    W("range of numbers", DIGITS, 5, lambda t: max(_ints(t)) - min(_ints(t))),
    W("first and last", ABC, 5, lambda t: (t[0], t[-1])),
    W("place of the first b", ABC, 5, lambda t: t.index("b") if "b" in t else None),
    W("no b before an a", AB, 8, lambda t: "ba" not in "".join(t)),
    W("binary by 3", ("0", "1"), 8, lambda t: int("".join(t), 2) % 3),
)

FUNCTIONS = (*ONE_TOKEN, *BY_PLACE, *NEIGHBOURS, *COUNTS, *ORDER, *WHOLE)
