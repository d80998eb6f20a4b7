"""The five shipped tasks: what each network is asked, the true answer, and how its network is shaped and trained.

The tasks are small versions of those of Gao et al. (2025): close a quote, count brackets, remember a variable's type.
``bracket_dilution`` is made to fail: without a fixed token to compare with, only averages over the context are
available, and the answer drifts as the context grows (the published bracket circuit's "context dilution").
This file trains nothing; ``train`` and ``pruning`` do.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cegis.domain import Constraint, Domain, Tokens
from dsl.showing import brief
from tasks.networks.sparse_transformer import Config, NetworkError

BOS = "BOS"
LONGEST = 16
DEEPEST = 4

Words = tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How to train and prune: ``density`` is the fraction of nonzero weights left per matrix, ``epsilon`` is Adam's,
    ``node_cost`` the loss a kept node must be worth, ``margin`` the logit difference that a circuit must keep.
    """

    seed: int = 0
    steps: int = 2000
    density: float = 0.1
    learning_rate: float = 1e-2
    epsilon: float = 0.1
    batch: int = 128
    prune_steps: int = 600
    node_cost: float = 3e-3
    margin: float = 0.3


@dataclass(frozen=True)
class Task:
    """One question: ``label`` is the true answer on ``domain``; training and pruning see ``taught`` only."""

    name: str
    summary: str
    config: Config
    vocabulary: Words
    prefix: Words
    labels: Words
    domain: Domain
    taught: Domain
    label: Callable[[Words], str]
    recipe: Recipe

    __repr__ = brief

    def answers(self, domain: Domain, sequences: Tokens) -> NDArray[np.int64]:
        """The true label of every sequence, as an index into ``labels``."""
        return np.array([self.labels.index(self.label(domain.words(row))) for row in sequences], dtype=np.int64)


def task(name: str) -> Task:
    """The task called ``name``; raises NetworkError listing the known names for any other."""
    if name not in TASKS:
        raise NetworkError(f"no task is called {name!r}; known: {', '.join(TASKS)}")
    return TASKS[name]()


