"""Expressions as terms and sorts: literals, variables, applications, ``let``.

The same function reads constraints, definitions, rules of grammars and answers; the ``Scope`` says what names mean
there. A ``let`` is written out, within a limit. Names of SyGuS-IF 1.0 are translated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from cegis.formulas.formula import rebuilt
from cegis.sygus.applications import desugared, let_row, one_row
from cegis.sygus.syntax import Expression, Group, SygusError, Token, fault, nearest, shown
from dsl.operators import BOOL, INT, REAL, STRING, GrammarError, Operator, Sort, Term, bitvector
from dsl.scalars import variable
from dsl.theories import theory

MOST_BITS = 65_536
LONGEST_INDEX = 5  # digits
MOST_DIGITS = 1_000
MOST_NODES = 100_000  # of one term, shared subterms counted as often as they occur
DIALECT = {"int.to.str": "str.from_int", "str.to.int": "str.to_int", "implies": "=>", "iff": "="}
LAST_CHARACTER = 0x2FFFF  # of SMT-LIB's alphabet
REGULAR = ("re.", "str.in_re", "str.in.re", "str.to_re", "str.to.re", "str.replace_re")
QUANTIFIERS = ("forall", "exists")
ESCAPE = re.compile(r"\\u(?:\{([0-9a-fA-F]{1,5})\}|([0-9a-fA-F]{4}))")
HOLE_NAME = re.compile(r"_[0-9]+")
RESERVED = ("let", "_", "!", "as", "par", "true", "false", "exists", "forall")


@dataclass(frozen=True)
class Scope:
    """What names mean: ``terms`` for themselves, ``operators`` and ``macros`` when they are applied.

    ``macros`` are defined functions whose bodies call a function to be found: an application is its body at once.
    ``rows`` are operators that go before those of the theories, by name and sorts of the arguments. A rule of a grammar
    knows ``leaves`` such as ``(Constant Int)``, and each of its applications is one row.
    """

    terms: Mapping[str, Term] = field(default_factory=dict)
    operators: Mapping[str, Operator] = field(default_factory=dict)
    macros: Mapping[str, tuple[tuple[tuple[str, Sort], ...], Term]] = field(default_factory=dict)
    rows: Mapping[tuple[str, tuple[Sort, ...]], Operator] = field(default_factory=dict)
    sorts: Mapping[str, Sort] = field(default_factory=dict)
    leaves: Mapping[str, Callable[[Sort], Term]] = field(default_factory=dict)
    is_rule: bool = False
    is_real: bool = False  # a numeral is a real number, as in the logic LRA

    def binding(self, terms: Mapping[str, Term]) -> Scope:
        """This scope, where ``terms`` shadow what had their names."""
        return replace(self, terms={**self.terms, **terms})

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that is in scope."""
        return (*self.terms, *self.operators, *self.macros, *(name for name, _ in self.rows))


def read_term(expression: Expression, scope: Scope) -> Term:
    """The term an expression stands for; raises SygusError with the place of what is wrong."""
    if isinstance(expression, Token):
        return _literal(expression, scope.is_real) or _named(expression, scope)
    match expression.items:
        case ["let", Group(items=[_, *_] as bindings), body] if scope.is_rule:
            return _let_in_rule(expression, [_binding(binding, scope) for binding in bindings], body, scope)
        case ["let", Group(items=bindings), body]:
            pairs = (_binding(binding, scope) for binding in bindings)
            return read_term(body, scope.binding(dict(pairs)))
        case ["!", body, *_]:
            return read_term(body, scope)
        case ["-", Token(type="NUMERAL") as number] if not number.startswith("-"):
            return _constant(-_number(number), REAL if scope.is_real else INT)
        case ["-", Token(type="DECIMAL") as number] if not number.startswith("-"):
            return _constant(-_decimal(number), REAL)
        case [Token() as head, above, below] if head == "/":
            return _ratio(head, read_term(above, scope), read_term(below, scope), scope)
        case ["_", Token() as bits, width] if re.fullmatch(r"bv[0-9]+", bits):
            return _bits(expression, _number(bits, bits[2:]), _width(width))
        case ["_", "char", Token(type="HEXADECIMAL") as code] if int(code[2:], 16) <= LAST_CHARACTER:
            return _constant(chr(int(code[2:], 16)), STRING)
        case [Token() as head, sort] if head in scope.leaves:
            return scope.leaves[head](read_sort(sort, scope.sorts))
        case [Token() as head, *_] if head in QUANTIFIERS:
            text = "is not supported here; forall may stand below the connectives of a constraint, where it is true"
            raise fault(head, f"a quantifier ({head}) {text}")
        case [head, _, *_]:
            arguments = [read_term(argument, scope) for argument in expression.items[1:]]
            return applied(head, operator_name(head), arguments, scope)
    raise fault(expression, f"expected a term, got {shown(expression)}")


