"""A circuit's program is followed to lengths nobody can list; what is said never goes beyond what was compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from counted_circuits import program, shipped

from cegis import Counterexample, Program, Round, Rung
from dsl.grammars.motifs import CHOOSE, has
from tasks.formats import from_circuit
from tasks.pipeline import extend, labels
from tasks.pipeline.distill import distill, follow
from tasks.pipeline.report import distillation_json, distillation_text, program_text, verdict
from tasks.pipeline.sequences import Distillation
from tasks.pipeline.steps import Observer
from tasks.proofs import select
from tasks.proofs.select import Way, up_to
from tasks.proofs.verifier import lengthened

SHORT = 3_000  # sequences to search programs on


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """List little, so that searching is quick."""
    monkeypatch.setattr(labels, "FEW_SEQUENCES", SHORT)
    monkeypatch.setattr(labels, "MOST_SEQUENCES", 10 * SHORT)


def farther(name: str, length: int, **options: object) -> Distillation:
    """What is known of a shipped circuit up to ``length``."""
    model = from_circuit(shipped(name))
    domain = up_to(model, length)
    return distill(lengthened(model, domain), domain, **options)


@pytest.fixture(scope="module")
def quotes() -> Distillation:
    """The quote circuit, whose short program breaks at length 30."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "FEW_SEQUENCES", SHORT)
        return farther("quote_closing", 40)


@pytest.mark.slow
def test_a_program_that_breaks_is_replaced_by_one_that_holds_as_far_as_was_asked(quotes: Distillation) -> None:
    assert quotes.is_proved
    assert quotes.extension.method.way == Way.COUNTING
    bounded, tail = quotes.claims
    assert (bounded.rung, bounded.domain.max_length) == (Rung.BOUNDED, 40)
    assert bounded.semantics == "real arithmetic and in float64 and float32 as executed"
    assert (tail.rung, tail.semantics) == (Rung.ALL_LENGTHS, "real arithmetic")
    assert quotes.program != quotes.outcome.program
    assert (quotes.horizon, quotes.broken) == (40, None)


def test_the_report_names_rung_arithmetic_length_margin_method_and_growth(quotes: Distillation) -> None:
    text = distillation_text(quotes)
    for part in (
        "PROVED (rung bounded): this function equals circuit quote_closing on all 85,761,906,966,530 sequences of ",
        "PROVED (rung all lengths): it equals circuit quote_closing on all sequences of length 1 or more",
        "every margin after rounding at least 0.042",
        "Method: counting, because attention ignores the order of tokens",
        "the program holds up to length 29; breaks at length 30",
        "Cost up to each length:",
        "solver: no solver was asked for",
    ):
        assert part in text
    assert len(text.splitlines()) < 50
    values = distillation_json(quotes)
    assert values["claims"][0]["sequences"] == quotes.claims[0].domain.size() > 10**13
    assert values["claims"][1]["sequences"] is None
    assert (values["proved"], values["extension"]["method"], values["extension"]["broken"]) == (True, "counting", None)
    assert [row["length"] for row in values["extension"]["growth"]] == list(range(1, 41))


@pytest.mark.slow
def test_a_program_that_cannot_be_bettered_gets_its_exact_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extend, "SEARCHING", 0.03)
    result = farther("bracket_depth_deep", 24)
    assert not result.is_proved
    assert (result.horizon, len(result.broken.inputs)) == (15, 16)
    assert verdict(result).startswith(
        "NOT PROVED up to length 24: this function holds up to length 15; breaks at length 16: "
    )
    assert "of length 1 to 15" in " ".join(program_text(result).split())
    assert result.program == result.outcome.program
    assert not any(claim.rung == Rung.ALL_LENGTHS for claim in result.claims)


@pytest.mark.slow
def test_one_that_holds_longer_but_breaks_as_well_is_not_preferred_where_it_is_much_longer_to_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    circuit = shipped("bracket_depth_deep")
    short = program(circuit, "    return str(tokens.count('[') - tokens.count(']'))")
    long = replace(short, term=CHOOSE(has(0, "[")(), short.term, CHOOSE(has(1, "]")(), short.term, short.term)))

    class Scripted:
        def __init__(self, search: object, verifier: extend._Longer, *more: object) -> None:
            self.tried, self.verifier = [], verifier

        def run(self, examples: object) -> None:
            broken = replace(self.verifier.best[1], equal_up_to=20)
            self.verifier.best = long, broken

    monkeypatch.setattr(extend, "Loop", Scripted)
    assert farther("bracket_depth_deep", 24).program.term == short.term
    monkeypatch.setattr(extend, "LENGTHIER", 10)
    assert farther("bracket_depth_deep", 24).program.term == long.term


