"""``distill run`` on a folder with any network: a proved function, or what is known instead; no certificate."""

import ast
import json
import re
from dataclasses import dataclass

import numpy as np
import pytest
from safetensors.numpy import save_file

from tasks.commands.main import main


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
            main(["run", *map(str, arguments)])
        out, err = capsys.readouterr()
        return Done(ended.value.code, out, err)

    return run


@pytest.fixture
def lead(tmp_path):
    """``lead(n, bias)``: a folder with a pooled transformer whose output is ``(`` minus ``)`` against ``bias``."""

    def write(n, bias):
        folder = tmp_path / f"lead_{n}"
        folder.mkdir()
        config = {"n": n, "d": 2, "heads": 1, "ff": 1, "layers": 1, "causal": True, "pool": "sum"}
        (folder / "config.json").write_text(json.dumps(config))
        tensors = {"pos": np.zeros((n, 2)), "tok.weight": np.array([[1.0, 0.0], [-1.0, 0.0]])}
        tensors |= {f"blocks.0.W{part}.weight": np.zeros((2, 2)) for part in "qkvo"}
        tensors |= {"blocks.0.mlp1.weight": np.zeros((1, 2)), "blocks.0.mlp1.bias": np.zeros(1)}
        tensors |= {"blocks.0.mlp2.weight": np.zeros((2, 1)), "blocks.0.mlp2.bias": np.zeros(2)}
        tensors |= {"h1.weight": np.array([[1.0, 0.0], [0.0, 0.0]]), "h1.bias": np.zeros(2)}
        tensors |= {"h2.weight": np.array([[0.0, 0.0], [1.0, 0.0]]), "h2.bias": np.array([bias, 0.0])}
        save_file({name: t.astype(np.float32) for name, t in tensors.items()}, folder / "model.safetensors")
        return folder

    return write


def test_a_network_folder_becomes_a_proved_function(distill, lead, tmp_path):
    done = distill(lead(6, 0.5), "-v")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    said = "PROVED (rung enumerated): this function equals the network lead_6 on all 64 sequences of length 6"
    assert said in done.stdout
    assert "real arithmetic and in float64 and float32 as executed" in done.stdout
    assert "assumption  Executions are IEEE" in done.stdout
    assert not list(tmp_path.glob("*.cert"))


def test_the_function_that_is_printed_is_the_network(distill, lead):
    said = json.loads(distill(lead(6, 0.5), "--json").stdout)
    assert (said["proved"], said["rung"], said["sequences"], said["exceptions"]) == (True, "enumerated", 64, [])
    assert 0 < said["margin"] <= 0.5
    scope: dict = {}
    exec(said["program"], scope)
    for number in range(64):
        tokens = list(f"{number:06b}".replace("0", "(").replace("1", ")"))
        expected = "valid" if tokens.count("(") > 3 else "not valid"
        assert scope["lead_6"](tokens) == expected


def test_ties_are_no_labels_and_keep_the_run_from_ending_as_proved(distill, lead):
    done = distill(lead(5, 1.0), "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["proved"], said["outcome"]) == (1, False, "found")
    assert (said["inputs"], said["without_label"]) == (22, 10)  # ten sequences have three of one kind and a lead of one
    assert said["sentence"].startswith("PROVED WHERE IT HAS A LABEL")
    assert "22 sequences of length 5 that have a label" in said["sentence"]


def test_a_constraint_limits_what_is_claimed(distill, lead):
    said = json.loads(distill(lead(6, 0.5), "--constraint", r"\( .* \)", "--json").stdout)
    assert (said["sequences"], said["constraint"]) == (16, r"\( .* \)")
    assert r"(\( .* \))" in said["sentence"]
    docstring = str(ast.get_docstring(ast.parse(said["program"]).body[0]))
    assert r"on all 16 sequences of length 6 (\( .* \)), in real arithmetic" in " ".join(docstring.split())


def test_the_margin_that_is_said_is_below_the_true_one_and_net_of_rounding(distill, lead):
    said = json.loads(distill(lead(6, 0.5), "--json").stdout)
    (told,) = re.findall(r"every margin after rounding at least ([\d.e-]+)\.$", said["sentence"])
    assert 0 < float(told) <= said["margin"] < 0.5  # the logits are whole numbers against 0.5
    assert "beyond the error bound" not in said["sentence"]


def test_labels_below_the_margin_that_is_asked_for_are_none(distill, lead):
    said = json.loads(distill(lead(6, 0.5), "--margin", 1.0, "--json").stdout)
    assert said["without_label"] == 20 + 22  # a lead of zero, and every lead below
    assert said["labels"] == ["valid"]


def test_a_shipped_circuit_is_bounded_without_a_solver_where_none_is_asked_for(distill, tmp_path):
    asked = ("--semantics", "real", "--margin", "0.001", "--length", 5, "--backend", "none", "-v", "--out", "q.cert")
    done = distill("quote_closing", *asked)
    assert done.returncode == 0
    assert "PROVED (rung enumerated)" in done.stdout
    assert "in real arithmetic; tokens " in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["q.cert"]
    assert "surrogate" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--constraint", "("], "a closing parenthesis"),
        (["--constraint", "x"], "one of the tokens"),
        (["--constraint", r"\("], "holds no sequence"),
        (["--length", "7"], "expected lengths from 6 to 6, got 7"),
        (["--length", "3-2"], "a range that rises"),
        (["--length", "six"], "a length such as 10"),
        (["--alphabet", "( x"], "'x' is not in the vocabulary"),
        (["--readout", "guess"], "guess"),
        (["--margin", "-1"], "a margin of 0 or more"),
        (["--margin", "nan"], "a margin of 0 or more"),
        (["--task", "other"], "one whole network"),
        (["--answers", "maybe"], "no output is called 'maybe'"),
        (["--time-limit", "0"], "more than 0 seconds"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(distill, lead, arguments, message):
    done = distill(lead(6, 0.5), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_without_a_network_says_what_was_looked_for(distill, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    for name in ("empty", "other"):
        done = distill(f"./{name}")
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
    assert "looked for circuit, steps, " in done.stderr
