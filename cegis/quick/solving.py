"""A small problem to a proved answer, or nothing: then it goes the usual way, from the start.

    examples          enumeration, and inverses for texts        the printed text is run on every example
    f(x) = t          t, or a smaller term with its values       both sides are the same term, or linear arithmetic
    one call f(x)     values and conditions of the formula, or   exact linear arithmetic, or evaluation at all
                      enumeration where there is a grammar       values of flags and narrow words
    an invariant      a conjunction of the file's conditions     exact linear arithmetic
                      and of equations of all states

The work is bounded in steps, never by a clock, so that an answer is the same everywhere. What linear arithmetic proves
has a certificate, which is checked (``certificates``).
"""

from __future__ import annotations

import time

from cegis.quick import cases, certificates, equations, everywhere, examples, fitting, inductive, printing
from cegis.quick.bank import function_of
from cegis.quick.nodes import CALL, DEFINED, STRING, BeyondError, Node, evaluated, rebuilt, subterms, width_of
from cegis.quick.reading import Question, read
from cegis.quick.refutation import MOST_STEPS, Prover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

RUN = ("exact evaluation", "running the printed text")  # as cegis.formulas.evaluation has it
SAME = ("identity of terms",)
MOST_CLOSED = 5_000  # of a constraint with a program in the place of its calls
EVERY = ("exact evaluation at all values", "a run of the printed text")
LINEAR = ("exact linear arithmetic", "checked Farkas certificates")


class Answer:
    """``body`` is proved right; ``by`` says how, and ``sentence`` in one sentence, like ``cegis.formulas.Proof``."""

    rounds = 1
    search_seconds = check_seconds = 0.0

    def __init__(self, question: Question, body: Node, by: tuple[str, ...], tried: int, points: int) -> None:
        self.question, self.body, self.by = question, body, by
        self.tried, self.points = tried, points
        self.source = printing.source(question.function, question.parameters, body, question.definitions)
        self.sygus = printing.define_fun(question.function, question.parameters, body)

    @property
    def logic(self) -> str:
        """In which the question is stated, by what it speaks of; "" where no variable is named."""
        sorts = {one.sort for one in (*self.question.variables, *self.question.parameters, self.body)}
        if not self.question.variables:
            return ""
        return "QF_BV" if any(map(width_of, sorts)) else "QF_SLIA" if STRING in sorts else "QF_LIA"

    @property
    def sentence(self) -> str:
        """The claim."""
        question, count = self.question, len(self.question.constraints)
        what = f"all {count:,} constraints" if count > 1 else "the constraint"
        if not question.variables:
            verb = "name" if count > 1 else "names"
            return f"satisfies {what}, which {verb} no variable; checked by {' and by '.join(self.by)}"
        names = ", ".join(f"{one.name}: {one.sort}" for one in question.variables)
        claim = f"satisfies {what} for all values of {names}"
        if self.by == SAME:
            return f"{claim}; both sides are the same term ({self.logic})"
        return f"{claim}; {' with '.join(self.by)} ({self.logic}) finds no exception"


def solved(text: str) -> Answer | None:
    """The answer to a file's text; None where it is not solved in a few steps."""
    start = time.perf_counter()
    try:
        answer = _answered(read(text))
    except (BeyondError, RecursionError):
        return None
    if answer is not None:
        answer.search_seconds = time.perf_counter() - start - answer.check_seconds
    return answer


def _answered(question: Question) -> Answer | None:
    given = examples.examples_of(question)
    if given is not None:
        return None if question.variables else _by_examples(question, given)
    if question.invariant is not None:
        body, tried = inductive.search(question)
        return _by_arithmetic(question, body, tried)
    if question.rules:
        target = None if everywhere.is_narrow(question.variables) else equations.target_of(question)
        return _by_fitting(question) if target is None else _by_equation(question, target)
    body, _, rounds, tried, points = cases.search(question)
    answer = Answer(question, body, LINEAR, tried, points)
    answer.rounds = rounds
    return answer


