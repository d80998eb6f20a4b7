"""Objects of the user's own code, by the name ``package.module:NAME``; the current folder is looked in, too."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.abstraction.files import MOTIFS, read_motifs
from dsl.grammar import Grammar
from dsl.operators import GrammarError

if TYPE_CHECKING:
    from tasks.pipeline.languages import Language
    from tasks.pipeline.own_programs import OwnProgram


def language(name: str) -> Language:
    """The language of the user's own at ``name``, or the learned motifs of a file; raises GrammarError for neither."""
    if name.endswith(MOTIFS):
        return read_motifs(Path(name))
    found = load(name)
    if isinstance(found, Grammar) or (callable(found) and not isinstance(found, type)):
        return found
    raise GrammarError(f"expected a Grammar, or a function that makes one, at {name}, got {type(found).__name__}")


def program_named(name: str, *, is_run: bool) -> OwnProgram:
    """The program at ``FILE.py``, ``FILE.py:FUNCTION`` or ``package.module:NAME``; GrammarError where there is none.

    A module is imported, which runs its code: with ``is_run`` False that is refused.
    """
    from tasks.pipeline.own_programs import from_file, own_program

    path, colon, entry = name.rpartition(":")
    if not colon or "/" in entry or entry.endswith(".py"):
        return from_file(Path(name), is_run=is_run)
    if path.endswith(".py") or Path(path).is_file():
        return from_file(Path(path), entry, is_run=is_run)
    if not is_run:
        raise GrammarError(f"{name}: importing a module runs its code; name a file, FILE.py:FUNCTION, to have it read")
    return replace(own_program(load(name)), name=name)


def load(name: str) -> Any:
    """What ``NAME`` is in ``package.module``; raises GrammarError, saying what is missing.

    >>> load("math:pi")
    3.141592653589793
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise GrammarError(f"expected package.module:NAME, got {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file there hides a package of ours
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise GrammarError(f"no module {error.name!r} for {name!r}; install it, or start where it lies") from None
    except Exception as error:
        raise GrammarError(f"importing {module!r} failed with {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = ", ".join(sorted(key for key in vars(found) if not key.startswith("_"))) or "nothing"
            raise GrammarError(f"{module!r} has no {attribute!r}; it has {known}")
        found = getattr(found, part)
    return found
