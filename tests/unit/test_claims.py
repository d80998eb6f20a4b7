"""Claims about the numbers in a claim: what is said to be a lower bound is one."""

import math

import pytest

from cegis.claim import at_least, counted


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (0.123999, "0.123"),
        (0.125, "0.125"),
        (6.3956, "6.39"),
        (2.0**-23, "1.19e-07"),
        (12999.0, "1.29e+04"),
        (0.0, "0"),
    ],
)
def test_a_lower_bound_is_never_rounded_up(bound, text):
    assert at_least(bound) == text
    assert float(at_least(bound)) <= bound


def test_a_margin_over_nothing_is_infinite():
    assert at_least(math.inf) == "inf"


def test_counts_are_exact_as_far_as_one_can_read_them():
    assert (counted(18434), counted(3**256)) == ("18,434", "(about 1.4e+122)")
