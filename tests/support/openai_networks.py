"""Small circuit_sparsity models and circuits, as folders, and their execution."""

import json

import numpy as np
import torch

from tasks.networks.sparse_transformer import Config
from tasks.training.torch_model import circuit_nodes, forward, keep_all

SIZES = {"vocab_size": 9, "n_layer": 2, "n_head": 2, "d_head": 4, "d_model": 8, "d_mlp": 12, "block_size": 16}
BEEG = {**SIZES, "rms_norm": True, "activation_type": "gelu", "tied_unembed": False, "sink": True, "afrac": None,
        "bias": True, "tokenizer_name": "tinypython_2k", "grad_checkpointing": False, "flash": True}  # fmt: skip
CONFIG = Config(**SIZES, sink=True, positions=True)
IDS = np.random.default_rng(5).integers(0, 9, (4, 11))


def state(config=CONFIG, scale=0.5):
    rng = np.random.default_rng(0)
    return {n: torch.tensor(rng.normal(0, scale, s), dtype=torch.float32) for n, s in config.tensor_shapes().items()}


def model(root, beeg=BEEG, tensors=None):
    folder = root / "models" / "toy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "beeg_config.json").write_text(json.dumps(beeg))
    torch.save(state() if tensors is None else tensors, folder / "final_model.pt")
    return folder


def nodes(config=CONFIG, share=0.5):
    rng = np.random.default_rng(7)
    return {
        site: torch.tensor(np.flatnonzero(rng.random(width) < share)) for site, width in config.site_widths().items()
    }


def masks(kept):
    return {
        site: torch.zeros(width, dtype=torch.float64).index_fill(0, kept[site], 1.0)
        for site, width in CONFIG.site_widths().items()
    }


def means():
    rng = np.random.default_rng(8)
    return {site: torch.tensor(rng.normal(size=w), dtype=torch.float32) for site, w in CONFIG.site_widths().items()}


def run(ids, node=keep_all, tensors=None, config=CONFIG):
    weights = {name: tensor.double() for name, tensor in (tensors or state()).items()}
    return forward(config, weights, torch.tensor(ids), node).numpy()


def pruned(ids, kept, record=None):
    """Logits of the circuit by torch, and what every node does."""
    inner = circuit_nodes(masks(kept), {site: mean.double() for site, mean in means().items()})

    def node(site, x):
        x = inner(site, x)
        if record is not None:
            record[site] = x.detach()
        return x

    return run(ids, node)


def circuit(root, kept=None, **changes):
    """A circuit folder with task samples: prompts of several lengths, right-padded with 0."""
    kept = nodes() if kept is None else kept
    folder = root / "viz" / "toy" / "quotes" / "prune_v9" / "64"
    folder.mkdir(parents=True, exist_ok=True)
    lengths, prompts = (3, 6, 4, 6), np.zeros((4, 6), np.int64)
    for row, length in enumerate(lengths):
        prompts[row, :length] = np.random.default_rng(row).integers(1, 9, length)
    record = {}
    scores = torch.tensor(pruned(prompts, kept, record))[range(4), [n - 1 for n in lengths]][:, [3, 4]].log_softmax(-1)
    loss = -(scores[:2, 0].mean() + scores[2:, 1].mean())
    samples = {s: {int(n): record[s][..., n].float() for n in kept[s]} for s in kept if s in record}
    viz = {
        "circuit_data": kept,
        "num_total_nodes": sum(CONFIG.site_widths().values()),
        "prune_config": {"k": 64},
        "importances": {
            "beeg_model_config": dict(BEEG), "interv_loss": loss.float(),
            "task_samples": [torch.tensor(prompts), samples],
        },
        **changes,
    }  # fmt: skip
    torch.save(viz, folder / "viz_data.pt")
    torch.save(means(), root / "viz" / "toy" / "mean_baseline_pretrain.pt")
    return folder


OPTIONS = {
    "as released": ({}, {}),
    "layer norm and relu": (
        {"rms_norm": False, "activation_type": "relu"},
        {"norm": "layer", "activation": "relu", "norm_eps": 1e-5},
    ),
    "top-k at named sites": (
        {"afrac": 0.4, "afrac_loctypes": "attn_in,mlp_neuron"},
        {"top_k_fraction": 0.4, "top_k_sites": ("attn_in", "mlp_neuron")},
    ),
    "bigram, no sink": ({"enable_bigram_table": True, "sink": False}, {"bigram": True, "sink": False}),
}
