"""What many prompts are read as, with every distinct computation made once.

A bound that was computed from balls holds for every execution whose numbers lie in them, whatever prompt they are
from. So what is known of a row is its balls, and rows with equal balls share all that is made from them:

    at first          the embeddings of its token and its place: tokens that have equal ones are one, and so are places
    after attention   what it was before, and the answer of each head (``heads``)
    after a pool      how often each row occurs in the prompt

With a grain balls are made coarse (``balls``), so that nearly equal ones become equal. A network that was compiled from
a program has few distinct rows then; one that was trained has many, and needs its bounds sharp. Without a grain a row
is known by what it is made from. Prompts that begin alike share that beginning where rows see those up to theirs.
What was made is kept from prompt to prompt, until it is too much to hold; then all of it is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Generic, TypeVar

from flint import arb

from tasks.checker.arithmetic import Arithmetic, Row, is_known
from tasks.checker.balls import Balls
from tasks.checker.files import expect
from tasks.checker.heads import Head, Set
from tasks.checker.narrow import narrowed
from tasks.checker.network import Branch, Network, Prompt, pooled, run, shared, through
from tasks.checker.rough import rough

T = TypeVar("T")
GRAIN = 40  # of coarse balls: bits behind the point
FEW, TRIED = 25, 100  # prompts, for whether coarse balls make any rows equal, and enough
HELD = 1_000_000  # numbers and entries of tables, of some 100 bytes each
Made = tuple[int, ...]  # what a row is made from: a token and a place, or a row and the answer of each head
Make = Callable[[list[Made]], tuple[list[Row], list[int]]]  # rows from what they are made from, and their tokens


class _Stage:
    """Rows between one attention and the next, each by its number, and the heads of the attention that ends it."""

    def __init__(
        self, a: Arithmetic, plain: tuple[Branch, ...], attending: Branch | None, own: int | None, grain: int | None
    ) -> None:
        self.plain, self.attending = plain, attending  # the branches here, and the one that ends the stage
        heads = attending and attending.heads
        self.heads = [Head(a, heads, sink, grain) for sink in heads.sinks] if heads else []
        self.tokens: list[int] = []
        self.balls = Balls(own)
        self.made_from: dict[Made, int] = {}  # to the number of the row

    @property
    def held(self) -> int:
        """How many numbers and entries are held, about."""
        width = len(self.balls.rows[0]) if self.balls.rows else 0
        tables = len(self.made_from) + sum(head.held for head in self.heads)
        return width * len(self.balls.rows) * (4 if self.heads else 1) + tables

    def add(self, a: Arithmetic, made: list[Made], rows: list[Row], tokens: list[int], is_bigram: bool) -> None:
        """Rows that were made, with what the heads take of them; ``is_bigram``: their tokens tell them apart."""
        known = len(self.balls.rows)
        for one, row, token in zip(made, rows, tokens, strict=True):
            number = self.made_from[one] = self.balls.number(row, token if is_bigram else 0)
            if number == len(self.tokens):
                self.tokens.append(token)
        new = self.balls.rows[known:]
        if new and self.attending is not None:
            assert self.attending.heads is not None
            parts = self.attending.heads.parts(a, run(self.attending.before, a, new))
            for query, key, value in zip(*parts, strict=True):
                for head, *three in zip(self.heads, query, key, value, strict=True):
                    head.add(*three)

    def mutual(self, rows: list[int]) -> list[Made]:
        """What the rows behind attention are made from, where each of a prompt's ``rows`` sees all."""
        answers = []
        for head in self.heads:
            seen = head.seen(rows)
            answers.append([head.answer(row, seen) for row in rows])
        return [*zip(rows, *answers, strict=True)]

    def sequential(self, prompts: list[list[int]], same: list[int], *, at_end: bool) -> list[list[Made]]:
        """The same where each row sees those up to it; ``same``: how many of a prompt's are those of the one before.

        ``at_end``: of a prompt's last row alone.
        """
        made: list[list[Made]] = []
        trail: list[list[Set]] = []  # per place of a prompt, what each head sees there
        for rows, first in zip(prompts, same, strict=True):
            del trail[first:]
            made.append(made[-1][:first] if first else [])
            for row in rows[first:]:
                before = trail[-1] if trail else [head.nothing for head in self.heads]
                trail.append([head.grown(seen, row) for head, seen in zip(self.heads, before, strict=True)])
                if not at_end:
                    made[-1].append(self._behind(row, trail[-1]))
            if at_end:
                made[-1] = [self._behind(rows[-1], trail[-1])]
        return made

    def _behind(self, row: int, seen: list[Set]) -> Made:
        """What the row behind attention is made from, where each head sees that."""
        return row, *(head.answer(row, keys) for head, keys in zip(self.heads, seen, strict=True))

    def attended(self, a: Arithmetic, made: list[Made]) -> tuple[list[Row], list[int]]:
        """The stream behind attention for rows that are ``made`` from these, and their tokens."""
        assert self.attending is not None
        given = [
            [y for head, n in zip(self.heads, answers, strict=True) for y in head.answers.rows[n]]
            for _, *answers in made
        ]
        x = run(self.attending.after, a, given)
        if self.attending.is_added:
            x = a.add([self.balls.rows[own] for own, *_ in made], x)
        return x, [self.tokens[own] for own, *_ in made]


