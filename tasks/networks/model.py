"""A network ready to be asked: which sequences it may see, how they become prompts, and how its logits become labels.

    prompt = prefix + sequence + suffix          (token names of the vocabulary)
    label  = readout(logits at the last row)     or at every row that belongs to the sequence

A folder says some of this about itself; a ``Question`` is what the caller says instead. What neither says has a
default: every token that is not in prefix or suffix is in the alphabet, the longest sequence is what the network
takes, and the read-out is the argmax over all outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis.claim import limits
from cegis.domain import MAX_ALPHABET, Constraint, Domain
from cegis.lists import Lists
from cegis.operands import Operands
from dsl.showing import cut, panel_html, table_html, words_html
from tasks.networks.interpreter import check_ids, logits
from tasks.networks.readout import Argmax, Labels, Readout, Rounded, TokenSet
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError, check_prompt
from tasks.networks.transformer import Pool, Reals, Transformer

READOUTS = ("argmax", "set", "round")


@dataclass(frozen=True)
class BlackBox:
    """A network of which nothing but its outputs is known: ``function`` maps ids (prompts, T) to (prompts, outputs).

    It can be enumerated, not proved beyond that: there is no formula to bound.
    """

    function: Callable[[NDArray[np.int64]], Reals]
    vocabulary_size: int
    outputs: int
    longest: int

    @property
    def shortest(self) -> int:
        """The least number of tokens per prompt."""
        return 1

    @property
    def has_end(self) -> bool:
        """Whether no prompt can be longer than ``longest``: nothing is known beyond."""
        return True

    def logits(self, ids: NDArray[np.int64]) -> Reals:
        """Logits at the last row, (prompts, 1, outputs); NetworkError when the function answers anything else."""
        check_ids(ids, self.vocabulary_size, self.longest)
        result = np.asarray(self.function(ids), np.float64)
        if result.shape != (len(ids), self.outputs) or not np.isfinite(result).all():
            raise NetworkError(
                f"the black box should answer {len(ids)} prompts with finite logits of shape "
                f"{(len(ids), self.outputs)}, a column for each name in outputs, got shape {result.shape}"
            )
        return result[:, None]


Network = Transformer | Recurrent | BlackBox


@dataclass(frozen=True)
class Question:
    """What a caller asks of a network; None leaves it to the folder. Token names are those of the vocabulary.

    ``lengths`` are the shortest and the longest sequence (None: as long as the network takes);
    ``answers`` are the outputs that compete in an argmax or may be in a set; ``readout`` is one of ``READOUTS`` or a
    read-out; ``task`` picks one of several tasks of a folder; ``circuit`` asks for the pruned network. ``elements``:
    what each token of the alphabet stands for, where it is an element of a group: a permutation as a text of digits or
    a tuple of numbers, residues as a tuple, a matrix as a tuple of tuples.
    """

    alphabet: tuple[str, ...] | None = None
    prefix: tuple[str, ...] | None = None
    suffix: tuple[str, ...] | None = None
    lengths: tuple[int, int | None] | None = None
    readout: str | Readout | None = None
    answers: tuple[str, ...] | None = None
    task: str | None = None
    circuit: bool = False
    elements: tuple[Any, ...] | None = None

    def over(self, said: Question) -> Question:
        """This question, with ``said`` where it leaves something open."""
        if self.answers is not None and not isinstance(said.readout, str):
            said = replace(said, readout=None)  # the folder's read-out has other answers
        mine = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(said, **{name: value for name, value in mine.items() if value not in (None, False)})


@dataclass(frozen=True)
class Declared:
    """What the files of a network say of the question that it is for; None where they say nothing.

    Where they name an alphabet, no ``constraint`` means every sequence over it.
    """

    alphabet: tuple[str, ...] | None = None
    lengths: tuple[int, int] | None = None
    constraint: Constraint | None = None
    prefix: tuple[str, ...] | None = None
    suffix: tuple[str, ...] | None = None
    readout: Readout | None = None


@dataclass(frozen=True, eq=False)
class Loaded:
    """``format`` names how it was stored; ``notes`` are sentences that belong beside every claim about it.

    ``declared``: what the folder says of itself, whatever the caller chose; ``files``: the network's files and where
    they lie, by the names that a certificate gives them, if they are not those that every folder of its format has.
    ``operands``, ``lists``: the pairs of numbers, or the lists, that its prompts show, where the folder says so;
    ``elements``: what the tokens of the alphabet stand for, where they are elements of a group.
    """

    name: str
    format: str
    network: Network
    vocabulary: tuple[str, ...]
    prefix: tuple[str, ...]
    suffix: tuple[str, ...]
    domain: Domain
    readout: Readout
    notes: tuple[str, ...] = field(default=())
    declared: Declared = field(default=Declared())
    files: tuple[tuple[str, Path], ...] = field(default=())
    operands: Operands | None = field(default=None)
    lists: Lists | None = field(default=None)
    elements: tuple[Any, ...] | None = field(default=None)

    def __repr__(self) -> str:
        asked = f"alphabet={' '.join(self.domain.alphabet)!r}, {limits(self.domain)}"
        return cut(f"Loaded({self.name!r}, format={self.format!r}, {asked}, {type(self.readout).__name__})")

    def _repr_html_(self) -> str:
        """What it is and what is asked of it, for notebooks."""
        readout = getattr(self.readout, "names", ("a number",))
        rows = [
            ("format", self.format),
            ("prompt", " ".join([*self.prefix, "SEQUENCE", *self.suffix])),
            ("tokens", " ".join(self.domain.alphabet)),
            ("sequences", limits(self.domain)),
            ("read-out", f"{type(self.readout).__name__.lower()} of {' '.join(readout)}, {self.readout.position}"),
            ("network", repr(self.network)),
        ]
        return panel_html(words_html(self.name), table_html(("", ""), rows))

    def __post_init__(self) -> None:
        size = self.network.vocabulary_size if isinstance(self.network, BlackBox) else len(self.network.tokens)
        if len(set(self.vocabulary)) != size or len(self.vocabulary) != size:
            raise NetworkError(f"{self.name}: expected {size} different tokens, got {len(set(self.vocabulary))}")
        for what, tokens in (("prefix", self.prefix), ("suffix", self.suffix), ("alphabet", self.domain.alphabet)):
            unknown = [token for token in tokens if token not in self.vocabulary]
            if unknown:
                hint = "; on the command line tokens are separated by spaces" if "," in unknown[0][1:-1] else ""
                raise NetworkError(f"{self.name}: {what} token {unknown[0]!r} is not in the vocabulary{hint}")
        around = len(self.prefix) + len(self.suffix)
        longest = self.domain.max_length
        least = self.network.shortest
        if least:
            check_prompt(self.name, self.domain.min_length, around)
        if longest is None or longest + around > self.network.longest or self.domain.min_length + around < least:
            raise NetworkError(
                f"{self.name}: sequences of {self.domain.min_length} to {longest} tokens with {around} around them "
                f"are no prompts of {least} to {self.network.longest} tokens"
            )
        if max(self.readout.columns) >= self.network.outputs:
            raise NetworkError(f"{self.name}: the read-out needs more than the {self.network.outputs} outputs")
        if self.readout.position == "every" and (self.suffix or not self._has_rows):
            raise NetworkError(f"{self.name}: a label at every position needs a row for each, and no suffix")

    @property
    def reference(self) -> str:
        """What claims call it."""
        return f"circuit {self.name}" if self.format == "circuit" else f"the network {self.name}"

    @property
    def is_black_box(self) -> bool:
        """Whether nothing above the enumerated rung can be claimed."""
        return isinstance(self.network, BlackBox)

    @property
    def no_transformer(self) -> str:
        """What it is instead of a transformer, in words; nothing where it is one."""
        match self.network:
            case BlackBox():
                return "nothing is known of a black box but its answers"
            case Recurrent():
                return "the network is recurrent: what a token does depends on all the tokens before it"
        return ""

    @property
    def _has_rows(self) -> bool:
        """Whether the result has a row per token, as that of a known network without pool."""
        if isinstance(self.network, Recurrent):
            return True
        return isinstance(self.network, Transformer) and not any(isinstance(s, Pool) for s in self.network.steps)

    def prompts(self, sequences: NDArray[np.integer]) -> NDArray[np.int64]:
        """Token ids: (sequences, length) alphabet indices to (sequences, prefix + length + suffix)."""
        letters = len(self.domain.alphabet)
        if sequences.ndim != 2 or not np.issubdtype(sequences.dtype, np.integer):
            raise NetworkError(f"{self.name}: expected a (count, length) array of alphabet indices")
        if sequences.size and not (sequences.min() >= 0 and sequences.max() < letters):
            raise NetworkError(f"{self.name}: expected alphabet indices from 0 to {letters - 1}")
        before, among, after = (self._ids(part) for part in (self.prefix, self.domain.alphabet, self.suffix))
        count = len(sequences)
        parts = (np.tile(before, (count, 1)), among[sequences], np.tile(after, (count, 1)))
        return np.concatenate(parts, axis=1)

    def logits(self, sequences: NDArray[np.integer]) -> Reals:
        """Logits that are read: (sequences, outputs), or (sequences, length, outputs) if every position is."""
        ids = self.prompts(sequences)
        if isinstance(self.network, Recurrent):  # row 0 is before the first token
            result = self.network.logits(ids)
            return result[:, -1] if self.readout.position == "last" else result[:, len(self.prefix) + 1 :]
        result = self.network.logits(ids) if isinstance(self.network, BlackBox) else logits(self.network, ids)
        return result[:, -1] if self.readout.position == "last" else result[:, len(self.prefix) :]

    def labels(self, sequences: NDArray[np.integer], error: float = 0.0) -> tuple[Labels, Reals]:
        """Labels and margins, (sequences,) or (sequences, length); ``error`` bounds each logit's error."""
        return self.readout.read(self.logits(sequences), error)

    def _ids(self, tokens: tuple[str, ...]) -> NDArray[np.int64]:
        return np.array([self.vocabulary.index(token) for token in tokens], np.int64)


