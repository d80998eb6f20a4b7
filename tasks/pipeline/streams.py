"""From a recurrent network of numbers to a loop, and a proof of where the two are equal.

The network's own answers on a few random streams are the examples of the search (``dsl.deduction.stream_search``). A
loop is held to a thousand other streams first, then compared on every stream: in exact rationals where both are affine,
else by sets of states (``tasks.proofs``). A stream that breaks it becomes an example, and the search begins again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from dsl.deduction.stream_search import Examples, searched_loop
from dsl.grammars.streams import Loop, OutgrownError
from tasks.networks.number_streams import Ints, NumberStreams
from tasks.proofs import stream_affine, stream_states
from tasks.proofs.stream_states import Broken, Equal, Open, Outcome

BEGUN, TRIED, TAKEN = 10, 1000, 2  # streams: of the first search, that a loop is held to, that are taken from these
ROUNDS = 12
SEARCHING = 0.4  # of the time, at most, for one search


@dataclass(frozen=True)
class StreamResult:
    """``loop``: the program, None where none was found; ``outcome``: what is so of it, or why there is none."""

    of: NumberStreams
    loop: Loop | None
    outcome: Outcome
    rounds: int
    seconds: float

    @property
    def is_proved(self) -> bool:
        """Whether the loop equals the network on every stream of the length that it was made for, or of more."""
        match self.outcome:
            case Equal(length=done):
                return done is None or done >= self.of.length
            case Broken(equal_up_to=done):
                return done >= self.of.length
        return False

    @property
    def sentence(self) -> str:
        """The claim, with all that it depends on."""
        return claim(self.of, self.outcome)

    def source(self, name: str = "program") -> str:
        """The program as Python text; empty where there is none."""
        return "" if self.loop is None else self.loop.source(name, self.of.alphabet)


def distil_stream(of: NumberStreams, *, seconds: float = 60.0, seed: int = 0) -> StreamResult:
    """A loop for a network of numbers, in about ``seconds`` (wall clock)."""
    begun, rng = time.perf_counter(), np.random.default_rng(seed)
    x = of.sample(BEGUN, rng)
    best: tuple[Loop, Outcome] | None = None
    for turn in range(1, ROUNDS + 1):
        left = seconds - (time.perf_counter() - begun)
        loop = (
            searched_loop(Examples(x, of.answers(x), of.low, of.high), min(left, SEARCHING * seconds))
            if left > 0
            else None
        )
        if loop is None:
            why = "the time ended" if left <= 0 else f"no loop found that gives the answers of {len(x)} streams"
            break
        tried = of.sample(TRIED, rng)
        try:
            wrong = (loop.run(tried) != of.answers(tried)).any(axis=1)
        except OutgrownError as error:
            why = str(error)
            break
        if wrong.any():
            x = np.concatenate([x, tried[wrong][:TAKEN]])
            continue
        outcome = compared_loop(of, loop, seconds=max(1.0, seconds - (time.perf_counter() - begun)))
        best = (loop, outcome)
        if not isinstance(outcome, Broken) or outcome.equal_up_to >= of.length:
            return StreamResult(of, loop, outcome, turn, time.perf_counter() - begun)
        x = np.concatenate([x, _filled(outcome.stream, of.length)[None]])
    else:
        why = f"{ROUNDS} loops were each broken by a stream"
    left = seconds - (time.perf_counter() - begun)
    if best is None and of.length > 1 and left > 0:  # long streams may be where the network stops being right
        shorter = distil_stream(replace(of, length=of.length // 2), seconds=left, seed=seed).loop
        if shorter is not None:
            best = shorter, compared_loop(of, shorter, seconds=max(1.0, seconds - (time.perf_counter() - begun)))
    loop, outcome = (None, Open(why, 0)) if best is None else best
    return StreamResult(of, loop, outcome, turn, time.perf_counter() - begun)


def compared_loop(of: NumberStreams, loop: Loop, *, seconds: float = 60.0) -> Outcome:
    """A loop of one's own against the network, by the method that fits the two."""
    try:
        return stream_affine.compared(of.network, of.numbers, loop, of.length, column=of.column)
    except stream_affine.NotAffineError:
        return stream_states.compared(of.network, of.numbers, loop, of.length, column=of.column, seconds=seconds)


def _filled(stream: Ints, length: int) -> Ints:
    """A stream of ``length`` steps that begins with this one."""
    return np.concatenate([stream, np.repeat(stream[-1:], max(0, length - len(stream)), axis=0)])


def claim(of: NumberStreams, outcome: Outcome) -> str:
    """What was established, in one sentence."""
    number = "a whole number" if of.inputs == 1 else f"{of.inputs} whole numbers"
    each = f"{number} from {of.low} to {of.high} at every step"
    network = f"the network {of.name}, its output rounded to the nearest whole number after every step"
    match outcome:
        case Equal(length, margin, _, arithmetic, method):
            least = int(margin * 1000) / 1000
            many = "every length" if length is None else f"1 to {length} steps"
            way = {
                "affine": "in exact rationals, by the worst case of every step",
                "lattice": "by all pairs of a state of the network and one of the program, which are points",
                "boxes": "by boxes that hold all pairs of a state of the network and one of the program",
            }[method]
            return (
                f"proved equal to {network}, on every stream of {many} of {each}; {way}; for {arithmetic}; "
                f"every output is at least {least:g} away from the middle between two whole numbers"
            )
        case Broken(stream, got, expected, done):
            shown = " ".join(",".join(map(str, row)) for row in stream.tolist())
            begun = f"proved equal to {network}, on every stream of 1 to {done} steps of {each}; " if done else ""
            return f"{begun}after {shown} the network says {got}, the program {expected}"
        case Open(reason, done):
            begun = f"equal to {network} on every stream of 1 to {done} steps of {each}; " if done else ""
            return f"{begun}not proved: {reason}"
