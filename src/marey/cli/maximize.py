"""`marey maximize`: the preferred appearance and motion of units, slow to fast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from marey.cli.arguments import DeviceOption, FlowOption, FlowWord, GroupOption, NetArgument, OutOption, SeedOption
from marey.cli.device import placed
from marey.cli.output import writable
from marey.maximization.parametrizations import Name
from marey.maximization.recipe import Precision, Recipe
from marey.maximization.result import PreferredInput, folder_name
from marey.network.network import Network
from marey.network.unit import Unit

if TYPE_CHECKING:
    from marey.recording import Recording

_SHIPPED = Recipe()
_REAL_CLIPS = 4  # beside a preferred input
_SWEEP = " ".join(f"{chi:g}" for chi in _SHIPPED.slowness)


def maximize(
    net: NetArgument,
    units: Annotated[
        list[str],
        typer.Argument(
            metavar="UNIT...",
            help="layer:channel, layer:first-last, layer:channel@t,y,x, a class name, or 'classes' for all of them.",
            show_default=False,
        ),
    ],
    *,
    out: OutOption = Path("preferred"),
    slowness: Annotated[
        str,
        typer.Option(
            "--slowness", metavar="CHI...", help="The chi sweep: 0 leaves the motion free (fast), 10 slows it."
        ),
    ] = _SWEEP,
    clips: Annotated[
        Path | None,
        typer.Option(
            "--clips",
            metavar="DATA",
            help="Real clips that measure each unit's real maximum, kept with the network. Needed once per layer.",
            show_default=False,
        ),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--recording",
            metavar="DIR",
            help="What `marey record` wrote of NET: gives the real maxima, and the clips beside each preferred input.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", help="Most steps; a run that has converged ends early.")
    ] = _SHIPPED.steps,
    strength: Annotated[
        float,
        typer.Option("--strength", help="Weight of the score against the priors; less gives calmer pictures."),
    ] = _SHIPPED.strength,
    parametrization: Annotated[
        Name, typer.Option("--parametrization", help="How the frames are held.")
    ] = _SHIPPED.parametrization,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Excite all positions of a unit instead of the one in the middle.")
    ] = False,
    mosaic: Annotated[
        bool, typer.Option("--mosaic", help="All units of one convolutional layer in one picture, a position each.")
    ] = False,
    precision: Annotated[
        Precision, typer.Option("--precision", help="The network's arithmetic; auto times both.")
    ] = _SHIPPED.precision,
    batch: Annotated[int | None, typer.Option("--batch", help="Most inputs at a time.", show_default=False)] = None,
    flow: FlowOption = "tvl1-fast",
    group: GroupOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
) -> int:
    """Synthesize the input, in all streams together, that excites UNITs most, at several slownesses.

    For each unit a folder in DIR holds the frames, scores and settings, a contact sheet and looping videos.
    """
    from marey.draw.preferred_input import draw, draw_overview
    from marey.errors import NetworkError
    from marey.families.loading import load
    from marey.maximization.mosaic import maximize_mosaic
    from marey.maximization.run import Progress as Steps
    from marey.maximization.run import maximize as preferred_inputs

    if clips is not None and recording is not None:
        raise typer.BadParameter("--clips and --recording both give the real maxima; give one of them.")
    recipe = Recipe(
        slowness=_numbers(slowness),
        steps=steps,
        strength=strength,
        parametrization=parametrization,
        where="everywhere" if everywhere else "center",
        precision=precision,
        batch=batch,
        seed=seed,
    )
    network = placed(load(net), device)
    if "classes" in units and not network.classes:
        raise NetworkError(f"{network.name} has no classes; name units, as in '{_example(network)}'.")
    addresses = [one for name in units for one in (network.classes if name == "classes" else [name])]
    targets = network.units(addresses)
    recorded = None if recording is None else _recorded(network, recording, {unit.layer for unit in targets})
    writable(out)
    console = Console(stderr=True)
    if clips is not None:
        measure(network, net, clips, {unit.layer for unit in targets}, flow=flow, group=group, console=console)
    unknown = sorted({unit.layer for unit in targets} - network.maxima.keys())
    with Progress(
        TextColumn("maximizing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("score {task.fields[score]:.2f}"),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None, score=0.0)

        def follow(progress: Steps) -> None:
            bar.update(task, completed=progress.done, total=progress.planned, score=float(progress.scores.nanmean()))

        if mosaic:
            results = [maximize_mosaic(network, targets, recipe=recipe, progress=follow)]
        else:
            results = preferred_inputs(network, targets, recipe=recipe, progress=follow)
    for place, result in enumerate(results):
        folder = result.save(out / folder_name(result.label))
        draw(result, folder)
        if recorded is not None and not mosaic:
            _draw_real(result, recorded, targets[place], folder, console)
        console.print(summary(result), highlight=False)
    if len(results) > 1:
        draw_overview(results, out / "overview.png", title=network.name)
    if unknown:
        console.print(
            f"{network.name} knows no real maxima of {', '.join(unknown)}: scores are relative to generated clips, and "
            "pictures may be noisy; give --clips DATA or --recording DIR.",
            highlight=False,
            markup=False,
        )
    print(out / ("overview.png" if len(results) > 1 else f"{folder_name(results[0].label)}/contact_sheet.png"))
    return 130 if any(result.interrupted for result in results) else 0


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise typer.BadParameter(f"--slowness is '{text}'; expected numbers of at least 0, as in 0 1 5 10.") from None


def summary(result: PreferredInput) -> str:
    """One line: the score at every slowness that makes a difference, and what must be said."""
    parts = []
    for place, chi in enumerate(result.slowness[:1] if result.still else result.slowness):
        words = [f"{result.scores[place]:.2f}"]
        recognized = result.recognized[place]
        if recognized is not None:
            words.append(f"is {recognized}")
        words += [note.split(":")[0] for note in result.notes[place]]
        parts.append(", ".join(words) if result.still else f"chi {chi:g}: {', '.join(words)}")
    return f"[bold]{escape(result.label)}[/bold]  {escape(' | '.join(parts))}  (of {result.maximum_source})"


def _example(network: Network) -> str:
    return f"{list(network.layers)[-1]}:0"


def _recorded(network: Network, folder: Path, layers: set[str]) -> "Recording":
    """The recording in a folder, whose maxima of `layers` the network's scores now are relative to."""
    from marey.recording import Recording, put_maxima

    found = Recording.open(folder)
    put_maxima(found, network, sorted(layers))
    return found


