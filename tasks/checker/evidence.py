"""What is established: "program = network" on every input of a domain, or on all but those that the statement lists.

Either every input is visited, or sequences are taken together (``sets``). Of those that are visited:

    every sequence of the domain     listed here, from alphabet, lengths and automaton
    its logits                       bounded in the stated arithmetic (``network``)
    its label                        where the margin is positive whatever the error
    the printed program's answer     executed

A statement is what ``establish`` returns, word for word: the writer of a certificate calls it, and so does the check,
so a statement says nothing that was not found here. What it takes as given is the question: domain, prompt, read-out,
the margin below which a label is none, and the directions in which averages are bounded; and, where its maker searched
the program in a language of their own, the texts of that, on which nothing that is found depends.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_FLOOR, Context
from itertools import islice
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from flint import arb, ctx

from tasks.checker.arithmetic import ASSUMPTION, ROUNDOFF, SPARSEMAX, Arithmetic, Row
from tasks.checker.computations import Readings, logits
from tasks.checker.declared import as_json, complete, conditions, readout_text
from tasks.checker.decoders import TABLES
from tasks.checker.endless import everything, followed
from tasks.checker.files import Rejected, UnreadableError, confirm, digest, expect, load
from tasks.checker.formats import Read, read
from tasks.checker.network import Cell, Network
from tasks.checker.pairs import FIELDS, everywhere
from tasks.checker.programs import called, function_of, machine_of
from tasks.checker.prompts import described, pairs_text, shown_prompt
from tasks.checker.readouts import reader_of
from tasks.checker.recurrent import Recurrent, States
from tasks.checker.recurrent_affine import largest, of_network, of_program
from tasks.checker.recurrent_boxes import Boxes
from tasks.checker.recurrent_forms import labels_of
from tasks.checker.recurrent_orbits import Orbits
from tasks.checker.sets import Attended, Level, Node, counts, graph, nodes_of, paths
from tasks.checker.text import named

PROGRAM, NETWORK = "program.py", "network/"
GIVEN = ("kind", "format", "alphabet", "lengths", "automaton", "prefix", "suffix", "readout", "semantics", "directions",
         "least_margin")  # fmt: skip
OF_PAIRS = ("kind", "format", "operands", "readout", "semantics", "directions")  # where numbers are meant
LANGUAGE = "language"  # given where the program was searched in one of the maker's own
STATES, SETS = "states", ("orbits", "boxes", "affine")  # sets of states, given for the first two of these kinds
BITS, BLOCK = 80, 1000  # of precision; prompts computed together
MEANING = {
    "real": "real arithmetic",
    "float64": "real arithmetic and in float64 as executed",
    "float32": "real arithmetic and in float64 and float32 as executed",
}
Statement = dict[str, Any]


def check(folder: Path) -> Statement:
    """The statement of the certificate in ``folder``, found to be true; raises Rejected or UnreadableError."""
    stated, files = load(folder)
    try:
        given: tuple[str, ...] = (*GIVEN, *(name for name in (LANGUAGE, STATES) if name in stated))
        given = OF_PAIRS if stated.get("kind") == "pairs" else given
        if missing := [name for name in given if name not in stated]:
            lacking = f"the statement has no {', '.join(missing)}"
            raise UnreadableError(f"not a certificate without solvers ({lacking}); distill check reads every kind")
        found = establish({name: stated[name] for name in given}, files)
        if type(stated["margin"]) is float and 0.0 < stated["margin"] <= found["margin"]:
            found["margin"] = stated["margin"]  # is true, too: other ball arithmetic may find less
        entries = [{(name, json.dumps(value)) for name, value in one.items()} for one in (stated, found)]
    except (Rejected, UnreadableError):
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        raise UnreadableError(f"the certificate cannot be understood: {type(error).__name__} {error}") from error
    strange = {name for name, _ in entries[0] ^ entries[1]}
    confirm(not strange, f"the statement is not what was found, in: {', '.join(sorted(strange))}")
    return found


def establish(
    q: Statement,
    files: dict[str, bytes],
    seconds: float = inf,
    tell: Callable[[int], None] = lambda done: None,
    most_undecided: float = inf,
) -> Statement:
    """The statement that ``files`` support for the question ``q`` (its entries GIVEN); Rejected where they do not.

    After ``seconds`` they do not either, nor where more than ``most_undecided`` of visited inputs have no label that is
    decided; ``tell`` hears how many inputs were visited.
    """
    deadline = monotonic() + seconds
    stored = {name.removeprefix(NETWORK): content for name, content in files.items() if name.startswith(NETWORK)}
    expect({PROGRAM} == {name for name in files if not name.startswith(NETWORK)}, "a file has no part in the claim")
    if q["kind"] == "pairs":
        return _established_of_pairs(q, files, stored, deadline, tell)
    expect(q["kind"] in ("network", "counts", "paths", "all_lengths", *SETS), f"unknown kind {q['kind']!r}")
    is_real = q["kind"] not in ("all_lengths", "orbits", "affine") or q["semantics"] == "real"
    expect(is_real, "every length is meant in real arithmetic alone")
    expect((q["kind"] in SETS[:2]) is (STATES in q), "sets of states are for recurrent networks")
    expect((q["directions"] is not None) == (q["kind"] == "paths"), "directions are for paths")
    language = q.get(LANGUAGE, ["_0"])
    expect(type(language) is list and language and {*map(type, language)} == {str}, "a language is a list of texts")
    with ctx.workprec(BITS):
        network = read(q["format"], stored, q["semantics"], q["prefix"])
        claim = Claim(q, network, files[PROGRAM].decode(), Arithmetic(ROUNDOFF[q["semantics"]]))
        if q["kind"] == "network":
            found, margin = claim.visited(deadline, tell, most_undecided)
        else:
            ways = dict.fromkeys(SETS, claim.recurrent) | {"all_lengths": claim.endless}
            found, margin = ways.get(q["kind"], claim.gathered)(deadline)
    confirm(
        (found["labels"] or q["kind"] == "affine") and margin > 0, "the network's label is not decided on any input"
    )
    found = {name: q[name] for name in GIVEN} | {
        "network": network.name,
        "sha256": {name: digest(content) for name, content in sorted(stored.items())},
        "declared": as_json(network.declared),
        "chosen": claim.chosen,
        **found,
        "margin": float(f"{float(margin) * (1 - 1e-5):.6g}"),
    }
    found |= {name: q[name] for name in (LANGUAGE, STATES) if name in q}
    return found | {
        "claim": _sentence(found, conditions(q, network.declared, claim.chosen)),
        "assumption": _assumption(q["semantics"], network),
    }


def _established_of_pairs(
    q: Statement, files: dict[str, bytes], stored: dict[str, bytes], deadline: float, tell: Callable[[int], None]
) -> Statement:
    """What ``establish`` finds of a program of two numbers, and the digits that the network gives."""
    expect(type(q["operands"]) is dict and q["operands"].keys() == {*FIELDS}, "operands have other fields")
    with ctx.workprec(BITS):
        network = read(q["format"], stored, q["semantics"])
        reader_of(q["readout"], network)
        r = q["readout"]
        expect(r["kind"] == "argmax" and r["position"] == "last", "digits are read as the largest logit at the end")
        said = network.declared.readout
        confirm(said in (None, r), "the network's files declare another read-out")
        pairs, margin = everywhere(
            network, q["operands"], files[PROGRAM].decode(), r["columns"], r["names"], q["directions"], q["semantics"],
            deadline, tell,
        )  # fmt: skip
    confirm(margin > 0, "a digit is not decided")
    own = described(json.loads(stored["case.json"]), network.tokens) if "case.json" in stored else None
    chosen = ([] if own == q["operands"] else ["operands"]) + ([] if said is not None else ["readout"])
    found = {name: q[name] for name in OF_PAIRS} | {
        "network": network.name,
        "sha256": {name: digest(content) for name, content in sorted(stored.items())},
        "declared": {"operands": own, "readout": said},
        "chosen": chosen,
        "pairs": str(pairs),
        "lengths": [shown_prompt(q["operands"])[1]] * 2,
        "margin": float(f"{float(margin) * (1 - 1e-5):.6g}"),
    }
    free = "stated here, as the network's files declare none"
    words = {"operands": "chosen by the user, other than the network's files declare" if own else free, "readout": free}
    who = "".join(f"; {PART_NAMES[part]}: {words[part]}" for part in chosen)
    claim = (
        f"the program equals the {q['format']} network {named(network.name)}".rstrip()
        + f" on all {pairs_text(q['operands'])}, in {MEANING[q['semantics']]}, every margin after rounding at least "
        f"{_below(found['margin'])}: each of the {q['operands']['answer_digits']} digits of the answer is right "
        "on every right prefix, hence the number that greedy decoding gives is; prompt: "
        f"{shown_prompt(q['operands'])[0]}; read-out: {readout_text(r)}{who}."
    )
    return found | {"claim": claim, "assumption": _assumption(q["semantics"], network)}


PART_NAMES = {"operands": "numbers and prompt", "readout": "read-out"}


class Claim:
    """That the program equals ``network`` in the domain of ``q``."""

    def __init__(self, q: Statement, network: Read, text: str, a: Arithmetic) -> None:
        self.q, self.network, self.text, self.a, self.letters = q, network.network, text, a, q["alphabet"]
        expect(len({*self.letters}) == len(self.letters), "a letter occurs twice")
        parts = ([network.tokens.index(token) for token in q[part]] for part in ("prefix", "alphabet", "suffix"))
        self.prefix, self.ids, self.suffix = parts
        is_recurrent = isinstance(self.network, Recurrent)
        fits = q["kind"] in (("network", *SETS) if is_recurrent else ("network", "counts", "paths", "all_lengths"))
        expect(fits, f"{q['kind']!r} is no kind for this network")
        (self.least, self.most), self.reader = q["lengths"], reader_of(q["readout"], network, q["least_margin"])
        is_counted, is_endless = q["kind"] in ("counts", "all_lengths"), q["kind"] in ("all_lengths", *SETS)
        has_no_end = is_counted and isinstance(self.network, Network) and self.network.positions is None
        longest = 2**16 if has_no_end else self.network.longest - len(self.prefix + self.suffix)
        greatest = self.least if is_endless and self.most is None else self.most
        fits = type(self.least) is type(greatest) is int and 0 <= self.least <= greatest <= longest
        fits = fits and ((self.most is None) is is_endless or q["kind"] in ("boxes", "affine"))
        expect(fits, f"lengths {self.least} to {self.most} do not fit the network")
        expect(
            is_recurrent or self.least + len(self.prefix + self.suffix) > 0,
            "the empty sequence is no prompt; begin with length 1, or name tokens before every sequence (prefix)",
        )
        self.table, self.accepting = complete(q["automaton"], len(self.letters))
        self.chosen = network.declared.chosen(q)
        self.every = q["readout"]["position"] == "every"
        is_so_far = self.every and q["kind"] in SETS  # the program is given the tokens up to the place
        fits = q["kind"] == "network" or (is_so_far and q["kind"] != "orbits" and q["automaton"] is None)
        expect(not self.every or (fits and not self.suffix), "a label at every place cannot be meant")
        self.program = function_of(text, ["tokens", "i"] if self.every and not is_so_far else ["tokens"])

    def visited(
        self, deadline: float, tell: Callable[[int], None], most_undecided: float = inf
    ) -> tuple[Statement, arb]:
        """Program and network compared on every input, one by one: what was found, and the least margin."""
        labels, margin, sequences = Counter[str](), arb("inf"), 0
        exceptions: list[list[Any]] = []
        undecided: list[list[Any]] = []
        places = slice(len(self.prefix), None) if self.every else slice(-1, None)
        walk = self._sequences()
        computed: Readings[tuple[str, arb]] | States[tuple[str, arb] | None]
        if isinstance(self.network, Recurrent):
            computed = States(self.network, self.a, self._decided, every=self.every, first=len(self.prefix))
        else:
            computed = Readings(self.network, self.a, self._decided, places, lambda found: found[1])
        while block := [*islice(walk, BLOCK)]:
            done = labels.total() + len(undecided)
            tell(done)
            confirm(monotonic() < deadline, f"{done:,} inputs were visited in time")
            confirm(len(undecided) <= most_undecided, f"the label of {undecided[:1]} is not decided")
            sequences += len(block)
            for word, found in zip(block, computed.at([*map(self._prompt, block)]), strict=True):
                words = [self.letters[n] for n in word]
                for place, reading in enumerate(found) if self.every else ((None, found[0]),):
                    if reading is None:
                        undecided.append([words, place])
                        continue
                    label, sure = reading
                    labels[label] += 1
                    if sure < margin:
                        margin = sure
                    answer = called(self.program, [*words], *([] if place is None else [place]))
                    if answer != label:
                        exceptions.append([words, place, label, answer])
        return self._found(sequences, labels, exceptions, undecided), margin

    def _decided(self, row: Row) -> tuple[str, arb] | None:
        """What is read of logits, if that is certain."""
        label, margin = self.reader(row)
        return (label, margin) if margin > 0 else None

    def gathered(self, deadline: float) -> tuple[Statement, arb]:
        """Program and network compared on all sequences with the same answer at once; until ``deadline``."""
        labels, margin, is_counted = Counter[str](), arb("inf"), self.q["kind"] == "counts"
        machine = machine_of(self.text, self.letters if is_counted else [])
        if self.least == 0 and self.accepting[0]:
            label, margin = self._empty()
            labels[label] += 1
        assert isinstance(self.network, Network)
        rows, every = Attended(self.network, self.a, self._cells(is_counted)), [*range(len(self.letters))]
        for lasts in [[n] for n in every] if machine.asks_last else [every]:
            levels: Iterable[Level] = graph(machine, self.letters, self.table, self.most, self.letters[lasts[0]])
            if is_counted:
                bound = counts(rows, len(self.letters), self.most)
            else:
                levels = known = [*levels]
                bound = paths(rows, [self.prefix, self.ids, self.suffix], self.q["directions"], known)
            sets: dict[tuple[int, int, Any], list[Node]] = defaultdict(list)
            for length, last, node in nodes_of(levels, self.accepting, max(self.least, 1), lasts):
                answer = machine.answer(node.state[1:], self.letters[last])
                sets[0 if is_counted else length, last, answer].append(node)
            for (length, last, answer), nodes in sets.items():
                margin = min(margin, bound(length, last).decide(nodes, answer, self.reader, deadline))
                labels[answer] += sum(node.size for node in nodes)
        return self._found(labels.total(), labels, [], []), margin

    def endless(self, deadline: float) -> tuple[Statement, arb]:
        """Program and network compared on the sequences of every length from the least on at once."""
        confirm(self._is_inhabited(), "no sequence is of that length or longer")
        labels, margin = set[str](), arb("inf")
        if self.least == 0 and self.accepting[0]:
            label, margin = self._empty()
            labels.add(label)
        assert isinstance(self.network, Network)
        rows, least = Attended(self.network, self.a, self._cells(True)), max(self.least, 1)
        for last, letter in enumerate(self.letters):
            program = followed(self.text, self.letters, letter)
            more, sure = everything(
                rows, program, self.table, self.accepting, self.letters, last, least, self.reader, deadline
            )
            labels, margin = labels | more, min(margin, sure)
        found: Statement = self._found(0, Counter(labels), [], [])
        return found | {"sequences": None, "inputs": None, "labels": dict.fromkeys(sorted(labels))}, margin

    def recurrent(self, deadline: float) -> tuple[Statement, arb]:
        """The same for a recurrent network, by sets of its states; boxes, and affine maps, to the greatest length."""
        confirm(self.most is not None or self._is_inhabited(), "no sequence is of that length or longer")
        expect(not self.suffix, "labels are read before the suffix")
        assert isinstance(self.network, Recurrent)
        if self.q["kind"] == "affine":
            return self._affine(deadline)
        label_of = labels_of(self.reader, self.q["readout"]["kind"] == "argmax")
        machine = machine_of(self.text, [])
        if self.q["kind"] == "orbits":
            orbits = Orbits(
                self.network, self.letters, self.ids, self.prefix, self.table, self.accepting, self.least,
                self.program, machine, self.reader, label_of, deadline,
            )  # fmt: skip
            labels, margin = orbits.decided(self.q[STATES])
        else:
            boxes = Boxes(
                self.network, self.letters, self.ids, self.prefix, float(self.a.u), label_of, deadline, self.q[STATES]
            )
            empty = called(self.program, []) if self.least == 0 and self.accepting[0] else None
            labels, margin = boxes.decided(machine, self.table, self.accepting, self.least, self.most, empty)
        found: Statement = self._found(0, Counter(labels), [], [])
        return found | self._counted() | {"labels": dict.fromkeys(sorted(labels))}, margin

    def _affine(self, deadline: float) -> tuple[Statement, arb]:
        """The same where network and program are affine, up to the greatest length, if there is one."""
        assert isinstance(self.network, Recurrent)
        readout = self.q["readout"]
        expect(self.q["automaton"] is None and self.least == 1, "every sequence of a letter or more is meant")
        expect(readout["kind"] == "round" and readout["denominator"] == 1, "a label is the nearest whole number")
        network = of_network(self.network, readout["columns"][0], self.ids, self.prefix)
        worst = largest(network, of_program(self.text, self.letters), self.most, deadline)
        margin = (arb(1) / 2 - arb(worst.numerator) / worst.denominator).lower()
        confirm(margin > self.q["least_margin"], "a margin is not above the least one")
        found: Statement = self._found(0, Counter({"whole numbers": 1}), [], [])
        return found | self._counted() | {"labels": None}, margin

    def _counted(self) -> Statement:
        """How many sequences there are up to the greatest length, and how many labels; nothing where there is none."""
        if self.most is None:
            return {"sequences": None, "inputs": None}
        ways, sequences, inputs = {0: 1}, 0, 0
        for length in range(self.most + 1):
            ends = sum(count for state, count in ways.items() if self.accepting[state])
            if length >= self.least:
                sequences, inputs = sequences + ends, inputs + ends * (length if self.every else 1)
            after = Counter[int]()
            for state, count in ways.items():
                for to in self.table[state]:
                    if to >= 0:
                        after[to] += count
            ways = after
        return {"sequences": sequences, "inputs": inputs}

    def _is_inhabited(self) -> bool:
        """Whether any sequence is as long: one that is longer by the number of states or more has a loop to cut out."""
        states = {0}
        for _ in range(self.least):
            states = {to for state in states for to in self.table[state] if to >= 0}
        for _ in self.table:
            states |= {to for state in states for to in self.table[state] if to >= 0}
        return any(self.accepting[state] for state in states)

    def _empty(self) -> tuple[str, arb]:
        """Label and margin of the empty sequence, which the program must have."""
        assert isinstance(self.network, Network)
        label, margin = self.reader(logits(self.network, self.a, [self._prompt(())])[0][-1])
        confirm(margin > 0 and label == called(self.program, []), "the empty sequence is not decided, or an exception")
        return label, margin

    def _cells(self, is_counted: bool) -> list[Cell]:
        """Tokens at places that any sequence has; where only counts matter, letters and then prefix."""
        if is_counted:
            expect(not self.suffix, "counts are for prompts that end in the sequence")
            return [(token, 0) for token in (*self.ids, *self.prefix)]
        first, end = len(self.prefix), len(self.prefix) + self.most
        cells = [(t, n) for n, t in enumerate(self.prefix)] + [(t, n) for n in range(first, end) for t in self.ids]
        cells += [(t, n + k) for n in range(first + 1, end + 1) for k, t in enumerate(self.suffix)]
        return [*dict.fromkeys(cells)]

    def _prompt(self, word: tuple[int, ...]) -> tuple[int, ...]:
        return (*self.prefix, *(self.ids[n] for n in word), *self.suffix)

    def _sequences(self) -> Iterator[tuple[int, ...]]:
        """Every sequence of the domain, each after those that it continues."""
        waiting: list[tuple[tuple[int, ...], int]] = [((), 0)]
        while waiting:
            word, state = waiting.pop()
            if len(word) >= self.least and self.accepting[state]:
                yield word
            if len(word) < self.most:
                row = self.table[state]
                waiting += [((*word, n), row[n]) for n in reversed(range(len(row))) if row[n] >= 0]

    def _found(self, sequences: int, labels: Counter[str], exceptions: list[Any], undecided: list[Any]) -> Statement:
        inputs, sorted_labels = labels.total() + len(undecided), dict(sorted(labels.items()))
        parts = {"labels": sorted_labels, "exceptions": exceptions, "undecided": undecided}
        return {"sequences": sequences, "inputs": inputs, **parts}


def _assumption(semantics: str, network: Read) -> str:
    """What is assumed of executions."""
    if semantics == "real":
        return ""
    if isinstance(network.network, Recurrent):
        return ASSUMPTION
    parts = [ASSUMPTION, SPARSEMAX * network.network.projects, TABLES * network.network.is_computed]
    return " ".join(filter(None, parts))


def _sentence(found: Statement, conditions: str) -> str:
    exceptions, undecided = len(found["exceptions"]), len(found["undecided"])
    what = "pairs of a sequence and a place" if found["readout"]["position"] == "every" else "sequences"
    first, last = found["lengths"]
    length = (
        f"every length from {first} on"
        if last is None
        else f"length {' to '.join(map(str, dict.fromkeys((first, last))))}"
    )
    number = "" if last is None else f"{_number(found['inputs'] - undecided)} "
    such = " that the automaton accepts" if found["automaton"] else ""
    but = f" except the {exceptions:,} listed, where it does not" if exceptions else ""
    bound = f", where no margin is certain to be above {found['least_margin']:g}"
    rest = f"; nothing is said of {undecided:,} others, listed as undecided{bound}" if undecided else ""
    return (
        f"the program equals the {found['format']} network {named(found['network'])}".rstrip()
        + f" on all {number}{what} of {length}{such}{but}, in "
        f"{MEANING[found['semantics']]}, every margin after rounding at least {_below(found['margin'])}{rest}; "
        f"{conditions}{_so_far(found)}{_searched(found)}."
    )


def _so_far(found: Statement) -> str:
    """What a program of tokens alone is given where every place has a label."""
    is_so_far = found["readout"]["position"] == "every" and found["kind"] in SETS
    return "; for each place the program is given the tokens up to there" if is_so_far else ""


def _searched(found: Statement) -> str:
    """That the maker had a language of their own, where one is given."""
    if LANGUAGE not in found:
        return ""
    return f"; it was searched in a language of {len(found[LANGUAGE]):,} operators that its maker chose, listed there"


def _below(x: float) -> str:
    """``x`` in three digits, rounded down."""
    return f"{float(Context(prec=3, rounding=ROUND_FLOOR).create_decimal_from_float(x)):.3g}"


def _number(n: int) -> str:
    digits = str(n)
    return f"{n:,}" if len(digits) <= 15 else f"(about {digits[0]}.{digits[1]}e+{len(digits) - 1})"
