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
from tasks.certificates.independent import _question, stored_files
from tasks.certificates.recurrent_evidence import stated_boxes
from tasks.checker.evidence import NETWORK, PROGRAM, STATES, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES
from tasks.formats import Loaded
from tasks.pipeline.streams import StreamResult
from tasks.proofs.closed_boxes import closed
from tasks.proofs.still_open import StillOpenError
from tasks.proofs.stream_states import Broken, Equal


def attest_stream(result: StreamResult, model: Loaded, folder: Path, *, seconds: float = inf) -> Certificate | str:
    """The certificate of ``result``, about the network ``model`` from ``folder``, or why there is none."""
    loop, outcome = result.loop, result.outcome
    if model.format not in FILES:
        return f"no certificate is known for the format {model.format}"
    if loop is None or not isinstance(outcome, Equal | Broken):
        return "nothing is established"
    longest = outcome.length if isinstance(outcome, Equal) else outcome.equal_up_to
    if longest == 0:
        return "nothing is established"
    domain = Domain(model.domain.alphabet, 1, longest)
    questions: dict[str, Any] = {"affine": lambda: _question("affine", model, domain, "real")}
    if longest is None:
        questions["boxes"] = lambda: _boxes(result, model, domain)
    files = {PROGRAM: f"{result.source()}\n".encode()}
    files |= {NETWORK + name: content for name, content in stored_files(model, folder).items()}
    reasons = list[str]()
    for ask in questions.values():
        try:
            return Certificate(establish(ask(), files, seconds), files)
        except (Rejected, UnreadableError, StillOpenError, DomainError) as error:
            reasons.append(str(error))
    return f"the checker does not confirm it: {'; '.join(reasons)}"


def _boxes(result: StreamResult, model: Loaded, domain: Domain) -> dict[str, Any]:
    assert result.loop is not None
    whole, names = loop_automaton(domain, result.loop, result.of.numbers)
    found = closed(model, whole, names)
    return _question("boxes", model, domain, found.semantics) | {STATES: stated_boxes(found)}
