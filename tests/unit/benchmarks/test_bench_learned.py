"""The suite "learned": problems apart from the corpus, seeded; runs, rows and the page that is made of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.task import Task
from benchmarks.inputs.random_functions import random_functions
from benchmarks.reports import learned_page
from benchmarks.suites import learned
from dsl.abstraction.files import write_motifs
from dsl.abstraction.learned import Learned, Motif

LEAD = Motif("lead", "Number", 2, (), ("minus", ("count _", "$0"), ("count _", "$1")), 3, "count - count")


def row(problem, backend, status, candidates, reading, group="random functions"):
    return Row(
        key=f"{problem} {backend}", suite="learned", problem=problem, backend=backend, solver=backend, seed=0,
        options={}, timelimit=20.0, memlimit=None, status=status, terminationreason="", reason="", cputime=2.0,
        walltime=2.0, memory=1, load=0.0, starttime="", versions={}, machine="m", commit="c", source="s", seconds=1.0,
        candidates=candidates, sizes={"operators": 1, "reading": reading} if reading else {}, detail={"group": group},
    )  # fmt: skip


def test_random_functions_are_those_of_their_seed_and_never_constant():
    one, again, other = (random_functions(10, seed) for seed in (3, 3, 4))
    assert [f.name for f in one] == [f.name for f in again]
    assert [f.name for f in one] != [f.name for f in other]
    for function in one:
        domain = function.domain
        said = {function.labels(domain.words(row)) for length in domain.lengths for row in domain.sequences(length)}
        assert len(said) > 1


def test_what_is_held_back_is_not_in_the_corpus():
    corpus, held = learned.split(0)
    assert not {f.name for f in corpus} & {f.name for f in held}
    assert abs(len(corpus) - len(held)) <= 1


@pytest.mark.slow
def test_a_problem_is_searched_with_and_without(tmp_path):
    write_motifs(Learned((LEAD,), {"Number": {"lead _ _": 3}}, "1 of 1"), learned.motifs_file(tmp_path, 0))
    name = next(f.name for f in learned.split(0)[1] if f.name.startswith("0.") and "less" in f.name)
    tasks = learned.plan((), tmp_path, 20.0, 4096, 0, (name,))
    assert [task.backend for task in tasks] == list(learned.VARIANTS)
    for task in tasks:
        told: dict[str, object] = {}
        learned.work(task, lambda told=told, **found: told.update(found))
        assert told["status"] == "solved", told
        assert told["wrong"] == 0
        assert told["detail"]["group"] == "random functions"
    with pytest.raises(BenchmarkError, match="no problem is called nothing like it"):
        learned.plan((), tmp_path, 20.0, 4096, 0, ("nothing like it",))


def test_a_circuit_is_a_problem_too(tmp_path):
    from tasks.formats.circuit_folder import shipped_path

    write_motifs(Learned((LEAD,), {}, "1 of 1"), learned.motifs_file(tmp_path, 0))
    (task, *_) = learned.plan((shipped_path("quote_closing"),), tmp_path, 20.0, 4096, 0, ("quote_closing",))
    labels, group = learned.problem(Task(**{**vars(task)}))
    assert (labels.domain.lengths[-1], group) == (learned.LENGTH, "circuits")


def test_the_page_says_what_got_solved_lost_shorter_and_longer(tmp_path: Path):
    plain, motifs, costs, both = learned.VARIANTS
    rows = [
        row("one", plain, "solved", 100, 9), row("one", motifs, "solved", 100, 9),
        row("one", costs, "solved", 100, 8), row("one", both, "solved", 100, 7),
        row("two", plain, "unsolved", 9_000, 0), row("two", motifs, "solved", 2_000, 5),
        row("two", costs, "unsolved", 9_000, 0), row("two", both, "solved", 900, 6),
        row("three", plain, "solved", 50, 5), row("three", motifs, "unsolved", 9_000, 0),
        row("three", costs, "solved", 60, 9), row("three", both, "solved", 70, 5),
    ]  # fmt: skip
    text = "\n".join(str(block) for block in learned_page.report(rows))
    assert "['motifs', '1', '1', '0', '0']" in text
    assert "['costs', '0', '0', '1', '1']" in text
    assert "['motifs and costs', '1', '0', '1', '0']" in text
    assert "['plain', '2', '2', '2', '2', '2']" in text
    with pytest.raises(BenchmarkError, match="no rows to make a report from"):
        learned_page.report([])
    wrong = replace(rows[0], status="error", reason="wrong on its own labels")
    assert "Errors: 1." in str(learned_page.report([wrong, *rows[1:]]))
