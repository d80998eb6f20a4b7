"""cvc5's SyGuS engine as a program: a problem on standard input, the answer on standard output.

Run by path as ``python -P cvc5_program.py '{"option": "value"}'``, so that nothing but cvc5 is imported. It
reads to a line ``(echo "word")``, answers and says the word, which is how ``backends.program`` talks to any solver.
``incremental=false`` is needed: cvc5's Python interface starts with true, which silently switches off its strategies
for examples, invariants and single invocations (``setDefaultsSygus`` in cvc5's ``set_defaults.cpp``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

ECHO = '(echo "'


def main() -> None:
    """Answer one problem."""
    options = json.loads(sys.argv[1])
    lines: list[str] = []
    for line in sys.stdin:
        if line.startswith(ECHO):
            print(f"{answer(''.join(lines), options)}\n{line.split(chr(34))[1]}", flush=True)
            return
        lines.append(line)


def answer(text: str, options: Mapping[str, str]) -> str:
    """What cvc5 says to ``check-synth``, ``(refused "why")`` for a text or ``(misled "why")`` for an option."""
    import cvc5

    solver = cvc5.Solver()
    for name, value in {"sygus": "true", "incremental": "false", **options}.items():
        try:
            solver.setOption(name, value)
        except RuntimeError as error:
            return _said("misled", f"{name}={value}: {error}")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SYGUS_2_1, text, "problem")
    found = ""
    try:
        while not (command := parser.nextCommand()).isNull():
            said = str(command.invoke(solver, parser.getSymbolManager())).strip()
            if said.startswith("(error"):
                return _said("refused", said)
            found = said if command.getCommandName() == "check-synth" else found
    except RuntimeError as error:
        return _said("refused", str(error))
    return found or _said("refused", "the text has no (check-synth)")


def _said(verb: str, reason: str) -> str:
    quoted = " ".join(reason.split()).replace('"', "'")
    return f'({verb} "{quoted}")'


if __name__ == "__main__":
    main()
