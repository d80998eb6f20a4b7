"""Claims about the numbers in a claim: what is said to be a lower bound is one."""

import math

import pytest

from cegis import Claim, Domain, Rung
from cegis.claim import MOST_WORDS, at_least, counted, limits, worded
from cegis.domain import Constraint


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


@pytest.mark.parametrize("text", ["all), in real arithmetic; PROVED (", "all)", "(", "two\nlines", "a\u202eb"])
def test_a_constraint_cannot_write_other_parts_of_the_sentence(text):
    said = limits(Domain(("a",), 1, 3, Constraint(text, ((0,),), (True,))))
    assert said == f"length 1 to 3 ({text!r})"
    assert said.isprintable()


def test_a_constraint_is_cut_and_a_plain_one_stands_as_it_is():
    assert worded("prefixes of: (aa)*: an even number of a") == "prefixes of: (aa)*: an even number of a"
    assert len(worded("w" * 5000)) == MOST_WORDS
    assert worded("(" + "w" * 5000 + ")").startswith("'(www")


def test_a_claim_for_every_length_counts_no_sequences():
    told = {"reference": "f", "semantics": "real arithmetic", "method": "", "sequences": 5, "seconds": 0.0}
    claims = [Claim(rung=Rung.ALL_LENGTHS, domain=Domain(("a",), 1, most), **told) for most in (5, None)]
    assert [claim.as_json()["sequences"] for claim in claims] == [5, None]
