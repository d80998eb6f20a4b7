"""Claims about the loop: what it finds is what was verified, and how it ends is always said."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from pysmt.environment import Environment
from pysmt.logics import QF_LIA

from backends import BackendError, Limits, Sat, Unsat, decide, get
from backends.smtlib_process import SmtlibProcess
from cegis import (
    Budget,
    Claim,
    Combined,
    Constraint,
    Counterexample,
    Differs,
    Domain,
    DomainError,
    Exhausted,
    Exhaustive,
    Found,
    Grammar,
    GrammarError,
    Production,
    Program,
    ProgramReference,
    Rung,
    Spec,
    Stopped,
    Symbolic,
    Table,
    Unknown,
    Valid,
    motifs,
    synthesize,
    tabulate,
)
from cegis.loop import Loop
from cegis.symbolic import differing
from dsl.enumerator import Enumerator
from dsl.grammars.motifs import COUNT, digits, is_token, label
from dsl.sequences import SequenceSignature

GRAMMAR = motifs(["a", "b"], ["x", "y"])
DOMAIN = Domain(("a", "b"), 1, 5)
SOLVERS = [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("z3", "cvc5")]
POOR = Grammar(
    SequenceSignature(("a", "b"), ("0", "1")),
    "Label",
    (
        Production("Symbol", is_token(0, "a")),
        Production("Number", COUNT, ("Symbol",)),
        Production("Label", digits((0, 1)), ("Number",)),
        Production("Label", label(0, "0")),
    ),
)


def at_least_two(tokens: tuple[str, ...]) -> str:
    return "x" if tokens.count("a") >= 2 else "y"


def parity_of_pairs(tokens: tuple[str, ...]) -> str:
    return "x" if sum(pair == ("a", "b") for pair in pairwise(tokens)) % 2 else "y"


SPEC, PAIRS = Spec(DOMAIN, at_least_two), Spec(DOMAIN, parity_of_pairs)
GOAL = Program.parse("def f(tokens):\n    return 'x' if tokens.count('a') >= 2 else 'y'\n", GRAMMAR)
WRONG = Counterexample(("a",), "y", "x")


def table(reference: Any = at_least_two, domain: Domain = DOMAIN) -> Exhaustive:
    return Exhaustive(tabulate(reference, domain, GRAMMAR.signature))


class Checks:
    """A verifier that is an object and nothing more."""

    def check(self, program: Program) -> Any:
        return table().check(program)


# --- finding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verifier", [None, Checks(), Checks().check, table()], ids=["none", "object", "function", "table"]
)
def test_a_black_box_is_found_by_whatever_verifies(verifier):
    outcome = synthesize(SPEC, GRAMMAR, verifier=verifier)
    assert isinstance(outcome, Found)
    assert all(outcome.program(word) == at_least_two(word) for word in DOMAIN)
    assert [claim.rung for claim in outcome.claims] == [Rung.ENUMERATED]
    assert outcome.claims[0].domain == DOMAIN


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("as_value", [False, True], ids=["name", "value"])
def test_a_program_is_found_again_by_a_solver(solver, as_value):
    outcome = synthesize(
        Spec(DOMAIN, ProgramReference(GOAL)), GRAMMAR, verifier=get(solver) if as_value else solver, seed=3
    )
    assert isinstance(outcome, Found)
    assert all(outcome.program(word) == GOAL(word) for word in DOMAIN)
    assert outcome.claims[0].rung is Rung.SURROGATE
    assert outcome.program.cost <= GOAL.cost


def test_the_program_found_is_one_of_the_cheapest():
    def is_right(program: Program) -> bool:
        return all(program(word) == at_least_two(word) for word in DOMAIN)

    outcome = synthesize(SPEC, GRAMMAR)
    assert isinstance(outcome, Found)
    assert is_right(outcome.program)
    assert outcome.program.cost == GOAL.cost
    leaves = [p for p in GRAMMAR.productions if not p.arguments]
    flags = [p.operator() for p in leaves if p.nonterminal == "Flag"]
    labels = [p.operator() for p in leaves if p.nonterminal == "Label"]
    choose = next(p.operator for p in GRAMMAR.productions if p.operator.name == "choose")
    simplest = [Program(choose(*parts), GRAMMAR) for parts in product(flags, labels, labels)]
    assert not any(is_right(program) for program in simplest if program.cost < GOAL.cost)


def test_every_round_is_reported_with_its_candidate_and_verdict():
    events = []
    outcome = synthesize(SPEC, GRAMMAR, on_event=events.append)
    assert isinstance(outcome, Found)
    assert [event.number for event in events] == list(range(1, outcome.statistics.rounds + 1))
    assert all(isinstance(event.verdict, Counterexample) for event in events[:-1])
    assert isinstance(events[-1].verdict, Valid)
    assert events[-1].program == outcome.program
    for event in events[:-1]:
        word = event.verdict.inputs
        assert event.program(word) == event.verdict.got != event.verdict.expected == at_least_two(word)
    costs = [event.program.cost for event in events]
    assert costs == sorted(costs), "more examples never make a cheaper program right"


@pytest.mark.slow
def test_the_same_seed_takes_the_same_path():
    def path(seed: int) -> list[str]:
        events: list[Any] = []
        synthesize(PAIRS, GRAMMAR, on_event=events.append, seed=seed)
        return [event.program.source() for event in events]

    assert path(1) == path(1)


@pytest.mark.parametrize("seed", range(4))
def test_references_drawn_from_the_grammar_are_found_or_the_limit_is_said(seed, derive):
    reference = Program(derive(GRAMMAR, "Label", 9, random.Random(seed).choice), GRAMMAR)
    outcome = synthesize(Spec(DOMAIN, reference), GRAMMAR, budget=Budget(seconds=20, candidates=50_000))
    assert isinstance(outcome, Found)
    assert all(outcome.program(word) == reference(word) for word in DOMAIN)
    assert outcome.program.cost <= reference.cost


def test_given_examples_come_first():
    events: list[Any] = []
    synthesize(SPEC, GRAMMAR, examples=[(("a", "a"), "x"), (("b",), "y")], on_event=events.append)
    assert events[0].examples == 2
    assert events[0].program(("a", "a")) == "x"


# --- not finding ------------------------------------------------------------------------------------------------


def test_a_verifier_that_never_knows_never_gives_a_found():
    claim = Claim(Rung.BOUNDED, "it", "exactly", DOMAIN.up_to(2), "by hand", 6, 0.0)
    outcome = synthesize(SPEC, GRAMMAR, verifier=lambda program: Unknown("time limit", (claim,)))
    assert isinstance(outcome, Stopped)
    assert (outcome.reason, outcome.claims) == ("time limit", (claim,))
    assert outcome.program is not None


def test_undecided_labels_never_become_found():
    labels = {
        length: tabulate(at_least_two, DOMAIN, GRAMMAR.signature).labels[length].copy() for length in DOMAIN.lengths
    }
    labels[5][0] = -1
    verifier = Exhaustive(Table(DOMAIN, labels))
    outcome = synthesize(SPEC, GRAMMAR, verifier=verifier)
    assert isinstance(outcome, Stopped)
    assert "1 sequences have no label" in outcome.reason
    assert outcome.claims == ()


@pytest.mark.parametrize(
    ("budget", "reason"),
    [(Budget(candidates=60), "60 candidates"), (Budget(cost=2), "cost 2"), (Budget(seconds=1e-9), "time limit")],
)
def test_a_spent_budget_is_an_outcome(budget, reason):
    outcome = synthesize(PAIRS, GRAMMAR, verifier=Silent(PAIRS).check, budget=budget)
    assert isinstance(outcome, Stopped | Differs)
    assert reason in outcome.reason


@pytest.mark.needs("z3")
def test_the_budget_bounds_the_solver_too():
    outcome = synthesize(Spec(DOMAIN, ProgramReference(GOAL)), GRAMMAR, verifier="z3", budget=Budget(seconds=1e-6))
    assert isinstance(outcome, Stopped)
    seen: list[Any] = []

    def note(program: Program) -> Any:
        time.sleep(0.02)
        seen.append(program)
        return table().check(program)

    assert isinstance(synthesize(SPEC, GRAMMAR, verifier=note, budget=Budget(seconds=0.01)), Stopped)
    assert len(seen) <= 1  # a slow machine may not even get to the first


def test_what_differs_is_listed_completely():
    outcome = synthesize(PAIRS, GRAMMAR, budget=Budget(cost=5))
    assert isinstance(outcome, Differs)
    wrong = [w for w in DOMAIN if outcome.program(w) != parity_of_pairs(w)]
    assert [e.inputs for e in outcome.exceptions] == wrong != []
    assert all(
        e.expected == parity_of_pairs(e.inputs) and e.got == outcome.program(e.inputs) for e in outcome.exceptions
    )


def test_sequences_without_a_label_are_counted_beside_the_exceptions():
    labels = {n: values.copy() for n, values in table(parity_of_pairs).table.labels.items()}
    labels[4][3:5] = -1
    outcome = synthesize(PAIRS, GRAMMAR, verifier=Exhaustive(Table(DOMAIN, labels)), budget=Budget(cost=5))
    assert isinstance(outcome, Differs)
    assert outcome.undecided == 2
    assert "2 sequences have no label and are not among the exceptions" in outcome.reason


def test_an_empty_list_of_exceptions_is_never_reported_for_a_refuted_program():
    class Blind(Silent):
        undecided = 0

        def exceptions(self, program: Program) -> tuple[Counterexample, ...]:
            return ()

        def closest(self, programs: Sequence[Program]) -> Program:
            return programs[-1]

    outcome = synthesize(PAIRS, GRAMMAR, verifier=Blind(PAIRS), budget=Budget(cost=6))
    assert isinstance(outcome, Stopped)
    assert outcome.claims == ()


def test_an_exhausted_grammar_is_said_with_the_examples_that_prove_it():
    spec = Spec(DOMAIN, lambda tokens: "1" if tokens[-1] == "b" else "0")
    outcome = synthesize(spec, POOR, verifier=Silent(spec).check)
    assert isinstance(outcome, Exhausted)
    assert all(spec.label(inputs) == text for inputs, text in outcome.examples)
    assert isinstance(synthesize(spec, POOR), Differs), "a table can list what the best program gets wrong"


class Silent:
    """Compares with a spec, and lists nothing."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def check(self, program: Program) -> Any:
        for word in self.spec.domain:
            if program(word) != self.spec.label(word):
                return Counterexample(word, self.spec.label(word), program(word))
        return Valid(())


