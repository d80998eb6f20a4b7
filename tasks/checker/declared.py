"""What the network's own files declare of a question, and what its asker chose: the first is held to, the second said.

    format    declared by the files                                       chosen by the user
    circuit   alphabet, lengths, constraint, prefix (there is no          nothing
              suffix), read-out: argmax over the labels at the end
    dyck      alphabet ( and ), the one length n, no prefix, no suffix,   nothing
              read-out: argmax over not valid and valid
    tracr     alphabet, lengths 1 to max_length, prefix BOS (there is     nothing
              no suffix), read-out: columns, values, every place
    sparsemax alphabet: all tokens, the one length max_seq_len - 2, prefix  nothing
              BOS and the token of a task, no suffix, read-out: argmax
              over the task's candidates, openers from case.json
    recurrent alphabet, no prefix, no suffix, read-out: accept or reject  lengths
    case      at the end, or rounded at every place
    steps     alphabet, lengths, constraint, prefix, suffix, read-out     nothing
    others    what case.json says: the alphabet and the language whose    the rest, lengths but for a list of single
              prefixes are meant, what stands before and after the        words; in a plain folder everything
              symbols, a read-out over all outputs: next_token_set,       (GPT2BCELMHeadModel declares a set over all
              argmax_last, greedy (the next token), accept_reject, in     outputs)
              transformer_lens categorical, at every place if so

Prefix, suffix and read-out equal what is declared, or the statement is refused. The sequences are those declared, or
fewer, which is said: part of the alphabet, of the lengths, or of the language (compared as automata). More are
refused, but for longer ones where the network knows no positions, which is said too. What is not declared stands in
the sentence as stated. The arithmetic, and the margin up to which a label is none, are always chosen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.checker.files import confirm, expect
from tasks.checker.text import NAME, shown

PARTS = {
    "alphabet": "alphabet", "lengths": "lengths", "automaton": "constraint", "prefix": "prefix", "suffix": "suffix",
    "readout": "read-out",
}  # fmt: skip
SHOWN, ALL, CUT = 16, 160, 120  # names in a list, and characters of them; characters of a text: all as shown
BCE = "GPT2BCELMHeadModel"
ROWS = {  # which row a label is read from, by the pool of the network
    "none": "at the last position", "last": "at the last position", "first": "at the first position of the prompt",
    "mean": "computed from the mean over all positions", "sum": "computed from the sum over all positions",
    "concat": "computed from all positions side by side",
}  # fmt: skip


@dataclass(frozen=True)
class Declared:
    """What the files of a network declare; None where they say nothing. ``words``: what they call their automaton.

    Without an automaton but with an alphabet every sequence is meant. ``readout`` holds all entries of a read-out.
    """

    alphabet: list[str] | None = None
    lengths: list[int] | None = None
    automaton: dict[str, Any] | None = None
    prefix: list[str] | None = None
    suffix: list[str] | None = None
    readout: dict[str, Any] | None = None
    words: str = ""
    is_endless: bool = False  # the network knows no positions, so that longer sequences are meant as well
    pool: str = "none"  # how the rows of a prompt become one

    def chosen(self, q: dict[str, Any]) -> list[str]:
        """The parts of the question ``q`` that its asker chose; Rejected where it is against what is declared."""
        for part in ("prefix", "suffix", "readout"):
            said, is_read = getattr(self, part), part == "readout"
            told = [readout_text(x, self.pool) if is_read else named(x) for x in (said, q[part]) if x is not None]
            confirm(
                said in (None, q[part]),
                f"the network's files declare another {PARTS[part]}: {told[0]}; stated is {told[-1]}",
            )
        found = {part for part in ("prefix", "suffix", "readout") if getattr(self, part) is None}
        return [part for part in PARTS if part in found | self._domain(q)]

    def _domain(self, q: dict[str, Any]) -> set[str]:
        found, (least, most) = set[str](), q["lengths"]
        if self.lengths is None or self.lengths != q["lengths"]:
            found.add("lengths")
        if self.lengths is not None:
            fits = self.lengths[0] <= least and (self.is_endless or (most is not None and most <= self.lengths[1]))
            confirm(fits, f"the network's files declare lengths {self.lengths[0]} to {self.lengths[1]}, stated are "
                          f"{least} to {most}")  # fmt: skip
        if self.alphabet is None:
            return found | {"alphabet"} | ({"automaton"} if q["automaton"] is not None else set())
        more = {*q["alphabet"]} - {*self.alphabet}
        confirm(not more, f"the network's files declare the alphabet {named(self.alphabet)}, without {named([*more])}")
        if len(q["alphabet"]) < len(self.alphabet):
            found.add("alphabet")
        more_language, less_language = self._language(q)
        about = f", in their words {quoted(self.words)}" if self.words else ""
        confirm(not more_language, f"the statement is about sequences that the network's files rule out{about}")
        return found | ({"automaton"} if less_language else set())

    def _language(self, q: dict[str, Any]) -> tuple[bool, bool]:
        """Whether the question's automaton accepts more, and less, than is declared, of its letters and lengths."""
        assert self.alphabet is not None
        mine, theirs = complete(q["automaton"], len(q["alphabet"])), complete(self.automaton, len(self.alphabet))
        places = [self.alphabet.index(letter) for letter in q["alphabet"]]
        (least, most), states, seen = q["lengths"], frozenset({(0, 0)}), set[frozenset[tuple[int, int]]]()
        more = less = False
        length = 0
        while (most is None or length <= most) and states not in seen:
            if length >= least:
                seen.add(states)  # from here on the same states have the same future
                for one, other in states:
                    accepts = mine[1][one] and one >= 0, theirs[1][other] and other >= 0
                    more, less = more or accepts == (True, False), less or accepts == (False, True)
            states = frozenset(
                (mine[0][one][n] if one >= 0 else -1, theirs[0][other][place] if other >= 0 else -1)
                for one, other in states
                for n, place in enumerate(places)
            )
            length += 1
        return more, less


