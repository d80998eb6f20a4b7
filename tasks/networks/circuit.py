"""A circuit: a network pruned to kept nodes, the sequences it is asked about, and how its logits become a label.

The prompt is ``prefix`` (fixed token ids, for example a beginning-of-sequence token) followed by the sequence. The
read-out is the argmax over the logits of the named labels at the last position; a tie, or a margin that does not
exceed the error bound, is its own outcome (``UNDECIDED``), never silently a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cegis.claim import limits
from cegis.domain import Domain
from dsl.showing import cut, panel_html, table_html, words_html
from tasks.networks.sparse_transformer import Array, Network, NetworkError, check_prompt, check_tensors

UNDECIDED = -1
MAX_LABELS = 127  # label indices are kept as int8


@dataclass(frozen=True)
class Circuit:
    """``kept[site]`` is a boolean per node, ``means[site]`` the value that replaces a node that is not kept."""

    name: str
    summary: str
    network: Network
    vocabulary: tuple[str, ...]
    prefix: tuple[str, ...]
    labels: tuple[str, ...]
    domain: Domain
    kept: Mapping[str, NDArray[np.bool_]]
    means: Mapping[str, Array]
    card: Mapping[str, object] = field(default_factory=dict)

    def __repr__(self) -> str:
        nodes = f"{self.nodes} nodes kept of {sum(map(len, self.kept.values()))}"
        return cut(f"Circuit({self.name!r}, {self.summary!r}, {nodes})")

    def _repr_html_(self) -> str:
        """What it does and the nodes it keeps, for notebooks."""
        kept = [(site, " ".join(map(str, np.flatnonzero(mask)))) for site, mask in self.kept.items() if mask.any()]
        words = f"{self.name}: {self.summary}; {' '.join(self.domain.alphabet)}, {limits(self.domain)}"
        return panel_html(words_html(words), table_html(("site", "kept nodes"), kept))

    def __post_init__(self) -> None:
        config = self.network.config
        if len(self.vocabulary) != config.vocab_size or len(set(self.vocabulary)) != config.vocab_size:
            raise NetworkError(
                f"{self.name}: expected {config.vocab_size} different tokens in the vocabulary, "
                f"got {len(self.vocabulary)} ({len(set(self.vocabulary))} different)"
            )
        for what, tokens in (("prefix", self.prefix), ("labels", self.labels), ("alphabet", self.domain.alphabet)):
            unknown = [token for token in tokens if token not in self.vocabulary]
            if unknown:
                raise NetworkError(f"{self.name}: {what} token {unknown[0]!r} is not in the vocabulary")
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise NetworkError(f"{self.name}: expected at least two different labels, got {self.labels}")
        if len(self.labels) > MAX_LABELS:
            raise NetworkError(f"{self.name}: expected at most {MAX_LABELS} labels, got {len(self.labels)}")
        check_prompt(self.name, self.domain.min_length, len(self.prefix))
        longest = self.domain.max_length
        if longest is None or longest + len(self.prefix) > config.block_size:
            raise NetworkError(
                f"{self.name}: sequences of length {longest} with a prefix of {len(self.prefix)} "
                f"do not fit the network's block_size of {config.block_size}"
            )
        widths = config.site_widths()
        check_tensors(f"{self.name}: means", {site: (width,) for site, width in widths.items()}, self.means)
        for site, width in widths.items():
            if site not in self.kept or self.kept[site].shape != (width,) or self.kept[site].dtype != np.bool_:
                raise NetworkError(f"{self.name}: kept nodes of {site} should be {width} booleans")
        extra = sorted(self.kept.keys() - widths.keys())
        if extra:
            raise NetworkError(f"{self.name}: unknown site {extra[0]!r} among the kept nodes")

    def prompt_ids(self, sequences: NDArray[np.int8]) -> NDArray[np.int64]:
        """Vocabulary ids of prefix + sequence: (sequences, length) alphabet indices to (sequences, prefix + length)."""
        to_id = np.array([self.vocabulary.index(token) for token in self.domain.alphabet])
        prefix = np.array([self.vocabulary.index(token) for token in self.prefix], dtype=np.int64)
        return np.hstack([np.broadcast_to(prefix, (len(sequences), len(prefix))), to_id[sequences]])

    @property
    def label_ids(self) -> tuple[int, ...]:
        """Vocabulary ids of the labels."""
        return tuple(self.vocabulary.index(label) for label in self.labels)

    @property
    def nodes(self) -> int:
        """How many nodes are kept."""
        return int(sum(mask.sum() for mask in self.kept.values()))


def whole(circuit: Circuit) -> Circuit:
    """The network that ``circuit`` was cut from: the same with every node kept."""
    kept = {site: np.ones_like(mask) for site, mask in circuit.kept.items()}
    return replace(circuit, name=f"{circuit.name}-whole", kept=kept)
