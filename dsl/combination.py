"""What rows of all theories do with the values of their arguments; one of the meanings of a row (``dsl.meaning``).

Apart from the others, which only sequence grammars have: this is all that a formula needs.
"""

from __future__ import annotations

from enum import Enum, auto


class Combination(Enum):
    """What a row makes of the values of its arguments, in their order."""

    SUM = auto()
    DIFFERENCE = auto()
    PRODUCT = auto()
    GREATER = auto()
    EQUAL = auto()
    LESS = auto()
    AT_MOST = auto()
    NO_LESS = auto()
    UNEQUAL = auto()
    NOT = auto()
    AND = auto()
    OR = auto()
    CHOICE = auto()  # the second where the first holds, else the third
