"""What ``case.json`` says of prompts with two numbers in them (``cegis.operands``), as fields or in words.

As fields, ``input.operands``: an object with the fields of an ``Operands``. In words, where ``read_out.kind`` is
``greedy_digits``: ``input.layout`` (or ``input.sequence``), a list of what stands in the prompt,

    a (its 10 digits, least significant first), 0, b (its 10 digits, least significant first), 0: 22 ids
    4 digits of a, + (10), 4 digits of b, = (11), then the answer digits; most significant digit first

in which a number is the id of a token; ``input.domain`` with ``in 0..9,999,999,999``; and ``ground_truth.words`` with
``as 11 digits, least significant first``. Anything else says nothing of operands.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from cegis.operands import Operands
from tasks.formats.case import read_shown
from tasks.formats.untrusted import object_of
from tasks.networks.sparse_transformer import NetworkError

ORDERS = {"least": "lsb", "most": "msb"}
OPERAND = re.compile(r"(?P<name>[ab]) \(its (?P<digits>\d{1,3}) digits, (?P<order>least|most) significant first\)")
SHORT = re.compile(r"(?P<digits>\d{1,3}) digits of (?P<name>[ab])")
SPLIT = re.compile(r",\s*(?![^()]*\))")  # a comma outside round brackets
ANSWER = re.compile(r"\bas (\d{1,3}) digits, (least|most) significant first")
LARGEST = re.compile(r"\bin 0\.\.([\d,]+)")
NAMES = tuple(field.name for field in fields(Operands))


def read_operands(folder: Path, vocabulary: tuple[str, ...]) -> Operands | None:
    """The operands that the folder's ``case.json`` describes, None where it describes none; raises NetworkError."""
    return read_shown(folder, vocabulary, "operands", of_fields, _of_words)


def of_fields(what: str, value: object) -> Operands:
    """An ``Operands`` from its fields as JSON; raises NetworkError for unknown ones, DomainError for strange values."""
    entries = object_of(what, value, None)
    unknown = [name for name in entries if name not in NAMES]
    if unknown:
        raise NetworkError(f"{what}: unknown field {unknown[0]!r}; known: {', '.join(NAMES)}")
    fields_: dict[str, Any] = {name: tuple(e) if isinstance(e, list) else e for name, e in entries.items()}
    return Operands(**fields_)


def as_fields(operands: Operands) -> dict[str, Any]:
    """The fields as JSON values."""
    values = {name: getattr(operands, name) for name in NAMES}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _of_words(said: dict[str, Any], given: dict[str, Any], vocabulary: tuple[str, ...]) -> Operands | None:
    reading, truth = said.get("read_out"), said.get("ground_truth")
    if not isinstance(reading, dict) or reading.get("kind") != "greedy_digits" or not isinstance(truth, dict):
        return None
    answer = ANSWER.search(str(truth.get("words", "")))
    layout = str(given.get("layout", given.get("sequence", "")))
    parts = _parts(layout, vocabulary)
    largest = LARGEST.search(str(given.get("domain", "")))
    if answer is None or parts is None:
        return None
    (digits, order), around = parts
    return Operands(
        digits,
        order=order,  # type: ignore[arg-type]
        answer_digits=int(answer[1]),
        answer_order=ORDERS[answer[2]],  # type: ignore[arg-type]
        before=around[0],
        between=around[1],
        after=around[2],
        most=None if largest is None else int(largest[1].replace(",", "")),
    )


def _parts(layout: str, vocabulary: tuple[str, ...]) -> tuple[tuple[int, str], list[tuple[str, ...]]] | None:
    """Digits and order of both numbers, and the tokens before, between and after them; None for another text."""
    text, _, remark = layout.partition(";")
    general = re.search(r"(least|most) significant digit first", remark)
    around: list[list[str]] = [[]]
    shapes: list[tuple[str, int, str]] = []
    for part in SPLIT.split(text.partition(":")[0] if ": " in text else text):
        word = part.strip()
        if word.startswith("then the answer"):
            break
        operand = OPERAND.fullmatch(word) or (SHORT.fullmatch(word) if general else None)
        if operand:
            order = operand.groupdict().get("order") or (general[1] if general else "")
            shapes.append((operand["name"], int(operand["digits"]), ORDERS[order]))
            around.append([])
            continue
        token = _token(word, vocabulary)
        if token is None:
            return None
        around[-1].append(token)
    if [name for name, _, _ in shapes] != ["a", "b"] or shapes[0][1:] != shapes[1][1:]:
        return None
    return shapes[0][1:], [tuple(part) for part in around]


def _token(word: str, vocabulary: tuple[str, ...]) -> str | None:
    """The token whose id a word is, alone or in brackets behind its name."""
    named = re.fullmatch(r"(\S+) \((\d+)\)", word)
    number = named[2] if named else word
    if not number.isdecimal() or len(number) > 6 or int(number) >= len(vocabulary):
        return None
    token = vocabulary[int(number)]
    return token if named is None or named[1] == token else None
