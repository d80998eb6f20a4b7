"""How the cost of "program = circuit" grows with length, for four ways of deciding it; one fresh process per question.

    z3, cvc5, bitwuzla      "does a stand-in differ from the program on a sequence of length N?", asked as SMT
    plain enumeration       the circuit on every sequence of length N, in float32 without error bounds (``sweep``)
    bounded enumeration     the same with a rigorous bound on every logit, equal prefixes merged
    counting                all sequences up to N at once, by their token counts (``tasks.proofs.counting``)

The stand-ins: "tied", this project's own surrogate (few units, one set of weights for all positions, fitted to length
10), and "dense", a trained one for each length (``dense``). A solver's answer is about the stand-in: that it equals
the circuit at that length is left to enumeration, which decides the whole question by itself; where there are too many
sequences to list, the dense one was checked on a sample, and a solver may find that it differs. Seconds are CPU seconds
of the question alone, from weights in memory to the answer. A program is the shortest that equals the circuit up to
length 10, or up to length 64 where the search finds one; each method is followed until it fails or the program breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pysmt.environment import Environment

from backends import Limits, Sat, Unknown, decide, get
from backends.translation import fitting_logic, translate
from benchmarks.harness.measure import WALL
from benchmarks.harness.measure import cpu_seconds as _cpu
from benchmarks.harness.row import BenchmarkError, Row, digest
from benchmarks.harness.task import Task
from benchmarks.inputs import reference
from benchmarks.inputs.stand_ins import DENSE, TIED, StandIn, dense_file, only, programs, reaching, stand_in, up_to
from benchmarks.peers import sweep
from cegis import Domain, DomainError, Program, motifs
from cegis.symbolic import refutation
from dsl.sequences import SequenceBatch
from tasks.formats.circuit_folder import load_circuit, weights_sha256
from tasks.networks.circuit import UNDECIDED, Circuit
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.circuit_labels import label_domain, label_sequences
from tasks.proofs.count_bounds import obstacle
from tasks.proofs.counting import counting_verifier

SUITE = "lengths"
LENGTHS = (4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256)
PLAIN, BOUNDED, COUNTING = "plain enumeration", "bounded enumeration", "counting"
EQUAL, DIFFERS, OPEN = "equal", "differs", "undecided"
Report = Callable[..., None]


@dataclass(frozen=True)
class Line:
    """One method on one circuit and program, to be followed to longer and longer sequences.

    ``name``: of the program, "short" or "long"; ``stand_in``: what a solver is asked about, "" for other methods.
    """

    folder: Path
    name: str
    program: str
    method: str
    stand_in: str
    seconds: float
    memory_mb: int

    def task(self, length: int, cache: Path) -> Task | None:
        """The question at ``length``; None where it cannot be asked (no stand-in of that length can be trained)."""
        options = {"circuit": self.folder.name, "name": self.name, "program": self.program, "length": length}
        files = {"circuit": str(self.folder)}
        if self.stand_in:
            made = (
                reference.prepare(self.folder, cache)
                if self.stand_in == TIED
                else dense_file(self.folder, length, cache)
            )
            if made is None:
                return None
            files["surrogate"] = str(made)
            options |= {"stand_in": self.stand_in, "digest": digest(made.read_bytes())}
        else:
            options |= {"stand_in": "", "digest": weights_sha256(self.folder)}
        what = f", {self.stand_in} stand-in" if self.stand_in else ""
        problem = f"{self.folder.name}, {self.name} program{what}, length {length}"
        return Task(SUITE, problem, self.method, 0, self.seconds, options, files, self.memory_mb)


def lines(folders: Sequence[Path], solvers: Sequence[str], seconds: float, memory_mb: int, cache: Path) -> list[Line]:
    """Every method on every circuit and program it applies to. The dense stand-in is asked about short programs."""
    found = []
    for folder in folders:
        counted = [COUNTING] if obstacle(load_circuit(folder)) is None else []
        for name, program in programs(folder, cache).items():
            asked = [(solver, TIED) for solver in solvers]
            asked += [(solver, DENSE) for solver in solvers if name == "short"]
            asked += [(method, "") for method in (PLAIN, BOUNDED, *counted)]
            found += [Line(folder, name, program, *pair, seconds, memory_mb) for pair in asked]
    return found


def climb(found: Sequence[Line], cache: Path, run_round: Callable[[Sequence[Task]], Sequence[Row]]) -> tuple[Row, ...]:
    """Follow every line, all to one length before the next; a line ends where it has no answer, or "differs"."""
    rows: list[Row] = []
    left = list(found)
    for length in LENGTHS:
        empty = [line for line in left if not only(load_circuit(line.folder), length).size()]
        asked = [(line, task) for line in left if line not in empty and (task := line.task(length, cache)) is not None]
        answers = run_round([task for _, task in asked])
        rows += answers
        pairs = zip(asked, answers, strict=True)
        left = empty + [line for (line, _), row in pairs if row.status == "solved" and row.verdict != DIFFERS]
    return tuple(rows)


def work(task: Task, report: Report) -> None:
    """Answer one question in this process: "equal", "differs" or "undecided"."""
    circuit, length = load_circuit(Path(task.files["circuit"])), int(task.options["length"])
    domain = only(circuit, length)
    grammar = motifs(domain.alphabet, circuit.labels, min_length=domain.min_length)
    program = Program.parse(task.options["program"], grammar)
    report(solver=task.backend, program=task.options["program"], size=program.size)
    try:
        match task.backend:
            case "plain enumeration":
                _plain(circuit, program, domain, report)
            case "bounded enumeration":
                _bounded(circuit, program, domain, report)
            case "counting":
                _counting(circuit, program, length, report)
            case _:
                _smt(task, circuit, program, domain, report)
    except (DomainError, NetworkError) as error:  # more sequences than can be listed, or longer than the network reads
        report(status="unsolved", reason=str(error))


def _plain(circuit: Circuit, program: Program, domain: Domain, report: Report) -> None:
    start = _cpu()
    wrong, seen = sweep.count_wrong(circuit, domain, domain.lengths[-1], program)
    seconds = _cpu() - start
    verdict = DIFFERS if wrong else EQUAL
    report(status="solved", reason="", verdict=verdict, seconds=seconds, detail={"sequences": seen, "wrong": wrong})


def _bounded(circuit: Circuit, program: Program, domain: Domain, report: Report) -> None:
    start = _cpu()
    labelling = label_domain(circuit, domain)
    wrong = open_ = 0
    for part in labelling.lengths:
        answers, has_label = program.run(SequenceBatch(part.sequences)), part.labels != UNDECIDED
        wrong += int((answers != part.labels)[has_label].sum())
        open_ += int((~has_label).sum())
    seconds = _cpu() - start
    detail = {"sequences": labelling.size, "wrong": wrong, "undecided": open_, "classes": labelling.classes}
    verdict = DIFFERS if wrong else OPEN if open_ else EQUAL
    report(status="solved", reason="", verdict=verdict, seconds=seconds, detail=detail)


def _counting(circuit: Circuit, program: Program, length: int, report: Report) -> None:
    domain, start = up_to(circuit, length), _cpu()
    verifier = counting_verifier(circuit, domain)
    if isinstance(verifier, str):
        report(status="unsupported", reason=verifier)
        return
    found = verifier.examine(program)
    seconds = _cpu() - start
    verdict = EQUAL if found.equal_up_to == length else DIFFERS if found.counterexample is not None else OPEN
    detail = {
        "sequences": float(domain.size()), "classes": found.classes, "horizon": found.equal_up_to,
        "broken": list(found.counterexample.inputs) if found.counterexample else None, "margin": float(verifier.margin),
        "stopped": str(found.stopped or ""),
    }  # fmt: skip
    report(status="solved", reason="", verdict=verdict, seconds=seconds, detail=detail)


def _smt(task: Task, circuit: Circuit, program: Program, domain: Domain, report: Report) -> None:
    backend, environment, length = get(task.backend), Environment(), int(task.options["length"])
    asked, size = stand_in(task, circuit, domain), domain.size()
    detail: dict[str, object] = {"relus": asked.network.relus, "checked": asked.checked, "sequences": float(size)}
    report(solver=f"{backend.name} {backend.version()}", detail=detail)
    start, logic = _cpu(), fitting_logic(backend.logics)
    symbols = program.grammar.sequences.symbols(environment.formula_manager, length)
    formula = translate(environment, refutation(domain, symbols, asked, program), logic)
    with backend.open(environment, logic, seed=task.seed) as session:
        answer = decide(session, task.problem, formula, Limits(seconds=WALL * task.seconds))
    seconds = _cpu() - start
    match answer:
        case Unknown(reason=reason):
            report(status="unsolved", reason=reason)
            return
        case Sat(model=model):
            words = program.grammar.sequences.decode(model, length)
            _replay(circuit, program, asked, words, listed=asked.checked == size)
            detail["broken"] = list(words)
    verdict = DIFFERS if isinstance(answer, Sat) else EQUAL
    report(status="solved", reason="", verdict=verdict, seconds=seconds, queries=1, detail=detail)


def _replay(circuit: Circuit, program: Program, asked: StandIn, words: Sequence[str], *, listed: bool) -> None:
    """Raise BenchmarkError unless program and stand-in differ on ``words``; and, if the stand-in was found to be the
    circuit on every sequence (``listed``), the circuit too."""
    tokens = np.array([circuit.domain.indices(words)], np.int8)
    answer, shown = int(program.run(SequenceBatch(tokens))[0]), " ".join(words)
    if int(asked.indices(tokens)[0]) == answer:
        raise BenchmarkError(f"{asked.name}: the solver says it differs on {shown!r}, and it does not")
    if listed and int(label_sequences(reaching(circuit, len(words)), tokens).labels[0]) == answer:
        raise BenchmarkError(f"{asked.name}: it differs on {shown!r} from the circuit it was compared with everywhere")
