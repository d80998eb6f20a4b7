"""Check a certificate without trusting how it was made.

Neither the search nor the surrogate fit has a part in it. What prover and check share are the file reader, the
grammar's rows and their formulas, and, in one step, the bounds on rounding; the network step needs none of those.

- *files*: every byte is the one in the manifest;
- *statement*: it says what circuit, domain, exceptions and evidence give, and no word more (``statement``);
- *program*: the printed text is a program of the motif grammar, and prints as the same text again, docstring included;
- *network*: torch runs the circuit in float64 on every sequence, without merging, next to the printed function itself
  (compiled from the text, which the grammar has shown to be harmless); they differ exactly on the listed exceptions;
- *rounding*: the bounds on every execution in float32 are computed again (``circuit_labels``), decide every sequence,
  and decide it as torch did; the stated margin and error bound are theirs;
- *surrogate*: exact integer evaluation agrees with torch on every sequence, and its partial sums stay below 2^24;
- *queries*: each SMT-LIB file is the one that program and surrogate give, and a solver of the checker's choice, best
  another than the prover's, finds it unsatisfiable.
"""

from __future__ import annotations

import builtins
import json
import math
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pysmt.environment import Environment

from backends import Backend, Limits, Sat, Unknown, Unsat, available, decide
from backends.translation import fitting_logic, translate
from cegis import Domain, Program
from cegis.certificate import Certificate, CertificateError
from cegis.symbolic import refutation
from dsl.operators import GrammarError
from dsl.sequences import SymbolicSequence
from tasks.certificates.solver_evidence import query
from tasks.certificates.statement import (
    EXCEPTIONS,
    PROGRAM,
    SURROGATE,
    Subject,
    inhabited,
    known,
    objection,
    query_file,
    solver_lengths,
)
from tasks.formats import from_circuit
from tasks.formats.circuit_folder import JSON_FILE, WEIGHTS_FILE, load_circuit, weights_sha256
from tasks.networks.circuit import Circuit
from tasks.networks.quoting import NAME, named
from tasks.pipeline.labels import grammar_of
from tasks.pipeline.report import identifier
from tasks.pipeline.surrogate import surrogate_name
from tasks.proofs.circuit_labels import label_domain
from tasks.proofs.select import listed_domain
from tasks.surrogates.relu import Surrogate

BUILTINS = ("any", "enumerate", "len", "list", "max", "min", "next", "str", "sum", "zip")


@dataclass(frozen=True)
class Checked:
    """One step of a check: whether it holds, what was seen, and its cost. An open step neither holds nor fails."""

    name: str
    holds: bool | None
    text: str
    seconds: float


@dataclass(frozen=True)
class SurrogateText:
    """The certified surrogate as a solver's reference."""

    surrogate: Surrogate
    name: str
    semantics: str = ""

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        """The formula "``answer`` is not the surrogate's label"."""
        return self.surrogate.differs(symbols, answer)

    def label(self, sequence: tuple[str, ...]) -> str:
        """Raises CertificateError: labels are torch's to give."""
        raise CertificateError("a certificate's surrogate is not a source of labels")


def check(
    folder: Path, backend: Backend, *, seconds: float = 120.0, on_step: Callable[[Checked], None] = lambda step: None
) -> tuple[Checked, ...]:
    """Every step of the check, in order; stops at the first that fails.

    Raises CertificateError when ``folder`` is not a certificate at all or was changed.
    """
    done: list[Checked] = []
    began = time.perf_counter()
    for name, holds, text in _steps(folder, backend, seconds):
        done.append(Checked(name, holds, text, time.perf_counter() - began))
        on_step(done[-1])
        if holds is False:
            break
        began = time.perf_counter()
    return tuple(done)


def other_backend(folder: Path) -> Backend:
    """An installed backend that had no part in the solver proof, if there is one; else one that had.

    A backend that reads the recorded queries as they are (QF_LIA) comes before one that needs them translated.
    """
    used = set(re.findall(r"[\w.-]+", str(Certificate.load(folder).statement.get("claims"))))
    installed = sorted(available(), key=lambda backend: "QF_LIA" not in backend.logics)
    if not installed:
        raise CertificateError("no solver is installed to check the queries with; run: pip install z3-solver cvc5")
    return next((backend for backend in installed if backend.name not in used), installed[0])


