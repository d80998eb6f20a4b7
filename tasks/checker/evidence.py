"""What is established: "program = network" on every input of a domain, or all but those listed.

Either every input is visited, or sequences are taken together by their counts (``counts``) or by where they lead
(``paths``). Of those that are visited:

    every sequence of the domain     listed here, from alphabet, lengths and automaton
    its logits                       bounded in the stated arithmetic (``network``)
    its label                        where the margin is positive whatever the error
    the printed program's answer     executed

A statement is what ``establish`` returns, word for word: the writer of a certificate calls it, and so does the check,
so a statement says nothing that was not found here. What it takes as given is the question: domain, prompt, read-out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice, pairwise
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from flint import arb, ctx

from tasks.checker.arithmetic import ASSUMPTION, ROUNDOFF, ZERO, Arithmetic, Row
from tasks.checker.counts import Tally, compared, painted
from tasks.checker.files import Rejected, UnreadableError, digest, expect, load
from tasks.checker.formats import Read, read
from tasks.checker.machines import machine_of
from tasks.checker.network import logits
from tasks.checker.paths import Averages, graph
from tasks.checker.programs import function_of

PROGRAM, LISTED, BOXES, AXES, NETWORK = "program.py", "listed.json", "boxes.json", "axes.json", "network/"
KINDS = {"network": LISTED, "counts": BOXES, "paths": AXES}
GIVEN = ("kind", "format", "alphabet", "lengths", "automaton", "prefix", "suffix", "readout", "semantics")
BITS, BLOCK = 80, 1000  # of precision; prompts computed together
MEANING = {
    "real": "real arithmetic",
    "float64": "real arithmetic and in float64 as executed",
    "float32": "real arithmetic and in float64 and float32 as executed",
}
Statement = dict[str, Any]
Input = tuple[tuple[str, ...], int | None]  # a sequence, and the place in it that is read (None: the last)


def check(folder: Path) -> Statement:
    """The statement of the certificate in ``folder``, found to be true; raises Rejected or UnreadableError."""
    stated, files = load(folder)
    try:
        found = establish({name: stated[name] for name in GIVEN}, files)
        if type(stated["margin"]) is float and 0.9999 * found["margin"] <= stated["margin"] <= found["margin"]:
            found["margin"] = stated["margin"]  # another version of ball arithmetic may end in another digit
        strange = [name for name in {**stated, **found} if not same(stated, found, name)]
    except (Rejected, UnreadableError):
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        raise UnreadableError(f"the certificate cannot be understood: {type(error).__name__} {error}") from error
    if strange:
        raise Rejected(f"the statement is not what was found, in: {', '.join(strange)}")
    return found


def same(one: Statement, other: Statement, name: str) -> bool:
    """Whether both have this entry, to the letter."""
    return name in one and name in other and json.dumps(one[name]) == json.dumps(other[name])


def establish(
    q: Statement, files: dict[str, bytes], seconds: float = inf, tell: Callable[[int], None] = lambda done: None
) -> Statement:
    """The statement that ``files`` support for the question ``q`` (its entries GIVEN); Rejected where they do not.

    After ``seconds`` of following paths or of visiting inputs they do not either; ``tell`` hears how many were visited.
    """
    with ctx.workprec(BITS):
        stored = {name.removeprefix(NETWORK): content for name, content in files.items() if name.startswith(NETWORK)}
        others = {name for name in files if not name.startswith(NETWORK)}
        listed = KINDS.get(q["kind"])
        expect(listed and others == {PROGRAM, listed}, "unknown kind, or files that have no part in it")
        network = read(q["format"], stored, q["semantics"])
        deadline = monotonic() + seconds
        if listed == BOXES:
            found, margin = _counted(q, files, network)
        elif listed == AXES:
            found, margin = _followed(q, files, network, deadline)
        else:
            found, margin = _visited(q, files, network, deadline, tell)
    if not margin > 0:
        raise Rejected("no margin is positive")
    found = {name: q[name] for name in GIVEN} | {
        "network": network.name,
        "sha256": {name: digest(content) for name, content in sorted(stored.items())},
        **found,
        "margin": float(f"{float(margin) * (1 - 1e-5):.6g}"),
    }
    return found | {"claim": _claim(found), "assumption": "" if q["semantics"] == "real" else ASSUMPTION}


def _visited(
    q: Statement, files: dict[str, bytes], network: Read, deadline: float, tell: Callable[[int], None]
) -> tuple[Statement, arb]:
    """Program and network compared on every input, one by one: what was found, and the least margin."""
    every = q["readout"]["position"] == "every"
    program = function_of(files[PROGRAM].decode(), ["tokens", "i"] if every else ["tokens"])
    listed = json.loads(files[LISTED])
    exceptions, undecided = _inputs(listed["exceptions"]), _inputs(listed["undecided"])
    counts: Counter[str] = Counter()
    sequences, margin = 0, arb("inf")
    for done, (key, label, sure) in enumerate(_labels(q, network, every, undecided.keys())):
        if done % BLOCK == 0:
            tell(done)
            if monotonic() > deadline:
                raise Rejected(f"{done:,} inputs were visited in time")
        sequences += key[1] in (None, 0)
        if key in undecided:
            undecided[key] = ["seen"]
            continue
        if not sure > 0:
            raise Rejected(f"the network's label is not decided on {_told(key)}")
        answer = _answer(program, key)
        if exceptions.pop(key, []) != ([label, answer] if label != answer else []):
            raise Rejected(f"network {label!r}, program {answer!r} on {_told(key)}, which is not as listed")
        counts[label] += 1
        margin = min(margin, sure)
    if exceptions or not counts or not all(undecided.values()):
        raise Rejected("an input is listed that is not in the domain, or no input has a label")
    return {
        "sequences": sequences,
        "inputs": counts.total() + len(undecided),
        "labels": dict(sorted(counts.items())),
        "exceptions": len(listed["exceptions"]),
        "undecided": len(undecided),
    }, margin


def _counted(q: Statement, files: dict[str, bytes], network: Read) -> tuple[Statement, arb]:
    """Program and network compared on every class of sequences with the same counts, last token and states."""
    letters, (least, most), text = q["alphabet"], q["lengths"], files[PROGRAM].decode()
    expect(q["readout"]["kind"] == "argmax" and q["readout"]["position"] == "last" and not q["suffix"], "the read-out")
    expect(type(least) is type(most) is int and 1 <= least <= most, "expected lengths from 1")
    prefix, alphabet, _ = _ids(q, network)
    function_of(text, ["tokens"])
    tally = Tally(network, Arithmetic(ROUNDOFF[q["semantics"]]), alphabet, prefix, most)
    reader, names = _reader(q["readout"], network), q["readout"]["names"]
    canvases, margin, boxes = painted(tally, reader, names, files[BOXES])
    table, accepting = _automaton(len(letters), q["automaton"])
    labels, classes = compared(machine_of(text, letters), canvases, letters, names, (least, most), table, accepting)
    sequences = _size(table, accepting, least, most)
    found = {"sequences": sequences, "inputs": sequences, "labels": labels, "exceptions": 0, "undecided": 0}
    return found | {"classes": classes, "boxes": boxes}, margin


def _followed(q: Statement, files: dict[str, bytes], network: Read, deadline: float) -> tuple[Statement, arb]:
    """Program and network compared on all sequences of one length, last token and states at once."""
    letters, (least, most), text = q["alphabet"], q["lengths"], files[PROGRAM].decode()
    ids, a, reader = _ids(q, network), Arithmetic(ROUNDOFF[q["semantics"]]), _reader(q["readout"], network)
    around = len(q["prefix"]) + len(q["suffix"])
    fits = type(least) is type(most) is int and 0 <= least <= most <= network.network.longest - around
    expect(fits and most and q["readout"]["position"] == "last", "lengths or read-out do not fit the network")
    function, machine = function_of(text, ["tokens"]), machine_of(text, letters)
    table, accepting = _automaton(len(letters), q["automaton"])
    averages = Averages(network, a, ids, most, json.loads(files[AXES]), deadline)
    counts: Counter[str] = Counter()
    margin, classes = arb("inf"), 0
    if least == 0 and accepting[0]:
        label, margin = reader(logits(network.network, a, [(*ids[0], *ids[2])])[0][-1])
        if not margin > 0 or label != _answer(function, ((), None)):
            raise Rejected("the empty sequence is not decided, or the program says something else")
        counts[label] += 1
    for last in range(len(letters)):
        levels = graph(machine, letters, (max(least, 1), most), table, accepting, last)
        for length, level in enumerate(levels):
            for n, node in enumerate(level):
                if node.answer is not None:
                    margin = min(margin, averages.decide(levels[: length + 1], n, reader))
                    counts[node.answer] += node.size
                    classes += 1
    sequences = _size(table, accepting, least, most)
    if not counts or counts.total() != sequences:
        raise Rejected("the domain holds no sequence, or one that was not followed")
    labels = dict(sorted(counts.items()))
    found = {"sequences": sequences, "inputs": sequences, "labels": labels, "exceptions": 0, "undecided": 0}
    return found | {"classes": classes}, margin


def _ids(q: Statement, network: Read) -> list[list[int]]:
    """Token ids of prefix, alphabet and suffix."""
    expect(len({*q["alphabet"]}) == len(q["alphabet"]), "a letter occurs twice")
    return [[network.tokens.index(token) for token in q[part]] for part in ("prefix", "alphabet", "suffix")]


def _size(table: list[list[int]], accepting: list[bool], least: int, most: int) -> int:
    """How many sequences a domain holds."""
    ways, found = [1] + [0] * (len(table) - 1), 0  # to be in each state
    for length in range(most + 1):
        found += sum(w for w, ends in zip(ways, accepting, strict=True) if ends) if length >= least else 0
        before, ways = ways, [0] * len(table)
        for state, row in enumerate(table):
            for target in row:
                ways[target] += before[state] if target >= 0 else 0
    return found


def _claim(found: Statement) -> str:
    what = "pairs of a sequence and a place" if found["readout"]["position"] == "every" else "sequences"
    length = " to ".join(map(str, dict.fromkeys(found["lengths"])))
    such = " that the automaton accepts" if found["automaton"] else ""
    but = f" except the {found['exceptions']:,} listed, where it does not" if found["exceptions"] else ""
    rest = f"; nothing is said of {found['undecided']:,} others, listed as undecided" if found["undecided"] else ""
    return (
        f"the program equals the {found['format']} network {found['network']}".rstrip()
        + f" on all {_number(found['inputs'] - found['undecided'])} {what} of length {length}{such}{but}, in "
        f"{MEANING[found['semantics']]}, every margin at least {found['margin']:.3g}{rest}."
    )


def _number(n: int) -> str:
    digits = str(n)
    return f"{n:,}" if len(digits) <= 15 else f"(about {digits[0]}.{digits[1]}e+{len(digits) - 1})"


def _labels(q: Statement, network: Read, every: bool, skipped: Any) -> Iterator[tuple[Input, str, arb]]:
    """Every input of the domain with its label and a lower bound of its margin."""
    a, reader = Arithmetic(ROUNDOFF[q["semantics"]]), _reader(q["readout"], network)
    prefix, alphabet, suffix = _ids(q, network)
    expect(not (every and suffix), "a suffix cannot be meant")
    (least, most), around = q["lengths"], len(prefix) + len(suffix)
    fits = type(least) is type(most) is int and 0 <= least <= most <= network.network.longest - around
    expect(fits, f"lengths {least} to {most} do not fit the network")
    walk = _sequences(len(alphabet), q["lengths"], q["automaton"])
    size = BLOCK * (20 if network.network.is_blind else 1)
    while block := list(islice(walk, size)):
        prompts = [(*prefix, *(alphabet[n] for n in word), *suffix) for word in block]
        for word, rows in zip(block, logits(network.network, a, prompts), strict=True):
            words = tuple(q["alphabet"][n] for n in word)
            for place in range(len(word)) if every else (None,):
                key = words, place
                row = rows[-1] if place is None else rows[len(prefix) + place]
                yield key, *(("", ZERO) if key in skipped else reader(row))


def _automaton(letters: int, automaton: Statement | None) -> tuple[list[list[int]], list[bool]]:
    """Transitions and accepting states of a domain; it starts in state 0, and -1 is no state."""
    if automaton is None:
        return [[0] * letters], [True]
    table, accepting = automaton["transitions"], automaton["accepting"]
    expect(
        all(len(row) == letters for row in table) and len(accepting) == len(table), "an automaton of another alphabet"
    )
    whole = all(type(t) is int and -1 <= t < len(table) for row in table for t in row)
    expect(whole and automaton.keys() == {"transitions", "accepting"}, "an automaton with strange transitions")
    return table, accepting


def _sequences(letters: int, lengths: list[int], automaton: Statement | None) -> Iterator[tuple[int, ...]]:
    """Every sequence of the domain, each after its prefixes."""
    (least, most), (table, accepting) = lengths, _automaton(letters, automaton)
    alive = [accepting]  # alive[n][state]: whether a sequence is accepted n tokens or fewer from here
    for _ in range(most):
        alive.append([b or any(t >= 0 and alive[-1][t] for t in row) for b, row in zip(alive[-1], table, strict=True)])
    stack: list[tuple[tuple[int, ...], int]] = [((), 0)]
    while stack:
        word, state = stack.pop()
        if len(word) >= least and accepting[state]:
            yield word
        if len(word) < most:
            after = [(token, target) for token, target in enumerate(table[state]) if target >= 0]
            stack += [((*word, n), to) for n, to in reversed(after) if alive[most - len(word) - 1][to]]


def _inputs(rows: list[Any]) -> dict[Input, list[str]]:
    """Inputs of a list of [words, place, ...], with what else is said of each."""
    found = {(tuple(words), place): rest for words, place, *rest in rows}
    expect(len(found) == len(rows), "an input is listed twice")
    return found


def _answer(program: Callable[..., Any], key: Input) -> object:
    words, place = key
    try:
        return program([*words]) if place is None else program([*words], place)
    except Exception as error:
        raise Rejected(f"the program fails on {_told(key)}: {type(error).__name__}") from error


def _told(key: Input) -> str:
    return repr(" ".join(key[0])) + ("" if key[1] is None else f" at {key[1]}")


def _reader(r: Statement, network: Read) -> Callable[[Row], tuple[str, arb]]:
    """The read-out as a function of logits: the label, and a margin that is positive where it is certain."""
    expect(r.keys() == {"kind", "columns", "names", "position", "denominator"}, "the read-out has unknown entries")
    columns, names = r["columns"], r["names"]
    expect(r["position"] in ("last", "every") and all(type(n) is int and n >= 0 for n in columns), "the read-out")
    known = [network.outputs[n] for n in columns] if r["kind"] != "round" else []
    named = names == known or (columns, names) == network.reading
    divides = type(r["denominator"]) is int and 1 <= r["denominator"] <= (20 if r["kind"] == "round" else 1)
    expect(
        divides and named and len({*columns}) == len(columns) > 0, "the read-out names outputs that the folder does not"
    )
    expect(r["kind"] in ("argmax", "set", "round"), "unknown read-out")
    expect(len(columns) == 1 if r["kind"] == "round" else len(columns) > (r["kind"] == "argmax"), "too few outputs")
    grid = sorted({Fraction(n, d) for d in range(1, r["denominator"] + 1) for n in range(d + 1)})

    def reading(row: Row) -> tuple[str, arb]:
        chosen = [row[n] for n in columns]
        if not all(x.is_finite() for x in chosen):
            return "", ZERO  # NaN compares false, and a minimum would pass over it
        if r["kind"] == "round":
            return _round(chosen[0], grid)
        return _argmax(chosen, names) if r["kind"] == "argmax" else _set(chosen, names)

    return reading


def _argmax(row: Row, names: list[str]) -> tuple[str, arb]:
    best = max(range(len(row)), key=lambda n: row[n].mid())
    return names[best], min((row[best] - x).lower() for n, x in enumerate(row) if n != best)


def _set(row: Row, names: list[str]) -> tuple[str, arb]:
    return "{" + ", ".join(n for x, n in zip(row, names, strict=True) if x > 0) + "}", min(abs(x).lower() for x in row)


def _round(x: arb, grid: list[Fraction]) -> tuple[str, arb]:
    """The nearest fraction whose denominator is at most that of the grid."""
    whole = int(x.mid().floor().unique_fmpz())
    halves = [whole + (a + b) / 2 for a, b in pairwise(grid)]
    far = [x - arb(half.numerator) / half.denominator for half in halves]
    value = whole + grid[sum(d.mid() > 0 for d in far)]
    return str(value) if len(grid) == 2 else str(value.numerator / value.denominator), min(abs(d).lower() for d in far)
