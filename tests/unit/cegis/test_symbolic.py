"""Claims about the solver's verifier: valid exactly where enumeration says so, and never by silence or by nothing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pysmt.logics import QF_BV, QF_LIA, QF_LRA
from quick import examples, sliced

from backends import BackendError, Recorder, Sat, Unsat, get
from backends import Unknown as NoAnswer
from cegis import (
    Constraint,
    Counterexample,
    Domain,
    DomainError,
    Exhaustive,
    GrammarError,
    Program,
    ProgramReference,
    Rung,
    Symbolic,
    Unknown,
    Valid,
    motifs,
    symbolic,
    tabulate,
)
from dsl.operators import Term

GRAMMAR = motifs(["a", "b"], ["x", "y"])
THREE = motifs(["a", "b", "c"], ["0", "1", "2"])
EVEN = Constraint("an even number of a", ((1, 0), (0, 1)), (True, False))
PAIRED = Constraint("even length", ((1, 1), (0, 0)), (True, False))
SOLVERS = [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("z3", "cvc5")]
DOMAIN = Domain(("a", "b"), 1, 3)


def program(text: str, grammar: Any = GRAMMAR) -> Program:
    return Program.parse(f"def f(tokens):\n    {text}\n", grammar)


ENDS = program("return 'x' if tokens[-1] == 'a' else 'y'")
BEGINS = program("return 'x' if tokens[0] == 'a' else 'y'")
SAME = program("return 'y' if tokens[-1] == 'b' else 'x'")


def mutate(term: Term, rng: random.Random, derive: Any, grammar: Any, nonterminal: str) -> Term:
    """The term with one subterm exchanged."""
    if not term.arguments or rng.random() < 0.3:
        return derive(grammar, nonterminal, 3, rng.choice)
    place = rng.randrange(len(term.arguments))
    production = next(p for p in grammar.productions if (p.nonterminal, p.operator) == (nonterminal, term.operator))
    changed = mutate(term.arguments[place], rng, derive, grammar, production.arguments[place])
    return term.operator(*term.arguments[:place], changed, *term.arguments[place + 1 :])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("constraint", "logic"),
    sliced([(None, QF_LIA), (EVEN, QF_LIA), (PAIRED, QF_LRA), (None, QF_BV)], 3),
    ids=["free", "constrained", "as reals", "as bits"],
)
def test_valid_exactly_when_all_sequences_agree_and_every_counterexample_refutes(solver, constraint, logic, derive):
    rng, domain, seen = random.Random(7), Domain(("a", "b"), 1, 4, constraint), []
    for _ in range(examples(60)):
        reference = Program(derive(GRAMMAR, "Label", rng.randint(4, 14), rng.choice), GRAMMAR)
        candidate = Program(mutate(reference.term, rng, derive, GRAMMAR, "Label"), GRAMMAR)
        with Symbolic(domain, GRAMMAR.signature, ProgramReference(reference), get(solver), logic=logic) as verifier:
            verdict = verifier.check(candidate)
        wrong = [word for word in domain if reference(word) != candidate(word)]
        seen.append(type(verdict))
        if wrong:
            assert isinstance(verdict, Counterexample)
            assert verdict.inputs in wrong
            assert (verdict.expected, verdict.got) == (reference(verdict.inputs), candidate(verdict.inputs))
        else:
            assert isinstance(verdict, Valid)
    assert seen.count(Valid) >= 4
    assert seen.count(Counterexample) >= 4


MUTANTS = {
    "return 'x' if tokens.count('a') >= 2 else 'y'": [
        "return 'x' if tokens.count('a') >= 3 else 'y'",
        "return 'x' if tokens.count('b') >= 2 else 'y'",
        "return 'x' if len(tokens) >= 2 else 'y'",
        "return 'y' if tokens.count('a') >= 2 else 'x'",
    ],
    "return 'x' if 5 * tokens.count('a') > 2 * len(tokens) else 'y'": [
        "return 'x' if 6 * tokens.count('a') > 2 * len(tokens) else 'y'",
        "return 'x' if 5 * tokens.count('a') > 3 * len(tokens) else 'y'",
        "return 'x' if 2 * len(tokens) > 5 * tokens.count('a') else 'y'",
        "return 'x' if 5 * tokens.count('a') == 2 * len(tokens) else 'y'",
    ],
    (
        "inside = False\n    for token in tokens:\n        if token == 'a':\n            inside = not inside\n"
        "    return 'x' if inside and tokens[-1] == 'b' else 'y'"
    ): [
        "inside = False\n    for token in tokens:\n        if token == 'b':\n            inside = not inside\n"
        "    return 'x' if inside and tokens[-1] == 'b' else 'y'",
        "inside = False\n    for token in tokens:\n        if token == 'a':\n            inside = not inside\n"
        "    return 'x' if inside or tokens[-1] == 'b' else 'y'",
        "inside = False\n    for token in tokens:\n        if token == 'a':\n            inside = not inside\n"
        "    return 'x' if inside and tokens[0] == 'b' else 'y'",
    ],
    (
        "depth = 0\n    for token in tokens:\n        if token == 'a':\n            depth = min(depth + 1, 2)\n"
        "        elif token == 'b':\n            depth = max(depth - 1, 0)\n    return 'x' if depth >= 1 else 'y'"
    ): [
        "depth = 0\n    for token in tokens:\n        if token == 'a':\n            depth = min(depth + 1, 3)\n"
        "        elif token == 'b':\n            depth = max(depth - 1, 0)\n    return 'x' if depth >= 1 else 'y'",
        "depth = 0\n    for token in tokens:\n        if token == 'a':\n            depth = min(depth + 1, 2)\n"
        "        elif token == 'b':\n            depth = max(depth - 1, 0)\n    return 'x' if depth >= 2 else 'y'",
    ],
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("proven", sliced(MUTANTS, 2), ids=["count", "average", "toggle", "depth"])
def test_a_proven_program_with_one_thing_changed_is_refuted_by_solver_and_enumeration(solver, proven):
    original, domain = program(proven), Domain(("a", "b"), 1, 6)
    exhaustive = Exhaustive(tabulate(original, domain, GRAMMAR.signature))
    with Symbolic(domain, GRAMMAR.signature, ProgramReference(original), get(solver)) as verifier:
        for check in (verifier.check, exhaustive.check):
            assert isinstance(check(original), Valid)
            for text in MUTANTS[proven]:
                mutant = program(text)
                verdict = check(mutant)
                assert isinstance(verdict, Counterexample), text
                assert mutant(verdict.inputs) == verdict.got != verdict.expected == original(verdict.inputs)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_claim_says_exactly_what_was_refuted(solver):
    domain, lengths = Domain(("a", "b"), 1, 7, PAIRED), []
    with Symbolic(
        domain, GRAMMAR.signature, ProgramReference(ENDS), get(solver), on_length=lambda n, seconds: lengths.append(n)
    ) as verifier:
        verdict = verifier.check(SAME)
    assert isinstance(verdict, Valid)
    (claim,) = verdict.claims
    assert lengths == [2, 4, 6]
    assert (claim.rung, claim.sequences) == (Rung.SURROGATE, domain.size())
    assert (claim.domain.min_length, claim.domain.max_length, claim.domain.constraint) == (2, 6, PAIRED)
    assert f"by {solver} " in claim.sentence


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_empty_sequence_is_checked_where_the_domain_holds_it(solver):
    grammar = motifs(["a", "b"], ["x", "y"], min_length=0)
    always = program("return 'x'", grammar)
    some = program("return 'x' if len(tokens) >= 1 else 'y'", grammar)
    with Symbolic(Domain(("a", "b"), 0, 2), grammar.signature, ProgramReference(always), get(solver)) as verifier:
        assert verifier.check(some) == Counterexample((), "x", "y")
        assert isinstance(verifier.check(always), Valid)
    verifier = Symbolic(Domain(("a", "b"), 0, 2), GRAMMAR.signature, ProgramReference(ENDS), get(solver))
    with verifier, pytest.raises(GrammarError, match="empty sequence"):
        verifier.check(ENDS)


@pytest.mark.parametrize("solver", SOLVERS)
def test_two_programs_that_name_no_label_are_not_equal(solver):
    domain = Domain(("a", "b", "c"), 1, 3)
    reference = ProgramReference(program("return str(len(tokens))", THREE))  # "3" is no label
    verifier = Symbolic(domain, THREE.signature, reference, get(solver))
    with verifier, pytest.raises(DomainError, match="names no label on"):
        verifier.check(reference.program)
    with Symbolic(domain.up_to(2), THREE.signature, reference, get(solver)) as verifier:
        assert isinstance(verifier.check(reference.program), Valid)


# --- what a solver may do, scripted -----------------------------------------------------------------------------


class Script:
    """Stands in for ``decide``: answers by the query's name."""

    def __init__(self, monkeypatch: Any, answers: dict[str, Any]) -> None:
        self.answers, self.asked = answers, []
        monkeypatch.setattr(symbolic, "decide", self)

    def __call__(self, session: Any, name: str, *_: Any) -> Any:
        self.asked.append(name)
        length, _, kind = name.rpartition("/")
        answer = self.answers.get(f"{length.rpartition('=')[2]} {kind.partition('=')[0]}", UNSAT)
        if isinstance(answer, BaseException):
            raise answer
        return answer


