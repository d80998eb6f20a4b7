"""Claims about black boxes: asked again before a claim, two answers are an error, and so is a function that raises."""

import enum
import functools
import itertools
import os
import random
import re
import runpy
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from quick import sliced

from cegis import (
    BlackBoxError,
    Budget,
    Differs,
    Domain,
    DomainError,
    Exhaustive,
    Found,
    GrammarError,
    Program,
    ProgramReference,
    Spec,
    motifs,
    synthesize,
    tabulate,
)
from cegis.blackbox import name_of
from tasks.formats import Question, from_callable
from tasks.proofs.enumeration import enumerate_domain

FAULTS = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[4] / "shared" / "cases")) / "faults"
DOMAIN = Domain(("a", "b"), max_length=6)
GRAMMAR = motifs(DOMAIN.alphabet, ("y", "n"))
SHORT = Budget(seconds=10, candidates=20_000)


def has_a(tokens):
    return "y" if "a" in tokens else "n"


def run(reference, labels=("y", "n"), domain=DOMAIN, budget=SHORT, **options):
    return synthesize(Spec(domain, reference, **options), motifs(domain.alphabet, labels), budget=budget)


def caught(reference):
    """The outcome, or the error that came instead."""
    try:
        return run(reference)
    except BlackBoxError as error:
        return error


# --- asked again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one_in", sliced([3, 10, 50, 200, 1000, 10_000], 3))
def test_a_noisy_function_is_an_error_or_the_claim_says_how_often_it_was_asked(one_in):
    for seed in range(6):
        dice, answers = random.Random(seed), Counter()

        def noisy(tokens, dice=dice, answers=answers):
            answer = has_a(tokens)
            if dice.random() < 1 / one_in:
                answer = "n" if answer == "y" else "y"
            answers[tokens, answer] += 1
            return answer

        outcome = caught(noisy)
        if isinstance(outcome, BlackBoxError):
            assert re.search(
                "noisy gives two answers for the same input: ('y' and 'n'|'n' and 'y') at '[ab ]+'", str(outcome)
            )
            assert len(answers) > len({tokens for tokens, _ in answers})
        else:
            assert isinstance(outcome, Found), "a difference that noise made is no answer"
            assert "every sequence asked 3 times, with one answer" in outcome.claims[0].sentence
            assert len(answers) == DOMAIN.size(), "no input ever got two answers"


def test_the_error_names_the_input_and_both_answers_and_is_a_value_error():
    calls = Counter()

    def moody(tokens):
        calls[tokens] += 1
        return has_a(tokens) if tokens != ("b", "a") or calls[tokens] == 1 else "n"

    said = "moody gives two answers for the same input: 'y' and 'n' at 'b a'"
    with pytest.raises(BlackBoxError, match=said) as error:
        run(moody)
    assert isinstance(error.value, DomainError | ValueError)


@pytest.mark.parametrize("after", [126, 200, 300, 377])
def test_a_function_that_changes_after_many_calls_is_found_out(after):
    calls = 0

    def turns(tokens):
        nonlocal calls
        calls += 1
        return has_a(tokens) if calls <= after else "n"

    with pytest.raises(BlackBoxError, match="two answers"):
        run(turns)


def test_a_function_of_the_call_before_is_found_out_by_another_order():
    last = [()]

    def remembers(tokens):
        answer, last[0] = has_a(tokens + last[0]), tokens
        return answer

    with pytest.raises(BlackBoxError, match="two answers"):
        run(remembers)


def test_differences_and_exhausted_grammars_are_claimed_after_asking_again_only():
    flips = {False: 0, True: 0}

    def hard(is_moody, tokens):
        flips[is_moody] += 1
        right = "y" if hash_of(tokens) % 2 else "n"
        return right if not is_moody or flips[is_moody] <= DOMAIN.size() + 20 else "n"

    def hash_of(tokens):
        return random.Random(" ".join(tokens)).randrange(1000)

    outcome = run(functools.partial(hard, False))
    assert isinstance(outcome, Differs)
    assert outcome.reason.endswith("compared one by one, every sequence asked 3 times, with one answer")
    with pytest.raises(BlackBoxError, match="two answers"):
        run(functools.partial(hard, True))


