"""Learned motifs as a JSON file that people can read, write and compare: schema ``motifs/1``.

    {
      "schema": "motifs/1",
      "about": "12 programs, ...",                       in words, for readers
      "motifs": [
        {
          "name": "motif 1",                             different from all others; no quotes, no underscore alone
          "nonterminal": "Number",                       what it is one more production of
          "tokens": 2,                                   the first parameters: tokens, all different
          "takes": ["Mask"],                             nonterminals of the others
          "body": ["minus", ["count _", "$0"], ...],     a family, its tokens, its arguments; "$k": a parameter, from 0
          "uses": 5,                                     how often it stands in the corpus
          "example": "tokens.count('(') - ..."           its text at tokens of the corpus, for readers
        }
      ],
      "uses": {"Number": {"count _": 7, ...}}            how often a nonterminal became a family; {}: keep all costs
    }

Nothing in it is ever run: a body is names of operators that the grammar must have already. What does not fit is one
GrammarError with the place in the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dsl.abstraction.learned import Body, Learned, Motif
from dsl.operators import GrammarError
from dsl.sequences import shown

SCHEMA = "motifs/1"
MOTIFS = ".json"  # how the name of such a file ends
KEYS = {"schema", "about", "motifs", "uses"}
MOTIF_KEYS = {"name", "nonterminal", "tokens", "takes", "body", "uses", "example"}
MOST_BYTES, MOST_MOTIFS, MOST_PARAMETERS, MOST_NODES, DEPTH, LONGEST = 1 << 20, 200, 8, 200, 40, 1000


def write_motifs(learned: Learned, path: Path) -> None:
    """Write the file; raises GrammarError where that cannot be done."""
    motifs = [
        {
            "name": motif.name,
            "nonterminal": motif.nonterminal,
            "tokens": motif.tokens,
            "takes": list(motif.takes),
            "body": _listed(motif.body),
            "uses": motif.uses,
            "example": motif.example,
        }
        for motif in learned.motifs
    ]
    parts = [
        f' "schema": {json.dumps(SCHEMA)}',
        f' "about": {json.dumps(learned.about, ensure_ascii=False)}',
        ' "motifs": [' + ",".join(f"\n  {json.dumps(motif, ensure_ascii=False)}" for motif in motifs) + "\n ]",
        f' "uses": {json.dumps({name: dict(of) for name, of in learned.uses.items()}, ensure_ascii=False)}',
    ]
    try:
        path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    except OSError as error:
        raise GrammarError(f"cannot write {path}: {error.strerror or error}") from error


def read_motifs(path: Path) -> Learned:
    """The motifs of a file; raises GrammarError, with the place, for what is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GrammarError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > MOST_BYTES:
        raise GrammarError(f"{path}: expected at most {MOST_BYTES >> 20} MB of motifs, got {len(content):,} bytes")
    try:
        value = json.loads(content, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise GrammarError(f"{path}: expected JSON of the schema {SCHEMA}: {error}") from None
    try:
        return _learned(value)
    except _Unfit as error:
        raise GrammarError(f"{path}: {error}") from None


class _Unfit(Exception):  # noqa: N818 (becomes a GrammarError that names the file)
    """What is wrong, and where."""


def _expect(holds: object, where: str, expected: str, got: object) -> None:
    if not holds:
        raise _Unfit(f"{where}: expected {expected}, got {shown(got)}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def _learned(value: Any) -> Learned:
    _expect(isinstance(value, dict), "the file", "an object", value)
    _expect(value.get("schema") == SCHEMA, "schema", f"{SCHEMA!r}; learn again with this version", value.get("schema"))
    _expect(value.keys() == KEYS, "the file", f"the keys {', '.join(sorted(KEYS))}", sorted(value))
    _expect(_is_text(value["about"]), "about", "a text", value["about"])
    rows = value["motifs"]
    _expect(isinstance(rows, list) and len(rows) <= MOST_MOTIFS, "motifs", f"a list of at most {MOST_MOTIFS}", rows)
    motifs = tuple(_motif(row, f"motif {place}") for place, row in enumerate(rows, 1))
    names = [motif.name for motif in motifs]
    _expect(len({*names}) == len(names), "motifs", "different names", names)
    uses = value["uses"]
    _expect(isinstance(uses, dict), "uses", "an object", uses)
    for name, families in uses.items():
        _expect(isinstance(families, dict), f"uses of {name}", "an object", families)
        for family, number in families.items():
            _expect(_is_whole(number), f"uses of {name}, {family}", "a whole number", number)
    return Learned(motifs, uses, value["about"])


def _motif(row: Any, where: str) -> Motif:
    _expect(isinstance(row, dict), where, "an object", row)
    _expect(row.keys() == MOTIF_KEYS, where, f"the keys {', '.join(sorted(MOTIF_KEYS))}", sorted(row))
    name, takes, tokens = row["name"], row["takes"], row["tokens"]
    is_name = _is_text(name) and name and name.isprintable() and not {*"'\"_\\"} & {*name}
    _expect(is_name, f"{where}, name", "a printable text without quotes and underscores", name)
    where = f"{where} ({name})"
    _expect(_is_text(row["nonterminal"]), f"{where}, nonterminal", "a text", row["nonterminal"])
    _expect(_is_text(row["example"]), f"{where}, example", "a text", row["example"])
    _expect(_is_whole(row["uses"]), f"{where}, uses", "a whole number", row["uses"])
    _expect(isinstance(takes, list) and all(map(_is_text, takes)), f"{where}, takes", "a list of texts", takes)
    fits = _is_whole(tokens) and tokens + len(takes) <= MOST_PARAMETERS
    _expect(fits, f"{where}, tokens", f"a whole number, of at most {MOST_PARAMETERS} parameters in all", tokens)
    body = _body(row["body"], f"{where}, body", DEPTH)
    _expect(not isinstance(body, str), f"{where}, body", "a list that begins with the name of an operator", row["body"])
    parts = list(_walked(body, tokens))
    _expect(len(parts) <= MOST_NODES, f"{where}, body", f"at most {MOST_NODES} parts", len(parts))
    places = {place for place, _ in parts if place is not None}
    expected = {*range(tokens + len(takes))}
    _expect(places == expected, f"{where}, body", f"each of the parameters {sorted(expected)}", sorted(places))
    as_tokens = {place for place, is_token in parts if place is not None and is_token}
    as_terms = {place for place, is_token in parts if place is not None and not is_token}
    fits = as_tokens == {*range(tokens)} and not as_tokens & as_terms
    _expect(fits, f"{where}, body", f"the first {tokens} parameters, and no other, in the place of tokens", row["body"])
    return Motif(name, row["nonterminal"], tokens, tuple(takes), body, row["uses"], row["example"])


def _body(value: Any, where: str, depth: int) -> Body:
    if isinstance(value, str):
        is_parameter = value[:1] == "$" and value[1:].isascii() and value[1:].isdecimal() and len(value) < 4
        _expect(is_parameter, where, "$0, $1, ... or a list that begins with the name of an operator", value)
        return value
    _expect(isinstance(value, list) and value and _is_text(value[0]), where, "a list that begins with a name", value)
    _expect(depth > 0, where, f"at most {DEPTH} lists in one another", value[0])
    holes = value[0].count("_")
    _expect(len(value) > holes, where, f"{holes} tokens behind {value[0]!r}", value)
    for token in value[1 : 1 + holes]:
        _expect(isinstance(token, str), where, f"parameters as the tokens of {value[0]!r}", token)
    return (value[0], *(_body(part, where, depth - 1) for part in value[1:]))


def _walked(body: Body, tokens: int, is_token: bool = False) -> Iterator[tuple[int | None, bool]]:
    """Every part of a body: which parameter it is, if it is one, and whether it stands in the place of a token."""
    if isinstance(body, str):
        yield int(body[1:]), is_token
        return
    family, *parts = body
    assert isinstance(family, str)
    yield None, False
    holes = family.count("_")
    for place, part in enumerate(parts):
        yield from _walked(part, tokens, place < holes)


def _listed(body: Body) -> Any:
    return body if isinstance(body, str) else [body[0], *map(_listed, body[1:])]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST


def _is_whole(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**31
