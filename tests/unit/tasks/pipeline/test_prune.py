"""Pruning finds what was planted, goes on where it was interrupted, and says only what holds on every sequence."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from planted_networks import PLANTED, PLANTED_EDGES, lead_model, odd
from quick import sliced

from cegis import Domain
from tasks.commands.main import distill
from tasks.commands.main import main as command
from tasks.formats import from_callable, load, save_folder
from tasks.formats.circuit_folder import load_circuit, save_circuit, shipped_path
from tasks.networks import sites
from tasks.networks.circuit import whole
from tasks.networks.interpreter import logits
from tasks.networks.model import Loaded
from tasks.networks.readout import Argmax, Rounded, TokenSet
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Step, Transformer
from tasks.pipeline import prune as pruning
from tasks.pipeline.behaviour import Behaviour, from_pairs, from_task, labels_of
from tasks.pipeline.labels import labelled
from tasks.pipeline.prune import Options, Pruned, prune, pruned_json, pruned_text, save
from tasks.pipeline.steps import Observer

ROOT = Path(__file__).resolve().parents[4]
SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "pruning.schema.json").read_text(encoding="utf-8")))
SHORT = Options(steps=30)


def kept(found: Pruned) -> dict[str, tuple[int, ...]]:
    return {site: nodes for site, nodes in found.kept.items() if nodes}


def same(first: Pruned, second: Pruned) -> bool:
    arrays = zip(first.circuit.network.arrays(), second.circuit.network.arrays(), strict=True)
    return first.kept == second.kept and all(np.array_equal(a, b) for a, b in arrays)


def quotes(longest: int = 3):
    circuit = whole(load_circuit(shipped_path("quote_closing")))
    return circuit, circuit.domain.up_to(longest)


@pytest.fixture(scope="module")
def pruned():
    """The quote circuit without its cuts, its domain, and what pruning finds of it."""
    circuit, domain = quotes()
    return circuit, domain, prune(circuit, domain=domain, options=SHORT)


# --- what is found ----------------------------------------------------------------------------------------------


def test_what_was_planted_is_found_and_nothing_else():
    model = lead_model(5)
    found = prune(model, domain=odd(model), options=SHORT)
    assert kept(found) == PLANTED
    assert found.size.edges == PLANTED_EDGES
    assert found.is_faithful
    assert found.is_complete


def test_of_channels_that_do_the_same_one_is_kept():
    model = lead_model(5, copies=2)
    found = prune(model, domain=odd(model), options=SHORT)
    assert kept(found) | {"0.attn.v": ()} == PLANTED | {"0.attn.v": ()}
    assert found.kept["0.attn.v"] in ((2,), (3,))
    assert found.is_faithful


def test_edges_between_kept_nodes_go_where_nothing_needs_them():
    model = lead_model(5, copies=2)
    with_edges = prune(model, domain=odd(model), options=replace(SHORT, edges=False))
    without = prune(model, domain=odd(model), options=SHORT)
    assert without.size.edges <= with_edges.size.edges
    nonzero = sum(int((link.affine.weight != 0).sum()) for link in sites.links(without.circuit.network))
    whole_network = sum(int((link.affine.weight != 0).sum()) for link in sites.links(with_edges.circuit.network))
    assert nonzero <= whole_network


@pytest.mark.slow
def test_no_node_of_a_complete_circuit_can_go(pruned):
    _, domain, found = pruned
    assert found.is_complete
    ids = [found.model.prompts(domain.sequences(length)) for length in domain.lengths]
    columns = list(found.model.readout.columns)

    def labels(network):
        return [logits(network, some)[:, -1, columns].argmax(-1) for some in ids]

    expected, network = labels(found.model.network), found.circuit.network
    least = min(float(np.ptp(logits(found.model.network, some)[:, -1, columns], axis=-1).min()) for some in ids)
    for site, nodes in found.kept.items():
        for node in nodes:
            fewer = {name: mask.kept.copy() for name, mask in sites.masks(network).items()}
            fewer[site][node] = False
            other = sites.with_masks(network, fewer, {name: mask.means for name, mask in sites.masks(network).items()})
            wrong = any((a != b).any() for a, b in zip(labels(other), expected, strict=True))
            lead = min(float(np.ptp(logits(other, some)[:, -1, columns], axis=-1).min()) for some in ids)
            assert wrong or lead < least, (site, node)


# --- what is said -----------------------------------------------------------------------------------------------


def test_what_is_said_is_about_every_sequence_whatever_was_asked():
    """Only two sequences are asked, so the circuit is wrong elsewhere: each of the others is counted."""
    model = lead_model(5)
    domain = odd(model)
    pairs = Behaviour("two pairs", pairs={("a", "a", "a"): "yes", ("a", "a", "b"): "yes"})
    found = prune(model, pairs, domain, options=SHORT)
    assert found.faithful.inputs == domain.size() == 8
    sequences = domain.sequences(3)
    both = [
        logits(network, model.prompts(sequences))[:, -1, 2:4].argmax(-1)
        for network in (model.network, found.circuit.network)
    ]
    assert found.faithful.differ == int((both[0] != both[1]).sum()) == 4
    at = found.faithful.shortest
    first = int((both[0] != both[1]).argmax())
    assert at.inputs == domain.words(sequences[first])
    assert (at.first, at.second) == tuple(model.readout.names[b[first]] for b in reversed(both))
    assert not found.is_faithful
    assert (found.accurate.agree, found.accurate.inputs) == (2, 2)
    assert "NOT FAITHFUL" in pruned_text(found)


def test_ties_are_counted_apart():
    """At even lengths some sequences are as much a as b: nobody has a label for these, and nobody is wrong."""
    model = lead_model(4, noise=0.0)
    found = prune(model, options=SHORT)
    assert found.faithful.undecided == 2 + 6
    assert found.faithful.differ == 0
    assert not found.is_faithful


def test_a_network_is_not_asked_for_answers_that_it_does_not_give():
    model = lead_model(5)
    found = prune(model, lambda tokens: "yes", odd(model), options=SHORT)
    assert found.before.agree == 4
    assert found.accurate.agree >= 4
    assert found.is_kept
    assert any("answers otherwise" in note for note in found.notes)


def test_where_nothing_is_asked_nothing_is_compared():
    model = lead_model(5)
    found = prune(model, from_task(lambda t: "yes" if t.count("a") > 1 else None, "some"), odd(model), options=SHORT)
    assert found.accurate.inputs == found.accurate.agree == 4


@pytest.mark.slow
def test_a_forged_mask_is_noticed(pruned, tmp_path):
    """A circuit whose file keeps one node less than pruning left differs from the network, and that is counted."""
    circuit, domain, found = pruned
    save(found, tmp_path / "small")
    good = load_circuit(tmp_path / "small")
    node = int(good.kept["final_resid"].argmax())
    forged = {**good.kept, "final_resid": good.kept["final_resid"] & (np.arange(len(good.kept["final_resid"])) != node)}
    save_circuit(replace(good, kept=forged), tmp_path / "forged")
    save_circuit(circuit, tmp_path / "whole")
    run = CliRunner().invoke(
        distill,
        ["run", str(tmp_path / "forged"), "--length", "3", "--backend", "none", "--against", str(tmp_path / "whole"),
         "--json", "--out", str(tmp_path / "cert")],
        standalone_mode=False,
    )  # fmt: skip
    pairs = {tuple(pair["between"]): pair for pair in json.loads(run.stdout)["against"]["pairs"]}
    assert pairs["circuit", "model"]["differ"] + pairs["circuit", "model"]["undecided"] > 0
    run = CliRunner().invoke(
        distill,
        ["run", str(tmp_path / "small"), "--length", "3", "--backend", "none", "--against", str(tmp_path / "whole"),
         "--json", "--out", str(tmp_path / "cert")],
        standalone_mode=False,
    )  # fmt: skip
    pairs = json.loads(run.stdout)["against"]["pairs"]
    assert all(pair["agree"] == domain.size() for pair in pairs)


def test_a_saved_circuit_computes_what_was_found(pruned, tmp_path):
    _, domain, found = pruned
    save(found, tmp_path / "small")
    again = load(tmp_path / "small")
    assert again.domain == found.circuit.domain
    for length in domain.lengths:
        sequences = domain.sequences(length)
        np.testing.assert_array_equal(again.logits(sequences), found.circuit.logits(sequences))
    assert load_circuit(tmp_path / "small").card["as_the_network"] == domain.size()


def test_a_circuit_of_any_network_is_a_folder_of_its_steps(tmp_path):
    model = lead_model(5)
    found = prune(model, domain=odd(model), options=SHORT)
    again = load(save(found, tmp_path / "small"))
    assert again.format == "steps"
    assert {site: tuple(mask.kept.nonzero()[0]) for site, mask in sites.masks(again.network).items()} == found.kept
    for length in range(1, 6):
        sequences = model.domain.sequences(length)
        np.testing.assert_array_equal(again.logits(sequences), found.circuit.logits(sequences))
    assert any("8 of 8 agree" in note for note in again.notes)


@pytest.mark.slow
def test_a_circuit_is_pruned_further_and_compared_with_itself():
    circuit = load_circuit(shipped_path("quote_closing"))
    found = prune(circuit, domain=circuit.domain.up_to(3), options=SHORT)
    assert found.whole.nodes == circuit.nodes
    assert found.is_faithful
    assert all(circuit.kept[site][list(nodes)].all() for site, nodes in found.kept.items())


def test_what_there_was_no_time_for_is_not_called_kept(monkeypatch):
    """The network's labels are cut short: the verdict is about what was listed, and not all that was asked is kept."""
    model = lead_model(5)
    asked = replace(odd(model), max_length=4)
    monkeypatch.setattr(
        pruning, "labelled", lambda model, domain, *rest, **told: labelled(model, odd(model), *rest, **told)
    )
    found = prune(model, domain=asked, options=SHORT)
    assert found.is_faithful
    assert (found.asked, found.domain) == (asked, odd(model))
    assert not found.is_kept
    lengths = f"up to length {odd(model).max_length}, not {asked.max_length}, were compared"
    assert f"Not all that was asked is proved: in the time only sequences {lengths}." in pruned_text(found)
    assert any("there was time for" in note for note in found.notes)


