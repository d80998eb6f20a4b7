"""SyGuS problems, most of them answered before a solver is imported: the answers, asked of z3 in the file's own words.

    choices      a function of whole numbers by conditions and values, some of which hold far from 0 alone
    relations    atoms over one call joined at random: often there is no such function
    invariants   a loop with a bound or two, and something to prove of it that mostly does not hold; some with a state
                 that is to be left out
    equations    bit-vectors, or whole numbers, in a grammar
    examples     texts and bit-vectors; a late example may be wrong
    spellings    all that a file may say; some with no answer go the usual way, whose *infeasible* is asked of cvc5

z3 gets the file with the answer in the place of the function (``benchmarks.inputs.solve_problem``), which shares no
code with what is attacked; the grammar is held beside the answer by ``solve_answer``, and the printed function is run
at some values beside z3's. No answer is never wrong here.
"""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import z3
from spellings import BOOL, INT, STRING, spelled
from trial import Outcome, random_of

from backends.cvc5_sygus import cvc5_answer
from backends.search import Answered
from backends.sexpression import shown
from benchmarks.inputs.solve_answer import Body, bodies, outside
from benchmarks.inputs.solve_problem import Problem
from cegis.quick.solving import solved
from tasks.commands.main import main

MILLISECONDS = 10_000  # for z3
SECONDS = 4  # for the usual way
USUAL = 0.05  # how much of what is beyond the quick way
POINTS = 6  # at which a printed function is run
FAR = (0, 1, 2, 7, 1_000, 10**6, 10**12)


def attack(seed: int, index: int) -> Outcome:
    """One random problem."""
    choose = Random(int(random_of("problems", seed, index).integers(2**32)))
    make = choose.choice((*MAKERS, *[spelled] * len(MAKERS)))
    text = make(choose)
    answer = solved(text)
    if answer is not None:
        is_decided, wrong = _judged(text, answer.sygus, answer.source, choose)
        return Outcome(1, int(is_decided), wrong, files={"problem.sl": text.encode()})
    if make is not spelled or choose.random() > USUAL:
        return Outcome(1, 0)
    page = _usual(text)
    if page.get("status") == "solved":
        functions = page["functions"]
        sygus = "\n".join(function["sygus"] for function in functions)
        is_decided, wrong = _judged(text, sygus, functions[-1]["python"], choose)
        return Outcome(1, int(is_decided), wrong, files={"problem.sl": text.encode()})
    if page.get("status") != "infeasible":
        return Outcome(1, 0)
    other = cvc5_answer(text, seconds=SECONDS)
    is_decided, wrong = True, ()
    if isinstance(other, Answered):
        is_decided, faults = _judged(text, "\n".join(other.functions), "", choose)
        wrong = (f"infeasible: {page['reason']}; but cvc5 answers {other.functions}",) if not faults else ()
    return Outcome(1, int(is_decided), wrong, files={"problem.sl": text.encode()})


def _usual(text: str) -> dict[str, Any]:
    """The page of ``distill solve`` without the quick way; empty where the file is refused."""
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()) as page, redirect_stderr(StringIO()):
        file = Path(folder) / "problem.sl"
        file.write_text(text, newline="")
        try:
            main(["solve", str(file), "--json", "--time-limit", str(SECONDS)])
        except SystemExit as ended:
            return {} if ended.code == 2 else dict(json.loads(page.getvalue()))
    return {}


def _judged(text: str, sygus: str, source: str, choose: Random) -> tuple[bool, tuple[str, ...]]:
    """Whether an answer is decided, and what is wrong with it."""
    problem = Problem("problem", text)
    found = bodies(problem, sygus)
    wrong = [fault for body in found if (fault := outside(problem, body))]
    solver = z3.Solver(ctx=z3.Context())
    solver.set("timeout", MILLISECONDS)
    question = problem.question({body.asked.name: body.term for body in found})
    solver.from_string(question.replace("(check-sat)", ""))
    said = solver.check()
    if said == z3.sat:
        wrong.append(f"{sygus} is said to be right; but it fails at {solver.model()}")
    if source and not any(f"({name} " in question for name in ("div", "mod")):  # what is divided by 0 z3 leaves open
        wrong += _run(problem, found[-1], source, choose)
    return said != z3.unknown, tuple(wrong)


