"""The larger, the smaller, comparisons: proofs about all pairs of numbers against every pair, right and wrong."""

import itertools
import re
import time

import numpy as np
import pytest
from flint import ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples, sliced

from cegis import DomainError
from cegis.certificate import Certificate
from cegis.operands import Operands
from dsl.operators import GrammarError
from tasks import distill
from tasks.automata.digits import DigitMachine, NumberProgram
from tasks.certificates.pairs import attest_pairs, fields_of
from tasks.checker.evidence import check
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import read
from tasks.checker.pairs import Layout, Sums, everywhere, sums_of
from tasks.formats import load, save_folder
from tasks.pipeline.numbers import distill_numbers
from tasks.pipeline.own_programs import own_program
from tasks.proofs.digit_groups import Steps
from tasks.proofs.enumeration import ROUNDOFF
from tasks.proofs.failing_pairs import count_failing
from tasks.proofs.group_cover import cover
from tests.support.adding_networks import every_margin
from tests.support.choosing_networks import CHOICES, choosing

asked = st.sampled_from(CHOICES).map(NumberProgram.of)
made = st.builds(
    choosing,
    st.sampled_from(CHOICES),
    st.integers(1, 2),
    st.integers(2, 4),
    order=st.sampled_from(["lsb", "msb"]),
    noise=st.sampled_from([0.0, 1e-3, 1e-2, 3e-2]),
    by_token=st.sampled_from([0.0, 1e-3, 1e-2]),
    blind=st.sampled_from([None, None, 0, 1]),
    seed=st.integers(0, 2**20),
)
forms = st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(-2, 3))
TEXTS = ("max({x}, {y})", "min({x}, {y})", "abs({x})", "int({x} < {y})", "{x} >= {y}", "int({x} > {y})", "{x} <= {y}",
         "{z} if {x} < {y} else {x}", "{x} if {y} >= {x} else {z}", "{z} if {x} > {y} else {y}")  # fmt: skip


OTHER = {"max(a, b)": "min(a, b)", "a <= b": "int(a < b)", "a > b": "int(a < b)"}


@settings(max_examples=examples(8))
@given(made, asked, st.sampled_from(["real", "float32"]))
def test_what_is_proved_holds_for_every_pair(network, program, semantics):
    try:
        DigitMachine(program, network.operands)
    except DomainError:
        return
    margins = every_margin(network, program)
    found = cover(network, network.operands, program, semantics, seconds=20)
    least = float(margins.min())
    assert not (found.is_whole and (least <= 0 or found.margin > least + 1e-6 * (1 + abs(least))))
    assert found.is_whole or least < 0.5
    said = distill(network, program=program, seconds=20)
    assert said.failing is not None or least > -1e-5
    if said.failing is not None:
        numbers = range(network.operands.largest + 1)
        at = [*itertools.product(numbers, numbers)].index(said.failing.pair)
        assert margins[at] < 1e-5
        assert said.failures is None or said.failures.least <= int((margins < 1e-5).sum())
        assert said.failures is None or said.failures.most >= int((margins < -1e-5).sum())


@settings(max_examples=examples(6))
@given(made, asked, st.sampled_from(["real", "float32"]))
def test_what_the_checker_finds_holds_for_every_pair(tmp_path_factory, network, program, semantics):
    try:
        DigitMachine(program, network.operands)
    except DomainError:
        return
    least = float(every_margin(network, program).min())
    try:
        pairs, margin = checked(network, program, tmp_path_factory.mktemp("chosen") / "network", semantics)
    except Rejected:
        assert least < 0.5
    else:
        assert pairs == network.operands.size()
        assert 0 < float(margin) <= least + 1e-6 * (1 + abs(least))


