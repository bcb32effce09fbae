"""Clips are taken by their content, of limited size, in limited time; else nothing stays."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from marey.atlas.serve.uploads import UploadError, UploadLimits, received

MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(20)
LIMITS = UploadLimits(size=1000, seconds=0.5, silent_seconds=0.1)


async def _chunks(chunks: Sequence[bytes], *, pause: float = 0.0) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(pause)
        yield chunk


def _take(folder: Path, chunks: Sequence[bytes], *, promised: int | None = None, pause: float = 0.0) -> Path:
    return asyncio.run(received(_chunks(chunks, pause=pause), folder, limits=LIMITS, promised=promised))


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (MP4, ".mp4"),
        (b"\x1a\x45\xdf\xa3" + bytes(20), ".mkv"),
        (b"RIFF\x00\x00\x00\x00AVI " + bytes(9), ".avi"),
        (b"\x00\x00\x01\xba" + bytes(20), ".mpg"),
        (b"OggS" + bytes(20), ".ogv"),
    ],
)
def test_a_video_is_known_by_its_first_bytes_however_they_are_cut(tmp_path: Path, head: bytes, suffix: str) -> None:
    path = _take(tmp_path, [head[:3], head[3:5], head[5:]])
    assert path.suffix == suffix and path.read_bytes() == head


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\x00\x00",
        b"hello, this is a text",
        b"#EXTM3U\nhttp://127.0.0.1/secret",  # a list that a decoder would follow
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"RIFF\x00\x00\x00\x00WAVE" + bytes(9),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_junk_is_refused_and_nothing_stays(tmp_path: Path, junk: bytes) -> None:
    with pytest.raises(UploadError, match="this is no video; expected MP4") as told:
        _take(tmp_path, [junk])
    assert told.value.status == 415
    assert not list(tmp_path.iterdir())


def test_junk_is_refused_before_the_rest_is_read(tmp_path: Path) -> None:
    read = []

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(9):
            read.append(number)
            yield b"junk" * 8

    with pytest.raises(UploadError):
        asyncio.run(received(chunks(), tmp_path, limits=LIMITS, promised=None))
    assert read == [0]


def test_a_large_clip_is_refused_by_what_it_promises_and_by_what_comes(tmp_path: Path) -> None:
    for chunks, promised in (([MP4], 1001), ([MP4, *[bytes(100)] * 10], None), ([MP4, *[bytes(100)] * 10], 5)):
        with pytest.raises(UploadError, match="larger than") as told:
            _take(tmp_path, chunks, promised=promised)
        assert told.value.status == 413
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("pause", "count"), [(0.3, 1), (0.06, 100)])  # silent, and drop by drop
def test_a_slow_clip_is_refused(tmp_path: Path, pause: float, count: int) -> None:
    with pytest.raises(UploadError, match="came too slowly") as told:
        _take(tmp_path, [MP4, *[b"x"] * count], pause=pause)
    assert told.value.status == 408
    assert not list(tmp_path.iterdir())
