"""Which process works on which shard, so that the same line may run many times at once on one folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Claims:
    """Locks on the bytes of a file, one for each shard; the system drops those of a process that dies.

    Only one process may be at a shard, but nothing goes wrong when two are, on a file system without locks: shards are
    written whole, and the same by everyone.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def close(self) -> None:
        """Give everything up."""
        os.close(self._file)

    def take(self, index: int) -> bool:
        """Whether the shard is now this process's own."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, index)
        except BlockingIOError:
            return False
        except OSError:  # no locks here
            return True
        return True

    def wait(self, index: int) -> None:
        """Take the shard once whoever has it is done or dead."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, index)
        except OSError:
            return

    def drop(self, index: int) -> None:
        """Let others have the shard."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, index)
        except OSError:
            return

    @contextmanager
    def held(self, index: int) -> Iterator[None]:
        """While inside, the shard is this process's own."""
        self.wait(index)
        try:
            yield
        finally:
            self.drop(index)
