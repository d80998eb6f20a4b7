"""A program's labels are compared with the network's by name, whatever names its grammar has."""

from dataclasses import replace

import numpy as np
import pytest
from average_networks import AB, average

from backends import get
from cegis import Domain, DomainError, Program, motifs
from tasks.automata.regex import constraint
from tasks.networks.readout import Argmax
from tasks.networks.transformer import Affine
from tasks.pipeline.distill import distill, verify
from tasks.pipeline.report import verdict

NAMES = tuple(f"n{n}" for n in range(10))


def of_ten():
    """Of ten outputs n3 is given without a b, else n7, and no other one."""
    loaded, table, bias = average((1.0, -20.0, 0.5), 6), np.zeros((10, 1)), np.full(10, -50.0)
    table[3], table[7], bias[3], bias[7] = 1.0, -1.0, 0.0, 0.0
    network = replace(loaded.network, steps=(loaded.network.steps[0], Affine(table, bias)))
    return replace(loaded, network=network, readout=Argmax(NAMES, tuple(range(10))))


def asked(text, loaded):
    return verify(loaded, text, loaded.domain, is_run=False, seconds=20)


def test_a_program_of_labels_that_never_occur_is_not_taken_for_one_of_those_that_do():
    found = asked("def f(tokens):\n    return 'n1' if 'b' in tokens else 'n0'\n", of_ten())
    assert not found.is_proved
    assert len(found.exceptions) == 127
    assert (found.exceptions[0].expected, found.exceptions[0].got) == ("n3", "n0")


def test_a_program_of_labels_that_occur_is_proved_where_many_never_do():
    found = asked("def f(tokens):\n    return 'n7' if 'b' in tokens else 'n3'\n", of_ten())
    assert found.is_proved
    assert verdict(found).startswith("PROVED (rung enumerated): ")


def test_the_order_of_labels_in_a_program_s_grammar_does_not_matter():
    loaded = average((1.0, -20.0, 0.5), 6)
    for text, holds in (("'no' if 'b' in tokens else 'yes'", True), ("'yes' if 'b' in tokens else 'no'", False)):
        program = Program.parse(f"def f(tokens):\n    return {text}\n", motifs(AB, ("no", "yes"), min_length=0))
        assert distill(loaded, loaded.domain, program=program, seconds=20).is_proved == holds


def test_a_program_over_other_tokens_is_refused():
    loaded = average((1.0, -20.0, 0.5), 6)
    program = Program.parse("def f(tokens):\n    return 'no'\n", motifs(("b", "a"), ("yes", "no"), min_length=0))
    with pytest.raises(DomainError, match="expected a program over"):
        distill(loaded, loaded.domain, program=program, seconds=20)


def test_a_network_of_many_outputs_with_one_label_has_no_surrogate():
    loaded = of_ten()
    found = distill(loaded, loaded.domain.up_to(0), backend=get("z3"), seconds=20)
    assert found.labels.names == ("n3",)
    assert found.not_applied["solver"] == "only one label occurs"
    assert found.is_proved


def test_a_length_without_sequences_has_no_labels_to_bound_again():
    every_other = constraint("(ab)*", AB)
    loaded = average((1.0, -1.0, 2.0**-16), 6)  # a tie but for the start token, which float32 may lose
    for position in ("last", "every"):
        asked = replace(loaded, readout=Argmax(("yes", "no"), (0, 1), position))
        table = distill(asked, Domain(AB, 2, 6, every_other), margin=0.0, seconds=20).labels
        assert table.enumeration.semantics == "float64"
        assert [len(part.labels) for part in table.enumeration.lengths] == [1, 0, 1, 0, 1]
