"""`marey maximize`: the preferred appearance and motion of units, slow to fast."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from marey.cli.arguments import DeviceOption, FlowOption, FlowWord, GroupOption, NetArgument, OutOption, SeedOption
from marey.cli.device import placed
from marey.cli.output import writable
from marey.cli.progress import Report, progress
from marey.cli.screen import say
from marey.errors import printable
from marey.maximization.recipe import OfClass, Precision, Recipe
from marey.maximization.result import PreferredInput
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.unit import Unit

if TYPE_CHECKING:
    from marey.maximization.maximization import Callback, Maximization
    from marey.maximization.maximization import Progress as Steps
    from marey.maximization.result_folder import ResultFolder
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
    of_class: Annotated[
        OfClass | None,
        typer.Option(
            "--of-class",
            help="What is maximized of a class. Default: margin for networks of several RGB frames alone, else score.",
            show_default=False,
        ),
    ] = _SHIPPED.of_class,
    parametrization: Annotated[
        Literal["fourier", "moved", "pixels"] | None,
        typer.Option(
            "--parametrization",
            help="How frames are held. Default: moved for units that see several RGB frames and no flow, else fourier.",
            show_default=False,
        ),
    ] = None,
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

    For each unit a folder in DIR holds the frames, scores and settings, a contact sheet and a looping video. It is
    written as soon as it is made. Stopped, the same line goes on where it was; results that are there stay.
    """
    from marey.draw.exemplars import REAL_CLIPS
    from marey.draw.preferred_input import SHEET, VIDEO
    from marey.families.loading import load
    from marey.maximization.maximization import Maximization
    from marey.maximization.mosaic import mosaic as together
    from marey.maximization.mosaic import mosaic_label
    from marey.maximization.parts import Parts
    from marey.maximization.result_folder import ResultFolder

    if clips is not None and recording is not None:
        raise typer.BadParameter("--clips and --recording both give the units' ranges; give one of them.")
    recipe = Recipe(
        slowness=_numbers(slowness),
        steps=steps,
        weight=weight,
        of_class=of_class,
        where="everywhere" if everywhere else "center",
        precision=precision,
        batch=batch,
        seed=seed,
    )
    network = placed(load(net), device)
    targets = list(dict.fromkeys(_units(network, units)))
    layers = {unit.layer for unit in targets}
    recorded = None if recording is None else _recorded(network, recording)
    labels = [mosaic_label(targets)] if mosaic else [network.label(unit) for unit in targets]
    folder = ResultFolder(writable(out), labels, pictures=(SHEET, VIDEO, *REAL_CLIPS))
    with progress() as report:
        count = "a mosaic" if mosaic else "1 unit" if len(targets) == 1 else f"{len(targets)} units"
        report.at(f"maximizing {count} of {network.name}: measuring responses")
        maxima = None if recorded is None else recorded.maxima(sorted(layers))
        if clips is not None:
            maxima = _measured(network, net, clips, layers, flow=flow, group=group, report=report)
        parts = Parts.of(parametrization=parametrization)
        run = (together if mosaic else Maximization)(
            network, targets, recipe=recipe, maxima=maxima, parts=parts, callback=_follow(report)
        )
        made = _make(run, folder, _drawing(recorded, [] if mosaic else targets, report), report)
        known = Maxima.merged(*(one for one in (maxima, network.maxima) if one is not None))
        unknown = sorted(layer for layer in layers if layer not in known)
        if unknown:
            report.say(
                f"no clip says how far {', '.join(unknown)} of {network.name} respond: scores are relative to "
                "generated clips, and pictures may be noisy; give --clips DATA or --recording DIR."
            )
    for page in sorted(out.glob("overview*.png")) if len(made) > 1 else [out / folder.names[made[0]] / SHEET]:
        say(page)
    return 130 if run.interrupted else 0