@pytest.mark.slow
def test_where_float32_leaves_a_tie_float64_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extend, "SEARCHING", 0.003)
    strict = farther("bracket_depth", 24, semantics="float32")
    assert strict.horizon == 13
    assert "has no label" in verdict(strict) or "lengths between are open" in verdict(strict)
    free = farther("bracket_depth", 24)
    assert free.horizon == 15
    assert free.claims[0].semantics == "real arithmetic and in float64 as executed"
    assert free.extension.note.startswith("in float32 as executed it holds up to length 13")


@pytest.mark.slow
def test_a_network_with_positions_is_listed_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extend, "SEARCHING", 0.003)
    result = farther("variable_type", 16)
    assert not result.is_proved
    assert result.extension.method.way == Way.ENUMERATION
    assert result.horizon >= 11
    assert len(result.broken.inputs) == result.horizon + 1
    assert "embeds positions" in distillation_text(result)


@pytest.mark.slow
def test_what_averages_is_proved_with_weights_of_counts_where_no_short_program_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extend, "SEARCHING", 0.003)
    result = farther("bracket_dilution", 24)
    assert result.is_proved
    assert result.claims[0].sequences == sum(3**n for n in range(1, 25))
    assert result.claims[0].semantics == "real arithmetic and in float64 and float32 as executed"


@pytest.mark.slow
def test_an_interrupt_keeps_what_was_proved_before() -> None:
    rounds: list[Round[Program]] = []

    def interrupt(event: Round[Program]) -> None:
        rounds.append(event)
        if isinstance(event.verdict, Counterexample) and len(event.verdict.inputs) > 10:
            raise KeyboardInterrupt

    result = farther("quote_closing", 40, observer=Observer(on_round=interrupt))
    assert not result.is_proved
    assert [(claim.rung, claim.domain.max_length) for claim in result.claims] == [(Rung.BOUNDED, 29)]


def test_an_interrupt_of_the_first_search_keeps_the_best_program() -> None:
    def interrupt(event: Round[Program]) -> None:
        raise KeyboardInterrupt

    model = from_circuit(shipped("quote_closing"))
    result = distill(model, model.domain.up_to(5), observer=Observer(on_round=interrupt))
    assert result.program is not None
    wrong = result.labels.count_exceptions(result.program)
    assert result.is_proved == (wrong == 0)
    assert verdict(result).startswith("NOT DECIDED IN TIME: " if wrong else "PROVED (rung enumerated): ")


def test_spent_time_is_no_proof() -> None:
    result = farther("quote_closing", 40, seconds=1.0)
    assert not result.is_proved or result.extension.is_proved
    assert verdict(result).startswith(("NOT", "PROVED (rung bounded)"))


def test_one_program_is_followed_to_its_horizon_and_no_other_is_looked_for() -> None:
    model = from_circuit(shipped("quote_closing"))
    domain = up_to(model, 40)
    found = follow(lengthened(model, domain), domain, length=6)
    assert (found.horizon, len(found.broken.inputs)) == (29, 30)
    assert not any(step.name == "search" for step in found.steps[-2:])
    wrong = program(shipped("quote_closing"), "    return '\"'")
    found = follow(lengthened(model, domain), domain, wrong, length=6)
    assert (found.program, found.horizon, found.broken.inputs) == (wrong, 0, ("'",))
    assert found.claims == ()
    assert not found.is_proved
    assert all(step.name != "search" for step in found.steps)


@pytest.mark.slow
def test_the_listed_part_has_a_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "FEW_SEQUENCES", 0)
    assert farther("quote_closing", 40, seconds=20).domain.max_length == 1
    assert select.up_to(from_circuit(shipped("variable_type")), 3).size()


def test_a_program_to_be_followed_is_searched_where_there_are_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    model = from_circuit(shipped("variable_type"))  # no sequence of 4 tokens or 5 is an assignment
    found = follow(model, model.domain.up_to(7), length=1)
    assert found.program is not None
    assert found.horizon >= 3