def _steps(folder: Path, backend: Backend, seconds: float) -> Iterator[tuple[str, bool | None, str]]:
    deadline, certificate = time.perf_counter() + seconds, Certificate.load(folder)
    yield "files", True, f"{len(certificate.files)} files are the ones in the manifest"
    statement = certificate.statement
    try:
        circuit, digest = _circuit(certificate)
        domain = listed_domain(circuit, int(statement["lengths"][1]))
        listed = {tuple(map(str, e)) for e in json.loads(certificate.files[EXCEPTIONS])}
        text = certificate.files[PROGRAM].decode()
        subject = Subject(circuit, digest, domain, len(listed))
        problem = objection(statement, certificate.files, subject)
        lengths = solver_lengths(statement)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise CertificateError(f"{folder}: the statement cannot be read: {error}") from error
    about = f"{domain.size():,} sequences of length {domain.min_length} to {domain.max_length}"
    fits = f"circuit {named(circuit.name)} ({digest[:12]}), {about}, {len(listed):,} exceptions"
    yield "statement", not problem, problem or fits
    try:
        program = Program.parse(text, grammar_of(domain, circuit.labels))
        printed = program.source(identifier(subject.model.name[:NAME]), known(subject, float(statement["margin"])))
    except GrammarError as error:
        yield "program", False, f"the printed function is not a program of the grammar: {error}"
        return
    if text != printed:
        yield "program", False, "its name, docstring, comments or spaces are not those that are printed for it"
        return
    yield "program", True, f"the printed function is a program of {program.size} operators in the motif grammar"
    network = _execute(circuit, domain)
    yield _network(circuit, domain, network, text, listed)
    yield _rounding(circuit, domain, network, statement["margin"], statement["error_bound"])
    if lengths:
        surrogate = Surrogate.from_json(certificate.files[SURROGATE])
        yield _surrogate(domain, network, surrogate)
        yield from _queries(certificate, circuit, domain, program, surrogate, lengths, backend, deadline)


