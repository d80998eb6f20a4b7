"""One program and two networks, where inputs are taken together: what proofs about each say of the two networks.

Where both equal the program they equal each other; where an input breaks it on one of them and the other is proved to
give the program's answer there, that input tells the two apart. Nothing is listed: what neither shows stays open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cegis import Operands
from cegis.claim import limits
from cegis.streams import Streams, stream_text
from tasks.formats import Loaded
from tasks.networks.number_streams import NumberStreams
from tasks.pipeline.numbers import NumberDistillation, distill_numbers
from tasks.pipeline.result import Together
from tasks.pipeline.streams import StreamDistillation, distill_streams
from tasks.proofs.enumeration import MEANING


@dataclass(frozen=True)
class Beside:
    """What is known of one program: of the network it was found for, ``first``, and of another, ``second``."""

    first: Together
    second: Together

    @property
    def common(self) -> Operands | Streams | None:
        """The inputs on which both networks are proved to give the program's answers; None for none."""
        if not (self.first.claims and self.second.claims):
            return None
        domains = [self.first.claims[0].domain, self.second.claims[0].domain]
        shorter = min(domains, key=lambda domain: float("inf") if domain.max_length is None else domain.max_length)
        assert isinstance(shorter, Operands | Streams)
        return shorter

    @property
    def apart(self) -> tuple[str, str, str] | None:
        """An input on which the two networks differ, and what each of them says; None where none is known."""
        for one, other in ((self.first, self.second), (self.second, self.first)):
            broken, claims = one.broken, other.claims
            if broken is None or broken.got is None or not claims:
                continue
            longest = claims[0].domain.max_length
            if longest is None or len(broken.inputs) <= longest:
                says = {id(one): str(broken.expected), id(other): str(broken.got)}
                return stream_text(broken.sequence), says[id(self.first)], says[id(self.second)]
        mine, theirs = self.first.broken, self.second.broken
        if (
            mine is not None
            and theirs is not None
            and mine.inputs == theirs.inputs
            and mine.expected != theirs.expected
        ):
            return stream_text(mine.sequence), str(mine.expected), str(theirs.expected)
        return None

    @property
    def sentence(self) -> str:
        """What is known of the two networks."""
        first, second = self.first.model.reference, self.second.model.reference
        parts, common, apart = [], self.common, self.apart
        if common is not None:
            same = {claim.semantics for claim in (*self.first.claims, *self.second.claims)}
            semantics = same.pop() if len(same) == 1 else MEANING["real"]
            what = self.first.what
            parts.append(f"both equal the program on all {what} of {limits(common)}, and so each other, in {semantics}")
        if apart is not None:
            beyond = "beyond that " if parts else ""
            parts.append(f"{beyond}they differ: on {apart[0]} {first} says {apart[1]} and {second} {apart[2]}")
        return "; ".join(parts) or "whether the two networks differ is not known from this"


def beside_streams(other: NumberStreams, result: StreamDistillation, seconds: float) -> Beside | None:
    """The program of ``result`` on another network of numbers, as far as it was asked; None where there is none."""
    if result.program is None:
        return None
    of = replace(other, length=result.of.length)
    return Beside(result, distill_streams(of, result.asked, program=result.program, seconds=seconds))  # type: ignore[arg-type]


def beside_pairs(other: Loaded, pairs: Operands, result: NumberDistillation, seconds: float) -> Beside | None:
    """The same on another network whose prompts show these ``pairs``."""
    if result.program is None:
        return None
    return Beside(result, distill_numbers(other, pairs, program=result.program, seconds=seconds))


def beside_lines(found: Beside) -> list[str]:
    """What was found, for people."""
    name = found.second.model.reference
    return ["", f"Against {name}, the same program: {found.second.verdict()}", f"The two networks: {found.sentence}."]


def beside_json(found: Beside) -> dict[str, Any]:
    """The same as JSON values."""
    second, apart = found.second, found.apart
    return {
        "network": second.model.name,
        "format": second.model.format,
        "sentence": second.verdict(),
        "proved": second.is_proved,
        "claims": [claim.as_json() for claim in second.claims],
        "networks": found.sentence,
        "apart": None if apart is None else {"inputs": apart[0], "first": apart[1], "second": apart[2]},
    }