UNSAT, NO_ANSWER = Unsat("z3", "0", 0.0), NoAnswer("z3", "0", 0.0, "gave up")
SAT = Sat("z3", "0", 0.0, {"tok_0_0": True, "tok_0_1": False})
YES = {f"{n} assumptions": SAT for n in (1, 2, 3)}


def check_scripted(monkeypatch: Any, answers: dict[str, Any], candidate: Program = BEGINS) -> Any:
    Script(monkeypatch, answers)
    with Symbolic(DOMAIN, GRAMMAR.signature, ProgramReference(ENDS), get("z3")) as verifier:
        return verifier.check(candidate)


@pytest.mark.needs("z3")
def test_unknown_is_never_valid_and_keeps_what_was_proved(monkeypatch):
    verdict = check_scripted(monkeypatch, {**YES, "3 query": NO_ANSWER})
    assert isinstance(verdict, Unknown)
    assert "gave up; proved up to length 2" in verdict.reason
    assert [(c.domain.min_length, c.domain.max_length, c.sequences) for c in verdict.claims] == [(1, 2, 6)]
    assert isinstance(check_scripted(monkeypatch, YES), Valid), "else this test could not fail"


@pytest.mark.needs("z3")
@pytest.mark.parametrize("length", [1, 3])
def test_unknown_assumptions_are_not_taken_for_satisfiable_ones(monkeypatch, length):
    verdict = check_scripted(monkeypatch, {**YES, f"{length} assumptions": NO_ANSWER})
    assert isinstance(verdict, Unknown)
    assert ("nothing was proved" in verdict.reason) == (length == 1)


