"""Preferred inputs: the frames, in all streams together, that excite a unit most (equation (1))."""

import platform
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import torch
from torch import Tensor

from marey._version import __version__
from marey.accelerate.forward import Forward, forward
from marey.accelerate.passes import quick_passes
from marey.errors import MareyError, NetworkError, out_of_memory
from marey.maximization.batches import Batch, Job, batch_of, halves, jobs_in_batches
from marey.maximization.diagnostics import Diagnosis, diagnosed
from marey.maximization.loop import optimize
from marey.maximization.objectives import Objective
from marey.maximization.parametrizations import Parametrization, parametrization_of
from marey.maximization.priors import Energy, Prior, Variation
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput, merged
from marey.maximization.targets import Named, Target, targets_of
from marey.maximization.transforms import Transform
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.unit import Unit

PRIORS: tuple[Prior, ...] = (Energy(), Variation())
"""The priors where none are named."""


@dataclass(frozen=True)
class Progress:
    """How far a maximization is, after each step.

    step, done, planned
        the step of the running batch; steps done and planned at most over all batches.
    labels, slowness
        of the inputs of the running batch.
    scores
        their relative scores (input), on the network's device: reading them makes it wait.
    frames
        what the network was shown {stream: (input channel time height width)}, physical, there as well.
    """

    step: int
    done: int
    planned: int
    labels: tuple[str, ...]
    slowness: tuple[float, ...]
    scores: Tensor
    frames: Mapping[str, Tensor]


Callback = Callable[[Progress], None]
Several = list[str] | list[Unit] | list[Objective] | list[Named] | tuple[Named, ...]
"""Targets that give a list of results."""


@overload
def maximize(
    network: Network,
    target: Named,
    *,
    recipe: Recipe | None = None,
    maxima: Maxima | None = None,
    priors: Sequence[Prior] = PRIORS,
    parametrization: Parametrization | str = "fourier",
    transforms: Sequence[Transform] | None = None,
    callback: Callback | None = None,
) -> PreferredInput: ...
@overload
def maximize(
    network: Network,
    target: Several,
    *,
    recipe: Recipe | None = None,
    maxima: Maxima | None = None,
    priors: Sequence[Prior] = PRIORS,
    parametrization: Parametrization | str = "fourier",
    transforms: Sequence[Transform] | None = None,
    callback: Callback | None = None,
) -> list[PreferredInput]: ...
def maximize(
    network: Network,
    target: Named | Several,
    *,
    recipe: Recipe | None = None,
    maxima: Maxima | None = None,
    priors: Sequence[Prior] = PRIORS,
    parametrization: Parametrization | str = "fourier",
    transforms: Sequence[Transform] | None = None,
    callback: Callback | None = None,
) -> PreferredInput | list[PreferredInput]:
    """The preferred input of a class (by name), a unit or an objective, with the whole slowness sweep in it.

    One target gives one result, a list gives a list. Units of a layer share forward passes, and a neuron is optimized
    on its receptive field alone.

    maxima
        what scores are relative to. Layers that are not in it follow the network's file, or else are measured on
        generated clips; every result says which.
    priors
        what is subtracted from the weighted score, see `Prior`.
    parametrization
        how the frames are held: "fourier", "pixels", or a `Parametrization`.
    transforms
        random changes of what the network is shown at each step; None: a `Shift` of up to the layer's stride.
    callback
        told after every step, see `Progress`.

    Ctrl-C ends the run and returns what there is, marked as interrupted. The network is left as it was found. Raises
    NetworkError for an address that the network does not have, MareyError for a setting that cannot be.
    """
    recipe = recipe if recipe is not None else Recipe()
    named = [target] if isinstance(target, str | Unit | Objective) else list(target)
    if not named:
        raise NetworkError("no unit was given to maximize; name at least one, as layer:channel or as a class.")
    for stream in recipe.bounds:
        network.stream(stream)
    parts = Parts(tuple(priors), parametrization_of(parametrization), None if transforms is None else tuple(transforms))
    with torch.enable_grad(), quick_passes(network):
        targets = targets_of(network, named, maxima, where=recipe.where)
        run = _Run(network, recipe, parts, _bounds(network, maxima), callback)
        made = run.all(list(jobs_in_batches(targets, recipe)))
    of_targets = [[one for one in made if one.job.place == place] for place in range(len(targets))]
    results = [_result(network, t, ones, recipe, parts) for t, ones in zip(targets, of_targets, strict=True) if ones]
    return results[0] if isinstance(target, str | Unit | Objective) else results


@dataclass(frozen=True)
class Parts:
    """The parts of equation (1) beside the score, and how it is climbed."""

    priors: tuple[Prior, ...]
    parametrization: Parametrization
    transforms: tuple[Transform, ...] | None

    def to_json(self) -> dict[str, Any]:
        """The parts in words, as their `repr` says them."""
        return {
            "priors": [repr(prior) for prior in self.priors],
            "parametrization": repr(self.parametrization),
            "transforms": None if self.transforms is None else [repr(transform) for transform in self.transforms],
        }


