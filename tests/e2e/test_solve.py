"""``distill solve``: a file in, the functions and the proof out, and one line for what cannot be done."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from backends.cvc5_sygus import Answered, cvc5_answer
from cegis.searchers.peers import SEARCHERS
from cegis.sygus import read, read_answer
from tasks.commands.main import main

MAX = """
(set-logic LIA)
(synth-fun larger ((x Int) (y Int)) Int
  ((S Int) (B Bool))
  ((S Int (x y 0 1 (+ S S) (- S S) (ite B S S)))
   (B Bool ((<= S S) (not B)))))
(declare-var x Int)
(declare-var y Int)
(constraint (>= (larger x y) x))
(constraint (>= (larger x y) y))
(constraint (or (= x (larger x y)) (= y (larger x y))))
(check-synth)
"""
LOWEST = """
(set-logic BV)
(synth-fun lowest ((x (_ BitVec 16))) (_ BitVec 16))
(declare-var x (_ BitVec 16))
(constraint (= (lowest x) (bvand x (bvneg x))))
(check-synth)
"""
STRINGS = """
(set-logic SLIA)
(synth-fun shout ((s String)) String ((S String)) ((S String (s "!" (str.++ S S)))))
(constraint (= (shout "a") "a!"))
(constraint (= (shout "bc") "bc!"))
(check-synth)
"""
COUNTER = """
(set-logic LIA)
(synth-inv inv ((n Int)))
(define-fun pre ((n Int)) Bool (= n 0))
(define-fun trans ((n Int) (n! Int)) Bool (and (< n 10) (= n! (+ n 1))))
(define-fun post ((n Int)) Bool (<= n 10))
(inv-constraint inv pre trans post)
(check-synth)
"""
IMPOSSIBLE = """
(set-logic LIA)
(synth-fun f ((x Int)) Int ((S Int)) ((S Int (x 0))))
(declare-var x Int)
(constraint (= (f x) 1))
(check-synth)
"""


@pytest.fixture
def solve(tmp_path, monkeypatch, capsys):
    """``solve(text, *options)`` in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(text, *options):
        (tmp_path / "file.sl").write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            main(["solve", "file.sl", "--time-limit", "20", "--searcher", "own", *options])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.mark.needs("z3", "cvc5")
@pytest.mark.parametrize("text", [MAX, LOWEST, STRINGS, COUNTER])
def test_an_answer_is_printed_in_both_languages_with_what_was_proved(solve, tmp_path, text):
    code, out, err = solve(text)
    assert code == 0, out + err
    problem = read(tmp_path / "file.sl")
    answer, python = out.split("\n)\n", 1)
    (name, term), *_ = read_answer(answer + "\n)", problem).items()
    written = problem.written[name]
    assert written is None or written.derives(term)
    assert f"def {name}(" in python
    assert "The answer satisfies" in python
    assert "round 1" in err


@pytest.mark.needs("z3")
def test_the_python_text_is_the_answer(solve):
    code, out, _ = solve(MAX, "--quiet", "--json")
    found = json.loads(out)
    function = found["functions"][0]
    made = {}
    exec(function["python"], made)
    assert (code, found["status"], found["reason"], found["searcher"]) == (0, "solved", "", "enumeration")
    assert [made["larger"](3, 5), made["larger"](5, 3), made["larger"](-2, -2)] == [5, 5, -2]
    assert function["sygus"].startswith("(define-fun larger ((x Int) (y Int)) Int (ite ")
    assert function["size"] == function["cost"] == 6
    assert len(found["claims"]) == 1
    assert found["statistics"]["rounds"] >= 1


@pytest.mark.needs("z3")
def test_a_grammar_without_a_solution_is_infeasible(solve):
    code, out, _ = solve(IMPOSSIBLE, "--json")
    found = json.loads(out)
    assert (code, found["status"], found["functions"]) == (1, "infeasible", [])
    assert found["reason"].startswith("no program of the grammar is right")
    assert solve(IMPOSSIBLE)[1].startswith("infeasible\n\nno program of the grammar")


