"""The inverse Fourier transform of a window of a block, as products with matrices.

Only the window is computed, in the arithmetic that the processor multiplies fastest: in bf16 that takes a fourth of the
time of a fast transform of the whole block.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from marey.scratch import Scratch, few_at_a_time

Box = tuple[slice, slice, slice]
"""Times, rows and columns."""

WHOLE: Box = (slice(None), slice(None), slice(None))

Matrices = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Spectrum:
    """What spectra (clip channel time height half 2), such as `torch.fft.irfftn` takes them, stand for.

    scale
        factors on the spectrum (time height half), the same for opposite frequencies.
    mix
        every color as a sum (color channel) of what is transformed; None: the channels are transformed as they are.
    frames, height, width
        of the block.

    Spectra are held `arranged`, clip channel 2 time half height, vertical frequencies before their opposites: cosines
    and sines over the height are weighed by sums and differences of the two.
    """

    scale: Tensor
    mix: Tensor | None
    frames: int
    height: int
    width: int

    def arranged(self, natural: Tensor) -> Tensor:
        """The spectrum in the order in which it is held."""
        return natural[:, :, :, self._vertical.to(natural.device)].permute(0, 1, 5, 2, 4, 3).contiguous()

    def window(self, held: Tensor, box: Box, dtype: torch.dtype) -> Tensor:
        """The frames in `box` of the block, in fp32; `dtype` is that of the products."""
        frames: Tensor = _Window.apply(held, self, box, dtype)  # type: ignore[no-untyped-call]
        return frames

    def matrices(self, dtype: torch.dtype, device: torch.device) -> Matrices:
        """Factors on the arranged spectrum, and in `dtype` the sums over time, height and width."""
        key = (dtype, device)
        if key not in self._kept:
            factors = self.scale[:, self._vertical].transpose(1, 2).contiguous().to(device)
            time, height, width = self._over_time, self._over_height, self._over_width
            self._kept[key] = (factors, time.to(device, dtype), height.to(device, dtype), width.to(device, dtype))
        return self._kept[key]

    @cached_property
    def _kept(self) -> dict[tuple[torch.dtype, torch.device], Matrices]:
        return {}

    @cached_property
    def scratch(self) -> Scratch:
        """Memory of the transforms, which one thread at a time may run."""
        return Scratch()

    @property
    def pairs(self) -> int:
        """How many vertical frequencies have an opposite."""
        return (self.height - 1) // 2

    @cached_property
    def _vertical(self) -> Tensor:
        """The vertical frequencies as they are held: those without an opposite, those with one, their opposites."""
        alone = [0] if self.height % 2 else [0, self.height // 2]
        upward = range(1, self.pairs + 1)
        return torch.tensor([*alone, *upward, *(self.height - k for k in upward)])

    @property
    def _over_time(self) -> Tensor:
        """(color time part, channel part frequency), parts being real and imaginary; one color where none are mixed."""
        cosine, sine = _waves(self.frames, torch.arange(self.frames))
        turn = torch.stack((torch.stack((cosine, -sine), 1), torch.stack((sine, cosine), 1)), 1)
        mix = torch.eye(1) if self.mix is None else self.mix
        return torch.einsum("dc,tqpf->dtqcpf", mix.double(), turn).flatten(3)

    @property
    def _over_height(self) -> Tensor:
        """(row, cosines and sines in the order in which frequencies are held)."""
        cosine, sine = _waves(self.height, self._vertical)
        opposite = self.height - self.pairs
        return torch.cat((cosine[:, :opposite], sine[:, opposite - self.pairs : opposite]), 1)

    @property
    def _over_width(self) -> Tensor:
        """(column, part half): the real part of a sum over all frequencies; those that are not held are conjugates."""
        half = torch.arange(self.width // 2 + 1)
        cosine, sine = _waves(self.width, half)
        twice = ((half > 0) & (2 * half < self.width)).double()
        return torch.cat((cosine * (1 + twice), -sine * 2 * twice), 1)


def _waves(size: int, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (place frequency) of length 1, in fp64."""
    angle = 2 * torch.pi / size * ((torch.arange(size)[:, None] * frequencies) % size).double()
    return angle.cos() / size**0.5, angle.sin() / size**0.5


