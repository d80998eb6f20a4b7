"""Over all sequences at once: Valid exactly where every sequence agrees, and never where one has another label."""

from itertools import product as words_of

import numpy as np
import pytest
from average_networks import AB, SIGNS, VOCABULARY, average, lead
from quick import sliced

from cegis import Constraint, Counterexample, Domain, DomainError, Program, Unknown, Valid, motifs
from dsl.grammars.motifs import CHOOSE, count_of, digits, has, label
from tasks.automata.moore import Machine
from tasks.automata.trellis_construction import trellis
from tasks.bounds import ball
from tasks.bounds.zonotope import compressed
from tasks.formats import Loaded, from_callable
from tasks.networks.readout import Argmax, Rounded, TokenSet
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Attention, Norm, Residual, Transformer
from tasks.pipeline.labels import LabelTable
from tasks.proofs import attention_bounds, path_cover
from tasks.proofs.enumeration import enumerate_domain
from tasks.proofs.path_cover import CoveringVerifier


def numbers(rng, *shape, scale=1.0):
    return rng.normal(scale=scale, size=shape).astype(np.float32).astype(float)


def random_network(seed, longest=5, readout=None):
    """One layer, two heads, positions, a norm, an MLP: nothing about it is easy."""
    rng, d = np.random.default_rng(seed), 4
    parts = [(Affine(numbers(rng, d, d), numbers(rng, d)),) for _ in range(3)]
    attention = Attention(*parts, 2, 0.7, sink=numbers(rng, 2) if seed % 2 else None)
    norm = Norm("layer", numbers(rng, d), numbers(rng, d), 1e-2)
    mlp = (norm, Affine(numbers(rng, 6, d)), Activation("gelu_tanh"), Affine(numbers(rng, d, 6)))
    steps = (Residual((norm, attention, Affine(numbers(rng, d, d)))), Residual(mlp), norm, Affine(numbers(rng, 2, d)))
    model = Transformer(numbers(rng, 3, d), numbers(rng, longest + 1, d, scale=0.5), steps, longest + 1)
    readout = readout or (TokenSet(("x", "y"), (0, 1)) if seed % 3 == 0 else SIGNS)
    return Loaded("random", "test", model, VOCABULARY, ("<",), (), Domain(AB, 0, longest), readout)


def more_a(min_length=0, labels=("yes", "no")):
    grammar = motifs(AB, labels, min_length=min_length)
    text = f"def f(tokens):\n    return {labels[0]!r} if tokens.count('a') > tokens.count('b') else {labels[1]!r}\n"
    return Program.parse(text, grammar)


def tree(subject, flipped=()):
    """The program that gives each sequence its label, by its own state; those ``flipped`` get another one."""
    longest, signature = subject.enumeration.domain.max_length, subject.grammar.sequences
    words = [word for n in range(longest + 1) for word in words_of(range(2), repeat=n)]
    place = {word: n for n, word in enumerate(words)}
    columns = tuple(tuple(place.get((*word, token), 0) for word in words) for token in range(2))
    found = {tuple(row): label for part in subject.parts
             for row, label in zip(part.batch.tokens.tolist(), part.expected.tolist(), strict=True)}  # fmt: skip
    outputs = [found.get(word, 0) for word in words]
    for word in flipped:
        outputs[place[word]] = (outputs[place[word]] + 1) % len(subject.names)
    return Machine(columns, tuple(outputs)).program(signature)


def labelled(loaded, semantics="float32"):
    return LabelTable.of(enumerate_domain(loaded, loaded.domain, semantics=semantics))


@pytest.fixture(params=["with random sequences", "by bounds alone"])
def tried(request, monkeypatch):
    """Both ways of finding what is wrong."""
    if request.param == "by bounds alone":
        monkeypatch.setattr(CoveringVerifier, "_try", lambda *arguments: None)


