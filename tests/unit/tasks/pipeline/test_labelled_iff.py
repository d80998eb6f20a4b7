"""Which inputs have a label, said by a program, where some have none."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.formats import Question, from_callable
from tasks.pipeline.approximate import having_a_label
from tasks.pipeline.distill import distill
from tasks.pipeline.report import distillation_json, distillation_text

VOCABULARY = ("a", "b", "c")


def box(tied):
    """Answers with the first token, and with a tie where ``tied`` says so of a row of token numbers."""

    def network(ids: np.ndarray) -> np.ndarray:
        logits = np.eye(3)[ids[:, 0]]
        logits[[tied(row) for row in ids]] = 1.0
        return logits

    return from_callable(
        network, vocabulary=VOCABULARY, outputs=VOCABULARY, longest=4, question=Question(lengths=(1, 4))
    )


def test_a_program_says_exactly_which_inputs_have_a_label():
    result = distill(box(lambda row: row[-1] == 2), seconds=15)
    assert result.labels.undecided > 0
    program = result.labelled_iff
    assert program is not None
    for part in result.labels.parts:
        said = [program.grammar.signature.answer(value) for value in program.run(part.batch)]
        assert said == ["labelled" if label >= 0 else "not labelled" for label in part.expected]
    text, value = distillation_text(result), distillation_json(result)
    assert "An input has a label iff this function says so, on all" in text
    assert f"{result.labels.undecided:,} have none" in text
    assert value["labelled_iff"] in text
    scope = {}
    exec(value["labelled_iff"], scope)
    function = next(value for name, value in scope.items() if name.endswith("_has"))
    assert function(["a", "b"]) == "labelled"
    assert function(["a", "c"]) == "not labelled"


@pytest.mark.slow
def test_nothing_is_said_where_every_input_has_one_or_no_program_is_exact():
    assert distill(box(lambda row: False), seconds=10).labelled_iff is None
    chosen = np.random.default_rng(0).random((4, 3, 3, 3, 3)) < 0.5
    table = distill(box(lambda row: chosen[(len(row) - 1, *row, *[0] * (4 - len(row)))[:5]]), seconds=4).labels
    assert table.undecided
    assert having_a_label(table, seconds=1.0) is None
