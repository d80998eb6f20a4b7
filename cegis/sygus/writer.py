"""Problems and answers as SyGuS-IF 2.1 text, for any tool that reads it.

A term prints as ``(name argument ...)``, since rows carry SMT-LIB's names. What is written reads back as the same
problem: functions with their grammars as they were written, definitions in order, sugar already taken apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cegis.formulas.formula import FormulaSpec, subterms
from cegis.sygus.problem import SygusProblem
from cegis.sygus.productions import WrittenGrammar, any_constant, nonterminal
from dsl.grammar import Grammar
from dsl.operators import BOOL, REAL, STRING, Operator, Term
from dsl.program import Program, define_fun, symbol_text, term_text
from dsl.scalars import ScalarSignature

STANDARD = {"CLIA": "LIA", "PBE_BV": "BV", "PBE_SLIA": "SLIA", "S": "SLIA"}  # names that SMT-LIB does not have


def write_solution(programs: Mapping[str, Program]) -> str:
    """The answer to a problem: a ``define-fun`` per function, in brackets."""
    lines = (define_fun(name, program.grammar.scalars, program.term) for name, program in programs.items())
    return "\n".join(["(", *lines, ")"]) + "\n"


def write_problem(problem: SygusProblem) -> str:
    """The problem as a file.

    >>> problem = read_sygus_text("(set-logic LIA) (synth-fun f () Int) (check-synth)")
    >>> print(write_sygus(problem))
    (set-logic LIA)
    (synth-fun f () Int)
    (check-synth)
    """
    return "\n".join([*_commands(problem), "(check-synth)"]) + "\n"


def as_problem(spec: FormulaSpec, grammars: Mapping[str, Grammar], logic: str = "") -> SygusProblem:
    """A specification and grammars (of the functions that have one) as a problem, in the least logic that has them."""
    found = {function.name: grammars.get(function.name) for function in spec.functions}
    written = {name: None if grammar is None else _written(grammar) for name, grammar in found.items()}
    terms = [*spec.constraints, *spec.assumptions, *(rule for w in written.values() if w for rule in _rules(w))]
    return SygusProblem(logic or _logic(spec, terms), spec, found, written, tuple(_definitions(terms)))


def _commands(problem: SygusProblem) -> Iterator[str]:
    yield f"(set-logic {STANDARD.get(problem.logic, problem.logic.removeprefix('QF_'))})"
    for operator in problem.definitions:
        if operator.definition is not None:
            signature = ScalarSignature(operator.parameters, operator.result)
            yield define_fun(operator.name, signature, operator.definition)
    for function in problem.spec.functions:
        signature = function.signature
        head = f"(synth-fun {symbol_text(function.name)} {_parameters(signature)} {signature.result.name}"
        written = problem.written[function.name]
        yield f"{head})" if written is None else f"{head}\n{_grammar(written)})"
    yield from (f"(declare-var {symbol_text(name)} {sort.name})" for name, sort in problem.spec.variables)
    yield from (f"(assume {term_text(term)})" for term in problem.spec.assumptions)
    yield from (f"(constraint {term_text(term)})" for term in problem.spec.constraints)


def _parameters(signature: ScalarSignature) -> str:
    return f"({' '.join(f'({symbol_text(name)} {sort.name})' for name, sort in signature.parameters)})"


def _grammar(written: WrittenGrammar) -> str:
    heads = {name: f"{symbol_text(name)} {sort.name}" for name, sort in written.sorts.items()}
    declared = " ".join(f"({head})" for head in heads.values())
    texts = {name: " ".join(_rule_text(name, rule, written) for rule in written.rules[name]) for name in heads}
    rules = (f"({head} ({texts[name]}))" for name, head in heads.items())
    return f"  ({declared})\n  (" + "\n   ".join(rules) + ")"


def _rule_text(name: str, rule: Term, written: WrittenGrammar) -> str:
    weight = written.weights.get((name, rule))
    return term_text(rule) if weight is None else f"(! {term_text(rule)} :weight {weight})"


def _written(grammar: Grammar) -> WrittenGrammar:
    """A grammar as rules; nonterminals whose names are no free symbols get new ones."""
    taken = {name for name, _ in grammar.scalars.parameters} | {row.operator.name for row in grammar.productions}
    order = dict.fromkeys([grammar.start, *grammar.sorts])
    free = (
        name for name in (f"N{number}" for number in range(len(order) + len(taken))) if name not in (*taken, *order)
    )
    names = {name: name if symbol_text(name) == name and name not in taken else next(free) for name in order}
    leaves = {name: nonterminal(names[name], grammar.sorts[name]) for name in order}
    rules: dict[str, list[Term]] = {names[name]: [] for name in order}
    for row in grammar.productions:
        rules[names[row.nonterminal]].append(row.operator(*(leaves[argument] for argument in row.arguments)))
    for name in grammar.constants:
        rules[names[name]].append(any_constant(grammar.sorts[name]))
    sorts = {names[name]: grammar.sorts[name] for name in order}
    return WrittenGrammar(grammar.scalars, {name: tuple(terms) for name, terms in rules.items()}, sorts)


def _rules(written: WrittenGrammar) -> Iterator[Term]:
    return (rule for rules in written.rules.values() for rule in rules)


def _definitions(terms: Iterable[Term]) -> dict[Operator, None]:
    """The defined functions that terms use, each after those that its own definition uses."""
    found: dict[Operator, None] = {}
    for term in terms:
        for inner in subterms(term):
            if inner.operator.definition is not None and inner.operator not in found:
                found |= _definitions([inner.operator.definition])
                found[inner.operator] = None
    return found


def _logic(spec: FormulaSpec, terms: Iterable[Term]) -> str:
    """LIA, NIA, BV, SLIA, or ALL where theories meet."""
    used = {inner for term in terms for inner in subterms(term)}
    sorts = {inner.sort for inner in used} | {f.signature.result for f in spec.functions}
    if any(sort.width for sort in sorts):
        return "BV" if all(sort.width or sort == BOOL for sort in sorts) else "ALL"
    if REAL in sorts:
        return "LRA"
    if STRING in sorts:
        return "SLIA"
    products = ({part.operator.is_literal for part in inner.arguments} for inner in used if inner.operator.name == "*")
    divisors = (inner.arguments[1] for inner in used if inner.operator.name in ("div", "mod"))
    is_linear = all(map(any, products)) and all(divisor.operator.is_literal for divisor in divisors)
    return "LIA" if is_linear else "NIA"