def _run(problem: Problem, body: Body, source: str, choose: Random) -> list[str]:
    """Where the last function of a printed text gives other values than its term does for z3."""
    scope: dict[str, Any] = {}
    exec(source, scope)
    function = list(scope.values())[-1]
    points = [[_drawn(choose, sort) for _, sort in body.asked.parameters] for _ in range(POINTS)]
    defined = [shown(command) for command in problem.commands if command[0] == "define-fun"]
    solver = z3.Solver(ctx=z3.Context())
    solver.set("timeout", MILLISECONDS)
    calls = [f"({body.asked.name} {' '.join(spelling for _, spelling in point)})" for point in points]
    calls = [body.asked.name for _ in calls] if not body.asked.parameters else calls
    named = [
        f"(declare-const value.{place} {body.asked.sort}) (assert (= value.{place} {call}))"
        for place, call in enumerate(calls)
    ]
    solver.from_string("\n".join([*defined, shown(["define-fun", *body.asked.header(), body.term]), *named]))
    if solver.check() != z3.sat:
        return []
    model = {one.name(): solver.model()[one] for one in solver.model()}
    wrong = []
    for place, point in enumerate(points):
        value, meant = function(*(given for given, _ in point)), _plain(model[f"value.{place}"])
        if type(value) is not type(meant) or value != meant:
            wrong.append(f"{source} is {value!r} at {point}, the answer is {meant!r}")
    return wrong


def _drawn(choose: Random, sort: str) -> tuple[Any, str]:
    """A value in Python and in SMT-LIB."""
    if sort == BOOL:
        flag = choose.random() < 0.5
        return flag, str(flag).lower()
    if sort == INT:
        number = choose.choice((0, 1, -1, 3, -7, 10**6, choose.randint(-20, 20)))
        return number, str(number) if number >= 0 else f"(- {-number})"
    if sort == STRING:
        text = "".join(choose.choice('ab 1-"') for _ in range(choose.randint(0, 6)))
        return text, '"' + text.replace('"', '""') + '"'
    width = int(sort.split()[-1].rstrip(")"))
    word = choose.choice((0, 1, 2**width - 1, choose.randrange(2**width))) % 2**width
    return word, f"(_ bv{word} {width})"


def _plain(value: Any) -> Any:
    """What z3 calls a value."""
    if z3.is_string_value(value):
        return value.as_string()
    return z3.is_true(value) if z3.is_bool(value) else value.as_long()


def _number(choose: Random) -> str:
    value = choose.choice(FAR) * choose.choice((1, 1, -1))
    return str(value) if value >= 0 else f"(- {-value})"


def _linear(choose: Random, names: list[str]) -> str:
    terms = [
        choose.choice((name, name, f"(* {_number(choose)} {name})", f"(* {choose.randint(2, 4)} {name})"))
        for name in choose.sample(names, choose.randint(1, min(2, len(names))))
    ]
    terms += [_number(choose)] * choose.randint(0, 1)
    return terms[0] if len(terms) == 1 else f"({choose.choice('+-')} {terms[0]} {' '.join(terms[1:2])})"


def _atom(choose: Random, names: list[str]) -> str:
    return f"({choose.choice(('<', '<=', '>', '>=', '='))} {_linear(choose, names)} {_linear(choose, names)})"


def _condition(choose: Random, names: list[str], depth: int = 1) -> str:
    if depth == 0 or choose.random() < 0.4:
        return _atom(choose, names)
    kind = choose.choice(("and", "or", "not", "=>"))
    parts = [_condition(choose, names, depth - 1) for _ in range(1 if kind == "not" else 2)]
    return f"({kind} {' '.join(parts)})"


def _headed(choose: Random, names: list[str], lines: list[str]) -> str:
    parameters = choose.choice((names, names[::-1], choose.sample("xyz", len(names)), ["a", "b", "c"][: len(names)]))
    listed = " ".join(f"({name} Int)" for name in parameters)
    head = ["(set-logic LIA)", f"(synth-fun f ({listed}) Int)", *(f"(declare-var {name} Int)" for name in "xyz")]
    return "\n".join([*head, *(f"(constraint {line})" for line in lines), "(check-synth)"])


def _choices(choose: Random) -> str:
    names = ["x", "y", "z"][: choose.randint(1, 3)]
    call = f"(f {' '.join(names)})"
    lines, before = [], []
    for _ in range(choose.randint(1, 3)):
        condition = _condition(choose, names)
        lines.append(f"(=> (and true {' '.join([*before, condition])}) (= {call} {_linear(choose, names)}))")
        before.append(f"(not {condition})")
    if choose.random() < 0.8:
        lines.append(f"(=> (and true {' '.join(before)}) (= {call} {_linear(choose, names)}))")
    return _headed(choose, names, lines)


