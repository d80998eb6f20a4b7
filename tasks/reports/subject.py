"""What a page is about: the JSON values of a result, its network where that is at hand, and what is known by length.

Three things become a page: a result of any kind, the JSON values that ``distill run --json`` printed, a certificate.
The last two are a stranger's: what they state is repeated as stated, with a word on whether it was checked.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cegis import Constraint, Domain, DomainError, Operands
from cegis.certificate import MANIFEST, Certificate
from cegis.claim import counted
from cegis.streams import Streams
from tasks.certificates.independent import stored_files
from tasks.checker.formats import FILES
from tasks.formats import Loaded, Question, load
from tasks.formats.circuit_folder import shipped_names, shipped_path
from tasks.networks.model import BlackBox
from tasks.networks.number_streams import NumberStreams
from tasks.networks.readout import UNDECIDED, Argmax, Readout, Rounded, TokenSet
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.distill import Distilled
from tasks.pipeline.labels import length_of
from tasks.pipeline.report import SCHEMA, distillation_json, labelled_sentence, region_sentence, rule_sentence, stated
from tasks.pipeline.result import Together
from tasks.pipeline.sequences import Distillation
from tasks.proofs.enumeration import enumerate_domain, shortened

FEW = 20_000  # sequences that are bounded again for a result that was read
MOST_BYTES = 1 << 26  # of a file with a result
MOST_LENGTHS = 64  # in plots and tables
RUNGS_OF_KINDS = {"network": "enumerated", "counts": "bounded", "paths": "bounded", "all_lengths": "all lengths",
                  "pairs": "bounded", "affine": "bounded", "boxes": "bounded", "orbits": "bounded"}  # fmt: skip
State = Literal["equal", "together", "differs", "open"]


@dataclass(frozen=True)
class LengthRow:
    """What is known of the sequences of one length.

    ``state``: "equal" where each was looked at by itself, "together" where all were proved at once, "differs" where an
    exception is known, "open" where nothing is known. ``margin``: the least of those with a label, net of rounding.
    """

    length: int
    sequences: int
    state: State
    undecided: int = 0
    margin: float | None = None
    exceptions: int = 0


@dataclass(frozen=True)
class Subject:
    """``values``: as ``distillation_json`` says; ``origin``: where they come from, in a sentence; empty for a run here.

    ``commands``: what to type to have the same again; ``hashes``: SHA-256 of the network's files.
    ``sentences``: what is known of ``rule``, ``region`` and ``labelled``, where that was worded.
    """

    values: Mapping[str, Any]
    model: Loaded | None
    rows: tuple[LengthRow, ...] = ()
    origin: str = ""
    is_checked: bool = True
    commands: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    error_bound: float | None = None
    sentences: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What its inputs are: sequences, streams or pairs."""
        return str(self.values.get("kind", "sequences"))

    @property
    def name(self) -> str:
        """What the network is called."""
        return str(self.values.get("network", ""))

    @property
    def program(self) -> str:
        """The printed function; empty where there is none."""
        return str(self.values.get("program") or "")


def of_distillation(
    result: Distilled, folder: Path | None = None, commands: tuple[str, ...] = (), certificate: str | None = None
) -> Subject:
    """A result of this process; ``folder``: where the network's files lie."""
    model = _loaded(folder) if isinstance(result.model, NumberStreams) else result.model
    told: dict[str, Any] = {"commands": commands, "hashes": _hashes(model, folder)}
    values = distillation_json(result, certificate)
    if isinstance(result, Together):
        return Subject(values, model, _rows_together(result.asked, result), **told)
    radius, sentences = result.labels.enumeration.radius, _sentences(result)
    return Subject(values, model, _rows_of(result), error_bound=radius, sentences=sentences, **told)


def _loaded(folder: Path | None) -> Loaded | None:
    """The network of numbers in a folder, as one of tokens; None where it has more of these than a domain."""
    try:
        return None if folder is None else load(folder)
    except (NetworkError, DomainError):
        return None


def _sentences(result: Distillation) -> dict[str, str]:
    """What stands above the functions that a page shows beside the program."""
    found: dict[str, str] = {}
    if result.rule is not None:
        found["rule"] = rule_sentence(result)
        if result.rule.where is not None:
            found["region"] = region_sentence(result)
    if result.labelled_iff is not None:
        found["labelled"] = labelled_sentence(result)
    return found


def of_json(file: Path, network: Path | None = None) -> Subject:
    """What ``distill run --json`` or ``distill horizon --json`` wrote into ``file``.

    The network is that in ``network``, the shipped one of that name, or the one in its certificate. Raises NetworkError
    where the file is no such result.
    """
    values = _values(file)
    try:
        folder = network or _folder_of(values)
        kind = values.get("kind", "sequences")
        model = None if folder is None else _model(folder, values) if kind == "sequences" else _loaded(folder)
        rows = () if model is None or kind != "sequences" else _rows_again(model, values)
    except (NetworkError, DomainError):
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NetworkError(f"{file}: its values are not those of a result ({type(error).__name__})") from error
    return Subject(values, model, rows, stated(file.name), False, (), _hashes(model, folder))


