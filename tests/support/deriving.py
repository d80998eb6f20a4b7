"""Random terms of a grammar."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from dsl.grammar import Grammar, Production
from dsl.operators import Term


def derived(grammar: Grammar, nonterminal: str, size: int, choose: Callable[[list[Production]], Production]) -> Term:
    """A term by walking productions, of about ``size`` operators, or of as few as there must be.

    ``choose(options)`` picks one: ``random.Random(0).choice``, or hypothesis's ``draw`` over ``sampled_from``.
    """
    own = [p for p in grammar.productions if p.nonterminal == nonterminal]
    options, depths = [p for p in own if len(p.arguments) < max(size, 1)], _depths(grammar)
    if size <= depths[nonterminal]:
        options = [p for p in own if all(depths[name] < depths[nonterminal] for name in p.arguments)]
    production = choose(options)
    share = (size - 1) // max(len(production.arguments), 1)
    return production.operator(*(derived(grammar, name, share, choose) for name in production.arguments))


@cache
def _depths(grammar: Grammar) -> dict[str, int]:
    """How deep the shallowest term of each nonterminal is."""
    depths: dict[str, int] = {}
    for depth in range(1, len(grammar.sorts) + 1):
        known = dict(depths)
        for p in grammar.productions:
            if all(name in known for name in p.arguments):
                depths.setdefault(p.nonterminal, depth)
    return depths
