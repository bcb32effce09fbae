"""The peaks of all layers of a pass on a processor, each map read at most once, by compiled loops."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marey.accelerate.arithmetic import alike
from marey.accelerate.blocks import Block, blocks_of
from marey.accelerate.compiled import Floats, shared
from marey.network.crop import noise
from marey.network.hooks import observed, observed_calls, passed_on
from marey.network.layer import volume
from marey.network.network import Network
from marey.recording.kernels import Kernels, Places, kernels
from marey.recording.peaks import PassPeaks, Peaks, known_norm, norm_line, peaks, tiled_side

_LANES = 128
"""Units that are read side by side, at most, where places are taken together."""


def pass_peaks(
    network: Network, modules: Mapping[str, nn.Module], layers: Sequence[str], clips: int
) -> "PassPeaks | QuickPeaks":
    """What takes in the answers of `layers` in passes of so many `clips`; enter `quick_passes` first.

    `modules` are all that are watched. Compiled loops where they can be had and most values lie as they read them: a
    pass with one clip is tried, and another one with what they compute for modules.
    """
    compiled = kernels()
    if network.device.type != "cpu" or compiled is None or not layers:
        return PassPeaks(layers, clips)
    recorded = {name: modules[name] for name in layers}
    generator = torch.Generator().manual_seed(0)
    shown = {stream.name: noise(stream, generator) for stream in network.streams}
    plain: dict[str, Tensor] = {}
    found: list[tuple[dict[str, str], float]] = []

    def note(name: str, output: Tensor) -> None:
        plain.setdefault(name, output)

    def run() -> None:
        with observed(recorded, note):
            network.forward(shown)

    kept = [name for name, module in modules.items() if name not in recorded or next(module.children(), None)]
    blocks = blocks_of(lambda: found.append(tried(run, recorded)), network.module, kept=kept)
    inputs, share = found[0]
    if share <= 0.5:
        return PassPeaks(layers, clips)
    quick = QuickPeaks(recorded, 1, compiled, inputs, blocks)
    if not _does_the_same(quick, network, recorded, shown, plain):
        quick = QuickPeaks(recorded, clips, compiled, inputs)
    quick.clips = clips
    return quick


def _does_the_same(
    quick: "QuickPeaks",
    network: Network,
    modules: Mapping[str, nn.Module],
    shown: Mapping[str, Tensor],
    plain: Mapping[str, Tensor],
) -> bool:
    """Whether layers, but for those that `quick` writes over, give what they do where it computes nothing for them."""
    outputs: dict[str, Tensor] = {}

    def read(name: str, given: Tensor | None, output: Tensor) -> None:
        quick.read(name, network.units_second(name, output), module=modules[name], given=given)
        outputs.setdefault(name, output)

    with passed_on(quick.passed), observed_calls(modules, read):
        network.forward(shown)
    quick.together()
    kept = plain.keys() - quick.written
    return kept <= outputs.keys() and all(alike(plain[name], outputs[name]) for name in kept)


def tried(run: Callable[[], object], modules: Mapping[str, nn.Module]) -> tuple[dict[str, str], float]:
    """What one call of `run`, with a single clip, tells of `modules`.

    Of those that are given what the one called just before them returns, the name of that one; and the share of all
    values that lie with their units beside each other.
    """
    inputs: dict[str, str] = {}
    last: tuple[str, Tensor] | None = None
    readable = every = 0

    def note(name: str, given: Tensor | None, output: Tensor) -> None:
        nonlocal last, readable, every
        if last is not None and given is last[1]:
            inputs.setdefault(name, last[0])
        last = (name, output)
        every += output.numel()
        readable += output.numel() if _values(output, 1) is not None else 0

    with observed_calls(modules, note):
        run()
    return inputs, readable / max(1, every)


@dataclass(frozen=True)
class _Found:
    """Of every clip and unit (clip unit); `positive`, where known, is the mean of what the foreseen ReLU leaves."""

    maximum: Floats
    mean: Floats
    place: Places
    positive: Floats | None = None


@dataclass(frozen=True)
class _Last:
    """The layer that answered last, and its output, as long as it is what it was."""

    name: str
    output: weakref.ReferenceType[Tensor]
    version: int


@dataclass(frozen=True)
class _Later:
    """What is found of a layer once all have answered: it follows from what was found of its input."""

    before: str
    following: Callable[[_Found], _Found]


class QuickPeaks:
    """As `PassPeaks`, which says what follows from what; a ReLU's mean is taken when its input is read.

    Where nothing but a ReLU, and maybe a normalization before it, takes up what a convolution gives, as `blocks` say,
    what comes of it is written in its place as it is read, and these modules are `passed`.

    Sums are of a few thousand values of float32 each at most. Outputs that do not lie with their units beside each
    other are read as `peaks` does it.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        clips: int,
        compiled: Kernels,
        inputs: Mapping[str, str],
        blocks: Sequence[Block] = (),
    ) -> None:
        """`modules` by layer, in the order in which their units are to lie; `inputs` as `tried` finds them.

        The number of clips may change from pass to pass.
        """
        self.clips = clips
        self._compiled, self._inputs, self._blocks = compiled, inputs, blocks
        self._layers = tuple(modules)
        self._found: dict[str, _Found | _Later] = {}
        self._last: _Last | None = None
        self._lines = {name: line for name, module in modules.items() if (line := _line(module)) is not None}
        self._rectified: dict[str, str | None] = {}  # layers that a ReLU takes up, and the normalization between
        self._lanes: dict[tuple[str, int], tuple[Floats, Floats]] = {}
        for name, before in inputs.items():
            if type(modules[name]) is nn.ReLU:
                norm = before if before in self._lines and before in inputs else None
                self._rectified.setdefault(before if norm is None else inputs[norm], norm)
        whole = [
            one
            for one in blocks
            if one.relu in modules and self._rectified.get(one.convolution, "") == one.normalization
        ]
        self._rectifies = frozenset(block.convolution for block in whole)
        after = [name for block in whole for name in (block.normalization, block.relu) if name is not None]
        self.passed = tuple(modules[name] for name in after)
        self.written = self._rectifies | {block.normalization for block in whole}  # whose output is that of the ReLU

    def twin(self, modules: Mapping[str, nn.Module]) -> "QuickPeaks":
        """The same for passes of a copy of the network, which has `modules`."""
        mine = {name: modules[name] for name in self._layers}
        return QuickPeaks(mine, self.clips, self._compiled, self._inputs, self._blocks)

    def read(self, name: str, output: Tensor, *, module: nn.Module | None = None, given: Tensor | None = None) -> None:
        """Take in what a layer answers, unless it did before in this pass; `given` is the input of its module."""
        if name not in self._layers:
            return
        if name in self._found:
            self._write(name, output)
            return
        last = self._last
        found: _Found | _Later | None = None
        if last is not None and given is not None and last.output() is given and last.version == given._version:
            found = self._later(name, module, last.name, given, output)
        if found is None:
            values = _values(output, self.clips)
            if values is None:
                found = _from(peaks(output, self.clips))
                self._write(name, output)
            else:
                found = self._each(name, values)
        self._found[name] = found
        if not output.is_inference():
            self._last = _Last(name, weakref.ref(output), output._version)

    def missing(self) -> set[str]:
        """The layers that have not answered in this pass."""
        return set(self._layers) - self._found.keys()

    def together(self) -> Peaks:
        """Of every (clip, unit) the peaks of this pass, the units of all layers in a row; the next pass may begin."""
        every = [self._of(name) for name in self._layers if name in self._found]
        self._found = {}
        self._last = None
        return Peaks(
            _in_a_row([found.maximum for found in every], self.clips, np.float32),
            _in_a_row([found.mean for found in every], self.clips, np.float32),
            _in_a_row([found.place for found in every], self.clips, np.int32),
        )

    def _of(self, name: str) -> _Found:
        found = self._found[name]
        if isinstance(found, _Later):
            found = self._found[name] = found.following(self._of(found.before))
        return found

    def _later(self, name: str, module: nn.Module | None, before: str, given: Tensor, output: Tensor) -> _Later | None:
        """How a layer follows from the one before it, whose output it was given; None where it is to be read."""
        if name in self._lines and given.shape == output.shape:
            scale, shift = self._lines[name]
            return _Later(before, partial(_normed, scale=scale, shift=shift))
        if type(module) is nn.ReLU:
            return _Later(before, _rectified) if self._foreseen(before) else None
        if type(module) is nn.MaxPool2d and (side := tiled_side(module, given)):
            values = _values(output, self.clips)
            if values is not None:
                mean = np.empty((self.clips, values.shape[2]), np.float32)
                self._compiled.means(*_in_lanes(values), mean)
                return _Later(before, partial(_pooled, mean=mean, side=side, size=given.shape[-2:]))
        return None

    def _foreseen(self, before: str) -> bool:
        """Whether it is known what a ReLU leaves of a layer in the mean."""
        found = self._found[before]
        if isinstance(found, _Later):
            if found.following is _rectified:
                return True
            norm, before = before, found.before
            found = self._found[before]
            known = isinstance(found, _Found) and found.positive is not None
            return known and self._rectified.get(before) == norm
        return found.positive is not None and self._rectified.get(before, before) is None

    def _write(self, name: str, output: Tensor) -> None:
        """What normalization and ReLU make of an answer that is not read by the loops."""
        if name in self._rectifies:
            norm = self._rectified[name]
            if norm is not None:
                scale, shift = (torch.from_numpy(one).view(-1, *[1] * (output.dim() - 2)) for one in self._lines[norm])
                output.mul_(scale).add_(shift)
            output.relu_()

    def _each(self, name: str, values: Floats) -> _Found:
        lanes, side = _in_lanes(values)
        units = values.shape[2]
        if (name, side) not in self._lanes:
            norm = self._rectified.get(name)
            one = (np.ones(units, np.float32), np.zeros(units, np.float32)) if norm is None else self._lines[norm]
            self._lanes[name, side] = (np.tile(one[0], side), np.tile(one[1], side))
        found = np.empty((3, self.clips, units), np.float32)
        place = np.empty((self.clips, units), np.int32)
        line, rectify = self._lanes[name, side], name in self._rectifies
        maximum, mean, positive = found

        def part(start: int, stop: int) -> None:
            some = slice(start, stop)
            kept = (maximum[some], place[some], mean[some], positive[some])
            self._compiled.peaks(lanes[some], side, *line, rectify, *kept)

        shared(part, self.clips, values.size)
        return _Found(found[0], found[1], place, found[2])


