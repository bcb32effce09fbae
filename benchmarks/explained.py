"""How much of the change of clips DIS and TV-L1 flow explain: clips of motion, the same out of order, and noise.

Run `python benchmarks/explained.py`, and name methods ("dis", "tvl1-fast", "tvl1") to choose among them.
"""

import sys
import time
from collections.abc import Mapping
from statistics import mean
from typing import get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

import marey
from marey.studies import study_classes, study_clip
from marey.video.flow.explained import explained_by_flow
from marey.video.flow.methods import Method

FRAMES, SIDE, SEED = 12, 64, 77


def clips() -> Mapping[str, list[Tensor]]:
    """Clips (3 time height width) in 0..1 by what they are."""
    studies = []
    for name in study_classes()[:16]:
        frames = study_clip(name, SEED, len(studies), size=SIDE, frames=2 * FRAMES).frames[::2]
        studies.append(torch.from_numpy(frames).permute(3, 0, 1, 2) / 255)
    torch.manual_seed(0)
    smooth = [torch.rand(1, 3, FRAMES, 8, 8) for _ in range(6)]
    found = {
        "motion studies": studies,
        "the same, frames in random order": [one[:, torch.randperm(FRAMES)] for one in studies],
        "noise, each pixel and frame its own": [torch.rand(3, FRAMES, SIDE, SIDE) for _ in range(6)],
        "noise, smooth in space": [interpolate(one, (FRAMES, SIDE, SIDE), mode="trilinear")[0] for one in smooth],
    }
    network, recipe = marey.load("motion-studies-rgb"), marey.Recipe(steps=24, slowness=(0.0,))
    for words, held in (("moved clips of four classes", "moved"), ("free clips of the same classes", "fourier")):
        made = marey.maximize(network, ["walk", "run", "wave", "throw"], parametrization=held, recipe=recipe)
        found[words] = [one.frames["rgb"][0].float() for one in made]
    return found


def main() -> None:
    methods: list[Method] = [one for one in get_args(Method) if one in (sys.argv[1:] or ["dis", "tvl1-fast"])]
    print("| clips |", *(f"{one} | ms |" for one in methods))
    for words, some in clips().items():
        cells = []
        for method in methods:
            start = time.perf_counter()
            shares = [explained_by_flow(one, method=method) or 0.0 for one in some]
            cells.append(f"{mean(shares):.2f} | {1000 * (time.perf_counter() - start) / len(some):.0f} |")
        print(f"| {words}, {len(some)} |", *cells, flush=True)


if __name__ == "__main__":
    main()
