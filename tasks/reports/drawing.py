"""A network's graph drawn: SVG for the page, DOT for other tools."""

from __future__ import annotations

from markupsafe import Markup

from tasks.networks.quoting import shown
from tasks.reports.graph import Edge, Graph, Node
from tasks.reports.layout import ASIDE, HEIGHT, MARGIN, ROW, Place, places
from tasks.reports.svg import FAINT, INK, drawing, element, number, text, width_of

POSITIVE, NEGATIVE, NORM = "#0b5cad", "#b04a00", "#6a737d"
LABELS = 128.0  # room on the left, for what each row holds
FILLS = {
    "token": "#fff8c5", "position": "#fff8c5", "table": "#fff8c5",
    "read": "#ffffff", "write": "#dafbe1", "hidden": "#ddf4ff", "mlp": "#ddf4ff",
    "query": "#fbefff", "key": "#fbefff", "value": "#fbefff", "head": "#fbefff",
    "logit": "#ffebe9",
}  # fmt: skip


def graph_svg(graph: Graph, name: str) -> Markup:
    """The drawing; every node and edge has its words as a title, and numbers that a page can find it by."""
    at = places(graph)
    width = LABELS + max(place.x + place.width / 2 for place in at.values()) + MARGIN
    width += 0.0 if graph.is_fine else ASIDE
    height = max(place.y for place in at.values()) + HEIGHT / 2 + MARGIN
    at = {key: Place(place.x + LABELS, place.y, place.width) for key, place in at.items()}
    order = {node.name: n for n, node in enumerate(graph.nodes)}
    largest = {
        is_norm: max((abs(e.weight or 0.0) for e in graph.edges if e.is_norm == is_norm), default=1.0) or 1.0
        for is_norm in (True, False)
    }
    lines = sorted(graph.edges, key=lambda edge: abs(edge.weight or 0.0))
    shapes, names = _boxes(graph, at)
    parts = [
        *_rows(graph, at),
        *shapes,
        *(_line(edge, graph, at, order, largest[edge.is_norm]) for edge in lines),
        *names,
        *(_shape(node, at[node.name], order[node.name], graph) for node in graph.nodes),
    ]
    what = "nodes that are kept" if graph.is_fine else "heads and layers"
    return drawing(
        width,
        height,
        f"{name}: {len(graph.nodes)} {what}, {len(graph.edges)} edges",
        f"From {graph.ranks[0]} at the top to {graph.ranks[-1]} at the bottom. {graph.about}",
        *parts,
        class_="graph",
    )


def _rows(graph: Graph, at: dict[str, Place]) -> list[Markup]:
    """What each row holds, written on the left."""
    y = {node.rank: at[node.name].y for node in graph.nodes}
    return [text(8, y[rank], words, size=11, anchor="start", fill=FAINT) for rank, words in enumerate(graph.ranks)]


def _boxes(graph: Graph, at: dict[str, Place]) -> tuple[list[Markup], list[Markup]]:
    """What stands around the nodes of each head, and its name, which stands above the lines."""
    boxes: dict[tuple[int, int], list[Place]] = {}
    for node in graph.nodes if graph.is_fine else ():
        if node.box is not None:
            boxes.setdefault(node.box, []).append(at[node.name])
    shapes, names = [], []
    for (_, head), inner in boxes.items():
        left = min(place.x - place.width / 2 for place in inner) - 7
        right = max(place.x + place.width / 2 for place in inner) + 7
        y, name = inner[0].y, f"head {head}"
        shapes.append(
            element(
                "rect", x=left, y=y - HEIGHT / 2 - 7, width=right - left, height=HEIGHT + 14, rx=9.0,
                fill="#f6f0fb", stroke="#a475c9", stroke_dasharray="3 3",
            )
        )  # fmt: skip
        ground = element(
            "rect", x=left, y=y - HEIGHT / 2 - 20, width=width_of(name, 10) + 6, height=12.0, fill="#ffffff",
            fill_opacity="0.85",
        )  # fmt: skip
        names += [ground, text(left + 3, y - HEIGHT / 2 - 14, name, size=10, anchor="start", fill="#6639ba")]
    return shapes, names


