"""What is known by length, plotted: Vega-Lite specifications, and the SVG that ``vl-convert`` makes of them.

Nothing is fetched: fonts and grammar come with the package.
"""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from tasks.reports.subject import LengthRow, State
from tasks.reports.svg import FONT

WIDTH, HEIGHT = 300, 190
STATES: dict[State, tuple[str, str]] = {
    "equal": ("equal, each looked at", "#0b5cad"),
    "together": ("equal, proved together", "#54aeff"),
    "differs": ("has exceptions", "#b04a00"),
    "open": ("not known", "#afb8c1"),
}
FEW = 1000  # sequences of a length, up to which a plot is not logarithmic
LOGARITHMIC = 30.0  # how much larger the largest is than the smallest, from where on


def margins_svg(rows: tuple[LengthRow, ...]) -> Markup | None:
    """The least margin of each length that was listed; None where there is none."""
    known = [row for row in rows if row.margin is not None]
    if not known:
        return None
    values = [{"length": row.length, "margin": row.margin, "state": STATES[row.state][0]} for row in known]
    margins = [row.margin for row in known if row.margin is not None]
    is_log = min(margins) > 0 and max(margins) > LOGARITHMIC * min(margins)
    scale: dict[str, Any] = {"type": "log"} if is_log else {"zero": True}
    axes = _axes("margin", "least margin, net of rounding", scale)
    line = {"mark": {"type": "line", "color": "#57606a", "strokeWidth": 1}, "encoding": axes}
    points = {
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
        "encoding": axes | {"color": _colors(known)},
    }
    return _svg({"data": {"values": values}, "layer": [line, points]}, "least margin of each length")


def sequences_svg(rows: tuple[LengthRow, ...]) -> Markup | None:
    """How many sequences each length has, and what is known of them; None where there are none."""
    if not rows:
        return None
    is_log = max(row.sequences for row in rows) > FEW
    scale: dict[str, Any] = {"type": "log", "domainMin": 0.7, "nice": False} if is_log else {"zero": True}
    values = [
        {
            "length": row.length,
            "sequences": float(row.sequences),
            "base": 0.7 if is_log else 0.0,
            "state": STATES[row.state][0],
        }
        for row in rows
    ]
    axes = _axes("sequences", "sequences", scale)
    return _svg(
        {
            "data": {"values": values},
            "mark": {"type": "bar"},
            "encoding": axes | {"y2": {"field": "base"}, "color": _colors(list(rows))},
        },
        "sequences of each length, and what is known of them",
    )


def _axes(field: str, title: str, scale: dict[str, Any]) -> dict[str, Any]:
    y = {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": {"tickCount": 5}}
    if scale.get("type") == "log":
        y["axis"] = {"tickCount": 5, "format": "~g" if field == "margin" else "~e", "labelOverlap": True}
    return {"x": {"field": "length", "type": "ordinal", "title": "length", "axis": {"labelAngle": 0}}, "y": y}


def _colors(rows: list[LengthRow]) -> dict[str, Any]:
    """A color for each state that occurs."""
    used = [words for state, words in STATES.items() if any(row.state == state for row in rows)]
    return {
        "field": "state",
        "type": "nominal",
        "title": None,
        "scale": {"domain": [words for words, _ in used], "range": [color for _, color in used]},
        "legend": {"orient": "top", "columns": 1, "labelLimit": 260},
    }


def _svg(specification: dict[str, Any], description: str) -> Markup:
    import vl_convert

    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "description": description,
        "width": WIDTH,
        "height": HEIGHT,
        "background": None,
        "config": {
            "font": "sans-serif",
            "view": {"stroke": None},
            "axis": {
                "labelColor": "#1f2328",
                "titleColor": "#1f2328",
                "titleFontWeight": "normal",
                "labelOverlap": True,
            },
            "legend": {"labelColor": "#1f2328"},
        },
        **specification,
    }
    svg = vl_convert.vegalite_to_svg(whole)
    svg = svg.replace('font-family="sans-serif"', f'font-family="{FONT}"')
    named = f'<svg role="img" aria-label="{description}"'
    return Markup(re.sub(r"^<svg", named, svg, count=1))  # what vl-convert writes is escaped by it
