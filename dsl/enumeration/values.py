"""Values of many terms on one batch of examples, each subterm evaluated once."""

from __future__ import annotations

from typing import Any

from dsl.operators import Term

MOST = 20_000  # values kept


class Values:
    """``values(term)`` is what the term gives on ``inputs``: for terms that have most of their parts in common."""

    def __init__(self, inputs: Any) -> None:
        self._inputs = inputs
        self._known: dict[Term, Any] = {}

    def __call__(self, term: Term) -> Any:
        """The numpy value of ``term``."""
        if term not in self._known:
            if len(self._known) > MOST:
                self._known.clear()
            arguments = [self(argument) for argument in term.arguments]
            self._known[term] = term.operator.numpy(self._inputs, *arguments)
        return self._known[term]
