"""Plain enumeration, as the baseline: run a circuit on every sequence of a length, in float32, without error bounds.

Every prefix is computed once: rows carry the keys and values of their path, and grow by one token at a time, depth
first in blocks. It is the formula of ``tasks.networks.sparse_transformer`` in numpy with BLAS underneath; blocks that
are ablated as a whole are constants. Nothing is proved: the labels are what this machine rounded to. Its cost is the
number of prefixes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from cegis import Program
from cegis.domain import DEAD, Domain, Tokens
from dsl.sequences import SequenceBatch
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import FINAL_SITE, NetworkError

ROWS = 4096  # prefixes that grow together
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Prefixes:
    """Some prefixes of one length: tokens of the sequence so far (rows, length), the constraint's state of each, and
    per layer the keys and values of its whole prompt, (rows, positions, heads, d_head); ``x``: (rows, d_model)."""

    tokens: Tokens
    states: NDArray[np.int64]
    caches: tuple[tuple[Rows, Rows], ...]
    x: Rows


def sweep(circuit: Circuit, domain: Domain, length: int) -> Iterator[tuple[Tokens, NDArray[np.int8]]]:
    """Every sequence of ``length`` of ``domain``, in blocks, with the index of its label (the argmax)."""
    config = circuit.network.config
    if config.positions and len(circuit.prefix) + length > config.block_size:
        raise NetworkError(
            f"{circuit.name}: sequences of {length} tokens do not fit its block_size of {config.block_size}"
        )
    run = _Forward(circuit)
    blank = np.zeros((1, 0, config.n_head, config.d_head), np.float32)
    caches = tuple((blank, blank) for _ in range(config.n_layer))
    start = Prefixes(np.zeros((1, 0), np.int8), np.zeros(1, np.int64), caches, np.zeros((1, 0), np.float32))
    for position, token in enumerate(circuit.prefix):
        ids = np.array([circuit.vocabulary.index(token)])
        start = Prefixes(start.tokens, start.states, *run.step(start.caches, ids, np.zeros(1, np.int64), position))
    yield from _grown(run, domain, start, length)


def _grown(run: _Forward, domain: Domain, here: Prefixes, left: int) -> Iterator[tuple[Tokens, NDArray[np.int8]]]:
    if not left:
        accepted = np.ones(len(here.x), bool)
        if domain.constraint is not None:
            accepted = np.array(domain.constraint.accepting)[here.states]
        yield here.tokens[accepted], run.labels(here.x[accepted], here.tokens[accepted])
        return
    letters = np.arange(len(domain.alphabet))
    for first in range(0, len(here.x), max(1, ROWS // len(letters))):
        rows = np.arange(first, min(first + max(1, ROWS // len(letters)), len(here.x)))
        parents, tokens = np.repeat(rows, len(letters)), np.tile(letters, len(rows))
        states = here.states[parents]
        if domain.constraint is not None:
            states = np.array(domain.constraint.transitions)[states, tokens]
        alive = states != DEAD
        parents, tokens, states = parents[alive], tokens[alive], states[alive]
        grown = run.step(here.caches, run.ids[tokens], parents, run.before + here.tokens.shape[1])
        words = np.hstack([here.tokens[parents], tokens[:, None].astype(np.int8)])
        yield from _grown(run, domain, Prefixes(words, states, *grown), left - 1)


class _Forward:
    """The circuit, one position at a time."""

    def __init__(self, circuit: Circuit) -> None:
        self.config, self._circuit, self._w = circuit.network.config, circuit, circuit.network.tensors
        self.before = len(circuit.prefix)
        self.ids = np.array([circuit.vocabulary.index(token) for token in circuit.domain.alphabet])

    def step(
        self, caches: tuple[tuple[Rows, Rows], ...], ids: NDArray[np.int64], parents: NDArray[np.int64], position: int
    ) -> tuple[tuple[tuple[Rows, Rows], ...], Rows]:
        """Keys and values of the longer prefixes, and the residual stream at their last ``position``."""
        w = self._w
        x = w["transformer.wte.weight"][ids]
        if self.config.positions:
            x = x + w["transformer.wpe.weight"][position]
        longer = []
        for layer, (keys, values) in enumerate(caches):
            delta, cache = self._attention(layer, x, keys[parents], values[parents])
            x = x + delta
            x = x + self._mlp(layer, x)
            longer.append(cache)
        return tuple(longer), x

    def labels(self, x: Rows, tokens: Tokens) -> NDArray[np.int8]:
        """The argmax over the labels."""
        columns, w = list(self._circuit.label_ids), self._w
        x = self._norm("transformer.ln_f", self._masked(FINAL_SITE, x))
        logits = x @ w["lm_head.weight"][columns].T + w["final_logits_bias"][columns]
        if self.config.bigram:
            logits = logits + w["bigram_table"][self.ids[tokens[:, -1]]][:, columns]
        winners: NDArray[np.int8] = logits.argmax(axis=1).astype(np.int8)
        return winners

    def _attention(self, layer: int, x: Rows, keys: Rows, values: Rows) -> tuple[Rows, tuple[Rows, Rows]]:
        at, config = f"transformer.h.{layer}.attn.", self.config
        site = f"{layer}.attn.resid_delta"
        if not self._circuit.kept[site].any():
            return self._circuit.means[site], (keys[:, :0], values[:, :0])
        u = self._node(f"{layer}.attn.act_in", "attn_in", self._norm(f"transformer.h.{layer}.ln_1", x))
        qkv = np.split(self._affine(f"{at}c_attn", u), 3, axis=1)
        q, k, v = (
            self._node(f"{layer}.attn.{name}", f"attn_{name}", part).reshape(len(x), config.n_head, config.d_head)
            for name, part in zip("qkv", qkv, strict=True)
        )
        keys, values = (np.concatenate([old, new[:, None]], axis=1) for old, new in ((keys, k), (values, v)))
        scores = np.einsum("rhd,rphd->rhp", q, keys) * np.float32(config.score_scale)
        top = scores.max(axis=2, keepdims=True)
        shares = np.exp(scores - top)
        total = shares.sum(axis=2, keepdims=True)
        if config.sink:
            total = total + np.exp(self._w[f"{at}attn_imp.sink_logit"][:, None] - top)
        y = np.einsum("rhp,rphd->rhd", shares / total, values).reshape(len(x), -1)
        return self._node(site, "attn_out", self._affine(f"{at}c_proj", y)), (keys, values)

    def _mlp(self, layer: int, x: Rows) -> Rows:
        at, site = f"transformer.h.{layer}.", f"{layer}.mlp.resid_delta"
        if not self._circuit.kept[site].any():
            return self._circuit.means[site]
        u = self._node(f"{layer}.mlp.act_in", "mlp_in", self._norm(f"{at}ln_2", x))
        h = self._affine(f"{at}mlp.c_fc", u)
        gelu = self.config.activation == "gelu"
        h = h * np.float32(0.5) * (1 + erf(h * np.float32(0.5**0.5))) if gelu else np.maximum(h, 0)
        h = self._node(f"{layer}.mlp.post_act", "mlp_neuron", h)
        return self._node(site, "mlp_out", self._affine(f"{at}mlp.c_proj", h))

    def _affine(self, name: str, x: Rows) -> Rows:
        result: Rows = x @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"]
        return result

    def _norm(self, name: str, x: Rows) -> Rows:
        if self.config.norm == "layer":
            x = x - x.mean(axis=1, keepdims=True)
        size = np.sqrt(np.square(x).mean(axis=1, keepdims=True) + np.float32(self.config.norm_eps))
        normed: Rows = x / size * self._w[f"{name}.weight"]
        return normed + self._w[f"{name}.bias"] if self.config.norm == "layer" else normed

    def _node(self, site: str, top_k_site: str, x: Rows) -> Rows:
        """AbsTopK, then the mask."""
        k = self.config.top_k(top_k_site, x.shape[1])
        if k is not None and k < x.shape[1]:
            losers = np.argpartition(np.abs(x), x.shape[1] - k, axis=1)[:, : x.shape[1] - k]
            x = x.copy()
            np.put_along_axis(x, losers, np.float32(0), axis=1)
        return self._masked(site, x)

    def _masked(self, site: str, x: Rows) -> Rows:
        return np.where(self._circuit.kept[site], x, self._circuit.means[site])


def count_wrong(circuit: Circuit, domain: Domain, length: int, program: Program) -> tuple[int, int]:
    """On how many sequences of ``length`` the program's label is another, of how many."""
    wrong = seen = 0
    for tokens, labels in sweep(circuit, domain, length):
        if len(tokens):
            wrong += int((program.run(SequenceBatch(tokens)) != labels).sum())
            seen += len(tokens)
    return wrong, seen
