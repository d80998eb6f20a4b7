"""Networks that equal a program on everything short, and break late: nothing may be proved over where they break.

One uniform or weighted head averages over the sequence, and the label is the sign of A - threshold, A what it gives:

    diluted   one a among n tokens: the program ``'a' in tokens`` is right until A falls below the threshold, far out
    ratio     three ReLU neurons make a spike at one value of A, which no counts of a short sequence hit
    word      scores double from place to place, so A spells the sequence as a binary number: the spike is at one word
              among millions
    flipped   a random network, and the table of its labels as an automaton, with one entry changed

Each is confirmed in real arithmetic by the network's own formula before anything is asked. Then counting, path
cover, the proof for all lengths and both certificates by sets are asked for domains that hold it: whatever covers it,
and any counterexample that is none, is wrong.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from arithmetics import BITS, Exact, Rows
from flint import arb, ctx
from folders import Made, attending, site_widths, sparse_shapes
from formulas import Formula, read
from numpy.typing import NDArray
from trial import Outcome, random_of

from cegis import Claim, Counterexample, Domain, Program, motifs
from dsl.sequences import SequenceSignature
from tasks.automata.moore import Machine
from tasks.bounds.ball import FLOAT64
from tasks.certificates.independent import _directions, _question
from tasks.checker.evidence import PROGRAM, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.formats import Loaded, Question, load
from tasks.formats.circuit_folder import load_circuit
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.all_lengths import all_lengths
from tasks.proofs.attention_bounds import obstacle
from tasks.proofs.counting import CountingVerifier, counting_verifier
from tasks.proofs.path_cover import CoveringVerifier

YES, NO = "yes", "no"
SECONDS = 1.5  # for one proof
WIDTH = 16  # of the stream: its root is a power of two, so weights are exact
KINDS = ("diluted", "ratio", "ratio", "word", "flipped", "flipped")


@dataclass(frozen=True)
class Planted:
    """The files of a circuit, the text of a program, and a word on which they differ: as it is, or as counts of each
    letter and the last one."""

    files: dict[str, bytes]
    letters: tuple[str, ...]
    program: str
    length: int
    counts: tuple[int, ...]
    last: int
    word: tuple[int, ...] | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """One such sequence."""
        if self.word is not None:
            return tuple(self.letters[n] for n in self.word)
        before = [times - (n == self.last) for n, times in enumerate(self.counts)]
        return (
            *(t for t, times in zip(self.letters, before, strict=True) for _ in range(times)),
            self.letters[self.last],
        )


class Counted(Exact):
    """Real arithmetic where every row but the last stands for ``times`` rows; only the last row is right."""

    def __init__(self, times: list[int]) -> None:
        super().__init__()
        self.times = times

    def attend(self, q: Rows, k: Rows, v: Rows, heads: int, *, sink: Any = None, **others: Any) -> Rows:
        """Attention of the last row, if there is one head."""
        assert (heads, others) == (1, {"causal": True})
        scores = [sum((a * b for a, b in zip(q[-1], row, strict=True)), arb(0)) / arb(len(row)).sqrt() for row in k]
        powers = [s.exp() * n for s, n in zip(scores, self.times, strict=True)]
        total = sum(powers, arb(0)) + (arb(0) if sink is None else arb(float(sink[0])).exp())
        y = [sum((p * row[c] for p, row in zip(powers, v, strict=True)), arb(0)) / total for c in range(len(v[0]))]
        return [y] * len(q)


# --- building them --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Head:
    """What the one head sees: values and scores of the letters, then of the start token; of places; and a sink."""

    letters: tuple[str, ...]
    values: tuple[float, ...]
    scores: tuple[float, ...]
    steep: float = 0.0
    places: tuple[float, ...] | None = None
    sink: float | None = None

    @property
    def d(self) -> int:
        """The width of the stream, of which letters and start token, place, A, one, and the spike are used."""
        return WIDTH

    def average(self, tokens: NDArray[np.int64], times: NDArray[np.int64]) -> float:
        """A, of so many of each token, in this order where places matter; the start token is one of them."""
        at = np.zeros(len(tokens)) if self.places is None else np.float32(self.places)[: len(tokens)].astype(float)
        size = np.sqrt(1 + at**2)
        power = np.exp(np.array(self.scores)[tokens] / size + self.steep * at * np.sqrt(self.d) / size) * times
        rest = 0.0 if self.sink is None else np.exp(self.sink)
        return float((power * np.array(self.values)[tokens] / size).sum() / (power.sum() + rest))


@dataclass(frozen=True)
class _Label:
    """Yes where ``A - threshold + own * (the last letter is a) + spike > 0``; the spike stands at ``centre``."""

    threshold: float
    own: float = 0.0
    centre: float = 0.0
    width: float = 1.0
    height: float = 0.0


def _files(head: _Head, label: _Label, longest: int) -> dict[str, bytes]:
    """A circuit folder."""
    letters, k, root, d = head.letters, len(head.letters) + 1, float(np.sqrt(head.d)), head.d
    place, a, one, spike = range(k, k + 4)
    c = {
        "vocab_size": k + 2, "n_layer": 1, "n_head": 1, "d_head": 1, "d_model": d, "d_mlp": 3,
        "block_size": longest + 1, "norm": "rms", "norm_eps": 2.0**-39, "activation": "relu", "top_k_fraction": None,
        "top_k_sites": ["attn_in"], "sink": head.sink is not None, "positions": head.places is not None,
        "bigram": False,
    }  # fmt: skip
    t = {name: np.zeros(shape) for name, shape in sparse_shapes(c).items()}
    at = "transformer.h.0."
    for name in (f"{at}ln_1", f"{at}ln_2", "transformer.ln_f"):
        t[f"{name}.weight"][:] = 1
    t["transformer.wte.weight"][:k, :k] = np.eye(k)
    joined = t[f"{at}attn.c_attn.weight"]
    t[f"{at}attn.c_attn.bias"][0] = 1.0
    joined[1, :k], joined[2, :k] = np.array(head.scores) / root, np.array(head.values) / root
    if head.places is not None:
        joined[1, place] = head.steep
        t["transformer.wpe.weight"][:, place] = head.places
    if head.sink is not None:
        t[f"{at}attn.attn_imp.sink_logit"][:] = head.sink
    t[f"{at}attn.c_proj.weight"][a, 0] = 1.0
    t[f"{at}attn.c_proj.bias"][[a, one]] = -label.centre, 1.0
    t[f"{at}mlp.c_fc.weight"][:, a], t[f"{at}mlp.c_fc.weight"][:, one] = 1 / label.width, [1.0, 0.0, -1.0]
    t[f"{at}mlp.c_proj.weight"][spike] = label.height * np.array([1.0, -2.0, 1.0])
    t["lm_head.weight"][k, [0, a, one, spike]] = label.own, 1.0, label.centre - label.threshold, 1.0
    widths = site_widths(c)
    tensors = {name: value.astype(np.float32) for name, value in t.items()}
    tensors |= {f"mean:{site}": np.zeros(size, np.float32) for site, size in widths.items()}
    said = {
        "name": "planted", "summary": "", "config": c, "vocabulary": [*letters, "<", YES, NO], "prefix": ["<"],
        "labels": [YES, NO], "kept": {site: [*range(size)] for site, size in widths.items()}, "card": {},
        "domain": {"alphabet": [*letters], "min_length": 1, "max_length": min(4, longest), "constraint": None},
    }  # fmt: skip
    return {"circuit.json": json.dumps(said).encode(), "weights.safetensors": safetensors.numpy.save(tensors)}


def plant(rng: np.random.Generator, kind: str) -> Planted:
    """A random one of a kind but the last."""
    return {"diluted": _diluted, "ratio": _ratio, "word": _word}[kind](rng)


def _diluted(rng: np.random.Generator) -> Planted:
    """One a, and otherwise the letter that dilutes most."""
    letters = ("a", "b", "c")[: int(rng.integers(2, 4))]
    far = int(rng.choice([rng.integers(5, 60), rng.integers(60, 2000)]))
    scores = rng.uniform(-1, 1, len(letters) + 1)
    scores[2:-1] = np.minimum(scores[1], scores[2:-1])
    head = _Head(letters, (1.0, *[0.0] * len(letters)), tuple(scores), sink=_sink(rng))
    counts = (1, far - 1, *[0] * (len(letters) - 2))
    tokens = np.array([0, 1, len(letters)])
    around = [head.average(tokens, np.array([1, times, 1])) for times in (far - 2, far - 1)]
    label = _Label((around[0] + around[1]) / 2)
    files = _files(head, label, max(far, 4))
    return Planted(files, letters, _text("'a' in tokens"), far, counts, int(rng.integers(2)))


def _ratio(rng: np.random.Generator) -> Planted:
    """A spike at what some counts give, and others do not."""
    letters = ("a", "b", "c")[: int(rng.integers(2, 4))]
    length = int(rng.choice([rng.integers(8, 40), rng.integers(40, 90)]))
    counts = rng.multinomial(length - 2, [1 / len(letters)] * len(letters))
    counts[:2] += 1
    last = int(rng.choice(np.flatnonzero(counts)))
    scores = tuple(float(rng.choice([0.0, rng.uniform(-1, 1)])) for _ in (*letters, "<"))
    values = (1.0, -1.0, float(rng.choice([0.0, 0.37])))[: len(letters)]
    head = _Head(letters, (*values, float(rng.choice([0.0, 0.1]))), scores, sink=_sink(rng))
    average = head.average(np.arange(len(letters) + 1), np.array([*counts, 1]))
    own = 4.0 if rng.random() < 0.5 else 0.0
    files = _spiked(head, average, float(rng.choice([1e-5, 1e-4, 1e-3])), own, last, length, 0.0)
    text = _text("tokens[-1] == 'a'" if own else "False")
    return Planted(files, letters, text, length, tuple(int(n) for n in counts), last)


def _word(rng: np.random.Generator) -> Planted:
    """A spike at one word: each place counts twice as much as the one before."""
    length = int(rng.integers(6, 21))
    word, steep = rng.integers(0, 2, length), 1.2 * length
    u = np.zeros(length + 1)  # the entry of the place after the norm; it makes values smaller, too
    for _ in range(20):
        u = (np.arange(length + 1) * np.log(2.0) - 0.5 * np.log(1 - u**2 / WIDTH)) / steep
    places = np.float32(u / np.sqrt(WIDTH - u**2)).astype(float)
    head = _Head(("a", "b"), (1.0, -1.0, 0.0), (0.0, 0.0, 0.0), float(np.float32(steep)), tuple(places))
    average = head.average(np.array([2, *word]), np.ones(length + 1, np.int64))
    own = 4.0 if rng.random() < 0.5 else 0.0
    files = _spiked(head, average, 0.3 * 2.0**-length, own, int(word[-1]), length, float(places[-1]))
    text = _text("tokens[-1] == 'a'" if own else "False")
    return Planted(files, ("a", "b"), text, length, (), int(word[-1]), tuple(int(n) for n in word))


def _sink(rng: np.random.Generator) -> float | None:
    return float(rng.uniform(-1, 1)) if rng.random() < 0.35 else None


def _spiked(
    head: _Head, average: float, width: float, own: float, last: int, longest: int, place: float
) -> dict[str, bytes]:
    """A network of one label for all averages, or the last letter's, but for a spike at ``average``."""
    off = average - float(np.float32(average))
    size = float(np.sqrt((2 + place**2 + off**2) / head.d))
    height = (-1.0 if own and last == 0 else 1.0) * 6.0 * size
    label = _Label(2.0, own, float(np.float32(average)), width, height)
    return _files(head, label, longest)