def _bounds(network: Network, maxima: Maxima | None) -> dict[str, float]:
    """{stream: B} of real clips, as far as it is known."""
    known = Maxima.merged(*(one for one in (maxima, network.maxima) if one is not None))
    return dict(known.bounds)


@dataclass(frozen=True)
class _Made:
    """One input: its job, and what came out."""

    job: Job
    frames: dict[str, Tensor]
    history: Tensor
    diagnosis: Diagnosis
    arithmetic: dict[str, str]


@dataclass
class _Run:
    """Batch after batch of one call of `maximize`; the arithmetic is chosen once for every form of crop."""

    network: Network
    recipe: Recipe
    parts: Parts
    bounds: Mapping[str, float]
    callback: Callback | None
    precisions: dict[Hashable, Forward] = field(default_factory=dict)

    def all(self, batches: Sequence[Sequence[Job]]) -> list[_Made]:
        """The inputs of all batches; after Ctrl-C of those up to there."""
        made: list[_Made] = []
        planned = len(batches) * self.recipe.steps
        for number, jobs in enumerate(batches):
            try:
                results, interrupted = self.batch(jobs, number * self.recipe.steps, planned)
            except KeyboardInterrupt:
                if not made:
                    raise
                break
            made += results
            if interrupted:
                break
        return made

    def batch(self, jobs: Sequence[Job], done: int, planned: int) -> tuple[list[_Made], bool]:
        """The inputs of one batch, in halves when memory runs out, and whether Ctrl-C ended it."""
        try:
            return self._at_once(jobs, done, planned)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        if len(jobs) == 1:
            target = jobs[0].target
            shapes = ", ".join(f"{stream.name} {stream.shape}" for stream in target.crop.streams)
            raise MareyError(
                f"memory ran out with a single input of {target.label} ({shapes}); "
                "use smaller input, a layer less deep, or precision='bf16'."
            )
        made: list[_Made] = []
        interrupted = False
        for half in halves(jobs, self.recipe):
            if not interrupted:
                results, interrupted = self.batch(half, done, planned)
                made += results
        return made, interrupted

    def _at_once(self, jobs: Sequence[Job], done: int, planned: int) -> tuple[list[_Made], bool]:
        batch = batch_of(self.network, jobs, self.recipe, bounds=self.bounds, transforms=self.parts.transforms)
        chosen = self._forward(batch)
        labels = tuple(job.target.label for job in jobs)

        def watch(step: int, scores: Tensor, frames: dict[str, Tensor]) -> None:
            if self.callback is not None:
                slowness = tuple(job.slowness for job in jobs)
                self.callback(Progress(step, done + step + 1, planned, labels, slowness, scores, frames))

        optimized = optimize(
            batch,
            chosen,
            self.recipe,
            priors=self.parts.priors,
            parametrization=self.parts.parametrization,
            watch=None if self.callback is None else watch,
        )
        diagnoses = diagnosed(self.network, batch, optimized)
        made = [
            _Made(
                job,
                frames={name: video[place] for name, video in optimized.frames.items()},
                history=optimized.history[:, place],
                diagnosis=diagnosis,
                arithmetic=chosen.describe(),
            )
            for place, (job, diagnosis) in enumerate(zip(jobs, diagnoses, strict=True))
        ]
        return made, optimized.interrupted

    def _forward(self, batch: Batch) -> Forward:
        """The way to compute a batch; a few steps are not worth a choice."""
        form = batch.crop.form
        if form not in self.precisions:
            few = self.recipe.precision == "auto" and self.recipe.steps < 32
            precision = "fp32" if few else self.recipe.precision
            self.precisions[form] = forward(batch.crop, precision=precision, clips=len(batch))
        known = self.precisions[form]
        return Forward(batch.crop, known.module, known.precision)


def _result(network: Network, target: Target, made: Sequence[_Made], recipe: Recipe, parts: Parts) -> PreferredInput:
    slowness = tuple(one.job.slowness for one in made)
    if target.crop.still:  # made once, and the same at all
        slowness = recipe.slowness
        made = [*made] * len(slowness)
    alone = len(target.scales) == 1 and target.objective.terms[0][1] == 1
    return PreferredInput(
        target=str(target.objective),
        label=target.label,
        slowness=slowness,
        streams=target.crop.streams,
        frames={name: torch.stack([one.frames[name] for one in made]) for name in made[0].frames},
        scores=tuple(one.diagnosis.score for one in made),
        ordinary=target.scales[0].ordinary if alone else None,
        reach=target.scales[0].reach if alone else None,
        source=target.source,
        history=merged([one.history for one in made]),
        shares=tuple(one.diagnosis.shares for one in made),
        notes=tuple(one.diagnosis.notes for one in made),
        recognized=tuple(one.diagnosis.recognized for one in made),
        provenance={
            "network": network.name,
            "weights_sha256": network.weights_hash,
            "classes": list(network.classes),
            "recipe": recipe.to_json(),
            **parts.to_json(),
            "crop": {"mode": target.crop.mode, "corners": {k: list(v) for k, v in target.crop.corners.items()}},
            "arithmetic": made[0].arithmetic,
            "marey": __version__,
            "python": platform.python_version(),
        },
    )
