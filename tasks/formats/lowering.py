"""Steps of a ``Transformer`` from a graph of streams (``tensor_graph``).

A node is a function of another, its dominator, where every way from the prompt leads through that. Between the two it
is a list of steps:

    x + f(x)               Residual(f)
    f(x) + g(x) + ...      a stream twice as wide: (x, 0) or (x, x), to whose second half each term adds itself
    attention              queries, keys and values from their nearest common dominator

Several embeddings are one, side by side, of which each takes its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from tasks.formats.tensor_graph import (
    Attended,
    Multiplied,
    Node,
    Pooled,
    Root,
    Rows,
    Stepped,
    Summed,
    TensorGraph,
    is_choice,
)
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Affine, Attention, Norm, Pool, Product, Reals, Residual, Step, Transformer

Dtype = Literal["float32", "float64"]


def lower(graph: TensorGraph, result: Rows, dtype: Dtype) -> Transformer:
    """The network whose logits are ``result``; raises NetworkError where that is no stream, nor one row of it."""
    node, columns = _read(graph, result)
    node = graph.select(node, columns)
    root = _one_root(graph, node)
    steps = _Lowering(root.nodes).path(root.end, root.start)
    start = root.start
    assert isinstance(start, Root)
    positions = None if start.positions is None else _rounded(start.positions, dtype)
    steps = _tidied(tuple(_rounded_step(step, dtype) for step in steps))
    return Transformer(_rounded(start.tokens, dtype), positions, steps, graph.rows, dtype)


def _read(graph: TensorGraph, result: Rows) -> tuple[Node, np.ndarray]:
    """The node of the logits, and which of its columns they are, in order."""
    node, index = result.node, result.index
    index = index.reshape(-1, index.shape[-1]) if index.ndim and index.size > 1 else index.reshape(1, -1)
    rows, columns = np.divmod(index, node.width)
    if not (rows == rows[:, :1]).all() and node.rows > 1:
        if len(index) != 1:
            raise NetworkError("the result mixes positions in a way that is no row of logits")
        node = graph._concatenated(result).node
        rows, columns = np.zeros_like(index), index
    if (columns != columns[0]).any():
        raise NetworkError("the result has other logits at other positions")
    found = rows[:, 0]
    if node.rows > 1 and len(found) == 1 and found[0] == 0:
        return graph._node(Pooled(node.width, 1, (node,), "first")), columns[0]
    if node.rows > 1 and not (
        (len(found) == node.rows and (found == np.arange(node.rows)).all())
        or (len(found) == 1 and found[0] == node.rows - 1)
    ):
        raise NetworkError(
            f"the result is read at position {int(found[0])} of {node.rows}; expected all, one end, or a pool"
        )
    return node, columns[0]


class _Rooted:
    """A graph with one root ``start``: the ``nodes`` that lead to ``end``, each after its parents."""

    def __init__(self, start: Node, end: Node, nodes: list[Node]) -> None:
        self.start, self.end, self.nodes = start, end, nodes


def _one_root(graph: TensorGraph, end: Node) -> _Rooted:
    nodes = _ordered(end)
    roots = [node for node in nodes if isinstance(node, Root)]
    if any(root.tokens.dtype.kind != "f" for root in roots):
        raise NetworkError("token ids themselves take part in the computation, as numbers")
    if not roots:
        raise NetworkError("the result does not depend on the prompt")
    if len(roots) == 1:
        return _Rooted(roots[0], end, nodes)
    tokens = np.concatenate([root.tokens for root in roots], axis=1)
    placed = [root.positions for root in roots]
    positions = None
    if any(table is not None for table in placed):
        zeros = (np.zeros((graph.rows, root.width)) for root in roots)
        positions = np.concatenate(
            [zero if table is None else table for zero, table in zip(zeros, placed, strict=True)], axis=1
        )
    whole = Root(tokens.shape[1], graph.rows, (), tokens, positions)
    ends = np.cumsum([root.width for root in roots])
    new: dict[Node, Node] = {
        root: Stepped(root.width, graph.rows, (whole,), _block(whole.width, stop - root.width, root.width))
        for root, stop in zip(roots, ends, strict=True)
    }
    for node in nodes:
        if node not in new:
            new[node] = replace(node, parents=tuple(new[parent] for parent in node.parents))
    return _Rooted(whole, new[end], _ordered(new[end]))


def _ordered(end: Node) -> list[Node]:
    """Everything that leads to ``end``, each after its parents."""
    found: dict[Node, None] = {}
    waiting = [(end, False)]
    while waiting:
        node, is_ready = waiting.pop()
        if is_ready:
            found[node] = None
        elif node not in found:
            waiting += [(node, True), *((parent, False) for parent in node.parents)]
    return list(found)


class _Lowering:
    """Dominators of the ``nodes`` of a graph with one root, and the ways between them."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._above: dict[Node, Node] = {}
        self._depth: dict[Node, int] = {}
        for node in nodes:
            if not node.parents:
                self._depth[node] = 0
                continue
            above = self._common(node.parents)
            self._above[node], self._depth[node] = above, self._depth[above] + 1

    def path(self, end: Node, start: Node) -> tuple[Step, ...]:
        """The steps from ``start``, a dominator of ``end``, to it."""
        parts: list[tuple[Step, ...]] = []
        while end is not start:
            if isinstance(end, Stepped | Pooled):
                above = end.parents[0]
                step = end.step if isinstance(end, Stepped) else _pool(end)
                parts.append((step,))
            else:
                above = self._above[end]
                terms = self._terms(end) if isinstance(end, Summed) else ()
                if terms:
                    above = self._common(terms)
                if isinstance(end, Attended):
                    parts.append(self._attention(end, above))
                elif isinstance(end, Multiplied):
                    one, other = (self.path(parent, above) for parent in end.parents)
                    parts.append((Product(one, other),))
                else:
                    parts.append(self._sum(terms, above))
            end = above
        return tuple(step for part in reversed(parts) for step in part)

    def _attention(self, end: Attended, above: Node) -> tuple[Step, ...]:
        query, key, value = (self.path(parent, above) for parent in end.parents)
        return (Attention(query, key, value, end.heads, end.scale, causal=end.causal),)

    def _sum(self, terms: tuple[Node, ...], above: Node) -> tuple[Step, ...]:
        """The sum of ``terms``, all functions of ``above``."""
        own = sum(term is above for term in terms)
        ways = [self.path(term, above) for term in terms if term is not above]
        if own == 1 and len(ways) == 1:
            return (Residual(ways[0]),)
        size, width = above.width, terms[0].width
        start = np.concatenate([np.eye(size), own * np.eye(size) if own else np.zeros((width, size))])
        take, put = _block(size + width, 0, size), _turned(_block(size + width, size, width))
        added = [Residual(_joined((take, *way, put))) for way in ways]
        return (Affine(start), *added, _block(size + width, size, width))

    def _terms(self, node: Node) -> tuple[Node, ...]:
        """The terms of a sum: its parents, and where neither is a function of the other alone, what these sum up."""
        one, other = node.parents
        if self._common((one, other)) in (one, other):
            return one, other
        for first, last in ((one, other), (other, one)):  # in the order in which an execution adds
            if isinstance(first, Summed) and self._common((one, other)) in self._terms(first):
                return (*self._terms(first), last)
        return one, other

    def _common(self, nodes: Sequence[Node]) -> Node:
        """The nearest dominator of all ``nodes``, each its own."""
        found = nodes[0]
        for node in nodes[1:]:
            while found is not node:
                if self._depth[found] >= self._depth[node]:
                    found = self._above[found]
                else:
                    node = self._above[node]
        return found


