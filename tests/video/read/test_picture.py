"""A frame is shown as a screen shows it: in square pixels, of one moment, turned and mirrored."""

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.bitstream import BitStreamFilterContext
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from marey.network.stream import flow_stacks, rgb_frames
from marey.video.read.clips import Clip, load_clip
from marey.video.read.decode import probe, read_video
from marey.video.read.picture import Screen, one_field, square_size

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


SIGNS = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]


def mapped(picture: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Put every pixel where a display matrix says, one by one."""
    a, b, c, d = matrix
    places = {(a * p + c * q, b * p + d * q): picture[q, p] for q, p in np.ndindex(picture.shape[:2])}
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    shown = np.zeros_like(picture if a else picture.swapaxes(0, 1))
    for (x, y), color in places.items():
        shown[y - top, x - left] = color
    return shown


def quarters() -> np.ndarray:
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:16, :24], picture[:16, 24:], picture[16:, :24] = (220, 30, 30), (30, 200, 30), (30, 30, 220)
    return picture


def patched(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix into the track header of an MP4."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def with_message(path: Path, out: Path, options: str) -> Path:
    """Copy a video with a display orientation in its stream."""
    with av.open(str(path)) as given, av.open(str(out), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        said = BitStreamFilterContext(f"h264_metadata=display_orientation=insert:{options}", given.streams.video[0])
        for packets in [said.filter(one) for one in given.demux(video=0)] + [said.filter(None)]:
            for one in packets:
                one.stream = stream
                container.mux(one)
    return out


@pytest.mark.parametrize("matrix", SIGNS)
def test_a_display_matrix_turns_and_mirrors_as_it_says(tmp_path: Path, matrix: tuple[int, int, int, int]):
    path = patched(write(tmp_path / "a.mp4", [quarters()] * 3), matrix)
    expected, info, frames = mapped(quarters(), matrix), probe(path), read_video(path).frames
    assert (info.height, info.width) == expected.shape[:2]
    assert all(np.abs(frame - expected.astype(int)).mean() < 12 for frame in frames.numpy().astype(int))


@given(
    some.sampled_from(SIGNS),
    some.integers(1, 2**20),
    some.integers(-30, 30),
    some.tuples(some.integers(1, 5), some.integers(1, 5)),
)
def test_any_matrix_is_shown_at_the_nearest_quarter_turn(matrix, scale, degrees, size):
    a, b, c, d = matrix
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = [scale * 100 * value for value in (a * cosine - b * sine, a * sine + b * cosine)]
    turned += [scale * 100 * value for value in (c * cosine - d * sine, c * sine + d * cosine)]
    picture = np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(*size, 3)
    shown = Screen(size[1], size[0], tuple(round(value) for value in turned)).oriented(picture)
    assert np.array_equal(shown, mapped(picture, matrix))
    assert np.array_equal(Screen(size[1], size[0], (0, 0, 0, 0)).oriented(picture), picture)


@pytest.mark.parametrize(
    ("options", "matrix"),
    [("flip=horizontal", (-1, 0, 0, 1)), ("flip=vertical", (1, 0, 0, -1)), ("rotate=90", (0, -1, 1, 0))],
)
def test_an_orientation_in_the_stream_holds_for_all_frames(tmp_path: Path, options: str, matrix):
    path = with_message(write(tmp_path / "a.mp4", [quarters()] * 4), tmp_path / "b.mp4", options)
    with av.open(str(path)) as container:
        assert [bool(frame.side_data.get("DISPLAYMATRIX")) for frame in container.decode(video=0)] == [True] + 3 * [
            False
        ]
    for frame in read_video(path).frames.numpy().astype(int):
        assert np.abs(frame - mapped(quarters(), matrix).astype(int)).mean() < 12


def test_flow_is_that_of_the_frames_as_shown(tmp_path: Path, slide: Callable[..., torch.Tensor]):
    path = patched(write(tmp_path / "a.mp4", list(slide(2.0, 0.0, frames=4).numpy())), (-1, 0, 0, 1))
    fields = load_clip(Clip(path), [flow_stacks(1, length=1, size=(64, 80))], flow="dis").fields[64, 80].float()
    assert fields[:, 0].mean() == pytest.approx(-2, abs=0.3) and abs(fields[:, 1].mean()) < 0.3


def test_side_data_that_is_not_known_leaves_at_least_the_turn(tmp_path: Path):
    said = Image.Exif()
    said[274] = 6  # to be turned clockwise
    content = io.BytesIO()
    Image.fromarray(quarters()).save(content, "JPEG", exif=said, quality=95)
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuvj420p"
        for k in range(2):
            packet = av.Packet(content.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, k, k, Fraction(1, 10)
            container.mux(packet)
    frame = read_video(tmp_path / "a.avi").frames[0].numpy().astype(int)
    assert np.abs(frame - mapped(quarters(), (0, 1, -1, 0)).astype(int)).mean() < 12
