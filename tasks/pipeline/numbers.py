"""A network that calculates in, a proved program of two numbers out: what ``distill`` is for prompts of operands.

    search     programs of few and small factors, on some pairs           (skipped where a program is given)
    failing    a pair for which the network gives another answer           (``operand_search``), confirmed by bounds
    count      how many fail, exactly or at least                          (``failing_pairs``)
    proof      every digit right on every right prefix, for all pairs      (``group_cover``)

The answer of the network is what greedy decoding gives, digit by digit. The claim is made by teacher forcing: where the
next digit is right on every right prefix, the number that is generated is right, for each pair.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

import numpy as np

from cegis import Claim, Counterexample, DomainError, Rung
from cegis.claim import least_margin
from cegis.operands import Operands, Pair
from dsl.operators import GrammarError
from tasks.automata.digits import DigitMachine, NumberProgram
from tasks.bounds.interpreter import assumption
from tasks.formats import Loaded
from tasks.networks.conditions import named
from tasks.networks.readout import Argmax
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Transformer
from tasks.pipeline.own_programs import OwnProgram
from tasks.pipeline.result import Together
from tasks.pipeline.steps import SILENT, Clock, Observer
from tasks.proofs.enumeration import MEANING, Semantics
from tasks.proofs.failing_pairs import Failures, count_failing
from tasks.proofs.group_cover import Cover, confirmed, cover, obstacle
from tasks.proofs.operand_search import Teacher, search, simple_numbers, wrong_pairs

SEARCHING, FIRST = 0.2, 2.0  # of the time, for pairs that fail; seconds of that before a proof is tried
COUNTING, LONGEST_COUNT = 0.15, 10.0  # of the time, for how many pairs fail, and seconds at most
WHOLE = 0.5  # of the time, for all digits at once, before fewer of them are looked at
ENOUGH = 0.9  # of some pairs on which a program is right, that it is taken for what the network does
FACTORS, OFFSETS, SAMPLE, FEW = (1, 0, -1, 2, -2, 3), (0, 1, -1), 400, 12
CHOSEN = ("max(a, b)", "min(a, b)", "a < b", "a > b", "a <= b", "a >= b", "abs(a - b)")
METHOD = (
    "proved by teacher forcing: every next digit is right on every right prefix, hence the number that is generated "
    "is; all choices of digits in groups, what the others add bounded by dynamic programming over {state}"
)


@dataclass(frozen=True)
class Failing:
    """A ``pair`` for which the network gives ``given`` (the digits of greedy decoding in float64), not ``right``.

    ``index`` is the first digit of the answer that is wrong, by bounds on that prompt alone in ``semantics``; None: it
    was run in float64, and the margin is within what the bounds leave open.
    """

    pair: Pair
    right: int
    given: tuple[str, ...]
    value: int | None
    index: int | None
    semantics: str


@dataclass(frozen=True, repr=False)
class NumberDistillation(Together):
    """What is known on all pairs of ``operands``: ``failing``, a pair that breaks the program, or a ``cover``.

    ``share``: of some pairs, on how many the program is right; ``tried``: pairs that were run to find one that fails,
    and ``least_seen`` the least margin among them. ``failures``: how many pairs fail, where that was counted.
    """

    model: Loaded
    operands: Operands
    share: float
    failing: Failing | None
    cover: Cover | None
    tried: int
    least_seen: float
    failures: Failures | None = None

    what = "pairs"

    @property
    def is_proved(self) -> bool:
        """Whether the program is proved to give the network's answer to every pair."""
        return any(claim.domain == self.operands for claim in self.claims) and self.failing is None

    @property
    def horizon(self) -> int | None:
        """Up to how many digits all pairs of numbers are proved; None where nothing is."""
        domain = self.claims[0].domain if self.claims else None
        if not isinstance(domain, Operands):
            return None
        return next(k for k in range(1, domain.digits + 1) if domain.base**k > domain.largest)

    @property
    def broken(self) -> Counterexample | None:
        """The pair that fails, as its prompt; the network's number may be none."""
        failing = self.failing
        if failing is None:
            return None
        given = " ".join(failing.given) if failing.value is None else str(failing.value)
        return Counterexample(self.operands.prompt(*failing.pair), given, str(failing.right))

    @property
    def breaking(self) -> str:
        """The pair in words."""
        failing = self.failing
        if failing is None:
            return ""
        value = "no number" if failing.value is None else str(failing.value)
        where = (
            "run in float64; the bounds on that prompt leave a digit open"
            if failing.index is None
            else f"its digit {failing.index + 1} is wrong in {failing.semantics}"
        )
        return (
            f"for {_pair(failing)} the program says {failing.right} and {self.model.reference} {value} (digits in the "
            f"order of the answer: {' '.join(failing.given)}; {where})"
        )

    @property
    def conditions(self) -> str:
        """How a pair becomes a prompt, and how the answer is read."""
        return number_conditions(self.model, self.operands)

    @property
    def reason(self) -> str:
        """Why nothing more is known."""
        if self.program is None:
            return (
                "no sum of few multiples of a and b, nor their larger, their smaller, their difference without its "
                "sign or a comparison is what the network gives on most pairs"
            )
        late = "the time was up" if self.cover is not None and self.cover.is_late else ""
        open_ = "some digits stayed open" if self.cover is not None and self.cover.open else ""
        why = late or open_ or self.not_applied.get("proof", "the time was up")
        return (
            f"of {self.tried:,} pairs that were tried none fails (least margin {self.least_seen:.4g}), and no proof "
            f"was finished ({why})"
        )

    @property
    def margin(self) -> float | None:
        """The least margin of a digit, where all are decided."""
        return self.cover.margin if self.is_proved and self.cover is not None else None

    @property
    def notes(self) -> tuple[str, ...]:
        """How many pairs fail, and those of the network, but for its alphabet, which the operands say."""
        counted = () if self.failures is None else (self.failures.words,)
        return (*counted, *(note for note in self.model.notes if "(alphabet)" not in note))

    @property
    def figures(self) -> dict[str, Any]:
        """Operands, the pair that fails with its digits, and how much was looked at."""
        failing, cover = self.failing, self.cover
        return {
            "operands": {field.name: getattr(self.operands, field.name) for field in fields(Operands)},
            "failing": None if failing is None else {
                "a": failing.pair[0], "b": failing.pair[1], "program": failing.right, "network": failing.value,
                "digits": list(failing.given), "digit": failing.index, "semantics": failing.semantics,
            },
            "failing_pairs": None if self.failures is None else {
                "least": str(self.failures.least), "most": str(self.failures.most), "exact": self.failures.is_exact,
            },
            "least_margin_seen": self.least_seen if np.isfinite(self.least_seen) else None,
            "pairs_tried": self.tried,
            "boxes": 0 if cover is None else cover.boxes,
        }  # fmt: skip

    def source(self, name: str = "program", docstring: str = "") -> str:
        """The program as Python text; empty where there is none."""
        return "" if self.program is None else self.program.source(name, docstring)


