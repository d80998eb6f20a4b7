"""A certificate: a folder of evidence with a manifest, so that a changed byte is noticed.

``certificate.json`` holds the statement (what is claimed of which program, network and domain) and the SHA-256 of
every other file. This file writes and reads such folders; what the evidence must show is checked where the network is
known. A folder appears complete or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "certificate.json"
FORMAT = 1


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
        check_writable(target)
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())}
        body = {"format": FORMAT, "statement": dict(self.statement), "files": sums}
        manifest = json.dumps({**body, "sha256": _digest(body)}, indent=2, ensure_ascii=False) + "\n"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
                for name, content in {**self.files, MANIFEST: manifest.encode()}.items():
                    path = Path(scratch) / "new" / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                with suppress(FileNotFoundError):
                    os.replace(target, Path(scratch) / "old")
                os.replace(Path(scratch) / "new", target)  # fails if another writer was faster
        except OSError as error:
            raise CertificateError(f"cannot write {target}: {error.strerror or error}") from error
        return Path(folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Certificate:
        """Read a folder and compare every byte with its manifest; raises CertificateError at the first difference."""
        source = Path(folder)
        body = _read_manifest(source / MANIFEST)
        sums = body["files"]
        present = _files(source) - {MANIFEST}
        if present != sums.keys():
            strange = sorted(present ^ sums.keys())[0]
            what = "not listed in the manifest" if strange in present else "missing"
            raise CertificateError(f"{source}: {strange} is {what}")
        files = {}
        for name, expected in sums.items():
            try:
                files[name] = (source / name).read_bytes()
            except OSError as error:
                raise CertificateError(f"cannot read {source / name}: {error.strerror or error}") from error
            if hashlib.sha256(files[name]).hexdigest() != expected:
                raise CertificateError(f"{source}: {name} is not the file that was certified (its SHA-256 differs)")
        return cls(body["statement"], files)


def check_writable(target: Path) -> None:
    """Raise CertificateError unless a certificate may be written to ``target``."""
    if target.exists() and not target.is_dir():
        raise CertificateError(f"cannot write {target}: it is a file; name a folder")
    if target.is_dir() and not _is_ours(target):
        raise CertificateError(f"cannot write {target}: it holds other files; name a new folder")
    parent = target.resolve().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise CertificateError(f"cannot write {target}: no permission to write in {parent}")


def _is_ours(folder: Path) -> bool:
    """Whether ``folder`` is empty or holds a manifest and nothing but the files it lists."""
    try:
        present = _files(folder)
        return not present or present <= {MANIFEST, *_read_manifest(folder / MANIFEST)["files"]}
    except (OSError, CertificateError):
        return False


def _files(folder: Path) -> set[str]:
    """Everything in ``folder`` that is not a folder, as relative paths."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CertificateError(f"{path.parent} is not a certificate: it has no {MANIFEST}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CertificateError(f"cannot read {path}: {error}") from error
    if not isinstance(body, dict) or body.keys() != {"format", "statement", "files", "sha256"}:
        raise CertificateError(f"{path}: expected the keys format, statement, files and sha256")
    if body["format"] != FORMAT:
        raise CertificateError(
            f"{path}: expected format {FORMAT}, got {body['format']!r}; use the version that wrote it"
        )
    digest = body.pop("sha256")
    if digest != _digest(body):
        raise CertificateError(f"{path}: the statement is not the one that was certified (its SHA-256 differs)")
    if not isinstance(body["files"], dict) or not isinstance(body["statement"], dict):
        raise CertificateError(f"{path}: expected files and statement to be objects")
    return body


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
