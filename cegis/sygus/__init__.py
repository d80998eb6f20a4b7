"""SyGuS-IF 2.1, read and written: the public names."""

from cegis.sygus.problem import SygusProblem
from cegis.sygus.reader import read, read_text
from cegis.sygus.syntax import SygusError

__all__ = ["SygusError", "SygusProblem", "read", "read_text"]
