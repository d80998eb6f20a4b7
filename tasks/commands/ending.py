"""What a command says when it is ended from outside: a batch system's SIGTERM, or SIGXCPU at a limit of CPU time.

The system notes a signal at once, whatever the main thread is in, and a thread of ours reads of it: a solver's query
under way keeps nobody from being told. Where there is something to say it goes to standard output and the process ends
with exit code 0, else with 128 and the signal's number. A hard limit of CPU time kills without a word, so the soft one
is put before it.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

LAST_SECONDS = 1  # of CPU time, between the soft limit and a hard one
LEAST_SECONDS = 2  # of a hard limit; nothing is put before a shorter one


@contextmanager
def speaking_last(answer: Callable[[], str | None]) -> Iterator[None]:
    """Within it, a signal that ends the process prints ``answer()`` where that is not None.

    Only in the main thread of a POSIX process, as Python has it with signals; elsewhere nothing changes.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGXCPU)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    told_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    limits = _put_before()
    listener = threading.Thread(target=_listen, args=(reader, numbers, answer), daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(told_before)
        os.close(writer)  # the listener reads the end of the pipe, and ends
        listener.join()
        os.close(reader)
        for number, handler in before.items():
            signal.signal(number, handler)
        _put_back(limits)


def _listen(reader: int, numbers: tuple[signal.Signals, ...], answer: Callable[[], str | None]) -> None:
    """End the process at the first of these signals; return once the other end of the pipe is closed."""
    while received := os.read(reader, 64):
        for number in numbers:
            if number in received:
                _end(number, answer())


def _end(number: int, text: str | None) -> None:
    with suppress(Exception):  # what is left running is told to end, as at any exit
        atexit._run_exitfuncs()
    if text is None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os._exit(128 + number)
    with suppress(OSError, ValueError):
        sys.stdout.write(text)
        sys.stdout.flush()
        os._exit(0)
    os._exit(128 + number)


def _put_before() -> tuple[int, int] | None:
    """Lower the soft limit of CPU time below a hard one that is the same; the limits there were, if it was done."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or soft != hard or hard < LEAST_SECONDS:
        return None
    resource.setrlimit(resource.RLIMIT_CPU, (hard - LAST_SECONDS, hard))
    return soft, hard


def _put_back(limits: tuple[int, int] | None) -> None:
    if limits is not None:
        import resource

        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, limits)