def complete(automaton: dict[str, Any] | None, letters: int) -> tuple[list[list[int]], list[bool]]:
    """Transitions and accepting flags, checked; without an automaton those of every sequence."""
    if automaton is None:
        return [[0] * letters], [True]
    table, accepting = automaton["transitions"], automaton["accepting"]
    states = range(-1, len(table))  # the first is 0, and -1 is none
    whole = all(type(t) is int and t in states for row in table for t in row) and len(automaton) == 2
    whole = whole and all(type(accepts) is bool for accepts in accepting)
    shaped = table and all(len(row) == letters for row in table) and len(accepting) == len(table)
    expect(whole and shaped, "an automaton with strange transitions, or of another alphabet")
    return table, accepting


def declared(
    kind: str, said: dict[str, Any], tokens: Sequence[str], outputs: Sequence[str], prefix: Sequence[str] = ()
) -> Declared:
    """What the JSON files ``said`` declare of a network of this format, with these tokens and names of logits.

    ``prefix``: that of the question, whose last token says which task of several it is about.
    """
    if kind == "circuit":
        return _circuit(said["circuit.json"], tokens)
    if kind in ("steps", "recurrent steps"):
        return _steps(said["network.json"], outputs)
    if kind == "dyck":
        n = said["config.json"]["n"]
        return Declared(["(", ")"], [n, n], None, [], [], readout_of("argmax", [0, 1], [*outputs]))
    if kind == "tracr":
        return _tracr(said["case.json"])
    if kind == "sparsemax":
        return _sparsemax(said, tokens, prefix)
    more = {"categorical": "argmax"} if kind == "transformer_lens" else {}
    return _case(said.get("case.json", {}), said.get("config.json", {}), tokens, outputs, more)


