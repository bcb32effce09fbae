"""Threads that load clips beside the network, and that end soon when nobody waits for them."""

import atexit
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

CLIP_THREADS = "marey-clips"
"""The beginning of the name of every thread that loads clips."""

_PATIENCE_SECONDS = 10.0

_at_work: set["Work"] = set()
_ending = threading.Event()  # set when the interpreter ends, after which nobody waits for any work
_own = threading.local()


@contextmanager
def clip_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads that load clips, each computing alone; their work ends soon after the block, also by Ctrl-C.

    All of them have begun when the block does: a thread that begins sets the number of threads of the whole process for
    a moment, and products that are computed in that moment are rounded otherwise.
    """
    import torch

    threads, work, begun = torch.get_num_threads(), Work(), threading.Barrier(count + 1)

    def begin() -> None:
        compute_alone(threads)
        _own.work = work

    pool = ThreadPoolExecutor(count, CLIP_THREADS, initializer=begin)
    try:
        for _ in range(count):
            pool.submit(begun.wait)
        begun.wait()
        yield pool
    finally:
        begun.abort()  # so that no thread waits where the block was not reached
        work.stop()
        pool.shutdown(cancel_futures=True)


def compute_alone(threads: int) -> None:
    """Let torch use one thread for the computations of this thread, and `threads` elsewhere in the process.

    Otherwise this thread would have helpers of its own. OpenMP then counts more threads than cores, and the threads of
    the network sleep between any two operations instead of waiting awake: with two threads a pass took 1.15 to 1.25
    times as long, also while no clip was loaded.
    """
    import torch

    torch.get_num_threads()  # a new thread takes over the number of the process once it asks for it
    torch.set_num_threads(1)  # which sets the number of the process, too
    restoring = threading.Thread(target=torch.set_num_threads, args=(threads,))
    restoring.start()
    restoring.join()


class Stopped(BaseException):
    """Ends a thread whose work nobody waits for any more."""


class Work:
    """A piece of work that another thread may stop: it ends at its next `stop_if_told`, or does not begin.

    While a daemon thread is inside the block, the interpreter does not end, for at most ten seconds. A thread that is
    ended within a decoder aborts the process: a script that stops, by Ctrl-C or by any error, would say `terminate
    called` below its traceback.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let the work end soon."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether nobody waits for the work any more."""
        return self._stopped.is_set() or _ending.is_set()

    def __enter__(self) -> None:
        if self.stopped:
            raise Stopped
        _at_work.add(self)
        _own.work = self

    def __exit__(self, *error: object) -> None:
        _at_work.discard(self)
        _own.work = None


def stop_if_told() -> None:
    """Raise `Stopped` in a thread whose work was stopped; code that takes long calls this now and then."""
    work: Work | None = getattr(_own, "work", None)
    if work is not None and work.stopped:
        raise Stopped


@atexit.register
def _end_work() -> None:
    _ending.set()
    last = time.monotonic() + _PATIENCE_SECONDS
    while _at_work and time.monotonic() < last:
        time.sleep(0.01)
