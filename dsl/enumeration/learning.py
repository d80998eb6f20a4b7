"""Costs learned from partial solutions: what helped at some points becomes cheap, so that search goes deeper there.

Probe (Barke, Peleg & Polikarpova, "Just-in-time learning for bottom-up enumeration", OOPSLA 2020): a production that
occurs in a term right on a share ``fit`` of the points, the largest such share, gets the probability

    p(production) = u ** (1 - fit) / Z        with u = 1 / the number of productions of its nonterminal,

and costs -log2 p. Costs are counted here from the likeliest production of the nonterminal, which costs 1 (Z cancels),
and end at ``DEAREST``. A production counts as used where its operator is. Learned costs order a search; they say
nothing about what a program is worth to its user, and that no production is lost is all that they promise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dsl.grammar import Grammar
from dsl.operators import Operator, Term

DEAREST = 8


def learned(grammar: Grammar, partial: Sequence[tuple[Term, float]]) -> Grammar:
    """``grammar`` with costs learned from terms and the share of points, from 0 to 1, that each is right on."""
    fits = _fits(partial)
    choices = Counter(production.nonterminal for production in grammar.productions)
    best: dict[str, float] = {}
    for production in grammar.productions:
        fit = fits.get(production.operator, 0.0)
        best[production.nonterminal] = max(fit, best.get(production.nonterminal, 0.0))

    def cost(nonterminal: str, operator: Operator) -> int:
        less = best[nonterminal] - fits.get(operator, 0.0)
        return min(DEAREST, 1 + round(less * math.log2(choices[nonterminal])))

    productions = (replace(p, cost=cost(p.nonterminal, p.operator)) for p in grammar.productions)
    return replace(grammar, productions=tuple(productions))


def _fits(partial: Iterable[tuple[Term, float]]) -> dict[Operator, float]:
    """The largest share of a term that uses the operator."""
    fits: dict[Operator, float] = {}
    for term, share in partial:
        seen: set[Term] = set()
        stack = [term]
        while stack:
            inner = stack.pop()
            if inner not in seen:
                seen.add(inner)
                stack += inner.arguments
                fits[inner.operator] = max(share, fits.get(inner.operator, 0.0))
    return fits
