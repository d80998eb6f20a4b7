"""Programs that are read off the labels, where these depend on a token, a number, or both: no search is needed.

What such a program says of each token is known; what is chosen is how to write it: as a table, with a default or
without, as a few sets of tokens, or as intervals of the numbers that tokens write. The one with the least to read is
taken, and compared with every label like any other program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from cegis import Program, Valid
from dsl.grammars import selections, tables, texts
from dsl.grammars.motifs import CHOOSE, MINUS, PLUS, constant, label, times
from dsl.grammars.positions import ABSOLUTE, GREATEST, LEAST, NEGATIVE, PRODUCT, modulo
from dsl.operators import INT, TOKEN, Operator, Term
from tasks.pipeline.dependence import Dependence, Feature, Labelled
from tasks.pipeline.reading import reading

MOST_ENTRIES = 127  # of a table
MOST_SLOPE = 99  # of a line
MOST_RUNS = 4  # intervals or sets of tokens, one after the other
Said = dict[tables.Key, str]


def closed_form(inputs: Labelled, dependence: Dependence) -> Program | None:
    """The program with the least to read that is read off what ``dependence`` leaves; None where there is none."""
    table = inputs.table
    chosen = _key(dependence.features)
    names = tuple(name for name in table.names if isinstance(name, str))
    if chosen is None or len(names) < len(table.names) or dependence.groups > MOST_ENTRIES:
        return None
    terms = [feature.term for feature in chosen if feature.term is not None]
    if table.domain.min_length == 0 and any(term.needs_token for term in terms):
        return None
    said = _said(inputs, chosen)
    made = [Program(term, table.grammar) for term in _written(inputs, terms, said, names)]
    made.sort(key=reading)
    return next((program for program in made if isinstance(table.check(program), Valid)), None)


def calculated(inputs: Labelled) -> Program | None:
    """What is calculated from two tokens that are numbers: their sum, difference, product, the larger or the smaller
    one, or one of these and its remainder by a modulus.

    For sequences of two tokens, such as pairs of a residue class; None where it is none of these.
    """
    table = inputs.table
    domain = table.domain
    numbers = [selections.whole(token) for token in domain.alphabet]
    values = [selections.whole(name) if isinstance(name, str) else None for name in table.names]
    if table.is_placed or (domain.min_length, domain.max_length) != (2, 2) or None in numbers or None in values:
        return None
    writes = _writer(inputs)
    known = {feature.words: feature for feature in inputs.features}
    one, two = (known.get(words) for words in ("the first token", "the last token"))
    if writes is None or one is None or two is None or one.term is None or two.term is None or len(values) < 2:
        return None
    of_token, of_label = np.array(numbers, np.int64), np.array(values, np.int64)
    a, b, wanted = of_token[inputs.codes(one)], of_token[inputs.codes(two)], of_label[inputs.labels]
    read = selections.value(selections.order_of(domain.alphabet))
    first, last = read(one.term), read(two.term)
    for said, term in (
        (a + b, PLUS(first, last)), (a - b, MINUS(first, last)), (b - a, MINUS(last, first)),
        (np.maximum(a, b), GREATEST(first, last)), (np.minimum(a, b), LEAST(first, last)),
        (np.abs(a - b), ABSOLUTE(MINUS(first, last))), (a * b, PRODUCT(first, last)),
    ):  # fmt: skip
        modulus = int(of_label.max()) + 1
        for result, whole in ((said, term), (said % modulus, modulo(modulus)(term))):
            if np.array_equal(result, wanted):
                program = Program(writes(whole), table.grammar)
                return program if isinstance(table.check(program), Valid) else None
    return None


def _writer(inputs: Labelled) -> Operator | None:
    """The row of the grammar that writes a number as a label."""
    rows = [p for p in inputs.table.grammar.productions if p.nonterminal == "Label"]
    found = (p.operator for p in rows if p.operator.python == "str(_0)" and p.operator.arguments == (INT,))
    return next(found, None)


def _key(features: Sequence[Feature]) -> tuple[Feature, ...] | None:
    """The features of one key of a table, a token first; None where they make none."""
    known = [feature for feature in features if feature.term is not None]
    sorts = [feature.term.sort for feature in known if feature.term is not None]
    if len(known) < len(features) or sorted(sort.name for sort in sorts) not in (["Token"], ["Int"], ["Int", "Token"]):
        return None
    return tuple(sorted(known, key=lambda feature: feature.term is not None and feature.term.sort != TOKEN))


def _said(inputs: Labelled, chosen: Sequence[Feature]) -> Said:
    """The label of each key, tokens by name and in order."""
    codes = np.stack([inputs.codes(feature) for feature in chosen], axis=1)
    keys, first = np.unique(codes, axis=0, return_index=True)
    alphabet, names = inputs.table.domain.alphabet, inputs.table.names
    found: Said = {}
    for values, place in zip(keys.tolist(), first.tolist(), strict=True):
        parts = tuple(
            alphabet[value] if feature.term is not None and feature.term.sort == TOKEN else value
            for feature, value in zip(chosen, values, strict=True)
        )
        found[parts if len(parts) > 1 else parts[0]] = str(names[inputs.labels[place]])
    return found


def _written(inputs: Labelled, terms: list[Term], said: Said, names: tuple[str, ...]) -> Iterator[Term]:
    """Ways to write what is said of the values of ``terms``."""
    alphabet = inputs.table.domain.alphabet
    answers = {name: label(n, name)() for n, name in enumerate(names)}
    for found in tables.tables_of(said):
        if found.entries:
            yield tables.table(alphabet, names, found)(*terms)
    if len(terms) > 1:
        return
    (term,) = terms
    numbers: dict[int, str] = {}
    if term.sort == INT:
        numbers = {key: text for key, text in said.items() if isinstance(key, int)}
    else:
        yield from _in_sets(alphabet, term, said, answers)
        numbers = {n: said[text] for text in alphabet if text in said and (n := selections.whole(text)) is not None}
        if len(numbers) < len(said):
            return
        term = selections.value(selections.order_of(alphabet))(term)
    yield from _as_numbers(inputs, term, numbers)
    yield from _in_intervals(term, dict(sorted(numbers.items())), answers)


def _in_sets(alphabet: Sequence[str], term: Term, said: Said, answers: dict[str, Term]) -> Iterator[Term]:
    """A set of tokens for each label but the most frequent."""
    classes: dict[str, list[str]] = {}
    for token in alphabet:
        if token in said:
            classes.setdefault(said[token], []).append(token)
    if not 2 <= len(classes) <= MOST_RUNS:
        return
    *others, last = sorted(classes, key=lambda name: len(classes[name]))
    result = answers[last]
    for name in reversed(others):
        tokens = classes[name]
        index = alphabet.index(tokens[0])
        is_here = selections.is_text(index, tokens[0]) if len(tokens) == 1 else tables.one_of(alphabet, tokens)
        result = CHOOSE(is_here(term), answers[name], result)
    yield result
    if classes.keys() == {"True", "False"}:
        yield texts.flag_label(list(answers))(tables.one_of(alphabet, classes["True"])(term))
        yield texts.flag_label(list(answers))(tables.one_of(alphabet, classes["False"], is_none=True)(term))


def _as_numbers(inputs: Labelled, term: Term, numbers: dict[int, str]) -> Iterator[Term]:
    """A number made of the number itself: kept between two others, its distance from one, or on a line."""
    writes = _writer(inputs)
    said = {number: whole for number, text in numbers.items() if (whole := selections.whole(text)) is not None}
    if writes is None or len(said) < max(2, len(numbers)):
        return
    yield writes(GREATEST(_constant(min(said.values())), LEAST(_constant(max(said.values())), term)))
    (first, value), (second, other), *_ = said.items()
    for middle in {first - value, first + value}:
        if all(abs(number - middle) == wanted for number, wanted in said.items()):
            yield writes(ABSOLUTE(_plus(term, -middle)))
    slope, rest = divmod(other - value, second - first)
    offset = value - slope * first
    if not rest and 0 < abs(slope) <= MOST_SLOPE and all(slope * n + offset == wanted for n, wanted in said.items()):
        line = term if abs(slope) == 1 else times(abs(slope))(term)
        yield writes(_plus(line, offset) if slope > 0 else MINUS(_constant(offset), line))


def _plus(term: Term, number: int) -> Term:
    if number == 0:
        return term
    return PLUS(term, constant(number)()) if number > 0 else MINUS(term, constant(-number)())


def _constant(number: int) -> Term:
    return constant(number)() if number >= 0 else NEGATIVE(constant(-number)())


def _in_intervals(term: Term, numbers: dict[int, str], answers: dict[str, Term]) -> Iterator[Term]:
    """Thresholds from the least number on; and an interval, where only two labels are."""
    runs = [(name, [number for number, _ in items]) for name, items in groupby(numbers.items(), lambda item: item[1])]
    if not 2 <= len(runs) <= MOST_RUNS:
        return
    result = answers[runs[-1][0]]
    for name, inside in reversed(runs[:-1]):
        result = CHOOSE(tables.between(None, inside[-1])(term), answers[name], result)
    yield result
    if len(runs) == 3 and runs[0][0] == runs[2][0]:
        inside = runs[1][1]
        flag = tables.between(inside[0], inside[-1])(term)
        yield CHOOSE(flag, answers[runs[1][0]], answers[runs[0][0]])
        if {runs[0][0], runs[1][0]} == {"True", "False"} and runs[1][0] == "True":
            yield texts.flag_label(list(answers))(flag)
    if len(runs) == 2 and {runs[0][0], runs[1][0]} == {"True", "False"}:
        is_above = runs[1][0] == "True"
        half = tables.between(runs[1][1][0], None) if is_above else tables.between(None, runs[0][1][-1])
        yield texts.flag_label(list(answers))(half(term))
