"""What the page of a clip shows: the clip, what the network says of it, and the units that it drives most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey.atlas.commands import explain_command
from marey.atlas.driving import RealClips, ShownClip
from marey.atlas.explanations import Explained
from marey.network.unit import Unit

_UNITS = 3
"""Of each layer."""
_CLASSES = 5


@dataclass(frozen=True)
class Driven:
    """A unit that a clip drives; `score` is 1 for the clip that drives it most."""

    unit: Unit
    score: float


@dataclass(frozen=True, eq=False)
class ClipData:
    """A recorded clip.

    seconds
        how long it is; None where that is not known.
    scores
        (class, probability), most likely first, with its own class last where it is not among the first.
    driven
        (layer, its units that the clip drives most).
    command
        explains it, where it is not yet explained.
    """

    clip: ShownClip
    group: str | None
    seconds: float | None
    scores: tuple[tuple[str, float], ...]
    driven: tuple[tuple[str, tuple[Driven, ...]], ...]
    explained: Explained | None
    command: str


class DrivenUnits:
    """The units of each layer that each recorded clip drives most, gathered layer by layer."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[NDArray[np.int32], NDArray[np.float32]]] = {}

    def add(self, layer: str, values: Tensor, ordinary: Tensor, largest: Tensor) -> None:
        """Take the responses (recorded clip, unit) of a layer, whose units have these ranges (unit)."""
        reach = largest - ordinary
        scores = torch.where(reach > 0, (values - ordinary) / reach.clamp(min=1e-12), -1.0)
        best = scores.topk(min(_UNITS, scores.shape[1]), dim=1)
        self._layers[layer] = (best.indices.int().numpy(), best.values.numpy())

    def of(self, row: int) -> tuple[tuple[str, tuple[Driven, ...]], ...]:
        """The units that one recorded clip drives, strongest first; layers at ordinary responses are left out."""
        found = []
        for layer, (channels, scores) in self._layers.items():
            units = tuple(
                Driven(Unit(layer, int(channel)), float(score))
                for channel, score in zip(channels[row], scores[row], strict=True)
                if score > 0
            )
            if units:
                found.append((layer, units))
        return tuple(found)


def clip_data(clips: RealClips, number: int, *, driven: DrivenUnits, explained: Mapping[str, Explained]) -> ClipData:
    """Read what is known of a recorded clip."""
    recording = clips.recording
    row = clips.numbers.index(number)
    about = recording.recorded_clips.slice(row, 1).to_pylist()[0]
    seconds = about["frames"] / about["rate"] if about["frames"] and about["rate"] else None
    return ClipData(
        clips.shown(number),
        about["group"],
        seconds,
        _scores(recording.classes, about["scores"], about["label"]),
        driven.of(row),
        explained.get(about["path"]),
        explain_command(recording, number),
    )


def _scores(classes: Sequence[str], scores: Sequence[float] | None, label: str | None) -> tuple[tuple[str, float], ...]:
    if scores is None or len(scores) != len(classes):
        return ()
    shares = torch.tensor(scores).softmax(0).tolist()
    every = sorted(zip(classes, shares, strict=True), key=lambda one: -one[1])
    return (*every[:_CLASSES], *(one for one in every[_CLASSES:] if one[0] == label))
