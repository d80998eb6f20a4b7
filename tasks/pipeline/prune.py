"""From a whole network and a behaviour to a circuit of it, with the truth about the two on every sequence.

    network --(bounds on every sequence)--> labels --(learned masks, ablated edges: ``training``)--> circuit
    circuit --(bounds on every sequence)--> labels: where circuit and network, circuit and behaviour are the same

The search is float32 and learns; nothing that is said rests on it. Faithfulness and accuracy are counted on the whole
domain that was listed, by the rigorous bounds of ``proofs.enumeration``; what they leave open is counted apart.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cegis import Domain
from cegis.claim import equality, inputs_text, least_margin
from tasks.formats import Loaded, circuit_folder, load, model_of, network_folder, save_folder
from tasks.formats.sparse import as_circuit
from tasks.formats.writing import check_free
from tasks.networks import sites
from tasks.networks.circuit import Circuit
from tasks.networks.conditions import conditions
from tasks.networks.readout import UNDECIDED
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Attention, Mask, Transformer, walk
from tasks.pipeline.agreement import CIRCUIT, MODEL, Names, Pair, Voice, network_voice, paired
from tasks.pipeline.behaviour import OWN, Behaviour, asked, from_task, over
from tasks.pipeline.labels import MOST_SEQUENCES, SLACK, labelled, usual_domain
from tasks.pipeline.steps import SILENT, Clock, Observer, Step
from tasks.proofs.enumeration import MEANING, Answers, Enumeration, Semantics, answers_of

if TYPE_CHECKING:
    from tasks.training.transformers import Cut

USUAL_SECONDS = 600.0
USUAL_STEPS, USUAL_COST = 600, 3e-3
USUAL_MARGIN, USUAL_SHARE = 0.3, 0.1
LISTING = 0.2  # of the time, for the network's labels: at most so much of it
KEPT_BACK = 2.5  # times what the network's labels took, for those of the circuit
BEHAVIOUR = "behaviour"
SCHEMA = "pruning/1"


@dataclass(frozen=True)
class Options:
    """How circuits are looked for.

    ``steps`` of learning, at which a kept node costs ``node_cost`` of the loss; an answer keeps a lead of ``margin``,
    or of the ``share`` of what it was in the whole network, if that is less; ``edges``: whether they are cut as well.
    ``seeds``: how many are tried from ``seed`` on; the smallest circuit is kept.
    """

    seed: int = 0
    seeds: int = 1
    steps: int = USUAL_STEPS
    node_cost: float = USUAL_COST
    margin: float = USUAL_MARGIN
    share: float = USUAL_SHARE
    edges: bool = True

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("seeds", 1), ("steps", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise NetworkError(f"expected {name} to be a whole number of at least {least}, got {value!r}")
        if not (self.node_cost >= 0 and self.margin > 0 and 0 < self.share <= 1):
            raise NetworkError(
                "expected a cost of 0 or more, a margin above 0 and a share from 0 to 1, got "
                f"{self.node_cost!r}, {self.margin!r} and {self.share!r}"
            )


@dataclass(frozen=True)
class Size:
    """How many heads, nodes and edges are kept."""

    heads: int
    nodes: int
    edges: int

    @classmethod
    def of(cls, network: Transformer) -> Size:
        """That of a network with masks; a head is kept where one of its value channels is."""
        heads = 0
        for step in walk(network.steps):
            if isinstance(step, Attention):
                last = step.value[-1]
                kept = last.kept if isinstance(last, Mask) else np.ones(step.heads, bool)
                heads += int(kept.reshape(step.heads, -1).any(axis=1).sum())
        return cls(heads, sites.nodes(network), sites.edges(network))

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.heads:,} heads, {self.nodes:,} nodes, {self.edges:,} edges"


@dataclass(frozen=True)
class Pruned:
    """A ``circuit`` of ``model``, and how the two and the ``behaviour`` compare on all of ``domain``.

    That is what was ``asked``, or the shorter part of it for which there was time.

    ``faithful``: circuit and network. ``accurate``: circuit and behaviour, ``before``: network and behaviour; both None
    where the behaviour is what the network says itself. ``is_complete``: every node and edge that is left was tried,
    and the rest does not pass without it; else the time was up. ``source``: the circuit that ``model`` was, if it was
    one of ours.
    """

    model: Loaded
    circuit: Loaded
    behaviour: Behaviour
    asked: Domain
    domain: Domain
    semantics: Semantics
    margin: float
    whole: Size
    size: Size
    faithful: Pair
    accurate: Pair | None
    before: Pair | None
    is_complete: bool
    seed: int
    options: Options
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    source: Circuit | None = None

    @property
    def is_faithful(self) -> bool:
        """Whether the circuit is proved to give the network's label on every sequence of ``domain``."""
        return self.faithful.is_equal

    @property
    def is_kept(self) -> bool:
        """Whether all that was asked is proved: the network's labels, or the behaviour's where the network has it."""
        pair = self.accurate
        is_kept = self.is_faithful if pair is None or self.before is None else pair.agree >= self.before.agree
        return is_kept and self.domain == self.asked

    @property
    def why_not_kept(self) -> str:
        """What of all that was asked is not proved, in one sentence; empty where all of it is."""
        if self.is_kept:
            return ""
        told = []
        if self.domain != self.asked:
            longest = f"{self.domain.max_length}, not {self.asked.max_length}"
            told.append(f"in the time only sequences up to length {longest}, were compared")
        if self.accurate is not None and self.before is not None and self.accurate.agree < self.before.agree:
            told.append("the circuit has fewer of the right answers than the network")
        if self.accurate is None and not self.is_faithful:
            told.append("the circuit is not proved to equal the network on every sequence")
        return f"Not all that was asked is proved: {'; '.join(told)}."

    @property
    def kept(self) -> dict[str, tuple[int, ...]]:
        """The nodes that are left, by site."""
        assert isinstance(self.circuit.network, Transformer)
        found = sites.masks(self.circuit.network)
        return {site: tuple(int(n) for n in mask.kept.nonzero()[0]) for site, mask in found.items()}

    @property
    def verdict(self) -> str:
        """How faithful it is, in one sentence."""
        network, what = self.model.reference, "pairs of a sequence and a place" if self._is_placed else "sequences"
        told: dict[str, Any] = {
            "semantics": MEANING[self.semantics],
            "conditions": conditions(self.circuit, self.domain),
            "what": what,
        }
        count = self.faithful.inputs
        if self.is_faithful:
            method = f"both bounded on every sequence, {least_margin(self.margin * (1 - SLACK))}"
            return f"FAITHFUL: this circuit equals {equality(network, self.domain, count, method=method, **told)}."
        where = inputs_text(self.domain, count, what)
        return (
            f"NOT FAITHFUL EVERYWHERE: of {where}, this circuit and {network}: {self.faithful.text}; in "
            f"{MEANING[self.semantics]}; {told['conditions']}."
        )

    @property
    def _is_placed(self) -> bool:
        return self.model.readout.position == "every"


