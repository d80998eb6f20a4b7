"""Certificates for claims about any loaded network, in the form that ``tasks.checker`` checks by itself.

    certificate.json      statement and checksums (cegis.certificate)
    program.py            the printed function, without docstring
    network/              the network's files, byte for byte

The statement is what the checker itself establishes from these files, in the strongest arithmetic in which it can, so a
certificate that is written has been checked once; it lists every input where the two differ, and every one without a
label. For a claim by ``path_cover`` it gives directions in which attention is bounded. Formats whose files the checker
does not read have none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from cegis import Differs, Domain, Found, Program
from cegis.certificate import Certificate
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.evidence import NETWORK, PROGRAM, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES, read
from tasks.checker.sets import Attended
from tasks.formats import Loaded
from tasks.formats.sparse import from_circuit
from tasks.networks.circuit import Circuit
from tasks.networks.readout import Argmax, Readout, Rounded, TokenSet
from tasks.networks.transformer import Transformer
from tasks.pipeline.explain import Explanation
from tasks.proofs.count_bounds import obstacle

GRID = 2**16  # of directions
WEAKER = {"float32": ("float32", "float64", "real"), "float64": ("float64", "real"), "real": ("real",)}


def attest_counts(
    circuit: Circuit, folder: Path, program: Program, domain: Domain, semantics: str
) -> Certificate | str:
    """The certificate that ``program`` equals ``circuit`` on the bounded ``domain``, by counting, or why there is none.

    ``semantics`` is the strongest that is tried.
    """
    against = obstacle(circuit)
    if against is not None:
        return f"certificates are for what counting proves: {against}"
    stored = {name: (folder / name).read_bytes() for name in FILES["circuit"][0]}
    watch = _Watch(inf, 0, lambda done, total: None)
    return _strongest("counts", from_circuit(circuit), domain, semantics, program.source("program"), stored, watch)


def attest_all_lengths(circuit: Circuit, folder: Path, program: Program, seconds: float = inf) -> Certificate | str:
    """The certificate that ``program`` equals ``circuit`` on every sequence of its constraint, or why there is none.

    It is about real arithmetic, as no bound on rounding holds at every length.
    """
    against = obstacle(circuit)
    if against is not None:
        return f"certificates are for what counting proves: {against}"
    domain = replace(circuit.domain, max_length=None)
    stored = {name: (folder / name).read_bytes() for name in FILES["circuit"][0]}
    watch = _Watch(seconds, 0, lambda done, total: None)
    return _strongest("all_lengths", from_circuit(circuit), domain, "real", program.source("program"), stored, watch)


def attest(
    result: Explanation,
    folder: Path,
    *,
    seconds: float = 600.0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Certificate | str:
    """The certificate of what ``result`` proves of the network in ``folder``, or the reason why there is none.

    The checker has ``seconds`` (wall clock) to confirm it; ``on_progress(done, total)`` is told of inputs it visited.
    """
    subject, loaded = result.subject, result.loaded
    if not subject.enumeration.is_bounded or not isinstance(loaded.network, Transformer):
        return "a black box is run, not proved"
    if not isinstance(result.outcome, Found | Differs) or result.program is None:
        return "nothing is established"
    if loaded.format not in FILES:
        return f"no certificate is known for the format {loaded.format}"
    must, may = FILES[loaded.format]
    stored = {name: (folder / name).read_bytes() for name in (*must, *may) if (folder / name).is_file()}
    text, far, domain = result.program.source("program"), result.farther, result.domain
    strongest, watch = subject.enumeration.semantics, _Watch(seconds, subject.enumeration.size, on_progress)
    if far is None or far.where is not None or not far.found.claims or far.found.equal_up_to <= domain.lengths[-1]:
        undecided, margin = subject.undecided, float(subject.margin)
        return _strongest("network", loaded, domain, strongest, text, stored, watch, undecided=undecided, margin=margin)
    all_of_it = far.domain.up_to(far.found.equal_up_to)
    if loaded.network.positions is None and obstacle(loaded) is None:
        made = _strongest("counts", loaded, all_of_it, strongest, text, stored, watch)
    else:
        directions = _directions(loaded, all_of_it, stored)
        made = _strongest("paths", loaded, all_of_it, strongest, text, stored, watch, directions=directions)
    if isinstance(made, Certificate):
        return made
    return f"{made}; ask for lengths up to {domain.max_length} for one that lists every sequence"


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
