"""Any network of ours as a folder: ``network.json`` (everything with a name) and ``model.safetensors`` (the numbers).

    name, notes            texts; notes are said beside every claim
    dtype, longest         the arithmetic of executions (and of every stored number); tokens per prompt at most
    vocabulary, outputs    names of tokens and of logits, each in the order of its numbers
    prefix, suffix         tokens before and behind every sequence
    domain                 alphabet, min_length, max_length, constraint (null, or text, transitions, accepting)
    readout                kind (argmax, set, round), position, columns, threshold, denominator
    tokens, positions      names of the tensors of the embedding; null without positions
    steps                  what is done to the stream, in order: {"step": "affine", "weight": TENSOR, "bias": null}

A recurrent network has, instead of ``positions`` and ``steps``, the name of a tensor ``start``, its state before the
first token, and the lists of steps ``transition`` and ``output`` (``tasks.networks.recurrent``).

``STEPS`` lists every step with its entries; one that has steps inside lists them the same way. A tensor may be named
by several steps (tied weights), and each is named by one at least. Formulas stand in ``tasks.networks.transformer``.
Files are a stranger's: every key is expected or refused, and nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as save_safetensors

from cegis.domain import DomainError
from tasks.formats.circuit_folder import domain_of
from tasks.formats.reading import count, one_of, read_bytes, read_object
from tasks.formats.untrusted import line_of, list_of, object_of, parse_safetensors, text_of, texts_of, whole_of
from tasks.formats.writing import write_folder
from tasks.networks.model import BlackBox, Loaded, Question, assemble
from tasks.networks.quoting import shown
from tasks.networks.readout import Argmax, Readout, Rounded, TokenSet
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Blend,
    Columns,
    Concat,
    Lookup,
    Mask,
    Norm,
    Pool,
    Product,
    Reals,
    Residual,
    Step,
    Transformer,
)

FORMAT, FILE, WEIGHTS = "steps", "network.json", "model.safetensors"
RECURRENT = "recurrent steps"
SHARED = (
    "name", "notes", "dtype", "longest", "vocabulary", "outputs", "prefix", "suffix", "domain", "readout", "tokens",
)  # fmt: skip
KEYS = {FORMAT: (*SHARED, "positions", "steps"), RECURRENT: (*SHARED, "start", "transition", "output")}
READOUTS: dict[str, type[Readout]] = {"argmax": Argmax, "set": TokenSet, "round": Rounded}
NUMPY = {"float32": np.float32, "float64": np.float64}
DEEPEST = 16  # steps in one another
SAID = "its folder says: "


@dataclass(frozen=True)
class Entry:
    """How an entry of a step is written and read: ``write(folder, value, place)``, ``read(folder, value, what)``."""

    write: Callable[[_Writer, Any, str], Any]
    read: Callable[[_Reader, Any, str], Any]


class _Writer:
    """Tensors by name, as steps are written."""

    def __init__(self, dtype: str) -> None:
        self.tensors: dict[str, NDArray[Any]] = {}
        self._dtype = NUMPY[dtype]
        self._names: dict[tuple[Any, ...], str] = {}

    def tensor(self, value: Reals | None, place: str) -> str | None:
        """The name of a tensor, which is stored once, however many steps have it."""
        if value is None:
            return None
        stored = np.ascontiguousarray(value.astype(self._dtype))
        name = self._names.setdefault((stored.shape, stored.tobytes()), place)
        self.tensors[name] = stored
        return name

    def steps(self, steps: tuple[Step, ...], place: str) -> list[dict[str, Any]]:
        """Every step as JSON."""
        return [self._step(step, f"{place}.{n}") for n, step in enumerate(steps)]

    def _step(self, step: Step, place: str) -> dict[str, Any]:
        for name, (kind, entries) in STEPS.items():
            if type(step) is kind:
                parts = {key: entry.write(self, getattr(step, key), f"{place}.{key}") for key, entry in entries.items()}
                return {"step": name, **parts}
        raise NetworkError(f"a step that has no place in a folder: {type(step).__name__}")


class _Reader:
    """Steps from JSON, and the tensors that they name."""

    def __init__(self, tensors: dict[str, Reals]) -> None:
        self._tensors, self._depth = tensors, 0
        self.used: set[str] = set()

    def tensor(self, value: object, what: str) -> Reals:
        """The tensor of this name."""
        name = text_of(what, value)
        if name not in self._tensors:
            raise NetworkError(f"{what}: no tensor is called {name!r:.80}")
        self.used.add(name)
        return self._tensors[name]

    def steps(self, value: object, what: str) -> tuple[Step, ...]:
        """The steps of a JSON list."""
        if self._depth == DEEPEST:
            raise NetworkError(f"{what}: expected at most {DEEPEST} steps in one another")
        self._depth += 1
        found = tuple(self._step(entry, f"{what}.{n}") for n, entry in enumerate(list_of(what, value)))
        self._depth -= 1
        return found

    def _step(self, value: object, what: str) -> Step:
        said = object_of(what, value, None)
        kind, entries = STEPS[one_of(f"{what}: step", said.get("step"), STEPS)]
        said = object_of(what, value, ("step", *entries))
        parts = {key: entry.read(self, said[key], f"{what}.{key}") for key, entry in entries.items()}
        try:
            return kind(**parts)
        except NetworkError as error:
            raise NetworkError(f"{what}: {error}") from error


def _same(folder: _Writer, value: Any, place: str) -> Any:
    return value


def _number(folder: _Reader, value: object, what: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 2.0**100:
        raise NetworkError(f"{what} should be a number, got {value!r:.80}")
    return float(value)


def _whole(folder: _Reader, value: object, what: str) -> int:
    if not 0 <= whole_of(what, value) < 2**24:
        raise NetworkError(f"{what} should be a whole number from 0 to below 2**24, got {value!r:.80}")
    return whole_of(what, value)


def _flag(folder: _Reader, value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise NetworkError(f"{what} should be true or false, got {value!r:.80}")
    return value


def _flags(folder: _Reader, value: object, what: str) -> NDArray[np.bool_]:
    return np.array([_flag(folder, entry, what) for entry in list_of(what, value)], np.bool_)


TENSOR = Entry(_Writer.tensor, _Reader.tensor)
OPTIONAL = Entry(_Writer.tensor, lambda folder, value, what: None if value is None else folder.tensor(value, what))
INNER = Entry(_Writer.steps, _Reader.steps)
WAYS = Entry(
    lambda folder, value, place: [folder.steps(part, f"{place}.{n}") for n, part in enumerate(value)],
    lambda folder, value, what: tuple(folder.steps(part, f"{what}.{n}") for n, part in enumerate(list_of(what, value))),
)
NUMBER, WHOLE, FLAG = Entry(_same, _number), Entry(_same, _whole), Entry(_same, _flag)
TEXT = Entry(_same, lambda folder, value, what: line_of(what, value))
FLAGS = Entry(lambda folder, value, place: [bool(flag) for flag in value], _flags)
WHOLES = Entry(
    lambda folder, value, place: list(value),
    lambda folder, value, what: tuple(_whole(folder, entry, what) for entry in list_of(what, value)),
)
STEPS: dict[str, tuple[Callable[..., Step], dict[str, Entry]]] = {
    "affine": (Affine, {"weight": TENSOR, "bias": OPTIONAL}),
    "norm": (Norm, {"kind": TEXT, "gain": TENSOR, "bias": OPTIONAL, "eps": NUMBER, "groups": WHOLE}),
    "activation": (Activation, {"kind": TEXT, "slope": NUMBER}),
    "abs_top_k": (AbsTopK, {"count": WHOLE}),
    "mask": (Mask, {"site": TEXT, "kept": FLAGS, "means": TENSOR}),
    "attention": (
        Attention,
        {
            "query": INNER,
            "key": INNER,
            "value": INNER,
            "heads": WHOLE,
            "scale": NUMBER,
            "weighting": TEXT,
            "causal": FLAG,
            "sink": OPTIONAL,
            "hidden": WHOLES,
        },
    ),
    "residual": (Residual, {"steps": INNER}),
    "product": (Product, {"left": INNER, "right": INNER}),
    "lookup": (Lookup, {"table": TENSOR}),
    "columns": (Columns, {"start": WHOLE, "stop": WHOLE}),
    "concat": (Concat, {"parts": WAYS}),
    "blend": (Blend, {"gate": INNER, "one": INNER, "other": INNER}),
    "pool": (Pool, {"kind": TEXT, "rows": WHOLE}),
}


def save_folder(loaded: Loaded, path: Path | str) -> Path:
    """Write any network as the folder ``path``, whole or not at all, and return that; ``load`` reads it back equal.

    The folder declares the prompt, the domain and the read-out that ``loaded`` has. An earlier folder of this kind is
    replaced. Raises NetworkError for a black box, of which there is nothing to write, or where something else is in
    the way.

    >>> import tempfile
    >>> from tasks.formats import load
    >>> from tasks.formats.circuit_folder import shipped_path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load(save_folder(load(shipped_path("quote_closing")), f"{folder}/quotes"))
    >>> again.format, again.readout.names
    ('steps', ("'", '"'))
    """
    path = Path(path)
    if isinstance(loaded.network, BlackBox):
        raise NetworkError(f"{loaded.name}: a black box is a function of yours; there are no weights to write")
    network, readout = loaded.network, loaded.readout
    has_formulas = isinstance(network, Transformer) and (network.token_error, network.position_error) != (None, None)
    if has_formulas:
        raise NetworkError(
            f"{loaded.name}: its tables have formulas, which this folder has no place for; keep the files it is from"
        )
    writer = _Writer(network.dtype)
    names = readout.names if isinstance(readout, Argmax | TokenSet) else ()
    said = {
        "name": loaded.name.strip("'"),
        "notes": [note.removeprefix(SAID) for note in loaded.notes],
        "dtype": network.dtype,
        "longest": network.longest,
        "vocabulary": loaded.vocabulary,
        "outputs": _outputs(loaded, dict(zip(readout.columns, names, strict=False))),
        "prefix": loaded.prefix,
        "suffix": loaded.suffix,
        "domain": asdict(loaded.domain),
        "readout": {
            "kind": next(kind for kind, known in READOUTS.items() if type(readout) is known),
            "position": readout.position,
            "columns": readout.columns,
            "threshold": getattr(readout, "threshold", 0.0),
            "denominator": getattr(readout, "denominator", 1),
        },
        "tokens": writer.tensor(network.tokens, "tokens"),
        **_body(network, writer),
    }
    text = json.dumps(said, ensure_ascii=False, allow_nan=False, indent=1)
    files = {FILE: f"{text}\n".encode(), WEIGHTS: save_safetensors(writer.tensors)}
    _read(str(path), json.loads(text), files[WEIGHTS], Question())  # whatever could not be read is not written
    write_folder(path, files, FILE, "network of this project")
    return path


def _body(network: Transformer | Recurrent, writer: _Writer) -> dict[str, Any]:
    """What the two kinds of network have of their own."""
    if isinstance(network, Recurrent):
        return {
            "start": writer.tensor(network.start, "start"),
            "transition": writer.steps(network.transition, "transition"),
            "output": writer.steps(network.output, "output"),
        }
    return {
        "positions": writer.tensor(network.positions, "positions"),
        "steps": writer.steps(network.steps, "steps"),
    }


def _outputs(loaded: Loaded, read: dict[int, str]) -> list[str]:
    """A name for every logit: as read, else that of the token, where there is one for each, else its number."""
    count = loaded.network.outputs
    numbers = [f"#{n}" for n in range(count)]
    for base in (loaded.vocabulary if len(loaded.vocabulary) == count else numbers, numbers):
        names = [read.get(n, name) for n, name in enumerate(base)]
        if len(set(names)) == count:
            return names
    return [read.get(n, f"the logit {n}") for n in range(count)]


def load(folder: Path, question: Question) -> Loaded:
    """The network in ``folder``; raises NetworkError for anything that is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{folder}: there is one whole network in {FILE}, no circuits or tasks to choose")
    return _read(str(folder), read_object(folder / FILE), read_bytes(folder / WEIGHTS), question)


