"""Many cases of the parts of the attack, on some processes, with progress; what is wrong is kept as a folder."""

from __future__ import annotations

import importlib
import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from trial import Case, Outcome

SILENCE = 60.0  # seconds
PARTS = (
    "networks", "planted", "certificates", "programs", "writers", "distillations", "recurrent", "pairs", "streams",
    "problems",
)  # fmt: skip


@dataclass
class Count:
    """What came of the cases of a part; ``wrong`` by number of the case."""

    cases: int = 0
    tried: int = 0
    decided: int = 0
    harmless: int = 0
    seconds: float = 0.0
    wrong: dict[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Campaign:
    """``known``: names of folders of cases that are known to be wrong; ``is_first``: the first other one ends it."""

    seed: int
    keep: Path
    jobs: int = 1
    known: frozenset[str] = frozenset()
    is_first: bool = False

    def run(self, sizes: dict[str, int], console: Console) -> dict[str, Count]:
        """All parts, so many cases each; what there is so far on an interrupt."""
        counts = {part: Count() for part, size in sizes.items() if size}
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with suppress(KeyboardInterrupt), Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            for part, count in counts.items():
                told = _Told(console, part, sizes[part], bar, bar.add_task(part, total=sizes[part]))
                if self._part(part, range(sizes[part]), count, told):
                    break
        return counts

    def _part(self, part: str, indices: range, count: Count, on_case: Callable[[], None]) -> bool:
        """Whether the first wrong case ended it."""
        began = time.perf_counter()
        with _outcomes(part, self.seed, indices, self.jobs) as outcomes:
            for index, outcome in outcomes:
                count.cases, count.tried = count.cases + 1, count.tried + outcome.tried
                count.decided, count.harmless = count.decided + outcome.decided, count.harmless + outcome.harmless
                count.seconds = time.perf_counter() - began
                on_case()
                if outcome.wrong:
                    count.wrong[index] = outcome.wrong
                    kept = self._kept(part, index, outcome)
                    if self.is_first and kept.name not in self.known:
                        return True
        return False

    def _kept(self, part: str, index: int, outcome: Outcome) -> Path:
        """The folder with the case's files and how to run it again."""
        folder = self.keep / f"{part}-{self.seed}-{index}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in outcome.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        again = f"python tests/attack --part {part} --case {index} --seed {self.seed}"
        lines = [f"# {folder.name}", "", *(f"- {sentence}" for sentence in outcome.wrong), "", f"    {again}", ""]
        (folder / "README.md").write_text("\n".join(lines))
        return folder


class _Told:
    """Hears of every case of a part: moves a bar, or writes a line now and then where there is no terminal."""

    def __init__(self, console: Console, part: str, total: int, bar: Progress, task: TaskID) -> None:
        self.console, self.part, self.total, self.bar, self.task = console, part, total, bar, task
        self.done, self.last = 0, time.perf_counter()

    def __call__(self) -> None:
        self.done += 1
        self.bar.advance(self.task)
        if not self.console.is_terminal and time.perf_counter() - self.last > SILENCE:
            self.last = time.perf_counter()
            self.console.print(f"{self.part}: {self.done:,} of {self.total:,}")


def case_of(part: str) -> Case:
    """The function that runs one case of a part."""
    return importlib.import_module(part).attack  # type: ignore[no-any-return]


def run_case(asked: tuple[str, int, int]) -> tuple[int, Outcome]:
    """One case; one that ends in an exception is wrong, too."""
    part, seed, index = asked
    try:
        return index, case_of(part)(seed, index)
    except Exception:
        return index, Outcome(1, 0, (f"raised {traceback.format_exc(limit=-4).strip().replace(chr(10), ' / ')}",))


@contextmanager
def _outcomes(part: str, seed: int, indices: range, jobs: int) -> Iterator[Iterable[tuple[int, Outcome]]]:
    every = [(part, seed, index) for index in indices]
    if jobs == 1:
        yield map(run_case, every)
        return
    case_of(part)  # imported once, before processes part
    chunk = max(1, min(8, len(every) // (4 * jobs)))
    with multiprocessing.get_context("fork").Pool(jobs, _left_alone) as pool:
        yield pool.imap_unordered(run_case, every, chunk)


def _left_alone() -> None:
    """An interrupt is for the parent, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def table(counts: dict[str, Count]) -> Table:
    """What was tried, what was decided, and what was wrong."""
    result = Table("part", "cases", "tried", "decided", "harmless", "wrong", "seconds")
    for column in result.columns[1:]:
        column.justify = "right"
    for part, count in counts.items():
        numbers = (count.cases, count.tried, count.decided, count.harmless, len(count.wrong))
        result.add_row(part, *(f"{n:,}" for n in numbers), f"{count.seconds:.0f}")
    return result
