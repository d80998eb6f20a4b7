"""What a folder says of two numbers in its prompts: fields, words, refusals; prover and checker read it alike."""

import json
import os
from pathlib import Path

import pytest

from cegis.operands import Operands
from tasks.certificates.pairs import fields_of
from tasks.checker.prompts import described
from tasks.formats import load
from tasks.formats.operands import as_fields, of_fields, read_operands
from tasks.networks.sparse_transformer import NetworkError

TOKENS = (*map(str, range(10)), "+", "=")
SHARED = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[5] / "shared" / "cases"))
LONG = {
    "input": {
        "layout": "a (its 3 digits, most significant first), 10, b (its 3 digits, most significant first), 11: 8 ids",
        "domain": "all pairs a, b in 0..999",
    },
    "read_out": {"kind": "greedy_digits"},
    "ground_truth": {"words": "a + b, as 4 digits, least significant first"},
}
SHORT = {
    "input": {
        "sequence": "4 digits of a, + (10), 4 digits of b, = (11), then the answer digits; "
        "most significant digit first",
        "domain": "a and b in 0..4999",
    },
    "read_out": {"kind": "greedy_digits"},
    "ground_truth": {"words": "a + b as 4 digits, most significant first"},
}


def written(folder: Path, case: dict) -> Path:
    (folder / "case.json").write_text(json.dumps(case))
    return folder


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (LONG, Operands(3, 10, "msb", 4, "lsb", (), ("+",), ("=",), 999)),
        (SHORT, Operands(4, 10, "msb", 4, "msb", (), ("+",), ("=",), 4999)),
        ({"input": {"operands": {"digits": 2, "between": ["+"]}}}, Operands(2, between=("+",))),
    ],
)
def test_words_and_fields_are_read_by_the_loader_and_the_checker_alike(tmp_path, case, expected):
    found = read_operands(written(tmp_path, case), TOKENS)
    assert found == expected
    assert described(case, TOKENS) == fields_of(expected)


def test_other_words_say_nothing(tmp_path):
    other = LONG | {"input": {"layout": "a (its 3 digits, in any order), 10, b"}}
    for case in (other, LONG | {"read_out": {"kind": "argmax_last"}}, {}):
        assert read_operands(written(tmp_path, case), TOKENS) is None
        assert described(case, TOKENS) is None


def test_strange_fields_are_refused_in_one_sentence(tmp_path):
    for operands, words in (
        ({"digit": 3}, "unknown field 'digit'"),
        ({"digits": 0}, "expected 1 to 64 digits"),
        ({"order": "up"}, "expected the order lsb or msb"),
        ({"between": ["plus"]}, "token 'plus' is not in the vocabulary"),
        ({"digits": "3"}, "expected digits as a whole number"),
    ):
        with pytest.raises(NetworkError, match=words):
            read_operands(written(tmp_path, {"input": {"operands": operands}}), TOKENS)


def test_fields_come_back_as_they_were_written():
    operands = Operands(3, 7, "msb", 5, None, ("<",), (), ("=", "="), 342)
    assert of_fields("here", as_fields(operands)) == operands


@pytest.mark.skipif(not (SHARED / "adders").is_dir(), reason="the shared cases are not here (../shared/cases)")
def test_the_shared_adders_describe_their_prompts():
    for folder in sorted((SHARED / "adders").iterdir()):
        loaded = load(folder)
        assert loaded.operands is not None
        assert loaded.operands.size() == 10**20
        case = json.loads((folder / "case.json").read_text())
        assert described(case, loaded.vocabulary) == fields_of(loaded.operands)
