"""Maps of one row as one: the gates of a cell read the same numbers, so their weights make one matrix.

    Concat(forget, entry, ...)   ->   Concat(row, one Affine), then the same with Columns in the place of each map

The result is the same, and so are its bounds, row of the matrix by row; a product of large matrices costs less than
several of small ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tasks.networks.transformer import Affine, Blend, Columns, Concat, Product, Step

Steps = tuple[Step, ...]


def maps_together(step: Step) -> Steps:
    """``step``, a row by itself, with those of its maps that read the same columns of the row computed together."""
    alike: dict[bytes, list[Affine]] = {}
    if not isinstance(step, Affine):
        for layer in _first(step):
            alike.setdefault(layer.weight.any(axis=0).tobytes(), []).append(layer)
    groups = [group for group in alike.values() if len(group) > 1]
    if not groups:
        return (step,)
    width = groups[0][0].weight.shape[1]
    places: dict[int, Columns] = {}
    stacked, at = [], width
    for group in groups:
        bias = [np.zeros(len(layer.weight)) if layer.bias is None else layer.bias for layer in group]
        stacked.append(Affine(np.concatenate([layer.weight for layer in group]), np.concatenate(bias)))
        for layer in group:
            places[id(layer)] = Columns(at, at + len(layer.weight))
            at += len(layer.weight)
    wider = Concat(((Columns(0, width),), *((layer,) for layer in stacked)))
    return wider, *_replaced(step, places, width)


def _first(step: Step) -> Iterator[Affine]:
    """The maps that read the row itself that comes to ``step``."""
    if isinstance(step, Affine):
        yield step
    for chain in _chains(step):
        if chain:
            yield from _first(chain[0])


def _chains(step: Step) -> tuple[Steps, ...]:
    match step:
        case Concat(parts):
            return parts
        case Product(left, right):
            return left, right
        case Blend(gate, one, other):
            return gate, one, other
    return ()


def _replaced(step: Step, places: dict[int, Columns], width: int) -> Steps:
    """``step`` on a row that is wider: what is not computed yet reads the row as it was."""

    def chain(steps: Steps) -> Steps:
        return (*_replaced(steps[0], places, width), *steps[1:]) if steps else (Columns(0, width),)

    match step:
        case Concat(parts):
            return (Concat(tuple(chain(part) for part in parts)),)
        case Product(left, right):
            return (Product(chain(left), chain(right)),)
        case Blend(gate, one, other):
            return (Blend(chain(gate), chain(one), chain(other)),)
        case Columns():
            return (step,)
    return (places[id(step)],) if id(step) in places else (Columns(0, width), step)
