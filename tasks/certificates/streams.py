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
from tasks.automata.endless import loop_automaton
from tasks.certificates.recurrent_evidence import stated_boxes
from tasks.checker.evidence import NETWORK, PROGRAM, STATES, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES
from tasks.formats import load
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.streams import StreamResult
from tasks.proofs.closed_boxes import closed
from tasks.proofs.still_open import StillOpenError
from tasks.proofs.stream_states import Broken, Equal

FORMAT = "recurrent case"


def attest_stream(result: StreamResult, folder: Path, *, seconds: float = inf) -> Certificate | str:
    """The certificate of ``result`` about the network in ``folder``, or why there is none."""
    loop, outcome = result.loop, result.outcome
    if loop is None or not isinstance(outcome, Equal | Broken):
        return "nothing is established"
    longest = outcome.length if isinstance(outcome, Equal) else outcome.equal_up_to
    if longest == 0:
        return "nothing is established"
    if isinstance(outcome, Equal) and longest is not None and outcome.method != "affine":
        return f"a proof by {outcome.method} up to {longest} steps has no certificate; one for every length may have"
    must, may = FILES[FORMAT]
    files = {PROGRAM: f"{result.source()}\n".encode()}
    files |= {NETWORK + name: (folder / name).read_bytes() for name in (*must, *may) if (folder / name).is_file()}
    reasons = list[str]()
    for kind in ("affine", "boxes") if longest is None else ("affine",):
        try:
            semantics, states = ("real", {}) if kind == "affine" else _boxes(result, folder)
            return Certificate(establish(_question(result, kind, longest, semantics) | states, files, seconds), files)
        except (Rejected, UnreadableError, StillOpenError, DomainError, NetworkError) as error:
            reasons.append(str(error))
    return f"the checker does not confirm it: {'; '.join(reasons)}"


def _question(result: StreamResult, kind: str, longest: int | None, semantics: str) -> dict[str, Any]:
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


def _boxes(result: StreamResult, folder: Path) -> tuple[str, dict[str, Any]]:
    """Boxes that no step leaves, and the arithmetic in which none does."""
    assert result.loop is not None
    model = load(folder)
    whole, names = loop_automaton(Domain(model.domain.alphabet, 1, None), result.loop, result.of.numbers)
    found = closed(model, whole, names)
    return found.semantics, {STATES: stated_boxes(found)}
