"""What must be said of an input that was made: its score in full precision, what made it up, and its notes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.maximization.batches import Batch, Job, scores_of
from marey.maximization.loop import Ascent
from marey.maximization.priors import prior_terms
from marey.maximization.recipe import Recipe
from marey.maximization.result import SEES_NO_MOTION
from marey.network.network import Network
from marey.network.stream import Stream

_UNMOVED = 0.05
"""A unit whose score loses less than this part when its motion is taken away has no motion preference."""

NOISY = 0.2
"""Motion whose neighboring vectors correlate less than this is called noise."""

_UNIFORM = 0.05
"""Motion whose variance in space is less than this part of its mean square is the same everywhere, not noise."""

_EMPTY = 0.05
"""What an input must have more than an empty one, in parts of what it was to have more: see `Batch.floors`."""

_AT_ONCE = 8
"""Inputs in one forward pass in full precision."""


@dataclass(frozen=True)
class Verdict:
    """Of one input: score / real maximum, part of each term in the objective, notes, class that the network sees."""

    score: float
    shares: dict[str, float]
    notes: tuple[str, ...]
    recognized: str | None


def verdicts_of(
    network: Network, batch: Batch, jobs: Sequence[Job], climb: Ascent, *, recipe: Recipe
) -> tuple[Verdict, ...]:
    """One for every input of the batch, judged in the network's own arithmetic and without jitter."""
    device = network.device
    frames = {name: video.to(device) for name, video in climb.frames.items()}
    streams = {stream.name: stream for stream in batch.region.streams}
    offsets = {name: video - streams[name].rest for name, video in frames.items()}
    with torch.no_grad(), batch.region.arithmetic(network.module):
        scores = _scores(batch, frames)
        lost = ~torch.isfinite(scores)
        scores = scores.nan_to_num(0.0, 0.0, 0.0)
        moving = not batch.region.still
        unmoved = _scores(batch, _stilled(frames, streams)) if moving else None
        terms = {"score": climb.strengths.to(device) * scores} | prior_terms(
            offsets, batch, recipe, climb.kappas.to(device)
        )
    recognized = _recognized(network, batch, frames)
    verdicts = []
    for place, job in enumerate(jobs):
        score = float(scores[place])
        sizes = {name: abs(float(values[place])) for name, values in terms.items()}
        total = sum(sizes.values()) or 1.0
        notes = []
        if not moving:
            notes.append(SEES_NO_MOTION)
        elif unmoved is not None and score > 0 and float(unmoved[place]) > (1 - _UNMOVED) * score:
            notes.append("no motion preference")
        flow = next((video[place] for name, video in frames.items() if streams[name].kind == "flow"), None)
        if flow is not None and neighbor_correlation(flow) < NOISY:
            notes.append("the motion is noise")
        if job.goal.maximum is not None and abs(score) < 1e-6 and not lost[place]:
            notes.append("dead: it never fires")
        elif batch.floors and score < batch.floors[place] - (1 - _EMPTY):
            notes.append("no more than at rest: in the mean over all positions nothing found excites it more than that")
        if lost[place]:
            notes.append("unstable: the network gives it no finite score, so 0 stands for it")
        if place in climb.unstable:
            notes.append("unstable: some steps had no finite gradient and were taken back")
        if place in climb.led:
            notes.append(f"from chi {batch.slowness[climb.led[place]]:g} at half time")
        if climb.interrupted:
            notes.append("interrupted")
        shares = {name: size / total for name, size in sizes.items()}
        verdicts.append(Verdict(score, shares, tuple(notes), recognized[place]))
    return tuple(verdicts)


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


def _stilled(frames: Mapping[str, Tensor], streams: Mapping[str, Stream]) -> dict[str, Tensor]:
    """The same inputs without motion: no flow, or where only RGB is seen, its mean over time."""
    flow = any(stream.kind == "flow" for stream in streams.values())
    still = {}
    for name, video in frames.items():
        if streams[name].kind == "flow":
            video = torch.full_like(video, streams[name].rest)
        elif not flow:
            video = video.mean(2, keepdim=True).expand_as(video)
        still[name] = video
    return still


def _scores(batch: Batch, frames: dict[str, Tensor]) -> Tensor:
    """Scores in the network's own arithmetic, few inputs at a time."""
    scores = []
    for start in range(0, len(batch), _AT_ONCE):
        stop = start + _AT_ONCE
        part = batch.part(start, stop)
        scores.append(scores_of(part, {name: video[start:stop] for name, video in frames.items()}, None)[0])
    return torch.cat(scores)


def _recognized(network: Network, batch: Batch, frames: dict[str, Tensor]) -> list[str | None]:
    """The class that the network gives every input, where the input fills it."""
    if (
        not any(map(network.gives_scores, network.layers))
        or batch.region.mode != "whole"
        or set(frames) != {s.name for s in network.streams}
    ):
        return [None] * len(batch)
    found: list[str | None] = []
    with torch.no_grad():
        for start in range(0, len(batch), _AT_ONCE):
            part = {name: video[start : start + _AT_ONCE] for name, video in frames.items()}
            scores = network.activations(part, [network.scores])[network.scores].mean((2, 3, 4))
            found += [network.classes[index] for index in scores.argmax(1).tolist()]
    return found
