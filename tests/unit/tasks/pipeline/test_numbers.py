"""Networks that calculate, from a folder to a certificate about all pairs; and what is refused on the way."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from cegis import DomainError, Operands
from cegis.certificate import Certificate
from dsl.operators import GrammarError
from tasks import distill, load, save_folder, verify
from tasks.automata.digits import NumberProgram
from tasks.bounds import workers
from tasks.certificates.pairs import attest_pairs
from tasks.checker.evidence import check
from tasks.checker.files import Rejected, UnreadableError
from tasks.commands.main import main
from tasks.networks.transformer import Affine
from tasks.pipeline import numbers
from tasks.pipeline.numbers import follow_numbers
from tasks.pipeline.report import distillation_text
from tasks.proofs.group_cover import cover
from tasks.proofs.operand_search import Teacher, simple_numbers
from tests.support.adding_networks import SUM, adding, every_margin

CASES = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[5] / "shared" / "cases")) / "adders"
REAL = pytest.mark.skipif(not CASES.is_dir(), reason=f"no cases of adders in {CASES.parent} (set DISTILL_CASES)")
PUBLISHED = json.loads((Path(__file__).resolve().parents[4] / "docs" / "distillation.schema.json").read_text())
FAR = Operands(digits=10, between=("+",), after=("=",))
SAID = "digits=2,base=3,between=+,after=="


def place(tmp_path, network):
    target = tmp_path / "net"
    save_folder(network, target)
    return target


def test_a_network_that_adds_is_found_to_add():
    found = distill(adding(2, 3), seconds=60)
    assert found.is_proved
    assert found.program is not None
    assert found.program.expression == "a + b"
    (claim,) = found.claims
    assert claim.sequences == 81
    for words in ("81 pairs of numbers a, b from 0 to 8", "teacher forcing", "prompt: a '+' b '='", "3 digits"):
        assert words in claim.sentence


@pytest.mark.slow
def test_digits_decided_in_other_processes_are_decided_alike():
    network = adding(2, 3)
    here = distill(network, program=SUM, seconds=60)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = distill(network, program=SUM, seconds=60, executor=pool)
        with workers.lent(pool):
            late = cover(network, network.operands, SUM, "real", seconds=-1.0)
            wrong = cover(network, network.operands, NumberProgram(1, 1, 1), "real", seconds=60)
    assert there.is_proved
    assert there.cover == here.cover
    assert (late.is_late, late.is_whole) == (True, False)
    assert wrong.open
    assert not wrong.is_whole


def test_a_program_of_ones_own_is_compared():
    network = adding(2, 3)
    assert verify(network, "def f(x, y):\n    return y + x", seconds=60).is_proved
    wrong = verify(network, "def f(a, b):\n    return a + b + 1", seconds=60)
    assert wrong.failing is not None
    assert wrong.failing.pair == (0, 0)
    assert not wrong.is_proved
    assert "NOT EQUAL: for a = 0, b = 0 the program says 1 and the network adding-0 0 (" in distillation_text(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "def f(a):\n    return a",
        "def f(a, b):\n    return a * b",
        "import os",
        "def f(a, b):\n    print(a)\n    return a",
        "(",
    ],
)
def test_other_texts_are_no_programs_of_two_numbers(text):
    with pytest.raises(GrammarError):
        verify(adding(1, 2), text)


def test_numbers_that_the_answer_has_no_digits_for_are_refused():
    with pytest.raises(DomainError, match="not always a number of 3 digits"):
        verify(adding(2, 3), "def f(a, b):\n    return a - b")


def test_six_percent_more_in_one_parameter_is_not_proved():
    network = adding(2, 3)
    attention, up, *rest = network.network.steps
    weight = up.weight.copy()
    weight[0, 0] *= 1.06
    changed = replace(network.network, steps=(attention, Affine(np.float32(weight).astype(float), up.bias), *rest))
    other = replace(network, network=changed)
    assert every_margin(other, SUM).min() < 0
    found = verify(other, "def f(a, b):\n    return a + b", seconds=30)
    assert not found.is_proved
    assert found.failing is not None
    a, b = found.failing.pair
    assert found.failing.value != a + b


def commanded(capsys, *arguments):
    """Exit code and output of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return ended.value.code, told.out, told.err


