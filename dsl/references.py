"""Where an operator comes from: the module-level name that has it, or the call of a function that made it.

The readings of an operator are functions without a name, which cannot be pickled, so an operator is pickled as where
it comes from. Nothing need be done for one that a name at the top level of a module has, itself or in a tuple. A
function that makes operators is marked with ``maker``; it returns one or several, and its arguments are pickled:

    @maker
    def times(factor: int) -> Operator: ...

What ``find`` gives is what the name, or the call, gives then. This knows operators by their attributes alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Rows = TypeVar("Rows")


@dataclass(frozen=True)
class Named:
    """That of a name of ``module``; where the name has several, the one at ``place``."""

    module: str
    name: str
    place: int | None = None

    def find(self) -> Any:
        """What has the name now; raises LookupError."""
        return _picked(_attribute(self.module, self.name), self.place)


@dataclass(frozen=True)
class Call:
    """That which a call of ``module.function`` returns; where it returns several, the one at ``place``."""

    module: str
    function: str
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...] = ()
    place: int | None = None

    def find(self) -> Any:
        """What the call returns now; raises LookupError."""
        return _picked(_attribute(self.module, self.function)(*self.arguments, **dict(self.keywords)), self.place)


def maker(function: Callable[Given, Rows]) -> Callable[Given, Rows]:
    """``function``, whose operators remember the call that made them; it stands at the top level of its module.

    It returns an operator, or operators as a tuple or list. Its arguments are of kinds that can be pickled.

    >>> @maker
    ... def constant(value):
    ...     return literal(value, INT)
    >>> constant(3).made_by.arguments
    (3,)
    """

    @wraps(function)
    def make(*arguments: Given.args, **keywords: Given.kwargs) -> Rows:
        made: Any = function(*arguments, **keywords)
        call = Call(function.__module__, function.__qualname__, arguments, tuple(keywords.items()))
        if isinstance(made, tuple | list):
            made = type(made)(replace(row, made_by=replace(call, place=place)) for place, row in enumerate(made))
        elif made is not None:
            made = replace(made, made_by=call)
        result: Rows = made
        return result

    return make


def reference(row: Any) -> Named | Call:
    """Where ``row`` comes from; raises LookupError, saying what to do, where that is nowhere to be found."""
    if isinstance(row.made_by, Call):
        _attribute(row.made_by.module, row.made_by.function)
        return row.made_by
    for module in _modules(row):
        for name, value in list(vars(module).items()):
            if value is row:
                return Named(module.__name__, name)
            if type(value) in (tuple, list):
                for place, one in enumerate(value):
                    if one is row:
                        return Named(module.__name__, name, place)
    raise LookupError(
        "no module has it under a name, and no function marked with @maker made it; give it a name at the top level of "
        "a module, or mark the function"
    )


def _modules(row: Any) -> Iterator[ModuleType]:
    """Those of its readings, where it mostly stands; then all that are imported."""
    likely = [getattr(reading, "__module__", None) for reading in (row.numpy, row.smt)]
    for name in dict.fromkeys([*(name for name in likely if name), *sys.modules]):
        module = sys.modules.get(name)
        if isinstance(module, ModuleType):
            yield module


def _attribute(module: str, path: str) -> Any:
    try:
        return attrgetter(path)(import_module(module))
    except (ImportError, AttributeError):
        raise LookupError(f"expected {path!r} at the top level of the module {module!r}") from None


def _picked(found: Any, place: int | None) -> Any:
    return found if place is None else found[place]
