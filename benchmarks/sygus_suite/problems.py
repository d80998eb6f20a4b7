"""The own problems, by the names of their files: ``files/<track>/<name>.sl`` says the same as the function here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.sygus_suite import bitvectors, hackers_delight, integers, invariants, motifs, strings
from benchmarks.sygus_suite.language import SygusProblem
from cegis.sygus import write_problem

FILES = Path(__file__).parent / "files"
TRACKS = (motifs, integers, bitvectors, hackers_delight, strings, invariants)
PROBLEMS: Mapping[str, Callable[[], SygusProblem]] = {
    f"{track.__name__.rpartition('.')[2]}/{make.__name__}": make for track in TRACKS for make in track.PROBLEMS
}


def text(name: str) -> str:
    """The file of a problem: what it is about, then the problem. Invariants are written by ``inv-constraint``."""
    make = PROBLEMS[name]
    about = "".join(f"; {line.strip()}\n" for line in (make.__doc__ or "").splitlines())
    written = write_problem(make())
    return about + (_with_sugar(written) if name.startswith("invariants/") else written)


def write() -> None:
    """Write every file again."""
    for name in PROBLEMS:
        path = FILES / f"{name}.sl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(name), encoding="utf-8")


def _with_sugar(written: str) -> str:
    """The same problem with ``synth-inv`` and ``inv-constraint`` in place of what they stand for."""
    lines = [line for line in written.splitlines() if not line.startswith(("(declare-var", "(constraint"))]
    head = next(line for line in lines if line.startswith("(synth-fun"))
    lines[lines.index(head)] = head.replace("(synth-fun", "(synth-inv").replace(" Bool)", ")")
    lines.insert(lines.index("(check-synth)"), "(inv-constraint invariant before step after)")
    return "\n".join(lines) + "\n"