# --- verdicts are those of enumeration --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", sliced([3, 1, 5, 9, 14, 18, 21, 23], 8))  # these give more than one label
def test_the_exact_program_is_valid_and_any_other_breaks_where_it_is_wrong(seed, tried):
    loaded = random_network(seed)
    subject = labelled(loaded)
    assert not subject.undecided
    assert len(subject.names) > 1
    verifier = CoveringVerifier(loaded, loaded.domain)
    verdict = verifier.check(tree(subject))
    assert isinstance(verdict, Valid)
    (claim,) = verdict.claims
    assert (claim.sequences, claim.domain) == (63, loaded.domain)
    executed = [loaded.labels(loaded.domain.sequences(length))[1].min() for length in loaded.domain.lengths]
    assert 0 < verifier.margin <= min(executed)
    random = np.random.default_rng(seed)
    for _ in range(4):
        word = tuple(random.integers(0, 2, random.integers(1, 6)).tolist())
        broken = verifier.check(tree(subject, [word]))
        assert isinstance(broken, Counterexample)
        assert broken.inputs == loaded.domain.words(word)
        said = loaded.readout.text(int(loaded.labels(np.array([word], np.int8))[0][0]))
        assert broken.expected == said != broken.got


@pytest.mark.parametrize("seed", sliced([5, 14, 21], 3))
def test_weights_that_move_a_label_are_never_proved(seed, tried):
    loaded = random_network(seed)
    program = tree(labelled(loaded))
    moved = 0
    for n, scale in enumerate(np.linspace(0.02, 1.0, 8)):
        rng, model = np.random.default_rng(n), loaded.network
        tokens = (model.tokens + scale * numbers(rng, *model.tokens.shape)).astype(np.float32).astype(float)
        other = Transformer(tokens, model.positions, model.steps, model.longest)
        changed = Loaded("moved", "test", other, VOCABULARY, ("<",), (), loaded.domain, loaded.readout)
        subject = labelled(changed)
        same = all(
            program(word) == subject.names[label]
            for part in subject.parts
            for word, label in zip(map(loaded.domain.words, part.batch.tokens), part.expected, strict=True)
        )
        moved += not same
        assert isinstance(CoveringVerifier(changed, changed.domain).check(program), Valid) == same
    assert moved > 0


def test_a_count_is_followed_far_beyond_what_can_be_listed():
    loaded = lead(40, wiggle=1e-4)
    verifier = CoveringVerifier(loaded, loaded.domain)
    verdict = verifier.check(more_a())
    assert isinstance(verdict, Valid)
    assert verdict.claims[0].sequences == 2**41 - 1
    assert verifier.margin > 0.4 / 41
    broken = verifier.check(Program.parse(
        "def f(tokens):\n    return 'yes' if tokens.count('a') > 5 else 'no'\n", motifs(AB, ("yes", "no"), min_length=0)
    ))  # fmt: skip
    assert broken == Counterexample(("a",), "yes", "no")


def test_a_horizon_is_found_with_the_sequence_that_ends_it(tried):
    loaded = average((1.0, -20.0, 0.5), 30)  # one b outweighs twenty a
    grammar = motifs(AB, ("yes", "no"), min_length=0)
    program = Program(CHOOSE(has(1, "b")(), label(1, "no")(), label(0, "yes")()), grammar)
    found = CoveringVerifier(loaded, loaded.domain).examine(program)
    assert (found.equal_up_to, found.stopped) == (20, None)
    assert (found.counterexample.expected, found.counterexample.got) == ("yes", "no")
    assert sorted(found.counterexample.inputs) == ["a"] * 20 + ["b"]
    assert found.claims[0].domain.max_length == 20
    assert found.claims[0].sequences == 2**21 - 1
    assert [cost.length for cost in found.costs] == list(range(21))