def _draw_real(result: PreferredInput, recorded: "Recording", unit: Unit, folder: Path, console: Console) -> None:
    """The clips that drive a unit most, in its folder and on its contact sheet; a note where they are gone."""
    from marey.draw.exemplars import draw_exemplars, sheet_with_exemplars
    from marey.draw.preferred_input import SHEET, STRIP, picture_row
    from marey.errors import VideoError
    from marey.recording.exemplars import exemplars
    from marey.video.encode import write_png

    try:
        found = exemplars(recorded, unit, _REAL_CLIPS)
    except VideoError as error:
        console.print(f"no real clips beside {result.label}: {error}", highlight=False, markup=False)
        return
    draw_exemplars(found, folder)
    write_png(sheet_with_exemplars(picture_row(result, fields=STRIP), found), folder / SHEET)


def measure(
    network: Network, source: str, clips: Path, layers: set[str], *, flow: FlowWord, group: str | None, console: Console
) -> None:
    """Measure the real maxima of `layers` on clips, and keep them in the network's file where it has one."""
    from marey.datasets.skipped_clip import SkippedClip
    from marey.families.loading import keep_maxima
    from marey.recording.measured import measure_maxima

    left_out: list[SkippedClip] = []
    with console.status(escape(f"measuring {', '.join(sorted(layers))} on the clips of {clips}")):
        count = measure_maxima(
            network,
            clips,
            layers,
            flow=flow,
            group=group,
            failed=lambda clip, error: left_out.append(SkippedClip.of(clip, error)),
        )
    for one in left_out:
        console.print(str(one), highlight=False, markup=False)
    if source.endswith(".safetensors"):
        keep_maxima(network, source)
    console.print(f"real maxima of {', '.join(sorted(layers))} from {count} clips", highlight=False, markup=False)
