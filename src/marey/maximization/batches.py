"""Inputs that are optimized together: those that may share a forward pass, as many as are quick."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from marey.maximization.bound import default_bound
from marey.maximization.choice import class_of_moving
from marey.maximization.parametrizations import Parametrization
from marey.maximization.priors import Scene
from marey.maximization.recipe import Recipe
from marey.maximization.targets import Target
from marey.maximization.transforms import Shift, Transform
from marey.network.crop import Crop
from marey.network.network import Network

_VALUES = {"cpu": 5_000_000}
_MOST_VALUES = 48_000_000
"""Input values that are optimized together where `Recipe.batch` is None, whether they fit one forward pass or not, so
that results do not depend on memory. A processor takes longer for each input of a larger batch, whose maps leave its
cache and whose memory the system clears anew at every step; an accelerator is filled."""


_WEIGHT, _CLASS_WEIGHT = 2.0, 8.0
"""Weights of scores where the recipe names none: in general, of class scores. With 2 a verifier knows 31 of 52 inputs
of classes, with 8 it knows 43; units whose weights are set by hand are found with 2 and 4, and not with 8."""


@dataclass(frozen=True)
class Job:
    """One input to be made: its target, the target's place among all, and its slowness."""

    place: int
    target: Target
    slowness: float


class Scores(NamedTuple):
    """Of every input (clip) what is raised, the relative score, and whether all or some of several terms are dead.

    A term counts as dead where it is exactly 0. What is raised is the relative score, or a term in its place.
    """

    raised: Tensor
    relative: Tensor
    dead: Tensor
    silent: Tensor


