"""`marey maximize`: the preferred appearance and motion of units, slow to fast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from marey.cli.arguments import DeviceOption, FlowOption, FlowWord, GroupOption, NetArgument, OutOption, SeedOption
from marey.cli.device import placed
from marey.cli.output import writable
from marey.cli.screen import Screen, plain, say, screen
from marey.errors import printable
from marey.maximization.recipe import Precision, Recipe
from marey.maximization.result import PreferredInput, folder_name
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.unit import Unit

if TYPE_CHECKING:
    from marey.recording import Recording

_SHIPPED = Recipe()
_REAL_CLIPS = 4  # beside a preferred input
_SWEEP = ",".join(f"{chi:g}" for chi in _SHIPPED.slowness)


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
            "--slowness", metavar="CHI,...", help="The chi sweep: 0 leaves the motion free (fast), 10 slows it."
        ),
    ] = _SWEEP,
    clips: Annotated[
        Path | None,
        typer.Option(
            "--clips",
            metavar="DATA",
            help="Clips on which each unit's range is measured, kept in NET's file where it is one.",
            show_default=False,
        ),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--recording",
            metavar="DIR",
            help="A folder of `marey record`: gives the ranges of units, and the clips beside each preferred input.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", help="Most steps; a run that has converged ends early.")
    ] = _SHIPPED.steps,
    weight: Annotated[
        float | None,
        typer.Option(
            "--weight",
            help="Weight of the score against the priors; less gives calmer pictures. Default: 8 for classes, else 2.",
            show_default=False,
        ),
    ] = _SHIPPED.weight,
    parametrization: Annotated[
        Literal["fourier", "pixels"], typer.Option("--parametrization", help="How the frames are held.")
    ] = "fourier",
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

    For each unit a folder in DIR holds the frames, scores and settings, a contact sheet and a looping video.
    """
    from marey.families.loading import load

    if clips is not None and recording is not None:
        raise typer.BadParameter("--clips and --recording both give the units' ranges; give one of them.")
    recipe = Recipe(
        slowness=_numbers(slowness),
        steps=steps,
        weight=weight,
        where="everywhere" if everywhere else "center",
        precision=precision,
        batch=batch,
        seed=seed,
    )
    network = placed(load(net), device)
    targets = _units(network, units)
    layers = {unit.layer for unit in targets}
    recorded = None if recording is None else _recorded(network, recording)
    writable(out)
    console = screen(error=True)
    maxima = None if recorded is None else recorded.maxima(sorted(layers))
    if clips is not None:
        maxima = _measured(network, net, clips, layers, flow=flow, group=group, console=console)
    results = _maximized(
        network, targets, recipe, maxima, parametrization=parametrization, mosaic=mosaic, console=console
    )
    _write(results, out, recorded, [] if mosaic else targets, console)
    known = Maxima.merged(*(one for one in (maxima, network.maxima) if one is not None))
    unknown = sorted(layer for layer in layers if layer not in known)
    if unknown:
        console.print(
            f"no clip says how far {', '.join(unknown)} of {network.name} respond: scores are relative to generated "
            "clips, and pictures may be noisy; give --clips DATA or --recording DIR.",
            highlight=False,
            markup=False,
        )
    say(out / ("overview.png" if len(results) > 1 else f"{folder_name(results[0].label)}/contact_sheet.png"))
    return 130 if any(result.interrupted for result in results) else 0


def _units(network: Network, words: list[str]) -> list[Unit]:
    from marey.errors import NetworkError

    if "classes" in words and not network.classes:
        raise NetworkError(f"{network.name} has no classes; name units, as in '{list(network.layers)[-1]}:0'.")
    return network.units([one for word in words for one in (network.classes if word == "classes" else [word])])


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--slowness is '{text}'; expected numbers of at least 0, as in 0,1,5,10.") from None


