"""Circuits that counting proves: shipped ones with programs of theirs, and random ones of which one layer attends."""

from __future__ import annotations

from random_circuits import random_circuit, with_kept

from cegis import Domain, Program, motifs
from tasks.formats.circuit_folder import load_circuit, shipped_path
from tasks.networks.circuit import Circuit
from tasks.proofs.counting import CountingVerifier, counting_verifier

COUNTED = ("bracket_depth", "bracket_depth_deep", "bracket_dilution", "quote_closing")
DEPTH = "    return ']]' if tokens.count('[') - tokens.count(']') >= 2 else ']'"  # bracket_depth
OPENER = """    return "'" if "'" in tokens else '"'"""  # quote_closing, up to length 29
DILUTED = """    if 2 * (3 * (5 * tokens.count('"'))) > len(tokens):
        return '"'
    return '"' if tokens[-1] == '"' else "'"
"""  # quote_closing, at every length


def shipped(name: str) -> Circuit:
    """The shipped circuit of this name."""
    return load_circuit(shipped_path(name))


def up_to(circuit: Circuit, longest: int) -> Domain:
    """The circuit's own domain with another longest length."""
    return Domain(circuit.domain.alphabet, circuit.domain.min_length, longest, circuit.domain.constraint)


def program(circuit: Circuit, body: str) -> Program:
    """The program with this body, over the tokens and labels of ``circuit``."""
    return Program.parse(f"def program(tokens):\n{body}", motifs(circuit.domain.alphabet, circuit.labels))


def verifier(circuit: Circuit, domain: Domain, **options: float) -> CountingVerifier:
    """The verifier by counting, of a circuit that has one."""
    found = counting_verifier(circuit, domain, **options)
    assert isinstance(found, CountingVerifier), found
    return found


def one_hop(seed: int, layer: int = 0, prefix: tuple[str, ...] = ("<s>",), **options: object) -> Circuit:
    """A random circuit of which only ``layer`` attends."""
    circuit = random_circuit(seed, prefix=prefix, **options)
    others = set(range(circuit.network.config.n_layer)) - {layer}
    return with_kept(circuit, {f"{other}.attn.resid_delta": False for other in others})
