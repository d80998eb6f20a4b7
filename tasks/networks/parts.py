"""The parts of a network that can be taken away, and the network without one of them.

    node        an entry of a site that a circuit keeps           becomes its mean in the circuit's file
    head        what one head of an attention gives               \\
    unit        one entry behind an activation (a neuron)          } become zero, or their mean over some prompts
    dimension   one entry of the embedded tokens                  /
    edge        a weight that is not zero, from a part to a part  becomes zero

A network with masks is a circuit: its parts are nodes, and the edges between nodes that are kept, or to a logit that is
read. Any other network has heads, units and dimensions; its weights are edges where they are few. Heads that share keys
or steps of kinds to come need nothing here: whatever holds steps is gone through by its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.networks.interpreter import logits
from tasks.networks.readout import Argmax, Readout, TokenSet
from tasks.networks.transformer import (
    Activation,
    Affine,
    Attention,
    Mask,
    Pool,
    Product,
    Reals,
    Step,
    Transformer,
    width_after,
)

Kind = Literal["node", "head", "unit", "dimension", "edge"]
Path = tuple[int | str, ...]  # of indices into tuples of steps, and fields of steps
MOST_EDGES = 2_000  # of a network that is no circuit
EMBEDDED: Path = (-1,)  # behind the embedding, before the first step


@dataclass(frozen=True)
class Part:
    """``columns`` of the stream behind the step at ``path``; of an edge row and column of its weight."""

    kind: Kind
    name: str
    path: Path
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Site:
    """Where parts are: behind the step at ``path`` the stream has ``width`` entries, in groups of ``size``."""

    kind: Kind
    name: str
    path: Path
    width: int
    size: int = 1

    def parts(self) -> Iterator[Part]:
        """One for each group."""
        for n in range(self.width // self.size):
            yield Part(self.kind, f"{self.name}:{n}", self.path, tuple(range(n * self.size, (n + 1) * self.size)))


def is_circuit(network: Transformer) -> bool:
    """Whether it has nodes of its own."""
    return any(isinstance(step, Mask) for _, step in located(network.steps))


def nodes(network: Transformer) -> tuple[Part, ...]:
    """The kept nodes of a circuit; else heads, units and dimensions."""
    if not is_circuit(network):
        return tuple(part for site in sites(network) for part in site.parts())
    found = []
    for path, step in located(network.steps):
        if isinstance(step, Mask):
            found += [Part("node", f"{step.site}:{n}", path, (int(n),)) for n in np.flatnonzero(step.kept)]
    return tuple(found)


def sites(network: Transformer) -> tuple[Site, ...]:
    """Where a network that is no circuit has parts."""
    width, vocabulary = network.tokens.shape[1], len(network.tokens)
    found, heads, units = [Site("dimension", "embedding", EMBEDDED, width)], 0, 0
    for path, step, after in _widths(network.steps, width, vocabulary):
        if isinstance(step, Attention):
            found.append(Site("head", f"attention {heads}", path, after, after // step.heads))
            heads += 1
        elif isinstance(step, Activation):
            found.append(Site("unit", f"activation {units}", path, after))
            units += 1
    return tuple(found)


def edges(network: Transformer, readout: Readout) -> tuple[Part, ...] | str:
    """The weights that are edges, or why none are looked at."""
    circuit = is_circuit(network)
    found = tuple(_edges(network, readout))
    if not circuit and len(found) > MOST_EDGES:
        return f"{len(found):,} weights are not zero; of a network that is no circuit at most {MOST_EDGES:,} are edges"
    return found


def without(network: Transformer, part: Part, means: Reals | None = None) -> Transformer:
    """``network`` without ``part``: of an edge the weight becomes zero, of a node its entries become ``means``.

    ``means``: (columns,); None for a node's mean in the circuit's file, and for zero elsewhere.
    """
    if part.kind == "edge":
        return replace(network, steps=_at(network.steps, part.path, lambda step: (_unweighted(step, part.columns),)))
    if part.kind == "node":
        return replace(network, steps=_at(network.steps, part.path, lambda step: (_dropped(step, part, means),)))
    site = next(site for site in sites(network) if site.path == part.path)
    kept, values = np.ones(site.width, bool), np.zeros(site.width)
    kept[list(part.columns)] = False
    values[list(part.columns)] = 0.0 if means is None else means
    return with_mask(network, site, Mask(part.name, kept, values))


def with_mask(network: Transformer, site: Site, mask: Mask) -> Transformer:
    """``network`` with a mask behind a site."""
    if site.path == EMBEDDED:
        return replace(network, steps=(mask, *network.steps))
    return replace(network, steps=_at(network.steps, site.path, lambda step: (step, mask)))


def means_of(network: Transformer, prompts: list[NDArray[np.int64]], most: int = 20_000) -> dict[Path, Reals]:
    """The mean of every entry of every site over all rows of ``prompts``, at most ``most`` of each length.

    As the network's own arithmetic holds it. Of more prompts some are taken, evenly.
    """
    places = sites(network)
    watched = network
    for site in reversed(places):  # those behind stay where they are
        mask = Mask("/".join(map(str, site.path)), np.ones(site.width, bool), np.zeros(site.width))
        watched = with_mask(watched, site, mask)
    sums: dict[str, Any] = {}
    counts: dict[str, int] = {}

    def note(name: str, values: Reals) -> None:
        flat = values.reshape(-1, values.shape[-1])
        sums[name] = sums.get(name, 0.0) + flat.sum(axis=0)
        counts[name] = counts.get(name, 0) + len(flat)

    for ids in prompts:
        if len(ids):
            logits(watched, ids[:: max(1, len(ids) // most)], note)
    dtype = np.float32 if network.dtype == "float32" else np.float64
    names = {"/".join(map(str, site.path)): site.path for site in places}
    return {names[name]: (total / counts[name]).astype(dtype).astype(np.float64) for name, total in sums.items()}


# --- steps by their paths -------------------------------------------------------------------------------------------


def located(steps: tuple[Step, ...], path: Path = ()) -> Iterator[tuple[Path, Step]]:
    """Every step with its path, those inside others included, in the order of execution."""
    for n, step in enumerate(steps):
        yield (*path, n), step
        for name, inner in inner_steps(step):
            yield from located(inner, (*path, n, name))


def inner_steps(step: Step) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The fields of a step that hold steps."""
    for field in fields(step):
        value = getattr(step, field.name)
        if isinstance(value, tuple) and value and all(hasattr(part, "__dataclass_fields__") for part in value):
            yield field.name, value


