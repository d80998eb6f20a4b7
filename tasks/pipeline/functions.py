"""A Python function of the user's own as a program: it is run on every listed input, never read.

What is claimed of it holds of the calls that were made. Every input is asked twice, the second time in the opposite
order; an exception, or two answers to one input, is a BlackBoxError that names the input. That cannot show that a
function will never answer otherwise, so it is part of every claim's sentence that the function was run, and by which
Python (``qualified``). No solver and no bound on sets of sequences can follow it.
"""

from __future__ import annotations

import ast
import contextlib
import platform
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis import Claim, Program
from cegis.blackbox import BlackBoxError
from dsl.grammar import Grammar, Production
from dsl.grammars.positions import PlacedBatch, PlacedSignature
from dsl.operators import LABEL, GrammarError, Operator
from dsl.sequences import NO_LABEL, SequenceBatch, SequenceSignature, shown
from tasks.networks.readout import Readout, Rounded, TokenSet
from tasks.proofs.enumeration import LateError

BETWEEN = 64  # calls between two looks at the clock
LARGEST = 2**50  # number of a read-out: larger ones are no labels
HOW = "{} was run by {} {}, twice on every input, with one answer each time"
TRUST = (
    "The function is code of the user's own, which was run, not read: of one that keeps a state between calls, draws "
    "at random or looks at anything but its arguments, nothing is claimed beyond those calls."
)


class _HungError(BaseException):
    """The time ended inside a call; no ``except Exception`` of the function catches it."""


