"""The solver suites ask what they say they ask: references, recorded queries, loops, growth and the native side."""

from dataclasses import replace
from pathlib import Path
from random import Random
from shutil import which
from typing import Any

import pytest
from pysmt.environment import Environment

from backends import get
from benchmarks.harness.row import BenchmarkError
from benchmarks.harness.task import Task
from benchmarks.inputs import corpus, reference
from benchmarks.inputs.corpus import Query
from benchmarks.peers import native
from benchmarks.suites import growth, loop, overhead, replay, worker
from dsl.sequences import SequenceBatch
from tasks.formats.circuit_folder import shipped_path

FOLDER = shipped_path("bracket_depth")
SAMPLE = Path(corpus.__file__).parents[1] / "corpus"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def files(cache: Path) -> dict[str, str]:
    return {"circuit": str(FOLDER), "surrogate": str(reference.prepare(FOLDER, cache))}


@pytest.fixture(scope="module")
def recorded(cache: Path) -> Path:
    corpus.record([FOLDER], cache / "corpus", cache, get("z3"), queries=30, lengths=(2, 3))
    return cache / "corpus"


def run(task: Task) -> dict[str, Any]:
    """What a worker reports of ``task``, run in this process."""
    found: dict[str, Any] = {"answers": []}

    def report(**fields: Any) -> None:
        found["answers"] += fields.pop("answers", [])
        found.update(fields)

    worker.run(task, report)
    return found


def test_idle_units_change_the_network_and_no_label(files: dict[str, str]) -> None:
    plain, wide = reference.load(files, length=6), reference.load(files, length=6, pairs=5)
    assert wide.surrogate.relus == plain.surrogate.relus + 10
    assert wide.surrogate.hidden[-10:].any(axis=1).all()
    tokens = plain.domain.sequences(6)
    assert (wide.surrogate.logits(tokens) == plain.surrogate.logits(tokens)).all()


def test_a_wrong_program_is_counted_as_wrong(files: dict[str, str]) -> None:
    asked = reference.load(files, length=4)
    right = corpus._candidates(asked, get("z3"), 0, Random(0))[-1]
    assert asked.wrong(right) == (0, asked.domain.size())
    flipped = right.term.operator(right.term.arguments[0], *reversed(right.term.arguments[1:]))
    assert asked.wrong(replace(right, term=flipped)) == (asked.domain.size(), asked.domain.size())


def test_a_corpus_holds_different_named_queries_with_both_answers(recorded: Path) -> None:
    for path in corpus.files(recorded):
        queries = list(corpus.read(path, Environment()))
        assert len({query.formula for query in queries}) == len(queries) == corpus.count(path)
        assert {query.expected for query in queries} == {"sat", "unsat"}
        assert all(query.name.startswith("bracket_depth/length=") for query in queries)
    total = sum(corpus.count(path) for path in corpus.files(recorded))
    assert total >= 30


def test_a_recorded_query_means_what_was_asked(files: dict[str, str]) -> None:
    from cegis.symbolic import refutation

    environment, asked = Environment(), reference.load(files, length=3)
    symbols = asked.signature.symbols(environment.formula_manager, 3)
    programs = corpus._candidates(asked, get("z3"), 0, Random(1))
    queries = [
        Query(f"q {number}", refutation(asked.domain, symbols, asked, program), "unsat" if number else "sat")
        for number, program in enumerate(programs)
    ]
    text = corpus.script(environment, queries)
    assert text == corpus.script(environment, queries)
    assert "define-fun" in text
    import gzip
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.smt2.gz"
        path.write_bytes(gzip.compress(text.encode()))
        assert list(corpus.read(path, environment)) == queries


def test_mutants_are_programs_of_the_same_kind(files: dict[str, str]) -> None:
    asked = reference.load(files, length=4)
    program = corpus._candidates(asked, get("z3"), 0, Random(0))[-1]
    chance = Random(0)
    mutants = [corpus.mutant(program.term, program, chance) for _ in range(50)]
    assert all(term.sort == program.term.sort for term in mutants)
    assert len({str(term) for term in mutants}) > 20
    batch = SequenceBatch(asked.domain.sequences(4))
    assert all(replace(program, term=term).run(batch).shape == (len(batch.tokens),) for term in mutants)


@pytest.mark.parametrize("mode", replay.MODES)
@pytest.mark.parametrize("backend", ["z3", pytest.param("bitwuzla", marks=pytest.mark.needs("bitwuzla"))])
def test_replay_gives_the_recorded_answers(recorded: Path, backend: str, mode: str) -> None:
    for task in replay.plan(recorded, [backend], 20.0, 4096, [mode]):
        found = run(task)
        assert found["status"] == "solved"
        assert len(found["answers"]) == corpus.count(Path(task.files["corpus"]))
        assert all(answer == expected for _, answer, _, expected in found["answers"])


