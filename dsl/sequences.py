"""The inputs of sequence programs: a numpy batch for search, solver symbols for proof.

A batch pads on the right with ``PAD``; a symbolic sequence has one fixed length and one Boolean per position and
token, exactly one of which is true per position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dsl.operators import LABEL, GrammarError, Sort
from dsl.showing import brief, cut

PAD = -1
NO_LABEL = -2
MAX_TEXTS = 127  # tokens and labels are kept as int8
MOST_SHOWN = 80  # letters of a foreign value
Label = str | int  # a bool is an int


@dataclass(frozen=True)
class SequenceBatch:
    """``tokens``: (sequences, width) indices into the alphabet, padded on the right with -1."""

    tokens: NDArray[np.int8]

    __repr__ = brief

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Which positions hold a token: (sequences, width)."""
        mask: NDArray[np.bool_] = self.tokens != PAD
        return mask

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(sequences,)"""
        counts: NDArray[np.int64] = self.valid.sum(axis=1)
        return counts

    @cached_property
    def last(self) -> NDArray[np.int8]:
        """The last token of each sequence, PAD for an empty one: (sequences,)."""
        if not self.tokens.shape[1]:
            return np.full(len(self.tokens), PAD, np.int8)
        return self.tokens[np.arange(len(self.tokens)), np.maximum(self.lengths - 1, 0)]

    @property
    def examples(self) -> int:
        """How many sequences there are."""
        return len(self.tokens)

    @property
    def width(self) -> int:
        """How many positions the longest may have."""
        return int(self.tokens.shape[1])

    @property
    def has_empty(self) -> bool:
        """Whether some sequence is empty."""
        return not self.lengths.all()

    def part(self, start: int, stop: int) -> SequenceBatch:
        """The sequences from ``start`` to before ``stop``."""
        return SequenceBatch(self.tokens[start:stop])

    def rows(self, chosen: NDArray[np.int64]) -> Self:
        """The sequences of these numbers, in this order."""
        return type(self)(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def joined(self, other: SequenceBatch) -> SequenceBatch:
        """The sequences of both, as wide as the wider."""
        width = max(self.width, other.width)
        return SequenceBatch(np.concatenate([self.widened(width).tokens, other.widened(width).tokens]))

    def widened(self, width: int) -> SequenceBatch:
        """The same sequences, padded to at least ``width`` positions."""
        missing = width - self.tokens.shape[1]
        if missing <= 0:
            return self
        return SequenceBatch(np.pad(self.tokens, ((0, 0), (0, missing)), constant_values=PAD))


@dataclass(frozen=True)
class SymbolicSequence:
    """``at[position][token]``: the Boolean "this token stands at this position"; built with one formula manager."""

    manager: Any
    at: tuple[tuple[Any, ...], ...]

    @property
    def length(self) -> int:
        """How many positions it has."""
        return len(self.at)

    def exactly_one_token_each(self) -> Any:
        """The formula that makes the Booleans a sequence."""
        return self.manager.And([self.manager.ExactlyOne(row) for row in self.at])

    def counts_add_up(self) -> Any:
        """That tokens are as many as positions, which ``exactly_one_token_each`` says, too, but no sum of it."""
        m = self.manager
        ones = [m.Ite(here, m.Int(1), m.Int(0)) for token in zip(*self.at, strict=True) for here in token]
        return m.Equals(m.Plus(ones), m.Int(self.length)) if ones else m.TRUE()


@dataclass(frozen=True)
class SequenceSignature:
    """What a sequence program reads and returns: tokens of ``alphabet`` in, one of ``labels`` out.

    >>> signature = SequenceSignature(("a", "b"), ("yes", "no"))
    >>> signature.batch([("a", "b"), ("b",)]).tokens.tolist()
    [[0, 1], [1, -1]]
    """

    alphabet: tuple[str, ...]
    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.alphabet, tuple) or not all(isinstance(token, str) for token in self.alphabet):
            raise GrammarError(
                f"expected the alphabet as a tuple of tokens, such as ('a', 'b'), got {cut(repr(self.alphabet), 80)}"
            )
        if not isinstance(self.labels, tuple | list):
            raise GrammarError(
                f"expected the labels as a tuple, such as ('yes', 'no'), got {cut(repr(self.labels), 80)}"
            )
        labels = tuple(plain_label(label) for label in self.labels)
        if len({type(label) for label in labels}) > 1:
            raise GrammarError(f"expected labels to be all texts, all whole numbers or all Booleans, got {labels!r}")
        object.__setattr__(self, "labels", labels)
        for what, texts in (("tokens", self.alphabet), ("labels", labels)):
            if not 1 <= len(texts) <= MAX_TEXTS or len(set(texts)) != len(texts):
                raise GrammarError(
                    f"expected 1 to {MAX_TEXTS} different {what}, got {len(texts)}: {cut(repr(texts), 80)}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """What a program's text calls the parameters."""
        return ("tokens",)

    @property
    def result(self) -> Sort:
        """The sort of a program's value."""
        return LABEL

    def function_name(self, name: str) -> str:
        """What a program's text calls a function of this name."""
        return name

    def header(self, name: str) -> str:
        """The first line of a program's text."""
        return f"def {name}(tokens: list[str]) -> {type(self.labels[0]).__name__}:"

    def example(self, *values: Any) -> SequenceBatch:
        """One sequence of token names as a batch; raises GrammarError for anything but one sequence of tokens."""
        if len(values) != 1:
            raise GrammarError(f"expected one sequence of tokens, got {len(values)} values")
        if not isinstance(values[0], Sequence):
            raise GrammarError(f"expected a sequence of tokens, such as ['a', 'b'], got {cut(repr(values[0]), 80)}")
        return self.batch(values)

    def answer(self, value: Any) -> Label | None:
        """The label that a program's value stands for, None where it stands for none."""
        return self.labels[int(value)] if value >= 0 else None

    def batch(self, sequences: Sequence[Sequence[str]]) -> SequenceBatch:
        """Token names as a padded batch; raises GrammarError for a token outside the alphabet."""
        index = {token: number for number, token in enumerate(self.alphabet)}
        tokens = np.full((len(sequences), max(map(len, sequences), default=0)), PAD, np.int8)
        for row, sequence in enumerate(sequences):
            for column, token in enumerate(sequence):
                if token not in index:
                    raise GrammarError(f"unknown token {token!r}; the alphabet is {', '.join(self.alphabet)}")
                tokens[row, column] = index[token]
        return SequenceBatch(tokens)

    def symbols(self, manager: Any, length: int) -> SymbolicSequence:
        """Solver symbols ``tok_<position>_<token index>`` for one length (shared by name between calls)."""
        return SymbolicSequence(
            manager,
            tuple(
                tuple(manager.Symbol(f"tok_{position}_{token}") for token in range(len(self.alphabet)))
                for position in range(length)
            ),
        )

    def decode(self, model: Mapping[str, Any], length: int) -> tuple[str, ...]:
        """The sequence a solver's model stands for; raises GrammarError if a position has not exactly one token."""
        sequence = []
        for position in range(length):
            here = [t for t in range(len(self.alphabet)) if model[f"tok_{position}_{t}"]]
            if len(here) != 1:
                raise GrammarError(f"the model puts {len(here)} tokens at position {position}, expected one")
            sequence.append(self.alphabet[here[0]])
        return tuple(sequence)

    def label_index(self, label: object) -> int:
        """The index of a label; raises GrammarError for an unknown one, or a number for a text and the like."""
        plain: Label | None
        try:
            plain = plain_label(label)
        except GrammarError:
            plain = None
        if type(plain) is not type(self.labels[0]) or plain not in self.labels:
            raise GrammarError(f"unknown label {shown(label)}; the labels are {', '.join(map(repr, self.labels))}")
        return self.labels.index(plain)


def plain_label(label: object) -> Label:
    """A label as a plain str, bool or int, numpy's included; raises GrammarError for anything else.

    >>> plain_label(np.True_), plain_label(np.int8(3))
    (True, 3)
    """
    if isinstance(label, str):
        return str.__str__(label)  # without what a subclass makes of it
    if isinstance(label, bool | np.bool_):
        return bool(label)
    if isinstance(label, int | np.integer):
        return int.__index__(label) if isinstance(label, int) else int(label)
    raise GrammarError(f"expected every label to be a str, int or bool, got {shown(label)}")


def shown(value: object) -> str:
    """A foreign value for an error: its type, and its text on one line of at most 80 letters."""
    try:
        text = repr(value)
    except Exception:
        text = "(it has no text)"
    text = "".join(letter if letter.isprintable() else " " for letter in text[:1000])
    short = text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "..."
    return short if value is None or type(value) is str else f"{short} of type {type(value).__name__}"
