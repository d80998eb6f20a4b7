"""The integer surrogate: exact evaluation, its solver reading, its text, and what the fit promises."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from pysmt.environment import Environment

from cegis import Domain, Table, motifs, tabulate
from dsl.sequences import SequenceSignature
from tasks.networks.sparse_transformer import NetworkError
from tasks.surrogates.fitting import fit
from tasks.surrogates.relu import Surrogate

ALPHABET = ("[", "]", "x")


def depth(tokens):
    return "]]" if tokens.count("[") - tokens.count("]") >= 2 else "]"


def latch(tokens):
    opened = False
    for token in tokens:
        opened = token == "[" or (opened and token != "]")
    return "]]" if opened else "]"


def lookup(tokens):
    return "]]" if any(a == tokens[-1] and b == "]" for a, b in pairwise(tokens)) else "]"


def parity(tokens):
    return "]]" if tokens.count("x") % 2 else "]"


def table_of(function, max_length=5):
    return tabulate(function, Domain(ALPHABET, 1, max_length), SequenceSignature(ALPHABET, ("]", "]]")))


@pytest.mark.parametrize("function", [depth, latch, lookup, parity])
def test_fit_is_exact_on_every_sequence(function):
    table = table_of(function)
    fitted = fit(table, 2)
    assert fitted.wrong == ()
    for length in table.domain.lengths:
        assert np.array_equal(fitted.surrogate.labels(table.domain.sequences(length)), table.labels[length])


def test_a_fit_that_fails_lists_exactly_the_sequences_that_differ():
    rng = np.random.default_rng(0)
    domain = Domain(ALPHABET, 1, 5)
    table = Table(domain, {n: rng.integers(0, 2, domain.count(n)).astype(np.int8) for n in domain.lengths})
    fitted = fit(table, 2, seconds=5)
    assert fitted.wrong
    differing = [
        domain.words(row)
        for n in domain.lengths
        for row, label, mine in zip(
            domain.sequences(n), table.labels[n], fitted.surrogate.labels(domain.sequences(n)), strict=True
        )
        if label != mine
    ]
    assert list(fitted.wrong) == differing


def test_undecided_labels_are_refused():
    table = table_of(depth, 3)
    labels = {n: row.copy() for n, row in table.labels.items()}
    labels[2][0] = -1
    with pytest.raises(NetworkError, match="1 sequences have no label"):
        fit(Table(table.domain, labels), 2)


@pytest.mark.parametrize("function", [depth, latch, lookup, parity])
def test_the_formula_is_the_network(function):
    table = table_of(function, 4)
    surrogate = fit(table, 2).surrogate
    environment = Environment()
    m = environment.formula_manager
    signature = motifs(ALPHABET, ("]", "]]")).signature
    for length in table.domain.lengths:
        symbols = signature.symbols(m, length)
        for row in table.domain.sequences(length)[:: max(1, 3 ** (length - 2))]:
            label = int(surrogate.labels(row[None])[0])
            values = {symbols.at[p][t]: m.Bool(bool(row[p] == t)) for p in range(length) for t in range(len(ALPHABET))}
            for answer in (-2, 0, 1):
                formula = environment.substituter.substitute(surrogate.differs(symbols, m.Int(answer)), values)
                assert environment.simplifier.simplify(formula).is_true() == (answer != label)


def test_a_tie_is_no_label_in_both_readings():
    zeros = np.zeros((0, 3), np.int64)
    tied = Surrogate(
        zeros,
        zeros,
        np.zeros(0, np.int64),
        np.zeros((0, 3), np.int64),
        np.zeros(0, np.int64),
        np.zeros((2, 3), np.int64),
        np.zeros(2, np.int64),
        4,
    )
    assert tied.labels(np.zeros((1, 2), np.int8)).tolist() == [-1]
    environment = Environment()
    symbols = SequenceSignature(ALPHABET, ("a", "b")).symbols(environment.formula_manager, 2)
    for answer in (0, 1):
        formula = tied.differs(symbols, environment.formula_manager.Int(answer))
        assert environment.simplifier.simplify(formula).is_true()


def test_partial_sums_that_float32_could_round_are_refused():
    surrogate = fit(table_of(depth, 3), 2).surrogate
    text = json.loads(surrogate.to_json())
    text["readout_bias"][0] = 2**24
    with pytest.raises(NetworkError, match="float32 may round"):
        Surrogate.from_json(json.dumps(text))


def test_float32_evaluation_in_any_order_is_the_integer_value():
    table = table_of(latch, 5)
    s = fit(table, 2).surrogate
    sequences = table.domain.sequences(5)
    exact = s.logits(sequences)
    eye = np.eye(3, dtype=np.float32)
    unit = np.zeros((len(sequences), len(s.bias)), np.float32)
    for p in range(5):
        before = eye[sequences[:, p - 1]] @ s.before.T.astype(np.float32) if p else 0
        unit += np.maximum(eye[sequences[:, p]] @ s.here.T.astype(np.float32) + before + s.bias, 0).astype(np.float32)
    window = np.hstack(
        [eye[sequences[:, -1 - w]] if w < 5 else 0 * eye[sequences[:, 0]] for w in range(s.window)]
    ).astype(np.float32)
    features = np.hstack([unit, window])[:, ::-1]  # another order of summation
    hidden = np.maximum(features @ s.hidden[:, ::-1].T.astype(np.float32) + s.hidden_bias.astype(np.float32), 0)
    readout = np.hstack([s.readout[:, : features.shape[1]][:, ::-1], s.readout[:, features.shape[1] :]])
    logits = np.hstack([features, hidden]) @ readout.T.astype(np.float32) + s.readout_bias.astype(np.float32)
    assert np.array_equal(logits, exact)


def test_text_round_trip():
    surrogate = fit(table_of(lookup, 4), 2).surrogate
    again = Surrogate.from_json(surrogate.to_json())
    assert again.to_json() == surrogate.to_json()
    sequences = Domain(ALPHABET).sequences(4)
    assert np.array_equal(again.logits(sequences), surrogate.logits(sequences))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"before": 1}', '{"alphabet": 3}'])
def test_text_that_is_no_surrogate_is_one_clear_error(text):
    with pytest.raises(NetworkError, match="surrogate"):
        Surrogate.from_json(text)


def test_wrong_shapes_name_the_tensor():
    text = json.loads(fit(table_of(depth, 3), 2).surrogate.to_json())
    text["readout"] = text["readout"][:1]
    with pytest.raises(NetworkError, match="readout should have shape"):
        Surrogate.from_json(json.dumps(text))
