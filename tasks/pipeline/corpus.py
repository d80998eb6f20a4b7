"""Solved programs that others may learn from: found in a folder, or by distilling the shipped circuits.

In a folder and the folders in it, three kinds of things are read:

    certificate folders           the printed program; tokens and labels are those of the statement
    *.json                        what ``distill run --json`` printed
    corpus.json                   programs by hand: [{"program": "rule.py", "alphabet": ["a", "b"], "labels": ["x"]}],
                                  each with "min_length" where that is not 1

A program is read back in the grammar that ships for its tokens and labels, and nothing is run. What is none of that
grammar, such as an automaton, is left out, with the reason.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cegis import Domain, DomainError, Found, Program
from cegis.certificate import MANIFEST, Certificate, CertificateError
from dsl.operators import GrammarError
from tasks.formats import Question, load
from tasks.formats.circuit_folder import SHIPPED as CIRCUITS
from tasks.formats.circuit_folder import circuit_folder, load_circuit
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.distill import distill
from tasks.pipeline.labels import grammar_of
from tasks.pipeline.report import SCHEMA

SHIPPED = "shipped"
BY_HAND, PROGRAM = "corpus.json", "program.py"
SECONDS, LENGTH = 20.0, 8  # of the distillation of a shipped circuit
MOST_FILES, MOST_BYTES = 10_000, 1 << 26
Unread = (GrammarError, DomainError, CertificateError, NetworkError, OSError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class Corpus:
    """``programs`` that were read, and where something was ``left_out``, with the reason; ``alphabets`` in all."""

    programs: tuple[Program, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def alphabets(self) -> int:
        """How many different ones the programs have."""
        return len({program.grammar.sequences.alphabet for program in self.programs})


def corpus(sources: tuple[str, ...], *, seed: int = 0) -> Corpus:
    """The programs of all ``sources``: folders, or ``SHIPPED``; the same program twice counts once.

    Raises GrammarError for a source that is neither.
    """
    programs: dict[tuple[str, Any], Program] = {}
    left_out: list[tuple[str, str]] = []
    for source in sources:
        if source != SHIPPED and not Path(source).is_dir():
            raise GrammarError(f"expected a folder of solved programs, or {SHIPPED!r}, got {source!r}")
        for where, found in _shipped(seed) if source == SHIPPED else _in_folder(Path(source)):
            if isinstance(found, Program):
                programs.setdefault((found.source(), found.grammar.signature), found)
            else:
                left_out.append((where, found))
    return Corpus(tuple(programs.values()), tuple(left_out))


def _shipped(seed: int) -> Iterator[tuple[str, Program | str]]:
    for folder in sorted(path for path in CIRCUITS.iterdir() if path.is_dir()):
        model = load(circuit_folder(folder.name), Question())
        longest = min(LENGTH, model.domain.max_length or LENGTH)
        result = distill(model, model.domain.up_to(longest), seconds=SECONDS, seed=seed)
        where = f"circuit {folder.name}"
        exact = [result.program, result.beside] if isinstance(result.outcome, Found) else []
        texts = [program.source("program") for program in exact if program is not None]
        tries = [_read(where, text, model.domain, result.labels.names) for text in texts]
        yield where, next((one for one in tries if isinstance(one, Program)), "no expression equals it")


def _in_folder(folder: Path) -> Iterator[tuple[str, Program | str]]:
    files = sorted(path for path in folder.rglob("*.json") if path.is_file())
    if len(files) > MOST_FILES:
        raise GrammarError(f"{folder}: expected at most {MOST_FILES:,} files of JSON, got {len(files):,}")
    certified = {path.parent for path in files if path.name == MANIFEST}
    for path in files:
        if path.parent in certified and path.name != MANIFEST:
            continue
        if any(parent in certified for parent in path.parent.parents):
            continue  # the network's own files
        where = str(path.relative_to(folder))
        try:
            yield from _of_file(path, where)
        except Unread as error:
            yield where, f"cannot be read: {error}"


def _of_file(path: Path, where: str) -> Iterator[tuple[str, Program | str]]:
    if path.name == MANIFEST:
        yield where, _certified(path.parent, where)
        return
    if path.stat().st_size > MOST_BYTES:
        yield where, f"expected at most {MOST_BYTES >> 20} MB"
        return
    value = json.loads(path.read_text(encoding="utf-8"))
    if path.name == BY_HAND:
        for row in value:
            text = (path.parent / row["program"]).read_text(encoding="utf-8")
            least = row.get("min_length", 1)
            domain = Domain(tuple(row["alphabet"]), least, max(least, 1))
            yield f"{where}: {row['program']}", _read(where, text, domain, tuple(row["labels"]))
    elif isinstance(value, dict) and value.get("schema") == SCHEMA:
        if value["outcome"] != "found" or not value["program"]:
            yield where, "no exact program"
            return
        least, most = value["lengths"]
        domain = Domain(tuple(value["alphabet"]), least, most)
        yield where, _read(where, value["program"], domain, tuple(value["labels"]))


def _certified(folder: Path, where: str) -> Program | str:
    """The program of a certificate, of which nothing is checked here but that it is whole."""
    certificate = Certificate.load(folder)
    statement, text = certificate.statement, certificate.files[PROGRAM].decode()
    if "kind" not in statement:
        circuit = load_circuit(folder / "circuit")
        return _read(where, text, Domain(circuit.domain.alphabet, 1, 1), circuit.labels)
    least, most = statement["lengths"]
    readout = statement["readout"]
    names = readout["names"] if readout["kind"] == "argmax" else sorted(statement["labels"])
    return _read(
        where, text, Domain(tuple(statement["alphabet"]), least, least if most is None else most), tuple(names)
    )


def _read(where: str, text: str, domain: Domain, labels: tuple[str, ...]) -> Program | str:
    """The program of a text, or why it is none."""
    try:
        functions = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef)]
        is_placed = bool(functions) and len(functions[-1].args.args) == 2
        return Program.parse(text, grammar_of(domain, labels, is_placed))
    except (GrammarError, DomainError, SyntaxError, ValueError, RecursionError) as error:
        return str(error)
