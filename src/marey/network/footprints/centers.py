"""One pass of a network during which every value carries its place in the clip: moved and averaged as values are."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

from marey.network.footprints.averages import RULES, Step, joined
from marey.network.footprints.call import tensors_in
from marey.network.footprints.layouts import LAYOUTS
from marey.network.footprints.tracking import Operation, operation_of

_MOVING = {*LAYOUTS, "detach", "alias", "gather", "index_put", "scatter", "masked_select", "take", "repeat_interleave"}
"""Operations that put values elsewhere and compute nothing; `constant_pad_nd` among them."""

_FRESH = {
    f"{prefix}{name}{suffix}"
    for name in ("zeros", "ones", "full", "empty")
    for prefix, suffix in (("", ""), ("new_", ""), ("", "_like"))
} | {"fill", "zero", "normal", "uniform", "bernoulli"}
"""Operations whose values come from no clip."""

_FAILS = (ArithmeticError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError)


class Centers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While inside, every operation also computes the places of what it makes, along one axis of the clip.

    Layout operations move places. Sums, convolutions and pools average them. Attention and other products keep those of
    the rows of their first factor: a token stays where it asks from. NaN stands for no place, as of a class token or of
    a mean over all places.
    """

    def __init__(self, inputs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """`inputs` are the tensors that the network is given, with the places of their values, of the same shape."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._places: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()
        for tensor, places in inputs:
            self._places[tensor] = places

    def of(self, tensor: Tensor) -> Tensor:
        """The places of a tensor's values, of its shape."""
        found = self._places.get(tensor)
        return torch.full((), torch.nan, device=tensor.device).expand(tensor.shape) if found is None else found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {} if kwargs is None else kwargs
        operation = operation_of(func)
        if operation.composite and operation.name not in RULES and operation.name not in _MOVING:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        output = func(*args, **kwargs)
        with suppress(*_FAILS):  # what the rules were not made for has no place
            self._note(func, operation, args, kwargs, output)
        return output

    def _note(
        self, func: Any, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        outputs = tensors_in([output])
        given = tensors_in([args, list(kwargs.values())])
        arguments = {**operation.defaults, **dict(zip(operation.defaults, args, strict=False)), **kwargs}
        written = tensors_in([arguments[name] for name in operation.writes])
        known = any(tensor in self._places for tensor in given)
        if operation.name in _FRESH:
            results = [self.of(tensor).new_full((), torch.nan) for tensor in written or outputs]
        elif not known:
            return
        elif operation.name in _MOVING and any(one in self._places and not one.is_floating_point() for one in given):
            results = [self.of(tensor).new_full((), torch.nan) for tensor in written or outputs]  # by what is seen
        elif operation.name in _MOVING and not written:
            self._move(func, arguments if operation.name == "constant_pad_nd" else None, args, kwargs, outputs)
            return
        else:
            read = [tensor for tensor in given if operation.name != "copy" or all(tensor is not w for w in written)]
            found = [self._places[tensor] for tensor in read if tensor in self._places]
            step = Step(operation.name, arguments, found, tuple((written or outputs)[0].shape), self.of)
            results = [RULES.get(operation.name, joined)(step)] * len(written or outputs)
        for tensor, places in zip(written or outputs, results, strict=True):
            with suppress(RuntimeError):  # a further output, such as the means of a norm, of another shape
                if tensor not in self._places or not written:
                    self._places[tensor] = torch.full_like(tensor, torch.nan, dtype=torch.float32)
                self._places[tensor].copy_(places.expand(tensor.shape))

    def _move(
        self,
        func: Any,
        padded: Mapping[str, Any] | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        outputs: Sequence[Tensor],
    ) -> None:
        """Run a layout operation on places, so that views of values are views of places."""
        args, kwargs = tree_map_only(
            Tensor, lambda one: self.of(one) if one.is_floating_point() else one, (args, kwargs)
        )
        if padded is not None:
            moved: Any = func(args[0], padded["pad"], torch.nan)
        else:
            try:
                moved = func(*args, **kwargs)
            except RuntimeError:  # a view of places that lie otherwise in memory
                moved = args[0].reshape(outputs[0].shape)
        for tensor, places in zip(outputs, tensors_in([moved]), strict=True):
            self._places[tensor] = places
