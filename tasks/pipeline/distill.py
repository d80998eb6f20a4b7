"""A network in, a proved program out: the way in for every network, whatever its inputs are.

    Domain      sequences of tokens     listed, and followed beyond       (``sequences``)
    Streams     streams of numbers      loops, followed step by step      (``streams``)
    Operands    prompts of two numbers  functions, on all pairs at once   (``numbers``)
    Lists       prompts of a list       a list that fails, no proof       (``lists``)

What is asked about decides: the ``domain``, or where none is given what the network is made for.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from backends import Backend
from cegis import Domain, DomainError, Operands, Program
from cegis.claim import Inputs
from cegis.lists import Lists
from cegis.streams import Streams
from tasks.bounds import workers
from tasks.formats import Loaded, model_of
from tasks.networks.circuit import Circuit
from tasks.networks.number_streams import NumberStreams
from tasks.pipeline.languages import Language
from tasks.pipeline.own_programs import OwnProgram, own_program
from tasks.pipeline.result import Together
from tasks.pipeline.sequences import USUAL_SECONDS, Distillation, distill_sequences, follow_sequences
from tasks.pipeline.steps import SILENT, Observer
from tasks.proofs.enumeration import Semantics

if TYPE_CHECKING:
    from dsl.grammars.streams import Loop
    from tasks.automata.digits import NumberProgram
    from tasks.pipeline.lists import ListDistillation
    from tasks.pipeline.numbers import NumberDistillation
    from tasks.pipeline.streams import StreamDistillation

    Given = Program | Loop | NumberProgram | OwnProgram

Distilled = Distillation | Together
OF_SEQUENCES = ("backend", "margin", "grammar")  # options that go with no other inputs


@overload
def distill(network: NumberStreams, domain: Streams | None = None, **options: Any) -> StreamDistillation: ...
@overload
def distill(network: Circuit | Loaded, domain: Operands, **options: Any) -> NumberDistillation: ...
@overload
def distill(network: Circuit | Loaded, domain: Lists, **options: Any) -> ListDistillation: ...
@overload
def distill(network: Circuit | Loaded, domain: Domain, **options: Any) -> Distillation: ...
@overload
def distill(network: Circuit | Loaded, domain: None = None, **options: Any) -> Distillation | Together: ...
@overload
def distill(network: Circuit | Loaded | NumberStreams, domain: Inputs | None = None, **options: Any) -> Distilled: ...
def distill(  # type: ignore[misc]  # what the overloads leave open
    network: Any,
    domain: Any = None,
    *,
    program: Any = None,
    semantics: Semantics | None = None,
    seconds: float = USUAL_SECONDS,
    seed: int = 0,
    backend: Backend | None = None,
    margin: float | None = None,
    grammar: Language | None = None,
    executor: Executor | None = None,
    observer: Observer = SILENT,
) -> Distilled:
    """A program of ``network``, and on which inputs of ``domain`` the two are equal, in about ``seconds`` (wall clock).

    ``domain``: a Domain of sequences of tokens, Operands, of which all pairs are asked about, or the Streams of a
    network of numbers. None: those that its folder describes; of sequences as many as can be listed.
    ``program``: none is searched, and how far this one holds is found out, and what breaks it (see ``verify``).
    ``semantics``: the arithmetic that a claim must hold in; None: the strongest in which no less is shown.
    ``executor``: where independent parts are computed, such as a process pool; the result is the same.

    Of sequences alone: ``backend``, a solver to prove programs with as well; ``grammar``, a language of one's own
    (``languages``) in place of those that ship; ``margin``: labels with a smaller guaranteed margin count as none.

    An interrupt keeps what is known. Raises DomainError, NetworkError, GrammarError for what is no such program, and
    BlackBoxError for a function that raises or changes its mind.
    """
    told: dict[str, Any] = {"semantics": semantics, "seconds": seconds, "seed": seed, "observer": observer}
    of_sequences: dict[str, Any] = dict(zip(OF_SEQUENCES, (backend, margin, grammar), strict=True))
    model, asked = _asked(network, domain, of_sequences)
    program = None if program is None else _given(program)
    with workers.lent(executor):
        if isinstance(model, NumberStreams):
            from tasks.pipeline.streams import distill_streams

            return distill_streams(model, asked, program=program, **told)
        if isinstance(asked, Operands):
            from tasks.pipeline.numbers import distill_numbers

            return distill_numbers(model, asked, program=program, **told)
        if isinstance(asked, Lists):
            from tasks.pipeline.lists import distill_lists

            return distill_lists(model, asked, program=program, **told)
        return distill_sequences(model, asked, program=program, **told, **of_sequences)


def _asked(network: Any, domain: Any, of_sequences: dict[str, Any]) -> tuple[Any, Any]:
    """The network, and what is asked of it; DomainError where the two, or the options ``of_sequences``, do not fit."""
    model = network if isinstance(network, NumberStreams) else model_of(network)
    given = ", ".join(name for name, value in of_sequences.items() if value is not None)
    kinds: Any = Domain | Operands | Lists
    if isinstance(model, NumberStreams):
        kinds, domain = Streams, model.asked if domain is None else domain
        if isinstance(domain, Streams) and domain.alphabet != model.asked.alphabet:
            raise DomainError(f"{model.name}: expected {model.up_to(domain.max_length).words}, got {domain.words}")
    elif domain is None and not given:
        domain = model.operands or model.lists
    if not isinstance(domain, kinds | None):
        wanted = "Streams" if isinstance(model, NumberStreams) else "a Domain, Operands or Lists"
        raise DomainError(f"{model.name}: expected {wanted} to be asked about, got {domain!r}")
    if given and isinstance(domain, Operands | Streams | Lists):
        raise DomainError(f"{model.name}: {given} goes with sequences of tokens, not with {type(domain).__name__}")
    return model, domain


def verify(
    network: Circuit | Loaded | NumberStreams,
    program: Given | Path | str | Callable[..., Any],
    domain: Inputs | None = None,
    *,
    is_run: bool = True,
    **options: Any,
) -> Distilled:
    """Is ``program`` equal to ``network`` on ``domain``, and where not? What ``distill`` says of a program it found.

    ``program``: one that was found or parsed; the text, or the file, of a Python function, which is read where a
    grammar takes it; or a function of the tokens (and of a place, for a label at every place). What is not read is run,
    unless ``is_run`` is False: on every input that is listed, twice. A function of two numbers is read, and never run.
    See ``distill`` for the ``options`` and what is raised.

    >>> from tasks.formats import load
    >>> from tasks.formats.circuit_folder import shipped_path
    >>> quotes = load(shipped_path("quote_closing"))
    >>> found = verify(quotes, lambda tokens: "'" if "'" in tokens else '"', quotes.domain.up_to(3))
    >>> found.is_proved, found.claims[0].sequences
    (True, 34)
    """
    return distill(network, domain, program=_given(program, is_run=is_run), **options)


def _given(program: Any, *, is_run: bool = True) -> Any:
    """A program that was found or parsed, as it is; text, file or function as one of the user's own."""
    if isinstance(program, Program | OwnProgram):
        return program
    from dsl.grammars.streams import Loop
    from tasks.automata.digits import NumberProgram

    return program if isinstance(program, Loop | NumberProgram) else own_program(program, is_run=is_run)


def follow(
    network: Circuit | Loaded | NumberStreams,
    domain: Inputs,
    program: Any = None,
    *,
    length: int,
    **options: Any,
) -> Distilled:
    """How far one program holds on ``domain``: ``program``, or the simplest that is found.

    A program of sequences is searched up to ``length``. See ``distill`` for the ``options`` and what is raised.
    """
    program = None if program is None else _given(program, is_run=False)
    model, asked = _asked(network, domain, {name: options.get(name) for name in OF_SEQUENCES})
    if isinstance(model, NumberStreams):
        longest = asked.max_length or model.length
        found: Distilled = distill(replace(model, length=min(model.length, longest)), asked, program=program, **options)
        return found
    with workers.lent(options.pop("executor", None)):
        if isinstance(asked, Operands):
            from tasks.pipeline.numbers import follow_numbers

            return follow_numbers(model, asked, program=program, **options)
        if isinstance(asked, Lists):
            raise DomainError(
                f"{model.name}: expected sequences, pairs or streams to follow; {asked.words} are all alike"
            )
        return follow_sequences(model, asked, program, length=length, **options)
