"""A child process that can be talked to, waited for until a deadline, and killed with everything it started.

The child leads its own session and process group, and has one stream socket to us. Sending and receiving happen
together, so two full buffers cannot block each other. A child that ends or comes too late raises ``DiedError``, which
can say in a sentence what happened. The protocol spoken over the socket belongs to the caller.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import weakref
from collections.abc import Callable
from time import monotonic

from backends.answer import BackendError, Limits

GRACE_SECONDS = 0.5
EXIT_MEMORY = 86  # the exit status of our worker after running out of memory
MAX_REPLY = 1 << 28  # bytes

Start = Callable[[socket.socket], "subprocess.Popen[bytes]"]


class DiedError(Exception):
    """The child is gone or too late; ``said`` is what it had sent of its last reply, ``words`` what of it to quote."""

    def __init__(self, status: int | None, said: bytes = b"", words: str = "") -> None:
        super().__init__("it was too slow" if status is None else f"it ended with status {status}")
        self.status = status  # an exit status, minus a signal number, or None for "still running, out of time"
        self.said, self.words = said, words

    def sentence(self, limits: Limits) -> str:
        """What the user should read, naming the limit that was set."""
        return f"{self._event(limits)}; it said {self.words!r}" if self.words else self._event(limits)

    def _event(self, limits: Limits) -> str:
        memory = "" if limits.memory_mb is None else f" (memory limit {limits.memory_mb} MB)"
        match self.status:
            case None:
                return f"killed at the time limit of {limits.seconds:.3g} s"
            case status if status == EXIT_MEMORY:
                return f"ran out of memory{memory}"
            case status if status == -signal.SIGXCPU:
                return f"killed at the CPU time limit of {limits.seconds:.3g} s"
            case status if status < 0:
                return f"the solver process was ended by {signal.Signals(-status).name}{memory}"
        return f"the solver process ended with status {self.status}{memory}"


class Child:
    """A child process and the socket to it."""

    def __init__(self, start: Start) -> None:
        """``start(socket)`` begins the process, in a session of its own, with the child's end of the socket."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = start(theirs)
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        self._socket = ours
        self._kill = weakref.finalize(self, _kill, self._process, ours, os.getpid())

    def exchange(self, data: bytes, is_complete: Callable[[bytearray], bool], deadline: float | None) -> bytes:
        """Send ``data`` and receive until ``is_complete(reply)``; raises DiedError when that does not come in time.

        ``deadline`` is on the clock of ``time.monotonic``; None waits as long as the child lives.
        """
        reply, unsent = bytearray(), memoryview(data)
        try:
            while unsent or not is_complete(reply):
                unsent = unsent[self._pass(unsent, reply, deadline) :]
                if len(reply) > MAX_REPLY:
                    raise BackendError(f"a solver process sent more than {MAX_REPLY >> 20} MB as one reply; ended it")
        except TimeoutError:
            raise DiedError(None, bytes(reply)) from None
        except (OSError, ValueError):  # the other end is closed, or ours was, by ``kill`` from another thread
            raise DiedError(self._status(), bytes(reply)) from None
        return bytes(reply)

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the whole process group; ending it twice is harmless."""
        self._kill()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def _pass(self, unsent: memoryview, reply: bytearray, deadline: float | None) -> int:
        """Wait for the socket; receive into ``reply`` and send of ``unsent`` what it takes; the bytes sent."""
        remaining = None if deadline is None else deadline - monotonic()
        if remaining is not None and remaining <= 0:
            raise TimeoutError
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if unsent else 0))
        events = dict(poll.poll(None if remaining is None else remaining * 1000)).values()
        if any(event & ~select.POLLOUT for event in events):  # something to read, or the end
            received = self._socket.recv(1 << 16)
            if not received:
                raise ConnectionResetError
            reply += received
        return self._socket.send(unsent) if any(event & select.POLLOUT for event in events) else 0

    def _status(self) -> int | None:
        try:
            return self._process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return None


def _kill(process: subprocess.Popen[bytes], channel: socket.socket, owner: int) -> None:
    if os.getpid() != owner:  # a fork of this process inherits the object, but not the right to end the child
        return
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    channel.close()
