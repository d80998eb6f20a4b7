"""What matters in a network, and what does not: proved on every sequence of a domain.

    labels        of every sequence, with bounds on rounding (``labels``)
    parts         without a node, a head, a unit or an edge: how many labels change, and the shortest of those inputs
    invariance    tokens exchanged, left out, in another order: the same, read off the labels
    robustness    weights rounded, quantised, pruned: the same; and how far all weights may move at once

A count is exact where nothing is undecided; only then "none" is said, and a part is redundant. What there was no time
for is counted as such, and never as without effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from cegis import Domain
from cegis.claim import limits
from dsl.showing import cut, panel_html, table_html, words_html
from tasks.bounds.perturbation import why_not_loose
from tasks.formats import Loaded, model_of
from tasks.networks import altered
from tasks.networks.circuit import Circuit
from tasks.networks.parts import Part, edges, is_circuit, means_of, nodes, without
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Attention, Reals, Transformer, walk
from tasks.pipeline.labels import LabelTable, described, labelled, usual_domain
from tasks.pipeline.steps import SILENT, Clock, Observer, Step
from tasks.proofs.effects import Effect, effect, holds_loosely
from tasks.proofs.enumeration import LateError, Semantics
from tasks.proofs.invariance import Invariance, invariances

Ablation = Literal["mean", "zero"]
USUAL_SECONDS = 120.0
USUAL_LENGTH = 10  # of a circuit's sequences
SHOWN = 200  # rows of a table in a notebook
UNASKED = "none was asked for"
LISTING = 0.2  # of the time, for the labels
ENOUGH = 0.5  # of the time, that all parts are estimated to take at the length that is chosen
BITS = (8, 7, 6, 5, 4, 3, 2)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FINEST, REFINED = 40, 3  # powers of two that a spread is looked for among; halvings behind that


@dataclass(frozen=True)
class Ablated:
    """A part, and what becomes of the labels without it; None where there was no time."""

    part: Part
    effect: Effect | None


@dataclass(frozen=True)
class Altered:
    """Weights changed as ``words`` say, and what becomes of the labels; a text where there is no such network."""

    kind: str
    words: str
    effect: Effect | str | None


@dataclass(frozen=True)
class Tolerance:
    """All weights at once may be off by a factor from 1 - ``spread`` to 1 + ``spread``: no label changes, proved.

    Nothing is said of larger spreads. ``reason``: why nothing is known, where nothing is.
    """

    spread: float | None
    reason: str = ""


@dataclass(frozen=True)
class Explanation:
    """What is known of ``model`` on the domain of ``labels``; ``ended`` says what cut it short, if anything did.

    ``together``: what leaving out all redundant nodes of a circuit at once changes; None where there are none, or no
    time.
    """

    model: Loaded
    labels: LabelTable
    ablation: str
    nodes: tuple[Ablated, ...]
    edges: tuple[Ablated, ...]
    invariances: tuple[Invariance, ...]
    robustness: tuple[Altered, ...]
    tolerance: Tolerance
    together: Effect | None
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    not_applied: dict[str, str]
    ended: str = ""

    def __repr__(self) -> str:
        parts, redundant = len(self.nodes) + len(self.edges), len(self.redundant)
        ended = f"; {self.ended}" if self.ended else ""
        where = f"{self.model.name!r}, {limits(self.labels.domain)}"
        return cut(f"Explanation({where}: {parts} parts, {redundant} redundant{ended})")

    def _repr_html_(self) -> str:
        """Parts, changes of sequences and of weights, each with how many labels change, for notebooks."""
        every = [*((one.part.name, one.effect) for one in (*self.nodes, *self.edges) if one.effect)]
        every += [(one.words, one.effect) for one in self.invariances if one.effect.compared]
        every += [(f"{one.kind}: {one.words}", one.effect) for one in self.robustness if isinstance(one.effect, Effect)]
        rows = [(name, found.words, f"{found.compared:,}") for name, found in every[:SHOWN]]
        more = f"and {len(every) - SHOWN:,} more" if len(every) > SHOWN else ""
        name = f"{self.model.name}, {limits(self.labels.domain)}"
        table = table_html(("without, or changed", "labels that change", "of"), rows)
        return panel_html(words_html(name), table, words_html(more))

    @property
    def redundant(self) -> tuple[Part, ...]:
        """Nodes, heads, units and edges each of which can be left out, alone, without changing a label."""
        every = (*self.nodes, *self.edges)
        return tuple(one.part for one in every if one.effect is not None and one.effect.is_none)

    @property
    def is_whole(self) -> bool:
        """Whether everything that was asked for was looked at, and every count is exact.

        What makes no sense for the network (the order of places that have labels) is not asked for.
        """
        effects = [*(one.effect for one in (*self.nodes, *self.edges)), *(one.effect for one in self.robustness)]
        effects += [one.effect for one in self.invariances]
        are_exact = all(isinstance(one, str) or (one is not None and one.is_exact) for one in effects)
        skipped = [why for name, why in self.not_applied.items() if name != "order" and why != UNASKED]
        return are_exact and not self.ended and not skipped


def explain(
    network: Circuit | Loaded,
    domain: Domain | None = None,
    *,
    ablation: Ablation = "mean",
    with_edges: bool = True,
    semantics: Semantics | None = None,
    margin: float | None = None,
    seconds: float = USUAL_SECONDS,
    observer: Observer = SILENT,
) -> Explanation:
    """What matters in ``network`` on ``domain``, in about ``seconds`` (wall clock).

    Default: its own domain, as far as all parts can be looked at in the time. ``ablation``: what takes the place of a
    node: its mean (a circuit's own; elsewhere over the rows of prompts of the domain), or zero. ``semantics`` and
    ``margin``: as ``distill`` takes them. An interrupt keeps what is known. Raises DomainError and NetworkError.

    >>> from tasks.formats import load
    >>> from tasks.formats.circuit_folder import shipped_path
    >>> quotes = load(shipped_path("quote_closing"))
    >>> found = explain(quotes, quotes.domain.up_to(3), with_edges=False)
    >>> [(one.part.name, one.effect.words) for one in found.nodes[-2:]]
    [('0.attn.resid_delta:11', '17'), ('final_resid:11', '17')]
    """
    model, clock = model_of(network), Clock(seconds, observer.on_step)
    if not isinstance(model.network, Transformer):
        if model.is_black_box:
            raise NetworkError(f"{model.name}: a black box has no parts that could be taken away; give its weights")
        raise NetworkError(
            f"{model.name}: parts are taken away from transformers, and this network is recurrent; distill run says "
            "what it does"
        )
    asked = _usual(model) if domain is None else domain
    table, notes = labelled(model, asked, semantics, margin, LISTING * seconds, on_progress=observer.on_progress)
    run = _Explaining(table, ablation, clock, observer)
    parts, wires = nodes(model.network), edges(model.network, model.readout) if with_edges else UNASKED
    if domain is None:
        run.table = table = _affordable(table, len(parts) + (0 if isinstance(wires, str) else len(wires)), clock)
    clock.done("labels", described(table))
    if domain is not None and table.domain != domain:
        run.ended = f"the time allowed labels up to length {table.domain.max_length} alone"
    return run.explanation(parts, wires, notes)


def _usual(model: Loaded) -> Domain:
    """What is looked at where the caller names nothing: as ``distill`` takes it, of a circuit the shorter part."""
    domain = usual_domain(model)
    is_long = model.format == "circuit" and domain.min_length <= USUAL_LENGTH < domain.lengths[-1]
    return domain.up_to(USUAL_LENGTH) if is_long else domain


def _affordable(table: LabelTable, parts: int, clock: Clock) -> LabelTable:
    """``table`` up to the length at which all parts take at most a share of the time, as the labels themselves did.

    No shorter than that two labels occur, if they do at all; all of it where no time is left anyway.
    """
    size, seconds, best = table.domain.size(), max(table.enumeration.seconds, 1e-3), table
    for length in reversed(table.domain.lengths):
        if not clock.has_time or parts * seconds * best.domain.size() / size <= ENOUGH * clock.left:
            return best
        try:
            shorter = table.up_to(length)
        except NetworkError:  # none of these has a label
            return best
        if len(shorter.counts()) < min(2, len(table.counts())):
            return best
        best = shorter
    return best


class _Explaining:
    """An explanation in progress; ``ended``: what ended it, if anything did."""

    def __init__(self, table: LabelTable, ablation: Ablation, clock: Clock, observer: Observer) -> None:
        self.table, self.ablation, self.clock, self.observer = table, ablation, clock, observer
        self.ended = ""
        self.not_applied: dict[str, str] = {}
        self._means: dict[tuple[int | str, ...], Reals] = {}

    @property
    def network(self) -> Transformer:
        """The network as it is."""
        found = self.table.enumeration.loaded.network
        assert isinstance(found, Transformer)
        return found

    def explanation(
        self, parts: tuple[Part, ...], wires: tuple[Part, ...] | str, notes: tuple[str, ...]
    ) -> Explanation:
        """All of it, as far as the time goes."""
        found = tuple(self._while_there_is_time(invariances(self.table.enumeration, self.table.margin)))
        self._done("invariance", len(found), sum(one.effect.is_none for one in found), "changes of sequences")
        whole = len(self.table.domain.alphabet) * (len(self.table.domain.alphabet) - 1)
        if not any(one.kind == "exchange" for one in found) and whole:
            self.not_applied["exchange of tokens"] = self.ended or f"the alphabet has {whole} pairs of tokens"
        if self.table.is_placed:
            self.not_applied["order"] = "each place has a label, and a sequence in another order has other places"
        if self.ablation == "mean" and not is_circuit(self.network):
            prompts = [self.table.enumeration.loaded.prompts(part.sequences) for part in self.table.enumeration.lengths]
            self._means = means_of(self.network, prompts)
        robust = tuple(self._robustness())
        self._done("robustness", len(robust), sum(_is_none(one.effect) for one in robust), "changes of weights")
        tolerance = self._tolerance()
        ablated = self._ablated(parts, "nodes")
        together = self._together(ablated)
        if isinstance(wires, str):
            self.not_applied["edges"] = wires
        cut = self._ablated(() if isinstance(wires, str) else wires, "edges")
        return Explanation(
            self.table.enumeration.loaded,
            self.table,
            self._how(),
            ablated,
            cut,
            found,
            robust,
            tolerance,
            together,
            notes,
            tuple(self.clock.steps),
            self.not_applied,
            self.ended,
        )

    def _how(self) -> str:
        """What takes the place of a node, in words."""
        if self.ablation == "zero":
            return "zero"
        if is_circuit(self.network):
            return "its mean, as the circuit's file has it"
        return f"its mean over the rows of the prompts of this domain, in {self.network.dtype}"

    def _ablated(self, parts: tuple[Part, ...], what: str) -> tuple[Ablated, ...]:
        found = []
        for number, part in enumerate(parts):
            self.observer.on_work(f"without each of the {what}", number, len(parts))
            found.append(Ablated(part, self._effect(partial(self._without, part))))
        looked = [one.effect for one in found if one.effect is not None]
        if parts:
            self._done(
                what, len(looked), sum(one.is_none for one in looked), f"of {len(parts):,} left out, one at a time"
            )
        return tuple(found)

    def _together(self, ablated: tuple[Ablated, ...]) -> Effect | None:
        """The effect of leaving out all nodes that have none alone."""
        network, alone = self.network, [one.part for one in ablated if _is_none(one.effect)]
        if len(alone) < 2 or not is_circuit(network):
            return None
        for part in alone:
            network = self._without(part, network)
        return self._effect(lambda: network)

    def _without(self, part: Part, network: Transformer | None = None) -> Transformer:
        network = network or self.network
        means = None if part.kind == "edge" else self._means.get(part.path)
        if means is not None:
            return without(network, part, means[list(part.columns)])
        is_zero = self.ablation == "zero" and part.kind == "node"
        return without(network, part, np.zeros(len(part.columns)) if is_zero else None)

    def _robustness(self) -> Iterator[Altered]:
        """Every change of weights in turn."""
        network = self.network
        changes: list[tuple[str, str, Callable[[Reals], Reals]]] = [
            ("rounded", "float16", altered.float16),
            ("rounded", "bfloat16", altered.bfloat16),
        ]
        changes += [("quantised", f"{bits} bits", altered.quantised(bits)) for bits in BITS]
        changes += [("pruned", f"the smallest {share:.0%}", altered.pruned(network, share)) for share in SHARES]
        for kind, words, change in changes:
            try:
                found: Effect | str | None = self._effect(partial(altered.altered, network, change))
            except NetworkError as error:
                found = str(error)
            yield Altered(kind, words, found)

    def _tolerance(self) -> Tolerance:
        """The largest spread that is found to hold."""
        against = why_not_loose(self.network)
        if against is not None or self.ended:
            return Tolerance(None, against or self.ended)
        best: float | None = None
        low, high = 1, FINEST  # 2**-high is looked at last
        try:
            while low < high:
                middle = (low + high) // 2
                if self._holds(2.0**-middle):
                    best, high = 2.0**-middle, middle
                else:
                    low = middle + 1
            if best is None and self._holds(2.0**-high):
                best = 2.0**-high
            step = 0.5
            for _ in range(REFINED if best is not None else 0):
                assert best is not None
                if self._holds(wider := best * (1 + step)):
                    best = wider
                step /= 2
        except LateError:
            self._end("the time is up")
        except KeyboardInterrupt:
            self._end("interrupted")
        sinks = any(isinstance(step, Attention) and step.sink is not None for step in walk(self.network.steps))
        note = "attention sinks stay as they are" if sinks else ""
        if best is None:
            return Tolerance(None, self.ended or f"not proved for 1 ± {2.0**-FINEST:.1g}")
        self.clock.done("tolerance", f"no label changes while every weight is within a factor of 1 ± {best:.3g}")
        return Tolerance(best, note)

    def _holds(self, spread: float) -> bool:
        return holds_loosely(self.table.enumeration, self.table.margin, spread, self.clock.end)

    def _effect(self, made: Callable[[], Transformer]) -> Effect | None:
        """What becomes of the labels, if there is time."""
        if self.ended:
            return None
        try:
            if not self.clock.has_time:
                raise LateError
            return effect(self.table.enumeration, self.table.margin, made(), deadline=self.clock.end)
        except LateError:
            self._end("the time is up")
        except KeyboardInterrupt:
            self._end("interrupted")
        return None

    def _while_there_is_time(self, found: Iterator[Invariance]) -> Iterator[Invariance]:
        try:
            for one in found:
                yield one
                if not self.clock.has_time:
                    raise LateError
        except LateError:
            self._end("the time is up")
        except KeyboardInterrupt:
            self._end("interrupted")

    def _end(self, text: str) -> None:
        self.ended = self.ended or text

    def _done(self, name: str, count: int, none: int, what: str) -> None:
        self.clock.done(name, f"{count:,} {what}, {none:,} without effect")


def _is_none(found: Effect | str | None) -> bool:
    return isinstance(found, Effect) and found.is_none
