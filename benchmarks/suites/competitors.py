"""Who is compared: this project, cvc5's SyGuS engine and AALpy's L*, each with the configurations that are run.

A competitor is a function of a circuit and a task that tells ``report`` what it found, as often as it likes; the last
word on each field counts. ``seconds`` is the CPU time from the loaded circuit to the answer, without what a competitor
is not charged for (counting wrong answers; for cvc5 also building its problem). Imports are inside the functions, so
that a worker loads its own competitor only.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness.measure import WALL
from benchmarks.harness.row import BenchmarkError
from benchmarks.harness.task import Task

if TYPE_CHECKING:
    from cegis import Outcome, Program, Round
    from tasks.networks.circuit import Circuit

Report = Callable[..., None]
Example = tuple[tuple[str, ...], str]

SYGUS_CONFIGURATIONS = {
    "default": {},
    "cond-enum-igain": {"sygus-unif-pi": "cond-enum-igain"},
    "fast": {"sygus-enum": "fast"},
    "fast, no pbe": {"sygus-enum": "fast", "sygus-pbe": "false"},
}


@dataclass(frozen=True)
class Competitor:
    """``run(circuit, task, report)`` for each of the ``configurations`` (name to the options passed on)."""

    name: str
    configurations: Mapping[str, Mapping[str, str]]
    run: Callable[[Circuit, Task, Report], None]
    packages: tuple[str, ...] = ()  # what it needs beside this project


def ours(circuit: Circuit, task: Task, report: Report) -> None:
    """This project: the whole chain with a solver, or (``no solver``) search against the table of labels alone."""
    from backends import get
    from benchmarks.inputs.case import Case, longest, program_size
    from cegis import Budget, Counterexample, Exhaustive, Spec, synthesize
    from tasks.pipeline.distill import distill
    from tasks.pipeline.steps import Observer
    from tasks.proofs.select import listed_domain

    found: list[Example] = []

    def collect(event: Round[Program]) -> None:
        if isinstance(event.verdict, Counterexample):
            found.append((event.verdict.sequence, str(event.verdict.expected)))

    case, phases = None, _phases()
    if task.options["configuration"] == "no solver":
        with phases.timed("labels"):
            case = Case.of(circuit)
        with phases.timed("search"):
            outcome = synthesize(
                Spec(case.domain, case.label),
                case.grammar,
                verifier=Exhaustive(case.table),
                budget=Budget(seconds=WALL * task.seconds),
                seed=task.seed,
                on_event=collect,
            )
        proof, chain = ["enumerated"], phases.seconds
    else:
        with phases.timed("all"):
            result = distill(
                circuit,
                listed_domain(circuit, longest(circuit)),
                backend=get(task.options["configuration"]),
                seconds=WALL * task.seconds,
                seed=task.seed,
                observer=Observer(on_round=collect),
            )
        outcome, proof = result.outcome, [str(claim.rung) for claim in result.claims]
        chain = {step.name: step.seconds for step in result.steps}
    seconds = phases.total()
    status, reason = _judged(outcome)
    case = case or Case.of(circuit)
    first = next(iter(case.domain))
    used = outcome.statistics
    report(
        status=status,
        reason=reason,
        seconds=seconds,
        phases=chain,
        detail={
            "examples": [(first, case.label(first)), *found],
            "proof": proof if status == "solved" else [],
            "rounds": used.rounds,
            "candidates": used.candidates,
        },
    )
    program = getattr(outcome, "program", None)
    if program is not None:
        report(program=program.source(), sizes=program_size(program), wrong=case.wrong(program), checked=case.checked)


def sygus_loop(circuit: Circuit, task: Task, report: Report) -> None:
    """cvc5's SyGuS as the searcher of the same loop, with our table as the verifier, until right on the domain."""
    from benchmarks.inputs.case import Case, program_size
    from benchmarks.peers.sygus import Problem
    from cegis import Counterexample, Exhaustive, Valid
    from cegis.sygus.features import groups

    phases = _phases()
    with phases.timed("labels"):
        case = Case.of(circuit)
    with phases.timed("encoding"):
        known = groups(case.grammar)
    first = next(iter(case.domain))
    asked, fewest = [(first, case.label(first))], case.checked + 1
    while True:
        with phases.timed("encoding"):
            problem = Problem(case.grammar, known, asked, task.options["options"], task.seed)
        with phases.timed("search"), _alarm(task.seconds - phases.total("encoding", "scoring")):
            program = problem.solve()
        seconds = phases.total("encoding", "scoring")
        done = {"seconds": seconds, "phases": phases.seconds, "detail": {"rounds": len(asked)}}
        if program is None:
            report(status="unsolved", reason=f"cvc5 found no program for {len(asked)} examples", **done)
            return
        with phases.timed("check"):
            verdict = Exhaustive(case.table).check(program)
        with phases.timed("scoring"):
            wrong = case.wrong(program)
        report(**done)
        if wrong < fewest:
            fewest = wrong
            sizes = {**program_size(program), "nodes": problem.nodes}
            report(program=program.source(), sizes=sizes, wrong=wrong, checked=case.checked)
        match verdict:
            case Valid():
                report(status="solved", reason="", seconds=phases.total("encoding", "scoring"))
                return
            case Counterexample(expected=expected):
                inputs = verdict.sequence
                if (inputs, expected) in asked:
                    raise BenchmarkError(f"cvc5's answer is wrong on the example {' '.join(inputs)!r} it was given")
                asked.append((inputs, str(expected)))
            case _:
                report(status="unsolved", reason="some sequences have no label")
                return


