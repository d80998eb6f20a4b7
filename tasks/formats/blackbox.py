"""Any callable or torch module as a black box: it can be enumerated, and nothing above that rung can be claimed.

A ten-line example (any ``torch.nn.Module`` in place of the function does as well)::

    import numpy as np
    from tasks.formats import Question, from_callable

    def network(ids):                                    # (prompts, T) token ids to (prompts, outputs) logits
        depth = np.where(ids == 1, 1.0, -1.0).sum(axis=1)
        return np.stack([1.0 - depth, depth - 1.0], axis=1)

    loaded = from_callable(network, vocabulary=("<s>", "(", ")"), outputs=("shallow", "deep"), longest=8,
                           question=Question(prefix=("<s>",), lengths=(1, 6)))
    labels, margins = loaded.labels(loaded.domain.sequences(6))
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.formats.loaded import BlackBox, Loaded, Question, assemble
from tasks.network import NetworkError
from tasks.transformer import Reals

NOTE = (
    "a black box: its answers were enumerated as this machine computed them; no rounding error is bounded, "
    "and nothing is known about sequences that were not run"
)


def from_callable(
    network: Callable[[Any], Any],
    *,
    vocabulary: tuple[str, ...],
    longest: int,
    outputs: tuple[str, ...] | None = None,
    question: Question | None = None,
    name: str = "black_box",
) -> Loaded:
    """``network`` maps ids (prompts, T) to logits (prompts, outputs), or to (prompts, T, outputs), read at the last T.

    A torch module must be in evaluation mode; it is called without gradients, on the device it lives on.
    """
    names = vocabulary if outputs is None else outputs
    torch = sys.modules.get("torch")  # whoever has a module has imported torch
    if torch is not None and isinstance(network, torch.nn.Module):
        if any(part.training for part in network.modules()):
            raise NetworkError(f"{name}: the module is in training mode; call its eval() first")
        network = _without_gradients(torch, network)

    def answer(ids: NDArray[np.int64]) -> Reals:
        logits = np.asarray(network(ids), np.float64)
        return logits[:, -1] if logits.ndim == 3 else logits

    box = BlackBox(answer, len(vocabulary), len(names), longest)
    return assemble(name, "black box", box, vocabulary, question or Question(), outputs=names, notes=(NOTE,))


def _without_gradients(torch: Any, module: Any) -> Callable[[NDArray[np.int64]], Any]:
    """``module`` as a function of arrays; answers with a field ``logits`` (Hugging Face) are unwrapped."""
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))

    def run(ids: NDArray[np.int64]) -> Any:
        with torch.no_grad():
            result = module(torch.from_numpy(np.ascontiguousarray(ids)).to(device))
        return getattr(result, "logits", result).double().cpu().numpy()

    return run