def test_commands_prove_certify_and_check(tmp_path, capsys):
    net, cert, program = place(tmp_path, adding(2, 3)), tmp_path / "sum.cert", tmp_path / "sum.py"
    program.write_text("def f(a, b):\n    return a + b\n")
    code, out, _ = commanded(capsys, "verify", net, program, "--operands", SAID, "--out", cert)
    assert code == 0
    assert "PROVED (rung bounded)" in out
    statement = check(cert)
    assert statement["pairs"] == "81"
    assert statement["chosen"] == ["operands"]
    assert "numbers and prompt: stated here, as the network's files declare none" in statement["claim"]
    program.write_text("def g(tokens):\n    return 'a'\n\n\ndef f(a, b):\n    return b + a\n")
    code, out, _ = commanded(capsys, "verify", net, f"{program}:f", "--operands", SAID)
    assert code == 0
    code, _, err = commanded(capsys, "verify", net, f"{program}:g", "--operands", SAID)
    assert code == 2
    assert "function of two numbers" in err
    code, out, _ = commanded(capsys, "run", net, "--operands", SAID, "--json")
    assert code == 0
    assert json.loads(out)["program"].startswith('def adding_0(a: int, b: int) -> int:\n    """Equals the network')


def test_horizons_of_pairs_are_digits_and_agree_with_every_pair():
    for network in (adding(2, 3), adding(2, 3, noise=0.06, seed=1), adding(2, 3, noise=0.1, seed=2)):
        found = follow_numbers(network, program=SUM, seconds=60)
        right = np.array([[is_right(network, a, b) for b in range(9)] for a in range(9)])
        assert found.is_proved <= bool(right.all())
        for digits in range(1, 1 + (found.horizon or 0)):
            assert right[: 3**digits, : 3**digits].all()
        if found.failing is not None:
            assert not right[found.failing.pair]
            assert "NOT EQUAL: for a =" in found.verdict()
        assert found.claims or not found.is_proved
    one = follow_numbers(adding(2, 3), adding(2, 3).operands.up_to(1), program=SUM, seconds=60)
    assert (one.is_proved, one.horizon) == (True, 1)
    assert "all 9 pairs of numbers a, b from 0 to 2 (2 digits of base 3" in one.claims[0].sentence
    assert "chosen by the user" not in one.claims[0].sentence


def is_right(network, a, b):
    """Whether greedy decoding in float64 gives the sum."""
    return network.operands.value(Teacher(network, network.operands, SUM).given((a, b))) == a + b


