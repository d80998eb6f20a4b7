"""A network as JSON values that a page can execute (``templates/page.js``), and the same in numpy beside it.

Every step of ``tasks.networks.transformer`` is one object; arrays are little-endian bytes in base64, those that are
mostly zero as places and values. Left out is what no prompt of the domain can use: other tokens, later positions,
logits that are not read. What the page computes is float64 without any bound on rounding: it shows, and proves nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.networks.interpreter import run, visible, weights
from tasks.networks.model import Loaded
from tasks.networks.quoting import shown
from tasks.networks.readout import Argmax, Readout, Rounded, TokenSet, label_name
from tasks.networks.sparse_transformer import NetworkError
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
)

MOST_BYTES = 1_500_000  # of all arrays, in base64
MOST_EXAMPLES, FEW = 40, 100_000  # sequences that are shown, and of a length that are listed
LONGEST = 48  # tokens of a prompt that the page takes
SPARSE = 0.4  # of the entries are not zero: below, places and values are written


class TooLargeError(ValueError):
    """A network that a page cannot hold, or that has a step which the page does not know."""


def executable(model: Loaded) -> dict[str, Any] | str:
    """The network as the page's script reads it, or why it is not there."""
    network = model.network
    if not isinstance(network, Transformer):
        if model.is_black_box:
            return "it is a black box: nothing but its outputs is known"
        return "it is recurrent, and this page executes transformers alone"
    try:
        model, network = narrowed(model, network)
    except NetworkError as error:
        return str(error)
    size = sum(map(_bytes, network.arrays()))
    if size > MOST_BYTES:
        return f"its weights would take {size / 1e6:.1f} MB"
    names = [word(token) for token in model.vocabulary]
    try:
        steps = [_step(step) for step in network.steps]
    except TooLargeError as error:
        return str(error)
    index = {token: n for n, token in enumerate(model.vocabulary)}
    return {
        "vocabulary": names,
        "alphabet": [index[token] for token in model.domain.alphabet],
        "prefix": [index[token] for token in model.prefix],
        "suffix": [index[token] for token in model.suffix],
        "lengths": [model.domain.min_length, model.domain.max_length],
        "constraint": None
        if model.domain.constraint is None
        else {
            "transitions": model.domain.constraint.transitions,
            "accepting": model.domain.constraint.accepting,
        },
        "tokens": _array(network.tokens),
        "positions": None if network.positions is None else _array(network.positions),
        "steps": steps,
        "readout": _readout(model.readout),
    }


def word(token: str) -> str:
    """A token as one word that can be typed between spaces."""
    return "".join("␣" if letter.isspace() else letter for letter in shown(token, 30)) or "∅"


def narrowed(model: Loaded, network: Transformer) -> tuple[Loaded, Transformer]:
    """The same network for the prompts of its domain, up to ``LONGEST`` tokens, and the logits that are read."""
    used = list(dict.fromkeys([*model.domain.alphabet, *model.prefix, *model.suffix]))
    ids = [model.vocabulary.index(token) for token in used]
    columns = list(model.readout.columns)
    *rest, last = network.steps if network.steps else (None,)
    steps, readout = network.steps, model.readout
    if isinstance(last, Affine):
        steps, readout = (*rest, _read(last, columns)), _from_zero(readout)
    elif isinstance(last, Lookup) and rest and isinstance(rest[-1], Affine):
        table = Lookup(last.table[:, columns].copy())
        steps, readout = (*rest[:-1], _read(rest[-1], columns), table), _from_zero(readout)
    hidden = {old: new for new, old in enumerate(ids)}
    longest = max(network.shortest, min(network.longest, LONGEST))
    small = Transformer(
        network.tokens[ids],
        None if network.positions is None else network.positions[:longest].copy(),
        tuple(_renamed(step, ids, hidden) for step in steps),
        longest,
        "float64",
    )
    around = len(model.prefix) + len(model.suffix)
    most = longest - around if model.domain.max_length is None else min(longest - around, model.domain.max_length)
    domain = replace(model.domain, min_length=min(model.domain.min_length, most), max_length=most)
    return replace(model, vocabulary=tuple(used), network=small, domain=domain, readout=readout), small


