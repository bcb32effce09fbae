"""The one door to speed: the layers of a crop, computed in the arithmetic that is fastest here."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from marey.accelerate.memory import clips_that_fit
from marey.errors import NetworkError, first_line, out_of_memory
from marey.network.crop import Crop
from marey.network.hooks import arithmetic_copy, called

Precision = Literal["auto", "fp32", "bf16"]
Step = Callable[[nn.Module], object]

_TIMED = 4
"""Clips of a step that is timed, at most."""


@dataclass(frozen=True)
class Forward:
    """The layers of a crop as functions of what the network is shown; enter `applied` first.

    module
        what computes them: the network's own, or a copy in another floating-point type.
    precision
        "fp32", or "bf16" for convolutions and products; inputs and outputs stay fp32.
    most
        clips in one pass for which there is memory; None: any number.
    """

    crop: Crop
    module: nn.Module
    precision: str
    most: int | None = None

    def __call__(self, windows: dict[str, Tensor]) -> dict[str, Tensor]:
        """The outputs (clip channel time height width) of the crop's layers for physical windows by stream."""
        return self.crop.activations(windows, module=self.module)

    def applied(self) -> AbstractContextManager[None]:
        """While inside, the module computes on the crop."""
        return self.crop.applied(self.module)

    def on(self, crop: Crop) -> "Forward":
        """The same for another crop of the same form."""
        return replace(self, crop=crop)

    def with_most(self, clips: int) -> "Forward":
        """The same with at most so many clips in one pass."""
        return replace(self, most=clips)

    def describe(self) -> dict[str, Any]:
        """What makes values differ by rounding: precision, clips in one pass, device and the version of torch."""
        device = self.crop.network.device
        passes = {} if self.most is None else {"clips_per_pass": self.most}
        return {"precision": self.precision, **passes, "device": device.type, "torch": str(torch.__version__)}


def passes(crop: Crop, *, precision: Precision = "auto", clips: int) -> Forward:
    """As `forward`, with as many of `clips` in a pass as fit the free memory; NotEnoughMemoryError where none does."""
    module = crop.network.module
    most = clips_that_fit(lambda count: _step(crop, module, count), clips, device=crop.network.device)
    return replace(forward(crop, precision=precision, clips=most), most=most)


def _step(crop: Crop, module: nn.Module, count: int) -> None:
    """One pass over clips that show nothing, forward and backward to the input."""
    device = crop.network.device
    windows = {
        stream.name: torch.full((count, *stream.shape), stream.rest, device=device, requires_grad=True)
        for stream in crop.streams
    }
    with crop.applied(module):
        total = sum(volume.float().sum() for volume in crop.activations(windows, module=module).values())
    if isinstance(total, Tensor) and total.requires_grad:
        torch.autograd.backward(total, inputs=list(windows.values()))


def forward(crop: Crop, *, precision: Precision = "auto", clips: int = 1) -> Forward:
    """The way to compute `crop` for batches of so many clips.

    "auto" times one step, forward and backward to the input, in both types and takes the faster one; a processor that
    has no bf16 arithmetic is not asked. "bf16" raises NetworkError where the network cannot compute in it.
    """
    module = crop.network.module
    full = Forward(crop, module, "fp32")
    if precision == "fp32" or (precision == "auto" and not _computes_bf16(crop.network.device)):
        return full

    def step(module: nn.Module, count: int = min(clips, _TIMED)) -> None:
        _step(crop, module, count)

    try:
        half = copy_for(lambda part: step(part, 1), module, torch.bfloat16)  # one clip shows what all of them use
    except (RuntimeError, TypeError) as error:
        if precision == "auto":
            return full
        if out_of_memory(error):
            raise
        reason = first_line(error).rstrip(".")
        raise NetworkError(
            f"{crop.network.name} does not compute in bf16: {reason}. Give precision='fp32' or 'auto'."
        ) from error
    return Forward(crop, half, "bf16") if precision == "bf16" or faster(step, module, half) is half else full


def _computes_bf16(device: torch.device) -> bool:
    """Whether a device may gain by bf16; where torch cannot tell, as it seems."""
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return device.type != "cpu" or known is None or bool(known())


def copy_for(step: Step, module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `module` in `dtype` that holds the weights that `step` uses; all of them where that cannot be told.

    It cannot be told where the code around a module uses its weights without calling it. What `step` raises of the
    whole copy, too, is passed on.
    """
    parts = called(lambda: step(module), module)
    twin = arithmetic_copy(module, dtype, parts=parts)
    try:
        step(twin)
    except (RuntimeError, TypeError):
        twin = arithmetic_copy(module, dtype)
        step(twin)
    return twin


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
