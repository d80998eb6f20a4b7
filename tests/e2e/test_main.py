"""The command line as a user meets it: results on standard output, one line and exit code 2 for bad input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from checking import checked_here

from backends import package
from tasks.commands.main import main
from tasks.formats.circuit_folder import shipped_path
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline import distill as pipeline

CIRCUIT = "quote_closing"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def distill(tmp_path, monkeypatch, capsys):
    """The command line in this process, run in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Done(ended.value.code, out, err)

    return run


def test_the_installed_command_runs_in_a_process_of_its_own(tmp_path):
    command = [sys.executable, "-m", "tasks.commands.main", "run", CIRCUIT, "--length", "3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert "PROVED" in done.stdout


def test_run_prints_program_and_verdict_first_and_writes_nothing_unasked(distill, tmp_path):
    done = distill("run", CIRCUIT, "--length", 5)
    assert done.returncode == 0
    first, *others = done.stdout.split("\n\n")
    assert first.strip().startswith("def quote_closing(tokens")
    assert others[0].startswith("PROVED (rung enumerated): this function equals circuit quote_closing on all 258 ")
    assert others[1:] == ["More: -v shows how, and what it rests on; --out FOLDER writes a certificate.\n"]
    assert list(tmp_path.iterdir()) == []


def test_a_quiet_run_says_nothing_but_its_result(distill):
    quiet, usual = (distill("run", CIRCUIT, "--length", 4, *more) for more in (("-q",), ()))
    assert quiet.stdout == usual.stdout
    assert (quiet.stderr, bool(usual.stderr)) == ("", True)


def test_run_prints_function_claim_chain_and_certificate(distill):
    done = distill("run", CIRCUIT, "--length", 5, "-v", "--out", f"{CIRCUIT}.cert")
    assert done.returncode == 0
    for part in ("def quote_closing(tokens", "PROVED (rung surrogate)", "The steps:", "solver queries", "Certificate:"):
        assert part in done.stdout
    assert "round 1" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    checked = distill("check", f"{CIRCUIT}.cert")
    assert checked.returncode == 0
    assert "The certificate holds." in checked.stdout


def test_json_is_one_object_and_nothing_else(distill):
    done = distill("run", CIRCUIT, "--length", 4, "--backend", "cvc5", "--json", "--out", "c")
    result = json.loads(done.stdout)
    assert done.stderr == ""
    assert (done.returncode, result["proved"], result["outcome"], result["certificate"]) == (0, True, "found", "c")
    assert {claim["rung"] for claim in result["claims"]} == {"surrogate", "enumerated"}
    with checked_here():
        assert json.loads(distill("check", "c", "--json").stdout)["holds"] is True


def test_a_changed_certificate_is_refused(distill, tmp_path):
    distill("run", CIRCUIT, "--length", 3, "--out", "c")
    program = tmp_path / "c" / "program.py"
    program.write_text(program.read_text().replace("in tokens", "not in tokens"))
    with checked_here():
        refused(distill("check", "c"), "program.py is not the file that was certified")


def test_list_and_show_speak_of_every_circuit(distill):
    listed = distill("list")
    assert CIRCUIT in listed.stdout
    shown = distill("show", CIRCUIT)
    for part in ("AbsTopK", "nodes kept", "0.attn.", "exactly one quote", "edges"):
        assert part in shown.stdout
    assert json.loads(distill("show", CIRCUIT, "--json").stdout)["name"] == CIRCUIT


def test_a_run_that_ends_unproved_exits_with_one(distill, tmp_path):
    done = distill("run", "bracket_dilution", "--length", 40, "--time-limit", "0.001", "--out", "c")
    assert done.returncode == 1
    assert "NOT" in done.stdout
    assert "No certificate: the checker had 0 s" in done.stdout
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "no_such_circuit"], "quote_closing"),
        (["run", CIRCUIT, "--backend", "yices"], "unknown backend 'yices'; known: z3, cvc5"),
        (["run", CIRCUIT, "--length", "0"], "expected lengths from 1 to 4,096"),
        (["run", CIRCUIT, "--length", "99999"], "expected lengths from 1 to 4,096"),
        (["run", CIRCUIT, "--length", "many"], "a length such as 10"),
        (["run", CIRCUIT, "--time-limit", "0"], "more than 0 seconds"),
        (["run", CIRCUIT, "--time-limit", "nan"], "more than 0 seconds"),
        (["run", CIRCUIT, "--time-limit", "1e9"], "less than 10,000,000, got 1e+09"),
        (["run", CIRCUIT, "--seed", "-1"], "seed"),
        (["run", CIRCUIT, "--out", "taken"], "it is a file"),
        (["run", CIRCUIT, "--out", "taken/inside"], "taken"),
        (["run", "./nowhere"], "nowhere"),
        (["run"], "NETWORK"),
        (["run", CIRCUIT, "--frobnicate"], "frobnicate"),
        (["frobnicate"], "frobnicate"),
        (["check", "nowhere"], "is not a certificate"),
        (["show", "taken"], "taken"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(distill, tmp_path, arguments, message):
    (tmp_path / "taken").write_text("")
    before = sorted(tmp_path.rglob("*"))
    refused(distill(*arguments), message)
    assert sorted(tmp_path.rglob("*")) == before


def damage_nan(folder):
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "weights.safetensors")
    tensors["lm_head.weight"][0, 0] = np.nan
    save_file(tensors, folder / "weights.safetensors")


