"""Rows on the letters of a token: slices, case, length, repetition; numbers that tokens write; labels made of both.

In numpy a text is an object array of Python's own ``str``. In a formula it is a union with guards, as in Rosette
(Torlak and Bodik, PLDI 2014): pairs of a text and the formula "it is this one", of which exactly one holds. An
alphabet is finite, so any function of texts is a function of such pairs, without a theory of strings.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dsl.grammar import Production
from dsl.meaning import TupleOf
from dsl.operators import BOOL, INT, LABEL, TEXT, TOKEN, Operator, Sort
from dsl.references import maker
from dsl.sequences import NO_LABEL

Guarded = tuple[tuple[Any, Any], ...]  # values, each with the formula that says it is this one
VOWELS = "aeiou"
MOST_LETTERS = 30  # that are tested for, one by one
SLICES = (":1", "1:", ":-1", "-1:", ":2", "2:", ":-2", "-2:", ":3", "3:", "::-1", "::2", "1:-1")
CASES = ("upper", "lower", "swapcase", "capitalize")
CLASSES = ("isdigit", "isalpha", "isupper", "islower")


# --- values with guards -----------------------------------------------------------------------------------------


def united(m: Any, pairs: Iterator[tuple[Any, Any]]) -> Guarded:
    """One pair for each value."""
    found: dict[Any, list[Any]] = {}
    for value, guard in pairs:
        found.setdefault(value, []).append(guard)
    return tuple((value, m.Or(guards)) for value, guards in found.items())


def _mapped(function: Callable[..., Any], result: Sort) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The numpy and the formula reading of a function of texts, to a text, a number or a flag."""
    vectorized = np.vectorize(function, otypes=[result.dtype])

    def encode(s: Any, *arguments: Guarded) -> Any:
        m = s.manager
        pairs: list[tuple[tuple[Any, ...], Any]] = [((), m.TRUE())]
        for argument in arguments:
            pairs = [((*values, value), m.And(guard, g)) for values, guard in pairs for value, g in argument]
        made = united(m, ((function(*values), guard) for values, guard in pairs))
        if result == TEXT:
            return made
        if result == BOOL:
            return m.Or([guard for value, guard in made if value])
        return m.Plus([m.Int(0), *(m.Ite(guard, m.Int(int(value)), m.Int(0)) for value, guard in made)])

    def run(s: Any, *arguments: Any) -> Any:
        if not all(np.size(argument) for argument in arguments):
            return np.zeros(np.broadcast_shapes(*map(np.shape, arguments)), result.dtype)
        return vectorized(*arguments)

    return run, encode


def _row(
    name: str, count: int, result: Sort, function: Callable[..., Any], python: str, noun: str = "value", **more: Any
) -> Operator:
    run, encode = _mapped(function, result)
    return Operator(name, (TEXT,) * count, result, numpy=run, smt=encode, python=python, noun=noun, **more)


@maker
def letters_of(alphabet: Sequence[str]) -> Operator:
    """A token as a text: its own letters, none where there is no token."""
    known = np.array([*alphabet, ""], object)

    def encode(s: Any, token: Sequence[Any]) -> Guarded:
        m = s.manager
        nothing = ("", m.Not(m.Or(list(token))))
        return united(m, iter([*zip(alphabet, token, strict=True), nothing]))

    return Operator("letters", (TOKEN,), TEXT, numpy=lambda s, a: known[a], smt=encode, python="_0")


@maker
def written_text(text: str) -> Operator:
    """A text itself."""

    def run(s: Any) -> Any:
        found = np.empty(len(s.tokens), object)
        found[:] = text
        return found

    return Operator(f"text {text!r}", (), TEXT, numpy=run, smt=lambda s: ((text, s.manager.TRUE()),), python=repr(text))


@maker
def sliced(part: str) -> Operator:
    """A slice of a text."""
    bounds = slice(*(int(n) if n else None for n in part.split(":")))
    return _row(f"letters [{part}]", 1, TEXT, lambda text: text[bounds], f"_0[{part}]")


@maker
def cased(method: str) -> Operator:
    """A text in another case, by a method of ``str``."""
    return _row(method, 1, TEXT, getattr(str, method), f"_0.{method}()")


@maker
def is_of(method: str) -> Operator:
    """Whether a text is of a class of texts, by a method of ``str``."""
    return _row(method, 1, BOOL, getattr(str, method), f"_0.{method}()", noun="flag")


@maker
def repeated(times: int) -> Operator:
    """A text so many times."""
    return _row(f"{times} times the text", 1, TEXT, lambda text: text * times, f"_0 * {times}")


