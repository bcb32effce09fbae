"""A data set in which clips are damaged in every way is recorded to its end, and says of each what is wrong."""

import random
import resource
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from marey.recording import Recording
from marey.video.read.clips import Clip

pytestmark = pytest.mark.slow

Again = Callable[..., Recording]


def _written(path: Path, *, width: int, height: int, frames: int, codec: str = "mpeg4") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _absurd_size(path: Path) -> None:
    """Headers that claim frames of 30,000 x 30,000 pixels."""
    damaged = bytearray(path.read_bytes())
    for tag, after in ((b"strf", 12), (b"avih", 40)):
        place = damaged.index(tag) + after
        damaged[place : place + 8] = (30_000).to_bytes(4, "little") * 2
    path.write_bytes(damaged)


def _flipped(whole: bytes, seed: int) -> bytes:
    damaged, chance = bytearray(whole), random.Random(seed)
    for _ in range(len(damaged) // 50):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


@pytest.fixture
def mutated(clips: list[Clip], tmp_path: Path) -> dict[str, Path]:
    """By what is wrong with it, a clip."""
    whole = clips[0].path.read_bytes()
    contents = {
        "cut.mp4": whole[: len(whole) // 2],
        "headless.mp4": whole[len(whole) // 2 :],
        "zeros.mp4": bytes(len(whole)),
        "empty.mp4": b"",
        "text.mp4": b"no video at all",
        "picture.avi": b"\x89PNG\r\n\x1a\n" + whole[:200],
        **{f"flipped{seed}.mp4": _flipped(whole, seed) for seed in range(6)},
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    _written(tmp_path / "single.mp4", width=64, height=48, frames=1)
    for name in ("absurd.avi", "cut.avi"):
        _written(tmp_path / name, width=64, height=48, frames=20, codec="ffv1")
    _absurd_size(tmp_path / "absurd.avi")
    cut = (tmp_path / "cut.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(cut[: len(cut) // 2])
    _written(tmp_path / "wide.mkv", width=10_000, height=64, frames=12, codec="ffv1")
    (tmp_path / "folder.mp4").mkdir()
    names = [*contents, "single.mp4", "absurd.avi", "cut.avi", "wide.mkv", "folder.mp4", "gone.mp4"]
    return {name: tmp_path / name for name in names}


def test_every_bad_clip_is_listed_and_the_good_ones_are_as_without_them(
    again: Again, clips: list[Clip], mutated: dict[str, Path]
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = again([*clips, *(Clip(path, label="disc_left") for path in mutated.values())], limit_seconds=60)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kB
    assert found.recorded + len(found.skipped) == len(clips) + len(mutated)
    reasons = {Path(one.path).name: one.reason for one in found.skipped}
    damage = {Path(row["path"]).name: row["damage"] for row in found.clips.to_pylist() if row["damage"] is not None}
    silent = {name for name in mutated if name not in reasons | damage}
    # What decodes without an error may be any picture.
    assert {name for name in silent if not name.startswith("flipped")} == set()
    assert set(damage) >= {"cut.avi"} and "absurd.avi" in reasons
    assert all(name in text for name, text in reasons.items())
    assert {"zeros.mp4", "empty.mp4", "text.mp4", "headless.mp4", "gone.mp4", "single.mp4", "wide.mkv"} <= {*reasons}
    good = {str(clip.path) for clip in clips}
    assert not good & {one.path for one in found.skipped}
    alone = again(clips)
    numbers = [place for place, path in enumerate(found.recorded_clips["path"].to_pylist()) if path in good]
    assert found.matrix("fc6")[numbers].equal(alone.matrix("fc6"))
