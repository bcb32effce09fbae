"""`marey record`: what every unit responds to every clip of a data set."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marey.cli.arguments import (
    DataArgument,
    DeviceOption,
    FlowOption,
    GroupOption,
    GroupsOption,
    NetArgument,
    OutOption,
    names,
)
from marey.cli.chosen_clips import chosen_clips
from marey.cli.progress import progress
from marey.cli.screen import say, screen
from marey.cli.tables import remarks, table

if TYPE_CHECKING:
    from marey.recording import Recording


def record(
    net: NetArgument,
    data: DataArgument,
    *,
    out: OutOption,
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            metavar="PATTERN,...",
            help="Layers to record, as 'fusion.*,fc6' (quote the star). Default: all that add something of their own.",
            show_default=False,
        ),
    ] = None,
    windows: Annotated[int, typer.Option("--windows", help="Windows of each clip, spread over it.")] = 3,
    batch: Annotated[int, typer.Option("--batch", help="Windows in each pass; more may be faster on a GPU.")] = 16,
    groups: GroupsOption = "all",
    group: GroupOption = None,
    flow: FlowOption = "tvl1-fast",
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Threads that decode ahead. Default: one per core.", show_default=False),
    ] = None,
    limit: Annotated[float, typer.Option("--limit", help="Seconds that decoding one clip may take.")] = 600.0,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray", metavar="ADDRESS", help="Record on a Ray cluster: its address, auto or local.", show_default=False
        ),
    ] = None,
    device: DeviceOption = None,
) -> int:
    """Record what units respond to clips: maxima with their places, statistics per class, predictions.

    Stopped, the same line goes on where it was. Run it several times at once to share the work.
    """
    from marey.cli.device import placed
    from marey.cli.output import writable
    from marey.datasets.clips_in import clip_set_in
    from marey.errors import VideoError
    from marey.families.loading import load
    from marey.recording.write.record import record as recorded
    from marey.recording.write.settings import RecordingSettings

    settings = RecordingSettings(windows=windows, flow=flow, batch=batch)
    network = placed(load(net), device)
    every = clip_set_in(data.resolve(), group=group)
    clips = chosen_clips(every.clips, groups, net=net, data=data)
    writable(out)
    try:
        with reporting() as report:
            found = recorded(
                network,
                clips,
                None if layers is None else names(layers),
                out=out,
                settings=settings,
                workers=workers,
                limit_seconds=limit,
                ray=ray,
                report=report,
            )
    except KeyboardInterrupt:
        say(f"marey: interrupted; what is recorded stays in '{out}', the same line goes on.", error=True)
        return 130
    _show(found, out)
    for line in (f"groups: {every.grouping}", *every.notes):
        screen().print(line, highlight=False, markup=False, soft_wrap=True)
    if not found.recorded:
        raise VideoError(
            f"none of the {len(found.skipped)} clips can be read, for the reasons above; nothing is recorded."
        )
    return 0


def _show(found: "Recording", out: Path) -> None:
    shown = screen()
    units = sum(layer.units for layer in found.layers.values())
    about = table("recording", right=("layers", "units", "clips", "skipped", "right"))
    counts = found.summary["clips"]
    right = f"{counts['right']} of {counts['of_known_class']}" if counts["of_known_class"] else "-"
    about.add_row(str(out), str(len(found.layers)), str(units), str(found.recorded), str(len(found.skipped)), right)
    shown.print(about)
    partly = [layer for layer in found.layers.values() if layer.note is not None]
    if partly:
        listed = ", ".join(f"{layer.name} ({layer.read} of {layer.calls} calls)" for layer in partly[:8])
        more = f" and {len(partly) - 8} more" if len(partly) > 8 else ""
        text = f"called in several places of a pass, and read in the first: {listed}{more}"
        shown.print(text, highlight=False, markup=False, soft_wrap=True)
    for line in _unjudged(found):
        shown.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in remarks(found.skipped, found.damaged, found.padded):
        shown.print(line, highlight=False, markup=False, soft_wrap=True)


def _unjudged(found: "Recording") -> list[str]:
    """Lines that say why recorded clips are neither right nor wrong, for a network that names classes."""
    counts = found.summary["clips"]
    known = sum(count for label, count in counts["labels"].items() if label in found.classes)
    lines = []
    if known > counts["of_known_class"]:
        lines.append("the network names classes but has no layer of class scores: nothing is said of right and wrong")
    if found.classes and known < found.recorded:
        strange = [label for label in counts["labels"] if label not in found.classes]
        words = (": " + ", ".join(strange[:6]) + (", ..." if len(strange) > 6 else "")) if strange else ""
        lines.append(
            f"{found.recorded - known} of {found.recorded} clips have no class that the network knows{words}; they are "
            "recorded, and neither right nor wrong"
        )
    return lines


@contextmanager
def reporting() -> Iterator[Callable[[int, int], None]]:
    """Gives what is to be told how many of how many clips are recorded, and shows it."""
    with progress() as shown:
        yield lambda done, count: shown.at("recording", done, count)
