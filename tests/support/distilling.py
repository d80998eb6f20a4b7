"""Distillations of circuits up to a length, as most tests want them."""

from typing import Any

from backends import Backend
from tasks.networks.circuit import Circuit
from tasks.pipeline.distill import distill
from tasks.pipeline.sequences import Distillation
from tasks.proofs.select import listed_domain


def distilled(circuit: Circuit, backend: Backend | None = None, *, length: int = 10, **more: Any) -> Distillation:
    """``circuit`` on every sequence up to ``length``."""
    return distill(circuit, listed_domain(circuit, length), backend=backend, **more)
