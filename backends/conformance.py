"""What a backend must do before its answers may be used: named cases that an author can run on a new solver.

``python -m backends.conformance NAME`` runs them from the command line, ``check(backend)`` from code, and with pytest:
``@pytest.mark.parametrize("case", CASES, ids=str)`` around ``case.run(backend)``. Cases of a logic that the
backend does not list are not run. They show faults; they cannot show that a solver is sound: for that, record queries
and compare solvers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import pysmt.logics
from pysmt.environment import Environment
from pysmt.typing import BOOL, INT, REAL, STRING, BVType

from backends.answer import Answer, BackendError, Limits, Sat, Unknown, Unsat
from backends.backend import Backend
from backends.package import PysmtBackend
from backends.portfolio import Portfolio
from backends.registry import get, load
from backends.session import Session, decide

Run = Callable[[Backend, Session, Any], None]  # backend, open session, formula manager


class ConformanceError(AssertionError):
    """A backend did not do what a case asks."""


@dataclass(frozen=True)
class Case:
    """One demand on a backend, in a session of ``logic``."""

    name: str
    logic: str
    demand: Run

    def run(self, backend: Backend, *, hard: bool = False) -> None:
        """Raise ConformanceError or BackendError unless ``backend`` meets the demand."""
        environment = Environment()
        with backend.open(environment, getattr(pysmt.logics, self.logic), limits=Limits(20), hard=hard) as session:
            self.demand(backend, session, environment.formula_manager)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Failure:
    """A case that was not met, and why."""

    case: str
    reason: str


def check(backend: Backend, *, hard: bool = False) -> tuple[Failure, ...]:
    """Every failure of ``backend``, its worker included where ``hard``; empty means it conforms."""
    failures = []
    for case in CASES:
        if case.logic in backend.logics:
            try:
                case.run(backend, hard=hard)
            except (ConformanceError, BackendError) as error:
                failures.append(Failure(case.name, str(error)))
    return tuple(failures)


def expect(condition: bool, sentence: str) -> None:
    """Raise ConformanceError with ``sentence`` unless ``condition`` holds."""
    if not condition:
        raise ConformanceError(sentence)


def _expect_kind(answer: Answer, kind: type[Answer]) -> None:
    expect(isinstance(answer, kind), f"expected {kind.__name__}, got {answer}")


def _satisfiable(_: Backend, session: Session, manager: Any) -> None:
    x = manager.Symbol("x", INT)
    answer = decide(session, "sat", manager.Equals(manager.Times(x, manager.Int(3)), manager.Int(-12)))
    expect(isinstance(answer, Sat) and dict(answer.model) == {"x": -4}, f"expected x = -4, got {answer}")


def _unsatisfiable(_: Backend, session: Session, manager: Any) -> None:
    x = manager.Symbol("x", INT)
    answer = decide(session, "unsat", manager.Equals(manager.Times(x, manager.Int(3)), manager.Int(10)))
    _expect_kind(answer, Unsat)


def _whole_model(_: Backend, session: Session, manager: Any) -> None:
    names = [f"tok_{i}" for i in range(20)]
    session.add(manager.Or([manager.Symbol(name, BOOL) for name in names]))
    answer = decide(session, "model", manager.Symbol("other", BOOL))
    expect(isinstance(answer, Sat) and set(answer.model) == {*names, "other"}, f"expected every symbol, got {answer}")


def _background_stays(_: Backend, session: Session, manager: Any) -> None:
    x = manager.Symbol("x", INT)
    session.add(manager.GT(x, manager.Int(0)))
    _expect_kind(decide(session, "first", manager.LT(x, manager.Int(1))), Unsat)
    _expect_kind(decide(session, "second", manager.LT(x, manager.Int(2))), Sat)
    session.add(manager.GT(x, manager.Int(1)))
    _expect_kind(decide(session, "third", manager.LT(x, manager.Int(2))), Unsat)
    _expect_kind(decide(session, "fourth"), Sat)


def _queries_leave_no_trace(_: Backend, session: Session, manager: Any) -> None:
    x = manager.Symbol("x", INT)
    for round_ in range(300):
        bound = manager.Int(round_)
        query = manager.And(manager.GE(x, bound), manager.LE(x, bound))
        answer = decide(session, f"round {round_}", query)
        expect(isinstance(answer, Sat) and answer.model["x"] == round_, f"expected x = {round_}, got {answer}")


def _vacuity_shows(_: Backend, session: Session, manager: Any) -> None:
    x = manager.Symbol("x", INT)
    session.add(manager.GT(x, manager.Int(0)))
    session.add(manager.LT(x, manager.Int(0)))
    _expect_kind(decide(session, "vacuity/assumptions"), Unsat)


def _timeout_is_unknown(_: Backend, session: Session, manager: Any) -> None:
    x, y, z = (manager.Symbol(name, INT) for name in "xyz")
    cubes = manager.Plus([manager.Times(v, v, v) for v in (x, y, z)])
    answer = decide(session, "sum of three cubes", manager.Equals(cubes, manager.Int(42)), Limits(0.3))
    expect(isinstance(answer, Unknown) and bool(answer.reason), f"expected Unknown with a reason, got {answer}")
    answer = decide(session, "after the timeout", manager.Equals(manager.Times(x, x), manager.Int(4)))
    expect(isinstance(answer, Sat) and answer.model["x"] in (2, -2), f"expected x = 2 or -2, got {answer}")


def _integer_division(_: Backend, session: Session, manager: Any) -> None:
    q = manager.Symbol("q", INT)
    for left, right in product((-8, -7, -1, 0, 1, 7, 8), (-3, -1, 1, 3)):
        expected = next(k for k in range(-9, 10) if 0 <= left - k * right < abs(right))
        question = f"{left} div {right}"
        claim = manager.Equals(q, manager.Div(manager.Int(left), manager.Int(right)))
        answer = decide(session, question, claim)
        expect(isinstance(answer, Sat) and answer.model["q"] == expected, f"{question} is {expected}: {answer}")
        other = manager.And(claim, manager.Not(manager.Equals(q, manager.Int(expected))))
        _expect_kind(decide(session, f"another {question}", other), Unsat)


def _division_of_a_variable(_: Backend, session: Session, manager: Any) -> None:
    x, three = manager.Symbol("x", INT), manager.Int(-3)
    remainder = manager.Minus(x, manager.Times(three, manager.Div(x, three)))
    session.add(manager.Equals(remainder, manager.Int(2)))
    answer = decide(session, "remainder", manager.LT(x, manager.Int(-(10**6))))
    expect(isinstance(answer, Sat) and int(answer.model["x"]) % 3 == 2, f"expected a remainder of 2, got {answer}")
    _expect_kind(decide(session, "other remainder", manager.Equals(x, manager.Int(-3))), Unsat)


def _big_integers(_: Backend, session: Session, manager: Any) -> None:
    x, big = manager.Symbol("x", INT), 10**60 + 1
    query = manager.Equals(x, manager.Div(manager.Int(-big), manager.Int(7)))
    answer = decide(session, "big", query)
    expect(isinstance(answer, Sat) and answer.model["x"] == -big // 7, f"expected {-big // 7}, got {answer}")


def _one_hot_counts(_: Backend, session: Session, manager: Any) -> None:
    rows = [[manager.Symbol(f"tok_{i}_{j}", BOOL) for j in range(3)] for i in range(6)]
    for row in rows:
        session.add(manager.ExactlyOne(row))
    counts = [manager.Plus([manager.Ite(row[j], manager.Int(1), manager.Int(0)) for row in rows]) for j in range(3)]
    equal = manager.And(manager.Equals(counts[0], counts[1]), manager.Equals(counts[1], counts[2]))
    _expect_kind(decide(session, "equal counts", equal), Sat)
    _expect_kind(decide(session, "too many", manager.Not(manager.Equals(manager.Plus(counts), manager.Int(6)))), Unsat)


def _same_seed_same_answer(backend: Backend, session: Session, manager: Any) -> None:
    """In a fresh process: inside one, a solver may share state between sessions (Z3 does)."""
    x, y = (manager.Symbol(name, INT) for name in "xy")
    query = manager.GT(manager.Plus(x, y), manager.Int(5))
    models = []
    for seed in (7, 7, 8):
        with backend.open(session.environment, session.logic, seed=seed, hard=True) as seeded:
            answer = decide(seeded, "seed", query)
            _expect_kind(answer, Sat)
            models.append(dict(answer.model) if isinstance(answer, Sat) else {})
    if not isinstance(backend, Portfolio):  # there, who is first depends on the clock
        expect(models[0] == models[1], f"the same seed gave {models[0]} and then {models[1]}")


def _fractions(_: Backend, session: Session, manager: Any) -> None:
    r = manager.Symbol("r", REAL)
    tenth = manager.Real(Fraction(-1, 10))
    answer = decide(session, "fraction", manager.Equals(manager.Times(manager.Real(3), r), tenth))
    expect(isinstance(answer, Sat) and answer.model["r"] == Fraction(-1, 30), f"expected r = -1/30, got {answer}")
    whole = decide(session, "whole", manager.Equals(r, manager.Real(2)))
    expect(isinstance(whole, Sat) and type(whole.model["r"]) is Fraction, f"expected a Fraction, got {whole}")
    between = manager.And(manager.GT(r, manager.Real(0)), manager.LT(r, manager.Real(Fraction(1, 10**30))))
    _expect_kind(decide(session, "dense", between), Sat)


def _mixed(_: Backend, session: Session, manager: Any) -> None:
    x, r = manager.Symbol("x", INT), manager.Symbol("r", REAL)
    session.add(manager.Equals(manager.ToReal(x), manager.Times(manager.Real(2), r)))
    answer = decide(session, "half", manager.Equals(x, manager.Int(3)))
    expect(isinstance(answer, Sat) and answer.model["r"] == Fraction(3, 2), f"expected r = 3/2, got {answer}")


def _products(_: Backend, session: Session, manager: Any) -> None:
    x, y = (manager.Symbol(name, INT) for name in "xy")
    query = manager.And(manager.Equals(manager.Times(x, y), manager.Int(15)), manager.GT(x, manager.Int(3)))
    answer = decide(session, "product", manager.And(query, manager.GT(y, manager.Int(1))))
    expect(isinstance(answer, Sat) and dict(answer.model) == {"x": 5, "y": 3}, f"expected 5 * 3, got {answer}")


def _bit_vectors(_: Backend, session: Session, manager: Any) -> None:
    a, b = (manager.Symbol(name, BVType(8)) for name in "ab")
    session.add(manager.Equals(manager.BVAdd(a, b), manager.BV(1, 8)))
    answer = decide(session, "wrap", manager.And(manager.BVUGT(a, b), manager.BVSLT(a, manager.BV(0, 8))))
    _expect_kind(answer, Sat)
    zero = manager.Equals(manager.BVUDiv(a, manager.BV(0, 8)), manager.BV(255, 8))
    _expect_kind(decide(session, "division by zero is all ones", manager.Not(zero)), Unsat)


def _words_among_integers(_: Backend, session: Session, manager: Any) -> None:
    word, number = manager.Symbol("w", BVType(8)), manager.Symbol("n", INT)
    spelled = manager.BVToNatural(word)
    session.add(manager.Equals(number, manager.Minus(spelled, manager.Int(200))))
    answer = decide(session, "the largest", manager.GE(number, manager.Int(55)))
    expect(isinstance(answer, Sat) and dict(answer.model) == {"n": 55, "w": 255}, f"expected 255, got {answer}")
    _expect_kind(decide(session, "none is below 0", manager.LT(number, manager.Int(-200))), Unsat)


def _bit_vector_operators(_: Backend, session: Session, manager: Any) -> None:
    """Every operator on every pair of 2-bit numbers, negative ones and zero divisors among them."""
    numbers = [manager.Symbol(f"n_{value}", BVType(2)) for value in range(4)]
    session.add(manager.And([manager.Equals(symbol, manager.BV(value, 2)) for value, symbol in enumerate(numbers)]))
    claims: list[Any] = []
    results: list[Any] = []
    for left, right in product(numbers, repeat=2):
        for term in _operators(manager, left, right):
            results.append(manager.Symbol(f"r_{len(results)}", BVType(term.bv_width())))
            claims.append(manager.Equals(results[-1], term))
    answer = decide(session, "operators", manager.And(claims))  # the model is confirmed by our own evaluation
    expect(isinstance(answer, Sat), f"expected Sat, got {answer}")
    if isinstance(answer, Sat):
        session.add(manager.And([manager.Equals(r, manager.BV(answer.model[r.symbol_name()], 2)) for r in results]))
        _expect_kind(decide(session, "other results", manager.Not(manager.And(claims))), Unsat)


def _operators(m: Any, a: Any, b: Any) -> list[Any]:
    """2-bit terms, one for each bit-vector operator of the fragment."""
    one, zero = m.BV(1, 2), m.BV(0, 2)
    binary = (m.BVAnd, m.BVOr, m.BVXor, m.BVAdd, m.BVSub, m.BVMul, m.BVLShl, m.BVLShr, m.BVAShr)
    division = (m.BVUDiv, m.BVURem, m.BVSDiv, m.BVSRem)
    relations = (m.BVULT, m.BVULE, m.BVSLT, m.BVSLE)
    low, wide = m.BVExtract(a, 0, 0), m.BVConcat(a, b)
    return [
        *(build(a, b) for build in binary + division),
        *(m.Ite(build(a, b), one, zero) for build in relations),
        *(m.BVNot(a), m.BVNeg(a), m.BVRol(a, 1), m.BVRor(a, 1), m.BVZExt(low, 1), m.BVSExt(low, 1)),
        *(m.BVExtract(wide, 1, 2), m.BVZExt(m.BVComp(a, b), 1)),
    ]


def _bit_vector_queries(_: Backend, session: Session, manager: Any) -> None:
    x = manager.Symbol("x", BVType(16))
    session.add(manager.BVULT(x, manager.BV(200, 16)))
    for round_ in range(200):
        answer = decide(session, f"round {round_}", manager.BVUGE(x, manager.BV(199 - round_ % 2, 16)))
        expect(isinstance(answer, Sat) and answer.model["x"] in (198, 199), f"expected x = 198 or 199, got {answer}")
    _expect_kind(decide(session, "beyond the background", manager.BVUGE(x, manager.BV(200, 16))), Unsat)
    session.add(manager.BVUGE(x, manager.BV(200, 16)))
    _expect_kind(decide(session, "vacuity/assumptions"), Unsat)


def _bit_vector_timeout(_: Backend, session: Session, manager: Any) -> None:
    x, y = (manager.Symbol(name, BVType(64)) for name in "xy")
    factors = manager.Equals(manager.BVMul(x, y), manager.BV(2654435761 * 3266489917, 64))
    small = manager.And([manager.BVULT(v, manager.BV(1 << 32, 64)) for v in (x, y)])
    answer = decide(session, "factors", manager.And(factors, small), Limits(0.3))
    expect(isinstance(answer, Unknown) and bool(answer.reason), f"expected Unknown with a reason, got {answer}")
    answer = decide(session, "after the timeout", manager.Equals(x, manager.BV(2, 64)))
    expect(isinstance(answer, Sat) and answer.model["x"] == 2, f"expected x = 2, got {answer}")


def _strings(_: Backend, session: Session, manager: Any) -> None:
    x, y = (manager.Symbol(name, STRING) for name in "xy")
    for text in ("", 'say "hi"', "\\u{41} \\x41 \\n", "two\nlines\t\0", "\u00e9\u20ac\U0001f600", "\ud800\udc00"):
        joined = manager.StrConcat(x, manager.String("|"), y)
        claim = manager.Equals(joined, manager.String(f"{text}|"))
        answer = decide(session, "characters", claim)
        expect(
            isinstance(answer, Sat) and dict(answer.model) == {"x": text, "y": ""}, f"expected {text!r}, got {answer}"
        )
    longer = manager.GT(manager.StrLength(x), manager.StrLength(manager.StrConcat(x, y)))
    _expect_kind(decide(session, "a part is not longer", longer), Unsat)


def _string_operators(_: Backend, session: Session, manager: Any) -> None:
    """Every operator on constants, at its edges; our own evaluation confirms each and the solver refutes the rest."""
    texts = tuple(map(manager.String, ("", "a", "ab", "aba", "07", "-7")))
    numbers = tuple(map(manager.Int, (-1, 0, 1, 3)))
    terms = [manager.StrLength(text) for text in texts] + [manager.StrToInt(text) for text in texts]
    terms += [manager.IntToStr(number) for number in numbers]
    for left, right in product(texts, texts[:3]):
        relations = (manager.StrContains, manager.StrPrefixOf, manager.StrSuffixOf)
        terms += [manager.Ite(relation(left, right), numbers[2], numbers[1]) for relation in relations]
        terms += [manager.StrConcat(left, right), manager.StrReplace(left, right, texts[4])]
        terms += [manager.StrIndexOf(left, right, number) for number in numbers]
    for text, number in product(texts, numbers):
        terms += [manager.StrCharAt(text, number), *(manager.StrSubstr(text, number, length) for length in numbers)]
    kind = session.environment.stc.get_type
    results = [manager.Symbol(f"r_{place}", kind(term)) for place, term in enumerate(terms)]
    claims = [manager.Equals(result, term) for result, term in zip(results, terms, strict=True)]
    answer = decide(session, "operators", manager.And(claims))  # the model is confirmed by our own evaluation
    expect(isinstance(answer, Sat), f"expected Sat, got {answer}")
    if isinstance(answer, Sat):
        for result in results:
            value = answer.model[result.symbol_name()]
            session.add(manager.Equals(result, manager.String(value) if type(value) is str else manager.Int(value)))
        _expect_kind(decide(session, "other results", manager.Not(manager.And(claims))), Unsat)


def _string_queries(_: Backend, session: Session, manager: Any) -> None:
    x, digits = manager.Symbol("x", STRING), manager.String("0123456789" * 4)
    session.add(manager.StrPrefixOf(x, digits))
    for length in range(40):
        answer = decide(session, f"length {length}", manager.Equals(manager.StrLength(x), manager.Int(length)))
        expected = digits.constant_value()[:length]
        expect(isinstance(answer, Sat) and answer.model["x"] == expected, f"expected {expected!r}, got {answer}")
    _expect_kind(decide(session, "too long", manager.Equals(manager.StrLength(x), manager.Int(41))), Unsat)


def _pure_logic(_: Backend, session: Session, manager: Any) -> None:
    a, b = (manager.Symbol(name, BOOL) for name in "ab")
    session.add(manager.Implies(a, b))
    answer = decide(session, "modus ponens", a)
    expect(
        isinstance(answer, Sat) and dict(answer.model) == {"a": True, "b": True}, f"expected both true, got {answer}"
    )
    _expect_kind(decide(session, "modus tollens", manager.And(a, manager.Not(b))), Unsat)


def _core_is_enough(backend: Backend, session: Session, manager: Any) -> None:
    """A solver that cannot tell gives an empty core; one that can must not leave out what is needed."""
    a, b, c, d = (manager.Symbol(name, BOOL) for name in "abcd")
    facts = {"a to b": manager.Implies(a, b), "d": d, "b to c": manager.Implies(b, c), "b or d": manager.Or(b, d)}
    for name, fact in facts.items():
        session.add(fact, name)
    _expect_kind(decide(session, "satisfiable"), Sat)
    query = manager.And(a, manager.Not(c))
    for round_ in range(3):
        answer = decide(session, f"unsatisfiable {round_}", query)
        expect(isinstance(answer, Unsat), f"expected Unsat, got {answer}")
        if isinstance(answer, Unsat) and answer.core:
            expect(set(answer.core) <= set(facts), f"expected names of assertions, got {answer.core}")
            with backend.open(session.environment, session.logic) as alone:
                for name in answer.core:
                    alone.add(facts[name])
                _expect_kind(decide(alone, f"only {', '.join(answer.core)}", query), Unsat)
    _expect_kind(decide(session, "satisfiable again", manager.And(a, c)), Sat)


def _odd_names(_: Backend, session: Session, manager: Any) -> None:
    names = ("true", "let", "a b", "x|y", "and", "div", ".def_0", "é")
    session.add(manager.And([manager.Not(manager.Symbol(name, BOOL)) for name in names]))
    answer = decide(session, "names")
    expect(isinstance(answer, Sat) and not any(answer.model[n] for n in names), f"expected all false, got {answer}")


def _describes_itself(backend: Backend, session: Session, manager: Any) -> None:
    expect(bool(backend.version()), "expected a version")
    if isinstance(backend, PysmtBackend):
        expect(load(backend.home) == backend, f"expected this backend at {backend.home}, where a worker looks for it")
    answer = decide(session, "name")
    speakers = backend.members if isinstance(backend, Portfolio) else (backend,)
    known = {(speaker.name, speaker.version()) for speaker in speakers}
    expect((answer.solver, answer.version) in known, f"the answer names another: {answer}")


CASES: tuple[Case, ...] = (
    Case("describes itself", "QF_UF", _describes_itself),
    Case("propositional logic", "QF_UF", _pure_logic),
    Case("names that are words of SMT-LIB", "QF_UF", _odd_names),
    Case("a core is enough", "QF_UF", _core_is_enough),
    Case("satisfiable", "QF_LIA", _satisfiable),
    Case("unsatisfiable", "QF_LIA", _unsatisfiable),
    Case("the model is whole", "QF_LIA", _whole_model),
    Case("the background stays", "QF_LIA", _background_stays),
    Case("queries leave no trace", "QF_LIA", _queries_leave_no_trace),
    Case("vacuity shows", "QF_LIA", _vacuity_shows),
    Case("integer division", "QF_LIA", _integer_division),
    Case("division of a variable", "QF_LIA", _division_of_a_variable),
    Case("big integers", "QF_LIA", _big_integers),
    Case("one-hot counts", "QF_LIA", _one_hot_counts),
    Case("the same seed gives the same answer", "QF_LIA", _same_seed_same_answer),
    Case("fractions", "QF_LRA", _fractions),
    Case("integers among reals", "QF_LIRA", _mixed),
    Case("products", "QF_NIA", _products),
    Case("a timeout is unknown", "QF_NIA", _timeout_is_unknown),
    Case("strings", "QF_SLIA", _strings),
    Case("every string operator", "QF_SLIA", _string_operators),
    Case("string queries leave no trace", "QF_SLIA", _string_queries),
    Case("bit-vectors", "QF_BV", _bit_vectors),
    Case("every bit-vector operator", "QF_BV", _bit_vector_operators),
    Case("bit-vector queries leave no trace", "QF_BV", _bit_vector_queries),
    Case("words among integers", "QF_AUFBVLIRA", _words_among_integers),
    Case("a bit-vector timeout is unknown", "QF_BV", _bit_vector_timeout),
)


def main(arguments: list[str]) -> int:
    """Print one line per failure; 0 when there is none, 1 when there is, 2 when the question was wrong."""
    parser = argparse.ArgumentParser(
        "python -m backends.conformance",
        description="Run the named cases that a backend must pass before its answers may be used.",
        epilog="Exit codes: 0 no failure, 1 failures, 2 bad input.",
    )
    parser.add_argument("name", help="a solver: z3, cvc5, bitwuzla, a race such as z3+cvc5, or a registered one")
    try:
        backend = get(parser.parse_args(arguments).name)
        title = f"{backend.name} {backend.version()}"
        failures, rounds = list(check(backend)), 1
        if isinstance(backend, PysmtBackend):  # the others are processes of their own in any case
            failures += [Failure(f"{f.case} (in a worker)", f.reason) for f in check(backend, hard=True)]
            rounds = 2
    except SystemExit as end:  # of the parser, which has said why
        return int(end.code or 0)
    except BackendError as error:
        print(error, file=sys.stderr)
        return 2
    for failure in failures:
        print(f"FAILED {failure.case}: {failure.reason}")
    run = rounds * sum(case.logic in backend.logics for case in CASES)
    print(f"{title}: {len(failures)} failures in {run} cases")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