def _text(condition: str) -> str:
    if condition == "False":
        return f"def program(tokens: list[str]) -> str:\n    return {NO!r}\n"
    return f"def program(tokens: list[str]) -> str:\n    return {YES!r} if {condition} else {NO!r}\n"


# --- asking ---------------------------------------------------------------------------------------------------------


def attack(seed: int, index: int) -> Outcome:
    """One planted counterexample."""
    rng = random_of("planted", seed, index)
    kind = str(rng.choice(KINDS))
    return flipped(rng) if kind == "flipped" else attacked(plant(rng, kind), rng)


def attacked(made: Planted, rng: np.random.Generator) -> Outcome:
    """Everything that proves, over a domain that holds what was planted."""
    formula = read("circuit", made.files)
    if _label_of(formula, made, made.words) != (NO if _answer(made, made.words) == YES else YES):
        return Outcome(0, 0)  # rounding moved the weights too far: nothing is planted
    wrong: list[str] = []
    tried = decided = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "planted"
        folder.mkdir()
        for name, content in made.files.items():
            (folder / name).write_bytes(content)
        for what, result in _asked(made, folder, rng):
            tried += 1
            decided += result is not None
            if result:
                wrong.append(f"{what}: {result}")
    files = {**made.files, "program.py": made.program.encode(), "breaks.txt": " ".join(made.words).encode()}
    return Outcome(tried, decided, tuple(wrong), files=files if wrong else {})


