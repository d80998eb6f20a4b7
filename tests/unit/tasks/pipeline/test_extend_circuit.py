"""A distilled program is followed to lengths nobody can list; what is said never goes beyond what was compared."""

from pathlib import Path

import pytest
from counted_circuits import program, shipped

from backends import get
from cegis import Claim, Round, Rung
from tasks.bounds import ball
from tasks.certificates.solver_evidence import certify
from tasks.formats.circuit_folder import shipped_path
from tasks.pipeline import distill as distillation
from tasks.pipeline import extend_circuit as prolonging
from tasks.pipeline.extend_circuit import Prolonged, prolong
from tasks.pipeline.report_lengths import prolonged_json, prolonged_text, verdict
from tasks.proofs.select import Way


def prolonged(name: str, length: int, **options: object) -> Prolonged:
    return prolong(shipped(name), get("z3"), length=length, **options)


@pytest.fixture(scope="module")
def quotes() -> Prolonged:
    """The quote circuit, whose short program breaks at length 30."""
    return prolonged("quote_closing", 64)


def test_a_program_that_breaks_is_replaced_by_one_that_holds_as_far_as_was_asked(quotes: Prolonged) -> None:
    assert quotes.is_proved
    assert quotes.first is not None
    assert (quotes.first.length, quotes.method.way) == (29, Way.COUNTING)
    bounded, tail = quotes.claims
    assert (bounded.rung, bounded.domain.max_length) == (Rung.BOUNDED, 64)
    assert bounded.semantics == "real arithmetic and in float64 and float32 as executed"
    assert (tail.rung, tail.semantics) == (Rung.ALL_LENGTHS, "real arithmetic")
    assert quotes.program != quotes.short.program


def test_the_report_names_rung_arithmetic_length_margin_method_and_growth(quotes: Prolonged) -> None:
    text = prolonged_text(quotes, None)
    for part in (
        "PROVED up to length 64, as asked.",
        "PROVED (rung bounded): it equals circuit quote_closing on all (about 2.3e+21) sequences of length 1 to 64",
        "PROVED (rung all lengths)",
        "every margin after rounding at least 0.042",
        "Method: counting, because attention ignores the order of tokens, and there are too many sequences to list.",
        "the program found holds up to 29; breaks at length 30",
        "Cost by length, each from scratch:",
        "Another program holds up to 29",
        "No certificate written.",
    ):
        assert part in text
    assert len(text.splitlines()) < 50
    values = prolonged_json(quotes, None)
    assert values["claims"][0]["sequences"] == quotes.claims[0].domain.size() > 10**21
    assert (values["proved"], values["method"], values["all_lengths"]) == (True, "counting", "proved")
    assert [row["length"] for row in values["growth"]] == [16, 32, 64]


