"""The ``places`` grammar: programs that say something of every place of a sequence, ``f(tokens, i)``.

A network with an answer per position computes a function of the whole sequence and a place in it, as RASP programs do
(Weiss, Goldberg and Yahav 2021). The grammar is that of ``motifs`` with the token here, its neighbours, what stands
before and after, the place itself, order and rank among the tokens, and the arithmetic these are used with; numbers
where tokens are numbers. ``i`` counts from 0, so it is never outside the sequence. Labels that are no whole numbers
are printed as Python prints quotients: ``'0.5'``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammar import Grammar, Production
from dsl.grammars import folds
from dsl.grammars.motifs import motifs
from dsl.meaning import Combination, Constant, Fold, Multiple, Remainder, TokenTest
from dsl.operators import BOOL, INT, LABEL, MASK, GrammarError, Operator
from dsl.references import maker
from dsl.sequences import NO_LABEL, SequenceBatch, SequenceSignature, SymbolicSequence

FEW = 6  # tokens; with more, tests for either of two are left out
OFFSETS = (-1, 1, -2, 2)
MODULI = (2, 3)
LARGEST_FACTOR, LARGEST_CONSTANT = 5, 4  # in a search without loops


@dataclass(frozen=True)
class PlacedBatch(SequenceBatch):
    """Sequences, each with the ``place`` (sequences,) that is asked about."""

    place: NDArray[np.int64]

    def part(self, start: int, stop: int) -> PlacedBatch:
        """The sequences from ``start`` to before ``stop``."""
        return PlacedBatch(self.tokens[start:stop], self.place[start:stop])

    def joined(self, other: SequenceBatch) -> PlacedBatch:
        """The sequences of both, as wide as the wider."""
        assert isinstance(other, PlacedBatch)
        return PlacedBatch(super().joined(other).tokens, np.concatenate([self.place, other.place]))

    def widened(self, width: int) -> PlacedBatch:
        """The same sequences, padded to at least ``width`` positions."""
        return PlacedBatch(super().widened(width).tokens, self.place)

    def at(self, place: NDArray[np.int64]) -> NDArray[np.int8]:
        """The token at a place of each sequence, PAD outside: (sequences,)."""
        if not self.width:
            return np.full(len(self.tokens), -1, np.int8)
        inside = (place >= 0) & (place < self.lengths)
        found = self.tokens[np.arange(len(self.tokens)), np.clip(place, 0, self.width - 1)]
        return np.where(inside, found, np.int8(-1))


@dataclass(frozen=True)
class PlacedSymbols(SymbolicSequence):
    """A symbolic sequence with a fixed place in it."""

    place: int


@dataclass(frozen=True)
class PlacedSignature(SequenceSignature):
    """What a program of places reads and returns: tokens of ``alphabet`` and a place in, one of ``labels`` out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.labels[0], str):
            raise GrammarError(f"expected the labels of places to be texts, got {self.labels!r}")

    @property
    def names(self) -> tuple[str, ...]:
        """What a program's text calls the parameters."""
        return ("tokens", "i")

    def header(self, name: str) -> str:
        """The first line of a program's text."""
        return f"def {name}(tokens: list[str], i: int) -> str:"

    def example(self, *values: Any) -> PlacedBatch:
        """One sequence and a place in it as a batch; raises GrammarError for anything else."""
        if len(values) != 2:
            raise GrammarError(f"expected a sequence of tokens and a place in it, got {len(values)} values")
        return self.batch([(values[0], values[1])])

    def batch(self, sequences: Sequence[Any]) -> PlacedBatch:
        """(tokens, place) pairs as a padded batch; raises GrammarError for a foreign token or a place outside."""
        for tokens, place in sequences:
            if not 0 <= place < len(tokens):
                raise GrammarError(f"expected a place from 0 to {len(tokens) - 1}, got {place}")
        tokens = super().batch([tokens for tokens, _ in sequences]).tokens
        return PlacedBatch(tokens, np.array([place for _, place in sequences], np.int64))


