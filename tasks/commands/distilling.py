"""What ``distill run``, ``verify`` and ``horizon`` do alike: ask, distill in time, compare, print and certify."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.manners import Manners
from tasks.commands.question import (
    WHOLE,
    ask,
    check_margin,
    check_seconds,
    lists_of,
    operands_of,
    other,
    shown_asked,
    streams_asked,
)
from tasks.commands.result import finish
from tasks.formats.writing import check_file

if TYPE_CHECKING:
    from cegis.claim import Inputs
    from cegis.lists import Lists
    from cegis.operands import Operands
    from tasks.commands.question import Asked
    from tasks.formats import Loaded
    from tasks.networks.number_streams import NumberStreams
    from tasks.pipeline.distill import Distilled
    from tasks.pipeline.own_programs import OwnProgram
    from tasks.pipeline.steps import Observer

USUAL_LENGTH = 10  # of sequences on which a program is searched that is then followed
COMPARING = 0.2  # of the time, for the network that program and circuit are compared with: at most so much of it


@dataclass(frozen=True)
class Horizon:
    """How far one program is followed: up to ``longest``; found on what is at most ``start`` long (None: as usual)."""

    start: int | None
    longest: int

    def __post_init__(self) -> None:
        if self.longest < 1 or (self.start is not None and not 1 <= self.start <= self.longest):
            got = f"{self.longest}" if self.start is None else f"{self.start} and {self.longest}"
            raise click.ClickException(f"expected 1 <= --length <= --longest, got {got}")


@dataclass(frozen=True)
class Run:
    """A run that is ready to be made, of a network whose files lie in ``folder``; ``domain`` None: what can be listed.

    ``options``: the others of ``tasks.pipeline.distill``; with a ``horizon`` a program is followed. ``beside``: how a
    result is compared with another network, in so many seconds.
    """

    network: Loaded | NumberStreams
    domain: Inputs | None
    folder: Path
    options: dict[str, Any]
    horizon: Horizon | None = None
    beside: Callable[[Any, float], Any] | None = None

    def make(self, seconds: float, observer: Observer) -> Distilled:
        """The result, in so many seconds."""
        from tasks.pipeline.distill import distill, follow

        options = self.options | {"seconds": seconds, "observer": observer}
        if self.horizon is None or self.domain is None:
            return distill(self.network, self.domain, **options)
        start = min(self.horizon.start or USUAL_LENGTH, self.horizon.longest)
        return follow(self.network, self.domain, length=start, **options)

    @property
    def share(self) -> float:
        """The share of the time for the check of a certificate."""
        from cegis.lists import Lists
        from cegis.operands import Operands
        from tasks.certificates.write import share_of_checking

        if isinstance(self.domain, Lists):
            return 0.0  # nothing is proved of these
        return share_of_checking(self.network, is_of_pairs=isinstance(self.domain, Operands))


def distilled(
    network: str,
    *,
    out: Path | None,
    seconds: float,
    margin: float | None,
    exceptions: Path | None,
    verbose: bool,
    quiet: bool,
    as_json: bool,
    **asked: Any,
) -> int:
    """What is found of ``network``, printed and certified; the exit code.

    What is wrong with the options is found before any work. The inputs are streams of numbers where the network is a
    recurrent one of these, pairs of numbers where its folder or ``operands`` says that its prompts show two, unless an
    option says something of sequences; else sequences of tokens.
    """
    from cegis.certificate import check_writable
    from tasks.commands.progress import observed

    check_seconds(seconds)
    check_margin(margin)
    if out is not None:
        check_writable(out)
    if exceptions is not None:
        check_file(exceptions)
    manners, started = Manners(verbose, quiet, as_json), time.perf_counter()
    run = ready(network, margin=margin, **asked)
    comparing = 0.0 if run.beside is None else COMPARING * seconds
    share = 0.0 if out is None else run.share
    with observed(manners) as observer:
        result = run.make((seconds - comparing) * (1 - share), observer)
    found = None if run.beside is None else run.beside(result, comparing)
    return finish(result, run.folder, out, started + seconds, manners, exceptions, found)


def ready(
    network: str,
    *,
    backend: str | None = None,
    length: str | None = None,
    seed: int = 0,
    grammar: str | None = None,
    semantics: Any = None,
    margin: float | None = None,
    against: str | None = None,
    program: OwnProgram | None = None,
    operands: str | None = None,
    lists: str | None = None,
    horizon: Horizon | None = None,
    **question: Any,
) -> Run:
    """The run that these options ask for; with a ``program`` none is searched, with a ``horizon`` one is followed.

    A circuit has a solver where none is named, and a program is searched.
    """
    told: dict[str, Any] = {"program": program, "semantics": semantics, "seed": seed}
    if horizon is not None:
        length = None if horizon.start is None else str(horizon.start)
    is_plain = not any((backend, grammar, margin, operands, lists, *question.values()))
    is_placed = program is not None and program.parameters == 2  # the tokens and a place: labels of sequences
    streams = streams_asked(network, length) if is_plain and not is_placed else None
    if streams is not None:
        return _of_streams(*streams, told, horizon, against)
    asked = ask(network, **question)
    of_sequences = (*question.values(), length, backend, grammar, margin)
    pairs = shown_asked("--operands", asked.model.operands, operands, (*of_sequences, lists), operands_of)
    if pairs is not None:
        return _of_pairs(asked, pairs, told, horizon, against)
    others = (*of_sequences, operands)
    shown = None if horizon else shown_asked("--lists", asked.model.lists, lists, others, lists_of)
    if shown is not None:
        return _of_lists(asked, shown, told, against)
    told["margin"] = margin
    if horizon is None:
        is_usual = program is None and asked.model.format == "circuit"
        told["backend"] = _solver(backend or ("z3" if is_usual else None))
    if grammar is not None:
        from tasks.commands.user_objects import language

        told["grammar"] = language(grammar)
    beside = None if against is None else other(asked, against, **question)
    return _of_sequences(asked, length, told, horizon, beside)


def _of_streams(
    of: NumberStreams, folder: Path, told: dict[str, Any], horizon: Horizon | None, against: str | None
) -> Run:
    """The run of a recurrent network of numbers."""
    to = of.up_to(of.length if horizon is None else horizon.longest)
    return Run(of, to, folder, told, horizon, _beside_streams(of, against))


def _of_pairs(asked: Asked, pairs: Operands, told: dict[str, Any], horizon: Horizon | None, against: str | None) -> Run:
    """The run of a network whose prompts show two numbers."""
    to = pairs if horizon is None else pairs.up_to(horizon.longest)
    return Run(asked.model, to, asked.folder, told, horizon, _beside_pairs(pairs, against))


def _of_lists(asked: Asked, lists: Lists, told: dict[str, Any], against: str | None) -> Run:
    """The run of a network whose prompts show a list that it answers token by token."""
    if against is not None:
        raise click.ClickException("--against compares sequences, pairs and streams; leave it out for lists")
    return Run(asked.model, lists, asked.folder, told, None, None)


def _of_sequences(
    asked: Asked, length: str | None, told: dict[str, Any], horizon: Horizon | None, beside: Loaded | None
) -> Run:
    """The run of any other network, on sequences of tokens."""
    from tasks.pipeline.report import compared

    if horizon is None:
        model, domain = asked.up_to(asked.usual(length))
    else:
        model, domain = asked.between(None, reach(asked.model, horizon.longest), f"--longest {horizon.longest}")
    model = replace(model, operands=None, lists=None)  # which are not what is asked about
    compare = None if beside is None else lambda result, seconds: compared(result, beside, seconds)
    return Run(model, domain, asked.folder, told, horizon, compare)


def _beside_streams(of: NumberStreams, against: str | None) -> Callable[[Any, float], Any] | None:
    """How the program of a network of numbers is compared with another of these."""
    from tasks.pipeline.beside import beside_streams

    if against is None:
        return None
    found = streams_asked(against, None)
    if found is None or (found[0].low, found[0].high, found[0].inputs) != (of.low, of.high, of.inputs):
        each = of.up_to(1).words.removeprefix("1 step, ").removeprefix("of ")
        raise click.ClickException(f"--against {against}: expected a recurrent network whose steps are {each}")
    return partial(beside_streams, found[0])


def _beside_pairs(pairs: Operands, against: str | None) -> Callable[[Any, float], Any] | None:
    """The same of a network whose prompts show two numbers."""
    from tasks.pipeline.beside import beside_pairs

    if against is None:
        return None
    if against == WHOLE:
        raise click.ClickException(f"--against {WHOLE} is for circuits' folders; name a folder")
    return partial(beside_pairs, ask(against).model, pairs)


def reach(model: Loaded, longest: int) -> int:
    """As far as the network has room; refuses a search that ends before the shortest sequence."""
    from tasks.proofs.select import room

    shortest = model.domain.min_length
    if longest < shortest:
        raise click.ClickException(
            f"{model.name}: its shortest sequence has {shortest} tokens; expected --longest of at least that, "
            f"got {longest}"
        )
    return min(longest, room(model, longest))


def _solver(name: str | None) -> Any:
    """The solver of a name; one that is missing is bad input, found before any work."""
    from backends import get

    if name in (None, "none"):
        return None
    solver = get(name)
    solver.version()
    return solver
