"""`marey classify`: what the network says a clip is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from marey.cli.arguments import DeviceOption, FlowOption, FlowWord, NetArgument
from marey.cli.screen import screen
from marey.cli.tables import remarks, table
from marey.network.network import Network

if TYPE_CHECKING:
    from marey.network.maxima import Maxima


def classify(
    net: NetArgument,
    clips: Annotated[
        list[Path], typer.Argument(metavar="CLIP...", help="Videos or folders of frames.", show_default=False)
    ],
    *,
    top: Annotated[int, typer.Option("--top", help="How many classes to show.")] = 5,
    windows: Annotated[int, typer.Option("--windows", help="Windows of a clip whose scores are averaged.")] = 5,
    units: Annotated[
        bool, typer.Option("--units/--no-units", help="Also show which units respond most, relative to their maxima.")
    ] = False,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--recording",
            metavar="DIR",
            help="A folder of `marey record` whose maxima --units compares with. Default: those in NET's file.",
            show_default=False,
        ),
    ] = None,
    flow: FlowOption = "tvl1-fast",
    device: DeviceOption = None,
) -> None:
    """Classify clips: probability and score of the best classes, averaged over windows spread over the clip."""
    from marey.cli.device import placed
    from marey.evaluation.classify import check_classifier, scores_and_probabilities
    from marey.families.loading import load
    from marey.video.flow.cache import FlowCache
    from marey.video.read.clips import Clip, load_clip, span_frames

    network = placed(load(net), device)
    maxima = _maxima(network, recording) if units or recording is not None else None
    check_classifier(network, windows)
    for clip in clips:
        loaded = load_clip(Clip(clip), network.streams, flow=flow, cache=FlowCache())
        scores, probabilities = scores_and_probabilities(network, loaded, windows=windows)
        shown = table(str(clip), right=("probability", "score"))
        for index in probabilities.argsort(descending=True)[:top].tolist():
            shown.add_row(network.classes[index], f"{probabilities[index]:.1%}", f"{scores[index]:.2f}")
        screen().print(shown)
        short = loaded.frames < span_frames(network.streams, loaded.frames)
        damage = [(str(clip), loaded.damage)] if loaded.damage is not None else []
        for line in remarks((), damage, [clip] if short else ()):
            screen().print(line, highlight=False, markup=False, soft_wrap=True)
        if maxima is not None:
            screen().print(_units_table(network, clip, maxima, count=top, windows=windows, flow=flow))


def _maxima(network: Network, recording: Path | None) -> "Maxima":
    """The maxima behind a recording of this network, or those in the network's file."""
    from marey.errors import NetworkError

    if recording is not None:
        from marey.recording import Recording, check_same_weights

        found = Recording.open(recording)
        check_same_weights(found, network)
        return found.maxima()
    if network.maxima is None or not network.maxima.layers:
        raise NetworkError(
            f"the file of {network.name} holds no maxima to compare units with; give --recording DIR of `marey record`."
        )
    return network.maxima


def _units_table(network: Network, clip: Path, maxima: "Maxima", *, count: int, windows: int, flow: FlowWord) -> Table:
    """The `count` units of each layer whose responses to a clip are largest relative to the maxima."""
    from marey.recording import clip_responses, strongest_responses
    from marey.video.flow.cache import FlowCache
    from marey.video.read.clips import Clip

    responses = clip_responses(network, Clip(clip), maxima.layers, windows=windows, flow=flow, cache=FlowCache())
    shown = table("unit", right=("response", f"relative to {maxima.source}"))
    for strongest in strongest_responses(responses, maxima, count).values():
        for one in strongest:
            shown.add_row(network.label(one.unit), f"{one.value:.4g}", f"{one.relative:.0%}")
    return shown