def _circuit(c: dict[str, Any], tokens: Sequence[str]) -> Declared:
    domain, labels = c["domain"], texts(c["labels"])
    limited = domain["constraint"]
    automaton = limited and {key: limited[key] for key in ("transitions", "accepting")}
    columns = [tokens.index(label) for label in labels]
    lengths = [domain["min_length"], domain["max_length"]]
    expect(all(type(n) is int for n in lengths), "circuit.json: expected whole lengths")
    return Declared(
        texts(domain["alphabet"]), lengths, automaton, texts(c["prefix"]), [], readout_of("argmax", columns, labels),
        str(limited["text"]) if limited else "", not c["config"]["positions"],
    )  # fmt: skip


def _steps(c: dict[str, Any], outputs: Sequence[str]) -> Declared:
    domain, reading = c["domain"], c["readout"]
    limited = domain["constraint"]
    whole = domain.keys() == {"alphabet", "min_length", "max_length", "constraint"}
    whole = whole and reading.keys() == {"kind", "position", "columns", "threshold", "denominator"}
    whole = whole and (limited is None or limited.keys() == {"text", "transitions", "accepting"})
    lengths, columns = [domain["min_length"], domain["max_length"]], reading["columns"]
    whole = whole and all(type(n) is int and n >= 0 for n in (*lengths, *columns))
    expect(whole and reading["threshold"] == 0, "network.json: domain or read-out not understood")
    is_whole = any(step["step"] == "pool" and step["kind"] == "concat" for step in c.get("steps", []))
    names = [] if reading["kind"] == "round" else [outputs[n] for n in columns]
    automaton = limited and {key: limited[key] for key in ("transitions", "accepting")}
    readout = readout_of(reading["kind"], columns, names, reading["position"], reading["denominator"])
    return Declared(
        texts(domain["alphabet"]), lengths, automaton, texts(c["prefix"]), texts(c["suffix"]), readout,
        str(limited["text"]) if limited else "", c.get("positions") is None and not is_whole,
    )  # fmt: skip


def _sparsemax(said: dict[str, Any], tokens: Sequence[str], prefix: Sequence[str]) -> Declared:
    config, vocab = said["config.json"], said["vocab.json"]
    bos, names, length = config["bos_token_id"], vocab["task_names"], config["max_seq_len"] - 2
    candidates = vocab["task_to_candidates"]
    expect(names.keys() == candidates.keys() and length > 0, "vocab.json: expected candidates of every task")
    circuits = [name.removeprefix("circuit_").removesuffix(".json") for name in said if name.startswith("circuit_")]
    ids = [int(key) for key, name in names.items() if name in (circuits or names.values())]
    found = [n for n in ids if list(prefix) == [tokens[bos], tokens[n]]]
    confirm(
        len(found) == 1 and all(n >= 0 for n in (bos, *found)),
        f"the prefix {named(list(prefix))} names no task of the network's files; expected {named([tokens[bos]])} and "
        f"one of {named([tokens[n] for n in ids])}",
    )
    task, answers = names[str(found[0])], candidates[str(found[0])]
    readout = readout_of("argmax", answers, [tokens[n] for n in answers])
    automaton, words = _openers(said.get("case.json", {}), task, length, len(tokens))
    return Declared([*tokens], [length, length], automaton, [*prefix], [], readout, words)


def _openers(case: dict[str, Any], task: str, length: int, letters: int) -> tuple[dict[str, Any] | None, str]:
    """The place of the opener, and the tokens it may be, where ``case.json`` says so."""
    asked = case.get("input", {})
    places = [word.strip(" []") for word in str(asked.get("sequence", "")).split(",")][2:]
    openers = asked.get("tasks", {}).get(task, {}).get("openers")
    if "opener" not in places or len(places) != length or openers is None:
        return None, ""
    table = [[-1 if place == "opener" and n not in openers else state + 1 for n in range(letters)]
             for state, place in enumerate(places)]  # fmt: skip
    words = f"an opener of {task} at place {places.index('opener') + 1}"
    return {"transitions": [*table, [-1] * letters], "accepting": [False] * length + [True]}, words


