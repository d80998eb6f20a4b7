"""``distill solve FILE.sl``: a SyGuS problem in, functions out, in SyGuS-IF and in Python, with what was proved.

Exit codes: 0 solved, 1 not solved, 2 bad input. The answer goes to standard output, progress to standard error. A
proved answer is kept while a smaller one is looked for; where SIGTERM or SIGXCPU ends that, it is printed at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.manners import quiet_option

if TYPE_CHECKING:
    from pysmt.logics import Logic

    from backends import Backend
    from cegis import Budget, Found, Outcome, Statistics
    from cegis.claim import Statement
    from cegis.formulas.solution import Solution
    from cegis.searchers.portfolio import Searcher
    from cegis.sygus import SygusProblem
    from dsl.grammar import Grammar

SOLVED, NOT_SOLVED = 0, 1
OWN = "own"  # the name of our search, which always runs
NOBODY = "none"  # who confirms a proof where nobody is to


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--backend", help="The solver that verifies.  [default: z3, or cvc5 where there are strings; nobody for examples]"
)
@click.option(
    "--confirm",
    "confirming",
    help="The solver that confirms what the first one proves, or none.  [default: another that is installed]",
)
@click.option("--time-limit", "seconds", default=60.0, show_default=True, help="Seconds of wall clock.")
@click.option("--memory-limit", "memory_mb", default=2048, show_default=True, help="MiB for what the search remembers.")
@click.option(
    "--searcher",
    "searchers",
    multiple=True,
    help="Who may propose beside our own search: cvc5, horn, ..., or package.module:NAME; own for nobody. Repeatable.  "
    "[default: all known]",
)
@click.option("--grammar", help="A grammar of your own, package.module:NAME, in place of the file's.")
@click.option("--operators", help='Only these operators of the grammar, as in "+,-,ite".')
@click.option("--solutions", "count", type=click.IntRange(1), help="List so many solutions, simplest first.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the search.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@quiet_option
def solve(
    file: Path,
    backend: str | None,
    confirming: str | None,
    seconds: float,
    memory_mb: int,
    searchers: tuple[str, ...],
    grammar: str | None,
    operators: str | None,
    count: int | None,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> int:
    """Find the functions that FILE (SyGuS-IF 2.1) asks for, and prove them right."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts them when it is imported; nothing here needs more
    from cegis import FormulaBudget, Found
    from cegis.searchers.peers import SEARCHERS
    from cegis.searchers.solving import solve as solution_of
    from cegis.searchers.witnesses import witnesses_of
    from cegis.sygus import read
    from tasks.commands.ending import speaking_last
    from tasks.commands.solve_progress import telling

    if not seconds > 0 or memory_mb < 1:
        raise click.ClickException(f"expected positive limits, got {seconds:g} s and {memory_mb} MiB")
    if count is not None and set(searchers) - {OWN}:
        raise click.ClickException("only our own search lists solutions; leave out --searcher, or --solutions")
    try:
        problem = read(file)
        grammars = _restricted(problem, _grammars(problem, grammar), operators)
        solver = next(iter(witnesses_of(problem.spec, _backend(backend) if backend else None)), None)
        if solver is not None:
            solver.ready_for(_logic(problem))  # one that is missing or has no such logic: found before any work
        witnesses = _witnesses(problem, confirming, solver)
        others = [_searcher(name, memory_mb) for name in searchers or SEARCHERS if name != OWN]
        budget = FormulaBudget(seconds=seconds, memory_mb=memory_mb)
        if count is not None:
            return _list(file, problem, grammars, solver, witnesses, budget, seed, count, as_json)
        best: list[Found[Solution]] = []  # the last is the smallest
        last = partial(_last_words, file, best, as_json)
        with telling(quiet=quiet or as_json) as observers, speaking_last(last):
            outcome = solution_of(
                problem.spec,
                grammars,
                backend=solver,
                witnesses=witnesses,
                budget=budget,
                searchers=others,
                seed=seed,
                on_event=observers.on_event,
                on_progress=observers.on_progress,
                on_found=best.append,
            )
    except RecursionError:
        raise click.ClickException(f"{file}: a term is nested too deeply to be worked with") from None
    click.echo(_shown(file, outcome, as_json))
    return SOLVED if isinstance(outcome, Found) else NOT_SOLVED


def _backend(name: str) -> Backend:
    from backends import get

    return get(name)


def _logic(problem: SygusProblem) -> Logic:
    from cegis.formulas.refutation import logic_of

    return logic_of(problem.spec)


