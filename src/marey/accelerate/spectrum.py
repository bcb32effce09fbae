"""The inverse Fourier transform of a window of a block, as products with matrices.

Only the window is computed, in the arithmetic that the processor multiplies fastest: large ones in bf16, in a fourth of
the time of a fast transform of the whole block.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from marey.accelerate.scratch import Scratch, few_at_a_time

Box = tuple[slice, slice, slice]
"""Times, rows and columns."""

WHOLE: Box = (slice(None), slice(None), slice(None))

_ALIGNED = 8
"""Horizontal frequencies are held in multiples of so many: products of matrices with odd sizes take twice as long."""


class Matrices(NamedTuple):
    """Factors on the arranged spectrum, and what it is multiplied with, one axis after the other; the same turned.

    Parts are the real and the imaginary one.
    """

    factors: Tensor  # time 1 height half
    time: Tensor  # (color time part) (channel frequency part)
    height: Tensor  # (row part) (part frequency)
    width: Tensor  # (part half) column
    turned: tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Spectrum:
    """What spectra (clip channel time height half 2), such as `torch.fft.irfftn` takes them, stand for.

    scale
        factors on the spectrum (time height half), the same for opposite frequencies; those that are zero for a whole
        row or column of frequencies are not held.
    mix
        every color as a sum (color channel) of what is transformed; None: the channels are transformed as they are.
    frames, height, width
        of the block.

    Spectra are held `arranged`, clip channel time 2 height half. The sums over time and height are those of complex
    numbers, the one over the width gives what is real of its own. Each is a product of matrices whose order in memory
    is right at once. Weights of cosines and sines instead of waves would take half of the products, but Adam climbs
    more slowly on them: what is oblique or moves is one wave, and several of those.
    """

    scale: Tensor
    mix: Tensor | None
    frames: int
    height: int
    width: int

    def arranged(self, natural: Tensor) -> Tensor:
        """The spectrum in the order in which it is held."""
        times, rows, columns = (held.to(natural.device) for held in self._held)
        held = natural[:, :, times][:, :, :, rows][:, :, :, :, columns].permute(0, 1, 2, 5, 3, 4)
        return self._filled(held).contiguous()

    def window(self, held: Tensor, box: Box, dtype: torch.dtype) -> Tensor:
        """The frames in `box` of the block, in fp32; `dtype` is that of the products."""
        frames: Tensor = _Window.apply(held, self, box, dtype)  # type: ignore[no-untyped-call]
        return frames

    def matrices(self, box: Box, dtype: torch.dtype, device: torch.device) -> Matrices:
        """What the frames in `box` are computed with; factors in fp32, the others in `dtype`."""
        if (dtype, device) not in self._kept:
            times, rows, columns = self._held
            factors = self._filled(self.scale[times][:, rows][:, :, columns][:, None])
            sums = (self._over_time, self._over_height, self._over_width)
            self._kept[dtype, device] = (factors.to(device), *(value.to(device, dtype) for value in sums))
        factors, *whole = self._kept[dtype, device]
        (time, back), (height, up), (width, left) = (
            self._cut(axis, one, part) for axis, (one, part) in enumerate(zip(whole, box, strict=True))
        )
        return Matrices(factors, time, height, width, (back, up, left))

    def _cut(self, axis: int, whole: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """The matrix of an axis for the places in `part`, and turned: else each of many products would do that."""
        key = (whole.dtype, whole.device, axis, part.start, part.stop)
        if key not in self._cuts:
            if axis == 2:
                found = whole[:, part].contiguous()
            else:
                found = whole[:, part].flatten(0, 2) if axis == 0 else whole[part].flatten(0, 1)
            self._cuts[key] = (found, found.t().contiguous())
        return self._cuts[key]

    @cached_property
    def _kept(self) -> dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]]:
        return {}

    @cached_property
    def _cuts(self) -> dict[tuple[Any, ...], tuple[Tensor, Tensor]]:
        return {}

    @cached_property
    def scratch(self) -> Scratch:
        """Memory of the transforms, which one thread at a time may run."""
        return Scratch()

    @cached_property
    def _held(self) -> tuple[Tensor, Tensor, Tensor]:
        """The frequencies over time, height and width that are held."""
        some = self.scale != 0
        return tuple(some.any(rest[0]).any(rest[1]).nonzero().flatten() for rest in ((2, 1), (2, 0), (1, 0)))  # type: ignore[return-value]

    def _filled(self, held: Tensor) -> Tensor:
        """With zeros after the last horizontal frequency, up to a multiple."""
        return pad(held, (0, -held.shape[-1] % _ALIGNED))

    @property
    def _over_time(self) -> Tensor:
        """(color time part (channel frequency part)); one color where none are mixed."""
        mix = (torch.eye(1) if self.mix is None else self.mix).double()
        return torch.einsum("dc,tqfp->dtqcfp", mix, _turns(self.frames, self._held[0])).flatten(3)

    @property
    def _over_height(self) -> Tensor:
        """(row part (part frequency))."""
        return _turns(self.height, self._held[1]).transpose(2, 3).flatten(2)

    @property
    def _over_width(self) -> Tensor:
        """((part half) column): frequencies that are not held are conjugates."""
        half = self._held[2]
        cosine, sine = _waves(self.width, half)
        twice = 1 + ((half > 0) & (2 * half < self.width)).double()
        return torch.cat([self._filled(wave * twice).t() for wave in (cosine, -sine)])


def _turns(size: int, frequencies: Tensor) -> Tensor:
    """The real and the imaginary part of waves times complex numbers (place part frequency part), in fp64."""
    cosine, sine = _waves(size, frequencies)
    return torch.stack((torch.stack((cosine, -sine), -1), torch.stack((sine, cosine), -1)), 1)


def _waves(size: int, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (place frequency) of length 1, in fp64."""
    angle = 2 * torch.pi / size * ((torch.arange(size)[:, None] * frequencies) % size).double()
    return angle.cos() / size**0.5, angle.sin() / size**0.5


