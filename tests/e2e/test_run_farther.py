"""``distill run`` on a GPT-2 folder at lengths that nobody can list: proved, broken or refused, and it says so."""

import ast
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tasks.commands.main import main
from tasks.pipeline import extend, labels
from tasks.proofs import genetic_search

CASES = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[3] / "shared" / "cases"))
TOKENS = {"a": 0, "b": 1, "<bos>": 2}
WIDTH, LONGEST = 4, 60


@pytest.fixture
def distill(tmp_path, monkeypatch, capsys):
    """The command line in this process, run in an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["run", *map(str, arguments)])
        return (ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def gpt2(tmp_path):
    """``gpt2(noise, layers)``: a folder whose answer is a where there are more a than b, else b.

    ``noise`` is that of positions from 20 on, which the network does not look at otherwise.
    """

    def write(noise=1e-4, layers=1):
        rng, folder = np.random.default_rng(0), tmp_path / f"lead_{layers}"
        folder.mkdir()
        config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 3, "n_positions": LONGEST}
        config |= {"n_embd": WIDTH, "n_layer": layers, "n_head": 1, "n_inner": 2, "activation_function": "gelu_new"}
        config |= {"layer_norm_epsilon": 1e-5, "dtype": "float32", "tie_word_embeddings": False}
        case = {"name": "lead", "tokens": TOKENS, "input": {"sequence": "<bos> then the symbols"}}
        case |= {"read_out": {"kind": "argmax_last"}, "language": {"alphabet": ["a", "b"]}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "case.json").write_text(json.dumps(case))
        value, back = np.zeros((WIDTH, 3 * WIDTH)), np.zeros((WIDTH, WIDTH))
        value[0, 2 * WIDTH], value[2, 2 * WIDTH] = 1.0, -0.3  # a for, b against, and a little the start
        back[0, 2], back[0, 3] = 4.0, -4.0
        weights = {"wte": np.array([[1.0, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1]])}
        weights["wpe"] = rng.normal(scale=1e-4, size=(LONGEST, WIDTH))
        weights["wpe"][20:] *= noise / 1e-4
        tensors = {f"transformer.{name}.weight": array for name, array in weights.items()}
        for n in range(layers):
            maps = {"attn.c_attn": value, "attn.c_proj": back if n == 0 else 0.01 * back}
            maps |= {"mlp.c_fc": np.zeros((WIDTH, 2)), "mlp.c_proj": np.zeros((2, WIDTH))}
            for name, array in maps.items():
                tensors |= {f"transformer.h.{n}.{name}.weight": array}
                tensors |= {f"transformer.h.{n}.{name}.bias": np.zeros(array.shape[1])}
            for norm in ("ln_1", "ln_2"):
                tensors |= {f"transformer.h.{n}.{norm}.weight": np.ones(WIDTH)}
                tensors |= {f"transformer.h.{n}.{norm}.bias": np.zeros(WIDTH)}
        tensors |= {"transformer.ln_f.weight": np.ones(WIDTH), "transformer.ln_f.bias": np.zeros(WIDTH)}
        tensors |= {"lm_head.weight": np.array([[0, 0, 1.0, -1], [0, 0, -1, 1], [0, 0, 0, 0]])}
        save_file({name: array.astype(np.float32) for name, array in tensors.items()}, folder / "model.safetensors")
        return folder

    return write


def asked(folder):
    """What the folder says, to be run as it is."""
    from tasks.formats import load

    return load(folder)


def test_forty_tokens_are_proved_and_the_printed_function_is_the_network(distill, gpt2):
    folder = gpt2()
    code, out, err = distill(folder, "--length", "0-40", "--json")
    said = json.loads(out)
    assert (code, said["proved"], said["rung"], err) == (0, True, "bounded", "")
    assert said["sentence"].startswith("PROVED (rung bounded): this function equals the network lead on all ")
    assert (said["extension"]["horizon"], said["extension"]["sequences"]) == (40, 2**41 - 1)
    scope = {}
    exec(said["program"], scope)
    loaded, rng = asked(folder), np.random.default_rng(0)
    for length in (0, 1, 20, 39, 40):
        rows = rng.integers(0, 2, (50, length)).astype(np.int8)
        for row, label in zip(rows, loaded.labels(rows)[0], strict=True):
            assert scope["lead"](list(loaded.domain.words(row))) == loaded.readout.text(int(label))


@pytest.mark.slow
def test_a_function_that_breaks_is_printed_with_what_breaks_it_and_is_no_success(distill, gpt2):
    folder = gpt2(noise=3.0)
    code, out, _ = distill(folder, "--length", "0-40", "--json", "--time-limit", "3")
    said = json.loads(out)
    assert (code, said["proved"], said["extension"]["proved"]) == (1, False, False)
    assert said["sentence"].startswith("NOT PROVED up to length 40: this function holds up to length ")
    far, loaded = said["extension"], asked(folder)
    assert far["horizon"] >= said["lengths"][1]
    assert all(f"length 0 to {far['horizon']}" in claim["sentence"] for claim in said["claims"])
    assert f"length 0 to {far['horizon']}" in said["program"]
    if far["broken"] is not None:
        row = np.array([loaded.domain.indices(far["broken"]["inputs"])], np.int8)
        assert (
            loaded.readout.text(int(loaded.labels(row)[0][0])) == far["broken"]["network"] != far["broken"]["program"]
        )
        assert row.shape[1] == far["horizon"] + 1


def test_lengths_that_a_network_does_not_take_are_refused_in_one_line(distill, gpt2):
    code, out, err = distill(gpt2(), "--length", "0-70")
    assert (code, out) == (2, "")
    assert "to 59, got 0-70" in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_of_two_layers_what_can_be_listed_is_proved_and_longer_sequences_are_tried(distill, gpt2, monkeypatch):
    monkeypatch.setattr(labels, "MOST_SEQUENCES", 3_000)
    monkeypatch.setattr(genetic_search, "SWEEPS", 2)
    folder = gpt2(layers=2)
    code, out, _ = distill(folder, "--length", "0-40", "--json")
    said = json.loads(out)
    assert (code, said["proved"], said["asked"], said["lengths"]) == (1, False, [0, 40], [0, 10])
    assert said["sentence"].startswith("NOT PROVED up to length 40: this function holds up to length 10; ")
    (claim,) = said["claims"]
    assert "all 2,047 sequences of length 0 to 10" in claim["sentence"]
    assert "length 0 to 10" in said["program"]
    assert 'proved."""' in said["program"]
    assert said["not_applied"]["bounds on sets of sequences"].startswith("counting: ")
    if said["extension"]["broken"] is None:
        assert "sequences of length 11 to 40 that were bred to break it does" in said["sentence"]
    else:
        assert 11 <= len(said["extension"]["broken"]["inputs"]) <= 40


