"""Rows that choose tokens: one of the sequence, or several in an order, and what is asked of those.

A *part* is a list of tokens: the sequence itself, what stands before or after a place, the sequence sorted, reversed,
without repeats, every second token. A *token* is one of them: first, last, k-th, the least, the most frequent, the one
behind a match (induction). What may not exist, a token behind a match, is the text ``''``, which is no token.

In numpy a part is an array (..., examples, width) of indices plus 1, from the left, padded with 0; a token (...,
examples) of indices, -1 for none. In a formula a part is a tuple of rows, and a row, as a token, a tuple of Booleans,
one for each token of the alphabet: at most one holds, and none where there is no token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammar import Production
from dsl.meaning import Within
from dsl.operators import BOOL, INT, LABEL, LONGEST, PART, TOKEN, Operator
from dsl.references import maker
from dsl.sequences import NO_LABEL, PAD

Row = tuple[Any, ...]
NONE = ""  # the text of no token
NOTHING = 0  # behind the last token of a part
MOST_VALUE = 10**6  # of a number that a token writes
OFFSETS = (-1, 1, -2, 2)
MOST_KTH, MOST_DEFAULTS = 8, 3
KTH_OR_END = (1, 2, -2, -3)


def productions(
    alphabet: Sequence[str],
    labels: Sequence[str],
    *,
    min_length: int = 1,
    is_placed: bool = False,
    is_whole: bool = True,
) -> list[Production]:
    """The rows of this file for programs over ``alphabet`` that return ``labels``; of a place, where ``is_placed``.

    With ``is_whole`` false those alone that look at single places, or sort the sequence: a search goes deeper in them.

    Nonterminals: Whole (parts as long as the sequence), Some (not empty), Part, Token, Found (perhaps no token). None
    of these rows are for the empty sequence, or an alphabet with the empty text.
    """
    if min_length < 1 or NONE in alphabet:
        return []
    are_numbers, values = all(whole(text) is not None for text in alphabet), order_of(alphabet)
    sorts = [in_order(values, are_numbers=are_numbers, is_falling=falling) for falling in (False, True)]
    several = len(alphabet) > 1
    rows = [
        *[Production(name, TOKENS) for name in ("Whole", "Some", "Part")],
        *[Production(name, REVERSED, (name,), cost=2) for name in ("Whole", "Some")],
        *[Production("Some", UNIQUE, ("Some",), cost=2)],
        *[Production("Part", row, cost=3) for row in (EVEN_PLACES, ODD_PLACES, ALL_BUT_FIRST, ALL_BUT_LAST)],
        *[Production("Part", row, cost=4) for row in (FIRST_HALF, SECOND_HALF)],
        Production("Token", FIRST_OF, ("Whole",)),
        Production("Token", LAST_OF, ("Whole",)),
        Production("Token", INDEXED, ("Whole", "Number"), cost=4),
        *[Production("Token", kth(n), ("Whole",), cost=2) for n in _kth_places(min_length)],
        *[
            Production("Token", kth_or_end(n), ("Whole",), cost=3)
            for n in KTH_OR_END
            if not -min_length <= n < min_length
        ],
        *[Production("Token", frequent(is_most), ("Some",), cost=4) for is_most in (True, False)],
        *[Production("Given", given(n, text), cost=1) for n, text in enumerate(alphabet)],
        *[Production("Found", row, ("Some", name), cost=3) for row in MATCHES for name in ("Token", "Given")],
        *[Production("Found", row, ("Part",), cost=4) for row in OCCURRENCES],
        Production("Token", MIDDLE, ("Whole",), cost=3),
        *[
            Production("Flag", is_text(n, text), (name,))
            for n, text in enumerate(alphabet)
            for name in ("Token", "Found")
        ],
        Production("Flag", SAME, ("Token", "Token")),
        *[Production("Flag", CONTAINS, ("Part", name), cost=2) for name in ("Token", "Given")],
        Production("Flag", ALIKE, ("Some", "Some"), cost=2),
        *[Production("Number", COUNT_IN, ("Part", name), cost=2) for name in ("Token", "Given")],
        Production("Number", CHANGES, ("Some",), cost=3),
        Production("Number", KINDS, ("Part",), cost=2),
    ]
    if not is_whole:
        rows = [row for row in rows if not row.operator.result.positional or row.operator is TOKENS]
        left_out = {UNIQUE, INDEXED, KINDS, CONTAINS, ALIKE, CHANGES, MIDDLE, *MATCHES, *OCCURRENCES}
        left_out |= {frequent(is_most) for is_most in (True, False)}
        rows = [row for row in rows if row.operator not in left_out and "Found" not in row.arguments]
    if several:
        names = ("Whole", "Some") if is_whole else ("Whole",)
        rows += [Production(name, row, (name,), cost=2) for row in sorts for name in names]
        rows += [
            Production("Token", extreme(values, are_numbers=are_numbers, is_largest=largest), ("Some",), cost=3)
            for largest in (False, True)
        ]
    if are_numbers:
        rows += [
            Production("Number", value(values), ("Token",)),
            *[Production("Number", total(values), ("Part",), cost=2) for _ in range(is_whole)],
        ]
    if set(alphabet) & set(labels):
        names = ("Token", "Found") if is_whole else ("Token",)
        rows += [Production("Label", as_label(alphabet, labels), (name,)) for name in names]
        others = [label for label in labels if label not in alphabet][:MOST_DEFAULTS] if is_whole else []
        rows += [
            Production("Label", match_label(n, alphabet, labels, default), ("Some", name), cost=4)
            for n in range(len(MATCHES))
            for default in others
            for name in ("Token", "Given")
        ]
        rows += [
            Production("Label", occurrence_label(n, alphabet, labels, default), ("Part",), cost=5)
            for n in range(len(OCCURRENCES))
            for default in others
        ]
    return rows + _placed_rows(is_whole) if is_placed else rows


def _placed_rows(is_whole: bool) -> list[Production]:
    parts = [
        *[Production(name, row) for row in (UP_TO_HERE, FROM_HERE) for name in ("Some", "Part")],
        *[Production("Part", row) for row in (BEFORE_HERE, AFTER_HERE)],
    ]
    return [
        *(parts if is_whole else ()),
        Production("Token", AT_HERE, ("Whole",)),
        *[Production("Token", row, ("Whole",), cost=2) for row in (OPPOSITE, BEFORE, AFTER)],
        *[Production("Token", shifted(offset), ("Whole",), cost=1 + abs(offset)) for offset in OFFSETS],
        *[Production("Found", OR_NONE, ("Some",), cost=3) for _ in range(is_whole)],
        Production("Number", PLACE_IN, cost=3),
    ]


def _kth_places(min_length: int) -> list[int]:
    """Places that every sequence has, but the first and the last."""
    places = range(1, min(min_length, MOST_KTH))
    return [*places, *(-1 - place for place in places)]


def whole(text: str) -> int | None:
    """The whole number that ``text`` writes as Python does, or None; none is so large that sums leave 64 bits."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text and abs(number) <= MOST_VALUE else None


