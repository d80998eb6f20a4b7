"""Answers of SyGuS tools: what is right, what is wrong, and what nobody could check."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness.measure import run_process
from benchmarks.harness.row import BenchmarkError, Place
from benchmarks.harness.task import Task
from benchmarks.inputs.solve_answer import WrongAnswerError, bodies, outside
from benchmarks.inputs.solve_problem import Problem
from benchmarks.suites import solve_runs
from benchmarks.suites.solve_runs import Judgement, execute, judge, plan

PLACE = Place({"python": "3.11"}, "a machine", "abc", "0123")
LARGER = """
(set-logic LIA)
(synth-fun f ((x Int) (y Int)) Int ((I Int) (B Bool)) ((I Int (x y 0 (+ I I) (ite B I I))) (B Bool ((<= I I)))))
(declare-var x Int)
(declare-var y Int)
(constraint (>= (f x y) x))
(constraint (>= (f x y) y))
(constraint (or (= x (f x y)) (= y (f x y))))
(check-synth)
"""
LOOP = """
(set-logic LIA)
(synth-inv inv ((i Int)))
(define-fun first ((i Int)) Bool (= i 0))
(define-fun step ((i Int) (i! Int)) Bool (and (< i 5) (= i! (+ i 1))))
(define-fun last ((i Int)) Bool (=> (>= i 5) (= i 5)))
(inv-constraint inv first step last)
(check-synth)
"""
MAXIMUM = "((define-fun f ((x Int) (y Int)) Int (ite (<= x y) y x)))"


def judged(text: str, answer: str, folder: Path) -> Judgement:
    return judge(Problem("toy", text), answer, folder)


def body(grammar: str, term: str, parameters: str = "((x Int) (y Int))", sort: str = "Int", logic: str = "LIA") -> str:
    """What is outside of ``grammar`` in an answer."""
    problem = Problem("toy", f"(set-logic {logic}) (synth-fun f {parameters} {sort} {grammar}) (check-synth)")
    (found,) = bodies(problem, f"(define-fun f {parameters} {sort} {term})")
    return outside(problem, found)


@pytest.mark.needs("z3", "cvc5")
def test_a_right_answer_is_confirmed_by_both_solvers(tmp_path: Path) -> None:
    found = judged(LARGER, MAXIMUM, tmp_path)
    assert (found.status, found.size) == ("solved", 6)
    assert [check[:2] for check in found.checks] == [("z3", "valid"), ("cvc5", "valid")]


@pytest.mark.needs("z3", "cvc5")
def test_a_wrong_answer_is_refuted(tmp_path: Path) -> None:
    found = judged(LARGER, MAXIMUM.replace("y x)", "x y)"), tmp_path)
    assert (found.status, found.reason) == ("wrong", "refuted by z3, cvc5")


@pytest.mark.needs("z3", "cvc5")
def test_a_right_answer_outside_the_grammar_is_wrong(tmp_path: Path) -> None:
    found = judged(LARGER, MAXIMUM.replace("(<= x y) y x", "(>= x y) x y"), tmp_path)
    assert (found.status, found.reason) == ("wrong", "outside the grammar: not derived by the grammar of f")
    free = Problem("toy", LARGER).without_grammar()
    assert judge(free, MAXIMUM.replace("(<= x y) y x", "(>= x y) x y"), tmp_path).status == "solved"


@pytest.mark.needs("z3", "cvc5")
def test_an_invariant_must_hold_first_be_kept_and_suffice(tmp_path: Path) -> None:
    verdicts = {
        term: judged(LOOP, f"(define-fun inv ((i Int)) Bool {term})", tmp_path).status
        for term in ("(<= i 5)", "(<= 1 i)", "(<= i 0)", "true")
    }
    assert verdicts == {"(<= i 5)": "solved", "(<= 1 i)": "wrong", "(<= i 0)": "wrong", "true": "wrong"}


@pytest.mark.needs("z3", "cvc5")
def test_examples_of_strings_are_evaluated(tmp_path: Path) -> None:
    text = """(set-logic SLIA) (synth-fun f ((s String)) String) (constraint (= (f "a,b") "b")) (check-synth)"""
    right = '(define-fun f ((s String)) String (str.substr s (+ (str.indexof s "," 0) 1) (str.len s)))'
    assert judged(text, right, tmp_path).status == "solved"
    assert judged(text, right.replace(" 1)", " 0)"), tmp_path).status == "wrong"


@pytest.mark.needs("z3", "cvc5")
def test_a_clause_is_asked_for_all_values_of_its_variables(tmp_path: Path) -> None:
    text = "(set-logic LIA) (synth-fun p ((i Int)) Bool) (chc-constraint ((j Int)) (> j 3) (p j)) (check-synth)"
    assert judged(text, "(define-fun p ((i Int)) Bool (> i 2))", tmp_path).status == "solved"
    assert judged(text, "(define-fun p ((i Int)) Bool (> i 4))", tmp_path).status == "wrong"


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (("unknown: slow", "unknown: slow"), "unchecked"),
        (("valid", "unknown: slow"), "solved"),
        (("wrong", "unknown: slow"), "wrong"),
        (("valid", "wrong"), "wrong"),
    ],
)
def test_not_knowing_is_never_valid(
    verdicts: tuple[str, str], status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = dict(zip(("z3", "cvc5"), verdicts, strict=True))
    monkeypatch.setattr(solve_runs, "_checked", lambda name, script: (name, said[name], 0.1))
    assert judged(LARGER, MAXIMUM, tmp_path).status == status


def test_weights_constants_and_conversions_are_known(tmp_path: Path) -> None:
    text = """
    (set-logic ALL) (declare-weight w) (define-const low (_ BitVec 8) #x0f)
    (synth-fun f ((x (_ BitVec 8))) Int ((I Int) (W (_ BitVec 8))) (
      (I Int ((! 1 :w 2) (! (+ I I) :w 3) (bv2nat W))) (W (_ BitVec 8) (x low (! (bvand W W) :w 5) ((_ int2bv 8) I)))))
    (declare-var x (_ BitVec 8)) (constraint (= (f x) (+ 1 (ubv_to_int (bvand x low))))) (check-synth)
    """
    answer = "(define-fun f ((x (_ BitVec 8))) Int (+ 1 (bv2nat {}))"
    assert judged(text, answer.format("(bvand x low)") + ")", tmp_path).status == "solved"
    assert judged(text, answer.format("(bvand x ((_ nat2bv 8) 1))") + ")", tmp_path).status == "wrong"
    assert "outside the grammar" in judged(text, answer.format("(bvand x #x0f)") + ")", tmp_path).reason


def test_what_the_check_does_not_know_stays_unchecked(tmp_path: Path) -> None:
    text = LARGER.replace("(check-synth)", "(oracle-assume ((x Int)) (y Int) true here) (check-synth)")
    found = judged(text, MAXIMUM, tmp_path)
    assert found.status == "unchecked"
    assert "does not know (oracle-assume" in found.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no definition of f"),
        ("(define-fun g ((x Int) (y Int)) Int x)", "no definition of f"),
        ("(define-fun f ((x Int)) Int x)", "expected the header f ((x Int) (y Int)) Int, got f ((x Int)) Int"),
        ("(define-fun f ((x Int) (y Int)) Int x", "an opening bracket without a closing one"),
        ("(assert false)", "expected (define-fun name (parameters) sort body), got (assert false)"),
    ],
)
def test_what_is_no_answer_to_the_question_is_wrong(answer: str, reason: str, tmp_path: Path) -> None:
    found = judged(LARGER, answer, tmp_path)
    assert found.status == "wrong"
    assert reason in found.reason


def test_literals_are_equal_by_value() -> None:
    word = "(_ BitVec 8)"
    grammar = f"((S {word})) ((S {word} (x #x0f (bvand S S))))"
    assert body(grammar, "(bvand x #b00001111)", f"((x {word}))", word) == ""
    assert body(grammar, "(bvand x (_ bv15 8))", f"((x {word}))", word) == ""
    assert body(grammar, "(bvand x #x0e)", f"((x {word}))", word) != ""
    assert body("((I Int)) ((I Int (x -1 (+ I I))))", "(+ x (- 1))") == ""
    assert body("((I Int)) ((I Int (x 1 (- I) (+ I I))))", "(+ x (- 1))") == ""
    assert body("((I Int)) ((I Int (x 1 (+ I I))))", "(+ x (- 1))") != ""


def test_real_numbers_are_equal_by_value_and_linear() -> None:
    real = {"parameters": "((x Real) (y Real))", "sort": "Real", "logic": "LRA"}
    grammar = "((R Real)) ((R Real (x 1 0.5 (- 2) (/ 1 3) (+ R R))))"
    for term in ("(+ x 1.0)", "(+ x (/ 1.0 2.0))", "(+ (- 2.0) (/ 2.0 6.0))", "(+ 1 x)"):
        assert body(grammar, term, **real) == "", term
    for term in ("(+ x 0.25)", "(+ x (/ 1.0 4.0))", "(/ x 2.0)", "2.0", "(/ 1.0 0.0)"):
        assert body(grammar, term, **real) != "", term
    assert body("((R Real)) ((R Real ((Constant Real))))", "(/ (- 1.0) 3.0)", **real) == ""
    assert body("", "(ite (<= x (* 2.5 y)) (- x) (/ (+ x y) 2.0))", **real) == ""
    assert body("", "(* x y)", **real) != ""
    assert body("", "(div x 2.0)", **real) != ""


def test_a_text_is_the_same_however_it_is_spelled() -> None:
    grammar = '((S String)) ((S String (x "ö" "a\\b" (str.++ S S))))'
    assert body(grammar, '(str.++ "\\u{f6}" "a\\u{5c}b")', "((x String))", "String") == ""
    assert body(grammar, '(str.++ "\\u00f6" x)', "((x String))", "String") == ""
    assert body(grammar, '"\\u{f7}"', "((x String))", "String") != ""
    assert Problem("toy", '(constraint (= "ö" "\\u{22}"))').question({}).count('(= "\\u{f6}" """")') == 1


def test_any_constant_any_variable_and_chains_of_nonterminals() -> None:
    grammar = "((S Int) (T Int)) ((S Int (T (+ S 2))) (T Int (S (Variable Int) (* (Constant Int) T))))"
    assert body(grammar, "(+ (* (- 7) y) 2)") == ""
    assert body(grammar, "(+ (* y y) 2)") != ""
    assert body(grammar, "(* 3 (+ x 2))") == ""
    assert body(grammar, "(+ 2 x)") != ""
    assert body(grammar, "2") != ""


def test_a_let_is_read_as_what_it_names() -> None:
    grammar = "((I Int)) ((I Int (x y (+ I I))))"
    term = "(let ((a (+ x y))) (let ((b (+ a a))) (+ b a)))"
    problem = Problem("toy", f"(synth-fun f ((x Int) (y Int)) Int {grammar})")
    (found,) = bodies(problem, f"(define-fun f ((x Int) (y Int)) Int {term})")
    assert (outside(problem, found), found.size) == ("", 11)


def test_a_shared_let_of_any_depth_is_measured_at_once() -> None:
    term = "x"
    for _ in range(60):
        term = f"(let ((a {term})) (+ a a))"
    (found,) = bodies(Problem("toy", "(synth-fun f ((x Int)) Int)"), f"(define-fun f ((x Int)) Int {term})")
    assert found.size == 2**61 - 1


def test_operators_and_leaves_count_one_and_literals_are_leaves() -> None:
    text = "(set-logic BV) (synth-fun f ((x (_ BitVec 8))) (_ BitVec 4))"
    answer = "(define-fun f ((x (_ BitVec 8))) (_ BitVec 4) ((_ extract 3 0) (bvadd x (_ bv3 8))))"
    (found,) = bodies(Problem("toy", text), answer)
    assert found.size == 4


@pytest.mark.parametrize("term", ["(bvadd x y)", "(str.len x)", "(* x y)", "(g x)", "z"])
def test_without_a_grammar_the_logic_decides(term: str) -> None:
    assert body("", term) != ""


def test_without_a_grammar_the_logic_has_its_operators() -> None:
    assert body("", "(ite (and (< x 2) (= y 0)) (* 3 (- x y)) (div (+ x (- 1)) 2))") == ""
    assert body("", "(div_total x 2)") == ""  # cvc5's own name


def test_names_of_older_files_are_read() -> None:
    problem = Problem("old", '(synth-fun f ((x (BitVec 8))) (BitVec 8)) (constraint (= "1" (int.to.str 1)))')
    assert problem.functions[0].parameters == (("x", "(_ BitVec 8)"),)
    assert "str.from_int" in problem.question({"f": "x"})


def stub(tmp_path: Path, program: str) -> tuple[Task, tuple[str, ...]]:
    """A task for ours, and a command in the place of ours."""
    (tmp_path / "larger.sl").write_text(LARGER, encoding="utf-8")
    script = tmp_path / "stub.py"
    script.write_text(program, encoding="utf-8")
    (task,) = plan(tmp_path, 2.0, 2048, ["ours"])
    return task, (sys.executable, str(script))


@pytest.mark.needs("z3", "cvc5")
def test_what_the_engine_says_is_a_row_only_after_the_check(tmp_path: Path) -> None:
    said = '{"status": "solved", "functions": [{"sygus": "%s", "python": "p"}], "statistics": {"rounds": 3}}'
    task, command = stub(tmp_path, f"print('''{said % MAXIMUM[1:-1]}''')")
    row = execute(task, PLACE, command)
    assert (row.status, row.size, row.detail["statistics"]) == ("solved", 6, {"rounds": 3})
    assert row.seconds == row.cputime > 0
    task, command = stub(tmp_path, f"print('''{said % MAXIMUM[1:-1].replace('<=', '<')}''')")
    row = execute(task, PLACE, command)
    assert (row.status, row.seconds) == ("wrong", None)


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ('print(\'{"status": "infeasible"}\'); raise SystemExit(1)', "infeasible"),
        ('print(\'{"status": "stopped", "reason": "time"}\'); raise SystemExit(1)', "unsolved"),
        ('print(\'{"status": "solved"}\'); raise SystemExit(3)', "error"),
        ("print('hello')", "error"),
        ('print(\'{"status": "solved", "functions": []}\')', "wrong"),
    ],
)
def test_every_end_of_the_engine_has_its_status(program: str, status: str, tmp_path: Path) -> None:
    task, command = stub(tmp_path, program)
    row = execute(task, PLACE, command)
    assert (row.status, row.seconds) == (status, None)


