"""Whether a certificate's statement is true, found by listing every sequence: nothing here is shared with a checker.

Logits are those of the network's formula in real arithmetic, and torch's in the arithmetic that is stated; the program
is run as the Python that it is. Each function gives sentences about what is false, none where all is true.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np
import torch
from arithmetics import BITS, Exact, Executed, as_floats
from flint import arb, ctx
from formulas import Formula, read
from numpy.typing import NDArray

Word = tuple[str, ...]
MOST_EXACT = 40  # words in real arithmetic
DTYPES = {"real": (), "float64": ("float64",), "float32": ("float64", "float32")}


def falsehoods(stated: Mapping[str, Any], files: Mapping[str, bytes]) -> list[str]:
    """What is false in the statement of a certificate for the independent checker."""
    stored = {name.removeprefix("network/"): c for name, c in files.items() if name.startswith("network/")}
    circuits = [re.fullmatch(r"circuit_(.*)\.json", name) for name in stored if stated["format"] == "sparsemax"]
    task = next((found[1] for found in circuits if found), None)
    formula = read(stated["format"], stored, task, task is not None)
    false = [*_facts(stated, stored, formula)]
    words = [*_words(stated["alphabet"], stated["lengths"], stated["automaton"])]
    function = function_of(files["program.py"].decode())
    every, labels, exceptions = stated["readout"]["position"] == "every", Counter[str](), []
    undecided = [(tuple(words), place) for words, place in stated["undecided"]]
    inputs, least = 0, Fraction(10**30)
    for word, rows in logits_of(formula, stated, words):
        for place in range(len(word)) if every else (None,):
            inputs += 1
            if (word, place) in undecided:
                continue
            at = -1 if place is None else len(stated["prefix"]) + place
            said = _known([_label(stated["readout"], row[at]) for row in rows])
            names = {name for name, _ in said}
            if len(names) != 1 or None in names:
                false.append(f"the label of {' '.join(word)!r} is {sorted(map(str, names))}")
                continue
            (name,) = names
            least = min([least, *(margin for _, margin in said)])
            labels[str(name)] += 1
            answer = function([*word]) if place is None else function([*word], place)
            if answer != name:
                exceptions.append([[*word], place, name, answer])
    if json.dumps(exceptions) != json.dumps(stated["exceptions"]):
        false.append(f"there are {len(exceptions)} exceptions, and {len(stated['exceptions'])} are stated, or others")
    if (stated["sequences"], stated["inputs"]) != (len(words), inputs):
        false.append(f"there are {len(words)} sequences and {inputs} inputs")
    if dict(labels) != stated["labels"]:
        false.append(f"the labels are {dict(labels)}")
    if len({*undecided}) != len(undecided) or not {word for word, _ in undecided} <= {*words}:
        false.append("what is listed as undecided is no part of the domain")
    if not labels or not Fraction(stated["margin"]) <= least:
        false.append(f"the least margin is {float(least):.6g}, not {stated['margin']!r}")
    return false


def _facts(stated: Mapping[str, Any], stored: Mapping[str, bytes], formula: Formula) -> Iterator[str]:
    """What the network's files say themselves."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in stored.items()}
    if stated["sha256"] != sums:
        yield "the hashes are those of other files"
    said = json.loads(stored.get("circuit.json", stored.get("case.json", b"{}")))
    if stated["network"] != said.get("name", ""):
        yield "the network has another name"
    readout = stated["readout"]
    names, columns = readout["names"], readout["columns"]
    if stated["format"] == "circuit":
        if [*names] != said["labels"] and readout["kind"] == "argmax":
            yield f"the circuit's labels are {said['labels']}, not {names}"
        if [*stated["prefix"]] != said["prefix"]:
            yield f"the circuit's prefix is {said['prefix']}, not {stated['prefix']}"
    if stated["format"] == "sparsemax":
        yield from _task(stated, stored)
    known = [formula.outputs[n] for n in columns]
    declared = said.get("read_out", {}) if stated["format"] == "tracr" else {}
    if readout["kind"] != "round" and names not in (known, declared.get("values")):
        yield f"the outputs {columns} are {known}, not {names}"
    if stated["semantics"] == "float32" and formula.dtype != "float32":
        yield "its weights are no float32 numbers"
    claim = stated["claim"]
    if f"{sum(stated['labels'].values()):,}" not in claim or str(stated["lengths"][1]) not in claim:
        yield f"the sentence says something else: {claim}"
    if ("except" in claim) != bool(stated["exceptions"]) or ("nothing is said" in claim) != bool(stated["undecided"]):
        yield f"the sentence leaves out what is excepted: {claim}"
    if ("float32" in claim, "float64" in claim) != (
        "float32" in DTYPES[stated["semantics"]],
        bool(DTYPES[stated["semantics"]]),
    ):
        yield f"the sentence is about another arithmetic: {claim}"


