"""The conditions of a claim in words: tokens, prompt, read-out, and which of them the caller chose.

A claim is about what the network's files declare, or about what its caller chose instead, and these are different
things to a stranger who reads it. What the files declare is taken without a word; what they do not declare, or declare
otherwise, is said. (The checker has words of its own for the same facts: ``tasks.checker.declared``.)
"""

from __future__ import annotations

from collections.abc import Sequence

from cegis import Domain
from cegis.claim import worded
from tasks.networks.model import Declared, Loaded
from tasks.networks.readout import Argmax, Readout, Rounded, TokenSet

SHOWN, CUT = 16, 60  # names in a list, and characters of one


def conditions(loaded: Loaded, domain: Domain) -> str:
    """Those of any network, on ``domain``."""
    return _text(loaded.declared, domain, loaded.prefix, loaded.suffix, loaded.readout)


def readout_text(readout: Readout) -> str:
    """A read-out in words."""
    place = "every place" if readout.position == "every" else "the last position"
    match readout:
        case Argmax(names):
            what = f"the largest of the logits {named(names)}"
        case TokenSet(names, _, threshold):
            what = f"the set of those above {threshold:g} among the logits {named(names)}"
        case Rounded(column, denominator):
            grid = "whole number" if denominator == 1 else f"fraction with a denominator of at most {denominator}"
            what = f"the {grid} nearest to logit {column}"
    return f"{what}, at {place}"


def named(names: Sequence[str]) -> str:
    """Names for a reader, quoted and cut.

    >>> named(("a", "<bos>")), named(())
    ("'a' '<bos>'", 'none')
    """
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (" ".join(map(_quoted, names[:SHOWN])) + more) or "none"


def _quoted(name: str) -> str:
    return repr(name if len(name) <= CUT else f"{name[: CUT - 1]}…")


def _text(said: Declared, domain: Domain, prefix: tuple[str, ...], suffix: tuple[str, ...], readout: Readout) -> str:
    around = [f"{named(part)} {where}" for part, where in ((prefix, "before"), (suffix, "after")) if part]
    prompt = f"{' and '.join(around)} the sequence" if around else "the sequence alone"
    parts = [f"tokens {named(domain.alphabet)}", f"prompt: {prompt}", f"read-out: {readout_text(readout)}"]
    free, other = list[str](), list[str]()
    for name, theirs, own in (
        ("alphabet", said.alphabet, domain.alphabet),
        ("prefix", said.prefix, prefix),
        ("suffix", said.suffix, suffix),
        ("read-out", said.readout, readout),
    ):
        if theirs is None:
            free.append(name)
        elif theirs != own:
            other.append(f"{name} (declared: {named(theirs) if isinstance(theirs, tuple) else readout_text(theirs)})")
    if said.alphabet is None and domain.constraint is not None:
        free.append("constraint")
    if said.alphabet is not None and domain.constraint != said.constraint:
        other.append(f"constraint (declared: {worded(said.constraint.text) if said.constraint else 'every sequence'})")
    if said.lengths is not None and not _is_within(domain, said.lengths):
        other.append(f"lengths (declared: {said.lengths[0]} to {said.lengths[1]})")
    if free:
        parts.append(f"chosen by the user, as the network's files do not declare it: {', '.join(free)}")
    if other:
        parts.append(f"chosen by the user, other than the network's files declare: {', '.join(other)}")
    return "; ".join(parts)


def _is_within(domain: Domain, lengths: tuple[int, int]) -> bool:
    return lengths[0] <= domain.min_length and domain.max_length is not None and domain.max_length <= lengths[1]
