"""A writer of certificates that is killed at any point, or that meets another one, leaves one whole certificate."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from quick import sliced

from cegis import replacing
from cegis.certificate import Certificate, CertificateError
from cegis.replacing import SUFFIX

ROOT = Path(__file__).resolve().parents[3]
OLD = Certificate({"claim": "old"}, {"a.txt": b"old", "sub/b.txt": b"old" * 1000, "only.txt": b""})
NEW = Certificate({"claim": "new"}, {"a.txt": b"new", "sub/b.txt": b"new" * 1000})
KILLED = """
import os, signal, sys, shutil, fcntl
from pathlib import Path
from cegis import replacing
from cegis.certificate import Certificate

OLD = Certificate({"claim": "old"}, {"a.txt": b"old", "sub/b.txt": b"old" * 1000, "only.txt": b""})
NEW = Certificate({"claim": "new"}, {"a.txt": b"new", "sub/b.txt": b"new" * 1000})
left, work, can_exchange, has_old = 10**9, Path(sys.argv[1]), sys.argv[2] == "True", sys.argv[3] == "True"
if not can_exchange:
    replacing.exchange = lambda one, other: False
os.fsync = lambda place: None  # a killed process needs none
for name in ("mkdir", "open", "fsync", "rename", "rmdir", "unlink", "close"):
    def counted(*arguments, real=getattr(os, name), **named):
        step()
        return real(*arguments, **named)
    setattr(os, name, counted)
def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
exchange = replacing.exchange
replacing.exchange = lambda one, other: (step(), exchange(one, other))[1]
for n in range(1, 1000):
    place = work / str(n)
    place.mkdir()
    left = 10**9
    if has_old:
        OLD.save(place / "c")
    pid = os.fork()
    if pid == 0:
        left = n
        NEW.save(place / "c")
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
        break
print(n)
"""


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def left_over(folder):
    return [path for path in folder.iterdir() if path.name.endswith(SUFFIX)]


@pytest.mark.parametrize(("can_exchange", "has_old"), sliced([(True, True), (False, True), (True, False)], 2))
def test_a_kill_at_any_step_leaves_the_old_or_the_new_certificate(tmp_path, can_exchange, has_old):
    out, _ = run(KILLED, tmp_path, can_exchange, has_old).communicate(timeout=120)
    steps, seen, missing = int(out), set(), 0
    for n in range(1, steps + 1):
        target = tmp_path / str(n) / "c"
        missing += not target.is_dir()
        if not has_old and not target.is_dir():
            continue
        found = Certificate.load(target)
        assert found in (OLD, NEW), n
        seen.add(found.statement["claim"])
        NEW.save(target)  # a later save works, and leaves nothing else behind
        assert Certificate.load(target) == NEW
        assert [*(tmp_path / str(n)).iterdir()] == [target]
    assert steps > 15
    assert seen == ({"old", "new"} if has_old else {"new"})
    assert (missing > 0) == (not can_exchange or not has_old)


def test_what_a_living_writer_has_begun_is_left_alone(tmp_path):
    with replacing._scratch(tmp_path / "c") as scratch:
        OLD.save(tmp_path / "c")
        Certificate.load(tmp_path / "c")
        assert left_over(tmp_path) == [scratch]
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("name", [".c-12345678.distill", ".c-backup01", ".cc-12345678.distill", "c-12345678.distill"])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("precious")
    (tmp_path / ".c-aaaaaaaa.distill").symlink_to(tmp_path / name)
    OLD.save(tmp_path / "c")
    assert (tmp_path / name / "thesis.txt").read_text() == "precious"


def test_what_came_between_check_and_exchange_is_put_back(tmp_path, monkeypatch):
    real = replacing._write

    def slow(folder, files):
        real(folder, files)
        (tmp_path / "c").mkdir()
        (tmp_path / "c" / "thesis.txt").write_text("precious")

    monkeypatch.setattr(replacing, "_write", slow)
    with pytest.raises(CertificateError, match="it holds other files"):
        NEW.save(tmp_path / "c")
    assert [path.name for path in tmp_path.rglob("*")] == ["c", "thesis.txt"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_rename_that_fails_leaves_the_old_certificate(tmp_path, monkeypatch, can_exchange):
    OLD.save(tmp_path / "c")
    real = os.rename

    def fail(one, other):
        if Path(one).name == "new":
            raise OSError(5, "Input/output error")
        real(one, other)

    def failing(one, other):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "rename", fail)
    monkeypatch.setattr(replacing, "exchange", failing if can_exchange else lambda one, other: False)
    with pytest.raises(CertificateError, match="Input/output error"):
        NEW.save(tmp_path / "c")
    assert Certificate.load(tmp_path / "c") == OLD
    assert left_over(tmp_path) == []


WRITER = """
import sys, time
from pathlib import Path
from cegis import replacing
from cegis.certificate import Certificate
if sys.argv[3] == "False":
    replacing.exchange = lambda one, other: False
print("ready", flush=True)
ends, n = time.monotonic() + float(sys.argv[4]), 0
while time.monotonic() < ends:
    n += 1
    files = {f"{k}.txt": sys.argv[2].encode() * 9 for k in range(5)}
    Certificate({"who": sys.argv[2], "n": n}, files).save(sys.argv[1])
print("done")
"""


@pytest.mark.parametrize("can_exchange", sliced([True, False], 2))
def test_of_two_writers_one_wins_whole(tmp_path, can_exchange):
    """A third one is killed every now and then."""
    target, seconds = tmp_path / "c", 1.5
    writers = [run(WRITER, target, who, can_exchange, seconds) for who in "AB"]
    victim = run(WRITER, target, "C", can_exchange, 60)
    for writer in (*writers, victim):
        assert writer.stdout.readline() == "ready\n"
    seen, ends = set(), time.monotonic() + seconds
    time.sleep(0.3)
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=60)
    while time.monotonic() < ends:
        try:
            seen.add(Certificate.load(target).statement["who"])
        except CertificateError:  # it was exchanged while it was read
            continue
    for writer in writers:
        out, _ = writer.communicate(timeout=60)
        assert (writer.returncode, out) == (0, "done\n")
    found = Certificate.load(target)
    assert {*found.files.values()} == {found.statement["who"].encode() * 9}
    NEW.save(target)
    assert [*tmp_path.iterdir()] == [target]


def test_a_link_as_target_stays_a_link(tmp_path):
    OLD.save(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "dangling").symlink_to(tmp_path / "later")
    for name, place in (("link", "real"), ("dangling", "later")):
        NEW.save(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert Certificate.load(tmp_path / place) == NEW
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(CertificateError):
        NEW.save(tmp_path / "loop")
