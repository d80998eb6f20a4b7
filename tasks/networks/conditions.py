"""The conditions of a claim in words: tokens, prompt, read-out, and which of them the caller chose.

A claim is about what the network's files declare, or about what its caller chose instead, and these are different
things to a stranger who reads it. What the files declare is taken without a word; what they do not declare, or declare
otherwise, is said; the first may be the caller's choice or a default. (The checker has words of its own for the same
facts: ``tasks.checker.declared``.)
"""

from __future__ import annotations

from collections.abc import Sequence

from cegis import Domain
from cegis.claim import worded
from tasks.networks.model import BlackBox, Loaded, Network
from tasks.networks.readout import Argmax, Readout, Rounded, TokenSet
from tasks.networks.transformer import Pool, Transformer

SHOWN, CUT = 16, 60  # names in a list, and characters of one
AT_LAST = "at the last position"
FROM = {  # where the rows of a prompt become one: what that one is
    "last": AT_LAST,
    "first": "at the first position of the prompt",
    "mean": "computed from the mean over all positions",
    "sum": "computed from the sum over all positions",
    "concat": "computed from all positions side by side",
}
ANSWERED = "of the row that the function gives for the prompt, the last where it gives several"


def conditions(loaded: Loaded, domain: Domain) -> str:
    """Those of any network, on ``domain``."""
    return _text(loaded, domain, row_text(loaded.network))


def row_text(network: Network) -> str:
    """Which row of the network's result a label is read from, where there is one label: its last, unless it pools."""
    if isinstance(network, BlackBox):
        return ANSWERED
    steps = network.steps if isinstance(network, Transformer) else ()
    return next((FROM[step.kind] for step in steps if isinstance(step, Pool)), AT_LAST)


def readout_text(readout: Readout, row: str = AT_LAST) -> str:
    """A read-out in words; ``row``: where it reads, as ``row_text`` says it of the network."""
    place = "at every place" if readout.position == "every" else row
    match readout:
        case Argmax(names):
            what = f"the largest of the logits {named(names)}"
        case TokenSet(names, _, threshold):
            what = f"the set of those above {threshold:g} among the logits {named(names)}"
        case Rounded(column, denominator):
            grid = "whole number" if denominator == 1 else f"fraction with a denominator of at most {denominator}"
            what = f"the {grid} nearest to logit {column}"
    return f"{what}, {place}"


def named(names: Sequence[str]) -> str:
    """Names for a reader, quoted and cut.

    >>> named(("a", "<bos>")), named(())
    ("'a' '<bos>'", 'none')
    """
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (" ".join(map(_quoted, names[:SHOWN])) + more) or "none"


def _quoted(name: str) -> str:
    return repr(name if len(name) <= CUT else f"{name[: CUT - 1]}…")


def _text(loaded: Loaded, domain: Domain, row: str) -> str:
    said, prefix, suffix, readout = loaded.declared, loaded.prefix, loaded.suffix, loaded.readout
    around = [f"{named(part)} {where}" for part, where in ((prefix, "before"), (suffix, "after")) if part]
    prompt = f"{' and '.join(around)} the sequence" if around else "the sequence alone"
    parts = [f"tokens {named(domain.alphabet)}", f"prompt: {prompt}", f"read-out: {readout_text(readout, row)}"]
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
            words = named(theirs) if isinstance(theirs, tuple) else readout_text(theirs, row)
            other.append(f"{name} (declared: {words})")
    if said.alphabet is None and domain.constraint is not None:
        free.append("constraint")
    if said.alphabet is not None and domain.constraint != said.constraint:
        other.append(f"constraint (declared: {worded(said.constraint.text) if said.constraint else 'every sequence'})")
    if said.lengths is not None and not _is_within(domain, said.lengths):
        other.append(f"lengths (declared: {said.lengths[0]} to {said.lengths[1]})")
    if free:
        parts.append(f"stated here, as the network's files declare none: {', '.join(free)}")
    if other:
        parts.append(f"chosen by the user, other than the network's files declare: {', '.join(other)}")
    return "; ".join(parts)


def _is_within(domain: Domain, lengths: tuple[int, int]) -> bool:
    return lengths[0] <= domain.min_length and domain.max_length is not None and domain.max_length <= lengths[1]
