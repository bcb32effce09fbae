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
    reach = torch.as_tensor(bound, device=offset.device, dtype=offset.dtype).reshape(-1, 1, 1, 1, 1)
    energy: Tensor = _Energy.apply(offset, reach, exponent)  # type: ignore[no-untyped-call]
    return energy


class _Energy(torch.autograd.Function):
    """`energy_of` with its gradient written out."""

    @staticmethod
    def forward(ctx: Any, offset: Tensor, reach: Tensor, exponent: float) -> Tensor:
        relative = (_inner(offset, offset) / reach.square()).add_(1e-12)  # clip 1 time height width
        power = relative * relative.rsqrt() if exponent == 3 else relative.pow(exponent / 2 - 1)  # pow is slow
        ctx.save_for_backward(offset, power, reach)
        ctx.exponent = exponent
        return (relative * power).flatten(1).mean(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        offset, power, reach = ctx.saved_tensors
        factor = gradient.view(-1, 1, 1, 1, 1) * ctx.exponent / (power[0].numel() * reach.square())
        return offset * (power * factor), None, None


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
        smallest, largest = offset.aminmax()
        ctx.inside = bool((smallest >= low) & (largest <= high))
        cut = offset if ctx.inside else offset.clamp(low, high)
        shrink = _inner(cut, cut).add_(1e-12).rsqrt_().mul_(bound).clamp_(max=1.0)
        ctx.save_for_backward(offset, shrink)
        ctx.settings = (bound, low, high)
        return cut * shrink

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        offset, shrink = ctx.saved_tensors
        bound, low, high = ctx.settings
        cut = offset if ctx.inside else offset.clamp(low, high)
        outside = (shrink < 1).to(shrink.dtype)
        along = _inner(cut, gradient).mul_(shrink.square().mul_(outside)).div_(bound**2)
        passed = torch.addcmul(gradient, cut, along, value=-1).mul_(shrink)  # what only lengthens x is lost
        return (passed if ctx.inside else passed.mul_(cut == offset)), None, None, None


def differences(offset: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared spatial and temporal difference per clip, summed over channels: the two halves of equation (2)."""
    both: tuple[Tensor, Tensor] = _Differences.apply(offset)  # type: ignore[no-untyped-call]
    return both


class _Differences(torch.autograd.Function):
    """`differences` with its gradient written out, which autograd would gather from six padded copies."""

    @staticmethod
    def forward(ctx: Any, offset: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(offset)
        size = offset[0, 0].numel()
        across, down, on = (_squares(offset.diff(dim=dim)) / size for dim in (4, 3, 2))
        return across + down, on

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, spatial: Tensor, temporal: Tensor) -> Tensor:
        (offset,) = ctx.saved_tensors
        total = torch.zeros_like(offset)
        for dim, gradient in ((4, spatial), (3, spatial), (2, temporal)):
            length = offset.shape[dim] - 1
            part = offset.diff(dim=dim).mul_((2 * gradient / offset[0, 0].numel()).view(-1, 1, 1, 1, 1))
            total.narrow(dim, 1, length).add_(part)
            total.narrow(dim, 0, length).sub_(part)
        return total


def _squares(values: Tensor) -> Tensor:
    """Sum of squares per clip."""
    return values.square_().flatten(1).sum(1)


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