def assemble(
    name: str,
    format_name: str,
    network: Network,
    vocabulary: tuple[str, ...],
    question: Question,
    *,
    own: Question = Question(),
    outputs: tuple[str, ...] | None = None,
    constraint: Constraint | None = None,
    notes: tuple[str, ...] = (),
) -> Loaded:
    """The network with every part of ``question`` that neither it nor the folder's ``own`` names filled by its default.

    ``outputs`` names the columns of the logits (default: the vocabulary); ``constraint`` is the folder's own, and
    belongs to its own alphabet.
    """
    declared = _declared(name, own, vocabulary if outputs is None else outputs, constraint)
    constraint = constraint if question.alphabet in (None, own.alphabet) else None
    around_it = question.prefix, question.suffix
    is_free = question.lengths is None and around_it != (None, None)  # declared lengths give way to a longer prompt
    question = question.over(own)
    prefix, suffix = question.prefix or (), question.suffix or ()
    alphabet = question.alphabet
    if alphabet is None:
        alphabet = tuple(token for token in vocabulary if token not in prefix + suffix)
        notes = (*notes, "nothing says which tokens a sequence may hold: all are taken (alphabet)")
    if not alphabet:
        raise NetworkError(f"{name}: expected an alphabet of 1 token or more, got none; say which ones there may be")
    if len(alphabet) > MAX_ALPHABET:
        raise NetworkError(
            f"{name}: a domain has at most {MAX_ALPHABET} different tokens, this vocabulary has {len(vocabulary)}; "
            "say which ones a sequence may hold (alphabet)"
        )
    around = len(prefix) + len(suffix)
    least = network.shortest
    shortest, longest = question.lengths or (max(0, least - around), None)
    if longest is None or (is_free and longest + around > network.longest):
        longest = network.longest - around
    return Loaded(
        name=name,
        format=format_name,
        network=network,
        vocabulary=vocabulary,
        prefix=prefix,
        suffix=suffix,
        domain=Domain(alphabet, shortest, longest, constraint),
        readout=_readout(name, question, vocabulary if outputs is None else outputs),
        notes=notes,
        declared=declared,
        elements=question.elements,
    )


