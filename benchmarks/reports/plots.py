"""Drawings from figures: cactus, scatter and growth, each as SVG text and PNG bytes. Needs matplotlib (extra "bench").

The same figures give the same SVG: ids are salted by name and no date is written. Many points are drawn as pixels
inside the SVG, so that a page stays small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")  # told apart by everyone
MANY = 1500
FLOOR = 1e-5  # seconds; what a logarithmic axis can show


@dataclass(frozen=True)
class Drawing:
    svg: str
    png: bytes


def cactus(name: str, times: Mapping[str, Sequence[float]], unit: str) -> Drawing:
    """How many instances (across) each backend solves within how many seconds each (up)."""
    figure, axes = _axes(f"{unit} solved", "seconds for each")
    for colour, (backend, seconds) in zip(_colours(len(times)), sorted(times.items()), strict=True):
        shown = [max(second, FLOOR) for second in seconds]
        axes.step(range(1, len(shown) + 1), shown, where="post", label=backend, color=colour, linewidth=1.6)
    axes.set_yscale("log")
    axes.legend(frameon=False)
    return _drawn(figure, name)


def scatter(name: str, points: Sequence[tuple[float, float]], one: str, other: str) -> Drawing:
    """Each instance: seconds of one backend across, of the other up; below the diagonal the other is quicker."""
    figure, axes = _axes(f"{one}, seconds", f"{other}, seconds", width=5.2, height=5.0)
    shown = [(max(x, FLOOR), max(y, FLOOR)) for x, y in points]
    bounds = [min(map(min, shown)) / 1.5, max(map(max, shown)) * 1.5] if shown else [1e-3, 1.0]
    axes.plot(bounds, bounds, color="#999999", linewidth=0.8)
    if shown:
        many = len(shown) > MANY
        look = {"s": 6 if many else 18, "alpha": 0.35, "color": COLOURS[0], "linewidths": 0, "rasterized": many}
        axes.scatter(*zip(*shown, strict=True), **look)
    axes.set(xscale="log", yscale="log", xlim=bounds, ylim=bounds)
    return _drawn(figure, name)


def growth(name: str, lines: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str = "seconds") -> Drawing:
    """One line per key through its (across, up) points."""
    figure, axes = _axes(across, up)
    for colour, (label, points) in zip(_colours(len(lines)), sorted(lines.items()), strict=True):
        ordered = [(x, max(y, FLOOR)) for x, y in sorted(points)]
        axes.plot(*zip(*ordered, strict=True), marker="o", markersize=3.5, label=label, color=colour, linewidth=1.4)
    axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize="small")
    return _drawn(figure, name)


def is_installed() -> bool:
    """Whether drawings can be made here."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _axes(across: str, up: str, width: float = 7.0, height: float = 4.0) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot(xlabel=across, ylabel=up)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _drawn(figure: Any, name: str) -> Drawing:
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        vector, pixels = BytesIO(), BytesIO()
        figure.savefig(vector, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
        figure.savefig(pixels, format="png", dpi=110)
    text = vector.getvalue().decode()
    return Drawing(text[text.index("<svg") :], pixels.getvalue())