def places(alphabet: Sequence[str], labels: Sequence[str], *, with_loops: bool = True) -> Grammar:
    """The grammar of places over ``alphabet`` with programs that return one of ``labels``.

    Without loops it has what is said of places alone, and is searched deeper. Raises GrammarError for tokens or labels
    that are missing or repeated.
    """
    signature = PlacedSignature(tuple(alphabet), tuple(labels))
    known = [row for row in motifs(alphabet, labels).productions if _is_worth_it(row.operator, len(alphabet))]
    rows = [
        *[row for row in known if with_loops or not _is_of_loops(row.operator)],
        Production("Mask", SAME_AS_HERE),
        *[Production("Flag", near(offset), ("Symbol",), cost=1 + abs(offset)) for offset in (0, *OFFSETS)],
        Production("Flag", AT_START),
        Production("Flag", AT_END, cost=2),
        Production("Number", PLACE),
        *[Production("Number", count_of, ("Mask",), cost=2) for count_of in (UP_TO, BEFORE, AFTER)],
        Production("Number", DISTINCT, cost=2),
        *[Production("Number", modulo(m), ("Number",), cost=2) for m in MODULI],
        *[Production("Number", operator, ("Number", "Number"), cost=2) for operator in (PRODUCT, LEAST, GREATEST)],
    ]
    numbers = tuple(map(whole, alphabet))
    values = np.array([n if n is not None else order for order, n in enumerate(numbers)], np.int64)
    are_numbers = None not in numbers
    if not are_numbers:
        values = np.argsort(np.argsort(np.array(alphabet, dtype=object))).astype(np.int64)
    if len(alphabet) > 1:
        rows += [Production("Mask", compared(sign, values, are_numbers), cost=2) for sign in ("<", ">")]
    if are_numbers:
        rows += [
            Production("Number", value_here(values)),
            *[Production("Number", value_near(offset, values), cost=3) for offset in OFFSETS],
            Production("Number", total(values), cost=3),
        ]
    rows += _label_rows(signature, values, are_numbers)
    return Grammar(signature, "Label", tuple(dict.fromkeys(rows)))


def fixed_places(alphabet: Sequence[str], labels: Sequence[str], min_length: int, count: int) -> Grammar:
    """``motifs`` with tests on each of the first ``count`` tokens, for sequences that all have so many."""
    grammar = motifs(alphabet, labels, min_length=min_length)
    rows = [row for row in grammar.productions if _is_worth_it(row.operator, len(alphabet))]
    rows += [Production("Flag", at(place), ("Symbol",), cost=2) for place in range(1, count)]
    return Grammar(grammar.signature, "Label", tuple(rows))


def _is_worth_it(operator: Operator, tokens: int) -> bool:
    """Tests for either of two tokens are many where there are many tokens."""
    match operator.meaning:
        case TokenTest(either, is_complement=False):
            return tokens <= FEW or len(either) == 1
    return True


def _is_of_loops(operator: Operator) -> bool:
    """Rows of ``motifs`` that walk the whole sequence, and large constants."""
    match operator.meaning:
        case Constant(value):
            return value > LARGEST_CONSTANT
        case Multiple(factor):
            return factor > LARGEST_FACTOR
        case Fold() as fold:
            return fold is not folds.BEGINS_WITH
        case Remainder():
            return True
    return False


@maker
def at(place: int) -> Operator:
    """Whether the token at this place passes a test."""
    return Operator(
        f"at {place}",
        (MASK,),
        BOOL,
        numpy=lambda s, m: m[..., place] if m.shape[-1] > place else np.zeros(m.shape[:-1], bool),
        smt=lambda s, m: m[place],
        python=f"_0(tokens[{place}])",
        noun="there",
        needs_token=True,
    )


