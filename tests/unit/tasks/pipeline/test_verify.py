"""A program of one's own is compared as what it is: read where it can be, else run; and nothing false is said of it."""

import pickle
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from average_networks import AB, average, lead

from backends import get
from cegis import DomainError, GrammarError, Program, Rung, Unknown, motifs
from cegis.blackbox import BlackBoxError
from dsl.sequences import SequenceSignature
from tasks.automata.moore import Machine
from tasks.automata.moore_reading import read_machine
from tasks.formats.circuit_folder import load_circuit, shipped_path
from tasks.formats.sparse import from_circuit
from tasks.networks.readout import Argmax, Rounded, TokenSet
from tasks.pipeline import labels
from tasks.pipeline.distill import verify
from tasks.pipeline.functions import RunProgram, written
from tasks.pipeline.own_programs import from_file, hidden_names, own_program, selected
from tasks.pipeline.report import distillation_json, distillation_text, verdict
from tasks.proofs.listing import ListingVerifier

MORE_A = "def f(tokens):\n    return 'yes' if tokens.count('a') > tokens.count('b') else 'no'\n"


def more_a(tokens):
    lead = 0
    for token in tokens:
        lead += 1 if token == "a" else -1
    return "yes" if lead > 0 else "no"


# --- functions that are run -----------------------------------------------------------------------------------------


def test_a_function_that_is_right_everywhere_is_enumerated_and_said_to_have_been_run():
    found = verify(lead(6), more_a, seconds=20)
    (claim,) = found.claims
    assert (found.is_proved, claim.rung, claim.sequences) == (True, Rung.ENUMERATED, 127)
    said = f"more_a was run by CPython {sys.version.split()[0]}, twice on every input"
    assert said in claim.sentence
    assert said in verdict(found)
    assert "which was run, not read" in claim.detail


@pytest.mark.parametrize("planted", ["aaaaaab", "bbbbbbb", "ababab"])
def test_one_wrong_answer_late_among_many_is_the_one_exception(planted):
    def wrong(tokens):
        return "maybe" if tokens == [*planted] else more_a(tokens)

    found = verify(lead(7), wrong, seconds=20)
    assert not found.is_proved
    (exception,) = found.exceptions
    assert (exception.inputs, exception.expected, exception.got) == (tuple(planted), more_a(planted), "maybe")
    assert found.horizon == len(planted) - 1
    assert verdict(found).startswith(
        "DIFFERS: this function is not the network average; it differs on exactly 1 of 255"
    )


def test_an_answer_that_is_none_is_an_exception_without_a_label():
    found = verify(lead(3), lambda tokens: more_a(tokens) if len(tokens) != 2 else None, seconds=20)
    assert [exception.got for exception in found.exceptions] == [None] * 4


def test_a_function_of_another_kind_of_answer_is_told_where():
    with pytest.raises(BlackBoxError, match=r"a lambda at '': expected a label as a text, got 0 of type int"):
        verify(lead(3), lambda tokens: len(tokens), seconds=20)


