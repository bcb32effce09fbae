"""Priors on the input: local energy and variation in space and time, in physical units, the same for every network.

Both are terms like any other: `unit("fc7:3") - 0.1 * variation("flow", space=1, time=10)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from marey.accelerate.measures import priors_of
from marey.errors import NetworkError
from marey.maximization.objectives import Objective
from marey.network.network import Network
from marey.network.stream import Stream

RGB_BOUND = 160 / 255
"""Largest distance of a color from gray, B of Mahendran and Vedaldi (IJCV 2016), on a 0..1 scale."""

VARIATION_SCALE = 6.5
"""V = B / 6.5, the size of a difference that counts as 1 (Mahendran and Vedaldi, IJCV 2016)."""


def default_bound(stream: Stream) -> float:
    """B of a stream when real clips say nothing: 160/255 for RGB, a quarter of the range for flow (our choice)."""
    return RGB_BOUND if stream.kind == "rgb" else stream.bound / 4


def energy_of(offset: Tensor, bound: float | Tensor, *, exponent: float = 3.0) -> Tensor:
    """R_B per clip: mean over all pixels of (|x| / B)^exponent; `offset` from rest (clip channel time height width)."""
    return priors_of(offset, bound, _weights(offset, 1.0, 0.0, 0.0), exponent=exponent).total


def differences(offset: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared spatial and temporal difference per clip, summed over channels: the two halves of equation (2)."""
    space, time = (_weights(offset, 0.0, *which) for which in ((1.0, 0.0), (0.0, 1.0)))
    return priors_of(offset, 1.0, space, exponent=3.0).total, priors_of(offset, 1.0, time, exponent=3.0).total


def variation_of(offset: Tensor, bound: float | Tensor, *, space: float, time: float | Tensor) -> Tensor:
    """R_TV(x; kappa=space, chi=time) per clip, equation (2)."""
    scale = torch.as_tensor(bound, device=offset.device, dtype=offset.dtype) / VARIATION_SCALE
    return priors_of(offset, 1.0, _weights(offset, 0.0, space, time), exponent=3.0).total / scale.square()


def _weights(offset: Tensor, *weights: float | Tensor) -> Tensor:
    """Each weight for every clip (3, clip)."""
    rows = [torch.as_tensor(weight, dtype=offset.dtype, device=offset.device).expand(len(offset)) for weight in weights]
    return torch.stack(rows)


def _bound(given: float | None, network: Network, name: str) -> float:
    stream = network.stream(name)
    return given if given is not None else network.bounds.get(name, default_bound(stream))


def _known(bound: float | None, stream: str) -> float:
    if bound is None:
        raise NetworkError(f"the bound of stream '{stream}' is not known; give bound=, or use `.checked(network)`.")
    return bound


@dataclass(frozen=True)
class Energy:
    """Local energy of a stream (equation (1), R_B)."""

    stream: str
    bound: float | None
    rest: float
    exponent: float = 3.0

    @property
    def layers(self) -> frozenset[str]:
        return frozenset()

    def value(self, activations: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        offset = inputs[self.stream][None] - self.rest
        return energy_of(offset, _known(self.bound, self.stream), exponent=self.exponent)[0]

    def moved(self, position: tuple[int, int, int]) -> "Energy":
        return self

    def checked(self, network: Network) -> "Energy":
        return replace(self, bound=_bound(self.bound, network, self.stream), rest=network.stream(self.stream).rest)

    def __str__(self) -> str:
        return f"energy({self.stream})"


@dataclass(frozen=True)
class Variation:
    """Spatiotemporal variation of a stream (equation (2), R_TV)."""

    stream: str
    space: float
    time: float
    bound: float | None

    @property
    def layers(self) -> frozenset[str]:
        return frozenset()

    def value(self, activations: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        bound = _known(self.bound, self.stream)
        return variation_of(inputs[self.stream][None], bound, space=self.space, time=self.time)[0]

    def moved(self, position: tuple[int, int, int]) -> "Variation":
        return self

    def checked(self, network: Network) -> "Variation":
        return replace(self, bound=_bound(self.bound, network, self.stream))

    def __str__(self) -> str:
        return f"variation({self.stream}, space={self.space:g}, time={self.time:g})"


def energy(stream: str, *, bound: float | None = None, exponent: float = 3.0) -> Objective:
    """The local energy of a stream as an objective; subtract it. `bound` in physical units (px/frame for flow).

    Without `bound` it is the network's for that stream, or `default_bound`.
    """
    return Objective.of([(Energy(stream, bound, 0.0, exponent), 1.0)])


def variation(stream: str, *, space: float = 1.0, time: float = 0.0, bound: float | None = None) -> Objective:
    """The variation of a stream as an objective; subtract it. `space` is kappa and `time` chi of equation (2)."""
    return Objective.of([(Variation(stream, space, time, bound), 1.0)])
