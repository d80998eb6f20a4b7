"""``distill bench`` and ``python -m benchmarks``: run a suite, record a corpus, make a report again from its rows.

Exit codes: 0 when the suite was run, whatever its rows say; 1 when ``compare`` found anything worse; 2 for bad input,
with one line on standard error; 143 after SIGTERM and 130 after SIGINT, which end the runs under way and keep every
finished row.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from benchmarks.harness.measure import WALL

if TYPE_CHECKING:
    from benchmarks.harness.row import Row
    from benchmarks.harness.task import Task

PEER_ROWS, TABLE, ROWS, CACHE = "rows.jsonl", "table.md", "solvers.jsonl", "surrogates"
SOLVER_SUITES = ("loop", "replay", "growth", "overhead")  # of one page; several of them may be run in one go
SUITES = (
    "peers", "loop", "replay", "growth", "overhead", "sygus", "rate", "networks", "breadth", "learned", "rnn", "adders",
    "speed", "workers",
)  # fmt: skip
SECONDS = {
    "sygus": 30.0,
    "rate": 60.0,
    "networks": 60.0,
    "breadth": 30.0,
    "rnn": 120.0,
    "adders": 900.0,
    "speed": 120.0,
    "workers": 120.0,
}  # of a run, where no limit is given; elsewhere 20
CORPUS = Path(__file__).parent / "corpus"
FOLDER = click.Path(path_type=Path)


class BadInput(click.ClickException):
    """A sentence on standard error and exit code 2."""

    exit_code = 2


@click.group(invoke_without_command=True)
@click.option(
    "--suite",
    default="peers",
    show_default=True,
    help=f"What is run: {', '.join(SUITES)}; several of {', '.join(SOLVER_SUITES)} with commas between.",
)
@click.option("--backends", default="", help="Solvers (sygus: tools), separated by commas.  [default: all]")
@click.option(
    "--time-limit",
    "--seconds",
    "limit",
    type=float,
    help=f"CPU seconds per run; wall clock may take {WALL:g} times that. [default: 20 to 900, by suite]",
)
@click.option("--memory-limit", "memory_mb", default=4096, show_default=True, help="MB of address space per run.")
@click.option("--seeds", default=5, show_default=True, help="How many seeds (suite loop).")
@click.option("--seed", default=0, show_default=True, help="Seed of the order of runs, and of the suite peers.")
@click.option("--jobs", default=1, show_default=True, help="How many runs at a time.")
@click.option("--executor", default="processes", show_default=True, help="Where runs are made: processes or dask.")
@click.option("--scheduler", default="", help="Address of a Dask scheduler.  [default: a cluster on this machine]")
@click.option("--corpus", type=FOLDER, help="Recorded queries to replay.  [default: the small sample]")
@click.option("--smtlib", type=FOLDER, help="Folder of SMT-LIB files (suite replay), in place of recorded queries.")
@click.option("--tools", type=FOLDER, help="TOML file with more solvers for --smtlib.")
@click.option(
    "--runner",
    default="auto",
    show_default=True,
    help="Who measures --smtlib: runexec (BenchExec's, needs control groups), ours, or auto: runexec where it can.",
)
@click.option("--circuits", default="", help="Shipped circuits, separated by commas.  [default: all]")
@click.option("--sygus-dir", type=FOLDER, help="Folder of .sl files (suite sygus).  [default: the own problems]")
@click.option(
    "--cases-dir",
    type=FOLDER,
    help="Folder of networks (suites networks, rnn, adders).  [default: shipped circuits alone]",
)
@click.option(
    "--trained", type=FOLDER, help="Folder that tasks.training.streams filled (suite rnn).  [default: left out]"
)
@click.option(
    "--only",
    default="",
    help="Parts of names, separated by commas (suites breadth, learned, rnn, adders).  [default: all]",
)
@click.option(
    "--load", default=0, show_default=True, help="Artificial load: processes that burn CPU beside the runs, to compare."
)
@click.option("--print-commands", is_flag=True, help="Print the worker command of each run; run none.")
@click.option("--out", type=FOLDER, default=Path("out/bench"), show_default=True, help="Folder.")
@click.pass_context
def bench(
    context: click.Context,
    suite: str,
    backends: str,
    limit: float | None,
    memory_mb: int,
    seeds: int,
    seed: int,
    jobs: int,
    executor: str,
    scheduler: str,
    corpus: Path | None,
    smtlib: Path | None,
    tools: Path | None,
    runner: str,
    circuits: str,
    sygus_dir: Path | None,
    cases_dir: Path | None,
    trained: Path | None,
    only: str,
    load: int,
    print_commands: bool,
    out: Path,
) -> None:
    """Compare this project with its peers, or solvers with each other.

    The suites: "peers", this project beside cvc5's SyGuS and AALpy's L*; "loop", the whole distillation loop with
    each solver; "replay", recorded queries, or with --smtlib any SMT-LIB files (--backends then names tools of
    benchmarks/tools.toml, variants of z3 and cvc5 among them); "growth", larger and larger questions; "overhead",
    our solver layer beside the solvers' own Python interfaces; "sygus", SyGuS problems beside cvc5, every answer
    checked; "rate", how fast terms are enumerated; "networks", the cost of proofs by length, and a table over
    networks of other people; "breadth", which of many plain functions the search finds; "learned", what motifs
    learned from some problems do for others; "rnn", recurrent networks to programs and proofs, beside L*; "adders",
    networks that calculate, proved on all pairs of numbers or with a pair that fails; "speed", what the main chain
    costs over bare imports, checker by prover, listing by plain enumeration; "workers", parts of proofs by none
    and by two workers. Rows go to solvers.jsonl in the
    folder (peers: rows.jsonl; sygus and rate: sygus.jsonl; elsewhere the suite's name), and runs that are there are
    not repeated; report.html and report.md (sygus.html, networks.html, breadth.html, learned.html, rnn.html,
    adders.html) are made from them.
    """
    if context.invoked_subcommand is not None:
        return
    wanted = limit if limit is not None else SECONDS.get(suite, 20.0)
    with _one_line(), _ending(out), _burning(load):
        chosen_suites = _suites(suite)
        if (smtlib is not None or tools is not None) and "replay" not in chosen_suites:
            raise ValueError("--smtlib and --tools are for the suite replay")
        if tools is not None and smtlib is None:
            raise ValueError("--tools is for --smtlib: name a folder of SMT-LIB files")
        seconds, memory_mb = _within(wanted, memory_mb)
        if seeds < 1:
            raise ValueError(f"expected at least 1 seed, got {seeds}")
        from benchmarks.paged import NETWORKS, PAGED, Asked

        shipped, paged = _folders(circuits), PAGED.get(suite)
        if print_commands and (suite in ("peers", "networks") or (paged is not None and not paged.has_worker)):
            raise ValueError(f"--print-commands: the runs of the suite {suite} are not of one command each")
        out.mkdir(parents=True, exist_ok=True)
        if suite == "peers":
            _peers(out, seconds, seed, shipped)
            return
        from benchmarks.harness import standing
        from benchmarks.harness.execution import command_line
        from benchmarks.harness.place import here
        from benchmarks.harness.schedule import executor as open_executor
        from benchmarks.harness.schedule import run_all

        if suite == "networks":
            from benchmarks.suites import networks

            with open_executor(executor, jobs, scheduler) as pool:
                networks.run(
                    tuple(shipped.values()), _backends(backends), cases_dir, out / NETWORKS.rows, here(), pool,
                    seconds=seconds, memory_mb=memory_mb, seed=seed, on_row=_Counter(None).show,
                )  # fmt: skip
            click.echo(NETWORKS.write(out))
            return
        if paged is not None:
            folders = tuple(shipped.values())
            asked = Asked(
                out, seconds, memory_mb, seed, folders, _names(backends), _names(only), cases_dir, trained, sygus_dir,
                _solved,
            )  # fmt: skip
            planned = paged.plan(asked)
            if print_commands:
                click.echo("\n".join(map(command_line, planned)))
                return
            if paged.absent is not None:
                standing.record_absent(out / paged.page.rows, suite, paged.absent(asked))
            with open_executor(executor, jobs, scheduler) as pool:
                counter = _Counter(len(planned))
                run_all(planned, out / paged.page.rows, here(), pool, seed=seed, on_row=counter.show, run=paged.run)
            click.echo(paged.page.write(out))
            return
        from benchmarks.harness import runexec
        from benchmarks.reports.beside import keep_queries
        from benchmarks.suites import smtlib as smtlib_suite

        place = here()
        tasks: tuple[Task, ...] = ()
        files: tuple[Task, ...] = ()
        for one in [one for one in chosen_suites if one != "replay" or corpus is not None or smtlib is None]:
            tasks += _plan(one, _backends(backends), shipped, corpus or CORPUS, seeds, seconds, memory_mb, out / CACHE)
        if smtlib is not None:
            by = runexec.chosen(runner)
            files = smtlib_suite.plan(smtlib, _names(backends), seconds, memory_mb, tools, runner=by)
        if print_commands:
            lines = [command_line(task) for task in tasks] + [shlex.join(smtlib_suite.command(task)) for task in files]
            click.echo("\n".join(lines))
            return
        standing.record(out / ROWS, (*tasks, *files), place)  # so that an interrupted page shows all that is missing
        if smtlib is not None:
            absent = smtlib_suite.absent(_names(backends), tools)
            standing.record_absent(out / ROWS, smtlib_suite.SUITE, absent)
        keep_queries((*tasks, *files), out)
        counter = _Counter(len(tasks) + len(files))
        with open_executor(executor, jobs, scheduler) as pool:
            if tasks:
                run_all(tasks, out / ROWS, place, pool, seed=seed, on_row=counter.show)
            if files:
                run = smtlib_suite.execute
                run_all(files, out / ROWS, place, pool, seed=seed, on_row=counter.show, run=run)
        click.echo(_write_report(out))


@bench.command()
@click.option("--queries", default=10_000, show_default=True, help="How many different queries, at least.")
@click.option("--circuits", default="", help="Shipped circuits, separated by commas.  [default: all]")
@click.option("--lengths", default="", help="Sequence lengths, separated by commas.  [default: 3,5,6,7,8,10]")
@click.option("--seed", default=0, show_default=True, help="Seed of the runs and the mutants.")
@click.option("--out", type=FOLDER, default=Path("out/corpus"), show_default=True, help="A fresh folder.")
def record(queries: int, circuits: str, lengths: str, seed: int, out: Path) -> None:
    """Record queries of distillation runs as SMT-LIB, for the suite "replay"."""
    with _one_line():
        from backends import get
        from benchmarks.inputs import corpus

        try:
            chosen = tuple(int(part) for part in lengths.split(",") if part.strip()) or corpus.LENGTHS
        except ValueError:
            raise ValueError(f"expected whole numbers as --lengths, got {lengths!r}") from None

        def show(path: Path, count: int) -> None:
            click.echo(f"{path.name}: {count:,} queries", err=True)

        folders = list(_folders(circuits).values())
        with TemporaryDirectory() as cache:
            made = corpus.record(
                folders, out, Path(cache), get("z3"), queries=queries, seed=seed, lengths=chosen, on_file=show
            )
        click.echo(f"{made:,} queries in {out}")


@bench.command()
@click.option("--out", type=FOLDER, default=Path("out/bench"), show_default=True, help="Folder with solvers.jsonl.")
def report(out: Path) -> None:
    """Make the reports again from the rows of suites, without running anything."""
    with _one_line():
        from benchmarks.paged import PAGES

        writers = {PEER_ROWS: _write_table, **{page.rows: page.write for page in PAGES}}
        there = [write for rows, write in writers.items() if (out / rows).exists()]
        for write in there:
            click.echo(write(out))
        if (out / ROWS).exists() or not there:
            click.echo(_write_report(out))


@bench.command()
@click.argument("before", type=FOLDER)
@click.argument("after", type=FOLDER)
@click.option("--out", type=FOLDER, default=Path("out/compare"), show_default=True, help="Folder.")
@click.pass_context
def compare(context: click.Context, before: Path, after: Path, out: Path) -> None:
    """Compare two runs: the folders of two benchmarks, or two files of rows.

    What was lost, what changed its answer and what got slower stands first, in compare.md and compare.html. Exit code 1
    where there is any of it, 0 where there is none. Times are compared where machine and limits are the same.
    """
    with _one_line():
        from benchmarks.reports import compare_page

        text, is_fine = compare_page.write(before, after, out)
        click.echo(text)
        if not is_fine:
            context.exit(1)


@bench.command()
@click.option("--cases-dir", type=FOLDER, help="Folder with tracr, interpbench and gpt2.  [default: left out]")
@click.option("--trained", type=FOLDER, help="Folder that the command train filled.  [default: left out]")
@click.option("--families", default="", help="Families, separated by commas.  [default: all]")
@click.option("--only", default="", help="Parts of names of networks, separated by commas.  [default: all]")
@click.option("--count", default=100, show_default=True, help="How many functions of one token.")
@click.option("--quick", is_flag=True, help="Two functions of one token alone.")
@click.option("--time-limit", "seconds", default=60.0, show_default=True, help="Seconds that distill run is given.")
@click.option("--memory-limit", "memory_mb", default=8192, show_default=True, help="MB of address space per run.")
@click.option("--seed", default=0, show_default=True, help="Seed of functions, alphabets and searches.")
@click.option("--jobs", default=1, show_default=True, help="How many runs at a time.")
@click.option("--out", type=FOLDER, default=Path("out/bench"), show_default=True, help="Folder.")
def programs(
    cases_dir: Path | None,
    trained: Path | None,
    families: str,
    only: str,
    count: int,
    quick: bool,
    seconds: float,
    memory_mb: int,
    seed: int,
    jobs: int,
    out: Path,
) -> None:
    """Run distill on many networks, and tell what there is to read in the end.

    Networks compiled by others and by us, trained ones and the shipped circuits; a family whose folder is not there is
    left out with a reason. Rows go to programs.jsonl, and runs that are there are not repeated; programs.md and
    programs.html are made from them.
    """
    with _one_line(), _ending(out):
        from benchmarks.harness import standing
        from benchmarks.harness.place import here
        from benchmarks.harness.schedule import executor as open_executor
        from benchmarks.harness.schedule import run_all
        from benchmarks.inputs.program_networks import ONE_TOKEN, networks
        from benchmarks.paged import PROGRAMS
        from benchmarks.suites import programs as suite

        chosen = (ONE_TOKEN,) if quick else _names(families)
        made, count = out / "networks", 2 if quick else count
        found, left_out = networks(chosen, cases_dir, trained, made, seed=seed, count=count)
        wanted = _names(only)
        asked = [one for one in found if not wanted or any(text in one.name for text in wanted)]
        for family, why in left_out.items():
            click.echo(f"left out: {family} ({why})", err=True)
        if not asked:
            raise ValueError(
                "expected one network or more, got none; name a folder, a family or another part of a name"
            )
        tasks = suite.plan(asked, seconds, memory_mb, seed)
        out.mkdir(parents=True, exist_ok=True)
        standing.record_absent(out / PROGRAMS.rows, suite.SUITE, left_out)
        with open_executor("processes", jobs) as pool:
            run_all(
                tasks, out / PROGRAMS.rows, here(), pool, seed=seed, on_row=_Counter(len(tasks)).show, run=suite.execute
            )
        click.echo(PROGRAMS.write(out))


@bench.command()
@click.option("--only", default="", help="Names of lessons, separated by commas.  [default: all]")
@click.option("--seed", default=0, show_default=True, help="Seed of weights and batches.")
@click.option("--out", type=FOLDER, default=Path("out/trained"), show_default=True, help="Folder of folders.")
def train(only: str, seed: int, out: Path) -> None:
    """Train small networks on copy, reverse, sort, extremes and induction, for the suite "programs".

    A minute of CPU time in all; each is right on every sequence of its lengths, or an error says that it is not.
    """
    with _one_line():
        from tasks.training import algorithms

        for lesson in map(algorithms.lesson, _names(only)) if only else algorithms.LESSONS:
            lead = algorithms.make(lesson, out / lesson.name, seed)
            click.echo(f"{out / lesson.name}: {lesson.summary}; the closest answer leads by {lead:.2f}")


@click.command()
@click.argument("networks", nargs=-1)
@click.option("--cases-dir", type=FOLDER, help="Folder of networks, at any depth.")
@click.option("--only", default="", help="Parts of names, separated by commas.  [default: all]")
@click.option(
    "--ask", default="run", show_default=True, help="Commands, separated by commas: run, verify, attack, in this order."
)
@click.option(
    "--programs", "own", type=FOLDER, help="Folder of NAME.py for verify and attack.  [default: those that run finds]"
)
@click.option(
    "--run-options", default="", help="What run and verify are given as well, such as '--length 8 --backend z3'."
)
@click.option("--attack-options", default="", help="What attack is given as well, such as '--longest 20'.")
@click.option("--time-limit", "seconds", default=60.0, show_default=True, help="Seconds that each command is given.")
@click.option("--memory-limit", "memory_mb", default=8192, show_default=True, help="MB of address space per run.")
@click.option("--certificates", is_flag=True, help="Write certificates, below certificates in the folder.")
@click.option("--seed", default=0, show_default=True, help="Seed of searches, and of the order of runs.")
@click.option("--jobs", default=1, show_default=True, help="How many runs at a time.")
@click.option(
    "--executor",
    default="processes",
    show_default=True,
    type=click.Choice(("processes", "dask")),
    help="Where runs are made.",
)
@click.option("--scheduler", default="", help="Address of a Dask scheduler.  [default: a cluster on this machine]")
@click.option("--out", type=FOLDER, default=Path("out/sweep"), show_default=True, help="Folder.")
def sweep(
    networks: tuple[str, ...],
    cases_dir: Path | None,
    only: str,
    ask: str,
    own: Path | None,
    run_options: str,
    attack_options: str,
    seconds: float,
    memory_mb: int,
    certificates: bool,
    seed: int,
    jobs: int,
    executor: str,
    scheduler: str,
    out: Path,
) -> None:
    """Run distill over many networks, and make one page of what equals them.

    NETWORKS are shipped names or folders; a folder that is no network stands for every network below it, as with
    --cases-dir. Results go to sweep.jsonl as they arrive, each also to json/NAME.json and its program to
    programs/NAME.py; the page is sweep.md and sweep.html. A sweep that was interrupted, by kill -9 even, goes on where
    it was: the same command runs only what is missing. A network that cannot be read is a line of the page. With
    --ask run,verify,attack each program that is found is then verified without a search, and attacked. With --executor
    dask runs go to the workers of a cluster; a run whose worker dies is made again.
    """
    with _one_line(), _ending(out):
        from benchmarks.harness import standing
        from benchmarks.harness.place import here
        from benchmarks.harness.schedule import executor as open_executor
        from benchmarks.harness.schedule import run_all
        from benchmarks.paged import SWEEP
        from benchmarks.reports import sweep_page
        from benchmarks.suites import sweep as suite

        seconds, memory_mb = _within(seconds, memory_mb)
        asks = [one for one in suite.ASKS if one in _names(ask)]
        if not asks or set(_names(ask)) - set(suite.ASKS):
            raise ValueError(f"expected --ask among {', '.join(suite.ASKS)}, got {ask!r}")
        if own is not None and asks == ["run"]:
            raise ValueError("--programs is for --ask verify and --ask attack; run finds programs itself")
        wanted, found = _names(only), suite.networks(networks, cases_dir)
        left = suite.skipped(networks, cases_dir)
        for folder, why in left.items():
            click.echo(f"skipped: {folder} ({why})", err=True)
        asked = [one for one in found if not wanted or any(text in one.name for text in wanted)]
        if not asked:
            raise ValueError(f"no name of {len(found)} networks has a part {only!r}")
        given = {} if own is None else suite.programs_in(own, asked)
        out.mkdir(parents=True, exist_ok=True)
        certified, place, rows_file = (out / "certificates" if certificates else None), here(), out / SWEEP.rows
        standing.record_absent(rows_file, suite.SUITE, left)
        with open_executor(executor, jobs, scheduler) as pool:
            for one in asks:
                standing.record_unfinished(rows_file, suite.SUITE, one != asks[-1])
                options = shlex.split(attack_options if one == "attack" else run_options)
                if one != "run" and own is None:
                    given = suite.programs_of(sweep_page.rows_of(rows_file))
                tasks = suite.plan(
                    asked, seconds, memory_mb, seed=seed, options=options, certificates=certified, ask=one, given=given
                )
                if not tasks and asks[0] != "run":
                    raise ValueError(f"expected programs to {one}, got none: name a folder (--programs), or --ask run")
                counter = _Counter(len(tasks))

                def show(row: Row, is_new: bool, counter: _Counter = counter) -> None:
                    sweep_page.keep(row, out)
                    counter.line(sweep_page.name(row), sweep_page.outcome(row), row, is_new)

                run_all(tasks, rows_file, place, pool, seed=seed, on_row=show, run=suite.execute)
        click.echo(SWEEP.write(out))


def _plan(
    suite: str,
    backends: tuple[str, ...],
    folders: dict[str, Path],
    corpus: Path,
    seeds: int,
    seconds: float,
    memory_mb: int,
    cache: Path,
) -> tuple[Task, ...]:
    from importlib import import_module

    if suite == "replay":
        from benchmarks.suites import replay

        return replay.plan(corpus, backends, seconds, memory_mb)
    module = import_module(f"benchmarks.suites.{suite}")
    tasks: tuple[Task, ...] = module.plan(tuple(folders.values()), backends, seeds, seconds, memory_mb, cache)
    return tasks


def _suites(listed: str) -> tuple[str, ...]:
    """The suites asked for; raises ValueError for an unknown one, and for several that have no page together."""
    names = _names(listed)
    for name in names:
        if name not in SUITES:
            raise ValueError(f"expected a suite among {', '.join(SUITES)}, got {name!r}")
    if not names or (len(names) > 1 and not set(names) <= set(SOLVER_SUITES)):
        raise ValueError(f"expected one suite, or several of {', '.join(SOLVER_SUITES)}, got {listed!r}")
    return names


def _names(listed: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in listed.split(",") if name.strip()))


def _backends(names: str) -> tuple[str, ...]:
    """The backends asked for; raises BackendError for one that is unknown or not installed."""
    from backends import available, get

    chosen = _names(names)
    for name in chosen:
        get(name).version()
    return chosen or tuple(backend.name for backend in available())


def _folders(circuits: str) -> dict[str, Path]:
    from tasks.formats.circuit_folder import shipped_names, shipped_path

    chosen = tuple(name.strip() for name in circuits.split(",") if name.strip()) or shipped_names()
    return {name: shipped_path(name) for name in chosen}


def _write_report(out: Path) -> str:
    from benchmarks.reports.page import write

    return write(out / ROWS, out)


def _peers(out: Path, seconds: float, seed: int, folders: dict[str, Path]) -> None:
    from benchmarks.harness import standing
    from benchmarks.harness.place import here
    from benchmarks.suites.peers import SUITE, absent, plan, run_suite

    tasks = plan(folders, seconds=seconds, seed=seed, out=out)
    standing.record_absent(out / PEER_ROWS, SUITE, absent())
    run_suite(tasks, out / PEER_ROWS, here(), on_row=_print_row)
    click.echo(_write_table(out))


def _write_table(out: Path) -> str:
    """The table of the peers, from what was planned last."""
    from benchmarks.reports.result_xml import written
    from benchmarks.reports.table import markdown

    found, plan = written(out / PEER_ROWS, out)
    rows = {row.key: row for row in found}
    keys = rows if plan is None else plan.keys.values()
    table = markdown([rows[key] for key in keys if key in rows], plan)
    (out / TABLE).write_text(table, encoding="utf-8")
    return table


@contextmanager
def _one_line() -> Iterator[None]:
    """Errors of input, file system and solvers as one line."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, click.exceptions.Exit):
            raise
        raise BadInput(" ".join(str(error).split())) from error


def _within(seconds: float, memory_mb: int) -> tuple[float, int]:
    """The limits that can hold here, said where they are smaller than those asked for."""
    from benchmarks.harness.measure import inherited

    cpu, memory = inherited(seconds, memory_mb)
    assert cpu is not None
    assert memory is not None
    if (cpu, memory) != (seconds, memory_mb):
        text = f"limits are {cpu:g} s and {memory:,} MB: this process was started under no larger ones"
        click.echo(f"{text} (asked: {seconds:g} s, {memory_mb:,} MB)", err=True)
    return cpu, memory


@contextmanager
def _ending(out: Path) -> Iterator[None]:
    """A signal ends what runs, says that the rows are kept, and ends this process with 128 + the signal."""
    from benchmarks.harness.measure import ending_on_signals

    with ending_on_signals():
        try:
            yield
        except SystemExit as ended:
            if ended.code in (130, 143):
                click.echo(f"interrupted: finished rows are kept in {out}; the same command goes on", err=True)
            raise


@contextmanager
def _burning(count: int) -> Iterator[None]:
    """The artificial load, said where there is one."""
    from benchmarks.harness.load import burning

    with burning(count):
        if count:
            click.echo(f"artificial load: {count:,} processes burn CPU beside the runs", err=True)
        yield


class _Counter:
    """Progress on standard error, one line per run; ``total`` is None where it is not known beforehand."""

    def __init__(self, total: int | None) -> None:
        self.total, self.done = total, 0

    def show(self, row: Row, is_new: bool) -> None:
        """A run of a suite."""
        self.line(f"{row.problem}: {row.backend}, seed {row.seed}", row.status, row, is_new)

    def line(self, name: str, said: str, row: Row, is_new: bool) -> None:
        """One line of what came of ``row``."""
        self.done += 1
        seconds = "" if row.seconds is None else f" {row.seconds:.2f} s"
        known = "" if is_new else " (from an earlier run)"
        place = self.done if self.total is None else f"{self.done}/{self.total}"
        click.echo(f"[{place}] {name}: {said}{seconds}{known}", err=True)


def _solved(name: str, is_solved: bool) -> None:
    """One line on standard error of a problem that motifs are learned from."""
    click.echo(f"corpus: {name}: {'solved' if is_solved else 'not solved'}", err=True)


def _print_row(row: Row, is_new: bool) -> None:
    """One line of progress on standard error."""
    seconds = "" if row.seconds is None else f" {row.seconds:.2f} s"
    known = "" if is_new else " (from an earlier run)"
    click.echo(f"{row.problem}: {row.backend}: {row.status}{seconds}{known}", err=True)
