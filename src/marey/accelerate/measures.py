"""The hard bound of frames and their priors, with gradients written out: far fewer passes than autograd's."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from marey.accelerate import frame_loops
from marey.accelerate.compiled import Floats, compiled, shared
from marey.accelerate.scratch import Scratch, few_at_a_time


class Priors(NamedTuple):
    """Of every clip: the weighted sum, and the energy and the variation in space and time that it weighs (3, clip).

    Only the sum has a gradient.
    """

    total: Tensor
    measures: Tensor


@dataclass(frozen=True)
class Limits:
    """Frames x stand for `scale` x, cut to `low`..`high` and then brought to |x| <= `bound` at every pixel."""

    bound: float
    low: float
    high: float
    scale: float = 1.0


@dataclass(frozen=True)
class _Asked:
    """What is computed: without limits no bound, without weights (3, clip) no priors."""

    limits: Limits | None = None
    weights: Tensor | None = None
    bound: float | Tensor = 1.0
    exponent: float = 3.0
    scratch: Scratch | None = None


def projected(frames: Tensor, limits: Limits) -> Tensor:
    """The nearest frames (clip channel time height width) within the limits."""
    inside: Tensor
    (inside,) = _Passes.apply(frames, _Asked(limits))  # type: ignore[no-untyped-call]
    return inside


def priors_of(offset: Tensor, bound: float | Tensor, weights: Tensor, *, exponent: float) -> Priors:
    """The priors of frames (clip channel time height width), distances from rest.

    `weights` (3, clip) are those of R_B, mean over all pixels of (|x| / bound)^exponent, and of the mean squared
    differences in space and in time, summed over channels: the two halves of equation (2). `bound` is one for all
    clips, or one for each.
    """
    return Priors(*_Passes.apply(offset, _Asked(None, weights, bound, exponent)))  # type: ignore[no-untyped-call]


def projected_with_priors(
    frames: Tensor, limits: Limits, weights: Tensor, *, exponent: float, scratch: Scratch | None = None
) -> tuple[Tensor, Priors]:
    """`projected`, and `priors_of` the outcome, at once.

    With `scratch` the outcome and its gradient live in that memory, and hold until the next call with it.
    """
    asked = _Asked(limits, weights, limits.bound, exponent, scratch)
    inside, *priors = _Passes.apply(frames, asked)  # type: ignore[no-untyped-call]
    return inside, Priors(*priors)


class _Passes(torch.autograd.Function):
    """The projected frames, where there are limits; then, where there are weights, what `Priors` holds."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, asked: _Asked) -> tuple[Tensor, ...]:
        frames = frames.contiguous()
        limits, weights = asked.limits, asked.weights
        scratch = Scratch() if asked.scratch is None else asked.scratch
        ctx.loops = _loops() if _loopable(frames, asked) and ctx.needs_input_grad[0] else None
        if ctx.loops is not None:
            return _looped(ctx, frames, asked, scratch)
        inside, shrink, gradient, measures = frames, None, None, None
        if limits is not None:
            inside = scratch.empty(frames.shape, frames, "inside")
            shrink = scratch.empty(frames[:, :1].shape, frames, "shrink")
        if weights is not None:
            measures = frames.new_zeros(3, len(frames))
            if ctx.needs_input_grad[0]:
                gradient = scratch.empty(frames.shape, frames, "gradient")
        reach = torch.as_tensor(asked.bound, dtype=frames.dtype, device=frames.device).square().expand(len(frames))
        reach = reach.view(-1, 1, 1, 1, 1)
        ctx.cut = []
        for part in few_at_a_time(frames):
            if limits is not None and shrink is not None:
                cut, squares = _project(frames[part], limits, inside[part], shrink[part], scratch=scratch)
                ctx.cut.append(cut)
            else:
                squares = _inner(frames[part], frames[part], scratch)
            if weights is not None and measures is not None:
                measures[:, part] = _measure(
                    inside[part],
                    relative=squares.div_(reach[part]),
                    reach=reach[part],
                    weights=weights[:, part],
                    exponent=asked.exponent,
                    gradient=None if gradient is None else gradient[part],
                    scratch=scratch,
                )
        ctx.asked, ctx.scratch = asked, scratch
        ctx.save_for_backward(frames, shrink, gradient)
        ctx.set_materialize_grads(False)
        outputs = () if limits is None else (inside,)
        if weights is None or measures is None:
            return outputs
        ctx.mark_non_differentiable(measures)
        return (*outputs, (weights * measures).sum(0), measures)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        frames, shrink, gradient = ctx.saved_tensors
        if ctx.loops is not None:
            return _looped_back(ctx, given[0], given[1]), None
        limits, scratch = ctx.asked.limits, ctx.scratch
        of_inside = None if limits is None else given[0]
        of_total = None if gradient is None else given[-2]
        result = (
            torch.zeros_like(frames) if ctx.asked.scratch is None else scratch.empty(frames.shape, frames, "result")
        )
        for number, part in enumerate(few_at_a_time(frames)):
            out = result[part]
            share = None if of_total is None else of_total[part].view(-1, 1, 1, 1, 1)
            if share is not None and of_inside is not None:
                torch.addcmul(of_inside[part], gradient[part], share, out=out)
            elif share is not None:
                torch.mul(gradient[part], share, out=out)
            else:
                out.zero_() if of_inside is None else out.copy_(of_inside[part])
            if limits is not None:
                _project_back(frames[part], limits, shrink[part], out, cut=ctx.cut[number], scratch=scratch)
        return result, None


