"""Where the clips, the units and the positions lie in what a layer returns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from marey.errors import NetworkError
from marey.network.footprints.footprint import Footprint, contracted, permuted, project, regroup
from marey.network.footprints.places import concatenated, gathered


@dataclass(frozen=True)
class Grid:
    """Where tokens belong in time, height and width.

    sizes
        of the grid.
    order
        for every place, by row and column, the number of the token that belongs there. Where several do, as those of
        the heads of attention, all places of the first one, then all of the next one.
    tokens
        how many there are; those that are not in the `order`, such as a class token, belong nowhere.
    units_first
        of several tokens in one place: whether their units lie side by side, unit by unit, or token by token.
    """

    sizes: tuple[int, int, int]
    order: tuple[int, ...]
    tokens: int
    units_first: bool = False

    @property
    def heads(self) -> int:
        """How many tokens belong in one place; each has units of its own."""
        return len(self.order) // prod(self.sizes)

    def plain(self, positions: Sequence[int]) -> bool:
        """Whether `positions` (time, height, width) already lie like this."""
        return tuple(positions) == self.sizes and self.order == tuple(range(self.tokens))

    def volume(self, tokens: Tensor) -> Tensor:
        """Positions (clip, unit, ...) laid on the grid (clip, unit, time, height, width)."""
        flat, first = tokens.flatten(2), self.order[0]
        in_turn = self.order == tuple(range(first, first + len(self.order)))
        kept = flat[..., first : first + len(self.order)] if in_turn else flat[..., list(self.order)]
        laid: Tensor = kept.unflatten(2, (self.heads, *self.sizes))  # type: ignore[no-untyped-call]
        return (laid if self.units_first else laid.transpose(1, 2)).flatten(1, 2)

    def footprint(self, seen: Footprint) -> Footprint:
        """What the places of the grid see, from what positions (time, height, width) see."""
        flat = gathered(regroup(seen, (self.tokens,)), 0, np.array(self.order), cause="the order of tokens")
        return permuted(contracted(regroup(flat, (self.heads, *self.sizes)), [0]), (1, 2, 3))


@dataclass(frozen=True)
class Axes:
    """The axes of one layer's outputs, found once for a network.

    dims
        how many axes an output has.
    clips
        the axis of clips; None where an output is one clip's and has no such axis.
    units
        the axis of units.
    time
        the axis of time, beside frames that lie along `clips`; None where there is none. Up to two more axes are
        height and width, the last one width.
    outer, inner
        entries of a clip that lie along the axis of clips: `outer` times the clips in turn, `inner` entries of each.
        (1, frames) is all of the first clip first, (frames, 1) the first frame of every clip first.
    alone
        whether the network has to be shown one clip at a time: it refuses two, or mixes them.
    called, read
        calls of the layer in a pass of one clip, and the numbers of those that are read, one after the other in time.
    grid
        on which its positions are laid where they are tokens.
    """

    dims: int
    clips: int | None
    units: int
    time: int | None = None
    outer: int = 1
    inner: int = 1
    alone: bool = False
    called: int = 1
    read: tuple[int, ...] = (0,)
    grid: Grid | None = None

    @property
    def places(self) -> tuple[int, ...]:
        """The axes of height and width, as far as there are any."""
        return tuple(axis for axis in range(self.dims) if axis not in (self.clips, self.units, self.time))

    def volume(self, outputs: Sequence[Tensor], clips: int) -> Tensor:
        """The calls that are read as one tensor (clip, unit, time, height, width), axes that they lack being 1."""
        parts = [self._volume(output, clips) for output in outputs]
        volume = parts[0] if len(parts) == 1 else torch.cat(parts, 2)
        if self.grid is None:
            return volume
        if volume.shape[2:].numel() != self.grid.tokens:
            raise self._misfit(outputs[0], clips)
        return self.grid.volume(volume)

    def _volume(self, output: Tensor, clips: int) -> Tensor:
        if output.dim() != self.dims or (self.clips is None and clips != 1):
            raise self._misfit(output, clips)
        if self.clips is None:
            return replace(self, dims=self.dims + 1, clips=0, units=self.units + 1, time=_next(self.time))._volume(
                output[None], 1
            )
        outer, inner = self._entries(output, clips)
        if (self.dims, self.clips, self.units, self.time, outer, inner) == (5, 0, 1, 2, 1, 1):
            return output  # as it is

        def at(axis: int) -> int:
            return axis if self.clips is None or axis < self.clips else axis + 2

        times = [self.clips, self.clips + 2] + ([] if self.time is None else [at(self.time)])
        split: Tensor = output.unflatten(self.clips, (outer, clips, inner))  # type: ignore[no-untyped-call]
        laid = split.permute(self.clips + 1, at(self.units), *times, *(at(axis) for axis in self.places))
        sizes = [1, 1, *laid.shape[2 + len(times) :]][-2:]
        volume: Tensor = laid.reshape(*laid.shape[:2], laid.shape[2 : 2 + len(times)].numel(), *sizes)
        return volume

    def _entries(self, output: Tensor, clips: int) -> tuple[int, int]:
        """`outer` and `inner` of an output, which fewer frames than at first may have made less."""
        entries, rest = divmod(output.shape[self.clips or 0], clips)
        if rest or not entries:
            raise self._misfit(output, clips)
        if self.outer * self.inner == entries:
            return self.outer, self.inner
        if self.outer == 1:
            return 1, entries
        if self.inner == 1:
            return entries, 1
        raise self._misfit(output, clips)

    def _misfit(self, output: Tensor, clips: int) -> NetworkError:
        return NetworkError(
            f"a layer returned a tensor of shape {tuple(output.shape)} for {clips} clips, which is not as it lay when "
            "the network was first looked at. Choose another layer."
        )

    def per_clip(self, values: Tensor, output: Tensor) -> Tensor | None:
        """One value for every clip, spread over an output (of any call) by broadcasting; None where it does not fit."""
        if self.clips is None or output.dim() != self.dims or (self.alone and len(values) > 1):
            return None
        try:
            outer, inner = self._entries(output, len(values))
        except NetworkError:
            return None
        spread = values.repeat_interleave(inner).repeat(outer)
        return spread.view(*(-1 if axis == self.clips else 1 for axis in range(self.dims)))

    def footprint(self, calls: Sequence[Footprint]) -> Footprint:
        """What positions (time, height, width) see, from what the calls that are read see in a pass of one clip."""
        laid = []
        for call in calls:
            seen = project(call, [self.units])
            times = [axis for axis in (self.clips, self.time) if axis is not None]
            time = tuple(factor for axis in times for factor in seen.dims[axis])
            places = [seen.dims[axis] for axis in self.places]
            laid.append(Footprint((time, *[()] * (2 - len(places)), *places), seen.spans))
        whole = laid[0] if len(laid) == 1 else concatenated(laid, 0, cause="calls one after the other")
        return whole if self.grid is None else self.grid.footprint(whole)


def _next(axis: int | None) -> int | None:
    return None if axis is None else axis + 1


def one_by_one(inputs: Mapping[str, Tensor | None], clips: int) -> Iterator[dict[str, Tensor | None]]:
    """The inputs of one clip after the other."""
    for clip in range(clips):
        yield {name: None if value is None else value[clip : clip + 1] for name, value in inputs.items()}