def distill_numbers(
    model: Loaded, operands: Operands | None = None, *, program: NumberProgram | OwnProgram | None = None,
    semantics: Semantics | None = None, seconds: float = 150.0, seed: int = 0,
    observer: Observer = SILENT, with_count: bool = True,
) -> NumberDistillation:  # fmt: skip
    """The program of two numbers that ``model`` calculates on all pairs of ``operands``, proved, or a pair that fails.

    ``operands``: by default those that the folder describes. ``program``: none is searched, and this one (a
    ``NumberProgram``, or the text of a Python function) is compared. ``semantics`` None takes the strongest that is
    proved. Digits of the answer are decided by the ``workers`` in use, each a job. ``with_count``: pairs that fail are
    counted where one does. Raises DomainError, NetworkError, and GrammarError for a text that is no such program.

    >>> found = distill_numbers(network)                                                          # doctest: +SKIP
    >>> found.program.expression, found.is_proved                                                 # doctest: +SKIP
    ('a + b', True)
    """
    asked = operands or model.operands
    if asked is None:
        raise NetworkError(f"{model.name}: its folder describes no operands; say how a prompt shows two numbers")
    _check(model, asked)
    clock, not_applied = Clock(seconds, observer.on_step), dict[str, str]()
    given = read_program(program) if isinstance(program, OwnProgram) else program
    share = 1.0
    if given is None:
        given, share = _found(model, asked, seed)
        said = "none" if given is None else f"{given.expression}, right on {share:.1%} of {SAMPLE} pairs"
        clock.done("search", said)
    if given is None:
        not_applied["proof"] = "no program of few and small factors is right on most of some pairs"
        return NumberDistillation(
            model, asked, None, (), tuple(clock.steps), not_applied, asked, share, None, None, 0, np.inf
        )
    DigitMachine(given, asked)
    tried_semantics: tuple[Semantics, ...] = (semantics,) if semantics else ("float32", "float64", "real")
    if isinstance(model.network, Transformer) and model.network.dtype != "float32" and semantics is None:
        tried_semantics = ("float64", "real")
    failing, tried, least = _failing(model, asked, given, min(FIRST, SEARCHING * clock.left), seed)
    text = f"{tried:,} pairs tried, the least margin {least:.4g}" if failing is None else f"{_pair(failing)} fails"
    clock.done("pairs", text)
    found: Cover | None = None
    claims: tuple[Claim, ...] = ()
    for one in tried_semantics if failing is None else ():
        reason = obstacle(model, asked, one)
        if reason is not None:
            not_applied["proof"] = reason
            break
        started = time.perf_counter()
        on_digit = lambda done, total: observer.on_work("digits", done, total)  # noqa: E731
        try:
            found = cover(model, asked, given, one, seconds=clock.left, on_digit=on_digit)
        except KeyboardInterrupt:
            not_applied["proof"] = "interrupted"
            break
        clock.done(f"proof {one}", _covered(found))
        if found.is_whole:
            claims = (_claim(model, asked, given, found, one, time.perf_counter() - started),)
            break
        more = [pair for case in found.open for pair in _completed(case.groups, case.a, case.b, asked)]
        failing, again, lower = _failing(model, asked, given, SEARCHING * clock.left, seed + 1, more)
        tried, least = tried + again, min(least, lower)
        if failing is not None or found.is_late:
            break
    failures = _counted(model, asked, given, tried_semantics, clock, seed) if failing and with_count else None
    return NumberDistillation(
        model, asked, given, claims, tuple(clock.steps), not_applied, asked, share, failing, found, tried, least,
        failures,
    )  # fmt: skip


