"""Labels of every sequence: given beyond all rounding, undecided at ties, merged only where rows must behave alike."""

from concurrent.futures import Executor, Future
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cegis import Constraint, Domain
from tasks.bounds import interpreter, operations, workers, zonotope_interpreter
from tasks.bounds.ball import FLOAT32, FLOAT64, Ball, RoundoffError
from tasks.bounds.interpreter import assumption, enclose, needed
from tasks.formats import Loaded, Question, from_callable, from_circuit
from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path
from tasks.networks.readout import UNDECIDED, Argmax, Rounded, TokenSet
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Attention, Mask, Residual, Transformer
from tasks.proofs import enumeration
from tasks.proofs.circuit_labels import label_domain
from tasks.proofs.enumeration import (
    FIRST,
    LateError,
    enumerate_domain,
    enumerate_within,
    few,
    in_float64,
    narrowed,
    read_bounds,
    shortened,
)

AB = ("a", "b")


def attention(**options):
    """The mean of the tokens that are seen, as one-hot shares."""
    zero = (Affine(np.zeros((1, 2))),)
    return Attention(zero, zero, (Affine(np.eye(2)),), 1, 1.0, **options)


def counting(*, bias=0.0, dtype="float32", position="last"):
    """Logits: share of a minus share of b, and ``bias``."""
    head = Affine(np.array([[1.0, -1.0], [0.0, 0.0]]), np.array([0.0, bias]))
    network = Transformer(np.eye(2), None, (attention(), head), 12, dtype)
    readout = Argmax(("more a", "more b"), (0, 1), position)
    return Loaded("counting", "test", network, AB, (), (), Domain(AB, 1, 12), readout)


def test_every_label_is_the_majority_and_ties_have_none():
    found = enumerate_domain(counting(), Domain(AB, 1, 8))
    for part in found.lengths:
        lead = (part.sequences == 0).sum(axis=1) - (part.sequences == 1).sum(axis=1)
        assert (part.labels == np.where(lead == 0, UNDECIDED, np.where(lead > 0, 0, 1))).all()
        assert ((part.margins > 0) == (part.labels != UNDECIDED)).all()
    assert found.undecided == 2 + 6 + 20 + 70
    assert found.counts()[0] == found.counts()[1]


def test_with_time_every_length_is_listed_and_without_it_the_first_few():
    domain = Domain(AB, 1, 12)
    assert enumerate_within(counting(), domain, 60).domain == domain
    short = enumerate_within(counting(), domain, 0.0)
    assert short.domain == shortened(domain, FIRST) == Domain(AB, 1, 7)
    assert short.counts() == enumerate_domain(counting(), Domain(AB, 1, 7)).counts()


def test_sequences_that_are_listed_already_take_no_time_again():
    first = enumerate_domain(counting(), Domain(AB, 1, 5))  # 62, and of length 6 there are 64
    found = replace(first, seconds=10_000 * 62 / 96)  # so that 96 more are expected in 10,000 seconds
    assert enumerate_within(counting(), Domain(AB, 1, 6), 10_000, first=found).domain == Domain(AB, 1, 6)
    found = replace(first, seconds=10_000 * 62 / 48)
    assert enumerate_within(counting(), Domain(AB, 1, 6), 10_000, first=found).domain == Domain(AB, 1, 5)


