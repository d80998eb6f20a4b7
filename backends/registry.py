"""Backends by name, for command lines; code passes ``Backend`` values.

The shipped solvers are listed by import path, so listing them imports nothing. Other packages add theirs
through the entry point group ``distill.backends`` (``mysolver = "my_package:MY_BACKEND"``), and solver programs are
written in a file (``backends.configuration``). A name that is taken stays taken.
"""

from __future__ import annotations

from importlib import import_module

from backends.answer import BackendError
from backends.backend import Backend

GROUP = "distill.backends"
SHIPPED = {"z3": "backends.z3:Z3", "cvc5": "backends.cvc5:CVC5", "bitwuzla": "backends.bitwuzla:BITWUZLA"}


def names() -> tuple[str, ...]:
    """Every known name, shipped ones first, installed or not."""
    return (*_homes(), *_programs())


def get(name: str) -> Backend:
    """The backend called ``name``; raises BackendError listing the known names.

    ``z3+cvc5`` is the portfolio of the two, ``portfolio`` that of all available backends for integers (QF_LIA).
    """
    if name in SHIPPED:
        return load(SHIPPED[name])
    if name == "portfolio" or "+" in name:
        from backends.portfolio import Portfolio

        if "+" in name:
            return Portfolio(*map(get, name.split("+")))
        return Portfolio(*(backend for backend in available() if "QF_LIA" in backend.logics))
    homes = _homes()
    if name in homes:
        return load(homes[name])
    programs = _programs()
    if name not in programs:
        raise BackendError(f"unknown backend {name!r}; known: {', '.join((*homes, *programs))}; z3+cvc5 asks both")
    return programs[name]


def available() -> tuple[Backend, ...]:
    """The shipped and contributed backends whose solver is installed.

    Solver programs are left out: one that anybody may write into a file of the current folder is used when it is named.
    """
    return tuple(backend for backend in (load(home) for home in _homes().values()) if backend.is_installed())


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
    from importlib.metadata import entry_points

    contributed = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**SHIPPED, **{name: home for name, home in sorted(contributed.items()) if name not in SHIPPED}}


def _programs() -> dict[str, Backend]:
    from backends.configuration import configured

    programs = configured()
    for name, program in programs.items():
        if name in _homes():
            raise BackendError(f"{program.source}: solvers.{name}: this name is taken; call it for example {name}-2")
    return dict(programs)