# --- interrupts -------------------------------------------------------------------------------------------------


class Stop:
    """An observer that interrupts at the ``n``-th piece of work of a kind."""

    def __init__(self, kind: str, n: int) -> None:
        self.kind, self.left = kind, n

    def __call__(self, what: str, done: int, total: int) -> None:
        if what.startswith(self.kind):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "n"), sliced([("learning", 20), ("cutting", 2), ("weighing", 2), ("dropping", 1), ("dropping", 9)], 3)
)
def test_a_resumed_run_ends_as_one_that_was_not_interrupted(tmp_path, monkeypatch, kind, n):
    monkeypatch.setattr("tasks.training.journal.EVERY", 0.0)
    model = lead_model(5, noise=0.3)
    told = {"domain": odd(model), "options": SHORT}
    uninterrupted = prune(model, **told, state=tmp_path / "other")
    with pytest.raises(KeyboardInterrupt):
        prune(model, **told, state=tmp_path / "state", observer=Observer(on_work=Stop(kind, n)))
    computed = []
    counting = Observer(on_work=lambda what, done, total: computed.append(what))
    found = prune(model, **told, state=tmp_path / "state", observer=counting)
    assert same(found, uninterrupted)
    assert sum(what.startswith("learning") for what in computed) == (10 + 1 if kind == "learning" else 0)
    logs = [next(path.glob("*/decisions")).read_text() for path in (tmp_path / "state", tmp_path / "other")]
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_another_question_does_not_take_over_what_was_decided(tmp_path):
    model = lead_model(5, noise=0.3)
    prune(model, domain=replace(odd(model), min_length=1), options=SHORT, state=tmp_path / "state")
    found = prune(model, domain=odd(model), options=SHORT, state=tmp_path / "state")
    assert same(found, prune(model, domain=odd(model), options=SHORT))
    assert len(list((tmp_path / "state").iterdir())) == 2


