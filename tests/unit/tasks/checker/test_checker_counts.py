"""The checker on claims by counting: sets are bounded again, every class is in one, programs followed or refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from flint import arb, ctx
from quick import examples
from refusing import REFUSED, refused

from cegis import Domain, Program, motifs
from cegis.certificate import Certificate
from dsl.sequences import SequenceBatch
from tasks.certificates.independent import attest_counts
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.evidence import GIVEN, PROGRAM, check, establish
from tasks.checker.files import Rejected
from tasks.checker.formats import FILES, read
from tasks.checker.programs import function_of, machine_of
from tasks.checker.sets import Attended, Node, counts
from tasks.formats import load
from tasks.formats.circuit_folder import load_circuit, shipped_path
from tasks.networks.interpreter import logits

LONGEST = 13
DILUTION = "def program(tokens: list[str]) -> str:\n    return ']]' if {} else ']'\n"
RIGHT = "5 * (tokens.count('[') - tokens.count(']')) > len(tokens)"
QUOTE = (
    "def program(tokens: list[str]) -> str:\n    if 2 * (3 * (5 * tokens.count('\"'))) > len(tokens):\n"
    "        return '\"'\n    return '\"' if tokens[-1] == '\"' else \"'\"\n"
)


def made(name, text, longest, semantics="float32"):
    circuit = load_circuit(shipped_path(name))
    domain = circuit.domain.up_to(longest)
    program = Program.parse(text, motifs(domain.alphabet, circuit.labels, min_length=domain.min_length))
    return attest_counts(circuit, shipped_path(name), program, domain, semantics)


@pytest.fixture(scope="module")
def certificate():
    found = made("bracket_dilution", DILUTION.format(RIGHT), LONGEST)
    assert isinstance(found, Certificate), found
    return found


def test_a_claim_over_more_sequences_than_anyone_can_list_is_checked(tmp_path):
    found = made("quote_closing", QUOTE, 20)
    assert isinstance(found, Certificate)
    statement = check(found.save(tmp_path / "c"))
    assert statement["sequences"] == sum(2 * n * 2 ** (n - 1) for n in range(1, 21))
    assert statement["semantics"] == "float32"
    assert [*statement["labels"]] == ['"', "'"]
    assert sum(statement["labels"].values()) == statement["sequences"]


def test_a_program_that_breaks_has_no_certificate():
    assert isinstance(made("bracket_dilution", DILUTION.format(RIGHT), LONGEST + 1), str)
    typed = "def program(tokens: list[str]) -> str:\n    return '+=' if len(tokens) >= 4 else '.add'\n"
    assert "positions" in made("variable_type", typed, 5)


@pytest.mark.slow
def test_a_longer_length_or_another_domain_is_refused(certificate, tmp_path):
    everything = {"transitions": [[0, 0, 0]], "accepting": [True]}
    odd = {"transitions": [[1, 1, 1], [0, 0, 0]], "accepting": [False, True]}
    for change in (
        {"lengths": [1, LONGEST + 1]}, {"lengths": [1, 10**9]}, {"lengths": [0, LONGEST]}, {"lengths": [2, LONGEST]},
        {"automaton": everything}, {"automaton": odd}, {"sequences": 1}, {"classes": 1}, {"boxes": 1}, 
        {"inputs": 1}, {"exceptions": [1]},
        {"margin": 2 * certificate.statement["margin"]}, {"prefix": ["["]}, {"suffix": ["["]}, {"kind": "paths"},
        {"kind": "x"},
        {"labels": {"]]": 1}}, {"semantics": "real"}, {"alphabet": ["[", "]"]}, {"undecided": [1]},
    ):  # fmt: skip
        assert refused({**certificate.statement, **change}, certificate.files, tmp_path / "c"), change


def test_nothing_beside_program_and_network_is_evidence(certificate, tmp_path):
    assert {name.partition("/")[0] for name in certificate.files} == {PROGRAM, "network"}
    for name in ("boxes.json", "axes.json", "listed.json"):
        assert refused(certificate.statement, {**certificate.files, name: b"[]"}, tmp_path / "c")
    assert refused({**certificate.statement, "directions": [[[1]]]}, certificate.files, tmp_path / "c")


@pytest.mark.parametrize(
    "condition",
    [
        RIGHT.replace("5", "4"), RIGHT.replace(">", ">="), RIGHT.replace("'['", "']'"), "True", "len(tokens) > 3",
        f"{RIGHT} and tokens[0] != ']'", f"{RIGHT} or tokens[-1] == ']'", "tokens.count('[') > tokens.count(']')",
    ],
)  # fmt: skip
def test_a_mutated_program_is_refused(certificate, tmp_path, condition):
    text = DILUTION.format(condition).encode()
    assert refused(certificate.statement, {**certificate.files, PROGRAM: text}, tmp_path / "c")


@pytest.mark.parametrize("semantics", ["real", "float64", "float32"])
def test_bounds_over_a_box_hold_the_logits_of_every_sequence_in_it(semantics):
    known = 0
    for name in ("bracket_depth", "bracket_depth_deep", "quote_closing"):
        folder = shipped_path(name)
        loaded, files = load(folder), {file: (folder / file).read_bytes() for file in FILES["circuit"][0]}
        network, rng = read("circuit", files, semantics), np.random.default_rng(1)
        letters, most = len(loaded.domain.alphabet), 8
        ids = [[network.tokens.index(t) for t in part] for part in (loaded.domain.alphabet, loaded.prefix)]
        with ctx.workprec(80):
            rows = Attended(network.network, Arithmetic(ROUNDOFF[semantics]), [(t, 0) for part in ids for t in part])
            bounds_of = counts(rows, letters, 40)
            for _ in range(6):
                last = int(rng.integers(letters))
                low = rng.integers(0, 3, letters)
                low[last] += 1
                high = low + rng.integers(0, 2, letters)
                bound = bounds_of(0, last)
                box = bound.box([Node((0, *ends.tolist()), 0, 1) for ends in (low, high)])
                (bounds,) = rows.logits(last, [box], bound.off)
                for _ in range(4):
                    times = rng.integers(low, high + 1)
                    row = rng.permutation(np.repeat(np.arange(letters), times - (np.arange(letters) == last)))
                    sequence = np.array([[*row, last]], np.int8)
                    if sequence.shape[1] > most:
                        continue
                    exact = logits(loaded.network, loaded.prompts(sequence))[0, -1]
                    for bound, value in zip(bounds, exact, strict=True):
                        known += bound.is_finite()
                        assert not bound.is_finite() or abs(bound.mid() - arb(value)) < bound.rad() + 1e-9
    assert known > 50


FOLLOWED = {
    "loop": "depth = 0\n    for token in tokens:\n        if token == 'a':\n            depth = min(depth + 1, 3)\n"
    "        elif token == 'b':\n            depth = max(depth - 1, 0)\n    return 'x' if depth >= 2 else 'y'",
    "toggle": "inside = False\n    for token in tokens:\n        if token != 'c':\n            inside = not inside\n"
    "    return 'x' if inside else 'y'",
    "two loops": "flag = False\n    for token in tokens:\n        if token == tokens[-1]:\n"
    "            flag = not flag\n    stage = 0\n    for token in tokens:\n"
    "        if stage == 0 and token == 'a':\n            stage = 1\n"
    "        elif stage == 1 and token == 'b':\n            stage = 2\n    return str(stage) if flag else 'no'",
    "counts": "return str(sum(token in ('a', 'b') for token in tokens) % 3 + 2 * tokens.count('c') - len(tokens))",
    "members": "return 'x' if 'a' in tokens and 'b' not in tokens or tokens[-1] == 'c' else 'y'",
    "first": "return 'x' if tokens[0] == 'a' or tokens[0] != tokens[-1] else 'y'",
    "pairs": "return str(sum(before == 'a' and token != 'a' for before, token in zip(tokens, tokens[1:])))",
    "any pair": "return 'x' if any(before == 'b' and token == tokens[-1] for before, token in zip(tokens, tokens[1:]))"
    " else 'y'",
    "places": "count = max((place for place, token in enumerate(tokens) if token == 'a'), default=-1)\n"
    "    return str(count - next((place for place, token in enumerate(tokens) if token != 'b'), len(tokens)))",
    "places that are read": "return str(max((place for place, token in enumerate(tokens) if place > 1), default=-1))",
    "same as last": "return str(sum(token == tokens[-1] for token in tokens))",
}


def answered(machine, words):
    state = machine.start
    for token in words:
        state = machine.step(state, token, words[-1])
    return state, machine.answer(state, words[-1])


@pytest.mark.parametrize("counted", [[], ["a", "b", "c"]], ids=["alone", "with counts"])
@pytest.mark.parametrize("name", FOLLOWED)
def test_a_machine_answers_what_the_function_answers(name, counted):
    text, alphabet = f"def program(tokens):\n    {FOLLOWED[name]}\n", ["a", "b", "c"]
    machine, function = machine_of(text, counted), function_of(text, ["tokens"])
    seen = set()
    for length in range(1, 6):
        for row in Domain(("a", "b", "c"), 1, 5).sequences(length):
            words = [alphabet[n] for n in row]
            state, answer = answered(machine, words)
            assert answer == function(words), words
            assert [*state[: len(counted)]] == [*map(words.count, counted)]
            seen.add(answer)
    assert len(seen) > 1


LOOP = "depth = 0\n    for token in tokens:\n        depth = depth + {}\n    return str(depth)"
PAIR = "any(before == token for before, token in zip(tokens, tokens[1:]))"
TWICE = "\n    for token in tokens:\n        depth = depth + 1\n    return str(depth)"


@pytest.mark.parametrize(
    "body",
    [
        "depth = 0\n    x = depth\n    for token in tokens:\n        depth = depth + 1\n    return str(x)",
        LOOP.format("len(tokens)"),
        LOOP.format(PAIR),
        "depth = len(tokens)\n    for token in tokens:\n        depth = depth + 1\n    return str(depth)",
        "depth = 0\n    for token in tokens[1:]:\n        depth = depth + 1\n    return str(depth)",
        LOOP.format("1\n        for other in tokens:\n            depth = 3"),
        LOOP.format("1") [: -len("\n    return str(depth)")] + TWICE,
        "flag = False\n    for token in tokens:\n        flag = 0 if flag else True\n    return str(flag)",
        "token = 'a'\n    depth = 0\n    for token in tokens:\n        depth = depth + 1\n    return token",
        "tokens = tokens[1:]\n    return str(len(tokens))",
        "return str(sorted(tokens)[0])",
        "return tokens[len(tokens) - 1]",
        "return str(len(set(tokens)))",
        "_0 = 3\n    return str(tokens.count('a'))",
        "_last = 'a'\n    return tokens[-1]",
        "_1 = 'a'\n    return tokens[0]",
        "place = 3\n    depth = 0\n    for token in tokens:\n        depth = depth + place\n    return str(depth)",
        "return str(sum(any(before == other for before, token in zip(tokens, tokens[1:])) for other in tokens))",
        "return str(sum(token == 'a' for token in tokens if token != 'b'))",
        "if len(tokens) > 1:\n        for token in tokens:\n            x = token\n    return 'a'",
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_or_fails(body):
    text = f"def program(tokens):\n    {body}\n"
    function = function_of(text, ["tokens"])
    try:
        machine = machine_of(text, ["a", "b", "c"])
        for words in (["a"], ["b", "a"], ["a", "c", "a", "b"]):
            assert answered(machine, words)[1] == function([*words]), words
    except (Rejected, NameError):
        return
    raise AssertionError("it was followed")


def test_the_checkers_program_is_the_one_of_the_grammar():
    domain = Domain(("[", "]", "x"), 1, 6)
    program = Program.parse(DILUTION.format(RIGHT), motifs(domain.alphabet, ("]", "]]"), min_length=1))
    machine = machine_of(program.source("program"), [])
    batch = domain.sequences(6)
    names = [("]", "]]")[n] for n in program.run(SequenceBatch(batch))]
    for row, name in zip(batch, names, strict=True):
        assert answered(machine, [domain.alphabet[n] for n in row])[1] == name


def test_what_is_accepted_by_counts_is_found_by_visiting_every_sequence():
    """Flipped bits of weights, and programs of another threshold: sets never hold what a sequence refutes."""
    certificate, rng = made("bracket_dilution", DILUTION.format(RIGHT), 5), np.random.default_rng(2)
    verdicts: Counter[str] = Counter()
    question = {name: certificate.statement[name] for name in GIVEN}
    name = "network/weights.safetensors"
    weights = certificate.files[name]
    begin, changes = 8 + int.from_bytes(weights[:8], "little"), examples(12)
    for place in rng.choice(np.arange(begin + 3, len(weights), 4), changes, replace=False):
        changed = bytearray(weights)
        changed[place] ^= 1 << int(rng.integers(8))
        for factor in ("5", "2", "1"):
            text = DILUTION.format(RIGHT.replace("5", factor)).encode()
            files = {**certificate.files, name: bytes(changed), PROGRAM: text}
            try:
                found = establish(question, files)
            except REFUSED:
                verdicts["refused"] += 1
                continue
            listed = establish({**question, "kind": "network"}, files)
            assert (listed["exceptions"], listed["labels"]) == ([], found["labels"])
            verdicts["accepted"] += 1
    assert verdicts["refused"] > changes // 4 < verdicts["accepted"], verdicts


@pytest.mark.slow
def test_a_program_that_is_wrong_for_the_last_letters_alone_is_refused(certificate):
    """What a step makes of the last token is followed for every last token, not for the first letter's alone."""
    question = {name: certificate.statement[name] for name in GIVEN}
    same = "tokens.count(tokens[-1]) == tokens.count({!r})"
    for rule, holds in (
        (f"{RIGHT} and tokens.count(tokens[-1]) > 0", True),
        *((f"{RIGHT} and {same.format(letter)}", False) for letter in question["alphabet"]),
        *((f"{RIGHT} or not {same.format(letter)}", False) for letter in question["alphabet"]),
    ):
        files = {**certificate.files, PROGRAM: DILUTION.format(rule).encode()}
        if holds:
            assert establish(question, files)["labels"] == certificate.statement["labels"]
        else:
            with pytest.raises(Rejected):
                establish(question, files)
