"""Directions of layers as units, such as principal components, or the decoder of a sparse autoencoder."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import NetworkError
from marey.network.first_tensor import first_tensor
from marey.network.network import Network


class Directions(nn.Module):
    """Responses along the rows of `matrix` (direction, unit) at every position, units along `axis`."""

    matrix: Tensor

    def __init__(self, matrix: Tensor, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.register_buffer("matrix", matrix)  # no weight: nothing learns or resets it

    def forward(self, output: Tensor) -> Tensor:
        """Directions where `output` has units."""
        return functional.linear(output.movedim(self.axis, -1), self.matrix.to(output)).movedim(-1, self.axis)


class Beside(nn.Module):
    """A layer as it was, with its directions beside it; what follows does not see these."""

    def __init__(self, layer: nn.Module, directions: Directions) -> None:
        super().__init__()
        self.layer, self.directions = layer, directions

    def forward(self, *inputs: object, **named: object) -> object:
        output = self.layer(*inputs, **named)
        found = first_tensor(output)
        if found is not None:
            self.directions(found)
        return output


def with_directions(network: Network, directions: Mapping[str, Tensor]) -> Network:
    """A copy of a network in which each layer has its directions beside it, as the layer `LAYER.directions`.

    directions
        {layer: (direction, unit)}. The response of a direction at a position is the sum of the units' responses there,
        weighted by its row; its largest response is measured as that of any unit.

    Raises NetworkError for a layer that the network does not have, and for a matrix of other units.

    >>> from marey.network.stream import Stream
    >>> network = Network(nn.Sequential(nn.Conv3d(3, 2, 1), nn.ReLU()), [Stream("rgb", "rgb", (0, 1), 8, 8)])
    >>> both = with_directions(network, {"1": torch.tensor([[1.0, 1.0], [1.0, -1.0], [0.0, 1.0]])})
    >>> both.layer("1.directions").units
    3
    """
    module = copy.deepcopy(network.module)
    for layer, matrix in directions.items():
        name, units = network.usable(layer), network.layer(layer).units
        values = torch.as_tensor(matrix, dtype=torch.float32)
        if values.dim() != 2 or values.shape[1] != units or name == network.output:
            raise NetworkError(
                f"directions of layer '{layer}' have the shape {tuple(values.shape)}; expected (directions, {units}), "
                "a row for each direction and a column for each unit."
            )
        beside = Directions(values.to(network.device), network.axes[name].units)
        module.set_submodule(name, Beside(module.get_submodule(name), beside))
    return Network(
        module,
        network.streams,
        classes=network.classes,
        scores=network.scores if network.classes else None,
        call=network.call,
        name=f"{network.name} with directions",
        maxima=network.maxima,
    )