# --- several verifiers ------------------------------------------------------------------------------------------


def test_combined_verdicts():
    valid, unknown = lambda p: Valid((), ("note",)), lambda p: Unknown("late")
    shorter = Claim(Rung.ENUMERATED, "it", "exactly", DOMAIN.up_to(2), "by hand", 6, 0.0)
    cases = [
        ((), Unknown("no verifier was asked")),
        ((unknown, unknown), Unknown("late; late")),
        ((unknown, lambda p: Unknown("later", (shorter,))), Unknown("late; later", (shorter,))),
        ((valid, unknown), Valid((), ("note", "late"))),
        ((unknown, valid), Valid((), ("late", "note"))),
        ((valid, lambda p: WRONG), WRONG),
        ((unknown, lambda p: WRONG, valid), WRONG),
    ]
    for verifiers, verdict in cases:
        parts = tuple(type("Part", (), {"check": staticmethod(function)})() for function in verifiers)
        assert Combined(parts).check(GOAL) == verdict


def test_a_verifier_whose_solver_breaks_costs_its_own_claim_alone():
    class Broken:
        asked = 0

        def check(self, program):
            self.asked += 1
            raise BackendError("fake talks garbage")

    broken = Broken()
    outcome = synthesize(SPEC, GRAMMAR, verifier=Combined((broken, table())))
    assert isinstance(outcome, Found)
    assert [claim.rung for claim in outcome.claims] == [Rung.ENUMERATED]
    assert outcome.notes == ("fake talks garbage",)
    assert broken.asked == 2
    assert Combined((Broken(), Broken())).check(GOAL) == Unknown("fake talks garbage")


