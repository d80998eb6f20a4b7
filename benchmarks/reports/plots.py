"""Drawings from figures: cactus, scatter and growth, as SVG text, PNG and PDF. Needs matplotlib (extra "bench").

The same figures give the same SVG and PDF: ids are salted by name and no date is written. Many points are drawn as
pixels inside the SVG, so that a page stays small. A point that has a name has it under the pointer: a circle that is
not seen lies over it, whose ``title`` a browser shows, without any script. Of many points those farthest from the
diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from math import log
from typing import Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")  # told apart by everyone
MANY = 1500
UNITS = 72.0  # of an SVG, to the inch
FLOOR = 1e-5  # seconds; what a logarithmic axis can show


@dataclass(frozen=True)
class Named:
    """A point of a drawing, in seconds, and whose it is."""

    x: float
    y: float
    name: str


@dataclass(frozen=True)
class Drawing:
    svg: str
    png: bytes
    pdf: bytes


def cactus(name: str, times: Mapping[str, Sequence[tuple[float, str]]], unit: str) -> Drawing:
    """How many instances (across) each backend solves within how many seconds each (up); (seconds, instance) each."""
    figure, axes = _axes(f"{unit} solved", "seconds for each")
    points: list[Named] = []
    for colour, (backend, own) in zip(_colours(len(times)), sorted(times.items()), strict=True):
        shown = [max(second, FLOOR) for second, _ in own]
        told = [f"{backend}: {instance}, {second:.3g} s" for second, instance in own]
        points += [Named(n, y, text) for n, (y, text) in enumerate(zip(shown, told, strict=True), 1)]
        axes.step(range(1, len(shown) + 1), shown, where="post", label=backend, color=colour, linewidth=1.6)
    axes.set_yscale("log")
    axes.legend(frameon=False)
    return _drawn(figure, name, points[:: max(1, -(-len(points) // MANY))])


def scatter(name: str, points: Sequence[Named], one: str, other: str) -> Drawing:
    """Each instance: seconds of one backend across, of the other up; below the diagonal the other is quicker."""
    figure, axes = _axes(f"{one}, seconds", f"{other}, seconds", width=5.2, height=5.0)
    shown = [(max(point.x, FLOOR), max(point.y, FLOOR)) for point in points]
    bounds = [min(map(min, shown)) / 1.5, max(map(max, shown)) * 1.5] if shown else [1e-3, 1.0]
    axes.plot(bounds, bounds, color="#999999", linewidth=0.8)
    if shown:
        many = len(shown) > MANY
        look = {"s": 6 if many else 18, "alpha": 0.35, "color": COLOURS[0], "linewidths": 0, "rasterized": many}
        axes.scatter(*zip(*shown, strict=True), **look)
    axes.set(xscale="log", yscale="log", xlim=bounds, ylim=bounds)
    told = [
        Named(x, y, f"{point.name}: {one} {point.x:.3g} s, {other} {point.y:.3g} s")
        for point, (x, y) in zip(points, shown, strict=True)
    ]
    told.sort(key=lambda point: -abs(log(point.x / point.y)))
    return _drawn(figure, name, told[:MANY])


def growth(name: str, lines: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str = "seconds") -> Drawing:
    """One line per key through its (across, up) points."""
    figure, axes = _axes(across, up)
    named: list[Named] = []
    for colour, (label, points) in zip(_colours(len(lines)), sorted(lines.items()), strict=True):
        ordered = [(x, max(y, FLOOR)) for x, y in sorted(points)]
        told = [f"{label}: {across} {x:g}, {y:.3g} {up}" for x, y in sorted(points)]
        named += [Named(*place, text) for place, text in zip(ordered, told, strict=True)]
        axes.plot(*zip(*ordered, strict=True), marker="o", markersize=3.5, label=label, color=colour, linewidth=1.4)
    axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize="small")
    return _drawn(figure, name, named[:: max(1, -(-len(named) // MANY))])


def is_installed() -> bool:
    """Whether drawings can be made here."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _axes(across: str, up: str, width: float = 7.0, height: float = 4.0) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=UNITS, layout="constrained")
    axes = figure.add_subplot(xlabel=across, ylabel=up)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _drawn(figure: Any, name: str, points: Sequence[Named] = ()) -> Drawing:
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "pdf.fonttype": 42}):
        vector, pixels, paper = BytesIO(), BytesIO(), BytesIO()
        figure.savefig(vector, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
        names = _titles(figure, points)
        figure.set_layout_engine("none")  # the axes stay where the circles are, and are not placed three times
        figure.savefig(pixels, format="png", dpi=110)
        figure.savefig(paper, format="pdf", metadata={"CreationDate": None})
    text = vector.getvalue().decode()
    text = text[text.index("<svg") :]
    end = text.rindex("</svg>")
    return Drawing(f"{text[:end]}{names}{text[end:]}", pixels.getvalue(), paper.getvalue())


def _titles(figure: Any, points: Sequence[Named]) -> str:
    """The circles that carry the names, in the units of the SVG."""
    if not points:
        return ""
    height = figure.get_size_inches()[1] * UNITS
    places = figure.axes[0].transData.transform([(point.x, point.y) for point in points])
    circles = [
        f'<circle cx="{x:.2f}" cy="{height - y:.2f}" r="4" fill-opacity="0">'
        f"<title>{escape(point.name)}</title></circle>"
        for point, (x, y) in zip(points, places, strict=True)
    ]
    return f'<g class="names">\n{chr(10).join(circles)}\n</g>\n'