def test_a_function_that_raises_is_told_where():
    with pytest.raises(BlackBoxError, match="raises ZeroDivisionError at 'a a b'"):
        verify(lead(4), lambda tokens: 1 // (tokens != ["a", "a", "b"]) and more_a(tokens), seconds=20)


def test_a_function_that_ends_the_program_does_not_end_it():
    with pytest.raises(BlackBoxError, match="raises SystemExit at ''"):
        verify(lead(3), lambda tokens: sys.exit(0), seconds=20)


def test_a_function_that_changes_its_mind_gets_no_claim():
    calls = []

    def fickle(tokens):
        calls.append(tokens)
        return more_a(tokens) if len(calls) < 25 else "no"

    with pytest.raises(BlackBoxError, match="two answers for the same input"):
        verify(lead(4), fickle, seconds=20)


def test_a_function_may_do_what_it_likes_with_its_list():
    def emptied(tokens):
        answer = more_a(tokens)
        tokens.clear()
        return answer

    assert verify(lead(4), emptied, seconds=20).is_proved


def test_what_a_function_prints_is_no_part_of_the_result(capsys):
    def loud(tokens):
        print("loud")
        return more_a(tokens)

    assert verify(lead(2), loud, seconds=20).is_proved
    assert capsys.readouterr().out == ""


def test_a_function_that_hangs_costs_the_longer_lengths_alone():
    def hanging(tokens):
        while len(tokens) == 4:
            pass
        return more_a(tokens)

    start = time.perf_counter()
    found = verify(lead(6), hanging, seconds=1.0)
    assert time.perf_counter() - start < 1.0 * 1.1 + 2
    assert (found.is_proved, found.horizon, found.claims[0].domain.max_length) == (False, 3, 3)
    assert "the time ended at length 4, where hanging had not answered 'a a a a'" in verdict(found)


def test_an_interrupt_keeps_the_lengths_before():
    def interrupted(tokens):
        if len(tokens) == 5:
            raise KeyboardInterrupt
        return more_a(tokens)

    found = verify(lead(6), interrupted, seconds=20)
    assert (found.is_proved, found.horizon) == (False, 4)
    assert "interrupted at length 5" in verdict(found)


def test_a_function_interrupted_before_any_length_is_bad_input():
    with pytest.raises(DomainError, match="was not run on all of the shortest"):
        verify(average((1.0, -1.0, -0.5), 3), lambda tokens: exec("raise KeyboardInterrupt"), seconds=20)


def test_a_function_is_followed_beyond_the_search_by_listing_and_breaks_there(monkeypatch):
    monkeypatch.setattr(labels, "MOST_SEQUENCES", 100)
    monkeypatch.setattr(labels, "FEW_SEQUENCES", 100)
    right = verify(lead(9), more_a, lead(9).domain, seconds=20)
    assert (right.is_proved, right.domain.max_length, right.horizon) == (True, 5, 9)
    assert "more_a was run by" in right.claims[0].sentence
    wrong = verify(lead(9), lambda t: more_a(t) if t != [*"abababab"] else "yes", lead(9).domain, seconds=20)
    assert (wrong.is_proved, wrong.horizon, wrong.broken.inputs) == (False, 7, tuple("abababab"))


def test_places_are_given_to_a_function_where_each_has_a_label():
    loaded = average((1.0, -1.0, -0.5), 4, Argmax(("yes", "no"), (0, 1), "every"))
    loaded = replace(loaded, domain=replace(loaded.domain, min_length=1))

    def before(tokens, i):
        return more_a(tokens[: i + 1])

    assert verify(loaded, before, seconds=20).is_proved
    late = verify(loaded, lambda tokens, i: "no" if (len(tokens), i) == (4, 0) else before(tokens, i), seconds=20)
    assert {exception.inputs[1] for exception in late.exceptions} == {0}
    assert len(late.exceptions) == 8
    with pytest.raises(GrammarError, match="expected a function of a sequence of tokens and a place"):
        verify(loaded, more_a, seconds=20)


def test_numbers_and_sets_are_labels_where_they_are_read_out():
    assert [written(n, Rounded(0)) for n in (3, 3.0, np.int8(3), 2.5, float("nan"))] == ["3", "3", "3", "2.5", "nan"]
    assert [written(n, Rounded(0, 4)) for n in (1, 0.5)] == ["1.0", "0.5"]
    assert written({"b", "a"}, TokenSet(("a", "b"), (0, 1))) == "{a, b}"
    for answer, readout in ((1, Argmax(AB, (0, 1))), ({"c"}, TokenSet(AB, (0, 1))), ([], Rounded(0))):
        with pytest.raises(GrammarError, match="expected a label as a text"):
            written(answer, readout)


# --- texts that are read --------------------------------------------------------------------------------------------

FILE = '''"""A file."""
from __future__ import annotations
import os

def f(sequence: list[str]) -> str:
    """What I think."""
    return "yes" if sequence.count("a") > sequence.count("b") else "no"

if __name__ == "__main__":
    print(f([]))
'''


def test_a_whole_file_is_read_and_its_program_followed_where_nobody_lists():
    found = verify(lead(24, wiggle=1e-4), FILE, is_run=False, seconds=60)
    assert not isinstance(found.program, RunProgram)
    far = verify(lead(24, wiggle=1e-4), FILE, lead(24).domain, is_run=False, seconds=60)
    assert (far.is_proved, far.claims[0].rung) == (True, Rung.BOUNDED)


def test_a_late_counterexample_of_a_program_that_is_read_is_found_beyond_the_list():
    loaded = average((1.0, -20.0, 0.5), 60)
    found = verify(loaded, "def f(tokens):\n    return 'no' if 'b' in tokens else 'yes'\n", loaded.domain, seconds=60)
    assert not found.is_proved
    assert found.broken is not None
    assert found.horizon == len(found.broken.inputs) - 1


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("len = max\n", ["len"]),
        ("from math import *\n", ["*"]),
        ("import numpy as sum\nlen = 1\n", ["len"]),
        ("def len(x):\n    return 3\n", ["len"]),
        ("if True:\n    len = 3\n", ["len"]),
        ("for len in ():\n    pass\n", ["len"]),
        ("other = 3\n", []),
    ],
)
def test_a_name_that_means_something_else_in_its_file_keeps_a_text_from_being_read(text, hidden):
    function = "def f(tokens):\n    return 'yes' if len(tokens) > 3 else 'no'\n"
    assert hidden_names(text + function, selected(text + function, "f", "it")) == hidden


