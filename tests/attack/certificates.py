"""Certificates that hold, changed in one place and sealed again: none may be accepted that states what is false.

The seal is only a checksum, so whoever changes a certificate computes it again; so does this file, and often the rest
of what follows from the change, too (hashes of the network, the sentence). What is accepted is then evaluated from
nothing but its own statement and files, by listing every sequence (``truth``): either a statement is found to be false,
or the change was harmless.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import planted
import safetensors.numpy
import torch
from folders import make
from numpy.typing import NDArray
from trial import Outcome, random_of
from truth import falsehoods, falsehoods_of_solver

from backends import get
from cegis import Domain, DomainError
from cegis.certificate import MANIFEST, Certificate, CertificateError
from tasks.certificates.independent import _directions, _question
from tasks.certificates.recheck import check as check_solver
from tasks.certificates.solver_evidence import certify
from tasks.checker import evidence
from tasks.checker.evidence import GIVEN, PROGRAM, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.formats import Loaded, Question, load
from tasks.formats.circuit_folder import load_circuit, shipped_path
from tasks.networks.readout import Rounded, TokenSet
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.distill import distill
from tasks.proofs.enumeration import shortened
from tasks.proofs.select import listed_domain

Random = np.random.Generator
Parts = tuple[dict[str, Any], dict[str, bytes]]  # statement and files
SHARED = 8  # changes tried on each certificate
FORMATS = ("dyck", "gpt2", "tracr", "circuit", "circuit_sparsity", "sparsemax", "transformer_lens")
ATTEMPTS = 20
UNSEALED = "a byte changes after the seal"
KINDS = ("network",) * 5 + ("counts", "paths", "solver")


def attack(seed: int, index: int) -> Outcome:
    """One change of one certificate."""
    rng = random_of("certificates", seed, index)
    kind, certificate = _valid(seed, index // SHARED)
    statement, files = copy.deepcopy(dict(certificate.statement)), dict(certificate.files)
    changed = _changed(rng, kind, statement, files)
    if changed is None:
        return Outcome(0, 0)
    what, parts = changed
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "c"
        Certificate(*parts).save(folder)
        is_sealed = what != UNSEALED
        if not is_sealed:
            what = _flipped(rng, folder)
        if not what or not _is_accepted(kind, folder):
            return Outcome(int(bool(what)), int(bool(what)))
        written = {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
    if not is_sealed:
        return Outcome(1, 1, (f"{what}: accepted, and not as it was sealed",), files=written)
    false = falsehoods_of_solver(*parts) if kind == "solver" else falsehoods(*parts)
    wrong = (f"{kind}: {what}: accepted, although {false[0]}",) if false else ()
    return Outcome(1, 1, wrong, harmless=int(not false), files=written if false else {})


def _is_accepted(kind: str, folder: Path) -> bool:
    try:
        if kind == "solver":
            return all(step.holds is True for step in check_solver(folder, get("cvc5"), seconds=30))
        evidence.check(folder)
    except (Rejected, UnreadableError, CertificateError, NetworkError, DomainError):
        return False
    return True


# --- certificates that hold -----------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _valid(seed: int, number: int) -> tuple[str, Certificate]:
    rng = random_of("certificates that hold", seed, number)
    kind = KINDS[number % len(KINDS)]
    if kind == "solver":
        return kind, _by_solver(str(rng.choice(["quote_closing", "bracket_dilution"])), int(rng.integers(2, 4)))
    for _ in range(ATTEMPTS):
        try:
            found = _of_network(rng) if kind == "network" else _of_sets(rng, kind)
        except (Rejected, UnreadableError, NetworkError):
            continue
        return kind, found
    raise AssertionError(f"no certificate of the kind {kind} could be made")


@lru_cache(maxsize=8)
def _by_solver(name: str, length: int) -> Certificate:
    circuit = load_circuit(shipped_path(name))
    result = distill(circuit, listed_domain(circuit, length), backend=get("z3"), seconds=60)
    found = certify(result, shipped_path(name))
    assert found is not None
    return found


def _of_network(rng: Random) -> Certificate:
    made = make(rng, str(rng.choice(FORMATS)), str(rng.choice(["plain", "plain", "whole"])))
    asked = {} if made.format == "circuit" else made.question  # a circuit says what it is asked
    with tempfile.TemporaryDirectory() as scratch:
        loaded = load(made.write(Path(scratch) / "made"), Question(**asked))
    domain, semantics = shortened(loaded.domain, 30), str(rng.choice(["real", "float64", "float32"]))
    question = _question("network", loaded, domain, semantics, None, float(rng.choice([0.0, 1e-4])))
    files = {PROGRAM: _program(rng, loaded).encode(), **{f"network/{n}": content for n, content in made.files.items()}}
    return Certificate(establish(question, files), files)


def _of_sets(rng: Random, kind: str) -> Certificate:
    """What counting or path cover proves of an average, up to the length before it breaks."""
    made = planted.plant(rng, "diluted")
    while not 4 <= made.length <= 8:
        made = planted.plant(rng, "diluted")
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in made.files.items():
            (Path(scratch) / name).write_bytes(content)
        loaded = load(Path(scratch))
    domain = Domain(made.letters, 1, made.length - 1)
    directions = _directions(loaded, domain, dict(made.files)) if kind == "paths" else None
    files = {PROGRAM: made.program.encode(), **{f"network/{n}": content for n, content in made.files.items()}}
    return Certificate(establish(_question(kind, loaded, domain, "float64", directions), files), files)


def _program(rng: Random, loaded: Loaded) -> str:
    """A short program over the network's letters and labels; it is wrong on some sequences."""
    letters, readout = loaded.domain.alphabet, loaded.readout
    if isinstance(readout, Rounded):
        labels = ("0", "1")
    elif isinstance(readout, TokenSet):
        labels = ("{}", "{" + readout.names[0] + "}")
    else:
        labels = readout.names
    a, b = (repr(str(rng.choice(letters))) for _ in range(2))
    yes, no = (repr(labels[n]) for n in rng.permutation(len(labels))[:2])
    if readout.position == "every":
        return f"def program(tokens: list[str], i: int) -> str:\n    return {yes} if tokens[i] == {a} else {no}\n"
    test = str(rng.choice([
        f"tokens.count({a}) > {rng.integers(3)}", f"{a} in tokens", f"tokens.count({a}) >= tokens.count({b})",
        f"len(tokens) % 2 == {rng.integers(2)}", f"tokens.count({a}) + 1 < len(tokens)", "len(tokens) < 3",
    ]))  # fmt: skip
    return f"def program(tokens: list[str]) -> str:\n    return {yes} if {test} else {no}\n"


