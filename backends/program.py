"""A running solver program and the exchanges with it: commands as text, replies as s-expressions.

An exchange is a few commands and then ``(echo "end-of-reply-N")``. The reply must be exactly what those commands
answer, followed by that echo. Silence until the limit, a crash, a stray word, an ``unsupported`` or an ``(error ...)``
are therefore never mistaken for an answer, and no late reply meets the next question.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import IO

from backends.answer import BackendError
from backends.process import EXIT_MEMORY, Child, DiedError
from backends.sexpression import Expression, read, shown

# A lower limit that was inherited stays: raising it would be refused, and is not wanted.
LIMITED = 'known=$(ulimit -S -v); [ "$known" != unlimited ] && [ "$known" -le "$0" ] || ulimit -v "$0"; exec "$@"'


class Program:
    """A running solver program, and the exchanges with it."""

    def __init__(self, name: str, command: tuple[str, ...], memory_mb: int | None) -> None:
        self.name, self.memory_mb = name, memory_mb
        self._command, self._exchanges = command, 0
        self._errors: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by ``kill``
        try:
            self._child = Child(self._start)
        except BaseException:
            self._errors.close()
            raise

    def tell(self, commands: Sequence[str], deadline: float | None) -> None:
        """Commands that have no answer; raises BackendError with the program's words if there is one."""
        if commands and (reply := self.say(commands, deadline)):
            raise self.objection(f"expected no word on {commands[0][:60]!r} and what follows", reply)

    def say(self, commands: Sequence[str], deadline: float | None) -> list[Expression]:
        """What the program answers to ``commands``; DiedError when it ends, is late or is out of memory."""
        self._exchanges += 1
        end = f"end-of-reply-{self._exchanges}"
        ends = (end.encode(), f'"{end}"'.encode())
        text = "\n".join([*commands, f'(echo "{end}")', ""])
        try:
            data = self._child.exchange(text.encode(), lambda reply: reply.rstrip().endswith(ends), deadline)
        except DiedError as death:
            if death.status is not None and b"(error" in death.said:
                self._check_memory(death.said)
                raise self.objection("expected an answer", [death.said.decode(errors="replace")]) from None
            raise DiedError(death.status, death.said, self._words(death.said)) from None
        self._check_memory(data)
        try:
            *reply, last = read(data.decode(errors="replace"))
        except ValueError as error:
            raise self.objection(str(error), [data.decode(errors="replace")]) from None
        if last not in (end, f'"{end}"'):
            raise self.objection(f"expected the echo {end!r} at the end", [*reply, last])
        return reply

    def objection(self, expected: str, reply: list[Expression]) -> BackendError:
        """The error that quotes the program."""
        words = self._words(" ".join(map(shown, reply)).encode())
        return BackendError(f"{self.name}: {expected}, got {words!r}")

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._child.is_alive()

    def end(self) -> None:
        """End it and everything it started."""
        self._child.kill()

    def kill(self) -> None:
        """``end`` it and forget what it said; it cannot be spoken to any more."""
        self._child.kill()
        self._errors.close()

    def _words(self, said: bytes) -> str:
        """The beginning of what it said, there and on its standard error, on one line."""
        self._errors.seek(0)
        return " ".join((said + b" " + self._errors.read(300)).decode(errors="replace").split())[:300]

    def _check_memory(self, data: bytes) -> None:
        if b"(error" in data and (b"memory" in data or b"bad_alloc" in data):
            raise DiedError(EXIT_MEMORY)

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        """In a session of its own, under the memory limit; a shell sets it, so that our threads need no fork hook."""
        command = self._command
        if self.memory_mb is not None:
            command = ("/bin/sh", "-c", LIMITED, str(self.memory_mb << 10), *command)
        try:
            return subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            raise BackendError(f"{self.name} could not be started: {error}") from error
