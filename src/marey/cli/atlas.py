"""`marey atlas`: web pages for every unit, class and finding."""

from pathlib import Path
from typing import Annotated

import typer

from marey.cli.arguments import DeviceOption, OutOption, names
from marey.cli.progress import progress
from marey.cli.screen import say


def atlas(
    recording: Annotated[
        Path, typer.Argument(metavar="RECORDING", help="A folder that `marey record` wrote.", show_default=False)
    ],
    *,
    preferred: Annotated[
        Path | None,
        typer.Option("--preferred", metavar="DIR", help="Results of `marey maximize`.", show_default=False),
    ] = None,
    findings: Annotated[
        Path | None, typer.Option("--findings", metavar="DIR", help="Answers of `marey find`.", show_default=False)
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
    out: OutOption = Path("atlas"),
    device: DeviceOption = None,
) -> None:
    """Write web pages of a recorded network, which open from disk: units, layers, classes, answers to questions.

    Stopped, the same line makes what is missing. What is there and shows the same is not made again.
    """
    from marey.atlas.writing import write_atlas
    from marey.cli.device import placed
    from marey.families.loading import load

    verifiers = [placed(load(one), device) for one in verifier or ()]
    with progress() as shown:
        front = write_atlas(
            recording,
            out=out,
            preferred=preferred,
            findings=findings,
            layers=None if layers is None else names(layers),
            clips=clips,
            verifiers=verifiers,
            report=shown.at,
        )
    say(front)
