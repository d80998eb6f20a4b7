"""Linear integer forms and conditions over them, simplified: the arithmetic a specification is read with.

    sum_i a_i * x_i + k          compared with 0 by <= or =

where each ``x_i`` is any integer term that is not itself a sum (a parameter, a call, a product). Reading a term gives
every form it may take through its conditionals; writing gives the shortest term of the theory back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce

from dsl.operators import BOOL, INT, Term
from dsl.theories.theory import find, literal

MOST_FORMS = 64  # of one term; beyond, the conditionals in it are not followed


@dataclass(frozen=True)
class Linear:
    """``sum(coefficient * term) + constant``; terms are in a fixed order, coefficients are not zero."""

    parts: tuple[tuple[Term, int], ...]
    constant: int = 0

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Kept, since conditions are compared with each other again and again."""
        return hash((self.parts, self.constant))

    @classmethod
    def of(cls, coefficients: dict[Term, int], constant: int) -> Linear:
        """From a coefficient for each term."""
        kept = [(term, factor) for term, factor in coefficients.items() if factor]
        return cls(tuple(sorted(kept, key=lambda part: str(part[0]))), constant)

    def __add__(self, other: Linear) -> Linear:
        total = dict(self.parts)
        for term, factor in other.parts:
            total[term] = total.get(term, 0) + factor
        return Linear.of(total, self.constant + other.constant)

    def __mul__(self, factor: int) -> Linear:
        return Linear.of({term: own * factor for term, own in self.parts}, self.constant * factor)

    def __sub__(self, other: Linear) -> Linear:
        return self + other * -1

    def coefficient(self, term: Term) -> int:
        """The factor of ``term``; 0 where it does not occur."""
        return dict(self.parts).get(term, 0)

    def without(self, term: Term) -> Linear:
        """The rest of the sum."""
        return Linear(tuple(part for part in self.parts if part[0] != term), self.constant)

    @property
    def term(self) -> Term:
        """The sum as a term: what is added first, then what is taken away."""
        rising, falling = self.sides
        if not falling:
            return _sum(rising)
        if not self.parts:
            return literal(self.constant, INT)()
        return find("-", (INT, INT))(_sum(rising), _sum(falling))

    @property
    def sides(self) -> tuple[list[Term], list[Term]]:
        """What is added and what is taken away, as terms."""
        rising = [_times(factor, term) for term, factor in self.parts if factor > 0]
        falling = [_times(-factor, term) for term, factor in self.parts if factor < 0]
        if self.constant:
            (rising if self.constant > 0 else falling).append(literal(abs(self.constant), INT)())
        return rising, falling


def forms(term: Term) -> tuple[Linear, ...]:
    """Every linear form that an integer term (without defined functions) may take, through its conditionals."""
    found = tuple(dict.fromkeys(_forms(term)))
    return found if len(found) <= MOST_FORMS else (Linear(((term, 1),)),)


def _forms(term: Term) -> list[Linear]:
    name = term.operator.name
    if term.operator.is_literal and isinstance(term.operator.value, int):
        return [Linear((), term.operator.value)]
    if name == "ite":
        return [*forms(term.arguments[1]), *forms(term.arguments[2])]
    if name in ("+", "-", "*") and term.arguments:
        sides = [forms(argument) for argument in term.arguments]
        if len(sides) == 1:
            return [form * -1 for form in sides[0]]
        pairs = [(left, right) for left in sides[0] for right in sides[1]]
        if name == "+":
            return [left + right for left, right in pairs]
        if name == "-":
            return [left - right for left, right in pairs]
        if all(not left.parts or not right.parts for left, right in pairs):
            return [right * left.constant if not left.parts else left * right.constant for left, right in pairs]
    return [Linear(((term, 1),))]


def _times(factor: int, term: Term) -> Term:
    return term if factor == 1 else find("*", (INT, INT))(literal(factor, INT)(), term)


def _sum(terms: Sequence[Term]) -> Term:
    if not terms:
        return literal(0, INT)()
    total = terms[0]
    for term in terms[1:]:
        total = find("+", (INT, INT))(total, term)
    return total


# --- conditions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """``linear <= 0``, or ``linear = 0`` where ``is_equality``."""

    linear: Linear
    is_equality: bool

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.linear, self.is_equality))

    @cached_property
    def term(self) -> Term:
        """The comparison with nothing negative on either side."""
        rising, falling = self.linear.sides
        name = "=" if self.is_equality else "<="
        one = literal(1, INT)()
        if not self.is_equality and self.linear.constant == 1 and len(rising) > 1:
            name, rising = "<", [term for term in rising if term != one]
        return find(name, (INT, INT))(_sum(rising), _sum(falling))


@dataclass(frozen=True)
class Opaque:
    """A Boolean term that is not looked into."""

    term: Term


@dataclass(frozen=True)
class Not:
    """The negation of an atom."""

    part: Compared | Opaque

    @property
    def term(self) -> Term:
        """The negation as a term."""
        return find("not", (BOOL,))(self.part.term)


@dataclass(frozen=True)
class Joined:
    """All of ``parts`` (``is_all``) or at least one of them; no parts is true, or false."""

    is_all: bool
    parts: tuple[Condition, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.is_all, self.parts))

    @cached_property
    def term(self) -> Term:
        """The parts one after the other, nested to the left."""
        if not self.parts:
            return literal(self.is_all, BOOL)()
        operator = find("and" if self.is_all else "or", (BOOL, BOOL))
        return reduce(lambda total, part: operator(total, part.term), self.parts[1:], self.parts[0].term)


