"""Certificates of recurrent networks at every length: true as made, refused with anything that matters changed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusing import refused_if
from state_networks import always, asked, drift, latch, machine, numbers_asked, random_cells, running_sum

from cegis.certificate import Certificate
from tasks.certificates.independent import _question, attest_all_lengths
from tasks.checker.evidence import NETWORK, PROGRAM, check, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.formats import Loaded, load, save_folder
from tasks.networks.transformer import Affine
from tasks.proofs import closed_boxes, orbits

LETTERS = ("0", "1", "-")
LAST = machine(((0, 0), (1, 1), (0, 1)), (1, 0), LETTERS)
ENTRIES = ("kind", "format", "alphabet", "lengths", "automaton", "prefix", "suffix", "readout", "semantics",
           "directions", "least_margin", "states")  # fmt: skip
Parts = tuple[dict[str, Any], dict[str, bytes]]


@pytest.fixture(scope="module")
def orbit(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """Question and files of a small GRU on 11*."""
    model = asked(random_cells(np.random.default_rng(3), "gru", layers=2), "11*")
    for label in ("accept", "reject"):
        made = attest(model, always(label), tmp_path_factory.mktemp("gru") / "n")
        if isinstance(made, Certificate):
            return asked_of(made)
    raise AssertionError(made)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """Question and files of a latch on every word."""
    made = attest(asked(latch(), None, LETTERS), LAST, tmp_path_factory.mktemp("latch") / "n")
    assert isinstance(made, Certificate), made
    return asked_of(made)


def attest(model: Loaded, program: Any, folder: Path) -> Certificate | str:
    save_folder(model, folder)
    return attest_all_lengths(load(folder), folder, program)


def asked_of(made: Certificate) -> Parts:
    return {name: made.statement[name] for name in ENTRIES if name in made.statement}, dict(made.files)


def test_what_is_made_is_found_true_again(orbit: Parts, boxes: Parts, tmp_path: Path) -> None:
    for n, (given, files) in enumerate((orbit, boxes)):
        found = establish(given, files)
        assert found["lengths"] == [1, None]
        assert "every length from 1 on" in found["claim"]
        Certificate(found, files).save(tmp_path / str(n))
        assert check(tmp_path / str(n)) == found
    assert boxes[0]["semantics"] == "float32"


def said(text: str) -> Any:
    def change(asked: dict[str, Any], files: dict[str, bytes]) -> None:
        files[PROGRAM] = (
            files[PROGRAM].replace(b"'accept'", b"'x'").replace(b"'reject'", b"'accept'").replace(b"'x'", text.encode())
        )

    return change


def states(edit: Any) -> Any:
    def change(asked: dict[str, Any], files: dict[str, bytes]) -> None:
        edit(asked["states"][0])

    return change


def test_a_program_that_says_another_label_is_refused(orbit: Parts, boxes: Parts) -> None:
    assert refused_if(orbit, said("'reject'"))
    assert refused_if(boxes, said("'reject'"))


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: one.update(radii=[r / 64 for r in one["radii"]]),
        lambda one: one.update(radii=[r * 2.0**12 for r in one["radii"]]),
        lambda one: one.update(center=[c + 0.01 for c in one["center"]]),
        lambda one: one.update(turns=0),
        lambda one: one.update(turns=-1),
        lambda one: one.update(word=["0"]),
        lambda one: one.update(turn=["0"]),
        lambda one: one.update(turn=[]),
        lambda one: one.update(axes=[[0] * len(row) for row in one["axes"]]),
        lambda one: one["axes"].reverse(),
        lambda one: one.update(sizes=[2] * len(one["sizes"])),
        lambda one: one.update(bits=64),
        lambda one: one.update(radii=[float("nan")] * len(one["radii"])),
        lambda one: one.update(radii=[-r for r in one["radii"]]),
        lambda one: one.pop("bits"),
    ],
)
def test_another_set_is_refused(orbit: Parts, edit: Any) -> None:
    assert refused_if(orbit, states(edit))


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: one.update(radii=[0.01 for _ in one["radii"]]),
        lambda one: one.update(radii=[8.0 for _ in one["radii"]]),
        lambda one: one.update(center=[c + 0.5 for c in one["center"]]),
        lambda one: one.update(next=[-1, *one["next"][1:]]),
        lambda one: one.update(next=[0] * len(one["next"])),
        lambda one: one.update(next=[99, *one["next"][1:]]),
        lambda one: one.update(radii=[float("inf") for _ in one["radii"]]),
    ],
)
def test_other_boxes_are_refused(boxes: Parts, edit: Any) -> None:
    assert refused_if(boxes, states(edit))


def test_missing_or_foreign_sets_are_refused(orbit: Parts, boxes: Parts) -> None:
    for parts, other in ((orbit, boxes), (boxes, orbit)):
        assert refused_if(parts, lambda asked, files, other=other: asked.update(states=other[0]["states"]))
        assert refused_if(parts, lambda asked, files: asked.update(states=[]))
        assert refused_if(parts, lambda asked, files: asked.pop("states"))
        assert refused_if(parts, lambda asked, files: asked.update(kind="all_lengths"))
    assert refused_if(orbit, lambda asked, files: asked.update(semantics="float64"))
    assert refused_if(orbit, lambda asked, files: asked.update(kind="boxes"))


def test_evidence_of_a_network_shows_nothing_of_another(orbit: Parts, boxes: Parts, tmp_path: Path) -> None:
    """One weight in the last place is within the room; a weight that moves the states is not."""
    other = asked(latch(0.5), None, LETTERS)
    folder = save_folder(other, tmp_path / "other")
    stored = {NETWORK + path.name: path.read_bytes() for path in folder.iterdir()}
    assert refused_if(boxes, lambda asked, files: files.update(stored))
    model = asked(random_cells(np.random.default_rng(4), "gru", layers=2), "11*")
    folder = save_folder(model, tmp_path / "gru")
    stored = {NETWORK + path.name: path.read_bytes() for path in folder.iterdir()}
    assert refused_if(orbit, lambda asked, files: files.update(stored))


def handmade(transition: Affine, start: float, folder: Path, **entries: Any) -> dict[str, Any]:
    """What the checker says of a number that tokens move, accepted from -1/2 on, on 11*, with a set of one's own."""
    answer = Affine(np.array([[1.0], [-1.0]]), np.array([0.5, -0.5]))
    model = asked(replace(drift(0.0, start), transition=(transition,), output=(answer,)), "11*")
    save_folder(model, folder)
    given = _question("orbits", load(folder), replace(model.domain, max_length=None), "real")
    one = {"word": ["1"], "turn": ["1"], "turns": 0, "bits": 128, "center": [0.0], "axes": [[2**24]], "sizes": [1]}
    files = {NETWORK + path.name: path.read_bytes() for path in folder.iterdir()}
    text = b"def program(tokens):\n    return 'accept'\n"
    return establish(given | {"states": [one | {"radii": [0.25]} | entries]}, {PROGRAM: text, **files})