def read_sort(expression: Expression, sorts: Mapping[str, Sort]) -> Sort:
    """Int, Bool, Real, String, a bit-vector (also as ``(BitVec 64)``), or a name of ``sorts``."""
    match expression:
        case Group(items=["_", "BitVec", width]) | Group(items=["BitVec", width]):
            return bitvector(_width(width))
        case Token() if expression in (known := {"Int": INT, "Bool": BOOL, "Real": REAL, "String": STRING, **sorts}):
            return known[expression]
    names = "Int, Bool, Real, String and (_ BitVec n)"
    raise fault(expression, f"the sort {shown(expression)} is not supported; known: {names}")


def symbol(expression: Expression) -> str:
    """The name a symbol declares, without bars; raises SygusError for anything else."""
    if not isinstance(expression, Token) or expression.type != "SYMBOL":
        raise fault(expression, f"expected a name, got {shown(expression)}")
    name = expression[1:-1] if expression.startswith("|") else str(expression)
    if name in RESERVED:
        raise fault(expression, f"the name {name} is reserved")
    return name


def operator_name(head: Expression) -> str:
    """What an application applies: a symbol, or an indexed identifier as ``(_ extract 7 0)``."""
    match head:
        case Token(type="SYMBOL"):
            return str(head) if head in RESERVED else symbol(head)
        case Group(items=["_", Token(type="SYMBOL"), *indices]) if indices and all(
            isinstance(index, Token) and index.isdigit() and len(index) <= LONGEST_INDEX for index in indices
        ):
            return str(head)
    raise fault(head, f"expected the name of a function, got {shown(head)}")


def applied(place: Expression, name: str, arguments: Sequence[Term], scope: Scope) -> Term:
    """``name`` applied to arguments, taken apart where no row has so many."""
    if any(argument.sort == REAL for argument in arguments):
        arguments = [as_real(argument) for argument in arguments]
        _check_product(place, name, arguments, scope)
    sorts = tuple(argument.sort for argument in arguments)
    if (name, sorts) in scope.rows:
        return _sized(place, scope.rows[name, sorts](*arguments))
    if name in scope.macros:
        parameters, body = scope.macros[name]
        _check_arguments(place, name, tuple(sort for _, sort in parameters), sorts)
        values = {variable(key, sort)(): value for (key, sort), value in zip(parameters, arguments, strict=True)}
        return _sized(place, rebuilt(body, values))
    if name in scope.operators:
        _check_arguments(place, name, scope.operators[name].arguments, sorts)
        return _sized(place, scope.operators[name](*arguments))
    name = DIALECT.get(name, name)
    try:
        return _sized(place, one_row(name, arguments) if scope.is_rule else desugared(name, arguments))
    except GrammarError as error:
        if isinstance(error, SygusError):
            raise
        kind = name.removeprefix("(_ ").split()[0]
        if kind in theory.names():
            raise fault(place, str(error)) from None
        if kind.startswith(REGULAR):
            raise fault(place, f"regular expressions ({name}) are not supported") from None
        if kind == "distinct":
            raise fault(place, "distinct takes two or more arguments of one sort") from None
        raise fault(place, f"unknown function {name!r}{nearest(kind, (*theory.names(), *scope.names))}") from None


def as_real(term: Term) -> Term:
    """A whole number written out, as the real number that it is meant to be beside others; anything else as it is."""
    value = term.operator.value
    return _constant(Fraction(value), REAL) if term.sort == INT and isinstance(value, int) else term


def _ratio(place: Expression, above: Term, below: Term, scope: Scope) -> Term:
    """A division of reals by a number: a number, or a product with one."""
    above, below = as_real(above), as_real(below)
    if above.sort != REAL or below.sort != REAL:
        raise fault(place, f"/ takes two reals, got ({above.sort.name}, {below.sort.name})")
    if not below.operator.is_literal or not below.operator.value:
        raise fault(place, "a division of reals is only supported by a number that is not 0")
    assert isinstance(below.operator.value, Fraction)
    if isinstance(above.operator.value, Fraction):
        return _constant(above.operator.value / below.operator.value, REAL)
    if scope.is_rule:
        raise fault(place, "a rule cannot divide; write a product, as (* 0.5 x)")
    return applied(place, "*", [_constant(1 / below.operator.value, REAL), above], scope)


def _check_product(place: Expression, name: str, arguments: Sequence[Term], scope: Scope) -> None:
    """Raise SygusError for a product of reals that no solver here decides."""
    if name == "*" and sum(not _is_number(argument, scope) for argument in arguments) > 1:
        raise fault(place, "a product of reals is only supported with a number")