def examples(model: Loaded) -> list[dict[str, Any]]:
    """What the page shows of a few short sequences where it cannot execute the network itself."""
    found: list[dict[str, Any]] = []
    for length in model.domain.lengths:
        if not 0 < model.domain.count(length) < FEW:
            continue
        some = model.domain.sequences(length)[: MOST_EXAMPLES - len(found)]
        logits, patterns = attention(model, some)
        labels, margins = model.labels(some)
        prompts = model.prompts(some)
        for row, prompt in enumerate(prompts):
            is_every = model.readout.position == "every"
            label, margin = (labels[row][-1], margins[row].min()) if is_every else (labels[row], margins[row])
            found.append(
                {
                    "tokens": [word(model.vocabulary[token]) for token in prompt],
                    "label": label_name(model.readout, int(label)),
                    "margin": round(float(margin), 4),
                    "logits": [round(float(x), 4) for x in logits[row, -1, list(model.readout.columns)]],
                    "read": _read_row(model, len(prompt)),
                    "patterns": [np.round(pattern[row], 3).tolist() for pattern in patterns],
                }
            )
        if len(found) >= MOST_EXAMPLES:
            break
    return found


def _read_row(model: Loaded, rows: int) -> int | None:
    """The one row that a label is read from; None where rows are mixed, or each has a label of its own."""
    steps = model.network.steps if isinstance(model.network, Transformer) else ()
    kind = next((step.kind for step in steps if isinstance(step, Pool)), "last")
    if model.readout.position == "every":
        return None
    return {"last": rows - 1, "first": 0}.get(kind)


def attention(model: Loaded, sequences: NDArray[np.integer]) -> tuple[Reals, list[Reals]]:
    """Logits (sequences, rows, outputs), and of every attention its pattern (sequences, heads, rows, rows)."""
    network = model.network
    assert isinstance(network, Transformer)
    ids = model.prompts(sequences)
    x = network.tokens[ids] + (0.0 if network.positions is None else network.positions[: ids.shape[1]])
    patterns: list[Reals] = []
    return _followed(network.steps, x, ids, patterns), patterns


def _followed(steps: tuple[Step, ...], x: Reals, ids: NDArray[np.int64], patterns: list[Reals]) -> Reals:
    for step in steps:
        match step:
            case Residual(inner):
                x = x + _followed(inner, x, ids, patterns)
            case Attention():
                q, k = (_heads(run(part, x, ids), step.heads) for part in (step.query, step.key))
                scores = q @ k.swapaxes(-1, -2) * step.scale
                patterns.append(weights(step, scores, visible(step, ids)[:, None]))
                x = run((step,), x, ids)
            case _:
                x = run((step,), x, ids)
    return x


def _heads(x: Reals, heads: int) -> Reals:
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads).swapaxes(1, 2)


def _read(step: Affine, columns: list[int]) -> Affine:
    return Affine(step.weight[columns].copy(), None if step.bias is None else step.bias[columns].copy())


def _from_zero(readout: Readout) -> Readout:
    """The read-out where no other logits are left."""
    if isinstance(readout, Rounded):
        return replace(readout, column=0)
    return replace(readout, columns=tuple(range(len(readout.columns))))


def _renamed(step: Step, ids: list[int], names: Mapping[int, int]) -> Step:
    """A step with the tokens ``ids`` alone, by their new numbers."""
    match step:
        case Residual(inner):
            return Residual(tuple(_renamed(part, ids, names) for part in inner))
        case Attention():
            query, key, value = (
                tuple(_renamed(part, ids, names) for part in parts) for parts in (step.query, step.key, step.value)
            )
            hidden = tuple(names[token] for token in step.hidden if token in names)
            return replace(step, query=query, key=key, value=value, hidden=hidden)
        case Product(left, right):
            return Product(*(tuple(_renamed(part, ids, names) for part in side) for side in (left, right)))
        case Lookup(table):
            return Lookup(table[ids].copy())
    return step


