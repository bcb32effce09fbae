"""Speed of every flow method, how far it is from the truth and from TV-L1 in OpenCV's settings, and what it explains.

    python benchmarks/flow.py [FOLDER] [--pairs 40] [--size 112] [--seed 0]

Generated: pairs of frames of a texture that is carried along by a known flow (shift, turn, zoom, shear, a moving disc).
Real: pairs of neighboring frames from the middle of videos taken evenly from FOLDER, or from the folder that the
environment variable MAREY_DATA names. Their truth is not known; instead the second frame, warped back by the flow, is
compared with the first. The methods take turns on every pair, so that all see the same load; fields/s is the median
over all pairs, by the clock of the processor, on one thread.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey.errors import VideoError
from marey.network.stream import rgb_frames
from marey.video.flow.methods import METHODS, Method, optical_flow
from marey.video.read.clips import Clip, load_clip, resized_size

Field = NDArray[np.float32]
Places = tuple[Field, Field]

BORDER = 8
"""Pixels at the edge that are not judged: what enters the frame there has no partner."""

VIDEOS = {".avi", ".mkv", ".mov", ".mp4", ".webm"}


def scenes(size: int) -> dict[str, Callable[[Field, Field], Places]]:
    """Flow (u, v) in px/frame at places (x, y) from the middle, by name; smooth but for the disc."""
    reach = 0.25 * size
    return {
        "shift by 0.4 px": lambda x, y: (0 * x + 0.4, 0 * y),
        "shift by 2 px": lambda x, y: (0 * x + 1.6, 0 * y - 1.2),
        "shift by 6 px": lambda x, y: (0 * x - 6, 0 * y),
        "turn by 2 degrees": lambda x, y: (-np.radians(2) * y, np.radians(2) * x),
        "zoom by 3 %": lambda x, y: (0.03 * x, 0.03 * y),
        "shear": lambda x, y: (0.04 * y, 0 * y),
        "disc, 3 px": lambda x, y: (np.where(x**2 + y**2 < reach**2, 3.0, 0.0), 0 * y),
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


def real_pairs(folder: Path, *, count: int, size: int) -> list[Tensor]:
    """Neighboring frames (2 height width 3) from the middle of clips taken evenly."""
    videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEOS)
    stream = rgb_frames(2, size=size)
    pairs = []
    for video in videos[:: max(1, len(videos) // count)][:count]:
        try:
            loaded = load_clip(Clip(video), [stream])
        except VideoError as error:
            print(error, file=sys.stderr)
            continue
        frames = loaded.pictures[resized_size(loaded.source_size, stream)]
        pairs.append(frames[len(frames) // 2 :][:2])
    return [pair for pair in pairs if len(pair) == 2]


def inside(field: Field) -> Field:
    """Without the border."""
    return field[..., BORDER:-BORDER, BORDER:-BORDER]


def distance(a: Field, b: Field) -> float:
    """Mean endpoint difference in pixels."""
    return float(inside(np.linalg.norm(a - b, axis=0)).mean())


def unexplained(pair: Tensor, field: Field) -> float:
    """Mean gray difference (of 255) between the first frame and the second one warped back by the flow."""
    before, after = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in pair.numpy())
    rows, columns = np.mgrid[: before.shape[0], : before.shape[1]].astype(np.float32)
    warped = cv2.remap(after, columns + field[0], rows + field[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return float(inside(np.abs(warped - before)).mean())


def measured(pairs: Sequence[Tensor]) -> tuple[dict[Method, list[Field]], dict[Method, list[float]]]:
    """Flow of every pair by every method, and the seconds it took."""
    fields: dict[Method, list[Field]] = {method: [] for method in METHODS}
    seconds: dict[Method, list[float]] = {method: [] for method in METHODS}
    for pair in pairs:
        for method in METHODS:
            begun = time.process_time()
            field = optical_flow(pair, method=method)
            seconds[method].append(time.process_time() - begun)
            fields[method].append(field[0].numpy())
    return fields, seconds


def main() -> None:
    """Print one table for all pairs, and one for each generated scene."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=os.environ.get("MAREY_DATA"))
    parser.add_argument("--pairs", type=int, default=40, help="real ones at most")
    parser.add_argument("--size", type=int, default=112, help="of generated frames, and the short side of real ones")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    made = {name: generated(flow, options.size, options.seed) for name, flow in scenes(options.size).items()}
    real = [] if options.folder is None else real_pairs(Path(options.folder), count=options.pairs, size=options.size)
    count = len(made)
    fields, seconds = measured([frames for frames, _ in made.values()] + real)

    print(f"{count} generated and {len(real)} real pairs at {options.size} px, OpenCV {cv2.__version__}, one thread;")
    print("distances are mean endpoint differences in px, without the border")
    if real:
        length = statistics.mean(float(np.linalg.norm(field, axis=0).mean()) for field in fields["tvl1"][count:])
        still = statistics.mean(unexplained(pair, np.zeros((2, 1, 1), np.float32)) for pair in real)
        print(f"real: mean flow of tvl1 {length:.2f} px, gray difference without flow {still:.2f}")
    heads = ("method", "fields/s", "times as fast", "generated: from the truth", "from tvl1", "real: from tvl1", "gray")
    print(f"\n| {' | '.join(heads)} difference |")
    print("|---" * 7 + "|")
    for method in METHODS:
        apart = [distance(a, b) for a, b in zip(fields[method], fields["tvl1"], strict=True)]
        left = [unexplained(pair, field) for pair, field in zip(real, fields[method][count:], strict=True)]
        rate = 1 / statistics.median(seconds[method])
        cells = [
            method,
            f"{rate:.3g}",
            f"{rate * statistics.median(seconds['tvl1']):.1f}",
            f"{statistics.mean(of_truth(fields[method], made)):.2f}",
            f"{statistics.mean(apart[:count]):.2f}",
            f"{statistics.mean(apart[count:]):.2f}" if real else "no clips",
            f"{statistics.mean(left):.2f}" if real else "no clips",
        ]
        print("| " + " | ".join(cells) + " |")
    print(f"\nFrom the truth, scene by scene:\n\n| method | {' | '.join(made)} |")
    print("|---" * (1 + count) + "|")
    for method in METHODS:
        print(f"| {method} | " + " | ".join(f"{value:.2f}" for value in of_truth(fields[method], made)) + " |")


def of_truth(fields: Sequence[Field], made: Mapping[str, tuple[Tensor, Field]]) -> list[float]:
    """Distance from the truth in every generated scene; `fields` begin with theirs."""
    return [distance(field, flow) for field, (_, flow) in zip(fields, made.values(), strict=False)]


if __name__ == "__main__":
    main()
