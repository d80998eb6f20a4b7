"""A program beside a domain's constraint as one finite automaton, for sequences of every length.

A state is that of the constraint, what the program remembers, and the last token; from it follow what may come next
and the label. Programs that remember ever more as sequences grow (counts, positions) have none. Of a token's count
only whether it occurs, and the count modulo those numbers that the program divides by, may be asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis import Program
from cegis.domain import DEAD, Domain, DomainError
from dsl.grammars.streams import Loop
from dsl.meaning import Count, Length, Reading, Remainder
from dsl.sequences import NO_LABEL
from tasks.automata.moore import Machine, machine_of
from tasks.automata.program_intervals import is_finite
from tasks.automata.program_states import Folded, UncountableError

MOST_STATES = 20_000
NONE = -1  # no label is asked

Memory = tuple[int, ...]
Walk = tuple[Memory, Callable[[Memory, int, bool], Memory], Callable[[Memory, int], int]]  # first, after, label


@dataclass(frozen=True)
class Automaton:
    """``rows[state][token]`` is the next state or DEAD; ``labels[state]`` indexes the program's labels.

    NONE where the domain ends no sequence there, NO_LABEL where the program gives none. It starts in state 0. Every
    state can be followed to one that has a label, and shorter sequences than the domain's have none.
    """

    rows: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]


def automaton(domain: Domain, program: Program) -> Automaton:
    """The automaton of ``program`` on the sequences of ``domain``, its longest length left out.

    Raises UncountableError for a program that remembers ever more, DomainError for too many states, or none.
    """
    signature = program.grammar.sequences
    if signature.alphabet != domain.alphabet:
        raise DomainError(f"expected a program over {domain.alphabet}, got one over {signature.alphabet}")
    names = (*signature.labels, None)
    empty = names.index(program(())) if domain.contains(()) or not domain.min_length else NO_LABEL
    return explored(domain, _walk(program), NO_LABEL if empty == len(signature.labels) else empty)


def loop_automaton(domain: Domain, loop: Loop, numbers: NDArray[np.int64]) -> tuple[Automaton, tuple[str, ...]]:
    """The automaton of a loop whose tokens are these ``numbers`` (tokens, inputs), and its labels: its answers.

    Raises DomainError where it has too many states.
    """
    answers: dict[int, int] = {}

    def move(memory: Memory, token: int, is_later: bool) -> Memory:
        return tuple(loop.step(np.array([memory], np.int64), numbers[[token]])[0].tolist())

    def label(memory: Memory, last: int) -> int:
        return answers.setdefault(int(loop.read(np.array([memory], np.int64))[0]), len(answers))

    found = explored(domain, (tuple(loop.start(1)[0].tolist()), move, label), NO_LABEL)
    return found, tuple(map(str, answers))


def explored(domain: Domain, walk: Walk, empty: int) -> Automaton:
    """What ``walk`` can come to on ``domain``; ``empty``: the label of no token."""
    start, move, label = walk
    table = None if domain.constraint is None else domain.constraint.transitions
    accepting = (True,) if domain.constraint is None else domain.constraint.accepting
    first = (0, 0, DEAD, start)  # length up to the shortest, constraint, last token, memory
    index, order, rows = {first: 0}, [first], list[list[int]]()
    for length, inside, _, memory in order:
        row = []
        for token in range(len(domain.alphabet)):
            target = 0 if table is None else table[inside][token]
            if target == DEAD:
                row.append(DEAD)
                continue
            after = (min(length + 1, max(domain.min_length, 1)), target, token, move(memory, token, length > 0))
            if after not in index:
                if len(order) >= MOST_STATES:
                    raise DomainError(f"program and constraint reach more than {MOST_STATES:,} states")
                index[after] = len(order)
                order.append(after)
            row.append(index[after])
        rows.append(row)
    labels = []
    for length, inside, last, memory in order:
        if length < domain.min_length or not accepting[inside]:
            labels.append(NONE)
            continue
        labels.append(empty if last == DEAD else label(memory, last))
    return _live(rows, labels)


def minimal(whole: Automaton) -> Automaton:
    """The same with states merged that agree on every continuation (Moore 1956)."""
    blocks = _numbered(list(whole.labels))
    while True:
        keys = [
            (block, *(DEAD if to == DEAD else blocks[to] for to in row))
            for block, row in zip(blocks, whole.rows, strict=True)
        ]
        finer = _numbered(keys)
        if len(set(finer)) == len(set(blocks)):
            break
        blocks = finer
    first = {block: state for state, block in reversed([*enumerate(blocks)])}
    order = [first[block] for block in range(len(first))]
    return Automaton(
        tuple(tuple(DEAD if to == DEAD else blocks[to] for to in whole.rows[state]) for state in order),
        tuple(whole.labels[state] for state in order),
    )


def _numbered(keys: list[Any]) -> list[int]:
    """Equal keys as one number, in the order in which they come."""
    known: dict[Any, int] = {}
    return [known.setdefault(key, len(known)) for key in keys]


def with_history(whole: Automaton, tokens: int) -> Automaton:
    """The same with states told apart by so many last tokens; raises DomainError for too many."""
    order: list[tuple[int, Memory]] = [(0, ())]
    index = {order[0]: 0}
    rows = []
    for state, history in order:
        row = []
        for token, to in enumerate(whole.rows[state]):
            after = (to, (*history, token)[-tokens:] if tokens else ())
            if to != DEAD and after not in index:
                if len(order) >= MOST_STATES:
                    raise DomainError(f"more than {MOST_STATES:,} states with {tokens} last tokens")
                index[after] = len(order)
                order.append(after)
            row.append(DEAD if to == DEAD else index[after])
        rows.append(tuple(row))
    return Automaton(tuple(rows), tuple(whole.labels[state] for state, _ in order))


def _live(rows: list[list[int]], labels: list[int]) -> Automaton:
    """Without the states from which no sequence of the domain is reached."""
    before: list[list[int]] = [[] for _ in rows]
    for state, row in enumerate(rows):
        for after in row:
            if after != DEAD:
                before[after].append(state)
    waiting = [state for state, label in enumerate(labels) if label != NONE]
    live = set(waiting)
    while waiting:
        for state in before[waiting.pop()]:
            if state not in live:
                live.add(state)
                waiting.append(state)
    if 0 not in live:
        raise DomainError("the domain holds no sequence; a proof over nothing proves nothing")
    number = {state: n for n, state in enumerate(sorted(live))}
    return Automaton(
        tuple(tuple(number.get(after, DEAD) for after in rows[state]) for state in sorted(live)),
        tuple(labels[state] for state in sorted(live)),
    )


def _walk(program: Program) -> Walk:
    """What the program remembers first, after a token (not the first one), and its label after a last token."""
    machine = machine_of(program)
    if machine is not None:
        return _machine(machine)
    folded = Folded(program)
    rows = [folded.row(term) for term in folded.terms]
    for term, row in zip(folded.terms, rows, strict=True):
        if isinstance(row, Count | Length):
            raise UncountableError(f"{term.operator.name!r} has ever more values as sequences grow")
    for term, fold in folded.folds:
        if not is_finite(fold):
            raise UncountableError(f"{term.operator.name!r} has ever more values as sequences grow")
    return _folds(folded, math.lcm(*(row.modulus for row in rows if isinstance(row, Remainder))))


def _machine(machine: Machine) -> Walk:
    def move(memory: Memory, token: int, is_later: bool) -> Memory:
        return (machine.columns[token][memory[0]],)

    return (0,), move, lambda memory, last: machine.outputs[memory[0]]


def _folds(folded: Folded, modulus: int) -> Walk:
    """Counts up to ``modulus``, then around; and the states of all folds, for each last token where they ask for it."""
    letters = len(folded.program.grammar.sequences.alphabet)
    has_counts = any(isinstance(folded.row(term), Reading) for term in folded.terms)
    lasts: tuple[int | None, ...] = tuple(range(letters)) if folded.asks_last else (None,)
    each = len(folded.folds)

    def counted(counts: Memory, token: int) -> Memory:
        more = counts[token] + 1
        return (*counts[:token], more if more <= modulus else 1, *counts[token + 1 :])

    def move(memory: Memory, token: int, is_later: bool) -> Memory:
        counts, states = memory[:letters], memory[letters:]
        after = list[int]()
        for n, last in enumerate(lasts):
            for (_, fold), met, state in zip(
                folded.folds, folded.hits(token, last), states[n * each : (n + 1) * each], strict=True
            ):
                after.append(int(np.asarray(fold.step(np.array([state]), int(is_later), *met)).ravel()[0]))
        return (*(counted(counts, token) if has_counts else counts), *after)

    def label(memory: Memory, last: int) -> int:
        at = letters + each * (last if folded.asks_last else 0)
        states = tuple(np.array([state]) for state in memory[at : at + each])
        return int(folded.evaluate(np.array([memory[:letters]]), last, 1, states)[0])

    return (0,) * (letters + each * len(lasts)), move, label
