"""What ``explain`` says of a network: facts that can be checked by hand, open counts kept apart, and time that ends."""

import json
import time
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from average_networks import average, lead

from tasks.formats import Question
from tasks.formats.blackbox import from_callable
from tasks.formats.circuit_folder import load_circuit, shipped_path
from tasks.formats.sparse import from_circuit
from tasks.networks.altered import altered, bfloat16, float16, pruned, quantised
from tasks.networks.parts import edges
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Affine
from tasks.pipeline import explain as pipeline
from tasks.pipeline.explain import explain
from tasks.pipeline.explain_report import explanation_json, sentences, tables, verdict
from tasks.proofs.enumeration import LateError

SCHEMA = Path(__file__).parents[4] / "docs" / "explanation.schema.json"


def quotes(longest=6):
    model = from_circuit(load_circuit(shipped_path("quote_closing")))
    return explain(model, model.domain.up_to(longest), seconds=60)


def effects(ablated):
    return {one.part.name: one.effect for one in ablated}


@pytest.mark.slow
def test_of_the_quotes_the_one_residual_node_is_all_and_the_contents_are_nothing():
    found = quotes()
    nodes = effects(found.nodes)
    half = found.labels.size // 2  # without it one quote is always answered
    for name in ("0.attn.resid_delta:11", "final_resid:11"):
        assert (nodes[name].changed, nodes[name].undecided, len(nodes[name].first.inputs[0])) == (half, 0, 1)
    invariant = {one.words: one for one in found.invariances}
    for words in ("'x' and 'y' exchanged", "'x' read as 'y'", "one 'x' left out", "other order"):
        assert invariant[words].effect.is_none
    both = invariant["\"'\" and '\"' exchanged"].effect
    assert (both.changed, both.compared) == (found.labels.size, found.labels.size)
    assert found.is_whole
    assert {part.name for part in found.redundant} >= {"0.attn.act_in:6", "0.attn.act_in:6 -> 0.attn.k:31"}
    assert not found.together.is_none  # each is redundant alone: together they are not
    assert [one.effect.is_none for one in found.robustness if one.kind == "rounded"] == [True, True]
    assert 1e-3 < found.tolerance.spread < 0.5


