"""Backends by name, for command lines; code passes ``Backend`` values.

The shipped solvers are listed by import path, so listing them imports nothing. Other packages add theirs
through the entry point group ``distill.backends`` (``mysolver = "my_package:MY_BACKEND"``); a shipped name cannot be
taken over.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from backends.answer import BackendError
from backends.backend import Backend

GROUP = "distill.backends"
SHIPPED = {"z3": "backends.z3:Z3", "cvc5": "backends.cvc5:CVC5", "bitwuzla": "backends.bitwuzla:BITWUZLA"}


def names() -> tuple[str, ...]:
    """Every known name, shipped ones first, installed or not."""
    return tuple(_homes())


def get(name: str) -> Backend:
    """The backend called ``name``; raises BackendError listing the known names."""
    homes = _homes()
    if name not in homes:
        raise BackendError(f"unknown backend {name!r}; known: {', '.join(homes)}")
    return load(homes[name])


def available() -> tuple[Backend, ...]:
    """The known backends whose solver is installed."""
    return tuple(backend for backend in map(get, names()) if backend.is_installed())


def load(home: str) -> Backend:
    """The Backend at the import path ``module:attribute``."""
    module, _, attribute = home.partition(":")
    try:
        backend = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise BackendError(f"no backend could be loaded from {home!r}: {error}") from error
    if not isinstance(backend, Backend):
        raise BackendError(f"expected a Backend at {home!r}, got {type(backend).__name__}")
    return backend


def _homes() -> dict[str, str]:
    contributed = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**SHIPPED, **{name: home for name, home in sorted(contributed.items()) if name not in SHIPPED}}
