"""SVG as text: elements whose attributes and words are escaped, whoever wrote them."""

from __future__ import annotations

from markupsafe import Markup, escape

from tasks.networks.quoting import shown

FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
INK, FAINT = "#1f2328", "#57606a"


def element(name: str, *children: str | Markup, **attributes: str | float) -> Markup:
    """``<name ...>children</name>``; ``stroke_width`` is written stroke-width, ``class_`` class; None is left out.

    >>> str(element("text", "<b>", x=1.50, class_="n"))
    '<text x="1.5" class="n">&lt;b&gt;</text>'
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(number(value) if isinstance(value, float) else shown(value))}"'
        for key, value in attributes.items()
    )
    inner = Markup("").join(child if isinstance(child, Markup) else escape(shown(child)) for child in children)
    return Markup(f"<{name}{said}>{inner}</{name}>" if children else f"<{name}{said}/>")


def number(value: float) -> str:
    """A coordinate, in at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, *, size: float = 12, anchor: str = "middle", fill: str = INK) -> Markup:
    """Words at a place; ``y`` is their middle."""
    return element(
        "text", words, x=x, y=y, font_size=size, text_anchor=anchor, fill=fill, dominant_baseline="central"
    )  # fmt: skip


def width_of(words: str, size: float = 12) -> float:
    """About how wide they are."""
    return 0.6 * size * sum(2 if ord(letter) > 0x2E80 else 1 for letter in shown(words))


def drawing(width: float, height: float, title: str, description: str, *children: Markup, class_: str) -> Markup:
    """A whole SVG with a name and a description for those who do not see it."""
    ground = element("rect", x=0.0, y=0.0, width=width, height=height, fill="#ffffff")
    inner = (element("title", title), element("desc", description), ground, *children)
    return element(
        "svg",
        *inner,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=number(width),
        height=number(height),
        class_=class_,
        role="group",
        aria_label=title,
        font_family=FONT,
    )
