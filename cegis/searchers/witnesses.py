"""Several solvers as witnesses of one specification: a proof by one is confirmed by another, or says that it is not.

    the first proves a solution, the second finds no exception either      two witnesses
    the second finds one, and exact evaluation agrees                      refuted; the first is not believed any more
    the second does not know in its share of the time, or breaks           on the word of the first alone, and why
    the first does not know, or breaks                                     the second is asked in its place
    there is no variable, and nothing is divided by zero                   exact evaluation decides (``evaluated``)

A counterexample is evaluated exactly, so it needs no second word. A solver that broke or came too late is asked last
from then on, and what it did is in the notes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING

from backends.answer import BackendError
from cegis.formulas.evaluation import ContradictionError, EncodingError, Proof, divides_by_zero, evaluated
from cegis.formulas.formula import FormulaSpec, subterms, with_programs
from cegis.formulas.logic import logic_name
from cegis.formulas.solution import Solution
from cegis.searchers.search import HARD, hard_operators
from cegis.verdict import Counterexample, Unknown, Valid, Verdict
from dsl.operators import STRING

if TYPE_CHECKING:
    from backends import Backend
    from cegis.formulas.refutation import Refutation

FIRST_SHARE = 0.5  # of the time of a check, for the solver asked first; the others have the rest
CONFIRM_SECONDS = 2.0  # for confirming a proof, and ten times as long as the proof took
LEAST_SECONDS = 0.001  # what a solver is given when time is up


def default_backend(spec: FormulaSpec) -> Backend:
    """z3, but cvc5 for strings: PySMT does not hand them to z3, which has to be told in text, by its own program."""
    from backends import CVC5, Z3

    sorts = {sort for _, sort in spec.variables}
    for function in spec.functions:
        sorts |= {function.signature.result, *(sort for _, sort in function.signature.parameters)}
    return CVC5 if STRING in sorts else Z3


def solvers_of(spec: FormulaSpec, first: Backend | None = None) -> tuple[Backend, ...]:
    """``first`` (the default for the specification) and the other shipped solvers that are installed for its logic."""
    from backends import BITWUZLA, CVC5, Z3

    chosen, logic = first or default_backend(spec), logic_name(spec)
    others = (other for other in (Z3, CVC5, BITWUZLA) if other.name != chosen.name and logic in other.logics)
    return (chosen, *(other for other in others if other.is_installed()))


def witnesses_of(spec: FormulaSpec, first: Backend | None = None) -> tuple[Backend, ...]:
    """``solvers_of`` the specification; nobody where it has no variable, unless ``first`` is named."""
    return () if first is None and not spec.variables else solvers_of(spec, first)


@dataclass
class _Heard:
    """What solvers said in one check: proofs, why others gave none, and who found that the assumptions contradict."""

    proofs: list[Proof]
    doubts: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)

    def is_enough(self, wanted: int, *, is_ground: bool) -> bool:
        """Whether nobody else need be asked: one proof will do where nothing varies, or where it took no solver."""
        return len(self.proofs) >= wanted or (bool(self.proofs) and (is_ground or not self.proofs[0].solver))


@dataclass
class Witnesses:
    """Checks solutions of ``spec`` by ``backends``: the first proves, another confirms; none where nothing varies.

    ``seconds`` bounds one check by all of them; close it (or use ``with``) to release the solvers. ``notes`` tell of
    solvers that were wrong or broke.
    """

    spec: FormulaSpec
    backends: tuple[Backend, ...]
    seconds: float | None = None
    seed: int = 0
    notes: list[str] = field(default_factory=list, init=False)
    _open: dict[str, Refutation] = field(default_factory=dict, init=False, repr=False)
    _troubles: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    _wrong: set[str] = field(default_factory=set, init=False, repr=False)
    _speaker: dict[str, str] = field(default_factory=dict, init=False, repr=False)  # who was asked, by who answered

    def __post_init__(self) -> None:
        if self.backends:  # imported now, since what a race takes is measured
            import cegis.formulas.refutation  # noqa: F401

    def check(self, solution: Solution, /) -> Verdict:
        """Valid with one proof that names its witnesses, a counterexample, or Unknown with everybody's reasons."""
        return self._check(solution, 2, ())

    def check_once(self, solution: Solution, /) -> Verdict:
        """As ``check``, but nobody confirms: for what is confirmed later (``confirm``)."""
        return self._check(solution, 1, ())

    def confirm(self, solution: Solution, proof: Proof) -> Verdict:
        """As ``check`` of a solution that has a proof by ``check_once``."""
        return self._check(solution, 2, (proof,))

    def _check(self, solution: Solution, wanted: int, proofs: tuple[Proof, ...]) -> Verdict:
        """The verdict by so many proofs, of which some are there."""
        if not self.backends and not self.spec.variables:
            closed = with_programs(self.spec.constraints, solution.bodies)
            if not divides_by_zero(self.spec, closed):
                return evaluated(self.spec, solution, closed)
            self.backends = solvers_of(self.spec)
        start, heard = time.perf_counter(), _Heard(list(proofs))
        for backend in self._order():
            if heard.is_enough(wanted, is_ground=not self.spec.variables):
                break
            if any(backend.name == proof.name for proof in heard.proofs):
                continue
            found = self._ask(backend, solution, heard, start)
            if found is not None:
                return found
        if heard.contradicted and not heard.proofs:
            raise ContradictionError(f"{ContradictionError.TEXT}; on the word of {heard.contradicted[0]} alone")
        if not heard.proofs:
            return Unknown("; ".join(heard.doubts) or "no solver was asked")
        return self._proved(heard, wanted, start)

    def _ask(self, backend: Backend, solution: Solution, heard: _Heard, start: float) -> Counterexample | None:
        """Hear one solver: a counterexample ends the check, and all else is noted in ``heard``."""
        seconds = self._share(start, heard.proofs, is_last=backend is self._order()[-1])
        try:
            verdict = self._refutation(backend, solution, seconds, bool(heard.proofs)).check(solution)
        except EncodingError:
            raise
        except ContradictionError as error:
            heard.contradicted.append(backend.name)
            if len(heard.contradicted) == 2:
                raise ContradictionError(f"{error}; {' and '.join(heard.contradicted)} say so") from None
            return None
        except BackendError as error:
            self._trouble(backend, str(error))
            heard.doubts.append(str(error) if backend.name in str(error) else f"{backend.name}: {error}")
            return None
        match verdict:
            case Counterexample():
                for proof in heard.proofs:
                    self._lied(proof.name, f"found no exception to {solution.text}, which fails at {shown(verdict)}")
                self._not_contradicted(heard.contradicted)
                return verdict
            case Valid(claims):
                heard.proofs += [claim for claim in claims if isinstance(claim, Proof)]
                last = heard.proofs[-1]
                self._speaker[last.name] = backend.name
                if not self.spec.variables and last.doubt:
                    self._note(last.doubt)
                self._not_contradicted(heard.contradicted)
            case Unknown(reason):
                heard.doubts.append(reason)
                self._trouble(backend)
        return None

    def _proved(self, heard: _Heard, wanted: int, start: float) -> Valid:
        """What the proofs come to, and on whose word."""
        first, *others = heard.proofs
        doubts = heard.doubts
        if first.name and self._speaker.get(first.name) != self.backends[0].name and doubts:
            self._note("; ".join(doubts))
        if wanted == 1 or not first.solver or not self.spec.variables:
            return Valid((replace(first, doubt="; ".join(doubts)),), tuple(self.notes))
        if not others:
            doubts = doubts or ["no other solver is there to confirm it"]
        seconds = time.perf_counter() - start
        witnesses = tuple(other.solver for other in others)
        proof = replace(first, witnesses=witnesses, doubt="" if others else "; ".join(doubts), seconds=seconds)
        return Valid((proof,), tuple(self.notes))

    # --- who is asked, and for how long -------------------------------------------------------------------------

    def _order(self) -> list[Backend]:
        """Those that gave no trouble first; those that were wrong are not asked."""
        asked = [backend for backend in self.backends if backend.name not in self._wrong]
        return sorted(asked, key=lambda backend: self._troubles.get(backend.name, 0) > 0)

    def _share(self, start: float, proofs: Sequence[Proof], is_last: bool) -> float | None:
        """Seconds for one solver."""
        left = None if self.seconds is None else max(LEAST_SECONDS, self.seconds - (time.perf_counter() - start))
        if proofs:
            wanted = CONFIRM_SECONDS + 10 * sum(proof.seconds for proof in proofs)
            return wanted if left is None else min(left, wanted)
        return left if left is None or is_last else left * FIRST_SHARE

    def _refutation(self, backend: Backend, solution: Solution, seconds: float | None, confirms: bool) -> Refutation:
        """The open session with a solver. One that confirms what may take long is killed when it is late."""
        is_hard = confirms and (hard_operators(solution) or self._is_hard)
        name = f"{backend.name}{' (worker)' if is_hard else ''}"
        if name not in self._open:
            from cegis.formulas.refutation import Refutation

            self._open[name] = Refutation(self.spec, backend, seed=self.seed, hard=bool(is_hard))
        self._open[name].seconds = seconds
        return self._open[name]

    @property
    def _is_hard(self) -> bool:
        return any(
            inner.operator.name in HARD and sum(not part.operator.is_literal for part in inner.arguments) > 1
            for term in (*self.spec.constraints, *self.spec.assumptions)
            for inner in subterms(term)
        )

    # --- what they did ------------------------------------------------------------------------------------------

    def _trouble(self, backend: Backend, what: str = "") -> None:
        self._troubles[backend.name] = self._troubles.get(backend.name, 0) + 1
        if what:
            self._note(what if backend.name in what else f"{backend.name}: {what}")

    def _lied(self, name: str, what: str) -> None:
        self._wrong |= {name, self._speaker.get(name, name)}
        self._note(f"{name} was wrong and is not believed any more: it {what}")

    def _not_contradicted(self, names: list[str]) -> None:
        for name in names:
            self._lied(name, "found no values that satisfy the assumptions, but there are some")
        names.clear()

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def close(self) -> None:
        """Release the solvers."""
        for refutation in self._open.values():
            refutation.close()
        self._open.clear()

    def __enter__(self) -> Witnesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def shown(exception: Counterexample) -> str:
    """The values of a counterexample."""
    return f"({', '.join(map(repr, exception.inputs))})"
