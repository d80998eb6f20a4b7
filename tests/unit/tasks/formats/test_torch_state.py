"""The state dict of an RNN, GRU or LSTM of torch and a case.json, without a module: read, refused, certified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from quick import sliced

from cegis import Domain
from cegis.certificate import Certificate
from tasks.certificates.independent import attest, stored_files
from tasks.certificates.streams import attest_stream
from tasks.checker.arithmetic import Arithmetic
from tasks.checker.evidence import check
from tasks.checker.files import UnreadableError
from tasks.checker.formats import read
from tasks.checker.recurrent import States
from tasks.commands.main import distill as command
from tasks.formats import load
from tasks.formats.number_streams import number_streams
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.distill import distill
from tasks.pipeline.streams import distill_streams

torch = pytest.importorskip("torch")
LAYERS = {"rnn_tanh": "RNN", "rnn_relu": "RNN", "gru": "GRU", "lstm": "LSTM"}


def module(layer: str, *, layers: int = 2, bias: bool = True, inputs: int = 2, **more: Any) -> Any:
    torch.manual_seed(3)
    told = {"nonlinearity": layer.removeprefix("rnn_")} if layer.startswith("rnn") else {}
    net = torch.nn.Module()
    net.emb = torch.nn.Embedding(3, inputs)
    net.rnn = getattr(torch.nn, LAYERS[layer])(inputs, 4, layers, bias=bias, **told, **more)
    net.hidden, net.head = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2, bias=bias)
    return net


def answers(net: Any, word: tuple[int, ...]) -> np.ndarray:
    """Logits after every token (T, 2), torch's own: (T, batch, inputs) as the layer was made."""
    with torch.no_grad():
        out, _ = net.rnn(net.emb(torch.tensor(word))[:, None])
        return net.head(torch.relu(net.hidden(out[:, 0]))).numpy()


def said(layer: str, **changes: Any) -> dict[str, Any]:
    plan = {"layer": layer, "name": "rnn", "embedding": "emb", "output": ["hidden", "relu", "head"]}
    return {
        "recurrent": plan | changes.pop("recurrent", {}),
        "symbols": {"a": 0, "b": 1, "c": 2},
        "outputs": ["no", "yes"],
        "read_out": {"kind": "argmax", "position": "last"},
        **changes,
    }


def written(folder: Path, state: dict[str, Any], case: dict[str, Any], file: str = "model.safetensors") -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "case.json").write_text(json.dumps(case))
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in state.items()}
    if file.endswith(".pt"):
        torch.save(state, folder / file)
    else:
        save_file(tensors, folder / file)
    return folder


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("file", ["model.safetensors", "model.pt"])
def test_it_computes_what_torch_computes_and_the_checker_agrees(
    layer: str, bias: bool, file: str, tmp_path: Path
) -> None:
    net = module(layer, bias=bias)
    folder = written(tmp_path / "n", net.state_dict(), said(layer), file)
    loaded = load(folder)
    assert (loaded.format, loaded.vocabulary) == ("torch recurrent", ("a", "b", "c"))
    files = stored_files(loaded, folder)
    own = read(loaded.format, files, "float32")
    words = [(0,), (2, 1, 0), (1, 1, 2, 0, 2)]
    expected = [answers(net, word) for word in words]
    checked = States(own.network, Arithmetic(2.0**-24), lambda row: row, every=True).at(words)
    for word, logits, balls in zip(words, expected, checked, strict=True):
        assert np.allclose(loaded.network.logits(np.array([word]))[0, 1:], logits, atol=1e-5)
        for row, ball_row in zip(logits, balls, strict=True):
            assert all(
                b.contains(float(x)) or abs(float(b.mid()) - x) < 1e-5 for x, b in zip(row, ball_row, strict=True)
            )
            assert all(float(b.rad()) < 1e-3 for b in ball_row)


@pytest.mark.parametrize("position", sliced(["last", "every"], 2))
def test_a_folder_is_distilled_and_certified(position: str, tmp_path: Path) -> None:
    case = said("gru", read_out={"kind": "argmax", "position": position})
    folder = written(tmp_path / "n", module("gru", batch_first=True, dropout=0.1).state_dict(), case, "model.pt")
    loaded = load(folder)
    made = attest(distill(loaded, Domain(loaded.domain.alphabet, 1, 3), seconds=60), folder)
    assert isinstance(made, Certificate), made
    made.save(tmp_path / "made.cert")
    assert check(tmp_path / "made.cert") == made.statement
    assert made.statement["readout"]["position"] == position
    assert made.statement["chosen"] == ["lengths"]


def test_symbols_without_an_embedding_are_rows_of_the_identity(tmp_path: Path) -> None:
    net = module("lstm", layers=1, inputs=3)
    state = {name: t for name, t in net.state_dict().items() if not name.startswith("emb")}
    loaded = load(written(tmp_path / "n", state, said("lstm", recurrent={"embedding": None})))
    net.emb.weight.data = torch.eye(3)
    assert np.allclose(loaded.network.logits(np.array([[0, 2, 1]]))[0, 1:], answers(net, (0, 2, 1)), atol=1e-5)


