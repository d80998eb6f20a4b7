"""Names of tokens, from ``tokenizer.json`` or ``vocab.json`` of Hugging Face; numbers where a folder has neither."""

from __future__ import annotations

from pathlib import Path

from tasks.formats.reading import read_bytes, read_object
from tasks.formats.untrusted import whole_of
from tasks.networks.sparse_transformer import NetworkError

TOKENIZER, VOCABULARY = "tokenizer.json", "vocab.json"
MOST_BYTES = 2**26


def token_names(folder: Path, size: int) -> tuple[str, ...]:
    """A name for each of ``size`` tokens, as the tokenizer spells it (``Ġthe``); ``#7`` for one that has none.

    Raises NetworkError for ids outside the vocabulary, and for a ``tokenizer.json`` where the package ``tokenizers`` is
    not installed.
    """
    if (folder / TOKENIZER).is_file():
        what, ids = folder / TOKENIZER, _of_tokenizer(folder / TOKENIZER)
    elif (folder / VOCABULARY).is_file():
        what = folder / VOCABULARY
        ids = {name: whole_of(f"{VOCABULARY}: {name!r}", n) for name, n in read_object(what).items()}
    else:
        return tuple(f"#{n}" for n in range(size))
    named = {n: name for name, n in ids.items()}
    if len(named) != len(ids) or not set(named) <= set(range(size)):
        raise NetworkError(f"{what}: expected different ids from 0 to {size - 1}")
    names = tuple(named.get(n, f"#{n}") for n in range(size))
    if len(set(names)) != size:
        raise NetworkError(f"{what}: a token is called like the number of another, such as '#7'")
    return names


def _of_tokenizer(path: Path) -> dict[str, int]:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise NetworkError(
            f"{path}: token names are read by the package tokenizers, which is not installed: install "
            "symbolic-circuit-distillation[tokenizers], or leave the file out (tokens are then called #0, #1, ...)"
        ) from error
    content = read_bytes(path)
    if len(content) > MOST_BYTES:
        raise NetworkError(f"{path}: expected at most {MOST_BYTES >> 20} MB, got {len(content) >> 20}")
    try:
        ids: dict[str, int] = Tokenizer.from_buffer(content).get_vocab(with_added_tokens=True)
    except Exception as error:  # the package raises this class itself
        raise NetworkError(f"{path}: not a tokenizer of Hugging Face: {error!s:.200}") from error
    return ids
