"""A program that compares a weighted sum of token counts with a limit: what a head that averages computes.

    sum_t w_t count(t) + b_q > 0,      one b_q for each last token q; where that is too few, w depends on q, too

Weights and limits come from labels of the network by a linear program (least sum of |w|, so that they are small), then
the smallest multiple of its solution whose rounding is right on every class of counts up to a length, in integers.
What is found is only a candidate: ``counting`` has to prove it. Two labels only; where no such sum exists there is no
program, and the caller may try a shorter length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cegis import Program
from dsl.grammar import Grammar
from dsl.grammars.motifs import CHOOSE, ENDS_WITH, GREATER, PLUS, constant, count_of, is_token, label, times
from dsl.operators import Term
from dsl.sequences import Label
from tasks.automata.parikh import Classes
from tasks.automata.program_states import Folded
from tasks.proofs.counting import CountingVerifier

Ints = NDArray[np.int64]
Weights = tuple[int, ...]
MOST_SCALE = 400
MOST_CLASSES = 200_000
MOST_SECONDS = 10.0  # of one linear program


def threshold_program(verifier: CountingVerifier, grammar: Grammar) -> Program | None:
    """The program, if weights and limits exist that are right on every class of ``verifier``'s domain."""
    names, letters = grammar.sequences.labels, len(verifier.domain.alphabet)
    if len(names) != 2 or verifier.domain.min_length == 0:
        return None
    counts, lasts, signs = _rows(verifier, Program(label(0, names[0])(), grammar))
    if not len(signs) or abs(int(signs.sum())) == len(signs):
        return None
    common = _fit(np.hstack([counts, np.eye(letters, dtype=np.int64)[lasts]]), signs)
    if common is not None:
        return Program(_term(verifier, names, [(*common[:letters], limit) for limit in common[letters:]]), grammar)
    own = []
    for token in range(letters):
        rows = lasts == token
        found = _fit(np.hstack([counts[rows], np.ones((rows.sum(), 1), np.int64)]), signs[rows])
        if found is None:
            return None
        own.append(found)
    return Program(_term(verifier, names, own), grammar)


def _fit(features: Ints, signs: Ints) -> Weights | None:
    """Small whole weights whose sum over (rows, features) is positive exactly where ``signs`` is."""
    if not len(signs):
        return tuple([0] * features.shape[1])
    from scipy.optimize import linprog  # it takes a while to load

    found = linprog(
        np.ones(2 * features.shape[1]),
        A_ub=-signs[:, None] * np.hstack([features, -features]),
        b_ub=-np.ones(len(signs)),
        method="highs",
        options={"time_limit": MOST_SECONDS},
    )
    if found.x is None:
        return None
    weights = found.x[: features.shape[1]] - found.x[features.shape[1] :]
    for scale in range(1, MOST_SCALE + 1):
        whole = np.rint(scale * weights).astype(np.int64)
        if np.array_equal(features @ whole > 0, signs > 0):
            return tuple(map(int, whole))
    return None


def _rows(verifier: CountingVerifier, anything: Program) -> tuple[Ints, Ints, Ints]:
    """Counts (classes, letters), last tokens and signs (classes,), 1 for the second label and -1 for the first.

    Empty where there are too many classes. Classes without a label are left out.
    """
    classes, signs = Classes(verifier.domain, Folded(anything)), [np.zeros(0, np.int64)]
    counts, lasts = [np.zeros((0, classes.letters), np.int64)], [np.zeros(0, np.int64)]
    for level in classes.levels():
        for token, codes in level.ends.items():
            if len(codes):
                names = anything.grammar.sequences.labels
                labels = verifier.labels(codes, classes.plane, token, level.length, names)
                known = labels >= 0
                counts.append(classes.counts(codes[known]))
                lasts.append(np.full(int(known.sum()), token))
                signs.append(2 * labels[known] - 1)
        if sum(map(len, signs)) > MOST_CLASSES:
            return counts[0], lasts[0], signs[0]
    return np.concatenate(counts), np.concatenate(lasts), np.concatenate(signs)


def _term(verifier: CountingVerifier, names: tuple[Label, ...], weights: list[Weights]) -> Term:
    """The label by the comparison; ``weights`` of the counts, then the limit, for each last token."""
    alphabet = verifier.domain.alphabet
    parts = [count_of(n, text)() for n, text in enumerate(alphabet)]

    def compared(weight: Weights) -> Term:
        sides = (_sum(weight, parts, sign) for sign in (1, -1))
        return CHOOSE(GREATER(*sides), label(1, names[1])(), label(0, names[0])())

    usual = max(set(weights), key=weights.count)
    term = compared(usual)
    for n, weight in enumerate(weights):
        if weight != usual:
            term = CHOOSE(ENDS_WITH(is_token(n, alphabet[n])()), compared(weight), term)
    return term


def _sum(weights: Weights, parts: list[Term], sign: int) -> Term:
    """The sum of the parts whose weight has this sign, as numbers of the grammar; the last weight is a constant."""
    every = zip(weights, [*parts, None], strict=True)
    terms = [_multiple(sign * weight, part) for weight, part in every if sign * weight > 0]
    total = terms[0] if terms else constant(0)()
    for term in terms[1:]:
        total = PLUS(total, term)
    return total


def _multiple(factor: int, part: Term | None) -> Term:
    """``factor`` times ``part`` (None: 1)."""
    if part is None:
        return constant(factor)()
    return part if factor == 1 else times(factor)(part)
