"""The own SyGuS problems: files and functions say the same, and cvc5 reads every file."""

from pathlib import Path

import pytest

from benchmarks.solve_problem import Problem
from benchmarks.solve_runs import OWN
from benchmarks.sygus_suite.problems import FILES, PROBLEMS, text
from cegis.sygus import read

LEAST = {"motifs": 14, "integers": 12, "bitvectors": 10, "strings": 10, "invariants": 4}


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
