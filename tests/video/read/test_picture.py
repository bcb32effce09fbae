"""A frame is shown as a screen shows it: in square pixels, of one moment."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from marey.network.stream import rgb_frames
from marey.video.read.clips import Clip, load_clip
from marey.video.read.decode import probe, read_video
from marey.video.read.picture import one_field, square_size

Plain = Callable[..., list[np.ndarray]]


def write(path: Path, pictures: list[np.ndarray], *, aspect: Fraction | None = None, interlaced: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        options = {"x264-params": "interlaced=1", "qp": "0"} if interlaced else {}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        (Fraction(16, 15), (64, 85)),
        (Fraction(1, 2), (128, 80)),
        (Fraction(101, 100), (64, 80)),
        (Fraction(9), (64, 80)),
    ],
)
def test_frames_are_given_in_square_pixels(tmp_path: Path, aspect: Fraction, size: tuple[int, int]):
    left = np.zeros((64, 80, 3), np.uint8)
    left[:, :40] = 200
    path = write(tmp_path / "a.mp4", [left] * 3, aspect=aspect)
    info, frames = probe(path), read_video(path).frames
    assert (info.height, info.width) == tuple(frames.shape[1:3]) == size
    middle = size[1] // 2
    assert frames[1, :, : middle - 3].float().mean() > 190 and frames[1, :, middle + 3 :].float().mean() < 10


def test_a_clip_is_resized_from_square_pixels(tmp_path: Path, plain: Plain):
    path = write(tmp_path / "a.mp4", plain([50] * 3, 64, 64), aspect=Fraction(3, 2))
    loaded = load_clip(Clip(path), [rgb_frames(1, size=32)])
    assert loaded.source_size == (64, 96)
    assert list(loaded.pictures) == [(32, 48)]


@given(some.integers(1, 500), some.integers(1, 500), some.fractions(Fraction(1, 100), 100))
def test_no_side_shrinks_and_the_proportion_is_that_of_the_pixels(width: int, height: int, aspect: Fraction):
    wide, high = square_size(width, height, aspect)
    assert wide >= width and high >= height and (wide == width or high == height)
    assert wide <= 4 * width + 1 and high <= 4 * height + 1
    if (wide, high) != (width, height):
        assert abs(wide - width * max(aspect, 1)) <= 0.5 and abs(high - height / min(aspect, 1)) <= 0.5


def test_of_an_interlaced_frame_one_moment_is_shown(tmp_path: Path):
    combed = np.full((64, 80, 3), 60, np.uint8)
    combed[1::2] = 180  # what the second field saw
    path = write(tmp_path / "i.mp4", [combed] * 4, interlaced=True)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    frames = read_video(path).frames
    assert frames.shape[1:3] == (64, 80)
    assert (frames.float() - 60).abs().max() <= 3
    plain = read_video(write(tmp_path / "p.mp4", [combed] * 4)).frames
    assert plain[1, 1::2].float().mean() > 170  # a progressive one keeps all its lines


@given(some.integers(1, 9), some.integers(1, 5))
def test_even_lines_stay_and_odd_ones_lie_between(height: int, width: int):
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    shown = one_field(picture)
    assert np.array_equal(shown[::2], picture[::2])
    for row in range(1, height, 2):
        below = picture[min(row + 1, height - 1 - (height - 1) % 2)].astype(int)
        assert np.abs(shown[row].astype(float) - (picture[row - 1].astype(int) + below) / 2).max() <= 0.5
