"""Certificates for claims about any loaded network, in the form that ``tasks.checker`` checks by itself.

    certificate.json      statement and checksums (cegis.certificate)
    program.py            the printed function, without docstring
    network/              the network's files, byte for byte

The statement is what the checker itself establishes from these files, in the strongest arithmetic in which it can, so a
certificate that is written has been checked once; it lists every input where the two differ, and every one without a
label. For a claim by ``covering`` it gives directions in which attention is bounded. Formats whose files the checker
does not read have none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from cegis import Claim, Differs, Domain, Found, Program
from cegis.certificate import Certificate
from tasks.certificates.solver_evidence import certify
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.evidence import NETWORK, PROGRAM, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES, read
from tasks.checker.sets import Attended
from tasks.formats import Loaded
from tasks.networks.readout import Argmax, Readout, Rounded, TokenSet
from tasks.networks.transformer import Transformer
from tasks.pipeline.distill import Distillation
from tasks.proofs.count_bounds import obstacle

GRID = 2**16  # of directions
FEW_CHECKED, MANY_CHECKED = 0.2, 0.5  # of the time of a run, for the check: of classes and circuits, of long lists
WEAKER = {"float32": ("float32", "float64", "real"), "float64": ("float64", "real"), "real": ("real",)}


@dataclass(frozen=True)
class Written:
    """A certificate of a result, or the reason why there is none; ``suffix`` tells the second of a result apart."""

    certificate: Certificate | str
    suffix: str = ""


def certificates(
    result: Distillation,
    folder: Path,
    *,
    seconds: float = 600.0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Written, ...]:
    """The certificates of what ``result`` proves of the network in ``folder``: the farthest-reaching first.

    The evidence is chosen by what was proved, by structure and by cost: every length at once and beside it up to the
    length asked for, where both are proved; a solver's queries; token counts; states of the program; or a list. The
    checker has ``seconds`` (wall clock) for all; ``on_progress(done, total)`` is told of inputs it visited.
    """
    deadline = time.monotonic() + seconds
    bounded = attest(result, folder, seconds=seconds, on_progress=on_progress)
    extension = result.extension
    if extension is None or not isinstance(extension.tail, Claim):
        return (Written(bounded),)
    every = attest_all_lengths(result.model, folder, extension.program, max(1.0, deadline - time.monotonic()))
    if isinstance(every, str):
        return Written(bounded), Written(every, "-all-lengths")
    return Written(every), Written(bounded, f"-to-{extension.found.equal_up_to}")


def share_of_checking(model: Loaded) -> float:
    """The share of a run's time that is kept for the check of a certificate: none where there is no such kind."""
    if model.is_black_box or model.format not in FILES:
        return 0.0
    return FEW_CHECKED if _why_not_counted(model) is None or model.format == "circuit" else MANY_CHECKED


def attest_counts(model: Loaded, folder: Path, program: Program, domain: Domain, semantics: str) -> Certificate | str:
    """The certificate that ``program`` equals ``model`` on the bounded ``domain``, by counting, or why there is none.

    ``semantics`` is the strongest that is tried.
    """
    against = _why_not_counted(model)
    if against is not None:
        return against
    watch = _Watch(inf, 0, lambda done, total: None)
    return _strongest("counts", model, domain, semantics, program.source("program"), _stored(model, folder), watch)


def attest_all_lengths(model: Loaded, folder: Path, program: Program, seconds: float = inf) -> Certificate | str:
    """The certificate that ``program`` equals ``model`` on every sequence of its constraint, or why there is none.

    It is about real arithmetic, as no bound on rounding holds at every length.
    """
    against = _why_not_counted(model)
    if against is not None:
        return against
    domain = replace(model.domain, max_length=None)
    watch = _Watch(seconds, 0, lambda done, total: None)
    return _strongest("all_lengths", model, domain, "real", program.source("program"), _stored(model, folder), watch)


