"""Recurrent cells as steps: layers of affine recurrences, GRUs and LSTMs, in the equations of torch and of DyNet.

Every layer here maps a row ``[h of all layers, x]`` to the same row with its own part of the state replaced, so layers
follow one another; a last ``Columns`` drops ``x``. With ``in`` what the layer reads (``x``, or the new h below it) and
``gate(p) = Wx in + Wh h + b`` as one affine map on the row:

    elman   h' = act(gate)                                                  torch.nn.RNN, act tanh or relu; or affine
    gru     h' = z h + (1 - z) n,  n = tanh(Wx in + bx + r (Wh h + bh))     torch.nn.GRU
    gru     h' = z h + (1 - z) tanh(gate(n))                                no reset gate: ``reset`` is None
    lstm    c' = f c + i g;  h' = o tanh(c')                                torch.nn.LSTM, and DyNet's of Weiss et al.

Two biases of one gate need not have a float32 sum: ``Layout.ones`` is a column of the input that is always 1, and the
second bias is its weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.networks.transformer import Activation, Affine, Blend, Columns, Concat, Product, Reals, Step

Row = tuple[int, int]  # columns from .. to below ..


@dataclass(frozen=True)
class Layout:
    """Where things stand in a row: ``whole`` columns, the layer's input ``into``, its ``h`` and, for an LSTM, ``c``.

    ``ones``: a column that is always 1, or None.
    """

    whole: int
    into: Row
    h: Row
    c: Row | None = None
    ones: int | None = None


@dataclass(frozen=True, eq=False)
class Gate:
    """``of_input`` (size, inputs), ``of_state`` (size, size), ``bias`` (size,) and a ``second`` one, or None."""

    of_input: Reals
    of_state: Reals
    bias: Reals | None = None
    second: Reals | None = None

    def on(self, row: Layout) -> Affine:
        """The gate as a map of the whole row."""
        return self._placed(row, True, True)

    def halves(self, row: Layout) -> tuple[Affine, Affine]:
        """What the input gives with ``bias``, and what the state gives with ``second``."""
        bare = Gate(self.of_input, self.of_state, self.second)
        return self._placed(row, True, False), bare._placed(row, False, True)

    def _placed(self, row: Layout, has_input: bool, has_state: bool) -> Affine:
        weight = np.zeros((len(self.of_state), row.whole))
        if has_input:
            weight[:, slice(*row.into)] = self.of_input
        if has_state:
            weight[:, slice(*row.h)] = self.of_state
        if self.second is not None and has_input and has_state:
            assert row.ones is not None
            weight[:, row.ones] = self.second
        return Affine(weight, None if self.bias is None else self.bias.copy())


Layer = Callable[[Layout], tuple[Step, ...]]


def elman(gate: Gate, activation: Literal["tanh", "relu", "sigmoid"] | None, row: Layout) -> tuple[Step, ...]:
    """``h' = activation(gate)``."""
    new: tuple[Step, ...] = (gate.on(row),)
    return _replaced(row, row.h, (*new, Activation(activation)) if activation else new)


def gru(update: Gate, candidate: Gate, reset: Gate | None, row: Layout) -> tuple[Step, ...]:
    """``h' = z h + (1 - z) n``; with a ``reset`` gate it multiplies what the state gives to the candidate."""
    size = len(candidate.of_state)
    if reset is None:
        fresh: tuple[Step, ...] = (candidate.on(row),)
    else:
        of_input, of_state = candidate.halves(row)
        gated = Product((reset.on(row), Activation("sigmoid")), (of_state,))
        fresh = (Concat(((of_input,), (gated,))), added(size))
    return _replaced(row, row.h, (Blend((update.on(row),), (Columns(*row.h),), (*fresh, Activation("tanh"))),))


def lstm(entry: Gate, forget: Gate, cell: Gate, out: Gate, row: Layout) -> tuple[Step, ...]:
    """``c' = f c + i g`` and ``h' = o tanh(c')``; h and c stand side by side in the row."""
    assert row.c is not None
    assert row.c[0] == row.h[1]
    size, sigmoid = len(cell.of_state), Activation("sigmoid")
    shares = (Concat(((forget.on(row),), (entry.on(row),))), sigmoid)
    parts = (Concat(((Columns(*row.c),), (cell.on(row), Activation("tanh")))),)
    first = Concat(((out.on(row), sigmoid), (Product(shares, parts), added(size))))
    o, c = Columns(0, size), Columns(size, 2 * size)
    second = Concat(((Product((o,), (c, Activation("tanh"))),), (c,)))
    return _replaced(row, (row.h[0], row.c[1]), (first, second))


def stacked(
    layers: tuple[Layer, ...], size: int, inputs: int, *, is_lstm: bool = False, has_ones: bool = False
) -> tuple[Step, ...]:
    """The transition of ``layers`` of ``size`` units each: rows of state and ``inputs`` numbers to states."""
    each = 2 * size if is_lstm else size
    state = each * len(layers)
    steps: list[Step] = []
    for n, layer in enumerate(layers):
        at = n * each
        row = Layout(
            whole=state + inputs,
            into=(state, state + inputs - has_ones) if n == 0 else (at - each, at - each + size),
            h=(at, at + size),
            c=(at + size, at + 2 * size) if is_lstm else None,
            ones=state + inputs - 1 if has_ones else None,
        )
        steps += layer(row)
    return (*steps, Columns(0, state))


def added(size: int) -> Affine:
    """The sum of two halves of ``size`` numbers."""
    return Affine(np.hstack([np.eye(size), np.eye(size)]))


def _replaced(row: Layout, part: Row, new: tuple[Step, ...]) -> tuple[Step, ...]:
    """The row with ``part`` of it replaced by what ``new`` makes of all of it."""
    before = ((Columns(0, part[0]),),) if part[0] else ()
    after = ((Columns(part[1], row.whole),),) if part[1] < row.whole else ()
    return (Concat((*before, new, *after)),)