def order_of(alphabet: Sequence[str]) -> NDArray[np.int64]:
    """The number that each token writes, or its place among the texts where they are no numbers: (tokens,)."""
    numbers = [number for number in map(whole, alphabet) if number is not None]
    if len(numbers) == len(alphabet):
        return np.array(numbers, np.int64)
    return np.argsort(np.argsort(np.array(alphabet, dtype=object))).astype(np.int64)


# --- numpy helpers ----------------------------------------------------------------------------------------------


def _sizes(part: Any) -> Any:
    """How many tokens a part has: (..., examples)."""
    return (part != NOTHING).sum(-1)


def _at(part: Any, place: Any) -> Any:
    """The token at each place, none outside: (..., examples)."""
    if not part.shape[-1]:
        return np.full(np.broadcast_shapes(part.shape[:-1], np.shape(place)), PAD, np.int64)
    shape = np.broadcast_shapes(part.shape[:-1], np.shape(place))
    place = np.broadcast_to(place, shape)
    found = np.take_along_axis(
        np.broadcast_to(part, (*shape, part.shape[-1])), np.clip(place, 0, part.shape[-1] - 1)[..., None], -1
    )[..., 0]
    return np.where((place >= 0) & (place < part.shape[-1]), found.astype(np.int64) - 1, PAD)


