"""A file of a recording that is checked block by block as it is read, so that a reader is given only what was written.

Checksums of Parquet itself cover the values in a page, not what says how many there are, of which type, and where.
"""

import io
import os
import zlib
from pathlib import Path

import numpy as np

BLOCK_BYTES = 2**16


class ChangedError(Exception):
    """A file that is not as it was written."""


def checksums(path: Path) -> str:
    """CRC-32 of every block of a file, eight hexadecimal digits each."""
    with path.open("rb") as file:
        return "".join(f"{zlib.crc32(block):08x}" for block in iter(lambda: file.read(BLOCK_BYTES), b""))


class CheckedFile(io.RawIOBase):
    """A file to read from, each block checked once. Raises ChangedError where one is not what `checksums` saw."""

    def __init__(self, path: Path, expected: str) -> None:
        """Open the file, and compare nothing yet but its length."""
        self._expected = np.frombuffer(bytes.fromhex(expected), ">u4").tolist()
        self._file = path.open("rb", buffering=0)
        self._bytes = os.fstat(self._file.fileno()).st_size
        self._place = 0
        self._checked: set[int] = set()
        if -(-self._bytes // BLOCK_BYTES) != len(self._expected):
            self.close()
            raise ChangedError(f"it has {self._bytes} bytes, which are not those that were written")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, counted from the start, from here, or from the end."""
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._bytes}[whence]
        return self._place

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, checked."""
        stop = self._bytes if size is None or size < 0 else min(self._bytes, self._place + size)
        first, last = self._place // BLOCK_BYTES, -(-stop // BLOCK_BYTES)
        begin = first * BLOCK_BYTES
        blocks = memoryview(os.pread(self._file.fileno(), max(0, last - first) * BLOCK_BYTES, begin))
        for number in set(range(first, last)) - self._checked:
            block = blocks[(number - first) * BLOCK_BYTES : (number - first + 1) * BLOCK_BYTES]
            if zlib.crc32(block) != self._expected[number]:
                raise ChangedError("it has changed since it was written")
            self._checked.add(number)
        found = bytes(blocks[self._place - begin : stop - begin])
        self._place = max(self._place, stop)
        return found