def _relations(choose: Random) -> str:
    names = ["x", "y"][: choose.randint(1, 2)]
    call = f"(f {' '.join(names)})"
    names = choose.choice((names, names, names, ["x", "y", "z"]))
    lines = []
    for _ in range(choose.randint(1, 3)):
        atoms = [
            f"({choose.choice(('<', '<=', '>', '>=', '='))} {call} {_linear(choose, names)})"
            for _ in range(choose.randint(1, 2))
        ]
        lines.append(f"({choose.choice(('and', 'or'))} true {' '.join(atoms)})" if choose.random() < 0.3 else atoms[0])
        if choose.random() < 0.4:
            lines[-1] = f"(=> {_condition(choose, names)} {lines[-1]})"
    return _headed(choose, call[3:-1].split(), lines)


def _invariant(choose: Random) -> str:
    names = ["i", "n"][: choose.randint(1, 2)]
    now, then = " ".join(f"({name} Int)" for name in names), " ".join(f"({name}! Int)" for name in names)
    steps = [f"(= {name}! {choose.choice((name, f'(+ {name} {_number(choose)})'))})" for name in names]
    first = " ".join(f"({choose.choice(('=', '>='))} {name} {_number(choose)})" for name in names)
    return f"""(set-logic LIA)
(synth-inv inv ({now}))
(define-fun before ({now}) Bool (and true {first}))
(define-fun step ({now} {then}) Bool (and {_condition(choose, names)} (and true {" ".join(steps)})))
(define-fun after ({now}) Bool {_condition(choose, names)})
(inv-constraint inv before step after)
{f"(constraint (not (inv {' '.join(_number(choose) for _ in names)})))" if choose.random() < 0.2 else ""}
(check-synth)"""


def _word(choose: Random, depth: int) -> str:
    if depth == 0:
        return choose.choice(("x", "#x01", "#x00", "x"))
    name = choose.choice(("bvadd", "bvsub", "bvand", "bvor", "bvxor", "bvnot", "bvneg"))
    parts = [_word(choose, depth - 1) for _ in range(1 if name in ("bvnot", "bvneg") else 2)]
    return f"({name} {' '.join(parts)})"


WORDS = """(synth-fun f ((x (_ BitVec 8))) (_ BitVec 8)
  ((S (_ BitVec 8)))
  ((S (_ BitVec 8) (x #x00 #x01 (bvadd S S) (bvsub S S) (bvand S S) (bvor S S) (bvxor S S) (bvnot S) (bvneg S)))))"""
NUMBERS = """(synth-fun f ((x Int) (y Int)) Int
  ((S Int) (B Bool))
  ((S Int (x y 0 1 (+ S S) (- S S) (ite B S S))) (B Bool ((<= S S) (= S S)))))"""


def _equation(choose: Random) -> str:
    if choose.random() < 0.5:
        body = _word(choose, 2)
        return f"(set-logic BV)\n{WORDS}\n(declare-var x (_ BitVec 8))\n(constraint (= (f x) {body}))\n(check-synth)"
    body = f"(ite {_atom(choose, ['x', 'y'])} {choose.choice('xy')} {choose.choice(('x', '0', '1'))})"
    lines = ["(declare-var x Int)", "(declare-var y Int)", f"(constraint (= (f x y) {body}))", "(check-synth)"]
    return "\n".join(["(set-logic LIA)", NUMBERS, *lines])


TEXTS = """(synth-fun f ((s String)) String
  ((S String) (I Int))
  ((S String (s " " "-" (str.++ S S) (str.substr S I I) (str.at S I) (str.replace S S S)))
   (I Int (0 1 2 (+ I I) (- I I) (str.len S) (str.indexof S S I)))))"""


def _examples(choose: Random) -> str:
    inputs = ["".join(choose.choice("ab -") for _ in range(choose.randint(1, 7))) for _ in range(choose.randint(2, 16))]
    start, count = choose.randint(0, 2), choose.randint(1, 3)
    make = choose.choice(
        (
            lambda text: text[start : start + count] if start < len(text) else "",
            lambda text: f"{text}-{text}",
            lambda text: text[: text.find(" ")] if " " in text else "",
            lambda text: text.replace("-", " ", 1),
        )
    )
    known = {text: make(text) for text in inputs}
    if choose.random() < 0.4:
        known[choose.choice(list(known)[-3:])] = "b a"
    lines = [f'(constraint (= (f "{given}") "{wanted}"))' for given, wanted in known.items()]
    return "\n".join(["(set-logic SLIA)", TEXTS, *lines, "(check-synth)"])


MAKERS = (_choices, _choices, _relations, _relations, _invariant, _invariant, _equation, _examples)
