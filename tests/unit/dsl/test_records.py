"""Claims about frozen classes: each is what the standard library would have made of it."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, fields, replace
from functools import cached_property
from typing import Any

import pytest

from dsl import records

NOTHING = float("nan")


def both(body: type) -> tuple[Any, Any]:
    """The class made here, and by the standard library."""
    parts = {name: value for name, value in vars(body).items() if name not in ("__dict__", "__weakref__")}
    ours, usual = (type(body.__name__, body.__bases__, dict(parts)) for _ in range(2))
    return records.dataclass(frozen=True)(ours), dataclasses.dataclass(frozen=True)(usual)


class Pair:
    """Two values, of which one is compared."""

    left: int
    right: Any = field(default=0, compare=False, repr=False)
    known: list[int] = field(default_factory=list, init=False)

    @cached_property
    def doubled(self) -> int:
        return 2 * self.left


class One:
    """One value."""

    value: Any


class Empty:
    """None."""


@records.dataclass(frozen=True)
class Kept:
    """One that can be pickled."""

    value: int


@pytest.mark.parametrize("body", [Pair, One, Empty])
def test_fields_equality_hash_and_text_are_those_of_the_standard_library(body: type) -> None:
    ours, usual = both(body)
    assert [f.name for f in fields(ours)] == [f.name for f in fields(usual)]
    assert ours.__match_args__ == usual.__match_args__
    size = len([f for f in fields(usual) if f.init])
    for arguments in [(1, 2)[:size], (1, 3)[:size], (4, 2)[:size]]:
        assert repr(ours(*arguments)) == repr(usual(*arguments))
        for others in [(1, 2)[:size], (1, 3)[:size], (NOTHING, 2)[:size]]:
            assert (ours(*arguments) == ours(*others)) == (usual(*arguments) == usual(*others))
    assert ours(*(1, 2)[:size]).__eq__(usual(*(1, 2)[:size])) is NotImplemented
    if size == 1:
        assert ours(NOTHING) == ours(NOTHING)  # identity first, as in tuples


def test_a_hash_is_that_of_what_is_compared() -> None:
    ours, usual = both(One)
    assert hash(ours(5)) == hash(usual(5))
    with pytest.raises(TypeError, match="unhashable"):
        hash(ours([]))


def test_nothing_is_assigned_after_it_is_made() -> None:
    kept = Kept(1)
    for name in ("value", "other"):
        with pytest.raises(FrozenInstanceError):
            setattr(kept, name, 2)
    with pytest.raises(FrozenInstanceError):
        del kept.value
    assert replace(kept, value=2) == Kept(2)
    assert copy.copy(kept) == pickle.loads(pickle.dumps(kept)) == kept
    with pytest.raises(FrozenInstanceError):
        copy.copy(kept).value = 3  # type: ignore[misc]


def test_methods_of_its_own_stay() -> None:
    class Own:
        value: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    ours: Any = records.dataclass(frozen=True)(Own)
    assert (repr(ours(1)), ours(1) == ours(2), hash(ours(1))) == ("own", True, 7)


def test_other_options_are_the_standard_library_s() -> None:
    @records.dataclass
    class Open:
        value: int

    held = Open(1)
    held.value = 2
    assert held == Open(2)
    with pytest.raises(TypeError, match="non-frozen"):

        @dataclasses.dataclass
        class Thawed(Kept):
            more: int


@pytest.mark.parametrize("maker", [records.dataclass, dataclasses.dataclass])
def test_others_derive_from_it(maker: Any) -> None:
    @maker(frozen=True)
    class Child(Kept):
        more: int = 0

    assert Child(1, 2) == Child(1, 2) != Child(1)
    assert repr(Child(1)).endswith("Child(value=1, more=0)")
    for name in ("value", "more"):
        with pytest.raises(FrozenInstanceError):
            setattr(Child(1), name, 2)


def test_one_that_is_ordered_is_made_by_the_standard_library() -> None:
    @records.dataclass(frozen=True, order=True)
    class Ordered:
        value: int

    assert Ordered(1) < Ordered(2)
