"""The suite "adders": networks proved on all pairs, networks with a pair that fails, and the page."""

import json

import pytest

from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.reports import adders_page
from benchmarks.suites import adders
from tasks import save_folder
from tasks.formats.operands import as_fields
from tests.support.adding_networks import SUM, adding, every_margin


def place(folder, network, **said):
    save_folder(network, folder)
    said = {"input": {"operands": as_fields(network.operands)}, **said}
    (folder / "case.json").write_text(json.dumps(said))


def run(task):
    told: dict[str, object] = {}
    adders.work(task, lambda **found: told.update(found))
    return told


def test_a_network_is_proved_on_all_pairs_and_its_certificate_checked(tmp_path):
    claimed = {"architecture": {"params": 57}, "measured": {"claimed_by_authors": "100%"}}
    place(tmp_path / "few" / "right", adding(2, 3), **claimed)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "case.json").write_text("{}")
    (task,) = adders.plan(tmp_path, 120.0, 4096, 0)
    assert task.problem == "few/right"
    found = run(task)
    assert (found["status"], found["wrong"], found["checked"]) == ("solved", 0, 81), found
    detail = found["detail"]
    assert (detail["parameters"], detail["claimed"], detail["pairs"]) == (57, "100%", "81")
    assert (detail["expression"], detail["proved"]) == ("a + b", True)
    assert detail["margin"] > 0
    assert isinstance(detail["check"], float), detail
    assert "float32 as executed" in detail["certified"]


def test_a_network_that_is_wrong_on_a_pair_gets_that_pair(tmp_path):
    network = adding(2, 3, noise=0.03, seed=8)
    place(tmp_path / "wrong", network)
    (task,) = adders.plan(tmp_path, 120.0, 4096, 0, ("wrong",))
    found = run(task)
    detail = found["detail"]
    assert (found["status"], detail["proved"]) == ("solved", False)
    assert detail["measured"] == {"all": [(every_margin(network, SUM) < 0).sum(), 81]} == {"all": [4, 81]}
    assert detail["given"] != detail["right"] == str(sum(map(int, detail["pair"])))
    assert "check" not in detail
    assert found["checked"] == 0


def test_nothing_to_ask_is_a_sentence(tmp_path):
    with pytest.raises(BenchmarkError, match="expected networks that calculate"):
        adders.plan(None, 30.0, 4096, 0)
    with pytest.raises(BenchmarkError, match="describes two numbers in a prompt, found none"):
        adders.plan(tmp_path, 30.0, 4096, 0)


def test_a_folder_that_no_loader_reads_is_a_row(tmp_path):
    (tmp_path / "case.json").write_text(json.dumps({"input": {"operands": {"digits": 2}}}))
    (task,) = adders.plan(tmp_path, 30.0, 4096, 0)
    found = run(task)
    assert (found["status"], found["detail"]["parameters"]) == ("unsupported", None)
    assert found["reason"]


def row(problem, status, **more):
    return Row(
        key=problem, suite="adders", problem=problem, backend="ours", solver="ours", seed=0,
        options={}, timelimit=20.0, memlimit=None, status=status, terminationreason="", cputime=2.0,
        walltime=2.0, memory=1, load=0.0, starttime="", versions={}, machine="m", commit="c", source="s",
        **{"reason": "", "seconds": 1.0, **more},
    )  # fmt: skip


def test_the_page_says_proved_only_of_what_is_proved():
    proved = {
        "parameters": 57, "claimed": "100%", "pairs": str(10**20), "expression": "a + b", "proved": True,
        "measured": {"random": [0, 5000], "round": [0, 4000]},
        "arithmetic": "real", "margin": 0.25, "check": 30.0, "certified": "weaker", "verdict": "Proved.",
    }  # fmt: skip
    fails = proved | {
        "proved": False, "pair": ["0", "9"], "right": "9", "given": None, "verdict": "NOT EQUAL.",
        "check": None, "certified": None,
    }  # fmt: skip
    rows = [
        row("one", "solved", detail=proved), row("two", "solved", detail=fails), row("four", "timeout", seconds=None,
        detail={"parameters": 3}), row("three", "unsolved", reason="NOT DECIDED.", detail=proved | {"proved": False}),
        row("five", "solved", detail=proved | {"check": "too little time", "certified": None}),
    ]  # fmt: skip
    blocks = adders_page.report(rows)
    text = "\n".join(str(block) for block in blocks)
    assert "Of 5 networks: 2 proved on all pairs, 1 with a pair that fails, 2 not decided." in text
    lines = {line[0]: line for block in blocks for line in getattr(block, "body", ())}
    assert lines["one"][1:] == (
        [
            "57",
            "a + b",
            "10^20",
            "100%",
            "0 of 5,000 random, 0 of 4,000 round",
            "proved",
            "none",
            "real",
            "0.25",
            "1",
            "30",
        ]
    ), lines["one"]
    assert lines["two"][6:10] == ["0, 9: no number, not 9", "at least 1 (not counted)", "real", "–"]
    assert lines["three"][6] == "not decided"
    assert lines["four"][6] == "timeout"
    assert lines["five"][-1] == "no certificate"
    for ends, shown in {
        ("1078", "1078"): "1,078", ("0", "5"): "1 to 5", ("7", str(10**20)): "7 to all",
        ("1078000000000001", "5" * 20): "1,078,000,000,000,001 to 55,555,555,555,555,555,555",
    }.items():  # fmt: skip
        (line,) = (adders_page._line(row("two", "solved", detail=fails | {"fail": [*ends]})),)
        assert line[7] == shown
    assert "The certificate holds in weaker only." in text
    assert "No certificate: too little time." in text
    with pytest.raises(BenchmarkError, match="no rows"):
        adders_page.report([])


@pytest.mark.parametrize(("size", "shown"), [(10**20, "10^20"), (81, "81"), (10**6, "1,000,000"), (7**30, "2.3e+25")])
def test_pairs_are_counted_shortly(size, shown):
    assert adders_page._pairs(str(size)) == shown