def _step(step: Step) -> dict[str, Any]:
    """A step as JSON values."""
    match step:
        case Affine(weight, bias):
            return {"kind": "affine", "weight": _array(weight), "bias": _vector(bias)}
        case Norm(kind, gain, bias, eps):
            found = {"kind": "norm", "of": kind, "gain": _vector(gain), "bias": _vector(bias)}
            return found | {"eps": eps, "groups": step.groups}
        case Activation(kind, slope):
            return {"kind": "activation", "of": kind, "slope": slope}
        case AbsTopK(count):
            return {"kind": "abs_top_k", "count": count}
        case Mask(site, kept, means):
            return {"kind": "mask", "site": site, "kept": kept.astype(int).tolist(), "means": _vector(means)}
        case Attention():
            return {
                "kind": "attention",
                **{
                    role: [_step(part) for part in getattr(step, role)] for role in ("query", "key", "value")
                },
                "heads": step.heads,
                "scale": step.scale,
                "weighting": step.weighting,
                "causal": step.causal,
                "sink": None if step.sink is None else step.sink.tolist(),
                "hidden": list(step.hidden),
                "idle": _idle(step),
            }  # fmt: skip
        case Residual(inner):
            return {"kind": "residual", "steps": [_step(part) for part in inner]}
        case Lookup(table):
            return {"kind": "lookup", "table": _array(table)}
        case Pool(kind):
            return {"kind": "pool", "of": kind}
        case Product(left, right):
            return {"kind": "product", "left": [*map(_step, left)], "right": [*map(_step, right)]}
        case _:  # a kind of step that is newer than the page's script
            raise TooLargeError(f"the page does not execute steps of the kind {type(step).__name__}")


def _idle(step: Attention) -> list[int]:
    """Heads of a circuit that keep no value: what they give is the same everywhere."""
    masks = [part for part in step.value if isinstance(part, Mask)]
    if not masks:
        return []
    kept = masks[-1].kept.reshape(step.heads, -1).any(axis=1)
    return [int(head) for head in np.flatnonzero(~kept)]


def _readout(readout: Readout) -> dict[str, Any]:
    found: dict[str, Any] = {"position": readout.position, "columns": list(readout.columns)}
    match readout:
        case Argmax(names):
            return found | {"kind": "argmax", "names": [shown(name, 30) for name in names]}
        case TokenSet(names, _, threshold):
            return found | {"kind": "set", "names": [shown(name, 30) for name in names], "threshold": threshold}
        case Rounded(_, denominator):
            return found | {"kind": "round", "names": ["the number"], "denominator": denominator}


def _vector(array: Reals | None) -> dict[str, Any] | None:
    return None if array is None else _array(array[None, :])


def _array(array: Reals) -> dict[str, Any]:
    """A matrix as its shape and bytes, which lose nothing."""
    kind = "<f4" if _is_single(array) else "<f8"
    found: dict[str, Any] = {"shape": list(array.shape), "type": kind[1:]}
    flat = array.reshape(-1)
    places = np.flatnonzero(flat)
    if len(places) < SPARSE * flat.size:
        return found | {"at": _base64(places.astype("<u4")), "data": _base64(flat[places].astype(kind))}
    return found | {"data": _base64(flat.astype(kind))}


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def _is_single(array: Reals) -> bool:
    """Whether every number is one of float32."""
    with np.errstate(over="ignore"):
        return bool((array.astype(np.float32) == array).all())


def _bytes(array: Reals) -> int:
    """How many an array takes in base64."""
    width, nonzero = (4 if _is_single(array) else 8), int(np.count_nonzero(array))
    dense = array.size * width
    return round(4 / 3 * (nonzero * (width + 4) if nonzero < SPARSE * array.size else dense))
