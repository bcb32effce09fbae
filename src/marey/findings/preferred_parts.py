"""Responses to preferred inputs taken apart: appearance alone, motion alone, both, and with another unit's motion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from marey.accelerate.passes import quick_passes
from marey.errors import MareyError, NetworkError
from marey.findings.preferred_folder import preferred_inputs
from marey.maximization.result import PreferredInput
from marey.network.crop import Crop, crop_of
from marey.network.network import Network
from marey.network.unit import Unit


@dataclass(frozen=True)
class PreferredParts:
    """Responses of a unit to its preferred input; what is not shown is at rest.

    synergy
        (both - appearance - motion + neither) / (both - neither), the part of what the input adds that needs both; not
        a number where it adds nothing.
    with_other
        the same with the motion of another unit's preferred input, relative to the same; None where no other one
        has this size.
    """

    unit: str
    both: float
    appearance: float
    motion: float
    neither: float
    with_other: float | None

    @property
    def synergy(self) -> float:
        """See the class."""
        return _relative(self.both - self.appearance - self.motion + self.neither, self.both - self.neither)


def _relative(rest: float, added: float) -> float:
    return rest / added if added > 0 else float("nan")


def preferred_parts(network: Network, folder: str | Path) -> list[PreferredParts]:
    """Take apart the preferred inputs that `marey maximize` wrote into a folder, of units that see both streams.

    Of every sweep the input with the highest score counts. Raises MareyError for a folder without any, or made with
    other weights.
    """
    asked = [one for found in preferred_inputs(folder, network) if (one := _Asked.of(network, found)) is not None]
    if not asked:
        raise MareyError(f"no preferred input in '{folder}' is of a unit that sees RGB and flow.")
    with torch.no_grad(), quick_passes(network):
        return [one.parts(_other(one, asked)) for one in asked]


@dataclass(frozen=True, eq=False)
class _Asked:
    unit: Unit
    crop: Crop
    frames: dict[str, Tensor]

    @classmethod
    def of(cls, network: Network, found: PreferredInput) -> "_Asked | None":
        """None for a unit that sees one kind of stream, and for sums of units."""
        if {stream.kind for stream in found.streams} != {"rgb", "flow"}:
            return None
        try:
            unit = network.unit(found.label)
        except NetworkError:
            return None
        best = max(range(len(found.scores)), key=found.scores.__getitem__)
        frames = {name: video.to(network.device) for name, video in found.inputs(best).items()}
        return cls(unit, crop_of(network, unit), frames)

    def parts(self, other: "_Asked | None") -> PreferredParts:
        """With the motion of another preferred input of the same size."""
        streams = {stream.name: stream for stream in self.crop.streams}
        rest = {name: torch.full_like(video, streams[name].rest) for name, video in self.frames.items()}

        def shown(rgb: dict[str, Tensor], flow: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: (rgb if one.kind == "rgb" else flow)[name] for name, one in streams.items()}

        shows = [(self.frames, self.frames), (self.frames, rest), (rest, self.frames), (rest, rest)]
        if other is not None:
            shows += [(self.frames, other.frames), (rest, other.frames)]
        values = self._values([shown(*one) for one in shows])
        both, appearance, motion, neither = values[:4]
        with_other = None
        if other is not None:
            with_other = _relative(values[4] - appearance - values[5] + neither, both - neither)
        return PreferredParts(str(self.unit), both, appearance, motion, neither, with_other)

    def _values(self, shows: Sequence[dict[str, Tensor]]) -> list[float]:
        inputs = {name: torch.cat([one[name] for one in shows]) for name in shows[0]}
        with self.crop.applied(self.crop.network.module):
            found = self.crop.activations(inputs)[self.unit.layer][:, self.unit.channel]
        place = self.crop.position if self.crop.position is not None else self.unit.position
        values = found.flatten(1).amax(1) if place is None else found[(slice(None), *place)]
        return [float(value) for value in values]


def _other(one: _Asked, asked: Sequence[_Asked]) -> _Asked | None:
    """The next preferred input, around the list, of another unit of the layer whose frames have the same sizes."""
    alike = [
        other
        for other in asked
        if other.unit.layer == one.unit.layer
        and all(other.frames[name].shape == video.shape for name, video in one.frames.items())
    ]
    place = next(place for place, other in enumerate(alike) if other is one)
    other = alike[(place + 1) % len(alike)]
    return None if other.unit == one.unit else other
