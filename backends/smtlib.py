"""A query as self-contained SMT-LIB 2.6 text that any solver can read, the same text on every run.

pySMT's printer is used with four corrections: integer division is ``div`` (it prints ``/``), rational constants are
written as reals, strings have the names and escapes of SMT-LIB 2.6, and symbols are quoted, so that ``let`` stays a
name and ``true`` is refused. Declarations are sorted by name, assertions keep their order, so the text depends on
neither hash seeds nor timing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from io import StringIO
from threading import Lock
from typing import Any

import pysmt.operators as op
from pysmt.logics import Logic
from pysmt.smtlib.printers import SmtDagPrinter
from pysmt.walkers import handles

from backends.answer import BackendError
from backends.fragment import Formula, postorder

STATUS = ("sat", "unsat", "unknown")
# What the theories define: |true| is true, so quoting is no help there. Operators such as bvadd all start with bv.
THEORY = frozenset(
    {"true", "false", "not", "and", "or", "xor", "ite", "distinct", "div", "mod", "abs"}
    | {"to_real", "to_int", "is_int", "Bool", "Int", "Real", "RoundingMode", "concat", "extract"}
    | {"zero_extend", "sign_extend", "rotate_left", "rotate_right", "repeat", "int2bv", "nat2bv", "+", "-", "*", "/"}
    | {"=", "=>", "<", "<=", ">", ">=", "String", "RegLan"}
)
STRINGS = {
    op.STR_LENGTH: "str.len",
    op.STR_CONCAT: "str.++",
    op.STR_CONTAINS: "str.contains",
    op.STR_INDEXOF: "str.indexof",
    op.STR_REPLACE: "str.replace",
    op.STR_SUBSTR: "str.substr",
    op.STR_PREFIXOF: "str.prefixof",
    op.STR_SUFFIXOF: "str.suffixof",
    op.STR_TO_INT: "str.to_int",
    op.INT_TO_STR: "str.from_int",
    op.STR_CHARAT: "str.at",
}
_PRINTING = Lock()  # pySMT's printers share one type checker, which is not made for threads
RESERVED = frozenset(
    {"let", "forall", "exists", "match", "par", "as", "_", "BINARY", "DECIMAL", "HEXADECIMAL", "NUMERAL", "STRING"}
)


def smtlib_script(formulas: Sequence[Formula], logic: Logic, name: str, status: str) -> str:
    """The text of one query: ``formulas`` asserted in order; ``status`` is "sat", "unsat" or "unknown"."""
    if status not in STATUS:
        raise BackendError(f"expected a status among {', '.join(STATUS)}, got {status!r}")
    symbols = {node for formula in formulas for node in postorder(formula) if node.is_symbol()}
    lines = [f"; {name}", f"(set-logic {logic.name})", f"(set-info :status {status})"]
    for symbol in sorted(symbols, key=lambda symbol: str(symbol.symbol_name())):
        lines.append(f"(declare-fun {quoted(symbol.symbol_name())} () {symbol.symbol_type().as_smtlib(False)})")
    lines += [f"(assert {_recorded(formula)})" for formula in formulas]
    return "\n".join([*lines, "(check-sat)", ""])


def quoted(name: str) -> str:
    """``name`` as an SMT-LIB symbol; raises BackendError where the language has no way to write it.

    >>> quoted("tok_3_2"), quoted("let"), quoted("a b")
    ('tok_3_2', '|let|', '|a b|')
    """
    if (
        name in THEORY
        or name.startswith(("bv", "str.", "re.", "@", "."))
        or "|" in name
        or "\\" in name
        or not name.isprintable()
    ):
        raise BackendError(f"the symbol {name!r} has no safe name in SMT-LIB; rename it, for example to 'x_1'")
    plain = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit() and name not in RESERVED
    return name if plain else f"|{name}|"


def literal(text: str) -> str:
    """``text`` as an SMT-LIB string constant, in printable ASCII.

    >>> print(literal('say "é" \\\\u{41}'))
    "say ""\\u{e9}"" \\u{5c}u{41}"
    """
    escaped = "".join(c if " " <= c <= "~" and c != "\\" else f"\\u{{{ord(c):x}}}" for c in text)
    return '"' + escaped.replace('"', '""') + '"'


def assertion(formula: Formula, names: Mapping[Formula, str] | None = None) -> str:
    """One formula as text, shared subterms bound by ``let``; symbols under ``names``, or under their own, quoted."""
    out = StringIO()
    with _PRINTING:
        _Printer(out, names).printer(formula)
    return out.getvalue()


_recorded = lru_cache(maxsize=4096)(assertion)  # a background recurs in every recorded query


class _Printer(SmtDagPrinter):  # type: ignore[misc]
    def __init__(self, out: StringIO, names: Mapping[Formula, str] | None) -> None:
        super().__init__(out)
        self._names = names

    def walk_symbol(self, formula: Formula, args: Any, **kwargs: Any) -> str:
        return quoted(formula.symbol_name()) if self._names is None else self._names[formula]

    def walk_div(self, formula: Formula, args: Any, **kwargs: Any) -> Any:
        integers = self.env.stc.get_type(formula).is_int_type()
        return self.walk_nary(formula, args, "div" if integers else "/")

    def walk_real_constant(self, formula: Formula, args: Any, **kwargs: Any) -> str:
        value = formula.constant_value()
        top, bottom = abs(value.numerator), value.denominator
        text = f"{top}.0" if bottom == 1 else f"(/ {top}.0 {bottom}.0)"
        return f"(- {text})" if value < 0 else text

    @handles(*STRINGS)  # type: ignore[untyped-decorator]
    def walk_string(self, formula: Formula, args: Any, **kwargs: Any) -> Any:
        return self.walk_nary(formula, args, STRINGS[formula.node_type()])

    def walk_str_constant(self, formula: Formula, args: Any, **kwargs: Any) -> str:
        return literal(formula.constant_value())
