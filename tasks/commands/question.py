"""The options that say what is asked of a network, the same for every command, and the network they name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tasks.commands.manners import json_option, quiet_option, verbose_option

if TYPE_CHECKING:
    from cegis import Domain
    from cegis.lists import Lists
    from cegis.operands import Operands
    from tasks.formats import Loaded
    from tasks.networks.number_streams import NumberStreams

USUAL_LENGTH = 10  # of a circuit's sequences
WHOLE = "whole"  # the network that a circuit was cut from
MOST_LIST = 10_000_000  # bytes of a file of elements
SMALL = 1 << 20  # bytes of a network whose matrices are quicker multiplied by one thread
MOST_SECONDS = 10_000_000  # some 116 days; backends count in milliseconds and refuse much more
Command = TypeVar("Command", bound=Callable[..., Any])
Shown = TypeVar("Shown")

OPTIONS = (
    click.option("--alphabet", help="Tokens a sequence may hold, separated by spaces.  [default: the folder's own]"),
    click.option("--prefix", help="Tokens before every sequence, such as <bos>.  [default: the folder's own]"),
    click.option("--suffix", help="Tokens behind every sequence.  [default: the folder's own]"),
    click.option("--constraint", help="Regular expression over tokens that every sequence matches."),
    click.option("--readout", type=click.Choice(["argmax", "set", "round"]), help="How logits become a label."),
    click.option("--answers", help="Outputs that are read, separated by spaces."),
    click.option("--task", help="One of the tasks of a folder that has several."),
    click.option(
        "--elements",
        help="FILE.json, a list of what each token stands for, where that is an element of a group: permutations as "
        "texts of digits or lists, residues as lists, matrices as lists of lists.  [default: the folder's own]",
    ),
)
exceptions_option = click.option(
    "--exceptions",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file for every exception, each a line of JSON; the output has the first ones.",
)
against_option = click.option(
    "--against",
    help="A network to compare program and network with, three ways, on all that is listed: a folder, a shipped name, "
    "or whole, for the one that a circuit was cut from, which its folder holds.",
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="Certificate folder.  [default: none is written]"
)
grammar_option = click.option(
    "--grammar",
    help="A language of your own: package.module:NAME, a Grammar or a function (alphabet, labels) that makes one; "
    "importing the module runs its code. Or FILE.json, motifs that distill learn wrote, beside those that ship.  "
    "[default: those alone]",
)


def _with_few_threads(context: click.Context, parameter: click.Parameter, network: str) -> str:
    """One thread for products of matrices where the network is small: starting others costs more than they save.

    numpy reads this when it is imported, which the commands do behind their options.
    """
    if _is_small(Path(network)):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return network


def _is_small(path: Path) -> bool:
    """Whether the files of a network are; a shipped name, which is no path, is one of a small one."""
    if not path.is_dir():
        return not path.exists() or path.stat().st_size <= SMALL
    return sum(part.stat().st_size for part in path.rglob("*") if part.is_file()) <= SMALL


network_argument = click.argument("network", callback=_with_few_threads)


def _with_workers(context: click.Context, parameter: click.Parameter, said: str | None) -> None:
    """Open the workers that are named until the command ends."""
    if said is not None:
        from tasks.bounds.workers import opened

        context.with_resource(opened(said))


workers_option = click.option(
    "--workers",
    expose_value=False,
    callback=_with_workers,
    help="Who lists sequences, bounds boxes, follows states and decides digits: a number of processes, or a Dask "
    "scheduler such as tcp://host:8786.  [default: this process]",
)
operands_option = click.option(
    "--operands",
    help="How a prompt shows two numbers: fields such as digits=10,order=lsb,between=+,after==,answer_digits=11, "
    "several tokens parted by spaces; none for a question about sequences.  [default: the folder's own]",
)
lists_option = click.option(
    "--lists",
    help="How a prompt shows a list that the network answers token by token: fields such as "
    "items=10,answers=10,alphabet=0..50,after=SEP,distinct=yes, several tokens parted by spaces; none for a question "
    "about sequences.  [default: the folder's own]",
)

DISTILLING = (
    click.option("--time-limit", "seconds", default=150.0, show_default=True, help="Seconds for the whole run."),
    click.option(
        "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of search and solver."
    ),
    grammar_option,
    *OPTIONS,
    click.option("--semantics", type=click.Choice(["real", "float32", "float64"]), help="Arithmetic of the claim."),
    click.option(
        "--margin",
        type=float,
        help="Least margin of a label, beyond the error bound.  [default: 0 for circuits, 0.0001 for other networks]",
    ),
    exceptions_option,
    against_option,
    operands_option,
    lists_option,
    workers_option,
    verbose_option,
    quiet_option,
    json_option,
)


def asks(command: Command) -> Command:
    """A command with all of these options."""
    return _with(command, OPTIONS)


def distills(command: Command) -> Command:
    """A command with these and the others of ``distilling.distilled``, but for backend, length and out."""
    return _with(command, DISTILLING)


def _with(command: Command, options: tuple[Callable[[Any], Any], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class Asked:
    """The ``model`` in ``folder``, its domain the sequences that are asked about."""

    model: Loaded
    folder: Path

    def usual(self, text: str | None) -> str | None:
        """The length ``text``; of a circuit ``USUAL_LENGTH``, or as far as it goes, where that is None."""
        if text is not None or self.model.format != "circuit":
            return text
        return str(min(USUAL_LENGTH, self.model.domain.max_length or USUAL_LENGTH))

    def up_to(self, text: str | None) -> tuple[Loaded, Domain | None]:
        """The model and its domain for lengths such as ``10`` or ``1-8``; None for None. Raises ClickException."""
        return (self.model, None) if text is None else self.between(*lengths(text), text)

    def between(self, shortest: int | None, longest: int, text: str) -> tuple[Loaded, Domain]:
        """The same for these lengths, written ``text``; they may be any where there are no positions."""
        from cegis import Domain
        from tasks.proofs.select import LONGEST, room
        from tasks.proofs.verifier import lengthened

        model = self.model
        own = model.domain
        least, limit = own.min_length if shortest is None else shortest, min(room(model, LONGEST), LONGEST)
        if not (own.min_length if shortest is None else 0) <= longest <= limit:
            raise click.ClickException(f"{model.name}: expected lengths from {own.min_length} to {limit:,}, got {text}")
        if longest > (own.max_length or 0):
            model = lengthened(model, Domain(own.alphabet, own.min_length, longest, own.constraint))
        model = replace(model, domain=replace(model.domain, min_length=least))
        domain = model.domain.up_to(longest)
        if not domain.size():
            raise click.ClickException(f"{model.name}: no sequence of length {least} to {longest} is in the domain")
        return model, domain


def ask(
    network: str,
    *,
    alphabet: str | tuple[str, ...] | None = None,
    prefix: str | None = None,
    suffix: str | None = None,
    constraint: str | None = None,
    readout: str | None = None,
    answers: str | None = None,
    task: str | None = None,
    elements: str | None = None,
) -> Asked:
    """NETWORK, a shipped name or a folder in any known format, with what the options say of it."""
    from cegis import Domain
    from tasks.automata.regex import constraint as automaton
    from tasks.formats import Question, load
    from tasks.formats.circuit_folder import circuit_folder

    folder = circuit_folder(network)
    asked = Question(
        alphabet=_split(alphabet),
        prefix=_split(prefix),
        suffix=_split(suffix),
        readout=readout,
        answers=_split(answers),
        task=task,
        elements=None if elements is None else _elements(Path(elements)),
    )
    model = load(folder, asked)
    if constraint is not None:
        own = model.domain
        limited = Domain(own.alphabet, own.min_length, own.max_length, automaton(constraint, own.alphabet))
        model = replace(model, domain=limited)
    return Asked(model, folder)


def _elements(file: Path) -> tuple[Any, ...]:
    """What tokens stand for, from a file; raises ClickException."""
    from tasks.formats.case import elements_of

    try:
        if file.stat().st_size > MOST_LIST:
            raise click.ClickException(f"{file}: expected at most {MOST_LIST:,} bytes")
        found = elements_of(json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise click.ClickException(
            f"--elements: expected a file with a list as JSON, {file} is none ({error})"
        ) from None
    if found is None:
        raise click.ClickException(
            f"--elements: expected in {file} a list of texts, of lists of whole numbers, or of matrices of these"
        )
    return found


def other(asked: Asked, name: str, **question: Any) -> Loaded:
    """The network called ``name``, which ``asked`` is to be compared with, asked about the same sequences.

    ``whole``: the one that the circuit ``asked`` was cut from. What its folder does not say is taken from ``asked``.
    """
    from tasks.formats.circuit_folder import load_circuit
    from tasks.formats.sparse import from_circuit
    from tasks.networks.circuit import whole

    own = asked.model
    if name == WHOLE:
        if own.format != "circuit":
            raise click.ClickException(f"{own.name}: --against {WHOLE} is for circuits' folders; name a folder")
        return replace(own, name=f"{own.name}-whole", network=from_circuit(whole(load_circuit(asked.folder))).network)
    found = ask(name, **{**question, "alphabet": own.domain.alphabet, "constraint": None}).model
    is_open = found.declared.prefix is None and question.get("prefix") is None
    return replace(found, prefix=own.prefix, suffix=own.suffix) if is_open else found


def shown_asked(
    option: str, own: Shown | None, text: str | None, others: tuple[Any, ...], read: Callable[[str], Shown]
) -> Shown | None:
    """What prompts show, of which all is asked about: what ``option`` says, or the folder's ``own`` where none of
    ``others``, the options about other inputs, is given; None for a question about those. Raises ClickException.
    """
    from cegis.domain import DomainError

    is_free = all(value is None for value in others)
    if text is None:
        return own if is_free else None
    if text == "none":
        return None
    if not is_free:
        raise click.ClickException(f"{option} goes with no option about other inputs; leave one of them out")
    try:
        return read(text)
    except DomainError as error:
        raise click.ClickException(f"{option}: {error}") from error


def lists_of(text: str) -> Lists:
    """``items=3,answers=3,alphabet=0..9,after=SEP`` as lists; raises ClickException for anything else."""
    from cegis.lists import Lists

    names = ("alphabet", "items", "answers", "before", "after", "distinct")
    values: dict[str, Any] = {}
    for name, value in _fields("--lists", text, names, "items=10"):
        numbers = re.fullmatch(r"(\d{1,3})\.\.(\d{1,3})", value)
        if name == "alphabet" and numbers:
            values[name] = tuple(map(str, range(int(numbers[1]), int(numbers[2]) + 1)))
        elif name in ("alphabet", "before", "after"):
            values[name] = tuple(value.split())
        elif name == "distinct":
            if value not in ("yes", "no"):
                raise click.ClickException(f"--lists: expected yes or no of distinct, got {value!r}")
            values["is_distinct"] = value == "yes"
        else:
            values[name] = _whole("--lists", name, value)
    missing = [name for name in ("alphabet", "items", "answers") if name not in values]
    if missing:
        raise click.ClickException(f"--lists: expected {missing[0]}, such as items=10,answers=10,alphabet=0..50")
    return Lists(**values)


def streams_asked(network: str, length: str | None) -> tuple[NumberStreams, Path] | None:
    """The network of numbers in the folder that is named, for streams of ``length`` steps; None where it is none."""
    from tasks.formats.circuit_folder import circuit_folder
    from tasks.formats.number_streams import number_streams
    from tasks.networks.sparse_transformer import NetworkError

    try:
        folder = circuit_folder(network)
        found = number_streams(folder)
    except (NetworkError, OSError):
        return None  # whatever it is, it is read, or refused, as any other network
    if length is None:
        return found, folder
    shortest, longest = lengths(length)
    if shortest not in (None, 1):
        return None  # these are sequences: streams have all lengths from 1 on
    if longest < 1:
        raise click.ClickException(f"{found.name}: expected streams of 1 step or more, got a length of {length}")
    return replace(found, length=longest), folder


def operands_of(text: str) -> Operands:
    """``digits=3,between=+,after==`` as operands; raises ClickException for anything else."""
    from dataclasses import fields

    from cegis.operands import Operands

    values: dict[str, Any] = {}
    for name, value in _fields("--operands", text, tuple(field.name for field in fields(Operands)), "digits=10"):
        if name in ("before", "between", "after"):
            values[name] = tuple(value.split())
        elif name in ("order", "answer_order"):
            values[name] = value
        else:
            values[name] = _whole("--operands", name, value)
    return Operands(**values)


def _fields(option: str, text: str, names: tuple[str, ...], example: str) -> Iterator[tuple[str, str]]:
    """``NAME=VALUE,NAME=VALUE`` as pairs, each name one of ``names`` and there once; raises ClickException."""
    met = set[str]()
    for part in text.split(","):
        name, sign, value = part.partition("=")
        name = name.strip()
        if not sign or name not in names or name in met:
            raise click.ClickException(f"{option}: expected fields such as {example}, each once, of {', '.join(names)}")
        met.add(name)
        yield name, value


def _whole(option: str, name: str, value: str) -> int:
    if not value.isdecimal() or len(value) >= 200:
        raise click.ClickException(f"{option}: expected a whole number of {name}, got {value!r}")
    return int(value)


def lengths(text: str) -> tuple[int | None, int]:
    """``8`` as (None, 8), ``1-8`` as (1, 8)."""
    first, dash, second = text.partition("-")
    if not all(part.strip().isdecimal() and len(part) < 10 for part in ((first, second) if dash else (first,))):
        raise click.ClickException(f"expected a length such as 10, or a range such as 1-8, got {text!r}")
    if not dash:
        return None, int(first)
    if int(first) > int(second):
        raise click.ClickException(f"expected a range that rises, such as 1-8, got {text!r}")
    return int(first), int(second)


def check_seconds(seconds: float) -> None:
    """Refuse a time limit that is none."""
    if not 0 < seconds < MOST_SECONDS:
        raise click.ClickException(
            f"expected a time limit of more than 0 seconds and less than {MOST_SECONDS:,}, got {seconds:g}"
        )


def check_margin(margin: float | None) -> None:
    """Refuse a margin that is none."""
    if margin is not None and not 0 <= margin < 1e9:
        raise click.ClickException(f"expected a margin of 0 or more, got {margin:g}")


def _split(text: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The tokens of an option, which spaces part; or those that are parted already."""
    return tuple(text.split()) if isinstance(text, str) else text
