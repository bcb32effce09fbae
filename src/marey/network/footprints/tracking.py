"""One pass of a network during which every tensor carries its footprint."""

from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from marey.network.footprints.call import Call, Result, Rule, tensors_in
from marey.network.footprints.footprint import Footprint, Pair, blank, bounded, join, project, source, whole
from marey.network.footprints.layers import LAYERS, nothing, pointwise, written
from marey.network.footprints.layouts import LAYOUTS
from marey.network.footprints.places import window

_NOTHING = Footprint(())


@dataclass(frozen=True)
class Operation:
    """What is known of an operation before it is called; `writes` are the arguments that it changes."""

    name: str
    rule: Rule | None
    defaults: Mapping[str, Any]
    writes: tuple[str, ...]
    composite: bool


@cache
def operation_of(func: Any) -> Operation:
    """What is known of an operation of torch."""
    name = func._schema.name.removeprefix("aten::")
    known = {**LAYERS, **LAYOUTS}
    rule = known.get(name, known.get(name.rstrip("_")))
    if rule is None and torch.Tag.pointwise in func.tags:
        rule = pointwise
    return Operation(
        name=name if name in known else name.rstrip("_"),
        rule=rule,
        defaults={argument.name: argument.default_value for argument in func._schema.arguments},
        writes=tuple(a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write),
        composite=torch._C._dispatch_has_kernel_for_dispatch_key(
            func.name(), torch._C.DispatchKey.CompositeImplicitAutograd
        ),
    )


def _shifts(view: Tensor, base: Tensor) -> list[int] | None:
    """Where `view` starts along every dimension of `base`, when it is a block of it."""
    if view.stride() != base.stride():
        return None
    left = int(view.storage_offset()) - int(base.storage_offset())
    strides: tuple[int, ...] = base.stride()
    shifts = [0] * base.dim()
    for stride, dim in sorted(((stride, dim) for dim, stride in enumerate(strides)), reverse=True):
        if stride > 0 and base.shape[dim] > 1:
            shifts[dim], left = divmod(left, stride)
    inside = all(s >= 0 and s + n <= m for s, n, m in zip(shifts, view.shape, base.shape, strict=True))
    return shifts if inside and left == 0 else None


class Tracking(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While inside, every operation also notes the footprint of what it makes; nothing is kept alive."""

    def __init__(self, inputs: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._footprints: MutableMapping[Tensor, Footprint] = WeakTensorKeyDictionary()
        self._limits: dict[Pair, int] = {}
        for stream, tensor in inputs.items():
            self._footprints[tensor] = source(stream, tensor.shape)
            self._limits |= {(stream, axis): size for axis, size in enumerate(tensor.shape[2:])}

    def of(self, tensor: Tensor) -> Footprint:
        """What `tensor` sees; nothing, if it was not made from the inputs."""
        found = self._footprints.get(tensor)
        return found if found is not None and found.spans else blank(tensor.shape)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {} if kwargs is None else kwargs
        operation = operation_of(func)
        if operation.rule is None and operation.composite:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        output = func(*args, **kwargs)
        self._note(operation, args, kwargs, output)
        return output

    def _note(self, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        outputs = tensors_in([output])
        given = tensors_in([args, list(kwargs.values())])
        seen = [found for tensor in given if (found := self._footprints.get(tensor)) is not None and found.spans]
        if not seen:
            for tensor in outputs:
                self._footprints[tensor] = _NOTHING
            return
        arguments = {**operation.defaults, **dict(zip(operation.defaults, args, strict=False)), **kwargs}
        mutated = tensors_in([arguments[name] for name in operation.writes])
        targets = outputs + [tensor for tensor in mutated if all(tensor is not other for other in outputs)]
        results = _results(operation, Call(operation.name, arguments, outputs, self.of), seen, targets, self._limits)
        for tensor, footprint in zip(targets, results, strict=True):
            changed = any(tensor is other for other in mutated) and footprint != self.of(tensor)
            self._footprints[tensor] = footprint
            if changed:
                self._spread(tensor, footprint, operation.name)

    def _spread(self, written: Tensor, footprint: Footprint, cause: str) -> None:
        """Tell other tensors in the same memory what was written into a part of it."""
        memory = written.untyped_storage().data_ptr()
        if memory == 0:
            return
        for other, before in list(self._footprints.items()):
            if other is written or other.untyped_storage().data_ptr() != memory:
                continue
            shifts = _shifts(written, other) if written.dim() == other.dim() else None
            part = footprint
            if shifts is None:
                part = replace(blank(other.shape), spans=project(footprint, range(len(footprint.dims))).spans)
                part = bounded(part, part.spans, f"{cause} into a view")
            else:
                for dim, shift in enumerate(shifts):
                    if part.shape[dim] != other.shape[dim]:
                        size = other.shape[dim]
                        part = window(part, dim, offset=-shift, stride=1, reach=0, size=size, cause=cause)
                        moves = any(factor.steps for factor in footprint.dims[dim])
                        if moves and 2 * written.shape[dim] <= size:  # more than that counts as padded
                            part = bounded(part, part.spans, f"{cause} into a view")
            self._footprints[other] = join([before, part], other.shape, cause=cause)


def _results(
    operation: Operation, call: Call, seen: Sequence[Footprint], targets: Sequence[Tensor], limits: Mapping[Pair, int]
) -> list[Footprint]:
    """The footprints of all `targets`; where the rule has none of the right shape, everything that is `seen`."""
    found: Result = None
    if operation.rule is not None and call.outputs:
        # A form of the operation that the rule was not made for must not stop the pass; it counts as unknown.
        with suppress(ArithmeticError, LookupError, TypeError, ValueError):
            found = operation.rule(call)
    known = [] if found is None else found if isinstance(found, list) else [found] * len(targets)
    may_be_blank = operation.rule in (nothing, written)
    results = []
    for index, tensor in enumerate(targets):
        footprint = known[index] if index < len(known) else None
        if footprint is None or footprint.shape != tuple(tensor.shape) or not (footprint.spans or may_be_blank):
            footprint = whole(seen, tensor.shape, limits, operation.name)
        results.append(footprint)
    return results
