"""A behaviour: what a circuit should keep of a network. Its own labels, pairs in a file, or a Python function.

    own labels                 every sequence of the domain, with the label that the network is proved to give
    pairs.jsonl                a line for each sequence: {"tokens": ["a", "b"], "label": "yes"}
    function(tokens) -> label  on every sequence of the domain; or an object with such a ``label`` and a ``domain``

A label is what the read-out gives: the name of an output (argmax), a list of names (set) or a number (round); a list of
these where every position is read; None where nothing is asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from cegis import Domain
from tasks.formats import Loaded
from tasks.formats.reading import read_bytes
from tasks.formats.untrusted import object_of, parse_json, texts_of
from tasks.networks.quoting import shown
from tasks.networks.readout import UNDECIDED, Argmax, Labels, Readout, Rounded, TokenSet
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.enumeration import Answers, Enumeration

Words = tuple[str, ...]
MOST_PAIRS = 1_000_000
SLACK = Fraction(1, 10**9)  # of a fraction that is given as a float
LARGEST = 2**40  # of a number that is a label, in units


@dataclass(frozen=True)
class Behaviour:
    """``name`` in words; ``answer`` gives a label's value for a sequence, ``pairs`` those of the listed ones alone.

    With neither, the network's own labels. ``domain``: what it is about, None for the network's own.
    """

    name: str = "the network's own labels"
    answer: Callable[[Words], object] | None = None
    pairs: Mapping[Words, object] | None = None
    domain: Domain | None = None

    @property
    def tokens(self) -> tuple[str, ...] | None:
        """Those of its domain or its pairs; None where it names none."""
        if self.domain is not None:
            return self.domain.alphabet
        return None if self.pairs is None else tuple(dict.fromkeys(token for words in self.pairs for token in words))

    @property
    def is_own(self) -> bool:
        """Whether it is what the network says itself."""
        return self.answer is None and self.pairs is None


OWN = Behaviour()


def from_pairs(path: Path) -> Behaviour:
    """The behaviour in a file of lines of JSON; raises NetworkError for a line that is none, or two answers."""
    pairs: dict[Words, object] = {}
    for number, line in enumerate(read_bytes(path).splitlines(), 1):
        if not line.strip():
            continue
        what = f"{path}, line {number}"
        entry = object_of(what, parse_json(f"{what}: not JSON", line), ("tokens", "label"))
        tokens = texts_of(f"{what}: tokens", entry["tokens"])
        if pairs.setdefault(tokens, entry["label"]) != entry["label"]:
            raise NetworkError(f"{what}: {shown(' '.join(tokens))!r} has another label further up; expected one each")
        if len(pairs) > MOST_PAIRS:
            raise NetworkError(f"{path}: expected at most {MOST_PAIRS:,} pairs")
    if not pairs:
        raise NetworkError(f'{path}: expected a line of JSON for each sequence, {{"tokens": [...], "label": ...}}')
    return Behaviour(f"the {len(pairs):,} pairs of {path.name}", pairs=pairs)


def from_task(found: object, name: str) -> Behaviour:
    """The behaviour that ``found`` is: a function of a sequence, an object with ``label``, or a function without
    parameters that makes one. Raises NetworkError for anything else.
    """
    if callable(found) and (isinstance(found, type) or not hasattr(found, "label")) and _takes_nothing(found):
        found = found()
    answer, domain = getattr(found, "label", found), getattr(found, "domain", None)
    if not callable(answer):
        raise NetworkError(
            f"{name}: expected a function from a sequence of tokens to its label, or an object with such a function as "
            f"label, got {type(found).__name__}"
        )
    if domain is not None and not isinstance(domain, Domain):
        raise NetworkError(f"{name}: expected its domain to be a cegis.Domain, got {type(domain).__name__}")
    return Behaviour(name, answer=answer, domain=domain)


def _takes_nothing(function: Callable[..., object]) -> bool:
    try:
        return not inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def over(model: Loaded, behaviour: Behaviour) -> Loaded:
    """``model`` asked about the behaviour's own domain, or, of pairs, about their lengths."""
    domain, own = behaviour.domain, model.domain
    if domain is not None:
        unknown = [token for token in domain.alphabet if token not in model.vocabulary]
        if unknown:
            raise NetworkError(
                f"{model.name}: the domain of {behaviour.name} has a token it does not know: {unknown[0]!r}"
            )
        longest = model.network.longest - len(model.prefix) - len(model.suffix)
        return replace(model, domain=domain.up_to(min(longest, domain.max_length or longest)))
    if behaviour.pairs is not None:
        for words in behaviour.pairs:
            unknown = [token for token in words if token not in own.alphabet]
            if unknown:
                raise NetworkError(
                    f"{model.name}: {behaviour.name} hold {unknown[0]!r}, which is not in its alphabet "
                    f"({' '.join(own.alphabet[:40])}); name the tokens that sequences may hold (alphabet)"
                )
        lengths = [len(words) for words in behaviour.pairs]
        if max(lengths) > (own.max_length or 0):
            raise NetworkError(f"{model.name}: a pair has {max(lengths)} tokens; expected at most {own.max_length}")
        return replace(model, domain=Domain(own.alphabet, min(lengths), max(lengths), own.constraint))
    return model


