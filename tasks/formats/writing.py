"""Write a folder whole or not at all: what the writers of our own formats share."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tasks.networks.sparse_transformer import NetworkError


def check_free(path: Path, mark: str, what: str) -> None:
    """Raise NetworkError where ``path`` is something else than a folder to be written or replaced."""
    if path.exists() and not (path / mark).is_file() and (path.is_file() or any(path.iterdir())):
        raise NetworkError(f"{path}: exists and is not a {what}; choose another folder or empty it first")


def write_folder(path: Path, files: Mapping[str, bytes], mark: str, what: str) -> None:
    """Make ``path`` a folder of exactly these files; one that holds the file ``mark`` is replaced.

    Raises NetworkError where something else is in the way, or the disk refuses; then nothing has changed. ``what``:
    the thing in the folder, in words.
    """
    check_free(path, mark, what)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
            new, old = Path(scratch) / "new", Path(scratch) / "old"
            new.mkdir()
            for name, content in files.items():
                (new / name).write_bytes(content)
            if path.exists():
                path.rename(old)
            try:
                new.rename(path)
            except OSError:
                if old.exists():
                    old.rename(path)
                raise
    except OSError as error:
        raise NetworkError(f"{path}: cannot write the {what}: {error}") from error