@pytest.mark.slow
def test_a_length_that_the_time_does_not_suffice_for_is_only_missed_where_it_was_asked_for(distill, gpt2, monkeypatch):
    folder, usual = gpt2(layers=2), labels.enumerate_within
    monkeypatch.setattr(
        labels,
        "enumerate_within",
        lambda loaded, domain, *rest, **options: usual(
            loaded, domain.up_to(min(7, domain.lengths[-1])), *rest, **options
        ),
    )
    monkeypatch.setattr(extend, "MAX_SEQUENCES", 0)
    monkeypatch.setattr(genetic_search, "SWEEPS", 2)
    code, out, _ = distill(folder, "--length", "0-8", "--json")
    said = json.loads(out)
    assert (code, said["proved"], said["lengths"]) == (1, False, [0, 7])
    assert "holds up to length 7; none of" in said["sentence"]
    code, out, _ = distill(folder, "--json")
    assert (code, json.loads(out)["lengths"]) == (0, [1, 7])


def test_the_horizon_of_a_folder_is_that_of_its_program(gpt2, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = gpt2()
    for more, code in ((["--longest", "14"], 0), (["--program", str(folder / "case.json")], 2)):
        with pytest.raises(SystemExit) as ended:
            main(["horizon", str(folder), "--json", *more])
        out, err = capsys.readouterr()
        assert ended.value.code == code
        if code:
            assert "expected a file with one function" in err
        else:
            assert (json.loads(out)["asked"], json.loads(out)["proved"]) == ([1, 14], True)


def case(name):
    if not (CASES / name / "case.json").is_file():
        pytest.skip(f"no case {name} in {CASES} (set DISTILL_CASES)")
    return CASES / name


@pytest.mark.slow
def test_a_trained_network_for_nested_brackets_is_proved_to_length_fifty(distill):
    code, out, _ = distill(case("gpt2/bce_D2"), "--length", "0-50", "--json", "--time-limit", "100")
    said = json.loads(out)
    assert (code, said["proved"], said["extension"]["horizon"]) == (0, True, 50)


@pytest.mark.slow
def test_of_a_trained_majority_no_more_is_said_than_where_a_rule_holds(distill):
    folder = case("gpt2/bin_majority")
    code, out, _ = distill(folder, "--length", "0-40", "--json", "--time-limit", "40")
    said, loaded, rng = json.loads(out), asked(folder), np.random.default_rng(0)
    assert (code, said["proved"], said["extension"]["limited_to_region"]) == (1, False, True)
    assert all("that the region calls 'right', on all" in claim["sentence"] for claim in said["claims"])
    rule, region = {}, {}
    exec(said["rule"]["program"], rule)
    exec(said["rule"]["region"], region)
    compared = 0
    for length in range(1, said["extension"]["horizon"] + 1):
        rows = rng.integers(0, 2, (50, length)).astype(np.int8)
        for row, label in zip(rows, loaded.labels(rows)[0], strict=True):
            word = list(loaded.domain.words(row))
            if region["bin_majority_rule_is"](word) == "right":
                assert rule["bin_majority_rule"](word) == loaded.readout.text(int(label))
                compared += 1
    assert compared > 500


@pytest.mark.slow
def test_of_two_trained_layers_a_break_that_is_printed_is_one_of_the_network(distill):
    folder = case("gpt2/bce_tomita4")
    code, out, _ = distill(folder, "--length", "0-50", "--json", "--time-limit", "60")
    said, loaded = json.loads(out), asked(folder)
    far = said["extension"]
    assert (code, said["proved"], far["proved"]) == (1, False, False)
    assert 12 <= far["horizon"] == said["lengths"][1]
    if far["broken"] is not None:
        sequence = far["broken"]["inputs"]
        row = np.array([loaded.domain.indices(sequence)], np.int8)
        assert far["horizon"] < len(sequence) <= 50
        assert loaded.domain.contains(sequence)
        assert loaded.readout.text(int(loaded.labels(row)[0][0])) == far["broken"]["network"]
        assert far["broken"]["network"] != far["broken"]["program"]


def test_the_language_stands_in_every_sentence_far_beyond_what_is_listed(distill, gpt2):
    folder = gpt2()
    case = json.loads((folder / "case.json").read_text())
    case["language"] |= {"words": "no b after an a", "start": "s", "states": ["s", "t"]}
    case["language"]["transitions"] = {"s": {"b": "s", "a": "t"}, "t": {"a": "t"}}
    (folder / "case.json").write_text(json.dumps(case))
    code, out, _ = distill(folder, "--length", "0-40", "--json")
    said = json.loads(out)
    docstring = " ".join(str(ast.get_docstring(ast.parse(said["program"]).body[0])).split())
    for sentence in (said["sentence"], docstring):
        assert "of length 0 to 40 (prefixes of: no b after an a), in real arithmetic" in sentence
        assert "on all 861 sequences" in sentence  # one for every pair of counts that fits
    assert code == 0