def _task(stated: Mapping[str, Any], stored: Mapping[str, bytes]) -> Iterator[str]:
    """The one task that these folders have."""
    c, said = json.loads(stored["config.json"]), json.loads(stored["vocab.json"])
    (key,) = said["task_names"]
    names = [said["token_names"].get(str(n), f"#{n}") for n in range(c["vocab_size"])]
    if [*stated["prefix"]] != [names[c["bos_token_id"]], names[int(key)]] or stated["suffix"]:
        yield f"the task's prompt does not begin with {stated['prefix']}"
    if stated["readout"]["columns"] != said["task_to_candidates"][key] or stated["readout"]["kind"] != "argmax":
        yield "the task has other candidates"
    if stated["lengths"] != [c["max_seq_len"] - 2] * 2:
        yield "the task's sequences have another length"


def _words(alphabet: list[str], lengths: list[int], automaton: Any) -> Iterator[Word]:
    """Every sequence of a domain, each after those it continues."""

    def walk(word: Word, state: int) -> Iterator[Word]:
        if len(word) >= lengths[0] and (automaton is None or automaton["accepting"][state]):
            yield word
        if len(word) < lengths[1]:
            for n, letter in enumerate(alphabet):
                to = 0 if automaton is None else automaton["transitions"][state][n]
                if to >= 0:
                    yield from walk((*word, letter), to)

    yield from walk((), 0)


def logits_of(formula: Formula, stated: Mapping[str, Any], words: list[Word]) -> Iterator[tuple[Word, list[Any]]]:
    """Per word its logits by row: in real arithmetic, then as torch executes it in the arithmetic that is stated.

    Of many words only the closest ones are computed in real arithmetic; float64 stands in for it on the others, and
    where real arithmetic cannot tell.
    """
    number = {token: n for n, token in enumerate(formula.tokens)}
    ids = {word: [number[token] for token in (*stated["prefix"], *word, *stated["suffix"])] for word in words}
    runs: dict[Word, list[NDArray[np.float64]]] = {word: [] for word in words}
    for dtype in ("float64", *DTYPES[stated["semantics"]]):
        for _, same in groupby(sorted(words, key=len), key=len):
            some = [*same]
            with torch.no_grad():
                rows = as_floats(formula.run(Executed(dtype), np.array([ids[word] for word in some], np.int64)))
            for word, run in zip(some, rows, strict=True):
                runs[word].append(run)
    columns = stated["readout"]["columns"]
    close = {
        word: np.abs(np.diff(np.sort(run[0][:, columns], axis=-1), axis=-1)).min(initial=1.0)
        for word, run in runs.items()
    }
    exact, chosen = Exact(), {*sorted(words, key=close.__getitem__)[:MOST_EXACT]}
    for word in words:
        with ctx.workprec(BITS):
            first = formula.run(exact, np.array(ids[word], np.int64)) if word in chosen else runs[word][0]
        if stated["semantics"] == "real" and None in {_label(stated["readout"], row)[0] for row in first}:
            first = runs[word][0]  # there is no other one beside a tie in AbsTopK
        yield word, [first, *runs[word][1:]]


