"""From a recurrent network of numbers to a loop, and a proof of where the two are equal.

The network's own answers on a few random streams are the examples of the search (``dsl.deduction.stream_search``). A
loop is held to a thousand other streams first, then compared on every stream: in exact rationals where both are affine,
else by sets of states (``tasks.proofs``). A stream that breaks it becomes an example, and the search begins again. A
loop that is given is compared at once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cegis import Claim, Counterexample, Rung
from cegis.claim import least_margin
from cegis.streams import Streams, stream_text
from dsl.deduction.stream_search import Examples, searched_loop
from dsl.function import docstring_lines
from dsl.grammars.stream_reading import loop_from_text
from dsl.grammars.streams import Loop, OutgrownError
from dsl.operators import GrammarError
from tasks.bounds.interpreter import assumption
from tasks.networks.number_streams import Ints, NumberStreams
from tasks.pipeline.functions import RunProgram, how_run, qualified
from tasks.pipeline.own_programs import OwnProgram
from tasks.pipeline.result import Together
from tasks.pipeline.steps import SILENT, Clock, Observer
from tasks.pipeline.stream_functions import as_run, compared_function
from tasks.proofs import stream_affine, stream_states
from tasks.proofs.enumeration import MEANING, Semantics
from tasks.proofs.stream_states import Broken, Equal, Open, Outcome

BEGUN, TRIED, TAKEN = 10, 1000, 2  # streams: of the first search, that a loop is held to, that are taken from these
ROUNDS = 12
INTERRUPTED = "interrupted"
SEARCHING = 0.4  # of the time, at most, for one search
METHODS = {
    "affine": "in exact rationals, by the worst case of every step",
    "lattice": "by all pairs of a state of the network and one of the program, which are points",
    "boxes": "by boxes that hold all pairs of a state of the network and one of the program",
    "listed": "network bounded on every stream",
}


@dataclass(frozen=True, repr=False)
class StreamDistillation(Together):
    """A loop for the network ``of``, None where none was found; ``outcome``: what is so of it, or why there is none.

    ``rounds``: how many loops were looked for.
    """

    of: NumberStreams
    outcome: Outcome
    rounds: int

    what = "streams"

    @property
    def proved(self) -> Equal | None:
        """What is proved, if anything."""
        return self.outcome if isinstance(self.outcome, Equal) else self.outcome.shorter

    @property
    def is_proved(self) -> bool:
        """Whether the loop equals the network on every stream that was asked about, or on more."""
        reached, asked = (self.claims[0].domain.max_length if self.claims else 0), self.asked.max_length
        return bool(self.claims) and (reached is None or (asked is not None and reached >= asked))

    @property
    def broken(self) -> Counterexample | None:
        """The shortest stream that is known on which the two differ."""
        if not isinstance(self.outcome, Broken):
            return None
        tokens = tuple(",".join(map(str, row)) for row in self.outcome.stream.tolist())
        return Counterexample(tokens, str(self.outcome.got), str(self.outcome.expected))

    @property
    def breaking(self) -> str:
        """The stream in words."""
        broken = self.broken
        if broken is None or not isinstance(self.outcome, Broken):
            return ""
        steps, run = len(broken.inputs), int(self.of.answers(self.outcome.stream[None])[0, -1])
        other = "" if run == self.outcome.got else f" (run in float64 it says {run})"
        return (
            f"after the {steps} step{'s' * (steps > 1)} {stream_text(broken.sequence)} the program says {broken.got} "
            f"and {self.of.reference} {broken.expected}{other}, in {MEANING['real']}"
        )

    @property
    def conditions(self) -> str:
        """How an answer is read."""
        return self.of.conditions

    @property
    def reason(self) -> str:
        """Why nothing more is known."""
        return self.outcome.reason if isinstance(self.outcome, Open) else ""

    @property
    def margin(self) -> float | None:
        """The least distance of an output to the middle between two whole numbers."""
        return None if self.proved is None else self.proved.margin

    @property
    def notes(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def figures(self) -> dict[str, Any]:
        """Rounds of the search, and pairs of states."""
        pairs = self.outcome.pairs if isinstance(self.outcome, Equal) else 0
        return {"rounds": self.rounds, "pairs_of_states": pairs}

    def source(self, name: str = "program", docstring: str = "") -> str:
        """The loop as Python text; empty where there is none."""
        if self.program is None:
            return ""
        if isinstance(self.program, RunProgram):
            return self.program.source(name, docstring)
        head, *body = self.program.source(name, self.of.alphabet).splitlines()
        return "\n".join([head, *docstring_lines(docstring), *body]) + "\n"


def distill_streams(
    of: NumberStreams,
    asked: Streams | None = None,
    *,
    program: Loop | OwnProgram | None = None,
    semantics: Semantics | None = None,
    seconds: float = 60.0,
    seed: int = 0,
    observer: Observer = SILENT,
) -> StreamDistillation:
    """A loop for a network of numbers, and on which streams of ``asked`` the two are equal, in about ``seconds``.

    ``asked``: by default the streams that the network was made for; a loop is searched on these, and followed from
    there. ``program``: none is searched, and this one is compared: a loop, or a function of the tokens so far, which is
    read where it is one, and run otherwise (on every stream that is listed). ``semantics``: the coarsest arithmetic
    that a claim must hold in; None: that in which most is shown. Time is wall clock; an interrupt keeps what is known.
    Raises GrammarError for what is no such function, and BlackBoxError for one that raises or changes its mind.
    """
    clock, asked = Clock(seconds, observer.on_step), asked or of.asked
    longest, rounds = asked.max_length or of.length, 0
    given = read_loop(program, of) if isinstance(program, OwnProgram) else program
    outcome: Outcome = Open(INTERRUPTED)
    if isinstance(given, OwnProgram):
        run = as_run(given, of, clock.end)
        with suppress(KeyboardInterrupt):
            outcome = compared_function(of, run, longest, clock.end, semantics)
        clock.done("proof", f"{_short(outcome)}; {how_run(run)}")
        return _result(of, asked, run, outcome, rounds, clock)
    if given is None:
        with suppress(KeyboardInterrupt):
            given, outcome, rounds = _found(of, clock, seed, semantics)
        said = "no loop" if given is None else f"a loop of {given.size} operators, round {rounds}; {_short(outcome)}"
        clock.done("search", said)
        if given is None or longest == of.length:
            return _result(of, asked, given, outcome, rounds, clock)
    with suppress(KeyboardInterrupt):
        outcome = compared_loop(of, given, longest, semantics, seconds=clock.left)
    clock.done("proof", _short(outcome))
    return _result(of, asked, given, outcome, rounds, clock)


def read_loop(own: OwnProgram, of: NumberStreams) -> Loop | OwnProgram:
    """The loop that a text is; itself where it is none, and may be run. Raises GrammarError where it may not."""
    try:
        text = own.chosen()
        if text is None:
            raise GrammarError("a function can only be run; give its text to have it read")
        return loop_from_text(text, of.inputs, of.alphabet)
    except GrammarError as error:
        if not own.is_run:
            raise GrammarError(f"{own.name}: expected a program of the kind that is printed: {error}") from None
        return own


def _result(
    of: NumberStreams, asked: Streams, program: Loop | RunProgram | None, outcome: Outcome, rounds: int, clock: Clock
) -> StreamDistillation:
    proved = outcome if isinstance(outcome, Equal) else outcome.shorter
    claims = () if proved is None or program is None else (qualified(_claim(of, proved), program),)
    why = {"proof": outcome.reason} if isinstance(outcome, Open) and program is not None else {}
    return StreamDistillation(of, asked, program, claims, tuple(clock.steps), why, of, outcome, rounds)


def _claim(of: NumberStreams, proved: Equal) -> Claim:
    """What is established, with all that it depends on."""
    asked = of.up_to(proved.length)
    rung = Rung.ENUMERATED if proved.method == "listed" else Rung.BOUNDED
    return Claim(
        Rung.ALL_LENGTHS if proved.length is None else rung,
        of.reference,
        MEANING[proved.semantics],
        asked,
        f"{METHODS[proved.method]}, {least_margin(proved.margin)}",
        0 if proved.length is None else asked.size(),
        proved.seconds,
        "" if proved.semantics == "real" else assumption(of.network),
        of.conditions,
        "streams",
    )


def _short(outcome: Outcome) -> str:
    """An outcome as the line of a step."""
    match outcome:
        case Equal(None):
            return "equal at every length"
        case Equal(length):
            return f"equal up to {length} steps"
        case Broken(stream):
            return f"a stream of {len(stream)} steps breaks it"
        case Open(reason):
            return f"equal up to {outcome.equal_up_to} steps; {reason}" if outcome.shorter else reason


def _found(of: NumberStreams, clock: Clock, seed: int, semantics: Semantics | None) -> tuple[Loop | None, Outcome, int]:
    """A loop that holds as long as the network was made for, or the last one; what is so of it; and rounds."""
    rng = np.random.default_rng(seed)
    x = of.sample(BEGUN, rng)
    best: tuple[Loop, Outcome] | None = None
    for turn in range(1, ROUNDS + 1):
        loop = None
        if clock.has_time:
            examples = Examples(x, of.answers(x), of.low, of.high)
            loop = searched_loop(examples, min(clock.left, SEARCHING * clock.seconds))
        if loop is None:
            why = f"no loop found that gives the answers of {len(x)} streams" if clock.has_time else "the time ended"
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
        outcome = compared_loop(of, loop, of.length, semantics, seconds=max(1.0, clock.left))
        best = (loop, outcome)
        if not isinstance(outcome, Broken) or outcome.equal_up_to >= of.length:
            return *best, turn
        x = np.concatenate([x, _filled(outcome.stream, of.length)[None]])
    else:
        why = f"{ROUNDS} loops were each broken by a stream"
    if best is None and of.length > 1 and clock.has_time:  # long streams may be where the network stops being right
        half = replace(of, length=of.length // 2)
        shorter, _, _ = _found(half, Clock(clock.left), seed, semantics)
        if shorter is not None:
            best = shorter, compared_loop(of, shorter, of.length, semantics, seconds=max(1.0, clock.left))
    return (None, Open(why), turn) if best is None else (*best, turn)


def compared_loop(
    of: NumberStreams, loop: Loop, longest: int, semantics: Semantics | None = None, *, seconds: float = 60.0
) -> Outcome:
    """A loop against the network on streams of up to ``longest`` steps, by the method that fits the two."""
    if semantics in (None, "real"):
        try:
            return stream_affine.compared(of.network, of.numbers, loop, longest, column=of.column, seconds=seconds)
        except stream_affine.NotAffineError:
            pass
    told: dict[str, Any] = {"column": of.column, "seconds": seconds, "semantics": semantics}
    return stream_states.compared(of.network, of.numbers, loop, longest, **told)


def _filled(stream: Ints, length: int) -> Ints:
    """A stream of ``length`` steps that begins with this one."""
    return np.concatenate([stream, np.repeat(stream[-1:], max(0, length - len(stream)), axis=0)])
