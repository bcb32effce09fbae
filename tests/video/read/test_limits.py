"""A video that asks for too much is refused in one line, before the memory is taken."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from marey.errors import VideoError
from marey.network.stream import flow_stacks, rgb_frames
from marey.video.limits import Limits
from marey.video.read.clips import Clip, load_clip
from marey.video.read.decode import probe, read_video

WriteVideo = Callable[..., Path]
Plain = Callable[..., list[np.ndarray]]


def absurd_png_video(path: Path, width: int, height: int) -> Path:
    """The video of PNG frames with a width and height written into each that it does not have."""
    content = bytearray(path.read_bytes())
    place = content.find(b"IHDR")
    while place >= 0:
        content[place + 4 : place + 12] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        content[place + 17 : place + 21] = zlib.crc32(bytes(content[place : place + 17])).to_bytes(4, "big")
        place = content.find(b"IHDR", place + 4)
    path.write_bytes(content)
    return path


def test_an_absurd_size_in_the_header_takes_no_memory(write_video: WriteVideo, plain: Plain):
    path = absurd_png_video(write_video("absurd.mov", plain([50, 60]), codec="png", pixels="rgb24"), 16000, 12000)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    except OSError:
        pytest.skip("the system does not tell the peak of memory")
    before = peak_megabytes()
    with pytest.raises(VideoError, match="can be decoded; it is damaged, cut off, too large, or no video"):
        read_video(path)
    assert peak_megabytes() - before < 100  # one such frame takes 550


def peak_megabytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def test_frames_above_the_limits_are_refused_by_their_size(write_video: WriteVideo, plain: Plain, tmp_path: Path):
    wide = write_video("wide.mkv", plain([50, 60], height=16, width=10_000), codec="ffv1")
    large = write_video("large.mp4", plain([50, 60], height=240, width=320))
    Image.new("RGB", (9000, 8)).save(tmp_path / "frames.png")
    folder = tmp_path / "folder"
    folder.mkdir()
    Image.new("RGB", (9000, 8)).save(folder / "img_00001.png")
    for read in (read_video, probe):
        with pytest.raises(VideoError, match=r"wide\.mkv' has frames of 10000 x 16 px; at most 8192 px a side"):
            read(wide)
        with pytest.raises(VideoError, match=r"img_00001\.png' has frames of 9000 x 8 px"):
            read(folder)
        with pytest.raises(VideoError, match=r"large\.mp4' has frames of 320 x 240 px; .* 0\.05 million"):
            read(large, limits=Limits(pixels=50_000))
        with pytest.raises(VideoError, match=r"has frames of 320 x 240 px; at most 300 px"):
            read(large, limits=Limits(side_px=300))


def test_an_image_beyond_what_pillow_opens_is_refused_too(tmp_path: Path):
    encoded = tmp_path / "img_00001.png"
    Image.new("L", (8, 8)).save(encoded)
    content = bytearray(encoded.read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    encoded.write_bytes(content)
    with pytest.raises(VideoError, match=r"img_00001\.png' cannot be read: .*exceeds limit"):
        read_video(tmp_path)


def test_a_clip_that_would_fill_the_memory_is_refused(write_video: WriteVideo, plain: Plain):
    path = write_video("long.mp4", plain([50] * 40))
    streams = [rgb_frames(1, size=48), flow_stacks(1, length=2, size=48)]
    of_each = 64 * 48 * (3 + 4)
    assert load_clip(Clip(path), streams, flow="dis", limits=Limits(clip_bytes=40 * of_each)).frames == 40
    for rate in (None, 10.0):
        timed = [rgb_frames(1, size=48, rate=rate), flow_stacks(1, length=2, size=48, rate=rate)]
        with pytest.raises(VideoError, match=r"long\.mp4' has 40 frames or more, of 0\.0 MB each as the network wants"):
            load_clip(Clip(path), timed, flow="dis", limits=Limits(clip_bytes=40 * of_each - 1))
    assert load_clip(Clip(path, 0.0, 2.0), streams, flow="dis", limits=Limits(clip_bytes=30 * of_each)).frames == 20


def test_damaged_times_between_frames_cannot_fill_the_memory_either(write_video: WriteVideo, plain: Plain):
    ticks = [0, 100, 200, 300, 59_000, 59_100, 59_200]
    path = write_video("gap.mkv", plain([20, 40, 60, 80, 100, 120, 140]), codec="ffv1", ticks=ticks)
    limits = Limits(clip_bytes=100 * 64 * 48 * 3)
    for rate in (None, 10.0):
        with pytest.raises(VideoError, match=r"gap\.mkv' has \d+ frames or more"):
            load_clip(Clip(path), [rgb_frames(1, size=48, rate=rate)], limits=limits)


def test_decoding_ends_at_its_time_limit(write_video: WriteVideo, plain: Plain):
    path = write_video("slow.mp4", plain([50] * 40))
    with pytest.raises(VideoError, match=r"slow\.mp4' takes more than 1e-09 s to decode"):
        load_clip(Clip(path), [rgb_frames(1, size=48)], limits=Limits(decode_seconds=1e-9))


def test_limits_are_above_zero():
    with pytest.raises(VideoError, match="limits of a video must be above 0"):
        Limits(pixels=0)
