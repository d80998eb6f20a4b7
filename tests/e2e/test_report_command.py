"""``distill report``: from a network, a result in JSON, and a certificate; what is wrong with them is one sentence."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from counted_circuits import DILUTED, program, shipped

from cegis.certificate import Certificate
from tasks.certificates.independent import attest_all_lengths
from tasks.commands.main import main
from tasks.formats.circuit_folder import shipped_path
from tasks.reports import needs


class Read(HTMLParser):
    """The words of a page and the addresses it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attributes if name in ("src", "href") and value is not None]


def words(path: str | Path) -> str:
    return " ".join(" ".join(Read(Path(path).read_text(encoding="utf-8")).words).split())


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


def test_a_network_is_run_and_everything_is_written_beside_the_page(distill, tmp_path):
    beside = ("--svg", "--dot", "--png", "--latex", "--markdown")
    code, out, _ = distill("report", "quote_closing", "--length", "5", "--out", "q.html", *beside)
    assert code == 0
    assert out.split() == ["q.html", "q.svg", "q.dot", "q.png", "q.pdf", "q.tex", "q.md"]
    text = words("q.html")
    assert "PROVED (rung enumerated): this function equals circuit quote_closing" in text
    assert 'The answer is "\'" if "\'" occurs, and \'"\' if not.' in text
    assert "distill run quote_closing --length 5 --seed 0 --out proof.cert" in text
    assert "0.attn.resid_delta 11" in text
    assert all(link.startswith("#") for link in Read(Path("q.html").read_text(encoding="utf-8")).links)
    assert (tmp_path / "q.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "q.pdf").read_bytes().startswith(b"%PDF")
    assert "PROVED" in (tmp_path / "q.tex").read_text()


def test_a_result_in_json_is_repeated_as_such(distill, tmp_path):
    _, out, _ = distill("run", "bracket_dilution", "--length", "4", "--backend", "none", "--json", "--out", "b.cert")
    (tmp_path / "b.json").write_text(out)
    code, _, _ = distill("report", "b.json", "--out", "b.html")
    text = words("b.html")
    assert code == 0
    assert "This repeats what b.json states; nothing of it was proved or checked again here." in text
    assert json.loads(out)["sentence"] in text
    assert "stated, not checked here" in text
    assert "established" not in text.replace("not established", "").replace("What is established", "")
    assert "least margin of each length" in Path("b.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_certificate_is_checked_first(distill, tmp_path):
    distill("run", "bracket_depth", "--length", "3", "--backend", "none", "--out", "d.cert", "--json")
    assert distill("report", "d.cert", "--out", "d.html")[0] == 0
    assert "The certificate d.cert was checked when this was written: it holds." in words("d.html")
    assert distill("report", "d.cert", "--no-check", "--out", "n.html")[0] == 0
    assert "This repeats what d.cert states; nothing of it was proved" in words("n.html")


@pytest.mark.slow
def test_a_certificate_for_every_length_knows_all_that_are_shown(distill):
    circuit = shipped("quote_closing")
    certificate = attest_all_lengths(circuit, shipped_path("quote_closing"), program(circuit, DILUTED))
    assert isinstance(certificate, Certificate)
    certificate.save("q.cert")
    assert distill("report", "q.cert", "--out", "q.html")[0] == 0
    text = words("q.html")
    assert "lengths 1 and longer, without end" in text
    assert "equal, each looked at" in text
    assert "not known" not in text


def test_a_certificate_that_does_not_hold_says_so_on_the_page(distill, tmp_path):
    distill("run", "quote_closing", "--length", "3", "--backend", "none", "--out", "d.cert", "--json")
    found = Certificate.load("d.cert")
    text = found.files["program.py"].decode().replace(" in tokens", " not in tokens")
    assert text != found.files["program.py"].decode()
    Certificate(found.statement, {**found.files, "program.py": text.encode()}).save("bad.cert")
    code, _, _ = distill("report", "bad.cert", "--out", "bad.html")
    assert code == 1
    assert "it does NOT hold, so nothing that it states is to be believed" in words("bad.html")
    shutil.rmtree("bad.cert")


def test_a_result_whose_network_is_not_at_hand_says_so_until_it_is_named(distill, tmp_path):
    _, out, _ = distill("run", "quote_closing", "--length", "4", "--backend", "none", "--json", "--out", "q.cert")
    shutil.rmtree("q.cert")
    (tmp_path / "q.json").write_text(json.dumps(json.loads(out) | {"network": "mine"}))
    distill("report", "q.json", "--out", "q.html")
    assert "The network itself was not at hand" in words("q.html")
    assert "What it attends to" not in words("q.html")
    distill("report", "q.json", "--out", "q.html", "--network", str(shipped_path("quote_closing")))
    assert "The network itself was not at hand" not in words("q.html")
    assert "What it attends to" in words("q.html")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected what distill run --json prints, cannot read it"),
        ("[]", "of the schema distillation/1, got 'list'"),
        ('{"schema": "distillation/9"}', "got 'distillation/9'"),
        ('{"schema": "distillation/1"}', "its entry"),
    ],
)
def test_what_is_no_result_is_refused_in_one_sentence(distill, tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    code, _, err = distill("report", "x.json", "--out", "x.html")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))


def test_what_is_missing_is_named_with_how_to_install_it(distill, monkeypatch, tmp_path):
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "vl_convert" else object())
    code, _, err = distill("report", "quote_closing", "--out", "q.html")
    assert code == 2
    assert "made with vl-convert-python, which is not installed" in err
    assert 'pip install "symbolic-circuit-distillation[report]"' in err
    assert not list(tmp_path.iterdir())


def test_a_page_that_cannot_be_written_is_refused_before_any_work(distill):
    code, out, err = distill("report", "quote_closing", "--out", "no/such/folder/q.html")
    assert code == 2
    assert out == ""
    assert "cannot write" in err