def _packed(part: Any, kept: Any) -> Any:
    """The kept tokens of a part, moved to the left."""
    if not part.shape[-1]:
        return part
    order = np.argsort(~kept, axis=-1, kind="stable")
    return np.take_along_axis(np.where(kept, part, part.dtype.type(NOTHING)), order, -1)


def _first_place(mask: Any, absent: Any) -> Any:
    if not mask.shape[-1]:
        return np.broadcast_to(absent, mask.shape[:-1])
    return np.where(mask.any(-1), mask.argmax(-1), absent)


# --- formula helpers --------------------------------------------------------------------------------------------


def _some(m: Any, row: Row) -> Any:
    """Whether there is a token."""
    return m.Or(list(row))


def _same(m: Any, one: Row, other: Row) -> Any:
    """Whether both are the same token, or both none."""
    return m.And([m.Iff(x, y) for x, y in zip(one, other, strict=True)])


def _choose(m: Any, flag: Any, one: Row, other: Row) -> Row:
    return tuple(m.Ite(flag, x, y) for x, y in zip(one, other, strict=True))


def _nothing(m: Any, s: Any) -> Row:
    return tuple(m.FALSE() for _ in s.at[0]) if s.at else ()


def _row_at(s: Any, part: Sequence[Row], place: int) -> Row:
    return part[place] if 0 <= place < len(part) else _nothing(s.manager, s)


def _last_row(s: Any, part: Sequence[Row]) -> Row:
    m, found = s.manager, _nothing(s.manager, s)
    for row in part:
        found = _choose(m, _some(m, row), row, found)
    return found


def _counted(m: Any, flags: list[Any]) -> Any:
    return m.Plus([m.Ite(flag, m.Int(1), m.Int(0)) for flag in flags]) if flags else m.Int(0)


def _squeezed(s: Any, rows: Sequence[Row], kept: Sequence[Any]) -> tuple[Row, ...]:
    """The kept rows, moved to the left."""
    m, found = s.manager, [_nothing(s.manager, s) for _ in rows]
    count = m.Int(0)
    for row, keep in zip(rows, kept, strict=True):
        for place in range(len(found)):
            found[place] = _choose(m, m.And(keep, m.Equals(count, m.Int(place))), row, found[place])
        count = m.Ite(keep, m.Plus(count, m.Int(1)), count)
    return tuple(found)


# --- parts ------------------------------------------------------------------------------------------------------

TOKENS = Operator("the tokens", (), PART, numpy=lambda s: s.tokens + np.int8(1), smt=lambda s: s.at, python="tokens")


def _slice(name: str, text: str, kept: Callable[[Any, Any, Any], Any]) -> Operator:
    """The tokens at places for which ``kept(places, length, i)`` holds (``i``: None where there is no place)."""

    def run(s: Any) -> Any:
        here = s.place[:, None] if hasattr(s, "place") else None
        return _packed(s.tokens + np.int8(1), kept(np.arange(s.width), s.lengths[:, None], here) & s.valid)

    def encode(s: Any) -> Any:
        here = getattr(s, "place", None)
        return tuple(row for n, row in enumerate(s.at) if kept(n, s.length, here))

    return Operator(name, (), PART, numpy=run, smt=encode, python=f"tokens[{text}]")


