"""Random functions of the kinds that small circuits compute, from a seed: what motifs are learned from, and tried on.

A function has two to four tokens, and is one test, two tests together, a choice among three labels, or a number. Tests
are thresholds on counts, on differences of counts and on averages, parity, ends, order of first occurrences and pairs.
Tokens, labels and constants are drawn, so no two functions of one kind share an alphabet but by chance.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

from benchmarks.inputs.functions import Function

ALPHABETS = (
    ("(", ")"),
    ("a", "b", "c"),
    ("0", "1"),
    ("[", "]", "x"),
    ("u", "v", "w", "z"),
    ("+", "-", "."),
    ("<", ">", "q"),
)
LABELS = (("no", "yes", "maybe"), ("A", "B", "C"), ("left", "right", "none"), ("accept", "reject", "wait"))
LONGEST = {2: 7, 3: 6, 4: 5}  # by the size of the alphabet: some hundreds of sequences
Tokens = Sequence[str]
Test = Callable[[Tokens], bool]


def random_functions(count: int, seed: int) -> tuple[Function, ...]:
    """``count`` functions, none of which is constant, the kinds in turn."""
    rng, found = random.Random(seed), list[Function]()
    while len(found) < count:
        kind = KINDS[len(found) % len(KINDS)]
        alphabet, labels = rng.choice(ALPHABETS), rng.choice(LABELS)
        words, value = kind(rng, alphabet, labels)
        name = f"{seed}.{len(found)} {words}"
        made = Function(name, alphabet, LONGEST[len(alphabet)], value, is_placed=False)
        domain = made.domain
        said = {made.labels(domain.words(row)) for length in domain.lengths for row in domain.sequences(length)}
        if len(said) > 1:
            found.append(made)
    return tuple(found)


# --- tests ------------------------------------------------------------------------------------------------------


def _two(rng: random.Random, alphabet: Tokens) -> tuple[str, str]:
    a, b = rng.sample(list(alphabet), 2)
    return a, b


def _count(rng: random.Random, alphabet: Tokens) -> tuple[str, Test]:
    a, least = rng.choice(list(alphabet)), rng.randint(1, 3)
    return f"at least {least} {a}", lambda tokens: tokens.count(a) >= least


def _surplus(rng: random.Random, alphabet: Tokens) -> tuple[str, Test]:
    (a, b), least = _two(rng, alphabet), rng.randint(1, 3)
    return f"{a} ahead of {b} by {least}", lambda tokens: tokens.count(a) - tokens.count(b) >= least


def _share(rng: random.Random, alphabet: Tokens) -> tuple[str, Test]:
    a, factor = rng.choice(list(alphabet)), rng.randint(2, 4)
    return f"more than 1 in {factor} is {a}", lambda tokens: factor * tokens.count(a) > len(tokens)


def _parity(rng: random.Random, alphabet: Tokens) -> tuple[str, Test]:
    a = rng.choice(list(alphabet))
    return f"odd number of {a}", lambda tokens: tokens.count(a) % 2 == 1


def _end(rng: random.Random, alphabet: Tokens) -> tuple[str, Test]:
    a, at = rng.choice(list(alphabet)), rng.choice((0, -1))
    return f"{'begins' if at == 0 else 'ends'} with {a}", lambda tokens: tokens[at] == a


def _order(rng: random.Random, alphabet: Tokens) -> tuple[str, Test]:
    a, b = _two(rng, alphabet)

    def first(tokens: Tokens, token: str) -> int:
        return list(tokens).index(token) if token in tokens else len(tokens)

    return f"{a} first before {b}", lambda tokens: first(tokens, a) < first(tokens, b)


def _pair(rng: random.Random, alphabet: Tokens) -> tuple[str, Test]:
    a, b = _two(rng, alphabet)
    return f"holds {a}{b}", lambda tokens: (a, b) in pairwise(tokens)


def _repeated(rng: random.Random, alphabet: Tokens) -> tuple[str, Test]:
    least = rng.randint(2, 3)
    return f"last token {least} times", lambda tokens: tokens.count(tokens[-1]) >= least


TESTS = (_count, _surplus, _share, _parity, _end, _order, _pair, _repeated)

# --- functions --------------------------------------------------------------------------------------------------

Made = tuple[str, Callable[..., object]]


def _one(rng: random.Random, alphabet: Tokens, labels: Tokens) -> Made:
    words, test = rng.choice(TESTS)(rng, alphabet)
    return words, lambda tokens: labels[test(tokens)]


def _both(rng: random.Random, alphabet: Tokens, labels: Tokens) -> Made:
    (one, first), (other, second) = (make(rng, alphabet) for make in rng.sample(TESTS, 2))
    return f"{one} and {other}", lambda tokens: labels[first(tokens) and second(tokens)]


def _either(rng: random.Random, alphabet: Tokens, labels: Tokens) -> Made:
    (one, first), (other, second) = (make(rng, alphabet) for make in rng.sample(TESTS, 2))
    return f"{one} or {other}", lambda tokens: labels[first(tokens) or second(tokens)]


def _three(rng: random.Random, alphabet: Tokens, labels: Tokens) -> Made:
    (one, first), (other, second) = (make(rng, alphabet) for make in rng.sample(TESTS, 2))
    return f"{one}, else {other}", lambda tokens: labels[2] if first(tokens) else labels[second(tokens)]


def _number(rng: random.Random, alphabet: Tokens, labels: Tokens) -> Made:
    (a, b), most = _two(rng, alphabet), rng.randint(2, 4)
    return f"{a} less {b}, 0 to {most}", lambda tokens: min(max(tokens.count(a) - tokens.count(b), 0), most)


KINDS = (_one, _both, _either, _three, _number)