class _Loops(NamedTuple):
    """The functions of `frame_loops`, compiled."""

    bound_with_energy: Callable[..., Floats]
    variation: Callable[..., Floats]
    bound_back: Callable[..., None]


@cache
def _loops() -> _Loops | None:
    found = [
        compiled(one, any_order=True)
        for one in (frame_loops.bound_with_energy, frame_loops.variation, frame_loops.bound_back)
    ]
    return None if None in found else _Loops(*found)  # type: ignore[arg-type]


def _loopable(frames: Tensor, asked: _Asked) -> bool:
    """Whether the compiled loops compute what is asked for."""
    plain = frames.device.type == "cpu" and frames.dtype == torch.float32 and frames.numel() > 0
    return plain and asked.limits is not None and asked.weights is not None and asked.exponent == 3


def _limits(limits: Limits) -> frame_loops.Limits:
    return (limits.low / limits.scale, limits.high / limits.scale, float(limits.bound), float(limits.scale))


def _looped(ctx: Any, frames: Tensor, asked: _Asked, scratch: Scratch) -> tuple[Tensor, ...]:
    """`_Passes.forward` in two readings of the frames."""
    assert asked.limits is not None and asked.weights is not None
    clips, channels, *places = frames.shape
    pixels = math.prod(places)
    flat = (clips, channels, pixels)
    inside, gradient = (scratch.empty(frames.shape, frames, name) for name in ("inside", "gradient"))
    shrink = scratch.empty((clips, pixels), frames, "shrink")
    reach = np.full(clips, asked.bound, np.float32)
    weights = asked.weights.detach().numpy().astype(np.float32, copy=False)
    of_energy, of_space, of_time = weights / np.float32(pixels)
    given, bounded, slopes, factors = frames.detach().numpy(), inside.numpy(), gradient.numpy(), shrink.numpy()
    by_energy = np.float32(asked.exponent) * of_energy / reach**2
    ends = _limits(asked.limits), reach, by_energy, bounded.reshape(flat), factors, slopes.reshape(flat)
    by_neighbor = 2 * of_space, 2 * of_time, slopes

    def bound(start: int, stop: int) -> Floats:
        found: Floats = ctx.loops.bound_with_energy(given.reshape(flat), (start, stop), *ends)
        return found

    def vary(start: int, stop: int) -> Floats:
        found: Floats = ctx.loops.variation(bounded, (start, stop), *by_neighbor)
        return found

    found = np.empty((3, clips), np.float32)
    found[0] = sum(shared(bound, pixels, frames.numel()))
    found[1:] = sum(shared(vary, channels * places[0], frames.numel()))
    found /= np.float32(pixels)
    measures, total = torch.from_numpy(found), torch.from_numpy((weights * found).sum(0))
    ctx.asked, ctx.scratch = asked, scratch
    ctx.save_for_backward(frames, shrink, gradient)
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(measures)
    return inside, total, measures


def _looped_back(ctx: Any, of_inside: Tensor | None, of_total: Tensor | None) -> Tensor:
    """`_Passes.backward` in one reading of the frames and the gradients."""
    frames, shrink, gradient = ctx.saved_tensors
    wanted = torch.zeros_like(frames) if of_inside is None else of_inside.contiguous()
    share = frames.new_zeros(len(frames)) if of_total is None else of_total.contiguous()
    result: Tensor = ctx.scratch.empty(frames.shape, frames, "result")
    flat = (*frames.shape[:2], -1)
    given, of, priors, out = (one.detach().numpy().reshape(flat) for one in (frames, wanted, gradient, result))
    limits, factors, shares = _limits(ctx.asked.limits), shrink.numpy(), share.numpy()

    def back(start: int, stop: int) -> None:
        ctx.loops.bound_back(given, (start, stop), limits, factors, of, priors, shares, out)

    shared(back, given.shape[2], frames.numel())
    return result


def _inner(a: Tensor, b: Tensor, scratch: Scratch) -> Tensor:
    """Product at every pixel, summed over channels (clip 1 time height width), as no strided sum is fast."""
    total = scratch.empty(a[:, :1].shape, a, "inner")
    torch.mul(a[:, :1], b[:, :1], out=total)
    for channel in range(1, a.shape[1]):
        total.addcmul_(a[:, channel : channel + 1], b[:, channel : channel + 1])
    return total


