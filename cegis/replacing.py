"""Put a folder in the place of another, so that at any moment the old one or the new one is there, whole.

    .NAME-xxxxxxxx.distill/new     written and synced, beside NAME
    new <-> NAME                   the two names are exchanged at once (renameat2, RENAME_EXCHANGE); or, where there is
                                   no NAME yet, ``new`` is renamed to it
    .NAME-xxxxxxxx.distill         removed, with the old one in it

Where the system cannot exchange names, NAME is moved to ``old`` and ``new`` to NAME; a kill between the two leaves no
NAME, and ``repair`` (called by every later save and load) moves ``old`` back. A scratch folder is locked by its writer
as long as that lives, so ``repair`` tells what dead writers left behind, and removes it. Of two writers each puts a
whole folder there, and the last one's stays.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

SUFFIX = ".distill"
AT_FDCWD, RENAME_EXCHANGE = -100, 2
ATTEMPTS = 100  # each is lost to another writer alone


def replace(target: Path, files: Mapping[str, bytes], is_ours: Callable[[Path], bool]) -> None:
    """Make ``target`` a folder with these files; what stood there and is not ours comes back, with an OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(target) as scratch:
        _write(scratch / "new", files)
        for _ in range(ATTEMPTS):
            if _put(scratch / "new", target, scratch / "old"):
                break
        else:
            raise OSError(errno.EBUSY, "other writers were always faster")
        _sync(target.parent)
        for old in (scratch / "new", scratch / "old"):
            if old.exists() and not is_ours(old):
                os.rename(target, scratch / "mine")
                os.rename(old, target)
                raise OSError(errno.ENOTEMPTY, "it holds other files; name a new folder")


def repair(target: Path) -> None:
    """Remove what dead writers of ``target`` left beside it, and put the folder back that one of them had moved."""
    pattern = re.compile(re.escape(f".{target.name}-") + r"\w{8}" + re.escape(SUFFIX))
    try:
        names = [name for name in os.listdir(target.parent) if pattern.fullmatch(name)]
    except OSError:
        return
    for name in names:
        with suppress(OSError):  # it is in use, or gone
            _clear(target.parent / name, target)


def _clear(scratch: Path, target: Path) -> None:
    """Remove the scratch folder of a dead writer; OSError where it is none."""
    with _locked(scratch, wait=False):
        if not {*os.listdir(scratch)} <= {"new", "old", "mine"}:
            return  # none of ours
        if (scratch / "old").exists() and not os.path.lexists(target):
            os.rename(scratch / "old", target)
        shutil.rmtree(scratch)


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A folder beside ``target``, locked while we live, and removed."""
    for _ in range(ATTEMPTS):
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=SUFFIX, dir=target.parent))
        with ExitStack() as held:
            try:
                held.enter_context(_locked(scratch, wait=True))
            except FileNotFoundError:
                continue  # removed before we had the lock
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            return
    raise OSError(errno.EBUSY, "others remove what is written")


@contextmanager
def _locked(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of ``folder``; FileNotFoundError where another one removed it, BlockingIOError where it is held."""
    if sys.platform == "win32":
        yield
        return
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if not os.path.samestat(os.fstat(place), os.stat(folder)):
            raise FileNotFoundError(errno.ENOENT, "it was removed", str(folder))
        yield
    finally:
        os.close(place)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files, and see them on the disk."""
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    for above, _, _ in os.walk(folder, topdown=False):
        _sync(Path(above))


def _put(new: Path, target: Path, old: Path) -> bool:
    """Put ``new`` in the place of ``target``, which is then ``new`` or ``old``; False if another writer was faster."""
    try:
        if not os.path.lexists(target):
            os.rename(new, target)
        elif not exchange(new, target):
            if old.exists():
                shutil.rmtree(old)
            os.rename(target, old)
            os.rename(new, target)
    except OSError as error:
        if old.exists() and not os.path.lexists(target):
            with suppress(OSError):  # another writer has put its own there meanwhile
                os.rename(old, target)
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT) and new.exists():
            return False
        raise
    return True


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once; False where the system cannot."""
    if sys.platform != "linux":
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def _sync(folder: Path) -> None:
    with suppress(OSError):  # not every file system syncs folders
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
