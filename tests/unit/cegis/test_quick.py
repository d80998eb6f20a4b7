"""Small problems: which are solved before anything is imported, what is said of them, and what goes the usual way."""

from __future__ import annotations

import time
from random import Random

import numpy as np
import pytest
from quick_terms import applied, variables

from cegis.formulas.evaluation import TEXT
from cegis.formulas.solution import Solution
from cegis.quick import certificates, everywhere, linear, refutation, solving
from cegis.quick.bank import function_of
from cegis.quick.cases import Cases
from cegis.quick.certificates import check
from cegis.quick.examples import MOST_EXAMPLES, run_text
from cegis.quick.inductive import _relations
from cegis.quick.nodes import BOOL, CALL, INT, VARIABLE, BeyondError, literal, node, text_of
from cegis.quick.reading import read
from cegis.quick.refutation import Prover
from cegis.quick.solving import Answer, solved
from cegis.searchers.solving import homes, solve
from cegis.searchers.witnesses import Witnesses, witnesses_of
from cegis.sygus import SygusError, read_answer, read_text
from cegis.verdict import Valid
from dsl.program import Program

LARGER = """(set-logic LIA)
(synth-fun f ((x Int) (y Int)) Int)
(declare-var a Int)
(declare-var b Int)
(constraint (>= (f a b) a))
(constraint (>= (f a b) b))
(constraint (or (= a (f a b)) (= b (f a b))))
(check-synth)
"""
COUNTING = """(set-logic LIA)
(synth-inv inv ((i Int)))
(define-fun before ((i Int)) Bool (= i 0))
(define-fun step ((i Int) (i! Int)) Bool (and (< i 10) (= i! (+ i 1))))
(define-fun after ((i Int)) Bool (or (< i 10) (= i 10)))
(inv-constraint inv before step after)
(check-synth)
"""
FALLING = """(set-logic LIA)
(synth-inv inv ((x Int) (y Int)))
(define-fun before ((x Int) (y Int)) Bool (and (= x 0) (= y 10)))
(define-fun step ((x Int) (y Int) (x! Int) (y! Int)) Bool (and (= x! (+ x 1)) (= y! (- y 2))))
(define-fun after ((x Int) (y Int)) Bool (=> (= x 5) (= y 0)))
(inv-constraint inv before step after)
(check-synth)
"""
SWITCHED = """(set-logic LIA)
(synth-inv inv ((on Int) (gap Int)))
(define-fun before ((on Int) (gap Int)) Bool (and (= on 0) (= gap 5)))
(define-fun step ((on Int) (gap Int) (on! Int) (gap! Int)) Bool
  (or (and (= on! 1) (<= gap! 0)) (and (= on! on) (= gap! gap))))
(define-fun after ((on Int) (gap Int)) Bool (not (and (= on 1) (> gap 0))))
(inv-constraint inv before step after)
(check-synth)
"""
WORDS = """(set-logic BV)
(define-fun off ((x (_ BitVec 32))) (_ BitVec 32) (bvand x (bvsub x #x00000001)))
(synth-fun f ((x (_ BitVec 32))) (_ BitVec 32)
  ((Start (_ BitVec 32)))
  ((Start (_ BitVec 32) ((bvand Start Start) (bvsub Start Start) x #x00000001))))
(declare-var x (_ BitVec 32))
(constraint (= (off x) (f x)))
(check-synth)
"""
OWN_ROW = """(set-logic LIA)
(define-fun above ((a Int) (b Int)) Int (ite (< a 0) b a))
(synth-fun f ((x Int)) Int ((Start Int)) ((Start Int (x 0 (above Start Start)))))
(declare-var x Int)
(constraint (= (f x) (ite (>= x 0) x 0)))
(check-synth)
"""
TEXTS = """(set-logic SLIA)
(synth-fun f ((s String)) String
  ((S String) (I Int))
  ((S String (s " " (str.++ S S) (str.substr S I I)))
   (I Int (0 1 (+ I I) (str.len S) (str.indexof S S I)))))
(constraint (= (f "ab c") "ab"))
(constraint (= (f "d ef") "d"))
(constraint (= (f "xyz 1") "xyz"))
(check-synth)
"""
LATCH = """(set-logic LIA)
(synth-fun step ((held Bool) (put Bool) (clear Bool)) Bool
  ((Flag Bool)) ((Flag Bool (held put clear (not Flag) (and Flag Flag) (or Flag Flag)))))
(declare-var h Bool)
(declare-var p Bool)
(declare-var c Bool)
(constraint (=> p (step h p c)))
(constraint (=> (and (not p) c) (not (step h p c))))
(constraint (=> (and (not p) (not c)) (= (step h p c) h)))
(check-synth)
"""
COUNTED = """(set-logic LIA)
(synth-fun next ((count Int) (on Bool)) Int
  ((N Int) (T Bool)) ((N Int (count 0 1 (+ N N) (ite T N N))) (T Bool (on (not T) (<= N N)))))
(declare-var n Int)
(declare-var on Bool)
(constraint (=> on (= (next n on) (+ n 1))))
(constraint (=> (not on) (= (next n on) n)))
(check-synth)
"""
GAP = """(set-logic LIA)
(synth-fun gap ((a Int) (b Int)) Int
  ((N Int) (T Bool)) ((N Int (a b (- N N) (ite T N N))) (T Bool ((<= N N)))))
(declare-var x Int)
(declare-var y Int)
(constraint (<= 0 (gap x y)))
(constraint (or (= (gap x y) (- x y)) (= (gap x y) (- y x))))
(check-synth)
"""
GRAY = """(set-logic BV)
(synth-fun gray ((x (_ BitVec 4))) (_ BitVec 4)
  ((W (_ BitVec 4))) ((W (_ BitVec 4) (x #x1 (bvand W W) (bvxor W W) (bvadd W W) (bvlshr W W)))))
(declare-var y (_ BitVec 4))
(constraint (= ((_ extract 3 3) (gray y)) ((_ extract 3 3) y)))
(constraint (= ((_ extract 2 0) (gray y)) (bvxor ((_ extract 2 0) y) ((_ extract 3 1) y))))
(constraint (= (concat (gray y) #b0) (concat (gray y) ((_ extract 4 4) ((_ zero_extend 3) y)))))
(check-synth)
"""
INVERSE = """(set-logic BV)
(define-fun least () (_ BitVec 4) #x8)
(define-fun most () (_ BitVec 4) (bvnot least))
(define-fun twice ((a (_ BitVec 4))) (_ BitVec 4) (bvadd a a))
(synth-fun inv ((s (_ BitVec 4)) (t (_ BitVec 4))) (_ BitVec 4)
  ((W (_ BitVec 4))) ((W (_ BitVec 4) (s t #x0 #x7 (twice W) (bvneg W) (bvor W W) (bvadd W W)))))
(declare-var s (_ BitVec 4))
(declare-var t (_ BitVec 4))
(define-fun is-below ((s (_ BitVec 4))) Bool (bvslt s most))
(define-fun holds ((s (_ BitVec 4)) (t (_ BitVec 4))) Bool (and (bvsge (bvadd (inv s t) s) t) (bvsle least (inv s t))))
(constraint (=> (is-below t) (holds s t)))
(check-synth)
"""
PROBLEMS = {
    "larger": LARGER, "counting": COUNTING, "words": WORDS, "own row": OWN_ROW, "texts": TEXTS, "latch": LATCH,
    "counted": COUNTED, "gap": GAP, "gray": GRAY,
    "inverse": INVERSE, "falling": FALLING, "switched": SWITCHED,
}  # fmt: skip


