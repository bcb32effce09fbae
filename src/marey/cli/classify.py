"""`marey classify`: what the network says a clip is."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from torch import Tensor

from marey.cli.arguments import DeviceOption, FlowOption, FlowWord, NetArgument
from marey.cli.tables import remarks, screen, table
from marey.network.network import Network


def classify(
    net: NetArgument,
    clips: Annotated[
        list[Path], typer.Argument(metavar="CLIP...", help="Videos or folders of frames.", show_default=False)
    ],
    *,
    top: Annotated[int, typer.Option("--top", help="How many classes to show.")] = 5,
    windows: Annotated[int, typer.Option("--windows", help="Windows of a clip whose scores are averaged.")] = 5,
    units: Annotated[
        bool, typer.Option("--units/--no-units", help="Also show which units answer most, of their real maximum.")
    ] = False,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--recording",
            metavar="DIR",
            help="What --units compares with, by `marey record`. Default: the maxima in NET's file.",
            show_default=False,
        ),
    ] = None,
    flow: FlowOption = "tvl1-fast",
    device: DeviceOption = None,
) -> None:
    """Classify clips: probability and score of the best classes, averaged over windows spread over the clip."""
    from marey.cli.device import placed
    from marey.evaluation.classify import check_classifier, class_scores
    from marey.families.loading import load
    from marey.video.flow.cache import FlowCache
    from marey.video.read.clips import Clip, load_clip, span_frames

    network = placed(load(net), device)
    maxima = _maxima(network, recording) if units or recording is not None else {}
    check_classifier(network, windows)
    for clip in clips:
        loaded = load_clip(Clip(clip), network.streams, flow=flow, cache=FlowCache())
        scores = class_scores(network, loaded, windows=windows)
        probabilities = scores.softmax(0)
        shown = table(escape(str(clip)), right=("probability", "score"))
        for index in probabilities.argsort(descending=True)[:top].tolist():
            shown.add_row(escape(network.classes[index]), f"{probabilities[index]:.1%}", f"{scores[index]:.2f}")
        screen().print(shown)
        short = loaded.frames < span_frames(network.streams)
        damage = [(str(clip), loaded.damage)] if loaded.damage is not None else []
        for line in remarks((), damage, [clip] if short else ()):
            screen().print(line, highlight=False, markup=False, soft_wrap=True)
        if maxima:
            screen().print(_units_table(network, clip, maxima, count=top, windows=windows, flow=flow))


def _maxima(network: Network, recording: Path | None) -> dict[str, Tensor]:
    """The real maxima that a recording holds, or the network's file."""
    from marey.errors import NetworkError

    if recording is not None:
        from marey.recording.answers import put_maxima
        from marey.recording.read.recording import Recording

        found = Recording.open(recording)
        put_maxima(found, network)
        return {layer: network.maxima[layer] for layer in found.layers}
    if not network.maxima:
        raise NetworkError(
            f"{network.name} has no real maxima to compare units with; give --recording, which `marey record` writes."
        )
    return dict(network.maxima)


def _units_table(
    network: Network, clip: Path, maxima: dict[str, Tensor], *, count: int, windows: int, flow: FlowWord
) -> Table:
    from marey.recording.answers import clip_answers, strongest_answers
    from marey.video.flow.cache import FlowCache
    from marey.video.read.clips import Clip

    answers = clip_answers(network, Clip(clip), list(maxima), windows=windows, flow=flow, cache=FlowCache())
    shown = table("unit", right=("response", "of real maximum"))
    for strongest in strongest_answers(answers, maxima, count).values():
        for one in strongest:
            shown.add_row(escape(network.label(one.unit)), f"{one.value:.4g}", f"{one.share:.0%}")
    return shown
