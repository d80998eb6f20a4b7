"""How much there is to read in a program, for choosing between programs that are equally right."""

from __future__ import annotations

import io
import tokenize

from cegis import Program

SKIPPED = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER)


def reading(program: Program) -> int:
    """The words and signs of a program's text, where texts and numbers count twice: each asks why it is this one.

    >>> from dsl.grammars.motifs import label, motifs
    >>> reading(Program(label(0, "yes")(), motifs(["a"], ["yes"])))
    15
    """
    source = io.StringIO(program.source("f"))
    kinds = [token.type for token in tokenize.generate_tokens(source.readline) if token.type not in SKIPPED]
    return len(kinds) + sum(kind in (tokenize.STRING, tokenize.NUMBER) for kind in kinds)