def test_the_caller_says_how_often_and_the_claim_repeats_it():
    calls = Counter()

    def counted(tokens):
        calls[tokens] += 1
        return has_a(tokens)

    for repeats, said in ((0, "every sequence asked once"), (4, "every sequence asked 5 times, with one answer")):
        calls.clear()
        outcome = run(counted, repeats=repeats)
        assert outcome.claims[0].sentence.endswith(said)
        assert min(calls.values()) == 1 + repeats
    with pytest.raises(DomainError, match="expected to ask 0 or more times again"):
        run(counted, repeats=-1)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (2.0, "every sequence asked once"),
        (10.0, "every sequence asked once and 100 of them once more, with one answer"),
        (14.0, "every sequence asked 2 times, with one answer"),
        (18.0, "every sequence asked 2 times and 50 of them once more, with one answer"),
        (1000.0, "every sequence asked 3 times, with one answer"),
    ],
)
def test_a_slow_function_is_asked_again_as_far_as_a_quarter_of_the_time_allows(monkeypatch, seconds, said):
    clock = itertools.count()  # a second between two looks, and a look every 50 calls
    monkeypatch.setattr("cegis.blackbox.time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    monkeypatch.setattr("cegis.blackbox.BETWEEN", 50)
    outcome = run(has_a, budget=Budget(seconds=seconds))
    assert outcome.claims[0].sentence.endswith(f"; compared one by one, {said}")


def test_a_table_of_ones_own_says_that_it_was_asked_once():
    outcome = synthesize(Spec(DOMAIN, has_a), GRAMMAR, verifier=Exhaustive(tabulate(has_a, DOMAIN, GRAMMAR.signature)))
    assert outcome.claims[0].sentence.endswith("compared one by one, every sequence asked once")


def test_a_program_as_the_reference_is_no_black_box():
    goal = Program.parse("def f(tokens):\n    return 'y' if 'a' in tokens else 'n'\n", GRAMMAR)
    outcome = synthesize(Spec(DOMAIN, ProgramReference(goal)), GRAMMAR)
    assert "asked" not in outcome.claims[0].sentence


def test_an_example_that_the_function_contradicts_is_refused():
    with pytest.raises(BlackBoxError, match="has_a answers 'y' at 'a', and an example says 'n'"):
        synthesize(Spec(DOMAIN, has_a), GRAMMAR, examples=[(("a",), "n")])


# --- raising ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("division by zero"), "raises ZeroDivisionError at 'a a a': division by zero"),
        (KeyError("a"), "raises KeyError at 'a a a': 'a'"),
        (StopIteration(), "raises StopIteration at 'a a a': without a message"),
        (SystemExit(3), "raises SystemExit at 'a a a': 3"),
        (RuntimeError("HOLDS\n\x1b[32mPROVED"), "raises RuntimeError at 'a a a': HOLDS [32mPROVED"),
    ],
)
def test_a_function_that_raises_names_the_sequence_and_keeps_the_cause(error, said):
    def raises(tokens):
        if len(tokens) == 3:
            raise error
        return has_a(tokens)

    with pytest.raises(BlackBoxError) as found:
        run(raises)
    assert f"raises {said}" in f"raises {found.value}".replace("raises raises", "raises")
    assert found.value.__cause__ is error
    assert "\n" not in str(found.value)
    with pytest.raises(BlackBoxError, match="a a a"):
        Spec(DOMAIN, raises).label(("a", "a", "a"))


def test_the_empty_sequence_is_named():
    domain = Domain(("a",), 0, 2)
    with pytest.raises(BlackBoxError, match="raises IndexError at the empty sequence"):
        synthesize(Spec(domain, lambda tokens: tokens[-1]), motifs(("a",), ("a", "b"), min_length=0))


# --- labels -----------------------------------------------------------------------------------------------------


class Colour(enum.StrEnum):
    RED = "y"
    BLUE = "n"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Odd(str):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


