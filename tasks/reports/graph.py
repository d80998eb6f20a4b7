"""A network as a graph of what there is to see: nodes, and the weights between them, read off its steps.

Every node is a few directions of the stream: one for a kept node of a circuit, a head's outputs, the hidden layer of an
MLP. The walk carries, for each node met so far, the matrix ``(width, directions)`` that its values reach the stream by:

    Affine      M becomes  W M              Norm    M becomes  gain * M
    Residual    M is kept, and what the branch makes of it is added
    Mask        every kept entry becomes a node; its row of M is the weight of an edge

So an edge is what one node adds to the input of the next along every path on which nothing else acts (Elhage et al., "A
mathematical framework for transformer circuits", 2021): a number between two single directions, the Frobenius norm of
the product of matrices otherwise. Left out: biases, what norms divide by and subtract, which entries AbsTopK drops, and
how much attention gives to each position. Nothing here bounds or proves anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tasks.networks.model import Loaded
from tasks.networks.quoting import shown
from tasks.networks.readout import Rounded
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Lookup,
    Mask,
    Norm,
    Pool,
    Product,
    Reals,
    Residual,
    Step,
    Transformer,
    walk,
    width_after,
)

MOST_TOKENS, MOST_LOGITS = 14, 14  # drawn one by one
MOST_NODES = 400  # of a circuit; above, heads and layers are drawn instead
LONGEST = 64  # positions that count for the weight of an edge
ROLES = ("query", "key", "value")


@dataclass(frozen=True)
class Stream:
    """A stream of this ``width``, and how each node reaches it: (width, directions of the node)."""

    width: int
    reach: dict[str, Reals]

    def scaled(self, factors: Reals | NDArray[np.bool_]) -> Stream:
        """Every entry times its factor."""
        return Stream(self.width, {name: factors[:, None] * matrix for name, matrix in self.reach.items()})

    def plus(self, more: dict[str, Reals]) -> Stream:
        """What ``more`` adds."""
        own = self.reach
        return Stream(self.width, own | {name: own[name] + m if name in own else m for name, m in more.items()})


@dataclass(frozen=True)
class Node:
    """``rank``: its row in the drawing, 0 on top; ``text``: what is written on it; ``channel``: of the stream, if any.

    ``box``: the number of the attention layer and of the head that it belongs to, if any.
    """

    name: str
    kind: str
    rank: int
    text: str
    site: str
    detail: str
    channel: int | None = None
    box: tuple[int, int] | None = None


@dataclass(frozen=True)
class Edge:
    """``weight``: signed between single directions, else a norm; None where it is not known. ``role``: of a head's."""

    source: str
    target: str
    weight: float | None
    is_norm: bool
    role: str = ""


