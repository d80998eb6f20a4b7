"""Any network as a folder of its steps: read back equal, and whatever is changed in it is refused or changes it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_circuits import random_circuit
from safetensors.numpy import load_file, save_file

from cegis.domain import Domain
from tasks import from_callable, load, save_folder
from tasks.formats.network_folder import FILE, STEPS, WEIGHTS
from tasks.formats.sparse import from_circuit
from tasks.networks.model import Question, authored
from tasks.networks.readout import Argmax, Rounded, TokenSet
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Lookup,
    Mask,
    Norm,
    Pool,
    Residual,
    Step,
    Transformer,
    walk,
)

WIDTH, LONGEST, TOKENS = 4, 5, ("a", "b", "c")


def some(rng, *shape, dtype=np.float32):
    return rng.normal(size=shape).astype(dtype).astype(np.float64)


@st.composite
def networks(draw):
    """Every kind of step, in random order, with random weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(["float32", "float64"]))

    def table(*shape):
        return some(rng, *shape, dtype=dtype)

    def optional(*shape):
        return table(*shape) if draw(st.booleans()) else None

    def attention():
        weighting = draw(st.sampled_from(["softmax", "sparsemax", "hard"]))
        heads = draw(st.sampled_from([1, 2]))
        sink = optional(heads) if weighting == "softmax" else None
        ways = [(Affine(table(WIDTH, WIDTH), optional(WIDTH)),) for _ in range(3)]
        hidden = draw(st.sampled_from([(), (2,)])) if sink is not None else ()
        scale = draw(st.floats(0.1, 4.0))
        return Attention(*ways, heads, scale, weighting, draw(st.booleans()), sink, hidden)

    def row_step():
        return draw(
            st.sampled_from(
                [
                    lambda: Affine(table(WIDTH, WIDTH), optional(WIDTH)),
                    lambda: Norm(draw(st.sampled_from(["rms", "layer"])), table(WIDTH), optional(WIDTH), 1e-5),
                    lambda: Activation(draw(st.sampled_from(["relu", "gelu", "gelu_tanh"]))),
                    lambda: Activation("leaky_relu", draw(st.floats(0, 0.9))),
                    lambda: AbsTopK(draw(st.integers(1, WIDTH))),
                    lambda: Mask("site", rng.random(WIDTH) < 0.5, table(WIDTH)),
                    lambda: Lookup(table(len(TOKENS), WIDTH)),
                ]
            )
        )()

    def steps(depth=0):
        found = []
        for _ in range(draw(st.integers(0, 3))):
            kind = draw(st.sampled_from(["row", "attention", "residual"] if depth < 2 else ["row"]))
            found.append(
                row_step() if kind == "row" else attention() if kind == "attention" else Residual(steps(depth + 1))
            )
        return tuple(found)

    pool = draw(st.sampled_from([None, "sum", "mean", "last", "concat"]))
    rest = ()
    if pool is not None:
        rest = (Pool(pool, LONGEST if pool == "concat" else 0), Activation("relu"))
    width = WIDTH * (LONGEST if pool == "concat" else 1)
    network = Transformer(
        table(len(TOKENS), WIDTH), optional(LONGEST, WIDTH), (*steps(), *rest, Affine(table(2, width))), LONGEST, dtype
    )
    readout = draw(
        st.sampled_from(
            [Argmax(("no", "yes"), (0, 1)), TokenSet(("yes", "no"), (1, 0), 0.25), Rounded(1, 3), Rounded(0)]
        )
    )
    prefix = draw(st.sampled_from([(), ("c",)]))
    lengths = (LONGEST - len(prefix),) * 2 if pool == "concat" else (1, 3)
    question = Question(("a", "b"), prefix, (), lengths, readout)
    return authored(draw(st.sampled_from(["net", "a b", "é"])), "torch", network, TOKENS, question, notes=("a note",))


@given(networks())
def test_what_is_saved_is_read_back_equal(loaded):
    with tempfile.TemporaryDirectory() as folder:
        again = load(save_folder(loaded, f"{folder}/net"))
        once_more = load(save_folder(again, f"{folder}/other"))
        assert Path(folder, "net", FILE).read_text() == Path(folder, "other", FILE).read_text()
    assert [type(step) for step in walk(again.network.steps)] == [type(step) for step in walk(loaded.network.steps)]
    assert all(map(np.array_equal, again.network.arrays(), loaded.network.arrays()))
    for name in ("vocabulary", "prefix", "suffix", "domain", "readout"):
        assert getattr(again, name) == getattr(loaded, name) == getattr(once_more, name)
    assert again.declared == loaded.declared
    length = again.domain.max_length
    sequences = np.random.default_rng(0).integers(0, 2, (4, length))
    assert np.array_equal(again.logits(sequences), loaded.logits(sequences))


def test_every_step_of_the_type_has_a_row():
    assert {kind for kind, _ in STEPS.values()} == set(get_args(Step))
    for kind, entries in STEPS.values():
        assert set(entries) == set(kind.__dataclass_fields__)


@pytest.fixture
def folder(tmp_path):
    return save_folder(from_circuit(random_circuit(bigram=True, n_layer=1)), tmp_path / "net")


