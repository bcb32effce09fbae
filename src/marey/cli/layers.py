"""`marey layers`: what can be looked at."""

from fnmatch import fnmatch
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from marey.cli.arguments import NetArgument
from marey.errors import NetworkError, did_you_mean
from marey.network import Layer, Network


def layers(
    net: NetArgument,
    match: Annotated[
        list[str] | None, typer.Argument(help="Only layers that match, as in 'fusion.*' (quote it).", show_default=False)
    ] = None,
) -> None:
    """List the layers of a network: units, positions, stride and receptive field."""
    from marey.networks.loading import load

    network = load(net)
    found = [
        layer for layer in network.layers.values() if not match or any(fnmatch(layer.name, pattern) for pattern in match)
    ]
    if not found:
        near = did_you_mean(match[0] if match else "", network.layers)
        raise NetworkError(f"no layer of {network.name} matches {' '.join(match or [])}.{near}")
    Console(width=None if Console().is_terminal else 140).print(table(network, found))


def table(network: Network, found: list[Layer]) -> Table:
    """The layers with, per stream that they see, stride and receptive field."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading, side in (("layer", "left"), ("kind", "left"), ("units", "right"), ("t x y x x", "right")):
        shown.add_column(heading.replace("t x y x x", "t × y × x"), justify="left" if side == "left" else "right")
    shown.add_column("sees: frames × px (stride)", justify="left")
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
