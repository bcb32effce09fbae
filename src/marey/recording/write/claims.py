"""Claims on shards, so that several processes can work on one recording at once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Claims:
    """Locks on the bytes of a file, one for each shard; the system drops the locks of a process that dies.

    On a file system without locks two processes may work on the same shard. Nothing goes wrong then: both write the
    same shard, and each writes it whole.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def close(self) -> None:
        """Give all shards up."""
        os.close(self._file)

    def take(self, index: int) -> bool:
        """Claim the shard; False when another process has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, index)
        except BlockingIOError:
            return False
        except OSError:  # no locks here
            return True
        return True

    def wait(self, index: int) -> None:
        """Claim the shard once the process that has it is done or dead."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, index)
        except OSError:
            return

    def drop(self, index: int) -> None:
        """Give the shard up."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, index)
        except OSError:
            return

    @contextmanager
    def taken(self, index: int) -> Iterator[None]:
        """While inside, this process has the shard; it waits for it first."""
        self.wait(index)
        try:
            yield
        finally:
            self.drop(index)
