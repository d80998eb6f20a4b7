"""The certificates of a result: which are written, and how much of a run's time their check is kept.

Where a solver proved a circuit's surrogate, its queries are the evidence (``solver_evidence``); everything else is
confirmed by the independent checker before it is written (``independent``, which is loaded only then).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cegis import Claim, Rung
from cegis.certificate import Certificate
from tasks.certificates.solver_evidence import certify
from tasks.formats import Loaded
from tasks.networks.number_streams import NumberStreams
from tasks.pipeline.distill import Distilled
from tasks.pipeline.numbers import NumberDistillation
from tasks.pipeline.sequences import Distillation
from tasks.pipeline.streams import StreamDistillation
from tasks.proofs.count_bounds import obstacle

FEW_CHECKED, MANY_CHECKED = 0.2, 0.5  # of the time of a run, for the check: of classes and circuits, of long lists


@dataclass(frozen=True)
class Written:
    """A certificate of a result, or the reason why there is none; ``suffix`` tells the second of a result apart."""

    certificate: Certificate | str
    suffix: str = ""


def certificates(
    result: Distilled,
    folder: Path,
    *,
    seconds: float = 600.0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Written, ...]:
    """The certificates of what ``result`` proves of the network in ``folder``: the farthest-reaching first.

    That is one for every length, and beside it one up to the length that was asked for, where both are proved. The
    checker has ``seconds`` (wall clock) for all; ``on_progress(done, total)`` is told of inputs it visited.
    """
    if isinstance(result, StreamDistillation):
        from tasks.certificates.streams import attest_stream

        return (Written(attest_stream(result, folder, seconds=seconds)),)
    if isinstance(result, NumberDistillation):
        from tasks.certificates.pairs import attest_pairs

        return (Written(attest_pairs(result, folder, seconds=seconds)),)
    assert isinstance(result, Distillation)
    if any(claim.rung == Rung.SURROGATE for claim in result.claims) and result.labels.own_grammar is None:
        by_solver = certify(result, folder)
        if by_solver is not None:
            return (Written(by_solver),)
    from tasks.certificates.independent import attest, attest_all_lengths  # the checker takes a while to load

    deadline = time.monotonic() + seconds
    bounded = attest(result, folder, seconds=seconds, on_progress=on_progress)
    extension = result.extension
    if extension is None or not isinstance(extension.tail, Claim):
        return (Written(bounded),)
    left, language = max(1.0, deadline - time.monotonic()), result.labels.own_grammar
    every = attest_all_lengths(result.model, folder, extension.program, left, language)
    if isinstance(every, str):
        return Written(bounded), Written(every, "-all-lengths")
    return Written(every), Written(bounded, f"-to-{extension.found.equal_up_to}")


def share_of_checking(model: Loaded | NumberStreams, *, is_of_pairs: bool = False) -> float:
    """The share of a run's time that is kept for the check of a certificate: none where there is no such kind."""
    if isinstance(model, NumberStreams):
        return FEW_CHECKED
    if model.is_black_box:
        return 0.0
    if model.format == "circuit":
        return FEW_CHECKED
    from tasks.checker.formats import FILES

    if model.format not in FILES:
        return 0.0
    return FEW_CHECKED if obstacle(model) is None and not is_of_pairs else MANY_CHECKED