def sygus_examples(circuit: Circuit, task: Task, report: Report) -> None:
    """cvc5's SyGuS on exactly the examples our loop ended with; only the call of cvc5 is charged."""
    from benchmarks.inputs.case import Case, program_size
    from benchmarks.peers.sygus import Problem
    from cegis.sygus.features import groups

    given = examples(task)
    if not given:
        raise BenchmarkError(f"{task.problem}: our own run gave no examples to compare on; run it first")
    case, phases = Case.of(circuit), _phases()
    problem = Problem(case.grammar, groups(case.grammar), given, task.options["options"], task.seed)
    with phases.timed("search"), _alarm(task.seconds):
        program = problem.solve()
    report(seconds=phases.total(), phases=phases.seconds, detail={"given": len(given)})
    if program is None:
        report(status="unsolved", reason="cvc5 found no program for the examples")
        return
    if any(program(sequence) != label for sequence, label in given):
        raise BenchmarkError("cvc5's answer is wrong on an example it was given")
    sizes = {**program_size(program), "nodes": problem.nodes}
    report(status="solved", reason="", program=program.source(), sizes=sizes)
    report(wrong=case.wrong(program), checked=case.checked)


def examples(task: Task) -> tuple[Example, ...]:
    """The examples that our own run on the same circuit ended with; none before it was made."""
    file = Path(task.files["examples"])
    if not file.exists():
        return ()
    return tuple((tuple(words), label) for words, label in json.loads(file.read_text(encoding="utf-8")))


def lstar(circuit: Circuit, task: Task, report: Report) -> None:
    """AALpy's L*, with the circuit answering membership and the table answering equivalence."""
    from benchmarks.inputs.case import Case

    try:
        from benchmarks.peers.lstar import learn, transitions, wrong_rows
    except ImportError as error:
        raise ImportError(f"L* needs AALpy, which is not installed: pip install aalpy ({error})") from error

    phases = _phases()
    with phases.timed("labels"):
        case = Case.of(circuit)
    with phases.timed("search"), _alarm(task.seconds - phases.total()):
        machine, account = learn(case)
    queries = {"membership": account["queries_learning"], "equivalence": account["learning_rounds"]}
    report(status="solved", reason="", seconds=phases.total(), phases=phases.seconds, detail=queries)
    sizes = {"states": machine.size, "transitions": machine.size * len(case.domain.alphabet)}
    report(program=transitions(machine, case), sizes=sizes, checked=case.checked)
    report(wrong=sum(map(len, wrong_rows(machine, case).values())))


COMPETITORS = {
    competitor.name: competitor
    for competitor in (
        Competitor("ours", {"z3": {}, "cvc5": {}, "no solver": {}}, ours),
        Competitor("cvc5 SyGuS, in the loop", SYGUS_CONFIGURATIONS, sygus_loop, ("cvc5",)),
        Competitor("cvc5 SyGuS, our examples", SYGUS_CONFIGURATIONS, sygus_examples, ("cvc5",)),
        Competitor("AALpy L*", {"moore": {}}, lstar, ("aalpy",)),
    )
}


def _judged(outcome: Outcome[Program]) -> tuple[str, str]:
    """The status of one of our runs, and why it is no better."""
    from cegis import Found

    if isinstance(outcome, Found):
        return "solved", ""
    reason = getattr(outcome, "reason", "the grammar is exhausted")
    return ("timeout" if "time limit" in reason else "unsolved"), reason


def _phases() -> Any:
    from benchmarks.inputs.case import Phases

    return Phases()


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """End this process, wherever it is, after ``seconds`` of CPU: a solver inside C++ hears no Python exception."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