BEFORE_HERE = _slice("the tokens before", ":i", lambda n, length, i: n < i)
UP_TO_HERE = _slice("the tokens up to here", ":i + 1", lambda n, length, i: n <= i)
AFTER_HERE = _slice("the tokens after", "i + 1:", lambda n, length, i: n > i)
FROM_HERE = _slice("the tokens from here", "i:", lambda n, length, i: n >= i)
EVEN_PLACES = _slice("every second token", "::2", lambda n, length, i: n % 2 == 0)
ODD_PLACES = _slice("every other second token", "1::2", lambda n, length, i: n % 2 == 1)
ALL_BUT_FIRST = _slice("all but the first", "1:", lambda n, length, i: n >= 1)
ALL_BUT_LAST = _slice("all but the last", ":-1", lambda n, length, i: n < length - 1)
FIRST_HALF = _slice("the first half", ":len(tokens) // 2", lambda n, length, i: n < length // 2)
SECOND_HALF = _slice("the second half", "len(tokens) // 2:", lambda n, length, i: n >= length // 2)


def _reversed(s: Any, part: Any) -> Any:
    return _packed(part[..., ::-1], part[..., ::-1] != NOTHING)


REVERSED = Operator(
    "reversed",
    (PART,),
    PART,
    numpy=_reversed,
    smt=lambda s, part: _squeezed(s, part[::-1], [_some(s.manager, row) for row in part[::-1]]),
    python="_0[::-1]",
)


def _unique(s: Any, part: Any) -> Any:
    earlier = (part[..., :, None] == part[..., None, :]) & np.tri(part.shape[-1], k=-1, dtype=bool)
    return _packed(part, ~earlier.any(-1) & (part != NOTHING))


def _unique_smt(s: Any, part: Sequence[Row]) -> Any:
    m = s.manager
    kept = [
        m.And(_some(m, row), m.Not(m.Or([_same(m, row, other) for other in part[:n]]))) for n, row in enumerate(part)
    ]
    return _squeezed(s, part, kept)


UNIQUE = Operator(
    "without repeats", (PART,), PART, numpy=_unique, smt=_unique_smt, python="list(dict.fromkeys(_0))", noun="kinds"
)


@maker
def in_order(values: NDArray[np.int64], *, are_numbers: bool, is_falling: bool = False) -> Operator:
    """A part sorted by ``values`` (tokens,), the numbers that tokens write or their order as texts; equal ones stay."""
    order = np.argsort(-values if is_falling else values, kind="stable")
    rank, back = np.append(len(order), np.argsort(order)), np.append(order, PAD) + 1

    def run(s: Any, part: Any) -> Any:
        return back[np.sort(rank[part], axis=-1)].astype(np.int8)

    def encode(s: Any, part: Sequence[Row]) -> Any:
        m, rows = s.manager, []
        upto = []  # how many tokens of the part are among the first n of the order
        for last in range(len(order)):
            upto.append(_counted(m, [m.Or([row[t] for t in order[: last + 1]]) for row in part]))
        for place in range(len(part)):
            row = [m.FALSE()] * len(order)
            for n, token in enumerate(order):
                least = m.GT(upto[n], m.Int(place))
                row[token] = m.And(least, m.Not(m.GT(upto[n - 1], m.Int(place)))) if n else least
            rows.append(tuple(row))
        return tuple(rows)

    options = ", key=int" * are_numbers + ", reverse=True" * is_falling
    name = "sorted down" if is_falling else "sorted"
    return Operator(name, (PART,), PART, numpy=run, smt=encode, python=f"sorted(_0{options})")


# --- tokens -----------------------------------------------------------------------------------------------------

FIRST_OF = Operator(
    "first of",
    (PART,),
    TOKEN,
    numpy=lambda s, part: _at(part, np.zeros((), np.int64)),
    smt=lambda s, part: _row_at(s, part, 0),
    python="_0[0]",
    noun="first",
    needs_token=True,
)
LAST_OF = Operator(
    "last of",
    (PART,),
    TOKEN,
    numpy=lambda s, part: _at(part, _sizes(part) - 1),
    smt=_last_row,
    python="_0[-1]",
    noun="last",
    needs_token=True,
)


def _placed(name: str, text: str, place: Callable[[Any, Any], Any], noun: str = "value") -> Operator:
    """The token of a part, which has as many tokens as the sequence, at ``place(i, length)``."""
    return Operator(
        name,
        (PART,),
        TOKEN,
        numpy=lambda s, part: _at(part, place(s.place, s.lengths)),
        smt=lambda s, part: _row_at(s, part, place(s.place, s.length)),
        python=text,
        noun=noun,
        needs_token=True,
    )


MIDDLE = Operator(
    "in the middle of",
    (PART,),
    TOKEN,
    numpy=lambda s, part: _at(part, s.lengths // 2),
    smt=lambda s, part: _row_at(s, part, s.length // 2),
    python="_0[len(tokens) // 2]",
    noun="middle",
    needs_token=True,
)
OR_NONE = Operator(
    "at the place, where there is one",
    (PART,),
    TOKEN,
    numpy=lambda s, part: _at(part, s.place),
    smt=lambda s, part: _row_at(s, part, s.place),
    python="(_0[i:] + [''])[0]",
)
AT_HERE = _placed("at the place", "_0[i]", lambda i, length: i)
OPPOSITE = _placed("at the mirrored place", "_0[-1 - i]", lambda i, length: length - 1 - i)
BEFORE = _placed("at the place before, around the end", "_0[i - 1]", lambda i, length: (i - 1) % length)
AFTER = _placed("at the place after, around the end", "_0[(i + 1) % len(tokens)]", lambda i, length: (i + 1) % length)


@maker
def shifted(offset: int) -> Operator:
    """The token of the sequence at this distance from the place, or at the end that is nearer."""
    text = f"min(i + {offset}, len(tokens) - 1)" if offset > 0 else f"max(i - {-offset}, 0)"
    if offset > 0:
        return _placed(f"at most {offset} on", f"_0[{text}]", lambda i, length: _least(i + offset, length - 1))
    return _placed(f"at most {-offset} back", f"_0[{text}]", lambda i, length: _most(i + offset, 0))


def _least(a: Any, b: Any) -> Any:
    return min(a, b) if isinstance(a, int) else np.minimum(a, b)


def _most(a: Any, b: Any) -> Any:
    return max(a, b) if isinstance(a, int) else np.maximum(a, b)


def _indexed(s: Any, part: Any, number: Any) -> Any:
    return _at(part, number % np.maximum(s.lengths, 1))


def _indexed_smt(s: Any, part: Sequence[Row], number: Any) -> Any:
    m, found = s.manager, _row_at(s, part, 0)
    rest = m.Minus(number, m.Times(m.Int(s.length), m.Div(number, m.Int(s.length))))
    for place in range(1, s.length):
        found = _choose(m, m.Equals(rest, m.Int(place)), part[place], found)
    return found


INDEXED = Operator(
    "at a number, around the end",
    (PART, INT),
    TOKEN,
    numpy=_indexed,
    smt=_indexed_smt,
    python="_0[_1 % len(tokens)]",
    needs_token=True,
)


@maker
def kth(place: int) -> Operator:
    """The token of a part at a fixed ``place``, from the end where that is negative; every part must have one."""
    return Operator(
        f"number {place} of",
        (PART,),
        TOKEN,
        numpy=lambda s, part: _at(part, np.int64(place) if place >= 0 else _sizes(part) + place),
        smt=lambda s, part: _row_at(s, part, place if place >= 0 else len(part) + place),
        python=f"_0[{place}]",
        needs_token=True,
    )


@maker
def kth_or_end(place: int) -> Operator:
    """The token at a fixed ``place``, from the end where that is negative; of a shorter part its end on that side."""
    return Operator(
        f"number {place} of, or the end",
        (PART,),
        TOKEN,
        numpy=lambda s, part: _at(
            part, np.minimum(place, _sizes(part) - 1) if place >= 0 else np.maximum(_sizes(part) + place, 0)
        ),
        smt=lambda s, part: _row_at(s, part, min(place, len(part) - 1) if place >= 0 else max(len(part) + place, 0)),
        python=f"_0[:{place + 1}][-1]" if place >= 0 else f"_0[{place}:][0]",
        needs_token=True,
    )


@maker
def extreme(values: NDArray[np.int64], *, are_numbers: bool, is_largest: bool) -> Operator:
    """The first token of a part with the least or the largest of ``values`` (tokens,)."""
    order = np.argsort(-values if is_largest else values, kind="stable")
    rank, back = np.append(len(order), np.argsort(order)), np.append(order, PAD)

    def run(s: Any, part: Any) -> Any:
        if not part.shape[-1]:
            return np.full(part.shape[:-1], PAD, np.int64)
        return back[rank[part].min(-1)]

    def encode(s: Any, part: Sequence[Row]) -> Any:
        m, found, before = s.manager, [s.manager.FALSE()] * len(order), s.manager.FALSE()
        for token in order:
            here = m.Or([row[token] for row in part])
            found[token] = m.And(here, m.Not(before))
            before = m.Or(before, here)
        return tuple(found)

    function = "max" if is_largest else "min"
    return Operator(
        "largest token" if is_largest else "least token",
        (PART,),
        TOKEN,
        numpy=run,
        smt=encode,
        python=f"{function}(_0, key=int)" if are_numbers else f"{function}(_0)",
        noun="largest" if is_largest else "least",
        needs_token=True,
    )


@maker
def frequent(is_most: bool) -> Operator:
    """The token that occurs most, or least, often in a part; of several the one that comes first."""

    def run(s: Any, part: Any) -> Any:
        if not part.shape[-1]:
            return np.full(part.shape[:-1], PAD, np.int64)
        counts = (part[..., :, None] == part[..., None, :]).sum(-1)
        worth = np.where(part == NOTHING, -part.shape[-1] - 1, counts if is_most else -counts)
        return _at(part, worth.argmax(-1))

    def encode(s: Any, part: Sequence[Row]) -> Any:
        m, found = s.manager, _nothing(s.manager, s)
        counts = [_counted(m, [_same(m, row, other) for other in part]) for row in part]
        for n in reversed(range(len(part))):
            others = [m.Or(m.Not(_some(m, part[k])), (m.GE if is_most else m.LE)(counts[n], counts[k])) for k in
                      range(len(part))]  # fmt: skip
            found = _choose(m, m.And([_some(m, part[n]), *others]), part[n], found)
        return found

    function = "max" if is_most else "min"
    return Operator(
        "most frequent token" if is_most else "rarest token",
        (PART,),
        TOKEN,
        numpy=run,
        smt=encode,
        python=f"{function}(_0, key=_0.count)",
        noun="frequent" if is_most else "rarest",
        needs_token=True,
    )


def _match(is_last: bool, is_after: bool) -> Operator:
    """The token next to the first or last place where a part has a token, with another one on that side."""

    def run(s: Any, part: Any, token: Any) -> Any:
        one, other = (part[..., :-1], part[..., 1:]) if is_after else (part[..., 1:], part[..., :-1])
        hits = (one == np.asarray(token)[..., None] + 1) & (one != NOTHING) & (other != NOTHING)
        if is_last:
            place = hits.shape[-1] - 1 - _first_place(hits[..., ::-1], np.int64(hits.shape[-1]))
        else:
            place = _first_place(hits, np.int64(-1))
        return _at(other, place)

    def encode(s: Any, part: Sequence[Row], token: Row) -> Any:
        m, found = s.manager, _nothing(s.manager, s)
        pairs = list(pairwise(part))
        for before, after in pairs if is_last else reversed(pairs):
            one, other = (before, after) if is_after else (after, before)
            hit = m.And([_same(m, one, token), _some(m, one), _some(m, other)])
            found = _choose(m, hit, other, found)
        return found

    wanted, test = ("token", "before") if is_after else ("before", "token")
    text = f"next(({wanted} for before, token in zip(_0, _0[1:]) if {test} == _1), '')"
    if is_last:  # of pairs with one key, a dict keeps the last
        text = f"dict(zip({'_0, _0[1:]' if is_after else '_0[1:], _0'})).get(_1, '')"
    side, end = "behind" if is_after else "before", "last" if is_last else "first"
    return Operator(
        f"token {side} the {end} match",
        (PART, TOKEN),
        TOKEN,
        numpy=run,
        smt=encode,
        python=text,
        noun="match",
    )


MATCHES = tuple(_match(is_last, is_after) for is_after in (True, False) for is_last in (True, False))


@maker
def match_label(number: int, alphabet: Sequence[str], labels: Sequence[str], default: str) -> Operator:
    """That one of ``MATCHES`` as the label, which is ``default`` where there is no such token."""
    return _or_default(MATCHES[number], alphabet, labels, default)


def _or_default(base: Operator, alphabet: Sequence[str], labels: Sequence[str], default: str) -> Operator:
    """The token that ``base`` finds as the label, which is ``default`` where it finds none."""
    index, other = _labels_of(alphabet, labels), labels.index(default)

    def encode(s: Any, *parts: Any) -> Any:
        found = base.smt(s, *parts)
        return s.manager.Ite(_some(s.manager, found), _as_label(s, found, index), s.manager.Int(other))

    def run(s: Any, *parts: Any) -> Any:
        found = base.numpy(s, *parts)
        return np.where(found < 0, other, index[found])

    return Operator(
        f"{base.name}, or {default!r}",
        base.arguments,
        LABEL,
        numpy=run,
        smt=encode,
        python=base.python.replace("''", repr(default)),
    )


def _occurrence(is_last: bool, is_once: bool) -> Operator:
    """The first or last token of a part that occurs in it once, or more than once."""

    def run(s: Any, part: Any) -> Any:
        counts = (part[..., :, None] == part[..., None, :]).sum(-1)
        hits = (part != NOTHING) & ((counts == 1) if is_once else (counts > 1))
        if is_last:
            return _at(part, hits.shape[-1] - 1 - _first_place(hits[..., ::-1], np.int64(hits.shape[-1])))
        return _at(part, _first_place(hits, np.int64(-1)))

    def encode(s: Any, part: Sequence[Row]) -> Any:
        m, found = s.manager, _nothing(s.manager, s)
        for n in range(len(part)) if is_last else reversed(range(len(part))):
            row = part[n]
            again = m.Or([_same(m, row, other) for k, other in enumerate(part) if k != n])
            found = _choose(m, m.And(_some(m, row), m.Not(again) if is_once else again), row, found)
        return found

    end, often = "last" if is_last else "first", "once" if is_once else "more than once"
    way, test = "[::-1]" * is_last, "== 1" if is_once else "> 1"
    return Operator(
        f"{end} token that occurs {often}",
        (PART,),
        TOKEN,
        numpy=run,
        smt=encode,
        python=f"next((token for token in _0{way} if _0.count(token) {test}), '')",
        noun="single" if is_once else "repeated",
    )


OCCURRENCES = tuple(_occurrence(is_last, is_once) for is_once in (True, False) for is_last in (False, True))


@maker
def occurrence_label(number: int, alphabet: Sequence[str], labels: Sequence[str], default: str) -> Operator:
    """That one of ``OCCURRENCES`` as the label, which is ``default`` where there is no such token."""
    return _or_default(OCCURRENCES[number], alphabet, labels, default)


# --- what is asked of tokens and parts --------------------------------------------------------------------------

SAME = Operator(
    "the same token",
    (TOKEN, TOKEN),
    BOOL,
    numpy=lambda s, a, b: a == b,
    smt=lambda s, a, b: _same(s.manager, a, b),
    python="_0 == _1",
    commutative=True,
    noun="same",
)


@maker
def given(index: int, text: str) -> Operator:
    """The token ``text`` itself, which has this ``index`` in the alphabet."""

    def encode(s: Any) -> Row:
        m = s.manager
        return tuple(m.Bool(n == index) for n in range(len(s.at[0])))

    return Operator(
        f"the token {text!r}",
        (),
        TOKEN,
        numpy=lambda s: np.full(len(s.tokens), index, np.int64),
        smt=encode,
        python=repr(text),
        needs_token=True,
    )


@maker
def is_text(index: int, text: str) -> Operator:
    """Whether a token is ``text``, which has this ``index`` in the alphabet."""
    return Operator(
        f"is the token {text!r}",
        (TOKEN,),
        BOOL,
        numpy=lambda s, a: a == index,
        smt=lambda s, a: a[index],
        python=f"_0 == {text!r}",
        noun="found",
    )


def _alike(s: Any, a: Any, b: Any) -> Any:
    return (a == b).all(-1)


def _alike_smt(s: Any, a: Sequence[Row], b: Sequence[Row]) -> Any:
    m, nothing = s.manager, _nothing(s.manager, s)
    longest = max(len(a), len(b))
    padded = ([*part, *[nothing] * (longest - len(part))] for part in (a, b))
    return m.And([_same(m, x, y) for x, y in zip(*padded, strict=True)])


ALIKE = Operator(
    "the same tokens",
    (PART, PART),
    BOOL,
    numpy=_alike,
    smt=_alike_smt,
    python="_0 == _1",
    commutative=True,
    noun="same",
)

CONTAINS = Operator(
    "contains",
    (PART, TOKEN),
    BOOL,
    numpy=lambda s, part, a: ((part == np.asarray(a)[..., None] + 1) & (part != NOTHING)).any(-1),
    smt=lambda s, part, a: s.manager.Or([s.manager.And(_some(s.manager, a), _same(s.manager, row, a)) for row in part]),
    python="_1 in _0",
    noun="seen",
)

COUNT_IN = Operator(
    "count in",
    (PART, TOKEN),
    INT,
    numpy=lambda s, part, a: ((part == np.asarray(a)[..., None] + 1) & (part != NOTHING)).sum(-1),
    smt=lambda s, part, a: _counted(
        s.manager, [s.manager.And(_some(s.manager, a), _same(s.manager, row, a)) for row in part]
    ),
    python="_0.count(_1)",
    noun="count",
)

CHANGES = Operator(
    "changes",
    (PART,),
    INT,
    numpy=lambda s, part: ((part[..., 1:] != part[..., :-1]) & (part[..., 1:] != NOTHING)).sum(-1),
    smt=lambda s, part: _counted(
        s.manager,
        [s.manager.And(_some(s.manager, b), s.manager.Not(_same(s.manager, a, b))) for a, b in pairwise(part)],
    ),
    python="sum(before != token for before, token in zip(_0, _0[1:]))",
    noun="changes",
)

PLACE_IN = Operator(
    "first place of the token here",
    (),
    INT,
    numpy=lambda s: _first_place(s.tokens == s.at(s.place)[:, None], np.int64(0)),
    smt=lambda s: _first_index(s, s.at[s.place]),
    python="tokens.index(tokens[i])",
    noun="first",
)


def _first_index(s: Any, token: Row) -> Any:
    m, found = s.manager, s.manager.Int(0)
    for place in reversed(range(s.length)):
        found = m.Ite(_same(m, s.at[place], token), m.Int(place), found)
    return found


SIZE = Operator(
    "size",
    (PART,),
    INT,
    numpy=lambda s, part: _sizes(part),
    smt=lambda s, part: _counted(s.manager, [_some(s.manager, row) for row in part]),
    python="len(_0)",
    noun="size",
)


def _kinds(s: Any, part: Any) -> Any:
    earlier = (part[..., :, None] == part[..., None, :]) & np.tri(part.shape[-1], k=-1, dtype=bool)
    return (~earlier.any(-1) & (part != NOTHING)).sum(-1)


def _kinds_smt(s: Any, part: Sequence[Row]) -> Any:
    m = s.manager
    return _counted(m, [m.Or(list(column)) for column in zip(*part, strict=True)])


KINDS = Operator("kinds", (PART,), INT, numpy=_kinds, smt=_kinds_smt, python="len(set(_0))", noun="kinds")


@maker
def value(values: NDArray[np.int64]) -> Operator:
    """The number that a token writes; ``values``: (tokens,), by index."""
    known = np.append(values, 0)
    return Operator(
        "value",
        (TOKEN,),
        INT,
        numpy=lambda s, a: known[a],
        smt=lambda s, a: _number(s, a, values),
        python="int(_0)",
        noun="number",
        meaning=Within(int(np.abs(values).max())),
    )


@maker
def total(values: NDArray[np.int64]) -> Operator:
    """The sum of the numbers that the tokens of a part write; ``values``: (tokens,), by index."""
    known = np.append(0, values)
    return Operator(
        "sum of values",
        (PART,),
        INT,
        numpy=lambda s, part: known[part].sum(-1),
        smt=lambda s, part: s.manager.Plus([s.manager.Int(0), *(_number(s, row, values) for row in part)]),
        python="sum(int(token) for token in _0)",
        noun="total",
        meaning=Within(LONGEST * int(np.abs(values).max())),
    )


def _number(s: Any, row: Row, values: NDArray[np.int64]) -> Any:
    m, result = s.manager, s.manager.Int(0)
    for here, number in zip(row, values, strict=True):
        result = m.Ite(here, m.Int(int(number)), result)
    return result


@maker
def as_label(alphabet: Sequence[str], labels: Sequence[str]) -> Operator:
    """The token as the label; one that is no label gives none."""
    index = _labels_of(alphabet, labels)
    return Operator(
        "the token as label",
        (TOKEN,),
        LABEL,
        numpy=lambda s, a: index[a],
        smt=lambda s, a: _as_label(s, a, index),
        python="_0",
    )


def _labels_of(alphabet: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """The label that each token is, and that of no token: none."""
    return np.array([labels.index(t) if t in labels else NO_LABEL for t in alphabet] + [NO_LABEL], np.int64)


def _as_label(s: Any, token: Row, index: NDArray[np.int64]) -> Any:
    m, result = s.manager, s.manager.Int(NO_LABEL)
    for here, label in zip(token, index[:-1], strict=True):
        result = m.Ite(here, m.Int(int(label)), result)
    return result