def proved(text: str) -> Answer:
    """The answer, after solvers proved it and its texts were compared with those of the usual way."""
    answer = solved(text)
    assert answer is not None
    problem = read_text(text)
    (function,) = problem.spec.functions
    term = read_answer(answer.sygus, problem)[function.name]
    program = Program(term, homes(problem.spec, problem.grammars)[function])
    assert program.source(function.name) == answer.source
    assert program.cost == program.size == answer.body.size
    with Witnesses(problem.spec, witnesses_of(problem.spec)) as verifier:
        verdict = verifier.check(Solution({function: program}))
    assert isinstance(verdict, Valid)
    (claim,) = verdict.claims
    assert answer.sentence.split("; ")[0] == claim.sentence.split("; ")[0]
    assert answer.logic == claim.as_json()["logic"]
    return answer


@pytest.mark.parametrize("text", PROBLEMS.values(), ids=PROBLEMS)
def test_a_small_problem_has_an_answer_that_solvers_prove(text):
    proved(text)


@pytest.mark.parametrize("text", PROBLEMS.values(), ids=PROBLEMS)
def test_an_answer_is_no_larger_than_that_of_the_usual_way(text):
    problem = read_text(text)
    usual = solve(problem.spec, problem.grammars)
    answer = solved(text)
    assert answer is not None
    assert answer.body.size <= usual.program.size


