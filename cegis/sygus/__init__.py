"""SyGuS-IF 2.1, read and written: the public names."""

from cegis.sygus.answers import read_answer
from cegis.sygus.problem import SygusProblem
from cegis.sygus.productions import WrittenGrammar
from cegis.sygus.reader import read, read_text
from cegis.sygus.syntax import SygusError
from cegis.sygus.writer import as_problem, write_problem, write_solution

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
