"""The checker on claims by counting: boxes are bounded again, gaps are found, programs followed or refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from flint import arb, ctx

from cegis import Domain, Program, motifs
from cegis.certificate import Certificate
from dsl.sequences import SequenceBatch
from tasks.attesting import attest_counts
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.counts import Tally
from tasks.checker.evidence import BOXES, PROGRAM, check
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES, read
from tasks.checker.machines import machine_of
from tasks.checker.programs import function_of
from tasks.files import load_circuit, shipped_path
from tasks.formats import load
from tasks.forward import logits

REFUSED = (Rejected, UnreadableError)
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


def refused(statement, files, folder):
    try:
        check(Certificate(statement, files).save(folder))
    except REFUSED:
        return True
    return False


def test_a_claim_over_more_sequences_than_anyone_can_list_is_checked(tmp_path):
    found = made("quote_closing", QUOTE, 30)
    assert isinstance(found, Certificate)
    statement = check(found.save(tmp_path / "c"))
    assert statement["sequences"] == sum(2 * n * 2 ** (n - 1) for n in range(1, 31))
    assert statement["semantics"] == "float32"
    assert statement["labels"] == ['"', "'"]


def test_a_program_that_breaks_has_no_certificate():
    assert isinstance(made("bracket_dilution", DILUTION.format(RIGHT), LONGEST + 1), str)
    typed = "def program(tokens: list[str]) -> str:\n    return '+=' if len(tokens) >= 4 else '.add'\n"
    assert "positions" in made("variable_type", typed, 5)


def test_a_longer_length_or_another_domain_is_refused(certificate, tmp_path):
    everything = {"transitions": [[0, 0, 0]], "accepting": [True]}
    odd = {"transitions": [[1, 1, 1], [0, 0, 0]], "accepting": [False, True]}
    for change in (
        {"lengths": [1, LONGEST + 1]}, {"lengths": [1, 10**9]}, {"lengths": [0, LONGEST]}, {"lengths": [2, LONGEST]},
        {"automaton": everything}, {"automaton": odd}, {"sequences": 1}, {"classes": 1}, {"boxes": 1},
        {"margin": 2 * certificate.statement["margin"]}, {"prefix": ["["]}, {"suffix": ["["]}, {"kind": "network"},
        {"labels": ["]]"]}, {"semantics": "real"}, {"alphabet": ["[", "]"]}, {"undecided": 1},
    ):  # fmt: skip
        assert refused({**certificate.statement, **change}, certificate.files, tmp_path / "c"), change


def test_a_box_that_is_missing_widened_moved_or_relabelled_is_refused(tmp_path):
    certificate = made("bracket_dilution", DILUTION.format(RIGHT), 6)
    assert isinstance(certificate, Certificate)
    boxes, rng = json.loads(certificate.files[BOXES]), np.random.default_rng(0)

    def with_box(last, n, new):
        changed = [*boxes[last][:n], *new, *boxes[last][n + 1 :]]
        listed = [*boxes[:last], changed, *boxes[last + 1 :]]
        return {**certificate.files, BOXES: json.dumps(listed).encode()}

    for last, part in enumerate(boxes):
        for n in rng.choice(len(part), 2, replace=False):
            low, high, label = part[n]
            wide = [[low, [*high[:axis], high[axis] + 4, *high[axis + 1 :]], label] for axis in range(3)]
            for new in (
                [], [[low, high, 1 - label]], [[low, low[:2], label]], [[high, low, label]] if low != high else [],
                [[low, high, 7]], [[low, high, -1]], [[low, high, "a"]], [[[0, 0, 0], high, label]],
                [[[-1, *low[1:]], high, label]], [[low, [float(x) for x in high], label]], [[low, high, label]] * 2,
            ):  # fmt: skip
                assert refused(certificate.statement, with_box(last, n, new), tmp_path / "c"), (last, n, new)
            for new in wide:  # it may be true of the larger box, too; then its label and margin were found again
                try:
                    found = check(Certificate(certificate.statement, with_box(last, n, [new])).save(tmp_path / "c"))
                except REFUSED:
                    continue
                assert found["margin"] == certificate.statement["margin"]
    for junk in (b"[]", b"[[], [], []]", b"{}", b"[1, 2, 3]", b"not json", b"[[[1]], [], []]"):
        assert refused(certificate.statement, {**certificate.files, BOXES: junk}, tmp_path / "c")


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
            tally = Tally(network, Arithmetic(ROUNDOFF[semantics]), *ids, 40)
            for _ in range(6):
                last = int(rng.integers(letters))
                low = rng.integers(0, 3, letters)
                low[last] += 1
                high = low + rng.integers(0, 2, letters)
                (bounds,) = tally.logits(last, [(low.tolist(), high.tolist(), 0)])
                for _ in range(4):
                    counts = rng.integers(low, high + 1)
                    row = rng.permutation(np.repeat(np.arange(letters), counts - (np.arange(letters) == last)))
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
    "same as last": "return str(sum(token == tokens[-1] for token in tokens))",
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_machine_answers_what_the_function_answers(name):
    text, alphabet = f"def program(tokens):\n    {FOLLOWED[name]}\n", ["a", "b", "c"]
    machine, function = machine_of(text, alphabet), function_of(text, ["tokens"])
    seen = set()
    for length in range(1, 6):
        for row in Domain(("a", "b", "c"), 1, 5).sequences(length):
            words = [alphabet[n] for n in row]
            state = machine.start
            for token in words:
                state = machine.step(state, token, words[-1] if machine.asks_last else "")
            answer = machine.answer(*map(words.count, alphabet), words[-1], *state)
            assert answer == function(words), words
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
        "n_0 = 3\n    return str(tokens.count('a'))",
        "last = 'a'\n    return tokens[-1]",
        "fold_0 = 'a'\n    return tokens[0]",
        "return str(sum(any(before == other for before, token in zip(tokens, tokens[1:])) for other in tokens))",
        "return str(sum(token == 'a' for token in tokens if token != 'b'))",
        "return str(max((place for place, token in enumerate(tokens) if place > 1), default=-1))",
        "if len(tokens) > 1:\n        for token in tokens:\n            x = token\n    return 'a'",
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_or_fails(body):
    text = f"def program(tokens):\n    {body}\n"
    function = function_of(text, ["tokens"])
    try:
        machine = machine_of(text, ["a", "b", "c"])
        for words in (["a"], ["b", "a"], ["a", "c", "a", "b"]):
            state = machine.start
            for token in words:
                state = machine.step(state, token, words[-1] if machine.asks_last else "")
            assert machine.answer(*map(words.count, "abc"), words[-1], *state) == function([*words]), words
    except (Rejected, NameError):
        return
    raise AssertionError("it was followed")


def test_the_checkers_program_is_the_one_of_the_grammar():
    domain = Domain(("[", "]", "x"), 1, 6)
    program = Program.parse(DILUTION.format(RIGHT), motifs(domain.alphabet, ("]", "]]"), min_length=1))
    machine = machine_of(program.source("program"), [*domain.alphabet])
    batch = domain.sequences(6)
    names = [("]", "]]")[n] for n in program.run(SequenceBatch(batch))]
    for row, name in zip(batch, names, strict=True):
        assert machine.answer(*np.bincount(row, minlength=3).tolist(), domain.alphabet[row[-1]]) == name
