"""Class units of the bundled network: is their preferred input that class to a network trained apart?"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from methods import preferred

import marey
from marey.taps import frozen


def recognized(network: marey.Network, frames: dict[str, torch.Tensor]) -> list[str]:
    """The class that a network gives each of some inputs {stream: (input channel time height width)}."""
    with torch.no_grad(), frozen(network.module):
        scores = network.activations(frames, [network.scores])[network.scores].flatten(1)
    return [network.classes[k] for k in scores.argmax(1).tolist()]


def rows(
    network: marey.Network, verifier: marey.Network, classes: Sequence[str], method: str, *, seed: int, steps: int
) -> Iterator[dict[str, Any]]:
    """One row for every class and slowness."""
    for label, one in zip(classes, preferred(network, classes, method, seed=seed, steps=steps), strict=True):
        frames = {name: values.float() for name, values in one.frames.items()}
        own, other = recognized(network, frames), recognized(verifier, frames)
        for chi, mine, theirs in zip(one.slowness, own, other, strict=True):
            yield {
                "part": "classes",
                "kind": "class",
                "class": label,
                "method": method,
                "seed": seed,
                "chi": chi,
                "itself": mine,
                "verifier": theirs,
            }
