"""What a tool answered: ``define-fun`` texts, their size, and whether they are of the grammar that was asked for.

The size is that of the tree: every operator and every leaf of the printed body counts one, for every tool alike; a
literal such as ``(_ bv5 8)`` or ``(- 5)`` is one leaf, and what ``let`` names counts wherever it is used. Membership is
decided by matching the body against the file's own rules, with nothing of the engine in between: literals count as
equal when their values are (``#b0101`` and ``#x5``). Without a grammar any operator of the logic will do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from backends.sexpression import Expression, read, shown
from benchmarks.inputs.solve_problem import Asked, Problem, renamed

DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
CORE = {"not", "and", "or", "xor", "=>", "=", "distinct", "ite"}
REALS = {"+", "-", "*", "/", "<", "<=", ">", ">="}
INTEGERS = {"+", "-", "*", "div", "mod", "abs", "<", "<=", ">", ">="}
BITVECTORS = {
    "concat", "extract", "repeat", "zero_extend", "sign_extend", "rotate_left", "rotate_right", "bvnot", "bvneg",
    "bvand", "bvor", "bvxor", "bvnand", "bvnor", "bvxnor", "bvadd", "bvsub", "bvmul", "bvudiv", "bvurem", "bvsdiv",
    "bvsrem", "bvsmod", "bvshl", "bvlshr", "bvashr", "bvult", "bvule", "bvugt", "bvuge", "bvslt", "bvsle", "bvsgt",
    "bvsge", "bvcomp",
}  # fmt: skip
CONVERSIONS = {"ubv_to_int", "sbv_to_int", "int_to_bv"}


class WrongAnswerError(ValueError):
    """An answer that is not what was asked for, whatever it computes."""


@dataclass(frozen=True)
class Body:
    """The body of one answer. Subterms named by ``let`` are shared lists, so that it may be far larger as a tree."""

    asked: Asked
    term: Expression
    _sizes: dict[int, int] = field(default_factory=dict, compare=False)

    @property
    def size(self) -> int:
        """Operators and leaves of the tree."""
        return self._size(self.term)

    def _size(self, term: Expression) -> int:
        if isinstance(term, str) or _literal(term) is not None:
            return 1
        if id(term) not in self._sizes:
            head = 1 if isinstance(term[0], str) or term[0][0] == "_" else self._size(term[0])
            self._sizes[id(term)] = head + sum(map(self._size, term[1:]))
        return self._sizes[id(term)]


def bodies(problem: Problem, answer: str) -> tuple[Body, ...]:
    """The bodies in ``answer``, one for each function asked for; raises WrongAnswerError."""
    try:
        found = [renamed(expression) for expression in read(answer)]
    except ValueError as error:
        raise WrongAnswerError(f"no s-expression: {error}") from error
    if len(found) == 1 and found[0] and isinstance(found[0][0], list):  # the whole list, in brackets of its own
        found = list(found[0])
    given = {}
    for definition in found:
        if not isinstance(definition, list) or len(definition) != 5 or definition[0] != "define-fun":
            raise WrongAnswerError(f"expected (define-fun name (parameters) sort body), got {shown(definition)[:80]}")
        given[shown(definition[1])] = definition
    for asked in problem.functions:
        if asked.name not in given:
            raise WrongAnswerError(f"no definition of {asked.name}")
        header = [part if isinstance(part, str) else shown(part) for part in given[asked.name][1:4]]
        expected = [part if isinstance(part, str) else shown(part) for part in asked.header()]
        if header != expected:
            raise WrongAnswerError(f"expected the header {' '.join(expected)}, got {' '.join(header)}")
    return tuple(Body(asked, _without_let(given[asked.name][4], {})) for asked in problem.functions)


def outside(problem: Problem, body: Body) -> str:
    """What is not allowed in ``body``: "" when it is a term of the grammar, or of the logic where there is none."""
    asked = body.asked
    if asked.grammar is None:
        return _outside_logic(problem, body)
    start = next(iter(asked.grammar))
    return "" if _Matching(asked).derives(start, body.term) else f"not derived by the grammar of {asked.name}"


class _Matching:
    """Which terms the nonterminals of one grammar derive, remembered by place. Chains of nonterminals are cut short."""

    def __init__(self, asked: Asked) -> None:
        assert asked.grammar is not None
        self.asked, self.grammar = asked, asked.grammar
        self.rules = {symbol: self._rules(symbol) for symbol in asked.grammar}
        self.known: dict[tuple[str, int | str], bool] = {}

    def _rules(self, symbol: str) -> tuple[Expression, ...]:
        """The rules of every nonterminal that ``symbol`` may simply become, itself included."""
        reached = {symbol: None}
        for name in (queue := [symbol]):
            for rule in self.grammar[name][1]:
                if isinstance(rule, str) and rule in self.grammar and rule not in reached:
                    reached[rule] = None
                    queue.append(rule)
        every = (rule for name in reached for rule in self.grammar[name][1])
        return tuple(rule for rule in every if not (isinstance(rule, str) and rule in self.grammar))

    def derives(self, symbol: str, term: Expression) -> bool:
        key = (symbol, term if isinstance(term, str) else id(term))
        if key not in self.known:
            self.known[key] = any(self.matches(rule, term) for rule in self.rules[symbol])
        return self.known[key]

    def matches(self, rule: Expression, term: Expression) -> bool:
        if isinstance(rule, str) and rule in self.grammar:
            return self.derives(rule, term)
        if isinstance(rule, list) and len(rule) == 2 and rule[0] == "Constant":
            sort, wanted = _literal_sort(term), shown(rule[1])
            return sort == wanted or (sort, wanted) == ("Int", "Real")
        if isinstance(rule, list) and len(rule) == 2 and rule[0] == "Variable":
            return (term, shown(rule[1])) in self.asked.parameters
        if _literal(rule) is not None or _literal(term) is not None:
            return _is_same(_literal(rule), _literal(term)) or (
                isinstance(rule, list) and isinstance(term, list) and self._all(rule, term)
            )
        if isinstance(rule, str) or isinstance(term, str):
            return rule == term
        return self._all(rule, term)

    def _all(self, rule: list[Expression], term: list[Expression]) -> bool:
        return (
            len(rule) == len(term)
            and rule[0] == term[0]
            and all(self.matches(inner, part) for inner, part in zip(rule[1:], term[1:], strict=True))
        )


def _outside_logic(problem: Problem, body: Body) -> str:
    """The first operator of ``body`` that the logic does not have."""
    leaves = {name for name, _ in body.asked.parameters}
    seen: set[int] = set()
    stack: list[Expression] = [body.term]
    while stack:
        term = stack.pop()
        if _literal(term) is not None or (isinstance(term, str) and term in leaves):
            continue
        if isinstance(term, str):
            return f"{term} is no parameter of {body.asked.name}"
        if id(term) not in seen:
            seen.add(id(term))
            head = term[0] if isinstance(term[0], str) else str(term[0][1])
            if not _is_of(problem.logic, head):
                return f"the logic {problem.logic} has no {head}"
            if head == "*" and "N" not in problem.logic and sum(not _is_ground(part) for part in term[1:]) > 1:
                return f"the logic {problem.logic} has no product of two terms"
            stack += term[1:]
    return ""


def _is_of(logic: str, operator: str) -> bool:
    if operator in CORE:
        return True
    if operator in CONVERSIONS:
        return logic == "ALL"
    if operator in BITVECTORS:
        return "BV" in logic or logic == "ALL"
    if operator.startswith(("str.", "re.")):
        return logic.endswith("S") or "SLIA" in logic or logic == "ALL"
    if operator in REALS and "RA" in logic:
        return True
    return operator in INTEGERS and any(part in logic for part in ("IA", "ALL"))


def _is_ground(term: Expression) -> bool:
    if isinstance(term, str):
        return _literal(term) is not None
    return all(_is_ground(part) for part in term[1:])


def _is_same(one: tuple[str, object] | None, other: tuple[str, object] | None) -> bool:
    """Whether two literals have one value; a whole number is also a real one, where a file has reals."""
    if one is None or other is None:
        return False
    return one == other or ({one[0], other[0]} == {"Int", "Real"} and one[1] == other[1])


def _ratio(above: Expression, below: Expression) -> tuple[str, object] | None:
    """The quotient of two literals that are numbers."""
    parts = [found[1] for found in (_literal(above), _literal(below)) if found is not None]
    if len(parts) < 2 or not all(isinstance(part, int | Fraction) and not isinstance(part, bool) for part in parts):
        return None
    first, second = (Fraction(str(part)) for part in parts)
    return ("Real", first / second) if second else None


def _literal(term: Expression) -> tuple[str, object] | None:
    """(sort, value) of a literal, None for anything else."""
    match term:
        case ["-", str(digits)] if digits.isdigit():
            return "Int", -int(digits)
        case ["-", str(digits)] if DECIMAL.fullmatch(digits):
            return "Real", -Fraction(digits)
        case ["/", above, below]:
            return _ratio(above, below)
        case str() if DECIMAL.fullmatch(term):
            return "Real", Fraction(term)
        case ["_", str(bits), str(width)] if re.fullmatch("bv[0-9]+", bits):
            return f"(_ BitVec {width})", int(bits[2:])
        case "true" | "false":
            return "Bool", term == "true"
        case str() if term.isdigit():
            return "Int", int(term)
        case str() if term.startswith('"'):
            return "String", term
        case str() if term.startswith("#x"):
            return f"(_ BitVec {4 * len(term[2:])})", int(term[2:], 16)
        case str() if term.startswith("#b"):
            return f"(_ BitVec {len(term[2:])})", int(term[2:], 2)
    return None


def _literal_sort(term: Expression) -> str:
    found = _literal(term)
    return "" if found is None else found[0]


def _without_let(term: Expression, names: Mapping[str, Expression]) -> Expression:
    if isinstance(term, str):
        return names.get(term, term)
    if term and term[0] == "let":
        bound = {str(name): _without_let(value, names) for name, value in term[1]}
        return _without_let(term[2], {**names, **bound})
    return [_without_let(part, names) for part in term]
