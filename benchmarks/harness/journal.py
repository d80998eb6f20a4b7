"""A file of rows that survives ``kill -9``: JSON lines, each written whole by one system call.

A process that dies in the middle of a line leaves it without its end; such a last line is not a row. It is left out by
``lines`` and cut off by ``append`` before the next row. Any other line that is no row is an error of the reader.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The number and text of every complete line; none when there is no file."""
    if not path.exists():
        return
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.splitlines(), 1):
        yield number, line.decode("utf-8", "replace")


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add ``row`` at the end of the file, after cutting off what an earlier process left unfinished."""
    data = (json.dumps(row, ensure_ascii=False) + "\n").encode()
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            os.ftruncate(file, path.read_bytes().rfind(b"\n") + 1)
        if os.write(file, data) != len(data):
            raise OSError(f"{path}: the disk took only a part of a row; free some space and run again")
        os.fsync(file)
    finally:
        os.close(file)