def of_numbers(folder: Path, file: str = "model.safetensors") -> Path:
    """The sum of the last two numbers, nearly."""
    layer = torch.nn.RNN(1, 2, nonlinearity="relu")
    with torch.no_grad():  # h = (x, x before): y = x + x before
        layer.weight_ih_l0[:] = torch.tensor([[1.0], [0.0]])
        layer.weight_hh_l0[:] = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
        layer.bias_ih_l0[:], layer.bias_hh_l0[:] = 0.0, 0.001
    head = {"out.weight": torch.tensor([[1.0, 1.0]]), "out.bias": torch.tensor([0.0])}
    case = {
        "recurrent": {"layer": "rnn_relu", "output": ["out"]},
        "input": {"domain": "integers 0..3", "T": 8},
        "read_out": {"kind": "round"},
    }
    return written(folder, {**layer.state_dict(), **head}, case, file)


@pytest.mark.parametrize("file", ["model.safetensors", "model.pt"])
def test_numbers_are_distilled_to_a_loop_for_all_streams(file: str, tmp_path: Path) -> None:
    folder = of_numbers(tmp_path / "n", file)
    of = number_streams(folder)
    result = distill_streams(of, seconds=600)
    assert result.proved is not None
    assert result.proved.length is None
    made = attest_stream(result, folder)
    assert isinstance(made, Certificate), made
    made.save(tmp_path / "made.cert")
    assert check(tmp_path / "made.cert")["format"] == "torch recurrent"


def test_the_command_line_reads_numbers_and_symbols(tmp_path: Path) -> None:
    folder, out = of_numbers(tmp_path / "n"), tmp_path / "made.cert"
    run = CliRunner().invoke(command, ["run", str(folder), "--out", str(out), "--time-limit", "600"])
    assert run.exit_code == 0, run.output
    assert "PROVED" in run.output
    assert CliRunner().invoke(command, ["check", str(out)]).exit_code == 0
    words = written(tmp_path / "w", module("lstm").state_dict(), said("lstm"))
    shown = CliRunner().invoke(command, ["show", str(words)])
    assert "torch recurrent" in shown.output


REFUSED = {
    "bidirectional": (lambda: module("gru", bidirectional=True).state_dict(), said("gru"), "one direction"),
    "projected": (lambda: module("lstm", proj_size=2).state_dict(), said("lstm"), "no projection of h"),
    "no read-out": (
        lambda: module("gru").state_dict(), said("gru", recurrent={"output": []}),
        "expected recurrent.output to name .* nothing names: head.bias, head.weight, hidden.bias, hidden.weight",
    ),
    "a read-out that is not there": (
        lambda: module("gru").state_dict(), said("gru", recurrent={"output": ["fc"]}), "expected fc.weight",
    ),
    "another layer": (lambda: module("gru").state_dict(), said("lstm"), "4 gates of 4 rows each .* got 12 rows"),
    "an unknown layer": (
        lambda: module("gru").state_dict(), said("gru", recurrent={"layer": "mgu"}), "recurrent.layer",
    ),
    "another name": (
        lambda: module("gru").state_dict(), said("gru", recurrent={"name": "cell"}), "should be 'rnn'",
    ),
    "too few symbols": (lambda: module("gru").state_dict(), said("gru", symbols={"a": 0}), "symbols for 3 rows"),
    "too few outputs": (lambda: module("gru").state_dict(), said("gru", outputs=["a"]), "name 2 logits, got 1"),
    "a tensor too many": (
        lambda: module("gru").state_dict() | {"more.weight": torch.zeros(2)}, said("gru"), "names: 'more.weight'",
    ),
    "a map of another width": (
        lambda: module("gru").state_dict() | {"head.weight": torch.zeros(2, 5)}, said("gru"), "head.weight",
    ),
    "a layer that is missing": (
        lambda: {n: t for n, t in module("gru").state_dict().items() if "weight_ih_l0" not in n}, said("gru"),
        r"got layers \[1\]",
    ),
    "an embedding of another width": (
        lambda: module("gru").state_dict() | {"emb.weight": torch.zeros(3, 5)}, said("gru"), "reads 2 numbers",
    ),
    "numbers that are not finite": (
        lambda: module("gru").state_dict() | {"head.bias": torch.tensor([0.0, float("nan")])}, said("gru"), "head.bias",
    ),
    "half a bias": (
        lambda: {n: t for n, t in module("gru").state_dict().items() if n != "rnn.bias_hh_l1"}, said("gru"),
        "bias_hh_l1",
    ),
    "another read-out": (
        lambda: module("gru").state_dict(), said("gru", read_out={"kind": "round"}), "read_out.kind 'argmax'",
    ),
    "another entry": (
        lambda: module("gru").state_dict(), said("gru", recurrent={"nonlinearity": "relu"}), "unknown entry",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_read_is_refused_in_a_sentence(why: str, tmp_path: Path) -> None:
    state, case, expected = REFUSED[why]
    folder = written(tmp_path / "n", state(), case)
    with pytest.raises(NetworkError, match=expected):
        load(folder)
    with pytest.raises((UnreadableError, LookupError)):
        read("torch recurrent", {path.name: path.read_bytes() for path in folder.iterdir()}, "float32")


def test_a_whole_module_is_no_state_dict(tmp_path: Path) -> None:
    folder = written(tmp_path / "n", module("gru").state_dict(), said("gru"), "model.pt")
    torch.save({"state": module("gru").state_dict(), "epoch": 3}, folder / "model.pt")
    with pytest.raises(NetworkError, match="save that alone"):
        load(folder)
    torch.save(torch.nn.GRU(2, 2), folder / "model.pt")
    with pytest.raises(NetworkError, match="more than tensors and plain containers"):
        load(folder)
    written(folder, module("gru").state_dict(), said("gru"))
    with pytest.raises(NetworkError, match="expected one of model"):
        load(folder)
