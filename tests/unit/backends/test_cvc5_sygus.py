"""Claims about cvc5's SyGuS engine as a program: it answers, refuses, is ended, and leaves nothing behind."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from backends import BackendError
from backends.cvc5_sygus import CONFIGURATIONS, PROGRAM, cvc5_answer
from backends.search import STOPPED, Answered, Infeasible, NoAnswer

pytestmark = pytest.mark.needs("cvc5")

LARGER = """(set-logic LIA)
(synth-fun larger ((x Int) (y Int)) Int)
(declare-var x Int)
(declare-var y Int)
(constraint (and (>= (larger x y) x) (>= (larger x y) y)))
(constraint (or (= (larger x y) x) (= (larger x y) y)))
(check-synth)
"""
ENDLESS = """(set-logic BV)
(synth-fun f ((x (_ BitVec 64))) (_ BitVec 64) ((S (_ BitVec 64))) ((S (_ BitVec 64) (x (bvadd S S) (bvmul S S)))))
(declare-var x (_ BitVec 64))
(constraint (= (f x) (bvudiv x #x0000000000000007)))
(check-synth)
"""
JOINED = """(set-logic SLIA)
(synth-fun joined ((a String) (b String)) String ((S String)) ((S String (a b " " (str.++ S S)))))
(constraint (= (joined "x" "y") "y x"))
(check-synth)
"""


def running(word: str) -> list[str]:
    """The engine's processes on this machine whose command line has ``word`` in it."""
    commands = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            commands.append(Path(f"/proc/{pid}/cmdline").read_text(errors="replace"))
    return [command for command in commands if str(PROGRAM) in command and word in command]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_configuration_answers(name: str) -> None:
    answer = cvc5_answer(LARGER, options=CONFIGURATIONS[name], seconds=20)
    assert isinstance(answer, Answered)
    assert len(answer.functions) == 1
    assert answer.functions[0].startswith("(define-fun larger ((x Int) (y Int)) Int (ite ")


def test_text_keeps_its_quotes_and_several_functions_their_order() -> None:
    both = JOINED.replace("(check-synth)", LARGER.partition("\n")[2].replace("set-logic LIA", "set-logic SLIA"))
    answer = cvc5_answer(both, seconds=20)
    assert isinstance(answer, Answered)
    assert [function.split()[1] for function in answer.functions] == ["joined", "larger"]
    assert '" "' in answer.functions[0]


def test_what_has_no_solution_is_infeasible() -> None:
    grammar = "((S Int)) ((S Int (x)))"
    impossible = LARGER.replace("(y Int)) Int)", f"(y Int)) Int {grammar})")
    assert isinstance(cvc5_answer(impossible, seconds=20), Infeasible)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LARGER.replace("(or", "(unheard"), "cvc5 does not take the problem: .*unheard"),
        (LARGER.replace("(check-synth)", ""), r"the text has no \(check-synth\)"),
        (LARGER + ")", "cvc5 does not take the problem: Expected"),
        ("", r"the text has no \(check-synth\)"),
    ],
)
def test_a_text_that_is_no_problem_is_no_answer(text: str, reason: str) -> None:
    answer = cvc5_answer(text, seconds=20)
    assert isinstance(answer, NoAnswer)
    assert re.search(reason, answer.reason)


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(BackendError, match=r"does not take the option .*sygus-magic=on"):
        cvc5_answer(LARGER, options={"sygus-magic": "on"}, seconds=20)


def test_a_long_search_ends_at_its_limit() -> None:
    start = time.monotonic()
    answer = cvc5_answer(ENDLESS, seconds=0.6)
    assert answer == NoAnswer("killed at the time limit of 0.6 s")
    assert time.monotonic() - start < 2


def test_memory_is_limited() -> None:
    answer = cvc5_answer(LARGER, seconds=20, memory_mb=40)
    assert isinstance(answer, NoAnswer)
    assert "40 MB" in answer.reason


def test_another_thread_ends_a_search_and_what_comes_after() -> None:
    closed = threading.Event()
    answers: list[object] = []

    def search() -> None:
        answers.append(cvc5_answer(ENDLESS, seconds=60, stop=closed.is_set))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    closed.set()
    for thread in threads:
        thread.join(5)
    answers.append(cvc5_answer(LARGER, seconds=20, stop=closed.is_set))
    assert answers == [NoAnswer(STOPPED)] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_us(end: signal.Signals) -> None:
    seed = random.SystemRandom().randrange(10**6, 10**9)  # tells this run's process from all others
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a background job ignores it
    code = f"{heed}; from backends.cvc5_sygus import cvc5_answer; cvc5_answer({ENDLESS!r}, seconds=60, seed={seed})"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", code], env=env, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: running(f'"seed": "{seed}"'))
        time.sleep(0.2)  # past reading the problem, where the end of its input would end it
        parent.send_signal(end)
        assert parent.wait(timeout=20) != 0
    finally:
        parent.kill()
    wait_until(lambda: not running(f'"seed": "{seed}"'))


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
