"""Whether a network's first batch norms meet what they met in training: they keep the mean and variance of it.

A wrong scale, mean or std shows there without any labels.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from marey.network.hooks import visited
from marey.network.network import Network


def first_norms(network: Network) -> dict[str, str]:
    """{stream: the first batch norm that sees this stream alone}, of the streams that have one with statistics."""
    found: dict[str, str] = {}
    for name, layer in network.layers.items():
        part = network.parts[name]
        seen = list(layer.receptive_field.streams)
        if isinstance(part, _BatchNorm) and part.running_mean is not None and len(seen) == 1:
            found.setdefault(seen[0], name)
    return found


class NormStatistics:
    """Mean and variance of what some batch norms are given, channel by channel."""

    def __init__(self, network: Network, norms: Mapping[str, str]) -> None:
        """`norms` are those of `first_norms`."""
        self._norms = dict(norms)
        self._parts: dict[str, nn.Module] = {name: network.parts[name] for name in norms.values()}
        self._sums: dict[str, Tensor] = {}

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """While inside, passes of the network count."""

        def note(name: str, _before: str | None, given: Tensor | None, _output: Tensor) -> None:
            if given is not None:
                values = given.double().movedim(1, 0).flatten(1)
                sums = torch.stack(
                    [torch.full_like(values[:, 0], values.shape[1]), values.sum(1), values.square().sum(1)]
                )
                self._sums[name] = self._sums[name] + sums.cpu() if name in self._sums else sums.cpu()

        with visited(self._parts, note):
            yield

    def distances(self) -> dict[str, float]:
        """{stream: how far what was given is from the statistics of training}, the median over channels.

        Bhattacharyya's distance of two normal distributions: 0 for the same, 0.1 where the deviation is 1.6 times as
        large, 0.5 where it is 5 times as large, or the mean is 2 deviations off.
        """
        found = {}
        for stream, name in self._norms.items():
            if name in self._sums:
                count, total, squares = self._sums[name]
                part = cast("_BatchNorm", self._parts[name])
                mean = total / count
                variance = (squares / count - mean.square()).clamp_min(0) + part.eps
                trained = cast("Tensor", part.running_mean).double().cpu()
                spread = cast("Tensor", part.running_var).double().cpu() + part.eps
                both = variance + spread
                apart = (mean - trained).square() / (4 * both) + (both / (2 * (variance * spread).sqrt())).log() / 2
                found[stream] = float(apart.median())
        return found
