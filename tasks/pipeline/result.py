"""What every run ends with, whatever its inputs are: sequences that are listed, or sets of inputs taken together.

    Distillation           sequences of tokens: listed, and followed beyond              (``sequences``)
    StreamDistillation     streams of numbers, for a recurrent network                   (``streams``)
    NumberDistillation     prompts of two numbers, all pairs of them                     (``numbers``)

Each is a ``Result``. The last two are ``Together``: of them no list of labels is kept, so that all they can say is a
claim, one input that breaks it, or why there is neither. What is printed of each kind, as text and JSON, is in
``report``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cegis import Claim, Counterexample, Operands
from cegis.claim import Inputs, counted, limits
from cegis.streams import Streams
from dsl.showing import code_html, cut, panel_html, words_html
from tasks.formats import Loaded
from tasks.networks.number_streams import NumberStreams
from tasks.pipeline.steps import Step


class Result(Protocol):
    """What all of them have."""

    @property
    def model(self) -> Loaded | NumberStreams:
        """The network that was asked about."""

    @property
    def asked(self) -> Inputs:
        """On which inputs."""

    @property
    def program(self) -> Any:
        """The program that was found or given; None for none."""

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is established of it."""

    @property
    def broken(self) -> Counterexample | None:
        """An input on which the two differ, run on both."""

    @property
    def horizon(self) -> int | None:
        """Up to which length the two are equal, where that is known."""

    @property
    def is_proved(self) -> bool:
        """Whether the two are proved equal on all that was asked."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """What was done, and at which cost."""

    @property
    def not_applied(self) -> dict[str, str]:
        """Why a step was not taken, by name."""


@dataclass(frozen=True)
class Together:
    """What is known of ``program`` and ``model`` on all inputs of ``asked``, which were not listed.

    ``claims``: what is proved of the program, at most one; ``not_applied``: why a step was not taken, by name.
    """

    model: Loaded | NumberStreams
    asked: Operands | Streams
    program: Any
    claims: tuple[Claim, ...]
    steps: tuple[Step, ...]
    not_applied: dict[str, str]

    def __repr__(self) -> str:
        return summary(self, "nothing is found" if self.program is None else "compared")

    def _repr_html_(self) -> str:
        return panel(self, self.source(docstring=self.docstring), self.verdict())

    @property
    @abstractmethod
    def what(self) -> str:
        """What its inputs are called."""

    @property
    @abstractmethod
    def is_proved(self) -> bool:
        """Whether the program is proved to equal the network on all that was asked."""

    @property
    @abstractmethod
    def broken(self) -> Counterexample | None:
        """An input on which the two differ, run on both."""

    @property
    @abstractmethod
    def breaking(self) -> str:
        """That input in words, with what both say and in which arithmetic; empty where there is none."""

    @property
    @abstractmethod
    def conditions(self) -> str:
        """How an input is shown to the network, and its answer read."""

    @property
    @abstractmethod
    def reason(self) -> str:
        """Why there is no program, or nothing is known of it."""

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """What else a reader should know."""

    @property
    @abstractmethod
    def figures(self) -> dict[str, Any]:
        """What JSON values have of this kind alone."""

    @abstractmethod
    def source(self, name: str = "program", docstring: str = "") -> str:
        """The function as Python text; empty where there is none."""

    @property
    def exceptions(self) -> tuple[Counterexample, ...]:
        """None: the inputs were not listed."""
        return ()

    @property
    @abstractmethod
    def margin(self) -> float | None:
        """The least margin of a label, where something is proved."""

    @property
    def horizon(self) -> int | None:
        """Up to which length the two are proved equal; None for every length, or no length at all."""
        return self.claims[0].domain.max_length if self.claims else None

    @property
    def docstring(self) -> str:
        """What is known of the program, in a sentence."""
        if self.claims:
            return self.claims[0].docstring
        if self.broken is not None:
            return f"Not equal to {self.model.reference}: {self.breaking}."
        return f"Not known to equal {self.model.reference}."

    def verdict(self, *, is_full: bool = True) -> str:
        """What is known, in a sentence or two; without ``is_full`` less what the docstring of the program says."""
        is_brief = not is_full and self.program is not None
        claims = [replace(claim, conditions="", method="") if is_brief else claim for claim in self.claims]
        words = " ".join(claim.words for claim in claims)
        if self.program is None:
            return f"NOT FOUND: {self.reason}."
        if self.broken is not None:
            more = "" if words and (is_brief or self.is_proved) else f", one of {self.inputs_text}; {self.conditions}"
            said = f"{'It breaks beyond that' if self.is_proved else 'NOT EQUAL'}: {self.breaking}{more}."
            return f"{words} {said}" if self.is_proved else f"{said} {words}".strip()
        return words if self.is_proved else f"NOT DECIDED: {self.reason}. {words}".strip()

    @property
    def inputs_text(self) -> str:
        """How many inputs were asked about, and which.

        The number is left out where there is no longest one.
        """
        many = "" if self.asked.max_length is None else f"{counted(self.asked.size())} "
        return f"{many}{self.what} of {limits(self.asked)}"


def summary(result: Result, ended: str) -> str:
    """A result in one line, for a debugger."""
    proved, asked = "proved" if result.is_proved else "not proved", limits(result.asked)
    return cut(f"{type(result).__name__}({result.model.name!r}, {asked}: {ended}, {proved}; {result.program!r})")


def panel(result: Result, source: str, *words: str) -> str:
    """Network, program and what is known of it, for notebooks."""
    name = f"{result.model.name}, {limits(result.asked)}"
    return panel_html(words_html(name), *([code_html(source)] if source else []), *map(words_html, filter(None, words)))
