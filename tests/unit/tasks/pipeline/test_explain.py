"""What is said of a network whose labels are known: exact programs, complete exceptions, rules with their regions."""

from dataclasses import replace

import numpy as np
import pytest

from cegis import Differs, Domain, DomainError, Found, Program, Rung, Statistics, Valid
from dsl.grammars.motifs import constant, label, times
from tasks.formats import Loaded, Question, from_callable
from tasks.networks.readout import Argmax, Rounded
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Affine, Attention, Transformer
from tasks.pipeline import approximate, labels, search
from tasks.pipeline import sequences as pipeline
from tasks.pipeline.approximate import region, rule
from tasks.pipeline.distill import distill
from tasks.pipeline.labels import LabelTable, usual_domain
from tasks.pipeline.report import distillation_json, distillation_text, is_explanation, verdict
from tasks.pipeline.search import Searched, searched
from tasks.proofs.enumeration import enumerate_domain

AB = ("a", "b")


def mean_of_tokens(columns, readout, alphabet=AB, causal=True):
    """A network without positions: ``columns`` of the shares of the tokens seen."""
    size = len(alphabet)
    zero = (Affine(np.zeros((1, size))),)
    attention = Attention(zero, zero, (Affine(np.eye(size)),), 1, 1.0, causal=causal)
    network = Transformer(np.eye(size), None, (attention, Affine(np.array(columns, float))), 8, "float64")
    return Loaded("shares", "test", network, alphabet, (), (), Domain(alphabet, 1, 5), readout)


def black_box(wrong=()):
    """Whether a sequence of six ends in b, but for some sequences."""

    def network(ids):
        ends = ids[:, -1] == 1
        flipped = np.array(["".join(AB[n] for n in row) in wrong for row in ids])
        return np.where((ends ^ flipped)[:, None], [0.0, 1.0], [1.0, 0.0])

    return from_callable(network, vocabulary=AB, outputs=("no", "yes"), longest=6, question=Question(lengths=(6, 6)))


def test_a_share_at_every_position_becomes_a_program_of_places():
    loaded = mean_of_tokens([[1.0, 0.0]], Rounded(0, denominator=5, position="every"))
    found = distill(loaded, seconds=20)
    assert found.is_proved
    assert found.program(("a", "b", "a"), 2) == "0.6666666666666666"
    assert found.program(("b", "a"), 0) == "0.0"
    assert "pairs of a sequence and a place" in verdict(found)


@pytest.mark.parametrize(("sizes", "kept", "tried"), [((30, 2), 2, 2), ((2, 1), 2, 1), ((30, 40), 30, 2)])
def test_beside_a_program_too_long_to_be_read_the_other_grammar_is_tried(sizes, kept, tried, monkeypatch):
    loaded = mean_of_tokens([[1.0, 0.0]], Rounded(0, denominator=5, position="every"))
    subject, seen = LabelTable.of(enumerate_domain(loaded, Domain(AB, 1, 2))), []
    written = next(p.operator for p in subject.grammar.productions if p.operator.name == "share up to here")

    class Sized:
        def __init__(self, enumerator, verifier, budget, on_round):
            seen.append(enumerator)
            self.tried = []

        def run(self, examples):
            term = constant(1)()
            while term.size < sizes[len(seen) - 1]:
                term = times(2)(term)
            return Found(Program(written(term), subject.grammar), (), (), Statistics(1, 1, 1, 0.0, 0.0, 0.0))

    monkeypatch.setattr(search, "Loop", Sized)
    attempts = tuple(search.Attempt(words, grammar, (subject.first(),)) for words, grammar in subject.grammars)
    run = search.Expressions(subject, None, 0, lambda event: None)
    found = run.run(attempts, 10.0, None)
    assert (found.program.size, len(seen)) == (kept + 1, tried)
    assert [one.words for one in run.tried] == [words for words, _ in subject.grammars[:tried]]


def test_only_a_bounded_network_is_ever_proved():
    found = distill(black_box(), seconds=20)
    assert isinstance(found.outcome, Found)
    assert (found.is_exact, found.is_proved) == (True, False)
    assert verdict(found).startswith("AGREES (rung tested, not proved)")
    assert all(claim.rung == Rung.TESTED for claim in found.outcome.claims)
    said = distillation_json(found)
    assert (said["proved"], said["rung"]) == (False, "tested")
    assert "PROVED" not in distillation_text(found)
    assert "proved" not in said["program"]


def test_exceptions_are_complete_and_the_rule_is_right_outside_its_region():
    wrong = ("aaaaaa", "aabaab", "bbbbbb")
    found = distill(black_box(wrong), seconds=1)
    subject = found.labels
    short = rule(subject, seconds=10)
    differs = {
        word
        for word in found.domain
        if short(word) != ("yes" if (word[-1] == "b") != ("".join(word) in wrong) else "no")
    }
    assert {e.inputs for e in subject.exceptions(short)} == differs
    assert 0 < len(differs) <= 3
    where = region(subject, short, seconds=10)
    inside = [word for word in found.domain if where.program(word) == "may differ"]
    assert len(inside) == where.inside < 64
    assert differs <= set(inside)


