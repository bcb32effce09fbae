"""One call of `maximize`: which inputs are made together, and each result as soon as it is complete."""

import json
import math
import platform
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from marey._version import __version__
from marey.accelerate.forward import Forward, Precision, passes
from marey.accelerate.memory import NotEnoughMemoryError
from marey.accelerate.passes import quick_passes
from marey.errors import MareyError, NetworkError, out_of_memory
from marey.maximization.batches import Batch, Job, batch_of, halves, jobs_in_batches
from marey.maximization.controls import as_free
from marey.maximization.diagnostics import Diagnosis, diagnosed
from marey.maximization.loop import Watch, optimize
from marey.maximization.parametrizations import Parametrization
from marey.maximization.parts import Parts
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput, merged
from marey.maximization.targets import Named, Target, targets_of
from marey.network.maxima import Maxima
from marey.network.network import Network

_ALIKE = 1e-3
"""Ranges that differ by less than this part are the same but for rounding."""


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
    free
        whether these are the free clips that moved ones are compared with, which take steps of their own.
    """

    step: int
    done: int
    planned: int
    labels: tuple[str, ...]
    slowness: tuple[float, ...]
    scores: Tensor
    frames: Mapping[str, Tensor]
    free: bool = False


Callback = Callable[[Progress], None]


@dataclass(frozen=True)
class _Made:
    """One input: its job, and what came out."""

    job: Job
    frames: dict[str, Tensor]
    parts: dict[str, Tensor]
    history: Tensor
    diagnosis: Diagnosis
    controls: dict[str, float]
    arithmetic: dict[str, Any]


class Maximization:
    """What a call of `maximize` will make, in which batches, and then the results, one by one.

    label, about
        of a single target, its name where it is not that of the objective, and further lines of its provenance.
    labels
        of the targets, in order.
    interrupted
        whether Ctrl-C ended the run.
    """

    def __init__(
        self,
        network: Network,
        named: Sequence[Named],
        *,
        recipe: Recipe | None = None,
        maxima: Maxima | None = None,
        parts: Parts | None = None,
        callback: Callback | None = None,
        label: str | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if not named:
            raise NetworkError("no unit was given to maximize; name at least one, as layer:channel or as a class.")
        self.network, self.callback = network, callback
        self.recipe = Recipe() if recipe is None else recipe
        self.parts = Parts.of() if parts is None else parts
        self.about = {} if about is None else about
        known = Maxima.merged(*(one for one in (maxima, network.maxima) if one is not None))
        self.bounds = dict(known.bounds)  # of real clips, as far as they are known
        with torch.enable_grad(), quick_passes(network):
            self.targets = targets_of(network, named, maxima, where=self.recipe.where, of_class=self.recipe.of_class)
        held = {one.name for target in self.targets for one in self.parts.held(target.crop).held(target.crop.streams)}
        for stream in self.recipe.bounds:
            if stream not in held:
                network.stream(stream)
        self.labels = [target.label if label is None else label for target in self.targets]
        self.interrupted = False
        self._ways: dict[Hashable, Forward] = {}  # chosen once for every form of crop
        self._before: dict[Hashable, dict[str, Any]] = {}  # the arithmetic of results of a form

    def makes(self, place: int, result: PreferredInput) -> bool:
        """Whether a result is a finished one of this target, with the same network, settings, ranges and version.

        Not compared is what changes values by rounding: `Recipe.batch`, the device, versions of torch and Python.
        """
        target = self.targets[place]
        expected = json.loads(json.dumps(self._provenance(target)))
        found = json.loads(json.dumps(result.provenance))
        for values in (expected, found):
            if isinstance(values.get("recipe"), dict):
                values["recipe"].pop("batch", None)
        if (
            result.interrupted
            or (result.label, result.target) != (self.labels[place], str(target.objective))
            or (result.slowness, result.streams) != (self.recipe.slowness, target.crop.streams)
            or not all(_alike(found.pop(name, None), expected.pop(name)) for name in ("ranges", "bounds"))
            or any(found.get(name) != value for name, value in expected.items())
            or not isinstance(found.get("arithmetic"), dict)
        ):
            return False
        self._before[target.crop.form] = found["arithmetic"]
        return True

    def results(self, *, besides: Collection[int] = ()) -> Iterator[tuple[int, PreferredInput]]:
        """The place of each target and its result, as soon as it is made, but for the targets at the places `besides`.

        A batch is made as a whole where any of its inputs is needed, so that results are the same whatever was made
        before. Ctrl-C ends the run with the results up to there, the last ones marked as interrupted.
        """
        batches = list(jobs_in_batches(self.targets, self.recipe))
        batches = [jobs for jobs in batches if any(job.place not in besides for job in jobs)]
        missing = Counter(job.place for jobs in batches for job in jobs)
        made: dict[int, list[_Made]] = {place: [] for place in missing if place not in besides}
        plans = [self._planned(jobs) for jobs in batches]
        for number, jobs in enumerate(batches):
            try:
                inputs, self.interrupted = self._batch(jobs, sum(plans[:number]), sum(plans))
            except KeyboardInterrupt:
                self.interrupted = True
                if number == 0:
                    raise
                return
            for one in inputs:
                if one.job.place in made:
                    made[one.job.place].append(one)
            for place in dict.fromkeys(job.place for job in jobs):
                if place in made and (len(made[place]) == missing[place] or self.interrupted):
                    yield place, self._result(place, made.pop(place))
            if self.interrupted:
                return

    def _batch(self, jobs: Sequence[Job], done: int, planned: int) -> tuple[list[_Made], bool]:
        """The inputs of one batch, in halves where memory runs out beside passes, and whether Ctrl-C ended it."""
        target = jobs[0].target
        try:
            with torch.enable_grad(), quick_passes(self.network):
                return self._together(jobs, done, planned)
        except (MemoryError, RuntimeError, NotEnoughMemoryError) as error:
            if not out_of_memory(error) and not isinstance(error, NotEnoughMemoryError):
                raise
            why = f": {error}" if isinstance(error, NotEnoughMemoryError) else ""
        if len(jobs) > 1 and not why:
            made: list[_Made] = []
            for half in halves(jobs, self.recipe):
                inputs, interrupted = self._batch(half, done, planned)
                made += inputs
                if interrupted:
                    return made, True
            return made, False
        shapes = ", ".join(f"{stream.name} {stream.shape}" for stream in target.crop.streams)
        raise MareyError(
            f"memory ran out with a single input of {target.label} ({shapes}){why}; "
            "use smaller input, a layer less deep, or precision='bf16'."
        )

    def _together(self, jobs: Sequence[Job], done: int, planned: int) -> tuple[list[_Made], bool]:
        batch = self._batch_of(jobs, self.parts.held(jobs[0].target.crop))
        way = self._forward(batch)
        watch = self._watch(batch, done, planned)
        optimized = optimize(batch, way, self.recipe, priors=self.parts.weighed(batch.crop), watch=watch)
        optimized = optimized.rounded(batch.crop.streams, batch.scene)
        if optimized.most is not None:
            self._ways[batch.crop.form] = way = way.with_most(optimized.most)
        free: dict[int, dict[str, float]] = {}
        interrupted = optimized.interrupted
        if not interrupted:
            free, interrupted = self._compared(batch, way, done + self.recipe.steps, planned)
        diagnoses = diagnosed(self.network, batch, replace(optimized, interrupted=interrupted))
        made = [
            _Made(
                job,
                frames={name: video[place] for name, video in optimized.frames.items()},
                parts={name: part[place] for name, part in optimized.parts.items()},
                history=optimized.history[:, place],
                diagnosis=diagnosis,
                controls=diagnosis.controls | free.get(batch.scene.fastest[place], {}),
                arithmetic=self._ways[batch.crop.form].describe(),
            )
            for place, (job, diagnosis) in enumerate(zip(jobs, diagnoses, strict=True))
        ]
        return made, interrupted

    def _batch_of(self, jobs: Sequence[Job], parametrization: Parametrization) -> Batch:
        return batch_of(
            self.network,
            jobs,
            self.recipe,
            bounds=self.bounds,
            transforms=self.parts.transforms,
            parametrization=parametrization,
        )

    def _planned(self, jobs: Sequence[Job]) -> int:
        """The steps of a batch at most, with those of the clips that it is compared with."""
        crop = jobs[0].target.crop
        return self.recipe.steps * (1 if self.parts.held(crop).compared is None or crop.still else 2)

    def _watch(self, batch: Batch, done: int, planned: int, *, free: bool = False) -> Watch | None:
        """What tells the callback of each step of a batch."""
        callback = self.callback
        if callback is None:
            return None
        labels, slowness = zip(*((job.target.label, job.slowness) for job in batch.jobs), strict=True)

        def watch(step: int, scores: Tensor, frames: dict[str, Tensor]) -> None:
            callback(Progress(step, done + step + 1, planned, labels, slowness, scores, frames, free))

        return watch

    def _compared(
        self, batch: Batch, way: Forward, done: int, planned: int
    ) -> tuple[dict[int, dict[str, float]], bool]:
        """What the other parametrization reaches at slowness 0 {place of the fastest of a sweep: controls}."""
        other = batch.parametrization.compared
        if other is None or batch.crop.still:
            return {}, False
        places = sorted(set(batch.scene.fastest))
        free = self._batch_of([replace(batch.jobs[place], slowness=0.0) for place in places], other)
        watch = self._watch(free, done, planned, free=True)
        try:
            optimized = optimize(free, way, self.recipe, priors=self.parts.weighed(batch.crop), watch=watch)
        except KeyboardInterrupt:  # before the first step
            return {}, True
        found = diagnosed(self.network, free, optimized)
        return {
            place: as_free(one.controls, one.score) for place, one in zip(places, found, strict=True)
        }, optimized.interrupted

    def _forward(self, batch: Batch) -> Forward:
        """The way to compute a batch, as before where some of its form is made; a few steps are not worth a choice."""
        form = batch.crop.form
        if form not in self._ways:
            few = self.recipe.precision == "auto" and self.recipe.steps < 32
            before = self._before.get(form, {})
            known: list[Precision] = [word for word in ("fp32", "bf16") if word == before.get("precision")]
            precision = known[0] if known else "fp32" if few else self.recipe.precision
            asked = (self.recipe.batch, before.get("clips_per_pass"))
            limits = [limit for limit in asked if isinstance(limit, int) and limit > 0]
            most = min([len(batch), *limits])
            self._ways[form] = passes(batch.crop, precision=precision, clips=most)
        return self._ways[form].on(batch.crop)

    def _result(self, place: int, made: Sequence[_Made]) -> PreferredInput:
        target = self.targets[place]
        slowness = tuple(one.job.slowness for one in made)
        if target.crop.still:  # made once, and the same at all
            slowness = self.recipe.slowness
            made = [*made] * len(slowness)
        alone = len(target.scales) == 1 and target.objective.terms[0][1] == 1
        return PreferredInput(
            target=str(target.objective),
            label=self.labels[place],
            slowness=slowness,
            streams=target.crop.streams,
            frames={name: torch.stack([one.frames[name] for one in made]) for name in made[0].frames},
            parts={name: torch.stack([one.parts[name] for one in made]) for name in made[0].parts},
            scores=tuple(one.diagnosis.score for one in made),
            ordinary=target.scales[0].ordinary if alone else None,
            reach=target.scales[0].reach if alone else None,
            source=target.source,
            history=merged([one.history for one in made]),
            shares=tuple(one.diagnosis.shares for one in made),
            controls=tuple(one.controls for one in made),
            notes=tuple(one.diagnosis.notes for one in made),
            recognized=tuple(one.diagnosis.recognized for one in made),
            provenance={
                **self._provenance(target),
                "arithmetic": made[0].arithmetic,
                "python": platform.python_version(),
            },
        )

    @cached_property
    def _weights_hash(self) -> str:
        """That of the weights at the start; no step changes them."""
        return self.network.weights_hash

    def _provenance(self, target: Target) -> dict[str, Any]:
        """What makes the result of a target what it is, but for rounding."""
        return {
            "network": self.network.name,
            "weights_sha256": self._weights_hash,
            "classes": list(self.network.classes),
            "recipe": self.recipe.to_json(),
            **self.parts.to_json(target.crop),
            "crop": {"mode": target.crop.mode, "corners": {k: list(v) for k, v in target.crop.corners.items()}},
            "ranges": [[scale.ordinary, scale.reach] for scale in target.scales],
            "bounds": self.bounds,
            "marey": __version__,
            **self.about,
        }


def _alike(found: Any, expected: Any) -> bool:
    """Whether rows of numbers, or numbers by name, are the same but for rounding."""
    if isinstance(expected, dict):
        found = sorted(found.items()) if isinstance(found, dict) else None
        expected = sorted(expected.items())
    if isinstance(expected, list | tuple):
        return isinstance(found, list | tuple) and len(found) == len(expected) and all(map(_alike, found, expected))
    if isinstance(expected, float) and isinstance(found, float | int):
        return math.isclose(found, expected, rel_tol=_ALIKE)
    return bool(found == expected)