class _Cut(NamedTuple):
    """Whether any value was out of the range, and whether any pixel was beyond the bound."""

    range: bool
    bound: bool


def _project(
    frames: Tensor, limits: Limits, inside: Tensor, shrink: Tensor, *, scratch: Scratch
) -> tuple[_Cut, Tensor]:
    """Write the nearest frames within the limits, and the factor that makes them so; what was cut, and their |x|^2."""
    low, high, reach = limits.low / limits.scale, limits.high / limits.scale, limits.bound / limits.scale
    squares = _inner(frames, frames, scratch)
    largest = float(squares.amax())
    clamped = not largest <= min(abs(low), abs(high)) ** 2  # else no value can be out of range
    if clamped:
        frames = torch.clamp(frames, low, high, out=inside)
        squares = _inner(frames, frames, scratch)
    beyond = not largest <= reach**2
    if beyond:
        torch.clamp(squares, min=reach**2, out=shrink).rsqrt_().mul_(limits.bound)
        torch.mul(frames, shrink, out=inside)
        squares.clamp_(max=reach**2)
    elif limits.scale != 1 or not clamped:
        torch.mul(frames, limits.scale, out=inside)
    return _Cut(clamped, beyond), squares if limits.scale == 1 else squares.mul_(limits.scale**2)


def _project_back(
    frames: Tensor, limits: Limits, shrink: Tensor, gradient: Tensor, *, cut: _Cut, scratch: Scratch
) -> None:
    """Turn the gradient of what `_project` wrote into that of the frames."""
    kept = frames.clamp(limits.low / limits.scale, limits.high / limits.scale) if cut.range else frames
    if cut.bound:
        along = _inner(kept, gradient, scratch).mul_(shrink).mul_(shrink)
        margin = scratch.empty(shrink.shape, shrink, "margin")
        along.mul_(torch.sub(limits.scale, shrink, out=margin).sign_())  # 1 outside the bound, 0 inside
        gradient.addcmul_(kept, along, value=-1 / limits.bound**2).mul_(shrink)  # what only lengthens x is lost
    elif limits.scale != 1:
        gradient.mul_(limits.scale)
    if cut.range:
        gradient.mul_(kept == frames)


def _measure(
    offset: Tensor,
    *,
    relative: Tensor,
    reach: Tensor,
    weights: Tensor,
    exponent: float,
    gradient: Tensor | None,
    scratch: Scratch,
) -> Tensor:
    """Energy and variation in space and time of every clip; `reach` is the square of the bound.

    `relative`, |x|^2 / reach, is written over. Where asked for, the gradient of their weighted sum is written.
    """
    clips, values, pixels = len(offset), offset[0].numel(), offset[0, 0].numel()
    power = scratch.empty(relative.shape, relative, "power")
    # pow is slow, and has no end at zero below 2
    torch.sqrt(relative, out=power) if exponent == 3 else torch.pow(relative.add_(1e-12), exponent / 2 - 1, out=power)
    energy = relative.mul_(power).flatten(1).mean(1)
    share = weights.view(3, clips, 1) / pixels
    if gradient is not None:
        slope = power.mul_(exponent * share[0].view(-1, 1, 1, 1, 1) / reach)
        torch.mul(offset, slope, out=gradient)
    squares = []
    times, height, width = offset.shape[2:]
    steps = [(1, width, 1), (width, height, 1), (height * width, times, 2)]
    apart = scratch.empty((clips * (values + height * width),), offset, "apart")
    for step, length, which in steps:
        if length == 1:
            squares.append(energy.new_zeros(clips))
            continue
        squares.append(_differences(offset.view(clips, -1), step, length, apart))
        if gradient is not None:
            edges = apart[: clips * (values + step)].view(clips, -1)
            slopes = 2 * share[which]
            gradient.view(clips, -1).addcmul_(edges[:, :values], slopes).addcmul_(edges[:, step:], slopes, value=-1)
    across, down, on = squares
    return torch.stack((energy, (across + down) / pixels, on / pixels))


def _differences(offset: Tensor, step: int, length: int, apart: Tensor) -> Tensor:
    """Sum of squared differences of neighbors along an axis of this length whose places lie `step` values apart.

    `apart` then holds, clip by clip, the difference of every value from the one before it, 0 for the first of the axis,
    and at the end `step` zeros.
    """
    clips, values = offset.shape
    edges = apart[: clips * (values + step)].view(clips, -1)
    torch.sub(offset[:, step:], offset[:, :-step], out=edges[:, step:values])
    edges[:, :values].view(clips, -1, length, step)[:, :, 0] = 0
    edges[:, values:] = 0
    squares: Tensor = torch.linalg.vector_norm(edges[:, :values], dim=1).square()
    return squares
