"""`marey layers`: what can be looked at."""

from fnmatch import fnmatch
from typing import Annotated

import typer
from rich.table import Table

from marey.cli.arguments import NetArgument
from marey.cli.tables import screen, table
from marey.errors import NetworkError, did_you_mean
from marey.network.layer import Layer
from marey.network.network import Network


def layers(
    net: NetArgument,
    match: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATTERN", help="Only layers that match, as in 'fusion.*' (quote it).", show_default=False
        ),
    ] = None,
) -> None:
    """List the layers of a network: units, positions, stride and receptive field."""
    from marey.families.loading import load
    from marey.network.parts import plain_name

    network = load(net)

    def matches(name: str) -> bool:
        return not match or any(fnmatch(name, plain_name(pattern)) for pattern in match)

    found = [layer for name, layer in network.layers.items() if matches(name)]
    unusable = {name: reason for name, reason in network.unusable.items() if matches(name)}
    if not found and not unusable:
        near = did_you_mean(match[0] if match else "", network.layers)
        raise NetworkError(f"no layer of {network.name} matches {' '.join(match or [])}.{near}")
    if found:
        screen().print(layer_table(network, found))
    for name, reason in unusable.items():
        screen().print(f"{name} cannot be used: {reason}.", highlight=False, markup=False, soft_wrap=True)


def layer_table(network: Network, found: list[Layer]) -> Table:
    """The layers with, per stream that they see, stride and receptive field; calls where any is called again."""
    again = any(layer.calls > 1 for layer in found)
    shown = table("layer", "kind", right=("units", "t × y × x", *(("calls (read)",) if again else ())))
    shown.add_column("sees: frames × px (stride)")
    for layer in found:
        sees = []
        for name, (time, *space) in layer.receptive_field.streams.items():
            stream = network.stream(name)
            down, right = space
            size = f"{down.length}" if down.length == right.length else f"{down.length}×{right.length}"
            pixels = f"{size} px ({down.stride})" if down.stride else f"whole frame ({size} px)"
            sees.append(f"{name} {min(time.length, stream.frames)} × {pixels}")
        shown.add_row(
            layer.name,
            layer.kind,
            str(layer.units),
            " × ".join(str(size) for size in layer.positions),
            *((f"{layer.calls} ({layer.read})",) if again else ()),
            ", ".join(sees) if sees else "nothing",
        )
    return shown
