"""What is said beyond the lengths that are listed: proved, broken, stopped, or limited to a region; never more."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from average_networks import AB, average, lead

from cegis import Counterexample, Domain, Program, Rung, Unknown, Valid, motifs
from dsl.grammars.motifs import CHOOSE, has, label
from tasks.formats import Question
from tasks.formats.blackbox import from_callable
from tasks.networks.readout import TokenSet
from tasks.pipeline import extend, labels
from tasks.pipeline.approximate import NAMES, Region, Rule
from tasks.pipeline.distill import distill, verify
from tasks.pipeline.extend import Extending, Extension, _Longer, extended
from tasks.pipeline.labels import LabelTable
from tasks.pipeline.report import distillation_json, distillation_text, verdict
from tasks.pipeline.steps import Clock
from tasks.proofs.enumeration import enumerate_domain
from tasks.proofs.path_cover import CoveringVerifier
from tasks.proofs.select import Method, Way
from tasks.proofs.verifier import Cause, Extent, StopReason
from tests.support.recurrent_networks import counter

MORE_A = "def f(tokens):\n    return 'yes' if tokens.count('a') > tokens.count('b') else 'no'\n"
NO_B = "def f(tokens):\n    return 'no' if 'b' in tokens else 'yes'\n"


def table_of(loaded, longest=8):
    return LabelTable.of(enumerate_domain(loaded, loaded.domain.up_to(longest)), 1e-4)


METHOD = Method(Way.COVERING, "a test asks for it", 30)


def farther(table, domain, program, rule, *, seconds, is_free=True):
    """What is known of a program, or of a rule, in ``domain``."""
    run = Extending(table, domain, () if program is None else (program,), rule, Clock(seconds))
    return extended(run, is_free=is_free)


def parsed(text, table):
    return Program.parse(text, table.grammar)


def test_a_program_that_holds_everywhere_is_proved_everywhere():
    loaded = lead(30, wiggle=1e-4)
    table = table_of(loaded)
    found = farther(table, loaded.domain, parsed(MORE_A, table), None, seconds=60)
    assert (found.is_proved, found.sentence) == (True, "holds up to length 30")
    assert found.found.claims[0].sequences == 2**31 - 1


def test_a_program_that_breaks_is_kept_with_its_horizon_where_no_other_is_found(monkeypatch):
    class Fruitless:
        def __init__(self, *arguments):
            self.tried = []

        def run(self, examples):
            raise KeyboardInterrupt

    monkeypatch.setattr(extend, "Loop", Fruitless)
    loaded = average((1.0, -20.0, 0.5), 30)
    table = table_of(loaded)
    program = parsed(NO_B, table)
    found = farther(table, loaded.domain, program, None, seconds=60)
    assert not found.is_proved
    assert found.found.equal_up_to == 20
    assert found.sentence.startswith("holds up to length 20; breaks at length 21: ")
    assert found.sentence.endswith("is 'no' to it and 'yes' to the network")
    assert found.program == program


@pytest.mark.slow
def test_a_sequence_that_breaks_goes_back_to_the_search():
    loaded = average((1.0, -9.0, 0.5), 24)  # up to length 9, one b outweighs every a
    table = table_of(loaded)
    found = farther(table, loaded.domain, parsed(NO_B, table), None, seconds=60)
    assert found.is_proved
    for word in (("a",) * 9 + ("b",), ("a",) * 8 + ("b",), ("b", "b") + ("a",) * 19):
        said = loaded.readout.text(int(loaded.labels(np.array([loaded.domain.indices(word)], np.int8))[0][0]))
        assert found.program(word) == said


@pytest.mark.slow
def test_where_the_time_ends_a_proof_a_sequence_that_breaks_it_farther_out_is_still_found(monkeypatch):
    def ended(self, program, where=None, inside="", known=None):
        return Extent(
            12,
            None,
            StopReason(Cause.TIME, "stopped by the time limit of 1 s at length 13"),
            table.check(program).claims,
        )

    loaded = average((1.0, -20.0, 0.5), 30)  # from length 21 on, one b no longer outweighs every a
    table = table_of(loaded)
    monkeypatch.setattr(CoveringVerifier, "examine", ended)
    monkeypatch.setattr(extend, "beyond_listing", lambda network, u, with_regions=False: Way.COVERING)
    monkeypatch.setattr(_Longer, "check", lambda self, program: Unknown("enough"))
    found = farther(table, loaded.domain, parsed(NO_B, table), None, seconds=60)
    assert not found.is_proved
    assert found.sentence.startswith("holds up to length 12; breaks at length 21: ")
    assert found.sentence.endswith("; lengths between are open (stopped by the time limit of 1 s at length 13)")
    right = average((1.0, -40.0, 0.5), 30)
    found = farther(table_of(right), right.domain, parsed(NO_B, table), None, seconds=60)
    assert found.found.counterexample is None
    assert "limit of 1 s at length 13; none of " in found.sentence
    assert "sequences of length 13 to 30 that were bred to break it does" in found.sentence


def test_of_two_programs_that_hold_equally_long_one_that_nothing_breaks_is_kept():
    loaded = average((1.0, -20.0, 0.5), 30)
    table = table_of(loaded)
    first = parsed(NO_B, table)
    other = parsed("def f(tokens):\n    return 'yes' if 'b' not in tokens else 'no'\n", table)
    broken = Extent(8, Counterexample(("a",) * 20 + ("b",), "yes", "no"), None, ())

    class Tried:
        seconds = None

        def __init__(self, stopped):
            self.stopped = stopped

        def examine(self, program, known=None):
            return Extent(8, None, self.stopped, ())

    for cause, kept in ((Cause.NONE_FOUND, other), (Cause.TIME, first)):
        verifier = _Longer(table, Tried(StopReason(cause, "none of 5 does")), 8, (first, broken))
        verifier.check(other)
        assert verifier.best[0] == kept


def test_what_was_listed_is_not_claimed_where_some_of_it_has_no_label():
    loaded = average((1.0, -20.0, 0.5), 30)
    table = table_of(loaded)
    program = parsed(NO_B, table)
    short = table.check(program)
    beyond = Extent(-1, None, StopReason(Cause.NONE_FOUND, "none of 5 does"), ())
    known = extend._listed(table, beyond, short)
    assert (known.claims, known.equal_up_to) == (short.claims, table.domain.lengths[-1])
    sentence = Extension(loaded.domain, program, None, known, METHOD).sentence
    assert sentence == f"holds up to length {table.domain.lengths[-1]}; none of 5 does"
    assert extend._listed(SimpleNamespace(undecided=1, domain=table.domain), beyond, short) == beyond
    assert Extension(loaded.domain, program, None, beyond, METHOD).sentence == "is proved at no length; none of 5 does"


def test_a_tie_stops_and_keeps_what_was_proved():
    loaded = average((1.0, 100.0, -15.0), 20, TokenSet(("x",), (0,)))
    table = table_of(loaded)
    program = Program(CHOOSE(has(1, "b")(), label(1, "{x}")(), label(0, "{}")()), table.grammar)
    found = farther(table, loaded.domain, program, None, seconds=60)
    assert not found.is_proved
    assert found.sentence.startswith("holds up to length 14; breaks at length 16: 'a a a")
    assert "lengths between are open ('a a a" in found.sentence
    assert "has no label" in found.sentence
    assert [claim.domain.max_length for claim in found.found.claims] == [14]


def test_a_tie_among_the_listed_lengths_is_not_taken_as_proved():
    loaded = average((1.0, 100.0, -5.0), 20, TokenSet(("x",), (0,)))
    table = table_of(loaded)
    assert table.undecided
    program = Program(CHOOSE(has(1, "b")(), label(1, "{x}")(), label(0, "{}")()), table.grammar)
    found = farther(table, loaded.domain, program, None, seconds=60)
    assert not found.is_proved
    assert all(claim.domain.max_length < 8 for claim in found.found.claims)


def test_what_float32_may_round_away_is_followed_in_float64():
    loaded = average((1.0, -1.0, 2.0**-16), 24)  # a tie but for the start token, which float32 may lose
    listed = table_of(loaded, 1)
    table = LabelTable(listed.enumeration, listed.names, listed.parts, 0.0)
    assert table.is_float32
    program = parsed("def f(tokens):\n    return 'no' if tokens.count('b') > tokens.count('a') else 'yes'\n", table)
    alone = farther(table, loaded.domain, program, None, seconds=60, is_free=False)
    assert alone.found.equal_up_to < 24
    assert "has no label" in alone.found.stopped.text
    found = farther(table, loaded.domain, program, None, seconds=60)
    assert (found.found.equal_up_to, found.is_proved) == (24, True)
    assert "float32" not in found.found.claims[0].semantics
    assert found.note == f"in float32 as executed it {alone.sentence}"


def test_no_check_of_a_program_outlives_the_time_there_is():
    loaded = lead(30)
    table = table_of(loaded)
    covering = CoveringVerifier(loaded, loaded.domain)
    program = parsed(MORE_A, table)
    verifier = _Longer(table, covering, None, (program, Extent(0, None, None, ())), deadline=0.0)
    assert isinstance(verifier.check(program), Unknown)
    assert covering.seconds == 0.01


def test_without_time_what_was_listed_is_all_that_holds(monkeypatch):
    monkeypatch.setattr(extend, "PROVING", 1e-9)
    loaded = lead(30)
    table = table_of(loaded)
    listed = table.enumeration.domain.max_length
    found = farther(table, loaded.domain, parsed(MORE_A, table), None, seconds=1e-9)
    assert not found.is_proved
    assert found.sentence.startswith(f"holds up to length {listed}; stopped by the time limit")
    assert found.sentence.endswith(f" s at length {listed + 1}"), "shorter ones are known"
    (claim,) = found.found.claims
    assert (claim.rung, claim.domain.max_length) == (Rung.ENUMERATED, listed)
    assert claim.sequences == table.enumeration.domain.size()


def test_a_rule_is_followed_where_its_region_allows_and_is_no_proof_of_everything():
    loaded = average((1.0, -20.0, 0.5), 30)
    table = table_of(loaded)
    where = Program.parse(
        "def f(tokens):\n    return 'may differ' if 'b' in tokens else 'right'\n", motifs(AB, NAMES, min_length=0)
    )
    rule = Rule(parsed(NO_B, table), (), Region(where, 1))
    found = farther(table, loaded.domain, None, rule, seconds=60)
    assert found.found.equal_up_to == 30
    assert not found.is_proved
    assert found.sentence == "holds up to length 30 (where the region allows it)"
    assert farther(table, loaded.domain, None, Rule(rule.program, (), None), seconds=60) is None
    assert farther(table, loaded.domain, None, None, seconds=60) is None


def verifier_of(loaded, table, program):
    covering = CoveringVerifier(loaded, loaded.domain)
    return _Longer(table, covering, 8, (program, covering.examine(program)))


def test_the_verifier_asks_what_is_listed_first_and_then_everything_else():
    loaded = average((1.0, -20.0, 0.5), 24)
    table = table_of(loaded)
    verifier = verifier_of(loaded, table, parsed(NO_B, table))
    assert verifier.check(parsed(MORE_A, table)) == Counterexample((), "yes", "no")
    broken = verifier.check(parsed(NO_B, table))
    assert isinstance(broken, Counterexample)
    assert len(broken.inputs) == 21
    good = lead(24)
    listed = table_of(good)
    verdict = verifier_of(good, listed, parsed(MORE_A, listed)).check(parsed(MORE_A, listed))
    assert isinstance(verdict, Valid)
    assert [claim.domain.max_length for claim in verdict.claims] == [8, 24]


def test_a_label_that_first_comes_farther_out_is_no_counterexample_that_the_search_could_use(monkeypatch):
    loaded = average((1.0, 1.0, -10.5), 20)  # "no" up to length 10
    monkeypatch.setattr(labels, "FEW_NAMES", 1)
    table = table_of(loaded)
    assert table.names == ("no",)
    program = Program(label(0, "no")(), table.grammar)
    verdict = verifier_of(loaded, table, program).check(program)
    assert isinstance(verdict, Unknown)
    assert verdict.reason == "the network says 'yes' there, as it never does up to length 8"
    found = farther(table, loaded.domain, program, None, seconds=5)
    assert found.found.equal_up_to == 10
    assert not found.is_proved


def test_the_program_that_held_longest_is_kept():
    loaded = average((1.0, -20.0, 0.5), 24)
    table = table_of(loaded)
    longer = (parsed(MORE_A, table), Extent(22, None, StopReason(Cause.TIME, "stopped"), ()))
    verifier = _Longer(table, CoveringVerifier(loaded, loaded.domain), 8, longer)
    assert isinstance(verifier.check(parsed(NO_B, table)), Counterexample)
    assert verifier.best == longer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("say", "horizon"),
    [("tokens.count('b') >= 3", 3), pytest.param("len(tokens) >= 1", 0, marks=pytest.mark.slow)],
)
def test_a_recurrent_network_that_a_listed_word_refutes_has_its_exact_horizon_at_any_length(say, horizon):
    """The words that are listed say how far a program holds; none is bred beyond to say it less exactly."""
    text = f"def f(tokens):\n    return 'many' if {say} else 'few'\n"
    network = counter(2.5)
    found = verify(network, text, Domain(("a", "b"), 1, 40), seconds=8)
    assert not found.is_proved
    assert found.horizon == found.extension.found.equal_up_to == horizon
    assert len(found.broken.sequence) == horizon + 1
    assert "lengths between are open" not in distillation_text(found)
    if horizon:
        assert found.claims[-1].domain.max_length == horizon
        assert found.claims[-1].rung.is_proof
    else:
        assert not found.claims


def test_a_proof_over_nothing_is_none():
    loaded = lead(9)
    nothing = Extent(9, None, None, ())
    assert not Extension(loaded.domain, parsed(MORE_A, table_of(loaded)), None, nothing, METHOD).is_proved


# --- what is said of it -------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """List little, so that searching is quick."""
    monkeypatch.setattr(labels, "FEW_SEQUENCES", 600)


@pytest.mark.slow
def test_an_explanation_of_everything_says_so():
    loaded = lead(40, wiggle=1e-4)
    found = distill(loaded, loaded.domain, seconds=60)
    assert found.is_proved
    assert verdict(found).startswith("PROVED (rung bounded): this function equals the network average on all ")
    assert "sequences of length 0 to 40, in real arithmetic and in float64 and float32" in verdict(found)
    said = distillation_json(found)
    assert (said["proved"], said["rung"], said["outcome"]) == (True, "bounded", "found")
    assert (said["extension"]["horizon"], said["extension"]["lengths"]) == (40, [0, 40])
    assert said["claims"][0]["sequences"] == 2**41 - 1
    assert "proved" in said["program"]
    assert [cost["length"] for cost in said["extension"]["growth"]] == list(range(41))
    assert "Cost up to each length:" in distillation_text(found)


def test_an_explanation_that_ends_early_says_where_and_is_no_proof():
    loaded = average((1.0, 100.0, -15.0), 40, TokenSet(("x",), (0,)))
    found = distill(loaded, loaded.domain, seconds=60)
    assert not found.is_proved
    assert verdict(found).startswith("NOT PROVED up to length 40: this function holds up to length 14; ")
    text = distillation_text(found)
    assert "PROVED (rung bounded): it equals the network average on all 32,767 sequences of length 0 to 14" in text
    said = distillation_json(found)
    assert (said["proved"], said["extension"]["proved"], said["extension"]["horizon"]) == (False, False, 14)
    known = " ".join(said["program"].split('"""')[1].split())
    assert known.startswith("Equals the network average on all 32,767 sequences of length 0 to 14, in ")
    assert known.endswith(": proved.")


