"""A SyGuS file as its own commands: what a tool is asked, and the SMT-LIB question that its answer must pass.

The question is made by rewriting the file's text, command by command, and shares no reader and no encoding with the
engine: ``synth-fun`` becomes the answer's ``define-fun``, a declared variable a constant, and the constraints are
conjoined and negated, so that "unsat" means "right everywhere" (SyGuS-IF 2.1, sections 2 and 3):

    definitions, answers, (assert assumptions), (assert (not (and constraints))), (check-sat)

Only names that files in the wild, or cvc5's answers, write differently are replaced. Any other command is refused: an
answer that cannot be checked is not called right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from backends.sexpression import CHARACTER, Expression, read, shown
from benchmarks.harness.row import BenchmarkError

OTHER_NAMES = {
    "int.to.str": "str.from_int", "str.to.int": "str.to_int", "str.to.re": "str.to_re", "str.in.re": "str.in_re",
    "bv2nat": "ubv_to_int", "bv2int": "ubv_to_int", "int2bv": "int_to_bv", "nat2bv": "int_to_bv",
    "div_total": "div", "mod_total": "mod",  # cvc5's own: what it prints where the divisor is not zero
}  # fmt: skip
SILENT = ("set-logic", "set-info", "set-option", "set-feature", "declare-weight", "check-synth", "exit")
KEPT = ("define-fun", "define-const", "define-sort", "declare-const", "declare-fun")


@dataclass(frozen=True)
class Asked:
    """One function to be found: ``grammar`` maps each nonterminal to its sort and rules; None without a grammar."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    sort: str
    grammar: Mapping[str, tuple[str, tuple[Expression, ...]]] | None

    def header(self) -> list[Expression]:
        """What stands between ``define-fun`` and the body of an answer."""
        return [self.name, [list(parameter) for parameter in self.parameters], self.sort]


@dataclass(frozen=True)
class Problem:
    """``name``: the file's path below the folder that was asked for, without its ending."""

    name: str
    text: str

    @cached_property
    def commands(self) -> tuple[Expression, ...]:
        """Every command, with today's names."""
        try:
            return tuple(renamed(command) for command in read(self.text))
        except ValueError as error:
            raise BenchmarkError(f"{self.name}: {error}") from error

    @cached_property
    def logic(self) -> str:
        """What ``set-logic`` says; "" without one."""
        return next((str(c[1]) for c in self.commands if c[0] == "set-logic"), "")

    @cached_property
    def functions(self) -> tuple[Asked, ...]:
        """What is to be found, in the order of the file."""
        return tuple(_asked(c) for c in self.commands if c[0] in ("synth-fun", "synth-inv"))

    @cached_property
    def definitions(self) -> tuple[str, ...]:
        """The names of the functions that the file defines."""
        return tuple(str(c[1]) for c in self.commands if c[0] == "define-fun")

    @property
    def track(self) -> str:
        """The kind of problem: invariants, strings, bit-vectors or integers."""
        if "(inv-constraint" in self.text or "(synth-inv" in self.text:
            return "invariants"
        if "String" in self.text:
            return "strings"
        return "bit-vectors" if "BitVec" in self.text else "integers"

    def without_grammar(self) -> Problem:
        """The same problem, any term of the logic allowed."""
        lines = (c[:4] if c[0] == "synth-fun" else c[:3] if c[0] == "synth-inv" else c for c in self.commands)
        return Problem(self.name, "".join(f"{shown(line)}\n" for line in lines))

    def question(self, bodies: Mapping[str, Expression]) -> str:
        """SMT-LIB that is unsatisfiable exactly when ``bodies`` (by function) are right; raises BenchmarkError."""
        lines: list[Expression] = [["set-logic", "ALL"]]
        wanted: dict[str, list[Expression]] = {"constraint": [], "assume": []}
        for command in self.commands:
            match command:
                case [("synth-fun" | "synth-inv"), name, *_]:
                    asked = next(function for function in self.functions if function.name == name)
                    lines.append(["define-fun", *asked.header(), bodies[asked.name]])
                case ["declare-var", name, sort]:
                    lines.append(["declare-const", name, sort])
                case ["declare-primed-var", name, sort]:
                    lines += [["declare-const", name, sort], ["declare-const", f"{name}!", sort]]
                case [("constraint" | "assume") as kind, formula]:
                    wanted[kind].append(formula)
                case ["chc-constraint", variables, body, head]:
                    clause: Expression = ["=>", body, head]
                    wanted["constraint"].append(["forall", variables, clause] if variables else clause)
                case ["inv-constraint", *names]:
                    declared, clauses = self._invariant(list(map(str, names)))
                    lines += declared
                    wanted["constraint"] += clauses
                case [kind, *_] if kind in KEPT:
                    lines.append(command)
                case [kind, *_] if kind in SILENT:
                    pass
                case _:
                    raise BenchmarkError(f"{self.name}: the check of answers does not know {shown(command)[:60]}")
        lines += [["assert", formula] for formula in wanted["assume"]]
        lines += [["assert", ["not", ["and", "true", *wanted["constraint"]]]], ["check-sat"]]
        return "".join(f"{shown(line)}\n" for line in lines)

    def _invariant(self, names: Sequence[str]) -> tuple[list[Expression], list[Expression]]:
        """Constants and clauses of ``inv-constraint``: it holds first, is kept by a step, and is enough at the end."""
        invariant, before, step, after = names
        asked = next(function for function in self.functions if function.name == invariant)
        now = [f"now.{name}" for name, _ in asked.parameters]
        then = [f"then.{name}" for name, _ in asked.parameters]
        sorts = [sort for _, sort in asked.parameters] * 2
        declared: list[Expression] = [
            ["declare-const", name, sort] for name, sort in zip(now + then, sorts, strict=True)
        ]
        holds: Expression = [invariant, *now]
        return declared, [
            ["=>", [before, *now], holds],
            ["=>", ["and", holds, [step, *now, *then]], [invariant, *then]],
            ["=>", holds, [after, *now]],
        ]