def asked(behaviour: Behaviour, listed: Enumeration) -> tuple[Answers, ...]:
    """The sequences of ``listed`` on which something is asked, by length, each with its label, UNDECIDED for none.

    Raises NetworkError for a label that the read-out cannot give.
    """
    if behaviour.is_own:
        return listed.lengths
    readout, domain = listed.loaded.readout, listed.domain
    if behaviour.pairs is not None:
        return _pairs(behaviour, listed.loaded)
    assert behaviour.answer is not None
    parts = []
    for part in listed.lengths:
        labels = np.full(part.labels.shape, UNDECIDED, np.int64)
        for row, sequence in enumerate(part.sequences):
            words = domain.words(sequence)
            try:
                value = behaviour.answer(words)
            except Exception as error:
                raise NetworkError(
                    f"{behaviour.name} failed on {shown(' '.join(words))!r} with {type(error).__name__}: {error}"
                ) from error
            labels[row] = labels_of(behaviour.name, readout, words, value)
        parts.append(Answers(part.sequences, labels, np.zeros(labels.shape)))
    return tuple(parts)


def _pairs(behaviour: Behaviour, model: Loaded) -> tuple[Answers, ...]:
    assert behaviour.pairs is not None
    index = {token: n for n, token in enumerate(model.domain.alphabet)}
    by_length: dict[int, list[Words]] = {}
    for words in behaviour.pairs:
        by_length.setdefault(len(words), []).append(words)
    parts = []
    for length, listed in sorted(by_length.items()):
        rows = np.array([[index[word] for word in words] for words in sorted(listed)], np.int8).reshape(-1, length)
        labels = np.array(
            [labels_of(behaviour.name, model.readout, words, behaviour.pairs[words]) for words in sorted(listed)],
            np.int64,
        )
        parts.append(Answers(rows, labels, np.zeros(labels.shape)))
    return tuple(parts)


def labels_of(what: str, readout: Readout, words: Words, value: Any) -> Labels:
    """The label that ``value`` is, or those of all positions, as integers of the read-out."""
    if readout.position == "last":
        return np.array(_label(what, readout, words, value))
    if value is None:
        return np.full(len(words), UNDECIDED)
    if not isinstance(value, list | tuple) or len(value) != len(words):
        raise NetworkError(f"{what}: expected a label for each of the {len(words)} positions of {words}, got {value!r}")
    return np.array([_label(what, readout, words, one) for one in value], np.int64)


def _label(what: str, readout: Readout, words: Words, value: Any) -> int:
    if value is None:
        return UNDECIDED
    match readout:
        case Argmax(names) if isinstance(value, str) and value in names:
            return names.index(value)
        case Argmax(names):
            expected = f"one of {', '.join(map(repr, names[:20]))}"
        case TokenSet(names):
            if isinstance(value, list | tuple | set | frozenset) and all(name in names for name in value):
                return sum(1 << names.index(name) for name in set(value))
            expected = f"a list of some of {', '.join(map(repr, names[:20]))}"
        case Rounded():
            if isinstance(value, (int, float, Fraction)) and -LARGEST < value * readout.unit < LARGEST:
                nearest = Fraction(value).limit_denominator(readout.denominator)
                if abs(nearest - Fraction(value)) < SLACK:
                    return int(nearest * readout.unit)
            expected = f"a number with a denominator of at most {readout.denominator}"
    raise NetworkError(
        f"{what}: expected {expected} as the label of {shown(' '.join(words))!r}, got {shown(repr(value))}"
    )
