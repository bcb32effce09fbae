"""How the input is held while it is optimized: the numbers that Adam moves, and the frames they stand for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from marey.accelerate.spectrum import WHOLE, Box, Spectrum
from marey.network.stream import Kind

Name = Literal["pixels", "fourier"]

_COLOR = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of colors in natural images (Olah et al., Feature Visualization, Distill 2017)."""

FINE = 32
"""Pixels down or across up to which an input is about fine detail: all frequencies are held, and steps are larger."""

_REACH = 2 / 3
"""Finest frequency down and across that larger inputs hold, in parts of what pixels can show: waves of 3 px."""

_SMALL = 64
"""Sides up to which products with matrices, in fp32, are the fastest transform; above, those in bf16 are."""


class Window(Protocol):
    """The frames in a box, from free numbers; `dtype` is the arithmetic in which they may be computed."""

    def __call__(self, free: Tensor, box: Box, dtype: torch.dtype) -> Tensor: ...


@dataclass(frozen=True)
class Parametrization:
    """A linear, invertible map from free numbers to frames (clip channel time height width), in units of the bound.

    Random free numbers are drawn in `free_shape` and then brought into the order in which they are held, `arranged`.
    """

    window: Window
    encode: Callable[[Tensor], Tensor]
    free_shape: tuple[int, ...]
    arranged: Callable[[Tensor], Tensor] = torch.Tensor.contiguous

    def decode(self, free: Tensor) -> Tensor:
        """All frames."""
        return self.window(free, WHOLE, torch.float32)


def _fast(size: int) -> int:
    """The next size that is a product of 2, 3 and 5: transforms of others, primes above all, take much longer."""
    while True:
        left = size
        for factor in (2, 3, 5):
            while left % factor == 0:
                left //= factor
        if left == 1:
            return size
        size += 1


def pixels(shape: tuple[int, int, int, int]) -> Parametrization:
    """The frames themselves."""
    return Parametrization(lambda free, box, dtype: free[(..., *box)], lambda frames: frames, shape)