def test_each_condition_on_a_set_is_needed(tmp_path: Path) -> None:
    shrinks, grows = (Affine(np.array([[factor, 0.0, 0.0]])) for factor in (0.5, 1.0625))
    assert handmade(shrinks, 0.125, tmp_path / "n")["lengths"] == [1, None]
    for transition, start, entries, reason in (
        (grows, 0.125, {}, "out of itself"),
        (shrinks, 2.0, {}, "not in the set"),
        (shrinks, 0.125, {"radii": [2.0]}, "label"),
        (shrinks, 0.125, {"word": ["0"], "turn": ["0"]}, "no sequences of the domain"),
        (shrinks, 0.125, {"word": [], "turn": ["0"]}, "no sequences of the domain"),
    ):
        with pytest.raises((Rejected, UnreadableError), match=reason):
            handmade(transition, start, tmp_path / "n", **entries)


def test_a_word_after_which_nothing_comes_is_compared(tmp_path: Path) -> None:
    network = replace(latch(), start=np.array([1.0]))
    given, files = asked_of(attest(asked(network, "11*", LETTERS), always("accept", LETTERS), tmp_path / "n"))
    more = asked(network, "0|11*", LETTERS).domain.constraint
    automaton = {"transitions": [*map(list, more.transitions)], "accepting": [*more.accepting]}
    text = json.loads(files[NETWORK + "network.json"])
    text["domain"]["constraint"] = None
    files[NETWORK + "network.json"] = json.dumps(text).encode()
    assert establish(given, files)["lengths"] == [1, None]
    with pytest.raises(Rejected, match="sequence of length 1 has the label 'reject'"):
        establish(given | {"automaton": automaton}, files)