def attest(
    result: Distillation,
    folder: Path,
    *,
    seconds: float = 600.0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Certificate | str:
    """The certificate of what ``result`` proves up to a length, or why there is none; see ``certificates``."""
    table, model, extension, domain = result.labels, result.model, result.extension, result.domain
    if not table.enumeration.is_bounded or not isinstance(model.network, Transformer):
        return "a black box is run, not proved"
    if result.program is None or not (isinstance(result.outcome, Found | Differs) or result.claims):
        return "nothing is established"
    if model.format not in FILES:
        return f"no certificate is known for the format {model.format}"
    by_solver = certify(result, folder)
    if by_solver is not None:
        return by_solver
    stored, text = _stored(model, folder), result.program.source("program")
    strongest, watch = table.enumeration.semantics, _Watch(seconds, table.enumeration.size, on_progress)
    far = 0 if extension is None or extension.where is not None or not extension.claims else extension.found.equal_up_to
    if far <= domain.lengths[-1]:
        undecided, margin = table.undecided, float(table.margin)
        return _strongest("network", model, domain, strongest, text, stored, watch, undecided=undecided, margin=margin)
    all_of_it = result.asked.up_to(far)
    if _why_not_counted(model) is None:
        made = _strongest("counts", model, all_of_it, strongest, text, stored, watch)
    else:
        directions = _directions(model, all_of_it, stored)
        made = _strongest("paths", model, all_of_it, strongest, text, stored, watch, directions=directions)
    if isinstance(made, Certificate):
        return made
    return f"{made}; ask for lengths up to {domain.max_length} for one that lists every sequence"


def _why_not_counted(model: Loaded) -> str | None:
    """Why counting does not prove anything of ``model``; None where it does."""
    if not isinstance(model.network, Transformer) or model.network.positions is not None:
        return "certificates are for what counting proves: the network embeds positions"
    against = obstacle(model)
    return None if against is None else f"certificates are for what counting proves: {against}"


def _stored(model: Loaded, folder: Path) -> dict[str, bytes]:
    """The files of the network, byte for byte."""
    must, may = FILES[model.format]
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


def _strongest(
    kind: str,
    loaded: Loaded,
    domain: Domain,
    semantics: str,
    text: str,
    stored: dict[str, bytes],
    watch: _Watch,
    *,
    directions: list[Any] | None = None,
    undecided: int = 0,
    margin: float = 0.0,
) -> Certificate | str:
    """The certificate in the strongest arithmetic, from ``semantics`` on, that the checker confirms; or why not.

    One that leaves more inputs without a label than the ``undecided`` ones is none.
    """
    reason, files = "", {PROGRAM: text.encode(), **{NETWORK + name: content for name, content in stored.items()}}
    for weaker in WEAKER[semantics]:
        try:
            found = establish(
                _question(kind, loaded, domain, weaker, directions, margin), files, watch.left, watch.tell
            )
        except Rejected as error:
            reason = str(error)
        except UnreadableError as error:
            return f"the checker does not follow: {error}"
        else:
            if len(found["undecided"]) <= undecided:
                return Certificate(found, files)
            words, _ = found["undecided"][0]
            reason = f"the network's label is not decided on {' '.join(words)!r}"
        if watch.left <= 0:
            return f"the checker had {watch.seconds:.0f} s, which is too little ({reason}); give it more time"
    return f"the checker does not confirm it: {reason}"


def _directions(loaded: Loaded, domain: Domain, stored: dict[str, bytes]) -> list[Any]:
    """Per head, directions in which the values of all keys differ most, then less: orthogonal ones, on a grid."""
    network, first = read(loaded.format, stored, "real"), len(loaded.prefix)
    letters = [network.tokens.index(token) for token in domain.alphabet]
    cells = [(token, first + n) for n in range(domain.lengths[-1]) for token in letters]
    rows = Attended(network.network, Arithmetic(ROUNDOFF["real"]), cells).value
    values = np.array([[[float(v) for v in head] for head in row] for row in rows]).swapaxes(0, 1)
    values -= values.mean(axis=1, keepdims=True)
    return np.rint(GRID * np.linalg.svd(values.swapaxes(1, 2) @ values)[2]).astype(int).tolist()  # type: ignore[no-any-return]


def _question(
    kind: str, loaded: Loaded, domain: Domain, semantics: str, directions: list[Any] | None = None, margin: float = 0.0
) -> dict[str, Any]:
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
