"""Read values out of files that others wrote: JSON and safetensors, every value expected or refused.

Whatever is wrong with such a file is one ``NetworkError``: it names the place, what was expected and what came.
Duplicate keys, NaN literals and bottomless nesting are refused like anything else that is not plain JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize
from safetensors.numpy import load as load_safetensors

from tasks.network import NetworkError

# Characters of a name in a sentence, of a line that quotes a folder, and of one with a program of ours:
NAME, LINE, RESULT = 60, 2000, 100_000
# Letters without a trace:
BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"


def shown(text: object, most: int = LINE) -> str:
    """``text`` on one line of at most ``most`` characters, as it may be printed whoever wrote it.

    What is not printable (line ends, control codes, marks of direction or without width, lone surrogates) is escaped.
    """
    line = str(text)
    if len(line) <= most and _is_plain(line):
        return line
    whole = "".join(c if _is_plain(c) else ascii(c)[1:-1] for c in line[:most])
    return whole if len(line) <= most and len(whole) <= most else f"{whole[: most - 1]}…"


def named(name: str) -> str:
    """A name inside a sentence: at most ``NAME`` characters, in quotes unless it is one plain word."""
    text = shown(name, NAME)
    return text if not text or _PLAIN.fullmatch(text) else f"'{text}'"


def shown_lines(text: str) -> str:
    """A text of ours that quotes a folder, line by line."""
    return "\n".join(shown(line, RESULT) for line in text.split("\n"))


def json_text(value: object) -> str:
    """``value`` as JSON in which nothing stands that is not printable."""
    lines = json.dumps(value, ensure_ascii=False, indent=2).split("\n")
    return "\n".join(line if _is_plain(line) else "".join(map(_in_json, line)) for line in lines)


def _in_json(letter: str) -> str:
    if _is_plain(letter):
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else json.dumps(letter)[1:-1]


def _is_plain(text: str) -> bool:
    return text.isprintable() and not _BLANK.search(text)


_BLANK, _PLAIN = re.compile(f"[{BLANK}]"), re.compile(r"[\w.+/:#-]+")


def parse_json(what: str, text: bytes) -> Any:
    """The value that ``text`` writes; ``what`` begins the error sentence."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"{what}: {error}") from error


def parse_safetensors(what: str, content: bytes) -> Mapping[str, NDArray[Any]]:
    """The tensors in ``content``, with the dtypes that numpy has."""
    try:
        tensors: dict[str, NDArray[Any]] = load_safetensors(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NetworkError(f"{what}: not a complete safetensors file of float32: {error}") from error
    return tensors


def parse_halves(what: str, content: bytes) -> Mapping[str, NDArray[np.float32]] | None:
    """The tensors in ``content`` as float32, which holds them exactly, where all are in half precision; else None."""
    try:
        stored = deserialize(content)
    except (SafetensorError, ValueError) as error:
        raise NetworkError(f"{what}: not a complete safetensors file: {error}") from error
    if not all(tensor["dtype"] in ("F16", "BF16") for _, tensor in stored):
        return None
    return {name: _widened(tensor["dtype"], tensor["data"]).reshape(tensor["shape"]) for name, tensor in stored}


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
    if not isinstance(value, list):
        raise NetworkError(f"{what} should be a JSON list, got {type(value).__name__}")
    return value


def text_of(what: str, value: object) -> str:
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
    return tuple(text_of(f"every entry of {what}", entry) for entry in list_of(what, value))


def whole_of(what: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise NetworkError(f"{what} should be a whole number, got {value!r}")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"a key occurs twice among {keys[:10]}")
    return dict(pairs)