# --- changes --------------------------------------------------------------------------------------------------------


def _changed(rng: Random, kind: str, statement: dict[str, Any], files: dict[str, bytes]) -> tuple[str, Parts] | None:
    """What was done, the parts then, and whether the manifest is to be computed again; None if nothing changed."""
    way = str(rng.choice(["entry", "entry", "entry", "program", "weights", "network", "files", "bytes", "question"]))
    before = json.dumps(statement), dict(files)
    match way:
        case "entry":
            what = _entry(rng, statement)
            if kind != "solver" and rng.random() < 0.6:
                _follow(statement)
        case "program":
            what = _edit_program(rng, files)
        case "weights":
            what = _edit_weights(rng, files)
        case "network":
            what = _edit_json(rng, files)
        case "files":
            what = _edit_files(rng, files)
        case "bytes":
            return UNSEALED, (statement, files)
        case _:
            if kind == "solver":
                return None
            what = "the question " + _entry(rng, question := {name: statement[name] for name in GIVEN})
            try:
                statement.clear()
                statement |= establish(question, files, 5.0)
            except (Rejected, UnreadableError, LookupError, TypeError, AttributeError, ValueError, ArithmeticError):
                return None
    if way in ("weights", "network") and rng.random() < 0.9:
        _reseal(statement, files)
    if (json.dumps(statement), files) == before:
        return None
    return what, (statement, files)


def _entry(rng: Random, statement: dict[str, Any]) -> str:
    """Change one entry, however deep."""
    at: Any = statement
    path: list[Any] = []
    while True:
        keys = [*at] if isinstance(at, dict) else [*range(len(at))]
        key = keys[int(rng.integers(len(keys)))]
        path.append(key)
        if not isinstance(at[key], dict | list) or not at[key] or rng.random() < 0.3:
            break
        at = at[key]
    old = at[key]
    if rng.random() < 0.1:
        if isinstance(at, dict):
            at.pop(key)
        else:
            at.insert(int(rng.integers(len(at) + 1)), copy.deepcopy(old))
        return f"{path} dropped or doubled"
    at[key] = _other(rng, old)
    return f"{path}: {str(old)[:60]!r} became {str(at[key])[:60]!r}"