def _circuit(certificate: Certificate) -> tuple[Circuit, str]:
    """The certified circuit and the hash of its files, loaded like any untrusted circuit."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in (JSON_FILE, WEIGHTS_FILE):
            (Path(scratch) / name).write_bytes(certificate.files[f"circuit/{name}"])
        return load_circuit(Path(scratch)), weights_sha256(Path(scratch))


@dataclass(frozen=True)
class Executed:
    """The circuit run by torch: per length, sequences and winning labels; and the smallest margin of all."""

    lengths: tuple[tuple[NDArray[np.int8], NDArray[np.int64]], ...]
    margin: float


def _execute(circuit: Circuit, domain: Domain) -> Executed:
    import torch  # it takes a second, and only this step needs it

    from tasks.training.torch_model import run_circuit

    torch.set_num_threads(1)  # the matrices are small: threads only wait for each other
    lengths, margin = [], np.inf
    for length in domain.lengths:
        sequences = domain.sequences(length)
        if len(sequences):
            logits = run_circuit(circuit, sequences)
            top = np.sort(logits, axis=1)
            margin = min(margin, float((top[:, -1] - top[:, -2]).min()))
            lengths.append((sequences, logits.argmax(axis=1)))
    return Executed(tuple(lengths), margin)


def _network(
    circuit: Circuit, domain: Domain, network: Executed, text: str, exceptions: set[tuple[str, ...]]
) -> tuple[str, bool, str]:
    function, differing = printed_function(text), set()
    for sequences, winners in network.lengths:
        for row, winner in zip(sequences, winners, strict=True):
            words = domain.words(row)
            if function(list(words)) != circuit.labels[int(winner)]:
                differing.add(words)
    if differing != exceptions:
        first = min(differing ^ exceptions, key=lambda words: (len(words), words))
        return "network", False, f"network and program do not stand as certified on {' '.join(first)!r}"
    seen = sum(len(sequences) for sequences, _ in network.lengths)
    listed = f"except the {len(exceptions):,} listed" if exceptions else "without exception"
    text = f"torch float64 = printed function on all {seen:,} sequences, {listed}; margin {network.margin:.3g}"
    return "network", True, text


def _rounding(
    circuit: Circuit, domain: Domain, network: Executed, margin: float, bound: float
) -> tuple[str, bool, str]:
    again = label_domain(circuit, domain)
    labels = [part.labels for part in again.lengths if len(part.labels)]
    if again.undecided:
        return "rounding", False, f"rounding may decide the label of {' '.join(again.undecided[0])!r}"
    if not all(np.array_equal(mine, winners) for mine, (_, winners) in zip(labels, network.lengths, strict=True)):
        return "rounding", False, "the bounds on rounding name other labels than torch"
    for what, stated, found in (("margin", margin, again.margin), ("error bound", bound, again.radius)):
        if not math.isclose(stated, found, rel_tol=1e-6):  # another machine sums in another order
            return "rounding", False, f"the {what} is {found:.6g}, stated is {stated:.6g}"
    text = f"every label is decided beyond all rounding of float32 and float64, by {again.margin:.3g} or more"
    return "rounding", True, text


def printed_function(text: str) -> Callable[[list[str]], str]:
    """The function that ``text`` defines, with a handful of builtins; parse it with the grammar first."""
    scope: dict[str, Any] = {"__builtins__": {name: getattr(builtins, name) for name in BUILTINS}}
    exec(compile(text, "<program.py>", "exec"), scope)
    functions = [value for name, value in scope.items() if name != "__builtins__"]
    assert len(functions) == 1, "the grammar admits exactly one function"
    return functions[0]  # type: ignore[no-any-return]


def _surrogate(domain: Domain, network: Executed, surrogate: Surrogate) -> tuple[str, bool, str]:
    for sequences, winners in network.lengths:
        wrong = np.flatnonzero(surrogate.labels(sequences) != winners)
        if len(wrong):
            first = " ".join(domain.words(sequences[wrong[0]]))
            return "surrogate", False, f"surrogate and network differ on {first!r}"
    if surrogate.max_length < (domain.max_length or 0):
        return "surrogate", False, f"exact only up to length {surrogate.max_length}, claimed up to {domain.max_length}"
    sums = f"partial sums at most {surrogate.largest_sum:,} < 2^24"
    return "surrogate", True, f"equal to the network on all {domain.size():,} sequences; {sums}"


def _queries(
    certificate: Certificate,
    circuit: Circuit,
    domain: Domain,
    program: Program,
    surrogate: Surrogate,
    stated: tuple[int, int],
    backend: Backend,
    deadline: float,
) -> Iterator[tuple[str, bool | None, str]]:
    reference = SurrogateText(surrogate, surrogate_name(from_circuit(circuit).name))
    lengths = inhabited(domain, stated)
    for length in lengths:
        recorded = certificate.files.get(query_file(length))
        if recorded is None or recorded.decode() != query(domain, reference, program, length):
            yield "queries", False, f"{query_file(length)} is not the query of this program and surrogate"
            return
    environment, logic = Environment(), fitting_logic(backend.logics)
    proved, why = 0, "time limit"
    with backend.open(environment, logic, hard=True) as session:
        for length in lengths:
            left = deadline - time.perf_counter()
            symbols = program.grammar.sequences.symbols(environment.formula_manager, length)
            formula = translate(environment, refutation(domain, symbols, reference, program), logic)
            if left <= 0:
                break
            match decide(session, f"check/length={length}", formula, Limits(seconds=left)):
                case Unsat():
                    proved += 1
                case Sat():
                    yield "queries", False, f"{backend.name} refutes the program at length {length}"
                    return
                case Unknown(reason=why):
                    break
    done = f"{backend.name} {backend.version()} finds {proved} of {len(lengths)} queries unsatisfiable"
    if proved < len(lengths):
        yield "queries", None, f"{done}; {why}"
    else:
        yield "queries", True, f"{done} (lengths {lengths[0]} to {lengths[-1]})"
