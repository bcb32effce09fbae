"""In which floating-point type the network runs: chosen by a measurement, the inputs staying fp32."""

import time
from collections.abc import Callable

import torch
from torch import nn

from marey.taps import arithmetic_copy, called

Step = Callable[[nn.Module], None]


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
