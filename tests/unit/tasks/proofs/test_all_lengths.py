"""Every length at once: proved where the answer settles, never where it does not."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from counted_circuits import DILUTED, OPENER, one_hop, program, shipped
from quick import examples
from random_circuits import naive_logits, with_tensors

from cegis import Claim, Constraint, Domain, DomainError, Exhaustive, Program, Rung, motifs
from dsl.grammars.motifs import CHOOSE, FIRST, GREATER, LENGTH, at_least, constant, is_token, label, times
from tasks.bounds.ball import FLOAT64
from tasks.formats import from_circuit
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.all_lengths import Capped, _OpenError, _Tail, all_lengths
from tasks.proofs.circuit_labels import as_table, label_domain
from tasks.proofs.count_bounds import Tally
from tasks.proofs.counting import counting_verifier


def biased(seed: int, **options: object) -> Circuit:
    """A random circuit of one attention layer that leans to its first label, so that its answer often settles."""
    circuit = one_hop(seed, n_layer=1, **options)
    bias = np.array(circuit.network.tensors["final_logits_bias"])
    bias[circuit.label_ids[0]] += 8 * (seed % 2)
    return with_tensors(circuit, final_logits_bias=bias)


def test_quote_closing_is_proved_for_every_length() -> None:
    circuit = shipped("quote_closing")
    claim = all_lengths(circuit, program(circuit, DILUTED))
    assert isinstance(claim, Claim)
    assert (claim.rung, claim.semantics, claim.domain.max_length) == (Rung.ALL_LENGTHS, "real arithmetic", None)
    assert "on all sequences of length 1 or more (exactly one quote), in real arithmetic" in claim.sentence


def test_what_is_proved_for_every_length_holds_on_long_sequences() -> None:
    circuit = shipped("quote_closing")
    diluted, tally, rng = program(circuit, DILUTED), Tally(circuit, FLOAT64), np.random.default_rng(0)
    for length in (65, 150):
        row = rng.integers(2, 4, length)
        row[rng.integers(length)] = rng.integers(2)
        wide = replace(circuit.network, config=replace(circuit.network.config, block_size=1000))
        ids = circuit.prompt_ids(row[None].astype(np.int8))[0]
        logits = naive_logits(replace(circuit, network=wide), ids, np.float64)
        assert circuit.labels[int(logits.argmax())] == diluted(circuit.domain.words(row))
    for _ in range(200):
        last, quote = int(rng.integers(4)), int(rng.integers(2))
        counts = rng.integers(1, 10 ** rng.integers(2, 9, 4))
        counts[:2] = np.arange(2) == (last if last < 2 else quote)
        label, _ = tally.ideal(counts[None].astype(float), counts[None].astype(float), last)
        expected = "'" if counts[0] else '"' if counts.sum() < 30 or last == 1 else "'"
        assert circuit.labels[int(label[0])] == expected


def test_a_program_that_breaks_far_out_is_not_proved() -> None:
    circuit = shipped("quote_closing")
    good = program(circuit, DILUTED)
    far = times(12)(times(12)(constant(10)()))  # 1,440
    late = Program(CHOOSE(GREATER(LENGTH(), far), label(0, "'")(), good.term), good.grammar)
    assert all_lengths(circuit, late).startswith("long sequences are not decided: ")
    assert "beyond length 29" in all_lengths(circuit, program(circuit, OPENER))
    just_before = all_lengths(circuit, program(circuit, OPENER), longest=29)  # the network turns at length 30
    assert isinstance(just_before, str)
    assert just_before.startswith("long sequences are not decided: ")
    parity = program(circuit, DILUTED.replace("tokens[-1] == '\"'", "sum(token == 'x' for token in tokens) % 2 == 1"))
    assert isinstance(all_lengths(circuit, parity), str)


@pytest.mark.slow
def test_no_claim_for_every_length_is_contradicted_by_longer_sequences(derive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.proofs.all_lengths.MOST_BOXES", 2000)
    claimed = refused = 0
    for seed in range(examples(8)):
        circuit = biased(seed, sink=bool(seed % 2), top_k_fraction=0.5 if seed % 4 == 2 else None)
        rule = Constraint("no b before an a", ((0, 1, 0), (-1, 1, 1)), (True, True)) if seed % 3 else None
        circuit = replace(circuit, domain=Domain(circuit.domain.alphabet, 1, 4, rule))
        longer = counting_verifier(circuit, circuit.domain.up_to(7), semantics="float64")
        labelling = label_domain(circuit, longer.domain, unit_roundoff=FLOAT64)
        grammar, choose = motifs(circuit.domain.alphabet, circuit.labels), Random(seed).choice
        terms = [label(n, text)() for n, text in enumerate(circuit.labels)]
        for term in [*terms, *(derive(grammar, "Label", 9, choose) for _ in range(6))]:
            candidate = Program(term, grammar)
            wrong = Exhaustive(as_table(circuit, labelling)).exceptions(candidate)
            if isinstance(all_lengths(circuit, candidate, longest=4), Claim):
                assert not wrong
                claimed += 1
            refused += bool(wrong)
    assert claimed >= 3
    assert refused >= 20


def test_states_that_grow_without_end_and_an_empty_domain_are_refused() -> None:
    circuit = shipped("quote_closing")
    good = program(circuit, DILUTED)
    first = at_least(1)(FIRST(is_token(2, "x")()))
    growing = Program(CHOOSE(first, good.term, good.term), good.grammar)
    assert all_lengths(circuit, growing, longest=20) == "'first' has ever more values as sequences grow"
    nothing = replace(circuit, domain=Domain(circuit.domain.alphabet, 1, 4, Constraint("none", ((-1,) * 4,), (False,))))
    with pytest.raises(DomainError, match="proves nothing"):
        all_lengths(nothing, good)


def test_nothing_is_claimed_of_an_empty_prompt() -> None:
    circuit = biased(3, sink=True, prefix=())
    circuit = replace(circuit, domain=Domain(circuit.domain.alphabet, 1, 4))
    settled = Program(label(0, circuit.labels[0])(), motifs(circuit.domain.alphabet, circuit.labels))
    with_empty = Domain(circuit.domain.alphabet, 0, 4)
    with pytest.raises(NetworkError, match="the empty sequence is no prompt"):
        counting_verifier(circuit, with_empty, semantics="float64")
    assert "of length 1 or more" in all_lengths(circuit, settled).sentence


def test_classes_of_long_sequences_are_not_followed_beyond_the_time_limit(monkeypatch) -> None:
    def unasked(*told: object) -> None:
        raise AssertionError("no class is followed when the time is up")

    circuit = shipped("quote_closing")
    monkeypatch.setattr(Capped, "step", unasked)
    tail = _Tail(from_circuit(circuit), program(circuit, DILUTED), circuit.domain, deadline=0.0)
    with pytest.raises(_OpenError, match="time limit"):
        tail.prove()


def test_what_was_not_compared_in_time_is_not_called_unequal() -> None:
    circuit = shipped("quote_closing")
    reason = all_lengths(circuit, program(circuit, DILUTED), seconds=1e-9)
    assert reason.startswith("not compared (stopped by the time limit of 1e-09 s at length ")
    assert "not equal" not in reason