@dataclass(frozen=True)
class Graph:
    """``is_fine``: kept nodes of a circuit are drawn one by one; ``ranks``: what each row of the drawing holds."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    ranks: tuple[str, ...]
    is_fine: bool

    @property
    def about(self) -> str:
        """What nodes and edges are, in a sentence or two."""
        left_out = "Left out: biases, what norms divide by, and how much attention gives to each position."
        if self.is_fine:
            return (
                "Every node that the circuit keeps; all others are replaced by their means. An edge is the weight "
                f"between two nodes, gains of norms included. {left_out}"
            )
        return (
            "Heads and layers. The number of an edge is the norm of the product of the weights between two of them, "
            f"gains of norms included, along every path on which nothing else acts. {left_out}"
        )


def graph(model: Loaded) -> Graph | None:
    """What there is to draw of ``model``; None where it is no transformer."""
    if not isinstance(model.network, Transformer):
        return None
    masks = [step for step in walk(model.network.steps) if isinstance(step, Mask)]
    is_fine = 0 < sum(int(mask.kept.sum()) for mask in masks) <= MOST_NODES and _has_nodes_in_heads(model.network)
    return _Walk(model, model.network, is_fine).graph()


def _has_nodes_in_heads(network: Transformer) -> bool:
    """Whether queries, keys and values of all attention are nodes."""
    parts = [part for s in walk(network.steps) if isinstance(s, Attention) for part in (s.query, s.key, s.value)]
    return all(any(isinstance(step, Mask) for step in part) for part in parts)


@dataclass
class _Walk:
    """One pass over the steps."""

    model: Loaded
    network: Transformer
    is_fine: bool
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    ranks: list[str] = field(default_factory=list)
    attentions: int = 0
    layers: int = 0
    is_inside: bool = False  # whether the walk is in the queries, keys or values of attention

    def graph(self) -> Graph:
        self.ranks.append("tokens")
        self._end(self.follow(self.network.steps, self._begin()))
        used = sorted({node.rank for node in self.nodes.values()})
        at = {rank: n for n, rank in enumerate(used)}
        nodes = tuple(
            Node(n.name, n.kind, at[n.rank], n.text, n.site, n.detail, n.channel, n.box) for n in self.nodes.values()
        )
        return Graph(nodes, tuple(self.edges), tuple(self.ranks[rank] for rank in used), self.is_fine)

    # --- both ends ----------------------------------------------------------------------------------------------

    @property
    def _ids(self) -> list[int]:
        """Tokens that may occur in a prompt, those of the alphabet first."""
        model = self.model
        names = dict.fromkeys([*model.domain.alphabet, *model.prefix, *model.suffix])
        return [model.vocabulary.index(name) for name in names]

    def _begin(self) -> Stream:
        """Tokens and positions."""
        ids, sources = self._ids, dict[str, Reals]()
        if self.is_fine and len(ids) <= MOST_TOKENS:
            for token in ids:
                name = shown(self.model.vocabulary[token], 30)
                detail = f"embedding of the token {name}"
                node = self.node(f"token {name}", "token", name, "tokens", detail)
                sources[node] = self.network.tokens[token][:, None]
        else:
            what = f"{len(ids)} tokens" if len(ids) > 1 else "1 token"
            detail = f"embedding of {what}, {self.network.tokens.shape[1]} wide"
            sources[self.node("tokens", "token", what, "tokens", detail)] = self.network.tokens[ids].T
        if self.network.positions is not None:
            longest = self.model.domain.max_length or LONGEST
            count = min(longest + len(self.model.prefix) + len(self.model.suffix), LONGEST, self.network.longest)
            detail = f"embedding of {count} positions"
            node = self.node("positions", "position", "positions", "tokens", detail)
            sources[node] = self.network.positions[:count].T
        return Stream(self.network.tokens.shape[1], sources)

    def _end(self, stream: Stream) -> None:
        """The logits that are read."""
        readout = self.model.readout
        names = ("the number",) if isinstance(readout, Rounded) else readout.names
        self.ranks.append("logits that are read")
        if len(names) > MOST_LOGITS or not self.is_fine:
            text = "the number" if isinstance(readout, Rounded) else f"{len(names)} logits"
            node = self.node("logits", "logit", text, "logits", f"{len(names)} logits that are read")
            self.connect(node, {name: matrix[list(readout.columns)] for name, matrix in stream.reach.items()})
            return
        for name, column in zip(names, readout.columns, strict=True):
            text = shown(name, 30)
            node = self.node(f"logit {text}", "logit", text, "logits", f"logit of the answer {text}")
            self.connect(node, {name: matrix[[column]] for name, matrix in stream.reach.items()})

    def node(
        self,
        name: str,
        kind: str,
        text: str,
        site: str,
        detail: str,
        channel: int | None = None,
        box: tuple[int, int] | None = None,
    ) -> str:
        """A new node in the last rank; its name, which no other has."""
        while name in self.nodes:
            name += "'"
        self.nodes[name] = Node(name, kind, len(self.ranks) - 1, text, site, detail, channel, box)
        return name

    def connect(self, target: str, rows: dict[str, Reals], role: str = "") -> None:
        """Edges to ``target`` from every source that reaches it: ``rows`` are (directions of target, of source)."""
        for source, matrix in rows.items():
            is_norm = matrix.size > 1
            weight = float(np.linalg.norm(matrix)) if is_norm else float(matrix.reshape(-1)[0])
            if weight != 0.0:
                self.edges.append(Edge(source, target, weight, is_norm, role))

    # --- steps --------------------------------------------------------------------------------------------------

    def follow(self, steps: tuple[Step, ...], stream: Stream, role: str = "", size: int = 0) -> Stream:
        """What reaches the stream after ``steps``; ``role`` and the ``size`` of a head inside attention."""
        for at, step in enumerate(steps):
            match step:
                case Affine(weight):
                    stream = Stream(len(weight), {name: weight @ m for name, m in stream.reach.items()})
                case Norm(gain=gain):
                    stream = stream.scaled(gain)
                case Mask(kept=kept):
                    stream = self._kept(step, stream, role, size) if self.is_fine else stream.scaled(kept)
                case Activation() if not self._is_masked(steps[at + 1 :]):
                    stream = self._block("mlp", f"MLP {self.layers}", f"{stream.width} hidden, {step.kind}", stream)
                    self.layers += 1
                case Attention():
                    stream = self._attention(step, stream)
                case Residual(inner):
                    stream = stream.plus(self.follow(inner, stream).reach)
                case Lookup(table):
                    self.ranks.append("table")
                    name = self.node("table of tokens", "table", "table", "table", "what each token adds by itself")
                    stream = stream.plus({name: table[self._ids].T})
                case Pool():
                    width = width_after((step,), stream.width, len(self.network.tokens))
                    times = (width // stream.width, 1)  # rows that are put side by side
                    stream = Stream(width, {name: np.tile(m, times) for name, m in stream.reach.items()})
                case AbsTopK() | Activation():
                    pass
                case Product(left, right):
                    both = _linear(left, stream).plus(_linear(right, stream).reach)
                    is_passed = self.is_inside or self._is_masked(steps[at + 1 :])
                    stream = both if is_passed else self._gated(both)
                case _:  # a kind of step that is newer than this drawing
                    width = width_after((step,), stream.width, len(self.network.tokens))
                    stream = self._block("mlp", type(step).__name__.lower(), f"{width} wide", stream, width)
        return stream

    def _gated(self, both: Stream) -> Stream:
        """The hidden layer of a gated MLP, of what reaches either side of its product."""
        self.layers += 1
        return self._block("mlp", f"MLP {self.layers - 1}", f"{both.width} hidden, gated", both)

    def _is_masked(self, rest: tuple[Step, ...]) -> bool:
        """Whether the values of a step become nodes by a mask that follows it."""
        return self.is_fine and next((isinstance(s, Mask) for s in rest if not isinstance(s, AbsTopK)), False)

    def _block(self, kind: str, name: str, detail: str, stream: Stream, width: int | None = None) -> Stream:
        """One node for a whole layer."""
        self.ranks.append(name)
        node = self.node(name, kind, name, name, detail)
        self.connect(node, stream.reach)
        width = stream.width if width is None else width
        return Stream(width, {node: np.eye(width)})

    def _kept(self, mask: Mask, stream: Stream, role: str, size: int) -> Stream:
        """A node for every kept entry."""
        kind = _kind_of(mask.site, role)
        if not role:
            self.ranks.append(mask.site)
        found: dict[str, Reals] = {}
        for channel in map(int, np.flatnonzero(mask.kept)):
            where = f"head {channel // size}, {role} {channel % size}" if role else f"entry {channel}"
            node = self.node(
                f"{mask.site} {channel}",
                kind,
                f"{role[:1]}{channel % size}" if role else str(channel),
                mask.site,
                f"{mask.site}: {where}; {DOES[kind]}",
                channel if kind in ("read", "write") else None,
                (self.attentions - 1, channel // size) if role else None,
            )
            self.connect(node, {name: matrix[[channel]] for name, matrix in stream.reach.items()}, role)
            found[node] = np.eye(stream.width)[:, [channel]]
        return Stream(stream.width, found)

    def _attention(self, step: Attention, stream: Stream) -> Stream:
        """A node a head, or those of queries, keys and values."""
        number, vocabulary = self.attentions, len(self.network.tokens)
        self.attentions += 1
        self.ranks.append(f"attention {number}")
        rows: dict[str, Stream] = {}
        self.is_inside = True
        for role, part in zip(ROLES, (step.query, step.key, step.value), strict=True):
            size = width_after(part, stream.width, vocabulary) // step.heads
            rows[role] = self.follow(part, stream, role if self.is_fine else "", size)
        self.is_inside = False
        if self.is_fine:
            return rows["value"]
        found: dict[str, Reals] = {}
        for head in range(step.heads):
            name = f"head {number}.{head}"
            detail = f"{step.weighting} attention{', causal' if step.causal else ''}"
            node = self.node(name, "head", f"{number}.{head}", f"attention {number}", detail, box=(number, head))
            for role, reached in rows.items():
                size = reached.width // step.heads
                block = slice(head * size, (head + 1) * size)
                self.connect(node, {source: matrix[block] for source, matrix in reached.reach.items()}, role)
            found[node] = np.eye(rows["value"].width)[:, block]
        return Stream(rows["value"].width, found)


def _linear(steps: tuple[Step, ...], stream: Stream) -> Stream:
    """What reaches the end of ``steps`` that act on each row, where activations are left out."""
    for step in steps:
        match step:
            case Affine(weight):
                stream = Stream(len(weight), {name: weight @ m for name, m in stream.reach.items()})
            case Norm(gain=gain):
                stream = stream.scaled(gain)
    return stream


DOES = {
    "read": "reads the stream",
    "write": "writes to the stream",
    "query": "what a position looks for",
    "key": "what a position is found by",
    "value": "what a position gives",
    "hidden": "a hidden unit",
}


def _kind_of(site: str, role: str) -> str:
    """What a node of this site does."""
    if role:
        return role
    if site.endswith("post_act"):
        return "hidden"
    return "write" if site.endswith("resid_delta") else "read"