def _pool(node: Pooled) -> Pool:
    return Pool(node.kind, node.parents[0].rows if node.kind == "concat" else 0)


def _block(width: int, start: int, size: int) -> Affine:
    """The map to ``size`` of ``width`` columns from ``start`` on."""
    table = np.zeros((size, width))
    table[np.arange(size), start + np.arange(size)] = 1.0
    return Affine(table)


def _turned(step: Affine) -> Affine:
    return Affine(np.ascontiguousarray(step.weight.T))


def _joined(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """``steps`` in which maps that only choose or place columns are one with those beside them."""
    found = list(steps)
    if len(found) > 2:
        inner, put = found[-2:]
        if isinstance(inner, Affine) and isinstance(put, Affine):
            bias = None if inner.bias is None else put.weight @ inner.bias
            found[-2:] = [Affine(put.weight @ inner.weight, bias)]
    if len(found) > 1:
        take, first = found[:2]
        if isinstance(take, Affine) and isinstance(first, Affine):
            found[:2] = [Affine(first.weight @ take.weight, first.bias)]
    return tuple(found)


def _tidied(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """``steps`` in which an affine map that only chooses is one with the map before or behind it."""
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Residual):
            step = Residual(_tidied(step.steps))
        last = found[-1] if found else None
        if isinstance(step, Affine) and isinstance(last, Affine):
            if last.bias is None and is_choice(last.weight) and (np.count_nonzero(last.weight, axis=0) <= 1).all():
                found[-1] = Affine(step.weight @ last.weight, step.bias)
                continue
            if is_choice(step.weight) and (step.bias is None or last.bias is None):
                shift = step.bias if last.bias is None else step.weight @ last.bias
                found[-1] = Affine(step.weight @ last.weight, shift)
                continue
        found.append(step)
    return tuple(found)


def _rounded(array: np.ndarray, dtype: Dtype) -> Reals:
    return np.ascontiguousarray(array.astype(dtype), np.float64)


def _rounded_step(step: Step, dtype: Dtype) -> Step:
    """A step with the numbers that an execution has: constants of the program are rounded, as weights are."""
    match step:
        case Affine(weight, bias):
            return Affine(_rounded(weight, dtype), None if bias is None else _rounded(bias, dtype))
        case Norm(gain=gain, bias=bias):
            shift = None if bias is None else _rounded(bias, dtype)
            return replace(step, gain=_rounded(gain, dtype), bias=shift)
        case Residual(inner):
            return Residual(tuple(_rounded_step(part, dtype) for part in inner))
        case Product(left, right):
            one, other = (tuple(_rounded_step(part, dtype) for part in way) for way in (left, right))
            return Product(one, other)
        case Attention():
            query, key, value = (
                tuple(_rounded_step(part, dtype) for part in way) for way in (step.query, step.key, step.value)
            )
            return replace(step, query=query, key=key, value=value)
    return step