@dataclass
class Asked:
    """``function`` of a list of tokens (and a place in it), and its answers on the batches that it was run on.

    ``deadline`` (by ``time.perf_counter``): a LateError is raised then, even inside a call, where Python can.
    """

    name: str
    function: Callable[..., Any]
    readout: Readout
    signature: SequenceSignature
    deadline: float = inf
    _known: dict[int, tuple[SequenceBatch, NDArray[np.int64]]] = field(default_factory=dict, repr=False)
    _foreign: dict[tuple[Any, ...], str | None] = field(default_factory=dict, repr=False)  # what is no label

    def run(self, batch: SequenceBatch) -> NDArray[np.int64]:
        """The index of the label of every example, NO_LABEL where it is none of the signature's."""
        known = self._known.get(id(batch))
        if known is None:
            index = {str(label): n for n, label in enumerate(self.signature.labels)}
            with _quiet(), _alarm(self.deadline):
                first = self._pass(batch, index, range(batch.examples), None)
                self._pass(batch, index, range(batch.examples - 1, -1, -1), first)
            known = self._known[id(batch)] = batch, first
        return known[1]

    def once(self, values: tuple[Any, ...]) -> str | None:
        """``answer``, or what is known of it."""
        if values in self._foreign:
            return self._foreign[values]
        with _quiet(), _alarm(self.deadline):
            return self.answer(values)

    def answer(self, values: tuple[Any, ...]) -> str | None:
        """The answer at one input (a sequence, and perhaps a place), as a label is written; None for none."""
        try:
            said = self.function(list(values[0]), *values[1:])
        except (Exception, SystemExit) as error:
            text = " ".join(str(error).split())
            raise BlackBoxError(f"{self.name} raises {type(error).__name__} at {_text(values)}: {text}") from error
        try:
            return written(said, self.readout)
        except GrammarError as error:
            raise BlackBoxError(f"{self.name} at {_text(values)}: {error}") from None

    def _pass(
        self, batch: SequenceBatch, index: dict[str, int], rows: range, first: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """The answers, asked in the order of ``rows``; raises BlackBoxError where they are not those of ``first``."""
        alphabet, said = self.signature.alphabet, np.full(batch.examples, NO_LABEL)
        place = batch.place if isinstance(batch, PlacedBatch) else None
        values: tuple[Any, ...] = ()
        try:
            for n, row in enumerate(rows):
                if n % BETWEEN == 0 and time.perf_counter() > self.deadline:
                    raise LateError
                words = tuple(alphabet[token] for token in batch.tokens[row] if token >= 0)
                values = (words,) if place is None else (words, int(place[row]))
                answer = self.answer(values)
                said[row] = NO_LABEL if answer is None else index.get(answer, NO_LABEL)
                if said[row] == NO_LABEL:
                    self._foreign[values] = answer
                if first is not None and said[row] != first[row]:
                    raise BlackBoxError(
                        f"{self.name} gives two answers for the same input, {_text(values)}; nothing can be claimed of "
                        "a function that changes its mind"
                    )
        except _HungError:
            raise LateError(f"{self.name} had not answered {_text(values)}") from None
        return said


@dataclass(frozen=True, repr=False)
class RunProgram(Program):
    """A function that is run, with the ``text`` it was given as, if that is known."""

    asked: Asked = field(compare=False, repr=False, kw_only=True)
    text: str = field(default="", kw_only=True)
    needs: tuple[str, ...] = field(default=(), kw_only=True)  # names that the text takes from elsewhere

    def __call__(self, *values: Any) -> Any:
        """The answer on one input as a label is written, though the network may have no such label."""
        return self.asked.once((tuple(values[0]), *values[1:]))

    def source(self, name: str = "program", docstring: str = "") -> str:
        """The text as it was given, under its own name, ``docstring`` in the place of its docstrings.

        Without any, as the checker reads it: ``x += 1`` is ``x = x + 1``.
        """
        if not self.text:
            return f"# {self.asked.name}: a function whose text is not known\n"
        module = ast.parse(self.text)
        functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
        for function in functions:
            if ast.get_docstring(function) is not None:
                function.body = function.body[1:] or [ast.Pass()]
        if not docstring:
            module = _Plain().visit(module)
        elif functions:
            safe = "".join(letter if letter.isprintable() else " " for letter in docstring)
            lines = textwrap.wrap(safe, 96, break_long_words=False)
            functions[-1].body.insert(0, ast.Expr(ast.Constant("\n    ".join(lines))))
        text = ast.unparse(ast.fix_missing_locations(module)) + "\n"
        return f"# with {', '.join(self.needs)} of {self.asked.name}\n{text}" if self.needs else text


class _Plain(ast.NodeTransformer):
    """Assignments with an operation written out, of plain names."""

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        if not isinstance(node.target, ast.Name):
            return node
        name = node.target.id
        return ast.Assign([ast.Name(name, ast.Store())], ast.BinOp(ast.Name(name, ast.Load()), node.op, node.value))


def as_program(
    name: str,
    function: Callable[..., Any],
    signature: SequenceSignature,
    readout: Readout,
    *,
    text: str = "",
    needs: tuple[str, ...] = (),
    deadline: float = inf,
) -> RunProgram:
    """``function`` as a program from ``signature``; ``name`` is what claims call it, ``text`` its Python.

    ``needs``: names that the text does not give a meaning itself.
    """
    asked = Asked(name, function, readout, signature, deadline)

    def refuse(symbols: Any) -> Any:
        raise GrammarError(f"{name} is a function that is run: it has no formula")

    operator = Operator(f"the function {name}", (), LABEL, numpy=asked.run, smt=refuse, python="_function(tokens)")
    grammar = Grammar(signature, "Label", (Production("Label", operator),))
    return RunProgram(operator(), grammar, asked=asked, text=text, needs=needs)


def signature_of(alphabet: tuple[str, ...], names: tuple[str, ...], is_placed: bool) -> SequenceSignature:
    """What a program of such a network reads and returns."""
    return (PlacedSignature if is_placed else SequenceSignature)(alphabet, names)


def written(answer: Any, readout: Readout) -> str | None:
    """A function's answer as the labels of ``readout`` are written: texts, numbers where those are rounded, sets.

    None where it gives none. Raises GrammarError for anything else.
    """
    match readout, answer:
        case _, None:
            return None
        case _, str():
            return str.__str__(answer)
        case Rounded(denominator=denominator), bool() | int() | float() | Fraction() | np.integer() | np.floating():
            if not -LARGEST < answer < LARGEST:
                return str(answer)
            return str(int(answer)) if denominator == 1 and float(answer).is_integer() else str(float(answer))
        case TokenSet(names=names), set() | frozenset():
            if all(isinstance(member, str) for member in answer) and answer <= set(names):
                return "{" + ", ".join(name for name in names if name in answer) + "}"
    kind = {Rounded: "a number", TokenSet: "a set of tokens"}.get(type(readout), "")
    raise GrammarError(f"expected a label as a text{f', or {kind}' if kind else ''}, got {shown(answer)}")


def is_run(program: object) -> bool:
    """Whether ``program`` is a function that is run."""
    return isinstance(program, RunProgram)


def how_run(program: object) -> str:
    """That a function was run, and by which Python; nothing of a program that was read."""
    if not isinstance(program, RunProgram):
        return ""
    return HOW.format(program.asked.name, platform.python_implementation(), platform.python_version())


def qualified(claim: Claim, program: object) -> Claim:
    """``claim``, saying how ``program`` was run, if it was."""
    how = how_run(program)
    if not how:
        return claim
    return replace(claim, method=f"{claim.method}; {how}", detail=f"{claim.detail} {TRUST}".strip())


def _text(values: tuple[Any, ...]) -> str:
    words = repr(" ".join(values[0]))
    return words if len(values) == 1 else f"{words}, place {values[1]}"


@contextlib.contextmanager
def called_until(deadline: float) -> Iterator[None]:
    """Calls of a function that end at ``deadline`` with a LateError; what it prints goes to standard error."""
    with _quiet(), _alarm(deadline):
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the function prints goes to standard error, as results are printed to standard output."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def _alarm(deadline: float) -> Iterator[None]:
    """A _HungError at ``deadline``, where signals can be had: in the main thread, of a system that knows timers."""
    is_free = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if deadline == inf or not is_free or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise _HungError

    before = signal.signal(signal.SIGALRM, ring)
    left = max(1e-3, deadline - time.perf_counter())
    signal.setitimer(signal.ITIMER_REAL, left, 1.0)  # again, if the function caught it
    try:
        yield
    except _HungError:  # between two calls
        raise LateError from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
