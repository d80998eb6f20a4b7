"""Counterexample-guided synthesis of programs from a reference: the public names."""

from cegis.rooms import check_siblings

check_siblings()

from backends import Backend, BackendError, Limits
from cegis.claim import Claim, Rung
from cegis.domain import Constraint, Domain, DomainError
from cegis.exhaustive import Exhaustive, Table, tabulate
from cegis.loop import Budget
from cegis.outcome import Differs, Exhausted, Found, Outcome, Round, Statistics, Stopped
from cegis.symbolic import ProgramReference, Symbolic, SymbolicReference
from cegis.synthesis import Spec, synthesize
from cegis.verdict import Combined, Counterexample, Unknown, Valid, Verdict, Verifier
from dsl.grammar import Grammar, Production
from dsl.motifs import motifs
from dsl.operators import GrammarError, Operator
from dsl.program import Program

__all__ = [
    "Backend",
    "BackendError",
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
    "Found",
    "Grammar",
    "GrammarError",
    "Limits",
    "Operator",
    "Outcome",
    "Production",
    "Program",
    "ProgramReference",
    "Round",
    "Rung",
    "Spec",
    "Statistics",
    "Stopped",
    "Symbolic",
    "SymbolicReference",
    "Table",
    "Unknown",
    "Valid",
    "Verdict",
    "Verifier",
    "motifs",
    "synthesize",
    "tabulate",
]
