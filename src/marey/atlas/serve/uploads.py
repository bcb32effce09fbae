"""Clips that are sent to the server: told by their content, of limited size, and in limited time."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from marey.errors import VideoError

_MAGIC = 16
"""Bytes by which a kind of file is known."""

_KINDS: dict[str, Callable[[bytes], bool]] = {
    ".mp4": lambda head: head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"),
    ".mkv": lambda head: head[:4] == b"\x1a\x45\xdf\xa3",
    ".avi": lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI ",
    ".mpg": lambda head: head[:4] in (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"),
    ".ogv": lambda head: head[:4] == b"OggS",
}
"""{suffix: whether a file begins so}. Lists of other files, which a decoder would open, are none of these."""


@dataclass(frozen=True)
class UploadLimits:
    """Bounds on one upload: its size, the time of all of it, and the time without a byte."""

    size: int = 200 * 2**20
    seconds: float = 300.0
    silent_seconds: float = 15.0


class UploadError(VideoError):
    """A clip that is refused, with the status of HTTP that says so."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


async def received(chunks: AsyncIterator[bytes], uploads: Path, *, limits: UploadLimits, promised: int | None) -> Path:
    """Write a clip that arrives in chunks into a new folder below `uploads`, and return its path.

    `promised` is the size that the sender says it has. Raises UploadError, and leaves nothing then: 408 where it takes
    too long, 413 where it is too large, 415 where it is no video. What is wrong is told before the rest is read.
    """
    if promised is not None and promised > limits.size:
        raise _too_large(limits)
    folder = Path(tempfile.mkdtemp(dir=uploads))
    try:
        async with asyncio.timeout(limits.seconds):
            return await _written(chunks, folder, limits)
    except TimeoutError:
        shutil.rmtree(folder, ignore_errors=True)
        raise UploadError(
            408, "the clip came too slowly, and was not taken; send it again, or a smaller one."
        ) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


async def _written(chunks: AsyncIterator[bytes], folder: Path, limits: UploadLimits) -> Path:
    head, size, draft = b"", 0, folder / "clip"
    with draft.open("wb") as file:
        while True:
            try:
                async with asyncio.timeout(limits.silent_seconds):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                break
            size += len(chunk)
            if size > limits.size:
                raise _too_large(limits)
            file.write(chunk)
            if len(head) < _MAGIC:
                head += chunk[: _MAGIC - len(head)]
                if len(head) == _MAGIC:
                    _suffix(head)
    return draft.rename(draft.with_suffix(_suffix(head)))


def _suffix(head: bytes) -> str:
    """The suffix of a file that begins so; UploadError for what is no video."""
    suffix = next((suffix for suffix, fits in _KINDS.items() if fits(head)), None)
    if suffix is None:
        raise UploadError(
            415, "this is no video; expected MP4, MOV, WebM, Matroska, AVI, MPEG or Ogg, whatever its name."
        )
    return suffix


def _too_large(limits: UploadLimits) -> UploadError:
    return UploadError(
        413, f"the clip is larger than {limits.size / 2**20:g} MiB; cut it up, or make its frames smaller."
    )
