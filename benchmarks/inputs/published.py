"""What others published about the networks of the table. The only typed figures of this room; each has its source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """``what`` is said of the networks whose name starts with ``prefix``; the longest prefix counts."""

    prefix: str
    what: str
    source: str


FIGURES = (
    Published(
        "gpt2/", "accepts a decompiled program at 0.9 agreement, 26 of 50 runs get one; no proof", "arXiv 2602.08857"
    ),
    Published(
        "dyck/",
        "program written by hand; n = 10 in minutes, n = 16 in about 2 h on 6 cores",
        "brian-naughton/verified-circuits",
    ),
    Published("sparsemax/", "about 198 s (156 encoding, 38 solving) for 128 inputs", "arXiv 2605.24033"),
    Published("tracr/", "RASP text, 30 % exact, about 70 % functionally equal on tests; no proof", "arXiv 2410.00061"),
    Published("interpbench/", "texts by language models, validation is the bottleneck; no proof", "arXiv 2606.24026"),
    Published("rnn/mips/", "32 of 62 tasks solved, judged on 10 examples; no proof", "arXiv 2402.05110"),
    Published("rnn/weiss/", "automata by L*, equivalence tested by abstraction; no proof", "Weiss et al. 2018"),
)


def published(network: str) -> Published | None:
    """What is known of the network called ``family/name``."""
    found = [figure for figure in FIGURES if network.startswith(figure.prefix)]
    return max(found, key=lambda figure: len(figure.prefix), default=None)
