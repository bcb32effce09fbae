"""What is kept of a layer's output: for every clip and unit the largest value, its place, and the mean."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.network import volume

_Norm = nn.BatchNorm2d | nn.BatchNorm3d

_CACHED_VALUES = 2**18
"""Values of which a second pass finds most in a core's own cache."""


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


class PassPeaks:
    """The peaks of all layers in one pass of a network, side by side, taken as the layers answer."""

    def __init__(self, layers: Sequence[str], clips: int) -> None:
        """`layers` in the order in which their units are to lie."""
        self._clips = clips
        self._found: dict[str, Peaks | None] = dict.fromkeys(layers)
        self._before: _Read | None = None

    def read(self, name: str, output: Tensor, *, module: nn.Module | None = None, given: Tensor | None = None) -> None:
        """Take in what a layer answers, unless it did before; `given` is the input of its module.

        What follows from the input that was read just before is not sought again: the largest values of a ReLU, and
        where those of a batch normalization are, which rises with its input but for units that it turns around, and its
        means. Of values that only rounding makes equal, or parts by the last bit, the input's largest counts.
        """
        if name not in self._found or self._found[name] is not None:
            return
        maps = _maps(output, self._clips)
        found = self._known(module, given, maps)
        if found is None:
            found = _each(maps)
        if not output.is_inference():
            self._before = _Read(weakref.ref(output), output._version, found)
        self._found[name] = _folded(output, found, maps.shape[-1], self._clips)

    def missing(self) -> set[str]:
        """The layers that have not answered."""
        return {name for name, found in self._found.items() if found is None}

    def together(self) -> Peaks:
        """Of every (clip, unit) the peaks, the units of all layers in a row."""
        every = [found for found in self._found.values() if found is not None]
        if not every:
            nothing = torch.empty(self._clips, 0)
            return Peaks(nothing, nothing, nothing.int())
        return Peaks(
            torch.cat([found.maximum for found in every], 1).float(),
            torch.cat([found.mean for found in every], 1).float(),
            torch.cat([found.place for found in every], 1).int(),
        )

    def _known(self, module: nn.Module | None, given: Tensor | None, maps: Tensor) -> Peaks | None:
        """The peaks of maps as far as they follow from the module's input; None where they do not."""
        if given is None or given.shape[:2] != maps.shape[:2]:
            return None
        read = self._read_before(given)
        if type(module) is nn.ReLU and read is not None:
            largest = read.maximum.clamp_min(0)
            place = read.place * ~(read.maximum <= 0)  # where nothing is above 0 all are 0, and the first counts
            return Peaks(largest, _mean(maps), place)
        if _known_norm(module):
            if read is None:
                read = _each(_maps(given, self._clips))
            found = Peaks(_at(maps, read.place), _normalized(read.mean, module), read.place.clone())
            return _turned(found, maps, module.weight <= 0) if module.affine else found
        return None

    def _read_before(self, given: Tensor) -> Peaks | None:
        before = self._before
        if before is None or before.output() is not given or before.version != given._version:
            return None
        return before.found


def _known_norm(module: nn.Module | None) -> TypeGuard[_Norm]:
    """Whether a module is a batch normalization as torch has it, with statistics that stay as they are."""
    known = type(module) in (nn.BatchNorm2d, nn.BatchNorm3d)  # what is derived from these may compute otherwise
    return known and module is not None and not module.training and module.running_mean is not None


def _turned(found: Peaks, maps: Tensor, turned: Tensor) -> Peaks:
    """The peaks, with the largest values of the `turned` units sought in their maps."""
    if bool(turned.any()):
        found.maximum[:, turned], found.place[:, turned] = _largest(maps[:, turned])
    return found


def _normalized(values: Tensor, norm: _Norm) -> Tensor:
    """What a batch normalization makes of means (clip unit ...), in their type."""
    mean, variance, weight, bias = (
        None if part is None else part.to(values.dtype)
        for part in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return functional.batch_norm(values, mean, variance, weight, bias, training=False, eps=norm.eps)


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
    """The peaks of every map, a few clips at a time, so that the second pass finds them in the processor's cache."""
    few = max(1, _CACHED_VALUES // max(1, maps[0].numel()))
    if maps.device.type != "cpu" or few >= len(maps):
        return _peaks(maps)
    parts = [_peaks(maps[first : first + few]) for first in range(0, len(maps), few)]
    return Peaks(
        torch.cat([part.maximum for part in parts]),
        torch.cat([part.mean for part in parts]),
        torch.cat([part.place for part in parts]),
    )


def _peaks(maps: Tensor) -> Peaks:
    largest, place = _largest(maps)
    return Peaks(largest, _mean(maps), place)


def _mean(maps: Tensor) -> Tensor:
    return maps.mean(-1, dtype=torch.promote_types(maps.dtype, torch.float32))


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
    """The largest value along the last axis, and its place."""
    if maps.shape[-1] == 1:
        return maps[..., 0], torch.zeros(maps.shape[:-1], dtype=torch.int64, device=maps.device)
    if maps.device.type != "cpu" or maps.dtype not in (torch.float32, torch.float64):
        largest, place = maps.max(-1)
        return largest, place
    place = torch.from_numpy(maps.numpy().argmax(-1))  # NumPy's search is ten times as fast as torch's
    return _at(maps, place), place


def _at(maps: Tensor, place: Tensor) -> Tensor:
    return maps.gather(-1, place[..., None])[..., 0]
