"""What is read: the folder with its manifest, JSON, and tensors of safetensors files, every byte accounted for."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flint import arb

from tasks.checker.arithmetic import LIMIT, ROUNDOFF, Row
from tasks.checker.text import named

MANIFEST = "certificate.json"
NUMBERS = {"F32": ("f", 4), "F64": ("d", 8), "F16": ("e", 2), "BF16": ("bf", 2)}  # their letters, and bytes of each
HALVES = ("F16", "BF16")
MOST_FILES, MOST_BYTES, DEPTH = 10_000, 1 << 30, 8  # of a certificate


class Rejected(ValueError):  # noqa: N818 (an answer: the certificate was read, and does not show its claim)
    """What the certificate says was not found to be true."""


class UnreadableError(ValueError):
    """No certificate, or one that was changed or cannot be understood."""


def expect(holds: object, sentence: str) -> None:
    """What must hold of the files for anything to be found."""
    if not holds:
        raise UnreadableError(sentence)


def confirm(holds: object, sentence: str) -> None:
    """What must hold for the claim to be true."""
    if not holds:
        raise Rejected(sentence)


def load(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Statement and files of the certificate in ``folder``; every SHA-256 is computed again."""
    try:
        files = dict(_contents(folder))
    except OSError as error:
        raise UnreadableError(f"{folder}: cannot be read: {error.strerror or error}") from error
    expect(MANIFEST in files, f"{folder} is not a certificate: it has no {MANIFEST}")
    body = parse(MANIFEST, files.pop(MANIFEST))
    expect(body.keys() == {"format", "statement", "files", "sha256"}, f"{MANIFEST}: unknown or missing entries")
    text = json.dumps({name: body[name] for name in body if name != "sha256"}, sort_keys=True, ensure_ascii=False)
    whole = body["format"] == 1 and body["sha256"] == digest(text.encode(errors="surrogatepass"))
    expect(whole, "the manifest changed")
    sums = {name: digest(content) for name, content in files.items()}
    expect(body["files"] == sums, "a file is missing, was added, or is not the one that was certified (its SHA-256)")
    expect(isinstance(body["statement"], dict), "the statement should be an object")
    return body["statement"], files


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file in ``folder`` and the folders in it: regular files alone, no link is followed."""
    waiting, room, count = [(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), "")], MOST_BYTES, 0
    try:
        while waiting:
            here, above = waiting.pop()
            try:
                with os.scandir(here) as entries:
                    names = sorted(entry.name for entry in entries)
                for name in names:
                    part, whole = above + name, f"{folder}: {named(above + name)}"
                    count += 1
                    expect(count <= MOST_FILES, f"{folder}: more than {MOST_FILES:,} files and folders")
                    kind = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
                    expect(not stat.S_ISLNK(kind), f"{whole} is a link; a certificate holds its files itself")
                    expect(stat.S_ISDIR(kind) or stat.S_ISREG(kind), f"{whole} is no file")
                    if stat.S_ISDIR(kind):
                        expect(part.count("/") < DEPTH, f"{folder}: more than {DEPTH} folders in one another")
                        found = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                        waiting.append((found, f"{part}/"))
                        continue
                    content = _content(name, here, room)
                    room -= len(content)
                    yield part, content
            finally:
                os.close(here)
    finally:
        for here, _ in waiting:
            os.close(here)


def _content(name: str, here: int, room: int) -> bytes:
    """The bytes of the regular file ``name`` in the open folder ``here``, of which there are at most ``room``."""
    place = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    with open(place, "rb") as file:
        found = os.fstat(place)
        expect(stat.S_ISREG(found.st_mode), f"{named(name)} is no file")
        expect(found.st_size <= room, f"{named(name)}: a certificate has at most {MOST_BYTES >> 20:,} MB")
        return file.read(found.st_size)


def digest(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def parse(name: str, content: bytes) -> dict[str, Any]:
    """The JSON object in ``content``: no key twice, no NaN."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        expect(len(dict(pairs)) == len(pairs), f"{name}: a key occurs twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise UnreadableError(f"{name}: {constant} is no JSON number")

    try:
        value = json.loads(content, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableError(f"{name}: cannot be read: {error or 'it needs too much memory'}") from error
    expect(isinstance(value, dict), f"{name}: expected a JSON object")
    return value  # type: ignore[no-any-return]


class Tensors:
    """The tensors of a safetensors file. Each is taken once, with the shape it must have; ``done`` misses none."""

    def __init__(self, name: str, content: bytes) -> None:
        size = int.from_bytes(content[:8], "little")
        expect(len(content) >= 8 + size, f"{name}: the file is not complete")
        self.file, self.data, self.left = name, content[8 + size :], parse(name, content[8 : 8 + size])
        self.left.pop("__metadata__", None)
        self.types: set[str] = set()  # of what was taken
        self.halves = {"float16", "bfloat16"}  # precisions that hold every number that was taken
        expect(self.left, f"{name}: the weights file has no tensors")
        strange = [tensor[:60] for tensor, entry in self.left.items() if not _is_entry(entry)]
        expect(
            not strange, f"{name}: expected dtype, shape and data_offsets, in whole numbers from 0, of {strange[:1]}"
        )
        ends = 0
        for begin, end in sorted(entry["data_offsets"] for entry in self.left.values()):
            expect(begin == ends <= end, f"{name}: tensors overlap or leave gaps")
            ends = end
        expect(ends == len(self.data), f"{name}: bytes belong to no tensor, or are missing")
        kinds = {entry["dtype"] for entry in self.left.values()}
        expect(kinds <= {*HALVES} or not kinds & {*HALVES}, f"{name}: half precision beside other types")

    def drop(self, names: re.Pattern[str]) -> None:
        """Leave out the tensors of these names, which are buffers: whatever they hold is not used."""
        self.left = {name: entry for name, entry in self.left.items() if not names.fullmatch(name)}

    def content(self, name: str) -> bytes | None:
        """The bytes of tensor ``name``, which stays; None where there is none."""
        entry = self.left.get(name)
        return entry and self.data[slice(*entry["data_offsets"])]

    def take(self, name: str, *shape: int) -> Row:
        """The numbers of tensor ``name``, row after row."""
        expect(name in self.left, f"{self.file}: expected a tensor {name}")
        entry = self.left.pop(name)
        begin, end = entry["data_offsets"]
        expect(entry["dtype"] in NUMBERS, f"{self.file}: expected F32, F64, F16 or BF16 tensors, {name} is not")
        letter, size = NUMBERS[entry["dtype"]]
        self.types.add("F32" if entry["dtype"] in HALVES else entry["dtype"])
        fits = entry["shape"] == [*shape] and end - begin == size * math.prod(shape)
        expect(fits, f"{self.file}: {name} should have shape {shape}, got {entry['shape']}")
        numbers = _numbers(letter, math.prod(shape), self.data[begin:end])
        self.halves = {half for half in self.halves if all(map(HELD[half], numbers))}
        expect(all(abs(x) < LIMIT for x in map(arb, numbers)), f"{self.file}: {name} holds NaN, or 2**40 or more")
        return [arb(x) for x in numbers]

    def matrix(self, name: str, rows: int, columns: int) -> list[Row]:
        """The numbers of the tensor ``name``, which has the shape (rows, columns), row by row; see ``take``."""
        flat = self.take(name, rows, columns)
        return [flat[n : n + columns] for n in range(0, rows * columns, columns)]

    def done(self, semantics: str, said: Iterable[Any] = ()) -> None:
        """Nothing is left, an execution in float32 holds every number, and so does each half precision of ``said``.

        Numbers of half precision are the float32 numbers that they are; nothing is said of executions in it.
        """
        lost = [half for half in said if half in HELD and half not in self.halves]
        expect(not lost, f"{self.file}: loading it in {lost[:1]}, as the configuration says, changes a number")
        expect(not self.left, f"{self.file}: unknown tensor {next(iter(self.left), '')!r}")
        expect(semantics in ROUNDOFF, f"unknown semantics {semantics!r}")
        expect(semantics != "float32" or self.types == {"F32"}, f"{self.file}: float32 semantics of F64 tensors")


class Gathered(Tensors):
    """Tensors by name that are put together from elsewhere."""

    def __init__(self, name: str) -> None:
        self.file, self.data, self.left = name, b"", {}
        self.types, self.halves = set(), {*HELD}

    def put(self, name: str, dtype: str, shape: tuple[int, ...], content: bytes) -> None:
        """Numbers of a ``dtype`` as safetensors names them, row after row."""
        expect(name not in self.left, f"{self.file}: a tensor named twice: {named(name)}")
        offsets = [len(self.data), len(self.data) + len(content)]
        self.data += content
        self.left[name] = {"dtype": dtype, "shape": [*shape], "data_offsets": offsets}

    def zeros(self, name: str, *shape: int) -> None:
        """A tensor that is not stored, and zero."""
        self.put(name, "F32", shape, bytes(4 * math.prod(shape)))


def _numbers(letter: str, count: int, data: bytes) -> tuple[float, ...]:
    """The numbers in ``data``; a bfloat16 is the upper half of a float32."""
    if letter != "bf":
        return struct.unpack(f"<{count}{letter}", data)
    wide = b"".join(b"\0\0" + data[n : n + 2] for n in range(0, 2 * count, 2))
    return struct.unpack(f"<{count}f", wide)


def _is_float16(x: float) -> bool:
    try:
        return struct.unpack("<e", struct.pack("<e", x))[0] == x  # type: ignore[no-any-return]
    except (OverflowError, ValueError):
        return False


def _is_bfloat16(x: float) -> bool:
    try:
        wide = struct.pack("<f", x)
    except (OverflowError, ValueError):
        return False
    return struct.unpack("<f", wide)[0] == x and wide[:2] == b"\0\0"


HELD = {"float16": _is_float16, "bfloat16": _is_bfloat16}


def _is_entry(entry: object) -> bool:
    """Whether a header's entry has what a tensor needs, and nothing else."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        return False
    lists = (entry["shape"], entry["data_offsets"])
    whole = all(type(each) is list and all(type(n) is int and n >= 0 for n in each) for each in lists)
    return whole and type(entry["dtype"]) is str and len(entry["data_offsets"]) == 2