def timed(monkeypatch, cost):
    """A clock on which ``cost(length)`` seconds pass for each sequence that is bounded; returns what was bounded."""
    clock, bounded, usual = [0.0], [], enumeration._answers

    def answers(loaded, batches, *rest):
        clock[0] += sum(len(batch) * cost(batch.shape[1]) for batch in batches)
        bounded.extend(tuple(row) for batch in batches for row in batch.tolist())
        return usual(loaded, batches, *rest)

    monkeypatch.setattr(enumeration, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(enumeration, "_answers", answers)
    return bounded


class InOrder(Executor):
    """Computes a part when it is waited for."""

    def submit(self, function, /, *arguments, **named):
        future = Future()
        future.result = lambda timeout=None: function(*arguments, **named)
        future.set_result(None)
        return future


SLOW = {11: 10.0, 12: 10.0}  # times as long, which the shorter ones do not tell


def test_lengths_that_turn_out_to_take_too_long_are_left_out_and_what_was_listed_is_kept(monkeypatch):
    whole = {part.sequences.shape[1]: part for part in enumerate_domain(counting(), Domain(AB, 1, 12)).lengths}
    bounded, said = timed(monkeypatch, lambda length: 0.01 * SLOW.get(length, 1.0)), []
    found = enumerate_within(counting(), Domain(AB, 1, 12), 300.0, on_progress=lambda *done: said.append(done))
    assert found.domain == Domain(AB, 1, 11)
    for part in found.lengths:
        same = whole[part.sequences.shape[1]]
        assert np.array_equal(part.sequences, same.sequences)
        assert np.array_equal(part.labels, same.labels)
        assert np.allclose(part.margins, same.margins, rtol=1e-4)  # blocks are others
    assert len(bounded) == len(set(bounded))  # none twice
    assert 0 < sum(len(row) == 12 for row in bounded) < 4096  # begun and left out
    assert said[-1] == (found.size, found.size)


def test_by_workers_lengths_are_left_out_as_well(monkeypatch):
    monkeypatch.setattr(enumeration, "_part", lambda loaded: 300)
    timed(monkeypatch, lambda length: 0.01 * SLOW.get(length, 1.0))
    with workers.lent(InOrder()):
        found = enumerate_within(counting(), Domain(AB, 1, 12), 300.0)
    assert found.domain == Domain(AB, 1, 11)
    assert found.counts() == enumerate_domain(counting(), Domain(AB, 1, 11)).counts()


def test_where_no_longer_length_can_be_listed_in_time_the_first_ones_stay(monkeypatch):
    bounded = timed(monkeypatch, lambda length: 0.01 if length < 10 else 1.0)
    found = enumerate_within(counting(), Domain(AB, 1, 12), 300.0)
    assert found.domain == Domain(AB, 1, 9)
    assert sum(len(row) > 9 for row in bounded) < 300


def test_what_is_ready_behind_the_deadline_is_kept(monkeypatch):
    costs = iter([0.9, 1.2])  # of the two halves of length 10
    timed(monkeypatch, lambda length: 0.01 if length < 10 else next(costs))
    monkeypatch.setattr(enumeration, "LEAST", 512)
    first = replace(enumerate_domain(counting(), Domain(AB, 1, 9)), seconds=900.0)
    found = enumerate_within(counting(), Domain(AB, 1, 10), 1_000.0, first=first)
    assert found.domain == Domain(AB, 1, 10)
    assert next(costs, None) is None


def test_a_domain_that_has_to_be_whole_is_late_where_time_is_too_short(monkeypatch):
    timed(monkeypatch, lambda length: 0.1)
    with pytest.raises(LateError):
        enumerate_domain(counting(), Domain(AB, 1, 12), deadline=300.0)


def test_of_a_large_network_fewer_are_listed_before_the_time_is_looked_at():
    assert few(counting()) == FIRST
    large = [replace(counting().network, positions=np.ones((rows, 2)), longest=rows) for rows in (50_000, 10**6)]
    assert [few(replace(counting(), network=network)) for network in large] == [24, 1]


def test_a_domain_that_is_bounded_again_has_the_bound_of_the_second_time():
    found, other = (enumerate_domain(counting(), Domain(AB, 1, 1), semantics=each) for each in ("float32", "float64"))
    assert in_float64(found, least=np.inf).radius == other.radius < found.radius
    assert in_float64(found).radius == found.radius  # of those that are as they were, nothing less is known


def test_a_domain_is_shortened_to_no_less_than_its_shortest_sequences():
    assert shortened(Domain(AB, 5, 9), 96) == Domain(AB, 5, 6)
    assert shortened(Domain(AB, 5, 9), 1) == Domain(AB, 5, 5)
    assert shortened(Domain(AB, 5, 9), 10_000) == Domain(AB, 5, 9)
    three = Constraint("a a a", ((1, -1), (2, -1), (3, -1), (-1, -1)), (False, False, False, True))
    assert shortened(Domain(AB, 1, 9, three), 1) == Domain(AB, 1, 9, three)


def test_a_network_without_positions_costs_as_much_as_its_counts():
    found = enumerate_domain(counting(), Domain(AB, 12, 12))
    assert (found.size, found.classes) == (4096, 24)  # the last token, with the number of a before it


def test_labels_at_every_position_are_read_at_every_position():
    found = enumerate_domain(counting(bias=2.0**-7, position="every"), Domain(AB, 3, 3))
    assert found.lengths[0].labels.shape == (8, 3)
    assert found.lengths[0].labels[0b011].tolist() == [0, 1, 1]


@pytest.mark.parametrize(("semantics", "is_decided"), [("float32", False), ("float64", True), ("real", True)])
def test_a_margin_that_float32_may_round_away_is_undecided_there(semantics, is_decided):
    found = enumerate_domain(counting(bias=2.0**-24), Domain(AB, 2, 2), semantics=semantics)
    tied = found.lengths[0].labels[[0b01, 0b10]]
    assert tied.tolist() == [1 if is_decided else UNDECIDED] * 2


def test_float32_is_refused_of_weights_that_are_no_float32_numbers():
    with pytest.raises(NetworkError, match="no float32 numbers"):
        enumerate_domain(counting(dtype="float64"), Domain(AB, 1, 2), semantics="float32")
    assert enumerate_domain(counting(dtype="float64"), Domain(AB, 1, 2)).semantics == "float64"


def test_another_alphabet_and_an_empty_domain_are_refused():
    with pytest.raises(NetworkError, match="expected a domain over a, b"):
        enumerate_domain(counting(), Domain(("a", "c"), 1, 2))
    with pytest.raises(RoundoffError):
        enclose(counting().network, [np.zeros((1, 1), int)], 2.0**-11)


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_circuits_get_the_labels_of_their_own_executor(name):
    circuit = load_circuit(shipped_path(name))
    domain = circuit.domain.up_to(min(6, circuit.domain.max_length))
    mine, theirs = enumerate_domain(from_circuit(circuit), domain), label_domain(circuit, domain)
    for part, other in zip(mine.lengths, theirs.lengths, strict=True):
        assert np.array_equal(np.where(part.labels == UNDECIDED, -1, part.labels), other.labels)
    assert mine.margin == pytest.approx(theirs.margin, rel=1e-3)


def test_a_black_box_has_labels_and_no_bound():
    box = from_callable(
        lambda ids: np.stack([(ids == 0).sum(axis=1), (ids == 1).sum(axis=1)], axis=1).astype(float),
        vocabulary=AB, longest=6, question=Question(lengths=(1, 4)),
    )  # fmt: skip
    found = enumerate_domain(box, box.domain)
    assert not found.is_bounded
    assert "no rounding error is bounded" in found.meaning
    assert found.undecided == 2 + 6


def test_hidden_tokens_are_seen_by_no_row():
    """Two prompts that differ in hidden tokens alone are one class where their own tokens are equal."""
    network = Transformer(np.eye(2), None, (attention(hidden=(1,), sink=np.zeros(1)),), 4, "float64")
    stream = enclose(network, [np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]])], FLOAT64)
    assert np.allclose(stream.x.center[stream.places[0][:, -1], 0], [1 / 2, 2 / 3, 3 / 4])
    with pytest.raises(NetworkError, match="sees no token at all"):
        enclose(Transformer(np.eye(2), None, (attention(hidden=(1,)),), 4), [np.array([[1, 0]])], FLOAT64)


