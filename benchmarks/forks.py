"""Processes that are forked for one piece of work: they begin at once, and can be killed."""

import os
import traceback
from collections.abc import Callable


def forked(work: Callable[[], object]) -> int:
    """The id of a process that does the work and exits with the number that `work` gives (None: 0), or 1 if it fails.

    Fork before torch has threads.
    """
    pid = os.fork()
    if pid == 0:
        try:
            status = work()
            os._exit(status if isinstance(status, int) else 0)
        except BaseException:  # noqa: BLE001 -- said here, because nobody above would
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def ended(pid: int) -> int:
    """The exit status of a process, once it has ended; minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
