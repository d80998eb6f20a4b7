"""Any solver program that reads SMT-LIB 2 from its standard input and keeps what it was told (push and pop).

Nothing but text goes over (``backends.program``), so the program may be of any version and in any language. Symbols are
renamed ``v0, v1, ...``, so that no solver's idea of quoting matters. The program is killed at a limit, and another
started and told the background before the next query. Models are not trusted: ``decide`` re-evaluates them.
"""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic, perf_counter

from pysmt.environment import Environment
from pysmt.logics import Logic

from backends.answer import Answer, BackendError, Limits, Sat, Unknown, Unsat, Value
from backends.backend import Backend
from backends.fragment import Formula, postorder
from backends.process import GRACE_SECONDS, DiedError
from backends.program import Program
from backends.sexpression import Expression, shown, value
from backends.smtlib import assertion

START_SECONDS = 20.0  # to start the program and take over the background, at most
LEAST_START_SECONDS = 5.0  # that it is given in any case


@dataclass(frozen=True, kw_only=True)
class SmtlibProcess(Backend):
    """A solver program; ``backends.configuration`` makes one from each entry of a file.

    ``options`` are sent as ``(set-option :name value)`` before the logic. ``seed`` and ``seconds`` are whole commands
    with ``{seed}``, ``{seconds}`` or ``{milliseconds}`` in them, sent at the start and before each limited query;
    without ``seconds`` the program is killed exactly at its limit. ``cores`` says that it knows check-sat-assuming and
    get-unsat-assumptions. ``source`` names the place to correct, in messages.
    """

    command: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    seed: str | None = None
    seconds: str | None = None
    cores: bool = False
    source: str = "this backend"

    def is_installed(self) -> bool:
        """Whether the program is on the path."""
        return shutil.which(self.command[0]) is not None

    def version(self) -> str:
        """What the program says of itself, or ``of unknown version``."""
        if not self.is_installed():
            raise BackendError(
                f"the solver {self.name} is not installed: there is no program {self.command[0]!r}; install it, or "
                f"correct its command in {self.source}"
            )
        return _version(self.name, self.command)

    def engine(self, environment: Environment, logic: Logic, seed: int, limits: Limits, hard: bool) -> SmtlibEngine:
        """The program is a process of its own, so every limit is hard."""
        if os.name != "posix":
            raise BackendError("solver programs need a POSIX system; use a solver that is a Python package")
        return SmtlibEngine(self, logic, seed, limits)


