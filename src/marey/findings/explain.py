"""One clip explained: the units that make the network say one class and not another, where and when they respond."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey._version import __version__
from marey.accelerate.passes import quick_passes
from marey.errors import MareyError, NetworkError, did_you_mean
from marey.evaluation.classify import check_classifier
from marey.findings.ablation import mean_responses
from marey.findings.deep_passes import DeepPasses, deep_layers, passable_layers, run_to
from marey.findings.explanation import Explanation, Margin, UnitSeen, explanation_of
from marey.findings.question import Report
from marey.findings.steps import Steps
from marey.network.layer import Layer
from marey.network.network import Network
from marey.recording.read.heat import heat
from marey.recording.read.recording import Recording
from marey.recording.read.same_weights import check_same_weights
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clips import Clip, load_clip

_TOP_CLIPS = 3

_WINDOWS = 5


def explain(
    network: Network,
    clip: Clip | str | Path,
    *,
    instead: str | None = None,
    recording: Recording | None = None,
    layer: str | None = None,
    units: int = 5,
    windows: int | None = None,
    flow: Method = "tvl1-fast",
    draws: int = 199,
    seed: int = 0,
    report: Report | None = None,
) -> Explanation:
    """Why a network says a class of a clip, and not the second one, or the class `instead`.

    The units of a layer that add most to the lead of the first class are held together, beside as many random units of
    the layer (`draws`). What a unit adds is the lead less that with the unit held: at its mean over a recording's
    clips, or, without one, at what it gives for gray frames without motion.

    recording
        of the network; tells the clips to which the units respond most.
    layer
        None: the deepest before the class scores that tells places apart, and sees all streams; where streams meet in
        the class scores alone, that of the stream that adds most to the lead.
    windows
        of the clip whose scores are averaged; None: as many as the recording has, so that both say the same of a clip,
        or 5, as `marey classify` takes.
    report
        told how much is done, and of how much.

    Raises NetworkError for a class or layer that is not there, and for a recording of another network; VideoError for a
    clip that cannot be read.
    """
    piece = clip if isinstance(clip, Clip) else Clip(Path(clip))
    if windows is None:
        windows = _WINDOWS if recording is None else int(recording.summary["settings"].get("windows", _WINDOWS))
    check_classifier(network, windows)
    _check_class(network, instead)
    if recording is not None:
        check_same_weights(recording, network)
    load_clip(piece, network.streams, flow=flow, cache=FlowCache())  # its error is the one to tell, and flow is kept
    every = run_to(network, [piece], _layers(network, recording, layer), windows=windows, flow=flow)
    held = {name: _values(network, recording, name) for name in every}
    adds = {name: _held_whole(network, one, held[name][0], instead) for name, one in every.items()}
    name = max(adds, key=adds.__getitem__)
    passes, (values, held_at) = every[name], held[name]
    count = min(units, passes.units)
    steps = Steps(report, passes.units + draws + count)
    with passes.ready():
        margin, chosen = _margin(
            network, passes, values, held_at, instead=instead, count=count, draws=draws, seed=seed, steps=steps
        )
    seen = []
    for unit in chosen.tolist():
        seen.append(_seen(network, recording, f"{name}:{unit}", float(margin.effects[unit]), piece, flow=flow))
        steps(1)
    probabilities = torch.from_numpy(passes.scores()[0]).softmax(0).tolist()
    remarks = [
        f"units are held at {held_at}",
        "they are chosen on this clip: p says that they do more than random ones, not that they would in another clip",
    ]
    if len(adds) > 1:
        shares = ", ".join(f"{layer} {adds[layer]:.2f}" for layer in sorted(adds, key=lambda one: -adds[one]))
        remarks.append(f"streams meet in the class scores alone; what the units of each add to the lead: {shares}")
    if recording is None:
        remarks.append("without --recording nothing is known of the clips that drive the units")
    settings = {"layer": name, "units": count, "windows": windows, "flow": flow, "draws": draws, "seed": seed}
    provenance = {
        "marey": __version__,
        "network": {"name": network.name, "weights": network.weights_hash},
        "clip": str(piece.path),
        "recording": None if recording is None else str(recording.folder),
        "settings": settings,
    }
    classes = dict(zip(network.classes, probabilities, strict=True))
    return explanation_of(str(piece.path), margin, seen, classes, remarks=remarks, provenance=provenance)


def _check_class(network: Network, instead: str | None) -> None:
    if len(network.classes) < 2:
        raise NetworkError(f"{network.name} has one class only, so that it never chooses.")
    if instead is not None and instead not in network.classes:
        raise NetworkError(
            f"no class '{instead}' in {network.name}.{did_you_mean(instead, network.classes)} "
            f"It has {', '.join(network.classes[:12])}{', ...' if len(network.classes) > 12 else ''}."
        )


def _layers(network: Network, recording: Recording | None, layer: str | None) -> list[str]:
    """The layers whose units may explain, of a recording such as were recorded: one, or one of each stream."""
    layers: dict[str, Layer] = dict(network.layers if recording is None else recording.layers)
    if layer is not None:
        name = network.layer(layer).name
        return [name if recording is None else recording.layer(name).name]
    flat: dict[tuple[str, ...], str] = {}
    found: dict[tuple[str, ...], str] = {}
    ways = len(deep_layers(network, layers, most=1))  # which says why there is none
    for name in passable_layers(network, layers):
        _, height, width = layers[name].positions
        streams = tuple(layers[name].receptive_field.streams)
        (found if height * width > 1 else flat).setdefault(streams, name)
        if len(found) == ways:
            break
    return list((flat | found).values())


def _held_whole(network: Network, passes: DeepPasses, values: Tensor, instead: str | None) -> float:
    """How much of the lead of the first class goes while all units of a layer are held."""
    scores = passes.scores()[0]
    first, second = np.argsort(-scores, kind="stable")[:2]
    other = int(second) if instead is None else network.classes.index(instead)
    held = passes.scores(range(passes.units), values)[0]
    return float(scores[first] - scores[other] - held[first] + held[other])


def _values(network: Network, recording: Recording | None, layer: str) -> tuple[Tensor, str]:
    """The values (unit) at which units are held, and which these are, in words."""
    if recording is not None:
        return mean_responses(recording, layer), f"their means over {recording.recorded} recorded clips"
    with torch.no_grad(), quick_passes(network):
        output = network.activations(network.rest(), [layer])[layer]
    return output.flatten(2).mean(2)[0].float().cpu(), "what they give for gray frames without motion"


def _margin(
    network: Network,
    passes: DeepPasses,
    values: Tensor,
    held_at: str,
    *,
    instead: str | None,
    count: int,
    draws: int,
    seed: int,
    steps: Steps,
) -> tuple[Margin, NDArray[np.intp]]:
    """The lead of the first class with and without the units that add most to it, and these units."""
    scores = passes.scores()[0]
    order = np.argsort(-scores, kind="stable")
    first = int(order[0])
    other = int(order[1]) if instead is None else network.classes.index(instead)
    if other == first:
        raise MareyError(
            f"the network says '{instead}' of this clip itself; name another class with --instead, such as "
            f"'{network.classes[int(order[1])]}', which comes second."
        )

    def lead(units: Sequence[int]) -> float:
        held = passes.scores(units, values[list(units)])[0]
        return float(held[first] - held[other])

    effects = passes.effects(values, report=steps)[0]
    added = np.asarray(effects[:, first] - effects[:, other], np.float64)
    chosen = np.argsort(-added, kind="stable")[:count]
    random = np.random.default_rng(seed)
    leads = np.empty(draws)
    for draw in range(draws):
        leads[draw] = lead(np.sort(random.permutation(passes.units)[:count]).tolist())
        steps(1)
    margin = Margin(
        network.classes[first],
        network.classes[other],
        passes.layer,
        float(scores[first] - scores[other]),
        lead(np.sort(chosen).tolist()),
        leads,
        lead(range(passes.units)),
        added,
        held_at,
    )
    return margin, chosen


def _seen(
    network: Network, recording: Recording | None, unit: str, effect: float, clip: Clip, *, flow: Method
) -> UnitSeen:
    """Where and when a unit responds most, and its top clips."""
    loaded, responses = heat(network, unit, clip, flow=flow)
    _, height, width = responses.shape
    frame, place = divmod(int(responses.argmax()), height * width)
    y, x = divmod(place, width)
    alike = torch.nonzero(responses[:, y, x] == responses[frame, y, x]).flatten()  # frames of one position in time
    frame = int(alike[len(alike) // 2])
    flat = bool((responses[frame] == responses[frame, 0, 0]).all())  # a layer that does not tell places apart
    top = [] if recording is None else recording.top(unit, _TOP_CLIPS)
    return UnitSeen(
        unit,
        effect,
        frame,
        frame / loaded.rate,
        0.5 if flat else (y + 0.5) / height,
        0.5 if flat else (x + 0.5) / width,
        tuple((str(one.clip.path), one.clip.label) for one in top),
        loaded,
        responses,
    )