class Computations(Generic[T]):
    """``at(prompts)``: what ``read`` says of the logits at each place of each prompt (after a pool: at one place).

    ``grain``: of the grid on which balls are made coarse, in bits; None for none. ``at_end``: only the last place is
    asked for. Where rows see those up to theirs, others are then made up to the last attention, which it sees them by;
    behind that no row is part of another.
    """

    def __init__(
        self, network: Network, a: Arithmetic, read: Callable[[Row], T], grain: int | None = None, at_end: bool = False
    ) -> None:
        self._network, self._a, self._read, self._grain = network, a, read, grain
        self._token = _first_equal(list(zip(network.tokens, network.bigram or network.tokens, strict=True)))
        positions = network.positions
        self._at_end = at_end and network.causal and network.pool == "none"
        self._place = [0] * network.longest if positions is None else _first_equal([(row, row) for row in positions])
        self.asked, self.made = 0, 0  # places of prompts, but for beginnings that are shared; rows of logits
        self._forget()

    def at(self, prompts: list[Prompt]) -> list[list[T]]:
        """What is read at each place."""
        if not prompts:
            return []
        if sum(stage.held for stage in self._stages) + len(self._said) + len(self._pools) > HELD:
            self._forget()
        for prompt in prompts:
            least = len(self._place) if self._network.pool == "concat" else 1
            fits = least <= len(prompt) <= len(self._place)
            expect(fits, f"prompts of {len(prompt)} tokens do not fit the network")
        first = self._stages[0]
        made: list[list[Made]] = [[(self._token[t], self._place[n]) for n, t in enumerate(one)] for one in prompts]
        rows = self._numbers(first, made, self._start)
        same = [0, *(shared(*two) for two in pairwise(prompts))] if self._network.causal else []
        self.asked += len(prompts) if self._at_end else sum(map(len, prompts)) - sum(same)
        for before, stage in pairwise(self._stages):
            at_end = self._at_end and stage is self._stages[-1]
            made = before.sequential(rows, same, at_end=at_end) if self._network.causal else [*map(before.mutual, rows)]
            rows = self._numbers(stage, made, partial(before.attended, self._a))
        if self._at_end:
            rows = [row[-1:] for row in rows]  # of a network without attention there is still one of every place
        ends = rows if self._network.pool == "none" else [*map(self._pool, rows)]
        self._end()
        lost, nothing = self._lost, self._nothing
        if not lost:
            return [[self._said[n] for n in end] for end in ends]
        return [[self._said[n] for n in end] if lost.isdisjoint(end) else nothing * len(end) for end in ends]

    def _start(self, cells: list[Made]) -> tuple[list[Row], list[int]]:
        return self._network.start(self._a, [(token, place) for token, place in cells]), [token for token, _ in cells]

    def _forget(self) -> None:
        parts: list[list[Branch]] = [[]]
        attending: list[Branch | None] = []
        for branch in self._network.branches:
            if branch.heads is None:
                parts[-1].append(branch)
            else:
                attending.append(branch)
                parts.append([])
        last = len(attending)
        self._stages = [
            _Stage(
                self._a,
                tuple(plain),
                end,
                self._grain if n and (n < last or self._network.pool != "none") else None,
                self._grain,
            )
            for n, (plain, end) in enumerate(zip(parts, [*attending, None], strict=True))
        ]
        self._pools: dict[tuple[tuple[int, ...], int], int] = {}
        self._pooled: list[tuple[int, ...]] = []  # rows of the last stage, the prompt's last one last
        self._said: list[T] = []
        self._lost: set[int] = set()  # what is read of rows that may not be finite
        self._nothing: list[T] = []  # what is read where nothing is known

    def _numbers(self, stage: _Stage, made: list[list[Made]], make: Make) -> list[list[int]]:
        """The numbers of rows that are made so; new ones are made together."""
        known = stage.made_from
        new = [*dict.fromkeys(one for each in made for one in each if one not in known)]
        if new:
            x, tokens = make(new)
            x = through(stage.plain, self._a, x, [])
            stage.add(self._a, new, x, tokens, self._network.bigram is not None)
        return [[known[one] for one in each] for each in made]

    def _pool(self, rows: list[int]) -> list[int]:
        """The number of the one row that ``rows`` become."""
        is_ordered = self._network.pool in ("concat", "first")
        key = tuple(rows if is_ordered else sorted(rows)), rows[-1]
        if key not in self._pools and is_ordered:
            self._pools[key] = len(self._pooled)
            self._pooled.append(key[0])
        if key not in self._pools:
            self._pools[key] = len(self._pooled)
            others = [*key[0]]
            others.remove(rows[-1])
            self._pooled.append((*others, rows[-1]))
        return [self._pools[key]]

    def _end(self) -> None:
        """Read whatever is new in the end."""
        a, network, last, known = self._a, self._network, self._stages[-1], len(self._said)
        if network.pool == "none":
            x, tokens = last.balls.rows[known:], last.tokens[known:]
        else:
            x = [pooled(a, network.pool, [last.balls.rows[n] for n in rows]) for rows in self._pooled[known:]]
            tokens = [last.tokens[rows[-1]] for rows in self._pooled[known:]]
        self.made += len(x)
        for row in network.end(a, x, tokens) if x else ():
            if not (a.is_real or is_known(row)):
                self._lost.add(len(self._said))
                self._nothing = [self._read([arb.nan()] * len(row))]
            self._said.append(self._read(row))


