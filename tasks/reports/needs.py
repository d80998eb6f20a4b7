"""What reports need beyond the rest: said in one sentence where it is not installed."""

from __future__ import annotations

from importlib.util import find_spec

MODULES = {"jinja2": "Jinja2", "pygments": "Pygments", "vl_convert": "vl-convert-python"}


class MissingError(ImportError):
    """A package that reports are made with is not installed."""


def check_installed() -> None:
    """Raise MissingError unless everything that pages and drawings are made with is there."""
    missing = [name for module, name in MODULES.items() if find_spec(module) is None]
    if missing:
        raise MissingError(
            f"reports are made with {', '.join(missing)}, which is not installed: "
            'pip install "symbolic-circuit-distillation[report]"'
        )
