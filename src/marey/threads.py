"""Threads that prepare clips beside the one that runs the network."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

CLIP_THREADS = "marey-clips"
"""The name of threads that load clips, or its beginning."""


@contextmanager
def clip_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that load clips, each computing alone; what they have not begun is forgotten at the end."""
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, CLIP_THREADS, initializer=compute_alone, initargs=(threads,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def compute_alone(threads: int) -> None:
    """Let torch use this thread alone for what it computes here; elsewhere in the process `threads`, as before.

    Otherwise this thread would have helpers of its own. OpenMP then counts more threads than cores, and those of the
    network sleep between any two of its operations instead of waiting awake: with two threads a pass took 1.15 to 1.25
    times as long, also while nothing was prepared.
    """
    torch.get_num_threads()  # a new thread takes over the number of the process once it asks for it
    torch.set_num_threads(1)  # which sets that of the process, too
    restoring = threading.Thread(target=torch.set_num_threads, args=(threads,))
    restoring.start()
    restoring.join()
