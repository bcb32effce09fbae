"""`marey top`: the clips to which a unit responds most."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marey.cli.arguments import DeviceOption, FlowOption, FlowWord, GroupOption
from marey.cli.screen import say, screen
from marey.cli.tables import remarks, table

if TYPE_CHECKING:
    from marey.network.network import Network
    from marey.network.unit import Unit
    from marey.recording import Recording


def top(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NET-OR-RECORDING",
            help="A folder that `marey record` wrote, or a network, with --clips.",
            show_default=False,
        ),
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
    clips: Annotated[
        Path | None,
        typer.Option(
            "--clips",
            metavar="DATA",
            help="For a network: the clips to show it, recorded now, of the layers of the units only.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Keep what is recorded now. Default: it is not kept.", show_default=False
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures",
            metavar="DIR",
            help="Draw these clips: a sheet and loops of what each unit saw, in a folder for each.",
            show_default=False,
        ),
    ] = None,
    heat: Annotated[
        str | None,
        typer.Option(
            "--heat",
            metavar="NET",
            help="With --pictures: the network of the recording, to draw where in whole clips a unit responds.",
            show_default=False,
        ),
    ] = None,
    group: GroupOption = None,
    flow: FlowOption = "tvl1-fast",
    device: DeviceOption = None,
) -> None:
    """Show the clips that drive units most: value, part of the maximum, second, place (t, y, x), class, prediction.

    With --pictures they are drawn, too. Given a network, loops of the whole clips show where and when a unit responds.
    """
    from marey.cli.device import placed
    from marey.cli.output import writable
    from marey.errors import MareyError
    from marey.families.loading import load
    from marey.recording import Recording, check_same_weights

    if heat is not None and pictures is None:
        raise typer.BadParameter("--heat draws; name a folder for it with --pictures DIR.")
    if pictures is not None:
        writable(pictures)
    show = partial(_show, units=units, count=count, one_per_group=not same_group, pictures=pictures)
    if Path(source).is_dir():
        if clips is not None:
            raise MareyError(f"'{source}' is a folder, as recordings are; --clips are shown to a network.")
        found, network = Recording.open(source), None if heat is None else placed(load(heat), device)
        if network is not None:
            check_same_weights(found, network)
        show(found, network=network)
        return
    if clips is None:
        raise MareyError(
            f"'{source}' is no folder with a recording; if it is a network, give --clips DATA to record these units "
            "now, or make a recording with `marey record` and name its folder."
        )
    if heat is not None:
        raise MareyError(f"'{source}' is a network, which draws the heat itself; --heat goes with a recording.")
    network = placed(load(source), device)
    with _recorded(network, units, clips, out=out, group=group, flow=flow) as recording:
        show(recording, network=network)


@contextmanager
def _recorded(
    network: "Network", units: list[str], data: Path, *, out: Path | None, group: str | None, flow: FlowWord
) -> Iterator["Recording"]:
    """A recording of the layers of units, made now; its folder is removed afterwards if `out` is None."""
    from marey.cli.output import writable
    from marey.cli.record import reporting
    from marey.datasets.clips_in import clips_in
    from marey.recording.write.record import record
    from marey.recording.write.settings import RecordingSettings

    layers = [str(name) for name in dict.fromkeys(unit.layer for unit in network.units(units))]
    found = clips_in(data.resolve(), group=group)
    with tempfile.TemporaryDirectory(prefix="marey-top-") as temporary:
        folder = Path(temporary) / "recording" if out is None else writable(out)
        with reporting() as report:
            recording = record(network, found, layers, out=folder, settings=RecordingSettings(flow=flow), report=report)
        for line in remarks(recording.skipped, recording.damaged, recording.padded):
            screen().print(line, highlight=False, markup=False, soft_wrap=True)
        yield recording


def _shown(found: "Recording", unit: "Unit") -> str:
    """What pictures show of clips."""
    layer = found.layer(unit.layer)
    return "as far as it sees them" if layer.where == layer.receptive_field else "around the patch that drives it"


def _show(
    found: "Recording",
    *,
    units: list[str],
    count: int,
    one_per_group: bool,
    pictures: Path | None,
    network: "Network | None",
) -> None:
    """A table for each unit; with `pictures`, its clips in a folder, and with the network, whole clips under heat."""
    from marey.draw.exemplars import draw_exemplars
    from marey.draw.heat_loop import draw_heat
    from marey.maximization.result_folder import folder_names
    from marey.network.unit import expand
    from marey.recording import exemplars
    from marey.recording.read.heat import no_heat

    addresses = [str(one) for unit in units for one in (expand(unit) if ":" in unit else [unit])]
    for address, name in zip(addresses, folder_names(addresses), strict=True):
        unit = found.unit(address)
        shown = table(address, "class", "predicted", right=("response", "of maximum", "second", "t, y, x"))
        largest = float(found.largest(unit.layer)[unit.channel])
        for one in found.top(unit, count, one_per_group=one_per_group):
            share = f"{one.value / largest:.0%}" if largest > 0 and one.value >= 0 else "-"
            shown.add_row(
                str(one.clip.path),
                one.clip.label or "-",
                one.prediction or "-",
                f"{one.value:.4g}",
                share,
                f"{one.seconds:.2f}",
                ", ".join(str(place) for place in one.position),
            )
        screen().print(shown)
        if pictures is not None:
            clips = exemplars(found, unit, count, one_per_group=one_per_group)
            folder = pictures / name
            draw_exemplars(clips, folder, title=f"{address}: real clips that drive it most, {_shown(found, unit)}")
            if network is not None and any(stream.kind == "rgb" for stream in network.streams):
                layer = network.layer(unit.layer)
                if layer.patch is None:
                    screen().print(no_heat(layer), highlight=False, markup=False, soft_wrap=True)
                else:
                    flow = found.summary["settings"]["flow"]
                    draw_heat(network, [one.response for one in clips], folder, flow=flow, largest=largest)
            say(folder / "real_clips.png")
