"""Claims about reading weights: every byte of a safetensors file belongs to one tensor, or it is one clear error."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load as safetensors_load
from safetensors.numpy import save

from tasks.checker.files import Tensors, UnreadableError
from tasks.commands.main import main
from tasks.formats.reading import read_tensors
from tasks.formats.untrusted import parse_safetensors
from tasks.networks.sparse_transformer import NetworkError

FAULTS = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[5] / "shared" / "cases")) / "faults"
TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.float32)}
A = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
B = {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]}


def stored(header, data=bytes(32)):
    """A file with this header: JSON values, or the text itself."""
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def twice(one, other):
    """A header that names ``a`` twice, as no dictionary can."""
    return f'{{"a": {json.dumps(one)}, "a": {json.dumps(other)}}}'


BROKEN = {
    "empty file": (b"", "the file is empty"),
    "seven bytes": (b"\x01\0\0\0\0\0\0", "not a complete safetensors file"),
    "header beyond the file": (b"\xff" * 8 + b"{}", "not a complete safetensors file"),
    "cut short": (save(TENSORS)[:-1], "not a complete safetensors file: 'b' ends at byte 32 of 31"),
    "trailing": (save(TENSORS) + bytes(5), "bytes after the last tensor: 5 of them"),
    "metadata only": (stored({"__metadata__": {"format": "pt"}}, b""), "the weights file has no tensors"),
    "nothing": (stored({}, b""), "the weights file has no tensors"),
    "nothing but bytes": (stored({}), "the weights file has no tensors"),
    "twice the same": (stored(twice(A, A), bytes(24)), "a tensor named twice: 'a'"),
    "twice, side by side": (stored(twice(A, B)), "a tensor named twice: 'a'"),
    "metadata twice": (stored('{"__metadata__": {}, "__metadata__": {}}', b""), "twice: '__metadata__'"),
    "dtype twice": (stored('{"a": {"dtype": "F32", "dtype": "F64"}}'), "a key occurs twice: 'dtype'"),
    "overlap": (stored({"a": A, "b": {**B, "data_offsets": [16, 24]}}, bytes(24)), "overlap"),
    "same bytes": (stored({"a": A, "b": A}, bytes(24)), "overlap"),
    "gap": (stored({"a": A, "b": {**B, "data_offsets": [28, 36]}}, bytes(36)), "leave a gap"),
    "a gap before all": (stored({"b": B}), "leave a gap"),
    "backwards": (stored({"a": {**A, "data_offsets": [24, 0]}}), "a begin and an end"),
    "negative offset": (stored({"a": {**A, "data_offsets": [-8, 16]}}), "numbers from 0"),
    "negative shape": (stored({"a": {**A, "shape": [-2, -3]}}, bytes(24)), "numbers from 0"),
    "a shape beyond the data": (stored({"a": {**A, "shape": [2, 4]}}, bytes(24)), "24 bytes do not hold"),
    "a shape beyond 64 bits": (stored({"a": {**A, "shape": [2**62, 2**62, 4]}}, bytes(24)), "do not hold"),
    "a shape of 40 digits": (stored({"a": {**A, "shape": [10**40]}}, bytes(24)), "numbers from 0"),
    "a broken number": (stored({"a": {**A, "shape": [2, 3.0]}}, bytes(24)), "whole number"),
    "a true number": (stored({"a": {**A, "shape": [True, 6]}}, bytes(24)), "whole number"),
    "unknown dtype": (stored({"a": {**A, "dtype": "F33"}}, bytes(24)), "unknown dtype 'F33'"),
    "no dtype": (stored({"a": {"shape": [2, 3], "data_offsets": [0, 24]}}, bytes(24)), "missing: dtype"),
    "one more key": (stored({"a": {**A, "stride": 1}}, bytes(24)), "unknown: stride"),
    "a tensor that is a text": (stored({"a": "F32"}, bytes(24)), "should be a JSON object"),
    "a list": (stored([A]), "should be a JSON object"),
    "no JSON": (stored("{"), "header of a safetensors file was expected"),
    "no text": (stored("{}").replace(b"{}", b"\xff\xfe"), "header of a safetensors file was expected"),
    "bottomless": (stored("[" * 100_000), "header of a safetensors file was expected"),
    "a number of 10,000 digits": (stored('{"a": ' + "1" * 10_000 + "}"), "header of a safetensors file was expected"),
    "metadata of numbers": (stored({"__metadata__": {"n": 1}, "a": A}, bytes(24)), "should be a text"),
    "a name with a line": (stored({"a\nHOLDS": A}, bytes(24)), "printable"),
    "a name of 10,000 letters": (stored({"a" * 10_000: A}, bytes(24)), "at most 300 letters, got 10,000"),
    "a name with colours": (stored({"\x1b[32ma": A}, bytes(24)), "printable"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_whose_bytes_are_not_accounted_for_is_one_error(tmp_path, name):
    content, said = BROKEN[name]
    with pytest.raises(NetworkError) as error:
        parse_safetensors("weights", content)
    assert said in str(error.value)
    assert len(str(error.value)) < 400
    assert "\x1b" not in str(error.value)
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(NetworkError):
        read_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "name", [name for name in BROKEN if not name.startswith(("metadata of", "a name", "unknown dtype", "a shape"))]
)
def test_the_checker_refuses_the_same_files_by_its_own_reader(name):
    with pytest.raises(UnreadableError):
        Tensors("weights", BROKEN[name][0])


def test_what_is_whole_is_read_to_the_bit():
    got = parse_safetensors("weights", save(TENSORS, metadata={"format": "np"}))
    assert all(np.array_equal(got[name], TENSORS[name]) and got[name].dtype == np.float32 for name in TENSORS)
    every = {
        str(np.dtype(kind)): np.arange(3).astype(kind)
        for kind in (bool, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float64)
    } | {"none": np.zeros((0, 3), np.float32), "one": np.array(7.0, np.float32)}
    got = parse_safetensors("weights", save(every))
    assert all(np.array_equal(got[name], every[name]) and got[name].dtype == every[name].dtype for name in every)
    assert (got["one"].shape, got["none"].shape) == ((), (0, 3))


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_half_precision_beside_float32_is_refused_by_name(tmp_path, dtype):
    header = {"a": A, "b": {"dtype": dtype, "shape": [4], "data_offsets": [24, 32]}}
    (tmp_path / "w.safetensors").write_bytes(stored(header))
    if dtype == "BF16":
        with pytest.raises(NetworkError, match="'b' is stored as BF16, beside other types"):
            read_tensors(tmp_path / "w.safetensors")
    else:
        assert read_tensors(tmp_path / "w.safetensors")["b"].dtype == np.float16


def test_whatever_byte_is_changed_the_readers_agree_or_refuse():
    """What we read, safetensors' own parser reads alike, and the checker's reader finds whole."""
    random, whole = np.random.default_rng(0), save({**TENSORS, "c": np.zeros(3, np.int8)})
    accepted = 0
    for _ in range(2000):
        content = bytearray(whole)
        for place in random.integers(len(content), size=random.integers(1, 3)):
            content[place] = random.choice([*b'0123456789",}', random.integers(256)])
        try:
            ours = parse_safetensors("weights", bytes(content))
        except NetworkError:
            continue
        theirs = safetensors_load(bytes(content))
        assert ours.keys() == theirs.keys() == Tensors("weights", bytes(content)).left.keys()
        assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)
        accepted += 1
    assert accepted > 100


def test_an_index_that_names_itself_or_a_folder_ends_in_an_error(tmp_path):
    index = tmp_path / "w.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "w.safetensors"}}))  # it is not there: no endless walk
    with pytest.raises(NetworkError, match="cannot be read"):
        read_tensors(tmp_path / "w.safetensors")
    (tmp_path / "part.safetensors").mkdir()
    index.write_text(json.dumps({"weight_map": {"a": "part.safetensors"}}))
    with pytest.raises(NetworkError, match=r"part\.safetensors: cannot be read"):
        read_tensors(tmp_path / "w.safetensors")


def test_parts_that_repeat_or_miss_a_tensor_are_named(tmp_path):
    (tmp_path / "1.safetensors").write_bytes(save({"a": TENSORS["a"]}))
    (tmp_path / "2.safetensors").write_bytes(save(TENSORS))
    index = tmp_path / "w.safetensors.index.json"
    for owner, said in (
        ({"a": "1.safetensors", "b": "2.safetensors"}, "2.safetensors: holds a tensor named twice: 'a'"),
        ({"a": "1.safetensors", "c": "1.safetensors"}, "'c' is not in 1.safetensors"),
        ({"a": "2.safetensors"}, "2.safetensors: holds a tensor that the index does not place there: 'b'"),
        ({"a": "2.safetensors", "b": "1.safetensors"}, "1.safetensors: holds a tensor that the index does not place"),
    ):
        index.write_text(json.dumps({"weight_map": owner}))
        with pytest.raises(NetworkError, match=said):
            read_tensors(tmp_path / "w.safetensors")
    index.write_text('{"weight_map": {"a": "1.safetensors", "a": "2.safetensors"}}')
    with pytest.raises(NetworkError, match="a key occurs twice"):
        read_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("metadata_only", "the weights file has no tensors"),
        ("trailing", "bytes after the last tensor"),
        ("dup_keys", "a tensor named twice"),
    ],
)
def test_faults_of_the_shared_cases_are_one_line_and_exit_2(capsys, folder, said):
    if not (FAULTS / folder).is_dir():
        pytest.skip(f"no cases in {FAULTS} (set DISTILL_CASES)")
    with pytest.raises(SystemExit) as ended:
        main(["run", str(FAULTS / folder), "--length", "3"])
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert said in printed.err
