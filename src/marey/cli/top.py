"""`marey top`: the clips that a unit answers to most."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from marey.cli.tables import screen, table


def top(
    recording: Annotated[
        Path,
        typer.Argument(metavar="RECORDING", help="A folder that `marey record` wrote.", show_default=False),
    ],
    units: Annotated[
        list[str],
        typer.Argument(metavar="UNIT...", help="layer:channel, layer:first-last or a class name.", show_default=False),
    ],
    *,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many clips to show.")] = 9,
    same_group: Annotated[
        bool, typer.Option("--same-group/--one-per-group", help="Also further clips of a person or source video.")
    ] = False,
) -> None:
    """Show the clips that drive units most: value, part of the maximum, second, place (t, y, x), class, prediction."""
    from marey.recording.recording import Recording
    from marey.units import expand

    found = Recording.open(recording)
    addresses = [one for address in units for one in (expand(address) if ":" in address else [address])]
    for address in addresses:
        unit = found.unit(address)
        shown = table(escape(str(address)), "class", "predicted", right=("response", "of maximum", "second", "t, y, x"))
        largest = float(found.maxima(unit.layer)[unit.channel])
        for one in found.top(unit, count, one_per_group=not same_group):
            share = f"{one.value / largest:.0%}" if largest > 0 and one.value >= 0 else "-"
            shown.add_row(
                escape(str(one.clip.path)),
                escape(one.clip.label or "-"),
                escape(one.prediction or "-"),
                f"{one.value:.4g}",
                share,
                f"{one.seconds:.2f}",
                ", ".join(str(place) for place in one.position),
            )
        screen().print(shown)