@pytest.mark.parametrize(
    ("text", "size"), [(FALLING, 7), (SWITCHED, 7), (COUNTING, 3)], ids=["equation", "disjunction", "inequality"]
)
def test_an_invariant_is_small(text, size):
    assert solved(text).body.size == size


@pytest.mark.parametrize("seed", range(6))
def test_relations_are_all_equations_of_some_points(seed):
    draw = Random(seed)
    width, count = draw.randrange(1, 5), draw.randrange(1, 6)
    points = [[draw.randrange(-3, 4) for _ in range(width)] for _ in range(count)]
    found = _relations(points)
    assert all(sum(a * b for a, b in zip(row, [*point, 1], strict=True)) == 0 for row in found for point in points)
    rank = np.linalg.matrix_rank([[*point, 1] for point in points])
    assert len(found) == width + 1 - rank
    assert not found or np.linalg.matrix_rank(found) == len(found)


def test_it_is_said_what_proved_an_answer():
    larger, words, texts = solved(LARGER), solved(WORDS), solved(TEXTS)
    assert larger.sentence.endswith(
        "exact linear arithmetic with checked Farkas certificates (QF_LIA) finds no exception"
    )
    assert words.sentence.endswith("both sides are the same term (QF_BV)")
    assert texts.sentence.endswith(f"checked by exact evaluation and by {TEXT}")