def prune(
    network: Circuit | Loaded,
    task: Behaviour | Callable[[tuple[str, ...]], object] = OWN,
    domain: Domain | None = None,
    *,
    options: Options = Options(),
    seconds: float = USUAL_SECONDS,
    state: Path | None = None,
    observer: Observer = SILENT,
) -> Pruned:
    """The smallest circuit found of ``network`` that keeps ``task`` on ``domain``, in about ``seconds``.

    A task is a behaviour, or a function from a sequence of tokens to its label (``behaviour``). Default: the network's
    own labels, on its own domain as far as it can be listed. Of a ``Circuit``, the nodes that it keeps are pruned
    further; ``tasks.networks.circuit.whole`` gives the network it was cut from. ``state``: a folder in which the run
    notes what it has decided; the same call goes on from there after an interrupt. Raises NetworkError and DomainError.
    """
    source = network if isinstance(network, Circuit) else None
    behaviour = task if isinstance(task, Behaviour) else from_task(task, getattr(task, "__name__", "the task"))
    model, clock = over(model_of(network), behaviour), Clock(seconds, observer.on_step)
    if not isinstance(model.network, Transformer):
        what = "a black box" if model.is_black_box else "a recurrent network"
        raise NetworkError(f"{model.name}: expected a transformer whose steps are known; nothing is cut from {what}")
    if not sites.masks(sites.with_sites(model.network)):
        raise NetworkError(
            f"{model.name}: expected a network with attention heads, or entries behind an activation, some of which "
            "may be left out; this one has none"
        )
    listed = usual_domain(model) if domain is None else domain
    if listed.size() > MOST_SEQUENCES:
        raise NetworkError(
            f"{model.name}: {listed.size():,} sequences are too many to list (limit {MOST_SEQUENCES:,}), and a circuit "
            "is compared on every one; ask for shorter ones"
        )
    table, notes = labelled(model, listed, None, 0.0, LISTING * clock.left, on_progress=observer.on_progress)
    found, own = table.enumeration, table.enumeration.seconds
    clock.done("labels", f"{table.size:,} of {table.size + table.undecided:,} inputs of the network have one")
    goal = asked(behaviour, found)
    key = _key(model, goal, options)
    best: tuple[Cut, int] | None = None
    for number in range(options.seeds):
        left = clock.left - KEPT_BACK * own
        if best is not None and left < (time.perf_counter() - clock.start) / (number + 1):
            notes += (f"{number} of {options.seeds} seeds were tried in time",)
            break
        cut = _cut(model, goal, options, options.seed + number, left, state, key, clock, observer)
        if best is None or _rank(cut) < _rank(best[0]):
            best = cut, options.seed + number
    assert best is not None
    cut, seed = best
    circuit = replace(model, name=f"{model.name}-circuit", network=cut.network, notes=(), files=())
    after, _ = labelled(circuit, found.domain, None, 0.0, clock.left, on_progress=observer.on_progress)
    clock.done("check", f"{after.size:,} of {after.size + after.undecided:,} inputs of the circuit have a label")
    result = _compared(model, circuit, behaviour, goal, listed, found, after.enumeration)
    if result.domain != listed:
        notes += (f"there was time for sequences of length {result.domain.max_length} at most",)
    if cut.wrong:
        notes += (f"{cut.wrong:,} inputs that the network itself answers otherwise were not asked of the circuit",)
    return replace(
        result,
        is_complete=cut.is_complete,
        seed=seed,
        options=options,
        steps=tuple(clock.steps),
        notes=notes,
        source=source,
    )


