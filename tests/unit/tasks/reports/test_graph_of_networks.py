"""What is drawn of a network is what its weights are."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from average_networks import lead
from random_circuits import random_circuit

from tasks.formats import from_callable, from_circuit
from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path
from tasks.networks.sites import masks, with_sites
from tasks.networks.transformer import Activation, Affine, Product, Residual, Transformer
from tasks.reports.drawing import graph_dot, graph_svg
from tasks.reports.graph import Graph, graph
from tasks.reports.layout import places


def drawn(name: str) -> Graph:
    found = graph(from_circuit(load_circuit(shipped_path(name))))
    assert found is not None
    return found


@pytest.mark.parametrize("name", shipped_names())
def test_every_kept_node_of_a_circuit_is_a_node_and_no_other(name):
    circuit = load_circuit(shipped_path(name))
    kept = {f"{site} {n}" for site, mask in circuit.kept.items() for n in np.flatnonzero(mask)}
    nodes = {node.name for node in drawn(name).nodes if node.kind not in ("token", "position", "logit")}
    assert nodes == kept


def test_an_edge_has_the_weight_that_stands_in_the_network():
    circuit, found = load_circuit(shipped_path("bracket_depth")), drawn("bracket_depth")
    tensors = circuit.network.tensors
    edges = {(edge.source, edge.target): edge.weight for edge in found.edges}
    fc, out = tensors["transformer.h.0.mlp.c_fc.weight"], tensors["transformer.h.0.mlp.c_proj.weight"]
    for hidden in np.flatnonzero(circuit.kept["0.mlp.post_act"]):
        for read in np.flatnonzero(circuit.kept["0.mlp.act_in"]):
            assert edges.get((f"0.mlp.act_in {read}", f"0.mlp.post_act {hidden}"), 0.0) == fc[hidden, read]
        for write in np.flatnonzero(circuit.kept["0.mlp.resid_delta"]):
            assert edges.get((f"0.mlp.post_act {hidden}", f"0.mlp.resid_delta {write}"), 0.0) == out[write, hidden]
    gain = tensors["transformer.h.0.ln_2.weight"]
    assert edges["0.attn.resid_delta 8", "0.mlp.act_in 8"] == gain[8]


def test_what_writes_to_a_channel_is_read_from_that_channel_alone():
    found = drawn("variable_type")
    nodes = {node.name: node for node in found.nodes}
    for edge in found.edges:
        a, b = nodes[edge.source], nodes[edge.target]
        assert a.kind != "write" or b.kind != "read" or a.channel == b.channel


@pytest.mark.parametrize("name", shipped_names())
def test_nodes_do_not_cover_each_other_and_channels_stand_in_columns(name):
    found = drawn(name)
    at = places(found)
    for rank in range(len(found.ranks)):
        row = sorted((at[node.name] for node in found.nodes if node.rank == rank), key=lambda place: place.x)
        assert all(a.x + a.width / 2 < b.x - b.width / 2 for a, b in pairwise(row))
    for channel in {node.channel for node in found.nodes} - {None}:
        assert len({at[node.name].x for node in found.nodes if node.channel == channel}) == 1


def test_heads_and_layers_are_drawn_where_nothing_is_masked():
    found = graph(lead(5))
    assert [node.name for node in found.nodes] == ["tokens", "positions", "head 0.0", "logits"]
    assert not found.is_fine
    weights = {(edge.source, edge.target, edge.role): edge.weight for edge in found.edges}
    model = lead(5).network
    first, last = model.steps[0].value[0].weight, model.steps[1].weight
    assert weights["tokens", "head 0.0", "value"] == pytest.approx(np.linalg.norm(first @ model.tokens.T))
    assert weights["head 0.0", "logits", ""] == pytest.approx(np.linalg.norm(last))
    assert ("tokens", "head 0.0", "query") not in weights  # its queries are zero


def test_too_many_nodes_are_drawn_as_heads_and_layers(monkeypatch):
    monkeypatch.setattr("tasks.reports.graph.MOST_NODES", 5)
    assert not drawn("bracket_depth").is_fine


def test_a_network_with_sites_of_its_own_is_drawn_node_by_node():
    network = with_sites(lead(5).network)
    found = graph(replace(lead(5), network=network))
    assert found.is_fine
    kept = {f"{site} {n}" for site, mask in masks(network).items() for n in np.flatnonzero(mask.kept)}
    assert {node.name for node in found.nodes if node.kind not in ("token", "position", "logit")} == kept


def test_a_gated_layer_is_one_node_of_what_reaches_either_side():
    one, two = Affine(np.array([[1.0, 0.0], [0.0, 2.0]])), Affine(np.array([[3.0, 0.0], [0.0, 0.0]]))
    gate = Residual((Product((one, Activation("relu")), (two,)), Affine(np.eye(2))))
    network = Transformer(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), None, (gate,), 4, "float64")
    found = graph(replace(lead(3), network=network))
    assert [node.name for node in found.nodes] == ["tokens", "MLP 0", "logits"]
    into = next(edge.weight for edge in found.edges if edge.target == "MLP 0")
    assert into == pytest.approx(np.linalg.norm((one.weight + two.weight) @ network.tokens.T))


def test_a_black_box_has_no_drawing():
    box = from_callable(lambda ids: np.zeros((len(ids), 2)), vocabulary=("a", "b"), longest=3)
    assert graph(box) is None


@pytest.mark.parametrize("seed", range(4))
def test_drawings_of_random_circuits_are_whole(seed):
    circuit = random_circuit(seed)
    found = graph(from_circuit(circuit))
    root = ElementTree.fromstring(graph_svg(found, 'random <&">'))
    shapes = [part.get("class") for part in root.iter() if part.get("class")]
    assert shapes.count("node") == len(found.nodes)
    assert shapes.count("edge") == len(found.edges)
    left, top, width, height = map(float, root.get("viewBox").split())
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        assert left <= x <= x + w <= width
        assert top <= y <= y + h <= height
    dot = graph_dot(found, 'a "name"')
    assert dot.startswith('digraph "a \\"name\\"" {')
    assert dot.count(" -> ") >= len(found.edges)
    assert dot.count("rank=same") == len(found.ranks)
