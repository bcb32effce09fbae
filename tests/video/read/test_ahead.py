"""Clips are made ahead of use, in order, and none that is slow, damaged or missing stops the others."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch

from marey.datasets import class_folders
from marey.errors import VideoError
from marey.network.stream import Stream, flow_stacks, rgb_frames
from marey.threads import stop_if_told
from marey.video.read import ahead
from marey.video.read.ahead import ClipWindows, windows_ahead
from marey.video.read.clips import Clip

pytestmark = pytest.mark.slow

STREAMS = (rgb_frames(2, step=3, first=1, size=32), flow_stacks(2, length=3, step=3, size=32))


def _made(clip: Clip, number: int = 0) -> ClipWindows:
    return ClipWindows(({"rgb": torch.full((1,), number)},), (0,), 9, 25.0, None)


@pytest.fixture
def clips(shapes: Path) -> list[Clip]:
    return list(class_folders(shapes))[:7]


def test_threads_for_clips_compute_alone_and_leave_the_number_of_torchs_threads(
    clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, within, later = torch.get_num_threads(), list[int](), list[int]()
    torch.set_num_threads(3)

    def made(clip: Clip, *_: object, **__: object) -> ClipWindows:
        torch.ones(2) + 1
        within.append(torch.get_num_threads())
        return _made(clip)

    monkeypatch.setattr(ahead, "clip_windows", made)
    try:
        list(windows_ahead(clips, STREAMS, count=2, flow="dis", workers=2))
        fresh = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        fresh.start()
        fresh.join()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert within == [1] * len(clips)
    assert later == [3]


@pytest.mark.parametrize("workers", [1, 3])
def test_windows_come_in_order_with_the_reason_where_there_are_none(
    clips: list[Clip], tmp_path: Path, workers: int
) -> None:
    mixed = [*clips[:3], Clip(tmp_path / "gone.mp4"), *clips[3:]]
    threads = cv2.getNumThreads()
    found = list(windows_ahead(mixed, STREAMS, count=2, flow="dis", workers=workers))
    assert [clip for clip, _ in found] == mixed
    assert [isinstance(made, str) for _, made in found] == [False] * 3 + [True] + [False] * 4
    assert "no video at" in str(found[3][1])
    made = found[0][1]
    assert isinstance(made, ClipWindows) and made.inputs(STREAMS)["flow"].shape == (
        len(made.start_frames),
        2,
        6,
        32,
        32,
    )
    assert cv2.getNumThreads() == threads


def test_a_clip_beyond_the_time_limit_is_given_up_and_the_others_come(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def stuck(clip: Clip, streams: object, **options: object) -> ClipWindows:
        if "stuck" in clip.path.name:
            release.wait(20)
        return _made(clip)

    monkeypatch.setattr(ahead, "clip_windows", stuck)
    names = ["a", "stuck1", "b", "stuck2", "stuck3", "c", "d"]
    begun = time.monotonic()
    found = list(
        windows_ahead([Clip(Path(name)) for name in names], STREAMS, count=1, flow="dis", workers=2, limit_seconds=0.2)
    )
    assert time.monotonic() - begun < 5
    release.set()
    assert [isinstance(made, str) for _, made in found] == ["stuck" in name for name in names]
    assert str(found[1][1]) == "'stuck1' takes more than 0.2 s to decode, flow included; it is skipped."


def test_clips_that_nobody_waits_for_any_more_are_left_in_the_midst(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, stopped = threading.Event(), list[str]()

    def slow(clip: Clip, streams: object, **options: object) -> ClipWindows:
        try:
            if clip.path.name == "in the midst":
                begun.set()
            while clip.path.name != "quick":
                time.sleep(0.01)
                stop_if_told()
        except BaseException:
            stopped.append(clip.path.name)
            raise
        return _made(clip)

    monkeypatch.setattr(ahead, "clip_windows", slow)
    names = ["quick", "beyond the limit", "in the midst", "not begun"]
    made = windows_ahead(
        [Clip(Path(name)) for name in names], STREAMS, count=1, flow="dis", workers=1, ahead=4, limit_seconds=0.3
    )
    assert [isinstance(next(made)[1], str) for _ in range(2)] == [False, True]
    assert begun.wait(5)
    made.close()
    last = time.monotonic() + 5
    while len(stopped) < 2 and time.monotonic() < last:
        time.sleep(0.01)
    assert stopped == ["beyond the limit", "in the midst"]


@pytest.mark.parametrize("error", [cv2.error("bad"), MemoryError(), ValueError("odd"), VideoError("cut off")])
def test_what_decoders_raise_for_damage_is_a_reason(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(clip: Clip, streams: object, **options: object) -> ClipWindows:
        raise error

    monkeypatch.setattr(ahead, "clip_windows", broken)
    ((_, made),) = windows_ahead([Clip(Path("a"))], STREAMS, count=1, flow="dis")
    assert made == (str(error) or type(error).__name__)


def test_a_bug_is_raised_where_its_clip_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(clip: Clip, streams: object, **options: object) -> ClipWindows:
        raise KeyError("a bug")

    monkeypatch.setattr(ahead, "clip_windows", wrong)
    with pytest.raises(KeyError, match="a bug"):
        list(windows_ahead([Clip(Path("a"))], STREAMS, count=1, flow="dis"))


def test_only_some_clips_are_in_memory_and_none_is_made_after_the_last_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = 0

    def many() -> Iterator[Clip]:
        nonlocal drawn
        for number in range(100):
            drawn += 1
            yield Clip(Path(str(number)))

    monkeypatch.setattr(ahead, "clip_windows", lambda clip, streams, **options: _made(clip))
    made = windows_ahead(many(), STREAMS, count=1, flow="dis", workers=2)
    next(made)
    assert drawn == 4
    made.close()
    assert drawn == 4


def test_streams_are_told_apart(shapes: Path) -> None:
    streams: tuple[Stream, ...] = (rgb_frames(1, size=32),)
    ((_, made),) = windows_ahead(list(class_folders(shapes))[:1], streams, count=3, flow="dis")
    assert isinstance(made, ClipWindows) and set(made.cuts[0]) == {"rgb"} and made.start_frames == (0, 4, 8)