def _maximized(
    network: Network,
    targets: list[Unit],
    recipe: Recipe,
    maxima: Maxima | None,
    *,
    parametrization: str,
    mosaic: bool,
    console: Screen,
) -> list[PreferredInput]:
    """The results, under a bar that tells steps, time left and the mean score."""
    from marey.maximization.mosaic import maximize_mosaic
    from marey.maximization.run import Progress as Steps
    from marey.maximization.run import maximize as preferred_inputs

    columns = (TextColumn("maximizing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    score = TextColumn("score {task.fields[score]:.2f}")
    with Progress(*columns, score, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, score=0.0)

        def follow(progress: Steps) -> None:
            if progress.done % 4 == 0:  # reading the scores makes an accelerator wait
                mean = float(progress.scores.nanmean())
                bar.update(task, completed=progress.done, total=progress.planned, score=mean)

        options = {"recipe": recipe, "maxima": maxima, "parametrization": parametrization, "callback": follow}
        if mosaic:
            return [maximize_mosaic(network, targets, **options)]
        return preferred_inputs(network, targets, **options)  # type: ignore[arg-type]


def _write(
    results: list[PreferredInput], out: Path, recorded: "Recording | None", units: list[Unit], console: Screen
) -> None:
    """Each result in a folder with its pictures, the overview of several, and a line about each."""
    from marey.draw.preferred_input import draw, draw_overview

    for place, result in enumerate(results):
        folder = result.save(out / folder_name(result.label))
        draw(result, folder)
        if recorded is not None and units:
            _draw_real(result, recorded, units[place], folder, console)
        console.print(summary(result), highlight=False)
    if len(results) > 1:
        draw_overview(results, out / "overview.png", title=results[0].provenance["network"])


def summary(result: PreferredInput) -> Text:
    """One line: the score at every slowness that makes a difference, and what must be said."""
    parts = []
    for place, chi in enumerate(result.slowness[:1] if result.still else result.slowness):
        words = [f"{result.scores[place]:.2f}"]
        recognized = result.recognized[place]
        if recognized is not None:
            words.append(f"recognized as {recognized}")
        words += [note.split(":")[0] for note in result.notes[place]]
        parts.append(", ".join(words) if result.still else f"slowness {chi:g}: {', '.join(words)}")
    rest = f"  {' | '.join(parts)}  (1 is the largest on {result.source})"
    return Text.assemble((printable(result.label), "bold"), printable(rest))


def _recorded(network: Network, folder: Path) -> "Recording":
    """The recording in a folder, which must be of this network."""
    from marey.recording import Recording, check_same_weights

    found = Recording.open(folder)
    check_same_weights(found, network)
    return found


def _draw_real(result: PreferredInput, recorded: "Recording", unit: Unit, folder: Path, console: Screen) -> None:
    """The clips that drive a unit most, in its folder and on its contact sheet; a note where they are gone."""
    from marey.draw.exemplars import draw_exemplars, sheet_with_exemplars
    from marey.draw.preferred_input import SHEET, STRIP, picture_row
    from marey.errors import VideoError
    from marey.recording import exemplars
    from marey.video.encode import write_png

    try:
        found = exemplars(recorded, unit, _REAL_CLIPS)
    except VideoError as error:
        console.print(f"no real clips beside {result.label}: {error}", highlight=False, markup=False)
        return
    draw_exemplars(found, folder)
    sheet = sheet_with_exemplars(picture_row(result, fields=STRIP), found, relative_to=result)
    write_png(sheet, folder / SHEET)


def _measured(
    network: Network, source: str, clips: Path, layers: set[str], *, flow: FlowWord, group: str | None, console: Screen
) -> Maxima:
    """The maxima of `layers` on clips, kept in the network's file where it has one."""
    from marey.datasets.skipped_clip import SkippedClip
    from marey.families.loading import keep_maxima
    from marey.recording import measure_maxima

    skipped: list[SkippedClip] = []
    with console.status(plain(f"measuring {', '.join(sorted(layers))} on the clips of {clips}")):
        maxima = measure_maxima(
            network,
            clips,
            layers,
            flow=flow,
            group=group,
            skipped=lambda clip, error: skipped.append(SkippedClip.of(clip, error)),
        )
    for one in skipped:
        console.print(str(one), highlight=False, markup=False)
    if source.endswith(".safetensors"):
        keep_maxima(maxima, source)
    console.print(f"the range of {', '.join(sorted(layers))} is that on {maxima.source}", highlight=False, markup=False)
    return maxima
