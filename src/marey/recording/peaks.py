"""What is kept of a layer's output: for every clip and unit the largest value, its place, and the mean."""

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from marey.network.layer import volume

Norm = nn.BatchNorm2d | nn.BatchNorm3d

_LARGE, _SEGMENT = 2000, 192
"""Values of a map from which on it is searched in segments, and of the shortest segment."""
_WIDE = 128
"""Units that are searched side by side, at most."""


@dataclass(frozen=True)
class Peaks:
    """Of every (clip, unit) the maximum, the mean, and where the maximum is: (t * height + y) * width + x."""

    maximum: Tensor
    mean: Tensor
    place: Tensor


@dataclass(frozen=True)
class _Read:
    """An output that was read, as long as it is what it was: of every map the largest value, its place and the mean."""

    output: weakref.ReferenceType[Tensor]
    version: int
    found: Peaks


@dataclass(frozen=True)
class Line:
    """What a batch normalization does: value * scale + shift; `turned` units, if any, fall with their input."""

    scale: Tensor
    shift: Tensor
    turned: Tensor | None


class PassPeaks:
    """The peaks of all layers in the passes of a network that stays as it is, taken as the layers answer."""

    passed: tuple[nn.Module, ...] = ()
    """Modules that need not compute anything in these passes."""

    def __init__(self, layers: Sequence[str], clips: int) -> None:
        """`layers` in the order in which their units are to lie; every pass shows as many `clips`."""
        self._clips = clips
        self._found: dict[str, Peaks | None] = dict.fromkeys(layers)
        self._before: _Read | None = None
        self._lines: dict[nn.Module, Line] = {}

    def twin(self, modules: Mapping[str, nn.Module]) -> "PassPeaks":
        """The same for passes of a copy of the network, which has `modules`."""
        return PassPeaks([name for name in modules if name in self._found], self._clips)

    def read(self, name: str, output: Tensor, *, module: nn.Module | None = None, given: Tensor | None = None) -> None:
        """Take in what a layer answers, unless it did before in this pass; `given` is the input of its module.

        What follows from the input that was read just before is not sought again: the largest values of a ReLU, those
        of a max pooling whose windows tile its input, and where those of a batch normalization are, which rises with
        its input but for units that it turns around, and its means. Of values that are equal, or that only rounding
        makes equal or parts by the last bit, the input's largest counts.
        """
        if name not in self._found or self._found[name] is not None:
            return
        maps = _maps(output, self._clips)
        found = self._known(module, given, output, maps)
        if found is None:
            found = _each(maps)
        if not output.is_inference():
            self._before = _Read(weakref.ref(output), output._version, found)
        self._found[name] = _folded(output, found, maps.shape[-1], self._clips)

    def missing(self) -> set[str]:
        """The layers that have not answered in this pass."""
        return {name for name, found in self._found.items() if found is None}

    def together(self) -> Peaks:
        """Of every (clip, unit) the peaks of this pass, the units of all layers in a row; the next pass may begin."""
        every = [found for found in self._found.values() if found is not None]
        self._found = dict.fromkeys(self._found)
        self._before = None
        if not every:
            nothing = torch.empty(self._clips, 0)
            return Peaks(nothing, nothing, nothing.int())
        return Peaks(
            torch.cat([found.maximum for found in every], 1).float(),
            torch.cat([found.mean for found in every], 1).float(),
            torch.cat([found.place for found in every], 1).int(),
        )

    def _known(self, module: nn.Module | None, given: Tensor | None, output: Tensor, maps: Tensor) -> Peaks | None:
        """The peaks of maps as far as they follow from the module's input; None where they do not."""
        if given is None or given.shape[:2] != maps.shape[:2]:
            return None
        read = self._read_before(given)
        if type(module) is nn.ReLU and read is not None:
            off = read.maximum <= 0  # where nothing is above 0 all are 0, and the first counts
            return Peaks(read.maximum.clamp_min(0), _mean(maps), read.place.masked_fill(off, 0))
        if type(module) is nn.MaxPool2d and read is not None and (side := tiled_side(module, given)):
            down, across = read.place // (side * given.shape[-1]), read.place % given.shape[-1] // side
            return Peaks(read.maximum.clone(), _mean(maps), down * output.shape[-1] + across)
        if known_norm(module):
            if read is None:
                read = _each(_maps(given, self._clips))
            line = self._line(module, read.mean)
            found = Peaks(_at(maps, read.place), torch.addcmul(line.shift, read.mean, line.scale), read.place)
            return found if line.turned is None else _turned(found, maps, line.turned)
        return None

    def _read_before(self, given: Tensor) -> Peaks | None:
        before = self._before
        if before is None or before.output() is not given or before.version != given._version:
            return None
        return before.found

    def _line(self, norm: Norm, means: Tensor) -> Line:
        """What a normalization does to `means` (clip unit ...)."""
        if norm not in self._lines:
            line = norm_line(norm, torch.promote_types(means.dtype, torch.float32))
            after = (-1, *[1] * (means.dim() - 2))
            self._lines[norm] = Line(line.scale.view(after), line.shift.view(after), line.turned)
        return self._lines[norm]