def test_fractions_are_named_as_programs_name_them():
    loaded = average((1.0, 0.0, 0.0), 4, Rounded(0, denominator=5))
    subject = labelled(loaded)
    assert "0.3333333333333333" in subject.names
    assert isinstance(CoveringVerifier(loaded, loaded.domain).check(tree(subject)), Valid)


# --- what is no label is never one --------------------------------------------------------------------------------


def test_one_tie_deep_down_ends_the_claim_before_it(tried):
    loaded = average((1.0, 100.0, -9.0), 12, TokenSet(("x",), (0,)))
    grammar = motifs(AB, ("{x}", "{}"), min_length=0)
    program = Program(CHOOSE(has(1, "b")(), label(0, "{x}")(), label(1, "{}")()), grammar)
    verdict = CoveringVerifier(loaded, loaded.domain).check(program)
    assert isinstance(verdict, Unknown)
    assert "'a a a a a a a a a' has no label" in verdict.reason
    assert [claim.domain.max_length for claim in verdict.claims] == [8]


def test_outputs_that_are_always_equal_have_no_label(tried):
    loaded = lead(6, readout=Argmax(("yes", "no"), (0, 1)))
    steps = (*loaded.network.steps[:-1], Affine(np.ones((2, 1))))
    model = Transformer(loaded.network.tokens, loaded.network.positions, steps, 7)
    tied = Loaded("tied", "test", model, VOCABULARY, ("<",), (), loaded.domain, SIGNS)
    verdict = CoveringVerifier(tied, tied.domain).check(more_a())
    assert isinstance(verdict, Unknown)
    assert verdict.claims == ()


def test_a_margin_below_the_error_bound_is_no_label_in_float32_and_one_in_real_arithmetic(tried):
    loaded = lead(6, start=2.0**-26)
    grammar = motifs(AB, ("yes", "no"), min_length=0)
    text = "def f(tokens):\n    return 'no' if tokens.count('b') > tokens.count('a') else 'yes'\n"
    program = Program.parse(text, grammar)
    assert isinstance(CoveringVerifier(loaded, loaded.domain, "real").check(program), Valid)
    verdict = CoveringVerifier(loaded, loaded.domain, "float32").check(program)
    assert isinstance(verdict, Unknown)
    assert "has no label" in verdict.reason
    assert [claim.domain.max_length for claim in verdict.claims] in ([], [0], [1])


def test_without_the_error_of_executions_the_same_network_would_be_proved(monkeypatch):
    loaded = lead(6, start=2.0**-26)
    text = "def f(tokens):\n    return 'no' if tokens.count('b') > tokens.count('a') else 'yes'\n"
    program = Program.parse(text, motifs(AB, ("yes", "no"), min_length=0))
    monkeypatch.setattr(ball, "average_error", lambda scores, v, keys, u: np.zeros(v.center.shape[1:]))
    assert isinstance(CoveringVerifier(loaded, loaded.domain, "float32").check(program), Valid)


def test_labels_below_the_least_margin_are_none():
    loaded = lead(6)
    enough = CoveringVerifier(loaded, loaded.domain, least=0.07).check(more_a())
    assert isinstance(enough, Valid)
    verdict = CoveringVerifier(loaded, loaded.domain, least=0.17).check(more_a())
    assert isinstance(verdict, Unknown)
    assert [claim.domain.max_length for claim in verdict.claims] == [4]  # 2 * 0.5 / 6 is less


def test_an_answer_that_is_no_label_is_not_taken_for_one(tried):
    loaded = lead(6, readout=Argmax(("1", "0"), (0, 1)))
    many = Constraint("b b b*", ((-1, 1), (-1, 2), (-1, 2)), (False, False, True))
    program = Program(digits((0, 1))(count_of(1, "b")()), motifs(AB, ("0", "1"), min_length=0))
    assert program(("b", "b")) is None
    verdict = CoveringVerifier(loaded, Domain(AB, 0, 6, many)).check(program)
    assert verdict == Counterexample(("b", "b"), "0", None)


