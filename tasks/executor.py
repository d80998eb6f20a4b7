"""Run a circuit on many sequences at once in float64, every logit with a rigorous radius (``ball``).

The formula is that of ``tasks/network.py``; at every site AbsTopK acts first, then the node mask. Two
things keep it fast:

* *Prefix tree.* Attention is causal, so a position depends only on the tokens up to it. All prompts, of all lengths,
  are one tree of prefixes, and every prefix is computed once.
* *Classes.* Prefixes that must behave alike form a class, computed on one representative. At first the class is the
  token (with its position, if the network has positions). Attention without positions is a symmetric function of the
  multiset of keys and values, so after an attention layer the class of a prefix is its own class with the multiset of
  the classes along its path. Where attention adds a constant (no node of ``attn.resid_delta`` is kept) classes stay.
  Merging is thus by structure, never by comparing numbers.

What is ablated is left out where all it computes is finite (``magnitudes``), else bounded, too: where an execution
may have infinity or NaN in some row, be it ablated, nothing is known of the prompts with that row.

Nothing is imported from torch, so the torch model can check this file. It chooses no label; see ``labelling``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks import ball
from tasks.ball import Affine, Ball
from tasks.circuit import Circuit
from tasks.formats.sparse import sparse_transformer
from tasks.magnitudes import is_finite
from tasks.network import FINAL_SITE, NetworkError

Ids = NDArray[np.int64]

CHUNK_VALUES = 2_000_000  # numbers per temporary array


class Level(NamedTuple):
    """All prefixes of one length: ``parent`` indexes the level above, ``token`` is a vocabulary id."""

    parent: Ids
    token: Ids


@dataclass(frozen=True)
class Tree:
    """The prefixes of some batches of prompts. ``levels[n]`` holds the prefixes of n + 1 tokens.

    ``ends[i]``, for batch i, is (level, index of each whole prompt within that level).
    """

    levels: tuple[Level, ...]
    ends: tuple[tuple[int, Ids], ...]

    @classmethod
    def of(cls, batches: Sequence[Ids]) -> Tree:
        """The tree of several batches of prompts; each batch: (prompts, length) vocabulary ids, length >= 1."""
        at = [np.zeros(len(batch), np.int64) for batch in batches]
        levels: list[Level] = []
        for position in range(max((batch.shape[1] for batch in batches), default=0)):
            longer = [i for i, batch in enumerate(batches) if batch.shape[1] > position]
            token = np.concatenate([batches[i][:, position] for i in longer])
            width = int(token.max(initial=0)) + 1
            keys, index = np.unique(np.concatenate([at[i] for i in longer]) * width + token, return_inverse=True)
            levels.append(Level(keys // width, keys % width))
            for i, part in zip(longer, np.split(index, np.cumsum([len(at[i]) for i in longer])[:-1]), strict=True):
                at[i] = part
        return cls(tuple(levels), tuple((batch.shape[1] - 1, ends) for batch, ends in zip(batches, at, strict=True)))


@dataclass(frozen=True)
class State:
    """The residual stream, one row per class: ``x`` (classes, d_model), the last token of each, and who is in it.

    ``members[n][i]`` is the class of prefix i of level n.
    """

    x: Ball
    token: Ids
    members: tuple[Ids, ...]


class Groups(NamedTuple):
    """Prefixes of one length merged into classes: one representative each, given by the old classes on its path."""

    own: Ids  # (groups,)
    path: Ids  # (groups, keys), in an order of no meaning


def is_tame(circuit: Circuit, u: float) -> bool:
    """Whether no execution has infinity or NaN anywhere, so that what is ablated may be left out."""
    known: dict[float, bool] = vars(circuit).setdefault("_is_tame", {})  # found once for a circuit
    if u not in known:
        known[u] = is_finite(sparse_transformer(circuit.network, circuit.kept, circuit.means), u)
    return known[u]


class Executor:
    """A circuit ready to run with unit roundoff ``u``; ``merge=False`` computes every prefix by itself."""

    def __init__(self, circuit: Circuit, unit_roundoff: float, *, merge: bool = True) -> None:
        ball.check_roundoff(unit_roundoff)
        self._circuit, self._config, self._u, self._merge = circuit, circuit.network.config, unit_roundoff, merge
        self._tensors = {name: tensor.astype(np.float64) for name, tensor in circuit.network.tensors.items()}
        self._is_tame = is_tame(circuit, unit_roundoff)
        self._labels = list(circuit.label_ids)
        rows = self._labels if self._is_tame else list(range(self._config.vocab_size))
        self._affine = {
            name.removesuffix(".weight"): Affine.of(self._tensors[name], self._tensors[f"{name[:-6]}bias"])
            for name in self._tensors
            if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
        }
        self._head = Affine.of(self._tensors["lm_head.weight"][rows], self._tensors["final_logits_bias"][rows])

    def logits(self, tree: Tree) -> tuple[Ball, tuple[Ids, ...]]:
        """Label logits (classes, labels), and per batch of the tree the class of every prompt."""
        state = self._embed(tree)
        for layer in range(self._config.n_layer):
            state = self._block(layer, tree, state)
        parts = [self._read(state.x[rows], state.token[rows]) for rows in _chunks(len(state.x), self._config.d_model)]
        bounds = Ball.join(parts)
        lost = bounds.is_lost
        if not lost.any():
            return bounds, tuple(state.members[level][index] for level, index in tree.ends)
        nothing = Ball(np.zeros((1, len(self._labels))), np.full((1, len(self._labels)), np.inf))
        return Ball.join([bounds, nothing]), _spoilt(tree, state.members, lost)

    def _embed(self, tree: Tree) -> State:
        """Classes of equal token (and position)."""
        vocab = self._config.vocab_size
        codes = [level.token + vocab * n * self._config.positions for n, level in enumerate(tree.levels)]
        unique, members = np.unique(np.concatenate(codes), return_inverse=True)
        if not self._merge:
            unique, members = np.concatenate(codes), np.arange(sum(map(len, codes)))
        token = unique % vocab
        x = Ball.exact(self._tensors["transformer.wte.weight"][token])
        if self._config.positions:
            x = ball.add(x, Ball.exact(self._tensors["transformer.wpe.weight"][unique // vocab]), self._u)
        return State(x, token, tuple(np.split(members, np.cumsum([len(code) for code in codes])[:-1])))

    def _block(self, layer: int, tree: Tree, state: State) -> State:
        """One layer: attention may split classes, the MLP acts on each class."""
        if not self._circuit.kept[f"{layer}.attn.resid_delta"].any():
            x = ball.add(state.x, self._unattended(layer, state.x), self._u)
            parts = [self._mlp(layer, x[rows]) for rows in _chunks(len(state.x), self._config.d_mlp)]
            return State(Ball.join(parts), state.token, state.members)
        q, k, v = self._queries(layer, state.x)
        parts, owners, members, count = [], [], [], 0
        path = np.zeros((1, 0), np.int64)
        for level, own in zip(tree.levels, state.members, strict=True):
            path = np.hstack([path[level.parent], own[:, None]])
            groups, index = _grouped(path, len(state.x)) if self._merge else (Groups(own, path), np.arange(len(own)))
            members.append(index + count)
            owners.append(groups.own)
            count += len(groups.own)
            for rows in _chunks(len(groups.own), groups.path.shape[1] * q.center.shape[1] + self._config.d_mlp):
                x = self._attended(layer, q, k, v, state.x, Groups(groups.own[rows], groups.path[rows]))
                parts.append(self._mlp(layer, x))
        return State(Ball.join(parts), state.token[np.concatenate(owners)], tuple(members))

    def _unattended(self, layer: int, x: Ball) -> Ball:
        """What attention adds where no node of it is kept: the means, unless what it computes may not be finite."""
        constant = self._ablated(f"{layer}.attn.resid_delta")
        if self._is_tame:
            return constant
        parts, out = self._queries(layer, x), self._affine[f"transformer.h.{layer}.attn.c_proj"]
        lost = sum(ball.remains(part.radius, self._u).max(axis=1, keepdims=True) for part in parts)
        weighed = ball.LIMIT * out.absolute.sum(axis=1) + np.abs(out.bias)  # values are below the limit
        return Ball(constant.center, constant.radius + lost + (0.0 if (weighed < 2.0**120).all() else np.inf))

    def _queries(self, layer: int, x: Ball) -> tuple[Ball, Ball, Ball]:
        """Queries, keys and values of every class: (classes, heads * d_head) each."""
        width = self._config.n_head * self._config.d_head
        parts: tuple[list[Ball], ...] = ([], [], [])
        for rows in _chunks(len(x), 3 * width):
            u = self._node(f"{layer}.attn.act_in", "attn_in", self._norm(f"transformer.h.{layer}.ln_1", x[rows]))
            qkv = ball.affine(u, self._affine[f"transformer.h.{layer}.attn.c_attn"], self._u)
            for n, name in enumerate("qkv"):
                piece = qkv[:, n * width : (n + 1) * width]
                parts[n].append(self._node(f"{layer}.attn.{name}", f"attn_{name}", piece))
        return Ball.join(parts[0]), Ball.join(parts[1]), Ball.join(parts[2])

    def _attended(self, layer: int, q: Ball, k: Ball, v: Ball, x: Ball, groups: Groups) -> Ball:
        """The residual stream after attention, for these groups: (groups, d_model)."""
        config, at = self._config, f"transformer.h.{layer}.attn."
        sink = self._tensors[f"{at}attn_imp.sink_logit"] if config.sink else None
        q, k, v = (part.heads(config.d_head) for part in (q[groups.own], k[groups.path], v[groups.path]))
        y = ball.attend(q, k, v, config.score_scale, sink, self._u)
        flat = Ball(y.center.reshape(len(y), -1), y.radius.reshape(len(y), -1))
        delta = ball.affine(flat, self._affine[f"{at}c_proj"], self._u)
        return ball.add(x[groups.own], self._node(f"{layer}.attn.resid_delta", "attn_out", delta), self._u)

    def _mlp(self, layer: int, x: Ball) -> Ball:
        """The residual stream after the MLP."""
        site, at = f"{layer}.mlp.resid_delta", f"transformer.h.{layer}."
        if self._is_tame and not self._circuit.kept[site].any():
            return ball.add(x, self._ablated(site), self._u)
        u = self._node(f"{layer}.mlp.act_in", "mlp_in", self._norm(f"{at}ln_2", x))
        h = ball.affine(u, self._affine[f"{at}mlp.c_fc"], self._u)
        h = ball.gelu(h, self._u) if self._config.activation == "gelu" else ball.relu(h)
        h = self._node(f"{layer}.mlp.post_act", "mlp_neuron", h)
        delta = ball.affine(h, self._affine[f"{at}mlp.c_proj"], self._u)
        return ball.add(x, self._node(site, "mlp_out", delta), self._u)

    def _read(self, x: Ball, token: Ids) -> Ball:
        """Label logits."""
        x = ball.select(self._circuit.kept[FINAL_SITE], x, self._ablated(FINAL_SITE), self._u)
        logits = ball.affine(self._norm("transformer.ln_f", x), self._head, self._u)
        if self._config.bigram:
            rows = self._tensors["bigram_table"][token]
            logits = ball.add(logits, Ball.exact(rows[:, self._labels] if self._is_tame else rows), self._u)
        if self._is_tame:
            return logits
        others = ball.remains(logits.radius, self._u).max(axis=1, keepdims=True)
        return Ball(logits.center[:, self._labels], logits.radius[:, self._labels] + others)

    def _norm(self, name: str, x: Ball) -> Ball:
        gain, eps = self._tensors[f"{name}.weight"], self._config.norm_eps
        if self._config.norm == "rms":
            return ball.rms_norm(x, gain, eps, self._u)
        return ball.layer_norm(x, gain, self._tensors[f"{name}.bias"], eps, self._u)

    def _node(self, site: str, top_k_site: str, x: Ball) -> Ball:
        """AbsTopK, then the mask."""
        k = self._config.top_k(top_k_site, x.center.shape[-1])
        x = x if k is None else ball.abs_top_k(x, k)
        return ball.select(self._circuit.kept[site], x, self._ablated(site), self._u)

    def _ablated(self, site: str) -> Ball:
        return Ball.exact(self._circuit.means[site])


def _spoilt(tree: Tree, members: tuple[Ids, ...], lost: NDArray[np.bool_]) -> tuple[Ids, ...]:
    """Per batch the class of every prompt; that after the last where a row of the prompt is of a class that is lost."""
    spoilt, above = [], np.zeros(1, np.bool_)
    for level, own in zip(tree.levels, members, strict=True):
        above = above[level.parent] | lost[own]
        spoilt.append(np.where(above, len(lost), own))
    return tuple(spoilt[level][index] for level, index in tree.ends)


def prompts(circuit: Circuit, sequences: NDArray[np.int8]) -> Ids:
    """Vocabulary ids of the prompts: (sequences, prefix + length); raises NetworkError where they cannot be run."""
    letters, longest = len(circuit.domain.alphabet), circuit.network.config.block_size - len(circuit.prefix)
    if sequences.ndim != 2 or not np.issubdtype(sequences.dtype, np.integer):
        raise NetworkError(
            f"{circuit.name}: expected sequences as a (count, length) array of alphabet indices, "
            f"got shape {sequences.shape} of {sequences.dtype}"
        )
    if not 0 < sequences.shape[1] + len(circuit.prefix) <= longest + len(circuit.prefix):
        raise NetworkError(
            f"{circuit.name}: expected sequences of {0 if circuit.prefix else 1} to {longest} tokens, "
            f"got {sequences.shape[1]}"
        )
    if sequences.size and (sequences.min() < 0 or sequences.max() >= letters):
        raise NetworkError(
            f"{circuit.name}: expected alphabet indices from 0 to {letters - 1}, "
            f"got {sequences.min()} to {sequences.max()}"
        )
    return circuit.prompt_ids(sequences)


def _grouped(path: Ids, classes: int) -> tuple[Groups, Ids]:
    """Paths merged by their last class and the multiset of the others; and the group of each path."""
    rows = np.hstack([np.sort(path[:, :-1], axis=1), path[:, -1:]])
    key, bound = np.zeros(len(rows), np.int64), 1
    for column in rows.T:
        if bound * classes >= 2**62:  # rename the keys seen so far to small numbers
            key = np.unique(key, return_inverse=True)[1]
            bound = len(rows)
        key, bound = key * classes + column, bound * classes
    _, first, index = np.unique(key, return_index=True, return_inverse=True)
    return Groups(path[first, -1], path[first]), index


def _chunks(rows: int, values_per_row: int) -> Iterator[slice]:
    """Slices of ``range(rows)`` small enough for temporaries of ``values_per_row`` numbers per row."""
    step = max(1, CHUNK_VALUES // values_per_row)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
