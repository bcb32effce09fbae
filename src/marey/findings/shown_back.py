"""Preferred inputs shown to a network again: the class of each, what the network's units respond, and its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from marey.accelerate.passes import quick_passes
from marey.errors import MareyError
from marey.findings.average_precision import class_auprc, descending_ranks
from marey.findings.labeled_clips import LabeledClips
from marey.findings.preferred_folder import preferred_inputs
from marey.maximization.result import PreferredInput
from marey.network.network import Network
from marey.network.stream import Stream
from marey.network.unit import Unit
from marey.recording.read.recording import Recording

_ALONG = 2
"""Where time begins in the axes of frames."""


@dataclass(frozen=True, eq=False)
class Preferred:
    """A preferred input that fills the input of the network.

    unit, label
        its unit, and the class that it stands for: its own, or the one that its unit tells best on the recorded clips.
    is_class
        whether it is the unit of the class score.
    """

    result: PreferredInput
    unit: Unit
    label: str
    is_class: bool

    @property
    def seed(self) -> int:
        """The seed from which it was made."""
        return int(self.result.provenance.get("recipe", {}).get("seed", 0))


@dataclass(frozen=True, eq=False)
class OpenedInputs:
    """The preferred inputs of a folder; `notes` counts what was noted of all of them, `left_out` those of no use."""

    inputs: tuple[Preferred, ...]
    notes: Mapping[str, int]
    left_out: int


def opened_inputs(folder: str | Path, network: Network, recording: Recording, labeled: LabeledClips) -> OpenedInputs:
    """The results of `marey maximize` in a folder and the folders in it.

    Those that show a part of the input only, sums of units, and units that no class is known of are left out. Raises
    MareyError where no result is left, or one is of other weights.
    """
    found = preferred_inputs(folder, network)
    inputs: list[Preferred] = []
    notes: dict[str, int] = {}
    for result in found:
        for note in {note.split(":")[0] for every in result.notes for note in every}:
            notes[note] = notes.get(note, 0) + 1
        one = _preferred(result, network, recording, labeled)
        if one is not None:
            inputs.append(one)
    if not inputs:
        raise MareyError(
            f"none of the {len(found)} preferred inputs in '{folder}' fills the input of {network.name} and stands for "
            "a class of the recorded clips; make those of class units with `marey maximize NET classes`."
        )
    return OpenedInputs(tuple(inputs), notes, len(found) - len(inputs))


def _preferred(
    result: PreferredInput, network: Network, recording: Recording, labeled: LabeledClips
) -> Preferred | None:
    if result.ordinary is None or any(
        tuple(result.frames[one.name].shape[1:]) != network.stream(one.name).shape for one in result.streams
    ):
        return None
    unit = replace(network.unit(result.target), position=None)
    if network.gives_scores(unit.layer):
        label = network.classes[unit.channel]
        return Preferred(result, unit, label, True) if label in labeled.classes else None
    if unit.layer not in recording.layers:
        return None
    responses = recording.matrix(unit.layer).numpy()[labeled.rows, unit.channel : unit.channel + 1]
    detected = class_auprc(descending_ranks(responses), labeled.labels, len(labeled.classes))[0]
    return Preferred(result, unit, labeled.classes[int(detected.argmax())], False)


@dataclass(frozen=True, eq=False)
class Responses:
    """What a network answers to inputs (input).

    maxima
        {layer: (input, unit)}.
    scores
        (input, class), the classes of the network.
    """

    maxima: Mapping[str, NDArray[np.float32]]
    scores: NDArray[np.float32]


def responses_to(network: Network, inputs: Sequence[Mapping[str, Tensor]], layers: Sequence[str]) -> Responses:
    """Show inputs {stream: (clip channel time height width)}; streams that one lacks are at rest."""
    maxima: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    scores = []
    with torch.no_grad(), quick_passes(network):
        for one in inputs:
            clips = len(next(iter(one.values())))
            rest = network.rest(clips, besides=tuple(one))
            shown = {**rest, **{name: video.float().to(network.device) for name, video in one.items()}}
            found = network.activations(shown, [*layers, network.scores])
            for layer in layers:
                maxima[layer].append(found[layer].flatten(2).amax(2).float().cpu())
            scores.append(found[network.scores].flatten(2).mean(2).float().cpu())
    return Responses({layer: torch.cat(parts).numpy() for layer, parts in maxima.items()}, torch.cat(scores).numpy())


def scrambled(inputs: Mapping[str, Tensor], random: torch.Generator) -> dict[str, Tensor]:
    """The same values at random places of each frame: what is left of an input when nothing is to be seen in it."""
    made = {}
    for name, video in inputs.items():
        order = torch.randperm(video.shape[-1] * video.shape[-2], generator=random)
        made[name] = video.flatten(3)[..., order].view_as(video)
    return made


def for_verifier(verifier: Network, streams: Sequence[Stream], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs as another network takes them, resized where it sees larger or smaller frames.

    `streams` are those of the network that the inputs were made for. One that a unit does not see, and its input lacks,
    is left out. Raises MareyError where the verifier sees another stream, or other frames of it.
    """
    made = {}
    for one in verifier.streams:
        own = next((stream for stream in streams if stream.kind == one.kind and stream.frames == one.frames), None)
        if own is None:
            raise MareyError(
                f"the verifier {verifier.name} sees {one.frames} frames of {one.kind}, which the preferred inputs do "
                "not have; name one that sees the same streams."
            )
        if own.name not in inputs:
            continue
        video = inputs[own.name]
        if video.shape[-2:] != (one.height, one.width):
            flat = video.transpose(1, 2).flatten(0, 1)
            small = functional.interpolate(flat, (one.height, one.width), mode="bilinear", antialias=True)
            if one.kind == "flow":
                small = small * small.new_tensor([one.width / own.width, one.height / own.height]).view(1, 2, 1, 1)
            video = small.unflatten(0, (len(video), -1)).transpose(1, _ALONG)  # type: ignore[no-untyped-call]
        made[one.name] = video.clamp(one.low, one.high)
    if not made:
        raise MareyError(
            f"the verifier {verifier.name} sees no {' or '.join(inputs)}, all that a unit with a preferred input sees; "
            "name one that sees the same streams."
        )
    return made