def _is_number(term: Term, scope: Scope) -> bool:
    return term.operator.is_literal or (scope.is_rule and term.operator.name.startswith("(Constant "))


def _literal(token: Token, is_real: bool) -> Term | None:
    match token.type:
        case "NUMERAL":
            return _constant(_number(token), REAL if is_real else INT)
        case "HEXADECIMAL":
            return _bits(token, int(token[2:], 16), 4 * (len(token) - 2))
        case "BINARY":
            return _bits(token, int(token[2:], 2), len(token) - 2)
        case "TEXT":
            return _constant(_unescaped(token), STRING)
        case "DECIMAL":
            return _constant(_decimal(token), REAL)
    return _constant(token == "true", BOOL) if token in ("true", "false") else None


@lru_cache(maxsize=4096)
def _constant(value: bool | int | str | Fraction, sort: Sort) -> Term:
    """The literal; a file of examples repeats the same few."""
    return theory.literal(value, sort)()


def _decimal(token: Token) -> Fraction:
    whole, _, rest = token.partition(".")
    return Fraction(_number(token, whole + rest), 10 ** len(rest))


def _number(place: Token, digits: str = "") -> int:
    if len(digits or place) > MOST_DIGITS:
        raise fault(place, f"expected a number of at most {MOST_DIGITS:,} digits, got one of {len(place):,}")
    return int(digits or place)


def _width(expression: Expression) -> int:
    if isinstance(expression, Token) and expression.isdigit() and 1 <= _number(expression) <= MOST_BITS:
        return int(expression)
    raise fault(expression, f"expected a width of 1 to {MOST_BITS:,} bits, got {shown(expression)}")


def _bits(place: Expression, value: int, width: int) -> Term:
    if value >> width:
        raise fault(place, f"expected a number of {width} bits, got {shown(place)}")
    return _constant(value, bitvector(width))


def _unescaped(token: Token) -> str:
    """The string a literal stands for: doubled quotes, and the escapes of SMT-LIB 2.6 (Unicode strings, section 3)."""

    def character(match: re.Match[str]) -> str:
        code = int(match[1] or match[2], 16)
        return chr(code) if code <= LAST_CHARACTER else match[0]

    return ESCAPE.sub(character, token[1:-1].replace('""', '"'))


def _named(token: Token, scope: Scope) -> Term:
    name = symbol(token)
    if name in scope.terms:
        return scope.terms[name]
    if name in scope.operators or name in scope.macros:
        return applied(token, name, (), scope)
    if name in theory.names():
        raise fault(token, f"{name} is a function: expected ({name} ...) with arguments")
    raise fault(token, f"unknown name {name!r}{nearest(name, scope.names)}")


def _binding(expression: Expression, scope: Scope) -> tuple[str, Term]:
    """``(name term)``, or ``(name sort term)`` as in SyGuS-IF 1.0."""
    match expression:
        case Group(items=[name, value]):
            return symbol(name), read_term(value, scope)
        case Group(items=[name, sort, value]):
            term, expected = read_term(value, scope), read_sort(sort, scope.sorts)
            if term.sort != expected:
                raise fault(value, f"expected a term of sort {expected.name}, got one of sort {term.sort.name}")
            return symbol(name), term
    raise fault(expression, f"expected (name term) in a let, got {shown(expression)}")


def _let_in_rule(place: Expression, bound: list[tuple[str, Term]], body: Expression, scope: Scope) -> Term:
    """A ``let`` of a grammar as one row: what it binds is derived once."""
    for name, _ in bound:
        if name in scope.names or HOLE_NAME.fullmatch(name):
            raise fault(place, f"the let binds {name!r}, a name that is taken")
    if len({name for name, _ in bound}) < len(bound):
        raise fault(place, "the let binds a name twice")
    inner = read_term(body, scope.binding({name: variable(name, value.sort)() for name, value in bound}))
    try:
        return _sized(place, let_row(bound, inner))
    except GrammarError as error:
        if isinstance(error, SygusError):
            raise
        raise fault(place, "a let in a grammar has to use every name that it binds") from None


def _check_arguments(place: Expression, name: str, expected: Sequence[Sort], got: Sequence[Sort]) -> None:
    if tuple(expected) != tuple(got):
        texts = [f"({', '.join(sort.name for sort in sorts)})" for sorts in (expected, got)]
        raise fault(place, f"{name} takes {texts[0]}, got {texts[1]}")


def _sized(place: Expression, term: Term) -> Term:
    """The term, if it is small enough to be worked with; raises SygusError before anything walks over it."""
    if term.size > MOST_NODES:
        raise fault(place, f"the term has more than {MOST_NODES:,} nodes when its lets and definitions are written out")
    hash(term)  # is kept, so no later walk goes down further than this one step
    return term