def _asked(made: Planted, folder: Path, rng: np.random.Generator) -> Any:
    """(what was asked, None where it is open, "" where it decided something that is right, or what is wrong)."""
    circuit = load_circuit(folder)
    program = Program.parse(made.program, motifs(made.letters, (YES, NO), min_length=1))
    longest = min(made.length + int(rng.integers(0, 3)), circuit.network.config.block_size - 1)
    domain = Domain(made.letters, 1, longest)
    if made.word is None:
        far = Domain(made.letters, 1, longest if longest <= 60 or (len(made.letters) == 2 and longest < 300) else 30)
        kind: Any = str(rng.choice(["float32", "float64", "float64"]))
        verifier = counting_verifier(circuit, far, semantics=kind, seconds=SECONDS)
        assert isinstance(verifier, CountingVerifier), verifier
        found = verifier.examine(program)
        yield "counting", _judged(made, formula_of(made), found.equal_up_to, found.claims, found.counterexample)
        claim = all_lengths(circuit, program, longest=int(rng.choice([4, 8, 16])), seconds=SECONDS)
        yield "all lengths", "a claim for all lengths" if isinstance(claim, Claim) else None
    loaded = load(folder)
    if longest <= 90:
        try:
            listed = made.length - 1 if rng.random() < 0.7 else None  # then all the time is for what breaks
            covered = CoveringVerifier(loaded, domain, "float64", SECONDS).examine(program, known=listed)
        except NetworkError as error:
            raise AssertionError("path cover does not apply to what was built") from error
        yield "path cover", _judged(made, formula_of(made), covered.equal_up_to, covered.claims, covered.counterexample)
    for kind in ("paths",) if made.word is not None else ("counts", "paths"):
        if longest <= (40 if kind == "paths" else 60):
            yield f"certificate by {kind}", _certified(kind, loaded, domain, made)