@pytest.mark.slow
def test_a_run_that_is_out_of_time_says_so_and_is_still_true():
    circuit, domain = quotes(7)
    found = prune(circuit, domain=domain, options=Options(steps=0), seconds=1.5)
    assert not found.is_complete
    assert "Perhaps not small: the time ended before every node and edge that is left was tried" in pruned_text(found)
    assert "Small:" not in pruned_text(found)
    assert found.faithful.inputs == found.faithful.agree == found.domain.size()
    assert sum(step.cpu_seconds for step in found.steps) < 1.5 * 1.1 + 2  # not of the wall: others may use the machine


def test_a_run_that_has_no_time_to_learn_keeps_what_there_is(tmp_path):
    model = lead_model(5)
    slow = Observer(on_work=lambda what, done, total: time.sleep(0.2))  # the first step of learning takes all there is
    told = {"domain": odd(model), "options": Options(steps=5), "seconds": 1e-3, "state": tmp_path / "state"}
    found = prune(model, **told, observer=slow)
    assert not found.is_complete
    assert found.is_faithful


def test_no_other_network_is_replaced_by_a_circuit(pruned, tmp_path):
    model = lead_model(5)
    save_folder(model, tmp_path / "net")
    before = (tmp_path / "net" / "network.json").read_bytes()
    found = prune(model, domain=odd(model), options=SHORT)
    with pytest.raises(NetworkError, match="net: holds another network, which would be lost"):
        save(found, tmp_path / "net")
    assert (tmp_path / "net" / "network.json").read_bytes() == before
    for _ in range(2):  # its own earlier result is replaced
        save(found, tmp_path / "small")
    _, _, own = pruned
    shutil.copytree(shipped_path("quote_closing"), tmp_path / "shipped")
    with pytest.raises(NetworkError, match="shipped: holds another network"):
        save(own, tmp_path / "shipped")
    assert save(own, save(own, tmp_path / "own")) == tmp_path / "own"


