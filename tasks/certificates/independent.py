"""Certificates for claims about any loaded network, in the form that ``tasks.checker`` checks by itself.

    certificate.json      statement and checksums (cegis.certificate)
    program.py            the printed function, without docstring
    network/              the network's files, byte for byte

Which kind of evidence it is, ``kinds`` chooses. The statement is what the checker itself establishes from these files,
in the strongest arithmetic in which it can, so a certificate that is written has been checked once; it lists every
input where the two differ, and every one without a label. For a claim by ``path_cover`` it gives directions in which
attention is bounded. Formats whose files the checker does not read have none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from cegis import Differs, Domain, DomainError, Found, Program
from cegis.certificate import Certificate
from dsl.grammar import Grammar
from tasks.automata.program_states import UncountableError
from tasks.bounds.frames import FrameError
from tasks.certificates.recurrent_evidence import boxes, orbit_sets
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.evidence import LANGUAGE, NETWORK, PROGRAM, STATES, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES, read
from tasks.checker.network import Network
from tasks.checker.sets import Attended
from tasks.formats import Loaded, model_of
from tasks.networks.circuit import Circuit
from tasks.networks.readout import Argmax, Readout, Rounded, TokenSet
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.labels import length_of
from tasks.pipeline.languages import texts
from tasks.pipeline.sequences import Distillation
from tasks.proofs.attention_bounds import obstacle as not_covered
from tasks.proofs.count_bounds import obstacle as not_counted
from tasks.proofs.enumeration import usual_semantics
from tasks.proofs.still_open import StillOpenError

GRID = 2**16  # of directions
WEAKER = {"float32": ("float32", "float64", "real"), "float64": ("float64", "real"), "real": ("real",)}
TIMED, ROOM = 500, 0.7  # words of a recurrent network that are timed first; share of the time for the others
FEW = 20_000  # inputs that are listed before anything else is tried: a second or two


def attest_counts(
    network: Circuit | Loaded, folder: Path, program: Program, domain: Domain, semantics: str
) -> Certificate | str:
    """The certificate that ``program`` equals ``network`` on the bounded ``domain``, by counting, or why there is none.

    ``semantics`` is the strongest that is tried.
    """
    against = not_counted(network)
    if against is not None:
        return f"certificates are for what counting proves: {against}"
    return _certificate(_Proved(model_of(network), folder, program, domain, semantics, is_beyond=True), ("counts",))


def attest_all_lengths(
    network: Circuit | Loaded,
    folder: Path,
    program: Program,
    seconds: float = inf,
    language: Grammar | None = None,
) -> Certificate | str:
    """The certificate that ``program`` equals ``network`` on every sequence of its constraint, or why there is none.

    It is about real arithmetic, as no bound on rounding holds at every length. ``language``: the grammar of the user's
    own that was searched.
    """
    model = model_of(network)
    domain = replace(model.domain, max_length=None)
    if isinstance(model.network, Recurrent):
        return _by_states(_Proved(model, folder, program, domain, "float32", seconds=seconds, language=language))
    against = not_counted(network)
    if against is not None:
        return f"certificates are for what counting proves: {against}"
    proved = _Proved(model, folder, program, domain, "real", seconds=seconds, is_beyond=True, language=language)
    return _certificate(proved, ("all_lengths",))


def attest(
    result: Distillation,
    folder: Path,
    *,
    seconds: float = 600.0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Certificate | str:
    """The certificate of what ``result`` proves up to a length of the network in ``folder``, or why there is none.

    The checker has ``seconds`` (wall clock) to confirm it; ``on_progress(done, total)`` is told of inputs it visited.
    """
    table, loaded, far = result.labels, result.model, result.extension
    if not table.enumeration.is_bounded:
        return "a black box is run, not proved"
    if result.program is None or not (isinstance(result.outcome, Found | Differs) or result.claims):
        return "nothing is established"
    proved = _Proved(
        loaded,
        folder,
        result.program,
        result.domain,
        table.enumeration.semantics,
        exceptions=len(result.exceptions),
        undecided=table.undecided,
        margin=float(table.margin),
        seconds=seconds,
        on_progress=on_progress,
        language=table.own_grammar,
    )
    if isinstance(loaded.network, Recurrent):
        return _as_far_as_checked(proved, result)
    if far is None or far.where is not None or not far.found.claims or far.found.equal_up_to <= proved.longest:
        return _written(proved)
    beyond = replace(
        proved, domain=far.domain.up_to(far.found.equal_up_to), undecided=0, margin=0.0, exceptions=0, is_beyond=True
    )
    made = _written(beyond)
    if isinstance(made, Certificate):
        return made
    return f"{made}; ask for lengths up to {proved.longest} for one that lists every sequence"


def _as_far_as_checked(proved: _Proved, result: Distillation) -> Certificate | str:
    """The certificate up to the length that the checker, which follows every state by itself, reaches in its time.

    A first one of few sequences tells how long a longer one takes.
    """
    part, start = _shorter(proved, result, TIMED), time.monotonic()
    made = _written(part)
    spent = max(time.monotonic() - start, 0.01)
    if isinstance(made, str) or part.longest == proved.longest:
        return made
    left = replace(proved, seconds=proved.seconds - spent)
    longer = _shorter(left, result, int(part.inputs * ROOM * left.seconds / spent))
    if longer.longest <= part.longest:
        return made
    more = _written(longer)
    return made if isinstance(more, str) else more


def _shorter(proved: _Proved, result: Distillation, most: int) -> _Proved:
    """What was proved up to the largest length with at most ``most`` inputs, but never less than the shortest."""
    lengths = [n for n in proved.domain.lengths if replace(proved, domain=proved.domain.up_to(n)).inputs <= most]
    longest = max(lengths, default=proved.domain.lengths[0])
    exceptions = sum(length_of(exception.inputs) <= longest for exception in result.exceptions)
    parts = zip(result.labels.enumeration.lengths, result.labels.parts, strict=True)
    undecided = sum(int((p.expected < 0).sum()) for answers, p in parts if answers.sequences.shape[1] <= longest)
    return replace(proved, domain=proved.domain.up_to(longest), exceptions=exceptions, undecided=undecided)


@dataclass(frozen=True)
class _Proved:
    """That ``program`` equals the network ``loaded`` from ``folder`` on all sequences of ``domain`` but ``exceptions``
    and the ``undecided`` ones, of which the margin is not above ``margin``.

    ``semantics``: the strongest that is tried; ``is_beyond``: there are too many sequences to list; ``seconds``: for
    the checker; ``language``: the grammar of the user's own that was searched.
    """

    loaded: Loaded
    folder: Path
    program: Program
    domain: Domain
    semantics: str
    exceptions: int = 0
    undecided: int = 0
    margin: float = 0.0
    is_beyond: bool = False
    seconds: float = inf
    on_progress: Callable[[int, int], None] = lambda done, total: None
    language: Grammar | None = None

    @property
    def longest(self) -> int:
        return self.domain.lengths[-1]

    @property
    def inputs(self) -> int:
        """How many labels are compared, if they are listed."""
        if self.loaded.readout.position == "every":
            return sum(length * self.domain.count(length) for length in self.domain.lengths)
        return self.domain.size()


def kinds(proved: _Proved) -> tuple[str, ...] | str:
    """The kinds of evidence for what was ``proved``, in the order in which they are tried, or why there is none.

    This is the one place where they are chosen, by structure and cost, whatever kind of folder the network is from:

        counts    no exceptions, and token counts decide the logits: the cost grows with vectors of counts
        paths     no exceptions, one layer attends, and there are too many sequences to list
        network   every sequence by itself; what lists exceptions, or is left when the others are not confirmed
    """
    listing = () if proved.is_beyond else ("network",)
    if proved.exceptions or proved.undecided:
        return listing
    if (against := not_counted(proved.loaded)) is None:  # which follows lengths beyond those of the file as well
        return (*listing, "counts") if listing and proved.inputs <= FEW else ("counts", *listing)
    if listing:
        return listing
    other = not_covered(proved.loaded)
    return ("paths",) if other is None else f"counting: {against}; covering: {other}"


def _written(proved: _Proved) -> Certificate | str:
    """The certificate of the kind that fits, or why there is none."""
    ways = kinds(proved)
    return ways if isinstance(ways, str) else _certificate(proved, ways)


def _certificate(proved: _Proved, ways: tuple[str, ...], evidence: dict[str, Any] | None = None) -> Certificate | str:
    """The certificate of one of these kinds, in the strongest arithmetic that any of them confirms; or why not.

    One that leaves more inputs without a label than were left is none.
    """
    loaded = proved.loaded
    if loaded.format not in FILES:
        return (
            f"no certificate is known for the format {loaded.format}; write the network as a folder of its own "
            "(tasks.save_folder) and distill that"
        )
    watch = _Watch(proved.seconds, proved.inputs if "network" in ways else 0, proved.on_progress)
    reasons: dict[str, str] = {}
    stored = stored_files(loaded, proved.folder)
    files = {PROGRAM: proved.program.source("program").encode(), **{NETWORK + n: c for n, c in stored.items()}}
    for semantics in WEAKER[proved.semantics]:
        for kind in ways:
            try:
                directions = _directions(loaded, proved.domain, stored) if kind == "paths" else None
                asked = _question(kind, loaded, proved.domain, semantics, directions, proved.margin)
                asked |= evidence or {}
                asked |= {} if proved.language is None else {LANGUAGE: list(texts(proved.language))}
                found = establish(asked, files, watch.left, watch.tell, proved.undecided)
            except Rejected as error:
                reasons[kind] = str(error)
            except UnreadableError as error:
                reasons[kind] = f"the checker does not follow: {error}"
            else:
                if len(found["undecided"]) <= proved.undecided:
                    return Certificate(found, files)
                words, _ = found["undecided"][0]
                reasons[kind] = f"the network's label is not decided on {' '.join(words)!r}"
            if watch.left <= 0:
                text = f"the checker had {watch.seconds:.0f} s, which is too little ({reasons[kind]})"
                return f"{text}; give it more time"
    return f"the checker does not confirm it: {'; '.join(dict.fromkeys(reasons.values()))}"


def _by_states(proved: _Proved) -> Certificate | str:
    """The certificate for every length of a recurrent network: sets of states are found again, and stated."""
    reasons = list[str]()
    for kind, kinds in (("orbits", ("real",)), ("boxes", WEAKER[usual_semantics(proved.loaded)])):
        for semantics in kinds:
            try:
                found = orbit_sets if kind == "orbits" else partial(boxes, semantics=semantics)
                states = found(proved.loaded, proved.program)
            except (DomainError, UncountableError, NetworkError, FrameError, StillOpenError) as error:
                reasons.append(str(error))
                break
            made = _certificate(replace(proved, semantics=semantics), (kind,), {STATES: states})
            if isinstance(made, Certificate):
                return made
            reasons.append(made)
    return "; ".join(dict.fromkeys(reasons))


def stored_files(loaded: Loaded, folder: Path) -> dict[str, bytes]:
    """The files that make the network, by the name that each has in a certificate."""
    if loaded.files:
        return {name: path.read_bytes() for name, path in loaded.files}
    must, may = FILES[loaded.format]
    return {name: (folder / name).read_bytes() for name in (*must, *may) if (folder / name).is_file()}


class _Watch:
    """The time that the checker has, and who is told of what it does with it."""

    def __init__(self, seconds: float, total: int, on_progress: Callable[[int, int], None]) -> None:
        self._deadline, self.seconds = time.monotonic() + seconds, seconds
        self._total, self._on_progress = total, on_progress

    @property
    def left(self) -> float:
        """Seconds."""
        return self._deadline - time.monotonic()

    def tell(self, done: int) -> None:
        """That so many inputs were visited."""
        self._on_progress(done, self._total)


def _directions(loaded: Loaded, domain: Domain, stored: dict[str, bytes]) -> list[Any]:
    """Per head, directions in which the values of all keys differ most, then less: orthogonal ones, on a grid."""
    network, first = read(loaded.format, stored, "real"), len(loaded.prefix)
    letters = [network.tokens.index(token) for token in domain.alphabet]
    cells = [(token, first + n) for n in range(domain.lengths[-1]) for token in letters]
    assert isinstance(network.network, Network)
    rows = Attended(network.network, Arithmetic(ROUNDOFF["real"]), cells).value
    values = np.array([[[float(v) for v in head] for head in row] for row in rows]).swapaxes(0, 1)
    values -= values.mean(axis=1, keepdims=True)
    return np.rint(GRID * np.linalg.svd(values.swapaxes(1, 2) @ values)[2]).astype(int).tolist()  # type: ignore[no-any-return]


def _question(
    kind: str, loaded: Loaded, domain: Domain, semantics: str, directions: list[Any] | None = None, margin: float = 0.0
) -> dict[str, Any]:
    """The question that the checker is asked, in its terms."""
    limited = domain.constraint
    return {
        "kind": kind,
        "format": loaded.format,
        "alphabet": list(domain.alphabet),
        "lengths": [domain.min_length, domain.max_length],
        "automaton": limited and {"transitions": [*map(list, limited.transitions)], "accepting": [*limited.accepting]},
        "prefix": list(loaded.prefix),
        "suffix": list(loaded.suffix),
        "readout": _readout(loaded.readout),
        "semantics": semantics,
        "directions": directions,
        "least_margin": margin,
    }


def _readout(readout: Readout) -> dict[str, Any]:
    match readout:
        case Argmax(names, columns):
            kind, denominator = "argmax", 1
        case TokenSet(names, columns, threshold):
            if threshold:
                raise UnreadableError(f"sets of logits above 0 are understood, not above {threshold:g}")
            kind, denominator = "set", 1
        case Rounded(column, denominator):
            kind, names, columns = "round", (), (column,)
    parts = {"columns": [*columns], "names": [*names], "denominator": denominator}
    return {"kind": kind, "position": readout.position, **parts}
