"""A candidate for a formula: one program for each function to be found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cegis.formulas.formula import FormulaSpec, Function
from dsl.operators import Operator, Term
from dsl.program import Program
from dsl.scalars import ScalarSignature
from dsl.showing import brief


@dataclass(frozen=True)
class Solution:
    """``programs[function]``, in the order of the specification; ``searcher`` says who proposed it.

    >>> print(Solution({f: Program(x, default_grammar(f.signature))}))
    (define-fun f ((x Int)) Int x)
    """

    programs: Mapping[Function, Program]
    searcher: str = ""

    __repr__ = brief

    @cached_property
    def bodies(self) -> Mapping[Operator, tuple[ScalarSignature, Term]]:
        """What is put in the place of each function's calls."""
        return {function.operator: (function.signature, p.term) for function, p in self.programs.items()}

    @property
    def size(self) -> int:
        """How many operators all programs apply."""
        return sum(program.size for program in self.programs.values())

    @property
    def text(self) -> str:
        """The answer in SyGuS-IF: one ``define-fun`` per function."""
        return "\n".join(program.sygus(function.name) for function, program in self.programs.items())

    def source(self) -> str:
        """All programs as Python functions."""
        return "\n\n".join(program.source(function.name) for function, program in self.programs.items())

    def __str__(self) -> str:
        return self.text

    @classmethod
    def merged(cls, spec: FormulaSpec, parts: Mapping[Function, Program], searcher: str) -> Solution:
        """Programs found apart, in the order of ``spec``."""
        return cls({function: parts[function] for function in spec.functions}, searcher)