def test_nothing_to_follow_is_said_and_no_error(monkeypatch):
    monkeypatch.setattr(Extending, "best", lambda self: None)
    loaded = lead(40)
    found = distill(loaded, loaded.domain, seconds=60)
    assert found.ended == "there is no program to be followed"
    assert distillation_json(found)["extension"] is None
    assert "length 0 to 8" in verdict(found)


def test_a_limited_rule_is_never_printed_as_proof_of_the_domain():
    loaded = average((1.0, -20.0, 0.5), 30)
    table = table_of(loaded)
    region = Program.parse(
        "def f(tokens):\n    return 'may differ' if 'b' in tokens else 'right'\n", motifs(AB, NAMES, min_length=0)
    )
    covering = CoveringVerifier(loaded, loaded.domain)
    program = parsed(NO_B, table)
    found = Extension(loaded.domain, program, region, covering.examine(program, region, NAMES[0]), METHOD)
    assert found.found.claims
    assert not found.is_proved


def test_a_region_that_ends_is_not_said_to_hold_beyond_what_was_listed():
    loaded = lead(40)
    found = distill(loaded, loaded.domain, seconds=60)
    text = "def f(tokens):\n    return 'may differ' if len(tokens) >= 4 else 'right'\n"
    region = Program.parse(text, motifs(AB, NAMES, min_length=0))
    program = parsed(MORE_A, found.labels)
    far = Extension(
        loaded.domain,
        program,
        region,
        CoveringVerifier(loaded, loaded.domain).examine(program, region, "right"),
        METHOD,
    )
    rule = Rule(program, (), Region(region, found.labels.size - 15))
    shown = distillation_text(replace(found, extension=far, rule=rule))
    assert far.found.equal_up_to == 40
    assert "Beyond length 8 the region has no sequence of which it is proved that the rule is right." in shown
    assert "length 0 to 40" not in shown
    some = replace(rule, where=Region(region, found.labels.size - 14))
    assert "Beyond length 8 the rule holds up to length 40" in distillation_text(
        replace(found, extension=far, rule=some)
    )


def test_what_was_run_of_a_black_box_is_not_called_proved_where_it_is_followed(monkeypatch):
    def network(ids):
        return np.where((ids[:, -1] == 1)[:, None], [0.0, 1.0], [1.0, 0.0])

    monkeypatch.setattr(labels, "MOST_SEQUENCES", 100)
    box = from_callable(network, vocabulary=AB, outputs=("no", "yes"), longest=9, question=Question(lengths=(1, 9)))
    found = distill(box, box.domain.up_to(9), seconds=6)
    assert found.extension is not None
    (claim,) = found.extension.found.claims
    assert (claim.rung, found.is_proved) == (Rung.TESTED, False)
    shown = distillation_text(found)
    known = " ".join(shown.split('"""')[1].split())
    assert "sequences of length 1 to 5, in " in known
    assert known.endswith(": compared one by one.")
    assert "AGREES (rung tested, not proved): it equals" in shown
    assert "PROVED (" not in shown
    assert ": proved" not in shown
    assert "bounded on every" not in shown
    listed = replace(found.extension, domain=found.domain)
    assert not listed.is_proved