@pytest.mark.slow
def test_the_time_of_a_solver_program_is_its_own_and_not_that_of_the_process_that_asks(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if which("z3") is None:
        pytest.skip("there is no program z3")
    busy = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; exec z3 -in"
    text = f'[solvers.slow]\ncommand = ["sh", "-c", "{busy}"]\nlogics = ["QF_LIA"]\n'
    (tmp_path / "solvers.toml").write_text(text)
    monkeypatch.setenv("DISTILL_SOLVERS", str(tmp_path / "solvers.toml"))
    task = replay.plan(recorded, ["slow"], 20.0, 4096, ["incremental"])[0]
    found = run(task)
    assert found["status"] == "solved"
    assert all(answer == expected for _, answer, _, expected in found["answers"])
    assert found["answers"][0][2] > 0.1  # the loop before the solver
    monkeypatch.setattr("benchmarks.harness.measure._descendants", lambda pid: [])
    assert run(task)["answers"][0][2] < found["answers"][0][2] / 2


def test_replay_goes_on_behind_the_queries_it_is_told_to_skip(recorded: Path) -> None:
    task = replay.plan(recorded, ["z3"], 20.0, 4096, ["incremental"])[0]
    everything = [name for name, *_ in run(task)["answers"]]
    rest = run(replace(task, options={**task.options, "skip": 4}))["answers"]
    assert [name for name, *_ in rest] == everything[4:]


def test_the_shipped_sample_is_small_and_holds_both_answers() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) <= 200_000
    expected = {query.expected for path in corpus.files(SAMPLE) for query in corpus.read(path, Environment())}
    assert expected == {"sat", "unsat"}


def test_a_loop_ends_with_a_program_that_is_right(cache: Path) -> None:
    task = next(t for t in loop.plan([FOLDER], ["z3"], 1, 30.0, 4096, cache) if t.options["length"] == 4)
    found = run(task)
    assert (found["status"], found["verdict"]) == ("solved", "proved")
    assert found["program"].startswith("def program")
    assert found["queries"] == len(found["answers"]) > 3
    assert {answer for _, answer, _ in found["answers"]} == {"sat", "unsat"}
    assert found["seconds"] > 0
    assert set(found["phases"]) == {"search", "encode", "solve"}


def test_a_solver_that_calls_a_wrong_program_right_makes_an_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference.SurrogateReference, "wrong", lambda self, program: (2, 120))
    task = next(t for t in loop.plan([FOLDER], ["z3"], 1, 30.0, 4096, cache) if t.options["length"] == 4)
    found = run(task)
    assert (found["status"], found.get("verdict", "")) == ("error", "")
    assert "wrong on 2 of 120" in found["reason"]


@pytest.mark.slow
def test_growth_asks_every_backend_the_same_and_width_changes_no_answer(cache: Path) -> None:
    tasks = growth.plan([FOLDER], ["z3", "cvc5"], 1, 30.0, 4096, cache)
    assert len({task.options["program"] for task in tasks}) == 1
    assert len(tasks) == 2 * (len(growth.LENGTHS) + len(growth.PAIRS))
    chosen = [t for t in tasks if t.backend == "z3" and t.options["length"] <= 10 and t.options["pairs"] in (0, 2)]
    assert {run(task)["verdict"] for task in chosen} == {"unsat"}


@pytest.mark.parametrize("backend", ["z3", "cvc5"])
def test_the_native_side_gives_the_recorded_answers(recorded: Path, backend: str) -> None:
    for path in corpus.files(recorded):
        bare = native.SOLVERS[backend](0)
        bare.queries_per_solver = 7
        assert all(bare.ask(query.formula) == query.expected for query in corpus.read(path, Environment()))


def test_overhead_pairs_every_query_with_its_native_twin(recorded: Path) -> None:
    path = corpus.files(recorded)[0]
    task = Task("overhead", path.name, "z3", 0, 30.0, {}, {"corpus": str(path)})
    found = run(task)
    assert found["status"] == "solved"
    assert len(found["detail"]["pairs"]) == corpus.count(path)
    assert all(layer > solver > 0 and bare > 0 for layer, bare, solver in found["detail"]["pairs"])


def test_a_native_answer_that_differs_is_an_error(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native.NativeZ3, "_decided", lambda *_: "unsat")
    path = corpus.files(recorded)[0]
    found = run(Task("overhead", path.name, "z3", 0, 30.0, {}, {"corpus": str(path)}))
    assert found["status"] == "error"
    assert "natively unsat" in found["reason"]


def test_overhead_without_a_native_side_is_refused(cache: Path) -> None:
    with pytest.raises(BenchmarkError, match="z3, cvc5"):
        overhead.plan([FOLDER], ["bitwuzla"], 1, 30.0, 4096, cache)


def test_an_empty_folder_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="distill bench record"):
        corpus.files(tmp_path)


def test_a_file_that_is_no_corpus_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.smt2.gz"
    path.write_bytes(b"not gzip")
    with pytest.raises(BenchmarkError, match=r"x\.smt2\.gz: not readable"):
        list(corpus.read(path, Environment()))


def test_queries_are_not_recorded_over_others(recorded: Path, cache: Path) -> None:
    with pytest.raises(BenchmarkError, match="name a fresh one"):
        corpus.record([FOLDER], recorded, cache, get("z3"), queries=10)