def _shown(file: Path, outcome: Outcome[Solution], as_json: bool) -> str:
    from tasks.networks.quoting import json_text

    return json_text(_json(file, outcome)) if as_json else _text(outcome)


def _last_words(file: Path, best: list[Found[Solution]], as_json: bool) -> str | None:
    """What there is to say of the smallest proved solution when the process is ended before it is made smaller."""
    if not best:
        return None
    found = best[-1]
    note = "ended from outside before the solution could be made smaller"
    return _shown(file, replace(found, notes=(*found.notes, note)), as_json) + "\n"


def _list(
    file: Path,
    problem: SygusProblem,
    grammars: Mapping[str, Grammar | None],
    solver: Backend | None,
    witnesses: list[Backend] | None,
    budget: Budget,
    seed: int,
    count: int,
    as_json: bool,
) -> int:
    """Up to ``count`` solutions; as text each when it is found."""
    from itertools import islice

    from cegis.searchers.solutions import enumerate_solutions

    found = enumerate_solutions(problem.spec, grammars, backend=solver, witnesses=witnesses, budget=budget, seed=seed)
    solutions = []
    for solution in islice(found, count):
        solutions.append(solution)
        if not as_json:
            click.echo("\n\n".join([f"; {len(solutions)}: {solution.size} operators", *_answer(solution)]) + "\n")
    reason = "" if len(solutions) == count else found.ended
    reason += f"; {found.undecided:,} candidates are undecided" if found.undecided else ""
    if as_json:
        from tasks.networks.quoting import json_text

        first = solutions[0] if solutions else None
        listed = {"solutions": [entry for solution in solutions for entry in _functions(solution)]}
        status = "solved" if solutions else "stopped"
        shown = _page(file, status, reason, first, found.claims, found.statistics) | listed
        click.echo(json_text(shown | {"notes": list(found.notes)}))
    elif solutions:
        claims = [f"Every answer {claim.sentence}." for claim in found.claims]
        click.echo("\n".join([*claims, *found.notes, *([f"No more: {reason}."] * bool(reason))]))
    else:
        click.echo(f"fail\n\n{reason}")
    return SOLVED if solutions else NOT_SOLVED


def _witnesses(problem: SygusProblem, name: str | None, solver: Backend | None) -> list[Backend] | None:
    """Who confirms what ``solver`` proves; None for any other that is installed."""
    if name is None or name == NOBODY:
        return None if name is None else []
    chosen = _backend(name)
    if solver is not None and chosen.name == solver.name:
        raise click.ClickException(f"{name} proves, so another solver has to confirm it; name one, or {NOBODY}")
    chosen.ready_for(_logic(problem))
    return [chosen]


def _grammars(problem: SygusProblem, name: str | None) -> Mapping[str, Grammar | None]:
    """The grammars of the file, or the user's for every function that has its parameters and sort."""
    if name is None:
        return problem.grammars
    from cegis.searchers.solving import shape
    from dsl.grammar import Grammar
    from tasks.commands.user_objects import load

    own = load(name)
    if not isinstance(own, Grammar):
        raise click.ClickException(f"expected a Grammar at {name}, got {type(own).__name__}")
    fitting = [function.name for function in problem.spec.functions if function.signature == own.signature]
    if not fitting:
        wanted = ", ".join(f"{f.name}{shape(f.signature)}" for f in problem.spec.functions)
        raise click.ClickException(f"the grammar {name} is for {shape(own.signature)}, the file asks for {wanted}")
    return {**problem.grammars, **dict.fromkeys(fitting, own)}


def _restricted(
    problem: SygusProblem, grammars: Mapping[str, Grammar | None], operators: str | None
) -> Mapping[str, Grammar | None]:
    if operators is None:
        return grammars
    from cegis.sygus.productions import restricted
    from dsl.grammars.defaults import default_grammar

    names = [name.strip() for name in operators.split(",") if name.strip()]
    literals = [term.operator for term in problem.literals]
    return {
        function.name: restricted(
            grammars[function.name] or default_grammar(function.signature, problem.logic, literals), names
        )
        for function in problem.spec.functions
    }


def _searcher(name: str, memory_mb: int) -> Searcher:
    """A searcher by its short name, or the user's: an object, or a class to make one of."""
    from cegis.searchers.peers import SEARCHERS

    if name in SEARCHERS:
        return SEARCHERS[name](memory_mb=memory_mb)
    from tasks.commands.user_objects import load

    if ":" not in name:
        known = ", ".join((OWN, *SEARCHERS))
        raise click.ClickException(f"unknown searcher {name!r}; known: {known}, or your own package.module:NAME")
    found = load(name)
    try:
        made: Searcher = found() if isinstance(found, type) else found
    except Exception as error:
        raise click.ClickException(f"making the searcher {name} failed: {type(error).__name__}: {error}") from error
    missing = [attribute for attribute in ("name", "delay", "search") if not hasattr(made, attribute)]
    if missing:
        raise click.ClickException(f"the searcher {name} has no {missing[0]!r}; it needs name, delay and search")
    return made