JOINED = _row("joined", 2, TEXT, lambda a, b: a + b, "_0 + _1")
LETTERS = _row("number of letters", 1, INT, len, "len(_0)", noun="size")
ALIKE_TEXTS = _row("the same text", 2, BOOL, lambda a, b: a == b, "_0 == _1", noun="same", commutative=True)
WITHIN = _row("within", 2, BOOL, lambda a, b: a in b, "_0 in _1", noun="inside")
DIGIT_SUM = _row(
    "sum of digits",
    1,
    INT,
    lambda text: sum(int(letter) for letter in text if letter in "0123456789"),
    "sum(int(letter) for letter in _0 if letter in '0123456789')",
    noun="total",
)


@maker
def letters_among(letters: str) -> Operator:
    """How many letters of a text are among ``letters``."""
    return _row(
        f"letters among {letters!r}",
        1,
        INT,
        lambda text: sum(letter in letters for letter in text),
        f"sum(letter in {letters!r} for letter in _0)",
        noun="count",
    )


@maker
def begins(text: str) -> Operator:
    """Whether a text begins with another."""
    return _row(f"starts with {text!r}", 1, BOOL, lambda a: a.startswith(text), f"_0.startswith({text!r})", "begins")


@maker
def ends(text: str) -> Operator:
    """Whether a text ends with another."""
    return _row(f"ends with {text!r}", 1, BOOL, lambda a: a.endswith(text), f"_0.endswith({text!r})", "ends")


@maker
def has_letter(letter: str) -> Operator:
    """Whether a letter is in a text."""
    return _row(f"has the letter {letter!r}", 1, BOOL, lambda a: letter in a, f"{letter!r} in _0", "found")


# --- labels -----------------------------------------------------------------------------------------------------


@maker
def text_label(labels: Sequence[str]) -> Operator:
    """The label that is a text; a text that no label is gives none."""
    index = {text: n for n, text in enumerate(labels)}
    run, encode = _mapped(lambda text: index.get(text, NO_LABEL), INT)
    return Operator("text as label", (TEXT,), LABEL, numpy=run, smt=encode, python="_0")


@maker
def number_label(labels: Sequence[str], before: str, behind: str) -> Operator:
    """The label that is a number written out between two texts, one of which is not empty."""
    pattern = re.compile(re.escape(before) + "(0|-?[1-9][0-9]*)" + re.escape(behind))
    matches = [(n, int(match[1])) for n, text in enumerate(labels) if (match := pattern.fullmatch(text))]

    def run(s: Any, number: Any) -> Any:
        result = np.full(np.shape(number), NO_LABEL, np.int64)
        for label, value in matches:
            result[number == value] = label
        return result

    def encode(s: Any, number: Any) -> Any:
        m, result = s.manager, s.manager.Int(NO_LABEL)
        for label, value in matches:
            result = m.Ite(m.Equals(number, m.Int(value)), m.Int(label), result)
        return result

    text = " + ".join(part for part in (before and repr(before), "str(_0)", behind and repr(behind)) if part)
    return Operator(f"number between {before!r} and {behind!r}", (INT,), LABEL, numpy=run, smt=encode, python=text)


@maker
def tuple_label(labels: Sequence[str], sorts: tuple[Sort, ...]) -> Operator:
    """The label that writes a tuple of texts, numbers and flags, as Python prints one."""
    said = TupleOf(tuple(map(tuple_of, labels)))
    index = {
        values: n for n, values in enumerate(said.values) if values is not None and tuple(map(_sort, values)) == sorts
    }
    kinds = {TEXT: str, INT: int, BOOL: bool}

    def named(*values: Any) -> int:
        return index.get(tuple(kinds[sort](v) for sort, v in zip(sorts, values, strict=True)), NO_LABEL)

    def run(s: Any, *arguments: Any) -> Any:
        if not all(map(np.size, arguments)):
            return np.zeros(np.broadcast_shapes(*map(np.shape, arguments)), np.int64)
        return np.vectorize(named, otypes=["int64"])(*arguments)

    def equal(m: Any, sort: Sort, argument: Any, wanted: Any) -> Any:
        if sort == TEXT:
            return m.Or([guard for text, guard in argument if text == wanted])
        return m.Equals(argument, m.Int(wanted)) if sort == INT else m.Iff(argument, m.Bool(wanted))

    def encode(s: Any, *arguments: Any) -> Any:
        m, result = s.manager, s.manager.Int(NO_LABEL)
        for values, n in index.items():
            parts = [equal(m, *triple) for triple in zip(sorts, arguments, values, strict=True)]
            result = m.Ite(m.And(parts), m.Int(n), result)
        return result

    holes = ", ".join(f"_{n}" for n in range(len(sorts)))
    text = f"str(({holes},))" if len(sorts) == 1 else f"str(({holes}))"
    name = f"tuple of {' and '.join(sort.name for sort in sorts)}"
    return Operator(name, sorts, LABEL, numpy=run, smt=encode, python=text, meaning=said)


