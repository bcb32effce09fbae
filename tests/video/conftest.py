"""Small videos and pictures made on the fly."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

WriteVideo = Callable[..., Path]


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    """Writes pictures (uint8: height width channel) to a video; `ticks` of 1/1000 s where their times are not even."""

    def write(
        name: str,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        rate: int = 10,
        ticks: Sequence[int] | None = None,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate, options=options or {})
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = pixels
            if ticks is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            for index, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = index if ticks is None else ticks[index]
                frame.time_base = Fraction(1, rate) if ticks is None else Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


def grays(values: Sequence[int], height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """Plain pictures, each of one gray, so that a frame can be told by its brightness after lossy coding."""
    return [np.full((height, width, 3), value, np.uint8) for value in values]


def texture(height: int, width: int, *, seed: int = 0, blur_px: float = 2.0) -> NDArray[np.float32]:
    """Smooth noise in 0..255, which flow can follow everywhere."""
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), blur_px)
    low, high = float(smooth.min()), float(smooth.max())
    return ((smooth - low) / (high - low) * 255).astype(np.float32)


def sliding(u: float, v: float, *, frames: int = 2, height: int = 64, width: int = 80) -> torch.Tensor:
    """A texture that moves by (u, v) px/frame: uint8 (time height width 3)."""
    margin = 40
    large = texture(height + 2 * margin, width + 2 * margin)
    shown = []
    for k in range(frames):
        shift = np.array([[1, 0, u * k - margin], [0, 1, v * k - margin]], np.float32)
        moved = cv2.warpAffine(large, shift, (width, height), flags=cv2.INTER_CUBIC)
        shown.append(np.repeat(moved.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=-1))
    return torch.from_numpy(np.stack(shown))


@pytest.fixture
def slide() -> Callable[..., torch.Tensor]:
    """`sliding`."""
    return sliding


@pytest.fixture
def plain() -> Callable[..., list[NDArray[np.uint8]]]:
    """`grays`."""
    return grays
