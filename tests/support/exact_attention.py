"""What attention over counts of tokens gives, in 200 bits: held against the bounds of the proofs."""

from __future__ import annotations

import flint

from tasks.networks.circuit import Circuit
from tasks.proofs.count_bounds import Tally


def attending(circuit: Circuit) -> int:
    """The one layer whose attention writes to a node that is kept."""
    layers = range(circuit.network.config.n_layer)
    (layer,) = (n for n in layers if circuit.kept[f"{n}.attn.resid_delta"].any())
    return layer


def exact_attention(circuit: Circuit, tally: Tally, counts: list[int], last: int) -> list[flint.arb]:
    """What attention adds to the residual stream, from the centers of queries, keys and values, in 200 bits."""
    layer, config = attending(circuit), circuit.network.config
    q, k, v = (part.center.reshape(len(part.center), -1) for part in tally._heads)
    at = f"transformer.h.{layer}.attn."
    times = [*counts, *[1] * len(circuit.prefix)]
    mixed = []
    for head in range(config.n_head):
        entries = range(head * config.d_head, (head + 1) * config.d_head)
        raised = [
            n
            * (sum(flint.arb(q[last, i]) * flint.arb(key[i]) for i in entries) / flint.arb(config.d_head).sqrt()).exp()
            for n, key in zip(times, k, strict=True)
        ]
        total = sum(raised, flint.arb(0))
        if config.sink:
            total += flint.arb(float(circuit.network.tensors[f"{at}attn_imp.sink_logit"][head])).exp()
        mixed += [sum(r * flint.arb(value[i]) for r, value in zip(raised, v, strict=True)) / total for i in entries]
    weight, bias = (circuit.network.tensors[f"{at}c_proj.{part}"] for part in ("weight", "bias"))
    return [
        sum((flint.arb(float(w)) * y for w, y in zip(row, mixed, strict=True)), flint.arb(float(b)))
        for row, b in zip(weight, bias, strict=True)
    ]
