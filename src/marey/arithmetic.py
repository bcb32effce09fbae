"""How the network computes: its layout in memory, and its floating-point type, chosen by a measurement."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from weakref import WeakKeyDictionary

import torch
from torch import nn

from marey.network import Network
from marey.taps import arithmetic_copy, called, channels_last, frozen

Step = Callable[[nn.Module], None]

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


def faster_module(module: nn.Module, step: Step, *, repeats: int = 2) -> tuple[nn.Module, str]:
    """`module` ("fp32") or its bf16 channels-last copy ("bf16"), whichever runs `step` faster here.

    Both run alternately, the quickest of `repeats` counts; a copy that cannot be made, or cannot run the step, loses.
    """
    try:
        twin = copy_for(step, module, torch.bfloat16)
        step(twin)
    except (RuntimeError, TypeError):
        return module, "fp32"
    best = {"fp32": float("inf"), "bf16": float("inf")}
    for _ in range(repeats):
        for name, candidate in (("fp32", module), ("bf16", twin)):
            start = time.perf_counter()
            step(candidate)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            best[name] = min(best[name], time.perf_counter() - start)
    return (twin, "bf16") if best["bf16"] < 0.95 * best["fp32"] else (module, "fp32")
