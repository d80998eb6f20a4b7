"""SyGuS-IF 2.1, read and written: the public names, each imported when it is first asked for."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cegis.sygus.answers import read_answer
    from cegis.sygus.problem import SygusProblem
    from cegis.sygus.productions import WrittenGrammar
    from cegis.sygus.reader import read, read_text
    from cegis.sygus.syntax import SygusError
    from cegis.sygus.writer import as_problem, write_problem, write_solution

LATER = {
    "SygusError": "cegis.sygus.syntax",
    "SygusProblem": "cegis.sygus.problem",
    "WrittenGrammar": "cegis.sygus.productions",
    "as_problem": "cegis.sygus.writer",
    "read": "cegis.sygus.reader",
    "read_answer": "cegis.sygus.answers",
    "read_text": "cegis.sygus.reader",
    "write_problem": "cegis.sygus.writer",
    "write_solution": "cegis.sygus.writer",
}

__all__ = [
    "SygusError",
    "SygusProblem",
    "WrittenGrammar",
    "as_problem",
    "read",
    "read_answer",
    "read_text",
    "write_problem",
    "write_solution",
]


def __getattr__(name: str) -> Any:
    """A name of ``LATER``, imported now."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(LATER[name]), name)
    return value
