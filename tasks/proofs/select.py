"""Which way of proving "program = network" up to a length fits a network, and why: decided by its structure alone.

    the sequences can be listed            ->  enumeration
    one layer attends, without positions   ->  counting: token counts and the last token decide the logits
    one layer attends, with positions      ->  covering: what it gives is an average along each sequence
    anything else                          ->  enumeration, as far as that goes, and what stands against the others

Everything that compares lengths asks here. The methods themselves are in ``listing``, ``counting`` and ``path_cover``;
each is a ``Verifier``, so the loop takes any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from cegis import Domain, DomainError
from tasks.formats import Loaded, model_of
from tasks.networks.circuit import Circuit
from tasks.networks.recurrent import Recurrent
from tasks.proofs import attention_bounds, count_bounds
from tasks.proofs.counting import WHY, CountingVerifier
from tasks.proofs.enumeration import MAX_SEQUENCES, ROUNDOFF, Semantics, usual_semantics
from tasks.proofs.listing import ListingVerifier
from tasks.proofs.path_cover import WHY as WHY_COVERING
from tasks.proofs.path_cover import CoveringVerifier
from tasks.proofs.verifier import Verifier

LONGEST = 4_096  # beyond, numbers of classes and of sequences are out of reach by far


class Way(Enum):
    """How sequences are gone through."""

    ENUMERATION = "enumeration"
    COUNTING = "counting"
    COVERING = "covering"
    SEARCH = "genetic search"


@dataclass(frozen=True)
class Method:
    """The ``way`` to compare programs with a network, the ``reason`` for it, and the ``longest`` length it takes."""

    way: Way
    reason: str
    longest: int

    @property
    def sentence(self) -> str:
        """Way and reason in one line."""
        return f"{self.way.value}, because {self.reason}"


def choose(
    network: Circuit | Loaded, length: int, *, most: int = MAX_SEQUENCES, semantics: Semantics | None = None
) -> Method:
    """The method for ``network`` up to ``length``, where at most ``most`` sequences are listed if another is there.

    Raises DomainError for a length that no sequence of the network has, or beyond ``LONGEST``.
    """
    model = model_of(network)
    shortest = model.domain.min_length
    if not shortest <= length <= LONGEST:
        raise DomainError(f"{model.name}: expected a length from {shortest} to {LONGEST:,}, got {length}")
    u = ROUNDOFF[semantics or usual_semantics(model)]
    listed, hindered = listable(model, length, most), count_bounds.obstacle(model, u)
    if listed == length:
        return Method(Way.ENUMERATION, f"all {up_to(model, length).size():,} sequences can be listed", length)
    if hindered is None:
        return Method(
            Way.COUNTING, f"{WHY}, and there are too many sequences to list", min(length, room(model, length))
        )
    most_tokens = room(model, length)
    if attention_bounds.obstacle(model, u) is None and most_tokens > listed:
        reason = f"{WHY_COVERING}, and there are too many sequences to list"
        return Method(Way.COVERING, reason, min(length, most_tokens))
    listed = listable(model, length, MAX_SEQUENCES)
    if listed < shortest or not up_to(model, listed).size():
        raise DomainError(
            f"{model.name}: counting does not apply ({hindered}), and no length has between 1 and {MAX_SEQUENCES:,} "
            "sequences to list"
        )
    ends = f"listing ends at length {listed}: {_end(model, listed)}" if listed < length else "all can be listed"
    return Method(Way.ENUMERATION, f"counting does not apply ({hindered}); {ends}", listed)


def verifier(
    network: Circuit | Loaded,
    method: Method,
    length: int,
    *,
    semantics: Semantics | None = None,
    seconds: float | None = None,
    on_length: Callable[[int, int], None] = lambda length, longest: None,
) -> Verifier:
    """What compares programs with ``network`` by ``method`` on every sequence up to ``length``.

    Raises DomainError when there are none.
    """
    model = model_of(network)
    return VERIFIERS[method.way](model, up_to(model, length), semantics, seconds, on_length)


def beyond_listing(network: Circuit | Loaded, u: float, *, with_regions: bool = False) -> Way | str:
    """The way to compare more sequences than can be listed, with unit roundoff ``u``, or why there is none.

    ``with_regions``: one that compares where another program allows it, as well.
    """
    model = model_of(network)
    if isinstance(model.network, Recurrent):
        return model.no_transformer
    against = {Way.COUNTING: count_bounds.obstacle(model, u), Way.COVERING: attention_bounds.obstacle(model, u)}
    if with_regions:
        against[Way.COUNTING] = "it knows no regions"
    fitting = next((way for way, reason in against.items() if reason is None), None)
    return fitting or "; ".join(f"{way.value}: {reason}" for way, reason in against.items())


VERIFIERS: dict[Way, type[Verifier]] = {
    Way.ENUMERATION: ListingVerifier,
    Way.COUNTING: CountingVerifier,
    Way.COVERING: CoveringVerifier,
}


def reason_of(way: Way) -> str:
    """Why that way fits a network that it applies to."""
    return WHY if way == Way.COUNTING else WHY_COVERING


def up_to(model: Loaded, length: int) -> Domain:
    """Its domain with another longest length, which may be beyond its own."""
    domain = model.domain
    return Domain(domain.alphabet, domain.min_length, length, domain.constraint)


def listed_domain(network: Circuit | Loaded, length: int) -> Domain:
    """Its own domain up to ``length``; raises DomainError when that cannot be listed."""
    model = model_of(network)
    shortest, longest = model.domain.min_length, model.domain.max_length or LONGEST
    if not shortest <= length <= longest:
        raise DomainError(
            f"{model.name}: expected a length from {shortest} to {longest} (the network's own range), got {length}"
        )
    domain = model.domain.up_to(length)
    if domain.size() == 0:
        raise DomainError(f"{model.name}: no sequence of length up to {length} is in the domain")
    if domain.size() > MAX_SEQUENCES:
        raise DomainError(
            f"{model.name}: {domain.size():,} sequences up to length {length} are too many to enumerate "
            f"(limit {MAX_SEQUENCES:,}); ask for a shorter length"
        )
    return domain


def listable(network: Circuit | Loaded, length: int, most: int) -> int:
    """The largest length up to ``length`` that the network has room for, with at most ``most`` sequences up to it."""
    model, total = model_of(network), 0
    domain = up_to(model, length)
    longest = min(length, room(model, length))
    for reached in range(domain.min_length, longest + 1):
        total += domain.count(reached)
        if total > most:
            return reached - 1
    return longest


def room(model: Loaded, length: int) -> int:
    """How many tokens a sequence may have: as many as there are positions for, and any number without positions."""
    network = model.network
    return network.longest - len(model.prefix) - len(model.suffix) if network.has_end else length


def _end(model: Loaded, listed: int) -> str:
    most = room(model, listed + 1)
    if listed >= most:
        return f"the network has positions for no longer sequences (of {most} tokens)"
    return f"up to {listed + 1} there are more than {MAX_SEQUENCES:,} sequences"