def check_saved(model: Loaded, source: Circuit | None, folder: Path) -> None:
    """Raise NetworkError where a circuit of ``model`` could not be written as ``folder``.

    Of what is there only a circuit that was cut from ``model`` is replaced.
    """
    mark, what = (network_folder.FILE, "network folder") if source is None else (circuit_folder.JSON_FILE, "circuit")
    check_free(folder, mark, what)
    if (folder / mark).is_file() and not _is_cut_from(model.name, folder):
        raise NetworkError(
            f"{folder}: holds another network, which would be lost; choose another folder for the circuit"
        )
    if source is not None:
        as_circuit(model, source, name="check", summary="", card={})


def _is_cut_from(name: str, folder: Path) -> bool:
    """Whether ``folder`` is a circuit that ``save`` wrote of the network ``name``."""
    if (folder / circuit_folder.JSON_FILE).is_file():
        return circuit_folder.load_circuit(folder).card.get("cut_from") == name
    return any(f"cut from {name}; keeps " in note for note in load(folder).notes)


def save(found: Pruned, folder: Path) -> Path:
    """Write the circuit as a folder that ``tasks.formats.load`` reads, whole or not at all, and return that.

    A circuit of one of ours is one of ours again; that of any other network is a folder of its steps.
    """
    check_saved(found.model, found.source, folder)
    name, summary = folder.resolve().name, f"cut from {found.model.name}; keeps {found.behaviour.name}"
    if found.source is None:
        alike = f"{found.faithful.text}, on length {found.domain.min_length} to {found.domain.max_length}"
        notes = (*found.model.notes, f"{summary}; circuit and network: {alike}")
        return save_folder(replace(found.circuit, name=name, notes=notes), folder)
    card = {
        "cut_from": found.model.name,
        "keeps": found.behaviour.name,
        "seed": found.seed,
        "nodes": found.size.nodes,
        "edges": found.size.edges,
        "lengths": [found.domain.min_length, found.domain.max_length],
        "inputs": found.faithful.inputs,
        "as_the_network": found.faithful.agree,
        "undecided": found.faithful.undecided,
        "complete": found.is_complete,
    }
    circuit_folder.save_circuit(as_circuit(found.circuit, found.source, name=name, summary=summary, card=card), folder)
    return folder


