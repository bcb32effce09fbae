"""A clip that was decoded once is read from the cache, and is what decoding gives."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

import marey.video.read.clips as clips_module
from marey.datasets import class_folders
from marey.errors import VideoError
from marey.network.stream import Stream, flow_stacks, rgb_frames
from marey.video.flow.cache import FlowCache
from marey.video.read.ahead import ClipWindows, clip_windows
from marey.video.read.cached_clips import SUFFIX
from marey.video.read.clips import Clip, LoadedClip, load_clip

STREAMS = (rgb_frames(2, step=3, first=1, size=32), flow_stacks(2, length=3, step=3, size=32))
FLOW = "dis"


@pytest.fixture
def clip(shapes: Path, tmp_path: Path) -> Clip:
    """A copy of a clip, which may be changed."""
    copy = tmp_path / "clip.mp4"
    copy.write_bytes(class_folders(shapes)[0].path.read_bytes())
    return Clip(copy)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The clips that were decoded so far."""
    paths: list[Path] = []
    original = clips_module.sampled_frames

    def counted(piece, *given, **options):
        paths.append(piece.path)
        return original(piece, *given, **options)

    monkeypatch.setattr(clips_module, "sampled_frames", counted)
    return paths


@pytest.fixture
def cache(tmp_path: Path) -> FlowCache:
    return FlowCache(tmp_path / "cache")


def _same(one: LoadedClip, other: LoadedClip) -> bool:
    plain = ("clip", "frames", "rate", "source_size", "damage")
    return all(getattr(one, name) == getattr(other, name) for name in plain) and all(
        kept.keys() == again.keys() and all(torch.equal(kept[size], again[size]) for size in kept)
        for kept, again in ((one.pictures, other.pictures), (one.fields, other.fields))
    )


def _windows_same(one: ClipWindows, other: ClipWindows) -> bool:
    inputs, others = one.inputs(STREAMS), other.inputs(STREAMS)
    return one.start_frames == other.start_frames and all(torch.equal(inputs[name], others[name]) for name in inputs)


def _entries(cache: FlowCache, suffix: str = SUFFIX) -> list[Path]:
    return sorted(path for path in cache.folder.iterdir() if path.suffix == suffix)


def test_a_clip_is_decoded_once_and_read_as_it_was_decoded(clip: Clip, cache: FlowCache, decoded: list[Path]) -> None:
    bare = load_clip(clip, STREAMS, flow=FLOW)
    first, again = (load_clip(clip, STREAMS, flow=FLOW, cache=cache) for _ in range(2))
    assert len(decoded) == 2 and _same(bare, first) and _same(bare, again)
    windows = clip_windows(clip, STREAMS, count=3, flow=FLOW, cache=cache)
    assert len(decoded) == 2
    assert _windows_same(windows, clip_windows(clip, STREAMS, count=3, flow=FLOW))


