"""Certificates of loops for networks of numbers: of each length and of all, and refused with anything changed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusing import refused_if
from safetensors.numpy import save

from cegis.certificate import Certificate
from tasks.certificates.streams import attest_stream
from tasks.checker.evidence import GIVEN, NETWORK, PROGRAM, STATES, check, establish
from tasks.checker.files import Rejected
from tasks.formats.number_streams import number_streams
from tasks.pipeline.own_programs import own_program
from tasks.pipeline.streams import distill_streams

COUNT = "def program(tokens):\n    a = 0\n    for token in tokens:\n        a = a + int(token)\n    return a\n"
CHANGED = (
    "def program(tokens):\n    last, before = 0, 0\n    for token in tokens:\n        last, before = int(token), last\n"
    "    return int(last == before)\n"
)
Parts = tuple[dict[str, Any], dict[str, bytes]]


def written(folder: Path, layers: Any, read: Any, outputs: int = 1) -> Path:
    """h' = W relu(V [h, x] + a) + b, and y = R relu(h) + c or R h + c."""
    folder.mkdir()
    tensors = {}
    for name, maps in (("hmlp", layers), ("ymlp", read)):
        for n, (weight, bias) in enumerate(maps):
            tensors[f"{name}.mlp.{2 * n}.weight"] = np.array(weight, np.float32)
            tensors[f"{name}.mlp.{2 * n}.bias"] = np.array(bias, np.float32)
    said = {"name": "made", "input": {"domain": "bits", "T": 6}, "read_out": {"kind": "round"}}
    (folder / "case.json").write_text(json.dumps(said))
    (folder / "config.json").write_text(json.dumps({"activation": "ReLU"}))
    (folder / "model.safetensors").write_bytes(save(tensors))
    return folder


def counting(folder: Path) -> Path:
    """A sum of bits that is 1 in 100 too large: right up to 49 ones."""
    return written(folder, [([[1.0, 1.01], [-1.0, -1.01]], [0, 0]), ([[1.0, -1.0]], [0])], [([[1.0]], [0])])


def comparing(folder: Path) -> Path:
    """Whether a bit is the one before: h = (x, |x - x before|), nearly."""
    layers = [([[0, 0, 1.001], [1, 0, -1], [-1, 0, 1]], [0, 0, 0]), ([[1, 0, 0], [0, 1, 1]], [0, 0])]
    return written(folder, layers, [([[0.0, -1.0]], [1.0])])


def made(folder: Path, program: str, longest: int) -> Certificate | str:
    of = number_streams(folder)
    result = distill_streams(of, of.up_to(longest), program=own_program(program), seconds=600)
    return attest_stream(result, folder)


@pytest.fixture(scope="module")
def finite(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return parts(made(counting(tmp_path_factory.mktemp("finite") / "n"), COUNT, 6))


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return parts(made(comparing(tmp_path_factory.mktemp("endless") / "n"), CHANGED, 6))


def parts(found: Certificate | str) -> Parts:
    assert isinstance(found, Certificate), found
    return {name: found.statement[name] for name in (*GIVEN, STATES) if name in found.statement}, dict(found.files)


def test_a_proof_up_to_a_length_is_certified(finite: Parts, tmp_path: Path) -> None:
    found = establish(*finite)
    assert (found["kind"], found["semantics"], found["lengths"]) == ("boxes", "float32", [1, 6])
    assert found["sequences"] == sum(2**n for n in range(1, 7))
    assert found["inputs"] == sum(n * 2**n for n in range(1, 7))
    assert "on all 642 pairs of a sequence and a place of length 1 to 6" in found["claim"]
    assert 0.4 < found["margin"] < 0.44  # six ones give 6.06
    Certificate(found, finite[1]).save(tmp_path / "made.cert")
    assert check(tmp_path / "made.cert") == found


def test_a_state_that_no_step_reads_is_forgotten(endless: Parts) -> None:
    found = establish(*endless)
    assert found["lengths"] == [1, None]
    assert "every length from 1 on" in found["claim"]
    assert len(found["states"]) <= 4


def test_a_loop_may_call_its_states_place_and_before(tmp_path: Path) -> None:
    other = CHANGED.replace("last", "place")
    assert isinstance(made(comparing(tmp_path / "n"), other, 3), Certificate)


def test_of_several_outputs_one_is_certified(tmp_path: Path) -> None:
    folder = written(tmp_path / "n", [([[0.0, 1.0]], [0.0])], [([[1.0], [2.0]], [0.0, 0.0])])
    for column, program in enumerate(("int(tokens[-1])", "2 * int(tokens[-1])")):
        of = number_streams(folder, column=column)
        own = own_program(f"def program(tokens):\n    return {program}\n")
        found = attest_stream(distill_streams(of, program=own), folder)
        assert isinstance(found, Certificate), found
        assert found.statement["readout"]["columns"] == [column]


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: one.update(radii=[r * 2.0**-20 for r in one["radii"]]),
        lambda one: one.update(radii=[r + 0.6 for r in one["radii"]]),
        lambda one: one.update(center=[c + 0.5 for c in one["center"]]),
        lambda one: one.update(next=[-1] * len(one["next"])),
        lambda one: one.update(next=one["next"][:-1]),
        lambda one: one.update(next=[99, *one["next"][1:]]),
        lambda one: one.update(radii=[0.0 for _ in one["radii"]]),
        lambda one: one.update(radii=[float("nan") for _ in one["radii"]]),
        lambda one: one.pop("center"),
    ],
)
def test_other_boxes_show_nothing(finite: Parts, endless: Parts, edit: Any) -> None:
    for given in (finite, endless):
        assert refused_if(given, lambda asked, files: edit(asked["states"][1]))