def test_a_file_that_changes_what_len_means_is_run_as_it_is():
    text = "def len(x):\n    return x.count('a') - x.count('b')\n\n\n"
    text += "def f(tokens):\n    return 'yes' if len(tokens) >= 1 else 'no'\n"
    found = verify(lead(5), text, seconds=20)
    assert isinstance(found.program, RunProgram)
    assert found.is_proved
    with pytest.raises(GrammarError, match="the file gives 'len' another meaning"):
        verify(lead(5), text, is_run=False, seconds=20)


def test_a_text_that_only_a_run_could_tell_is_refused_where_nothing_may_be_run(tmp_path):
    touched = tmp_path / "touched"
    text = f"open({str(touched)!r}, 'w')\n\ndef f(tokens):\n    while True:\n        return 'yes'\n"
    with pytest.raises(GrammarError, match="expected a program of the kind that is printed"):
        verify(lead(3), text, is_run=False, seconds=20)
    with pytest.raises(GrammarError, match="can only be run"):
        own_program(more_a, is_run=False)
    assert not touched.exists()


def test_a_text_that_is_read_is_not_run(tmp_path):
    touched = tmp_path / "touched"
    assert verify(lead(3), f"open({str(touched)!r}, 'w')\n{MORE_A}", seconds=20).is_proved
    assert not touched.exists()


def test_a_text_that_takes_a_name_from_elsewhere_says_so():
    limit = 0
    len = more_a

    def enclosed(tokens):
        return len(tokens) if limit == 0 else "no"

    found = verify(lead(3), enclosed, seconds=20)
    assert found.is_proved
    assert found.program.needs == ("len", "limit")
    assert found.program.source().startswith("# with len, limit of enclosed\n")
    text = "sum = lambda tokens: 'yes' if tokens.count('a') > tokens.count('b') else 'no'\n\n"
    text += "def f(tokens):\n    return sum(tokens)\n"
    found = verify(lead(3), text, seconds=20)
    assert (found.is_proved, found.program.needs) == (True, ("sum",))


def test_the_function_of_a_file_is_the_one_that_no_other_calls(tmp_path):
    helper = "def g(x):\n    return x\n\n\ndef f(tokens):\n    return g(tokens)\n"
    assert selected(helper, None, "it") == helper
    with pytest.raises(GrammarError, match="found f, g; name it: FILE"):
        selected("def f(tokens):\n    return 1\n\ndef g(tokens):\n    return 2\n", None, "it")
    with pytest.raises(GrammarError, match="no function 'h' in it; it has g, f"):
        selected(helper, "h", "it")
    with pytest.raises(GrammarError, match="cannot read it"):
        from_file(tmp_path / "none.py")


