"""One layer of a network, and its outputs in the one order of axes that everything else reads."""

from dataclasses import dataclass, replace

from torch import Tensor

from marey.errors import NetworkError
from marey.network.receptive_field import ReceptiveField
from marey.network.unit import Unit


@dataclass(frozen=True)
class Layer:
    """One layer as the network runs it.

    shape is (units, time, height, width) of its output; receptive_field is in stream frames and pixels.
    """

    name: str
    kind: str
    shape: tuple[int, int, int, int]
    receptive_field: ReceptiveField

    @property
    def units(self) -> int:
        """Number of channels."""
        return self.shape[0]

    @property
    def positions(self) -> tuple[int, int, int]:
        """Number of positions in time, height and width."""
        return self.shape[1:]

    @property
    def center(self) -> tuple[int, int, int]:
        """The middle position (t, y, x)."""
        t, y, x = self.positions
        return (t // 2, y // 2, x // 2)


def within(layer: Layer, unit: Unit) -> Unit:
    """`unit` of the layer, its position counted from the start; NetworkError where the layer has no such unit."""
    if not 0 <= unit.channel < layer.units:
        raise NetworkError(
            f"unit {unit} is out of range: layer '{layer.name}' has {layer.units} units, 0 to {layer.units - 1}."
        )
    unit = replace(unit, layer=layer.name)
    if unit.position is None:
        return unit
    position = tuple(
        size + index if index < 0 else index for index, size in zip(unit.position, layer.positions, strict=True)
    )
    if not all(0 <= index < size for index, size in zip(position, layer.positions, strict=True)):
        raise NetworkError(
            f"position {unit.position} of unit {unit} is outside layer '{layer.name}', "
            f"which has {layer.positions} positions (t, y, x)."
        )
    t, y, x = position
    return replace(unit, position=(t, y, x))


def volume(output: Tensor, clips: int) -> Tensor:
    """A layer's output as (clip, channel, time, height, width), axes that it lacks being 1.

    Frames or windows folded into the batch are unfolded, windows one after the other in time; the tokens of a
    transformer (clip, token, channel) lie along width.
    """
    if output.shape[0] != clips and output.shape[0] % clips == 0 and 2 <= output.dim() <= 5:
        folded = output.reshape(clips, output.shape[0] // clips, *output.shape[1:])
        if output.dim() == 5:
            return folded.transpose(1, 2).flatten(2, 3)
        if output.dim() == 4:
            return folded.transpose(1, 2)
        if output.dim() == 3:
            return folded.permute(0, 3, 1, 2).unsqueeze(3)
        return folded.transpose(1, 2)[..., None, None]
    if output.shape[0] == clips:
        if output.dim() == 5:
            return output
        if output.dim() == 4:
            return output.unsqueeze(2)
        if output.dim() == 3:
            return output.transpose(1, 2)[:, :, None, None]
        if output.dim() == 2:
            return output[..., None, None, None]
    raise NetworkError(
        f"a layer returned a tensor of shape {tuple(output.shape)} for {clips} clips; expected 2 to 5 axes with "
        "the clips (or clips x frames) first. Choose another layer."
    )
