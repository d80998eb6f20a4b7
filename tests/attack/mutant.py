"""A deliberate fault in prover or checker, and who must notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """``old`` stands exactly once in ``file``, and becomes ``new``.

    ``caught_by``: a pytest node id, or the name of a part of the attack.
    """

    name: str
    file: str
    old: str
    new: str
    caught_by: str