def _other(rng: Random, old: Any) -> Any:
    match old:
        case bool():
            return not old
        case int():
            return old + int(rng.choice([-1, 1, 2, -old, 10, 1000]))
        case float():
            return float(
                rng.choice(
                    [old * 1.00001, old * 0.99999, old * 1.06, old * 2, -old, 0.0, old * (1 + 2.0**-40), old / 2]
                )
            )
        case str():
            nudged = re.sub(r"\d+", lambda m: str(int(m[0]) + int(rng.integers(1, 4))), old, count=1)
            return str(
                rng.choice(
                    [nudged, old + " ", old[:-1], old.upper(), "real", "float32", "float64", "network", "last", "every"]
                )
            )
        case list() if old:
            match int(rng.integers(4)):
                case 0:
                    return old[:-1]
                case 1:
                    return [*old, copy.deepcopy(old[int(rng.integers(len(old)))])]
                case 2:
                    return [old[n] for n in rng.permutation(len(old))]
            return [*old[1:], _other(rng, old[0])]
        case dict() if old:
            keys = [*old]
            match int(rng.integers(3)):
                case 0:
                    return {k: old[k] for k in keys[1:]}
                case 1:  # values go round
                    return dict(zip(keys, [old[k] for k in [*keys[1:], keys[0]]], strict=True))
            return {**old, "more": 1}
    return rng.choice([0, 1]).item() if rng.random() < 0.5 else []


def _follow(statement: dict[str, Any]) -> None:
    """What follows from the rest, as the checker words it: the sentence, and sums."""
    try:
        statement["inputs"] = sum(statement["labels"].values()) + len(statement["undecided"])
        claim = statement["claim"]
        statement["claim"] = evidence._sentence(statement, claim[claim.index("; tokens ") + 2 : -1])
        statement["assumption"] = "" if statement["semantics"] == "real" else evidence.ASSUMPTION
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        pass


def _reseal(statement: dict[str, Any], files: Mapping[str, bytes]) -> None:
    """Hashes of the network's files as they are now."""
    if "sha256" in statement:
        stored = {name.removeprefix("network/"): c for name, c in files.items() if name.startswith("network/")}
        statement["sha256"] = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(stored.items())}
    elif "circuit_sha256" in statement:
        sums = hashlib.sha256()
        for name in ("circuit.json", "weights.safetensors"):
            content = files.get(f"circuit/{name}", b"")
            sums.update(f"{name} {len(content)}\n".encode() + content)
        statement["circuit_sha256"] = sums.hexdigest()


SWAPS = (("==", "!="), (" > ", " >= "), (" >= ", " > "), (" < ", " <= "), (" in ", " not in "), (" and ", " or "),
         (" + ", " - "), ("% 2", "% 3"), ("count", "index"), ("tokens.count", "tokens .count"), ("len(", "max("),
         ("return ", "return  "), ("program", "prog"), ("tokens[-1]", "tokens[0]"), (" if ", " if not "),
         ("str:", "int:"))  # fmt: skip