def of_certificate(folder: Path, holds: bool | None = None) -> Subject:
    """What the certificate in ``folder`` states; ``holds``: what its check said, None where there was none."""
    certificate = Certificate.load(folder)
    statement, program = certificate.statement, certificate.files.get("program.py", b"").decode(errors="replace")
    is_independent = "kind" in statement
    try:
        stated_as = _of_pairs if statement.get("kind") == "pairs" else _independent if is_independent else _by_solver
        values = stated_as(statement, program)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NetworkError(f"{folder}: its statement is not one of a network ({type(error).__name__})") from error
    source, no_rows = folder / ("network" if is_independent else "circuit"), tuple[LengthRow, ...]()
    try:
        if values.get("kind") == "pairs":
            model, rows = load(source), no_rows
        else:
            model = load(source, _question(statement)) if is_independent else load(source)
            model = replace(model, name=values["network"], domain=_domain(statement, model.domain))
            rows = _rows_again(model, values)
    except (NetworkError, DomainError, LookupError, TypeError, ValueError):
        model, rows = None, no_rows
    commands = (f"distill check {folder}",)
    hashes = {name: _sha256(content) for name, content in certificate.files.items() if not name.startswith("queries/")}
    return Subject(values, model, rows, stated(folder.name, holds), bool(holds), commands, hashes)


def is_certificate(path: Path) -> bool:
    """Whether a folder says that it is one."""
    return (path / MANIFEST).is_file()


# --- a result that was read --------------------------------------------------------------------------------------


def _values(file: Path) -> dict[str, Any]:
    """The JSON values of a file, as far as a page relies on them."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise NetworkError(f"{file}: expected a result of at most {MOST_BYTES >> 20} MB")
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(f"{file}: expected what distill run --json prints, cannot read it: {error}") from error
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        got = values.get("schema") if isinstance(values, dict) else type(values).__name__
        raise NetworkError(f"{file}: expected what distill run --json prints, of the schema {SCHEMA}, got {got!r:.80}")
    wrong = [name for name, kinds in EXPECTED.items() if not isinstance(values.get(name), kinds)]
    wrong += [] if wrong or _has_parts(values) else ["claims, exceptions or lengths"]
    if wrong:
        raise NetworkError(f"{file}: its entry {wrong[0]} is not what distill run --json prints; write it again")
    return values


EXPECTED: dict[str, Any] = {
    "network": str,
    "format": str,
    "alphabet": list,
    "constraint": (str, type(None)),
    "lengths": list,
    "asked": list,
    "labels": list,
    "label_counts": dict,
    "semantics": str,
    "sentence": str,
    "program": (str, type(None)),
    "claims": list,
    "exceptions": list,
    "exception_count": int,
    "horizon": (int, type(None)),
    "proved": bool,
    "outcome": str,
    "steps": list,
    "notes": list,
    "assumptions": list,
    "not_applied": dict,
}


def _has_parts(values: Mapping[str, Any]) -> bool:
    """Whether the parts inside lists and objects are what a page takes them for."""
    claims = all(
        isinstance(c, dict) and {"rung", "sentence", "semantics", "lengths"} <= c.keys() and _are_lengths(c["lengths"])
        for c in values["claims"]
    )
    exceptions = all(isinstance(e, dict) and isinstance(e.get("inputs"), list) for e in values["exceptions"])
    return claims and exceptions and _are_lengths(values["lengths"]) and _are_lengths(values["asked"])


def _are_lengths(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and type(value[0]) is int
        and (value[1] is None or type(value[1]) is int)
    )


def _folder_of(values: Mapping[str, Any]) -> Path | None:
    """Where the network of a result lies, if that can be found."""
    certificate = values.get("certificate")
    if isinstance(certificate, str):
        for inner in ("circuit", "network"):
            if (Path(certificate) / inner).is_dir():
                return Path(certificate) / inner
    if values["format"] == "circuit" and values["network"] in shipped_names():
        return shipped_path(values["network"])
    return None


def _model(folder: Path, values: Mapping[str, Any]) -> Loaded | None:
    """The network of a result, with the tokens and lengths that the result is about; None where that cannot be."""
    model = load(folder, Question(alphabet=tuple(values["alphabet"])))
    shortest, longest = values["lengths"]
    own = model.domain.constraint.text if model.domain.constraint else None
    if own != values["constraint"] or longest is None:
        return model
    return replace(model, domain=Domain(model.domain.alphabet, shortest, longest, model.domain.constraint))


# --- what certificates state -------------------------------------------------------------------------------------


def _independent(statement: Mapping[str, Any], program: str) -> dict[str, Any]:
    """The statement of a certificate that the independent checker checks, as the values of a result."""
    exceptions = [
        {"inputs": words if place is None else [words, place], "network": expected, "program": got}
        for words, place, expected, got in statement["exceptions"]
    ]
    lengths = list(statement["lengths"])
    rung = "all lengths" if lengths[1] is None else RUNGS_OF_KINDS[statement["kind"]]
    claim = str(statement["claim"])
    return _as_values(
        statement,
        network=str(statement["network"]),
        format=str(statement["format"]),
        labels=list(statement["labels"] or ()),
        label_counts={label: count for label, count in (statement["labels"] or {}).items() if count is not None},
        semantics=str(statement["semantics"]),
        constraint=None,
        sentence=f"{claim[:1].upper()}{claim[1:]}",
        program=program,
        exceptions=exceptions,
        without_label=len(statement["undecided"]),
        claims=[
            {
                "rung": rung,
                "sentence": claim.removeprefix("the program ").rstrip("."),
                "semantics": str(statement["semantics"]),
                "lengths": lengths,
                "sequences": statement["sequences"],
                "seconds": None,
                "assumption": str(statement["assumption"]),
            }
        ],
        assumptions=[str(statement["assumption"])] if statement["assumption"] else [],
    )


def _of_pairs(statement: Mapping[str, Any], program: str) -> dict[str, Any]:
    """The statement of a certificate about all pairs of two numbers, as the values of a result."""
    base = int(statement["operands"]["base"])
    pairs = int(statement["pairs"])
    whole = {"alphabet": [*map(str, range(base))], "exceptions": [], "undecided": [], "sequences": pairs, "labels": {}}
    found = _independent({**statement, **whole}, program)
    shown = f"{counted(pairs)} pairs of numbers a, b"
    return found | {"kind": "pairs", "asked_in_words": shown, "operands": dict(statement["operands"])}


def _by_solver(statement: Mapping[str, Any], program: str) -> dict[str, Any]:
    """The statement of a certificate with a solver's queries, as the values of a result."""
    claims = [dict(claim) | {"seconds": None} for claim in statement["claims"]]
    sentence = f"The program {claims[-1]['sentence']}." if claims else ""
    return _as_values(
        statement,
        network=str(statement["circuit"]),
        format="circuit",
        labels=list(statement["labels"]),
        label_counts={},
        semantics=str(claims[-1]["semantics"]) if claims else "",
        constraint=statement["constraint"],
        sentence=sentence,
        program=program,
        exceptions=[],
        without_label=0,
        claims=claims,
        assumptions=[str(claim["assumption"]) for claim in claims if claim["assumption"]],
    )


