"""The suite "speed": what the main chain costs over what it cannot do without, measured side by side, as ratios.

    run        distill run CIRCUIT, cold                      beside the bare imports of the modules that it loads
    verify     distill verify CIRCUIT PROGRAM: the prover     beside those of its own
    check      distill-check CERTIFICATE                      beside verify, and those of its own
    listing    labels with a bound on every logit             beside ``plain``, the same sequences without bounds, by
                                                              numpy's compiled kernels, each prefix once

Every measurement is a process of its own, ``REPEATS`` times, in a shuffled order, so that a busy machine meets all
alike; figures are medians of CPU seconds, children included. Program and certificate are those of an uncharged
``distill run --backend none`` before. ``listing`` and ``plain`` are charged without start-up.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.harness import execution
from benchmarks.harness.execution import Ended, measured
from benchmarks.harness.measure import WALL, run_process
from benchmarks.harness.place import here
from benchmarks.harness.row import BenchmarkError, Place, Row
from benchmarks.harness.task import Task
from benchmarks.suites import programs
from tasks.formats.circuit_folder import weights_sha256

SUITE, REPEATS = "speed", 3
RUN, VERIFY, CHECK, LISTING, PLAIN = "run", "verify", "check", "listing", "plain"
IMPORTS = {command: f"imports of {command}" for command in (RUN, VERIFY, CHECK)}
TOOLS = (RUN, VERIFY, CHECK, *IMPORTS.values(), LISTING, PLAIN)
LISTED = 120_000  # sequences, of the lengths that are listed as a whole
PROGRAM, CERTIFICATE, MADE = "program.py", "certificate", "made.json"
CHECKING = "import sys; from tasks.checker.__main__ import main; sys.exit(main())"
RUNNING = "from tasks.commands.main import script; script()"
NOTED = (  # the command, and what it has loaded at its end
    "import atexit, json, sys; at = sys.argv.pop(1); "
    "atexit.register(lambda: open(at, 'w').write(json.dumps([*sys.modules]))); "
)
LOADING = (
    "import contextlib, importlib, json, subprocess, sys\n"
    "names = json.load(open(sys.argv[1]))\n"
    "for name in names:\n"
    "    with contextlib.suppress(Exception):\n"
    "        name.startswith('__') or importlib.import_module(name)\n"
    "if sys.argv[2]:\n"
    "    subprocess.run([sys.executable, '-c', sys.argv[2]], check=True)"
)
SOLVING = {RUN: "import backends.child, pysmt.solvers.z3"}  # in the process in which the command's solver runs


def plan(folders: Sequence[Path], out: Path, seconds: float, memory_mb: int) -> tuple[Task, ...]:
    """Every measurement of each circuit; what they need is made first, below ``out``, where it is not there yet."""
    tasks = []
    for folder in folders:
        made = prepared(folder, out / SUITE / folder.name, seconds, memory_mb)
        options, files = {"circuit": weights_sha256(folder)}, {"circuit": str(folder), "made": str(made)}
        tasks += [
            Task(SUITE, folder.name, tool, seed, seconds, options, files, memory_mb)
            for tool in TOOLS
            for seed in range(REPEATS)
        ]
    return tuple(tasks)


def prepared(folder: Path, made: Path, seconds: float, memory_mb: int) -> Path:
    """Program, certificate and lists of modules for a circuit, of this source; raises BenchmarkError."""
    source = {"source": here().source, "circuit": weights_sha256(folder)}
    if (made / MADE).is_file() and json.loads((made / MADE).read_text(encoding="utf-8")) == source:
        return made
    made.mkdir(parents=True, exist_ok=True)
    arguments = [folder.name, "--backend", "none", "--json", "--out", str(made / CERTIFICATE)]
    found = _made([*programs.RUN, *arguments], seconds, memory_mb)
    text = json.loads(found)["program"]
    if not text:
        raise BenchmarkError(f"{folder.name}: no program was found, so nothing can be measured; give more time")
    (made / PROGRAM).write_text(text, encoding="utf-8")
    for command in IMPORTS:
        code = CHECKING if command == CHECK else RUNNING
        noted = [sys.executable, "-c", NOTED + code, str(modules(made, command))]
        _made([*noted, *_arguments(command, folder, made)], seconds, memory_mb)
    (made / MADE).write_text(json.dumps(source), encoding="utf-8")
    return made


def modules(made: Path, command: str) -> Path:
    """Where the names of the modules that a command loads are kept."""
    return made / f"{command}.json"


def _made(command: Sequence[str], seconds: float, memory_mb: int) -> str:
    """What an uncharged command printed; raises BenchmarkError where it does not come to its end."""
    process = run_process(command, WALL * seconds, cpu_seconds=seconds, memory_mb=memory_mb)
    if process.code not in (0, 1) or process.reason:
        last = (process.errors.strip().splitlines() or ["no message"])[-1]
        raise BenchmarkError(f"{' '.join(command[-5:])}: ended with code {process.code}: {last[:300]}")
    return process.output


def execute(task: Task, place: Place) -> Row:
    """One measurement; whatever happens is a row."""
    if task.backend in (LISTING, PLAIN):
        return execution.execute(task, place)
    return measured(task, place, _run)


def _run(task: Task) -> Ended:
    folder, made = Path(task.files["circuit"]), Path(task.files["made"])
    if task.backend in IMPORTS:
        code = CHECKING if task.backend == CHECK else RUNNING
        command = [sys.executable, "-c", code, *_arguments(task.backend, folder, made)]
    else:
        of = next(name for name, tool in IMPORTS.items() if tool == task.backend)
        command = [sys.executable, "-c", LOADING, str(modules(made, of)), SOLVING.get(of, "")]
    process = run_process(
        command, WALL * task.seconds, cpu_seconds=task.seconds, memory_mb=task.memory_mb, tree=True
    )  # fmt: skip
    if process.reason in execution.ENDED:
        return Ended(process, execution.ENDED[process.reason], process.reason, f"ended at its {process.reason}", {})
    if process.is_killed or process.is_stalled(task.seconds, WALL * task.seconds):
        return Ended(process, "killed", "killed", execution.STALLED, {})
    if process.code not in (0, 1) or (task.backend != RUN and process.code):
        last = (process.errors.strip().splitlines() or ["no message"])[-1]
        return Ended(process, "error", "failed", f"ended with code {process.code}: {last[:300]}", {})
    return Ended(process, "solved", "", "", {"solver": task.backend, "seconds": process.cputime})


def _arguments(command: str, folder: Path, made: Path) -> list[str]:
    """What the command is given."""
    if command == CHECK:
        return [str(made / CERTIFICATE)]
    return [command, folder.name, *([str(made / PROGRAM)] if command == VERIFY else []), "--json"]


def work(task: Task, report: Callable[..., None]) -> None:
    """List a circuit's sequences in this process, with bounds or without."""
    from benchmarks.peers.sweep import sweep
    from tasks.formats.circuit_folder import load_circuit
    from tasks.formats.sparse import from_circuit
    from tasks.proofs.enumeration import enumerate_domain, shortened

    circuit = load_circuit(Path(task.files["circuit"]))
    model = from_circuit(circuit)
    domain = shortened(model.domain, LISTED)
    detail: dict[str, Any] = {"sequences": domain.size(), "longest": domain.lengths[-1]}
    start = process_time()
    if task.backend == LISTING:
        found = enumerate_domain(model, domain)
        detail |= {"computations": found.classes, "semantics": found.semantics}
    else:
        for length in domain.lengths:
            for _ in sweep(circuit, domain, length):
                pass
    report(status="solved", reason="", seconds=process_time() - start, detail=detail)
