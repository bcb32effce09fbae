"""What must be said of an input that was made: its score in full precision, what made it up, and its notes."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.maximization.batches import Batch, Scores
from marey.maximization.controls import SHUFFLED, Controls, controls
from marey.maximization.optimized import Optimized
from marey.network.network import Network

SEES_NO_MOTION = "sees no motion"
"""The note of a unit that sees a single picture."""

NOISY = 0.2
"""Motion whose neighboring vectors correlate less than this is called noise."""

_UNMOVED = 0.05
"""A unit whose score loses less than this part when its motion is taken away has no motion preference."""

_UNIFORM = 0.05
"""Motion whose variance in space is less than this part of its mean square is the same everywhere, not noise."""

_AT_ONCE = 8
"""Inputs in one forward pass in full precision, at most."""


@dataclass(frozen=True)
class Diagnosis:
    """What is said of one input.

    score
        relative, without any transform and in the network's own arithmetic.
    shares
        {term of equation (1): its size relative to the sum of all sizes}.
    controls
        what it is held against where it sees several RGB frames and no flow, see `PreferredInput.controls`.
    notes, recognized
        what must be known of it, and the class that the network gives it where it fills the network's input.
    """

    score: float
    shares: dict[str, float]
    controls: dict[str, float]
    notes: tuple[str, ...]
    recognized: str | None


def diagnosed(network: Network, batch: Batch, optimized: Optimized) -> tuple[Diagnosis, ...]:
    """The diagnosis of every input of the batch."""
    frames = {name: video.to(network.device) for name, video in optimized.frames.items()}
    at_once = _AT_ONCE if optimized.most is None else min(_AT_ONCE, optimized.most)
    streams = {stream.name: stream for stream in batch.crop.streams}
    judged = {name: part.to(network.device) for name, part in optimized.parts.items()} or frames
    offsets = {name: video - batch.scene.streams[name].rest for name, video in judged.items()}
    with torch.no_grad(), batch.crop.applied(network.module):
        found = _scores(batch, frames, at_once)
        held_against = None
        if not batch.crop.still:
            held_against = controls(frames, streams, lambda shown: _scores(batch, shown, at_once).relative)
        penalties = {k: term for prior in optimized.priors for k, term in prior.terms(offsets, batch.scene).items()}
    scores = found.relative.nan_to_num(0.0, 0.0, 0.0)
    terms = {"score": batch.weights * found.raised.nan_to_num(0.0, 0.0, 0.0), **penalties}
    recognized = _recognized(network, batch, frames, at_once)
    diagnoses = []
    for place in range(len(batch)):
        sizes = {name: abs(float(values[place])) for name, values in terms.items()}
        total = sum(sizes.values()) or 1.0
        score = float(scores[place])
        finite = bool(torch.isfinite(found.relative[place]))
        notes = ["dead: it never fires"] if bool(found.dead[place]) and finite else []
        if held_against is None:
            notes.append(SEES_NO_MOTION)
        else:
            clip = {name: video[place] for name, video in frames.items()}
            notes += _motion_notes(batch, held_against, place, score, clip)
        if not finite:
            notes.append("unstable: the network gives it no finite score, so 0 stands for it")
        notes += _course_notes(batch, place, optimized)
        layers = [network.layer(name) for name in sorted(batch.jobs[place].target.objective.layers)]
        notes += [layer.note for layer in layers if layer.note is not None]
        shares = {name: size / total for name, size in sizes.items()}
        named = {} if held_against is None else held_against.named[place]
        diagnoses.append(Diagnosis(score, shares, named, tuple(notes), recognized[place]))
    return tuple(diagnoses)


def _motion_notes(batch: Batch, against: Controls, place: int, score: float, frames: Mapping[str, Tensor]) -> list[str]:
    notes = []
    if score > 0 and float(against.unmoved[place]) > (1 - _UNMOVED) * score:
        notes.append("no motion preference")
    elif score > 0 and against.named[place].get(SHUFFLED, 0.0) > (1 - _UNMOVED) * score:
        notes.append("flicker: frames in random order excite it as much")
    streams = {stream.name: stream for stream in batch.crop.streams}
    flow = next((video for name, video in frames.items() if streams[name].kind == "flow"), None)
    if flow is not None and neighbor_correlation(flow) < NOISY:
        notes.append("the motion is noise")
    return notes


def _course_notes(batch: Batch, place: int, optimized: Optimized) -> list[str]:
    """What happened on the way."""
    notes = []
    if place in optimized.unstable:
        notes.append("unstable: some steps had no finite gradient and were taken back")
    if place in optimized.led:
        chi = float(batch.scene.slowness[optimized.led[place]])
        notes.append(f"restarted half-way from the input of slowness {chi:g}, as nothing excited it")
    if optimized.interrupted:
        notes.append("interrupted")
    return notes


def neighbor_correlation(flow: Tensor) -> float:
    """Mean correlation of neighboring flow vectors (channel time height width) of one input; 1 where all are alike."""
    if min(flow.shape[-2:]) < 2:
        return 1.0
    centered = flow - flow.mean(dim=(-2, -1), keepdim=True)
    power = centered.square().mean()
    if float(power) <= _UNIFORM * float(flow.square().mean()) + 1e-8:
        return 1.0
    pairs = (centered[..., 1:] * centered[..., :-1]).mean() + (centered[..., 1:, :] * centered[..., :-1, :]).mean()
    return float(pairs / (2 * power))


def _scores(batch: Batch, frames: Mapping[str, Tensor], at_once: int) -> Scores:
    """Scores in the network's own arithmetic, few inputs at a time."""
    parts = []
    for start in range(0, len(batch), at_once):
        shown = {name: video[start : start + at_once] for name, video in frames.items()}
        parts.append(batch.part(start, start + at_once).scores(batch.crop.activations(shown)))
    return Scores(*(torch.cat(values) for values in zip(*parts, strict=True)))


def _recognized(network: Network, batch: Batch, frames: Mapping[str, Tensor], at_once: int) -> list[str | None]:
    """The class that the network gives every input, where the input fills it."""
    fills = batch.crop.mode == "whole" and set(frames) == {stream.name for stream in network.streams}
    if not fills or not any(map(network.gives_scores, network.layers)):
        return [None] * len(batch)
    found: list[str | None] = []
    with torch.no_grad():
        for start in range(0, len(batch), at_once):
            part = {name: video[start : start + at_once] for name, video in frames.items()}
            scores = network.activations(part, [network.scores])[network.scores].mean((2, 3, 4))
            found += [network.classes[index] for index in scores.argmax(1).tolist()]
    return found