Condition = Compared | Opaque | Not | Joined
TRUE, FALSE = Joined(True, ()), Joined(False, ())


@lru_cache(maxsize=2**16)
def condition(term: Term, *, negated: bool = False) -> Condition:
    """A Boolean term (without defined functions) in negation normal form, its linear atoms simplified."""
    name, arguments = term.operator.name, term.arguments
    if term.operator.is_literal:
        return TRUE if bool(term.operator.value) != negated else FALSE
    match name:
        case "not":
            return condition(arguments[0], negated=not negated)
        case "and" | "or":
            return join((name == "and") != negated, (condition(part, negated=negated) for part in arguments))
        case "=>":
            parts = (condition(arguments[0], negated=not negated), condition(arguments[1], negated=negated))
            return join(negated, parts)
        case "ite":
            test, then, other = arguments
            chosen = join(False, (condition(test, negated=True), condition(then, negated=negated)))
            return join(True, (chosen, join(False, (condition(test), condition(other, negated=negated)))))
        case "=" | "xor" if arguments[0].sort == BOOL:
            return _equivalent(arguments, negated != (name == "xor"))
    return _atom(term, negated)


def _equivalent(sides: tuple[Term, ...], differ: bool) -> Condition:
    left, right = sides
    first = join(False, (condition(left, negated=True), condition(right, negated=differ)))
    return join(True, (first, join(False, (condition(left), condition(right, negated=not differ)))))


def _atom(term: Term, negated: bool) -> Condition:
    name, arguments = term.operator.name, term.arguments
    if name in ("<=", "<", ">=", ">", "=") and arguments[0].sort == INT:
        left, right = forms(arguments[0]), forms(arguments[1])
        if len(left) == len(right) == 1:
            return compare(name, left[0], right[0], negated=negated)
    return Not(Opaque(term)) if negated else Opaque(term)


def compare(name: str, left: Linear, right: Linear, *, negated: bool = False) -> Condition:
    """The comparison ``left name right`` as a condition."""
    if name == "=":
        difference = left - right
        if not difference.parts:
            return TRUE if (difference.constant == 0) != negated else FALSE
        if difference.parts[0][1] < 0:
            difference = difference * -1
        return Not(Compared(difference, True)) if negated else Compared(difference, True)
    if negated:
        name = {"<=": ">", "<": ">=", ">=": "<", ">": "<="}[name]
    difference = left - right if name in ("<=", "<") else right - left
    if name in ("<", ">"):
        difference = difference + Linear((), 1)
    if not difference.parts:
        return TRUE if difference.constant <= 0 else FALSE
    return Compared(difference, False)


def join(is_all: bool, parts: Iterable[Condition]) -> Condition:
    """All or any of ``parts``, flattened; repeated, implied and constant parts are dropped."""
    flat: dict[Condition, None] = {}
    for part in parts:
        inner = part.parts if isinstance(part, Joined) and part.is_all == is_all else (part,)
        for one in inner:
            if isinstance(one, Joined) and not one.parts:  # the other constant
                return one
            flat[one] = None
    flat = _met(is_all, flat)
    alike: dict[object, list[Condition]] = {}
    for part in flat:
        alike.setdefault(_compared(part), []).append(part)
    kept = [
        part
        for part in flat
        if not any(_absorbs(is_all, other, part) for other in alike[_compared(part)] if other is not part)
    ]
    return kept[0] if len(kept) == 1 else Joined(is_all, tuple(kept))


def _met(is_all: bool, parts: dict[Condition, None]) -> dict[Condition, None]:
    """``parts`` with x <= y and not x = y as x < y, and in a disjunction x < y or x = y as x <= y."""
    for part in list(parts):
        if not isinstance(part, Compared) or part.is_equality:
            continue
        border = part.linear if is_all else part.linear + Linear((), -1)
        equality = Compared(border if border.parts[0][1] > 0 else border * -1, True)
        beside: Condition = Not(equality) if is_all else equality
        if beside in parts:
            new = Compared(border + Linear((), 1) if is_all else border, False)
            return _met(is_all, {new if one == part else one: None for one in parts if one != beside})
    return parts


def _compared(part: Condition) -> object:
    """What is compared, whatever its sign and the constant: only those of one sum can absorb each other."""
    if not isinstance(part, Compared):
        return part
    parts = part.linear.parts
    return tuple((term, -factor) for term, factor in parts) if parts[0][1] < 0 else parts


def _absorbs(is_all: bool, other: Condition, part: Condition) -> bool:
    """Whether ``part`` adds nothing beside ``other``: comparisons of one sum with different constants."""
    match other, part:
        case Compared(mine, False), Compared(theirs, False) if mine.parts == theirs.parts:
            return mine.constant > theirs.constant if is_all else mine.constant < theirs.constant
        case Compared(mine, True), Compared(theirs, False) if is_all:
            return any(
                (mine * sign).parts == theirs.parts and (mine * sign).constant >= theirs.constant for sign in (1, -1)
            )
    return False


def atoms(condition: Condition) -> tuple[Term, ...]:
    """The comparisons and opaque parts, without negations."""
    match condition:
        case Compared() | Opaque():
            return (condition.term,)
        case Not(part):
            return (part.term,)
        case Joined(_, parts):
            return tuple(dict.fromkeys(atom for part in parts for atom in atoms(part)))