def formula_of(made: Planted) -> Formula:
    """The network, by its formula."""
    return read("circuit", made.files)


def _judged(
    made: Planted, formula: Formula, equal: int, claims: tuple[Claim, ...], broken: Counterexample | None
) -> str | None:
    if claims and any((claim.domain.max_length or 10**9) >= made.length for claim in claims):
        return f"proved up to length {equal}, but length {made.length} breaks"
    if broken is not None:
        said = _label_of(formula, made, broken.inputs)
        if said != broken.expected or _answer(made, broken.inputs) != broken.got or broken.expected == broken.got:
            return f"a counterexample that is none: {' '.join(broken.inputs)!r} is {said!r}, told {broken.expected!r}"
    return "" if claims or broken is not None else None


def _certified(kind: str, loaded: Any, domain: Domain, made: Planted) -> str | None:
    files = {PROGRAM: made.program.encode(), **{f"network/{name}": content for name, content in made.files.items()}}
    directions = _directions(loaded, domain, dict(made.files)) if kind == "paths" else None
    try:
        establish(_question(kind, loaded, domain, "real", directions), files, SECONDS)
    except Rejected:
        return ""
    except UnreadableError as error:
        raise AssertionError("the checker does not read what was built") from error
    return f"a certificate up to length {domain.max_length}, but length {made.length} breaks"


def _answer(made: Planted, words: tuple[str, ...]) -> str:
    scope: dict[str, Any] = {}
    exec(made.program, scope)
    return str(scope["program"]([*words]))


