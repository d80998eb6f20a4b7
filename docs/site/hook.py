"""What the site has beyond ``docs/``: README, maps of the rooms, and every source file that a page names.

MkDocs reads one folder. Pages of this repository link to each other and to source files by relative paths, as a
repository's browser wants them; here each such target becomes a page of the site, and the link leads there, to the
line where a name is defined if the link's text is one. ``mkdocs build --strict`` fails for one that leads nowhere.
"""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

from click import Context
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, TextLexer

from tasks.commands.main import distill

ROOT = Path(__file__).resolve().parents[2]
TOP = ("CONTRIBUTING.md", "CHANGELOG.md", "SOLVERS.md", "tests/README.md")
HOUSES = ("tasks", "cegis", "dsl", "backends", "benchmarks")
LINK = re.compile(r"\[([^\[\]]*)\]\(([^()#\s]+)(#[^()\s]*)?\)")
NAME = re.compile(r"`(\w+)(?:\([^`]*\))?`")
SOURCE = "source/"
OPTIONS = "reference/command-line.md"


def outside() -> list[str]:
    """Pages that do not lie in ``docs/``, by their paths in the repository."""
    maps = [path for house in HOUSES for path in sorted((ROOT / house).rglob("README.md"))]
    return ["README.md", *TOP, *(path.relative_to(ROOT).as_posix() for path in maps)]


def address(path: str) -> str:
    """Where a file of the repository stands in the site."""
    if path.startswith("docs/") and not path.endswith(".py"):
        return path.removeprefix("docs/")
    if not path.endswith(".md"):
        return f"{SOURCE}{path}.md"
    return "index.md" if path == "README.md" else f"inside/{path}"


def repository_path(uri: str) -> str:
    """The file that a page of the site was made from: the inverse of ``address``."""
    if uri.startswith(SOURCE):
        return uri.removeprefix(SOURCE).removesuffix(".md")
    if uri.startswith("inside/"):
        return uri.removeprefix("inside/")
    return "README.md" if uri == "index.md" else f"docs/{uri}"


def target(page: str, link: str) -> str | None:
    """The file of the repository that a link on a page leads to; None for an address, and for what does not exist."""
    if "://" in link or link.startswith("mailto:"):
        return None
    path = (ROOT / page).parent.joinpath(link).resolve()
    if path.is_dir():
        path /= "README.md"
    return path.relative_to(ROOT).as_posix() if path.is_file() and path.is_relative_to(ROOT) else None


def definitions(path: str) -> dict[str, int]:
    """The line of every name that a Python file defines at its top; none of another file."""
    found: dict[str, int] = {}
    if not path.endswith(".py"):
        return found
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found[node.name] = node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id: node.lineno for name in targets if isinstance(name, ast.Name)}
    return found


def on_files(files: Files, config: Any) -> Files:
    """Add what lies outside ``docs/``: pages as they are, source files as pages that ``on_page_content`` fills."""
    inside = [repository_path(file.src_uri) for file in files.documentation_pages() if file.src_uri.endswith(".md")]
    sources = set()
    for path in outside():
        files.append(File.generated(config, address(path), abs_src_path=str(ROOT / path)))
    for page in [*inside, *outside()]:
        text = (ROOT / page).read_text(encoding="utf-8")
        found = (target(page, link) for _, link, _ in LINK.findall(text))
        sources |= {path for path in found if path is not None and address(path).startswith(SOURCE)}
    for path in sorted(sources):
        content = f"---\ntitle: {path}\nsearch:\n  exclude: true\n---\n# `{path}`\n"
        files.append(File.generated(config, address(path), content=content))
    return files


def helps() -> str:
    """A section for every command, with what its ``--help`` prints."""
    with distill.make_context("distill", ["list"]) as context:
        known = {name: distill.get_command(context, name) for name in sorted(distill.list_commands(context))}
        texts = {name: known[name].get_help(Context(known[name], context, name)) for name in known}
    return "".join(f"\n## distill {name}\n\n```text\n{text}\n```\n" for name, text in texts.items())


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Turn links within the repository into links within the site; write out the options of every command."""
    here = page.file.src_uri
    if here == OPTIONS:
        markdown += helps()

    def rewritten(match: re.Match[str]) -> str:
        text, link, anchor = match.groups(default="")
        path = target(repository_path(here), link)
        if path is None:
            return match[0]
        name = NAME.fullmatch(text)
        if name and name[1] in definitions(path):
            anchor = f"#{name[1]}"
        return f"[{text}]({posixpath.relpath(address(path), posixpath.dirname(here))}{anchor})"

    return LINK.sub(rewritten, markdown)


def on_page_content(html: str, page: Page, config: Any, files: Files) -> str:
    """Fill a page of a source file: its text, coloured, with an anchor at every name that it defines."""
    if not page.file.src_uri.startswith(SOURCE):
        return html
    path = repository_path(page.file.src_uri)
    lexer = PythonLexer() if path.endswith(".py") else TextLexer()
    text = highlight((ROOT / path).read_text(encoding="utf-8"), lexer, HtmlFormatter(nowrap=True))
    lines = text.split("\n")
    for name, line in definitions(path).items():
        lines[line - 1] = f'<a id="{name}"></a>{lines[line - 1]}'
        assert page.present_anchor_ids is not None
        page.present_anchor_ids.add(name)
    return f'{html}<div class="highlight"><pre><code>{chr(10).join(lines)}</code></pre></div>'
