"""Where the results of an operation have their place, from the places of its arguments; NaN is none."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from marey.network.footprints.layers import LAYERS

NEAR = 1e-4
"""Places that differ by less are the same."""


@dataclass(frozen=True)
class Step:
    """One operation.

    name, arguments
        the latter by name, in order.
    known
        the places of those arguments that have some.
    shape
        of its first output.
    of
        gives the places of a tensor, all NaN where they are not known.
    """

    name: str
    arguments: Mapping[str, Any]
    known: Sequence[Tensor]
    shape: tuple[int, ...]
    of: Callable[[Tensor], Tensor]

    @property
    def subject(self) -> Tensor:
        """The places of the first argument."""
        return self.of(next(iter(self.arguments.values())))

    def each(self, name: str, count: int, default: Any) -> list[int]:
        """A number for each of `count` axes."""
        given = self.arguments.get(name)
        given = default if given is None or given == [] else given
        values = [given] if isinstance(given, int) else list(given)
        return values * count if len(values) == 1 else values


Rule = Callable[[Step], Tensor]


def varied(places: Tensor) -> bool:
    """Whether there are different places."""
    least, most = places.nan_to_num(torch.inf).amin(), places.nan_to_num(-torch.inf).amax()
    return float(most - least) > NEAR


def _unless_all_mixed(before: Tensor, after: Tensor) -> Tensor:
    """`after`, but no place where a single one is left of several, as a mean over all of the clip has none."""
    return torch.full_like(after, torch.nan) if varied(before) and not varied(after) else after


def averaged(places: Tensor, dims: Iterable[int]) -> Tensor:
    """The mean place along `dims`, which are kept; none where a single one is left of several."""
    return _unless_all_mixed(places, places.nanmean(tuple(dims), keepdim=True))


def _agreed(places: Tensor) -> Tensor:
    """The place of each matrix in which there is only one."""
    mean = places.nanmean((-2, -1), keepdim=True)
    return torch.where(((places - mean).abs() > NEAR).any(-1, keepdim=True).any(-2, keepdim=True), torch.nan, mean)


def joined(step: Step) -> Tensor:
    """The mean of all arguments that have a place: sums, and whatever else goes value by value."""
    fitting = [places.expand(step.shape) for places in step.known if _fits(places.shape, step.shape)]
    if not fitting:
        return torch.full((), torch.nan).expand(step.shape)
    return fitting[0] if len(fitting) == 1 else torch.stack(fitting).nanmean(0)


def _fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether a tensor can be broadcast."""
    ends = zip(reversed(shape), reversed(wanted), strict=False)
    return len(shape) <= len(wanted) and all(size in (1, other) for size, other in ends)


def _weighed(places: Tensor, average: Callable[[Tensor], Tensor]) -> Tensor:
    """A mean over windows, of the places that there are in each."""
    sums, counts = average(places.nan_to_num()), average((~places.isnan()).to(places.dtype))
    return _unless_all_mixed(places, torch.where(counts > NEAR, sums / counts, torch.nan))


def _extended(places: Tensor, padding: Sequence[int]) -> Tensor:
    """Places with borders that go on in the same steps, so that a window at the border has its place in its middle."""
    for dim, width in enumerate(padding, start=places.dim() - len(padding)):
        if width:
            reach = torch.arange(1, width + 1, device=places.device).view(-1, *(1,) * (places.dim() - dim - 1))
            ends = [places.narrow(dim, 0, 1), places.narrow(dim, -1, 1)]
            if places.shape[dim] > 1:
                steps = [places.narrow(dim, 1, 1) - ends[0], ends[1] - places.narrow(dim, -2, 1)]
                ends = [ends[0] - steps[0] * reach.flip(0), ends[1] + steps[1] * reach]
            else:
                ends = [end.expand_as(end + reach) for end in ends]
            places = torch.cat([ends[0], places, ends[1]], dim)
    return places


def _convolution(step: Step) -> Tensor:
    given, weight = averaged(step.of(step.arguments["input"]), [1]), step.arguments["weight"]
    dims = weight.dim() - 2
    stride, padding, dilation = (step.each(name, dims, 1) for name in ("stride", "padding", "dilation"))
    transposed = bool(step.arguments["transposed"])
    given = given if transposed else _extended(given, padding)
    ones = torch.ones((1, 1, *weight.shape[2:]), device=given.device)
    rest = (padding if transposed else [0] * dims, dilation, transposed, step.arguments["output_padding"], 1)
    return _weighed(given, lambda x: torch.ops.aten.convolution(x, ones, None, stride, *rest))


def _pool(step: Step) -> Tensor:
    dims = int(step.name.partition("pool")[2][0])
    kernel = step.each("kernel_size", dims, 1)
    stride, padding = step.each("stride", dims, kernel), step.each("padding", dims, 0)
    pool: Any = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[dims - 1]
    ceil = bool(step.arguments.get("ceil_mode"))
    return _weighed(_extended(step.subject, padding), lambda x: pool(x, kernel, stride, ceil_mode=ceil))


def _resized(step: Step) -> Tensor:
    """Adaptive pools and upsampling."""
    if "pool" not in step.name:
        return _weighed(step.subject, lambda x: functional.interpolate(x, step.shape[2:]))
    dims = int(step.name.partition("pool")[2][0])
    pools: Any = (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d)
    return _weighed(step.subject, lambda x: pools[dims - 1](x, step.shape[-dims:]))


def _reduction(step: Step) -> Tensor:
    given, dims = step.subject, step.arguments.get("dim")
    if given.shape == step.shape:
        return joined(step)  # the larger one of two tensors
    if dims is None or dims == []:
        dims = range(given.dim())
    return averaged(given, [dims] if isinstance(dims, int) else dims).reshape(step.shape)


def _product(step: Step) -> Tensor:
    """Matrices: what is asked, as a query is, stays in the place of the row that asks."""
    left, right = [value for value in step.arguments.values() if isinstance(value, Tensor)][-2:]
    rows, columns = step.of(left), step.of(right)
    if rows.isnan().all():
        return averaged(columns, [-2])
    return _filled(averaged(rows, [-1]), columns)


def _attention(step: Step) -> Tensor:
    query, key = step.of(step.arguments["query"]), step.of(step.arguments["key"])
    return _filled(averaged(query, [-1]), key)


def _filled(rows: Tensor, asked: Tensor) -> Tensor:
    """Rows without a place get that of all that they ask, where it is one, as a frame's class token does in time."""
    return torch.where(rows.isnan(), _agreed(asked), rows)


def _linear(step: Step) -> Tensor:
    return averaged(step.of(step.arguments["input"]), [-1])


RULES: Mapping[str, Rule] = {
    name: rule
    for rule, kinds in (
        (_convolution, ("convolution",)),
        (_pool, ("avg_pool2d",)),
        (_resized, ("adaptive_avg_pool2d", "upsample_nearest2d")),
        (_reduction, ("mean",)),
        (_product, ("bmm",)),
        (_attention, ("scaled_dot_product_attention",)),
        (_linear, ("linear",)),
    )
    for name in LAYERS
    if LAYERS[name] in [LAYERS[kind] for kind in kinds]
}
"""Rule by name of the operation, for the same operations as those of footprints; all others are `joined`."""