def forget(state: Path) -> None:
    """Remove what runs noted in the folder ``state``."""
    shutil.rmtree(state, ignore_errors=True)


def _cut(
    model: Loaded,
    goal: tuple[Answers, ...],
    options: Options,
    seed: int,
    seconds: float,
    state: Path | None,
    key: str,
    clock: Clock,
    observer: Observer,
) -> Cut:
    from tasks.training.journal import Journal
    from tasks.training.pruning import Learning
    from tasks.training.transformers import Goal, How, circuit_of

    assert isinstance(model.network, Transformer)
    how = How(Learning(options.steps, options.node_cost), options.margin, options.share, options.edges)
    parts = tuple((model.prompts(part.sequences), part.labels) for part in goal)
    with Journal(None if state is None else state / f"{key}-{seed}") as journal:
        before = journal.state()
        if before is not None or journal.replayed:
            steps = 0 if before is None else before.step
            clock.done("resumed", f"{steps:,} steps and {journal.replayed:,} decisions are there already (seed {seed})")
        return circuit_of(
            model.network,
            Goal(model.readout, len(model.prefix), parts),
            how,
            seed,
            seconds=seconds,
            journal=journal,
            on_progress=observer.on_work,
            on_step=lambda name, text: clock.done(name, f"{text} (seed {seed})"),
        )


def _rank(cut: Cut) -> tuple[int, int]:
    return sites.nodes(cut.network), sites.edges(cut.network)


def _key(model: Loaded, goal: tuple[Answers, ...], options: Options) -> str:
    """What tells this run from others: network, sequences, answers and how they are looked for."""
    assert isinstance(model.network, Transformer)
    digest = hashlib.sha256(repr((asdict(replace(options, seed=0, seeds=1)), model.prefix, model.suffix)).encode())
    digest.update(repr((model.readout, model.vocabulary, model.domain.alphabet)).encode())
    for array in model.network.arrays():
        digest.update(repr(array.shape).encode() + array.tobytes())
    for mask in sites.masks(model.network).values():
        digest.update(mask.kept.tobytes())
    for part in goal:
        digest.update(part.sequences.tobytes() + part.labels.tobytes())
    return digest.hexdigest()[:16]


def _compared(
    model: Loaded,
    circuit: Loaded,
    behaviour: Behaviour,
    goal: tuple[Answers, ...],
    listed: Domain,
    before: Enumeration,
    after: Enumeration,
) -> Pruned:
    """Network, circuit and behaviour on every sequence; the parts of the result that say how it came about are open."""
    names, lengths = Names(), min(len(before.lengths), len(after.lengths))
    domain = before.domain.up_to(before.domain.lengths[lengths - 1])
    sequences = tuple(part.sequences for part in before.lengths[:lengths])
    assert all(np.array_equal(a.sequences, b.sequences) for a, b in zip(before.lengths, after.lengths, strict=False))
    whole, cut = network_voice(MODEL, before, names), network_voice(CIRCUIT, after, names)
    faithful = paired(cut, Voice(MODEL, whole.labels[:lengths]), sequences, domain, names)
    semantics: Semantics = "float32" if before.semantics == after.semantics == "float32" else "float64"
    accurate = had = None
    if not behaviour.is_own:
        accurate, had = (_graded(name, goal, found) for name, found in ((CIRCUIT, after), (MODEL, before)))
    assert isinstance(model.network, Transformer)
    assert isinstance(circuit.network, Transformer)
    return Pruned(
        model,
        circuit,
        behaviour,
        listed,
        domain,
        semantics,
        min(before.margin, after.margin),
        Size.of(sites.with_sites(model.network)),
        Size.of(circuit.network),
        faithful,
        accurate,
        had,
        False,
        0,
        Options(),
        (),
        (),
    )