def _by_examples(question: Question, given: list[tuple[tuple[object, ...], object]]) -> Answer:
    if not question.parameters:
        raise BeyondError
    body, tried = examples.search(question, given)
    answer = Answer(question, body, RUN, tried, len(given))
    points = {one: tuple(inputs[place] for inputs, _ in given) for place, one in enumerate(question.parameters)}
    if evaluated(body, points, function_of(question)) != tuple(output for _, output in given):
        raise BeyondError
    if not examples.run_text(answer.source, printing.identifier(question.function), given):
        raise BeyondError
    return answer


def _by_equation(question: Question, target: Node) -> Answer:
    body, tried = equations.search(question, target)
    if _is_identity(question, body):
        return Answer(question, body, SAME, tried, 0)
    return _by_arithmetic(question, body, tried)


def _by_fitting(question: Question) -> Answer:
    search = fitting.Fitting(question)
    for number in range(fitting.MOST_ROUNDS):
        body = search.smallest()
        exception = _exception(question, body)
        if exception is None:
            answer = _as_proved(question, body, search.steps, len(search.points))
            answer.rounds = number + 1
            return answer
        search.add(exception)
    raise BeyondError


def _as_printed(answer: Answer) -> Answer:
    """The answer, whose printed text has the same values everywhere; raises BeyondError where it has not."""
    question = answer.question
    points = everywhere.all_values(question.parameters)
    columns = dict(zip(question.parameters, zip(*points, strict=True), strict=True))
    outputs = evaluated(answer.body, columns, function_of(question))
    name = printing.identifier(question.function)
    if not examples.run_text(answer.source, name, list(zip(points, outputs, strict=True))):
        raise BeyondError
    return answer


def _by_arithmetic(question: Question, body: Node, tried: int) -> Answer:
    if _exception(question, body) is not None:
        raise BeyondError
    return _as_proved(question, body, tried, 0)


def _as_proved(question: Question, body: Node, tried: int, points: int) -> Answer:
    """The answer, by what ``_exception`` went by."""
    if everywhere.is_narrow(question.variables):
        return _as_printed(Answer(question, body, EVERY, tried, points))
    return Answer(question, body, LINEAR, tried, points)


def _exception(question: Question, body: Node) -> Mapping[Node, Any] | None:
    """Values at which a constraint fails; None where each, whichever the search looked at, is refuted to."""
    if everywhere.is_narrow(question.variables):
        return everywhere.exception(closed_by(question, body), question.variables, function_of(question))
    prover = Prover(MOST_STEPS if question.invariant is None else inductive.MOST_STEPS)
    for closed in closed_by(question, body):
        failing = [(closed, False)]
        found = prover.refuted(failing)
        if not isinstance(found, tuple):
            return found
        if not certificates.check(failing, found):
            raise BeyondError
    return None


def _is_identity(question: Question, body: Node) -> bool:
    """Whether each constraint equates a term with itself once ``body`` is put in the place of the calls."""
    return all(
        closed.name == "=" and closed.arguments[0] is closed.arguments[1] for closed in closed_by(question, body)
    )


def closed_by(question: Question, body: Node) -> list[Node]:
    """The constraints with ``body`` in the place of the calls, which are not nested; raises BeyondError."""
    found = []
    written = inlined(question, body)
    for constraint in question.constraints:
        calls = [inner for inner in subterms(constraint) if inner.kind == CALL]
        if any(inner.kind == CALL for call in calls for one in call.arguments for inner in subterms(one)):
            raise BeyondError
        found.append(rebuilt(constraint, {call: _put(question, written, call) for call in calls}))
        if found[-1].size > MOST_CLOSED:
            raise BeyondError
    return found


def inlined(question: Question, term: Node) -> Node:
    """``term`` with the bodies of the file's own functions in the place of their calls."""
    arguments = tuple(inlined(question, argument) for argument in term.arguments)
    if term.kind == DEFINED:
        definition = question.definitions[term.name]
        return rebuilt(definition.inlined, dict(zip(definition.parameters, arguments, strict=True)))
    return rebuilt(term, dict(zip(term.arguments, arguments, strict=True)))


def _put(question: Question, body: Node, call: Node) -> Node:
    values: Mapping[Node, Node] = dict(zip(question.parameters, call.arguments, strict=True))
    return rebuilt(body, values)
