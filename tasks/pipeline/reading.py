"""How much there is to read in a program, for choosing between programs that are equally right."""

from __future__ import annotations

import io
import tokenize

from cegis import Program

SKIPPED = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER)


def reading(program: Program) -> int:
    """The words and signs of a program's text.

    >>> from dsl.grammars.motifs import label, motifs
    >>> reading(Program(label(0, "yes")(), motifs(["a"], ["yes"])))
    18
    """
    source = io.StringIO(program.source("f"))
    return sum(token.type not in SKIPPED for token in tokenize.generate_tokens(source.readline))
