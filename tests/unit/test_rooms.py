"""The arrows between the rooms, drawn from the imports of every file, and what importing a room may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Container
from functools import cache
from pathlib import Path

import pytest
from import_statements import import_statements

ROOT = Path(__file__).resolve().parents[2]
ARROWS = {
    "benchmarks": {"tasks", "cegis", "dsl", "backends"},
    "tasks": {"cegis", "dsl", "backends"},
    "cegis": {"dsl", "backends"},
    "dsl": set(),
    "backends": set(),
}
SOLVERS = {"z3", "cvc5", "bitwuzla"}
INNER = {  # each room names those right below it; what these reach, it may import too
    "benchmarks": {
        "reports": {"suites"},
        "suites": {"peers", "sygus_suite"},
        "peers": {"inputs"},
        "inputs": {"harness"},
        "harness": set(),
        "sygus_suite": set(),
    },
    "tasks": {
        "commands": {"reports"},
        "reports": {"certificates"},
        "certificates": {"checker", "pipeline"},
        "pipeline": {"proofs", "surrogates", "training"},
        "proofs": {"automata", "formats"},
        "training": {"formats"},
        "formats": {"bounds"},
        "bounds": {"networks"},
        "surrogates": {"networks"},
        "networks": set(),
        "automata": set(),
        "checker": set(),
    },
    "cegis": {
        "searchers": {"invariants", "operators"},
        "invariants": {"sygus"},
        "sygus": {"formulas"},
        "operators": set(),
        "formulas": set(),
        "quick": set(),
    },
    "dsl": {
        "abstraction": set(),
        "grammars": {"theories"},
        "deduction": {"enumeration", "grammars", "theories"},
        "enumeration": set(),
        "theories": set(),
    },
}
TORCH_FILES = {
    "torch_model.py",
    "train.py",
    "pruning.py",
    "transformers.py",
    "edges.py",
    "grading.py",
    "torch_steps.py",
    "recipes.py",
    "algorithms.py",
    "streams.py",
}  # of training; the rest of tasks imports it lazily
SOLVER_FILES = {  # a wall, or a peer
    "backends/bitwuzla_adapter.py",
    "backends/z3_context.py",
    "backends/cvc5_program.py",
    "benchmarks/peers/native.py",
    "benchmarks/peers/solve_native.py",
    "benchmarks/peers/smtlib_native.py",
    "benchmarks/peers/sygus.py",
}
FILES = [path for room in ARROWS for path in sorted((ROOT / room).rglob("*.py"))]


@cache
def imports(path: Path, whole: bool = False) -> tuple[tuple[str, bool], ...]:
    """The modules a file imports, and whether that happens when the file is imported; ``whole``: names as well."""
    found: list[tuple[str, bool]] = []
    for node, at_import in import_statements(path):
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: name the package in full"
            names = [f"{node.module}.{name}" if whole else node.module or "" for name in names]
        found += [(name, at_import) for name in names]
    return tuple(found)


def test_every_room_is_looked_at():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(ARROWS)
    assert len(FILES) > 40


@pytest.mark.parametrize("room", ARROWS)
def test_imports_point_down(room):
    for path in FILES:
        if path.relative_to(ROOT).parts[0] == room:
            reached = {name.partition(".")[0] for name, _ in imports(path)} & set(ARROWS) - {room}
            assert reached <= ARROWS[room], f"{path.relative_to(ROOT)} imports {reached - ARROWS[room]}"


def below(room: str, arrows: dict[str, set[str]]) -> set[str]:
    """Every room that ``room`` may import."""
    return arrows[room].union(*(below(inner, arrows) for inner in arrows[room]))


@pytest.mark.parametrize("house", INNER)
def test_the_rooms_inside_a_room_are_all_drawn_and_their_arrows_point_down(house):
    arrows = INNER[house]
    assert {path.parent.name for path in (ROOT / house).glob("*/__init__.py")} == set(arrows)
    for path in FILES:
        inside = path.relative_to(ROOT).parts
        if inside[0] == house and inside[1] in arrows:
            reached = {name.split(".")[1] for name, _ in imports(path, whole=True) if name.startswith(f"{house}.")}
            above = reached & set(arrows) - below(inside[1], arrows) - {inside[1]}
            assert not above, f"{'/'.join(inside)} imports {above}"


def module_graph() -> dict[str, set[str]]:
    """Which modules of this project each of them imports, anywhere in its file: late, or for types alone."""
    names = {_module(path): path for path in FILES}
    return {
        module: {found for name, _ in imports(path, whole=True) if (found := _known(name, names)) != module} - {""}
        for module, path in names.items()
    }


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _known(name: str, names: Container[str]) -> str:
    """The module that an import of ``name`` loads: itself, or the one it is an attribute of; "" for another's."""
    return next((module for module in (name, name.rpartition(".")[0]) if module in names), "")


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The sets of modules that reach each other."""
    reached = {module: _reached(graph, module) for module in graph}
    found = [frozenset(other for other in reached[module] if module in reached[other]) for module in graph]
    return [set(circle) for circle in dict.fromkeys(found) if circle]


def _reached(graph: dict[str, set[str]], module: str) -> set[str]:
    seen: set[str] = set()
    queue = [module]
    while queue:
        fresh = graph[queue.pop()] - seen
        seen |= fresh
        queue += fresh
    return seen


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set(), "e": {"a"}}
    assert circles(graph) == [{"a", "b", "c"}]


def test_no_module_imports_itself_by_way_of_others():
    found = circles(module_graph())
    assert not found, f"these import each other: {found}; move what they share below both"


def test_torch_is_seen_in_tasks_alone_and_late_outside_its_own_files():
    for path in FILES:
        for name, at_import in imports(path):
            if name.partition(".")[0] == "torch":
                assert ROOT / "tasks" in path.parents, path
                is_its_own = path.name in TORCH_FILES and path.parent == ROOT / "tasks" / "training"
                assert is_its_own or not at_import, f"{path.name}: import torch where it is used"


def test_solvers_are_seen_behind_their_walls_alone():
    for path in FILES:
        inside = path.relative_to(ROOT).as_posix()
        for name, _ in imports(path):
            is_solver = name.partition(".")[0] in SOLVERS or name.startswith("pysmt.solvers")
            assert not is_solver or inside in SOLVER_FILES or inside.startswith("backends/"), f"{inside}: {name}"
            assert name.partition(".")[0] not in SOLVERS or inside in SOLVER_FILES, f"{inside}: {name}"


def loaded(statement: str) -> set[str]:
    """The top-level modules in a fresh interpreter after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.partition(".")[0] for name in run.stdout.split()}


