"""A network without what nobody reads, for where all sequences are listed: the same bounds of the same executions.

An entry is read where a weight that is not zero takes it, where a norm does, and where a step does of which that is not
known. What a mask replaces is not read. In an execution whose numbers are all finite the other entries change nothing:
zero times a finite number is zero, and a sum rounds no differently with zeros among its terms. So steps make those
entries alone that are read, and heads none of whose values are read are left out.

Whether all numbers are finite, and below LIMIT, is asked once, of the sizes of the weights (``is_tame``). Where that is
not known the network stays as it is, and every number is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flint import arb

from tasks.checker.arithmetic import Affine, Arithmetic, Row
from tasks.checker.network import Activated, Branch, Constant, Heads, Masked, Network, Normed, Step, is_tame

Steps = tuple[Step, ...]
Columns = list[int] | None  # entries of a row, in this order; None for all of them


@dataclass(frozen=True)
class Picked:
    """Some entries of each row, in this order, and numbers in place of some."""

    picks: tuple[int | arb, ...]

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The picks of each row."""
        return [[row[n] if type(n) is int else n for n in self.picks] for row in rows]


def narrowed(network: Network, a: Arithmetic) -> tuple[Network, Arithmetic]:
    """The network without entries that are not read, and arithmetic that looks at no number; both, or neither."""
    if not (a.is_real or is_tame(network, a, is_small=True)):
        return network, a
    branches, final = tuple(map(_branch, network.branches)), _only(network.final, None)
    return replace(network, branches=branches, final=final), Arithmetic(float(a.u), is_small=True)


def _branch(branch: Branch) -> Branch:
    if branch.heads is None:
        return replace(branch, before=_only((*branch.before, *branch.after), None), after=())
    heads, wanted, after = _live(branch.heads, branch.after)
    needs = [_needs(steps, columns) for steps, columns in zip(heads.steps, wanted, strict=True)]
    if any(columns is None for _, columns in needs):
        steps = tuple(_only(steps, columns) for steps, columns in zip(heads.steps, wanted, strict=True))
        return replace(branch, before=_only(branch.before, None), heads=replace(heads, steps=steps), after=after)
    read = sorted({n for _, columns in needs for n in columns or ()})
    steps = tuple((Picked(tuple(map(read.index, columns or ()))), *inner) for inner, columns in needs)
    return replace(branch, before=_only(branch.before, read), heads=replace(heads, steps=steps), after=after)


def _live(heads: Heads, after: Steps) -> tuple[Heads, list[Columns], Steps]:
    """The heads of which values are read; which queries, keys and values they take; and the steps ``after`` them."""
    (steps, values), width = _needs(after, None), _width(heads.steps[0])
    if values is None or width is None or not isinstance(after[0], Affine):
        return heads, [None, None, None], _only(after, None)
    part, size = width // heads.count, len(after[0].weight[0]) // heads.count
    live = sorted({n // size for n in values})
    asked = [n for head in live for n in range(head * part, (head + 1) * part)]
    widths = tuple(sum(n // size == head for n in values) for head in live)
    sinks = [heads.sinks[head] for head in live]
    return replace(heads, count=len(live), sinks=sinks, widths=widths), [asked, asked, values], steps


def _width(steps: Steps) -> int | None:
    """How many entries the rows after these steps have, where that is known."""
    match steps[-1] if steps else None:
        case Affine(bias=row) | Masked(means=row) | Constant(row):
            return len(row)
    return None


def _only(steps: Steps, wanted: Columns) -> Steps:
    """``steps`` to the ``wanted`` entries alone, from whole rows."""
    steps, needed = _needs(steps, wanted)
    return steps if needed is None else (Picked(tuple(needed)), *steps)


def _needs(steps: Sequence[Step], wanted: Columns) -> tuple[Steps, Columns]:
    """``steps`` to the ``wanted`` entries alone, and the entries that they take, in that order."""
    found: list[Step] = []
    for step in reversed(steps):
        match step:
            case Affine(weight, bias):
                rows = [*range(len(bias))] if wanted is None else wanted
                wanted = [n for n in range(len(weight[0])) if any(weight[row][n] != 0 for row in rows)] or [0]
                found.append(Affine([[weight[row][n] for n in wanted] for row in rows], [bias[row] for row in rows]))
            case Masked(kept, means):
                rows = [*range(len(means))] if wanted is None else wanted
                wanted = [row for row in rows if kept[row]] or [0]
                place = {row: n for n, row in enumerate(wanted) if kept[row]}
                found.append(Picked(tuple(place.get(row, means[row]) for row in rows)))
            case Normed(gain, bias) if wanted is not None:
                found.append(replace(step, gain=[gain[n] for n in wanted], bias=[bias[n] for n in wanted]))
                wanted = [*wanted, *(n for n in range(len(gain)) if n not in wanted)]
            case Constant(row) if wanted is not None:
                found.append(Constant([row[n] for n in wanted]))
                wanted = [0]
            case Activated():
                found.append(step)
            case _:
                found += [] if wanted is None else [Picked(tuple(wanted))]
                found.append(step)
                wanted = None
    return tuple(reversed(found)), wanted