def _line(module: nn.Module) -> tuple[Floats, Floats] | None:
    """Scale and shift of a batch normalization none of whose units fall with their input."""
    if not known_norm(module):
        return None
    line = norm_line(module)
    return (line.scale.numpy(), line.shift.numpy()) if line.turned is None else None


def _normed(before: _Found, *, scale: Floats, shift: Floats) -> _Found:
    return _Found(before.maximum * scale + shift, before.mean * scale + shift, before.place, before.positive)


def _rectified(before: _Found) -> _Found:
    off = before.maximum <= 0  # where nothing is above 0 all are 0, and the first counts
    place = np.where(off, np.int32(0), before.place)
    assert before.positive is not None
    return _Found(np.maximum(before.maximum, 0), before.positive, place, before.positive)


def _pooled(before: _Found, *, mean: Floats, side: int, size: Sequence[int]) -> _Found:
    """The peaks of a max pooling whose windows tile its input of `size` (height, width)."""
    height, width = size
    line, x = np.divmod(before.place, width)
    time, y = np.divmod(line, height)
    place = (time * (height // side) + y // side) * (width // side) + x // side
    return _Found(before.maximum, mean, place.astype(np.int32))


def _values(output: Tensor, clips: int) -> Floats | None:
    """(clip place unit) where they lie so in memory, in float32; else None."""
    if output.dtype != torch.float32:
        return None
    laid = volume(output.detach(), clips).permute(0, 2, 3, 4, 1)
    if not laid.is_contiguous() or laid.numel() == 0:
        return None
    values: NDArray[np.float32] = laid.flatten(1, 3).numpy()
    return values


def _in_lanes(values: Floats) -> tuple[Floats, int]:
    """The values with some places read as one, and how many."""
    clips, places, units = values.shape
    side = 1
    while 2 * side * units <= _LANES and places % (2 * side) == 0:
        side *= 2
    return values.reshape(clips, places // side, side * units), side


def _from(found: Peaks) -> _Found:
    return _Found(found.maximum.numpy(), found.mean.numpy(), found.place.numpy())


def _in_a_row(parts: Sequence[NDArray[np.generic]], clips: int, dtype: type[np.generic]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts, axis=1) if parts else np.empty((clips, 0), dtype))
