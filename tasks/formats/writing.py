"""Files and folders written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
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


def check_file(target: Path) -> None:
    """Raise a ClickException unless a file may be written to ``target``."""
    folder = Path(os.path.realpath(target)).parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise NetworkError(f"cannot write {target}: expected a folder in which files may be written: {folder}")


def write_file(target: Path, parts: Iterable[bytes]) -> int:
    """Put a file of these parts, one after the other, in the place of ``target``; how many there are.

    Raises a ClickException that names ``target`` where it cannot be written; then nothing has changed.
    """
    count = 0
    try:
        place = Path(os.path.realpath(target))
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as scratch:
            try:
                for part in parts:
                    scratch.write(part)
                    count += 1
                scratch.flush()
                os.fsync(scratch.fileno())
                os.chmod(scratch.name, 0o666 & ~_umask())
                os.replace(scratch.name, place)
            except BaseException:
                os.unlink(scratch.name)
                raise
    except OSError as error:
        raise NetworkError(f"cannot write {target}: {error.strerror or error}") from None
    return count


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
