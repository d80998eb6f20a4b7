"""Prompts of two numbers: what ``case.json`` declares of them, and how a sentence says it.

``input.operands`` holds the fields; else, where the read-out is ``greedy_digits``, they are read off sentences for
people: ``input.layout`` or ``input.sequence``, ``input.domain`` and ``ground_truth.words``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tasks.checker.text import shown

ENDS = {"least": "lsb", "most": "msb"}


def described(case: dict[str, Any], tokens: Sequence[str]) -> dict[str, Any] | None:
    """The fields of the operands that a ``case.json`` declares, all of them; None where it declares none."""
    given = case.get("input", {})
    if type(given) is not dict:
        return None
    if "operands" in given:
        return _whole(given["operands"])
    reading, truth = case.get("read_out"), case.get("ground_truth")
    if type(reading) is not dict or reading.get("kind") != "greedy_digits" or type(truth) is not dict:
        return None
    answer = re.search(r"\bas (\d{1,3}) digits, (least|most) significant first", str(truth.get("words", "")))
    text = str(given.get("layout", given.get("sequence", "")))
    most = re.search(r"\bin 0\.\.([\d,]+)", str(given.get("domain", "")))
    found = _numbers(text, tokens)
    if answer is None or found is None:
        return None
    digits, order, around = found
    fields = {"digits": digits, "order": order, "answer_digits": int(answer[1]), "answer_order": ENDS[answer[2]]}
    fields |= dict(zip(("before", "between", "after"), around, strict=True))
    return _whole(fields | ({"most": int(most[1].replace(",", ""))} if most else {}))


def _whole(fields: Any) -> dict[str, Any] | None:
    """All fields, those that are left out by their defaults."""
    if type(fields) is not dict or type(fields.get("digits", 10)) is not int or type(fields.get("base", 10)) is not int:
        return None
    whole: dict[str, Any] = {"digits": 10, "base": 10, "order": "lsb", "answer_digits": None, "answer_order": None,
             "before": [], "between": [], "after": [], "most": None} | fields  # fmt: skip
    if whole["answer_digits"] is None:
        whole["answer_digits"] = whole["digits"] + 1
    if whole["answer_order"] is None:
        whole["answer_order"] = "lsb"
    if whole["most"] is None and 0 < whole["digits"] <= 64:
        whole["most"] = whole["base"] ** whole["digits"] - 1
    return whole


def _numbers(text: str, tokens: Sequence[str]) -> tuple[int, str, list[list[str]]] | None:
    """Digits and order of both numbers, and the tokens around them."""
    body, _, remark = text.partition(";")
    same = re.search(r"(least|most) significant digit first", remark)
    around: list[list[str]] = [[]]
    seen: list[tuple[str, int, str]] = []
    for word in _listed(body.split(": ")[0]):
        if word.startswith("then the answer"):
            break
        long = re.fullmatch(r"([ab]) \(its (\d{1,3}) digits, (least|most) significant first\)", word)
        short = re.fullmatch(r"(\d{1,3}) digits of ([ab])", word)
        if long:
            seen.append((long[1], int(long[2]), ENDS[long[3]]))
            around.append([])
        elif short and same:
            seen.append((short[2], int(short[1]), ENDS[same[1]]))
            around.append([])
        else:
            called = re.fullmatch(r"(\S+) \((\d{1,6})\)|(\d{1,6})", word)
            n = int(called[2] or called[3]) if called else len(tokens)
            if n >= len(tokens) or (called and called[1] not in (None, tokens[n])):
                return None
            around[-1].append(tokens[n])
    fits = [name for name, _, _ in seen] == ["a", "b"] and seen[0][1:] == seen[1][1:]
    return (seen[0][1], seen[0][2], around) if fits else None


def _listed(text: str) -> list[str]:
    """The parts of a list, at commas outside round brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def shown_prompt(o: dict[str, Any]) -> tuple[str, int]:
    """A prompt in words, and how many tokens it has."""
    around = [" ".join(shown(repr(token), 60) for token in o[name]) for name in ("before", "between", "after")]
    text = " ".join(part for part in (around[0], "a", around[1], "b", around[2]) if part)
    return text, sum(len(o[name]) for name in ("before", "between", "after")) + 2 * o["digits"]


def pairs_text(o: dict[str, Any]) -> str:
    """How many pairs of which numbers."""
    count = (o["most"] + 1) ** 2
    size = len(str(count)) - 1
    number = f"{count:,}" if size < 15 else f"10^{size}" if count == 10**size else f"(about 10^{size})"
    first = {"lsb": "least", "msb": "most"}
    digits = f"{o['digits']} digits of base {o['base']}, {first[o['order']]} significant first"
    answer = f"the answer {first[o['answer_order']]} significant first"
    return f"{number} pairs of numbers a, b from 0 to {o['most']:,} ({digits}; {answer})"