def _label(readout: Mapping[str, Any], row: Any) -> tuple[str | None, Fraction]:
    """The label of a row, and its margin, from floats or the middles of balls that are 600 bits sharp."""
    wanted = [row[n] if isinstance(row[n], arb) else arb(float(row[n])) for n in readout["columns"]]
    if not all(v.is_finite() for v in wanted):
        return None, Fraction(0)
    x = [_fraction(v) for v in wanted]
    match readout["kind"]:
        case "argmax":
            best = x.index(max(x))
            return readout["names"][best], min(x[best] - v for n, v in enumerate(x) if n != best)
        case "set":
            inside = ", ".join(name for v, name in zip(x, readout["names"], strict=True) if v > 0)
            return "{" + inside + "}", min(map(abs, x))
    near = sorted(
        {Fraction(round(x[0] * d) + step, d) for d in range(1, readout["denominator"] + 1) for step in (-1, 0, 1)}
    )
    best = min(near, key=lambda one: abs(x[0] - one))
    at = near.index(best)
    margin = min(
        abs(x[0] - (one + other) / 2) for one, other in zip(near[at - 1 : at + 1], near[at : at + 2], strict=False)
    )
    value = best if readout["denominator"] == 1 else float(best)
    return str(value), margin


def _known(said: list[tuple[str | None, Fraction]]) -> list[tuple[str | None, Fraction]]:
    """Without real arithmetic, the first, where that cannot tell: a tie in AbsTopK."""
    return said[1:] if said[0][0] is None and len(said) > 1 else said


def known_labels(readout: Mapping[str, Any], rows: list[Any]) -> set[str | None]:
    """The labels that rows of logits, the first in real arithmetic, have; None where one has none."""
    return {name for name, _ in _known([_label(readout, row) for row in rows])}


def _fraction(x: arb) -> Fraction:
    mantissa, exponent = x.mid().man_exp()
    least = max(int(exponent), -(10**5))  # a gate far out gives numbers with exponents that no memory holds
    return Fraction(int(mantissa)) * Fraction(2) ** least


def function_of(text: str) -> Any:
    """The function that a printed program is."""
    scope: dict[str, Any] = {}
    exec(text, scope)
    return [value for name, value in scope.items() if name != "__builtins__"][-1]


def falsehoods_of_solver(stated: Mapping[str, Any], files: Mapping[str, bytes]) -> list[str]:
    """What is false in the statement of a certificate with solver evidence."""
    stored = {name.removeprefix("circuit/"): c for name, c in files.items() if name.startswith("circuit/")}
    formula, said, false = read("circuit", stored), json.loads(stored["circuit.json"]), []
    limits, function = said["domain"], function_of(files["program.py"].decode())
    words = [*_words(limits["alphabet"], stated["lengths"], limits["constraint"])]
    readout = {"kind": "argmax", "columns": [said["vocabulary"].index(name) for name in said["labels"]],
               "names": said["labels"]}  # fmt: skip
    listed, differs, least = [tuple(w) for w in json.loads(files["exceptions.json"])], [], Fraction(10**30)
    asked = {"prefix": said["prefix"], "suffix": [], "semantics": "float32", "readout": readout}
    for word, rows in logits_of(formula, asked, words):
        found = _known([_label(readout, row[-1]) for row in rows])
        if len({name for name, _ in found}) != 1:
            false.append(f"the label of {' '.join(word)!r} is not decided")
        least = min([least, *(margin for _, margin in found)])
        if function([*word]) not in {name for name, _ in found}:
            differs.append(word)
    if differs != listed or stated["exceptions"] != len(differs):
        false.append(f"there are {len(differs)} exceptions, not {len(listed)}")
    if stated["sequences"] != len(words) or stated["lengths"][0] != limits["min_length"]:
        false.append(f"there are {len(words)} sequences of length {limits['min_length']} to {stated['lengths'][1]}")
    if not Fraction(stated["margin"]) <= least:
        false.append(f"the least margin is {float(least):.6g}, not {stated['margin']!r}")
    if stated["circuit"] != said["name"]:
        false.append("the circuit has another name")
    for claim in stated["claims"]:
        shortest, longest = claim["lengths"]
        inside = sum(shortest <= len(word) <= longest for word in words)
        if claim["sequences"] != inside or longest > stated["lengths"][1] or f"{inside:,}" not in claim["sentence"]:
            false.append(f"a claim speaks of other sequences: {claim['sentence']}")
        if claim["rung"] not in ("surrogate", "enumerated"):
            false.append(f"nothing is of the rung {claim['rung']}")
    return false
