"""Inputs that are optimized together: which may share a forward pass, and how many fit in one."""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from marey.maximization.objectives import Neurons, Objective, neurons, values_of
from marey.maximization.recipe import Recipe
from marey.maximization.regularizers import default_bound
from marey.maximization.targets import Goal
from marey.maximization.transforms import Jitter
from marey.network.network import Network
from marey.network.region import Region

_ELEMENTS = 48_000_000
"""Input values in one forward pass where `Recipe.batch` is None."""


@dataclass(frozen=True)
class Job:
    """One input to be made: its goal, that goal's place among all, and its slowness."""

    place: int
    goal: Goal
    slowness: float


@dataclass(frozen=True)
class Batch:
    """Inputs that are optimized together: all see the same region, each has its own objective, slowness and noise.

    objectives are normalized and have the region's positions; a target or floor that is not finite is none; references,
    where given, are the places of the inputs whose spatial variation each shall have; bounds are physical, by stream.
    """

    region: Region
    objectives: tuple[Objective, ...]
    slowness: tuple[float, ...]
    seeds: tuple[int, ...]
    targets: tuple[float, ...]
    bounds: dict[str, float]
    jitter: Jitter
    references: tuple[int, ...] = ()
    floors: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.objectives)

    @cached_property
    def scored(self) -> tuple[Objective, ...]:
        """What of every objective reads activations."""
        return tuple(objective.scored for objective in self.objectives)

    @cached_property
    def neurons(self) -> Neurons | None:
        """The inputs' neurons, where every objective is one."""
        return neurons(self.scored)

    @cached_property
    def own_priors(self) -> tuple[Objective, ...] | None:
        """What of every objective reads the input alone; None where there is no such thing."""
        priors = tuple(objective.priors for objective in self.objectives)
        return priors if any(prior.terms for prior in priors) else None

    def part(self, start: int, stop: int) -> "Batch":
        """Some of the inputs."""
        return Batch(
            self.region,
            self.objectives[start:stop],
            self.slowness[start:stop],
            self.seeds[start:stop],
            self.targets[start:stop],
            self.bounds,
            self.jitter,
        )


def scores_of(
    batch: Batch, windows: dict[str, Tensor], module: nn.Module | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Normalized score; the objective's own priors, where any has some; whether one of several units is silent.

    Enter the region's arithmetic first.
    """
    layers = batch.region.layers
    volumes = batch.region.activations(windows, module=module) if layers else {}
    scores = values_of(batch.scored, volumes, windows, single=batch.neurons)
    priors = None if batch.own_priors is None else values_of(batch.own_priors, volumes, windows)
    if all(len(objective.terms) <= 1 for objective in batch.scored):
        return scores, priors, None
    silent = torch.zeros_like(scores, dtype=torch.bool)
    for clip, objective in enumerate(batch.scored):
        if len(objective.terms) > 1:
            here = {layer: volumes[layer][clip].detach().float() for layer in layers}
            silent[clip] = any(bool(term.value(here, {}) == 0) for term, _ in objective.terms)
    return scores, priors, silent


def jobs_in_batches(goals: Sequence[Goal], recipe: Recipe) -> Iterator[list[Job]]:
    """Every goal at every slowness, in groups that fit one forward pass: goals that see the same part of the input.

    A goal that sees a single picture comes at the first slowness alone: it would be the same at all.
    """
    groups: dict[Hashable, list[Job]] = {}
    for place, goal in enumerate(goals):
        sweep = recipe.slowness[:1] if goal.region.still else recipe.slowness
        groups.setdefault(goal.region.form, []).extend(Job(place, goal, chi) for chi in sweep)
    for jobs in groups.values():
        elements = sum(math.prod(stream.shape) for stream in jobs[0].goal.region.streams)
        most = max(1, min(256, _ELEMENTS // elements)) if recipe.batch is None else recipe.batch
        size = _whole_sweeps(most, recipe)
        yield from (jobs[start : start + size] for start in range(0, len(jobs), size))


def halves(jobs: Sequence[Job], recipe: Recipe) -> tuple[Sequence[Job], Sequence[Job]]:
    """Two parts of about the same size, in whole sweeps where they can be."""
    half = _whole_sweeps(len(jobs) // 2, recipe)
    return jobs[:half], jobs[half:]


def _whole_sweeps(inputs: int, recipe: Recipe) -> int:
    """At most so many inputs that the whole sweeps of some units fill them; a part of one where no whole one fits."""
    sweep = len(recipe.slowness)
    return inputs if inputs < sweep else inputs - inputs % sweep


def batch_of(network: Network, jobs: Sequence[Job], recipe: Recipe) -> Batch:
    """The jobs, which must see the same part of the input, as the loop takes them."""
    region = jobs[0].goal.region
    bounds = {
        stream.name: recipe.bounds.get(stream.name, network.bounds.get(stream.name, default_bound(stream)))
        for stream in region.streams
    }
    space = _stride(network, region) if recipe.jitter is None else recipe.jitter
    return Batch(
        region=region,
        objectives=tuple(job.goal.normalized for job in jobs),
        slowness=tuple(job.slowness for job in jobs),
        seeds=tuple(_seed(str(job.goal.objective), recipe.seed) for job in jobs),
        targets=tuple(_target(job.goal, recipe) for job in jobs),
        references=_references(jobs),
        floors=_floors(jobs, recipe),
        bounds=bounds,
        jitter=Jitter(space, recipe.time_jitter, recipe.zoom),
    )


def _references(jobs: Sequence[Job]) -> tuple[int, ...]:
    """For every input the place of the fastest one of the same goal in the batch."""
    fastest: dict[int, int] = {}
    for number, job in enumerate(jobs):
        if job.place not in fastest or job.slowness < jobs[fastest[job.place]].slowness:
            fastest[job.place] = number
    return tuple(fastest[job.place] for job in jobs)


def _target(goal: Goal, recipe: Recipe) -> float:
    """The score that is enough; none where the maximum is not that of real clips, as it may be far below them."""
    return math.inf if recipe.target is None or not goal.on_real_clips else recipe.target


def _floors(jobs: Sequence[Job], recipe: Recipe) -> tuple[float, ...]:
    """The least score of every input that is scored in the mean over all positions: that of rest and one more.

    That is about the largest mean on real clips above what an empty input has. None where there is a target.
    """
    if recipe.target is not None or not any(job.goal.everywhere for job in jobs):
        return ()
    region = jobs[0].goal.region
    with torch.no_grad(), region.arithmetic(region.network.module):
        volumes = region.activations(region.crop(region.network.rest()))
    here = {layer: volume[0].float() for layer, volume in volumes.items()}
    return tuple(
        float(job.goal.normalized.scored.value(here, {})) + 1 if job.goal.everywhere else -math.inf for job in jobs
    )


def _seed(text: str, seed: int) -> int:
    """A seed of the unit's own, so that its noise does not depend on what else is in the batch."""
    value = seed
    for letter in text.encode():
        value = (value * 31 + letter) % 1_000_003
    return value


def _stride(network: Network, region: Region) -> int:
    """The layer's stride in pixels; for layers without places that of the deepest layer that has them."""
    strides = []
    for layer in region.layers:
        field = network.layer(layer).receptive_field
        strides += [axis.stride for name in region.corners for axis in field.streams.get(name, ())[1:]]
    if max(strides, default=0) > 0:
        return max(strides)
    side = min(min(stream.height, stream.width) for stream in network.streams)
    every = [
        axis.stride
        for layer in network.layers.values()
        for axes in layer.receptive_field.streams.values()
        for axis in axes[1:]
    ]
    return min(max(every, default=1), max(1, side // 14))