def batch(asked: Task, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Prompts of one random length of the taught domain, and the index of each one's true label."""
    lengths = [length for length in asked.taught.lengths if asked.taught.count(length)]
    sequences = asked.taught.sample(int(rng.choice(lengths)), asked.recipe.batch, rng)
    return prompts(asked, sequences), torch.from_numpy(asked.answers(asked.taught, sequences))


def prompts(asked: Task, sequences: Tokens) -> Tensor:
    """Vocabulary ids of prefix + sequence, (sequences, prefix + length)."""
    ids = np.array([asked.vocabulary.index(token) for token in asked.domain.alphabet], dtype=np.int64)[sequences]
    prefix = np.array([asked.vocabulary.index(token) for token in asked.prefix], dtype=np.int64)
    return torch.from_numpy(np.hstack([np.tile(prefix, (len(ids), 1)), ids]))


# ---------------------------------------------------------------------------------------------------------- the tasks


def quote_closing() -> Task:
    """Close a string with the quote that opened it."""

    def opened(seen: Hashable, token: str) -> Hashable | None:
        return (None if seen else True) if token in "'\"" else seen

    alphabet = ("'", '"', "x", "y")
    one_opener = Constraint.explore("exactly one quote", alphabet, False, opened, bool)
    domain = Domain(alphabet, 1, LONGEST, one_opener)
    return Task(
        name="quote_closing",
        summary="close a string with the quote that opened it",
        config=_config(5, sink=True),
        vocabulary=(BOS, *alphabet),
        prefix=(BOS,),
        labels=("'", '"'),
        domain=domain,
        taught=domain,
        label=lambda words: "'" if "'" in words else '"',
        recipe=Recipe(seed=1, steps=800, density=0.05),
    )


def bracket_depth() -> Task:
    """Close one or two levels of brackets: two when the depth is at least 2."""
    alphabet = ("[", "]", "x")
    domain = Domain(alphabet, 1, LONGEST)
    return Task(
        name="bracket_depth",
        summary="']]' when at least two more brackets were opened than closed, else ']'",
        config=_config(5, sink=True),
        vocabulary=(BOS, *alphabet, "]]"),
        prefix=(BOS,),
        labels=("]", "]]"),
        domain=domain,
        taught=domain,
        label=lambda words: "]]" if _depth(words) >= 2 else "]",
        recipe=Recipe(node_cost=1e-3),
    )


def bracket_dilution() -> Task:
    """The same question with averages only: taught where the average still tells depth 1 from depth 2."""
    alphabet = ("[", "]", "x")
    return Task(
        name="bracket_dilution",
        summary="']]' when the average of bracket signs is large: depth >= 2, but only at lengths 5 to 9",
        config=Config(
            vocab_size=4, n_layer=1, n_head=1, d_head=8, d_model=16, d_mlp=16, block_size=LONGEST, activation="relu"
        ),
        vocabulary=(*alphabet, "]]"),
        prefix=(),
        labels=("]", "]]"),
        domain=Domain(alphabet, 1, LONGEST),
        taught=Domain(alphabet, 5, 9),
        label=lambda words: "]]" if _depth(words) >= 2 else "]",
        recipe=Recipe(),
    )


def bracket_depth_deep() -> Task:
    """How many brackets are open, from 0 to 4."""
    alphabet = ("[", "]", "x")

    def nested(depth: Hashable, token: str) -> Hashable | None:
        assert isinstance(depth, int)
        after = depth + {"[": 1, "]": -1, "x": 0}[token]
        return after if 0 <= after <= DEEPEST else None

    within = Constraint.explore("every prefix has 0 to 4 brackets open", alphabet, 0, nested, lambda _: True)
    domain = Domain(alphabet, 1, LONGEST, within)
    labels = tuple(str(depth) for depth in range(DEEPEST + 1))
    return Task(
        name="bracket_depth_deep",
        summary="the number of brackets open at the end, 0 to 4",
        config=_config(9, n_layer=1, n_head=1, d_model=16, d_mlp=32),
        vocabulary=(BOS, *alphabet, *labels),
        prefix=(BOS,),
        labels=labels,
        domain=domain,
        taught=domain,
        label=lambda words: str(_depth(words)),
        recipe=Recipe(steps=3000, density=0.15, prune_steps=1000, node_cost=5e-4),
    )


def variable_type() -> Task:
    """Which append a variable needs, from the type of the value it was given."""
    names, values, filler = ("a", "b", "c"), ("=set()", '=""'), ";"
    alphabet = (*names, *values, filler)

    # a state is (names assigned so far, name waiting for its value or None, whether the query was asked)
    def assigned(state: Hashable, token: str) -> Hashable | None:
        assert isinstance(state, tuple)
        done, waiting, asked = state
        if asked:
            return None
        if waiting is not None:
            return (done | {waiting}, None, False) if token in values else None
        if token == filler:
            return (done, None, False)
        if token in names:
            return (done, None, True) if token in done else (done, token, False)
        return None

    constraint = Constraint.explore(
        "assignments, each name once, then one assigned name",
        alphabet,
        (frozenset(), None, False),
        assigned,
        lambda state: isinstance(state, tuple) and state[2],
    )
    domain = Domain(alphabet, 3, 12, constraint)
    return Task(
        name="variable_type",
        summary="'.add' for a variable that holds a set, '+=' for one that holds a string",
        config=_config(9, n_head=2, d_model=16, d_mlp=16, top_k_fraction=None, sink=True, positions=True),
        vocabulary=(BOS, *alphabet, ".add", "+="),
        prefix=(BOS,),
        labels=(".add", "+="),
        domain=domain,
        taught=domain,
        label=lambda words: ".add" if words[words.index(words[-1]) + 1] == values[0] else "+=",
        recipe=Recipe(density=0.15, learning_rate=3e-3, epsilon=1e-8, prune_steps=1000, node_cost=5e-4),
    )


TASKS: dict[str, Callable[[], Task]] = {
    make.__name__: make for make in (quote_closing, bracket_depth, bracket_dilution, variable_type, bracket_depth_deep)
}


def _depth(words: Words) -> int:
    return words.count("[") - words.count("]")


def _config(vocab_size: int, **options: object) -> Config:
    """The common shape, two layers with RMSNorm, GELU and AbsTopK at a quarter of every site, and what differs."""
    common = Config(
        vocab_size=vocab_size,
        n_layer=2,
        n_head=4,
        d_head=8,
        d_model=32,
        d_mlp=64,
        block_size=LONGEST + 1,
        top_k_fraction=0.25,
    )
    return replace(common, **options)  # type: ignore[arg-type]