def _line(edge: Edge, graph: Graph, at: dict[str, Place], order: dict[str, int], largest: float) -> Markup:
    """An edge as a curve."""
    a, b = at[edge.source], at[edge.target]
    share = 0.15 if edge.weight is None else abs(edge.weight) / largest
    way = _way(a, b, graph.is_fine, is_aside=sum(place.x for place in at.values()) < a.x * len(at))
    color = NORM if edge.is_norm else (POSITIVE if (edge.weight or 0.0) > 0 else NEGATIVE)
    dashes = {"stroke_dasharray": "5 3"} if color == NEGATIVE else {}
    return element(
        "path",
        element("title", edge_words(edge)),
        d=way,
        fill="none",
        stroke=color,
        stroke_width=number(0.8 + 3.4 * share),
        stroke_opacity=f"{0.3 + 0.6 * share:.2f}",
        class_="edge",
        data_from=str(order[edge.source]),
        data_to=str(order[edge.target]),
        **dashes,
    )


def _way(a: Place, b: Place, is_fine: bool, is_aside: bool) -> str:
    """The curve from ``a`` down to ``b``: past other rows along the channel of ``b``, or aside of heads and layers."""
    start, end = a.y + HEIGHT / 2, b.y - HEIGHT / 2
    rows = round((b.y - a.y) / ROW)
    if is_fine:  # the curve reaches the channel in the row below, and follows it
        turn = min(end, start + ROW - HEIGHT)
        points = (a.x, (start + turn) / 2, b.x, (start + turn) / 2, b.x, turn)
        return f"M{number(a.x)} {number(start)}C{_listed(points)}" + (f"V{number(end)}" if end > turn else "")
    bend = min(46.0, (end - start) / 2)
    aside = 0.0 if rows < 2 else min(26.0 + 18.0 * rows, ASIDE + 30) * (1 if is_aside else -1)
    points = (a.x + aside, start + bend, b.x + aside, end - bend, b.x, end)
    return f"M{number(a.x)} {number(start)}C{_listed(points)}"


def _listed(points: tuple[float, ...]) -> str:
    return " ".join(map(number, points))


def _shape(node: Node, place: Place, number_of: int, graph: Graph) -> Markup:
    """A node as a rounded box with its words."""
    corner = 3.0 if node.kind in ("token", "logit", "table", "position") else 11.0
    box = element(
        "rect", x=place.x - place.width / 2, y=place.y - HEIGHT / 2, width=place.width, height=HEIGHT, rx=corner,
        fill=FILLS[node.kind], stroke=INK, stroke_width="1",
    )  # fmt: skip
    return element(
        "g",
        element("title", f"{node.name}: {node.detail}"),
        box,
        text(place.x, place.y, node.text),
        class_="node",
        role="img",
        aria_label=f"{node.name}: {node.detail}; {_joined(node, graph)}",
        data_node=str(number_of),
    )


def _joined(node: Node, graph: Graph) -> str:
    """How many edges a node has."""
    into = sum(edge.target == node.name for edge in graph.edges)
    out = sum(edge.source == node.name for edge in graph.edges)
    return f"{into} edges in, {out} out"


def edge_words(edge: Edge) -> str:
    """An edge in words."""
    weight = "weight not known" if edge.weight is None else f"{'norm' if edge.is_norm else 'weight'} {edge.weight:.4g}"
    return f"{edge.source} → {edge.target}{f' ({edge.role})' if edge.role else ''}: {weight}"


def graph_dot(graph: Graph, name: str) -> str:
    """The graph in the DOT language of Graphviz, a row a rank."""
    lines = [f"digraph {_quoted(name)} {{", "  rankdir=TB; node [shape=box, style=rounded];"]
    for rank, words in enumerate(graph.ranks):
        inner = " ".join(f"{_quoted(node.name)};" for node in graph.nodes if node.rank == rank)
        lines.append(f"  {{ rank=same; {inner} }} // {shown(words)}")
    lines += [
        f"  {_quoted(node.name)} [label={_quoted(node.text)}, tooltip={_quoted(node.detail)}];" for node in graph.nodes
    ]
    for edge in graph.edges:
        weight = "" if edge.weight is None else f"{edge.weight:.4g}"
        style = ", style=dashed" if not edge.is_norm and (edge.weight or 0.0) < 0 else ""
        tip = _quoted(edge_words(edge))
        lines.append(
            f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={_quoted(weight)}, tooltip={tip}{style}];"
        )
    return "\n".join([*lines, "}", ""])


def _quoted(words: str) -> str:
    """A string of DOT."""
    plain = shown(words).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'
