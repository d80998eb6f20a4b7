"""The suite "rnn": loops and L* on the same networks, rows for tasks without a network, and the page."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.peers import lstar_recurrent
from benchmarks.reports import rnn_page
from benchmarks.suites import rnn
from cegis import Program
from tasks.formats import Question, load
from tasks.pipeline import distill
from tasks.pipeline.labels import grammar_of
from tasks.training import streams
from tasks.training.stream_tasks import TASKS
from tests.support.recurrent_networks import dynet_logits, dynet_tensors, write_dynet

PARITY = next(task for task in TASKS if task.paper_name == "Parity_All")


@pytest.fixture
def trained(tmp_path):
    """Parity by hand: h' = |h - x|, as two ReLUs."""
    weights = {
        "hmlp.mlp.0.weight": np.array([[1.0, -1.0], [-1.0, 1.0]]), "hmlp.mlp.0.bias": np.zeros(2),
        "hmlp.mlp.2.weight": np.array([[1.0, 1.0]]), "hmlp.mlp.2.bias": np.zeros(1),
        "ymlp.mlp.0.weight": np.array([[1.0]]), "ymlp.mlp.0.bias": np.zeros(1),
    }  # fmt: skip
    found = streams.Trained(weights, streams.Shape(1, 2, ()), True, 0.0, 0)
    streams.save(PARITY, found, tmp_path / PARITY.name, 0.0)
    return tmp_path


def run(task):
    told: dict[str, object] = {}
    rnn.work(task, lambda **found: told.update(found))
    return told


def test_a_network_is_asked_of_both_and_a_missing_one_is_a_row(trained):
    tasks = rnn.plan(None, trained, 30.0, 4096, 0, ("parity_numerical", "max_numerical"))
    assert [(task.problem, task.backend) for task in tasks] == [
        ("rnn_max_numerical", "ours"), (PARITY.name, "ours"), (PARITY.name, rnn.LSTAR),
    ]  # fmt: skip
    missing, ours, peer = map(run, tasks)
    assert (missing["status"], missing["reason"]) == ("unsolved", rnn.NO_NETWORK)
    assert ours["status"] == "solved", ours
    assert ours["detail"]["every"]
    assert ours["detail"]["method"] == "lattice"
    assert (ours["wrong"], ours["checked"]) == (0, rnn.HELD)
    assert "(total + int(token)) % 2" in ours["program"]
    assert (peer["status"], peer["size"], peer["wrong"]) == ("solved", 2, 0)


def test_all_tasks_are_planned_and_nothing_is_an_error(trained, tmp_path):
    tasks = rnn.plan(None, trained, 30.0, 4096, 0)
    assert sum(task.backend == "ours" for task in tasks) == 62
    with pytest.raises(BenchmarkError, match="expected networks"):
        rnn.plan(None, None, 30.0, 4096, 0)


def row(problem, backend, status, **more):
    return Row(
        key=f"{problem} {backend}", suite="rnn", problem=problem, backend=backend, solver=backend, seed=0,
        options={}, timelimit=20.0, memlimit=None, status=status, terminationreason="", cputime=2.0,
        walltime=2.0, memory=1, load=0.0, starttime="", versions={}, machine="m", commit="c", source="s", seconds=1.0,
        **{"reason": "", **more},
    )  # fmt: skip


def test_the_page_keeps_origins_apart_and_names_every_reason():
    proved = {"origin": rnn.RETRAINED, "every": True, "horizon": None, "claim": "proved equal", "method": "boxes"}
    rows = [
        row("one", "ours", "solved", detail=proved, program="def program(tokens):\n    return 0"),
        row("one", rnn.LSTAR, "solved", size=5, detail={"origin": rnn.RETRAINED}),
        row("two", "ours", "unsolved", reason="no loop found", detail={"origin": rnn.RETRAINED}),
        row("three", "ours", "solved", detail={"origin": rnn.AUTHORS, "horizon": 43, "breaks": 44}),
    ]
    text = "\n".join(str(block) for block in rnn_page.report(rows))
    assert "1 of 2 solved, 1 of them for every length. Solved is a program proved" in text
    assert "1 of 1 solved, 0 of them for every length." in text
    assert "no loop found" in text
    assert "breaks at 44" in text
    with pytest.raises(BenchmarkError, match="no rows"):
        rnn_page.report([])


