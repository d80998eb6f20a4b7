"""At the prompt and in notebooks: short lines, escaped HTML, and errors that say what was expected and what came."""

from __future__ import annotations

import dataclasses
import io
from importlib.metadata import version

import numpy as np
import pytest
from average_networks import lead
from counted_circuits import shipped

import cegis
from backends import BackendError, Limits
from cegis import (
    INT,
    Budget,
    Constraint,
    Differs,
    Domain,
    DomainError,
    Exhausted,
    Found,
    GrammarError,
    Production,
    Program,
    ScalarSignature,
    SequenceSignature,
    Spec,
    Stopped,
    motifs,
    solve,
    synthesize,
    tabulate,
    variable,
)
from cegis.outcome import Statistics
from tasks.formats import from_circuit
from tasks.pipeline.distill import distill
from tasks.pipeline.observers import QUIET, live, plain, unhurried
from tasks.pipeline.steps import Step

AB, XY = ("a", "b"), ("x", "y")
DOMAIN, GRAMMAR = Domain(AB, 1, 3), motifs(AB, XY)
PROGRAM = Program.parse("def f(tokens):\n    return 'x' if 'a' in tokens else 'y'", GRAMMAR)
USED = Statistics(1, 1, 1, 0.0, 0.0, 0.0)
HOSTILE = "<script>alert(1)</script>"


def has_a(sequence: tuple[str, ...]) -> str:
    return "x" if "a" in sequence else "y"


@pytest.fixture(scope="module")
def result():
    circuit = shipped("bracket_depth")
    return distill(circuit, circuit.domain.up_to(4), seconds=10)


def parts(value: object, depth: int = 3) -> list[object]:
    """An object and what its fields hold, some steps down."""
    if not depth or not dataclasses.is_dataclass(value):
        return [value]
    inner = [getattr(value, field.name) for field in dataclasses.fields(value) if hasattr(value, field.name)]
    return [value, *(part for one in inner for part in parts(one, depth - 1))]


@pytest.mark.slow
def test_nothing_a_user_meets_fills_the_screen(result):
    circuit = shipped("bracket_depth")
    met = [result, result.outcome, circuit, from_circuit(circuit), GRAMMAR, PROGRAM, PROGRAM.term, DOMAIN]
    met.append(Spec(DOMAIN, has_a))
    for one in (part for whole in met for part in parts(whole)):
        if dataclasses.is_dataclass(one):
            assert len(repr(one)) <= 1_500, type(one)
    for one in met:
        assert len(repr(one)) <= 250, type(one)
        assert "\n" not in repr(one)


def test_programs_and_results_show_what_they_do(result):
    assert repr(PROGRAM) == "Program(return 'x' if 'a' in tokens else 'y')"
    assert "Distillation('bracket_depth', length 1 to 4: Found, proved; Program(return" in repr(result)


def test_a_large_term_is_told_by_its_size():
    rows = cegis.default_grammar(ScalarSignature((("x", INT),), INT)).productions
    add, term = next(row.operator for row in rows if row.operator.name == "+"), variable("x", INT)()
    for _ in range(200):
        term = add(term, term)  # as a tree it has 2**200 operators
    assert repr(term) == f"Term({term.size} operators)"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Found(PROGRAM, (), (), USED), "in"),
        (Differs(PROGRAM, (cegis.Counterexample((HOSTILE,), HOSTILE, None),), HOSTILE, USED), "differs on exactly 1"),
        (Exhausted((((HOSTILE,), HOSTILE),), USED), "No program of the grammar"),
        (Stopped(HOSTILE, PROGRAM, (), USED), "Stopped: "),
    ],
)
def test_outcomes_in_a_notebook_are_escaped(outcome, words):
    html = outcome._repr_html_()
    assert words in html
    assert "<script" not in html


def test_networks_and_results_in_a_notebook_are_escaped(result):
    model = dataclasses.replace(lead(3), name=HOSTILE)
    assert "&lt;script&gt;" in model._repr_html_()
    found = distill(model, model.domain, seconds=2)
    for shown in (model, found, result, shipped("bracket_depth")):
        assert "<script" not in shown._repr_html_()
    assert "PROVED (rung enumerated): it equals circuit bracket_depth" in result._repr_html_()
    assert "0.attn.v" in shipped("bracket_depth")._repr_html_()
    assert all(claim.words.split(": it ")[0] in claim._repr_html_() for claim in result.claims)


