"""Priors on the input: local energy, and variation in space and time with its slowness (equations (1) and (2))."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from marey.errors import MareyError
from marey.network.stream import Stream

VARIATION_SCALE = 6.5
"""V = B / 6.5, the size of a difference that counts as 1 (Mahendran and Vedaldi, IJCV 2016)."""

_SEEN = 40
"""Pixels that a unit sees from which on variation is weighed in full: those of VGG's conv3_3."""

_RATIO, _SUM, _RANGE, _BEGIN = 1.2, 0.12, 30.0, 1 / 8
"""Leveling of space: how strongly the logarithm of the ratio moves that of a spatial weight, how strongly its sum over
the steps does, how far both move it, and after which part of all steps it begins (our choice)."""


@dataclass(frozen=True)
class Scene:
    """What priors are told of the inputs of a batch.

    streams
        {name: stream}, with the size of the part that the units see.
    bounds
        {stream: B}, physical: distance from gray, px/frame.
    slowness
        chi of every input (clip), relative to kappa.
    fastest
        for every input the place in the batch of the fastest input of the same unit.
    sees
        pixels that a unit sees, down or across.
    """

    streams: Mapping[str, Stream]
    bounds: Mapping[str, float]
    slowness: Tensor
    fastest: tuple[int, ...]
    sees: int

    @property
    def swept(self) -> frozenset[str]:
        """The streams whose temporal variation the slowness weighs: flow, or RGB where the unit sees no flow."""
        flows = frozenset(name for name, stream in self.streams.items() if stream.kind == "flow")
        return flows if flows else frozenset(self.streams)


class Prior(ABC):
    """A penalty on the input. Write your own: give `terms`."""

    @abstractmethod
    def terms(self, offsets: Mapping[str, Tensor], scene: Scene) -> dict[str, Tensor]:
        """The weighted penalties of every input by name {name: (clip)}; they are subtracted from the weighted score.

        `offsets` are distances from rest {stream: (clip channel time height width)} in physical units.
        """

    def adapted(self, terms: Mapping[str, Tensor], scene: Scene, *, progress: float) -> "Prior":
        """The prior of the next step, after `terms` were found with a part `progress` (0..1) of all steps done."""
        return self


@dataclass(frozen=True)
class Energy(Prior):
    """Local energy, R_B of equation (1): mean over all pixels of (|x| / B)^exponent, every stream with its own B.

    An exponent of 3, as published, keeps all values small; 1 prefers few places with large values.
    """

    weight: float = 1.0
    exponent: float = 3.0

    def __post_init__(self) -> None:
        _check_numbers(self, "weight", "exponent")

    def terms(self, offsets: Mapping[str, Tensor], scene: Scene) -> dict[str, Tensor]:
        return {
            f"energy of {name}": self.weight * energy(offset, scene.bounds[name], self.exponent)
            for name, offset in offsets.items()
        }


@dataclass(frozen=True)
class Variation(Prior):
    """Spatiotemporal variation, R_TV of equation (2): kappa weighs differences in space, chi differences in time.

    weight
        of the whole; for units that see less than 40 px it is less, see docs/explanation/method.md.
    kappa
        weight of differences in space. chi is the slowness of the input, relative to kappa.
    stillness
        chi of the RGB streams where the unit sees flow as well, relative to kappa.
    equal_space
        whether the spatial weight of the slower inputs of a sweep is steered so that they vary in space as much as the
        fastest, and chi changes time only: along the published sweeps spatial variation is the same within 5 %.
    """

    weight: float = 3.0
    kappa: float = 1.0
    stillness: float = 10.0
    equal_space: bool = True
    _leveling: "_Leveling | None" = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_numbers(self, "weight", "kappa", "stillness")

    def terms(self, offsets: Mapping[str, Tensor], scene: Scene) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        # a pattern at half of its size has twice the differences from pixel to pixel
        weight = self.weight * self.kappa * min(1.0, scene.sees / _SEEN) ** 2
        for name, offset in offsets.items():
            space, time = (part * (VARIATION_SCALE / scene.bounds[name]) ** 2 for part in differences(offset))
            swept = name in scene.swept
            leveled = self._leveling.weights if self._leveling is not None and swept else 1.0
            chi = scene.slowness.to(offset.device) if swept else self.stillness
            found |= {_in_space(name): weight * leveled * space, f"variation of {name} in time": weight * chi * time}
        return found

    def adapted(self, terms: Mapping[str, Tensor], scene: Scene, *, progress: float) -> "Variation":
        alone = scene.fastest == tuple(range(len(scene.fastest)))
        if not self.equal_space or alone or self.weight * self.kappa == 0 or progress < _BEGIN:
            return self
        space = torch.stack([terms[_in_space(name)].detach() for name in sorted(scene.swept)]).sum(0)
        before = _Leveling.begun(space, scene.fastest) if self._leveling is None else self._leveling
        return replace(self, _leveling=before.next(space / before.weights))


