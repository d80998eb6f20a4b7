"""How much of a law the quick suite holds: fewer drawn examples, a slice of the cases; the whole suite holds it all."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

IN_FULL = 100  # examples, as the profile ``ci`` has them
PARAMETER = type(pytest.param())


def examples(count: int) -> int:
    """``count`` examples in the whole suite, of which the quick one draws a fifth, and a search ten times as many."""
    return max(4, count * settings.default.max_examples // IN_FULL)


def sliced(cases: Iterable[Any], step: int) -> list[Any]:
    """Parameters of a test, tuples for several: every ``step``-th in the quick suite too, the others slow."""
    values = [case if isinstance(case, PARAMETER) else pytest.param(*_several(case)) for case in cases]
    return [
        value._replace(marks=(*value.marks, *[pytest.mark.slow] * (n % step > 0))) for n, value in enumerate(values)
    ]


def _several(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
