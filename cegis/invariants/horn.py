"""Invariants by a solver for Horn clauses: Spacer (Komuravelli, Gurfinkel, Chaki, CAV 2014), z3's engine for them.

The clauses go to z3's program as SMT-LIB text in the logic HORN; its model of the unknown conditions comes back as
text and is read as terms. The answer is not trusted: who asked verifies it. Quantifiers in an answer, and operators
that have no row, are no answer. Integers, Booleans and bit-vectors; Spacer is at its best on linear integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from backends import BackendError
from backends.search import Infeasible, NoAnswer, NotApplicable, Stop, ask, never
from backends.sexpression import Expression, shown
from backends.z3 import program
from cegis.formulas.formula import FormulaSpec, Function, subterms
from cegis.formulas.linear import condition
from cegis.invariants.clauses import Clause, clauses
from cegis.sygus.syntax import expressions
from cegis.sygus.terms import Scope, read_term
from dsl.operators import STRING, GrammarError, Term

CONFIGURATIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"global": {"fp.spacer.global": "true"}, "local": {}}
)


@dataclass(frozen=True)
class Conditions:
    """What was found: one Boolean term over its parameters for each function of the specification, in order."""

    bodies: tuple[Term, ...]


def spacer(
    spec: FormulaSpec,
    *,
    seconds: float,
    options: Mapping[str, str] = CONFIGURATIONS["global"],
    memory_mb: int | None = None,
    seed: int = 0,
    stop: Stop = never,
) -> Conditions | Infeasible | NoAnswer:
    """Conditions that satisfy ``spec`` as Spacer says, unverified; NoAnswer where it is not made of Horn clauses."""
    found = clauses(spec)
    if found is None:
        return NotApplicable("the specification is not made of Horn clauses")
    if any(sort == STRING for _, sort in spec.variables):
        return NotApplicable("Spacer does not take strings")
    settings = {"fp.spacer.random_seed": str(seed), **options}
    commands = [*(f"(set-option :{name} {value})" for name, value in settings.items()), *script(spec, found)]
    try:
        command = (program(), "-in", "-smt2")
    except BackendError as error:
        return NoAnswer(str(error))
    match ask("z3", command, commands, seconds=seconds, memory_mb=memory_mb, stop=stop):
        case NoAnswer() as none:
            return none
        case ["sat", [*model]]:
            return _read(spec, model)
        case ["unsat", *_]:
            return Infeasible("Spacer says that the clauses contradict each other")
        case reply:
            return NoAnswer(f"Spacer answered {' '.join(map(shown, reply))[:200]}")


def script(spec: FormulaSpec, found: tuple[Clause, ...]) -> list[str]:
    """The clauses as SMT-LIB commands; functions are called p0, p1, ... in the order of the specification."""
    names = {function.operator: f"p{place}" for place, function in enumerate(spec.functions)}
    lines = ["(set-logic HORN)"]
    for function in spec.functions:
        sorts = " ".join(sort.name for _, sort in function.signature.parameters)
        lines.append(f"(declare-fun {names[function.operator]} ({sorts}) Bool)")
    for clause in found:
        texts = {variable: f"v{place}" for place, variable in enumerate(clause.variables)}
        bound = " ".join(f"({texts[variable]} {variable.sort.name})" for variable in clause.variables)
        for part in clause.terms:
            for inner in subterms(part):
                name = names.get(inner.operator, inner.operator.name)
                text = " ".join([name, *(texts[argument] for argument in inner.arguments)])
                texts.setdefault(inner, f"({text})" if inner.arguments else text)
        body = f"(and true {' '.join(texts[part] for part in (*clause.facts, *clause.premises))})"
        head = texts[clause.conclusion] if clause.conclusion else "false"
        lines.append(f"(assert (forall ({bound}) (=> {body} {head})))" if bound else f"(assert (=> {body} {head}))")
    return [*lines, "(check-sat)", "(get-model)"]


def _read(spec: FormulaSpec, model: list[Expression]) -> Conditions | NoAnswer:
    """The conditions of a model, if it has one that can be read for every function."""
    bodies = []
    defined = {shown(entry[1]): entry for entry in model if len(entry) == 5 and entry[0] == "define-fun"}
    for place, function in enumerate(spec.functions):
        entry = defined.get(f"p{place}")
        if entry is None:
            return NoAnswer(f"Spacer gave no condition for {function.name}")
        try:
            bodies.append(_condition(function, entry))
        except (GrammarError, RecursionError) as error:
            return NoAnswer(f"Spacer's condition for {function.name} has no reading here: {error}")
    return Conditions(tuple(bodies))


def _condition(function: Function, entry: Expression) -> Term:
    names = [shown(parameter[0]) for parameter in entry[2]]
    scope = Scope(dict(zip(names, function.signature.variables, strict=True)))
    (body,) = expressions(shown(entry[4]))
    return condition(read_term(body, scope)).term
