"""``distill accept`` and what a root lists: commands about folders, run as a user runs them."""

import json

import pytest
import torch

from tasks.commands.main import main
from tests.support.decoder_networks import LLAMA, write
from tests.support.openai_networks import circuit, means, model


def ended(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    return stopped.value.code, capsys.readouterr()


def test_a_circuit_that_is_reproduced_is_accepted_with_what_its_prompts_suggest(tmp_path, capsys):
    model(tmp_path)
    folder = circuit(tmp_path)
    code, said = ended(capsys, "accept", folder, "--answers", "#3 #4", "--json")
    found = json.loads(said.out)
    assert (code, found["reproduced"], found["prompts"]) == (0, True, 4)
    assert found["loss"] == pytest.approx(found["stored_loss"], abs=1e-6)
    assert found["answers"] == ["#3", "#4"]
    assert {*found["alphabet"]} <= {f"#{n}" for n in range(1, 9)}
    code, said = ended(capsys, "accept", folder)
    assert code == 0
    assert said.out.startswith("reproduced: ")
    assert "--alphabet" in said.out


def test_a_circuit_with_other_means_is_not_accepted(tmp_path, capsys):
    model(tmp_path)
    folder = circuit(tmp_path)
    other = {**means(), "0.mlp.resid_delta": means()["0.mlp.resid_delta"] + 1}
    torch.save(other, folder.parent / "mean_baseline_pretrain.pt")
    code, said = ended(capsys, "accept", folder)
    assert code == 1
    assert said.out.startswith("NOT reproduced: ")


@pytest.mark.parametrize("arguments", [("nowhere",), ("here", "--answers", "#3"), ("here", "--answers", "#3 zebra")])
def test_what_cannot_be_compared_is_one_sentence(arguments, tmp_path, capsys):
    model(tmp_path)
    folder = circuit(tmp_path)
    code, said = ended(capsys, "accept", *(folder if part == "here" else part for part in arguments))
    assert code == 2
    assert said.err.count("\n") == 1
    assert not said.out


def test_a_root_lists_its_networks_and_is_none_to_run(tmp_path, capsys):
    for name in ("a", "b/c"):
        write(tmp_path / name, LLAMA)
    (tmp_path / ".hidden").mkdir()
    write(tmp_path / ".hidden" / "d", LLAMA)
    code, said = ended(capsys, "show", tmp_path)
    assert code == 0
    assert said.out.splitlines()[0].endswith("2 networks inside")
    assert f"run it with:   distill run {tmp_path / 'a'}" in said.out
    code, said = ended(capsys, "show", tmp_path, "--json")
    assert [entry["format"] for entry in json.loads(said.out)] == ["decoder", "decoder"]
    code, said = ended(capsys, "run", tmp_path)
    assert code == 2
    assert "holds 2 networks and is none itself: a, b/c" in said.err


def test_a_folder_without_a_network_is_refused_as_before(tmp_path, capsys):
    code, said = ended(capsys, "show", tmp_path)
    assert code == 2
    assert "no known network format" in said.err