def _at(steps: tuple[Step, ...], path: Path, change: Callable[[Step], tuple[Step, ...]]) -> tuple[Step, ...]:
    """``steps`` with others in the place of the one at ``path``."""
    n, *rest = path
    assert isinstance(n, int)
    if not rest:
        return (*steps[:n], *change(steps[n]), *steps[n + 1 :])
    name, *inner = rest
    changed: Any = {str(name): _at(getattr(steps[n], str(name)), tuple(inner), change)}
    return (*steps[:n], replace(steps[n], **changed), *steps[n + 1 :])


def _widths(steps: tuple[Step, ...], width: int, vocabulary: int, path: Path = ()) -> Iterator[tuple[Path, Step, int]]:
    """Every step with its path and the width of the stream behind it."""
    for n, step in enumerate(steps):
        for name, inner in inner_steps(step):
            yield from _widths(inner, width, vocabulary, (*path, n, name))
        width = width_after((step,), width, vocabulary)
        yield (*path, n), step, width


def _dropped(step: Step, part: Part, means: Reals | None) -> Mask:
    assert isinstance(step, Mask)
    kept, values = step.kept.copy(), step.means.copy()
    kept[list(part.columns)] = False
    if means is not None:
        values[list(part.columns)] = means
    return replace(step, kept=kept, means=values)


def _unweighted(step: Step, place: tuple[int, ...]) -> Affine:
    assert isinstance(step, Affine)
    weight = step.weight.copy()
    weight[place] = 0.0
    return replace(step, weight=weight)


# --- edges ----------------------------------------------------------------------------------------------------------

Names = tuple[str | None, ...]  # of the entries of the stream; None of one that is no node


def _edges(network: Transformer, readout: Readout) -> Iterator[Part]:
    stream: Names = tuple(f"embedding:{n}" for n in range(network.tokens.shape[1]))
    count = [0]
    at_end = [None] * network.outputs
    names = readout.names if isinstance(readout, Argmax | TokenSet) else ("number",)
    for column, name in zip(readout.columns, names, strict=True):
        at_end[column] = f"logit {name!r}"  # type: ignore[call-overload]
    if is_circuit(network):
        stream = (None,) * len(stream)  # the residual stream has no nodes
    yield from _walked(network.steps, stream, (), tuple(at_end), count)[0]


def _walked(
    steps: tuple[Step, ...], names: Names, path: Path, end: Names | None, count: list[int]
) -> tuple[list[Part], Names]:
    """The edges of ``steps`` on a stream of these nodes, and the nodes behind; ``end``: what the last map gives."""
    found: list[Part] = []
    last = max((n for n, step in enumerate(steps) if isinstance(step, Affine)), default=-1)
    for n, step in enumerate(steps):
        match step:
            case Affine(weight):
                rows = _given(steps[n + 1 :], len(weight)) or (end if n == last and end is not None else None)
                rows = rows or tuple(f"map {count[0]}:{row}" for row in range(len(weight)))
                count[0] += 1
                for row, column in np.argwhere(weight):
                    if rows[row] is not None and names[column] is not None:
                        name = f"{names[column]} -> {rows[row]}"
                        found.append(Part("edge", name, (*path, n), (int(row), int(column))))
                names = rows
            case Mask(site, kept):
                names = tuple(f"{site}:{n}" if flag else None for n, flag in enumerate(kept))
            case Pool("concat", rows):
                names = tuple(name and f"{name} of row {row}" for row in range(rows) for name in names)
            case _:
                behind = names
                for field, inner in inner_steps(step):
                    more, after = _walked(inner, names, (*path, n, field), None, count)
                    found += more
                    if isinstance(step, Attention) and field == "value":
                        behind = after
                    elif isinstance(step, Product) and field == "left":
                        behind = tuple(f"product {count[0]}:{row}" for row in range(len(after)))
                names = behind
    return found, names


def _given(steps: tuple[Step, ...], width: int) -> Names | None:
    """The nodes that a map writes, if the site behind it is masked."""
    for step in steps:
        match step:
            case Mask(site, kept) if len(kept) == width:
                return tuple(f"{site}:{n}" if flag else None for n, flag in enumerate(kept))
            case Affine() | Attention():
                return None
            case _ if any(inner_steps(step)):
                return None
    return None