def test_a_label_that_the_program_does_not_know_breaks_it(tried):
    loaded = lead(6)
    program = Program.parse("def f(tokens):\n    return 'no'\n", motifs(AB, ("no",), min_length=0))
    assert CoveringVerifier(loaded, loaded.domain).check(program) == Counterexample(("a",), "yes", "no")


def test_a_program_with_numbers_for_labels_is_broken_by_names(tried):
    loaded = lead(6, readout=Argmax(("1", "0"), (0, 1)))
    program = Program(label(1, 1)(), motifs(AB, (0, 1), min_length=0))
    assert program(()) == 1
    assert CoveringVerifier(loaded, loaded.domain).check(program) == Counterexample((), "0", 1)


# --- nothing is claimed beyond what was looked at -----------------------------------------------------------------


def test_an_interrupt_and_the_time_limit_keep_the_claims_before_them():
    def stop(length, longest):
        if length == 3:
            raise KeyboardInterrupt

    loaded = lead(9)
    interrupted = CoveringVerifier(loaded, loaded.domain, on_length=stop).check(more_a())
    assert interrupted.reason == "interrupted at length 4"
    verifier = CoveringVerifier(loaded, loaded.domain, seconds=1000.0)
    verifier.on_length = lambda length, longest: setattr(verifier, "seconds", 0.0) if length == 3 else None
    late = verifier.check(more_a())
    assert late.reason == "stopped by the time limit of 0 s at length 4"
    for verdict in (interrupted, late):
        assert isinstance(verdict, Unknown)
        assert [claim.domain.max_length for claim in verdict.claims] == [3]
        assert verdict.claims[0].sequences == 15
    nothing = CoveringVerifier(loaded, loaded.domain, seconds=1e-9).check(more_a())
    assert (type(nothing), nothing.claims) == (Unknown, ())


def test_an_interrupt_while_states_are_gathered_claims_nothing(monkeypatch):
    def stop(domain, program):
        raise KeyboardInterrupt

    monkeypatch.setattr(path_cover, "trellis", stop)
    loaded = lead(9)
    verdict = CoveringVerifier(loaded, loaded.domain).check(more_a())
    assert verdict == Unknown("interrupted at length 0", ())


@pytest.mark.parametrize("together", [1, 3, 500])
def test_sequences_parted_down_to_single_ones_are_right_or_nothing_is_claimed(monkeypatch, together):
    monkeypatch.setattr(path_cover, "TOGETHER", together)
    monkeypatch.setattr(path_cover, "MOST_PIECES", 1)
    monkeypatch.setattr(CoveringVerifier, "_is_right", lambda *arguments: False)
    loaded = random_network(5)
    written = tree(labelled(loaded))
    assert isinstance(CoveringVerifier(loaded, loaded.domain).check(written), Valid)
    word = (1, 0, 0, 1)
    assert CoveringVerifier(loaded, loaded.domain).check(tree(labelled(loaded), [word])).inputs == loaded.domain.words(
        word
    )


@pytest.mark.slow
def test_the_pieces_that_are_right_leave_no_gap(monkeypatch):
    parts, right = [], []
    piece, read = path_cover._piece, CoveringVerifier._read

    def cut(form, middle, half):
        parts.append((middle, half))
        return piece(form, middle, half)

    def reading(*arguments):
        found = read(*arguments)
        right.append(found[0])
        return found

    monkeypatch.setattr(path_cover, "MOST_PIECES", 3_000)
    monkeypatch.setattr(path_cover, "_piece", cut)
    monkeypatch.setattr(CoveringVerifier, "_read", reading)
    rng, several = np.random.default_rng(0), 0
    for seed in (1, 5, 14, 18, 21):
        loaded = random_network(seed)
        verifier, graph = CoveringVerifier(loaded, loaded.domain), trellis(loaded.domain, tree(labelled(loaded)))
        for node in range(len(graph.levels[5].token)):
            nodes = np.array([node])
            axes = verifier._averages.axes(graph, 5, nodes, rng)
            given = compressed(verifier._averages.given(graph, 5, nodes, axes), path_cover.SYMBOLS)
            parts.clear()
            right.clear()
            if verifier._is_right(graph, 5, node, given):
                middle = np.concatenate([m[r] for (m, _), r in zip(parts, right, strict=True)])
                half = np.concatenate([h[r] for (_, h), r in zip(parts, right, strict=True)])
                points = rng.uniform(-1, 1, (100, 1, middle.shape[1]))
                assert (np.abs(points - middle) <= half).all(axis=2).any(axis=1).all()
                several += len(middle) > 1
    assert several > 0


