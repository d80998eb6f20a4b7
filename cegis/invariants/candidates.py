"""Where an invariant is looked for: the regions and the conditions in them that the clauses suggest.

Bounds with the literals of the clauses for limits, on single parameters, sums and differences of two, and the sums that
the clauses compare; their remainders by the literals; all equations; and the comparisons of the clauses themselves,
which are the guards as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

from cegis.formulas.formula import Function, rebuilt, subterms
from cegis.formulas.linear import Compared, Linear, atoms, condition
from cegis.invariants.clauses import Clause, negation
from cegis.invariants.templates import Bound, Fact, Hull, Part, Region, Residue
from dsl.operators import BOOL, INT, Term
from dsl.theories.theory import find

MOST_LIMITS = 100
MOST_MODULI = 3
MOST_PAIRED = 5  # parameters whose sums are watched in every region


@dataclass(frozen=True)
class Stage:
    """Whether sums of two parameters are watched, and regions by ``guards`` comparisons, ``together`` at a time."""

    sums: bool
    guards: int = 0
    together: int = 0


STAGES = (Stage(False), Stage(True), Stage(True, 12, 1), Stage(True, 6, 2))


def watched(function: Function, found: tuple[Clause, ...], stage: Stage) -> tuple[Region, ...]:
    """Empty regions for a function: one everywhere, and one for every way that guards can turn out."""
    signature = function.signature
    read = _read(function, found)
    numbers = tuple(variable for variable in signature.variables if variable.sort == INT)
    flags = tuple(variable for variable in signature.variables if variable.sort == BOOL)
    facts = [Fact(signature, side) for atom in (*flags, *read) for side in (atom, negation(atom))]
    sums = stage.sums and (not stage.guards or len(numbers) <= MOST_PAIRED)
    parts = (*_parts(numbers, read, found, sums), *facts)
    split = tuple(dict.fromkeys((*flags, *read)))[: stage.guards]
    chosen: list[Term | None] = [None, *(side for atom in split for side in (atom, negation(atom)))]
    if stage.together > 1:
        for one, other in combinations(split, 2):
            sides = product((one, negation(one)), (other, negation(other)))
            chosen += [find("and", (BOOL, BOOL))(*pair) for pair in sides]
    return tuple(Region(signature, guard, parts) for guard in chosen)


def _parts(
    numbers: tuple[Term, ...], read: tuple[Term, ...], found: tuple[Clause, ...], with_sums: bool
) -> Iterator[Part]:
    """What is watched of a function's integer parameters."""
    used = (inner.operator for clause in found for term in clause.terms for inner in subterms(term))
    literals = {int(operator.value) for operator in used if operator.result == INT and operator.value is not None}
    near = sorted({sign * c + step for c in (0, *literals) for sign in (1, -1) for step in (-1, 0, 1)}, key=abs)
    limits = tuple(sorted(near[:MOST_LIMITS]))
    moduli = sorted({2, *(c for c in literals if 2 <= c <= 16)})[:MOST_MODULI]
    alone = [Linear(((number, 1),)) for number in numbers]
    pairs = tuple(combinations(alone, 2)) if with_sums else ()
    sums = [*alone, *(a + b for a, b in pairs), *(a - b for a, b in pairs)]
    compared = [c.linear - Linear((), c.linear.constant) for c in map(condition, read) if isinstance(c, Compared)]
    compared = [linear for linear in compared if all(term in numbers for term, _ in linear.parts)]
    if numbers:
        yield Hull(numbers)
    for linear in dict.fromkeys([*sums, *compared]):
        yield Bound(linear, limits)
        yield Bound(linear * -1, limits)
    for linear in sums:
        yield from (Residue(linear, modulus) for modulus in moduli)


def _read(function: Function, found: tuple[Clause, ...]) -> tuple[Term, ...]:
    """The comparisons in the clauses that speak of the arguments of one call alone, over the parameters."""
    atomic: dict[Term, None] = {}
    for clause in found:
        for call in clause.calls:
            names = dict(zip(call.arguments, function.signature.variables, strict=False))
            if call.operator == function.operator and all(argument.operator.is_variable for argument in names):
                for atom in _atoms(clause):
                    if all(inner in names for inner in subterms(atom) if inner.operator.is_variable):
                        atomic[rebuilt(atom, names)] = None
    return tuple(sorted(atomic, key=lambda term: term.size))


def _atoms(clause: Clause) -> tuple[Term, ...]:
    """Every comparison in the facts of a clause, those inside conditionals too."""
    flags = (inner for fact in clause.facts for inner in subterms(fact) if inner.sort == BOOL)
    return tuple(dict.fromkeys(atom for flag in flags for atom in atoms(condition(flag))))
