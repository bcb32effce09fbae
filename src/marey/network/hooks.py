"""The only place that hooks or alters a module, always inside a `with` that leaves the network as it was found."""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.network.axes import Axes
from marey.network.first_tensor import first_tensor

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

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""How maps with so many axes lie in memory with the channel of a place beside each other."""

REVIVAL_SLOPE = 0.5
"""The part of the gradient that a ReLU passes on while its unit is dead."""


class _Reached(Exception):
    """Every layer that is wanted was called; nothing deeper needs to run."""


@contextmanager
def observed(modules: Mapping[str, nn.Module], callback: Callable[[str, Tensor], None]) -> Iterator[None]:
    """While inside, `callback(name, output)` sees of every output of `modules` `logits`, or else the first tensor."""
    handles = []
    try:
        for name, module in modules.items():

            def hook(_module: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
                tensor = first_tensor(output)
                if tensor is not None:
                    callback(name, tensor)

            handles.append(module.register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def visited(
    modules: Mapping[str, nn.Module], callback: Callable[[str, str | None, Tensor | None, Tensor], None]
) -> Iterator[None]:
    """While inside, `callback(name, before, given, output)` is told every call of `modules`, as it ends.

    `before` is the module that was entered just before the call, `given` the first tensor that it was given.
    """
    handles = []
    latest: list[str | None] = [None]
    entered: dict[str, list[str | None]] = {name: [] for name in modules}
    try:
        for name, module in modules.items():

            def enter(_module: nn.Module, _inputs: Any, name: str = name) -> None:
                entered[name].append(latest[0])
                latest[0] = name

            def leave(_module: nn.Module, inputs: Any, named: Any, output: Any, name: str = name) -> None:
                before = entered[name].pop()
                tensor = first_tensor(output)
                if tensor is not None:
                    given = first_tensor(inputs)
                    callback(name, before, first_tensor(named) if given is None else given, tensor)

            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(leave, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def calls_of(
    run: Callable[[], object], modules: Mapping[str, nn.Module], read: Mapping[str, Collection[int]]
) -> dict[str, list[Tensor]]:
    """The outputs of the calls that are `read` of `modules` in one call of `run`, which stops after the last of them.

    `read` says for every module the numbers of its calls. A pass with fewer calls, as of fewer frames, gives those that
    there are. Outputs that the code around a module changes in place, as residual sums do, are taken in a second call,
    as they were when the module returned them.

    Raises NetworkError when a module is never called, or returns nothing with a tensor in it.
    """
    outputs, changed = _calls_of(run, modules, read, copied=frozenset())
    if changed:
        outputs, _ = _calls_of(run, modules, read, copied=changed)
    return outputs


def _calls_of(
    run: Callable[[], object],
    modules: Mapping[str, nn.Module],
    read: Mapping[str, Collection[int]],
    *,
    copied: Collection[str],
) -> tuple[dict[str, list[Tensor]], frozenset[str]]:
    """The outputs, of `copied` modules as copies, and the names of those that were changed after the answer."""
    outputs: dict[str, list[Tensor]] = {}
    versions: dict[str, list[int]] = {}
    counts = dict.fromkeys(modules, 0)
    left = sum(len(read[name]) for name in modules)

    def keep(name: str, output: Tensor) -> None:
        nonlocal left
        counts[name] += 1
        if counts[name] - 1 not in read[name]:
            return
        kept = output.clone() if name in copied or output.is_inference() else output
        outputs.setdefault(name, []).append(kept)
        versions.setdefault(name, []).append(0 if output.is_inference() else kept._version)
        left -= 1
        if left == 0:
            raise _Reached

    with suppress(_Reached), observed(modules, keep):
        run()
    if silent := ", ".join(f"'{name}'" for name in modules if name not in outputs):
        raise NetworkError(
            f"the forward pass gets no tensor from layer {silent}: it is never called, or bypassed by the code around "
            "it. Choose a layer that `marey layers` lists."
        )
    changed = {
        name
        for name, kept in outputs.items()
        for one, version in zip(kept, versions[name], strict=True)
        if not one.is_inference() and one._version != version
    }
    return outputs, frozenset(changed)


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """While inside, `module` is in evaluation mode, wants no weight gradients and works out of place."""
    modes = [(part, part.training) for part in module.modules()]
    wanted = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    gradients = [(parameter, parameter.grad) for parameter in module.parameters()]
    in_place = [part for part in module.modules() if vars(part).get("inplace") is True]  # not where TorchScript has it
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


def lay_channels_last(module: nn.Module) -> None:
    """Lay weights with height and width channels last for good; the maps that convolutions give then lie so, too."""
    for weight in module.parameters():
        if weight.dim() in FORMATS:
            weight.data = weight.data.contiguous(memory_format=FORMATS[weight.dim()])


@contextmanager
def channels_last(module: nn.Module) -> Iterator[nn.Module]:
    """While inside, weights lie as `lay_channels_last` lays them."""
    before = [(weight, weight.data) for weight in module.parameters() if weight.dim() in FORMATS]
    try:
        lay_channels_last(module)
        yield module
    finally:
        for weight, values in before:
            weight.data = values


@contextmanager
def revived(module: nn.Module, dead: Tensor, axes: Mapping[str, Axes]) -> Iterator[None]:
    """While inside, ReLU modules that are off pass REVIVAL_SLOPE of the gradient on, for the clips marked in `dead`.

    No output changes. A unit that does not fire at the start has no gradient at all, and would stay dead for ever.
    `axes` says of each module by name where its clips lie; others pass on what they do.
    """
    handles = []
    try:
        for name, part in module.named_modules():
            if name not in axes or not isinstance(part, nn.ReLU | nn.ReLU6):
                continue

            def hook(_module: nn.Module, inputs: Any, output: Any, where: Axes = axes[name]) -> Any:
                (given,) = inputs
                mask = where.per_clip(dead, given)
                if not isinstance(output, Tensor) or mask is None:
                    return output
                leak = REVIVAL_SLOPE * given * (mask & (given.detach() <= 0))
                return output + (leak - leak.detach())

            handles.append(part.register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


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
            part.padding = padding


def called(run: Callable[[], object], module: nn.Module) -> frozenset[str]:
    """The names of all parts of `module` whose forward pass is entered in one call of `run`."""
    found: set[str] = set()
    handles = []
    try:
        for name, part in module.named_modules():
            handles.append(part.register_forward_pre_hook(lambda _part, _inputs, name=name: found.add(name)))
        run()
    finally:
        for handle in handles:
            handle.remove()
    return frozenset(found)


def arithmetic_copy(module: nn.Module, dtype: torch.dtype, *, parts: Collection[str] | None = None) -> nn.Module:
    """A copy of `module` in another floating-point type, channels last; the original is not touched.

    With `parts`, names of modules, only these have weights; those of the others are empty, so that nothing can be
    computed with them.
    """
    held = [
        value
        for name, part in module.named_modules()
        if parts is None or name in parts
        for value in (*part.parameters(recurse=False), *part.buffers(recurse=False))
    ]
    needed = {id(value) for value in held}
    twins: dict[int, Any] = {}  # what `deepcopy` takes in place of a copy of its own, which would be in the old type
    for value in (*module.parameters(), *module.buffers()):
        if value.is_floating_point():
            if id(value) in needed:
                kept = FORMATS.get(value.dim(), torch.contiguous_format)
                twin = torch.empty_like(value, dtype=dtype, memory_format=kept, requires_grad=False)
                twin.copy_(value.detach())
            else:
                twin = torch.empty(0, dtype=dtype, device=value.device)
            weight = isinstance(value, nn.Parameter)
            twins[id(value)] = nn.Parameter(twin, requires_grad=value.requires_grad) if weight else twin
    return copy.deepcopy(module, twins)


@contextmanager
def changed(modules: Mapping[str, nn.Module], change: Callable[[str, Tensor], Tensor]) -> Iterator[None]:
    """While inside, modules that return a tensor return `change(name, tensor)` instead."""
    handles = []
    try:
        for name, module in modules.items():

            def hook(_module: nn.Module, _inputs: Any, output: Any, name: str = name) -> Any:
                return change(name, output) if isinstance(output, Tensor) else output

            handles.append(module.register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def answered(answers: Mapping[nn.Module, Tensor]) -> Iterator[None]:
    """While inside, modules return these tensors at once, and nothing in them runs."""
    before = {module: module.__dict__.get("forward") for module in answers}
    try:
        for module, answer in answers.items():
            module.forward = lambda *_inputs, answer=answer, **_named: answer
        yield
    finally:
        for module, forward in before.items():
            if forward is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = forward


def ended_before(run: Callable[[], object], module: nn.Module, first: Collection[nn.Module]) -> dict[nn.Module, Tensor]:
    """The parts of `module` that end, in one call of `run`, before any of `first` begins, with the tensors they return.

    Only the outermost ones are there, and only those that are called once and return a tensor.
    """
    begun = False
    outputs: dict[nn.Module, Any] = {}
    counts: dict[nn.Module, int] = {}
    handles = []

    def enter(part: nn.Module, _inputs: Any) -> None:
        nonlocal begun
        begun = begun or part in first
        counts[part] = counts.get(part, 0) + 1

    def leave(part: nn.Module, _inputs: Any, output: Any) -> None:
        if not begun:
            outputs[part] = output

    try:
        for part in module.modules():
            handles += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]
        run()
    finally:
        for handle in handles:
            handle.remove()
    fitting = {part: output for part, output in outputs.items() if counts[part] == 1 and isinstance(output, Tensor)}
    inner = {child for part in fitting for child in part.modules() if child is not part}
    return {part: output for part, output in fitting.items() if part not in inner}