def _as_values(statement: Mapping[str, Any], *, exceptions: list[Any], **values: Any) -> dict[str, Any]:
    """What all certificates have in common."""
    lengths = list(statement["lengths"])
    count = statement["exceptions"] if isinstance(statement["exceptions"], int) else len(exceptions)
    horizon = min((len(sequence_of(e["inputs"])) - 1 for e in exceptions), default=lengths[1])
    return values | {
        "schema": SCHEMA,
        "alphabet": list(statement["alphabet"]),
        "lengths": lengths,
        "asked": lengths,
        "sequences": statement["sequences"],
        "inputs": statement.get("inputs", statement["sequences"]),
        "margin": statement["margin"],
        "outcome": "differs" if count else "found",
        "proved": not count and not values["without_label"],
        "exceptions": exceptions,
        "exception_count": count,
        "horizon": None if count and not exceptions else horizon,
        "rung": values["claims"][-1]["rung"] if values["claims"] else "",
        "steps": [],
        "notes": [],
        "not_applied": {},
        "depends_on": [],
        "extension": None,
        "rule": None,
        "certificate": None,
    }


def _question(statement: Mapping[str, Any]) -> Question:
    """What a statement asks of its network."""
    return Question(
        alphabet=tuple(statement["alphabet"]),
        prefix=tuple(statement["prefix"]),
        suffix=tuple(statement["suffix"]),
        readout=_readout(statement["readout"]),
    )


def _readout(value: Mapping[str, Any]) -> Readout:
    names, columns, position = tuple(value["names"]), tuple(value["columns"]), value["position"]
    match value["kind"]:
        case "argmax":
            return Argmax(names, columns, position)
        case "set":
            return TokenSet(names, columns, position=position)
    return Rounded(columns[0], value["denominator"], position)


def _domain(statement: Mapping[str, Any], own: Domain) -> Domain:
    """The sequences that a statement is about, as far as the network takes them."""
    shortest, longest = statement["lengths"]
    constraint, automaton = own.constraint, statement.get("automaton")
    if "kind" in statement:
        constraint = None
        if automaton is not None:
            rows = tuple(map(tuple, automaton["transitions"]))
            constraint = Constraint("those of the statement", rows, tuple(automaton["accepting"]))
    most = own.max_length if longest is None else min(longest, own.max_length or longest)
    return Domain(tuple(statement["alphabet"]), shortest, most, constraint)


