"""How much there is to read in a program, for choosing between programs that are equally right."""

from __future__ import annotations

from cegis import Program
from dsl.deduction.tidying import words


def reading(program: Program) -> int:
    """The words and signs of a program's text, where texts and numbers count twice: each asks why it is this one.

    >>> from dsl.grammars.motifs import label, motifs
    >>> reading(Program(label(0, "yes")(), motifs(["a"], ["yes"])))
    16
    """
    return words(program.source("f"))
