"""Counterexample-guided synthesis: the public names.

Programs equal to a reference on sequences (``Spec``), and functions that satisfy a formula (``FormulaSpec``). Every
name is imported when it is first asked for.

    >>> domain = Domain(("a", "b"), 1, 4)
    >>> spec = Spec(domain, lambda tokens: "yes" if "a" in tokens else "no")
    >>> grammar = motifs(("a", "b"), ("yes", "no"))
    >>> outcome = synthesize(spec, grammar)
    >>> print(outcome.program.source())
    def program(tokens: list[str]) -> str:
        return 'yes' if 'a' in tokens else 'no'
    <BLANKLINE>

The examples of all other names go on from here, and from a table and a formula:

    >>> table = tabulate(spec.reference, domain, grammar.sequences)
    >>> x, f = variable("x", INT)(), Function("f", ScalarSignature((("x", INT),), INT))
    >>> above = FormulaSpec((f,), (("x", INT),), (find(">", (INT, INT))(f.operator(x), x),))
    >>> print(synthesize(above).program)
    (define-fun f ((x Int)) Int (+ x 1))
"""

from __future__ import annotations

from cegis.rooms import check_siblings

check_siblings()

TYPE_CHECKING = False  # as ``typing`` has it, which takes longer to import than a small problem to solve
if TYPE_CHECKING:
    from typing import Any

    from backends import Backend, BackendError, Limits
    from cegis.blackbox import BlackBoxError, tabulate
    from cegis.claim import Claim, Rung
    from cegis.domain import Constraint, Domain, DomainError
    from cegis.exhaustive import Exhaustive, Table
    from cegis.formulas.evaluation import Proof
    from cegis.formulas.formula import FormulaSpec, Function
    from cegis.formulas.refutation import Refutation
    from cegis.formulas.solution import Solution
    from cegis.loop import Budget, FormulaBudget
    from cegis.operands import Operands
    from cegis.operators.agreement import check_operators
    from cegis.outcome import Differs, Exhausted, Found, Outcome, Round, Statistics, Stopped
    from cegis.searchers.peers import SEARCHERS
    from cegis.searchers.portfolio import Problem, Searcher
    from cegis.searchers.solutions import enumerate_solutions
    from cegis.searchers.solving import solve
    from cegis.sygus import SygusError, SygusProblem
    from cegis.sygus import read as read_sygus
    from cegis.sygus import read_text as read_sygus_text
    from cegis.sygus import write_problem as write_sygus
    from cegis.symbolic import ProgramReference, Symbolic, SymbolicReference
    from cegis.synthesis import Spec, synthesize
    from cegis.verdict import Combined, Counterexample, Unknown, Valid, Verdict, Verifier
    from dsl.grammar import Grammar, Production
    from dsl.grammars.defaults import default_grammar
    from dsl.grammars.motifs import motifs
    from dsl.grammars.positions import PlacedSignature, places
    from dsl.operators import BOOL, INT, LABEL, MASK, STRING, GrammarError, Operator, Sort, Term, bitvector
    from dsl.program import Program
    from dsl.references import maker
    from dsl.scalars import ScalarSignature, variable
    from dsl.sequences import SequenceSignature
    from dsl.theories.theory import find, literal