@pytest.mark.slow
def test_a_late_change_has_no_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_boxes, "MOST_ROUNDS", 300)
    monkeypatch.setattr(orbits, "MOST_TOKENS", 2_000)
    assert isinstance(attest(asked(drift(2.0**-8), "11*"), always("reject"), tmp_path / "n"), str)


SUM = b"""def program(tokens):
    total = 0
    for token in tokens:
        total = total + int(token)
    return total
"""
LAST_TWO = (
    b"def program(tokens):\n    a, b = 0, 0\n    for token in tokens:\n        a, b = int(token), a\n    return a + b\n"
)


def affine(network: Any, program: bytes, longest: int | None, folder: Path) -> dict[str, Any]:
    save_folder(numbers_asked(network), folder)
    model = load(folder)
    files = {NETWORK + path.name: path.read_bytes() for path in folder.iterdir()} | {PROGRAM: program}
    return establish(_question("affine", model, replace(model.domain, min_length=1, max_length=longest), "real"), files)


def test_sums_are_compared_exactly_at_every_length(tmp_path: Path) -> None:
    found = affine(running_sum(), SUM, 400, tmp_path / "sum")
    assert found["margin"] == pytest.approx(0.5, abs=1e-4)
    same = affine(running_sum(), SUM, None, tmp_path / "sum")  # the two are one number apart, whatever comes
    assert (same["lengths"], same["margin"]) == ([1, None], found["margin"])
    with pytest.raises(Rejected, match="no bound"):
        affine(running_sum(1.0 + 2.0**-20), SUM, None, tmp_path / "off")  # no power of the two is small
    last = affine(running_sum(leak=0.0), SUM.replace(b"total + int", b"int"), None, tmp_path / "last")
    assert last["lengths"] == [1, None]


def test_a_sum_that_is_off_breaks_at_its_exact_length(tmp_path: Path) -> None:
    network = running_sum(1.0 + 2.0**-8)  # 3 n 2**-8 reaches a half at n = 43
    assert affine(network, SUM, 42, tmp_path / "n")["inputs"] == sum(n * 4**n for n in range(1, 43))
    for longest in (43, 44, None):
        with pytest.raises(Rejected, match="sequence of 43 letters"):
            affine(network, SUM, longest, tmp_path / "n")


@pytest.mark.parametrize(
    "program",
    [
        SUM.replace(b"total = 0", b"total = 1"),
        SUM.replace(b"+ int", b"- int"),
        SUM.replace(b"return total", b"return total + 1"),
        SUM.replace(b"return total", b"return 2 * total"),
        LAST_TWO,
        b"def program(tokens):\n    return int(tokens[-1])\n",
        SUM.replace(b"total + int(token)", b"total * int(token)"),
        SUM.replace(b"total + int(token)", b"(total + int(token)) % 7"),
        SUM.replace(b"in tokens", b"in tokens[1:]"),
    ],
)
def test_another_program_is_no_sum(program: bytes, tmp_path: Path) -> None:
    with pytest.raises(Rejected):
        affine(running_sum(), program, 3, tmp_path / "n")


def test_what_comes_later_counts_at_every_length(tmp_path: Path) -> None:
    nothing = SUM.replace(b"total + int(token)", b"0 * total")
    with pytest.raises(Rejected, match="sequence of 7 letters"):  # 3/20 (1 + 3/4 + 9/16 + ...) passes a half there
        affine(running_sum(0.05, 0.75), nothing, None, tmp_path / "n")
    assert affine(running_sum(0.04, 0.75), nothing, None, tmp_path / "n")["margin"] < 0.03
