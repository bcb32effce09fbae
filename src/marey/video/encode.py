"""Pictures and videos written to disk, whole or not at all, in forms that browsers play."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video import VideoStream
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from PIL import Image

from marey.errors import MareyError, OutputError
from marey.files import replacing

Picture = NDArray[np.uint8]
"""Red, green and blue 0..255 (..., height, width, 3)."""

_LARGEST_SIDE = 16384
_ENCODERS = ("libx264", "libopenh264", "mpeg4")
_LEVELS = np.linspace(0, 255, 24)
_IN_LEVELS = np.rint(_LEVELS[np.abs(np.arange(256)[:, None] - _LEVELS).argmin(1)]).astype(np.uint8)
_BT709 = 1  # the code of these primaries and this transfer in ISO/IEC 23001-8


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn FFmpeg's errors into errors of the disk, which `replacing` reports."""
    try:
        yield
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


@lru_cache(maxsize=1)
def video_encoder() -> str:
    """Name the best encoder of this PyAV: libx264 or libopenh264 (H.264), or mpeg4, which browsers do not play."""
    for name in _ENCODERS:
        try:
            av.Codec(name, "w")
        except (av.FFmpegError, av.codec.codec.UnknownCodecError):
            continue
        return name
    raise OutputError(f"this PyAV has none of the encoders {', '.join(_ENCODERS)}; install the wheel from PyPI.")


def write_mp4(frames: Picture, path: str | Path, *, rate: float = 25.0, quality: int = 18) -> None:
    """Write frames (time, height, width, 3) as an MP4 that browsers play: H.264, yuv420p, BT.709, index in front.

    `rate` is in frames per second; `quality` is the constant rate factor of x264, from 0 (best) to 51. Odd sizes are
    padded to even ones by repeating the edge. Without an H.264 encoder the file is MPEG-4 Part 2, with a warning.
    """
    frames = _checked(frames, rate)
    if not 0 <= quality <= 51:
        raise MareyError(f"quality is {quality}; expected a constant rate factor from 0 (best) to 51.")
    frames = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
    encoder = video_encoder()
    if encoder == "mpeg4":
        warnings.warn(
            f"this PyAV has no H.264 encoder: '{path}' is MPEG-4 Part 2, which browsers do not play.",
            RuntimeWarning,
            stacklevel=2,
        )
    options = {"movflags": "+faststart"}
    with (
        replacing(path) as draft,
        _disk_errors(),
        av.open(str(draft), "w", format="mp4", options=options) as container,
    ):
        stream = cast("VideoStream", container.add_stream(encoder, rate=Fraction(rate).limit_denominator(1001)))
        _configure(stream, frames, rate, quality)
        for frame in frames:
            container.mux(stream.encode(_video_frame(frame)))
        container.mux(stream.encode())


def _configure(stream: VideoStream, frames: Picture, rate: float, quality: int) -> None:
    context = stream.codec_context
    context.height, context.width = frames.shape[1:3]
    context.pix_fmt = "yuv420p"
    context.time_base = 1 / Fraction(rate).limit_denominator(1001)
    context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
    context.color_primaries = context.color_trc = _BT709
    if context.name == "libx264":
        # Without the macroblock tree, whose choices differ from run to run: the same frames give the same file.
        context.options = {"crf": str(quality), "preset": "veryfast", "x264-params": "mbtree=0"}
    else:
        context.bit_rate = max(500_000, round(frames.shape[1] * frames.shape[2] * rate * 0.2))


def _video_frame(frame: Picture) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )


def in_levels(picture: Picture) -> Picture:
    """The picture in 24 levels of each color, 0 and 255 among them, at most 6 from what it was: half the bytes as PNG.

    >>> in_levels(np.array([0, 100, 128, 250, 255], np.uint8))
    array([  0, 100, 133, 255, 255], dtype=uint8)
    """
    shown: Picture = _IN_LEVELS[picture]
    return shown


def write_png(picture: Picture, path: str | Path) -> None:
    """Write one picture (height, width, 3) as PNG."""
    picture = _bytes(picture)
    if picture.ndim != 3 or picture.shape[-1] != 3 or 0 in picture.shape:
        raise MareyError(f"a picture has shape {picture.shape}; expected (height, width, 3).")
    with replacing(path) as draft:
        Image.fromarray(picture).save(draft, format="PNG", compress_level=6)


def write_webp(picture: Picture, path: str | Path, *, quality: int = 75) -> None:
    """Write one picture (height, width, 3) as WebP, smaller than PNG by a factor of ten; `quality` is 0 to 100.

    A fourth channel is its opacity.
    """
    encoded = webp(picture, quality=quality)
    with replacing(path) as draft:
        draft.write_bytes(encoded)


def webp(picture: Picture, *, quality: int = 75) -> bytes:
    """Encode one picture (height, width, 3) as WebP; a fourth channel is its opacity."""
    picture = _bytes(picture)
    if picture.ndim != 3 or picture.shape[-1] not in (3, 4) or not 0 < max(picture.shape[:2]) < _LARGEST_SIDE:
        raise MareyError(f"a picture has shape {picture.shape}; expected (height, width, 3) below {_LARGEST_SIDE} px.")
    encoded = io.BytesIO()
    # method 2 takes a half to a quarter of the time that method 4 takes, for 5 to 12 % more bytes
    Image.fromarray(picture).save(encoded, format="WEBP", quality=quality, method=2)
    return encoded.getvalue()


def _bytes(frames: Picture) -> NDArray[np.uint8]:
    array = np.asarray(frames)
    if array.dtype != np.uint8:
        raise MareyError(
            f"pictures have dtype {array.dtype}; expected uint8, 0..255. Multiply values of 0..1 by 255 first."
        )
    return np.ascontiguousarray(array)


def _checked(frames: Picture, rate: float) -> Picture:
    frames = _bytes(frames)
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise MareyError(f"frames have shape {frames.shape}; expected (time, height, width, 3), none of them 0.")
    if max(frames.shape[1:3]) > _LARGEST_SIDE:
        raise MareyError(
            f"frames of {frames.shape[2]} x {frames.shape[1]} px; this format holds at most {_LARGEST_SIDE} px."
        )
    if not 0 < rate <= 240:
        raise MareyError(f"rate is {rate}; expected frames per second above 0 and at most 240.")
    return frames