class _Window(torch.autograd.Function):
    """`Spectrum.window` and its adjoint."""

    @staticmethod
    def forward(ctx: Any, held: Tensor, spectrum: Spectrum, box: Box, dtype: torch.dtype) -> Tensor:
        factors, time, height, width, _ = ctx.matrices = spectrum.matrices(box, dtype, held.device)
        scratch = ctx.scratch = spectrum.scratch
        ctx.shape = held.shape
        clips, channels, block, parts, rows, half = held.shape
        times = block * len(time) // time.shape[1]
        frames = held.new_empty(clips, channels, times, len(height) // parts, width.shape[1])
        for part in few_at_a_time(held):
            scaled = torch.mul(held[part], factors, out=scratch.empty(held[part].shape, held, "scaled"))
            weights = scratch.rounded(scaled, dtype).view(-1, time.shape[1], rows * half)
            weights = scratch.product(time.expand(len(weights), -1, -1), weights, "in time")
            weights = weights.view(-1, parts * rows, half)  # (clip color time) (part frequency) half
            weights = scratch.product(height.expand(len(weights), -1, -1), weights, "in height")
            weights = weights.view(-1, parts * half)
            if dtype == frames.dtype:
                torch.matmul(weights, width, out=frames[part].view(-1, width.shape[1]))
            else:
                frames[part].copy_(scratch.product(weights, width, "in width").view_as(frames[part]))
        return frames

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        factors, *_, (time, height, width) = ctx.matrices
        scratch, (*_, rows, half) = ctx.scratch, ctx.shape
        held = torch.empty(ctx.shape, dtype=gradient.dtype, device=gradient.device)
        for part in few_at_a_time(held):
            pictures = scratch.rounded(gradient[part], height.dtype).view(-1, gradient.shape[-1])
            weights = scratch.product(pictures, width, "in width").view(-1, height.shape[1], half)
            weights = scratch.product(height.expand(len(weights), -1, -1), weights, "in height")
            weights = weights.view(-1, time.shape[1], rows * half)
            weights = scratch.product(time.expand(len(weights), -1, -1), weights, "in time")
            torch.mul(weights.view(held[part].shape), factors, out=held[part])
        return held, None, None, None
