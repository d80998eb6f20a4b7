"""Claims about the file that names solver programs: what is found where, and that bad entries name file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

import backends
from backends import BackendError
from backends.configuration import VARIABLE, configured

GOOD = '[solvers.mine]\ncommand = ["no-such-solver", "-q"]\nlogics = ["QF_LIA"]\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a current folder without any solvers."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> Path:
    path = tmp_path / "named.toml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_no_file_means_no_programs() -> None:
    assert configured() == {}


def test_the_nearest_file_counts(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".config" / "distill").mkdir(parents=True)
    (home / ".config" / "distill" / "solvers.toml").write_text(GOOD.replace("mine", "at-home"))
    assert list(configured()) == ["at-home"]
    Path("distill-solvers.toml").write_text(GOOD.replace("mine", "here"))
    assert list(configured()) == ["here"]
    named(monkeypatch, tmp_path, GOOD)
    assert list(configured()) == ["mine"]


def test_a_configured_program_is_known_but_never_chosen_for_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named(monkeypatch, tmp_path, GOOD.replace("no-such-solver", "sh"))
    assert backends.names()[-1] == "mine"
    assert backends.get("mine").is_installed()
    assert backends.get("mine") not in backends.available()
    with pytest.raises(BackendError, match=r"unknown backend 'other'; known: z3, .*mine"):
        backends.get("other")


def test_a_missing_program_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = named(monkeypatch, tmp_path, GOOD)
    with pytest.raises(BackendError) as caught:
        backends.get("mine").version()
    assert str(caught.value) == (
        "the solver mine is not installed: there is no program 'no-such-solver'; install it, or correct its command "
        f"in {path}"
    )


def test_all_keys_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = GOOD + (
        'seconds = "(set-option :timeout {milliseconds})"\nseed = "(set-option :random-seed {seed})"\n'
        'options = { arith = true, ":depth" = 3, name = "lex" }\n'
    )
    named(monkeypatch, tmp_path, text.replace("no-such-solver", "bin/solver"))
    program = configured()["mine"]
    assert program.command == (str(tmp_path / "bin" / "solver"), "-q")
    assert program.logics == ("QF_LIA",)
    assert program.options == (("arith", "true"), ("depth", "3"), ("name", "lex"))
    assert program.seconds == "(set-option :timeout {milliseconds})"
    assert program.seed == "(set-option :random-seed {seed})"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[solvers.mine", "cannot be read as TOML"),
        ("[solver.mine]", r"expected tables \[solvers.NAME\], got 'solver'"),
        ("solvers = 3", "got solvers = 3"),
        ("[solvers]\nmine = 3", "solvers.mine: expected a table, got 3"),
        ('[solvers.mine]\nlogics = ["QF_LIA"]', r"solvers.mine.command: expected a list .*, got None"),
        ('[solvers.mine]\ncommand = "z3 -in"', r"solvers.mine.command: expected a list .*, got 'z3 -in'"),
        ("[solvers.mine]\ncommand = []", r"solvers.mine.command: expected a list"),
        ('[solvers.mine]\ncommand = ["z3", 3]', r"solvers.mine.command: expected a list"),
        ('[solvers.mine]\ncommand = ["z3"]', r"solvers.mine.logics: expected a list"),
        ('[solvers.mine]\ncommand = ["z3"]\nlogics = ["LIA!"]', "solvers.mine.logics: unknown logic 'LIA!'"),
        ('[solvers.mine]\ncommand = ["z3"]\nlogics = ["get_logic"]', "unknown logic 'get_logic'"),
        (
            GOOD + "timeout = 3",
            "solvers.mine.timeout: unknown key; known: command, logics, options, seconds, seed, cores",
        ),
        (GOOD + "options = 3", "solvers.mine.options: expected a table"),
        (GOOD + "options = { a = [1] }", "solvers.mine.options.a: expected true, false, a number or one word"),
        (GOOD + 'options = { a = "1) (exit" }', "solvers.mine.options.a: expected true, false"),
        (GOOD + 'options = { a = "1 2" }', "solvers.mine.options.a: expected true, false"),
        (GOOD + 'seconds = "3"', "solvers.mine.seconds: expected a command such as"),
        (GOOD + 'seconds = "(set-option :timeout 3)"', "solvers.mine.seconds: expected a command such as"),
        (GOOD + 'seed = "(set-option :seed {milliseconds})"', "solvers.mine.seed: expected a command such as"),
        (GOOD + 'seed = "(pop {seed})"', "solvers.mine.seed: expected a command such as"),
        (GOOD + "cores = 1", "solvers.mine.cores: expected true or false, got 1"),
        (GOOD.replace("mine", '"my solver"'), "solvers.my solver: expected a name of letters"),
        (GOOD.replace("mine", '"a+b"'), "expected a name of letters"),
        (GOOD.replace("mine", "z3"), "solvers.z3: this name is taken; call it for example z3-2"),
    ],
)
def test_a_malformed_entry_names_file_and_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, sentence: str
) -> None:
    path = named(monkeypatch, tmp_path, text)
    with pytest.raises(BackendError, match=sentence) as caught:
        backends.names()
    assert str(path) in str(caught.value)
    assert backends.get("cvc5") is backends.CVC5  # a shipped solver does not need the file


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone.toml"))
    with pytest.raises(BackendError, match=r"gone\.toml cannot be read"):
        backends.names()
