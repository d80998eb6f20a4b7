"""The checker's own reading of recurrent networks: certificates hold, and nothing that was changed does."""

from __future__ import annotations

import json
import struct
from itertools import product

import numpy as np
import pytest
from flint import arb
from quick import sliced
from recurrent_networks import write_adder, write_dynet

from cegis import Domain
from cegis.certificate import Certificate
from tasks.certificates import independent
from tasks.certificates.independent import attest, stored_files
from tasks.checker.arithmetic import Arithmetic
from tasks.checker.evidence import GIVEN, NETWORK, PROGRAM, check, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import read
from tasks.checker.recurrent import States
from tasks.formats import load, save_folder
from tasks.pipeline.distill import distill

ADD = """def program(tokens, i):
    carry = 0
    for token in tokens[:i + 1]:
        total = carry + (token == '0,1') + (token == '1,0') + 2 * (token == '1,1')
        carry = total // 2
    return str(total % 2)
"""


@pytest.fixture(params=sliced(["gru", "lstm", "adder", "steps"], 2))
def folder(request, tmp_path):
    if request.param == "adder":
        return write_adder(tmp_path / "net")
    made = write_dynet(tmp_path / "net", "gru" if request.param == "steps" else request.param)
    return save_folder(load(made), tmp_path / "steps") if request.param == "steps" else made


def certified(folder, longest):
    loaded = load(folder)
    domain = Domain(loaded.domain.alphabet, loaded.domain.min_length, longest)
    return attest(distill(loaded, domain, seconds=4), folder)


def test_a_certificate_says_what_was_listed_and_holds(folder, tmp_path):
    made = certified(folder, 3)
    assert isinstance(made, Certificate), made
    assert made.statement["lengths"][1] == 3
    made.save(tmp_path / "made.cert")
    assert check(tmp_path / "made.cert") == made.statement


@pytest.mark.parametrize("semantics", ["real", "float64", "float32"])
def test_states_hold_what_the_equations_give(folder, semantics):
    loaded = load(folder)
    network = read(loaded.format, stored_files(loaded, folder), semantics).network
    arithmetic = Arithmetic({"real": 0.0, "float64": 2.0**-53, "float32": 2.0**-24}[semantics])
    words = [*product(range(2), repeat=4)]
    rows = States(network, arithmetic, lambda row: row, every=True).at(words)
    expected = loaded.network.logits(np.array(words))[:, 1:]
    for balls, values in zip(rows, expected, strict=True):
        for ball_row, row in zip(balls, values, strict=True):
            for ball, value in zip(ball_row, row, strict=True):
                assert abs(float(ball.mid()) - value) <= float(ball.rad()) + 1e-12
                assert float(ball.rad()) < 1e-2


def test_a_blend_holds_every_blend_of_its_numbers():
    rng = np.random.default_rng(0)
    middles, radii = rng.normal(size=(3, 40)), rng.choice([0.0, 0.01, 0.3], (3, 40))
    rows = [[[arb(m, r) for m, r in zip(*pair, strict=True)]] for pair in zip(middles, radii, strict=True)]
    (bounds,) = Arithmetic(0.0).blend(*rows)
    corners = rng.choice([-1.0, 1.0], (300, 3, 40))
    gate, one, other = ((middles + corners * radii)[:, n] for n in range(3))
    share = 1 / (1 + np.exp(-gate))
    for values in share * one + (1 - share) * other:
        for bound, value in zip(bounds, values, strict=True):
            assert abs(float(bound.mid()) - value) <= float(bound.rad()) + 1e-12


def test_an_adder_is_certified_without_exceptions(tmp_path):
    folder = write_adder(tmp_path / "net")
    loaded = load(folder)
    question = asked(loaded, [1, 4])
    stored = {NETWORK + name: content for name, content in stored_files(loaded, folder).items()}
    found = establish(question, {PROGRAM: ADD.encode(), **stored})
    assert (found["exceptions"], found["undecided"], found["sequences"]) == ([], [], 4 + 16 + 64 + 256)
    wrong = ADD.replace("total // 2", "total // 3")
    assert establish(question, {PROGRAM: wrong.encode(), **stored})["exceptions"]


def asked(loaded, lengths, semantics="float32"):
    question = independent._question("network", loaded, loaded.domain, semantics)
    return {name: {**question, "lengths": lengths}[name] for name in GIVEN}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return certified(write_dynet(tmp_path_factory.mktemp("gru") / "net", "gru"), 3)


@pytest.mark.parametrize("change", ["weight", "program", "lengths", "formulas", "readout", "kind"])
def test_what_was_changed_is_refused(change, made, tmp_path):
    statement, files = dict(made.statement), dict(made.files)
    match change:
        case "weight":
            raw = bytearray(files[f"{NETWORK}model.safetensors"])
            raw[-4:] = struct.pack("<f", 7.0)
            files[f"{NETWORK}model.safetensors"] = bytes(raw)
        case "program":
            files[PROGRAM] = b"def program(tokens):\n    return 'reject' if 'a' in tokens else 'accept'\n"
        case "lengths":
            statement["lengths"] = [0, 4]
        case "formulas":
            said = json.loads(files[f"{NETWORK}case.json"])
            said["architecture"]["formulas"][-1] = "h_t = (1 - z) * h_(t-1) + z * ht"
            files[f"{NETWORK}case.json"] = json.dumps(said).encode()
        case "readout":
            statement["readout"] = {**statement["readout"], "columns": [1, 0]}
        case "kind":
            statement["kind"] = "counts"
    Certificate(statement, files).save(tmp_path / "bad.cert")
    with pytest.raises((Rejected, UnreadableError)):
        check(tmp_path / "bad.cert")


def test_a_certificate_ends_where_the_checker_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(independent, "TIMED", 8)
    monkeypatch.setattr(independent, "ROOM", 1e-9)
    made = certified(write_dynet(tmp_path / "net", "gru"), 5)
    assert made.statement["lengths"] == [0, 2]
    assert "length 0 to 2" in made.statement["claim"]


def test_a_beginning_that_prompts_share_is_followed_once():
    calls = []

    class Counted:
        tokens, start, longest = [[0], [1]], [], 9

        def step(self, a, states, tokens):
            calls.append(len(tokens))
            return [[*state, token] for state, token in zip(states, tokens, strict=True)]

        def read(self, a, states):
            return states

    states = States(Counted(), Arithmetic(0.0), tuple, every=False)
    words = [(0,), (0, 0), (0, 1), (0, 1, 1)]
    assert states.at(words) == [[word] for word in words]
    assert sum(calls) == 4
    assert states.at([(0, 1, 1, 0)]) == [[(0, 1, 1, 0)]]
    assert sum(calls) == 5
