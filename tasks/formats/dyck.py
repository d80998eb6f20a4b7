"""The pooled Dyck transformers of ``verified-circuits``: ``config.json`` (with ``pool``) and ``model.safetensors``.

    z = tok[x] + pos;   per block: z += Attention(z) Wo^T;   z += relu(z W1^T + b1) W2^T + b2
    logits = relu(pooled W_h1^T + b_h1) W_h2^T + b_h2,   pooled = sum (or mean, or last) of z over the positions

No norms, no attention biases. A sequence has exactly n tokens; token 0 opens, 1 closes; output 1 means valid.
"""

from __future__ import annotations

import math
from pathlib import Path

from tasks.formats.reading import affine, count, flags, pick, read_object, read_tensors, widen
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Attention, Pool, Residual, Step, Transformer

FILES = ("config.json", "model.safetensors")
SIZES = ("n", "d", "heads", "ff", "layers")
TOKENS, OUTPUTS = ("(", ")"), ("not valid", "valid")


def load(folder: Path, question: Question) -> Loaded:
    """The network in ``folder``; raises NetworkError for anything that is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{folder}: a Dyck folder holds one whole network, no circuits or tasks to choose")
    what = str(folder / FILES[0])
    known = dict.fromkeys((*SIZES, "causal", "pool"), ...)
    config = pick(what, read_object(folder / FILES[0]), known, frozenset({"note"}))
    n, d, heads, inner, layers = (count(what, config, name) for name in SIZES)
    if d % heads:
        raise NetworkError(f"{what}: d = {d} cannot be split into {heads} equal heads")
    flags(what, config, "causal")
    pool = Pool(config["pool"])
    tensors = read_tensors(folder / FILES[1])
    count(what, config, "layers", most=len(tensors))
    maps = {"Wq": (d, d), "Wk": (d, d), "Wv": (d, d), "Wo": (d, d)}
    shapes: dict[str, tuple[int, ...]] = {"pos": (n, d), "tok.weight": (len(TOKENS), d)}
    for at in (f"blocks.{layer}." for layer in range(layers)):
        shapes |= {f"{at}{name}.weight": shape for name, shape in maps.items()}
        shapes |= {f"{at}mlp1.weight": (inner, d), f"{at}mlp1.bias": (inner,)}
        shapes |= {f"{at}mlp2.weight": (d, inner), f"{at}mlp2.bias": (d,)}
    shapes |= {"h1.weight": (d, d), "h1.bias": (d,), "h2.weight": (len(OUTPUTS), d), "h2.bias": (len(OUTPUTS),)}
    weights, dtype = widen(str(folder / FILES[1]), shapes, tensors)
    scale = 1 / math.sqrt(d // heads)
    steps: list[Step] = []
    for at in (f"blocks.{layer}." for layer in range(layers)):
        query, key, value = ((affine(weights, f"{at}W{part}.weight"),) for part in "qkv")
        attention = Attention(query, key, value, heads, scale, causal=config["causal"])
        up, down = (affine(weights, f"{at}mlp{m}.weight", f"{at}mlp{m}.bias") for m in (1, 2))
        steps.append(Residual((attention, affine(weights, f"{at}Wo.weight"))))
        steps.append(Residual((up, Activation("relu"), down)))
    first, second = (affine(weights, f"h{m}.weight", f"h{m}.bias") for m in (1, 2))
    steps += [pool, first, Activation("relu"), second]
    network = Transformer(weights["tok.weight"], weights["pos"], tuple(steps), n, dtype)
    own = Question(alphabet=TOKENS, prefix=(), suffix=(), lengths=(n, n), readout="argmax")
    return assemble(folder.name, "dyck", network, TOKENS, question, own=own, outputs=OUTPUTS)