def test_a_program_that_cannot_be_bettered_gets_its_exact_horizon() -> None:
    result = prolonged("bracket_depth_deep", 24)
    assert not result.is_proved
    assert result.horizon is not None
    assert (result.horizon.length, result.horizon.stopped) == (15, "")
    assert verdict(result).startswith("NOT PROVED up to length 24: this function holds up to 15; breaks at length 16: ")
    assert "of length 1 to 15" in " ".join(result.source.split())
    assert result.program == result.short.program
    saved = Path("deep.cert")
    assert certify(result.short, shipped_path("bracket_depth_deep")) is not None
    assert "Certificate: deep.cert (for lengths up to 10 alone" in prolonged_text(result, saved)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly any time to look for another program."""
    monkeypatch.setattr(prolonging, "SEARCH", 0.003)


@pytest.mark.usefixtures("hasty")
def test_where_the_network_leaves_a_tie_no_other_program_is_looked_for() -> None:
    result = prolonged("bracket_depth", 24)
    assert result.horizon is not None
    assert result.horizon.length == 13
    assert "has no label (a tie, or a margin below the error bound of float32)" in verdict(result)
    assert [step.name for step in result.steps].count("search") == 1
    wider = prolonged("bracket_depth", 24, unit_roundoff=ball.FLOAT64)
    assert wider.horizon is not None
    assert wider.horizon.length == 15
    assert wider.claims[0].semantics == "real arithmetic and in float64 as executed"


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_a_network_with_positions_is_listed_as_far_as_it_goes() -> None:
    result = prolonged("variable_type", 64)
    assert not result.is_proved
    assert (result.method.way, result.method.longest) == (Way.ENUMERATION, 16)
    assert result.horizon is not None
    assert (result.horizon.length, len(result.horizon.broken.inputs)) == (11, 12)
    assert "embeds positions" in prolonged_text(result, None)


@pytest.mark.usefixtures("hasty")
def test_what_averages_is_proved_with_weights_of_counts_where_no_short_program_is_found() -> None:
    result = prolonged("bracket_dilution", 40)
    assert result.is_proved
    assert result.first is not None
    assert result.first.length == 13
    assert any(step.name == "averages" for step in result.steps)
    assert result.claims[0].sequences == sum(3**n for n in range(1, 41))
    assert result.claims[0].semantics == "real arithmetic and in float64 and float32 as executed"


def test_an_interrupt_keeps_what_was_proved_before() -> None:
    rounds: list[Round] = []

    def interrupt(event: Round) -> None:
        rounds.append(event)
        if len(rounds) == 6:  # the second round of the second search
            raise KeyboardInterrupt

    result = prolonged("quote_closing", 64, on_round=interrupt)
    assert not result.is_proved
    assert any("interrupted" in step.text for step in result.steps)
    assert [(claim.rung, claim.domain.max_length) for claim in result.claims] == [(Rung.BOUNDED, 29)]


@pytest.mark.usefixtures("hasty")
def test_the_short_length_is_one_that_can_be_listed_and_has_a_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prolonging, "FEW", 5)
    tiny = prolonged("bracket_dilution", 18)
    assert tiny.short.domain.max_length == 1
    assert tiny.horizon is not None
    monkeypatch.setattr(prolonging, "FEW", 0)
    assert prolonged("variable_type", 13).short.domain.max_length == 3


def test_spent_time_is_no_proof() -> None:
    result = prolonged("quote_closing", 64, seconds=1e-3)
    assert not result.is_proved
    assert result.claims == ()
    assert verdict(result).startswith("NOT")
    assert prolonged_json(result, None)["claims"] == []


@pytest.mark.usefixtures("hasty")
def test_a_claim_for_all_lengths_stands_only_with_one_up_to_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prolonging, "all_lengths", lambda *given, **more: pytest.fail("it breaks at length 16"))
    broken = prolonged("bracket_depth_deep", 17)
    assert not any(isinstance(claim, Claim) and claim.rung == Rung.ALL_LENGTHS for claim in broken.claims)


def test_float64_is_asked_only_where_float32_leaves_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    label_domain = distillation.label_domain

    def noted(*given: object, unit_roundoff: float = ball.FLOAT32, **more: object) -> object:
        asked.append(unit_roundoff)
        found = label_domain(*given, unit_roundoff=unit_roundoff, **more)
        if unit_roundoff == ball.FLOAT32 and len(asked) == 2:  # the second time around float32 decides one less
            found.lengths[0].labels[0] = -1
        return found

    monkeypatch.setattr(distillation, "label_domain", noted)
    circuit, folder = shipped("quote_closing"), shipped_path("quote_closing")
    strong = distillation.distill(circuit, get("z3"), length=4, unit_roundoff=ball.FLOAT64)
    weak = distillation.distill(circuit, get("z3"), length=4, unit_roundoff=ball.FLOAT64)
    assert asked == [ball.FLOAT32, ball.FLOAT32, ball.FLOAT64]
    assert [result.claims[-1].semantics for result in (strong, weak)] == [
        "real arithmetic and in float64 and float32 as executed",
        "real arithmetic and in float64 as executed",
    ]
    assert certify(strong, folder) is not None
    assert certify(weak, folder) is None
    assert program(circuit, "    return '\"'") != strong.program
