"""A folder in which a tenth of the clips are bad: each is told by name with its reason, and the rest is loaded."""

import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from marey.errors import VideoError
from marey.network.stream import flow_stacks, rgb_frames
from marey.video.read.clips import Clip, LoadedClip, load_clips

pytestmark = pytest.mark.slow

WriteVideo = Callable[..., Path]
Plain = Callable[..., list[np.ndarray]]

STREAMS = [rgb_frames(1, size=32), flow_stacks(1, length=3, size=32)]
VALUES = list(range(20, 220, 20))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path, every: int, seed: int = 0) -> None:
    content = bytearray(path.read_bytes())
    draw = random.Random(seed)
    for place in range(draw.randrange(every), len(content), every):
        content[place] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def widen(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for tag, after in ((b"strf", 12), (b"avih", 40)):
        place = content.index(tag) + after
        content[place : place + 8] = (30_000).to_bytes(4, "little") * 2
    path.write_bytes(content)


@pytest.fixture
def folder(write_video: WriteVideo, plain: Plain) -> tuple[list[Clip], set[str]]:
    """A hundred clips, and the names of the ten that are bad."""
    good = [write_video(f"good{k}.{('mp4', 'avi', 'mkv')[k % 3]}", plain(VALUES)) for k in range(3)]
    clips = []
    for k in range(90):
        path = good[0].with_name(f"{k:03}{good[k % 3].suffix}")
        path.write_bytes(good[k % 3].read_bytes())
        clips.append(path)
    bad = [write_video(name, plain(VALUES)) for name in ("cut.mp4", "cut.avi", "zeros.mp4", "header.mp4")]
    bad += [write_video("absurd.avi", plain(VALUES), codec="ffv1"), write_video("one_frame.mp4", plain([90]))]
    bad += [write_video("flipped.mkv", plain(VALUES), options={"g": "1"})]
    bad += [write_video("wide.mkv", plain(VALUES, 16, 10_000), codec="ffv1")]
    for path in bad[:2]:
        cut(path)
    bad[2].write_bytes(bytes(bad[2].stat().st_size))
    flip(bad[3].with_name("header.mp4"), 3)
    widen(bad[4])
    flip(bad[6], 23)
    wrong, empty = good[0].with_name("wrong.avi"), good[0].with_name("empty.avi")
    wrong.write_text("This is a text. " * 100)
    empty.touch()
    bad += [wrong, empty]
    every = [Clip(path) for path in (*clips, *bad)]
    random.Random(0).shuffle(every)
    return every, {path.name for path in bad}


def test_every_bad_clip_is_told_with_its_reason_and_all_others_are_loaded(folder: tuple[list[Clip], set[str]]):
    clips, bad = folder
    assert len(clips) == 100 and len(bad) == 10
    told: dict[str, str] = {}

    def failed(clip: Clip, error: VideoError) -> None:
        told[clip.path.name] = str(error)

    begun, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loaded: list[LoadedClip] = list(load_clips(clips, STREAMS, flow="dis", workers=2, failed=failed))
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    assert time.monotonic() - begun < 60
    assert taken < 500
    for one in loaded:
        if one.damage is not None:
            told[one.clip.path.name] = one.damage
    assert set(told) == bad
    assert all(reason and "\n" not in reason for reason in told.values())
    whole = [one for one in loaded if one.clip.path.name not in bad]
    assert len(whole) == 90 and all(one.frames == len(VALUES) for one in whole)
    assert "10000 x 16 px" in told["wide.mkv"] and "1 frame;" in told["one_frame.mp4"]
    assert "empty file" in told["empty.avi"] and "cannot be opened as a video" in told["wrong.avi"]


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "a.webm", "a.ts"])
def test_whatever_bits_are_flipped_a_clip_is_loaded_or_refused(write_video: WriteVideo, plain: Plain, name: str):
    codec = {"a.avi": "mpeg4", "a.webm": "libvpx-vp9", "a.ts": "mpeg2video"}.get(name, "libx264")
    path = write_video(name, plain(VALUES), codec=codec, rate=25)
    content = path.read_bytes()
    for seed in range(12):
        path.write_bytes(content)
        flip(path, max(4, len(content) // (1 << seed % 6)), seed)
        begun = time.monotonic()
        told: list[VideoError] = []
        clips = list(
            load_clips([Clip(path)], STREAMS, flow="dis", failed=lambda _, error, told=told: told.append(error))
        )
        assert len(clips) + len(told) == 1
        assert time.monotonic() - begun < 10