def test_labels_that_the_network_never_gives_are_read_and_never_right():
    found = verify(lead(4), "def f(tokens):\n    return 'maybe' if 'b' in tokens else 'no'\n", is_run=False, seconds=20)
    assert not isinstance(found.program, RunProgram)
    assert not found.is_proved
    assert {exception.got for exception in found.exceptions} == {"maybe", "no"}


def test_variables_may_have_any_names_of_their_own_but_no_other_meaning():
    grammar = motifs(AB, ("yes", "no"))
    shared = "def f(tokens):\n    {0} = tokens.count('a')\n    return 'yes' if {0} + {0} > len(tokens) else 'no'\n"
    plain = Program.parse(shared.format("count"), grammar)
    assert Program.parse(shared.format("n"), grammar) == plain
    for name in ("len", "tokens"):
        with pytest.raises(GrammarError):
            Program.parse(shared.format(name), grammar)
    two = shared.format("n").replace("    return", "    m = tokens.count('b')\n    return")
    with pytest.raises(GrammarError):
        Program.parse(two, grammar)


def test_a_solver_is_asked_of_a_program_that_is_given():
    circuit = from_circuit(load_circuit(shipped_path("bracket_depth_deep")))
    text = "def f(tokens):\n    return str(tokens.count('[') - tokens.count(']'))\n"
    found = verify(circuit, text, circuit.domain.up_to(5), backend=get("z3"), seconds=60)
    assert {claim.rung for claim in found.claims} == {Rung.SURROGATE, Rung.ENUMERATED}
    assert found.queries > 0
    wrong = text.replace("']'))", "']')) if len(tokens) <= 4 else '0'")
    broken = verify(circuit, wrong, circuit.domain.up_to(5), backend=get("z3"), is_run=False, seconds=60)
    assert not broken.is_proved
    assert min(len(exception.inputs) for exception in broken.exceptions) == 5


# --- automata -------------------------------------------------------------------------------------------------------


def test_an_automaton_is_read_back_as_the_machine_that_it_is():
    signature = SequenceSignature(("(", ")", "x"), ("0", "1", "many"))
    machine = Machine(((1, 2, 2), (0, 0, 1), (0, 1, 2)), (0, 1, 2))
    text = machine.program(signature).source("f", "It says so.")
    assert read_machine(text, signature).term == machine.program(signature).term
    other = text.replace("'many'", "'1'")
    with pytest.raises(GrammarError):
        read_machine(other.replace("for token", "while token"), signature)


def test_no_step_that_is_no_step_of_an_automaton_is_evaluated():
    signature = SequenceSignature(AB, ("yes", "no"))
    for step in ("__import__('os').getcwd()", "state * 99**99**9", "tokens.pop()", "[state for _ in tokens][0]"):
        text = f"def f(tokens):\n    state = 0\n    for token in tokens:\n        state = {step}\n    return 'yes'\n"
        with pytest.raises(GrammarError, match="not"):
            read_machine(text, signature)
    endless = "def f(tokens):\n    state = 0\n    for token in tokens:\n        state = state + 1\n    return 'yes'\n"
    with pytest.raises(GrammarError, match="more than 200 states"):
        read_machine(endless, signature)


# --- what is said ---------------------------------------------------------------------------------------------------


def test_a_label_that_a_program_has_none_like_is_not_that_of_one_that_gives_none():
    loaded = average((1.0, 0.0, -0.5), 4, Argmax(("x", "0"), (0, 1)))
    program = Program.parse("def f(tokens):\n    return str(tokens.count('a'))\n", motifs(AB, ("0", "7"), min_length=0))
    assert program(("a",)) is None
    assert isinstance(ListingVerifier(loaded, loaded.domain).check(program), Unknown)


def test_text_and_json_hold_a_function_without_a_size():
    found = verify(lead(3), more_a, seconds=20)
    value = distillation_json(found)
    assert (value["size"], value["proved"], value["exception_count"]) == (None, True, 0)
    assert "def more_a(tokens):" in value["program"]
    assert len(repr(found)) < 500
    assert value["program"] in distillation_text(found)
    assert sum("run, not read" in text for text in value["assumptions"]) == 1
    with pytest.raises((GrammarError, pickle.PicklingError, AttributeError, TypeError)):
        pickle.dumps(found.program)
