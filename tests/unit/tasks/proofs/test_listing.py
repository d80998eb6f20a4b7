"""What a comparison of every sequence claims of lengths that were known before, and of a region alone."""

from average_networks import AB, average, lead

from cegis import Program, motifs
from tasks.proofs.listing import ListingVerifier

GRAMMAR = motifs(AB, ("yes", "no"), min_length=0)
NO_B = "def f(tokens):\n    return 'no' if 'b' in tokens else 'yes'\n"
LEAD = "def f(tokens):\n    return 'yes' if tokens.count('a') > tokens.count('b') else 'no'\n"
LONG = "def f(tokens):\n    return 'yes' if len(tokens) >= 4 else 'no'\n"


def claimed(loaded, text, where=None, inside="", known=None, margin=0.0):
    by = ListingVerifier(loaded, loaded.domain)
    by.listed_margin = margin
    (claim,) = by.examine(Program.parse(text, GRAMMAR), where, inside, known).claims
    return claim


def test_a_claim_about_a_region_counts_and_names_its_sequences_alone():
    where = Program.parse(
        "def f(tokens):\n    return 'may differ' if 'b' in tokens else 'right'\n",
        motifs(AB, ("right", "may differ"), min_length=0),
    )
    for known in (None, 4):
        claim = claimed(average((1.0, -1.0, 0.5), 9), NO_B, where, "right", known)
        assert claim.sequences == 10
        assert (
            ", of the sequences that the region calls 'right', on all 10 sequences of length 0 to 9" in claim.sentence
        )


def test_a_claim_with_known_lengths_says_no_larger_margin_than_theirs():
    assert "at least 0.0999" in claimed(lead(9), LEAD).sentence
    assert "at least 0.001" in claimed(lead(9), LEAD, known=8, margin=0.001).sentence


def test_a_label_that_only_known_lengths_have_is_a_label():
    loaded = average((1.0, 1.0, -3.5), 9)  # yes from four tokens on
    for known in (None, 3, 5):
        assert "Every sequence has" not in claimed(loaded, LONG, known=known, margin=0.1).detail
