"""The suite "breadth": its functions, their tables, and what a run says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.command import bench
from benchmarks.harness.row import BenchmarkError
from benchmarks.inputs.functions import FUNCTIONS, chosen, table
from benchmarks.suites import breadth


def test_there_are_a_hundred_functions_of_different_names() -> None:
    assert len({function.name for function in FUNCTIONS}) == len(FUNCTIONS) >= 100


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_every_function_has_two_labels_or_more_and_a_table_small_enough_to_search(function: Any) -> None:
    assert len({label for row in _rows(function) for label in function.labels(row)} - {None}) > 1
    assert function.domain.size() <= 2000


def _rows(function: Any) -> list[tuple[str, ...]]:
    domain = function.domain
    return [domain.words(row) for length in domain.lengths for row in domain.sequences(length)]


def test_a_table_holds_the_labels_and_leaves_the_others_open() -> None:
    (shifted,) = chosen(("shifted left",))
    labels = table(shifted)
    assert labels.is_placed
    assert labels.names == ("a", "b", "c")
    assert labels.undecided == shifted.domain.size()  # the last place of every sequence
    inputs, name = labels.first()
    assert inputs == (("a", "a"), 0)
    assert name == "a"


def test_a_table_of_whole_sequences_can_be_asked_about_longer_ones() -> None:
    (after,) = chosen(("after the earlier one",))
    loaded = table(after).enumeration.loaded
    assert loaded.domain.max_length == after.longest + 4


def test_a_name_that_no_function_has_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="no function's name holds 'nonsense'"):
        chosen(("nonsense",))


def test_a_wrong_text_is_noticed() -> None:
    (same,) = chosen(("same token",))
    breadth.check_text(same, "def f(tokens, i):\n    return tokens[i]\n")
    with pytest.raises(BenchmarkError, match="the printed program says"):
        breadth.check_text(same, "def f(tokens, i):\n    return tokens[0]\n")


@pytest.mark.slow
def test_the_command_writes_a_page_with_a_line_a_function(tmp_path: Path) -> None:
    options = ["--suite", "breadth", "--only", "same token", "--time-limit", "12", "--out", str(tmp_path)]
    result = CliRunner().invoke(bench, options)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "breadth.md").read_text()
    assert "1 of 1 runs." in page
    assert "| same token | expression |" in page
    assert "return tokens[i]" in page