def norm_line(norm: Norm, dtype: torch.dtype = torch.float32) -> Line:
    """What a normalization that `known_norm` knows does to every unit."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = (norm.running_var.to(dtype) + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.detach().to(dtype)
    shift = -norm.running_mean.to(dtype) * scale
    turned = None
    if norm.affine:
        shift = shift + norm.bias.detach().to(dtype)
        falls = norm.weight.detach() <= 0
        turned = falls if bool(falls.any()) else None
    return Line(scale, shift, turned)


def known_norm(module: nn.Module | None) -> TypeGuard[Norm]:
    """Whether a module is a batch normalization as torch has it, with statistics that stay as they are."""
    known = type(module) in (nn.BatchNorm2d, nn.BatchNorm3d)  # what is derived from these may compute otherwise
    return known and module is not None and not module.training and module.running_mean is not None


def tiled_side(pool: nn.MaxPool2d, given: Tensor) -> int | None:
    """The side of a pooling's windows where they are squares that tile its input; else None."""
    side = pool.kernel_size
    plain = pool.padding in (0, (0, 0)) and pool.dilation in (1, (1, 1)) and pool.stride in (side, (side, side))
    if not isinstance(side, int) or not plain or given.shape[-1] % side or given.shape[-2] % side:
        return None
    return side


def _turned(found: Peaks, maps: Tensor, turned: Tensor) -> Peaks:
    """The peaks, with the largest values of the `turned` units sought in their maps."""
    place = found.place.clone()
    found.maximum[:, turned], place[:, turned] = _largest(maps[:, turned])
    return Peaks(found.maximum, found.mean, place)


def peaks(output: Tensor, clips: int) -> Peaks:
    """The peaks of a layer's raw output; of equal values the first counts, and what is no number counts as largest.

    Two passes over the output, and no copy of it: each map is reduced where it lies, then the few values that are left
    are put in order by clip and time. The mean is taken in float32 at least.
    """
    maps = _maps(output, clips)
    found = _folded(output, _each(maps), maps.shape[-1], clips)
    return Peaks(found.maximum.float(), found.mean.float(), found.place.int())


def _maps(output: Tensor, clips: int) -> Tensor:
    """The places of every map along the last axis: (clip unit place), or with axes for time, folded or not."""
    if output.dim() >= 4:
        return output.detach().flatten(-2)
    return volume(output.detach(), clips).flatten(2)  # tokens and vectors, whose places lie along one axis


def _each(maps: Tensor) -> Peaks:
    """The peaks of every map."""
    largest, place = _largest(maps)
    return Peaks(largest, _mean(maps), place)