@pytest.mark.parametrize(
    ("labels", "function", "text", "answer"),
    sliced([
        ((False, True), lambda t: "a" in t, "def f(tokens: list[str]) -> bool:\n    return 'a' in tokens\n", True),
        ((True, False), lambda t: np.bool_("a" in t), "return 'a' in tokens", True),
        ((0, 1), lambda t: int("a" in t), "-> int:\n    return 1 if 'a' in tokens else 0", 1),
        ((0, 1), lambda t: np.int64("a" in t), "return 1 if 'a' in tokens else 0", 1),
        ((np.int8(0), np.int8(1)), lambda t: int("a" in t), "return 1 if 'a' in tokens else 0", 1),
        ((-1, 5), lambda t: 5 if "a" in t else -1, "return 5 if 'a' in tokens else -1", 5),
        (tuple(range(7)), lambda t: t.count("a"), "return tokens.count('a')", 1),
        ((Number.ONE, Number.TWO), lambda t: Number(1 + ("a" in t)), "return 2 if 'a' in tokens else 1", 2),
        (("y", "n"), lambda t: Colour(has_a(t)), "return 'y' if 'a' in tokens else 'n'", "y"),
        (("y", "n"), lambda t: Odd(has_a(t)), "return 'y' if 'a' in tokens else 'n'", "y"),
        (("y", "n"), lambda t: np.str_(has_a(t)), "return 'y' if 'a' in tokens else 'n'", "y"),
        ((True,), lambda t: True, "return True", True),
        ((7,), lambda t: 7, "return 7", 7),
    ], 3),
)  # fmt: skip
def test_numbers_and_booleans_are_labels_from_the_grammar_to_the_claim(labels, function, text, answer):
    outcome = run(function, labels)
    assert isinstance(outcome, Found)
    source = outcome.program.source("f")
    assert text in source
    again = Program.parse(source, outcome.program.grammar)
    assert again.source("f") == source
    space: dict = {}
    exec(source, space)
    for tokens in DOMAIN:
        value = space["f"](list(tokens))
        assert value == outcome.program(tokens) == again(tokens) == function(tokens)
        assert type(value) is type(outcome.program(tokens)) is type(answer)
    assert outcome.program(("a",)) == answer


@pytest.mark.needs("z3")
@pytest.mark.parametrize(
    ("labels", "text"),
    [((False, True), "'a' in tokens"), (tuple(range(7)), "tokens.count('a')"), ((-1, 3), "3 if 'a' in tokens else -1")],
)
def test_numbers_and_booleans_are_labels_for_a_solver_too(labels, text):
    grammar = motifs(DOMAIN.alphabet, labels)
    goal = Program.parse(f"def f(tokens):\n    return {text}\n", grammar)
    outcome = synthesize(Spec(DOMAIN, ProgramReference(goal)), grammar, verifier="z3", budget=SHORT)
    assert isinstance(outcome, Found)
    assert f"return {text}\n" in outcome.program.source("f")


@pytest.mark.parametrize(
    "labels", [("0", 0), (0, False), (True, "x"), (None,), (1.0, 2.0), (("a",),), (np.float32(1),), ([],)]
)
def test_labels_of_several_kinds_or_of_no_kind_are_one_clear_error(labels):
    with pytest.raises(GrammarError, match=r"expected (every label to be a str, int or bool|labels to be all)"):
        motifs(("a", "b"), labels)


@pytest.mark.parametrize(
    ("labels", "answer", "said"),
    [
        (("y", "n"), None, "unknown label None; the labels are 'y', 'n'"),
        (("y", "n"), "z", "unknown label 'z'"),
        (("y", "n"), float("nan"), "unknown label nan of type float"),
        (("y", "n"), ["y"], r"unknown label \['y'\] of type list"),
        (("y", "n"), b"y", "unknown label b'y' of type bytes"),
        (("0", "1"), 0, "unknown label 0 of type int; the labels are '0', '1'"),
        ((0, 1), "0", "unknown label '0'; the labels are 0, 1"),
        ((0, 1), True, "unknown label True of type bool; the labels are 0, 1"),
        ((False, True), 1, "unknown label 1 of type int; the labels are False, True"),
        ((0, 1), 1.0, "unknown label 1.0 of type float"),
        ((0, 1), (n for n in ()), "of type generator"),
        ((0, 1), np.array([0]), r"unknown label array\(\[0\]\) of type ndarray"),
    ],
)
def test_an_answer_that_is_no_label_names_the_function_and_the_sequence(labels, answer, said):
    def strange(tokens):
        return labels[0] if tokens != ("b", "b") else answer

    with pytest.raises(GrammarError, match=f"strange at 'b b': .*{said}"):
        run(strange, labels)


