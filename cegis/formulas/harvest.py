"""What a specification itself says about its function: terms that can be its value, and conditions that choose.

For a function called once, ``y = f(x)``, the specification is a condition on ``x`` and ``y``. Where ``y`` occurs in
linear atoms with coefficient 1 or -1, a value that satisfies the condition exists exactly if one exists on the
border of an atom (Cooper 1972, for unit coefficients): ``t``, ``t - 1`` or ``t + 1`` where the atom says ``y <= t`` or
``y = t``. So with t_1 ... t_n for those borders

    f(x) = t_1 if spec(x, t_1) else t_2 if spec(x, t_2) else ... t_n

is a solution whenever there is one. It is long; its parts are what makes a short one: ``terms`` at the leaves,
``predicates`` at the branches of a decision tree. Any sort may harvest terms from its equations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

from cegis.formulas.formula import Call, FormulaSpec, inlined, rebuilt, subterms
from cegis.formulas.linear import Condition, Linear, atoms, compare, condition, forms, join
from dsl.operators import BOOL, INT, GrammarError, Term
from dsl.theories.theory import literal

MOST_TERMS = 48
MOST_PREDICATES = 2_000
MOST_COMPARED = 16  # values whose conditions and comparisons are predicates


@dataclass(frozen=True)
class Harvest:
    """Over the parameters of the function: ``terms`` that can be its value, and ``predicates`` to choose by."""

    constraints: tuple[Term, ...]
    value: Term
    terms: tuple[Term, ...]
    borders: int  # so many of the terms, the first, are on a border of the constraints themselves

    def right(self, term: Term) -> Condition:
        """Where ``term`` is right."""
        return _right(self.constraints, self.value, term)

    @cached_property
    def predicates(self) -> tuple[Term, ...]:
        """Conditions over the parameters: atoms, comparisons of values, where each value is right."""
        return tuple(_predicates(self))[:MOST_PREDICATES]


def single_call(spec: FormulaSpec) -> Call | None:
    """The only call of a specification that its variables enter through: the value at each input stands alone.

    None where there are several calls, or where arguments are not different variables, or a variable is no argument.
    """
    calls = spec.flat.calls
    if len(calls) != 1:
        return None
    arguments = calls[0].arguments
    if len(set(arguments)) != len(arguments) or not all(argument.operator.is_variable for argument in arguments):
        return None
    used = {
        inner for constraint in spec.flat.constraints for inner in subterms(constraint) if inner.operator.is_variable
    }
    return calls[0] if used <= {*arguments, calls[0].variable} else None


def harvest(spec: FormulaSpec) -> Harvest | None:
    """What can be read from the constraints; None where the function is not called just once."""
    call = single_call(spec)
    if call is None:
        return None
    parameters = dict(zip(call.arguments, call.function.signature.variables, strict=True))
    constraints = tuple(rebuilt(inlined(constraint), parameters) for constraint in spec.flat.constraints)
    value = call.variable
    borders, beside = _values(constraints, value)
    terms = tuple(dict.fromkeys((*borders, *beside)))[:MOST_TERMS]
    return Harvest(constraints, value, terms, min(len(borders), len(terms)))


@lru_cache(maxsize=256)
def _right(constraints: tuple[Term, ...], value: Term, term: Term) -> Condition:
    return join(True, (_condition(rebuilt(constraint, {value: term})) for constraint in constraints))


def _condition(term: Term) -> Condition:
    try:
        return condition(term)
    except RecursionError:
        raise GrammarError("the specification is nested too deeply to be read") from None


def _values(constraints: tuple[Term, ...], value: Term) -> tuple[list[Term], list[Term]]:
    """Terms on the border of an atom that speaks of ``value``, simplest first, and those one beside a border.

    The latter are where a negation turns an atom around.
    """
    if value.sort == BOOL:
        return [literal(True, BOOL)(), literal(False, BOOL)()], []
    if value.sort != INT:
        return list(dict.fromkeys(_equated(constraints, value))), []
    found: dict[Linear, None] = {Linear((), 0): None}
    for constraint in constraints:
        for atom in subterms(constraint):
            if atom.operator.name in ("<=", "<", ">=", ">", "=") and atom.arguments[0].sort == INT:
                for left in forms(atom.arguments[0]):
                    for right in forms(atom.arguments[1]):
                        found |= dict.fromkeys(_solved(atom.operator.name, left - right, value))
    plain = [border for border in found if not any(value in subterms(part) for part, _ in border.parts)]
    plain.sort(key=lambda form: (len(form.parts), abs(form.constant)))
    beside = [border + Linear((), step) for border in plain for step in (1, -1)]
    return [border.term for border in plain], [border.term for border in beside]


def _solved(name: str, difference: Linear, value: Term) -> Iterator[Linear]:
    """Values at which ``difference`` passes 0."""
    factor = difference.coefficient(value)
    if abs(factor) != 1:
        return
    border = difference.without(value) * -factor
    yield border
    if name in ("<", ">"):
        yield border + Linear((), factor if name == ">" else -factor)


def _equated(constraints: tuple[Term, ...], value: Term) -> Iterator[Term]:
    for constraint in constraints:
        for atom in subterms(constraint):
            if atom.operator.name == "=" and value in atom.arguments:
                for other in atom.arguments:
                    if value not in subterms(other):
                        yield other


def _predicates(mined: Harvest) -> Iterator[Term]:
    found: dict[Term, None] = {}
    for constraint in mined.constraints:
        for atom in subterms(constraint):
            if atom.sort == BOOL and not atom.operator.is_literal and mined.value not in subterms(atom):
                found[_condition(atom).term] = None
    chosen = mined.terms[:MOST_COMPARED]
    for right in map(mined.right, chosen):
        found |= dict.fromkeys(atoms(right))
        found[right.term] = None
    if mined.value.sort == INT:
        for one, other in combinations(chosen, 2):
            for name in ("<=", "<"):
                pairs = [(low, high) for low in forms(one) for high in forms(other)]
                found |= dict.fromkeys(compare(name, low, high).term for low, high in pairs)
    yield from (term for term in found if not term.operator.is_literal)
