"""``distill solve FILE`` of a small problem: the options that matter to it, and the page or text that ``solve`` prints.

``tests/e2e/test_solve_quickly.py`` holds both ways to the same words. Nothing that takes long to import is imported.
"""

from __future__ import annotations

import os
import stat

from cegis.quick.solving import Answer, solved

OTHERS = ("cvc5", "horn", "induction", "contradiction", "unrolling")  # who never starts
NOT_STARTED = "not started"


def printed(arguments: list[str]) -> tuple[str, str] | None:
    """What goes to standard output and to standard error; None for what goes the usual way."""
    asked = _asked(arguments)
    if asked is None:
        return None
    file, as_json, is_quiet = asked
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):  # what is read of a pipe is gone, and who writes it ends
            return None
        with open(file, "rb") as opened:
            text = opened.read().decode("ascii")
    except (OSError, ValueError):
        return None
    answer = solved(text)
    if answer is None:
        return None
    if as_json:
        return (_page(file, answer), "") if file.isascii() and file.isprintable() else None
    return _text(answer), "" if is_quiet else f"  round {answer.rounds}: {answer.body.size} operators, accepted\n"


def _asked(arguments: list[str]) -> tuple[str, bool, bool] | None:
    """The file, and whether ``--json`` and ``--quiet`` were said; None where anything else was."""
    files, flags, left = [], set(), list(arguments)
    while left:
        word = left.pop(0)
        if word in ("--json", "-q", "--quiet"):
            flags.add(word)
        elif word in ("--time-limit", "--seed") and left:
            if not left[0].isascii() or not left[0].isdecimal() or not 0 < int(left.pop(0)) < 2**31:
                return None
        elif word.startswith("-"):
            return None
        else:
            files.append(word)
    return (files[0], "--json" in flags, len(flags) > 0) if len(files) == 1 else None


def _text(answer: Answer) -> str:
    others = "; ".join(f"{name} {NOT_STARTED}" for name in OTHERS)
    words = f"The answer {answer.sentence}.\nSearchers: own found; {others}."
    return f"(\n{answer.sygus}\n)\n\n{answer.source.rstrip()}\n\n{words}\n"


def _page(file: str, answer: Answer) -> str:
    seconds = answer.search_seconds
    searchers = [("own", "found", seconds), *((name, NOT_STARTED, 0.0) for name in OTHERS)]
    return (
        _json(
            {
                "file": file,
                "status": "solved",
                "reason": "",
                "functions": [
                    {
                        "name": answer.question.function,
                        "sygus": answer.sygus,
                        "python": answer.source,
                        "size": answer.body.size,
                        "cost": answer.body.size,
                    }
                ],
                "searcher": "enumeration",
                "claims": [answer.sentence],
                "proofs": [{"by": list(answer.by), "logic": answer.logic, "confirmed": True, "doubt": ""}],
                "statistics": {
                    "candidates": answer.tried,
                    "candidates_per_second": answer.tried / seconds if seconds else 0.0,
                    "memory_mb": 0.0,
                    "level": answer.body.size,
                    "rounds": answer.rounds,
                    "examples": answer.points,
                    "search_seconds": seconds,
                    "check_seconds": answer.check_seconds,
                },
                "notes": [],
                "evidence": None,
                "searchers": [
                    {"searcher": name, "end": end, "reason": "", "seconds": round(spent, 3)}
                    for name, end, spent in searchers
                ],
            }
        )
        + "\n"
    )


def _json(value: object, margin: str = "") -> str:
    """``json.dumps`` with an indent of two, of what a page is made of."""
    inner = f"{margin}  "
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        case dict() if value:
            parts = [f"{_json(key)}: {_json(one, inner)}" for key, one in value.items()]
            return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{margin}}}"
        case list() if value:
            return "[\n" + ",\n".join(inner + _json(one, inner) for one in value) + f"\n{margin}]"
        case dict():
            return "{}"
        case list():
            return "[]"
    return repr(value)
