"""``distill horizon``: the largest length that holds, and the sequence that breaks the next."""

import json

import numpy as np
import pytest
from checking import checked_here
from quick import sliced
from safetensors.numpy import save_file

from cegis import Domain
from tasks.commands.main import main
from tasks.formats.circuit_folder import load_circuit, shipped_path


def lead(path):
    """A folder with a pooled transformer of exactly 4 tokens: are there more ``(`` than ``)``?"""
    folder = path / "lead"
    folder.mkdir()
    config = {"n": 4, "d": 2, "heads": 1, "ff": 1, "layers": 1, "causal": True, "pool": "sum"}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {"pos": np.zeros((4, 2)), "tok.weight": np.array([[1.0, 0.0], [-1.0, 0.0]])}
    tensors |= {f"blocks.0.W{part}.weight": np.zeros((2, 2)) for part in "qkvo"}
    tensors |= {"blocks.0.mlp1.weight": np.zeros((1, 2)), "blocks.0.mlp1.bias": np.zeros(1)}
    tensors |= {"blocks.0.mlp2.weight": np.zeros((2, 1)), "blocks.0.mlp2.bias": np.zeros(2)}
    tensors |= {"h1.weight": np.array([[1.0, 0.0], [0.0, 0.0]]), "h1.bias": np.zeros(2)}
    tensors |= {"h2.weight": np.array([[0.0, 0.0], [1.0, 0.0]]), "h2.bias": np.array([0.5, 0.0])}
    save_file({name: t.astype(np.float32) for name, t in tensors.items()}, folder / "model.safetensors")
    return folder


DILUTED = """def program(tokens):
    if 2 * (3 * (5 * tokens.count('"'))) > len(tokens):
        return '"'
    return '"' if tokens[-1] == '"' else "'"
"""


def domain_size(name, longest):
    domain = load_circuit(shipped_path(name)).domain
    return Domain(domain.alphabet, domain.min_length, longest, domain.constraint).size()


def run(capsys, *arguments):
    """Exit code and what was printed."""
    with pytest.raises(SystemExit) as ended:
        main(["horizon", *arguments])
    return ended.value.code, capsys.readouterr()


def test_the_breaking_sequence_is_told_with_both_answers(capsys):
    code, printed = run(capsys, "bracket_depth_deep", "--longest", "20", "--json")
    result = json.loads(printed.out)
    assert code == 1
    assert result["horizon"] == 15
    assert len(result["broken"]["inputs"]) == 16
    assert result["broken"]["network"] != result["broken"]["program"]
    assert "of length 1 to 15" in result["claims"][0]["sentence"]


def test_what_holds_as_far_as_was_asked_is_success(capsys):
    code, printed = run(capsys, "quote_closing", "--longest", "20", "-v")
    assert code == 0
    assert "PROVED (rung bounded): this function equals circuit quote_closing" in printed.out
    assert "Method: counting, because attention ignores the order of tokens" in printed.out
    assert "round 1" in printed.err


@pytest.mark.slow
def test_the_growth_of_cost_and_the_method_are_values(capsys, tmp_path):
    source = tmp_path / "diluted.py"
    source.write_text(DILUTED)
    code, printed = run(capsys, "quote_closing", "--program", str(source), "--longest", "128", "--json")
    result = json.loads(printed.out)
    assert (code, printed.err) == (0, "")
    found = result["extension"]
    assert (found["method"], result["horizon"]) == ("counting", 128)
    assert [row["length"] for row in found["growth"]] == list(range(1, 129))
    assert (result["rung"], found["sequences"]) == ("bounded", domain_size("quote_closing", 128))
    assert found["sequences"] > 10**40
    assert "(about 8.6e+40) sequences of length 1 to 128" in result["claims"][0]["sentence"]
    assert 0 < found["growth"][0]["cpu_seconds"] <= found["growth"][-1]["cpu_seconds"]
    assert found["growth"][-1]["nodes"] > 2 * found["growth"][63]["nodes"]


@pytest.mark.slow
def test_where_order_matters_sequences_are_listed(capsys):
    code, printed = run(capsys, "variable_type", "--length", "5", "--longest", "7")
    assert code == 0
    assert "PROVED (rung enumerated): this function equals circuit variable_type on all 714 sequences" in printed.out


