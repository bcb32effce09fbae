"""Temporal over spatial variation of the preferred motion along the chi sweep, beside the published bands.

python benchmarks/bands.py                      # VGG-16 two-stream of the paper's size, random weights
python benchmarks/bands.py network.safetensors  # a trained network
"""

import argparse

import torch

import marey
from marey.families.two_stream import TwoStream
from marey.maximization.priors import differences

PUBLISHED = {"conv3_3": (0.42, 2.57), "conv4_3": (0.22, 1.77), "conv5_2": (0.25, 0.63)}
"""Slow and fast, measured on the mosaics of Feichtenhofer et al., CVPR 2018."""


def variation(result: marey.PreferredInput) -> list[tuple[float, float]]:
    """Spatial variation (px squared) and temporal over spatial variation of the motion, per chi."""
    found = []
    for motion in result.frames["flow"]:
        spatial, temporal = differences(motion[None])
        found.append((float(spatial), float(temporal / spatial)))
    return found


def main() -> None:
    """Print one line per layer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", nargs="?", help="a .safetensors file; default: random VGG-16 two-stream")
    parser.add_argument("--layers", nargs="*", default=["flow.conv3_3", "flow.conv4_3", "flow.conv5_2"])
    parser.add_argument("--units", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2 * marey.Recipe().steps)
    parser.add_argument("--weight", type=float)
    parser.add_argument("--slowness", type=float, nargs="*", default=[0, 1, 5, 10])
    options = parser.parse_args()
    if options.net is None:
        torch.manual_seed(0)
        module = TwoStream(101).eval()
        network = marey.Network(module, module.input_streams(), name="VGG-16, random")
    else:
        network = marey.load(options.net)
    recipe = marey.Recipe(slowness=tuple(options.slowness), steps=options.steps, weight=options.weight)
    print(f"{network.name}: mean over {options.units} units of temporal / spatial variation at each chi")
    print(
        "layer".ljust(14), *(f"chi {chi:g}".rjust(8) for chi in options.slowness), " space, largest change   published"
    )
    for layer in options.layers:
        units = [f"{layer}:{channel}" for channel in range(options.units)]
        results = marey.maximize(network, units, recipe=recipe)
        table = torch.tensor([variation(result) for result in results]).mean(0)  # chi, (space, ratio)
        drift = float((table[:, 0] / table[:, 0].mean() - 1).abs().max())
        published = PUBLISHED.get(layer.split(".")[-1])
        words = "" if published is None else f"slow {published[0]}, fast {published[1]}"
        print(layer.ljust(14), *(f"{ratio:8.2f}" for ratio in table[:, 1].tolist()), f"{drift:10.1%}".ljust(25), words)


if __name__ == "__main__":
    main()