def _read(folder: str, value: object, content: bytes, question: Question) -> Loaded:
    what = f"{folder}/{FILE}"
    kind = RECURRENT if isinstance(value, dict) and "transition" in value else FORMAT
    said = object_of(what, value, KEYS[kind])
    dtype = one_of(f"{what}: dtype", said["dtype"], NUMPY)
    reader = _Reader(dict(_tensors(f"{folder}/{WEIGHTS}", dtype, content)))
    try:
        network = _network(kind, said, reader, what, dtype)
        unused = sorted(reader._tensors.keys() - reader.used)
        if unused:
            raise NetworkError(f"{folder}/{WEIGHTS}: no step has the tensor {unused[0]!r}")
        domain = domain_of(said["domain"])
        outputs = texts_of(f"{what}: outputs", said["outputs"])
        if len(set(outputs)) != len(outputs) or len(outputs) != network.outputs:
            raise NetworkError(f"outputs should be {network.outputs} different names, got {len(outputs)}")
        own = Question(
            alphabet=domain.alphabet,
            prefix=texts_of("prefix", said["prefix"]),
            suffix=texts_of("suffix", said["suffix"]),
            lengths=(domain.min_length, domain.max_length),
            readout=_readout(said["readout"], outputs),
        )
        notes = tuple(SAID + shown(line_of("a note", note)) for note in list_of("notes", said["notes"]))
        name, vocabulary = line_of("name", said["name"]), texts_of("vocabulary", said["vocabulary"])
        return assemble(
            name, kind, network, vocabulary, question,
            own=own, outputs=outputs, constraint=domain.constraint, notes=notes,
        )  # fmt: skip
    except (NetworkError, DomainError) as error:
        text = str(error)
        raise NetworkError(text if text.startswith(folder) else f"{what}: {text}") from error


