"""Circuit folders: what is saved is what is loaded, and whatever is wrong with a folder is one clear error."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cegis.domain import Constraint, Domain
from tasks.formats.circuit_folder import load_circuit, save_circuit, shipped_names, shipped_path, weights_sha256
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import Config, Network, NetworkError

ALPHABET = ("a", "b")


def tiny_circuit(name="tiny") -> Circuit:
    config = Config(vocab_size=3, n_layer=1, n_head=2, d_head=2, d_model=4, d_mlp=5, block_size=6, sink=True)
    rng = np.random.default_rng(0)
    tensors = {n: rng.normal(size=shape).astype(np.float32) for n, shape in config.tensor_shapes().items()}
    widths = config.site_widths()
    once = Constraint.explore("one a", ALPHABET, 0, lambda s, t: s if t == "b" else (None if s else 1), bool)
    return Circuit(
        name=name,
        summary="a network that knows nothing",
        network=Network(config, tensors),
        vocabulary=("BOS", *ALPHABET),
        prefix=("BOS",),
        labels=ALPHABET,
        domain=Domain(ALPHABET, 1, 5, once),
        kept={site: rng.random(width) < 0.5 for site, width in widths.items()},
        means={site: rng.normal(size=width).astype(np.float32) for site, width in widths.items()},
        card={"nodes": 3, "note": "“quoted”"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_circuit(tiny_circuit(), tmp_path / "tiny")
    return tmp_path / "tiny"


def edit_json(folder: Path, change) -> None:
    described = json.loads((folder / "circuit.json").read_text())
    change(described)
    (folder / "circuit.json").write_text(json.dumps(described))


def edit_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "weights.safetensors")
    change(tensors)
    save_file(tensors, folder / "weights.safetensors")


def test_what_is_loaded_is_what_was_saved(folder):
    saved, loaded = tiny_circuit(), load_circuit(folder)
    for part in ("name", "summary", "vocabulary", "prefix", "labels", "domain", "card"):
        assert getattr(loaded, part) == getattr(saved, part), part
    assert loaded.network.config == saved.network.config
    for mine, theirs in (
        (loaded.network.tensors, saved.network.tensors),
        (loaded.kept, saved.kept),
        (loaded.means, saved.means),
    ):
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])


def test_saving_again_replaces_the_circuit_and_leaves_nothing_else(folder):
    save_circuit(tiny_circuit("second"), folder)
    assert load_circuit(folder).name == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_a_failed_save_leaves_the_old_circuit(folder):
    before = weights_sha256(folder)
    circuit = tiny_circuit()
    with pytest.raises(NetworkError, match="plain JSON"):
        save_circuit(Circuit(**{**vars(circuit), "card": {"bad": object()}}), folder)
    assert weights_sha256(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_saving_never_overwrites_something_else(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    with pytest.raises(NetworkError, match="not a circuit"):
        save_circuit(tiny_circuit(), tmp_path / "thesis")
    with pytest.raises(NetworkError, match="cannot write"):
        save_circuit(tiny_circuit(), tmp_path / "thesis" / "chapter.txt" / "below")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "precious"


@pytest.mark.parametrize("name", ["circuit.json", "weights.safetensors"])
def test_the_hash_covers_every_byte_of_both_files(folder, name):
    before = weights_sha256(folder)
    assert before == weights_sha256(folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert weights_sha256(folder) != before


@pytest.mark.parametrize("name", ["circuit.json", "weights.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(NetworkError, match=name):
        load_circuit(folder)
    with pytest.raises(NetworkError, match=name):
        weights_sha256(folder)


@pytest.mark.parametrize("name", ["circuit.json", "weights.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(folder, name, share):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(NetworkError, match=name):
        load_circuit(folder)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="expected a circuit folder"):
        load_circuit(tmp_path / "nowhere")


def test_a_pickle_is_never_opened(tmp_path, folder):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was executed",))

    for path in (tmp_path / "final_model.pt", tmp_path / "viz_data.pkl"):
        path.write_bytes(pickle.dumps(Trap()))
        with pytest.raises(NetworkError, match="pickle"):
            load_circuit(path)
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(NetworkError, match="safetensors"):
        load_circuit(folder)


BAD_JSON = {
    "an unknown key": (lambda c: c.update(extra=1), "unknown: extra"),
    "a missing key": (lambda c: c.pop("labels"), "missing: labels"),
    "an unknown option": (lambda c: c["config"].update(rtopk=True), "unknown: rtopk"),
    "a missing option": (lambda c: c["config"].pop("sink"), "missing: sink"),
    "a wrong option": (lambda c: c["config"].update(activation="tanh"), "activation"),
    "a width that is no number": (lambda c: c["config"].update(d_model="4"), "d_model"),
    "an epsilon that is no number": (lambda c: c["config"].update(norm_eps=None), "norm_eps"),
    "a fraction that is a flag": (lambda c: c["config"].update(top_k_fraction="1"), "top_k_fraction"),
    "a config that is a list": (lambda c: c.update(config=[]), "config should be a JSON object"),
    "a name that is no text": (lambda c: c.update(name=7), "name should be a text"),
    "labels that are a text": (lambda c: c.update(labels="ab"), "labels should be a JSON list"),
    "a label that is no text": (lambda c: c.update(labels=["a", 1]), "labels should be a text"),
    "a label outside the vocabulary": (lambda c: c.update(labels=["a", "z"]), "'z' is not in the vocabulary"),
    "a vocabulary of the wrong size": (lambda c: c["vocabulary"].append("c"), "vocabulary"),
    "a kept index out of range": (lambda c: c["kept"].update(final_resid=[4]), "final_resid.*below 4"),
    "a negative kept index": (lambda c: c["kept"].update(final_resid=[-1]), "final_resid.*below 4"),
    "a kept index twice": (lambda c: c["kept"].update(final_resid=[1, 1]), "final_resid.*different"),
    "a kept index that is true": (lambda c: c["kept"].update(final_resid=[True]), "whole number"),
    "a missing site": (lambda c: c["kept"].pop("final_resid"), "missing: final_resid"),
    "an unknown site": (lambda c: c["kept"].update({"7.attn.q": []}), "unknown: 7.attn.q"),
    "no longest length": (lambda c: c["domain"].update(max_length=None), "max_length"),
    "a length beyond the network": (lambda c: c["domain"].update(max_length=6), "block_size"),
    "lengths in the wrong order": (lambda c: c["domain"].update(min_length=6), "empty"),
    "a transition out of range": (lambda c: c["domain"]["constraint"]["transitions"][0].__setitem__(0, 9), "row 0"),
    "a transition that is no number": (lambda c: c["domain"]["constraint"].update(transitions=[["0", 0]]), "whole"),
    "a flag that is a number": (lambda c: c["domain"]["constraint"].update(accepting=[0, 1]), "true and false"),
    "no transitions": (lambda c: c["domain"]["constraint"].update(transitions=[], accepting=[]), "constraint"),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_bad_json_is_refused(folder, case):
    change, message = BAD_JSON[case]
    edit_json(folder, change)
    with pytest.raises(NetworkError, match=message):
        load_circuit(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"name": NaN}', '{"name": 1, "name": 2}', "[" * 100_000])
def test_json_that_is_no_circuit_is_refused(folder, text):
    (folder / "circuit.json").write_text(text)
    with pytest.raises(NetworkError):
        load_circuit(folder)


def test_json_in_another_encoding_is_refused(folder):
    (folder / "circuit.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(NetworkError, match=r"circuit\.json"):
        load_circuit(folder)


BIAS = "final_logits_bias"
BAD_TENSORS = {
    "a missing tensor": (lambda t: t.pop(BIAS), f"missing: {BIAS}"),
    "a missing mean": (lambda t: t.pop("mean:final_resid"), "missing: final_resid"),
    "an unexpected tensor": (lambda t: t.update(bigram_table=np.zeros((3, 3), np.float32)), "unexpected: bigram"),
    "a wrong shape": (lambda t: t.update({BIAS: np.zeros(4, np.float32)}), r"shape \(3,\), got \(4,\)"),
    "a mean of a wrong shape": (lambda t: t.update({"mean:final_resid": np.zeros(3, np.float32)}), "final_resid"),
    "NaN": (lambda t: t[BIAS].__setitem__(0, np.nan), "NaN or infinity"),
    "infinity": (lambda t: t["mean:final_resid"].__setitem__(0, np.inf), "NaN or infinity"),
    "double precision": (lambda t: t.update({BIAS: np.zeros(3)}), "float32, got float64"),
    "half precision": (lambda t: t.update({BIAS: np.zeros(3, np.float16)}), "float32, got float16"),
    "whole numbers": (lambda t: t.update({BIAS: np.zeros(3, np.int32)}), "float32, got int32"),
}


@pytest.mark.parametrize("case", BAD_TENSORS)
def test_bad_tensors_are_refused(folder, case):
    change, message = BAD_TENSORS[case]
    edit_tensors(folder, change)
    with pytest.raises(NetworkError, match=message):
        load_circuit(folder)


def test_a_number_format_numpy_lacks_is_refused(folder):
    header = json.dumps({BIAS: {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}).encode()
    (folder / "weights.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(6))
    with pytest.raises(NetworkError):
        load_circuit(folder)


def test_every_shipped_circuit_loads_and_is_small():
    assert "quote_closing" in shipped_names()
    for name in shipped_names():
        assert load_circuit(shipped_path(name)).name == name
        assert sum(file.stat().st_size for file in shipped_path(name).iterdir()) < 200_000


def test_an_unknown_shipped_name_lists_the_known_ones():
    with pytest.raises(NetworkError, match=r"nonsense.*shipped are.*quote_closing"):
        shipped_path("nonsense")


def test_loading_a_circuit_does_not_import_torch():
    program = "import sys; from tasks.formats.circuit_folder import *; load_circuit(shipped_path('quote_closing'))"
    program += "; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
