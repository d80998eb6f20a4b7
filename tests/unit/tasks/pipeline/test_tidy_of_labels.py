"""An exact program is tidied on labels that no network answers for, too: of those no longer sequences are known."""

from benchmarks.inputs.functions import chosen, table
from cegis import Program
from dsl.grammars.positions import places
from tasks.pipeline.probes import Probes
from tasks.pipeline.tidy import tidied_program

TEXT = """def program(tokens: list[str], i: int) -> str:
    return str(sum(token == tokens[i] for token in tokens))
"""


def test_labels_without_a_network_have_no_longer_sequences_and_are_tidied():
    (function,) = chosen(["how often here"])
    labels = table(function)
    assert Probes.of(labels).parts == ()
    program = Program.parse(TEXT, places(function.alphabet, labels.names))
    tidied = tidied_program(labels, program, seconds=5.0)
    assert "return str(tokens.count(tokens[i]))" in tidied.source()
