"""A solver program that misbehaves: run as ``python fake_solver.py MODE``, told commands on standard input.

It knows no logic: every query is satisfiable, every Boolean true and every number 7, except that a query with ``false``
in it is unsatisfiable. A mode spoils one thing; some only do so when the query holds ``trouble`` (the number 666).
"""

from __future__ import annotations

import os
import re
import sys
import time


def say(text: str) -> None:
    print(text, flush=True)


def check(mode: str, query: str) -> None:
    """Answer (check-sat), or do what the mode says; ``denial`` finds all unsatisfiable, ``hangs`` always hangs."""
    if mode == "denial":
        return say("unsat")
    if mode == "hangs":
        time.sleep(60)
    match mode if "666" in query else "":
        case "hang":
            time.sleep(60)
        case "spin-with-child":
            if os.fork() == 0:
                time.sleep(60)
            while True:
                pass
        case "die":
            sys.stderr.write("segmentation imminent\n")
            os.abort()
        case "leave":
            sys.exit(3)
        case "garbage":
            return say("I am not ) a solver")
        case "nothing":
            return None
        case "contrary":
            return say("unsat")
        case "slow":
            time.sleep(0.5)
        case "twice":
            say("unsat")
            return say("unsat")
        case "late" | "late at once":
            return None
        case "capital":
            return say("UNSAT")
        case "error":
            return say('(error "line 1: no idea what you mean")')
        case "fatal":
            say('(error "this is the end")')
            sys.exit(1)
        case "unsupported":
            return say("unsupported")
        case "memory":
            return say('(error "out of memory")')
        case "flood":
            while True:
                sys.stdout.write("sat " * 100_000)
        case "unknown":
            return say("unknown")
        case "timeout":
            return say("timeout")
    return say("unsat" if "false" in query else "sat")


def values(mode: str, command: str, sorts: dict[str, str]) -> str:
    match mode:
        case "no values":
            return '(error "no model")'
        case "other values":
            return "((w9 7))"
        case "few values":
            return "()"
        case "float values":
            return "((v0 7.5))"
        case "symbolic values":
            return "((v0 (+ v1 1)))"
        case "lie":
            return "((v0 (- 7)))"
    rows = [f"({name} {'true' if sorts[name] == 'Bool' else '7'})" for name in re.findall(r"v\d+", command)]
    return f"({' '.join(rows)})"


def main(mode: str) -> None:
    if mode == "stillborn":
        sys.exit("no license found")
    if mode == "mute":
        time.sleep(60)
    query, sorts, late = "", {}, ""
    for line in sys.stdin:
        command = line.strip()
        if late and command.startswith("(echo"):
            say(f'"{command[7:-2]}"' + ("\n" + late if mode == "late at once" else ""))
            time.sleep(0.1)
            say(late)
            late = ""
        elif command.startswith("(echo"):
            say(f'"{command[7:-2]}"')
        elif command.startswith("(assert"):
            query = command
        elif command.startswith("(declare-fun"):
            _, name, _, sort = command.strip("()").split(maxsplit=3)
            sorts[name] = sort
        elif command.startswith("(check-sat"):
            check(mode, query)
            late = "unsat" if mode.startswith("late") and "666" in query else ""
        elif command.startswith("(get-value"):
            say(values(mode, command, sorts))
        elif command == "(get-unsat-assumptions)":
            say({"made-up core": "(g7)", "nested core": "((g0))"}.get(mode, '(error "no core")'))
        elif command == "(get-info :version)":
            say('(:version "0.1-fake")')
        elif command == "(get-info :reason-unknown)":
            say("(:reason-unknown tired)")
        elif command.startswith("(set-option :unheard-of"):
            say("unsupported")


main(sys.argv[1] if len(sys.argv) > 1 else "")
