"""Counting proves what enumeration proves, finds what it refutes, and never says more than it knows."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from counted_circuits import COUNTED, DEPTH, DILUTED, OPENER, one_hop, program, shipped, up_to, verifier
from quick import examples, sliced
from random_circuits import CONFIGS, naive_logits, random_circuit, with_kept, with_tensors

from cegis import (
    Budget,
    Constraint,
    Counterexample,
    Domain,
    DomainError,
    Exhaustive,
    Found,
    Program,
    Rung,
    Spec,
    Unknown,
    Valid,
    motifs,
    synthesize,
)
from dsl.grammar import Grammar, Production
from dsl.operators import INT, LABEL, Operator
from tasks.bounds.ball import FLOAT32, FLOAT64
from tasks.networks.circuit import UNDECIDED
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.extend import followed
from tasks.proofs import census, counting
from tasks.proofs.circuit_labels import as_table, label_domain, label_sequences
from tasks.proofs.count_bounds import UNKNOWN, Tally, obstacle
from tasks.proofs.counting import counting_verifier


def points(tally: Tally, domain: Domain, sequences: np.ndarray) -> np.ndarray:
    """The label of each sequence, from its counts and its last token."""
    letters = np.arange(len(domain.alphabet))
    counts = (sequences[:, :, None] == letters).sum(axis=1)
    labels = np.full(len(sequences), UNDECIDED)
    for last in letters:
        rows = sequences[:, -1] == last
        labels[rows] = np.maximum(tally.points(counts[rows], int(last))[0], UNDECIDED)
    return labels


# --- the structure ----------------------------------------------------------------------------------------------


def test_the_obstacle_is_named_where_order_matters() -> None:
    assert "embeds positions" in str(obstacle(shipped("variable_type")))
    both = random_circuit(0)
    assert "2 layers attend" in str(obstacle(both))
    assert counting_verifier(both, both.domain) == obstacle(both)
    assert [obstacle(shipped(name)) for name in COUNTED] == [None] * 4


def test_another_alphabet_or_an_empty_domain_is_refused() -> None:
    circuit = shipped("bracket_dilution")
    with pytest.raises(NetworkError, match="expected a domain over"):
        counting_verifier(circuit, Domain(("[", "]"), 1, 4))
    nothing = Constraint("nothing", ((0, 0, 0),), (False,))
    with pytest.raises(DomainError, match="proves nothing"):
        counting_verifier(circuit, Domain(circuit.domain.alphabet, 1, 4, nothing))


# --- bounds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sliced([name for name in CONFIGS if name != "positions"], 3))
@pytest.mark.parametrize("prefix", [("<s>",), (), ("<s>", "a")])
def test_logits_from_counts_contain_every_execution(name: str, prefix: tuple[str, ...]) -> None:
    options = {"n_layer": 2, **CONFIGS[name]}
    circuit = one_hop(3, layer=options["n_layer"] - 1, prefix=prefix, **options)
    tally, decided = Tally(circuit, FLOAT32), 0
    rng, read = np.random.default_rng(0), list(tally._readout.columns)
    for _ in range(12):
        sequence = rng.integers(0, 3, (1, int(rng.integers(1, 10)))).astype(np.int8)
        counts = np.bincount(sequence[0], minlength=3)[None].astype(float)
        logits, _ = tally._logits(counts, counts, int(sequence[0, -1]), 9)
        ids = circuit.prompt_ids(sequence)[0]
        for dtype in (np.float64, np.float32):
            off = np.abs(naive_logits(circuit, ids, dtype) - logits.center[0, read])
            assert (off <= logits.radius[0, read]).all()
        decided += bool((logits.radius < 0.1).all())
    assert decided >= 6  # the bounds say something


@pytest.mark.parametrize("seed", range(4))
def test_a_box_contains_all_of_its_points(seed: int) -> None:
    circuit = one_hop(seed, sink=bool(seed % 2), top_k_fraction=0.5 if seed > 1 else None)
    tally, rng = Tally(circuit, FLOAT64), np.random.default_rng(seed)
    low = rng.integers(0, 6, (30, 3)).astype(float)
    low[:, 0] += 1
    high = low + rng.integers(0, 4, (30, 3))
    box, _ = tally._logits(low, high, 0, 40)
    for share in (np.zeros((30, 3)), np.ones((30, 3)), rng.random((30, 3))):
        inside = np.round(low + share * (high - low))
        point, _ = tally._logits(inside, inside, 0, 40)
        assert (np.abs(point.center - box.center) <= box.radius + 1e-9).all()


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("unit_roundoff", sliced([FLOAT32, FLOAT64], 3))
def test_counts_and_enumeration_label_every_sequence_alike(name: str, unit_roundoff: float) -> None:
    circuit = shipped(name)
    tally = Tally(circuit, unit_roundoff)
    labelling = label_domain(circuit, circuit.domain.up_to(8), unit_roundoff=unit_roundoff)
    for part in labelling.lengths:
        if len(part.labels):
            assert (points(tally, labelling.domain, part.sequences) == part.labels).all()


@pytest.mark.parametrize("name", ["bracket_depth", "bracket_dilution"])
def test_boxes_and_points_never_disagree(name: str) -> None:
    tally, longest, decided = Tally(shipped(name), FLOAT32), 20, 0
    for last in range(3):
        canvas, margin = tally.paint(last, longest, lambda: None)
        counts = np.array([n for n in np.ndindex(21, 21, 21) if sum(n) <= longest and n[last]])
        labels, margins = tally.points(counts, last)
        painted = canvas[tuple(counts.T)]
        both = (painted != UNKNOWN) & (labels >= 0)
        assert (np.array(tally.seen)[painted[both]] == labels[both]).all()
        assert margin <= margins[both].min()
        decided += both.mean() / 3
    assert decided > 0.99


def test_a_key_that_towers_over_all_others_decides_nothing_wrongly() -> None:
    circuit = with_kept(one_hop(5, n_layer=1), {"0.attn.q": True, "0.attn.k": True})
    weight = np.array(circuit.network.tensors["transformer.h.0.attn.c_attn.weight"])
    loud = with_tensors(circuit, transformer__h__0__attn__c_attn__weight=weight * 40)
    sequences = loud.domain.sequences(4)
    labels = points(Tally(loud, FLOAT64), loud.domain, sequences)
    expected = label_sequences(loud, sequences, unit_roundoff=FLOAT64).labels
    both = (labels != UNDECIDED) & (expected != UNDECIDED)
    assert (labels[both] == expected[both]).all()


# --- verdicts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sliced(COUNTED, 2))
def test_random_programs_get_the_verdict_of_enumeration(name: str, derive) -> None:
    circuit = shipped(name)
    domain, grammar = circuit.domain.up_to(6), motifs(circuit.domain.alphabet, circuit.labels)
    exhaustive = Exhaustive(as_table(circuit, label_domain(circuit, domain)))
    counting, choose = verifier(circuit, domain), Random(name).choice
    for size in range(examples(150)):
        candidate = Program(derive(grammar, "Label", 3 + size % 12, choose), grammar)
        expected, got = exhaustive.check(candidate), counting.check(candidate)
        assert type(got) is type(expected), candidate.source()
        if isinstance(got, Counterexample) and isinstance(expected, Counterexample):
            assert len(got.inputs) == len(expected.inputs)
            assert got in exhaustive.exceptions(candidate)


@pytest.mark.parametrize("scale", [0.02, 0.1, 0.4])
def test_perturbed_weights_change_the_verdict_exactly_where_a_label_flips(scale: float) -> None:
    circuit, rng, verdicts = shipped("bracket_depth"), np.random.default_rng(7), set()
    depth = program(circuit, DEPTH)
    for _ in range(8):
        noisy = {
            name.replace(".", "__"): tensor * (1 + scale * rng.normal(size=tensor.shape))
            for name, tensor in sorted(circuit.network.tensors.items())
        }
        changed = with_tensors(circuit, **noisy)
        expected = Exhaustive(as_table(changed, label_domain(changed, changed.domain.up_to(7)))).check(depth)
        got = verifier(changed, changed.domain.up_to(7)).check(depth)
        assert type(got) is type(expected)
        verdicts.add(type(got))
    assert scale > 0.02 or Valid in verdicts
    assert scale < 0.4 or Counterexample in verdicts


def test_a_tie_is_unknown_and_says_so() -> None:
    circuit = one_hop(1, n_layer=1)
    head, bias = (np.array(circuit.network.tensors[n]) for n in ("lm_head.weight", "final_logits_bias"))
    head[:], bias[:] = head[0], 0.0
    tied = with_tensors(circuit, lm_head__weight=head, final_logits_bias=bias)
    verdict = verifier(tied, tied.domain).check(program(tied, "    return 'yes'"))
    assert isinstance(verdict, Unknown)
    assert "has no label" in verdict.reason
    assert verdict.claims == ()


def test_the_empty_sequence_is_compared_too() -> None:
    circuit = one_hop(2, n_layer=1)
    domain = Domain(circuit.domain.alphabet, 0, 3)
    grammar = motifs(domain.alphabet, circuit.labels, min_length=0)
    wide = replace(circuit, domain=domain)
    exhaustive = Exhaustive(as_table(wide, label_domain(wide, domain)))
    verdicts = set()
    for label in circuit.labels:
        constant = Program.parse(f"def program(tokens):\n    return {label!r}", grammar)
        assert type(verifier(circuit, domain).check(constant)) is type(exhaustive.check(constant))
        alone = verifier(circuit, domain.up_to(0)).check(constant)
        assert alone == exhaustive.check(constant) if isinstance(alone, Counterexample) else isinstance(alone, Valid)
        verdicts.add(type(alone))
    assert verdicts == {Valid, Counterexample}


def test_a_row_that_counting_does_not_know_is_unknown() -> None:
    circuit = shipped("bracket_dilution")
    peek = Operator("peek", (), INT, numpy=lambda s: s.lengths * 0, smt=lambda s: s.manager.Int(0), python="0")
    index = Operator("label at", (INT,), LABEL, numpy=lambda s, a: a, smt=lambda s, a: a, python="_0")
    signature = motifs(circuit.domain.alphabet, circuit.labels).signature
    grammar = Grammar(signature, "Label", (Production("Label", index, ("Number",)), Production("Number", peek)))
    verdict = verifier(circuit, circuit.domain).check(Program(index(peek()), grammar))
    assert verdict == Unknown("counting does not know the row 'peek'")


def test_labels_are_compared_by_their_names_in_whatever_order() -> None:
    circuit, body = shipped("bracket_depth"), DEPTH
    turned = motifs(circuit.domain.alphabet, ("else", *circuit.labels[::-1]))
    expected = verifier(circuit, circuit.domain).examine(program(circuit, body))
    found = verifier(circuit, circuit.domain).examine(Program.parse(program(circuit, body).source(), turned))
    assert (found.equal_up_to, found.counterexample) == (expected.equal_up_to, expected.counterexample)
    other = Program.parse("def program(tokens):\n    return 'else'", turned)
    assert verifier(circuit, circuit.domain).examine(other).counterexample.got == "else"


def test_a_program_over_another_alphabet_is_refused() -> None:
    circuit = shipped("bracket_dilution")
    grammar = motifs(circuit.domain.alphabet[::-1], circuit.labels)
    other = Program.parse("def program(tokens):\n    return ']'", grammar)
    with pytest.raises(DomainError, match="expected a program over"):
        verifier(circuit, circuit.domain).check(other)


def test_spent_time_is_unknown_and_claims_only_what_was_finished() -> None:
    circuit = shipped("bracket_depth")
    verdict = verifier(circuit, up_to(circuit, 64), seconds=1e-9).check(program(circuit, DEPTH))
    assert isinstance(verdict, Unknown)
    assert "time limit" in verdict.reason
    assert verdict.claims == ()


# --- lengths that nobody can enumerate --------------------------------------------------------------------------


def test_quote_closing_is_proved_to_length_100_with_what_dilution_makes_of_it() -> None:
    circuit = shipped("quote_closing")
    domain = up_to(circuit, 100)
    verdict = verifier(circuit, domain).check(program(circuit, DILUTED))
    assert isinstance(verdict, Valid)
    (claim,) = verdict.claims
    assert (claim.rung, claim.domain, claim.sequences) == (Rung.BOUNDED, domain, domain.size())
    assert claim.semantics == "real arithmetic and in float64 and float32 as executed"
    assert "4 token counts and the last token" in claim.method
    assert "longer than the 17 tokens" in claim.detail


@pytest.mark.parametrize(
    ("name", "body", "length"),
    [
        ("bracket_depth", DEPTH, 15),
        ("bracket_depth_deep", "    return str(tokens.count('[') - tokens.count(']'))", 15),
        ("quote_closing", OPENER, 29),
    ],
)
def test_the_horizon_is_exact_and_its_break_is_real(name: str, body: str, length: int) -> None:
    circuit = shipped(name)
    found = followed(circuit, program(circuit, body), semantics="float64")
    assert (found.found.equal_up_to, found.found.stopped) == (length, None)
    assert found.claims[0].domain == up_to(circuit, length)
    broken = found.found.counterexample
    assert broken is not None
    assert len(broken.inputs) == length + 1
    assert up_to(circuit, length + 1).contains(broken.inputs)
    tokens = np.array([circuit.domain.indices(broken.inputs)], np.int8)
    ids = verifier(circuit, up_to(circuit, 64)).model.prompts(tokens)[0]
    for dtype in (np.float64, np.float32):
        assert circuit.labels[int(naive_logits(circuit, ids, dtype).argmax())] == broken.expected != broken.got
    assert program(circuit, body)(broken.inputs) == broken.got


def test_a_horizon_says_whether_it_ended_by_a_break_or_by_its_limit() -> None:
    circuit = shipped("quote_closing")
    found = followed(circuit, program(circuit, DILUTED), longest=40)
    assert (found.sentence, found.is_proved) == ("holds up to length 40", True)
    broken = followed(circuit, program(circuit, OPENER), longest=40)
    assert broken.sentence.startswith("holds up to length 29; breaks at length 30: ")
    assert not broken.is_proved


def test_labels_by_boxes_give_the_same_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = shipped("bracket_depth")
    body = "    return ']]' if 2 * (tokens.count('[') - tokens.count(']')) > len(tokens) else ']'"
    candidates = [program(circuit, DEPTH), program(circuit, body), program(circuit, "    return ']'")]
    one_by_one = [verifier(circuit, up_to(circuit, 24), semantics="float64").examine(p) for p in candidates]
    monkeypatch.setattr(census, "MOST_POINTS", 0)
    boxed = verifier(circuit, up_to(circuit, 24), semantics="float64")
    for candidate, expected in zip(candidates, one_by_one, strict=True):
        assert boxed.examine(candidate).equal_up_to == expected.equal_up_to
        assert boxed.check(candidate) == expected.counterexample
    assert boxed._census.boxes > 100


@pytest.mark.parametrize("body", [DEPTH, "    return ']'"])
def test_lengths_labelled_together_get_the_verdicts_of_each_alone(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = shipped("bracket_depth")
    together = verifier(circuit, up_to(circuit, 20)).examine(program(circuit, body))
    monkeypatch.setattr(counting, "TOGETHER", 1)
    alone = verifier(circuit, up_to(circuit, 20)).examine(program(circuit, body))
    assert (together.equal_up_to, together.counterexample) == (alone.equal_up_to, alone.counterexample)
    assert alone.counterexample is not None


def test_the_loop_finds_a_program_by_counting_alone() -> None:
    circuit = shipped("quote_closing")
    domain = up_to(circuit, 25)
    counting = verifier(circuit, domain)
    outcome = synthesize(
        Spec(domain, lambda sequence: str((counting.label(sequence) or (None,))[0])),
        motifs(domain.alphabet, circuit.labels),
        verifier=counting,
        budget=Budget(seconds=60),
    )
    assert isinstance(outcome, Found)
    assert [claim.rung for claim in outcome.claims] == [Rung.BOUNDED]
    assert outcome.claims[0].sequences == domain.size() > 10**8
