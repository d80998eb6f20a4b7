"""ONNX files as torch exports them: the network of the module they are from; what is not understood is named."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from quick import sliced
from torch_networks import LONGEST, VOCABULARY, module_of

from tasks import from_onnx, from_torch, load, save_folder
from tasks.commands.main import main
from tasks.networks.interpreter import logits
from tasks.networks.sparse_transformer import NetworkError

onnx = pytest.importorskip("onnx", reason="reading ONNX files needs the onnx package")


def exported(kind, path, *, opset=20, dynamic=False):
    """The file that torch's own exporter makes of a module."""
    axes = {"ids": {0: "prompts", 1: "length"}} if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, ids = module_of(kind).eval(), torch.zeros((1, LONGEST), dtype=torch.long)
        torch.onnx.export(
            module, (ids,), str(path), dynamo=False, input_names=["ids"], opset_version=opset, dynamic_axes=axes
        )
    return path


@pytest.mark.parametrize(
    ("kind", "opset"),
    sliced(
        [
            ("post-norm, causal", 20),
            ("fused", 17),  # GELU written out
            ("einsum, rms by hand", 20),
            ("torch's attention, norm by hand", 17),
            ("parallel", 20),
            ("mean", 17),
            ("one-hot", 20),
            ("mixer", 17),
        ],
        2,
    ),
)
def test_a_file_is_the_network_of_its_module(kind, opset, tmp_path):
    loaded = from_onnx(exported(kind, tmp_path / "net.onnx", opset=opset), vocabulary=VOCABULARY)
    other = from_torch(module_of(kind), vocabulary=VOCABULARY, longest=LONGEST)
    ids = np.random.default_rng(0).integers(0, 3, (9, LONGEST))
    ours, theirs = logits(loaded.network, ids), logits(other.network, ids)
    assert np.abs(ours - theirs).max() < 1e-6 * (1 + np.abs(theirs).max())
    assert loaded.domain.min_length == loaded.domain.max_length == LONGEST


def test_a_file_for_any_length_needs_the_longest(tmp_path):
    path = exported("fused", tmp_path / "net.onnx", dynamic=True)
    with pytest.raises(NetworkError, match="prompts may have any length; say the longest"):
        from_onnx(path)
    loaded = from_onnx(path, longest=LONGEST, outputs=("x", "y", "z"))
    assert (loaded.domain.min_length, loaded.domain.max_length) == (1, LONGEST)
    assert loaded.vocabulary == ("#0", "#1", "#2")
    assert np.array_equal(load(save_folder(loaded, tmp_path / "net")).network.tokens, loaded.network.tokens)


def test_the_command_line_shows_a_file(tmp_path, capsys):
    path = exported("mlp", tmp_path / "mine.onnx")
    with pytest.raises(SystemExit) as ended:
        main(["show", str(path)])
    assert not ended.value.code
    out = capsys.readouterr().out
    assert "mine: a network in the format onnx" in out
    assert "1 pool" in out


def changed(path, change):
    model = onnx.load(str(path))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def _softplus(model):
    model.graph.node[3].op_type = "Softplus"
    model.graph.node[3].ClearField("attribute")


def _external(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    tensor.ClearField("raw_data")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_softplus, "node /3/LeakyRelu (Softplus): an operator that is not understood"),
        (lambda m: setattr(m.graph.node[2], "domain", "mine"), "no ONNX file|other domains"),
        (_external, "no ONNX file|lies in another file"),
        (lambda m: m.graph.input.add().CopyFrom(m.graph.input[0]), "no ONNX file|one input"),
        (lambda m: m.opset_import.add(domain="mine", version=1), "other domains"),
    ],
)
def test_a_strange_file_is_refused(change, words, tmp_path):
    path = changed(exported("mlp", tmp_path / "net.onnx"), change)
    with pytest.raises(NetworkError, match=words.replace("(", r"\(").replace(")", r"\)")) as refused:
        load(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_asks_for_a_huge_tensor_is_refused(tmp_path):
    def huge(model):
        shape = onnx.helper.make_tensor("huge", onnx.TensorProto.INT64, [2], [2**30, 2**10])
        model.graph.initializer.append(shape)
        model.graph.node.insert(0, onnx.helper.make_node("ConstantOfShape", ["huge"], ["all"]))

    with pytest.raises(NetworkError, match="known numbers"):
        load(changed(exported("mlp", tmp_path / "net.onnx"), huge))


def test_what_is_no_file_of_onnx_is_refused(tmp_path):
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(NetworkError, match="no ONNX file"):
        load(tmp_path / "junk.onnx")
    with pytest.raises(NetworkError, match="a vocabulary"):
        from_onnx(exported("one-hot", tmp_path / "net.onnx"))