BEYOND = {
    "a mistake": LARGER.replace("(check-synth)", "(check-synth"),
    "no answer asked": LARGER.replace("(check-synth)", ""),
    "two functions": LARGER.replace("(declare-var a Int)", "(declare-var a Int) (synth-fun g ((x Int)) Int)"),
    "two names alike": LARGER.replace("(declare-var b Int)", "(declare-var a Int)"),
    "an unknown name": LARGER.replace("(>= (f a b) b)", "(>= (f a b) c)"),
    "a wrong sort": LARGER.replace("(>= (f a b) b)", "(>= (f a b) true)"),
    "two calls": LARGER.replace("(>= (f a b) b)", "(= (f a b) (f b a))"),
    "one variable twice": LARGER.replace("(f a b)", "(f a a)"),
    "no such function": LARGER.replace("(>= (f a b) b)", "(> (f a b) b)"),
    "a product": LARGER.replace("(>= (f a b) b)", "(>= (f a b) (* a b))"),
    "a division": LARGER.replace("(>= (f a b) b)", "(>= (f a b) (div b 2))"),
    "a command after the end": LARGER + "(declare-var c Int)",
    "an assumption": LARGER.replace("(check-synth)", "(assume (> a b)) (check-synth)"),
    "not inductive": COUNTING.replace("(or (< i 10) (= i 10))", "(< i 10)"),
    "examples that contradict": TEXTS.replace('(f "d ef") "d"', '(f "ab c") "d"'),
    "a quote in a text": TEXTS.replace('"ab c"', '"ab""c"'),
    "a quote in a rule, which makes two of one": TEXTS.replace('(s " "', '(s " ""ab"').replace("(d ef", "(ab"),
    "a comment that a return ends": LARGER.replace("(constraint (or", "; below\r(constraint (or"),
    "a space that is none": LARGER.replace("(declare-var b Int)", "(declare-var b\fInt)"),
    "a number without end": LARGER.replace("(>= (f a b) b)", f"(>= (f a b) (- {'9' * 5_000}))"),
    "a word without end": WORDS.replace("#x00000001)", f"(_ bv{'9' * 5_000} 32))", 1),
    "a width without end": LARGER.replace("(declare-var b Int)", f"(declare-var b (_ BitVec {'9' * 5_000}))"),
    "an escape in a text": TEXTS.replace('"ab c"', '"ab\\u{41}c"'),
    "an equation that no term meets": OWN_ROW.replace("(ite (>= x 0) x 0)", "(+ x 1)"),
    "words with a smaller answer": WORDS.replace("(bvand x (bvsub x #x00000001))", "(bvand x (bvsub x #x00000000))"),
    "a variable that has a parameter's name": LARGER.replace(
        "(declare-var b", "(declare-var y Int) (declare-var b"
    ).replace("(or (= a (f a b)) (= b (f a b)))", "(= (f a b) y)"),
    "another logic": LARGER.replace("LIA", "NIA"),
    "a weight": OWN_ROW.replace("(above Start Start)", "(! (above Start Start) :weight 2)"),
    "a constant in a rule": INVERSE.replace("(s t #x0", "(s t least #x0"),
    "a definition in a rule, and a constant in it": INVERSE.replace("(bvadd a a)", "(bvadd a least)"),
    "a constant with arguments": INVERSE.replace("(bvnot least)", "(bvnot (least))"),
    "a loop that calls its invariant": COUNTING.replace("Bool (= i 0)", "Bool (and (= i 0) (inv i))"),
    "any constant": OWN_ROW.replace("(x 0", "(x (Constant Int)"),
}


@pytest.mark.parametrize("text", BEYOND.values(), ids=BEYOND)
def test_what_is_not_small_or_not_right_goes_the_usual_way(text):
    assert text not in PROBLEMS.values()
    assert solved(text) is None


NAMES = ["ite", "and", "+", "str.len", "bvadd", "let", "true", "div", "distinct", "_", "!", "a|b", "2x", "-5", ":k"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["(declare-var a Int)", "(synth-fun f (", "((x Int) (y Int))"])
def test_a_name_that_is_refused_there_is_not_taken_here(name, place):
    new = {"(declare-var a Int)": f"(declare-var {name} Int)", "(synth-fun f (": f"(synth-fun {name} ("}
    text = LARGER.replace(place, new.get(place, f"(({name} Int) (y Int))"))
    try:
        read_text(text)
    except SygusError:
        with pytest.raises(BeyondError):
            read(text)


def test_the_inequality_of_a_whole_number_is_rounded():
    x, y = variables("x", "y")
    even = applied(
        "=", applied("+", applied("*", literal(2, INT), x), applied("*", literal(4, INT), y)), literal(3, INT)
    )
    found = Prover().refuted([(even, True)])
    assert isinstance(found, tuple)
    assert check([(even, True)], found)
    assert not check([(even, True)], ("closed", ((((0, 1), (1, 1)), 1),)))


def test_a_proof_that_does_not_check_is_no_proof(monkeypatch):
    monkeypatch.setattr("cegis.quick.cases.check", lambda case, found: False)
    assert solved(LARGER) is None
    monkeypatch.undo()
    monkeypatch.setattr(certificates, "check", lambda case, found: False)
    assert solved(COUNTING) is None
    assert solved(OWN_ROW) is None
    assert solved(GAP) is None