def test_the_version_is_that_of_the_package():
    assert cegis.__version__ == version("symbolic-circuit-distillation")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Domain(["a", "b"], 1, 3), DomainError, "as a tuple of tokens, such as ('a', 'b'), got ['a', 'b']"),
        (lambda: Domain("ab", 1, 3), DomainError, "alphabet as a tuple of tokens, such as ('a', 'b'), got 'ab'"),
        (lambda: Domain(AB, 1, "3"), DomainError, "expected max_length as a whole number, got '3'"),
        (lambda: Domain(AB, 1.5, 3), DomainError, "expected min_length as a whole number, got 1.5"),
        (lambda: Constraint("x", [[0, 0]], [True]), DomainError, "transitions as a tuple of tuples"),
        (lambda: SequenceSignature(["a"], ("x",)), GrammarError, "alphabet as a tuple of tokens"),
        (lambda: SequenceSignature(AB, "xy"), GrammarError, "labels as a tuple"),
        (lambda: ScalarSignature(["x"], INT), GrammarError, "such as ScalarSignature((('x', INT),), INT)"),
        (lambda: variable("x", "Int"), GrammarError, "such as variable('x', INT)"),
        (lambda: Production("A", 5), GrammarError, "expected an operator"),
        (lambda: Program(5, GRAMMAR), GrammarError, "Program.parse(text, grammar)"),
        (lambda: Program.parse(5, GRAMMAR), GrammarError, "expected the text of a function, got 5"),
        (lambda: PROGRAM(5), GrammarError, "expected a sequence of tokens"),
        (lambda: Budget(seconds="5"), TypeError, "such as Budget(seconds=5"),
        (lambda: Budget(candidates=1.5), TypeError, "expected a budget of numbers"),
        (lambda: Limits("5"), BackendError, "such as Limits(seconds=5)"),
        (lambda: Spec(has_a, DOMAIN), DomainError, "expected a Domain first and then the reference"),
        (lambda: Spec(DOMAIN, "x"), DomainError, "expected as the reference a function"),
        (lambda: synthesize(has_a, GRAMMAR), DomainError, "expected a Spec(domain, reference)"),
        (lambda: synthesize(Spec(DOMAIN, has_a), AB), DomainError, "motifs(...) makes one"),
        (lambda: synthesize(Spec(DOMAIN, has_a), GRAMMAR, budget=5), DomainError, "such as Budget(seconds=5), got 5"),
        (lambda: synthesize(Spec(DOMAIN, has_a), GRAMMAR, examples=5), DomainError, "pairs of a sequence and a label"),
        (lambda: synthesize(Spec(DOMAIN, has_a), GRAMMAR, examples=["ax"[0]]), DomainError, "pairs of a sequence"),
        (lambda: synthesize(Spec(DOMAIN, has_a), GRAMMAR, on_event=5), DomainError, "a function that takes a Round"),
        (lambda: synthesize(Spec(DOMAIN, has_a), GRAMMAR, seed="x"), DomainError, "seed as a whole number, got 'x'"),
        (lambda: solve(5), DomainError, "expected a FormulaSpec, got 5"),
        (lambda: tabulate(has_a, DOMAIN, XY), DomainError, "motifs(alphabet, labels).sequences"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_was_expected(make, error, message):
    with pytest.raises(error) as raised:
        make()
    assert message in str(raised.value)


def test_numbers_of_numpy_are_numbers():
    assert Domain(AB, np.int64(1), np.int64(3)).size() == DOMAIN.size()
    assert isinstance(synthesize(Spec(DOMAIN, has_a), GRAMMAR, seed=np.int64(1), budget=Budget(np.float64(5))), Found)


def test_lists_of_tokens_are_sequences_as_well():
    assert PROGRAM(["b", "a"]) == "x"
    assert isinstance(synthesize(Spec(DOMAIN, has_a), GRAMMAR, examples=[(["b", "a"], "x")]), Found)


def test_observers_tell_steps_and_rounds():
    file = io.StringIO()
    circuit = shipped("quote_closing")
    distill(circuit, circuit.domain.up_to(3), seconds=5, observer=plain(file))
    assert file.getvalue().startswith("labels: ")
    assert "round 1: " in file.getvalue()
    console = pytest.importorskip("rich.console").Console(
        file=io.StringIO(), force_terminal=True, width=80, highlight=False
    )
    with live(console) as observer:
        observer.on_step(Step("labels", "[bold] is no markup", 0.1, 0.1))
        observer.on_progress(1, 2)
    assert "[bold] is no markup" in console.file.getvalue()


def test_where_no_terminal_is_a_long_silence_is_broken_by_what_goes_on():
    now, lines = 0.0, list[str]()
    tell, show = unhurried(lines.append, lambda: now)
    show("1 of 9")
    now = QUIET - 1
    tell("labels: done")
    now = QUIET + 1
    show("2 of 9")
    assert lines == ["labels: done"], "a line was told a moment ago"
    now = 2 * QUIET
    show("3 of 9")
    show("4 of 9")
    assert lines == ["labels: done", "  3 of 9"]
    console = pytest.importorskip("rich.console").Console(file=io.StringIO(), width=80, highlight=False)
    with live(console) as observer:
        observer.on_step(Step("labels", "two", 0.1, 0.1))
        observer.on_progress(1, 2)
    assert console.file.getvalue() == "labels: two [0.1 s]\n"


def test_the_observer_of_notebooks_shows_one_escaped_output(monkeypatch):
    display = pytest.importorskip("IPython.display", reason="IPython is not installed")
    shown: list[str] = []

    class Handle:
        def update(self, html):
            shown.append(html.data)

    monkeypatch.setattr(display, "display", lambda html, display_id: Handle())
    from tasks.pipeline.observers import notebook

    with notebook() as observer:
        observer.on_step(Step("labels", HOSTILE, 0.1, 0.1))
        observer.on_length(3, 5)
    assert "compared up to length 3 of 5" in shown[-1]
    assert "&lt;script&gt;" in shown[-1]
    assert "<script" not in "".join(shown)
