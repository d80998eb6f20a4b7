"""The checker on claims about every length: true ones are accepted, those that are wrong far out never."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from counted_circuits import DILUTED, OPENER, one_hop, shipped
from counted_circuits import program as parsed
from flint import ctx
from quick import examples, sliced
from random_circuits import random_circuit, with_kept, with_tensors
from refusing import REFUSED, refused

from cegis import Constraint, Domain, Program, motifs
from cegis.certificate import Certificate
from dsl.grammars.motifs import label
from tasks.bounds.ball import FLOAT64
from tasks.certificates.independent import _question, attest_all_lengths
from tasks.checker import endless
from tasks.checker.arithmetic import Arithmetic
from tasks.checker.computations import logits
from tasks.checker.endless import _Averages, _halves, followed
from tasks.checker.evidence import PROGRAM, check, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES, read
from tasks.checker.programs import function_of
from tasks.checker.sets import Attended
from tasks.formats.circuit_folder import save_circuit, shipped_path
from tasks.formats.sparse import from_circuit
from tasks.networks.circuit import Circuit
from tasks.proofs.count_bounds import Tally

INFINITE = float("inf")
QUOTE = f"def program(tokens: list[str]) -> str:\n{DILUTED}"
FADES = "def program(tokens: list[str]) -> str:\n    return 'yes' if {} else 'no'\n"


def asked(circuit: Circuit, folder, text: str):
    """The question whether ``text`` equals ``circuit`` at every length, and the files it is about."""
    save_circuit(circuit, folder)
    domain = replace(circuit.domain, max_length=None)
    files = {f"network/{name}": (folder / name).read_bytes() for name in FILES["circuit"][0]}
    return _question("all_lengths", from_circuit(circuit), domain, "real"), {**files, PROGRAM: text.encode()}


def accepts(circuit: Circuit, folder, text: str, seconds: float = 20.0) -> bool:
    try:
        establish(*asked(circuit, folder, text), seconds=seconds)
    except REFUSED:
        return False
    return True


def fading(turn: float, letters: str = "abc") -> Circuit:
    """Yes while there are less than ``turn`` tokens, of these letters: the share of the start token fades."""
    shape = {"n_layer": 1, "n_head": 1, "d_head": 4, "d_model": 4, "d_mlp": 4, "block_size": 12}
    circuit = random_circuit(0, 1.0, **shape)
    circuit = with_kept(
        circuit, {"0.mlp.resid_delta": False} | {site: True for site in circuit.kept if ".mlp" not in site}
    )
    zero = {name: np.zeros_like(tensor) for name, tensor in circuit.network.tensors.items()}
    for name in zero:
        if ".ln_" in name:
            zero[name] = np.ones_like(zero[name])
    embedded, qkv, out, head = (
        zero[name]
        for name in (
            "transformer.wte.weight",
            *(f"transformer.h.0.attn.c_{n}.weight" for n in ("attn", "proj")),
            "lm_head.weight",
        )
    )
    embedded[:, 0], embedded[0] = 1.0, (0.0, 1.0, 0.0, 0.0)
    qkv[8, 1], out[2, 0] = 1.0, 1.0  # the value says whether it is the start token
    gain = 1 / np.sqrt(0.25 + circuit.network.config.norm_eps)
    head[4, 2], head[5, 0] = 1.0, gain / (turn + 1)
    head[6, 0] = -1.0
    means = {site: np.zeros_like(mean) for site, mean in circuit.means.items()}
    domain = Domain(tuple(letters), 1, 4)
    return replace(
        with_tensors(circuit, **{n.replace(".", "__"): t for n, t in zero.items()}), means=means, domain=domain
    )


# --- what is true is accepted -------------------------------------------------------------------------------------


def test_a_claim_about_every_length_is_written_and_checked(tmp_path):
    circuit = shipped("quote_closing")
    found = attest_all_lengths(circuit, shipped_path("quote_closing"), parsed(circuit, DILUTED))
    assert isinstance(found, Certificate), found
    stated = check(found.save(tmp_path / "c"))
    assert (stated["lengths"], stated["semantics"], stated["sequences"]) == ([1, None], "real", None)
    assert [*stated["labels"]] == ['"', "'"]
    assert (
        "on all sequences of every length from 1 on that the automaton accepts, in real arithmetic" in stated["claim"]
    )
    assert 0 < stated["margin"] < 0.05


@pytest.mark.parametrize(("turn", "letters"), [(3, "abc"), (12, "abc"), (60, "ab"), (1000, "a"), (10**6, "a")])
def test_a_turn_far_out_is_followed_exactly(tmp_path, turn, letters):
    circuit = fading(turn - 0.5, letters)
    assert accepts(circuit, tmp_path / "c", FADES.format(f"len(tokens) < {turn}"))
    for wrong in (turn - 1, turn + 1):
        assert not accepts(circuit, tmp_path / "c", FADES.format(f"len(tokens) < {wrong}"))


SAME = [
    "4 > len(tokens)", "tokens.count('a') + sum(token == 'b' or token == 'c' for token in tokens) < 4",
    "sum(2 for token in tokens) <= 6", "not (len(tokens) > 3 and 'a' in tokens or len(tokens) > 3)",
    "len(tokens) // 4 == 0", "(1 if len(tokens) < 4 else 0) == 1",
    "len(tokens) % 9 < 4 and len(tokens) < 9", "-len(tokens) > -4",
    "len(tokens) < 4 and (tokens[0] == 'a' or tokens[0] != 'a')", 
    "tokens.count(tokens[-1]) + 0 * 5 + len(tokens) < 4 + tokens.count(tokens[-1])",
]  # fmt: skip


@pytest.mark.parametrize("rule", sliced(SAME, 3))
def test_other_ways_to_write_a_true_program_are_accepted(tmp_path, rule):
    assert accepts(fading(3.5), tmp_path / "c", FADES.format(rule))


def test_a_loop_with_finitely_many_states_is_followed(tmp_path):
    loop = "def program(tokens):\n    n = 0\n    for token in tokens:\n        n = min(n + 1, {})\n"
    loop += "    return 'yes' if n < 4 else 'no'\n"
    assert accepts(fading(3.5), tmp_path / "c", loop.format(5))
    assert not accepts(fading(3.5), tmp_path / "c", loop.format(3))
    with pytest.raises(Rejected, match="classes"):
        establish(*asked(fading(3.5), tmp_path / "c", loop.format(10**9)))


# --- what is false is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("far", sliced([10**6, 10**3, 10**9], 3))
def test_a_network_that_turns_far_out_is_not_proved_constant(tmp_path, far):
    """Right at every length below ``far``, where nobody looks."""
    circuit = fading(far, "ab")
    assert not accepts(circuit, tmp_path / "c", FADES.format("True"))
    for off in (far // 2, 2 * far):
        assert not accepts(circuit, tmp_path / "c", FADES.format(f"len(tokens) < {off}"))


FAR = (65, 10**3, 10**6, 10**9, 10**12)
LATE = [
    "len(tokens) > {}", "tokens.count('x') > {}", "len(tokens) == {}", "2 * tokens.count('y') > {} + tokens.count('x')",
    "sum(3 for token in tokens) >= {} and tokens[-1] == 'x'", "tokens.count('x') // {} > 0",
    "tokens.count('y') > {} and tokens.count('y') < tokens.count('x')", "len(tokens) > {} and tokens[0] == '\"'",
    "len(tokens) % {} == 0",
]  # fmt: skip


@pytest.mark.parametrize(
    ("late", "far"), sliced([(late, FAR[(n + m) % 5]) for n, late in enumerate(LATE) for m in (0, 2)], 9)
)
def test_a_program_that_breaks_far_out_is_refused(tmp_path, monkeypatch, far, late):
    """Equal up to ``far`` tokens or nearly so, and another label beyond."""
    monkeypatch.setattr(endless, "MOST_BOXES", 800)
    body = DILUTED.replace("    return '\"' if", f"    if {late.format(far)}:\n        return '\"'\n    return '\"' if")
    text = f"def program(tokens: list[str]) -> str:\n{body}"
    assert not accepts(shipped("quote_closing"), tmp_path / "c", text)


@pytest.mark.slow
def test_a_program_that_is_right_up_to_the_turn_is_refused(tmp_path):
    circuit = shipped("quote_closing")
    assert not accepts(circuit, tmp_path / "c", f"def program(tokens: list[str]) -> str:\n{OPENER}")
    assert isinstance(attest_all_lengths(circuit, shipped_path("quote_closing"), parsed(circuit, OPENER)), str)


@pytest.mark.parametrize("letter", sliced(range(3), 3))
def test_a_program_that_is_wrong_for_one_last_letter_alone_is_refused(tmp_path, letter):
    rule = f"len(tokens) < 4 and not (len(tokens) == 3 and tokens[-1] == '{'abc'[letter]}')"
    assert not accepts(fading(3.5), tmp_path / "c", FADES.format(rule))
    rule = f"len(tokens) < 4 or (len(tokens) > 99 and tokens[-1] == '{'abc'[letter]}')"
    assert not accepts(fading(3.5), tmp_path / "c", FADES.format(rule))


@pytest.mark.slow
def test_programs_with_ever_more_states_or_without_an_answer_are_refused(tmp_path):
    circuit = fading(3.5)
    growing = "next((place for place, token in enumerate(tokens) if token == 'a'), len(tokens)) < 0 or len(tokens) < 4"
    with pytest.raises(Rejected, match="ever more values"):
        establish(*asked(circuit, tmp_path / "c", FADES.format(growing)))
    some = "def program(tokens):\n    if len(tokens) < 4:\n        return 'yes'\n    if len(tokens) < 1000000000:\n"
    for text in (
        f"{some}        return 'no'\n",
        FADES.format("1 // (len(tokens) - 9) < 9 and len(tokens) < 4"),
        FADES.format("len(tokens) < 4 or len(tokens) / 2 == 3").replace("'no'", "len(tokens)"),
    ):
        assert not accepts(circuit, tmp_path / "c", text)


def test_a_changed_statement_is_refused(tmp_path):
    question, files = asked(fading(3.5), tmp_path / "network", FADES.format("len(tokens) < 4"))
    stated = establish(question, files)
    assert not refused(stated, files, tmp_path / "c")
    for change in (
        {"lengths": [0, None]}, {"lengths": [2, None]}, {"lengths": [1, 64]}, {"lengths": [-1, None]},
        {"lengths": [None, None]},        {"lengths": [1.0, None]}, {"lengths": [1, None, None]},
        {"lengths": [True, None]},
        {"semantics": "float64"}, {"semantics": "float32"}, {"kind": "counts"}, {"kind": "network"}, {"kind": "paths"},
        {"directions": []}, {"labels": {"yes": None}}, {"labels": {"yes": 1, "no": 1}}, {"sequences": 1}, {"inputs": 0},
        {"margin": 2 * stated["margin"]}, {"prefix": []}, {"alphabet": ["a", "d"]},
        {"automaton": {"transitions": [[0, 0, -1]], "accepting": [True]}}, {"suffix": ["a"]}, {"undecided": [1]},
        {"claim": stated["claim"].replace("from 1", "from 0")}, {"least_margin": 0.5},
    ):  # fmt: skip
        assert refused({**stated, **change}, files, tmp_path / "c"), change
    counted = {**question, "kind": "counts", "lengths": [1, None]}
    for wrong in (counted, {**question, "semantics": "float32"}, {**question, "lengths": [1, 10]}):
        with pytest.raises(UnreadableError):
            establish(wrong, files)


def test_a_domain_that_ends_before_the_least_length_proves_nothing(tmp_path):
    two = Constraint("two letters", ((1, 1, 1), (2, 2, 2), (-1, -1, -1)), (False, False, True))
    circuit = replace(fading(3.5), domain=Domain(("a", "b", "c"), 2, 4, two))
    question, files = asked(circuit, tmp_path / "network", FADES.format("True"))
    assert [*establish(question, files)["labels"]] == ["yes"]
    with pytest.raises(Rejected, match="no sequence is of that length"):
        establish({**question, "lengths": [3, None]}, files)


def test_nothing_is_said_of_an_empty_prompt(tmp_path):
    circuit = fading(3.5)
    circuit = replace(circuit, prefix=())
    question, files = asked(circuit, tmp_path / "network", FADES.format("False"))
    assert establish(question, files)
    with pytest.raises(REFUSED):
        establish({**question, "lengths": [0, None]}, files)


# --- random circuits, and laws -------------------------------------------------------------------------------------


def leaning(seed: int, **options) -> Circuit:
    """A random circuit of one attention layer that leans to its first label, so that its answer often settles."""
    circuit = one_hop(seed, n_layer=1, share=0.4, norm_eps=0.5, **options)
    bias = np.array(circuit.network.tensors["final_logits_bias"])
    bias[circuit.label_ids[0]] += 20 * (seed % 2)
    return with_tensors(circuit, final_logits_bias=bias)


def said_by(circuit: Circuit, counts: np.ndarray, last: int) -> tuple[int, float]:
    labels, margins = Tally(circuit, FLOAT64).ideal(counts[None].astype(float), counts[None].astype(float), last)
    return int(labels[0]), float(margins[0])


@pytest.mark.slow
def test_no_claim_about_random_circuits_is_contradicted_near_or_far(tmp_path, monkeypatch, derive):
    """The prover's bounds at single vectors of counts against the checker's at all of them."""
    monkeypatch.setattr(endless, "MOST_BOXES", 1000)
    accepted = contradicted = 0
    for seed in range(10):
        circuit = leaning(seed, sink=bool(seed % 3), prefix=("<s>",) if seed % 4 else ("<s>", "a"))
        circuit = replace(circuit, domain=Domain(circuit.domain.alphabet, 1, 4))
        grammar, rng = motifs(circuit.domain.alphabet, circuit.labels), np.random.default_rng(seed)
        terms = [label(0, circuit.labels[0])(), derive(grammar, "Label", 7, Random(seed).choice)]
        points = []
        for _ in range(60):
            last, size = int(rng.integers(3)), 10 ** int(rng.integers(1, 10))
            counts = rng.integers(0, size, 3) * rng.integers(0, 2, 3)
            counts[last] += 1
            points.append((counts, last, *said_by(circuit, counts, last)))
        for term in terms:
            text = Program(term, grammar).source("program")
            established = accepts(circuit, tmp_path / "c", text)
            accepted += established
            function = function_of(text, ["tokens"])
            for counts, last, number, _ in points:
                if counts.sum() < 2000 and number >= 0:
                    letters = [t for t, n in zip(circuit.domain.alphabet, counts, strict=True) for _ in range(n)]
                    letters.remove(circuit.domain.alphabet[last])
                    wrong = function([*letters, circuit.domain.alphabet[last]]) != circuit.labels[number]
                    contradicted += wrong
                    assert not (established and wrong)
            if established and term is terms[0]:
                assert {number for _, _, number, _ in points} <= {0, -1}
    assert accepted >= 3
    assert contradicted >= 20


@pytest.mark.parametrize("seed", range(12))
def test_endless_boxes_hold_logits_at_counts_up_to_a_thousand_million(tmp_path, seed):
    rng = np.random.default_rng(seed)
    circuit = leaning(seed, sink=bool(seed % 2))
    question, files = asked(circuit, tmp_path / "c", FADES.format("True"))
    stored = {name.removeprefix("network/"): content for name, content in files.items() if "/" in name}
    with ctx.workprec(80):
        network = read("circuit", stored, "real")
        ids = [network.tokens.index(token) for token in (*question["alphabet"], *question["prefix"])]
        rows = Attended(network.network, Arithmetic(0.0), [(token, 0) for token in ids])
        for last in range(3):
            averages = _Averages(rows, 3, last)
            for _ in range(6):
                low = rng.integers(0, 20, 3) * rng.integers(0, 2, 3)
                low[last] += 1
                sides = rng.choice([0.0, 30.0, INFINITE], 3)
                sides[rng.integers(3)] = INFINITE
                far = 10 ** rng.integers(0, 10, 3)
                point = low + np.array([int(min(side, n)) for side, n in zip(sides, far, strict=True)])
                box = (
                    tuple(low.tolist()),
                    tuple(n + s if s == INFINITE else int(n + s) for n, s in zip(low, sides, strict=True)),
                )
                (wide,) = averages.logits([box])
                (exact,) = averages.logits([(tuple(point.tolist()), tuple(point.tolist()))])
                for bound, value in zip(wide, exact, strict=True):
                    assert not bound.is_finite() or bound.contains(value) or (bound.overlaps(value) and value.rad() > 0)
            few = rng.integers(0, 4, 3)
            few[last] += 1
            word = [ids[n] for n in range(3) for _ in range(few[n] - (n == last))] + [ids[last]]
            (from_counts,) = averages.logits([(tuple(few.tolist()), tuple(few.tolist()))])
            exact = logits(network.network, Arithmetic(0.0), [(*ids[3:], *word)])[0][-1]
            assert all(not a.is_finite() or a.overlaps(b) for a, b in zip(from_counts, exact, strict=True))


def test_halves_hold_every_whole_number_of_a_box_once():
    rng = np.random.default_rng(0)
    for _ in range(500):
        low = tuple(int(n) for n in rng.integers(0, 10 ** rng.integers(1, 16, 3)))
        high = tuple(
            INFINITE if rng.random() < 0.3 else n + int(rng.integers(0, 10 ** rng.integers(1, 16))) for n in low
        )
        if low == high:
            continue
        (bottom, middle), (after, top) = _halves((low, high))
        (cut,) = [n for n in range(3) if middle[n] != high[n]]
        assert (bottom, top) == (low, high)
        assert low[cut] <= middle[cut] < after[cut] <= high[cut]
        assert after[cut] == middle[cut] + 1
        assert [*after[:cut], *after[cut + 1 :]] == [*low[:cut], *low[cut + 1 :]]


@pytest.mark.parametrize("seed", sliced(range(4), 4))
def test_all_that_a_program_may_say_over_a_box_holds_what_it_says(seed, derive):
    letters, rng, choose = ["a", "b", "c"], np.random.default_rng(seed), Random(seed).choice
    grammar, certain = motifs(tuple(letters), ("0", "1", "2")), 0
    terms = [derive(grammar, "Label", 3 + n % 15, choose) for n in range(examples(40))]
    texts = [Program(term, grammar).source("program") for term in terms]
    texts += [FADES.format(rule) for rule in SAME]
    for text in texts:
        function = function_of(text, ["tokens"])
        for last in letters:
            try:
                program = followed(text, letters, last)
            except Rejected:
                continue
            for _ in range(20):
                word = [letters[n] for n in rng.integers(0, 3, rng.integers(0, 9))] + [last]
                memory = program.start
                for letter in word:
                    memory = program.step(memory, letter)
                counts = [word.count(letter) for letter in letters]
                low = tuple(max(0, n - int(rng.integers(0, 3))) for n in counts)
                high = tuple(INFINITE if rng.random() < 0.3 else n + int(rng.integers(0, 4)) for n in counts)
                point = program.answers((tuple(counts), tuple(counts)), memory)
                assert point == {function(word)}
                said = program.answers((low, high), memory)
                assert said is None or function(word) in said
                certain += said is not None and len(said) == 1
    assert certain > examples(500)