def test_a_constraint_beside_a_loop_is_not_passed_over():
    """The invariant that is found holds at 3, and is wrong where a constraint forbids that."""
    question = read(COUNTING)
    assert solving._answered(question) is not None
    question.constraints.append(applied("not", node(CALL, "inv", BOOL, (literal(3, INT),))))
    with pytest.raises(BeyondError):
        solving._answered(question)
    with pytest.raises(BeyondError):
        read(COUNTING.replace("(check-synth)", "(constraint (not (inv 3)))\n(check-synth)"))


def test_a_printed_text_that_is_wrong_is_no_answer(monkeypatch):
    monkeypatch.setattr(solving.printing, "source", lambda *_: "def f(s):\n    return s[:2]\n")
    assert solved(TEXTS) is None
    monkeypatch.setattr(solving.printing, "source", lambda *_: "def gray(x):\n    return x ^ x >> 1 if x else 1\n")
    assert solved(GRAY) is None
    monkeypatch.setattr(solving.printing, "source", lambda *_: "def gray(x):\n    return x ^ x >> 1\n")
    assert solved(GRAY) is not None


def test_a_value_of_exact_evaluation_that_is_wrong_is_no_answer(monkeypatch):
    monkeypatch.setattr(solving, "evaluated", lambda *_: ("ab", "d", "x"))
    assert solved(TEXTS) is None


def test_a_tree_that_is_wrong_at_one_far_point_is_not_proved():
    """The condition x <= 1000000 is met at all points that are looked at first."""
    text = LARGER.replace("(>= (f a b) a)", "(=> (> a 1000000) (= (f a b) 0))")
    text = text.replace("(>= (f a b) b)", "(=> (<= a 1000000) (= (f a b) b))")
    text = text.replace("(or (= a (f a b)) (= b (f a b)))", "true")
    answer = solved(text)
    assert answer is not None
    assert answer.rounds > 1
    assert "100000" in text_of(answer.body)


def test_a_late_example_is_run():
    many = "".join(f'(constraint (= (f "{letter}") "{letter}"))' for letter in "abcdefghijklmnop")
    same = TEXTS.replace('(constraint (= (f "d ef") "d"))', "").replace('(constraint (= (f "ab c") "ab"))', many)
    same = same.replace('(constraint (= (f "xyz 1") "xyz"))', "")
    assert text_of(solved(same).body) == "s"
    assert solved(same.replace("(check-synth)", '(constraint (= (f "xyz 1") "xyz")) (check-synth)')) is None


def test_the_printed_text_is_run_on_every_example():
    known = [((str(number),), str(number)) for number in range(2 * MOST_EXAMPLES)]
    text = "def f(s):\n    return s\n"
    assert run_text(text, "f", known)
    assert not run_text(text, "f", [*known, (("a",), "b")])
    assert not run_text(text, "f", [((1,), True)])


@pytest.mark.parametrize("name", ["@", "value", "b"])
def test_a_parameter_may_have_any_name(name):
    answer = proved(LARGER.replace("((x Int) (y Int))", f"(({name} Int) (a Int))"))
    assert answer.body.size == 6


def test_parameters_are_told_from_variables_of_their_names():
    """The first parameter is called as the second argument is."""
    swapped = LARGER.replace("((x Int) (y Int))", "((b Int) (a Int))").replace("(>= (f a b) b)", "(> (f a b) (- b 3))")
    swapped = swapped.replace("(or (= a (f a b)) (= b (f a b)))", "(=> (<= a (- b 3)) (= (f a b) (- b 2)))")
    assert "(- a 2)" in proved(swapped).sygus


def test_work_is_bounded_in_steps(monkeypatch):
    monkeypatch.setattr(refutation, "MOST_STEPS", 10)
    with pytest.raises(BeyondError):
        Prover(10).refuted([(Cases(read(LARGER)).put_in(literal(0, INT)), True)] * 20)


