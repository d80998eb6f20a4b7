"""``distill run`` and ``horizon`` on networks of numbers: a loop, its proof or exact horizon, and a certificate."""

import json

import numpy as np
import pytest
from checking import checked_here
from safetensors.numpy import save_file

from tasks.checker.evidence import check
from tasks.commands.main import main


def numbers(path, name, state, bias=0.0):
    """A folder with ``h' = state [h, x] + bias`` read as it is, for the numbers 0 to 9."""
    folder = path / name
    folder.mkdir()
    tensors = {"hmlp.mlp.0.weight": np.array([state]), "hmlp.mlp.0.bias": np.array([bias])}
    tensors |= {"ymlp.mlp.0.weight": np.array([[1.0]]), "ymlp.mlp.0.bias": np.array([0.0])}
    save_file({key: value.astype(np.float32) for key, value in tensors.items()}, folder / "model.safetensors")
    case = {"name": name, "input": {"domain": "integers 0..9", "T": 10}, "read_out": {"kind": "round"}}
    (folder / "case.json").write_text(json.dumps(case))
    return folder


def code(*arguments):
    with pytest.raises(SystemExit) as ended, checked_here():
        main([*map(str, arguments)])
    return ended.value.code


def test_the_last_number_is_proved_at_every_length(tmp_path, capsys):
    folder = numbers(tmp_path, "last", [2.0**-6, 1.0])
    assert code("run", folder, "--out", tmp_path / "c") == 0
    said = capsys.readouterr().out
    assert "rung all lengths" in said
    assert "Certificate:" in said
    assert check(tmp_path / "c")["lengths"] == [1, None]
    assert code("check", tmp_path / "c") == 0


def test_a_sum_that_is_off_ends_at_its_exact_horizon(tmp_path, capsys):
    folder = numbers(tmp_path, "sum", [1.0, 1.0 + 2.0**-10])  # 9 n / 1024 reaches a half at n = 57
    assert code("horizon", folder, "--longest", 100, "--json", "--out", tmp_path / "c") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["claims"][0]["lengths"] == [1, 56]
    assert (len(found["broken"]["inputs"]), found["horizon"], found["proved"]) == (57, 56, False)
    assert check(tmp_path / "c")["lengths"] == [1, 56]
    assert code("run", folder) == 0  # it was made for ten steps


@pytest.mark.parametrize("change", [("weight", 2.0**-3), ("bias", 0.75)])
def test_a_certificate_is_of_its_own_network(tmp_path, change):
    folder = numbers(tmp_path, "last", [0.0, 1.0])
    assert code("run", folder, "--out", tmp_path / "c") == 0
    weights = tmp_path / "c" / "network" / "model.safetensors"
    what, value = change
    other = numbers(
        tmp_path, "other", [0.0, 1.0 + (value if what == "weight" else 0.0)], value if what == "bias" else 0.0
    )
    weights.write_bytes((other / "model.safetensors").read_bytes())
    assert code("check", tmp_path / "c") != 0


def test_what_run_prints_is_verified_and_a_wrong_program_is_broken(tmp_path, capsys):
    folder = numbers(tmp_path, "last", [2.0**-6, 1.0])
    assert code("run", folder, "-q") == 0
    printed = capsys.readouterr().out
    program = tmp_path / "last.py"
    program.write_text(printed[: printed.index("PROVED")])
    assert code("verify", folder, program, "-q", "--out", tmp_path / "c") == 0
    again = capsys.readouterr().out
    assert again[: again.index("\nCertificate")] == printed[: printed.index("\nMore")]
    assert check(tmp_path / "c")["lengths"] == [1, None]
    program.write_text("def f(numbers):\n    return int(numbers[0])\n")  # no loop that is read: it is run
    assert code("verify", folder, program, "-q", "--exceptions", tmp_path / "e") == 1
    said = capsys.readouterr().out
    assert "NOT EQUAL: after the 2 steps" in said
    assert len(json.loads((tmp_path / "e").read_text())["inputs"]) == 2
    assert code("verify", folder, program, "--no-run") == 2
    assert "expected a program of the kind that is printed" in capsys.readouterr().err


def test_pages_tables_and_other_networks_know_streams(tmp_path, capsys):
    folder, other = numbers(tmp_path, "last", [0.0, 1.0]), numbers(tmp_path, "sum", [1.0, 1.0])
    assert code("run", folder, "-q", "--json", "--against", other) == 0
    found = json.loads(capsys.readouterr().out)
    apart = found["against"]["apart"]
    assert int(apart["first"]) == int(apart["inputs"].split()[-1]) != int(apart["second"])
    assert found["program"].startswith('def last(tokens: list[str]) -> int:\n    """Equals the network last on all')
    (tmp_path / "run.json").write_text(json.dumps(found))
    for given in (folder, tmp_path / "run.json"):
        assert code("report", given, "--out", tmp_path / "page.html", "-q") == 0
        page = (tmp_path / "page.html").read_text()
        assert "streams of 1 or more steps, each a whole number from 0 to 9" in page
        assert "on every stream, however long" in page
    assert code("run", folder, "-q", "--out", tmp_path / "c") == 0
    assert code("report", tmp_path / "c", "--out", tmp_path / "page.html", "-q") == 0
    capsys.readouterr()
    assert code("show", folder) == 0
    assert "10 different ones: a whole number from 0 to 9" in capsys.readouterr().out
    assert code("explain", folder) == 2
    assert "this network is recurrent" in capsys.readouterr().err
    assert code("run", folder, "--against", "quote_closing") == 2
    assert "expected a recurrent network whose steps are a whole number from 0 to 9" in capsys.readouterr().err


def test_attack_says_of_streams_which_command_compares_them(tmp_path, capsys):
    folder = numbers(tmp_path, "last", [0.0, 1.0])
    (tmp_path / "own.py").write_text("def f(tokens):\n    return int(tokens[-1])\n")
    assert code("attack", folder, tmp_path / "own.py") == 2
    assert "its inputs are streams of numbers; distill verify" in capsys.readouterr().err
    assert code("verify", folder, tmp_path / "own.py") == 0
