"""The tensors of a ``.pt`` file: an uncompressed zip archive of raw numbers, and a pickle that says what they are.

    NAME/data.pkl     instructions that build dictionaries, lists and tensors
    NAME/data/KEY     the numbers of one storage, little endian

The instructions are followed here, by a machine that knows these few and nothing else: what they build is plain values
and descriptions of tensors. Nothing is imported and nothing is called, whatever a file asks for; a file that asks for
anything else is refused by its name.
"""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from tasks.checker.files import NUMBERS, Gathered, expect
from tasks.checker.text import named

STORAGES = {"FloatStorage": "F32", "DoubleStorage": "F64", "HalfStorage": "F16", "BFloat16Storage": "BF16",
            "LongStorage": "I64"}  # fmt: skip
SIZES = {"I64": 8, **{name: size for name, (_, size) in NUMBERS.items()}}
DICTIONARY = "collections OrderedDict"
TENSOR, PARAMETER = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"
MOST_STEPS = 1_000_000
PLAIN: dict[str, Callable[[], Any]] = {
    **{"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple},
    **{"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False},
}
VALUES = {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True)
class Named:
    """Something that the pickle names, and that stays a name."""

    name: str


@dataclass(frozen=True)
class Storage:
    """Numbers of one type, under a key of the archive."""

    dtype: str
    key: str


@dataclass(frozen=True)
class Tensor:
    """``shape`` and ``stride`` in numbers of a storage, from ``offset`` on."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Mark:
    """Where a list of values begins on the stack."""


@dataclass(frozen=True)
class Archive:
    """``value``: what the pickle builds; ``data``: the storages that there are."""

    name: str
    value: Any
    data: dict[str, bytes]

    def content(self, tensor: Tensor) -> bytes:
        """The numbers of ``tensor``, row after row."""
        size, numbers = SIZES[tensor.storage.dtype], math.prod(tensor.shape)
        expect(tensor.storage.key in self.data, f"{self.name}: a storage is missing")
        data = self.data[tensor.storage.key]
        reach = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True))
        fits = numbers == 0 or (tensor.offset + reach + 1) * size <= len(data) >= numbers * size
        expect(fits, f"{self.name}: a tensor is larger than what is stored")
        if tensor.stride == _contiguous(tensor.shape) or numbers == 0:
            return data[tensor.offset * size : (tensor.offset + numbers) * size]
        along = [[n * step for n in range(count)] for count, step in zip(tensor.shape, tensor.stride, strict=True)]
        starts = (size * (tensor.offset + sum(at)) for at in product(*along))
        return b"".join(data[start : start + size] for start in starts)

    def whole(self, tensor: object) -> list[int]:
        """The entries of a list of whole numbers."""
        fits = isinstance(tensor, Tensor) and tensor.storage.dtype == "I64" and len(tensor.shape) == 1
        expect(fits, f"{self.name}: expected a list of whole numbers (int64)")
        assert isinstance(tensor, Tensor)
        content = self.content(tensor)
        return [int.from_bytes(content[n : n + 8], "little", signed=True) for n in range(0, len(content), 8)]


class TorchTensors(Gathered):
    """Tensors by name, from archives; each is taken once, as those of a safetensors file."""

    def take_from(self, archive: Archive, name: str, tensor: object) -> None:
        """A tensor of ``archive``, which is to be taken under this name."""
        fits = isinstance(tensor, Tensor) and tensor.storage.dtype == "F32"
        expect(fits, f"{archive.name}: {named(name)} should be a tensor of float32 numbers")
        assert isinstance(tensor, Tensor)
        self.put(name, "F32", tensor.shape, archive.content(tensor))


def archive(name: str, content: bytes) -> Archive:
    """The archive in ``content``; raises UnreadableError for one that holds, or asks for, anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            entries = file.infolist()
            names = [entry.filename for entry in entries]
            expect(len({*names}) == len(names), f"{name}: an entry occurs twice in the archive")
            plain = all(entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1 for entry in entries)
            plain = plain and sum(entry.file_size for entry in entries) <= len(content)
            expect(plain, f"{name}: expected an archive that is not compressed, as torch stores it")
            roots = [entry.removesuffix("data.pkl") for entry in names if entry.split("/")[1:] == ["data.pkl"]]
            expect(len(roots) == 1, f"{name}: expected one data.pkl in a torch archive")
            (root,) = roots
            order = file.read(root + "byteorder") if root + "byteorder" in names else b"little"
            expect(order == b"little", f"{name}: expected numbers stored little endian")
            pickled, stored = file.read(root + "data.pkl"), [n for n in names if n.startswith(root + "data/")]
            data = {n.removeprefix(root + "data/"): file.read(n) for n in stored}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OverflowError, OSError) as error:
        expect(False, f"{name}: not a complete torch archive (a zip file): {error}")
        raise
    return Archive(name, _built(name, pickled), data)


def _built(name: str, pickled: bytes) -> Any:
    """What the instructions build."""
    stack: list[Any] = []
    memory: dict[int, Any] = {}
    try:
        for steps, (operation, argument) in enumerate(_operations(pickled)):
            expect(steps < MOST_STEPS, f"{name}: a pickle of more than {MOST_STEPS:,} steps")
            if operation == "STOP":
                (value,) = stack
                return value
            _step(name, operation, argument, stack, memory)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        expect(False, f"{name}: a pickle that cannot be followed: {type(error).__name__} {error}")
    expect(False, f"{name}: a pickle without an end")
    return None


def _operations(pickled: bytes) -> Iterator[tuple[str, Any]]:
    return ((operation.name, argument) for operation, argument, _ in pickletools.genops(pickled))


def _step(name: str, operation: str, argument: Any, stack: list[Any], memory: dict[int, Any]) -> None:
    """Follow one instruction."""
    if operation == "PROTO":
        expect(argument == 2, f"{name}: expected a pickle of protocol 2, as torch writes it")
    elif operation in PLAIN:
        stack.append(PLAIN[operation]())
    elif operation in VALUES:
        stack.append(argument)
    elif operation == "MARK":
        stack.append(_Mark())
    elif operation in ("BINPUT", "LONG_BINPUT"):
        memory[argument] = stack[-1]
    elif operation in ("BINGET", "LONG_BINGET"):
        stack.append(memory[argument])
    elif operation == "GLOBAL":
        stack.append(_named(name, argument))
    elif operation in TUPLES:
        stack[-TUPLES[operation] :] = [tuple(stack[-TUPLES[operation] :])]
    elif operation == "TUPLE":
        stack.append(tuple(_from_mark(stack)))
    elif operation in ("APPEND", "APPENDS"):
        values = [stack.pop()] if operation == "APPEND" else _from_mark(stack)
        expect(type(stack[-1]) is list, f"{name}: expected a list to append to")
        stack[-1].extend(values)
    elif operation in ("SETITEM", "SETITEMS"):
        pairs = [stack.pop(-2), stack.pop()] if operation == "SETITEM" else _from_mark(stack)
        expect(type(stack[-1]) is dict and len(pairs) % 2 == 0, f"{name}: expected a dictionary to set entries of")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            expect(type(key) in (str, int) and key not in stack[-1], f"{name}: a key that is no text, or occurs twice")
            stack[-1][key] = value
    elif operation == "BINPERSID":
        stack.append(_storage(name, stack.pop()))
    elif operation == "REDUCE":
        arguments, what = stack.pop(), stack.pop()
        stack.append(_made(name, what, arguments))
    elif operation == "BUILD":  # attributes of a dictionary, such as the versions of its modules
        expect(type(stack.pop()) is dict and type(stack[-1]) is dict, f"{name}: only a dictionary has attributes")
    else:
        expect(False, f"{name}: the pickle holds an instruction {operation}, which no file of tensors needs")


def _from_mark(stack: list[Any]) -> list[Any]:
    """The values behind the last mark, which go with it."""
    at = max(n for n, value in enumerate(stack) if type(value) is _Mark)
    values = stack[at + 1 :]
    del stack[at:]
    return values


def _named(name: str, what: str) -> Named:
    module, _, own = what.partition(" ")
    known = what in (DICTIONARY, TENSOR, PARAMETER) or (module == "torch" and own in STORAGES)
    expect(known, f"{name}: the pickle asks for {named(what.replace(' ', '.'))}, which is no part of a tensor")
    return Named(what)


def _storage(name: str, given: Any) -> Storage:
    fits = type(given) is tuple and len(given) == 5 and given[0] == "storage" and isinstance(given[1], Named)
    expect(fits and type(given[2]) is str and given[1].name.startswith("torch "), f"{name}: a storage of another kind")
    return Storage(STORAGES[given[1].name.removeprefix("torch ")], given[2])


def _made(name: str, what: Any, given: Any) -> Any:
    expect(isinstance(what, Named) and type(given) is tuple, f"{name}: the pickle calls what is no part of a tensor")
    if what.name == DICTIONARY:
        expect(given == (), f"{name}: a dictionary of another kind")
        return {}
    if what.name == PARAMETER:
        expect(len(given) == 3 and isinstance(given[0], Tensor), f"{name}: a parameter of another kind")
        return given[0]
    expect(what.name == TENSOR and len(given) == 6, f"{name}: a tensor of another kind")
    storage, offset, shape, stride, _, hooks = given
    sizes = type(shape) is type(stride) is tuple and len(shape) == len(stride) and type(offset) is int
    sizes = sizes and all(type(n) is int and 0 <= n < 2**31 for n in (*shape, *stride, offset))
    expect(sizes and isinstance(storage, Storage) and hooks == {}, f"{name}: a tensor of another kind")
    return Tensor(storage, offset, shape, stride)


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[n + 1 :]) for n in range(len(shape)))