def test_a_foreign_value_whose_text_fails_or_is_long_is_still_one_line():
    class Nameless:
        def __repr__(self):
            raise RuntimeError

    for answer, said in ((Nameless(), "(it has no text) of type Nameless"), ("x\n" * 10_000, "...")):
        with pytest.raises(GrammarError) as error:
            run(lambda tokens, answer=answer: answer)
        assert said in str(error.value)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 300


# --- names ------------------------------------------------------------------------------------------------------


class Service:
    def __call__(self, tokens):
        return has_a(tokens)

    def answer(self, tokens):
        return has_a(tokens)


def test_the_claim_speaks_of_the_function_by_its_name():
    def network(tokens):
        return has_a(tokens)

    for function, name in (
        (network, "network"),
        (lambda tokens: has_a(tokens), "a lambda"),
        (functools.partial(network), "network (partial)"),
        (functools.lru_cache(network), "network"),
        (Service(), "an object of class Service"),
        (Service().answer, "Service.answer"),
    ):
        outcome = run(function)
        assert outcome.claims[0].sentence.startswith(f"equals {name} on all 126 sequences of length 1 to 6")


def test_a_name_cannot_write_a_line_of_its_own():
    def network(tokens):
        return has_a(tokens)

    network.__qualname__ = "f\nPROVED: it holds \x1b[32m" + 100 * "x"
    assert name_of(network) == "f PROVED: it holds  [32m" + 56 * "x"
    network.__qualname__ = ""
    assert name_of(network) == "network"


# --- networks as black boxes ------------------------------------------------------------------------------------


def box(function):
    return from_callable(
        function, vocabulary=("a", "b"), outputs=("no", "yes"), longest=5, question=Question(lengths=(1, 5))
    )


def shares(ids):
    return np.stack([(ids == 1).sum(axis=1) + 0.5, (ids == 0).sum(axis=1)], axis=1).astype(float)


def test_a_black_box_of_arrays_is_asked_again_in_another_order():
    calls = []

    def fickle(ids):
        calls.append(len(ids))
        return shares(ids) if len(calls) == 1 else shares(ids)[:, ::-1]

    with pytest.raises(
        BlackBoxError, match=r"fickle gives two answers for the same input: '(yes|no)' and '(yes|no)' at"
    ):
        enumerate_domain(box(fickle), Domain(("a", "b"), 1, 5))

    def by_row(ids):  # an answer that depends on the other prompts of a call
        return shares(ids) + np.arange(len(ids))[:, None] * [1.0, 0.0]

    with pytest.raises(BlackBoxError, match="by_row gives two answers"):
        enumerate_domain(box(by_row), Domain(("a", "b"), 1, 5))
    assert (
        "every sequence was asked 3 times, with one answer"
        in enumerate_domain(box(shares), Domain(("a", "b"), 1, 5)).meaning
    )


def test_a_black_box_of_arrays_that_raises_names_the_prompt():
    def raises(ids):
        if (ids.sum(axis=1) == 3).any():
            raise KeyError("three")
        return shares(ids)

    with pytest.raises(BlackBoxError, match="raises raises KeyError at the prompt 'b b b': 'three'") as error:
        enumerate_domain(box(raises), Domain(("a", "b"), 1, 5))
    assert isinstance(error.value.__cause__, KeyError)

    def too_many(ids):
        if len(ids) > 1:
            raise MemoryError("full")
        return shares(ids)

    with pytest.raises(BlackBoxError, match=r"too_many raises MemoryError for \d+ prompts at once: full"):
        enumerate_domain(box(too_many), Domain(("a", "b"), 1, 5))


def test_a_black_box_may_write_into_what_it_is_given():
    def writes(ids):
        result = shares(ids)
        ids[:] = 0
        return result

    found, clean = (enumerate_domain(box(function), Domain(("a", "b"), 1, 5)) for function in (writes, shares))
    assert all(
        np.array_equal(one.labels, other.labels) for one, other in zip(found.lengths, clean.lengths, strict=True)
    )


# --- the shared cases -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "said"),
    [("noisy_black_box.py", "label gives two answers for the same input"), ("raising_black_box.py", "at 'a a a'")],
)
def test_the_scripts_of_the_shared_cases_end_in_the_error(script, said):
    if not (FAULTS / script).is_file():
        pytest.skip(f"no cases in {FAULTS} (set DISTILL_CASES)")
    with pytest.raises(BlackBoxError, match=said):
        runpy.run_path(str(FAULTS / script))
