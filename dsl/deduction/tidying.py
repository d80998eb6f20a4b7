"""A final program as a person would have written it: what says nothing is removed, the rest said in fewer words.

    tidied = the term with the least to read that ``shrinking`` reaches by: parts of a subterm in its place, and
             ``other_words`` of a subterm, which mean the same

Everything is tried under ``fits``, so a rule that were wrong would cost time and nothing else. What is less to read is
counted on the text: its words, then what a reader stumbles over in it (``2 == i``, a conjunction in parentheses). The
result is one that its own text reads back as.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from dsl.deduction.shrinking import shrink
from dsl.function import function_text
from dsl.grammar import Grammar
from dsl.grammars import comparisons, motifs, positions, selections, tables, texts
from dsl.meaning import Absent, AtLeast, Combination, Constant, Count, Divided, Length, Present, Remainder, TokenTest
from dsl.operators import BOOL, INT, LABEL, MASK, TOKEN, GrammarError, Operator, Term
from dsl.program import Program

SKIPPED = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER)
OPPOSITE = {
    Combination.GREATER: comparisons.AT_MOST,
    Combination.AT_MOST: motifs.GREATER,
    Combination.LESS: comparisons.NO_LESS,
    Combination.NO_LESS: comparisons.LESS,
    Combination.EQUAL: comparisons.UNEQUAL,
    Combination.UNEQUAL: motifs.EQUAL,
}  # what a comparison of two numbers does not say
TURNED = {
    Combination.GREATER: comparisons.LESS,
    Combination.AT_MOST: comparisons.NO_LESS,
    Combination.LESS: motifs.GREATER,
    Combination.NO_LESS: comparisons.AT_MOST,
    Combination.EQUAL: motifs.EQUAL,
    Combination.UNEQUAL: comparisons.UNEQUAL,
}  # the same with its sides exchanged
OPPOSITE_OF_TOKENS = {
    selections.SAME: comparisons.ANOTHER,
    selections.ALIKE: comparisons.UNLIKE,
    selections.CONTAINS: comparisons.LACKS,
}
COUNTED_HERE = {
    positions.UP_TO: selections.UP_TO_HERE,
    positions.BEFORE: selections.BEFORE_HERE,
    positions.AFTER: selections.AFTER_HERE,
}  # the part of the sequence that a row counts in
HERE, FIRST, LAST = (row(selections.TOKENS()) for row in (selections.AT_HERE, selections.FIRST_OF, selections.LAST_OF))
READS_ONE = {motifs.ENDS_WITH: LAST, motifs.BEGINS_WITH: FIRST, positions.near(0): HERE}  # tests of one token
COUNT_HERE, COUNT_LAST = (selections.COUNT_IN(selections.TOKENS(), token) for token in (HERE, LAST))
COUNTS = (COUNT_HERE, COUNT_LAST, motifs.COUNT(positions.SAME_AS_HERE()), motifs.COUNT(motifs.SAME_AS_QUERY()))
NO_TOKEN = -1
NESTED = 2  # words that a conditional before the end of another one costs: early returns read better


def tidied(
    term: Term, grammar: Grammar, fits: Callable[[Term], bool], stop: Callable[[], bool] = lambda: False
) -> Term:
    """A term of ``grammar`` (of sequence programs) that ``fits`` and has no more to read than ``term``, which fits.

    ``stop`` ends it early, with what is reached.
    """
    words = OtherWords(grammar)
    known: dict[Term, tuple[int, ...] | None] = {}

    def price(candidate: Term) -> tuple[int, ...] | None:
        if candidate not in known:
            known[candidate] = _burden(candidate, grammar, words)
        return known[candidate]

    labels = [p.operator() for p in grammar.productions if p.operator.result == LABEL and not p.arguments]
    spares = dict.fromkeys(labels)
    found = shrink(term, fits, price, spares=tuple(spares), rewritings=words, stop=stop)
    for candidate in (found, term):
        read = _read_back(candidate, grammar)
        if read is not None and (read == candidate or fits(read)):
            return read
    return found


def words(text: str) -> int:
    """The words and signs of a program's text, where texts and numbers count twice: each asks why it is this one.

    >>> words("return 'a' in tokens")
    5
    """
    kinds = [token.type for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in SKIPPED]
    return len(kinds) + sum(kind in (tokenize.STRING, tokenize.NUMBER) for kind in kinds)


def _burden(term: Term, grammar: Grammar, other: OtherWords) -> tuple[int, ...] | None:
    """How much there is to read; None for what the grammar does not derive."""
    if grammar.cost(term) is None:
        return None
    nested = sum(inner.operator.is_choice and inner.arguments[1].operator.is_choice for inner in _inside(term))
    text = function_text(term, grammar.signature, "f")
    return words(text) + NESTED * nested, sum(map(other.is_odd, _inside(term))), term.size


def _read_back(term: Term, grammar: Grammar) -> Term | None:
    """The term that the text of ``term`` reads back as."""
    try:
        return Program.parse(Program(term, grammar).source("f"), grammar).term
    except GrammarError:
        return None


def _inside(term: Term) -> Iterator[Term]:
    yield term
    for argument in term.arguments:
        yield from _inside(argument)


class OtherWords:
    """What a term of a grammar means in other words: terms that mean the same as a whole term, not as its parts."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar

    def __call__(self, term: Term) -> Iterator[Term]:
        """Terms that mean the same as ``term``; not all of them are terms of the grammar."""
        arguments = term.arguments
        match term.operator.meaning:
            case Combination.NOT:
                yield from self.negations(arguments[0])
            case Combination.AND | Combination.OR:
                yield from _regrouped(term)
                yield from self._members(term)
            case Combination.CHOICE:
                yield from self._choices(term)
            case Combination.GREATER | Combination.LESS | Combination.EQUAL | Combination.UNEQUAL:
                yield from self._comparisons(term)
            case Combination.AT_MOST | Combination.NO_LESS:
                yield from _turned(term)
            case AtLeast(bound):
                yield from self._thresholds(arguments[0], bound)
            case Count(None):
                yield from self._counts(arguments[0])
            case Combination.SUM if arguments[0] == arguments[1]:
                yield motifs.times(2)(arguments[0])
        if term.operator in (motifs.PLUS, texts.JOINED):
            yield from _regrouped(term)
        if term.operator in COUNTED_HERE:
            yield from self._counts_here(COUNTED_HERE[term.operator](), arguments[0])

    def is_odd(self, term: Term) -> bool:
        """Whether a reader stumbles over ``term`` where the same can be said in as many words."""
        first = term.arguments[0] if term.arguments else None
        match term.operator.meaning:
            case Combination.LESS if _modulus(term.arguments[0]) is not None:
                return True
            case Combination() as meaning if meaning in TURNED:
                return _is_constant(first)
            case AtLeast():
                return first is not None and _modulus(first) is not None
            case Combination.AND | Combination.OR:
                return term.arguments[1].operator == term.operator
        return False

    # --- one kind of term after the other ------------------------------------------------------------------------

    def negations(self, flag: Term) -> Iterator[Term]:
        """Terms that hold where ``flag`` does not, but the plain ``not``."""
        operator, arguments = flag.operator, flag.arguments
        match operator.meaning:
            case Combination.NOT:
                yield arguments[0]
            case Combination.AND:
                yield motifs.OR(*map(self.negated, arguments))
            case Combination.OR:
                yield motifs.AND(*map(self.negated, arguments))
            case Combination() as meaning if meaning in OPPOSITE:
                yield OPPOSITE[meaning](*arguments)
            case AtLeast(bound):
                if bound == 1 and _is_natural(arguments[0]):
                    yield motifs.EQUAL(arguments[0], motifs.constant(0)())
                yield comparisons.LESS(arguments[0], motifs.constant(bound)())
            case Present(token):
                yield from self._without_arguments(Absent(token))
            case Absent(token):
                yield from self._without_arguments(Present(token))
        if operator in OPPOSITE_OF_TOKENS:
            yield OPPOSITE_OF_TOKENS[operator](*arguments)
        for one, other in ((OPPOSITE_OF_TOKENS[row], row) for row in OPPOSITE_OF_TOKENS):
            if operator == one:
                yield other(*arguments)
        if operator in self._texts:
            yield self._texts[operator](*arguments)
        if operator in READS_ONE:
            yield from (operator(test) for test in self._complements(arguments[0]))

    def negated(self, flag: Term) -> Term:
        """One that holds where ``flag`` does not."""
        return next(self.negations(flag), motifs.NOT(flag))

    def _choices(self, term: Term) -> Iterator[Term]:
        choose = term.operator
        condition, then, other = term.arguments
        for opposite in self.negations(condition):
            yield choose(opposite, other, then)
        if other.operator == choose and choose.arguments == motifs.CHOOSE.arguments:
            inner, one, two = other.arguments
            if one == then:
                yield choose(motifs.OR(condition, inner), then, two)
            if two == then:
                yield choose(motifs.OR(condition, self.negated(inner)), then, one)
                yield choose(motifs.AND(self.negated(condition), inner), one, then)
        if then.operator == choose and choose.arguments == motifs.CHOOSE.arguments:
            inner, one, two = then.arguments
            if two == other:
                yield choose(motifs.AND(condition, inner), one, other)
            if one == other:
                yield choose(motifs.AND(condition, self.negated(inner)), two, other)
        labels = self._labels.get(then.operator), self._labels.get(other.operator)
        for row in self._of_flags:
            of_true, of_false = row.numpy(None, np.array([True, False])).tolist()
            if labels == (of_true, of_false):
                yield row(condition)
            elif labels == (of_false, of_true):
                yield row(self.negated(condition))

    def _comparisons(self, term: Term) -> Iterator[Term]:
        yield from _turned(term)
        meaning, (left, right) = term.operator.meaning, term.arguments
        number = right.operator.meaning.value if isinstance(right.operator.meaning, Constant) else None
        if number == 0 and left.operator.meaning == Combination.DIFFERENCE:
            yield term.operator(*left.arguments)
        if number == 0 and isinstance(left.operator.meaning, Count) and left.operator.meaning.token is not None:
            token = left.operator.meaning.token
            if meaning in (Combination.GREATER, Combination.UNEQUAL):
                yield from self._without_arguments(Present(token))
            elif meaning == Combination.EQUAL:
                yield from self._without_arguments(Absent(token))
        if meaning == Combination.EQUAL and isinstance(right.operator.meaning, Length) and left in COUNTS:
            yield motifs.EQUAL(selections.KINDS(selections.TOKENS()), motifs.constant(1)())

    def _members(self, term: Term) -> Iterator[Term]:
        """Two tests of one token as one."""
        one, other = map(self._membership, term.arguments)
        if one is None or other is None or one[0] != other[0]:
            return
        token, alphabet = one[0], self.grammar.sequences.alphabet
        tokens = one[1] & other[1] if term.operator.meaning == Combination.AND else one[1] | other[1]
        is_none = NO_TOKEN in tokens
        chosen = sorted(self._every - tokens if is_none else tokens)
        if chosen:
            texts = [alphabet[n] for n in chosen]
            yield tables.one_of(alphabet, texts, is_none=is_none)(token)
            if len(chosen) == 1:
                yield (comparisons.is_not_text if is_none else selections.is_text)(chosen[0], texts[0])(token)
        if not is_none and len(tokens) == self._letters - 1:
            (n,) = self._every - tokens - {NO_TOKEN}
            yield comparisons.is_not_text(n, alphabet[n])(token)

    def _membership(self, flag: Term) -> tuple[Term, frozenset[int]] | None:
        """A token of which ``flag`` is a test, and the tokens that pass it, ``NO_TOKEN`` among them where none does."""
        operator = flag.operator
        if operator in READS_ONE and isinstance(flag.arguments[0].operator.meaning, TokenTest):
            return READS_ONE[operator], self._tokens(flag.arguments[0].operator.meaning)
        if operator.arguments != (TOKEN,) or operator.result != BOOL:
            return None
        every = np.array([*range(self._letters), NO_TOKEN])
        return flag.arguments[0], frozenset(every[np.asarray(operator.numpy(None, every), bool)].tolist())

    def _thresholds(self, number: Term, bound: int) -> Iterator[Term]:
        if bound == 1 and number.operator.meaning == Combination.DIFFERENCE:
            yield motifs.GREATER(*number.arguments)
        if bound == 1 and isinstance(number.operator.meaning, Count) and number.operator.meaning.token is not None:
            yield from self._without_arguments(Present(number.operator.meaning.token))
        modulus = _modulus(number)
        if modulus == bound + 1:
            yield motifs.EQUAL(number, motifs.constant(bound)())
        elif modulus is not None and bound == 1:
            yield comparisons.UNEQUAL(number, motifs.constant(0)())

    def _counts(self, test: Term) -> Iterator[Term]:
        if test == positions.SAME_AS_HERE():
            yield COUNT_HERE
        elif test == motifs.SAME_AS_QUERY():
            yield COUNT_LAST
        match test.operator.meaning:
            case TokenTest(tokens, is_complement=False) if len(tokens) == 1:
                yield from self._without_arguments(Count(*tokens))

    def _counts_here(self, part: Term, test: Term) -> Iterator[Term]:
        if test == positions.SAME_AS_HERE():
            yield selections.COUNT_IN(part, HERE)
        match test.operator.meaning:
            case TokenTest(tokens, is_complement=False) if len(tokens) == 1:
                (n,) = tokens
                yield selections.COUNT_IN(part, selections.given(n, self.grammar.sequences.alphabet[n])())

    # --- what the grammar has ------------------------------------------------------------------------------------

    def _without_arguments(self, meaning: object) -> Iterator[Term]:
        """The row of the grammar that has no argument and this meaning."""
        return (p.operator() for p in self.grammar.productions if not p.arguments and p.operator.meaning == meaning)

    def _complements(self, test: Term) -> Iterator[Term]:
        """Tests that a token passes where it does not pass ``test``."""
        if isinstance(test.operator.meaning, TokenTest):
            tokens = self._tokens(test.operator.meaning)
            for row in self._tests:
                assert isinstance(row.meaning, TokenTest)
                if not tokens & self._tokens(row.meaning) and len(tokens | self._tokens(row.meaning)) == self._letters:
                    yield row()

    def _tokens(self, test: TokenTest) -> frozenset[int]:
        return frozenset(range(self._letters)) - test.tokens if test.is_complement else test.tokens

    @cached_property
    def _letters(self) -> int:
        return len(self.grammar.sequences.alphabet)

    @cached_property
    def _every(self) -> frozenset[int]:
        return frozenset({NO_TOKEN, *range(self._letters)})

    @cached_property
    def _tests(self) -> tuple[Operator, ...]:
        rows = (p.operator for p in self.grammar.productions if p.operator.result == MASK)
        return tuple(dict.fromkeys(row for row in rows if isinstance(row.meaning, TokenTest)))

    @cached_property
    def _labels(self) -> dict[Operator, int]:
        return {motifs.label(n, name): n for n, name in enumerate(self.grammar.sequences.labels)}

    @cached_property
    def _of_flags(self) -> tuple[Operator, ...]:
        """Rows whose label is a flag."""
        rows = (p.operator for p in self.grammar.productions)
        return tuple(dict.fromkeys(row for row in rows if row.result == LABEL and row.arguments == (BOOL,)))

    @cached_property
    def _texts(self) -> dict[Operator, Operator]:
        """Whether a token is a text, and whether it is not."""
        pairs = [
            (selections.is_text(n, text), comparisons.is_not_text(n, text))
            for n, text in enumerate(self.grammar.sequences.alphabet)
        ]
        return dict(pairs) | {other: one for one, other in pairs}


def _turned(term: Term) -> Iterator[Term]:
    """A comparison with its sides exchanged."""
    meaning = term.operator.meaning
    assert isinstance(meaning, Combination)
    yield TURNED[meaning](*reversed(term.arguments))


def _regrouped(term: Term) -> Iterator[Term]:
    """A conjunction (sum, joined text) begun with the one at its end: ``a and (b and c)`` as ``a and b and c``."""
    first, second = term.arguments
    if second.operator == term.operator:
        yield term.operator(term.operator(first, second.arguments[0]), second.arguments[1])


def _is_constant(term: Term | None) -> bool:
    return term is not None and isinstance(term.operator.meaning, Constant)


def _is_natural(number: Term) -> bool:
    """Whether a number is surely not below zero."""
    meaning = number.operator.meaning
    return isinstance(meaning, Count | Length | Remainder) or _modulus(number) is not None


def _modulus(number: Term) -> int | None:
    """The m of what is left over when something is divided by m."""
    match number.operator.meaning:
        case Remainder(modulus) if number.sort == INT:
            return modulus
        case Divided(divisor) if number.operator == positions.modulo(divisor):
            return divisor
    return None
