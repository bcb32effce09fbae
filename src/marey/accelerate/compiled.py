"""Functions compiled by Numba where it is installed; without it torch's operations do the same in more passes."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]

Found = TypeVar("Found")

_WORTH = 300_000
"""Values from which on a second thread is woken for them: a millisecond of work."""


@cache
def compiled(function: Callable[..., Any], *, any_order: bool = False) -> Callable[..., Any] | None:
    """`function`, which fills arrays, compiled; None where Numba cannot be loaded. Other threads run meanwhile.

    With `any_order` sums may be added up in any order. Compiled once for a machine, in a few seconds, and kept beside
    the code or in the user's cache; where neither can be written, once for a process.
    """
    numba = _numba()
    if numba is None:
        return None
    fast = {"contract", "nsz", "reassoc"} if any_order else {"contract"}
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fast}
    try:
        found = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no place to keep it
        found = numba.njit(**options)(function)
    loops: Callable[..., Any] = found
    return loops


def numba_version() -> str | None:
    """The version that compiles; None where there is none, or none that goes with this NumPy."""
    numba = _numba()
    return None if numba is None else str(numba.__version__)


@cache
def _numba() -> Any:
    try:
        import numba
    except ImportError:
        return None
    return numba


def shared(part: Callable[[int, int], Found], length: int, values: int) -> list[Found]:
    """What `part(start, stop)` gives over all of `length`, by as many threads as torch uses where `values` are many."""
    threads = min(torch.get_num_threads(), length) if values >= _WORTH else 1
    if threads == 1:
        return [part(0, length)]
    ends = [length * k // threads for k in range(threads + 1)]
    others = [_helpers(threads - 1).submit(part, *one) for one in pairwise(ends[1:])]
    first = part(*ends[:2])
    return [first, *(other.result() for other in others)]


@cache
def _helpers(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="marey-loops")


os.register_at_fork(after_in_child=_helpers.cache_clear)  # a forked process has none of these threads
