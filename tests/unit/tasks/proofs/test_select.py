"""The method fits the structure, says why, and whichever it is, the verdict on a program is the same."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from counted_circuits import COUNTED, DEPTH, OPENER, program, shipped
from random_circuits import random_circuit

from cegis import Counterexample, Domain, DomainError, Exhaustive, Rung, Unknown, Valid
from tasks.formats import model_of
from tasks.networks.circuit import Circuit
from tasks.pipeline.extend import followed
from tasks.proofs import attention_bounds, count_bounds, select
from tasks.proofs.circuit_labels import as_table, label_domain
from tasks.proofs.select import LONGEST, VERIFIERS, Method, Way, choose, verifier
from tasks.proofs.verifier import Verifier

LISTED = Method(Way.ENUMERATION, "a test asks for it", 9)
CHOICE = "    return '.add' if '=set()' in tokens else '+='"


@pytest.mark.parametrize("name", COUNTED)
def test_few_sequences_are_listed_and_many_counted(name: str) -> None:
    circuit = shipped(name)
    few, many = choose(circuit, 6), choose(circuit, 200)
    assert (few.way, few.longest) == (Way.ENUMERATION, 6)
    assert "sequences can be listed" in few.reason
    assert (many.way, many.longest) == (Way.COUNTING, 200)
    assert many.sentence.startswith("counting, because attention ignores the order of tokens")


def test_what_stands_against_counting_is_named_with_where_listing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = shipped("variable_type")
    whole = choose(circuit, 64)
    assert (whole.way, whole.longest) == (Way.ENUMERATION, 16)
    assert "embeds positions" in whole.reason
    assert "no longer sequences (of 16 tokens)" in whole.reason
    monkeypatch.setattr(select, "MAX_SEQUENCES", 10_000)
    some = choose(circuit, 64, most=10)
    assert some.longest == 10
    assert "up to 11 there are more than 10,000 sequences" in some.reason
    monkeypatch.setattr(select, "MAX_SEQUENCES", 2)
    with pytest.raises(DomainError, match="no length has between 1 and 2"):
        choose(circuit, 64, most=2)


def test_two_layers_that_attend_are_listed_beyond_the_file_without_positions() -> None:
    both = random_circuit(0)
    found = choose(both, 30)
    assert found.way == Way.ENUMERATION
    assert "2 layers attend" in found.reason
    assert both.network.config.block_size < found.longest < 30


@pytest.mark.parametrize("length", [0, -3, LONGEST + 1, 10**9])
def test_a_length_that_makes_no_sense_is_refused(length: int) -> None:
    with pytest.raises(DomainError, match="expected a length from 1 to 4,096"):
        choose(shipped("quote_closing"), length)


@pytest.mark.parametrize(("name", "body"), [("bracket_depth", DEPTH), ("quote_closing", OPENER)])
def test_listing_and_counting_give_the_same_claim_but_for_its_rung(name: str, body: str) -> None:
    circuit = shipped(name)
    counted = Method(Way.COUNTING, "a test asks for it", 9)
    verdicts = [verifier(circuit, method, 9).check(program(circuit, body)) for method in (LISTED, counted)]
    (listed,), (bounded,) = (verdict.claims for verdict in verdicts if isinstance(verdict, Valid))
    assert (listed.rung, bounded.rung) == (Rung.ENUMERATED, Rung.BOUNDED)
    assert (listed.domain, listed.semantics, listed.sequences) == (bounded.domain, bounded.semantics, bounded.sequences)


def test_listing_finds_the_first_exception_of_the_shortest_length() -> None:
    circuit = shipped("variable_type")
    domain = circuit.domain.up_to(9)
    exhaustive = Exhaustive(as_table(circuit, label_domain(circuit, domain)))
    wrong = program(circuit, CHOICE)
    verdict = verifier(circuit, LISTED, 9).check(wrong)
    assert verdict == exhaustive.check(wrong)
    assert isinstance(verdict, Counterexample)
    found = followed(circuit, wrong, longest=9)
    assert (found.found.equal_up_to, found.found.counterexample) == (len(verdict.inputs) - 1, verdict)


def test_a_tie_in_a_list_is_unknown_and_ends_the_claim() -> None:
    circuit = random_circuit(1, n_layer=1)
    head, bias = (np.zeros_like(circuit.network.tensors[n]) for n in ("lm_head.weight", "final_logits_bias"))
    tied = replace(
        circuit,
        network=replace(
            circuit.network,
            tensors={**circuit.network.tensors, "lm_head.weight": head, "final_logits_bias": bias},
        ),
    )
    for way in VERIFIERS:
        obstacles = {Way.COUNTING: count_bounds.obstacle, Way.COVERING: attention_bounds.obstacle}
        hindered = obstacles.get(way, lambda _: None)
        if hindered(model_of(tied)) is None:
            verdict = verifier(tied, Method(way, "a test", 3), 3).check(program(tied, "    return 'yes'"))
            assert isinstance(verdict, Unknown)
            assert "has no label" in verdict.reason
            assert verdict.claims == ()


@pytest.mark.parametrize("way", VERIFIERS)
def test_spent_time_and_an_interrupt_claim_only_what_was_finished(way: Way) -> None:
    circuit, depth = shipped("bracket_depth"), program(shipped("bracket_depth"), DEPTH)

    def interrupt(length: int, longest: int) -> None:
        if length == 4:
            raise KeyboardInterrupt

    method = Method(way, "a test asks for it", 9)
    late = verifier(circuit, method, 9, seconds=1e-9).check(depth)
    stopped = verifier(circuit, method, 9, on_length=interrupt).check(depth)
    assert isinstance(late, Unknown)
    assert isinstance(stopped, Unknown)
    assert "time limit" in late.reason
    assert late.claims == ()
    assert stopped.reason == "interrupted at length 5"
    assert [claim.domain.max_length for claim in stopped.claims] == [4]


@pytest.mark.parametrize("semantics", ["float32", "float64"])
def test_a_horizon_by_listing_is_that_by_counting(semantics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, body = shipped("bracket_dilution"), "    return ']]' if 2 * tokens.count('[') > len(tokens) else ']'"
    told: list[int] = []
    options = {"longest": 8, "semantics": semantics, "on_length": lambda length, longest: told.append(length)}
    listed = followed(circuit, program(circuit, body), **options)
    monkeypatch.setattr("tasks.pipeline.extend.FEW", 10)
    counted = followed(circuit, program(circuit, body), **options)
    assert (listed.method.way, counted.method.way) == (Way.ENUMERATION, Way.COUNTING)
    by_listing, by_counting = listed.found, counted.found
    assert (by_listing.equal_up_to, by_listing.stopped) == (by_counting.equal_up_to, by_counting.stopped)
    assert told
    assert by_listing.counterexample is not None
    assert by_counting.counterexample is not None
    assert len(by_listing.counterexample.inputs) == len(by_counting.counterexample.inputs)


def test_the_cost_of_every_length_is_told() -> None:
    circuit = shipped("quote_closing")
    began = time.process_time()
    found = followed(circuit, program(circuit, OPENER), longest=256)
    costs = found.found.costs
    assert [cost.length for cost in costs] == list(range(1, 30))
    assert 0 < costs[-1].cpu_seconds <= time.process_time() - began
    assert all(one.cpu_seconds <= other.cpu_seconds for one, other in pairwise(costs))
    assert costs[-1].nodes > costs[15].nodes
    assert found.claims[0].rung == Rung.BOUNDED
    nowhere = followed(circuit, program(circuit, "    return '\"'"), longest=20)
    assert (nowhere.claims, nowhere.found.equal_up_to) == ((), 0)
    assert nowhere.sentence.startswith("is proved at no length; breaks at length 1: ")


def test_an_examiner_holds_no_empty_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit: Circuit = shipped("variable_type")
    with pytest.raises(DomainError, match="proves nothing"):
        verifier(replace(circuit, domain=Domain(circuit.domain.alphabet, 1, 2, circuit.domain.constraint)), LISTED, 2)
    assert issubclass(type(verifier(circuit, LISTED, 3)), Verifier)


def placed(circuit: Circuit, size: float, longest: int) -> Circuit:
    """The circuit with small random positions for so many tokens."""
    network = circuit.network
    config = replace(network.config, positions=True, block_size=longest)
    table = size * np.random.default_rng(0).standard_normal((longest, config.d_model))
    tensors = {**network.tensors, "transformer.wpe.weight": table.astype(np.float32)}
    return replace(circuit, network=replace(network, config=config, tensors=tensors))


def test_one_layer_with_positions_is_covered_as_far_as_positions_go() -> None:
    found = choose(placed(shipped("quote_closing"), 1e-3, 41), 64)
    assert (found.way, found.longest) == (Way.COVERING, 40)
    assert "one layer attends" in found.sentence


@pytest.mark.slow
def test_covering_finds_what_counting_finds() -> None:
    circuit = shipped("quote_closing")
    written = program(circuit, OPENER)
    for reach, is_valid in ((29, True), (31, False)):
        domain = circuit.domain.up_to(reach)
        covered = VERIFIERS[Way.COVERING](circuit, domain).check(written)
        counted = VERIFIERS[Way.COUNTING](circuit, domain).check(written)
        assert isinstance(covered, Valid) == isinstance(counted, Valid) == is_valid
        if isinstance(covered, Counterexample) and isinstance(counted, Counterexample):
            assert len(covered.inputs) == len(counted.inputs) == 30


@pytest.mark.parametrize("size", [1e-3, 0.3])
def test_covering_with_positions_says_what_listing_says(size: float) -> None:
    circuit = placed(shipped("quote_closing"), size, 17)
    domain, written = circuit.domain.up_to(8), program(circuit, OPENER)
    covered = VERIFIERS[Way.COVERING](circuit, domain, "float64").examine(written)
    listed = VERIFIERS[Way.ENUMERATION](circuit, domain, "float64").examine(written)
    assert (covered.equal_up_to, covered.counterexample is None) == (listed.equal_up_to, listed.counterexample is None)
    assert (size > 0.1) == (listed.counterexample is not None)
