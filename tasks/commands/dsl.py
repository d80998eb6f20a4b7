"""``distill dsl check package.module:NAME``: whether a grammar's operators mean one thing in all their readings.

Exit codes: 0 all readings of all operators agree, 1 some differ or could not be had, 2 bad input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from backends import Backend
    from cegis.operators.agreement import Checked

AGREES, DIFFERS = 0, 1


@click.group()
def dsl() -> None:
    """Own grammars and operators."""


@dsl.command()
@click.argument("grammar")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    help="A solver to ask; repeatable.  [default: z3 and cvc5]",
)
def check(grammar: str, backends: tuple[str, ...]) -> int:
    """Try every operator of GRAMMAR (package.module:NAME) on small inputs, in all its readings.

    Numpy on machine words and on exact numbers, the printed Python, the formula, and each solver's value of it. Numpy
    in every shape that the search uses: several examples, one and none; rows of them, (rows, examples); blocks of
    arguments that broadcast, (m, 1, examples) with (1, n, examples); all of them read-only.
    """
    from backends import get
    from cegis.operators.agreement import examine
    from dsl.grammar import Grammar
    from tasks.commands.user_objects import load

    own = load(grammar)
    if not isinstance(own, Grammar):
        raise click.ClickException(f"expected a Grammar at {grammar}, got {type(own).__name__}")
    solvers = [get(name) for name in backends or ("z3", "cvc5")]
    for solver in solvers:
        solver.version()  # a missing solver is bad input, found before any work
    wrong = unasked = 0
    for checked in examine(own, solvers):
        click.echo(_line(checked))
        wrong += checked.disagreement is not None
        unasked += checked.disagreement is None and bool(checked.unasked)
    click.echo(_summary(wrong, unasked, solvers))
    return DIFFERS if wrong or unasked else AGREES


def _line(checked: Checked) -> str:
    """What was found out about one operator."""
    sorts = ", ".join(sort.name for sort in checked.operator.arguments)
    name = f"{checked.operator.name}({sorts})" if sorts else checked.operator.name
    if checked.disagreement is not None:
        return f"DIFFER  {name}: {checked.disagreement}"
    inputs = f"{checked.points} input{'' if checked.points == 1 else 's'}"
    left_open = f"; left open by SMT-LIB on {checked.left_open} of them" if checked.left_open else ""
    unasked = "".join(f"; {reason}" for reason in checked.unasked)
    return f"{'OPEN' if unasked else 'agree':<7} {name}: {', '.join(checked.readings)} on {inputs}{left_open}{unasked}"


def _summary(wrong: int, unasked: int, solvers: list[Backend]) -> str:
    if wrong:
        return (
            f"{wrong} operator(s) mean different things in different readings; nothing proved with them can be trusted."
        )
    if unasked:
        return f"No readings differ, but {unasked} operator(s) could not be read in every way."
    return f"All readings agree, in {' and '.join(solver.name for solver in solvers)} too."
