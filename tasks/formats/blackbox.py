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

from cegis.blackbox import REPEATS, BlackBoxError, error_line, name_of
from tasks.networks.model import BlackBox, Loaded, Question, assemble
from tasks.networks.readout import Labels
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Reals

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
    name: str | None = None,
) -> Loaded:
    """``network`` maps ids (prompts, T) to logits (prompts, outputs), or to (prompts, T, outputs), read at the last T.

    A torch module must be in evaluation mode; it is called without gradients, on the device it lives on. A function
    may write into the ids it gets: they are a copy. One that raises is a BlackBoxError that names the prompt. Without a
    ``name`` it has the function's own, where that can be a program's.
    """
    called, names = name_of(network), vocabulary if outputs is None else outputs
    name = name or (called if called.isidentifier() else "black_box")
    torch = sys.modules.get("torch")  # whoever has a module has imported torch
    if torch is not None and isinstance(network, torch.nn.Module):
        if any(part.training for part in network.modules()):
            raise NetworkError(f"{name}: the module is in training mode; call its eval() first")
        network = _without_gradients(torch, network)

    def run(ids: NDArray[np.int64]) -> Reals:
        logits = np.asarray(network(ids.copy()), np.float64)
        return logits[:, -1] if logits.ndim == 3 else logits

    def answer(ids: NDArray[np.int64]) -> Reals:
        try:
            return run(ids)
        except Exception as error:
            raise _at_fault(called, vocabulary, run, ids, error) from error

    box = BlackBox(answer, len(vocabulary), len(names), longest)
    return assemble(name, "black box", box, vocabulary, question or Question(), outputs=names, notes=(NOTE,))


def labels_asked_again(loaded: Loaded, sequences: NDArray[np.integer]) -> tuple[Labels, Reals]:
    """Labels and margins of a black box, as ``Loaded.labels`` gives them, asked ``REPEATS`` more times.

    Each time the prompts stand in another order. Raises BlackBoxError where one input gets two labels.
    """
    labels, margins = loaded.labels(sequences)
    random = np.random.default_rng(0)
    for _ in range(REPEATS):
        order = random.permutation(len(sequences))
        again = np.empty_like(labels)
        again[order] = loaded.labels(sequences[order])[0]
        apart = np.flatnonzero(again != labels)
        if len(apart):
            row = apart[0]
            one, other = (loaded.readout.text(int(found[row])) for found in (labels, again))
            raise BlackBoxError(
                f"{loaded.name} gives two answers for the same input: {one!r} and {other!r} at "
                f"{' '.join(loaded.domain.words(sequences[row]))!r}; nothing can be claimed of a function that changes "
                "its mind"
            )
    return labels, margins


def _at_fault(
    name: str,
    vocabulary: tuple[str, ...],
    run: Callable[[NDArray[np.int64]], Reals],
    ids: NDArray[np.int64],
    error: Exception,
) -> BlackBoxError:
    """The error that names the first prompt at which the function raises alone; else it is the batch that it minds."""
    for prompt in ids:
        try:
            run(prompt[None])
        except Exception:
            text = repr(" ".join(vocabulary[int(token)] for token in prompt))
            return BlackBoxError(f"{name} raises {type(error).__name__} at the prompt {text}: {error_line(error)}")
    return BlackBoxError(f"{name} raises {type(error).__name__} for {len(ids)} prompts at once: {error_line(error)}")


def _without_gradients(torch: Any, module: Any) -> Callable[[NDArray[np.int64]], Any]:
    """``module`` as a function of arrays; answers with a field ``logits`` (Hugging Face) are unwrapped."""
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))

    def run(ids: NDArray[np.int64]) -> Any:
        with torch.no_grad():
            result = module(torch.from_numpy(np.ascontiguousarray(ids)).to(device))
        return getattr(result, "logits", result).double().cpu().numpy()

    return run