@dataclass(frozen=True)
class _Leveling:
    """The spatial weights (clip) of the inputs of a sweep, and how far each varied from the fastest so far.

    `fastest` (clip) is the place of the fastest input of each sweep.
    """

    weights: Tensor
    sums: Tensor
    fastest: Tensor

    @classmethod
    def begun(cls, like: Tensor, fastest: tuple[int, ...]) -> "_Leveling":
        return cls(torch.ones_like(like), torch.zeros_like(like), torch.tensor(fastest, device=like.device))

    def next(self, space: Tensor) -> "_Leveling":
        """Smaller weights for inputs that vary less in space (clip) than the fastest: by the ratio, and by its sum."""
        ratio = (space / space[self.fastest]).nan_to_num(1.0).clamp(math.exp(-1), math.exp(1)).log()
        reach = math.log(_RANGE)
        sums = (self.sums + _SUM * ratio).clamp(-reach, reach)
        return _Leveling(torch.exp((sums + _RATIO * ratio).clamp(-reach, reach)), sums, self.fastest)


def _in_space(stream: str) -> str:
    return f"variation of {stream} in space"


def energy(offset: Tensor, bound: float, exponent: float = 3.0) -> Tensor:
    """R_B: mean over all pixels of (|x| / B)^exponent of every clip; `offset` (clip channel time height width)."""
    squares = offset.square().sum(1).clamp_min(1e-12)  # else an exponent below 2 has no slope at 0
    powers = squares * squares.sqrt() if exponent == 3 else squares.pow(exponent / 2)
    return powers.mean((1, 2, 3)) / float(bound**exponent)


def differences(offset: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared differences in space and in time of every clip, summed over channels: the halves of equation (2)."""
    space, time = _Differences.apply(offset)  # type: ignore[no-untyped-call]
    return space, time


class _Differences(torch.autograd.Function):
    """The gradient of `differences` written out: it takes a third of the passes over the frames of autograd's own."""

    @staticmethod
    def forward(ctx: Any, offset: Tensor) -> tuple[Tensor, Tensor]:
        ctx.pixels = offset[0, 0].numel()
        apart = [offset.diff(dim=axis) for axis in (3, 4, 2)]
        ctx.save_for_backward(offset, *apart)
        squares = [torch.linalg.vector_norm(part.flatten(1), dim=1).square() / ctx.pixels for part in apart]
        return squares[0] + squares[1], squares[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_space: Tensor, of_time: Tensor) -> Tensor:
        offset, *apart = ctx.saved_tensors
        gradient = torch.zeros_like(offset)
        for axis, part, slope in zip((3, 4, 2), apart, (of_space, of_space, of_time), strict=True):
            pull = part * (2 / ctx.pixels * slope).view(-1, 1, 1, 1, 1)
            gradient.narrow(axis, 1, part.shape[axis]).add_(pull)
            gradient.narrow(axis, 0, part.shape[axis]).sub_(pull)
        return gradient


def _check_numbers(prior: Prior, *names: str) -> None:
    for name in names:
        if not getattr(prior, name) >= 0:
            raise MareyError(
                f"{name} of {type(prior).__name__} is {getattr(prior, name)}; expected a number of at least 0."
            )
