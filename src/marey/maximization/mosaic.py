"""Many units of a convolutional layer in one picture: each in a place of its own, farther apart than they see."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from marey.errors import NetworkError
from marey.maximization.maximization import Callback, Maximization
from marey.maximization.objectives import Activation, Objective
from marey.maximization.parametrizations import Parametrization
from marey.maximization.parts import Parts
from marey.maximization.priors import Prior
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.transforms import Transform
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.receptive_field import Field
from marey.network.unit import Unit

PITCH = 1.1
"""Distance of two units relative to the receptive field (Feichtenhofer et al., CVPR 2018)."""


def maximize_mosaic(
    network: Network,
    units: Sequence[str | Unit],
    *,
    recipe: Recipe | None = None,
    maxima: Maxima | None = None,
    priors: Sequence[Prior] | None = None,
    parametrization: Parametrization | str | None = None,
    transforms: Sequence[Transform] | None = None,
    callback: Callback | None = None,
) -> PreferredInput:
    """One preferred input of the whole layer: the units, row by row, in the squares of a grid.

    The network is shown as large an input as the grid needs, so the layer must be convolutional and its network run at
    any size up to it. The score is the mean over the units. The options are those of `maximize`. Raises NetworkError
    for units of several layers, or of a layer that sees the whole frame.
    """
    parts = Parts.of(priors, parametrization, transforms)
    ((_, result),) = mosaic(network, units, recipe=recipe, maxima=maxima, parts=parts, callback=callback).results()
    return result


def mosaic(network: Network, units: Sequence[str | Unit], **options: Any) -> Maximization:
    """The run that makes a mosaic; `options` are those of `Maximization`."""
    chosen = network.units(units)
    layers = {unit.layer for unit in chosen}
    if len(layers) != 1:
        raise NetworkError(f"a mosaic shows units of one layer, got {len(layers)}: {', '.join(sorted(layers))}.")
    layer = network.layer(layers.pop())
    fields = list(layer.receptive_field.streams.values())
    stride = max(axis.stride for axes in fields for axis in axes[1:])
    if stride == 0 or layer.positions[1:] == (1, 1):
        raise NetworkError(
            f"layer '{layer.name}' sees the whole frame: its units cannot share one picture. Maximize them one by one."
        )
    length = max(axis.length for axes in fields for axis in axes[1:])
    cells = math.ceil(PITCH * length / stride)  # positions of the layer from one unit to the next
    across = math.ceil(math.sqrt(len(chosen)))
    down = math.ceil(len(chosen) / across)
    larger = network.resized(down * cells * stride, across * cells * stride, deepest=layer.name)
    frames = layer.positions[0]
    vertical, horizontal = fields[0][1:]
    terms = []
    for number, unit in enumerate(chosen):
        row, column = divmod(number, across)
        position = (frames // 2, _middle(row, cells, vertical), _middle(column, cells, horizontal))
        terms.append((Activation(replace(unit, position=position)), 1.0 / len(chosen)))
    grid = {"units": [str(unit) for unit in chosen], "rows": down, "columns": across}
    return Maximization(larger, [Objective.of(*terms)], label=mosaic_label(chosen), about={"mosaic": grid}, **options)


def mosaic_label(units: Sequence[Unit]) -> str:
    """What a mosaic of units is called: its layer, its first and its last unit."""
    return f"{units[0].layer}:{units[0].channel}-{units[-1].channel} mosaic"


def _middle(place: int, cells: int, field: Field) -> int:
    """The position whose receptive field lies in the middle of a cell, the `place`-th along an axis."""
    return round((place + 0.5) * cells - (field.start + field.length / 2) / field.stride)
