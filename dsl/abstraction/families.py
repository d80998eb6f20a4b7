"""Operators by family: the same operator of any alphabet, with its tokens as arguments.

A family is an operator's name with ``_`` in the place of every token that it writes, as Python writes texts: the
operators ``count 'a'`` and ``count '('`` are the family ``count _`` at one token each. That is what a learned motif
speaks of, so that it can be taken to another alphabet. A constant label is of no family: labels are of one network.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property

from dsl.grammar import Grammar, Production
from dsl.operators import LABEL, Operator
from dsl.sequences import SequenceSignature

TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


@dataclass(frozen=True)
class Families:
    """The operators of a sequence grammar by family and tokens."""

    grammar: Grammar

    @property
    def signature(self) -> SequenceSignature:
        """Tokens and labels."""
        return self.grammar.sequences

    def of(self, operator: Operator) -> tuple[str, tuple[str, ...]]:
        """Family and tokens of an operator: ("count _", ("a",))."""
        tokens: list[str] = []

        def hole(found: re.Match[str]) -> str:
            text = ast.literal_eval(found[0])
            if text not in self.signature.alphabet:
                return found[0]
            tokens.append(text)
            return "_"

        return TEXT.sub(hole, operator.name), tuple(tokens)

    def is_label(self, operator: Operator) -> bool:
        """Whether it is a constant label."""
        return operator.result == LABEL and operator.name in self._labels

    def label_index(self, operator: Operator) -> int:
        """Which of the labels a constant label is."""
        return self._labels.index(operator.name)

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        return tuple(f"label {label!r}" for label in self.signature.labels)

    def find(self, family: str, tokens: tuple[str, ...], nonterminal: str) -> Production | None:
        """The production of ``nonterminal`` with the operator of a family at these tokens, if there is one."""
        return self._productions.get((family, tokens, nonterminal))

    @cached_property
    def _productions(self) -> dict[tuple[str, tuple[str, ...], str], Production]:
        return {(*self.of(row.operator), row.nonterminal): row for row in self.grammar.productions}

    @cached_property
    def operators(self) -> dict[str, frozenset[Operator]]:
        """The operators of the productions of each nonterminal."""
        found: dict[str, set[Operator]] = {}
        for row in self.grammar.productions:
            found.setdefault(row.nonterminal, set()).add(row.operator)
        return {name: frozenset(operators) for name, operators in found.items()}

    def fits(self, derived: str, wanted: str) -> bool:
        """Whether whatever is derived from one nonterminal is derived from another by the same productions."""
        known = self.operators
        return derived == wanted or (derived in known and wanted in known and known[derived] <= known[wanted])