def test_what_a_mask_or_a_zero_map_throws_away_is_left_out():
    masked = Residual((attention(), Mask("out", np.zeros(2, bool), np.array([0.5, 0.25]))))
    zeroed = Residual((attention(), Affine(np.zeros((2, 2)), np.array([1.0, 0.0]))))
    network = Transformer(np.eye(2), None, (masked, zeroed), 8)
    steps = needed(network, FLOAT32)
    assert all(len(step.steps) == 1 and isinstance(step.steps[0], Affine) for step in steps)
    stream = enclose(network, [np.array([[0, 1, 0, 0]])], FLOAT32)
    assert np.allclose(stream.x.center[stream.places[0][0]], np.eye(2)[[0, 1, 0, 0]] + [1.5, 0.25])
    assert len(stream.x) == 2


def test_assumptions_name_the_kernels_that_are_used():
    plain = assumption(counting().network)
    assert "tanh within 4 ulp" in plain
    assert operations.SPARSEMAX not in plain
    steps = (attention(weighting="sparsemax"), Activation("gelu_tanh"))
    said = assumption(Transformer(np.eye(2), None, steps, 4))
    assert plain in said
    assert operations.SPARSEMAX in said


@pytest.mark.parametrize(
    ("readout", "center", "least"),
    [
        (Argmax(AB, (0, 1)), [1.0, 0.75], 0.125),
        (TokenSet(AB, (0, 1)), [0.125, -3.0], 0.125),
        (Rounded(0), [0.375, 9.0], 0.125),
    ],
)
def test_a_label_is_given_exactly_where_the_bound_is_below_the_margin(readout, center, least):
    for radius, is_given in ((0.99 * least, True), (least, False), (np.inf, False)):
        logits = Ball(np.array([center]), np.array([[radius, radius]]))
        labels, margins = read_bounds(readout, logits)
        assert (labels[0] != UNDECIDED) == is_given
        assert (margins[0] > 0) == is_given