# --- by length ---------------------------------------------------------------------------------------------------


def _rows_of(result: Distillation) -> tuple[LengthRow, ...]:
    """What a result knows of each length: listed ones, then those beyond."""
    table, extension = result.labels, result.extension
    wrong = Counter(length_of(exception.inputs) for exception in result.exceptions)
    rows: list[LengthRow] = []
    for length, part, answers in zip(result.domain.lengths, table.parts, table.enumeration.lengths, strict=True):
        given = part.expected.ravel() >= 0
        margins = answers.margins.ravel()[given]
        state: State = "differs" if wrong[length] else "equal" if result.program is not None else "open"
        rows.append(
            LengthRow(
                length,
                result.domain.count(length),
                state,
                int((~given).sum()),
                float(margins.min()) if margins.size else None,
                wrong[length],
            )
        )
    if extension is not None and extension.where is None:
        found, broken = extension.found, extension.found.counterexample
        beyond = range(result.domain.lengths[-1] + 1, extension.domain.lengths[-1] + 1)
        for length in beyond:
            breaks = broken is not None and length_of(broken.inputs) == length
            state = "together" if length <= found.equal_up_to else "differs" if breaks else "open"
            rows.append(LengthRow(length, extension.domain.count(length), state, exceptions=int(breaks)))
    elif result.asked != result.domain:
        beyond = range(result.domain.lengths[-1] + 1, result.asked.lengths[-1] + 1)
        rows += [LengthRow(length, result.asked.count(length), "open") for length in beyond]
    return tuple(row for row in rows if row.sequences)[:MOST_LENGTHS]


def _rows_together(asked: Operands | Streams, result: Together) -> tuple[LengthRow, ...]:
    """What is known of streams of each length; nothing of pairs, whose prompts all have one."""
    if isinstance(asked, Operands):
        return ()
    proved = result.claims[0].domain.max_length if result.claims else 0
    broken = None if result.broken is None else len(result.broken.inputs)
    last = MOST_LENGTHS if asked.max_length is None else max(asked.max_length, proved or 0, broken or 0)
    rows: list[LengthRow] = []
    for length in range(1, min(last, MOST_LENGTHS) + 1):
        is_equal, breaks = proved is None or length <= proved, length == broken
        state: State = "together" if is_equal else "differs" if breaks else "open"
        rows.append(LengthRow(length, asked.each**length, state, exceptions=int(breaks)))
    return tuple(rows)


def _rows_again(model: Loaded, values: Mapping[str, Any]) -> tuple[LengthRow, ...]:
    """Margins bounded again, as far as sequences are few; whether the two are equal is what ``values`` say."""
    domain, horizon = shortened(model.domain, FEW), values["horizon"]
    if values["lengths"][1] is None and not values["exception_count"] and values["proved"]:
        horizon = model.domain.lengths[-1]  # and beyond
    if not domain.size() or values.get("format") == "black box" or isinstance(model.network, BlackBox):
        return ()
    known = Counter(len(sequence_of(exception["inputs"])) for exception in values["exceptions"])
    rows: list[LengthRow] = []
    for answers in enumerate_domain(model, domain).lengths:
        length = answers.sequences.shape[1]
        given = answers.labels.ravel() != UNDECIDED
        margins = answers.margins.ravel()[given]
        is_equal = horizon is not None and length <= horizon
        state: State = "differs" if known[length] else "equal" if is_equal else "open"
        least = float(margins.min()) if margins.size and np.isfinite(margins.min()) else None
        rows.append(
            LengthRow(length, len(answers.sequences), state, int((~given).sum()), least, known[length])
        )  # fmt: skip
    for length in range(domain.lengths[-1] + 1, model.domain.lengths[-1] + 1):
        state = "differs" if known[length] else "together" if horizon is not None and length <= horizon else "open"
        rows.append(LengthRow(length, model.domain.count(length), state, exceptions=known[length]))
    return tuple(row for row in rows if row.sequences)[:MOST_LENGTHS]


def sequence_of(inputs: Any) -> list[Any]:
    """The sequence of an input: of one with a place in it, the first part."""
    return inputs[0] if len(inputs) == 2 and isinstance(inputs[0], list) else inputs


def _hashes(model: Loaded | None, folder: Path | None) -> dict[str, str]:
    """SHA-256 of the files that make the network, by name."""
    if model is None or folder is None or (model.format not in FILES and not model.files):
        return {}
    try:
        return {name: _sha256(content) for name, content in stored_files(model, folder).items()}
    except OSError:
        return {}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
