"""Motifs learned from solved programs, and what productions cost there: added to a grammar of any tokens and labels.

A motif is a body over parameters: first tokens, then terms, each of a nonterminal. A body is ``$k`` for a parameter, or
a family with its tokens and its arguments:

    ["minus", ["count _", "$0"], ["count _", "$1"]]        two tokens: count of one less count of another

In a grammar it becomes one composed operator for every choice of different tokens (``dsl.composition``), so programs
show the operators of the grammar alone. A motif with an operator that a grammar lacks is left out of it.

Costs follow how often a nonterminal became each family in the corpus. A production that costs c in the grammar has the
probability p0 = 2**-c / Z before anything is seen, and of n uses of its nonterminal u are its own (a family shares its
uses among its members); afterwards it costs

    -log2 ((u + w * p0) / (n + w)) - log2 Z        rounded, from 1 to DEAREST, where w = max(PRIOR, n)

so with few programs costs stay near those of the grammar, and what never was used costs 1 more at most. They order a
search, and say nothing of a program's worth.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations

from dsl.abstraction.families import Families
from dsl.composition import composed, parameter
from dsl.grammar import Grammar, Production
from dsl.operators import GrammarError, Operator, Term

Body = str | tuple["Body", ...]
PRIOR = 10.0  # uses of its nonterminal that the costs of a grammar count for, or as many as there are
DEAREST = 8  # a production costs at most so much
MOST_MEMBERS = 60  # operators of one motif, by its choices of tokens


@dataclass(frozen=True)
class Motif:
    """``nonterminal -> body``; ``tokens``: how many parameters are tokens; ``takes``: the nonterminals of the others.

    ``uses``: how often it stands in the corpus; ``example``: the text of it there.
    """

    name: str
    nonterminal: str
    tokens: int
    takes: tuple[str, ...]
    body: Body
    uses: int = 1
    example: str = ""

    @property
    def family(self) -> str:
        """What the family of its operators is called."""
        return " ".join([self.name, *"_" * self.tokens])


@dataclass(frozen=True)
class Learned:
    """``motifs``, and ``uses``: how often each nonterminal became which family in the corpus written with them.

    Without ``uses``, productions keep the costs that they have. ``about``: the corpus in words.
    """

    motifs: tuple[Motif, ...]
    uses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    about: str = ""

    def added(self, grammar: Grammar) -> Grammar:
        """``grammar`` with the motifs that its operators can express, and with the learned costs."""
        families = Families(grammar)
        rows = [*grammar.productions, *(row for motif in self.motifs for row in _members(motif, families))]
        whole = replace(grammar, productions=tuple(dict.fromkeys(rows)))
        return self._priced(whole) if self.uses else whole

    def without_costs(self) -> Learned:
        """The motifs alone."""
        return replace(self, uses={})

    def without_motifs(self) -> Learned:
        """The costs alone."""
        return replace(self, motifs=())

    def _priced(self, grammar: Grammar) -> Grammar:
        families = Families(grammar)
        named = [(row, _family(families, row.operator)) for row in grammar.productions]
        members = Counter((row.nonterminal, family) for row, family in named)
        whole: dict[str, float] = defaultdict(float)
        for row, _ in named:
            whole[row.nonterminal] += 2.0**-row.cost

        def cost(row: Production, family: str) -> int:
            uses = self.uses.get(row.nonterminal, {})
            own = uses.get(family, 0) / members[row.nonterminal, family]
            seen = sum(uses.values())
            weight = max(PRIOR, seen)
            share = (own + weight * 2.0**-row.cost / whole[row.nonterminal]) / (seen + weight)
            return min(DEAREST, max(1, round(-math.log2(share * whole[row.nonterminal]))))

        rows = (replace(row, cost=cost(row, family)) for row, family in named)
        return replace(grammar, productions=tuple(rows))


LABELS = "label _"  # what the family of constant labels is called where costs are counted


def _family(families: Families, operator: Operator) -> str:
    return LABELS if families.is_label(operator) else families.of(operator)[0]


def _members(motif: Motif, families: Families) -> Iterator[Production]:
    """The motif as productions of the grammar, one for each choice of tokens; none where it cannot express it."""
    alphabet, known = families.signature.alphabet, families.operators
    if math.perm(len(alphabet), motif.tokens) > MOST_MEMBERS or not {motif.nonterminal, *motif.takes} <= known.keys():
        return
    sorts = tuple(families.grammar.sorts[name] for name in motif.takes)
    for tokens in permutations(alphabet, motif.tokens):
        try:
            body = instance(motif, tokens, families)
        except GrammarError:
            continue
        name = " ".join([motif.name, *map(repr, tokens)])
        cost = 1 + motif.tokens + len(motif.takes)
        yield Production(motif.nonterminal, composed(name, sorts, body), motif.takes, cost)


def instance(motif: Motif, tokens: tuple[str, ...], families: Families) -> Term:
    """The body at these tokens, over ``parameter``s; raises GrammarError where the grammar does not derive it."""

    def built(body: Body, nonterminal: str) -> Term:
        if isinstance(body, str):
            place = int(body[1:]) - motif.tokens
            if not families.fits(motif.takes[place], nonterminal):
                raise GrammarError(f"{motif.name}: a {motif.takes[place]} stands where a {nonterminal} is expected")
            return parameter(place, families.grammar.sorts[motif.takes[place]])()
        family, *rest = body
        assert isinstance(family, str)
        count = family.count("_")
        chosen = tuple(tokens[int(hole[1:])] for hole in rest[:count] if isinstance(hole, str))
        row = families.find(family, chosen, nonterminal)
        if row is None or len(rest) - count != len(row.arguments):
            raise GrammarError(f"{motif.name}: no {nonterminal} is {family!r} at {chosen!r}")
        return row.operator(*map(built, rest[count:], row.arguments))

    return built(motif.body, motif.nonterminal)