def follow_numbers(
    model: Loaded, operands: Operands | None = None, *, program: NumberProgram | OwnProgram | None = None,
    semantics: Semantics | None = None, seconds: float = 150.0, seed: int = 0,
    observer: Observer = SILENT,
) -> NumberDistillation:  # fmt: skip
    """Up to how many digits one program is the network's answer to all pairs, and a pair of one digit more that fails.

    See ``distill_numbers``.
    """
    start = time.perf_counter()
    told: dict[str, Any] = {"semantics": semantics, "seed": seed, "observer": observer}
    found = distill_numbers(model, operands, program=program, seconds=WHOLE * seconds, **told)
    if found.is_proved or found.program is None:
        return found
    proved, steps = found, found.steps
    for digits in range(1, found.operands.digits):
        left = seconds - (time.perf_counter() - start)
        part = found.operands.up_to(digits)
        if part == found.operands or left <= 0:
            break
        one = distill_numbers(model, part, program=found.program, seconds=left, with_count=False, **told)
        steps += one.steps
        if not one.is_proved:
            found = found if one.failing is None else replace(found, failing=one.failing)
            break
        proved = one
    return replace(found, claims=proved.claims, cover=proved.cover, steps=steps)


def read_program(own: OwnProgram) -> NumberProgram:
    """The program of two numbers in a text, which is read and never run; raises GrammarError where it is none."""
    text = own.chosen()
    if text is None:
        raise GrammarError(f"{own.name} is a function, which could only be run; name a file with a function of two "
                           "numbers, such as def f(a, b): return a + b, which is read")  # fmt: skip
    try:
        return NumberProgram.parse(text)
    except GrammarError as error:
        more = "" if own.file is None else " (--operands none asks about sequences of tokens)"
        raise GrammarError(f"{own.name}: {error}{more}") from None