def test_definitions_that_double_are_not_written_out():
    doubled = "".join(
        f"(define-fun d{place} ((v Int)) Int (+ (d{place - 1} v) (d{place - 1} v)))" for place in range(1, 60)
    )
    first = "(define-fun d0 ((v Int)) Int (+ v 1))"
    for text in (LARGER.replace("(>= (f a b) b)", "(>= (f a b) (d59 b))"), COUNTING, OWN_ROW):
        assert solved(text.replace("(set-logic LIA)", f"(set-logic LIA) {first} {doubled}")) is None


POWER = f"(set-logic LIA) (define-fun power ((v Int)) Int (* {'v ' * 900}))"
POWERS = f"""{POWER}
(synth-fun f ((x Int)) Int ((S Int)) ((S Int (x (power S)))))
(constraint (= (f 3) 1))
(check-synth)
"""
LONGER = f"""(set-logic SLIA)
(define-fun more ((s String)) String (str.replace s "a" "{"a" * 900}"))
(synth-fun f ((s String)) String ((S String)) ((S String (s (str.++ S S) (more S)))))
(constraint (= (f "a") "b"))
(check-synth)
"""
DIGITS = f"""(set-logic SLIA)
(synth-fun f ((s String)) Int ((I Int) (S String)) ((I Int ((str.to_int S))) (S String (s))))
(constraint (= (f "{"9" * 5_000}") 1))
(check-synth)
"""


@pytest.mark.parametrize("text", [POWERS, LONGER, DIGITS], ids=["power", "longer", "digits"])
def test_values_that_grow_without_end_go_the_usual_way(text):
    """Each use of a function of the file makes a value some hundred times as long: a few would fill the memory."""
    read(text)
    began = time.process_time()
    assert solved(text) is None
    assert time.process_time() - began < 5


def test_a_term_that_is_wrong_at_a_far_point_is_not_proved():
    """The count itself is right at all points that are looked at first."""
    capped = COUNTED.replace("count 0 1", "count 70").replace("(=> on (= (next n on) (+ n 1)))", "(<= (next n on) 70)")
    answer = proved(capped.replace("(=> (not on) (= (next n on) n))", "(=> (< n 70) (= (next n on) n))"))
    assert answer.rounds > 1
    assert answer.body.size == 6


def test_a_constraint_of_a_grammar_is_not_passed_over():
    assert solved(GAP.replace("(check-synth)", "(constraint (= (gap x y) 3)) (check-synth)")) is None
    assert solved(LATCH.replace("(check-synth)", "(constraint (= p c)) (check-synth)")) is None
    assert solved(COUNTED.replace("(check-synth)", "(declare-var z Int) (constraint (= z z)) (check-synth)")) is None


@pytest.mark.parametrize("place", [0, 7, 200, 255])
def test_narrow_words_are_looked_at_everywhere(place):
    """One value at which the term that is right at all others is wrong."""
    byte = "(_ BitVec 8)"
    head = f"(set-logic BV) (synth-fun f ((x {byte})) {byte} ((S {byte})) ((S {byte} (x (bvnot S)))))"
    asked = f"{head} (declare-var x (_ BitVec 8)) (constraint (=> (bvult #x00 (bvxor x #x{place:02x})) (= (f x) x)))"
    assert solved(f"{asked} (check-synth)").body.size == 1
    assert solved(f"{asked} (constraint (=> (= x #x{place:02x}) (= (f x) #x{place ^ 1:02x}))) (check-synth)") is None


def test_a_condition_is_held_to_all_values():
    bits, always, never = variables("x", "y", sort="(_ BitVec 1)"), literal(True, BOOL), literal(False, BOOL)
    run = function_of(read(LATCH))
    assert everywhere.all_values(bits) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert everywhere.exception([always, applied("=", *bits)], bits, run) == {bits[0]: 0, bits[1]: 1}
    assert everywhere.exception([always, never], bits, run) is not None
    assert everywhere.exception([always, applied("bvuge", bits[0], literal(0, bits[0].sort))], bits, run) is None


