"""``case.json``, an optional file beside a network that says which sequences it was trained for and how it is read.

Understood are ``tokens`` (name to id), ``language`` (alphabet, and an automaton of which every prefix is in the
domain), ``ground_truth.alphabet`` where there is no language, ``input.sequence`` (token names before and after the
symbols) and ``read_out.kind``: ``next_token_set``,
``argmax_last``, ``greedy_digits`` and ``greedy_tokens``, where a label is the next token, or ``accept_reject``.
``ground_truth.elements`` is what each token stands for, where that is an element of a group; it is a hint for the
search, and nothing is believed of it. All else in it is commentary for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from cegis.domain import DEAD, Constraint, DomainError
from tasks.formats.reading import read_object
from tasks.formats.untrusted import line_of, list_of, object_of, texts_of, whole_of
from tasks.networks.model import Question
from tasks.networks.sparse_transformer import NetworkError

FILE = "case.json"
RANGE, MOST_NAMES = re.compile(r"(\d{1,6})\.\.(\d{1,6})"), 2**16
READOUTS = {
    "next_token_set": ("set", 0),
    "argmax_last": ("argmax", 1),
    "greedy_digits": ("argmax", 1),
    "greedy_tokens": ("argmax", 1),
    "accept_reject": ("argmax", 0),
}  # the read-out, the shortest sequence


@dataclass(frozen=True)
class Case:
    """What the file says; empty (or None) where it says nothing."""

    name: str
    vocabulary: tuple[str, ...]
    question: Question
    constraint: Constraint | None


def read_case(folder: Path) -> Case:
    """The description in ``folder``, or an empty one; raises NetworkError for a file that makes no sense."""
    if not (folder / FILE).is_file():
        return Case("", (), Question(), None)
    said, what = read_object(folder / FILE), str(folder / FILE)
    vocabulary = vocabulary_of(what, said["tokens"]) if isinstance(said.get("tokens"), dict) else ()
    language = object_of(f"{what}: language", said.get("language", {}), None)
    truth = object_of(f"{what}: ground_truth", said.get("ground_truth", {}), None) if not language else {}
    letters = language.get("alphabet", truth.get("alphabet"))
    alphabet = None if letters is None else texts_of(f"{what}: alphabet", letters)
    kind = object_of(f"{what}: read_out", said.get("read_out", {}), None).get("kind")
    if kind is not None and not isinstance(kind, str):
        raise NetworkError(f"{what}: read_out.kind should be a text, got {kind!r}")
    readout, shortest = READOUTS.get(kind or "", (kind, 0))  # an unknown kind is refused unless the caller names one
    sequence = object_of(f"{what}: input", said.get("input", {}), None).get("sequence", "")
    prefix, suffix, fixed = _around(str(sequence), vocabulary) if sequence else (None, None, None)
    shortest = shortest if prefix or suffix else max(shortest, 1)
    lengths = None if kind is None else (shortest, None) if fixed is None else (fixed, fixed)
    return Case(
        name=line_of(f"{what}: name", said.get("name", "")),
        vocabulary=vocabulary,
        question=Question(
            alphabet=alphabet,
            prefix=prefix,
            suffix=suffix,
            readout=readout,
            lengths=lengths,
            elements=elements_of(truth.get("elements")),
        ),
        constraint=_prefixes(what, language, alphabet) if alphabet and "transitions" in language else None,
    )


def elements_of(listed: object) -> tuple[Any, ...] | None:
    """Texts, or lists of whole numbers or of such lists, as tuples; None for anything else.

    >>> elements_of(["01", "10"]), elements_of([[0, 1], [1, 0]]), elements_of("01")
    (('01', '10'), ((0, 1), (1, 0)), None)
    """
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_NAMES:
        return None
    if all(isinstance(element, str) for element in listed):
        return tuple(listed)
    if all(isinstance(element, list) and all(type(x) is int for x in element) for element in listed):
        return tuple(map(tuple, listed))
    inner = [elements_of(element) if isinstance(element, list) else None for element in listed]
    is_known = all(found is not None and all(isinstance(row, tuple) for row in found) for found in inner)
    return tuple(inner) if is_known else None


def vocabulary_of(what: str, tokens: dict[str, Any]) -> tuple[str, ...]:
    """Names in the order of their ids, which must be 0, 1, 2, ...

    A name such as ``0..9`` with a text for its id stands for the ten numbers, each of which is its own id.
    """
    ranges = {name: RANGE.fullmatch(name) for name, n in tokens.items() if isinstance(n, str)}
    spans = {name: range(int(found[1]), int(found[2]) + 1) for name, found in ranges.items() if found}
    if sum(map(len, spans.values())) > MOST_NAMES:
        raise NetworkError(f"{what}: tokens should be at most {MOST_NAMES:,}, got the range {next(iter(spans))}")
    numbers = {str(n): n for span in spans.values() for n in span}
    if numbers.keys() & tokens.keys() or len(numbers) != sum(map(len, spans.values())):
        raise NetworkError(f"{what}: a token is named twice, in a range such as {next(iter(spans))}")
    tokens = {**numbers, **{name: n for name, n in tokens.items() if name not in spans}}
    ids = {whole_of(f"{what}: the id of {name!r}", n): name for name, n in tokens.items()}
    if sorted(ids) != list(range(len(tokens))):
        raise NetworkError(f"{what}: tokens should have the ids 0 to {len(tokens) - 1}, got {sorted(ids)[:10]}")
    return tuple(ids[n] for n in range(len(ids)))


def _around(sequence: str, vocabulary: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...], int | None]:
    """Token names that begin and end the description, as in ``<bos> b1 ... bn <sep>``; a number there is none.

    What stands in round brackets, or behind a semicolon, is for people. In a list of single words, such as
    ``a, b, 113 (equals sign)``, a number at the end is the id of a token that is no number, and the other words are all
    that there are: their number is given too.
    """
    words = re.sub(r"\([^()]*\)", "", sequence.split(";")[0]).replace(",", " , ").split()
    is_list = "," in words and all((word == ",") == bool(n % 2) for n, word in enumerate(words))
    words = [word for word in words if word != "," or "," in vocabulary]
    ends = is_list and words[-1].isdecimal() and int(words[-1]) < len(vocabulary)
    if ends and not vocabulary[int(words[-1])].isdecimal():
        words[-1] = vocabulary[int(words[-1])]
    inside = [n for n, word in enumerate(words) if word not in vocabulary or word.isdecimal()]
    if not inside:
        return (), (), None
    return tuple(words[: inside[0]]), tuple(words[inside[-1] + 1 :]), len(inside) if is_list and ends else None


def _prefixes(what: str, language: dict[str, Any], alphabet: tuple[str, ...]) -> Constraint:
    """Every sequence on which the automaton does not die (each of its states can still reach acceptance)."""
    states = texts_of(f"{what}: states", list_of(f"{what}: states", language.get("states")))
    moves = object_of(f"{what}: transitions", language["transitions"], None)
    start = language.get("start")
    if start not in states:
        raise NetworkError(f"{what}: the start state {start!r} is not among the states {', '.join(states)}")
    order = (start, *(state for state in states if state != start))
    rows = []
    for state in order:
        targets = object_of(f"{what}: transitions of {state!r}", moves.get(state, {}), None)
        if set(targets) - set(alphabet) or not all(target in states for target in targets.values()):
            raise NetworkError(f"{what}: transitions of {state!r} leave the alphabet or the states")
        rows.append(tuple(order.index(targets[token]) if token in targets else DEAD for token in alphabet))
    text = "prefixes of: " + line_of(f"{what}: words", language.get("words", "the language"))
    return Constraint(text, tuple(rows), tuple(True for _ in order))


class Shown(Protocol):
    """What prompts show: a structured domain."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """Those of its prompts and answers."""


S = TypeVar("S", bound=Shown)


def read_shown(
    folder: Path,
    vocabulary: tuple[str, ...],
    name: str,
    of_fields: Callable[[str, object], S],
    of_words: Callable[[dict[str, Any], dict[str, Any], tuple[str, ...]], S | None],
) -> S | None:
    """What prompts show, as the folder's file describes it: by fields, ``input.NAME``, or in words.

    None where it describes nothing of the kind. Raises NetworkError.
    """
    if not (folder / FILE).is_file():
        return None
    said, what = read_object(folder / FILE), str(folder / FILE)
    given = object_of(f"{what}: input", said.get("input", {}), None)
    try:
        is_by_fields = name in given
        found = of_fields(f"{what}: input.{name}", given[name]) if is_by_fields else of_words(said, given, vocabulary)
    except DomainError as error:
        raise NetworkError(f"{what}: {error}") from error
    unknown = [token for token in (() if found is None else found.tokens) if token not in vocabulary]
    if unknown:
        raise NetworkError(f"{what}: the {name}' token {unknown[0]!r} is not in the vocabulary")
    return found
