"""Small clips of moving shapes, which a tiny network learns within seconds.

Each class is one shape with one motion. Shapes differ in outline and color, motions in direction, so that some classes
share their appearance and some their motion.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marey.video.encode import write_mp4

CLASSES: dict[str, tuple[str, tuple[float, float]]] = {
    "disc_right": ("disc", (1.0, 0.0)),
    "disc_left": ("disc", (-1.0, 0.0)),
    "disc_down": ("disc", (0.0, 1.0)),
    "square_right": ("square", (1.0, 0.0)),
    "square_left": ("square", (-1.0, 0.0)),
    "square_down": ("square", (0.0, 1.0)),
}
"""{class: (shape, direction (right, down))}."""

_COLORS = {"disc": (0.85, 0.25, 0.15), "square": (0.15, 0.35, 0.85)}


def moving_shape(label: str, generator: np.random.Generator, *, size: int = 64, frames: int = 20) -> NDArray[np.uint8]:
    """One clip (time height width 3) of a class: its shape moves at 1 to 2 px/frame across a quiet texture."""
    shape, (right, down) = CLASSES[label]
    speed = generator.uniform(1.0, 2.0)
    middle = size / 2 + generator.uniform(-0.12, 0.12, 2) * size
    radius = generator.uniform(0.17, 0.26) * size
    color = np.clip(np.array(_COLORS[shape]) + generator.normal(0, 0.06, 3), 0, 1)
    back = 0.5 + 0.05 * _texture(size, generator)[..., None] + generator.normal(0, 0.03, 3)
    grain = 0.10 * _texture(2 * size, generator)
    y, x = np.mgrid[0:size, 0:size].astype(float)
    clip = np.empty((frames, size, size, 3))
    for time in range(frames):
        travel = speed * (time - (frames - 1) / 2)
        across, along = x - middle[0] - right * travel, y - middle[1] - down * travel
        outside = np.hypot(across, along) if shape == "disc" else np.maximum(abs(across), abs(along))
        cover = np.clip(radius - outside + 0.5, 0, 1)[..., None]
        rows = (along + size).astype(int) % (2 * size)
        columns = (across + size).astype(int) % (2 * size)
        clip[time] = cover * (color + grain[rows, columns][..., None]) + (1 - cover) * back
    noisy = clip + generator.normal(0, 0.01, clip.shape)
    return (noisy.clip(0, 1) * 255).round().astype(np.uint8)


def write_moving_shapes(
    folder: str | Path, *, people: int = 8, takes: int = 3, size: int = 64, frames: int = 20, seed: int = 0
) -> Path:
    """Write `folder`/class/personN_take.mp4 for `people` groups of `takes` clips of every class; the folder.

    The same seed gives the same frames.
    """
    folder = Path(folder)
    generator = np.random.default_rng(seed)
    for label in CLASSES:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for person in range(people):
            for take in range(takes):
                clip = moving_shape(label, generator, size=size, frames=frames)
                write_mp4(clip, folder / label / f"person{person}_{take}.mp4", rate=25.0, quality=16)
    return folder


def _texture(size: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise (size size) of unit deviation."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 2 / size) ** 1.2
    picture = np.fft.irfft2(np.fft.rfft2(generator.normal(size=(size, size))) * amplitude, s=(size, size))
    return np.asarray((picture - picture.mean()) / picture.std())
