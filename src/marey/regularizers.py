"""Priors on the input: local energy and variation in space and time, in physical units, the same for every network.

Both are terms like any other: `unit("fc7:3") - 0.1 * variation("flow", space=1, time=10)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from marey.errors import NetworkError
from marey.network import Network
from marey.objectives import Objective
from marey.streams import Stream

RGB_BOUND = 160 / 255
"""Largest distance of a color from gray, B of Mahendran and Vedaldi (IJCV 2016), on a 0..1 scale."""

VARIATION_SCALE = 6.5
"""V = B / 6.5, the size of a difference that counts as 1 (Mahendran and Vedaldi, IJCV 2016)."""


def default_bound(stream: Stream) -> float:
    """B of a stream when real clips say nothing: 160/255 for RGB, a quarter of the range for flow (our choice)."""
    return RGB_BOUND if stream.kind == "rgb" else stream.bound / 4


def energy_of(offset: Tensor, bound: float | Tensor, *, exponent: float = 3.0) -> Tensor:
    """R_B per clip: mean over all pixels of (|x| / B)^exponent; `offset` from rest (clip channel time height width)."""
    return energy_and_differences(offset, bound, exponent=exponent)[0]


def differences(offset: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared spatial and temporal difference per clip, summed over channels: the two halves of equation (2)."""
    _, spatial, temporal = energy_and_differences(offset, 1.0)
    return spatial, temporal


def energy_and_differences(
    offset: Tensor, bound: float | Tensor, *, exponent: float = 3.0
) -> tuple[Tensor, Tensor, Tensor]:
    """`energy_of` and both `differences`, whose gradient takes three passes over the frames for all."""
    reach = torch.as_tensor(bound, device=offset.device, dtype=offset.dtype).reshape(-1, 1, 1, 1, 1)
    measured: tuple[Tensor, Tensor, Tensor] = _Measured.apply(offset, reach, exponent)  # type: ignore[no-untyped-call]
    return measured


class _Measured(torch.autograd.Function):
    """Energy and differences with their gradients written out, which autograd would gather from many padded copies."""

    @staticmethod
    def forward(ctx: Any, offset: Tensor, reach: Tensor, exponent: float) -> tuple[Tensor, Tensor, Tensor]:
        relative = _inner(offset, offset).div_(reach.square()).add_(1e-12)  # clip 1 time height width
        power = relative.sqrt() if exponent == 3 else relative.pow(exponent / 2 - 1)  # pow is slow
        energy = relative.mul_(power).mean((1, 2, 3, 4))
        size = offset[0, 0].numel()
        around, on = torch.empty_like(offset), torch.empty_like(offset)  # half the gradients of the squares
        across, down = _squares(offset, 4, around, first=True), _squares(offset, 3, around)
        ctx.save_for_backward(offset, power, reach, around, on)
        ctx.exponent = exponent
        return energy, (across + down) / size, _squares(offset, 2, on, first=True) / size

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, energy: Tensor, spatial: Tensor, temporal: Tensor) -> tuple[Tensor | None, ...]:
        offset, power, reach, around, on = ctx.saved_tensors
        of_energy, of_space, of_time = (
            value.view(-1, 1, 1, 1, 1) / power[0].numel() for value in (energy, spatial, temporal)
        )
        gradient = around * (2 * of_space)
        gradient.addcmul_(on, 2 * of_time)
        return gradient.addcmul_(offset, power * (ctx.exponent * of_energy / reach.square())), None, None


def _squares(offset: Tensor, dim: int, half_gradient: Tensor, *, first: bool = False) -> Tensor:
    """Sum of squared differences per clip along `dim`; half its gradient is added to, or is, `half_gradient`."""
    length = offset.shape[dim] - 1
    apart = offset.diff(dim=dim)
    if first:
        half_gradient.narrow(dim, 0, 1).zero_()
        half_gradient.narrow(dim, 1, length).copy_(apart)
    else:
        half_gradient.narrow(dim, 1, length).add_(apart)
    half_gradient.narrow(dim, 0, length).sub_(apart)
    squares: Tensor = torch.linalg.vector_norm(apart, dim=(1, 2, 3, 4)).square()
    return squares


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """Product at every pixel, summed over channels (clip 1 time height width), as no strided sum is fast."""
    total = a[:, :1] * b[:, :1]
    for channel in range(1, a.shape[1]):
        total.addcmul_(a[:, channel : channel + 1], b[:, channel : channel + 1])
    return total


def projected(offset: Tensor, bound: float, low: float, high: float) -> Tensor:
    """Values cut to `low`..`high`, then the nearest frames with |x| <= B at every pixel: the hard bound of R_B."""
    inside: Tensor = _Projected.apply(offset, bound, low, high)  # type: ignore[no-untyped-call]
    return inside


class _Projected(torch.autograd.Function):
    """`projected` with its gradient written out: a third of the passes over the frames that autograd would make."""

    @staticmethod
    def forward(ctx: Any, offset: Tensor, bound: float, low: float, high: float) -> Tensor:
        squares = _inner(offset, offset)
        cut = offset
        if not bool(squares.amax() <= min(abs(low), abs(high)) ** 2):  # else no value can be out of range
            cut = offset.clamp(low, high)
            squares = _inner(cut, cut)
        shrink = squares.add_(1e-12).rsqrt_().mul_(bound).clamp_(max=1.0)
        ctx.save_for_backward(offset, cut, shrink)
        ctx.bound = bound
        return cut * shrink

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        offset, cut, shrink = ctx.saved_tensors
        outside = (shrink < 1).to(shrink.dtype)
        along = _inner(cut, gradient).mul_(shrink.square().mul_(outside)).div_(ctx.bound**2)
        passed = torch.addcmul(gradient, cut, along, value=-1).mul_(shrink)  # what only lengthens x is lost
        return (passed if cut is offset else passed.mul_(cut == offset)), None, None, None


def variation_of(offset: Tensor, bound: float | Tensor, *, space: float, time: float | Tensor) -> Tensor:
    """R_TV(x; kappa=space, chi=time) per clip, equation (2)."""
    spatial, temporal = differences(offset)
    scale = torch.as_tensor(bound, device=offset.device, dtype=offset.dtype) / VARIATION_SCALE
    return (space * spatial + time * temporal) / scale.square()


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