@dataclass(frozen=True)
class Batch:
    """Inputs that are optimized together: all see the same crop, each has its own target, slowness and noise."""

    crop: Crop
    jobs: tuple[Job, ...]
    scene: Scene
    weights: Tensor  # of the scores (clip)
    seeds: tuple[int, ...]
    transforms: tuple[Transform, ...]
    parametrization: Parametrization

    def __len__(self) -> int:
        return len(self.jobs)

    def scores(self, volumes: Mapping[str, Tensor]) -> Scores:
        """The scores of all inputs from the layers' outputs (clip channel time height width)."""
        parts = {layer: volume.float().unbind(0) for layer, volume in volumes.items()}
        values = torch.cat(
            [
                job.target.placed.values({layer: clips[place] for layer, clips in parts.items()})
                for place, job in enumerate(self.jobs)
            ]
        )
        clip, weights, ordinary, reach = (constant.to(values.device) for constant in self._terms)
        nothing = values.new_zeros(len(self))
        relative = nothing.index_add(0, clip, weights * (values - ordinary) / reach)
        zeros = nothing.index_add(0, clip, (values.detach() == 0).to(values.dtype))
        count = nothing.index_add(0, clip, torch.ones_like(weights))
        return Scores(self._raised(relative, parts), relative, zeros == count, (zeros > 0) & (count > 1))

    def _raised(self, relative: Tensor, parts: Mapping[str, Sequence[Tensor]]) -> Tensor:
        """What is maximized, from the relative scores (input) and the outputs {layer: each clip's}."""
        terms = [job.target.raised for job in self.jobs]
        if not any(terms):
            return relative
        values = [
            relative[place] if term is None else term.value({layer: clips[place] for layer, clips in parts.items()})
            for place, term in enumerate(terms)
        ]
        return torch.stack(values)

    def part(self, start: int, stop: int) -> "Batch":
        """Some of the inputs; what is said of their sweeps stays that of the whole batch."""
        return replace(self, jobs=self.jobs[start:stop], seeds=self.seeds[start:stop], weights=self.weights[start:stop])

    @cached_property
    def _terms(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of every term of all inputs: its input, its weight, and what its value is relative to."""
        rows = [
            (place, weight, *scale)
            for place, job in enumerate(self.jobs)
            for (_, weight), scale in zip(job.target.placed.terms, job.target.scales, strict=True)
        ]
        clip, weights, ordinary, reach = torch.tensor(rows).unbind(1)
        device = self.crop.network.device
        return clip.long().to(device), weights.to(device), ordinary.to(device), reach.to(device)


def jobs_in_batches(targets: Sequence[Target], recipe: Recipe) -> Iterator[list[Job]]:
    """Every target at every slowness, in groups optimized together: targets that see the same part of the input.

    A target that sees a single picture comes at the first slowness alone: it would be the same at all.
    """
    groups: dict[Hashable, list[Job]] = {}
    for place, target in enumerate(targets):
        sweep = recipe.slowness[:1] if target.crop.still else recipe.slowness
        groups.setdefault(target.crop.form, []).extend(Job(place, target, chi) for chi in sweep)
    for jobs in groups.values():
        size = _whole_sweeps(_most(jobs[0].target.crop, recipe), recipe)
        yield from (jobs[start : start + size] for start in range(0, len(jobs), size))


def _most(crop: Crop, recipe: Recipe) -> int:
    """How many inputs that see this part of the input are optimized together: a sweep at least, unless it is huge."""
    values = sum(math.prod(stream.shape) for stream in crop.streams)
    sweep = min(len(recipe.slowness), _MOST_VALUES // values)
    if recipe.batch is not None:
        return max(1, recipe.batch, sweep)
    return max(1, min(256, max(_VALUES.get(crop.network.device.type, _MOST_VALUES) // values, sweep)))


def halves(jobs: Sequence[Job], recipe: Recipe) -> tuple[Sequence[Job], Sequence[Job]]:
    """Two parts of about the same size, in whole sweeps where they can be."""
    half = _whole_sweeps(len(jobs) // 2, recipe)
    return jobs[:half], jobs[half:]


def _whole_sweeps(inputs: int, recipe: Recipe) -> int:
    """At most so many inputs that the whole sweeps of some units fill them; a part of one where no whole one fits."""
    sweep = len(recipe.slowness)
    return inputs if inputs < sweep else inputs - inputs % sweep


def batch_of(
    network: Network,
    jobs: Sequence[Job],
    recipe: Recipe,
    *,
    bounds: Mapping[str, float],
    transforms: Sequence[Transform] | None,
    parametrization: Parametrization,
) -> Batch:
    """The jobs, which must see the same part of the input, as the loop takes them.

    `bounds` come from real clips; `transforms` None: a shift of up to the layer's stride, or of a quarter of the
    frame for classes of networks that see RGB alone.
    """
    crop = jobs[0].target.crop
    held = parametrization.held(crop.streams)
    scene = Scene(
        streams={stream.name: stream for stream in held},
        bounds={
            stream.name: recipe.bounds.get(stream.name, bounds.get(stream.name, default_bound(stream)))
            for stream in (*crop.streams, *held)
        },
        slowness=torch.tensor([job.slowness for job in jobs], device=network.device),
        fastest=_fastest(jobs),
        sees=crop.sees,
    )
    return Batch(
        crop=crop,
        jobs=tuple(jobs),
        scene=scene,
        weights=torch.tensor([_weight(job.target, recipe) for job in jobs], device=network.device),
        seeds=tuple(_seed(str(job.target.objective), recipe.seed) for job in jobs),
        transforms=(Shift(_shift(network, crop)),) if transforms is None else tuple(transforms),
        parametrization=parametrization,
    )


def _weight(target: Target, recipe: Recipe) -> float:
    if recipe.weight is not None:
        return recipe.weight
    return _CLASS_WEIGHT if target.class_scores else _WEIGHT


def _fastest(jobs: Sequence[Job]) -> tuple[int, ...]:
    """For every input the place of the fastest one of the same target in the batch."""
    fastest: dict[int, int] = {}
    for number, job in enumerate(jobs):
        if job.place not in fastest or job.slowness < jobs[fastest[job.place]].slowness:
            fastest[job.place] = number
    return tuple(fastest[job.place] for job in jobs)


def _seed(text: str, seed: int) -> int:
    """A seed of the unit's own, so that its noise does not depend on what else is in the batch."""
    value = seed
    for letter in text.encode():
        value = (value * 31 + letter) % 1_000_003
    return value


def _shift(network: Network, crop: Crop) -> int:
    """How many pixels inputs are shifted by where no transform is named."""
    if class_of_moving(crop):
        return min(min(stream.height, stream.width) for stream in crop.streams) // 4
    return _stride(network, crop)


def _stride(network: Network, crop: Crop) -> int:
    """The layer's stride in pixels; for layers without places that of the deepest layer that has them."""
    strides = []
    for layer in crop.layers:
        field = network.layer(layer).receptive_field
        strides += [axis.stride for name in crop.corners for axis in field.streams.get(name, ())[1:]]
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