def problems(folder: Path) -> tuple[tuple[Problem, Path], ...]:
    """Every ``.sl`` file below ``folder``, by name; raises BenchmarkError when there is none."""
    paths = sorted(folder.rglob("*.sl"))
    if not paths:
        raise BenchmarkError(f"expected a folder with .sl files, found none below {folder}")
    return tuple(
        (Problem(path.relative_to(folder).with_suffix("").as_posix(), path.read_text(encoding="utf-8")), path)
        for path in paths
    )


def renamed(expression: Expression) -> Expression:
    """``expression`` with today's names, every negative numeral as ``(- n)``, every string literal in one spelling."""
    if isinstance(expression, str):
        if expression[0] == '"':
            return f'"{"".join(map(_spelled, _unescaped(expression)))}"'
        if expression[0] == "-" and expression[1:].isdigit():
            return ["-", expression[1:]]
        return OTHER_NAMES.get(expression, expression)
    if len(expression) == 2 and expression[0] == "BitVec":
        return ["_", "BitVec", expression[1]]
    return [renamed(part) for part in expression]


def _unescaped(literal: str) -> str:
    """The text of a string literal (SMT-LIB 2.6, theory of Unicode strings)."""
    return CHARACTER.sub(lambda found: chr(int(found[1] or found[2], 16)), literal[1:-1].replace('""', '"'))


def _spelled(character: str) -> str:
    """One character of a string literal; backslashes too are escaped, lest they begin an escape."""
    if character == '"':
        return '""'
    return character if " " <= character <= "~" and character != "\\" else f"\\u{{{ord(character):x}}}"


def _plain(rule: Expression) -> Expression:
    """A rule without its weight."""
    return rule[1] if isinstance(rule, list) and len(rule) > 1 and rule[0] == "!" else rule


def _asked(command: Expression) -> Asked:
    """What a ``synth-fun`` or ``synth-inv`` asks for; raises BenchmarkError."""
    try:
        kind, name, parameters, *rest = list(command)
        sort, rest = ("Bool", rest) if kind == "synth-inv" else (shown(rest[0]), rest[1:])
        # Before the rules, newer files declare the nonterminals; that says nothing that the rules do not.
        rules = [list(line) for line in rest[-1]] if rest else None
        grammar = None
        if rules is not None:
            grammar = {str(symbol): (shown(of), tuple(map(_plain, every))) for symbol, of, every in rules}
        pairs = tuple((str(parameter), shown(of)) for parameter, of in map(list, parameters))
        return Asked(str(name), pairs, str(sort), grammar)
    except (ValueError, IndexError) as error:
        raise BenchmarkError(f"expected a function to be found, got {shown(command)[:60]}") from error
