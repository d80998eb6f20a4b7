"""cvc5 and bitwuzla as programs: ``python -m benchmarks.peers.smtlib_native SOLVER FILE [option=value ...]``.

Their packages hold no program, so this is one: the solver's own parser reads the SMT-LIB file, and every answer goes to
standard output as the solver prints it. The first line is a comment, ``; start-up SECONDS``: CPU seconds that Python
and the import took, which a solver's own program does not need.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any


def main() -> None:
    """Do what the command line says; what the solver objects to is printed as ``(error "...")``."""
    from benchmarks.harness.parent import end_with_parent

    end_with_parent()
    solver, file, *options = sys.argv[1:]
    try:
        SOLVERS[solver](file, dict(option.split("=", 1) for option in options))
    except MemoryError:
        raise
    except Exception as error:  # each package has exceptions of its own
        words = " ".join(str(error).split()).replace('"', '""')
        print(f'(error "{words}")', flush=True)


def cvc5(file: str, options: Mapping[str, str]) -> None:
    """Command after command, as cvc5's own program does."""
    import cvc5

    started()
    terms = cvc5.TermManager()
    solver = cvc5.Solver(terms)
    for name, value in options.items():
        solver.setOption(name, value)
    symbols = cvc5.SymbolManager(terms)
    parser = cvc5.InputParser(solver, symbols)
    parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, file)
    while not (command := parser.nextCommand()).isNull():
        print(command.invoke(solver, symbols), end="", flush=True)


def bitwuzla(file: str, options: Mapping[str, str]) -> None:
    """The whole file; answers are printed by bitwuzla itself."""
    import bitwuzla

    started()
    chosen = bitwuzla.Options()
    for name, value in options.items():
        chosen.set(name, value)
    sys.stdout.flush()
    bitwuzla.Parser(bitwuzla.TermManager(), chosen).parse(file)


def started() -> None:
    """Tell how long it took to get here."""
    print(f"; start-up {time.process_time():.6f}", flush=True)


SOLVERS: Mapping[str, Callable[[str, Mapping[str, str]], Any]] = {"cvc5": cvc5, "bitwuzla": bitwuzla}

if __name__ == "__main__":
    main()
