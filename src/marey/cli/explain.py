"""`marey explain`: why a network says a class of one clip."""

from pathlib import Path
from typing import Annotated

import typer

from marey.cli.arguments import DeviceOption, FlowOption, NetArgument, OutOption, SeedOption
from marey.cli.figure import draw_figure
from marey.cli.screen import say


def explain(
    net: NetArgument,
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video or a folder of frames.", show_default=False)],
    *,
    instead: Annotated[
        str | None,
        typer.Option("--instead", metavar="CLASS", help="Why not this class? Default: the second.", show_default=False),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--recording",
            metavar="DIR",
            help="A folder of `marey record`: units are held at their means, and their top clips shown.",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option("--layer", metavar="NAME", help="Whose units explain. Default: a deep one.", show_default=False),
    ] = None,
    units: Annotated[int, typer.Option("--units", min=1, help="How many units to show.")] = 5,
    windows: Annotated[
        int | None,
        typer.Option(
            "--windows",
            help="Windows of the clip whose scores are averaged. Default: as many as the recording has, else 5.",
            show_default=False,
        ),
    ] = None,
    out: OutOption = Path("explained"),
    flow: FlowOption = "tvl1-fast",
    seed: SeedOption = 0,
    device: DeviceOption = None,
) -> None:
    """Explain one clip: the classes, the units that made the difference, where and when they respond."""
    from dataclasses import replace

    from marey.cli.device import placed
    from marey.cli.output import writable
    from marey.cli.progress import progress
    from marey.draw.explanation import explanation_sheet
    from marey.families.loading import load
    from marey.findings.explain import explain as explained
    from marey.findings.explanation import SHEET
    from marey.findings.finding import removed
    from marey.recording.read.recording import Recording
    from marey.video.encode import write_png

    network = placed(load(net), device)
    opened = None if recording is None else Recording.open(recording)
    writable(out)
    with progress() as shown:
        found = explained(
            network,
            clip,
            instead=instead,
            recording=opened,
            layer=layer,
            units=units,
            windows=windows,
            flow=flow,
            seed=seed,
            report=lambda done, total: shown.at("asking units", done, total),
        )
    addresses = " ".join(one.unit for one in found.seen)
    command = f"their preferred inputs: marey maximize {net} {addresses} --out {out / 'preferred'}"
    found = replace(found, finding=replace(found.finding, remarks=(*found.finding.remarks, command)))
    folder = out / "finding"
    removed(folder)
    found.save(folder)
    draw_figure(found.finding.chart, folder)
    written = [folder]
    if any(one.loaded.pictures for one in found.seen):
        write_png(explanation_sheet(found), out / SHEET)
        written.append(out / SHEET)
    for line in (*str(found).splitlines(), f"wrote {' and '.join(map(str, written))}"):
        say(line)
