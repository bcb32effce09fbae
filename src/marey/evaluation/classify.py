"""The class scores of clips, and how often they are right."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from marey.accelerate.passes import quick_passes
from marey.datasets.skipped_clip import SkippedClip
from marey.errors import DatasetError, NetworkError, VideoError, did_you_mean
from marey.evaluation.accuracy import Evaluation
from marey.network.class_scores import probabilities
from marey.network.network import Network
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clips import Clip, LoadedClip, load_clip, span_frames, starts


def class_scores(
    network: Network,
    clip: Clip | LoadedClip | str | Path,
    *,
    windows: int = 5,
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
) -> Tensor:
    """Mean class scores (class) before softmax over `windows` windows spread over the clip, centers cropped.

    A clip that is shorter than a window is padded as its streams say. Raises NetworkError for a network without class
    names, VideoError for a clip that cannot be read.
    """
    check_classifier(network, windows)
    if not isinstance(clip, LoadedClip):
        piece = clip if isinstance(clip, Clip) else Clip(Path(clip))
        clip = load_clip(piece, network.streams, flow=flow, cache=cache if cache is not None else FlowCache())
    scores, _ = scores_and_probabilities(network, clip, windows=windows)
    return scores


def check_classifier(network: Network, windows: int) -> None:
    """Raise NetworkError for a network that cannot classify, or no windows."""
    if not network.classes:
        raise NetworkError(
            f"{network.name} has no class names, so it cannot classify; give Network(..., classes=[...])."
        )
    _ = network.scores  # says what is wrong with them
    if windows < 1:
        raise NetworkError(f"windows is {windows}; expected at least 1.")


def scores_and_probabilities(network: Network, loaded: LoadedClip, *, windows: int) -> tuple[Tensor, Tensor]:
    """Mean class scores before softmax and probabilities (class) over windows spread over a clip.

    Where the network ends in a softmax or sigmoid the probabilities are its own, averaged; otherwise they are the
    softmax of the mean scores.
    """
    layer = network.scores
    squashed = network.class_scores.probabilities_of(layer)
    scores, own = [], []
    with torch.no_grad(), quick_passes(network):
        for start in starts(loaded, network.streams, windows):
            window = loaded.window(network.streams, start)
            inputs = {name: values[None].to(network.device) for name, values in window.items()}
            outputs = network.activations(inputs, [layer] if squashed is None else [layer, squashed])
            scores.append(outputs[layer].float().mean((2, 3, 4))[0].cpu())
            if squashed is not None:
                own.append(probabilities(outputs[squashed])[0].cpu())
    mean = torch.stack(scores).mean(0)
    return mean, torch.stack(own).mean(0) if own else mean.softmax(0)


def evaluated(
    network: Network,
    clips: Iterable[Clip],
    *,
    windows: int = 5,
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
) -> Evaluation:
    """The network's class probabilities of labeled clips; those that cannot be read are skipped and listed.

    Raises DatasetError for a label that the network does not know, and when no clip can be used.
    """
    cache = cache if cache is not None else FlowCache()
    names: list[str] = []
    labels: list[int] = []
    rows: list[Tensor] = []
    skipped: list[SkippedClip] = []
    padded: list[str] = []
    damaged: list[tuple[str, str]] = []
    check_classifier(network, windows)
    for clip in clips:
        if clip.label not in network.classes:
            raise DatasetError(
                f"'{clip.path}' is of class '{clip.label}', which {network.name} does not know."
                f"{did_you_mean(str(clip.label), network.classes)} Its classes: {', '.join(network.classes[:12])}."
            )
        try:
            loaded = load_clip(clip, network.streams, flow=flow, cache=cache)
        except VideoError as error:
            skipped.append(SkippedClip.of(clip, error))
            continue
        _, found = scores_and_probabilities(network, loaded, windows=windows)
        names.append(str(clip.path))
        if loaded.frames < span_frames(network.streams, loaded.frames):
            padded.append(names[-1])
        if loaded.damage is not None:
            damaged.append((names[-1], loaded.damage))
        labels.append(network.classes.index(clip.label))
        rows.append(found)
    if not rows:
        raise DatasetError(
            f"no clip can be used; the first error: {skipped[0].reason}" if skipped else "there is no clip."
        )
    return Evaluation(
        network.classes,
        tuple(names),
        torch.tensor(labels),
        torch.stack(rows),
        skipped=tuple(skipped),
        padded=tuple(padded),
        damaged=tuple(damaged),
    )
