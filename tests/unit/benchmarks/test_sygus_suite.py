"""The own SyGuS problems: files and functions say the same, and cvc5 reads every file."""

from pathlib import Path

import pytest
from quick import sliced

from backends.sexpression import shown
from benchmarks.inputs.solve_problem import Problem
from benchmarks.suites.solve_runs import OWN, judge
from benchmarks.sygus_suite.problems import FILES, PROBLEMS, text
from cegis.sygus import read

LEAST = {"motifs": 14, "integers": 12, "bitvectors": 10, "strings": 10, "invariants": 4}

HARDEST = {  # what tools have missed: that there is an answer, and how small it is
    "integers/digit_and_carry": (22, {
        "digit": "(ite (<= (+ a b) 9) (+ a b) (- (+ a b) 10))", "carry": "(ite (<= (+ a b) 9) 0 1)",
    }),
    "integers/median_of_three": (26, {
        "middle": "(ite (<= a b) (ite (<= b c) b (ite (<= a c) c a)) (ite (<= a c) a (ite (<= b c) c b)))",
    }),
    "integers/rank_among_three": (16, {"rank": "(ite (<= b x) (ite (<= c x) 3 2) (ite (<= a x) 1 0))"}),
    "integers/distance_to_interval": (15, {"outside": "(ite (<= low x) (ite (<= x high) 0 (- x high)) (- low x))"}),
    "motifs/argmax_of_counts": (16, {"winner": "(ite (< a b) (ite (< b c) 2 1) (ite (< a c) 2 0))"}),
    "motifs/comment_state": (14, {"step": "(ite newline 0 (ite (= state 2) 2 (ite slash (+ state 1) 0)))"}),
    "motifs/longest_run": (22, {
        "length": "(ite same (+ run 1) 1)",
        "longest": "(ite (<= best (ite same (+ run 1) 1)) (ite same (+ run 1) 1) best)",
    }),
    "bitvectors/average": (9, {"mean": "(bvadd (bvand x y) (bvlshr (bvxor x y) #x01))"}),
    "bitvectors/parity_of_nibble": (
        15, {"parity": "(bvand (bvxor (bvxor x (bvlshr x #x1)) (bvlshr (bvxor x (bvlshr x #x1)) #x2)) #x1)"}
    ),
    "bitvectors/branch_from_samples": (
        16, {"f": "(ite (= (bvand x #x0000000000000001) #x0000000000000000) (bvlshr x #x0000000000000001) "
             "(bvadd (bvadd x (bvshl x #x0000000000000001)) #x0000000000000001))"}
    ),
    "strings/swapped_names": (20, {
        "f": '(str.++ (str.substr text (+ (str.indexof text ", " 0) 2) (str.len text)) '
             '(str.++ " " (str.substr text 0 (str.indexof text ", " 0))))'
    }),
}  # fmt: skip


def test_there_are_enough_problems_of_every_kind() -> None:
    kinds = [name.partition("/")[0] for name in PROBLEMS]
    assert len(PROBLEMS) >= 44
    assert all(kinds.count(kind) >= least for kind, least in LEAST.items())


def test_there_are_problems_without_a_grammar_and_with_two_functions() -> None:
    made = [make() for make in PROBLEMS.values()]
    assert sum(None in problem.grammars.values() for problem in made) >= 6
    assert sum(len(problem.spec.functions) > 1 for problem in made) >= 4


def test_every_file_has_a_function_and_every_function_a_file() -> None:
    assert FILES == OWN
    assert {path.relative_to(FILES).with_suffix("").as_posix() for path in FILES.rglob("*.sl")} == set(PROBLEMS)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_file_says_what_its_function_says(name: str) -> None:
    path, made = FILES / f"{name}.sl", PROBLEMS[name]()
    found = read(path)
    assert path.read_text(encoding="utf-8") == text(name)
    assert (found.logic, found.spec) == (made.logic, made.spec)
    for function, grammar in made.grammars.items():
        other = found.grammars[function]
        assert (grammar is None) == (other is None)
        if grammar is not None and other is not None:
            assert (other.start, set(other.productions)) == (grammar.start, set(grammar.productions))


@pytest.mark.needs("z3", "cvc5")
@pytest.mark.parametrize("name", sliced(HARDEST, 2))
def test_the_hardest_problems_have_a_small_answer(name: str, tmp_path: Path) -> None:
    problem = Problem(name, (FILES / f"{name}.sl").read_text(encoding="utf-8"))
    size, bodies = HARDEST[name]
    headers = {asked.name: shown(asked.header())[1:-1] for asked in problem.functions}
    answer = "\n".join(f"(define-fun {headers[function]} {body})" for function, body in bodies.items())
    found = judge(problem, answer, tmp_path)
    assert (found.status, found.size) == ("solved", size), found.reason


@pytest.mark.needs("cvc5")
def test_cvc5_reads_every_file_with_and_without_its_grammars(tmp_path: Path) -> None:
    import cvc5

    for name in PROBLEMS:
        whole = Problem(name, (FILES / f"{name}.sl").read_text(encoding="utf-8"))
        for problem in (whole, whole.without_grammar()):
            solver = cvc5.Solver(cvc5.TermManager())
            solver.setOption("sygus", "true")
            symbols = cvc5.SymbolManager(solver.getTermManager())
            parser = cvc5.InputParser(solver, symbols)
            parser.setStringInput(cvc5.InputLanguage.SYGUS_2_1, problem.text.replace("(check-synth)", ""), name)
            while not (command := parser.nextCommand()).isNull():
                assert "error" not in str(command.invoke(solver, symbols)), name
