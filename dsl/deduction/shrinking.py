"""Smaller programs from larger ones: replace subterms by parts of themselves while the program stays right.

A program that was composed (a decision tree, an answer of a solver) carries parts that do nothing. Every subterm is
tried, the largest first, against what could stand in its place: what ``rewritings`` says in other words (of what
stands in several places, in all of them at once), terms of its sort inside it, and ``spares`` (literals, parameters). A
replacement stays when the whole costs less and ``fits`` says it is still right; what is right is the caller's business.
The result is a local minimum, not the smallest program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from dsl.operators import Term

Path = tuple[int, ...]


class Ordered(Protocol):
    """Numbers, and tuples of them."""

    def __lt__(self, other: Any, /) -> bool: ...


Price = TypeVar("Price", bound=Ordered)


def shrink(
    term: Term,
    fits: Callable[[Term], bool],
    price: Callable[[Term], Price | None],
    *,
    spares: Sequence[Term] = (),
    rewritings: Callable[[Term], Iterable[Term]] = lambda term: (),
    stop: Callable[[], bool] = lambda: False,
) -> Term:
    """A term that ``fits`` and costs no more; ``price`` is None for what the grammar does not derive."""
    cost = price(term)
    improved = True
    while improved and not stop():
        improved = False
        for path in sorted(_paths(term), key=len):
            found = _at(term, path)
            if found is None:
                continue  # replaced together with what it stood in
            for other in (*rewritings(found), *_replacements(found, spares)):
                if stop():
                    return term
                cheaper = _with(term, path, other)
                new = price(cheaper)
                if new is not None and (cost is None or new < cost) and fits(cheaper):
                    term, cost, improved = cheaper, new, True
                    break
        for found in _repeated(term):
            for other in rewritings(found):
                cheaper = _everywhere(term, found, other)
                new = price(cheaper)
                if new is not None and (cost is None or new < cost) and not stop() and fits(cheaper):
                    term, cost, improved = cheaper, new, True
                    break
    return term


def _replacements(term: Term, spares: Sequence[Term]) -> Iterator[Term]:
    """Smaller terms of the same sort: spare ones, then parts of ``term``, smallest first.

    Of a conditional also itself the other way round, by a part of its condition.
    """
    parts = {inner: None for inner in _inside(term, 3) if inner.sort == term.sort}
    if term.operator.is_choice:
        condition, then, otherwise = term.arguments
        inner_ones = (inner for inner in _inside(condition, 3) if inner.sort == condition.sort)
        parts |= {term.operator(inner, otherwise, then): None for inner in inner_ones}
    smaller = [spare for spare in spares if spare.sort == term.sort and spare.size < term.size]
    yield from sorted({**dict.fromkeys(smaller), **parts}, key=lambda part: part.size)


def _inside(term: Term, depth: int) -> Iterator[Term]:
    for argument in term.arguments:
        yield argument
        if depth > 1:
            yield from _inside(argument, depth - 1)


def _paths(term: Term) -> Iterator[Path]:
    yield ()
    for place, argument in enumerate(term.arguments):
        for path in _paths(argument):
            yield (place, *path)


def _at(term: Term, path: Path) -> Term | None:
    for place in path:
        if place >= len(term.arguments):
            return None
        term = term.arguments[place]
    return term


def _repeated(term: Term) -> list[Term]:
    """Subterms that stand in ``term`` more than once."""
    counts: Counter[Term] = Counter()
    stack = [term]
    while stack:
        inner = stack.pop()
        counts[inner] += 1
        stack += inner.arguments
    return [inner for inner, times in counts.items() if times > 1]


def _everywhere(term: Term, found: Term, other: Term) -> Term:
    """``term`` with ``other`` wherever ``found`` stands."""
    if term == found:
        return other
    return Term(term.operator, tuple(_everywhere(argument, found, other) for argument in term.arguments))


def _with(term: Term, path: Path, other: Term) -> Term:
    if not path:
        return other
    arguments = list(term.arguments)
    arguments[path[0]] = _with(arguments[path[0]], path[1:], other)
    return Term(term.operator, tuple(arguments))