def _label_of(formula: Formula, made: Planted, words: tuple[str, ...]) -> str | None:
    """The label in real arithmetic; None where this does not tell."""
    letters = [made.letters.index(word) for word in words]
    with ctx.workprec(BITS):
        if made.word is not None:
            row = formula.run(Exact(), np.array([len(made.letters), *letters]))[-1]
        else:
            different = [*dict.fromkeys(letters), len(made.letters)]
            times = [*(letters.count(n) for n in different[:-1]), 1, 0]
            row = formula.run(Counted(times), np.array([*different, letters[-1] if letters else len(made.letters)]))[-1]
        gap = row[formula.tokens.index(YES)] - row[formula.tokens.index(NO)]
        return YES if gap > 0 else NO if gap < 0 else None


# --- random networks and the tables of their labels -----------------------------------------------------------------


def flipped(rng: np.random.Generator) -> Outcome:
    """Path cover on a table that is right but for one word of the longest length."""
    length = int(rng.integers(3, 8))
    made = attending(rng, length + 1)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            loaded = load(made.write(Path(scratch) / "made"), Question(**made.question))
        except NetworkError:
            return Outcome(0, 0)
    if obstacle(loaded, FLOAT64) is not None:
        return Outcome(0, 0)
    formula, domain = read(made.format, made.files), Domain(("t0", "t1"), 1, length)
    words = [word for n in range(length + 1) for word in product((0, 1), repeat=n)]
    labels = {word: _argmax(formula, loaded, word) for word in words if word}
    if None in labels.values():
        return Outcome(0, 0)
    names = tuple(dict.fromkeys([*labels.values(), *loaded.readout.names]))  # type: ignore[union-attr]
    target = words[-1 - int(rng.integers(2**length))]
    other = next(name for name in names[int(rng.integers(len(names))) :] + names if name != labels[target])
    wrong: list[str] = []
    decided = 0
    for flip in (True, False):
        said = {**labels, target: other} if flip else labels
        program = _table(words, said, names)  # type: ignore[arg-type]
        found = CoveringVerifier(loaded, domain, "float64", SECONDS).examine(program)
        decided += bool(found.claims) or found.counterexample is not None
        if flip and any((claim.domain.max_length or 0) >= length for claim in found.claims):
            wrong.append(f"path cover proves a table up to length {length} that is wrong on {target}")
        if found.counterexample is not None:
            expected, got = found.counterexample.expected, found.counterexample.got
            word = tuple(("t0", "t1").index(token) for token in found.counterexample.inputs)
            if labels[word] != expected or said[word] != got or labels[word] == said[word]:
                wrong.append(f"path cover refutes a table by {word}, where it is right")
        if length <= 4:
            refused = _of_table(loaded, domain, program, made)
            decided += 1
            if flip and not refused:
                wrong.append(f"a certificate by paths up to length {length}, wrong on {target}")
    return Outcome(2 + 2 * (length <= 4), decided, tuple(wrong), files=made.files if wrong else {})


def _argmax(formula: Formula, loaded: Loaded, word: tuple[int, ...]) -> str | None:
    """The label in real arithmetic."""
    ids = [formula.tokens.index(token) for token in (*loaded.prefix, *(f"t{n}" for n in word), *loaded.suffix)]
    with ctx.workprec(BITS):
        row = formula.run(Exact(), np.array(ids))[-1]
        names = loaded.readout.names  # type: ignore[union-attr]
        values = [row[formula.tokens.index(name)] for name in names]
        clear = [n for n, v in enumerate(values) if all(v > w for m, w in enumerate(values) if m != n)]
    return names[clear[0]] if clear else None


def _table(words: list[tuple[int, ...]], labels: dict[tuple[int, ...], str], names: tuple[str, ...]) -> Program:
    """The automaton with a state per word."""
    place = {word: n for n, word in enumerate(words)}
    columns = tuple(tuple(place.get((*word, token), 0) for word in words) for token in (0, 1))
    outputs = tuple(names.index(labels[word]) if word else 0 for word in words)
    return Machine(columns, outputs).program(SequenceSignature(("t0", "t1"), names))


def _of_table(loaded: Loaded, domain: Domain, program: Program, made: Made) -> bool:
    """Whether there is no certificate by paths."""
    files = {
        PROGRAM: program.source("program").encode(),
        **{f"network/{n}": content for n, content in made.files.items()},
    }
    try:
        directions = _directions(loaded, domain, dict(made.files))
        establish(_question("paths", loaded, domain, "real", directions), files, SECONDS)
    except (Rejected, UnreadableError):
        return True
    return False