def _mean(maps: Tensor) -> Tensor:
    dtype = torch.promote_types(maps.dtype, torch.float32)
    if _channels_last(maps):
        return maps.movedim(1, -1).sum(-2, dtype=dtype).div_(maps.shape[-1]).movedim(-1, 1)
    return maps.mean(-1, dtype=dtype)


def _channels_last(maps: Tensor) -> bool:
    """Whether the units of a place lie beside each other, and the places in order."""
    return maps.dim() > 2 and maps.shape[1] > 1 and maps.movedim(1, -1).is_contiguous()


def _folded(output: Tensor, found: Peaks, size: int, clips: int) -> Peaks:
    """The peaks over all maps of a clip, which have `size` places each and may lie in time."""
    mean, largest, place = found.mean, found.maximum, found.place
    if output.dim() >= 4 and (output.dim() > 4 or len(output) != clips):
        mean, largest, place = (volume(part[..., None, None], clips)[..., 0, 0] for part in (mean, largest, place))
        largest, time = largest.max(2)  # clip unit time
        place = time * size + place.gather(2, time[..., None])[..., 0]
        mean = mean.mean(2)
    return Peaks(largest, mean, place)


def _largest(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The largest value along the last axis, and its place.

    NumPy finds a place ten times as fast as torch does, but on one core, to which the values have to come from those
    that made them. So of large maps torch finds the largest value of every segment, and NumPy its place in one of them.
    """
    *outer, size = maps.shape
    if size == 1:
        return maps[..., 0], torch.zeros(outer, dtype=torch.int64, device=maps.device)
    if maps.device.type == "cpu" and maps.dtype == torch.float32 and _channels_last(maps):
        return _largest_channels_last(maps)
    if maps.device.type != "cpu" or maps.dtype not in (torch.float32, torch.float64):
        largest, place = maps.max(-1)
        return largest, place
    count = _segments(size) if maps.is_contiguous() else 1
    if count == 1:
        place = torch.from_numpy(maps.numpy().argmax(-1))
        return _at(maps, place), place
    parts = maps.view(-1, size // count)
    tops = parts.amax(-1).view(-1, count).numpy()
    rows = np.arange(len(tops))
    which = tops.argmax(-1)
    inside = parts.numpy()[rows * count + which].argmax(-1)
    return torch.from_numpy(tops[rows, which]).view(outer), torch.from_numpy(which * parts.shape[-1] + inside).view(
        outer
    )


def _largest_channels_last(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The same where the units of a place lie beside each other, in one pass: by a pooling over all places.

    Of few units several places count as one with more, so that each value has not to wait for the one before it.
    """
    units, places = maps.shape[1], maps.shape[-1]
    side = next((count for count in (4, 2) if units * count <= _WIDE and places % count == 0), 1)
    lines = maps.movedim(1, -1).reshape(-1, places // side, 1, side * units).permute(0, 3, 1, 2)
    tops, which = max_pool2d(lines, (places // side, 1), return_indices=True)
    tops, which = tops.view(-1, side, units), which.view(-1, side, units) * side
    which += torch.arange(side).view(-1, 1)
    largest = tops.amax(1)
    if side > 1:
        equal = (tops == largest[:, None]) | tops.isnan()
        which = which.masked_fill_(~equal, places).amin(1)
    outer = (maps.shape[0], *maps.shape[2:-1], units)
    return largest.view(outer).movedim(-1, 1), which.view(outer).movedim(-1, 1)


@lru_cache
def _segments(size: int) -> int:
    """In how many parts of the same length, and not too short, a map is searched."""
    most = size // _SEGMENT if size >= _LARGE else 1
    return next((count for count in range(most, 1, -1) if size % count == 0), 1)


def _at(maps: Tensor, place: Tensor) -> Tensor:
    return maps.gather(-1, place.unsqueeze(-1)).squeeze(-1)