@pytest.mark.needs("z3")
def test_assumptions_that_nothing_meets_are_an_error_and_no_proof(monkeypatch):
    with pytest.raises(BackendError, match="do not trust"):
        check_scripted(monkeypatch, {**YES, "2 assumptions": UNSAT})


@pytest.mark.needs("z3")
def test_an_interrupted_check_keeps_what_was_proved(monkeypatch):
    verdict = check_scripted(monkeypatch, {**YES, "2 query": KeyboardInterrupt()})
    assert isinstance(verdict, Unknown)
    assert "interrupted; proved up to length 1" in verdict.reason
    assert [claim.sequences for claim in verdict.claims] == [2]


@pytest.mark.needs("z3")
def test_a_model_on_which_nothing_differs_is_an_error_and_no_counterexample(monkeypatch):
    with pytest.raises(BackendError, match="both give 'x' there"):
        check_scripted(monkeypatch, {**YES, "1 query": SAT})


@pytest.mark.needs("z3")
def test_assumptions_are_asked_once_per_length(monkeypatch):
    script = Script(monkeypatch, YES)
    with Symbolic(DOMAIN, GRAMMAR.signature, ProgramReference(ENDS, "ends"), get("z3")) as verifier:
        verifier.check(BEGINS)
        verifier.check(SAME)
    assert [name for name in script.asked if "assumptions" in name] == [
        f"ends/length={n}/assumptions" for n in (1, 2, 3)
    ]
    assert len(set(script.asked)) == len(script.asked) == 9


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.needs("z3")
def test_no_time_and_no_sequences_prove_nothing():
    with Symbolic(DOMAIN, GRAMMAR.signature, ProgramReference(ENDS), get("z3"), seconds=1e-9) as verifier:
        verdict = verifier.check(ENDS)
    assert isinstance(verdict, Unknown)
    assert "nothing was proved" in verdict.reason
    empty = Domain(("a", "b"), 1, 1, PAIRED)
    with Symbolic(empty, GRAMMAR.signature, ProgramReference(ENDS), get("z3")) as verifier:
        assert isinstance(verifier.check(ENDS), Unknown)


def test_programs_of_another_alphabet_or_label_order_are_refused():
    swapped, other = motifs(["a", "b"], ["y", "x"]), motifs(["b", "a"], ["x", "y"])
    with Symbolic(DOMAIN, GRAMMAR.signature, ProgramReference(ENDS), get("z3")) as verifier:
        for grammar in (swapped, other):
            with pytest.raises(DomainError, match="expected a program from"):
                verifier.check(Program(ENDS.term, grammar))
    with pytest.raises(DomainError, match="expected a program from"):
        Symbolic(DOMAIN, swapped.signature, ProgramReference(ENDS), get("z3"))
    with pytest.raises(DomainError, match="the domain reads"):
        Symbolic(DOMAIN, other.signature, ProgramReference(Program(ENDS.term, other)), get("z3"))


@pytest.mark.needs("z3")
def test_every_query_can_be_recorded(tmp_path):
    recorder = Recorder(tmp_path / "queries")
    with Symbolic(DOMAIN, GRAMMAR.signature, ProgramReference(ENDS), get("z3"), recorder=recorder) as verifier:
        verifier.check(SAME)
    assert len(list((tmp_path / "queries").glob("*.smt2"))) == 6
    verifier.close()
