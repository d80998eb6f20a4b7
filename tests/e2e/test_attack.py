"""The standing attack runs, finds nothing in a few cases, and would notice a false statement or too small a bound."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
ATTACK = ROOT / "tests" / "attack"


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack's files import each other by name, as ``python tests/attack`` does."""
    monkeypatch.syspath_prepend(ATTACK)


@pytest.mark.filterwarnings("default")  # as a command has them
def test_every_part_runs_and_finds_nothing_in_a_few_cases(tmp_path, monkeypatch, capsys):
    sizes = {
        "networks": 4,
        "planted": 1,
        "certificates": 4,
        "programs": 4,
        "kills": 2,
        "distillations": 2,
        "recurrent": 1,
        "pairs": 1,
        "streams": 2,
        "problems": 20,
    }
    options = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    monkeypatch.setattr(sys, "argv", [str(ATTACK), *options, "--keep", str(tmp_path / "kept")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ATTACK), run_name="__main__")
    printed = capsys.readouterr().out
    assert ended.value.code == 0, printed
    for part, size in {**sizes, "writers": sizes["kills"]}.items():
        if part != "kills":
            cases, tried, *_, wrong, _ = re.search(rf"{part} .*", printed)[0].replace("│", " ").split()[1:]
            assert (int(cases), wrong) == (size, "0")
            assert int(tried.replace(",", "")) > 0
    assert not (tmp_path / "kept").exists()


def test_every_format_is_attacked():
    from folders import MAKERS

    from tasks.formats.detect import FORMATS

    assert {known.name.split()[0] for known in FORMATS} == set(MAKERS)


def test_a_case_is_the_same_again():
    import programs

    assert programs.attack(0, 5) == programs.attack(0, 5)
    assert programs.attack(0, 5) != programs.attack(1, 5)


def test_a_bound_that_is_too_small_is_found_and_kept(monkeypatch, tmp_path):
    from campaign import Campaign
    from rich.console import Console

    from tasks.bounds import ball

    monkeypatch.setattr(ball, "gamma", lambda k, u: 0.0 * np.asarray(k, float))
    monkeypatch.setattr(ball, "rounding", lambda depth, size, total, u: 0.0 * size)
    counts = Campaign(0, tmp_path, is_first=True).run({"networks": 20}, Console(quiet=True))
    (index,) = counts["networks"].wrong
    text = (tmp_path / f"networks-0-{index}" / "README.md").read_text()
    assert "is not within" in text
    assert f"python tests/attack --part networks --case {index} --seed 0" in text


@pytest.mark.parametrize(
    ("entry", "false"),
    [
        ({"margin": 1e9}, "the least margin is"), ({"labels": {"valid": 1}}, "the labels are"),
        ({"sequences": 1}, "sequences and"), ({"network": "another"}, "another name"), ({"sha256": {}}, "other files"),
        ({"exceptions": [[["("], None, "a", "b"]]}, "exceptions"),
    ],
)  # fmt: skip
def test_a_false_statement_is_known_to_be_false(entry, false):
    import certificates
    from truth import falsehoods

    kind, found = certificates._valid(0, 0)
    assert kind == "network"
    assert not falsehoods(found.statement, found.files)
    said = falsehoods({**found.statement, **entry}, found.files)
    assert any(false in sentence for sentence in said), said


def test_what_is_planted_breaks_in_real_arithmetic():
    import planted

    for kind in ("diluted", "ratio", "word"):
        breaks = []
        for number in range(5):
            made = planted.plant(np.random.default_rng(number), kind)
            said = planted._label_of(planted.formula_of(made), made, made.words)
            breaks.append(said in ("yes", "no") and said != planted._answer(made, made.words))
        assert sum(breaks) >= 4, kind


def test_some_networks_of_numbers_go_wrong_only_beyond_the_streams_that_are_all_run():
    import streams
    from trial import random_of

    late = [streams.Known(streams.made(random_of("streams", 0, index), "late")) for index in (3, 5, 7, 11, 13, 15)]
    firsts = [min((t for t, near in known.margins.items() if near < 0), default=0) for known in late]
    assert sum(first > 11 for first in firsts) >= 2, firsts


def test_the_text_of_every_mutant_stands_exactly_once():
    from mutants import every_mutant

    every = every_mutant()
    assert len({mutant.name for mutant in every}) == len(every) >= 14
    for mutant in every:
        assert (ROOT / mutant.file).read_text().count(mutant.old) == 1, mutant.name
        assert mutant.new != mutant.old


def test_a_distillation_that_compares_too_little_is_found(monkeypatch):
    from campaign import run_case

    from cegis import Valid
    from tasks.pipeline.labels import LabelTable

    always = lambda table, program: Valid((table._claim(0.0),))  # noqa: E731
    monkeypatch.setattr(LabelTable, "check", always)
    wrong = [sentence for index in (2, 3, 13, 17) for sentence in run_case(("distillations", 3, index))[1].wrong]
    assert any(sentence.startswith("claimed at ") for sentence in wrong)
    assert any("exceptions, 0 are listed" in sentence for sentence in wrong)
