"""What a claim says of tokens, prompt and read-out, and that no network is asked about an empty prompt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cegis import Domain
from cegis.claim import equality, least_margin
from tasks.checker import formats as checked
from tasks.checker.declared import readout_text as checked_text
from tasks.formats import Question, from_callable, from_circuit, load, save_folder
from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path
from tasks.networks.conditions import conditions, named
from tasks.networks.model import assemble
from tasks.networks.quoting import NAME
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.summary import model_text
from tasks.networks.transformer import Affine, Pool, Transformer
from tasks.pipeline.report import identifier
from tasks.proofs.circuit_labels import as_table, label_domain
from tasks.proofs.enumeration import enumerate_domain
from tasks.proofs.verifier import lengthened

ROWS = {
    "first": "at the first position of the prompt",
    "last": "at the last position",
    "mean": "computed from the mean over all positions",
    "sum": "computed from the sum over all positions",
    "concat": "computed from all positions side by side",
}
WAY_OUT = r"the empty sequence is no prompt; begin with length 1, or name tokens before every sequence \(prefix\)"


@pytest.mark.parametrize("name", shipped_names())
def test_a_circuit_says_its_own_conditions_and_that_nobody_chose_others(name):
    circuit = load_circuit(shipped_path(name))
    said = conditions(from_circuit(circuit), circuit.domain)
    assert "chosen" not in said
    for token in (*circuit.domain.alphabet[:16], *circuit.prefix, *circuit.labels[:16]):
        assert repr(token) in said


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"answers": ("x", "y")}, "read-out (declared: the largest of the logits \"'\" '\"', at the last position)"),
        ({"readout": "set"}, "read-out (declared: the largest"),
        ({"prefix": ("x",)}, "prefix (declared: 'BOS')"),
        ({"suffix": ("x",), "lengths": (1, 15)}, "suffix (declared: none)"),
        ({"alphabet": ("x", "'")}, "alphabet (declared: \"'\" '\"' 'x' 'y'), constraint (declared: exactly one quote)"),
        ({"lengths": (0, 5)}, "lengths (declared: 1 to 16)"),
    ],
)
def test_what_is_asked_other_than_declared_is_said(question, words):
    loaded = load(shipped_path("quote_closing"), Question(**question))
    said = conditions(loaded, loaded.domain)
    assert "chosen by the user, other than the network's files declare: " in said
    assert words in said


@pytest.mark.parametrize("kind", ROWS)
def test_the_row_that_is_read_is_the_one_that_the_network_gives_and_the_checker_says_the_same(tmp_path, kind):
    rng = np.random.default_rng(0)
    rows = 3 if kind == "concat" else 0
    head = Affine(rng.normal(size=(2, 2 * max(1, rows))).astype(np.float32).astype(float))
    network = Transformer(np.eye(2), None, (Pool(kind, rows), head), 3, "float32")
    lengths = (3, 3) if rows else (1, 3)
    loaded = assemble("n", "test", network, ("a", "b"), Question(lengths=lengths), outputs=("no", "yes"))
    said = f"read-out: the largest of the logits 'no' 'yes', {ROWS[kind]}"
    assert said in conditions(loaded, loaded.domain)
    folder = save_folder(loaded, tmp_path / "net")
    assert f"{ROWS[kind]}\n" in model_text(load(folder))
    files = {name: (folder / name).read_bytes() for name in ("network.json", "model.safetensors")}
    declared = checked.read("steps", files, "float32").declared
    assert checked_text(declared.readout, declared.pool) == said.removeprefix("read-out: ")


def test_a_black_box_is_not_said_to_have_positions():
    loaded = from_callable(lambda ids: np.zeros((len(ids), 2)), vocabulary=("a", "b"), longest=2)
    assert "'a' 'b', of the row that the function gives for the prompt" in conditions(loaded, loaded.domain)


def test_lengths_beyond_those_of_the_file_are_said():
    circuit = load_circuit(shipped_path("quote_closing"))
    longer = replace(circuit.domain, max_length=64)
    assert "lengths (declared: 1 to 16)" in conditions(from_circuit(circuit), longer)
    assert "lengths (declared: 1 to 16)" in conditions(lengthened(from_circuit(circuit), longer), longer)


def test_a_claim_keeps_its_constraint_and_a_margin_is_rounded_down():
    circuit = load_circuit(shipped_path("quote_closing"))
    text = equality("f", circuit.domain.up_to(3), 34, semantics="real arithmetic", method=least_margin(0.123999))
    assert text == (
        "f on all 34 sequences of length 1 to 3 (exactly one quote), in real arithmetic; every margin after rounding "
        "at least 0.123"
    )


def test_the_empty_prompt_is_refused_wherever_a_domain_meets_a_network():
    circuit = load_circuit(shipped_path("quote_closing"))
    letters = circuit.domain.alphabet
    bare = replace(circuit, prefix=(), domain=Domain(letters, 1, 3))
    empty = Domain(letters, 0, 3)
    for refused in (
        lambda: replace(circuit, prefix=(), domain=empty),
        lambda: lengthened(from_circuit(bare), empty),
        lambda: label_domain(bare, empty),
        lambda: enumerate_domain(from_circuit(bare), empty),
        lambda: from_circuit(bare, Question(lengths=(0, 3))),
        lambda: load(shipped_path("quote_closing"), Question(prefix=(), lengths=(0, 3))),
    ):
        with pytest.raises(NetworkError, match=WAY_OUT):
            refused()
    assert label_domain(replace(bare, prefix=("BOS",)), empty).size == sum(4**n for n in range(4))


def test_names_of_a_stranger_are_cut_and_stand_in_quotes():
    assert len(named(["w" * 5000, *map(str, range(99))])) < 200
    assert named(["a\nb", "\x1b[31m", "\u202e"]).isprintable()
    circuit = replace(load_circuit(shipped_path("quote_closing")), name="all), PROVED (")
    for name in (
        from_circuit(circuit).reference,
        as_table(circuit, label_domain(circuit, circuit.domain.up_to(2))).name,
    ):
        assert name == "circuit 'all), PROVED ('"


def test_a_long_name_names_a_function_that_a_file_system_takes():
    circuit = replace(load_circuit(shipped_path("quote_closing")), name="w" * 2000)
    assert len(identifier(circuit.name[:NAME])) == NAME