class SmtlibEngine:
    """The three methods of ``Engine``, answered by a program.

    ``_script`` is everything said outside a query, in order; the running program has heard ``_told`` commands of it.
    """

    def __init__(self, backend: SmtlibProcess, logic: Logic, seed: int, limits: Limits) -> None:
        self.backend, self._limits = backend, limits
        self._version = backend.version()
        self._names: dict[Formula, str] = {}
        self._guards: dict[str, str] = {}  # assumed in every query; a guard implies its named assertion
        self._script = ["(set-option :produce-models true)"]
        self._script += [f"(set-option :{name} {text})" for name, text in backend.options]
        self._script += [backend.seed.replace("{seed}", str(seed))] if backend.seed else []
        self._script += ["(set-option :produce-unsat-assumptions true)"] if backend.cores else []
        self._script += [f"(set-logic {logic.name})"]
        self._program: Program | None = None
        self._told, self._is_limited = 0, False
        try:
            self._ready(limits)
        except DiedError as death:
            self.close()
            reason = death.sentence(Limits(_start_seconds(limits), limits.memory_mb))
            raise BackendError(f"{backend.name} did not start: {reason}") from death
        except BaseException:
            self.close()
            raise

    def add(self, formula: Formula, name: str | None = None) -> None:
        """Assert ``formula`` for all later queries, under a name for unsatisfiable cores."""
        self._declare(formula)
        before, text, guards = len(self._script), assertion(formula, self._names), dict(self._guards)
        if name is not None and self.backend.cores:
            guard = f"g{len(guards)}"
            self._guards[guard] = name
            self._script.append(f"(declare-fun {guard} () Bool)")
            text = f"(=> {guard} {text})"
        self._script.append(f"(assert {text})")
        try:
            self._ready(self._limits)
        except DiedError:
            self.close()  # the next query meets the same trouble and reports it
        except BaseException:
            del self._script[before:]  # a refused assertion does not join the background
            self._guards = guards
            self.close()
            raise

    def check(self, formula: Formula, symbols: tuple[Formula, ...], limits: Limits) -> Answer:
        """The program's answer, or Unknown naming the limit or the crash that ended it."""
        self._declare(formula)
        query = f"(assert {assertion(formula, self._names)})"
        start, current = perf_counter(), Limits(_start_seconds(limits), limits.memory_mb)
        try:
            program = self._ready(limits)
            start, current = perf_counter(), limits
            answer = self._ask(program, query, symbols, limits, start)
        except DiedError as death:
            self.close()
            return Unknown(*self._run(start), death.sentence(current))
        except BaseException:
            self.close()
            raise
        if isinstance(answer, Unknown):
            self.close()
        return answer

    def ready(self) -> None:
        """Wait until a live program knows the background; raises DiedError if it ends meanwhile."""
        if self._program is not None and not self._program.is_alive():
            self.close()
        self._ready(self._limits)

    def interrupt(self) -> None:
        """From another thread: end the program, so that ``check`` ends as Unknown."""
        if (program := self._program) is not None:
            program.end()

    def close(self) -> None:
        """Kill the program and its group; another is started when there is something to ask."""
        if self._program is not None:
            self._program.kill()
            self._program = None

    def _ready(self, limits: Limits) -> Program:
        """The running program, which has heard the whole script and lives under these limits."""
        program = self._program
        lift = self._is_limited and limits.seconds is None  # there is no command for "no limit any more"
        if program is None or program.memory_mb != limits.memory_mb or lift:
            self.close()
            program = self._program = Program(self.backend.name, self.backend.command, limits.memory_mb)
            self._told, self._is_limited = 0, False
        commands = self._script[self._told :]
        program.tell(commands, monotonic() + _start_seconds(limits))
        self._told += len(commands)
        return program

    def _ask(self, program: Program, query: str, symbols: tuple[Formula, ...], limits: Limits, start: float) -> Answer:
        ask = f"(check-sat-assuming ({' '.join(self._guards)}))" if self._guards else "(check-sat)"
        commands, deadline = ["(push 1)", query, ask], None
        if limits.seconds is not None:
            soft = self._soft_limit(limits.seconds)
            commands, deadline = [*soft, *commands], monotonic() + limits.seconds + (GRACE_SECONDS if soft else 0.0)
        match program.say(commands, deadline):
            case ["sat"]:
                model = self._model(program, symbols, deadline)
                program.tell(["(pop 1)"], deadline)
                return Sat(*self._run(start), model)
            case ["unsat"]:
                core = self._core(program, deadline) if self._guards else ()
                program.tell(["(pop 1)"], deadline)
                return Unsat(*self._run(start), core)
            case ["unknown"]:
                if limits.seconds is not None and perf_counter() - start >= 0.95 * limits.seconds:
                    return Unknown(*self._run(start), f"reached the time limit of {limits.seconds:g} s")
                reason = " ".join(map(shown, program.say(["(get-info :reason-unknown)"], deadline)))
                return Unknown(*self._run(start), reason or "unknown")
            case reply:
                raise program.objection("expected sat, unsat or unknown", reply)

    def _core(self, program: Program, deadline: float | None) -> tuple[str, ...]:
        reply = program.say(["(get-unsat-assumptions)"], deadline)
        match reply:
            case [[*used]] if all(isinstance(guard, str) and guard in self._guards for guard in used):
                return tuple(name for guard, name in self._guards.items() if guard in used)
        raise program.objection("expected a list of assumptions", reply)

    def _soft_limit(self, seconds: float) -> list[str]:
        """The command that bounds the next query, if there is one."""
        if self.backend.seconds is None:
            return []
        self._is_limited = True
        text = self.backend.seconds.replace("{milliseconds}", str(max(1, round(seconds * 1000))))
        return [text.replace("{seconds}", str(max(1, math.ceil(seconds))))]

    def _model(self, program: Program, symbols: tuple[Formula, ...], deadline: float | None) -> dict[str, Value]:
        if not symbols:
            return {}
        reply = program.say([f"(get-value ({' '.join(self._names[symbol] for symbol in symbols)}))"], deadline)
        match reply:
            case [[*pairs]] if len(pairs) == len(symbols):
                try:
                    return dict(self._value(symbol, pair) for symbol, pair in zip(symbols, pairs, strict=True))
                except ValueError as error:
                    raise program.objection(str(error), reply) from None
        raise program.objection("expected the value of every symbol", reply)

    def _value(self, symbol: Formula, pair: Expression) -> tuple[str, Value]:
        match pair:
            case [name, constant] if name == self._names[symbol]:
                return symbol.symbol_name(), value(constant, symbol.symbol_type())
        raise ValueError(f"expected a value of {self._names[symbol]}, got {shown(pair)[:200]!r}")

    def _declare(self, formula: Formula) -> None:
        """Add the symbols of ``formula`` that are new to the script."""
        for node in postorder(formula):
            if node.is_symbol() and node not in self._names:
                self._names[node] = f"v{len(self._names)}"
                self._script.append(f"(declare-fun {self._names[node]} () {node.symbol_type().as_smtlib(False)})")

    def _run(self, start: float) -> tuple[str, str, float]:
        return self.backend.name, self._version, perf_counter() - start


def _start_seconds(limits: Limits) -> float:
    """How long the program may take to start: as long as a query, if that is long enough for a start."""
    if limits.seconds is None:
        return START_SECONDS
    return min(START_SECONDS, max(LEAST_START_SECONDS, limits.seconds))


@lru_cache(maxsize=64)
def _version(name: str, command: tuple[str, ...]) -> str:
    program = Program(name, command, None)
    try:
        match program.say(["(get-info :version)"], monotonic() + START_SECONDS):
            case [[":version", str(text)]] if text.strip('" '):
                return text.strip('" ')
    except (BackendError, DiedError):
        pass
    finally:
        program.kill()
    return "of unknown version"
