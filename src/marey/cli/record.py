"""`marey record`: what every unit responds to every clip of a data set."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marey.cli.arguments import DataArgument, DeviceOption, FlowOption, GroupOption, NetArgument, OutOption, names
from marey.cli.progress import progress
from marey.cli.tables import remarks, screen, table

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
    from marey.datasets.clips_in import clips_in
    from marey.errors import VideoError
    from marey.families.loading import load
    from marey.recording.write.record import record as recorded
    from marey.recording.write.settings import RecordingSettings

    settings = RecordingSettings(windows=windows, flow=flow, batch=batch)
    network = placed(load(net), device)
    clips = clips_in(data.resolve(), group=group)
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
        print(f"marey: interrupted; what is recorded stays in '{out}', the same line goes on.", file=sys.stderr)
        return 130
    _show(found, out)
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
    for line in remarks(found.skipped, found.damaged, found.padded):
        shown.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def reporting() -> Iterator[Callable[[int, int], None]]:
    """Gives what is to be told how many of how many clips are recorded, and shows it."""
    with progress() as shown:
        shown.at("recording: the first clips")
        yield lambda done, count: shown.at("recording", done, count)