def _check(model: Loaded, operands: Operands) -> None:
    if not isinstance(model.readout, Argmax) or model.readout.position != "last":
        raise NetworkError(f"{model.name}: digits are read as the largest logit at the last position (argmax)")
    missing = [token for token in operands.alphabet if token not in model.readout.names]
    around = [t for t in (*operands.before, *operands.between, *operands.after) if t not in model.vocabulary]
    if missing or around:
        raise NetworkError(f"{model.name}: no token is called {[*missing, *around][0]!r}, which a prompt would hold")
    longest = len(operands.cells) + operands.shown_digits - 1
    if longest > model.network.longest:
        raise DomainError(
            f"{model.name}: a prompt with all digits of an answer has {longest} tokens, and there is room for "
            f"{model.network.longest}"
        )


def _found(model: Loaded, operands: Operands, seed: int) -> tuple[NumberProgram | None, float]:
    """The program that is right on most of some pairs, or of those drawn at random; and on how many of all it is.

    The others are what programs differ on, and networks are wrong on: round numbers, equal ones, and nearly so. Of
    equally good ones it is the simplest.
    """
    random, numbers = np.random.default_rng(seed), simple_numbers(operands)
    few = [(int(random.choice(len(numbers))), int(random.choice(len(numbers)))) for _ in range(SAMPLE // 4)]
    pairs = [(numbers[a], numbers[b]) for a, b in few]
    pairs += [(a, min(max(a + apart, 0), operands.largest)) for a, _ in pairs[::2] for apart in (0, 1, -1)]
    chosen = len(pairs)
    while len(pairs) < SAMPLE:
        digits = random.integers(0, operands.base, (2, operands.digits))
        drawn = [sum(int(d) * operands.base**k for k, d in enumerate(row)) for row in digits]
        pair = drawn[0] % (operands.largest + 1), drawn[1] % (operands.largest + 1)
        pairs.append(pair)
    teacher = Teacher(model, operands, NumberProgram(1, 1))
    some = pairs[-FEW:]
    given = [operands.value(teacher.given(pair)) for pair in some]
    best, share, found = 0.0, 0.0, None
    for program in _candidates(operands):
        if sum(program(*pair) == value for pair, value in zip(some, given, strict=True)) < 0.5 * len(given):
            continue
        try:
            DigitMachine(program, operands)
        except DomainError:
            continue
        right = Teacher(model, operands, program).worst(pairs) > 0
        if right.mean() > best:
            best, found = float(right.mean()), program
            share = max(best, float(right[chosen:].mean()))
    return found if share >= ENOUGH else None, best


def _candidates(operands: Operands) -> list[NumberProgram]:
    modulus = operands.base**operands.shown_digits
    shapes = [(p, q, r) for p, q, r in product(FACTORS, FACTORS, OFFSETS) if p or q]
    shapes.sort(key=lambda shape: (sum(map(abs, shape)), [-x for x in shape]))
    sums = [NumberProgram(*shape, end) for shape in shapes for end in (None, modulus)]
    return sorted([*sums, *map(NumberProgram.of, CHOSEN)], key=lambda program: program.size)


def _failing(
    model: Loaded,
    operands: Operands,
    program: NumberProgram,
    seconds: float,
    seed: int,
    more: list[Pair] = [],  # noqa: B006
) -> tuple[Failing | None, int, float]:
    teacher = Teacher(model, operands, program)
    pair, tried, least = search(teacher, seconds=seconds, seed=seed, more=more)
    if pair is None:
        return None, tried, least
    index: int | None = None
    said = "float64 as run"
    if isinstance(model.network, Transformer):
        for semantics in ("float32", "float64", "real"):
            try:
                found = confirmed(model, operands, program, pair, semantics)
            except (NetworkError, DomainError):
                continue
            if found is not None:
                index, said = found[0], MEANING[semantics]
                break
    given = teacher.given(pair)
    return Failing(pair, program(*pair), given, operands.value(given), index, said), tried, least


def _counted(
    model: Loaded, operands: Operands, program: NumberProgram, tried: tuple[Semantics, ...], clock: Clock, seed: int
) -> Failures | None:
    """How many pairs fail, in the strongest arithmetic in which the network can be bounded; None in none."""
    semantics = next((one for one in tried if obstacle(model, operands, one) is None), None)
    if semantics is None or clock.left <= 0:
        return None
    until = time.perf_counter() + min(LONGEST_COUNT, COUNTING * clock.left)
    known = wrong_pairs(Teacher(model, operands, program), seed=seed, deadline=until)
    found = count_failing(model, operands, program, semantics, seconds=until - time.perf_counter(), known=known)
    clock.done("count", found.words)
    return found


def _completed(groups: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...], operands: Operands) -> list[Pair]:
    """Pairs with these digits, and 0, or as large ones as there are, in all other groups."""
    pairs = []
    for fill in ((0, 0), (operands.base - 1, 0), (operands.base - 1, operands.base - 1)):
        digits = [[fill[n]] * operands.digits for n in (0, 1)]
        for at, *chosen in zip(groups, a, b, strict=True):
            if at < operands.digits:
                digits[0][at], digits[1][at] = chosen
        first, second = (sum(d * operands.base**k for k, d in enumerate(row)) for row in digits)
        pairs.append((first, second))
    return pairs


def _covered(found: Cover) -> str:
    done = sum(not one.open for one in found.decided)
    text = f"{done} of {found.digits} digits decided for all pairs, {found.boxes:,} boxes"
    return text + ("; the time was up" if found.is_late else "")


def _claim(
    model: Loaded, operands: Operands, program: NumberProgram, found: Cover, semantics: Semantics, seconds: float
) -> Claim:
    assert isinstance(model.network, Transformer)
    state = (
        "the carry" if program.below is None else "carries, of which the last must confirm the comparison guessed first"
    )
    return Claim(
        Rung.BOUNDED, model.reference, MEANING[semantics], operands,
        f"{METHOD.format(state=state)}, {least_margin(found.margin)}",
        operands.size(), seconds, assumption(model.network), number_conditions(model, operands), "pairs",
    )  # fmt: skip


def number_conditions(model: Loaded, operands: Operands) -> str:
    """How a pair becomes a prompt, and how the answer is read."""
    assert isinstance(model.readout, Argmax)
    own, chosen = model.operands, ""
    if own is None:
        chosen = "; stated here, as the network's files describe none: the operands"
    elif operands not in (own, replace(own, most=min(operands.largest, own.largest))):
        chosen = "; chosen by the user, other than the folder describes: the operands"
    return (
        f"prompt: {operands.shown}; answer: {operands.answer_words}, each the largest of the logits "
        f"{named(model.readout.names)} after the prompt and the digits before it, as greedy decoding gives them{chosen}"
    )


def _pair(failing: Failing) -> str:
    return f"a = {failing.pair[0]}, b = {failing.pair[1]}"
