"""Read values out of files that others wrote: JSON and safetensors, every value expected or refused.

Whatever is wrong with such a file is one ``NetworkError``: it names the place, what was expected and what came.
Duplicate keys, NaN literals and bottomless nesting are refused like anything else that is not plain JSON; every byte
of a safetensors file belongs to one tensor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.networks.quoting import LINE, shown
from tasks.networks.sparse_transformer import NetworkError

LONGEST_NAME = 300  # letters of a tensor's name
METADATA = "__metadata__"  # texts for people, the one entry of a header that is no tensor
NUMPY = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
SIZES = {"BF16": 2, **{name: np.dtype(dtype).itemsize for name, dtype in NUMPY.items()}}  # bytes of a number


def parse_json(what: str, text: bytes) -> Any:
    """The value that ``text`` writes; ``what`` begins the error sentence."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"{what}: {error}") from error


@dataclass(frozen=True)
class Stored:
    """One tensor of a safetensors file: ``dtype`` as the file names it, and its bytes, little endian, row after row."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def read_safetensors(what: str, content: bytes) -> dict[str, Stored]:
    """Every tensor of a safetensors file, in the order of its bytes.

    8 bytes of header length, a JSON header from name to dtype, shape and data_offsets, then the data: each name once,
    and every byte of the data in exactly one tensor. Raises NetworkError for anything else, a file without tensors
    included.
    """
    header = _header(what, content)
    data = content[8 + int.from_bytes(content[:8], "little") :]
    entries = sorted(header.items(), key=lambda entry: (entry[1][2], entry[1][3]))
    result, end = {}, 0
    for name, (dtype, shape, begins, ends) in entries:
        if begins != end:
            raise NetworkError(
                f"{what}: tensors {'overlap' if begins < end else 'leave a gap'} in the data, at byte {begins} where "
                f"{name!r} begins"
            )
        if ends - begins != SIZES[dtype] * math.prod(shape):
            raise NetworkError(f"{what}: {name!r} is {dtype} of shape {shape}, which {ends - begins} bytes do not hold")
        if ends > len(data):
            raise NetworkError(
                f"{what}: not a complete safetensors file: {name!r} ends at byte {ends} of {len(data)} bytes of data"
            )
        result[name], end = Stored(dtype, shape, data[begins:ends]), ends
    if not result:
        raise NetworkError(f"{what}: the weights file has no tensors")
    if end < len(data):
        raise NetworkError(f"{what}: bytes after the last tensor: {len(data) - end} of them belong to no tensor")
    return result


def _header(what: str, content: bytes) -> dict[str, tuple[str, tuple[int, ...], int, int]]:
    """Name to dtype, shape, begin and end; metadata is left out."""
    size = int.from_bytes(content[:8], "little")
    if not content:
        raise NetworkError(f"{what}: the file is empty; expected a safetensors file")
    if len(content) < 8 + size or len(content) < 8:
        raise NetworkError(
            f"{what}: not a complete safetensors file: it begins with a header of {size} bytes and has {len(content)}"
        )
    try:
        text = content[8 : 8 + size].decode()
        header = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicate_tensors)
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"{what}: the header of a safetensors file was expected: {error}") from error
    entries = object_of(f"{what}: the header", header, None)
    for name, value in object_of(f"{what}: __metadata__", entries.pop(METADATA, {}), None).items():
        text_of(f"{what}: __metadata__: {name!r}", value)
    return {_tensor_name(what, name): _entry(f"{what}: {name!r}", value) for name, value in entries.items()}


def _tensor_name(what: str, name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise NetworkError(
            f"{what}: a tensor's name should have at most {LONGEST_NAME} letters, got {len(name):,}: {name[:40]!r}..."
        )
    return line_of(f"{what}: a tensor's name", name)


def _entry(what: str, value: object) -> tuple[str, tuple[int, ...], int, int]:
    parts = object_of(what, value, ("dtype", "shape", "data_offsets"))
    dtype = text_of(f"{what}: dtype", parts["dtype"])
    if dtype not in SIZES:
        raise NetworkError(f"{what}: unknown dtype {dtype!r}; known: {', '.join(SIZES)}")
    shape = _sizes(f"{what}: shape", parts["shape"])
    offsets = _sizes(f"{what}: data_offsets", parts["data_offsets"])
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise NetworkError(f"{what}: data_offsets should be a begin and an end, got {list(offsets)}")
    return dtype, shape, *offsets


def _sizes(what: str, value: object) -> tuple[int, ...]:
    sizes = tuple(whole_of(f"every entry of {what}", entry) for entry in list_of(what, value))
    if not all(0 <= size < 2**63 for size in sizes):
        raise NetworkError(f"{what} should hold numbers from 0 to 2**63 - 1, got {list(sizes)}")
    return sizes


def parse_safetensors(what: str, content: bytes) -> Mapping[str, NDArray[Any]]:
    """The tensors in ``content``, with the dtypes that numpy has."""
    return {
        name: np.frombuffer(tensor.data, _numpy_dtype(f"{what}: {name!r}", tensor.dtype)).reshape(tensor.shape)
        for name, tensor in read_safetensors(what, content).items()
    }


def _numpy_dtype(what: str, dtype: str) -> str:
    if dtype not in NUMPY:
        raise NetworkError(
            f"{what} is stored as {dtype}, beside other types; expected F32 or F64, or half precision alone"
        )
    return NUMPY[dtype]


def parse_halves(what: str, content: bytes) -> Mapping[str, NDArray[np.float32]] | None:
    """The tensors in ``content`` as float32, which holds them exactly, where all are in half precision; else None."""
    stored = read_safetensors(what, content)
    if not all(tensor.dtype in ("F16", "BF16") for tensor in stored.values()):
        return None
    return {name: _widened(tensor.dtype, tensor.data).reshape(tensor.shape) for name, tensor in stored.items()}


def _widened(dtype: str, data: bytes) -> NDArray[np.float32]:
    if dtype == "F16":
        return np.frombuffer(data, "<f2").astype(np.float32)
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)  # the upper half of a float32


def object_of(what: str, value: object, keys: tuple[str, ...] | None) -> dict[str, Any]:
    """``value`` as a JSON object with exactly these keys (any keys when None)."""
    if not isinstance(value, dict):
        raise NetworkError(f"{what} should be a JSON object, got {type(value).__name__}")
    if keys is not None and value.keys() != set(keys):
        missing, unknown = sorted(set(keys) - value.keys()), sorted(value.keys() - set(keys))
        raise NetworkError(
            f"{what}: keys do not match"
            + (f"; missing: {', '.join(missing[:5])}" if missing else "")
            + (f"; unknown: {', '.join(unknown[:5])}" if unknown else "")
        )
    return value


def list_of(what: str, value: object) -> list[Any]:
    """``value`` if it is a JSON list; raises NetworkError, which names ``what`` should be one."""
    if not isinstance(value, list):
        raise NetworkError(f"{what} should be a JSON list, got {type(value).__name__}")
    return value


def text_of(what: str, value: object) -> str:
    """``value`` if it is a text without lone surrogates; raises NetworkError."""
    if not isinstance(value, str):
        raise NetworkError(f"{what} should be a text, got {value!r}")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise NetworkError(f"{what} should be a text that UTF-8 can write, got {value!r}")
    return value


def line_of(what: str, value: object) -> str:
    """A text that claims quote: it must not look like a line of ours, or move the cursor."""
    text = text_of(what, value)
    if shown(text) != text:
        raise NetworkError(f"{what} should be printable, on one line and at most {LINE} characters, got {value!r:.200}")
    return text


def texts_of(what: str, value: object) -> tuple[str, ...]:
    """``value`` if it is a list of such texts; raises NetworkError."""
    return tuple(text_of(f"every entry of {what}", entry) for entry in list_of(what, value))


def whole_of(what: str, value: object) -> int:
    """``value`` if it is a whole number and no Boolean; raises NetworkError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise NetworkError(f"{what} should be a whole number, got {value!r}")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _no_duplicate_tensors(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = _twice(pairs)
    if twice is not None:
        is_tensor = isinstance(dict(pairs)[twice], dict)
        raise ValueError(f"{'a tensor named twice' if is_tensor else 'a key occurs twice'}: {twice[:LONGEST_NAME]!r}")
    return dict(pairs)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = _twice(pairs)
    if twice is not None:
        raise ValueError(f"a key occurs twice: {twice[:LONGEST_NAME]!r}")
    return dict(pairs)


def _twice(pairs: list[tuple[str, Any]]) -> str | None:
    """The first key that was there before."""
    keys: set[str] = set()
    for key, _ in pairs:
        if key in keys:
            return key
        keys.add(key)
    return None