def damage_shape(folder):
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "weights.safetensors")
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:, :-1].copy()
    save_file(tensors, folder / "weights.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors"),
        (
            lambda f: (f / "weights.safetensors").write_bytes((f / "weights.safetensors").read_bytes()[:5000]),
            "safetens",
        ),
        (lambda f: (f / "circuit.json").write_text("{"), "circuit.json"),
        (damage_nan, "NaN"),
        (damage_shape, "lm_head.weight should have shape"),
    ],
)
def test_a_damaged_circuit_is_one_line_and_exit_code_two(distill, tmp_path, damage, message):
    folder = tmp_path / "mine"
    shutil.copytree(shipped_path(CIRCUIT), folder)
    damage(folder)
    refused(distill("run", "./mine"), message)


def test_a_missing_solver_names_its_package(distill, monkeypatch):
    real = package.installed_version
    monkeypatch.setattr(package, "installed_version", lambda name: None if name == "z3-solver" else real(name))
    refused(distill("run", CIRCUIT), "pip install z3-solver")


def refused(done, message):
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("distill: ")
    assert message in done.stderr


def test_without_torch_the_way_to_install_it_is_said_and_other_modules_are_our_mistake(distill, monkeypatch):
    def lacking(name):
        def fail(**named):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setattr("tasks.commands.main.distill.main", fail)

    lacking("elsewhere")
    with pytest.raises(ModuleNotFoundError):
        distill("list")
    lacking("torch")
    done = distill("list")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith('this needs torch: pip install "symbolic-circuit-distillation[torch]"\n')


def test_the_bare_command_prints_the_help_as_click_lays_it_out(distill):
    done, asked = distill(), distill("--help")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == asked.stdout
    assert "\nCommands:\n" in done.stderr


def test_a_check_says_first_whether_it_holds(distill):
    distill("run", CIRCUIT, "--length", 3, "--backend", "none", "--out", "c")
    with checked_here():
        lines = distill("check", "c").stdout.splitlines()
    assert lines[0] == "The certificate holds."
    assert lines[1].startswith("the program equals the circuit network quote_closing on all ")
    assert lines[2].startswith("Executions are IEEE float32 or float64")
    assert len(lines) == 3


def test_what_is_no_network_gets_a_sentence_that_helps(distill, tmp_path):
    (tmp_path / "sparse").mkdir()
    (tmp_path / "sparse" / "notes.txt").write_text("")
    for arguments, said in (
        ([""], "expected a network, a shipped name or a folder, got an empty name"),
        (["net"], "no such folder, and no shipped circuit: 'net'; shipped are bracket_depth, "),
        (
            [CIRCUIT, "--alphabet", "x,y"],
            "token 'x,y' is not in the vocabulary; on the command line tokens are separated",
        ),
        (["sparse"], "no known network format: transformers and recurrent networks are read from files"),
    ):
        done = distill("show", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert len(done.stderr) < 700


def test_from_python_what_is_no_network_is_named():
    for thing in ("rep", 3, np.zeros(2)):
        with pytest.raises(
            NetworkError, match=f"expected a network, got {type(thing).__name__}; make one with from_torch"
        ):
            pipeline.distill(thing)


@pytest.mark.parametrize("workers", ["0", "some"])
def test_workers_that_cannot_be_had_are_one_line(distill, workers):
    done = distill("run", CIRCUIT, "--workers", workers)
    assert done.returncode == 2
    assert done.stderr.startswith("distill: expected a number of workers from 1 to 256")
    assert done.stderr.count("\n") == 1
