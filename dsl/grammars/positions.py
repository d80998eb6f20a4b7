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

from dsl.grammar import Grammar, Production, Written
from dsl.grammars import codes, folds, selections, texts
from dsl.grammars.groups import Products
from dsl.grammars.motifs import BALANCE, LATCH, MODULI, TOGGLE, clipped, modular, motifs
from dsl.grammars.selections import order_of, whole
from dsl.grammars.tables import Tables
from dsl.meaning import Combination, Constant, Divided, Fold, Multiple, Remainder, TokenTest
from dsl.operators import BOOL, INT, LABEL, MASK, GrammarError, Operator
from dsl.references import maker
from dsl.sequences import NO_LABEL, Label, SequenceBatch, SequenceSignature, SymbolicSequence

FEW = 6  # tokens; with more, tests for either of two are left out
OFFSETS = (-1, 1, -2, 2)
DIVISORS = range(2, 11)
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
    """What a program of places reads and returns: tokens of ``alphabet`` and a place in, one of ``labels`` out.

    >>> PlacedSignature(("a", "b"), ("yes", "no")).names
    ('tokens', 'i')
    """

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


def places(
    alphabet: Sequence[str], labels: Sequence[str], *, with_loops: bool = True, with_letters: bool = True
) -> Grammar:
    """The grammar of places over ``alphabet`` with programs that return one of ``labels``.

    Without loops it has what is said of places alone, and is searched deeper; without letters, tokens are whole. Raises
    GrammarError for tokens or labels that are missing or repeated.

    >>> places(("a", "b"), ("yes", "no")).signature.names
    ('tokens', 'i')
    """
    signature = PlacedSignature(tuple(alphabet), tuple(labels))
    base = motifs(alphabet, labels)
    known = [row for row in base.productions if _is_worth_it(row.operator, len(alphabet))]
    rows = [
        *[row for row in known if with_loops or not _is_of_loops(row.operator)],
        Production("Mask", SAME_AS_HERE),
        *[Production("Flag", near(offset), ("Symbol",), cost=1 + abs(offset)) for offset in (0, *OFFSETS)],
        Production("Flag", AT_START),
        Production("Flag", AT_END, cost=2),
        Production("Number", PLACE),
        *[Production("Number", count_of, ("Mask",), cost=2) for count_of in (UP_TO, BEFORE, AFTER)],
        *([row for row in _loops_up_to_here() if with_loops]),
        *(arithmetic() if with_loops else arithmetic((2, 3))),
    ]
    numbers = tuple(map(whole, alphabet))
    are_numbers = None not in numbers
    if len(alphabet) > 1:
        values = order_of(alphabet)
        rows += [Production("Mask", compared(sign, values, are_numbers), cost=2) for sign in ("<", ">")]
    names = tuple(map(str, signature.labels))
    rows += selections.productions(alphabet, names, is_placed=True, is_whole=with_loops)
    rows += [*texts.productions(alphabet, names), *codes.productions(alphabet, names)] if with_letters else []
    rows += texts.label_rows(alphabet, names)
    rows += _label_rows(signature)
    tables = Tables(signature.alphabet, names)
    return Grammar(signature, "Label", tuple(dict.fromkeys(rows)), written=(*base.written, tables))


def _loops_up_to_here() -> list[Production]:
    """Rows of ``motifs`` that walk the sequence, as far as the place."""
    return [
        Production("Number", up_to_here(clipped(None)), ("Symbol", "Symbol"), cost=4),
        Production("Number", up_to_here(BALANCE), ("Symbol", "Symbol"), cost=4),
        Production("Flag", up_to_here(LATCH), ("Symbol", "Symbol"), cost=4),
        Production("Flag", up_to_here(TOGGLE), ("Symbol",), cost=3),
    ]


@maker
def up_to_here(loop: Operator) -> Operator:
    """A row that walks the sequence and changes nothing at tokens that meet no test, as far as the place."""

    def run(s: Any, *masks: Any) -> Any:
        inside = np.arange(s.width) <= s.place[:, None]
        return loop.numpy(s, *(mask & inside for mask in masks))

    def encode(s: Any, *masks: Sequence[Any]) -> Any:
        false = s.manager.FALSE()
        cut = ([here if n <= s.place else false for n, here in enumerate(mask)] for mask in masks)
        return loop.smt(s, *cut)

    return Operator(
        f"{loop.name} up to here",
        loop.arguments,
        loop.result,
        numpy=run,
        smt=encode,
        python=loop.python.replace("in tokens:", "in tokens[:i + 1]:"),
        noun=loop.noun,
    )


