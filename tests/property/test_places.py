"""Laws of the places grammar: numpy, printed text and formula mean the same; what is printed reads back."""

import random
import re
from itertools import islice, product

import pytest
from pysmt.environment import Environment
from quick import sliced

from dsl.grammars import selections, texts
from dsl.grammars.codes import letter_label
from dsl.grammars.positions import PlacedSignature, PlacedSymbols, fixed_places, places
from dsl.operators import GrammarError
from dsl.program import Program

GRAMMARS = {
    "numbers": places(["1", "2", "3"], ["0", "1", "2", "3", "4"]),
    "letters": places(["b", "a", "c"], ["a", "b", "x"]),
    "shares": places(["x", "y"], ["0.0", "0.5", "1.0", "0.3333333333333333", "-0.5"]),
    "negative": places(["-1", "0", "10"], ["-1", "0", "10", "20"]),
    "fixed": fixed_places(["a", "b"], ["p", "q"], 3, 3),
    "words": places(["ab", "B", "abc1"], ["ab", "AB", "B", "BB", "True", "False", "a", "c1"]),
    "tuples": places(["a", "b"], ["('a', 1)", "('b', 1)", "('b', 2)", "('a', 0)"]),
    "ciphers": places(["a", "b", "e"], ["a", "b", "c", "d", "f"]),
    "prefixed": places(["1", "0"], ["n0", "n1", "n2", "n-1"]),
    "fixed tokens": fixed_places(["b", "a", "c"], ["a", "b", "True", "False"], 2, 2, with_tokens=True),
    "fixed numbers": fixed_places(["3", "-1", "2"], ["3", "2", "5"], 2, 2, with_tokens=True, with_letters=True),
}
ENVIRONMENT = Environment()
M = ENVIRONMENT.formula_manager


def inputs(name, grammar):
    lengths = (3, 4) if name == "fixed" else (2, 3) if name.startswith("fixed") else (1, 2, 3)
    words = [w for n in lengths for w in product(grammar.sequences.alphabet, repeat=n)]
    if name.startswith("fixed"):
        return [(word,) for word in words]
    return [(word, place) for word in words for place in range(len(word))]


def by_formula(grammar, program, word, *place):
    symbols = grammar.signature.symbols(M, len(word))
    stands = {
        symbol: M.Bool(token == here)
        for row, here in zip(symbols.at, word, strict=True)
        for symbol, token in zip(row, grammar.sequences.alphabet, strict=True)
    }
    formula = program.encode(PlacedSymbols(symbols.manager, symbols.at, *place) if place else symbols)
    value = ENVIRONMENT.simplifier.simplify(ENVIRONMENT.substituter.substitute(formula, stands)).constant_value()
    return grammar.signature.answer(value)


def programs(grammar, derive, count=60):
    """Random ones, and one for every label operator and every flag and number that labels can be made from."""
    rng, labels = random.Random(0), [p for p in grammar.productions if p.nonterminal == "Label"]
    choose = next(p.operator for p in labels if p.operator.name == "choose")
    first, second = [p.operator() for p in labels if p.operator.name.startswith("label")][:2]
    at_least = next(p.operator for p in grammar.productions if p.operator.name == "at least 2")
    flags = [p.operator for p in grammar.productions if p.operator.name.startswith("is the token '")]
    for production in grammar.productions:
        arguments = [derive(grammar, name, 2, rng.choice) for name in production.arguments]
        term = production.operator(*arguments)
        match production.nonterminal:
            case "Label":
                yield Program(term, grammar)
            case "Flag":
                yield Program(choose(term, first, second), grammar)
            case "Number":
                yield Program(choose(at_least(term), first, second), grammar)
            case "Code":
                yield Program(letter_label(grammar.sequences.labels)(term), grammar)
            case "Token" | "Found":
                yield from (Program(choose(flag(term), first, second), grammar) for flag in flags)
            case "Whole":
                yield Program(
                    choose(selections.ALIKE(term, derive(grammar, "Whole", 2, rng.choice)), first, second), grammar
                )
            case "Some":
                yield from (
                    Program(
                        choose(
                            flag(
                                selections.extreme(
                                    selections.order_of(grammar.sequences.alphabet),
                                    are_numbers=selections.whole(grammar.sequences.alphabet[0]) is not None,
                                    is_largest=True,
                                )(term)
                            ),
                            first,
                            second,
                        ),
                        grammar,
                    )
                    for flag in flags
                )
            case "Part":
                for _ in range(3):
                    flag = selections.CONTAINS(term, derive(grammar, "Token", 3, rng.choice))
                    yield Program(choose(flag, first, second), grammar)
            case "Text":
                yield Program(
                    choose(texts.ALIKE_TEXTS(term, derive(grammar, "Text", 2, rng.choice)), first, second), grammar
                )
    for size in range(count):
        yield Program(derive(grammar, "Label", 2 + size % 9, rng.choice), grammar)


@pytest.mark.parametrize("step", sliced([40, 1], 2))
@pytest.mark.parametrize("name", GRAMMARS)
def test_numpy_and_text_agree_and_the_text_reads_back(name, step, derive):
    grammar = GRAMMARS[name]
    cases = inputs(name, grammar)
    batch = grammar.sequences.batch(cases if not name.startswith("fixed") else [word for (word,) in cases])
    for program in islice(programs(grammar, derive), 0, None, step):
        text = program.source("program")
        scope: dict = {}
        exec(text, scope)
        answers = [grammar.signature.answer(value) for value in program.run(batch)]
        labels = grammar.sequences.labels
        for case, answer in zip(cases, answers, strict=True):
            got = scope["program"](list(case[0]), *case[1:])
            assert answer == (got if got in labels else None), (text, case)
        try:
            assert Program.parse(text, grammar).source("program") == text
        except GrammarError:  # text that another row prints too is read as the first
            assert re.search(r"(\S.*) == \1", text)


@pytest.mark.parametrize("step", sliced([24, 1], 2))
@pytest.mark.parametrize("name", GRAMMARS)
def test_the_formula_means_what_numpy_computes(name, step, derive):
    grammar, rng = GRAMMARS[name], random.Random(1)
    cases = inputs(name, grammar)
    for program in islice(programs(grammar, derive, 20), 0, None, step):
        for case in rng.sample(cases, 3):
            assert by_formula(grammar, program, *case) == program(*case), (str(program.term), case)


def test_a_place_outside_the_sequence_is_refused():
    signature = PlacedSignature(("a", "b"), ("x",))
    for case in ((("a",), 1), (("a",), -1), ((), 0)):
        with pytest.raises(GrammarError, match="expected a place from 0"):
            signature.batch([case])
    with pytest.raises(GrammarError, match="a sequence of tokens and a place"):
        signature.example(("a",))
