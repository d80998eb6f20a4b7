"""What the loaders share: files of a folder, and tensors that are exactly the expected ones, widened to float64."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.formats.untrusted import object_of, parse_halves, parse_json, parse_safetensors, text_of
from tasks.networks.sparse_transformer import NetworkError, check_tensors
from tasks.networks.transformer import Affine, Reals

Dtype = Literal["float32", "float64"]
Shapes = Mapping[str, tuple[int, ...]]
MOST_WEIGHTS = 50_000_000  # of a network that any method here could say something about
TOO_LARGE = (
    "a whole model from a hub is too large: this tool wants a circuit, or a small model trained for one task. Prune it "
    "to what one behaviour needs, or load one of its heads or layers as a function and ask that "
    "from Python (tasks.formats.from_callable)"
)


def read_bytes(path: Path) -> bytes:
    """The content of one file; NetworkError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds."""
    return object_of(str(path), parse_json(f"{path}: not a JSON file", read_bytes(path)), None)


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors that a safetensors file holds, or, where there is none, the files that an index beside it names.

    A file of half precision alone is read as the float32 numbers that these are.
    """
    index = path.with_name(path.name + ".index.json")
    if path.exists() or not index.is_file():
        return _read_file(path)
    owner = object_of(f"{index}: weight_map", read_object(index).get("weight_map"), None)
    names = sorted({text_of(f"{index}: the file of {name!r}", file) for name, file in owner.items()})
    strange = [name for name in names if not name.endswith(".safetensors") or Path(name).name != name]
    if strange or not names:
        raise NetworkError(f"{index}: expected names of safetensors files beside it, got {strange or 'none'}")
    tensors: dict[str, NDArray[Any]] = {}
    for name in names:
        part = _read_file(path.with_name(name))
        twice, elsewhere = sorted(part.keys() & tensors), sorted(n for n in part if owner.get(n) != name)
        if twice or elsewhere:
            problem = "a tensor named twice" if twice else "a tensor that the index does not place there"
            raise NetworkError(f"{path.with_name(name)}: holds {problem}: {(twice or elsewhere)[0]!r}")
        tensors |= part
    missing = sorted(owner.keys() - tensors.keys())
    if missing:
        raise NetworkError(f"{index}: {missing[0]!r} is not in {owner[missing[0]]}, which should hold it")
    return {name: tensors[name] for name in owner}


def _read_file(path: Path) -> dict[str, NDArray[Any]]:
    content = read_bytes(path)
    halves = parse_halves(str(path), content)
    return dict(parse_safetensors(str(path), content) if halves is None else halves)


def check_size(what: str, shapes: Shapes) -> None:
    """Raise NetworkError for a network of so many weights that nothing here could say anything about it."""
    total = sum(math.prod(shape) for shape in shapes.values())
    if total > MOST_WEIGHTS:
        raise NetworkError(f"{what}: {total:,} weights; {TOO_LARGE}")


def widen(what: str, shapes: Shapes, tensors: Mapping[str, NDArray[Any]]) -> tuple[dict[str, Reals], Dtype]:
    """Exactly these tensors as float64 arrays, and the dtype (one for all) in which they were stored."""
    dtype: Dtype = "float64" if any(t.dtype == np.float64 for t in tensors.values()) else "float32"
    check_tensors(what, shapes, tensors, dtype)
    return {name: tensor.astype(np.float64) for name, tensor in tensors.items()}, dtype


def read_numbers(what: str, value: object) -> Reals:
    """Nested JSON lists of numbers as an array."""
    try:
        array = np.array(value)
    except ValueError as error:
        raise NetworkError(f"{what} should be an array of numbers, got rows of different lengths") from error
    if array.dtype.kind not in "fi":
        raise NetworkError(f"{what} should be an array of numbers, got {array.dtype}")
    return array.astype(np.float64)


def stored_dtype(arrays: Mapping[str, Reals]) -> Dtype:
    """float32 if every number is one, as a network trained in float32 and printed exactly has it."""
    return "float32" if all((a == a.astype(np.float32)).all() for a in arrays.values()) else "float64"


def survives(dtype: object, arrays: Iterable[Reals]) -> bool:
    """Whether loading these numbers in half precision, ``float16`` or ``bfloat16``, changes none of them."""
    match dtype:
        case "float16":
            return all(bool((a == a.astype(np.float16)).all()) for a in arrays)
        case "bfloat16":
            return all(bool(((a.astype(np.float32).view(np.uint32) & 0xFFFF) == 0).all()) for a in arrays)
    return False


def pick(what: str, config: Mapping[str, Any], known: Mapping[str, object], inert: frozenset[str]) -> dict[str, Any]:
    """The entries of ``config`` that matter, with the defaults in ``known`` (``...``: must be there).

    Raises NetworkError for a key that is neither known nor inert: it might change the function.
    """
    unknown = sorted(config.keys() - known.keys() - inert)
    if unknown:
        names = f"{'entry' if len(unknown) == 1 else 'entries'} {', '.join(map(repr, unknown))}"
        raise NetworkError(f"{what}: unknown {names}, which might change what the network computes")
    missing = sorted(name for name, default in known.items() if default is ... and name not in config)
    if missing:
        raise NetworkError(f"{what}: expected an entry {missing[0]!r}")
    return {name: config.get(name, default) for name, default in known.items()}


def require(what: str, config: Mapping[str, Any], **expected: object) -> None:
    """Raise NetworkError unless these entries have exactly these values."""
    for name, value in expected.items():
        if config.get(name) != value:
            raise NetworkError(f"{what}: only {name} = {value!r} is understood, got {config.get(name)!r}")


def count(what: str, config: Mapping[str, Any], name: str, most: int = 2**24) -> int:
    """The entry ``name`` as a whole number from 1 to ``most``."""
    value = config.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise NetworkError(f"{what}: {name} should be a whole number from 1 to {most}, got {value!r}")
    return value


def flags(what: str, config: Mapping[str, Any], *names: str) -> None:
    """Raise NetworkError unless each of these entries is true or false."""
    for name in names:
        if not isinstance(config.get(name), bool):
            raise NetworkError(f"{what}: {name} should be true or false, got {config.get(name)!r}")


def one_of(what: str, value: object, known: Iterable[str]) -> str:
    """``value`` if it is one of these texts."""
    if not isinstance(value, str) or value not in known:
        raise NetworkError(f"{what} should be one of {', '.join(known)}, got {value!r}")
    return value


def affine(weights: Mapping[str, Reals], name: str, bias: str | None = None, *, transposed: bool = False) -> Affine:
    """The map stored under these names; ``transposed`` for weights stored as (in, out)."""
    weight = np.ascontiguousarray(weights[name].T) if transposed else weights[name]
    return Affine(weight, None if bias is None else weights[bias])