def test_a_lying_solver_makes_no_wrong_program_right_and_is_not_believed_any_more():
    class Lying:
        def check(self, program):
            claim = Claim(Rung.SURROGATE, "it", "exactly", DOMAIN, "by fake", DOMAIN.size(), 0.0)
            return Valid((claim,))

    outcome = synthesize(SPEC, GRAMMAR, verifier=Combined((Lying(), table())))
    assert isinstance(outcome, Found)
    assert all(outcome.program(word) == at_least_two(word) for word in DOMAIN)
    assert [claim.rung for claim in outcome.claims] == [Rung.ENUMERATED]
    assert outcome.notes[0].startswith("not believed any more, as a program of which it was said fails at ")
    assert "by fake" in outcome.notes[0]


class Noting:
    """A verifier that notes when it is asked."""

    def __init__(self, name, verdicts, told):
        self.name, self.verdicts, self.told = name, verdicts, told

    def check(self, program):
        self.told.append(self.name)
        return self.verdicts[program]


def test_a_quick_verifier_is_asked_first_and_its_claims_stay_in_their_place():
    told = []
    one, other = (Claim(Rung.ENUMERATED, "it", "exactly", DOMAIN.up_to(n), "by hand", 6, 0.0) for n in (1, 2))
    solver = Noting("solver", {"good": Valid((one,)), "bad": WRONG, "worse": WRONG}, told)
    quick = Noting("table", {"good": Valid((other,)), "bad": WRONG, "worse": WRONG}, told)
    both = Combined((solver, quick), quick=(1,))
    assert both.check("good") == Valid((one, other))
    assert both.check("bad") == both.check("worse") == WRONG
    assert told == ["table", "solver", "table", "solver", "table"]  # of one wrong program the solver is asked as well


