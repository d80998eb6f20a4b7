"""The networks that the suite "programs" asks about: a family each, where its folders come from, and what is known.

    cases      compiled from RASP by others: the folders tracr and interpbench below a folder that the user names
    one token  compiled here from functions of one token, drawn from a seed (``one_token``)
    sequence   compiled here from functions of places, neighbours, counts and order (``sequence_networks``)
    trained    small networks trained on algorithms (``python -m benchmarks train``)
    gpt2       trained by others on languages, to length 12: the folder gpt2 below the one that the user names
    shipped    the five circuits of this project

A family whose folder is missing is left out with a reason, never silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.row import BenchmarkError, digest
from benchmarks.inputs import one_token, sequence_networks
from tasks.formats.circuit_folder import shipped_names, shipped_path

CASES, ONE_TOKEN, SEQUENCE, TRAINED, GPT2, SHIPPED = "cases", "one token", "sequence", "trained", "gpt2", "shipped"
FAMILIES = (CASES, ONE_TOKEN, SEQUENCE, TRAINED, GPT2, SHIPPED)
HUNDRED = 100  # functions of one token
MARK, WEIGHTS = "case.json", "model.safetensors"


@dataclass(frozen=True)
class Asked:
    """A network by what ``distill run`` takes: ``where`` is a folder or a shipped name, ``options`` are the others.

    ``known``: an expression that a person would write, "" where none is known; ``is_table``: nothing shorter than a
    table is. ``content``: the digest of its files.
    """

    family: str
    name: str
    where: str
    content: str
    options: tuple[str, ...] = ()
    known: str = ""
    is_table: bool = False


def networks(
    families: Sequence[str],
    cases: Path | None,
    trained: Path | None,
    made: Path,
    *,
    seed: int = 0,
    count: int = HUNDRED,
) -> tuple[tuple[Asked, ...], Mapping[str, str]]:
    """The networks of ``families``, and why families are left out; compiled ones are written below ``made``."""
    unknown = [family for family in families if family not in FAMILIES]
    if unknown:
        raise BenchmarkError(f"expected families among {', '.join(FAMILIES)}, got {unknown[0]!r}")
    found: list[Asked] = []
    left_out = {}
    for family in families or FAMILIES:
        match family:
            case "cases" | "gpt2":
                own = () if cases is None else _others(family, cases)
                why = "no --cases-dir was given" if cases is None else f"nothing below {cases}"
            case "trained":
                own = () if trained is None else _folders(TRAINED, trained, trained)
                why = "no --trained folder was given" if trained is None else f"nothing below {trained}"
            case "one token":
                own, why = _one_token(made / "one_token", seed, count), ""
            case "sequence":
                own, why = _sequence(made / "sequence", seed), ""
            case _:
                own, why = _shipped(), ""
        found += own
        if not own:
            left_out[family] = why
    return tuple(found), left_out


def _others(family: str, cases: Path) -> tuple[Asked, ...]:
    names = ("gpt2",) if family == GPT2 else ("tracr", "interpbench")
    options = ("--length", "12") if family == GPT2 else ()
    return tuple(asked for name in names for asked in _folders(family, cases / name, cases, options))


def _folders(family: str, folder: Path, root: Path, options: tuple[str, ...] = ()) -> tuple[Asked, ...]:
    found = sorted(path.parent for path in folder.rglob(MARK) if (path.parent / WEIGHTS).is_file())
    return tuple(Asked(family, path.relative_to(root).as_posix(), str(path), content(path), options) for path in found)


def _one_token(folder: Path, seed: int, count: int) -> tuple[Asked, ...]:
    made = [(drawn, drawn.save(folder)) for drawn in one_token.drawn(seed, count)]
    return tuple(
        Asked(ONE_TOKEN, drawn.name, str(path), content(path), known=drawn.expression, is_table=drawn.is_table)
        for drawn, path in made
    )


def _sequence(folder: Path, seed: int) -> tuple[Asked, ...]:
    made = [(drawn, drawn.save(folder)) for drawn in sequence_networks.drawn(seed)]
    return tuple(Asked(SEQUENCE, drawn.name, str(path), content(path)) for drawn, path in made)


def _shipped() -> tuple[Asked, ...]:
    return tuple(Asked(SHIPPED, name, name, content(shipped_path(name))) for name in shipped_names())


def content(folder: Path) -> str:
    """The digest of a folder's files."""
    return digest(b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()))
