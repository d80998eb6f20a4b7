"""Small transformers trained until they are right on every sequence: copy, reverse, sort, extremes, induction.

Each ``Lesson`` is a function of a sequence (and a place) over a small alphabet. A pre-norm transformer is trained on
sequences of all its lengths, a length a step, by Adam, until every answer leads by ``MARGIN``; from one seed, the same
weights on the same machine and torch version. It is stored as TransformerLens does (an answer at every place, or the
last) or as a GPT-2 of Hugging Face (the last row), so that a program of a line or two equals it exactly. Where a
sequence has no answer, the answer is the first token of the prompt.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from tasks.networks.sparse_transformer import NetworkError

BOS, SEP = "<bos>", "<sep>"
MARGIN = 3.0  # by which every answer should lead
STEPS, LOOK, BATCH, RATE = 8000, 100, 512, 3e-3
SEEDS = 3  # that are tried
INIT_STD, EPS = 0.15, 1e-5
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Lesson:
    """``answer(tokens, i)`` for each place, or of the last place alone where ``is_placed`` is false; None: no answer.

    ``layers`` blocks of ``heads`` heads; ``is_causal``: no row sees a later one; ``has_mlp``: else attention alone.
    """

    name: str
    summary: str
    alphabet: tuple[str, ...]
    longest: int
    answer: Callable[[Sequence[str], int], str | None]
    layout: Literal["transformer_lens", "gpt2"]
    is_placed: bool = False
    layers: int = 1
    heads: int = 2
    width: int = 32
    is_causal: bool = True
    has_mlp: bool = True
    is_closed: bool = False  # whether a last token follows the sequence

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Tokens in the order of their ids."""
        return (*self.alphabet, BOS, *((SEP,) if self.is_closed else ()))

    def lessons(self, length: int) -> tuple[Tensor, Tensor]:
        """Every prompt of a length, (prompts, T), and the ids of the answers, (prompts, read rows)."""
        ids = {token: n for n, token in enumerate(self.vocabulary)}
        prompts, answers = [], []
        for tokens in product(self.alphabet, repeat=length):
            prompts.append([ids[token] for token in (BOS, *tokens, *((SEP,) if self.is_closed else ()))])
            places = range(length) if self.is_placed else (length - 1,)
            answers.append([ids[self.answer(tokens, i) or BOS] for i in places])
        return torch.tensor(prompts), torch.tensor(answers)

    def read(self, logits: Tensor) -> Tensor:
        """The rows that are read: those of the sequence, or the last one."""
        return logits[:, 1:] if self.is_placed else logits[:, -1:]


def make(lesson: Lesson, folder: Path, seed: int = 0) -> float:
    """Train ``lesson`` on one thread and save it in ``folder``; by how much the closest answer leads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in the same order everywhere
    try:
        weights, lead = learned(lesson, seed)
    finally:
        torch.set_num_threads(threads)
    save(lesson, weights, folder)
    return lead


def learned(lesson: Lesson, seed: int = 0) -> tuple[Weights, float]:
    """Weights under TransformerLens's names that are right on every sequence, and by how much the closest answer leads.

    Raises NetworkError where none of ``SEEDS`` seeds gets there.
    """
    data = [lesson.lessons(length) for length in range(1, lesson.longest + 1)]
    for attempt in range(SEEDS):
        generator = torch.Generator().manual_seed(seed + 1000 * attempt)
        weights = _initial(lesson, generator)
        adam = torch.optim.Adam(weights.values(), lr=RATE, betas=(0.9, 0.98))
        for step in range(STEPS):
            for group in adam.param_groups:
                group["lr"] = RATE * min(1.0, (step + 1) / 100) * (1 - step / STEPS)
            prompts, answers = data[int(torch.multinomial(_shares(data), 1, generator=generator))]
            rows = torch.randint(len(prompts), (min(BATCH, len(prompts)),), generator=generator)
            logits = lesson.read(run(lesson, weights, prompts[rows]))
            adam.zero_grad()
            loss = functional.cross_entropy(logits.flatten(0, 1), answers[rows].flatten())
            torch.autograd.backward(loss)
            adam.step()
            if step % LOOK == LOOK - 1 and float(loss.detach()) < 0.1:
                lead = leading(lesson, weights, data)
                if lead >= MARGIN:
                    return {name: weight.detach() for name, weight in weights.items()}, lead
    raise NetworkError(
        f"{lesson.name}: no network of {SEEDS} seeds is right on every sequence after {STEPS:,} steps; make it larger"
    )


def leading(lesson: Lesson, weights: Weights, data: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The least lead of a right answer over every other one; negative where an answer is wrong."""
    least = math.inf
    with torch.no_grad():
        for prompts, answers in data:
            logits = lesson.read(run(lesson, weights, prompts)).double()
            right = logits.gather(-1, answers[..., None])[..., 0]
            others = logits.scatter(-1, answers[..., None], -math.inf).amax(-1)
            least = min(least, float((right - others).min()))
    return least


