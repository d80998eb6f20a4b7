"""The grammar of a function that came without one: every term of the logic, as SyGuS-IF says, over its parameters.

There is a nonterminal per sort that the function can meet, named after it: Bool, Int, String, BitVec32. Any literal is
derivable (``Grammar.constants``); 0, 1 and those given are proposed. In linear arithmetic a product has a literal
first. What the logic has beyond these rows (changes of width, div, regular expressions) is left out, unless it is asked
for (``with_rows``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, REAL, STRING, Operator, Sort
from dsl.scalars import ScalarSignature, Value, variable
from dsl.theories.theory import find, literal

COMPARISONS = ("<=", "<", ">=", ">")
WORDS = ("bvand", "bvor", "bvxor", "bvadd", "bvsub", "bvmul", "bvudiv", "bvurem", "bvsdiv", "bvsrem")
SHIFTS = ("bvshl", "bvlshr", "bvashr")
ORDERS = ("bvult", "bvule", "bvugt", "bvuge", "bvslt", "bvsle", "bvsgt", "bvsge")
FACTOR = "Constant"  # the nonterminal of literal factors
REAL_FACTOR = "Factor"  # and of those of reals, which no solver here multiplies by each other


def default_grammar(signature: ScalarSignature, logic: str = "", constants: Iterable[Operator] = ()) -> Grammar:
    """The terms of ``signature``'s sorts; ``constants``: literals worth proposing, whose sorts it may not all have.

    ``logic`` decides what may be multiplied: anything where it says so (NIA, ALL), else by a literal alone.

    >>> default_grammar(ScalarSignature((("x", INT),), INT))
    Grammar(start 'Int', 23 productions, of x)
    """
    sorts = _sorts(signature)
    literals = tuple(dict.fromkeys(operator for operator in constants if operator.result in sorts))
    rows = [
        *(Production(nonterminal(sort), variable(name, sort)) for name, sort in signature.parameters),
        *(row for sort in sorts for row in _of_sort(sort, literals)),
        *(row for sort in sorts if sort.width and INT in sorts for row in _conversions(sort)),
    ]
    names = {nonterminal(sort) for sort in sorts}
    if INT in sorts:
        is_linear = "NIA" not in logic and "NRA" not in logic and "ALL" not in logic
        rows += _products(is_linear, literals)
        names |= {FACTOR} if is_linear else set()
    if REAL in sorts:
        rows += _multiples(literals)
        names |= {REAL_FACTOR}
    return Grammar(signature, nonterminal(signature.result), tuple(rows), frozenset(names))


def with_rows(grammar: Grammar, operators: Iterable[Operator]) -> Grammar:
    """``grammar``, which stands for a logic, with the rows of the theories that it leaves out; linear where it is.

    ``operators``: rows and literals of some terms. A row joins where its arguments can be derived, its sorts with it.
    """
    known = {production.operator for production in grammar.productions}
    wanted = tuple(dict.fromkeys(operators))
    leaves = [row for row in wanted if row.is_literal and nonterminal(row.result) not in grammar.sorts]
    rows = [find(row.name, row.arguments) for row in wanted if row.arguments and row not in known]
    made = {*grammar.sorts, *(nonterminal(row.result) for row in (*leaves, *rows))}
    productions = [Production(nonterminal(row.result), row) for row in leaves]
    for row in rows:
        names = [nonterminal(sort) for sort in row.arguments]
        if row.name in ("div", "mod") and FACTOR in grammar.sorts:
            names[1] = FACTOR
        if made.issuperset(names):
            productions.append(Production(nonterminal(row.result), row, tuple(names)))
    constants = grammar.constants | {nonterminal(row.result) for row in leaves}
    return replace(grammar, productions=(*grammar.productions, *productions), constants=constants)


def nonterminal(sort: Sort) -> str:
    """What the nonterminal of a sort is called: Bool, Int, String, BitVec32."""
    return f"BitVec{sort.width}" if sort.width else sort.name


def _sorts(signature: ScalarSignature) -> tuple[Sort, ...]:
    """Those of result and parameters; Bool, to choose by; and Int where there are strings, to measure them."""
    found = [signature.result, *(sort for _, sort in signature.parameters)]
    more = [INT] if STRING in found else []
    return tuple(dict.fromkeys([*found, *more, BOOL]))


def _of_sort(sort: Sort, literals: tuple[Operator, ...]) -> Iterator[Production]:
    """Productions whose arguments are mostly of ``sort``: its literals, functions and comparisons."""
    own = nonterminal(sort)
    values: tuple[Value, ...] = (False, True) if sort == BOOL else ("",) if sort == STRING else (0, 1)
    proposed = [literal(value, sort) for value in values]
    yield from (Production(own, row) for row in dict.fromkeys([*proposed, *(c for c in literals if c.result == sort)]))
    yield _production("ite", BOOL, sort, sort)
    yield _production("=", sort, sort)
    if sort == BOOL:
        yield _production("not", BOOL)
        yield from (_production(name, BOOL, BOOL) for name in ("and", "or", "xor", "=>"))
    elif sort == INT:
        yield from (_production(name, INT, INT) for name in ("+", "-", *COMPARISONS))
        yield _production("-", INT)
    elif sort == REAL:
        yield from (_production(name, REAL, REAL) for name in ("+", "-", *COMPARISONS))
        yield _production("-", REAL)
    elif sort == STRING:
        yield from _strings()
    else:
        yield from (_production(name, sort) for name in ("bvnot", "bvneg"))
        yield from (_production(name, sort, sort) for name in (*WORDS, *SHIFTS, *ORDERS))


def _conversions(word: Sort) -> Iterator[Production]:
    """Between the words of a width and integers, where both are about."""
    yield _production("ubv_to_int", word)
    yield _production("sbv_to_int", word)
    yield _production(f"(_ int_to_bv {word.width})", INT)


def _strings() -> Iterator[Production]:
    yield _production("str.++", STRING, STRING)
    yield _production("str.at", STRING, INT)
    yield _production("str.substr", STRING, INT, INT)
    yield _production("str.replace", STRING, STRING, STRING)
    yield _production("str.from_int", INT)
    yield _production("str.len", STRING)
    yield _production("str.to_int", STRING)
    yield _production("str.indexof", STRING, STRING, INT)
    yield from (_production(name, STRING, STRING) for name in ("str.prefixof", "str.suffixof", "str.contains"))


def _products(is_linear: bool, literals: tuple[Operator, ...]) -> list[Production]:
    times = find("*", (INT, INT))
    if not is_linear:
        return [Production("Int", times, ("Int", "Int"))]
    own = [row for row in literals if row.result == INT and row.value not in (-1, 0, 1)] or [literal(2, INT)]
    return [Production("Int", times, (FACTOR, "Int")), *(Production(FACTOR, row) for row in own)]


def _multiples(literals: tuple[Operator, ...]) -> list[Production]:
    own = [row for row in literals if row.result == REAL and row.value not in (-1, 0, 1)]
    factors = own or [literal(2, REAL), literal(Fraction(1, 2), REAL)]
    times = Production(nonterminal(REAL), find("*", (REAL, REAL)), (REAL_FACTOR, nonterminal(REAL)))
    return [times, *(Production(REAL_FACTOR, row) for row in factors)]


def _production(name: str, *sorts: Sort) -> Production:
    row = find(name, sorts)
    return Production(nonterminal(row.result), row, tuple(map(nonterminal, sorts)))
