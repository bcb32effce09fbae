"""The loop: one batch of inputs climbs the objective by Adam. It shows, names and stores nothing."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from marey.accelerate.measures import Limits, priors_of, projected, projected_with_priors
from marey.accelerate.quick_layers import neurons_alone
from marey.accelerate.scratch import Scratch
from marey.maximization.batches import Batch, scores_of
from marey.maximization.offsets import limits_of, shown
from marey.maximization.parametrizations import FINE, Parametrization, parametrization
from marey.maximization.priors import levelled, lifted, prior_weights, steered
from marey.maximization.recipe import Recipe
from marey.network.hooks import REVIVAL_SLOPE, revived
from marey.network.stream import Stream

_WINDOW = 32
"""Steps over which progress is judged."""

_CALM = 0.1
"""Part of the first step size from which on an input may settle: what the last steps leave in it of noise stays."""

_REACHED = 0.1
"""How near, in parts of it, a score must be to its target for a run to end early."""

_LOST, _FOUND = 0.1, 0.5
"""Scores at half time: below the first an input is lost where another of its sweep is above the second."""

_STEP, _FINE_STEP = 0.045, 0.1
"""Adam's first step, in units of the bound, where the recipe names none: larger for units that see little, which may
want motion that is the same everywhere. Larger inputs come out overdone with it, and other networks know fewer."""


@dataclass
class Ascent:
    """Where the climb ended: frames by stream (input channel time height width), score of every step (step, input).

    Scores are NaN where an input had settled before the others, or the network gave no finite one. Those that were lost
    at half time are `led` by another: {place: the other's place}.
    """

    frames: dict[str, Tensor]
    history: Tensor
    strengths: Tensor
    kappas: Tensor
    interrupted: bool = False
    unstable: set[int] = field(default_factory=set)
    led: dict[int, int] = field(default_factory=dict)
    converged: bool = False


def ascend(
    batch: Batch,
    module: nn.Module,
    recipe: Recipe,
    *,
    quick: nn.Module | None = None,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Ascent:
    """Climb from noise; `on_step(step, scores)` follows. Ctrl-C ends the climb and keeps what there is.

    `quick`, where given, computes what `module` does, and stands for it while no unit has to be revived. An input whose
    gradient is not finite is put back to its last good state, with Adam's memory of it cleared.
    """
    quick = module if quick is None else quick
    climb = _Climb(batch, module, quick, recipe)
    interrupted = False
    try:
        with batch.region.arithmetic(module, quick), _alone(batch, quick):
            for step in range(recipe.steps):
                if 0 < step == recipe.steps // 2:
                    climb.find_lost()
                climb.step(step)
                if on_step is not None:
                    on_step(step, climb.history[-1])
                climb.settle(step)
                if climb.all_ended:
                    break
    except KeyboardInterrupt:
        if not climb.begun:
            raise
        interrupted = True
    return climb.result(interrupted=interrupted)


def _alone(batch: Batch, quick: nn.Module) -> AbstractContextManager[None]:
    """The context in which nothing but the batch's neurons is computed of their layer, where they are all there is."""
    single = batch.neurons
    return nullcontext() if single is None else neurons_alone(quick, single.layer, single.index)


class _Climb:
    """Inputs on their way up: the free numbers that Adam moves, the weights that are steered, and who has settled."""

    def __init__(self, batch: Batch, module: nn.Module, quick: nn.Module, recipe: Recipe) -> None:
        self.batch, self.module, self.quick, self.recipe = batch, module, quick, recipe
        self.streams = batch.region.streams
        self.device = batch.region.network.device
        weight = next(module.parameters(), None)
        self.dtype = torch.float32 if weight is None else weight.dtype
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.stages = {round(k * recipe.steps / len(recipe.coarse)): factor for k, factor in enumerate(recipe.coarse)}

        self.held: dict[str, Parametrization] = {}
        self.free: dict[str, Tensor] = {}
        self.scratch = {stream.name: Scratch() for stream in self.streams}
        self.final: dict[str, Tensor] = {}  # where they settled
        self.optimizer = torch.optim.Adam([torch.zeros(1)])
        self.first_step_size = self.last_step_size = _step_size(recipe, self.streams)

        self.strengths = torch.full((len(batch),), recipe.strength, device=self.device)
        self.targets = torch.tensor(batch.targets, device=self.device)
        self.aimed = torch.isfinite(self.targets)
        self.aims = bool(self.aimed.any())
        self.floors = torch.tensor(batch.floors, device=self.device) if batch.floors else None
        self.kappas = torch.full_like(self.strengths, recipe.kappa)
        self.levels = torch.zeros_like(self.strengths)  # how far each input varied from its reference so far
        self.weights = prior_weights(batch, recipe, kappas=self.kappas)

        nobody = torch.zeros(len(batch), dtype=torch.bool, device=self.device)
        self.dead = self.ended = nobody  # whose score is 0; who has settled
        self.silent: Tensor | None = None  # of whom one of several units is
        self.unstable: set[int] = set()
        self.led: dict[int, int] = {}
        self.history: list[Tensor] = []
        self.losses: list[Tensor] = []

    @property
    def begun(self) -> bool:
        """Whether there is an input to show."""
        return len(self.free) == len(self.streams)

    @property
    def all_ended(self) -> bool:
        return bool(self.ended.all())

    def step(self, step: int) -> None:
        """Gradient, Adam's step, and new weights."""
        recipe = self.recipe
        if step in self.stages:
            self._enter(self.stages[step])
        for group in self.optimizer.param_groups:
            self.last_step_size = group["lr"]
            group["lr"] = self.first_step_size * _fall(step / recipe.steps)
        for value in self.free.values():
            value.grad = None

        priors, spatial, windows = self._drawn()
        lost = self.dead if self.silent is None or step >= recipe.steps // 2 else self.dead | self.silent
        some = bool(lost.any())
        with revived(self.module, lost) if some else nullcontext():
            scores, own, self.silent = scores_of(self.batch, windows, self.module if some else self.quick)
        share = 1 - (1 - REVIVAL_SLOPE) * self.dead  # as weak as what a dead unit passes on
        slopes = [(priors, share), *((value, -self.strengths) for value in (scores, own) if value is not None)]
        wanted = [(value, slope) for value, slope in slopes if value.requires_grad]
        torch.autograd.backward(
            [value for value, _ in wanted], [slope for _, slope in wanted], inputs=list(self.free.values())
        )
        priors, scores = priors.detach(), scores.detach()
        loss = priors - self.strengths * (scores if own is None else scores + own.detach())

        self._hold_finite(loss)
        self.optimizer.step()
        if recipe.parametrization == "pixels":
            self._bound_pixels()
        if self.aims or self.floors is not None:
            if self.floors is None:
                strengths = steered(self.strengths, scores, self.targets, recipe)
            else:
                strengths = lifted(self.strengths, scores, self.floors, recipe)
            self.strengths = torch.where(self.ended, self.strengths, strengths)
        if recipe.equal_space and step >= recipe.steps // 8:
            found = levelled(self.levels, spatial, self.batch, recipe)
            if found is not None:
                kappas, self.levels = found
                self.kappas = torch.where(self.ended, self.kappas, kappas)
                self.weights = prior_weights(self.batch, recipe, kappas=self.kappas)
        self.scores = scores
        self.dead = self.scores == 0
        self.history.append(self.scores.masked_fill(self.ended, float("nan")).cpu())
        self.losses.append(torch.where(self.aimed, priors, loss) if self.aims else loss)

    def find_lost(self) -> None:
        """Put inputs that are still nearly silent where another of their sweep is that is not: the nearest in slowness.

        Noise may lie where a deep network is flat; which inputs of a sweep find their way out is chance.
        """
        late = torch.stack(self.history[-8:]).nanmean(0).tolist()
        chis, references = self.batch.slowness, self.batch.references
        for place, reference in enumerate(references):
            there = [k for k, its in enumerate(references) if its == reference and late[k] > _FOUND]
            if not there or not late[place] < _LOST or bool(self.ended[place]):
                continue
            other = self.led[place] = min(there, key=lambda k: abs(chis[k] - chis[place]))
            for value in self.free.values():
                for part in (value.data, *self._moments(value)):
                    part[place] = part[other]

    def settle(self, step: int) -> None:
        """End the inputs that have stopped gaining, where they are; too early, and at most steps, it does not ask."""
        recipe = self.recipe
        loud = _fall(step / recipe.steps) > _CALM
        if recipe.tolerance == 0 or loud or step - max(self.stages) < 3 * _WINDOW or (step + 1) % 8:
            return
        late = torch.stack(self.losses[-_WINDOW:]).mean(0)
        early = torch.stack(self.losses[-2 * _WINDOW : -_WINDOW]).mean(0)
        settled = early - late <= recipe.tolerance * late.abs().clamp_min(1e-6)
        short = torch.isfinite(self.targets) & ((self.scores - self.targets).abs() > _REACHED * self.targets)
        new = settled & ~self.dead & ~short & ~self.ended
        for name, value in self.free.items():
            self.final[name][new] = value.detach()[new]
        self.ended = self.ended | new

    def result(self, *, interrupted: bool) -> Ascent:
        """What there is: every input where it settled, or else where it is."""
        frames = {}
        with torch.no_grad():
            for name, value in self.free.items():
                value[self.ended] = self.final[name][self.ended]
            ends = self.batch.jitter.windows(self._decoded(), self.streams, self.batch.jitter.middle)
            for stream in self.streams:
                offset = ends[stream.name]
                safe = torch.where(torch.isfinite(offset), offset, torch.zeros_like(offset))
                frames[stream.name] = (safe + stream.rest).cpu()
        return Ascent(
            frames=frames,
            history=torch.stack(self.history) if self.history else torch.zeros(0, len(self.batch)),
            strengths=self.strengths.cpu(),
            kappas=self.kappas.cpu(),
            interrupted=interrupted,
            unstable=self.unstable,
            led=self.led,
            converged=self.all_ended,
        )

    def _enter(self, factor: int) -> None:
        """Begin a stage, in which frames are held at 1 / `factor` of their size: from noise, or from what there is."""
        before = {name: offset.detach() for name, offset in self._decoded().items()} if self.free else None
        for salt, stream in enumerate(self.streams):
            name = stream.name
            held = self.held[name] = parametrization(
                self.recipe.parametrization, stream.kind, self.batch.jitter.canvas(stream), factor, self.dtype
            )
            if before is None:
                start = held.arranged(self.recipe.noise * _noise(held.free_shape, self.batch.seeds, salt))
            else:
                start = held.encode(before[name] / self.batch.bounds[name])
            self.free[name] = start.to(self.device).requires_grad_(True)
        self.final = {name: value.detach().clone() for name, value in self.free.items()}
        self.optimizer = torch.optim.Adam(list(self.free.values()), lr=self.first_step_size, fused=True)

    def _decoded(self) -> dict[str, Tensor]:
        """Distances from rest, everywhere on the canvas."""
        found = {}
        for stream in self.streams:
            frames = self.held[stream.name].decode(self.free[stream.name])
            found[stream.name] = projected(frames, self._limits(stream))
        return found

    def _limits(self, stream: Stream) -> Limits:
        """Frames are held in units of the bound."""
        bound = self.batch.bounds[stream.name]
        return limits_of(stream, bound, scale=bound)

    def _drawn(self) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Of a window drawn at random: the priors, variation in space by stream, and what the network sees."""
        jitter, recipe = self.batch.jitter, self.recipe
        shift = jitter.draw(self.generator)
        totals, spatial, windows = [], {}, {}
        for stream in self.streams:
            name, limits = stream.name, self._limits(stream)
            frames = self.held[name].window(self.free[name], jitter.box(stream, shift), self.dtype)
            if recipe.zoom == 0:
                offset, priors = projected_with_priors(
                    frames, limits, self.weights[name], exponent=recipe.exponent, scratch=self.scratch[name]
                )
            else:
                offset = jitter.zoomed(projected(frames, limits), stream, shift)
                priors = priors_of(offset, limits.bound, self.weights[name], exponent=recipe.exponent)
            totals.append(priors.total)
            spatial[name] = priors.measures[1]
            windows[name] = shown(offset, stream)
        if recipe.input_noise > 0:
            for name, window in windows.items():
                grain = torch.randn(window.shape[1:], generator=self.generator).to(self.device)  # the same for all
                windows[name] = window + recipe.input_noise * self.batch.bounds[name] * grain
        return sum(totals[1:], totals[0]), spatial, windows

    def _bound_pixels(self) -> None:
        """Project the frames themselves, where they are held at full size."""
        with torch.no_grad():
            for stream in self.streams:
                value, bound = self.free[stream.name], self.batch.bounds[stream.name]
                if value.shape[1:] == self.batch.jitter.canvas(stream):
                    value.copy_(projected(value, limits_of(stream, bound, scale=bound)) / bound)

    def _hold_finite(self, loss: Tensor) -> None:
        """Put inputs without a finite loss or gradient back to where they were before the last step, and let them stay.

        Where that was follows from Adam's memory, so that no copy has to be kept. Held as pixels, which are brought
        within their bound after every step, an input comes back to that up to the bound.
        """
        # a sum carries whatever is not finite in it, and is 50 times faster than to ask of each value
        total = sum((value.grad.flatten(1).sum(1) for value in self.free.values() if value.grad is not None), loss)
        if math.isfinite(float(total.sum())):
            return
        bad = (~torch.isfinite(total)).nonzero().flatten()
        self.unstable.update(bad.tolist())
        with torch.no_grad():
            for value in self.free.values():
                value[bad] += self._last_moves(value, bad)
                if value.grad is not None:
                    value.grad[bad] = 0
                for moment in self._moments(value):
                    moment[bad] = 0

    def _last_moves(self, value: Tensor, places: Tensor) -> Tensor:
        """What Adam's last step took from free numbers; zero where it had no memory of them."""
        if not self._moments(value):
            return torch.zeros_like(value[places])
        state, group = self.optimizer.state[value], self.optimizer.param_groups[0]
        mean, square = (moment[places] for moment in self._moments(value))
        count = float(state["step"])
        first, second = (1 - beta**count for beta in group["betas"])
        moves: Tensor = self.last_step_size / first * mean / ((square / second).sqrt() + group["eps"])
        return moves

    def _moments(self, value: Tensor) -> list[Tensor]:
        """Adam's memory of free numbers; nothing before the first step."""
        state = self.optimizer.state.get(value, {})
        return [state[name] for name in ("exp_avg", "exp_avg_sq") if name in state]


def _step_size(recipe: Recipe, streams: Sequence[Stream]) -> float:
    """Adam's first step for inputs with these streams."""
    if recipe.step_size is not None:
        return recipe.step_size
    return _FINE_STEP if max(max(stream.height, stream.width) for stream in streams) <= FINE else _STEP


def _fall(part: float) -> float:
    """The step size after a part (0..1) of all steps, in parts of the first one: half a cosine down to a fiftieth."""
    return 0.51 + 0.49 * math.cos(math.pi * part)


def _noise(shape: tuple[int, ...], seeds: Sequence[int], salt: int) -> Tensor:
    draws = [torch.randn(shape, generator=torch.Generator().manual_seed(seed * 1_000_003 + salt)) for seed in seeds]
    return torch.stack(draws)
