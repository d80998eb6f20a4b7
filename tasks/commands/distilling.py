"""What ``distill run`` and ``distill verify`` do alike: ask, distill within the time, compare, print and certify."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.commands.manners import Manners
from tasks.commands.question import ask, check_margin, check_seconds, numbers_asked, other
from tasks.commands.result import finish
from tasks.commands.streams import numbers_in, run_numbers
from tasks.formats.writing import check_file

if TYPE_CHECKING:
    from tasks.pipeline.distill import Distillation

COMPARING = 0.2  # of the time, for the network that program and circuit are compared with: at most so much of it


def distilled(
    make: Callable[..., Distillation],
    network: str,
    *,
    backend: str | None,
    length: str | None,
    out: Path | None,
    seconds: float,
    seed: int,
    grammar: str | None,
    semantics: Any,
    margin: float | None,
    exceptions: Path | None,
    against: str | None,
    verbose: bool,
    quiet: bool,
    as_json: bool,
    is_search: bool = False,
    program: str | None = None,
    operands: str | None = None,
    **question: Any,
) -> int:
    """What ``make`` says of ``network``, printed and certified; the exit code.

    ``make`` takes a model, a domain and the options of ``tasks.pipeline.distill``. What is wrong with the options is
    found before any work. With ``is_search`` a circuit has a solver where none is named. A network
    whose prompts show two numbers, as its folder or ``operands`` says, is asked about all pairs of them, unless an
    option says something of sequences; ``program`` is then the file of the one to compare.
    """
    from backends import get
    from cegis.certificate import check_writable
    from tasks.certificates.write import share_of_checking
    from tasks.commands.progress import observed
    from tasks.commands.user_objects import language
    from tasks.pipeline.report import compared

    check_seconds(seconds)
    check_margin(margin)
    if out is not None:
        check_writable(out)
    if exceptions is not None:
        check_file(exceptions)
    manners, started = Manners(verbose, quiet, as_json), time.perf_counter()
    is_plain = not any((backend, grammar, semantics, margin, exceptions, against, *question.values()))
    numbers = numbers_in(network, length) if is_search and is_plain else None
    if numbers is not None:
        return run_numbers(*numbers, out=out, seconds=seconds, seed=seed, manners=manners)
    asked = ask(network, **question)
    pairs = numbers_asked(
        asked.model, operands, (*question.values(), length, backend, grammar, against, exceptions, margin)
    )
    if pairs is not None:
        from tasks.commands.pairs import answer_numbers

        return answer_numbers(asked, pairs, program, semantics, seconds, seed, out, manners)
    if is_search and asked.model.format == "circuit":
        backend = backend or "z3"
    solver = None if backend in (None, "none") else get(backend)
    if solver is not None:
        solver.version()  # a missing solver is bad input, found before any work
    own = None if grammar is None else language(grammar)
    model, domain = asked.up_to(asked.usual(length))
    share = 0.0 if out is None else share_of_checking(model)
    beside = None if against is None else other(asked, against, **question)
    comparing = 0.0 if beside is None else COMPARING * seconds
    with observed(manners) as observer:
        result = make(
            model,
            domain,
            backend=solver,
            semantics=semantics,
            margin=margin,
            seconds=(seconds - comparing) * (1 - share),
            seed=seed,
            grammar=own,
            observer=observer,
        )
    found = None if beside is None else compared(result, beside, comparing)
    return finish(result, asked.folder, out, started + seconds, manners, exceptions, found)