@pytest.mark.parametrize(
    ("name", "longest"), sliced([("quote_closing", 3), ("quote_closing", 1), ("variable_type", 4)], 3)
)
def test_a_length_that_was_not_typed_gives_way_to_the_longest(capsys, name, longest):
    code, printed = run(capsys, name, "--longest", str(longest), "--json")
    assert (code, json.loads(printed.out)["horizon"]) == (0, longest)


def test_a_length_that_was_typed_is_refused_beyond_the_longest(capsys):
    for arguments, got in ((("--length", "8", "--longest", "6"), "8 and 6"), (("--longest", "0"), "0")):
        code, printed = run(capsys, "quote_closing", *arguments)
        assert (code, printed.out) == (2, "")
        assert f"expected 1 <= --length <= --longest, got {got}" in printed.err


def test_a_longest_below_every_sequence_is_refused_with_the_shortest(capsys, tmp_path):
    for name in ("variable_type", str(lead(tmp_path))):
        code, printed = run(capsys, name, "--longest", "2")
        assert (code, printed.out, printed.err.count("\n")) == (2, "", 1)
        assert "its shortest sequence has" in printed.err
        assert "expected --longest of at least that, got 2" in printed.err


def test_any_folder_is_followed_up_to_a_longest_below_the_usual_length(capsys, tmp_path):
    code, printed = run(capsys, str(lead(tmp_path)), "--longest", "6", "--time-limit", "20")
    assert code == 0
    assert "PROVED (rung enumerated): this function equals the network lead on all 16 sequences" in printed.out


def test_a_program_of_ones_own_is_followed(capsys, tmp_path):
    source = tmp_path / "wrong.py"
    source.write_text("def wrong(tokens):\n    return '\"'\n")
    code, printed = run(capsys, "quote_closing", "--program", str(source), "--longest", "12")
    assert code == 1
    assert "differs on exactly" in printed.out
    assert "PROVED" not in printed.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("quote_closing", "--longest", "5000"), "from 1 to 4,096"),
        (("nothing_like_it",), "no shipped circuit"),
        (("quote_closing", "--time-limit", "nan"), "more than 0 seconds"),
        (("quote_closing", "--length", "30", "--longest", "20"), "--length <= --longest"),
    ],
)
def test_what_cannot_be_counted_is_one_line_and_exit_code_2(capsys, arguments, said):
    code, printed = run(capsys, *arguments)
    assert code == 2
    assert said in printed.err
    assert len(printed.err.strip().splitlines()) == 1


def test_a_program_that_is_no_text_is_one_line(capsys, tmp_path):
    source = tmp_path / "junk.py"
    source.write_bytes(b"\xff\xfe")
    code, printed = run(capsys, "quote_closing", "--program", str(source))
    assert code == 2
    assert "UTF-8" in printed.err
    assert len(printed.err.strip().splitlines()) == 1


@pytest.mark.slow
def test_what_is_proved_for_every_length_is_certified_with_the_executed_one_beside_it(capsys, tmp_path):
    source = tmp_path / "diluted.py"
    source.write_text(DILUTED)
    code, printed = run(
        capsys, "quote_closing", "--program", str(source), "--longest", "24", "--out", str(tmp_path / "quote.cert")
    )
    assert code == 0
    assert "PROVED (rung all lengths)" in printed.out
    for name, said in (("quote.cert", "of every length from 1 on"), ("quote-to-24.cert", "of length 1 to 24")):
        with pytest.raises(SystemExit) as ended, checked_here():
            main(["check", str(tmp_path / name)])
        assert ended.value.code == 0
        assert said in capsys.readouterr().out


def test_a_horizon_says_what_executions_are_assumed_to_be(capsys):
    _, printed = run(capsys, "quote_closing", "--longest", "4", "-v")
    assert printed.out.count("assumption  Executions are IEEE") == 1
    _, printed = run(capsys, "quote_closing", "--longest", "4", "--json")
    assert json.loads(printed.out)["assumptions"][0].startswith("Executions are IEEE")