# --- behaviours -------------------------------------------------------------------------------------------------


def test_labels_of_every_read_out():
    words = ("a", "b")
    assert labels_of("t", Argmax(("x", "y"), (0, 1)), words, "y") == 1
    assert labels_of("t", TokenSet(("x", "y"), (0, 1)), words, ["y", "x"]) == 3
    assert labels_of("t", Rounded(0, 2), words, 0.5) == 1
    assert labels_of("t", Argmax(("x", "y"), (0, 1), "every"), words, ["x", None]).tolist()[0] == 0


@pytest.mark.parametrize(
    ("readout", "value", "expected"),
    [
        (Argmax(("x", "y"), (0, 1)), True, "one of 'x', 'y'"),
        (TokenSet(("x", "y"), (0, 1)), ["z"], "a list of some of"),
        (Rounded(0, 2), 0.3, "a denominator of at most 2"),
        (Argmax(("x", "y"), (0, 1), "every"), ["x"], "a label for each of the 2 positions"),
    ],
)
def test_labels_that_are_none_are_refused(readout, value, expected):
    with pytest.raises(NetworkError, match=expected):
        labels_of("t", readout, ("a", "b"), value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a line of JSON"),
        ("nonsense", "line 1: not JSON"),
        ('{"tokens": ["a"]}', "line 1"),
        ('{"tokens": ["a"], "label": "yes"}\n{"tokens": ["a"], "label": "no"}', "another label further up"),
        ('{"tokens": ["q"], "label": "yes"}', "which is not in its alphabet"),
        ('{"tokens": ["a"], "label": "maybe"}', "one of 'yes', 'no'"),
    ],
)
def test_pairs_that_are_none_are_refused(tmp_path, text, expected):
    (tmp_path / "pairs.jsonl").write_text(text)
    with pytest.raises(NetworkError, match=expected):
        prune(lead_model(3), from_pairs(tmp_path / "pairs.jsonl"), options=SHORT)


def test_a_task_with_a_domain_brings_it():
    class Odd:
        domain = Domain(("a", "b"), 3, 3)

        def label(self, tokens):
            return "yes" if tokens.count("a") > tokens.count("b") else "no"

    found = prune(lead_model(5), from_task(Odd, "odd"), options=SHORT)
    assert (found.domain, found.accurate.agree) == (Odd.domain, 8)


def test_a_failing_task_and_none_at_all_are_refused():
    with pytest.raises(NetworkError, match="failed on 'a' with ZeroDivisionError"):
        prune(lead_model(3), from_task(lambda tokens: 1 / 0, "bad"), options=SHORT)
    with pytest.raises(NetworkError, match="expected a function"):
        from_task(3, "three")