@pytest.mark.parametrize("of_wrong", [Valid((), ("lie",)), Unknown("late")])
def test_who_proves_what_a_quick_verifier_refutes_is_not_believed(of_wrong):
    told = []
    solver = Noting("solver", {"good": Valid((), ("sure",)), "bad": of_wrong}, told)
    both = Combined((solver, Noting("table", {"good": Valid(()), "bad": WRONG}, told)), quick=(1,))
    assert both.check("bad") == WRONG
    found = both.check("good")
    assert isinstance(found, Valid)
    if isinstance(of_wrong, Valid):
        assert told == ["table", "solver", "table"]
        assert found.notes[0].startswith("not believed any more")
    else:
        assert found == Valid((), ("sure",))


@pytest.mark.parametrize("of_wrong", [WRONG, Valid((), ("lie",)), Unknown("late")])
def test_who_was_asked_of_nothing_wrong_is_asked_of_another_program_before_it_is_believed(of_wrong):
    told = []
    solver = Noting("solver", {"good": Valid((), ("sure",)), "bad": of_wrong}, told)
    quick = Noting("table", {"good": Valid((), ("listed",)), "same": Valid(()), "bad": WRONG}, told)
    both = Combined((solver, quick), (1,), lambda program: ("same", "bad"))
    found = both.check("good")
    assert told == ["table", "solver", "table", "table", "solver"]
    assert isinstance(found, Valid)
    if isinstance(of_wrong, Valid):
        assert found.notes[0].startswith("not believed any more")
        assert found.notes[1:] == ("listed",)
    else:
        assert found == Valid((), ("sure", "listed"))
    del told[:]
    assert both.check("good") == found
    assert "solver" not in told[2:]  # once is enough


def test_who_proved_a_part_is_asked_of_another_program_too():
    told, part = [], Claim(Rung.SURROGATE, "it", "exactly", DOMAIN.up_to(1), "by hand", 2, 0.0)
    solver = Noting("solver", {"good": Unknown("late", (part,)), "bad": Valid((), ("lie",))}, told)
    quick = Noting("table", {"good": Valid((), ("listed",)), "bad": WRONG}, told)
    found = Combined((solver, quick), (1,), lambda program: ("bad",)).check("good")
    assert isinstance(found, Valid)
    assert found.claims == ()
    assert found.notes[0].startswith("not believed any more")


@pytest.mark.parametrize("backend", SOLVERS)
def test_counts_and_length_are_weighed_with_a_lemma_that_follows(backend):
    program = Program.parse("def f(tokens):\n    return 'x' if 3 * tokens.count('a') > len(tokens) else 'y'\n", GRAMMAR)
    other = Program.parse("def f(tokens):\n    return 'x' if 2 * tokens.count('a') > len(tokens) else 'y'\n", GRAMMAR)
    environment, signature = Environment(), GRAMMAR.sequences
    for length in range(5):
        symbols = signature.symbols(environment.formula_manager, length)
        m, lemma = symbols.manager, symbols.counts_add_up()
        assert lemma in differing(symbols, ProgramReference(other), program).args()
        with get(backend).open(environment, QF_LIA) as session:
            for formula, answer in ((m.Not(lemma), Unsat), (lemma, Sat)):
                asked = m.And(symbols.exactly_one_token_each(), formula)
                assert isinstance(decide(session, "lemma", asked, Limits(20.0)), answer)
    with Symbolic(DOMAIN, signature, ProgramReference(other), get(backend)) as verifier:
        assert isinstance(verifier.check(other), Valid)
        found = verifier.check(program)
    assert isinstance(found, Counterexample)
    assert len(found.inputs) == 2  # a b: 3 > 2, and not 2 > 2


def test_where_many_examples_have_no_program_the_nearest_is_shown():
    few = {("a",), ("b", "a", "b")}
    of = tabulate(lambda word: "01"[word in few], DOMAIN, POOR.signature)
    loop = Loop(Enumerator(POOR), Exhaustive(of), Budget(seconds=20))
    outcome = loop.run([(word, "01"[word in few]) for word in DOMAIN])
    assert isinstance(outcome, Differs)
    assert outcome.program.source("f").endswith("return '0'\n")
    assert {exception.inputs for exception in outcome.exceptions} == few
    assert outcome.statistics.rounds == 0