@pytest.mark.parametrize("sorts", [["Int"], ["Bool", "Int"], [17], [8, 8, "Bool"]])
def test_what_has_more_values_is_never_taken_for_all_of_them(sorts):
    names = {"Int": INT, "Bool": BOOL}
    wide = [node(VARIABLE, f"x{n}", names.get(sort, f"(_ BitVec {sort})")) for n, sort in enumerate(sorts)]
    with pytest.raises(BeyondError):
        everywhere.all_values(wide)


@pytest.mark.parametrize(("sort", "by"), [("Bool", solving.EVERY), ("Int", solving.LINEAR)])
def test_an_answer_names_what_proved_it(sort, by):
    said = f"(set-logic LIA) (synth-fun f ((p {sort})) {sort} ((S {sort})) ((S {sort} (p)))) (declare-var p {sort})"
    question = read(f"{said} (constraint (= (f p) p)) (check-synth)")
    assert solving._by_arithmetic(question, question.parameters[0], 0).by == by


FINITE = """(set-logic BV)
(synth-fun f ((x Bool)) (_ BitVec 2) ((S (_ BitVec 2)) (B Bool))
  ((S (_ BitVec 2) (#b01 (bvor S S) (ite B S S))) (B Bool (x (not B)))))
(constraint (= (f true) #b11))
(check-synth)
"""


def test_a_grammar_with_few_values_is_soon_done():
    """Terms without end, none of them with a new value: a search for larger ones counts no step."""
    assert solved(FINITE) is None
    assert proved(FINITE.replace("#b01 ", "#b01 #b10 ")).body.size == 3
    assert solved(FINITE.replace("(#b01 (bvor S S) (ite B S S))", "(#b01)")) is None
    even = OWN_ROW.replace("(x 0 (above Start Start))", "(2 (+ Start Start))")
    began = time.process_time()
    assert solved(even.replace("(constraint (= (f x) (ite (>= x 0) x 0)))", "(constraint (= (f 1) 3))")) is None
    assert solved(even.replace("(declare-var x Int)", "").replace("(f x) (ite (>= x 0) x 0)", "(f 1) 3")) is None
    assert time.process_time() - began < 2


def test_a_variable_after_a_loop_is_none_of_its_state():
    assert proved(COUNTING.replace("(check-synth)", "(declare-var z Int)\n(check-synth)")).body.size == 3


def test_lines_may_end_in_two_characters():
    assert proved(LARGER.replace("\n", " ; larger\r\n")).body.size == 6


@pytest.mark.parametrize("bound", ["MOST_STEPS", "MOST_LOOKED_AT"])
def test_the_search_for_texts_is_bounded_in_steps(bound, monkeypatch):
    assert solved(TEXTS) is not None
    monkeypatch.setattr(f"cegis.quick.examples.{bound}", 3)
    assert solved(TEXTS) is None


@pytest.mark.parametrize(
    "bound", ["fitting.MOST_STEPS", "fitting.MOST_WORK", "fitting.MOST_ROUNDS", "everywhere.MOST_WORK"]
)
def test_the_search_for_flags_and_words_is_bounded_in_steps(bound, monkeypatch):
    assert solved(LATCH) is not None
    monkeypatch.setattr(f"cegis.quick.{bound}", 0)
    assert solved(LATCH) is None


def test_a_small_term_states_an_inequality():
    x, y = variables("x", "y")
    for parts, bound in [(((x, 1),), 5), (((x, -1),), -3), (((x, 1), (y, -1)), -1), (((x, -1), (y, -2)), 0)]:
        stated = linear.condition_of((parts, bound))
        for a in range(-8, 9):
            for b in range(-8, 9):
                is_so = sum(factor * {x: a, y: b}[one] for one, factor in parts) <= bound
                assert refutation.holds([(stated, is_so)], {x: a, y: b})
    assert text_of(linear.condition_of((((x, 1), (y, -1)), -1))) == "(< x y)"
    assert text_of(linear.condition_of((((x, -1), (y, -2)), 0))) == "(<= (- x) (* 2 y))"