CONTRADICTORY = """
(set-logic LIA)
(synth-fun f ((x Int)) Int)
(constraint (= (f 2) 5))
(constraint (= (f 3) 5))
(constraint (= (f 2) 6))
(check-synth)
"""
UNSAFE = COUNTER.replace("(< n 10)", "true").replace("(<= n 10)", "(< n 3)")
NESTED = """
(set-logic LIA)
(synth-fun f ((x Int) (y Int)) Int)
(declare-var x Int)
(declare-var y Int)
(constraint (<= (f x y) x))
(constraint (<= (f x y) y))
(constraint (= (f x (f x y)) (f x y)))
(constraint (or (= (f x y) x) (= (f x y) y)))
(check-synth)
"""


@pytest.mark.needs("z3", "cvc5")
def test_a_contradiction_is_infeasible_with_the_input_that_shows_it(solve):
    code, out, _ = solve(CONTRADICTORY, "--json")
    found = json.loads(out)
    assert (code, found["status"], found["functions"], found["claims"]) == (1, "infeasible", [], [])
    said = "no value of (f 2) satisfies (= (f 2) 5) and (= (f 2) 6); checked by exact evaluation"
    assert found["reason"] == f"nothing satisfies the specification: {said}"
    assert [one["constraint"] for one in found["evidence"]["constraints"]] == ["(= (f 2) 5)", "(= (f 2) 6)"]
    code, out, _ = solve(CONTRADICTORY)
    assert code == 1
    assert out.startswith(f"infeasible\n\nnothing satisfies the specification: {said}\nSearchers: own ")


@pytest.mark.needs("z3", "cvc5")
def test_an_unsafe_loop_is_infeasible_with_the_run_that_shows_it(solve):
    code, out, _ = solve(UNSAFE, "--json")
    found = json.loads(out)
    assert (code, found["status"]) == (1, "infeasible")
    steps = ["(inv 0)", "(inv 1)", "(inv 2)", "(inv 3)", None]
    assert [step["forced"] for step in found["evidence"]["steps"]] == steps
    assert found["evidence"]["violated"] == "(=> (inv n) (post n))"
    assert {one["searcher"]: one["end"] for one in found["searchers"]}["unrolling"] == "says that there is no solution"
    code, out, _ = solve(UNSAFE)
    assert code == 1
    assert "(inv 0), (inv 1), (inv 2), (inv 3) must hold, each by those before it, and then the constraint" in out
    assert "fails at n = 3; replayed by exact evaluation\n" in out


@pytest.mark.needs("z3", "cvc5")
def test_a_proof_says_who_confirms_it_or_that_nobody_does(solve):
    code, out, _ = solve(MAX, "--json")
    found = json.loads(out)
    assert (code, found["proofs"][0]["confirmed"]) == (0, True)
    assert [text.split()[0] for text in found["proofs"][0]["by"]] == ["z3", "cvc5"]
    assert found["claims"][0].endswith(f"{' and '.join(found['proofs'][0]['by'])} (QF_LIA) find no exception")
    code, out, _ = solve(MAX, "--confirm", "none")
    assert code == 0
    assert re.search(r"no exception, on the word of z3 \S+ \(QF_LIA\) alone \(no other solver", out)
    code, out, err = solve(MAX, "--confirm", "z3")
    assert (code, out) == (2, "")
    assert err == "distill: z3 proves, so another solver has to confirm it; name one, or none\n"


