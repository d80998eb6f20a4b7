"""A circuit on disk: a folder with ``circuit.json`` (everything with a name) and ``weights.safetensors`` (the numbers).

The tensors are the network's, under their own names, and the ablation means, under ``mean:<site>``; ``circuit.json``
holds the rest, with the kept nodes as indices per site. Files are untrusted: every key is expected or refused, and
whatever is wrong with them is one ``NetworkError``. Pickles (``.pt``, ``.pkl``) are never opened. This file runs no
network and does not need torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as save_safetensors

from cegis.domain import Constraint, Domain, DomainError
from tasks.formats.untrusted import line_of, list_of, object_of, parse_json, parse_safetensors, texts_of, whole_of
from tasks.formats.writing import write_folder
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import Array, Config, Network, NetworkError

JSON_FILE = "circuit.json"
WEIGHTS_FILE = "weights.safetensors"
SHIPPED = Path(__file__).parents[1] / "circuits"
MEAN = "mean:"
KEYS = ("name", "summary", "config", "vocabulary", "prefix", "labels", "domain", "kept", "card")


def load_circuit(path: Path) -> Circuit:
    """The circuit in the folder ``path``; raises NetworkError when anything in it is not as described above."""
    if path.is_file():
        raise NetworkError(
            f"{path}: expected a circuit folder with {JSON_FILE} and {WEIGHTS_FILE}, got a file; "
            "pickles (.pt, .pkl) are never opened, convert them to safetensors first"
        )
    text, weights = _read(path, JSON_FILE), _read(path, WEIGHTS_FILE)
    described = parse_json(f"{path / JSON_FILE}: not a JSON description of a circuit", text)
    tensors = parse_safetensors(str(path / WEIGHTS_FILE), weights)
    try:
        return _circuit(described, tensors)
    except (NetworkError, DomainError) as error:
        raise NetworkError(f"{path}: {error}") from error


def save_circuit(circuit: Circuit, path: Path) -> None:
    """Write ``circuit`` as the folder ``path``, whole or not at all; an earlier circuit there is replaced."""
    tensors = {**circuit.network.tensors, **{MEAN + site: mean for site, mean in circuit.means.items()}}
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    try:
        text = json.dumps(_description(circuit), ensure_ascii=False, allow_nan=False, indent=1)
    except (TypeError, ValueError) as error:
        raise NetworkError(f"{circuit.name}: the card must hold plain JSON values: {error}") from error
    files = {JSON_FILE: f"{text}\n".encode(), WEIGHTS_FILE: save_safetensors(tensors)}
    write_folder(path, files, JSON_FILE, "circuit")


def weights_sha256(path: Path) -> str:
    """A hexadecimal SHA-256 over the bytes of both files of the circuit folder ``path``."""
    digest = hashlib.sha256()
    for name in (JSON_FILE, WEIGHTS_FILE):
        content = _read(path, name)
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def shipped_names() -> tuple[str, ...]:
    """The names of the circuits that come with the package, sorted."""
    return tuple(sorted(found.parent.name for found in SHIPPED.glob(f"*/{JSON_FILE}")))


def shipped_path(name: str) -> Path:
    """The folder of a shipped circuit; raises NetworkError listing the known names for any other."""
    if name not in shipped_names():
        raise NetworkError(
            f"no such folder, and no shipped circuit: {name!r}; shipped are {', '.join(shipped_names())}"
        )
    return SHIPPED / name


def circuit_folder(name: str) -> Path:
    """The folder that a user means: a path (with a slash, or of a folder that is there), or a shipped name."""
    if not name.strip():
        raise NetworkError("expected a network, a shipped name or a folder, got an empty name")
    is_path = "/" in name or name.startswith(".") or (name not in shipped_names() and Path(name).exists())
    return Path(name) if is_path else shipped_path(name)


def _description(circuit: Circuit) -> dict[str, Any]:
    """What ``circuit.json`` holds."""
    domain, constraint = circuit.domain, circuit.domain.constraint
    return {
        "name": circuit.name,
        "summary": circuit.summary,
        "config": asdict(circuit.network.config),
        "vocabulary": circuit.vocabulary,
        "prefix": circuit.prefix,
        "labels": circuit.labels,
        "domain": {
            "alphabet": domain.alphabet,
            "min_length": domain.min_length,
            "max_length": domain.max_length,
            "constraint": None if constraint is None else asdict(constraint),
        },
        "kept": {site: [int(i) for i in np.flatnonzero(mask)] for site, mask in circuit.kept.items()},
        "card": dict(circuit.card),
    }


def _circuit(described: object, tensors: Mapping[str, Array]) -> Circuit:
    """The circuit that ``described`` (parsed JSON) and ``tensors`` make together."""
    parts = object_of("circuit", described, KEYS)
    card = object_of("card", parts["card"], None)
    config = _config(parts["config"])
    return Circuit(
        name=line_of("name", parts["name"]),
        summary=line_of("summary", parts["summary"]),
        network=Network(config, {name: t for name, t in tensors.items() if not name.startswith(MEAN)}),
        vocabulary=texts_of("vocabulary", parts["vocabulary"]),
        prefix=texts_of("prefix", parts["prefix"]),
        labels=texts_of("labels", parts["labels"]),
        domain=domain_of(parts["domain"]),
        kept=_kept(parts["kept"], config.site_widths()),
        means={name[len(MEAN) :]: t for name, t in tensors.items() if name.startswith(MEAN)},
        card=card,
    )


def _config(value: object) -> Config:
    options = object_of("config", value, tuple(field.name for field in fields(Config)))
    return Config(**{**options, "top_k_sites": texts_of("top_k_sites", options["top_k_sites"])})


def domain_of(value: object) -> Domain:
    """The sequences that a JSON object of alphabet, lengths and constraint describes; NetworkError, DomainError."""
    parts = object_of("domain", value, ("alphabet", "min_length", "max_length", "constraint"))
    lengths = whole_of("min_length", parts["min_length"]), whole_of("max_length", parts["max_length"])
    return Domain(texts_of("alphabet", parts["alphabet"]), *lengths, _constraint(parts["constraint"]))


def _constraint(value: object) -> Constraint | None:
    if value is None:
        return None
    parts = object_of("constraint", value, ("text", "transitions", "accepting"))
    rows = [
        tuple(whole_of("a transition", target) for target in list_of("a row of transitions", row))
        for row in list_of("transitions", parts["transitions"])
    ]
    accepting = list_of("accepting", parts["accepting"])
    if not all(isinstance(flag, bool) for flag in accepting):
        raise NetworkError(f"accepting should hold only true and false, got {accepting!r}")
    return Constraint(line_of("text", parts["text"]), tuple(rows), tuple(accepting))


def _kept(value: object, widths: Mapping[str, int]) -> dict[str, NDArray[np.bool_]]:
    """One boolean per node from the list of kept indices, for every site of the config."""
    kept = {}
    for site, indices in object_of("kept", value, tuple(widths)).items():
        kept[site] = np.zeros(widths[site], dtype=np.bool_)
        for index in list_of(f"kept nodes of {site}", indices):
            if not 0 <= whole_of(f"a kept node of {site}", index) < widths[site] or kept[site][index]:
                raise NetworkError(f"kept nodes of {site} should be different and below {widths[site]}, got {index}")
            kept[site][index] = True
    return kept


def _read(folder: Path, name: str) -> bytes:
    """The bytes of one of the two files; NetworkError when it is missing or cannot be read."""
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise NetworkError(
            f"{folder}: expected a circuit folder with {JSON_FILE} and {WEIGHTS_FILE}; "
            f"cannot read {name}: {error.strerror or error}"
        ) from error
