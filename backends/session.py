"""``decide``: the one place where a question meets a solver and where its answer is checked.

A session keeps a background of assertions. ``decide(session, name, formula)`` asks whether background and formula can
hold together; push, check, model and pop happen in the engine, in this process or in a worker. A *sat* is passed on
only after its model, re-evaluated by our own exact arithmetic, makes every assertion true. *Unsat* is the solver's
word; record the query and ask a second solver to check it.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType, TracebackType
from typing import Protocol

from pysmt.environment import Environment
from pysmt.logics import Logic

from backends.answer import Answer, BackendError, Limits, Sat, Unknown, Unsat, Value
from backends.evaluation import Tape, flatten
from backends.fragment import LAST_CHARACTER, Formula, check_fragment
from backends.recorder import Recorder


class Solving(Protocol):
    """What a session needs; ``Engine``, ``Worker``, ``SmtlibEngine`` and ``Race`` have it."""

    def add(self, formula: Formula, name: str | None = None) -> None:
        """Assert ``formula`` for all later queries, under a name for unsatisfiable cores."""
        ...

    def check(self, formula: Formula, symbols: tuple[Formula, ...], limits: Limits) -> Answer:
        """The answer for all that was added and ``formula``, with a value for each of ``symbols``."""
        ...

    def close(self) -> None:
        """Release the solver; nothing may be asked afterwards."""
        ...


class Named(Protocol):
    """What a session tells of its solver; every ``Backend`` has it."""

    @property
    def name(self) -> str:
        """What answers call it."""
        ...


class Session:
    """An open solver with a background; made by ``Backend.open``, closed by ``with``, asked through ``decide``.

    Threads may each have sessions, with an environment of their own; none is used by two threads at once.
    """

    def __init__(
        self,
        backend: Named,
        environment: Environment,
        logic: Logic,
        engine: Solving,
        limits: Limits,
        recorder: Recorder | None,
    ) -> None:
        self.backend, self.environment, self.logic, self.limits = backend, environment, logic, limits
        self._engine, self._recorder = engine, recorder
        self._background: list[Formula] = []
        self._tapes: dict[Formula, Tape] = {}  # of the background, made when a model must be confirmed
        self._checked: dict[int, bool] = {}
        self._named: set[str] = set()
        self._symbols: dict[str, Formula] = {}
        self._open = True

    def add(self, formula: Formula, name: str | None = None) -> None:
        """Assert ``formula`` as background of all later queries; a name lets ``Unsat.core`` speak of it."""
        symbols = self._read(formula)
        if name is not None:
            _check_name("named assertion", name)
            if name in self._named:
                raise BackendError(f"expected a name for each assertion, got {name!r} twice")
        self._engine.add(formula, name)
        if name is not None:
            self._named.add(name)
        self._background.append(formula)
        self._symbols.update(symbols)

    def interrupt(self) -> None:
        """From another thread: end a query under way (it is Unknown then), if the solver is a process of its own."""
        end = getattr(self._engine, "interrupt", None)
        if end is not None:
            end()

    def close(self) -> None:
        """Release the solver; closing twice is harmless."""
        self._open = False
        self._engine.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, formula: Formula) -> dict[str, Formula]:
        """The formula's free symbols by name, after every check that needs no solver."""
        if not self._open:
            raise BackendError("this session is closed; open another with backend.open(...)")
        try:
            ours = formula in self.environment.formula_manager
        except AttributeError:
            raise BackendError(f"expected a pySMT formula, got {type(formula).__name__}") from None
        if not ours:
            raise BackendError("the formula belongs to another pySMT environment than the session; build it with "
                               "session.environment.formula_manager")  # fmt: skip
        check_fragment(formula, self.logic, self._checked)
        if not self.environment.stc.get_type(formula).is_bool_type():
            raise BackendError(
                f"expected a Boolean formula, got a term of type {self.environment.stc.get_type(formula)}"
            )
        return {symbol.symbol_name(): symbol for symbol in self.environment.fvo.get_free_variables(formula)}

    def _tapes_with(self, formula: Formula) -> list[Tape]:
        """What a model of the background and ``formula`` must make true."""
        for part in self._background:
            if part not in self._tapes:
                self._tapes[part] = flatten(self.environment, part)
        return [*self._tapes.values(), flatten(self.environment, formula)]


def decide(session: Session, name: str, formula: Formula | None = None, limits: Limits | None = None) -> Answer:
    """Whether the session's background and ``formula`` can hold together.

    ``name`` says what is asked, for records and messages (``"quotes/length-3"``). Without a formula the background
    alone is asked: do that once (``"quotes/assumptions"``) before believing an Unsat. Timeouts, crashes and a solver
    that gives up are Unknown. Raises BackendError for a formula outside the logic and for a solver whose model
    does not satisfy what it was asked.
    """
    _check_name("query", name)
    if formula is None:
        formula = session.environment.formula_manager.TRUE()
    symbols = {**session._symbols, **session._read(formula)}
    answer = session._engine.check(formula, tuple(symbols.values()), limits or session.limits)
    if isinstance(answer, Sat):
        answer = _confirmed(answer, name, symbols, session._tapes_with(formula))
    if isinstance(answer, Unsat) and not session._named.issuperset(answer.core):
        raise BackendError(f"{answer.solver} answered unsat to {name!r} with a core that nobody named: {answer.core}")
    if session._recorder is not None:
        session._recorder.write(name, [*session._background, formula], session.logic, answer)
    return answer


def _check_name(what: str, name: str) -> None:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise BackendError(f"every {what} needs a name on one line, such as 'quotes/length-3'; got {name!r}")


def _confirmed(answer: Sat, name: str, symbols: dict[str, Formula], tapes: list[Tape]) -> Answer:
    """``answer`` if its model satisfies every tape; Unknown if that hangs on x/0; otherwise BackendError."""
    solver = f"{answer.solver} {answer.version}"
    for symbol, node in symbols.items():
        value, kind = answer.model.get(symbol), node.symbol_type()
        if value is None or not _fits(value, kind):
            raise BackendError(
                f"{solver} answered sat to {name!r}, but gave {symbol!r} of type {kind} the value {value!r}"
            )
    values = [tape(answer.model) for tape in tapes]
    if any(value is False for value in values):
        raise BackendError(
            f"{solver} answered sat to {name!r} with a model that does not satisfy it; do not trust this solver here, "
            "and report the query"
        )
    if not all(value is True for value in values):
        reason = "the model depends on a division by zero, which has no fixed value"
        return Unknown(answer.solver, answer.version, answer.seconds, reason)
    return replace(answer, model=MappingProxyType({symbol: answer.model[symbol] for symbol in sorted(symbols)}))


def _fits(value: Value, kind: object) -> bool:
    match value:
        case bool():
            return bool(kind.is_bool_type())  # type: ignore[attr-defined]
        case int():
            return bool(kind.is_int_type()) or bool(kind.is_bv_type() and 0 <= value < 1 << kind.width)  # type: ignore[attr-defined]
        case Fraction():
            return bool(kind.is_real_type())  # type: ignore[attr-defined]
        case str():
            return bool(kind.is_string_type()) and all(character <= LAST_CHARACTER for character in value)  # type: ignore[attr-defined]
    return False
