"""Which layers a recording holds: those that patterns name, or each that adds something of its own."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from marey.errors import NetworkError, did_you_mean
from marey.network.layer import Layer
from marey.network.network import Network
from marey.network.parts import plain_name
from marey.network.twins import passed_on


def chosen_layers(network: Network, patterns: Sequence[str] | None) -> tuple[Layer, ...]:
    """The layers that match any of `patterns` ('fusion.*', 'fc6'), in the order in which the network runs them.

    None: every layer, except those that only pass on the output of one before them (blocks that end with a layer of
    their own, dropout that is off, flattening). Raises NetworkError for a pattern that matches nothing.
    """
    if patterns is None:
        again = passed_on(network.visits)
        return tuple(layer for name, layer in network.layers.items() if name not in again)
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