def authored(
    name: str,
    format_name: str,
    network: Transformer | Recurrent,
    vocabulary: tuple[str, ...],
    question: Question,
    *,
    outputs: tuple[str, ...] | None = None,
    constraint: Constraint | None = None,
    notes: tuple[str, ...] = (),
) -> Loaded:
    """A network that its author hands over: what ``question`` leaves open has its default, and all of it is declared.

    ``outputs`` default to the vocabulary where there are as many, else to ``#0``, ``#1``, ... Raises NetworkError.
    """
    count = network.outputs
    names = outputs or (vocabulary if count == len(vocabulary) else tuple(f"#{n}" for n in range(count)))
    if len(names) != count or len(set(names)) != count:
        raise NetworkError(f"{name}: expected {count} different names of outputs, got {len(set(names))}")
    if question.alphabet is None:
        around = (*(question.prefix or ()), *(question.suffix or ()))
        question = replace(question, alphabet=tuple(token for token in vocabulary if token not in around))
    loaded = assemble(
        name, format_name, network, vocabulary, Question(),
        own=question, outputs=names, constraint=constraint, notes=notes,
    )  # fmt: skip
    domain = loaded.domain
    lengths = (domain.min_length, domain.lengths[-1])
    declared = Declared(domain.alphabet, lengths, domain.constraint, loaded.prefix, loaded.suffix, loaded.readout)
    return replace(loaded, declared=declared)


def _declared(name: str, own: Question, outputs: tuple[str, ...], constraint: Constraint | None) -> Declared:
    """What a folder says by its ``own`` question; a read-out that the caller has to name is none."""
    is_read = not isinstance(own.readout, str) or own.readout in READOUTS
    is_read = is_read and (own.readout, own.answers) != (None, None)
    readout = _readout(name, own, outputs) if is_read else None
    shortest, longest = own.lengths or (0, None)
    lengths = None if longest is None else (shortest, longest)
    return Declared(own.alphabet, lengths, constraint, own.prefix, own.suffix, readout)


def _readout(name: str, question: Question, outputs: tuple[str, ...]) -> Readout:
    if question.readout is not None and not isinstance(question.readout, str):
        return question.readout
    answers = outputs if question.answers is None else question.answers
    if not answers:
        raise NetworkError(f"{name}: expected 1 output or more to be read (answers), got none")
    unknown = [answer for answer in answers if answer not in outputs]
    if unknown:
        raise NetworkError(f"{name}: no output is called {unknown[0]!r}; known: {', '.join(outputs[:40])}")
    columns = tuple(outputs.index(answer) for answer in answers)
    match question.readout or "argmax":
        case "argmax":
            return Argmax(answers, columns)
        case "set":
            return TokenSet(answers, columns)
        case "round" if len(columns) == 1:
            return Rounded(columns[0])
        case "round":
            raise NetworkError(f"{name}: rounding reads one output; name it (answers), got {', '.join(answers)}")
    raise NetworkError(f"{name}: unknown read-out {question.readout!r}; known: {', '.join(READOUTS)}")