class _Window(torch.autograd.Function):
    """`Spectrum.window` and its adjoint."""

    @staticmethod
    def forward(ctx: Any, held: Tensor, spectrum: Spectrum, box: Box, dtype: torch.dtype) -> Tensor:
        factors, time, height, width = ctx.matrices = _cut(spectrum.matrices(dtype, held.device), box)
        ctx.pairs, ctx.scratch, ctx.shape = spectrum.pairs, spectrum.scratch, held.shape
        scratch = spectrum.scratch
        clips, channels, _, block, half, rows = held.shape
        times = block * len(time) // time.shape[1]
        frames = held.new_empty(clips, channels, times, len(height), len(width))
        for part in few_at_a_time(held):
            weights = scratch.copied(_paired(held[part], scratch, spectrum.pairs).mul_(factors), dtype)
            weights = weights.view(-1, time.shape[1], half * rows)
            moments = scratch.product(time.expand(len(weights), -1, -1), weights)
            lines = scratch.product(moments.view(-1, rows), height.t())  # (clip channel time part half) row
            lines = lines.view(-1, 2 * half, len(height)).mT
            pictures = scratch.product(lines, width.t().expand(len(lines), -1, -1))  # (clip channel time) row column
            frames[part].copy_(pictures.view_as(frames[part]))
        return frames

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        factors, time, height, width = ctx.matrices
        scratch, (_, _, _, _, half, rows) = ctx.scratch, ctx.shape
        held = torch.empty(ctx.shape, dtype=gradient.dtype, device=gradient.device)
        for part in few_at_a_time(held):
            pictures = scratch.copied(gradient[part], time.dtype).view(-1, len(height), len(width))
            lines = scratch.product(width.t().expand(len(pictures), -1, -1), pictures.mT)
            moments = scratch.product(lines.view(-1, len(height)), height).view(-1, len(time), half * rows)
            weights = scratch.product(time.t().expand(len(moments), -1, -1), moments).view(held[part].shape)
            _unpair(scratch.copied(weights, held.dtype).mul_(factors), ctx.pairs, held[part])
        return held, None, None, None


def _cut(matrices: Matrices, box: Box) -> Matrices:
    factors, time, height, width = matrices
    return factors, time[:, box[0]].flatten(0, 2), height[box[1]], width[box[2]]


def _paired(held: Tensor, scratch: Scratch, pairs: int) -> Tensor:
    """Weights of cosines and sines over the height, from frequencies p and their opposites q: p + q and i (p - q)."""
    weights = scratch.empty(held.shape, held, "pairs")
    opposite = held.shape[-1] - pairs
    p, q = held[..., opposite - pairs : opposite], held[..., opposite:]
    sines = weights[..., opposite:]
    weights[..., : opposite - pairs] = held[..., : opposite - pairs]
    torch.add(p, q, out=weights[..., opposite - pairs : opposite])
    torch.sub(q[:, :, 1], p[:, :, 1], out=sines[:, :, 0])
    torch.sub(p[:, :, 0], q[:, :, 0], out=sines[:, :, 1])
    return weights


def _unpair(weights: Tensor, pairs: int, held: Tensor) -> None:
    """Write the adjoint of `_paired`."""
    opposite = held.shape[-1] - pairs
    cosines, sines = weights[..., opposite - pairs : opposite], weights[..., opposite:]
    p, q = held[..., opposite - pairs : opposite], held[..., opposite:]
    held[..., : opposite - pairs] = weights[..., : opposite - pairs]
    for part, sign in ((0, 1), (1, -1)):
        torch.add(cosines[:, :, part], sines[:, :, 1 - part], alpha=sign, out=p[:, :, part])
        torch.sub(cosines[:, :, part], sines[:, :, 1 - part], alpha=sign, out=q[:, :, part])