LATER = {
    "BOOL": "dsl.operators:BOOL",
    "Backend": "backends:Backend",
    "BackendError": "backends:BackendError",
    "BlackBoxError": "cegis.blackbox:BlackBoxError",
    "Budget": "cegis.loop:Budget",
    "Claim": "cegis.claim:Claim",
    "Combined": "cegis.verdict:Combined",
    "Constraint": "cegis.domain:Constraint",
    "Counterexample": "cegis.verdict:Counterexample",
    "Differs": "cegis.outcome:Differs",
    "Domain": "cegis.domain:Domain",
    "DomainError": "cegis.domain:DomainError",
    "Exhausted": "cegis.outcome:Exhausted",
    "Exhaustive": "cegis.exhaustive:Exhaustive",
    "FormulaBudget": "cegis.loop:FormulaBudget",
    "FormulaSpec": "cegis.formulas.formula:FormulaSpec",
    "Found": "cegis.outcome:Found",
    "Function": "cegis.formulas.formula:Function",
    "Grammar": "dsl.grammar:Grammar",
    "GrammarError": "dsl.operators:GrammarError",
    "INT": "dsl.operators:INT",
    "LABEL": "dsl.operators:LABEL",
    "Limits": "backends:Limits",
    "MASK": "dsl.operators:MASK",
    "Operands": "cegis.operands:Operands",
    "Operator": "dsl.operators:Operator",
    "Outcome": "cegis.outcome:Outcome",
    "PlacedSignature": "dsl.grammars.positions:PlacedSignature",
    "Problem": "cegis.searchers.portfolio:Problem",
    "Production": "dsl.grammar:Production",
    "Program": "dsl.program:Program",
    "ProgramReference": "cegis.symbolic:ProgramReference",
    "Proof": "cegis.formulas.evaluation:Proof",
    "Refutation": "cegis.formulas.refutation:Refutation",
    "Round": "cegis.outcome:Round",
    "Rung": "cegis.claim:Rung",
    "SEARCHERS": "cegis.searchers.peers:SEARCHERS",
    "STRING": "dsl.operators:STRING",
    "ScalarSignature": "dsl.scalars:ScalarSignature",
    "Searcher": "cegis.searchers.portfolio:Searcher",
    "SequenceSignature": "dsl.sequences:SequenceSignature",
    "Solution": "cegis.formulas.solution:Solution",
    "Sort": "dsl.operators:Sort",
    "Spec": "cegis.synthesis:Spec",
    "Statistics": "cegis.outcome:Statistics",
    "Stopped": "cegis.outcome:Stopped",
    "SygusError": "cegis.sygus:SygusError",
    "SygusProblem": "cegis.sygus:SygusProblem",
    "Symbolic": "cegis.symbolic:Symbolic",
    "SymbolicReference": "cegis.symbolic:SymbolicReference",
    "Table": "cegis.exhaustive:Table",
    "Term": "dsl.operators:Term",
    "Unknown": "cegis.verdict:Unknown",
    "Valid": "cegis.verdict:Valid",
    "Verdict": "cegis.verdict:Verdict",
    "Verifier": "cegis.verdict:Verifier",
    "bitvector": "dsl.operators:bitvector",
    "check_operators": "cegis.operators.agreement:check_operators",
    "default_grammar": "dsl.grammars.defaults:default_grammar",
    "enumerate_solutions": "cegis.searchers.solutions:enumerate_solutions",
    "find": "dsl.theories.theory:find",
    "literal": "dsl.theories.theory:literal",
    "maker": "dsl.references:maker",
    "motifs": "dsl.grammars.motifs:motifs",
    "places": "dsl.grammars.positions:places",
    "read_sygus": "cegis.sygus:read",
    "read_sygus_text": "cegis.sygus:read_text",
    "solve": "cegis.searchers.solving:solve",
    "synthesize": "cegis.synthesis:synthesize",
    "tabulate": "cegis.blackbox:tabulate",
    "variable": "dsl.scalars:variable",
    "write_sygus": "cegis.sygus:write_problem",
}

__all__ = [
    "BOOL",
    "INT",
    "LABEL",
    "MASK",
    "SEARCHERS",
    "STRING",
    "Backend",
    "BackendError",
    "BlackBoxError",
    "Budget",
    "Claim",
    "Combined",
    "Constraint",
    "Counterexample",
    "Differs",
    "Domain",
    "DomainError",
    "Exhausted",
    "Exhaustive",
    "FormulaBudget",
    "FormulaSpec",
    "Found",
    "Function",
    "Grammar",
    "GrammarError",
    "Limits",
    "Operands",
    "Operator",
    "Outcome",
    "PlacedSignature",
    "Problem",
    "Production",
    "Program",
    "ProgramReference",
    "Proof",
    "Refutation",
    "Round",
    "Rung",
    "ScalarSignature",
    "Searcher",
    "SequenceSignature",
    "Solution",
    "Sort",
    "Spec",
    "Statistics",
    "Stopped",
    "SygusError",
    "SygusProblem",
    "Symbolic",
    "SymbolicReference",
    "Table",
    "Term",
    "Unknown",
    "Valid",
    "Verdict",
    "Verifier",
    "bitvector",
    "check_operators",
    "default_grammar",
    "enumerate_solutions",
    "find",
    "literal",
    "maker",
    "motifs",
    "places",
    "read_sygus",
    "read_sygus_text",
    "solve",
    "synthesize",
    "tabulate",
    "variable",
    "write_sygus",
]


def __getattr__(name: str) -> Any:
    """A name of ``LATER``, imported now; or the version of the package that is installed."""
    if name == "__version__":
        from importlib.metadata import version

        return version("symbolic-circuit-distillation")
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = LATER[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
