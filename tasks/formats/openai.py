"""OpenAI's circuit_sparsity files, in the layout that its downloads have.

    models/<model>/beeg_config.json, final_model.pt           the network
    viz/<model>/<task>/<sweep>/<k>/viz_data.pt                a circuit of it: kept nodes per site
    viz/<model>/mean_baseline_pretrain.pt                     {site: mean of every node}, which replaces the others
    tinypython/encoder.json                                   token names (optional; without it tokens are ``#0``, ...)

``load`` takes the folder of a model or of a circuit; the other files are looked for in the folders above it, or beside
it if everything lies in one folder. ``.pt`` files are untrusted: only uncompressed zip archives are opened, by torch's
``weights_only`` reader, which builds tensors and plain containers and runs no code; ``.pkl`` files are never opened.

Which sites a circuit masks: the eight of every layer, and ``final_resid`` if it is listed. A site that is not listed
has no kept node, provided that ``num_total_nodes`` counts its nodes; if the listed sites alone add up to it, it is
not masked. Anything else is refused. None of this could be tried on a real file here; ``acceptance`` compares a loaded
circuit with the activations and the loss that are stored in it, and should be run on every real one.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.formats.reading import count, flags, pick, read_object, require
from tasks.formats.sparse import sparse_transformer
from tasks.formats.untrusted import whole_of
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.sparse_transformer import FINAL_SITE, TOP_K_SITES, Array, Config, Network, NetworkError
from tasks.networks.transformer import Transformer

MODEL, WEIGHTS, CIRCUIT, MEANS = "beeg_config.json", "final_model.pt", "viz_data.pt", "mean_baseline_pretrain.pt"
ENCODER = "encoder.json"
NOTE = "masks and means were read by our understanding of the format; see the circuit's acceptance"
KNOWN = {
    "block_size": 1024,
    "vocab_size": 50304,
    "n_layer": 12,
    "n_head": 12,
    "d_head": None,
    "d_model": 768,
    "d_mlp": None,
    "bias": True,
    "ln_bias": True,
    "rms_norm": False,
    "residual_activation_type": "identity",
    "activation_type": "gelu",
    "afrac": None,
    "afrac_loctypes": "attn_in,attn_out,mlp_in,mlp_out",
    "tied_unembed": True,
    "enable_bigram_table": False,
    "d_pos_emb": None,
    "sinusoidal_cat_pos_emb": False,
    "enable_sparse_kernels": False,
    "sink": False,
    "use_tied_aux_matrix": False,
    "afrac_approx": False,
    "rtopk": False,
}
INERT = frozenset((
    "dropout", "debug_nans", "tokenizer_name", "grad_checkpointing", "learnable_bigram_table",
    "dropout_cat_pos_emb", "flash", "ignore_dw_grad", "bigram_table_rank", "pfrac", "expansion_factor",
    "expansion_factor_mlp", "debug_exact_topk", "sparse_matmul_impl"
))  # fmt: skip


@dataclass(frozen=True)
class Pruned:
    """A network, the nodes kept of each masked site and the means of the others (no site: the whole network)."""

    network: Network
    kept: Mapping[str, NDArray[np.bool_]]
    means: Mapping[str, Array]

    @property
    def transformer(self) -> Transformer:
        """The steps to run."""
        return sparse_transformer(self.network, self.kept, self.means)


def load(folder: Path, question: Question) -> Loaded:
    """The model or the circuit in ``folder``; raises NetworkError for anything that is not understood."""
    if question.task is not None:
        raise NetworkError(f"{folder}: a circuit_sparsity folder is one task; name its folder instead of a task")
    is_circuit = (folder / CIRCUIT).is_file()
    if question.circuit and not is_circuit:
        raise NetworkError(f"{folder}: expected {CIRCUIT}, the circuit that is asked for")
    if is_circuit:
        pruned = read_circuit(folder, read_torch(folder / CIRCUIT))
    else:
        pruned = Pruned(read_network(_model_folder(folder)), {}, {})
    names = _names(folder, pruned.network.config.vocab_size)
    notes = (NOTE,) if is_circuit else ()
    loaded = assemble(folder.name, "circuit_sparsity", pruned.transformer, names, question, notes=notes)
    return replace(loaded, files=_files(folder, is_circuit))


def _files(folder: Path, is_circuit: bool) -> tuple[tuple[str, Path], ...]:
    """The files that were read, and where they lie."""
    model = _model_folder(folder)
    found = [(MODEL, model / MODEL), (WEIGHTS, model / WEIGHTS)]
    if is_circuit:
        found += [(CIRCUIT, folder / CIRCUIT), (MEANS, _above(folder, MEANS, levels=3))]  # type: ignore[list-item]
    encoder = _encoder(folder)
    return (*found, *([] if encoder is None else [(ENCODER, encoder)]))


def read_circuit(folder: Path, viz: Any) -> Pruned:
    """The circuit that ``viz``, the content of the folder's ``viz_data.pt``, describes, with its network and means."""
    network, what = read_network(_model_folder(folder)), str(folder / CIRCUIT)
    if not isinstance(viz, dict) or not isinstance(viz.get("circuit_data"), dict):
        raise NetworkError(f"{what}: expected a dictionary with circuit_data, the kept nodes per site")
    importances = viz.get("importances")
    said = importances.get("beeg_model_config") if isinstance(importances, dict) else None
    if isinstance(said, dict):
        same = {name: getattr(network.config, name) for name in ("vocab_size", "n_layer", "d_model") if name in said}
        require(f"{what}: beeg_model_config", said, **same)
    kept, means = _kept_nodes(what, viz, network.config), _means(folder, network.config)
    missing = sorted(site for site, mask in kept.items() if site not in means and not mask.all())
    if missing:
        raise NetworkError(f"{folder}: no ablation means for the site {missing[0]}")
    means = {site: means.get(site, np.zeros(len(mask), np.float32)) for site, mask in kept.items()}
    return Pruned(network, kept, means)


