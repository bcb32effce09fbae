"""How the network computes: its layout in memory, and its floating-point type, chosen by a measurement."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from marey.accelerate.blocks import blocks_of
from marey.accelerate.quick_layers import quick_copy, quick_layers_run
from marey.network.hooks import arithmetic_copy, called, channels_last, frozen
from marey.network.network import Network
from marey.network.region import Region

Step = Callable[[nn.Module], object]
Found = TypeVar("Found")

_ROUNDING = 1e-3
"""How far values may be from others, in parts of them: both in fp32, of sums in other orders."""

_RUNS: WeakKeyDictionary[Network, bool] = WeakKeyDictionary()
"""Networks that were tried channels last, as far as they go, and whether they ran."""


@contextmanager
def quick_passes(network: Network) -> Iterator[None]:
    """While inside, the network is `frozen`, and on a processor its convolutions compute channels last.

    Passes then take 0.6 to 0.85 of the time, where convolutions are also in time 0.75 to 1.2 (docs/speed.md); values
    differ by rounding. Left as it is: a network whose code needs its maps in the usual order, as `view` does, found out
    in one pass the first time; and one on an accelerator.
    """
    with frozen(network.module), channels_last(network.module) if _runs_so(network) else nullcontext():
        yield


def _runs_so(network: Network) -> bool:
    if network.device.type != "cpu":
        return False
    if network not in _RUNS:
        try:
            with torch.no_grad(), channels_last(network.module):
                network.run(network.rest())
            _RUNS[network] = True
        except RuntimeError:
            _RUNS[network] = False
    return _RUNS[network]


def copy_for(step: Step, module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `module` in `dtype` that holds the weights that `step` uses; all of them where that cannot be told.

    It cannot where the code around a module uses its weights without calling it.
    """
    parts = called(lambda: step(module), module)
    twin = arithmetic_copy(module, dtype, parts=parts)
    try:
        step(twin)
    except (RuntimeError, TypeError):
        return arithmetic_copy(module, dtype)
    return twin


def quickened(region: Region) -> Callable[[nn.Module], nn.Module]:
    """What makes a copy of the region's network, or of its copy in another type, that runs quick layers.

    It gives back what it is given on an accelerator, without the operators, and where quick layers do not do the same:
    activations and gradients for noise are compared once, with chains of blocks and then with blocks alone.
    """
    module = region.network.module
    if region.network.device.type != "cpu" or not quick_layers_run() or not region.layers:
        return lambda given: given
    plain: list[Tensor] = []
    blocks = _or_none(lambda: blocks_of(lambda: plain.extend(region.probed(module)), module, kept=region.layers))
    if blocks is None:
        return lambda given: given
    for chained in (True, False):
        make = partial(quick_copy, blocks=blocks, weights=module, chained=chained)
        twin = _or_none(partial(_twin, make, plain, region))
        if twin is not None:
            return partial(_quick, make=make, twin=twin, region=region)
    return lambda given: given


def _quick(given: nn.Module, *, make: Callable[[nn.Module], nn.Module], twin: nn.Module, region: Region) -> nn.Module:
    """The quick copy of the region's network, or of its copy in another type, which runs as it is where that fails."""
    if given is region.network.module:
        return twin
    copy = make(given)
    try:
        region.probed(copy)
    except RuntimeError:  # not every processor has these operators in other types
        return given
    return copy


def _twin(make: Callable[[nn.Module], nn.Module], plain: Sequence[Tensor], region: Region) -> nn.Module | None:
    """The copy that is made of the region's network; None where it makes of noise what the network itself does not."""
    twin = make(region.network.module)
    same = all(alike(one, other) for one, other in zip(plain, region.probed(twin), strict=True))
    return twin if same else None


def _or_none(run: Callable[[], Found]) -> Found | None:
    """What `run` gives; None where it fails."""
    try:
        return run()
    except Exception:  # noqa: BLE001 -- whatever the code around modules makes of other shapes, it runs as it is
        return None


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors with something in them differ by rounding."""
    one, other = one.float(), other.float()
    size = float(one.norm())
    return math.isfinite(size) and size > 0 and float((one - other).norm()) < _ROUNDING * size


def faster(step: Step, one: nn.Module, other: nn.Module, *, repeats: int = 2) -> nn.Module:
    """The one of two modules that runs `step` faster here; the first where they are about the same.

    Both run alternately, the quickest of `repeats` counts; an other one that cannot run the step loses.
    """
    best = [math.inf, math.inf]
    try:
        step(other)
        for _ in range(repeats):
            for place, module in enumerate((one, other)):
                start = time.perf_counter()
                step(module)
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                best[place] = min(best[place], time.perf_counter() - start)
    except (RuntimeError, TypeError):
        return one
    return other if best[1] < 0.95 * best[0] else one
