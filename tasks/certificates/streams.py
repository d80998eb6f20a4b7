"""The certificate of a loop for a network of numbers: what the checker finds of the two by itself.

Where both are affine it finds the worst sequences in exact rational numbers, of every length or up to the one that is
proved; else it is given boxes of states that no step leaves. Other proofs for streams have no certificate.
"""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

from cegis import Domain, DomainError
from cegis.certificate import Certificate
from dsl.grammars.streams import Loop
from dsl.operators import GrammarError
from tasks.automata.endless import loop_automaton
from tasks.certificates.recurrent_evidence import stated_boxes
from tasks.checker.evidence import NETWORK, PROGRAM, STATES, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES
from tasks.formats import load
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.streams import StreamDistillation
from tasks.proofs.closed_boxes import closed
from tasks.proofs.still_open import StillOpenError

FORMAT = "recurrent case"


def attest_stream(result: StreamDistillation, folder: Path, *, seconds: float = inf) -> Certificate | str:
    """The certificate of ``result`` about the network in ``folder``, or why there is none."""
    proved = result.proved
    if proved is None or not isinstance(result.program, Loop):
        return "nothing is proved" if proved is None else "a function that was run has no certificate"
    longest = proved.length
    if longest is not None and proved.method != "affine":
        return f"a proof by {proved.method} up to {longest} steps has no certificate; one for every length may have"
    must, may = FILES[FORMAT]
    files = {PROGRAM: result.source().encode()}
    files |= {NETWORK + name: (folder / name).read_bytes() for name in (*must, *may) if (folder / name).is_file()}
    reasons = list[str]()
    for kind in ("affine", "boxes") if longest is None else ("affine",):
        try:
            semantics, states = ("real", {}) if kind == "affine" else _boxes(result, folder)
            return Certificate(establish(_question(result, kind, longest, semantics) | states, files, seconds), files)
        except (Rejected, UnreadableError, StillOpenError, DomainError, GrammarError, NetworkError) as error:
            reasons.append(str(error))
    return f"the checker does not confirm it: {'; '.join(reasons)}"


def _question(result: StreamDistillation, kind: str, longest: int | None, semantics: str) -> dict[str, Any]:
    readout = {"kind": "round", "position": "every", "columns": [result.of.column], "names": [], "denominator": 1}
    return {
        "kind": kind,
        "format": FORMAT,
        "alphabet": list(result.of.alphabet),
        "lengths": [1, longest],
        "automaton": None,
        "prefix": [],
        "suffix": [],
        "readout": readout,
        "semantics": semantics,
        "directions": None,
        "least_margin": 0.0,
    }


def _boxes(result: StreamDistillation, folder: Path) -> tuple[str, dict[str, Any]]:
    """Boxes that no step leaves, and the arithmetic in which none does."""
    assert isinstance(result.program, Loop)
    model = load(folder)
    whole, names = loop_automaton(Domain(model.domain.alphabet, 1, None), result.program, result.of.numbers)
    found = closed(model, whole, names)
    return found.semantics, {STATES: stated_boxes(found)}