def test_a_black_box_and_a_domain_that_cannot_be_listed_are_refused():
    box = from_callable(lambda ids: np.zeros((len(ids), 2)), vocabulary=("a", "b"), longest=3, outputs=("x", "y"))
    with pytest.raises(NetworkError, match="nothing is cut from a black box"):
        prune(box)
    model = lead_model(9)
    with pytest.raises(NetworkError, match="too many to list"):
        prune(model, domain=Domain(("a", "b"), 1, 40))


# --- the command ------------------------------------------------------------------------------------------------


def invoke(*arguments: str):
    return CliRunner().invoke(distill, ["prune", *arguments], standalone_mode=False)


def table_model(*steps: Step) -> Loaded:
    """The last token decides: its row of a table goes through ``steps``."""
    network = Transformer(np.array([[1.0, -1.25], [-0.75, 1.5]]), None, steps, longest=3)
    domain = Domain(("a", "b"), 1, 3)
    return Loaded("table", "steps", network, ("a", "b"), (), (), domain, Argmax(("x", "y"), (0, 1), "last"))


def test_a_network_without_anything_to_leave_out_is_refused():
    with pytest.raises(NetworkError, match=r"expected a network with attention heads, .* this one has none"):
        prune(table_model(), options=SHORT)


def test_neurons_between_which_no_weight_leads_are_pruned_without_edges():
    head = Affine(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([0.125, 0.25]))
    found = prune(table_model(Activation("relu"), head), options=SHORT)
    assert found.is_faithful
    assert found.size.nodes == 1
    assert found.size.edges == 0


@pytest.mark.parametrize(("more", "nodes"), sliced([((), 9), (("--whole",), 608)], 2))
def test_the_command_writes_a_circuit_and_says_what_it_is(tmp_path, more, nodes):
    out = tmp_path / "small"
    run = invoke("quote_closing", *more, "--length", "3", "--steps", "20", "--json", "--out", str(out))
    value = json.loads(run.stdout)
    assert [error.message for error in SCHEMA.iter_errors(value)] == []
    assert run.return_value == 0
    assert value["faithful"]
    assert value["whole"]["nodes"] == nodes
    assert load_circuit(out).nodes == value["size"]["nodes"] < 20
    assert not out.with_name("small.partial").exists()


@pytest.mark.slow
def test_pairs_and_functions_are_kept_by_the_command(tmp_path, monkeypatch):
    _, domain = quotes(3)
    rows = [domain.words(row) for length in domain.lengths for row in domain.sequences(length)]
    lines = [json.dumps({"tokens": list(words), "label": "'" if "'" in words else '"'}) for words in rows]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    run = invoke("quote_closing", "--data", str(tmp_path / "pairs.jsonl"), "--steps", "20", "--json")
    value = json.loads(run.stdout)
    assert [error.message for error in SCHEMA.iter_errors(value)] == []
    assert value["accuracy"]["agree"] == value["sequences"] == domain.size()
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "closing_task.py").write_text('def label(tokens):\n    return "\'" if "\'" in tokens else \'"\'\n')
    run = invoke("quote_closing", "--task", "closing_task:label", "--length", "3", "--steps", "20", "--json")
    assert json.loads(run.stdout)["accuracy"]["agree"] == domain.size()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("quote_closing", "--faithful", "--task", "math:pi"), "one behaviour to keep"),
        (("quote_closing", "--task", "math:pi"), "expected a function"),
        (("quote_closing", "--time-limit", "0"), "time limit"),
        (("quote_closing", "--margin", "0"), "a margin above 0"),
        (("quote_closing", "--out", str(ROOT / "docs")), "is not a circuit"),
        (("no_such_circuit",), "no such folder, and no shipped circuit"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(capsys, arguments, expected):
    with pytest.raises(SystemExit) as ended:
        command(["prune", *arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert expected in said
    assert said.startswith("distill: ")


def test_the_result_is_plain_json():
    model = lead_model(3)
    value = json.loads(json.dumps(pruned_json(prune(model, domain=odd(model), options=SHORT))))
    assert [error.message for error in SCHEMA.iter_errors(value)] == []


@pytest.mark.slow
def test_the_example_of_the_page_runs(tmp_path, capsys):
    page = (ROOT / "docs" / "from-a-network-to-a-circuit.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    told = {"folder": tmp_path}
    exec(compile(code, "page", "exec"), told)
    assert told["again"].format == "circuit"
    assert "FAITHFUL" in capsys.readouterr().out
