"""The slow, independent check of receptive fields: where gradients are not 0."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.network.axes import Axes
from marey.network.hooks import calls_of
from marey.network.receptive_field import Box
from marey.network.visit import Run


def gradient_extent(
    run: Run,
    inputs: Mapping[str, Tensor],
    module: nn.Module,
    position: tuple[int, int, int],
    channel: int,
    *,
    axes: Axes,
    samples: int = 3,
    seed: int = 0,
) -> dict[str, Box]:
    """Where the gradient of one position (t, y, x) of a channel is nonzero: per stream the frames, rows and columns.

    The slow, independent check of `receptive_field`: always inside its interval, and equal to it where no unit is
    dead and weights are positive. The union over `samples` random inputs of the shapes and types of `inputs`; use
    float64, where far borders do not vanish. Streams without any gradient are left out.
    """
    generator = torch.Generator().manual_seed(seed)
    seen: dict[str, Tensor] = {}
    for _ in range(samples):
        drawn = {
            name: torch.randn(value.shape, generator=generator, dtype=value.dtype).to(value.device).requires_grad_()
            for name, value in inputs.items()
        }
        with torch.enable_grad():
            outputs = calls_of(lambda drawn=drawn: run(drawn), {"": module}, {"": axes.read})[""]  # type: ignore[misc]
            output = axes.volume(outputs, 1)
        gradients = torch.autograd.grad(_one(output, position, channel), list(drawn.values()), allow_unused=True)
        for name, gradient in zip(drawn, gradients, strict=True):
            if gradient is not None:
                seen[name] = seen.get(name, torch.zeros_like(gradient, dtype=torch.bool)) | (gradient != 0)
    extents: dict[str, Box] = {}
    for name, nonzero in seen.items():
        if bool(nonzero.any()):
            _, _, *places = nonzero.nonzero(as_tuple=True)
            t, y, x = ((int(place.min()), int(place.max()) + 1) for place in places)
            extents[name] = (t, y, x)
    return extents


def _one(output: Tensor, position: tuple[int, int, int], channel: int) -> Tensor:
    index = (0, channel, *position)
    if any(not 0 <= i < size for i, size in zip(index, output.shape, strict=True)):
        raise NetworkError(
            f"position {position} of channel {channel} is outside the layer's output {tuple(output.shape)}."
        )
    return output[index]
