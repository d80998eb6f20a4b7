"""Where independent parts of a proof are computed: here, in processes of this machine, or on the workers of a cluster.

A part is a function of its arguments alone, and how work is cut does not depend on who does it, so the result is the
same however many workers there are and in whatever order they answer. A part whose worker dies is computed by another
one; after ``TRIES`` of them here. What is in use is a context variable, so that a proof need not be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, TypeVar

T = TypeVar("T")
TRIES, MOST = 3, 256  # times that a part is given to a worker; processes
SCHEMES = ("tcp://", "tls://", "ws://", "wss://", "ucx://")


class WorkersError(ValueError):
    """Workers that cannot be had."""


@dataclass
class Workers:
    """``start`` makes an executor, when there is work; one that broke is replaced."""

    start: Callable[[], Executor]
    _pool: Executor | None = field(default=None, init=False)

    def map(self, function: Callable[..., T], parts: Sequence[tuple[Any, ...]]) -> Iterator[T]:
        """``function`` of each part, in order; closing it gives up what is left."""
        futures = [self._submit(function, part) for part in parts]
        try:
            for n, part in enumerate(parts):
                yield self._result(function, parts, futures, n, part)
        finally:
            for future in futures:
                future.cancel()

    def _result(
        self,
        function: Callable[..., T],
        parts: Sequence[tuple[Any, ...]],
        futures: list[Future[T]],
        n: int,
        part: tuple[Any, ...],
    ) -> T:
        for _ in range(TRIES):
            try:
                return futures[n].result()
            except (Exception, CancelledError) as error:
                if not is_lost(error):
                    raise
                if isinstance(error, BrokenExecutor):
                    self._pool = None
                for m in range(n, len(parts)):  # a pool that broke lost all of them
                    if futures[m].done() and (futures[m].cancelled() or is_lost(futures[m].exception())):
                        futures[m] = self._submit(function, parts[m])
        return function(*part)

    def _submit(self, function: Callable[..., T], part: tuple[Any, ...]) -> Future[T]:
        for _ in range(TRIES):
            try:
                self._pool = self._pool or self.start()
                return self._pool.submit(function, *part)
            except BrokenExecutor:
                self._pool = None
        raise WorkersError("the workers end as soon as they are started; do without (no --workers, no executor)")

    def close(self, *, wait: bool = False) -> None:
        """Let the workers go; without ``wait`` whatever they still do."""
        if self._pool is not None:
            own = {"cancel_futures": True} if isinstance(self._pool, ProcessPoolExecutor) else {}
            self._pool.shutdown(wait=wait, **own)  # of Dask's it is the same, where it does not wait
            self._pool = None


def is_lost(error: BaseException | None) -> bool:
    """Whether an error says that a worker went away, nothing of what it was asked."""
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
    with using(Workers(lambda: ProcessPoolExecutor(count, mp_context=get_context("spawn")))) as workers:
        yield workers


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
        yield Workers(lambda: client.get_executor(pure=False))
