"""What becomes of memory that is freed."""

import ctypes
import os
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Names of settings of glibc's `mallopt`."""


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to 2 GiB, for what it asks for next; whether that could be asked for.

    Left to itself, glibc gives the maps of one pass back to the system, which clears the same memory for the next: a
    tenth of the time of a step. Arrow, if it is not loaded yet, takes its memory from there too, so that the files of a
    first recording are written in two thirds of the time. Only for processes of our own, as it holds for all that runs
    in them. Nothing is changed where the environment already says what to do, or where the C library is another one.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    if not (mallopt(_TRIM_THRESHOLD, 2**31 - 1) and mallopt(_MMAP_MAX, 0)):
        return False
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    return True