def test_a_network_that_is_right_everywhere_needs_no_region():
    found = distill(black_box(), seconds=20)
    assert found.rule is None
    assert region(found.labels, found.program, seconds=5) is None


def test_a_program_that_differs_says_where_and_never_more_than_it_knows():
    noise = {f"{n:06b}".replace("0", "a").replace("1", "b") for n in np.random.default_rng(1).permutation(64)[:6]}
    found = distill(black_box(noise), seconds=2)
    if isinstance(found.outcome, Differs) and not is_explanation(found):
        assert 3 * len(found.exceptions) > found.labels.size
        assert "the best one is not shown" in verdict(found)
    elif isinstance(found.outcome, Differs):
        assert len(found.exceptions) == sum(
            found.program(w) != found.labels.names[int(found.labels.parts[0].expected[n])]
            for n, w in enumerate(found.domain)
        )
        assert "differs on exactly" in verdict(found)
    else:
        assert isinstance(found.labels.check(found.program), Valid)


@pytest.mark.slow
def test_inputs_without_a_label_are_neither_right_nor_wrong():
    loaded = mean_of_tokens([[1.0, 0.0], [0.0, 1.0]], Argmax(("a", "b"), (0, 1)))
    found = distill(loaded, seconds=20)
    assert found.labels.undecided == 2 + 6
    assert (found.is_exact, found.is_proved) == (True, False)
    assert "8 have no label" in verdict(found)


def almost(subject, reason, is_late=False):
    """The outcome of a search whose best program looks at the last token alone."""
    text = "def f(tokens):\n    return 'yes' if tokens[-1] == 'b' else 'no'\n"
    program = Program.parse(text, subject.grammar)
    used = Statistics(1, 1, 1, 0.0, 0.0, 0.0)
    return Differs(program, subject.exceptions(program), reason, used, is_late=is_late)


def test_the_best_program_is_the_rule_where_none_is_shorter(monkeypatch):
    monkeypatch.setattr(approximate, "rule", lambda *arguments, **options: None)
    monkeypatch.setattr(approximate, "shorter_programs", lambda table, deadline: [])
    monkeypatch.setattr(pipeline, "searched", lambda table, **options: Searched(almost(table, "search limit")))
    found = distill(black_box(("aaaaaa", "aabaab", "bbbbbb")), seconds=3)
    assert found.rule.program == found.program
    assert found.rule.exceptions == found.exceptions
    assert distillation_text(found).count("  on 'a a a a a a':") == 1


def test_running_out_of_time_is_not_said_to_be_a_difference():
    found = distill(black_box(("aaaaaa",)), seconds=1)
    said = verdict(replace(found, outcome=almost(found.labels, "time limit", is_late=True)))
    assert said.startswith("NOT DECIDED IN TIME: no program found yet that equals the network")
    assert "the best so far differs on exactly 1 of 64 sequences" in said
    ruled_out = verdict(replace(found, outcome=almost(found.labels, "search limit of 9 candidates")))
    assert ruled_out.startswith("DIFFERS: no program found")


def test_a_shortest_length_that_cannot_be_listed_is_refused():
    zero = (Affine(np.zeros((1, 2))),)
    attention = Attention(zero, zero, (Affine(np.eye(2)),), 1, 1.0)
    network = Transformer(np.eye(2), None, (attention, Affine(np.eye(2))), 40, "float64")
    loaded = Loaded("long", "test", network, AB, (), (), Domain(AB, 30, 40), Argmax(("a", "b"), (0, 1)))
    with pytest.raises(DomainError, match="of length 30, the shortest asked for, are too many to list"):
        distill(loaded, loaded.domain, seconds=5)


def test_a_network_of_ties_alone_is_refused():
    loaded = mean_of_tokens([[1.0, 0.0], [1.0, 0.0]], Argmax(("a", "b"), (0, 1)))
    with pytest.raises(NetworkError, match="no sequence has a label"):
        distill(loaded, seconds=5)


def test_the_usual_domain_is_as_long_as_can_be_listed():
    loaded = mean_of_tokens([np.arange(26.0)], Rounded(0), alphabet=tuple("abcdefghijklmnopqrstuvwxyz"))
    assert (loaded.domain.max_length, usual_domain(loaded).max_length) == (5, 3)


def test_a_margin_turns_noise_into_no_label():
    loaded = mean_of_tokens([[1.0, 0.0], [0.999, 0.0]], Argmax(("a", "b"), (0, 1)))
    labels = enumerate_domain(loaded, Domain(AB, 1, 3))
    assert LabelTable.of(labels, 0.0).size > 0
    with pytest.raises(NetworkError, match="smaller margin"):
        LabelTable.of(labels, 0.01)


