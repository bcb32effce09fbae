"""Speed of every flow method, and how far it is from the truth and from TV-L1 in OpenCV's settings.

    python benchmarks/flow.py [--size 112] [--seed 0]

Generated: pairs of frames of a texture that is carried along by a known flow (shift, turn, zoom, shear, a moving disc).
Real, where the environment variable MAREY_DATA names a folder with Weizmann clips in `weizmann`: pairs of frames of
clips taken evenly from all; their truth is not known. The methods take turns on every pair, so that all see the same
load, on one thread; fields/s is from the median of the wall clock.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey.streams import rgb_frames
from marey.video.clips import Clip, load_clip, resized_size
from marey.video.flow import METHODS, optical_flow

Field = NDArray[np.float32]
Places = tuple[Field, Field]

BORDER = 8
"""Pixels at the edge that are not judged: what enters the frame there has no partner."""

REAL_PAIRS = 12


def scenes(size: int) -> dict[str, Callable[[Field, Field], Places]]:
    """Flow (u, v) in px/frame at places (x, y) from the middle, by name; smooth but for the disc."""
    reach = 0.25 * size
    inside: Callable[[Field, Field], NDArray[np.bool_]] = lambda x, y: x**2 + y**2 < reach**2  # noqa: E731
    return {
        "shift by 0.4 px": lambda x, y: (0 * x + 0.4, 0 * y),
        "shift by 2 px": lambda x, y: (0 * x + 1.6, 0 * y - 1.2),
        "shift by 6 px": lambda x, y: (0 * x - 6, 0 * y),
        "turn by 2 degrees": lambda x, y: (-np.radians(2) * y, np.radians(2) * x),
        "zoom by 3 %": lambda x, y: (0.03 * x, 0.03 * y),
        "shear": lambda x, y: (0.04 * y, 0 * y),
        "disc, 3 px": lambda x, y: (np.where(inside(x, y), 3.0, 0.0), 0 * y),
    }


def texture(size: int, generator: np.random.Generator) -> Field:
    """Gray noise of several scales, 0..255, one size larger than the frame on every side."""
    total = np.zeros((3 * size, 3 * size), np.float32)
    for sigma in (1.5, 4.0, 10.0):
        grain = cv2.GaussianBlur(generator.standard_normal(total.shape).astype(np.float32), (0, 0), sigma)
        total += grain / grain.std()
    return np.clip(127 + 35 * total, 0, 255).astype(np.float32)


def generated(flow_at: Callable[[Field, Field], Places], size: int, seed: int) -> tuple[Tensor, Field]:
    """Two frames (2 height width 3) and their flow (2 height width): the second shows at p + flow(p) what was at p."""
    generator = np.random.default_rng(seed)
    picture, other = texture(size, generator), texture(size, generator)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    x, y = columns - size / 2, rows - size / 2
    u, v = (np.asarray(part, np.float32) for part in flow_at(x, y))
    before_x, before_y = x, y
    for _ in range(20):  # the place that arrives here: the fixed point of p = q - flow(p)
        moved = flow_at(before_x, before_y)
        before_x, before_y = x - moved[0], y - moved[1]
    frames = []
    jumps = float(np.abs(np.diff(u, axis=1)).max()) > 1  # a border of motion: the disc covers another texture
    for across, down in ((x, y), (before_x, before_y)):
        shown = _at(picture, across, down, size)
        if jumps:
            middle = 3.0 if frames else 0.0
            disc = (x - middle) ** 2 + y**2 < (0.25 * size) ** 2
            shown = np.where(disc, _at(picture, x - middle, y, size), _at(other, x, y, size))
        frames.append(np.repeat(shown[..., None], 3, axis=2))
    return torch.from_numpy(np.stack(frames).round().clip(0, 255).astype(np.uint8)), np.stack((u, v))


def _at(picture: Field, x: Field, y: Field, size: int) -> Field:
    middle = 1.5 * size
    places = (np.asarray(part + middle, np.float32) for part in (x, y))
    return np.asarray(cv2.remap(picture, *places, cv2.INTER_CUBIC), np.float32)


def real_pairs(folder: Path, size: int) -> list[Tensor]:
    """Neighboring frames (2 height width 3) from the middle of clips taken evenly."""
    videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".avi", ".mp4"})
    stream = rgb_frames(2, size=size)
    pairs = []
    for video in videos[:: max(1, len(videos) // REAL_PAIRS)][:REAL_PAIRS]:
        loaded = load_clip(Clip(video), [stream])
        frames = loaded.pictures[resized_size(loaded.source_size, stream)]
        pairs.append(frames[len(frames) // 2 :][:2])
    return [pair for pair in pairs if len(pair) == 2]


def distance(a: Field, b: Field) -> float:
    """Mean endpoint difference in pixels, without the border."""
    apart = np.linalg.norm(a - b, axis=0)[BORDER:-BORDER, BORDER:-BORDER]
    return float(apart.mean())


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    made = {name: generated(flow, options.size, options.seed) for name, flow in scenes(options.size).items()}
    data = os.environ.get("MAREY_DATA")
    real = [] if data is None else real_pairs(Path(data) / "weizmann", options.size)
    seconds: dict[str, list[float]] = {method: [] for method in METHODS}
    fields: dict[str, list[Field]] = {method: [] for method in METHODS}
    for pair in [frames for frames, _ in made.values()] + real:
        for method in METHODS:
            begun = time.perf_counter()
            field = optical_flow(pair, method=method)
            seconds[method].append(time.perf_counter() - begun)
            fields[method].append(field[0].numpy())
    count = len(made)
    print(
        f"{count} generated pairs at {options.size} px, {len(real)} of Weizmann, OpenCV {cv2.__version__}, one thread;"
    )
    print("distances are mean endpoint differences in px\n")
    names = list(made)
    print(
        "| method | fields/s | generated: from the truth | from tvl1 | Weizmann: from tvl1 | "
        + " | ".join(names)
        + " |"
    )
    print("|---" * (5 + count) + "|")
    for method in METHODS:
        truth = [distance(field, flow) for field, (_, flow) in zip(fields[method], made.values(), strict=False)]
        apart = [distance(a, b) for a, b in zip(fields[method], fields["tvl1"], strict=True)]
        cells = [
            method,
            f"{1 / statistics.median(seconds[method]):.1f}",
            f"{statistics.mean(truth):.2f}",
            f"{statistics.mean(apart[:count]):.2f}",
            f"{statistics.mean(apart[count:]):.2f}" if real else "no MAREY_DATA",
            *(f"{value:.2f}" for value in truth),
        ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