def arithmetic(divisors: Sequence[int] = DIVISORS) -> list[Production]:
    """What is done with numbers beside adding them."""
    return [
        *[Production("Number", modulo(m), ("Number",), cost=2 if m <= 3 else 3) for m in divisors],
        *[Production("Number", divided(m), ("Number",), cost=2 if m == 2 else 3) for m in divisors],
        Production("Number", ABSOLUTE, ("Number",), cost=2),
        Production("Number", NEGATIVE, ("Number",), cost=2),
        *[Production("Number", operator, ("Number", "Number"), cost=2) for operator in (PRODUCT, LEAST, GREATEST)],
    ]


def fixed_places(
    alphabet: Sequence[str],
    labels: Sequence[Label],
    min_length: int,
    count: int,
    *,
    with_tokens: bool = False,
    with_letters: bool = False,
) -> Grammar:
    """``motifs`` with tests on each of the first ``count`` tokens, for sequences that all have so many.

    ``with_tokens``: and with answers that are tokens, and more arithmetic; ``with_letters``: with the letters of these.
    """
    grammar = motifs(alphabet, labels, min_length=min_length)
    rows = [row for row in grammar.productions if _is_worth_it(row.operator, len(alphabet))]
    rows += [Production("Flag", at(place), ("Symbol",), cost=2) for place in range(1, count)]
    more: tuple[Written, ...] = ()
    texts_of = tuple(label for label in labels if isinstance(label, str))
    if with_tokens:
        rows += arithmetic()
        rows += [Production("Number", modular(m), ("Mask",), cost=2) for m in MODULI]  # it is read before modulo(m)
        if texts_of and min_length:
            rows += [
                *selections.productions(alphabet, texts_of, min_length=min_length),
                *texts.label_rows(alphabet, texts_of),
            ]
    if with_letters and texts_of and min_length:
        rows += [*texts.productions(alphabet, texts_of), *codes.productions(alphabet, texts_of)]
    if texts_of:
        tokens = grammar.sequences.alphabet
        more = (Tables(tokens, texts_of), Products(tokens, texts_of))
    return Grammar(grammar.signature, "Label", tuple(dict.fromkeys(rows)), written=(*grammar.written, *more))


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


def _label_rows(signature: PlacedSignature) -> list[Production]:
    """Labels that are numbers written out."""
    labels = tuple(map(str, signature.labels))
    rows = []
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


@maker
def modulo(modulus: int) -> Operator:
    """The remainder, from 0 on."""

    def encode(s: Any, number: Any) -> Any:
        m = s.manager
        return m.Minus(number, m.Times(m.Int(modulus), m.Div(number, m.Int(modulus))))

    return Operator(
        f"modulo {modulus}",
        (INT,),
        INT,
        numpy=lambda s, a: a % modulus,
        smt=encode,
        python=f"_0 % {modulus}",
        noun="phase",
        meaning=Divided(modulus),
    )


@maker
def divided(divisor: int) -> Operator:
    """The whole part of a quotient, rounded down."""
    return Operator(
        f"divided by {divisor}",
        (INT,),
        INT,
        numpy=lambda s, a: a // divisor,
        smt=lambda s, a: s.manager.Div(a, s.manager.Int(divisor)),  # of integers: rounded down
        python=f"_0 // {divisor}",
        noun="part",
        meaning=Divided(divisor),
    )


ABSOLUTE = Operator(
    "absolute",
    (INT,),
    INT,
    numpy=lambda s, a: np.abs(a),
    smt=lambda s, a: s.manager.Ite(s.manager.GE(a, s.manager.Int(0)), a, s.manager.Minus(s.manager.Int(0), a)),
    python="abs(_0)",
    noun="size",
)
NEGATIVE = Operator(
    "negative",
    (INT,),
    INT,
    numpy=lambda s, a: -a,
    smt=lambda s, a: s.manager.Minus(s.manager.Int(0), a),
    python="-_0",
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


# --- labels -----------------------------------------------------------------------------------------------------


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
