"""The solvers' own doors, each behind a process: ``python -m benchmarks.peers.solve_native WHAT FILE [option=value]``.

- ``synthesize`` gives cvc5 a SyGuS file through its own parser, as it stands, and tells what ``check-synth`` answered;
- ``cvc5`` and ``z3`` read an SMT-LIB script with their own parsers and tell whether it is unsatisfiable.

One JSON object on standard output. ``incremental=false`` is needed for SyGuS: the Python interface starts with true,
which silently switches off cvc5's best strategies (``setDefaultsSygus`` in cvc5's ``set_defaults.cpp``).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

SYGUS = {"sygus": "true", "incremental": "false"}
COUNTED = "SygusEnumerator::"


def main() -> None:
    """Do what the command line says."""
    from benchmarks.harness.parent import end_with_parent

    end_with_parent()
    what, file, *options = sys.argv[1:]
    chosen = dict(option.split("=", 1) for option in options)
    try:
        said = WHAT[what](file, chosen)
    except ImportError as error:
        said = {"status": "absent", "reason": str(error)}
    print(json.dumps(said), flush=True)


def synthesize(file: str, options: Mapping[str, str]) -> dict[str, Any]:
    """cvc5's answer to a SyGuS file: status, answer (text), reason, CPU seconds, and the enumerator's counters."""
    import cvc5

    solver, commands = _opened(cvc5.InputLanguage.SYGUS_2_1, file, {**SYGUS, **options})
    said, told = "", {}
    while True:
        try:
            command = commands()
        except RuntimeError as error:
            return {"status": "unsupported", "reason": f"cvc5's parser: {_line(error)}"}
        if command is None:
            break
        run, name = command
        start = time.process_time()
        printed = run().strip()
        if name == "check-synth":
            said, told = printed, {"seconds": time.process_time() - start, "counters": _counters(solver)}
        elif printed.startswith("(error"):
            return {"status": "unsupported", "reason": f"cvc5: {printed}"}
    if said.startswith("(") and "(define-fun" in said:
        return {"status": "solved", "answer": said, **told}
    status = "infeasible" if said == "infeasible" else "unsolved"
    return {"status": status, "reason": f"cvc5 answered {said or 'nothing'}", **told}


def check_with_cvc5(file: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Whether a script is unsatisfiable: "sat", "unsat" or "unknown", or "error" with a reason."""
    import cvc5

    try:
        _, commands = _opened(cvc5.InputLanguage.SMT_LIB_2_6, file, {"strings-exp": "true", **options})
        said = ""
        while (command := commands()) is not None:
            said = command[0]().strip() or said
    except RuntimeError as error:
        return {"status": "error", "reason": _line(error)}
    return {"status": said if said in ("sat", "unsat") else "unknown", "reason": said}


def check_with_z3(file: str, options: Mapping[str, str]) -> dict[str, Any]:
    """The same, asked of z3."""
    import z3

    solver = z3.Solver()
    for name, value in options.items():
        solver.set(name, value)
    try:
        with open(file, encoding="utf-8") as script:
            solver.from_string(script.read().replace("(check-sat)", ""))
        said = str(solver.check())
    except z3.Z3Exception as error:
        return {"status": "error", "reason": _line(error)}
    return {"status": said, "reason": solver.reason_unknown() if said == "unknown" else ""}


WHAT: dict[str, Callable[[str, Mapping[str, str]], dict[str, Any]]] = {
    "synthesize": synthesize,
    "cvc5": check_with_cvc5,
    "z3": check_with_z3,
}


def _opened(language: Any, file: str, options: Mapping[str, str]) -> tuple[Any, Callable[[], Any]]:
    """A solver, and a function that gives its next command: (run, name), None at the end; raises RuntimeError."""
    import cvc5

    terms = cvc5.TermManager()
    solver = cvc5.Solver(terms)
    for name, value in options.items():
        solver.setOption(name, value)
    symbols = cvc5.SymbolManager(terms)
    parser = cvc5.InputParser(solver, symbols)
    parser.setFileInput(language, file)

    def following() -> Any:
        command = parser.nextCommand()
        if command.isNull():
            return None
        return (lambda: command.invoke(solver, symbols)), command.getCommandName()

    return solver, following


def _counters(solver: Any) -> dict[str, int]:
    return {
        str(name).removeprefix(COUNTED): found["value"]
        for name, found in solver.getStatistics()
        if str(name).startswith(COUNTED)
    }


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


if __name__ == "__main__":
    main()