def whole(text: str) -> int | None:
    """The whole number that ``text`` writes as Python does, or None."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text else None


def _label_rows(signature: PlacedSignature, values: NDArray[np.int64], are_numbers: bool) -> list[Production]:
    """Labels that are tokens of the sequence, or numbers written out."""
    alphabet, labels = signature.alphabet, tuple(map(str, signature.labels))
    rows = []
    if set(alphabet) & set(labels):
        index = np.array([labels.index(t) if t in labels else NO_LABEL for t in alphabet] + [NO_LABEL], np.int64)
        rows += [Production("Label", operator) for operator in _tokens_as_labels(index)]
        if len(alphabet) > 1:
            rows += [Production("Label", ranked(way, index, values, are_numbers), cost=2) for way in (False, True)]
    whole_labels = [whole(text) for text in labels]
    has_digits = all(text.isdecimal() and text == str(int(text)) for text in labels)  # then motifs has a row for it
    if any(number is not None for number in whole_labels) and not has_digits:
        rows.append(Production("Label", written("whole", whole_labels, "str(_0)", None), ("Number",)))
    if any("." in text for text in labels):
        quotients = [_number(text) for text in labels]
        rows.append(Production("Label", written("share up to here", quotients, "str(_0 / (i + 1))", 1), ("Number",)))
        rows.append(Production("Label", written("share", quotients, "str(_0 / len(tokens))", 0), ("Number",)))
    return rows


def _number(text: str) -> float | None:
    try:
        return float(text) if str(float(text)) == text else None
    except ValueError:
        return None


# --- tests on one token, and on the tokens near here ------------------------------------------------------------


SAME_AS_HERE = Operator(
    "is the token here",
    (),
    MASK,
    numpy=lambda s: (s.tokens == s.at(s.place)[:, None]) & s.valid,
    smt=lambda s: tuple(
        s.manager.Or([s.manager.And(x, y) for x, y in zip(row, s.at[s.place], strict=True)]) for row in s.at
    ),
    python="token == tokens[i]",
)


@maker
def compared(sign: str, values: NDArray[np.int64], are_numbers: bool) -> Operator:
    """``token < tokens[i]``, as numbers or as texts."""
    test = np.less if sign == "<" else np.greater

    def run(s: Any) -> Any:
        return test(values[s.tokens], values[s.at(s.place)][:, None]) & s.valid

    def encode(s: Any) -> Any:
        pairs = [(t, h) for t, x in enumerate(values) for h, y in enumerate(values) if test(x, y)]
        here = s.at[s.place]
        return tuple(s.manager.Or([s.manager.And(row[t], here[h]) for t, h in pairs]) for row in s.at)

    name = "is less than here" if sign == "<" else "is more than here"
    text = f"int(token) {sign} int(tokens[i])" if are_numbers else f"token {sign} tokens[i]"
    return Operator(name, (), MASK, numpy=run, smt=encode, python=text)


@maker
def near(offset: int) -> Operator:
    """Whether the token at this distance from here passes a test; false outside the sequence."""

    def run(s: Any, mask: Any) -> Any:
        if not s.width:
            return np.zeros(mask.shape[:-1], bool)
        place = s.place + offset
        inside = (place >= 0) & (place < s.lengths)
        at = np.broadcast_to(np.clip(place, 0, s.width - 1), mask.shape[:-1])
        return np.take_along_axis(mask, at[..., None], -1)[..., 0] & inside

    def encode(s: Any, mask: Sequence[Any]) -> Any:
        place = s.place + offset
        return mask[place] if 0 <= place < s.length else s.manager.FALSE()

    return Operator(
        f"near {offset}",
        (MASK,),
        BOOL,
        numpy=run,
        smt=encode,
        python=_guarded(offset, f"_0(tokens[{_index(offset)}])"),
        noun="here" if not offset else "near",
    )


def _index(offset: int) -> str:
    return "i" if not offset else f"i + {offset}" if offset > 0 else f"i - {-offset}"


def _guarded(offset: int, text: str) -> str:
    if not offset:
        return text
    return f"i + {offset} < len(tokens) and {text}" if offset > 0 else f"i >= {-offset} and {text}"


AT_START = Operator(
    "at the start",
    (),
    BOOL,
    numpy=lambda s: s.place == 0,
    smt=lambda s: s.manager.Bool(s.place == 0),
    python="i == 0",
)

AT_END = Operator(
    "at the end",
    (),
    BOOL,
    numpy=lambda s: s.place == s.lengths - 1,
    smt=lambda s: s.manager.Bool(s.place == s.length - 1),
    python="i == len(tokens) - 1",
)


# --- numbers ----------------------------------------------------------------------------------------------------

PLACE = Operator(
    "place", (), INT, numpy=lambda s: s.place.astype(np.int64), smt=lambda s: s.manager.Int(s.place), python="i"
)


def _counting(name: str, slice_text: str, chosen: Callable[[Any, Any], Any]) -> Operator:
    """How many tokens of a part of the sequence pass a test; ``chosen(positions, place)`` says which part."""

    def run(s: Any, mask: Any) -> Any:
        part = chosen(np.arange(s.width), s.place[:, None])
        return (mask & part).sum(-1)

    def encode(s: Any, mask: Sequence[Any]) -> Any:
        m = s.manager
        part = [m.Ite(here, m.Int(1), m.Int(0)) for n, here in enumerate(mask) if chosen(n, s.place)]
        return m.Plus(part) if part else m.Int(0)

    text = f"sum(_0(token) for token in tokens[{slice_text}])"
    return Operator(name, (MASK,), INT, numpy=run, smt=encode, python=text, noun="count")


UP_TO = _counting("count up to here", ":i + 1", lambda n, place: n <= place)
BEFORE = _counting("count before", ":i", lambda n, place: n < place)
AFTER = _counting("count after", "i + 1:", lambda n, place: n > place)


def _distinct(s: Any) -> Any:
    letters = range(int(s.tokens.max(initial=0)) + 1)
    return sum(((s.tokens == letter).any(-1).astype(np.int64) for letter in letters), np.zeros(len(s.tokens), np.int64))


def _distinct_smt(s: Any) -> Any:
    m = s.manager
    seen = [m.Or(list(column)) for column in zip(*s.at, strict=True)]
    return m.Plus([m.Ite(one, m.Int(1), m.Int(0)) for one in seen])


DISTINCT = Operator(
    "distinct tokens", (), INT, numpy=_distinct, smt=_distinct_smt, python="len(set(tokens))", noun="kinds"
)


@maker
def modulo(modulus: int) -> Operator:
    """The remainder, from 0 on; in the solver by a fresh choice among the few there are."""

    def encode(s: Any, number: Any) -> Any:
        m = s.manager
        whole_part = m.ToInt(m.Div(m.ToReal(number), m.Real(modulus)))
        return m.Minus(number, m.Times(m.Int(modulus), whole_part))

    return Operator(
        f"modulo {modulus}",
        (INT,),
        INT,
        numpy=lambda s, a: a % modulus,
        smt=encode,
        python=f"_0 % {modulus}",
        noun="phase",
    )


PRODUCT = Operator(
    "product",
    (INT, INT),
    INT,
    numpy=lambda s, a, b: a * b,
    smt=lambda s, a, b: s.manager.Times(a, b),
    python="_0 * _1",
    commutative=True,
    noun="total",
    meaning=Combination.PRODUCT,
)
LEAST = Operator(
    "least",
    (INT, INT),
    INT,
    numpy=lambda s, a, b: np.minimum(a, b),
    smt=lambda s, a, b: s.manager.Ite(s.manager.LE(a, b), a, b),
    python="min(_0, _1)",
    commutative=True,
    noun="least",
)
GREATEST = Operator(
    "greatest",
    (INT, INT),
    INT,
    numpy=lambda s, a, b: np.maximum(a, b),
    smt=lambda s, a, b: s.manager.Ite(s.manager.GE(a, b), a, b),
    python="max(_0, _1)",
    commutative=True,
    noun="greatest",
)


def _value(s: Any, row: Sequence[Any], values: NDArray[np.int64]) -> Any:
    """The number of the token that a row of Booleans stands for."""
    m, result = s.manager, s.manager.Int(0)
    for here, value in zip(row, values, strict=True):
        result = m.Ite(here, m.Int(int(value)), result)
    return result


@maker
def value_here(values: NDArray[np.int64]) -> Operator:
    """The number of the token at the place asked for; ``values``: (tokens,), by index."""
    return Operator(
        "value here",
        (),
        INT,
        numpy=lambda s: values[s.at(s.place)],
        smt=lambda s: _value(s, s.at[s.place], values),
        python="int(tokens[i])",
    )


@maker
def value_near(offset: int, values: NDArray[np.int64]) -> Operator:
    """The value at this distance from here, or at the end that is nearer."""

    def run(s: Any) -> Any:
        return values[s.at(np.clip(s.place + offset, 0, np.maximum(s.lengths - 1, 0)))]

    def encode(s: Any) -> Any:
        return _value(s, s.at[min(max(s.place + offset, 0), s.length - 1)], values)

    bound = f"min(i + {offset}, len(tokens) - 1)" if offset > 0 else f"max(i - {-offset}, 0)"
    return Operator(f"value near {offset}", (), INT, numpy=run, smt=encode, python=f"int(tokens[{bound}])")


@maker
def total(values: NDArray[np.int64]) -> Operator:
    """The sum of the numbers of all tokens; ``values``: (tokens,), by index."""

    def encode(s: Any) -> Any:
        return s.manager.Plus([_value(s, row, values) for row in s.at])

    return Operator(
        "sum of values",
        (),
        INT,
        numpy=lambda s: np.where(s.valid, values[s.tokens], 0).sum(-1),
        smt=encode,
        python="sum(int(token) for token in tokens)",
        noun="total",
    )


# --- labels -----------------------------------------------------------------------------------------------------


def _as_label(s: Any, row: Sequence[Any], index: NDArray[np.int64]) -> Any:
    m, result = s.manager, s.manager.Int(NO_LABEL)
    for here, label in zip(row, index[:-1], strict=True):
        result = m.Ite(here, m.Int(int(label)), result)
    return result


@maker
def _tokens_as_labels(index: NDArray[np.int64]) -> list[Operator]:
    """Labels that are tokens: here, at the mirrored place, at both ends, and one place on, around the end."""
    chosen: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
        "token here": ("tokens[i]", lambda place, length: place),
        "token opposite": ("tokens[-1 - i]", lambda place, length: length - 1 - place),
        "first token": ("tokens[0]", lambda place, length: place * 0),
        "last token": ("tokens[-1]", lambda place, length: length - 1 + place * 0),
        "token before": ("tokens[i - 1]", lambda place, length: (place - 1) % length),
        "token after": ("tokens[(i + 1) % len(tokens)]", lambda place, length: (place + 1) % length),
    }

    def row(name: str, text: str, at: Callable[[Any, Any], Any]) -> Operator:
        return Operator(
            name,
            (),
            LABEL,
            numpy=lambda s: index[s.at(at(s.place, np.maximum(s.lengths, 1)))],
            smt=lambda s: _as_label(s, s.at[at(s.place, s.length)], index),
            python=text,
        )

    return [row(name, text, at) for name, (text, at) in chosen.items()]


@maker
def ranked(falling: bool, index: NDArray[np.int64], values: NDArray[np.int64], are_numbers: bool) -> Operator:
    """The token that stands here when the sequence is sorted."""
    order = np.argsort(-values if falling else values, kind="stable")
    rank = np.argsort(order)

    def run(s: Any) -> Any:
        ranks = np.sort(np.where(s.valid, rank[s.tokens], len(rank)), axis=-1)
        if not s.width:
            return np.full(len(s.tokens), NO_LABEL, np.int64)
        found = np.take_along_axis(ranks, s.place[:, None], -1)[:, 0]
        return np.append(index[order], NO_LABEL)[found]

    def encode(s: Any) -> Any:
        m, result = s.manager, s.manager.Int(NO_LABEL)
        for last in reversed(range(len(order))):  # the first token of the order that enough do not exceed
            upto = [m.Or([row[t] for t in order[: last + 1]]) for row in s.at]
            count = m.Plus([m.Ite(here, m.Int(1), m.Int(0)) for here in upto])
            result = m.Ite(m.GT(count, m.Int(s.place)), m.Int(int(index[order[last]])), result)
        return result

    options = ", key=int" * are_numbers + ", reverse=True" * falling
    name = "sorted down" if falling else "sorted"
    return Operator(name, (), LABEL, numpy=run, smt=encode, python=f"sorted(tokens{options})[i]")


@maker
def written(name: str, numbers: Sequence[float | None], text: str, divisor: int | None) -> Operator:
    """The label that writes a number, or its quotient by the tokens up to here (1) or all (0)."""

    def run(s: Any, number: Any) -> Any:
        by = 1 if divisor is None else s.place + 1 if divisor else np.maximum(s.lengths, 1)
        result = np.full(number.shape, NO_LABEL, np.int64)
        for label, value in enumerate(numbers):
            if value is not None:
                result[number / by == value] = label
        return result

    def encode(s: Any, number: Any) -> Any:
        m, result = s.manager, s.manager.Int(NO_LABEL)
        by = 1 if divisor is None else s.place + 1 if divisor else s.length
        for label, value in enumerate(numbers):
            if value is not None and round(value * by) / by == value:
                result = m.Ite(m.Equals(number, m.Int(round(value * by))), m.Int(label), result)
        return result

    return Operator(name, (INT,), LABEL, numpy=run, smt=encode, python=text)
