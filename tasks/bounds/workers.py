"""Where independent parts of a proof are computed: here, in processes of this machine, or on the workers of a cluster.

    for states in each(stepped, network, ((level[rows], ids[rows]) for rows in blocks(len(level), 512))): ...

A part is a function of its arguments alone, and how work is cut does not depend on who does it, so the result is the
same however many workers there are and in whatever order they answer. A part whose worker dies is computed by another
one; after ``TRIES`` of them here. What all parts need, such as a network, is unpacked once by a worker (``Packed``).
What is in use is a context variable, so that a proof need not be told; inside a part there is nothing in use.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
Part = tuple[Any, ...]  # what a part needs besides what is shared: picklable values
TRIES, MOST = 3, 256  # times that a part is given to a worker; processes
PATIENCE, ALONE = 0.1, 10.0  # seconds of waiting between two looks at the clock, and for a first or another worker
KEPT = 8  # values that a worker keeps unpacked
SCHEMES = ("tcp://", "tls://", "ws://", "wss://", "ucx://")


class WorkersError(ValueError):
    """Workers that cannot be had."""


def blocks(count: int, size: int) -> list[slice]:
    """Slices of ``range(count)``, ``size`` rows each but the last."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def each(
    function: Callable[..., T], shared: Any, parts: Iterable[Part], check_time: Callable[[], None] = lambda: None
) -> Iterator[T]:
    """``function(shared, *part)`` of each part, in order: by the workers in use where there are several parts, or here.

    ``check_time`` is called between parts, and while workers are waited for; what it raises ends it. ``function`` must
    be importable by workers, and leave ``shared`` as it is.
    """
    used = current()
    if used is not None:
        parts = list(parts)
        if len(parts) > 1:
            yield from used.map(function, shared, parts, check_time)
            return
    for part in parts:
        check_time()
        yield function(shared, *part)


@dataclass(frozen=True)
class Packed:
    """A value as bytes, which a worker unpacks once, however many parts it is given.

    They come the way of the parts themselves, which the executor pickles as well, and never from a file.
    """

    name: str  # digest of ``data``
    data: bytes = field(repr=False, compare=False)

    @classmethod
    def of(cls, value: Any) -> Packed:
        """A value of ours; bytes of others are never unpacked."""
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        return cls(hashlib.blake2b(data, digest_size=16).hexdigest(), data)

    @property
    def value(self) -> Any:
        """The value: the same object for every part that this process computes."""
        return _unpacked(self)


@lru_cache(KEPT)
def _unpacked(packed: Packed) -> Any:
    return pickle.loads(packed.data)


def _computed(function: Callable[..., T], packed: Packed, part: Part) -> T:
    """What a worker does."""
    return _alone(function, packed.value, part)


def _alone(function: Callable[..., T], shared: Any, part: Part) -> T:
    """``function`` with no workers in use: what it computes by parts it computes itself."""
    token = _current.set(None)
    try:
        return function(shared, *part)
    finally:
        _current.reset(token)


