"""The only place that hooks or alters a module, always inside a `with` that leaves the network as it was found."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from marey.errors import NetworkError

_PADDED = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
)


class _Reached(Exception):
    """Every layer asked for has answered; nothing deeper needs to run."""


def _first_tensor(output: Any, layer: str) -> Tensor:
    if isinstance(output, Tensor):
        return output
    parts = list(output.values()) if isinstance(output, Mapping) else output
    if isinstance(parts, Sequence):
        for part in parts:
            if isinstance(part, Tensor):
                return part
    raise NetworkError(
        f"layer '{layer}' returns {type(output).__name__}, which holds no tensor; choose a layer inside it or after it."
    )


@contextmanager
def observed(modules: Mapping[str, nn.Module], callback: Callable[[str, Tensor], None]) -> Iterator[None]:
    """While inside, `callback(name, output)` sees the first tensor of every output of `modules`."""
    handles = []
    try:
        for name, module in modules.items():

            def hook(_module: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
                callback(name, _first_tensor(output, name))

            handles.append(module.register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


def tapped(run: Callable[[], object], modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The outputs of `modules` in one call of `run`, which stops once the last of them has answered.

    A module that is called several times answers with its first call.

    Raises NetworkError when a module is never called.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        outputs.setdefault(name, output)
        if len(outputs) == len(modules):
            raise _Reached

    try:
        with observed(modules, keep):
            run()
    except _Reached:
        return outputs
    silent = ", ".join(f"'{name}'" for name in modules if name not in outputs)
    raise NetworkError(
        f"the forward pass never calls layer {silent}; it is unused, or wrapped by code that bypasses it. "
        "Choose a layer that `marey layers` shows with a shape."
    )


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """While inside, `module` is in evaluation mode, wants no weight gradients and works out of place."""
    modes = [(part, part.training) for part in module.modules()]
    wanted = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    gradients = [(parameter, parameter.grad) for parameter in module.parameters()]
    in_place = [part for part in module.modules() if getattr(part, "inplace", False) is True]
    try:
        module.eval()
        for parameter, _ in wanted:
            parameter.requires_grad_(False)
        for part in in_place:
            part.inplace = False  # type: ignore[assignment]
        yield module
    finally:
        for part, training in modes:
            part.training = training
        for parameter, needed in wanted:
            parameter.requires_grad_(needed)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for part in in_place:
            part.inplace = True  # type: ignore[assignment]


@contextmanager
def unpadded(module: nn.Module) -> Iterator[nn.Module]:
    """While inside, convolutions and pools of `module` add no border, so that a crop shrinks to what it determines."""
    changed: list[tuple[nn.Module, Any]] = []
    try:
        for part in module.modules():
            if isinstance(part, _PADDED):
                padding: Any = part.padding
                changed.append((part, padding))
                part.padding = (0,) * len(padding) if isinstance(padding, tuple) else 0
        yield module
    finally:
        for part, padding in changed:
            part.padding = padding  # type: ignore[assignment]


def arithmetic_copy(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `module` in another floating-point type, channels last; the original is not touched."""
    import copy

    twin = copy.deepcopy(module).to(dtype=dtype)
    for parameter in twin.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        elif parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return twin