def read_network(folder: Path) -> Network:
    """Configuration and tensors of the folder ``models/<model>``, with the parts that may be left out filled in."""
    what = str(folder / MODEL)
    said = read_object(folder / MODEL)
    if "n_mlp" in said:
        said["d_mlp"] = said.pop("n_mlp")
    said, state = pick(what, said, KNOWN, INERT), read_torch(folder / WEIGHTS)
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise NetworkError(f"{folder / WEIGHTS}: expected a dictionary of tensors by name")
    count(what, said, "n_layer", most=len(state))
    config, what = _config(what, said), str(folder / WEIGHTS)
    tensors = {
        name: array_of(f"{what}: {name}", tensor)
        for name, tensor in state.items()
        if not name.endswith(".attn.bias")  # the causal mask that slow attention stores
    }
    shapes = config.tensor_shapes()
    if said["tied_unembed"] and "transformer.wte.weight" in tensors:
        tied = tensors["transformer.wte.weight"]
        if not np.array_equal(tensors.setdefault("lm_head.weight", tied), tied):
            raise NetworkError(f"{what}: lm_head.weight differs from the embedding though tied_unembed is set")
    absent = ("final_logits_bias",) if "final_logits_bias" not in tensors else ()
    for name in (*absent, *_unused_biases(config, said)):
        if name in tensors:
            raise NetworkError(f"{what}: {name} is stored though the configuration has no such bias")
        tensors[name] = np.zeros(shapes[name], np.float32)
    return Network(config, tensors)


def _config(what: str, said: dict[str, Any]) -> Config:
    require(what, said, residual_activation_type="identity", d_pos_emb=None, sinusoidal_cat_pos_emb=False)
    for name in ("enable_sparse_kernels", "use_tied_aux_matrix", "afrac_approx", "rtopk"):
        if said[name]:
            raise NetworkError(f"{what}: {name} = {said[name]!r} is not understood")
    flags(what, said, "bias", "ln_bias", "rms_norm", "tied_unembed")
    sites = str(said["afrac_loctypes"]).split(",") if said["afrac"] is not None else []
    heads = whole_of(f"{what}: n_head", said["n_head"])
    d_model = whole_of(f"{what}: d_model", said["d_model"])
    try:
        config = Config(
            vocab_size=said["vocab_size"],
            n_layer=said["n_layer"],
            n_head=heads,
            d_head=d_model // max(1, heads) if said["d_head"] is None else said["d_head"],
            d_model=d_model,
            d_mlp=4 * d_model if said["d_mlp"] is None else said["d_mlp"],
            block_size=said["block_size"],
            norm="rms" if said["rms_norm"] else "layer",
            norm_eps=float(np.finfo(np.float32).eps) if said["rms_norm"] else 1e-5,
            activation=said["activation_type"],
            top_k_fraction=said["afrac"],
            top_k_sites=tuple(sites) if sites else TOP_K_SITES,
            sink=said["sink"],
            positions=True,
            bigram=said["enable_bigram_table"],
        )
        if said["afrac"] is not None and int(said["afrac"] * min(config.site_widths().values())) < 1:
            raise NetworkError(f"afrac = {said['afrac']} keeps no entry of the narrowest site")
    except NetworkError as error:
        raise NetworkError(f"{what}: {error}") from error
    return config


def _unused_biases(config: Config, said: Mapping[str, Any]) -> list[str]:
    """Biases that this configuration does not have; as zeros they change nothing."""
    names = [name for name in config.tensor_shapes() if name.endswith(".bias")]
    norms = [name for name in names if ".ln_" in name]
    maps = [name for name in names if ".ln_" not in name]
    return [*([] if said["bias"] else maps), *([] if said["ln_bias"] else norms)]


