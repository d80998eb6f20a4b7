"""A report as a list of blocks, written as Markdown, as JSON, and as one HTML page that needs nothing beside it.

Every table is also a CSV and a LaTeX file (``tabular``, no package needed), numbered as they stand on the page.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.reports.plots import Drawing

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .7rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.bad { background: #fdd; border-left: 4px solid #c00; padding: .5rem 1rem; }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; } figcaption { color: #555; }
.wide { overflow-x: auto; } label { display: block; margin-top: 1rem; }
th button { font: inherit; border: 0; padding: 0; background: none; color: inherit; cursor: pointer; }
th[aria-sort] button::after { content: " \\2191"; } th[aria-sort="descending"] button::after { content: " \\2193"; }
.names circle { fill: #000; fill-opacity: 0; } .names circle:hover { fill-opacity: .35; }
pre { background: #f4f4f4; padding: .5rem 1rem; overflow-x: auto; }
"""


SCRIPT = Path(__file__).with_name("tables.js")


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """``is_bad`` marks what a reader must see first."""

    text: str
    is_bad: bool = False


@dataclass(frozen=True)
class Grid:
    """``links``: where the cells with a text of these lead to."""

    head: Sequence[str]
    body: Sequence[Sequence[str]]
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """``name`` is that of the drawing's file, without its ending."""

    name: str
    caption: str


@dataclass(frozen=True)
class Code:
    """The text of a program, shown as it is."""

    text: str


Block = Heading | Paragraph | Grid | Figure | Code


def markdown(blocks: Sequence[Block]) -> str:
    """Tables are padded, so that they also read as plain text; figures are links to PNG files beside the text."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Paragraph(text, is_bad):
            return f"**{text}**" if is_bad else text
        case Figure(name, caption):
            return f"![{caption}]({name}.png)"
        case Code(text):
            return f"```python\n{text.rstrip()}\n```"
        case Grid(head, body, links):
            linked = [[f"[{cell}]({links[cell]})" if cell in links else cell for cell in line] for line in body]
            lines = [[cell.replace("|", "\\|") for cell in line] for line in (head, *linked)]
            widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
            padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
            rows = [f"| {' | '.join(line)} |" for line in padded]
            return "\n".join([rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]])


def page(title: str, blocks: Sequence[Block], drawings: Mapping[str, str]) -> str:
    """One HTML page; ``drawings`` holds the SVG text of figures by name. Its script sorts and filters tables."""
    script = SCRIPT.read_text(encoding="utf-8")
    body = "\n".join(_html(block, drawings) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n<script>\n{script}</script>\n"
        "</body>\n</html>\n"
    )


def _html(block: Block, drawings: Mapping[str, str]) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text, is_bad):
            return f"<p{' class=bad' if is_bad else ''}>{html.escape(text)}</p>"
        case Figure(name, caption):
            drawing = drawings.get(name, "<p>(not drawn)</p>")
            return f"<figure>\n{drawing}\n<figcaption>{html.escape(caption)}</figcaption>\n</figure>"
        case Code(text):
            return f"<pre>{html.escape(text.rstrip())}</pre>"
        case Grid(head, body, links):
            first = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
            rest = ["".join(f"<td>{_cell(cell, links)}</td>" for cell in line) for line in body]
            lines = "\n".join(f"<tr>{line}</tr>" for line in rest)
            inner = f"<thead>\n<tr>{first}</tr>\n</thead>\n<tbody>\n{lines}\n</tbody>"
            return f'<div class="wide" tabindex="0">\n<table>\n{inner}\n</table>\n</div>'


def _cell(text: str, links: Mapping[str, str]) -> str:
    shown = html.escape(text)
    return f'<a href="{html.escape(links[text])}">{shown}</a>' if text in links else shown


def save(folder: Path, name: str, title: str, blocks: Sequence[Block], drawings: Mapping[str, Drawing]) -> str:
    """Write ``name``.md, .json, .html, the drawings, and ``name``-tables to ``folder``; the Markdown text."""
    folder.mkdir(parents=True, exist_ok=True)
    for drawn, drawing in drawings.items():
        (folder / f"{drawn}.svg").write_text(drawing.svg, encoding="utf-8")
        (folder / f"{drawn}.png").write_bytes(drawing.png)
        (folder / f"{drawn}.pdf").write_bytes(drawing.pdf)
    text = markdown(blocks)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    told = {"title": title, "blocks": [{"kind": type(block).__name__, **asdict(block)} for block in blocks]}
    (folder / f"{name}.json").write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _save_tables(folder / f"{name}-tables", blocks)
    vectors = {drawn: drawing.svg for drawn, drawing in drawings.items()}
    (folder / f"{name}.html").write_text(page(title, blocks, vectors), encoding="utf-8")
    return text


TABLE_FILE = re.compile(r"\d\d+-[\w-]*\.(csv|tex)")
LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "–": "--",
}  # fmt: skip


def _save_tables(folder: Path, blocks: Sequence[Block]) -> None:
    """Every table as CSV and LaTeX, named by number and heading; those of an earlier page are removed."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if TABLE_FILE.fullmatch(old.name):
            old.unlink()
    title, count = "", 0
    for block in blocks:
        if isinstance(block, Heading):
            title = block.text
        elif isinstance(block, Grid):
            count += 1
            stem = f"{count:02}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')[:50]}"
            (folder / f"{stem}.csv").write_text(comma_separated(block), encoding="utf-8")
            (folder / f"{stem}.tex").write_text(latex(block), encoding="utf-8")


def comma_separated(table: Grid) -> str:
    """A table as CSV (RFC 4180); a thousand is written without its comma."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\r\n")
    lines.writerow(table.head)
    lines.writerows([re.sub(r"(?<=\d),(?=\d{3}(?:\D|$))", "", cell) for cell in line] for line in table.body)
    return written.getvalue()


def latex(table: Grid) -> str:
    """A table as a LaTeX ``tabular``: the first column to the left, the others to the right."""
    head, *body = (" & ".join(map(_escaped, line)) + r" \\" for line in (table.head, *table.body))
    columns = "l" + "r" * (len(table.head) - 1)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", head, r"\hline", *body, r"\hline", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in " ".join(text.split()))
