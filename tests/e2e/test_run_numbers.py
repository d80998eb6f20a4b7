"""``distill run`` and ``horizon`` on networks of numbers: a loop, its proof or exact horizon, and a certificate."""

import json

import numpy as np
import pytest
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
    with pytest.raises(SystemExit) as ended:
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
