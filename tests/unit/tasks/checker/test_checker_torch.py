"""Certificates about circuit_sparsity files: read without torch, as torch reads them, and nothing of them is run."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from itertools import product
from pathlib import Path

import numpy as np
import openai_networks as openai
import pytest
import torch
from flint import ctx

from cegis.certificate import Certificate
from tasks.certificates.independent import attest, stored_files
from tasks.checker.arithmetic import Arithmetic
from tasks.checker.computations import logits
from tasks.checker.evidence import GIVEN, check, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import read
from tasks.checker.torch_files import archive
from tasks.formats import Question, load
from tasks.networks.interpreter import logits as executed
from tasks.pipeline.distill import distill

ASKED = Question(alphabet=("#0", "#1", "#2"), lengths=(1, 3))
ROOT = Path(__file__).resolve().parents[4]


def saved(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def beeg(**changes):
    return {**openai.BEEG, **changes}


FOLDERS = {
    "model": lambda root: openai.model(root),
    "circuit": lambda root: (openai.model(root), openai.circuit(root))[1],
    "top k": lambda root: openai.model(root, beeg(afrac=0.5, afrac_loctypes="attn_in,mlp_neuron,attn_q")),
    "tied": lambda root: openai.model(
        root, beeg(tied_unembed=True), {n: t for n, t in openai.state().items() if n != "lm_head.weight"}
    ),
    "no biases": lambda root: openai.model(
        root,
        beeg(bias=False),
        {n: t for n, t in openai.state().items() if not n.endswith(".bias") and n != "final_logits_bias"},
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_the_checker_reads_what_torch_reads(tmp_path, name):
    folder = FOLDERS[name](tmp_path)
    loaded = load(folder, ASKED)
    prompts = [prompt for n in (1, 2, 3) for prompt in product((0, 4, 8), repeat=n)]
    with ctx.workprec(80):
        found = read("circuit_sparsity", stored_files(loaded, folder), "real")
        rows = logits(found.network, Arithmetic(0.0), prompts)
    assert found.tokens == loaded.vocabulary
    for prompt, row in zip(prompts, rows, strict=True):
        expected = executed(loaded.network, np.array([prompt]))[0]
        assert np.allclose([[float(v) for v in one] for one in row], expected, rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = FOLDERS["circuit"](tmp_path_factory.mktemp("sparsity"))
    certificate = attest(distill(load(folder, ASKED), seconds=3), folder)
    assert isinstance(certificate, Certificate), certificate
    return certificate


def test_a_circuit_of_circuit_sparsity_is_certified_and_checked_without_torch(made, tmp_path):
    folder = made.save(tmp_path / "c")
    assert check(folder)["format"] == "circuit_sparsity"
    code = "import sys\nfrom tasks.checker.__main__ import answer\nprint(answer(sys.argv[1]), *sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, cwd=ROOT)
    code, *modules = run.stdout.splitlines()[-1].split()
    assert code == "0"
    assert not {name.partition(".")[0] for name in modules} & {"torch", "numpy"}


def test_a_changed_weight_mean_or_kept_node_is_refused(made):
    question = {name: made.statement[name] for name in GIVEN}
    weights = torch.load(io.BytesIO(made.files["network/final_model.pt"]), weights_only=True)
    weights["lm_head.weight"] = -weights["lm_head.weight"]
    viz = torch.load(io.BytesIO(made.files["network/viz_data.pt"]), weights_only=True)
    viz = {"circuit_data": {site: nodes[:0] for site, nodes in viz["circuit_data"].items()}}
    for name, value in (("final_model.pt", weights), ("viz_data.pt", viz)):
        try:
            found = establish(question, {**made.files, f"network/{name}": saved(value)})
        except (Rejected, UnreadableError):
            continue
        kept = {key: value for key, value in found.items() if key not in ("sha256",)}
        assert kept != {key: value for key, value in made.statement.items() if key not in ("sha256",)}


class Harmful:
    def __reduce__(self):
        return print, ("code was run",)


def zipped(pickled, compression=zipfile.ZIP_STORED, more=()):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        file.writestr("archive/data.pkl", pickled)
        for name, content in more:
            file.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (zipped(pickle.dumps(Harmful(), 2)), "asks for"),
        (zipped(pickle.dumps({"a": np.zeros(2)}, 2)), "asks for"),
        (zipped(pickle.dumps({"a": {1, 2}}, 2)), "asks for"),
        (zipped(pickle.dumps({"a": 1}, 4)), "protocol 2"),
        (zipped(pickle.dumps({"a": 1}, 2)[:-1]), "cannot be followed|without an end"),
        (zipped(b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R."), "asks for"),
        (zipped(b"\x80\x02}Ra."), "cannot be followed"),
        (zipped(b"\x80\x02i__builtin__\neval\n."), "instruction INST"),
        (zipped(pickle.dumps({"a": 1}, 2), zipfile.ZIP_DEFLATED), "not compressed"),
        (zipped(b"\x80\x02}.", more=[("other/data.pkl", b"\x80\x02}.")]), "one data.pkl"),
        (zipped(b"\x80\x02}.", more=[("archive/byteorder", b"big")]), "little endian"),
        (b"\x80\x02}.", "not a complete torch archive"),
        (saved({"a": torch.zeros(2)})[:-30], "not a complete torch archive"),
        (b"", "not a complete torch archive"),
    ],
)
def test_whatever_is_no_file_of_tensors_is_refused_and_nothing_is_run(content, why, capsys):
    with pytest.raises(UnreadableError, match=why):
        archive("x.pt", content)
    assert capsys.readouterr().out == ""


def test_a_tensor_is_what_torch_made_of_it():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    whole = OrderedDict(a=base, b=base.permute(2, 0, 1)[1:], c=torch.nn.Parameter(base[0]), d=torch.zeros(0, 3),
                        e=torch.tensor(2.5))  # fmt: skip
    found = archive("x.pt", saved(whole))
    for name, tensor in whole.items():
        mine = np.frombuffer(found.content(found.value[name]), "<f4").reshape(found.value[name].shape)
        assert np.array_equal(mine, tensor.detach().numpy())


def test_a_tensor_larger_than_its_storage_is_refused():
    found = archive("x.pt", saved({"a": torch.zeros(3).expand(2**20, 3), "b": torch.zeros(4)}))
    with pytest.raises(UnreadableError, match="larger than what is stored"):
        found.content(found.value["a"])
    json.dumps(found.content(found.value["b"]).hex())
