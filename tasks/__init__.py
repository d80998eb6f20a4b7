"""Networks in, programs with proofs out: the public names beside those of ``cegis``.

    from tasks import distill, from_torch, save_folder

    network = from_torch(module, vocabulary=("(", ")"), longest=8, outputs=("no", "yes"))
    print(distill(network).program.source())          # and its claims
    save_folder(network, "mine")                      # then: distill run mine --out mine.cert

Every name is imported when it is first asked for, so that ``import tasks`` loads nothing; torch is loaded by those
who hand over a module, and by nobody else. ``docs/your-own-network.md`` walks through it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as ``typing`` has it, which takes longer to import than a small problem to solve
if TYPE_CHECKING:
    from typing import Any

    from tasks.certificates.write import Written
    from tasks.certificates.write import certificates as certify
    from tasks.checker.evidence import check
    from tasks.formats.blackbox import from_callable
    from tasks.formats.detect import load
    from tasks.formats.network_folder import save_folder
    from tasks.formats.number_streams import number_streams
    from tasks.formats.onnx_file import from_onnx
    from tasks.formats.sparse import from_circuit
    from tasks.formats.torch_module import from_torch
    from tasks.formats.transformer_lens import from_transformer_lens
    from tasks.networks.model import BlackBox, Loaded, Question
    from tasks.networks.readout import Argmax, Rounded, TokenSet
    from tasks.networks.sparse_transformer import NetworkError
    from tasks.networks.transformer import Transformer
    from tasks.pipeline.distill import distill, verify
    from tasks.pipeline.explain import Explanation, explain
    from tasks.pipeline.numbers import NumberDistillation
    from tasks.pipeline.observers import live, notebook, plain
    from tasks.pipeline.prune import Pruned, prune
    from tasks.pipeline.sequences import Distillation
    from tasks.pipeline.steps import Observer
    from tasks.pipeline.streams import StreamDistillation
    from tasks.reports.page import write_page

LATER = {
    "Argmax": "tasks.networks.readout:Argmax",
    "BlackBox": "tasks.networks.model:BlackBox",
    "Distillation": "tasks.pipeline.sequences:Distillation",
    "Explanation": "tasks.pipeline.explain:Explanation",
    "Loaded": "tasks.networks.model:Loaded",
    "NetworkError": "tasks.networks.sparse_transformer:NetworkError",
    "Observer": "tasks.pipeline.steps:Observer",
    "Pruned": "tasks.pipeline.prune:Pruned",
    "Question": "tasks.networks.model:Question",
    "StreamDistillation": "tasks.pipeline.streams:StreamDistillation",
    "Rounded": "tasks.networks.readout:Rounded",
    "TokenSet": "tasks.networks.readout:TokenSet",
    "Transformer": "tasks.networks.transformer:Transformer",
    "Written": "tasks.certificates.write:Written",
    "certify": "tasks.certificates.write:certificates",
    "check": "tasks.checker.evidence:check",
    "NumberDistillation": "tasks.pipeline.numbers:NumberDistillation",
    "distill": "tasks.pipeline.distill:distill",
    "explain": "tasks.pipeline.explain:explain",
    "from_callable": "tasks.formats.blackbox:from_callable",
    "from_circuit": "tasks.formats.sparse:from_circuit",
    "from_onnx": "tasks.formats.onnx_file:from_onnx",
    "from_torch": "tasks.formats.torch_module:from_torch",
    "from_transformer_lens": "tasks.formats.transformer_lens:from_transformer_lens",
    "live": "tasks.pipeline.observers:live",
    "load": "tasks.formats.detect:load",
    "notebook": "tasks.pipeline.observers:notebook",
    "number_streams": "tasks.formats.number_streams:number_streams",
    "plain": "tasks.pipeline.observers:plain",
    "prune": "tasks.pipeline.prune:prune",
    "save_folder": "tasks.formats.network_folder:save_folder",
    "verify": "tasks.pipeline.distill:verify",
    "write_page": "tasks.reports.page:write_page",
}

__all__ = [
    "Argmax",
    "BlackBox",
    "Distillation",
    "Explanation",
    "Loaded",
    "NetworkError",
    "NumberDistillation",
    "Observer",
    "Pruned",
    "Question",
    "Rounded",
    "StreamDistillation",
    "TokenSet",
    "Transformer",
    "Written",
    "certify",
    "check",
    "distill",
    "explain",
    "from_callable",
    "from_circuit",
    "from_onnx",
    "from_torch",
    "from_transformer_lens",
    "live",
    "load",
    "notebook",
    "number_streams",
    "plain",
    "prune",
    "save_folder",
    "verify",
    "write_page",
]


def __getattr__(name: str) -> Any:
    """A name of ``LATER``, imported now."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = LATER[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