def fourier(
    shape: tuple[int, int, int, int],
    *,
    kind: Kind,
    decay: float = 1.0,
    time_decay: float = 0.5,
    reach: float = 1.0,
    by: Literal["transform", "products"] = "transform",
) -> Parametrization:
    """A 3-D spectrum whose steps are larger at low frequencies: (1/f)^decay in space, ^time_decay in time.

    The spectrum is that of a slightly larger block where its size makes the transform slow. RGB is held in decorrelated
    colors, flow as it is. Unit white noise in the spectrum gives frames of unit variance. Frequencies down and across
    end at `reach` of the highest that the pixels can show; frames are encoded without those above. `by` a fast Fourier
    transform or by products with matrices is a matter of speed.
    """
    channels, *asked = shape
    frames, height, width = (_fast(size) for size in asked)
    fy = torch.fft.fftfreq(height)[:, None]
    fx = torch.fft.rfftfreq(width)[None, :]
    space = (fy.square() + fx.square()).sqrt().clamp_min(1.0 / max(height, width))
    time = torch.fft.fftfreq(frames).abs().clamp_min(1.0 / max(frames, 2))
    scale = time[:, None, None] ** -time_decay * space[None] ** -decay
    scale = scale * ((fy.abs() <= reach / 2) & (fx <= reach / 2))
    doubled = torch.full(
        (width // 2 + 1,), 4.0
    )  # all columns but the first, and the last of an even width, stand for two
    doubled[0] = 1.0
    if width % 2 == 0:
        doubled[-1] = 1.0
    power = (scale.square() * doubled).sum() / (frames * height * width)
    scale = (scale / power.sqrt())[..., None]
    mix = torch.eye(channels)
    if kind == "rgb":
        mix = torch.tensor(_COLOR)
        mix = mix / mix.square().sum(1).mean().sqrt()
    unmix = torch.linalg.inv(mix)

    spectra = Spectrum(scale[..., 0], mix if kind == "rgb" else None, frames, height, width)

    pairs = scale.expand(*scale.shape[:-1], 2).contiguous()  # for the real and the imaginary part

    def inside(box: Box) -> Box:
        """The box in whole numbers."""
        t, y, x = (slice(*part.indices(size)[:2]) for part, size in zip(box, asked, strict=True))
        return t, y, x

    def transformed(free: Tensor, box: Box, dtype: torch.dtype) -> Tensor:
        spectrum = torch.view_as_complex(free * pairs.to(free.device))
        full = torch.fft.irfftn(spectrum, s=(frames, height, width), dim=(-3, -2, -1), norm="ortho")
        cut = zip(reversed(inside(box)), (width, height, frames), strict=True)
        mixed = pad(full, [edge for part, size in cut for edge in (-part.start, part.stop - size)])
        return torch.einsum("dc,nc...->nd...", mix.to(free.device), mixed) if kind == "rgb" else mixed

    def multiplied(free: Tensor, box: Box, dtype: torch.dtype) -> Tensor:
        return spectra.window(free, inside(box), torch.float32 if max(height, width) <= _SMALL else dtype)

    def encode(picture: Tensor) -> Tensor:
        mixed = torch.einsum("dc,nc...->nd...", unmix.to(picture.device), picture) if kind == "rgb" else picture
        rest = [size - had for had, size in zip(asked, (frames, height, width), strict=True)]
        mixed = pad(mixed, (0, rest[2], 0, rest[1], 0, rest[0]))
        spectrum = torch.fft.rfftn(mixed, dim=(-3, -2, -1), norm="ortho")
        natural = (torch.view_as_real(spectrum) / scale.to(picture.device)).masked_fill(
            scale.to(picture.device) == 0, 0.0
        )
        return natural.contiguous() if by == "transform" else spectra.arranged(natural)

    natural_shape = (channels, frames, height, width // 2 + 1, 2)
    if by == "transform":
        return Parametrization(transformed, encode, natural_shape)
    return Parametrization(multiplied, encode, natural_shape, spectra.arranged)


def coarse(
    make: Callable[[tuple[int, int, int, int]], Parametrization], shape: tuple[int, int, int, int], factor: int
) -> Parametrization:
    """A parametrization of `shape` held at 1 / `factor` of its height and width and enlarged bilinearly.

    Encoding is exact only for frames that are as smooth as that.
    """
    channels, frames, height, width = shape
    small = make((channels, frames, max(1, -(-height // factor)), max(1, -(-width // factor))))

    def resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
        flat = picture.flatten(1, 2)
        smaller = size[0] < picture.shape[3]
        other: Tensor = interpolate(flat, size=size, mode="bilinear", align_corners=False, antialias=smaller)
        return other.reshape(*picture.shape[:3], *size)

    inner = (max(1, -(-height // factor)), max(1, -(-width // factor)))
    return Parametrization(
        lambda free, box, dtype: resized(small.window(free, WHOLE, dtype), (height, width))[(..., *box)],
        lambda picture: small.encode(resized(picture, inner)),
        small.free_shape,
        small.arranged,
    )


def parametrization(
    name: Name, kind: Kind, shape: tuple[int, int, int, int], factor: int, dtype: torch.dtype
) -> Parametrization:
    """How frames of such a stream are held, at 1 / `factor` of their size, for a network that computes in `dtype`."""
    make: Callable[[tuple[int, int, int, int]], Parametrization] = pixels
    if name == "fourier":
        few = dtype == torch.bfloat16 or max(shape[2:]) <= _SMALL
        reach = 1.0 if max(shape[2:]) <= FINE else _REACH
        make = partial(fourier, kind=kind, reach=reach, by="products" if few else "transform")
    return make(shape) if factor == 1 else coarse(make, shape, factor)
