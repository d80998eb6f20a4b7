"""Frozen dataclasses that are quick to make: a class has one function written for it, its ``__init__``.

The standard library writes and compiles six functions for each frozen class, when its module is imported; with a
hundred classes that takes longer than most small problems. Here the other five are the same for all classes. What a
class means is unchanged: its fields, what it equals, its hash, its text, and that nothing is assigned to it once it is
made. Classes that derive from others, and any other option than ``frozen``, are left to the standard library.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """``dataclasses.dataclass``."""
        if cls is not None:
            return dataclasses.dataclass(cls)
        return _frozen if options == {"frozen": True} else dataclasses.dataclass(**options)


def _frozen(cls: Any) -> Any:
    if any(dataclasses.is_dataclass(base) for base in cls.__bases__):
        return dataclasses.dataclass(frozen=True)(cls)
    own = {name for name in ("__repr__", "__eq__", "__hash__") if cls.__dict__.get(name) is not None}
    dataclasses.dataclass(eq=False, repr=False)(cls)
    cls.__dataclass_params__.frozen = True  # so that a class that derives from it has to be frozen, too
    cls._compared = staticmethod(_getter([field.name for field in dataclasses.fields(cls) if field.compare]))
    for name, shared in SHARED.items():
        if name not in own:
            setattr(cls, name, shared)
    return cls


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """The values that equality looks at."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: tuple(getattr(record, name) for name in names)


def _equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def _hash(self: Any) -> int:
    return hash(self._compared(self))


def _text(self: Any) -> str:
    parts = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(parts)})"


def _assign(self: Any, name: str, value: object) -> None:
    """Each field once, by ``__init__``."""
    values = self.__dict__
    if name in values or name not in self.__dataclass_fields__:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    values[name] = value


def _delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


SHARED = {"__eq__": _equal, "__hash__": _hash, "__repr__": _text, "__setattr__": _assign, "__delattr__": _delete}