@pytest.mark.slow
def test_pages_and_other_commands_know_pairs(tmp_path, capsys):
    net, page = place(tmp_path, adding(2, 3)), tmp_path / "page.html"
    (tmp_path / "wrong.py").write_text("def f(a, b):\n    return a + b + 1\n")
    code, out, _ = commanded(
        capsys, "verify", net, tmp_path / "wrong.py", "--operands", SAID, "--json", "--exceptions", tmp_path / "e",
        "--against", net,
    )  # fmt: skip
    value = json.loads(out)
    assert code == 1
    assert (value["kind"], value["proved"], value["figures"]["failing"]["a"]) == ("pairs", False, 0)
    assert not [*Draft202012Validator(PUBLISHED).iter_errors(value)]
    assert json.loads((tmp_path / "e").read_text())["program"] == "1"
    (tmp_path / "wrong.json").write_text(out)
    assert commanded(capsys, "report", tmp_path / "wrong.json", "--out", page)[0] == 0
    assert "A pair on which they differ: a = 0, b = 0; network 0, program 1." in page.read_text()
    code, out, _ = commanded(capsys, "horizon", net, "--operands", SAID, "-q", "--out", tmp_path / "c")
    assert code == 0
    assert "on all 81 pairs" in out
    assert commanded(capsys, "report", tmp_path / "c", "--out", page, "-q")[0] == 0
    assert "the network itself equals the program on every pair, without visiting each" in page.read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A certificate of a network that adds."""
    net = place(tmp_path_factory.mktemp("adding"), adding(2, 3))
    found = attest_pairs(verify(adding(2, 3), "def f(a, b):\n    return a + b"), net)
    assert isinstance(found, Certificate)
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"margin": 5.0},
        {"pairs": "82"},
        {"semantics": "float64"},
        {"operands": {"order": "msb"}},
        {"operands": {"most": 7}},
        {"operands": {"answer_digits": 2}},
        {"directions": [[[0]]]},
        {"claim": "the program equals everything"},
    ],
)
def test_a_statement_that_was_changed_is_refused(made, tmp_path, change):
    fields = dict(change)
    if isinstance(fields.get("operands"), dict):
        fields["operands"] = made.statement["operands"] | fields["operands"]
    Certificate({**made.statement, **fields}, made.files).save(tmp_path / "changed.cert")
    with pytest.raises((Rejected, UnreadableError)):
        check(tmp_path / "changed.cert")


def test_options_about_operands_are_refused_in_one_sentence(tmp_path, capsys):
    net = place(tmp_path, adding(1, 2))
    for said, words in (
        ("digits=x", "expected a whole number of digits"),
        ("digit=3", "expected fields such as digits=10"),
        ("digits=2,base=3", "no token is called"),
    ):
        code, _, err = commanded(capsys, "run", net, "--operands", said)
        assert code == 2
        assert words in err


@REAL
@pytest.mark.slow
def test_the_smallest_adder_adds_all_pairs_as_executed():
    found = verify(load(CASES / "micro_57"), "def f(a, b):\n    return a + b", seconds=300)
    assert found.is_proved
    assert found.claims[0].sequences == 10**20
    assert "float32 as executed" in found.claims[0].semantics


@REAL
@pytest.mark.slow
@pytest.mark.parametrize("name", ["rezabyt_311", "cai_242", "qwen_173"])
def test_adders_that_are_wrong_fail_on_a_simple_pair(name):
    found = verify(load(CASES / name), "def f(a, b):\n    return a + b", seconds=300)
    assert found.failing is not None
    assert found.failing.index is not None
    assert sum(digit != "0" for number in found.failing.pair for digit in str(number)) <= 6
    assert found.failing.value != sum(found.failing.pair)


def test_a_network_that_is_wrong_on_simple_numbers_alone_is_found_to_add(monkeypatch):
    """As trained adders are: programs are told apart on round and equal numbers, which are the hard ones."""
    simple = {*simple_numbers(FAR)}

    class Wrong:
        def __init__(self, model, operands, program):
            self.program = program

        def says(self, a, b):
            return 0 if {a, b} & simple or abs(a - b) < 2 else a + b

        def given(self, pair):
            return FAR.answer(self.says(*pair))

        def worst(self, pairs):
            return np.array([1.0 if self.program(*pair) == self.says(*pair) else -1.0 for pair in pairs])

    monkeypatch.setattr(numbers, "Teacher", Wrong)
    found, share = numbers._found(None, FAR, 0)
    assert found == SUM
    assert share < numbers.ENOUGH


@REAL
@pytest.mark.parametrize("name", ["qwen_173", "cai_242", "rezabyt_311"])
def test_a_real_adder_that_is_wrong_somewhere_is_found_to_add(name):
    model = load(CASES / name)
    found, _ = numbers._found(model, model.operands, 0)
    assert found == SUM
