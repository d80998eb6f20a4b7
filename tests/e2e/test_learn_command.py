"""``distill learn``: a corpus of every kind in, a file of motifs out, and a network searched with it."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import pytest
from checking import checked_here

from dsl.abstraction.files import read_motifs
from tasks.commands.main import main

pytest.importorskip("stitch_core", reason="stitch-core is an extra")
RULE = (
    "def rule(tokens: list[str]) -> str:\n"
    "    return 'yes' if tokens.count('{a}') - tokens.count('{b}') >= {n} else 'no'\n"
)
NETWORKS = ("bracket_depth", "bracket_depth_deep")


@pytest.fixture
def distill(tmp_path, monkeypatch, capsys):
    """Runs ``distill`` in an empty folder: exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A certificate and a result in JSON."""
    folder = tmp_path_factory.mktemp("found")
    common = ("--length", "3", "--backend", "none", "--out")
    for words in (("run", NETWORKS[0], *common, "one.cert"), ("run", NETWORKS[1], "--json", *common, "../two.cert")):
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit):
            main(list(words))
    (folder / "two.json").write_text(out.getvalue())
    return folder


@pytest.fixture
def corpus(tmp_path, found):
    """What was found, two programs by hand, and what is none of these."""
    folder = tmp_path / "corpus"
    shutil.copytree(found, folder)
    rows = []
    for name, a, b, n in (("p.py", "u", "v", 2), ("q.py", "<", ">", 3)):
        (folder / name).write_text(RULE.format(a=a, b=b, n=n))
        rows.append({"program": name, "alphabet": [a, b], "labels": ["no", "yes"]})
    rows.append({"program": "none.py", "alphabet": ["a"], "labels": ["no"]})
    (folder / "corpus.json").write_text(json.dumps(rows))
    (folder / "junk.json").write_text("{")
    (folder / "other.json").write_text("{}")
    return folder


def test_motifs_of_a_corpus_are_learned_and_searched_with(distill, corpus):
    code, out, err = distill("learn", str(corpus), "--out", "m.json")
    assert code == 0
    assert "Learned from 4 programs over 3 alphabets" in out
    assert "tokens.count(" in out
    assert "left out corpus.json: cannot be read" in err
    assert "left out junk.json: cannot be read" in err
    learned = read_motifs(Path("m.json"))
    assert any(motif.body == ("minus", ("count _", "$0"), ("count _", "$1")) for motif in learned.motifs)
    code, out, _ = distill(
        "run", "bracket_depth", "--length", "3", "--backend", "none", "--grammar", "m.json", "--out", "again.cert"
    )
    assert code == 0
    assert "tokens.count('[') - tokens.count(']')" in out
    with checked_here():
        assert distill("check", "again.cert")[0] == 0
    code, out, _ = distill("horizon", "bracket_depth_deep", "--longest", "8", "--grammar", "m.json")
    assert code == 0, out


def test_the_same_program_twice_counts_once(distill, corpus):
    shutil.copytree(corpus, corpus.parent / "twice")
    _, out, _ = distill("learn", str(corpus), "twice", "--out", "m.json")
    assert "Learned from 4 programs over 3 alphabets" in out


def test_costs_follow_use_where_that_is_asked_for(distill, corpus):
    assert distill("learn", str(corpus), "--out", "m.json")[0] == 0
    assert not read_motifs(Path("m.json")).uses
    assert distill("learn", str(corpus), "--out", "m.json", "--costs")[0] == 0
    assert read_motifs(Path("m.json")).uses["Number"]


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("nowhere",), "expected a folder of solved programs, or 'shipped', got 'nowhere'"),
    ((".",), "expected at least 2 solved programs to learn from, got 0"),
    ((".", "--out", "m.txt"), "expected --out to name a file that ends with .json, got m.txt"),
])  # fmt: skip
def test_what_is_no_corpus_is_one_sentence(distill, arguments, sentence):
    code, _, err = distill("learn", *arguments)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1


def test_a_file_of_motifs_that_is_none_is_one_sentence(distill, tmp_path):
    (tmp_path / "m.json").write_text('{"schema": "motifs/9"}')
    for command in ("run", "horizon"):
        code, _, err = distill(command, "quote_closing", "--length", "4", "--grammar", "m.json")
        assert code == 2
        assert "m.json: schema: expected 'motifs/1'; learn again with this version" in err