@pytest.mark.parametrize("together", [1, 500])
def test_bounds_that_decide_nothing_leave_every_sequence_to_itself(monkeypatch, together):
    monkeypatch.setattr(path_cover, "TOGETHER", together)
    loaded = lead(4, wiggle=1e-2)
    read = path_cover.read_bounds

    def nothing(readout, logits):
        labels, margins = read(readout, logits)
        return np.full_like(labels, path_cover.UNDECIDED), np.full_like(margins, -np.inf)

    monkeypatch.setattr(path_cover, "read_bounds", nothing)
    verifier = CoveringVerifier(loaded, loaded.domain)
    assert isinstance(verifier.check(more_a()), Valid)
    assert verifier.margin == pytest.approx(labelled(loaded).enumeration.margin)


def test_parts_of_parts_are_followed_however_deep_they_lie(monkeypatch):
    depth = iter(range(20_000))  # far beyond what Python lets functions call themselves

    def still_open(self, graph, nodes, length):
        box = path_cover._Box(graph.only(length, int(nodes[0])), None)
        return [box] if next(depth, None) is not None else []

    monkeypatch.setattr(path_cover, "TOGETHER", 0)
    monkeypatch.setattr(CoveringVerifier, "_open", still_open)
    monkeypatch.setattr(CoveringVerifier, "_divided", lambda self, graph, axes: graph)
    loaded = lead(2)
    assert isinstance(CoveringVerifier(loaded, loaded.domain).check(more_a()), Valid)
    assert next(depth, None) is None


def test_bounds_that_are_wrong_are_found_out_by_the_network_itself(monkeypatch):
    loaded = lead(4)
    read = path_cover.read_bounds

    def turned(readout, logits):
        labels, margins = read(readout, logits)
        return 1 - labels, margins

    monkeypatch.setattr(path_cover, "read_bounds", turned)
    assert not isinstance(CoveringVerifier(loaded, loaded.domain).check(more_a()), Counterexample)


def test_a_region_limits_what_is_claimed_and_an_empty_one_claims_nothing(tried):
    loaded = average((1.0, -20.0, 0.5), 30)
    grammar = motifs(AB, ("yes", "no"), min_length=0)
    program = Program(CHOOSE(has(1, "b")(), label(1, "no")(), label(0, "yes")()), grammar)
    regions = motifs(AB, ("right", "may differ"), min_length=0)
    where = Program.parse("def f(tokens):\n    return 'may differ' if 'b' in tokens else 'right'\n", regions)
    verifier = CoveringVerifier(loaded, loaded.domain)
    found = verifier.examine(program, where, "right")
    assert (found.equal_up_to, found.counterexample, found.stopped) == (30, None, None)
    assert found.claims[0].sequences == 31
    assert "of the sequences that the region calls 'right', on all" in found.claims[0].sentence
    never = Program.parse("def f(tokens):\n    return 'may differ'\n", regions)
    assert verifier.examine(program, never, "right").claims == ()


def test_lengths_that_are_known_are_said_to_be_so():
    loaded = lead(9)
    found = CoveringVerifier(loaded, loaded.domain).examine(more_a(), known=5)
    assert found.claims[0].method.startswith(
        "every sequence up to length 5 was bounded by itself; beyond, one layer attends"
    )
    assert found.claims[0].sequences == 2**10 - 1