def tuple_of(label: str) -> tuple[str | int | bool, ...] | None:
    """The texts, whole numbers and flags of the tuple that a label writes as Python does, or None."""
    try:
        values = ast.literal_eval(label)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(values, tuple) or str(values) != label or not values:
        return None
    return values if all(type(value) in (str, int, bool) for value in values) else None


def tuple_sorts(labels: Sequence[str]) -> tuple[Sort, ...] | None:
    """The sorts of what all ``labels`` are tuples of; None where they are not, or not of the same."""
    found = {tuple(map(_sort, values or ())) for values in map(tuple_of, labels)}
    sorts = found.pop()
    return sorts if sorts and not found else None


def _sort(value: object) -> Sort:
    return BOOL if isinstance(value, bool) else INT if isinstance(value, int) else TEXT


@maker
def flag_label(labels: Sequence[str]) -> Operator:
    """The label ``'True'`` or ``'False'`` that a flag writes."""
    true, false = labels.index("True"), labels.index("False")
    return Operator(
        "flag written",
        (BOOL,),
        LABEL,
        numpy=lambda s, flag: np.where(flag, true, false),
        smt=lambda s, flag: s.manager.Ite(flag, s.manager.Int(true), s.manager.Int(false)),
        python="str(_0)",
    )


def productions(alphabet: Sequence[str], labels: Sequence[str]) -> list[Production]:
    """Rows on the letters of tokens of ``alphabet``, to make labels of that are texts."""
    letters = sorted({letter for token in alphabet for letter in token})
    rows = [
        Production("Text", letters_of(alphabet), ("Token",)),
        *[Production("Text", sliced(part), ("Text",), cost=2 + (part[-1] in "23")) for part in SLICES],
        *[Production("Text", cased(method), ("Text",), cost=2) for method in CASES],
        *[Production("Text", repeated(times), ("Text",), cost=3) for times in (2, 3)],
        Production("Text", JOINED, ("Text", "Text")),
        *[Production("Text", written_text(text), cost=2) for text in affixes(alphabet, labels)],
        Production("Number", LETTERS, ("Text",)),
        *[Production("Flag", is_of(method), ("Text",), cost=2) for method in CLASSES],
        Production("Flag", ALIKE_TEXTS, ("Text", "Text"), cost=2),
        Production("Label", text_label(labels), ("Text",)),
    ]
    if any(letter.isdigit() for letter in letters):
        rows.append(Production("Number", DIGIT_SUM, ("Text",), cost=4))
    if any(letter.lower() in VOWELS for letter in letters):
        rows.append(Production("Number", letters_among(VOWELS), ("Text",), cost=3))
        rows.append(Production("Flag", WITHIN, ("Text", "Vowels"), cost=2))
        rows.append(Production("Vowels", written_text(VOWELS)))
    if len(letters) <= MOST_LETTERS:
        rows += [Production("Flag", has_letter(letter), ("Text",), cost=3) for letter in letters]
        rows += [Production("Flag", begins(x), ("Text",), cost=3) for x in sorted({t[0] for t in alphabet if t})]
        rows += [Production("Flag", ends(x), ("Text",), cost=3) for x in sorted({t[-1] for t in alphabet if t})]
    return rows


def label_rows(alphabet: Sequence[str], labels: Sequence[str]) -> list[Production]:
    """Labels that write a flag, a tuple, or a number with a text beside it."""
    rows: list[Production] = []
    if "True" in labels and "False" in labels:
        rows.append(Production("Label", flag_label(labels), ("Flag",)))
    sorts = tuple_sorts(labels)
    if sorts is not None:
        names = {TEXT: "Text", INT: "Number", BOOL: "Flag"}
        rows.append(Production("Label", tuple_label(labels, sorts), tuple(names[sort] for sort in sorts)))
        if TEXT in sorts:
            rows.append(Production("Text", letters_of(alphabet), ("Token",)))
    around = {match.groups() for text in labels if (match := re.fullmatch(r"(\D*)[0-9]+(\D*)", text))}
    if len(around) == 1 and around != {("", "")} and around != {("-", "")}:
        before, behind = around.pop()
        rows.append(Production("Label", number_label(labels, before, behind), ("Number",)))
    return rows


def affixes(alphabet: Sequence[str], labels: Sequence[str]) -> list[str]:
    """What labels have around a token, or between two: texts that programs may write out."""
    found: dict[str, int] = {}
    for label in labels:
        for token in alphabet:
            if token and token in label and token != label:
                for part in filter(None, label.split(token)):
                    found[part] = found.get(part, 0) + 1
    often = [part for part, times in found.items() if times > 1]
    return sorted(often, key=lambda part: (-found[part], part))[:8]