def test_outputs_that_are_not_read_change_nothing():
    circuit = from_circuit(load_circuit(shipped_path("bracket_depth")))
    domain = circuit.domain.up_to(4)
    wide = replace(circuit, readout=Argmax(circuit.vocabulary, tuple(range(len(circuit.vocabulary)))))
    narrow = narrowed(circuit, FLOAT32)
    assert narrow.network.outputs == 2 < circuit.network.outputs
    assert narrowed(wide, FLOAT32).network.outputs == circuit.network.outputs
    for length in domain.lengths:
        sequences = domain.sequences(length)
        assert np.allclose(narrow.logits(sequences), circuit.logits(sequences)[:, list(circuit.readout.columns)])
        assert (narrow.labels(sequences)[0] == circuit.labels(sequences)[0]).all()


@pytest.mark.parametrize("bounds", [interpreter, zonotope_interpreter])
def test_last_rows_alone_have_the_bounds_that_they_have_among_all(bounds):
    for name in ("bracket_depth", "bracket_dilution", "variable_type"):
        loaded = from_circuit(load_circuit(shipped_path(name)))
        domain = loaded.domain.up_to(loaded.domain.min_length + 3)
        prompts = [loaded.prompts(domain.sequences(length)) for length in domain.lengths]
        every, last = (bounds.enclose(loaded.network, prompts, FLOAT32, at_end=at_end) for at_end in (False, True))
        assert len(last.x) <= len(every.x)
        for rows, ends in zip(every.places, last.places, strict=True):
            assert ends.shape == (len(rows), 1)
            one, other = every.x[rows[:, -1]], last.x[ends[:, 0]]
            assert np.allclose(one.center, other.center, rtol=1e-12, atol=1e-14)
            assert np.allclose(one.radius, other.radius, rtol=1e-9, atol=1e-16)
