"""`marey layers`: what can be looked at."""

from fnmatch import fnmatch
from typing import Annotated

import typer
from rich.table import Table

from marey.cli.arguments import NetArgument
from marey.cli.screen import screen
from marey.cli.tables import table
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

    network = load(net)
    every = network.layers.values()
    found = [layer for layer in every if not match or any(fnmatch(layer.name, pattern) for pattern in match)]
    if not found:
        near = did_you_mean(match[0] if match else "", network.layers)
        raise NetworkError(f"no layer of {network.name} matches {' '.join(match or [])}.{near}")
    screen().print(layer_table(network, found))


def layer_table(network: Network, found: list[Layer]) -> Table:
    """The layers with, per stream that they see, stride and receptive field."""
    shown = table("layer", "kind", right=("units", "t × y × x"))
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
            ", ".join(sees) if sees else "nothing",
        )
    return shown
