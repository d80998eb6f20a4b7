"""How long a program stays equal to a circuit: the largest length that holds, and the sequence that breaks the next.

    holds up to 15; breaks at length 16: "x x x [ [ [ ]" is ']]' to the program and ']' to the circuit
    holds up to 64; longer sequences were not looked at

The two are different results: the first is a fact about program and circuit, the second about this run. Lengths are
taken in growing reaches, each from scratch, so the rows of ``Horizon.reached`` show how the cost grows with the length.
The way of comparing is that of ``methods``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cegis import Claim, Counterexample, Program, Rung
from tasks.formats import Loaded, model_of
from tasks.networks.circuit import Circuit
from tasks.proofs.enumeration import Semantics
from tasks.proofs.select import Method, Way, choose, up_to, verifier
from tasks.proofs.verifier import Extent, Verifier

FIRST_LONGEST = 16  # then 32, 64, ...: most programs break early, and short lengths are cheap
LAST_STEP = 4
FEW = 200_000  # sequences that are sooner listed than thought about
UNSEEN = "longer sequences were not looked at"


@dataclass(frozen=True)
class Reached:
    """One reach: program and circuit were compared up to some length, and are equal up to ``length``.

    ``claims``: what that proves. ``classes`` of sequences were compared, by bounds on ``boxes`` of them where that is
    not 0; ``margin`` is below every margin seen; seconds of this process's CPU, labels included.
    """

    length: int
    claims: tuple[Claim, ...]
    classes: int
    boxes: int
    margin: float
    cpu_seconds: float

    @property
    def rung(self) -> Rung | None:
        """How strong the claim is; None where nothing is proved."""
        return self.claims[0].rung if self.claims else None

    @property
    def sequences(self) -> int:
        """How many sequences the claim is about; 0 where nothing is proved."""
        return self.claims[0].sequences if self.claims else 0

    @property
    def sentence(self) -> str:
        """The claim in one sentence; empty where nothing is proved."""
        return self.claims[0].sentence if self.claims else ""


@dataclass(frozen=True)
class Horizon:
    """The largest ``length`` up to which program and circuit are equal (below the domain's shortest: nowhere).

    ``broken``: the shortest sequence on which they differ, run on both; None where none was found. ``stopped``: why
    nothing longer was decided; empty where ``broken`` follows at once. ``claims``: what is proved. ``reached``: every
    reach, shortest first.
    """

    length: int
    broken: Counterexample | None
    stopped: str
    claims: tuple[Claim, ...]
    method: Method
    reached: tuple[Reached, ...] = ()

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        parts = [f"holds up to {self.length}" if self.claims else "holds nowhere"]
        if self.stopped:
            parts.append(self.stopped)
        if self.broken is not None:
            expected, got = self.broken.expected, self.broken.got
            text = " ".join(self.broken.inputs)
            parts.append(
                f"breaks at length {len(self.broken.inputs)}: {text!r} is {got!r} to the program and {expected!r} to "
                "the circuit"
            )
        return "; ".join(parts)


def horizon(
    network: Circuit | Loaded,
    program: Program,
    *,
    longest: int = 256,
    seconds: float | None = None,
    semantics: Semantics | None = None,
    on_length: Callable[[int, int], None] = lambda length, longest: None,
) -> Horizon:
    """Find the horizon among lengths up to ``longest`` in about ``seconds``; an interrupt keeps what was proved.

    ``on_length(length, reach)`` is told of every length. Raises DomainError for a ``longest`` below the network's
    shortest sequence, or far beyond what can be counted.
    """
    deadline = None if seconds is None else time.perf_counter() + seconds
    model = model_of(network)
    method = choose(model, longest, most=FEW, semantics=semantics)
    best = Horizon(model.domain.min_length - 1, None, "no length was looked at", (), method)
    for reach in _reaches(method, model.domain.min_length):
        left = None if deadline is None else max(1e-3, deadline - time.perf_counter())
        if reach < method.longest and not up_to(model, reach).size():
            continue
        began = time.process_time()
        by = verifier(model, method, reach, semantics=semantics, seconds=left, on_length=on_length)
        found = by.examine(program)
        best = _further(best, by, found, time.process_time() - began)
        if found.counterexample is not None or found.stopped:
            break
    return best


def _further(best: Horizon, by: Verifier, found: Extent, cpu_seconds: float) -> Horizon:
    """``best`` with what one more reach has shown."""
    row = Reached(found.equal_up_to, found.claims, found.classes, by.boxes, by.margin, cpu_seconds)
    reached, stopped = (*best.reached, row), _stopped(found)
    if found.equal_up_to > best.length:
        return Horizon(found.equal_up_to, found.counterexample, stopped, found.claims, best.method, reached)
    return Horizon(best.length, found.counterexample, stopped, best.claims, best.method, reached)


def _reaches(method: Method, shortest: int) -> Iterator[int]:
    """16, 32, 64, ... up to the longest; where sequences are listed, which grows much faster, one step before it."""
    is_listed = method.way == Way.ENUMERATION
    reach = max(shortest, method.longest - LAST_STEP if is_listed else FIRST_LONGEST)
    while reach < method.longest:
        yield reach
        reach = method.longest if is_listed else 2 * reach
    yield method.longest


def _stopped(found: Extent) -> str:
    """Why nothing longer is known to hold; empty where a counterexample follows at once."""
    if found.stopped is not None:
        return found.stopped.text
    return "" if found.counterexample is not None else UNSEEN
