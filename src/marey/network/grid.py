"""Where the positions of a layer lie in the clip, and which patch of it each stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marey.network.axes import Axes, Grid
from marey.network.footprints.averages import NEAR
from marey.network.footprints.centers import Centers
from marey.network.hooks import observed
from marey.network.receptive_field import Field, ReceptiveField
from marey.network.stream import Stream
from marey.network.visit import Run, Visit

Patches = Mapping[str, ReceptiveField | None]
"""{layer: the patch that each position stands for; None where it is not known}."""


@dataclass(frozen=True)
class Placed:
    """The axes of all layers, with a grid where positions are tokens; and the patches where fields do not tell them."""

    axes: Mapping[str, Axes]
    patches: Patches


def placed(
    run: Run,
    clip: Mapping[str, Tensor],
    *,
    streams: Sequence[Stream],
    axes: Mapping[str, Axes],
    visits: Mapping[str, Sequence[Visit]],
    parts: Mapping[str, nn.Module],
) -> Placed:
    """Put tokens back on (time, height, width), and say of positions that see everything where in the clip they lie.

    Takes a pass of the one `clip` for each of these axes, if there is such a layer, see `Centers`.
    """
    unclear = [name for name in axes if not _told(axes[name], visits[name])]
    if not unclear:
        return Placed(axes, {})
    modules = {name: parts[name] for name in unclear}
    found = [_centers(run, clip, streams=streams, axes=axes, modules=modules, axis=axis) for axis in range(3)]
    laid: dict[str, Axes] = dict(axes)
    patches: dict[str, ReceptiveField | None] = {}
    for name in unclear:
        lines = _lines(np.stack([centers[name].flatten() for centers in found]))
        patches[name] = None if lines is None else _patch(lines.places, streams, visits[name])
        if lines is not None and not lines.grid.plain(found[0][name].shape):
            laid[name] = replace(axes[name], grid=_as_they_lie(lines.grid, axes[name]))
    return Placed(laid, patches)


def _as_they_lie(grid: Grid, axes: Axes) -> Grid:
    """The grid, units of several tokens in a place in the order in which they lie in memory."""
    places = prod(grid.sizes)
    beside = grid.heads > 1 and grid.order[places] == grid.order[0] + 1
    return replace(grid, units_first=beside and axes.units < max((axes.time or 0, *axes.places)))


def _told(axes: Axes, calls: Sequence[Visit]) -> bool:
    """Whether the fields of positions tell where these lie: each axis of positions follows its own one of the clip."""
    seen = axes.footprint([calls[number].footprint for number in axes.read if number < len(calls)])
    streams = {stream for stream, _ in seen.spans}
    for axis, factors in enumerate(seen.dims):
        moving = {pair for factor in factors if factor.size > 1 for pair, step in factor.steps.items() if step}
        if prod(factor.size for factor in factors) == 1:
            continue
        loose = any(factor.loose for factor in factors) or any(seen.spans[one, axis].loose for one in streams)
        if loose or moving != {(one, axis) for one in streams}:
            return False
    return True


def _centers(
    run: Run,
    clip: Mapping[str, Tensor],
    *,
    streams: Sequence[Stream],
    axes: Mapping[str, Axes],
    modules: Mapping[str, nn.Module],
    axis: int,
) -> dict[str, NDArray[np.float64]]:
    """{layer: where its positions (t y x) lie, from 0 to 1 along one axis of the clip (0 time, 1 height, 2 width)}."""
    views = {name: value.detach() for name, value in clip.items()}
    sources = []
    for stream in streams:
        ticks = torch.from_numpy(_ticks(stream, streams, axis)).float().to(views[stream.name].device)
        along = ticks.view(*(-1 if dim == axis + 2 else 1 for dim in range(5)))
        sources.append((views[stream.name], along.expand_as(views[stream.name]).contiguous()))
    centers = Centers(sources)
    calls: dict[str, list[Tensor]] = {name: [] for name in modules}

    def note(name: str, output: Tensor) -> None:
        kept = calls[name]
        usual = output.dim() == axes[name].dims and len(kept) in axes[name].read
        kept.append(centers.of(output).nanmean(axes[name].units, keepdim=True) if usual else output.new_empty(0))

    with torch.no_grad(), observed(modules, note), centers:
        run(views)
    volumes = {
        name: axes[name].volume([calls[name][number] for number in axes[name].read if number < len(calls[name])], 1)
        for name in modules
    }
    return {name: volume[0, 0].double().cpu().numpy() for name, volume in volumes.items()}


def _ticks(stream: Stream, streams: Sequence[Stream], axis: int) -> NDArray[np.float64]:
    """Where the frames, rows or columns of a stream lie, from 0 to 1 over all that the streams show."""
    if axis > 0:
        size = (stream.height, stream.width)[axis - 1]
        return (np.arange(size) + 0.5) / size
    times = [time for one in streams for time in one.times]
    return (np.array(stream.times) - min(times) + 0.5) / (max(times) - min(times) + 1)


@dataclass(frozen=True, eq=False)
class _Lines:
    """The places, from 0 to 1, of the rows of a grid along time, height and width; those of an only one may be NaN."""

    grid: Grid
    places: tuple[NDArray[np.float64], ...]


def _lines(places: NDArray[np.float64]) -> _Lines | None:
    """The grid on which positions with these `places` (axis, position) lie; None where they do not lie on one.

    Positions that have no place along an axis along which others have one are left out.
    """
    spread = [np.ptp(one[~np.isnan(one)]) if (~np.isnan(one)).any() else 0.0 for one in places]
    moving = [axis for axis in range(3) if spread[axis] > NEAR]
    kept = np.flatnonzero(~np.isnan(places[moving]).any(0))
    if not moving or not len(kept):
        return None
    lines, index = [], []
    for axis in range(3):
        along = np.sort(places[axis, kept])
        starts = np.flatnonzero(np.diff(along, prepend=-np.inf) > NEAR) if axis in moving else np.array([0])
        lines.append(along[starts])
        index.append(np.searchsorted(along[starts], places[axis, kept] + NEAR / 2) - 1 if axis in moving else 0 * kept)
    sizes = (len(lines[0]), len(lines[1]), len(lines[2]))
    at = np.ravel_multi_index(index, sizes)
    heads, rest = divmod(len(at), prod(sizes))
    if rest or (np.bincount(at, minlength=prod(sizes)) != heads).any():
        return None
    by_place = kept[np.argsort(at, kind="stable")].reshape(-1, heads)  # place head
    return _Lines(Grid(sizes, tuple(by_place.T.flatten().tolist()), places.shape[1]), tuple(lines))


def _patch(
    lines: Sequence[NDArray[np.float64]], streams: Sequence[Stream], calls: Sequence[Visit]
) -> ReceptiveField | None:
    """The cells that the rows of a grid stand for, of every stream that is seen; None where they are uneven."""
    seen = {stream for stream, _ in calls[0].footprint.spans}
    patches = {}
    for stream in streams:
        if stream.name not in seen:
            continue
        fields = []
        for axis, line in enumerate(lines):
            ticks = _ticks(stream, streams, axis)
            if len(line) == 1:
                fields.append(Field(0, 0, len(ticks)))
                continue
            middles = np.interp(line, ticks, np.arange(len(ticks)) + 0.5)
            stride = max(1, round(float(np.median(np.diff(middles)))))
            start = round(float(np.median(middles - stride * np.arange(len(line)))) - stride / 2)
            if np.abs(middles - stride * (np.arange(len(line)) + 0.5) - start).max() > stride:
                return None
            fields.append(Field(start, stride, stride))
        patches[stream.name] = (fields[0], fields[1], fields[2])
    return ReceptiveField(patches)
