"""The arithmetic of a training: which one a device is made for, and whether a network's layers are right in it."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Arithmetic = Literal["float32", "bfloat16"]

_LAYERS = (functional.conv2d, functional.conv3d, functional.linear)
_TOLERANCE = 0.05
"""Of a layer's output and gradients in bfloat16, relative; rounding gives up to 0.011."""


def arithmetic_of(device: torch.device) -> Arithmetic:
    """bfloat16 where the device has instructions for it, by what it says of itself: the same on every day."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    told: dict[str, Any] = (
        getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    )  # torch 2.8 tells nothing
    return "bfloat16" if any("bf16" in name and has is True for name, has in told.items()) else "float32"


def wrong_in_bfloat16(module: nn.Module, loss: Callable[[nn.Module], Tensor]) -> str | None:
    """What is wrong with the first layer of `module` that bfloat16 does not suit on this device; None if all are right.

    Every convolution and linear layer computes its output and its gradients twice in bfloat16, for the input and the
    output's gradient that it has in one pass of `loss` in fp32. Gradients of the network as a whole say nothing: in
    fp32, too, a change of 0.4 % of the input, which is how bfloat16 rounds, moves those of the first layers by half,
    as other units fire and other places are the largest. The module is left as it was.
    """
    twin = copy.deepcopy(module)
    names = {id(weight): name.removesuffix(".weight") for name, weight in twin.named_parameters()}
    with _Calls() as calls:
        total = loss(twin)
    torch.autograd.backward(total)
    for function, (shown, weight, *others), output in calls.made:
        if output.grad is None:
            continue
        full, half, again = (
            _passed(function, [shown, weight], others, output.grad, half=half) for half in (False, True, True)
        )
        if not all(one.equal(other) for one, other in zip(half, again, strict=True)):
            return f"'{names[id(weight)]}' gives other values in each pass"
        off = max(_distance(one, other) for one, other in zip(full, half, strict=True))
        if not off <= _TOLERANCE:  # nor where it is not a number
            return f"'{names[id(weight)]}' is {100 * off:.0f} % off"
    return None


@contextmanager
def repeatable() -> Iterator[None]:
    """While inside, cuDNN takes the same algorithms in every run: none by a clock, none that add in any order."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


class _Calls(TorchFunctionMode):
    """While entered, notes every call of a layer that learns: function, arguments, output."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[Callable[..., Tensor], Sequence[Any], Tensor]] = []

    def __torch_function__(
        self, function: Any, _types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        if function in _LAYERS and output.requires_grad:
            output.retain_grad()
            self.made.append((function, args, output))
        return output


def _passed(
    function: Callable[..., Tensor], learned: Sequence[Tensor], others: Sequence[Any], gradient: Tensor, *, half: bool
) -> list[Tensor]:
    """The output of a layer, and the gradients of its input and its weight for a `gradient` of the output."""
    leaves = [values.detach().requires_grad_() for values in learned]
    with torch.autocast(gradient.device.type, torch.bfloat16, enabled=half):
        output = function(*leaves, *others)
    return [output.detach().float(), *torch.autograd.grad(output, leaves, gradient.to(output.dtype))]


def _distance(right: Tensor, found: Tensor) -> float:
    """How far `found` is from `right`, relative to it."""
    apart = float((found - right).norm())
    return apart / float(right.norm()) if apart else 0.0