def run(lesson: Lesson, weights: Weights, ids: Tensor) -> Tensor:
    """Logits, (prompts, T, vocabulary)."""
    length = ids.shape[1]
    x = weights["embed.W_E"][ids] + weights["pos_embed.W_pos"][:length]
    hidden = torch.full((length, length), -math.inf).triu(1) if lesson.is_causal else torch.zeros(length, length)
    for layer in range(lesson.layers):
        at = f"blocks.{layer}."
        u = _norm(x, weights, f"{at}ln1")
        query, key, value = (
            torch.einsum("btd,hde->bhte", u, weights[f"{at}attn.W_{part}"]) + weights[f"{at}attn.b_{part}"][:, None]
            for part in "QKV"
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + hidden
        seen = torch.softmax(scores, -1) @ value
        x = x + torch.einsum("bhte,hed->btd", seen, weights[f"{at}attn.W_O"]) + weights[f"{at}attn.b_O"]
        if lesson.has_mlp:
            u = _norm(x, weights, f"{at}ln2") @ weights[f"{at}mlp.W_in"] + weights[f"{at}mlp.b_in"]
            act = torch.relu(u) if lesson.layout == "transformer_lens" else functional.gelu(u, approximate="tanh")
            x = x + act @ weights[f"{at}mlp.W_out"] + weights[f"{at}mlp.b_out"]
    return _norm(x, weights, "ln_final") @ weights["unembed.W_U"]


def _norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.w"], weights[f"{name}.b"], EPS)


def _shares(data: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """How often each length is drawn: by the root of how many sequences it has."""
    return torch.tensor([len(prompts) ** 0.5 for prompts, _ in data])


def _initial(lesson: Lesson, generator: torch.Generator) -> Weights:
    """Gaussian matrices, unit gains, zero biases; all require gradients."""
    d, heads, inner, tokens = lesson.width, lesson.heads, 4 * lesson.width, len(lesson.vocabulary)
    head, longest = d // heads, lesson.longest + 1 + lesson.is_closed
    shapes: dict[str, tuple[int, ...]] = {"embed.W_E": (tokens, d), "pos_embed.W_pos": (longest, d)}
    for layer in range(lesson.layers):
        at = f"blocks.{layer}."
        shapes |= {f"{at}ln1.w": (d,), f"{at}ln1.b": (d,)}
        shapes |= {f"{at}attn.W_{part}": (heads, d, head) for part in "QKV"}
        shapes |= {f"{at}attn.b_{part}": (heads, head) for part in "QKV"}
        shapes |= {f"{at}attn.W_O": (heads, head, d), f"{at}attn.b_O": (d,)}
        if lesson.has_mlp:
            shapes |= {f"{at}ln2.w": (d,), f"{at}ln2.b": (d,), f"{at}mlp.W_in": (d, inner), f"{at}mlp.b_in": (inner,)}
            shapes |= {f"{at}mlp.W_out": (inner, d), f"{at}mlp.b_out": (d,)}
    shapes |= {"ln_final.w": (d,), "ln_final.b": (d,), "unembed.W_U": (d, tokens)}
    return {name: _start(name, shape, generator).requires_grad_() for name, shape in shapes.items()}


def _start(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    part = name.rsplit(".", 1)[-1]
    if part == "w":
        return torch.ones(shape)
    return torch.randn(shape, generator=generator) * INIT_STD if part.startswith("W") else torch.zeros(shape)


# --- files ------------------------------------------------------------------------------------------------------


def save(lesson: Lesson, weights: Weights, folder: Path) -> Path:
    """The network in the layout of its lesson, with a ``case.json`` that says how it is asked and read."""
    folder.mkdir(parents=True, exist_ok=True)
    config, tensors = (_lens if lesson.layout == "transformer_lens" else _gpt2)(lesson, weights)
    where = "every position of the sequence" if lesson.is_placed else "last position"
    case = {
        "name": lesson.name,
        "task": lesson.summary,
        "tokens": {token: n for n, token in enumerate(lesson.vocabulary)},
        "language": {"alphabet": list(lesson.alphabet)},
        "input": {"sequence": f"{BOS} b1 ... bn{f' {SEP}' if lesson.is_closed else ''}"},
        "read_out": {
            "kind": "categorical" if lesson.layout == "transformer_lens" else "argmax_last",
            "position": where,
        },
    }
    for name, said in (("config.json", config), ("case.json", case)):
        (folder / name).write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    return folder


def _lens(lesson: Lesson, weights: Weights) -> tuple[dict[str, Any], Weights]:
    d = lesson.width
    config = {
        "n_layers": lesson.layers,
        "d_model": d,
        "n_ctx": lesson.longest + 1 + lesson.is_closed,
        "d_head": d // lesson.heads,
        "n_heads": lesson.heads,
        "d_vocab": len(lesson.vocabulary),
        "act_fn": "relu" if lesson.has_mlp else None,
        "attn_only": not lesson.has_mlp,
        "d_mlp": 4 * d if lesson.has_mlp else None,
        "normalization_type": "LN",
        "eps": EPS,
        "attention_dir": "causal" if lesson.is_causal else "bidirectional",
    }
    return config, {**weights, "unembed.b_U": torch.zeros(len(lesson.vocabulary))}


def _gpt2(lesson: Lesson, weights: Weights) -> tuple[dict[str, Any], Weights]:
    if not (lesson.has_mlp and lesson.is_causal) or lesson.is_placed:
        raise NetworkError(f"{lesson.name}: a GPT-2 is causal, has MLPs, and is read at its last row")
    d, size = lesson.width, len(lesson.vocabulary)
    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "activation_function": "gelu_new",
        "layer_norm_epsilon": EPS,
        "n_layer": lesson.layers,
        "n_head": lesson.heads,
        "n_embd": d,
        "n_positions": lesson.longest + 1 + lesson.is_closed,
        "vocab_size": size,
        "tie_word_embeddings": False,
    }
    tensors = {"transformer.wte.weight": weights["embed.W_E"], "transformer.wpe.weight": weights["pos_embed.W_pos"]}
    for layer in range(lesson.layers):
        at, to = f"blocks.{layer}.", f"transformer.h.{layer}."
        maps = [weights[f"{at}attn.W_{part}"].permute(1, 0, 2).reshape(d, d) for part in "QKV"]
        tensors[f"{to}attn.c_attn.weight"] = torch.cat(maps, 1)
        tensors[f"{to}attn.c_attn.bias"] = torch.cat([weights[f"{at}attn.b_{part}"].flatten() for part in "QKV"])
        tensors[f"{to}attn.c_proj.weight"] = weights[f"{at}attn.W_O"].reshape(d, d)
        tensors[f"{to}attn.c_proj.bias"] = weights[f"{at}attn.b_O"]
        for own, name in (("ln1", "ln_1"), ("ln2", "ln_2")):
            tensors[f"{to}{name}.weight"], tensors[f"{to}{name}.bias"] = (
                weights[f"{at}{own}.w"],
                weights[f"{at}{own}.b"],
            )
        for own, name in (("in", "c_fc"), ("out", "c_proj")):
            tensors[f"{to}mlp.{name}.weight"] = weights[f"{at}mlp.W_{own}"]
            tensors[f"{to}mlp.{name}.bias"] = weights[f"{at}mlp.b_{own}"]
    tensors["transformer.ln_f.weight"], tensors["transformer.ln_f.bias"] = weights["ln_final.w"], weights["ln_final.b"]
    tensors["lm_head.weight"] = weights["unembed.W_U"].T
    return config, tensors


# --- the lessons ------------------------------------------------------------------------------------------------


def after_earlier(tokens: Sequence[str], i: int) -> str | None:
    """The token after the latest earlier occurrence of the one here, where there is one."""
    found = [j for j in range(i) if tokens[j] == tokens[i]]
    return tokens[found[-1] + 1] if found else None


FOUR, FIVE, DIGITS = tuple("abcd"), tuple("pqrst"), tuple("01234")

LESSONS = (
    Lesson("copy", "the token here", FIVE, 5, lambda t, i: t[i], "transformer_lens", True),
    Lesson("reverse", "the tokens backwards", FOUR, 5, lambda t, i: t[-1 - i], "transformer_lens", True,
           layers=2, is_causal=False),
    Lesson("sort", "the tokens in order", tuple("0123"), 5, lambda t, i: sorted(t)[i], "transformer_lens", True,
           layers=2, is_causal=False),
    Lesson("largest_everywhere", "the largest of all", DIGITS, 5, lambda t, i: max(t), "transformer_lens", True,
           is_causal=False),
    Lesson("shifted", "the token before", FOUR, 6, lambda t, i: t[i - 1] if i else None, "transformer_lens", True,
           has_mlp=False),
    Lesson("induction_everywhere", "the token after the earlier one like that here", FOUR, 5, after_earlier,
           "transformer_lens", True, layers=2),
    Lesson("last", "the last token", FIVE, 5, lambda t, i: t[-1], "gpt2"),
    Lesson("first", "the first token", FOUR, 6, lambda t, i: t[0], "gpt2", is_closed=True),
    Lesson("second_to_last", "the token before the last", FOUR, 6, lambda t, i: t[-2] if i else None, "gpt2"),
    Lesson("largest", "the largest of all", DIGITS, 5, lambda t, i: max(t), "gpt2", is_closed=True),
    Lesson("smallest", "the smallest of all", DIGITS, 5, lambda t, i: min(t), "transformer_lens"),
    Lesson("induction", "the token after the earlier one like the last", FOUR, 5, after_earlier, "gpt2", layers=2),
)  # fmt: skip


def lesson(name: str) -> Lesson:
    """The lesson called ``name``; raises NetworkError listing the known names for any other."""
    for found in LESSONS:
        if found.name == name:
            return found
    raise NetworkError(f"no lesson is called {name!r}; known: {', '.join(known.name for known in LESSONS)}")
