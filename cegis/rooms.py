"""A guard: the sibling packages must be ours, since their names are common ones.

A foreign ``dsl`` or ``backends`` earlier on the path would be imported in place of ours and fail far from the cause.
Every process that imports ``cegis`` runs this, so nothing is imported for it.
"""

from __future__ import annotations

import sys
from os.path import dirname, realpath

SIBLINGS = ("backends", "dsl")


def check_siblings() -> None:
    """Raise ImportError naming the first package that is not the one installed beside this file."""
    root = dirname(dirname(realpath(__file__)))
    for name in SIBLINGS:
        origin = _origin(name)
        if origin is None or dirname(dirname(origin)) != root:
            raise ImportError(
                f"expected the package {name!r} of symbolic-circuit-distillation in {root}, got {origin}; "
                "rename or move the other one, or change the order of sys.path"
            )


def _origin(name: str) -> str | None:
    """The file that an import of ``name`` runs, or has run."""
    known = sys.modules.get(name)
    specs = (finder.find_spec(name, None) for finder in sys.meta_path)
    spec = known.__spec__ if known is not None else next((found for found in specs if found is not None), None)
    return realpath(spec.origin) if spec is not None and spec.origin else None