def changed(folder, change):
    said = json.loads((folder / FILE).read_text())
    change(said)
    (folder / FILE).write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(more=1), "unknown: more"),
        (lambda c: c.pop("notes"), "missing: notes"),
        (lambda c: c.update(longest=0), "longest should be a whole number"),
        (lambda c: c.update(longest=True), "longest should be a whole number"),
        (lambda c: c.update(dtype="float64"), "should be float64"),
        (lambda c: c.update(dtype="float16"), "dtype should be one of"),
        (lambda c: c.update(tokens="none"), "no tensor is called 'none'"),
        (lambda c: c.update(tokens=None), "tokens should be a text"),
        (lambda c: c["steps"].pop(), "no step has the tensor"),
        (lambda c: c["steps"][0].update(step="jump"), "steps.0: step should be one of"),
        (lambda c: c["steps"][0].update(also=1), "steps.0: keys do not match"),
        (lambda c: c["steps"][0]["steps"][0].update(eps=0), "expected a norm's eps between 0 and 1"),
        (lambda c: c["steps"][0]["steps"][0].update(eps="1"), "eps should be a number"),
        (lambda c: c["steps"][0]["steps"][0].update(kind="batch"), "norm of kind rms or layer"),
        (lambda c: c["steps"][0]["steps"][2].update(scale=-1.0), "a scale above 0"),
        (lambda c: c["steps"][0]["steps"][2].update(scale=1e300), "scale should be a number"),
        (lambda c: c["steps"][0]["steps"][2].update(heads=3), "cannot be split into 3 equal heads"),
        (lambda c: c["steps"][0]["steps"][2].update(causal=1), "causal should be true or false"),
        (lambda c: c["steps"][0]["steps"][2].update(hidden=[99]), "hidden tokens"),
        (lambda c: c["steps"][0]["steps"][1].update(kept=[True]), "expected one boolean per node"),
        (lambda c: c["outputs"].pop(), "different names"),
        (lambda c: c["outputs"].__setitem__(0, c["outputs"][1]), "different names"),
        (lambda c: c["vocabulary"].__setitem__(0, "a"), "different tokens"),
        (lambda c: c.update(prefix=["nothing"]), "not in the vocabulary"),
        (lambda c: c["readout"].update(columns=[0, 99]), "columns below"),
        (lambda c: c["readout"].update(threshold=1.0), "threshold"),
        (lambda c: c["readout"].update(denominator=2), "do not fit argmax"),
        (lambda c: c["readout"].update(kind="largest"), "readout: kind should be one of"),
        (lambda c: c["domain"].update(max_length=99), "no prompts"),
        (lambda c: c["domain"].update(min_length=-1), "length"),
        (lambda c: c["notes"].append("two\nlines"), "a note should be printable"),
        (lambda c: c.update(steps=json.loads("[" * 20 + "]" * 20)), "should be a JSON object"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(folder, change, words):
    with pytest.raises(NetworkError) as refused:
        load(changed(folder, change))
    assert words in str(refused.value)
    assert str(refused.value).startswith(str(folder))


def test_steps_in_one_another_have_an_end(folder):
    def nest(c):
        for _ in range(40):
            c["steps"] = [{"step": "residual", "steps": c["steps"]}]

    with pytest.raises(NetworkError, match="at most 16 steps in one another"):
        load(changed(folder, nest))


def test_a_tensor_that_nobody_names_is_refused(folder):
    tensors = load_file(folder / WEIGHTS)
    save_file({**tensors, "more": np.zeros(1, np.float32)}, folder / WEIGHTS)
    with pytest.raises(NetworkError, match="no step has the tensor 'more'"):
        load(folder)


def test_a_note_of_the_folder_is_quoted(folder):
    loaded = load(changed(folder, lambda c: c.update(notes=["it is proved"])))
    assert loaded.notes == ("its folder says: it is proved",)


def test_a_caller_may_ask_otherwise(folder):
    loaded = load(folder, Question(answers=("no", "maybe"), lengths=(2, 3)))
    assert loaded.readout.names == ("no", "maybe")
    assert loaded.domain == Domain(("a", "b", "c"), 2, 3)
    with pytest.raises(NetworkError, match="no circuits or tasks"):
        load(folder, Question(task="x"))


def test_only_a_folder_of_its_kind_is_replaced(tmp_path, folder):
    loaded = load(folder)
    assert save_folder(loaded, folder) == folder
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(NetworkError, match="choose another folder"):
        save_folder(loaded, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    box = from_callable(lambda ids: np.zeros((len(ids), 2)), vocabulary=("a", "b"), longest=2)
    with pytest.raises(NetworkError, match="no weights to write"):
        save_folder(box, tmp_path / "box")
    assert not (tmp_path / "box").exists()


def test_tied_weights_are_stored_once(tmp_path):
    table = some(np.random.default_rng(0), 3, 4)
    network = Transformer(table, None, (Affine(table.copy()),), 3)
    folder = save_folder(authored("tied", "torch", network, TOKENS, Question()), tmp_path / "tied")
    assert list(load_file(folder / WEIGHTS)) == ["tokens"]
    assert json.loads((folder / FILE).read_text())["steps"] == [{"step": "affine", "weight": "tokens", "bias": None}]