def test_the_time_of_children_counts_while_they_run() -> None:
    spin = "import subprocess, sys; [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in '123'];"
    spin += "import time; time.sleep(60)"
    found = run_process([sys.executable, "-c", spin], 30.0, cpu_seconds=1.0, tree=True)
    assert found.reason == "cputime"
    assert 1.0 < found.cputime < 5.0
    assert found.walltime < 20.0


def test_runs_of_cvc5_stay_when_the_engine_changes(tmp_path: Path) -> None:
    (tmp_path / "larger.sl").write_text(LARGER, encoding="utf-8")
    later = replace(PLACE, source="4567")
    same = {task.backend: task.key(PLACE) == task.key(later) for task in plan(tmp_path, 2.0, 2048)}
    assert same == {"ours": False, "cvc5 default": True, "cvc5 unif-pi": True, "cvc5 fast": True}


def test_the_own_problems_are_also_asked_without_their_grammars() -> None:
    counts = {name: 0 for name in ("cvc5 default", "cvc5 no grammar")}
    for task in plan(solve_runs.OWN, 2.0, 2048, tuple(counts)):
        counts[task.backend] += 1
    assert 40 <= counts["cvc5 no grammar"] < counts["cvc5 default"]


def test_a_folder_without_problems_and_an_unknown_tool_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"expected a folder with \.sl files, found none"):
        plan(tmp_path, 2.0, 2048)
    (tmp_path / "larger.sl").write_text(LARGER, encoding="utf-8")
    with pytest.raises(BenchmarkError, match="expected tools among ours, cvc5 default"):
        plan(tmp_path, 2.0, 2048, ["nobody"])


def test_a_wrong_header_is_told() -> None:
    with pytest.raises(WrongAnswerError, match="header"):
        bodies(Problem("toy", LARGER), "(define-fun f ((y Int) (x Int)) Int x)")
