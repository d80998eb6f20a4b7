"""An interrupt ends a distillation, and costs nothing that was proved before it."""

import pytest
from average_networks import average

from cegis import Differs, Found, Program, Stopped
from dsl.enumeration.bank import Bank
from dsl.enumeration.store import Store
from tasks.pipeline import labels, search
from tasks.pipeline import sequences as pipeline
from tasks.pipeline.dependence import Labelled
from tasks.pipeline.distill import distill
from tasks.pipeline.report import distillation_json, distillation_text, verdict
from tasks.proofs.enumeration import enumerate_domain

NO_B = "def f(tokens):\n    return 'no' if 'b' in tokens else 'yes'\n"


def ended(*arguments, **named):
    raise KeyboardInterrupt


def test_an_interrupt_while_a_short_rule_is_looked_for_keeps_the_exact_automaton(monkeypatch):
    monkeypatch.setattr(pipeline, "approximated", ended)
    monkeypatch.setattr(search.Expressions, "run", lambda self, *_: search.interrupted(self.table, ()))
    loaded = average((1.0, -20.0, 0.5), 6)
    found = distill(loaded, loaded.domain, seconds=20)
    assert found.is_proved
    assert found.rule is None
    assert found.steps[-1].text == "interrupted"
    assert verdict(found).startswith("PROVED (rung enumerated): ")


def test_an_interrupt_while_two_exact_programs_are_compared_keeps_them(monkeypatch):
    monkeypatch.setattr(search, "_prefers", ended)
    loaded = average((1.0, -20.0, 0.5), 6)
    found = distill(loaded, loaded.domain, seconds=20)
    assert isinstance(found.outcome, Found)
    assert found.is_proved
    assert found.beside is not None
    said = "the search was interrupted, so there may be a shorter program"
    assert said in found.notes
    assert f"Note: {said}" in distillation_text(found, is_full=False)


@pytest.mark.parametrize("is_given", [True, False])
def test_an_interrupt_between_the_proofs_of_longer_sequences_keeps_what_was_listed(monkeypatch, is_given):
    monkeypatch.setattr(labels, "MOST_SEQUENCES", 100)
    monkeypatch.setattr(labels, "FEW_SEQUENCES", 100)
    monkeypatch.setattr(pipeline, "extended", ended)
    loaded = average((1.0, -20.0, 0.5), 12)
    program = Program.parse(NO_B, labels.grammar_of(loaded.domain, ("yes", "no"))) if is_given else None
    found = distill(loaded, loaded.domain, program=program, seconds=20)
    assert not found.is_proved
    assert found.ended == "interrupted"
    assert verdict(found).startswith("NOT PROVED up to length 12, but PROVED (rung enumerated): ")
    assert distillation_json(found)["horizon"] == 5


@pytest.mark.parametrize("where", ["a block", "an example"])
def test_an_interrupt_in_the_middle_of_the_bank_leaves_what_was_ready(monkeypatch, where):
    loaded, calls = average((1.0, -20.0, 0.5), 6), []
    of, name, at = (Store, "append", 60) if where == "a block" else (Bank, "observe", 5)
    usual = getattr(of, name)

    def stopped(*arguments):
        result = usual(*arguments)
        calls.append(name)
        if len(calls) == at:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(of, name, stopped)
    table = labels.LabelTable.of(enumerate_domain(loaded, loaded.domain))
    (attempt, *_) = search.attempts(Labelled(table), (), None, 0)
    outcome = search.Expressions(table, None, 0, lambda event: None).run([attempt], 20.0, None)
    assert len(calls) == at
    if where == "a block":
        assert isinstance(outcome, Differs)
        assert len(outcome.exceptions) == table.count_exceptions(outcome.program)
    else:  # what is known of five examples is not in step with them
        assert (type(outcome), outcome.program) == (Stopped, None)
    assert outcome.reason == "interrupted"
