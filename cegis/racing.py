"""Several searchers at once: our own search in this thread, others in threads of their own; the best answer wins.

Another searcher (cvc5's SyGuS, a Horn-clause engine, a user's) is anything with a ``name``, a ``delay`` and a
``search(problem, stop)`` that yields solutions. It is never trusted: what it yields goes to the verifier like any
candidate. An answer from outside waits until our own search, which looks for the smallest, has had its share of time.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cegis.formula import FormulaSpec, Function
from cegis.loop import Search
from cegis.solution import Solution
from dsl.enumeration import Exhausted, Stopped
from dsl.grammar import Grammar

Stop = Callable[[], bool]
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Problem:
    """What a searcher is asked: ``grammars[function]`` is None where any term of the logic will do.

    ``homes[function]`` is a grammar that derives every admissible term: what its programs are said to come from.
    """

    spec: FormulaSpec
    grammars: Mapping[Function, Grammar | None]
    homes: Mapping[Function, Grammar]


class Searcher(Protocol):
    """Yields solutions, best first or only one; asked in a thread, ends when ``stop()`` is true."""

    name: str
    delay: float  # seconds our own search has for itself before this one starts

    def search(self, problem: Problem, stop: Stop) -> Iterator[Solution]: ...


@dataclass
class Racing:
    """``own`` beside ``others``, each on ``problem``; ``patience`` is how many seconds an outside answer waits."""

    own: Search
    others: tuple[Searcher, ...]
    problem: Problem
    patience: float = 1.0
    _answers: queue.SimpleQueue[Solution] = field(default_factory=queue.SimpleQueue, init=False)
    _ready: list[Solution] = field(default_factory=list, init=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False)
    _closed: threading.Event = field(default_factory=threading.Event, init=False)
    _arrived: float | None = field(default=None, init=False)
    errors: list[BaseException] = field(default_factory=list, init=False)

    @property
    def candidates(self) -> int:
        return self.own.candidates

    @property
    def memory_mb(self) -> float:
        return self.own.memory_mb

    def observe(self, inputs: Any, expected: Any) -> None:
        self.own.observe(inputs, expected)

    def propose(self, stop: Stop) -> Any:
        """The own search's candidate, or the smallest outside answer once it has waited long enough."""
        self._start()
        proposal = self.own.propose(lambda: stop() or self._is_due())
        if isinstance(proposal, Solution):
            return proposal
        while not self._is_due() and not stop() and any(thread.is_alive() for thread in self._threads):
            if isinstance(proposal, (Exhausted, Stopped)) and self._ready:
                break  # nothing to wait for
            time.sleep(POLL_SECONDS)
            self._collect()
        self._collect()
        if self.errors:
            raise self.errors.pop()
        if self._ready:
            self._ready.sort(key=lambda solution: solution.size)
            return self._ready.pop(0)
        return proposal

    def close(self) -> None:
        """End the other searchers and wait for them."""
        self._closed.set()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Racing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_due(self) -> bool:
        self._collect()
        return self._arrived is not None and bool(self._ready) and time.monotonic() > self._arrived + self.patience

    def _collect(self) -> None:
        while not self._answers.empty():
            self._ready.append(self._answers.get())
            if self._arrived is None:
                self._arrived = time.monotonic()

    def _start(self) -> None:
        if not self._threads:
            for searcher in self.others:
                thread = threading.Thread(target=self._run, args=(searcher,), name=searcher.name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self, searcher: Searcher) -> None:
        if self._closed.wait(searcher.delay):
            return
        try:
            for solution in searcher.search(self.problem, self._closed.is_set):
                self._answers.put(solution)
        except Exception as error:  # reported by the thread that asked
            self.errors.append(error)