@pytest.mark.needs("z3", "cvc5")
def test_all_searchers_run_under_the_limit_of_a_batch_system(tmp_path):
    """The answer is cvc5's, whose process once asked for more CPU time than there was and died without a word."""
    (tmp_path / "nested.sl").write_text(NESTED)
    command = 'ulimit -t 20; exec "$0" -m tasks.commands.main solve nested.sl --json --time-limit 60'
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    ended = subprocess.run(
        ["/bin/bash", "-c", command, sys.executable], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads(ended.stdout)
    assert found["searcher"] == "cvc5"
    ends = {one["searcher"]: one["end"] for one in found["searchers"]}
    assert ends.pop("cvc5") == "found"
    assert "died" not in ends.values()


@pytest.mark.needs("z3")
def test_operators_can_be_left_out(solve):
    assert solve(MAX, "--operators", "<=,ite")[0] == 0
    code, _, err = solve(MAX, "--operators", "ite,max")
    assert (code, err) == (2, "distill: the grammar has no operator 'max'; it has +, -, <=, ite, not\n")
    assert solve(MAX, "--operators", "+", "--time-limit", "0.2")[0] == 1


@pytest.mark.slow
@pytest.mark.needs("z3")
def test_a_long_search_says_how_far_it_is(solve, monkeypatch):
    monkeypatch.setattr("cegis.loop.TELL_SECONDS", 0.1)
    monkeypatch.setattr("tasks.commands.solve_progress.SECONDS", 0.1)
    code, _, err = solve(MAX, "--operators", "+", "--time-limit", "1")
    assert code == 1
    assert re.search(r"^  \d+ s: cost \d+, [\d,]+ candidates \([\d,]+ per second\), [\d,]+ MiB$", err, re.MULTILINE)
    assert solve(MAX, "--operators", "+", "--time-limit", "1", "--quiet")[2] == ""


@pytest.mark.needs("z3")
def test_one_limit_ends_everything(solve):
    began = time.monotonic()
    assert solve(MAX, "--operators", "+", "--time-limit", "0.5", "--searcher", "cvc5", "--searcher", "horn")[0] == 1
    assert time.monotonic() - began < 8
    assert not [thread for thread in threading.enumerate() if thread.name in SEARCHERS]


OWN_GRAMMAR = """
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find

signature = ScalarSignature((("x", INT), ("y", INT)), INT)
rows = (
    Production("value", variable("x", INT)),
    Production("value", variable("y", INT)),
    Production("value", find("ite", (BOOL, INT, INT)), ("test", "value", "value")),
    Production("test", find("<", (INT, INT)), ("value", "value")),
)
grammar = Grammar(signature, "value", rows)
"""


@pytest.mark.needs("z3")
def test_a_grammar_of_the_user_takes_the_place_of_the_files(solve, tmp_path):
    (tmp_path / "own_grammar_of_max.py").write_text(OWN_GRAMMAR)
    code, out, _ = solve(MAX, "--grammar", "own_grammar_of_max:grammar")
    assert code == 0
    assert "(ite (< " in out
    code, _, err = solve(LOWEST, "--grammar", "own_grammar_of_max:grammar")
    assert (code, err) == (
        2,
        "distill: the grammar own_grammar_of_max:grammar is for (x: Int, y: Int) -> Int, "
        "the file asks for lowest(x: (_ BitVec 16)) -> (_ BitVec 16)\n",
    )


@pytest.mark.needs("z3")
def test_solutions_are_listed_with_the_smallest_first(solve):
    code, out, _ = solve(MAX, "--solutions", "3")
    assert code == 0
    assert out.startswith("; 1: 6 operators\n\n(\n(define-fun larger ((x Int) (y Int)) Int (ite ")
    assert out.count("def larger(") == 3
    assert "Every answer satisfies all 3 constraints" in out
    code, out, _ = solve(MAX, "--solutions", "20", "--json")
    found = json.loads(out)
    sizes = [solution["size"] for solution in found["solutions"]]
    assert (code, found["status"], found["reason"], len(sizes)) == (0, "solved", "", 20)
    assert sizes == sorted(sizes)
    assert len({solution["sygus"] for solution in found["solutions"]}) == 20
    assert found["functions"] == found["solutions"][:1]
    assert found["statistics"]["candidates"] > 0


@pytest.mark.needs("z3")
def test_a_list_that_ends_says_why(solve):
    few = MAX.replace("(+ S S) (- S S) (ite B S S)", "").replace("((S Int (x", "((S Int ((ite B V V))) (V Int (x")
    few = few.replace("((S Int) (B Bool))", "((S Int) (V Int) (B Bool))").replace("((<= S S) (not B))", "((<= V V))")
    code, out, _ = solve(few, "--solutions", "9")
    assert (code, out.count("def larger(")) == (0, 2)
    assert out.endswith("No more: the grammar has no more terms.\n")
    assert solve(IMPOSSIBLE, "--solutions", "1")[:2] == (1, "fail\n\nthe grammar has no more terms\n")


def test_what_cannot_be_listed_is_one_line(solve):
    two = "(set-logic LIA) (synth-fun f () Int) (synth-fun g () Int) (constraint (= f g)) (check-synth)"
    code, out, err = solve(two, "--solutions", "2")
    assert (code, out) == (2, "")
    assert err == "distill: solutions are listed for one function, got f, g; ask for one solution\n"
    code, out, err = solve(MAX, "--solutions", "2", "--searcher", "cvc5")
    assert (code, out) == (2, "")
    assert err == "distill: only our own search lists solutions; leave out --searcher, or --solutions\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--searcher", "zip"),
            f"unknown searcher 'zip'; known: own, {', '.join(SEARCHERS)}, or your own package.module:NAME",
        ),
        (("--searcher", "math:pi"), "the searcher math:pi has no 'name'; it needs name, delay and search"),
        (("--grammar", "math:pi"), "expected a Grammar at math:pi, got float"),
        (("--grammar", "math"), "expected package.module:NAME, got 'math'"),
        (
            ("--grammar", "no_such_module:g"),
            "no module 'no_such_module' for 'no_such_module:g'; install it, or start where it lies",
        ),
        (("--time-limit", "0"), "expected positive limits, got 0 s and 2048 MiB"),
        (("--backend", "bitwuzla"), "bitwuzla is not set up for QF_LIA; it decides QF_BV, QF_UF"),
    ],
)
def test_bad_options_are_one_line(solve, options, message):
    code, out, err = solve(MAX, *options)
    assert (code, out, err) == (2, "", f"distill: {message}\n")


