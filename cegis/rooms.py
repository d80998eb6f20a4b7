"""A guard: the sibling packages must be ours, since their names are common ones.

A foreign ``dsl`` or ``backends`` earlier on the path would be imported in place of ours and fail far from the cause.
"""

from importlib.util import find_spec
from pathlib import Path

SIBLINGS = ("backends", "dsl")


def check_siblings() -> None:
    """Raise ImportError naming the first package that is not the one installed beside this file."""
    root = Path(__file__).resolve().parent.parent
    for name in SIBLINGS:
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent != root:
            raise ImportError(
                f"expected the package {name!r} of symbolic-circuit-distillation in {root}, got {origin}; "
                "rename or move the other one, or change the order of sys.path"
            )
