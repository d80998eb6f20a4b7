"""A network that answers lists token by token in, a program of a list and a place out: ``distill`` for such prompts.

    search     programs of a list and a place, right on most of some lists     (skipped where one is given)
    lists      a list for which the network goes on otherwise                   (``list_search``), confirmed by bounds
    sample     of lists that were drawn at random, how many are answered otherwise

The answer of the network is what greedy decoding gives. Where the lists are too many, nothing is proved of them here:
a list that fails is shown, or the result says that none was found.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cegis import Counterexample, DomainError
from cegis.claim import counted
from cegis.lists import Lists
from dsl.enumerator import Enumerator
from dsl.grammar import Grammar
from dsl.grammars.positions import places
from dsl.operators import GrammarError
from dsl.program import Program
from tasks.formats import Loaded
from tasks.networks.conditions import named
from tasks.networks.readout import Argmax
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Transformer
from tasks.pipeline.own_programs import OwnProgram, own_program
from tasks.pipeline.result import Together
from tasks.pipeline.steps import SILENT, Clock, Observer
from tasks.proofs.enumeration import MEANING, Semantics
from tasks.proofs.group_cover import first_wrong
from tasks.proofs.list_search import ListTeacher, Rows, drawn, given, search

SHOWN, TRIES, FEW, SAMPLE, RANDOM = 300, 4, 8, 200, 5_000  # lists: to search with, and to tell how many fail
SEARCHING, FAILING = 0.5, 0.3  # of the time, for a program, and for a list that fails
ENOUGH, CANDIDATES = 0.9, 400_000  # of some lists, on which a program is right, that it is taken for what is computed


@dataclass(frozen=True)
class FailingList:
    """``items`` that the network answers by ``given`` (greedy decoding in float64), and the program by ``right``.

    ``index``: the first token of the answer that is wrong, by bounds on that prompt alone in ``semantics``; None: it
    was run in float64, and the margin is within what the bounds leave open.
    """

    items: tuple[str, ...]
    right: tuple[str, ...]
    given: tuple[str, ...]
    index: int | None
    semantics: str


@dataclass(frozen=True, repr=False)
class ListDistillation(Together):
    """What is known on the lists of ``lists``: ``failing``, one that breaks the program, or that none was found.

    ``share``: of some lists, for how many the program is right; ``tried``: lists that were run to find one that fails,
    and ``least_seen`` the least margin among them; ``sampled``: of lists drawn at random, how many fail, and of how
    many.
    """

    model: Loaded
    lists: Lists
    share: float
    failing: FailingList | None
    tried: int
    least_seen: float
    sampled: tuple[int, int]

    what = "lists"

    @property
    def is_proved(self) -> bool:
        """Never: lists are tried, not bounded together."""
        return False

    @property
    def margin(self) -> None:
        """None, as nothing is proved."""
        return

    @property
    def broken(self) -> Counterexample | None:
        """The list that fails."""
        failing = self.failing
        if failing is None:
            return None
        return Counterexample(failing.items, " ".join(failing.given), " ".join(failing.right))

    @property
    def breaking(self) -> str:
        """The list in words."""
        failing = self.failing
        if failing is None:
            return ""
        where = (
            "run in float64; the bounds on that prompt leave a token open"
            if failing.index is None
            else f"its token {failing.index + 1} is wrong in {failing.semantics}"
        )
        return (
            f"for the list {' '.join(failing.items)!r} the program says {' '.join(failing.right)!r} and "
            f"{self.model.reference} {' '.join(failing.given)!r} ({where})"
        )

    @property
    def conditions(self) -> str:
        """How a list becomes a prompt, and how the answer is read."""
        assert isinstance(self.model.readout, Argmax)
        own, chosen, count = self.model.lists, "", self.lists.answers
        if own is None:
            chosen = "; stated here, as the network's files describe none: the lists"
        elif own != self.lists:
            chosen = "; chosen by the user, other than the folder describes: the lists"
        each = "each the largest of the logits" if count > 1 else "the largest of the logits"
        answer = f"{count} tokens, which the program gives by their place i," if count > 1 else "1 token (i is 0),"
        return (
            f"prompt: {self.lists.shown}; answer: {answer} {each} {named(self.model.readout.names)} after the prompt "
            f"and the tokens before it, as greedy decoding gives them{chosen}"
        )

    @property
    def reason(self) -> str:
        """Why nothing more is known."""
        if self.program is None:
            return self.not_applied.get("search", "no program was found that is right on most of some lists")
        return (
            f"of {self.tried:,} lists that were tried none fails (least margin {self.least_seen:.4g}), and all "
            f"{counted(self.lists.size())} are too many to list"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """How many fail of some that were drawn, and those of the network, but for its alphabet."""
        wrong, count = self.sampled
        own = tuple(note for note in self.model.notes if "(alphabet)" not in note)
        if not count:
            return own
        return (
            f"of {count:,} lists drawn at random {wrong:,} are answered otherwise, run in float64; that says nothing "
            "certain of all others",
            *own,
        )

    @property
    def figures(self) -> dict[str, Any]:
        """The lists, the one that fails, and how much was looked at."""
        failing = self.failing
        return {
            "lists": {field.name: getattr(self.lists, field.name) for field in fields(Lists)},
            "failing": None if failing is None else {
                "items": list(failing.items), "program": list(failing.right), "network": list(failing.given),
                "token": failing.index, "semantics": failing.semantics,
            },
            "sampled": {"wrong": self.sampled[0], "lists": self.sampled[1]},
            "least_margin_seen": self.least_seen if np.isfinite(self.least_seen) else None,
            "lists_tried": self.tried,
        }  # fmt: skip

    def source(self, name: str = "program", docstring: str = "") -> str:
        """The program as Python text; empty where there is none."""
        return "" if self.program is None else self.program.source(name, docstring)


def distill_lists(
    model: Loaded, lists: Lists | None = None, *, program: Program | OwnProgram | str | None = None,
    semantics: Semantics | None = None, seconds: float = 150.0, seed: int = 0, observer: Observer = SILENT,
) -> ListDistillation:  # fmt: skip
    """The program of a list and a place that says how ``model`` goes on after lists, and a list for which it is wrong.

    ``lists``: by default those that the folder describes. ``program``: none is searched, and this one (the text of a
    function ``f(tokens, i)`` of the language of places) is compared. Raises DomainError, NetworkError, and GrammarError
    for a text that is no such program.

    >>> found = distill_lists(network)                                                            # doctest: +SKIP
    >>> found.source("f")                                                                         # doctest: +SKIP
    'def f(tokens: list[str], i: int) -> str:\\n    return sorted(tokens, key=int)[i]\\n'
    """
    asked = lists or model.lists
    if asked is None:
        raise NetworkError(f"{model.name}: its folder describes no lists; say how a prompt shows one")
    _check(model, asked)
    clock, random = Clock(seconds, observer.on_step), np.random.default_rng(seed)
    shown = drawn(asked, random, SHOWN)
    answers = given(model, asked, shown)
    grammar = _grammar(asked, answers)
    found, share = _searched(model, asked, grammar, shown, answers, seed, clock) if program is None else (None, 1.0)
    if program is None:
        said = "none" if found is None else f"right on {share:.1%} of {len(shown)} lists"
        clock.done("search", said)
    else:
        found = program if isinstance(program, Program) else _read(program, grammar)
    if found is None:
        why = {"search": f"no program that was tried is right on {ENOUGH:.0%} of {len(shown)} lists"}
        return ListDistillation(model, asked, None, (), tuple(clock.steps), why, asked, share, None, 0, np.inf, (0, 0))
    teacher = ListTeacher(model, asked, found)
    row, tried, least = search(teacher, seconds=FAILING * clock.left, seed=seed)
    failing = None if row is None else _failing(teacher, row, semantics)
    clock.done("lists", f"{tried:,} tried" if failing is None else f"{' '.join(failing.items)!r} fails")
    worst = teacher.worst(drawn(asked, random, RANDOM)) if clock.left > 0 else np.zeros(0)
    clock.done("sample", f"{len(worst):,} lists")
    return ListDistillation(
        model, asked, found, (), tuple(clock.steps), {}, asked, share, failing, tried, least,
        (int((worst < 0).sum()), len(worst)),
    )  # fmt: skip


def _check(model: Loaded, lists: Lists) -> None:
    if not isinstance(model.readout, Argmax) or model.readout.position != "last":
        raise NetworkError(f"{model.name}: answers are read as the largest logit at the last position (argmax)")
    unknown = [token for token in lists.tokens if token not in model.vocabulary]
    if unknown:
        raise NetworkError(f"{model.name}: no token is called {unknown[0]!r}, which a prompt would hold")
    longest = len(lists.before) + lists.items + len(lists.after) + lists.answers - 1
    if longest > model.network.longest:
        raise DomainError(
            f"{model.name}: a prompt with its answer has {longest} tokens, and there is room for "
            f"{model.network.longest}"
        )


def _grammar(lists: Lists, answers: list[tuple[str, ...]]) -> Grammar:
    """Programs of a list and a place that give its tokens, and what else the network has given."""
    others = {token for answer in answers for token in answer}
    return places(lists.alphabet, (*lists.alphabet, *sorted(others - {*lists.alphabet})), with_letters=False)


def _read(program: OwnProgram | str, grammar: Grammar) -> Program:
    own = own_program(program, is_run=False) if isinstance(program, str) else program
    text = own.chosen()
    if text is None:
        raise GrammarError(f"{own.name} is a function, which could only be run; name a file with one that is read")
    try:
        return Program.parse(text, grammar)
    except GrammarError as error:
        raise GrammarError(
            f"{own.name}: {error} (of lists a function such as def f(tokens, i): return sorted(tokens)[i] is read; "
            "--lists none asks about sequences of tokens)"
        ) from None


def _searched(
    model: Loaded, lists: Lists, grammar: Grammar, rows: Rows, answers: list[tuple[str, ...]], seed: int, clock: Clock
) -> tuple[Program | None, float]:
    """The program that is right on most of some lists, and on how many.

    It is searched by examples on which those before were wrong. As the network may be wrong there itself, the search
    begins anew with other examples, some times.
    """
    random = np.random.default_rng(seed)
    end = clock.left * (1 - SEARCHING)

    def until() -> bool:
        return clock.left < end

    words = [tuple(lists.alphabet[n] for n in row) for row in rows]
    found: tuple[float, Program | None] = (0.0, None)
    for _ in range(TRIES):
        search_ = Enumerator(grammar, max_candidates=CANDIDATES, seed=seed)
        order = random.permutation(len(words))
        for _ in range(4 * FEW):
            program = search_.propose(until)
            if not isinstance(program, Program):
                break
            said = ListTeacher(model, lists, program)
            right = [said.answer(rows[n]) == answers[n] for n in order]
            if np.mean(right) > found[0]:
                found = float(np.mean(right)), program
            if found[0] >= ENOUGH or until():
                break
            at = int(order[right.index(False)])
            place = next(n for n, (x, y) in enumerate(zip(said.answer(rows[at]), answers[at], strict=True)) if x != y)
            search_.observe((words[at], place), answers[at][place])  # type: ignore[arg-type]
        if found[0] >= ENOUGH or until():
            break
    return found[1] if found[0] >= ENOUGH else None, found[0]


def _failing(teacher: ListTeacher, row: Rows, semantics: Semantics | None) -> FailingList:
    model, lists = teacher.loaded, teacher.lists
    items, right = tuple(lists.alphabet[n] for n in row), teacher.answer(row)
    index, said = None, "float64 as run"
    asked: tuple[Semantics, ...] = (semantics,) if semantics else ("float32", "float64", "real")
    for one in asked if isinstance(model.network, Transformer) else ():
        try:
            wrong = first_wrong(model, lists.prompt(items), right, one)
        except (NetworkError, DomainError):
            continue
        if wrong is not None:
            index, said = wrong[0], MEANING[one]
            break
    return FailingList(items, right, given(model, lists, row[None])[0], index, said)
