"""circuit_sparsity files, written here in the layout of the downloads: what is read, compared, and refused."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from json_junk import read_junk
from openai_networks import BEEG, CONFIG, IDS, OPTIONS, SIZES, circuit, means, model, nodes, pruned, run, state

from tasks.formats import Question, load
from tasks.formats.acceptance import acceptance
from tasks.formats.openai import read_network
from tasks.networks.interpreter import logits
from tasks.networks.readout import Argmax
from tasks.networks.sparse_transformer import Config, NetworkError
from tasks.training.torch_model import from_network


@pytest.mark.parametrize(("beeg", "config"), OPTIONS.values(), ids=OPTIONS)
def test_the_whole_model_is_the_function_of_the_architecture(tmp_path, beeg, config):
    config = Config(**{**SIZES, "sink": True, "positions": True, **config})
    loaded = load(model(tmp_path, {**BEEG, **beeg}, state(config)))
    expected = run(IDS, tensors=state(config), config=config)
    assert np.allclose(logits(loaded.network, IDS), expected, rtol=0, atol=1e-10)
    assert (loaded.format, loaded.network.dtype) == ("circuit_sparsity", "float32")


def test_parts_that_a_model_may_leave_out_are_filled_in(tmp_path):
    tensors = {n: t for n, t in state().items() if n not in ("lm_head.weight", "final_logits_bias")}
    tensors = {n: t for n, t in tensors.items() if not (n.endswith(".bias") and ".ln_" not in n)}
    tensors["transformer.h.0.attn.bias"] = torch.ones(1, 1, 16, 16)
    network = read_network(model(tmp_path, {**BEEG, "tied_unembed": True, "bias": False, "n_mlp": 12}, tensors))
    full = from_network(network)
    assert (full["lm_head.weight"] == full["transformer.wte.weight"]).all()
    assert not full["final_logits_bias"].any()
    assert not full["transformer.h.1.mlp.c_fc.bias"].any()


def test_a_circuit_ablates_and_agrees_with_what_is_stored(tmp_path):
    model(tmp_path)
    folder = circuit(tmp_path)
    loaded = load(folder, Question(answers=("#3", "#4"), lengths=(1, 6)))
    assert np.allclose(logits(loaded.network, IDS), pruned(IDS, nodes()), rtol=0, atol=1e-10)
    assert loaded.readout == Argmax(("#3", "#4"), (3, 4))
    result = acceptance(folder, (3, 4))
    assert result.prompts == 4
    assert result.values == (3 + 6 + 4 + 6) * sum(len(n) for n in nodes().values())
    assert result.difference < 1e-5
    assert result.loss == pytest.approx(result.stored_loss, abs=1e-6)
    assert acceptance(folder).loss is None


def test_acceptance_sees_a_wrong_circuit(tmp_path):
    model(tmp_path)
    folder = circuit(tmp_path)
    other = {**means(), "0.mlp.resid_delta": means()["0.mlp.resid_delta"] + 1}
    torch.save(other, folder.parent / "mean_baseline_pretrain.pt")  # nearer than the right one
    assert acceptance(folder, (3, 4)).difference > 0.1


def test_everything_may_lie_in_one_folder(tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for source in (model(tmp_path), circuit(tmp_path), tmp_path / "viz" / "toy"):
        for path in source.iterdir():
            if path.is_file():
                (flat / path.name).write_bytes(path.read_bytes())
    assert np.allclose(logits(load(flat).network, IDS), pruned(IDS, nodes()), rtol=0, atol=1e-10)


def test_token_names_come_from_the_tokenizer(tmp_path):
    encoder = {"'": 0, "Ġ[": 1, "]]Ċ": 2, **{chr(ord("a") + n): n + 3 for n in range(6)}}
    (tmp_path / "tinypython").mkdir()
    (tmp_path / "tinypython" / "encoder.json").write_text(json.dumps(encoder))
    assert load(model(tmp_path)).vocabulary == ("'", " [", "]]\n", "a", "b", "c", "d", "e", "f")


def test_sites_that_are_not_listed_are_resolved_by_the_number_of_nodes_or_refused(tmp_path):
    model(tmp_path)
    empty = {**nodes(), "1.attn.q": torch.tensor([], dtype=torch.int64)}
    expected = pruned(IDS, empty)
    folder = circuit(tmp_path, circuit_data={s: n for s, n in empty.items() if s != "1.attn.q"}, importances={})
    assert np.allclose(logits(load(folder).network, IDS), expected, rtol=0, atol=1e-10)

    whole = {**nodes(), "1.attn.q": torch.arange(8)}
    part = {s: n for s, n in whole.items() if s != "1.attn.q"}
    total = sum(CONFIG.site_widths().values()) - 8
    folder = circuit(tmp_path, circuit_data=part, num_total_nodes=total, importances={})
    assert np.allclose(logits(load(folder).network, IDS), pruned(IDS, whole), rtol=0, atol=1e-10)

    with pytest.raises(NetworkError, match="does not say"):
        load(circuit(tmp_path, circuit_data=part, num_total_nodes=5, importances={}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"circuit_data": {**nodes(), "0.attn.y": torch.tensor([1])}}, "unknown site"),
        ({"circuit_data": {**nodes(), "0.attn.q": torch.tensor([8])}}, "between 0 and 7"),
        ({"circuit_data": {**nodes(), "0.attn.q": torch.tensor([-1])}}, "between 0 and 7"),
        ({"circuit_data": {**nodes(), "0.attn.q": torch.tensor([1, 1])}}, "different indices"),
        ({"circuit_data": {**nodes(), "0.attn.q": torch.tensor([1.0])}}, "int64"),
        ({"circuit_data": {**nodes(), "0.attn.q": torch.tensor([1]).expand(10**9)}}, "larger than"),
        ({"circuit_data": [1]}, "circuit_data"),
        ({"importances": {"beeg_model_config": {"d_model": 16}}}, "d_model"),
    ],
)
def test_circuits_that_are_not_understood_are_refused(tmp_path, change, message):
    model(tmp_path)
    with pytest.raises(NetworkError, match=message):
        load(circuit(tmp_path, None, **change))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "dictionary of means"),
        ({site: mean[:-1] for site, mean in means().items()}, "finite means"),
        ({site: mean * torch.nan for site, mean in means().items()}, "finite means"),
        ({site: mean.double() for site, mean in means().items()}, "float32"),
        ({}, "no ablation means"),
    ],
)
def test_means_that_are_not_understood_are_refused(tmp_path, wrong, message):
    model(tmp_path)
    folder = circuit(tmp_path)
    torch.save(wrong, tmp_path / "viz" / "toy" / "mean_baseline_pretrain.pt")
    with pytest.raises(NetworkError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_pos_emb": 4}, "d_pos_emb"),
        ({"residual_activation_type": "relu"}, "residual_activation_type"),
        ({"rtopk": True}, "rtopk"),
        ({"afrac": 0.5, "afrac_loctypes": "resid_post_mlp"}, "top_k_sites"),
        ({"a_new_option": 1}, "a_new_option"),
        ({"activation_type": "swiglu"}, "activation"),
        ({"sink": False}, "sink_logit"),
        ({"n_layer": 3}, "missing"),
        ({"n_layer": 10**9}, "n_layer"),
        ({"bias": False}, "no such bias"),
        ({"tied_unembed": True}, "differs from the embedding"),
        ({"afrac": 0.1}, "keeps no entry"),
    ],
)
def test_models_that_are_not_understood_are_refused(tmp_path, change, message):
    with pytest.raises(NetworkError, match=message):
        load(model(tmp_path, {**BEEG, **change}))


def test_a_malicious_pickle_runs_nothing(tmp_path):
    trace = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return (exec, (f"open({str(trace)!r}, 'w').close()",))

    folder = model(tmp_path)
    torch.save({**state(), "lm_head.weight": Payload()}, folder / "final_model.pt")
    with pytest.raises(NetworkError, match="more than tensors"):
        load(folder)
    (folder / "final_model.pt").write_bytes(pickle.dumps(Payload()))  # the plain pickle of old torch versions
    with pytest.raises(NetworkError, match="zip"):
        load(folder)
    assert not trace.exists()


def test_truncated_and_repacked_archives_are_refused(tmp_path):
    folder = model(tmp_path)
    whole = (folder / "final_model.pt").read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        (folder / "final_model.pt").write_bytes(whole[:size])
        with pytest.raises(NetworkError):
            load(folder)
    (folder / "final_model.pt").write_bytes(whole)
    with zipfile.ZipFile(folder / "final_model.pt") as stored:
        parts = {name: stored.read(name) for name in stored.namelist()}
    with zipfile.ZipFile(folder / "final_model.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    with pytest.raises(NetworkError, match="compressed"):
        load(folder)


def test_a_folder_without_its_model_or_means_says_what_is_missing(tmp_path):
    folder = circuit(tmp_path)
    with pytest.raises(NetworkError, match=r"beeg_config\.json"):
        load(folder)
    model(tmp_path)
    (tmp_path / "viz" / "toy" / "mean_baseline_pretrain.pt").unlink()
    with pytest.raises(NetworkError, match="mean_baseline_pretrain"):
        load(folder)
    with pytest.raises(NetworkError, match="expected viz_data"):
        load(tmp_path / "models" / "toy", Question(circuit=True))


def test_nothing_to_compare_with_is_said(tmp_path):
    model(tmp_path)
    with pytest.raises(NetworkError, match="no task_samples"):
        acceptance(circuit(tmp_path, None, importances={}))


def test_a_large_vocabulary_needs_an_alphabet(tmp_path):
    config = Config(**{**SIZES, "vocab_size": 200}, sink=True, positions=True)
    folder = model(tmp_path, {**BEEG, "vocab_size": 200}, state(config))
    with pytest.raises(NetworkError, match="alphabet"):
        load(folder)
    assert load(folder, Question(alphabet=("#1", "#2"))).domain.alphabet == ("#1", "#2")


def test_junk_in_the_configuration_is_read_or_refused_in_a_sentence(tmp_path):
    read_junk(model(tmp_path), {"beeg_config.json": BEEG}, load)