def test_text_and_json_say_the_same_and_follow_the_schema():
    found = quotes(4)
    value = explanation_json(found)
    jsonschema.validate(json.loads(json.dumps(value)), json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert value["sentence"] == verdict(found) == sentences(found)[0]
    assert f"{len(found.redundant)} change none (proved)" in verdict(found)
    assert [table.title.split(",")[0] for table in tables(found)] == [
        "Nodes",
        "Edges",
        "Sequences that are changed",
        "Weights that are changed",
    ]
    assert "within 1 ± 0.0" in "\n".join(sentences(found))
    assert tables(found)[0].rows[0][1] == f"{found.labels.size // 2:,}"


def test_a_notebook_shows_a_table_and_a_line_is_short():
    found = quotes(3)
    said = f"length 1 to 3 (exactly one quote): 25 parts, {len(found.redundant)} redundant"
    assert repr(found) == f"Explanation('quote_closing', {said})"
    assert (
        "<td style=text-align:left>0.attn.resid_delta:11</td><td style=text-align:left>17</td>" in found._repr_html_()
    )


def test_a_tie_is_open_and_never_without_effect():
    found = explain(lead(3, -0.5), seconds=30, ablation="zero")
    head = effects(found.nodes)["attention 0:0"]  # both logits become zero
    assert (head.changed, head.undecided, head.is_none) == (0, head.compared, False)
    assert head.words == f"0 to {head.compared:,}"
    assert not found.is_whole
    assert "attention 0:0" not in {part.name for part in found.redundant}
    assert "may change some (labels are left open)" in verdict(found)


def test_labels_below_the_least_margin_are_not_compared():
    loaded = lead(3)
    every, few = (explain(loaded, seconds=30, margin=margin) for margin in (0.0, 0.9))
    assert every.nodes[0].effect.compared == loaded.domain.size()
    assert few.nodes[0].effect.compared == few.labels.size < loaded.domain.size()


def test_where_one_label_alone_occurs_that_is_said():
    assert "but every input has the same label, 'yes'" in verdict(explain(average((1.0, 1.0, 3.0), 3), seconds=30))
    assert "same label" not in verdict(explain(lead(3), seconds=30))


def test_the_mean_and_zero_take_the_place_of_a_part_as_asked():
    loaded = average((1.0, -1.0, 3.0), 3)  # mostly yes, as the start says
    mean, zero = (explain(loaded, seconds=30, ablation=how) for how in ("mean", "zero"))
    assert effects(mean.nodes)["attention 0:0"].undecided == 0
    assert effects(zero.nodes)["attention 0:0"].undecided > 0
    assert mean.ablation == "its mean over the rows of the prompts of this domain, in float32"
    assert zero.ablation == "zero"


@pytest.mark.slow
def test_a_circuit_s_node_may_become_zero_instead_of_its_mean():
    model = from_circuit(load_circuit(shipped_path("quote_closing")))
    domain = model.domain.up_to(4)
    found = explain(model, domain, ablation="zero", with_edges=False, seconds=60)
    assert found.not_applied["edges"] == "none was asked for"
    assert effects(found.nodes) != effects(explain(model, domain, with_edges=False, seconds=60).nodes)


def test_the_end_of_the_time_leaves_parts_unlooked_at_and_says_so(monkeypatch):
    calls = []

    def slow(*arguments, **named):
        calls.append(arguments)
        if len(calls) > 25:
            raise LateError
        return whole(*arguments, **named)

    whole = pipeline.effect
    monkeypatch.setattr(pipeline, "effect", slow)
    found = quotes(3)
    late = [one for one in (*found.nodes, *found.edges) if one.effect is None]
    assert len(late) == len(found.nodes) + len(found.edges) - (25 - len(found.robustness))
    assert found.ended == "the time is up"
    assert not found.is_whole
    assert f"{len(late)} were not looked at" in verdict(found)
    assert not {one.part for one in late} & set(found.redundant)
    assert ["not looked at" in row for row in tables(found)[0].rows].count(True) == sum(
        one.effect is None for one in found.nodes
    )


def test_an_interrupt_keeps_what_is_known(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "without", interrupted)
    found = quotes(3)
    assert found.ended == "interrupted"
    assert all(one.effect is None for one in found.nodes)
    assert all(one.effect is not None for one in found.robustness)
    assert found.tolerance.spread is not None


@pytest.mark.slow
def test_a_time_limit_holds_and_shortens_the_domain_where_none_is_named():
    model = from_circuit(load_circuit(shipped_path("variable_type")))
    start = time.perf_counter()
    found = explain(model, seconds=1.5)
    assert time.perf_counter() - start < 1.5 * 1.1 + 2
    assert found.labels.domain.max_length < 10


def test_a_black_box_has_no_parts():
    box = from_callable(
        lambda ids: np.ones((len(ids), 2)) * [1.0, 0.0],
        vocabulary=("a", "b"),
        outputs=("x", "y"),
        longest=3,
        question=Question(lengths=(1, 3)),
    )
    with pytest.raises(NetworkError, match="no parts that could be taken away"):
        explain(box, seconds=5)


def test_too_many_weights_of_a_network_that_is_no_circuit_are_no_edges():
    loaded, wide = lead(3), np.ones((50, 50))
    more = (Affine(np.ones((50, 1))), Affine(wide), Affine(np.ones((2, 50))))
    network = replace(loaded.network, steps=(loaded.network.steps[0], *more))
    assert edges(network, loaded.readout).startswith("2,65")
    assert len(edges(loaded.network, loaded.readout)) < 10


# --- other weights --------------------------------------------------------------------------------------------------


def test_bfloat16_and_float16_are_rounded_as_torch_rounds_them():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    wide = torch.from_numpy(values)
    for ours, theirs in ((bfloat16, torch.bfloat16), (float16, torch.float16)):
        assert (ours(values.astype(np.float64)) == wide.to(theirs).double().numpy()).all()


def test_quantised_weights_are_few_levels_and_the_largest_stays():
    values = np.random.default_rng(1).normal(size=(20, 20))
    for bits in (2, 4, 8):
        found = quantised(bits)(values)
        assert len(np.unique(found)) <= 2**bits - 1
        assert np.abs(found).max() == pytest.approx(np.abs(values).max())
        assert np.abs(found - values).max() <= np.abs(values).max() / (2 ** (bits - 1) - 1) / 2 * (1 + 1e-9)


def test_the_smallest_weights_are_pruned_and_no_others():
    network = from_circuit(load_circuit(shipped_path("quote_closing"))).network
    other = altered(network, pruned(network, 0.5))
    before, after = (np.concatenate([a.ravel() for a in n.arrays() if a.ndim == 2]) for n in (network, other))
    gone = (before != 0) & (after == 0)
    assert gone.sum() == pytest.approx(0.5 * (before != 0).sum(), abs=2)
    assert np.abs(before[gone]).max() <= np.abs(after[after != 0]).min()
    assert (after[after != 0] == before[after != 0]).all()


def test_a_weight_that_half_precision_cannot_hold_is_told():
    loaded = average((1.0, -1.0, -0.5), 3)
    network = replace(loaded.network, tokens=loaded.network.tokens * 1e6)
    found = explain(replace(loaded, network=network), seconds=30)
    assert isinstance(found.robustness[0].effect, str)
    assert "NaN or infinity" in found.robustness[0].effect
    assert explanation_json(found)["robustness"][0]["reason"] == found.robustness[0].effect
