"""The node sites of any ``Transformer``, and the edges between them: what pruning keeps and drops.

The sites are those of Gao et al. (2025), found by the shape of the network; a layer is what one attention begins:

    0.attn.act_in       what attention reads of the stream        0.mlp.act_in       what an MLP reads
    0.attn.q, .k, .v    its query, key and value channels         0.mlp.post_act     its neurons
    0.attn.resid_delta  what it writes back                       0.mlp.resid_delta  what it writes back
    final_resid         the stream after the last branch          head.post_act      neurons behind it

A *node* is a column at a site; a dropped one is replaced by its mean (a ``Mask``). An *edge* is a weight other than
zero that leads from one kept node to another through a single affine map; what links nodes otherwise (the residual
stream, queries with keys) is implied by the nodes, and not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.networks.sparse_transformer import FINAL_SITE, NetworkError
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Mask,
    Product,
    Reals,
    Residual,
    Step,
    Transformer,
    walk,
    width_after,
)

Flags = NDArray[np.bool_]
HEAD = "head"


@dataclass(frozen=True)
class Link:
    """An affine map whose columns are the nodes of ``source`` and whose rows are those of ``target``."""

    name: str  # its sites, and a number where several maps join the same two
    affine: Affine
    source: Mask
    target: Mask

    @property
    def edges(self) -> Flags:
        """(rows, columns): the weights that are edges."""
        joined: Flags = self.target.kept[:, None] & self.source.kept & (self.affine.weight != 0)
        return joined


# --- nodes ------------------------------------------------------------------------------------------------------


def with_sites(network: Transformer) -> Transformer:
    """``network`` with a mask at every site, where one that it has not yet keeps every node; it computes the same."""
    build = _Sites(len(network.tokens))
    return replace(network, steps=build.top(network.steps, network.tokens.shape[1]))


def masks(network: Transformer) -> dict[str, Mask]:
    """The masks by their sites; raises NetworkError where two have one name."""
    found: dict[str, Mask] = {}
    for step in walk(network.steps):
        if isinstance(step, Mask):
            if step.site in found:
                raise NetworkError(f"two sites are called {step.site!r}; expected one mask a name")
            found[step.site] = step
    return found


def with_masks(network: Transformer, kept: Mapping[str, Flags], means: Mapping[str, Reals]) -> Transformer:
    """``network`` with other nodes ``kept`` and other ``means``, by site; what dropped nodes had stays theirs."""

    def change(mask: Mask) -> Mask:
        before = np.where(mask.kept, means[mask.site].astype(np.float64), mask.means)
        return Mask(mask.site, mask.kept & kept[mask.site], before)

    return replace(network, steps=_mapped(network.steps, change))


def nodes(network: Transformer) -> int:
    """How many nodes are kept."""
    return sum(int(mask.kept.sum()) for mask in masks(network).values())


def _mapped(steps: tuple[Step, ...], change: Callable[[Mask], Mask]) -> tuple[Step, ...]:
    return tuple(_inside(step, lambda inner: _mapped(inner, change), change) for step in steps)


def _inside(step: Step, inner: Callable[[tuple[Step, ...]], tuple[Step, ...]], change: Callable[[Mask], Mask]) -> Step:
    """``step`` with ``inner`` applied to the steps inside it, or ``change`` where it is a mask."""
    match step:
        case Mask():
            return change(step)
        case Residual(steps):
            return Residual(inner(steps))
        case Product(left, right):
            return Product(inner(left), inner(right))
        case Attention():
            return replace(step, query=inner(step.query), key=inner(step.key), value=inner(step.value))
    return step


class _Sites:
    """Puts masks where there are none; counts layers as it goes."""

    def __init__(self, vocabulary: int) -> None:
        self._vocabulary, self._layer, self._used = vocabulary, -1, set[str]()

    def top(self, steps: tuple[Step, ...], width: int) -> tuple[Step, ...]:
        """The steps of a network."""
        last = max((n for n, step in enumerate(steps) if isinstance(step, Residual)), default=-1)
        result: list[Step] = []
        for n, step in enumerate(steps):
            match step:
                case Residual(inner):
                    result.append(Residual(self._branch(inner, width)))
                case Attention():
                    self._layer += 1
                    result.append(self._attention(step, width))
                case _:
                    result.append(step)
            width = self._after(step, width)
            following = steps[n + 1 :]
            if n == last:
                result += self._site(FINAL_SITE, width, following)
            elif _ends_neurons(steps, n) and n > last:
                result += self._site(self._free(f"{HEAD}.post_act"), width, following)
        return tuple(result)

    def _branch(self, steps: tuple[Step, ...], width: int) -> tuple[Step, ...]:
        """A residual branch: attention where one is in it, else an MLP."""
        attends = any(isinstance(step, Attention) for step in steps)
        if attends or self._layer < 0:
            self._layer += 1
        at = self._free(f"{self._layer}.{'attn' if attends else 'mlp'}")
        reader = next((n for n, step in enumerate(steps) if isinstance(step, Attention | Affine | Product)), 0)
        result: list[Step] = []
        for n, step in enumerate(steps):
            if n == reader and not (n and isinstance(steps[n - 1], Mask)):
                result += self._site(f"{at}.act_in", width, ())
            result.append(self._attention(step, width, at) if isinstance(step, Attention) else step)
            width = self._after(step, width)
            if _ends_neurons(steps, n):
                result += self._site(f"{at}.post_act", width, steps[n + 1 :])
        if not isinstance(result[-1], Mask):
            result += self._site(f"{at}.resid_delta", width, ())
        return tuple(result)

    def _attention(self, step: Attention, width: int, at: str | None = None) -> Attention:
        at = at or self._free(f"{self._layer}.attn")

        def part(name: str, steps: tuple[Step, ...]) -> tuple[Step, ...]:
            if steps and isinstance(steps[-1], Mask):
                return steps
            return (*steps, *self._site(f"{at}.{name}", width_after(steps, width, self._vocabulary), ()))

        return replace(step, query=part("q", step.query), key=part("k", step.key), value=part("v", step.value))

    def _site(self, name: str, width: int, following: tuple[Step, ...]) -> tuple[Step, ...]:
        """A mask that keeps all, but where one follows anyway."""
        is_there = bool(following) and isinstance(following[0], Mask)
        return () if is_there else (Mask(name, np.ones(width, np.bool_), np.zeros(width)),)

    def _after(self, step: Step, width: int) -> int:
        return width_after((step,), width, self._vocabulary)

    def _free(self, name: str) -> str:
        """``name``, or with a number where it is used."""
        number = 1
        while (free := name if number == 1 else f"{name}{number}") in self._used:
            number += 1
        self._used.add(free)
        return free


def _ends_neurons(steps: tuple[Step, ...], n: int) -> bool:
    """Whether neurons are complete behind step ``n``: the activation or the gated ones, or the AbsTopK behind them."""
    if isinstance(steps[n], AbsTopK):
        return n > 0 and isinstance(steps[n - 1], Activation | Product)
    is_next_top_k = isinstance(next(iter(steps[n + 1 :]), None), AbsTopK)
    return isinstance(steps[n], Activation | Product) and not is_next_top_k


# --- edges ------------------------------------------------------------------------------------------------------


def links(network: Transformer) -> Iterator[Link]:
    """Every affine map between two sites, in the order of execution."""
    found: list[Link] = []

    def note(link: Link) -> Affine:
        found.append(link)
        return link.affine

    with_links(network, note)
    yield from found


def edges(network: Transformer) -> int:
    """How many there are between kept nodes."""
    return sum(int(link.edges.sum()) for link in links(network))


def with_links(network: Transformer, change: Callable[[Link], Affine]) -> Transformer:
    """``network`` with another affine map for each link."""
    return replace(network, steps=_Links(change).steps(network.steps, None, None))


def without(link: Link, cut: Flags, means: NDArray[np.floating], dtype: str) -> Affine:
    """The map of ``link`` without the edges ``cut`` (rows, columns): their columns are taken to be at their ``means``.

    What a mean gave goes into the bias, rounded to ``dtype``, in which the network holds its weights.
    """
    weight, bias = link.affine.weight, link.affine.bias
    given = np.where(cut, weight, 0.0) @ means.astype(np.float64)
    total = given if bias is None else bias + given
    return Affine(np.where(cut, 0.0, weight), total.astype(dtype).astype(np.float64))


class _Links:
    """Changes every link; counts those of one name."""

    def __init__(self, change: Callable[[Link], Affine]) -> None:
        self._change, self._names = change, list[str]()

    def steps(self, steps: tuple[Step, ...], source: Mask | None, end: Mask | None) -> tuple[Step, ...]:
        """``steps`` on a stream whose columns are the nodes of ``source``; those of the result are of ``end``."""
        result: list[Step] = []
        for n, step in enumerate(steps):
            target = _next_site(steps[n + 1 :], end)
            match step:
                case Affine():
                    result.append(step if source is None or target is None else self._linked(step, source, target))
                    source = None
                case Attention(query, key, value):
                    q, k, v = (self.steps(part, source, None) for part in (query, key, value))
                    result.append(replace(step, query=q, key=k, value=v))
                    source = value[-1] if value and isinstance(value[-1], Mask) else None
                case Product(left, right):
                    result.append(Product(self.steps(left, source, target), self.steps(right, source, target)))
                    source = None
                case Residual(inner):
                    result.append(Residual(self.steps(inner, None, None)))
                    source = None
                case Mask():
                    result.append(step)
                    source = step
                case _:
                    result.append(step)
                    source = None
        return tuple(result)

    def _linked(self, step: Affine, source: Mask, target: Mask) -> Affine:
        name = f"{source.site}>{target.site}"
        self._names.append(name)
        count = self._names.count(name)
        return self._change(Link(name if count == 1 else f"{name}:{count}", step, source, target))


def _next_site(following: tuple[Step, ...], end: Mask | None) -> Mask | None:
    """The site whose nodes are the rows of a map that these steps follow."""
    step = next((step for step in following if not isinstance(step, Activation | AbsTopK)), end)
    return step if isinstance(step, Mask) else None