def _network(kind: str, said: dict[str, Any], reader: _Reader, what: str, dtype: Any) -> Transformer | Recurrent:
    tokens, longest = reader.tensor(said["tokens"], f"{what}: tokens"), count(what, said, "longest")
    if kind == RECURRENT:
        transition, output = (reader.steps(said[part], f"{what}: {part}") for part in ("transition", "output"))
        return Recurrent(tokens, reader.tensor(said["start"], f"{what}: start"), transition, output, longest, dtype)
    positions = None if said["positions"] is None else reader.tensor(said["positions"], f"{what}: positions")
    return Transformer(tokens, positions, reader.steps(said["steps"], f"{what}: steps"), longest, dtype)


def _tensors(what: str, dtype: str, content: bytes) -> Iterator[tuple[str, Reals]]:
    for name, tensor in parse_safetensors(what, content).items():
        if tensor.dtype != NUMPY[dtype]:
            raise NetworkError(f"{what}: {name!r} should be {dtype}, as {FILE} says, got {tensor.dtype}")
        yield name, tensor.astype(np.float64)


def _readout(value: object, outputs: tuple[str, ...]) -> Readout:
    said = object_of("readout", value, ("kind", "position", "columns", "threshold", "denominator"))
    kind = one_of("readout: kind", said["kind"], READOUTS)
    position = one_of("readout: position", said["position"], ("last", "every"))
    columns = tuple(whole_of("readout: columns", n) for n in list_of("readout: columns", said["columns"]))
    if not all(0 <= n < len(outputs) for n in columns):
        raise NetworkError(f"the read-out needs columns below {len(outputs)}, got {columns}")
    threshold, finest = said["threshold"], whole_of("readout: denominator", said["denominator"])
    if not isinstance(threshold, float) or not np.isfinite(threshold) or (kind != "set" and threshold):
        raise NetworkError(f"readout: threshold should be a number, and 0.0 where there is no set, got {threshold!r}")
    if len(columns) != 1 if kind == "round" else finest != 1:
        raise NetworkError(f"readout: {len(columns)} columns and the denominator {finest} do not fit {kind}")
    names = tuple(outputs[n] for n in columns)
    match kind:
        case "argmax":
            return Argmax(names, columns, position)  # type: ignore[arg-type]
        case "set":
            return TokenSet(names, columns, threshold, position)  # type: ignore[arg-type]
    return Rounded(columns[0], finest, position)  # type: ignore[arg-type]