def test_boxes_of_each_step_show_nothing_of_longer_streams(finite: Parts) -> None:
    for lengths in ([1, 7], [1, None], [7, 7], [2, 1]):
        assert refused_if(finite, lambda asked, files, lengths=lengths: asked.update(lengths=lengths))
    assert not refused_if(finite, lambda asked, files: asked.update(lengths=[1, 5]))
    assert not refused_if(finite, lambda asked, files: asked.update(lengths=[4, 6]))


def test_boxes_lead_where_they_are_said_to(finite: Parts) -> None:
    def crossed(asked: Any, files: Any) -> None:
        asked["states"][0]["next"].reverse()

    assert refused_if(finite, crossed)


def test_another_program_or_network_is_refused(finite: Parts, endless: Parts, tmp_path: Path) -> None:
    for program in (COUNT.replace("a = 0", "a = 1"), COUNT.replace("return a", "return min(a, 5)")):
        assert refused_if(finite, lambda asked, files, program=program: files.update({PROGRAM: program.encode()}))
    wrong = CHANGED.replace("int(token), last", "int(token), before")
    assert refused_if(endless, lambda asked, files: files.update({PROGRAM: wrong.encode()}))
    weights = {NETWORK + "model.safetensors": (comparing(tmp_path / "n") / "model.safetensors").read_bytes()}
    assert refused_if(finite, lambda asked, files: files.update(weights))
    files = finite[1]
    raw = bytearray(files[NETWORK + "model.safetensors"])
    at = raw.index(np.float32(1.01).tobytes())
    raw[at : at + 4] = np.float32(1.2).tobytes()
    assert refused_if(finite, lambda asked, files: files.update({NETWORK + "model.safetensors": bytes(raw)}))


def test_what_changes_only_now_and_then_is_not_forgotten(tmp_path: Path) -> None:
    """``b`` is kept where the token is 0, so it is part of what the program remembers, though no step reads it."""
    kept = (
        "def program(tokens):\n    a, b = 0, 0\n    for token in tokens:\n        if token == '1':\n"
        "            b = 1\n        a = int(token)\n    return b\n"
    )
    last = written(tmp_path / "n", [([[0.0, 1.0]], [0.0])], [([[1.0]], [0.0])])
    files = {PROGRAM: kept.encode()} | {NETWORK + path.name: path.read_bytes() for path in last.iterdir()}
    boxes = [{"next": [1, 2], "center": [float(c)], "radii": [0.1]} for c in (0, 0, 1)]
    readout = {"kind": "round", "position": "every", "columns": [0], "names": [], "denominator": 1}
    asked = {
        "kind": "boxes", "format": "recurrent case", "alphabet": ["0", "1"], "lengths": [1, None], "automaton": None,
        "prefix": [], "suffix": [], "readout": readout, "semantics": "float32", "directions": None,
        "least_margin": 0.0, "states": boxes,
    }  # fmt: skip
    with pytest.raises(Rejected, match="the program says '1'"):  # after 1 0
        establish(asked, files)
    assert establish(asked, files | {PROGRAM: kept.replace("return b", "return a").encode()})["lengths"] == [1, None]


def test_numbers_of_more_than_one_digit_are_read_from_their_token(tmp_path: Path) -> None:
    folder = written(tmp_path / "n", [([[0.0, 1.0, -1.0]], [0.0])], [([[1.0]], [0.0])])
    said = json.loads((folder / "case.json").read_text())
    (folder / "case.json").write_text(json.dumps(said | {"input": {"domain": "integers -1..10", "T": 6}}))
    apart = "def program(tokens):\n    return int(tokens[-1].split(',')[0]) - int(tokens[-1].split(',')[1])\n"
    found = made(folder, apart, 6)
    assert isinstance(found, Certificate), found
    assert found.statement["kind"] == "affine"
    assert "split(',')" in found.files[PROGRAM].decode()


def test_streams_that_go_on_where_no_box_is_are_refused(tmp_path: Path) -> None:
    last = written(tmp_path / "n", [([[0.0, 1.0]], [0.0])], [([[1.0]], [0.0])])
    program = b"def program(tokens):\n    return int(tokens[-1])\n"
    files = {PROGRAM: program} | {NETWORK + path.name: path.read_bytes() for path in last.iterdir()}
    readout = {"kind": "round", "position": "every", "columns": [0], "names": [], "denominator": 1}
    asked = {
        "kind": "boxes", "format": "recurrent case", "alphabet": ["0", "1"], "lengths": [1, 1], "automaton": None,
        "prefix": [], "suffix": [], "readout": readout, "semantics": "float32", "directions": None,
        "least_margin": 0.0, "states": [{"next": [-1, -1], "center": [0.0], "radii": [0.1]}],
    }  # fmt: skip
    assert establish(asked, files)["inputs"] == 2
    with pytest.raises(Rejected, match="leads nowhere"):
        establish(asked | {"lengths": [1, 2]}, files)
