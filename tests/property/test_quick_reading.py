"""Two readers of one language: what the light one takes the other takes, and as the same terms."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples
from quick_terms import as_term, sort_of

from cegis.formulas.formula import Function, inlined
from cegis.quick.nodes import CALL, ROW, BeyondError, Node
from cegis.quick.reading import read
from cegis.sygus import read_text
from dsl.operators import Term
from dsl.theories.theory import find

FILES = sorted((Path(__file__).parents[2] / "benchmarks" / "sygus_suite" / "files").glob("*/*.sl"))
CALLED = """(set-logic LIA) (define-fun low () Int (- 2)) (define-fun add ((x Int)) Int (+ x 1))
(synth-fun f ((x Int)) Int ((Start Int)) ((Start Int (x 0 (+ Start Start) (add Start))))) (declare-var y Int)
(define-fun y! ((x Int)) Int (+ (f x) low)) (constraint (= (y! (add y)) (+ y low (f low)))) (check-synth)"""
TEXTS = [*(file.read_text(encoding="utf-8") for file in FILES), *[CALLED] * 10]
WORDS = (
    "x", "y", "0", "1", "-3", "2x", "x!", "(", "(", "and", "or", "not", "=", "<=", "+", "-", "*", "ite", "true", "Int",
    "Bool", "String", "Start", "BitVec", "_", "#x01", "f", "let", "constraint", "define-fun", "declare-var", "=>", ";",
    "str.++", "bvadd", "check-synth", '"a"', "(- 5)",
)  # fmt: skip


def changed(text: str, choose: Random) -> str:
    """The text with a few words left out, doubled, exchanged, or others."""
    words = text.replace("(", " ( ").replace(")", " ) ").split(" ")
    for _ in range(choose.choice((0, 1, 1, 1, 2, 3))):
        place, other = choose.randrange(len(words)), choose.randrange(len(words))
        match choose.choice(("out", "twice", "new", "new", "exchange")):
            case "out":
                del words[place]
            case "twice":
                words.insert(place, words[other])
            case "new":
                words[place] = choose.choice(WORDS)
            case _:
                words[place], words[other] = words[other], words[place]
    return " ".join(words)


def as_formula(term: Node, function: Function) -> Term:
    """The same term of ``dsl``, with calls of the function to be found."""
    arguments = tuple(as_formula(argument, function) for argument in term.arguments)
    if term.kind == CALL:
        return function.operator(*arguments)
    if term.kind == ROW:
        return find(term.name, tuple(argument.sort for argument in arguments))(*arguments)
    return as_term(term)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(400))
def test_what_the_light_reader_takes_is_what_the_other_reads(seed):
    choose = Random(seed)
    text = changed(choose.choice(TEXTS), choose)
    try:
        light = read(text)
    except BeyondError:
        return
    problem = read_text(text)  # which raises where it refuses the file
    (function,) = problem.spec.functions
    assert function.name == light.function
    assert [as_formula(one, function) for one in light.constraints] == list(map(inlined, problem.spec.constraints))
    assert tuple((one.name, sort_of(one.sort)) for one in light.variables) == problem.spec.variables
    assert tuple((one.name, sort_of(one.sort)) for one in light.parameters) == function.signature.parameters
    assert not problem.spec.assumptions
    written = problem.written[function.name]
    assert (written is None) == (not light.rules)
    if written is not None:
        assert light.start == next(iter(written.sorts))
        assert {name: len(rules) for name, rules in light.rules.items()} == {
            name: len(set(rules)) for name, rules in written.rules.items()
        }


def test_a_good_part_of_the_files_is_taken():
    taken = 0
    for text in TEXTS:
        try:
            read(text)
            taken += 1
        except BeyondError:
            continue
    assert taken > len(TEXTS) / 2
