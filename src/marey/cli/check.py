"""`marey check`: whether a network is declared as it was trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from marey.cli.arguments import DeviceOption, FlowOption, GroupOption, NetArgument
from marey.cli.progress import progress
from marey.cli.screen import say, screen
from marey.cli.tables import remarks, table
from marey.errors import NetworkError
from marey.network.network import Network
from marey.network.stream import Stream

if TYPE_CHECKING:
    from marey.evaluation.check import Checked

_CLASSES = 6
"""Class names that are shown."""


def check(
    net: NetArgument,
    *,
    clips: Annotated[
        Path | None,
        typer.Option(
            "--clips",
            metavar="DATA",
            help="Clips to show it, in any layout that marey knows; with classes it is seen when it is right.",
            show_default=False,
        ),
    ] = None,
    most: Annotated[int, typer.Option("--most", help="At most so many clips, balanced by class.", min=1)] = 60,
    group: GroupOption = None,
    flow: FlowOption = "tvl1-fast",
    device: DeviceOption = None,
) -> int:
    """Check how a network is declared: what it is given and gives, what is likely wrong, and what to write instead.

    Exits with 1 where something is likely wrong.
    """
    from marey.cli.device import placed
    from marey.datasets.clips_in import clips_in
    from marey.evaluation.check import check as checked
    from marey.families.loading import load

    network = placed(load(net), device)
    shown = None if clips is None else clips_in(clips, group=group)
    screen().print(_streams_table(network.streams))
    with progress() as report:
        found = checked(
            network,
            shown,
            most=most,
            flow=flow,
            report=lambda done, of: report.at("showing clips", done, of),
        )
    for line in _given(network, found):
        say(line)
    if found.rows:
        screen().print(_rows_table(found))
    for line in remarks(found.skipped, (), ()):
        say(line)
    for fault in found.faults:
        say(f"likely wrong: {fault}")
    if not found.faults:
        say("nothing is likely wrong")
    for line in found.unnoticed:
        say(f"not noticed here: {line}")
    return 1 if found.faults else 0


def _streams_table(streams: Sequence[Stream]) -> Table:
    """What each stream is, and what the network gets of one clip."""
    import torch

    from marey.evaluation.declarations import ranges

    shown = table("stream", "channels", "the network gets", "frames", "of the clip", "values")
    for stream in streams:
        shape = tuple(stream.to_network(torch.zeros(1, *stream.shape)).shape)
        low, high = zip(*ranges(stream), strict=True)
        shown.add_row(
            stream.name,
            stream.ordered,
            " × ".join(str(size) for size in shape),
            _times(stream),
            f"{stream.fit} to {stream.height} × {stream.width} px",
            f"{min(low):.4g} to {max(high):.4g}",
        )
    return shown


def _times(stream: Stream) -> str:
    rate = "the clip's rate" if stream.rate is None else f"{stream.rate:g} frames/s"
    if stream.frames == 1:
        return f"frame {stream.times[0]} at {rate}"
    if stream.sampling == "spread":
        return f"{stream.frames}, spread over the clip at {rate}"
    return f"{stream.frames}, from {stream.times[0]} to {stream.times[-1]} at {rate}"


def _given(network: Network, found: "Checked") -> list[str]:
    """What the network gives, and in which mode it came."""
    lines = []
    try:
        count = len(network.layers)
    except NetworkError:
        return []
    if found.network.classes:
        names = ", ".join(network.classes[:_CLASSES]) + (", ..." if len(network.classes) > _CLASSES else "")
        lines.append(f"{count} layers; class scores from '{network.scores}'; {len(network.classes)} classes: {names}")
    else:
        lines.append(f"{count} layers; no class scores that fit class names")
    if any(part.training for part in network.module.modules()):
        lines.append("it came in training mode: marey looks at it in evaluation mode, your own code must call eval()")
    return lines


def _rows_table(found: "Checked") -> Table:
    """All declarations with what tells them apart."""
    labeled = [*(("right", "gained", "lost") if found.labeled else ("surest class",)), "same answer"]
    streams = list(found.rows[0].distances)
    norms = [f"'{name}' from training" for name in streams]
    shown = table(f"on {found.clips} clips", "stream", right=[*labeled, *norms])
    for row in found.rows:
        told = [f"{row.confidence:.0%}"]
        if row.compared is not None:
            told = [str(row.compared.right), f"+{row.compared.gained}", f"-{row.compared.lost}"]
        apart = [f"{row.distances[name]:.2f}" for name in streams]
        shown.add_row(row.declaration.name, row.declaration.stream, *told, str(row.same_answers), *apart)
    return shown