@pytest.mark.parametrize("module", ["backends", "dsl.grammars.motifs", "cegis", "tasks.commands.main"])
def test_importing_a_room_loads_neither_torch_nor_a_solver(module):
    heavy = {"torch", *SOLVERS}
    by_pysmt = loaded("import pysmt.environment, pysmt.logics") & {"z3"}  # it looks for z3 itself
    here = loaded(f"import {module}")
    assert module.partition(".")[0] in here
    assert not here & heavy - by_pysmt


def test_the_command_line_starts_without_the_engine():
    assert not loaded("import tasks.commands.main") & {"torch", "pysmt", "numpy", "scipy", "z3", "cvc5"}


EXAMPLES = """(set-logic SLIA) (synth-fun f ((s String)) String)
    (constraint (= (f "a") "a")) (constraint (= (f "bc") "bc")) (check-synth)"""
SOLVE = "from tasks.commands.main import distill; distill(['solve', '-q', {file!r}], standalone_mode=False)"


def test_solving_examples_loads_no_solver_and_nothing_that_other_problems_need(tmp_path):
    file = tmp_path / "same.sl"
    file.write_text(EXAMPLES, encoding="utf-8")
    code = f"{SOLVE.format(file=str(file))}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    answer, _, modules = run.stdout.rstrip().rpartition("\n")
    assert "(define-fun f ((s String)) String s)" in answer
    names = set(modules.split())
    foreign = {*SOLVERS, "pysmt", "torch", "rich", "html", "shutil", "subprocess"}
    assert not {name.partition(".")[0] for name in names} & foreign
    late = ("backends.session", "backends.backend", "cegis.formulas.refutation", "cegis.formulas.harvest")
    late += ("cegis.searchers.polishing", "cegis.searchers.contradiction", "cegis.sygus.writer", "cegis.certificate")
    assert not names & {*late}
    assert not [name for name in names if name.startswith(("dsl.deduction.", "cegis.invariants.", "tasks.checker"))]
