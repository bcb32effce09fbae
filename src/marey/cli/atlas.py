"""`marey atlas`: web pages for every unit, class, clip and finding."""

from pathlib import Path
from typing import Annotated

import typer

from marey.cli.arguments import DeviceOption, names
from marey.cli.progress import progress
from marey.cli.screen import say


def atlas(
    recording: Annotated[
        Path, typer.Argument(metavar="RECORDING", help="A folder that `marey record` wrote.", show_default=False)
    ],
    units: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[UNIT]...", help="For --single-file: layer:channel, layer:0-8, or a class.", show_default=False
        ),
    ] = None,
    *,
    preferred: Annotated[
        Path | None,
        typer.Option("--preferred", metavar="DIR", help="Results of `marey maximize`.", show_default=False),
    ] = None,
    findings: Annotated[
        Path | None, typer.Option("--findings", metavar="DIR", help="Answers of `marey find`.", show_default=False)
    ] = None,
    explanations: Annotated[
        Path | None,
        typer.Option("--explanations", metavar="DIR", help="Results of `marey explain`.", show_default=False),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            metavar="NET",
            help="The recorded network: draws heat over clips, and tells each unit's inputs and outputs.",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers", metavar="NAME,...", help="Names or patterns ('fusion.*'). Default: all.", show_default=False
        ),
    ] = None,
    clips: Annotated[int, typer.Option("--clips", min=1, help="How many real clips stand on the page of a unit.")] = 6,
    verifier: Annotated[
        list[str] | None,
        typer.Option(
            "--verifier",
            metavar="NET",
            help="A network that is asked what the guess page asks people; may be given again.",
            show_default=False,
        ),
    ] = None,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="Write the pages of the UNITs as one file, such as --out units.html.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the pages, or the single file.")
    ] = Path("atlas"),
    device: DeviceOption = None,
) -> None:
    """Write web pages of a recorded network, which open from disk: units, layers, classes, clips, answers to questions.

    Stopped, the same line makes what is missing. What is there and shows the same is not made again.
    """
    from marey.atlas.single_page import write_single_page
    from marey.atlas.writing import write_atlas
    from marey.cli.device import placed
    from marey.families.loading import load

    _check(units, single_file=single_file, layers=layers, explanations=explanations)
    verifiers = [placed(load(one), device) for one in verifier or ()]
    opened = None if network is None else placed(load(network), device)
    with progress() as shown:
        if single_file:
            front = write_single_page(
                recording,
                units or [],
                out=out,
                preferred=preferred,
                findings=findings,
                network=opened,
                clips=clips,
                report=shown.at,
            )
        else:
            front = write_atlas(
                recording,
                out=out,
                preferred=preferred,
                findings=findings,
                explanations=explanations,
                network=opened,
                layers=None if layers is None else names(layers),
                clips=clips,
                verifiers=verifiers,
                report=shown.at,
            )
    say(front)


def _check(units: list[str] | None, *, single_file: bool, layers: str | None, explanations: Path | None) -> None:
    if single_file and not units:
        raise typer.BadParameter("--single-file needs the units to show, as in `marey atlas RECORDING fc6:3 wave`.")
    if units and not single_file:
        raise typer.BadParameter(f"'{units[0]}' is a unit; add --single-file to write pages of some units as one file.")
    if single_file and (layers is not None or explanations is not None):
        raise typer.BadParameter("--single-file shows the units that are named; leave out --layers and --explanations.")
