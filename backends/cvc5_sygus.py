"""cvc5's own SyGuS engine: the text of a problem in, the text of its functions out.

A fresh process for every question (about 0.1 s), because the engine cannot be interrupted inside one. The
configurations differ in how it enumerates and none is best everywhere; a race of all of them costs one core each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from backends.answer import BackendError
from backends.search import Answered, Infeasible, NoAnswer, Stop, ask, never
from backends.sexpression import shown

PROGRAM = Path(__file__).with_name("cvc5_program.py")
CONFIGURATIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "default": {},
        "unif-pi": {"sygus-unif-pi": "cond-enum-igain"},
        "fast": {"sygus-enum": "fast"},
    }
)


def cvc5_answer(
    text: str,
    *,
    options: Mapping[str, str] = CONFIGURATIONS["default"],
    seconds: float,
    memory_mb: int | None = None,
    seed: int = 0,
    stop: Stop = never,
) -> Answered | Infeasible | NoAnswer:
    """cvc5's answer to a problem in SyGuS-IF 2.1, unverified.

    ``seconds`` is wall-clock time and includes the start. Raises BackendError for an option that cvc5 does not know.
    """
    settings = json.dumps({"seed": str(seed), **options})
    command = (sys.executable, "-P", str(PROGRAM), settings)
    match ask("cvc5", command, [text], seconds=seconds, memory_mb=memory_mb, stop=stop):
        case NoAnswer() as none:
            return none
        case [[["define-fun", *_], *_] as functions]:
            return Answered(tuple(map(shown, functions)))
        case ["infeasible"]:
            return Infeasible("cvc5 says that there is no solution")
        case [["misled", why]]:
            raise BackendError(f"cvc5 does not take the option {shown(why)}")
        case [["refused", why]]:
            return NoAnswer(f"cvc5 does not take the problem: {shown(why)[1:-1]}")
        case reply:
            return NoAnswer(f"cvc5 answered {' '.join(map(shown, reply)) or 'nothing'}")
