"""One layer of a network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from marey.errors import NetworkError
from marey.network.axes import Axes
from marey.network.grid import Patches
from marey.network.receptive_field import ReceptiveField, receptive_field
from marey.network.unit import Unit
from marey.network.visit import Visit


@dataclass(frozen=True)
class Layer:
    """One layer as the network runs it.

    shape
        (units, time, height, width) of its output.
    receptive_field
        what positions see, in stream frames and pixels.
    patch
        what positions stand for: the same, but where positions see the whole clip, as after attention, the part of it
        from which each one comes; None where this is not known.
    calls, read
        in a pass of one clip; those that are read lie one after the other in time.
    unplaced
        tokens that stand for no part of the clip, as class tokens do, and are not read.
    """

    name: str
    kind: str
    shape: tuple[int, int, int, int]
    receptive_field: ReceptiveField
    patch: ReceptiveField | None = None
    calls: int = 1
    read: int = 1
    unplaced: int = 0

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

    @property
    def where(self) -> ReceptiveField:
        """Where in the clip each position lies: its patch, or as long as that is not known all that it sees."""
        return self.receptive_field if self.patch is None else self.patch

    @property
    def note(self) -> str | None:
        """What must be said where not all of its calls are read; words before the colon stand alone."""
        if self.read == self.calls:
            return None
        which = f"the first of {self.calls} calls is" if self.read == 1 else f"{self.read} of {self.calls} calls are"
        return f"only {which} read: a pass calls '{self.name}' in several places, or with other sizes"


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
            f"which has {layer.positions} positions; write one as @t,y,x."
        )
    t, y, x = position
    return replace(unit, position=(t, y, x))


def layer_of(name: str, module: nn.Module, axes: Axes, calls: Sequence[Visit], patches: Patches) -> Layer:
    """The layer that a module is, from all its calls in a pass of one clip."""
    read = [calls[number] for number in axes.read if number < len(calls)]
    outputs = [torch.empty(call.shape, device="meta") for call in read]
    units, t, height, width = axes.volume(outputs, 1).shape[1:]
    field = receptive_field(axes, read)
    return Layer(
        name,
        type(module).__name__,
        (units, t, height, width),
        field,
        patches.get(name, field),
        len(calls),
        len(read),
        0 if axes.grid is None else (axes.grid.tokens - len(axes.grid.order)) // axes.grid.heads,
    )
