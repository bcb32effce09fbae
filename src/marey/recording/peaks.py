"""What is kept of a layer's output: for every clip and unit the largest value, its place, and the mean."""

import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from marey.network import volume


@dataclass(frozen=True)
class Peaks:
    """Of every (clip, unit) the maximum, the mean, and where the maximum is: (t * height + y) * width + x."""

    maximum: Tensor
    mean: Tensor
    place: Tensor


@dataclass(frozen=True)
class _Read:
    """An output that was read, as long as it is what it was: of every map the largest value and its place."""

    output: weakref.ReferenceType[Tensor]
    version: int
    largest: Tensor
    place: Tensor


class PassPeaks:
    """The peaks of all layers in one pass of a network, side by side, filled as the layers answer."""

    def __init__(self, units: Mapping[str, int], clips: int, device: torch.device) -> None:
        """`units` are those of each layer, in the order in which they are to lie."""
        self._clips = clips
        self._columns: dict[str, slice] = {}
        stop = 0
        for name, count in units.items():
            self._columns[name] = slice(stop, stop + count)
            stop += count
        self.maximum = torch.empty(clips, stop, device=device)
        self.mean = torch.empty(clips, stop, device=device)
        self.place = torch.empty(clips, stop, dtype=torch.int32, device=device)
        self._left = set(units)
        self._before: _Read | None = None

    def read(self, name: str, output: Tensor, *, module: nn.Module | None = None, given: Tensor | None = None) -> None:
        """Take in what a layer answers, unless it did before; `given` is the input of its module.

        Where a ReLU is given what was read just before, its largest values are at the same places: no second search.
        A batch normalization rises with its input, so its largest values are sought there, but for units that it turns
        around. Of values that only rounding makes equal, or parts by the last bit, the input's largest counts.
        """
        if name not in self._left:
            return
        self._left.remove(name)
        maps = _maps(output, self._clips)
        place = self._known_place(module, given, maps)
        largest, place = _largest(maps) if place is None else (_at(maps, place), place)
        columns = self._columns[name]
        into = Peaks(self.maximum[:, columns], self.mean[:, columns], self.place[:, columns])
        if maps.dim() == 3 and len(maps) == self._clips and maps.dtype == torch.float32:  # no time: the commonest layer
            torch.mean(maps, -1, out=into.mean)
            into.maximum.copy_(largest)
            into.place.copy_(place)
        else:
            found = _folded(output, maps, largest, place, self._clips)
            into.maximum.copy_(found.maximum)
            into.mean.copy_(found.mean)
            into.place.copy_(found.place)
        self._before = None if output.is_inference() else _Read(weakref.ref(output), output._version, largest, place)

    def missing(self) -> set[str]:
        """The layers that have not answered."""
        return self._left

    def _known_place(self, module: nn.Module | None, given: Tensor | None, maps: Tensor) -> Tensor | None:
        """Where the largest values of maps are, as far as it follows from the module's input."""
        if given is None or given.shape[:2] != maps.shape[:2]:
            return None
        read = self._read_before(given)
        if type(module) is nn.ReLU and read is not None:
            return read.place * ~(read.largest <= 0)  # where nothing is above 0 all are 0, and the first counts
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d) and not module.training:
            place = _largest(_maps(given, self._clips))[1] if read is None else read.place
            return _turned(place, maps, module.weight <= 0) if module.affine else place
        return None

    def _read_before(self, given: Tensor) -> _Read | None:
        before = self._before
        if before is None or before.output() is not given or before.version != given._version:
            return None
        return before


def _turned(place: Tensor, maps: Tensor, turned: Tensor) -> Tensor:
    """The places, with those of the `turned` units sought in their maps."""
    if not bool(turned.any()):
        return place
    place = place.clone()
    place[:, turned] = _largest(maps[:, turned])[1]
    return place


def peaks(output: Tensor, clips: int) -> Peaks:
    """The peaks of a layer's raw output; of equal values the first counts, and what is no number counts as largest.

    Two passes over the output, and no copy of it: each map is reduced where it lies, then the few values that are left
    are put in order by clip and time. The mean is taken in float32 at least.
    """
    maps = _maps(output, clips)
    return _folded(output, maps, *_largest(maps), clips)


def _maps(output: Tensor, clips: int) -> Tensor:
    """The places of every map along the last axis: (clip unit place), or with axes for time, folded or not."""
    if output.dim() >= 4:
        return output.detach().flatten(-2)
    return volume(output.detach(), clips).flatten(2)  # tokens and vectors, whose places lie along one axis


def _folded(output: Tensor, maps: Tensor, largest: Tensor, place: Tensor, clips: int) -> Peaks:
    """The peaks over all maps of a clip, which may lie in time."""
    size = maps.shape[-1]
    mean = maps.mean(-1, dtype=torch.promote_types(maps.dtype, torch.float32))
    if output.dim() >= 4 and (output.dim() > 4 or len(output) != clips):
        mean, largest, place = (volume(part[..., None, None], clips)[..., 0, 0] for part in (mean, largest, place))
        largest, time = largest.max(2)  # clip unit time
        place = time * size + place.gather(2, time[..., None])[..., 0]
        mean = mean.mean(2)
    return Peaks(largest.float(), mean.float(), place.int())


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