def test_one_label_alone_is_said():
    loaded = average((1.0, 1.0, 1.0), 5)
    program = Program(label(0, "yes")(), motifs(AB, ("yes", "no"), min_length=0))
    verdict = CoveringVerifier(loaded, loaded.domain).check(program)
    assert "Every sequence has the label 'yes'." in verdict.claims[0].detail


def test_lengths_without_a_sequence_are_passed_over(tried):
    pairs = Constraint("pairs", ((1, -1), (0, 0)), (True, False))  # a anything, a anything, ...
    loaded = lead(8)
    domain = Domain(AB, 1, 8, pairs)
    program = Program.parse("def f(tokens):\n    return 'yes' if tokens.count('a') > tokens.count('b') else 'no'\n",
                            motifs(AB, ("yes", "no")))  # fmt: skip
    verdict = CoveringVerifier(loaded, domain).check(program)
    assert isinstance(verdict, Valid)
    assert verdict.claims[0].sequences == domain.size() == 2 + 4 + 8 + 16


# --- what cannot be meant is refused in a sentence ----------------------------------------------------------------


def two_layers():
    loaded = lead(5)
    zero = Affine(np.zeros((1, 2)))
    attention = Attention((zero,), (zero,), (Affine(np.eye(2)),), 1, 1.0)
    steps = (Residual((attention,)), *loaded.network.steps)
    model = Transformer(loaded.network.tokens, loaded.network.positions, steps, 6)
    return Loaded("two", "test", model, VOCABULARY, ("<",), (), loaded.domain, SIGNS)


def box():
    return from_callable(lambda ids: np.zeros((len(ids), 2)), vocabulary=AB, outputs=("yes", "no"), longest=6)


@pytest.mark.parametrize(
    ("loaded", "domain", "semantics", "error", "message"),
    [
        (lead(5), Domain(AB, 0, 6), None, NetworkError, "are no prompts of 1 to 6 tokens"),
        (lead(5), Domain(("b", "a"), 0, 5), None, NetworkError, "expected a domain over a, b"),
        (lead(5), Domain(AB, 0, None), None, DomainError, "unbounded"),
        (lead(5), Domain(AB, 1, 5, Constraint("no", ((0, 0),), (False,))), None, DomainError, "holds no sequence"),
        (lead(5, dtype="float64"), Domain(AB, 0, 5), "float32", NetworkError, "no float32 numbers"),
        (two_layers(), Domain(AB, 0, 5), None, NetworkError, "2 layers attend"),
        (box(), Domain(AB, 1, 5), None, NetworkError, "nothing is known of a black box"),
    ],
)
def test_domains_and_networks_that_do_not_fit_are_refused(loaded, domain, semantics, error, message):
    with pytest.raises(error, match=message):
        CoveringVerifier(loaded, domain, semantics)


def test_a_program_over_other_tokens_is_not_compared():
    loaded = lead(5)
    program = Program(label(0, "yes")(), motifs(("b", "a"), ("yes", "no"), min_length=0))
    verdict = CoveringVerifier(loaded, loaded.domain).check(program)
    assert isinstance(verdict, Unknown)
    assert "expected a program over" in verdict.reason


def test_nodes_are_bounded_some_at_a_time_with_the_same_verdict(monkeypatch):
    loaded = lead(12, wiggle=1e-3)
    verifier = CoveringVerifier(loaded, loaded.domain)
    whole = verifier.check(more_a())
    monkeypatch.setattr(path_cover, "CHUNK_VALUES", 1)
    parts = verifier.check(more_a())
    assert (type(whole), type(parts)) == (Valid, Valid)
    assert whole.claims[0].sequences == parts.claims[0].sequences
    assert attention_bounds.obstacle(loaded) is None
