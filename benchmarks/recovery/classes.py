"""Class units of the bundled network: is their preferred input that class to a network trained apart?"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from methods import METHODS, preferred

import marey
from marey.network.hooks import frozen

Inputs = Mapping[str, Mapping[str, torch.Tensor]]
"""By class, {stream: (chi channel time height width)}."""


def inputs(
    network: marey.Network,
    classes: Sequence[str],
    method: str,
    *,
    seed: int,
    steps: int,
    weight: float | None,
    folder: Path,
) -> Inputs:
    """What a method makes of the classes; kept in `folder`, so that another verifier can judge what there is."""
    path = folder / f"{method}-{seed}.pt"
    made_of = {"weights": network.weights_hash, "classes": list(classes), "steps": steps, "weight": weight}
    if path.exists():
        kept = torch.load(path, weights_only=True)
        if kept["made_of"] == made_of:
            found: Inputs = kept["inputs"]
            return found
    shown = preferred(network, classes, method, seed=seed, steps=steps, weight=weight)
    made = {label: dict(one.frames) for label, one in zip(classes, shown, strict=True)}
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"made_of": made_of, "inputs": made}, path)
    return made


def recognized(network: marey.Network, frames: Mapping[str, torch.Tensor]) -> list[str]:
    """The class that a network gives each of some inputs {stream: (input channel time height width)}."""
    with torch.no_grad(), frozen(network.module):
        scores = network.activations(frames, [network.scores])[network.scores].flatten(1)
    return [network.classes[k] for k in scores.argmax(1).tolist()]


def rows(
    network: marey.Network, verifier: marey.Network, made: Inputs, method: str, *, seed: int
) -> Iterator[dict[str, Any]]:
    """One row for every class and slowness."""
    slowness = METHODS[method].slowness
    for label, one in made.items():
        frames = {name: values.float() for name, values in one.items()}
        own, other = recognized(network, frames), recognized(verifier, frames)
        for chi, mine, theirs in zip(slowness, own, other, strict=True):
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