@dataclass
class Workers:
    """``start`` makes an executor, when there is work; one that broke is replaced.

    ``has_any``: whether there is a worker; where there is none for ``ALONE`` seconds, nobody is waited for.
    """

    start: Callable[[], Executor]
    has_any: Callable[[], bool] = lambda: True
    _pool: Executor | None = field(default=None, init=False)
    _seen: float = field(default_factory=time.monotonic, init=False)  # when there was one

    def map(
        self,
        function: Callable[..., T],
        shared: Any,
        parts: Sequence[Part],
        check_time: Callable[[], None] = lambda: None,
    ) -> Iterator[T]:
        """``function(shared, *part)`` of each part, in order; closing it gives up what is left. See ``each``."""
        packed = Packed.of(shared)
        futures = [self._submit(function, packed, part) for part in parts]
        try:
            for n, part in enumerate(parts):
                if self._is_computed(function, packed, parts, futures, n, check_time):
                    yield futures[n].result()
                else:
                    yield _alone(function, shared, part)
        finally:
            for future in futures:
                future.cancel()

    def _is_computed(
        self,
        function: Callable[..., T],
        packed: Packed,
        parts: Sequence[Part],
        futures: list[Future[T]],
        n: int,
        check_time: Callable[[], None],
    ) -> bool:
        """Wait for a part, and give it to another worker where one is lost; False where all are."""
        check_time()
        for _ in range(TRIES):
            while not wait([futures[n]], timeout=PATIENCE).done:
                check_time()
                self._seen = time.monotonic() if self.has_any() else self._seen
                if time.monotonic() - self._seen > ALONE:
                    self._pool = None
                    return False
            if not _is_lost(futures[n]):
                return True
            if not futures[n].cancelled() and isinstance(futures[n].exception(), BrokenExecutor):
                self._pool = None
            for m in range(n, len(parts)):  # a pool that broke lost all of them
                if futures[m].done() and _is_lost(futures[m]):
                    futures[m] = self._submit(function, packed, parts[m])
        return False

    def _submit(self, function: Callable[..., T], packed: Packed, part: Part) -> Future[T]:
        """What a worker will say of a part; lost at once where there is none."""
        try:
            self._pool = self._pool or self.start()
            return self._pool.submit(_computed, function, packed, part)
        except BrokenExecutor as error:
            self._pool, lost = None, Future[T]()
            lost.set_exception(error)
            return lost

    def close(self, *, wait: bool = False) -> None:
        """Let the workers go; without ``wait`` whatever they still do."""
        if self._pool is not None:
            own = {"cancel_futures": True} if isinstance(self._pool, ProcessPoolExecutor) else {}
            self._pool.shutdown(wait=wait, **own)  # of Dask's it is the same, where it does not wait
            self._pool = None


def _is_lost(future: Future[Any]) -> bool:
    """Whether a future that is done says that its worker went away, and nothing of what it was asked."""
    error = CancelledError() if future.cancelled() else future.exception()
    return isinstance(error, BrokenExecutor | CancelledError) or type(error).__module__.startswith("distributed")


_current: ContextVar[Workers | None] = ContextVar("workers", default=None)


def current() -> Workers | None:
    """Those in use; None for none, and everything is done here."""
    return _current.get()


@contextmanager
def using(workers: Workers) -> Iterator[Workers]:
    """Use them inside."""
    token = _current.set(workers)
    try:
        yield workers
    finally:
        _current.reset(token)
        workers.close()


@contextmanager
def lent(executor: Executor | None) -> Iterator[None]:
    """Use an executor of the caller's inside, and leave it open; None: whatever is in use already."""
    if executor is None:
        yield
        return
    token = _current.set(Workers(lambda: executor))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def opened(said: str) -> Iterator[Workers]:
    """Those that ``said`` names: a number of processes of this machine, or a Dask scheduler's address.

    Raises WorkersError for anything else, and where no scheduler answers.
    """
    if said.startswith(SCHEMES):
        with _dask(said) as workers, using(workers):
            yield workers
        return
    if not said.isdecimal() or not 1 <= int(said) <= MOST:
        raise WorkersError(
            f"expected a number of workers from 1 to {MOST}, or a Dask scheduler such as tcp://host:8786, got {said!r}"
        )
    count = int(said)
    with using(Workers(lambda: _Processes(count, mp_context=get_context("spawn"), initializer=_started))) as workers:
        yield workers


class _Processes(ProcessPoolExecutor):
    """Processes that end when they are let go, whatever they still do."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End them; with ``wait`` behind what they were given."""
        processes = [*(self._processes or {}).values()]
        super().shutdown(wait, cancel_futures=cancel_futures)
        for process in () if wait else processes:
            process.kill()


def _started() -> None:
    """A worker ends with the process that started it, even where that was killed; an interrupt is for that alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    Thread(target=follow, daemon=True).start()


@contextmanager
def _dask(address: str) -> Iterator[Workers]:
    try:
        from distributed import Client
    except ImportError as error:
        raise WorkersError(f"a Dask scheduler needs: pip install distributed ({error})") from error
    with ExitStack() as stack:
        try:
            client = stack.enter_context(Client(address, timeout=10))
        except (OSError, ValueError) as error:
            raise WorkersError(f"no Dask scheduler answers at {address!r}: {error}") from error

        def has_any() -> bool:
            return client.status == "running" and bool(client.scheduler_info()["workers"])

        def start() -> Executor:
            if client.status == "closed":
                raise BrokenExecutor("the scheduler is gone")
            pool: Executor = client.get_executor(pure=False)
            return pool

        yield Workers(start, has_any)
