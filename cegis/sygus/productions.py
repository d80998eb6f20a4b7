"""Grammars of a ``synth-fun``: as they are written, and as the productions that a search goes through.

A written rule is a term with nonterminals for leaves, as ``(+ Start (* 2 x))``. The search wants one operator per
production and no detours, so

1. an argument that is no nonterminal gets a nonterminal of its own, named by its text: ``(* 2 x)``, ``2``, ``x``;
2. a rule that is a nonterminal alone is replaced by the rules of that nonterminal, and so on;
3. nonterminals that derive nothing, or that no program reaches, are left out;
4. nonterminals with the same productions are one (the coarsest bisimulation), so no term is enumerated twice.

The language stays the same to the letter. Every operator and every leaf costs 1, so the cost of a program is its size;
the outermost operator of a rule with a weight costs that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dsl.grammar import Grammar, Production
from dsl.operators import GrammarError, Operator, Sort, Term
from dsl.scalars import ScalarSignature, variable

Body = tuple[Operator, tuple[str, ...]]  # an operator and the nonterminals of its arguments
Bodies = dict[str, dict[Body, int]]  # per nonterminal, in order: what each costs


def nonterminal(name: str, sort: Sort) -> Term:
    """The leaf of a rule that stands for any term of a nonterminal."""
    return variable(name, sort)()


def any_constant(sort: Sort) -> Term:
    """The leaf of a rule that stands for any literal."""
    return _leaf(f"(Constant {sort.name})", sort)


def any_variable(sort: Sort) -> Term:
    """The leaf of a rule that stands for any parameter."""
    return _leaf(f"(Variable {sort.name})", sort)


def _leaf(name: str, sort: Sort) -> Term:
    return replace(variable(name, sort), is_variable=False)()


@dataclass(frozen=True)
class WrittenGrammar:
    """``rules[name]``: what the nonterminal may be, in the order of the file. The first nonterminal is the start.

    ``weights[name, rule]``: of the rules that were given one, at least 1.
    """

    signature: ScalarSignature
    rules: Mapping[str, tuple[Term, ...]]
    sorts: Mapping[str, Sort]
    weights: Mapping[tuple[str, Term], int] = field(default_factory=dict)

    @property
    def start(self) -> str:
        """The nonterminal that programs derive from: the first."""
        return next(iter(self.sorts))

    def derives(self, term: Term, name: str | None = None) -> bool:
        """Whether ``term`` is built by these very rules from ``name`` (the start); looks at no production below."""
        return self._derives(term, name or self.start, frozenset())

    def _derives(self, term: Term, name: str, passed: frozenset[str]) -> bool:
        """``passed``: nonterminals that ``term`` as a whole came through already."""
        if name in passed or term.sort != self.sorts[name]:
            return False
        return any(self._matches(rule, term, passed | {name}) for rule in self.rules[name])

    def _matches(self, rule: Term, term: Term, passed: frozenset[str]) -> bool:
        if rule == any_constant(term.sort):
            return term.operator.is_literal
        if rule == any_variable(term.sort):
            return term in self.signature.variables
        if rule.operator.is_variable and rule.operator.name in self.rules:
            return self._derives(term, rule.operator.name, passed)
        return rule.operator == term.operator and all(
            self._matches(part, argument, frozenset())
            for part, argument in zip(rule.arguments, term.arguments, strict=True)
        )

    def productions(self, constants: Iterable[Term] = ()) -> Grammar:
        """The same language for the search; ``constants`` are tried where any literal may stand.

        Raises GrammarError where the start derives no term.
        """
        bodies, free = _Flattening(self, tuple(constants)).closed()
        bodies = _reached(_productive(bodies), self.start)
        merged = _merged(bodies, free)
        rows = {
            Production(name, operator, tuple(merged[part] for part in parts), cost): None
            for name in bodies
            if merged[name] == name
            for (operator, parts), cost in bodies[name].items()
        }
        return Grammar(self.signature, self.start, tuple(rows), free & set(merged.values()))


def restricted(grammar: Grammar, names: Iterable[str]) -> Grammar:
    """The grammar without the operators that are not among ``names``; variables and literals stay.

    Raises GrammarError for a name it does not have, and where nothing can be derived any more.
    """
    known = {row.operator.name for row in grammar.productions if row.arguments}
    kept = set(names)
    if unknown := sorted(kept - known):
        raise GrammarError(f"the grammar has no operator {unknown[0]!r}; it has {', '.join(sorted(known))}")
    bodies: Bodies = {name: {} for name in grammar.sorts}
    for row in grammar.productions:
        if not row.arguments or row.operator.name in kept:
            bodies[row.nonterminal][row.operator, row.arguments] = row.cost
    bodies = _reached(_productive(bodies), grammar.start)
    rows = (row for row in grammar.productions if (row.operator, row.arguments) in bodies.get(row.nonterminal, ()))
    return replace(grammar, productions=tuple(rows), constants=grammar.constants & bodies.keys())


def _reached(bodies: Bodies, start: str) -> Bodies:
    """Without the nonterminals that no term of ``start`` comes through."""
    if start not in bodies:
        raise GrammarError(f"the grammar derives no term from {start}: every rule leads back to itself")
    edges = {name: {part: None for _, parts in bodies[name] for part in parts} for name in bodies}
    return {name: bodies[name] for name in _closure(start, edges)}


class _Flattening:
    """Steps 1 and 2 for one grammar: ``bodies`` and ``units`` (rules that are a nonterminal alone) as they come."""

    def __init__(self, written: WrittenGrammar, constants: Sequence[Term]) -> None:
        self.written, self.parameters, self.constants = written, written.signature.variables, constants
        self.sorts = dict(written.sorts)
        self.bodies: Bodies = {name: {} for name in written.rules}
        self.units: dict[str, dict[str, None]] = {name: {} for name in written.rules}
        self.free: set[str] = set()  # nonterminals that derive any literal of their sort
        for name, rules in written.rules.items():
            for rule in rules:
                self._add(name, rule)

    def _add(self, name: str, rule: Term) -> None:
        if rule.operator.is_variable and rule.operator.name in self.written.rules:
            self.units[name][rule.operator.name] = None
        elif rule == any_constant(rule.sort):
            self.free.add(name)
            self._add_leaves(name, (term for term in self.constants if term.sort == rule.sort))
        elif rule == any_variable(rule.sort):
            weight = self.written.weights.get((name, rule), 1)
            self._add_leaves(name, (term for term in self.parameters if term.sort == rule.sort), weight)
        else:
            weight = self.written.weights.get((name, rule), 1)
            self._put(self.bodies[name], (rule.operator, tuple(map(self._argument, rule.arguments))), weight)

    def _add_leaves(self, name: str, terms: Iterable[Term], weight: int = 1) -> None:
        for term in terms:
            self._put(self.bodies[name], (term.operator, ()), weight)

    @staticmethod
    def _put(bodies: dict[Body, int], body: Body, cost: int) -> None:
        """``body`` at this cost, or at a smaller one that it has by another rule."""
        bodies[body] = min(cost, bodies.get(body, cost))

    def _argument(self, part: Term) -> str:
        """The nonterminal of an argument; one of its own where it is none."""
        name = str(part)
        if name not in self.sorts:
            self.sorts[name], self.bodies[name], self.units[name] = part.sort, {}, {}
            self._add(name, part)
        return name

    def closed(self) -> tuple[Bodies, frozenset[str]]:
        """The bodies, and which nonterminals derive any literal, with what is reached through units."""
        reach = {name: _closure(name, self.units) for name in self.bodies}
        bodies: Bodies = {name: {} for name in self.bodies}
        for name, others in reach.items():
            for other in others:
                for body, cost in self.bodies[other].items():
                    self._put(bodies[name], body, cost)
        return bodies, frozenset(name for name in bodies if self.free & reach[name].keys())


def _closure(name: str, edges: Mapping[str, Iterable[str]]) -> dict[str, None]:
    """``name`` and what is reached from it, nearest first."""
    reached, queue = {name: None}, [name]
    for current in queue:
        for other in edges[current]:
            if other not in reached:
                reached[other] = None
                queue.append(other)
    return reached


def _productive(bodies: Bodies) -> Bodies:
    """Without the nonterminals that derive no finite term, and the bodies that use them."""
    good: set[str] = set()
    while True:
        more = {name for name in bodies if any(good.issuperset(arguments) for _, arguments in bodies[name])}
        if more == good:
            break
        good = more
    return {
        name: {body: cost for body, cost in bodies[name].items() if good.issuperset(body[1])}
        for name in bodies
        if name in good
    }


def _merged(bodies: Bodies, free: frozenset[str]) -> dict[str, str]:
    """For every nonterminal the first one that has the same productions, as far down as one looks."""
    merged = dict.fromkeys(bodies, "")
    while True:
        keys = {
            name: (
                merged[name],
                name in free,
                frozenset((o, tuple(merged[a] for a in args), cost) for (o, args), cost in bodies[name].items()),
            )
            for name in bodies
        }
        first: dict[object, str] = {}
        for name, key in keys.items():
            first.setdefault(key, name)
        finer = {name: first[key] for name, key in keys.items()}
        if len(set(finer.values())) == len(set(merged.values())):
            return finer
        merged = finer
