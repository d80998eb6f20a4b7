"""The console script on small problems: the words of the usual way, before anything large is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cegis.searchers.peers import REFUTERS, SEARCHERS
from tasks.commands.main import main
from tasks.commands.solve_quickly import OTHERS, printed

SUITE = Path(__file__).parents[2] / "benchmarks" / "sygus_suite" / "files"
SMALL = [
    SUITE / "integers" / "largest_of_three.sl",
    SUITE / "invariants" / "open_and_close.sl",
    SUITE / "hackers_delight" / "p01.sl",
    SUITE / "strings" / "user_of_address.sl",
    SUITE / "motifs" / "latch.sl",
    SUITE / "bitvectors" / "gray_code.sl",
    SUITE / "integers" / "distance.sl",
]
BEYOND = SUITE / "strings" / "greeting.sl"
HEAVY = {"numpy", "pysmt", "click", "rich", "z3", "cvc5", "typing", "dataclasses", "re", "json", "pathlib", "ast"}
SCRIPT = "from tasks.commands.start import script; script()"


def run(*arguments: str, code: str = SCRIPT, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, input=text, check=False)


@pytest.mark.parametrize("file", SMALL, ids=lambda file: file.stem)
def test_both_ways_print_the_same_but_for_the_proof(file, capsys):
    quick = run("solve", str(file))
    with pytest.raises(SystemExit) as ended:
        main(["solve", str(file)])
    usual = capsys.readouterr()
    assert quick.returncode == ended.value.code == 0
    assert [quick.stderr.split(", ")[1], usual.err.split(", ")[-1]] == ["accepted\n", "accepted\n"]
    one, other = quick.stdout.splitlines(), usual.out.splitlines()
    assert one[:1] + one[2:3] == other[:1] + other[2:3] == ["(", ")"]
    assert one[-2].split("; ")[0] == other[-2].split("; ")[0]
    assert one[-1].startswith("Searchers: own found; cvc5 not started; ")
    assert [part.split()[0] for part in one[-1].split("; ")] == [part.split()[0] for part in other[-1].split("; ")]


@pytest.mark.parametrize("file", SMALL, ids=lambda file: file.stem)
def test_both_pages_have_the_same_entries(file, capsys):
    quick = run("solve", str(file), "--json", "--time-limit", "40")
    with pytest.raises(SystemExit):
        main(["solve", str(file), "--json"])
    one, other = json.loads(quick.stdout), json.loads(capsys.readouterr().out)
    assert quick.stdout == json.dumps(one, indent=2) + "\n"
    assert quick.stderr == ""
    assert shape(one) == shape(other)
    assert one["functions"][0]["size"] <= other["functions"][0]["size"]
    for same in ("file", "status", "reason", "notes", "evidence", "searcher"):
        assert one[same] == other[same]


def shape(value: object) -> object:
    """What is in a page: keys, and the kinds of values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if key != "by"}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


def test_who_never_starts_is_named_as_on_the_usual_way():
    assert (*SEARCHERS, *(one.name for one in REFUTERS)) == OTHERS


def test_nothing_large_is_imported():
    asked = "from tasks.commands.solve_quickly import printed; assert printed(sys.argv[1:])"
    names = f"import sys; {asked}; print(*sys.modules)"
    for file in SMALL:
        loaded = run(str(file), code=names)
        assert loaded.returncode == 0, loaded.stderr
        assert not {name.partition(".")[0] for name in loaded.stdout.split()} & HEAVY


OTHER_OPTIONS = ("--backend z3", "--solutions 2", "--time-limit 0", "--time-limit", "--seed -1", "-h", "x")


@pytest.mark.parametrize("options", OTHER_OPTIONS)
def test_other_options_go_the_usual_way(options):
    assert printed([str(SMALL[0]), *options.split()]) is None


def test_a_problem_that_is_not_small_goes_the_usual_way():
    assert printed([str(BEYOND)]) is None
    ended = run("solve", str(BEYOND), "-q")
    assert ended.returncode == 0
    assert "(define-fun" in ended.stdout


def test_a_mistake_is_told_as_ever(tmp_path):
    broken = tmp_path / "broken.sl"
    broken.write_text("(set-logic LIA", encoding="utf-8")
    ended = run("solve", str(broken))
    assert ended.returncode == 2
    assert "broken.sl:1:1: an opening bracket without a closing one" in ended.stderr
    assert run("solve", str(tmp_path / "none.sl")).returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="a pipe by name")
def test_a_pipe_is_read_once():
    ended = run("solve", "/dev/stdin", "-q", text=SMALL[2].read_text(encoding="utf-8"))
    assert ended.returncode == 0
    assert "(define-fun" in ended.stdout


@pytest.mark.skipif(os.name != "posix", reason="a pipe by name")
def test_a_pipe_with_a_name_is_opened_once(tmp_path):
    """Who writes it would end, or wait, at a second reader."""
    pipe = tmp_path / "pipe.sl"
    os.mkfifo(pipe)
    code = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    with subprocess.Popen([sys.executable, "-c", code, str(pipe)], stdin=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        writer.stdin.write(SMALL[2].read_text(encoding="utf-8"))
        writer.stdin.close()
        command = [sys.executable, "-c", SCRIPT, "solve", str(pipe), "-q"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert "(define-fun" in ended.stdout
        assert writer.wait(60) == 0


def test_an_answer_that_cannot_be_written_is_told_as_ever():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-c", SCRIPT, "solve", str(SMALL[2]), "-q"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 2
    assert "cannot write the result" in ended.stderr


def test_other_commands_are_what_they_were():
    assert "bracket_depth" in run("list").stdout
    assert "Usage" in run("solve", "--help").stdout
