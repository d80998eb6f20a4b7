"""Certificates that a program of two numbers equals a network on all pairs, in the form that ``tasks.checker`` checks.

    certificate.json      statement and checksums (cegis.certificate)
    program.py            the printed function, without docstring
    network/              the network's files, byte for byte

The statement is what the checker establishes from these files. It is given one thing beside the question: directions,
per head, in which what attention gives is bounded; those behind which the rest of the network listens most are best.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from cegis.certificate import Certificate
from cegis.operands import Operands
from tasks.automata.digits import DigitMachine
from tasks.certificates.independent import GRID, WEAKER, stored_files
from tasks.checker.evidence import NETWORK, PROGRAM, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES
from tasks.networks.readout import Argmax
from tasks.pipeline.numbers import NumberDistillation
from tasks.proofs.digit_groups import Steps
from tasks.proofs.enumeration import MEANING, ROUNDOFF


def attest_pairs(result: NumberDistillation, folder: Path, *, seconds: float = 600.0) -> Certificate | str:
    """The certificate of what ``result`` proves of the network in ``folder``, or why there is none."""
    model, operands, program = result.model, result.operands, result.program
    if not result.is_proved or program is None:
        return "nothing is proved of all pairs"
    if model.format not in FILES:
        return (
            f"no certificate is known for the format {model.format}; write the network as a folder of its own "
            "(tasks.save_folder) and distill that"
        )
    semantics = next(name for name, words in MEANING.items() if words == result.claims[0].semantics)
    deadline, reason = time.monotonic() + seconds, ""
    files = {PROGRAM: program.source().encode()}
    files |= {NETWORK + name: content for name, content in stored_files(model, folder).items()}
    for one in WEAKER[semantics]:
        steps = Steps(model, operands, DigitMachine(program, operands), ROUNDOFF[one])
        question: dict[str, Any] = {
            "kind": "pairs",
            "format": model.format,
            "operands": fields_of(operands),
            "readout": _readout(model.readout),
            "semantics": one,
            "directions": np.rint(GRID * steps.directions).astype(int).tolist(),
        }
        try:
            return Certificate(establish(question, files, max(0.0, deadline - time.monotonic())), files)
        except Rejected as error:
            reason = str(error)
        except UnreadableError as error:
            reason = f"the checker does not follow: {error}"
        if time.monotonic() > deadline:
            return f"the checker had {seconds:.0f} s, which is too little ({reason}); give it more time"
    return f"the checker does not confirm it: {reason}"


def fields_of(operands: Operands) -> dict[str, Any]:
    """All fields of ``operands`` as a statement holds them."""
    return {
        "digits": int(operands.digits),
        "base": int(operands.base),
        "order": operands.order,
        "answer_digits": operands.shown_digits,
        "answer_order": operands.answer_order or "lsb",
        "before": list(operands.before),
        "between": list(operands.between),
        "after": list(operands.after),
        "most": operands.largest,
    }


def _readout(readout: Any) -> dict[str, Any]:
    assert isinstance(readout, Argmax)
    parts = {"columns": [*readout.columns], "names": [*readout.names], "denominator": 1}
    return {"kind": "argmax", "position": readout.position, **parts}
