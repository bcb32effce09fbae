"""How rearrangements (views, slices, padding, concatenation) change footprints."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from marey.network.footprints.call import Call, Result, Rule
from marey.network.footprints.footprint import Footprint, blank, broadcast, permuted, project, regroup
from marey.network.footprints.places import concatenated, gathered, stretched, window


def _reshape(call: Call) -> Result:
    return regroup(call.subject, call.shape, cause=call.name)


def _transpose(call: Call) -> Result:
    order = list(range(len(call.shape)))
    if len(order) > 1:
        first, second = (call["dim0"], call["dim1"]) if "dim0" in call.arguments else (0, 1)
        order[first], order[second] = order[second], order[first]
    return permuted(call.subject, order)


def _permute(call: Call) -> Result:
    return permuted(call.subject, [dim % len(call.shape) for dim in call["dims"]])


def _unsqueeze(call: Call) -> Result:
    dims = list(call.subject.dims)
    dims.insert(call["dim"] % len(call.shape), ())
    return replace(call.subject, dims=tuple(dims))


def _squeeze(call: Call) -> Result:
    seen = call.subject
    dims = call.get("dim")
    count = len(seen.dims)
    chosen = range(count) if dims is None else [d % count for d in ([dims] if isinstance(dims, int) else dims)]
    return permuted(seen, [d for d in range(count) if d not in chosen or seen.shape[d] != 1])


def _expand(call: Call) -> Result:
    return broadcast(call.subject, call.shape)


def _repeat(call: Call) -> Result:
    missing = len(call["repeats"]) - len(call.subject.dims)
    seen = broadcast(call.subject, (1,) * missing + call.subject.shape)
    extra = [blank((count,)).dims[0] for count in call["repeats"]]
    return replace(seen, dims=tuple(outer + own for outer, own in zip(extra, seen.dims, strict=True)))


def _slice(call: Call) -> Result:
    dim = call["dim"] % len(call.shape)
    size = call.subject.shape[dim]
    start, stop, step = slice(call["start"], call["end"], call["step"]).indices(size)
    return gathered(call.subject, dim, np.arange(start, stop, step), cause=call.name)


def _picked(seen: Footprint, dim: int, index: int, cause: str) -> Footprint:
    dim %= len(seen.dims)
    one = gathered(seen, dim, np.array([index % seen.shape[dim]]), cause=cause)
    return permuted(one, [d for d in range(len(seen.dims)) if d != dim])


def _select(call: Call) -> Result:
    return _picked(call.subject, call["dim"], call["index"], call.name)


def _split_sizes(call: Call) -> Result:
    dim = call["dim"] % len(call.shape)
    parts, start = [], 0
    for output in call.outputs:
        stop = start + output.shape[dim]
        parts.append(gathered(call.subject, dim, np.arange(start, stop), cause=call.name))
        start = stop
    return parts


def _unbind(call: Call) -> Result:
    return [_picked(call.subject, call["dim"], index, call.name) for index in range(len(call.outputs))]


def _index(call: Call) -> Result:
    given = [(dim, index) for dim, index in enumerate(call["indices"]) if index is not None]
    if len(given) != 1 or call.tracked("indices") or given[0][1].dtype == torch.bool:
        return None
    dim, index = given[0]
    return _taken(call, dim, index)


def _index_select(call: Call) -> Result:
    return None if call.tracked("index") else _taken(call, call["dim"], call["index"])


def _taken(call: Call, dim: int, index: Tensor) -> Footprint:
    dim %= len(call.subject.dims)
    places = index.detach().reshape(-1).cpu().numpy().astype(np.int64) % call.subject.shape[dim]
    return regroup(gathered(call.subject, dim, places, cause=call.name), call.shape, cause=call.name)


def _flip(call: Call) -> Result:
    seen = call.subject
    for dim in call["dims"]:
        dim %= len(seen.dims)
        seen = gathered(seen, dim, np.arange(seen.shape[dim])[::-1].copy(), cause=call.name)
    return seen


def _roll(call: Call) -> Result:
    seen = call.subject
    if not call["dims"]:
        return None
    for dim in call["dims"]:
        if any(factor.steps for factor in seen.dims[dim]):
            seen = project(seen, [dim], cause=call.name)
    return seen


def _zero_pad(call: Call) -> Result:
    seen = call.subject
    pad = call["pad"]
    for k in range(len(pad) // 2):
        dim = len(seen.dims) - 1 - k
        seen = window(seen, dim, offset=-pad[2 * k], stride=1, reach=0, size=call.shape[dim], cause=call.name)
    return seen


def _mirror_pad(call: Call) -> Result:
    seen = call.subject
    pad = call["padding"]
    for k in range(len(pad) // 2):
        dim = len(seen.dims) - 1 - k
        last = seen.shape[dim] - 1
        index = np.arange(call.shape[dim]) - pad[2 * k]
        mirrored = last - np.abs(last - np.abs(index))
        index = mirrored if call.name.startswith("reflection") else index.clip(0, last)
        seen = stretched(seen, dim, index, index, cause=call.name)
    return seen


def _stack(call: Call) -> Result:
    dim = call["dim"] % len(call.shape)
    parts = [call.of(tensor) for tensor in call["tensors"]]
    parts = [replace(part, dims=(*part.dims[:dim], (), *part.dims[dim:])) for part in parts]
    return concatenated(parts, dim, cause=call.name)


def _cat(call: Call) -> Result:
    parts = [call.of(tensor) for tensor in call["tensors"] if 0 not in tensor.shape]
    return concatenated(parts, call["dim"] % len(call.shape), cause=call.name)


def _unfold(call: Call) -> Result:
    """Overlapping windows along one dimension, their places in a new last one."""
    dim, stride = call["dimension"] % len(call.subject.dims), call["step"]
    index = (np.arange(call.shape[dim])[:, None] * stride + np.arange(call["size"])).reshape(-1)
    seen = gathered(call.subject, dim, index, cause=call.name)
    apart = regroup(seen, (*seen.shape[:dim], call.shape[dim], call["size"], *seen.shape[dim + 1 :]))
    return permuted(apart, [d for d in range(len(call.shape)) if d != dim + 1] + [dim + 1])


def _shuffled_pixels(call: Call) -> Result:
    """Blocks of pixels from channels, or channels from blocks of pixels."""
    seen = call.subject
    *lead, channels, height, width = seen.shape
    n = len(lead)
    if call.name == "pixel_shuffle":
        r = call["upscale_factor"]
        seen = regroup(seen, (*lead, channels // (r * r), r, r, height, width))
        seen = permuted(seen, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    else:
        r = call["downscale_factor"]
        seen = regroup(seen, (*lead, channels, height // r, r, width // r, r))
        seen = permuted(seen, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return regroup(seen, call.shape, cause=call.name)


LAYOUTS: Mapping[str, Rule] = {
    name: rule
    for rule, names in (
        (_reshape, "view _unsafe_view reshape _reshape_alias flatten unflatten _reshape_copy view_copy"),
        (_transpose, "transpose t"),
        (_permute, "permute"),
        (_unsqueeze, "unsqueeze"),
        (_squeeze, "squeeze"),
        (_expand, "expand"),
        (_repeat, "repeat"),
        (_slice, "slice"),
        (_select, "select"),
        (_split_sizes, "split split_with_sizes"),
        (_unbind, "unbind"),
        (_index, "index _unsafe_index"),
        (_index_select, "index_select"),
        (_flip, "flip"),
        (_roll, "roll"),
        (_zero_pad, "constant_pad_nd"),
        (
            _mirror_pad,
            "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d",
        ),
        (_stack, "stack"),
        (_cat, "cat"),
        (_unfold, "unfold"),
        (_shuffled_pixels, "pixel_shuffle pixel_unshuffle"),
    )
    for name in names.split()
}
"""Rule by name of the operation."""