def checked(network, program, folder, semantics):
    """What the checker finds of all pairs."""
    save_folder(network, folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    steps = Steps(network, network.operands, DigitMachine(program, network.operands), ROUNDOFF[semantics])
    directions = np.rint(2**16 * steps.directions).astype(int).tolist()
    with ctx.workprec(80):
        return everywhere(
            read("steps", files, semantics), fields_of(network.operands), program.source(),
            [*network.readout.columns], [*network.readout.names], directions, semantics, time.monotonic() + 60,
        )  # fmt: skip


@settings(max_examples=examples(60))
@given(st.sampled_from(TEXTS), forms, forms, forms, st.integers(2, 4), st.integers(1, 4))
def test_a_machine_that_guesses_calculates_as_python_does(shape, x, y, z, base, shown):
    written = {name: f"({p} * a + {q} * b + {r})" for name, (p, q, r) in zip("xyz", (x, y, z), strict=True)}
    text = shape.format(**written)
    program, operands = NumberProgram.of(text), Operands(2, base, answer_digits=shown)
    value = eval(f"lambda a, b: {text}")
    printed = eval(f"lambda a, b: {program.expression}")
    pairs = [*itertools.product(range(base**2), repeat=2)]
    assert all(program(*pair) == value(*pair) == printed(*pair) for pair in pairs)
    assert NumberProgram.parse(program.source()) == program
    assert Sums_values(program.source(), pairs) == [value(*pair) for pair in pairs]
    is_shown = all(0 <= value(*pair) < base**shown for pair in pairs)
    try:
        machine = DigitMachine(program, operands)
    except DomainError:
        assert not is_shown
        with pytest.raises(Rejected, match="not always shown"):
            Sums(program.source(), Layout.of(fields_of(operands)))
        return
    assert is_shown
    sums = Sums(program.source(), Layout.of(fields_of(operands)))
    for a, b in pairs:
        digits = [int(digit) for digit in operands.answer(value(a, b))] + [0] * (machine.groups - shown)
        read_ = [(a // base**power % base, b // base**power % base) for power in range(machine.groups)]
        assert ways(machine.starts, machine.step, lambda state: state in machine.ends, read_) == [digits]
        assert ways(sums.starts, sums.step, sums.is_end, read_) == [digits]


def Sums_values(text, pairs):  # noqa: N802
    """What the checker reads in a program, for every pair."""
    (number, below), decides, _ = sums_of(text)
    at = lambda form, a, b: form[0] * a + form[1] * b + form[2]  # noqa: E731
    return [at(below if at(decides, a, b) < 0 else number, a, b) for a, b in pairs]


def ways(starts, step, is_end, digits):
    """The digits on every way from a start to an end."""
    found = []
    for state in starts:
        given_ = []
        for a, b in digits:
            digit, state = step(state, a, b)
            given_.append(digit)
        found += [given_] if is_end(state) else []
    return found


@pytest.mark.parametrize("what", sliced(["a <= b", "max(a, b)", "a > b"], 3))
def test_what_a_network_compares_is_found_proved_and_certified(what, tmp_path):
    folder = tmp_path / "net"
    network = choosing(what, 2, 2)
    save_folder(network, folder)
    loaded = load(folder)
    found = distill(loaded, network.operands, seconds=60)
    assert found.is_proved
    assert found.program == NumberProgram.of(what)
    assert "guessed first" in found.claims[0].sentence
    certificate = attest_pairs(found, folder)
    assert not isinstance(certificate, str), certificate
    check(certificate.save(tmp_path / "cert"))
    other = found.program.source().replace(found.program.expression, OTHER[what])
    files = {**certificate.files, "program.py": other.encode()}
    with pytest.raises(Rejected):
        check(Certificate(certificate.statement, files).save(tmp_path / "other"))


@pytest.mark.parametrize(
    ("what", "other"),
    sliced([
        ("max(a, b)", "min(a, b)"), ("a < b", "int(b < a)"), ("a < b", "int(a <= b)"), ("a >= b", "int(a > b)"),
        ("max(a, b)", "b if a < b + 1 else a"), ("max(a, b)", "a"), ("min(a, b)", "b if a < b else a"),
    ], 2),
)  # fmt: skip
def test_another_comparison_is_refused_by_prover_and_checker(what, other, tmp_path):
    network, program = choosing(what, 2, 2), NumberProgram.of(other)
    wrong = int((every_margin(network, program) < 0).sum())
    if not wrong:  # the same function, said otherwise
        assert cover(network, network.operands, program, "float32").is_whole
        return
    assert not cover(network, network.operands, program, "float32").is_whole
    with pytest.raises(Rejected):
        checked(network, program, tmp_path / "net", "float32")
    found = count_failing(network, network.operands, program, "float32", seconds=60)
    assert found.least <= wrong <= found.most


def test_a_network_that_does_not_look_at_one_digit_fails_for_a_simple_pair():
    found = distill_numbers(
        choosing("max(a, b)", 3, 4, blind=0), program=own_program("def f(a, b): return max(a, b)"), with_count=False
    )
    assert not found.is_proved
    assert found.failing is not None
    assert found.failing.pair == (0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def max(a, b):\n    return 0\ndef f(a, b):\n    return max(a, b)", "one Python function"),
        ("def max(a, b):\n    return max(a, b)", "another meaning"),
        ("def f(max, b):\n    return max + b", "another meaning"),
        ("@other\ndef f(a, b):\n    return max(a, b)", "decorator"),
        ("def f(a, b):\n    return max(a, b, 3)", "sums and differences"),
        ("def f(a, b):\n    return max(a, b, key=abs)", "sums and differences"),
        ("def f(a, b):\n    return a < b < 3", "< <= > >="),
        ("def f(a, b):\n    return a == b", "< <= > >="),
        ("def f(a, b):\n    return max(a, b) % 10", "sums and differences"),
        ("def f(a, b):\n    return int(a)", "sums and differences"),
    ],
)
def test_other_choices_are_refused_in_words(text, message):
    with pytest.raises(GrammarError, match=re.escape(message)):
        NumberProgram.parse(text)


@pytest.mark.parametrize(
    "expression", ["max(a, b, 3)", "a < b", "int(a == b)", "int(a < b < 3)", "max(a, b) % 9", "max(a, key=b)"]
)
def test_the_checker_reads_no_other_choices(expression):
    with pytest.raises((Rejected, UnreadableError)):
        sums_of(f"def program(a: int, b: int) -> int:\n    return {expression}\n")
    with pytest.raises((Rejected, UnreadableError)):
        sums_of("def max(a: int, b: int) -> int:\n    return max(a, b)\n")
