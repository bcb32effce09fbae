"""Whether the heat of a transformer's units lies on the patch that changes: five published kinds, random weights.

    python benchmarks/tokens.py

Needs the libraries transformers and torchvision. Every clip is gray noise; in each, another square of 8 x 8 px is red
for two frames. Heat is where the responses of a unit, the one that answers most to such squares, differ most from those
to the clip without one.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

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
            write_mp4(with_square(noise, t, y, x), Path(folder) / f"{number:02d}.mp4", quality=4)
        for name in CASES:
            measured(name, Path(folder), noise)


def with_square(noise: NDArray[np.uint8], t: int, y: int, x: int) -> NDArray[np.uint8]:
    """The clip (time height width channel) with a red square from this frame and corner on."""
    frames = noise.copy()
    frames[t : t + 2, y : y + SIDE, x : x + SIDE] = (255, 20, 20)
    return frames


def measured(name: str, folder: Path, noise: NDArray[np.uint8]) -> None:
    """Print for each layer how often heat lies on the square, and how often no further than a patch from it."""
    import importlib

    library, make, layers = CASES[name]
    torch.manual_seed(0)
    layout = "n t c h w" if library == "transformers" else "n c t h w"
    network = Network(make(importlib.import_module(library)).eval(), [rgb_frames(FRAMES, size=SIZE, layout=layout)])
    clips = np.stack([noise, *(with_square(noise, *corner) for corner in CORNERS)])
    with torch.no_grad():
        shown = {"rgb": torch.from_numpy(clips).permute(0, 4, 1, 2, 3) / 255}
        volumes = network.activations(shown, list(layers))
    for layer in layers:
        change = (volumes[layer][1:] - volumes[layer][:1]).abs().flatten(2).amax(2)  # clip unit
        unit = f"{layer}:{int(change.mean(0).argmax())}"
        try:
            _, still = heat(network, unit, Clip(folder / "still.mp4"))
        except MareyError as error:
            print(f"| {name} | {layer} | {error} |")
            continue
        hits = near = 0
        for number, (t, y, x) in enumerate(CORNERS):
            _, responses = heat(network, unit, Clip(folder / f"{number:02d}.mp4"))
            change = (responses - still).abs()
            frame, row, column = (int(place) for place in torch.unravel_index(change.argmax(), change.shape))
            off = [max(low - at, at - low - size + 1, 0) for at, low, size in ((row, y, SIDE), (column, x, SIDE))]
            hits += t <= frame < t + 2 and not any(off)
            near += t - 2 <= frame < t + 4 and max(off) < SIDE
        print(f"| {name} | `{unit}` | {hits} of {len(CORNERS)} | {near} of {len(CORNERS)} |", flush=True)


if __name__ == "__main__":
    main()