def test_a_printed_text_that_differs_from_its_network_is_counted(trained):
    from tasks.formats.number_streams import number_streams

    of = number_streams(Path(trained) / PARITY.name)
    wrong, checked = rnn.held(of, "def program(tokens):\n    return 0", 0)
    assert checked == rnn.HELD
    assert 0.4 < wrong / checked < 0.6


@pytest.fixture
def acceptor(tmp_path):
    """A folder of a small acceptor over two symbols."""
    return write_dynet(tmp_path / "cases" / "acceptor", "gru", dynet_tensors("gru", seed=1))


def test_an_acceptor_is_listed_beside_float32_and_a_file_holds_every_exception(acceptor, tmp_path, monkeypatch):
    real = distill.distill

    def compared(model, domain, *, semantics, seconds, seed):
        program = Program.parse("def f(tokens):\n    return 'accept'\n", grammar_of(domain, ("accept", "reject")))
        return real(model, domain, program=program, seconds=600, seed=seed, semantics=semantics)

    monkeypatch.setattr(distill, "distill", compared)
    monkeypatch.setattr(rnn, "WORDS", 6)
    tasks = rnn.plan(tmp_path / "cases", None, 400.0, 4096, 0, (), tmp_path / "out")
    assert [task.backend for task in tasks] == ["ours", rnn.FLOAT32, rnn.LSTAR]
    assert {task.seconds for task in tasks} == {400.0 * rnn.LONGER}
    ours, executed = map(run, tasks[:2])
    assert (executed["detail"]["whole"], executed["detail"]["undecided"]) == (6, 0)
    assert "float32 as executed; 0 undecided; tokens 'a' 'b'" in executed["detail"]["claim"]
    detail = ours["detail"]
    words = [word for length in range(7) for word in product("ab", repeat=length)]
    tensors = dynet_tensors("gru", seed=1)
    logits = [dynet_logits(tensors, ["ab".index(letter) for letter in word]) for word in words]
    rejected = [word for word, (yes, no) in zip(words, logits, strict=True) if no >= yes]
    lines = [json.loads(line) for line in (tmp_path / "out" / detail["file"]).read_text().splitlines()]
    assert 0 < detail["exceptions"] == len(rejected) == len(lines)
    assert detail["broken"] == " ".join(rejected[0])
    assert (
        f"the program that this run found differs from the network on exactly {len(lines):,} of all 127"
        in (detail["claim"])
    )
    assert "of length 0 to 6, in real arithmetic and in float64 as executed" in detail["claim"]


@pytest.mark.parametrize("longest", [2, 5])
def test_answers_to_every_word_are_in_order_as_one_by_one(acceptor, monkeypatch, longest):
    monkeypatch.setattr(lstar_recurrent, "TOGETHER", 8)
    answers = lstar_recurrent.Answers(load(acceptor, Question()), np.inf)
    oracle = lstar_recurrent.Words(answers, longest, 0)
    assert [tuple(word) for word in oracle.words.tolist()] == [*product(answers.alphabet, repeat=longest)]
    np.testing.assert_array_equal(oracle.answers, answers.all(oracle.words))


def test_of_many_symbols_the_signs_and_one_letter_are_listed(tmp_path):
    symbols = ("a", "b", "c", "(", ")")
    tensors = dynet_tensors("gru") | {"embedding": np.eye(5, 2, dtype=np.float32)}
    folder = write_dynet(tmp_path, "gru", tensors, symbols={name: n for n, name in enumerate(symbols)})
    assert rnn.acceptor(folder).domain.alphabet == ("(", ")", "a")


def test_words_listed_to_a_shorter_length_are_no_answer_to_all_that_was_asked(acceptor, tmp_path, monkeypatch):
    real = distill.distill

    def shorter(model, domain, *, semantics, seconds, seed):
        program = Program.parse("def f(tokens):\n    return 'accept'\n", grammar_of(domain, ("accept", "reject")))
        found = real(model, domain.up_to(0), program=program, seconds=600, seed=seed, semantics=semantics)
        return replace(found, asked=domain)

    monkeypatch.setattr(distill, "distill", shorter)
    (ours, *_) = rnn.plan(tmp_path / "cases", None, 400.0, 4096, 0, (), tmp_path / "out")
    said = run(ours)
    assert (said["status"], said["detail"]["length"], said["detail"]["asked"]) == ("unsolved", 0, 20)
    assert said["reason"].startswith("words are listed to length 0 of 20")
