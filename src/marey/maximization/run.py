"""Preferred inputs: the frames, in all streams together, that excite a unit most (equation (1))."""

import platform
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from marey._version import __version__
from marey.accelerate.arithmetic import copy_for, faster, quick_passes, quickened
from marey.accelerate.compiled import numba_version
from marey.errors import MareyError, NetworkError, out_of_memory
from marey.maximization.batches import Batch, Job, batch_of, halves, jobs_in_batches, scores_of
from marey.maximization.diagnostics import Verdict, verdicts_of
from marey.maximization.loop import ascend
from marey.maximization.objectives import Objective
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput, merged
from marey.maximization.targets import Goal, Target, goals_of
from marey.network.network import Network
from marey.network.unit import Unit


@dataclass(frozen=True)
class Progress:
    """How far a maximization is: steps done and planned at most over all batches, and scores of the running one."""

    done: int
    planned: int
    scores: Tensor


def maximize(
    network: Network,
    targets: Target | Iterable[Target],
    *,
    recipe: Recipe | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[PreferredInput]:
    """The preferred inputs of units, classes (by name) or objectives: one result each, with the whole chi sweep in it.

    Units of a layer share forward passes, and a neuron is optimized on its receptive field alone. Scores are normalized
    by `network.maxima`; layers not in it are measured on generated clips, and the result says so. Ctrl-C ends the run
    and returns what there is, marked as interrupted. The network is left as it was found.

    Raises NetworkError for an address that the network does not have.
    """
    recipe = recipe if recipe is not None else Recipe()
    given = [targets] if isinstance(targets, str | Unit | Objective) else list(targets)
    if not given:
        raise NetworkError("no unit was given to maximize; name at least one, as in 'fusion.conv5:21', or a class.")
    for stream in recipe.bounds:
        network.stream(stream)
    with quick_passes(network):
        goals = goals_of(network, given, where=recipe.where)
        made = _Run(network, recipe, progress).all(list(jobs_in_batches(goals, recipe)))
    of_goals = [[one for one in made if one.job.place == place] for place in range(len(goals))]
    return [_result(network, goal, ones, recipe) for goal, ones in zip(goals, of_goals, strict=True) if ones]


@dataclass(frozen=True)
class _Made:
    """One input: what was asked for, and what came out."""

    job: Job
    frames: dict[str, Tensor]
    history: Tensor
    verdict: Verdict
    precision: str


@dataclass
class _Run:
    """Batch after batch of one call of `maximize`; the arithmetic is chosen once for every form of region."""

    network: Network
    recipe: Recipe
    progress: Callable[[Progress], None] | None
    arithmetic: dict[Hashable, "_Arithmetic"] = field(default_factory=dict)

    def all(self, batches: Sequence[Sequence[Job]]) -> list[_Made]:
        """The inputs of all batches; after Ctrl-C of those up to there."""
        made: list[_Made] = []
        planned = len(batches) * self.recipe.steps
        for number, jobs in enumerate(batches):
            done = number * self.recipe.steps

            def on_step(step: int, scores: Tensor, done: int = done) -> None:
                if self.progress is not None:
                    self.progress(Progress(done + step + 1, planned, scores))

            try:
                results, interrupted = self.batch(jobs, on_step)
            except KeyboardInterrupt:
                if not made:
                    raise
                break
            made += results
            if interrupted:
                break
        return made

    def batch(self, jobs: Sequence[Job], on_step: Callable[[int, Tensor], None]) -> tuple[list[_Made], bool]:
        """The inputs of one batch, in halves when memory runs out, and whether Ctrl-C ended it."""
        try:
            return self._at_once(jobs, on_step)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        if len(jobs) == 1:
            goal = jobs[0].goal
            shapes = ", ".join(f"{stream.name} {stream.shape}" for stream in goal.region.streams)
            raise MareyError(
                f"memory ran out with a single input of {goal.label} ({shapes}); "
                "use smaller input, a layer less deep, or precision='bf16'."
            )
        made: list[_Made] = []
        interrupted = False
        for half in halves(jobs, self.recipe):
            if not interrupted:
                results, interrupted = self.batch(half, on_step)
                made += results
        return made, interrupted

    def _at_once(self, jobs: Sequence[Job], on_step: Callable[[int, Tensor], None]) -> tuple[list[_Made], bool]:
        batch = batch_of(self.network, jobs, self.recipe)
        form = batch.region.form
        if form not in self.arithmetic:
            self.arithmetic[form] = _arithmetic(self.network, batch, self.recipe)
        chosen = self.arithmetic[form]
        climb = ascend(batch, chosen.module, self.recipe, quick=chosen.quick, on_step=on_step)
        verdicts = verdicts_of(self.network, batch, jobs, climb, recipe=self.recipe)
        made = [
            _Made(
                job,
                frames={name: video[place] for name, video in climb.frames.items()},
                history=climb.history[:, place],
                verdict=verdict,
                precision=chosen.precision,
            )
            for place, (job, verdict) in enumerate(zip(jobs, verdicts, strict=True))
        ]
        return made, climb.interrupted


@dataclass(frozen=True)
class _Arithmetic:
    """module: in the type that was chosen; quick: its copy with quick layers, or else the same."""

    module: nn.Module
    quick: nn.Module
    precision: str


def _arithmetic(network: Network, batch: Batch, recipe: Recipe) -> _Arithmetic:
    """The arithmetic that the recipe asks for, or that is faster here."""
    quick = quickened(batch.region)
    full = _Arithmetic(network.module, quick(network.module), "fp32")
    if recipe.precision == "fp32" or (recipe.precision == "auto" and recipe.steps < 32):
        return full

    def step(module: nn.Module) -> None:
        windows = {
            stream.name: torch.full((len(batch), *stream.shape), stream.rest, device=network.device, requires_grad=True)
            for stream in batch.region.streams
        }
        with batch.region.arithmetic(module):
            scores, _, _ = scores_of(batch, windows, module)
            torch.autograd.backward(scores.sum(), inputs=list(windows.values()))

    try:
        alone = batch.region.probed if batch.region.layers else step  # one input shows what all of them use
        half = copy_for(alone, network.module, torch.bfloat16)
        both = _Arithmetic(half, quick(half), "bf16")
    except (RuntimeError, TypeError):
        if recipe.precision == "bf16":
            raise
        return full
    return both if recipe.precision == "bf16" or faster(step, full.quick, both.quick) is both.quick else full


def _result(network: Network, goal: Goal, made: Sequence[_Made], recipe: Recipe) -> PreferredInput:
    slowness = tuple(one.job.slowness for one in made)
    if goal.region.still:  # made once, and the same at all
        slowness = recipe.slowness
        made = [*made] * len(slowness)
    return PreferredInput(
        target=str(goal.objective),
        label=goal.label,
        slowness=slowness,
        streams=goal.region.streams,
        frames={name: torch.stack([one.frames[name] for one in made]) for name in made[0].frames},
        scores=tuple(one.verdict.score for one in made),
        maximum=goal.maximum,
        maximum_source=goal.maximum_source,
        history=merged([one.history for one in made]),
        shares=tuple(one.verdict.shares for one in made),
        notes=tuple(one.verdict.notes for one in made),
        recognized=tuple(one.verdict.recognized for one in made),
        made={
            "network": network.name,
            "weights_sha256": network.weights_hash,
            "classes": list(network.classes),
            "recipe": recipe.record(),
            "region": {"mode": goal.region.mode, "corners": {k: list(v) for k, v in goal.region.corners.items()}},
            "precision": sorted({one.precision for one in made}),
            "marey": __version__,
            "torch": str(torch.__version__),
            "numba": numba_version(),
            "python": platform.python_version(),
        },
    )