def _make(run: "Maximization", folder: "ResultFolder", draw: Callable[..., None], report: Report) -> list[int]:
    """Make, write and draw the results that are not there yet; the places of those that are."""
    from marey.draw.preferred_input import SHEET, VIDEO, draw_overview
    from marey.maximization.result_folder import OVERVIEW

    finished, other = folder.found(run)
    missing = len(run.labels) - len(finished)
    if finished:
        rest = f"{missing} follow" if missing else "nothing is left to compute"
        report.say(f"{len(finished)} of {len(run.labels)} results are in '{folder.path}' already; {rest}.")
    if other:
        report.say(f"{len(other)} results in '{folder.path}' were made with other settings; they are made anew.")
    made, complete = set(finished), set(finished)
    with _counted(complete, run, folder):
        for place in finished:
            name = folder.names[place]
            if not all((folder.path / name / picture).exists() for picture in (SHEET, VIDEO)):
                folder.write(name, folder.open(name), partial(draw, place))
        if missing:
            report.at("maximizing: first step")
        for place, result in run.results(besides=finished):
            folder.write(folder.names[place], result, partial(draw, place))
            made.add(place)
            complete.update(() if result.interrupted else (place,))
            report.say(summary(result))
        if len(made) > 1 and (missing or not (folder.path / OVERVIEW).exists()):
            report.at("drawing the overview")
            results = (folder.open(folder.names[place]) for place in sorted(made))
            draw_overview(results, folder.path / OVERVIEW, title=run.network.name)
    return sorted(made)


@contextmanager
def _counted(complete: set[int], run: "Maximization", folder: "ResultFolder") -> Iterator[None]:
    """An error or Ctrl-C in the middle says how many results there are."""
    from marey.errors import MareyError

    def stay() -> str:
        count = f"{len(complete)} of {len(run.labels)} results"
        return f"{count} are complete and stay in '{folder.path}'; the same line goes on."

    try:
        yield
    except MareyError as error:
        raise type(error)(f"{error} {stay()}" if complete else str(error)) from error
    except BaseException:
        if complete:
            say(f"marey: {stay()}", error=True)
        raise
    if run.interrupted:
        say(f"marey: interrupted; {stay()}", error=True)


def _follow(report: Report) -> "Callback":
    """Tells steps and the mean score."""

    def follow(progress: "Steps") -> None:
        if progress.done % 4 == 0 or progress.done == 1:  # reading the scores makes an accelerator wait
            mean = float(progress.scores.nanmean())
            what = "free clip, score" if progress.free else "score"
            report.at("maximizing", progress.done, progress.planned, note=f"{what} {mean:.2f}")

    return follow


def _drawing(recorded: "Recording | None", units: list[Unit], report: Report) -> Callable[..., None]:
    """Draws the result at a place into a folder, with the clips that drive its unit most."""
    from marey.draw.preferred_input import draw

    def pictures(place: int, result: PreferredInput, folder: Path) -> None:
        draw(result, folder)
        if recorded is not None and units:
            _draw_real(result, recorded, units[place], folder, report)

    return pictures


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


def _draw_real(result: PreferredInput, recorded: "Recording", unit: Unit, folder: Path, report: Report) -> None:
    """The clips that drive a unit most, in its folder and on its contact sheet; a note where they are gone."""
    from marey.draw.exemplars import draw_exemplars, sheet_with_exemplars
    from marey.draw.preferred_input import SHEET, STRIP, picture_row
    from marey.errors import VideoError
    from marey.recording import exemplars
    from marey.video.encode import in_levels, write_png

    try:
        found = exemplars(recorded, unit, _REAL_CLIPS)
    except VideoError as error:
        report.say(f"no real clips beside {result.label}: {error}")
        return
    draw_exemplars(found, folder)
    sheet = sheet_with_exemplars(picture_row(result, fields=STRIP), found, relative_to=result)
    write_png(in_levels(sheet), folder / SHEET)


def _measured(
    network: Network, source: str, clips: Path, layers: set[str], *, flow: FlowWord, group: str | None, report: Report
) -> Maxima:
    """The maxima of `layers` on clips, kept in the network's file where it has one."""
    from marey.datasets.skipped_clip import SkippedClip
    from marey.families.loading import keep_maxima
    from marey.recording import measure_maxima

    skipped: list[SkippedClip] = []
    report.at(f"measuring {', '.join(sorted(layers))} on the clips of {clips}")
    maxima = measure_maxima(
        network,
        clips,
        layers,
        flow=flow,
        group=group,
        skipped=lambda clip, error: skipped.append(SkippedClip.of(clip, error)),
    )
    for one in skipped:
        report.say(str(one))
    if source.endswith(".safetensors"):
        keep_maxima(maxima, source)
    report.say(f"the range of {', '.join(sorted(layers))} is that on {maxima.source}")
    return maxima