def test_a_bad_file_is_one_line_with_its_place(solve):
    text = textwrap.dedent("""\
        (set-logic LIA)
        (synth-fun f ((x Int)) Int)
        (constraint (= (g 1) 2))
        """)
    code, out, err = solve(text)
    assert (code, out, err) == (2, "", "distill: file.sl:3:17: unknown function 'g'\n")


@pytest.mark.needs("cvc5")
def test_a_circuit_is_exported_as_a_problem_that_other_tools_solve(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["export", "quote_closing", "--length", "3", "--samples", "12", "--out", "quotes.sl"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("quotes.sl: 12 examples, ")
    text = (tmp_path / "quotes.sl").read_text(encoding="utf-8")
    assert "; Labels: 0 = \"'\", 1 = '\"'\n; x0 = " in text
    problem = read(tmp_path / "quotes.sl")
    assert len(problem.examples(problem.function("program"))) <= 12
    answer = cvc5_answer(text, seconds=30.0)
    assert isinstance(answer, Answered), answer
    assert problem.written["program"].derives(read_answer("\n".join(answer.functions), problem)["program"])


def test_an_export_beyond_the_circuit_or_to_nowhere_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["export", "quote_closing", "--length", "1000", "--out", "quotes.sl"])
    assert ended.value.code == 2
    assert "sequences up to length 1000 are too many to enumerate" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["export", "quote_closing", "--length", "2", "--out", "no/such/folder.sl"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("distill: cannot write no/such/folder.sl: expected a folder in which ")
    with pytest.raises(SystemExit) as ended:
        main(["export", "quote_closing"])
    assert ended.value.code == 2
    assert "Missing option '--out'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_small_problem_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    file = tmp_path / "larger.sl"
    file.write_text(MAX, encoding="utf-8")
    needless = (
        "importlib.metadata", "numpy.random", "torch", "scipy", "rich", "tomllib",
        "backends.portfolio", "backends.configuration", "backends.worker", "cegis.claim", "cegis.operators.agreement",
        "cegis.searchers.contradiction", "cegis.searchers.joint", "cegis.invariants.induction", "dsl.meaning",
    )  # fmt: skip
    code = (
        "import sys; from tasks.commands.main import main\n"
        f"try: main(['solve', '--quiet', '--searcher', 'own', {str(file)!r}])\n"
        f"finally: print([m for m in {needless} if m in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr.strip()) == (0, "[]")
    assert "z3" in run.stdout
    assert "cvc5" in run.stdout
