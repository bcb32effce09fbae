"""Whether the heat of a transformer's units lies on the patch that changes: five published kinds, random weights.

    python benchmarks/tokens.py

Needs the libraries transformers and torchvision. Every clip is gray noise; in each, another square of 8 x 8 px is red
for two frames. Heat is where the responses of a unit differ most from those to the clip without the square.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from marey.errors import MareyError
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import heat
from marey.video.encode import write_mp4
from marey.video.read.clips import Clip

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "network"))
from test_published_transformers import CASES  # type: ignore[import-not-found]

FRAMES, SIZE, SIDE = 8, 32, 8
CORNERS = [(t, y, x) for t in range(0, FRAMES, 4) for y in range(0, SIZE, SIDE) for x in range(0, SIZE, SIDE)]


def main() -> None:
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    with tempfile.TemporaryDirectory() as folder:
        noise = np.random.default_rng(0).integers(96, 160, (FRAMES, SIZE, SIZE, 1)).repeat(3, 3).astype(np.uint8)
        write_mp4(noise, Path(folder) / "still.mp4", quality=4)
        for number, (t, y, x) in enumerate(CORNERS):
            frames = noise.copy()
            frames[t : t + 2, y : y + SIDE, x : x + SIDE] = (255, 20, 20)
            write_mp4(frames, Path(folder) / f"{number:02d}.mp4", quality=4)
        for name in CASES:
            measured(name, Path(folder))


def measured(name: str, folder: Path) -> None:
    """Print for each layer how often heat lies on the square, and how often no further than a patch from it."""
    import importlib

    library, make, layers = CASES[name]
    torch.manual_seed(0)
    layout = "n t c h w" if library == "transformers" else "n c t h w"
    network = Network(make(importlib.import_module(library)).eval(), [rgb_frames(FRAMES, size=SIZE, layout=layout)])
    for layer in layers:
        try:
            _, still = heat(network, f"{layer}:1", Clip(folder / "still.mp4"))
        except MareyError as error:
            print(f"| {name} | {layer} | {error} |")
            continue
        hits = near = 0
        for number, (t, y, x) in enumerate(CORNERS):
            _, responses = heat(network, f"{layer}:1", Clip(folder / f"{number:02d}.mp4"))
            change = (responses - still).abs()
            frame, row, column = (int(place) for place in torch.unravel_index(change.argmax(), change.shape))
            off = [max(low - at, at - low - size + 1, 0) for at, low, size in ((row, y, SIDE), (column, x, SIDE))]
            hits += t <= frame < t + 2 and not any(off)
            near += t - 2 <= frame < t + 4 and max(off) < SIDE
        print(f"| {name} | `{layer}` | {hits} of {len(CORNERS)} | {near} of {len(CORNERS)} |", flush=True)


if __name__ == "__main__":
    main()
