"""The certificate of a loop for a network of numbers: what the checker finds of the two by itself.

Where both are affine it finds the worst sequences in exact rational numbers, of every length or up to the one that is
proved; else it is given boxes of states, and where each input leads from each (``box_graphs``): boxes that no step
leaves, or those of each step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from cegis.certificate import Certificate
from dsl.grammars.streams import Loop
from tasks.certificates.recurrent_evidence import stated_boxes
from tasks.checker.evidence import NETWORK, PROGRAM, STATES, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES
from tasks.pipeline.streams import StreamDistillation
from tasks.proofs.box_graphs import Beside, every_length, up_to
from tasks.proofs.enumeration import Semantics
from tasks.proofs.stream_states import ARITHMETICS, Equal

SPARE = (8.0, 64.0)  # roundings of room about boxes, for the checker's own bounds
GRAPHS = 3  # that the checker is given, in one arithmetic
FINDING = 0.4  # of the time, at most, for finding boxes


def attest_stream(result: StreamDistillation, folder: Path, *, seconds: float = 600.0) -> Certificate | str:
    """The certificate of ``result`` about the network in ``folder``, or why there is none."""
    proved = result.proved
    if proved is None or not isinstance(result.program, Loop):
        return "nothing is proved" if proved is None else "a function that was run has no certificate"
    longest = proved.length
    must, may = FILES[result.of.format]
    files = {PROGRAM: result.source().encode()}
    files |= {NETWORK + name: (folder / name).read_bytes() for name in (*must, *may) if (folder / name).is_file()}
    end, reasons = time.monotonic() + seconds, list[str]()
    for semantics, states in _evidence(result, proved, seconds):
        question = _question(result, "boxes" if states else "affine", longest, semantics) | states
        try:
            return Certificate(establish(question, files, end - time.monotonic()), files)
        except (Rejected, UnreadableError) as error:
            reasons.append(str(error))
    return f"the checker does not confirm it: {'; '.join(dict.fromkeys(reasons)) or 'no boxes of states were found'}"


def _evidence(result: StreamDistillation, proved: Equal, seconds: float) -> Iterator[tuple[Semantics, dict[str, Any]]]:
    """Arithmetics, and boxes in these; none for what is affine."""
    if proved.method == "affine":
        yield "real", {}
        return
    assert isinstance(result.program, Loop)
    begun, of = time.perf_counter(), result.of
    for name, u in ARITHMETICS[proved.semantics == "float64" :]:
        for spare in SPARE:
            beside = Beside(of.network, of.numbers, result.program, of.column, u, begun + FINDING * seconds, spare)
            graphs = every_length(beside) if proved.length is None else up_to(beside, proved.length)
            for found in islice(graphs, GRAPHS):
                yield name, {STATES: stated_boxes(found.after, found.boxes)}


def _question(result: StreamDistillation, kind: str, longest: int | None, semantics: str) -> dict[str, Any]:
    readout = {"kind": "round", "position": "every", "columns": [result.of.column], "names": [], "denominator": 1}
    return {
        "kind": kind,
        "format": result.of.format,
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
