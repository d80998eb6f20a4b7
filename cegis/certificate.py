"""A certificate: a folder of evidence with a manifest, so that a changed byte is noticed.

``certificate.json`` holds the statement (what is claimed of which program, network and domain) and the SHA-256 of
every other file. This file writes and reads such folders; what the evidence must show is checked where the network is
known. A folder appears complete or not at all (``cegis.replacing``). It may come from a stranger: it holds regular
files, no links, and is read up to a stated size.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cegis.replacing import repair, replace

MANIFEST = "certificate.json"
FORMAT = 1
GLANCES = 20  # at a folder that others exchange
MOST_FILES, MOST_BYTES, MOST_NAME, DEPTH = 10_000, 1 << 30, 200, 8  # of a certificate; characters of a name; folders


class CertificateError(ValueError):
    """A folder that is not a certificate, or not the one that was written."""


@dataclass(frozen=True)
class Certificate:
    """``statement``: JSON values; ``files``: relative path (with ``/``) to content."""

    statement: Mapping[str, Any]
    files: Mapping[str, bytes]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the folder, replacing an earlier certificate there; raises CertificateError if it cannot."""
        target = Path(os.path.realpath(folder))  # a link stays, what it points to is replaced
        _check_names(target, self.files)
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())}
        body = {"format": FORMAT, "statement": dict(self.statement), "files": sums}
        manifest = json.dumps({**body, "sha256": _digest(body)}, indent=2, ensure_ascii=False) + "\n"
        content = {**self.files, MANIFEST: manifest.encode(errors="surrogatepass")}
        try:
            repair(target)
            check_writable(target)
            replace(target, content, _is_ours)
        except OSError as error:
            raise CertificateError(f"cannot write {target}: {error.strerror or error}") from error
        return Path(folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Certificate:
        """Read a folder and compare every byte with its manifest; raises CertificateError at the first difference."""
        source = Path(folder)
        with suppress(OSError):
            repair(Path(os.path.realpath(source)))
        contents = dict(_contents(source))
        if MANIFEST not in contents:
            raise CertificateError(f"{source} is not a certificate: it has no {MANIFEST}")
        body = _manifest(source / MANIFEST, contents.pop(MANIFEST))
        sums = body["files"]
        if contents.keys() != sums.keys():
            strange = sorted(contents.keys() ^ sums.keys())[0]
            what = "not listed in the manifest" if strange in contents else "missing"
            raise CertificateError(f"{source}: {strange} is {what}")
        for name, expected in sums.items():
            if hashlib.sha256(contents[name]).hexdigest() != expected:
                raise CertificateError(f"{source}: {name} is not the file that was certified (its SHA-256 differs)")
        return cls(body["statement"], {name: contents[name] for name in sums})


def check_writable(target: Path) -> None:
    """Raise CertificateError unless a certificate may be written to ``target``."""
    try:
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:  # too long a name, say
        raise CertificateError(f"cannot write {target!s:.200}: {error.strerror}") from error
    if mode is not None and not stat.S_ISDIR(mode):
        raise CertificateError(f"cannot write {target}: it is a file; name a folder")
    if mode is not None and _holds_others(Path(os.path.realpath(target))):
        raise CertificateError(f"cannot write {target}: it holds other files; name a new folder")
    parent = Path(os.path.realpath(target)).parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise CertificateError(f"cannot write {target}: no permission to write in {parent}")


def _holds_others(folder: Path) -> bool:
    """Whether ``folder`` is not ours, looked at again where another writer exchanged it meanwhile."""
    for _ in range(GLANCES):
        before = _identity(folder)
        if before is None or _is_ours(folder):
            return False
        if before == _identity(folder):
            return True
    return False  # whoever exchanges it that often writes certificates


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder stands there; None for none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _is_ours(folder: Path) -> bool:
    """Whether ``folder`` is empty or holds a manifest and nothing but the files it lists."""
    try:
        if folder.is_symlink() or not folder.is_dir():
            return False
        present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if _is_entry(path)}
        if not present:
            return True
        manifest = _manifest(folder / MANIFEST, (folder / MANIFEST).read_bytes())
        return present <= {MANIFEST, *manifest["files"]}
    except (OSError, CertificateError, RecursionError):
        return False


def _is_entry(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir()


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file in ``folder``; no link is followed, nothing but regular files is opened."""
    room = MOST_BYTES
    for count, (above, folders, names) in enumerate(os.walk(folder, onerror=_unreadable)):
        inner = Path(above).relative_to(folder)
        for name in sorted([*folders, *names]):
            if os.path.islink(Path(above) / name):
                raise CertificateError(f"{folder}: {inner / name} is a link; a certificate holds its files itself")
        if len(inner.parts) > DEPTH:
            raise CertificateError(f"{folder}: expected at most {DEPTH} folders in one another")
        if count + len(names) > MOST_FILES:
            raise CertificateError(f"{folder}: expected at most {MOST_FILES:,} files")
        for name in sorted(names):
            content = _content(Path(above) / name, room)
            room -= len(content)
            yield (inner / name).as_posix(), content


def _content(path: Path, room: int) -> bytes:
    """The bytes of a regular file, of which there are at most ``room``."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise CertificateError(f"{path} is no file")
            if found.st_size > room:
                raise CertificateError(f"{path}: a certificate has at most {MOST_BYTES >> 20:,} MB")
            return file.read(found.st_size)
    except OSError as error:
        raise CertificateError(f"cannot read {path}: {error.strerror or error}") from error


def _unreadable(error: OSError) -> None:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        raise CertificateError(f"{error.filename} is not a certificate: it has no {MANIFEST}")
    raise CertificateError(f"cannot read {error.filename}: {error.strerror or error}")


def _check_names(folder: Path, names: Collection[str]) -> None:
    """Raise CertificateError unless these are paths inside a folder, alike on every system."""
    for name in names:
        parts = name.split("/")
        plain = name.isprintable() and "\\" not in name and ":" not in name and len(name) <= MOST_NAME
        if not plain or any(part in ("", ".", "..") for part in parts) or name.casefold() == MANIFEST:
            raise CertificateError(f"{folder}: expected the path of a file inside the certificate, got {name!r:.200}")
    if len({name.casefold() for name in names}) != len(names):
        raise CertificateError(f"{folder}: two names of files differ in nothing but the case of their letters")


def _manifest(path: Path, content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CertificateError(f"cannot read {path}: {error}") from error
    if not isinstance(body, dict) or body.keys() != {"format", "statement", "files", "sha256"}:
        raise CertificateError(f"{path}: expected the keys format, statement, files and sha256")
    if body["format"] != FORMAT:
        raise CertificateError(
            f"{path}: expected format {FORMAT}, got {body['format']!r:.200}; use the version that wrote it"
        )
    digest = body.pop("sha256")
    if digest != _digest(body):
        raise CertificateError(f"{path}: the statement is not the one that was certified (its SHA-256 differs)")
    if not isinstance(body["files"], dict) or not isinstance(body["statement"], dict):
        raise CertificateError(f"{path}: expected files and statement to be objects")
    _check_names(path.parent, body["files"])
    return body


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