@pytest.mark.slow
def test_a_solver_that_hangs_is_given_its_time_once():
    fake = Path(__file__).parents[2] / "support/fake_solver.py"
    hanging = SmtlibProcess(name="fake", command=(sys.executable, "-SE", str(fake), "hangs"), logics=("QF_LIA",))
    began = time.monotonic()
    with Symbolic(DOMAIN, GRAMMAR.signature, ProgramReference(GOAL), hanging, seconds=1.0) as symbolic:
        outcome = synthesize(SPEC, GRAMMAR, verifier=Combined((symbolic, table())), budget=Budget(seconds=60))
    assert isinstance(outcome, Found)
    assert [claim.rung for claim in outcome.claims] == [Rung.ENUMERATED]
    assert any("fake: " in note for note in outcome.notes)
    assert time.monotonic() - began < 10


@pytest.mark.needs("z3")
def test_solver_and_table_together_give_both_claims():
    with Symbolic(DOMAIN, GRAMMAR.signature, ProgramReference(GOAL), get("z3")) as symbolic:
        outcome = synthesize(SPEC, GRAMMAR, verifier=Combined((symbolic, table())))
    assert isinstance(outcome, Found)
    assert [claim.rung for claim in outcome.claims] == [Rung.SURROGATE, Rung.ENUMERATED]


# --- broken contracts -------------------------------------------------------------------------------------------


def test_a_verifier_that_contradicts_itself_is_named():
    with pytest.raises(DomainError, match="contradicts itself"):
        synthesize(SPEC, GRAMMAR, verifier=lambda program: Counterexample(("a", "a"), "x", "y"))


def test_a_counterexample_given_as_a_list_is_known_again():
    with pytest.raises(DomainError, match="contradicts itself"):
        synthesize(SPEC, GRAMMAR, verifier=lambda program: Counterexample(["a", "a"], "x", "y"))  # type: ignore[arg-type]


@pytest.mark.parametrize("verdict", [True, None, "valid"])
def test_a_verifier_that_answers_otherwise_is_refused_at_once(verdict):
    with pytest.raises(DomainError, match="expected Valid, Counterexample or Unknown"):
        synthesize(SPEC, GRAMMAR, verifier=lambda program: verdict)


def test_a_verifier_that_is_none_of_the_known_kinds_is_refused():
    with pytest.raises(DomainError, match="as the verifier"):
        synthesize(SPEC, GRAMMAR, verifier=5)  # type: ignore[arg-type]


@pytest.mark.needs("z3")
def test_a_solver_cannot_see_into_a_function():
    with pytest.raises(DomainError, match="cannot see into a Python function"):
        synthesize(SPEC, GRAMMAR, verifier="z3")


def test_an_empty_domain_proves_nothing():
    nothing = Domain(("a", "b"), 1, 3, Constraint("nothing", ((0, 0),), (False,)))
    for verifier in (None, lambda program: Valid(())):
        with pytest.raises(DomainError, match="no sequence"):
            synthesize(Spec(nothing, at_least_two), GRAMMAR, verifier=verifier)


def test_domain_and_grammar_must_read_the_same_tokens():
    with pytest.raises(DomainError, match="the domain reads"):
        synthesize(Spec(Domain(("b", "a"), 1, 3), at_least_two), GRAMMAR)
    with pytest.raises(GrammarError, match="empty sequence"):
        synthesize(Spec(Domain(("a", "b"), 0, 3), at_least_two), GRAMMAR)


def test_a_reference_with_a_foreign_label_is_refused():
    with pytest.raises(GrammarError, match="unknown label 'z'"):
        synthesize(Spec(DOMAIN, lambda tokens: "z"), GRAMMAR)


@pytest.mark.parametrize("limits", [{"seconds": 0}, {"candidates": 0}, {"cost": -1}])
def test_a_budget_needs_positive_limits(limits):
    with pytest.raises(ValueError, match="positive"):
        Budget(**limits)


@pytest.mark.needs("z3")
def test_a_long_domain_is_searched_without_listing_it():
    domain = Domain(("a", "b"), 40, 40)
    outcome = synthesize(Spec(domain, ProgramReference(GOAL)), GRAMMAR, verifier="z3")
    assert isinstance(outcome, Found)
    assert outcome.claims[0].sequences == 2**40