def _kept_nodes(what: str, viz: Mapping[str, Any], config: Config) -> dict[str, NDArray[np.bool_]]:
    """One boolean per node of every site that the circuit masks."""
    widths, kept = config.site_widths(), {}
    for site, nodes in viz["circuit_data"].items():
        if site not in widths:
            raise NetworkError(f"{what}: unknown site {site!r}; known: {', '.join(list(widths)[:8])}, ...")
        indices = array_of(f"{what}: nodes of {site}", nodes, "int64")
        if indices.ndim != 1 or len(set(indices.tolist())) != len(indices):
            raise NetworkError(f"{what}: nodes of {site} should be a list of different indices")
        if len(indices) and not (indices.min() >= 0 and indices.max() < widths[site]):
            raise NetworkError(f"{what}: nodes of {site} should lie between 0 and {widths[site] - 1}")
        kept[site] = np.zeros(widths[site], np.bool_)
        kept[site][indices] = True
    total, listed = viz.get("num_total_nodes"), sum(len(mask) for mask in kept.values())
    unlisted = [site for site in widths if site not in kept and (site != FINAL_SITE)]
    if unlisted and total == listed + sum(widths[site] for site in unlisted):
        kept |= {site: np.zeros(widths[site], np.bool_) for site in unlisted}
    elif unlisted and total != listed:
        raise NetworkError(
            f"{what}: {len(unlisted)} sites such as {unlisted[0]} are not listed, and num_total_nodes = {total!r} "
            f"does not say whether their nodes are kept ({listed} nodes are at listed sites)"
        )
    return kept


def _means(folder: Path, config: Config) -> dict[str, Array]:
    """``{site: mean of every node}`` from the nearest file of means; sites of no circuit in it are left out."""
    path = _above(folder, MEANS, levels=3)
    if path is None:
        raise NetworkError(f"{folder}: expected {MEANS} in this folder or up to three above it, as in viz/<model>/")
    stored = read_torch(path)
    if not isinstance(stored, dict):
        raise NetworkError(f"{path}: expected a dictionary of means by site, got {type(stored).__name__}")
    means = {}
    for site, width in config.site_widths().items():
        if site in stored:
            means[site] = array_of(f"{path}: {site}", stored[site]).reshape(-1)
            if means[site].shape != (width,) or not np.isfinite(means[site]).all():
                raise NetworkError(f"{path}: {site} should hold {width} finite means")
    return means


def read_torch(path: Path) -> Any:
    """Tensors and plain containers from a ``.pt`` archive; no code in it is run."""
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise NetworkError(f"{path}: not a complete torch archive (a zip file): {error}") from error
    if packed:
        raise NetworkError(f"{path}: {packed[0]} is compressed, as torch never stores it")
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever a malformed archive leads to
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise NetworkError(
            f"{path}: holds more than tensors and plain containers, or is damaged: {reason[0]}"
        ) from error


def array_of(what: str, tensor: object, dtype: str = "float32") -> NDArray[Any]:
    """A torch tensor as a numpy array of exactly this dtype."""
    import torch

    if not isinstance(tensor, torch.Tensor) or tensor.dtype != getattr(torch, dtype) or tensor.layout != torch.strided:
        kind = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
        raise NetworkError(f"{what}: expected a dense tensor of {dtype}, got {kind}")
    if tensor.numel() > tensor.untyped_storage().nbytes() // tensor.element_size():
        raise NetworkError(f"{what}: its shape {tuple(tensor.shape)} is larger than what is stored")
    return np.array(tensor.detach().contiguous().numpy())


def _model_folder(folder: Path) -> Path:
    """The folder with the model: this one, or models/<model> beside the viz/<model> that holds this one."""
    if (folder / MODEL).is_file():
        return folder
    place = folder.resolve()
    for parent in place.parents:
        inside = place.relative_to(parent).parts
        if inside[0] == "viz" and len(inside) > 1 and (parent / "models" / inside[1] / MODEL).is_file():
            return parent / "models" / inside[1]
    raise NetworkError(f"{folder}: found no {MODEL} here, nor models/<model>/ beside a viz/<model>/ that holds it")


def _above(folder: Path, name: str, levels: int) -> Path | None:
    """The nearest file ``name`` in ``folder`` or up to so many folders above it."""
    place = folder.resolve()
    near = (place, *place.parents)[: levels + 1]
    return next((parent / name for parent in near if (parent / name).is_file()), None)


def _encoder(folder: Path) -> Path | None:
    """The file with token names, if there is one."""
    return _above(folder, f"tinypython/{ENCODER}", levels=5) or _above(folder, ENCODER, levels=0)


def token_names(folder: Path) -> tuple[str, ...]:
    """Names of the tokens of the model or circuit in ``folder``."""
    return _names(folder, read_network(_model_folder(folder)).config.vocab_size)


def _names(folder: Path, size: int) -> tuple[str, ...]:
    """Token names from ``tinypython/encoder.json`` (text in GPT-2's byte letters to id), else numbers."""
    path = _encoder(folder)
    numbers = tuple(f"#{n}" for n in range(size))
    if path is None:
        return numbers
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {chr(b): b for b in printable}
    letters |= {chr(256 + n): b for n, b in enumerate(b for b in range(256) if b not in printable)}
    names = list(numbers)
    for text, n in read_object(path).items():
        if not 0 <= whole_of(f"{path}: the id of {text!r}", n) < size:
            raise NetworkError(f"{path}: the id of {text!r} should lie between 0 and {size - 1}, got {n}")
        raw = bytes(letters[letter] for letter in text) if set(text) <= set(letters) else text.encode()
        names[n] = raw.decode("utf-8", "backslashreplace")
    return tuple(names) if len(set(names)) == size else numbers
