"""Which layers pass on the output of one before them, as a wrapper does whose last layer has a name of its own."""

import torch
from torch import Tensor

from marey.network.hooks import frozen, observed
from marey.network.network import Network


def aliases(network: Network) -> dict[str, str]:
    """{layer: the first layer that gave its values}, of layers that give the same memory, unchanged since.

    These are blocks that end with a layer of their own, dropout that is off, and flattening. Takes one forward pass.
    """
    outputs: list[Tensor] = []  # kept, so that no memory is used twice
    first: dict[tuple[int, int, int], str] = {}
    named: set[str] = set()
    found: dict[str, str] = {}

    def note(name: str, output: Tensor) -> None:
        if name in named:
            return
        named.add(name)
        outputs.append(output)
        version = 0 if output.is_inference() else output._version
        values = (output.untyped_storage().data_ptr(), output.numel(), version)
        if values in first:
            found[name] = first[values]
        first.setdefault(values, name)

    modules = {name: network.module.get_submodule(name) for name in network.layers}
    with torch.no_grad(), frozen(network.module), observed(modules, note):
        network.forward(network.rest())
    return found
