"""``distill prune MODEL``: a small circuit of a whole network that keeps what it does, or what is asked of it.

Exit codes: 0 the circuit is proved to keep it on every sequence, 1 it keeps it on some only, or the run was
interrupted, 2 bad input.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tasks.commands.exits import NOT_PROVED, PROVED
from tasks.commands.manners import Manners, quiet_option
from tasks.commands.question import asks

if TYPE_CHECKING:
    from tasks.commands.question import Asked
    from tasks.networks.circuit import Circuit
    from tasks.pipeline.behaviour import Behaviour

PARTIAL = ".partial"  # behind the name of the folder: where a run notes what it has decided


@click.command()
@click.argument("model")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='Keep these answers: a file with a line {"tokens": [...], "label": ...} for each sequence.',
)
@asks
@click.option(
    "--faithful",
    is_flag=True,
    help="Keep the network's own labels on its domain; so it is where neither --data nor a function is given.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the circuit.  [default: none is written]")
@click.option("--length", help="Longest sequences, or a range such as 1-8.  [default: what can be listed]")
@click.option("--time-limit", "seconds", default=600.0, show_default=True, help="Seconds for the whole run.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the search.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many seeds are tried.")
@click.option("--steps", type=click.IntRange(0), default=600, show_default=True, help="Steps of learning.")
@click.option("--node-cost", default=3e-3, show_default=True, help="Loss that a kept node must be worth in learning.")
@click.option(
    "--margin", default=0.3, show_default=True, help="What an answer must lead by; a tenth of what it led by suffices."
)
@click.option(
    "--edges/--no-edges", default=True, show_default=True, help="Whether edges between nodes are cut as well."
)
@click.option("--whole", is_flag=True, help="Of a circuit's folder: the network it was cut from, not the circuit.")
@quiet_option
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def prune(
    model: str,
    data: Path | None,
    faithful: bool,
    out: Path | None,
    length: str | None,
    seconds: float,
    seed: int,
    seeds: int,
    steps: int,
    node_cost: float,
    margin: float,
    edges: bool,
    whole: bool,
    quiet: bool,
    as_json: bool,
    **question: Any,
) -> int:
    """Prune MODEL, a folder in any known format or a shipped name, to a small circuit that keeps a behaviour.

    The behaviour is --data FILE, --task package.module:NAME (a function from tokens to a label, or an object with
    label and domain; importing the module runs its code), or what the network says itself. Nodes and edges that it
    does not need are replaced by their means; circuit and network are then compared on every sequence. The same
    command goes on after an interrupt, from what it noted in OUT.partial.
    """
    from tasks.commands.progress import observed
    from tasks.commands.question import check_seconds
    from tasks.networks.quoting import json_text, shown, shown_lines
    from tasks.pipeline import prune as pruning
    from tasks.pipeline.behaviour import over

    check_seconds(seconds)
    options = pruning.Options(seed, seeds, steps, node_cost, margin, edges=edges)
    behaviour, question = _behaviour(data, faithful, question)
    asked, source = _asked(model, whole, behaviour, question)
    loaded, domain = replace(asked, model=over(asked.model, behaviour)).up_to(length)
    state = None
    if out is not None:
        pruning.check_saved(loaded, source, out)
        state = out.with_name(out.name + PARTIAL)
    try:
        with observed(Manners(quiet=quiet, as_json=as_json)) as observer:
            found = pruning.prune(
                loaded, behaviour, domain, options=options, seconds=seconds, state=state, observer=observer
            )
    except KeyboardInterrupt:
        more = f"; the same command goes on from what is in {state}" if state is not None else ""
        click.echo(shown(f"distill: interrupted{more}"), err=True)
        return NOT_PROVED
    found = replace(found, source=source)
    if out is not None:
        pruning.save(found, out)
        if found.is_complete and state is not None:
            pruning.forget(state)
    if as_json:
        click.echo(json_text(pruning.pruned_json(found, None if out is None else str(out))))
    else:
        click.echo(shown_lines(pruning.pruned_text(found)))
        written = "none is written (--out FOLDER)" if out is None else f"{out} (go on with: distill run {out})"
        click.echo(f"\n{shown(f'Circuit: {written}')}")
    return PROVED if found.is_kept else NOT_PROVED


def _behaviour(data: Path | None, faithful: bool, question: dict[str, Any]) -> tuple[Behaviour, dict[str, Any]]:
    """What is to be kept, and the question without it."""
    from tasks.commands.user_objects import load
    from tasks.pipeline.behaviour import OWN, from_pairs, from_task

    task = question.get("task")
    function = task if task is not None and ":" in task else None
    if (data is not None) + (function is not None) + faithful > 1:
        raise click.ClickException("expected one behaviour to keep: --data, --task module:NAME, or --faithful")
    if function is not None:
        return from_task(load(function), function), {**question, "task": None}
    return OWN if data is None else from_pairs(data), question


def _asked(model: str, whole: bool, behaviour: Behaviour, question: dict[str, Any]) -> tuple[Asked, Circuit | None]:
    """The network, and the circuit it is or was cut from, if it is one of ours."""
    from tasks.commands.question import ask
    from tasks.formats.circuit_folder import load_circuit
    from tasks.formats.sparse import from_circuit
    from tasks.networks import circuit as circuits
    from tasks.networks.sparse_transformer import NetworkError

    own = behaviour.tokens if question.get("alphabet") is None else None
    try:
        asked = ask(model, **question)
        if own is not None and asked.model.declared.alphabet is None:
            asked = ask(model, **{**question, "alphabet": own})
    except NetworkError:
        if own is None:
            raise
        asked = ask(model, **{**question, "alphabet": own})
    is_circuit = asked.model.format == "circuit"
    if whole and not is_circuit:
        raise click.ClickException(f"{asked.model.name}: --whole is for circuits; this is a whole network")
    source = load_circuit(asked.folder) if is_circuit else None
    if whole and source is not None:
        network = from_circuit(circuits.whole(source)).network
        asked = replace(asked, model=replace(asked.model, name=f"{asked.model.name}-whole", network=network))
    return asked, source
