"""Whatever is done to a file: a problem that writes and reads back as itself, or one sentence with its place."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from cegis.sygus import SygusError, read_text, write_problem

TEXT = """
(set-logic ALL)
(define-sort W () (_ BitVec 8))
(define-fun one () Int 1)
(define-fun twice ((a Int)) Int (+ a a))
(synth-fun f ((x Int) (s String) (p Bool)) Int
  ((S Int) (B Bool))
  ((S Int (x one 7 (- 7) (twice S) (+ S S (* 2 S)) (ite B S S) (Constant Int)))
   (B Bool (p (distinct S S) (not B) (Variable Bool) (str.prefixof s "a")))))
(synth-inv g ((n Int) (w W)))
(synth-fun c () W ((N W ((bvadd N N) ((_ rotate_left 3) #x01) (_ bv5 8)))))
(declare-var y Int)
(declare-primed-var z Int)
(assume (> y 0))
(define-fun pre ((n Int) (w W)) Bool (= n 0))
(define-fun step ((n Int) (w W) (n! Int) (w! W)) Bool (let ((m (+ n 1)) (k w)) (and (= n! m) (= w! k))))
(inv-constraint g pre step pre)
(chc-constraint ((q Bool)) q (g 0 #b00000001))
(constraint (=> (< 0 y 9) (! (= (f y "a""b" true) (f z! "" false) 3) :named both)))
(check-synth)
"""
TOKENS = re.findall(r'[()]|"(?:[^"]|"")*"|[^\s()"]+', TEXT)
OTHERS = (
    "()",
    "|a b|",
    "||",
    "#xq",
    "1.5",
    "-3",
    '"',
    ":key",
    "_",
    "let",
    "BitVec",
    "exists",
    "str.++",
    "\u00e9",
    "\x00",
)
edits = st.tuples(
    st.sampled_from(("replace", "remove", "insert", "swap", "repeat")),
    st.integers(0, len(TOKENS) - 1),
    st.integers(0, len(TOKENS) - 1),
    st.sampled_from(tuple(dict.fromkeys((*TOKENS, *OTHERS)))),
)


def edited(changes):
    """The file after some edits of its tokens."""
    tokens = list(TOKENS)
    for kind, first, second, token in changes:
        first, second = first % len(tokens), second % len(tokens)
        match kind:
            case "replace":
                tokens[first] = token
            case "remove":
                del tokens[first]
            case "insert":
                tokens.insert(first, token)
            case "swap":
                tokens[first], tokens[second] = tokens[second], tokens[first]
            case "repeat":
                tokens[first:first] = tokens[first : first + second % 12]
    return " ".join(tokens)


def holds(text):
    try:
        problem = read_text(text, "file.sl")
    except SygusError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert re.fullmatch(r"file\.sl:\d+:\d+: \S.*", message)
        return
    again = read_text(write_problem(problem))
    assert (again.spec, again.grammars) == (problem.spec, problem.grammars)


def test_the_file_itself_is_a_problem():
    assert len(read_text(TEXT).spec.constraints) == 5


@settings(max_examples=examples(150))
@given(st.lists(edits, min_size=1, max_size=4))
def test_an_edited_file_is_a_problem_or_refused(changes):
    holds(edited(changes))


@given(st.text(alphabet='()"|;:#- \n_x1ab\\', max_size=40))
def test_any_text_is_a_problem_or_refused(text):
    holds(text)
