"""What ``case.json`` says of prompts with a list in them (``cegis.lists``), as fields or in words.

As fields, ``input.lists``: an object with the fields of a ``Lists``. In words, where ``read_out.kind`` is
``greedy_tokens``: ``input.sequence``, ``input.domain`` and ``read_out.rule``, as in

    ten numbers, SEP (id 51), then the answers so far
    ten DIFFERENT numbers of 0..50 in any order (...)
    append 10 tokens one at a time, ...

Anything else says nothing of lists.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from cegis.lists import Lists
from tasks.formats.case import read_shown
from tasks.formats.untrusted import object_of, texts_of, whole_of
from tasks.networks.sparse_transformer import NetworkError

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NUMBERS = {word: n + 1 for n, word in enumerate(WORDS)}
COUNT = r"(?P<count>\d{1,3}|" + "|".join(NUMBERS) + ")"
SEQUENCE = re.compile(rf"{COUNT} (?:numbers|tokens|letters), (?P<after>\S+) \(id (?P<id>\d{{1,4}})\)(?:,.*)?", re.I)
DOMAIN = re.compile(
    rf"(?:all lists of )?{COUNT} (?P<different>different )?numbers (?:of|in|from) "
    r"(?P<low>\d{1,3})\.\.(?P<high>\d{1,3})\b.*",
    re.I,
)
RULE = re.compile(rf"append {COUNT} tokens? one at a time\b.*", re.I)
NAMES = tuple(field.name for field in fields(Lists))


def read_lists(folder: Path, vocabulary: tuple[str, ...]) -> Lists | None:
    """The lists that the folder's ``case.json`` describes, None where it describes none; raises NetworkError."""
    return read_shown(folder, vocabulary, "lists", of_fields, _of_words)


def of_fields(what: str, value: object) -> Lists:
    """A ``Lists`` from its fields as JSON; raises NetworkError for unknown ones, DomainError for strange values."""
    entries = object_of(what, value, None)
    unknown = [name for name in entries if name not in NAMES]
    missing = [name for name in ("alphabet", "items", "answers") if name not in entries]
    if unknown or missing:
        said = f"unknown field {unknown[0]!r}" if unknown else f"no field {missing[0]!r}"
        raise NetworkError(f"{what}: {said}; known: {', '.join(NAMES)}")
    values: dict[str, Any] = {}
    for name, entry in entries.items():
        if name in ("items", "answers"):
            values[name] = whole_of(f"{what}.{name}", entry)
        elif name == "is_distinct":
            if not isinstance(entry, bool):
                raise NetworkError(f"{what}.{name}: expected true or false, got {entry!r}")
            values[name] = entry
        else:
            values[name] = texts_of(f"{what}.{name}", entry)
    return Lists(**values)


def _of_words(said: dict[str, Any], given: dict[str, Any], vocabulary: tuple[str, ...]) -> Lists | None:
    reading = said.get("read_out")
    if not isinstance(reading, dict) or reading.get("kind") != "greedy_tokens":
        return None
    sequence = SEQUENCE.fullmatch(str(given.get("sequence", "")))
    domain = DOMAIN.fullmatch(str(given.get("domain", "")))
    rule = RULE.fullmatch(str(reading.get("rule", "")))
    if sequence is None or domain is None or rule is None:
        return None
    counts = [_number(found["count"]) for found in (sequence, domain, rule)]
    after, place = sequence["after"], int(sequence["id"])
    if counts[0] != counts[1] or place >= len(vocabulary) or vocabulary[place] != after:
        return None
    alphabet = tuple(map(str, range(int(domain["low"]), int(domain["high"]) + 1)))
    return Lists(alphabet, counts[0], counts[2], after=(after,), is_distinct=domain["different"] is not None)


def _number(text: str) -> int:
    return NUMBERS.get(text.lower()) or int(text)