def _graded(name: str, goal: tuple[Answers, ...], found: Enumeration) -> Pair:
    """What ``found`` says of the sequences that are asked, beside what is asked; those without an answer are left out.

    Sequences that were not listed are bounded one by one.
    """
    names, loaded, domain = Names(), found.loaded, found.domain
    own = {part.sequences.shape[1]: part for part in found.lengths}
    parts, wanted = [], []
    for part in goal:
        is_asked = (part.labels != UNDECIDED) if part.labels.ndim == 1 else (part.labels != UNDECIDED).any(axis=1)
        given = own.get(part.sequences.shape[1])
        if given is None or not np.array_equal(given.sequences, part.sequences):
            given = Answers(part.sequences, *answers_of(loaded, part.sequences, found.semantics))
        parts.append(Answers(*(column[is_asked] for column in (given.sequences, given.labels, given.margins))))
        wanted.append(Answers(*(column[is_asked] for column in (part.sequences, part.labels, part.margins))))
    said = network_voice(name, replace(found, lengths=tuple(parts)), names)
    right = network_voice(BEHAVIOUR, replace(found, lengths=tuple(wanted)), names)
    return _known(paired(said, right, tuple(part.sequences for part in wanted), domain, names), right)


def _known(pair: Pair, right: Voice) -> Pair:
    """``pair`` without the places for which nothing is asked."""
    open_places = sum(int((labels < 0).sum()) for labels in right.labels)
    return replace(pair, undecided=pair.undecided - open_places)


# --- in words ---------------------------------------------------------------------------------------------------


def pruned_text(found: Pruned) -> str:
    """Size, verdict, accuracy, nodes and steps."""
    lines = [
        f"{found.model.name}: {found.size.text} are left of {found.whole.text}; kept: {found.behaviour.name}",
        "",
        found.verdict,
    ]
    if found.accurate is not None and found.before is not None:
        lines += [f"circuit and behaviour: {found.accurate.text}", f"network and behaviour: {found.before.text}"]
    lines += [found.why_not_kept] if found.why_not_kept else []
    what = f"every {'node and edge' if found.options.edges else 'node'} that is left was tried"
    smallest = f"Small: {what}: without it alone an answer is lost, or most of its lead"
    larger = f"Perhaps not small: the time ended before {what}"
    lines += [f"{smallest if found.is_complete else larger} (seed {found.seed})."]
    lines += ["", "Nodes that are left:"]
    lines += [f"  {site}: {' '.join(map(str, nodes))}" for site, nodes in found.kept.items() if nodes]
    lines += ["", "The steps:"]
    lines += [f"  {s.name:<11} {s.seconds:>7.2f} s  (CPU {s.cpu_seconds:.2f} s)  {s.text}" for s in found.steps]
    lines += [f"  note        {note}" for note in found.notes]
    return "\n".join(lines)


def pruned_json(found: Pruned, folder: str | None = None) -> dict[str, Any]:
    """The same as JSON values; ``folder``: where the circuit was written."""
    return {
        "schema": SCHEMA,
        "network": found.model.name,
        "format": found.model.format,
        "behaviour": found.behaviour.name,
        "asked": [found.asked.min_length, found.asked.max_length],
        "lengths": [found.domain.min_length, found.domain.max_length],
        "sequences": found.domain.size(),
        "semantics": MEANING[found.semantics],
        "conditions": conditions(found.circuit, found.domain),
        "sentence": found.verdict,
        "faithful": found.is_faithful,
        "faithfulness": found.faithful.as_json(),
        "accuracy": None if found.accurate is None else found.accurate.as_json(),
        "accuracy_of_network": None if found.before is None else found.before.as_json(),
        "margin": found.margin,
        "whole": vars(found.whole),
        "size": vars(found.size),
        "kept": {site: list(nodes) for site, nodes in found.kept.items()},
        "complete": found.is_complete,
        "seed": found.seed,
        "options": asdict(found.options),
        "notes": list(found.notes),
        "steps": [vars(step) for step in found.steps],
        "folder": folder,
    }
