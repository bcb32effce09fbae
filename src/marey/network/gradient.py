"""Whether a gradient comes from layers back to the input, asked before anything is optimized."""

import warnings
from contextlib import suppress

import torch
from torch import Tensor

from marey.errors import NetworkError
from marey.network.crop import Crop
from marey.network.hooks import frozen, observed
from marey.network.network import Network
from marey.network.out_of_place import with_gradient

_QUANTIZED = "torch.ao.nn"


def check_gradient(crop: Crop) -> None:
    """Raise NetworkError where the network cuts the gradient from a layer of the crop to all of its streams.

    A gradient that is zero, as that of dead units is, counts as one. Takes one pass of one clip, forward and backward.
    """
    with_gradient(crop.network, lambda: _check_gradient(crop))


def _check_gradient(crop: Crop) -> None:
    network = crop.network
    inputs = {
        stream.name: torch.full((1, *stream.shape), stream.rest, device=network.device, requires_grad=True)
        for stream in crop.streams
    }
    try:
        with torch.enable_grad(), frozen(network.module), crop.applied(network.module):
            outputs = crop.activations(inputs)
    except RuntimeError as error:
        if "nference tensor" in str(error):  # torch.inference_mode, where what it gave is used further on
            raise NetworkError(_cut(network, ", ".join(crop.layers))) from error
        raise
    for layer, output in outputs.items():
        if not _reaches(output, inputs):
            raise NetworkError(_cut(network, layer))


def check_seen(network: Network, layer: str) -> None:
    """Raise NetworkError for a layer to which no operation of torch leads from the input, as where numpy computes."""
    if not network.layer(layer).receptive_field.streams:
        raise NetworkError(_cut(network, layer))


def _reaches(output: Tensor, inputs: dict[str, Tensor]) -> bool:
    """Whether any of the inputs has a gradient of the output."""
    if not output.requires_grad:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says so of an operation that has no gradient, but not of which layer
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            output.float().sum(), list(inputs.values()), allow_unused=True, retain_graph=True
        )
    seen = [gradient for gradient in found if gradient is not None]
    return any(bool(gradient.any()) for gradient in seen) or (bool(seen) and not _lacks_gradient(output))


def _lacks_gradient(output: Tensor) -> bool:
    """Whether an operation on the way to the output has no gradient in torch, as those of quantized layers."""
    waiting, known = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in known:
            continue
        if "NotImplemented" in type(node).__name__ or "NotImplemented" in node.name():
            return True
        known.add(node)
        waiting += [before for before, _ in node.next_functions]
    return False


def _cut(network: Network, layer: str) -> str:
    line = f"no gradient reaches the input from '{layer}': {network.name} "
    if any(type(part).__module__.startswith(_QUANTIZED) for part in network.module.modules()):
        return line + "has quantized layers, which give none; use the network before it was quantized."
    left = _connected(network)
    advice = f"choose a layer up to '{left[-1]}', or run" if left else "run"
    return (
        f"{line}cuts it (torch.no_grad, detach, .data, argmax, numpy), so nothing is made; "
        f"{advice} that part of its code with gradients."
    )


def _connected(network: Network) -> list[str]:
    """The layers, in the order of their calls, that are connected to an input."""
    found: list[str] = []

    def note(name: str, output: Tensor) -> None:
        if output.requires_grad and name in network.layers:
            found.append(name)

    inputs = {name: None if value is None else value.requires_grad_() for name, value in network.rest().items()}
    # code that uses what inference mode gave ends here, which is told already
    with suppress(RuntimeError), torch.enable_grad(), frozen(network.module), observed(network.parts, note):
        network.run(inputs)
    return found
