"""``distill list`` and ``distill show NETWORK``: what is shipped, and what a network is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tasks.commands.question import asks


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_circuits(as_json: bool) -> None:
    """List the shipped circuits."""
    from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path

    circuits = [load_circuit(shipped_path(name)) for name in shipped_names()]
    if as_json:
        click.echo(json.dumps([{"name": c.name, "summary": c.summary} for c in circuits], ensure_ascii=False, indent=2))
        return
    width = max(len(circuit.name) for circuit in circuits)
    for circuit in circuits:
        click.echo(f"{circuit.name:<{width}}  {circuit.summary}")


@click.command()
@click.argument("network")
@asks
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def show(network: str, as_json: bool, **question: Any) -> None:
    """Show NETWORK (a shipped name or a folder): its steps and weights, a circuit's nodes, prompt, read-out, domain.

    Of a folder of several networks, such as a download, it lists them, and how to run one.
    """
    from tasks.commands.question import ask, streams_asked
    from tasks.formats.circuit_folder import load_circuit
    from tasks.networks.quoting import json_text, shown_lines
    from tasks.networks.summary import circuit_json, circuit_text, model_json, model_text, streams_json, streams_text

    if (listed := _networks(network)) is not None:
        entries = [{"folder": str(place), "format": kind} for place, kind in listed]
        click.echo(json_text(entries) if as_json else shown_lines(_listing(network, listed)))
        return
    streams = None if any(question.values()) else streams_asked(network, None)
    if streams is not None:
        click.echo(json_text(streams_json(streams[0])) if as_json else shown_lines(streams_text(streams[0])))
        return
    asked = ask(network, **question)
    if asked.model.format == "circuit" and not any(question.values()):
        circuit = load_circuit(asked.folder)
        value, text = circuit_json(circuit), circuit_text(circuit)
    else:
        value, text = model_json(asked.model), model_text(asked.model)
    click.echo(json_text(value) if as_json else shown_lines(text))


def _networks(network: str) -> tuple[tuple[Path, str], ...] | None:
    """The networks inside a folder that is none itself; None for anything else."""
    from tasks.formats.circuit_folder import shipped_names
    from tasks.formats.detect import FORMATS, inside

    root = Path(network)
    if network in shipped_names() or not root.is_dir() or any(known.fits(root) for known in FORMATS):
        return None
    return inside(root) or None


def _listing(root: str, found: tuple[tuple[Path, str], ...]) -> str:
    width = max(len(str(place)) for place, _ in found)
    lines = [f"{root}: {len(found)} networks inside"]
    lines += [f"  {place!s:<{width}}  {kind}" for place, kind in found]
    return "\n".join(
        [*lines, f"show one with: distill show {found[0][0]}", f"run it with:   distill run {found[0][0]}"]
    )
