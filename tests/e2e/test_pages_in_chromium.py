"""Pages of results in a real browser: they open from the disk, can be used, and execute the network as numpy does."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from average_networks import AB, SIGNS, lead
from browsing import Opened, chromium
from golden_folders import FOLDERS, write
from quick import sliced

from cegis import Domain
from tasks.formats import Loaded, load
from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path
from tasks.networks.model import Question
from tasks.networks.transformer import Activation, Affine, Attention, Norm, Pool, Product, Transformer
from tasks.pipeline.distill import distill
from tasks.proofs.select import listed_domain
from tasks.reports.browser import attention, executable, narrowed
from tasks.reports.page import page
from tasks.reports.subject import Subject, of_distillation

HOSTILE = ("<script>alert('a')</script>", '"><img src=x onerror=alert(2)>', "</script>", "{{ 7*7 }}", "\u202egnirts")


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def saved(folder: Path, subject: Subject) -> Path:
    file = folder / "page.html"
    file.write_text(page(subject), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """``pages(name)``: the page of a shipped circuit."""

    @cache
    def made(name: str) -> Path:
        circuit = load_circuit(shipped_path(name))
        result = distill(circuit, listed_domain(circuit, 4), seconds=20)
        return saved(tmp_path_factory.mktemp(name), of_distillation(result, shipped_path(name), ("distill x",)))

    return made


@pytest.fixture(scope="module")
def opened(browser, pages):
    """Any page, whose script executes networks."""
    return Opened(browser, pages("quote_closing"))


EVERY_PAGE = [(name, width) for name in shipped_names()[::-1] for width in (1400, 400)]


@pytest.mark.parametrize(("name", "width"), sliced(EVERY_PAGE, 5))
def test_a_page_opens_without_error_request_or_overflow(browser, pages, name, width):
    opened = Opened(browser, pages(name), width)
    assert opened.said == []
    assert opened.asked == [pages(name).as_uri()]
    assert opened.overflow <= 0
    assert opened.page.locator("svg.graph .node").count() > 10
    assert opened.page.locator("#patterns .head").count() > 0
    assert pages(name).stat().st_size < 3_000_000
    opened.page.close()


@pytest.mark.parametrize("name", ["bracket_dilution"])
def test_nothing_bars_those_who_do_not_see_or_point(browser, pages, name):
    """By the rules of WCAG that axe can decide: names, roles, contrast, order of headings, language."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    opened = Opened(browser, pages(name), 400)
    opened.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = axe.run(opened.page).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []
    opened.page.close()


@pytest.mark.slow
def test_tables_nodes_and_details_answer_to_the_keyboard(browser, pages):
    page = Opened(browser, pages("quote_closing")).page
    edges = page.locator("summary", has_text="edges")
    edges.focus()
    page.keyboard.press("Enter")
    head = page.get_by_role("columnheader", name="size")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    sizes = page.locator("table", has=page.get_by_text("Edges, with their weights")).locator("tbody td:last-child")
    values = [float(text) for text in sizes.all_text_contents()]
    assert values == sorted(values)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    nodes = page.locator("svg.graph .node")
    nodes.first.focus()
    first = page.locator("#looked").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("#looked").inner_text() != first
    assert nodes.nth(1).evaluate("(node) => node === document.activeElement")
    page.close()


def test_a_sequence_that_is_typed_gets_its_label_and_what_is_none_a_reason(browser, pages):
    page = Opened(browser, pages("quote_closing")).page
    field, said = page.locator("#sequence"), page.locator("#said")
    field.fill('x " y')
    assert page.locator("#answer strong").inner_text() == '"'
    page.get_by_role("button", name="x", exact=True).click()
    assert field.input_value() == 'x " y x'
    field.fill("x z")
    assert "“z” is no token" in said.inner_text()
    assert page.locator("#answer").inner_text() == page.locator("#patterns").inner_text() == ""  # no older answer
    field.fill('x " " y')
    assert "nothing is claimed of it" in page.locator("#answer").inner_text()
    field.fill('" ' + "x " * 7)
    assert "Nothing is claimed of sequences longer than 4." in page.locator("#answer").inner_text()
    field.fill("x " * 40)
    assert "expected 1 to 16 tokens, got 40" in said.inner_text()
    page.close()


def prompts(model: Loaded, seed: int = 0) -> np.ndarray:
    """A few sequences of the domain's longest lengths that a page takes."""
    length = min(model.domain.max_length or 6, 6)
    return np.random.default_rng(seed).integers(0, len(model.domain.alphabet), (4, length)).astype(np.int8)


def executable_folders() -> list[str]:
    return sorted(name for name in FOLDERS if name.startswith(("circuit", "dyck", "gpt2", "lens", "spars", "tracr")))


def executed(opened: Opened, model: Loaded, ids: np.ndarray) -> list[dict]:
    """Logits and patterns of prompts, by the script of a page."""
    script = """([stored, all]) => { const network = circuit.unpacked(stored); return all.map((ids) => {
        const found = circuit.forward(network, ids);
        return {...found, label: circuit.answer(network.readout, found.logits[found.logits.length - 1]).label}; }); }"""
    return opened.page.evaluate(script, [executable(model), ids.tolist()])


@pytest.mark.parametrize("name", executable_folders())
def test_the_page_executes_every_format_as_numpy_does(opened, name, tmp_path):
    model = load(write(name, tmp_path), Question(task="copy" if name == "sparsemax_copy" else None))
    small, _ = narrowed(model, model.network)
    sequences = prompts(small)
    logits, patterns = attention(small, sequences)
    columns = list(small.readout.columns)
    np.testing.assert_array_equal(
        small.logits(sequences)[..., columns], model.logits(sequences)[..., list(model.readout.columns)]
    )
    texts = [small.readout.text(int(label)) for label in small.readout.read(logits[:, -1])[0]]
    for row, one in enumerate(executed(opened, model, small.prompts(sequences))):
        np.testing.assert_allclose(one["logits"], logits[row], rtol=1e-9, atol=1e-9)
        for mine, theirs in zip(patterns, one["patterns"], strict=True):
            np.testing.assert_allclose(theirs, mine[row], rtol=1e-9, atol=1e-9)
        assert one["label"] == texts[row]
    assert opened.said == []