def _tracr(case: dict[str, Any]) -> Declared:
    longest, reading = case["input"]["max_length"], case["read_out"]
    expect(type(longest) is int and longest > 0, "case.json: expected a whole max_length")
    expect(reading["kind"] in ("categorical", "numerical"), "case.json: read_out not understood")
    is_named = reading["kind"] == "categorical"
    columns, names = reading["columns"], texts(reading["values"]) if is_named else []
    readout = readout_of("argmax" if is_named else "round", columns, names, "every", 1 if is_named else longest)
    return Declared(texts([*map(str, case["input"]["vocabulary"])]), [1, longest], None, ["BOS"], [], readout)


def _case(
    case: dict[str, Any], config: dict[str, Any], tokens: Sequence[str], outputs: Sequence[str], more: dict[str, str]
) -> Declared:
    """What ``case.json`` says in the words that are understood; everything else in it is for people."""
    language = case.get("language", {})
    letters = language.get("alphabet", {} if language else case.get("ground_truth", {}).get("alphabet", {}))
    alphabet = texts(letters) if letters != {} else None
    automaton, words = None, ""
    if alphabet and "transitions" in language:
        automaton, words = _prefixes(language, alphabet), f"prefixes of: {language.get('words', 'the language')}"
    reading = case.get("read_out", {})
    known = dict.fromkeys(("argmax_last", "greedy_digits", "greedy_tokens", "accept_reject"), "argmax")
    kind = {"next_token_set": "set", **known, **more}.get(reading.get("kind"))
    if kind is None and "kind" not in reading and config.get("architectures") == [BCE]:
        kind = "set"
    is_placed = reading.get("kind") in more and str(reading.get("position", "")).startswith("every position")
    readout = kind and readout_of(kind, [*range(len(outputs))], [*outputs], "every" if is_placed else "last")
    prefix, suffix, lengths, sequence = None, None, None, str(case.get("input", {}).get("sequence", ""))
    if sequence:
        prefix, suffix, count = _around(sequence, tokens)
        lengths = [count, count] if count and "kind" in reading else None
    return Declared(alphabet, lengths, automaton, prefix, suffix, readout or None, words)


def _around(sequence: str, tokens: Sequence[str]) -> tuple[list[str], list[str], int]:
    """Tokens before and behind the symbols, and how many of these there are; 0 where their number is open.

    Remarks in round brackets, and all behind a semicolon, are for people. ``a, b, 113`` is a list: every other word is
    a comma, and the number at its end is that of a token that is none.
    """
    said = re.sub(r"\([^()]*\)", "", sequence.partition(";")[0]).replace(",", " , ").split()
    listed = "," in said and all((word == ",") is (n % 2 == 1) for n, word in enumerate(said))
    words = [word for word in said if word != "," or "," in tokens]
    number = int(words[-1]) if listed and words[-1].isdecimal() else len(tokens)
    if number < len(tokens) and not tokens[number].isdecimal():
        words[-1] = tokens[number]
    inside = [n for n, word in enumerate(words) if word not in tokens or word.isdecimal()]
    if not inside:
        return [], [], 0
    is_counted = listed and number < len(tokens)
    return words[: inside[0]], words[inside[-1] + 1 :], len(inside) if is_counted else 0


def _prefixes(language: dict[str, Any], alphabet: list[str]) -> dict[str, Any]:
    """The automaton that accepts every sequence on which that of the language does not die."""
    start, moves = language["start"], language["transitions"]
    order = [start, *(state for state in texts(language["states"]) if state != start)]
    targets = [moves.get(state, {}) for state in order]
    expect(all({*row} <= {*alphabet} for row in targets), "case.json: transitions leave the alphabet")
    table = [[order.index(row[letter]) if letter in row else -1 for letter in alphabet] for row in targets]
    return {"transitions": table, "accepting": [True] * len(order)}