def test_windows_read_no_more_than_they_show(
    clip: Clip, cache: FlowCache, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_clip(clip, STREAMS, flow=FLOW, cache=cache)
    (entry,) = _entries(cache)
    damaged = bytearray(entry.read_bytes())
    damaged[-1] ^= 1  # in the last frame, which the middle window does not show
    entry.write_bytes(damaged)
    made = clip_windows(clip, STREAMS, count=1, flow=FLOW, cache=cache)
    assert len(decoded) == 1
    start = made.start_frames[0]
    assert torch.equal(made.inputs(STREAMS)["rgb"][0], whole.window(STREAMS, start)["rgb"])


@pytest.mark.parametrize("what", [SUFFIX, ".marey-flow"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign", "gone", "longer"])
def test_a_damaged_entry_is_made_again(
    clip: Clip, cache: FlowCache, decoded: list[Path], what: str, damage: str
) -> None:
    first = load_clip(clip, STREAMS, flow=FLOW, cache=cache)
    windows = clip_windows(clip, STREAMS, count=3, flow=FLOW, cache=cache)
    (entry,) = _entries(cache, what)
    whole = entry.read_bytes()
    for part in (0.001, 0.6):
        flipped = bytearray(whole)
        flipped[int(part * len(flipped))] ^= 4
        changed = {"flip": flipped, "cut": whole[: int(part * len(whole))], "empty": b"", "foreign": b"x" * 9000}
        entry.write_bytes({**changed, "gone": b"", "longer": whole + b"more"}[damage])
        if damage == "gone":
            entry.unlink()
        assert _windows_same(windows, clip_windows(clip, STREAMS, count=3, flow=FLOW, cache=cache))
        assert _same(first, load_clip(clip, STREAMS, flow=FLOW, cache=cache))
    assert _same(first, load_clip(clip, STREAMS, flow=FLOW, cache=cache))
    (entry,) = _entries(cache, what)
    assert entry.stat().st_size == len(whole) or damage == "longer"


def test_what_decoding_depends_on_is_told_apart(
    clip: Clip, cache: FlowCache, decoded: list[Path], shapes: Path, tmp_path: Path
) -> None:
    def load(clip: Clip, streams: tuple[Stream, ...] = STREAMS, **options: object) -> LoadedClip:
        return load_clip(clip, streams, **{"flow": FLOW, "cache": cache, **options})  # type: ignore[arg-type]

    load(clip)
    wider = tuple(stream.resized(24, 32) for stream in STREAMS)
    slower = tuple(replace(stream, rate=12.5) for stream in STREAMS)
    others: list[Callable[[], LoadedClip]] = [
        lambda: load(Clip(clip.path, start_seconds=0.1)),
        lambda: load(Clip(clip.path, stop_seconds=0.3)),
        lambda: load(clip, wider),
        lambda: load(clip, slower),
        lambda: load(clip, flow="farneback"),
        lambda: load(clip, STREAMS[:1]),
    ]
    for count, other in enumerate(others, start=2):
        other()
        assert len(decoded) == count
    clip.path.write_bytes(class_folders(shapes)[1].path.read_bytes())
    again = load(clip)
    assert len(decoded) == len(others) + 2 and _same(again, load_clip(clip, STREAMS, flow=FLOW))
    copy = tmp_path / "other name.mp4"
    copy.write_bytes(clip.path.read_bytes())
    before = len(decoded)
    assert load(Clip(copy, label="else")).clip == Clip(copy, label="else")
    assert len(decoded) == before  # the same content under another name


def test_clips_count_towards_the_limit_and_the_oldest_go_first(
    shapes: Path, tmp_path: Path, decoded: list[Path]
) -> None:
    clips = list(class_folders(shapes))[:4]
    measured = FlowCache(tmp_path / "measured")
    load_clip(clips[0], STREAMS, flow=FLOW, cache=measured)
    size = sum(path.stat().st_size for path in measured.folder.iterdir())
    cache = FlowCache(tmp_path / "small", limit_bytes=int(2.5 * size))
    for age, clip in zip((30, 20, 10, 0), clips, strict=True):
        before = set(cache.folder.iterdir()) if cache.folder.exists() else set()
        load_clip(clip, STREAMS, flow=FLOW, cache=cache)
        for path in set(cache.folder.iterdir()) - before:
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
        assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= cache.limit_bytes
    count = len(decoded)
    load_clip(clips[3], STREAMS, flow=FLOW, cache=cache)
    assert len(decoded) == count
    load_clip(clips[0], STREAMS, flow=FLOW, cache=cache)
    assert len(decoded) == count + 1


def test_frame_images_are_kept_by_their_content(
    shapes: Path, tmp_path: Path, decoded: list[Path], cache: FlowCache
) -> None:
    frames = load_clip(class_folders(shapes)[0], STREAMS[:1]).pictures[(32, 32)]
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(frames.numpy(), start=1):
        Image.fromarray(frame).save(folder / f"img_{number:05d}.png")
    decoded.clear()
    first, again = (load_clip(Clip(folder), STREAMS[:1], cache=cache) for _ in range(2))
    assert len(decoded) == 1 and _same(first, again) and torch.equal(first.pictures[(32, 32)], frames)
    Image.fromarray(frames[0].numpy()).save(folder / "img_00002.png")
    assert not _same(first, load_clip(Clip(folder), STREAMS[:1], cache=cache))
    assert len(decoded) == 2


def test_damage_is_told_again_from_the_cache(cache: FlowCache, decoded: list[Path], tmp_path: Path) -> None:
    clip = Clip(tmp_path / "cut.avi")
    with av.open(str(clip.path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    whole = clip.path.read_bytes()
    clip.path.write_bytes(whole[: len(whole) * 3 // 4])
    first, again = (load_clip(clip, STREAMS, flow=FLOW, cache=cache) for _ in range(2))
    assert first.damage is not None and _same(first, again) and len(decoded) == 1


def test_a_clip_that_cannot_be_used_is_not_kept(cache: FlowCache, decoded: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_bytes(b"no video")
    for _ in range(2):
        with pytest.raises(VideoError, match="cannot be opened"):
            load_clip(Clip(tmp_path / "text.mp4"), STREAMS, flow=FLOW, cache=cache)
    assert len(decoded) == 2 and not cache.folder.exists()
