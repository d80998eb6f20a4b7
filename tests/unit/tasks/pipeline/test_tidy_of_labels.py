"""An exact program is tidied on labels that no network answers for, too: of those no longer sequences are known."""

import time

from benchmarks.inputs.functions import chosen, table
from cegis import Program
from dsl.grammars.positions import places
from tasks.formats import load
from tasks.formats.circuit_folder import shipped_path
from tasks.pipeline.labels import LabelTable
from tasks.pipeline.probes import LENGTHS, Probes
from tasks.pipeline.tidy import tidied_program
from tasks.proofs.enumeration import enumerate_domain

TEXT = """def program(tokens: list[str], i: int) -> str:
    return str(sum(token == tokens[i] for token in tokens))
"""


def test_no_longer_sequences_are_asked_about_when_the_time_is_up():
    model = load(shipped_path("quote_closing"))
    labels = LabelTable.of(enumerate_domain(model, model.domain.up_to(2)))
    assert len(Probes.of(labels).parts) == LENGTHS
    assert Probes.of(labels, deadline=time.perf_counter()).parts == ()


def test_labels_without_a_network_have_no_longer_sequences_and_are_tidied():
    (function,) = chosen(["how often here"])
    labels = table(function)
    assert Probes.of(labels).parts == ()
    program = Program.parse(TEXT, places(function.alphabet, labels.names))
    tidied = tidied_program(labels, program, seconds=5.0)
    assert "return str(tokens.count(tokens[i]))" in tidied.source()