class Readings(Generic[T]):
    """What is ``read`` of prompts at some ``places`` of each; None where nothing is.

    Balls are coarse as long as that makes rows equal, and as they are for prompts of which this says too little. Where
    only the least ``margin`` of all matters, a rough bound will do for a prompt of which it reads everything, with no
    smaller a margin than was found before. Some prompts are tried first, and a few before.
    """

    def __init__(
        self,
        network: Network,
        a: Arithmetic,
        read: Callable[[Row], T | None],
        places: slice = slice(None),
        margin: Callable[[T], arb] | None = None,
    ) -> None:
        network, a = narrowed(network, a)
        at_end = places == slice(-1, None)
        self._coarse, self._sharp = (Computations(network, a, read, grain, at_end) for grain in (GRAIN, None))
        self._rough = cache(lambda: rough(network, a))
        self._read, self._margin, self._least, self._helps = read, margin, arb("inf"), margin is not None
        self._places, self._pays, self._tried = places, True, 0

    def at(self, prompts: list[Prompt]) -> list[list[T | None]]:
        """What is read of each prompt."""
        end = next((n - self._tried for n in (FEW, TRIED) if n > self._tried), len(prompts))
        if end < len(prompts):
            return [*self.at(prompts[:end]), *self.at(prompts[end:])]
        self._tried += len(prompts)
        found: list[list[T | None]] = [[None]] * len(prompts)
        if self._pays:
            asked, made = self._coarse.asked, self._coarse.made
            found = [each[self._places] for each in self._coarse.at(prompts)]
            made, asked = self._coarse.made - made, self._coarse.asked - asked
            self._pays = made < asked if self._tried <= FEW else 2 * made < asked
        self._least = min([self._least, *(self._sure(each) for each in found if None not in each)])
        open_ = [n for n, each in enumerate(found) if None in each]
        first = self._roughly(prompts, found, open_)
        self._sharpen(prompts, found, first)
        rest = [n for n in open_ if n not in first]
        self._sharpen(prompts, found, [n for n in rest if None in found[n] or self._sure(found[n]) < self._least])
        return found

    def _sharpen(self, prompts: list[Prompt], found: list[list[T | None]], which: list[int]) -> None:
        """Put what sharp bounds say in place of what was found of ``which`` prompts."""
        for n, each in zip(which, self._sharp.at([prompts[n] for n in which]), strict=True):
            found[n] = each[self._places]
        self._least = min([self._least, *(self._sure(found[n]) for n in which)])

    def _roughly(self, prompts: list[Prompt], found: list[list[T | None]], which: list[int]) -> list[int]:
        """Put there what rough bounds say; the prompt with the least margin, if none was as small before."""
        if not (which and self._helps) or (bounds := self._rough()) is None:
            return []
        for n, rows in zip(which, bounds.at([prompts[n] for n in which], self._places), strict=True):
            found[n] = [*map(self._read, rows)]
        sure = {n: self._sure(found[n]) for n in which if None not in found[n]}
        self._helps = 4 * len(sure) >= 3 * len(which)
        first = min(sure, key=sure.__getitem__, default=-1)
        return [first] if sure and sure[first] < self._least else []

    def _sure(self, each: list[T | None]) -> arb:
        """The least margin of what is read of a prompt."""
        known = [one for one in each if one is not None]
        return arb("inf") if self._margin is None else min(map(self._margin, known), default=arb("inf"))


def logits(network: Network, a: Arithmetic, prompts: list[Prompt], grain: int | None = None) -> list[list[Row]]:
    """For every prompt the logits at each of its places (after a pool: at one)."""
    return Computations(network, a, lambda row: row, grain).at(prompts)


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
