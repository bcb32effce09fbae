"""`marey classify`: what the network says a clip is."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from marey.cli.arguments import DeviceOption, FlowOption, NetArgument
from marey.cli.tables import screen, table


def classify(
    net: NetArgument,
    clips: Annotated[
        list[Path], typer.Argument(metavar="CLIP...", help="Videos or folders of frames.", show_default=False)
    ],
    *,
    top: Annotated[int, typer.Option("--top", help="How many classes to show.")] = 5,
    windows: Annotated[int, typer.Option("--windows", help="Windows of a clip whose scores are averaged.")] = 5,
    flow: FlowOption = "tvl1-fast",
    device: DeviceOption = None,
) -> None:
    """Classify clips: probability and score of the best classes, averaged over windows spread over the clip."""
    from marey.classify import class_scores
    from marey.cli.device import placed
    from marey.networks.loading import load

    network = placed(load(net), device)
    for clip in clips:
        scores = class_scores(network, clip, windows=windows, flow=flow)
        probabilities = scores.softmax(0)
        shown = table(escape(str(clip)), right=("probability", "score"))
        for index in probabilities.argsort(descending=True)[:top].tolist():
            shown.add_row(escape(network.classes[index]), f"{probabilities[index]:.1%}", f"{scores[index]:.2f}")
        screen().print(shown)
