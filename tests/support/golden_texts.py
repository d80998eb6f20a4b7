"""What a golden command printed, without what differs from run to run, and one line of what it says.

Times, memory, versions and paths are replaced, and numbers of JSON cut to six digits; nothing else is. ``line_of`` is
the only function here that knows how results are laid out: names of JSON values may change, the summary may not.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PASSING = re.compile(r"second|memory|^cpu")  # names of JSON values that no two runs share
REPLACED = (
    (re.compile(r"(?<![\w.])/(?:[\w.-]+/)+(?=[\w.-])"), ""),  # where a folder lies
    (re.compile(r"\b(z3|cvc5|bitwuzla|Bitwuzla|torch|python-flint|flint) \d+(\.\d+)+"), r"\1 VERSION"),
    (re.compile(r"(?<![\w.]) *\b\d+(\.\d+)? s\b"), " # s"),
    (re.compile(r"\bin # s at most|had # s,"), "# s"),
    (re.compile(r"\([\d,]+ a second\)"), "(# a second)"),
    (re.compile(r"(?m)^( +\d+(?: +[\d,.e+-]+){2,4}) +\d+\.\d\d$"), r"\1 #"),  # the last column of costs by length
)
SEARCHED = (
    (re.compile(r'("(?:candidates|rounds|queries|examples)": )\d+'), r"\1#"),
    (re.compile(r'("ended": )"[^"]*"'), r'\1"#"'),
    (re.compile(r"\d+ rounds?, [\d,]+ candidates?"), "# rounds, # candidates"),
)
VERDICT = re.compile(r"(?m)^[A-Z]{3,}(?: [A-Z]+\b)*(?: \(rung [a-z ]+\))?|^The program [^;:.]*")


@dataclass(frozen=True)
class Done:
    """A command, how it ended, and what it printed."""

    command: str
    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object that was printed; empty where there is none."""
        try:
            found = json.loads(self.out)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def text(self, folder: Path) -> str:
        """The command, what it printed, and its exit code."""
        is_json = "--json" in self.command and self.out.startswith(("{", "["))
        out = json.dumps(_stable(json.loads(self.out), folder), indent=1, ensure_ascii=False) if is_json else self.out
        lines = [f"$ distill {self.command}", *_plain(out, folder).splitlines()]
        lines += [f"stderr: {line}" for line in _plain(self.err, folder).splitlines() if self.code == 2 or _stays(line)]
        return "\n".join(line.rstrip() for line in [*lines, f"exit code {self.code}", ""])


def searched(text: str) -> str:
    """A text without how a search went."""
    for pattern, instead in SEARCHED:
        text = pattern.sub(instead, text)
    return text


def _stays(line: str) -> bool:
    """Whether a line of progress says more than how the search went."""
    return line.startswith("distill:") or "certificate" in line


def _plain(text: str, folder: Path) -> str:
    text = text.replace(f"{folder}/", "").replace(str(folder), ".")
    for pattern, instead in REPLACED:
        text = pattern.sub(instead, text)
    return text


def _stable(value: Any, folder: Path) -> Any:
    match value:
        case dict():
            return {name: "#" if PASSING.search(name) else _stable(item, folder) for name, item in value.items()}
        case list():
            return [_stable(item, folder) for item in value]
        case float():
            return float(f"{value:.6g}")
        case str():
            return _plain(value, folder)
    return value


# --- the summary ----------------------------------------------------------------------------------------------------


def line_of(name: str, commands: tuple[Done, ...], certificates: tuple[tuple[str, Done], ...]) -> str:
    """Exit codes, verdict, counts, program and certificates of a case."""
    texts, values = [done for done in commands if not done.result], [done.result for done in commands if done.result]
    parts = ["exit " + " ".join(str(done.code) for done in commands)]
    verdicts = [found for done in texts if done.code != 2 for found in VERDICT.findall(done.out)]
    parts += [", ".join(dict.fromkeys(verdicts))] if verdicts else []
    parts += [", ".join(_counts(values[0])), _body(values[0].get("program") or "")] if values else []
    parts += [f"{path} {'holds' if done.code == 0 else 'does not hold'}" for path, done in certificates]
    return f"{name}: " + " | ".join(part for part in parts if part)


def _counts(result: dict[str, Any]) -> Iterator[str]:
    """What was compared, how far it holds, and where it does not."""
    far = result.get("extension") or {}
    numbers = {
        "sequences": far.get("sequences", result.get("sequences")),
        "listed": result.get("inputs"),
        "without label": result.get("without_label"),
        "undecided": _size(result.get("undecided")),
        "exceptions": _size(result.get("exceptions")),
        "rule's exceptions": _size((result.get("rule") or {}).get("exceptions")),
        "horizon": far.get("horizon", result.get("horizon")),
        "margin": result.get("margin"),
        "size": result.get("size"),
    }
    for row in far.get("growth") or ():
        numbers |= {"reached": row["length"], "classes": row["nodes"], "boxes": row["boxes"]}
    for name, number in numbers.items():
        if number not in (None, 0):
            yield f"{name} {number:.4g}" if isinstance(number, float) else f"{name} {number}"
    claims = [claim if isinstance(claim, str) else claim["sentence"] for claim in result.get("claims") or ()]
    yield from dict.fromkeys(map(_claimed, claims))
    broken = far.get("broken") or result.get("broken")
    if broken:
        yield f"broken at {broken.get('sequence', broken.get('inputs'))!r}"


def _claimed(sentence: str) -> str:
    """How many sequences a claim is about."""
    found = re.search(r"on all (?:(.*?) )?(sequences|pairs).*? of length (\d+(?: to \d+| or more)?)", sentence)
    return f"all {found[1] or 'the'} {found[2]} of length {found[3]}" if found else sentence


def _size(items: object) -> int | None:
    return len(items) if isinstance(items, list) else None


def _body(source: str) -> str:
    """A program on one line, without its docstring."""
    if not source:
        return ""
    (function,) = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    if ast.get_docstring(function) is not None:
        function.body = function.body[1:]
    return " ; ".join(line.rstrip() for line in ast.unparse(function).splitlines())