def test_an_automaton_is_preferred_where_it_has_less_to_read_or_longer_sequences_break_the_other():
    loaded = mean_of_tokens([[1.0, 0.0], [0.0, 1.0]], Argmax(("a", "b"), (0, 1)))
    table = LabelTable.of(enumerate_domain(loaded, Domain(AB, 1, 3)))
    short, long = (
        Program.parse(f"def f(tokens):\n    return {text}\n", table.grammar)
        for text in ("'a' if tokens.count('a') > tokens.count('b') else 'b'", "'b' if 'b' in tokens else 'a'")
    )
    assert search.reading(short) > search.reading(long)
    assert search.probed(table, short) == 0
    assert search.probed(table, long) > 0
    assert search._prefers(table, short, long, 0)[0]  # the other is wrong on longer sequences
    assert not search._prefers(table, long, short, 0)[0]
    assert "wrong on" in search._prefers(table, long, short, 0)[1]
    text = "def f(tokens):\n    if 'b' in tokens:\n        return 'b'\n    return 'a' if 'a' in tokens else 'b'\n"
    same = Program.parse(text, table.grammar)
    assert search._prefers(table, long, same, 0)[0]  # both break, and it is the shorter one


@pytest.mark.slow
def test_a_finite_state_language_is_an_automaton_with_its_search_cut_short(monkeypatch):
    def network(ids):
        state = np.zeros(len(ids), int)
        for token in ids.T:
            state = np.where(token == 1, (state * 2 + 1) % 5, state)
        return np.eye(2)[(state == 3).astype(int)]

    loaded = from_callable(network, vocabulary=AB, outputs=("no", "yes"), longest=9, question=Question(lengths=(1, 9)))
    monkeypatch.setattr(search, "BESIDE", 0.5)
    found = distill(loaded, seconds=20)
    assert found.is_exact
    assert "learned as an automaton" in found.outcome.notes
    assert found.labels.count_exceptions(found.program) == 0


@pytest.mark.slow
def test_a_language_of_too_many_states_gets_an_automaton_with_a_complete_list_of_exceptions():
    def network(ids):
        depth = np.zeros(len(ids), int)
        for token in ids.T:
            depth = np.where(depth >= 6, 6, depth + np.where(token == 1, 1, -1))
        return np.eye(2)[(depth >= 6).astype(int)]

    loaded = from_callable(network, vocabulary=AB, outputs=("no", "yes"), longest=9, question=Question(lengths=(1, 9)))
    table = LabelTable.of(enumerate_domain(loaded, loaded.domain))
    best = search.Searched(almost(table, "search limit"))
    found = approximate.approximated(table, best, seconds=5)
    assert found is not None
    rows = [(part, row) for part in table.parts for row in range(part.batch.examples)]
    expected = {table.inputs(part, row): table.names[part.expected[row]] for part, row in rows}
    wrong = [words for words, name in expected.items() if found.program(words) != name]
    assert [e.inputs for e in found.exceptions] == wrong


def test_the_rule_is_the_program_where_it_has_fewer_exceptions():
    def network(ids):
        return np.eye(2)[(ids.sum(axis=1) % 3 == 0).astype(int)]

    loaded = from_callable(network, vocabulary=AB, outputs=("no", "yes"), longest=5, question=Question(lengths=(1, 5)))
    table = LabelTable.of(enumerate_domain(loaded, loaded.domain))
    worse, better = (Program(label(n, name)(), table.grammar) for n, name in ((1, "yes"), (0, "no")))
    known = {program: table.exceptions(program) for program in (worse, better)}
    assert len(known[better]) < len(known[worse])
    for first, second in ((worse, better), (better, worse)):
        outcome = Differs(first, known[first], "search limit", Statistics(1, 0, 0, 0.0, 0.0, 0.0))
        found = pipeline._with_fewer(Searched(outcome), approximate.Rule(second, known[second], None)).outcome
        assert (found.program, found.exceptions) == (better, known[better])


@pytest.mark.slow
def test_a_rule_says_what_short_words_say_and_not_what_nearly_all_long_ones_do():
    """All b, up to six of them; from seven letters on something else, of so many words that 'no' is seldom wrong."""

    def network(ids):
        count = (ids == 0).sum(axis=1)
        is_late = (ids.shape[1] >= 7) & (count > 0) & (ids @ (np.arange(ids.shape[1]) ** 3 + 1) % 23 == 0)
        return np.eye(2)[((count == 0) & (ids.shape[1] < 7) | is_late).astype(int)]

    loaded = from_callable(
        network, vocabulary=AB, outputs=("no", "yes"), longest=10, question=Question(lengths=(1, 10))
    )
    table = LabelTable.of(enumerate_domain(loaded, loaded.domain))
    found = rule(table, seconds=5)
    assert found is not None
    assert found(("b",) * 5) == "yes"
    assert found(("b", "a", "b")) == "no"
    assert min(len(e.inputs) for e in table.exceptions(found)) == 7


@pytest.mark.slow
def test_listing_never_takes_the_search_its_third(monkeypatch):
    shares = []
    monkeypatch.setattr(pipeline, "labelled", lambda *given: shares.append(given[4]) or labels.labelled(*given))
    monkeypatch.setattr(
        pipeline, "searched", lambda *given, **told: shares.append(told["seconds"]) or searched(*given, **told)
    )
    loaded = mean_of_tokens([[1.0, 0.0]], Rounded(0, denominator=5))
    distill(loaded, seconds=9)
    assert shares[0] <= 3.0
    assert shares[1] >= 3.0 - 1.0
