"""``distill report RESULT``: a result as one page that opens anywhere, and as drawings and snippets beside it.

Exit codes: 0 the page was written, 1 it was, and says of a certificate that it does not hold, 2 bad input.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.exits import NOT_PROVED, PROVED
from tasks.commands.manners import Manners, quiet_option
from tasks.commands.question import asks

if TYPE_CHECKING:
    from tasks.reports.subject import Subject

BESIDE = ("svg", "dot", "png", "latex", "markdown")


@click.command()
@click.argument("result")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The page, a file.")
@click.option(
    "--network", "folder", type=click.Path(path_type=Path), help="The network of a RESULT that is a file of JSON."
)
@click.option("--length", help="Longest sequences of a network that is run, or a range such as 1-8.")
@click.option("--time-limit", "seconds", default=150.0, show_default=True, help="Seconds for a run, or for a check.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of a run.")
@click.option("--check/--no-check", "checks", default=True, show_default=True, help="Check a certificate first.")
@click.option("--svg", is_flag=True, help="Write the drawing of the network beside the page, as SVG.")
@click.option("--dot", is_flag=True, help="The same in Graphviz's language.")
@click.option("--png", is_flag=True, help="The same as PNG.")
@click.option("--latex", is_flag=True, help="Program, claim and figure as LaTeX beside the page, the figure as PDF.")
@click.option("--markdown", is_flag=True, help="The same as Markdown, the figure as SVG.")
@asks
@quiet_option
def report(
    result: str,
    out: Path,
    folder: Path | None,
    length: str | None,
    seconds: float,
    seed: int,
    checks: bool,
    svg: bool,
    dot: bool,
    png: bool,
    latex: bool,
    markdown: bool,
    quiet: bool,
    **question: Any,
) -> int:
    """Write a page about RESULT: program, proof, drawing, attention, exceptions, and how to check them.

    RESULT is a file that "distill run --json" printed, a certificate folder, or a network (a shipped name or a folder),
    which is then run.
    """
    from tasks.commands.question import check_seconds
    from tasks.formats.writing import check_file
    from tasks.networks.quoting import shown
    from tasks.reports.needs import MissingError, check_installed

    check_seconds(seconds)
    try:
        check_installed()
    except MissingError as error:
        raise click.ClickException(str(error)) from None
    check_file(out)
    subject, holds = _subject(result, folder, length, seconds, seed, checks, Manners(quiet=quiet), question)
    wanted = [name for name, is_wanted in zip(BESIDE, (svg, dot, png, latex, markdown), strict=True) if is_wanted]
    for path in _write(subject, out, wanted):
        click.echo(shown(path))
    return NOT_PROVED if holds is False else PROVED


def _subject(
    result: str,
    folder: Path | None,
    length: str | None,
    seconds: float,
    seed: int,
    checks: bool,
    manners: Manners,
    question: Any,
) -> tuple[Subject, bool | None]:
    """What the page is about, and what a check of it said."""
    from tasks.reports.subject import is_certificate, of_certificate, of_json

    path = Path(result)
    if path.is_file():
        return of_json(path, folder), None
    if is_certificate(path):
        holds = _checked(path, seconds) if checks else None
        return of_certificate(path, holds), holds
    return _run(result, length, seconds, seed, manners, question), None


def _run(network: str, length: str | None, seconds: float, seed: int, manners: Manners, question: Any) -> Subject:
    """A network, run as ``distill run`` does where no option is given."""
    from tasks.commands.distilling import ready
    from tasks.commands.progress import observed
    from tasks.reports.subject import of_distillation

    run = ready(network, length=length, seed=seed, **question)
    with observed(manners) as observer:
        found = run.make(seconds, observer)
    given = [part for name, value in question.items() if value is not None for part in (f"--{name}", value)]
    longest = [] if length is None else ["--length", length]
    command = ["distill", "run", network, *longest, *given, "--seed", str(seed), "--out", "proof.cert"]
    return of_distillation(found, run.folder, (shlex.join(command), "distill check proof.cert"))


def _checked(folder: Path, seconds: float) -> bool:
    """Whether ``distill check`` says that a certificate holds; raises ClickException where it cannot be checked."""
    command = [sys.executable, "-m", "tasks.commands.main", "check", str(folder), "--json"]
    ended = subprocess.run([*command, "--time-limit", str(seconds)], capture_output=True, text=True)
    try:
        return bool(json.loads(ended.stdout)["holds"])
    except (ValueError, LookupError, TypeError):
        said = ended.stderr.strip().removeprefix("distill: ") or "it cannot be checked"
        raise click.ClickException(said) from None


def _write(subject: Subject, target: Path, wanted: list[str]) -> list[Path]:
    """The page and what is ``wanted`` beside it; the files that were written."""
    from tasks.formats.writing import write_file
    from tasks.reports.drawing import graph_dot, graph_svg
    from tasks.reports.graph import graph
    from tasks.reports.page import page
    from tasks.reports.snippets import latex, markdown

    files: dict[Path, bytes] = {target: page(subject).encode()}
    drawn = None if subject.model is None else graph(subject.model)
    if drawn is None and {"svg", "dot", "png"} & {*wanted}:
        raise click.ClickException(f"{subject.name}: there is no drawing, as nothing is known of its weights")
    picture = "" if drawn is None else str(graph_svg(drawn, subject.name))
    figures = {"latex": "pdf", "markdown": "svg"}
    kinds = {*wanted} | {figures[name] for name in wanted if name in figures and drawn is not None}
    if "svg" in kinds:
        files[target.with_suffix(".svg")] = picture.encode()
    if "dot" in kinds and drawn is not None:
        files[target.with_suffix(".dot")] = graph_dot(drawn, subject.name).encode()
    if {"png", "pdf"} & kinds:
        import vl_convert

        if "png" in kinds:
            files[target.with_suffix(".png")] = vl_convert.svg_to_png(picture, scale=2)
        if "pdf" in kinds:
            files[target.with_suffix(".pdf")] = vl_convert.svg_to_pdf(picture)
    figure = None if drawn is None else target.stem
    if "latex" in wanted:
        files[target.with_suffix(".tex")] = latex(subject, figure and f"{figure}.pdf").encode()
    if "markdown" in wanted:
        files[target.with_suffix(".md")] = markdown(subject, figure and f"{figure}.svg").encode()
    for path, content in files.items():
        write_file(path, [content])
    return list(files)
