"""Where the nodes of a graph stand: one row a rank, and one column a channel of the residual stream.

Nodes of one channel stand below each other, so that what stays in the stream is a straight line. Columns and the other
nodes are ordered by the mean place of what they are joined with, several times over (Sugiyama, Tagawa and Toda, 1981).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from tasks.reports.graph import Graph, Node
from tasks.reports.svg import width_of

ROW, COLUMN, HEIGHT = 78.0, 46.0, 24.0
GAP, BOX_GAP, MARGIN = 10.0, 30.0, 24.0
ASIDE = 70.0  # room beside heads and layers, for edges that pass some of them
SWEEPS = 12
ORDER = {"query": 1, "key": 2, "value": 3}  # in a head


@dataclass(frozen=True)
class Place:
    """The middle of a node, and how wide it is."""

    x: float
    y: float
    width: float


def places(graph: Graph) -> dict[str, Place]:
    """Where each node stands, by its name; all within ``MARGIN`` of (0, 0) and beyond."""
    if not graph.nodes:
        return {}
    near = _neighbours(graph)
    columns = sorted({node.channel for node in graph.nodes if node.channel is not None})
    at = {channel: n * COLUMN for n, channel in enumerate(columns)}
    wide = {node.name: max(32.0, width_of(node.text) + 14) for node in graph.nodes}
    x = {node.name: 0.0 if node.channel is None else at[node.channel] for node in graph.nodes}
    rows = [[node for node in graph.nodes if node.rank == rank] for rank in range(len(graph.ranks))]
    for row in rows:
        free = [node for node in row if node.channel is None]
        x |= {node.name: n * COLUMN for n, node in enumerate(free)}
    for _ in range(SWEEPS):
        for row in rows:
            _spread([node for node in row if node.channel is None], x, near, wide)
        at = _ordered(graph.nodes, x, near)
        x |= {node.name: at[node.channel] for node in graph.nodes if node.channel is not None}
    left = min(x[name] - wide[name] / 2 for name in x) - MARGIN - (0.0 if graph.is_fine else ASIDE)
    return {node.name: Place(x[node.name] - left, MARGIN + HEIGHT / 2 + node.rank * ROW, wide[node.name])
            for node in graph.nodes}  # fmt: skip


def _neighbours(graph: Graph) -> dict[str, list[str]]:
    """What each node is joined with."""
    near: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        near[edge.source].append(edge.target)
        near[edge.target].append(edge.source)
    return near


def _mean(values: Iterable[float], otherwise: float) -> float:
    some = list(values)
    return sum(some) / len(some) if some else otherwise


def _ordered(nodes: tuple[Node, ...], x: dict[str, float], near: dict[str, list[str]]) -> dict[int, float]:
    """A column for each channel, by the mean place of what its nodes are joined with."""
    joined: dict[int, list[float]] = defaultdict(list)
    for node in nodes:
        if node.channel is not None:
            joined[node.channel] += [x[other] for other in near[node.name] if x[other] != x[node.name]]
            joined[node.channel] += [x[node.name]]
    ordered = sorted(joined, key=lambda channel: (_mean(joined[channel], 0.0), channel))
    return {channel: n * COLUMN for n, channel in enumerate(ordered)}


def _spread(row: list[Node], x: dict[str, float], near: dict[str, list[str]], wide: dict[str, float]) -> None:
    """Put a row near what it is joined with, heads together, nothing on top of another."""
    middle = _mean(x.values(), 0.0)  # for what is joined with nothing
    wanted = {node.name: _mean((x[other] for other in near[node.name]), middle) for node in row}
    boxes: dict[tuple[int, int] | None, list[float]] = defaultdict(list)
    for node in row:
        boxes[node.box].append(wanted[node.name])
    means = {box: _mean(found, 0.0) for box, found in boxes.items()}
    row = sorted(row, key=lambda node: (means[node.box], str(node.box), ORDER.get(node.kind, 0), wanted[node.name]))
    gaps = [(wide[a.name] + wide[b.name]) / 2 + (GAP if a.box == b.box else BOX_GAP) for a, b in pairwise(row)]
    rightward, leftward = [wanted[node.name] for node in row], [wanted[node.name] for node in row]
    for n, gap in enumerate(gaps):
        rightward[n + 1] = max(rightward[n + 1], rightward[n] + gap)
    for n in reversed(range(len(gaps))):
        leftward[n] = min(leftward[n], leftward[n + 1] - gaps[n])
    for node, one, other in zip(row, rightward, leftward, strict=True):
        x[node.name] = (one + other) / 2