@pytest.mark.parametrize("weighting", ["softmax", "sparsemax", "hard"])
def test_the_page_weighs_as_numpy_does(opened, weighting):
    rng = np.random.default_rng(1)

    def affine(out: int) -> Affine:
        return Affine(rng.normal(size=(out, 4)), rng.normal(size=out))

    sink = np.array([0.5, -1.0]) if weighting == "softmax" else None
    step = Attention((affine(4),), (affine(4),), (affine(6),), 2, 0.7, weighting, False, sink, (1,))
    network = Transformer(
        rng.normal(size=(3, 4)), rng.normal(size=(9, 4)), (step, Affine(rng.normal(size=(2, 6)))), 9, "float64"
    )
    model = Loaded("w", "test", network, ("a", "b", "c"), ("c",), (), Domain(AB, 1, 6), SIGNS)
    sequences = prompts(model)
    logits, patterns = attention(model, sequences)
    found = executed(opened, model, narrowed(model, network)[0].prompts(sequences))
    np.testing.assert_allclose([one["logits"] for one in found], logits, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose([one["patterns"][0] for one in found], patterns[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("act", ["relu", "leaky_relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid"])
@pytest.mark.parametrize("pool", ["sum", "mean", "first", "last", "concat"])
def test_the_page_executes_gates_norms_and_pools_as_numpy_does(opened, act, pool):
    rng = np.random.default_rng(2)
    gate = Product((Affine(rng.normal(size=(6, 4))), Activation(act, 0.1)), (Affine(rng.normal(size=(6, 4))),))
    norm = Norm("layer", rng.normal(size=6), rng.normal(size=6), 1e-3, 2)
    rows = 5 if pool == "concat" else 0
    last = Affine(rng.normal(size=(2, 6 * max(rows, 1))))
    network = Transformer(rng.normal(size=(3, 4)), None, (gate, norm, Pool(pool, rows), last), 5, "float64")
    model = Loaded("w", "test", network, ("a", "b", "c"), ("c",), (), Domain(AB, 4, 4), SIGNS)
    sequences = prompts(model)
    small, _ = narrowed(model, network)
    found = executed(opened, model, small.prompts(sequences))
    np.testing.assert_allclose([one["logits"] for one in found], attention(model, sequences)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("shown", ["executed", "computed before"])
@pytest.mark.parametrize(("pool", "marked"), sliced([("first", [0]), ("mean", []), ("last", [2]), (None, [2])], 3))
def test_the_row_of_an_attention_that_is_read_is_marked(browser, tmp_path, monkeypatch, pool, marked, shown):
    if shown == "computed before":
        monkeypatch.setattr("tasks.reports.browser.MOST_BYTES", 10)
    one = (Affine(np.eye(2)),)
    steps = (Attention(one, one, one, 1, 1.0, "softmax", False), *([Pool(pool)] if pool else []), *one)
    model = Loaded(
        "w", "test", Transformer(np.eye(2), None, steps, 3, "float64"), ("a", "b"), (), (), Domain(AB, 3, 3), SIGNS
    )
    opened = Opened(browser, saved(tmp_path, of_distillation(distill(model, seconds=3))))
    if shown == "executed":
        opened.page.locator("#sequence").fill("a b b")
    rows = opened.page.locator("#patterns tbody tr")
    assert rows.count() == 3
    assert [n for n in range(3) if rows.nth(n).get_attribute("class") == "read"] == marked
    assert opened.said == []
    opened.page.close()


@pytest.mark.slow
def test_a_network_that_is_too_large_shows_sequences_computed_before(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.reports.browser.MOST_BYTES", 10)
    model = lead(6)
    result = distill(model, model.domain.up_to(3), seconds=3)
    opened = Opened(browser, saved(tmp_path, of_distillation(result)))
    assert opened.said == []
    box = opened.page.locator("#example")
    assert box.locator("option").count() > 10
    first = opened.page.locator("#patterns").inner_text()
    box.select_option(index=9)
    assert opened.page.locator("#patterns").inner_text() != first
    assert opened.page.locator("#answer strong").inner_text() in ("yes", "no")
    opened.page.close()


def test_words_of_a_stranger_are_shown_and_never_run(browser, tmp_path):
    """Tokens, labels and a name that would be HTML, script, template or hidden letters, wherever they are shown."""
    rng = np.random.default_rng(0)
    tokens = (*HOSTILE, "<b>")
    network = Transformer(rng.normal(size=(6, 3)), None, (Affine(rng.normal(size=(2, 3))),), 6, "float64")
    readout = type(SIGNS)(HOSTILE[:2], (0, 1))
    model = Loaded(HOSTILE[0], "test", network, tokens, (tokens[5],), (), Domain(tokens[:5], 1, 2), readout)
    result = distill(model, model.domain, seconds=1)
    subject = of_distillation(result, None, (f"distill run '{HOSTILE[0]}'",))
    file = saved(tmp_path, subject)
    opened = Opened(browser, file)
    assert opened.said == []
    assert opened.asked == [file.as_uri()]
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("h1").inner_text() == HOSTILE[0]
    assert "\u202e" not in file.read_text(encoding="utf-8")
    assert "{{ 7*7 }}" in opened.page.locator("body").inner_text()
    assert opened.overflow <= 0
    opened.page.close()