def readout_of(
    kind: str, columns: list[int], names: list[str], position: str = "last", denominator: int = 1
) -> dict[str, Any]:
    """A read-out as a statement holds it."""
    return {"kind": kind, "position": position, "columns": columns, "names": names, "denominator": denominator}


def texts(value: Any) -> list[str]:
    """A list of texts."""
    expect(type(value) is list and all(type(text) is str for text in value), "expected a list of texts")
    return value  # type: ignore[no-any-return]


def as_json(d: Declared) -> dict[str, Any]:
    """What is declared, part by part, as a statement holds it."""
    return {part: getattr(d, part) for part in PARTS}


def conditions(q: dict[str, Any], d: Declared, chosen: list[str]) -> str:
    """What a sentence says of tokens, prompt and read-out, and of who chose them."""
    around = [f"{named(q['prefix'])} before" * bool(q["prefix"]), f"{named(q['suffix'])} after" * bool(q["suffix"])]
    prompt = " and ".join(filter(None, around)) + " the sequence" if any(around) else "the sequence alone"
    parts = [f"tokens {named(q['alphabet'])}", f"prompt: {prompt}", f"read-out: {readout_text(q['readout'], d.pool)}"]
    if q["automaton"] is not None and "automaton" not in chosen and d.words:
        parts.append(f"the automaton is that of the network's files, in their words {quoted(d.words)}")
    said = as_json(d)
    free = [PARTS[part] for part in chosen if said[part] is None and not (part == "automaton" and d.alphabet)]
    less = [_fewer(part, d) for part in chosen if PARTS[part] not in free]
    if free:
        parts.append(f"stated here, as the network's files declare none: {', '.join(free)}")
    if less:
        parts.append(f"chosen by the user, other than the network's files declare: {', '.join(less)}")
    return "; ".join(parts)


def _fewer(part: str, d: Declared) -> str:
    match part:
        case "lengths":
            assert d.lengths is not None
            return f"lengths (declared: {' to '.join(map(str, d.lengths))})"
        case "alphabet":
            assert d.alphabet is not None
            return f"alphabet (declared: {named(d.alphabet)})"
    return f"constraint (declared: {quoted(d.words) if d.automaton else 'every sequence'})"


def readout_text(r: dict[str, Any], pool: str = "none") -> str:
    """A read-out of a network with this pool in words."""
    place = "at every place" if r["position"] == "every" else ROWS[pool]
    match r["kind"]:
        case "argmax":
            what = f"the largest of the logits {_columns(r)}"
        case "set":
            what = f"the set of those above 0 among the logits {_columns(r)}"
        case _:
            finest = r["denominator"]
            grid = "whole number" if finest == 1 else f"fraction with a denominator of at most {finest}"
            what = f"the {grid} nearest to logit {r['columns'][0]}"
    return f"{what}, {place}"


def _columns(r: dict[str, Any]) -> str:
    """Names and columns of what is read."""
    return named([f"{name}" for name in r["names"]])


def named(names: Sequence[str]) -> str:
    """Names for a reader, quoted and cut."""
    told: list[str] = []
    for name in names[:SHOWN]:
        text = quoted(name, NAME)
        if told and len(" ".join([*told, text])) > ALL:
            break
        told.append(text)
    more = f" and {len(names) - len(told)} more" if len(names) > len(told) else ""
    return (" ".join(told) + more) or "none"


def quoted(text: str, most: int = CUT) -> str:
    """A text of a stranger for a reader: quoted, nothing in it unprintable, at most so many characters in quotes."""
    kept = text[:most]
    while len(shown(repr(kept))) > most + 2:
        kept = kept[:-1]
    return shown(repr(kept if kept == text else f"{kept[:-1]}…"))
