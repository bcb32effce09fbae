"""How the input is held while it is optimized: the numbers that Adam moves, and the frames that they stand for."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from marey.network.stream import Kind, Stream

Shape = tuple[int, int, int, int]
"""Channels, frames, height and width."""

_COLOR = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of colors in natural images (Olah et al., Feature Visualization, Distill 2017)."""

FINE = 32
"""Pixels down or across up to which an input is about fine detail: all frequencies are held, and steps are larger."""

_REACH = 2 / 3
"""Finest frequency down and across of larger inputs, relative to the finest that pixels show: waves of 3 px."""


@dataclass(frozen=True)
class Rendered:
    """What is held, as the network and the priors see it.

    frames
        {stream: (clip channel time height width)}, distances from rest relative to the bound.
    parts
        what priors judge instead of the frames {held stream: (clip channel time height width)}, as physical distances
        from rest; empty where they judge the frames.
    """

    frames: dict[str, Tensor]
    parts: dict[str, Tensor] = field(default_factory=dict)


class Parametrization(ABC):
    """A map from free numbers to frames. Write your own: give `frames`; a frozen dataclass can be kept with results.

    Free numbers start as white noise of the recipe's size. Frames are distances from rest relative to the bound B.
    """

    @property
    def compared(self) -> "Parametrization | None":
        """The parametrization whose score at slowness 0 stands beside; by default none."""
        return None

    def held(self, streams: Sequence[Stream]) -> tuple[Stream, ...]:
        """The streams that free numbers stand for; by default those that the unit sees."""
        return tuple(streams)

    def rendered(self, held: Mapping[str, Tensor], streams: Sequence[Stream], bounds: Mapping[str, float]) -> Rendered:
        """The frames of `streams` from those of the held ones, relative to their `bounds`; by default the same."""
        return Rendered(dict(held))

    @abstractmethod
    def frames(self, free: Tensor, kind: Kind, shape: Shape) -> Tensor:
        """The frames (clip, *shape) of a stream of this kind from free numbers (clip, *free_shape); differentiable."""

    def free_shape(self, kind: Kind, shape: Shape) -> tuple[int, ...]:
        """The shape of the free numbers of one clip; by default that of the frames."""
        return shape

    def starts(self, free: Mapping[str, Tensor], streams: Sequence[Stream]) -> Iterator[dict[str, Tensor]]:
        """Starts for the held `streams` besides that from noise; each input begins where it is excited most."""
        yield from ()

    def bounded(self, free: Tensor, project: Callable[[Tensor], Tensor]) -> Tensor:
        """The free numbers after a step; `project` brings frames within the bound. By default they are left."""
        return free


@dataclass(frozen=True)
class Pixels(Parametrization):
    """The frames themselves, projected to |x| <= B after every step as the papers do."""

    def frames(self, free: Tensor, kind: Kind, shape: Shape) -> Tensor:
        return free

    def bounded(self, free: Tensor, project: Callable[[Tensor], Tensor]) -> Tensor:
        return project(free)


@dataclass(frozen=True)
class Fourier(Parametrization):
    """A 3-D spectrum whose steps are larger at low frequencies: (1/f)^decay in space and (1/f)^time_decay in time.

    RGB is held in decorrelated colors, flow as it is. Unit white noise in the spectrum gives frames of unit variance.
    Frequencies down and across end at `reach` of the highest that pixels can show; None: 2/3, and 1 up to 32 px.
    """

    decay: float = 1.0
    time_decay: float = 0.5
    reach: float | None = None

    def free_shape(self, kind: Kind, shape: Shape) -> tuple[int, ...]:
        spectrum = self._spectrum(shape, torch.device("cpu"))
        return (shape[0], spectrum.frames, spectrum.low + spectrum.high, spectrum.columns, 2)

    def frames(self, free: Tensor, kind: Kind, shape: Shape) -> Tensor:
        spectrum = self._spectrum(shape, free.device)
        waves = torch.view_as_complex(free * spectrum.scale)
        waves = torch.fft.ifft(waves, dim=2, norm="ortho")[:, :, : shape[1]]
        low, high = waves.split((spectrum.low, spectrum.high), dim=3)
        between = waves.new_zeros(*low.shape[:3], spectrum.height - spectrum.low - spectrum.high, spectrum.columns)
        waves = torch.fft.ifft(torch.cat((low, between, high), dim=3), dim=3, norm="ortho")[:, :, :, : shape[2]]
        mixed = torch.fft.irfft(waves, n=spectrum.width, dim=4, norm="ortho")[..., : shape[3]]
        return torch.einsum("dc,ncthw->ndthw", _mix(free.device), mixed) if kind == "rgb" else mixed

    def _spectrum(self, shape: Shape, device: torch.device) -> "_Spectrum":
        reach = self.reach if self.reach is not None else 1.0 if max(shape[2:]) <= FINE else _REACH
        return _spectrum(shape[1:], self.decay, self.time_decay, reach, device)


@dataclass(frozen=True)
class _Spectrum:
    """The frequencies that are held of a block of frames.

    frames, height, width
        of the block, whose sizes transform quickly.
    low, high
        how many frequencies down are held from 0 on, and how many below 0.
    columns
        how many frequencies across are held from 0 on; their conjugates stand for the others.
    scale
        what white noise is multiplied with (time row column 1), so that frames have unit variance.
    """

    frames: int
    height: int
    width: int
    low: int
    high: int
    columns: int
    scale: Tensor


def quick_size(size: int) -> int:
    """The next size that is a product of 2, 3 and 5: transforms of others, primes above all, take much longer."""
    while True:
        left = size
        for factor in (2, 3, 5):
            while left % factor == 0:
                left //= factor
        if left == 1:
            return size
        size += 1


@lru_cache(maxsize=16)
def _spectrum(
    sizes: tuple[int, int, int], decay: float, time_decay: float, reach: float, device: torch.device
) -> _Spectrum:
    frames, height, width = (quick_size(size) for size in sizes)
    fy, fx = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
    low = int(((fy >= 0) & (fy <= reach / 2)).sum())
    fy, fx = fy[fy.abs() <= reach / 2], fx[fx <= reach / 2]
    space = (fy[:, None].square() + fx[None].square()).sqrt().clamp_min(1.0 / max(height, width))
    time = torch.fft.fftfreq(frames).abs().clamp_min(1.0 / max(frames, 2))
    scale = time[:, None, None] ** -time_decay * space[None] ** -decay
    twice = torch.where((fx > 0) & (fx < 0.5), 4.0, 1.0)  # columns that stand for two, of two numbers each
    power = (scale.square() * twice).sum() / (frames * height * width)
    scale = (scale / power.sqrt())[..., None].to(device)  # once, as every copy makes an accelerator wait
    return _Spectrum(frames, height, width, low, len(fy) - low, len(fx), scale)


@lru_cache(maxsize=4)
def _mix(device: torch.device) -> Tensor:
    """Every color as a sum (color channel) of decorrelated ones, of unit variance."""
    mix = torch.tensor(_COLOR)
    return (mix / mix.square().sum(1).mean().sqrt()).to(device)
