"""Gradients of networks that change in place what their gradient needs, which torch refuses to compute."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from marey.errors import NetworkError
from marey.network.hooks import frozen
from marey.network.network import Network
from marey.network.probe import probe_clips

_REFUSED = "modified by an inplace operation"
_CHANGING: WeakSet[nn.Module] = WeakSet()
"""Networks whose gradient torch refused, and which answer the same out of place."""

Out = TypeVar("Out")


class _OutOfPlace(TorchFunctionMode):
    """While inside, `x += y` makes a new x, as `x = x + y` does."""

    _INSTEAD: Mapping[Any, Callable[..., Tensor]] = {
        Tensor.add_: torch.add,  # which torch calls for +=
        Tensor.sub_: torch.sub,
        Tensor.mul_: torch.mul,
        Tensor.div_: torch.div,
    }

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer a call of torch."""
        if func in self._INSTEAD and args[0].requires_grad:
            return self._INSTEAD[func](*args, **(kwargs or {})).to(args[0].dtype)
        return func(*args, **(kwargs or {}))


def out_of_place(network: Network) -> AbstractContextManager[object]:
    """While inside, the code of a network that `with_gradient` noted makes a new x for `x += y`.

    The gradient of `x = relu(x)` needs x as it was, so torch refuses one after `x += y`.
    """
    return _OutOfPlace() if network.module in _CHANGING else nullcontext()


def with_gradient(network: Network, run: Callable[[], Out]) -> Out:
    """Call `run`, which computes gradients of the network, and return what it returns.

    Where torch refuses the gradient, the network is noted for `out_of_place`, and `run` is called again. Raises
    NetworkError where torch refuses again, and where the network would answer otherwise out of place.
    """
    try:
        with out_of_place(network):
            return run()
    except RuntimeError as error:
        if _REFUSED not in str(error):
            raise
        why = error
    if network.module not in _CHANGING and _answers_alike(network):
        return with_gradient(network, run)
    raise NetworkError(
        f"{network.name} changes in place what its gradient needs, as x += y after x = relu(x), so nothing is made; "
        "write x = x + y there."
    ) from why


def _answers_alike(network: Network) -> bool:
    """Whether a network answers the same out of place; then it is noted."""
    before = _answer(network)
    _CHANGING.add(network.module)
    alike = torch.equal(_answer(network), before)
    if not alike:
        _CHANGING.discard(network.module)
    return alike


def _answer(network: Network) -> Tensor:
    """What the last layer answers to noise, with gradients."""
    layer = list(network.layers)[-1]
    inputs = {name: clip[:1].requires_grad_() for name, clip in probe_clips(network.streams, network.device).items()}
    with torch.enable_grad(), out_of_place(network), frozen(network.module):
        return network.activations(inputs, [layer])[layer].detach().nan_to_num()