def _edit_program(rng: Random, files: dict[str, bytes]) -> str:
    """A small edit of the text: another operator, constant or name."""
    text = files[PROGRAM].decode()
    ways: list[tuple[str, str]] = [(old, new) for old, new in SWAPS if old in text]
    names = [*dict.fromkeys(re.findall(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", text))]
    ways += [(old, new) for old in names for new in names if old != new]
    ways += [(old, str(int(old) + step)) for old in dict.fromkeys(re.findall(r"\b\d+\b", text)) for step in (-1, 1, 2)]
    old, new = ways[int(rng.integers(len(ways)))]
    places = [found.start() for found in re.finditer(re.escape(old), text)]
    at = places[int(rng.integers(len(places)))]
    files[PROGRAM] = (text[:at] + new + text[at + len(old) :]).encode()
    return f"program: {old!r} became {new!r}"


def _edit_weights(rng: Random, files: dict[str, bytes]) -> str:
    """One number, or one row, of one tensor."""
    name = str(rng.choice(sorted(n for n in files if n.endswith((*ARRAYS, "smt_weights.json")))))
    tensors = _tensors(name, files[name])
    if not tensors:
        return ""
    key = sorted(tensors)[int(rng.integers(len(tensors)))]
    tensor = tensors[key]
    at = tuple(int(rng.integers(size)) for size in tensor.shape)
    old = tensor[at]
    match int(rng.integers(7)):
        case 0:
            tensor[at] = np.nextafter(old, tensor.dtype.type(rng.choice([-np.inf, np.inf])))
        case 1 | 2:
            tensor[at] = old * (1 + 10.0 ** rng.uniform(-7, -1.2) * rng.choice([-1, 1]))
        case 3:
            tensor[at] = -old
        case 4:
            tensor[at] = 0
        case 5:
            tensor[...] = tensor[rng.permutation(len(tensor))]
        case _:
            tensor[at] = old + rng.normal()
    files[name] = _packed(name, files[name], {key: np.ascontiguousarray(t) for key, t in tensors.items()})
    return f"weights: {key}{list(at)} was {old!r}"


ARRAYS = (".safetensors", "final_model.pt", "mean_baseline_pretrain.pt")  # ends of names of files of tensors


def _tensors(name: str, content: bytes) -> dict[str, NDArray[Any]]:
    """The tensors in a file, to be changed."""
    if name.endswith(".safetensors"):
        return {key: tensor.copy() for key, tensor in safetensors.numpy.load(content).items()}
    if name.endswith(".pt"):
        return {key: t.numpy().copy() for key, t in torch.load(io.BytesIO(content), weights_only=True).items()}
    return {key: np.array(value, np.float64) for key, value in json.loads(content).items() if isinstance(value, list)}


def _packed(name: str, content: bytes, tensors: dict[str, NDArray[Any]]) -> bytes:
    """The file with these tensors in place of those in ``content``."""
    if name.endswith(".safetensors"):
        return safetensors.numpy.save(tensors)
    if name.endswith(".pt"):
        stream = io.BytesIO()
        torch.save({key: torch.from_numpy(t) for key, t in tensors.items()}, stream)
        return stream.getvalue()
    return json.dumps(json.loads(content) | {key: t.tolist() for key, t in tensors.items()}).encode()


def _edit_json(rng: Random, files: dict[str, bytes]) -> str:
    """One entry of one of the network's JSON files."""
    names = [n for n in files if n.endswith(".json") and n != MANIFEST]
    name = names[int(rng.integers(len(names)))]
    value = json.loads(files[name])
    if not value:
        return ""
    what = _entry(rng, value)
    files[name] = json.dumps(value).encode()
    return f"{name}: {what}"


def _edit_files(rng: Random, files: dict[str, bytes]) -> str:
    """A file more, or one less, or two exchanged."""
    names = [*files]
    name = names[int(rng.integers(len(names)))]
    match int(rng.integers(4)):
        case 0:
            files.pop(name)
            return f"{name} left out"
        case 1:
            new = str(
                rng.choice(
                    ["README.md", "network/more.json", "program2.py", "network/config.json", "queries/length-009.smt2"]
                )
            )
            files[new] = b"{}"
            return f"{new} added"
        case 2:
            other = names[int(rng.integers(len(names)))]
            files[name], files[other] = files[other], files[name]
            return f"{name} and {other} exchanged"
    files[name] = files[name] + b"\n"
    return f"{name} longer by a line"


def _flipped(rng: Random, folder: Path) -> str:
    """Change one byte of one file, with the manifest as it was, or a digit of the manifest; empty for no change.

    In a program it is the first letter of the function's name, which changes nothing but the text.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    name = str(rng.choice([MANIFEST, PROGRAM, names[int(rng.integers(len(names)))]]))
    content = bytearray((folder / name).read_bytes() or b"\0")
    if name == MANIFEST:
        digits = [n for n, byte in enumerate(content) if chr(byte).isdigit()]
        at = digits[int(rng.integers(len(digits)))]
        before, content[at] = json.loads(content), ord("0") + int(rng.integers(10))
        with suppress(ValueError):
            if json.loads(content) == before:
                return ""
    elif name == PROGRAM:
        content[content.index(b"def ") + 4] = ord("z")
    else:
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    (folder / name).write_bytes(bytes(content))
    return f"a changed byte of {name}"
