"""`marey layers`: what can be looked at."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated

import typer
from rich.table import Table

from marey.cli.arguments import NetArgument
from marey.cli.screen import screen
from marey.cli.tables import table
from marey.errors import NetworkError, did_you_mean
from marey.network.network import Network


def layers(
    net: NetArgument,
    match: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATTERN", help="Only layers that match, as in '*conv*' (quote it).", show_default=False
        ),
    ] = None,
) -> None:
    """List the layers of a network: units, positions, stride and receptive field.

    Layers that pass on the output of another share its line: `also called` has their names.
    """
    from marey.families.loading import load

    network = load(net)
    names = own_outputs(network)
    found = {name: others for name, others in names.items() if not match or _matches([name, *others], match)}
    unusable = {name: reason for name, reason in network.unusable.items() if not match or _matches([name], match)}
    if not found and not unusable:
        raise NetworkError(f"no layer of {network.name} matches {' '.join(match or [])}.{_near(network, match or [])}")
    shown = screen()
    if found:
        shown.print(layer_table(network, found))
        for line in (_total(network, list(found)), *_tokens(network, list(found))):
            shown.print(line, highlight=False, markup=False, soft_wrap=True)
    for name, reason in unusable.items():
        shown.print(f"{name} cannot be used: {reason}.", highlight=False, markup=False, soft_wrap=True)


def own_outputs(network: Network) -> dict[str, list[str]]:
    """{layer: the layers that pass on its output}, of each layer with an output of its own, in order.

    What flattening gives counts as an output of its own where it has other units.
    """
    from marey.network.twins import passed_on

    first = passed_on(network.visits)
    found: dict[str, list[str]] = {}
    for name, layer in network.layers.items():
        same = first.get(name)
        if same in found and network.layers[same].shape == layer.shape:
            found[same].append(name)
        else:
            found[name] = []
    return found


def _matches(names: Iterable[str], patterns: list[str]) -> bool:
    from marey.network.parts import plain_name

    return any(fnmatchcase(name, plain_name(pattern)) for name in names for pattern in patterns)


def _near(network: Network, patterns: list[str]) -> str:
    """Say which pattern would match, where the layers lie in a wrapper, or which layer is near."""
    for pattern in patterns:
        if _matches(network.layers, [f"*{pattern}"]):
            return f" A pattern is for the whole name: did you mean '*{pattern}'?"
    return f"{did_you_mean(patterns[0], network.layers)} It has {', '.join(list(network.layers)[-8:])}."


def _total(network: Network, found: list[str]) -> str:
    """Say how many layers and units are listed, and how one of these units is written."""
    count = "1 layer" if len(found) == 1 else f"{len(found)} layers"
    units = sum(network.layers[name].units for name in found)
    unit = f"{found[-1]}:{network.layers[found[-1]].units - 1}"
    label = f", a class by its name, as '{network.classes[0]}'" if network.classes else ""
    return f"{count}, {units} units. A unit is written layer:channel, as '{unit}'{label}."


def _tokens(network: Network, found: list[str]) -> list[str]:
    """Say what is not read of tokens, and where they lie is not known."""
    layers = [network.layers[name] for name in found]
    lines = []
    if any(layer.unplaced for layer in layers):
        lines.append("+ n: tokens that stand for no part of the clip, as a class token; they are not read.")
    if lost := [layer.name for layer in layers if layer.patch is None]:
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        lines.append(f"Where positions lie in the clip is not known of {', '.join(lost[:3])}{more}: no heat is drawn.")
    return lines


def layer_table(network: Network, found: dict[str, list[str]]) -> Table:
    """The layers with, per stream that they see, stride and receptive field, and the layers that pass them on.

    How often a layer is called, and how many of its calls are read, is there where any is called again.
    """
    again = any(network.layers[name].calls > 1 for name in found)
    shown = table("layer", "kind", right=("units", "t × y × x", *(("calls (read)",) if again else ())))
    shown.columns[0].no_wrap = True
    shown.add_column("sees: frames × px (stride)")
    if any(found.values()):
        shown.add_column("also called", overflow="fold")
    for layer, others in ((network.layers[name], others) for name, others in found.items()):
        sees = []
        for name, (time, *space) in layer.receptive_field.streams.items():
            stream = network.stream(name)
            down, right = space
            size = f"{down.length}" if down.length == right.length else f"{down.length}×{right.length}"
            pixels = f"{size} px ({down.stride})" if down.stride else f"whole frame ({size} px)"
            sees.append(f"{name} {min(time.length, stream.frames)} × {pixels}")
        positions = " × ".join(str(size) for size in layer.positions)
        positions += f" + {layer.unplaced}" if layer.unplaced else ""
        row = [layer.name, layer.kind, str(layer.units), positions]
        row += [f"{layer.calls} ({layer.read})"] if again else []
        words = [*row, ", ".join(sees) or "nothing", ", ".join(others)]
        shown.add_row(*words[: len(shown.columns)])
    return shown
