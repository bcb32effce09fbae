"""One pass of a network with a single clip, of which every call of every module is kept: what it gives and sees."""

import itertools
import math
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from marey.errors import NetworkError, first_line, out_of_memory
from marey.network.footprints.footprint import Footprint
from marey.network.footprints.tracking import Tracking
from marey.network.hooks import visited
from marey.network.stream import Stream
from marey.network.units_axis import UnitsAxes, owner

_SAMPLED = 512
"""Values of an output that tell which frame of which clip lies where."""

Run = Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True)
class Visit:
    """One call of a module.

    shape, floating
        of the first tensor that it returned, and whether this holds floating-point numbers.
    units
        the axis of its units.
    frames
        axes that follow the frames: along them what is seen moves in time alone.
    footprint
        what it sees of the inputs.
    before
        the module that was entered just before this one.
    memory, strides
        equal numbers for outputs that hold the same values in the same memory, and how they lie there.
    sample
        its values at the places that `sampled` gives for its shape.
    """

    shape: tuple[int, ...]
    floating: bool
    units: int
    frames: frozenset[int]
    footprint: Footprint
    before: str | None
    memory: int
    strides: tuple[int, ...]
    sample: Tensor


def visited_calls(
    run: Run, inputs: Mapping[str, Tensor | None], modules: Mapping[str, nn.Module]
) -> dict[str, list[Visit]]:
    """All calls of `modules` in one pass, by the name of the module, in the order in which the first of each ended.

    `run` takes the physical `inputs` {stream: (clip channel time height width)} of one clip and runs the network, in
    the mode that it is in; None is an absent stream.
    """
    for name, value in inputs.items():
        if value is not None and value.dim() != 5:
            raise NetworkError(
                f"stream '{name}' has shape {tuple(value.shape)}; expected (clip, channel, time, height, width)."
            )
    # Detached, so that one tensor that is given twice is two streams.
    views = {name: None if value is None else value.detach() for name, value in inputs.items()}
    tracking = Tracking({name: view for name, view in views.items() if view is not None})
    found: dict[str, list[Visit]] = {}
    units = UnitsAxes()
    memories: MutableMapping[Tensor, dict[tuple[int, ...], int]] = WeakTensorKeyDictionary()
    count = itertools.count()
    followed: dict[tuple[int, ...], frozenset[int]] = {}

    def note(name: str, before: str | None, given: Tensor | None, output: Tensor) -> None:
        if output.dim() == 0 or output.is_nested or output.is_sparse or output.is_mkldnn:
            return
        footprint = tracking.of(output)
        moves = [_moves(footprint, axis) for axis in range(output.dim())]
        still = [axis for axis, along in enumerate(moves) if output.shape[axis] > 1 and not along]
        axis = units.of(modules[name], given, output, still)
        positions = (*output.shape[:axis], -1, *output.shape[axis + 1 :])
        frames = {k for k, along in enumerate(moves) if along == {0}}
        if given is not None and given.dim() == output.dim():
            seen = tracking.of(given)
            frames |= {k for k in still if given.shape[k] == output.shape[k] and _moves(seen, k) == {0}}
        if not any(moves) and not frames:  # all positions see the same, as after attention
            frames |= followed.get(positions, frozenset())
        followed[positions] = frozenset(frames - {axis})
        version = 0 if output.is_inference() else output._version
        known = memories.setdefault(owner(output), {})
        memory = known.setdefault((version, output.data_ptr(), output.numel()), next(count))
        visit = Visit(
            shape=tuple(output.shape),
            floating=output.is_floating_point(),
            units=axis,
            frames=followed[positions],
            footprint=footprint,
            before=before,
            memory=memory,
            strides=output.stride(),
            sample=output[sampled(output.shape, output.device)].float().nan_to_num(),
        )
        found.setdefault(name, []).append(visit)

    with torch.no_grad(), visited(modules, note), tracking:
        run(views)
    return found


def sampled(shape: Sequence[int], device: torch.device) -> tuple[Tensor, ...]:
    """The index of some places of a tensor, spread over all of it."""
    count = math.prod(shape)
    left = torch.linspace(0, count - 1, min(count, _SAMPLED), dtype=torch.float64).long()
    index = []
    for size in reversed(shape):
        index.append(left % size)
        left = left // size
    return tuple(one.to(device) for one in reversed(index))


def _moves(footprint: Footprint, dim: int) -> set[int]:
    """The axes (0 time, 1 height, 2 width) of the streams along which what is seen moves with the indices of `dim`."""
    factors = footprint.dims[dim]
    return {axis for factor in factors if factor.size > 1 for (_, axis), step in factor.steps.items() if step} | {
        axis for factor in factors for _, axis in factor.loose
    }


def does_not_run(error: Exception, name: str, streams: Sequence[Stream], call: str) -> NetworkError:
    """What must be said of a network that fails on a single clip."""
    shapes = ", ".join(f"{stream.name} {stream.shape}" for stream in streams)
    if out_of_memory(error):
        return NetworkError(f"memory ran out when {name} ran on a single clip of {shapes}; use smaller input.")
    reason = first_line(error).rstrip(".")
    return NetworkError(
        f"{name} does not run on a clip of {shapes}, passed on as {call}: {reason}. "
        "Give it the streams, sizes and layouts that it was made for."
    )
