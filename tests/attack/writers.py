"""Writers that are killed, and writers that meet: in the end there is one certificate, the old or the new, whole.

A child process saves a certificate over another one and is killed with SIGKILL: before the k-th line that it runs of
the writer, or of what this calls in Python's library (so between any two calls to the system), or after a random time.
Two children may save to one folder instead. Afterwards the folder is loaded, and must be one of those that were saved.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from trial import Outcome, random_of

from cegis.certificate import Certificate, CertificateError

WRITER = ("certificate.py", "replacing.py")
LIBRARY = (*WRITER, "tempfile.py", "shutil.py", "pathlib.py")
REFUSED, BROKEN = 3, 4  # exit codes of a writer that gave up in words, and of one that failed


def attack(seed: int, index: int) -> Outcome:
    """One kill, or one meeting."""
    rng = random_of("writers", seed, index)
    old, new, other = (_certificate(rng, name) for name in ("old", "new", "other"))
    scratch = Path(tempfile.mkdtemp(prefix="attack-writers-"))
    try:
        target = scratch / "c"
        had = rng.random() < 0.8
        if had:
            old.save(target)
        if rng.random() < 0.75:
            what = _killed(rng, target, new)
            allowed, must = ([old, new] if had else [new]), had
        else:
            what, failed = _met(rng, target, new, other)
            if failed:
                return Outcome(1, 1, (f"{what}: a writer ended with an error that is not told",))
            allowed, must = [new, other], True
        return _judged(what, target, allowed, must)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _certificate(rng: np.random.Generator, name: str) -> Certificate:
    files = {f"network/{n}.bin": rng.bytes(int(rng.integers(1, 2000))) for n in range(int(rng.integers(1, 5)))}
    return Certificate({"name": name, "number": int(rng.integers(2**31))}, {"program.py": b"def f(): pass\n", **files})


def _judged(what: str, target: Path, allowed: list[Certificate], must: bool) -> Outcome:
    """What stands at ``target`` is one of those allowed; if there ``must`` be one, it is there."""
    if not target.exists() and not must:
        return Outcome(1, 0)
    try:
        found = Certificate.load(target)
    except CertificateError as error:
        return Outcome(1, 1, (f"{what}: {str(error).replace(str(target.parent), '')}",))
    same = [one for one in allowed if (found.statement, found.files) == (one.statement, one.files)]
    return Outcome(1, 1, () if same else (f"{what}: what stands there was never saved",))


def _killed(rng: np.random.Generator, target: Path, new: Certificate) -> str:
    """One writer, killed."""
    if rng.random() < 0.8:
        files = WRITER if rng.random() < 0.7 else LIBRARY
        line = 1 + int(rng.random() * 1.05 * _lines(new, target, files))
        child = _forked(lambda: _traced(files, line, lambda: new.save(target)))
        os.waitpid(child, 0)
        return f"killed before line {line} of {files[-1]}"
    child, after = _forked(lambda: new.save(target)), float(rng.uniform(0, 0.003))
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"killed after {1000 * after:.2f} ms"


def _met(rng: np.random.Generator, target: Path, new: Certificate, other: Certificate) -> tuple[str, bool]:
    """Two writers at once, and whether one of them failed without words."""
    wait = [float(rng.uniform(0, 0.001)) for _ in range(2)]

    def saving(certificate: Certificate, seconds: float) -> Callable[[], object]:
        def save() -> None:
            time.sleep(seconds)
            certificate.save(target)

        return save

    children = [_forked(saving(one, seconds)) for one, seconds in zip((new, other), wait, strict=True)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return f"two writers, codes {codes}", BROKEN in codes or codes == [REFUSED, REFUSED]


def _forked(work: Callable[[], object]) -> int:
    """The child that does this and no more."""
    child = os.fork()
    if child:
        return child
    code = BROKEN
    try:
        work()
        code = 0
    except CertificateError:
        code = REFUSED
    finally:
        os._exit(code)


def _lines(certificate: Certificate, target: Path, files: tuple[str, ...]) -> int:
    """How many lines a save runs."""
    beside = target.parent / "beside"
    if target.exists():
        shutil.copytree(target, beside)
    count = _traced(files, 0, lambda: certificate.save(beside))
    shutil.rmtree(beside)
    return count


def _traced(files: tuple[str, ...], line: int, work: Callable[[], object]) -> int:
    """Do it, but die before so many lines of these files were run (0: live); how many there were."""
    count, before = 0, sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith(files):
            return None
        if event == "line":
            count += 1
            if count == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
