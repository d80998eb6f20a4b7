"""Classes are exactly what sequences reach; attention over counts holds ideal values and float32 executions."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from random import Random

import flint
import numpy as np
import pytest
from counted_circuits import COUNTED, shipped
from exact_attention import attending, exact_attention
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples, sliced

from cegis import Constraint, Domain, Program, motifs
from dsl.grammars.motifs import CHOOSE, EQUAL, constant, label
from tasks.automata.parikh import Classes
from tasks.automata.program_states import Folded
from tasks.bounds.ball import FLOAT32, FLOAT64
from tasks.networks.circuit import Circuit
from tasks.proofs.count_bounds import Tally

F = np.float32
LETTERS = ("a", "b", "c")
LABELS = ("yes", "no")
GRAMMAR = motifs(LETTERS, LABELS)
CIRCUITS = [shipped(name) for name in COUNTED]


@pytest.fixture(autouse=True)
def many_bits() -> Iterator[None]:
    before, flint.ctx.prec = flint.ctx.prec, 200
    yield
    flint.ctx.prec = before


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    """Up to five tokens over three letters, under a random automaton or none."""
    longest = draw(st.integers(1, 5))
    if draw(st.booleans()):
        return Domain(LETTERS, 1, longest)
    states = draw(st.integers(1, 3))
    rows = st.tuples(*[st.integers(-1, states - 1)] * 3)
    table = draw(st.tuples(*[rows] * states))
    return Domain(LETTERS, 1, longest, Constraint("random", table, draw(st.tuples(*[st.booleans()] * states))))


def reached(classes: Classes) -> dict[tuple[int, int], list[int]]:
    """Every class by length and last token; all of them numbered differently."""
    found = {}
    for level in classes.levels():
        for token, codes in level.ends.items():
            assert len(set(codes.tolist())) == len(codes)
            found[level.length, token] = codes.tolist()
    return found


def said(program: Program, domain: Domain, last: int | None) -> dict[tuple[int, int, tuple[int, ...]], set[str]]:
    """What the program answers, for each length, last token and counts, by running it on every sequence."""
    found: dict[tuple[int, int, tuple[int, ...]], set[str]] = {}
    for sequence in domain:
        token = LETTERS.index(sequence[-1])
        if last in (None, token):
            key = (len(sequence), token, tuple(map(sequence.count, LETTERS)))
            found.setdefault(key, set()).add(program(sequence))
    return found


def answered(classes: Classes) -> dict[tuple[int, int, tuple[int, ...]], set[str]]:
    """The same, class by class."""
    found: dict[tuple[int, int, tuple[int, ...]], set[str]] = {}
    for (length, token), codes in reached(classes).items():
        rows = np.array(codes, np.int64)
        answers = classes.answers(rows, token, length)
        for counts, answer in zip(classes.counts(rows).tolist(), answers.tolist(), strict=True):
            found.setdefault((length, token, tuple(counts)), set()).add(LABELS[answer])
    return found


def agree(program: Program, domain: Domain) -> bool:
    folded = Folded(program)
    lasts = range(3) if folded.asks_last else [None]
    return all(answered(Classes(domain, folded, last)) == said(program, domain, last) for last in lasts)


READERS = sorted(
    {p.operator.name for p in GRAMMAR.productions if p.nonterminal in ("Number", "Flag")}
    - {p.operator.name for p in GRAMMAR.productions if {"Number", "Flag"} & set(p.arguments)}
)


@pytest.mark.parametrize("name", sliced(READERS, 3))
def test_every_row_that_reads_the_sequence_is_followed(name: str, derive) -> None:
    rows = [p for p in GRAMMAR.productions if p.nonterminal in ("Number", "Flag") and p.operator.name == name]
    choose, yes, no = Random(name).choice, label(0, "yes")(), label(1, "no")()
    for production in rows:
        for _ in range(examples(8) // 2 if production.arguments else 1):
            term = production.operator(*(derive(GRAMMAR, part, 1, choose) for part in production.arguments))
            flags = [term] if production.nonterminal == "Flag" else [EQUAL(term, constant(n)()) for n in range(5)]
            for flag in flags:
                assert agree(Program(CHOOSE(flag, yes, no), GRAMMAR), Domain(LETTERS, 1, 4)), flag


@settings(max_examples=examples(60))
@given(domain=domains(), size=st.integers(0, 14), data=st.data())
def test_classes_tell_what_a_program_says_of_every_sequence(domain: Domain, size: int, data, derive) -> None:
    choose = lambda options: data.draw(st.sampled_from(options))  # noqa: E731
    assert agree(Program(derive(GRAMMAR, "Label", size, choose), GRAMMAR), domain)


@settings(max_examples=examples(40))
@given(domain=domains(), size=st.integers(0, 14), data=st.data())
def test_the_word_of_a_class_is_in_the_domain_and_gets_its_answer(domain: Domain, size: int, data, derive) -> None:
    choose = lambda options: data.draw(st.sampled_from(options))  # noqa: E731
    program = Program(derive(GRAMMAR, "Label", size, choose), GRAMMAR)
    folded = Folded(program)
    for last in range(3) if folded.asks_last else [None]:
        classes = Classes(domain, folded, last)
        for (length, token), codes in reached(classes).items():
            for code in codes:
                word = classes.word(code, token, length)
                row = np.array([code])
                assert domain.contains(word)
                assert (len(word), LETTERS.index(word[-1])) == (length, token)
                assert Counter(word) == Counter(dict(zip(LETTERS, classes.counts(row)[0].tolist(), strict=True)))
                assert program(word) == LABELS[int(classes.answers(row, token, length)[0])]


def float_attention(
    circuit: Circuit, tally: Tally, counts: list[int], last: int, rng: np.random.Generator
) -> np.ndarray:
    """The same in float32, every position its own key, summed in a random order."""
    layer, config = attending(circuit), circuit.network.config
    q, k, v = (part.center.astype(F).reshape(len(part.center), -1) for part in tally._heads)
    at = f"transformer.h.{layer}.attn."
    keys = rng.permutation(np.repeat(np.arange(len(k)), [*counts, *[1] * len(circuit.prefix)]))
    mixed = []
    for head in range(config.n_head):
        part = slice(head * config.d_head, (head + 1) * config.d_head)
        scores = (k[keys][:, part] @ q[last, part]) * F(config.d_head**-0.5)
        sink = [circuit.network.tensors[f"{at}attn_imp.sink_logit"][head]] if config.sink else []
        raised = np.exp(np.append(scores, sink).astype(F) - scores.max())
        shares = raised / np.cumsum(raised, dtype=F)[-1]
        mixed.append(np.cumsum(shares[: len(keys), None] * v[keys][:, part], axis=0, dtype=F)[-1])
    weight, bias = (circuit.network.tensors[f"{at}c_proj.{part}"] for part in ("weight", "bias"))
    return weight @ np.concatenate(mixed) + bias


@settings(max_examples=examples(40))
@given(st.sampled_from(CIRCUITS), st.integers(0, 2**32 - 1))
def test_attention_over_a_box_of_counts_holds_ideal_values_and_float32(circuit: Circuit, seed: int) -> None:
    rng = np.random.default_rng(seed)
    letters, last = len(circuit.domain.alphabet), int(rng.integers(len(circuit.domain.alphabet)))
    low = rng.integers(0, 20, letters) * rng.integers(0, 2, letters)
    low[last] += 1
    high = low + rng.integers(0, 12, letters) * rng.integers(0, 2, letters)
    point = rng.integers(low, high + 1)
    wide = np.array([low, high], float)
    for u in (FLOAT32, FLOAT64):
        tally = Tally(circuit, u)
        for bottom, top in ((wide[:1], wide[1:]), (point[None].astype(float), point[None].astype(float))):
            delta, _ = tally._delta(bottom, top, last, int(high.sum()))
            for c, r, value in zip(
                delta.center[0], delta.radius[0], exact_attention(circuit, tally, point.tolist(), last), strict=True
            ):
                assert abs(value - flint.arb(c)) <= flint.arb(r)
            assert (delta.radius < np.inf).all()
            if u == FLOAT32:
                off = np.abs(float_attention(circuit, tally, point.tolist(), last, rng) - delta.center[0])
                assert (off <= delta.radius[0]).all()


def test_the_bounds_are_tight_enough_to_matter() -> None:
    for circuit in CIRCUITS:
        tally = Tally(circuit, FLOAT64)
        counts = np.array(list(product(range(1, 4), repeat=len(circuit.domain.alphabet))), float)
        assert tally._delta(counts, counts, 0, 12)[0].radius.max() < 1e-9
