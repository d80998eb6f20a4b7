"""Compiled networks say what their plain functions say: one hundred of one token, forty of sequences."""

from __future__ import annotations

from pathlib import Path

import pytest
from quick import sliced

from benchmarks.harness.row import BenchmarkError
from benchmarks.inputs import one_token, sequence_networks
from benchmarks.inputs.compiled import Compiler
from tasks.formats import Question, load
from tasks.networks.readout import UNDECIDED, label_name

ONE_TOKEN, SKETCHES = one_token.drawn(0, 100), sequence_networks.drawn(0)
LISTED, MARGIN = 800, 1e-4


def assert_same(drawn: one_token.OneToken | sequence_networks.Drawn, folder: Path) -> None:
    """The network that ``drawn`` saves gives every label of its function, and none where that has none."""
    loaded, function = load(drawn.save(folder), Question()), drawn.function
    domain = function.domain
    assert (loaded.domain, loaded.prefix) == (domain, ("BOS",))
    lengths = [n for n in domain.lengths if domain.up_to(n).size() <= LISTED] or [1]
    for length in lengths:
        rows = domain.sequences(length)
        labels, _ = loaded.labels(rows, MARGIN)
        for row, own in zip(rows, labels.tolist(), strict=True):
            got = tuple(None if label == UNDECIDED else label_name(loaded.readout, label) for label in own)
            assert got == function.labels(domain.words(row)), domain.words(row)


@pytest.mark.parametrize("drawn", sliced(ONE_TOKEN, 5), ids=lambda drawn: drawn.name)
def test_a_network_of_one_token_is_its_expression(drawn: one_token.OneToken, tmp_path: Path) -> None:
    assert_same(drawn, tmp_path)


@pytest.mark.parametrize("drawn", SKETCHES, ids=lambda drawn: drawn.name)
def test_a_network_of_a_sketch_is_its_function(drawn: sequence_networks.Drawn, tmp_path: Path) -> None:
    assert_same(drawn, tmp_path)


def test_a_seed_draws_the_same_functions_and_another_one_others() -> None:
    assert one_token.drawn(0, 100) == ONE_TOKEN
    assert len({(drawn.expression, drawn.alphabet) for drawn in one_token.drawn(1, 100)} & _asked()) < 10


def _asked() -> set[tuple[str, tuple[str, ...]]]:
    return {(drawn.expression, drawn.alphabet) for drawn in ONE_TOKEN}


def test_the_hundred_functions_are_of_every_kind_and_size() -> None:
    sizes = [len(drawn.alphabet) for drawn in ONE_TOKEN]
    assert {drawn.kind for drawn in ONE_TOKEN} == set(one_token.FAMILIES)
    assert min(sizes) < 8
    assert 25 < max(sizes) <= one_token.MOST
    assert any(token.startswith("-") for drawn in ONE_TOKEN for token in drawn.alphabet)


def test_a_vocabulary_that_holds_the_first_token_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="none of them BOS"):
        Compiler(("a", "BOS"), 3)


def test_a_lookup_without_any_value_is_refused() -> None:
    compiler = Compiler(("a", "b"), 3)
    with pytest.raises(BenchmarkError, match="one value or more"):
        compiler.lookup("nothing", (compiler.tokens,), lambda token: None)
