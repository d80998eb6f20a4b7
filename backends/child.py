"""The worker process: an ``Engine`` that takes JSON lines from a socket, under limits set by the operating system.

Started by ``backends.worker`` as ``python -m backends.child FD``. Each line gets one line back. Address space
and CPU time are limited per line by setrlimit. Running out of memory ends this process, since nothing more can be
trusted to work afterwards, not even the reply.
"""

from __future__ import annotations

import json
import math
import os
import resource
import socket
import sys
from typing import Any, TextIO

import pysmt.logics
from pysmt.environment import Environment

from backends.answer import Answer, BackendError, Limits, Sat, Unknown, Unsat
from backends.engine import Engine
from backends.launcher import lowered
from backends.package import PysmtBackend
from backends.process import EXIT_MEMORY
from backends.registry import load
from backends.wire import Decoder, write_value

INHERITED = {kind: resource.getrlimit(kind) for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS)}


def main() -> None:
    """Answer lines until the parent closes the socket."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=int(sys.argv[1])) as channel, channel.makefile("rw", encoding="utf-8") as lines:
        try:
            serve(lines)
        except MemoryError:
            os._exit(EXIT_MEMORY)


def serve(lines: TextIO) -> None:
    """The first line says which solver to start; every other one adds a formula or asks about one."""
    served: Served | None = None
    for line in lines:
        reply: dict[str, Any] = {"ready": True}
        try:
            if served is None:
                served = Served(json.loads(line))
            else:
                reply = served.reply(json.loads(line))
        except BackendError as error:
            reply = {"error": str(error)}
        lines.write(json.dumps(reply) + "\n")
        lines.flush()


class Served:
    """One environment and one engine for the life of this process."""

    def __init__(self, hello: dict[str, Any]) -> None:
        self.environment = Environment()
        self.decoder = Decoder(self.environment)
        backend = load(hello["home"])
        if not isinstance(backend, PysmtBackend):
            raise BackendError(f"expected a backend through pySMT at {hello['home']!r}, got {type(backend).__name__}")
        self.engine = Engine(backend, self.environment, getattr(pysmt.logics, hello["logic"]), hello["seed"])

    def reply(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a line asks: add a formula, or check one and report every symbol's value."""
        limit(None if "add" in request else request["seconds"], request["memory_mb"])
        if "add" in request:
            self.engine.add(self.decoder.decode(request["add"]), request["name"])
            return {"added": True}
        manager = self.environment.formula_manager
        formula = self.decoder.decode(request["check"])
        symbols = tuple(manager.get_symbol(name) for name in request["symbols"])
        answer = self.engine.check(formula, symbols, Limits(request["seconds"]))
        if isinstance(answer, Unknown) and answer.is_out_of_memory:
            raise MemoryError
        return written(answer)


def limit(seconds: float | None, memory_mb: int | None) -> None:
    """Set this process's soft limits: ``seconds`` more of CPU time, ``memory_mb`` of address space; never above those
    it was started with.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = None if seconds is None else math.ceil(usage.ru_utime + usage.ru_stime + seconds) + 1
    memory = None if memory_mb is None else memory_mb << 20
    for kind, wanted in ((resource.RLIMIT_CPU, cpu), (resource.RLIMIT_AS, memory)):
        soft, _ = lowered(INHERITED[kind], wanted)
        resource.setrlimit(kind, (soft, INHERITED[kind][1]))


def written(answer: Answer) -> dict[str, Any]:
    """An answer as JSON."""
    match answer:
        case Sat():
            said: dict[str, Any] = {"sat": {name: write_value(value) for name, value in answer.model.items()}}
        case Unsat():
            said = {"unsat": True, "core": list(answer.core)}
        case Unknown():
            said = {"unknown": answer.reason}
    return {**said, "seconds": answer.seconds}


if __name__ == "__main__":
    main()
