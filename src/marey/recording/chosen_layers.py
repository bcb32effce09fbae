"""Which layers a recording holds: those that patterns name, or each that adds something of its own."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from marey.errors import NetworkError, did_you_mean
from marey.network.hooks import frozen, observed
from marey.network.layer import Layer
from marey.network.network import Network
from marey.network.parts import plain_name


def chosen_layers(network: Network, patterns: Sequence[str] | None) -> tuple[Layer, ...]:
    """The layers that match any of `patterns` ('fusion.*', 'fc6'), in the order in which the network runs them.

    None: every layer, except those that only pass on the output of one before them (blocks that end with a layer of
    their own, dropout that is off, flattening). Raises NetworkError for a pattern that matches nothing.
    """
    if patterns is None:
        repeated = _repeated(network)
        return tuple(layer for name, layer in network.layers.items() if name not in repeated)
    if isinstance(patterns, str):
        raise NetworkError(f"layers are a list of names or patterns, as in ['{patterns}'], got the text '{patterns}'.")
    patterns = [plain_name(pattern) for pattern in patterns]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in network.layers):
            raise NetworkError(
                f"no layer '{pattern}' in {network.name}.{did_you_mean(pattern, network.layers)} "
                "`marey layers` lists them."
            )
    found = [name for name in network.layers if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not found:
        raise NetworkError("no layer to record; name at least one, or None for all.")
    return tuple(network.layers[name] for name in found)


def _repeated(network: Network) -> set[str]:
    """The layers that give the values of an earlier one again: the same memory, unchanged since."""
    outputs: list[tuple[Tensor, int]] = []  # kept, so that no memory is used twice
    seen: set[tuple[int, int, int]] = set()
    named: set[str] = set()
    repeated: set[str] = set()

    def note(name: str, output: Tensor) -> None:
        if name in named:
            return
        named.add(name)
        outputs.append((output, output._version))
        values = (output.untyped_storage().data_ptr(), output.numel(), output._version)
        if values in seen:
            repeated.add(name)
        seen.add(values)

    modules = {name: network.part(name) for name in network.layers}
    with torch.no_grad(), frozen(network.module), observed(modules, note):
        network.forward(network.rest())
    return repeated