def _text(outcome: Outcome[Solution]) -> str:
    from cegis import Found

    searched = _searched_text(outcome)
    match outcome:
        case Found(program=solution, claims=claims, notes=notes):
            proved = [f"The answer {claim.sentence}." for claim in claims]
            return "\n\n".join([*_answer(solution), "\n".join([*proved, *notes, *searched])])
    status, reason = _status(outcome)
    return "\n\n".join(["infeasible" if status == "infeasible" else "fail", "\n".join([reason, *searched])])


def _searched_text(outcome: Outcome[Solution]) -> list[str]:
    """One line on what became of the searchers; reasons only where something went wrong."""
    from cegis import Differs
    from cegis.outcome import End

    if isinstance(outcome, Differs) or not outcome.searchers:
        return []
    plain = (End.NOT_APPLICABLE, End.NOT_STARTED, End.NOTHING)
    parts = [f"{one.searcher} {one.end}" if one.end in plain else str(one) for one in outcome.searchers]
    return [f"Searchers: {'; '.join(parts)}."]


def _answer(solution: Solution) -> Iterator[str]:
    """The solution in SyGuS-IF, and each function in Python."""
    yield "\n".join(["(", *solution.text.splitlines(), ")"])
    yield from (program.source(function.name).rstrip() for function, program in solution.programs.items())


def _status(outcome: Outcome[Solution]) -> tuple[str, str]:
    """``solved``, ``infeasible`` or ``stopped``, and why."""
    from cegis import Differs, Exhausted, Found, Stopped

    match outcome:
        case Found():
            return "solved", ""
        case Exhausted(evidence=evidence) if evidence is not None:
            return "infeasible", evidence.sentence
        case Exhausted(examples=examples):
            return "infeasible", _exhausted(len(examples))
        case Stopped(reason=reason) | Differs(reason=reason):
            return "stopped", reason


def _exhausted(examples: int) -> str:
    if not examples:
        return "no program of the grammar is right"
    return f"no program of the grammar is right at {'this input' if examples == 1 else f'these {examples} inputs'}"


def _json(file: Path, outcome: Outcome[Solution]) -> dict[str, Any]:
    from cegis import Differs, Exhausted, Found

    status, reason = _status(outcome)
    solution = outcome.program if isinstance(outcome, Found) else None
    claims = outcome.claims if isinstance(outcome, Found) else ()
    notes = list(outcome.notes) if isinstance(outcome, Found) else []
    evidence = outcome.evidence if isinstance(outcome, Exhausted) else None
    searchers = () if isinstance(outcome, Differs) else outcome.searchers
    return _page(file, status, reason, solution, claims, outcome.statistics) | {
        "notes": notes,
        "evidence": evidence.as_json() if evidence is not None and hasattr(evidence, "as_json") else None,
        "searchers": [
            {"searcher": one.searcher, "end": str(one.end), "reason": one.reason, "seconds": one.seconds}
            for one in searchers
        ],
    }


def _page(
    file: Path,
    status: str,
    reason: str,
    solution: Solution | None,
    claims: Sequence[Statement],
    statistics: Statistics,
) -> dict[str, Any]:
    from cegis import Proof

    return {
        "file": str(file),
        "status": status,
        "reason": reason,
        "functions": _functions(solution) if solution else [],
        "searcher": solution.searcher if solution else "",
        "claims": [claim.sentence for claim in claims],
        "proofs": [claim.as_json() for claim in claims if isinstance(claim, Proof)],
        "statistics": {
            "candidates": statistics.candidates,
            "candidates_per_second": statistics.candidates_per_second,
            "memory_mb": statistics.memory_mb,
            "level": statistics.level,
            "rounds": statistics.rounds,
            "examples": statistics.examples,
            "search_seconds": statistics.search_seconds,
            "check_seconds": statistics.check_seconds,
        },
    }


def _functions(solution: Solution) -> list[dict[str, Any]]:
    return [
        {
            "name": function.name,
            "sygus": program.sygus(function.name),
            "python": program.source(function.name),
            "size": program.size,
            "cost": program.cost,
        }
        for function, program in solution.programs.items()
    ]
