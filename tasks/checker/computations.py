"""What many prompts are read as, with every distinct computation made once.

A row of the stream is known by what it is made from, never by its numbers:

    at first          the embeddings of its token and its place: tokens that have equal ones are one, and so are places
    after attention   what it was before, and how often each row is among those that it sees
    after a pool      how often each row occurs in the prompt

Rows that are made from the same hold the same numbers in real arithmetic, and the bounds of ``arithmetic`` hold of
every execution, whatever the order of its sums; so one stands for all. Prompts that begin alike share that beginning.
What was made is kept from prompt to prompt, until it is too much to hold; then all of it is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from flint import arb

from tasks.checker.arithmetic import Arithmetic, Row, is_known
from tasks.checker.files import expect
from tasks.checker.network import Branch, Network, Prompt, pooled, run, through

T = TypeVar("T")
HELD = 1_000_000  # numbers, of some 100 bytes each
EMPTY = 0  # of sets


class _Stage:
    """Rows between one attention and the next: those that are known, and sets of them, each by its number."""

    def __init__(self, plain: tuple[Branch, ...], attending: Branch | None) -> None:
        self.plain, self.attending = plain, attending  # the branches here, and the one that ends the stage
        self.made_from: list[tuple[int, int]] = []  # a token and a place, or a row and a set of the stage before
        self.rows: list[Row] = []
        self.tokens: list[int] = []
        self.parts: list[list[list[Row]]] = [[], [], []]  # queries, keys, values; by row and head
        self.sets: list[tuple[int, ...]] = [()]
        self._number: dict[tuple[int, int], int] = {}
        self._set: dict[tuple[int, ...], int] = {(): EMPTY}
        self._grown: dict[tuple[int, int], int] = {}

    def row(self, made_from: tuple[int, int]) -> int:
        """The number of a row."""
        found = self._number.get(made_from)
        if found is None:
            found = self._number[made_from] = len(self.made_from)
            self.made_from.append(made_from)
        return found

    def set_of(self, rows: tuple[int, ...]) -> int:
        """The number of a set in which these sorted ``rows`` occur, each as often as here."""
        found = self._set.get(rows)
        if found is None:
            found = self._set[rows] = len(self.sets)
            self.sets.append(rows)
        return found

    def grown(self, known: int, row: int) -> int:
        """The number of the set that has one ``row`` more than that of the number ``known``."""
        found = self._grown.get((known, row))
        if found is None:
            found = self._grown[known, row] = self.set_of(tuple(sorted((*self.sets[known], row))))
        return found

    def add(self, a: Arithmetic, rows: list[Row], tokens: list[int]) -> None:
        """Rows that were made, with what the attention that ends this stage takes of them."""
        self.rows += rows
        self.tokens += tokens
        if self.attending is not None:
            assert self.attending.heads is not None
            for known, more in zip(
                self.parts, self.attending.heads.parts(a, run(self.attending.before, a, rows)), strict=True
            ):
                known += more

    @property
    def numbers(self) -> int:
        """How many are held, about."""
        return sum(map(len, self.rows[:1])) * len(self.rows) * (4 if self.attending else 1)


class Computations(Generic[T]):
    """``at(prompts)``: what ``read`` says of the logits at each place of each prompt (after a pool: at one place)."""

    def __init__(self, network: Network, a: Arithmetic, read: Callable[[Row], T]) -> None:
        self._network, self._a, self._read = network, a, read
        self._token = _first_equal(list(zip(network.tokens, network.bigram or network.tokens, strict=True)))
        positions = network.positions
        self._place = [0] * network.longest if positions is None else _first_equal([(row, row) for row in positions])
        self._forget()

    @property
    def count(self) -> int:
        """How many rows of logits are held."""
        return len(self._said)

    def at(self, prompts: list[Prompt]) -> list[list[T]]:
        """What is read at each place."""
        if sum(stage.numbers for stage in self._stages) > HELD:
            self._forget()
        ends = [self._sequential(prompt) if self._network.causal else self._mutual(prompt) for prompt in prompts]
        self._make()
        lost, nothing = self._lost, self._nothing
        if not lost:
            return [[self._said[n] for n in end] for end in ends]
        return [[self._said[n] for n in end] if lost.isdisjoint(end) else nothing * len(end) for end in ends]

    def _forget(self) -> None:
        self._stages: list[_Stage] = []
        plain: list[Branch] = []
        for branch in self._network.branches:
            if branch.heads is None:
                plain.append(branch)
            else:
                self._stages.append(_Stage(tuple(plain), branch))
                plain = []
        self._stages.append(_Stage(tuple(plain), None))
        self._pools: dict[tuple[tuple[int, ...], int], int] = {}
        self._pooled: list[tuple[int, ...]] = []  # rows of the last stage, the prompt's last one last
        self._said: list[T] = []
        self._lost: set[int] = set()  # what is read of rows that may not be finite
        self._nothing: list[T] = []  # what is read where nothing is known
        self._last: Prompt = ()
        self._seen: list[list[int]] = []  # per place of the last prompt, the set that each stage's attention sees
        self._ends: list[int] = []  # and its row in the end

    def _fits(self, prompt: Prompt) -> None:
        fits = 1 <= len(prompt) <= len(self._place)
        expect(fits, f"prompts of {len(prompt)} tokens do not fit the network")

    def _sequential(self, prompt: Prompt) -> list[int]:
        """The rows in the end, where each sees those up to it; what the last prompt began with is known."""
        self._fits(prompt)
        same = 0
        for mine, other in zip(prompt, self._last, strict=False):
            if mine != other:
                break
            same += 1
        del self._seen[same:], self._ends[same:]
        self._last = prompt
        *before, last = self._stages
        for place in range(same, len(prompt)):
            known = self._seen[place - 1] if place else [EMPTY] * len(before)
            made_from, sets = (self._token[prompt[place]], self._place[place]), []
            for stage, seen in zip(before, known, strict=True):
                row = stage.row(made_from)
                sets.append(stage.grown(seen, row))
                made_from = row, sets[-1]
            self._seen.append(sets)
            self._ends.append(last.row(made_from))
        return self._ended(self._ends)

    def _mutual(self, prompt: Prompt) -> list[int]:
        """The rows in the end, where each sees all."""
        self._fits(prompt)
        *before, last = self._stages
        made_from = [(self._token[token], self._place[place]) for place, token in enumerate(prompt)]
        for stage in before:
            rows = [*map(stage.row, made_from)]
            seen = stage.set_of(tuple(sorted(rows)))
            made_from = [(row, seen) for row in rows]
        return self._ended([*map(last.row, made_from)])

    def _ended(self, rows: list[int]) -> list[int]:
        """What is read of these rows of the last stage: of each, or of the one that they are pooled to."""
        if self._network.pool == "none":
            return [*rows]
        key = tuple(sorted(rows)), rows[-1]
        if key not in self._pools:
            self._pools[key] = len(self._pooled)
            others = [*key[0]]
            others.remove(rows[-1])
            self._pooled.append((*others, rows[-1]))
        return [self._pools[key]]

    def _make(self) -> None:
        """Whatever is new: rows stage by stage, then what is read of them."""
        a, network = self._a, self._network
        for n, stage in enumerate(self._stages):
            new = stage.made_from[len(stage.rows) :]
            if not new:
                continue
            if n:
                x, tokens = _attended(self._stages[n - 1], a, new)
            else:
                x, tokens = network.start(a, new), [token for token, _ in new]
            stage.add(a, through(stage.plain, a, x, []), tokens)
        last, known = self._stages[-1], len(self._said)
        if network.pool == "none":
            x, tokens = last.rows[known:], last.tokens[known:]
        else:
            x = [pooled(a, network.pool, [last.rows[n] for n in rows]) for rows in self._pooled[known:]]
            tokens = [last.tokens[rows[-1]] for rows in self._pooled[known:]]
        if not x:
            return
        for row in network.end(a, x, tokens):
            if not (a.is_real or is_known(row)):
                self._lost.add(len(self._said))
                self._nothing = [self._read([arb.nan()] * len(row))]
            self._said.append(self._read(row))


def logits(network: Network, a: Arithmetic, prompts: list[Prompt]) -> list[list[Row]]:
    """For every prompt the logits at each of its places (after a pool: at one)."""
    return Computations(network, a, lambda row: row).at(prompts)


def _attended(stage: _Stage, a: Arithmetic, new: list[tuple[int, int]]) -> tuple[list[Row], list[int]]:
    """The stream behind the attention that ends ``stage``, for rows that see sets of its rows; and their tokens."""
    assert stage.attending is not None
    assert stage.attending.heads is not None
    given = stage.attending.heads.mixed(a, stage.parts, [(own, stage.sets[seen]) for own, seen in new])
    x = a.add([stage.rows[own] for own, _ in new], run(stage.attending.after, a, given))
    return x, [stage.tokens[own] for own, _ in new]


def _first_equal(rows: list[tuple[Row, Row]]) -> list[int]:
    """For each of ``rows``, of exact numbers, the first one that is equal to it."""
    groups: dict[tuple[float, ...], list[int]] = {}
    found = []
    for n, row in enumerate(rows):
        alike = groups.setdefault(tuple(map(float, (*row[0], *row[1]))), [])
        first = next((m for m in alike if rows[m] == row), n)  # balls are equal where they are exact, and the same
        if first == n:
            alike.append(n)
        found.append(first)
    return found
